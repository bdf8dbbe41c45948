//! What a persistent zone has been through before this boot.
//!
//! Nobody asks the devices how often power was lost: that takes the firmware's methods.
//! The superblock keeps count instead, and is read before this mount is entered there.

use core::fmt;

use llfree::media::{Mount, Opened};
use persist::Domain;

use crate::log::{info, warn};

/// The last mount as the superblock tells it, and what this one is promised.
#[derive(Clone, Copy)]
pub(crate) struct History {
    /// The last mount, if the superblock tells of one.
    pub(super) last: Option<Mount>,
    /// What the platform saves in this one.
    pub(super) now: Domain,
}

impl History {
    /// Says what there was, and what to think of it.
    pub(super) fn tell(&self, name: &str, how: Opened) {
        let Opened::Recovered(recovery) = how else {
            return;
        };
        let Some(last) = self.last else {
            warn!("zones", "{name}: the superblock tells of no mount");
            return;
        };
        let end = match (last.clean, last.uncertain) {
            (true, _) => "closed in order",
            (false, false) => "not closed",
            (false, true) => "of the last mount only a part can be read",
        };
        info!(
            "zones",
            "{name}: generation {}, {end}, {} crashes before, last mounted as {}",
            last.generation,
            last.crashes,
            Name(last.domain)
        );
        if last.clean && recovery.mended > 0 {
            warn!(
                "zones",
                "{name} was closed in order, and {} entries had to be mended: the medium is \
                 damaged, or others have written to it",
                recovery.mended
            );
        }
        if last.is_suspect(self.now) {
            warn!(
                "zones",
                "{name} was not closed while mounted as {}, and is mounted as {} now: what the \
                 caches held may be lost, acknowledged or not",
                Name(last.domain),
                Name(self.now)
            );
        }
    }
}

/// A domain as records name it.
struct Name(Domain);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Domain::Volatile => "none",
            Domain::Adr => "adr",
            Domain::Eadr => "eadr",
        })
    }
}
