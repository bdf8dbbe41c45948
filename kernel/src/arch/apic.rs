//! The local interrupt controller of each processor.
//!
//! It wakes and starts other processors and holds the timer. It has two sets of
//! manners: registers in memory (xAPIC), which name at most 255 processors, and
//! registers of the processor (x2APIC), which name them all. Leaving x2APIC needs
//! a reset, so where firmware has entered it, it stays.
//!
//! Source: Intel SDM vol. 3A, chapter 11.

use core::{
    fmt,
    ptr::NonNull,
    sync::atomic::{Ordering, fence},
};

use frame::{FRAME_SIZE, PhysAddr, PhysRange};
use spin::Once;
use volatile::VolatilePtr;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

use super::{cpu, idt, tsc};
use crate::mem::{Access, MapError, Mapped, Mapper};

/// How the registers of this machine's controllers are reached.
static MANNERS: Once<Manners> = Once::new();

/// The timer counts at a sixteenth of its clock.
const DIVIDE_BY_16: u32 = 0b0011;
/// Enables the controller, in the spurious interrupt register.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// Masks an entry of the local vector table.
const MASKED: u32 = 1 << 16;
/// A destination of interrupts, in the command register.
const ALL_BUT_SELF: u32 = 0b11 << 18;
/// How often to ask whether an interrupt has left; it takes microseconds.
const DELIVERY_POLLS: u32 = 1_000_000;
/// The first register of x2APIC (`IA32_X2APIC_APICID` less its offset).
const FIRST_MSR: u32 = 0x800;

/// Registers, by their offset in the xAPIC page.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Register {
    TaskPriority = 0x80,
    EndOfInterrupt = 0xB0,
    Spurious = 0xF0,
    CommandLow = 0x300,
    CommandHigh = 0x310,
    Timer = 0x320,
    Lint0 = 0x350,
    InitialCount = 0x380,
    CurrentCount = 0x390,
    Divide = 0x3E0,
}

/// The two sets of manners.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manners {
    /// Registers in memory.
    XApic(Page),
    /// Registers of the processor.
    X2Apic,
}

impl fmt::Display for Manners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XApic(_) => "xapic",
            Self::X2Apic => "x2apic",
        })
    }
}

/// The mapped page of registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page(NonNull<u8>);

impl Page {
    fn register(self, register: Register) -> VolatilePtr<'static, u32> {
        // SAFETY: every register lies within the page.
        let register = unsafe { self.0.byte_add(register as usize) };
        // SAFETY: the page is mapped, uncached, for the rest of the run (`start`),
        // and registers are aligned to 16 bytes.
        unsafe { VolatilePtr::new(register.cast()) }
    }
}

// SAFETY: every processor sees its own controller at the same address, and
// access is volatile, so the pointer means the same everywhere.
unsafe impl Send for Page {}
// SAFETY: likewise.
unsafe impl Sync for Page {}

/// Readies the machine's controllers, and this processor's one.
///
/// `highest_id` is the largest identity that will be named.
///
/// # Errors
///
/// Returns [`MapError`] if the registers can't be mapped.
pub(crate) fn start(mapper: &mut Mapper<'_>, highest_id: u32) -> Result<Manners, MapError> {
    // The processor knows where its registers are; tables may be wrong.
    let (base, flags) = ApicBase::read();
    let already = flags.contains(ApicBaseFlags::X2APIC_ENABLE);
    let manners = if already || (highest_id >= 255 && cpu::has_x2apic()) {
        Manners::X2Apic
    } else {
        let base = base.start_address().as_u64();
        let registers = PhysRange::between(PhysAddr(base), PhysAddr(base + FRAME_SIZE as u64));
        let mapped: Mapped = mapper.map(registers, Access::Device)?;
        let len_bytes = registers.len_bytes();
        let page = NonNull::new(mapped.start()).ok_or(MapError::OutOfAddresses { len_bytes })?;
        Manners::XApic(Page(page))
    };
    MANNERS.call_once(|| manners);
    enable();
    Ok(manners)
}

/// Returns whether signals reach the processor with this identity.
pub(crate) fn reaches(apic_id: u32) -> bool {
    match MANNERS.get() {
        Some(Manners::X2Apic) => true,
        // 255 means everybody.
        Some(Manners::XApic(_)) => apic_id < 255,
        None => false,
    }
}

/// Enables this processor's controller, with its timer and its wires masked.
pub(crate) fn enable() {
    let Some(manners) = MANNERS.get() else { return };
    let (frame, mut flags) = ApicBase::read();
    flags |= ApicBaseFlags::LAPIC_ENABLE;
    if let Manners::X2Apic = manners {
        flags |= ApicBaseFlags::X2APIC_ENABLE;
    }
    // SAFETY: x2APIC is entered only where the processor has it (checked by
    // `start`), and the address stays; no memory is affected.
    unsafe { ApicBase::write(frame, flags) };
    manners.write(Register::TaskPriority, 0);
    manners.write(
        Register::Spurious,
        SOFTWARE_ENABLE | u32::from(idt::SPURIOUS),
    );
    manners.write(Register::Timer, MASKED);
    manners.write(Register::Lint0, MASKED);
    manners.write(Register::Divide, DIVIDE_BY_16);
}

/// Acknowledges the interrupt being handled.
pub(crate) fn end_of_interrupt() {
    if let Some(manners) = MANNERS.get() {
        manners.write(Register::EndOfInterrupt, 0);
    }
}

/// Lets the timer of this processor send its vector after `count` counts.
pub(crate) fn start_timer(count: u32) {
    if let Some(manners) = MANNERS.get() {
        manners.write(Register::Timer, u32::from(idt::TIMER));
        manners.write(Register::InitialCount, count);
    }
}

/// Stops the timer of this processor.
pub(crate) fn stop_timer() {
    if let Some(manners) = MANNERS.get() {
        manners.write(Register::Timer, MASKED);
        manners.write(Register::InitialCount, 0);
    }
}

/// Lets the masked timer run and returns how many counts pass during `wait`.
pub(crate) fn count_during(wait: impl FnOnce()) -> Option<u32> {
    let manners = MANNERS.get()?;
    manners.write(Register::Timer, MASKED);
    manners.write(Register::InitialCount, u32::MAX);
    wait();
    let passed = u32::MAX - manners.read(Register::CurrentCount);
    manners.write(Register::InitialCount, 0);
    Some(passed)
}

/// An interrupt from one processor to another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Reset, then wait for [`Signal::Startup`].
    Init,
    /// Start in real mode at the beginning of this page, below 1 MiB.
    Startup(u8),
    /// An ordinary interrupt.
    Vector(u8),
}

impl Signal {
    /// Returns the low half of the command (table 11-1 ff.).
    fn command(self) -> u32 {
        const ASSERT: u32 = 1 << 14;
        match self {
            Self::Init => 0b101 << 8 | ASSERT,
            Self::Startup(page) => 0b110 << 8 | ASSERT | u32::from(page),
            Self::Vector(vector) => ASSERT | u32::from(vector),
        }
    }
}

/// Sends `signal` to the processor with this identity.
///
/// # Safety
///
/// 1. [`Signal::Init`] and [`Signal::Startup`] go to a processor that runs no
///    Rust code, or whose code may be abandoned at any instruction.
/// 2. At the page of [`Signal::Startup`] lies code made for it.
pub(crate) unsafe fn send(apic_id: u32, signal: Signal) {
    if let Some(manners) = MANNERS.get() {
        manners.command(apic_id, signal.command());
    }
}

/// Stops all other processors, for a panic.
pub(crate) fn stop_others() {
    const NON_MASKABLE: u32 = 0b100 << 8 | 1 << 14;
    if let Some(manners) = MANNERS.get() {
        manners.command(0, ALL_BUT_SELF | NON_MASKABLE);
    }
}

/// Wakes all other processors.
pub(crate) fn wake_others() {
    if let Some(manners) = MANNERS.get() {
        manners.command(0, ALL_BUT_SELF | Signal::Vector(idt::WAKE).command());
    }
}

impl Manners {
    fn command(self, apic_id: u32, low: u32) {
        match self {
            Self::XApic(_) => {
                self.write(Register::CommandHigh, apic_id << 24);
                self.write(Register::CommandLow, low);
                self.wait_for_delivery();
            }
            Self::X2Apic => {
                // Writing this register does not wait for earlier stores
                // (11.12.3), but whoever is woken must see them. MFENCE holds
                // back accesses to memory only; LFENCE holds back the rest.
                fence(Ordering::SeqCst);
                tsc::lfence();
                let value = u64::from(apic_id) << 32 | u64::from(low);
                // SAFETY: sending is what the callers of this function answer
                // for; the register exists in x2APIC mode.
                unsafe { Self::register(Register::CommandLow).write(value) };
            }
        }
    }

    fn wait_for_delivery(self) {
        const PENDING: u32 = 1 << 12;
        for _ in 0..DELIVERY_POLLS {
            if self.read(Register::CommandLow) & PENDING == 0 {
                return;
            }
            core::hint::spin_loop();
        }
    }

    fn register(register: Register) -> Msr {
        Msr::new(FIRST_MSR + (register as u32 >> 4))
    }

    fn write(self, register: Register, value: u32) {
        match self {
            Self::XApic(page) => page.register(register).write(value),
            Self::X2Apic => {
                // SAFETY: the registers named here exist in x2APIC mode, and
                // none of them but the command register affects memory.
                unsafe { Self::register(register).write(u64::from(value)) };
            }
        }
    }

    fn read(self, register: Register) -> u32 {
        match self {
            Self::XApic(page) => page.register(register).read(),
            Self::X2Apic => {
                // SAFETY: as in `write`.
                let value = unsafe { Self::register(register).read() };
                let [a, b, c, d, ..] = value.to_le_bytes();
                u32::from_le_bytes([a, b, c, d])
            }
        }
    }
}
