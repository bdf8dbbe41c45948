//! Getting what a processor holds that does nothing of its own accord.

use std::cell::Cell;
use std::iter;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use frame::Order;
use llfree::{Environment, GetError, Local, Unreachable, Zone};
use persist::Volatile;

use crate::common::{Tables, order};

const FRAMES: usize = 4 * 512;
const ASKER: usize = 0;
const SLEEPER: usize = 1;
const ABSENT: usize = 2;
const CPUS: usize = 3;

type SmallZone<'m> = Zone<'m, Volatile, 8, 4>;

fn with_zone(check: impl FnOnce(&SmallZone<'_>)) {
    let mut tables = Tables::new::<8, 4>(FRAMES, CPUS);
    let zone = Zone::create(FRAMES, CPUS, tables.memory(), Volatile).expect("a valid zone");
    check(&zone);
    assert_eq!(zone.validate(), Ok(()));
}

/// Takes a frame: the rest of its row stays with the handle.
fn hold_a_row(local: &mut Local<'_, '_, Volatile, 8, 4>) {
    local.get(Order::FRAME).expect("an empty zone has a frame");
}

/// Takes all frames that are not held elsewhere; returns why there are no more.
fn take_all(local: &mut Local<'_, '_, Volatile, 8, 4>) -> GetError {
    loop {
        if let Err(error) = local.get(Order::FRAME) {
            return error;
        }
    }
}

/// What the sleeper is woken for.
enum Message {
    /// To take a frame, instead of the last one.
    Hold,
    /// To give back what was asked for.
    Nudge,
}

/// Wakes the sleeper by a message, and counts.
struct Messages {
    to_sleeper: Sender<Message>,
    nudges: Cell<usize>,
}

impl Messages {
    fn new() -> (Self, Receiver<Message>) {
        let (to_sleeper, messages) = mpsc::channel();
        let nudges = Cell::new(0);
        (Self { to_sleeper, nudges }, messages)
    }

    fn send(&self, message: Message) {
        self.to_sleeper.send(message).expect("the sleeper listens");
    }
}

impl Environment for Messages {
    fn nudge(&self, cpu: usize) {
        assert_eq!(cpu, SLEEPER, "nobody else holds anything");
        self.nudges.set(self.nudges.get() + 1);
        self.send(Message::Nudge);
    }

    fn pause(&self) {
        thread::sleep(Duration::from_micros(20));
    }
}

/// Holds a row whenever told to, and gives back what is asked for.
fn sleep(zone: &SmallZone<'_>, messages: &Receiver<Message>, is_ready: &Sender<()>) {
    let mut local = zone.local(SLEEPER).expect("its handle is free");
    let mut frame = None;
    while let Ok(message) = messages.recv() {
        match message {
            Message::Hold => {
                if let Some(frame) = frame.take() {
                    local.put(frame, Order::FRAME).expect("it is its own");
                }
                // Or else it would take that frame again, and hold nothing besides.
                local.drain();
                frame = Some(local.get(Order::FRAME).expect("a frame is free"));
                is_ready.send(()).expect("the asker listens");
            }
            Message::Nudge => _ = local.give_back_if_asked(),
        }
    }
}

/// Many times over: frames that are just being returned are neither held nor counted,
/// and must not look like no memory.
#[test]
fn a_nudged_sleeper_gives_back_the_last_frames() {
    with_zone(|zone| {
        let (environment, messages) = Messages::new();
        let (is_ready, ready) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || sleep(zone, &messages, &is_ready));
            for round in 0..300 {
                environment.send(Message::Hold);
                ready.recv().expect("the sleeper holds a row");
                let mut local = zone.local(ASKER).expect("its handle is free");
                let mut taken: Vec<_> = iter::from_fn(|| local.get(Order::FRAME).ok()).collect();
                let frame = local.get_or_nudge(Order::FRAME, &environment, 100_000);
                taken.push(frame.unwrap_or_else(|error| panic!("round {round}: {error}")));
                for frame in taken {
                    local.put(frame, Order::FRAME).expect("it was taken");
                }
            }
            assert!(environment.nudges.get() > 0);
            drop(environment);
        });
    });
}

/// Positive control: without a nudge the sleeper keeps what it has.
#[test]
fn whoever_is_out_of_reach_keeps_what_it_holds() {
    with_zone(|zone| {
        let mut sleeper = zone.local(SLEEPER).expect("its handle is free");
        hold_a_row(&mut sleeper);
        let mut local = zone.local(ASKER).expect("its handle is free");
        take_all(&mut local);
        let refused = local.get_or_nudge(Order::FRAME, &Unreachable, 100);
        assert!(matches!(refused, Err(GetError::HeldElsewhere { .. })));
        assert!(sleeper.give_back_if_asked(), "it has been asked");
        assert!(!sleeper.give_back_if_asked(), "and has answered");
        assert!(local.get(Order::FRAME).is_ok());
    });
}

/// Nudges go out once a try, to the one that holds something, and no further.
#[test]
fn a_deaf_sleeper_is_nudged_once_a_try() {
    with_zone(|zone| {
        let mut sleeper = zone.local(SLEEPER).expect("its handle is free");
        hold_a_row(&mut sleeper);
        let _absent = zone.local(ABSENT).expect("its handle is free");
        let mut local = zone.local(ASKER).expect("its handle is free");
        take_all(&mut local);
        let (environment, _messages) = Messages::new();
        let refused = local.get_or_nudge(Order::FRAME, &environment, 5);
        assert!(matches!(refused, Err(GetError::HeldElsewhere { .. })));
        assert_eq!(environment.nudges.get(), 5);
    });
}

#[test]
fn nobody_is_nudged_for_what_is_free_and_for_what_nobody_has() {
    with_zone(|zone| {
        let mut sleeper = zone.local(SLEEPER).expect("its handle is free");
        hold_a_row(&mut sleeper);
        let (environment, _messages) = Messages::new();
        let mut local = zone.local(ASKER).expect("its handle is free");
        assert!(local.get_or_nudge(Order::HUGE, &environment, 5).is_ok());
        let refused = local.get_or_nudge(order(11), &environment, 5);
        assert!(matches!(refused, Err(GetError::BadOrder { .. })));
        sleeper.drain();
        take_all(&mut local);
        let refused = local.get_or_nudge(Order::FRAME, &environment, 5);
        let none = GetError::OutOfMemory {
            order: Order::FRAME,
        };
        assert_eq!(refused, Err(none));
        assert_eq!(environment.nudges.get(), 0);
    });
}
