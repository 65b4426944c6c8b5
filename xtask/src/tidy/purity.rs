//! What decides must not act: no clock, no file, no network, no chance in the pure crates, and no function of
//! floats whose last bit depends on the machine.

use super::{Finding, Tree};

/// Crates in which time, chance and identity are arguments.
const PURE: [&str; 5] = ["stats", "core", "features", "engine", "sim"];

/// What they must not name, and what to do instead.
const EFFECTS: &[(&str, &str)] = &[
    ("SystemTime::now", "take the instant as an argument"),
    ("Instant::now", "take the instant as an argument"),
    ("Timestamp::now", "take the instant as an argument"),
    ("Zoned::now", "take the instant as an argument"),
    ("std::fs", "take the content, or a port"),
    ("std::net", "take a port"),
    ("std::process", "take a port"),
    ("std::thread", "the caller schedules"),
    ("std::env", "take the value as an argument"),
    ("tokio", "the caller schedules"),
    ("rand::", "use stats::rng with a seed"),
    ("getrandom", "use stats::rng with a seed"),
    ("RandomState", "iteration order must not be chance"),
];

/// Methods of floats that the platform's mathematics library answers.
const FLOATS: &[&str] = &[
    ".ln()",
    ".ln_1p()",
    ".log10()",
    ".log2()",
    ".log(",
    ".exp()",
    ".exp2()",
    ".exp_m1()",
    ".powf(",
    ".powi(",
    ".cbrt()",
    ".sin()",
    ".cos()",
    ".tan()",
    ".asin()",
    ".acos()",
    ".atan()",
    ".atan2(",
    ".sinh()",
    ".cosh()",
    ".tanh()",
    ".hypot(",
    "f64::ln",
    "f64::exp",
    "f64::powf",
    "f64::powi",
];

pub(super) fn effects(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in PURE {
        let folder = format!("crates/{name}/");
        for (path, text) in tree.rust(&folder).filter(|(path, _)| !is_test(path)) {
            for (index, line) in super::lex::code(text).lines().enumerate() {
                let named = EFFECTS.iter().filter(|(word, _)| holds_word(line, word));
                found.extend(named.map(|(word, instead)| Finding::new(path, index + 1, format!("`{word}` in a pure crate: {instead}"))));
            }
        }
    }
    found
}

/// Tests may read a golden file, run seeds side by side and compare with what the platform says; examples measure.
fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("/examples/")
}

/// Whether `line` names `word` and not only as the end of a longer name.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|b| b.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|a| a.chars().next());
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before) && (word.ends_with(':') || !part(after))
    })
}

pub(super) fn floats(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in ["stats", "core", "features"] {
        let folder = format!("crates/{name}/src/");
        for (path, text) in tree.rust(&folder).filter(|(path, _)| !is_test(path)) {
            for (index, line) in super::lex::code(text).lines().enumerate() {
                let used = FLOATS.iter().filter(|method| line.contains(**method));
                found.extend(
                    used.map(|m| Finding::new(path, index + 1, format!("`{m}` differs between machines in its last bit: use libm"))),
                );
            }
        }
    }
    found
}
