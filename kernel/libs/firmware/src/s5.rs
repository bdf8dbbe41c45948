//! The sleep type that means "off", from a definition block.
//!
//! It is the one thing that powering off needs from AML: an object
//! `Name (_S5, Package () { a, b, … })`. Instead of an interpreter, this looks
//! for the bytes that such a definition must have (ACPI 6.5, sections 7.4.2 and
//! 20.2); where they are not constants, there is no power-off.

use crate::Bytes;
use crate::sdt::{HEADER_LEN, Table};

const NAME: u8 = 0x08;
const ROOT: u8 = b'\\';
const PACKAGE: u8 = 0x12;
const SEGMENT: &[u8; 4] = b"_S5_";

/// What to write to the sleep type fields of the two control registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SleepType {
    /// For PM1a, 0 to 7.
    pub a: u8,
    /// For PM1b, 0 to 7.
    pub b: u8,
}

/// Returns the sleep type of the first definition that makes sense.
pub fn find(definition_block: Table<'_>) -> Option<SleepType> {
    let body = definition_block.bytes().as_slice();
    let segments = body.windows(SEGMENT.len()).enumerate().skip(HEADER_LEN);
    segments
        .filter(|(_, window)| window == SEGMENT)
        .filter(|(at, _)| is_name(body.get(..*at).unwrap_or_default()))
        .find_map(|(at, _)| package(Bytes::new(body).skip(at + SEGMENT.len())))
}

/// Returns whether these bytes end with the start of a named object.
fn is_name(before: &[u8]) -> bool {
    matches!(before, [.., NAME] | [.., NAME, ROOT])
}

/// Takes the first two elements of a package, which have three bits each.
fn package(bytes: Bytes<'_>) -> Option<SleepType> {
    let (&operation, rest) = bytes.as_slice().split_first()?;
    let lead = *rest.first()?;
    // The two upper bits of the length's first byte say how many follow it.
    let elements = rest.get(1 + usize::from(lead >> 6)..)?;
    let (&count, elements) = elements.split_first()?;
    if operation != PACKAGE || count == 0 {
        return None;
    }
    let (a, rest) = integer(elements)?;
    let b = match count {
        1 => Some((a, rest)),
        _ => integer(rest),
    };
    let (b, _) = b?;
    (a < 8 && b < 8).then_some(SleepType { a, b })
}

/// Takes a constant of at most one byte's value, and returns what follows it.
fn integer(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match *bytes {
        [value @ (0 | 1), ref rest @ ..]
        | [0x0a, value, ref rest @ ..]
        | [0x0b, value, 0, ref rest @ ..]
        | [0x0c, value, 0, 0, 0, ref rest @ ..] => Some((value, rest)),
        _ => None,
    }
}
