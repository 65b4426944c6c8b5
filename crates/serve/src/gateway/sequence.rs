//! A request of a sequence: told what the model is to know of those before it, and answered without what the next one is to know.

use crate::clock;
use crate::counts::Kind;
use crate::frame::{Body, Form, Outcome};
use crate::gateway::Shared;
use crate::gateway::predict::{Asked, Pinned, Said, routed, seated};
use crate::gateway::reply::unknown_words;
use crate::limits::SEQUENCE_ID_CHARS_MAX;
use crate::plan::PlanRoute;
use crate::sequence::{Carried, Held, Name, Seat, Sequence, Sequencing, zeros};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use std::sync::Arc;
use tidegate_core::model::TensorSpec;
use tidegate_core::route::TargetId;
use tidegate_runtime::oip::{self, Wanted, read_infer_request, read_infer_response};
use tidegate_runtime::{InferRequest, InferResponse, Tensor};
use tokio::sync::OwnedMutexGuard;

const ID: &str = "sequence_id";
const START: &str = "sequence_start";
const END: &str = "sequence_end";

/// A request that was read.
struct Read {
    request: InferRequest,
    /// How outputs are wanted; none over gRPC.
    wanted: Option<Wanted>,
    id: Option<String>,
    start: bool,
    end: bool,
}

fn wrong(message: impl Into<String>) -> Said {
    Said::error(StatusCode::BAD_REQUEST, message)
}

/// Has a request answered that may be one of a sequence.
pub async fn predict(shared: &Shared, asked: Asked<'_>, route: &Arc<PlanRoute>, sequencing: &Sequencing) -> Said {
    let hello = route.targets.iter().find_map(|target| target.slot.hello.load_full());
    let inputs = hello.as_ref().map(|hello| hello.inputs.as_slice()).unwrap_or_default();
    let read = match read(asked.body, inputs) {
        Ok(read) => read,
        Err(why) => return wrong(why),
    };
    let Some(id) = read.id.clone() else { return routed(shared, asked).await };
    let name = Name { service: Arc::clone(&route.service), caller: asked.caller.to_owned(), id };
    let now_ms = clock::steady_ms();
    let held = if read.start { shared.sequences.begin(&name, sequencing.idle_ms, now_ms) } else { shared.sequences.of(&name, now_ms) };
    let (model, id) = (asked.model, &name.id);
    let Some(held) = held else {
        return if read.start {
            Said::error(StatusCode::TOO_MANY_REQUESTS, format!("too many sequences of model '{model}' are under way"))
        } else {
            // In the words that clients of Triton look for.
            wrong(format!(
                "inference request for sequence {id} to model '{model}' must specify the START flag on the first request of the sequence"
            ))
        };
    };
    // One after the other: each is told what came of the one before.
    let since = clock::now();
    let Ok(sequence) = tokio::time::timeout(asked.deadline, Arc::clone(&held).lock_owned()).await else {
        let why = format!("those before it in sequence {id} of model '{model}' took too long");
        return Said::error(StatusCode::GATEWAY_TIMEOUT, why);
    };
    let asked = Asked { deadline: asked.deadline.saturating_sub(clock::now().saturating_duration_since(since)), ..asked };
    (Step { shared, route, sequencing, name, held, sequence, answered: false }).answer(asked, read).await
}

/// One request of a sequence. Where it is the first and is not answered, whatever the reason, the sequence has not begun.
struct Step<'a> {
    shared: &'a Shared,
    route: &'a Arc<PlanRoute>,
    sequencing: &'a Sequencing,
    name: Name,
    held: Held,
    sequence: OwnedMutexGuard<Sequence>,
    answered: bool,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if !self.answered && self.sequence.seat.is_none() {
            self.shared.sequences.end(&self.name, &self.held, &mut self.sequence);
        }
    }
}

impl Step<'_> {
    async fn answer(mut self, asked: Asked<'_>, read: Read) -> Said {
        if self.sequence.is_over() {
            return wrong(format!("sequence {} has ended", self.name.id));
        }
        // Who is drawn for the first request is who the sequence is with.
        let (seat, hello) = match &self.sequence.seat {
            Some(seat) => (seat.clone(), None),
            None => match seated(self.shared, self.route, &asked) {
                Some((seat, target)) => (seat, target.slot.hello.load_full()),
                None => return Said::error(StatusCode::NOT_FOUND, unknown_words(asked.model, asked.version)),
            },
        };
        let begins = self.sequence.seat.is_none();
        let explicit = read.request.outputs.clone();
        let inputs = hello.as_ref().map(|hello| hello.inputs.as_slice()).unwrap_or_default();
        let request = match self.told(read.request, inputs) {
            Ok(request) => request,
            Err(why) => return wrong(why),
        };
        let body = self.body(request);
        // Another version may answer the first request: nothing is carried yet.
        let pinned = Pinned { seat: &seat, alone: !begins && !self.sequencing.across_versions };
        let said = routed(self.shared, Asked { body: &body, pinned: Some(pinned), ..asked }).await;
        let Said::Answer { status: StatusCode::OK, body: answered, version, by, found } = said else { return said };
        let (answering, response) = match read_infer_response(answered.over_http()) {
            Ok(read) => read,
            Err(why) => return failed(&format!("the version's answer cannot be read: {}", why.message)),
        };
        let (next, outputs) = match self.split(response.outputs, &explicit) {
            Ok(split) => split,
            Err(why) => return failed(&why),
        };
        // Written before anything is kept: what its client does not get has not been.
        let response = InferResponse { id: response.id, outputs };
        let body = match &read.wanted {
            None => Ok(Body { bytes: oip::grpc::write_response(&answering, &response).into(), form: Form::Grpc }),
            Some(wanted) => oip::answer(&answering, &response, wanted).map(Body::from),
        };
        let body = match body {
            Ok(body) => body,
            Err(why) => return wrong(why.message),
        };
        if read.end {
            self.shared.sequences.end(&self.name, &self.held, &mut self.sequence);
        } else if !self.keep(seat, &version, next) {
            return failed("what the next request of the sequence is to be told is too much to be kept");
        }
        self.answered = true;
        Said::Answer { status: StatusCode::OK, body, version, by, found }
    }

    /// Keeps what the next request is told. Where another version has answered, the sequence is with that one from now on, and is no evidence.
    fn keep(&mut self, seat: Seat, version: &HeaderValue, next: Vec<Tensor>) -> bool {
        let seat = match version.to_str() {
            Ok(version) if version != seat.target.version => {
                let target = TargetId { version: version.to_owned(), ..seat.target };
                Seat { target, kind: Kind::Direct, exposure: None }
            }
            _ => seat,
        };
        let until_ms = clock::steady_ms().saturating_add(self.sequencing.idle_ms);
        self.shared.sequences.keep(&self.name, &self.held, &mut self.sequence, Sequence::with(seat, next), until_ms)
    }

    /// The request with what is carried.
    fn told(&self, mut request: InferRequest, inputs: &[TensorSpec]) -> Result<InferRequest, String> {
        for carried in &self.sequencing.state {
            let Carried { input, output } = carried;
            if request.inputs.iter().any(|tensor| tensor.name == *input) {
                return Err(format!("inference input '{input}' is carried along the sequence: leave it out"));
            }
            let tensor = match self.sequence.state.iter().find(|tensor| tensor.name == *input) {
                Some(tensor) => tensor.clone(),
                None => zeros(carried, inputs)?,
            };
            request.inputs.push(tensor);
            if !request.outputs.is_empty() && !request.outputs.contains(output) {
                request.outputs.push(output.clone());
            }
        }
        Ok(request)
    }

    /// As whoever answers reads it best.
    fn body(&self, mut request: InferRequest) -> Body {
        let plain = self.route.targets.iter().any(|target| target.slot.remote.get().is_some_and(|remote| !remote.takes_bytes()));
        if plain {
            return Body::json(oip::write_infer_request(&request));
        }
        request.parameters.insert("binary_data_output".to_owned(), true.into());
        oip::write_infer_request_as_bytes(&request).into()
    }

    /// What the next request is told, and what the client is: what is carried only where it asked for it.
    fn split(&self, outputs: Vec<Tensor>, explicit: &[String]) -> Result<(Vec<Tensor>, Vec<Tensor>), String> {
        let next = self.sequencing.state.iter().map(|carried| {
            let Carried { input, output } = carried;
            let found = outputs.iter().find(|tensor| tensor.name == *output);
            let found = found.ok_or_else(|| format!("the version gave no output `{output}`, which `sequence` carries"))?;
            Ok(Tensor { name: input.clone(), ..found.clone() })
        });
        let next = next.collect::<Result<Vec<_>, String>>()?;
        let carried = |name: &String| self.sequencing.state.iter().any(|carried| carried.output == *name);
        Ok((next, outputs.into_iter().filter(|tensor| !carried(&tensor.name) || explicit.contains(&tensor.name)).collect()))
    }
}

fn failed(why: &str) -> Said {
    Said::error(super::reply::status_of(Outcome::Failed), why)
}

fn read(body: &Body, inputs: &[TensorSpec]) -> Result<Read, String> {
    let (mut request, wanted) = match body.form {
        Form::Grpc => (oip::grpc::read_request(&body.bytes).map_err(|e| e.message)?, None),
        _ => read_infer_request(body.over_http(), inputs).map(|(request, wanted)| (request, Some(wanted))).map_err(|e| e.message)?,
    };
    let id = match request.parameters.remove(ID) {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(id)) => Some(id).filter(|id| !id.is_empty()),
        // As in Triton: 0 is no sequence.
        Some(serde_json::Value::Number(id)) => Some(id.to_string()).filter(|id| id != "0"),
        Some(_) => return Err(format!("parameter `{ID}` must be a number or a text")),
    };
    if id.as_ref().is_some_and(|id| id.chars().count() > SEQUENCE_ID_CHARS_MAX) {
        return Err(format!("parameter `{ID}` must be at most {SEQUENCE_ID_CHARS_MAX} characters"));
    }
    let mut flag = |name: &str| match request.parameters.remove(name) {
        None | Some(serde_json::Value::Bool(false)) => Ok(false),
        Some(serde_json::Value::Bool(true)) => Ok(true),
        Some(_) => Err(format!("parameter `{name}` must be true or false")),
    };
    let (start, end) = (flag(START)?, flag(END)?);
    Ok(Read { request, wanted, id, start, end })
}
