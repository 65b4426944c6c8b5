//! A request whose whole body is the one input's bytes: its shape follows from the model and from how many they are.

use crate::oip::{OipError, Wanted, binary};
use crate::tensor::elements;
use crate::{InferRequest, Tensor, TensorData};
use tidegate_core::model::TensorSpec;

/// The request; everything that answers it is wanted as bytes.
pub(super) fn request(bytes: &[u8], inputs: &[TensorSpec]) -> Result<(InferRequest, Wanted), OipError> {
    let [spec] = inputs else {
        return Err(OipError::new(format!("a raw binary request is for a model with one input, this one has {}", inputs.len())));
    };
    let wrong = |why: String| OipError::new(format!("raw binary request for input '{}': {why}", spec.name));
    let (shape, data) = match spec.datatype.value_bytes() {
        None => one_text(bytes, spec).map_err(wrong)?,
        Some(each) => {
            let shape = shape(spec, bytes.len(), each).map_err(wrong)?;
            let data = binary::read(bytes, spec.datatype, &shape).map_err(wrong)?;
            (shape, data)
        }
    };
    let inputs = vec![Tensor::new(spec.name.clone(), shape, data)];
    Ok((InferRequest { inputs, ..InferRequest::default() }, Wanted::binary(true)))
}

/// The whole body is one text, without a length before it.
fn one_text(bytes: &[u8], spec: &TensorSpec) -> Result<(Vec<i64>, TensorData), String> {
    if spec.shape.iter().any(|dimension| *dimension > 1 || *dimension == 0) {
        return Err(format!("the model takes BYTES of shape {:?}, a raw request is one text", spec.shape));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8, and models take only such".to_owned())?;
    Ok((vec![1; spec.shape.len()], TensorData::Bytes(vec![text.to_owned()])))
}

/// The shape that so many bytes have. One dimension may be of any length; where a second one is, the first is a batch of 1.
fn shape(spec: &TensorSpec, bytes: usize, each: usize) -> Result<Vec<i64>, String> {
    let mut shape = spec.shape.clone();
    let open = |shape: &[i64]| shape.iter().filter(|dimension| **dimension < 0).count();
    if open(&shape) > 1
        && let Some(first) = shape.first_mut().filter(|dimension| **dimension < 0)
    {
        *first = 1;
    }
    let many = || format!("the model takes shape {:?}, and bytes alone tell one dimension of any length", spec.shape);
    if open(&shape) > 1 {
        return Err(many());
    }
    let fixed: Vec<i64> = shape.iter().copied().filter(|dimension| *dimension >= 0).collect();
    if let Some(free) = shape.iter_mut().find(|dimension| **dimension < 0) {
        let row = elements(&fixed).and_then(|values| values.checked_mul(each)).filter(|row| *row > 0).ok_or_else(many)?;
        let rows = i64::try_from(bytes / row).ok().filter(|_| bytes.is_multiple_of(row));
        *free = rows.ok_or_else(|| format!("the model takes shape {:?} of {}, {bytes} bytes are none", spec.shape, spec.datatype))?;
    }
    Ok(shape)
}
