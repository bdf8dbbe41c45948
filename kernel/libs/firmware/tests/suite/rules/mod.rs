//! What is refused, what is tolerated, each rule with its exact answer.

mod identity;
mod range;
mod table;

use firmware::Refusal;
use frame::{PhysAddr, PhysRange};

use crate::build::{Map, Range, control, nfit};
use crate::golden_nfit::judged;

/// A sound range with one device.
fn sound() -> Vec<Vec<u8>> {
    vec![
        Range::default().bytes(),
        Map::default().bytes(),
        control(1, 7),
    ]
}

/// Returns the reason why the first range of a table is refused.
fn refusal(structures: &[Vec<u8>]) -> Option<Refusal> {
    judged(&nfit(structures))[0].refusal
}

/// Returns the reason why a sound range is refused in a table with more structures.
fn refusal_with(more: &[Vec<u8>]) -> Option<Refusal> {
    refusal(&[sound(), more.to_vec()].concat())
}

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::new(PhysAddr(start), len).expect("range wraps")
}
