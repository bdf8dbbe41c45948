//! A processor's handle: where frames are taken and returned.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use frame::{FrameId, Order};

use crate::any::{AnyLocal, inside};
use crate::code::Code;
use crate::zone::Zone;

/// A processor's handle on a zone.
///
/// It is for one processor, and for one call at a time: an interrupt handler that
/// allocates must not find one of these calls interrupted. Either interrupts are
/// disabled around each call, or the handlers have a handle of their own.
#[repr(align(64))]
pub struct Local {
    pub(crate) any: AnyLocal,
    zone: NonNull<Zone>,
}

/// Stores the handle of a processor in `local`.
///
/// Returns `LLFREE_RESULT_NO_SUCH_PROCESSOR` if the number is too large, and
/// `LLFREE_RESULT_HANDLE_IN_USE` if the processor has its handle already.
///
/// # Safety
///
/// 1. `zone` is null or a zone that has not been closed.
/// 2. `local` is null or points to where a pointer may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_local_open(
    zone: *mut Zone,
    cpu: usize,
    local: *mut *mut Local,
) -> Code {
    let (Some(zone), Some(out)) = (NonNull::new(zone), NonNull::new(local)) else {
        return Code::NullArgument;
    };
    // SAFETY: Clause 1. It stays where it is until it is closed, which it is not
    // while this handle is open.
    let shared: &'static Zone = unsafe { zone.as_ref() };
    let any = match shared.any.local(cpu) {
        Ok(any) => any,
        Err(error) => return error.into(),
    };
    // Relaxed: whoever closes the zone knows by other means that we are through.
    shared.open.fetch_add(1, Ordering::Relaxed);
    // SAFETY: There are as many places as processors, and `cpu` is one of them:
    // otherwise there would be no handle.
    let place = unsafe { shared.locals.add(cpu) };
    // SAFETY: Inside the upper memory; nobody else has the place, since each number
    // has one handle at a time.
    unsafe { place.write(Local { any, zone }) };
    // SAFETY: Clause 2.
    unsafe { out.write(place.as_ptr()) };
    Code::Ok
}

/// Ends a handle. It gives back what it held on to; the processor may open another.
///
/// # Safety
///
/// 1. `local` is null or a handle that has not been closed.
/// 2. No other call with this handle is under way or follows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_local_close(local: *mut Local) -> Code {
    let Some(place) = NonNull::new(local) else {
        return Code::NullArgument;
    };
    // Moved out first: once it is dropped, the place may be another's.
    // SAFETY: Clauses 1 and 2: it is there, and nobody looks at it again.
    let Local { any, zone } = unsafe { place.read() };
    drop(any);
    // SAFETY: A zone outlives its handles: `open` still counts this one.
    let zone = unsafe { zone.as_ref() };
    // Release pairs with the Acquire in `llfree_close`.
    zone.open.fetch_sub(1, Ordering::Release);
    Code::Ok
}

/// Takes a block of `1 << order` frames and stores its first frame in `frame`.
///
/// Returns `LLFREE_RESULT_OUT_OF_MEMORY` if no tree had such a block when it was
/// looked at, and `LLFREE_RESULT_HELD_ELSEWHERE` if other processors hold free
/// frames that may have been part of one: they give them back with one of their
/// next calls, so a later attempt may succeed. Returns `LLFREE_RESULT_BAD_ORDER`
/// for an order that is not served. In all these cases `frame` is left alone.
///
/// # Safety
///
/// 1. `local` is null or a handle that has not been closed.
/// 2. No other call with this handle is under way.
/// 3. `frame` is null or points to where a number may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_get(local: *mut Local, order: u32, frame: *mut usize) -> Code {
    // SAFETY: Clauses 1 and 2.
    let (Some(local), Some(out)) = (unsafe { local.as_mut() }, NonNull::new(frame)) else {
        return Code::NullArgument;
    };
    let Some(order) = order_of(order) else {
        return Code::BadOrder;
    };
    match inside!(AnyLocal, &mut local.any, local => local.get(order)) {
        Ok(frame) => {
            // SAFETY: Clause 3.
            unsafe { out.write(frame.0) };
            Code::Ok
        }
        Err(error) => error.into(),
    }
}

/// Takes the very block of `1 << order` frames that starts at `frame`, or none.
///
/// Returns `LLFREE_RESULT_NOT_FREE` if a part of it is allocated,
/// `LLFREE_RESULT_HELD_ELSEWHERE` if it is free but another processor holds a part
/// of it, or what is wrong with the block: its order, its alignment, its range.
///
/// # Safety
///
/// 1. `local` is null or a handle that has not been closed.
/// 2. No other call with this handle is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_get_at(local: *mut Local, frame: usize, order: u32) -> Code {
    // SAFETY: Clauses 1 and 2.
    let Some(local) = (unsafe { local.as_mut() }) else {
        return Code::NullArgument;
    };
    let Some(order) = order_of(order) else {
        return Code::BadOrder;
    };
    let taken = inside!(AnyLocal, &mut local.any, local => local.get_at(FrameId(frame), order));
    taken.map_err(Code::from).into()
}

/// Returns a block, or an aligned part of one, whichever handle it came from.
///
/// What is noticed, and changes nothing: a block that is free already
/// (`LLFREE_RESULT_NOT_ALLOCATED`), a huge frame that is allocated in parts
/// (`LLFREE_RESULT_NOT_WHOLE`), a wrong order, alignment or range. What can't be:
/// live blocks of others freed as one, and a frame that was freed twice but
/// allocated again in between.
///
/// # Safety
///
/// 1. `local` is null or a handle that has not been closed.
/// 2. No other call with this handle is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_put(local: *mut Local, frame: usize, order: u32) -> Code {
    // SAFETY: Clauses 1 and 2.
    let Some(local) = (unsafe { local.as_mut() }) else {
        return Code::NullArgument;
    };
    let Some(order) = order_of(order) else {
        return Code::BadOrder;
    };
    let put = inside!(AnyLocal, &mut local.any, local => local.put(FrameId(frame), order));
    put.map_err(Code::from).into()
}

/// Gives back what a handle holds on to. It stays usable.
///
/// A processor calls this before it idles.
///
/// # Safety
///
/// 1. `local` is null or a handle that has not been closed.
/// 2. No other call with this handle is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llfree_drain(local: *mut Local) -> Code {
    // SAFETY: Clauses 1 and 2.
    let Some(local) = (unsafe { local.as_mut() }) else {
        return Code::NullArgument;
    };
    inside!(AnyLocal, &mut local.any, local => local.drain());
    Code::Ok
}

/// Returns the order with this exponent, or `None` if no zone ever serves it.
pub(crate) fn order_of(exponent: u32) -> Option<Order> {
    u8::try_from(exponent).ok().and_then(Order::new)
}
