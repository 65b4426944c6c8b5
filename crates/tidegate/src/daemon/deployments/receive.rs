//! Where webhooks of GitHub and GitLab come in. Their credential is the secret that they prove to know: without it nothing of
//! them is read, and where none is configured the door is closed.

use super::{Desk, stream, tell};
use crate::clock;
use crate::daemon::api::Api;
use crate::daemon::proof::{header, proves, stranger};
use crate::surroundings::secret;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tidegate_core::deployment::{Command, Target};
use tidegate_wire::config::{Deployment, Tool};
use tidegate_wire::delivery::Tool as Sender;
use tidegate_wire::foreign::deployments::{self, Asks, Message, Unreadable, github_callback};

fn said(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "answer": why }))).into_response()
}

/// The deployments whose secret the message proves to know.
fn trusted(api: &Api, of: impl Fn(&Tool) -> bool, knows: impl Fn(&str) -> bool) -> Vec<(&String, &Deployment)> {
    let all = api.opened.config.deployments.iter().filter(|(_, d)| of(&d.tool));
    all.filter(|(_, d)| secret(&d.secret).is_ok_and(|secret| knows(&secret))).collect()
}

/// A webhook of GitHub.
pub async fn github(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    let all = trusted(&api, |tool| matches!(tool, Tool::Github { .. }), |secret| proves(Sender::Github, secret, &headers, &body));
    let message = || deployments::github(header(&headers, "x-github-event"), &body);
    received(&api, all, message, header(&headers, "x-github-delivery")).await
}

/// A webhook of GitLab.
pub async fn gitlab(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    let knows = |secret: &str| proves(Sender::Gitlab, secret, &headers, &body);
    let all = trusted(&api, |tool| matches!(tool, Tool::Gitlab { .. } | Tool::GitlabCheck { .. }), knows);
    received(&api, all, || deployments::gitlab(&body), header(&headers, "x-gitlab-event-uuid")).await
}

async fn received(
    api: &Api,
    trusted: Vec<(&String, &Deployment)>,
    message: impl FnOnce() -> Result<Message, Unreadable>,
    delivery: &str,
) -> Response {
    if trusted.is_empty() {
        return stranger();
    }
    let asks = match message() {
        Ok(Message::Asks(asks)) => asks,
        Ok(Message::Other(what)) => return said(StatusCode::OK, &format!("nothing is asked by `{what}`")),
        Err(why) => return said(StatusCode::BAD_REQUEST, &why.to_string()),
    };
    let Some((name, deployment)) = trusted.into_iter().find(|(_, d)| is_of(d, &asks)) else {
        let why = format!("`deployments` of tidegate.yaml has none of {} with `{}`", asks.path, asks.of);
        return said(StatusCode::NOT_FOUND, &why);
    };
    if let Err(why) = is_answered_there(deployment, &asks) {
        return said(StatusCode::BAD_REQUEST, &why);
    }
    match hold(api, &api.deployments, name, deployment, *asks, delivery).await {
        // Never 204: there are tools that take it for a no.
        Ok(held) => (StatusCode::ACCEPTED, axum::Json(json!({ "answer": "it is looked at", "deployment": held }))).into_response(),
        Err((status, why)) => said(status, &why),
    }
}

/// Whether a question is about this deployment.
fn is_of(deployment: &Deployment, asks: &Asks) -> bool {
    let of = match (&deployment.tool, &asks.target) {
        (Tool::Github { environment, .. }, Target::GithubRule { .. })
        | (Tool::Gitlab { environment, .. }, Target::GitlabDeployment { .. }) => environment,
        (Tool::GitlabCheck { check, .. }, Target::GitlabCheck { .. }) => check,
        _ => return false,
    };
    *of == asks.of && deployment.path.eq_ignore_ascii_case(&asks.path)
}

/// Whether the address at which GitHub wants to be answered is the one that is called: under the API that is configured.
fn is_answered_there(deployment: &Deployment, asks: &Asks) -> Result<(), String> {
    let (Some(callback), Target::GithubRule { repository, run, .. }) = (&asks.callback, &asks.target) else { return Ok(()) };
    let ours = github_callback(&deployment.api, repository, *run);
    if ours.eq_ignore_ascii_case(callback) {
        return Ok(());
    }
    Err(format!("it wants to be answered at {callback}, and `api` says {ours}: nothing else is called"))
}

async fn hold(
    api: &Api,
    desk: &Desk,
    name: &str,
    deployment: &Deployment,
    asks: Asks,
    delivery: &str,
) -> Result<String, (StatusCode, String)> {
    let stream = stream(name, &asks.target.subject());
    let now = clock::now();
    let internal = |error: anyhow::Error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"));
    let known = super::held(api, &stream).await.map_err(internal)?.is_some();
    if !known && !desk.may_ask(now) {
        let why = "too many deployments are held, or were asked about within an hour: send it again later".to_owned();
        return Err((StatusCode::TOO_MANY_REQUESTS, why));
    }
    let (target, source, service) = (asks.target, asks.source, deployment.service.clone());
    let command = Command::Ask { target, source, service, delivery: delivery.to_owned(), within_ms: deployment.within_ms, at: now };
    tell(api, &stream, command).await.map_err(|error| (StatusCode::BAD_REQUEST, format!("{error:#}")))?;
    desk.open(stream.clone());
    Ok(stream)
}
