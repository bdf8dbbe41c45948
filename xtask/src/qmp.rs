//! QEMU's machine protocol, as much of it as a run needs.
//!
//! The protocol is one JSON object a line in either direction. Four commands and
//! five events are used here, and events must be waited for together with the
//! console; a generated binding of the whole protocol would be the larger part
//! of this program and would still have to be fed by hand. Replies are looked at
//! for errors only: what counts is the event that follows.
//!
//! See "QEMU QMP Reference Manual", `set-action`, `system_reset`, `SHUTDOWN`.

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::guest::Lines;

/// One end of a connection to QEMU.
pub(crate) struct Qmp {
    lines: Lines,
}

/// What QEMU says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The guest asked for a reset, by whatever way; the machine is paused.
    GuestReset,
    /// The guest powered off; the machine is paused.
    GuestPowerOff,
    /// The guest reported a panic; the machine is paused.
    GuestPanicked,
    /// The machine is shut down for another reason, such as a closed window.
    ShutDown(String),
    /// The processors stand still.
    Stopped,
    /// The machine was reset.
    Reset,
    /// A command failed.
    Refused(String),
}

impl Qmp {
    /// Opens the conversation on `stream`.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut qmp = Self {
            lines: Lines::new(stream),
        };
        // Commands are accepted only after this one; QEMU reads it once it is up.
        qmp.send("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Sends a command. A peer that has gone is no error: its end is an event of
    /// its own.
    pub(crate) fn send(&mut self, command: &str, arguments: &Value) -> io::Result<()> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        match self.lines.stream().write_all(line.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Reads all that is there.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        self.lines.fill()
    }

    /// Takes the next message that matters.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        std::iter::from_fn(|| self.lines.next_line()).find_map(|line| interpret(&line))
    }

    /// Whether QEMU has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    /// The stream, to wait for.
    pub(crate) fn stream(&self) -> &UnixStream {
        self.lines.stream()
    }
}

/// The fields of any line from QEMU that are looked at.
#[derive(Deserialize)]
struct Line {
    event: Option<String>,
    #[serde(default)]
    data: Data,
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    reason: String,
}

/// Returns the message of a line, or `None` for replies, greetings and events
/// that don't matter.
fn interpret(line: &str) -> Option<Message> {
    let parsed: Line = match serde_json::from_str(line) {
        Ok(parsed) => parsed,
        Err(error) => return Some(Message::Refused(format!("{error} in {line:?}"))),
    };
    if let Some(error) = parsed.error {
        return Some(Message::Refused(error.to_string()));
    }
    match (parsed.event?.as_str(), parsed.data.reason.as_str()) {
        ("SHUTDOWN", "guest-reset") => Some(Message::GuestReset),
        ("SHUTDOWN", "guest-shutdown") => Some(Message::GuestPowerOff),
        // The panic itself was reported by an event before.
        ("SHUTDOWN", "guest-panic") => None,
        // Our own `quit`.
        ("SHUTDOWN", "host-qmp-quit") => None,
        ("SHUTDOWN", reason) => Some(Message::ShutDown(reason.to_owned())),
        ("GUEST_PANICKED", _) => Some(Message::GuestPanicked),
        ("STOP", _) => Some(Message::Stopped),
        ("RESET", _) => Some(Message::Reset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = r#""timestamp": {"seconds": 1, "microseconds": 2}"#;

    fn event(name: &str, data: &str) -> Option<Message> {
        interpret(&format!(
            r#"{{{STAMP}, "event": "{name}", "data": {data}}}"#
        ))
    }

    #[test]
    fn reset_and_power_off_are_told_apart_by_their_reason() {
        let shutdown = |reason| {
            event(
                "SHUTDOWN",
                &format!(r#"{{"guest": true, "reason": "{reason}"}}"#),
            )
        };
        assert_eq!(shutdown("guest-reset"), Some(Message::GuestReset));
        assert_eq!(shutdown("guest-shutdown"), Some(Message::GuestPowerOff));
        let closed = Message::ShutDown("host-ui".to_owned());
        assert_eq!(shutdown("host-ui"), Some(closed));
    }

    #[test]
    fn a_panic_is_not_taken_for_a_power_off() {
        let panicked = event("GUEST_PANICKED", r#"{"action": "pause"}"#);
        assert_eq!(panicked, Some(Message::GuestPanicked));
    }

    #[test]
    fn greetings_and_replies_are_no_messages() {
        assert_eq!(
            interpret(r#"{"QMP": {"version": {}, "capabilities": []}}"#),
            None
        );
        assert_eq!(interpret(r#"{"return": {}}"#), None);
        assert_eq!(event("RTC_CHANGE", r#"{"offset": 0}"#), None);
    }

    #[test]
    fn refusals_and_nonsense_are_noticed() {
        let refusal = r#"{"error": {"class": "GenericError", "desc": "no"}}"#;
        assert!(matches!(interpret(refusal), Some(Message::Refused(_))));
        assert!(matches!(interpret("{"), Some(Message::Refused(_))));
    }
}
