//! Switching the machine off.
//!
//! How to is in the firmware's tables; a panic may come before they are read,
//! and emulators have ways of their own, so there is a list of ways. A machine
//! that none of them switches off stops, with everything said.

use firmware::{PowerOff, Topology, fadt::EnableAcpi};
use spin::Once;

use crate::{
    arch::{
        cpu,
        port::{self, in16, out8, out16, out32},
    },
    console,
};

/// What the firmware says about it, once that is known.
static FIRMWARE: Once<PowerOff> = Once::new();

/// QEMU's device for ending a run, at its customary port and at the one that
/// freestanding test suites use.
const DEBUG_EXIT: [u16; 2] = [0x501, 0xF4];
/// QEMU's power management control registers: Q35, then i440FX.
const QEMU_CONTROL: [u16; 2] = [0x604, 0xB004];
/// Sleep enable, in the control register (ACPI 6.5, table 4-15).
const SLEEP_ENABLE: u16 = 1 << 13;
/// Which sleep, in the same register; all other bits belong to others.
const SLEEP_TYPE: u16 = 0b111 << 10;
/// The control register is ACPI's, not the firmware's.
const ACPI_ENABLED: u16 = 1 << 0;
/// How often to ask whether the firmware has let go.
const POLLS: u32 = 1_000_000;

/// Remembers how this machine is switched off.
pub(crate) fn learn(topology: &Topology) {
    if let Some(power_off) = topology.power_off {
        FIRMWARE.call_once(|| power_off);
    }
}

/// Switches the machine off once all is said, or stops it.
pub(crate) fn power_off() -> ! {
    console::drain();
    if let Some(power_off) = FIRMWARE.get() {
        sleep(power_off);
        // An emulator may only get to it after the next few instructions.
        port::wait();
    }
    // On a real machine anything may be at these ports.
    if cpu::is_virtual() {
        leave_emulator();
    }
    cpu::stop()
}

fn leave_emulator() {
    for port in QEMU_CONTROL {
        // SAFETY: off is what is wanted; in other virtual machines nothing that
        // writes memory is there.
        unsafe { out16(port, SLEEP_ENABLE) };
    }
    for port in DEBUG_EXIT {
        // SAFETY: likewise.
        unsafe { out32(port, 0) };
    }
}

fn sleep(power_off: &PowerOff) {
    let a = power_off.pm1a_control.port();
    let b = power_off.pm1b_control.and_then(|register| register.port());
    if let (Some(control), Some(enable)) = (a, power_off.enable_acpi) {
        take_over(control, enable);
    }
    let types = power_off.sleep_type;
    for (register, sleep_type) in [(a, types.a), (b, types.b)] {
        if let Some(port) = register {
            // SAFETY: reading the control register has no effect.
            let others = unsafe { in16(port) } & !(SLEEP_TYPE | SLEEP_ENABLE);
            let value = others | u16::from(sleep_type) << 10 | SLEEP_ENABLE;
            // SAFETY: the firmware says that this switches the machine off.
            unsafe { out16(port, value) };
        }
    }
}

/// Until ACPI is enabled, the control register belongs to the firmware.
fn take_over(control: u16, enable: EnableAcpi) {
    let is_ours = || {
        // SAFETY: reading the control register has no effect.
        let value = unsafe { in16(control) };
        value & ACPI_ENABLED != 0
    };
    if !is_ours() {
        // SAFETY: the firmware says that this makes it let go.
        unsafe { out8(enable.port, enable.value) };
        let _ = (0..POLLS).find(|_| is_ours());
    }
}
