//! Documents that must agree with the tree: module headers and the map.

use super::{Finding, Tree};
use std::collections::BTreeSet;

/// Most lines of the map.
const MAP_LINES_MAX: usize = 300;

pub(super) fn modules(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(|path| path.ends_with(".rs")) {
        let first = text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("//!").map(str::trim);
        match says {
            None => found.push(Finding::new(path, 1, "the first line must be `//!` and say what the module is".to_owned())),
            Some(says) if says.len() < 10 || says.starts_with('(') => {
                found.push(Finding::new(path, 1, format!("`//! {says}` does not say what the module is")));
            }
            Some(_) => {}
        }
    }
    found
}

pub(super) fn map(tree: &Tree) -> Vec<Finding> {
    const MAP: &str = "ARCHITECTURE.md";
    let Some((_, text)) = tree.texts(|path| path == MAP).next() else {
        return vec![Finding::new(MAP, 1, "the map is missing".to_owned())];
    };
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > MAP_LINES_MAX {
        found.push(Finding::new(MAP, lines, format!("{lines} lines; at most {MAP_LINES_MAX}")));
    }
    let there: BTreeSet<&str> = tree.crates().into_iter().collect();
    let mut named = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        for (at, prefix) in line.match_indices("crates/") {
            let rest = line.get(at + prefix.len()..).unwrap_or_default();
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            named.insert(name);
            if !there.contains(name) {
                found.push(Finding::new(MAP, index + 1, format!("there is no crate `crates/{name}`")));
            }
        }
    }
    let missing = there.iter().filter(|name| !named.contains(**name));
    found.extend(missing.map(|name| Finding::new(MAP, 1, format!("`crates/{name}` is not on the map"))));
    found
}
