//! Values of fields, keys and features.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;

/// 2^63: whole floats below it are whole numbers of 64 bits.
const WHOLE_END: f64 = 9_223_372_036_854_775_808.0;

/// A value. A number that is whole is one however it was written, so that `1` and `1.0` are the same key and count once; there is no
/// infinity and no NaN. Values have one order: truths, numbers by size, texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number that is not whole, or beyond 64 bits.
    Float(f64),
    /// Text.
    Text(Arc<str>),
}

impl Value {
    /// A number; none where it is not finite.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
    pub fn number(number: f64) -> Option<Value> {
        if !number.is_finite() {
            return None;
        }
        let whole = number.trunc() == number && (-WHOLE_END..WHOLE_END).contains(&number);
        Some(if whole { Value::Int(number as i64) } else { Value::Float(number) })
    }

    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Value {
        Value::Text(Arc::from(text))
    }

    /// The value as a number of 64 bits; none where it is none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is asked for")]
    pub fn float(&self) -> Option<f64> {
        match self {
            Value::Int(whole) => Some(*whole as f64),
            Value::Float(number) => Some(*number),
            Value::Bool(_) | Value::Text(_) => None,
        }
    }

    /// The value in its one form, where it came in another.
    #[must_use]
    pub fn plain(self) -> Option<Value> {
        match self {
            Value::Float(number) => Value::number(number),
            other => Some(other),
        }
    }

    fn class(&self) -> u8 {
        match self {
            Value::Bool(_) => 0,
            Value::Int(_) | Value::Float(_) => 1,
            Value::Text(_) => 2,
        }
    }
}

/// A whole number beside one that is not, or is beyond its range.
#[expect(clippy::cast_possible_truncation, reason = "it is within the range")]
fn beside(whole: i64, number: f64) -> Ordering {
    if number >= WHOLE_END {
        Ordering::Less
    } else if number < -WHOLE_END {
        Ordering::Greater
    } else {
        // Rounded down towards zero; a fraction that was cut off decides between equals.
        whole.cmp(&(number as i64)).then_with(|| 0.0_f64.total_cmp(&(number.fract() + 0.0)))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Value::Int(a), Value::Float(b)) => beside(*a, *b),
            (Value::Float(a), Value::Int(b)) => beside(*b, *a).reverse(),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_), _) => self.class().cmp(&other.class()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Value::Bool(truth) => truth.hash(state),
            Value::Int(whole) => whole.hash(state),
            // A float that is whole equals the whole number, and must be found where that is.
            Value::Float(number) => match Value::number(*number) {
                Some(Value::Int(whole)) => whole.hash(state),
                _ => number.to_bits().hash(state),
            },
            Value::Text(text) => text.hash(state),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(whole) => write!(f, "{whole}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_one_however_they_are_written() {
        assert_eq!(Value::number(1.0), Some(Value::Int(1)));
        assert!(matches!(Value::number(-0.0), Some(Value::Int(0))));
        assert!(matches!(Value::number(1e300), Some(Value::Float(_))));
        assert_eq!(Value::number(f64::NAN), None);
        assert_eq!(Value::Float(f64::INFINITY).plain(), None);
        let hash = |value: &Value| {
            use std::hash::{Hash, Hasher};
            let mut state = std::hash::DefaultHasher::new();
            value.hash(&mut state);
            state.finish()
        };
        assert_eq!(Value::Float(3.0), Value::Int(3));
        assert_eq!(hash(&Value::Float(3.0)), hash(&Value::Int(3)));
    }

    #[test]
    fn values_have_one_order() {
        let ordered = [
            Value::Bool(false),
            Value::Bool(true),
            Value::Float(-1e300),
            Value::Int(i64::MIN),
            Value::Int(-2),
            Value::Float(-1.5),
            Value::Int(-1),
            Value::Float(-0.5),
            Value::Int(0),
            Value::Float(0.5),
            Value::Int(1),
            Value::Float(1.5),
            Value::Int(i64::MAX),
            Value::Float(9_223_372_036_854_775_808.0),
            Value::text(""),
            Value::text("a"),
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (other_at, other) in ordered.iter().enumerate() {
                assert_eq!(one.cmp(other), at.cmp(&other_at), "{one} {other}");
            }
        }
    }
}
