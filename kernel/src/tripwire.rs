//! Breaks the machine at the n-th persist event of a phase.
//!
//! A recovery lasts a millisecond, and a timer never hits the store that matters.
//! So zones can be opened on a platform that reports every flush, fence and store
//! to shared memory here, where they are counted. The event that the wire is tied
//! to does not happen any more: the machine is reset before it.
//!
//! All processors count together. Zones that nobody wants to break this way are
//! opened on the platform itself and have no trace of this.

use core::sync::atomic::{AtomicU64, Ordering};

use options::{Crash, Phase};
use persist::{Access, Event};
use record::{Record, Stage, StageName};
use spin::Mutex;

use crate::{
    arch::{timer::Handler, tsc},
    log::{self, info},
};

/// Events until the wire snaps; 0 while it is not tied to the phase that is on.
static LEFT: AtomicU64 = AtomicU64::new(0);
/// What the wire does.
static SNAP: Mutex<Option<Handler>> = Mutex::new(None);

/// Announces a stage, and ties the wire in it if `crash` says so.
pub(crate) fn enter(stage: StageName, crash: Crash, snap: Handler) {
    let event = match crash {
        Crash::Event { phase, first, last } if stage_of(phase) == stage => draw(first, last),
        _ => 0,
    };
    tell_unspent();
    log::record(&Record::Stage(Stage { stage, event }));
    *SNAP.lock() = Some(snap);
    // Release: whoever counts down to nothing sees what to do then.
    LEFT.store(event, Ordering::Release);
}

/// Announces a stage that is no phase of its own: counting goes on as before.
pub(crate) fn announce(stage: StageName) {
    log::record(&Record::Stage(Stage { stage, event: 0 }));
}

/// Counts an event; does not return from the one that the wire is tied to.
pub(crate) fn count(event: Event) {
    // A crash before a load is a crash before the store that follows it.
    let is_load = matches!(
        event,
        Event::Access {
            access: Access::Load,
            ..
        }
    );
    // Relaxed: most of the time there is nothing to count.
    if is_load || LEFT.load(Ordering::Relaxed) == 0 {
        return;
    }
    // Acquire pairs with the Release in `enter`. Several processors may count at
    // once; only one of them takes the last.
    let left = LEFT.fetch_update(Ordering::Acquire, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    if left == Ok(1)
        && let Some(snap) = SNAP.try_lock().and_then(|mut snap| snap.take())
    {
        snap();
    }
}

/// Says how far the last phase was from the event that was drawn.
fn tell_unspent() {
    let left = LEFT.swap(0, Ordering::Relaxed);
    if left > 0 {
        info!("tripwire", "the phase had too few events by {left}");
    }
}

fn stage_of(phase: Phase) -> StageName {
    match phase {
        Phase::Format => StageName::Format,
        Phase::Recovery => StageName::Recovery,
        Phase::Run => StageName::Work,
        Phase::Shutdown => StageName::Shutdown,
    }
}

/// Draws a number from `first` to `last`. No seed: a series draws at every boot,
/// and what was drawn is in the record.
fn draw(first: u64, last: u64) -> u64 {
    // Any mixing will do; the counter's low bits depend on all that went before.
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = tsc::ticks().wrapping_mul(MULTIPLIER);
    let span = u128::from(last - first) + 1;
    let offset = (u128::from(mixed) * span) >> 64;
    first + u64::try_from(offset).unwrap_or(0)
}
