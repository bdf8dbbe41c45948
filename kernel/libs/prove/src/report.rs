//! What a scenario came to, as lines that another program can read.
//!
//! ```text
//! @progress scenario=… done=… of=…
//! @control name=… how=… broken=… found=… tried=…
//! @row scenario=… schedules=… …
//! @fault scenario=… seed=… what=…        the rest of the line
//! ```

use std::time::Duration;

use crate::controls::Control;
use crate::crash::Counts;

/// Something that must not happen, in the shortest run that shows it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// The seed that replays it.
    pub(crate) seed: String,
    pub(crate) what: String,
    pub(crate) operations: usize,
    pub(crate) steps: usize,
    pub(crate) schedule: String,
    pub(crate) story: Vec<String>,
}

/// A row of the summary.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) schedules: u64,
    /// Runs that were given up because they would have repeated others.
    pub(crate) cut_short: u64,
    /// Whether no other schedule exists, up to exchanges that make no difference.
    pub(crate) complete: bool,
    pub(crate) steps: u64,
    pub(crate) operations: u64,
    /// Whether the power fails at all.
    pub(crate) power_fails: bool,
    pub(crate) crashes: Counts,
    pub(crate) violations: u64,
    pub(crate) seconds: f64,
    pub(crate) fault: Option<Fault>,
}

impl Control {
    /// Writes what came of a control.
    pub(crate) fn print(&self) {
        println!(
            "@control name={} how={} broken={} found={} tried={}",
            self.name,
            self.how,
            u8::from(self.broken),
            u8::from(self.found),
            self.tried
        );
    }
}

impl Row {
    /// A row of nothing so far.
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            schedules: 0,
            cut_short: 0,
            complete: false,
            steps: 0,
            operations: 0,
            power_fails: false,
            crashes: Counts::default(),
            violations: 0,
            seconds: 0.0,
            fault: None,
        }
    }

    /// Says how far it is, of 1000.
    pub(crate) fn progress(&self, goal: u64, elapsed: Duration, most: Duration) {
        let by_time = elapsed.as_secs_f64() / most.as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let by_count = self.schedules as f64 / goal.max(1) as f64;
        let done = (by_time.max(by_count).min(1.0) * 1000.0).round();
        println!("@progress scenario={} done={done} of=1000", self.scenario);
    }

    /// Writes the row, and the fault if there is one.
    pub(crate) fn print(&self) {
        let Counts {
            points,
            sampled,
            images,
            distinct,
            nested,
            shared,
            tails,
        } = self.crashes;
        println!(
            "@row scenario={} schedules={} cut_short={} complete={} crashes={} steps={} \
             operations={} \
             points={points} sampled={sampled} images={images} distinct={distinct} \
             nested1={} nested2={} nested3={} shared={shared} tails={tails} violations={} seconds={:.1}",
            self.scenario,
            self.schedules,
            self.cut_short,
            u8::from(self.complete),
            u8::from(self.power_fails),
            self.steps,
            self.operations,
            nested[0],
            nested[1],
            nested[2],
            self.violations,
            self.seconds
        );
        if let Some(fault) = &self.fault {
            let Fault { seed, what, .. } = fault;
            println!(
                "@fault scenario={} seed={seed} operations={} steps={} what={what}",
                self.scenario, fault.operations, fault.steps
            );
            println!("    schedule {}", fault.schedule);
            for line in &fault.story {
                println!("    {line}");
            }
        }
    }
}
