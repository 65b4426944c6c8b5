//! Tensors as the Open Inference Protocol has them: a name, a shape, values row after row.

use crate::InputFault;
use half::{bf16, f16};
use tidegate_core::model::Datatype;

/// Dimensions that a tensor may have.
pub const RANK_MAX: usize = 8;
/// Values that one tensor may hold.
pub const ELEMENTS_MAX: usize = 1 << 26;

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<i64>,
    /// Values, row after row.
    pub data: TensorData,
    /// Which values are missing; empty when none is. Only raw records may lack values.
    pub missing: Vec<bool>,
}

/// Values of one type.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the datatype of its name")]
pub enum TensorData {
    Bool(Vec<bool>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fp16(Vec<f16>),
    Bf16(Vec<bf16>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bytes(Vec<String>),
}

/// Runs `$body` with `$values` bound to the vector of any type.
macro_rules! each_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::TensorData::Bool($values) => $body,
            $crate::TensorData::Uint8($values) => $body,
            $crate::TensorData::Uint16($values) => $body,
            $crate::TensorData::Uint32($values) => $body,
            $crate::TensorData::Uint64($values) => $body,
            $crate::TensorData::Int8($values) => $body,
            $crate::TensorData::Int16($values) => $body,
            $crate::TensorData::Int32($values) => $body,
            $crate::TensorData::Int64($values) => $body,
            $crate::TensorData::Fp16($values) => $body,
            $crate::TensorData::Bf16($values) => $body,
            $crate::TensorData::Fp32($values) => $body,
            $crate::TensorData::Fp64($values) => $body,
            $crate::TensorData::Bytes($values) => $body,
        }
    };
}

mod rows;

/// Values of each type as [`TensorData`], and values of one put behind those of another.
macro_rules! of_values {
    ($($kind:ident: $value:ty),*) => {
        $(impl From<Vec<$value>> for TensorData {
            fn from(values: Vec<$value>) -> TensorData {
                TensorData::$kind(values)
            }
        })*

        impl TensorData {
            /// So many zeros, or empty texts.
            #[must_use]
            pub fn zeros(datatype: Datatype, count: usize) -> TensorData {
                match datatype {
                    $(Datatype::$kind => TensorData::$kind(vec![<$value>::default(); count]),)*
                }
            }

            /// Puts values behind its own; of another type nothing.
            fn append(&mut self, other: &TensorData) {
                match (self, other) {
                    $((TensorData::$kind(values), TensorData::$kind(more)) => values.extend_from_slice(more),)*
                    _ => {}
                }
            }
        }
    };
}

of_values!(Bool: bool, Uint8: u8, Uint16: u16, Uint32: u32, Uint64: u64, Int8: i8, Int16: i16, Int32: i32, Int64: i64, Fp16: f16, Bf16: bf16, Fp32: f32, Fp64: f64, Bytes: String);

impl TensorData {
    /// The datatype.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        match self {
            TensorData::Bool(_) => Datatype::Bool,
            TensorData::Uint8(_) => Datatype::Uint8,
            TensorData::Uint16(_) => Datatype::Uint16,
            TensorData::Uint32(_) => Datatype::Uint32,
            TensorData::Uint64(_) => Datatype::Uint64,
            TensorData::Int8(_) => Datatype::Int8,
            TensorData::Int16(_) => Datatype::Int16,
            TensorData::Int32(_) => Datatype::Int32,
            TensorData::Int64(_) => Datatype::Int64,
            TensorData::Fp16(_) => Datatype::Fp16,
            TensorData::Bf16(_) => Datatype::Bf16,
            TensorData::Fp32(_) => Datatype::Fp32,
            TensorData::Fp64(_) => Datatype::Fp64,
            TensorData::Bytes(_) => Datatype::Bytes,
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One value as a number; none for text and beyond the end.
    #[must_use]
    pub fn number(&self, index: usize) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "64-bit integers round to the nearest number")]
        match self {
            TensorData::Bool(v) => v.get(index).map(|b| f64::from(u8::from(*b))),
            TensorData::Uint8(v) => v.get(index).copied().map(f64::from),
            TensorData::Uint16(v) => v.get(index).copied().map(f64::from),
            TensorData::Uint32(v) => v.get(index).copied().map(f64::from),
            TensorData::Uint64(v) => v.get(index).map(|n| *n as f64),
            TensorData::Int8(v) => v.get(index).copied().map(f64::from),
            TensorData::Int16(v) => v.get(index).copied().map(f64::from),
            TensorData::Int32(v) => v.get(index).copied().map(f64::from),
            TensorData::Int64(v) => v.get(index).map(|n| *n as f64),
            TensorData::Fp16(v) => v.get(index).copied().map(f64::from),
            TensorData::Bf16(v) => v.get(index).copied().map(f64::from),
            TensorData::Fp32(v) => v.get(index).copied().map(f64::from),
            TensorData::Fp64(v) => v.get(index).copied(),
            TensorData::Bytes(_) => None,
        }
    }
}

impl Tensor {
    /// A tensor in which nothing is missing.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: Vec<i64>, data: TensorData) -> Tensor {
        Tensor { name: name.into(), shape, data, missing: Vec::new() }
    }

    /// The datatype.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        self.data.datatype()
    }

    /// Whether the value at an index is missing.
    #[must_use]
    pub fn is_missing(&self, index: usize) -> bool {
        self.missing.get(index).copied().unwrap_or(false)
    }

    /// Checks that the shape gives as many values as there are.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), InputFault> {
        let elements = elements(&self.shape);
        if elements == Some(self.data.len()) {
            return Ok(());
        }
        let expected = elements.map_or_else(|| format!("not 0 to {ELEMENTS_MAX}"), |n| n.to_string());
        Err(InputFault::Count { name: self.name.clone(), shape: self.shape.clone(), expected, got: self.data.len() })
    }
}

/// Values of a shape; none when a dimension is negative or the product is beyond [`ELEMENTS_MAX`].
pub(crate) fn elements(shape: &[i64]) -> Option<usize> {
    if shape.len() > RANK_MAX {
        return None;
    }
    let product = shape.iter().try_fold(1usize, |product, dimension| product.checked_mul(usize::try_from(*dimension).ok()?))?;
    (product <= ELEMENTS_MAX).then_some(product)
}
