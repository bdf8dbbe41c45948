//! DRAM, NUMA nodes and memory modules on files.

use std::path::PathBuf;

use crate::options::Size;

use super::{Machine, Options};

/// A memory module whose content is a file.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// The file.
    pub(crate) file: PathBuf,
    /// Its size, a label area included.
    pub(crate) size: Size,
    /// What the module says that it is.
    pub(crate) kind: ModuleKind,
}

/// What a module says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModuleKind {
    /// An NVDIMM, listed in QEMU's NFIT.
    Nvdimm {
        /// Bytes at the end that hold labels and belong to no range.
        label: Option<Size>,
        /// Whether it says that it cannot keep what is written.
        unarmed: bool,
    },
    /// Hot-pluggable DRAM that no table of QEMU's lists: what an injected NFIT
    /// says about it is all that the guest learns.
    Unlisted,
}

/// Modules are aligned to this much when QEMU places them.
const MODULE_ALIGNMENT: u64 = 1 << 30;

/// Distance between two nodes, in units in which a node is 10 from itself.
const DISTANCE: u32 = 20;

impl Machine {
    /// Whether the chipset has to offer NVDIMMs.
    pub(super) fn has_nvdimms(&self) -> bool {
        let is_nvdimm = |module: &Module| matches!(module.kind, ModuleKind::Nvdimm { .. });
        self.modules.iter().any(is_nvdimm)
    }

    pub(super) fn memory_options(&self, options: &mut Options) {
        let mut memory = self.memory.to_string();
        if !self.modules.is_empty() {
            // Sockets for the modules, and addresses enough to place them in.
            let room: u64 = self
                .modules
                .iter()
                .map(|module| module.size.as_bytes().next_multiple_of(MODULE_ALIGNMENT))
                .sum();
            let room = room + MODULE_ALIGNMENT + self.memory.as_bytes();
            let most = Size::bytes(room.next_multiple_of(MODULE_ALIGNMENT));
            memory += &format!(",slots={},maxmem={most}", self.modules.len());
        }
        options.option("-m", memory);
        if self.nodes > 1 {
            self.node_options(options);
        }
        for (index, module) in self.modules.iter().enumerate() {
            self.module_options(options, index, module);
        }
    }

    /// Deals DRAM and processors out to the nodes and tells their distances,
    /// from which QEMU makes SRAT and SLIT.
    fn node_options(&self, options: &mut Options) {
        let share = Size::bytes(self.memory.as_bytes() / u64::from(self.nodes));
        for node in 0..self.nodes {
            options.option(
                "-object",
                format!("memory-backend-ram,id=dram{node},size={share}"),
            );
            let first = node * self.cpus / self.nodes;
            let end = (node + 1) * self.cpus / self.nodes;
            let mut value = format!("node,nodeid={node},memdev=dram{node}");
            if first < end {
                value += &format!(",cpus={first}-{}", end - 1);
            }
            options.option("-numa", value);
        }
        for from in 0..self.nodes {
            for to in from + 1..self.nodes {
                let value = format!("dist,src={from},dst={to},val={DISTANCE}");
                options.option("-numa", value);
            }
        }
    }

    fn module_options(&self, options: &mut Options, index: usize, module: &Module) {
        // Shared: what the guest stores is in the file at once and outlives the
        // process, as the module's content outlives the machine.
        let start = format!(
            "memory-backend-file,id=module{index},share=on,size={},mem-path=",
            module.size
        );
        options.with_path("-object", &start, &module.file);
        let mut device = match module.kind {
            ModuleKind::Nvdimm { label, unarmed } => {
                let label = label.map_or_else(String::new, |size| format!(",label-size={size}"));
                let armed = if unarmed { ",unarmed=on" } else { "" };
                format!("nvdimm,id=nv{index},memdev=module{index}{label}{armed}")
            }
            ModuleKind::Unlisted => format!("pc-dimm,id=dimm{index},memdev=module{index}"),
        };
        if self.nodes > 1 {
            device += &format!(",node={}", index % self.nodes as usize);
        }
        options.option("-device", device);
    }
}
