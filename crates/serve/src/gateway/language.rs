//! Language models: OpenAI's API, and Triton's `generate`. Who answers is chosen as for any prediction; an answer that is wanted while it
//! comes goes to its client piece by piece, and is counted when it has ended.

use super::generate;
use crate::conduct::Generating;
use crate::frame::{Body, Form};
use crate::gateway::Shared;
use crate::gateway::content::Content;
use crate::gateway::grpc::words as status_words;
use crate::gateway::handle::{Call, Named, read_body, unauthorised};
use crate::gateway::infer::said;
use crate::gateway::predict::{Asked, Place, Said, predict};
use crate::gateway::reply::{Reply, X_VERSION, error, json, unknown};
use crate::language::{Client, Outlet, Patience, Task, asked, of_error};
use crate::pool::Priority;
use crate::task;
use crate::trace::Trace;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Tells proxies of the family of nginx not to wait for the whole of a stream.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers a request of OpenAI's API, errors in its form too.
pub async fn openai(shared: &Arc<Shared>, task: Task, call: Call) -> Reply {
    let reply = match taken(shared, &call).await {
        Ok(place) => {
            let caller = caller_of(&call);
            let Call { headers, body, request_id, .. } = call;
            match read_body(shared, &headers, body).await {
                Ok(bytes) => match asked(&bytes) {
                    Ok(wish) => {
                        let streams = wish.stream == Some(true) && task != Task::Embedding;
                        let named = Named { model: wish.model.into_owned(), version: None };
                        let wish = Wish { task, caller, named, headers, request_id, bytes };
                        wish.answer(shared, place, streams).await
                    }
                    Err(why) => error(StatusCode::BAD_REQUEST, &why),
                },
                Err(reply) => reply,
            }
        }
        Err(reply) => reply,
    };
    if reply.status().is_client_error() || reply.status().is_server_error() { in_openai_form(reply).await } else { reply }
}

/// Answers `POST .../generate` and `.../generate_stream`.
pub async fn generate(shared: &Arc<Shared>, streams: bool, call: Call) -> Reply {
    let place = match taken(shared, &call).await {
        Ok(place) => place,
        Err(reply) => return reply,
    };
    let caller = caller_of(&call);
    let Call { named, headers, body, request_id, .. } = call;
    let bytes = match read_body(shared, &headers, body).await {
        Ok(bytes) => bytes,
        Err(reply) => return reply,
    };
    let wish = Wish { task: Task::Generate, caller, named, headers, request_id, bytes };
    let plan = shared.plan.load_full();
    let Some(route) = plan.by_model.get(&wish.named.model) else { return unknown(&wish.named.model, wish.named.version.as_deref()) };
    // A version of ours answers the same request as tensors.
    match route.targets.iter().find(|target| target.weight_bp > 0).map(|target| &target.slot) {
        Some(slot) if slot.remote.get().is_none() => match slot.hello.load_full() {
            Some(hello) => generate::by_tensors(shared, wish, place, streams, &hello.inputs).await,
            None => error(StatusCode::SERVICE_UNAVAILABLE, &format!("model '{}' is not loaded yet", wish.named.model)),
        },
        _ => wish.answer(shared, place, streams).await,
    }
}

/// Models whose versions speak OpenAI's API, as it lists them.
pub fn models(shared: &Shared) -> Reply {
    let plan = shared.plan.load();
    let speaks = |slot: &crate::pool::Slot| slot.remote.get().is_some_and(|remote| remote.speaks_openai());
    let mut names: Vec<&String> =
        plan.by_model.iter().filter(|(_, route)| route.targets.iter().any(|t| speaks(&t.slot))).map(|(name, _)| name).collect();
    names.sort();
    let data: Vec<Value> = names.iter().map(|id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "tidegate" })).collect();
    json(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

/// A place, and how soon the answer is wanted.
async fn taken(shared: &Arc<Shared>, call: &Call) -> Result<(Place, Priority), Reply> {
    // Nobody comes here without a key: the endpoints are not public.
    let Some(key) = &call.key else { return Err(unauthorised()) };
    match Place::take(shared, key, &call.headers) {
        Ok(taken) => Ok(taken),
        Err(shed) => Err(said(shed, &call.headers).await),
    }
}

fn caller_of(call: &Call) -> String {
    call.key.as_ref().map_or_else(String::new, |key| key.name().to_owned())
}

/// What is wished for.
pub struct Wish {
    pub task: Task,
    /// Name of the key that asks.
    pub caller: String,
    pub named: Named,
    pub headers: HeaderMap,
    pub request_id: Arc<str>,
    pub bytes: Bytes,
}

impl Wish {
    async fn answer(self, shared: &Arc<Shared>, taken: (Place, Priority), streams: bool) -> Reply {
        let generating = generating(shared, &self.named.model);
        if streams { self.streamed(shared, taken, generating).await } else { self.whole(shared, taken, generating).await }
    }

    async fn whole(self, shared: &Arc<Shared>, (_place, priority): (Place, Priority), generating: Generating) -> Reply {
        let body = Body { bytes: self.bytes.clone(), form: Form::Language(self.task) };
        let deadline = Duration::from_millis(generating.whole_ms_max);
        said(predict(shared, self.asked(&body, priority, deadline, None)).await, &self.headers).await
    }

    /// The answer while it comes. What asks for it goes on by itself: when the client leaves, it learns of it and ends.
    async fn streamed(self, shared: &Arc<Shared>, (place, priority): (Place, Priority), generating: Generating) -> Reply {
        let ms = Duration::from_millis;
        let patience =
            Patience { first: ms(generating.first_ms_max), idle: ms(generating.idle_ms_max), whole: ms(generating.whole_ms_max) };
        let (outlet, mut client) = Outlet::new(patience);
        let (headers, shared) = (self.headers.clone(), Arc::clone(shared));
        let work = task::spawn(Trace::current().within(async move {
            let _place = place;
            let body = Body { bytes: self.bytes.clone(), form: Form::Language(self.task) };
            let asked = self.asked(&body, priority, patience.whole, Some(&outlet));
            let said = predict(&shared, asked).await;
            if outlet.begun()
                && let Some((status, words)) = failed(&said)
            {
                let last = if self.task == Task::Generate { json!({ "error": words }) } else { openai_error(status, &words) };
                outlet.last(of_error(&last)).await;
            }
            said
        }));
        match client.pieces.recv().await {
            Some(first) => coming(first, client),
            None => match work.await {
                Ok(ended) => said(ended, &headers).await,
                Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be carried out: the gateway is being stopped"),
            },
        }
    }

    /// As predictions are asked for.
    pub fn asked<'a>(&'a self, body: &'a Body, priority: Priority, deadline: Duration, outlet: Option<&'a Outlet>) -> Asked<'a> {
        Asked {
            model: &self.named.model,
            version: self.named.version.as_deref(),
            caller: &self.caller,
            headers: &self.headers,
            request_id: &self.request_id,
            body,
            priority,
            deadline,
            outlet,
            pinned: None,
        }
    }
}

/// How long the model's answers may take.
fn generating(shared: &Shared, model: &str) -> Generating {
    let plan = shared.plan.load();
    let known = plan.by_model.get(model).and_then(|route| route.targets.first()).map(|target| target.slot.spec.conduct.generate);
    known.unwrap_or_default()
}

/// What is said of a prediction that failed.
fn failed(said: &Said) -> Option<(StatusCode, String)> {
    match said {
        Said::Answer { status, body, .. } => (*status != StatusCode::OK).then(|| (*status, status_words(&body.bytes))),
        Said::Error { status, message, .. } => Some((*status, message.clone())),
    }
}

/// A stream whose first piece is there.
fn coming(first: Bytes, client: Client) -> Reply {
    let version = client.version();
    let mut reply = Response::new(Content::Coming(Some(first), client.pieces));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    if let Some(version) = version {
        headers.insert(X_VERSION, version);
    }
    reply
}

/// An error as clients of OpenAI's API read it.
fn openai_error(status: StatusCode, message: &str) -> Value {
    let (kind, code) = match status {
        StatusCode::NOT_FOUND => ("invalid_request_error", Some("model_not_found")),
        StatusCode::TOO_MANY_REQUESTS => ("rate_limit_error", Some("rate_limit_exceeded")),
        status if status.is_client_error() => ("invalid_request_error", None),
        _ => ("server_error", None),
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

async fn in_openai_form(reply: Reply) -> Reply {
    use http_body_util::BodyExt;
    let (mut head, body) = reply.into_parts();
    let bytes = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(never) => match never {},
    };
    // It was packed by no one: errors go plain.
    head.headers.remove(hyper::header::CONTENT_LENGTH);
    let error = openai_error(head.status, &status_words(&bytes)).to_string();
    Response::from_parts(head, Bytes::from(error).into())
}
