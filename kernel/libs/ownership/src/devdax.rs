//! A Linux devdax namespace, and the part of it that is its user's.
//!
//! `ndctl create-namespace --mode=devdax` writes one block of information 4 KiB
//! behind the start of a namespace. It says where the namespace's data starts and
//! how long it is; what is before belongs to Linux. Whoever stays within the data
//! leaves the namespace as it is: Linux goes on to show it, and hands the same
//! bytes to `/dev/dax`.
//!
//! Layout: `struct nd_pfn_sb` of Linux, versions 1.0 to 1.4.

use core::ops::Range;

use frame::{FRAME_SIZE, HUGE_SIZE};

/// Where the block is.
const BLOCK_AT: usize = 4096;
const BLOCK_BYTES: usize = 4096;
/// Bytes in front of all data: the first frame and the block.
const RESERVED: u64 = (BLOCK_AT + BLOCK_BYTES) as u64;

const SIGNATURE: &[u8; 16] = b"NVDIMM_DAX_INFO\0";
const CHECKSUM_AT: usize = BLOCK_BYTES - 8;
/// Where Linux keeps its own frame descriptors: in DRAM, or in front of the data.
const MODES: [u32; 2] = [1, 2];

/// Returns the data of the namespace that starts with the range, if there is one
/// and its block of information is sound in every respect.
pub(crate) fn data_of(range: &[u8]) -> Option<Range<usize>> {
    let block = range.get(BLOCK_AT..)?.first_chunk::<BLOCK_BYTES>()?;
    if !block.starts_with(SIGNATURE) || checksum(block) != u64_at(block, CHECKSUM_AT) {
        return None;
    }
    let (major, minor) = (u16_at(block, 52), u16_at(block, 54));
    if major != 1 || !MODES.contains(&u32_at(block, 72)) {
        return None;
    }
    // Fields that older blocks don't have yet are zero in them.
    let since = |version, at, default| match u32_at(block, at) {
        value if minor >= version && value != 0 => u64::from(value),
        _ => default,
    };
    let (padding, cut_off) = (since(1, 76, 0), since(1, 80, 0));
    let align = since(2, 84, HUGE_SIZE as u64);
    let page_bytes = since(4, 88, FRAME_SIZE as u64);

    let start = padding.checked_add(u64_at(block, 56))?;
    let len_bytes = u64_at(block, 64).checked_mul(page_bytes)?;
    let end = (range.len() as u64).checked_sub(cut_off)?;
    let end = start.checked_add(len_bytes)?.min(end);
    let is_sound = start >= RESERVED
        && start < end
        && align.is_power_of_two()
        && [start, end]
            .iter()
            .all(|place| place.is_multiple_of(FRAME_SIZE as u64));
    is_sound.then_some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// Fletcher's sum in words of 32 bits, as the subsystem computes it: over the
/// whole block, with zero for the sum itself.
fn checksum(block: &[u8; BLOCK_BYTES]) -> u64 {
    let (mut low, mut high) = (0_u32, 0_u64);
    let words = block[..CHECKSUM_AT].as_chunks::<4>().0;
    for word in words.iter().copied().chain([[0; 4]; 2]) {
        low = low.wrapping_add(u32::from_le_bytes(word));
        high = high.wrapping_add(u64::from(low));
    }
    high << 32 | u64::from(low)
}

fn u16_at(block: &[u8; BLOCK_BYTES], at: usize) -> u16 {
    u16::from_le_bytes(core::array::from_fn(|index| block[at + index]))
}

fn u32_at(block: &[u8; BLOCK_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(core::array::from_fn(|index| block[at + index]))
}

fn u64_at(block: &[u8; BLOCK_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|index| block[at + index]))
}
