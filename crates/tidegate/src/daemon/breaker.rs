//! Circuit breakers of the workspace: looks at their signals, trips and closes them, and what people say to them.

use super::access::Principal;
use super::api::{Api, Failed};
use super::blame;
use super::plane::Plane;
use crate::clock;
use crate::exit::{self, failure};
use crate::source::series;
use crate::workspace::Opened;
use anyhow::Result;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_adapters::curl::BriefCurl;
use tidegate_core::blame::Symptom;
use tidegate_core::breaker::{self, Breaker, Command, Looks, Reading, Shown, Signal, WATCH, Wanted};
use tidegate_core::id::At;
use tidegate_core::machine::Machine as _;
use tidegate_core::rollout::{self, Frozen};
use tidegate_engine::rollouts::Input;
use tidegate_wire::config::{NamedBreaker, Workspace};
use tidegate_wire::prometheus::Grid;
use tidegate_wire::sources::MetricSource;

/// Longest wait for the answers to one look.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Seconds of a step, where a service keeps points.
const STEP_S: i64 = 60;

/// Characters of the reason that a release is aborted with.
const REASON_CHARS_MAX: usize = 400;

/// What was abnormal, and when that was seen.
type Look = (Vec<String>, At);

/// The last look of each breaker.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<HashMap<String, Look>>>);

impl Seen {
    fn set(&self, name: &str, wrong: Vec<String>, at: At) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (wrong, at));
    }

    fn of(&self, name: &str) -> Option<Look> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

fn stream(name: &str) -> String {
    format!("{}/{name}", Breaker::KIND)
}

/// What halts a service now.
///
/// # Errors
/// When the journal cannot be read.
pub async fn halted(plane: &Plane, config: &Workspace, service: &str, at: At) -> Result<Option<Frozen>> {
    for (name, breaker) in &config.breakers {
        if breaker.services.is_empty() || breaker.services.iter().any(|s| s == service) {
            let state = plane.control().state::<Breaker>(stream(name)).await?;
            if let Some(frozen) = breaker::frozen(name, &state, at) {
                return Ok(Some(frozen));
            }
        }
    }
    Ok(None)
}

/// Looks at the signals of one breaker for as long as the workspace is up.
pub async fn watch(plane: Plane, opened: Arc<Opened>, seen: Seen, name: String, named: NamedBreaker) {
    let (config, lake) = (&opened.config, opened.places.lake());
    let (mut looks, mut said) = (Looks::default(), String::new());
    // Since when it has been abnormal, look by look.
    let mut began: Option<At> = None;
    loop {
        let found = wrong(&named, &lake).await;
        let at = clock::now();
        began = if found.is_empty() { None } else { began.or(Some(at)) };
        let wrong: Vec<String> = found.iter().map(|abnormal| abnormal.why.clone()).collect();
        seen.set(&name, wrong.clone(), at);
        let symptom = symptom(&found, began.unwrap_or(at));
        let done = turn(&plane, config, (&name, &named), &mut looks, &wrong, symptom.as_ref()).await;
        plane.trouble_once(&mut said, done.err().map(|error| format!("watch breaker {name}: {error:#}")));
        tokio::time::sleep(Duration::from_millis(named.every_ms)).await;
    }
}

/// What is abnormal.
struct Abnormal {
    /// In words.
    why: String,
    /// The service where it is seen.
    service: Option<String>,
    /// It was seen, and not only that nothing can be told: nobody is to blame for a server that does not answer.
    seen: bool,
}

impl Abnormal {
    fn untold(why: String) -> Abnormal {
        Abnormal { why, service: None, seen: false }
    }
}

/// What was seen, and in which service where all of it was seen in one.
fn symptom(found: &[Abnormal], began: At) -> Option<Symptom> {
    let seen: Vec<&Abnormal> = found.iter().filter(|abnormal| abnormal.seen).collect();
    let service = seen.first()?.service.clone().filter(|first| seen.iter().all(|other| other.service.as_ref() == Some(first)));
    Some(Symptom { service, place: None, began })
}

async fn turn(
    plane: &Plane,
    config: &Workspace,
    (name, named): (&str, &NamedBreaker),
    looks: &mut Looks,
    wrong: &[String],
    symptom: Option<&Symptom>,
) -> Result<()> {
    let at = clock::now();
    let state = plane.control().state::<Breaker>(stream(name)).await?;
    let (mut guilty, by) = (None, WATCH.to_owned());
    let command = match looks.look(named.rule, &state, wrong, at) {
        None => return Ok(()),
        Some(Wanted::Trip(mut why)) => {
            if let Some(symptom) = symptom {
                match blame::who(plane, config, symptom).await {
                    Ok(found) => {
                        why.extend(blame::words(&found));
                        guilty = found.guilty().filter(|_| named.aborts).and_then(blame::release_of);
                    }
                    // It trips all the same.
                    Err(error) => plane.trouble(&format!("breaker {name}: tell which release is to blame: {error:#}")),
                }
            }
            plane.trouble(&format!("breaker {name} trips: {}: nothing goes forward", why.join("; ")));
            Command::Trip { by, why, at }
        }
        Some(Wanted::Close) => Command::Close { by, reason: "all signals have been normal long enough".to_owned(), at },
    };
    plane.control().execute::<Breaker>(stream(name), None, command).await?;
    if let Some(rollout) = guilty {
        let reason = format!("it is to blame for what tripped it: {}", wrong.join("; "));
        let reason = reason.chars().take(REASON_CHARS_MAX).collect();
        let command = rollout::Command::Abort { by: format!("breaker {name}"), reason, at };
        // One that is past an abort is named, and left to a person.
        plane.drive(Input::Command { rollout, key: None, command }).await?;
    }
    Ok(())
}

/// What is abnormal now.
async fn wrong(named: &NamedBreaker, lake: &std::path::Path) -> Vec<Abnormal> {
    let lake = lake.to_owned();
    let (source, window_ms, signals) = (named.source.clone(), named.window_ms, named.signals.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let now_s = clock::now().0.div_euclid(1_000);
        signals.iter().flat_map(|(query, signal)| abnormal((&source, &lake), window_ms, (query, signal), now_s)).collect::<Vec<_>>()
    });
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(wrong)) => wrong,
        Ok(Err(_)) => vec![Abnormal::untold("the signals cannot be told: the question was given up".to_owned())],
        Err(_) => vec![Abnormal::untold(format!("the signals cannot be told: no answer within {} s", ANSWER_WITHIN.as_secs()))],
    }
}

/// The times that are asked for: now, or the whole minutes of a window: of the one that has begun only a part is counted.
fn lately(source: &MetricSource, window_ms: u64, now_s: i64) -> Grid {
    if !source.keeps_points() {
        return Grid { start_s: now_s, step_s: 1, steps: 1 };
    }
    let steps = i64::try_from(window_ms / 60_000).unwrap_or(1).max(1);
    let end = now_s.div_euclid(STEP_S) * STEP_S;
    Grid { start_s: end - STEP_S * steps, step_s: STEP_S, steps: usize::try_from(steps).unwrap_or(1) }
}

/// The newest value; none is not normal.
fn newest(values: &[f64]) -> Reading {
    let value = values.iter().rev().find(|value| !value.is_nan()).or(values.last());
    value.copied().ok_or_else(|| "it has no value".to_owned())
}

/// What is abnormal about the values of a query; of several series each counts.
fn abnormal(
    (source, lake): (&MetricSource, &std::path::Path),
    window_ms: u64,
    (query, signal): (&str, &Signal),
    now_s: i64,
) -> Vec<Abnormal> {
    let readings: Vec<Reading> = match series(&BriefCurl, lake, source, query, lately(source, window_ms, now_s)) {
        Err(why) => vec![Err(why)],
        Ok(series) if series.is_empty() => vec![Err(format!("`{query}` finds nothing"))],
        Ok(series) => series.iter().map(|s| newest(&s.values)).collect(),
    };
    let of = |reading: &Reading| {
        let seen = reading.as_ref().is_ok_and(|value| !value.is_nan());
        Some(Abnormal { why: signal.wrong(reading)?, service: signal.service.clone(), seen })
    };
    readings.iter().filter_map(of).collect()
}

/// What a person says with a command.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    reason: Option<String>,
}

/// Every breaker.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let mut found = serde_json::Map::new();
    for name in api.opened.config.breakers.keys() {
        found.insert(name.clone(), serde_json::to_value(shown(&api, name).await?)?);
    }
    Ok(axum::Json(found).into_response())
}

async fn shown(api: &Api, name: &str) -> Result<Shown> {
    let state = api.plane.control().state::<Breaker>(stream(name)).await?;
    let (wrong, looked) = api.breakers.of(name).map_or((vec![], None), |(wrong, at)| (wrong, Some(at)));
    Ok(Shown { state, wrong, looked })
}

/// Trips or closes one by hand.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path((name, word)): Path<(String, String)>,
    body: Option<axum::Json<Said>>,
) -> Result<Response, Failed> {
    let known = &api.opened.config.breakers;
    if !known.contains_key(&name) {
        return Err(exit::unknown(&format!("{word} a breaker"), &name, known.keys()).into());
    }
    let (by, reason, at) = (person.name, body.and_then(|axum::Json(said)| said.reason).unwrap_or_default(), clock::now());
    let command = match word.as_str() {
        "trip" => Command::Trip { by, why: vec![reason], at },
        "close" => Command::Close { by, reason, at },
        _ => return Err(failure(exit::NOT_FOUND, format!("`{word}` is no word of a breaker: known are trip, close")).into()),
    };
    let refused = |error: anyhow::Error| failure(exit::REFUSED, format!("{error:#}"));
    api.plane.control().execute::<Breaker>(stream(&name), None, command).await.map_err(refused)?;
    for service in api.opened.config.services.keys() {
        api.watchman.freezer().tell(service).await?;
    }
    Ok(axum::Json(shown(&api, &name).await?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_that_has_begun_is_not_looked_at() {
        let influx = MetricSource::Influx { url: String::new(), database: String::new(), login: None, token: None };
        let grid = lately(&influx, 300_000, 1_000_030);
        assert_eq!((grid.start_s, grid.end_s() + STEP_S, grid.steps), (999_720, 1_000_020, 5));
        let web = MetricSource::Web { url: String::new(), token: None };
        assert_eq!(lately(&web, 300_000, 1_000_030), Grid { start_s: 1_000_030, step_s: 1, steps: 1 });
        assert_eq!(newest(&[1.0, 2.0, f64::NAN]).unwrap(), 2.0, "points come late");
        assert!(newest(&[f64::NAN]).unwrap().is_nan(), "which is abnormal");
        assert!(newest(&[]).is_err());
    }
}
