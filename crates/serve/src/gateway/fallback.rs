//! What a client is given where nobody who should answer can: an older version that is still warm, the answer that the same request had not
//! long before, or one that was declared for it. Each is flagged, and the failure counts as the failure that it is.

use crate::cache::{Key, Question, question};
use crate::conduct::Fallback;
use crate::counts::Kind;
use crate::frame::{Answer, Body, Form, Outcome};
use crate::gateway::Shared;
use crate::gateway::attempt::{Wish, attempt};
use crate::gateway::predict::{Asked, By, Said};
use crate::plan::{PlanRoute, PlanTarget};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::route::Role;
use tidegate_runtime::InferResponse;
use tidegate_runtime::oip::{self, Answering, Body as OipBody, Wanted, read_infer_request, read_infer_response};

/// The answer, or what is given in its place.
pub async fn or_what_stands_in(shared: &Shared, asked: Asked<'_>, said: Said) -> Said {
    let nobody = match &said {
        Said::Error { status, .. } => [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(status),
        Said::Answer { status, .. } => status.is_server_error(),
    };
    // Who names a version wants that one and no other.
    if !nobody || asked.version.is_some() || matches!(asked.body.form, Form::Language(_) | Form::Golden) {
        return said;
    }
    let Some(route) = shared.plan.load().by_model.get(asked.model).map(Arc::clone) else { return said };
    // So does who asks for the version under judgement.
    let values = |name: &str| asked.headers.get_all(name).iter().map(HeaderValue::as_bytes);
    if route.route.preview.as_ref().is_some_and(|preview| preview.asked(values)) {
        return said;
    }
    let Some(fallback) = route.targets.first().and_then(|target| target.slot.spec.conduct.fallback.clone()) else { return said };
    if fallback.older_version
        && let Some(older) = older(shared, &route)
        && let Some(answer) = by_older(&older, asked).await
    {
        return answer;
    }
    if fallback.cached_ms.is_some()
        && let Some(answer) = kept(shared, asked, &route).await
    {
        return answer;
    }
    declared(&fallback, asked, &route).unwrap_or(said)
}

/// Where the answer to a request is kept for the time when nobody can give it.
pub struct Keep {
    key: Key,
    question: Question,
    lasts: Duration,
}

impl Keep {
    /// Told before `target` is asked: an answer that comes when others of it have turned out to be wrong is not given for a later one. None
    /// where nothing is kept.
    pub fn before(route: &PlanRoute, target: &PlanTarget, body: &Body) -> Option<Keep> {
        let lasts_ms = target.slot.spec.conduct.fallback.as_ref()?.cached_ms?;
        let question = question(body)?;
        Some(Keep { key: route.key(target, &question), question, lasts: Duration::from_millis(lasts_ms) })
    }

    /// Keeps the answer, where it is one.
    pub async fn after(self, shared: &Shared, answer: &Answer) {
        shared.kept.keep(self.key, &self.question, answer, self.lasts).await;
    }
}

/// What a version of the route answered to the same request.
async fn kept(shared: &Shared, asked: Asked<'_>, route: &PlanRoute) -> Option<Said> {
    let question = question(asked.body)?;
    for target in &route.targets {
        if let Some(answer) = shared.kept.kept(&route.key(target, &question), &question).await {
            let Answer { body, found, .. } = answer;
            return Some(Said::Answer { status: StatusCode::OK, body, version: target.header.clone(), by: By::Kept, found });
        }
    }
    None
}

/// A version that is loaded and ready and has no weight: the one that stood before, kept warm.
fn older(shared: &Shared, route: &PlanRoute) -> Option<PlanTarget> {
    let routed = |slot: &crate::pool::Slot| route.targets.iter().any(|target| target.id == slot.spec.target);
    let slot = shared.pool.all().into_iter().find(|slot| {
        let target = &slot.spec.target;
        *target.service == *route.service && target.role == Role::Stable && target.variant.is_none() && slot.ready() && !routed(slot)
    })?;
    let id = slot.spec.target.clone();
    let header = HeaderValue::from_str(&id.version).ok()?;
    let counts = shared.book.of(&id);
    Some(PlanTarget { version: id.version.as_str().into(), id, header, weight_bp: 0, slot, counts })
}

async fn by_older(older: &PlanTarget, asked: Asked<'_>) -> Option<Said> {
    let wish = Wish { body: asked.body, priority: asked.priority, deadline: asked.deadline, outlet: None };
    let timed = attempt(older, Kind::Retry, wish).await.ok().filter(|timed| timed.answer.outcome == Outcome::Answered)?;
    let (body, found) = (timed.answer.body, timed.answer.found);
    Some(Said::Answer { status: StatusCode::OK, body, version: older.header.clone(), by: By::OlderVersion, found })
}

/// The declared answer, in the form that was asked for and with the request's identifier.
fn declared(fallback: &Fallback, asked: Asked<'_>, route: &PlanRoute) -> Option<Said> {
    let outputs = outputs(fallback.answer.as_deref()?).ok()?;
    let answering = Answering { model_name: asked.model.to_owned(), model_version: None };
    let inputs =
        route.targets.iter().find_map(|target| target.slot.hello.load_full()).map(|hello| hello.inputs.clone()).unwrap_or_default();
    let body = if asked.body.form == Form::Grpc {
        let id = oip::grpc::read_request(&asked.body.bytes).ok()?.id;
        let bytes = oip::grpc::write_response(&answering, &InferResponse { id, outputs }).into();
        Body { bytes, form: Form::Grpc }
    } else {
        let id = read_infer_request(asked.body.over_http(), &inputs).ok()?.0.id;
        oip::answer(&answering, &InferResponse { id, outputs }, &Wanted::default()).ok()?.into()
    };
    Some(Said::Answer {
        status: StatusCode::OK,
        body,
        version: HeaderValue::from_static("none"),
        by: By::Declared,
        found: Default::default(),
    })
}

/// The outputs of a declared answer.
///
/// # Errors
/// A sentence, when it is none that a server of the protocol could give in JSON.
pub fn outputs(answer: &str) -> Result<Vec<tidegate_runtime::Tensor>, String> {
    let body = OipBody { bytes: answer.as_bytes(), json_bytes: None };
    let outputs = read_infer_response(body).map_err(|why| why.message)?.1.outputs;
    if outputs.is_empty() {
        return Err("it has no outputs".to_owned());
    }
    let response = InferResponse { id: None, outputs };
    oip::answer(&Answering::default(), &response, &Wanted::default()).map_err(|why| why.message)?;
    Ok(response.outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_answer_is_one_that_can_be_given() {
        let good = r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[0.5]}]}"#;
        assert_eq!(outputs(good).unwrap()[0].name, "y");
        for bad in ["", "{}", r#"{"outputs":[]}"#, r#"{"outputs":[{"name":"y","datatype":"FP64","shape":[2],"data":[0.5]}]}"#] {
            assert!(outputs(bad).is_err(), "{bad}");
        }
    }
}
