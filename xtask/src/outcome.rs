//! How a run ended, as a person reads it and as an exit status.
//!
//! A run passes only if the kernel said so in its last record and the host found
//! nothing against it. Everything else is a different failure with a different
//! cure, so each has a message and a status of its own; in particular silence is
//! never a pass.

use std::{fmt, process::ExitCode, time::Duration};

use record::LineError;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The verdict is pass, and the host's own judgement agrees.
    Pass {
        /// The verdict's reason.
        reason: String,
    },
    /// The kernel's verdict is fail, or it reported a violation.
    Fail {
        /// The verdict's reason, or the violation.
        reason: String,
    },
    /// The kernel panicked.
    Panic {
        /// What it said.
        message: String,
    },
    /// The guest did not end within its bounds.
    Hang {
        /// The bound that was reached.
        bound: Bound,
        /// The last line on the console.
        last: String,
    },
    /// The guest ended without a verdict.
    NoVerdict {
        /// How it ended.
        how: String,
        /// The last line on the console.
        last: String,
    },
    /// A line bears the marker of a record and is none.
    Malformed(LineError),
    /// The host read the persistent file itself and found a violation.
    HostDisagrees {
        /// What it found.
        what: String,
    },
    /// QEMU did not get as far as starting the guest.
    NotStarted {
        /// What QEMU said.
        said: String,
    },
    /// The guest booted more often than it was to be crashed.
    Rebooted {
        /// Boots that were planned, the first included.
        planned: u32,
    },
    /// The host killed QEMU, as it was asked to.
    Killed,
    /// The verdict is pass, but records that belong together did not all arrive.
    Incomplete {
        /// What is missing.
        what: String,
    },
}

/// A bound that ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// So long without a line on the console.
    Silence(Duration),
    /// So long altogether.
    Total(Duration),
}

impl Outcome {
    /// The exit status of this outcome; 2 is left to usage errors.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Pass { .. } => 0,
            Self::Fail { .. } => 1,
            Self::Panic { .. } => 3,
            Self::Hang { .. } => 4,
            Self::NoVerdict { .. } => 5,
            Self::Malformed(_) => 6,
            Self::HostDisagrees { .. } => 7,
            Self::NotStarted { .. } => 8,
            Self::Rebooted { .. } => 9,
            Self::Killed => 10,
            Self::Incomplete { .. } => 11,
        }
    }

    /// Whether the run passed.
    pub(crate) fn passed(&self) -> bool {
        self.status() == 0
    }
}

impl From<&Outcome> for ExitCode {
    fn from(outcome: &Outcome) -> Self {
        Self::from(outcome.status())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass { reason } => write!(f, "pass: {reason}"),
            Self::Fail { reason } => write!(f, "fail: {reason}"),
            Self::Panic { message } => write!(f, "guest panic: {message}"),
            Self::Hang { bound, last } => write!(f, "guest hangs: {bound}; last line: {last:?}"),
            Self::NoVerdict { how, last } => {
                write!(f, "ended without a verdict: {how}; last line: {last:?}")
            }
            Self::Malformed(error) => error.fmt(f),
            Self::HostDisagrees { what } => write!(f, "host judge disagrees: {what}"),
            Self::NotStarted { said } => write!(f, "QEMU did not start the guest: {said}"),
            Self::Rebooted { planned } => {
                write!(f, "unplanned reboot: more than the {planned} boots planned")
            }
            Self::Killed => f.write_str("QEMU killed, as asked for"),
            Self::Incomplete { what } => write!(f, "records are incomplete: {what}"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(time) => write!(f, "silent for {} s", time.as_secs()),
            Self::Total(time) => write!(f, "not finished after {} s", time.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn one_of_each() -> Vec<Outcome> {
        let text = String::new;
        vec![
            Outcome::Pass { reason: text() },
            Outcome::Fail { reason: text() },
            Outcome::Panic { message: text() },
            Outcome::Hang {
                bound: Bound::Total(Duration::from_secs(1)),
                last: text(),
            },
            Outcome::NoVerdict {
                how: text(),
                last: text(),
            },
            Outcome::Malformed(record::parse("@record {").unwrap_err()),
            Outcome::HostDisagrees { what: text() },
            Outcome::NotStarted { said: text() },
            Outcome::Rebooted { planned: 1 },
            Outcome::Killed,
            Outcome::Incomplete { what: text() },
        ]
    }

    #[test]
    fn every_outcome_has_a_status_and_a_message_of_its_own() {
        let outcomes = one_of_each();
        let statuses: BTreeSet<_> = outcomes.iter().map(Outcome::status).collect();
        let messages: BTreeSet<_> = outcomes.iter().map(ToString::to_string).collect();
        assert_eq!(statuses.len(), outcomes.len());
        assert_eq!(messages.len(), outcomes.len());
    }

    #[test]
    fn only_a_pass_is_status_zero_and_usage_errors_keep_two() {
        for outcome in one_of_each() {
            let is_pass = matches!(outcome, Outcome::Pass { .. });
            assert_eq!(outcome.passed(), is_pass, "{outcome}");
            assert_ne!(outcome.status(), 2, "{outcome}");
        }
    }
}
