//! Marks that others leave: partition tables, file systems, volumes, pools.
//!
//! A mark is some bytes at a place that its format lays down. The table in
//! [`table`](self::table) lists them; everything here is the search for its rows.
//! A name is a courtesy and a safeguard, not the gate: what holds any byte that
//! is not zero is refused as well, with or without a name.
//!
//! A format does not say where its owner has put it. It may start with the range,
//! behind a namespace's information block, at the first partition, or wherever a
//! namespace may be aligned, which is at multiples of 2 MiB: at each of these
//! starts all rows are tried.

mod check;
mod table;
#[cfg(test)]
mod tests;
mod view;

use core::fmt;

use frame::{FRAME_SIZE, HUGE_SIZE};

pub use table::MARKS;
pub(crate) use table::{SECTOR, SECTORS};
use view::View;

/// Where the first partition of most tables starts.
const FIRST_PARTITION: usize = 1 << 20;

/// How to recognise a format.
#[derive(Clone, Copy)]
pub struct Mark {
    /// One word; what `pmem.overwrite=` has to name.
    pub name: &'static str,
    /// What it marks, with an article.
    pub meaning: &'static str,
    /// Where the bytes may be.
    places: &'static [Place],
    /// The bytes.
    magic: &'static [u8],
    /// What else must be right, for bytes that may be there by accident. Reads
    /// from where the format starts.
    check: fn(View<'_>) -> bool,
}

/// Where the bytes of a mark may be.
#[derive(Clone, Copy)]
enum Place {
    /// So far behind the start of the format.
    Start(usize),
    /// So far before the end of the range, once that is rounded down.
    End { align: usize, back: usize },
}

/// A mark that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The mark.
    pub mark: &'static Mark,
    /// Where its bytes are, from the start of the range.
    pub offset: usize,
}

/// Most marks that are listed: one of each name in the table. A kind that found no
/// room would be overwritten without having been named.
pub const MOST: usize = 51;

/// The marks of a range, each kind once, in the order of the range.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sightings([Option<Sighting>; MOST]);

impl Sightings {
    /// No marks.
    pub const NONE: Self = Self([None; MOST]);

    /// Looks for marks in a whole range.
    pub fn find(range: &[u8]) -> Self {
        let mut found = Self::NONE;
        for start in starts(range.len()) {
            let view = View { range, start };
            MARKS.iter().for_each(|mark| found.note(mark, view));
        }
        found
    }

    /// Returns the marks.
    pub fn iter(&self) -> impl Iterator<Item = Sighting> + Clone + '_ {
        self.0.iter().flatten().copied()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    fn note(&mut self, mark: &'static Mark, view: View<'_>) {
        if self.iter().any(|known| known.mark.name == mark.name) {
            return;
        }
        let free = self.0.iter_mut().find(|slot| slot.is_none());
        if let (Some(free), Some(offset)) = (free, mark.offset_in(view)) {
            *free = Some(Sighting { mark, offset });
        }
    }
}

/// Returns where formats may start in a range of this length.
pub(crate) fn starts(len: usize) -> impl Iterator<Item = usize> {
    let odd = [0, FRAME_SIZE, FIRST_PARTITION].into_iter();
    let namespaces = (HUGE_SIZE..len).step_by(HUGE_SIZE);
    odd.chain(namespaces).filter(move |start| *start < len)
}

impl Mark {
    /// Returns where the mark's bytes are, if they are there.
    fn offset_in(&self, view: View<'_>) -> Option<usize> {
        let places = self.places.iter();
        let mut offsets = places.filter_map(|place| place.offset(view));
        offsets.find(|&offset| {
            let found = view.range.get(offset..).unwrap_or_default();
            found.starts_with(self.magic) && (self.check)(self.view_at(view, offset))
        })
    }

    /// A format that is found from the end starts with its bytes.
    fn view_at<'r>(&self, view: View<'r>, offset: usize) -> View<'r> {
        match self.places.first() {
            Some(Place::End { .. }) => View {
                start: offset,
                ..view
            },
            _ => view,
        }
    }
}

impl Place {
    fn offset(self, view: View<'_>) -> Option<usize> {
        match self {
            Self::Start(offset) => view.start.checked_add(offset),
            // The end is looked at once, together with the start.
            Self::End { align, back } if view.start == 0 => {
                (view.range.len() / align * align).checked_sub(back)
            }
            Self::End { .. } => None,
        }
    }
}

impl fmt::Debug for Sightings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Mark {}
