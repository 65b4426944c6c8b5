//! Between our tensors and ONNX Runtime's.

use crate::{Tensor, TensorData};
use ort::session::SessionInputValue;
use ort::value::{DynValue, TensorElementType, TensorRef, ValueType};
use tidegate_core::model::{Datatype, TensorSpec};

/// What the model file says of an input or output; the error is a sentence on why it cannot be served.
pub(crate) fn spec(name: &str, kind: &ValueType) -> Result<TensorSpec, String> {
    match kind {
        ValueType::Tensor { ty, shape, .. } => {
            let datatype = datatype(*ty)
                .ok_or_else(|| format!("`{name}` has element type {ty:?}, which is not supported: export the model with FP32"))?;
            Ok(TensorSpec { name: name.to_owned(), datatype, shape: shape.to_vec() })
        }
        ValueType::Sequence(_) | ValueType::Map { .. } => Err(format!(
            "`{name}` is not a tensor but a sequence or map: export the model with tensors only (skl2onnx: options={{'zipmap': False}})"
        )),
        ValueType::Optional(_) => Err(format!("`{name}` is optional, which is not supported: export the model without it")),
    }
}

fn datatype(kind: TensorElementType) -> Option<Datatype> {
    Some(match kind {
        TensorElementType::Bool => Datatype::Bool,
        TensorElementType::Uint8 => Datatype::Uint8,
        TensorElementType::Uint16 => Datatype::Uint16,
        TensorElementType::Uint32 => Datatype::Uint32,
        TensorElementType::Uint64 => Datatype::Uint64,
        TensorElementType::Int8 => Datatype::Int8,
        TensorElementType::Int16 => Datatype::Int16,
        TensorElementType::Int32 => Datatype::Int32,
        TensorElementType::Int64 => Datatype::Int64,
        TensorElementType::Float16 => Datatype::Fp16,
        TensorElementType::Bfloat16 => Datatype::Bf16,
        TensorElementType::Float32 => Datatype::Fp32,
        TensorElementType::Float64 => Datatype::Fp64,
        TensorElementType::String => Datatype::Bytes,
        _ => return None,
    })
}

/// A view on a tensor for ONNX Runtime; texts are copied.
pub(crate) fn to_runtime(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape.as_slice();
    Ok(match &tensor.data {
        TensorData::Bool(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Uint8(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Uint16(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Uint32(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Uint64(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Int8(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Int16(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Int32(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Int64(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Fp16(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Bf16(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Fp32(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Fp64(v) => TensorRef::from_array_view((shape, v.as_slice()))?.into(),
        TensorData::Bytes(v) => ort::value::Tensor::from_string_array((shape, v.as_slice()))?.into(),
    })
}

/// Copies an output out of ONNX Runtime.
pub(crate) fn from_runtime(spec: &TensorSpec, value: &DynValue) -> ort::Result<Tensor> {
    // A macro because each branch extracts another type.
    macro_rules! copied {
        ($variant:ident) => {{
            let (shape, values) = value.try_extract_tensor()?;
            (shape.to_vec(), TensorData::$variant(values.to_vec()))
        }};
    }
    if let ValueType::Tensor { shape, .. } = value.dtype()
        && shape.contains(&0)
    {
        return Ok(Tensor::new(spec.name.clone(), shape.to_vec(), empty(spec.datatype)));
    }
    let (shape, data) = match spec.datatype {
        Datatype::Bool => copied!(Bool),
        Datatype::Uint8 => copied!(Uint8),
        Datatype::Uint16 => copied!(Uint16),
        Datatype::Uint32 => copied!(Uint32),
        Datatype::Uint64 => copied!(Uint64),
        Datatype::Int8 => copied!(Int8),
        Datatype::Int16 => copied!(Int16),
        Datatype::Int32 => copied!(Int32),
        Datatype::Int64 => copied!(Int64),
        Datatype::Fp16 => copied!(Fp16),
        Datatype::Bf16 => copied!(Bf16),
        Datatype::Fp32 => copied!(Fp32),
        Datatype::Fp64 => copied!(Fp64),
        Datatype::Bytes => {
            let (shape, values) = value.try_extract_strings()?;
            (shape.to_vec(), TensorData::Bytes(values))
        }
    };
    Ok(Tensor::new(spec.name.clone(), shape, data))
}

/// No values of a datatype.
pub(crate) fn empty(datatype: Datatype) -> TensorData {
    match datatype {
        Datatype::Bool => TensorData::Bool(Vec::new()),
        Datatype::Uint8 => TensorData::Uint8(Vec::new()),
        Datatype::Uint16 => TensorData::Uint16(Vec::new()),
        Datatype::Uint32 => TensorData::Uint32(Vec::new()),
        Datatype::Uint64 => TensorData::Uint64(Vec::new()),
        Datatype::Int8 => TensorData::Int8(Vec::new()),
        Datatype::Int16 => TensorData::Int16(Vec::new()),
        Datatype::Int32 => TensorData::Int32(Vec::new()),
        Datatype::Int64 => TensorData::Int64(Vec::new()),
        Datatype::Fp16 => TensorData::Fp16(Vec::new()),
        Datatype::Bf16 => TensorData::Bf16(Vec::new()),
        Datatype::Fp32 => TensorData::Fp32(Vec::new()),
        Datatype::Fp64 => TensorData::Fp64(Vec::new()),
        Datatype::Bytes => TensorData::Bytes(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ort::value::{Shape, SymbolicDimensions};

    #[test]
    fn an_element_type_that_is_not_served_is_named() {
        let of = |ty| spec("in", &ValueType::Tensor { ty, shape: Shape::new([-1]), dimension_symbols: SymbolicDimensions::empty(1) });
        assert_eq!(of(TensorElementType::Bfloat16).map(|spec| spec.datatype), Ok(Datatype::Bf16));
        expect_test::expect!["`in` has element type Float8E4M3FN, which is not supported: export the model with FP32"]
            .assert_eq(&of(TensorElementType::Float8E4M3FN).unwrap_err());
    }
}
