//! Placement on machines that exist, on odd ones, and on random ones.

mod machine;
mod placement;
mod random;
mod verify;
