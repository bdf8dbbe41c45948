//! What the threads of a scenario do.

use llfree::Class;

use crate::random::Random;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Takes a block of this order.
    Get(u8),
    /// The same for content of a class.
    GetAs(u8, Class),
    /// Takes this very block.
    GetAt(usize, u8),
    /// Returns a block of its own; which, the number says.
    Put(usize),
    /// Returns the lower or upper half of one, if it has halves.
    PutHalf(usize, bool),
    /// Returns one frame of one: in a block of so many, the one in the middle.
    PutFrame(usize),
    /// Returns a block that another thread has taken and knows of.
    PutOther(usize),
    /// Returns what the processor holds.
    Drain,
    /// Takes so many blocks of this order in one call.
    GetMany(u8, usize),
    /// Returns up to so many of its blocks of one order in one call.
    PutMany(usize),
    /// Reserves so many blocks of this order, and publishes them or, if not, cancels.
    Reserve(u8, usize, bool),
    /// Has what it has returned be durable.
    Sync,
    /// Takes a block of this order, nudging those that hold what it lacks.
    GetOrNudge(u8),
    /// Gives back what it holds, if somebody has asked for that.
    GiveBack,
    /// Takes this huge frame offline.
    Offline(usize),
    /// Puts one online that it has taken offline.
    Online(usize),
    /// Has a host take the memory behind a free huge frame, from this one on, and
    /// leaves it free.
    Lend(usize),
    /// Before a run: gives the upper half of its last block to another thread, without
    /// a call.
    Share(usize),
}

impl Op {
    /// The same call, on a block of its own that is drawn.
    fn drawn(self, random: &mut Random) -> Self {
        match self {
            Self::Put(_) => Self::Put(random.below(64)),
            Self::PutHalf(..) => Self::PutHalf(random.below(64), random.one_in(2)),
            Self::PutFrame(_) => Self::PutFrame(random.below(64)),
            Self::PutOther(_) => Self::PutOther(random.below(64)),
            Self::Online(_) => Self::Online(random.below(64)),
            other => other,
        }
    }
}

/// What threads do, by chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    /// Calls of each thread, at most.
    pub(crate) calls: usize,
    /// Orders are at most this.
    pub(crate) max_order: u8,
    /// The share of calls with single frames, of eight.
    pub(crate) small: usize,
    /// Where there are any, every other call is one of these.
    pub(crate) also: &'static [Op],
}

impl Mix {
    /// Draws the calls of one thread.
    pub(crate) fn draw(self, random: &mut Random, into: &mut Vec<Op>) {
        into.clear();
        for _ in 0..1 + random.below(self.calls) {
            into.push(self.call(random));
        }
    }

    fn call(self, random: &mut Random) -> Op {
        if !self.also.is_empty() && random.one_in(2) {
            return self.also[random.below(self.also.len())].drawn(random);
        }
        let which = random.below(64);
        match random.below(16) {
            0..=6 => Op::Get(self.order(random)),
            7..=10 => Op::Put(which),
            11 => Op::PutHalf(which, random.one_in(2)),
            12 => Op::PutFrame(which),
            13 => Op::PutOther(which),
            14 => {
                let order = self.order(random);
                Op::GetAt(random.below(8) << order, order)
            }
            _ => Op::Drain,
        }
    }

    fn order(self, random: &mut Random) -> u8 {
        if random.below(8) < self.small {
            return 0;
        }
        let order = random.below(usize::from(self.max_order) + 1);
        u8::try_from(order).expect("at most the largest order")
    }
}
