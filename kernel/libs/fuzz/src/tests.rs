//! Every target on what is known to matter, and on small accidents to it.

mod flips;

use std::{fs, path::PathBuf};

use crate::{TARGETS, Target};

fn parsers() -> impl Iterator<Item = Target> {
    TARGETS.into_iter().filter(|target| !target.control)
}

/// Inputs that were kept because they mattered.
fn kept(target: Target) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let Ok(entries) = fs::read_dir(dir.join(target.name)) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.expect("the directory can be read").path());
    files
        .map(|path| fs::read(path).expect("the file can be read"))
        .collect()
}

/// Numbers that look random (Marsaglia's xorshift).
fn dice(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).expect("48 bits")
}

/// A few bytes changed, or cut, or repeated.
fn accident(input: &mut Vec<u8>, state: &mut u64) {
    for _ in 0..=dice(state) % 4 {
        let len = input.len().max(1);
        match dice(state) % 8 {
            0 => input.truncate(dice(state) % len),
            1 => input.extend_from_within(dice(state) % len.min(input.len() + 1)..),
            kind if !input.is_empty() => {
                let at = dice(state) % input.len();
                input[at] = [0, 1, 0xff, 0x80][dice(state) % 4] ^ (input[at] * u8::from(kind > 4));
            }
            _ => input.push(0),
        }
    }
}

#[test]
fn names_are_unique_and_every_parser_has_seeds_that_fit() {
    for (number, target) in TARGETS.iter().enumerate() {
        assert!(
            TARGETS[..number]
                .iter()
                .all(|other| other.name != target.name)
        );
        let seeds = (target.seeds)();
        assert!(target.control || !seeds.is_empty(), "{}", target.name);
        let longest = seeds.iter().map(Vec::len).max().unwrap_or(0);
        assert!(longest <= target.max_len, "{}: {longest}", target.name);
    }
}

#[test]
fn seeds_and_kept_inputs_pass() {
    for target in parsers() {
        let inputs = [(target.seeds)(), kept(target), vec![Vec::new()]].concat();
        println!("{}: {} inputs", target.name, inputs.len());
        inputs.iter().for_each(|input| (target.run)(input));
    }
}

#[test]
fn small_accidents_to_seeds_pass() {
    const EACH: usize = 1000;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for target in parsers() {
        for seed in (target.seeds)() {
            for _ in 0..EACH {
                let mut input = seed.clone();
                accident(&mut input, &mut state);
                (target.run)(&input);
            }
        }
    }
}

/// Positive control: a target that panics is noticed.
#[test]
#[should_panic(expected = "the planted panic")]
fn the_planted_panic_is_one() {
    let control = crate::target("control-panic").expect("it is listed");
    (control.run)(b"NFI");
    (control.run)(b"NFIT");
}
