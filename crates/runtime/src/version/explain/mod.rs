//! Why a version answers as it does: what each feature adds to a prediction, as Shapley values.
//!
//! Of trees exactly, before the link of the objective ([`crate::Model::contributions`]). Of everything else by sampling orders of the
//! features, against the version's golden requests ([`sampled`]). Both sum, with what is expected of no row in particular, to the prediction.

mod sampled;

use super::{InferRequest, Version};
use crate::{Format, InferError, InputFault, Tensor, TensorData};

/// Rows of one request that are explained.
pub const EXPLAINED_ROWS_MAX: usize = 256;
/// Features that are explained.
pub const EXPLAINED_FEATURES_MAX: usize = 1_024;
/// Numbers of one row's answer that are explained.
pub const EXPLAINED_OUTPUTS_MAX: usize = 32;
/// Name of the tensors, before a full stop.
const NAME: &str = "explain";

/// How values were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exactly, along the paths of trees.
    Trees,
    /// From sampled orders of the features.
    Sampled,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Method::Trees => "tree_shap",
            Method::Sampled => "sampling_shap",
        }
    }
}

/// What each feature adds, row after row, output after output.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// How the values were found.
    pub method: Method,
    /// Names of the features: of the record's fields, or of the model's inputs.
    pub features: Vec<String>,
    /// Numbers of one row's answer.
    pub outputs: usize,
    /// What each adds: rows x outputs x features.
    pub values: Vec<f64>,
    /// What is expected of no row in particular: rows x outputs.
    pub expected: Vec<f64>,
    /// Standard errors of the values; 0 where they are exact.
    pub errors: Vec<f64>,
}

impl Explanation {
    /// As outputs of an answer: `explain.features`, `explain.values`, `explain.expected`, `explain.errors`, `explain.method`.
    #[must_use]
    pub fn tensors(self) -> Vec<Tensor> {
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (features, outputs) = (self.features.len(), self.outputs);
        let rows = self.expected.len() / outputs.max(1);
        let shaped = |tail: &[usize]| {
            let middle = (outputs != 1).then_some(outputs);
            std::iter::once(rows).chain(middle).chain(tail.iter().copied()).map(size).collect::<Vec<_>>()
        };
        let named = |what: &str, shape, data| Tensor::new(format!("{NAME}.{what}"), shape, data);
        vec![
            named("features", vec![size(features)], TensorData::Bytes(self.features)),
            named("values", shaped(&[features]), TensorData::Fp64(self.values)),
            named("expected", shaped(&[]), TensorData::Fp64(self.expected)),
            named("errors", shaped(&[features]), TensorData::Fp64(self.errors)),
            named("method", vec![1], TensorData::Bytes(vec![self.method.as_str().to_owned()])),
        ]
    }
}

impl Version {
    /// Says of each row of a request what each feature adds to its prediction. `more` tells whether there is time for more; it is asked
    /// between rows, and between rounds of sampling.
    ///
    /// # Errors
    /// When the request is wrong or asks for too much, there is nothing to compare with, the time was too short for every row to be
    /// explained once, or the model fails.
    pub fn explain(&self, request: &InferRequest, more: &mut dyn FnMut() -> bool) -> Result<Explanation, InferError> {
        match self.format() {
            Format::XgboostJson | Format::XgboostUbjson | Format::LightgbmText | Format::Risk => self.explain_trees(request, more),
            Format::Onnx => self.sample(request, more),
        }
    }

    fn explain_trees(&self, request: &InferRequest, more: &mut dyn FnMut() -> bool) -> Result<Explanation, InferError> {
        let (rows, names) = self.tree_rows(request)?;
        bounded(rows.len(), names.len())?;
        let (mut values, mut expected) = (Vec::new(), Vec::new());
        for (index, row) in rows.iter().enumerate() {
            if index > 0 && !more() {
                return Err(late(index, rows.len()).into());
            }
            let whole = self.model.contributions(row).map_err(|error| InputFault::Explain(error.to_string()))?;
            for one in whole.chunks_exact(names.len() + 1) {
                if let Some((base, added)) = one.split_last() {
                    values.extend_from_slice(added);
                    expected.push(*base);
                }
            }
        }
        let outputs = expected.len() / rows.len().max(1);
        if outputs > EXPLAINED_OUTPUTS_MAX {
            return Err(
                InputFault::Explain(format!("the model has {outputs} outputs, at most {EXPLAINED_OUTPUTS_MAX} are explained")).into()
            );
        }
        let errors = vec![0.0; values.len()];
        Ok(Explanation { method: Method::Trees, features: names, outputs, values, expected, errors })
    }

    /// Rows as trees take them, missing values as not-a-number, and the names of their columns.
    fn tree_rows(&self, request: &InferRequest) -> Result<(Vec<Vec<f64>>, Vec<String>), InferError> {
        if let Some(transform) = &self.transform {
            let inputs = super::infer::inputs(transform, &request.inputs)?;
            let names = transform.inputs().flat_map(|(_, _, columns)| columns).map(str::to_owned).collect();
            return Ok(((0..inputs.rows()).map(|row| inputs.row(row)).collect(), names));
        }
        // The model itself says what is wrong with an input.
        self.model.run(&request.inputs)?;
        let [input] = request.inputs.as_slice() else { return Ok(Default::default()) };
        let width = input.row_width().unwrap_or(0).max(1);
        let value = |at: usize| if input.is_missing(at) { f64::NAN } else { input.data.number(at).unwrap_or(f64::NAN) };
        let rows = (0..input.rows().unwrap_or(0)).map(|row| (row * width..(row + 1) * width).map(value).collect()).collect();
        Ok((rows, (0..width).map(|column| column_name(&input.name, column)).collect()))
    }
}

fn column_name(input: &str, column: usize) -> String {
    format!("{input}[{column}]")
}

fn bounded(rows: usize, features: usize) -> Result<(), InputFault> {
    match () {
        () if rows == 0 => Err(InputFault::Explain("the request has no rows".to_owned())),
        () if rows > EXPLAINED_ROWS_MAX => {
            Err(InputFault::Explain(format!("the request has {rows} rows, at most {EXPLAINED_ROWS_MAX} are explained: send fewer")))
        }
        () if features > EXPLAINED_FEATURES_MAX => {
            Err(InputFault::Explain(format!("the model has {features} features, at most {EXPLAINED_FEATURES_MAX} are explained")))
        }
        () => Ok(()),
    }
}

fn late(done: usize, rows: usize) -> InputFault {
    InputFault::Explain(format!("{done} of {rows} rows were explained in the time given: raise `explain_ms` or send fewer rows"))
}
