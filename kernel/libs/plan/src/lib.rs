//! Where everything goes: memory map and topology to placement.
#![no_std]
