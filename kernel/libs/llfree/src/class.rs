//! Classes of content, and which trees each of them may use.
//!
//! One frame that can't be moved keeps its huge frame from ever being whole again, so
//! what stays put belongs together, apart from what comes and goes. The caller knows
//! which is which and says so with [`Local::get_as`](crate::Local::get_as); a tree
//! serves one class for as long as there is room elsewhere for the others. When that
//! gets short, a [`Policy`] decides who may take from whom.
//!
//! A tree has a class while anything in it is allocated or offline: that of the first who
//! reserves it, and until then the one that it had before. Classes are soft state: nothing of them is on the medium, and
//! after recovery all trees are [`Class::Mixed`].

/// What a block is for, as far as that says how long it will stay where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Anything: what [`Local::get`](crate::Local::get) takes. A zone of which nobody
    /// asks for more is one of this class.
    #[default]
    Mixed = 0,
    /// What its owner can move elsewhere, or drop: page cache, anonymous memory.
    Movable = 1,
    /// What has to stay where it is, but may go at any time: kernel stacks, buffers of
    /// devices, page tables.
    Immovable = 2,
    /// What stays for as long as the machine runs, or nearly so.
    LongLived = 3,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Mixed, Self::Movable, Self::Immovable, Self::LongLived];

    /// Returns the class with this number, or `None` if there is none.
    pub const fn new(number: usize) -> Option<Self> {
        if number < Self::ALL.len() {
            Some(Self::ALL[number])
        } else {
            None
        }
    }

    /// Returns the class's number, less than the length of [`Self::ALL`].
    pub const fn number(self) -> usize {
        self as usize
    }
}

/// A tree as a [`Policy`] sees it: one that is partly allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupied {
    /// Class of what is allocated in it.
    pub class: Class,
    /// Frames that are free, at least as many as are needed.
    pub free: usize,
    /// Frames in all.
    pub frames: usize,
}

/// What a [`Policy`] says of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As good as one of the class itself. It keeps its class.
    Match,
    /// To be taken from if nothing matches: one block, or the free frames of one row of
    /// 64. It keeps its class, and the next search begins anew.
    Steal,
    /// To be made one of this class if nothing matches and nothing may be stolen. While
    /// another processor uses the tree, this is `Steal`.
    Demote(Class),
    /// Not to be taken from: then there may be no memory left for this class while
    /// there is some for others.
    Refuse,
}

/// Says what a class may do with a tree in which there are blocks of others.
///
/// A pure function. It is not asked about trees of the class itself, nor about those
/// that are entirely free: both match.
pub type Policy = fn(asked: Class, tree: Occupied) -> Verdict;

/// The share of a tree's frames that have to be free for it to be worth a change.
const WORTH_A_CHANGE: usize = 16;

/// The policy of zones that have no other: what stays put may be joined by anything,
/// what is movable gives way.
///
/// * Movable blocks are taken from any tree, which stays what it is: they can leave.
/// * Others go to trees of each other first, and else turn a tree of movable blocks
///   into one of theirs, so that the next ones go there too.
///
/// It refuses nothing, so no memory is out of reach of any class.
pub const fn gives_way(asked: Class, tree: Occupied) -> Verdict {
    match (asked, tree.class) {
        (asked, class) if asked.number() == class.number() => Verdict::Match,
        (Class::Movable, _) => Verdict::Steal,
        (_, Class::Movable) if tree.free >= tree.frames / WORTH_A_CHANGE => Verdict::Demote(asked),
        _ => Verdict::Steal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All classes asked for, and all trees.
    fn all() -> impl Iterator<Item = (Class, Occupied)> {
        let pairs = Class::ALL
            .into_iter()
            .flat_map(|asked| Class::ALL.map(|class| (asked, class)));
        pairs.flat_map(|(asked, class)| {
            let trees = [1, 512, 16_384].into_iter();
            let fills = trees.flat_map(|frames| (0..=frames).map(move |free| (free, frames)));
            fills.map(move |(free, frames)| {
                (
                    asked,
                    Occupied {
                        class,
                        free,
                        frames,
                    },
                )
            })
        })
    }

    #[test]
    fn every_class_may_take_from_every_tree_and_its_own_ones_match() {
        let mut asked_for = 0;
        for (asked, tree) in all() {
            let verdict = gives_way(asked, tree);
            assert_ne!(verdict, Verdict::Refuse, "{asked:?} of {tree:?}");
            assert_eq!(
                verdict == Verdict::Match,
                asked == tree.class,
                "{asked:?} of {tree:?}"
            );
            asked_for += 1;
        }
        assert_eq!(asked_for, 16 * (2 + 513 + 16_385));
    }

    #[test]
    fn only_movable_content_gives_way_and_only_to_what_was_asked_for() {
        let mut demoted = 0;
        for (asked, tree) in all() {
            if let Verdict::Demote(to) = gives_way(asked, tree) {
                assert_eq!((to, tree.class), (asked, Class::Movable));
                let more = Occupied {
                    free: tree.frames,
                    ..tree
                };
                assert_eq!(
                    gives_way(asked, more),
                    Verdict::Demote(to),
                    "with more room"
                );
                demoted += 1;
            }
        }
        assert!(demoted > 0);
    }

    #[test]
    fn numbers_name_classes_and_no_others() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!((Class::new(number), class.number()), (Some(class), number));
        }
        assert_eq!(Class::new(Class::ALL.len()), None);
        assert_eq!(Class::default(), Class::Mixed);
    }
}
