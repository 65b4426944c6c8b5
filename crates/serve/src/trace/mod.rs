//! Traces: which request belongs to which one, what is told of it, and who is told.
//!
//! A [`Trace`] goes beside a request, known to the task that answers it ([`Trace::current`]): what does not care for traces does not mention
//! them. Its [`Span`]s are values once they have ended, and wait in a bounded queue for the task that sends them. A request that is not
//! recorded costs a look at two headers, and no memory.

mod context;
mod export;
mod ids;
mod limits;
#[cfg(test)]
mod oracle;
mod otlp;
mod points;
mod retry;
mod sample;
mod settings;
mod span;

pub use context::TraceId;
pub use export::Tracer;
pub use points::{attempt, upstream};
pub use settings::{Endpoint, TraceSettings, headers};
pub use span::{Side, Value};

use crate::clock;
use bytes::BytesMut;
use context::{Context, SpanId, TRACEPARENT, TRACESTATE};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use span::{Attribute, Ended};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static CURRENT: Trace;
}

/// The trace of a request, and the span within which something is done for it.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// None where nobody has said anything of a trace and none is begun.
    context: Option<Context>,
    state: Option<HeaderValue>,
    /// None where it is not recorded.
    recording: Option<Arc<Recording>>,
}

/// What is kept of a request that is recorded, until its last span has ended.
#[derive(Debug)]
struct Recording {
    tracer: Arc<Tracer>,
    /// One moment by both clocks: times of spans are told by the steady one.
    at: Instant,
    at_ns: u64,
    /// What is told of the span of the whole request.
    told: Mutex<Vec<Attribute>>,
}

impl Recording {
    fn ns(&self, at: Instant) -> u64 {
        let after = u64::try_from(at.saturating_duration_since(self.at).as_nanos()).unwrap_or(u64::MAX);
        self.at_ns.saturating_add(after)
    }
}

impl Trace {
    /// That of the task that asks; an empty one elsewhere.
    pub fn current() -> Trace {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Does something within it. No function that waits itself: such a one would hold what it waits for twice, and so would each around it.
    pub fn within<F: Future>(self, future: F) -> TaskLocalFuture<Trace, F> {
        CURRENT.scope(self, future)
    }

    /// The trace that a request belongs to, and the span of its answer; `tracer` where traces are recorded.
    pub fn of_request(tracer: Option<&Arc<Tracer>>, headers: &HeaderMap, name: impl FnOnce() -> Cow<'static, str>) -> Span {
        let said = context::read(headers);
        let (context, state, parent) = match (said, tracer) {
            (None, None) => return Span::default(),
            (Some(said), _) => (said.context, said.state, Some(said.context.span)),
            (None, Some(tracer)) => (tracer.begin(), None, None),
        };
        let Some(tracer) = tracer.filter(|_| context.sampled()) else {
            // Nothing is told of it: whoever is asked for its sake belongs to the caller's span.
            return Span { trace: Trace { context: Some(context), state, recording: None }, open: None };
        };
        let recording = Recording { tracer: Arc::clone(tracer), at: clock::now(), at_ns: clock::wall_ns(), told: Mutex::default() };
        let trace = Trace { context: Some(context), state, recording: Some(Arc::new(recording)) };
        let mut span = trace.begin(name(), Side::Server);
        if let Some(open) = &mut span.open {
            (open.parent, open.remote, open.whole) = (parent, parent.is_some(), true);
        }
        span
    }

    /// Begins a span within this one.
    pub fn begin(&self, name: impl Into<Cow<'static, str>>, side: Side) -> Span {
        self.begin_with(|| name.into(), side)
    }

    /// The same, with a name that is made where it is recorded.
    pub fn begin_with(&self, name: impl FnOnce() -> Cow<'static, str>, side: Side) -> Span {
        let (Some(context), Some(recording)) = (self.context, &self.recording) else {
            return Span { trace: self.clone(), open: None };
        };
        let trace = Trace { context: Some(context.with(recording.tracer.span_id())), ..self.clone() };
        let open = Open {
            parent: Some(context.span),
            remote: false,
            whole: false,
            name: name(),
            side,
            began: clock::now(),
            attributes: Vec::new(),
            failed: false,
        };
        Span { trace, open: Some(Box::new(open)) }
    }

    /// Its identifier, where it is recorded.
    pub fn recorded(&self) -> Option<TraceId> {
        self.recording.as_ref().and(self.context).map(|context| context.trace)
    }

    /// Tells something of the whole request.
    pub fn tell<const N: usize>(&self, told: impl FnOnce() -> [Attribute; N]) {
        if let Some(recording) = &self.recording {
            recording.told.lock().unwrap_or_else(PoisonError::into_inner).extend(told());
        }
    }

    /// Writes it as headers of HTTP/1.1.
    pub fn write(&self, head: &mut BytesMut) {
        let Some(context) = self.context else { return };
        // Writing into memory does not fail.
        let _ = write!(head, "{TRACEPARENT}: {context}\r\n");
        if let Some(state) = &self.state {
            for part in [TRACESTATE.as_str().as_bytes(), b": ", state.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
    }
}

/// A span under way; it ends when it is dropped. Of a request that is not recorded it is nothing but its trace.
#[derive(Debug, Default)]
pub struct Span {
    trace: Trace,
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    parent: Option<SpanId>,
    remote: bool,
    /// Whether it is that of the whole request.
    whole: bool,
    name: Cow<'static, str>,
    side: Side,
    began: Instant,
    attributes: Vec<Attribute>,
    failed: bool,
}

impl Span {
    /// The trace, with this span as the one within which something is done.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Does something within it.
    pub fn within<F: Future>(&self, future: F) -> TaskLocalFuture<Trace, F> {
        self.trace.clone().within(future)
    }

    /// Tells something of it.
    pub fn tell<const N: usize>(&mut self, told: impl FnOnce() -> [Attribute; N]) {
        if let Some(open) = &mut self.open {
            open.attributes.extend(told());
        }
    }

    /// It failed; of what kind that is, is told.
    pub fn fail(&mut self, kind: impl FnOnce() -> Value) {
        if let Some(open) = &mut self.open {
            open.failed = true;
            open.attributes.push(("error.type", kind()));
        }
    }

    /// Tells of a part of it that is over, between two moments in nanoseconds since it began.
    fn part(&self, name: &'static str, from_ns: u64, to_ns: u64) {
        let (Some(open), Some(recording), Some(context)) = (&self.open, &self.trace.recording, self.trace.context) else { return };
        let began_ns = recording.ns(open.began);
        recording.tracer.offer(Ended {
            context: context.with(recording.tracer.span_id()),
            parent: Some(context.span),
            remote: false,
            state: self.trace.state.clone(),
            name: name.into(),
            side: Side::Internal,
            began_ns: began_ns.saturating_add(from_ns),
            ended_ns: began_ns.saturating_add(to_ns),
            attributes: Vec::new(),
            failed: false,
        });
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(open), Some(recording), Some(context)) = (self.open.take(), &self.trace.recording, self.trace.context) else { return };
        let mut attributes = open.attributes;
        if open.whole {
            attributes.append(&mut recording.told.lock().unwrap_or_else(PoisonError::into_inner));
        }
        recording.tracer.offer(Ended {
            context,
            parent: open.parent,
            remote: open.remote,
            state: self.trace.state.clone(),
            name: open.name,
            side: open.side,
            began_ns: recording.ns(open.began),
            ended_ns: recording.ns(clock::now()),
            attributes,
            failed: open.failed,
        });
    }
}
