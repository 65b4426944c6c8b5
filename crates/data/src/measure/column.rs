//! One column of a batch in a common form: fewer types, and NaN counted as null.

use crate::classes::Class;
use crate::text;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringViewArray};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::scalar::ScalarValue;
use std::borrow::Cow;
use tidegate_core::contract::Value;

/// Bytes of a text that lies within its view (Arrow columnar format, variable-size binary view layout).
pub(crate) const SHORT_BYTES: u32 = 12;

/// Values in one of few types.
pub(crate) enum Values {
    Int(PrimitiveArray<Int64Type>),
    Float(PrimitiveArray<Float64Type>),
    /// As views: a text of 12 bytes or less is one number, whatever its batch.
    Text(StringViewArray),
    Bool(BooleanArray),
    /// Microseconds since 1970, and whether they are dates.
    Instant(PrimitiveArray<TimestampMicrosecondType>, bool),
    /// Only presence is known.
    Other,
}

/// A column with its nulls, NaN among them.
pub(crate) struct Canonical {
    pub values: Values,
    pub nulls: Option<NullBuffer>,
    pub len: usize,
    /// Floats of 32 bits or less: they are written with fewer digits.
    pub narrow: bool,
}

impl Canonical {
    pub fn new(array: &ArrayRef) -> Result<Canonical, ArrowError> {
        let to = |kind: DataType| -> Result<ArrayRef, ArrowError> {
            if *array.data_type() == kind {
                return Ok(array.clone());
            }
            cast_with_options(array, &kind, &CastOptions { safe: false, ..CastOptions::default() })
        };
        let values = match Class::reading(array.data_type()) {
            Class::Int => Values::Int(to(DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            Class::Float => Values::Float(to(DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            Class::Text => Values::Text(to(DataType::Utf8View)?.as_string_view().clone()),
            Class::Bool => Values::Bool(to(DataType::Boolean)?.as_boolean().clone()),
            Class::Instant => {
                let zone = match array.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                let date = matches!(array.data_type(), DataType::Date32 | DataType::Date64);
                let micros = to(DataType::Timestamp(TimeUnit::Microsecond, zone))?;
                Values::Instant(micros.as_primitive::<TimestampMicrosecondType>().clone(), date)
            }
            Class::Null | Class::Other => Values::Other,
        };
        let nulls = match &values {
            Values::Float(floats) => floats_without_nan(floats),
            Values::Int(a) => a.logical_nulls(),
            Values::Text(a) => a.logical_nulls(),
            Values::Bool(a) => a.logical_nulls(),
            Values::Instant(a, _) => a.logical_nulls(),
            Values::Other => array.logical_nulls(),
        };
        let nulls = nulls.filter(|n| n.null_count() > 0);
        let narrow = matches!(array.data_type(), DataType::Float16 | DataType::Float32);
        Ok(Canonical { values, nulls, len: array.len(), narrow })
    }

    pub fn missing(&self) -> usize {
        self.nulls.as_ref().map_or(0, NullBuffer::null_count)
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| row < n.len() && n.is_null(row))
    }

    /// The value of a row that is not null as Python's `str` writes it; none where it has no text.
    pub fn python_text(&self, row: usize) -> Option<Cow<'_, str>> {
        Some(match &self.values {
            Values::Text(a) => a.value(row).into(),
            Values::Int(a) => a.value(row).to_string().into(),
            #[expect(clippy::cast_possible_truncation, reason = "it was made from a narrow float")]
            Values::Float(a) if self.narrow => text::python_float32(a.value(row) as f32).into(),
            Values::Float(a) => text::python_float(a.value(row)).into(),
            Values::Bool(a) => if a.value(row) { "True" } else { "False" }.into(),
            Values::Instant(a, date) => text::pandas_instant(a.value(row), *date).into(),
            Values::Other => return None,
        })
    }

    /// The value of a row, for samples.
    pub fn show(&self, row: usize) -> Value {
        if self.is_null(row) || row >= self.len {
            return Value::Null;
        }
        match &self.values {
            Values::Int(a) => Value::Int(a.value(row)),
            Values::Float(a) => Value::from(a.value(row)),
            Values::Text(a) => Value::Text(a.value(row).to_owned()),
            Values::Bool(a) => Value::Bool(a.value(row)),
            Values::Instant(a, date) => Value::Text(text::instant(a.value(row), *date)),
            Values::Other => Value::Text("(a value)".to_owned()),
        }
    }
}

fn floats_without_nan(floats: &PrimitiveArray<Float64Type>) -> Option<NullBuffer> {
    // One look at the sum of flags first: columns without NaN are common, and need no new buffer.
    if !floats.values().iter().fold(false, |any, v| any | v.is_nan()) {
        return floats.logical_nulls();
    }
    let numbers = BooleanBuffer::collect_bool(floats.len(), |i| floats.values().get(i).is_some_and(|v| !v.is_nan()));
    NullBuffer::union(floats.logical_nulls().as_ref(), Some(&NullBuffer::new(numbers)))
}

/// The values of a row of several columns, for samples of groups.
pub(crate) fn values_at(columns: &[ArrayRef], row: usize) -> Value {
    let one = |array: &ArrayRef| -> Value {
        match Canonical::new(array) {
            Ok(Canonical { values: Values::Other, .. }) => match ScalarValue::try_from_array(array, row) {
                Ok(scalar) if !scalar.is_null() => Value::Text(scalar.to_string()),
                _ => Value::Null,
            },
            Ok(canonical) => canonical.show(row),
            Err(_) => Value::Null,
        }
    };
    match columns {
        [only] => one(only),
        many => Value::Row(many.iter().map(one).collect()),
    }
}
