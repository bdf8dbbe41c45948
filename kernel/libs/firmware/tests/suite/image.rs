//! Physical memory that consists of a few tables.

use firmware::{Physical, Topology};
use frame::PhysAddr;

/// Tables at their addresses; nothing else can be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image(pub(crate) Vec<(u64, Vec<u8>)>);

impl Image {
    pub(crate) fn with(mut self, at: u64, bytes: &[u8]) -> Self {
        self.0.push((at, bytes.to_vec()));
        self
    }

    /// Returns the machine whose root pointer is at an address.
    pub(crate) fn discover(&self, rsdp: u64) -> Box<Topology> {
        let mut topology = Box::<Topology>::default();
        topology.fill(Some(PhysAddr(rsdp)), self, 40);
        topology
    }

    /// Returns a table to break.
    pub(crate) fn at(&mut self, wanted: u64) -> &mut Vec<u8> {
        let mut tables = self.0.iter_mut();
        let table = tables.find(|(at, _)| *at == wanted);
        &mut table.expect("no table there").1
    }
}

impl Physical for Image {
    fn read(&self, start: PhysAddr, len_bytes: usize) -> Option<&[u8]> {
        self.0.iter().find_map(|(at, bytes)| {
            let offset = usize::try_from(start.0.checked_sub(*at)?).ok()?;
            bytes.get(offset..offset.checked_add(len_bytes)?)
        })
    }
}
