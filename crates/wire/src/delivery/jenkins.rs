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
    /// When it began, in milliseconds since 1970; older versions do not tell it.
    timestamp: Option<i64>,
    /// How long it took, in milliseconds.
    duration: Option<i64>,
    scm: Option<Scm>,
}

#[derive(Deserialize)]
struct Body {
    name: String,
    build: Build,
}

pub(super) fn read(message: Message<'_>) -> Result<Option<Event>, Unread> {
    let Body { name, build } = form("notification of Jenkins", message.body)?;
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
    let service = named("name", Some(&name))?;
    let scm = build.scm.as_ref();
    let commit = scm.and_then(|scm| scm.commit.as_deref()).filter(|commit| !commit.is_empty());
    let at_ms = build.timestamp.map_or(message.now_ms, |began| began.saturating_add(build.duration.unwrap_or(0).max(0)));
    Ok(Some(Event {
        id: format!("{}/{}", service.as_deref().unwrap_or_default(), build.number),
        at_ms,
        what: What::PipelineRunFinished { outcome },
        subject: Subject {
            repository: repository("build.scm.url", scm.and_then(|scm| scm.url.as_deref()))?,
            revision: commit.map(|commit| revision("build.scm.commit", commit)).transpose()?,
            service,
            ..Subject::default()
        },
    }))
}
