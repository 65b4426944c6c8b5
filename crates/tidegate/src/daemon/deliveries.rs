//! Where other tools tell what happens to changes: each message proves to know its source's secret, is read for the few members that are
//! kept, and goes to the lake once. What cannot be read is kept aside with the reason and the digest of its body, and nothing of the body.

use super::access::Principal;
use super::api::{Api, Failed};
use super::features::Served;
use super::proof::{header, proves, stranger};
use crate::clock;
use crate::exit::{self, failure};
use crate::surroundings::secret;
use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidegate_adapters::pseudonym::pseudonym;
use tidegate_core::access::Action;
use tidegate_core::delivery::{Event, Intake, Taken};
use tidegate_core::id::At;
use tidegate_store::{DeliveryFilter, DeliveryRow, Lake};
use tidegate_wire::config::EventSource;
use tidegate_wire::delivery::{self, Attributes, Message};
use tokio::sync::Mutex;

/// The way in.
#[derive(Clone)]
pub struct Door {
    lake: Arc<Lake>,
    /// What is known already; read from the lake when the first message comes.
    intake: Arc<Mutex<Option<Intake>>>,
    key: [u8; 32],
    /// What follows the events that come in.
    served: Served,
}

/// A message of a source.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What a header says that it is.
    pub kind: Option<&'a str>,
    /// Attributes of a CloudEvent that came in headers.
    pub cloud: Option<Attributes<'a>>,
    /// Its body.
    pub body: &'a [u8],
}

/// What became of a message.
#[derive(Debug)]
pub enum Became {
    /// These events were taken, the first so often before.
    Taken(Vec<(String, Taken)>),
    /// It is of a kind of which nothing is kept.
    Nothing,
    /// It was kept aside.
    Aside(String),
    /// There are as many sources as there may be.
    NoRoom,
}

impl Door {
    /// A door to the lake; persons get pseudonyms by `key`.
    pub fn new(lake: Arc<Lake>, key: [u8; 32], served: Served) -> Door {
        Door { lake, intake: Arc::default(), key, served }
    }

    /// The features that follow what comes in.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// Takes a message. What is begun is carried out also where who sent it hangs up: what is written must be known.
    pub async fn take(&self, name: &str, source: &EventSource, told: Told<'_>) -> Result<Became> {
        let now = clock::now();
        let Told { kind, cloud, body } = told;
        let message = Message { kind, cloud, body, now_ms: now.0, services: &source.services };
        let read = delivery::read(source.tool, message, &|login| pseudonym(&self.key, name, login));
        let rows = match read {
            Ok(events) if events.is_empty() => return Ok(Became::Nothing),
            Ok(events) => events.into_iter().map(|event| row(name, source, event, now)).collect::<Result<Vec<_>>>()?,
            Err(why) => vec![aside(name, &why.to_string(), body, now)],
        };
        self.carry_out(name, rows).await
    }

    /// Keeps aside what could not even be had; `what` says what it is, once and for all.
    pub async fn put_aside(&self, name: &str, why: &str, what: &[u8]) -> Result<Became> {
        self.carry_out(name, vec![aside(name, why, what, clock::now())]).await
    }

    async fn carry_out(&self, name: &str, rows: Vec<DeliveryRow>) -> Result<Became> {
        let (door, name) = (self.clone(), name.to_owned());
        crate::task::spawn(async move { door.keep(&name, rows).await }).await?
    }

    /// Writes what is new; before anything is known of it, so that what could not be written is taken when it comes again.
    async fn keep(&self, name: &str, rows: Vec<DeliveryRow>) -> Result<Became> {
        let mut guard = self.intake.lock().await;
        let intake = match &mut *guard {
            Some(intake) => intake,
            none => none.insert(self.known().await?),
        };
        if !intake.has_room(name) {
            return Ok(Became::NoRoom);
        }
        // It is known from here on: who waited for others before was not known of meanwhile. Within a message, too, it is told once.
        let (now, mut told) = (clock::now(), BTreeSet::new());
        let new = rows.iter().filter(|row| !intake.knows(name, &row.id) && told.insert(&row.id));
        let new: Vec<DeliveryRow> = new.map(|row| DeliveryRow { at: now, ..row.clone() }).collect();
        let (lake, kept) = (Arc::clone(&self.lake), new.clone());
        tokio::task::spawn_blocking(move || lake.deliveries().append(&kept)).await?.context("keep an event")?;
        self.served.take(&new).await;
        let taken = rows.iter().map(|row| (row.id.clone(), intake.take(name, &row.id, row.happened.0))).collect();
        Ok(match rows.into_iter().find(|row| !row.aside.is_empty()) {
            Some(row) => Became::Aside(row.aside),
            None => Became::Taken(taken),
        })
    }

    /// Flushes what was kept to the disk, so that who told it need not tell it again.
    pub async fn settle(&self) -> Result<()> {
        let lake = Arc::clone(&self.lake);
        tokio::task::spawn_blocking(move || lake.deliveries().sync()).await?.context("flush events")
    }

    async fn known(&self) -> Result<Intake> {
        let lake = Arc::clone(&self.lake);
        let read = move || {
            let mut intake = Intake::default();
            for row in lake.deliveries().read(&DeliveryFilter::default())? {
                let row = row?;
                intake.take(&row.source, &row.id, row.happened.0);
            }
            Ok::<_, tidegate_port::Failure>(intake)
        };
        tokio::task::spawn_blocking(read).await?.context("read what is known of events")
    }
}

fn row(name: &str, source: &EventSource, event: Event, now: At) -> Result<DeliveryRow> {
    let event = event.told_of(source.service.as_deref(), source.environment.as_deref());
    let happened = At(event.at_ms);
    let text = serde_json::to_string(&event)?;
    Ok(DeliveryRow { at: now, happened, source: name.to_owned(), id: event.id, event: text, aside: String::new() })
}

fn aside(name: &str, why: &str, body: &[u8], now: At) -> DeliveryRow {
    let id = format!("aside/{}", hex::encode(Sha256::digest(body)));
    DeliveryRow { at: now, happened: now, source: name.to_owned(), id, event: String::new(), aside: why.to_owned() }
}

/// A webhook.
pub async fn receive(State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let source = api.opened.config.events.get(&name);
    let known = source.filter(|source| {
        source.secret().is_some_and(|name| secret(name).is_ok_and(|secret| proves(source.tool, &secret, &headers, &body)))
    });
    let Some(source) = known else { return stranger() };
    let kind = source.tool.kind_header().map(|name| header(&headers, name)).filter(|kind| !kind.is_empty());
    match api.door.take(&name, source, Told { kind, cloud: None, body: &body }).await {
        Ok(became) => {
            let (status, answer) = answer(became);
            said(status, answer)
        }
        Err(error) => {
            api.bus.trouble(&format!("an event of {name} could not be kept: {error:#}"));
            said(StatusCode::SERVICE_UNAVAILABLE, json!({ "answer": "it could not be kept: send it again" }))
        }
    }
}

/// Of a message that is read from a file.
#[derive(Debug, Deserialize)]
pub struct Imported {
    kind: Option<String>,
}

/// A message that somebody hands in who may.
pub async fn import(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(Principal(person)): Extension<Principal>,
    Query(told): Query<Imported>,
    body: Bytes,
) -> Result<Response, Failed> {
    let what = format!("take an event of `{name}` in");
    // What is told of the past decides about releases.
    if !person.may(Action::Release) {
        return Err(failure(exit::REFUSED, format!("{what}: {} may not {}", person.name, Action::Release.words())).into());
    }
    let source = api.opened.config.events.get(&name);
    let source = source.ok_or_else(|| exit::unknown(&what, &name, api.opened.config.events.keys()))?;
    let became = api.door.take(&name, source, Told { kind: told.kind.as_deref(), cloud: None, body: &body }).await?;
    if matches!(became, Became::NoRoom) {
        return Err(failure(exit::REFUSED, format!("{what}: there are as many sources as there may be, with those of old")).into());
    }
    let (_, answer) = answer(became);
    Ok(axum::Json(answer).into_response())
}

fn answer(became: Became) -> (StatusCode, Value) {
    match became {
        Became::Taken(events) => {
            let events: Vec<_> = events.iter().map(|(id, taken)| json!({ "id": id, "new": *taken != Taken::Known })).collect();
            (StatusCode::ACCEPTED, json!({ "answer": "taken", "events": events }))
        }
        Became::Nothing => (StatusCode::OK, json!({ "answer": "nothing is kept of such a message" })),
        Became::Aside(why) => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "answer": "kept aside", "why": why })),
        Became::NoRoom => (StatusCode::TOO_MANY_REQUESTS, json!({ "answer": "there are as many sources as there may be" })),
    }
}

fn said(status: StatusCode, body: Value) -> Response {
    (status, axum::Json(body)).into_response()
}
