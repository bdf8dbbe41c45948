//! What of the machine's store buffers still reaches the cache in a crash.
//!
//! Of each buffer the oldest entries, any number. What is acknowledged depends on that
//! too. What then reaches the medium, [`Remains`] knows.

use crate::machine::{Machine, Waiting};
use crate::medium::Write;
use crate::random::Random;
use crate::remains::Remains;

/// How many entries of each buffer still make it.
pub(crate) type Prefix = Vec<usize>;

/// Returns the ways to cut the buffers off, at most so many.
pub(crate) fn prefixes(machine: &Machine, most: usize, random: &mut Random) -> Vec<Prefix> {
    let lengths: Vec<_> = machine.buffers.iter().map(|buffer| buffer.len()).collect();
    let all: usize = lengths.iter().map(|len| len + 1).product();
    let nth = |mut number: usize| {
        let cut = lengths.iter().map(|len| {
            let cut = number % (len + 1);
            number /= len + 1;
            cut
        });
        cut.collect()
    };
    if all <= most {
        (0..all).map(nth).collect()
    } else {
        // The extremes, and some in between.
        let some = (2..most).map(|_| random.below(all)).collect::<Vec<_>>();
        [0, all - 1].into_iter().chain(some).map(nth).collect()
    }
}

/// Finds out what can reach the medium, given how much of the buffers reaches the cache.
pub(crate) fn remains(machine: &Machine, prefix: &Prefix, flushed_caches: bool) -> Remains {
    let store = |waiting: &Waiting| match *waiting {
        Waiting::Store(word, _, value) if word < machine.persistent() => {
            Some(Write { word, value })
        }
        _ => None,
    };
    let stores: Vec<_> = reaching(machine, prefix)
        .flat_map(|reaching| reaching.filter_map(store))
        .collect();
    Remains::new(&machine.medium, &stores, flushed_caches)
}

/// Returns how many more operations of each thread are acknowledged then.
pub(crate) fn acknowledged(machine: &Machine, prefix: &Prefix) -> Vec<usize> {
    let is_last = |waiting: &&Waiting| matches!(waiting, Waiting::Acknowledge);
    reaching(machine, prefix)
        .map(|reaching| reaching.filter(is_last).count())
        .collect()
}

/// Returns of each buffer what reaches the cache.
fn reaching<'m>(
    machine: &'m Machine,
    prefix: &'m Prefix,
) -> impl Iterator<Item = impl Iterator<Item = &'m Waiting>> {
    let buffers = machine.buffers.iter().zip(prefix);
    buffers.map(|(buffer, &cut)| buffer.iter().take(cut))
}
