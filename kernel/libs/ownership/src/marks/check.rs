//! What else must be right where a format's own bytes are few.

use super::view::View;

/// The length of the header, of a table that starts at `at`.
pub(super) fn is_gpt(view: View<'_>, at: usize) -> bool {
    (92..=4096).contains(&view.le32(at + 12))
}

/// A signature of two bytes ends every boot sector; a partition table also has
/// entries, each active or not, and at least one of them with a type.
pub(super) fn is_mbr(view: View<'_>) -> bool {
    let entries = [446, 462, 478, 494];
    let sound = entries.iter().all(|&at| matches!(view.byte(at), 0 | 0x80));
    sound
        && entries
            .iter()
            .any(|&at| view.byte(at + 4) != 0 && view.le32(at + 12) != 0)
}

pub(super) fn is_boot_sector(view: View<'_>) -> bool {
    view.has(510, &[0x55, 0xaa])
}

pub(super) fn is_lvm(view: View<'_>) -> bool {
    [0, 512, 1024, 1536]
        .iter()
        .any(|sector| view.has(sector + 24, b"LVM2 001"))
}

pub(super) fn is_nova(view: View<'_>) -> bool {
    view.le32(12).is_power_of_two()
}

pub(super) fn is_ext4(view: View<'_>) -> bool {
    is_ext(view) && has_extents(view)
}

pub(super) fn is_ext3(view: View<'_>) -> bool {
    is_ext(view) && !has_extents(view) && has_journal(view)
}

pub(super) fn is_ext2(view: View<'_>) -> bool {
    is_ext(view) && !has_extents(view) && !has_journal(view)
}

/// Block size, revision, and any inodes at all.
fn is_ext(view: View<'_>) -> bool {
    view.le32(0x418) <= 6 && view.le32(0x44c) <= 1 && view.le32(0x400) != 0
}

/// Incompatible features that ext3 does not know: extents, 64 bits, flexible groups.
fn has_extents(view: View<'_>) -> bool {
    view.le32(0x460) & (0x40 | 0x80 | 0x200) != 0
}

fn has_journal(view: View<'_>) -> bool {
    view.le32(0x45c) & 4 != 0
}

/// Revision 2 and a plausible length of the header.
pub(super) fn is_nilfs(view: View<'_>) -> bool {
    view.le32(0x400) == 2 && (64..=1024).contains(&view.le16(0x408))
}

/// Two letters, and the version that goes with them.
pub(super) fn is_hfs_plus(view: View<'_>) -> bool {
    matches!((view.byte(1025), view.be16(1026)), (b'+', 4) | (b'X', 5))
}
