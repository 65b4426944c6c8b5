//! What Jenkins' notification plugin sends (<https://plugins.jenkins.io/notification/>), in JSON.

use super::{Message, Unread, form, named, repository};
use serde::Deserialize;
use tidegate_core::delivery::{Event, Outcome, Subject, What, revision};

#[derive(Deserialize)]
struct Scm {
    url: Option<String>,
    commit: Option<String>,
}

#[derive(Deserialize)]
struct Build {
    number: u64,
    phase: String,
    status: Option<String>,
    /// When its phase was reached, in milliseconds since 1970; older versions do not tell it.
    timestamp: Option<i64>,
    scm: Option<Scm>,
}

#[derive(Deserialize)]
struct Body {
    name: String,
    /// `job/shop/job/main/`: the name alone is a branch's, where a job has branches.
    url: Option<String>,
    build: Build,
}

/// A job with the folders that it lies in, as `shop/main`.
fn job(name: &str, url: Option<&str>) -> String {
    let parts: Vec<&str> = url.unwrap_or_default().trim_matches('/').split('/').collect();
    let jobs: Vec<&str> = parts.chunks(2).filter(|pair| pair.first() == Some(&"job")).filter_map(|pair| pair.get(1).copied()).collect();
    if jobs.is_empty() || jobs.len() * 2 != parts.len() { name.to_owned() } else { jobs.join("/") }
}

pub(super) fn read(message: Message<'_>) -> Result<Option<Event>, Unread> {
    let Body { name, url, build } = form("notification of Jenkins", message.body)?;
    // `FINALIZED` says it once more, when everything that follows a build is done too.
    if build.phase != "COMPLETED" && build.phase != "FINALIZED" {
        return Ok(None);
    }
    let outcome = match build.status.as_deref() {
        Some("SUCCESS") => Outcome::Success,
        Some("FAILURE" | "UNSTABLE") => Outcome::Failure,
        Some("ABORTED" | "NOT_BUILT") => Outcome::Cancelled,
        _ => return Ok(None),
    };
    let service = named("name", Some(&job(&name, url.as_deref())))?;
    let scm = build.scm.as_ref();
    let commit = scm.and_then(|scm| scm.commit.as_deref()).filter(|commit| !commit.is_empty());
    Ok(Some(Event {
        id: format!("{}/{}", service.as_deref().unwrap_or_default(), build.number),
        at_ms: build.timestamp.unwrap_or(message.now_ms),
        what: What::PipelineRunFinished { outcome },
        subject: Subject {
            repository: repository("build.scm.url", scm.and_then(|scm| scm.url.as_deref()))?,
            revision: commit.map(|commit| revision("build.scm.commit", commit)).transpose()?,
            service,
            ..Subject::default()
        },
    }))
}
