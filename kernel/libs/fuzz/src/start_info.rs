//! What a virtual machine monitor hands to the direct boot, and the memory map
//! made of it.

use boot::{
    PAGE_SIZE,
    pvh::StartInfo,
    regions::{MAX_REGIONS, Map},
};
use frame::PhysRange;

use crate::{Target, image::Image};

pub(crate) const TARGET: Target = Target {
    name: "start-info",
    control: false,
    max_len: 1024,
    run,
    seeds,
};

/// Where the input lies. It begins with the structure.
const START: u64 = 0x1000;
const MAGIC: u32 = 0x336e_c578;

fn run(data: &[u8]) {
    let memory = Image {
        start: START,
        bytes: data.to_vec(),
    };
    let read = |range: PhysRange| {
        let len = usize::try_from(range.len_bytes()).ok()?;
        memory.get(range.start().0, len)
    };
    let info = match StartInfo::read(START, &read) {
        Ok(info) => info,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let _ = (info.rsdp(), info.module(&read));
    if let Ok(Some(text)) = info.command_line(&read) {
        assert!(read(text).is_some());
    }
    let mut map = Map::default();
    let _ = info.memory_map(&read, &mut map);
    check(&map);
}

/// The regions are sorted, apart, and whole pages.
fn check(map: &Map) {
    let mut end = 0;
    let mut count = 0;
    for region in map.regions() {
        assert!(end <= region.start && region.start < region.end);
        assert!(region.start.is_multiple_of(PAGE_SIZE));
        assert!(region.end.is_multiple_of(PAGE_SIZE) || region.end == u64::MAX);
        end = region.end;
        count += 1;
    }
    assert!(count <= MAX_REGIONS);
    assert!(end <= map.end());
    let low = PhysRange::between(frame::PhysAddr(0), frame::PhysAddr(1 << 20));
    if let Some(found) = map.find(2 * PAGE_SIZE, low) {
        assert!(low.contains(found));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seed = vec![0; 56];
    let entries = [
        (0, 0x9_fc00, 1),
        (0x9_fc00, 0x400, 2),
        (0x10_0000, 0x7ff0_0000, 1_u32),
    ];
    let module_at = START + 56;
    let map_at = module_at + 32;
    let text_at = map_at + entries.len() as u64 * 24;
    seed[..4].copy_from_slice(&MAGIC.to_le_bytes());
    seed[4..8].copy_from_slice(&1_u32.to_le_bytes());
    seed[12..16].copy_from_slice(&1_u32.to_le_bytes());
    seed[16..24].copy_from_slice(&module_at.to_le_bytes());
    seed[24..32].copy_from_slice(&text_at.to_le_bytes());
    seed[32..40].copy_from_slice(&0xf_58e0_u64.to_le_bytes());
    seed[40..48].copy_from_slice(&map_at.to_le_bytes());
    seed[48..52].copy_from_slice(&3_u32.to_le_bytes());
    let module: [u64; 4] = [0x20_0000, 0x10_0000, 0, 0];
    seed.extend(module.iter().flat_map(|word| word.to_le_bytes()));
    for (start, len, kind) in entries {
        let words: [u64; 3] = [start, len, u64::from(kind)];
        seed.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    seed.extend(b"seed=7 quick\0");
    vec![seed]
}
