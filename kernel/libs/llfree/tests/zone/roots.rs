//! The owner's root words: crashes at every store, damage to every byte.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use llfree::Memory;
use llfree::media::{self, Format, ROOTS, RootError, SUPERBLOCK_BYTES};
use persist::{Eadr, Event, ModelledAdr, Observed};

use crate::common::Bytes;
use crate::region::{CPUS, Region, Small, geometry};

const BEFORE: u64 = 0x1111_2222_3333_4444;
const AFTER: u64 = 0x5555_2222_7777_4444;

fn read(region: &Region, root: usize) -> Option<u64> {
    let replica = &region.bytes[SUPERBLOCK_BYTES + region.lower_len..];
    media::root(&region.bytes[..SUPERBLOCK_BYTES], replica, root)
}

fn set(region: &mut Region, root: usize, value: u64) -> Result<(), RootError> {
    let (_, _, outcome) = set_until(region, root, value, usize::MAX, |_| false);
    outcome.expect("nothing stops it")
}

struct Stopped;

/// Sets a root word and stops before event number `at`. Returns the number of
/// events, the last fence among them, and the outcome unless it was stopped.
fn set_until(
    region: &mut Region,
    root: usize,
    value: u64,
    at: usize,
    skip: fn(Event) -> bool,
) -> (usize, Option<usize>, Option<Result<(), RootError>>) {
    let (events, fence, armed) = (Cell::new(0), Cell::new(None), Cell::new(false));
    let sink = |event: Event| {
        if !armed.get() || skip(event) {
            return;
        }
        if events.get() == at {
            resume_unwind(Box::new(Stopped));
        }
        if event == Event::Fence {
            fence.set(Some(events.get()));
        }
        events.set(events.get() + 1);
    };
    let observed = Observed::new(ModelledAdr, sink);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut upper = Bytes::filled(4096, 0);
        let (superblock, lower, replica) = region.parts();
        let memory = Memory {
            lower,
            upper: &mut upper,
        };
        let (zone, _): (Small<'_, _>, _) = media::open(
            superblock,
            replica,
            memory,
            &geometry(),
            Format::Never,
            CPUS,
            &observed,
        )
        .unwrap();
        armed.set(true);
        media::set_root(&zone, superblock, replica, root, value)
    }));
    let outcome = match result {
        Ok(outcome) => Some(outcome),
        Err(cause) if cause.is::<Stopped>() => None,
        Err(cause) => resume_unwind(cause),
    };
    (events.get(), fence.get(), outcome)
}

/// Every image that a crash while a root is set can leave: what was fenced, and
/// any of the words written since.
fn crash_images(skip: fn(Event) -> bool) -> Vec<(Region, bool)> {
    let mut region = Region::ready();
    set(&mut region, 1, BEFORE).unwrap();
    // Opening changes the mount lines, once and for all of the images.
    let stopped_at = |at| {
        let mut stopped = region.clone();
        let (_, fence, outcome) = set_until(&mut stopped, 1, AFTER, at, skip);
        (stopped, fence, outcome.is_some())
    };
    let mut images = Vec::new();
    for at in 0.. {
        let (visible, fence, done) = stopped_at(at);
        let durable = stopped_at(fence.unwrap_or(0)).0;
        let words = |region: &Region| region.bytes.as_chunks::<8>().0.to_vec();
        let (visible, durable_words) = (words(&visible), words(&durable));
        let pending: Vec<usize> = (0..visible.len())
            .filter(|&word| visible[word] != durable_words[word])
            .collect();
        for subset in 0..1_u32 << pending.len() {
            let mut image = durable.clone();
            for (bit, &word) in pending.iter().enumerate() {
                if subset >> bit & 1 == 1 {
                    image.bytes[word * 8..][..8].copy_from_slice(&visible[word]);
                }
            }
            images.push((image, done));
        }
        if done {
            return images;
        }
    }
    images
}

/// Images in which the root is neither the old nor the new value, or the old one
/// although the new one was acknowledged.
fn violations(images: &[(Region, bool)]) -> usize {
    let is_wrong = |(image, done): &&(Region, bool)| match read(image, 1) {
        Some(AFTER) => false,
        Some(BEFORE) => *done,
        _ => true,
    };
    images.iter().filter(is_wrong).count()
}

#[test]
fn a_root_is_unset_until_it_is_set_and_again_after_formatting() {
    let mut region = Region::ready();
    assert!((0..=ROOTS).all(|root| read(&region, root).is_none()));
    for root in 0..ROOTS {
        set(&mut region, root, root as u64).unwrap();
    }
    assert!((0..ROOTS).all(|root| read(&region, root) == Some(root as u64)));
    let refused = set(&mut region, ROOTS, 1);
    assert_eq!(refused, Err(RootError::NoSuchRoot { root: ROOTS }));

    let (superblock, _, replica) = region.parts();
    media::format_begin(superblock, replica, &geometry(), &Eadr).unwrap();
    region.open(&geometry(), Format::Allowed, Eadr).unwrap();
    assert!((0..ROOTS).all(|root| read(&region, root).is_none()));
}

#[test]
fn a_crash_while_a_root_is_set_leaves_the_value_before_or_after() {
    let images = crash_images(|_| false);
    println!("{} images", images.len());
    assert!(images.len() > 15);
    assert_eq!(violations(&images), 0);
}

/// Positive control: without fences both copies are torn at once.
#[test]
fn setting_a_root_without_fences_is_caught() {
    let images = crash_images(|event| event == Event::Fence);
    assert!(violations(&images) > 0, "of {}", images.len());
}

#[test]
fn what_a_root_said_after_a_crash_it_says_when_a_copy_is_lost_later() {
    for (mut image, _) in crash_images(|_| false) {
        let said = read(&image, 1);
        image.open(&geometry(), Format::Never, Eadr).unwrap();
        for copy in [0, SUPERBLOCK_BYTES + image.lower_len] {
            let mut damaged = image.clone();
            damaged.bytes[copy..][..SUPERBLOCK_BYTES].fill(0);
            assert_eq!(read(&damaged, 1), said);
            damaged.open(&geometry(), Format::Never, Eadr).unwrap();
            assert_eq!(read(&damaged, 1), said, "mended");
        }
    }
}

#[test]
fn no_damaged_byte_of_one_copy_changes_a_root() {
    let mut region = Region::ready();
    set(&mut region, 2, BEFORE).unwrap();
    for copy in [0, SUPERBLOCK_BYTES + region.lower_len] {
        for at in 0..SUPERBLOCK_BYTES {
            let mut damaged = region.clone();
            damaged.bytes[copy + at] ^= 0xff;
            assert_eq!(read(&damaged, 2), Some(BEFORE), "byte {at}");
            assert_eq!(read(&damaged, 0), None, "byte {at}");
        }
    }
}
