//! Mistakes on purpose, to find out whether the tests would notice.
//!
//! A mutant is the shipped code with one step left out, weakened or moved. Each place
//! asks [`mutant!`], which is a constant `false` unless the code is compiled with
//! `--cfg mutant="name"` for one mistake, or with `--cfg mutant="any"` for all of
//! them, of which one is then chosen while the program runs.

/// Whether this mistake is to be made.
macro_rules! mutant {
    ($name:tt) => {
        cfg!(mutant = $name) || cfg!(mutant = "any") && $crate::mutant::is_chosen($name)
    };
}

pub(crate) use mutant;

/// Whether this mistake was chosen; never, where there is no choice.
#[cfg(not(mutant = "any"))]
pub(crate) const fn is_chosen(_: &str) -> bool {
    false
}

#[cfg(mutant = "any")]
pub use chosen::choose;
#[cfg(mutant = "any")]
pub(crate) use chosen::is_chosen;

/// The choice. There is none in code that is shipped.
#[cfg(mutant = "any")]
mod chosen {
    use core::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: AtomicU64 = AtomicU64::new(0);

    /// Chooses the mistake that is made from now on.
    pub fn choose(name: &str) {
        // Relaxed: chosen before anything else happens.
        CHOSEN.store(number(name), Ordering::Relaxed);
    }

    pub(crate) fn is_chosen(name: &str) -> bool {
        CHOSEN.load(Ordering::Relaxed) == number(name)
    }

    /// Returns a number for a name (FNV-1a).
    const fn number(name: &str) -> u64 {
        let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
        while at < name.len() {
            hash = (hash ^ name.as_bytes()[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        hash
    }
}
