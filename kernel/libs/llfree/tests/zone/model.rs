//! The allocator against a model that can't be wrong: one flag a frame.
//!
//! Alone, an allocator of this kind is exact: it must find a block whenever there
//! is one, refuse every misuse that the model can see, and never answer anything
//! else. What another processor holds is out of its reach, and it has to say so;
//! then the others are made to drain, and it has to be exact again. Sequences are
//! random and shrink to the shortest that fails.

use std::mem::ManuallyDrop;

use frame::{FrameId, Order};
use llfree::{Claims, Class, GetError, Local, PutError, Zone};
use persist::{Eadr, Persist};
use proptest::prelude::*;

use crate::common::{Tables, order};

#[derive(Clone, Copy, Debug)]
enum Step {
    Get {
        cpu: usize,
        order: u8,
        class: Class,
    },
    GetAt {
        cpu: usize,
        frame: usize,
        order: u8,
    },
    /// Returns an entire block that was taken, or a part of it.
    PutHeld {
        cpu: usize,
        pick: usize,
        smaller: u8,
        part: usize,
    },
    /// Returns whatever lies there.
    PutAny {
        cpu: usize,
        frame: usize,
        order: u8,
    },
    Drain {
        cpu: usize,
    },
    Crash,
}

const CPUS: usize = 2;

fn step() -> impl Strategy<Value = Step> {
    step_from(0)
}

/// Returns a step, whose blocks are not smaller than of this order.
fn step_from(least: u8) -> impl Strategy<Value = Step> {
    let cpu = 0..CPUS;
    let orders = move || least..13;
    // Orders above the largest and frames beyond the end are input too.
    prop_oneof![
        8 => (cpu.clone(), orders(), prop::sample::select(&Class::ALL[..]))
            .prop_map(|(cpu, order, class)| Step::Get { cpu, order, class }),
        2 => (cpu.clone(), any::<usize>(), orders())
            .prop_map(|(cpu, frame, order)| Step::GetAt { cpu, frame, order }),
        6 => (cpu.clone(), any::<usize>(), 0..4_u8, any::<usize>())
            .prop_map(|(cpu, pick, smaller, part)| Step::PutHeld { cpu, pick, smaller, part }),
        2 => (cpu.clone(), any::<usize>(), orders())
            .prop_map(|(cpu, frame, order)| Step::PutAny { cpu, frame, order }),
        1 => cpu.prop_map(|cpu| Step::Drain { cpu }),
        1 => Just(Step::Crash),
    ]
}

type Handle<'z, 'm, P, const WORDS: usize, const TREE: usize> =
    ManuallyDrop<Local<'z, 'm, P, WORDS, TREE>>;

/// The reference.
struct Model {
    allocated: Vec<bool>,
    /// Huge frames that were allocated as a whole and never split.
    whole: Vec<bool>,
    /// Giant frames that were allocated as one and never split.
    giant: Vec<bool>,
    huge_frames: usize,
    max_order: Order,
    giant_order: Order,
}

impl Model {
    fn new<const WORDS: usize, const TREE: usize>(frames: usize) -> Self {
        let huge_frames = WORDS * 64;
        let giant_order = Zone::<'_, Eadr, WORDS, TREE>::GIANT_ORDER;
        Self {
            allocated: vec![false; frames],
            whole: vec![false; frames.div_ceil(huge_frames)],
            giant: vec![false; frames / giant_order.frames()],
            huge_frames,
            max_order: Zone::<'_, Eadr, WORDS, TREE>::MAX_ORDER,
            giant_order,
        }
    }

    fn serves(&self, order: Order) -> bool {
        order <= self.max_order || order == self.giant_order
    }

    fn is_free(&self, frame: usize, order: Order) -> bool {
        let block = self
            .allocated
            .get(frame..frame.saturating_add(order.frames()));
        block.is_some_and(|block| block.iter().all(|&frame| !frame))
    }

    fn has_free(&self, order: Order) -> bool {
        let mut starts = (0..self.allocated.len()).step_by(order.frames());
        starts.any(|start| self.is_free(start, order))
    }

    fn take(&mut self, frame: FrameId, order: Order) {
        assert!(
            self.is_free(frame.0, order),
            "{frame:?} of {order:?} was not free"
        );
        self.allocated[frame.0..][..order.frames()].fill(true);
        if order == self.giant_order {
            self.giant[frame.0 / order.frames()] = true;
        } else if order.frames() >= self.huge_frames {
            let count = order.frames() / self.huge_frames;
            self.whole[frame.0 / self.huge_frames..][..count].fill(true);
        }
    }

    /// Returns what the allocator must answer.
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let frames = self.allocated.len();
        if !self.serves(order) {
            let (max, giant) = (self.max_order, self.giant_order);
            return Err(PutError::BadOrder { order, max, giant });
        }
        if !frame.is_aligned(order) {
            return Err(PutError::Misaligned { frame, order });
        }
        if frame.0.saturating_add(order.frames()) > frames {
            return Err(PutError::OutOfRange {
                frame,
                order,
                frames,
            });
        }
        if order == self.giant_order {
            let giant = frame.0 / order.frames();
            if !self.giant[giant] {
                return Err(if self.is_free(frame.0, order) {
                    PutError::NotAllocated { frame }
                } else {
                    PutError::NotGiant { frame }
                });
            }
            self.giant[giant] = false;
            self.allocated[frame.0..][..order.frames()].fill(false);
            return Ok(());
        }
        self.split_giant(frame);
        if order.frames() >= self.huge_frames {
            for first in (frame.0..frame.0 + order.frames()).step_by(self.huge_frames) {
                if !self.whole[first / self.huge_frames] {
                    let frame = FrameId(first);
                    let mut block = self.allocated[first..][..self.huge_frames].iter();
                    return Err(if block.all(|&frame| !frame) {
                        PutError::NotAllocated { frame }
                    } else {
                        PutError::NotWhole { frame }
                    });
                }
            }
            let count = order.frames() / self.huge_frames;
            self.whole[frame.0 / self.huge_frames..][..count].fill(false);
        } else {
            let mut block = frame.0..frame.0 + order.frames();
            if let Some(free) = block.find(|&frame| !self.allocated[frame]) {
                return Err(PutError::NotAllocated {
                    frame: FrameId(free),
                });
            }
            self.whole[frame.0 / self.huge_frames] = false;
        }
        self.allocated[frame.0..][..order.frames()].fill(false);
        Ok(())
    }

    /// A part of a giant frame makes huge frames of it.
    fn split_giant(&mut self, FrameId(frame): FrameId) {
        let giant = frame / self.giant_order.frames();
        if self.giant.get(giant) == Some(&true) {
            self.giant[giant] = false;
            let huge = self.giant_order.frames() / self.huge_frames;
            self.whole[giant * huge..][..huge].fill(true);
        }
    }

    fn free(&self) -> usize {
        self.allocated.iter().filter(|&&frame| !frame).count()
    }
}

fn play<const WORDS: usize, const TREE: usize>(frames: usize, steps: &[Step]) {
    for claims in [Claims::On, Claims::Off] {
        play_with::<WORDS, TREE>(frames, steps, claims);
    }
}

fn play_with<const WORDS: usize, const TREE: usize>(frames: usize, steps: &[Step], claims: Claims) {
    let mut tables = Tables::new::<WORDS, TREE>(frames, CPUS);
    let mut model = Model::new::<WORDS, TREE>(frames);
    let mut held = Vec::new();
    let created = Zone::<'_, _, WORDS, TREE>::create(frames, CPUS, tables.memory(), Eadr);
    let zone = created.unwrap().with_claims(claims);
    let mut begun = play_until_crash(&zone, &mut model, &mut held, steps);
    while begun < steps.len() {
        let recovered = Zone::<'_, _, WORDS, TREE>::recover(frames, CPUS, tables.memory(), Eadr);
        let (zone, recovery) = recovered.unwrap();
        let zone = zone.with_claims(claims);
        assert_eq!(recovery.free, model.free());
        assert_eq!(
            (recovery.unreadable, recovery.uncertain),
            (0, 0),
            "nothing was in flight"
        );
        // What is held, or freed and not counted yet, is in no count.
        assert!(recovery.mended == 0 || claims == Claims::On);
        begun += play_until_crash(&zone, &mut model, &mut held, &steps[begun..]);
    }
}

/// Returns how many steps were played, the crash included.
fn play_until_crash<P: Persist, const WORDS: usize, const TREE: usize>(
    zone: &Zone<'_, P, WORDS, TREE>,
    model: &mut Model,
    held: &mut Vec<(FrameId, Order)>,
    steps: &[Step],
) -> usize {
    // A crash leaves handles as they are.
    let mut locals: Vec<_> = (0..CPUS)
        .map(|cpu| ManuallyDrop::new(zone.local(cpu).unwrap()))
        .collect();
    let mut played = 0;
    for &step in steps {
        played += 1;
        if matches!(step, Step::Crash) {
            break;
        }
        play_step(step, &mut locals, model, held);
        assert_eq!(zone.stats().free, model.free(), "after {step:?}");
        assert_eq!(zone.validate(), Ok(()), "after {step:?}");
    }
    for frame in 0..model.allocated.len() {
        assert_eq!(zone.is_allocated(FrameId(frame)), model.allocated[frame]);
    }
    let listed: usize = zone.allocated().map(|(_, order)| order.frames()).sum();
    assert_eq!(listed, model.allocated.len() - model.free());
    played
}

fn play_step<P: Persist, const WORDS: usize, const TREE: usize>(
    step: Step,
    locals: &mut [Handle<'_, '_, P, WORDS, TREE>],
    model: &mut Model,
    held: &mut Vec<(FrameId, Order)>,
) {
    let frames = model.allocated.len();
    match step {
        Step::Get {
            cpu,
            order: exponent,
            class,
        } => {
            let order = order(exponent);
            let mut result = locals[cpu].get_as(order, class);
            if matches!(result, Err(GetError::HeldElsewhere { .. })) {
                drain_others(locals, cpu);
                result = locals[cpu].get_as(order, class);
            }
            match result {
                Ok(frame) => {
                    model.take(frame, order);
                    held.push((frame, order));
                }
                Err(GetError::BadOrder { .. }) => assert!(!model.serves(order)),
                Err(error) => {
                    assert_eq!(error, GetError::OutOfMemory { order });
                    assert!(!model.has_free(order), "{error} but there is one");
                }
            }
        }
        Step::GetAt {
            cpu,
            frame,
            order: exponent,
        } => {
            let order = order(exponent);
            let frame = mostly_inside(frame, frames, exponent);
            let may =
                model.serves(order) && frame.is_aligned(order) && model.is_free(frame.0, order);
            let mut result = locals[cpu].get_at(frame, order);
            if matches!(result, Err(GetError::HeldElsewhere { .. })) {
                assert!(may, "it is free");
                drain_others(locals, cpu);
                result = locals[cpu].get_at(frame, order);
            }
            assert_eq!(result.is_ok(), may, "{result:?}");
            if may {
                model.take(frame, order);
                held.push((frame, order));
            }
        }
        Step::PutHeld {
            cpu,
            pick,
            smaller,
            part,
        } => {
            if held.is_empty() {
                return;
            }
            let (frame, whole) = held.swap_remove(pick % held.len());
            let exponent = whole.exponent().saturating_sub(smaller);
            let part = part % (1 << (whole.exponent() - exponent));
            let returned = FrameId(frame.0 + part * (1 << exponent));
            let expected = model.put(returned, order(exponent));
            assert_eq!(locals[cpu].put(returned, order(exponent)), expected);
            if exponent < whole.exponent() {
                keep_rest(held, (frame, whole), returned, order(exponent));
            }
        }
        Step::PutAny {
            cpu,
            frame,
            order: exponent,
        } => {
            let order = order(exponent);
            let frame = mostly_inside(frame, frames, exponent);
            let before = model.allocated.clone();
            let expected = model.put(frame, order);
            if expected.is_err() {
                // A free frame that another processor holds looks allocated.
                drain_others(locals, cpu);
            }
            match (locals[cpu].put(frame, order), expected) {
                (
                    Err(PutError::NotAllocated { frame: named }),
                    Err(PutError::NotAllocated { .. }),
                ) => {
                    assert!(!model.allocated[named.0] && named.0 - frame.0 < order.frames());
                }
                (result, expected) => assert_eq!(result, expected),
            }
            if expected.is_ok() {
                // Somebody's block lost a part: what is left of it is held frame
                // by frame from now on.
                held.retain(|&(start, order)| {
                    before[start.0] && !overlaps(start, order, frame, exponent)
                });
            }
        }
        Step::Drain { cpu } => locals[cpu].drain(),
        Step::Crash => {}
    }
}

/// Makes all but one processor give back what they hold.
fn drain_others<P: Persist, const WORDS: usize, const TREE: usize>(
    locals: &mut [Handle<'_, '_, P, WORDS, TREE>],
    cpu: usize,
) {
    let others = locals.iter_mut().filter(|local| local.cpu() != cpu);
    others.for_each(|local| local.drain());
}

/// Returns a frame that mostly exists, and as often as not is aligned.
fn mostly_inside(random: usize, frames: usize, exponent: u8) -> FrameId {
    let shift = if random >> 63 == 0 {
        exponent
    } else {
        exponent & 3
    };
    FrameId(((random % (frames + 65)) >> shift) << shift)
}

fn overlaps(start: FrameId, order: Order, other: FrameId, exponent: u8) -> bool {
    start.0 < other.0 + (1 << exponent) && other.0 < start.0 + order.frames()
}

/// Keeps the parts of a block that were not returned, each as large as possible.
fn keep_rest(
    held: &mut Vec<(FrameId, Order)>,
    (frame, whole): (FrameId, Order),
    returned: FrameId,
    part: Order,
) {
    let (mut start, mut exponent) = (frame.0, whole.exponent());
    while exponent > part.exponent() {
        exponent -= 1;
        let half = 1 << exponent;
        let upper = returned.0 >= start + half;
        held.push((
            FrameId(if upper { start } else { start + half }),
            order(exponent),
        ));
        start += if upper { half } else { 0 };
    }
}

/// A failing case is printed with its seed, not written into the source tree: a
/// mutant under test would leave its own there.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_hardware_geometry_does_what_the_model_does(
        frames in 1..(5 * 512_usize),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        play::<8, 2>(frames, &steps);
    }

    #[test]
    fn trees_of_paper_size_do_what_the_model_does(
        frames in (32 * 512_usize)..(33 * 512 + 100),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        play::<8, 32>(frames, &steps);
    }

    #[test]
    fn the_smallest_geometry_does_what_the_model_does(
        frames in 1..1200_usize,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        play::<2, 2>(frames, &steps);
    }

    #[test]
    fn giant_frames_do_what_the_model_does(
        frames in 1024..2700_usize,
        steps in prop::collection::vec(step_from(6), 1..200),
    ) {
        // Two trees of two huge frames make a giant frame: order 10, or 9.
        play::<4, 2>(frames, &steps);
        play::<2, 2>(frames, &steps);
    }

    #[test]
    fn a_small_geometry_with_wide_trees_does_what_the_model_does(
        frames in 1..6000_usize,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        play::<4, 8>(frames, &steps);
    }
}

/// Positive control: the comparison can fail.
#[test]
#[should_panic(expected = "was not free")]
fn a_block_that_is_handed_out_twice_is_noticed() {
    let mut model = Model::new::<8, 2>(100);
    model.take(FrameId(8), order(3));
    model.take(FrameId(12), order(0));
}
