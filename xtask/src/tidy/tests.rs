//! Each rule passes on a clean tree and fails on a broken one; the tree of the repository passes all.

use super::{RULES, Tree, check};

/// A small tree that every rule accepts.
const CLEAN: &[(&str, &str)] = &[
    ("crates/stats/Cargo.toml", "[package]\nname = \"tidegate-stats\"\n[dependencies]\nlibm = \"1\"\n"),
    ("crates/stats/src/lib.rs", "//! Numbers, and nothing else.\n"),
    ("crates/core/Cargo.toml", "[dependencies]\ntidegate-stats.workspace = true\n"),
    (
        "crates/core/src/lib.rs",
        "//! The domain and its nouns.\n// Instant::now in a comment, and \"std::fs\" in a text, are no use of it\nfn f<'a>(x: &'a str) -> [u8; 2] { [b'\"', 1] }\n",
    ),
    ("crates/serve/Cargo.toml", "[dependencies]\ntidegate-core.workspace = true\n[dev-dependencies]\nproptest = \"1\"\n"),
    (
        "crates/serve/src/lib.rs",
        "//! The data plane, which answers.\nuse tidegate_core::{id::At, route::{RouteTable, Split}};\nuse tidegate_core::transform::Transform;\n",
    ),
    ("ARCHITECTURE.md", "`crates/stats`, `crates/core` and `crates/serve/src/lib.rs`\n"),
];

fn tree(changes: &[(&str, &str)]) -> Tree {
    let files = CLEAN.iter().chain(changes).map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Tree { files: files.collect() }
}

/// `changes` to the clean tree make exactly one finding, of `rule`, that says `message`.
fn breaks(rule: &str, changes: &[(&str, &str)], message: &str) {
    let found: Vec<String> = check(&tree(changes), None).iter().map(ToString::to_string).collect();
    assert_eq!(found, [format!("{message} [{rule}]")]);
}

#[test]
fn a_clean_tree_passes() {
    assert_eq!(check(&tree(&[]), None), []);
}

#[test]
fn the_repository_is_tidy() {
    let tree = Tree::read(crate::root()).expect("the repository can be read");
    assert!(tree.files.contains_key("Cargo.toml"), "not at the root of the workspace");
    let found: Vec<String> = check(&tree, None).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_rule_is_broken_by_some_test() {
    // However the formatter breaks its lines.
    let own: String = include_str!("tests.rs").split_whitespace().collect();
    for rule in RULES {
        assert!(own.contains(&format!("breaks(\"{}\"", rule.name)), "no test breaks `{}`", rule.name);
    }
}

#[test]
fn arrows() {
    let manifest = "crates/stats/Cargo.toml";
    breaks(
        "arrows",
        &[(manifest, "[dependencies]\ntidegate-core.workspace = true\n")],
        "crates/stats/Cargo.toml:2: `stats` must not depend on `core`",
    );
    breaks(
        "arrows",
        &[(manifest, "[dev-dependencies.tidegate-core]\npath = \"x\"\n")],
        "crates/stats/Cargo.toml:1: `stats` must not depend on `core`",
    );
    breaks(
        "arrows",
        &[(manifest, "[target.'cfg(unix)'.dependencies]\nx = { package = \"tidegate-wire\" }\n")],
        "crates/stats/Cargo.toml:2: `stats` must not depend on `wire`",
    );
    breaks(
        "arrows",
        &[("crates/serve/Cargo.toml", "[dependencies]\ntidegate = { path = \"..\" }\n")],
        "crates/serve/Cargo.toml:2: `serve` must not depend on `tidegate`",
    );
    breaks(
        "arrows",
        &[("crates/misc/Cargo.toml", ""), ("ARCHITECTURE.md", "crates/stats crates/core crates/serve crates/misc\n")],
        "crates/misc/Cargo.toml:1: crate `misc` is not in the table of arrows (xtask/src/tidy/arrows.rs)",
    );
}

#[test]
fn nouns() {
    let file = "crates/serve/src/lib.rs";
    let only = "`serve` knows of core only `route`, `transform`, `judge`, `id`, `model`, `scan`; this names";
    for (line, named) in [
        ("use tidegate_core::rollout::State;", "rollout"),
        ("use tidegate_core::{id::At, gate::{A, B}};", "gate"),
        ("use tidegate_core as core;", "*"),
        ("use tidegate_core::*;", "*"),
    ] {
        breaks("nouns", &[(file, &format!("//! The data plane, which answers.\n{line}\n"))], &format!("{file}:2: {only} `{named}`"));
    }
}

#[test]
fn purity() {
    let file = "crates/core/src/lib.rs";
    for (line, word, instead) in [
        ("let t = std::time::Instant::now();", "Instant::now", "take the instant as an argument"),
        ("use std::fs;", "std::fs", "take the content, or a port"),
        ("let x = rand::random();", "rand::", "use stats::rng with a seed"),
    ] {
        breaks(
            "purity",
            &[(file, &format!("//! The domain and its nouns.\n{line}\n"))],
            &format!("{file}:2: `{word}` in a pure crate: {instead}"),
        );
    }
}

#[test]
fn floats() {
    let text = "//! Numbers, and nothing else.\nfn f(x: f64) -> f64 { x.ln() }\n";
    breaks(
        "floats",
        &[("crates/stats/src/lib.rs", text)],
        "crates/stats/src/lib.rs:2: `.ln()` differs between machines in its last bit: use libm",
    );
}

#[test]
fn files() {
    let long = format!("//! Numbers, and nothing else.\n{}", "\n".repeat(500));
    breaks("files", &[("crates/stats/src/lib.rs", &long)], "crates/stats/src/lib.rs:501: 501 lines; at most 500");
}

#[test]
fn functions() {
    let lines = "    g();\n".repeat(71);
    let long = format!("//! Numbers, and nothing else.\nfn long(x: [u8; 3]) {{\n{lines}}}\nfn short() {{}}\n");
    breaks("functions", &[("crates/stats/src/lib.rs", &long)], "crates/stats/src/lib.rs:2: function `long` has 71 lines; at most 70");
    let comments = format!(
        "//! Numbers, and nothing else.\nfn short() {{\n{}    g(r#\"{{\n{}\"#, '{{');\n}}\n",
        "    // why }\n".repeat(80),
        "text {\n".repeat(80)
    );
    assert_eq!(check(&tree(&[("crates/stats/src/lib.rs", &comments)]), None), []);
}

#[test]
fn bytes() {
    breaks("bytes", &[("data.bin", &"x".repeat(1_048_577))], "data.bin:1: 1048577 bytes; at most 1048576");
}

#[test]
fn modules() {
    let rule = "the first line must be `//!` and say what the module is";
    breaks("modules", &[("xtask/src/new.rs", "\n//! Late, and so of no use.\n")], &format!("xtask/src/new.rs:1: {rule}"));
    breaks("modules", &[("xtask/src/new.rs", "//! x\n")], "xtask/src/new.rs:1: `//! x` does not say what the module is");
}

#[test]
fn map() {
    breaks("map", &[("ARCHITECTURE.md", "crates/stats crates/core\n")], "ARCHITECTURE.md:1: `crates/serve` is not on the map");
    breaks(
        "map",
        &[("ARCHITECTURE.md", "crates/stats crates/core crates/serve\ncrates/old\n")],
        "ARCHITECTURE.md:2: there is no crate `crates/old`",
    );
    let long = format!("crates/stats crates/core crates/serve\n{}", "x\n".repeat(300));
    breaks("map", &[("ARCHITECTURE.md", &long)], "ARCHITECTURE.md:301: 301 lines; at most 300");
}

#[test]
fn machine() {
    let path = concat!("/wo", "rk/");
    breaks("machine", &[("notes.md", &format!("see {path}x\n"))], &format!("notes.md:1: `{path}` is a path of one machine"));
    let host = concat!("pypi", ".org");
    breaks("machine", &[("notes.md", &format!("\nfrom {host}\n"))], &format!("notes.md:2: `{host}` is a host of a registry"));
    assert_eq!(check(&tree(&[("notes.md", &format!("src{path}x and ~{path}x\n"))]), None), []);
}
