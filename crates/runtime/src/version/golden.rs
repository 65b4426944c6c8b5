//! Golden requests: requests with known answers. A version is ready when it gives those answers.

use super::{InferRequest, Version};
use crate::{InferError, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::HashSet;
use tidegate_core::model::Datatype;

/// Golden requests that one version may have.
pub const GOLDEN_REQUESTS_MAX: usize = 1024;
/// The form that is written.
const FORM: u32 = 1;

/// Golden requests. Authors write requests, as records or tensors; recording adds the answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The form of the file.
    #[serde(default = "form")]
    v: u32,
    /// The requests.
    pub requests: Vec<GoldenRequest>,
}

/// One golden request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenRequest {
    /// Its name.
    pub id: String,
    /// A raw record, for a version with a transform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Map<String, Json>>,
    /// Tensors in place of a record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Tensor>,
    /// The answer.
    #[serde(default)]
    pub expect: Expect,
    /// How far an answer may be off.
    #[serde(default)]
    pub tolerance: Tolerance,
}

/// A known answer; empty until it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The score of a single record, for authors who know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What each text must hold, for models whose words differ from one time to the next: texts are then compared with nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// Whole outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Tensor>,
}

/// `|got - known| <= absolute + relative * |known|`, for numbers with a fraction; everything else is exact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Absolute part.
    pub absolute: f64,
    /// Relative part.
    pub relative: f64,
}

impl Default for Tolerance {
    fn default() -> Tolerance {
        Tolerance { absolute: 1e-6, relative: 1e-4 }
    }
}

/// What a check of golden requests found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GoldenReport {
    /// How many were asked.
    pub asked: usize,
    /// Those that were answered otherwise.
    pub misses: Vec<GoldenMiss>,
}

/// A golden request that was answered otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GoldenMiss {
    /// The request.
    pub id: String,
    /// What differs.
    pub why: String,
}

impl GoldenReport {
    /// Whether every request was answered right. No request at all proves nothing.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.asked > 0 && self.misses.is_empty()
    }
}

fn form() -> u32 {
    FORM
}

impl Golden {
    /// Golden requests of this program's form.
    #[must_use]
    pub fn new(requests: Vec<GoldenRequest>) -> Golden {
        Golden { v: FORM, requests }
    }

    /// Reads `golden.json`, with or without answers.
    ///
    /// # Errors
    /// A sentence, when it is not that, has no request, or a request has no name of its own.
    pub fn parse(bytes: &[u8]) -> Result<Golden, String> {
        let golden: Golden = serde_json::from_slice(bytes).map_err(|error| format!("golden requests: {error}"))?;
        if golden.v > FORM {
            return Err(format!("golden requests: form {} is newer than this program's {FORM}: upgrade it", golden.v));
        }
        if golden.requests.is_empty() || golden.requests.len() > GOLDEN_REQUESTS_MAX {
            return Err(format!("golden requests: 1 to {GOLDEN_REQUESTS_MAX} are needed, got {}", golden.requests.len()));
        }
        let mut seen = HashSet::new();
        for request in &golden.requests {
            if !seen.insert(request.id.as_str()) {
                return Err(format!("golden request `{}` is there twice", request.id));
            }
            if request.record.is_some() != request.inputs.is_empty() {
                return Err(format!("golden request `{}` needs either `record` or `inputs`", request.id));
            }
        }
        Ok(golden)
    }

    /// As `golden.json`; the same requests give the same bytes.
    ///
    /// # Errors
    /// A sentence, when a tolerance is no number that JSON has.
    pub fn to_json(&self) -> Result<String, String> {
        serde_json::to_string(self).map(|json| json + "\n").map_err(|error| format!("golden requests: {error}"))
    }
}

impl GoldenRequest {
    /// Takes these outputs for the known answer; texts of which is said what they must hold are left out.
    pub fn record(&mut self, mut outputs: Vec<Tensor>) {
        if !self.expect.contains.is_empty() {
            outputs.retain(|output| output.datatype() != Datatype::Bytes);
        }
        self.expect.outputs = outputs;
    }

    /// The first difference between the known answer and these outputs; none where there is none.
    #[must_use]
    pub fn differs(&self, outputs: &[Tensor]) -> Option<String> {
        if let Some(known) = self.expect.score {
            let got = outputs.iter().find(|tensor| tensor.name == super::SCORE).and_then(|tensor| tensor.data.number(0));
            match got {
                None => return Some("the version gives no score".to_owned()),
                Some(got) if !near(got, known, self.tolerance) => return Some(format!("score is {got}, known is {known}")),
                Some(_) => {}
            }
        }
        if let Some(why) = self.expect.contains.iter().find_map(|wanted| lacks(outputs, wanted)) {
            return Some(why);
        }
        self.expect.outputs.iter().find_map(|known| {
            let Some(got) = outputs.iter().find(|tensor| tensor.name == known.name) else {
                return Some(format!("output `{}` is missing", known.name));
            };
            tensor_differs(got, known, self.tolerance)
        })
    }
}

impl Version {
    /// The requests with this version's answers; a score that an author wrote stays and is checked.
    ///
    /// # Errors
    /// When a request cannot be answered, or an author's score is not what the version gives.
    pub fn record_golden(&self, golden: &Golden) -> Result<Golden, InferError> {
        let mut recorded = golden.clone();
        for request in &mut recorded.requests {
            let outputs = self.infer(&self.golden_request(request)?)?.outputs;
            if let Some(why) = request.differs(&outputs) {
                return Err(self.unfit(&format!("record golden request `{}`: {why}", request.id)));
            }
            request.record(outputs);
        }
        Ok(recorded)
    }

    /// Asks every golden request of the version's directory. Without any, the report is not right.
    #[must_use]
    pub fn check_golden(&self) -> GoldenReport {
        self.golden.as_ref().map_or_else(GoldenReport::default, |golden| self.check_golden_of(golden))
    }

    /// Asks these golden requests.
    #[must_use]
    pub fn check_golden_of(&self, golden: &Golden) -> GoldenReport {
        let mut report = GoldenReport { asked: golden.requests.len(), misses: Vec::new() };
        for request in &golden.requests {
            let answer = self.golden_request(request).and_then(|asked| self.infer(&asked));
            let why = match answer {
                Err(error) => Some(error.to_string()),
                Ok(_) if request.expect == Expect::default() => Some("its answer was never recorded".to_owned()),
                Ok(response) => request.differs(&response.outputs),
            };
            if let Some(why) = why {
                report.misses.push(GoldenMiss { id: request.id.clone(), why });
            }
        }
        report
    }

    /// A golden request as it is sent to this version.
    ///
    /// # Errors
    /// When it carries a record and the version takes none, or a field of another type.
    pub fn golden_request(&self, request: &GoldenRequest) -> Result<InferRequest, InferError> {
        let id = Some(request.id.clone());
        match &request.record {
            Some(record) => Ok(InferRequest { id, ..self.request_of(std::slice::from_ref(record))? }),
            None => Ok(InferRequest { id, inputs: request.inputs.clone(), ..InferRequest::default() }),
        }
    }
}

/// What is said of outputs of which a text lacks what it must hold, or that have no text.
fn lacks(outputs: &[Tensor], wanted: &str) -> Option<String> {
    let mut texts = outputs.iter().filter_map(|output| match &output.data {
        TensorData::Bytes(texts) => Some((&output.name, texts)),
        _ => None,
    });
    match texts.clone().next() {
        None => Some(format!("no output is a text that could hold `{wanted}`")),
        Some(_) => texts
            .find(|(_, texts)| texts.is_empty() || texts.iter().any(|text| !text.contains(wanted)))
            .map(|(name, _)| format!("output `{name}` does not hold `{wanted}`")),
    }
}

fn tensor_differs(got: &Tensor, known: &Tensor, tolerance: Tolerance) -> Option<String> {
    let name = &known.name;
    if got.datatype() != known.datatype() {
        return Some(format!("output `{name}` is {}, known is {}", got.datatype(), known.datatype()));
    }
    if got.shape != known.shape || got.data.len() != known.data.len() {
        return Some(format!("output `{name}` has shape {:?}, known is {:?}", got.shape, known.shape));
    }
    if got.data.is_empty() {
        return Some(format!("output `{name}` is empty"));
    }
    if !matches!(known.datatype(), Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64) {
        return (got.data != known.data).then(|| format!("output `{name}` differs"));
    }
    (0..known.data.len()).find_map(|index| {
        let got_value = got.data.number(index)?;
        if known.is_missing(index) {
            // JSON has no infinity and no not-a-number: they are written as null.
            return got_value.is_finite().then(|| format!("output `{name}` at index {index} is {got_value}, known is not finite"));
        }
        let known_value = known.data.number(index)?;
        (!near(got_value, known_value, tolerance))
            .then(|| format!("output `{name}` at index {index} is {got_value}, known is {known_value}"))
    })
}

fn near(got: f64, known: f64, tolerance: Tolerance) -> bool {
    if got.is_nan() || known.is_nan() || got.is_infinite() || known.is_infinite() {
        return got.is_nan() && known.is_nan() || got == known;
    }
    (got - known).abs() <= tolerance.absolute + tolerance.relative * known.abs()
}
