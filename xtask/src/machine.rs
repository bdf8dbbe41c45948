//! A virtual machine as a value.
//!
//! Everything that makes one machine different from another is a field here, and
//! [`Machine::command`] is the only place where QEMU's options are written, each
//! with its reason. What two runs have in common they have in common by this
//! type, not by habit.

mod memory;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    options::{Drive, Persistence, Size},
    tools::Firmware,
};

pub(crate) use memory::{Module, ModuleKind};

/// A virtual machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The emulator.
    pub(crate) qemu: PathBuf,
    /// What executes the guest's instructions.
    pub(crate) engine: Engine,
    /// The way from power-on to the kernel.
    pub(crate) medium: Medium,
    /// Processors.
    pub(crate) cpus: u32,
    /// DRAM, over all nodes.
    pub(crate) memory: Size,
    /// NUMA nodes; processors, DRAM and modules are dealt out to them.
    pub(crate) nodes: u32,
    /// Memory modules on files.
    pub(crate) modules: Vec<Module>,
    /// What the platform promises when power fails.
    pub(crate) persistence: Persistence,
    /// Further ACPI tables.
    pub(crate) tables: Vec<PathBuf>,
    /// A directory with files that replace all of QEMU's tables.
    pub(crate) firmware: Option<PathBuf>,
    /// Whether to boot directly in half the time: without a screen, and by the
    /// smaller firmware that QEMU brings along.
    pub(crate) lean: bool,
    /// What writes down every store to the first module.
    pub(crate) trace: Option<Trace>,
    /// Whether to show the screen in a window.
    pub(crate) display: bool,
    /// Whether to wait for a debugger.
    pub(crate) gdb: bool,
}

/// A plugin that writes down what reaches the first module.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// The plugin.
    pub(crate) plugin: PathBuf,
    /// What it writes.
    pub(crate) out: PathBuf,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Emulation.
    Tcg,
    /// Hardware virtualisation.
    Kvm,
}

/// The way from power-on to the kernel.
#[derive(Clone, Debug)]
pub(crate) enum Medium {
    /// UEFI firmware and a disk.
    Disk {
        firmware: Firmware,
        image: PathBuf,
        drive: Drive,
    },
    /// QEMU's direct boot.
    Direct {
        loader: PathBuf,
        kernel: PathBuf,
        command_line: String,
    },
}

/// Who listens to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// A session, on inherited sockets.
    Session,
    /// A person who starts the command by hand.
    Terminal,
}

/// QEMU's options, in the making.
struct Options(Vec<OsString>);

impl Options {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }

    /// Adds an option that ends in the path of a file.
    fn with_path(&mut self, name: &str, start: &str, path: &Path) {
        let mut value = OsString::from(start);
        // A comma ends a suboption, and is doubled where it is meant.
        value.push(path.to_string_lossy().replace(',', ",,"));
        self.option(name, value);
    }
}

impl Machine {
    /// Returns the command that starts this machine.
    pub(crate) fn command(&self, listener: Listener) -> Command {
        let mut options = Options(Vec::new());
        self.platform(&mut options);
        self.memory_options(&mut options);
        self.medium_options(&mut options);
        self.outside(&mut options, listener);
        let mut command = Command::new(&self.qemu);
        command.args(options.0);
        command
    }

    fn platform(&self, options: &mut Options) {
        // The machine is what is written here, whatever the host's files say.
        options.flag("-no-user-config");
        options.flag("-nodefaults");
        // A PC with PCI Express, and with sockets for NVDIMMs where there are any.
        let mut machine = String::from("q35");
        if self.has_nvdimms() {
            machine += ",nvdimm=on";
            match self.persistence {
                Persistence::Cpu => machine += ",nvdimm-persistence=cpu",
                Persistence::MemCtrl => machine += ",nvdimm-persistence=mem-ctrl",
                // Then the NFIT has no capabilities structure at all.
                Persistence::None => {}
            }
        }
        if self.firmware.is_some() {
            // QEMU makes no tables, and its firmware takes those that it finds.
            machine += ",acpi=off";
        }
        options.option("-machine", machine);
        match self.engine {
            // A store must be written down before anything else happens.
            Engine::Tcg if self.trace.is_some() => {
                options.option("-accel", "tcg,thread=single");
            }
            // Processors really run at the same time, which races need.
            Engine::Tcg => options.option("-accel", "tcg,thread=multi"),
            Engine::Kvm => options.option("-accel", "kvm"),
        }
        match self.engine {
            // Everything that can be emulated: clwb, 1 GiB pages, rdtscp, la57.
            Engine::Tcg => options.option("-cpu", "max"),
            // Unmigratable, so that the invariant time stamp counter is shown.
            Engine::Kvm => options.option("-cpu", "host,migratable=off"),
        }
        options.option("-smp", format!("{}", self.cpus));
        // A guest's panic reaches the host as an event, even from a kernel whose
        // console is the thing that broke.
        options.option("-device", "pvpanic");
        // The last way out for a kernel that cannot find ACPI's power-off.
        options.option("-device", "isa-debug-exit");
        if let (Some(trace), Some(module)) = (&self.trace, self.modules.first()) {
            let mut value = OsString::from("file=");
            value.push(&trace.plugin);
            value.push(",out=");
            value.push(&trace.out);
            value.push(",module=");
            value.push(&module.file);
            value.push(format!(",bytes={}", module.size.as_bytes()));
            options.option("-plugin", value);
        }
        for table in &self.tables {
            options.with_path("-acpitable", "file=", table);
        }
        if let Some(dir) = &self.firmware {
            for (name, file) in [
                ("etc/acpi/tables", "tables"),
                ("etc/acpi/rsdp", "rsdp"),
                ("etc/table-loader", "loader"),
            ] {
                let start = format!("name={name},file=");
                options.with_path("-fw_cfg", &start, &dir.join(file));
            }
        }
    }

    fn medium_options(&self, options: &mut Options) {
        match &self.medium {
            Medium::Direct {
                loader,
                kernel,
                command_line,
            } => {
                // The stub has a PVH note; QEMU loads the kernel as its module.
                options.with_path("-kernel", "", loader);
                options.with_path("-initrd", "", kernel);
                options.option("-append", command_line);
                if self.lean {
                    options.option("-bios", "qboot.rom");
                }
            }
            Medium::Disk {
                firmware,
                image,
                drive,
            } => {
                match firmware {
                    // Starts in half the time that it takes as flash.
                    Firmware::Combined(path) => options.with_path("-bios", "", path),
                    // Code alone only works as flash.
                    Firmware::CodeOnly(path) => options.with_path(
                        "-drive",
                        "if=pflash,format=raw,unit=0,readonly=on,file=",
                        path,
                    ),
                }
                // Raw is said, since guessing the format is a hole. Writes of the
                // firmware (it keeps variables on the disk) go to a snapshot.
                options.with_path(
                    "-drive",
                    "id=disk,if=none,format=raw,snapshot=on,file=",
                    image,
                );
                // No boot menu, no network: the disk comes first.
                match drive {
                    Drive::Virtio => {
                        options.option("-device", "virtio-blk-pci,drive=disk,bootindex=0");
                    }
                    Drive::Ahci => {
                        options.option("-device", "ide-hd,drive=disk,bus=ide.0,bootindex=0");
                    }
                    Drive::Nvme => {
                        options.option("-device", "nvme,drive=disk,serial=perennial,bootindex=0");
                    }
                    Drive::Usb => {
                        options.option("-device", "qemu-xhci");
                        options.option("-device", "usb-storage,drive=disk,bootindex=0");
                    }
                }
            }
        }
    }

    fn outside(&self, options: &mut Options, listener: Listener) {
        // A framebuffer exists even if nobody looks, so that the console on it is run.
        options.option("-vga", if self.lean { "none" } else { "std" });
        if !self.display {
            options.option("-display", "none");
        }
        match listener {
            Listener::Session => {
                // Inherited sockets; see `guest`.
                options.option("-chardev", "socket,id=control,fd=0");
                options.option("-mon", "chardev=control,mode=control");
                options.option("-chardev", "socket,id=console,fd=1");
                options.option("-serial", "chardev:console");
                // A reset or power-off pauses the machine at that instant, for
                // the host to judge what is in persistent memory.
                options.option("-action", "reboot=shutdown,shutdown=pause");
            }
            Listener::Terminal => options.option("-serial", "stdio"),
        }
        if self.gdb {
            // Waits for a debugger on port 1234 before the first instruction.
            options.flag("-s");
            options.flag("-S");
        }
    }
}

#[cfg(test)]
mod tests;
