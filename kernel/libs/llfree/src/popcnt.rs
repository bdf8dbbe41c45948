//! Counting the clear bits of bitfields.
//!
//! This is most of what recovery does. Without an instruction for it, counting a
//! word takes a dozen steps. Every x86-64 processor since 2008 has one, but no
//! compiler may assume so: whoever starts to count asks once, and passes the
//! answer along as a token.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "`popcnt` exists, as the token proves; `cpuid`")
)]

use persist::Persist;

use crate::cell::Cell;
use crate::shape::WORD_FRAMES;

/// Proof that the processor has `popcnt`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Popcnt(());

/// Counts the clear bits of each field into the number of the same index.
pub(crate) fn count_clear<const WORDS: usize>(
    popcnt: Option<Popcnt>,
    persist: &impl Persist,
    fields: &[[Cell; WORDS]],
    counts: &mut [u16],
) {
    match popcnt {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: The processor has the instruction: that is what the token says.
        Some(Popcnt(())) => unsafe { count_with_popcnt(persist, fields, counts) },
        _ => count_anyhow(persist, fields, counts),
    }
}

/// The same steps, compiled for a processor that has the instruction.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn count_with_popcnt<const WORDS: usize>(
    persist: &impl Persist,
    fields: &[[Cell; WORDS]],
    counts: &mut [u16],
) {
    count_anyhow(persist, fields, counts);
}

#[inline(always)]
fn count_anyhow<const WORDS: usize>(
    persist: &impl Persist,
    fields: &[[Cell; WORDS]],
    counts: &mut [u16],
) {
    for (field, count) in fields.iter().zip(counts) {
        let set = field.iter().map(|word| word.load(persist).count_ones());
        let all = WORDS * WORD_FRAMES;
        #[expect(clippy::cast_possible_truncation, reason = "a count fits an entry")]
        let clear = (all - set.sum::<u32>() as usize) as u16;
        *count = clear;
    }
}

impl Popcnt {
    /// Asks the processor. Takes some hundred cycles, and microseconds where a
    /// hypervisor answers.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Option<Self> {
        /// CPUID.1:ECX, bit 23.
        const POPCNT: u32 = 1 << 23;
        let features: u32;
        // SAFETY:
        // - Every x86-64 processor has `cpuid`, at every privilege level, and leaf 1.
        // - The compiler reserves rbx, so it is put back before the block ends.
        unsafe {
            core::arch::asm!("mov {saved}, rbx", "cpuid", "mov rbx, {saved}",
                saved = out(reg) _, inout("eax") 1 => _, inout("ecx") 0 => features, out("edx") _,
                options(nomem, nostack, preserves_flags));
        }
        (features & POPCNT != 0).then_some(Self(()))
    }

    /// No other processor is asked.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detect() -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use persist::Volatile;

    use super::*;

    #[test]
    fn both_ways_of_counting_agree_with_counting_bit_by_bit() {
        let mut word = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..1000 {
            let mut expected = [0_u16; 3];
            let fields: [[Cell; 8]; 3] = core::array::from_fn(|field| {
                core::array::from_fn(|_| {
                    word = word.rotate_left(7).wrapping_mul(0x5851_f42d_4c95_7f2d) ^ (word >> 9);
                    expected[field] += (0..64)
                        .map(|bit| u16::from(word >> bit & 1 == 0))
                        .sum::<u16>();
                    Cell::new(word)
                })
            });
            for popcnt in [None, Popcnt::detect()] {
                let mut counts = [u16::MAX; 3];
                count_clear(popcnt, &Volatile, &fields, &mut counts);
                assert_eq!(counts, expected, "{popcnt:?}");
            }
        }
    }

    #[test]
    fn a_full_and_an_empty_line_have_their_extremes() {
        let fields = [[0; 8], [u64::MAX; 8]].map(|field| field.map(Cell::new));
        for popcnt in [None, Popcnt::detect()] {
            let mut counts = [7; 2];
            count_clear(popcnt, &Volatile, &fields, &mut counts);
            assert_eq!(counts, [512, 0]);
        }
    }
}
