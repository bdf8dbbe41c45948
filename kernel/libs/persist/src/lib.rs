//! What it takes to make a store durable, as a trait.
#![no_std]
