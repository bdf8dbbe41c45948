//! LLFree's handles, as the workloads see an allocator.

use frame::{FrameId, Order};
use llfree::{Local, PutError};
use persist::Persist;
use workload::FrameAlloc;

/// One processor's handle of a zone.
pub(super) struct Handle<'z, P: Persist>(pub(super) Local<'z, 'static, P>);

impl<P: Persist> FrameAlloc for Handle<'_, P> {
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
