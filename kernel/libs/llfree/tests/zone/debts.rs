//! What a processor has freed and not counted yet must never cost a block.

use frame::{FrameId, Order};
use llfree::{GetError, Local, Zone};
use persist::Eadr;

use crate::common::{Tables, order};

const HUGE_FRAMES: usize = 512;

/// Leaves a huge frame free of which all frames are counted, but that it is whole is
/// owed to the tree: of the half that made it whole the frames are owed too, and
/// another half is taken, which is paid with them.
fn owe_only_a_whole_huge_frame(local: &mut Local<'_, '_, Eadr, 8, 2>) {
    let half = order(8);
    let halves = [(); 4].map(|()| local.get(half).unwrap());
    for freed in [0, 2, 1] {
        local.put(halves[freed], half).unwrap();
    }
    assert_eq!(local.get(half), Ok(halves[2]), "not of the huge frame");
}

#[test]
fn a_huge_frame_of_which_only_the_owner_knows_is_found_by_it() {
    let mut tables = Tables::new::<8, 2>(2 * HUGE_FRAMES, 1);
    let zone = Zone::<'_, _, 8, 2>::create(2 * HUGE_FRAMES, 1, tables.memory(), Eadr).unwrap();
    let mut local = zone.local(0).unwrap();
    owe_only_a_whole_huge_frame(&mut local);
    assert_eq!(zone.stats().free, HUGE_FRAMES);
    assert_eq!(local.get(Order::HUGE), Ok(FrameId(0)));
}

#[test]
fn a_huge_frame_of_which_only_another_processor_knows_is_asked_for() {
    let mut tables = Tables::new::<8, 2>(2 * HUGE_FRAMES, 2);
    let zone = Zone::<'_, _, 8, 2>::create(2 * HUGE_FRAMES, 2, tables.memory(), Eadr).unwrap();
    let [mut owner, mut asker] = [0, 1].map(|cpu| zone.local(cpu).unwrap());
    owe_only_a_whole_huge_frame(&mut owner);
    let (order, frames) = (Order::HUGE, HUGE_FRAMES);
    let held = Err(GetError::HeldElsewhere { order, frames });
    assert_eq!(asker.get(order), held);
    owner.drain();
    assert_eq!(asker.get(order), Ok(FrameId(0)));
}
