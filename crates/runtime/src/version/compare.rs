//! How far the answers of two versions lie apart, on the same requests.

use super::{InferRequest, SCORE, Version};
use crate::{InferError, Tensor, TensorData};
use serde::Serialize;

/// The score from which a row is taken for what the model looks for.
const DECIDES_AT: f64 = 0.5;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Rows that both answered.
    pub rows: usize,
    /// Numbers with a fraction that were compared.
    pub numbers: usize,
    /// The largest difference of two of them; infinite where only one is finite.
    pub largest: f64,
    /// Their mean difference.
    pub mean: f64,
    /// Rows whose decision is another one: a label or a text, the largest of several numbers, or the side of 0.5 that the score is on.
    pub changed: usize,
}

impl Version {
    /// Compares the answers of another version with this one's.
    ///
    /// # Errors
    /// When either cannot answer, or they answer in other shapes.
    pub fn compare(&self, other: &Version, requests: &[InferRequest]) -> Result<Comparison, InferError> {
        let mut found = Comparison::default();
        let mut sum = 0.0;
        for request in requests {
            let (own, theirs) = (self.infer(request)?.outputs, other.infer(request)?.outputs);
            let rows = own.iter().filter_map(Tensor::rows).max().unwrap_or(1);
            let mut changed = vec![false; rows];
            for output in &own {
                let twin = theirs.iter().find(|t| t.name == output.name && t.shape == output.shape && t.datatype() == output.datatype());
                let Some(twin) = twin else {
                    return Err(other.unfit(&format!("compare: output `{}` has another shape or type", output.name)));
                };
                compare(output, twin, &mut found, &mut sum, &mut changed);
            }
            found.rows += rows;
            found.changed += changed.iter().filter(|changed| **changed).count();
        }
        found.mean = if found.numbers == 0 { 0.0 } else { sum / found.numbers as f64 };
        Ok(found)
    }
}

fn compare(own: &Tensor, twin: &Tensor, found: &mut Comparison, sum: &mut f64, changed: &mut [bool]) {
    let fractions = matches!(own.data, TensorData::Fp16(_) | TensorData::Bf16(_) | TensorData::Fp32(_) | TensorData::Fp64(_));
    let width = (own.data.len() / changed.len().max(1)).max(1);
    let number = |tensor: &Tensor, at: usize| tensor.data.number(at).unwrap_or(f64::NAN);
    if fractions {
        for at in 0..own.data.len() {
            let (a, b) = (number(own, at), number(twin, at));
            let apart = if a == b || a.is_nan() && b.is_nan() {
                0.0
            } else {
                Some((a - b).abs()).filter(|d| d.is_finite()).unwrap_or(f64::INFINITY)
            };
            found.numbers += 1;
            found.largest = found.largest.max(apart);
            *sum += apart;
        }
    }
    for (row, changed) in changed.iter_mut().enumerate() {
        let places = row * width..((row + 1) * width).min(own.data.len());
        *changed |= match fractions {
            false => own.take_rows(row..row + 1).data != twin.take_rows(row..row + 1).data,
            true if own.name == SCORE => (number(own, row) >= DECIDES_AT) != (number(twin, row) >= DECIDES_AT),
            true if width > 1 => largest(own, places.clone()) != largest(twin, places),
            true => false,
        };
    }
}

/// Where the largest of some numbers stands.
fn largest(tensor: &Tensor, places: std::ops::Range<usize>) -> Option<usize> {
    let value = |at: usize| tensor.data.number(at).unwrap_or(f64::NEG_INFINITY);
    places.max_by(|a, b| value(*a).total_cmp(&value(*b)))
}
