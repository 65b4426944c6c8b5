//! The API of a Kubernetes cluster: objects read, and changed by patches that name the state they were made for.

use crate::{Http, Request, Response};
use serde_json::Value;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::kubernetes::said;

/// A change that somebody else was faster than is made again on what is there now, so many times.
pub const CONFLICTS_MAX: usize = 5;
/// Who changes, as the cluster notes it.
const FIELD_MANAGER: &str = "tidegate";

/// What gives the token of a server; asked for each request, for a pod's changes by itself.
pub type Token = Box<dyn Fn() -> Result<Option<String>, String> + Send + Sync>;

/// A cluster.
pub struct Cluster {
    /// Carries requests.
    pub http: Box<dyn Http + Send + Sync>,
    /// Address of its API server.
    pub server: String,
    /// What lets us in.
    pub token: Token,
}

/// How lists in a patch are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Whole, as RFC 7386 has it: for objects of other projects.
    Plain,
    /// By the names of their items: for what Kubernetes itself knows.
    Strategic,
}

impl Merge {
    fn content_type(self) -> &'static str {
        match self {
            Merge::Plain => "application/merge-patch+json",
            Merge::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// It was made; the object as it is now.
    Made(Box<Value>),
    /// The object had changed meanwhile.
    Conflict(String),
}

impl Cluster {
    /// An object.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.send("GET", path, String::new(), vec![], None)?;
        if answer.status == 200 { Ok(answer.body) } else { Err(refused("read", path, &answer)) }
    }

    /// Changes an object.
    ///
    /// # Errors
    /// When it cannot be changed; that somebody else was faster is none.
    pub fn patch(&self, path: &str, merge: Merge, patch: Value) -> Result<Changed, Failure> {
        let headers = vec![("Content-Type".to_owned(), merge.content_type().to_owned())];
        let answer = self.send("PATCH", path, format!("?fieldManager={FIELD_MANAGER}"), headers, Some(patch))?;
        match answer.status {
            200 | 201 => Ok(Changed::Made(Box::new(answer.body))),
            409 => Ok(Changed::Conflict(said(&answer.body))),
            _ => Err(refused("change", path, &answer)),
        }
    }

    /// Changes an object to what `wanted` makes of it, again where somebody else was faster; the object as it is then.
    ///
    /// # Errors
    /// When it cannot be read or changed.
    pub fn bring(
        &self,
        path: &str,
        merge: Merge,
        mut wanted: impl FnMut(&Value) -> Result<Option<Value>, Failure>,
    ) -> Result<Value, Failure> {
        let mut last = String::new();
        for _ in 0..CONFLICTS_MAX {
            let object = self.get(path)?;
            let Some(patch) = wanted(&object)? else { return Ok(object) };
            match self.patch(path, merge, patch)? {
                Changed::Made(object) => return Ok(*object),
                Changed::Conflict(why) => last = why,
            }
        }
        let detail = format!("it was changed by somebody else each of {CONFLICTS_MAX} times ({last}): see who changes it too");
        Err(Failure { kind: FailureKind::Transient, operation: "change", object: path.to_owned(), detail })
    }

    fn send(
        &self,
        method: &'static str,
        path: &str,
        query: String,
        mut headers: Vec<(String, String)>,
        body: Option<Value>,
    ) -> Result<Response, Failure> {
        let operation = if method == "GET" { "read" } else { "change" };
        let failure = |kind, detail| Failure { kind, operation, object: path.to_owned(), detail };
        let token = (self.token)().map_err(|why| failure(FailureKind::Denied, why))?;
        headers.push(("Accept".to_owned(), "application/json".to_owned()));
        headers.extend(token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))));
        let url = format!("{}{path}{query}", self.server.trim_end_matches('/'));
        let request = Request { method, url, headers, body, sign: None };
        self.http.send(&request).map_err(|error| failure(FailureKind::Transient, error.to_string()))
    }
}

fn refused(operation: &'static str, path: &str, answer: &Response) -> Failure {
    let (kind, advice) = match answer.status {
        401 => (FailureKind::Denied, ": look at the token"),
        403 => (FailureKind::Denied, ": give the token's account the right to it"),
        404 => (FailureKind::Gone, ": look at the names in tidegate.yaml"),
        429 | 500..=599 => (FailureKind::Transient, ""),
        300..=399 => (FailureKind::Refused, ": it points elsewhere, and only the configured server is asked"),
        _ => (FailureKind::Refused, ""),
    };
    let detail = format!("the server says {}: {}{advice}", answer.status, said(&answer.body));
    Failure { kind, operation, object: path.to_owned(), detail }
}

/// The path of a Deployment.
#[must_use]
pub fn deployment(namespace: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
}
