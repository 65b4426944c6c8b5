//! Words that must not be committed: paths of one machine, hosts of package registries.

use super::{Finding, Tree};

/// Written in parts, so that this file passes its own rule.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npmjs", ".org"),
    concat!("proxy.go", "lang.org"),
    concat!("deb.de", "bian.org"),
];

/// Cargo itself writes the registry into its lock files.
const EXEMPT: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

pub(super) fn machine(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(|path| !EXEMPT.contains(&path)) {
        for (index, line) in text.lines().enumerate() {
            let paths = MACHINE.iter().filter(|word| is_path(line, word)).map(|word| format!("`{word}` is a path of one machine"));
            let hosts = HOSTS.iter().filter(|word| line.contains(**word)).map(|word| format!("`{word}` is a host of a registry"));
            found.extend(paths.chain(hosts).map(|message| Finding::new(path, index + 1, message)));
        }
    }
    found
}

/// Whether an absolute path starts with `word`: in `src/work/x` it does not.
fn is_path(line: &str, word: &str) -> bool {
    let starts = |at: usize| line.get(..at).is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || "._-}$~".contains(c)));
    line.match_indices(word).any(|(at, _)| starts(at))
}
