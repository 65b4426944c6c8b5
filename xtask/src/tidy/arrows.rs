//! The direction of dependencies: one table, held against every Cargo.toml, and the part of `core` that the
//! data plane may know.

use super::{Finding, Tree};

/// What each crate may depend on of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("stats", &[]),
    ("core", &["stats"]),
    ("features", &["stats"]),
    ("wire", &["stats", "core", "features"]),
    ("port", &["stats", "core"]),
    ("engine", &["stats", "core", "wire", "port"]),
    ("store", &["stats", "core", "wire", "port"]),
    ("data", &["stats", "core", "wire", "port"]),
    ("build", &["stats", "core", "wire", "port"]),
    ("console", &["stats", "core", "wire", "port"]),
    ("adapters", &["stats", "core", "wire", "port"]),
    ("runtime", &["stats", "core"]),
    ("history", &["stats", "core"]),
    ("learn", &["stats", "core", "runtime"]),
    ("serve", &["core", "wire", "runtime"]),
    ("sim", &["stats", "core", "wire", "port", "engine"]),
    (
        "tidegate",
        &[
            "stats", "core", "wire", "port", "engine", "store", "data", "build", "console", "runtime", "learn", "serve", "sim", "adapters",
            "history", "features",
        ],
    ),
];

/// Modules of core that a crate may name, where not all: the data plane lives on when the control plane is dead.
const NOUNS: &[(&str, &[&str])] =
    &[("serve", &["route", "transform", "judge", "id", "model", "scan"]), ("runtime", &["transform", "model", "id"])];

pub(super) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in tree.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == name) else {
            found.push(Finding::new(&path, 1, format!("crate `{name}` is not in the table of arrows (xtask/src/tidy/arrows.rs)")));
            continue;
        };
        for (_, text) in tree.texts(|p| p == path) {
            for (line, on) in own_dependencies(text) {
                if !allowed.contains(&on.as_str()) {
                    found.push(Finding::new(&path, line, format!("`{name}` must not depend on `{on}`")));
                }
            }
        }
    }
    found
}

/// Line and short name of each dependency on a crate of ours, test dependencies included.
fn own_dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut among = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            among = section.ends_with("dependencies");
            if let Some((before, last)) = section.rsplit_once('.')
                && before.ends_with("dependencies")
            {
                found.extend(short(last).map(|name| (index + 1, name)));
            }
        } else if among {
            found.extend(short(line).map(|name| (index + 1, name)));
            // A renamed dependency: `x = { package = "tidegate-core" }`.
            let renamed = line.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
            found.extend(renamed.and_then(short).map(|name| (index + 1, name)));
        }
    }
    found
}

/// `tidegate-core.workspace = true` is `core`; the binary's package is `tidegate`.
fn short(text: &str) -> Option<String> {
    let name: String = text.trim_matches('"').chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    match name.strip_prefix("tidegate-") {
        Some(rest) => Some(rest.to_owned()),
        None => (name == "tidegate").then_some(name),
    }
}

pub(super) fn nouns(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, allowed) in NOUNS {
        let folder = format!("crates/{name}/");
        for (path, text) in tree.rust(&folder) {
            let code = super::lex::code(text);
            for (line, module) in modules_of_core(&code) {
                if !allowed.contains(&module.as_str()) {
                    let listed = allowed.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
                    found.push(Finding::new(path, line, format!("`{name}` knows of core only {listed}; this names `{module}`")));
                }
            }
        }
    }
    found
}

/// Line and name of each module of core that code names, in plain and grouped paths; `*` for the whole crate.
fn modules_of_core(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, matched) in code.match_indices("tidegate_core") {
        let line = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let rest = code.get(at + matched.len()..).unwrap_or_default().trim_start();
        let Some(path) = rest.strip_prefix("::") else {
            found.push((line, "*".to_owned()));
            continue;
        };
        let path = path.trim_start();
        match path.strip_prefix('{') {
            Some(group) => found.extend(top_names(group).into_iter().map(|name| (line, name))),
            None => found.push((line, first_word(path))),
        }
    }
    found
}

fn first_word(text: &str) -> String {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if word.is_empty() { "*".to_owned() } else { word }
}

/// The first part of each path in a group, down to its closing brace.
fn top_names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    let item = |at: usize| group.get(at..).unwrap_or_default().trim_start();
    starts.into_iter().map(item).filter(|text| !text.starts_with('}')).map(first_word).collect()
}
