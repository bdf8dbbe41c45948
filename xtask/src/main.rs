//! Builds, runs, tests and judges Perennial.
//!
//! Records of a kernel become results here: one file a subcommand, dispatch only
//! in this one. The flags' descriptions are the manual: `cargo xtask help run`.

mod bench;
mod build;
mod command_line;
mod crash;
mod figures;
mod fuzz;
mod guest;
mod image;
mod inspect;
mod install;
mod judge;
#[cfg(test)]
mod layering;
mod machine;
mod make;
mod ongoing;
mod options;
mod outcome;
mod page;
mod pe;
mod prove;
mod qmp;
mod results;
mod run;
mod session;
mod shell;
mod summary;
mod test;
mod tools;
mod trace;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Builds, runs, tests and judges Perennial.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Subcommand {
    Run(run::Args),
    Test(test::Args),
    Crash(crash::Args),
    Trace(trace::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Prove(prove::Args),
    Image(make::ImageArgs),
    Build(make::BuildArgs),
}

/// The exit status where the host fails: a build, a missing tool, a full disk. The
/// other statuses are those of a run's outcome.
const HOST_FAILED: u8 = 12;

fn main() -> ExitCode {
    let ended = match Subcommand::parse() {
        Subcommand::Run(args) => run::main(&args),
        Subcommand::Test(args) => test::main(&args),
        Subcommand::Crash(args) => crash::main(&args),
        Subcommand::Trace(args) => trace::main(&args),
        Subcommand::Bench(args) => bench::main(&args),
        Subcommand::Fuzz(args) => fuzz::main(&args),
        Subcommand::Prove(args) => prove::main(&args),
        Subcommand::Image(args) => make::image(&args),
        Subcommand::Build(args) => make::build(&args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(HOST_FAILED)
    })
}
