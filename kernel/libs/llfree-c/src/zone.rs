//! The life of a zone: created or recovered, and closed.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use llfree::Zone as Typed;
#[cfg(target_arch = "x86_64")]
use persist::{Adr, WriteBack};
use persist::{Eadr, Persist, Volatile};

use crate::any::AnyZone;
use crate::code::Code;
use crate::local::Local;
use crate::memory::{Config, Domain, Memory};

/// The allocator of one range of frames, shared by all processors.
///
/// Frames are numbered from zero; where they lie is the kernel's affair. All
/// functions that take a zone may be called by several processors at once, except
/// `llfree_close`.
pub struct Zone {
    pub(crate) any: AnyZone,
    /// Where the handles live, one place a processor.
    pub(crate) locals: NonNull<Local>,
    /// How many handles exist.
    pub(crate) open: AtomicUsize,
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Recovery {
    /// Frames that are free.
    pub free: usize,
    /// Huge frames that are entirely free.
    pub free_huge: usize,
    /// Entries that did not agree with their bits: operations that were in flight,
    /// and damage.
    pub mended: usize,
    /// Huge frames, allocated as a whole, that were about to be split. More than
    /// there were processors means damage.
    pub split_in_flight: usize,
    /// Entries that no version of this code has written.
    pub unreadable: usize,
    /// Bitfield words that did not have all bits beyond the last frame set.
    pub tail_forced: usize,
}

impl From<llfree::Recovery> for Recovery {
    fn from(found: llfree::Recovery) -> Self {
        Self {
            free: found.free,
            free_huge: found.free_huge,
            mended: found.mended,
            split_in_flight: found.split_in_flight,
            unreadable: found.unreadable,
            tail_forced: found.tail_forced,
        }
    }
}

/// How a zone comes to be.
#[derive(Clone, Copy)]
enum Start {
    /// All frames are free.
    Create,
    /// The lower tables know.
    Recover,
}

/// Makes a zone of which all frames are free, and stores where it is in `zone`.
///
/// What the lower tables held is lost. When the function returns, the new ones are
/// durable, as far as the domain goes. The zone lives in the upper memory and is
/// there until `llfree_close`.
///
/// # Safety
///
/// 1. `config` and `memory` are null or point to initialised structures.
/// 2. `zone` is null or points to where a pointer may be written.
/// 3. Until the zone is closed, both parts of the memory are readable and writable,
///    write-back cached, and accessed by nothing but this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_create(
    config: *const Config,
    memory: *const Memory,
    zone: *mut *mut Zone,
) -> Code {
    // SAFETY: The same clauses.
    unsafe { start(config, memory, zone, Start::Create) }.map_or_else(|code| code, |_| Code::Ok)
}

/// Makes a zone from lower tables that an earlier one has left, however it ended,
/// and stores where it is in `zone` and what was found in `found`, unless that is
/// null.
///
/// `config->frames` must be what it was. The tables are not vouched for: whoever
/// keeps them in persistent memory keeps next to them what identifies them.
///
/// # Safety
///
/// 1. `config` and `memory` are null or point to initialised structures.
/// 2. `zone` is null or points to where a pointer may be written.
/// 3. Until the zone is closed, both parts of the memory are readable and writable,
///    write-back cached, and accessed by nothing but this library.
/// 4. `found` is null or points to where an `llfree_recovery` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_recover(
    config: *const Config,
    memory: *const Memory,
    zone: *mut *mut Zone,
    found: *mut Recovery,
) -> Code {
    // SAFETY: Clauses 1 to 3 are the same.
    match unsafe { start(config, memory, zone, Start::Recover) } {
        Ok(recovery) => {
            if let Some(found) = NonNull::new(found) {
                // SAFETY: Clause 4.
                unsafe { found.write(recovery) };
            }
            Code::Ok
        }
        Err(code) => code,
    }
}

/// Ends a zone. Its memory is the kernel's again; the lower tables are ready for
/// `llfree_recover`.
///
/// Returns `LLFREE_RESULT_HANDLES_OPEN`, and does nothing, while a processor has a
/// handle.
///
/// # Safety
///
/// 1. `zone` is null or was stored by `llfree_create` or `llfree_recover`, and has
///    not been closed.
/// 2. No other call with this zone is under way or follows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_close(zone: *mut Zone) -> Code {
    // SAFETY: Clause 1.
    let Some(zone) = (unsafe { zone.as_mut() }) else {
        return Code::NullArgument;
    };
    // Acquire pairs with the Release in `llfree_local_close`: what the last handle
    // gave back is there.
    if zone.open.load(Ordering::Acquire) != 0 {
        return Code::HandlesOpen;
    }
    // SAFETY: Clause 2, and no handle refers to it: nobody looks at it again.
    unsafe { core::ptr::drop_in_place(zone) };
    Code::Ok
}

/// # Safety
///
/// Clauses 1 to 3 of [`llfree_create`].
unsafe fn start(
    config: *const Config,
    memory: *const Memory,
    zone: *mut *mut Zone,
    how: Start,
) -> Result<Recovery, Code> {
    // SAFETY: Clause 1.
    let config = unsafe { config.as_ref() }.ok_or(Code::NullArgument)?;
    // SAFETY: Clause 1.
    let memory = unsafe { memory.as_ref() }.ok_or(Code::NullArgument)?;
    let out = NonNull::new(zone).ok_or(Code::NullArgument)?;
    let domain = Domain::new(config.domain)?;
    // SAFETY: Clause 3.
    let parts = unsafe { memory.cut(config) }?;

    let (any, recovery) = open(config, domain, parts.tables, how)?;
    let made = Zone {
        any,
        locals: parts.locals,
        open: AtomicUsize::new(0),
    };
    // SAFETY: `cut` has put it inside the upper memory, aligned, in front of all
    // else; clause 3.
    unsafe { parts.zone.write(made) };
    // SAFETY: Clause 2.
    unsafe { out.write(parts.zone.as_ptr()) };
    Ok(recovery)
}

/// Opens the zone as one of its domain.
fn open(
    config: &Config,
    domain: Domain,
    memory: llfree::Memory<'static>,
    how: Start,
) -> Result<(AnyZone, Recovery), Code> {
    match domain {
        Domain::Volatile => {
            let (zone, recovery) = open_on(config, memory, Volatile, how)?;
            Ok((AnyZone::Volatile(zone), recovery))
        }
        Domain::Eadr => {
            let (zone, recovery) = open_on(config, memory, Eadr, how)?;
            Ok((AnyZone::Eadr(zone), recovery))
        }
        #[cfg(target_arch = "x86_64")]
        Domain::Adr => {
            let instruction = WriteBack::detect().ok_or(Code::NoFlushInstruction)?;
            let (zone, recovery) = open_on(config, memory, Adr::new(instruction), how)?;
            Ok((AnyZone::Adr(zone), recovery))
        }
        #[cfg(not(target_arch = "x86_64"))]
        Domain::Adr => Err(Code::NoFlushInstruction),
    }
}

fn open_on<P: Persist>(
    config: &Config,
    memory: llfree::Memory<'static>,
    persist: P,
    how: Start,
) -> Result<(Typed<'static, P>, Recovery), Code> {
    match how {
        Start::Create => {
            let zone = Typed::create(config.frames, config.cpus, memory, persist)?;
            Ok((zone, Recovery::default()))
        }
        Start::Recover => {
            let (zone, found) = Typed::recover(config.frames, config.cpus, memory, persist)?;
            Ok((zone, found.into()))
        }
    }
}
