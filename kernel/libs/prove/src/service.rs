//! Huge frames out of service: offline, and lent to a host.
//!
//! What a host has removed must not be used before it is back, and what is in use must
//! not be removed. So who gets a block here has its memory installed, and whether it is
//! there is kept in a list of its own.

use std::cell::RefCell;

use frame::FrameId;
use llfree::{Backing, Reclaim, Zone};
use persist::Persist;

use crate::actor::Actor;
use crate::ledger::{Block, Record};

/// A zone, and the host that may have taken some of its memory.
pub(crate) struct Site<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> {
    pub(crate) zone: &'z Zone<'m, P, WORDS, TREE>,
    host: Option<Host<'z, 'm, P, WORDS, TREE>>,
}

struct Host<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> {
    reclaim: Reclaim<'z, 'm, P, WORDS, TREE>,
    /// Which huge frames have memory behind them.
    backed: RefCell<Vec<bool>>,
}

impl<'z, 'm, P: Persist, const WORDS: usize, const TREE: usize> Site<'z, 'm, P, WORDS, TREE> {
    /// Frames in a huge frame.
    const HUGE: usize = Zone::<'_, P, WORDS, TREE>::HUGE_ORDER.frames();

    /// A zone with a host, if there is memory for what that has to know.
    pub(crate) fn new(zone: &'z Zone<'m, P, WORDS, TREE>, memory: Option<&'z mut [u8]>) -> Self {
        let host = memory.map(|memory| Host {
            reclaim: Reclaim::new(zone, memory, Backing::Installed)
                .expect("the memory is large enough"),
            backed: RefCell::new(vec![true; zone.huge_frames()]),
        });
        Self { zone, host }
    }

    fn huge(number: usize) -> Block {
        let order = Zone::<'_, P, WORDS, TREE>::HUGE_ORDER.exponent();
        let first = number * Self::HUGE;
        Block { first, order }
    }
}

impl Actor<'_> {
    /// Takes a huge frame offline, if it is there as a whole.
    pub(crate) fn offline<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        huge: usize,
    ) {
        let block = Site::<P, WORDS, TREE>::huge(huge);
        if block.frames().end > site.zone.frames() {
            return;
        }
        self.begin(Record::Offline { got: None });
        let done = site.zone.offline_huge(huge).is_ok();
        self.end(done.then_some(block));
    }

    /// Puts a huge frame online that this thread has taken offline.
    pub(crate) fn online<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        which: usize,
    ) {
        let Some(block) = self.pick_offline(which) else {
            return;
        };
        self.begin(Record::Online { block });
        let result = site
            .zone
            .online_huge(block.first / Site::<P, WORDS, TREE>::HUGE);
        self.end(None);
        if let Err(error) = result {
            self.fault(format!("{block:?} can't be put online: {error}"));
        }
    }

    /// Has the host take the memory behind a free huge frame.
    pub(crate) fn lend<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        from: usize,
    ) {
        let Some(Host { reclaim, backed }) = &site.host else {
            return;
        };
        self.begin(Record::Lend);
        reclaim.reclaim_soft(Site::<P, WORDS, TREE>::huge(from).frame(), |frame| {
            let huge = frame.0 / Site::<P, WORDS, TREE>::HUGE;
            if self.is_in_use(Site::<P, WORDS, TREE>::huge(huge)) {
                self.fault(format!("huge frame {huge} is lent while in use"));
            }
            backed.borrow_mut()[huge] = false;
        });
        self.end(None);
    }

    /// Has the memory of a block installed that was just got.
    pub(crate) fn install<P: Persist, const WORDS: usize, const TREE: usize>(
        self,
        site: &Site<'_, '_, P, WORDS, TREE>,
        block: Block,
    ) {
        let Some(Host { reclaim, backed }) = &site.host else {
            return;
        };
        let huge = |frame: FrameId| frame.0 / Site::<P, WORDS, TREE>::HUGE;
        reclaim.install(block.frame(), block.order(), |frame| {
            backed.borrow_mut()[huge(frame)] = true;
        });
        let last = FrameId(block.frames().end - 1);
        let all = huge(block.frame())..=huge(last);
        if backed.borrow()[all].contains(&false) {
            self.fault(format!("{block:?} is used without memory behind it"));
        }
    }
}
