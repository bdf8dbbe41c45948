//! The end of a run that found itself broken.
//!
//! Whatever is left of the machine says what happened, in one line, and switches
//! off. The other processors stop first, so that none of them hides the cause
//! behind its consequences, and nothing here waits for a lock for ever.

use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicUsize, Ordering},
};

use x86_64::instructions::interrupts;

use crate::{
    arch::{apic, cpu},
    console, exit, smp,
};

const NOBODY: usize = usize::MAX;

/// The processor that panicked first.
static FIRST: AtomicUsize = AtomicUsize::new(NOBODY);

/// Returns whether some processor has panicked.
pub(crate) fn is_under_way() -> bool {
    // Pairs with `panic`: the interrupt that asks was sent after the exchange.
    FIRST.load(Ordering::Acquire) != NOBODY
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    interrupts::disable();
    let cpu = smp::cpu();
    let first = FIRST.compare_exchange(NOBODY, cpu, Ordering::AcqRel, Ordering::Acquire);
    match first {
        Ok(_) => {}
        // Saying what happened failed too.
        Err(first) if first == cpu => exit::power_off(),
        Err(_) => cpu::stop(),
    }
    apic::stop_others();
    match info.location() {
        Some(place) => console::last_line(format_args!(
            "panic: {} (processor {cpu}, {}:{})",
            info.message(),
            place.file(),
            place.line()
        )),
        None => console::last_line(format_args!("panic: {} (processor {cpu})", info.message())),
    }
    exit::power_off()
}
