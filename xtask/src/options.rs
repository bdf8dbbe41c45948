//! Values of the command line that are more than text.
//!
//! Everything with a fixed set of names is an enum here, so that an unknown name
//! is an error that lists the known ones, and every size is read once, in the
//! spelling that QEMU and people use.

use std::{fmt, str::FromStr};

use clap::ValueEnum;

/// A number of bytes, written as `512M`, `1G`, `128K` or plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(u64);

/// The suffixes, largest first, with the power of two that each stands for.
const SUFFIXES: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl Size {
    /// Returns the size of so many bytes.
    pub(crate) const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the size of so many mebibytes.
    #[cfg(test)]
    pub(crate) const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// Returns the number of bytes.
    pub(crate) const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let largest = SUFFIXES
            .iter()
            .find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        match largest {
            Some((suffix, shift)) => write!(f, "{}{suffix}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let (digits, shift) = SUFFIXES
            .iter()
            .find_map(|(suffix, shift)| Some((upper.strip_suffix(*suffix)?, *shift)))
            .unwrap_or((&upper, 0));
        let error = || format!("`{text}` is no size; write 512M, 1G, 128K or plain bytes");
        let number: u64 = digits.parse().map_err(|_| error())?;
        let bytes = number.checked_mul(1 << shift).ok_or_else(error)?;
        if bytes == 0 {
            Err(error())
        } else {
            Ok(Self(bytes))
        }
    }
}

/// What `--pmem` asks for: one NVDIMM, or expressly no persistent memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pmem {
    /// No NVDIMM; a range of DRAM stands in, emulated and not durable.
    None,
    /// An NVDIMM of this size on a fresh file.
    Fresh(Size),
}

impl FromStr for Pmem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            size => size
                .parse()
                .map(Self::Fresh)
                .map_err(|error| format!("{error}, or `none`")),
        }
    }
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// Emulation, works everywhere; times are functional only.
    Tcg,
    /// Hardware virtualisation.
    Kvm,
    /// `kvm` if a probe boots under it, else `tcg`.
    Auto,
}

/// The way from power-on to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Boot {
    /// UEFI firmware, disk image, loader: as on a PC.
    Uefi,
    /// QEMU's direct boot, without firmware or disk: 0.2 s.
    Pvh,
}

/// The controller that the boot disk hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drive {
    /// virtio-blk.
    Virtio,
    /// The SATA controller of the chipset.
    Ahci,
    /// `NVMe`.
    Nvme,
    /// A stick on an xHCI controller.
    Usb,
}

/// What the platform promises when power fails, as told in the NFIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Persistence {
    /// Processor caches are flushed on power failure (eADR).
    Cpu,
    /// Only the memory controller's queues are (ADR).
    MemCtrl,
    /// The platform says nothing.
    None,
}

/// A fault that the guest is asked to commit, to test how the host takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Panic in the middle of the run.
    Panic,
    /// Stop making progress, without a word.
    Hang,
    /// Power off without a verdict.
    Silent,
    /// Lose a processor in the middle of a job.
    Deaf,
    /// Have the host break a line of memory.
    MachineCheck,
}

/// The name of a value as the command line spells it.
pub(crate) fn name_of(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |possible| possible.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_spelling() {
        assert_eq!("512M".parse(), Ok(Size::mib(512)));
        assert_eq!("2g".parse(), Ok(Size::mib(2048)));
        assert_eq!("128K".parse(), Ok(Size::bytes(131_072)));
        assert_eq!("4097".parse(), Ok(Size::bytes(4097)));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "M", "0", "0G", "-1M", "1.5G", "99999999999T", "none"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_size_reads_back() {
        for bytes in [1, 4096, 128 << 10, 512 << 20, 3 << 30, (1 << 30) + 1] {
            let size = Size::bytes(bytes);
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!(Size::mib(1024).to_string(), "1G");
    }

    #[test]
    fn pmem_none_is_not_a_size() {
        assert_eq!("none".parse(), Ok(Pmem::None));
        assert_eq!("1G".parse(), Ok(Pmem::Fresh(Size::mib(1024))));
        assert!("nothing".parse::<Pmem>().is_err());
    }
}
