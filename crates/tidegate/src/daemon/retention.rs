//! Removes events that came in longer ago than their source's policy keeps them: once a day, and when somebody asks.

use super::access::Principal;
use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::access::Action;
use tidegate_core::delivery::{Expiry, Retention};
use tidegate_core::id::At;
use tidegate_core::machine::Machine as _;
use tidegate_store::{DeliveryFilter, DeliveryRow, Lake};
use tidegate_wire::config::Workspace;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(24 * 3_600);

/// What a policy lets go of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// The source.
    pub source: String,
    /// Rows, with those that were kept aside.
    pub rows: u64,
    /// They came in before this time.
    pub before_ms: i64,
    /// How long they are kept.
    pub keep_ms: u64,
}

/// What policies let go now, of every source that has one.
///
/// # Errors
/// When the lake cannot be read.
pub fn due(config: &Workspace, lake: &Lake, now: At) -> Result<Vec<Due>> {
    let mut found = vec![];
    for (name, source) in &config.events {
        let Some(keep_ms) = source.keep_ms else { continue };
        let before = At(now.0.saturating_sub(i64::try_from(keep_ms).unwrap_or(i64::MAX)));
        let filter = DeliveryFilter { source: Some(name.clone()), until: Some(before), ..DeliveryFilter::default() };
        let mut rows = 0;
        for row in lake.deliveries().read(&filter)? {
            row?;
            rows += 1;
        }
        found.push(Due { source: name.clone(), rows, before_ms: before.0, keep_ms });
    }
    Ok(found)
}

/// Looks once a day, for as long as this process lives.
pub async fn keep(api: Api) {
    if api.opened.config.events.values().all(|source| source.keep_ms.is_none()) {
        return;
    }
    let mut said = String::new();
    loop {
        let removed = remove(&api).await;
        api.plane.trouble_once(&mut said, removed.err().map(|error| format!("remove old events: {error:#}")));
        tokio::time::sleep(LOOK).await;
    }
}

/// Removes what policies let go. The journal says it first, so that nothing is gone of which there is no record.
async fn remove(api: &Api) -> Result<Vec<Due>> {
    let (opened, lake, now) = (api.opened.clone(), api.watchman.lake.clone(), clock::now());
    let due = tokio::task::spawn_blocking(move || due(&opened.config, &lake, now)).await??;
    for one in &due {
        let command = Expiry { rows: one.rows, before: At(one.before_ms), keep_ms: one.keep_ms, at: now };
        let stream = format!("{}/{}", Retention::KIND, one.source);
        api.plane.control().execute::<Retention>(stream, None, command).await.context("record what is removed")?;
        if one.rows > 0 {
            let (lake, one) = (Arc::clone(&api.watchman.lake), one.clone());
            let old = move || {
                let which = |row: &DeliveryRow| row.source == one.source;
                lake.deliveries().remove(At(one.before_ms), &DeliveryFilter::default(), &which)
            };
            tokio::task::spawn_blocking(old).await?.context("remove events from the lake")?;
        }
    }
    Ok(due)
}

/// Somebody asks.
pub async fn prune(State(api): State<Api>, Extension(Principal(person)): Extension<Principal>) -> Result<Response, Failed> {
    // What is known of the past decides about releases.
    if !person.may(Action::Release) {
        let why = format!("remove old events: {} may not {}", person.name, Action::Release.words());
        return Err(failure(exit::REFUSED, why).into());
    }
    Ok(axum::Json(remove(&api).await?).into_response())
}
