//! Statistics: the whole, its parts, and what they add up to.

use frame::Order;
use llfree::{Class, Zone};
use persist::Volatile;

use crate::common::Tables;

#[test]
fn the_trees_have_what_the_zone_has() {
    // Two trees and a part of a third one.
    let frames = 2 * 32 * 512 + 5 * 512 + 7;
    let mut tables = Tables::new::<8, 32>(frames, 1);
    let zone: Zone<'_, _> = Zone::create(frames, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let taken = [Order::FRAME, Order::HUGE].map(|order| local.get(order).unwrap());
    local.drain();

    let trees: Vec<_> = (0..).map_while(|tree| zone.tree_stats(tree)).collect();
    let stats = zone.stats();
    assert_eq!(trees.len(), stats.trees);
    assert_eq!(trees.iter().map(|tree| tree.frames).sum::<usize>(), frames);
    let free = trees.iter().map(|tree| tree.free).sum::<usize>();
    assert_eq!((free, stats.free), (frames - 513, frames - 513));
    let huge_free = trees.iter().map(|tree| tree.huge_free).sum::<usize>();
    assert_eq!((huge_free, stats.huge_free), (67, 67));
    let in_part = trees.iter().filter(|tree| tree.class == Some(Class::Mixed));
    assert!(
        (1..=2).contains(&in_part.count()),
        "one or both blocks in it"
    );
    assert!(trees.iter().all(|tree| !tree.in_use), "drained");

    for (frame, order) in taken.into_iter().zip([Order::FRAME, Order::HUGE]) {
        local.put(frame, order).unwrap();
    }
    local.drain();
    let trees = (0..).map_while(|tree| zone.tree_stats(tree));
    assert!(
        trees
            .into_iter()
            .all(|tree| tree.free == tree.frames && tree.class.is_none())
    );
}
