//! One run of the benchmark, from the first case to the files.

use std::time::Instant;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use persist::Volatile;

use super::{
    Args,
    case::{Case, Workload, frames},
    churn::Churn,
    count::{self, Count, Extent},
    cycle::Cycle,
    failing::{AtOrder, FailingGets, prepare},
    field::{Entry, Field},
    fragmentation::{Wear, Worn, wear_out},
    processor,
    provenance::Provenance,
    race::Race,
    recovery::Crashed,
    report::{self, Figures},
    rival::{Design, GlobalBuddy, Linux, Llfree, Lock, RandomRows},
    schedule::Scale,
    targets::{self, RANDOM_LOAD},
    unit::RandomLoads,
    weight::Weight,
};

type Claiming = Llfree<Volatile, true>;
type PerOperation = Llfree<Volatile, false>;

/// Measures all that is wanted, prints and writes it.
pub(super) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let scale = args.scale();
    let mut session = Session {
        race: Race::new(scale.effort, args.seed)?,
        processors: processor::available()?.len(),
        scale,
        progress: progress(),
    };
    session.times(args)?;
    let fragmentation = session.fragmentation(args)?;
    let counts = session.counts(args)?;
    session.progress.finish_and_clear();

    let race = session.race;
    let verdicts = targets::judge(&race);
    let figures = Figures {
        provenance: Provenance::collect(args.seed, scale.effort, race.clock),
        quick: args.quick,
        memory_per_gib: args.wants(Workload::Memory).then(Weight::measure),
        fragmentation,
        counts,
        violations: race.violations.clone(),
        targets: verdicts.iter().map(Into::into).collect(),
    };
    let tables = report::tables(&race, &verdicts, &figures);
    println!("{tables}");
    let out = args.out();
    report::write(&out, &tables, &race, &figures)?;
    println!(
        "wrote {} after {:.1} s",
        out.display(),
        start.elapsed().as_secs_f64()
    );

    let violations = race.violations.len();
    ensure!(
        violations == 0,
        "{violations} measurements were invalid, see above"
    );
    let lost: Vec<&Count> = figures
        .counts
        .iter()
        .filter(|count| count.exceeds())
        .collect();
    ensure!(
        lost.is_empty(),
        "fast paths have gained locked instructions: {lost:?}"
    );
    Ok(())
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} {msg}");
    ProgressBar::new_spinner().with_style(style.expect("a valid template"))
}

/// A run in progress.
struct Session {
    race: Race,
    processors: usize,
    scale: &'static Scale,
    progress: ProgressBar,
}

impl Session {
    /// Measures everything that is a time.
    fn times(&mut self, args: &Args) -> Result<()> {
        for workload in [Workload::Bulk, Workload::Repeat, Workload::Random] {
            if args.wants(workload) {
                self.cycles(workload)?;
            }
        }
        if args.wants(Workload::Churn) {
            self.churns()?;
        }
        for state in [Workload::Full, Workload::Fragmented] {
            if args.wants(state) {
                self.failing(state)?;
            }
        }
        if args.wants(Workload::Recovery) {
            self.recoveries()?;
        }
        Ok(())
    }

    fn measure(&mut self, case: &Case, entries: Vec<Entry<'_>>) -> Result<()> {
        self.progress.set_message(case.to_string());
        self.progress.tick();
        self.race.run(case, entries)
    }

    fn cycles(&mut self, workload: Workload) -> Result<()> {
        let cases = self.scale.cycles(workload, self.processors);
        let largest = cases.iter().map(Case::frames).max().unwrap_or(0);
        let mut field = Field::new(largest, self.processors);
        for case in &cases {
            let entries = field.entries(case, &Cycle(case))?;
            self.measure(case, entries)?;
        }
        Ok(())
    }

    fn churns(&mut self) -> Result<()> {
        for case in &self.scale.churns(self.processors) {
            self.progress.set_message(format!("preparing {case}"));
            self.progress.tick();
            let mut field = Field::new(case.frames(), case.threads);
            let mut entries = field.entries(case, &Churn(case))?;
            entries.push(random_load(case));
            self.measure(case, entries)?;
        }
        Ok(())
    }

    /// Measures failing gets, on fewer rivals: only their size makes them
    /// interesting, and the others' metadata of 64 GiB weigh 1 GiB.
    fn failing(&mut self, state: Workload) -> Result<()> {
        for &gib in self.scale.failing_gib {
            self.progress
                .set_message(format!("preparing {} zones, {gib} GiB", state.name()));
            self.progress.tick();
            let frames = frames(gib);
            let mut memories = (
                Claiming::memory(frames, 1),
                PerOperation::memory(frames, 1),
                Linux::<Lock>::memory(frames, 1),
            );
            let mut zones: [(&str, Box<dyn FailingGets + '_>); 3] = [
                (
                    Claiming::NAME,
                    Box::new(prepare::<Claiming>(&mut memories.0, frames, state)?),
                ),
                (
                    PerOperation::NAME,
                    Box::new(prepare::<PerOperation>(&mut memories.1, frames, state)?),
                ),
                (
                    Linux::<Lock>::NAME,
                    Box::new(prepare::<Linux<Lock>>(&mut memories.2, frames, state)?),
                ),
            ];
            for case in self.scale.failing(state, gib) {
                let entries = zones.iter_mut().map(|(name, zone)| {
                    zone.exhaust(case.order());
                    let at_order = AtOrder {
                        zone: zone.as_mut(),
                        order: case.order(),
                    };
                    Entry {
                        name,
                        contestant: Box::new(at_order),
                    }
                });
                let entries = entries.collect();
                self.measure(&case, entries)?;
            }
        }
        Ok(())
    }

    fn recoveries(&mut self) -> Result<()> {
        for case in &self.scale.recoveries(self.processors) {
            let crashed = Box::new(Crashed::new(case)?);
            self.measure(
                case,
                vec![Entry {
                    name: Claiming::NAME,
                    contestant: crashed,
                }],
            )?;
        }
        Ok(())
    }

    fn fragmentation(&mut self, args: &Args) -> Result<Vec<Worn>> {
        let mut worn = Vec::new();
        if !args.wants(Workload::Fragmentation) {
            return Ok(worn);
        }
        for fill in [50, 90] {
            let wear = Wear {
                gib: self.scale.gib,
                rounds: self.scale.wear_rounds,
                fill,
            };
            self.progress
                .set_message(format!("fragmentation at {fill} %"));
            self.progress.tick();
            let reference = wear_out::<PerOperation>(wear, args.seed)?;
            let control = wear_out::<RandomRows>(wear, args.seed)?;
            ensure!(
                fill != 50 || !control.is_enough(&reference),
                "rows taken at random would pass, with {:.3} of the huge frames: the test tells nothing",
                control.share()
            );
            worn.push(wear_out::<Claiming>(wear, args.seed)?);
            worn.push(reference);
            worn.push(wear_out::<Linux<Lock>>(wear, args.seed)?);
            worn.push(wear_out::<GlobalBuddy>(wear, args.seed)?);
            worn.push(control);
        }
        Ok(worn)
    }

    fn counts(&mut self, args: &Args) -> Result<Vec<Count>> {
        // Stepping takes long; a quick run does it only when asked, and not for all.
        let asked = args.only.contains(&Workload::Counts);
        if !args.wants(Workload::Counts) || (args.quick && !asked) {
            return Ok(Vec::new());
        }
        let extent = if args.quick {
            Extent::Limited
        } else {
            Extent::Everything
        };
        count::all(extent, |name| {
            self.progress.set_message(format!("counting {name}"));
            self.progress.tick();
        })
    }
}

/// Loads from an array as large as the zone's bitfield.
fn random_load(case: &Case) -> Entry<'static> {
    let loads = RandomLoads::new(case.frames() / 8);
    Entry {
        name: RANDOM_LOAD,
        contestant: Box::new(loads),
    }
}
