//! The protocol over gRPC: the table of methods, who may ask, and what each answers. What is told about server and models is what is told
//! over HTTP, as messages; predictions go the same way, and the gateway reads no more of them than whom they are for.

mod codec;
mod health;
mod status;

pub use status::words;

use crate::frame::{Body, Form};
use crate::gateway::access::Key;
use crate::gateway::handle::{Named, request_id};
use crate::gateway::predict::{Asked, By, Place, Said, predict};
use crate::gateway::reply::{Reply, X_REQUEST_ID, findings_words};
use crate::gateway::traced::Traced;
use crate::gateway::{Shared, about, repository, statistics};
use bytes::Bytes;
pub(crate) use codec::Raw;
use futures::StreamExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request, Response as Http, StatusCode};
use prost::Message;
use status::{of_said, told};
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::scan::Findings;
use tidegate_runtime::oip::grpc::messages as m;
use tonic::codec::CompressionEncoding;
use tonic::server::Grpc;
use tonic::{Request as Called, Response, Status, Streaming, body};
use tower::service_fn;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the protocol's method of its name")]
pub enum Method {
    ServerLive,
    ServerReady,
    ServerMetadata,
    ModelReady,
    ModelMetadata,
    ModelConfig,
    ModelStatistics,
    ModelInfer,
    ModelStreamInfer,
    RepositoryIndex,
    RepositoryModelLoad,
    RepositoryModelUnload,
    /// Of `grpc.health.v1.Health`.
    Check,
    /// Of `grpc.health.v1.Health`, too.
    Watch,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct MethodRow {
    /// What is asked.
    pub method: Method,
    /// The path of its requests.
    pub path: &'static str,
    /// Whether it is answered without a token.
    pub public: bool,
}

const fn row(method: Method, path: &'static str, public: bool) -> MethodRow {
    MethodRow { method, path, public }
}

/// Every method.
pub const METHODS: &[MethodRow] = &[
    row(Method::ServerLive, "/inference.GRPCInferenceService/ServerLive", true),
    row(Method::ServerReady, "/inference.GRPCInferenceService/ServerReady", true),
    row(Method::ServerMetadata, "/inference.GRPCInferenceService/ServerMetadata", true),
    row(Method::ModelReady, "/inference.GRPCInferenceService/ModelReady", false),
    row(Method::ModelMetadata, "/inference.GRPCInferenceService/ModelMetadata", false),
    row(Method::ModelConfig, "/inference.GRPCInferenceService/ModelConfig", false),
    row(Method::ModelStatistics, "/inference.GRPCInferenceService/ModelStatistics", false),
    row(Method::ModelInfer, "/inference.GRPCInferenceService/ModelInfer", false),
    row(Method::ModelStreamInfer, "/inference.GRPCInferenceService/ModelStreamInfer", false),
    row(Method::RepositoryIndex, "/inference.GRPCInferenceService/RepositoryIndex", false),
    row(Method::RepositoryModelLoad, "/inference.GRPCInferenceService/RepositoryModelLoad", false),
    row(Method::RepositoryModelUnload, "/inference.GRPCInferenceService/RepositoryModelUnload", false),
    row(Method::Check, "/grpc.health.v1.Health/Check", true),
    row(Method::Watch, "/grpc.health.v1.Health/Watch", true),
];

/// Whether a request is one of gRPC.
pub fn is_grpc<B>(request: &Request<B>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Answers one call.
pub async fn handle(shared: &Arc<Shared>, mut request: Request<Incoming>) -> Http<body::Body> {
    let path = request.uri().path();
    let row = METHODS.iter().find(|row| row.path == path);
    // Whoever has no token learns nothing about what exists.
    let key = shared.settings.tokens.admit(request.headers()).map(Arc::clone);
    if !row.is_some_and(|row| row.public) && key.is_none() {
        return unauthenticated().into_http();
    }
    let Some(row) = row else {
        return Status::unimplemented(format!("{path} is not answered here")).into_http();
    };
    let ids = request_id(shared, request.headers());
    if let Some(key) = key {
        request.extensions_mut().insert(key);
    }
    let mut grpc = Grpc::new(Raw)
        .max_decoding_message_size(shared.settings.body_bytes_max)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .send_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Deflate);
    let mut answer = if row.method == Method::Watch {
        let watch = |call: Called<Bytes>| std::future::ready(health::watch(shared, call));
        grpc.server_streaming(service_fn(watch), request).await
    } else if row.method == Method::ModelStreamInfer {
        let stream = |call: Called<Streaming<Bytes>>| {
            let (shared, ids) = (Arc::clone(shared), Arc::clone(&ids));
            async move { Ok::<_, Status>(Response::new(streamed(shared, row, ids, call))) }
        };
        grpc.streaming(service_fn(stream), request).await
    } else {
        let one = |call: Called<Bytes>| {
            let (shared, ids) = (Arc::clone(shared), Arc::clone(&ids));
            let traced = Traced::over_grpc(&shared, row, call.metadata().as_ref(), &ids);
            async move {
                let answer = traced.within(unary(&shared, row.method, &ids, call)).await;
                traced.came(answer)
            }
        };
        grpc.unary(service_fn(one), request).await
    };
    if let Ok(id) = HeaderValue::from_str(&ids) {
        answer.headers_mut().insert(X_REQUEST_ID, id);
    }
    answer
}

fn unauthenticated() -> Status {
    Status::unauthenticated("a token is needed: send the metadata `authorization: Bearer <token>`")
}

async fn unary(shared: &Arc<Shared>, method: Method, request_id: &Arc<str>, call: Called<Bytes>) -> Result<Response<Bytes>, Status> {
    let (metadata, mut extensions, body) = call.into_parts();
    let model = || read::<m::NamedModel>(&body).map(|of| Named { model: of.name, version: some(of.version) });
    match method {
        Method::ModelInfer => {
            let (body, version, found, by) = infer(shared, request_id, extensions.remove(), metadata.into_headers(), body).await?;
            let mut response = Response::new(body);
            if let Some(found) = (!found.is_empty()).then(|| findings_words(&found).parse().ok()).flatten() {
                response.metadata_mut().insert("x-tidegate-findings", found);
            }
            if let Some(by) = by.stands_in() {
                response.metadata_mut().insert("x-tidegate-fallback", tonic::metadata::MetadataValue::from_static(by));
            }
            if let Ok(version) = version.to_str().unwrap_or_default().parse() {
                response.metadata_mut().insert("x-tidegate-version", version);
            }
            Ok(response)
        }
        Method::ServerLive => written(&m::ServerLiveResponse { live: true }),
        Method::ServerReady => written(&m::ReadyResponse { ready: about::ready(shared).status() == StatusCode::OK }),
        Method::ServerMetadata => message::<m::ServerMetadataResponse>(about::server(shared)).await,
        Method::ModelReady => {
            let of = model()?;
            // As in Triton: a version that is not there is not ready, a model that is not there is an error.
            let known = shared.plan.load().by_model.contains_key(&of.model);
            match about::model_ready(shared, &of) {
                found if found.status() == StatusCode::NOT_FOUND && !known => Err(told(found).await),
                found => written(&m::ReadyResponse { ready: found.status() == StatusCode::OK }),
            }
        }
        Method::ModelMetadata => message::<m::ModelMetadataResponse>(about::model(shared, &model()?)).await,
        Method::ModelConfig => {
            let config = read_reply(about::configuration(shared, &model()?)).await?;
            written(&m::ModelConfigResponse { config: Some(config) })
        }
        Method::ModelStatistics => {
            let of = model()?;
            let found = if of.model.is_empty() { statistics::of_all(shared) } else { statistics::of_model(shared, &of) };
            message::<m::ModelStatisticsResponse>(found).await
        }
        Method::RepositoryIndex => {
            let asked: m::RepositoryIndexRequest = read(&body)?;
            let models = repository::listed(shared, asked.ready).into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
            written(&m::RepositoryIndexResponse { models: models.map_err(unlike)? })
        }
        Method::RepositoryModelLoad => {
            let asked: m::RepositoryModelLoad = read(&body)?;
            done(repository::loaded(shared, &asked.model_name, asked.parameters.keys().next().map(String::as_str))).await
        }
        Method::RepositoryModelUnload => {
            let asked: m::RepositoryModelUnload = read(&body)?;
            done(repository::unload(shared, &asked.model_name)).await
        }
        Method::Check => health::check(shared, &body),
        Method::ModelStreamInfer | Method::Watch => Err(Status::internal("a stream was read as one message")),
    }
}

/// Answers to the requests of a stream, each in its turn. One that fails says so in its answer, and the stream goes on.
fn streamed(
    shared: Arc<Shared>,
    row: &'static MethodRow,
    request_id: Arc<str>,
    call: Called<Streaming<Bytes>>,
) -> impl futures::Stream<Item = Result<Bytes, Status>> + Send + 'static {
    let (metadata, mut extensions, requests) = call.into_parts();
    let key: Option<Arc<Key>> = extensions.remove();
    let headers = metadata.into_headers();
    requests.then(move |request| {
        let (shared, request_id, key, headers) = (Arc::clone(&shared), Arc::clone(&request_id), key.clone(), headers.clone());
        async move {
            let traced = Traced::over_grpc(&shared, row, &headers, &request_id);
            let answer = traced.within(infer(&shared, &request_id, key, headers, request?)).await;
            let answer = match traced.came(answer) {
                Ok((body, ..)) => m::WrittenStreamResponse { error_message: String::new(), infer_response: Some(body) },
                Err(status) => m::WrittenStreamResponse { error_message: status.message().to_owned(), infer_response: None },
            };
            Ok(answer.encode_to_vec().into())
        }
    })
}

/// A prediction: the answer's message, the version that gave it, and what was found in its texts.
async fn infer(
    shared: &Arc<Shared>,
    request_id: &Arc<str>,
    key: Option<Arc<Key>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<(Bytes, HeaderValue, Findings, By), Status> {
    // Nobody comes here without a key: the method is not public.
    let key = key.ok_or_else(unauthenticated)?;
    let (_place, priority) = match Place::take(shared, &key, &headers) {
        Ok(place) => place,
        Err(shed) => return Err(of_said(shed)),
    };
    let m::Addressed { model_name, model_version } = read(&bytes)?;
    let version = some(model_version);
    let longest = Duration::from_millis(shared.settings.timings.answer_ms_max);
    let deadline = status::timeout(&headers).map_or(longest, |asked| asked.min(longest));
    let body = Body { bytes, form: Form::Grpc };
    let (model, version) = (model_name.as_str(), version.as_deref());
    let asked = Asked {
        model,
        version,
        caller: key.name(),
        headers: &headers,
        request_id,
        body: &body,
        priority,
        deadline,
        outlet: None,
        pinned: None,
    };
    // Held apart, as over HTTP.
    match Box::pin(predict(shared, asked)).await {
        Said::Answer { status: StatusCode::OK, body, version, found, by } => Ok((body.bytes, version, found, by)),
        said => Err(of_said(said)),
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn read<M: Message + Default>(bytes: &Bytes) -> Result<M, Status> {
    M::decode(bytes.as_ref()).map_err(|why| Status::invalid_argument(format!("failed to parse the request: {why}")))
}

fn written(message: &impl Message) -> Result<Response<Bytes>, Status> {
    Ok(Response::new(message.encode_to_vec().into()))
}

/// What HTTP says, as a message.
async fn message<M: Message + serde::de::DeserializeOwned>(reply: Reply) -> Result<Response<Bytes>, Status> {
    written(&read_reply::<M>(reply).await?)
}

async fn read_reply<M: serde::de::DeserializeOwned>(reply: Reply) -> Result<M, Status> {
    if reply.status() != StatusCode::OK {
        return Err(told(reply).await);
    }
    serde_json::from_slice(&status::body(reply).await).map_err(unlike)
}

/// Nothing, where HTTP says 200.
async fn done(reply: Reply) -> Result<Response<Bytes>, Status> {
    if reply.status() == StatusCode::OK { written(&m::Nothing {}) } else { Err(told(reply).await) }
}

fn unlike(error: serde_json::Error) -> Status {
    Status::internal(format!("what is told over HTTP is no message: {error}"))
}
