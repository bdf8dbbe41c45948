//! The shipped recovery on one image, and what the ledger says about the result.

use std::collections::{HashMap, HashSet};

use crash_images::{lines::Lines, remains::digest};
use frame::FrameId;
use llfree::{
    Memory, Zone,
    media::{self, Format, OpenError},
};
use persist::ModelledAdr;
use workload::ledger::{self, Account, Ledger, LedgerError, Ordered, Phase};

use super::{
    WORD_BYTES,
    layout::{Layout, PAGE_WORDS},
    world::World,
};

/// Words and huge frames of the kernel's zones.
const WORDS: usize = 8;
const TREE: usize = 32;
type Recovered<'m> = Zone<'m, ModelledAdr, WORDS, TREE>;

/// Memory to recover in, and what is known already.
///
/// Most images differ in counts that recovery takes from the bits: then what it makes of
/// them is the same, and has to be held against the ledger only once.
pub(super) struct Recovery {
    layout: Layout,
    cpus: usize,
    superblock: Lines,
    replica: Lines,
    lower: Lines,
    upper: Lines,
    /// What recovery makes of an image, both by their digests.
    recovered: HashMap<u64, u64>,
    /// Recovered tables that hold against the account as it is, by their digests.
    holding: HashSet<u64>,
    pub(super) counts: Counts,
}

/// What has been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Recoveries of images.
    pub(super) recovered: u64,
    /// Comparisons of all frames with the ledger.
    pub(super) judged: u64,
}

/// The most images of which the result is kept.
const MOST_KEPT: usize = 1 << 16;

impl Recovery {
    /// Memory for a zone of this layout.
    pub(super) fn new(layout: Layout, cpus: usize) -> Self {
        let sizes = Recovered::layout(layout.frames(), cpus);
        let lower = usize::try_from(layout.geometry.lower_len).expect("it fits into the file");
        Self {
            layout,
            cpus,
            superblock: Lines::new(PAGE_WORDS * WORD_BYTES),
            replica: Lines::new(PAGE_WORDS * WORD_BYTES),
            lower: Lines::new(lower),
            upper: Lines::new(sizes.upper_bytes),
            recovered: HashMap::new(),
            holding: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Notes that the account has changed.
    pub(super) fn forget(&mut self) {
        self.holding.clear();
    }

    /// Recovers an image of the tables and judges it, unless it is known.
    ///
    /// # Errors
    ///
    /// Returns in words what does not hold.
    pub(super) fn judge(&mut self, image: &[u64], world: &World) -> Result<(), String> {
        let number = digest(image.iter().copied());
        if let Some(tables) = self.recovered.get(&number)
            && self.holding.contains(tables)
        {
            return Ok(());
        }
        let ledger = match Ledger::open(&world.ledger, Ordered) {
            Err(LedgerError::NotFormatted { .. }) => None,
            ledger => Some(ledger.map_err(|error| error.to_string())?),
        };
        self.counts.recovered += 1;
        let (superblock, rest) = image.split_at(PAGE_WORDS);
        let (replica, lower) = rest.split_at(PAGE_WORDS);
        self.superblock.fill(superblock);
        self.replica.fill(replica);
        self.lower.fill(lower);
        match self.open() {
            Ok(zone) => zone.validate().map_err(|found| found.to_string())?,
            // Formatting has not come that far.
            Err(OpenError::Blank | OpenError::Foreign | OpenError::Unfinished)
                if ledger.is_none() =>
            {
                return Ok(());
            }
            Err(error) => return Err(format!("the zone can't be opened: {error}")),
        }
        let tables = digest(self.lower.words());
        if self.recovered.len() >= MOST_KEPT {
            self.recovered.clear();
        }
        self.recovered.insert(number, tables);
        if !self.holding.insert(tables) {
            return Ok(());
        }
        self.counts.judged += 1;
        // Once more: what is recovered twice is recovered.
        let zone = self.open().map_err(|error| error.to_string())?;
        match ledger {
            Some(ledger) => judge(&zone, &ledger, world),
            None => all_free(&zone),
        }
    }

    fn open(&mut self) -> Result<Recovered<'_>, OpenError> {
        let opened = media::open(
            self.superblock.get(),
            self.replica.get(),
            Memory {
                lower: self.lower.get(),
                upper: self.upper.get(),
            },
            &self.layout.geometry,
            Format::Never,
            self.cpus,
            ModelledAdr,
        );
        opened.map(|(zone, _)| zone)
    }
}

/// Holds a zone against the ledger.
fn judge(zone: &Recovered<'_>, ledger: &Ledger<'_>, world: &World) -> Result<(), String> {
    let progress = ledger.progress();
    if progress.phase == Phase::Idle && progress.cycle == 0 {
        return all_free(zone);
    }
    let doubts: Vec<FrameId> = zone.uncertain().collect();
    let account = Account {
        allocated: |frame| zone.is_allocated(frame),
        uncertain: |frame| doubts.contains(&frame),
    };
    let stamps = world.stamps(ledger.config().epoch);
    let judgement = ledger::judge(ledger, &account, &stamps);
    match judgement.faults().next() {
        Some(fault) => Err(fault.to_string()),
        None if judgement.frames == 0 => Err("nothing was judged".into()),
        None => Ok(()),
    }
}

/// Nobody keeps account yet.
fn all_free(zone: &Recovered<'_>) -> Result<(), String> {
    let stats = zone.stats();
    if stats.free == stats.frames {
        Ok(())
    } else {
        let (free, frames) = (stats.free, stats.frames);
        Err(format!(
            "{free} of {frames} frames are free, and nobody has taken any"
        ))
    }
}
