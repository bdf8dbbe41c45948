//! What became of the plan.

use alloc::string::ToString;

use frame::PhysRange;
use llfree::media::Opened;
use plan::Plan;
use record::{How, Open, Range, Record, ZonePlan};

use super::{OpenZone, Zones};
use crate::log::{info, record};

/// Reports a zone that has been opened within `micros` microseconds.
pub(super) fn report_opened(open: &OpenZone, how: Opened, micros: u64) {
    let stats = open.allocator.stats();
    let (how, mended) = match how {
        Opened::Created => (How::Created, 0),
        Opened::Recovered(recovery) => (How::Recovered, recovery.mended),
    };
    let word = match how {
        How::Created => "created",
        How::Recovered => "recovered",
    };
    info!(
        "zones",
        "{} {word} in {micros} us: {} of {} frames free, {mended} entries mended",
        open.name(),
        stats.free,
        stats.frames
    );
    record(&Record::Open(Open {
        zone: open.name().to_string(),
        how,
        frames: stats.frames as u64,
        free: stats.free as u64,
        free_huge: stats.huge_free as u64,
        mended: mended as u64,
        lower_bytes: open.placement.lower.len_bytes(),
        upper_bytes: open.placement.upper.len_bytes(),
        micros,
    }));
}

/// Emits the record of the plan as it was carried out.
pub(crate) fn report_plan(plan: &Plan, zones: &Zones) {
    let zones = plan.zones.iter().map(|zone| {
        let opened = zones.iter().find(|open| open.name() == zone.name.as_str());
        ZonePlan {
            name: zone.name.to_string(),
            persistent: zone.persistent().is_some(),
            node: zone.node.0,
            managed: range(zone.managed),
            lower: range(zone.lower),
            upper: range(zone.upper),
            // Nothing maps a zone that was not opened.
            page_size: opened.map_or(0, |open| open.page_bytes),
        }
    });
    record(&Record::Plan(record::Plan {
        zones: zones.collect(),
    }));
}

fn range(range: PhysRange) -> Range {
    Range {
        start: range.start().0,
        len: range.len_bytes(),
    }
}
