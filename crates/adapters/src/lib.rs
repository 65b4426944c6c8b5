//! Services outside, one file each: comments and marks on GitHub, GitLab and Bitbucket, and answers to deployments that the first two hold; metrics of Prometheus, Datadog,
//! CloudWatch, New Relic, InfluxDB, Graphite and of any JSON; Slack, webhooks of tools,
//! mail; topics of Kafka and streams of NATS.
//!
//! Each speaks through [`Http`], so that it can be held against any server; those that read streams speak their own protocols (`link`). An adapter knows no other adapter. Not here:
//! what is said (`wire::report`), and where tokens come from.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod bitbucket;
pub mod curl;
#[cfg(test)]
mod deployments;
pub mod gateway_api;
pub mod github;
pub mod github_app;
pub mod gitlab;
pub mod gitops;
pub mod kafka;
pub mod kserve;
pub mod kubernetes;
mod link;
pub mod nats;
mod nkey;
pub mod prometheus;
pub mod pseudonym;
pub mod pull;
mod scram;
pub mod signed;
pub mod slack;
pub mod smtp;
pub mod sources;
pub mod status;
#[cfg(test)]
mod tests;
pub mod traffic;
pub mod webhook;

use serde_json::Value;
use tidegate_wire::comment::Comment;

/// Most pages of comments that are looked through.
pub const PAGES_MAX: u32 = 100;
/// Comments of a page.
pub const PAGE_ITEMS: u32 = 100;

/// A request to a service's API.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// GET, POST, PATCH or PUT.
    pub method: &'static str,
    /// Absolute address.
    pub url: String,
    /// Headers; a secret stands in these alone.
    pub headers: Vec<(String, String)>,
    /// Body as JSON.
    pub body: Option<Value>,
    /// Signature that it carries, where the service asks for one.
    pub sign: Option<Sign>,
}

/// Without what headers say: secrets stand there.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let mut shown = f.debug_struct("Request");
        shown.field("method", &self.method).field("url", &self.url).field("headers", &headers);
        shown.field("body", &self.body).field("sign", &self.sign).finish()
    }
}

/// AWS' Signature Version 4.
#[derive(Clone, PartialEq)]
pub struct Sign {
    /// Provider, region and service, as `aws:amz:eu-west-1:monitoring`.
    pub scope: String,
    /// The access key's id and its secret, with a colon between.
    pub user: String,
}

impl std::fmt::Debug for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sign").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Body as JSON; as a text when it is none.
    pub body: Value,
}

/// Carries requests.
pub trait Http {
    /// Sends one and waits for its answer.
    ///
    /// # Errors
    /// When no answer came.
    fn send(&self, request: &Request) -> Result<Response, HttpError>;
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} {url}: {why}")]
pub struct HttpError {
    /// Of what.
    pub method: &'static str,
    /// Where.
    pub url: String,
    /// Why, and what to do.
    pub why: String,
}

/// A message was not taken. No address is shown: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    /// No answer came.
    #[error("{why}")]
    NoAnswer {
        /// Why.
        why: String,
    },
    /// An answer that is no yes.
    #[error("the service says {status}{}", if *status == 410 { ": it is gone" } else { "" })]
    Status {
        /// Its status.
        status: u16,
    },
    /// The secret cannot sign.
    #[error("the secret is not `whsec_` with base64 behind it")]
    Secret,
}

/// Whether a message was taken.
fn took(http: &dyn Http, request: &Request) -> Result<(), TellError> {
    let answer = http.send(request).map_err(|error| TellError::NoAnswer { why: error.why })?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(TellError::Status { status: answer.status }) }
}

/// A tool did not take our answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No answer came: the address cannot be reached.
    #[error("{0}")]
    NoAnswer(#[from] HttpError),
    /// It says no. The address holds no secret.
    #[error("{url} was answered with {status}{}: {said}", hint(*status))]
    Status {
        /// Where.
        url: String,
        /// Its status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// What lets us in cannot be used.
    #[error("{0}")]
    Key(String),
}

impl AnswerError {
    /// Whether it may be taken later: the network, the service or our right to answer can change, what we say does not.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            AnswerError::NoAnswer(_) | AnswerError::Key(_) => true,
            AnswerError::Status { status, .. } => !matches!(status, 400 | 405 | 409 | 410 | 413 | 415 | 422),
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => " (the token is not known, or has ended)",
        403 => " (the token may not answer there)",
        404 => " (it is not there, or the token may not see it)",
        _ => "",
    }
}

/// The body of a yes.
fn answered(http: &dyn Http, request: &Request) -> Result<Value, AnswerError> {
    let answer = http.send(request)?;
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let said: String = answer.body.to_string().chars().take(300).collect();
    Err(AnswerError::Status { url: request.url.clone(), status: answer.status, said })
}

/// Where a comment goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Pull or merge request by number.
    Request(u64),
    /// Commit by its digest.
    Commit(String),
}

/// A repository on a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Address of the API, without a slash at its end.
    pub api: String,
    /// Its path, as `team/model`.
    pub path: String,
    /// What lets us in.
    pub token: String,
}

/// What became of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is new; its id.
    Created(String),
    /// It was there and has another body now; its id.
    Updated(String),
    /// It was there with this body: nothing was sent; its id.
    Same(String),
}

/// A comment could not be posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommentError {
    /// No answer.
    #[error("post the comment: {0}")]
    Http(#[from] HttpError),
    /// The token is not enough.
    #[error("post the comment on {path}: the service says {status}: give the token the right to write {right}")]
    Denied {
        /// The repository.
        path: String,
        /// Status.
        status: u16,
        /// The right that is missing.
        right: &'static str,
    },
    /// Another refusal.
    #[error("post the comment on {path}: {method} {url} was answered with {status}: {said}")]
    Refused {
        /// The repository.
        path: String,
        /// Of what.
        method: &'static str,
        /// Where.
        url: String,
        /// Status.
        status: u16,
        /// What it said.
        said: String,
    },
}

/// Method and address of the comment with an id.
pub(crate) type Address = dyn Fn(&str) -> (&'static str, String);

/// What differs between services.
pub(crate) struct Service {
    /// Longest body in bytes.
    pub bytes_max: usize,
    /// The right that a token needs.
    pub right: &'static str,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
    /// A page of comments.
    pub list: Box<dyn Fn(u32) -> String>,
    /// Where a new one goes.
    pub create: String,
    /// Method and address of an existing one.
    pub update: Box<Address>,
    /// A body as the service takes it.
    pub wrap: fn(&str) -> Value,
    /// Id and body of each comment of a page.
    pub items: fn(&Value) -> Vec<(String, String)>,
}

/// Posts the comment, or brings the one that carries its watermark up to date. Doing it twice is harmless.
pub(crate) fn put(http: &dyn Http, repository: &Repository, service: &Service, comment: &Comment) -> Result<Posted, CommentError> {
    let body = comment.body(service.bytes_max);
    let mut known = vec![];
    for page in 1..=PAGES_MAX {
        let answer = call(http, repository, service, ("GET", (service.list)(page)), None)?;
        let items = (service.items)(&answer);
        let full = items.len() >= PAGE_ITEMS as usize;
        known.extend(items);
        if !full {
            break;
        }
    }
    if let Some(id) = comment.among(&known) {
        if known.iter().any(|(k, b)| k == id && *b == body) {
            return Ok(Posted::Same(id.clone()));
        }
        call(http, repository, service, (service.update)(id), Some((service.wrap)(&body)))?;
        return Ok(Posted::Updated(id.clone()));
    }
    let made = call(http, repository, service, ("POST", service.create.clone()), Some((service.wrap)(&body)))?;
    Ok(Posted::Created(made["id"].to_string().trim_matches('"').to_owned()))
}

fn call(
    http: &dyn Http,
    repository: &Repository,
    service: &Service,
    (method, url): (&'static str, String),
    body: Option<Value>,
) -> Result<Value, CommentError> {
    let request = Request { method, url, headers: service.headers.clone(), body, sign: None };
    let answer = http.send(&request)?;
    match answer.status {
        200..=299 => Ok(answer.body),
        status @ (401 | 403) => Err(CommentError::Denied { path: repository.path.clone(), status, right: service.right }),
        status => {
            let said: String = answer.body.to_string().chars().take(300).collect();
            Err(CommentError::Refused { path: repository.path.clone(), method, url: request.url, status, said })
        }
    }
}

/// A text as a part of an address.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Id and body of each item of a list.
pub(crate) fn plain_items(page: &Value, body: fn(&Value) -> &Value) -> Vec<(String, String)> {
    let item = |v: &Value| (v["id"].to_string().trim_matches('"').to_owned(), body(v).as_str().unwrap_or("").to_owned());
    page.as_array().into_iter().flatten().map(item).collect()
}
