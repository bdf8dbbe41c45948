//! What each mode promises, over power failures that lose what was not flushed.
//!
//! Two handles work in turn, the power fails before a random event, and recovery
//! runs on several of the images that may be left. Then each promise is held against
//! what the callers know: D1, what was taken stays taken; D2, what was returned and
//! synced is free; D3, all other allocated frames are in flight, not synced, or
//! listed. What was reserved and not published is free.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use frame::{FrameId, Order};
use llfree::{Local, Zone};
use persist::{Batched, Event, LazyFree, Mode, ModelledAdr, Observed, Persist, Volatile};

use crate::common::{Bytes, Random, Tables};
use crate::medium::{Medium, Tearing};

pub(crate) const WORDS: usize = 2;
pub(crate) const TREE: usize = 4;
pub(crate) const CPUS: usize = 2;
/// Enough for eight slots: four lines of names for each of two processors.
pub(crate) const FRAMES: usize = 512 * WORDS * 64 - 17;
const MAX_ORDER: u8 = 8;

/// What a thread panics with when the power fails.
struct PowerFailure;

/// What the callers know.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) held: Vec<(FrameId, Order)>,
    /// Frames returned through each handle since its last sync.
    unsynced: [BTreeSet<usize>; CPUS],
    /// Frames of the operation in flight: a return, or a number of them.
    pub(crate) returning: Option<(FrameId, Order)>,
    taking: usize,
    /// Whether there is a reservation.
    reserving: bool,
}

impl Ledger {
    fn take(&mut self, frame: FrameId, order: Order) {
        for frame in frames_of(frame, order) {
            for unsynced in &mut self.unsynced {
                unsynced.remove(&frame);
            }
        }
        self.held.push((frame, order));
    }
}

pub(crate) fn frames_of(frame: FrameId, order: Order) -> std::ops::Range<usize> {
    frame.0..frame.0 + order.frames()
}

/// One random operation on one of the handles.
fn step<P: Persist>(
    locals: &mut [ManuallyDrop<Local<'_, '_, P, WORDS, TREE>>],
    ledger: &RefCell<Ledger>,
    random: &mut Random,
) {
    let cpu = random.below(CPUS);
    let local = &mut locals[cpu];
    match random.below(64) {
        0 => {
            local.sync();
            ledger.borrow_mut().unsynced[cpu].clear();
        }
        1 => {
            local.drain();
            ledger.borrow_mut().unsynced[cpu].clear();
        }
        2 | 3 => reserve(local, ledger, random),
        4..34 => {
            let order = random.order(MAX_ORDER);
            ledger.borrow_mut().taking = order.frames();
            let taken = local.get(order);
            let mut ledger = ledger.borrow_mut();
            ledger.taking = 0;
            if let Ok(frame) = taken {
                ledger.take(frame, order);
            }
        }
        _ => {
            let Some((frame, mut order)) = random.pick(&mut ledger.borrow_mut().held) else {
                return;
            };
            if order.exponent() > 0 && random.below(3) == 0 {
                order = crate::common::order(order.exponent() - 1);
                let upper = FrameId(frame.0 + order.frames());
                ledger.borrow_mut().held.push((upper, order));
            }
            ledger.borrow_mut().returning = Some((frame, order));
            local.put(frame, order).unwrap();
            let mut ledger = ledger.borrow_mut();
            ledger.returning = None;
            if P::MODE != Mode::Strict {
                ledger.unsynced[cpu].extend(frames_of(frame, order));
            }
        }
    }
}

/// Reserves some blocks, and publishes them or not.
fn reserve<P: Persist>(
    local: &mut Local<'_, '_, P, WORDS, TREE>,
    ledger: &RefCell<Ledger>,
    random: &mut Random,
) {
    let order = random.order(6);
    // In eight rows there is room for eight blocks in any case.
    let mut blocks = [FrameId(0); 8];
    let wanted = 1 + random.below(blocks.len());
    ledger.borrow_mut().reserving = true;
    let reserved = local.reserve(order, &mut blocks[..wanted]);
    if let Ok(reservation) = reserved {
        assert!((reservation.blocks().iter()).all(|block| block.is_aligned(order)));
        ledger.borrow_mut().taking = wanted * order.frames();
        if random.below(4) == 0 {
            drop(reservation);
        } else {
            for &mut block in reservation.publish() {
                ledger.borrow_mut().take(block, order);
            }
        }
        ledger.borrow_mut().taking = 0;
    }
    ledger.borrow_mut().reserving = false;
}

/// A life of a zone: works on `lower`, recovered or new, until the power fails.
/// Returns the medium, which takes note of some events, and what the callers know.
pub(crate) fn live<P: Persist + Default>(
    lower: Option<Bytes>,
    ledger: Ledger,
    random: &mut Random,
    events: usize,
    is_noted: fn(Event) -> bool,
) -> (Tables, Medium, Ledger) {
    let mut tables = Tables::new::<WORDS, TREE>(FRAMES, CPUS);
    match lower {
        Some(lower) => tables.lower = lower,
        None => {
            Zone::<'_, _, WORDS, TREE>::create(FRAMES, CPUS, tables.memory(), Volatile).unwrap();
        }
    }
    let medium = Medium::new(&tables.lower);
    let left = Cell::new(events);
    let ledger = RefCell::new(Ledger {
        held: ledger.held,
        ..Ledger::default()
    });
    let sink = |event: Event| {
        if thread::panicking() {
            return;
        }
        if left.get() == 0 {
            // Unwinding returns what was reserved, which power failures don't.
            medium.stop();
            resume_unwind(Box::new(PowerFailure));
        }
        left.set(left.get() - 1);
        if is_noted(event) {
            medium.note(event);
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let observed = Observed::new(P::default(), sink);
        let recovered = Zone::recover(FRAMES, CPUS, tables.memory(), observed);
        let (zone, _) = recovered.unwrap();
        let mut locals: Vec<_> = (0..CPUS)
            .map(|cpu| ManuallyDrop::new(zone.local(cpu).unwrap()))
            .collect();
        loop {
            step(&mut locals, &ledger, random);
        }
    }));
    let Err(cause) = outcome;
    if !cause.is::<PowerFailure>() {
        resume_unwind(cause);
    }
    (tables, medium, ledger.into_inner())
}

/// What was judged.
#[derive(Default)]
pub(crate) struct Tally {
    images: usize,
    leaked: usize,
    uncertain: usize,
}

/// Recovers an image and holds the promises against it.
pub(crate) fn judge(
    image: Bytes,
    ledger: &Ledger,
    mode: Mode,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut tables = Tables::new::<WORDS, TREE>(FRAMES, CPUS);
    tables.lower = image;
    let recovered = Zone::<'_, _, WORDS, TREE>::recover(FRAMES, CPUS, tables.memory(), Volatile);
    let (zone, found) = recovered.unwrap();
    let mut owned = BTreeSet::new();
    for &(frame, order) in &ledger.held {
        for frame in frames_of(frame, order) {
            if !zone.is_allocated(FrameId(frame)) {
                return Err(format!("D1: {frame:#x} of {order:?} was lost"));
            }
            if !owned.insert(frame) {
                return Err(format!("D1: {frame:#x} was handed out twice"));
            }
        }
    }
    zone.validate().map_err(|error| format!("{error:?}"))?;
    let uncertain: BTreeSet<_> = zone.uncertain().map(|frame| frame.0).collect();
    let returning = ledger
        .returning
        .map(|(frame, order)| frames_of(frame, order));
    let is_late = |frame| {
        returning
            .as_ref()
            .is_some_and(|returning| returning.contains(&frame))
            || ledger
                .unsynced
                .iter()
                .any(|unsynced| unsynced.contains(&frame))
    };
    let all = (0..FRAMES).filter(|&frame| zone.is_allocated(FrameId(frame)));
    let unknown = all.filter(|frame| !owned.contains(frame) && !uncertain.contains(frame));
    let (late, leaked): (Vec<_>, Vec<_>) = unknown.partition(|&frame| is_late(frame));
    if leaked.len() > ledger.taking {
        let taking = ledger.taking;
        return Err(format!("D2, D3: {leaked:x?} leaked, {taking} in flight"));
    }
    let held = if mode == Mode::Batched {
        2 * 64 * CPUS
    } else {
        0
    };
    let most = held + if ledger.reserving { 64 } else { 0 };
    if uncertain.len() > most || found.unlisted > 0 || found.unreadable > 0 {
        return Err(format!("D3: {} uncertain, {found:?}", uncertain.len()));
    }
    tally.images += 1;
    tally.leaked += late.len() + leaked.len();
    tally.uncertain += uncertain.len();
    Ok(())
}

/// Crashes in one mode; returns the first broken promise.
fn crash<P: Persist + Default>(
    rounds: usize,
    is_noted: fn(Event) -> bool,
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for round in 0..rounds {
        let mut random = Random(round as u64);
        let events = 300 + random.below(6000);
        let new = Ledger::default();
        let (tables, medium, ledger) = live::<P>(None, new, &mut random, events, is_noted);
        for image in 0..6 {
            let tearing = [Tearing::Lines, Tearing::Words][image % 2];
            let image = medium.image(tearing, &mut random);
            let outcome = judge(image, &ledger, P::MODE, &mut tally);
            outcome.map_err(|why| format!("round {round}, {tearing:?}: {why}"))?;
        }
        drop(tables);
    }
    Ok(tally)
}

fn assert_mode_keeps_its_promises<P: Persist + Default>() -> Tally {
    let rounds = 300;
    let tally =
        crash::<P>(rounds, |_| true).unwrap_or_else(|why| panic!("{}: {why}", P::MODE.name()));
    println!(
        "{}: {} images, {} frames leaked, {} uncertain",
        P::MODE.name(),
        tally.images,
        tally.leaked,
        tally.uncertain
    );
    assert_eq!(tally.images, rounds * 6);
    tally
}

#[test]
fn a_strict_zone_loses_nothing_and_asks_about_reservations_only() {
    let tally = assert_mode_keeps_its_promises::<ModelledAdr>();
    assert!(
        tally.uncertain < 64 * tally.images / 20,
        "only while rows are reserved"
    );
}

#[test]
fn a_lazy_zone_forgets_only_frees_that_were_not_synced() {
    let tally = assert_mode_keeps_its_promises::<LazyFree<ModelledAdr>>();
    assert!(tally.leaked > 1000, "the crashes hit lazy frees");
}

#[test]
fn a_batched_zone_lists_what_processors_held() {
    let tally = assert_mode_keeps_its_promises::<Batched<ModelledAdr>>();
    assert!(tally.uncertain > 1000, "the crashes hit held rows");
}

/// Positive controls: a zone whose flushes or fences do nothing breaks its promises.
#[test]
fn a_missing_flush_or_fence_breaks_the_promises_of_every_mode() {
    fn check<P: Persist + Default>() {
        let without_flush = crash::<P>(300, |event| !matches!(event, Event::Flush { .. }));
        let without_fence = crash::<P>(300, |event| event != Event::Fence);
        for broken in [without_flush, without_fence] {
            println!(
                "{}: {}",
                P::MODE.name(),
                broken.err().expect("a broken promise")
            );
        }
    }
    check::<ModelledAdr>();
    check::<LazyFree<ModelledAdr>>();
    check::<Batched<ModelledAdr>>();
}
