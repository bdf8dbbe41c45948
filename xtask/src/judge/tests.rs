use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::Ordering,
};

use frame::{FrameId, Order};
use llfree::{
    Layout, Local, Memory, PutError, Zone,
    media::{self, Format, Geometry},
};
use persist::Eadr;
use tempfile::NamedTempFile;
use workload::{
    FrameAlloc,
    crash::{Held, Mix, run_until},
    ledger::{Config, Fault},
    stamp::FrameStamps,
};

use super::*;

const FRAMES: usize = 4 * 512 + 100;
const FRAME: u64 = FRAME_SIZE as u64;

/// Where everything lies in a zone of [`FRAMES`] frames.
fn geometry() -> Geometry {
    let page = |bytes: usize| (bytes as u64).next_multiple_of(FRAME);
    let lower_len = page(Layout::for_frames(FRAMES, 1).lower_bytes);
    let annex_offset = FRAME + lower_len;
    let annex_len = page(Ledger::bytes(FRAMES));
    let managed_offset = annex_offset + annex_len;
    Geometry {
        region_id: 0xfeed,
        region_len: managed_offset + (FRAMES as u64 + 1) * FRAME,
        lower_offset: FRAME,
        lower_len,
        annex_offset,
        annex_len,
        managed_offset,
        frames: FRAMES as u64,
        base_in_giant: 0,
        words: 8,
        tree: 32,
    }
}

/// An allocator whose power fails after so many calls, the last one done.
struct Failing<'l, 'z, 'm>(&'l mut Local<'z, 'm, Eadr>, Cell<u32>);

struct Cut;

impl Failing<'_, '_, '_> {
    fn call(&self) {
        self.1.set(self.1.get() - 1);
        if self.1.get() == 0 {
            resume_unwind(Box::new(Cut));
        }
    }
}

impl FrameAlloc for Failing<'_, '_, '_> {
    type Error = PutError;
    fn get(&mut self, order: Order) -> Option<FrameId> {
        let frame = self.0.get(order).ok();
        self.call();
        frame
    }
    fn put(&mut self, frame: FrameId, order: Order) -> Result<(), PutError> {
        let outcome = self.0.put(frame, order);
        self.call();
        outcome
    }
    fn drain(&mut self) {}
}

/// Bytes that start at a cache line.
struct Lines(Vec<u8>, usize);

impl Lines {
    fn new(len: u64) -> Self {
        let len = usize::try_from(len).expect("a small zone");
        Self(vec![0; len + 63], len)
    }

    fn get(&mut self) -> &mut [u8] {
        let start = self.0.as_ptr().align_offset(64);
        &mut self.0[start..start + self.1]
    }
}

fn words(len: u64) -> Vec<AtomicU64> {
    (0..len / 8).map(|_| AtomicU64::new(0)).collect()
}

/// A file with a zone that was cut off in the middle of an operation.
struct Crashed {
    file: NamedTempFile,
    /// Where the zone starts.
    offset: u64,
    /// What was owned.
    blocks: Vec<ledger::Block>,
}

impl Crashed {
    fn at(offset: u64, calls: u32) -> Self {
        let geometry = geometry();
        let (mut superblock, mut replica) = (Lines::new(FRAME), Lines::new(FRAME));
        let mut lower = Lines::new(geometry.lower_len);
        let mut upper = Lines::new(Layout::for_frames(FRAMES, 1).upper_bytes as u64);
        let (annex, content) = (words(geometry.annex_len), words(FRAMES as u64 * FRAME));
        let memory = Memory {
            lower: lower.get(),
            upper: upper.get(),
        };
        let (first, last) = (superblock.get(), replica.get());
        let (zone, _): (Zone<'_, Eadr>, _) =
            media::open(first, last, memory, &geometry, Format::Allowed, 1, Eadr).expect("a zone");

        let blocks = work(&zone, &annex, &content, calls);
        let file = NamedTempFile::new().expect("a temporary file");
        let crashed = Self {
            file,
            offset,
            blocks,
        };
        let raw = |words: &[AtomicU64]| -> Vec<u8> {
            let words = words.iter().map(|word| word.load(Ordering::Relaxed));
            words.flat_map(u64::to_le_bytes).collect()
        };
        crashed.write(0, superblock.get());
        crashed.write(geometry.lower_offset, lower.get());
        crashed.write(geometry.annex_offset, &raw(&annex));
        crashed.write(geometry.managed_offset, &raw(&content));
        crashed.write(geometry.region_len - FRAME, replica.get());
        crashed
    }

    fn new() -> Self {
        Self::at(0, 501)
    }

    /// Cut off later, when a huge frame is owned.
    fn with_huge_block() -> Self {
        let cuts = (501..2000).step_by(20).map(|calls| Self::at(0, calls));
        let has_huge = |cut: &Self| cut.blocks.iter().any(|block| block.order >= Order::HUGE);
        cuts.into_iter().find(has_huge).expect("one cut in many")
    }

    /// Writes into the file, at an offset from the start of the zone.
    fn write(&self, at: u64, bytes: &[u8]) {
        let file = self.file.as_file();
        let written = file.write_all_at(bytes, self.offset + at);
        written.expect("room in the file");
    }

    fn read(&self, at: u64) -> u8 {
        let mut byte = [0];
        let file = self.file.as_file();
        file.read_exact_at(&mut byte, self.offset + at)
            .expect("a byte of the zone");
        byte[0]
    }

    fn judge(&self) -> Result<Vec<ZoneJudgement>> {
        judge_file(self.file.path())
    }

    /// Judges the one zone that there is.
    fn judgement(&self) -> Judgement {
        let mut zones = self.judge().expect("a readable file");
        assert_eq!(zones.len(), 1, "{zones:?}");
        zones.remove(0).judgement
    }

    fn owned(&self, is: impl Fn(Order) -> bool) -> FrameId {
        let block = self.blocks.iter().find(|block| is(block.order));
        block.expect("a block of this order").frame
    }
}

/// Works in the zone until the power goes; returns what is owned then.
fn work(
    zone: &Zone<'_, Eadr>,
    annex: &[AtomicU64],
    content: &[AtomicU64],
    calls: u32,
) -> Vec<ledger::Block> {
    let config = Config {
        frames: FRAMES,
        epoch: 77,
        seed: 1,
        cycles: 1,
    };
    let ledger = Ledger::format(annex, &config, Ordered).expect("enough memory");
    ledger.begin();
    let stamps = FrameStamps::new(config.epoch, content);
    let mut worker = ledger.worker(0, &stamps).expect("a settled line");
    let mut local = zone.local(0).expect("a free handle");
    let mut alloc = Failing(&mut local, Cell::new(calls));
    let mut buffer = vec![Held::VACANT; FRAMES];
    let mut held = Held::new(&mut buffer);
    let mix = Mix::half_of(FRAMES, 1);
    let run = || run_until(&mut worker, &mut alloc, &mut held, &mix, 3, || false);
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it never ends");
    assert!(payload.is::<Cut>(), "something else failed");
    ledger.survivors().collect()
}

#[test]
fn a_zone_that_was_cut_off_is_found_and_holds() {
    for offset in [0, 5 * FRAME] {
        let crashed = Crashed::at(offset, 501);
        let zones = crashed.judge().expect("a readable file");
        assert_eq!(zones.len(), 1);
        let (zone, judgement) = (&zones[0], zones[0].judgement);
        assert_eq!(zone.id, "000000000000feed", "at {offset:#x}");
        assert!(judgement.holds(), "{judgement:#?}");
        assert_eq!(judgement.frames, FRAMES as u64);
        assert_eq!(judgement.owned, crashed.blocks.len() as u64);
        assert_eq!(judgement.in_flight, 1);
        assert!(judgement.acknowledged > 400 && judgement.owned > 10);
    }
}

/// Wherever it was cut off: a get leaks its block, a put nothing.
#[test]
fn every_cut_holds_and_some_leak_within_their_bound() {
    let mut leaked = 0;
    for calls in 1..40 {
        let judgement = Crashed::at(0, calls).judgement();
        assert!(judgement.holds(), "{calls} calls: {judgement:#?}");
        assert!(judgement.leaked <= judgement.bound);
        leaked += u64::from(judgement.leaked > 0);
    }
    assert!(leaked > 10, "{leaked} of 39 cuts leaked");
}

/// Positive controls: the same file with one thing changed.
mod violations {
    use super::*;

    #[test]
    fn a_clear_bit_of_an_owned_frame_is_a_loss() {
        let crashed = Crashed::new();
        let FrameId(frame) = crashed.owned(|order| order.exponent() < 6);
        let at = geometry().lower_offset + frame as u64 / 8;
        crashed.write(at, &[crashed.read(at) & !(1 << (frame % 8))]);
        let judgement = crashed.judgement();
        assert_eq!(judgement.lost.count, 1, "{judgement:#?}");
        let first = judgement.lost.first;
        assert!(matches!(first, Some(Fault::Lost { frame: f, .. }) if f.0 == frame));
    }

    #[test]
    fn a_free_entry_of_an_owned_huge_frame_is_a_loss() {
        let crashed = Crashed::with_huge_block();
        let huge = crashed.owned(|order| order >= Order::HUGE).0 / 512;
        let entries = geometry().lower_offset + FRAMES.div_ceil(512) as u64 * 64;
        crashed.write(entries + 2 * huge as u64, &512_u16.to_le_bytes());
        assert_eq!(crashed.judgement().lost.count, 512);
    }

    #[test]
    fn a_huge_frame_that_is_being_split_is_no_loss() {
        let crashed = Crashed::with_huge_block();
        let huge = crashed.owned(|order| order >= Order::HUGE).0 / 512;
        let entries = geometry().lower_offset + FRAMES.div_ceil(512) as u64 * 64;
        crashed.write(entries + 2 * huge as u64, &0x8002_u16.to_le_bytes());
        assert!(crashed.judgement().holds());
    }

    /// Frames that a processor held are free; that it is not known which ones it
    /// had is excused, if it is said.
    #[test]
    fn what_the_slots_say_is_counted() {
        let crashed = Crashed::new();
        let slots =
            geometry().lower_offset + (FRAMES.div_ceil(512) as u64 * 66).next_multiple_of(64);
        let before = crashed.judgement();
        assert_eq!(before.uncertain, 0);
        let rows = 0..4 * 8;
        // No slot says anything any more: what was held is allocated for nobody.
        crashed.write(slots, &[0; 256]);
        let silent = crashed.judgement();
        assert!(silent.free <= before.free);
        let doubt = |row: u64| [(row << 3 | 4).to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        let listed = rows.map(|row| {
            crashed.write(slots + 32, &doubt(row));
            crashed.judgement().uncertain
        });
        assert_eq!(listed.sum::<u64>(), silent.leaked);
        crashed.write(slots + 32, &[7]);
        assert!(crashed.judge().is_err());
    }

    #[test]
    fn content_that_changed_is_found() {
        let crashed = Crashed::new();
        let frame = crashed.owned(|_| true);
        let at = geometry().managed_offset + frame.offset_bytes() as u64;
        crashed.write(at + 8, &[crashed.read(at + 8) ^ 1]);
        assert_eq!(crashed.judgement().defaced.count, 1);
    }

    #[test]
    fn frees_that_were_forgotten_are_in_excess() {
        let crashed = Crashed::new();
        crashed.write(geometry().lower_offset, &[0xff; 5 * 64]);
        let judgement = crashed.judgement();
        assert!(judgement.excess.count > 0, "{judgement:#?}");
        assert_eq!(judgement.violated(), 0);
    }
}

mod damage {
    use super::*;

    fn error(crashed: &Crashed) -> String {
        format!("{:#}", crashed.judge().expect_err("it is damaged"))
    }

    #[test]
    fn a_superblock_with_a_wrong_checksum_is_an_error() {
        let crashed = Crashed::new();
        crashed.write(48, &[1]);
        assert!(error(&crashed).contains("checksum"), "{}", error(&crashed));
    }

    /// The replica alone is not taken for a zone that begins there.
    #[test]
    fn a_zone_of_which_only_the_replica_is_left_is_an_error() {
        let crashed = Crashed::new();
        crashed.write(0, &[0; 264]);
        assert!(error(&crashed).contains("the file ends"));
    }

    #[test]
    fn an_entry_that_nobody_writes_is_an_error_that_names_it() {
        let crashed = Crashed::new();
        let entries = geometry().lower_offset + FRAMES.div_ceil(512) as u64 * 64;
        crashed.write(entries + 4, &0x9999_u16.to_le_bytes());
        let error = error(&crashed);
        assert!(error.contains("huge frame 2 is 0x9999"), "{error}");
    }

    #[test]
    fn a_ledger_with_a_wrong_checksum_is_an_error() {
        let crashed = Crashed::new();
        crashed.write(geometry().annex_offset + 24, &[1]);
        assert!(error(&crashed).contains("the ledger's header"));
    }

    #[test]
    fn a_file_that_ends_early_is_an_error_at_every_page() {
        let crashed = Crashed::new();
        let pages = geometry().region_len / FRAME;
        for page in (1..pages).rev().step_by(7) {
            let cut = crashed.file.as_file().set_len(page * FRAME);
            cut.expect("a shorter file");
            assert!(error(&crashed).contains("the file ends"));
        }
    }
}

mod nothing_to_judge {
    use super::*;

    #[test]
    fn a_file_without_a_zone_has_no_judgement() {
        let file = NamedTempFile::new().expect("a temporary file");
        assert!(judge_file(file.path()).expect("an empty file").is_empty());
        file.as_file().set_len(1 << 30).expect("a sparse file");
        assert!(judge_file(file.path()).expect("a blank file").is_empty());
    }

    #[test]
    fn a_zone_that_was_never_finished_is_left_out() {
        let crashed = Crashed::new();
        let replica = geometry().region_len - FRAME;
        for page in [0, replica] {
            crashed.write(page + 256, &[0; 8]);
        }
        assert!(crashed.judge().expect("a readable file").is_empty());
    }

    #[test]
    fn a_zone_without_a_ledger_is_left_out() {
        let crashed = Crashed::new();
        crashed.write(geometry().annex_offset, &[0; 8]);
        assert!(crashed.judge().expect("a readable file").is_empty());
    }

    #[test]
    fn a_zone_between_two_cycles_is_left_out() {
        let crashed = Crashed::new();
        crashed.write(geometry().annex_offset + 64, &[0]);
        assert!(crashed.judge().expect("a readable file").is_empty());
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = judge_file(Path::new("/nowhere/pmem.img")).expect_err("no such file");
        assert!(error.to_string().contains("/nowhere/pmem.img"), "{error}");
    }
}
