//! A zone as the frame allocator of the `x86_64` crate.
//!
//! That crate's page tables take frames from a `FrameAllocator` and return them
//! to a `FrameDeallocator`. They speak of physical frames, of one type a size;
//! a zone speaks of frame numbers and orders. [`PhysFrames`] translates: it is a
//! processor's handle together with the physical address of frame 0.
//!
//! `deallocate_frame` returns nothing, so a free that the zone refuses would
//! vanish. Here it is counted, and the last one can be asked for.
//!
//! ```
//! use frame::Order;
//! use llfree::x86_64::PhysFrames;
//! use llfree::{Layout, Memory, Zone};
//! use persist::Volatile;
//! use x86_64::PhysAddr;
//! use x86_64::structures::paging::{FrameAllocator, PhysFrame, Size2MiB};
//!
//! #[repr(align(64))]
//! struct Tables([u8; 4096]);
//! let (mut lower, mut upper) = (Tables([0; 4096]), Tables([0; 4096]));
//! let memory = Memory { lower: &mut lower.0, upper: &mut upper.0 };
//! let zone: Zone<'_, Volatile> = Zone::create(4 * 512, 1, memory, Volatile).unwrap();
//!
//! // SAFETY: nobody else uses these frames; here not even their owner does.
//! let frames = unsafe { PhysFrames::new(&zone, 0, PhysAddr::new(0x4000_0000)) };
//! let mut frames = frames.unwrap();
//! let huge: PhysFrame<Size2MiB> = frames.allocate_frame().unwrap();
//! assert!(huge.start_address() >= PhysAddr::new(0x4000_0000));
//! assert_eq!(zone.stats().free, 3 * Order::HUGE.frames());
//! ```
#![expect(unsafe_code, reason = "the traits have contracts with the hardware")]

use core::fmt;

use ::x86_64::PhysAddr;
use ::x86_64::structures::paging::{FrameAllocator, FrameDeallocator, PageSize, PhysFrame};
use frame::{FRAME_SIZE, FrameId, HUGE_SIZE, Order};
use persist::Persist;

use crate::class::Class;
use crate::error::{LocalError, PutError};
use crate::local::Local;
use crate::zone::Zone;

/// Bits of a physical address on this architecture.
pub(crate) const PHYS_BITS: u32 = 52;

/// Why a processor got no physical frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhysError {
    /// It got no handle.
    Local(LocalError),
    /// Huge frames would not be what the hardware takes for one.
    Misaligned {
        /// Address of the zone's first byte.
        base: PhysAddr,
    },
    /// The zone would end beyond the physical address space.
    TooHigh {
        /// Address of the zone's first byte.
        base: PhysAddr,
        /// Frames in the zone.
        frames: usize,
    },
}

impl fmt::Display for PhysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Local(error) => error.fmt(f),
            Self::Misaligned { base } => {
                write!(f, "base {base:#x} is not a multiple of {HUGE_SIZE} bytes")
            }
            Self::TooHigh { base, frames } => write!(
                f,
                "{frames} frames from {base:#x} exceed {PHYS_BITS} bits of address"
            ),
        }
    }
}

impl core::error::Error for PhysError {}

/// Why a physical frame could not be freed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreeError {
    /// It lies below the zone.
    BelowBase {
        /// Address of the frame.
        address: PhysAddr,
        /// Address of the zone's first byte.
        base: PhysAddr,
    },
    /// The zone refused it.
    Refused(PutError),
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BelowBase { address, base } => {
                write!(f, "frame at {address:#x} lies below the zone at {base:#x}")
            }
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FreeError {}

/// A processor's handle that speaks of physical frames.
///
/// Serves frames of 4 KiB, 2 MiB and 1 GiB, as far as the zone serves their
/// orders. The contract of [`Local`] holds: one a processor, not to be entered
/// again from an interrupt.
pub struct PhysFrames<'z, 'm, P: Persist, const WORDS: usize = 8, const TREE: usize = 32> {
    local: Local<'z, 'm, P, WORDS, TREE>,
    base: PhysAddr,
    class: Class,
    failed_frees: u64,
    last_error: Option<FreeError>,
}

impl<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> PhysFrames<'z, 'm, P, WORDS, TREE> {
    /// Takes the handle of a processor, with frame 0 of the zone at `base`.
    ///
    /// Frames of 1 GiB need a base that is a multiple of 1 GiB; without it they
    /// are never available, the others are.
    ///
    /// # Errors
    ///
    /// Returns [`PhysError`] if `base` is not a multiple of 2 MiB, if the zone would
    /// not end inside the physical address space, or if there is no such handle.
    ///
    /// # Safety
    ///
    /// 1. The physical memory from `base` on, as many frames as the zone has, is
    ///    the zone's: all that use it have it from this zone.
    /// 2. All that use the zone agree on `base`.
    pub unsafe fn new(
        zone: &'z Zone<'m, P, WORDS, TREE>,
        cpu: usize,
        base: PhysAddr,
    ) -> Result<Self, PhysError> {
        let frames = zone.frames();
        if !base.is_aligned(HUGE_SIZE as u64) {
            return Err(PhysError::Misaligned { base });
        }
        let end = (frames as u64)
            .checked_mul(FRAME_SIZE as u64)
            .and_then(|len_bytes| base.as_u64().checked_add(len_bytes));
        if end.is_none_or(|end| end > 1 << PHYS_BITS) {
            return Err(PhysError::TooHigh { base, frames });
        }
        Ok(Self {
            local: zone.local(cpu).map_err(PhysError::Local)?,
            base,
            class: Class::default(),
            failed_frees: 0,
            last_error: None,
        })
    }

    /// Sets what the frames are for that are allocated from now on: page tables, say,
    /// are [`Class::Immovable`].
    pub const fn set_class(&mut self, class: Class) {
        self.class = class;
    }

    /// Returns the handle, for all that the traits can't say.
    pub const fn local(&mut self) -> &mut Local<'z, 'm, P, WORDS, TREE> {
        &mut self.local
    }

    /// Returns the physical address of frame 0.
    pub const fn base(&self) -> PhysAddr {
        self.base
    }

    /// Returns how many frees were refused.
    pub const fn failed_frees(&self) -> u64 {
        self.failed_frees
    }

    /// Returns why the last refused free was refused, and forgets it.
    pub const fn take_last_error(&mut self) -> Option<FreeError> {
        self.last_error.take()
    }

    /// Frees a frame, like `deallocate_frame`, but says whether that was right.
    ///
    /// # Errors
    ///
    /// Returns [`FreeError`] if the frame is not one of the zone's, or not
    /// allocated. It is counted too.
    ///
    /// # Safety
    ///
    /// 1. Nothing uses the frame any more.
    pub unsafe fn free<S: PageSize>(&mut self, frame: PhysFrame<S>) -> Result<(), FreeError> {
        let outcome = self.number(frame.start_address()).and_then(|frame| {
            self.local
                .put(frame, order_of::<S>())
                .map_err(FreeError::Refused)
        });
        if let Err(error) = outcome {
            self.failed_frees += 1;
            self.last_error = Some(error);
        }
        outcome
    }

    /// Returns the zone's number of the frame at this address, perhaps one that
    /// it does not have.
    fn number(&self, address: PhysAddr) -> Result<FrameId, FreeError> {
        let base = self.base;
        let offset_bytes = (address.as_u64())
            .checked_sub(base.as_u64())
            .ok_or(FreeError::BelowBase { address, base })?;
        let frame = offset_bytes / FRAME_SIZE as u64;
        // A number that does not fit is beyond the last frame either way.
        Ok(FrameId(usize::try_from(frame).unwrap_or(usize::MAX)))
    }
}

/// Returns the order of a frame size.
pub(crate) fn order_of<S: PageSize>() -> Order {
    match S::SIZE.ilog2() - FRAME_SIZE.ilog2() {
        0 => Order::FRAME,
        9 => Order::HUGE,
        _ => Order::GIANT,
    }
}

// SAFETY: The zone hands out no block twice before it is returned, blocks of one
// zone don't overlap, and by the contract of `new` (clauses 1 and 2) different
// numbers are different physical frames that nobody has from elsewhere.
unsafe impl<S: PageSize, P: Persist, const WORDS: usize, const TREE: usize> FrameAllocator<S>
    for PhysFrames<'_, '_, P, WORDS, TREE>
{
    fn allocate_frame(&mut self) -> Option<PhysFrame<S>> {
        // Otherwise no number that is aligned is an address that is.
        if !self.base.is_aligned(S::SIZE) {
            return None;
        }
        let frame = self.local.get_as(order_of::<S>(), self.class).ok()?;
        PhysFrame::from_start_address(self.base + frame.offset_bytes() as u64).ok()
    }
}

impl<S: PageSize, P: Persist, const WORDS: usize, const TREE: usize> FrameDeallocator<S>
    for PhysFrames<'_, '_, P, WORDS, TREE>
{
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame<S>) {
        // SAFETY: Nothing uses the frame: the trait's contract says so.
        let outcome = unsafe { self.free(frame) };
        // The trait has no place for an error; `free` has counted and kept it.
        let _ = outcome;
    }
}
