//! A prediction: choose a target, ask it, once more elsewhere if it died, answer; the rest beside the path.

use crate::clock;
use crate::counts::Kind;
use crate::frame::{Body, Outcome};
use crate::gateway::Shared;
use crate::gateway::attempt::{Timed, Unanswered, attempt};
use crate::gateway::coding::{self, Coding};
use crate::gateway::handle::{Call, read_body};
use crate::gateway::reply::{self, Reply, X_JSON_BYTES, X_VERSION, error, status_of, unknown};
use crate::mirror::Copy;
use crate::plan::{PlanRoute, PlanTarget};
use crate::record::{ArmAnswer, Exposure, PredictionRecord};
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
    body: &'a Body,
    /// How the client takes a packed answer.
    coding: Option<Coding>,
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
        Ok(bytes) => match json_bytes(&headers, bytes.len()) {
            Ok(json_bytes) => Body { bytes, json_bytes },
            Err(message) => return error(StatusCode::BAD_REQUEST, &message),
        },
        Err(reply) => return reply,
    };
    let deadline = Duration::from_millis(shared.settings.timings.answer_ms_max);
    let ask = Ask { shared, model: &model, request_id: &request_id, body: &body, coding: coding::of_answer(&headers), deadline };
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

/// How much of a body of so many bytes is JSON, where the client says it.
fn json_bytes(headers: &HeaderMap, bytes: usize) -> Result<Option<u32>, String> {
    let Some(value) = headers.get(X_JSON_BYTES) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let said: i128 = text.trim().parse().map_err(|_| format!("unable to parse Inference-Header-Content-Length, got: {text}"))?;
    match u32::try_from(said) {
        Ok(said) if said as usize <= bytes => Ok(Some(said)),
        _ => Err(format!("inference header size should be in range (0, {bytes}), got: {said}")),
    }
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
            Ok(timed) => Some(self.answered(route, choice, timed).await),
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
            Ok(timed) => self.answered(now, &choice, timed).await,
            Err(why) => self.unanswered(now, &choice, &why),
        }
    }

    /// The reply to an answer; records and copies go their own ways.
    async fn answered(&self, route: &Arc<PlanRoute>, choice: &Choice<'_>, timed: Timed) -> Reply {
        let target = choice.target;
        let Timed { answer, latency_us } = timed;
        let status = status_of(answer.outcome);
        if answer.outcome == Outcome::ClientFault {
            return self.reply(target, status, answer.body).await;
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
        self.reply(target, status, answer.body).await
    }

    async fn reply(&self, target: &PlanTarget, status: StatusCode, body: Body) -> Reply {
        let mut reply = reply::answer(status, body, self.coding).await;
        reply.headers_mut().insert(X_VERSION, target.header.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_the_json_is_within_the_body() {
        let of = |text: &str| json_bytes(&HeaderMap::from_iter([(X_JSON_BYTES, HeaderValue::from_str(text).unwrap())]), 10);
        assert_eq!(json_bytes(&HeaderMap::new(), 10), Ok(None));
        assert_eq!((of("0"), of("10"), of(" 7 ")), (Ok(Some(0)), Ok(Some(10)), Ok(Some(7))));
        for said in ["11", "-1", "4294967295", "4294967296", "9223372036854775807", "18446744073709551616"] {
            assert_eq!(of(said), Err(format!("inference header size should be in range (0, 10), got: {said}")));
        }
        for said in ["", "x", "1.5", "0x1", "99999999999999999999999999999999999999999"] {
            assert!(of(said).unwrap_err().starts_with("unable to parse Inference-Header-Content-Length"), "{said}");
        }
    }
}
