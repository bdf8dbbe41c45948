//! Several zones as one: whose turn it is, and where a block goes home to.

use std::collections::HashMap;
use std::thread;

use frame::{FRAME_SIZE, Order, PhysAddr};
use llfree::nodes::{
    Member, NodeGetError, NodeLocal, NodeLocalError, NodePutError, Nodes, NodesError,
};
use llfree::{Class, GetError, LocalError, PutError, Zone};
use persist::Volatile;

use crate::common::{Random, Tables, order};

/// Two rows a huge frame, two huge frames a tree.
type Small<'m> = Zone<'m, Volatile, 2, 2>;
type SmallNodes<'z, 'm> = Nodes<'z, 'm, Volatile, 3, 2, 2>;
type SmallLocal<'z, 'm> = NodeLocal<'z, 'm, Volatile, 3, 2, 2>;

/// Where the zones start: with a hole between the first two, none before the last.
const STARTS: [PhysAddr; 3] = [
    PhysAddr(0x100_0000),
    PhysAddr(0x200_0000),
    PhysAddr(0x210_0000),
];
/// Whose they are. Node 1 has two, and is given in two places.
const NODES: [u32; 3] = [1, 0, 1];
const FRAMES: [usize; 3] = [512, 256, 300];
const CPUS: usize = 2;

fn member<'z, 'm>(
    zone: &'z Small<'m>,
    start: PhysAddr,
    node: u32,
) -> Member<'z, 'm, Volatile, 2, 2> {
    Member { zone, start, node }
}

/// Runs `test` on three zones of two processors, and checks what it leaves.
fn with_zones(test: impl FnOnce([&Small<'_>; 3])) {
    let mut tables = FRAMES.map(|frames| Tables::new::<2, 2>(frames, CPUS));
    let [one, two, three] = &mut tables;
    let make = |frames, tables| Small::create(frames, CPUS, Tables::memory(tables), Volatile);
    let zones = [
        make(FRAMES[0], one).unwrap(),
        make(FRAMES[1], two).unwrap(),
        make(FRAMES[2], three).unwrap(),
    ];
    test(zones.each_ref());
    for zone in &zones {
        assert_eq!(zone.validate(), Ok(()));
    }
}

/// Runs `test` on a view of them.
fn with_nodes(test: impl FnOnce(&SmallNodes<'_, '_>)) {
    with_zones(|[one, two, three]| {
        let members = [
            member(one, STARTS[0], NODES[0]),
            member(two, STARTS[1], NODES[1]),
            member(three, STARTS[2], NODES[2]),
        ];
        test(&Nodes::new(members).unwrap());
    });
}

fn local<'z, 'm>(nodes: &SmallNodes<'z, 'm>, cpu: usize, node: u32) -> SmallLocal<'z, 'm> {
    nodes.local(cpu, node, |_| 20).unwrap()
}

/// Returns the number of the zone that an address is in.
fn zone_of(address: PhysAddr) -> Option<usize> {
    (0..3).find(|&zone| {
        let end = STARTS[zone].0 + (FRAMES[zone] * FRAME_SIZE) as u64;
        (STARTS[zone].0..end).contains(&address.0)
    })
}

fn free(nodes: &SmallNodes<'_, '_>) -> [usize; 3] {
    nodes
        .members()
        .each_ref()
        .map(|member| member.zone.stats().free)
}

#[test]
fn a_block_comes_from_the_own_node_until_that_is_full() {
    with_nodes(|nodes| {
        let mut local = local(nodes, 0, 1);
        let taken: Vec<_> = (0..FRAMES[0] + FRAMES[2] + FRAMES[1])
            .map(|_| zone_of(local.get(Order::FRAME).unwrap()).unwrap())
            .collect();
        let (own, others) = taken.split_at(FRAMES[0] + FRAMES[2]);
        assert!(own.iter().all(|&zone| NODES[zone] == 1));
        assert!(others.iter().all(|&zone| NODES[zone] == 0));
        let last = GetError::OutOfMemory {
            order: Order::FRAME,
        };
        let full = Err(NodeGetError::NoBlock { zones: 3, last });
        assert_eq!(local.get(Order::FRAME), full);
    });
}

#[test]
fn near_memory_of_another_class_comes_before_far_memory() {
    with_nodes(|nodes| {
        let mut local = local(nodes, 0, 0);
        for taken in 0..FRAMES[1] {
            // The only tree of the zone is not for one class alone.
            let class = Class::ALL[taken % 2 + 1];
            let address = local.get_as(Order::FRAME, class).unwrap();
            assert_eq!(zone_of(address), Some(1));
        }
        let full = local.get_as_on(0, Order::FRAME, Class::Movable);
        assert!(matches!(full, Err(NodeGetError::NoBlock { zones: 1, .. })));
        let far = local.get_as(Order::FRAME, Class::Movable).unwrap();
        assert_ne!(zone_of(far), Some(1));
        let far = nodes.members()[zone_of(far).unwrap()].zone;
        assert_eq!(far.class_stats(Class::Movable).trees, 1);
    });
}

#[test]
fn a_strict_request_does_not_leave_its_node() {
    with_nodes(|nodes| {
        let mut local = local(nodes, 0, 1);
        for _ in 0..FRAMES[1] {
            assert_eq!(zone_of(local.get_on(0, Order::FRAME).unwrap()), Some(1));
        }
        let last = GetError::OutOfMemory {
            order: Order::FRAME,
        };
        let full = Err(NodeGetError::NoBlock { zones: 1, last });
        assert_eq!(local.get_on(0, Order::FRAME), full);
        let none = Err(NodeGetError::NoZone { node: 7 });
        assert_eq!(local.get_on(7, Order::FRAME), none);
        assert!(local.get(Order::FRAME).is_ok());
    });
}

#[test]
fn a_processor_of_a_node_without_zones_takes_from_the_nearest() {
    with_nodes(|nodes| {
        let near_0 = |node| if node == 0 { 15 } else { 20 };
        let mut local = nodes.local(0, 2, near_0).unwrap();
        assert_eq!(zone_of(local.get(Order::FRAME).unwrap()), Some(1));
        assert_eq!(local.node(), 2);
    });
}

#[test]
fn returned_blocks_go_home() {
    with_nodes(|nodes| {
        let (mut taker, mut other) = (local(nodes, 0, 1), local(nodes, 1, 0));
        let mut blocks = Vec::new();
        for order in [0, 3, 6, 7, 8].map(order).into_iter().cycle() {
            let Ok(block) = taker.get(order) else { break };
            blocks.push((block, order));
        }
        assert!(blocks.iter().any(|&(block, _)| zone_of(block) == Some(1)));
        for (block, order) in blocks {
            other.put(block, order).unwrap();
        }
        assert_eq!(free(nodes), FRAMES);
    });
}

#[test]
fn an_address_of_no_zone_is_an_error_that_names_it() {
    with_nodes(|nodes| {
        let mut local = local(nodes, 0, 1);
        let before = PhysAddr(STARTS[0].0 - 4096);
        let after_first = PhysAddr(STARTS[0].0 + 512 * 4096);
        let after_last = PhysAddr(STARTS[2].0 + 300 * 4096);
        for address in [before, after_first, after_last, PhysAddr(!0xfff)] {
            let none = Err(NodePutError::NoZone { address });
            assert_eq!(local.put(address, Order::FRAME), none);
        }
        let address = PhysAddr(STARTS[0].0 + 8);
        let inside = Err(NodePutError::InsideFrame { address });
        assert_eq!(local.put(address, Order::FRAME), inside);
    });
}

#[test]
fn a_zone_that_refuses_a_block_is_named() {
    with_nodes(|nodes| {
        let mut local = local(nodes, 0, 1);
        let frame = frame::FrameId(299);
        let refused = local.put(PhysAddr(STARTS[2].0 + 299 * 4096), Order::FRAME);
        let cause = PutError::NotAllocated { frame };
        assert_eq!(refused, Err(NodePutError::Refused { zone: 2, cause }));
        // It begins in a zone, but ends beyond it.
        let frame = frame::FrameId(256);
        let beyond = local.put(PhysAddr(STARTS[2].0 + 256 * 4096), order(7));
        let cause = PutError::OutOfRange {
            frame,
            order: order(7),
            frames: 300,
        };
        assert_eq!(beyond, Err(NodePutError::Refused { zone: 2, cause }));
    });
}

#[test]
fn what_others_hold_is_summed_over_the_zones_that_were_asked() {
    with_nodes(|nodes| {
        let (mut holder, mut local) = (local(nodes, 0, 1), local(nodes, 1, 0));
        // One frame of each node, with its row.
        for node in [0, 1] {
            holder.get_on(node, Order::FRAME).unwrap();
        }
        let mut held_on = |node| loop {
            match local.get_on(node, Order::FRAME) {
                Ok(_) => {}
                Err(NodeGetError::HeldElsewhere { frames, .. }) => break frames,
                Err(other) => panic!("node {node}: {other}"),
            }
        };
        let held = held_on(0) + held_on(1);
        assert!(held > 0);
        let expected = NodeGetError::HeldElsewhere {
            order: Order::FRAME,
            zones: 3,
            frames: held,
        };
        assert_eq!(local.get(Order::FRAME), Err(expected));
        holder.drain();
        assert!(local.get(Order::FRAME).is_ok());
    });
}

#[test]
fn an_order_that_does_not_exist_is_refused_by_the_first_zone() {
    with_nodes(|nodes| {
        let last = GetError::BadOrder {
            order: order(10),
            max: Small::MAX_ORDER,
            giant: Small::GIANT_ORDER,
        };
        let refused = Err(NodeGetError::NoBlock { zones: 1, last });
        assert_eq!(local(nodes, 0, 1).get(order(10)), refused);
    });
}

#[test]
fn a_giant_frame_is_not_taken_where_the_hardware_could_not_map_it() {
    let giant = Small::GIANT_ORDER;
    let get_at = |start| {
        let mut taken = None;
        with_zones(|[one, _, _]| {
            let nodes = Nodes::new([member(one, start, 0)]).unwrap();
            taken = Some(nodes.local(0, 0, |_| 20).unwrap().get(giant));
        });
        taken.unwrap()
    };
    assert_eq!(get_at(STARTS[0]), Ok(STARTS[0]));
    let last = GetError::Unaligned {
        order: giant,
        alignment: order(7),
    };
    let refused = Err(NodeGetError::NoBlock { zones: 1, last });
    assert_eq!(get_at(PhysAddr(STARTS[0].0 + 0x8_0000)), refused);
}

#[test]
fn statistics_are_those_of_all_zones_of_a_node() {
    with_nodes(|nodes| {
        assert_eq!(nodes.nodes().collect::<Vec<_>>(), [1, 0]);
        let mut local = local(nodes, 0, 1);
        local.get(Order::FRAME).unwrap();
        let (own, other) = (nodes.stats(1).unwrap(), nodes.stats(0).unwrap());
        assert_eq!((own.frames, own.free), (812, 811));
        assert_eq!((other.frames, other.free), (256, 256));
        assert_eq!((own.trees, other.trees), (2 + 2, 1));
        assert_eq!(nodes.stats(2), None);
    });
}

#[test]
fn a_handle_that_one_zone_refuses_is_taken_from_none() {
    with_nodes(|nodes| {
        let taken = nodes.members()[1].zone.local(0).unwrap();
        let refused = nodes.local(0, 1, |_| 20).err();
        let cause = LocalError::Busy { cpu: 0 };
        assert_eq!(refused, Some(NodeLocalError { zone: 1, cause }));
        drop(taken);
        assert!(nodes.local(0, 1, |_| 20).is_ok());
    });
}

#[test]
fn zones_that_cannot_be_where_they_are_said_to_be_are_refused() {
    with_zones(|[one, two, _]| {
        let view = |first, second| {
            let members = [member(one, first, 0), member(two, second, 1)];
            Nodes::new(members).err()
        };
        let high = PhysAddr(u64::MAX - 0x7_ffff);
        assert_eq!(view(PhysAddr(0), PhysAddr(0x20_0000)), None);
        assert_eq!(
            view(PhysAddr(0), PhysAddr(0x18_0000)),
            Some(NodesError::Overlap { zones: [0, 1] })
        );
        let start = PhysAddr(0x1000);
        assert_eq!(
            view(start, PhysAddr(0x80_0000)),
            Some(NodesError::Misaligned { zone: 0, start })
        );
        assert_eq!(
            view(PhysAddr(0), high),
            Some(NodesError::TooHigh {
                zone: 1,
                start: high,
                frames: 256
            })
        );
    });
}

/// Blocks that a handle has taken, by the address of each of their frames.
#[derive(Default)]
struct Owned(HashMap<u64, Order>);

impl Owned {
    /// Notes a block, none of whose frames may be known.
    fn add(&mut self, block: PhysAddr, order: Order) {
        for frame in 0..order.frames() {
            let address = block.0 + (frame * FRAME_SIZE) as u64;
            assert_eq!(self.0.insert(address, order), None, "{address:#x} twice");
        }
    }

    fn remove(&mut self, block: PhysAddr, order: Order) {
        for frame in 0..order.frames() {
            self.0.remove(&(block.0 + (frame * FRAME_SIZE) as u64));
        }
    }
}

/// Takes and returns blocks at random; returns those that it keeps.
fn work(local: &mut SmallLocal<'_, '_>, random: &mut Random, steps: usize) -> Owned {
    let (mut owned, mut blocks) = (Owned::default(), Vec::new());
    for _ in 0..steps {
        if random.below(5) < 3 {
            let order = random.order(8);
            let taken = match random.below(4) {
                0 => local.get_on(0, order),
                _ => local.get(order),
            };
            if let Ok(block) = taken {
                owned.add(block, order);
                blocks.push((block, order));
            }
        } else if let Some((block, order)) = random.pick(&mut blocks) {
            owned.remove(block, order);
            local.put(block, order).unwrap();
        }
    }
    owned
}

/// Power: 40 seeds, two handles on two threads, 2000 steps each; the zones are full
/// most of the time.
#[test]
fn no_frame_is_handed_out_twice_to_two_threads_of_different_nodes() {
    for seed in 0..40 {
        println!("seed {seed}");
        with_nodes(|nodes| {
            let (mut one, mut two) = (local(nodes, 0, 1), local(nodes, 1, 0));
            let run = |local: &mut SmallLocal<'_, '_>, salt: u64| {
                work(local, &mut Random(2 * seed + salt), 2000)
            };
            let (mine, theirs) = thread::scope(|scope| {
                let theirs = scope.spawn(|| run(&mut two, 1));
                (run(&mut one, 0), theirs.join().unwrap())
            });
            let both = mine.0.keys().filter(|frame| theirs.0.contains_key(frame));
            assert_eq!(both.count(), 0);
            let (all, taken) = (FRAMES.iter().sum::<usize>(), mine.0.len() + theirs.0.len());
            assert_eq!(free(nodes).iter().sum::<usize>(), all - taken);
        });
    }
}

/// Positive control: the check above can fail.
#[test]
#[should_panic(expected = "twice")]
fn a_frame_that_is_handed_out_twice_is_noticed() {
    let mut owned = Owned::default();
    owned.add(PhysAddr(0x4000), order(2));
    owned.add(PhysAddr(0x6000), Order::FRAME);
}
