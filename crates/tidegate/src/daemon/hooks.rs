//! Where other release tools ask: Argo Rollouts, Flagger, Kayenta and what speaks to it, Spinnaker.
//!
//! Most of them cannot send a header, so a token of the scope `judge` stands in the path. What is answered is in
//! `wire::foreign`; when a judgement began and what was found is in the journal.

use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use crate::surroundings::prometheus_token;
use anyhow::Result;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_adapters::curl::Curl;
use tidegate_adapters::prometheus::{Arms, counts};
use tidegate_core::id::At;
use tidegate_core::judge::{JudgeSettings, Verdict, for_counts, judge_counts};
use tidegate_core::judgement::{Begun, Command, Judgement, Parameters, Standing, filled, is_plain};
use tidegate_core::machine::Machine as _;
use tidegate_core::peers::kayenta::ScoreThresholds;
use tidegate_core::peers::metric_sets::{by_evidence, by_rules};
use tidegate_wire::config::NamedJudge;
use tidegate_wire::config::unit::instant_ms;
use tidegate_wire::foreign::kayenta::{answer, question};
use tidegate_wire::foreign::verdict::{FlaggerAsks, FlaggerHook, argo as for_argo, kayenta as for_kayenta, spinnaker as for_spinnaker};
use tidegate_wire::prometheus::Grid;
use tokio::sync::Semaphore;

/// Largest question of Kayenta's, in bytes.
pub const QUESTION_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Questions to metric servers at once; others wait.
const ASKED_AT_ONCE_MAX: usize = 8;
/// Newest answers that are remembered, so that tools that ask more often than counts change cost nothing.
const REMEMBERED_MAX: usize = 1_000;

/// What was found when, and who may ask now.
#[derive(Clone)]
pub struct Hooks {
    found: Arc<Mutex<HashMap<String, (At, Standing)>>>,
    asked: Arc<Semaphore>,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks { found: Arc::default(), asked: Arc::new(Semaphore::new(ASKED_AT_ONCE_MAX)) }
    }
}

impl Hooks {
    fn remembered(&self, stream: &str, now: At, fresh_ms: u64) -> Option<Standing> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(stream).filter(|(at, _)| now.since_ms(*at) < fresh_ms).map(|(_, standing)| standing.clone())
    }

    fn remember(&self, stream: &str, now: At, standing: &Standing) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= REMEMBERED_MAX {
            found.clear();
        }
        found.insert(stream.to_owned(), (now, standing.clone()));
    }
}

/// A question about a subject.
struct Asked<'a> {
    judge: &'a str,
    subject: &'a str,
    by: &'static str,
    parameters: Parameters,
    /// Counted from and until; from now on, up to the judge's deadline, where it is not said.
    window: Option<(At, At)>,
}

/// Where the subject stands, and the name of the judgement.
async fn standing(api: &Api, asked: Asked<'_>) -> Result<(Standing, String)> {
    let what = || format!("judge {} by {}", asked.subject, asked.judge);
    let judges = &api.opened.config.judges;
    let judge = judges.get(asked.judge).ok_or_else(|| {
        let known = judges.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "names none".to_owned() } else { format!("has {known}") };
        failure(exit::NOT_FOUND, format!("{}: there is no such judge; `judges` of tidegate.yaml {known}", what()))
    })?;
    if !is_plain(asked.subject) || asked.subject.contains('/') {
        return Err(failure(exit::USAGE, format!("{}: a subject has letters, digits and -_.:@+ alone", what())));
    }
    let stream = format!("{}/{}/{}", Judgement::KIND, asked.judge, asked.subject);
    let now = clock::now();
    let (from, until) = asked.window.unwrap_or((now, now.plus_ms(judge.deadline_ms)));
    // Before it is recorded, so that a wrong question leaves nothing behind.
    arms(judge, &asked.parameters).map_err(|why| failure(exit::USAGE, format!("{}: {why}", what())))?;
    let control = api.plane.control();
    let begin = Command::Begin { asked_by: asked.by.to_owned(), parameters: asked.parameters, from, until, at: now };
    let refused = |e: anyhow::Error| failure(exit::USAGE, format!("{}: {e:#}", what()));
    control.execute::<Judgement>(stream.clone(), None, begin).await.map_err(refused)?;
    let Some(begun) = control.state::<Judgement>(stream.clone()).await? else {
        return Err(anyhow::anyhow!("{}: it did not begin", what()));
    };
    if let Some(settled) = begun.settled() {
        return Ok((settled.clone(), stream));
    }
    if let Some(standing) = api.hooks.remembered(&stream, now, judge.every_s.saturating_mul(500)) {
        return Ok((standing, stream));
    }
    let standing = counted(&api.hooks, judge, &begun, now).await;
    api.hooks.remember(&stream, now, &standing);
    let find = Command::Find { standing: Box::new(standing.clone()), at: now };
    control.execute::<Judgement>(stream.clone(), None, find).await?;
    Ok((standing, stream))
}

fn arms(judge: &NamedJudge, parameters: &Parameters) -> Result<Arms, String> {
    let fill = |selector: &str| filled(selector, parameters);
    Ok(Arms { candidate: fill(&judge.candidate)?, control: fill(&judge.control)?, errors: judge.errors.clone() })
}

/// Counts since it began, judged. What cannot be counted is no telemetry, with the reason, and is asked for again next time.
async fn counted(hooks: &Hooks, judge: &NamedJudge, begun: &Begun, now: At) -> Standing {
    let until = At(now.0.min(begun.until.0));
    let Some(grid) = grid(judge, begun.from, until) else {
        let why = format!("The first {} s are not over yet: nothing is counted before.", judge.every_s);
        return Standing { verdict: Verdict::InsufficientEvidence { eta_ms: None }, ..Standing::without_counts(&why, now, false) };
    };
    let arms = match arms(judge, &begun.parameters) {
        Ok(arms) => arms,
        Err(why) => return Standing::without_counts(&why, now, false),
    };
    let _turn = hooks.asked.acquire().await;
    let url = judge.prometheus.clone();
    let asked = tokio::task::spawn_blocking(move || counts(&Curl, &url, prometheus_token().as_deref(), &arms, grid)).await;
    match asked {
        Ok(Ok(intervals)) => {
            let settings = for_counts(judge.harm.clone(), None);
            let settings = JudgeSettings { alpha: judge.alpha, beta: judge.beta, tick_ms: judge.every_s.saturating_mul(1_000), ..settings };
            Standing::of(&judge_counts(&settings, &intervals, None), until, now >= begun.until)
        }
        Ok(Err(why)) => Standing::without_counts(&format!("No counts: {why}"), now, false),
        Err(_) => Standing::without_counts("No counts: the question was given up, for the workspace goes down", now, false),
    }
}

/// Whole intervals between two times; none where not even one is over.
fn grid(judge: &NamedJudge, from: At, until: At) -> Option<Grid> {
    let step_s = i64::try_from(judge.every_s.max(1)).ok()?;
    let start_s = from.0.div_euclid(1_000).div_euclid(step_s) * step_s;
    let steps = usize::try_from((until.0.div_euclid(1_000) - start_s).div_euclid(step_s)).ok()?.saturating_add(1);
    (steps >= 2).then_some(Grid { start_s, step_s, steps: steps.min(tidegate_wire::prometheus::STEPS_MAX) })
}

type Answer = Result<Response, Failed>;

/// The texts of a query and of a JSON body.
fn told(query: BTreeMap<String, String>, body: &Bytes) -> Parameters {
    let mut parameters = query;
    if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
        parameters.extend(fields.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))));
    }
    parameters
}

/// A `web` metric of Argo Rollouts; status 200 whatever is found, for Argo aborts on others.
pub async fn argo(
    State(api): State<Api>,
    Path((_, judge, subject)): Path<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let asked = Asked { judge: &judge, subject: &subject, by: "argo", parameters: told(query, &body), window: None };
    let (standing, stream) = standing(&api, asked).await.unwrap_or_else(|e| {
        // A journal that cannot be written is no telemetry too: the caller holds, and never passes.
        (Standing::without_counts(&format!("{e:#}"), clock::now(), false), String::new())
    });
    Ok(Json(for_argo(&standing, &stream)).into_response())
}

/// Spinnaker's webhook stage.
pub async fn spinnaker(
    State(api): State<Api>,
    Path((_, judge, subject)): Path<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let asked = Asked { judge: &judge, subject: &subject, by: "spinnaker", parameters: told(query, &body), window: None };
    Ok(Json(for_spinnaker(&standing(&api, asked).await?.0)).into_response())
}

/// A hook of Flagger: 200 for yes, 403 with the reason for no.
pub async fn flagger(
    State(api): State<Api>,
    Path((_, judge, hook)): Path<(String, String, String)>,
    Json(asks): Json<FlaggerAsks>,
) -> Answer {
    let known = "pre-rollout, confirm-rollout, rollout, confirm-traffic-increase, confirm-promotion, post-rollout, rollback, event";
    let unknown = || failure(exit::NOT_FOUND, format!("answer Flagger's hook `{hook}`: there is none; known are {known}"));
    let which = FlaggerHook::from_word(&hook).ok_or_else(unknown)?;
    let subject = asks.subject();
    let asked = Asked { judge: &judge, subject: &subject, by: "flagger", parameters: asks.parameters(), window: None };
    let (yes, why) = which.answer(&standing(&api, asked).await?.0);
    let status = if yes { StatusCode::OK } else { StatusCode::FORBIDDEN };
    Ok((status, Json(json!({ "answer": if yes { "yes" } else { "no" }, "reason": why }))).into_response())
}

/// Kayenta's judge outside: metrics come with the question, and nothing is kept.
pub async fn remote_judge(Path((_, by)): Path<(String, String)>, body: Bytes) -> Answer {
    let judge = match by.as_str() {
        "evidence" => by_evidence,
        "rules" => by_rules,
        other => {
            return Err(failure(exit::NOT_FOUND, format!("judge by `{other}`: known are `evidence`, and `rules` for Kayenta's own")).into());
        }
    };
    let judged = tokio::task::spawn_blocking(move || {
        let question = question(&body).map_err(|e| failure(exit::USAGE, e.to_string()))?;
        let verdicts = judge(&question.sets, &question.weights, question.thresholds);
        Ok::<Value, anyhow::Error>(answer(&question, &verdicts, "Tidegate"))
    });
    Ok(Json(judged.await??).into_response())
}

/// The judges, as Kayenta lists its configurations.
pub async fn configs(State(api): State<Api>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let application = query.get("application").cloned().unwrap_or_default();
    let one = |name: &String| json!({ "id": name, "name": name, "updatedTimestamp": 0, "updatedTimestampIso": "1970-01-01T00:00:00Z", "applications": [application] });
    Json(api.opened.config.judges.keys().map(one).collect::<Vec<_>>()).into_response()
}

#[derive(Deserialize)]
pub struct Execution {
    scopes: HashMap<String, Scopes>,
    thresholds: ScoreThresholds,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scopes {
    control_scope: Scope,
    experiment_scope: Scope,
}

#[derive(Deserialize)]
struct Scope {
    scope: String,
    #[serde(default)]
    location: String,
    start: String,
    end: String,
}

/// Begins an execution of a canary configuration, which is a judge here.
pub async fn execute(
    State(api): State<Api>,
    Path((_, judge)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(execution): Json<Execution>,
) -> Answer {
    let wrong = |why: String| failure(exit::USAGE, format!("begin a canary execution of {judge}: {why}"));
    let scopes = execution.scopes.get("default").or_else(|| execution.scopes.values().next());
    let scopes = scopes.ok_or_else(|| wrong("it has no scope".to_owned()))?;
    let ms = |text: &str| instant_ms(text).map(At).map_err(&wrong);
    let window = (ms(&scopes.experiment_scope.start)?, ms(&scopes.experiment_scope.end)?);
    let mut parameters = Parameters::from([
        ("candidate".to_owned(), scopes.experiment_scope.scope.clone()),
        ("control".to_owned(), scopes.control_scope.scope.clone()),
    ]);
    let location = ("location".to_owned(), scopes.experiment_scope.location.clone());
    let application = ("application".to_owned(), query.get("application").cloned().unwrap_or_default());
    parameters.extend([location, application].into_iter().filter(|(_, value)| !value.is_empty()));
    let subject = format!("{}.{}", scopes.experiment_scope.scope, window.0.0);
    let asked = Asked { judge: &judge, subject: &subject, by: "kayenta", parameters, window: Some(window) };
    standing(&api, asked).await?;
    let bars = execution.thresholds;
    Ok(Json(json!({ "canaryExecutionId": format!("{judge}~{subject}~{}~{}", bars.pass, bars.marginal) })).into_response())
}

/// Where an execution stands.
pub async fn execution(State(api): State<Api>, Path((_, id)): Path<(String, String)>) -> Answer {
    let missing = || failure(exit::NOT_FOUND, format!("show canary execution {id}: there is none"));
    let parts: Vec<&str> = id.split('~').collect();
    let (&[judge, subject, pass, marginal], config) = (parts.as_slice(), &api.opened.config.judges) else { return Err(missing().into()) };
    let bar = |text: &str| text.parse::<f64>().map_err(|_| missing());
    let thresholds = ScoreThresholds { pass: bar(pass)?, marginal: bar(marginal)? };
    let stream = format!("{}/{judge}/{subject}", Judgement::KIND);
    let begun = if config.contains_key(judge) { api.plane.control().state::<Judgement>(stream).await? } else { None };
    let begun = begun.ok_or_else(missing)?;
    let window = Some((begun.from, begun.until));
    let asked = Asked { judge, subject, by: "kayenta", parameters: begun.parameters, window };
    Ok(Json(for_kayenta(&standing(&api, asked).await?.0, thresholds)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::judge::errors_of_preset;

    #[test]
    fn intervals_are_whole_and_end_before_now() {
        let judge = NamedJudge {
            prometheus: String::new(),
            candidate: String::new(),
            control: String::new(),
            errors: String::new(),
            every_s: 30,
            deadline_ms: 1,
            alpha: 0.01,
            beta: 0.05,
            harm: errors_of_preset(),
        };
        assert_eq!(grid(&judge, At(61_000), At(89_000)), None);
        assert_eq!(grid(&judge, At(61_000), At(91_000)), Some(Grid { start_s: 60, step_s: 30, steps: 2 }));
        assert_eq!(grid(&judge, At(61_000), At(200_000)).map(|g| g.end_s()), Some(180));
        assert_eq!(grid(&judge, At(61_000), At(1_000)), None);
    }
}
