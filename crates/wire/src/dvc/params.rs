//! Parameter files: reading them, taking keys out of them, and changing one value in place.

use super::emit::dump;
use super::error::{DvcError, Problem};
use super::number::{Kind, kind_of};
use super::scalar::{Keys, NO_TEXT, value_of, value_with};
use super::{pyfile, toml};
use crate::yaml::{self, Node};
use indexmap::IndexMap;
use serde::Serialize as _;
use serde_json::Value;

/// The format of a parameter file, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.yaml`, `.yml` and whatever has no other format.
    Yaml,
    /// `.json`.
    Json,
    /// `.toml`.
    Toml,
    /// `.py`.
    Python,
}

impl Format {
    /// The format of `file`.
    #[must_use]
    pub fn of(file: &str) -> Format {
        match file.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
            Some("json") => Format::Json,
            Some("toml") => Format::Toml,
            Some("py") => Format::Python,
            _ => Format::Yaml,
        }
    }
}

/// The values in a parameter file; an empty file has none.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse_params(file: &str, text: &str) -> Result<Value, DvcError> {
    parse_with(file, text, Keys::Text)
}

/// As [`parse_params`], with keys that are no texts told apart, as a lock file has to write them
/// ([`super::with_plain_keys`] makes texts of them).
///
/// # Errors
/// The first mistake, with its place.
pub fn parse_params_as_written(file: &str, text: &str) -> Result<Value, DvcError> {
    parse_with(file, text, Keys::Marked)
}

pub(super) fn parse_with(file: &str, text: &str, keys: Keys) -> Result<Value, DvcError> {
    let value = match Format::of(file) {
        Format::Yaml => {
            let node = yaml::parse(text).map_err(|e| DvcError::one(file, e))?;
            value_with(&node, keys).map_err(|p| DvcError::one(file, p))?
        }
        Format::Json => parse_json(file, text)?,
        Format::Toml => toml::parse(file, text)?,
        Format::Python => pyfile::parse(file, text, keys)?,
    };
    Ok(if value.is_null() { Value::Object(serde_json::Map::new()) } else { value })
}

fn parse_json(file: &str, text: &str) -> Result<Value, DvcError> {
    serde_json::from_str(text).map_err(|e| {
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let problem = Problem { line: place(e.line()), column: place(e.column()), message: e.to_string() };
        DvcError::one(file, problem)
    })
}

/// The values of `keys` (dotted), none where there is none; all top-level values when no key is asked for.
#[must_use]
pub fn select(values: &Value, keys: &[String]) -> IndexMap<String, Option<Value>> {
    if keys.is_empty() {
        return values.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
    }
    keys.iter().map(|key| (key.clone(), at_key(values, key).cloned())).collect()
}

fn at_key<'a>(values: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(values, |value, step| match value {
        Value::Object(map) => map.get(step).or_else(|| map.get(&format!("{NO_TEXT}{step}"))),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The text of a parameter file with the value at `key` (dotted) replaced by `value`, written as in YAML; everything else
/// stays as it is, comments too.
///
/// # Errors
/// When the file is wrong, or the key is not there or is not a single value.
pub fn set_param(file: &str, text: &str, key: &str, value: &str) -> Result<String, DvcError> {
    match Format::of(file) {
        Format::Yaml => set_yaml(file, text, key, value),
        Format::Json => set_json(file, text, key, value),
        Format::Toml => toml::set(file, text, key, &parse_value(file, value)?),
        Format::Python => pyfile::set(file, text, key, &parse_value(file, value)?),
    }
}

/// A value as it is given on the command line: as in YAML.
fn parse_value(file: &str, value: &str) -> Result<Value, DvcError> {
    let node = yaml::parse(value).map_err(|e| DvcError::one(file, e))?;
    value_of(&node).map_err(|p| DvcError::one(file, p))
}

pub(super) fn missing(file: &str, key: &str) -> DvcError {
    DvcError::start(file, format!("set `{key}`: the file has no such value; add it to the file first"))
}

fn set_yaml(file: &str, text: &str, key: &str, value: &str) -> Result<String, DvcError> {
    let root = yaml::parse(text).map_err(|e| DvcError::one(file, e))?;
    let node = key.split('.').try_fold(&root, |node, step| match node.as_seq() {
        Some(items) => items.get(step.parse::<usize>().ok()?),
        None => node.get(step),
    });
    let node = node.ok_or_else(|| missing(file, key))?;
    let fail = || {
        DvcError::one(file, Problem::at(node, format!("set `{key}`: it is {} and cannot be replaced in place: edit the file", node.kind())))
    };
    let (start, end) = span(text, node).ok_or_else(fail)?;
    let written = if kind_of(value) == Kind::Text || kind_of(value) == Kind::Special || kind_of(value) == Kind::Timestamp {
        let unquoted = value.strip_prefix(['"', '\'']).and_then(|v| v.strip_suffix(['"', '\''])).unwrap_or(value);
        dump(&Value::String(unquoted.to_owned())).trim_end().to_owned()
    } else {
        value.to_owned()
    };
    let changed = format!("{}{written}{}", &text[..start], &text[end..]);
    // What was written must read back, and nothing else may have moved.
    yaml::parse(&changed).map_err(|_| fail())?;
    Ok(changed)
}

/// The bytes of a scalar that stands on one line.
fn span(text: &str, node: &Node) -> Option<(usize, usize)> {
    let line_start: usize = text.split_inclusive('\n').take(usize::try_from(node.line).ok()?.checked_sub(1)?).map(str::len).sum();
    let line = text.get(line_start..)?.lines().next()?;
    let column = usize::try_from(node.column).ok()?.checked_sub(1)?;
    let offset: usize = line.chars().take(column).map(char::len_utf8).sum();
    let rest = line.get(offset..)?;
    let length = match (&node.raw, rest.chars().next()) {
        (Some(raw), _) if !raw.is_empty() && rest.starts_with(raw.as_str()) => raw.len(),
        (None, Some(quote @ ('"' | '\''))) => 1 + closing(&rest[1..], quote)? + 1,
        _ => return None,
    };
    Some((line_start + offset, line_start + offset + length))
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((i, ch)) = chars.next() {
        if ch == '\\' && quote == '"' {
            chars.next();
        } else if ch == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
                continue;
            }
            return Some(i);
        }
    }
    None
}

fn set_json(file: &str, text: &str, key: &str, value: &str) -> Result<String, DvcError> {
    let mut root = parse_json(file, text)?;
    let pointer: String = key.split('.').map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
    let place = root.pointer_mut(&pointer).ok_or_else(|| missing(file, key))?;
    *place = parse_value(file, value)?;
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    root.serialize(&mut serializer).map_err(|e| DvcError::start(file, e.to_string()))?;
    let mut written = String::from_utf8(out).map_err(|e| DvcError::start(file, e.to_string()))?;
    if text.ends_with('\n') {
        written.push('\n');
    }
    Ok(written)
}
