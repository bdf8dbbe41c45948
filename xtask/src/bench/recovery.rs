//! *recovery*: how long a zone takes to open after a crash.
//!
//! Recovery reads every bitfield and every entry once, so its time is given for a
//! gibibyte of managed memory. The metadata are *warm*: in the caches as far as
//! they fit, mapped in any case, and so are stack and code. A tebibyte has 33 MiB of them. What the bits are
//! does not matter to it, only that they are there: half of the zone is allocated
//! in blocks that need them. Several processors recover a part each.

use std::{
    hint,
    sync::{Mutex, OnceLock},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use frame::{FrameId, Order};
use llfree::Recovering;
use persist::Volatile;
use workload::Machine as _;

use super::{
    case::Case,
    field::{Contestant, Reading},
    processor::on_each,
    rival::LlfreeMemory,
};

/// A zone that was left as a crash would leave it.
pub(super) struct Crashed {
    case: Case,
    memory: LlfreeMemory,
    free: usize,
}

type Zone<'m> = llfree::Zone<'m, Volatile>;

impl Crashed {
    /// Creates a zone and allocates half of it.
    pub(super) fn new(case: &Case) -> Result<Self> {
        let frames = case.frames();
        let mut memory = LlfreeMemory::new(frames, case.threads);
        let zone = Zone::create(frames, case.threads, memory.tables(), Volatile)
            .context("cannot create the zone")?;
        let order = Order::new(8).expect("an order");
        let mut handle = zone.local(0).context("cannot get a handle")?;
        let wanted = frames / 2 / order.frames();
        let got: Vec<FrameId> = (0..wanted).map_while(|_| handle.get(order).ok()).collect();
        ensure!(got.len() == wanted, "only {} of {wanted} blocks", got.len());
        drop(handle);
        let free = zone.stats().free;
        Ok(Self {
            case: case.clone(),
            memory,
            free,
        })
    }
}

impl Contestant for Crashed {
    fn repetition(&mut self, _: u64) -> Result<Vec<Reading>> {
        let Self { case, memory, free } = self;
        let (frames, cpus) = (case.frames(), case.threads);
        let tables = Mutex::new(Some(memory.tables()));
        let begun = OnceLock::new();
        let times = on_each(cpus, |processor| {
            let rehearsed = rehearse();
            processor.barrier();
            let start = Instant::now();
            let lent = tables.lock().ok().and_then(|mut tables| tables.take());
            if let Some(tables) = lent {
                let recovering = Recovering::<'_, _>::begin(frames, cpus, tables, Volatile);
                begun.get_or_init(|| recovering);
            }
            let part = wait_for(&begun)
                .as_ref()
                .map(|recovering| recovering.part(processor.cpu(), cpus));
            (start, (part.is_ok() && rehearsed).then(Instant::now))
        })?;
        let recovering = begun
            .into_inner()
            .context("nobody has begun")?
            .context("cannot recover the zone")?;
        let finishing = Instant::now();
        let (zone, _) = recovering.finish().context("a part was forgotten")?;
        let finished = finishing.elapsed();
        let found = zone.stats().free;
        ensure!(found == *free, "{free} frames were free, {found} are found");
        let starts = times.iter().map(|&(start, _)| start);
        let ends = times.iter().filter_map(|&(_, end)| end);
        let parts = ends.max().zip(starts.min()).map(|(end, start)| end - start);
        let nanos = u64::try_from((parts.context("no processor")? + finished).as_nanos())?;
        let ops = case.gib as u64;
        Ok(vec![Reading {
            op: "gib",
            ops,
            nanos,
            intervals: 1,
        }])
    }
}

/// Recovers another zone: a new thread has no stack yet, and its processor not the
/// code. Returns whether that has worked.
fn rehearse() -> bool {
    // So large that the processor is asked for its instructions.
    const FRAMES: usize = 1 << 19;
    let mut memory = LlfreeMemory::new(FRAMES, 1);
    Recovering::<'_, _>::begin(FRAMES, 1, memory.tables(), Volatile).is_ok_and(|recovering| {
        recovering.part(0, 1);
        recovering.finish().is_ok()
    })
}

/// Waits without sleeping: waking up takes as long as many gibibytes.
fn wait_for<T>(cell: &OnceLock<T>) -> &T {
    loop {
        match cell.get() {
            Some(value) => return value,
            None => hint::spin_loop(),
        }
    }
}
