//! The console's door: a token signs in once and becomes a session; every route but the public ones asks for it.

use super::api::{PUBLIC, html};
use crate::clock;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_console::pages;
use tidegate_core::id::At;
use tidegate_store::tokens::Tokens;

/// Sessions at once; the oldest goes when there are more.
const SESSIONS_MAX: usize = 64;
/// How long a session lasts.
const SESSION_MS: u64 = 12 * 3_600_000;
/// Where other release tools ask, with a token in the path.
const HOOKS: &str = "/hooks/";
const COOKIE: &str = "tidegate_session";

/// Who speaks, as far as the control plane knows.
#[derive(Clone, Debug)]
pub struct Principal(pub String);

/// Who has signed in.
#[derive(Clone)]
pub struct Sessions {
    tokens: Tokens,
    host: String,
    open: Arc<Mutex<HashMap<String, At>>>,
}

impl Sessions {
    /// No sessions yet; requests must name `address` as their host.
    pub fn new(tokens: Tokens, address: SocketAddr) -> Sessions {
        Sessions { tokens, host: address.to_string(), open: Arc::default() }
    }

    fn begin(&self) -> Option<String> {
        let mut bytes = [0_u8; 24];
        getrandom::fill(&mut bytes).ok()?;
        let id = hex::encode(bytes);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS_MAX
            && let Some(oldest) = open.iter().min_by_key(|(_, since)| **since).map(|(id, _)| id.clone())
        {
            open.remove(&oldest);
        }
        open.insert(id.clone(), clock::now());
        Some(id)
    }

    fn known(&self, request: &Request<Body>) -> bool {
        let cookies = request.headers().get(header::COOKIE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let session = cookies.split(';').filter_map(|c| c.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
        let now = clock::now();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        session.is_some_and(|(_, id)| open.get(id).is_some_and(|since| now.since_ms(*since) < SESSION_MS))
    }

    fn bearer(&self, request: &Request<Body>) -> bool {
        let value = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        value.and_then(|v| v.strip_prefix("Bearer ")).is_some_and(|token| self.allows(token, &["console"]))
    }

    /// Whether a token is known and has one of these scopes.
    fn allows(&self, token: &str, scopes: &[&str]) -> bool {
        let known = self.tokens.check(token, clock::now());
        matches!(known, Ok(Some(known)) if !known.once && known.scopes.iter().any(|s| scopes.contains(&s.as_str())))
    }

    /// A page of another site must not reach us by another name for this address, nor post for the user.
    fn foreign(&self, request: &Request<Body>) -> bool {
        let text = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned);
        let loopback = self.host.rsplit_once(':').map(|(_, port)| format!("localhost:{port}"));
        let ours = |host: &str| host == self.host || Some(host) == loopback.as_deref();
        let host_is_foreign = !text(header::HOST).is_some_and(|h| ours(&h));
        let origin = text(header::ORIGIN).filter(|_| request.method() != Method::GET);
        host_is_foreign || origin.is_some_and(|o| !o.strip_prefix("http://").is_some_and(ours))
    }
}

/// Lets through who has signed in, and everybody to the public routes.
pub async fn guard(State(sessions): State<Sessions>, mut request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix(HOOKS) {
        // Nothing but the token counts here: no cookie is looked at, and tools name this host as they like.
        let token = rest.split('/').next().unwrap_or_default();
        if !sessions.allows(token, &["judge"]) {
            return refused("the token in the path is not known: `tidegate token create --scope judge`");
        }
        request.extensions_mut().insert(Principal("judge".to_owned()));
        return next.run(request).await;
    }
    // A page of another site cannot send a token's header, so who does may name this host as they like.
    let bearer = sessions.bearer(&request);
    if !bearer && sessions.foreign(&request) {
        return (
            StatusCode::FORBIDDEN,
            axum::Json(serde_json::json!({ "error": "this request names another host or comes from another site" })),
        )
            .into_response();
    }
    if PUBLIC.contains(&path.as_str()) {
        return next.run(request).await;
    }
    if bearer || sessions.known(&request) {
        request.extensions_mut().insert(Principal("console".to_owned()));
        return next.run(request).await;
    }
    if path.starts_with("/api/") {
        return refused("a token is needed: `authorization: Bearer ...`");
    }
    html(StatusCode::UNAUTHORIZED, pages::login(false))
}

fn refused(why: &str) -> Response {
    (StatusCode::UNAUTHORIZED, axum::Json(serde_json::json!({ "error": why }))).into_response()
}

/// On the socket everybody is the workspace's owner: nobody else can reach it.
pub async fn as_owner(mut request: Request<Body>, next: Next) -> Response {
    request.extensions_mut().insert(Principal("owner".to_owned()));
    next.run(request).await
}

#[derive(Deserialize)]
pub struct Given {
    token: Option<String>,
}

/// The form, or a sign-in by a link that carries a token.
pub async fn form(sessions: Option<Extension<Sessions>>, Query(given): Query<Given>) -> Response {
    match (sessions, given.token) {
        (Some(Extension(sessions)), Some(token)) => sign_in(&sessions, &token).await,
        _ => html(StatusCode::OK, pages::login(false)),
    }
}

/// A sign-in by the form.
pub async fn login(sessions: Option<Extension<Sessions>>, Form(given): Form<Given>) -> Response {
    match sessions {
        Some(Extension(sessions)) => sign_in(&sessions, given.token.as_deref().unwrap_or_default()).await,
        None => html(StatusCode::OK, pages::login(false)),
    }
}

async fn sign_in(sessions: &Sessions, token: &str) -> Response {
    let (tokens, token) = (sessions.tokens.clone(), token.to_owned());
    let checked = tokio::task::spawn_blocking(move || tokens.check(token.trim(), clock::now())).await;
    let allowed = matches!(checked, Ok(Ok(Some(known))) if known.scopes.iter().any(|s| s == "console"));
    let session = if allowed { sessions.begin() } else { None };
    let Some(session) = session else { return html(StatusCode::UNAUTHORIZED, pages::login(true)) };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
    let cookie = format!("{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}", SESSION_MS / 1000);
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
