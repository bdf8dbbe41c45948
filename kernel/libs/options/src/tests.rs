extern crate std;

use std::{string::ToString, vec::Vec};

use frame::{PhysAddr, PhysRange};

use super::{Complaint, Fault, Format, Options, Parts};

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
    assert_eq!(accepted("").format, Format::Never);
}

#[test]
fn every_option_is_read() {
    let text = "seed=0x2a cycles=9 cpus=3 quick framebuffer=off pmem.format=blank \
                pmem.emulate=256M@512M run=crash,selftest break=hang";
    assert_eq!(
        accepted(text),
        Options {
            seed: 42,
            cycles: 9,
            cpus: Some(3),
            quick: true,
            format: Format::Blank,
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
    assert_eq!(
        accepted("pmem.format=any pmem.format=none").format,
        Format::Never
    );
}

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
        ("cpus=0", "a number from 1"),
        ("quick=maybe", "on, off"),
        ("framebuffer=2", "on, off"),
        ("pmem.format=yes", "none, blank, any"),
        ("pmem.format", "none, blank, any"),
        ("pmem.emulate=1G", "SIZE@ADDRESS"),
        ("pmem.emulate=0@1G", "SIZE@ADDRESS"),
        ("pmem.emulate=M@G", "SIZE@ADDRESS"),
        ("pmem.emulate=16777216T@0", "SIZE@ADDRESS"),
        ("pmem.emulate=1@0xffffffffffffffff", "SIZE@ADDRESS"),
        ("pmem.emulate=1é@0", "SIZE@ADDRESS"),
        ("run=everything", "selftest,crash,bench"),
        ("run=", "selftest,crash,bench"),
        ("break=dance", "none, panic, hang, silent"),
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
