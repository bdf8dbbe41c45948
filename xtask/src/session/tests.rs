//! The session against fake guests: shell scripts that print what a kernel would.

use std::process::Command;

use record::{Verdict, Violation, to_line};

use super::*;

/// Keeps what it sees and finds nothing.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    records: usize,
    kill_at_record: Option<usize>,
    due: Option<Instant>,
}

impl Observer for Notes {
    fn line(&mut self, line: &str, record: Result<Option<&Record>, &LineError>) -> Result<()> {
        self.lines.push(line.to_owned());
        self.records += usize::from(matches!(record, Ok(Some(_))));
        if self.kill_at_record == Some(self.records) {
            self.due = Some(Instant::now());
        }
        Ok(())
    }

    fn paused(&mut self) -> Option<String> {
        None
    }

    fn kill_due(&self) -> Option<Instant> {
        self.due
    }
}

fn observed(script: &str, notes: &mut Notes) -> Outcome {
    let bounds = Bounds {
        silence: Some(Duration::from_millis(1500)),
        total: Some(Duration::from_secs(20)),
        boots: 2,
    };
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    let errors = tempfile::tempfile().expect("a temporary file");
    run(command, Control::Absent, &errors, bounds, notes).expect("the host does its part")
}

fn outcome(script: &str) -> Outcome {
    observed(script, &mut Notes::default())
}

fn says(record: &Record) -> String {
    format!("echo '{}'\n", to_line(record))
}

fn verdict(pass: bool) -> String {
    says(&Record::Verdict(Verdict {
        pass,
        reason: "because".into(),
        not_applicable: vec![],
    }))
}

fn boot() -> String {
    says(&Record::Boot(record::Boot {
        version: record::VERSION,
        commit: "0".into(),
        toolchain: "rustc".into(),
        loader: "pvh".into(),
        accelerator: "tcg".into(),
        cpu: "none".into(),
        processors: 1,
        memory: vec![],
        domain: "none".into(),
        tsc_hz: 0,
        timing: false,
        seed: 1,
        command_line: String::new(),
    }))
}

#[test]
fn a_pass_needs_the_verdict_and_an_end() {
    let because = "because".to_owned();
    assert_eq!(
        outcome(&(boot() + &verdict(true))),
        Outcome::Pass { reason: because }
    );
    let lingering = verdict(true) + "sleep 60";
    assert!(matches!(outcome(&lingering), Outcome::Hang { .. }));
}

#[test]
fn a_failed_verdict_is_a_failure_however_the_process_ends() {
    let failed = outcome(&(verdict(false) + "exit 0"));
    assert!(matches!(failed, Outcome::Fail { reason } if reason == "because"));
}

#[test]
fn a_violation_outweighs_a_pass() {
    let violation = says(&Record::Violation(Violation {
        place: "bench".into(),
        what: "frame 3 twice".into(),
    }));
    let failed = outcome(&(violation + &verdict(true)));
    assert!(matches!(failed, Outcome::Fail { reason } if reason == "bench: frame 3 twice"));
}

#[test]
fn a_panic_is_one_whether_the_guest_ends_or_lingers() {
    for after in ["exit 1", "sleep 60"] {
        let script = format!("echo 'panic: at main.rs:1: no frames'\n{after}");
        let expected = Outcome::Panic {
            message: "at main.rs:1: no frames".into(),
        };
        assert_eq!(outcome(&script), expected);
    }
}

#[test]
fn silence_is_a_hang_and_names_the_last_line() {
    let hang = outcome("echo 'smp: starting'\nsleep 60");
    let Outcome::Hang { bound, last } = hang else {
        panic!("{hang}");
    };
    assert!(matches!(bound, Bound::Silence(_)));
    assert_eq!(last, "smp: starting");
}

#[test]
fn chatter_without_end_reaches_the_total_bound() {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do echo again; sleep 0.1; done"]);
    let bounds = Bounds {
        silence: Some(Duration::from_secs(10)),
        total: Some(Duration::from_millis(500)),
        boots: 1,
    };
    let errors = tempfile::tempfile().expect("a temporary file");
    let hang = run(
        command,
        Control::Absent,
        &errors,
        bounds,
        &mut Notes::default(),
    );
    assert!(matches!(
        hang,
        Ok(Outcome::Hang {
            bound: Bound::Total(_),
            ..
        })
    ));
}

#[test]
fn an_end_without_verdict_is_never_a_pass() {
    let ended = outcome(&(boot() + "echo 'bench: done'; exit 0"));
    assert!(matches!(ended, Outcome::NoVerdict { last, .. } if last == "bench: done"));
}

#[test]
fn a_cut_record_ends_the_run() {
    let cut = outcome(r#"echo '@record {"kind":"verdict","pass":tr'; sleep 60"#);
    assert!(matches!(cut, Outcome::Malformed(_)), "{cut}");
    let unfinished = outcome(r#"printf '@record {"kind":"verd'"#);
    assert!(matches!(unfinished, Outcome::Malformed(_)), "{unfinished}");
}

#[test]
fn one_boot_more_than_planned_is_a_failure() {
    let twice = boot() + &boot() + &verdict(true);
    assert!(outcome(&twice).passed());
    let thrice = boot() + &twice;
    assert_eq!(outcome(&thrice), Outcome::Rebooted { planned: 2 });
}

#[test]
fn a_program_that_says_nothing_and_fails_did_not_start() {
    assert!(matches!(outcome("exit 1"), Outcome::NotStarted { .. }));
}

#[test]
fn a_due_kill_ends_the_run_there() {
    let mut notes = Notes {
        kill_at_record: Some(1),
        ..Notes::default()
    };
    let killed = observed(&(boot() + "echo more; sleep 60"), &mut notes);
    assert_eq!(killed, Outcome::Killed);
}

#[test]
fn a_host_that_finds_a_violation_contradicts_a_pass() {
    let mut session_facts = Facts {
        verdict: Some(Verdict {
            pass: true,
            reason: "because".into(),
            not_applicable: vec![],
        }),
        ..Facts::default()
    };
    session_facts.host = Some("zone 1: 3 lost".into());
    assert_eq!(
        session_facts.conclude("ended".into(), "last"),
        Outcome::HostDisagrees {
            what: "zone 1: 3 lost".into()
        }
    );
}
