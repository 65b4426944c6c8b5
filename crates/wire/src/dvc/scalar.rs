//! Nodes as values, read as DVC reads them.

use super::error::Problem;
use super::number::{Kind, kind_of};
use crate::yaml::{Node, Value as Yaml};
use serde_json::{Map, Number, Value};

/// Stands before a key that is no text, as `0` in `{0: cat}`: such a key is written without quotes, and no name in `${...}`
/// reaches it. No text can hold this sign.
pub(super) const NO_TEXT: char = '\u{10fffe}';

/// What becomes of keys that are no texts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// They become texts.
    Text,
    /// They become texts behind [`NO_TEXT`].
    Marked,
    /// They and their values are left out, as in what `${...}` may name.
    Dropped,
}

/// The value of a node.
///
/// # Errors
/// What DVC refuses (a date that is not quoted) or JSON cannot hold (`.inf`, numbers beyond 64 bits).
pub fn value_of(node: &Node) -> Result<Value, Problem> {
    value_with(node, Keys::Text)
}

/// As [`value_of`], keys that are no texts as wanted.
pub(super) fn value_with(node: &Node, keys: Keys) -> Result<Value, Problem> {
    match &node.value {
        Yaml::Seq(items) => items.iter().map(|n| value_with(n, keys)).collect::<Result<Vec<_>, _>>().map(Value::Array),
        Yaml::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let text = key_of(key)?;
                let is_text = keys == Keys::Text || key.raw.as_deref().is_none_or(|raw| kind_of(raw) == Kind::Text);
                let value = value_with(value, keys)?;
                match (is_text, keys) {
                    (false, Keys::Dropped) => continue,
                    (false, _) => map.insert(format!("{NO_TEXT}{text}"), value),
                    (true, _) => map.insert(text, value),
                };
            }
            Ok(Value::Object(map))
        }
        _ => match &node.raw {
            Some(raw) => plain(node, raw),
            None => Ok(node.to_json()),
        },
    }
}

/// The same value with keys that are all texts.
#[must_use]
pub fn with_plain_keys(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(with_plain_keys).collect()),
        Value::Object(map) => {
            let plain = |key: String| key.strip_prefix(NO_TEXT).map(str::to_owned).unwrap_or(key);
            Value::Object(map.into_iter().map(|(key, value)| (plain(key), with_plain_keys(value))).collect())
        }
        other => other,
    }
}

/// A key as text, as Python would show it.
pub(super) fn key_of(node: &Node) -> Result<String, Problem> {
    Ok(match value_of(node)? {
        Value::String(text) => text,
        other => super::python::to_text(&other),
    })
}

fn plain(node: &Node, raw: &str) -> Result<Value, Problem> {
    match kind_of(raw) {
        Kind::Null => Ok(Value::Null),
        Kind::Bool(flag) => Ok(Value::Bool(flag)),
        Kind::Int => int(raw).ok_or_else(|| Problem::at(node, format!("`{raw}` is beyond 64 bits: quote it"))),
        Kind::Float => float(raw).ok_or_else(|| Problem::at(node, format!("`{raw}` is not a finite number: quote it"))),
        Kind::Timestamp => Err(Problem::at(node, format!("`{raw}` is a date to YAML, which DVC refuses here: write it as '{raw}'"))),
        Kind::Special => Err(Problem::at(node, format!("`{raw}` has a meaning of its own in YAML: quote it"))),
        Kind::Text => Ok(Value::String(raw.to_owned())),
    }
}

fn int(raw: &str) -> Option<Value> {
    let text = raw.replace('_', "");
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let magnitude = match body.get(..2) {
        Some("0b") => u64::from_str_radix(&body[2..], 2),
        Some("0o") => u64::from_str_radix(&body[2..], 8),
        Some("0x") => u64::from_str_radix(&body[2..], 16),
        _ => body.parse::<u64>(),
    }
    .ok()?;
    if negative { 0i64.checked_sub_unsigned(magnitude).map(Value::from) } else { Some(Value::from(magnitude)) }
}

fn float(raw: &str) -> Option<Value> {
    let number: f64 = raw.replace('_', "").parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}
