//! The span of a request's whole answer, over HTTP and gRPC: when one is begun, and what is told of it.

use crate::gateway::Shared;
use crate::gateway::endpoints::{Endpoint, EndpointRow};
use crate::gateway::grpc::MethodRow;
use crate::gateway::reply::Reply;
use crate::trace::{Span, Trace, Value};
use hyper::header::USER_AGENT;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Version};
use std::future::Future;
use std::sync::Arc;
use tokio::task::futures::TaskLocalFuture;
use tonic::{Code, Status};

/// What begins a path of gRPC, and divides it.
const SLASH: char = '/';

/// A request whose answer is under way.
pub struct Traced(Span);

impl Traced {
    /// A request over HTTP. What is answered to anybody is not recorded: health is asked for all the time, and by whom nobody knows.
    pub fn over_http(shared: &Shared, row: &'static EndpointRow, parts: &Parts, request_id: &Arc<str>) -> Traced {
        let tracer = shared.tracer.as_ref().filter(|_| !row.public && row.endpoint != Endpoint::Metrics);
        let mut span = Trace::of_request(tracer, &parts.headers, || format!("{} {}", row.method, row.path).into());
        span.tell(|| {
            [
                ("http.request.method", row.method.into()),
                ("http.route", row.path.into()),
                ("url.path", Value::cut(parts.uri.path())),
                ("url.scheme", if shared.settings.tls.is_some() { "https".into() } else { "http".into() }),
                ("network.protocol.version", if parts.version < Version::HTTP_2 { "1.1".into() } else { "2".into() }),
                ("tidegate.request_id", Value::Name(Arc::clone(request_id))),
            ]
        });
        agent(&mut span, &parts.headers);
        Traced(span)
    }

    /// A call over gRPC, or one message of a stream.
    pub fn over_grpc(shared: &Shared, row: &'static MethodRow, headers: &HeaderMap, request_id: &Arc<str>) -> Traced {
        let name = row.path.trim_start_matches(SLASH);
        let mut span = Trace::of_request(shared.tracer.as_ref().filter(|_| !row.public), headers, || name.into());
        let (service, method) = name.split_once(SLASH).unwrap_or((name, ""));
        span.tell(|| {
            [
                ("rpc.system", "grpc".into()),
                ("rpc.service", service.into()),
                ("rpc.method", method.into()),
                ("tidegate.request_id", Value::Name(Arc::clone(request_id))),
            ]
        });
        agent(&mut span, headers);
        Traced(span)
    }

    /// Has it answered.
    pub fn within<F: Future>(&self, answering: F) -> TaskLocalFuture<Trace, F> {
        self.0.within(answering)
    }

    /// What is answered over HTTP.
    pub fn replied(mut self, mut reply: Reply) -> Reply {
        let status = reply.status();
        self.0.tell(|| [("http.response.status_code", status.as_u16().into())]);
        if status.is_server_error() {
            self.0.fail(|| Value::cut(status.as_str()));
        }
        // An answer that is still coming ends with its last piece.
        reply.body_mut().ends(self.0);
        reply
    }

    /// What is answered over gRPC.
    pub fn came<T>(mut self, result: Result<T, Status>) -> Result<T, Status> {
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        self.0.tell(|| [("rpc.grpc.status_code", Value::Whole(i32::from(code).into()))]);
        // As the conventions have it: what is the caller's doing is no error of a server.
        if matches!(
            code,
            Code::Unknown | Code::DeadlineExceeded | Code::Unimplemented | Code::Internal | Code::Unavailable | Code::DataLoss
        ) {
            self.0.fail(|| Value::cut(&i32::from(code).to_string()));
        }
        result
    }
}

fn agent(span: &mut Span, headers: &HeaderMap) {
    if let Some(agent) = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()) {
        span.tell(|| [("user_agent.original", Value::cut(agent))]);
    }
}
