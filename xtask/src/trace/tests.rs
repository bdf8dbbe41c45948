//! A planted trace: what is taken from it must be missed.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use crash_images::lines::Lines;
use frame::{FRAME_SIZE, FrameId, Order};
use indicatif::ProgressBar;
use llfree::{
    Memory, Zone,
    media::{self, Format, Geometry},
};
use persist::ModelledAdr;
use trace_plugin::{Event, What};
use workload::{
    FrameAlloc,
    ledger::{Config, Ledger, Ordered},
    stamp::FrameStamps,
};

use super::{
    boot::Life,
    explore::{Limits, Without, explore},
    tally::Tally,
};

const FRAMES: usize = 512;
const PAGE: usize = FRAME_SIZE;
const ANNEX: usize = 2 * PAGE;
const MANAGED: usize = 9 * PAGE;
const LEN: usize = MANAGED + (FRAMES + 1) * PAGE;

fn geometry() -> Geometry {
    Geometry {
        region_id: 1,
        region_len: LEN as u64,
        lower_offset: PAGE as u64,
        lower_len: PAGE as u64,
        annex_offset: ANNEX as u64,
        annex_len: (MANAGED - ANNEX) as u64,
        managed_offset: MANAGED as u64,
        frames: FRAMES as u64,
        base_in_giant: 0,
        words: 8,
        tree: 32,
    }
}

/// A region in memory.
struct Region {
    tables: [Lines; 3],
    upper: Lines,
    annex: Vec<AtomicU64>,
    content: Vec<AtomicU64>,
}

impl Region {
    fn new() -> Self {
        let words = |bytes: usize| (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
        let upper = Zone::<ModelledAdr>::layout(FRAMES, 1).upper_bytes;
        Self {
            tables: [PAGE; 3].map(Lines::new),
            upper: Lines::new(upper),
            annex: words(MANAGED - ANNEX),
            content: words(FRAMES * PAGE),
        }
    }

    /// Opens the zone, and perhaps takes a frame.
    fn open(&mut self, format: Format) -> Option<FrameId> {
        let [superblock, lower, replica] = &mut self.tables;
        let memory = Memory {
            lower: lower.get(),
            upper: self.upper.get(),
        };
        let (superblock, replica) = (superblock.get(), replica.get());
        let opened = media::open::<_, 8, 32>(
            superblock,
            replica,
            memory,
            &geometry(),
            format,
            1,
            ModelledAdr,
        );
        let (zone, _) = opened.expect("it is ours to make");
        let mut local = zone.local(0).expect("nobody has it");
        (format == Format::Never).then(|| local.get(Order::FRAME).expect("all are free"))
    }

    /// The whole region, as in its file.
    fn bytes(&mut self) -> Vec<u8> {
        let [superblock, lower, replica] = &mut self.tables;
        [
            &*superblock.get(),
            &*lower.get(),
            &snapshot(&self.annex),
            &snapshot(&self.content),
            &*replica.get(),
        ]
        .concat()
    }
}

fn snapshot(words: &[AtomicU64]) -> Vec<u8> {
    let values = words.iter().map(|word| word.load(Ordering::Relaxed));
    values.flat_map(u64::to_le_bytes).collect()
}

/// An allocator that hands out one frame, after a look around.
struct One<F>(FrameId, F);

impl<F: FnMut()> FrameAlloc for One<F> {
    type Error = ();

    fn get(&mut self, _: Order) -> Option<FrameId> {
        (self.1)();
        Some(self.0)
    }

    fn put(&mut self, _: FrameId, _: Order) -> Result<(), ()> {
        Err(())
    }

    fn drain(&mut self) {}
}

fn event(what: What) -> Event {
    Event { cpu: 0, what }
}

/// Returns a store for each word that differs, from the first to the last.
fn stores(before: &[u8], after: &[u8], within: std::ops::Range<usize>) -> Vec<Event> {
    let words = |bytes: &[u8]| bytes[within.clone()].as_chunks::<8>().0.to_vec();
    let pairs = words(before).into_iter().zip(words(after)).enumerate();
    let changed = pairs.filter(|(_, (before, after))| before != after);
    let store = |(word, (_, value)): (usize, ([u8; 8], [u8; 8]))| {
        let offset = u32::try_from(within.start + 8 * word).expect("a short region");
        let value = u64::from_le_bytes(value);
        event(What::Store { offset, value })
    };
    changed.map(store).collect()
}

/// A life in which a frame is taken, as the kernel does it; in `dir` are its files.
fn life(dir: &Path) -> Life {
    let mut region = Region::new();
    region.open(Format::Allowed);
    let config = Config {
        frames: FRAMES,
        epoch: 7,
        seed: 1,
        cycles: 1,
    };
    Ledger::format(&region.annex, &config, Ordered)
        .expect("there is room")
        .begin();
    let before = region.bytes();

    let frame = region.open(Format::Never).expect("a frame");
    let taken = region.bytes();
    let tables = stores(&before, &taken, 0..ANNEX);
    let flush = |event: &Event| match event.what {
        What::Store { offset, .. } => Event {
            what: What::Flush { offset },
            ..*event
        },
        _ => *event,
    };
    let flushes: Vec<_> = tables.iter().map(flush).collect();

    // The account is entered by the same code as in the kernel.
    let mut begun = Vec::new();
    let stamps = FrameStamps::new(config.epoch, &region.content);
    let ledger = Ledger::open(&region.annex, Ordered).expect("a ledger");
    let mut one = One(frame, || begun = snapshot(&region.annex));
    let mut worker = ledger.worker(0, &stamps).expect("the first");
    worker
        .get(&mut one, Order::FRAME)
        .expect("nobody else has it");
    let begun = [&taken[..ANNEX], &begun, &taken[MANAGED..]].concat();
    let after = region.bytes();

    let mut events = stores(&taken, &begun, ANNEX..MANAGED);
    events.extend(tables);
    events.extend(flushes);
    events.push(event(What::Fence));
    events.extend(stores(&begun, &after, MANAGED..LEN));
    // The owner's word lies behind the line of its processor, and is written first.
    events.extend(stores(&begun, &after, ANNEX..MANAGED).into_iter().rev());
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, bytes).expect("writable");
        path
    };
    Life {
        before: write("before", &before),
        after: write("after", &after),
        events,
        log: Vec::new(),
        seed: 1,
    }
}

const LIMITS: Limits = Limits {
    points: 1000,
    images: 64,
    jobs: 2,
    cpus: 1,
    without: None,
};

/// Tries a life that was changed; returns what was tried and what does not hold.
fn tried(
    change: impl FnOnce(&mut Vec<Event>),
    limits: Limits,
) -> anyhow::Result<(Tally, Option<String>)> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut life = life(dir.path());
    change(&mut life.events);
    let (tally, violation) = explore(&life, limits, &ProgressBar::hidden())?;
    Ok((tally, violation.map(|violation| violation.what)))
}

fn is_fence(event: &Event) -> bool {
    event.what == What::Fence
}

#[test]
fn a_frame_that_is_written_back_and_waited_for_outlives_every_crash() {
    let (tally, violation) = tried(|_| {}, LIMITS).expect("a whole trace");
    assert_eq!(violation, None);
    assert!(
        tally.points >= 5 && tally.images > tally.points,
        "{tally:?}"
    );
    assert_eq!((tally.points, tally.sampled), (tally.moments, 0));
}

#[test]
fn a_missing_fence_is_missed() {
    // One at the beginning, where it is of no use.
    let moved = |events: &mut Vec<Event>| {
        events.retain(|event| !is_fence(event));
        events.insert(0, event(What::Fence));
    };
    let (_, violation) = tried(moved, LIMITS).expect("a whole trace");
    let what = violation.expect("the frame can be lost");
    assert!(what.contains("is free and belongs to"), "{what}");
}

#[test]
fn what_is_left_out_on_purpose_is_missed() {
    for without in [Without::Flushes, Without::Fences] {
        let limits = Limits {
            without: Some(without),
            ..LIMITS
        };
        let (_, violation) = tried(|_| {}, limits).expect("a whole trace");
        assert!(violation.is_some(), "{without:?}");
    }
}

#[test]
fn a_locked_instruction_waits_unless_it_is_the_ledgers() {
    let instead = |offset| {
        move |events: &mut Vec<Event>| {
            events.insert(0, event(What::Fence));
            let at = events
                .iter()
                .rposition(is_fence)
                .expect("the one at the end");
            events[at] = event(What::Locked { offset });
        }
    };
    let violation = |offset| tried(instead(offset), LIMITS).expect("a whole trace").1;
    assert_eq!(violation(None), None);
    assert_eq!(violation(Some(u32::try_from(PAGE).expect("short"))), None);
    assert!(violation(Some(u32::try_from(ANNEX).expect("short"))).is_some());
}

#[test]
fn a_trace_that_misses_something_is_not_believed() {
    let why = |change: fn(&mut Vec<Event>)| {
        let tried = tried(change, LIMITS);
        tried.expect_err("not to be believed").to_string()
    };
    let lost = why(|events| events.truncate(events.len() - 1));
    assert!(lost.contains("stores are missing"), "{lost}");
    let unpaired = why(|events| events.push(event(What::Unpaired)));
    assert!(unpaired.contains("no load"), "{unpaired}");
    let no_fence = why(|events| events.retain(|event| !is_fence(event)));
    assert!(no_fence.contains("0 fences"), "{no_fence}");
}
