//! Which processor works on which zone.
//!
//! A zone that nobody works on would have nothing to lose, and a processor works
//! best on the zone of its own node.

use alloc::vec::Vec;

/// The processors, spread over the zones.
pub(super) struct Teams {
    /// The zone of each processor.
    zones: Vec<usize>,
}

impl Teams {
    /// Spreads `cpus` processors over at most as many zones.
    pub(super) fn form(cpus: usize, zones: usize, is_near: impl Fn(usize, usize) -> bool) -> Self {
        let mut teams = Self { zones: Vec::new() };
        for cpu in 0..cpus {
            let preference = |&zone: &usize| (!is_near(cpu, zone), teams.size(zone));
            let zone = (0..zones).min_by_key(preference).unwrap_or_default();
            teams.zones.push(zone);
        }
        for zone in 0..zones.min(cpus) {
            teams.fill(zone, zones);
        }
        teams
    }

    /// Gives an idle zone a processor of the largest team.
    fn fill(&mut self, zone: usize, zones: usize) {
        let largest = (0..zones).max_by_key(|&zone| self.size(zone));
        let cpu = self.zones.iter().rposition(|&zone| Some(zone) == largest);
        if let Some(cpu) = cpu.filter(|_| self.size(zone) == 0) {
            self.zones[cpu] = zone;
        }
    }

    /// Returns the zone of a processor.
    pub(super) fn zone(&self, cpu: usize) -> usize {
        self.zones[cpu]
    }

    /// Returns how many processors work on a zone.
    pub(super) fn size(&self, zone: usize) -> usize {
        self.zones.iter().filter(|&&of| of == zone).count()
    }

    /// Returns how many processors before this one work on its zone.
    pub(super) fn place(&self, cpu: usize) -> usize {
        let zone = self.zones[cpu];
        self.zones[..cpu].iter().filter(|&&of| of == zone).count()
    }
}
