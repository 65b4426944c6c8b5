//! Events of delivery as other tools tell them: bodies of webhooks and messages in, [`tidegate_core::delivery::Event`] out.
//!
//! Each reader names the few members that it reads, and no other part of a body goes further: not titles, not texts, not names of people,
//! whom the caller makes pseudonyms of. Identifiers are made of what is in the body, which a signature covers, and never of a header, so that
//! who replays a message under another number tells nothing new. Not here: whether who tells may.

mod argo;
mod cdevents;
mod github;
mod gitlab;
mod jenkins;
mod pagerduty;
mod spinnaker;
#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use tidegate_core::delivery::{Event, Trigger, Unfit, What, name};

/// Largest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;

/// A tool that tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Webhooks of GitHub.
    Github,
    /// Webhooks of GitLab.
    Gitlab,
    /// The notification plugin of Jenkins.
    Jenkins,
    /// Notifications of Argo CD and Argo Rollouts, whose templates hold the application or the rollout.
    Argo,
    /// Events of Spinnaker, as its service `echo` sends them.
    Spinnaker,
    /// Webhooks of PagerDuty, version 3.
    Pagerduty,
    /// Any tool that speaks CDEvents in CloudEvents.
    Cdevents,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 7] = [Tool::Github, Tool::Gitlab, Tool::Jenkins, Tool::Argo, Tool::Spinnaker, Tool::Pagerduty, Tool::Cdevents];

    /// Its name in files and addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tool::Github => "github",
            Tool::Gitlab => "gitlab",
            Tool::Jenkins => "jenkins",
            Tool::Argo => "argo",
            Tool::Spinnaker => "spinnaker",
            Tool::Pagerduty => "pagerduty",
            Tool::Cdevents => "cdevents",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// The header that says what kind of event a body is, where the tool sends one.
    #[must_use]
    pub fn kind_header(self) -> Option<&'static str> {
        match self {
            Tool::Github => Some("x-github-event"),
            _ => None,
        }
    }
}

/// What came in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What the tool's header says that it is.
    pub kind: Option<&'a str>,
    /// Attributes of the CloudEvent whose data the body is, where they came in headers.
    pub cloud: Option<Attributes<'a>>,
    /// The body.
    pub body: &'a [u8],
    /// When it came in, in milliseconds since 1970: the time of an event whose tool tells none.
    pub now_ms: i64,
    /// Names of services that have a space: any other name with one may be somebody's.
    pub services: &'a [String],
}

/// Attributes of a CloudEvent that came in headers, in the names of CloudEvents.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// `id`.
    pub id: &'a str,
    /// `source`.
    pub source: &'a str,
    /// `type`.
    pub kind: &'a str,
    /// `time`.
    pub time: &'a str,
}

impl<'a> Attributes<'a> {
    /// As headers have them, in the words of Kafka's binding (`ce_id`) or of NATS' (`ce-id`); none where one is missing.
    #[must_use]
    pub fn of(headers: &'a [(String, String)]) -> Option<Attributes<'a>> {
        let one = |name: &str| {
            let is = |header: &str| header.strip_prefix("ce").is_some_and(|rest| rest.starts_with(['_', '-']) && &rest[1..] == name);
            headers.iter().find(|(header, _)| is(&header.to_ascii_lowercase())).map(|(_, value)| value.as_str())
        };
        Some(Attributes { id: one("id")?, source: one("source")?, kind: one("type")?, time: one("time")? })
    }
}

/// Why a message is kept aside. No part of the message is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Longer than is read.
    #[error("the body has {bytes} bytes: at most {BODY_BYTES_MAX} are read")]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// Not what the tool sends.
    #[error("the body is no {what}: line {line}, column {column}")]
    Form {
        /// What it should be.
        what: &'static str,
        /// Where it is not.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A member is not what it should be.
    #[error(transparent)]
    Member(#[from] Unfit),
}

/// The events of a message: none where it is of a kind that is nobody's business. `pseudonym` is told a person's login and gives what stands
/// for it.
///
/// # Errors
/// When it cannot be read, or a name in it is none.
pub fn read(tool: Tool, message: Message<'_>, pseudonym: &dyn Fn(&str) -> String) -> Result<Vec<Event>, Unread> {
    if message.body.len() > BODY_BYTES_MAX {
        return Err(Unread::Long { bytes: message.body.len() });
    }
    let one = |event: Option<Event>| event.into_iter().collect::<Vec<_>>();
    let events = match tool {
        Tool::Github => one(github::read(message, pseudonym)?),
        Tool::Gitlab => one(gitlab::read(message, pseudonym)?),
        Tool::Jenkins => one(jenkins::read(message)?),
        Tool::Argo => argo::read(message)?,
        Tool::Spinnaker => spinnaker::read(message)?,
        Tool::Pagerduty => one(pagerduty::read(message)?),
        Tool::Cdevents => one(cdevents::read(message)?),
    };
    let fit = |event: Event| Ok(event.in_time(message.now_ms)?.of_service(message.services)?);
    events.into_iter().map(fit).collect()
}

/// A body as what it should be. The reader's own words are not passed on: they repeat what was read.
fn form<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, Unread> {
    serde_json::from_slice(body).map_err(|e| Unread::Form { what, line: e.line(), column: e.column() })
}

fn missing(member: &'static str) -> Unread {
    Unread::Member(Unfit::Missing { member })
}

/// An instant as tools write it: RFC 3339, or `2016-08-12 15:26:29 UTC` and `2021-04-28 21:50:00 +0200`, as GitLab does.
fn instant(member: &'static str, text: &str) -> Result<i64, Unread> {
    let wrong = Unread::Member(Unfit::Time { member });
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let spelt = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest} +0000"));
    jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", &spelt).map(|instant| instant.as_millisecond()).map_err(|_| wrong)
}

/// A name where there is one.
fn named(member: &'static str, text: Option<&str>) -> Result<Option<String>, Unread> {
    Ok(text.filter(|text| !text.is_empty()).map(|text| name(member, text)).transpose()?)
}

/// The same, where a name has no space: of a repository, of an incident.
fn slug(member: &'static str, text: Option<&str>) -> Result<Option<String>, Unread> {
    match named(member, text)? {
        Some(name) if name.contains(' ') => Err(Unread::Member(Unfit::Name { member, kind: "name without a space" })),
        name => Ok(name),
    }
}

/// What could not be rolled out, and the rollback that came with it: two events of one identifier's root.
fn taken_back(failed: Event, trigger: Option<Trigger>) -> Vec<Event> {
    let back = Event { id: format!("{}/rolled-back", failed.id), what: What::ServiceRolledBack { trigger }, ..failed.clone() };
    vec![failed, back]
}

/// `owner/name` of an address of a repository.
fn repository(member: &'static str, address: Option<&str>) -> Result<Option<String>, Unread> {
    let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
    // What stands before the host may be a password: where there is no path, nothing is left.
    let path = match (address.split_once("://"), address.split_once(':')) {
        (Some((_, rest)), _) => rest.split_once('/').map(|(_, path)| path).unwrap_or_default(),
        (None, Some((before, path))) if before.contains('@') => {
            path.rsplit('@').next().unwrap_or_default().rsplit(':').next().unwrap_or_default()
        }
        (None, Some((_, path))) => path,
        (None, None) => address,
    };
    let path = path.trim_matches('/');
    if path.contains('@') {
        return Err(Unread::Member(Unfit::Name { member, kind: "repository" }));
    }
    slug(member, Some(path.strip_suffix(".git").unwrap_or(path)))
}
