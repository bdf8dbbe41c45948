//! Allocation workloads, their oracle and the crash ledger.
#![no_std]
