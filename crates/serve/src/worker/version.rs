//! A version as a worker runs it: loaded, its golden requests asked once, then bodies in and bodies out.

use crate::frame::{Answer, Hello, Outcome};
use crate::worker::{Answerer, WorkerArguments};
use tidegate_runtime::oip::{Answering, parse_infer_request, write_infer_response};
use tidegate_runtime::{GoldenReport, InferError, Version};

/// Golden requests named in a message; further ones are counted.
const MISSES_SHOWN_MAX: usize = 3;

/// A loaded version.
pub struct LoadedVersion {
    version: Version,
    answering: Answering,
    hello: Hello,
}

impl LoadedVersion {
    /// Loads the library and the version and asks the golden requests; a sentence for the operator when that fails.
    pub fn open(arguments: &WorkerArguments) -> Result<LoadedVersion, String> {
        tidegate_runtime::init(&arguments.library).map_err(|error| error.to_string())?;
        let version = Version::open(&arguments.dir).map_err(|error| error.to_string())?;
        let answering = Answering { model_name: arguments.model.clone(), model_version: Some(arguments.version.clone()) };
        let report = version.check_golden();
        let hello = Hello {
            ready: report.is_right(),
            why: why(&report),
            platform: "onnx_onnxv1".to_owned(),
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
        return "it has no golden requests, so nothing shows that it answers right: record some with the version".to_owned();
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

    fn answer(&self, body: &[u8]) -> Answer {
        let request = match parse_infer_request(body) {
            Ok(request) => request,
            Err(error) => return Answer::error(Outcome::ClientFault, &error.message),
        };
        let (result, observed) = self.version.infer_observed(&request);
        let mut answer = match result {
            Err(error) => Answer::error(outcome(&error), &error.to_string()),
            Ok(response) => Answer {
                outcome: Outcome::Answered,
                score: response.scores().and_then(|s| s.first().copied()),
                event_time_ms: None,
                record_id: String::new(),
                inputs: Vec::new(),
                body: write_infer_response(&self.answering, &response).into(),
            },
        };
        answer.record_id = observed.record_id.unwrap_or_default();
        answer.event_time_ms = observed.event_time_ms;
        answer.inputs = observed.inputs;
        answer
    }
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
