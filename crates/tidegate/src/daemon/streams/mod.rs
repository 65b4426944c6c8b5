//! Streams that tell what happens to changes: topics of Kafka and streams of NATS are read into the lake by the same door as webhooks.
//!
//! How far a stream was read moves on when what was read lies in the lake, and not before: what is read twice is known by its identifier.
//! A message that cannot be kept now is tried again, and those behind it wait, so that their order holds; one that cannot be read goes aside
//! and holds nothing up.

mod kafka;
mod nats;

use super::api::Api;
use super::deliveries::{Became, Told};
use crate::surroundings::secret;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::config::{EventSource, EventsBy};
use tidegate_wire::delivery::Attributes;

/// After a failure a stream is tried again after this time, each time after twice of it, up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// Begins to read every stream.
pub fn begin(api: &Api) {
    for (name, source) in &api.opened.config.events {
        let taker = Taker { api: api.clone(), name: name.clone(), source: source.clone(), outage: Outage::default() };
        match &source.by {
            EventsBy::Webhook { .. } => {}
            EventsBy::Kafka(topic) => drop(crate::task::spawn(kafka::follow(Arc::new(taker), topic.clone()))),
            EventsBy::Nats(stream) => drop(crate::task::spawn(nats::follow(taker, stream.clone()))),
        }
    }
}

/// What was said of what does not work, so that it is said once.
#[derive(Debug, Default)]
struct Outage(Mutex<BTreeMap<String, String>>);

/// Takes messages of one source.
struct Taker {
    api: Api,
    name: String,
    source: EventSource,
    outage: Outage,
}

impl Taker {
    /// Takes a message; comes back when it is kept, or aside, or nothing is to be kept of it.
    async fn take(&self, headers: &[(String, String)], body: &[u8]) {
        let kind = self.source.tool.kind_header();
        let kind = kind.and_then(|kind| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind))).map(|(_, value)| value.as_str());
        let told = Told { kind, cloud: Attributes::of(headers), body };
        let mut retry = Retry::default();
        while !self.kept(self.api.door.take(&self.name, &self.source, told).await) {
            retry.wait().await;
        }
    }

    /// Keeps aside what could not be had.
    async fn aside(&self, why: &str, what: &str) {
        let mut retry = Retry::default();
        while !self.kept(self.api.door.put_aside(&self.name, why, what.as_bytes()).await) {
            retry.wait().await;
        }
    }

    /// Comes back when what was taken is safe from a power cut: then it need not come again.
    async fn settle(&self) {
        let mut retry = Retry::default();
        while let Err(error) = self.api.door.settle().await {
            self.fails("keep", &format!("{error:#}"));
            retry.wait().await;
        }
    }

    fn kept(&self, became: anyhow::Result<Became>) -> bool {
        let why = match became {
            Ok(Became::NoRoom) => Some("there are as many sources as there may be, with those of old: name it as one of them".to_owned()),
            Ok(Became::Taken(_) | Became::Nothing | Became::Aside(_)) => None,
            Err(error) => Some(format!("{error:#}")),
        };
        let kept = why.is_none();
        match why {
            Some(why) => {
                self.fails("keep", &format!("an event could not be kept: {why}"));
            }
            None => self.works("keep"),
        }
        kept
    }

    /// Says what does not work, once; whether it worked until now.
    fn fails(&self, part: &str, why: &str) -> bool {
        let mut said = self.outage.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.insert(part.to_owned(), why.to_owned());
        if before.as_deref() != Some(why) {
            self.api.bus.trouble(&format!("events of {}: {why}; it is tried again", self.name));
        }
        before.is_none()
    }

    /// Says that it works again, where it did not.
    fn works(&self, part: &str) {
        if self.outage.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part).is_some() {
            self.api.bus.done(format!("events of {}: they come in again", self.name));
        }
    }

    /// A secret of the stream.
    fn secret(&self, variable: &str) -> Result<String, Failure> {
        secret(variable).map_err(|why| Failure {
            kind: FailureKind::Denied,
            operation: "read a secret",
            object: format!("events.{}", self.name),
            detail: why,
        })
    }
}

/// Waits before something is tried again.
#[derive(Debug, Default)]
struct Retry(u32);

impl Retry {
    async fn wait(&mut self) {
        tokio::time::sleep(RETRY_FIRST.saturating_mul(1 << self.0.min(10)).min(RETRY_LONGEST)).await;
        self.0 += 1;
    }
}
