//! A version as a worker runs it: loaded, its golden requests asked once, then bodies in and bodies out.

use crate::clock;
use crate::frame::{Answer, Body, Form, Hello, Outcome};
use crate::work::Work;
use crate::worker::{Answerer, WorkerArguments};
use std::time::Instant;
use tidegate_core::model::TensorSpec;
use tidegate_runtime::oip::{self, Answering, OipError, Wanted};
use tidegate_runtime::{GoldenReport, InferError, InferRequest, InferResponse, InputFault, Version};

/// Why a version without golden requests never becomes ready.
pub const NO_GOLDEN: &str = "it has no golden requests, so nothing shows that it answers right: record some with the version";
/// Golden requests named in a message; further ones are counted.
const MISSES_SHOWN_MAX: usize = 3;

/// A loaded version.
pub struct LoadedVersion {
    version: Version,
    answering: Answering,
    hello: Hello,
}

impl LoadedVersion {
    /// Loads the version, and the library where its model needs it, and asks the golden requests; a sentence for the operator
    /// when that fails.
    pub fn open(arguments: &WorkerArguments) -> Result<LoadedVersion, String> {
        if Version::needs_library(&arguments.dir).map_err(|error| error.to_string())? {
            tidegate_runtime::init(&arguments.library).map_err(|error| error.to_string())?;
        }
        let version = Version::open(&arguments.dir).map_err(|error| error.to_string())?;
        let answering = Answering { model_name: arguments.model.clone(), model_version: Some(arguments.version.clone()) };
        let report = version.check_golden();
        let hello = Hello {
            ready: report.is_right(),
            why: why(&report),
            platform: version.format().platform().to_owned(),
            inputs: version.inputs_metadata().to_vec(),
            outputs: version.outputs_metadata().to_vec(),
        };
        Ok(LoadedVersion { version, answering, hello })
    }
}

/// Which golden requests were answered otherwise; empty when none was.
fn why(report: &GoldenReport) -> String {
    if report.is_right() {
        return String::new();
    }
    if report.asked == 0 {
        return NO_GOLDEN.to_owned();
    }
    let shown: Vec<String> = report.misses.iter().take(MISSES_SHOWN_MAX).map(|m| format!("`{}`: {}", m.id, m.why)).collect();
    let more = match report.misses.len().saturating_sub(MISSES_SHOWN_MAX) {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    format!("{} of {} golden requests were answered otherwise: {}{more}", report.misses.len(), report.asked, shown.join("; "))
}

impl Answerer for LoadedVersion {
    fn hello(&self) -> Hello {
        self.hello.clone()
    }

    fn answer(&self, body: &Body) -> Answer {
        let started = clock::now();
        let inputs = self.version.inputs_metadata();
        let (request, wanted) = match read(body, inputs) {
            Ok(read) => read,
            Err(error) => return Answer::error(Outcome::ClientFault, &error.message),
        };
        let read = clock::now();
        let (result, observed) = self.version.infer_observed(&request);
        let inferred = clock::now();
        // Score and inputs are taken from values and not from the body: they are the same however a client wants it.
        let mut answer = match result {
            Err(error) => Answer::error(outcome(&error), &self.told(&error)),
            Ok(response) => match self.written(&response, wanted.as_ref()) {
                Err(error) => Answer::error(Outcome::ClientFault, &error.message),
                Ok(written) => Answer {
                    outcome: Outcome::Answered,
                    score: response.scores().and_then(|s| s.first().copied()),
                    body: written,
                    ..Answer::empty()
                },
            },
        };
        answer.record_id = observed.record_id.unwrap_or_default();
        answer.event_time_ms = observed.event_time_ms;
        answer.inputs = observed.inputs;
        let since = |from: Instant, to: Instant| u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX);
        let written = clock::now();
        answer.work = Work {
            rows: rows(&request, inputs),
            input_ns: since(started, read),
            infer_ns: since(read, inferred),
            output_ns: since(inferred, written),
        };
        answer
    }
}

/// Reads a request, and how its outputs are wanted where that can be said.
fn read(body: &Body, inputs: &[TensorSpec]) -> Result<(InferRequest, Option<Wanted>), OipError> {
    if body.form == Form::Grpc {
        return Ok((oip::grpc::read_request(&body.bytes)?, None));
    }
    let (request, wanted) = oip::read_infer_request(body.over_http(), inputs)?;
    Ok((request, Some(wanted)))
}

impl LoadedVersion {
    /// The answer in the form of its request.
    fn written(&self, response: &InferResponse, wanted: Option<&Wanted>) -> Result<Body, OipError> {
        let Some(wanted) = wanted else {
            return Ok(Body { bytes: oip::grpc::write_response(&self.answering, response).into(), form: Form::Grpc });
        };
        Ok(oip::answer(&self.answering, response, wanted)?.into())
    }

    /// An error in the words that clients of the protocol look for.
    fn told(&self, error: &InferError) -> String {
        match error {
            InferError::Request(InputFault::UnknownOutput { name, expected }) => {
                let model = &self.answering.model_name;
                format!("unexpected inference output '{name}' for model '{model}': the outputs are {}", expected.join(", "))
            }
            InferError::Request(_) | InferError::Refused(_) | InferError::Failed(_) => error.to_string(),
        }
    }
}

/// Rows of a request: the first dimension of its first input, where the model takes any there.
fn rows(request: &InferRequest, specs: &[TensorSpec]) -> u32 {
    let Some(first) = request.inputs.first() else { return 1 };
    let spec = specs.iter().find(|spec| spec.name == first.name);
    let batched = spec.and_then(|spec| spec.shape.first()).is_some_and(|dimension| *dimension < 0);
    if batched { first.shape.first().and_then(|n| u32::try_from(*n).ok()).unwrap_or(1) } else { 1 }
}

fn outcome(error: &InferError) -> Outcome {
    match error {
        InferError::Request(_) => Outcome::ClientFault,
        InferError::Refused(_) => Outcome::Refused,
        InferError::Failed(_) => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_runtime::GoldenMiss;

    #[test]
    fn a_version_that_is_not_ready_says_which_golden_requests_differ() {
        let miss = |id: &str| GoldenMiss { id: id.to_owned(), why: "score is 0.5, known is 0.25".to_owned() };
        let mut report = GoldenReport { asked: 8, misses: (1..=5).map(|i| miss(&format!("g{i}"))).collect() };
        expect_test::expect![[
            "5 of 8 golden requests were answered otherwise: `g1`: score is 0.5, known is 0.25; `g2`: score is 0.5, known is 0.25; `g3`: score is 0.5, known is 0.25; and 2 more"
        ]]
        .assert_eq(&why(&report));
        report.misses.clear();
        assert_eq!(why(&report), "");
        assert!(why(&GoldenReport::default()).starts_with("it has no golden requests"));
    }
}
