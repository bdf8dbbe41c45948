//! ACPI tables from bytes: processors, nodes and persistent ranges.
#![no_std]
