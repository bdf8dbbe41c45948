//! Links the two loaders freestanding, each by a linker script of its own.

use std::env;
use std::path::{Path, PathBuf};

/// What both have in common: no C runtime, no libraries, nothing that only an
/// operating system's loader would read.
const COMMON: [&str; 5] = [
    "-nostartfiles",
    "-nostdlib",
    "-Wl,--build-id=none",
    "-Wl,-z,norelro",
    "-Wl,--no-eh-frame-hdr",
];

/// Position-independent, relocated by the firmware: `xtask` turns its relative
/// relocations into those of a PE image. `-z text` refuses any in code.
const EFI: [&str; 4] = [
    "-static-pie",
    "-Wl,--no-dynamic-linker",
    "-Wl,-z,text",
    "-Wl,--entry=efi_main",
];

/// Linked to the physical addresses that it runs at.
const PVH: [&str; 2] = ["-static", "-no-pie"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    link("efi", &EFI);
    link("pvh", &PVH);
}

fn link(bin: &str, own: &[&str]) {
    let script = manifest_dir().join(bin).with_extension("ld");
    println!("cargo:rerun-if-changed={}", script.display());
    for arg in COMMON.iter().chain(own) {
        println!("cargo:rustc-link-arg-bin={bin}={arg}");
    }
    println!("cargo:rustc-link-arg-bin={bin}=-Wl,-T,{}", script.display());
}

fn manifest_dir() -> PathBuf {
    Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR")).to_owned()
}
