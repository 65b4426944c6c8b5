//! Raw records as tensors: one tensor a field, one value a record, `null` where a record lacks it.

use crate::{InferRequest, InputFault, Tensor, TensorData, convert};
use serde_json::{Map, Value as Json};
use tidegate_core::model::TensorSpec;
use tidegate_core::transform::Field;

/// The fields as the protocol's metadata shows them: one dimension of any length.
#[must_use]
pub fn record_specs(fields: &[Field]) -> Vec<TensorSpec> {
    fields.iter().map(|field| TensorSpec { name: field.name.clone(), datatype: field.datatype, shape: vec![-1] }).collect()
}

/// A request that carries these records. A field that every record lacks is left out.
///
/// # Errors
/// When a record's field has another type than declared.
pub fn request_from_records(fields: &[Field], records: &[Map<String, Json>]) -> Result<InferRequest, InputFault> {
    let mut inputs = Vec::with_capacity(fields.len());
    for field in fields {
        let mut column = Column { data: convert::empty(field.datatype), missing: Vec::with_capacity(records.len()) };
        for (index, record) in records.iter().enumerate() {
            let value = record.get(&field.name).unwrap_or(&Json::Null);
            if !column.push(value) {
                return Err(mismatch(field, value, index));
            }
        }
        let absent = column.missing.iter().all(|missing| *missing);
        if !absent {
            let missing = if column.missing.contains(&true) { column.missing } else { Vec::new() };
            let shape = vec![i64::try_from(records.len()).unwrap_or(i64::MAX)];
            inputs.push(Tensor { name: field.name.clone(), shape, data: column.data, missing });
        }
    }
    Ok(InferRequest { inputs, ..InferRequest::default() })
}

fn mismatch(field: &Field, value: &Json, index: usize) -> InputFault {
    const SHOWN_CHARS_MAX: usize = 60;
    let shown: String = value.to_string().chars().take(SHOWN_CHARS_MAX).collect();
    InputFault::Value { name: field.name.clone(), expected: field.datatype, got: shown, index }
}

struct Column {
    data: TensorData,
    missing: Vec<bool>,
}

impl Column {
    /// Appends a value; false when it does not fit.
    fn push(&mut self, value: &Json) -> bool {
        fn integer<T: TryFrom<i64> + Default>(values: &mut Vec<T>, value: &Json) -> bool {
            let fits = if value.is_null() { Some(T::default()) } else { value.as_i64().and_then(|n| T::try_from(n).ok()) };
            fits.map(|n| values.push(n)).is_some()
        }
        self.missing.push(value.is_null());
        let null = value.is_null();
        match &mut self.data {
            TensorData::Bool(v) => value.as_bool().or(null.then_some(false)).map(|b| v.push(b)).is_some(),
            TensorData::Uint8(v) => integer(v, value),
            TensorData::Uint16(v) => integer(v, value),
            TensorData::Uint32(v) => integer(v, value),
            TensorData::Uint64(v) => value.as_u64().or(null.then_some(0)).map(|n| v.push(n)).is_some(),
            TensorData::Int8(v) => integer(v, value),
            TensorData::Int16(v) => integer(v, value),
            TensorData::Int32(v) => integer(v, value),
            TensorData::Int64(v) => integer(v, value),
            TensorData::Fp16(v) => value.as_f64().or(null.then_some(0.0)).map(|x| v.push(half::f16::from_f64(x))).is_some(),
            TensorData::Bf16(v) => value.as_f64().or(null.then_some(0.0)).map(|x| v.push(half::bf16::from_f64(x))).is_some(),
            #[expect(clippy::cast_possible_truncation, reason = "a number in an FP32 field is the nearest one")]
            TensorData::Fp32(v) => value.as_f64().or(null.then_some(0.0)).map(|x| v.push(x as f32)).is_some(),
            TensorData::Fp64(v) => value.as_f64().or(null.then_some(0.0)).map(|x| v.push(x)).is_some(),
            TensorData::Bytes(v) => value.as_str().or(null.then_some("")).map(|text| v.push(text.to_owned())).is_some(),
        }
    }
}
