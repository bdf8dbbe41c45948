//! The specimens in `marks/`, and how to lay one into a range.

use std::{fs, path::Path, string::String, vec::Vec};

use super::Region;

/// A few bytes of a foreign format, at their places.
pub(super) struct Specimen {
    /// The name that must be given to it: that of its file, up to a `-`.
    pub(super) name: String,
    /// The name of its file.
    pub(super) file: String,
    /// Where it is from.
    pub(super) origin: String,
    /// Bytes of the whole image.
    pub(super) size: usize,
    rows: Vec<(usize, Vec<u8>)>,
}

impl Specimen {
    /// Reads all specimens.
    pub(super) fn all() -> Vec<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("marks");
        let files = fs::read_dir(dir).expect("the directory is in the repository");
        let paths = files.map(|file| file.expect("readable").path());
        let marks = paths.filter(|path| path.extension().is_some_and(|end| end == "mark"));
        marks.map(|path| Self::read(&path)).collect()
    }

    /// Reads the specimen of this name.
    pub(super) fn named(name: &str) -> Self {
        let mut all = Self::all().into_iter();
        all.find(|specimen| specimen.file == name)
            .expect("a specimen")
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("text");
        let mut lines = text.lines();
        let origin = lines.next().and_then(|line| line.strip_prefix("# "));
        let size = lines.next().and_then(|line| line.strip_prefix("size "));
        let file = path.file_stem().expect("a name").to_string_lossy();
        let rows = lines.map(|line| {
            let (at, bytes) = line.split_once(' ').expect("two columns");
            let pairs = (0..bytes.len()).step_by(2);
            let bytes = pairs.map(|at| hex(&bytes[at..at + 2]).try_into().expect("a byte"));
            (hex(at), bytes.collect())
        });
        Self {
            name: file.split('-').next().unwrap_or_default().into(),
            origin: origin.expect("an origin").into(),
            size: hex(size.expect("a size")),
            rows: rows.collect(),
            file: file.into_owned(),
        }
    }

    /// Lays the image into a range, from this offset on.
    pub(super) fn lay(&self, range: &mut [u8], start: usize) {
        for (at, row) in &self.rows {
            range[start + at..][..row.len()].copy_from_slice(row);
        }
    }

    /// A range that holds nothing but the image.
    pub(super) fn alone(&self) -> Region {
        let mut region = Region::of(self.size);
        self.lay(region.bytes(), 0);
        region
    }
}

fn hex(text: &str) -> usize {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    usize::from_str_radix(digits, 16).expect("hexadecimal")
}
