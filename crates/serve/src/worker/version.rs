//! A version as it answers: loaded, its golden requests asked once, then bodies in and bodies out.

use crate::clock;
use crate::conduct::{Batching, Conduct};
use crate::frame::{Answer, Body, Form, Hello, Outcome};
use crate::limits::{BATCH_ROWS_MAX, EXPLAIN_MS, EXPLAIN_MS_MAX};
use crate::promise::Promise;
use crate::scan::{blocked, look_through};
use crate::work::Work;
use crate::worker::{Answerer, WorkerArguments};
use std::num::NonZero;
use std::time::{Duration, Instant};
use tidegate_core::model::TensorSpec;
use tidegate_core::scan::Findings;
use tidegate_runtime::oip::{self, Answering, OipError, Wanted};
use tidegate_runtime::{Golden, GoldenReport, InferError, InferRequest, InferResponse, InputFault, Observed, Version};

/// Why a version without golden requests never becomes ready.
pub const NO_GOLDEN: &str = "it has no golden requests, so nothing shows that it answers right: record some with the version";
/// Golden requests named in a message; further ones are counted.
const MISSES_SHOWN_MAX: usize = 3;
/// The parameter of a request that asks for reasons, and the one that says how long they may take.
const EXPLAIN: &str = "explain";
const EXPLAIN_FOR: &str = "explain_ms";

/// A loaded version.
#[derive(Debug)]
pub struct LoadedVersion {
    version: Version,
    answering: Answering,
    hello: Hello,
    conduct: Conduct,
}

impl LoadedVersion {
    /// Loads the version so that `sessions` threads can ask at once, and the library where its model needs it, and asks the golden
    /// requests; a sentence for the operator when that fails.
    pub fn open(arguments: &WorkerArguments, sessions: NonZero<usize>) -> Result<LoadedVersion, String> {
        if Version::needs_library(&arguments.dir).map_err(|error| error.to_string())? {
            tidegate_runtime::init(&arguments.library).map_err(|error| error.to_string())?;
        }
        let version = Version::open_on(&arguments.dir, sessions, &arguments.conduct.execution).map_err(|error| error.to_string())?;
        let answering = Answering { model_name: arguments.model.clone(), model_version: Some(arguments.version.clone()) };
        let report = version.check_golden();
        let lacks = arguments.conduct.sequence.as_ref().and_then(|s| s.lacks(version.inputs_metadata(), version.outputs_metadata()));
        let promised = version.golden().and_then(|golden| promised(golden, &arguments.conduct.promise)).or(lacks);
        let hello = Hello {
            ready: report.is_right() && promised.is_none(),
            why: promised.unwrap_or_else(|| why(&report)),
            platform: version.format().platform().to_owned(),
            inputs: version.inputs_metadata().to_vec(),
            outputs: version.outputs_metadata().to_vec(),
            providers: version.providers().iter().map(ToString::to_string).collect(),
        };
        let mut conduct = arguments.conduct.clone();
        if conduct.batch.is_some()
            && let Some(why) = Some(()).filter(|()| version.takes_batches()).and_then(|()| version.differs_together())
        {
            // A worker's words are kept for the operator.
            eprintln!("requests are not put together: {why}");
            conduct.batch = None;
        }
        Ok(LoadedVersion { version, answering, hello, conduct })
    }
}

/// What of a promise the known answers to golden requests break: such a version gets no request.
pub fn promised(golden: &Golden, promise: &Promise) -> Option<String> {
    golden.requests.iter().find_map(|request| {
        let known = Some(&request.expect.outputs).filter(|outputs| !outputs.is_empty())?;
        promise.broken(known, true).map(|why| format!("golden request `{}`: {why}", request.id))
    })
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

/// A request that was read.
struct Asked {
    request: InferRequest,
    /// How its outputs are wanted, where that can be said.
    wanted: Option<Wanted>,
    /// How long reasons may take, where they are asked for.
    explain: Option<Duration>,
    read_ns: u64,
}

/// What the model said, and how long it took.
struct Inferred {
    result: Result<InferResponse, InferError>,
    observed: Observed,
    took_ns: u64,
}

impl Answerer for LoadedVersion {
    fn hello(&self) -> Hello {
        self.hello.clone()
    }

    fn answer(&self, body: &Body) -> Answer {
        match self.asked(body) {
            Ok(asked) => self.alone(&asked),
            Err(refused) => *refused,
        }
    }

    fn answer_all(&self, bodies: &[Body]) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(bodies.len());
        // Those that can be put together, with their places.
        let (mut places, mut together) = (Vec::new(), Vec::new());
        // All wait for the last of them: reasons take no longer than those of one request may.
        let mut left = Duration::from_millis(EXPLAIN_MS_MAX);
        for (place, body) in bodies.iter().enumerate() {
            answers.push(match self.asked(body) {
                Ok(asked) if asked.explain.is_some() => Some(self.alone_within(asked, &mut left)),
                Ok(asked) => {
                    places.push(place);
                    together.push(asked);
                    None
                }
                Err(refused) => Some(*refused),
            });
        }
        let answered = self.together(together);
        for (place, answer) in places.into_iter().zip(answered) {
            answers.get_mut(place).into_iter().for_each(|slot| *slot = Some(answer.clone()));
        }
        answers.into_iter().map(|answer| answer.unwrap_or_else(Answer::empty)).collect()
    }

    fn batching(&self) -> Option<Batching> {
        self.conduct.batch.filter(|_| self.version.takes_batches())
    }

    fn golden(&self, turn: u64) -> Answer {
        let requests = self.version.golden().map(|golden| golden.requests.as_slice()).unwrap_or_default();
        let place = usize::try_from(turn).unwrap_or_default() % requests.len().max(1);
        let Some(request) = requests.get(place) else { return Answer::error(Outcome::Failed, NO_GOLDEN) };
        let answered = self.version.golden_request(request).and_then(|asked| self.version.infer(&asked));
        let why = answered.map_or_else(|error| Some(error.to_string()), |response| request.differs(&response.outputs));
        match why {
            None => Answer::empty(),
            Some(why) => Answer::error(Outcome::Failed, &format!("golden request `{}` is answered otherwise: {why}", request.id)),
        }
    }
}

impl LoadedVersion {
    /// Reads a request, or says why it is none.
    fn asked(&self, body: &Body) -> Result<Asked, Box<Answer>> {
        let started = clock::now();
        let read = read(body, self.version.inputs_metadata()).and_then(|(request, wanted)| {
            let explain = explain(&request)?;
            if explain.is_some() && !self.conduct.explain {
                return Err(OipError { message: "explain: reasons are not given for this service".to_owned() });
            }
            Ok((request, wanted, explain))
        });
        let (request, wanted, explain) = read.map_err(|error| Box::new(Answer::error(Outcome::ClientFault, &error.message)))?;
        Ok(Asked { request, wanted, explain, read_ns: since(started) })
    }

    fn alone(&self, asked: &Asked) -> Answer {
        let started = clock::now();
        let (mut result, observed) = self.version.infer_observed(&asked.request);
        if let (Ok(response), Some(within)) = (&mut result, asked.explain) {
            let mut more = || clock::now().saturating_duration_since(started) < within;
            match self.version.explain(&asked.request, &mut more) {
                Ok(explanation) => response.outputs.extend(explanation.tensors()),
                Err(error) => result = Err(error),
            }
        }
        self.written(asked, Inferred { result, observed, took_ns: since(started) })
    }

    /// Answers a request that asks for reasons, in the time that is left for them.
    fn alone_within(&self, mut asked: Asked, left: &mut Duration) -> Answer {
        asked.explain = asked.explain.map(|within| within.min(*left));
        if asked.explain.is_some_and(|within| within.is_zero()) {
            return Answer::error(Outcome::ClientFault, "explain: too many reasons are asked for at the same time: try again");
        }
        let started = clock::now();
        let answer = self.alone(&asked);
        *left = left.saturating_sub(clock::now().saturating_duration_since(started));
        answer
    }

    /// Puts as many together as one call may hold; where that does not work each is asked alone.
    fn together(&self, all: Vec<Asked>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let mut rows = 0;
            let fits = |asked: &&Asked| {
                rows += asked.request.inputs.first().and_then(|tensor| tensor.rows()).unwrap_or(1);
                rows <= BATCH_ROWS_MAX
            };
            let (batch, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = others;
            let started = clock::now();
            let requests: Vec<&InferRequest> = batch.iter().map(|asked| &asked.request).collect();
            let inferred = if batch.len() > 1 { self.version.infer_together(&requests) } else { None };
            let share_ns = since(started) / batch.len() as u64;
            match inferred {
                Some(inferred) => answers.extend(batch.iter().zip(inferred).map(|(asked, (response, observed))| {
                    self.written(asked, Inferred { result: Ok(response), observed, took_ns: share_ns })
                })),
                None => answers.extend(batch.iter().map(|asked| self.alone(asked))),
            }
        }
        answers
    }

    /// The answer in the form of its request.
    fn written(&self, asked: &Asked, inferred: Inferred) -> Answer {
        let started = clock::now();
        let Inferred { result, observed, took_ns } = inferred;
        let broken = result.as_ref().ok().and_then(|response| self.broken(&asked.request, response));
        // Score and inputs are taken from values and not from the body: they are the same however a client wants it.
        let mut answer = match (broken, result) {
            (Some(why), _) => Answer::error(Outcome::Failed, &why),
            (None, Err(error)) => {
                let mut found = Findings::default();
                let told = self.told(&error);
                let masked = self.conduct.scan.scan(&told, &mut found).unwrap_or(told);
                Answer { found, ..Answer::error(outcome(&error), &masked) }
            }
            (None, Ok(mut response)) => {
                let found = look_through(&mut response, &self.conduct.scan);
                let answer = match found.blocked(&self.conduct.scan) {
                    Some(kind) => blocked(kind),
                    None => match self.body(&response, asked.wanted.as_ref()) {
                        Err(error) => Answer::error(Outcome::ClientFault, &error.message),
                        Ok(body) => Answer { score: response.scores().and_then(|s| s.first().copied()), body, ..Answer::empty() },
                    },
                };
                Answer { found, ..answer }
            }
        };
        answer.record_id = observed.record_id.unwrap_or_default();
        answer.event_time_ms = observed.event_time_ms;
        answer.inputs = observed.inputs;
        let rows = rows(&asked.request, self.version.inputs_metadata());
        answer.work = Work { rows, input_ns: asked.read_ns, infer_ns: took_ns, output_ns: since(started) };
        answer
    }

    /// What of the service's promise a response breaks.
    fn broken(&self, request: &InferRequest, response: &InferResponse) -> Option<String> {
        self.conduct.promise.broken(&response.outputs, request.outputs.is_empty())
    }

    fn body(&self, response: &InferResponse, wanted: Option<&Wanted>) -> Result<Body, OipError> {
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

fn since(from: Instant) -> u64 {
    u64::try_from(clock::now().saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

/// Reads a request, and how its outputs are wanted where that can be said.
fn read(body: &Body, inputs: &[TensorSpec]) -> Result<(InferRequest, Option<Wanted>), OipError> {
    if body.form == Form::Grpc {
        return Ok((oip::grpc::read_request(&body.bytes)?, None));
    }
    let (request, wanted) = oip::read_infer_request(body.over_http(), inputs)?;
    Ok((request, Some(wanted)))
}

/// Whether reasons are asked for, and how long they may take.
fn explain(request: &InferRequest) -> Result<Option<Duration>, OipError> {
    let wrong = |what: String| OipError { message: what };
    match request.parameters.get(EXPLAIN) {
        None | Some(serde_json::Value::Bool(false)) => return Ok(None),
        Some(serde_json::Value::Bool(true)) => {}
        Some(other) => return Err(wrong(format!("parameter `{EXPLAIN}` must be true or false, got {other}"))),
    }
    let within_ms = match request.parameters.get(EXPLAIN_FOR) {
        None => EXPLAIN_MS,
        Some(value) => match value.as_u64().filter(|ms| (1..=EXPLAIN_MS_MAX).contains(ms)) {
            Some(ms) => ms,
            None => return Err(wrong(format!("parameter `{EXPLAIN_FOR}` must be 1 to {EXPLAIN_MS_MAX} milliseconds, got {value}"))),
        },
    };
    Ok(Some(Duration::from_millis(within_ms)))
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
