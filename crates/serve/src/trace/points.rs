//! What is told of attempts, of the work of versions, and of servers elsewhere.

use super::span::Value;
use super::{Side, Span, Trace};
use crate::clock;
use crate::counts::Kind;
use crate::frame::{Answer, Outcome};
use crate::language::Generated;
use crate::plan::PlanTarget;
use crate::pool::NoAnswer;
use crate::remote::Address;
use crate::work::Work;
use hyper::StatusCode;
use std::borrow::Cow;

/// Names of spans.
const ATTEMPT: &str = "attempt";
const QUEUE: &str = "queue";
const INPUT: &str = "pre-processing";
const INFER: &str = "inference";
const OUTPUT: &str = "post-processing";
const UPSTREAM: &str = "POST /v2/models/{model}/infer";
const UPSTREAM_ROUTE: &str = "/v2/models/{model}/infer";

/// Begins an attempt at a target.
pub fn attempt(trace: &Trace, target: &PlanTarget, kind: Kind) -> Span {
    let mut span = trace.begin(ATTEMPT, Side::Internal);
    span.tell(|| {
        let why = match kind {
            Kind::First => "first",
            Kind::Retry => "retry",
            Kind::Direct => "direct",
            Kind::Mirrored => "mirrored",
        };
        [("tidegate.attempt", why.into())]
    });
    span.tell(|| target_told(target));
    span
}

/// Whom a target is.
fn target_told(target: &PlanTarget) -> [(&'static str, Value); 3] {
    [
        ("tidegate.service", Value::cut(&target.id.service)),
        ("tidegate.version", Value::Name(target.version.clone())),
        ("tidegate.role", Value::cut(&target.id.role.to_string())),
    ]
}

impl Trace {
    /// Tells who answered the request, and whether it is an answer that was given before.
    pub fn answered_by(&self, target: &PlanTarget, again: bool) {
        self.tell(|| target_told(target));
        if again {
            self.tell(|| [("tidegate.cache.hit", Value::True)]);
        }
    }
}

impl Span {
    /// The end of an attempt: what came of it, and the parts of it that the version's work was.
    pub fn came(&mut self, result: &Result<Answer, NoAnswer>) {
        if self.open.is_none() {
            return;
        }
        let word = match result {
            Ok(answer) => {
                self.worked(&answer.work);
                if let Some(Generated { tokens, first_token_us, .. }) = &answer.generated {
                    let whole = |count: u64| Value::Whole(i64::try_from(count).unwrap_or(i64::MAX));
                    self.tell(|| {
                        [("gen_ai.usage.input_tokens", whole(tokens.input)), ("gen_ai.usage.output_tokens", whole(tokens.output))]
                    });
                    if let Some(us) = first_token_us {
                        self.tell(|| [("tidegate.first_token_us", whole(*us as u64))]);
                    }
                }
                match answer.outcome {
                    Outcome::Answered => "answered",
                    Outcome::ClientFault => "client_fault",
                    Outcome::Refused => "refused",
                    Outcome::Failed => "failed",
                }
            }
            Err(NoAnswer::Draining) => "unloading",
            Err(NoAnswer::NotReady) => "not_ready",
            Err(NoAnswer::Full) => "full",
            Err(NoAnswer::Long) => "too_long",
            Err(NoAnswer::Died) => "died",
            Err(NoAnswer::Late) => "late",
            Err(NoAnswer::Left) => "left",
        };
        self.tell(|| [("tidegate.outcome", word.into())]);
        // What a caller does is no failure of the version.
        let well = match result {
            Ok(answer) => matches!(answer.outcome, Outcome::Answered | Outcome::ClientFault),
            Err(why) => *why == NoAnswer::Left,
        };
        if !well {
            self.fail(|| word.into());
        }
    }

    /// An attempt that was not made, because the target failed too often.
    pub fn spared(mut self) {
        self.tell(|| [("tidegate.outcome", "breaker_open".into())]);
        self.fail(|| "breaker_open".into());
    }

    /// The work of a version within an attempt that ends now. It says how long, not when: its parts are laid to the end, one after the other,
    /// and what was before them is waiting, and the ways there and back.
    fn worked(&self, work: &Work) {
        let Some(open) = &self.open else { return };
        if *work == Work::default() {
            return;
        }
        let whole = u64::try_from(clock::now().saturating_duration_since(open.began).as_nanos()).unwrap_or(u64::MAX);
        let mut from = whole.saturating_sub(work.input_ns.saturating_add(work.infer_ns).saturating_add(work.output_ns));
        self.part(QUEUE, 0, from);
        for (name, ns) in [(INPUT, work.input_ns), (INFER, work.infer_ns), (OUTPUT, work.output_ns)] {
            let to = from.saturating_add(ns).min(whole);
            self.part(name, from, to);
            from = to;
        }
    }

    /// A server's answer, or none.
    pub fn said(&mut self, status: Option<StatusCode>) {
        match status {
            Some(status) => {
                self.tell(|| [("http.response.status_code", status.as_u16().into())]);
                if status.is_client_error() || status.is_server_error() {
                    self.fail(|| Value::cut(status.as_str()));
                }
            }
            None => self.fail(|| "no_answer".into()),
        }
    }
}

/// Begins a request to a server elsewhere, at a path of its own where it is no prediction of the protocol, the first for the same or one after so many others.
pub fn upstream(trace: &Trace, name: &str, address: &Address, path: Option<&str>, before: u64) -> Span {
    let name_of = |path: &str| Cow::from(format!("POST {path}"));
    let mut span = trace.begin_with(|| path.map_or(UPSTREAM.into(), name_of), Side::Client);
    span.tell(|| {
        [
            ("http.request.method", "POST".into()),
            ("url.template", path.map_or(UPSTREAM_ROUTE.into(), Value::cut)),
            ("server.address", Value::cut(&address.host)),
            ("server.port", address.port.into()),
            ("tidegate.upstream", Value::cut(name)),
        ]
    });
    if before > 0 {
        span.tell(|| [("http.request.resend_count", Value::Whole(before.cast_signed()))]);
    }
    span
}
