//! Several blocks in one call.

use frame::{FrameId, Order};
use llfree::{GetError, Partial, PutError, Zone};
use persist::Volatile;

use crate::common::{Oracle, Tables, order};

const FRAMES: usize = 3 * 512 + 40;
const NOWHERE: FrameId = FrameId(usize::MAX);

#[test]
fn a_batch_takes_blocks_that_nobody_else_has() {
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let oracle = Oracle::new(FRAMES);
    for exponent in [0, 3, 6, 7, 9] {
        let order = order(exponent);
        let mut blocks = vec![NOWHERE; 300 >> exponent | 1];
        local.get_many(order, &mut blocks).unwrap();
        assert!(blocks.iter().all(|&block| oracle.claim(block, order)));
        local.drain();
        oracle.compare(&zone);
        local.put_many(order, &blocks).unwrap();
        blocks
            .iter()
            .for_each(|&block| oracle.release(block, order));
        local.drain();
        oracle.compare(&zone);
    }
}

#[test]
fn a_batch_that_runs_out_says_how_many_it_has() {
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let mut blocks = [NOWHERE; 5];
    let cause = GetError::OutOfMemory { order: Order::HUGE };
    let taken = local.get_many(Order::HUGE, &mut blocks);
    assert_eq!(taken, Err(Partial { done: 3, cause }));
    assert_eq!(blocks[3..], [NOWHERE; 2]);
    assert_eq!(zone.stats().free, 40);
    local.put_many(Order::HUGE, &blocks[..3]).unwrap();
    assert_eq!(zone.stats().free, FRAMES);
}

#[test]
fn a_batch_of_returns_ends_at_the_first_that_is_refused() {
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let mut blocks = [NOWHERE; 4];
    local.get_many(Order::FRAME, &mut blocks).unwrap();
    let [first, .., last] = blocks;
    let cause = PutError::NotAllocated { frame: first };
    let put = local.put_many(Order::FRAME, &[first, first, last]);
    assert_eq!(put, Err(Partial { done: 1, cause }));
    assert_eq!(
        zone.stats().free,
        FRAMES - 3,
        "the last one is not returned"
    );
    assert_eq!(
        put.unwrap_err().to_string(),
        format!("after 1 blocks: {cause}")
    );
    local.put_many(Order::FRAME, &blocks[1..]).unwrap();
    assert_eq!(zone.stats().free, FRAMES);
}

#[test]
fn an_empty_batch_changes_nothing_whatever_its_order() {
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    assert_eq!(local.get_many(order(18), &mut []), Ok(()));
    assert_eq!(local.put_many(order(18), &[]), Ok(()));
    assert_eq!(zone.stats().free, FRAMES);
}

#[test]
fn a_block_is_zeroed_once_it_is_taken_and_not_otherwise() {
    let mut tables = Tables::new::<8, 2>(FRAMES, 1);
    let zone: Zone<'_, _, 8, 2> = Zone::create(FRAMES, 1, tables.memory(), Volatile).unwrap();
    let mut local = zone.local(0).unwrap();
    let mut content = vec![0xaa_u8; FRAMES];
    let mut zero = |block: FrameId, order: Order| {
        assert!(!zone.is_free(block, order), "zeroed before it was taken");
        content[block.0..][..order.frames()].fill(0);
    };
    let block = local.get_zeroed(order(4), &mut zero).unwrap();
    let refused = local.get_zeroed(order(17), &mut zero);
    assert!(matches!(refused, Err(GetError::BadOrder { .. })));
    let zeros: Vec<_> = (0..FRAMES).filter(|&frame| content[frame] == 0).collect();
    assert_eq!(zeros, (block.0..block.0 + 16).collect::<Vec<_>>());
}
