//! What C gives, as Rust memory.
//!
//! There is no heap, so the zone and the handles themselves need a place too.
//! They live in front of the upper structures, in memory of the same kind:
//!
//! ```text
//! lower   the zone's lower tables, nothing else: a format
//! upper   llfree_zone · one llfree_local a processor · upper structures
//! ```

use core::ffi::c_void;
use core::ptr::NonNull;
use core::slice;

use persist::LINE_BYTES;

use crate::code::Code;
use crate::local::Local;
use crate::zone::Zone;

/// Frames that physical addresses of 52 bits can tell apart.
const MAX_FRAMES: usize = 1 << 40;
/// Processors that a zone may be made for.
const MAX_CPUS: usize = 1 << 16;

/// Bytes for the zone, up to the next line.
const ZONE_BYTES: usize = size_of::<Zone>().next_multiple_of(LINE_BYTES);

const _: () = assert!(align_of::<Zone>() <= LINE_BYTES);
const _: () = assert!(align_of::<Local>() == LINE_BYTES);

/// What a platform saves when power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Domain {
    /// Nothing: ordinary memory.
    Volatile = 0,
    /// The memory including the caches.
    Eadr = 1,
    /// The memory, and what has been written back to it.
    Adr = 2,
}

impl Domain {
    /// Returns the domain of this number.
    pub(crate) const fn new(number: u32) -> Result<Self, Code> {
        match number {
            0 => Ok(Self::Volatile),
            1 => Ok(Self::Eadr),
            2 => Ok(Self::Adr),
            _ => Err(Code::UnknownDomain),
        }
    }
}

/// What a zone is to be.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    /// Frames, of 4 KiB each. Any number: the last huge frame may be incomplete.
    pub frames: usize,
    /// Processors, each with a handle of its own.
    pub cpus: usize,
    /// One of `llfree_domain`.
    pub domain: u32,
}

impl Config {
    /// Returns the memory that the zone needs.
    fn layout(&self) -> Result<llfree::Layout, Code> {
        match (self.frames, self.cpus) {
            (0, _) => Err(Code::NoFrames),
            (_, 0) => Err(Code::NoProcessors),
            (frames, _) if frames > MAX_FRAMES => Err(Code::TooManyFrames),
            (_, cpus) if cpus > MAX_CPUS => Err(Code::TooManyProcessors),
            (frames, cpus) => Ok(llfree::Layout::for_frames(frames, cpus)),
        }
    }

    /// Returns the bytes in front of the upper structures.
    const fn front_bytes(&self) -> usize {
        ZONE_BYTES + self.cpus * size_of::<Local>()
    }
}

/// Bytes that a zone needs.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Layout {
    /// Bytes of lower tables: all that is worth keeping.
    pub lower_bytes: usize,
    /// Bytes of upper structures, with the zone and its handles: made anew whenever
    /// the zone is.
    pub upper_bytes: usize,
}

/// The memory that a zone lives in; both parts start at a multiple of 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Memory {
    /// First byte of the lower tables.
    pub lower: *mut c_void,
    /// Bytes from there on, at least those of `llfree_layout`.
    pub lower_bytes: usize,
    /// First byte of the upper structures. Their content does not matter.
    pub upper: *mut c_void,
    /// Bytes from there on, at least those of `llfree_layout`.
    pub upper_bytes: usize,
}

/// Memory of a zone, as Rust sees it.
pub(crate) struct Parts {
    pub(crate) zone: NonNull<Zone>,
    pub(crate) locals: NonNull<Local>,
    pub(crate) tables: llfree::Memory<'static>,
}

impl Memory {
    /// Cuts the memory into the parts of a zone.
    ///
    /// # Safety
    ///
    /// 1. Both parts are readable and writable, as long as their lengths say, until
    ///    the zone is closed.
    /// 2. Nothing else accesses them until then.
    pub(crate) unsafe fn cut(&self, config: &Config) -> Result<Parts, Code> {
        let needed = config.layout()?;
        let front_bytes = config.front_bytes();
        let (Some(lower), Some(upper)) = (NonNull::new(self.lower), NonNull::new(self.upper))
        else {
            return Err(Code::NullArgument);
        };
        let is_aligned = |start: NonNull<c_void>| start.addr().get().is_multiple_of(LINE_BYTES);
        if !is_aligned(lower) {
            return Err(Code::LowerMisaligned);
        }
        if self.lower_bytes < needed.lower_bytes {
            return Err(Code::LowerTooShort);
        }
        if !is_aligned(upper) {
            return Err(Code::UpperMisaligned);
        }
        if self.upper_bytes < front_bytes + needed.upper_bytes {
            return Err(Code::UpperTooShort);
        }
        // SAFETY: Inside the upper part, whose length was compared with more.
        let locals = unsafe { upper.byte_add(ZONE_BYTES) };
        // SAFETY: The same.
        let tables = unsafe { upper.byte_add(front_bytes) };
        Ok(Parts {
            zone: upper.cast(),
            locals: locals.cast(),
            tables: llfree::Memory {
                // SAFETY: Valid for that many bytes, which were compared with those
                // given, and for the zone's life: clause 1. Not aliased: clause 2.
                // Initialised: every byte of memory holds some value, and any is one.
                lower: unsafe {
                    slice::from_raw_parts_mut(lower.cast().as_ptr(), needed.lower_bytes)
                },
                // SAFETY: The same. Zone and handles end where these bytes begin.
                upper: unsafe {
                    slice::from_raw_parts_mut(tables.cast().as_ptr(), needed.upper_bytes)
                },
            },
        })
    }
}

/// Tells how much memory a zone needs.
///
/// Returns `LLFREE_RESULT_OK`, or why there can be no such zone.
///
/// # Safety
///
/// 1. `config` is null or points to an initialised `llfree_config`.
/// 2. `layout` is null or points to where an `llfree_layout` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_measure(config: *const Config, layout: *mut Layout) -> Code {
    // SAFETY: Clause 1.
    let (Some(config), Some(out)) = (unsafe { config.as_ref() }, NonNull::new(layout)) else {
        return Code::NullArgument;
    };
    let needed = match config.layout() {
        Ok(needed) => needed,
        Err(code) => return code,
    };
    let layout = Layout {
        lower_bytes: needed.lower_bytes,
        upper_bytes: config.front_bytes() + needed.upper_bytes,
    };
    // SAFETY: Clause 2.
    unsafe { out.write(layout) };
    Code::Ok
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(frames: usize, cpus: usize) -> (Code, Layout) {
        let domain = Domain::Volatile as u32;
        let config = Config {
            frames,
            cpus,
            domain,
        };
        let mut layout = Layout {
            lower_bytes: 0,
            upper_bytes: 0,
        };
        // SAFETY: Both are references.
        let code = unsafe { llfree_measure(&raw const config, &raw mut layout) };
        (code, layout)
    }

    #[test]
    fn the_lower_tables_are_those_of_the_format_and_nothing_else() {
        let (code, layout) = measured(262_144, 4);
        assert_eq!(code, Code::Ok);
        let pure = llfree::Layout::for_frames(262_144, 4);
        assert_eq!(layout.lower_bytes, pure.lower_bytes);
        assert!(layout.upper_bytes > pure.upper_bytes);
    }

    #[test]
    fn sizes_that_no_machine_has_are_refused_before_they_are_multiplied() {
        for (frames, cpus, code) in [
            (0, 1, Code::NoFrames),
            (1, 0, Code::NoProcessors),
            (usize::MAX, 1, Code::TooManyFrames),
            (1, usize::MAX, Code::TooManyProcessors),
            (MAX_FRAMES, MAX_CPUS, Code::Ok),
        ] {
            assert_eq!(measured(frames, cpus).0, code, "{frames} {cpus}");
        }
    }

    #[test]
    fn a_null_pointer_is_an_outcome() {
        // SAFETY: Null is allowed.
        let code = unsafe { llfree_measure(core::ptr::null(), core::ptr::null_mut()) };
        assert_eq!(code, Code::NullArgument);
    }
}
