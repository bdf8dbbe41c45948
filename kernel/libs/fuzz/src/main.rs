//! libFuzzer in front of one target, which the environment names.
//!
//! libFuzzer has a command line of its own, so what is ours comes in two
//! variables: `FUZZ_TARGET` names the target, and `FUZZ_SEEDS` a directory that
//! the target's seeds are written to before libFuzzer reads it. Without a target
//! the program lists them all, a line each: name, most bytes of an input, and
//! `control` for a mistake made on purpose.
#![no_main]

use std::{env, fs, path::Path, process, sync::OnceLock};

use fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: { CHOSEN.get_or_init(choose); },
    |data: &[u8]| (CHOSEN.get_or_init(choose).run)(data)
);

fn choose() -> Target {
    let Ok(name) = env::var("FUZZ_TARGET") else {
        list();
    };
    let Some(target) = fuzz::target(&name) else {
        eprintln!("no target is called `{name}`");
        process::exit(2);
    };
    if let Some(dir) = env::var_os("FUZZ_SEEDS")
        && let Err(error) = write_seeds(target, Path::new(&dir))
    {
        eprintln!("cannot write the seeds: {error}");
        process::exit(2);
    }
    target
}

fn list() -> ! {
    for target in TARGETS {
        let kind = if target.control { "control" } else { "parser" };
        println!("{} {} {kind}", target.name, target.max_len);
    }
    process::exit(0)
}

fn write_seeds(target: Target, dir: &Path) -> std::io::Result<()> {
    for (number, seed) in (target.seeds)().iter().enumerate() {
        fs::write(dir.join(format!("seed{number}")), seed)?;
    }
    Ok(())
}
