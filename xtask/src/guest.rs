//! A guest as a child process with two lines to the outside.
//!
//! The console and QEMU's machine protocol are both inherited sockets: standard
//! output carries the console, standard input the protocol. There is no path to
//! clean up, no port to collide, and no moment in which one end waits for the
//! other to come into being. Any program that writes lines to its standard
//! output is a guest too, which is how the tests of the session fake one.
//!
//! [`Guest::next`] waits for both at once and hands out the console first: what
//! the guest said before an event is seen before that event.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::unix::{net::UnixStream, process::CommandExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, set_parent_process_death_signal},
};

use crate::qmp::{Message, Qmp};

/// A running guest; dropping it kills the process.
pub(crate) struct Guest {
    child: Child,
    console: Lines,
    control: Option<Qmp>,
}

/// What a guest does next.
#[derive(Debug)]
pub(crate) enum Event {
    /// It wrote a line on its console.
    Line(String),
    /// Its machine said something.
    Control(Message),
    /// It closed its console: the process ends.
    Closed,
    /// Nothing until the deadline.
    Deadline,
}

/// Whether the program speaks QEMU's machine protocol on its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// It does.
    Qmp,
    /// It does not: a fake guest.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests fake guests"))]
    Absent,
}

impl Guest {
    /// Starts `command`, its standard error going to `errors`.
    pub(crate) fn start(command: &mut Command, control: Control, errors: File) -> io::Result<Self> {
        let (console, output) = UnixStream::pair()?;
        console.set_nonblocking(true)?;
        command.stdout(Stdio::from(std::os::fd::OwnedFd::from(output)));
        command.stderr(errors);
        let control = match control {
            Control::Absent => {
                command.stdin(Stdio::null());
                None
            }
            Control::Qmp => {
                let (ours, theirs) = UnixStream::pair()?;
                command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
                Some(Qmp::new(ours)?)
            }
        };
        die_with_parent(command);
        let child = command.spawn()?;
        // `command` still holds the guest's ends, which would keep the sockets
        // open after the guest has gone.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self {
            child,
            console: Lines::new(console),
            control,
        })
    }

    /// Waits for the next event, at most until `deadline`.
    pub(crate) fn next(&mut self, deadline: Instant) -> io::Result<Event> {
        loop {
            // In this order: what the guest said before a message of its machine
            // is in the console's socket by the time the message can be read.
            if let Some(control) = &mut self.control {
                control.fill()?;
            }
            self.console.fill()?;
            if let Some(line) = self.console.next_line() {
                return Ok(Event::Line(line));
            }
            if let Some(message) = self.control.as_mut().and_then(Qmp::next_message) {
                return Ok(Event::Control(message));
            }
            if self.console.closed {
                return Ok(Event::Closed);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(Event::Deadline);
            }
            self.wait(rest)?;
        }
    }

    /// Waits until there is something to read.
    fn wait(&self, time: Duration) -> io::Result<()> {
        let mut sources = vec![PollFd::new(&self.console.stream, PollFlags::IN)];
        if let Some(control) = self.control.as_ref().filter(|control| !control.is_closed()) {
            sources.push(PollFd::new(control.stream(), PollFlags::IN));
        }
        let time =
            Timespec::try_from(time).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        match poll(&mut sources, Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a command to the machine; a fake guest does not hear it.
    pub(crate) fn send(&mut self, command: &str, arguments: &serde_json::Value) -> io::Result<()> {
        match &mut self.control {
            Some(control) => control.send(command, arguments),
            None => Ok(()),
        }
    }

    /// Waits for the end of the process; one that lingers after it closed its
    /// console is killed.
    pub(crate) fn end(&mut self) -> io::Result<ExitStatus> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // There is no event to wait for: the sockets are closed already.
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill()
    }

    /// Kills the process, as a power failure would.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

/// Lets the kernel kill the child when the thread that starts it ends: a test run
/// that is itself killed must not leave virtual machines behind, and then nobody
/// drops anything.
fn die_with_parent(command: &mut Command) {
    let arm = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: between fork and exec only async-signal-safe functions may run, and
    // nothing may rely on other threads; `arm` is one system call that allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(arm) };
}

impl Drop for Guest {
    fn drop(&mut self) {
        // An error here means that the process has gone, which is the purpose.
        let _gone = self.kill();
    }
}

/// Bytes of a stream, cut into lines.
pub(crate) struct Lines {
    stream: UnixStream,
    bytes: Vec<u8>,
    closed: bool,
}

/// Longest line that is waited for; more than any record has.
const LONGEST_LINE: usize = 1 << 20;

impl Lines {
    /// Returns the lines of `stream`, which must not block.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            closed: false,
        }
    }

    /// Reads all that is there.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        while !self.closed {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(len) => self.bytes.extend_from_slice(&chunk[..len]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    // The other end has gone with words of ours unread.
                    ErrorKind::ConnectionReset => self.closed = true,
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Takes the next complete line, or the rest once the stream is closed.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n');
        let len = match end {
            Some(end) => end + 1,
            None if self.closed || self.bytes.len() > LONGEST_LINE => self.bytes.len(),
            None => 0,
        };
        if len == 0 {
            return None;
        }
        let line: Vec<u8> = self.bytes.drain(..len).collect();
        let text = String::from_utf8_lossy(&line);
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Whether the other end has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The stream, to wait for or to write to.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Guest {
        let errors = tempfile::tempfile().expect("a temporary file");
        Guest::start(
            Command::new("sh").args(["-c", script]),
            Control::Absent,
            errors,
        )
        .expect("a shell")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn lines_arrive_whole_and_the_rest_arrives_at_the_end() {
        let mut guest = shell(r"printf 'one\r\ntw'; printf 'o\nthr'");
        for expected in ["one", "two", "thr"] {
            let event = guest.next(soon()).expect("readable");
            assert!(
                matches!(&event, Event::Line(line) if line == expected),
                "{event:?}"
            );
        }
        assert!(matches!(guest.next(soon()), Ok(Event::Closed)));
        assert!(guest.end().expect("a status").success());
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let mut guest = shell("sleep 60");
        let deadline = Instant::now() + Duration::from_millis(50);
        assert!(matches!(guest.next(deadline), Ok(Event::Deadline)));
    }

    #[test]
    fn a_dropped_guest_is_dead() {
        let guest = shell("exec sleep 60");
        let process = format!("/proc/{}", guest.child.id());
        assert!(std::path::Path::new(&process).exists());
        drop(guest);
        assert!(!std::path::Path::new(&process).exists());
    }

    #[test]
    fn a_guest_does_not_outlive_whoever_started_it() {
        let starter = std::thread::spawn(|| {
            let guest = shell("exec sleep 60");
            let id = guest.child.id();
            // As if this process had been killed: nothing is dropped.
            std::mem::forget(guest);
            id
        });
        let id = starter.join().expect("an identity");
        let status = format!("/proc/{id}/stat");
        let is_dead = || std::fs::read_to_string(&status).is_ok_and(|stat| stat.contains(") Z "));
        let deadline = soon();
        while !is_dead() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(is_dead());
    }
}
