extern crate std;

use std::{string::ToString, vec, vec::Vec};

use frame::{FRAME_SIZE, HUGE_SIZE};
use llfree::{
    Layout, Memory, Zone,
    media::{self, Geometry},
};
use options::Format;
use persist::Eadr;

use crate::{Content, Decision, decide, probe, probe::END_BYTES};

const LEN: usize = 4 * HUGE_SIZE + FRAME_SIZE;
const PERMISSIONS: [Format; 3] = [Format::Never, Format::Blank, Format::Any];

/// Memory whose first byte is aligned to a frame.
struct Region(Vec<u8>);

impl Region {
    fn blank() -> Self {
        Self(vec![0; LEN + FRAME_SIZE])
    }

    fn bytes(&mut self) -> &mut [u8] {
        let skip = self.0.as_ptr().align_offset(FRAME_SIZE);
        &mut self.0[skip..skip + LEN]
    }

    /// A region that the allocator itself has formatted.
    fn ours() -> Self {
        let mut region = Self::blank();
        let frames = 3 * 512;
        let layout = Layout::for_frames(frames, 1);
        let geometry = Geometry {
            region_id: 7,
            region_len: LEN as u64,
            lower_offset: FRAME_SIZE as u64,
            lower_len: layout.lower_bytes as u64,
            annex_offset: 2 * FRAME_SIZE as u64,
            annex_len: 0,
            managed_offset: HUGE_SIZE as u64,
            frames: frames as u64,
            base_in_giant: 0,
            words: 8,
            tree: 32,
        };
        let mut upper = Self::blank();
        let (superblock, rest) = region.bytes().split_at_mut(FRAME_SIZE);
        let (lower, rest) = rest.split_at_mut(FRAME_SIZE);
        let replica = rest.last_chunk_mut::<FRAME_SIZE>().unwrap();
        let memory = Memory {
            lower,
            upper: upper.bytes(),
        };
        let opened = media::open(
            superblock,
            replica,
            memory,
            &geometry,
            media::Format::Allowed,
            1,
            Eadr,
        );
        let (_zone, how): (Zone<'_, Eadr>, _) = opened.unwrap();
        assert_eq!(how, media::Opened::Created);
        region
    }
}

mod probing {
    use super::*;

    #[test]
    fn zeros_are_blank() {
        assert_eq!(probe(Region::blank().bytes()), Content::Blank);
    }

    #[test]
    fn a_byte_at_either_end_or_at_the_start_of_a_huge_frame_is_foreign() {
        let sampled = [
            0,
            END_BYTES - 1,
            LEN - END_BYTES,
            LEN - 1,
            HUGE_SIZE,
            HUGE_SIZE + 4095,
        ];
        for offset in sampled {
            let mut region = Region::blank();
            region.bytes()[offset] = 1;
            assert_eq!(probe(region.bytes()), Content::Foreign { offset });
        }
    }

    #[test]
    fn a_formatted_region_is_ours_even_if_its_first_frame_is_gone() {
        let mut region = Region::ours();
        assert_eq!(probe(region.bytes()), Content::Ours);
        region.bytes()[..FRAME_SIZE].fill(0);
        assert_eq!(probe(region.bytes()), Content::Ours);
    }

    #[test]
    fn a_region_that_somebody_took_over_is_foreign() {
        let mut region = Region::ours();
        region.bytes()[..FRAME_SIZE].fill(0xEE);
        assert_eq!(probe(region.bytes()), Content::Foreign { offset: 0 });
    }

    #[test]
    fn a_region_without_an_intact_superblock_is_damaged() {
        let mut region = Region::ours();
        let bytes = region.bytes();
        bytes[100] ^= 1;
        bytes[LEN - FRAME_SIZE + 100] ^= 1;
        assert_eq!(probe(bytes), Content::Damaged);
    }

    #[test]
    fn formatting_that_stopped_half_way_is_noticed() {
        let mut region = Region::ours();
        let (first, last) = region.bytes().split_at_mut(LEN - FRAME_SIZE);
        let geometry = match media::inspect(first, Some(last)) {
            media::State::Ready(header) => header.geometry,
            other => panic!("{other:?}"),
        };
        media::format_begin(&mut first[..FRAME_SIZE], last, &geometry, &Eadr).unwrap();
        assert_eq!(probe(region.bytes()), Content::Unfinished);
    }

    #[test]
    fn no_length_panics() {
        for len in (0..3 * FRAME_SIZE).step_by(509) {
            assert_eq!(probe(&vec![0; len]), Content::Blank);
        }
    }
}

mod deciding {
    use super::*;

    #[test]
    fn what_is_ours_is_recovered_whatever_is_permitted() {
        for permission in PERMISSIONS {
            assert_eq!(decide(Content::Ours, permission), Decision::Recover);
        }
    }

    #[test]
    fn only_blank_or_unfinished_ranges_are_formatted_if_that_is_what_was_said() {
        for content in [Content::Blank, Content::Unfinished] {
            assert_eq!(decide(content, Format::Blank), Decision::Format);
        }
        let foreign = Content::Foreign { offset: 0 };
        assert!(matches!(
            decide(foreign, Format::Blank),
            Decision::Refuse(_)
        ));
        assert_eq!(decide(foreign, Format::Any), Decision::Format);
    }

    #[test]
    fn nothing_is_formatted_without_permission() {
        let foreign = Content::Foreign { offset: 0 };
        for content in [
            Content::Blank,
            Content::Unfinished,
            foreign,
            Content::Damaged,
        ] {
            assert!(matches!(
                decide(content, Format::Never),
                Decision::Refuse(_)
            ));
        }
    }

    #[test]
    fn a_damaged_zone_of_ours_is_never_formatted_over() {
        for permission in PERMISSIONS {
            let decision = decide(Content::Damaged, permission);
            assert!(matches!(decision, Decision::Refuse(_)));
        }
    }

    #[test]
    fn a_refusal_says_what_is_there_that_nothing_was_written_and_what_to_do() {
        let foreign = Content::Foreign { offset: 0x200 };
        for (content, there, advice) in [
            (Content::Blank, "blank", "pmem.format=blank"),
            (Content::Unfinished, "never formatted", "pmem.format=blank"),
            (foreign, "0x200", "pmem.format=any"),
            (Content::Damaged, "neither copy", "clear"),
        ] {
            let Decision::Refuse(refusal) = decide(content, Format::Never) else {
                panic!("{content:?} is not refused");
            };
            let text = refusal.to_string();
            for part in [there, "nothing was written", advice] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
