//! What a range is used for, by its GUID (ACPI 6.5, table 5-132).

/// The use of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Byte-addressable persistent memory, the only one that can be ours.
    Persistent,
    /// Volatile memory.
    Volatile,
    /// Registers of a device.
    ControlRegion,
    /// Windows for block access.
    BlockWindow,
    /// A disk image that is lost with power.
    VolatileDisk,
    /// A CD image that is lost with power.
    VolatileCd,
    /// Somebody's disk image.
    PersistentDisk,
    /// Somebody's CD image.
    PersistentCd,
    /// Not known here.
    Unknown([u8; 16]),
}

/// The GUIDs as numbers, in the order in which they are written.
const KNOWN: [(u128, Use); 8] = [
    (0x66f0d379_b4f3_4074_ac43_0d3318b78cdb, Use::Persistent),
    (0x7305944f_fdda_44e3_b16c_3f22d252e5d0, Use::Volatile),
    (0x92f701f6_13b4_405d_910b_299367e8234c, Use::ControlRegion),
    (0x91af0530_5d86_470e_a6b0_0a2db9408249, Use::BlockWindow),
    (0x77ab535a_45fc_624b_5560_f7b281d1f96e, Use::VolatileDisk),
    (0x3d5abd30_4175_87ce_6d64_d2ade523c4bb, Use::VolatileCd),
    (0x5cea02c9_4d07_69d3_269f_4496fbe096f9, Use::PersistentDisk),
    (0x08018188_42cd_bb48_100f_5387d53ded3d, Use::PersistentCd),
];

impl Use {
    /// Takes the use from the 16 bytes of a table.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let guid = number(bytes);
        let known = KNOWN.iter().find(|(known, _)| *known == guid);
        known.map_or(Self::Unknown(bytes), |(_, use_)| *use_)
    }
}

/// Returns the number whose digits are the written form: the first three groups
/// of a GUID are stored with their lowest byte first, the rest as written.
const fn number(b: [u8; 16]) -> u128 {
    u128::from_be_bytes([
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
        b[14], b[15],
    ])
}
