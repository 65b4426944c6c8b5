//! The desk over HTTP.

use super::desk::{Desk, Next, Refusal};
use super::{ANSWER_BYTES_MAX, ROOT, SAID_BYTES_MAX, WAIT_MS, print_of};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next as Behind};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tidegate_learn::federated::Hello;

/// Time for a body to come in, in milliseconds.
const BODY_MS_MAX: u64 = 60_000;

/// Who may ask: for each site what its token is compared by.
pub type Tokens = Vec<(String, [u8; 32])>;

/// The site whose token came.
#[derive(Clone)]
struct Site(String);

pub fn router(desk: Arc<Desk>, tokens: Tokens) -> Router {
    Router::new()
        .route(&format!("{ROOT}/join"), post(join))
        .route(&format!("{ROOT}/leave"), post(leave))
        .route(&format!("{ROOT}/agreed"), get(agreed))
        .route(&format!("{ROOT}/rounds/{{number}}"), get(round).post(answer))
        .route(&format!("{ROOT}/model"), get(model))
        .layer(middleware::from_fn_with_state(Arc::new(tokens), guard))
        .with_state(desk)
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(serde_json::json!({ "error": why }))).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        refused(self.status, &self.why)
    }
}

/// Nothing is read of who has no token.
async fn guard(State(tokens): State<Arc<Tokens>>, headers: HeaderMap, mut request: Request, behind: Behind) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    let print = given.map(print_of);
    // All are looked at, so that the time tells nothing.
    let site = tokens.iter().fold(None, |found, (site, known)| if Some(*known) == print { Some(site) } else { found });
    match site {
        Some(site) => {
            request.extensions_mut().insert(Site(site.clone()));
            behind.run(request).await
        }
        None => refused(StatusCode::UNAUTHORIZED, "no site has this token: give the one that the coordinator made for this site"),
    }
}

async fn body(body: Body, bytes_max: usize) -> Result<Bytes, Response> {
    match tokio::time::timeout(Duration::from_millis(BODY_MS_MAX), to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(refused(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is cut, or longer than {bytes_max} bytes"))),
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, &format!("the body did not come within {BODY_MS_MAX} ms"))),
    }
}

async fn said<T: for<'de> Deserialize<'de>>(from: Body) -> Result<T, Response> {
    let bytes = body(from, SAID_BYTES_MAX).await?;
    serde_json::from_slice(&bytes).map_err(|why| refused(StatusCode::BAD_REQUEST, &format!("the body is not what is taken here: {why}")))
}

async fn join(State(desk): State<Arc<Desk>>, Extension(site): Extension<Site>, from: Body) -> Response {
    let hello: Hello = match said(from).await {
        Ok(hello) => hello,
        Err(refused) => return refused,
    };
    desk.join(&site.0, hello).map(|()| StatusCode::NO_CONTENT).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaving {
    why: String,
}

async fn leave(State(desk): State<Arc<Desk>>, Extension(site): Extension<Site>, from: Body) -> Response {
    let leaving: Leaving = match said(from).await {
        Ok(leaving) => leaving,
        Err(refused) => return refused,
    };
    desk.leave(&site.0, &leaving.why);
    StatusCode::NO_CONTENT.into_response()
}

/// What `look` finds, as soon as it is there; no content where it is not there for a while.
async fn waited(desk: &Desk, look: impl Fn() -> Option<Response>) -> Response {
    let mut changes = desk.changes();
    let found = async {
        loop {
            changes.mark_unchanged();
            if let Some(found) = look() {
                return found;
            }
            if changes.changed().await.is_err() {
                return StatusCode::NO_CONTENT.into_response();
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(WAIT_MS), found).await.unwrap_or_else(|_| StatusCode::NO_CONTENT.into_response())
}

fn json(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

async fn agreed(State(desk): State<Arc<Desk>>, Extension(site): Extension<Site>) -> Response {
    let look = || match desk.agreed(&site.0) {
        Ok(found) => found.map(json),
        Err(refusal) => Some(refusal.into_response()),
    };
    waited(&desk, look).await
}

async fn round(State(desk): State<Arc<Desk>>, Extension(site): Extension<Site>, Path(number): Path<u64>) -> Response {
    let look = || match desk.next(&site.0, number) {
        Ok(Next::Wait) => None,
        Ok(Next::Round(bytes)) => Some(json(bytes)),
        Ok(Next::Done) => Some((StatusCode::SEE_OTHER, [(header::LOCATION, format!("{ROOT}/model"))]).into_response()),
        Err(refusal) => Some(refusal.into_response()),
    };
    waited(&desk, look).await
}

async fn answer(State(desk): State<Arc<Desk>>, Extension(site): Extension<Site>, Path(number): Path<u64>, from: Body) -> Response {
    match body(from, ANSWER_BYTES_MAX).await {
        Ok(bytes) => desk.answer(&site.0, number, &bytes).map(|()| StatusCode::NO_CONTENT).into_response(),
        Err(refused) => refused,
    }
}

async fn model(State(desk): State<Arc<Desk>>, Extension(site): Extension<Site>) -> Response {
    desk.model(&site.0).map_or_else(|| refused(StatusCode::NOT_FOUND, "there is no model yet: answer the rounds first"), json)
}
