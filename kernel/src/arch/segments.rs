//! Segments of one processor: its GDT, its TSS and its interrupt stacks.
//!
//! Each interrupt switches to a stack of its own kind, for two reasons. A fault
//! on a broken stack must still be reported. And precompiled library code may
//! keep data below the stack pointer, which a frame pushed there would destroy.
//! The kinds that can hit each other at any point have stacks apart, since an
//! interrupt that nests on its own stack overwrites the outer frame.

use alloc::boxed::Box;

use x86_64::{
    VirtAddr,
    instructions::{
        segmentation::{CS, DS, ES, FS, GS, SS, Segment},
        tables::load_tss,
    },
    registers::{model_specific::GsBase, segmentation::SegmentSelector},
    structures::{
        gdt::{Descriptor, GlobalDescriptorTable},
        tss::TaskStateSegment,
    },
};

/// Which of its stacks a processor switches to; the numbers are those of the
/// TSS, from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum InterruptStack {
    /// Double faults: the stack before may be the reason.
    DoubleFault,
    /// Non-maskable interrupts, which hit everything else.
    NonMaskable,
    /// Machine checks, likewise.
    MachineCheck,
    /// Page faults: a stack overflow runs into a guard page.
    PageFault,
    /// All other exceptions.
    Exception,
    /// Devices and other processors.
    Device,
}

/// Number of interrupt stacks of a processor.
pub(crate) const STACKS: usize = InterruptStack::Device as usize + 1;

/// Bytes of an interrupt stack: a saved context is 0.7 KiB, formatting a panic
/// message needs a few more.
pub(crate) const STACK_BYTES: usize = 16 << 10;

/// The segments of one processor, ready to be loaded.
pub(crate) struct Segments {
    gdt: GlobalDescriptorTable<8>,
    code: SegmentSelector,
    data: SegmentSelector,
    tss: SegmentSelector,
}

impl Segments {
    /// Makes a GDT and a TSS with these stacks, given by their upper ends. This is
    /// apart from loading because it allocates: a processor that is stopped in the
    /// middle of its start must not hold the heap.
    pub(crate) fn new(stacks: [VirtAddr; STACKS]) -> &'static Self {
        let mut tss = TaskStateSegment::new();
        for (kind, stack) in stacks.into_iter().enumerate() {
            // By value: the hardware's layout leaves the fields unaligned.
            tss.interrupt_stack_table[kind] = stack;
        }
        let mut gdt = GlobalDescriptorTable::empty();
        Box::leak(Box::new(Self {
            code: gdt.append(Descriptor::kernel_code_segment()),
            data: gdt.append(Descriptor::kernel_data_segment()),
            tss: gdt.append(Descriptor::tss_segment(Box::leak(Box::new(tss)))),
            gdt,
        }))
    }

    /// Loads them on this processor.
    ///
    /// # Safety
    ///
    /// 1. Each stack given to [`Segments::new`] is writable, [`STACK_BYTES`] long,
    ///    used for nothing else, and stays so for the rest of the run.
    /// 2. They are loaded once.
    pub(crate) unsafe fn load(&'static self) {
        // On some processors a null selector in GS clears its base as well.
        let gs_base = GsBase::read();
        self.gdt.load();
        // SAFETY: the selector names the 64-bit code segment of the GDT just loaded.
        unsafe { CS::set_reg(self.code) };
        // SAFETY: the selector names its data segment.
        unsafe { SS::set_reg(self.data) };
        for load_null in [DS::set_reg, ES::set_reg, FS::set_reg, GS::set_reg] {
            // SAFETY: 64-bit code does not use these segments but for the bases of
            // FS (nobody's) and GS, which is restored below.
            unsafe { load_null(SegmentSelector::NULL) };
        }
        GsBase::write(gs_base);
        // SAFETY: the selector names the TSS, which lives for ever and is not busy
        // (clause 2); that its stacks are good is clause 1.
        unsafe { load_tss(self.tss) };
    }
}
