//! Tables made by hand.

pub(crate) const PERSISTENT: [u8; 16] = [
    0x79, 0xd3, 0xf0, 0x66, 0xf3, 0xb4, 0x74, 0x40, 0xac, 0x43, 0x0d, 0x33, 0x18, 0xb7, 0x8c, 0xdb,
];
pub(crate) const PERSISTENT_DISK: [u8; 16] = [
    0xc9, 0x02, 0xea, 0x5c, 0x07, 0x4d, 0xd3, 0x69, 0x26, 0x9f, 0x44, 0x96, 0xfb, 0xe0, 0x96, 0xf9,
];
pub(crate) const VOLATILE: [u8; 16] = [
    0x4f, 0x94, 0x05, 0x73, 0xda, 0xfd, 0xe3, 0x44, 0xb1, 0x6c, 0x3f, 0x22, 0xd2, 0x52, 0xe5, 0xd0,
];

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;

/// Bytes, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<u8>);

impl Fields {
    pub(crate) fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(crate) fn u16(self, value: u16) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Returns a table with a sound header.
pub(crate) fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let header = Fields::default()
        .raw(signature)
        .u32(0)
        .u8(revision)
        .u8(0)
        .raw(b"PERENLTESTTABL")
        .u32(1)
        .raw(b"TEST")
        .u32(1);
    let mut table = header.raw(body).0;
    repair(&mut table);
    table
}

/// Makes length and checksum right.
pub(crate) fn repair(table: &mut [u8]) {
    let len = u32::try_from(table.len()).expect("short");
    table[4..8].copy_from_slice(&len.to_le_bytes());
    table[9] = 0;
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
}

/// Returns an NFIT of these structures.
pub(crate) fn nfit(structures: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(structures.iter().flatten());
    table(b"NFIT", 1, &body)
}

fn structure(kind: u16, fields: Fields) -> Vec<u8> {
    let len = u16::try_from(fields.0.len() + 4).expect("short");
    Fields::default().u16(kind).u16(len).raw(&fields.0).0
}

/// A range; the default is sound.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) index: u16,
    pub(crate) flags: u16,
    pub(crate) proximity: u32,
    pub(crate) guid: [u8; 16],
    pub(crate) base: u64,
    pub(crate) len: u64,
    pub(crate) attributes: u64,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            index: 1,
            flags: 2,
            proximity: 0,
            guid: PERSISTENT,
            base: 4 * GIB,
            len: GIB,
            attributes: 0x8008,
        }
    }
}

impl Range {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let fields = Fields::default()
            .u16(self.index)
            .u16(self.flags)
            .u32(0)
            .u32(self.proximity)
            .raw(&self.guid)
            .u64(self.base)
            .u64(self.len)
            .u64(self.attributes);
        structure(0, fields)
    }
}

/// A part of a device in a range; the default is the only one in the default range.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) handle: u32,
    pub(crate) region_id: u16,
    pub(crate) range: u16,
    pub(crate) control: u16,
    pub(crate) len: u64,
    pub(crate) offset: u64,
    pub(crate) device_base: u64,
    pub(crate) interleave: u16,
    pub(crate) ways: u16,
    pub(crate) flags: u16,
}

impl Default for Map {
    fn default() -> Self {
        Self {
            handle: 1,
            region_id: 0,
            range: 1,
            control: 1,
            len: GIB,
            offset: 0,
            device_base: 0,
            interleave: 0,
            ways: 1,
            flags: 0,
        }
    }
}

impl Map {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let fields = Fields::default()
            .u32(self.handle)
            .u16(0x20)
            .u16(self.region_id)
            .u16(self.range)
            .u16(self.control)
            .u64(self.len)
            .u64(self.offset)
            .u64(self.device_base)
            .u16(self.interleave)
            .u16(self.ways)
            .u16(self.flags)
            .u16(0);
        structure(1, fields)
    }
}

pub(crate) fn interleave(index: u16, lines: &[u32]) -> Vec<u8> {
    let count = u32::try_from(lines.len()).expect("few");
    let fields = Fields::default().u16(index).u16(0).u32(count).u32(4096);
    structure(
        2,
        lines.iter().fold(fields, |fields, line| fields.u32(*line)),
    )
}

pub(crate) fn smbios() -> Vec<u8> {
    structure(3, Fields::default().u32(0).raw(&[17, 8, 1, 0, 2, 0, 3, 0]))
}

/// Returns a control region in its short form.
pub(crate) fn control(index: u16, serial: u32) -> Vec<u8> {
    structure(4, control_fields(index, serial, 0))
}

/// Returns a control region with a block window.
pub(crate) fn control_with_window(index: u16, serial: u32) -> Vec<u8> {
    let fields = control_fields(index, serial, 1);
    structure(4, fields.raw(&[0; 48]))
}

fn control_fields(index: u16, serial: u32, windows: u16) -> Fields {
    Fields::default()
        .u16(index)
        .u16(0x8086)
        .u16(0x097a)
        .u16(3)
        .u16(0x8980)
        .u16(0x18)
        .u16(4)
        .u8(1)
        .u8(0xa2)
        .u16(0x1820)
        .u16(0)
        .u32(serial)
        .u16(0x0301)
        .u16(windows)
}

pub(crate) fn block_window(control: u16) -> Vec<u8> {
    let fields = Fields::default().u16(control).u16(1).u64(0).u64(8192);
    structure(5, fields.u64(GIB).u64(0))
}

pub(crate) fn hints(handle: u32, addresses: &[u64]) -> Vec<u8> {
    let count = u16::try_from(addresses.len()).expect("few");
    let fields = Fields::default().u32(handle).u16(count).raw(&[0; 6]);
    structure(
        6,
        addresses.iter().fold(fields, |fields, at| fields.u64(*at)),
    )
}

pub(crate) fn capabilities(highest: u8, bits: u32) -> Vec<u8> {
    let fields = Fields::default().u8(highest).raw(&[0; 3]).u32(bits).u32(0);
    structure(7, fields)
}

/// Returns a structure of a type that isn't known.
pub(crate) fn unknown(kind: u16) -> Vec<u8> {
    structure(kind, Fields::default().raw(&[0xaa; 5]))
}

/// Returns the table of a server: two sockets with two interleaved devices
/// each, one range of volatile memory, every type of structure, in no order.
pub(crate) fn server() -> Vec<u8> {
    let volatile = Range {
        index: 9,
        guid: VOLATILE,
        base: 32 * GIB,
        ..Range::default()
    };
    let far = Range {
        index: 2,
        proximity: 1,
        base: 8 * GIB,
        len: 2 * GIB,
        ..Range::default()
    };
    let near = Range {
        index: 3,
        len: 2 * GIB,
        ..Range::default()
    };
    let part = |handle, range, control, offset, interleave| Map {
        handle,
        range,
        control,
        offset,
        interleave,
        ways: 2,
        ..Map::default()
    };
    nfit(&[
        part(0x1011, 2, 13, 4096, 8).bytes(),
        far.bytes(),
        smbios(),
        hints(0x11, &[0xfe00_0000, 0xfe00_0040]),
        control_with_window(10, 0x1000),
        volatile.bytes(),
        part(1, 3, 10, 0, 7).bytes(),
        interleave(7, &[0, 2]),
        control(11, 0x1001),
        unknown(8),
        part(0x1001, 2, 12, 0, 7).bytes(),
        block_window(10),
        near.bytes(),
        capabilities(2, 0xffff_fffa),
        control(12, 0x1002),
        part(0x11, 3, 11, 4096, 8).bytes(),
        interleave(8, &[1, 3]),
        control(13, 0x1003),
    ])
}
