#!/usr/bin/env python3
"""Makes the specimens of foreign marks in this directory.

Formats with a tool that works on a plain file are made by that tool, without
privileges; the others are written down from the format's definition, which each
of them names. A specimen keeps the few hundred bytes that recognition may look
at, as rows of `offset hex`, so that the tests need neither tools nor images:

    # where it is from
    size 0x4000000
    0x00000400 8000000000020000190000009ae60100

Usage: marks/make.py [NAME]...   (Debian: gdisk xfsprogs btrfs-progs ntfs-3g
dosfstools exfatprogs cryptsetup-bin f2fs-tools pmdk-tools nilfs-tools jfsutils
erofs-utils squashfs-tools bcache-tools reiserfsprogs udftools ndctl ocfs2-tools
gfs2-utils genisoimage e2fsprogs util-linux util-linux-extra)
"""

import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
UUID = "00112233-4455-6677-8899-aabbccddeeff"
SMALL, LARGE = 64 * MIB, 320 * MIB

# Name, size of the image, what to run on it ({}: the image), windows to keep.
TOOLS = [
    ("gpt", SMALL, "sgdisk -o -n 1:2048:40960 -t 1:8300 {}", [(0, 2048), (-512, 512)]),
    ("mbr", SMALL, "sgdisk -o -n 1:2048:40960 -m 1 {}", [(0, 512)]),
    ("ext2", SMALL, f"mkfs.ext2 -q -F -U {UUID} {{}}", [(1024, 1024)]),
    ("ext3", SMALL, f"mkfs.ext3 -q -F -U {UUID} {{}}", [(1024, 1024)]),
    ("ext4", SMALL, f"mkfs.ext4 -q -F -U {UUID} {{}}", [(1024, 1024)]),
    ("xfs", LARGE, f"mkfs.xfs -q -m uuid={UUID} {{}}", [(0, 512)]),
    ("btrfs", LARGE, f"mkfs.btrfs -q -U {UUID} {{}}", [(0x10000, 512)]),
    ("ntfs", SMALL, "mkfs.ntfs -q -F -Q -s 512 -p 0 -H 255 -S 63 {}", [(0, 512)]),
    ("exfat", SMALL, "mkfs.exfat {}", [(0, 512)]),
    ("fat", SMALL, "mkfs.vfat -F 32 -i 12345678 {}", [(0, 512)]),
    ("fat-16", SMALL, "mkfs.vfat -F 16 -i 12345678 {}", [(0, 512)]),
    ("fat-12", 4 * MIB, "mkfs.vfat -F 12 -i 12345678 {}", [(0, 512)]),
    ("luks1", SMALL, "cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 "
     f"--uuid {UUID} --key-file /etc/hostname {{}}", [(0, 256)]),
    ("luks2", SMALL, "cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 "
     f"--pbkdf-force-iterations 1000 --uuid {UUID} --key-file /etc/hostname {{}}",
     [(0, 512), (0x4000, 512)]),
    ("verity", SMALL, f"veritysetup format --uuid {UUID} --salt 00 /bin/ls {{}}", [(0, 512)]),
    ("swap", SMALL, f"mkswap -q -U {UUID} {{}}", [(1024, 64), (4080, 16)]),
    ("f2fs", LARGE, "mkfs.f2fs -q {}", [(1024, 256), (5120, 256)]),
    ("jfs", SMALL, "mkfs.jfs -q {}", [(0x8000, 256)]),
    ("reiserfs", SMALL, f"mkreiserfs -q -f -f -u {UUID} {{}}", [(0x10000, 256)]),
    ("nilfs2", LARGE, "mkfs.nilfs2 -q {}", [(1024, 512)]),
    ("ocfs2", LARGE, f"mkfs.ocfs2 -q -F -M local -U {UUID} {{}}", [(0x400, 128), (0x800, 128), (0x1000, 128), (0x2000, 128)]),
    ("gfs2", LARGE, "mkfs.gfs2 -q -O -p lock_nolock {}", [(0x10000, 256)]),
    ("udf", SMALL, "mkudffs {}", [(0x8000, 64), (0x8800, 64), (0x9000, 64), (0x9800, 64)]),
    ("bcache", SMALL, "make-bcache -B {}", [(4096, 256)]),
    ("cramfs", 2 * MIB, "mkfs.cramfs /etc/apt {}", [(0, 64)]),
    ("erofs", 2 * MIB, "mkfs.erofs {} /etc/apt", [(1024, 128)]),
    ("squashfs", 2 * MIB, "mksquashfs /etc/apt {} -noappend -no-progress -quiet", [(0, 96)]),
    ("iso9660", 2 * MIB, "genisoimage -quiet -o {} /etc/apt", [(0x8000, 256)]),
    ("pmdk", SMALL, "pmempool create -f -s 64M -l specimen obj {}", [(0, 512)]),
    ("pmdk-blk", SMALL, "pmempool create -f -s 64M blk 512 {}", [(0, 512)]),
    ("pmdk-log", SMALL, "pmempool create -f -s 64M log {}", [(0, 512)]),
    ("dax", SMALL, f"ndctl write-infoblock -m devdax -M mem -u {UUID} -o {{}}", [(4096, 4096)]),
    ("pfn", SMALL, f"ndctl write-infoblock -m fsdax -M mem -u {UUID} -o {{}}", [(4096, 4096)]),
]

MD = bytes.fromhex("fc4e2ba9")
ZFS = struct.pack(">BBHiIIII", 1, 1, 0, 0, 1, 36, 32, 7) + b"version\0" + struct.pack(">IIQ", 8, 1, 5000)

# Name, where it is from, size, and (offset, bytes); negative: from the end.
BY_HAND = [
    ("btt", "Linux, Documentation/driver-api/nvdimm/btt.rst and struct btt_sb; arena info and copy",
     SMALL, [(4096, b"BTT_ARENA_INFO\0\0" + bytes(range(32))), (-4096, b"BTT_ARENA_INFO\0\0")]),
    ("btt-2", "UEFI 2.10, 6.3: BTT layout version 2.0, info block at the start",
     SMALL, [(0, b"BTT_ARENA_INFO\0\0" + bytes(range(32)))]),
    ("nova", "NOVA file system, struct nova_super_block",
     SMALL, [(0, struct.pack("<IIII", 0x12345678, 0x4E4F5641, 0, 4096))]),
    ("llfree", "llfree-rs, the record in the last frame of a persistent zone",
     SMALL, [(-4096, struct.pack("<QQQ", 0xDEADBEEF, 16000, 1))]),
    ("lvm2", "LVM2, struct label_header in sector 1",
     SMALL, [(512, b"LABELONE" + struct.pack("<QII", 1, 0x6A3B5C1D, 32) + b"LVM2 001")]),
    ("md1", "Linux, struct mdp_superblock_1, metadata 1.2 at 4 KiB",
     SMALL, [(4096, MD + struct.pack("<II", 1, 0) + bytes(range(48)))]),
    ("md1-start", "Linux, struct mdp_superblock_1, metadata 1.1 at the start",
     SMALL, [(0, MD + struct.pack("<II", 1, 0) + bytes(range(48)))]),
    ("md1-end", "Linux, struct mdp_superblock_1, metadata 1.0 in the last 12 KiB",
     SMALL, [(-8192, MD + struct.pack("<II", 1, 0) + bytes(range(48)))]),
    ("md0", "Linux, struct mdp_superblock_s, metadata 0.90 in the last 128 KiB",
     SMALL, [(-65536, MD + struct.pack("<II", 0, 90) + bytes(range(48)))]),
    ("ddf", "SNIA DDF 2.0, 4.2: anchor header in the last block",
     SMALL, [(-512, bytes.fromhex("de11de11") + bytes(range(28)))]),
    ("imsm", "mdadm, struct imsm_super: in the last block but one",
     SMALL, [(-1024, b"Intel Raid ISM Cfg Sig. 1.3.00")]),
    ("zfs", "OpenZFS, vdev label: XDR list of pairs at 16 KiB of each of four labels",
     SMALL, [(at + 0x4000, ZFS) for at in (0, 0x40000, -0x80000, -0x40000)]),
    ("zfs-tail", "OpenZFS, the two labels at the end, as where the first ones were overwritten",
     SMALL, [(at + 0x4000, ZFS) for at in (-0x80000, -0x40000)]),
    ("bcachefs", "bcachefs, struct bch_sb at 4 KiB, its magic at 24",
     SMALL, [(4096, bytes(range(24)) + bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef"))]),
    ("vdo", "dm-vdo, struct volume_geometry",
     SMALL, [(0, b"dmvdo001" + struct.pack("<IIII", 5, 0, 1, 9))]),
    ("stratis", "Stratis, static header in sector 1, magic at 4",
     SMALL, [(512, bytes.fromhex("01020304") + b"!Stra0tis\x86\xff\x02^\x41rh")]),
    ("integrity", "Linux, struct superblock of dm-integrity",
     SMALL, [(0, b"integrt\0" + bytes([4, 15, 0, 0]))]),
    ("bluestore", "Ceph, bluestore label",
     SMALL, [(0, b"bluestore block device\n" + UUID.encode() + b"\n")]),
    ("vmfs", "VMFS 5/6, volume information at 1 MiB",
     SMALL, [(MIB, struct.pack("<II", 0xC001D00D, 5))]),
    ("ldm", "Windows dynamic disks, private header in sector 6",
     SMALL, [(0xC00, b"PRIVHEAD" + bytes([0, 0, 0, 1, 0, 2, 0, 12]))]),
    ("bitlocker", "BitLocker, boot sector",
     SMALL, [(0, bytes.fromhex("eb5890") + b"-FVE-FS-"), (510, b"\x55\xaa")]),
    ("refs", "ReFS 3, boot sector", SMALL, [(0, b"\0\0\0ReFS\0\0\0\0"), (510, b"\x55\xaa")]),
    ("hfs+", "Apple TN1150, volume header at 1024", SMALL, [(1024, b"H+" + struct.pack(">H", 4))]),
    ("hfs+-x", "Apple TN1150, volume header at 1024", SMALL, [(1024, b"HX" + struct.pack(">H", 5))]),
    ("apfs", "Apple File System Reference, nx_superblock_t",
     SMALL, [(0, bytes(range(32)) + b"NXSB" + struct.pack("<I", 4096))]),
    ("ufs", "FreeBSD, struct fs of UFS1 at 8 KiB, fs_magic at 1372",
     SMALL, [(0x255C, struct.pack("<I", 0x00011954))]),
    ("ufs-2", "FreeBSD, struct fs of UFS2 at 64 KiB, fs_magic at 1372",
     SMALL, [(0x1055C, struct.pack("<I", 0x19540119))]),
    ("reiser4", "Reiser4, master superblock at 64 KiB", SMALL, [(0x10000, b"ReIsEr4\0")]),
    ("swap-hibernated", "Linux, kernel/power/swap.c: signature of a hibernated system",
     SMALL, [(4086, b"S1SUSPEND\0")]),
]


def version(command):
    """The package that a tool is from, with its version."""
    path = subprocess.run(["which", command], capture_output=True, text=True).stdout.strip()
    path = os.path.realpath(path)
    for candidate in (path, path.removeprefix("/usr")):
        owner = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True).stdout
        if owner:
            package = owner.split(":")[0]
            show = ["dpkg-query", "-W", "-f", "${Package} ${Version}", package]
            return subprocess.run(show, capture_output=True, text=True).stdout
    return "unknown package"


def write(name, origin, size, image, windows):
    """Writes the rows of 16 bytes that are not zero, within the windows."""
    rows = {}
    for start, length in windows:
        start %= size
        for at in range(start & ~15, start + length, 16):
            row = image(at)
            if any(row):
                rows[at] = row
    assert rows, f"{name}: nothing in its windows"
    with open(os.path.join(HERE, name + ".mark"), "w") as file:
        file.write(f"# {origin}\nsize {size:#x}\n")
        for at, row in sorted(rows.items()):
            file.write(f"{at:#010x} {row.hex()}\n")


def by_tool(name, size, command, windows):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "image")
        with open(path, "wb") as file:
            file.truncate(size)
        if command.startswith(("pmempool", "mksquashfs", "genisoimage")):
            os.remove(path)
        words = [word.format(path) for word in command.split()]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{name}: {' '.join(words)}: {done.stderr or done.stdout}")
        size = max(os.path.getsize(path) + MIB - 1 & ~(MIB - 1), size)
        with open(path, "r+b") as file:
            file.truncate(size)

            def image(at):
                file.seek(at)
                return file.read(16)

            write(name, f"{version(words[0])}: {command.format('IMAGE')}", size, image, windows)


def by_hand(name, origin, size, parts):
    content = bytearray(size)
    windows = []
    for at, data in parts:
        at %= size
        content[at:at + len(data)] = data
        windows.append((at, len(data)))
    write(name, f"by hand: {origin}", size, lambda at: bytes(content[at:at + 16]), windows)


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    wanted = sys.argv[1:]
    for name, *rest in TOOLS:
        if not wanted or name in wanted:
            by_tool(name, *rest)
    for name, *rest in BY_HAND:
        if not wanted or name in wanted:
            by_hand(name, *rest)


main()
