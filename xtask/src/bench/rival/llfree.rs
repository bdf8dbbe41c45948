//! The allocator that all this is about.

use std::marker::PhantomData;

use frame::{FrameId, Order};
use llfree::{Claims, Layout, Local, PutError};
use persist::{Domain, Mode, Persist};
use workload::FrameAlloc;

use super::{Design, Zone};

/// LLFree on a platform `P`, with row claims or with one bit at a time (the
/// paper's algorithm, called `llfree-op`).
pub(in super::super) struct Llfree<P, const CLAIMS: bool>(PhantomData<P>);

impl<P: Persist + Default + Sync + Send + 'static, const CLAIMS: bool> Design
    for Llfree<P, CLAIMS>
{
    const NAME: &'static str = match (P::DOMAIN, P::MODE, CLAIMS) {
        (Domain::Volatile, _, true) => "llfree",
        (Domain::Volatile, _, false) => "llfree-op",
        (Domain::Eadr, _, true) => "llfree-eadr",
        (Domain::Eadr, _, false) => "llfree-op-eadr",
        (Domain::Adr, Mode::Strict, true) => "llfree-adr",
        (Domain::Adr, Mode::LazyFree, true) => "llfree-adr-lazy",
        (Domain::Adr, Mode::Batched, true) => "llfree-adr-batched",
        (Domain::Adr, _, false) => "llfree-op-adr",
    };
    type Memory = Memory;
    type Zone<'m> = LlfreeZone<'m, P>;

    fn memory(frames: usize, cpus: usize) -> Memory {
        Memory::new(frames, cpus)
    }

    fn zone(memory: &mut Memory, frames: usize, cpus: usize) -> LlfreeZone<'_, P> {
        let tables = memory.tables();
        let zone = llfree::Zone::create(frames, cpus, tables, P::default());
        let zone = zone.expect("the memory was allocated for this size");
        let claims = if CLAIMS { Claims::On } else { Claims::Off };
        LlfreeZone(zone.with_claims(claims))
    }
}

/// A zone of LLFree.
pub(in super::super) struct LlfreeZone<'m, P: Persist>(llfree::Zone<'m, P>);

impl<'m, P: Persist + Sync + Send> Zone for LlfreeZone<'m, P> {
    type Handle<'z>
        = Handle<'z, 'm, P>
    where
        Self: 'z;

    fn handle(&self, cpu: usize) -> Handle<'_, 'm, P> {
        Handle(self.0.local(cpu).expect("one handle for each processor"))
    }

    fn free_frames(&self) -> usize {
        self.0.stats().free
    }

    fn free_huge(&self) -> usize {
        self.0.stats().huge_free
    }
}

/// A processor's handle; a type of our own for the trait's sake only.
pub(in super::super) struct Handle<'z, 'm, P: Persist>(Local<'z, 'm, P>);

impl<P: Persist> FrameAlloc for Handle<'_, '_, P> {
    type Error = PutError;

    #[inline]
    fn get(&mut self, order: Order) -> Option<FrameId> {
        self.0.get(order).ok()
    }

    #[inline]
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        self.0.put(frame, order)
    }

    fn drain(&mut self) {
        self.0.drain();
    }
}

/// Memory for a zone, aligned without unsafe code: some bytes more than needed.
pub(in super::super) struct Memory {
    lower: Vec<u8>,
    upper: Vec<u8>,
    layout: Layout,
}

/// The alignment that a zone asks for.
const LINE: usize = persist::LINE_BYTES;

impl Memory {
    /// Allocates memory for a zone, all zero.
    pub(in super::super) fn new(frames: usize, cpus: usize) -> Self {
        let layout = Layout::for_frames(frames, cpus);
        Self {
            lower: vec![0; layout.lower_bytes + LINE],
            upper: vec![0; layout.upper_bytes + LINE],
            layout,
        }
    }

    /// Returns the bytes that a zone takes.
    pub(in super::super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns the aligned part.
    pub(in super::super) fn tables(&mut self) -> llfree::Memory<'_> {
        llfree::Memory {
            lower: aligned(&mut self.lower, self.layout.lower_bytes),
            upper: aligned(&mut self.upper, self.layout.upper_bytes),
        }
    }
}

/// Returns `len` bytes from the first line's start on.
fn aligned(bytes: &mut [u8], len: usize) -> &mut [u8] {
    let skip = bytes.as_ptr().align_offset(LINE);
    &mut bytes[skip..skip + len]
}
