//! Which ranges of an NFIT may be written to, said a second time and naively.
//!
//! Written from the rules and not from the parser: whole structures are copied
//! into vectors, fields are read wherever they are needed, and a range is
//! permitted if every rule holds. Where parser and oracle differ, one is wrong.

use crate::build::PERSISTENT;

/// A base and a length in bytes.
pub(crate) type Permitted = (u64, u64);

struct Structure {
    kind: u64,
    bytes: Vec<u8>,
}

impl Structure {
    fn number(&self, at: usize, len: usize) -> u64 {
        let bytes = self.bytes[at..at + len].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Returns the ranges that may be written to, in the table's order.
pub(crate) fn permitted(table: &[u8], max_phys_bits: u32) -> Vec<Permitted> {
    let Some(structures) = split(&table[40..]) else {
        return Vec::new();
    };
    if contradictory(&structures) {
        return Vec::new();
    }
    let all = || structures.iter().filter(|structure| structure.kind == 0);
    let sound: Vec<_> = all()
        .filter(|range| is_sound(range, &structures, max_phys_bits))
        .collect();
    let told = sound.iter().filter(|range| {
        let same = |other: &&Structure| {
            name(other, &structures) == name(range, &structures)
                && other.bytes[32..40] != range.bytes[32..40]
        };
        // Ranges that aren't sound can be twins too, if they are persistent at all.
        !all().any(|other| same(&other))
    });
    told.map(|range| (range.number(32, 8), range.number(40, 8)))
        .collect()
}

fn split(mut bytes: &[u8]) -> Option<Vec<Structure>> {
    let mut structures = Vec::new();
    while !bytes.is_empty() {
        let kind = u64::from(*bytes.first()?) | u64::from(*bytes.get(1)?) << 8;
        let len = usize::from(*bytes.get(2)?) | usize::from(*bytes.get(3)?) << 8;
        let structure = Structure {
            kind,
            bytes: bytes.get(..len)?.to_vec(),
        };
        let least = [56, 48, 16, 8, 32, 40, 16, 16];
        if len < least.get(usize::try_from(kind).ok()?).copied().unwrap_or(4) {
            return None;
        }
        let counted = match kind {
            2 => 16 + 4 * u128::from(structure.number(8, 4)),
            4 if structure.number(30, 2) > 0 => 80,
            6 => 16 + 8 * u128::from(structure.number(8, 2)),
            _ => 0,
        };
        if counted > len as u128 {
            return None;
        }
        structures.push(structure);
        bytes = &bytes[len..];
    }
    Some(structures)
}

fn contradictory(structures: &[Structure]) -> bool {
    let keys = structures
        .iter()
        .filter_map(|structure| match structure.kind {
            0 if structure.number(4, 2) > 0 => Some((0, structure.number(4, 2), 0, 0)),
            1 if structure.number(12, 2) > 0 => Some((
                1,
                structure.number(12, 2),
                structure.number(4, 4),
                structure.number(10, 2),
            )),
            _ => None,
        });
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    let mut said: Vec<_> = structures
        .iter()
        .filter(|structure| structure.kind == 7)
        .map(|structure| (structure.number(4, 1), structure.number(8, 4)))
        .collect();
    said.dedup();
    keys.windows(2).any(|pair| pair[0] == pair[1])
        || said.len() > 1
        || said.iter().any(|(highest, _)| *highest > 31)
}

fn is_sound(range: &Structure, structures: &[Structure], max_phys_bits: u32) -> bool {
    let ends = |range: &Structure| {
        let base = u128::from(range.number(32, 8));
        (base, base + u128::from(range.number(40, 8)))
    };
    let (base, end) = ends(range);
    let apart = structures
        .iter()
        .filter(|other| other.kind == 0 && !core::ptr::eq(*other, range))
        .all(|other| {
            let (other_base, other_end) = ends(other);
            other_end <= base || end <= other_base || other_base == other_end
        });
    let maps: Vec<_> = maps(range, structures).collect();
    let sum: u128 = maps.iter().map(|map| u128::from(map.number(16, 8))).sum();
    let exists = |kind, index| {
        let mut known = structures.iter().filter(|known| known.kind == kind);
        index == 0 || known.any(|known| known.number(4, 2) == index)
    };
    range.bytes[16..32] == PERSISTENT
        && range.number(4, 2) > 0
        && base < end
        && end <= 1 << max_phys_bits
        && (base | end).is_multiple_of(4096)
        && base >= 1 << 20
        && apart
        && range.number(48, 8) & 8 != 0
        && !maps.is_empty()
        && sum == end - base
        && maps.iter().all(|map| {
            map.number(44, 2) & 0x4f == 0
                && map.number(42, 2).max(1) == maps.len() as u64
                && exists(4, map.number(14, 2))
                && exists(2, map.number(40, 2))
        })
}

fn maps<'a>(
    range: &'a Structure,
    structures: &'a [Structure],
) -> impl Iterator<Item = &'a Structure> {
    let index = range.number(4, 2);
    structures
        .iter()
        .filter(move |map| map.kind == 1 && index > 0 && map.number(12, 2) == index)
}

/// Returns all that the identity of a range may depend on.
fn name(range: &Structure, structures: &[Structure]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let own = [&range.bytes[16..32], &range.bytes[40..48]].concat();
    let mut parts: Vec<_> = maps(range, structures)
        .map(|map| {
            let index = map.number(14, 2);
            let control = structures
                .iter()
                .find(|known| known.kind == 4 && index > 0 && known.number(4, 2) == index);
            let mut part = map.bytes[16..40].to_vec();
            if let Some(control) = control {
                part.extend(&control.bytes[6..10]);
                part.extend(&control.bytes[24..28]);
                if control.bytes[18] & 1 != 0 {
                    part.extend(&control.bytes[19..22]);
                }
            }
            part
        })
        .collect();
    parts.sort_unstable();
    (own, parts)
}
