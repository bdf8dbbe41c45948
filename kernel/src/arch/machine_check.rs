//! Machine checks: the processor reports broken hardware.
//!
//! An exception that can be resumed is noted, without a lock and without memory
//! of its own, and dealt with once somebody has time: [`take_noted`] hands out
//! the addresses. Anything else ends the run with the registers' content.
//!
//! Source: Intel SDM vol. 3B, section 16.3.

use core::sync::atomic::{AtomicU64, Ordering};

use frame::PhysAddr;
use poison::{Bank, can_resume};
use raw_cpuid::CpuId;
use x86_64::registers::{
    control::{Cr4, Cr4Flags},
    model_specific::Msr,
};

use super::stubs::Frame;

/// Global registers: capabilities, status, control.
const CAPABILITIES: u32 = 0x179;
const STATUS: u32 = 0x17A;
const CONTROL: u32 = 0x17B;
/// Of the first bank: control, status, address, miscellaneous; the next bank has
/// the next four.
const BANK: u32 = 0x400;
const BANK_REGISTERS: u32 = 4;

/// In the capabilities: there is a global control register.
const HAS_CONTROL: u64 = 1 << 8;

/// Addresses that wait to be dealt with; bit 0 says that there is one.
static NOTED: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
/// Errors that were resumed but of which no address was noted.
static NAMELESS: AtomicU64 = AtomicU64::new(0);
const PRESENT: u64 = 1;

/// Lets this processor report errors, and forgets those from before the boot;
/// returns how many banks had one.
pub(crate) fn enable() -> usize {
    let Some(banks) = banks() else {
        return 0;
    };
    // SAFETY: the capabilities say that the register exists.
    if unsafe { Msr::new(CAPABILITIES).read() } & HAS_CONTROL != 0 {
        // SAFETY: likewise; all ones reports everything that there is.
        unsafe { Msr::new(CONTROL).write(u64::MAX) };
    }
    let mut old = 0;
    for number in 0..banks {
        old += usize::from(read(number).is_valid());
        clear(number);
        // SAFETY: the bank exists; all ones reports everything that it can.
        unsafe { Msr::new(register(number)).write(u64::MAX) };
    }
    // SAFETY: the handler of the exception is in place on this processor.
    unsafe { Cr4::update(|cr4| cr4.insert(Cr4Flags::MACHINE_CHECK_EXCEPTION)) };
    old
}

/// Takes an address that was noted.
pub(crate) fn take_noted() -> Option<PhysAddr> {
    let taken = NOTED
        .iter()
        // Acquire pairs with the Release in `note`, of which nothing else depends.
        .map(|slot| slot.swap(0, Ordering::Acquire))
        .find(|word| *word != 0)?;
    Some(PhysAddr(taken & !PRESENT))
}

/// Returns whether an address waits to be taken.
pub(crate) fn has_noted() -> bool {
    NOTED.iter().any(|slot| slot.load(Ordering::Acquire) != 0)
}

/// Takes the number of errors whose addresses are not known.
pub(crate) fn take_nameless() -> u64 {
    NAMELESS.swap(0, Ordering::Relaxed)
}

/// Deals with the exception.
///
/// # Panics
///
/// Panics where what was interrupted can't go on.
pub(super) fn handle(frame: &Frame) {
    let banks = banks().unwrap_or(0);
    // SAFETY: the exception comes only from a processor that has the register.
    let global = unsafe { Msr::new(STATUS).read() };
    let valid = || (0..banks).map(read).filter(Bank::is_valid);
    if !can_resume(global, valid().map(|bank| bank.severity())) {
        fatal(global, valid().max_by_key(Bank::severity), frame);
    }
    for bank in valid() {
        note(bank.location());
        clear(bank.number);
    }
    // SAFETY: the processor may report the next one; without this it would reset.
    unsafe { Msr::new(STATUS).write(0) };
}

fn fatal(global: u64, worst: Option<Bank>, frame: &Frame) -> ! {
    let rip = frame.rip;
    let Some(bank) = worst else {
        panic!("machine check without a bank, global status {global:#x}, rip {rip:#x}");
    };
    let (number, status, severity) = (bank.number, bank.status, bank.severity());
    match bank.location() {
        Some(at) => panic!(
            "machine check at {at}: {severity}; bank {number}, status {status:#x}, global status \
             {global:#x}, rip {rip:#x}"
        ),
        None => panic!(
            "machine check: {severity}; bank {number}, status {status:#x}, global status \
             {global:#x}, rip {rip:#x}"
        ),
    }
}

/// Notes an address, once.
fn note(location: Option<PhysAddr>) {
    let Some(PhysAddr(address)) = location else {
        NAMELESS.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let word = address | PRESENT;
    // Several processors may report one and the same error.
    let is_noted = |slot: &AtomicU64| slot.load(Ordering::Acquire) == word;
    let take = |slot: &AtomicU64| {
        let taken = slot.compare_exchange(0, word, Ordering::Release, Ordering::Relaxed);
        taken.is_ok()
    };
    if !NOTED.iter().any(is_noted) && !NOTED.iter().any(take) {
        NAMELESS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the number of banks, or `None` where there is no such thing.
fn banks() -> Option<u8> {
    let features = CpuId::new().get_feature_info()?;
    if !features.has_mca() || !features.has_mce() {
        return None;
    }
    // SAFETY: the processor says that the register exists.
    let capabilities = unsafe { Msr::new(CAPABILITIES).read() };
    let [banks, ..] = capabilities.to_le_bytes();
    Some(banks)
}

/// The first register of a bank.
fn register(number: u8) -> u32 {
    BANK + BANK_REGISTERS * u32::from(number)
}

fn read(number: u8) -> Bank {
    let first = register(number);
    // SAFETY: the bank exists.
    let status = unsafe { Msr::new(first + 1).read() };
    let mut bank = Bank {
        number,
        status,
        address: 0,
        misc: 0,
    };
    if bank.is_valid() && bank.has_address() {
        // SAFETY: the status says that the register exists and holds something.
        bank.address = unsafe { Msr::new(first + 2).read() };
    }
    if bank.is_valid() && bank.has_misc() {
        // SAFETY: likewise.
        bank.misc = unsafe { Msr::new(first + 3).read() };
    }
    bank
}

fn clear(number: u8) {
    // SAFETY: the bank exists; zero is what software may write there.
    unsafe { Msr::new(register(number) + 1).write(0) };
}
