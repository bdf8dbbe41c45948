use std::{format, string::ToString};

use llfree::media::Version;
use options::{Options, Permits, Token};

use crate::{Content, Decision, Finding, Missing, Permission, Sightings, decide};

const TOKEN: Token = Token {
    region: 0xabc,
    digest: 0x123,
};
const STALE: Token = Token {
    digest: 0x124,
    ..TOKEN
};
const OTHERS: Token = Token {
    region: 0xabd,
    ..TOKEN
};
const FOREIGN: Content = Content::Foreign {
    marks: Sightings::NONE,
    offset: 0x200,
};
const UNREADABLE: [Content; 2] = [
    Content::Damaged,
    Content::OtherVersion(Version {
        major: 9,
        minor: 0,
        incompatible: 0,
    }),
];

fn permits(text: &str) -> Permits {
    Options::parse(text, |complaint| panic!("{complaint}")).permits
}

fn with_token(token: Token) -> Permits {
    permits(&format!("pmem.format={token}"))
}

fn decided(content: Content, permits: &Permits) -> Decision {
    let finding = Finding {
        place: 0..4096,
        adopted: false,
        content,
        token: TOKEN,
    };
    decide(&finding, Permission::Tokens(permits))
}

fn missing(content: Content, permits: &Permits) -> Option<Missing> {
    match decided(content, permits) {
        Decision::Refuse(refusal) => Some(refusal.missing),
        _ => None,
    }
}

#[test]
fn nothing_is_formatted_without_a_token() {
    let none = [
        permits(""),
        permits("pmem.overwrite=unknown"),
        with_token(OTHERS),
    ];
    for permits in none {
        for content in [Content::Blank, Content::Unfinished, FOREIGN] {
            assert_eq!(missing(content, &permits), Some(Missing::Token));
        }
    }
}

#[test]
fn a_standing_permission_covers_what_is_blank_and_foreign_data_only_as_any() {
    let (blank, any) = (permits("pmem.format=blank"), permits("pmem.format=any"));
    for content in [Content::Blank, Content::Unfinished] {
        assert_eq!(decided(content, &blank), Decision::Format);
        assert_eq!(decided(content, &any), Decision::Format);
    }
    assert_eq!(missing(FOREIGN, &blank), Some(Missing::Token));
    assert_eq!(decided(FOREIGN, &any), Decision::Format);
    for content in UNREADABLE {
        assert_eq!(missing(content, &any), Some(Missing::Nothing));
    }
}

#[test]
fn a_token_is_void_once_anything_has_changed() {
    let permits = with_token(STALE);
    for content in [Content::Blank, FOREIGN] {
        assert_eq!(missing(content, &permits), Some(Missing::ValidToken));
    }
    // Control: the very same content with the token that it has now.
    assert_eq!(
        decided(Content::Blank, &with_token(TOKEN)),
        Decision::Format
    );
}

#[test]
fn the_token_that_began_a_format_may_finish_it() {
    let decision = decided(Content::Unfinished, &with_token(STALE));
    assert_eq!(decision, Decision::Format);
}

#[test]
fn data_without_a_name_has_to_be_called_unknown() {
    let token = format!("pmem.format={TOKEN} pmem.overwrite=");
    assert_eq!(missing(FOREIGN, &with_token(TOKEN)), Some(Missing::Names));
    let wrong = permits(&format!("{token}ext4"));
    assert_eq!(missing(FOREIGN, &wrong), Some(Missing::Names));
    let right = permits(&format!("{token}unknown"));
    assert_eq!(decided(FOREIGN, &right), Decision::Format);
}

#[test]
fn what_is_ours_is_recovered_and_a_token_for_it_ignored() {
    for (permits, token_ignored) in [
        (permits(""), false),
        (with_token(OTHERS), false),
        (with_token(TOKEN), true),
        (with_token(STALE), true),
    ] {
        assert_eq!(
            decided(Content::Ours, &permits),
            Decision::Recover { token_ignored }
        );
    }
}

#[test]
fn a_zone_of_ours_that_is_unreadable_is_never_formatted_over() {
    for content in UNREADABLE {
        let permits = permits(&format!("pmem.format={TOKEN} pmem.overwrite=unknown"));
        assert_eq!(missing(content, &permits), Some(Missing::Nothing));
        let finding = Finding {
            place: 0..4096,
            adopted: false,
            content,
            token: TOKEN,
        };
        let decision = decide(&finding, Permission::StandIn);
        assert!(matches!(decision, Decision::Refuse(_)));
    }
}

#[test]
fn a_stand_in_in_dram_needs_no_token() {
    for content in [Content::Blank, Content::Unfinished, FOREIGN] {
        let finding = Finding {
            place: 0..4096,
            adopted: false,
            content,
            token: TOKEN,
        };
        assert_eq!(decide(&finding, Permission::StandIn), Decision::Format);
    }
}

#[test]
fn a_refusal_says_what_is_there_that_nothing_was_written_and_what_to_do() {
    let token = TOKEN.to_string();
    for (content, there, advice) in [
        (Content::Blank, "blank", &*token),
        (Content::Unfinished, "never formatted", &token),
        (FOREIGN, "0x200", "pmem.overwrite=unknown"),
        (Content::Damaged, "neither copy", "clear"),
        (UNREADABLE[1], "format 9.0", "the version that made it"),
    ] {
        let Decision::Refuse(refusal) = decided(content, &Permits::default()) else {
            panic!("{content:?} is not refused");
        };
        let text = refusal.to_string();
        for part in [there, "nothing was written", advice] {
            assert!(text.contains(part), "{text}");
        }
    }
}
