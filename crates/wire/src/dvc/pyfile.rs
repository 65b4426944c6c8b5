//! Parameter files in Python: what is assigned to names at the top, in classes, and to `self` in `__init__`, as far as it
//! is a literal. Nothing is run.
//!
//! Statements are told apart by indentation and brackets; literals are read by [`super::pyliteral`]. What is no literal has
//! no value here, as with DVC.

use super::error::{DvcError, Problem};
use super::params::missing;
use super::pyliteral::{Literal, literal};
use super::python::float_repr;
use super::scalar::Keys;
use serde_json::{Map, Value};
use std::ops::Range;

/// Deepest nesting of blocks.
const DEPTH_MAX: usize = 64;

/// The values in `text`.
pub(super) fn parse(file: &str, text: &str, keys: Keys) -> Result<Value, DvcError> {
    Ok(Value::Object(read(file, text, keys)?.values))
}

/// `text` with the literal at `key` replaced, everything else as it stands.
pub(super) fn set(file: &str, text: &str, key: &str, value: &Value) -> Result<String, DvcError> {
    let found = read(file, text, Keys::Text)?;
    let wanted: Vec<&str> = key.split('.').collect();
    // The last assignment to a name is the one that holds.
    let place = found.places.iter().rev().find(|(path, _)| path.iter().map(String::as_str).eq(wanted.iter().copied()));
    let (_, range) = place.ok_or_else(|| missing(file, key))?;
    let (before, after) = (text.get(..range.start).unwrap_or_default(), text.get(range.end..).unwrap_or_default());
    Ok(format!("{before}{}{after}", repr(value)))
}

/// A value as Python writes it.
fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => n.as_f64().filter(|_| n.is_f64()).map_or_else(|| n.to_string(), float_repr),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r")),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries = map.iter().map(|(k, v)| format!("{}: {}", repr(&Value::String(k.clone())), repr(v)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Values, and where each that can be replaced stands.
#[derive(Default)]
struct Found {
    values: Map<String, Value>,
    places: Vec<(Vec<String>, Range<usize>)>,
}

fn read(file: &str, text: &str, keys: Keys) -> Result<Found, DvcError> {
    let lines = logical_lines(text).map_err(|at| {
        let line = u32::try_from(text.get(..at).unwrap_or_default().matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1);
        DvcError::one(file, Problem { line, column: 1, message: "a bracket or a text is not closed".to_owned() })
    })?;
    let mut found = Found::default();
    let block = Block { text, lines: &lines, keys };
    block.read(0, &mut Vec::new(), false, &mut found.values, &mut found.places);
    Ok(found)
}

/// A statement: its indentation, and where it stands without comment and line break.
struct Line {
    indent: usize,
    range: Range<usize>,
}

/// Statements: lines joined where brackets, texts or a backslash continue them. An error is the place of what is not closed.
fn logical_lines(text: &str) -> Result<Vec<Line>, usize> {
    let bytes = text.as_bytes();
    let (mut lines, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let blank: usize = rest.bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\x0c')).count();
        let indent = rest[..blank].bytes().fold(0, |n, b| if b == b'\t' { n / 8 * 8 + 8 } else { n + 1 });
        let start = at + blank;
        let (mut end, mut i, mut open) = (start, start, Vec::new());
        while i < bytes.len() {
            match bytes[i] {
                b'#' => i += text[i..].find('\n').unwrap_or(bytes.len() - i),
                b'\n' if open.is_empty() => break,
                b';' if open.is_empty() => break,
                b'\\' => i = (i + 2).min(bytes.len()),
                b'\'' | b'"' => {
                    i = end_of_text(bytes, i).ok_or(i)?;
                    end = i;
                }
                byte => {
                    match byte {
                        b'(' | b'[' | b'{' => open.push(i),
                        b')' | b']' | b'}' => drop(open.pop()),
                        _ => {}
                    }
                    i += 1;
                    if !byte.is_ascii_whitespace() {
                        end = i;
                    }
                }
            }
        }
        if let Some(first) = open.first() {
            return Err(*first);
        }
        if end > start {
            let after_semicolon = at > 0 && bytes.get(at - 1) == Some(&b';');
            let indent = if after_semicolon { lines.last().map_or(indent, |l: &Line| l.indent) } else { indent };
            lines.push(Line { indent, range: start..end });
        }
        at = i + 1;
    }
    Ok(lines)
}

/// The place behind the text that begins with the quote at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = bytes[start];
    let three = [quote; 3];
    let triple = bytes.get(start..start + 3) == Some(&three[..]);
    let mut i = start + if triple { 3 } else { 1 };
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'\n' if !triple => return None,
            byte if byte == quote && !triple => return Some(i + 1),
            byte if byte == quote && bytes.get(i..i + 3) == Some(&three[..]) => return Some(i + 3),
            _ => i += 1,
        }
    }
    None
}

struct Block<'a> {
    text: &'a str,
    lines: &'a [Line],
    keys: Keys,
}

type Places = Vec<(Vec<String>, Range<usize>)>;

impl Block<'_> {
    /// Reads the block that starts at line `from`, and gives the line behind it.
    fn read(&self, from: usize, path: &mut Vec<String>, only_self: bool, values: &mut Map<String, Value>, places: &mut Places) -> usize {
        let Some(indent) = self.lines.get(from).map(|l| l.indent) else { return from };
        let mut i = from;
        while let Some(line) = self.lines.get(i).filter(|l| l.indent >= indent) {
            let text = self.text.get(line.range.clone()).unwrap_or_default();
            let body = i + 1;
            let is_block = self.lines.get(body).is_some_and(|l| l.indent > line.indent) && path.len() < DEPTH_MAX;
            if let (Some(name), true) = (head(text, "class"), is_block) {
                let mut inner = Map::new();
                path.push(name.to_owned());
                i = self.read(body, path, false, &mut inner, places);
                path.pop();
                values.insert(name.to_owned(), Value::Object(inner));
            } else if head(text, "def") == Some("__init__") && is_block {
                i = self.read(body, path, true, values, places);
            } else if is_block {
                i = body;
                while self.lines.get(i).is_some_and(|l| l.indent > line.indent) {
                    i += 1;
                }
            } else {
                self.assign(line, text, path, only_self, values, places);
                i = body;
            }
        }
        i
    }

    fn assign(&self, line: &Line, text: &str, path: &[String], only_self: bool, values: &mut Map<String, Value>, places: &mut Places) {
        let Some((target, value_at)) = target_of(text) else { return };
        let name = match target.strip_prefix("self.") {
            Some(name) => name,
            None if only_self => return,
            None => target,
        };
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name || name.is_empty() {
            return;
        }
        let start = line.range.start + value_at;
        let Some(found) = self.text.get(start..line.range.end).and_then(|value| literal(value, self.keys)) else { return };
        let own: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
        note(&found, start, own, places);
        values.insert(name.to_owned(), found.value);
    }
}

/// Where a literal stands, and each value of a mapping.
fn note(found: &Literal, base: usize, path: Vec<String>, places: &mut Places) {
    for (key, inner) in &found.inside {
        let path = path.iter().cloned().chain([key.clone()]).collect();
        places.push((path, base + inner.start..base + inner.end));
    }
    places.push((path, base + found.range.start..base + found.range.end));
}

/// The name behind `class` or `def` at the start of a block.
fn head<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    let name = rest.strip_prefix([' ', '\t'])?.trim_start();
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    text.trim_end().ends_with(':').then(|| &name[..end])
}

/// The target of an assignment, perhaps with an annotation, and where its value starts. None when it has several targets.
fn target_of(text: &str) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    let (mut depth, mut i, mut equals) = (0usize, 0, Vec::new());
    while i < bytes.len() {
        match bytes[i] {
            b'\'' | b'"' => {
                i = end_of_text(bytes, i)?;
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'=' if depth == 0 => {
                let compares = bytes.get(i + 1) == Some(&b'=')
                    || i.checked_sub(1).is_some_and(|j| matches!(bytes[j], b'=' | b'!' | b'<' | b'>' | b':'));
                let changes = i.checked_sub(1).is_some_and(|j| b"+-*/%@&|^".contains(&bytes[j]));
                if changes {
                    return None;
                }
                if !compares {
                    equals.push(i);
                }
            }
            _ => {}
        }
        i += 1;
    }
    let [at] = equals[..] else { return None };
    let target = text[..at].split_once(':').map_or(&text[..at], |(target, _)| target).trim();
    Some((target, at + 1))
}
