//! The control plane over HTTP: pages and JSON for browsers that signed in, the same JSON for clients on the socket.
//!
//! The routes stand in one table; a test walks it and finds that none but the public ones answers without a
//! credential. The socket lies in a folder that only its owner can enter.

use super::events::Bus;
use super::follow::board;
use super::hooks::{self, Hooks};
use super::plane::Plane;
use super::ticks::Ticks;
use super::trainer::Desks;
use super::views::Views;
use super::watchman::Watchman;
use super::{
    ab, access, answers, breaker, change, checking, corrections, deliveries, deployments, duty, features, gating, may, notifier, people,
    release_view, retention, risk, steer, train, train_order, training,
};
use crate::exit;
use crate::workspace::Opened;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tidegate_console::pages;
use tidegate_store::FsBlobs;
use tidegate_store::tokens::{NewToken, Tokens};

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the API is made from.
pub struct Parts {
    pub opened: Arc<Opened>,
    pub desks: Desks,
    pub watchman: Watchman,
    pub plane: Plane,
    pub blobs: FsBlobs,
    pub tokens: Tokens,
    pub sealed: Arc<AtomicU64>,
    pub ticks: Ticks,
    pub bus: Bus,
    pub breakers: breaker::Seen,
    pub board: notifier::Board,
    pub door: deliveries::Door,
    pub listen: SocketAddr,
}

/// What every route sees.
#[derive(Clone)]
pub struct Api {
    pub views: Views,
    pub desks: Desks,
    pub watchman: Watchman,
    pub opened: Arc<Opened>,
    pub plane: Plane,
    pub ticks: Ticks,
    pub bus: Bus,
    pub hooks: Hooks,
    pub trains: train::Waits,
    pub ab_tests: ab::Board,
    pub deployments: deployments::Desk,
    pub calls: duty::Open,
    pub paths: gating::Looked,
    pub breakers: breaker::Seen,
    pub board: notifier::Board,
    pub followers: board::Board,
    pub door: deliveries::Door,
    pub risk: risk::Desk,
}

/// A failure as an answer: JSON with the words and the exit code of a command that meets it.
pub struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let code = exit::code_of(&self.0);
        let status = match code {
            exit::USAGE => StatusCode::BAD_REQUEST,
            exit::NOT_FOUND => StatusCode::NOT_FOUND,
            exit::REFUSED => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, axum::Json(serde_json::json!({ "error": format!("{:#}", self.0), "exit_code": code }))).into_response()
    }
}

type Answer = Result<Response, Failed>;

/// Routes that answer without a credential: the door itself, and what a browser needs to draw it.
pub const PUBLIC: [&str; 5] = ["/login", "/assets/style.css", "/assets/live.js", "/assets/icon.svg", "/health"];

const GITHUB: &str = "/webhooks/github";
const GITLAB: &str = "/webhooks/gitlab";
/// Routes whose credential is in the message: it proves to know a secret.
pub const SIGNED: [&str; 2] = [GITHUB, GITLAB];
/// And below this.
pub const SIGNED_BELOW: &str = "/webhooks/events/";

/// What a browser asks for beside pages, and whoever looks whether we are well.
fn beside_pages() -> [(&'static str, MethodRouter<Api>); 5] {
    [
        ("/login", get(access::form).post(access::login)),
        ("/assets/style.css", get(style)),
        ("/assets/live.js", get(script)),
        ("/assets/icon.svg", get(icon)),
        ("/health", get(health)),
    ]
}

/// Every route.
pub fn routes() -> Vec<(&'static str, MethodRouter<Api>)> {
    let mut all = vec![
        ("/", get(overview)),
        ("/journal", get(journal)),
        ("/runs/{id}", get(run)),
        ("/data/{name}", get(dataset)),
        ("/models/{model}/{version}", get(version)),
        ("/releases/{service}/{number}", get(release)),
        ("/risk", get(risk::page)),
        ("/risk/{commit}", get(risk::change_page)),
        ("/api/v1/risk", get(risk::all)),
        ("/api/v1/risk/{commit}", get(risk::one)),
        ("/api/v1/overview", get(overview_json)),
        ("/api/v1/models/{model}/{version}", get(version_json)),
        ("/api/v1/models/{model}/candidates", post(steer::candidate)),
        ("/api/v1/changes/{change}/newest-run", get(steer::newest_run)),
        ("/api/v1/runs", post(steer::begin_run)),
        ("/api/v1/runs/{id}/facts", post(steer::record_run)),
        ("/api/v1/releases", get(releases_json).post(steer::start)),
        ("/api/v1/releases/{service}/{number}", get(release_json)),
        ("/api/v1/releases/{service}/{number}/{command}", post(steer::command)),
        ("/api/v1/records/{service}/{number}", get(change::release)),
        ("/api/v1/records/{service}/version/{version}", get(change::version)),
        ("/api/v1/gating", get(gating::all)),
        ("/api/v1/gating/{service}/{word}", post(gating::command)),
        ("/api/v1/duty/calls", get(duty::all)),
        ("/api/v1/duty/answer", post(duty::answer)),
        ("/api/v1/may/{service}/{version}", get(may::may)),
        ("/api/v1/deployments", get(deployments::all)),
        ("/api/v1/approvals", get(people::all)),
        ("/api/v1/approvals/{service}/{version}/{word}", post(people::decide)),
        ("/api/v1/breakers", get(breaker::all)),
        ("/api/v1/breakers/{name}/{word}", post(breaker::command)),
        ("/api/v1/corrections", get(corrections::all)),
        ("/api/v1/corrections/{commit}", post(corrections::correct)),
        ("/api/v1/reviews", post(corrections::review)),
        ("/api/v1/answers", post(answers::answer)),
        ("/api/v1/answers/judged", post(answers::judge)),
        ("/api/v1/trains", get(train::all)),
        ("/api/v1/trains/{name}/{word}", post(train::command)),
        ("/api/v1/trains/{name}/order", get(train_order::shown)),
        ("/api/v1/trains/{name}/order/{word}", post(train_order::command)),
        ("/api/v1/ab", get(ab::all)),
        ("/api/v1/ab/{name}", get(ab::one)),
        ("/api/v1/ab/{name}/{word}", post(ab::command)),
        ("/api/v1/gateways", get(board::all)),
        ("/follow/{name}/routes", get(board::routes)),
        ("/follow/{name}/files/{digest}", get(board::file)),
        ("/api/v1/notify", get(notifier::all)),
        ("/api/v1/notify/{name}/test", post(notifier::test)),
        ("/api/v1/glass/{service}", post(people::break_glass)),
        ("/api/v1/glass/{service}/review", post(people::review)),
        ("/api/v1/data/{name}/checks", post(checking::check)),
        ("/api/v1/data/{name}/sets", post(features::assembled)),
        (features::ONLINE, post(features::online)),
        ("/api/v1/retrain", get(training::all)),
        ("/api/v1/retrain/{model}/{command}", post(training::command)),
        ("/api/v1/judgements/{tool}/{judge}/{subject}", get(hooks::judgement).post(hooks::judgement)),
        ("/hooks/{token}/argo/{judge}/{subject}", get(hooks::argo).post(hooks::argo)),
        ("/hooks/{token}/spinnaker/{judge}/{subject}", get(hooks::spinnaker).post(hooks::spinnaker)),
        ("/hooks/{token}/flagger/{judge}/{hook}", post(hooks::flagger)),
        ("/hooks/{token}/kayenta/{by}/judge", post(hooks::remote_judge).layer(DefaultBodyLimit::max(hooks::QUESTION_BYTES_MAX))),
        ("/hooks/{token}/may/{service}/{version}", get(may::hook)),
        ("/hooks/{token}/canaryConfig", get(hooks::configs)),
        ("/hooks/{token}/canary/{id}", get(hooks::execution).post(hooks::execute)),
        (GITHUB, post(deployments::github)),
        (GITLAB, post(deployments::gitlab)),
        ("/webhooks/events/{source}", post(deliveries::receive).layer(DefaultBodyLimit::max(tidegate_wire::delivery::BODY_BYTES_MAX))),
        ("/api/v1/events/{source}", post(deliveries::import).layer(DefaultBodyLimit::max(tidegate_wire::delivery::BODY_BYTES_MAX))),
        ("/api/v1/retention", post(retention::prune)),
    ];
    all.extend(beside_pages());
    all
}

/// Listens on the console's address and on the workspace's socket; gives the address, a link that signs in once, and what its routes see.
///
/// # Errors
/// When the port is taken or the socket cannot be made.
pub async fn start(parts: Parts) -> Result<(SocketAddr, String, Api)> {
    let Parts { opened, desks, watchman, plane, blobs, tokens, sealed, ticks, bus, breakers, board, door, listen } = parts;
    let views = Views { opened: opened.clone(), plane: plane.clone(), blobs, sealed };
    let (hooks, trains, ab_tests) = (Hooks::default(), train::Waits::default(), ab::Board::default());
    let (deployments, calls, paths) = (deployments::Desk::default(), duty::Open::default(), gating::Looked::default());
    let api = Api {
        views,
        desks,
        watchman,
        opened: opened.clone(),
        plane,
        ticks,
        bus,
        hooks,
        trains,
        ab_tests,
        deployments,
        calls,
        paths,
        breakers,
        board,
        followers: board::Board::default(),
        door,
        risk: risk::Desk::default(),
    };
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
        let advice = "end the other program, or name another address as `console: { listen: ... }` in tidegate.yaml";
        exit::failure(exit::OUTSIDE, format!("start the console on {listen}: {e}: {advice}"))
    })?;
    let address = listener.local_addr().context("find the console's address")?;
    let once = NewToken { kind: "login", label: "printed by up", scopes: &["console"], once: true, ..NewToken::default() };
    let (_, secret) = tokens.make(&once, crate::clock::now())?;
    let sessions = access::Sessions::new(tokens, address, opened.config.people.clone());
    let guarded = router(api.clone())
        .layer(axum::middleware::from_fn_with_state(sessions.clone(), access::guard))
        .layer(axum::Extension(sessions.clone()));
    crate::task::spawn(async move { axum::serve(listener, guarded).await });

    let socket = opened.places.socket();
    let _ = std::fs::remove_file(&socket);
    let local = tokio::net::UnixListener::bind(&socket).with_context(|| format!("make the socket {}", socket.display()))?;
    let open = router(api.clone()).layer(axum::middleware::from_fn_with_state(sessions, access::on_socket));
    crate::task::spawn(async move { axum::serve(local, open).await });
    Ok((address, format!("http://{address}/login?token={secret}"), api))
}

fn router(api: Api) -> Router {
    let all = routes().into_iter().fold(Router::new(), |router, (path, method)| router.route(path, method));
    all.fallback(nowhere).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(api)
}

/// A page that was found.
pub fn page(html: String) -> Response {
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(tidegate_console::CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page for browsers, for the access module too.
pub fn html(status: StatusCode, text: String) -> Response {
    let mut response = page(text);
    *response.status_mut() = status;
    response
}

/// A page that says what there is none of.
pub fn missing(what: String) -> Response {
    html(StatusCode::NOT_FOUND, pages::not_found(&what))
}

async fn nowhere() -> Response {
    missing("There is no such page.".to_owned())
}

async fn health() -> &'static str {
    "ok"
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    (headers, Body::from(text)).into_response()
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", tidegate_console::STYLE)
}

async fn script() -> Response {
    asset("text/javascript; charset=utf-8", tidegate_console::SCRIPT)
}

async fn icon() -> Response {
    asset("image/svg+xml", tidegate_console::ICON)
}

async fn overview(State(api): State<Api>) -> Answer {
    Ok(page(pages::overview(&api.views.overview().await?)))
}

async fn overview_json(State(api): State<Api>) -> Answer {
    Ok(axum::Json(api.views.overview().await?).into_response())
}

#[derive(Deserialize)]
struct Before {
    before: Option<u64>,
}

async fn journal(State(api): State<Api>, Query(query): Query<Before>) -> Answer {
    Ok(page(pages::journal(&api.views.journal(query.before).await?)))
}

async fn run(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    Ok(match api.views.run(&id).await? {
        Some(view) => page(pages::run(&view)),
        None => missing(format!("There is no run {id}.")),
    })
}

async fn dataset(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    Ok(match api.views.dataset(&name).await? {
        Some(view) => page(pages::dataset(&view)),
        None => missing(format!("There is no dataset {name}.")),
    })
}

async fn version(State(api): State<Api>, Path((model, version)): Path<(String, String)>) -> Answer {
    Ok(match api.views.version(&model, &version).await? {
        Some(view) => page(pages::version(&view)),
        None => missing(format!("There is no version {version} of {model}.")),
    })
}

async fn version_json(State(api): State<Api>, Path((model, version)): Path<(String, String)>) -> Answer {
    let found = api.views.version(&model, &version).await?;
    let view = found.ok_or_else(|| exit::failure(exit::NOT_FOUND, format!("show version {version} of {model}: there is none")))?;
    Ok(axum::Json(view).into_response())
}

async fn releases_json(State(api): State<Api>) -> Answer {
    Ok(axum::Json(api.views.releases().await?).into_response())
}

async fn release(State(api): State<Api>, Path((service, number)): Path<(String, u64)>) -> Answer {
    Ok(match release_view::view(&api.views, &service, number).await? {
        Some(view) => page(pages::release(&view)),
        None => missing(format!("There is no release {number} of {service}.")),
    })
}

async fn release_json(State(api): State<Api>, Path((service, number)): Path<(String, u64)>) -> Answer {
    let found = release_view::view(&api.views, &service, number).await?;
    let view = found.ok_or_else(|| exit::failure(exit::NOT_FOUND, format!("show release {service}/{number}: there is none")))?;
    Ok(axum::Json(view).into_response())
}
