//! What happens as CDEvents 0.5.1 (<https://cdevents.dev>), for tools: those of the specification where it has one, others as
//! custom events of `tidegate`.

use super::id;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tidegate_core::delivery::Trigger;
use tidegate_core::notify::{Item, Topic};

/// Version of the specification.
pub const SPEC_VERSION: &str = "0.5.1";
/// Version of the draft that has approvals.
pub const DRAFT_VERSION: &str = "0.6.0-draft";

/// What a release releases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The model.
    pub model: String,
    /// The version that is released.
    pub candidate: String,
    /// The one that it replaces; none for the first.
    pub stable: Option<String>,
    /// What set its rollback off, where it went back and that is known.
    pub trigger: Option<Trigger>,
}

/// What is to be approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approvable {
    /// The release of a version.
    Change {
        /// The model that is to be released.
        model: String,
        /// Its version.
        version: String,
        /// Of everything that an approver is shown, as its digest says.
        digest: String,
    },
    /// What a train released of a service, before it goes on.
    Car {
        /// Number of the train.
        number: u64,
        /// The service.
        service: String,
        /// Its model.
        model: String,
        /// The version that was released.
        version: String,
    },
    /// An order of a train.
    Order {
        /// Of what was proposed, as its digest says.
        digest: String,
    },
}

/// What people were asked to approve, and what they said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// What it is about.
    pub of: Approvable,
    /// Who asked, approved or forbade.
    pub by: String,
    /// Whether nobody else is asked any more.
    pub closes: bool,
}

/// What an event says beside what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Of a release.
    Released(Released),
    /// Of an approval.
    Approval(Approval),
}

/// The type of an event.
#[must_use]
pub fn kind(topic: Topic, first: bool, closes: bool) -> &'static str {
    match topic {
        Topic::Page => "dev.cdevents.incident.detected.0.3.0",
        Topic::Released if first => "dev.cdevents.service.deployed.0.3.0",
        Topic::Released => "dev.cdevents.service.upgraded.0.3.0",
        Topic::RolledBack => "dev.cdevents.service.rolledback.0.3.0",
        Topic::Started => "dev.cdeventsx.tidegate-release.started.0.1.0",
        Topic::Promoted => "dev.cdeventsx.tidegate-release.promoted.0.1.0",
        Topic::Held => "dev.cdeventsx.tidegate-release.held.0.1.0",
        Topic::RollingBack => "dev.cdeventsx.tidegate-release.rollingback.0.1.0",
        Topic::Frozen => "dev.cdeventsx.tidegate-release.frozen.0.1.0",
        Topic::Thawed => "dev.cdeventsx.tidegate-release.thawed.0.1.0",
        Topic::Asked => "dev.cdevents.approval.created.0.1.0",
        Topic::Approved if !closes => "dev.cdevents.approval.updated.0.1.0",
        Topic::Approved | Topic::Vetoed => "dev.cdevents.approval.closed.0.1.0",
        Topic::Glass => "dev.cdeventsx.tidegate-glass.broken.0.1.0",
        Topic::Tripped => "dev.cdeventsx.tidegate-breaker.tripped.0.1.0",
        Topic::Closed => "dev.cdeventsx.tidegate-breaker.closed.0.1.0",
        Topic::Concluded => "dev.cdeventsx.tidegate-ab.concluded.0.1.0",
    }
}

/// An event. The environment is the workspace.
#[must_use]
pub fn event(workspace: &str, item: &Item, beside: Option<&Beside>) -> Value {
    let (released, approval) = match beside {
        Some(Beside::Released(released)) => (Some(released), None),
        Some(Beside::Approval(approval)) => (None, Some(approval)),
        None => (None, None),
    };
    let source = format!("/tidegate/{}", encoded(workspace));
    let artifact = |version: &str| released.map(|r| format!("pkg:generic/{}@{}", encoded(&r.model), encoded(version)));
    let stable = released.and_then(|r| r.stable.as_deref());
    // After a rollback it is the old version that is there.
    let there = if item.topic == Topic::RolledBack { stable } else { released.map(|r| r.candidate.as_str()) };
    let artifact = there.and_then(artifact);
    let service = item.service.as_deref();
    let mut content = Map::new();
    let subject = match item.topic {
        Topic::Released | Topic::RolledBack => {
            content.insert("environment".to_owned(), json!({ "id": workspace }));
            service.unwrap_or(&item.subject).to_owned()
        }
        Topic::Page => {
            content.insert("description".to_owned(), json!(item.text));
            content.insert("environment".to_owned(), json!({ "id": workspace }));
            if let Some(service) = service {
                content.insert("service".to_owned(), json!({ "id": service }));
            }
            format!("{}/page/{}", item.subject, item.position)
        }
        Topic::Asked | Topic::Approved | Topic::Vetoed => {
            content = approved(workspace, item, approval);
            format!("{}{}", service.unwrap_or(&item.subject), approval.map(|a| of(&a.of)).unwrap_or_default())
        }
        _ => {
            if let Some(service) = service {
                content.insert("service".to_owned(), json!(service));
            }
            item.subject.clone()
        }
    };
    if let Some(artifact) = artifact {
        content.insert("artifactId".to_owned(), json!(artifact));
    }
    let mut custom = json!({ "topic": item.topic, "subject": item.subject, "text": item.text, "position": item.position });
    // CDEvents has no member for it.
    if let Some(trigger) = released.and_then(|r| r.trigger).filter(|_| matches!(item.topic, Topic::RollingBack | Topic::RolledBack)) {
        custom["trigger"] = json!(trigger);
    }
    json!({
        "context": {
            "specversion": if matches!(item.topic, Topic::Asked | Topic::Approved | Topic::Vetoed) { DRAFT_VERSION } else { SPEC_VERSION },
            "id": id(workspace, item.position),
            "source": source,
            "type": kind(item.topic, released.is_some_and(|r| r.stable.is_none()), approval.is_some_and(|a| a.closes)),
            "timestamp": item.at.to_string(),
        },
        "subject": { "id": subject, "source": source, "content": content },
        "customData": custom,
        "customDataContentType": "application/json",
    })
}

/// What tells one approval of a service or a train from its others.
fn of(approved: &Approvable) -> String {
    match approved {
        Approvable::Change { version, digest, .. } => format!("/{}/{digest}", encoded(version)),
        Approvable::Car { number, service, version, .. } => format!("/{number}/{}/{}", encoded(service), encoded(version)),
        Approvable::Order { digest } => format!("/order/{digest}"),
    }
}

/// Where it is on the console: where that is, stands in no record.
fn target(approved: &Approvable) -> String {
    match approved {
        Approvable::Change { model, version, .. } | Approvable::Car { model, version, .. } => {
            format!("/models/{}/{}", encoded(model), encoded(version))
        }
        Approvable::Order { .. } => "/".to_owned(),
    }
}

/// The content of an approval's event: where it is to be read, what it is about, who it is by.
fn approved(workspace: &str, item: &Item, approval: Option<&Approval>) -> Map<String, Value> {
    let by = approval.map_or("unknown", |a| a.by.as_str());
    let by = format!("urn:tidegate:{}:person:{}", named(workspace), named(by));
    let mut content = Map::new();
    let target = approval.map_or_else(|| "/".to_owned(), |a| target(&a.of));
    content.insert("approvalDetailsUrl".to_owned(), json!("/api/v1/approvals"));
    content.insert("resourceTargetUrl".to_owned(), json!(target));
    if item.topic == Topic::Asked {
        content.insert("requestor".to_owned(), json!(by));
        return content;
    }
    let said = if item.topic == Topic::Vetoed { "rejected" } else { "approved" };
    content.insert("responder".to_owned(), json!(by));
    content.insert("decision".to_owned(), json!(said));
    if item.topic == Topic::Vetoed || approval.is_some_and(|a| a.closes) {
        content.insert("status".to_owned(), json!(said));
    }
    content
}

/// A text as a part of a URN.
fn named(text: &str) -> String {
    encoded(text).replace('/', "%2F")
}

/// Attributes of an event as headers of HTTP: the binary mode of CloudEvents.
#[must_use]
pub fn headers(event: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let context = &event["context"];
    [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", text(&context["id"])),
        ("ce-source", text(&context["source"])),
        ("ce-type", text(&context["type"])),
        ("ce-time", text(&context["timestamp"])),
        ("ce-subject", encoded(&text(&event["subject"]["id"]))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// What is no letter or digit, as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
