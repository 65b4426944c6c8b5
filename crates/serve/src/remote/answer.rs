//! From an upstream's reply to an answer: whose doing it is, and what telemetry keeps of it.

use super::connection::Reply;
use super::model::RemoteScore;
use crate::frame::{Answer, Body, Form, Outcome};
use crate::gateway::form_said;
use crate::language::error_words;
use hyper::StatusCode;
use serde::Deserialize;
use std::borrow::Cow;
use tidegate_core::model::TensorSpec;
use tidegate_runtime::oip::{self, read_infer_request, read_infer_response};

/// Longest answer of which the identifier, and the score where one is named, are read: of longer ones records have neither.
const READ_BYTES_MAX: usize = 64 * 1024;
/// An identifier's name.
const ID: &[u8] = b"\"id\"";

/// How a reply is meant.
pub enum Meant {
    /// As an answer of the version, good or not; the second: whether the server did well, none where that is not told by it.
    Answer(Answer, Option<bool>),
    /// The server has no room: another one may.
    Busy,
    /// The server failed: another one may answer; this is said where none does.
    Failed(Answer),
    /// There was no answer.
    Gone,
    /// It was found to be away before it answered.
    TakenOut,
    /// The client has left before anything came.
    Left,
}

/// Reads a reply to a request; `inputs` is what the model takes.
pub fn read(asked: &Body, reply: Reply, inputs: &[TensorSpec], score: Option<&RemoteScore>) -> Meant {
    if reply.status == StatusCode::OK {
        if matches!(asked.form, Form::Language(_)) {
            return Meant::Answer(Answer { body: Body::json(reply.body), ..Answer::empty() }, Some(true));
        }
        return good(reply, score);
    }
    // The client asked for what is there; it is the upstream that lacks the model, does not let us in, or did not wait for the body.
    let its_own = [
        StatusCode::NOT_FOUND,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT,
    ];
    match reply.status {
        StatusCode::TOO_MANY_REQUESTS => Meant::Busy,
        status if status.is_client_error() && !its_own.contains(&status) => {
            Meant::Answer(Answer::error(Outcome::ClientFault, &words(&reply)), None)
        }
        // Servers of this protocol answer 500, 404 or 501 to bodies that they cannot read or carry out: whose doing it is, the request says.
        _ => match fault(asked, inputs) {
            Some(why) => Meant::Answer(Answer::error(Outcome::ClientFault, &why), None),
            None => Meant::Failed(failed(&reply)),
        },
    }
}

/// Whether a request may name shared memory: by its word, or by one that is spelt with escapes.
pub fn may_name_memory(body: &Body) -> bool {
    matches!(body.form, Form::Json | Form::Mixed(_))
        && [&b"shared_memory"[..], b"\\u"].iter().any(|word| memchr::memmem::find(&body.bytes, word).is_some())
}

fn failed(reply: &Reply) -> Answer {
    Answer::error(Outcome::Failed, &words(reply))
}

/// What an upstream says of an error.
fn words(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Said {
        error: serde_json::Value,
    }
    let said = serde_json::from_slice::<Said>(&reply.body).map(|said| error_words(&said.error));
    said.unwrap_or_else(|_| format!("the upstream answered {}", reply.status.as_u16()))
}

/// What is wrong with a request as such; none where nothing is.
pub fn fault(asked: &Body, inputs: &[TensorSpec]) -> Option<String> {
    if matches!(asked.form, Form::Language(_)) {
        // It was read when it was made ready; what a server does not like of it, it says.
        return None;
    }
    if asked.form == Form::Grpc {
        return oip::grpc::read_request(&asked.bytes).err().map(|e| e.message);
    }
    let (request, _) = match read_infer_request(asked.over_http(), inputs) {
        Ok(read) => read,
        Err(error) => return Some(error.message),
    };
    inputs.iter().find_map(|spec| {
        let Some(tensor) = request.inputs.iter().find(|t| t.name == spec.name) else {
            return Some(format!("inference input '{}' is missing", spec.name));
        };
        let fits = tensor.shape.len() == spec.shape.len() && tensor.shape.iter().zip(&spec.shape).all(|(n, of)| *of < 0 || n == of);
        let name = &spec.name;
        match () {
            () if tensor.datatype() != spec.datatype => {
                Some(format!("inference input '{name}' is {}, the model takes {}", tensor.datatype(), spec.datatype))
            }
            () if !fits => Some(format!("inference input '{name}' has shape {:?}, the model takes {:?}", tensor.shape, spec.shape)),
            () => None,
        }
    })
}

fn good(reply: Reply, score: Option<&RemoteScore>) -> Meant {
    let form = match form_said(reply.json_bytes.as_deref(), reply.body.len()) {
        Ok(form) => form,
        Err(why) => return Meant::Failed(Answer::error(Outcome::Failed, &format!("the upstream's answer cannot be read: {why}"))),
    };
    let body = Body { bytes: reply.body, form };
    let known = if body.bytes.len() <= READ_BYTES_MAX { seen(&body, score) } else { Seen::default() };
    let answer = Answer { score: known.score, record_id: known.id, body, ..Answer::empty() };
    Meant::Answer(answer, Some(true))
}

#[derive(Default)]
struct Seen {
    id: String,
    score: Option<f64>,
}

/// The identifier, and the first row's score. An answer that cannot be read is the client's to see: it is passed on as it is.
fn seen(body: &Body, score: Option<&RemoteScore>) -> Seen {
    let Some(score) = score else {
        #[derive(Deserialize)]
        struct Head<'b> {
            #[serde(default, borrow)]
            id: Option<Cow<'b, str>>,
        }
        let json = body.bytes.get(..body.form.json_bytes().unwrap_or(body.bytes.len())).unwrap_or_default();
        // Most answers have none, and are not read for it.
        if memchr::memmem::find(json, ID).is_none() {
            return Seen::default();
        }
        let id = serde_json::from_slice::<Head<'_>>(json).ok().and_then(|head| head.id).map(Cow::into_owned);
        return Seen { id: id.unwrap_or_default(), score: None };
    };
    let Ok((_, response)) = read_infer_response(body.over_http()) else { return Seen::default() };
    let score = response.output(&score.output).and_then(|tensor| tensor.data.number(score.column));
    Seen { id: response.id.unwrap_or_default(), score }
}
