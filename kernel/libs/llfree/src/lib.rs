//! A lock- and log-free page-frame allocator whose lower tables can live in persistent memory.
#![no_std]
