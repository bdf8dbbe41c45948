//! Which interrupt does what.
//!
//! The table is the same on every processor and never changes after the boot
//! processor has made it. An exception is always a defect, of this kernel or of
//! the machine, and ends the run with the facts; only a machine check that hurts
//! nobody returns, and the vectors of timer and wake-up.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;
use x86_64::{
    registers::control::Cr2,
    structures::idt::{EntryOptions, InterruptDescriptorTable},
};

use super::{
    apic, cpu, machine_check,
    segments::InterruptStack,
    stubs::{self, Frame},
    timer,
};
use crate::panic;

/// The local timer of a processor has expired.
pub(crate) const TIMER: u8 = 0x40;
/// Another processor has work; being interrupted is all that it takes to wake.
pub(crate) const WAKE: u8 = 0x41;
/// The local interrupt controller had an interrupt and lost it again.
pub(crate) const SPURIOUS: u8 = 0xFF;

const NON_MASKABLE: u64 = 2;
const DOUBLE_FAULT: u64 = 8;
const PAGE_FAULT: u64 = 14;
const MACHINE_CHECK: u64 = 18;
/// The first vector that is no exception.
const FIRST_DEVICE: u64 = 32;

/// Interrupts on vectors that nothing here asked for.
static STRAY: AtomicU64 = AtomicU64::new(0);

/// Loads the table on this processor; the first call makes it.
pub(crate) fn load() {
    static TABLE: Once<InterruptDescriptorTable> = Once::new();
    TABLE.call_once(table).load();
}

/// Returns how many interrupts came that nothing here asked for.
pub(crate) fn stray() -> u64 {
    // A figure for a report; it orders nothing.
    STRAY.load(Ordering::Relaxed)
}

fn table() -> InterruptDescriptorTable {
    let mut idt = InterruptDescriptorTable::new();
    macro_rules! exceptions {
        ($($vector:literal $field:ident,)*) => {$(
            // SAFETY: the stub of this vector expects exactly the frame that the
            // processor pushes for it.
            let options = unsafe { idt.$field.set_handler_addr(stubs::address($vector)) };
            on_stack(options, stack_of($vector));
        )*};
    }
    exceptions! {
        0 divide_error, 1 debug, 2 non_maskable_interrupt, 3 breakpoint, 4 overflow,
        5 bound_range_exceeded, 6 invalid_opcode, 7 device_not_available, 8 double_fault,
        10 invalid_tss, 11 segment_not_present, 12 stack_segment_fault,
        13 general_protection_fault, 14 page_fault, 16 x87_floating_point,
        17 alignment_check, 18 machine_check, 19 simd_floating_point, 20 virtualization,
        21 cp_protection_exception, 28 hv_injection_exception,
        29 vmm_communication_exception, 30 security_exception,
    }
    for (vector, entry) in (32..=u8::MAX).zip(idt.slice_mut(32..)) {
        // SAFETY: likewise; no vector from 32 has an error code.
        let options = unsafe { entry.set_handler_addr(stubs::address(vector)) };
        on_stack(options, InterruptStack::Device);
    }
    idt
}

fn on_stack(options: &mut EntryOptions, stack: InterruptStack) {
    // SAFETY: every processor has loaded a TSS with this stack before the table.
    unsafe { options.set_stack_index(stack as u16) };
}

fn stack_of(vector: u64) -> InterruptStack {
    match vector {
        NON_MASKABLE => InterruptStack::NonMaskable,
        DOUBLE_FAULT => InterruptStack::DoubleFault,
        PAGE_FAULT => InterruptStack::PageFault,
        MACHINE_CHECK => InterruptStack::MachineCheck,
        _ => InterruptStack::Exception,
    }
}

/// Where all stubs meet. Interrupts are off.
pub(super) extern "C" fn dispatch(frame: &Frame) {
    match frame.vector {
        // How a processor that panics stops the others.
        NON_MASKABLE if panic::is_under_way() => cpu::stop(),
        // The one exception that is not always the end.
        MACHINE_CHECK => machine_check::handle(frame),
        exception @ ..FIRST_DEVICE => report(exception, frame),
        vector if vector == u64::from(TIMER) => {
            // Before the handler: it may not return.
            apic::end_of_interrupt();
            timer::expired();
        }
        vector if vector == u64::from(WAKE) => apic::end_of_interrupt(),
        // This one wants no acknowledgement (Intel SDM vol. 3A, 11.9).
        vector if vector == u64::from(SPURIOUS) => {}
        _ => {
            STRAY.fetch_add(1, Ordering::Relaxed);
            apic::end_of_interrupt();
        }
    }
}

fn report(vector: u64, frame: &Frame) -> ! {
    let name = name(vector);
    let Frame {
        rip, rsp, error, ..
    } = *frame;
    if vector == PAGE_FAULT {
        let address = Cr2::read_raw();
        panic!("{name} at address {address:#x}, rip {rip:#x}, rsp {rsp:#x}, error {error:#x}");
    }
    panic!("{name} (vector {vector}), rip {rip:#x}, rsp {rsp:#x}, error {error:#x}");
}

/// Names of the exceptions (Intel SDM vol. 3A, table 6-1).
fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug exception",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point exception",
        20 => "virtualization exception",
        21 => "control protection exception",
        _ => "exception",
    }
}
