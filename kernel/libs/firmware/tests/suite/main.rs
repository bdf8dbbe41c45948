//! Firmware tables: as they are, as they may be, and broken in every way.

mod build;
mod corruption;
mod discovery;
mod golden;
mod golden_nfit;
mod image;
mod lists;
mod oracle;
mod processors;
mod random;
mod registers;
mod rules;
