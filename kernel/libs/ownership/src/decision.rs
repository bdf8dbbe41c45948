//! What to do with a range.

use core::fmt;

use llfree::media::OpenError;
use options::Format;

use crate::Content;

/// What to do with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Recover the zone that is there.
    Recover,
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
}

/// Decides, given what the command line permits.
pub fn decide(content: Content, permission: Format) -> Decision {
    match (content, permission) {
        // Whatever is permitted: the permission was for what was there before.
        (Content::Ours, _) => Decision::Recover,
        (Content::Blank | Content::Unfinished, Format::Blank | Format::Any)
        | (Content::Foreign { .. }, Format::Any) => Decision::Format,
        // Ours but unreadable may hold what a newer build or a repair can save.
        (Content::OtherVersion(_) | Content::Damaged, _)
        | (Content::Blank | Content::Unfinished | Content::Foreign { .. }, _) => {
            Decision::Refuse(Refusal { content })
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNTOUCHED: &str = "nothing was written";
        match self.content {
            Content::Foreign { offset } => write!(
                f,
                "holds data that is not ours (at offset {offset:#x}), {UNTOUCHED}; back it up \
                 and say pmem.format=any to overwrite it"
            ),
            Content::Blank => write!(f, "is blank, {UNTOUCHED}; say pmem.format=blank to use it"),
            Content::Unfinished => write!(
                f,
                "was never formatted to the end, {UNTOUCHED}; say pmem.format=blank to format \
                 it again"
            ),
            Content::OtherVersion(version) => {
                let cause = OpenError::Unknown { version };
                write!(
                    f,
                    "can't be read: {cause}, {UNTOUCHED}; use the version that made it, or clear \
                     its first and last 4 KiB"
                )
            }
            Content::Damaged => write!(
                f,
                "can't be read: {}, {UNTOUCHED}; clear its first and last 4 KiB to give it up",
                OpenError::Damaged
            ),
            Content::Ours => f.write_str("is ours"),
        }
    }
}
