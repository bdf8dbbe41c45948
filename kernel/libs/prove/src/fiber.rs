//! Threads that take turns: stackful coroutines on one thread of the host.
//!
//! A schedule decides before each access who comes next. With threads of the host
//! each decision costs two context switches of the operating system; a coroutine
//! is switched in some nanoseconds, which is what makes millions of schedules a
//! matter of seconds.
#![expect(unsafe_code, reason = "borrows for the life of a coroutine")]

use std::cell::Cell;
use std::ptr::NonNull;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::machine::Request;

type Pause = Yielder<(), Request>;

thread_local! {
    /// How the fiber that runs pauses.
    static PAUSE: Cell<Option<NonNull<Pause>>> = const { Cell::new(None) };
}

/// Bytes of a fiber's stack.
const STACK_BYTES: usize = 1 << 17;

/// Stacks, to be used again and again.
pub(crate) struct Stacks(Vec<DefaultStack>);

impl Stacks {
    /// Makes this many.
    pub(crate) fn new(count: usize) -> Self {
        let stack = |_| DefaultStack::new(STACK_BYTES).expect("the host has memory for a stack");
        Self((0..count).map(stack).collect())
    }

    /// Starts a fiber for each body; none has run yet.
    pub(crate) fn fibers<'a>(&'a mut self, bodies: Vec<Box<dyn FnMut() + 'a>>) -> Vec<Fiber<'a>> {
        let stacks = self.0.iter_mut();
        let both = stacks.zip(bodies);
        both.map(|(stack, body)| Fiber::new(stack, body)).collect()
    }
}

/// A thread under test.
///
/// Bodies keep nothing on their stack that would have to be dropped, since a
/// fiber that is given up is simply forgotten.
pub(crate) struct Fiber<'a> {
    coroutine: Coroutine<(), Request, (), &'a mut DefaultStack>,
    body: *mut (dyn FnMut() + 'a),
}

impl<'a> Fiber<'a> {
    fn new(stack: &'a mut DefaultStack, body: Box<dyn FnMut() + 'a>) -> Self {
        let body = Box::into_raw(body);
        let run = move |pause: &Pause, ()| {
            PAUSE.set(Some(NonNull::from(pause)));
            // SAFETY: the body is dropped with the fiber, when nothing runs on the
            // stack any more; nobody else uses it.
            let body = unsafe { &mut *body };
            body();
        };
        // SAFETY: what the body borrows and the stack live for `'a`, which the
        // fiber does not outlive, and its `drop` ends the coroutine.
        let coroutine = unsafe { Coroutine::with_stack_unchecked(stack, run) };
        Self { coroutine, body }
    }

    /// Runs until the next request; `None` once the body has returned.
    pub(crate) fn resume(&mut self) -> Option<Request> {
        match self.coroutine.resume(()) {
            CoroutineResult::Yield(request) => Some(request),
            CoroutineResult::Return(()) => None,
        }
    }
}

impl Drop for Fiber<'_> {
    fn drop(&mut self) {
        // SAFETY: bodies keep nothing on their stack that has to be dropped, see
        // the type's documentation.
        unsafe { self.coroutine.force_reset() };
        // SAFETY: made by `Box::into_raw` in `new`, and the coroutine, the only
        // other user, has ended.
        drop(unsafe { Box::from_raw(self.body) });
    }
}

/// Pauses the fiber that runs, until it is resumed.
pub(crate) fn pause(request: Request) {
    let Some(pause) = PAUSE.get() else { return };
    // SAFETY: the yielder lives on the stack of the fiber that runs: each fiber
    // sets it when it starts and when it goes on.
    unsafe { pause.as_ref() }.suspend(request);
    PAUSE.set(Some(pause));
}
