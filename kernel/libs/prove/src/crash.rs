//! Power failures at every moment that a medium could tell from the one before.
//!
//! At each such moment all images are made, or some where there are too many, and
//! each one is recovered by the shipped code and judged. Of some the power fails
//! again while they are recovered, and again, three deep: what recovery then makes
//! of them must be the same as if it had not been interrupted.
//!
//! What this can't show: media that forget what was fenced, or change what nobody
//! wrote; stores to one word that reach the medium in part.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;

use llfree::Zone;
use persist::Persist;

use crate::chance::Walk;
use crate::engine::{self, Ending, Trail};
use crate::fiber::Stacks;
use crate::image::{self, Remains};
use crate::judge::judge;
use crate::ledger::{Expected, Ledger};
use crate::machine::{self, Machine, Touched, Watched};
use crate::random::Random;
use crate::tables::Tables;

/// How deep power failures are nested.
pub(crate) const DEPTH: usize = 3;
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
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Images of each model at each moment, and for each way to cut the buffers.
    pub(crate) images: usize,
    /// Ways to cut the buffers off.
    pub(crate) cuts: usize,
    /// One of so many images is recovered with failures in between.
    pub(crate) nested: usize,
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
            stacks: Stacks::new(1),
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
            let remains = Remains::new(machine, &prefix, flushed_caches);
            let expected = ledger.expected(&remains.acknowledged);
            let most = self.limits.images;
            all &= remains.images(most, &mut random, &mut |image| {
                self.recover(image, &expected)
            })?;
        }
        self.random = random;
        self.random.next();
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
        if number.is_multiple_of(self.limits.nested as u64) {
            self.interrupted(image, expected, signature, 0)?;
        }
        Ok(())
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
        let mut left = self.failures(image)?;
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

    /// Recovers an image on the modelled machine and returns an image of each moment
    /// at which the power could have failed.
    fn failures(&mut self, image: &[u64]) -> Result<Vec<Vec<u64>>, String> {
        self.tables.set_lower(image);
        let mut machine = Machine::new(self.tables.ranges(), Touched::default(), 1);
        machine.start_with(image.to_vec());
        let outer = machine::install(Some(machine));
        let mut left = Vec::new();
        let mut random = self.random;
        let mut walk = Walk::new(random.next());
        let (frames, cpus) = (self.frames, self.cpus);
        let Self { tables, stacks, .. } = self;
        let mut memory = Some(tables.memory());
        let body = move || {
            if let Some(memory) = memory.take() {
                type Under<'m, P, const WORDS: usize, const TREE: usize> =
                    Zone<'m, Watched<P>, WORDS, TREE>;
                let zone =
                    Under::<'_, P, WORDS, TREE>::recover(frames, cpus, memory, Watched::default());
                drop(zone);
            }
        };
        let ending = engine::run(
            stacks,
            vec![Box::new(body)],
            &mut walk,
            &mut Trail::default(),
            &mut || {
                machine::with(|machine| {
                    if std::mem::take(&mut machine.changed) {
                        let prefix = image::prefixes(machine, 2, &mut random);
                        let prefix = &prefix[random.below(prefix.len())];
                        let remains = Remains::new(machine, prefix, !P::DOMAIN.needs_flush());
                        left.push(remains.any_image(&mut random));
                    }
                });
                Ok(())
            },
        );
        machine::install(outer);
        self.random = random;
        match ending {
            Ending::Done => Ok(left),
            other => Err(format!("recovery under watch: {other:?}")),
        }
    }
}

fn fingerprint(image: &[u64], expected: &Expected) -> u64 {
    let mut hash = image.iter().fold(0, |hash: u64, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    let mut hasher = DefaultHasher::new();
    for block in &expected.owned {
        hash = hash.wrapping_add((block.first as u64 + 1) << block.order);
    }
    (hash, expected.taking.len(), expected.returning.len()).hash(&mut hasher);
    hasher.finish()
}
