//! The values of one record while a transform runs: small, copied, text always borrowed.

use crate::model::Datatype;
use crate::transform::{Compiled, Constant, Field};

/// One value. Text is borrowed from the record or from the transform, so nothing is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Missing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    I64(i64),
    /// A number; not-a-number counts as missing.
    F64(f64),
    /// Text.
    Str(&'a str),
}

/// A record: its values in the order of [`Compiled::fields`].
pub type RecordView<'a> = [Value<'a>];

impl<'a> Value<'a> {
    /// Whether it is missing.
    #[must_use]
    pub fn is_missing(self) -> bool {
        match self {
            Value::Null => true,
            Value::F64(x) => x.is_nan(),
            Value::Bool(_) | Value::I64(_) | Value::Str(_) => false,
        }
    }

    /// As a number: true is 1, false is 0; text and missing are none.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        match self {
            Value::Null | Value::Str(_) => None,
            Value::Bool(b) => Some(f64::from(u8::from(b))),
            // 53 bits are exact; wider integers are names rather than quantities.
            #[expect(clippy::cast_precision_loss, reason = "quantities beyond 2^53 round to the nearest number")]
            Value::I64(n) => Some(n as f64),
            Value::F64(x) => (!x.is_nan()).then_some(x),
        }
    }

    /// From a value of the transform.
    #[must_use]
    pub fn from_constant(constant: &'a Constant) -> Value<'a> {
        match constant {
            Constant::Bool(b) => Value::Bool(*b),
            Constant::Number(x) => Value::F64(*x),
            Constant::Text(t) => Value::Str(t),
        }
    }

    /// From a JSON value, as a field of `datatype` would hold it.
    fn from_json(json: &'a serde_json::Value, datatype: Datatype) -> Option<Value<'a>> {
        use serde_json::Value as Json;
        match (json, datatype) {
            (Json::Null, _) => Some(Value::Null),
            (Json::Bool(b), Datatype::Bool) => Some(Value::Bool(*b)),
            (Json::String(s), Datatype::Bytes) => Some(Value::Str(s)),
            (Json::Number(n), Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64) => n.as_f64().map(Value::F64),
            (Json::Number(n), datatype) if is_integer(datatype) => n.as_i64().map(Value::I64),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("(missing)"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::I64(n) => write!(f, "{n}"),
            Value::F64(x) => write!(f, "{x}"),
            Value::Str(s) => write!(f, "`{}`", shortened(s)),
        }
    }
}

fn is_integer(datatype: Datatype) -> bool {
    use Datatype::{Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    matches!(datatype, Int8 | Int16 | Int32 | Int64 | Uint8 | Uint16 | Uint32 | Uint64)
}

/// At most 60 characters, so that a message stays a message.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    const SHOWN_CHARS_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text.into(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
    }
}

/// A record that does not fit the declared fields: its sender's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is not there.
    #[error("record has no field `{field}` ({datatype}), which the transform declares as required")]
    Required {
        /// The field.
        field: String,
        /// Its type.
        datatype: Datatype,
    },
    /// A field holds something else.
    #[error("record's field `{field}` must be {datatype} or null, got {got}")]
    Datatype {
        /// The field.
        field: String,
        /// Its type.
        datatype: Datatype,
        /// What was there.
        got: String,
    },
}

impl Compiled {
    /// The values of a JSON object in the order of the declared fields; other members are passed over.
    ///
    /// # Errors
    /// When a required field is missing or null, or a field has another type.
    pub fn record_from_json<'a>(&self, object: &'a serde_json::Map<String, serde_json::Value>) -> Result<Vec<Value<'a>>, RecordError> {
        self.fields().iter().map(|field| field_from_json(field, object)).collect()
    }
}

fn field_from_json<'a>(field: &Field, object: &'a serde_json::Map<String, serde_json::Value>) -> Result<Value<'a>, RecordError> {
    let json = object.get(&field.name).unwrap_or(&serde_json::Value::Null);
    let value = Value::from_json(json, field.datatype).ok_or_else(|| RecordError::Datatype {
        field: field.name.clone(),
        datatype: field.datatype,
        got: shortened(&json.to_string()).into_owned(),
    })?;
    if value.is_missing() && !field.optional {
        return Err(RecordError::Required { field: field.name.clone(), datatype: field.datatype });
    }
    Ok(value)
}
