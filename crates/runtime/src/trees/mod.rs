//! Models of trees as XGBoost and LightGBM save them, read and run by us: no library of theirs, and none of ONNX.
//!
//! Predictions are those of the library: thresholds, sums and links are computed in its widths and in its order. What is
//! not read exactly is refused by name when the file is loaded. Not here: training, and which columns mean what.

mod explain;
mod forest;
mod lightgbm;
mod link;
mod shapley;
mod single;
mod ubjson;
mod xgboost;

use crate::{Format, InputFault, Tensor, TensorData};
use forest::Forest;
use link::Link;
pub use single::{TreeFault, TreeModel};
use tidegate_core::model::{Datatype, Signature, TensorSpec};

/// Name of the input, as Triton's backend for forests has it.
const INPUT: &str = "input__0";
/// Name of the output.
const OUTPUT: &str = "output__0";
/// Longest file of a tree model that is read.
pub(crate) const TREES_BYTES_MAX: usize = 1 << 30;
/// Classes, targets or quantiles of a model.
const OUTPUTS_MAX: usize = 1 << 16;

/// A model, ready to answer.
#[derive(Debug)]
pub(crate) struct Trees {
    format: Format,
    features: usize,
    outputs: usize,
    summed: Summed,
    /// Where the sums begin.
    base: Vec<f64>,
    /// What the sums are divided by, where trees are averaged.
    divisor: Option<f64>,
    link: Link,
    /// Of input, output and sums: FP32 or FP64.
    datatype: Datatype,
}

/// What is summed.
#[derive(Debug)]
enum Summed {
    Forest(Forest),
    Line(Linear),
}

/// XGBoost's linear booster.
#[derive(Debug)]
struct Linear {
    /// Feature after feature, one weight an output; then the biases.
    weights: Vec<f64>,
}

impl Linear {
    fn new(weights: &[f32], features: usize, outputs: usize) -> Result<Linear, String> {
        let wanted = (features + 1).saturating_mul(outputs);
        if weights.len() != wanted {
            return Err(format!("its linear booster has {} weights of {wanted}", weights.len()));
        }
        Ok(Linear { weights: weights.iter().copied().map(f64::from).collect() })
    }

    /// What each feature adds, output after output.
    fn explain(&self, row: &[f64], outputs: usize, values: &mut [f64]) {
        let rows = row.iter().copied().chain([1.0]).enumerate();
        for ((feature, value), weights) in rows.zip(self.weights.chunks_exact(outputs)).filter(|((_, value), _)| !value.is_nan()) {
            for (values, weight) in values.chunks_exact_mut(row.len() + 1).zip(weights) {
                values.get_mut(feature).into_iter().for_each(|sum| *sum += value * weight);
            }
        }
    }

    /// Adds what the weights say of a row; a missing value adds nothing.
    fn add_to(&self, row: &[f64], sums: &mut [f64]) {
        let outputs = sums.len();
        let (weights, biases) = self.weights.split_at(self.weights.len() - outputs);
        for (sum, bias) in sums.iter_mut().zip(biases) {
            *sum = single(*sum + bias);
        }
        for (value, weights) in row.iter().zip(weights.chunks_exact(outputs)).filter(|(value, _)| !value.is_nan()) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = single(*sum + single(value * weight));
            }
        }
    }
}

/// To the nearest number of 32 bits: what a sum or product of two of them is there.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

impl Trees {
    /// Reads a model of a format that is not ONNX; the error is a sentence.
    pub(crate) fn read(format: Format, bytes: &[u8]) -> Result<Trees, String> {
        if bytes.len() > TREES_BYTES_MAX {
            return Err(format!("the file is longer than {TREES_BYTES_MAX} bytes"));
        }
        let trees = match format {
            Format::LightgbmText => lightgbm::read(bytes)?,
            Format::XgboostJson | Format::XgboostUbjson | Format::Onnx | Format::Risk => xgboost::read(format, bytes)?,
        };
        match &trees.summed {
            Summed::Forest(forest) if forest.trees() == 0 => Err("it has no trees".to_owned()),
            _ => Ok(trees),
        }
    }

    /// One input, a row of all features a record; one output.
    pub(crate) fn signature(&self) -> Signature {
        let dimension = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let spec = |name: &str, shape| TensorSpec { name: name.to_owned(), datatype: self.datatype, shape };
        let width = self.link.width(self.outputs);
        let shape = if width == 1 { vec![-1] } else { vec![-1, dimension(width)] };
        Signature { inputs: vec![spec(INPUT, vec![-1, dimension(self.features)])], outputs: vec![spec(OUTPUT, shape)] }
    }

    /// What each feature adds to the sums of a row, before the link: `features + 1` values for each output, the last one what is
    /// expected of no row in particular. The error is a sentence on why this model is not explained.
    pub(crate) fn contributions(&self, row: &[f64]) -> Result<Vec<f64>, String> {
        let width = self.features + 1;
        if row.len() != self.features {
            return Err(format!("a row has {} values, the model takes {}", row.len(), self.features));
        }
        if self.divisor.is_some() {
            return Err("its trees are averaged, which is not explained".to_owned());
        }
        let mut row = row.to_vec();
        self.settle(&mut row);
        let mut values = vec![0.0; width * self.outputs];
        for (values, base) in values.chunks_exact_mut(width).zip(&self.base) {
            values.last_mut().into_iter().for_each(|expected| *expected += base);
        }
        match &self.summed {
            Summed::Forest(forest) => forest.explain(&row, &mut values, width)?,
            Summed::Line(line) => line.explain(&row, self.outputs, &mut values),
        }
        Ok(values)
    }

    /// Predicts the rows of an input that is as [`Trees::signature`] says; what is missing in it is not a number.
    pub(crate) fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, InputFault> {
        let count = input.data.len() / self.features;
        let values = count.saturating_mul(self.outputs);
        if values > crate::ELEMENTS_MAX {
            let (name, shape) = (input.name.clone(), input.shape.clone());
            let expected = format!("more than {} answers, at most {}", crate::ELEMENTS_MAX, crate::ELEMENTS_MAX);
            return Err(InputFault::Count { name, shape, expected, got: values });
        }
        let mut rows: Vec<f64> = match &input.data {
            TensorData::Fp32(values) => values.iter().copied().map(f64::from).collect(),
            TensorData::Fp64(values) => values.clone(),
            _ => Vec::new(),
        };
        for (value, missing) in rows.iter_mut().zip(&input.missing) {
            *value = if *missing { f64::NAN } else { *value };
        }
        let predicted = self.predict(&mut rows);
        let shape: Vec<i64> = match self.link.width(self.outputs) {
            1 => vec![i64::try_from(count).unwrap_or(i64::MAX)],
            width => vec![i64::try_from(count).unwrap_or(i64::MAX), i64::try_from(width).unwrap_or(i64::MAX)],
        };
        #[expect(clippy::cast_possible_truncation, reason = "predictions of a model of 32 bits are numbers of 32 bits")]
        let data = match self.datatype {
            Datatype::Fp32 => TensorData::Fp32(predicted.into_iter().map(|x| x as f32).collect()),
            _ => TensorData::Fp64(predicted),
        };
        Ok(vec![Tensor::new(OUTPUT, shape, data)])
    }

    /// LightGBM takes no notice of what is next to zero before it looks at a tree.
    fn settle(&self, rows: &mut [f64]) {
        if self.format == Format::LightgbmText {
            rows.iter_mut().filter(|value| value.abs() <= lightgbm::ZERO).for_each(|value| *value = 0.0);
        }
    }

    /// The sums of some rows, one after the other, before the link: in the width of the library, or in 64 bits.
    fn sums(&self, rows: &mut [f64], width: Datatype) -> Vec<f64> {
        self.settle(rows);
        let count = rows.len() / self.features;
        let mut sums: Vec<f64> = self.base.iter().copied().cycle().take(count * self.outputs).collect();
        match &self.summed {
            Summed::Forest(forest) if width == Datatype::Fp32 => forest.add_to(rows, self.outputs, &mut sums, single),
            Summed::Forest(forest) => forest.add_to(rows, self.outputs, &mut sums, |sum| sum),
            Summed::Line(line) => {
                let each = rows.chunks_exact(self.features).zip(sums.chunks_exact_mut(self.outputs));
                each.for_each(|(row, sums)| line.add_to(row, sums));
            }
        }
        if let Some(divisor) = self.divisor {
            sums.iter_mut().for_each(|sum| *sum /= divisor);
        }
        sums
    }

    /// Predictions of some rows, one after the other.
    fn predict(&self, rows: &mut [f64]) -> Vec<f64> {
        let mut sums = self.sums(rows, self.datatype);
        sums.chunks_exact_mut(self.outputs).for_each(|sums| self.link.apply(sums));
        if self.link.width(self.outputs) < self.outputs {
            sums = sums.into_iter().step_by(self.outputs).collect();
        }
        sums
    }
}
