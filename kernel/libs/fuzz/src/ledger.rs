//! The crash ledger, which lies in memory that anybody may have written.

use std::sync::atomic::{AtomicU64, Ordering};

use frame::{FrameId, Order};
use workload::{
    ledger::{Config, Ledger, Ordered, Phase, judge},
    stamp::Stamps,
};

use crate::{Target, input::Input};

pub(crate) const TARGET: Target = Target {
    name: "ledger",
    control: false,
    max_len: 512,
    run,
    seeds,
};

const FRAMES: usize = 64;

/// Frames are in use, and stamped, as an input's first bytes say.
struct Word(u64);

impl Stamps for Word {
    fn check(&self, block: FrameId, _: Order, _: u64) -> bool {
        self.0 >> (block.0 % 64) & 1 != 0
    }
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (allocated, stamped) = (input.u64(), input.u64());
    let words: Vec<AtomicU64> = (0..Ledger::bytes(FRAMES) / 8)
        .map(|_| AtomicU64::new(0))
        .collect();
    let config = Config {
        frames: FRAMES,
        epoch: 7,
        seed: 42,
        cycles: 5,
    };
    Ledger::format(&words, &config, Ordered).expect("the memory is long enough");
    while !input.is_empty() {
        let at = usize::from(input.u16()) % words.len();
        words[at].store(input.u64(), Ordering::Relaxed);
    }
    let ledger = match Ledger::open(&words, Ordered) {
        Ok(ledger) => ledger,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let _ = (ledger.config(), ledger.progress());
    assert!(ledger.results().count() <= 16);
    let state = |frame: FrameId| allocated >> (frame.0 % 64) & 1 != 0;
    let judgement = judge(&ledger, &state, &Word(stamped));
    assert!(judgement.leaked <= FRAMES as u64);
    assert!(ledger.survivors().count() <= FRAMES);
    assert!(ledger.leaked(&state).count() <= FRAMES);
    // The next cycle begins on whatever is there.
    ledger.begin();
    assert_eq!(ledger.progress().phase, Phase::Running);
}

fn seeds() -> Vec<Vec<u8>> {
    const OWNERS: u16 = 1168;
    let word = |at: u16, value: u64| {
        let mut bytes = at.to_le_bytes().to_vec();
        bytes.extend(value.to_le_bytes());
        bytes
    };
    let mut seed = vec![0xff; 16];
    // Running, cycle 1; a get in flight; an owned frame and an owned block.
    seed.extend(word(8, 1 << 32 | 1));
    seed.extend(word(144, 1 | 1 << 48));
    seed.extend(word(OWNERS + 3, 1 | 1 << 16));
    seed.extend(word(OWNERS + 8, 1 | 3 << 2 | 1 << 8 | 2 << 16));
    vec![seed, vec![0; 16]]
}
