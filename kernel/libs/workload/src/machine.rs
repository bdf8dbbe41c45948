//! A machine, as one of its processors sees it.

/// What a workload needs to know about the processor that it runs on.
pub trait Machine {
    /// Returns the number of this processor, below [`cpus`](Self::cpus).
    fn cpu(&self) -> usize;

    /// Returns the number of processors that take part.
    fn cpus(&self) -> usize;

    /// Reads a clock that runs at a constant rate.
    ///
    /// Earlier memory accesses have happened and later ones have not when the
    /// clock is read. It may wrap around.
    fn ticks(&self) -> u64;

    /// Waits until every processor that takes part has arrived.
    ///
    /// What a processor wrote before is visible to all of them after. Whoever
    /// fails must still arrive: the others would wait forever.
    fn barrier(&self);
}
