//! Which of our crates may depend on which: the table of `docs/architecture.md`,
//! held against what cargo sees.

use std::{collections::BTreeMap, env, process::Command};

use serde::Deserialize;

use crate::workspace;

/// The libraries and what each may depend on, of ours.
const LIBRARIES: [(&str, &[&str]); 14] = [
    ("frame", &[]),
    ("freestanding", &[]),
    ("persist", &[]),
    ("record", &[]),
    ("firmware", &["frame"]),
    // Nobody depends on it, so it may look into the loaders' common part.
    (
        "fuzz",
        &[
            "boot",
            "firmware",
            "frame",
            "llfree",
            "options",
            "ownership",
            "persist",
            "plan",
            "record",
            "workload",
        ],
    ),
    ("llfree", &["frame", "persist"]),
    ("llfree-c", &["frame", "llfree", "persist"]),
    ("options", &["frame"]),
    ("ownership", &["frame", "llfree", "options"]),
    ("plan", &["firmware", "frame"]),
    ("poison", &["frame"]),
    ("prove", &["frame", "llfree", "persist"]),
    ("workload", &["frame"]),
];

/// What no one depends on.
const PROGRAMS: [&str; 3] = ["boot", "kernel", "xtask"];

/// What only xtask depends on: its own plugin for QEMU.
const PLUGIN: &str = "trace";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    kind: Option<String>,
    /// Where it is, if it is one of ours.
    path: Option<String>,
}

/// Our packages and their ordinary dependencies on each other, by short name.
fn edges(metadata: &Metadata) -> BTreeMap<String, Vec<String>> {
    let short = |name: &str| name.trim_start_matches("perennial-").to_owned();
    let ours = |package: &Package| {
        let ordinary = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none() && dependency.path.is_some());
        let mut names: Vec<_> = ordinary.map(|dependency| short(&dependency.name)).collect();
        names.sort();
        (short(&package.name), names)
    };
    metadata.packages.iter().map(ours).collect()
}

/// The dependencies that the table does not have, in words.
fn forbidden(edges: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (package, dependencies) in edges {
        let library = LIBRARIES.iter().find(|(name, _)| name == package);
        for dependency in dependencies {
            let is_allowed = match library {
                Some((_, allowed)) => allowed.contains(&&**dependency),
                None if dependency == PLUGIN => package == "xtask",
                None => !PROGRAMS.contains(&&**dependency),
            };
            if !is_allowed {
                found.push(format!("{package} depends on {dependency}"));
            }
        }
        if library.is_none() && !PROGRAMS.contains(&&**package) && package != PLUGIN {
            found.push(format!("{package} is not in the table"));
        }
    }
    found
}

#[test]
fn the_crates_depend_on_each_other_as_the_table_says() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(workspace::root())
        .output()
        .expect("cargo runs this test");
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let edges = edges(&metadata);
    assert!(LIBRARIES.iter().all(|(name, _)| edges.contains_key(*name)));
    assert_eq!(forbidden(&edges), Vec::<String>::new());
}

/// Positive control: a library that reaches upwards, a program that is used, and
/// a stranger.
#[test]
fn a_dependency_against_the_direction_is_found() {
    let edge = |from: &str, to: &[&str]| {
        let to = to.iter().map(ToString::to_string).collect();
        (from.to_owned(), to)
    };
    let edges = BTreeMap::from([
        edge("frame", &["llfree"]),
        edge("boot", &["kernel"]),
        edge("stranger", &[]),
        edge("kernel", &["llfree", "plan"]),
    ]);
    let expected = [
        "boot depends on kernel",
        "frame depends on llfree",
        "stranger is not in the table",
    ];
    assert_eq!(forbidden(&edges), expected);
}
