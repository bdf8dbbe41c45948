//! Power failures at every moment that a medium could tell from the one before.
//!
//! At each such moment all images are made, or some where there are too many, and
//! each one is recovered by the shipped code and judged. Of some the power fails
//! again while they are recovered, by one processor or by two, and again, three deep:
//! what recovery then makes of them must be the same as if it had not been interrupted.
//!
//! What this can't show: media that forget what was fenced, or change what nobody
//! wrote; stores to one word that reach the medium in part.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;

use llfree::Zone;
use persist::Persist;

use crate::fiber::Stacks;
use crate::image;
use crate::judge::judge;
use crate::ledger::{Expected, Ledger};
use crate::machine::Machine;
use crate::random::Random;
use crate::recovery::{self, HELPERS, Share};
use crate::remains;
use crate::tables::Tables;

/// How deep power failures are nested.
pub(crate) const DEPTH: usize = 3;
/// One of so many images is recovered without its tail too.
const TAILS: u64 = 8;
/// The most distinct images that are told apart.
const MOST_DISTINCT: usize = 1 << 21;

/// What has been looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Moments at which the power failed.
    pub(crate) points: u64,
    /// Moments of which not all images were tried.
    pub(crate) sampled: u64,
    /// Images that were recovered and judged.
    pub(crate) images: u64,
    /// How many of them differed, or had different owners; a lower bound.
    pub(crate) distinct: u64,
    /// Images of failures during recovery, by depth.
    pub(crate) nested: [u64; DEPTH],
    /// Recoveries by several processors at once.
    pub(crate) shared: u64,
    /// Images that were recovered a second time with the bits behind the last frame lost.
    pub(crate) tails: u64,
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Images of each model at each moment, and for each way to cut the buffers.
    pub(crate) images: usize,
    /// Ways to cut the buffers off.
    pub(crate) cuts: usize,
    /// One of so many distinct images is recovered with failures in between.
    pub(crate) nested: u64,
    /// And one of so many that have been seen before: a multiple of that.
    pub(crate) again: u64,
}

/// Recovers images.
pub(crate) struct Crashes<P, const WORDS: usize, const TREE: usize> {
    frames: usize,
    cpus: usize,
    limits: Limits,
    tables: Tables,
    stacks: Stacks,
    pub(crate) counts: Counts,
    seen: HashSet<u64>,
    random: Random,
    platform: PhantomData<P>,
}

impl<P: Persist + Default, const WORDS: usize, const TREE: usize> Crashes<P, WORDS, TREE> {
    /// For zones of this size.
    pub(crate) fn new(frames: usize, cpus: usize, limits: Limits) -> Self {
        let layout = Zone::<'_, P, WORDS, TREE>::layout(frames, cpus);
        Self {
            frames,
            cpus,
            limits,
            tables: Tables::new(layout),
            stacks: Stacks::new(HELPERS),
            counts: Counts::default(),
            seen: HashSet::new(),
            random: Random::new(0),
            platform: PhantomData,
        }
    }

    /// Starts over with a seed.
    pub(crate) fn seed(&mut self, seed: u64) {
        self.random = Random::new(seed ^ 0xc4a5);
    }

    /// Lets the power fail now.
    pub(crate) fn fail(&mut self, machine: &Machine, ledger: &Ledger) -> Result<(), String> {
        self.counts.points += 1;
        let mut all = true;
        let flushed_caches = !P::DOMAIN.needs_flush();
        let mut random = self.random;
        for prefix in image::prefixes(machine, self.limits.cuts, &mut random) {
            let remains = image::remains(machine, &prefix, flushed_caches);
            let expected = ledger.expected(&image::acknowledged(machine, &prefix));
            let most = self.limits.images;
            all &= remains.images(most, &mut random, &mut |image| {
                self.recover(image, &expected)
            })?;
        }
        self.random = random;
        self.random.number();
        self.counts.sampled += u64::from(!all);
        Ok(())
    }

    /// Recovers an image, now and then with failures in between.
    fn recover(&mut self, image: &[u64], expected: &Expected) -> Result<(), String> {
        self.counts.images += 1;
        let signature = self.judged(image, expected)?;
        let number = fingerprint(image, expected);
        let few = self.seen.len() < MOST_DISTINCT;
        let new = few && self.seen.insert(number);
        self.counts.distinct += u64::from(new);
        // By the image and not by chance, so that a replay does the same.
        if new && number.is_multiple_of(TAILS) {
            self.without_tail(image, expected, signature)?;
        }
        let Limits { nested, again, .. } = self.limits;
        if number.is_multiple_of(if new { nested } else { again }) {
            self.interrupted(image, expected, signature, 0)?;
        }
        Ok(())
    }

    /// Recovers an image in which the bits behind the last frame are clear: damage, but
    /// the number of frames says all that they could.
    fn without_tail(
        &mut self,
        image: &[u64],
        expected: &Expected,
        signature: u64,
    ) -> Result<(), String> {
        if self.frames.is_multiple_of(64 * WORDS) {
            return Ok(());
        }
        let mut image = image.to_vec();
        let (last, end) = (self.frames / 64, self.frames.div_ceil(64 * WORDS) * WORDS);
        image[last] &= (1 << (self.frames % 64)) - 1;
        image[last + 1..end].fill(0);
        self.counts.tails += 1;
        match self.judged(&image, expected) {
            Ok(same) if same == signature => Ok(()),
            Ok(_) => Err("without the tail, recovery found something else".to_owned()),
            Err(fault) => Err(format!("without the tail, {fault}")),
        }
    }

    /// Recovers an image and judges the zone.
    fn judged(&mut self, image: &[u64], expected: &Expected) -> Result<u64, String> {
        self.tables.set_lower(image);
        let memory = self.tables.memory();
        let recovered =
            Zone::<'_, P, WORDS, TREE>::recover(self.frames, self.cpus, memory, P::default());
        let (zone, found) = recovered.map_err(|error| error.to_string())?;
        judge(&zone, found, expected)
    }

    /// Recovers an image, with the power failing on the way; then each of what that
    /// leaves.
    fn interrupted(
        &mut self,
        image: &[u64],
        expected: &Expected,
        signature: u64,
        depth: usize,
    ) -> Result<(), String> {
        let mut left = self.failures(image, expected, signature)?;
        self.counts.nested[depth] += left.len() as u64;
        for image in &left {
            let again = self
                .judged(image, expected)
                .map_err(|fault| format!("after {} failed recoveries, {fault}", depth + 1))?;
            if again != signature {
                return Err(format!(
                    "recovery number {} found something else than the first",
                    depth + 2
                ));
            }
        }
        if depth + 1 < DEPTH && !left.is_empty() {
            let pick = self.random.below(left.len());
            let image = left.swap_remove(pick);
            self.interrupted(&image, expected, signature, depth + 1)?;
        }
        Ok(())
    }

    /// Recovers an image on the modelled machine, where that must come to the same, and
    /// returns an image of each moment at which the power could have failed.
    fn failures(
        &mut self,
        image: &[u64],
        expected: &Expected,
        signature: u64,
    ) -> Result<Vec<Vec<u64>>, String> {
        let mut left = Vec::new();
        let mut random = self.random;
        let share = [Share::Alone, Share::Parts, Share::Twice][random.below(3)];
        let Self { tables, stacks, .. } = self;
        let (zone, mut found) = recovery::recover::<P, WORDS, TREE>(
            (self.frames, self.cpus),
            share,
            (tables, image),
            stacks,
            &mut random,
            &mut |image| left.push(image),
        )?;
        self.random = random;
        self.counts.shared += u64::from(share != Share::Alone);
        if share == Share::Twice {
            // Both may have counted the same repairs.
            found.split_in_flight = found.split_in_flight.div_ceil(2);
        }
        match judge(&zone, found, expected) {
            Ok(same) if same == signature => Ok(left),
            Ok(_) => Err(format!("recovery, {share:?}, found something else")),
            Err(fault) => Err(format!("after recovery, {share:?}, {fault}")),
        }
    }
}

fn fingerprint(image: &[u64], expected: &Expected) -> u64 {
    let mut hash = remains::digest(image.iter().copied());
    let mut hasher = DefaultHasher::new();
    for block in &expected.owned {
        hash = hash.wrapping_add((block.first as u64 + 1) << block.order);
    }
    (hash, expected.taking.len(), expected.returning.len()).hash(&mut hasher);
    hasher.finish()
}
