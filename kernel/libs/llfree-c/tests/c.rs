//! The interface as C sees it: the static library, made by the command that the
//! README gives, linked into programs by the C compiler.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What makes the static library.
const BUILD: [&str; 9] = [
    "rustc",
    "-p",
    "perennial-llfree-c",
    "--release",
    "--crate-type",
    "staticlib",
    "--",
    "--cfg",
    "panic_handler",
];

/// What the programs are held to.
const STRICT: [&str; 6] = [
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wstrict-prototypes",
    "-Werror",
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs a command, and fails with what it said if it did not succeed.
fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// Returns the static library, made once. In a folder of its own: another cargo
/// may be at work in the usual one.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = scratch().join("llfree-c");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(BUILD)
            .current_dir(package())
            .env("CARGO_TARGET_DIR", &target);
        succeed(&mut cargo);
        target.join("release/libllfree_c.a")
    })
}

/// Compiles a program of `tests/c` and links it with the library.
fn program<I: AsRef<OsStr>>(name: &str, flags: impl IntoIterator<Item = I>) -> PathBuf {
    let executable = scratch().join(name);
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    succeed(
        Command::new(compiler)
            .args(STRICT)
            .args(flags)
            .arg("-I")
            .arg(package().join("include"))
            .arg(package().join("tests/c").join(name).with_extension("c"))
            .arg(library())
            .arg("-o")
            .arg(&executable),
    );
    executable
}

#[test]
fn every_function_does_in_c_what_the_header_says() {
    let hosted = program("hosted", ["-pthread"]);
    let output = succeed(&mut Command::new(&hosted));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{}", said.trim());
    let checks = said.split(' ').next().and_then(|count| count.parse().ok());
    assert!(checks.is_some_and(|count: u32| count > 300), "{said}");

    // Positive control: with a wrong expectation, the same program fails.
    let cheated = Command::new(&hosted).arg("cheat").output().unwrap();
    assert_eq!(cheated.status.code(), Some(1), "{cheated:#?}");
}

#[test]
fn the_library_needs_nothing_but_what_the_header_says() {
    let flags = ["-ffreestanding", "-nostdlib", "-static", "-no-pie"];
    let freestanding = program("freestanding", flags);
    let status = Command::new(freestanding).status().unwrap();
    assert_eq!(status.code(), Some(0), "number of the step that failed");
}

#[test]
fn the_header_stands_alone_and_may_be_included_twice() {
    let source = scratch().join("alone.c");
    let include = "#include \"llfree.h\"\n";
    std::fs::write(&source, include.repeat(2)).unwrap();
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    succeed(
        Command::new(compiler)
            .args(STRICT)
            .args(["-Wpedantic", "-fsyntax-only", "-I"])
            .arg(package().join("include"))
            .arg(source),
    );
}

#[test]
fn the_readme_has_the_command_that_is_tested() {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let command = format!("cargo {}", BUILD.join(" "));
    assert!(readme.contains(&command), "{command}");
}
