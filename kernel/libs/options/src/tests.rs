extern crate std;

use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use frame::{PhysAddr, PhysRange};
use proptest::prelude::*;

use super::{
    Complaint, Crash, Fault, MOST_TOKENS, NAME_BYTES, Options, Parts, Permits, Phase, Reset, Token,
};

fn accepted(text: &str) -> Options {
    Options::parse(text, |complaint| panic!("{complaint}"))
}

fn complaints(text: &str) -> Vec<Complaint<'_>> {
    let mut all = Vec::new();
    Options::parse(text, |complaint| all.push(complaint));
    all
}

#[test]
fn an_empty_command_line_permits_no_formatting() {
    assert_eq!(accepted(""), Options::default());
    assert_eq!(accepted("").permits, Permits::default());
    assert!(!accepted("").permits.speaks_of(0));
}

#[test]
fn every_option_is_read() {
    let text = "seed=0x2a cycles=9 crash=recovery:1-900 reset=orderly powercut traced cpus=3 \
                patience=7 quick framebuffer=off \
                pmem.emulate=256M@512M run=crash,selftest break=hang";
    assert_eq!(
        accepted(text),
        Options {
            seed: 42,
            cycles: 9,
            crash: Crash::Event {
                phase: Phase::Recovery,
                first: 1,
                last: 900
            },
            reset: Reset::Orderly,
            powercut: true,
            traced: true,
            cpus: Some(3),
            patience: 7,
            quick: true,
            permits: Permits::default(),
            emulate: PhysRange::new(PhysAddr(512 << 20), 256 << 20),
            run: Parts {
                selftest: true,
                crash: true,
                bench: false
            },
            fault: Fault::Hang,
            framebuffer: false,
        }
    );
}

#[test]
fn comments_line_ends_and_padding_are_no_words() {
    let text = "\u{feff}# made by hand\r\nseed=1 # not seed=2\r\n\r\n\tquick=no\0\0";
    assert_eq!(
        accepted(text),
        Options {
            seed: 1,
            ..Options::default()
        }
    );
}

#[test]
fn the_last_of_two_contradicting_words_wins() {
    let text = format!("seed=1 seed=2 pmem.format={TOKEN} pmem.format=none");
    assert_eq!(accepted(&text).seed, 2);
    assert_eq!(accepted(&text).permits, Permits::default());
}

const TOKEN: &str = "0123456789abcdef-fedcba9876543210";

#[test]
fn a_token_is_read_as_it_is_written() {
    let token = Token::parse(TOKEN).expect("a token");
    assert_eq!(token.to_string(), TOKEN);
    let permits = accepted(&format!("pmem.format={TOKEN}")).permits;
    assert!(permits.contains(token) && permits.speaks_of(token.region));
    assert!(!permits.speaks_of(token.digest));
    assert!(!permits.contains(Token { digest: 0, ..token }));
}

#[test]
fn tokens_of_several_regions_add_up_to_a_limit() {
    let token = |region| Token { region, digest: 5 };
    let words = |count| -> String {
        let words = (0..count).map(|region| format!("pmem.format={} ", token(region)));
        words.collect()
    };
    let most = MOST_TOKENS as u64;
    let permits = accepted(&words(most)).permits;
    assert!((0..most).all(|region| permits.contains(token(region))));
    // The one that is left out is as right as the others: the limit is to blame.
    let words = words(most + 1);
    let [complaint] = complaints(&words)[..] else {
        panic!("{words}");
    };
    let complaint = complaint.to_string();
    assert!(complaint.contains(&token(most).to_string()), "{complaint}");
    assert!(complaint.contains("no more than 16 tokens"), "{complaint}");
    assert!(!complaint.contains("possible"), "{complaint}");
}

#[test]
fn of_several_lists_of_names_the_last_one_wins_unless_it_has_no_room() {
    let permits = accepted("pmem.overwrite=gpt pmem.overwrite=ext4").permits;
    assert!(permits.overwrite.contains("ext4") && !permits.overwrite.contains("gpt"));

    let long = |bytes| format!("pmem.overwrite=gpt pmem.overwrite={}", "x".repeat(bytes));
    let fits = accepted(&long(NAME_BYTES)).permits;
    assert!(fits.overwrite.contains(&"x".repeat(NAME_BYTES)));
    let words = long(NAME_BYTES + 1);
    let complaint = complaints(&words)[0].to_string();
    assert!(
        complaint.contains("no more than 512 bytes of names"),
        "{complaint}"
    );
}

#[test]
fn names_of_marks_are_compared_as_a_whole() {
    let permits = accepted("pmem.overwrite=gpt,ext4").permits;
    for (name, is_named) in [
        ("gpt", true),
        ("ext4", true),
        ("ext", false),
        ("pt,e", false),
    ] {
        assert_eq!(permits.overwrite.contains(name), is_named, "{name}");
    }
    assert!(!accepted("").permits.overwrite.contains("gpt"));
}

#[test]
fn a_crash_at_one_event_is_a_range_of_one() {
    let crash = accepted("crash=format:7").crash;
    assert_eq!(crash, accepted("crash=format:7-7").crash);
    assert!(matches!(
        crash,
        Crash::Event {
            phase: Phase::Format,
            first: 7,
            last: 7
        }
    ));
    assert_eq!(accepted("crash=host").crash, Crash::Host);
    assert_eq!(accepted("crash=host crash=timer").crash, Crash::Timer);
}

/// What may follow `crash=`.
const CRASHES: &str = "timer, host, PHASE:N, PHASE:FIRST-LAST with a phase of \
                       format, recovery, run, shutdown";

#[test]
fn an_unknown_key_names_the_known_ones() {
    let complaint = complaints("sead=1")[0].to_string();
    assert!(complaint.contains("\"sead\""), "{complaint}");
    assert!(complaint.contains("seed, cycles"), "{complaint}");
}

#[test]
fn a_wrong_value_leaves_the_default_and_says_what_is_possible() {
    for (text, expected) in [
        ("seed", "a number"),
        ("seed=-1", "a number"),
        ("seed=+1", "a number"),
        ("seed=99999999999999999999", "a number"),
        ("cycles=5000000000", "a number"),
        ("crash=whenever", CRASHES),
        ("crash=run", CRASHES),
        ("crash=run:0", CRASHES),
        ("crash=run:3-2", CRASHES),
        ("crash=sleep:1", CRASHES),
        ("reset=maybe", "any, orderly, triple-fault"),
        ("powercut=perhaps", "on, off"),
        ("traced=2", "on, off"),
        ("cpus=0", "a number from 1"),
        ("quick=maybe", "on, off"),
        ("framebuffer=2", "on, off"),
        ("pmem.format=yes", "none, blank, any, or a token"),
        ("pmem.format", "none, blank, any, or a token"),
        (
            "pmem.format=0123456789abcdef-+edcba9876543210",
            "none, blank, any, or a token",
        ),
        ("pmem.overwrite=", "names of marks, with commas"),
        ("pmem.emulate=1G", "SIZE@ADDRESS"),
        ("pmem.emulate=0@1G", "SIZE@ADDRESS"),
        ("pmem.emulate=M@G", "SIZE@ADDRESS"),
        ("pmem.emulate=16777216T@0", "SIZE@ADDRESS"),
        ("pmem.emulate=1@0xffffffffffffffff", "SIZE@ADDRESS"),
        ("pmem.emulate=1é@0", "SIZE@ADDRESS"),
        ("run=everything", "selftest,crash,bench"),
        ("run=", "selftest,crash,bench"),
        (
            "break=dance",
            "none, panic, hang, silent, deaf, machine-check",
        ),
        ("patience=0", "a number from 1"),
    ] {
        let found = complaints(text);
        assert!(
            matches!(found[..], [Complaint::Value { expected: e, .. }] if e == expected),
            "{text}: {found:?}"
        );
        assert_eq!(Options::parse(text, |_| ()), Options::default(), "{text}");
    }
}

#[test]
fn one_bad_word_does_not_spoil_the_others() {
    let text = "colour=red seed=7 cycles=many";
    assert_eq!(complaints(text).len(), 2);
    assert_eq!(Options::parse(text, |_| ()).seed, 7);
}

proptest! {
    #[test]
    fn no_text_makes_reading_fail(text in "\\PC*") {
        Options::parse(&text, |complaint| drop(complaint.to_string()));
    }

    #[test]
    fn no_value_makes_reading_fail(
        key in prop::sample::select(std::vec!["pmem.format", "pmem.overwrite", "pmem.emulate", "seed"]),
        value in "[0-9a-fA-F,@x+-]{0,160}",
    ) {
        Options::parse(&format!("{key}={value}"), |complaint| drop(complaint.to_string()));
    }

    #[test]
    fn every_token_comes_back_as_it_was_written(region: u64, digest: u64) {
        let token = Token { region, digest };
        prop_assert_eq!(Token::parse(&token.to_string()), Some(token));
    }
}
