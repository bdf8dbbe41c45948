//! What became of the plan.

use alloc::{string::ToString, vec::Vec};

use frame::PhysRange;
use llfree::media::Opened;
use ownership::{Content, Decision, Finding};
use plan::{Persistent, Plan, ZonePlacement};
use record::{How, Inspect, Open, Range, Record, ZonePlan};

use super::{OpenZone, Zones};
use crate::log::{info, record};

/// Reports what a persistent range holds, what is to be done with it, and what
/// would permit to format it.
pub(super) fn report_inspected(
    zone: &ZonePlacement,
    persistent: &Persistent,
    finding: &Finding,
    decision: &Decision,
) {
    let (name, content) = (zone.name, &finding.content);
    if finding.adopted {
        info!(
            "zones",
            "{name} is a devdax namespace: its first {:#x} bytes stay as they are",
            finding.place.start
        );
    }
    info!("zones", "{name} {content}");
    if let Decision::Recover {
        token_ignored: true,
    } = decision
    {
        info!(
            "zones",
            "{name} is ours and complete: its token is ignored, it is recovered"
        );
    }
    let words = match decision {
        Decision::Refuse(refusal) => refusal.words().map(|words| words.to_string()),
        Decision::Recover { .. } | Decision::Format => None,
    };
    record(&Record::Inspect(Inspect {
        zone: name.to_string(),
        id: persistent.id.to_string(),
        content: match content {
            Content::Ours => "ours",
            Content::Unfinished => "unfinished",
            Content::OtherVersion(_) => "other_version",
            Content::Damaged => "damaged",
            Content::Blank => "blank",
            Content::Foreign { .. } => "foreign",
        }
        .into(),
        marks: match content {
            Content::Foreign { marks, .. } => {
                marks.iter().map(|found| found.mark.name.into()).collect()
            }
            _ => Vec::new(),
        },
        adopted: finding.adopted,
        permit: words.unwrap_or_default(),
    }));
}

/// Reports a zone that has been opened within `micros` microseconds.
pub(super) fn report_opened(open: &OpenZone, how: Opened, micros: u64) {
    let stats = open.allocator.stats();
    if let Some(store) = &open.store {
        store.history.tell(open.name(), how);
    }
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
        let zone = opened.map_or(zone, |open| &open.placement);
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
