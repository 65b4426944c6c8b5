//! CDEvents (<https://cdevents.dev>) of versions 0.4 and 0.5, in structured or binary CloudEvents or by themselves.

use super::{Message, Unread, form, instant, missing, named, repository, slug};
use serde::Deserialize;
use serde_json::Value;
use tidegate_core::delivery::{Event, Outcome, Subject, Trigger, What, revision};

#[derive(Deserialize)]
struct Context {
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
}

#[derive(Deserialize)]
struct Of {
    id: Option<String>,
    #[serde(default)]
    content: Value,
}

/// A CloudEvent, whose data the event is. It has a `subject` of its own, which is a text.
#[derive(Deserialize)]
struct Cloud {
    data: Option<Body>,
}

#[derive(Deserialize)]
struct Body {
    context: Option<Context>,
    subject: Option<Of>,
    /// Whatever its sender likes; of ours the trigger of a rollback.
    #[serde(default, rename = "customData")]
    custom: Value,
}

pub(super) fn read(message: Message<'_>) -> Result<Option<Event>, Unread> {
    let body = match form::<Cloud>("CDEvent", message.body)?.data {
        Some(data) => data,
        None => form("CDEvent", message.body)?,
    };
    let in_headers = message.cloud.map(|of| Context {
        id: of.id.to_owned(),
        source: of.source.to_owned(),
        kind: of.kind.to_owned(),
        timestamp: of.time.to_owned(),
    });
    let context = body.context.or(in_headers).ok_or_else(|| missing("context"))?;
    // `dev.cdevents.<subject>.<predicate>.<version>`.
    let mut words = context.kind.strip_prefix("dev.cdevents.").unwrap_or_default().split('.');
    let kind = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let of = body.subject.ok_or_else(|| missing("subject"))?;
    let text = |path: &str| of.content.pointer(path).and_then(Value::as_str);
    let outcome = || outcome(text("/outcome"));
    let what = match kind {
        ("change", "created") => What::ChangeCreated,
        ("change", "merged") => What::ChangeMerged,
        ("change", "abandoned") => What::ChangeAbandoned,
        ("pipelinerun", "finished") => What::PipelineRunFinished { outcome: outcome()? },
        ("testsuiterun", "finished") => What::TestSuiteRunFinished { outcome: outcome()? },
        ("service", "deployed" | "upgraded") => What::DeploymentFinished { outcome: Outcome::Success },
        ("service", "rolledback") => What::ServiceRolledBack { trigger: body.custom["trigger"].as_str().and_then(Trigger::named) },
        ("incident", "detected" | "reported") => What::IncidentDetected,
        ("incident", "resolved") => What::IncidentResolved,
        _ => return Ok(None),
    };
    let source = slug("context.source", Some(context.source.trim_start_matches('/')))?.unwrap_or_default();
    let id = slug("context.id", Some(&context.id))?.ok_or_else(|| missing("context.id"))?;
    let own = named("subject.id", of.id.as_deref().map(|id| id.trim_start_matches('/')))?;
    let service = match kind.0 {
        "service" => own.clone(),
        // Its own identifier is that of one run.
        "pipelinerun" => named("subject.content.pipelineName", text("/pipelineName"))?,
        _ => named("subject.content.service.id", text("/service/id"))?,
    };
    let commit = text("/revision").or_else(|| text("/change/revision"));
    Ok(Some(Event {
        id: format!("{source}/{id}"),
        at_ms: instant("context.timestamp", &context.timestamp)?,
        what,
        subject: Subject {
            repository: repository("subject.content.repository.id", text("/repository/id"))?,
            change: own.as_deref().filter(|_| kind.0 == "change").and_then(|id| id.rsplit('/').next()?.parse().ok()),
            revision: commit.and_then(|commit| revision("subject.content.revision", commit).ok()),
            environment: named("subject.content.environment.id", text("/environment/id"))?,
            incident: slug("subject.id", own.as_deref().filter(|_| kind.0 == "incident"))?,
            service,
            actor: None,
        },
    }))
}

fn outcome(word: Option<&str>) -> Result<Outcome, Unread> {
    match word {
        Some("success" | "pass") => Ok(Outcome::Success),
        Some("failure" | "fail" | "error") => Ok(Outcome::Failure),
        Some("cancel" | "cancelled") => Ok(Outcome::Cancelled),
        _ => Err(missing("subject.content.outcome")),
    }
}
