//! The superblock: every state, every damaged byte.

use frame::{FrameId, Order};
use llfree::media::{
    self, CloseError, Field, Format, Geometry, OpenError, Opened, PageError, SUPERBLOCK_BYTES,
    Source, State,
};
use llfree::{Memory, ZoneError};
use persist::{Domain, Eadr, ModelledAdr, Observed};

use crate::common::{Bytes, Random};
use crate::medium::{Medium, Tearing};
use crate::region::{CPUS, FRAMES, Region, Small, geometry};

#[test]
fn a_blank_region_is_formatted_only_with_permission() {
    let mut region = Region::blank();
    assert_eq!(region.inspect(), State::Blank);
    assert_eq!(
        region.open(&geometry(), Format::Never, Eadr),
        Err(OpenError::Blank)
    );
    assert!(
        region.bytes.iter().all(|&byte| byte == 0),
        "not a byte written"
    );
    assert_eq!(
        region.open(&geometry(), Format::Allowed, Eadr),
        Ok(Opened::Created)
    );
    assert!(matches!(region.inspect(), State::Ready(_)));
}

#[test]
fn a_foreign_region_is_left_alone_without_permission() {
    let mut region = Region::filled(0x77);
    let before = region.clone();
    assert_eq!(region.inspect(), State::Foreign);
    assert_eq!(
        region.open(&geometry(), Format::Never, Eadr),
        Err(OpenError::Foreign)
    );
    assert_eq!(*region.bytes, *before.bytes);
    // Control: the same region does change once that is permitted.
    assert_eq!(
        region.open(&geometry(), Format::Allowed, Eadr),
        Ok(Opened::Created)
    );
    assert_ne!(*region.bytes, *before.bytes);
}

#[test]
fn a_region_of_ours_is_recovered_even_where_formatting_is_permitted() {
    let mut region = Region::ready();
    for round in 1..4 {
        let opened = region.open(&geometry(), Format::Allowed, Eadr);
        let Ok(Opened::Recovered(recovery)) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(
            recovery.free,
            FRAMES - round,
            "each mount has taken one frame"
        );
    }
}

#[test]
fn a_region_that_another_took_over_is_foreign_whatever_the_replica_says() {
    let mut region = Region::ready();
    region.parts().0.fill(0x33);
    assert_eq!(region.inspect(), State::Foreign);
}

#[test]
fn the_geometry_comes_back_as_it_was_written() {
    let State::Ready(header) = Region::ready().inspect() else {
        panic!("not ready");
    };
    assert_eq!(header.geometry, geometry());
    assert_eq!(
        (header.source, header.replica_intact),
        (Source::Primary, true)
    );
}

type Change = fn(&mut Geometry);

#[test]
fn each_field_that_must_not_change_is_compared() {
    let changes: [(Field, Change); 8] = [
        (Field::RegionId, |geometry| geometry.region_id += 1),
        (Field::RegionLength, |geometry| geometry.region_len += 4096),
        (Field::LowerOffset, |geometry| geometry.lower_offset += 64),
        (Field::LowerLength, |geometry| geometry.lower_len += 64),
        (Field::AnnexOffset, |geometry| geometry.annex_offset += 64),
        (Field::AnnexLength, |geometry| geometry.annex_len += 64),
        (Field::ManagedOffset, |geometry| {
            geometry.managed_offset += 4096
        }),
        (Field::Frames, |geometry| geometry.frames -= 1),
    ];
    for (field, change) in changes {
        let mut region = Region::ready();
        let before = region.clone();
        let mut expected = geometry();
        change(&mut expected);
        match region.open(&expected, Format::Allowed, Eadr) {
            Err(OpenError::Mismatch { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field:?}: {other:?}"),
        }
        assert_eq!(*region.bytes, *before.bytes, "{field:?}");
    }
    let expected = Geometry {
        words: 8,
        ..geometry()
    };
    let opened = Region::ready().open(&expected, Format::Allowed, Eadr);
    let (field, found) = (Field::Words, 8);
    assert_eq!(
        opened,
        Err(OpenError::Mismatch {
            field,
            found,
            expected: 2
        })
    );
}

/// Every byte of either copy, with every single bit and all of them flipped.
#[test]
fn no_damaged_byte_goes_unnoticed_or_makes_the_region_unusable() {
    let intact = Region::ready();
    let State::Ready(expected) = intact.inspect() else {
        panic!("not ready");
    };
    let (mut by_replica, mut by_primary, mut mounts, mut unused) = (0, 0, 0, 0);
    for copy in [0, SUPERBLOCK_BYTES + intact.lower_len] {
        for at in 0..SUPERBLOCK_BYTES {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut region = intact.clone();
                region.bytes[copy + at] ^= flip;
                let State::Ready(header) = region.inspect() else {
                    panic!("byte {at} of the copy at {copy}: {:?}", region.inspect());
                };
                assert_eq!(header.geometry, expected.geometry, "byte {at}");
                let unchanged = header == expected;
                if header.source == Source::Replica {
                    by_replica += 1;
                } else if !header.replica_intact {
                    by_primary += 1;
                } else if header.mount != expected.mount {
                    let mount = header.mount.expect("the other line is intact");
                    assert!(mount.uncertain && !mount.clean, "byte {at}");
                    mounts += 1;
                } else {
                    assert!(
                        unchanged && (at >= 264 || copy > 0),
                        "byte {at} is not covered"
                    );
                    unused += 1;
                }
            }
        }
    }
    println!(
        "served by replica {by_replica}, by primary {by_primary}, mounts {mounts}, unused {unused}"
    );
    assert_eq!(
        (by_replica, by_primary),
        (264 * 9, 264 * 9),
        "header and state word"
    );
    assert_eq!(mounts, 128 * 9, "both mount lines");
}

#[test]
fn an_intact_copy_mends_the_other_one() {
    let intact = Region::ready();
    for copy in [0, SUPERBLOCK_BYTES + intact.lower_len] {
        let mut region = intact.clone();
        region.bytes[copy + 40] ^= 1;
        let opened = region.open(&geometry(), Format::Never, Eadr);
        assert!(matches!(opened, Ok(Opened::Recovered(_))), "{opened:?}");
        let State::Ready(header) = region.inspect() else {
            panic!("not ready");
        };
        assert_eq!(
            (header.source, header.replica_intact),
            (Source::Primary, true)
        );
    }
}

#[test]
fn two_damaged_copies_are_refused() {
    let mut region = Region::ready();
    let (superblock, _, replica) = region.parts();
    superblock[50] ^= 1;
    replica[51] ^= 1;
    assert_eq!(region.inspect(), State::Damaged);
    assert_eq!(
        region.open(&geometry(), Format::Allowed, Eadr),
        Err(OpenError::Damaged)
    );
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    for (at, value) in [(16, 5), (32, 0x80)] {
        let mut region = Region::ready();
        let superblock = region.parts().0;
        superblock[at] = value;
        let sum = checksum.checksum(&superblock[..252]);
        superblock[252..256].copy_from_slice(&sum.to_le_bytes());
        let State::Unknown(version) = region.inspect() else {
            panic!("{:?}", region.inspect());
        };
        let error = region.open(&geometry(), Format::Allowed, Eadr);
        assert_eq!(error, Err(OpenError::Unknown { version }));
    }
}

#[test]
fn random_pages_and_short_ones_are_never_taken_for_ours() {
    let mut random = Random(11);
    for _ in 0..2000 {
        let page: Vec<u8> = (0..SUPERBLOCK_BYTES)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        assert_eq!(media::inspect(&page, Some(&page)), State::Foreign);
    }
    let ready = Region::ready();
    for given in (0..SUPERBLOCK_BYTES).step_by(61) {
        let needed = SUPERBLOCK_BYTES;
        let state = media::inspect(&ready.bytes[..given], None);
        assert_eq!(state, State::TooShort { needed, given });
        // A replica that can be read only in part is none.
        let state = media::inspect(&[0; SUPERBLOCK_BYTES], Some(&ready.bytes[..given.min(256)]));
        assert_eq!(state, State::Blank);
    }
}

#[test]
fn memory_that_does_not_fit_is_refused_before_anything_is_written() {
    let mut region = Region::blank();
    let mut upper = Bytes::filled(4096, 0);
    let (superblock, lower, replica) = region.parts();
    let given = lower.len() - 64;
    let memory = Memory {
        lower: &mut lower[64..],
        upper: &mut upper,
    };
    let opened: Result<(Small<'_, Eadr>, _), _> = media::open(
        superblock,
        replica,
        memory,
        &geometry(),
        Format::Allowed,
        CPUS,
        Eadr,
    );
    let needed = given + 64;
    assert_eq!(
        opened.err(),
        Some(OpenError::Zone(ZoneError::LowerTooShort { needed, given }))
    );
    let memory = Memory {
        lower,
        upper: &mut upper,
    };
    let opened: Result<(Small<'_, Eadr>, _), _> = media::open(
        superblock,
        &mut replica[64..],
        memory,
        &geometry(),
        Format::Allowed,
        CPUS,
        Eadr,
    );
    let (needed, given) = (SUPERBLOCK_BYTES, SUPERBLOCK_BYTES - 64);
    assert_eq!(
        opened.err(),
        Some(OpenError::Replica(PageError::TooShort { needed, given }))
    );
    assert_eq!(region.inspect(), State::Blank);
}

#[test]
fn mounts_that_were_not_closed_are_counted() {
    let mut region = Region::ready();
    let mount = |region: &Region| media::last_mount(&region.bytes).expect("there was one");
    assert_eq!((mount(&region).clean, mount(&region).crashes), (true, 0));
    let mut upper = Bytes::filled(4096, 0);
    for crashes in 0..3 {
        let (superblock, lower, replica) = region.parts();
        let memory = Memory {
            lower,
            upper: &mut upper,
        };
        let opened: Result<(Small<'_, ModelledAdr>, _), _> = media::open(
            superblock,
            replica,
            memory,
            &geometry(),
            Format::Never,
            CPUS,
            ModelledAdr,
        );
        let zone = opened.unwrap().0;
        let handle = zone.local(1).unwrap();
        assert_eq!(
            media::close(&zone, superblock),
            Err(CloseError::Busy { cpu: 1 })
        );
        drop(handle);
        let last = mount(&region);
        assert_eq!(
            (last.clean, last.crashes, last.domain),
            (false, crashes, Domain::Adr)
        );
    }
    region.open(&geometry(), Format::Never, Eadr).unwrap();
    let last = mount(&region);
    assert_eq!(
        (last.clean, last.crashes, last.domain),
        (true, 3, Domain::Eadr)
    );
}

#[test]
fn a_region_that_was_closed_has_nothing_to_mend_whatever_caches_lose() {
    for seed in 1..=32 {
        let mut region = Region::blank();
        let medium = Medium::new(&region.bytes);
        let observed = Observed::new(ModelledAdr, |event| medium.note(event));
        region.open(&geometry(), Format::Allowed, observed).unwrap();
        region.bytes = medium.image(Tearing::Lines, &mut Random(seed));
        let last = media::last_mount(&region.bytes).expect("there was one");
        assert!(last.clean, "seed {seed}");
        let opened = region.open(&geometry(), Format::Never, Eadr).unwrap();
        let Opened::Recovered(recovery) = opened else {
            panic!("seed {seed}: {opened:?}");
        };
        assert_eq!(recovery.mended, 0, "seed {seed}");
    }
}

/// Trap 6: nothing vouches for tables that are being overwritten.
#[test]
fn a_replica_of_an_earlier_life_is_gone_before_the_tables_change() {
    let mut region = Region::ready();
    let (superblock, _, replica) = region.parts();
    media::format_begin(superblock, replica, &geometry(), &Eadr).unwrap();
    assert_eq!(region.inspect(), State::Formatting);
    // Not even if the word that says so is damaged.
    region.bytes[256] ^= 1;
    assert_eq!(region.inspect(), State::Damaged);
}

#[test]
fn a_frame_number_does_not_depend_on_where_the_region_lies() {
    let mut region = Region::ready();
    // The copy is at another address.
    let mut moved = region.clone();
    let taken = |region: &mut Region| {
        let mut upper = Bytes::filled(4096, 0);
        let (superblock, lower, replica) = region.parts();
        let memory = Memory {
            lower,
            upper: &mut upper,
        };
        let opened: Result<(Small<'_, Eadr>, _), _> = media::open(
            superblock,
            replica,
            memory,
            &geometry(),
            Format::Never,
            CPUS,
            Eadr,
        );
        opened.unwrap().0.allocated().collect::<Vec<_>>()
    };
    assert_eq!(taken(&mut region), [(FrameId(0), Order::FRAME)]);
    assert_eq!(taken(&mut moved), [(FrameId(0), Order::FRAME)]);
}
