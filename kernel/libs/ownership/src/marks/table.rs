//! The table of marks.
//!
//! Offsets and numbers are those of the formats themselves; `marks/` beside the
//! sources has a specimen of each, with the tool or the document that it is from.

use super::{
    Mark,
    Place::{self, End, Start},
    check,
    view::View,
};

/// A row whose bytes are never there by accident.
const fn row(
    name: &'static str,
    meaning: &'static str,
    places: &'static [Place],
    magic: &'static [u8],
) -> Mark {
    checked(name, meaning, places, magic, |_| true)
}

/// A row whose bytes are few, or shared by several formats.
const fn checked(
    name: &'static str,
    meaning: &'static str,
    places: &'static [Place],
    magic: &'static [u8],
    check: fn(View<'_>) -> bool,
) -> Mark {
    Mark {
        name,
        meaning,
        places,
        magic,
        check,
    }
}

/// The last so many bytes.
const fn last(back: usize) -> Place {
    End { align: 512, back }
}

const LVM_SECTORS: &[Place] = &[Start(0), Start(512), Start(1024), Start(1536)];
const OCFS2_BLOCKS: &[Place] = &[Start(0x400), Start(0x800), Start(0x1000), Start(0x2000)];
const REISER: &[Place] = &[Start(0x10034), Start(0x2034)];
const SWAP: &[Place] = &[Start(4086), Start(0xfff6)];
const ZFS_LABELS: &[Place] = &[
    Start(0x4018),
    Start(0x44018),
    End {
        align: 0x40000,
        back: 0x80000 - 0x4018,
    },
    End {
        align: 0x40000,
        back: 0x40000 - 0x4018,
    },
];

/// Bytes that belong together: what a format writes at once.
pub(crate) const SECTOR: usize = 512;

/// Where the sectors are in which rows look behind the first frame of a format.
/// What is found from the end is in the last MiB.
pub(crate) const SECTORS: [usize; 14] = [
    0x1000, 0x1400, 0x2000, 0x2400, 0x4000, 0x8000, 0x8800, 0x9000, 0xfe00, 0x1_0000, 0x1_0400,
    0x4_4000, 0x10_0000, 0x400_0000,
];

/// All marks that are known by name, a row a line. The first row of a name that fits is the one.
#[rustfmt::skip]
pub static MARKS: [Mark; 67] = [
    // What speaks of the range as persistent memory.
    row("dax", "a Linux device-dax namespace", &[Start(4096)], b"NVDIMM_DAX_INFO\0"),
    row("pfn", "a Linux fsdax namespace", &[Start(4096)], b"NVDIMM_PFN_INFO\0"),
    row("btt", "a block translation table", &[Start(4096), Start(0)], b"BTT_ARENA_INFO\0"),
    row("btt", "a block translation table", &[last(4096)], b"BTT_ARENA_INFO\0"),
    row("pmdk", "a PMDK object pool", &[Start(0)], b"PMEMOBJ\0"),
    row("pmdk", "a PMDK block pool", &[Start(0)], b"PMEMBLK\0"),
    row("pmdk", "a PMDK log pool", &[Start(0)], b"PMEMLOG\0"),
    row("pmdk", "a PMDK pool set", &[Start(0)], b"PMEMPOOL"),
    checked("nova", "a NOVA file system", &[Start(4)], b"AVON", check::is_nova),
    row("llfree", "an LLFree allocator", &[last(4096)], &[0xef, 0xbe, 0xad, 0xde, 0, 0, 0, 0]),
    // Partition tables.
    checked("gpt", "a GUID partition table", &[Start(512)], b"EFI PART", |view| check::is_gpt(view, 512)),
    checked("gpt", "a GUID partition table", &[Start(4096)], b"EFI PART", |view| check::is_gpt(view, 4096)),
    checked("gpt", "a GUID partition table", &[last(512), last(4096)], b"EFI PART", |view| check::is_gpt(view, 0)),
    checked("mbr", "a partition table", &[Start(510)], &[0x55, 0xaa], check::is_mbr),
    row("ldm", "a Windows dynamic disk", &[Start(0xc00)], b"PRIVHEAD"),
    // Volumes, encryption, arrays.
    checked("luks1", "an encrypted volume", &[Start(0)], b"LUKS\xba\xbe", |view| view.be16(6) == 1),
    checked("luks2", "an encrypted volume", &[Start(0)], b"LUKS\xba\xbe", |view| view.be16(6) == 2),
    row("luks2", "an encrypted volume", &[Start(0x4000)], b"SKUL\xba\xbe"),
    row("bitlocker", "an encrypted volume", &[Start(3)], b"-FVE-FS-"),
    checked("lvm2", "a physical volume of LVM", LVM_SECTORS, b"LABELONE", check::is_lvm),
    checked("md1", "a member of an array", &[Start(0)], MD_MAGIC, |view| view.le32(4) == 1),
    checked("md1", "a member of an array", &[Start(4096)], MD_MAGIC, |view| view.le32(4100) == 1),
    checked("md1", "a member of an array", &[End { align: 4096, back: 8192 }], MD_MAGIC, |view| view.le32(4) == 1),
    checked("md0", "a member of an array", &[End { align: 65536, back: 65536 }], MD_MAGIC, |view| view.le32(4) == 0),
    row("ddf", "a member of an array", &[last(512)], &[0xde, 0x11, 0xde, 0x11]),
    row("imsm", "a member of an array", &[last(1024)], b"Intel Raid ISM Cfg Sig. "),
    row("bcache", "a cache or cached device", &[Start(4096 + 24)], b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    row("bcachefs", "a bcachefs file system", &[Start(4096 + 24)], b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    row("vdo", "a deduplicated volume", &[Start(0)], b"dmvdo001"),
    row("stratis", "a Stratis pool", &[Start(512 + 4)], b"!Stra0tis\x86\xff\x02^\x41rh"),
    row("integrity", "an integrity-protected volume", &[Start(0)], b"integrt\0"),
    row("verity", "a hash tree", &[Start(0)], b"verity\0\0"),
    row("bluestore", "a Ceph store", &[Start(0)], b"bluestore block device\n"),
    row("vmfs", "a VMFS volume", &[Start(0x10_0000)], &[0x0d, 0xd0, 0x01, 0xc0]),
    row("zfs", "a ZFS pool", ZFS_LABELS, b"version\0"),
    // Swap space.
    row("swap", "swap space", SWAP, b"SWAPSPACE2"),
    row("swap", "swap space", SWAP, b"SWAP-SPACE"),
    row("swap", "a hibernated system", SWAP, b"S1SUSPEND\0"),
    // File systems.
    checked("ext4", "an ext4 file system", EXT, EXT_MAGIC, check::is_ext4),
    checked("ext3", "an ext3 file system", EXT, EXT_MAGIC, check::is_ext3),
    checked("ext2", "an ext2 file system", EXT, EXT_MAGIC, check::is_ext2),
    checked("xfs", "an XFS file system", &[Start(0)], b"XFSB", |view| view.be32(4).is_power_of_two()),
    row("btrfs", "a btrfs file system", &[Start(0x1_0040), Start(0x400_0040)], b"_BHRfS_M"),
    row("ntfs", "an NTFS file system", &[Start(3)], b"NTFS    "),
    row("refs", "a ReFS file system", &[Start(3)], b"ReFS\0\0\0\0"),
    row("exfat", "an exFAT file system", &[Start(3)], b"EXFAT   "),
    checked("fat", "a FAT file system", &[Start(0x36)], b"FAT12   ", check::is_boot_sector),
    checked("fat", "a FAT file system", &[Start(0x36)], b"FAT16   ", check::is_boot_sector),
    checked("fat", "a FAT file system", &[Start(0x52)], b"FAT32   ", check::is_boot_sector),
    row("f2fs", "an F2FS file system", &[Start(1024), Start(5120)], &[0x10, 0x20, 0xf5, 0xf2]),
    row("jfs", "a JFS file system", &[Start(0x8000)], b"JFS1"),
    row("reiserfs", "a ReiserFS file system", REISER, b"ReIsErFs"),
    row("reiserfs", "a ReiserFS file system", REISER, b"ReIsEr2Fs"),
    row("reiserfs", "a ReiserFS file system", REISER, b"ReIsEr3Fs"),
    row("reiser4", "a Reiser4 file system", &[Start(0x1_0000)], b"ReIsEr4"),
    checked("nilfs2", "a NILFS2 file system", &[Start(0x406)], &[0x34, 0x34], check::is_nilfs),
    row("ocfs2", "an OCFS2 file system", OCFS2_BLOCKS, b"OCFSV2"),
    row("gfs2", "a GFS2 file system", &[Start(0x1_0000)], &[0x01, 0x16, 0x19, 0x70, 0, 0, 0, 1]),
    checked("hfs+", "an HFS+ file system", &[Start(1024)], b"H", check::is_hfs_plus),
    row("apfs", "an APFS container", &[Start(32)], b"NXSB"),
    row("ufs", "a UFS1 file system", &[Start(0x255c)], &[0x54, 0x19, 0x01, 0x00]),
    row("ufs", "a UFS2 file system", &[Start(0x1_055c)], &[0x19, 0x01, 0x54, 0x19]),
    row("squashfs", "a squashfs image", &[Start(0)], b"hsqs"),
    row("cramfs", "a cramfs image", &[Start(0)], &[0x45, 0x3d, 0xcd, 0x28]),
    row("erofs", "an EROFS image", &[Start(1024)], &[0xe2, 0xe1, 0xf5, 0xe0]),
    row("udf", "a UDF file system", &[Start(0x8801), Start(0x9001)], b"NSR0"),
    row("iso9660", "an ISO 9660 image", &[Start(0x8001)], b"CD001"),
];

const EXT: &[Place] = &[Start(0x438)];
const EXT_MAGIC: &[u8] = &[0x53, 0xef];
const MD_MAGIC: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
