//! Power failures while a region is being formatted.
//!
//! The medium is modelled line by line: what was flushed and fenced is durable,
//! and of the rest either nothing, all, or a random half reaches it. What this
//! can't show: lines that tear, and values that were overwritten before the cut.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use llfree::Memory;
use llfree::media::{self, Format, Opened, State};
use persist::{Eadr, Event, LINE_BYTES, ModelledAdr, Observed};

use crate::common::{Bytes, Random};
use crate::region::{CPUS, FRAMES, Region, Small, geometry};

/// A medium behind a cache: what is durable for sure, and what may be.
struct Medium {
    base: usize,
    durable: RefCell<Vec<u8>>,
    flushed: RefCell<Vec<usize>>,
    events: Cell<usize>,
    power_fails_at: usize,
}

struct PowerFailure;

/// Which lines that were written but not fenced reach the medium.
#[derive(Clone, Copy, Debug)]
enum Reaches {
    None,
    All,
    Some(u64),
}

/// Formats a region that held `before`, and cuts the power before the event
/// number `at`. Returns what the medium then holds, and whether it was cut.
fn format_until(
    before: &Region,
    at: usize,
    reaches: Reaches,
    skip: fn(&Region, Event) -> bool,
) -> (Region, bool) {
    let mut region = before.clone();
    let medium = Medium {
        base: region.bytes.as_ptr().addr(),
        durable: RefCell::new(before.bytes.to_vec()),
        flushed: RefCell::default(),
        events: Cell::new(0),
        power_fails_at: at,
    };
    let shape = region.clone();
    let memory = region.bytes.as_ptr();
    let sink = |event: Event| {
        if matches!(event, Event::Access { .. }) || skip(&shape, event) {
            return;
        }
        if medium.events.get() == medium.power_fails_at {
            resume_unwind(Box::new(PowerFailure));
        }
        medium.events.set(medium.events.get() + 1);
        match event {
            Event::Flush { start, len_bytes } => {
                let lines = (start & !(LINE_BYTES - 1)..start + len_bytes).step_by(LINE_BYTES);
                medium.flushed.borrow_mut().extend(lines);
            }
            Event::Fence => {
                let len = medium.durable.borrow().len();
                for line in medium.flushed.take() {
                    let at = line.wrapping_sub(medium.base);
                    assert!(at + LINE_BYTES <= len, "only the region is flushed");
                    let line = memory.wrapping_add(at);
                    // SAFETY: inside the region's bytes, which live until the end
                    // of the function; no other thread writes to them.
                    let now = unsafe { std::slice::from_raw_parts(line, LINE_BYTES) };
                    medium.durable.borrow_mut()[at..at + LINE_BYTES].copy_from_slice(now);
                }
            }
            Event::Access { .. } => {}
        }
    };
    let observed = Observed::new(ModelledAdr, sink);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut upper = Bytes::filled(4096, 0);
        let (superblock, lower, replica) = region.parts();
        let memory = Memory {
            lower,
            upper: &mut upper,
        };
        let opened: Result<(Small<'_, _>, _), _> = media::open(
            superblock,
            replica,
            memory,
            &geometry(),
            Format::Allowed,
            CPUS,
            &observed,
        );
        assert_eq!(opened.unwrap().1, Opened::Created);
    }));
    let cut = match result {
        Ok(()) => false,
        Err(cause) if cause.is::<PowerFailure>() => true,
        Err(cause) => resume_unwind(cause),
    };
    let mut image = region.clone();
    let mut random = Random(at as u64);
    for (index, line) in medium.durable.borrow().chunks(LINE_BYTES).enumerate() {
        let lost = match reaches {
            Reaches::None => true,
            Reaches::All => false,
            Reaches::Some(seed) => (random.next() ^ seed) & 1 == 0,
        };
        if lost {
            image.bytes[index * LINE_BYTES..][..LINE_BYTES].copy_from_slice(line);
        }
    }
    (image, cut)
}

/// A region is as before, or unfinished, or ready with all frames free.
fn judge_format(image: &Region, before: &Region) -> Result<State, String> {
    let state = image.inspect();
    match state {
        State::Formatting => {}
        State::Ready(_) => {
            let opened = image.clone().open(&geometry(), Format::Never, Eadr);
            match opened {
                Ok(Opened::Recovered(found)) if found.free == FRAMES && found.mended == 0 => {}
                other => return Err(format!("ready, but {other:?}")),
            }
        }
        state if state == before.inspect() => {}
        state => return Err(format!("{state:?}")),
    }
    let again = image.clone().open(&geometry(), Format::Allowed, Eadr);
    again
        .map(|_| state)
        .map_err(|error| format!("can't be formatted again: {error}"))
}

/// Returns the violations over all crash points, and the number of images.
fn format_crashes(before: &Region, skip: fn(&Region, Event) -> bool) -> (usize, usize) {
    let (mut violations, mut images) = (0, 0);
    for reaches in [Reaches::None, Reaches::All]
        .into_iter()
        .chain((1..40).map(Reaches::Some))
    {
        for at in 0.. {
            let (image, cut) = format_until(before, at, reaches, skip);
            images += 1;
            match judge_format(&image, before) {
                // What was acknowledged has to be there.
                Ok(State::Ready(_)) => {}
                Ok(_) if cut => {}
                _ => violations += 1,
            }
            if !cut {
                break;
            }
        }
    }
    (violations, images)
}

#[test]
fn a_crash_between_any_two_steps_of_formatting_is_recognised() {
    let mut unfinished = Region::blank();
    let (superblock, _, replica) = unfinished.parts();
    media::format_begin(superblock, replica, &geometry(), &Eadr).unwrap();
    assert_eq!(unfinished.inspect(), State::Formatting);
    for (name, before) in [
        ("blank", Region::blank()),
        ("foreign", Region::filled(0xa5)),
        ("unfinished", unfinished),
    ] {
        let (violations, images) = format_crashes(&before, |_, _| false);
        println!("formatting a {name} region: {images} images");
        assert!(images > 500);
        assert_eq!(violations, 0, "{name}");
    }
}

/// Positive controls: formats that forget something are caught.
#[test]
fn formatting_without_flushing_the_tables_is_caught() {
    let skips_tables = |region: &Region, event: Event| {
        let base = region.lower_len;
        // The tables are the only thing flushed that is longer than a header.
        matches!(event, Event::Flush { len_bytes, .. } if len_bytes == base - 64 || len_bytes == 96)
    };
    let (violations, images) = format_crashes(&Region::filled(0xa5), skips_tables);
    println!("{violations} violations in {images} images");
    assert!(violations > 0);
}

#[test]
fn formatting_without_fences_is_caught() {
    let skips_fences = |_: &Region, event: Event| event == Event::Fence;
    let (violations, images) = format_crashes(&Region::filled(0xa5), skips_fences);
    println!("{violations} violations in {images} images");
    assert!(violations > 0);
}
