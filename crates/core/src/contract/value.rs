//! The values that expectations hold columns against, and intervals of them.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A value of a contract or of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Missing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; those that JSON cannot write (infinities) are shown as text.
    Float(f64),
    /// Text, dates and instants among it.
    Text(String),
    /// Values of several columns.
    Row(Vec<Value>),
}

impl Value {
    /// The number, where it is one; `true` counts as 1 as it does in Python.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "whole numbers are compared exactly elsewhere; here the nearest float is wanted")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            Value::Bool(b) => Some(if *b { 1.0 } else { 0.0 }),
            Value::Null | Value::Text(_) | Value::Row(_) => None,
        }
    }

    /// The kind in words, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::Row(_) => "a list",
        }
    }

    /// Order within a kind; none across kinds.
    #[must_use]
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (a, b) => a.number()?.partial_cmp(&b.number()?),
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        if number.is_finite() { Value::Float(number) } else { Value::Text(number.to_string()) }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Row(values) => {
                f.write_str("(")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Microseconds since 1970 of a date, a time without zone (taken as UTC), or an instant; none for other texts.
#[must_use]
pub fn instant_micros(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_microsecond());
    }
    let civil = text.parse::<jiff::civil::DateTime>().or_else(|_| text.parse::<jiff::civil::Date>().map(|d| d.at(0, 0, 0, 0))).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// An interval; a missing end is open, ends belong to it unless they are strict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Lower end.
    pub min: Option<Value>,
    /// Upper end.
    pub max: Option<Value>,
    /// The lower end itself is outside.
    #[serde(default)]
    pub strict_min: bool,
    /// The upper end itself is outside.
    #[serde(default)]
    pub strict_max: bool,
}

impl Bounds {
    /// From `min` to `max`, both inside.
    #[must_use]
    pub fn inclusive(min: Option<Value>, max: Option<Value>) -> Bounds {
        Bounds { min, max, strict_min: false, strict_max: false }
    }

    /// Whether `value` lies inside; none when it cannot be compared with an end.
    #[must_use]
    pub fn contain(&self, value: &Value) -> Option<bool> {
        let above = match &self.min {
            None => true,
            Some(min) => match value.compare(min)? {
                Ordering::Greater => true,
                Ordering::Equal => !self.strict_min,
                Ordering::Less => false,
            },
        };
        let below = match &self.max {
            None => true,
            Some(max) => match value.compare(max)? {
                Ordering::Less => true,
                Ordering::Equal => !self.strict_max,
                Ordering::Greater => false,
            },
        };
        Some(above && below)
    }

    /// The same for an observed instant: ends may be written as dates, with a blank or a `T`, with a zone or without.
    #[must_use]
    pub fn of_instants(&self) -> Option<Bounds> {
        let end = |value: &Option<Value>| match value {
            None => Some(None),
            Some(Value::Text(text)) => instant_micros(text).map(|micros| Some(Value::Int(micros))),
            Some(_) => None,
        };
        Some(Bounds { min: end(&self.min)?, max: end(&self.max)?, strict_min: self.strict_min, strict_max: self.strict_max })
    }

    /// What is wrong with the interval itself.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        match (&self.min, &self.max) {
            (None, None) => Some("neither a minimum nor a maximum is given: give one of them".to_owned()),
            (Some(min), Some(max)) => match min.compare(max) {
                None => Some(format!("minimum {min} and maximum {max} are of different kinds: give two numbers, two texts or two dates")),
                Some(Ordering::Greater) => Some(format!("minimum {min} is greater than maximum {max}: swap them")),
                Some(Ordering::Equal | Ordering::Less) => None,
            },
            _ => None,
        }
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.min, &self.max) {
            (Some(min), Some(max)) => {
                let (open, close) = (if self.strict_min { '(' } else { '[' }, if self.strict_max { ')' } else { ']' });
                write!(f, "{open}{min}, {max}{close}")
            }
            (Some(min), None) => write!(f, "{} {min}", if self.strict_min { "above" } else { "at least" }),
            (None, Some(max)) => write!(f, "{} {max}", if self.strict_max { "below" } else { "at most" }),
            (None, None) => f.write_str("anything"),
        }
    }
}
