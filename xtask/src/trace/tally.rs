//! What came of many crash points.

use serde::{Deserialize, Serialize};

/// Counts. They only ever add up for one image of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Lives of the kernel that were traced.
    pub(super) lives: u64,
    /// Moments that a crash could tell from the one before.
    pub(super) moments: u64,
    /// Of these, moments at which the power failed.
    pub(super) points: u64,
    /// Of these, those of which not all images were tried.
    pub(super) sampled: u64,
    /// Images that the power failures could have left.
    pub(super) images: u64,
    /// Recoveries of them: others had been recovered shortly before, and what came of
    /// them had been held against the same account.
    pub(super) recovered: u64,
    /// Comparisons of all frames with the ledger: others came to the same tables.
    pub(super) judged: u64,
    /// Words stored to the tables.
    pub(super) stores: u64,
    /// Lines of the tables written back.
    pub(super) flushes: u64,
    /// Fences.
    pub(super) fences: u64,
    /// Lives in which something did not hold.
    pub(super) violations: u64,
}

impl Tally {
    /// Adds other counts.
    pub(super) fn merge(&mut self, other: &Self) {
        let Self {
            lives,
            moments,
            points,
            sampled,
            images,
            recovered,
            judged,
            stores,
            flushes,
            fences,
            violations,
        } = other;
        self.lives += lives;
        self.moments += moments;
        self.points += points;
        self.sampled += sampled;
        self.images += images;
        self.recovered += recovered;
        self.judged += judged;
        self.stores += stores;
        self.flushes += flushes;
        self.fences += fences;
        self.violations += violations;
    }

    /// Returns the counts as a table.
    pub(super) fn table(&self) -> String {
        let rows = [
            ("boots of the kernel traced", self.lives),
            ("stores to tables", self.stores),
            ("write-backs of tables", self.flushes),
            ("fences", self.fences),
            ("moments that differ", self.moments),
            ("crash points", self.points),
            ("of these, with some images only", self.sampled),
            ("images", self.images),
            ("recoveries", self.recovered),
            ("comparisons with the ledger", self.judged),
            ("violations", self.violations),
        ];
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["trace", "count"]);
        table.add_rows(rows.map(|(name, count)| [name.to_owned(), count.to_string()]));
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        table.to_string()
    }
}
