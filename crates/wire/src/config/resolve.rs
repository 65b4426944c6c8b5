//! Defaults put in place: the file as written becomes the file with every value.
//!
//! A value that came from the table or from a preset has line 0; everything after this step, the checker,
//! the reader and `config explain`, treats written and preset values alike.

use super::shape::{Case, Key, Need, Preset, Shape, Table};
use crate::yaml::{self, Node, Value};

/// A value from the table, as a node on line 0.
pub(super) fn preset(text: &str) -> Node {
    let mut node = yaml::parse(text).unwrap_or(Node { value: Value::Null, line: 0, column: 0, raw: None });
    unplace(&mut node);
    node
}

fn unplace(node: &mut Node) {
    (node.line, node.column) = (0, 0);
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(unplace),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            unplace(key);
            unplace(value);
        }),
        _ => {}
    }
}

/// A string key or value on line 0.
pub(super) fn preset_text(text: &str) -> Node {
    Node { value: Value::Str(text.to_owned()), line: 0, column: 0, raw: Some(text.to_owned()) }
}

/// A mapping at the place of `like`.
fn mapping(like: &Node, entries: Vec<(Node, Node)>) -> Node {
    Node { value: Value::Map(entries), line: like.line, column: like.column, raw: None }
}

/// `node` with defaults filled in wherever its shape has them. What does not fit its shape stays as it is.
pub(super) fn fill(node: &Node, shape: &Shape) -> Node {
    match shape {
        Shape::Table(table) => fill_keys(node, table.keys),
        Shape::Short { scalar, long, expands } => match (expands, node.as_map().is_some() || node.is_null()) {
            (true, false) if word_fits(node, scalar) => fill(&mapping(node, Vec::new()), long),
            (_, true) => fill(node, long),
            _ => node.clone(),
        },
        Shape::Names { item, preset, .. } => fill_names(node, item, *preset),
        Shape::List { item, .. } => match node.as_seq() {
            Some(items) => Node { value: Value::Seq(items.iter().map(|i| fill(i, item)).collect()), ..node.clone() },
            None => node.clone(),
        },
        Shape::Choice(cases) => match chosen(node, cases) {
            Some(case) => fill_keys(node, case.table.keys),
            None => node.clone(),
        },
        Shape::OneKey(keys) => fill_one(node, keys),
        _ => node.clone(),
    }
}

/// The form that a mapping takes, by the first marker that it has.
pub(super) fn chosen<'a>(node: &Node, cases: &'a [Case]) -> Option<&'a Case> {
    cases.iter().find(|case| node.get(case.marker).is_some())
}

fn word_fits(node: &Node, scalar: &Shape) -> bool {
    match scalar {
        Shape::Word(words) => node.text().is_some_and(|t| words.contains(&t.as_ref())),
        _ => false,
    }
}

/// Nothing after a key means an empty mapping.
fn entries(node: &Node) -> Option<&[(Node, Node)]> {
    if node.is_null() { Some(&[]) } else { node.as_map() }
}

fn fill_keys(node: &Node, keys: &[Key]) -> Node {
    let Some(written) = entries(node) else {
        return node.clone();
    };
    let mut filled: Vec<(Node, Node)> = Vec::with_capacity(keys.len());
    for (key, value) in written {
        let known = keys.iter().find(|k| key.text().as_deref() == Some(k.name));
        filled.push((key.clone(), known.map_or_else(|| value.clone(), |k| fill(value, &k.shape))));
    }
    for key in keys {
        if let (Need::Default(text), None) = (key.need, node.get(key.name)) {
            filled.push((preset_text(key.name), fill(&preset(text), &key.shape)));
        }
    }
    mapping(node, filled)
}

fn fill_one(node: &Node, keys: &[Key]) -> Node {
    let Some(written) = node.as_map() else {
        return node.clone();
    };
    let fill_value = |key: &Node, value: &Node| {
        let known = keys.iter().find(|k| key.text().as_deref() == Some(k.name));
        known.map_or_else(|| value.clone(), |k| fill(value, &k.shape))
    };
    mapping(node, written.iter().map(|(k, v)| (k.clone(), fill_value(k, v))).collect())
}

fn fill_names(node: &Node, item: &Shape, preset: Option<Preset>) -> Node {
    let Some(written) = entries(node) else {
        return node.clone();
    };
    let there = preset.map(|p| (p.there)());
    let there = there.as_ref().and_then(Node::as_map).unwrap_or(&[]);
    let mut filled = Vec::with_capacity(written.len() + there.len());
    for (key, value) in written {
        let name = key.text().unwrap_or_default();
        let base = there.iter().find(|(k, _)| k.text() == key.text()).map(|(_, v)| v.clone());
        let base = base.or_else(|| preset.and_then(|p| (p.other)(&name)));
        let whole = base.map_or_else(|| value.clone(), |base| laid_over(value, &base));
        filled.push((key.clone(), fill(&whole, item)));
    }
    for (key, value) in there {
        if !written.iter().any(|(k, _)| k.text() == key.text()) {
            filled.push((key.clone(), fill(value, item)));
        }
    }
    mapping(node, filled)
}

/// `value` with the keys of `base` that it does not have; a scalar replaces `base` whole.
fn laid_over(value: &Node, base: &Node) -> Node {
    let (Some(written), Some(there)) = (entries(value), base.as_map()) else {
        return value.clone();
    };
    let missing = there.iter().filter(|(k, _)| !written.iter().any(|(w, _)| w.text() == k.text()));
    mapping(value, written.iter().chain(missing).cloned().collect())
}

/// Whether drift is one of the words, or the word.
pub(super) fn names_drift(on: &Node) -> bool {
    let drift = |n: &Node| n.as_str() == Some("drift");
    drift(on) || on.as_seq().is_some_and(|words| words.iter().any(drift))
}

/// The whole file with every value: [`fill`] on the root, and the drift of models that are retrained on it.
pub(super) fn resolve(root: &Node, table: &'static Table) -> Node {
    let mut root = root.clone();
    let retrained: Vec<String> = root
        .get("retrain")
        .and_then(Node::as_map)
        .unwrap_or(&[])
        .iter()
        .filter(|(_, v)| v.get("on").is_some_and(names_drift))
        .filter_map(|(k, _)| k.text().map(std::borrow::Cow::into_owned))
        .collect();
    if let Value::Map(sections) = &mut root.value {
        let models = sections.iter_mut().find(|(k, _)| k.as_str() == Some("models")).map(|(_, v)| v);
        if let Some(Value::Map(models)) = models.map(|m| &mut m.value) {
            for (name, model) in models {
                let retrained = name.text().is_some_and(|n| retrained.iter().any(|r| *r == n));
                let wanted = retrained && model.get("drift").is_none();
                if let (true, Value::Map(keys)) = (wanted, &mut model.value) {
                    keys.push((preset_text("drift"), preset("{}")));
                }
            }
        }
    }
    fill(&root, &Shape::Table(table))
}
