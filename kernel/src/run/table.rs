//! The summary, for people at the console.
//!
//! The host computes the figures that count; this is what somebody sees who has
//! only a screen: the median over the repetitions of what an operation took.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use record::{Sample, Workload};

use super::report::Report;
use crate::{arch::tsc::Clock, log::info};

/// What is shown in one line.
type Key<'s> = (&'s str, Workload, u8, u32);

/// Prints what was measured and judged.
pub(super) fn print(report: &Report, clock: &Clock) {
    crashes(report);
    samples(report, clock);
}

fn crashes(report: &Report) {
    if report.crashes().is_empty() {
        return;
    }
    info!(
        "summary",
        "{:<7} {:>5} {:<12} {:>12} {:>6} {:>6} {:>7} {:>6} {:>6}",
        "zone",
        "crash",
        "reset",
        "acknowledged",
        "owned",
        "lost",
        "doubled",
        "leaked",
        "bound"
    );
    for crash in report.crashes() {
        info!(
            "summary",
            "{:<7} {:>5} {:<12} {:>12} {:>6} {:>6} {:>7} {:>6} {:>6}",
            crash.zone,
            crash.cycle,
            crash.reset,
            crash.acknowledged,
            crash.owned,
            crash.lost,
            crash.doubled,
            crash.leaked,
            crash.bound
        );
    }
}

fn samples(report: &Report, clock: &Clock) {
    let counted = report.samples().iter().filter(|sample| !sample.warmup);
    let mut rows = BTreeMap::<Key<'_>, Vec<&Sample>>::new();
    for sample in counted {
        let key = (
            sample.zone.as_str(),
            sample.workload,
            sample.order,
            sample.cpus,
        );
        rows.entry(key).or_default().push(sample);
    }
    if rows.is_empty() {
        return;
    }
    let unit = if clock.hz() == 0 {
        "ticks of a clock of unknown speed"
    } else {
        "ns"
    };
    let trust = if clock.is_trustworthy() {
        ""
    } else {
        " (functional only: emulated or variable clock)"
    };
    info!("summary", "medians in {unit} per operation{trust}");
    info!(
        "summary",
        "{:<7} {:<8} {:>5} {:>10} {:>9} {:>9}",
        "zone",
        "workload",
        "order",
        "processors",
        "get",
        "put"
    );
    for ((zone, workload, order, cpus), samples) in &rows {
        let get = median(samples, |sample| sample.get_ticks, clock);
        let put = match workload {
            Workload::Repeat => String::from("in get"),
            Workload::Bulk | Workload::Random => median(samples, |sample| sample.put_ticks, clock),
        };
        let workload = format!("{workload:?}");
        info!(
            "summary",
            "{zone:<7} {workload:<8} {order:>5} {cpus:>10} {get:>9} {put:>9}"
        );
    }
}

/// Returns the median time of an operation, over processors and repetitions.
fn median(samples: &[&Sample], ticks: impl Fn(&Sample) -> u64, clock: &Clock) -> String {
    let per_operation = |sample: &&Sample| ticks(sample) as f64 / sample.ops.max(1) as f64;
    let mut times: Vec<f64> = samples.iter().map(per_operation).collect();
    times.sort_by(f64::total_cmp);
    let middle = times[times.len() / 2];
    let figure = match clock.hz() {
        0 => middle,
        hz => middle * 1e9 / hz as f64,
    };
    format!("{figure:.1}")
}
