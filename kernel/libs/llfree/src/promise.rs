//! What a platform asks of the allocator, as constants.
//!
//! The steps that only some domains and modes need stand behind these: where a
//! constant is false, the step is not in the code.

use persist::{Mode, Persist};

/// The platform's domain and mode as the questions that the allocator has.
pub(crate) trait Promise: Persist {
    /// Whether a store is durable only after a flush and a fence.
    const FLUSHES: bool = Self::DOMAIN.needs_flush();
    /// Whether what is returned may wait for a sync.
    const LATE_FREES: bool = Self::FLUSHES && !matches!(Self::MODE, Mode::Strict);
    /// Whether the rows that processors hold are named: flushing each change of what
    /// they hold would cost what holding saves, so a crash leaves questions.
    const NAMES: bool = Self::FLUSHES && matches!(Self::MODE, Mode::Batched);
    /// Whether processors may hold rows.
    const HOLDS: bool = !Self::FLUSHES || Self::NAMES;
}

impl<P: Persist> Promise for P {}
