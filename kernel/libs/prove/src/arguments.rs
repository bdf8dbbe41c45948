//! The command line, which another program writes.

use std::time::Duration;

use crate::crash::Limits;
use crate::explore::Budget;
use crate::scenario::Scenario;
use crate::table::scenarios;

/// What to do.
#[derive(Debug)]
pub(crate) struct Arguments {
    only: Option<String>,
    pub(crate) budget: Budget,
    /// Threads of the host that work at the same time.
    pub(crate) workers: usize,
    /// The mistake that is made on purpose, in a build that has all of them.
    pub(crate) mutant: Option<String>,
    /// Whether to end with the first violation.
    pub(crate) until_killed: bool,
}

/// The longest time for a scenario in a slice, and in full.
const SECONDS: [u64; 2] = [20, 420];

impl Arguments {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// Says which one it does not know.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let limits = Limits {
            images: 24,
            cuts: 6,
            nested: 8,
            again: 512,
        };
        let budget = Budget {
            full: false,
            most: None,
            time: Duration::from_secs(SECONDS[0]),
            seed: 1,
            limits,
        };
        let mut arguments = Self {
            only: None,
            budget,
            workers: 2,
            mutant: None,
            until_killed: false,
        };
        while let Some(flag) = given.next() {
            let mut value = || given.next().ok_or(format!("{flag} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
            match &*flag {
                "--full" => {
                    arguments.budget.full = true;
                    arguments.budget.time = Duration::from_secs(SECONDS[1]);
                    arguments.budget.limits.images = 64;
                    arguments.budget.limits.cuts = 10;
                }
                "--until-killed" => arguments.until_killed = true,
                "--mutant" => arguments.mutant = Some(value()?),
                "--only" => arguments.only = Some(value()?),
                "--seed" => arguments.budget.seed = number(value()?)?,
                "--schedules" => arguments.budget.most = Some(number(value()?)?),
                "--seconds" => {
                    arguments.budget.time = Duration::from_secs(number(value()?)?);
                }
                "--workers" => {
                    let workers = number(value()?)?;
                    arguments.workers = usize::try_from(workers).unwrap_or(1);
                }
                _ => return Err(format!("unknown: {flag}")),
            }
        }
        if arguments.scenarios().is_empty() {
            let names: Vec<_> = scenarios().map(|scenario| scenario.name).collect();
            return Err(format!("there are the scenarios {}", names.join(", ")));
        }
        Ok(arguments)
    }

    /// Returns the scenarios to try: one, or those whose names begin like that.
    pub(crate) fn scenarios(&self) -> Vec<&'static Scenario> {
        let Some(name) = &self.only else {
            return scenarios().collect();
        };
        match scenarios().find(|scenario| scenario.name == name) {
            Some(scenario) => vec![scenario],
            None => scenarios()
                .filter(|scenario| scenario.name.starts_with(&**name))
                .collect(),
        }
    }
}
