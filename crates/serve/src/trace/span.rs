//! Spans that have ended, as values.

use super::context::{Context, SpanId};
use hyper::header::HeaderValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Characters of a text that is told of a span; longer ones are cut.
pub const TEXT_CHARS_MAX: usize = 256;

/// Which side of a call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Internal,
    Server,
    Client,
}

/// What is told of a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(Cow<'static, str>),
    Name(Arc<str>),
    Whole(i64),
    True,
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Value {
        Value::Text(text.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Value {
        Value::Whole(number.into())
    }
}

impl Value {
    /// A text of somebody else, cut where it is long.
    pub fn cut(text: &str) -> Value {
        Value::Text(text.chars().take(TEXT_CHARS_MAX).collect::<String>().into())
    }
}

/// Something told: name and value.
pub type Attribute = (&'static str, Value);

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub context: Context,
    pub parent: Option<SpanId>,
    /// Whether the parent is a caller's.
    pub remote: bool,
    /// `tracestate` of its trace.
    pub state: Option<HeaderValue>,
    pub name: Cow<'static, str>,
    pub side: Side,
    /// Nanoseconds since 1970.
    pub began_ns: u64,
    pub ended_ns: u64,
    pub attributes: Vec<Attribute>,
    /// Whether it counts as failed.
    pub failed: bool,
}
