//! Whose a persistent range is.
//!
//! It may be somebody's file system. Nothing is written to it unless it is ours
//! already, or the command line says that what is there may go. Permission is
//! given once and read at every boot; it must therefore never format what has
//! become ours in the meantime.

use alloc::{format, string::String};

use llfree::media::{OpenError, State};
use options::Format;
use plan::ZonePlacement;

use super::look::Content;

/// What to do with a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Recover what is there.
    Recover,
    /// Format it: all that it holds is lost.
    Format,
    /// Leave it alone, for this reason.
    Refuse(String),
}

/// Decides.
pub(super) fn decide(zone: &ZonePlacement, content: Content, permission: Format) -> Decision {
    match (content, permission) {
        (Content::Known(State::Ready(_)), _) => Decision::Recover,
        (Content::Blank | Content::Known(State::Formatting), Format::Blank | Format::Any)
        | (Content::Foreign { .. }, Format::Any) => Decision::Format,
        (content, _) => Decision::Refuse(refusal(zone, content)),
    }
}

fn refusal(zone: &ZonePlacement, content: Content) -> String {
    let (name, range) = (zone.name, zone.range);
    match content {
        Content::Foreign { offset } => format!(
            "{name} at {range} holds data that is not ours (at offset {offset:#x}), nothing was \
             written; back it up and say pmem.format=any to overwrite it"
        ),
        Content::Blank => format!(
            "{name} at {range} is blank, nothing was written; say pmem.format=blank to use it"
        ),
        Content::Known(State::Formatting) => format!(
            "{name} at {range} was never formatted to the end, nothing was written; say \
             pmem.format=blank to format it again"
        ),
        Content::Known(State::Unknown(version)) => {
            let cause = OpenError::Unknown { version };
            format!(
                "{name} at {range} is left alone: {cause}; use the version that has made it, or \
                 clear its first and last 4 KiB"
            )
        }
        Content::Known(_) => {
            let cause = OpenError::Damaged;
            format!(
                "{name} at {range} is left alone: {cause}; clear its first and last 4 KiB to give \
                 it up"
            )
        }
    }
}
