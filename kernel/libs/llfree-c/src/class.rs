//! Classes of content: what stays put apart from what comes and goes.

use core::ptr::NonNull;

use llfree::Class as Typed;

use crate::any::{AnyLocal, AnyZone, inside};
use crate::code::Code;
use crate::local::{Local, order_of};
use crate::zone::Zone;

/// What a block is for. Trees of 64 MiB keep one class while there is room, so that
/// what stays put does not break the huge frames of what comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Class {
    /// Anything: what `llfree_get` takes.
    Mixed = 0,
    /// What its owner can move elsewhere, or drop.
    Movable = 1,
    /// What has to stay where it is, but may go at any time.
    Immovable = 2,
    /// What stays for as long as the machine runs, or nearly so.
    LongLived = 3,
}

const _: () = {
    assert!(Class::Mixed as usize == Typed::Mixed.number());
    assert!(Class::Movable as usize == Typed::Movable.number());
    assert!(Class::Immovable as usize == Typed::Immovable.number());
    assert!(Class::LongLived as usize == Typed::LongLived.number());
    assert!(Typed::ALL.len() == 4);
};

/// What the trees of one class have.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ClassStats {
    /// Trees of the class. Those that are entirely free are of none.
    pub trees: usize,
    /// Frames that are free in them, but for those that processors hold.
    pub free: usize,
    /// Huge frames that are entirely free in them.
    pub huge_free: usize,
}

/// Takes a block for content of a class, one of `llfree_class`, and stores its first
/// frame in `frame`. It is returned like any other.
///
/// It comes from a tree of that class if there is room. Otherwise movable blocks are
/// taken from any tree; all others from trees of each other first, and then they turn
/// a movable tree into one of theirs. No class is out of memory while another is not.
///
/// Returns what `llfree_get` does, and `LLFREE_RESULT_UNKNOWN_CLASS`.
///
/// # Safety
///
/// 1. `local` is null or a handle that has not been closed.
/// 2. No other call with this handle is under way.
/// 3. `frame` is null or points to where a number may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_get_as(
    local: *mut Local,
    order: u32,
    class: u32,
    frame: *mut usize,
) -> Code {
    // SAFETY: Clauses 1 and 2.
    let (Some(local), Some(out)) = (unsafe { local.as_mut() }, NonNull::new(frame)) else {
        return Code::NullArgument;
    };
    let Some(class) = class_of(class) else {
        return Code::UnknownClass;
    };
    let Some(order) = order_of(order) else {
        return Code::BadOrder;
    };
    match inside!(AnyLocal, &mut local.any, local => local.get_as(order, class)) {
        Ok(frame) => {
            // SAFETY: Clause 3.
            unsafe { out.write(frame.0) };
            Code::Ok
        }
        Err(error) => error.into(),
    }
}

/// Stores in `stats` what the trees of a class have, one of `llfree_class`. Reads one
/// word a tree.
///
/// # Safety
///
/// 1. `zone` is null or a zone that has not been closed.
/// 2. `stats` is null or points to where an `llfree_class_stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_count_class(
    zone: *const Zone,
    class: u32,
    stats: *mut ClassStats,
) -> Code {
    // SAFETY: Clause 1.
    let (Some(zone), Some(out)) = (unsafe { zone.as_ref() }, NonNull::new(stats)) else {
        return Code::NullArgument;
    };
    let Some(class) = class_of(class) else {
        return Code::UnknownClass;
    };
    let found = inside!(AnyZone, &zone.any, zone => zone.class_stats(class));
    let stats = ClassStats {
        trees: found.trees,
        free: found.free,
        huge_free: found.huge_free,
    };
    // SAFETY: Clause 2.
    unsafe { out.write(stats) };
    Code::Ok
}

/// Returns the class with this number.
fn class_of(number: u32) -> Option<Typed> {
    usize::try_from(number).ok().and_then(Typed::new)
}
