//! Many rows at once: scores of computed inputs and of records, and how long answers take.

use super::{InferRequest, Version};
use crate::{InferError, InputFault, RuntimeError, Tensor, TensorData, oip};
use serde_json::{Map, Value as Json};
use tidegate_core::model::Datatype;
use tidegate_core::transform::{Compiled, RecordError};

/// Rows that go to the model in one call.
const BATCH_ROWS: usize = 4096;
/// Answers before the first that is timed, so that none pays for cold memory.
const WARM_UP: usize = 50;

impl Version {
    /// A request that carries these raw records.
    ///
    /// # Errors
    /// When the version takes no raw records, or a field has another type than declared.
    pub fn request_of(&self, records: &[Map<String, Json>]) -> Result<InferRequest, InferError> {
        let transform = self.transform.as_ref().ok_or_else(|| self.unfit("it has no transform, so it takes no raw records"))?;
        Ok(oip::request_from_records(transform.fields(), records)?)
    }

    /// Scores of rows whose inputs are already computed: the columns of the transform's inputs, row after row.
    /// They are passed on as they are, not-a-number included.
    ///
    /// # Errors
    /// When the version maps no score, its inputs are not FP32 or FP64, or the rows have another width.
    pub fn score_inputs(&self, rows: &[f32], columns: usize) -> Result<Vec<f64>, InferError> {
        let transform = self.scoring()?;
        let widths: Vec<usize> = transform.inputs().map(|(_, _, columns)| columns.len()).collect();
        let width: usize = widths.iter().sum();
        if columns != width || columns == 0 || !rows.len().is_multiple_of(columns) {
            let what = format!("score inputs: its transform gives {width} columns, got {columns} and {} values", rows.len());
            return Err(self.unfit(&what));
        }
        let mut scores = Vec::with_capacity(rows.len() / columns);
        for chunk in rows.chunks(BATCH_ROWS.saturating_mul(columns)) {
            let tensors = self.columns_of(transform, chunk, columns)?;
            scores.extend(self.score_tensors(transform, &tensors, chunk.len() / columns)?);
        }
        Ok(scores)
    }

    /// Score of each raw record, or why there is none.
    ///
    /// # Errors
    /// When the version maps no score or the model fails.
    pub fn score_records(&self, records: &[Map<String, Json>]) -> Result<Vec<Result<f64, InferError>>, InferError> {
        let transform = self.scoring()?;
        let mut scores = Vec::with_capacity(records.len());
        for chunk in records.chunks(BATCH_ROWS) {
            let mut inputs = transform.rows(chunk.len());
            let mut slots = Vec::new();
            let mut outcomes: Vec<Option<InferError>> = Vec::with_capacity(chunk.len());
            for (index, record) in chunk.iter().enumerate() {
                let outcome = match transform.record_from_json(record) {
                    Err(error) => Some(fault(error).into()),
                    Ok(values) => transform.apply_into(&values, &mut slots, &mut inputs).err().map(|mut refusal| {
                        refusal.record = scores.len() + index;
                        InferError::Refused(refusal)
                    }),
                };
                outcomes.push(outcome);
            }
            let mut computed = if inputs.rows() == 0 { Vec::new() } else { self.run_scores(transform, inputs)? }.into_iter();
            for outcome in outcomes {
                scores.push(match outcome {
                    Some(error) => Err(error),
                    None => computed.next().ok_or_else(|| self.unfit("it gave fewer scores than rows")),
                });
            }
        }
        Ok(scores)
    }

    /// Answers `n` of the requests in turn and gives the time of each in microseconds, by `now_us`, a clock that
    /// only moves forward. Some answers before them are not counted.
    ///
    /// # Errors
    /// When there is no request, or one cannot be answered.
    pub fn measure_latency(&self, requests: &[InferRequest], n: usize, now_us: &mut dyn FnMut() -> f64) -> Result<Vec<f64>, InferError> {
        if requests.is_empty() {
            return Err(self.unfit("measure latency: there is no request to measure with"));
        }
        for request in requests.iter().cycle().take(WARM_UP) {
            self.infer(request)?;
        }
        let mut times = Vec::with_capacity(n);
        for request in requests.iter().cycle().take(n) {
            let start = now_us();
            self.infer(request)?;
            times.push(now_us() - start);
        }
        Ok(times)
    }

    fn scoring(&self) -> Result<&Compiled, InferError> {
        let scores = |transform: &&Compiled| transform.score().is_some();
        self.transform.as_ref().filter(scores).ok_or_else(|| self.unfit("its transform maps no score: add `score: { output, column }`"))
    }

    fn run_scores(&self, transform: &Compiled, inputs: tidegate_core::transform::InputRows) -> Result<Vec<f64>, InferError> {
        let outputs = self.run_rows(transform, inputs)?;
        outputs
            .into_iter()
            .find_map(|tensor| match tensor.data {
                TensorData::Fp64(scores) if tensor.name == super::SCORE => Some(scores),
                _ => None,
            })
            .ok_or_else(|| self.unfit("it gave no score"))
    }

    fn score_tensors(&self, transform: &Compiled, tensors: &[Tensor], rows: usize) -> Result<Vec<f64>, InferError> {
        let outputs = self.model.run(tensors).map_err(InferError::Failed)?;
        let score = transform.score().ok_or_else(|| self.unfit("its transform maps no score"))?;
        self.scores(&score.output, score.column, &outputs, rows).map_err(InferError::Failed)
    }

    /// Computed rows as the model's input tensors.
    fn columns_of(&self, transform: &Compiled, rows: &[f32], columns: usize) -> Result<Vec<Tensor>, InferError> {
        let mut from = 0;
        let mut tensors = Vec::new();
        for (name, datatype, of) in transform.inputs() {
            let taken = rows.chunks(columns).flat_map(|row| row.iter().skip(from).take(of.len()).copied());
            let data = match datatype {
                Datatype::Fp32 => TensorData::Fp32(taken.collect()),
                Datatype::Fp64 => TensorData::Fp64(taken.map(f64::from).collect()),
                other => return Err(self.unfit(&format!("score inputs: input `{name}` is {other}, computed rows are FP32"))),
            };
            let rows = i64::try_from(rows.len() / columns).unwrap_or(i64::MAX);
            let flat = self.model.signature().inputs.iter().any(|spec| spec.name == name && spec.shape.len() == 1);
            let width = i64::try_from(of.len()).unwrap_or(i64::MAX);
            tensors.push(Tensor::new(name, if flat { vec![rows] } else { vec![rows, width] }, data));
            from += of.len();
        }
        Ok(tensors)
    }

    pub(super) fn unfit(&self, what: &str) -> InferError {
        InferError::Failed(RuntimeError::VersionUnfit { path: self.directory.clone(), what: what.to_owned() })
    }
}

fn fault(error: RecordError) -> InputFault {
    match error {
        RecordError::Required { field, datatype } => InputFault::Missing { name: field, datatype, got: Vec::new() },
        RecordError::Datatype { field, datatype, got } => InputFault::Value { name: field, expected: datatype, got, index: 0 },
    }
}
