//! The header that is checked in is the one that the sources make.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The sources that speak to C, in the order of the header.
const SOURCES: [&str; 6] = [
    "code.rs",
    "memory.rs",
    "zone.rs",
    "local.rs",
    "class.rs",
    "query.rs",
];

/// Set to write the header instead of comparing it.
const UPDATE: &str = "UPDATE_HEADER";

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> PathBuf {
    package().join("include/llfree.h")
}

/// Makes the header from the sources.
fn generated() -> String {
    let config = cbindgen::Config::from_file(package().join("cbindgen.toml"))
        .expect("cbindgen.toml is a configuration");
    let sources = SOURCES.map(|name| package().join("src").join(name));
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources
        .iter()
        .fold(builder, |builder, source| builder.with_src(source));
    let mut bytes = Vec::new();
    let bindings = builder.generate().expect("cbindgen reads the sources");
    bindings.write(&mut bytes);
    String::from_utf8(bytes).expect("a header is text")
}

/// Returns the first line in which two headers differ, and its number.
fn first_difference<'a>(old: &'a str, new: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let lines = old.lines().count().max(new.lines().count());
    let line = |text: &'a str, index| text.lines().nth(index).unwrap_or("(no line)");
    (0..lines)
        .map(|index| (index + 1, line(old, index), line(new, index)))
        .find(|(_, old, new)| old != new)
}

#[test]
fn the_header_is_the_one_that_the_sources_make() {
    let new = generated();
    if env::var_os(UPDATE).is_some() {
        fs::write(header(), &new).expect("the header can be written");
    }
    let old = fs::read_to_string(header()).expect("the header is checked in");
    assert_eq!(
        first_difference(&old, &new),
        None,
        "line, header, sources: run the test with {UPDATE}=1 if the sources are right"
    );
}

/// Positive control: the comparison above can fail.
#[test]
fn a_header_that_was_edited_is_noticed() {
    let new = generated();
    let edited = new.replacen("size_t", "unsigned", 1);
    assert!(first_difference(&edited, &new).is_some());
    let longer = format!("{new}int extra;\n");
    assert!(first_difference(&longer, &new).is_some());
}

/// A function that the header lacks could not be called; a source that is not
/// listed above would be missed by the comparison too.
#[test]
fn every_exported_function_is_in_the_header() {
    let header = generated();
    let mut functions = 0;
    for entry in fs::read_dir(package().join("src")).expect("there are sources") {
        let path = entry.expect("the folder can be read").path();
        let source = fs::read_to_string(&path).expect("sources are text");
        let exported = source.split("#[unsafe(no_mangle)]").skip(1);
        for item in exported {
            let (_, rest) = item.split_once("fn ").expect("a function follows");
            let (name, _) = rest.split_once('(').expect("with parameters");
            assert!(
                header.contains(&format!(" {name}(")) || header.contains(&format!("*{name}(")),
                "{name}"
            );
            functions += 1;
        }
    }
    assert!(functions >= 16, "found {functions} functions");
}
