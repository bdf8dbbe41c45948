//! Specimens of foreign formats, laid into a file.

use std::{fs, fs::File, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Writes the rows of the specimen `name` to their places in `file`.
pub(super) fn lay(name: &str, file: &File) -> Result<()> {
    let path = workspace::root().join(format!("kernel/libs/ownership/marks/{name}.mark"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for row in text.lines().filter(|line| line.starts_with("0x")) {
        let (offset, bytes) = parse(row).with_context(|| format!("not a row: {row}"))?;
        file.write_all_at(&bytes, offset)?;
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
        lay("ext4", &file).expect("a specimen");
        let mut magic = [0; 2];
        file.read_exact_at(&mut magic, 0x438).expect("long enough");
        assert_eq!(magic, [0x53, 0xef]);
        assert!(lay("nonsense", &file).is_err());
    }
}
