//! The images that a crash at one moment can leave on the medium.
//!
//! First, of each store buffer the oldest stores, any number, reach the cache. What
//! is acknowledged depends on that too. With flushed caches (eADR) that is the
//! image. Otherwise each line, or each word, is as it was durably, or after any
//! later store to it.

use crate::machine::{Machine, Waiting};
use crate::medium::{LINE_WORDS, Write};
use crate::random::Random;

/// How many entries of each buffer still make it.
pub(crate) type Prefix = Vec<usize>;

/// What can reach the medium, given how much of the buffers reaches the cache.
pub(crate) struct Remains {
    /// The content that it surely has.
    base: Vec<u64>,
    /// What else it may have: one of each of these lists, or nothing of it.
    lines: Vec<Vec<Write>>,
    words: Vec<Vec<Write>>,
    /// How many more operations of each thread are acknowledged.
    pub(crate) acknowledged: Vec<usize>,
}

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

impl Remains {
    /// Finds out what can reach the medium.
    pub(crate) fn new(machine: &Machine, prefix: &Prefix, flushed_caches: bool) -> Self {
        let medium = &machine.medium;
        let mut writes: Vec<Write> = Vec::new();
        let mut acknowledged = vec![0; prefix.len()];
        if !flushed_caches {
            writes.extend(medium.dirty().flat_map(|(_, line)| &line.writes));
        }
        for (thread, (buffer, &cut)) in machine.buffers.iter().zip(prefix).enumerate() {
            for waiting in buffer.iter().take(cut) {
                match *waiting {
                    Waiting::Store(word, _, value) if word < machine.persistent() => {
                        writes.push(Write { word, value });
                    }
                    Waiting::Store(..) | Waiting::Flush(..) | Waiting::Order => {}
                    Waiting::Acknowledge => acknowledged[thread] += 1,
                }
            }
        }
        let mut remains = Self {
            base: medium.visible().to_vec(),
            lines: Vec::new(),
            words: Vec::new(),
            acknowledged,
        };
        if flushed_caches {
            remains.apply(&writes);
        } else {
            remains.base = medium.durable().to_vec();
            remains.lines = grouped(&writes, |write| write.word / LINE_WORDS);
            remains.words = grouped(&writes, |write| write.word);
        }
        remains
    }

    fn apply(&mut self, writes: &[Write]) {
        for &Write { word, value } in writes {
            self.base[word] = value;
        }
    }

    /// Calls `check` with images, at most so many of each model; returns whether
    /// these were all.
    pub(crate) fn images(
        &self,
        most: usize,
        random: &mut Random,
        check: &mut dyn FnMut(&[u64]) -> Result<(), String>,
    ) -> Result<bool, String> {
        let lines = each(&self.base, &self.lines, most, random, check)?;
        // Where each line has one word that changes, the models are the same.
        if self.words.len() == self.lines.len() {
            return Ok(lines);
        }
        Ok(each(&self.base, &self.words, most, random, check)? && lines)
    }

    /// Returns one of the images of the stronger model, by chance.
    pub(crate) fn any_image(&self, random: &mut Random) -> Vec<u64> {
        let mut image = self.base.clone();
        for writes in &self.lines {
            let upto = random.below(writes.len() + 1);
            for &Write { word, value } in &writes[..upto] {
                image[word] = value;
            }
        }
        image
    }
}

/// Returns the writes of each group, in order.
fn grouped(writes: &[Write], group: impl Fn(&Write) -> usize) -> Vec<Vec<Write>> {
    let mut groups: Vec<Vec<Write>> = Vec::new();
    for &write in writes {
        let same = |writes: &&mut Vec<Write>| group(&writes[0]) == group(&write);
        match groups.iter_mut().find(same) {
            Some(writes) => writes.push(write),
            None => groups.push(vec![write]),
        }
    }
    groups
}

/// Calls `check` with the base and a prefix of each list: all ways, or some.
fn each(
    base: &[u64],
    lists: &[Vec<Write>],
    most: usize,
    random: &mut Random,
    check: &mut dyn FnMut(&[u64]) -> Result<(), String>,
) -> Result<bool, String> {
    let ways = lists.iter().map(|writes| writes.len() + 1);
    let all = ways
        .fold(1_usize, |all, ways| all.saturating_mul(ways))
        .min(1 << 40);
    let mut image = base.to_vec();
    for number in 0..all.min(most) {
        let mut number = if all <= most {
            number
        } else {
            random.below(all)
        };
        image.copy_from_slice(base);
        for writes in lists {
            let upto = number % (writes.len() + 1);
            number /= writes.len() + 1;
            for &Write { word, value } in &writes[..upto] {
                image[word] = value;
            }
        }
        check(&image)?;
    }
    Ok(all <= most)
}
