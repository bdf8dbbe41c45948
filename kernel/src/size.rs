//! Sizes as people write them.

use alloc::string::ToString;
use core::fmt;

/// A number of bytes, shown in the largest unit that divides it, or nearly so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        // Ten of a unit lose at most a tenth to rounding.
        let fits = |(_, shift): &&(&str, u32)| {
            let unit = 1_u64 << shift;
            self.0 >= 10 * unit || (self.0 >= unit && self.0.is_multiple_of(unit))
        };
        let text = match UNITS.iter().find(fits) {
            Some((unit, shift)) => format_args!("{} {unit}", self.0 >> shift).to_string(),
            None => format_args!("{} B", self.0).to_string(),
        };
        f.pad(&text)
    }
}
