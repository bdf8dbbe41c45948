//! Commentary and records, the two things that a kernel says.
//!
//! Commentary is for people and free to change: `subsystem: what happened, values
//! with units`. Records are for programs and defined in `record`. They never mix:
//! a line is one or the other.

use record::Record;

use crate::console::{self, Audience};

/// Reports what happened, once a phase.
macro_rules! info {
    ($subsystem:literal, $($text:tt)+) => {
        $crate::console::line(
            $crate::console::Audience::People,
            ::core::format_args!("{}: {}", $subsystem, ::core::format_args!($($text)+)),
        )
    };
}

/// Reports a fallback that was taken, and which.
macro_rules! warning {
    ($subsystem:literal, $($text:tt)+) => {
        $crate::log::info!($subsystem, "warning: {}", ::core::format_args!($($text)+))
    };
}

pub(crate) use {info, warning as warn};

/// Emits a record.
pub(crate) fn record(record: &Record) {
    let line = record::to_line(record);
    console::line(Audience::Programs, format_args!("{line}"));
}
