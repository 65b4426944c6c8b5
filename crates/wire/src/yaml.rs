//! YAML with places: the 1.2 core schema as a tree of nodes that know their line and column.
//!
//! One document, scalar keys, no merge keys. `no` and `on` are strings; a quoted scalar is a string;
//! a repeated key is an error that names both places. Size, depth and what aliases may unfold to are limited.
//! Not here: what any key means (see `config` and the foreign formats), and writing YAML.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::collections::HashMap;

mod scalar;
#[cfg(test)]
mod tests;

/// Longest text that is read.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Deepest nesting, aliases unfolded.
pub const DEPTH_MAX: usize = 100;
/// Most nodes in a document, aliases unfolded; a scalar counts once more for each 64 bytes.
pub const NODES_MAX: usize = 4_000_000;
/// Most nodes that aliases alone may unfold to.
pub const ALIASED_NODES_MAX: usize = 100_000;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Line, from 1. An alias stands where the alias is written, its parts where they are written.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The text of a plain scalar as it is written; none for quoted and block scalars and for collections.
    pub raw: Option<String>,
}

/// The kinds of values there are.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number, whole numbers beyond 64 bits among them ([`Node::raw`] has their digits).
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order of the file; keys are scalars, no two have the same text.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value of `key`, where this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key and value of `key`, where this is a mapping that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.as_map()?.iter().find(|(k, _)| k.text().as_deref() == Some(key)).map(|(k, v)| (k, v))
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// Any number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.value {
            #[expect(clippy::cast_precision_loss, reason = "a reader that asks for a float gets the nearest one")]
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether this is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The text of a scalar as a person would read it: a plain one as written, a quoted one without its quotes.
    #[must_use]
    pub fn text(&self) -> Option<std::borrow::Cow<'_, str>> {
        match (&self.value, &self.raw) {
            (Value::Seq(_) | Value::Map(_), _) => None,
            (Value::Str(text), _) => Some(text.into()),
            (_, Some(raw)) => Some(raw.into()),
            (Value::Null, None) => Some("null".into()),
            (Value::Bool(flag), None) => Some(flag.to_string().into()),
            (Value::Int(number), None) => Some(number.to_string().into()),
            (Value::Float(number), None) => Some(number.to_string().into()),
        }
    }

    /// The kind in words, with its article, for messages: `a string`, `a mapping`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Str(_) => "a string",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The same value as JSON, places dropped; keys become text, `.inf` and `.nan` become strings.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => match serde_json::Number::from_f64(*number) {
                Some(finite) => Json::Number(finite),
                None => Json::String(self.text().unwrap_or_default().into_owned()),
            },
            Value::Str(text) => Json::String(text.clone()),
            Value::Seq(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(k, v)| (k.text().unwrap_or_default().into_owned(), v.to_json())).collect())
            }
        }
    }
}

/// Reads one document; an empty text is null.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(error((1, 1), format!("the text has {} bytes; at most {TEXT_BYTES_MAX} are read", text.len())));
    }
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut builder = Builder::default();
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| error(place_of(*e.marker()), e.info().to_owned()))?;
        builder.take(event, span)?;
    }
    Ok(builder.root.map_or(Node { value: Value::Null, line: 1, column: 1, raw: None }, |built| built.node))
}

type Place = (u32, u32);

fn place_of(mark: saphyr_parser::Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(mark.line()), number(mark.col().saturating_add(1)))
}

fn error(place: Place, message: impl Into<String>) -> YamlError {
    YamlError { line: place.0, column: place.1, message: message.into() }
}

/// A finished node, how many nodes it weighs, and how deep it is.
#[derive(Clone)]
struct Built {
    node: Node,
    weight: usize,
    height: usize,
}

/// A collection that is still open.
struct Open {
    place: Place,
    anchor: usize,
    weight: usize,
    height: usize,
    body: Body,
}

enum Body {
    Seq(Vec<Node>),
    Map { entries: Vec<(Node, Node)>, key: Option<Node>, seen: HashMap<String, Place> },
}

/// Folds events into nodes without recursion, so that nesting costs no stack.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
    aliased: usize,
    documents: usize,
    root: Option<Built>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let place = place_of(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(error(place, "a second document starts here; one is read per file"));
                }
                Ok(())
            }
            Event::Alias(id) => self.alias(id, place),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = scalar::resolve(&text, plain, tag.as_deref()).map_err(|m| error(place, m))?;
                // Nothing after `key:` has no place of its own: it stands at its key.
                let place = if plain && text.is_empty() { self.pending_key().unwrap_or(place) } else { place };
                let weight = 1 + text.len() / 64;
                let node = Node { value, line: place.0, column: place.1, raw: plain.then(|| text.into_owned()) };
                self.count(weight, place)?;
                self.finish(Built { node, weight, height: 0 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.start(place, anchor, tag.as_deref(), "seq", Body::Seq(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let body = Body::Map { entries: Vec::new(), key: None, seen: HashMap::new() };
                self.start(place, anchor, tag.as_deref(), "map", body)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(place),
        }
    }

    fn start(&mut self, place: Place, anchor: usize, tag: Option<&Tag>, own: &str, body: Body) -> Result<(), YamlError> {
        if let Some(tag) = tag.filter(|t| !(t.is_yaml_core_schema() && t.suffix == own)) {
            return Err(error(place, format!("tag `{tag}` is not understood here")));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(error(place, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.count(1, place)?;
        self.open.push(Open { place, anchor, weight: 1, height: 1, body });
        Ok(())
    }

    fn end(&mut self, place: Place) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else {
            return Err(error(place, "a collection ends here that did not start"));
        };
        let value = match open.body {
            Body::Seq(items) => Value::Seq(items),
            Body::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { value, line: open.place.0, column: open.place.1, raw: None };
        self.finish(Built { node, weight: open.weight, height: open.height }, open.anchor)
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<(), YamlError> {
        let Some(mut built) = self.anchors.get(&id).cloned() else {
            return Err(error(place, "this alias names an anchor that is not complete here"));
        };
        self.aliased = self.aliased.saturating_add(built.weight);
        if self.aliased > ALIASED_NODES_MAX {
            return Err(error(place, format!("aliases unfold to more than {ALIASED_NODES_MAX} nodes")));
        }
        if self.open.len() + built.height > DEPTH_MAX {
            return Err(error(place, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.count(built.weight, place)?;
        (built.node.line, built.node.column) = place;
        self.finish(built, 0)
    }

    fn count(&mut self, weight: usize, place: Place) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(weight);
        if self.nodes > NODES_MAX {
            return Err(error(place, format!("more than {NODES_MAX} nodes")));
        }
        Ok(())
    }

    fn pending_key(&self) -> Option<Place> {
        match self.open.last().map(|o| &o.body) {
            Some(Body::Map { key: Some(key), .. }) => Some((key.line, key.column)),
            _ => None,
        }
    }

    /// Puts a finished node where it belongs: into the open collection, or at the root.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            // An anchored node is kept twice, so it counts twice.
            self.count(built.weight, (built.node.line, built.node.column))?;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        parent.weight = parent.weight.saturating_add(built.weight);
        parent.height = parent.height.max(built.height + 1);
        match &mut parent.body {
            Body::Seq(items) => items.push(built.node),
            Body::Map { entries, key, seen } => match key.take() {
                Some(key) => entries.push((key, built.node)),
                None => *key = Some(new_key(built.node, seen)?),
            },
        }
        Ok(())
    }
}

fn new_key(node: Node, seen: &mut HashMap<String, Place>) -> Result<Node, YamlError> {
    let place = (node.line, node.column);
    let Some(text) = node.text().map(std::borrow::Cow::into_owned) else {
        return Err(error(place, format!("a key must be a scalar, not {}", node.kind())));
    };
    if let Some((line, column)) = seen.insert(text.clone(), place) {
        return Err(error(place, format!("key `{text}` is given twice; first at line {line}, column {column}")));
    }
    Ok(node)
}
