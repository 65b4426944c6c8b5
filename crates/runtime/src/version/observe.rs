//! What an answer leaves behind for telemetry: which record it was, when it happened, what the model was given.

use super::rows::Rows;
use super::{InferRequest, InferResponse, Version};
use crate::InferError;
use tidegate_core::transform::InputRows;

/// What is known of the first record of a request; empty where the version or the record does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The request's `id`, else the field that the transform names as id.
    pub record_id: Option<String>,
    /// When the record's event happened, where the transform names a time.
    pub event_time_ms: Option<i64>,
    /// The numbers that the model was given, in the order of its inputs.
    pub inputs: Vec<f32>,
}

impl Version {
    /// Answers a request as [`Version::infer`] does, and tells what it was about, refused or not.
    pub fn infer_observed(&self, request: &InferRequest) -> (Result<InferResponse, InferError>, Observed) {
        let mut observed = self.about(request);
        let answer = self.infer_seeing(request, |rows| observed.inputs = first_row(rows));
        if self.transform.is_none() && answer.is_ok() {
            observed.inputs = self.given(request);
        }
        (answer, observed)
    }

    /// Id and time of the first record.
    pub(super) fn about(&self, request: &InferRequest) -> Observed {
        let mut observed = Observed { record_id: request.id.clone(), ..Observed::default() };
        let Some(transform) = &self.transform else { return observed };
        let Ok(rows) = Rows::new(transform.fields(), &request.inputs) else { return observed };
        if rows.rows == 0 {
            return observed;
        }
        let mut record = Vec::with_capacity(transform.fields().len());
        rows.record(0, &mut record);
        // A time that cannot be read is the transform's to refuse where it needs it; here it is only not known.
        observed.event_time_ms = transform.event_time(&record).ok().flatten().map(|at| at.0);
        observed.record_id = observed.record_id.or_else(|| transform.record_id(&record));
        observed
    }

    /// The first row of tensors that went to the model as they came.
    pub(super) fn given(&self, request: &InferRequest) -> Vec<f32> {
        let specs = &self.model.signature().inputs;
        let tensors = specs.iter().filter_map(|spec| request.inputs.iter().find(|tensor| tensor.name == spec.name));
        let mut numbers = Vec::new();
        for tensor in tensors {
            let rows = tensor.shape.first().and_then(|rows| usize::try_from(*rows).ok()).unwrap_or(1).max(1);
            numbers.extend((0..tensor.data.len() / rows).filter_map(|index| tensor.data.number(index)).map(narrow));
        }
        numbers
    }
}

fn first_row(rows: &InputRows) -> Vec<f32> {
    if rows.rows() == 0 { Vec::new() } else { rows.row(0).into_iter().map(narrow).collect() }
}

#[expect(clippy::cast_possible_truncation, reason = "telemetry keeps single precision, which is what models are given")]
pub(super) fn narrow(number: f64) -> f32 {
    number as f32
}
