//! Tensors as bytes, by the protocol's extension for binary data: little-endian, row after row, no padding; a truth
//! value is one byte, a text is its length in four bytes and then its bytes.

use crate::oip::data::wanted;
use crate::{TensorData, convert};
use half::{bf16, f16};
use tidegate_core::model::Datatype;

/// Bytes of the length before each text.
const LENGTH_BYTES: usize = 4;

/// Appends the values.
pub(super) fn write(out: &mut Vec<u8>, data: &TensorData) {
    // A macro because each branch writes another type.
    macro_rules! all {
        ($values:expr) => {
            out.extend($values.iter().flat_map(|value| value.to_le_bytes()))
        };
    }
    match data {
        TensorData::Bool(v) => out.extend(v.iter().map(|b| u8::from(*b))),
        TensorData::Uint8(v) => out.extend_from_slice(v),
        TensorData::Int8(v) => all!(v),
        TensorData::Uint16(v) => all!(v),
        TensorData::Uint32(v) => all!(v),
        TensorData::Uint64(v) => all!(v),
        TensorData::Int16(v) => all!(v),
        TensorData::Int32(v) => all!(v),
        TensorData::Int64(v) => all!(v),
        TensorData::Fp16(v) => all!(v),
        TensorData::Bf16(v) => all!(v),
        TensorData::Fp32(v) => all!(v),
        TensorData::Fp64(v) => all!(v),
        TensorData::Bytes(v) => {
            for text in v {
                // A text of 4 GiB is beyond every limit of a body; were there one, it would be cut.
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(text.as_bytes().get(..length as usize).unwrap_or_default());
            }
        }
    }
}

/// How many bytes the values take.
pub(super) fn size(data: &TensorData) -> usize {
    match (data, data.datatype().value_bytes()) {
        (TensorData::Bytes(v), _) => v.iter().map(|text| LENGTH_BYTES + text.len()).sum(),
        (_, each) => data.len() * each.unwrap_or(0),
    }
}

/// Reads the values of a shape, which must be all there is; the error is a sentence.
pub(super) fn read(bytes: &[u8], datatype: Datatype, shape: &[i64]) -> Result<TensorData, String> {
    let wanted = wanted(shape)?;
    let Some(each) = datatype.value_bytes() else { return texts(bytes, wanted, shape).map(TensorData::Bytes) };
    if wanted.checked_mul(each) != Some(bytes.len()) {
        return Err(format!("shape {shape:?} of {datatype} is {wanted} values of {each} bytes, got {} bytes", bytes.len()));
    }
    Ok(numbers(bytes, datatype))
}

fn numbers(bytes: &[u8], datatype: Datatype) -> TensorData {
    // The length is a multiple of the value's: `read` has checked it.
    macro_rules! all {
        ($variant:ident, $kind:ty) => {
            TensorData::$variant(bytes.as_chunks().0.iter().map(|chunk| <$kind>::from_le_bytes(*chunk)).collect())
        };
    }
    match datatype {
        Datatype::Bool => TensorData::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        Datatype::Uint8 => TensorData::Uint8(bytes.to_vec()),
        Datatype::Uint16 => all!(Uint16, u16),
        Datatype::Uint32 => all!(Uint32, u32),
        Datatype::Uint64 => all!(Uint64, u64),
        Datatype::Int8 => all!(Int8, i8),
        Datatype::Int16 => all!(Int16, i16),
        Datatype::Int32 => all!(Int32, i32),
        Datatype::Int64 => all!(Int64, i64),
        Datatype::Fp16 => all!(Fp16, f16),
        Datatype::Bf16 => all!(Bf16, bf16),
        Datatype::Fp32 => all!(Fp32, f32),
        Datatype::Fp64 => all!(Fp64, f64),
        // Texts differ in length and are read apart.
        Datatype::Bytes => convert::empty(datatype),
    }
}

fn texts(mut bytes: &[u8], wanted: usize, shape: &[i64]) -> Result<Vec<String>, String> {
    // Each text takes four bytes at least, so a short body cannot make room for many.
    let mut texts = Vec::with_capacity(wanted.min(bytes.len() / LENGTH_BYTES));
    while let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() {
        let index = texts.len();
        let length = u32::from_le_bytes(*length) as usize;
        let Some((text, rest)) = rest.split_at_checked(length) else {
            return Err(format!("the text at index {index} has {length} bytes, {} are left", rest.len()));
        };
        if index >= wanted {
            return Err(format!("shape {shape:?} is {wanted} values, got more"));
        }
        let text = std::str::from_utf8(text).map_err(|_| format!("the text at index {index} is not UTF-8, and models take only such"))?;
        texts.push(text.to_owned());
        bytes = rest;
    }
    match texts.len() {
        _ if !bytes.is_empty() => Err(format!("{} bytes are left behind the last text, which are no length", bytes.len())),
        got if got != wanted => Err(format!("shape {shape:?} is {wanted} values, got {got}")),
        _ => Ok(texts),
    }
}
