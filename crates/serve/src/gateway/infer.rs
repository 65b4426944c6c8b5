//! A prediction: choose a target, ask it, once more elsewhere if it died, answer; the rest beside the path.

use crate::clock;
use crate::counts::Kind;
use crate::frame::Outcome;
use crate::gateway::Shared;
use crate::gateway::attempt::{Timed, Unanswered, attempt};
use crate::gateway::handle::{Call, read_body};
use crate::gateway::reply::{Reply, X_VERSION, error, json_bytes, status_of, unknown};
use crate::mirror::Copy;
use crate::plan::{PlanRoute, PlanTarget};
use crate::record::{ArmAnswer, Exposure, PredictionRecord};
use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Choices for one request while targets are being unloaded under it; each goes by the newest table.
const CHOICES_MAX: usize = 4;

/// A place among the requests being answered.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(active: &'a AtomicUsize, most: usize) -> Option<Place<'a>> {
        let place = Place(active);
        (active.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What stays the same over the attempts of one request.
struct Ask<'a> {
    shared: &'a Shared,
    model: &'a str,
    request_id: &'a Arc<str>,
    body: &'a Bytes,
    deadline: Duration,
}

/// Answers `POST .../infer`.
pub async fn infer(shared: &Arc<Shared>, call: Call) -> Reply {
    let Some(_place) = Place::take(&shared.active, shared.settings.requests_max) else {
        shared.shed.fetch_add(1, Ordering::Relaxed);
        return error(
            StatusCode::TOO_MANY_REQUESTS,
            &format!("{} requests are being answered, at most that many", shared.settings.requests_max),
        );
    };
    let Call { model, version, headers, body, request_id } = call;
    let body = match read_body(shared, &headers, body).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let deadline = Duration::from_millis(shared.settings.timings.answer_ms_max);
    let ask = Ask { shared, model: &model, request_id: &request_id, body: &body, deadline };
    for _ in 0..CHOICES_MAX {
        // The newest table: a body may have taken its time.
        let plan = shared.plan.load_full();
        let Some(route) = plan.by_model.get(&model) else { return unknown(&model, version.as_deref()) };
        let secret = &shared.settings.client_secret;
        let Some(choice) = choose(route, version.as_deref(), &headers, secret) else { return unknown(&model, version.as_deref()) };
        if let Some(reply) = ask.first(route, &choice).await {
            return reply;
        }
    }
    unavailable(&model)
}

/// Who is to answer a request.
struct Choice<'a> {
    target: &'a Arc<PlanTarget>,
    kind: Kind,
    /// What its client was drawn for: that stays so, whoever answers in the end.
    exposure: Option<Exposure>,
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
    async fn first(&self, route: &Arc<PlanRoute>, choice: &Choice<'_>) -> Option<Reply> {
        match attempt(choice.target, choice.kind, self.body, self.deadline).await {
            Ok(timed) => Some(self.answered(route, choice, timed)),
            Err(Unanswered::Draining) => None,
            Err(why @ Unanswered::Gone) if choice.kind == Kind::First => Some(self.elsewhere(route, choice, &why).await),
            // A variant's worker is there for the comparison alone: where it cannot keep up, the rest of the route has room.
            Err(why @ Unanswered::Full) if choice.exposure.is_some() => Some(self.elsewhere(route, choice, &why).await),
            Err(why) => Some(self.unanswered(route, choice, &why)),
        }
    }

    /// One more attempt, at another target that has weight now.
    async fn elsewhere(&self, route: &Arc<PlanRoute>, first: &Choice<'_>, why: &Unanswered) -> Reply {
        let plan = self.shared.plan.load_full();
        let now = plan.by_model.get(self.model);
        let Some((now, other)) = now.and_then(|now| Some((now, now.elsewhere(first.target)?))) else {
            return self.unanswered(route, first, why);
        };
        let choice = Choice { target: other, kind: Kind::Retry, exposure: first.exposure.clone() };
        match attempt(other, Kind::Retry, self.body, self.deadline).await {
            Ok(timed) => self.answered(now, &choice, timed),
            Err(why) => self.unanswered(now, &choice, &why),
        }
    }

    /// The reply to an answer; records and copies go their own ways.
    fn answered(&self, route: &Arc<PlanRoute>, choice: &Choice<'_>, timed: Timed) -> Reply {
        let target = choice.target;
        let Timed { answer, latency_us } = timed;
        let status = status_of(answer.outcome);
        let mut reply = json_bytes(status, answer.body);
        reply.headers_mut().insert(X_VERSION, target.header.clone());
        if answer.outcome == Outcome::ClientFault {
            return reply;
        }
        // Who asks for a version is not drawn by lot: their requests are not compared.
        let compared = route.mirror.as_ref().filter(|_| choice.kind != Kind::Direct);
        if let Some(candidate_first) = compared.and_then(|m| m.next()) {
            self.shared.mirror.offer(Copy {
                route: Arc::clone(route),
                candidate_first,
                body: self.body.clone(),
                request_id: Arc::clone(self.request_id),
                record_id: answer.record_id.clone(),
                event_time_ms: answer.event_time_ms,
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
            ..record
        };
        self.shared.records.offer(said);
        reply
    }

    fn unanswered(&self, route: &PlanRoute, choice: &Choice<'_>, why: &Unanswered) -> Reply {
        let reply = match why {
            Unanswered::Long => return error(StatusCode::PAYLOAD_TOO_LARGE, "the request is longer than a worker takes"),
            Unanswered::Full => error(StatusCode::TOO_MANY_REQUESTS, &format!("too many requests wait for model '{}'", self.model)),
            Unanswered::Late => error(
                StatusCode::GATEWAY_TIMEOUT,
                &format!("model '{}' gave no answer within {} ms", self.model, self.deadline.as_millis()),
            ),
            Unanswered::Gone | Unanswered::Draining => unavailable(self.model),
        };
        self.shared.records.offer(self.record(route, choice, reply.status(), 0.0));
        reply
    }

    fn record(&self, route: &PlanRoute, choice: &Choice<'_>, status: StatusCode, latency_us: f64) -> PredictionRecord {
        let target = choice.target;
        PredictionRecord {
            at_ms: clock::wall_ms(),
            event_time_ms: None,
            request_id: Arc::clone(self.request_id),
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
        }
    }
}

fn unavailable(model: &str) -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, &format!("model '{model}' cannot answer now: its worker is being started again"))
}
