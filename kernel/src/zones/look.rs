//! Looking at a persistent range without touching it.

use firmware::RegionId;
use ownership::{Finding, probe};
use plan::ZonePlacement;

use crate::mem::{Access, MapError, Mapper, claim};

/// Maps a range read-only, looks at it, and unmaps it again.
///
/// # Errors
///
/// Returns [`MapError`] if it can't be mapped.
pub(super) fn look(
    mapper: &mut Mapper<'_>,
    zone: &ZonePlacement,
    region: RegionId,
) -> Result<Finding, MapError> {
    let mapped = mapper.map(zone.range, Access::Read)?;
    // SAFETY:
    // 1. The range is mapped until the end of this function.
    // 2. No other processor runs yet, and nothing else has it mapped for writing
    //    but the direct map, which nobody uses for it.
    let bytes = unsafe { claim::shared(mapped.start(), mapped.len_bytes()) };
    let finding = probe(region.0, bytes);
    // SAFETY: `bytes` has been used for the last time, and no other processor
    // runs yet.
    unsafe { mapper.unmap(mapped) };
    Ok(finding)
}
