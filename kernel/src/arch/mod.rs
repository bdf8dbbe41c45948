//! What is particular to x86-64 processors.
//!
//! Everything here talks to the processor or to a device that every PC has. The
//! rest of the kernel asks for effects (map this, wake that processor, how much
//! time has passed) and never names a register.

pub(crate) mod apic;
pub(crate) mod cpu;
pub(crate) mod idt;
pub(crate) mod machine_check;
pub(crate) mod mtrr;
pub(crate) mod paging;
pub(crate) mod pic;
pub(crate) mod port;
pub(crate) mod segments;
pub(crate) mod stubs;
pub(crate) mod timer;
pub(crate) mod trampoline;
pub(crate) mod tsc;

const _: () = assert!(size_of::<usize>() == size_of::<u64>());

/// Returns `value` as an index: on this architecture nothing is lost.
#[expect(
    clippy::cast_possible_truncation,
    reason = "usize has 64 bits, see above"
)]
pub(crate) const fn to_usize(value: u64) -> usize {
    value as usize
}
