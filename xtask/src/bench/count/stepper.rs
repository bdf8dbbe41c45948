//! Steps through a process and looks at each instruction.

use std::{
    collections::HashMap,
    env,
    fs::File,
    os::unix::fs::FileExt as _,
    process::{Child, Command},
};

use anyhow::{Context as _, Result, bail, ensure};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use nix::{
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{
    Count,
    probe::{MARK, Probe},
};

/// Bytes of the longest instruction; Intel SDM vol. 2A, section 2.3.11.
const LONGEST: usize = 15;

/// Runs a probe and counts what it executes between its second and third mark.
/// What lies between the first and the second is the cost of the marks.
pub(super) fn count(probe: &Probe) -> Result<Count> {
    let mut tracee = Tracee::start(probe)?;
    let marks = tracee.step_to_mark()?;
    let work = tracee.step_to_mark()?;
    tracee.finish()?;
    let beyond = |work: u64, marks: u64| {
        work.checked_sub(marks)
            .context("less than nothing was executed")
    };
    Ok(Count {
        alloc: probe.alloc.clone(),
        op: probe.op.name(),
        order: probe.order,
        ops: probe.ops(),
        instructions: beyond(work.instructions, marks.instructions)?,
        locked: beyond(work.locked, marks.locked)?,
    })
}

/// What was executed between two marks.
#[derive(Clone, Copy, Debug, Default)]
struct Executed {
    instructions: u64,
    locked: u64,
}

/// A probe under our control; killed when dropped.
struct Tracee {
    child: Child,
    pid: Pid,
    code: Code,
}

impl Tracee {
    /// Starts a probe and lets it run to its first mark.
    fn start(probe: &Probe) -> Result<Self> {
        let program = env::current_exe().context("cannot find the own executable")?;
        let child = Command::new(program)
            .args(["bench", "--host", "--probe", &probe.to_string()])
            .spawn()
            .context("cannot start the probe")?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a process number")?);
        let memory = File::open(format!("/proc/{pid}/mem"));
        let memory = memory.context("cannot read the probe's memory; is ptrace permitted here?")?;
        let tracee = Self {
            child,
            pid,
            code: Code {
                memory,
                known: HashMap::new(),
            },
        };
        match tracee.wait()? {
            Stop::Mark => Ok(tracee),
            Stop::Step => bail!("the probe stopped before its first mark"),
        }
    }

    /// Steps to the next mark.
    fn step_to_mark(&mut self) -> Result<Executed> {
        let mut executed = Executed::default();
        let mut last = None;
        loop {
            let at = ptrace::getregs(self.pid)
                .context("cannot read the registers")?
                .rip;
            let kind = self.code.at(at)?;
            // A repeated string instruction stops once an iteration.
            if !(kind.repeats && last == Some(at)) {
                executed.instructions += 1;
                executed.locked += u64::from(kind.locked);
            }
            last = Some(at);
            ptrace::step(self.pid, None).context("cannot step")?;
            match self.wait()? {
                Stop::Step => {}
                Stop::Mark => return Ok(executed),
            }
        }
    }

    /// Waits until the probe stops.
    fn wait(&self) -> Result<Stop> {
        match waitpid(self.pid, None).context("cannot wait for the probe")? {
            WaitStatus::Stopped(_, MARK) => Ok(Stop::Mark),
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(Stop::Step),
            other => bail!("the probe ended too early: {other:?}"),
        }
    }

    /// Lets the probe run to its end.
    fn finish(mut self) -> Result<()> {
        ptrace::cont(self.pid, None).context("cannot continue the probe")?;
        let status = self.child.wait().context("cannot wait for the probe")?;
        ensure!(status.success(), "the probe failed: {status}");
        Ok(())
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        // Already gone if it has finished; there is nothing to do about errors.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why the probe stopped.
enum Stop {
    Step,
    Mark,
}

/// The instructions of the probe, decoded once each.
struct Code {
    memory: File,
    known: HashMap<u64, Kind>,
}

/// What matters of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    locked: bool,
    repeats: bool,
}

impl Code {
    fn at(&mut self, address: u64) -> Result<Kind> {
        if let Some(&kind) = self.known.get(&address) {
            return Ok(kind);
        }
        let mut bytes = [0; LONGEST];
        let read = self.memory.read_at(&mut bytes, address);
        let len = read.with_context(|| format!("cannot read the instruction at {address:#x}"))?;
        let kind = Kind::of(&bytes[..len]);
        self.known.insert(address, kind);
        Ok(kind)
    }
}

impl Kind {
    /// Decodes the first instruction in `bytes`.
    fn of(bytes: &[u8]) -> Self {
        let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        Self {
            locked: instruction.has_lock_prefix() || locks_by_itself(&instruction),
            repeats: instruction.has_rep_prefix() || instruction.has_repne_prefix(),
        }
    }
}

/// Returns whether this is an exchange with memory, which needs no prefix; Intel
/// SDM vol. 2, `XCHG`.
fn locks_by_itself(instruction: &Instruction) -> bool {
    let operands = 0..instruction.op_count();
    instruction.mnemonic() == Mnemonic::Xchg
        && operands
            .into_iter()
            .any(|op| instruction.op_kind(op) == OpKind::Memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_instructions_are_told_from_others() {
        let locked = |bytes: &[u8]| Kind::of(bytes).locked;
        assert!(
            locked(&[0xf0, 0x48, 0x0f, 0xb1, 0x0f]),
            "lock cmpxchg [rdi], rcx"
        );
        assert!(locked(&[0xf0, 0x48, 0xff, 0x07]), "lock inc qword [rdi]");
        assert!(locked(&[0x48, 0x87, 0x07]), "xchg [rdi], rax");
        assert!(!locked(&[0x48, 0x87, 0xc8]), "xchg rax, rcx");
        assert!(!locked(&[0x48, 0x0f, 0xb1, 0x0f]), "cmpxchg [rdi], rcx");
        assert!(!locked(&[0x48, 0x89, 0x07]), "mov [rdi], rax");
    }

    #[test]
    fn string_instructions_are_recognised() {
        assert!(Kind::of(&[0xf3, 0xaa]).repeats, "rep stosb");
        assert!(!Kind::of(&[0xaa]).repeats, "stosb");
    }
}
