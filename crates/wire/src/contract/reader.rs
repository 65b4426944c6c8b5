//! What the readers of other tools' contracts share: rules with their places, mistakes with theirs.

use super::{ContractError, EXPECTATIONS_MAX, Mistake};
use crate::yaml::{self, Node};
use tidegate_core::contract::{Bounds, Contract, Expectation, Kind, Rules, Severity, Value};

/// Rules and mistakes while a file is read.
#[derive(Default)]
pub(super) struct Reader {
    pub expectations: Vec<Expectation>,
    pub mistakes: Vec<Mistake>,
}

/// The file as a tree.
pub(super) fn tree(file: &str, text: &str) -> Result<Node, ContractError> {
    yaml::parse(text).map_err(|e| {
        ContractError::new(file, vec![Mistake { line: e.line, column: e.column, message: format!("this is not YAML: {}", e.message) }])
    })
}

impl Reader {
    pub fn wrong(&mut self, at: &Node, message: impl Into<String>) {
        self.mistakes.push(Mistake { line: at.line, column: at.column, message: message.into() });
    }

    /// Adds a rule; what is wrong with it in itself is a mistake of the file.
    pub fn add(&mut self, at: &Node, severity: Severity, kind: Kind) {
        let expectation = Expectation { severity, ..Expectation::new(kind) };
        match expectation.mistake() {
            Some(mistake) => self.wrong(at, format!("{}: {mistake}", expectation.kind.name())),
            None => self.expectations.push(expectation),
        }
    }

    /// Key, its place and its value, of each entry of a mapping.
    pub fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(String, &'n Node, &'n Node)> {
        match node.as_map() {
            Some(entries) => entries.iter().map(|(k, v)| (k.text().unwrap_or_default().into_owned(), k, v)).collect(),
            None if node.is_null() => vec![],
            None => {
                self.wrong(node, format!("{what} must be a mapping, not {}", node.kind()));
                vec![]
            }
        }
    }

    pub fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match node.as_seq() {
            Some(items) => items,
            None if node.is_null() => &[],
            None => {
                self.wrong(node, format!("{what} must be a list, not {}", node.kind()));
                &[]
            }
        }
    }

    pub fn value(&mut self, node: &Node) -> Option<Value> {
        let read = super::kwargs::value(&node.to_json());
        if read.is_none() {
            self.wrong(node, format!("this must be a value, not {}", node.kind()));
        }
        read
    }

    pub fn values(&mut self, node: &Node) -> Vec<Value> {
        self.items(node, "a set of values").iter().filter_map(|n| self.value(n)).collect()
    }

    pub fn finish(self, file: &str, dataset: String, rules: Rules) -> Result<Contract, ContractError> {
        let Reader { expectations, mut mistakes } = self;
        if expectations.len() > EXPECTATIONS_MAX {
            let message = format!("the contract has {} rules; at most {EXPECTATIONS_MAX} are read", expectations.len());
            mistakes.push(Mistake { line: 1, column: 1, message });
        }
        if mistakes.is_empty() { Ok(Contract { dataset, expectations, rules }) } else { Err(ContractError::new(file, mistakes)) }
    }
}

/// An interval with one end.
pub(super) fn above(value: Value, strict: bool) -> Bounds {
    Bounds { min: Some(value), max: None, strict_min: strict, strict_max: false }
}

/// An interval with one end.
pub(super) fn below(value: Value, strict: bool) -> Bounds {
    Bounds { min: None, max: Some(value), strict_min: false, strict_max: strict }
}

/// The expression that finds exactly this text, as a part of another.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_ascii_punctuation() || c.is_ascii_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The expression, anchored at the beginning of a text; flags stay in front.
pub(super) fn anchored(pattern: &str) -> String {
    let flags = pattern.strip_prefix("(?").and_then(|rest| {
        let (flags, rest) = rest.split_once(')')?;
        (!flags.is_empty() && flags.chars().all(|c| c.is_ascii_alphabetic())).then_some((flags, rest))
    });
    match flags {
        Some((flags, rest)) => format!(r"(?{flags})\A(?:{rest})"),
        None => format!(r"\A(?:{pattern})"),
    }
}
