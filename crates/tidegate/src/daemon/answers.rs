//! What models and people say of changes before it is known how they end.

use super::access::Principal;
use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tidegate_core::correction::{Corrections, Ended};
use tidegate_core::worth::{Answer, Command, Decision, Event, Opinion, Said, Standing, Subject};

/// What a model says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    #[serde(default)]
    named: Option<String>,
    answer: Answer,
}

/// What somebody says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    #[serde(default)]
    named: Option<String>,
    commits: Vec<String>,
    #[serde(default)]
    risk: Option<f64>,
    #[serde(default)]
    decision: Option<Decision>,
    reason: String,
    ended: Ended,
}

fn refused(error: anyhow::Error) -> anyhow::Error {
    failure(exit::REFUSED, format!("{error:#}"))
}

/// Records an answer; of what it says nothing is told here.
pub async fn answer(State(api): State<Api>, axum::Json(said): axum::Json<Answered>) -> Result<Response, Failed> {
    let Answered { named, answer } = said;
    let command = Command::Answer { named, answer: Answer { at: clock::now(), ..answer } };
    let events = api.plane.control().execute::<Said>(Said::STREAM.to_owned(), None, command).await.map_err(refused)?;
    Ok(axum::Json(serde_json::json!({ "news": !events.is_empty() })).into_response())
}

/// Records a judgement.
pub async fn judge(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    axum::Json(said): axum::Json<Judged>,
) -> Result<Response, Failed> {
    let Judged { named, commits, risk, decision, reason, ended } = said;
    // What somebody said of it may be newer than what whoever asks has read.
    let corrected = api.plane.control().state::<Corrections>(Corrections::STREAM.to_owned()).await?;
    let word = commits.iter().filter_map(|commit| corrected.changes.get(commit)).map(|said| said.ended);
    let ended = word.chain([ended]).find(|ended| *ended != Ended::Unknown).unwrap_or(Ended::Unknown);
    let opinion = Opinion { commits: commits.clone(), risk, decision, blind: false, by: person.name, reason, at: clock::now() };
    let command = Command::Judge { named: named.clone(), opinion: opinion.clone(), ended };
    let events = api.plane.control().execute::<Said>(Said::STREAM.to_owned(), None, command).await.map_err(refused)?;
    let news = events.into_iter().find_map(|event| match event {
        Event::Judged { opinion, .. } => Some(opinion),
        Event::Answered { .. } => None,
    });
    // Said twice is said once: as it was kept.
    let known = match news {
        Some(opinion) => Some(opinion),
        None => {
            let state = api.plane.control().state::<Said>(Said::STREAM.to_owned()).await?;
            match state.standing(&Subject { named, commits }) {
                Standing::One(change) => state.changes.get(&change).and_then(|spoken| spoken.opinion.clone()),
                Standing::Several(_) => None,
            }
        }
    };
    Ok(axum::Json(known.unwrap_or(opinion)).into_response())
}
