//! Specimens of foreign formats, laid into a file.

use std::{fs, fs::File, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result};

use crate::workspace;

use super::trial::Place;

/// Writes the rows of the specimen `name`, which begins at `place`, into `file`.
pub(super) fn lay(name: &str, place: Place, file: &File) -> Result<()> {
    let path = workspace::root().join(format!("kernel/libs/ownership/marks/{name}.mark"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let start = match place {
        Place::At(start) => start,
        Place::End => {
            let size = text.lines().find_map(|line| line.strip_prefix("size 0x"));
            let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
            let size = size.with_context(|| format!("{name} has no size"))?;
            let end = file.metadata()?.len();
            let start = end.checked_sub(size);
            start.with_context(|| format!("{name} has {size} bytes, the file {end}"))?
        }
    };
    for row in text.lines().filter(|line| line.starts_with("0x")) {
        let (offset, bytes) = parse(row).with_context(|| format!("not a row: {row}"))?;
        file.write_all_at(&bytes, start + offset)?;
    }
    Ok(())
}

/// Reads a row: an offset and the bytes there, both in hexadecimal.
fn parse(row: &str) -> Option<(u64, Vec<u8>)> {
    let (offset, bytes) = row.strip_prefix("0x")?.split_once(' ')?;
    let pairs = bytes.as_bytes().chunks(2).map(|pair| {
        let digits = str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    Some((
        u64::from_str_radix(offset, 16).ok()?,
        pairs.collect::<Option<_>>()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_an_offset_and_bytes() {
        assert_eq!(parse("0x00000438 53ef"), Some((0x438, vec![0x53, 0xef])));
        assert_eq!(parse("0x00000438 53eg"), None);
        assert_eq!(parse("size 0x1000"), None);
    }

    #[test]
    fn what_is_laid_is_in_the_file() {
        let file = tempfile::tempfile().expect("a temporary file");
        for start in [0, 0x20_0000] {
            lay("ext4", Place::At(start), &file).expect("a specimen");
            let mut magic = [0; 2];
            let read = file.read_exact_at(&mut magic, start + 0x438);
            read.expect("long enough");
            assert_eq!(magic, [0x53, 0xef]);
        }
        assert!(lay("nonsense", Place::At(0), &file).is_err());
    }

    #[test]
    fn a_specimen_at_the_end_ends_with_the_file() {
        const LEN: u64 = 128 << 20;
        let file = tempfile::tempfile().expect("a temporary file");
        let is_too_short = lay("md0", Place::End, &file).is_err();
        assert!(is_too_short);
        file.set_len(LEN).expect("a sparse file");
        lay("md0", Place::End, &file).expect("a specimen");
        assert_eq!(file.metadata().expect("a file").len(), LEN);
    }
}
