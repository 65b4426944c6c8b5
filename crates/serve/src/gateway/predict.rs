//! A prediction, whatever protocol it is asked in: choose a target, ask it, once more elsewhere if it died, answer; the rest beside the
//! path.

use crate::allowance::Beyond;
use crate::cache::{Question, question};
use crate::clock;
use crate::counts::Kind;
use crate::frame::{Body, Form, Outcome};
use crate::gateway::Shared;
use crate::gateway::access::Key as Caller;
use crate::gateway::attempt::{Timed, Unanswered, Wish, attempt, attempt_or_divert};
use crate::gateway::fallback::{self, Keep};
use crate::gateway::reply::{X_PRIORITY, status_of, unknown_words};
use crate::gateway::sequence;
use crate::language::Outlet;
use crate::limits::BATCH_PLACES_BP;
use crate::mirror::Copy;
use crate::plan::{PlanRoute, PlanTarget};
use crate::pool::Priority;
use crate::record::{ArmAnswer, Exposure, PredictionRecord};
use crate::sequence::{Seat, Sequencing};
use crate::trace::Trace;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_core::scan::Findings;

/// Choices for one request while targets are being unloaded under it; each goes by the newest table.
const CHOICES_MAX: usize = 4;

/// A place among the requests being answered.
pub struct Place(Arc<Shared>);

impl Place {
    /// A place for a request of this key, which says itself how soon it is wanted or leaves that to the key. Where there is none, or the
    /// key has asked for more than it may, the request is shed.
    pub fn take(shared: &Arc<Shared>, caller: &Caller, headers: &HeaderMap) -> Result<(Place, Priority), Said> {
        let priority = match headers.get(&X_PRIORITY).map(|value| value.to_str().ok().and_then(Priority::parse)) {
            None => caller.priority(),
            // A key of batch priority does not come before others by saying so.
            Some(Some(said)) => said.max(caller.priority()),
            Some(None) => return Err(Said::error(StatusCode::BAD_REQUEST, "x-tidegate-priority must be `interactive` or `batch`")),
        };
        let place = Place(Arc::clone(shared));
        let most = match (priority, shared.settings.requests_max) {
            (Priority::Interactive, most) => most,
            (Priority::Batch, most) => most.saturating_mul(BATCH_PLACES_BP) / 10_000,
        };
        if shared.active.fetch_add(1, Ordering::Relaxed) < most {
            // Last: what is shed for the sake of others is not held against the key.
            return match caller.take() {
                Ok(()) => Ok((place, priority)),
                Err(beyond) => Err(Said::Error {
                    status: StatusCode::TOO_MANY_REQUESTS,
                    message: beyond_words(caller.name(), beyond),
                    wait_ms: beyond.wait_ms(),
                }),
            };
        }
        shared.shed.fetch_add(1, Ordering::Relaxed);
        Err(Said::error(StatusCode::TOO_MANY_REQUESTS, format!("{most} requests are being answered, at most that many")))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub model: &'a str,
    /// Where one in particular is meant.
    pub version: Option<&'a str>,
    /// Name of the key that asks.
    pub caller: &'a str,
    /// What may say who asks, and for what.
    pub headers: &'a HeaderMap,
    pub request_id: &'a Arc<str>,
    pub body: &'a Body,
    /// How soon the answer is wanted.
    pub priority: Priority,
    /// How long the answer may take.
    pub deadline: Duration,
    /// Where what a language model answers goes while it comes.
    pub outlet: Option<&'a Outlet>,
    /// Who its sequence is with.
    pub pinned: Option<Pinned<'a>>,
}

/// The target that a sequence is with.
#[derive(Clone, Copy)]
pub struct Pinned<'a> {
    pub seat: &'a Seat,
    /// No other version may go on.
    pub alone: bool,
}

impl<'a> Asked<'a> {
    fn wish(&self) -> Wish<'a> {
        Wish { body: self.body, priority: self.priority, deadline: self.deadline, outlet: self.outlet }
    }
}

/// How an answer came to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Its version was asked.
    Asked,
    /// It was given before.
    Cache,
    /// Nobody who should answer could, and an older version did.
    OlderVersion,
    /// Nobody could, and the same request had been answered not long before.
    Kept,
    /// Nobody could, and it was declared for that.
    Declared,
}

impl By {
    /// As the header says it, where somebody else stands in or what was declared does.
    pub fn stands_in(self) -> Option<&'static str> {
        match self {
            By::Asked | By::Cache => None,
            By::OlderVersion => Some("version"),
            By::Kept => Some("cached"),
            By::Declared => Some("declared"),
        }
    }
}

/// What came of it.
pub enum Said {
    /// A worker's answer, good or not, the version that gave it, how it came to give it, and what was found in its texts.
    Answer { status: StatusCode, body: Body, version: HeaderValue, by: By, found: Findings },
    /// No worker's, and after how long it may be asked again, where that makes sense; 0: soon.
    Error { status: StatusCode, message: String, wait_ms: u64 },
}

impl Said {
    pub fn error(status: StatusCode, message: impl Into<String>) -> Said {
        Said::Error { status, message: message.into(), wait_ms: 0 }
    }
}

/// Has a request answered.
pub async fn predict(shared: &Shared, asked: Asked<'_>) -> Said {
    // A body is searched only where its service has sequences at all.
    if let Some(route) = shared.plan.load().by_model.get(asked.model).filter(|route| sequencing(route).is_some()).map(Arc::clone)
        && let Some(sequencing) = sequencing(&route)
        && !matches!(asked.body.form, Form::Language(_))
        && asked.body.may_be_of_sequence()
    {
        return sequence::predict(shared, asked, &route, sequencing).await;
    }
    let said = routed(shared, asked).await;
    fallback::or_what_stands_in(shared, asked, said).await
}

/// How requests of a service follow one another, where they do.
fn sequencing(route: &PlanRoute) -> Option<&Sequencing> {
    route.targets.first()?.slot.spec.conduct.sequence.as_ref()
}

/// Has a request answered by who the route says.
pub async fn routed(shared: &Shared, asked: Asked<'_>) -> Said {
    let unknown = || Said::error(StatusCode::NOT_FOUND, unknown_words(asked.model, asked.version));
    for _ in 0..CHOICES_MAX {
        // The newest table: a body may have taken its time.
        let plan = shared.plan.load_full();
        let Some(route) = plan.by_model.get(asked.model) else { return unknown() };
        let secret = &shared.settings.client_secret;
        let choice = match asked.pinned {
            Some(pinned) => match with(route, pinned) {
                Some(choice) => Some(choice),
                None if pinned.alone => {
                    let why = format!("version {} of the sequence is not served any more: begin anew", pinned.seat.target.version);
                    return Said::error(StatusCode::CONFLICT, why);
                }
                None => choose(route, asked.version, asked.headers, secret),
            },
            None => choose(route, asked.version, asked.headers, secret),
        };
        let Some(choice) = choice else { return unknown() };
        if let Some(said) = (Ask { shared, asked: &asked }).first(route, &choice).await {
            return said;
        }
    }
    unavailable(asked.model)
}

/// What stays the same over the attempts of one request.
struct Ask<'a> {
    shared: &'a Shared,
    asked: &'a Asked<'a>,
}

/// Who is to answer a request.
struct Choice<'a> {
    target: &'a Arc<PlanTarget>,
    kind: Kind,
    /// What its client was drawn for: that stays so, whoever answers in the end.
    exposure: Option<Exposure>,
}

/// Who goes on with a sequence, counted as its first request was; none where its version is gone, or away while another may go on.
fn with<'a>(route: &'a PlanRoute, Pinned { seat, alone }: Pinned<'_>) -> Option<Choice<'a>> {
    let all =
        route.targets.iter().chain(&route.preview).chain(route.lot.iter().flat_map(|lot| lot.variants.iter().map(|(target, _)| target)));
    let same = all.into_iter().find(|target| target.id == seat.target);
    let target = same.or_else(|| route.of_version(&seat.target.version)).filter(|target| alone || target.slot.ready())?;
    Some(Choice { target, kind: seat.kind, exposure: seat.exposure.clone() })
}

/// Who is drawn for the first request of a sequence.
pub fn seated(shared: &Shared, route: &PlanRoute, asked: &Asked<'_>) -> Option<(Seat, Arc<PlanTarget>)> {
    let choice = choose(route, asked.version, asked.headers, &shared.settings.client_secret)?;
    let seat = Seat { target: choice.target.id.clone(), kind: choice.kind, exposure: choice.exposure };
    Some((seat, Arc::clone(choice.target)))
}

/// Who answers; none when the version named has no weight.
fn choose<'a>(route: &'a PlanRoute, version: Option<&str>, headers: &HeaderMap, secret: &[u8; 32]) -> Option<Choice<'a>> {
    let choice = |target, kind| Choice { target, kind, exposure: None };
    if let Some(version) = version {
        return route.of_version(version).map(|t| choice(t, Kind::Direct));
    }
    let values = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    if let (Some(preview), Some(target)) = (&route.route.preview, &route.preview)
        && preview.asked(values)
    {
        return Some(choice(target, Kind::Direct));
    }
    if let Some((target, exposure)) = route.route.lot.as_ref().and_then(|lot| route.drawn(lot.carrier.value(values), secret)) {
        return Some(Choice { target, kind: Kind::First, exposure: Some(exposure) });
    }
    let sticky = route.route.sticky.as_ref().and_then(|s| route.sticky(&s.salt, s.carrier.value(values).filter(|key| !key.is_empty())?));
    Some(choice(sticky.unwrap_or_else(|| route.next()), Kind::First))
}

impl Ask<'_> {
    /// The reply; none when the target is being unloaded and another choice must be made.
    async fn first(&self, route: &Arc<PlanRoute>, choice: &Choice<'_>) -> Option<Said> {
        // A body is read for what it asks only where an answer may be kept.
        let kept = route.keeps().filter(|_| choice.kind == Kind::First).and_then(|lasts| Some((lasts, question(self.asked.body)?)));
        let keep = Keep::before(route, choice.target, self.asked.body);
        let (result, again) = match kept {
            Some((lasts, question)) => self.kept(route, choice, lasts, &question).await,
            None => (self.attempt(route, choice).await, false),
        };
        match result {
            Ok(timed) => {
                // What was given again is as old as it is.
                if let Some(keep) = keep.filter(|_| !again) {
                    keep.after(self.shared, &timed.answer).await;
                }
                Some(self.answered(route, choice, timed, again))
            }
            Err(Unanswered::Draining) => None,
            Err(why @ (Unanswered::Gone | Unanswered::Broken)) if choice.kind == Kind::First && !self.begun() => {
                Some(self.elsewhere(route, choice, &why).await)
            }
            // A variant's worker is there for the comparison alone: where it cannot keep up, the rest of the route has room.
            Err(why @ Unanswered::Full) if choice.exposure.is_some() => Some(self.elsewhere(route, choice, &why).await),
            Err(why) => Some(self.unanswered(route, choice, &why)),
        }
    }

    /// Whether some of an answer has reached the client: then nobody else can give one.
    fn begun(&self) -> bool {
        self.asked.outlet.is_some_and(Outlet::begun)
    }

    /// Whether another one that is well may answer.
    fn others(&self, route: &PlanRoute, choice: &Choice<'_>) -> bool {
        route.has_well(choice.target) && route.elsewhere(choice.target).is_some_and(|other| self.may(other))
    }

    /// Whether this one may answer: a sequence may be with one version alone.
    fn may(&self, other: &PlanTarget) -> bool {
        self.asked.pinned.is_none_or(|pinned| !pinned.alone || other.id.version == pinned.seat.target.version)
    }

    async fn attempt(&self, route: &Arc<PlanRoute>, choice: &Choice<'_>) -> Result<Timed, Unanswered> {
        let wish = self.asked.wish();
        match choice.kind {
            Kind::First => attempt_or_divert(choice.target, wish, || self.others(route, choice)).await,
            kind => attempt(choice.target, kind, wish).await,
        }
    }

    /// An answer that was given before, or one that is from now on; and which of them it is.
    async fn kept(
        &self,
        route: &Arc<PlanRoute>,
        choice: &Choice<'_>,
        lasts: Duration,
        question: &Question,
    ) -> (Result<Timed, Unanswered>, bool) {
        let start = clock::now();
        let key = route.key(choice.target, question);
        let (target, others) = (Arc::clone(choice.target), Arc::clone(route));
        let (body, priority, deadline) = (self.asked.body.clone(), self.asked.priority, self.asked.deadline);
        let ask = async move {
            let wish = Wish { body: &body, priority, deadline, outlet: None };
            let timed = attempt_or_divert(&target, wish, || others.has_well(&target)).await;
            timed.map(|timed| timed.answer)
        };
        // What is carried out for several belongs to the trace of the first.
        let ask = Trace::current().within(ask);
        match self.shared.cache.answer(key, question, lasts, &route.cached, ask).await {
            Some(Ok((answer, again))) => (Ok(Timed { answer, latency_us: clock::elapsed_us(start) }), again),
            Some(Err(why)) => (Err(why), false),
            None => (self.attempt(route, choice).await, false),
        }
    }

    /// One more attempt, at another target that has weight now.
    async fn elsewhere(&self, route: &Arc<PlanRoute>, first: &Choice<'_>, why: &Unanswered) -> Said {
        let plan = self.shared.plan.load_full();
        let now = plan.by_model.get(self.asked.model);
        let Some((now, other)) = now.and_then(|now| Some((now, now.elsewhere(first.target).filter(|other| self.may(other))?))) else {
            return self.unanswered(route, first, why);
        };
        let choice = Choice { target: other, kind: Kind::Retry, exposure: first.exposure.clone() };
        let keep = Keep::before(now, other, self.asked.body);
        match attempt(other, Kind::Retry, self.asked.wish()).await {
            Ok(timed) => {
                if let Some(keep) = keep {
                    keep.after(self.shared, &timed.answer).await;
                }
                self.answered(now, &choice, timed, false)
            }
            Err(why) => self.unanswered(now, &choice, &why),
        }
    }

    /// The reply to an answer; records and copies go their own ways.
    fn answered(&self, route: &Arc<PlanRoute>, choice: &Choice<'_>, timed: Timed, again: bool) -> Said {
        let target = choice.target;
        let Timed { answer, latency_us } = timed;
        let status = status_of(answer.outcome);
        let version = target.header.clone();
        let trace = Trace::current();
        trace.answered_by(target, again);
        let by = if again { By::Cache } else { By::Asked };
        if answer.outcome == Outcome::ClientFault {
            return Said::Answer { status, body: answer.body, version, by, found: answer.found };
        }
        // Who asks for a version is not drawn by lot: their requests are not compared.
        let compared = route.mirror.as_ref().filter(|_| choice.kind != Kind::Direct);
        if let Some(candidate_first) = compared.and_then(|m| m.next()) {
            self.shared.mirror.offer(Copy {
                route: Arc::clone(route),
                candidate_first,
                body: self.asked.body.clone(),
                request_id: Arc::clone(self.asked.request_id),
                record_id: answer.record_id.clone(),
                event_time_ms: answer.event_time_ms,
                trace,
                live: ArmAnswer {
                    version: Arc::clone(&target.version),
                    ok: answer.outcome == Outcome::Answered,
                    score: answer.score,
                    latency_us,
                    inputs: answer.inputs.clone(),
                },
            });
        }
        let record = self.record(route, choice, status, latency_us);
        let said = PredictionRecord {
            event_time_ms: answer.event_time_ms,
            record_id: answer.record_id,
            score: answer.score,
            inputs: answer.inputs,
            found: answer.found.clone(),
            ..record
        };
        self.shared.records.offer(said, self.asked.body, &target.slot.spec.conduct.scan);
        Said::Answer { status, body: answer.body, version, by, found: answer.found }
    }

    fn unanswered(&self, route: &PlanRoute, choice: &Choice<'_>, why: &Unanswered) -> Said {
        let model = self.asked.model;
        let (status, message) = match why {
            Unanswered::Long => return Said::error(StatusCode::PAYLOAD_TOO_LARGE, "the request is longer than a worker takes"),
            Unanswered::Full => (StatusCode::TOO_MANY_REQUESTS, format!("too many requests wait for model '{model}'")),
            Unanswered::Late if self.asked.outlet.is_some() => {
                (StatusCode::GATEWAY_TIMEOUT, format!("model '{model}' took longer than its answers may"))
            }
            Unanswered::Late => {
                let within_ms = self.asked.deadline.as_millis();
                (StatusCode::GATEWAY_TIMEOUT, format!("model '{model}' gave no answer within {within_ms} ms"))
            }
            Unanswered::Gone | Unanswered::Draining | Unanswered::Broken => (StatusCode::SERVICE_UNAVAILABLE, unavailable_words(model)),
        };
        let record = self.record(route, choice, status, 0.0);
        self.shared.records.offer(record, self.asked.body, &choice.target.slot.spec.conduct.scan);
        Said::error(status, message)
    }

    fn record(&self, route: &PlanRoute, choice: &Choice<'_>, status: StatusCode, latency_us: f64) -> PredictionRecord {
        let target = choice.target;
        PredictionRecord {
            at_ms: clock::wall_ms(),
            event_time_ms: None,
            request_id: Arc::clone(self.asked.request_id),
            record_id: String::new(),
            service: Arc::clone(&route.service),
            model: Arc::clone(&route.model),
            version: Arc::clone(&target.version),
            role: target.id.role,
            mirrored: false,
            compared: choice.kind == Kind::First,
            generation: route.generation,
            status: status.as_u16(),
            latency_us,
            score: None,
            inputs: Vec::new(),
            exposure: choice.exposure.clone(),
            trace: Trace::current().recorded(),
            found: Findings::default(),
        }
    }
}

fn beyond_words(key: &str, beyond: Beyond) -> String {
    match beyond {
        Beyond::Rate { wait_ms } => format!("key '{key}' asks for more a second than it may: wait {wait_ms} ms"),
        Beyond::Day { .. } => format!("key '{key}' has asked for as much as it may today: its quota begins anew at midnight UTC"),
    }
}

fn unavailable(model: &str) -> Said {
    Said::error(StatusCode::SERVICE_UNAVAILABLE, unavailable_words(model))
}

fn unavailable_words(model: &str) -> String {
    format!("model '{model}' cannot answer now: its worker is being started again")
}
