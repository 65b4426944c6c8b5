//! How the channels stand, for whoever asks.

use super::carrier::{carry, way_words};
use crate::clock;
use crate::daemon::api::{Api, Failed};
use crate::exit::{self, failure};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::id::At;
use tidegate_core::notify::{Item, Topic};
use tidegate_wire::config::Channel;

/// A channel.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// How it tells.
    pub way: String,
    /// Of what.
    pub on: Vec<Topic>,
    /// Of which services; of all when empty.
    pub services: Vec<String>,
    /// Happenings that were told since this start.
    pub told: usize,
    /// When the last one was.
    pub last: Option<At>,
    /// Happenings that wait.
    pub waiting: usize,
    /// Happenings that were given up since this start.
    pub given_up: usize,
    /// Why it does not get on.
    pub trouble: Option<String>,
}

impl Standing {
    pub(super) fn new(channel: &Channel) -> Standing {
        let (on, services) = (channel.on.clone(), channel.services.clone());
        Standing { way: way_words(&channel.way), on, services, told: 0, last: None, waiting: 0, given_up: 0, trouble: None }
    }

    pub(super) fn told(&mut self, count: usize, at: At) {
        self.told += count;
        self.last = Some(at);
        self.trouble = None;
    }
}

/// All channels.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Standing>>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, name: &str, standing: Standing) {
        self.lock().insert(name.to_owned(), standing);
    }

    pub(super) fn set(&self, name: &str, change: impl FnOnce(&mut Standing)) {
        if let Some(standing) = self.lock().get_mut(name) {
            change(standing);
        }
    }

    pub(super) fn trouble(&self, name: &str) -> Option<String> {
        self.lock().get(name)?.trouble.clone()
    }
}

/// Every channel.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    Ok(axum::Json(api.board.lock().clone()).into_response())
}

/// Tells a channel something that did not happen, now and once.
pub async fn test(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Failed> {
    let known = &api.opened.config.notify;
    let Some(channel) = known.get(&name) else {
        return Err(exit::unknown("test a channel", &name, known.keys()).into());
    };
    let (workspace, way, at) = (api.opened.config.name.clone(), channel.way.clone(), clock::now());
    // A position that no journal reaches: it is no happening, and each test is another.
    let position = u64::MAX - at.0.unsigned_abs();
    let text = "a test: nothing happened".to_owned();
    let item = Item { position, at, topic: Topic::Held, service: None, subject: "tidegate notify test".to_owned(), text };
    let carried = tokio::task::spawn_blocking(move || carry(&workspace, &way, &[item], None)).await?;
    carried.map_err(|why| failure(exit::OUTSIDE, format!("test channel {name}: {why}")))?;
    Ok(axum::Json(serde_json::json!({ "channel": name, "told": true })).into_response())
}
