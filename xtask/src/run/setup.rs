//! From flags to a machine: images, files, firmware.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build::{Artifacts, BuildOptions},
    command_line::{self, CommandLine, Permission},
    image,
    machine::{Engine, Machine, Medium, Module, ModuleKind},
    options::{Accel, Boot, Size, name_of},
    results::RunDir,
    tools, workspace,
};

use super::{Args, Voice, permit, probe};

/// A machine and the files that it runs on.
pub(super) struct Setup {
    /// The machine.
    pub(super) machine: Machine,
    /// Persistent files that this run made itself.
    fresh: Vec<PathBuf>,
}

impl Setup {
    /// Makes the files and chooses the engine.
    pub(super) fn prepare(
        args: &Args,
        artifacts: &Artifacts,
        dir: &RunDir,
        voice: Voice,
    ) -> Result<Self> {
        let mut setup = Self::describe(args, artifacts, dir.path())?;
        for module in &setup.machine.modules {
            if setup.fresh.contains(&module.file) {
                make_sparse(&module.file, module.size)?;
            }
        }
        let line = command_line(args, permission(args, &setup.machine, artifacts, dir)?);
        match &mut setup.machine.medium {
            Medium::Disk { image, .. } => image::write(artifacts, &line.text(), image)?,
            Medium::Direct { command_line, .. } => *command_line = line.line(),
        }
        setup.machine.engine = match args.accel {
            Accel::Tcg => Engine::Tcg,
            Accel::Kvm => Engine::Kvm,
            Accel::Auto => probe::engine(&setup.machine, dir, voice)?,
        };
        Ok(setup)
    }

    /// The machine as it will be, without making anything.
    pub(super) fn expected(args: &Args) -> Result<Self> {
        let artifacts = Artifacts::expected(&build_options(args));
        let dir = workspace::output().join("run/latest");
        let mut setup = Self::describe(args, &artifacts, &dir)?;
        if args.accel == Accel::Kvm {
            setup.machine.engine = Engine::Kvm;
        }
        Ok(setup)
    }

    fn describe(args: &Args, artifacts: &Artifacts, dir: &Path) -> Result<Self> {
        let mut modules = Vec::new();
        let mut fresh = Vec::new();
        for (index, size) in args.fresh().into_iter().enumerate() {
            let file = dir.join(format!("pmem{index}.img"));
            fresh.push(file.clone());
            modules.push(module(args, file, size));
        }
        if let Some(file) = &args.pmem_file {
            modules.push(module(args, file.clone(), size_of(file)?));
        }
        let machine = Machine {
            qemu: tools::qemu()?,
            engine: Engine::Tcg,
            medium: medium(args, artifacts, dir)?,
            cpus: args.cpus,
            memory: args.memory,
            nodes: args.numa,
            modules,
            persistence: args.tests.persistence,
            tables: args.tests.acpitable.clone(),
            firmware: args.tests.firmware.clone(),
            display: args.display,
            lean: false,
            trace: None,
            gdb: args.gdb,
        };
        Ok(Self { machine, fresh })
    }

    /// The persistent files that the host can judge.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let modules = self.machine.modules.iter();
        modules.map(|module| module.file.clone()).collect()
    }

    /// Removes what only a post-mortem needs: the persistent files that this run
    /// made, and the disk.
    pub(super) fn remove_images(&self) -> Result<()> {
        let disk = match &self.machine.medium {
            Medium::Disk { image, .. } => Some(image),
            Medium::Direct { .. } => None,
        };
        for file in self.fresh.iter().chain(disk) {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }
}

/// What to build for a run.
pub(super) fn build_options(args: &Args) -> BuildOptions {
    BuildOptions {
        mutant: args.tests.mutant.as_ref().map(name_of),
        ..BuildOptions::default()
    }
}

fn module(args: &Args, file: PathBuf, size: Size) -> Module {
    let kind = if args.tests.unlisted {
        ModuleKind::Unlisted
    } else {
        ModuleKind::Nvdimm {
            label: args.tests.label_size,
            unarmed: args.tests.unarmed,
        }
    };
    Module { file, size, kind }
}

/// The size of a file that is to be an NVDIMM.
fn size_of(file: &Path) -> Result<Size> {
    const PAGE: u64 = 4096;
    let name = file.display();
    let metadata = fs::metadata(file)
        .with_context(|| format!("cannot use {name}; make one with `truncate -s 1G {name}`"))?;
    let bytes = metadata.len();
    ensure!(
        bytes != 0 && bytes % PAGE == 0,
        "{name} has {bytes} bytes; an NVDIMM needs a multiple of {PAGE}"
    );
    Ok(Size::bytes(bytes))
}

fn make_sparse(path: &Path, size: Size) -> Result<()> {
    let file = File::create(path);
    file.and_then(|file| file.set_len(size.as_bytes()))
        .with_context(|| format!("cannot make {} with {size}", path.display()))
}

/// What the guest may format.
fn permission(
    args: &Args,
    machine: &Machine,
    artifacts: &Artifacts,
    dir: &RunDir,
) -> Result<Permission> {
    Ok(match (&args.pmem_file, args.format) {
        (None, _) => Permission::Blank,
        (Some(_), false) => Permission::None,
        // Nothing but the injected table is to keep the guest from writing.
        (Some(_), true) if args.tests.unlisted => Permission::Blank,
        (Some(_), true) => Permission::Tokens(permit::words(machine, artifacts, dir)?),
    })
}

fn command_line(args: &Args, format: Permission) -> CommandLine {
    CommandLine {
        seed: args.seed,
        cycles: args.cycles,
        patience: args.tests.patience,
        quick: args.quick,
        parts: args.tests.parts.clone(),
        format,
        emulate: args
            .is_emulated()
            .then(|| command_line::stand_in(args.memory)),
        fault: args.tests.fault,
        further: args.tests.word.clone(),
    }
}

fn medium(args: &Args, artifacts: &Artifacts, dir: &Path) -> Result<Medium> {
    Ok(match args.boot {
        Boot::Pvh => Medium::Direct {
            loader: artifacts.pvh.clone(),
            kernel: artifacts.kernel_elf.clone(),
            // Until it is known what may be formatted.
            command_line: command_line(args, Permission::None).line(),
        },
        Boot::Uefi => Medium::Disk {
            firmware: tools::firmware()?,
            image: dir.join("boot.img"),
            drive: args.tests.drive,
        },
    })
}
