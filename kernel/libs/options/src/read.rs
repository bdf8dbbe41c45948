//! Values as people write them.

use frame::{PhysAddr, PhysRange};

/// Reads a number, decimal or with `0x`.
pub(crate) fn number(value: Option<&str>) -> Option<u64> {
    let value = value?;
    match value.strip_prefix("0x") {
        Some(hex) => digits(hex, 16),
        None => digits(value, 10),
    }
}

/// Reads a number that fits in 32 bits.
pub(crate) fn count(value: Option<&str>) -> Option<u32> {
    number(value)?.try_into().ok()
}

/// Reads a switch; the bare word means on.
pub(crate) fn switch(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("on" | "1" | "true" | "yes") => Some(true),
        Some("off" | "0" | "false" | "no") => Some(false),
        Some(_) => None,
    }
}

/// Reads `SIZE@ADDRESS`; both may have a suffix `K`, `M`, `G` or `T`.
pub(crate) fn size_at(value: Option<&str>) -> Option<PhysRange> {
    let (len, start) = value?.split_once('@')?;
    let range = PhysRange::new(PhysAddr(size(start)?), size(len)?)?;
    (!range.is_empty()).then_some(range)
}

fn size(text: &str) -> Option<u64> {
    let shift = match text.bytes().last()?.to_ascii_uppercase() {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        _ => return number(Some(text)),
    };
    number(text.get(..text.len() - 1))?.checked_mul(1 << shift)
}

/// `from_str_radix` alone would also take a sign.
fn digits(text: &str, radix: u32) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        .then(|| u64::from_str_radix(text, radix).ok())?
}
