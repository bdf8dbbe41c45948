//! The images that a crash at one moment can leave on the medium.
//!
//! With flushed caches (eADR) that is what is visible. Otherwise each line, or each
//! word, is as it was durably, or after any later store to it.

use crate::medium::{LINE_WORDS, Medium, Write};
use crate::random::Random;

/// What can reach the medium.
pub struct Remains {
    /// The content that it surely has.
    base: Vec<u64>,
    /// What else it may have: one of each of these lists, or nothing of it.
    lines: Vec<Vec<Write>>,
    words: Vec<Vec<Write>>,
}

impl Remains {
    /// Finds out what can reach the medium once these stores have reached the cache too.
    pub fn new(medium: &Medium, further: &[Write], flushed_caches: bool) -> Self {
        let mut remains = Self {
            base: medium.visible().to_vec(),
            lines: Vec::new(),
            words: Vec::new(),
        };
        if flushed_caches {
            for &Write { word, value } in further {
                remains.base[word] = value;
            }
        } else {
            let dirty = medium.dirty().flat_map(|(_, line)| line.writes());
            let writes: Vec<_> = dirty.chain(further).copied().collect();
            remains.base = medium.durable().to_vec();
            remains.lines = grouped(&writes, |write| write.word / LINE_WORDS);
            remains.words = grouped(&writes, |write| write.word);
        }
        remains
    }

    /// Calls `check` with images, at most so many of each model; returns whether
    /// these were all.
    ///
    /// # Errors
    ///
    /// Returns the first error of `check`.
    pub fn images(
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
    pub fn any_image(&self, random: &mut Random) -> Vec<u64> {
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
    let all = ways.fold(1_usize, |all, ways| all.saturating_mul(ways));
    let mut image = base.to_vec();
    for number in 0..all.min(most) {
        let mut rest = number;
        image.copy_from_slice(base);
        for writes in lists {
            let ways = writes.len() + 1;
            let upto = if all <= most {
                let upto = rest % ways;
                rest /= ways;
                upto
            } else {
                random.below(ways)
            };
            for &Write { word, value } in &writes[..upto] {
                image[word] = value;
            }
        }
        check(&image)?;
    }
    Ok(all <= most)
}

/// Returns a number that tells images apart, nearly always.
pub fn digest(image: impl IntoIterator<Item = u64>) -> u64 {
    image.into_iter().fold(0, |hash: u64, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}
