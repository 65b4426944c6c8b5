//! Versions that somebody else answers: a Triton, a KServe, another Tidegate, anything that speaks the Open Inference Protocol.
//!
//! The gateway passes bodies on as they came. Each server of the upstream is probed, and answers golden requests before it gets the
//! first one of a user and from then on: one that goes away, fails too often or answers wrong is left out, and what it owed is asked
//! once more elsewhere, within a budget. Not here: which version answers whom.

mod answer;
mod budget;
mod child;
mod choice;
mod connection;
mod describe;
mod health;
mod language;
mod model;
mod ports;
mod probe;
mod replica;
mod supervise;
mod upstream;

#[cfg(fuzzing)]
pub use connection::fuzz::reply as fuzz_reply;

pub use child::Program;
pub(crate) use connection::connector;
pub use describe::{DescribeError, Described, describe, time};
pub use model::{REMOTE_FILE, RemoteModel, RemoteScore};
pub(crate) use replica::{Replica, Server};
pub(crate) use supervise::supervise;
pub use upstream::{Address, Secret, Upstream};

use crate::clock;
use crate::frame::{Answer, Body, Form, Outcome};
use crate::language::{Outlet, Tap};
use crate::limits;
use crate::pool::NoAnswer;
use crate::promise::Promise;
use crate::scan::scanned;
use crate::sequence::Sequencing;
use crate::trace::{self, Span, Trace};
use answer::Meant;
use budget::Budget;
use bytes::{Bytes, BytesMut};
use child::Children;
use choice::{Nobody, Rules, View, choose};
use connection::{Connections, Lost, Outgoing};
use health::Health;
use hyper::header::HeaderValue;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tidegate_core::model::TensorSpec;
use tidegate_core::scan::Rules as ScanRules;
use tidegate_runtime::InferRequest;
use tidegate_runtime::oip::{self, Answering};
use tokio::time::Instant;

/// A version's servers.
pub(crate) struct Remote {
    upstream: Upstream,
    model: RemoteModel,
    /// As answers name it that are not passed on but written here.
    answering: Answering,
    /// What is looked for in texts of answers.
    scan: ScanRules,
    /// What answers are promised to be.
    promise: Promise,
    /// What its service carries along sequences.
    sequencing: Option<Sequencing>,
    path: String,
    token: Option<Secret>,
    pub(crate) replicas: Vec<Replica>,
    /// Those that are started here.
    pub(crate) children: Option<Children>,
    budget: Mutex<Budget>,
    turn: AtomicUsize,
    /// What the first server that was there said of the model.
    described: OnceLock<Described>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("upstream", &self.upstream).field("model", &self.model).finish_non_exhaustive()
    }
}

impl Remote {
    /// The servers of `upstream`, none of which was looked at.
    ///
    /// # Errors
    /// A sentence, when the upstream cannot be spoken to as it is configured.
    pub fn new(mut upstream: Upstream, model: RemoteModel, answering: Answering, scan: ScanRules) -> Result<Remote, String> {
        let children =
            upstream.program.clone().map(Children::new).transpose().map_err(|why| format!("upstream {}: {why}", upstream.name))?;
        if let Some(children) = &children {
            upstream.active = children.ports().map(|port| Address { tls: false, host: "127.0.0.1".to_owned(), port }).collect();
        }
        let tls = connection::connector(&upstream)?;
        let servers = upstream.active.len() + upstream.standby.len();
        if !(1..=limits::REPLICAS_MAX).contains(&servers) {
            return Err(format!("upstream {}: it has {} servers, 1 to {} are needed", upstream.name, servers, limits::REPLICAS_MAX));
        }
        // It stands in a head that is written by hand.
        if upstream.token.as_ref().is_some_and(|t| HeaderValue::try_from(&t.0).is_err()) {
            return Err(format!("upstream {}: its token holds characters that no header can", upstream.name));
        }
        let path = model.path();
        let token = upstream.token.clone();
        let every = upstream.active.iter().map(|a| (a, false)).chain(upstream.standby.iter().map(|a| (a, true)));
        let replica = |(address, standby): (&Address, bool)| {
            let health = Health::new(upstream.breaker, limits::PROBES_MISSED_MAX);
            let predict = head(address, token.as_ref(), "POST", &format!("{path}/infer"), "content-length: ");
            Ok(Replica::new(Connections::new(address.clone(), tls.as_ref())?, standby, predict, health))
        };
        let replicas = every.map(replica).collect::<Result<Vec<_>, String>>()?;
        let (budget, turn, described) = (Mutex::default(), AtomicUsize::new(0), OnceLock::new());
        Ok(Remote {
            upstream,
            model,
            answering,
            scan,
            promise: Promise::default(),
            sequencing: None,
            path,
            token,
            replicas,
            children,
            budget,
            turn,
            described,
        })
    }

    /// Its answers are held to a promise.
    pub fn promising(mut self, promise: Promise, sequencing: Option<Sequencing>) -> Remote {
        self.promise = promise;
        self.sequencing = sequencing;
        self
    }

    /// Whether its servers speak OpenAI's API.
    pub fn speaks_openai(&self) -> bool {
        self.model.openai.is_some()
    }

    /// Whether its servers take and give tensors as bytes, as far as is known.
    pub fn takes_bytes(&self) -> bool {
        self.described.get().is_some_and(|described| described.binary)
    }

    /// Name of the upstream.
    pub fn upstream(&self) -> &str {
        &self.upstream.name
    }

    /// Asks until `deadline` has passed: one server, and others where it does not answer and the budget allows.
    ///
    /// What a language model answers goes through the `outlet` while it comes, where there is one.
    pub async fn ask(&self, body: &Body, deadline: Duration, outlet: Option<&Outlet>) -> Result<Answer, NoAnswer> {
        self.budget().asked(clock::steady_ms());
        let until = Instant::from_std(clock::now()) + deadline;
        if let Form::Language(task) = body.form {
            return self.ask_language(task, &body.bytes, until, outlet).await;
        }
        if let Some(openai) = &self.model.openai {
            return self.ask_by_tensors(openai, body, until).await;
        }
        // Memory of the upstream's machine is nobody's here.
        if answer::may_name_memory(body)
            && let Some(why) = answer::fault(body, self.inputs())
        {
            return Ok(Answer::error(Outcome::ClientFault, &why));
        }
        let asked = match self.outgoing(body) {
            Ok(asked) => asked,
            Err(why) => return Ok(Answer::error(Outcome::ClientFault, &why)),
        };
        let answer = self.ask_all(&Question::of(asked.unwrap_or_else(|| body.clone())), until).await?;
        Ok(self.incoming(body, self.promise.kept(body, answer)))
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_all(&self, question: &Question<'_>, until: Instant) -> Result<Answer, NoAnswer> {
        let body = &question.body;
        let mut tried: u64 = 0;
        let mut last = Err(NoAnswer::NotReady);
        for attempt in 0..limits::REPLICA_ATTEMPTS_MAX {
            let at = match self.choose(tried) {
                Ok(at) => at,
                Err(Nobody::Full) if attempt == 0 => return Err(NoAnswer::Full),
                Err(_) => return last,
            };
            if attempt > 0 {
                // A body that a server broke over is not sent to the next one before it was read.
                if let Some(why) = answer::fault(body, self.inputs()) {
                    return Ok(Answer::error(Outcome::ClientFault, &why));
                }
                // What another server knows of a sequence, this one does not; and what has reached the client cannot be taken back.
                if question.begun() || body.may_be_of_sequence() || !self.budget().retry(clock::steady_ms()) {
                    return last;
                }
            }
            let Some(replica) = self.replicas.get(at) else { return last };
            tried |= 1 << at;
            if attempt > 0 {
                replica.counted.retried.fetch_add(1, Ordering::Relaxed);
            }
            last = match self.ask_one(replica, question, until, attempt as u64).await {
                One::Answer(answer) => return Ok(answer),
                One::Late => return Err(NoAnswer::Late),
                One::Left => return Err(NoAnswer::Left),
                One::Busy => Err(NoAnswer::Full),
                One::Failed(answer) => Ok(answer),
                One::Gone => Err(NoAnswer::Died),
            };
        }
        last
    }

    /// One server, once. Where the client goes away meanwhile, that says nothing of the server.
    async fn ask_one(&self, replica: &Replica, question: &Question<'_>, until: Instant, before: u64) -> One {
        let mut span = trace::upstream(&Trace::current(), self.upstream(), replica.connections.address(), question.path.as_deref(), before);
        let under_way = replica.begin();
        let meant = match self.reply(replica, question, until, &mut span).await {
            None => {
                span.said(None);
                under_way.was(false);
                return One::Late;
            }
            Some(meant) => meant,
        };
        match meant {
            Meant::Answer(answer, good) => {
                if let Some(good) = good {
                    under_way.was(good);
                }
                One::Answer(match (question.body.form, answer.outcome) {
                    // It was looked through when it was read.
                    (Form::Language(_), Outcome::Answered) => answer,
                    _ => scanned(answer, &self.scan, &self.answering),
                })
            }
            Meant::Busy => One::Busy,
            Meant::Failed(answer) => {
                under_way.was(false);
                let found = answer.found.clone();
                let answer = scanned(answer, &self.scan, &self.answering);
                One::Failed(if found.is_empty() { answer } else { Answer { found, ..answer } })
            }
            Meant::Gone => {
                under_way.was(false);
                One::Gone
            }
            // Taken out by a probe: that is known already.
            Meant::TakenOut => One::Gone,
            Meant::Left => One::Left,
        }
    }

    /// What a server replied; none where it took too long.
    async fn reply(&self, replica: &Replica, question: &Question<'_>, until: Instant, span: &mut Span) -> Option<Meant> {
        let outgoing = self.sent(replica, question, span.trace());
        let through = question.outlet.zip(self.meter(question));
        let Some((outlet, meter)) = through else {
            let left = async {
                match question.client {
                    Some(client) => client.left().await,
                    None => std::future::pending().await,
                }
            };
            let reply = tokio::select! {
                reply = tokio::time::timeout_at(until, replica.send(&outgoing, None)) => reply.ok()?,
                () = left => return Some(Meant::Left),
            };
            told(span, reply.as_ref());
            return Some(self.meant(question, reply));
        };
        let mut tap = Tap::new(outlet, meter);
        let reply = tokio::select! {
            reply = replica.send(&outgoing, Some(&mut tap)) => Some(reply),
            () = outlet.overdue() => {
                return outlet.begun().then(|| self.broken_off(tap.meter(), "the upstream's answer took longer than it may"));
            }
            () = outlet.left() => None,
        };
        if let Some(reply) = &reply {
            told(span, reply.as_ref());
        }
        Some(match reply {
            Some(Some(Ok(reply))) if reply.passed_on => self.streamed(tap.meter(), outlet.begun(), Ended::Whole),
            None | Some(Some(Err(Lost::Left))) => self.streamed(tap.meter(), outlet.begun(), Ended::Left),
            Some(Some(Err(lost))) if outlet.begun() => self.broken_off(tap.meter(), &format!("the upstream's answer broke off: {lost}")),
            Some(reply) => self.meant(question, reply),
        })
    }

    /// How a reply is meant that was not passed on.
    fn meant(&self, question: &Question<'_>, reply: Option<Result<connection::Reply, Lost>>) -> Meant {
        match reply {
            None => Meant::TakenOut,
            Some(Err(Lost::Long { .. })) => {
                Meant::Failed(Answer::error(Outcome::Failed, "the upstream's answer is longer than is passed on"))
            }
            Some(Err(Lost::Left)) => Meant::Left,
            Some(Err(lost)) => {
                tracing::debug!(upstream = %self.upstream.name, %lost, "a server gave no answer");
                Meant::Gone
            }
            Some(Ok(reply)) => match (answer::read(&question.body, reply, self.inputs(), self.model.score.as_ref()), question.body.form) {
                (Meant::Answer(answer, good), Form::Language(_)) if answer.outcome == Outcome::Answered => {
                    Meant::Answer(self.took(answer), good)
                }
                (meant, _) => meant,
            },
        }
    }

    /// What the model takes, as servers say.
    fn inputs(&self) -> &[TensorSpec] {
        self.described.get().map(|d| d.signature.inputs.as_slice()).unwrap_or_default()
    }

    fn choose(&self, tried: u64) -> Result<usize, Nobody> {
        let now_ms = clock::steady_ms();
        let mut views = [View::default(); limits::REPLICAS_MAX];
        for ((at, replica), view) in self.replicas.iter().enumerate().zip(&mut views) {
            let health = replica.health();
            *view = View {
                standby: replica.standby,
                well: health.well(now_ms),
                unfit: !health.right_so_far(),
                in_flight: replica.in_flight(),
                tried: tried >> at & 1 == 1,
            };
        }
        let views = views.get(..self.replicas.len()).unwrap_or_default();
        let rules = Rules {
            in_flight_max: self.upstream.in_flight_max,
            panic_bp: usize::try_from(self.upstream.panic_bp).unwrap_or(usize::MAX),
            burst: self.upstream.burst,
        };
        choose(views, rules, self.turn.fetch_add(1, Ordering::Relaxed))
    }

    fn head(&self, address: &Address, method: &str, path: &str, end: &str) -> Bytes {
        head(address, self.token.as_ref(), method, path, end)
    }

    /// A body as it goes out: what came over gRPC is written for HTTP, everything else stays as it is.
    fn outgoing(&self, body: &Body) -> Result<Option<Body>, String> {
        if body.form != Form::Grpc {
            return Ok(None);
        }
        let mut request = oip::grpc::read_request(&body.bytes).map_err(|e| e.message)?;
        Ok(Some(self.written(&mut request)))
    }

    /// A question as it goes out to a server.
    fn sent(&self, replica: &Replica, question: &Question<'_>, trace: &Trace) -> Outgoing {
        match &question.path {
            None => outgoing(&replica.predict, &question.body, trace),
            Some(path) => outgoing(&self.head(replica.connections.address(), "POST", path, "content-length: "), &question.body, trace),
        }
    }

    /// A request as this upstream reads it best.
    fn written(&self, request: &mut InferRequest) -> Body {
        if !self.described.get().is_some_and(|d| d.binary) {
            return Body::json(oip::write_infer_request(request));
        }
        request.parameters.insert("binary_data_output".to_owned(), true.into());
        oip::write_infer_request_as_bytes(request).into()
    }

    /// An answer in the form of its request.
    fn incoming(&self, asked: &Body, answer: Answer) -> Answer {
        if asked.form != Form::Grpc || answer.outcome != Outcome::Answered {
            return answer;
        }
        match oip::read_infer_response(answer.body.over_http()) {
            Ok((_, response)) => {
                let bytes = oip::grpc::write_response(&self.answering, &response).into();
                Answer { body: Body { bytes, form: Form::Grpc }, ..answer }
            }
            Err(error) => Answer::error(Outcome::Failed, &format!("the upstream's answer cannot be read: {}", error.message)),
        }
    }
}

/// What a server is asked.
pub(crate) struct Question<'a> {
    body: Body,
    /// Where it is not a prediction of the Open Inference Protocol.
    path: Option<String>,
    /// Where the answer goes while it comes.
    outlet: Option<&'a Outlet>,
    /// Whose end is the end of the question, also where the answer is given out whole.
    client: Option<&'a Outlet>,
    /// Whether the client is told of tokens at the end of a stream.
    usage_wanted: bool,
}

impl Question<'_> {
    /// A prediction.
    fn of(body: Body) -> Question<'static> {
        Question { body, path: None, outlet: None, client: None, usage_wanted: false }
    }

    /// Whether some of the answer has reached its client.
    fn begun(&self) -> bool {
        self.outlet.is_some_and(Outlet::begun)
    }
}

/// How a stream ended.
enum Ended {
    /// The server has said all.
    Whole,
    /// The client has left.
    Left,
}

/// Tells of a reply. A client that has left says nothing of the server.
fn told(span: &mut Span, reply: Option<&Result<connection::Reply, Lost>>) {
    match reply {
        Some(Err(Lost::Left)) => {}
        Some(Ok(reply)) => span.said(Some(reply.status)),
        Some(Err(_)) | None => span.said(None),
    }
}

/// What became of one attempt.
enum One {
    Answer(Answer),
    Late,
    Left,
    Busy,
    Failed(Answer),
    Gone,
}

/// The head of a request, up to and with `end`.
fn head(address: &Address, token: Option<&Secret>, method: &str, path: &str, end: &str) -> Bytes {
    let token = token.map_or_else(String::new, |t| format!("authorization: Bearer {}\r\n", t.0));
    format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{token}{end}", address.authority()).into()
}

/// The rest of a head, and the body.
fn outgoing(start: &[u8], body: &Body, trace: &Trace) -> Outgoing {
    use std::fmt::Write as _;
    let mut head = BytesMut::with_capacity(start.len() + 256);
    head.extend_from_slice(start);
    // Writing into memory does not fail.
    let _ = match body.form {
        Form::Mixed(json_bytes) => write!(
            head,
            "{}\r\ncontent-type: application/octet-stream\r\ninference-header-content-length: {json_bytes}\r\n",
            body.bytes.len()
        ),
        Form::Json | Form::Grpc | Form::Golden | Form::Language(_) => {
            write!(head, "{}\r\ncontent-type: application/json\r\n", body.bytes.len())
        }
    };
    trace.write(&mut head);
    head.extend_from_slice(b"\r\n");
    Outgoing { head: head.freeze(), body: body.clone() }
}
