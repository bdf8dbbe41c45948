//! Power failures in the middle of operations on giant frames, and of going offline,
//! where durability takes flushes.
//!
//! The medium is modelled line by line: each has the versions that it had since it
//! was last flushed and fenced, and any of them may be the one that a power failure
//! leaves; in torn images each word has one of its own. One processor is cut off
//! before each of its events in turn; another one may do something after that and
//! before the power fails. What recovery makes of each image is compared with what
//! was acknowledged.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use frame::{FrameId, Order};
use llfree::{HugeState, Local, Recovery, Zone};
use persist::{Event, LINE_BYTES, ModelledAdr, Observed, Volatile};

use crate::common::{Bytes, Random, Tables, order};

/// A giant frame of two trees of two huge frames, and a bit more.
const FRAMES: usize = 4 * 128 + 150;
const GIANT: u8 = 9;
/// Images of one power failure; where there are more, a choice.
const MAX_IMAGES: usize = 300;

type Line = [u8; LINE_BYTES];

/// Lower tables behind a cache.
struct Medium {
    bytes: *const u8,
    /// Of each line all that it may be: what is durable first.
    versions: RefCell<Vec<Vec<Line>>>,
    flushed: RefCell<Vec<usize>>,
    /// Events until the first processor is cut off.
    left: Cell<Option<usize>>,
}

struct CutOff;

impl Medium {
    fn new(lower: &Bytes) -> Self {
        let lines = lower.len() / LINE_BYTES;
        let medium = Self {
            bytes: lower.as_ptr(),
            versions: RefCell::new(vec![Vec::new(); lines]),
            flushed: RefCell::default(),
            left: Cell::new(None),
        };
        medium.everything_is_durable();
        medium
    }

    fn line(&self, index: usize) -> Line {
        let line = self.bytes.wrapping_add(index * LINE_BYTES).cast::<Line>();
        // SAFETY: one of the lines that `new` was given; they outlive the medium, and
        // only this thread writes to them.
        unsafe { line.read_volatile() }
    }

    fn everything_is_durable(&self) {
        for (index, versions) in self.versions.borrow_mut().iter_mut().enumerate() {
            *versions = vec![self.line(index)];
        }
    }

    fn note_versions(&self) {
        for (index, versions) in self.versions.borrow_mut().iter_mut().enumerate() {
            let now = self.line(index);
            if versions.last() != Some(&now) {
                versions.push(now);
            }
        }
    }

    fn happens(&self, event: Event) {
        self.note_versions();
        if let Some(left) = self.left.get() {
            if left == 0 {
                self.left.set(None);
                resume_unwind(Box::new(CutOff));
            }
            self.left.set(Some(left - 1));
        }
        match event {
            Event::Flush { start, len_bytes } => {
                let first = start.wrapping_sub(self.bytes.addr()) / LINE_BYTES;
                let last = (start + len_bytes - 1).wrapping_sub(self.bytes.addr()) / LINE_BYTES;
                self.flushed.borrow_mut().extend(first..=last);
            }
            Event::Fence => {
                for line in self.flushed.take() {
                    let versions = &mut self.versions.borrow_mut()[line];
                    versions.drain(..versions.len() - 1);
                }
            }
            Event::Access { .. } => {}
        }
    }

    /// Returns what a power failure may leave now.
    fn images(&self, seed: u64) -> Vec<Bytes> {
        self.note_versions();
        let versions = self.versions.borrow();
        let all: usize = versions.iter().map(Vec::len).product();
        let mut random = Random(seed);
        (0..all.min(MAX_IMAGES) + 8)
            .map(|number| {
                let torn = number >= all.min(MAX_IMAGES);
                let mut rest = if all > MAX_IMAGES {
                    random.below(all)
                } else {
                    number
                };
                let mut image = Bytes::filled(versions.len() * LINE_BYTES, 0);
                for (line, versions) in image.chunks_mut(LINE_BYTES).zip(versions.iter()) {
                    line.copy_from_slice(&versions[rest % versions.len()]);
                    rest /= versions.len();
                    for (at, word) in line.chunks_mut(8).enumerate().filter(|_| torn) {
                        let version = &versions[random.below(versions.len())];
                        word.copy_from_slice(&version[at * 8..][..8]);
                    }
                }
                image
            })
            .collect()
    }
}

/// What a processor is to do.
#[derive(Clone, Copy, Debug)]
enum Act {
    Get(u8),
    GetAt(usize, u8),
    Put(usize, u8),
    Offline(usize),
    Online(usize),
}

/// What each processor knows to have.
#[derive(Clone)]
struct Ledger {
    owned: [bool; FRAMES],
    /// Of each huge frame whether it is offline.
    offline: [bool; 6],
    in_flight: Option<Act>,
}

impl Ledger {
    fn set(&mut self, frame: usize, exponent: u8, owned: bool) {
        self.owned[frame..][..1 << exponent].fill(owned);
    }

    /// Lets a processor act; what it has acknowledged is noted.
    fn act(&mut self, zone: &Watched<'_>, local: &mut Platform<'_, '_>, act: Act) {
        self.in_flight = Some(act);
        match act {
            Act::Get(exponent) => {
                let frame = local.get(order(exponent)).unwrap();
                self.set(frame.0, exponent, true);
            }
            Act::GetAt(frame, exponent) => {
                local.get_at(FrameId(frame), order(exponent)).unwrap();
                self.set(frame, exponent, true);
            }
            Act::Put(frame, exponent) => {
                local.put(FrameId(frame), order(exponent)).unwrap();
                self.set(frame, exponent, false);
            }
            Act::Offline(huge) => {
                zone.offline_huge(huge).unwrap();
                self.offline[huge] = true;
            }
            Act::Online(huge) => {
                zone.online_huge(huge).unwrap();
                self.offline[huge] = false;
            }
        }
        self.in_flight = None;
    }

    /// Holds what recovery has found against what was acknowledged: all of that, and
    /// the operation in flight entirely or not at all.
    fn judge(&self, zone: &Zone<'_, Volatile, 2, 2>) -> Result<(), String> {
        zone.validate().map_err(|error| error.to_string())?;
        for (huge, &offline) in self.offline.iter().enumerate() {
            let in_flight =
                matches!(self.in_flight, Some(Act::Offline(at) | Act::Online(at)) if at == huge);
            if !in_flight && (zone.huge_state(huge) == Some(HugeState::Offline)) != offline {
                return Err(format!("huge frame {huge} should be offline: {offline}"));
            }
        }
        let found: Vec<_> = (0..FRAMES)
            .map(|frame| zone.is_allocated(FrameId(frame)))
            .collect();
        let differ: Vec<_> = (0..FRAMES)
            .filter(|&frame| found[frame] != self.owned[frame])
            .collect();
        let Some(&first) = differ.first() else {
            return Ok(());
        };
        let (start, exponent) = match self.in_flight {
            Some(Act::Get(exponent)) => (first, exponent),
            Some(Act::GetAt(frame, exponent) | Act::Put(frame, exponent)) => (frame, exponent),
            None | Some(Act::Offline(_) | Act::Online(_)) => {
                return Err(format!("no block was in flight, but {differ:?} differ"));
            }
        };
        let is_block = start % (1 << exponent) == 0
            && differ.iter().copied().eq(start..start + (1 << exponent));
        is_block
            .then_some(())
            .ok_or_else(|| format!("{:?}: {differ:?} differ", self.in_flight))
    }
}

type Watch<'a> = &'a dyn Fn(Event);
type Watched<'m> = Zone<'m, Observed<ModelledAdr, Watch<'m>>, 2, 2>;
type Platform<'z, 'm> = Local<'z, 'm, Observed<ModelledAdr, Watch<'m>>, 2, 2>;

/// Recovers from an image and judges the result; then the same after a crash in the
/// middle of recovery, before its event number `nested`.
fn recover(image: &Bytes, ledger: &Ledger, nested: Option<usize>) -> Result<Recovery, String> {
    let mut image = image.clone();
    let mut upper = Tables::new::<2, 2>(FRAMES, 2).upper;
    if let Some(events) = nested {
        let medium = Medium::new(&image);
        medium.left.set(Some(events));
        let sink = |event: Event| medium.happens(event);
        let platform = Observed::new(ModelledAdr, &sink as Watch<'_>);
        let memory = llfree::Memory {
            lower: &mut image,
            upper: &mut upper,
        };
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            Zone::<'_, _, 2, 2>::recover(FRAMES, 2, memory, platform).map(drop)
        }));
        drop(recovered);
        let images = medium.images(events as u64);
        let outcomes = images.iter().map(|image| recover(image, ledger, None));
        return outcomes.fold(Ok(Recovery::default()), Result::and);
    }
    let memory = llfree::Memory {
        lower: &mut image,
        upper: &mut upper,
    };
    let (zone, found) = Zone::recover(FRAMES, 2, memory, Volatile).map_err(|e| e.to_string())?;
    ledger.judge(&zone)?;
    Ok(found)
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    points: usize,
    images: usize,
    nested: usize,
    violations: usize,
    first: Option<String>,
}

impl Seen {
    fn note(&mut self, what: impl Fn() -> String, outcome: Result<Recovery, String>) {
        self.images += 1;
        if let Err(error) = outcome {
            self.violations += 1;
            self.first.get_or_insert(format!("{}: {error}", what()));
        }
    }
}

fn format(tables: &mut Tables) {
    Zone::<'_, _, 2, 2>::create(FRAMES, 2, tables.memory(), ModelledAdr).unwrap();
}

/// Lets the first processor do all of `acts`, of which the last is cut off before
/// its event number `at`; then the second one does `after`; then the power fails.
/// Returns whether there was such an event.
fn fail_at(acts: &[Act], after: &[Act], at: usize, seen: &mut Seen) -> bool {
    let mut tables = Tables::new::<2, 2>(FRAMES, 2);
    format(&mut tables);
    let medium = Medium::new(&tables.lower);
    let sink = |event: Event| medium.happens(event);
    let platform = Observed::new(ModelledAdr, &sink as Watch<'_>);
    let (zone, _) = Zone::<'_, _, 2, 2>::recover(FRAMES, 2, tables.memory(), platform).unwrap();
    medium.everything_is_durable();
    let mut ledger = Ledger {
        owned: [false; FRAMES],
        offline: [false; 6],
        in_flight: None,
    };
    let [mut one, mut two] = [0, 1].map(|cpu| ManuallyDrop::new(zone.local(cpu).unwrap()));
    let (last, before) = acts.split_last().expect("something to do");
    for &act in before {
        ledger.act(&zone, &mut one, act);
    }
    medium.left.set(Some(at));
    let outcome = catch_unwind(AssertUnwindSafe(|| ledger.act(&zone, &mut one, *last)));
    medium.left.set(None);
    let cut = match outcome {
        Ok(()) => false,
        Err(cause) if cause.is::<CutOff>() => true,
        Err(cause) => resume_unwind(cause),
    };
    let in_flight = ledger.in_flight;
    for &act in after {
        ledger.act(&zone, &mut two, act);
        ledger.in_flight = in_flight;
    }
    seen.points += 1;
    for (number, image) in medium.images(at as u64).iter().enumerate() {
        let what = || format!("{acts:?} cut off at {at}, then {after:?}, image {number}");
        seen.note(what, recover(image, &ledger, None));
        // A crash in recovery: at each of its events in turn, over the images.
        for nested in [number * 7 % 120, number * 13 % 240] {
            seen.nested += 1;
            seen.note(what, recover(image, &ledger, Some(nested)));
        }
    }
    cut
}

/// All that can be done with a giant frame, and out of service, cut off everywhere.
fn all_failures() -> Seen {
    use Act::{Get, GetAt, Offline, Online, Put};
    let mut seen = Seen::default();
    let histories: [(&[Act], &[Act]); 21] = [
        (&[Get(GIANT)], &[]),
        (&[Get(GIANT), Put(0, GIANT)], &[]),
        (&[Get(GIANT), Put(0, GIANT), Get(7)], &[]),
        (&[Get(GIANT), Put(0, GIANT), GetAt(128, 3)], &[]),
        (&[Get(GIANT), Put(0, GIANT), GetAt(0, 8), Get(0)], &[]),
        (&[Get(GIANT), Put(0, GIANT), Get(GIANT)], &[]),
        (&[Get(GIANT), Put(0, 0)], &[]),
        (&[Get(GIANT), Put(384, 7)], &[]),
        (&[Get(GIANT), Put(256, 8)], &[]),
        (&[Get(GIANT), Put(128, 7), Put(0, 7)], &[]),
        (&[Get(GIANT), Put(128, 7), GetAt(128, 4)], &[]),
        (&[Get(GIANT), Put(0, 8), Put(256, 8), Get(GIANT)], &[]),
        (
            &[Get(GIANT), Put(0, 8), Put(256, 8), Get(GIANT), Put(0, 7)],
            &[],
        ),
        // The second one returns a part while the first one is at it.
        (&[Get(GIANT), Put(0, 7)], &[Put(384, 7)]),
        (&[Get(GIANT), Put(0, 7)], &[Put(128, 7), GetAt(128, 5)]),
        (&[Get(GIANT), Put(0, 8)], &[Put(256, 3)]),
        // Out of service and back, and into use at once.
        (&[Offline(1)], &[GetAt(256, 7)]),
        (&[Offline(1), Online(1)], &[]),
        (&[Offline(1), Online(1), GetAt(128, 0)], &[]),
        (&[Get(GIANT), Put(0, 7), Offline(0), Online(0), Get(0)], &[]),
        (&[Offline(0), Online(0), Get(GIANT)], &[]),
    ];
    for (acts, after) in histories {
        for at in 0.. {
            if !fail_at(acts, after, at, &mut seen) {
                break;
            }
        }
    }
    seen
}

#[test]
fn a_power_failure_at_any_point_leaves_giant_frames_whole_or_not_there() {
    let seen = all_failures();
    println!(
        "{} crash points, {} images, {} crashes in recovery",
        seen.points, seen.images, seen.nested
    );
    assert!(seen.points > 250 && seen.nested > 5_000, "{seen:?}");
    assert_eq!(seen.violations, 0, "{:?}", seen.first);
}

/// Positive control: the judge notices what is missing, and what is too much.
#[test]
fn an_image_of_another_history_is_a_violation() {
    let mut tables = Tables::new::<2, 2>(FRAMES, 2);
    format(&mut tables);
    let mut ledger = Ledger {
        owned: [false; FRAMES],
        offline: [false; 6],
        in_flight: None,
    };
    assert!(recover(&tables.lower, &ledger, None).is_ok());
    ledger.offline[1] = true;
    assert!(recover(&tables.lower, &ledger, None).is_err());
    ledger.offline[1] = false;
    ledger.set(0, GIANT, true);
    assert!(recover(&tables.lower, &ledger, None).is_err());
    ledger.in_flight = Some(Act::Put(0, 8));
    assert!(
        recover(&tables.lower, &ledger, None).is_err(),
        "only half of it"
    );
    ledger.in_flight = Some(Act::Put(0, GIANT));
    assert!(recover(&tables.lower, &ledger, None).is_ok());
}

/// Whatever a giant frame's word and its members say, recovery ends, and frees
/// nothing that may be allocated.
#[test]
fn any_word_over_any_member_recovers_to_a_consistent_zone() {
    let mut tables = Tables::new::<2, 2>(FRAMES, 2);
    let fields = FRAMES.div_ceil(128) * 2 * 8;
    let word_at = tables.lower.len() - LINE_BYTES;
    let mut checked = 0;
    for word in [0, 1, 2, 3, 4, u64::MAX] {
        for entry in [
            0, 1, 128, 0x7fff, 0x8000, 0x8001, 0x8002, 0x8003, 0x8004, 0x8006, 0xffff_u16,
        ] {
            format(&mut tables);
            tables.lower[word_at..][..8].copy_from_slice(&word.to_le_bytes());
            for huge in 0..4 {
                let at = fields + huge * 2;
                tables.lower[at..at + 2].copy_from_slice(&entry.to_le_bytes());
            }
            let recovered = Zone::<'_, _, 2, 2>::recover(FRAMES, 2, tables.memory(), Volatile);
            let (zone, found) = recovered.unwrap();
            assert_eq!(zone.validate(), Ok(()), "{word:#x} {entry:#x}");
            let is_free = match entry {
                0..=128 | 0x8001 | 0x8003 => word != 2,
                0x8004 => word < 2,
                _ => false,
            };
            assert_eq!(
                zone.is_free(FrameId(0), order(GIANT)),
                is_free,
                "{word:#x} {entry:#x}"
            );
            assert_eq!(
                found.unreadable > 0,
                word > 3 || word != 2 && [0x7fff, 0x8006, 0xffff].contains(&entry)
            );
            let mut local = zone.local(0).unwrap();
            for (frame, order) in zone.allocated().collect::<Vec<(FrameId, Order)>>() {
                local.put(frame, order).unwrap();
            }
            assert!(local.get(order(GIANT)).is_ok(), "{word:#x} {entry:#x}");
            checked += 1;
        }
    }
    println!("words over members: {checked}");
}
