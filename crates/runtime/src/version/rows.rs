//! The tensors of a request as records of the declared fields.

use crate::{InputFault, Tensor, TensorData};
use tidegate_core::transform::{Field, Value};

/// Records in one request.
pub const ROWS_MAX: usize = 1 << 20;

/// A request's tensors by field.
pub(super) struct Rows<'r> {
    /// One for each field; none where the request lacks it.
    columns: Vec<Option<&'r Tensor>>,
    /// How many records.
    pub(super) rows: usize,
}

impl<'r> Rows<'r> {
    /// Finds each field's tensor. Tensors that no field is named after are passed over, because a service's
    /// record may carry fields that another version needs; but when a required field is missing they are named.
    pub(super) fn new(fields: &[Field], tensors: &'r [Tensor]) -> Result<Rows<'r>, InputFault> {
        let mut rows = None;
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            // Requests usually carry the fields in their order, so the search begins where the field would stand.
            let at_place = tensors.get(columns.len()).filter(|tensor| tensor.name == field.name);
            let Some(tensor) = at_place.or_else(|| tensors.iter().find(|tensor| tensor.name == field.name)) else {
                if field.optional {
                    columns.push(None);
                    continue;
                }
                let got = tensors.iter().map(|tensor| tensor.name.clone()).collect();
                return Err(InputFault::Missing { name: field.name.clone(), datatype: field.datatype, got });
            };
            check(field, tensor, &mut rows)?;
            columns.push(Some(tensor));
        }
        match rows {
            Some(rows) => Ok(Rows { columns, rows }),
            None => {
                // Every field is optional and none is there: without one, nothing says how many records there are.
                let got = tensors.iter().map(|tensor| tensor.name.clone()).collect();
                let (name, datatype) = fields
                    .first()
                    .map(|field| (field.name.clone(), field.datatype))
                    .unwrap_or_else(|| (String::new(), tidegate_core::model::Datatype::Fp64));
                Err(InputFault::Missing { name, datatype, got })
            }
        }
    }

    /// The values of one record, in the order of the fields.
    pub(super) fn record(&self, row: usize, values: &mut Vec<Value<'r>>) {
        values.clear();
        values.extend(self.columns.iter().map(|column| column.map_or(Value::Null, |tensor| value(tensor, row))));
    }
}

fn check(field: &Field, tensor: &Tensor, rows: &mut Option<usize>) -> Result<(), InputFault> {
    let name = || field.name.clone();
    if tensor.datatype() != field.datatype {
        return Err(InputFault::Datatype { name: name(), expected: field.datatype, got: tensor.datatype() });
    }
    let got = match *tensor.shape.as_slice() {
        [rows] | [rows, 1] => usize::try_from(rows).ok().filter(|rows| (1..=ROWS_MAX).contains(rows)),
        _ => None,
    };
    let Some(got) = got else {
        return Err(InputFault::Shape { name: name(), expected: vec![-1], got: tensor.shape.clone() });
    };
    tensor.check()?;
    let expected = *rows.get_or_insert(got);
    if expected != got {
        return Err(InputFault::Rows { name: name(), expected, got });
    }
    match tensor.missing.iter().position(|missing| *missing) {
        Some(index) if !field.optional => Err(InputFault::Null { name: name(), index }),
        _ => numbers(field, tensor),
    }
}

/// What JSON cannot say and bytes can: a not-a-number in a record is a missing value, an infinity is none.
fn numbers(field: &Field, tensor: &Tensor) -> Result<(), InputFault> {
    let odd = match &tensor.data {
        TensorData::Fp32(v) => v.iter().position(|x| x.is_infinite() || x.is_nan() && !field.optional),
        TensorData::Fp64(v) => v.iter().position(|x| x.is_infinite() || x.is_nan() && !field.optional),
        _ => None,
    };
    let Some(index) = odd else { return Ok(()) };
    let name = field.name.clone();
    Err(match tensor.data.number(index) {
        Some(x) if x.is_infinite() => InputFault::Value { name, expected: field.datatype, got: x.to_string(), index },
        _ => InputFault::Null { name, index },
    })
}

fn value(tensor: &Tensor, row: usize) -> Value<'_> {
    if tensor.is_missing(row) {
        return Value::Null;
    }
    let found = match &tensor.data {
        TensorData::Bool(v) => v.get(row).map(|b| Value::Bool(*b)),
        TensorData::Uint8(v) => v.get(row).map(|n| Value::I64(i64::from(*n))),
        TensorData::Uint16(v) => v.get(row).map(|n| Value::I64(i64::from(*n))),
        TensorData::Uint32(v) => v.get(row).map(|n| Value::I64(i64::from(*n))),
        #[expect(clippy::cast_precision_loss, reason = "beyond 63 bits a quantity is the nearest number")]
        TensorData::Uint64(v) => v.get(row).map(|n| i64::try_from(*n).map_or(Value::F64(*n as f64), Value::I64)),
        TensorData::Int8(v) => v.get(row).map(|n| Value::I64(i64::from(*n))),
        TensorData::Int16(v) => v.get(row).map(|n| Value::I64(i64::from(*n))),
        TensorData::Int32(v) => v.get(row).map(|n| Value::I64(i64::from(*n))),
        TensorData::Int64(v) => v.get(row).map(|n| Value::I64(*n)),
        TensorData::Fp16(v) => v.get(row).map(|x| Value::F64(f64::from(*x))),
        TensorData::Bf16(v) => v.get(row).map(|x| Value::F64(f64::from(*x))),
        TensorData::Fp32(v) => v.get(row).map(|x| Value::F64(f64::from(*x))),
        TensorData::Fp64(v) => v.get(row).map(|x| Value::F64(*x)),
        TensorData::Bytes(v) => v.get(row).map(|text| Value::Str(text)),
    };
    found.unwrap_or(Value::Null)
}
