//! The console's door: a token signs in once and becomes a session; every route but the public ones asks for it.

use super::api::{PUBLIC, SIGNED, SIGNED_BELOW, html};
use super::features::ONLINE;
use super::follow::FOLLOW;
use crate::clock;
use crate::exit;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_console::pages;
use tidegate_core::access::{Action, Held, Person, Role};
use tidegate_core::id::At;
use tidegate_store::tokens::{Token, Tokens};

/// Sessions at once; the oldest goes when there are more.
const SESSIONS_MAX: usize = 64;
/// How long a session lasts.
const SESSION_MS: u64 = 12 * 3_600_000;
/// Where other release tools ask, with a token in the path.
const HOOKS: &str = "/hooks/";
const COOKIE: &str = "tidegate_session";

/// Who speaks, as far as the control plane knows.
#[derive(Clone, Debug)]
pub struct Principal(pub Person);

/// The name of whoever speaks on the socket without a token: the workspace is theirs.
const OWNER: &str = "owner";
/// The name of whoever signed in with a token that is nobody's.
const CONSOLE: &str = "console";

/// Whether records of this name are of nobody in particular.
pub fn is_nameless(name: &str) -> bool {
    matches!(name, OWNER | CONSOLE)
}

/// What a session is.
#[derive(Clone)]
struct Session {
    since: At,
    person: Option<String>,
}

/// Who has signed in, and who may.
#[derive(Clone)]
pub struct Sessions {
    tokens: Tokens,
    host: String,
    people: Arc<IndexMap<String, Vec<Held>>>,
    open: Arc<Mutex<HashMap<String, Session>>>,
}

impl Sessions {
    /// No sessions yet; requests must name `address` as their host.
    pub fn new(tokens: Tokens, address: SocketAddr, people: IndexMap<String, Vec<Held>>) -> Sessions {
        Sessions { tokens, host: address.to_string(), people: Arc::new(people), open: Arc::default() }
    }

    /// Who a name is; `nameless` where a credential has none.
    fn person(&self, name: Option<String>, nameless: &str) -> Result<Person, String> {
        let unnamed = |roles: &[Role]| Ok(Person::holding(nameless, roles));
        match name {
            Some(name) => match self.people.get(&name) {
                Some(roles) => Ok(Person { roles: roles.clone(), name }),
                None => Err(format!("{name} is not among `people` of tidegate.yaml: revoke their tokens, or name them there")),
            },
            None if self.people.is_empty() || nameless == OWNER => unnamed(&[Role::Developer, Role::ReleaseManager]),
            // Who has a name must give it.
            None => unnamed(&[Role::Viewer]),
        }
    }

    fn begin(&self, person: Option<String>) -> Option<String> {
        let mut bytes = [0_u8; 24];
        getrandom::fill(&mut bytes).ok()?;
        let id = hex::encode(bytes);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS_MAX
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.since).map(|(id, _)| id.clone())
        {
            open.remove(&oldest);
        }
        open.insert(id.clone(), Session { since: clock::now(), person });
        Some(id)
    }

    /// The session of a request.
    fn session(&self, request: &Request<Body>) -> Option<Session> {
        let cookies = request.headers().get(header::COOKIE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let session = cookies.split(';').filter_map(|c| c.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
        let now = clock::now();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        session.and_then(|(_, id)| open.get(id)).filter(|session| now.since_ms(session.since) < SESSION_MS).cloned()
    }

    /// The token that a request carries, if it counts.
    fn bearer(&self, request: &Request<Body>) -> Option<Token> {
        self.allows(bearer(request)?, &["console"])
    }

    /// A token that is known and has one of these scopes.
    fn allows(&self, token: &str, scopes: &[&str]) -> Option<Token> {
        let known = self.tokens.check(token, clock::now()).ok()??;
        Some(known).filter(|known| !known.once && known.scopes.iter().any(|s| scopes.contains(&s.as_str())))
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

fn bearer(request: &Request<Body>) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// What a request wants to do.
fn wanted(method: &Method, path: &str) -> Action {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        // A question begins a judgement that is recorded.
        (_, ["api", "v1", "judgements", ..]) => Action::Ask,
        (&Method::GET | &Method::HEAD, _) | (_, ["get-online-features"]) => Action::Look,
        (_, ["api", "v1", "approvals", ..]) => Action::Approve,
        (_, ["api", "v1", "glass", _, "review"] | ["api", "v1", "duty", "answer"]) => Action::Review,
        (_, ["api", "v1", "glass", ..]) => Action::BreakGlass,
        (_, ["api", "v1", "releases", _, _, "pause" | "abort" | "undo"] | ["api", "v1", "breakers", _, "trip"]) => Action::Stop,
        // What is told of the past decides about releases.
        (_, ["api", "v1", "breakers" | "corrections" | "reviews", ..]) => Action::Release,
        (_, ["api", "v1", "trains", _, "back"] | ["api", "v1", "ab", _, "stop"]) => Action::Stop,
        (_, ["api", "v1", "trains", _, "approve"]) => Action::Approve,
        (_, ["api", "v1", "trains", _, "order", "propose"]) => Action::Ask,
        // Who may do it depends on whether people are named: it is looked at again.
        (_, ["api", "v1", "trains", _, "order", "accept"]) => Action::Look,
        (_, ["api", "v1", "trains" | "notify" | "gating", ..]) => Action::Release,
        // What starts a release asks for it where others must approve it, and is looked at again.
        (_, ["api", "v1", "releases", _, _, ..] | ["api", "v1", "retrain", _, "approve"]) => Action::Release,
        (_, ["api", "v1", "retrain", _, "reject" | "cancel"]) => Action::Stop,
        _ => Action::Ask,
    }
}

/// Lets a request of somebody through, if they may do what it wants.
async fn as_person(person: Person, mut request: Request<Body>, next: Next) -> Response {
    let action = wanted(request.method(), request.uri().path());
    // In which place is looked at where that is known.
    if !person.may_somewhere(action) {
        let advice =
            if is_nameless(&person.name) { ": use a token that names a person, `tidegate token create --person NAME`" } else { "" };
        let why = format!("{} may not {}{advice}", person.name, action.words());
        let body = serde_json::json!({ "error": why, "exit_code": exit::REFUSED });
        return (StatusCode::FORBIDDEN, axum::Json(body)).into_response();
    }
    request.extensions_mut().insert(Principal(person));
    next.run(request).await
}

/// Lets through who has signed in, and everybody to the public routes.
pub async fn guard(State(sessions): State<Sessions>, mut request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix(HOOKS) {
        // Nothing but the token counts here: no cookie is looked at, and tools name this host as they like.
        let token = rest.split('/').next().unwrap_or_default();
        if sessions.allows(token, &["judge"]).is_none() {
            return refused("the token in the path is not known: `tidegate token create --scope judge`");
        }
        request.extensions_mut().insert(Principal(Person::holding("judge", &[Role::Viewer])));
        return next.run(request).await;
    }
    if path.starts_with(FOLLOW) {
        // Programs alone come here: no cookie is looked at.
        if bearer(&request).and_then(|token| sessions.allows(token, &["gateway"])).is_none() {
            return refused("a token of the scope `gateway` is needed: `tidegate token create --scope gateway`");
        }
        return next.run(request).await;
    }
    if path == ONLINE && bearer(&request).and_then(|token| sessions.allows(token, &["features"])).is_some() {
        return next.run(request).await;
    }
    if (SIGNED.contains(&path.as_str()) || path.starts_with(SIGNED_BELOW)) && request.method() == Method::POST {
        // The message proves itself, or is refused unread; no cookie is looked at, and tools name this host as they like.
        return next.run(request).await;
    }
    // A page of another site cannot send a token's header, so who does may name this host as they like.
    let bearer = sessions.bearer(&request);
    if bearer.is_none() && sessions.foreign(&request) {
        return (
            StatusCode::FORBIDDEN,
            axum::Json(serde_json::json!({ "error": "this request names another host or comes from another site" })),
        )
            .into_response();
    }
    if PUBLIC.contains(&path.as_str()) {
        return next.run(request).await;
    }
    if let Some(name) = bearer.map(|token| token.person).or_else(|| sessions.session(&request).map(|session| session.person)) {
        return match sessions.person(name, CONSOLE) {
            Ok(person) => as_person(person, request, next).await,
            Err(why) => refused(&why),
        };
    }
    if path.starts_with("/api/") || path == ONLINE {
        return refused("a token is needed: `authorization: Bearer ...`");
    }
    html(StatusCode::UNAUTHORIZED, pages::login(false))
}

fn refused(why: &str) -> Response {
    (StatusCode::UNAUTHORIZED, axum::Json(serde_json::json!({ "error": why, "exit_code": exit::REFUSED }))).into_response()
}

/// On the socket everybody is the workspace's owner, as nobody else can reach it, or the person of the token that they show.
pub async fn on_socket(State(sessions): State<Sessions>, request: Request<Body>, next: Next) -> Response {
    let name = match (request.headers().contains_key(header::AUTHORIZATION), sessions.bearer(&request)) {
        (false, _) => None,
        (true, Some(token)) => token.person,
        (true, None) => return refused("the token of TIDEGATE_TOKEN is not known, or has ended: `tidegate token create` makes one"),
    };
    match sessions.person(name, OWNER) {
        Ok(person) => as_person(person, request, next).await,
        Err(why) => refused(&why),
    }
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
    let allowed = checked.ok().and_then(Result::ok).flatten().filter(|known| known.scopes.iter().any(|s| s == "console"));
    let session = allowed.and_then(|token| sessions.begin(token.person));
    let Some(session) = session else { return html(StatusCode::UNAUTHORIZED, pages::login(true)) };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
    let cookie = format!("{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}", SESSION_MS / 1000);
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
