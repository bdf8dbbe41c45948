//! Whether hardware virtualisation works, found out by booting.
//!
//! That `/dev/kvm` opens says little: on some virtual machines it opens and the
//! firmware dies with an internal error. So the very machine that is to run is
//! booted under KVM, without its persistent memory, up to the kernel's first
//! record; only then is KVM chosen.

use std::time::Duration;

use anyhow::Result;

use crate::{
    machine::{Engine, Machine},
    outcome::Outcome,
    results::RunDir,
    session::Bounds,
};

use super::{
    Voice,
    recorder::{Kill, Recorder},
};

/// Longest that a boot under hardware virtualisation may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the engine that boots `machine`.
///
/// # Errors
///
/// Returns an error where the host fails. That KVM does not work is none.
pub(super) fn engine(machine: &Machine, dir: &RunDir, voice: Voice) -> Result<Engine> {
    let mut probe = machine.clone();
    probe.engine = Engine::Kvm;
    probe.modules.clear();
    let bounds = Bounds {
        silence: Some(PATIENCE),
        total: Some(PATIENCE),
        boots: 1,
    };
    let mut recorder = Recorder::create(dir, Vec::new(), Voice::Quiet, Kill::AtFirstRecord)?;
    let outcome = super::watch(&probe, dir, bounds, &mut recorder)?;
    let engine = match outcome {
        // The first record arrived, or even the last one.
        Outcome::Killed | Outcome::Pass { .. } => Engine::Kvm,
        _ => Engine::Tcg,
    };
    if voice == Voice::Terminal {
        match engine {
            Engine::Kvm => println!("accel: kvm, the probe booted"),
            Engine::Tcg => println!("accel: tcg, since a probe under kvm did not boot: {outcome}"),
        }
    }
    Ok(engine)
}
