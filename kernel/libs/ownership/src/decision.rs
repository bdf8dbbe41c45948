//! What to do with a range.

use core::fmt;

use llfree::media::OpenError;
use options::{Names, Permits, Standing, Token};

use crate::{Content, Finding, marks::Sightings};

/// The name of foreign data that has no name.
pub const UNKNOWN: &str = "unknown";

/// Where permission to format comes from.
#[derive(Clone, Copy, Debug)]
pub enum Permission<'p> {
    /// From tokens, which speak of what was there when they were given.
    Tokens(&'p Permits),
    /// From the range itself: it is DRAM that the command line names as a stand-in
    /// for persistent memory, and what is in it by accident is nobody's.
    StandIn,
}

/// What to do with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the crate has no heap, and a machine few ranges"
)]
pub enum Decision {
    /// Recover the zone that is there.
    Recover {
        /// Whether a token for the range was given, and ignored.
        token_ignored: bool,
    },
    /// Format it: all that it holds is lost.
    Format,
    /// Leave it alone.
    Refuse(Refusal),
}

/// Why a range is left alone; nothing has been written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it holds.
    pub content: Content,
    /// What is missing for a permission.
    pub missing: Missing,
    /// The token that permits to format it.
    pub token: Token,
}

/// What is missing for a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A token.
    Token,
    /// A token that speaks of what is there now.
    ValidToken,
    /// Names of foreign marks besides the token.
    Names,
    /// There is none: it is ours, and may be saved.
    Nothing,
}

/// Decides, given what the command line permits.
pub fn decide(finding: &Finding, permission: Permission<'_>) -> Decision {
    let missing = match (finding.content, permission) {
        // Whatever is permitted: the permission was for what was there before.
        (Content::Ours, _) => {
            let token_ignored = match permission {
                Permission::Tokens(permits) => permits.speaks_of(finding.token.region),
                Permission::StandIn => false,
            };
            return Decision::Recover { token_ignored };
        }
        // Ours but unreadable may hold what a newer build or a repair can save.
        (Content::OtherVersion(_) | Content::Damaged, _) => Some(Missing::Nothing),
        (_, Permission::StandIn) => None,
        (_, Permission::Tokens(permits)) => missing(finding, permits),
    };
    match missing {
        None => Decision::Format,
        Some(missing) => Decision::Refuse(Refusal {
            content: finding.content,
            missing,
            token: finding.token,
        }),
    }
}

fn missing(finding: &Finding, permits: &Permits) -> Option<Missing> {
    let standing = match finding.content {
        // What has a name has to be named.
        Content::Foreign { marks, .. } if !marks.is_empty() => None,
        Content::Foreign { .. } => Some(Standing::Any),
        _ => Some(Standing::Blank),
    };
    if standing.is_some_and(|needed| permits.standing >= needed) {
        return None;
    }
    if !permits.speaks_of(finding.token.region) {
        return Some(Missing::Token);
    }
    match finding.content {
        // What was there is lost since the first attempt, whose token may finish it.
        Content::Unfinished => None,
        _ if !permits.contains(finding.token) => Some(Missing::ValidToken),
        Content::Foreign { marks, .. } if !all_named(&marks, &permits.overwrite) => {
            Some(Missing::Names)
        }
        _ => None,
    }
}

fn all_named(marks: &Sightings, names: &Names) -> bool {
    if marks.is_empty() {
        return names.contains(UNKNOWN);
    }
    marks
        .iter()
        .all(|sighting| names.contains(sighting.mark.name))
}

impl Refusal {
    /// Returns the words of the command line that permit to format the range, if
    /// anything does.
    pub fn words(&self) -> Option<Words> {
        match self.content {
            Content::Blank | Content::Unfinished => Some(Words {
                token: self.token,
                overwrite: None,
            }),
            Content::Foreign { marks, .. } => Some(Words {
                token: self.token,
                overwrite: Some(marks),
            }),
            Content::Ours | Content::OtherVersion(_) | Content::Damaged => None,
        }
    }
}

/// The words of a command line that permit to format a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    token: Token,
    overwrite: Option<Sightings>,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pmem.format={}", self.token)?;
        let Some(marks) = &self.overwrite else {
            return Ok(());
        };
        f.write_str(" pmem.overwrite=")?;
        if marks.is_empty() {
            return f.write_str(UNKNOWN);
        }
        for (index, sighting) in marks.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", sighting.mark.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("is ours"),
            Self::Blank => f.write_str("is blank wherever we looked"),
            Self::Unfinished => f.write_str("was never formatted to the end"),
            Self::OtherVersion(version) => {
                let cause = OpenError::Unknown { version: *version };
                write!(f, "can't be read: {cause}")
            }
            Self::Damaged => write!(f, "can't be read: {}", OpenError::Damaged),
            Self::Foreign { marks, offset } if marks.is_empty() => {
                write!(f, "holds unknown data (at offset {offset:#x})")
            }
            Self::Foreign { marks, .. } => {
                for (index, sighting) in marks.iter().enumerate() {
                    let before = if index == 0 { "holds " } else { ", " };
                    let (mark, offset) = (sighting.mark, sighting.offset);
                    write!(f, "{before}{} ({} at {offset:#x})", mark.meaning, mark.name)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, nothing was written", self.content)?;
        match self.missing {
            Missing::Token => f.write_str("; ")?,
            Missing::ValidToken => {
                f.write_str("; its token is void: not given for what is there now; ")?;
            }
            Missing::Names => {
                f.write_str("; besides its token, what is to be lost has to be named; ")?;
            }
            Missing::Nothing => {}
        }
        match (self.words(), self.content) {
            (Some(words), Content::Foreign { .. }) => {
                write!(f, "back it up and say `{words}` to overwrite it")
            }
            (Some(words), _) => write!(f, "say `{words}` to format it"),
            (None, Content::OtherVersion(_)) => f.write_str(
                "; use the version that made it, or clear its first and last 4 KiB to give it up",
            ),
            (None, _) => f.write_str("; clear its first and last 4 KiB to give it up"),
        }
    }
}
