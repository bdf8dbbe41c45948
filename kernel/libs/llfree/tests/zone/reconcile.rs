//! Freeing what nobody owns, so that what crashes leave does not add up.

use std::collections::BTreeSet;

use frame::{FrameId, Order};
use llfree::{Reconciled, Zone};
use persist::{Batched, LazyFree, ModelledAdr, Persist, Volatile};

use crate::common::{Random, Tables, order};
use crate::medium::Tearing;
use crate::modes::{CPUS, FRAMES, Ledger, TREE, Tally, WORDS, frames_of, judge, live};

/// Crashes one image again and again, reconciling after each crash. Returns how many
/// frames were freed that nobody owned, and how many were settled.
fn chain<P: Persist + Default>(crashes: usize) -> (usize, usize) {
    let (mut lower, mut ledger) = (None, Ledger::default());
    let (mut freed, mut settled) = (0, 0);
    let mut random = Random(4);
    for crash in 0..crashes {
        // Some of them hit recovery, which takes a few events.
        let events = random.below([300, 3000][crash % 2]);
        let (tables, medium, after) = live::<P>(lower, ledger, &mut random, events, |_| true);
        ledger = after;
        let tearing = [Tearing::Lines, Tearing::Words][crash % 2];
        let image = medium.image(tearing, &mut random);
        drop(tables);
        let judged = judge(image.clone(), &ledger, P::MODE, &mut Tally::default());
        judged.unwrap_or_else(|why| panic!("{} crash {crash}: {why}", P::MODE.name()));

        let mut tables = Tables::new::<WORDS, TREE>(FRAMES, CPUS);
        tables.lower = image;
        let recovered =
            Zone::<'_, _, WORDS, TREE>::recover(FRAMES, CPUS, tables.memory(), Volatile);
        let (mut zone, _) = recovered.unwrap();
        let blocks = ledger.held.iter();
        let owned: BTreeSet<_> = blocks
            .flat_map(|&(frame, order)| frames_of(frame, order))
            .collect();
        let done = zone.reconcile(|frame| owned.contains(&frame.0));
        assert_eq!(done.kept, owned.len());
        assert_eq!(zone.stats().free, FRAMES - owned.len(), "crash {crash}");
        assert_eq!(zone.uncertain().count(), 0);
        assert_eq!(zone.validate(), Ok(()));
        freed += done.freed;
        settled += done.settled;
        lower = Some(tables.lower);
    }
    (freed, settled)
}

#[test]
fn leaks_of_a_thousand_crashes_do_not_add_up() {
    for (name, (freed, settled)) in [
        ("strict", chain::<ModelledAdr>(1000)),
        ("lazy", chain::<LazyFree<ModelledAdr>>(1000)),
        ("batched", chain::<Batched<ModelledAdr>>(1000)),
    ] {
        println!("{name}: 1000 crashes, {freed} frames freed, {settled} settled");
        assert!(freed > 100, "the crashes leak something");
    }
}

/// Allocates a bit of everything, keeps some of it, and reconciles.
fn reconciled<P: Persist>(platform: P) -> (Reconciled, usize) {
    let frames = 8 * 512 + 100;
    let mut tables = Tables::new::<8, 2>(frames, 1);
    let mut zone: Zone<'_, _, 8, 2> = Zone::create(frames, 1, tables.memory(), platform).unwrap();
    let mut local = zone.local(0).unwrap();
    let kept = local.get(Order::FRAME).unwrap();
    local.get_many(order(3), &mut [FrameId(0); 20]).unwrap();
    let whole = local.get(Order::HUGE).unwrap();
    local.get(Order::HUGE).unwrap();
    let split = local.get(order(10)).unwrap();
    drop(local);
    let owned = |frame: FrameId| {
        frame == kept || frames_of(whole, Order::HUGE).contains(&frame.0) || frame.0 == split.0 + 70
    };
    let mut asked = Vec::new();
    let done = zone.reconcile(|frame| {
        asked.push(frame.0);
        owned(frame)
    });
    assert!(
        asked.is_sorted() && asked.len() == 1 + 160 + 4 * 512,
        "each once"
    );
    assert_eq!(zone.validate(), Ok(()));
    for frame in (0..frames).map(FrameId) {
        assert_eq!(zone.is_allocated(frame), owned(frame), "{frame:?}");
    }
    let again = zone.reconcile(owned);
    assert_eq!((again.kept, again.freed), (done.kept, 0));
    (done, frames - zone.stats().free)
}

#[test]
fn what_nobody_owns_is_freed_and_the_rest_is_kept() {
    fn check<P: Persist>(platform: P) {
        let (done, allocated) = reconciled(platform);
        let facts = (done.kept, done.freed, done.settled);
        assert_eq!(facts, (1 + 512 + 1, 160 + 512 + 1023, 0));
        assert_eq!(allocated, done.kept);
    }
    check(Volatile);
    check(ModelledAdr);
    check(LazyFree(ModelledAdr));
}
