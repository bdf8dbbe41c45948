//! Random NFITs that make sense, and what is left of them after small accidents.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use crate::build::{self, MIB, Map, Range};
use crate::golden::golden;
use crate::golden_nfit::judged;
use crate::oracle;

/// One persistent range of a sound table.
#[derive(Clone, Debug)]
struct Plan {
    devices: u16,
    frames: u64,
    interleaved: bool,
    hinted: bool,
    windows: bool,
}

prop_compose! {
    fn range_plan()(
        devices in 1_u16..4,
        frames in 1_u64..100_000,
        (interleaved, hinted, windows) in any::<(bool, bool, bool)>(),
    ) -> Plan {
        Plan { devices, frames, interleaved, hinted, windows }
    }
}

/// Returns the structures of sound ranges, `base` apart from where they would be.
fn structures(plans: &[Plan], base: u64) -> Vec<Vec<u8>> {
    let mut all = vec![
        build::capabilities(1, 3),
        build::smbios(),
        build::unknown(9),
    ];
    for (number, plan) in (1..).zip(plans) {
        let share = plan.frames * 4096;
        let len = share * u64::from(plan.devices);
        let base = base + u64::from(number) * (4 << 30);
        all.push(
            Range {
                index: number,
                base,
                len,
                ..Range::default()
            }
            .bytes(),
        );
        for device in 0..plan.devices {
            let index = number * 8 + device;
            let handle = u32::from(index);
            let interleave = if plan.interleaved { index } else { 0 };
            let map = Map {
                handle,
                range: number,
                control: index,
                len: share,
                offset: u64::from(device) * 4096,
                interleave,
                ways: plan.devices,
                ..Map::default()
            };
            all.push(map.bytes());
            all.push(build::interleave(index, &[0, 1]));
            if plan.windows {
                all.push(build::control_with_window(index, 1000 + handle));
                all.push(build::block_window(index));
            } else {
                all.push(build::control(index, 1000 + handle));
            }
            if plan.hinted {
                all.push(build::hints(handle, &[0xfe00_0000]));
            }
        }
    }
    all
}

/// Something that goes wrong with one structure.
#[derive(Clone, Debug)]
enum Accident {
    /// A byte has another value.
    Byte(prop::sample::Index, prop::sample::Index, u8),
    /// A byte that decides much has another value: an index or flags.
    Telling(prop::sample::Index, u8),
    /// The structure is missing.
    Lost(prop::sample::Index),
    /// The structure is there twice.
    Doubled(prop::sample::Index),
    /// A range starts where another one is, with another index.
    Crowded(u64),
}

fn accident() -> impl Strategy<Value = Accident> {
    let at = || any::<prop::sample::Index>();
    let byte = prop_oneof![
        Just(0),
        Just(1),
        Just(2),
        Just(8),
        Just(9),
        Just(0x80),
        any::<u8>()
    ];
    prop_oneof![
        12 => (at(), at(), byte).prop_map(|(at, byte, value)| Accident::Byte(at, byte, value)),
        3 => (at(), prop_oneof![Just(0), Just(8), any::<u8>()])
            .prop_map(|(at, value)| Accident::Telling(at, value)),
        2 => at().prop_map(Accident::Lost),
        1 => at().prop_map(Accident::Doubled),
        1 => (0_u64..16).prop_map(Accident::Crowded),
    ]
}

fn happen(structures: &mut Vec<Vec<u8>>, accident: &Accident) {
    match accident {
        Accident::Byte(at, byte, value) => {
            let at = at.index(structures.len());
            let structure = &mut structures[at];
            let byte = byte.index(structure.len());
            structure[byte] = *value;
        }
        Accident::Telling(at, value) => {
            // Ranges and maps, even if another accident renamed something to be one.
            let is_telling = |structure: &&mut Vec<u8>| structure[0] < 2 && structure.len() >= 48;
            let mut telling: Vec<_> = structures.iter_mut().filter(is_telling).collect();
            if !telling.is_empty() {
                let at = at.index(telling.len());
                let byte = if telling[at][0] == 0 { 4 } else { 44 };
                telling[at][byte] = *value;
            }
        }
        Accident::Lost(at) => {
            structures.remove(at.index(structures.len()));
        }
        Accident::Doubled(at) => {
            let twin = structures[at.index(structures.len())].clone();
            structures.push(twin);
        }
        Accident::Crowded(gib) => {
            let base = gib << 30;
            structures.push(
                Range {
                    index: 77,
                    base,
                    len: MIB,
                    ..Range::default()
                }
                .bytes(),
            );
        }
    }
}

fn shuffled() -> impl Strategy<Value = (Vec<Plan>, Vec<Vec<u8>>)> {
    prop::collection::vec(range_plan(), 1..4).prop_flat_map(|plans| {
        let all = structures(&plans, 0);
        (Just(plans), Just(all).prop_shuffle())
    })
}

/// How often each answer was given, over all cases of one test.
static ANSWERS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

fn count(answer: String) {
    let mut answers = ANSWERS.lock().expect("nobody panics with it");
    *answers.entry(answer).or_default() += 1;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn sound_ranges_are_permitted_in_any_order((plans, all) in shuffled()) {
        let ranges = judged(&build::nfit(&all));
        prop_assert_eq!(ranges.len(), plans.len());
        for range in ranges {
            prop_assert_eq!(range.refusal, None);
        }
    }

    #[test]
    fn identity_survives_another_order_and_another_place((plans, all) in shuffled(), shift in 1_u64..64) {
        let names = |structures: &[Vec<u8>]| {
            let mut names: Vec<_> = judged(&build::nfit(structures))
                .iter()
                .map(|range| (range.index, range.id))
                .collect();
            names.sort_unstable();
            names
        };
        prop_assert_eq!(names(&all), names(&structures(&plans, shift << 30)));
    }
}

/// Positive control: an answer that ignores flags isn't the oracle's.
#[test]
fn the_oracle_tells_armed_devices_from_unarmed_ones() {
    let table = golden!("nfit/cpu");
    let ranges = judged(table);
    let all = ranges
        .iter()
        .map(|range| (range.range.start().0, range.range.len_bytes()));
    let all: Vec<_> = all.collect();
    assert_eq!(all.len(), 3);
    assert_eq!(oracle::permitted(table, 40), [all[0]]);
}

/// Power: the answers are counted, and each of them has to occur.
#[test]
fn parser_and_oracle_agree_after_accidents() {
    let cases = 20_000;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (shuffled(), prop::collection::vec(accident(), 1..3));
    let outcome = runner.run(&strategy, |((_, mut all), accidents)| {
        for accident in &accidents {
            happen(&mut all, accident);
        }
        let table = build::nfit(&all);
        let ranges = judged(&table);
        for range in &ranges {
            let answer = range.refusal.map_or("permitted".into(), |refusal| {
                let debug = format!("{refusal:?}");
                debug
                    .split([' ', '('])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            });
            count(answer);
        }
        let permitted: Vec<_> = ranges
            .iter()
            .filter(|range| range.refusal.is_none())
            .map(|range| (range.range.start().0, range.range.len_bytes()))
            .collect();
        prop_assert_eq!(permitted, oracle::permitted(&table, 40));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let answers = ANSWERS.lock().expect("nobody panics with it");
    println!("{cases} tables: {answers:?}");
    let expected = [
        "permitted",
        "BrokenTable",
        "NoIndex",
        "BeyondAddressSpace",
        "Misaligned",
        "OverlapsRange",
        "NoDevice",
        "NotArmed",
        "Failed",
        "SizeMismatch",
        "WaysMismatch",
        "NoInterleave",
        "NoControlRegion",
        "NotWriteBack",
    ];
    for answer in expected {
        assert!(answers.contains_key(answer), "{answer} never happened");
    }
}
