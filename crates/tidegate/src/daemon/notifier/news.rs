//! Records of the journal as what people and tools are told.

use crate::daemon::duty::Whom;
use crate::daemon::story;
use serde::de::DeserializeOwned;
use tidegate_core::machine::Machine;
use tidegate_core::notify::{About, Item, Topic};
use tidegate_core::{ab, access, breaker, duty, rollout, train};
use tidegate_port::Record;

/// What a record tells; none where nobody is told of it.
pub fn news(record: &Record) -> Option<Item> {
    let (_, subject) = record.stream.split_once('/')?;
    let service = subject.rsplit_once('/').map_or(subject, |(service, _)| service);
    let item = |service: Option<&str>, subject: &str, (topic, text): (Topic, String)| Item {
        position: record.position,
        at: record.at,
        topic,
        service: service.map(str::to_owned),
        subject: subject.to_owned(),
        text,
    };
    match record.kind.as_str() {
        rollout::Rollouts::KIND => {
            let told = told(record, |event: &rollout::Event| story::words(event).unwrap_or_default())?;
            Some(item(Some(service), subject, told))
        }
        access::Access::KIND => Some(item(Some(subject), subject, told(record, access_words)?)),
        breaker::Breaker::KIND => Some(item(None, &format!("breaker {subject}"), told(record, breaker_words)?)),
        ab::Tests::KIND => Some(item(None, &format!("A/B test {subject}"), told(record, ab_words)?)),
        train::Trains::KIND => Some(item(None, &format!("train {subject}"), told(record, train_words)?)),
        train::Orders::KIND => Some(item(None, &format!("train {subject}"), told(record, order_words)?)),
        duty::Calls::KIND => {
            let service = record.body["service"].as_str()?;
            Some(item(Some(service), subject, told(record, duty_words)?))
        }
        _ => None,
    }
}

/// What a record of approvals is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A change, and who asked, approved or forbade it.
    Change { subject: access::Subject, by: String },
    /// A car of a train, after this fact of its stream.
    Car { stream: String, seq: u64, service: String },
    /// An order of a train, and who proposed or accepted it.
    Order { digest: String, by: String },
}

/// What a record of approvals is about; none where it is no such record.
pub fn allowed(record: &Record) -> Option<Allowed> {
    let body = || record.body.clone();
    match record.kind.as_str() {
        access::Access::KIND => match serde_json::from_value(body()).ok()? {
            access::Event::Asked { subject, by, .. }
            | access::Event::Approved { subject, by, .. }
            | access::Event::Vetoed { subject, by, .. } => Some(Allowed::Change { subject, by }),
            access::Event::GlassBroken { .. } | access::Event::GlassUsed { .. } | access::Event::GlassReviewed { .. } => None,
        },
        train::Trains::KIND => match serde_json::from_value(body()).ok()? {
            train::Event::Arrived { service, .. } | train::Event::Approved { service, .. } => {
                Some(Allowed::Car { stream: record.stream.clone(), seq: record.seq, service })
            }
            _ => None,
        },
        train::Orders::KIND => match serde_json::from_value(body()).ok()? {
            train::OrderEvent::Proposed { digest, by, .. } | train::OrderEvent::Accepted { digest, by, .. } => {
                Some(Allowed::Order { digest: digest.short().to_owned(), by })
            }
        },
        _ => None,
    }
}

/// Whom a record calls, where it calls somebody.
pub fn called(record: &Record) -> Whom {
    if record.kind != duty::Calls::KIND {
        return Whom::OnDuty;
    }
    match serde_json::from_value(record.body.clone()) {
        Ok(duty::Event::Escalated { to, .. }) => Whom::Only(to.person),
        Ok(duty::Event::Called { to, .. }) => Whom::Only(to.and_then(|to| to.person)),
        Ok(duty::Event::Answered { .. }) | Err(_) => Whom::Only(None),
    }
}

fn duty_words(event: &duty::Event) -> String {
    match event {
        duty::Event::Called { what, .. } => what.clone(),
        duty::Event::Escalated { what, to, .. } => format!("nobody answered, {} is called: {what}", to.duty),
        duty::Event::Answered { .. } => String::new(),
    }
}

fn told<E: About + DeserializeOwned>(record: &Record, words: impl FnOnce(&E) -> String) -> Option<(Topic, String)> {
    let event: E = serde_json::from_value(record.body.clone()).ok()?;
    Some((event.topic()?, words(&event)))
}

fn access_words(event: &access::Event) -> String {
    match event {
        access::Event::Asked { subject, of, by, until, .. } => {
            let version = &subject.version;
            format!("{by} asks to release version {version}: {of} others must approve it until {until}")
        }
        access::Event::Approved { subject, by, reason, .. } => format!("{by} approves version {}: {reason}", subject.version),
        access::Event::Vetoed { subject, by, reason, .. } => format!("{by} forbids version {}: {reason}", subject.version),
        access::Event::GlassBroken { by, reason, until, .. } => {
            format!("{by} broke the glass until {until}: approvals and freezes do not count: {reason}")
        }
        _ => String::new(),
    }
}

fn ab_words(event: &ab::Event) -> String {
    match event {
        ab::Event::Started { by, reason, .. } => format!("started by {by}: {reason}"),
        ab::Event::VariantStopped { variant, why, .. } => format!("{variant} is stopped, and its clients go back: {why}"),
        ab::Event::Concluded { result, .. } => {
            let each: Vec<String> = result.comparisons.iter().map(|c| format!("{}: {}", c.variant, c.verdict.words())).collect();
            format!("concluded: {}", each.join("; "))
        }
        ab::Event::Stopped { by, reason, .. } => format!("stopped by {by}: {reason}"),
        ab::Event::VariantReady { .. } | ab::Event::Running { .. } | ab::Event::Adopted { .. } => String::new(),
    }
}

fn train_words(event: &train::Event) -> String {
    match event {
        train::Event::Departed { by, reason, .. } => format!("departed by {by}: {reason}"),
        train::Event::Arrived { service, approvals, .. } => {
            format!("{service} is released: {approvals} others must approve it before what comes after it begins: `tidegate train approve`")
        }
        train::Event::Approved { service, by, reason, .. } => format!("{by} finds {service} good: {reason}"),
        train::Event::TurnedBack { cause: train::Cause::Car { service, why }, .. } => format!("goes back: {service}: {why}"),
        train::Event::TurnedBack { cause: train::Cause::Person { by, reason }, .. } => format!("goes back: {by}: {reason}"),
        train::Event::Checked { service, fit, .. } => format!("stands still: {service} does not start: {}", fit.words()),
        train::Event::Asked { service, why, .. } => format!("a person is called: {service}: {why}"),
        _ => String::new(),
    }
}

fn order_words(event: &train::OrderEvent) -> String {
    match event {
        train::OrderEvent::Proposed { proposal, by, reason, digest, .. } => format!(
            "{by} proposes an order of {} services, which somebody else must accept: {reason}: `tidegate train order` shows {digest}",
            proposal.services.len()
        ),
        train::OrderEvent::Accepted { by, .. } => format!("its order is accepted by {by}"),
    }
}

fn breaker_words(event: &breaker::Event) -> String {
    match event {
        breaker::Event::Tripped { by, why, .. } => format!("tripped by {by}: nothing goes forward: {}", why.join("; ")),
        breaker::Event::Closed { by, reason, .. } => format!("closed by {by}: {reason}"),
    }
}

/// The page that a record is, as the rollouts count them.
pub fn page_of(record: &Record) -> Option<u64> {
    match serde_json::from_value(record.body.clone()) {
        Ok(rollout::Event::Paged { number, .. }) if record.kind == rollout::Rollouts::KIND => Some(number),
        _ => None,
    }
}
