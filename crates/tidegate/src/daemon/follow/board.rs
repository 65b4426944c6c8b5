//! The control plane's side: routes for who follows, and who follows how closely.

use super::{FOLLOWERS_MAX, Told, WAIT_MS, is_name, source};
use crate::clock;
use crate::daemon::api::{Api, Failed};
use crate::exit::{self, failure};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_core::id::{At, Digest};
use tokio::sync::Semaphore;

/// A follower as it showed itself last.
#[derive(Clone, Debug, Serialize)]
pub struct Follower {
    /// Its name.
    pub name: String,
    /// The generation that it has applied, of this control plane's; none: of an earlier one's, or none.
    pub applied: Option<u64>,
    /// When it asked last.
    pub asked: At,
    /// Why it has not applied what it was told, in its words.
    pub trouble: Option<String>,
    /// From when its routes stood here until it had applied them, in milliseconds.
    pub converged_ms: Option<u64>,
}

/// Who follows.
#[derive(Clone)]
pub struct Board {
    followers: Arc<Mutex<BTreeMap<String, Follower>>>,
    /// Files that are in memory at a time.
    files: Arc<Semaphore>,
}

/// Files that are sent at a time: each is in memory whole.
const FILES_AT_A_TIME: usize = 2;

impl Default for Board {
    fn default() -> Board {
        Board { followers: Arc::default(), files: Arc::new(Semaphore::new(FILES_AT_A_TIME)) }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Follower>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of who asks, and of what they have applied.
    fn note(&self, name: &str, applied: Option<u64>, trouble: Option<String>, stood_since: Option<At>) {
        let now = clock::now();
        let mut followers = self.lock();
        let before = followers.get(name);
        // Only a generation that it has not said before tells how long it took.
        let new = applied.is_some() && before.is_none_or(|before| before.applied != applied);
        let took = stood_since.filter(|_| new).map(|since| now.since_ms(since));
        let converged_ms = took.or_else(|| before.and_then(|before| before.converged_ms));
        followers.insert(name.to_owned(), Follower { name: name.to_owned(), applied, asked: now, trouble, converged_ms });
        while followers.len() > FOLLOWERS_MAX {
            let Some(oldest) = followers.values().min_by_key(|f| f.asked).map(|f| f.name.clone()) else { return };
            followers.remove(&oldest);
        }
    }
}

/// What a follower says.
#[derive(Debug, Deserialize)]
pub struct Asked {
    epoch: Option<u64>,
    applied: Option<u64>,
    trouble: Option<String>,
    wait_ms: Option<u64>,
}

/// Routes, when there are others than the follower has applied; 204 where there are none for a while.
pub async fn routes(State(api): State<Api>, Path(name): Path<String>, Query(asked): Query<Asked>) -> Result<Response, Failed> {
    const TROUBLE_CHARS_MAX: usize = 1_000;
    if !is_name(&name) {
        return Err(failure(exit::USAGE, format!("follow as {name}: a name is letters, digits, `-`, `_` and `.`")).into());
    }
    let mut standing = api.plane.standing();
    let applied = asked.applied.filter(|_| asked.epoch == Some(api.plane.epoch()));
    // It is printed: what a terminal would act on is left out.
    let trouble = asked.trouble.map(|text| text.chars().filter(|c| !c.is_control()).take(TROUBLE_CHARS_MAX).collect());
    let since = standing.borrow().as_ref().filter(|(generation, _)| Some(*generation) == applied).map(|(_, at)| *at);
    api.followers.note(&name, applied, trouble, since);
    // Nothing is told before what stood at the last end stands again: a follower would take it for gone.
    let others = standing.wait_for(|now| now.is_some_and(|(generation, _)| Some(generation) != applied));
    let wait_ms = asked.wait_ms.unwrap_or(WAIT_MS).min(WAIT_MS);
    match tokio::time::timeout(Duration::from_millis(wait_ms), others).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Ok(StatusCode::NO_CONTENT.into_response()),
    }
    let told: Told = source::told(&api.plane).await?;
    Ok(axum::Json(told).into_response())
}

/// A file of a version that the present routes need.
pub async fn file(State(api): State<Api>, Path((_, digest)): Path<(String, String)>) -> Result<Response, Failed> {
    // The semaphore is never closed.
    let _one = api.followers.files.acquire().await;
    let told = source::told(&api.plane).await?;
    let wanted = told.targets.iter().flat_map(|t| t.files.values()).find(|known| known.as_str() == digest).cloned();
    let Some(wanted) = wanted else {
        return Err(failure(exit::NOT_FOUND, format!("file {digest}: no version of the present routes has it")).into());
    };
    let bytes = bytes_of(&api, wanted).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

async fn bytes_of(api: &Api, digest: Digest) -> anyhow::Result<Vec<u8>> {
    use tidegate_port::Blobs as _;
    let blobs = api.plane.blobs().clone();
    Ok(tokio::task::spawn_blocking(move || blobs.get(&digest)).await??)
}

/// Who follows, for people.
pub async fn all(State(api): State<Api>) -> Response {
    let standing = *api.plane.standing().borrow();
    let followers: Vec<Follower> = api.followers.lock().values().cloned().collect();
    axum::Json(serde_json::json!({ "generation": standing.map(|(generation, _)| generation), "gateways": followers })).into_response()
}
