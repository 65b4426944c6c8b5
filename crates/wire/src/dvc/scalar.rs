//! Nodes as values, read as DVC reads them.

use super::error::Problem;
use super::number::{Kind, kind_of};
use crate::yaml::{Node, Value as Yaml};
use serde_json::{Map, Number, Value};

/// The value of a node.
///
/// # Errors
/// What DVC refuses (a date that is not quoted) or JSON cannot hold (`.inf`, numbers beyond 64 bits).
pub fn value_of(node: &Node) -> Result<Value, Problem> {
    match &node.value {
        Yaml::Seq(items) => items.iter().map(value_of).collect::<Result<Vec<_>, _>>().map(Value::Array),
        Yaml::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                map.insert(key_of(key)?, value_of(value)?);
            }
            Ok(Value::Object(map))
        }
        _ => match &node.raw {
            Some(raw) => plain(node, raw),
            None => Ok(node.to_json()),
        },
    }
}

/// A key as text, as Python would show it.
pub(super) fn key_of(node: &Node) -> Result<String, Problem> {
    Ok(match value_of(node)? {
        Value::String(text) => text,
        Value::Null => "null".to_owned(),
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
