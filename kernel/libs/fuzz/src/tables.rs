//! The lower tables of a zone, damaged: entries, bitfields, slots.
//!
//! Recovery has to make sense of tables that a crash left in the middle of
//! anything; here it is given tables that no crash leaves. It must end with
//! tables that agree with each other, and the zone must not hand out a frame
//! twice, or one that it says is allocated.

use std::sync::OnceLock;

use llfree::media::Format;

use crate::{
    Target,
    damage::{Region, damage, exhaust},
    input::Input,
};

pub(crate) const TARGET: Target = Target {
    name: "tables",
    control: false,
    max_len: 256,
    run,
    seeds,
};

fn run(data: &[u8]) {
    static USED: OnceLock<Region> = OnceLock::new();
    let mut region = USED.get_or_init(|| Region::used(false)).clone();
    damage(region.parts().1, &mut Input::new(data), usize::MAX);
    let opened = region.open(Format::Never, |zone, _| {
        zone.validate().expect("recovery leaves tables that agree");
        assert!(zone.uncertain().count() <= zone.frames());
        exhaust(zone);
        zone.validate().expect("so does an exhausted zone");
    });
    opened.expect("the superblock is intact");
}

fn seeds() -> Vec<Vec<u8>> {
    let flips = [(0, 1), (9, 0x80), (16, 0xff), (64, 1), (0x81, 0x40)];
    let one = |(at, what): (u16, u8)| vec![at.to_le_bytes()[0], at.to_le_bytes()[1], what];
    let mut seeds: Vec<_> = flips.into_iter().map(one).collect();
    seeds.push(seeds.concat());
    seeds
}
