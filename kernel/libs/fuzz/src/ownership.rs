//! A persistent range that may be anybody's.
//!
//! An input is a length, then pieces of bytes with their places. Marks are short and
//! far apart, so the seeds have some of them; the checksum of a devdax namespace's
//! information block is put right where the first byte asks for it. It may also ask
//! for a longer range, with the first partition and the second huge frame in it: most
//! of that is zeros, so it is only searched for marks.

use std::collections::BTreeSet;

use ::options::{Options, Permits};
use ::ownership::{Content, Decision, Permission, Sightings, decide, probe};

use crate::{Target, input::Input};

pub(crate) const TARGET: Target = Target {
    name: "ownership",
    control: false,
    max_len: 512,
    run,
    seeds,
};

/// The information block's checksum is put right.
const FIX: u8 = 1 << 0;
/// The range is a long one.
const LONG: u8 = 1 << 1;
/// Bytes behind each start: up to the mark of btrfs.
const MOST_BYTES: usize = 0x1_1000;
const PAGES: usize = MOST_BYTES / 0x1000;
/// Where formats may start in a long range.
const STARTS: [usize; 3] = [0, 1 << 20, 2 << 20];
/// An identity.
const REGION: u64 = 0x1234;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.u8();
    let missing = usize::from(input.u16());
    let starts = if flags & LONG == 0 { 1 } else { STARTS.len() };
    let most_bytes = STARTS[starts - 1] + MOST_BYTES;
    let mut range = vec![0; most_bytes];
    for _ in 0..input.u8() {
        let page = usize::from(input.u8());
        let start = STARTS[page / PAGES % starts] + page % PAGES * 0x1000;
        let at = start + usize::from(input.u16() % 0x1000);
        let len = usize::from(input.u8());
        let piece = input.bytes(len);
        let len = piece.len().min(most_bytes - at);
        range[at..at + len].copy_from_slice(&piece[..len]);
    }
    if flags & FIX != 0 {
        fix_checksum(&mut range[0x1000..0x2000]);
    }
    let range = &range[..most_bytes - missing];
    if flags & LONG == 0 {
        check(range);
    } else {
        check_marks(range);
    }
}

/// Each kind is listed once, and is somewhere in the range.
fn check_marks(range: &[u8]) {
    let mut names = BTreeSet::new();
    for sighting in Sightings::find(range).iter() {
        assert!(sighting.offset < range.len(), "{sighting:?}");
        assert!(names.insert(sighting.mark.name), "{sighting:?} again");
    }
}

/// Looks, decides, and takes the decision at its word.
fn check(range: &[u8]) {
    let finding = probe(REGION, range);
    assert!(finding.place.end <= range.len());
    assert!(!finding.adopted || finding.place.start >= 0x2000);
    let nothing = Permits::default();
    let refusal = match decide(&finding, Permission::Tokens(&nothing)) {
        Decision::Recover { .. } => return assert_eq!(finding.content, Content::Ours),
        Decision::Format => panic!("formatted without permission: {:?}", finding.content),
        Decision::Refuse(refusal) => refusal,
    };
    assert!(refusal.to_string().contains("nothing was written"));
    // What it says to say is what permits it.
    if let Some(words) = refusal.words() {
        let words = words.to_string();
        let options = Options::parse(&words, |complaint| panic!("{complaint}"));
        let decision = decide(&finding, Permission::Tokens(&options.permits));
        assert_eq!(decision, Decision::Format, "{words}");
    }
}

/// Fletcher's sum in words of 32 bits, with zero for the sum itself.
fn fix_checksum(block: &mut [u8]) {
    block[0xff8..].fill(0);
    let (mut low, mut high) = (0_u32, 0_u64);
    for word in block.as_chunks::<4>().0 {
        low = low.wrapping_add(u32::from_le_bytes(*word));
        high = high.wrapping_add(u64::from(low));
    }
    block[0xff8..].copy_from_slice(&(high << 32 | u64::from(low)).to_le_bytes());
}

/// An input of pieces: page, place in it, bytes.
fn input(flags: u8, missing: u16, pieces: &[(u8, u16, &[u8])]) -> Vec<u8> {
    let mut data = vec![flags];
    data.extend(missing.to_le_bytes());
    data.push(u8::try_from(pieces.len()).unwrap_or(u8::MAX));
    for (page, at, bytes) in pieces {
        data.push(*page);
        data.extend(at.to_le_bytes());
        data.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        data.extend(*bytes);
    }
    data
}

fn seeds() -> Vec<Vec<u8>> {
    // A namespace of 8 pages that starts behind its block: version 1.4, in DRAM.
    let version = [
        1, 0, 4, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
    ];
    let dax: [(u8, u16, &[u8]); 2] = [(1, 0, b"NVDIMM_DAX_INFO\0"), (1, 52, &version)];
    vec![
        input(0, 0, &[]),
        input(FIX, 0, &dax),
        input(0, 0, &dax),
        input(
            0,
            0,
            &[
                (0, 510, &[0x55, 0xaa]),
                (0, 0x200, b"EFI PART\0\0\x01\0\x5c"),
            ],
        ),
        input(0, 0, &[(0, 0x400, &[1]), (0, 0x438, &[0x53, 0xef])]),
        input(
            0,
            0x7ff,
            &[(0x10, 0x40, b"_BHRfS_M"), (0, 0, b"XFSB\0\0\x10")],
        ),
        input(0, 0, &[(0, 0, b"PERENNIAL LLFREE\x03")]),
        input(
            LONG,
            0,
            &[(0x11, 0x400, &[1]), (0x11, 0x438, &[0x53, 0xef])],
        ),
        input(
            LONG,
            0,
            &[(0x32, 0x40, b"_BHRfS_M"), (0x22, 3, b"EXFAT   ")],
        ),
    ]
}
