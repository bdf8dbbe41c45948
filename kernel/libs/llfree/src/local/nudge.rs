//! Getting what others hold, with the help of whoever runs the processors.
//!
//! A handle is asked for its frames through a word that its processor reads when it
//! next takes a slow path. One that sleeps, or has nothing to allocate, never does.
//! It can be made to look by an interrupt or by a message to its thread, neither of
//! which this crate has; so that is the caller's [`Environment`]. The handle itself
//! stays its owner's: whoever is nudged gives back by its own hand, never in an
//! interrupt handler.

use core::hint;

use frame::{FrameId, Order};
use persist::Persist;

use super::Local;
use crate::class::Class;
use crate::error::GetError;
use crate::zone::line;

/// What a handle needs of its surroundings to reach other processors.
pub trait Environment {
    /// Makes processor `cpu` call [`Local::give_back_if_asked`] before long, or does
    /// nothing. It is called again as long as that processor has not.
    fn nudge(&self, cpu: usize);

    /// Lets a moment pass, in which another processor may give back.
    fn pause(&self);
}

/// Surroundings in which nobody can be reached: others give back when they next
/// take a slow path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unreachable;

impl Environment for Unreachable {
    fn nudge(&self, _cpu: usize) {}

    fn pause(&self) {
        hint::spin_loop();
    }
}

impl<P: Persist, const WORDS: usize, const TREE: usize> Local<'_, '_, P, WORDS, TREE> {
    /// As [`get`](Self::get), but if others hold frames that might be such a block,
    /// nudges them, pauses, and tries again, up to `tries` times.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), after all tries. Without any, if there is nobody to nudge.
    pub fn get_or_nudge(
        &mut self,
        order: Order,
        environment: &impl Environment,
        tries: usize,
    ) -> Result<FrameId, GetError> {
        self.get_as_or_nudge(order, Class::default(), environment, tries)
    }

    /// The same for content of a class: see [`get_as`](Self::get_as).
    ///
    /// # Errors
    ///
    /// Those of [`get_or_nudge`](Self::get_or_nudge).
    pub fn get_as_or_nudge(
        &mut self,
        order: Order,
        class: Class,
        environment: &impl Environment,
        tries: usize,
    ) -> Result<FrameId, GetError> {
        let mut was_held = false;
        for _ in 0..tries {
            match self.get_as(order, class) {
                Err(GetError::HeldElsewhere { .. }) => {
                    was_held = true;
                    self.nudge_others(environment);
                }
                // While they are being returned, frames are neither held nor counted.
                Err(GetError::OutOfMemory { .. }) if was_held => {}
                outcome => return outcome,
            }
            environment.pause();
        }
        self.get_as(order, class)
    }

    /// Gives back the frames that the handle holds if another processor has asked for
    /// them; returns whether one had.
    ///
    /// This is what a processor does that has been nudged. It costs one load if nobody
    /// has asked.
    pub fn give_back_if_asked(&mut self) -> bool {
        let is_wanted = self.is_wanted();
        self.heed_requests();
        is_wanted
    }

    /// Nudges those that were asked, hold something and have not looked yet.
    #[cold]
    fn nudge_others(&self, environment: &impl Environment) {
        let zone = self.zone;
        for (cpu, line) in zone.lines.iter().enumerate() {
            let is_asked = line[line::WANTED].load(&zone.persist) != 0;
            if cpu != self.cpu && is_asked && zone.missed_without(cpu) > 0 {
                environment.nudge(cpu);
            }
        }
    }
}
