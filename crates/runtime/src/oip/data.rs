//! Reads the `data` of one tensor into a vector of its datatype: flat or nested as its shape says.

use crate::tensor::elements;
use crate::{ELEMENTS_MAX, RANK_MAX, TensorData};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use tidegate_core::model::Datatype;

/// Values that a shape says; the error is a sentence.
pub(super) fn wanted(shape: &[i64]) -> Result<usize, String> {
    if shape.len() > RANK_MAX {
        return Err(format!("shape has {} dimensions, at most {RANK_MAX} are read", shape.len()));
    }
    elements(shape).ok_or_else(|| format!("shape {shape:?} is not 0 to {ELEMENTS_MAX} values"))
}

/// The values and which of them are missing; the error is a sentence.
pub(super) fn read(json: &str, datatype: Datatype, shape: &[i64]) -> Result<(TensorData, Vec<bool>), String> {
    let wanted = wanted(shape)?;
    let (data, missing) = match datatype {
        Datatype::Bool => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Bool(v), m)),
        Datatype::Uint8 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Uint8(v), m)),
        Datatype::Uint16 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Uint16(v), m)),
        Datatype::Uint32 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Uint32(v), m)),
        Datatype::Uint64 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Uint64(v), m)),
        Datatype::Int8 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Int8(v), m)),
        Datatype::Int16 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Int16(v), m)),
        Datatype::Int32 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Int32(v), m)),
        Datatype::Int64 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Int64(v), m)),
        Datatype::Fp32 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Fp32(v), m)),
        Datatype::Fp64 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Fp64(v), m)),
        Datatype::Bytes => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Bytes(v), m)),
        Datatype::Fp16 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Fp16(v), m)),
        Datatype::Bf16 => values(json, shape, wanted, datatype).map(|(v, m)| (TensorData::Bf16(v), m)),
    }?;
    if data.len() == wanted { Ok((data, missing)) } else { Err(format!("shape {shape:?} is {wanted} values, got {}", data.len())) }
}

fn values<T: Element>(json: &str, shape: &[i64], wanted: usize, datatype: Datatype) -> Result<(Vec<T>, Vec<bool>), String> {
    // A value takes two characters at least, so a short text cannot make room for many.
    let room = wanted.min(json.len() / 2 + 1);
    let mut found = Found { values: Vec::with_capacity(room), missing: Vec::new(), wanted, shape, datatype, leaf_depth: None };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Nested { found: &mut found, depth: 0 }.deserialize(&mut deserializer).map_err(|error| sentence(&error))?;
    Ok((found.values, found.missing))
}

/// The error without its place, which would count from the start of `data` and not of the body.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or_else(|| text.clone(), |(before, _)| before.to_owned())
}

/// What has been read.
struct Found<'s, T> {
    values: Vec<T>,
    missing: Vec<bool>,
    wanted: usize,
    shape: &'s [i64],
    datatype: Datatype,
    /// How deep values stand: once for all.
    leaf_depth: Option<usize>,
}

impl<T: Element> Found<'_, T> {
    fn push<E: Error>(&mut self, value: Option<T>, shown: impl fmt::Display, depth: usize) -> Result<(), E> {
        let index = self.values.len();
        if *self.leaf_depth.get_or_insert(depth) != depth {
            return Err(E::custom(format!("data mixes values and lists at index {index}")));
        }
        if index >= self.wanted {
            return Err(E::custom(format!("shape {:?} is {} values, got more", self.shape, self.wanted)));
        }
        let value = value.ok_or_else(|| E::custom(format!("{shown} at index {index} is not {}", self.datatype)))?;
        self.values.push(value);
        if !self.missing.is_empty() {
            self.missing.push(false);
        }
        Ok(())
    }

    fn push_missing<E: Error>(&mut self, depth: usize) -> Result<(), E> {
        let before = self.values.len();
        self.push(Some(T::default()), "null", depth)?;
        self.missing.resize(before, false);
        self.missing.push(true);
        Ok(())
    }
}

/// One level of `data`.
struct Nested<'f, 's, T> {
    found: &'f mut Found<'s, T>,
    depth: usize,
}

impl<'de, T: Element> DeserializeSeed<'de> for Nested<'_, '_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for Nested<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values, flat or nested as the shape", self.found.datatype)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Nested { found, depth } = self;
        if depth >= found.shape.len().max(1) {
            return Err(A::Error::custom(format!("data nests deeper than shape {:?}", found.shape)));
        }
        let mut length = 0i64;
        while list.next_element_seed(Nested { found: &mut *found, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        // Flat data may have any shape; nested data must have each length of it.
        let nested = found.leaf_depth.is_some_and(|leaf| leaf > 1);
        let flat = found.shape.len() > 1 && !nested;
        if nested && found.leaf_depth != Some(found.shape.len()) {
            return Err(A::Error::custom(format!("data nests less deep than shape {:?}", found.shape)));
        }
        match found.shape.get(depth) {
            Some(wanted) if !flat && *wanted != length && found.shape.len() > 1 => {
                Err(A::Error::custom(format!("data has a list of {length} at depth {depth}, shape {:?} says {wanted}", found.shape)))
            }
            _ => Ok(()),
        }
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<(), E> {
        self.found.push(T::from_bool(v), v, self.depth)
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<(), E> {
        self.found.push(T::from_u64(v), v, self.depth)
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<(), E> {
        self.found.push(T::from_i64(v), v, self.depth)
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<(), E> {
        self.found.push(T::from_f64(v), v, self.depth)
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<(), E> {
        self.found.push(T::from_str(v), "a text", self.depth)
    }

    fn visit_string<E: Error>(self, v: String) -> Result<(), E> {
        self.found.push(T::from_string(v), "a text", self.depth)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.found.push_missing(self.depth)
    }
}

/// A value of some datatype, from what JSON can hold.
trait Element: Default {
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
    fn from_u64(_: u64) -> Option<Self> {
        None
    }
    fn from_i64(_: i64) -> Option<Self> {
        None
    }
    fn from_f64(_: f64) -> Option<Self> {
        None
    }
    fn from_str(_: &str) -> Option<Self> {
        None
    }
    fn from_string(text: String) -> Option<Self> {
        Self::from_str(&text)
    }
}

impl Element for bool {
    fn from_bool(b: bool) -> Option<bool> {
        Some(b)
    }
}

macro_rules! integer {
    ($($kind:ty),*) => {$(
        impl Element for $kind {
            fn from_u64(n: u64) -> Option<$kind> {
                <$kind>::try_from(n).ok()
            }
            fn from_i64(n: i64) -> Option<$kind> {
                <$kind>::try_from(n).ok()
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, i8, i16, i32, i64);

#[expect(clippy::cast_precision_loss, reason = "an integer sent as a float is the nearest float")]
impl Element for f64 {
    fn from_u64(n: u64) -> Option<f64> {
        Some(n as f64)
    }
    fn from_i64(n: i64) -> Option<f64> {
        Some(n as f64)
    }
    fn from_f64(x: f64) -> Option<f64> {
        Some(x)
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a number sent as FP32 is the nearest one")]
impl Element for f32 {
    fn from_u64(n: u64) -> Option<f32> {
        Some(n as f32)
    }
    fn from_i64(n: i64) -> Option<f32> {
        Some(n as f32)
    }
    fn from_f64(x: f64) -> Option<f32> {
        Some(x as f32).filter(|narrow| narrow.is_finite())
    }
}

/// Only our own files hold such values as numbers; requests send them as bytes.
macro_rules! halved {
    ($($kind:ty),*) => {$(
        #[expect(clippy::cast_precision_loss, reason = "an integer sent as a float is the nearest float")]
        impl Element for $kind {
            fn from_u64(n: u64) -> Option<$kind> {
                <Self as Element>::from_f64(n as f64)
            }
            fn from_i64(n: i64) -> Option<$kind> {
                <Self as Element>::from_f64(n as f64)
            }
            fn from_f64(x: f64) -> Option<$kind> {
                Some(<$kind>::from_f64(x)).filter(|narrow| narrow.is_finite())
            }
        }
    )*};
}
halved!(half::f16, half::bf16);

impl Element for String {
    fn from_str(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
    fn from_string(text: String) -> Option<String> {
        Some(text)
    }
}
