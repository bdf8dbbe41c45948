//! The allocator in Linux's shape, in its two historical forms.

use std::marker::PhantomData;

use frame::Order;
use workload::baseline::{
    Page,
    linux::{self, Guard},
};

use super::{Design, Zone};

/// Which form: what guards a processor's lists.
pub(in super::super) trait Form: Sync + 'static {
    const NAME: &'static str;
    const GUARD: Guard;
}

/// Since 6.1.
pub(in super::super) struct Lock;

impl Form for Lock {
    const NAME: &'static str = "linux";
    const GUARD: Guard = Guard::Lock;
}

/// Until 6.0; nothing here stands for the interrupt flag, so this one is a bit
/// faster than what it is a model of.
pub(in super::super) struct Interrupts;

impl Form for Interrupts {
    const NAME: &'static str = "linux-irq";
    const GUARD: Guard = Guard::Interrupts;
}

/// [`linux::Zone`] with the guard of `F`.
pub(in super::super) struct Linux<F>(PhantomData<F>);

impl<F: Form> Design for Linux<F> {
    const NAME: &'static str = F::NAME;
    type Memory = Vec<Page>;
    type Zone<'m> = LinuxZone<'m, F>;

    fn memory(frames: usize, _: usize) -> Vec<Page> {
        (0..frames).map(|_| Page::new()).collect()
    }

    fn zone(memory: &mut Vec<Page>, frames: usize, cpus: usize) -> LinuxZone<'_, F> {
        memory.fill_with(Page::new);
        LinuxZone {
            zone: linux::Zone::new(&memory[..frames], cpus),
            form: PhantomData,
        }
    }
}

/// A zone whose handles all have the same guard.
pub(in super::super) struct LinuxZone<'m, F> {
    zone: linux::Zone<'m>,
    form: PhantomData<F>,
}

impl<'m, F: Form> Zone for LinuxZone<'m, F> {
    type Handle<'z>
        = linux::Handle<'z, 'm>
    where
        Self: 'z;

    fn handle(&self, _: usize) -> linux::Handle<'_, 'm> {
        self.zone.handle(F::GUARD)
    }

    fn free_frames(&self) -> usize {
        self.zone.free_frames()
    }

    fn free_huge(&self) -> usize {
        self.zone.free_blocks(Order::HUGE)
    }
}
