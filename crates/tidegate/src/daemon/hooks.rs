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
use std::time::Duration;
use tidegate_adapters::curl::BriefCurl;
use tidegate_adapters::prometheus::{Arms, counts};
use tidegate_core::id::{At, Digest};
use tidegate_core::judge::{JudgeSettings, Verdict, for_counts, judge_counts};
use tidegate_core::judgement::{Begun, Command, Judgement, Parameters, Standing, filled, is_plain, named};
use tidegate_core::machine::Machine as _;
use tidegate_core::peers::kayenta::ScoreThresholds;
use tidegate_core::peers::metric_sets::{by_evidence, by_rules};
use tidegate_wire::config::NamedJudge;
use tidegate_wire::config::unit::instant_ms;
use tidegate_wire::foreign::kayenta::{answer, question};
use tidegate_wire::foreign::verdict::{FlaggerAsks, FlaggerHook, argo as for_argo, kayenta as for_kayenta, spinnaker as for_spinnaker};
use tidegate_wire::prometheus::{Grid, STEPS_MAX};
use tokio::sync::Semaphore;

/// Largest question of Kayenta's, in bytes.
pub const QUESTION_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Questions to metric servers, and of Kayenta's, at once; others wait.
const ASKED_AT_ONCE_MAX: usize = 8;
/// Those who ask give up after ten seconds, and count that as an error of theirs.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// What cannot be counted so long after the end will not be.
const GRACE_MS: u64 = 10 * 60_000;
/// Judgements that may be begun within an hour: each is a stream of the journal, which is never erased.
const BEGUN_AN_HOUR_MAX: u32 = 1_000;
/// Newest answers that are remembered, so that tools that ask more often than counts change cost nothing.
const REMEMBERED_MAX: usize = 1_000;

/// What was found when, and who may ask now.
#[derive(Clone)]
pub struct Hooks {
    found: Arc<Mutex<HashMap<String, (At, Standing)>>>,
    turns: Arc<Semaphore>,
    /// Since when, and how many were begun.
    begun: Arc<Mutex<(At, u32)>>,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks { found: Arc::default(), turns: Arc::new(Semaphore::new(ASKED_AT_ONCE_MAX)), begun: Arc::new(Mutex::new((At(0), 0))) }
    }
}

impl Hooks {
    fn may_begin(&self, now: At) -> bool {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since_ms(begun.0) >= 3_600_000 {
            *begun = (now, 0);
        }
        begun.1 += 1;
        begun.1 <= BEGUN_AN_HOUR_MAX
    }

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
    by: &'a str,
    parameters: Parameters,
    /// Counted from and until; from now on, up to the judge's deadline, where it is not said.
    window: Option<(At, At)>,
    /// The tool says that a run begins here.
    anew: bool,
}

/// What is known of it.
struct Found {
    standing: Standing,
    /// The name of the judgement.
    stream: String,
    begun: Begun,
}

/// Where the subject stands.
async fn found(api: &Api, asked: Asked<'_>) -> Result<Found> {
    let what = format!("judge {} by {}", asked.subject, asked.judge);
    let wrong = |why: String| failure(exit::USAGE, format!("{what}: {why}"));
    let judge = judge_of(api, asked.judge).map_err(|why| failure(exit::NOT_FOUND, format!("{what}: {why}")))?;
    if !is_plain(asked.subject) || asked.subject.contains('/') {
        return Err(wrong("a subject has letters, digits and -_.:@ alone".to_owned()));
    }
    let stream = format!("{}/{}/{}", Judgement::KIND, asked.judge, asked.subject);
    let now = clock::now();
    let (from, until) = asked.window.unwrap_or((now, now.plus_ms(judge.deadline_ms)));
    // What the selectors do not name is nobody's business, and does not go to the journal.
    let mut parameters = asked.parameters;
    parameters.retain(|name, _| [&judge.candidate, &judge.control].into_iter().any(|selector| named(selector).any(|n| n == name)));
    // Before it is recorded, so that a wrong question leaves nothing behind.
    arms(judge, &parameters).map_err(wrong)?;
    let control = api.plane.control();
    if control.state::<Judgement>(stream.clone()).await?.is_none() && !api.hooks.may_begin(now) {
        return Err(failure(
            exit::REFUSED,
            format!("{what}: {BEGUN_AN_HOUR_MAX} judgements were begun within an hour: ask about fewer subjects"),
        ));
    }
    let begin = Command::Begin { asked_by: asked.by.to_owned(), parameters, from, until, anew: asked.anew, at: now };
    control.execute::<Judgement>(stream.clone(), None, begin).await.map_err(|e| failure(exit::USAGE, format!("{what}: {e:#}")))?;
    let Some(begun) = control.state::<Judgement>(stream.clone()).await? else { return Err(anyhow::anyhow!("{what}: it did not begin")) };
    if let Some(settled) = begun.settled() {
        return Ok(Found { standing: settled.clone(), stream, begun });
    }
    let key = format!("{stream}@{}", begun.from.0);
    if let Some(standing) = api.hooks.remembered(&key, now, judge.every_s.saturating_mul(500)) {
        return Ok(Found { standing, stream, begun });
    }
    let standing = counted(&api.hooks, judge, &begun, now).await;
    api.hooks.remember(&key, now, &standing);
    let find = Command::Find { standing: Box::new(standing.clone()), at: now };
    control.execute::<Judgement>(stream.clone(), None, find).await?;
    Ok(Found { standing, stream, begun })
}

fn judge_of<'a>(api: &'a Api, name: &str) -> Result<&'a NamedJudge, String> {
    let judges = &api.opened.config.judges;
    judges.get(name).ok_or_else(|| {
        let known = judges.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "names none".to_owned() } else { format!("has {known}") };
        format!("there is no such judge; `judges` of tidegate.yaml {known}")
    })
}

fn arms(judge: &NamedJudge, parameters: &Parameters) -> Result<Arms, String> {
    let fill = |selector: &str| filled(selector, parameters);
    let arms = Arms { candidate: fill(&judge.candidate)?, control: fill(&judge.control)?, errors: judge.errors.clone() };
    if arms.candidate == arms.control {
        return Err(format!("candidate and control are both `{}`: a version held against itself is never worse", arms.candidate));
    }
    Ok(arms)
}

/// Counts since it began, judged. What cannot be counted is no telemetry, with the reason, and is asked for again next time,
/// until some time after the end.
async fn counted(hooks: &Hooks, judge: &NamedJudge, begun: &Begun, now: At) -> Standing {
    let until = At(now.0.min(begun.until.0));
    let given_up = now >= begun.until.plus_ms(GRACE_MS);
    let nothing = |why: &str| Standing::without_counts(why, now, given_up);
    let Some(grid) = grid(judge, begun.from, until) else {
        let why = format!("Not even {} s are over: nothing is counted before.", judge.every_s);
        // A window that is shorter than that will never have any.
        return Standing { verdict: Verdict::InsufficientEvidence { eta_ms: None }, last: now >= begun.until, ..nothing(&why) };
    };
    let arms = match arms(judge, &begun.parameters) {
        Ok(arms) => arms,
        Err(why) => return nothing(&why),
    };
    let (url, turns) = (judge.prometheus.clone(), hooks.turns.clone());
    let asked = async move {
        let turn = turns.acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            // Kept until the answer is there, even where nobody waits for it any more.
            let _turn = turn;
            counts(&BriefCurl, &url, prometheus_token().as_deref(), &arms, grid)
        })
        .await
    };
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(Ok(intervals))) => {
            let settings = for_counts(judge.harm.clone(), None);
            let settings = JudgeSettings { alpha: judge.alpha, beta: judge.beta, tick_ms: judge.every_s.saturating_mul(1_000), ..settings };
            Standing::of(&judge_counts(&settings, &intervals, None), until, now >= begun.until)
        }
        Ok(Ok(Err(why))) => nothing(&format!("No counts: {why}")),
        Ok(Err(_)) => nothing("No counts: the question was given up, for the workspace goes down"),
        Err(_) => nothing(&format!("No counts: {} has not answered within {} s", judge.prometheus, ANSWER_WITHIN.as_secs())),
    }
}

/// Whole intervals between two times; none where not even one is over.
fn grid(judge: &NamedJudge, from: At, until: At) -> Option<Grid> {
    let step_s = i64::try_from(judge.every_s.max(1)).ok()?;
    let start_s = from.0.div_euclid(1_000).div_euclid(step_s) * step_s;
    let steps = usize::try_from((until.0.div_euclid(1_000) - start_s).div_euclid(step_s)).ok()?.saturating_add(1);
    (2..=STEPS_MAX).contains(&steps).then_some(Grid { start_s, step_s, steps })
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
    Ok(told_argo(&api, "argo", &judge, &subject, told(query, &body)).await)
}

/// The same for those who can send a header, with the name of the tool in the path.
pub async fn judgement(
    State(api): State<Api>,
    Path((tool, judge, subject)): Path<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let by = if is_plain(&tool) { tool.as_str() } else { "api" };
    Ok(told_argo(&api, by, &judge, &subject, told(query, &body)).await)
}

async fn told_argo(api: &Api, by: &str, judge: &str, subject: &str, parameters: Parameters) -> Response {
    let asked = Asked { judge, subject, by, parameters, window: None, anew: false };
    let (standing, stream) = match found(api, asked).await {
        Ok(found) => (found.standing, found.stream),
        // A journal that cannot be written is no telemetry too: the caller holds, and never passes.
        Err(e) => (Standing::without_counts(&format!("{e:#}"), clock::now(), false), String::new()),
    };
    Json(for_argo(&standing, &stream)).into_response()
}

/// Spinnaker's webhook stage.
pub async fn spinnaker(
    State(api): State<Api>,
    Path((_, judge, subject)): Path<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let asked = Asked { judge: &judge, subject: &subject, by: "spinnaker", parameters: told(query, &body), window: None, anew: false };
    Ok(Json(for_spinnaker(&found(&api, asked).await?.standing)).into_response())
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
    if which == FlaggerHook::Passing {
        // Nothing is asked: what happens before and after a release begins no judgement.
        return Ok(Json(json!({ "answer": "yes", "reason": "nothing is judged here" })).into_response());
    }
    let subject = asks.subject();
    let anew = which == FlaggerHook::ConfirmRollout;
    let asked = Asked { judge: &judge, subject: &subject, by: "flagger", parameters: asks.parameters(), window: None, anew };
    let found = found(&api, asked).await?;
    let (mut yes, mut why) = which.answer(&found.standing);
    // Flagger asks before the first share too, when nothing can have been seen: that one is let in, once.
    if !yes && which == FlaggerHook::ConfirmTrafficIncrease && !found.begun.let_in && found.begun.settled().is_none() {
        api.plane.control().execute::<Judgement>(found.stream.clone(), None, Command::LetIn { at: clock::now() }).await?;
        (yes, why) = (true, "a first share of traffic, to be judged by".to_owned());
    }
    let status = if yes { StatusCode::OK } else { StatusCode::FORBIDDEN };
    Ok((status, Json(json!({ "answer": if yes { "yes" } else { "no" }, "reason": why }))).into_response())
}

/// Kayenta's judge outside: metrics come with the question, and nothing is kept.
pub async fn remote_judge(State(api): State<Api>, Path((_, by)): Path<(String, String)>, body: Bytes) -> Answer {
    let judge = match by.as_str() {
        "evidence" => by_evidence,
        "rules" => by_rules,
        other => {
            return Err(failure(exit::NOT_FOUND, format!("judge by `{other}`: known are `evidence`, and `rules` for Kayenta's own")).into());
        }
    };
    let turn = api.hooks.turns.clone().acquire_owned().await;
    let judged = tokio::task::spawn_blocking(move || {
        let _turn = turn;
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
    let every_ms = judge_of(&api, &judge).map_or(1, |judge| judge.every_s.saturating_mul(1_000).max(1));
    if window.1.since_ms(window.0) / every_ms >= STEPS_MAX as u64 {
        return Err(wrong(format!("its window has more than {STEPS_MAX} intervals: shorten it, or lengthen `every` of the judge")).into());
    }
    // Each interval of a longer run is an execution of its own, as is each place.
    let whole = Digest::of(format!("{parameters:?} {} {}", window.0.0, window.1.0).as_bytes()).to_string();
    let mark: String = whole.rsplit(':').next().unwrap_or_default().chars().take(12).collect();
    let subject = format!("{}.{mark}", scopes.experiment_scope.scope);
    let application = parameters.get("application").cloned().unwrap_or_default();
    let asked = Asked { judge: &judge, subject: &subject, by: "kayenta", parameters, window: Some(window), anew: false };
    found(&api, asked).await?;
    let bars = execution.thresholds;
    Ok(Json(json!({ "canaryExecutionId": format!("{judge}~{subject}~{}~{}~{application}", bars.pass, bars.marginal) })).into_response())
}

/// Where an execution stands.
pub async fn execution(State(api): State<Api>, Path((_, id)): Path<(String, String)>) -> Answer {
    let missing = || failure(exit::NOT_FOUND, format!("show canary execution {id}: there is none"));
    let parts: Vec<&str> = id.split('~').collect();
    let (&[judge, subject, pass, marginal, application], config) = (parts.as_slice(), &api.opened.config.judges) else {
        return Err(missing().into());
    };
    let bar = |text: &str| text.parse::<f64>().map_err(|_| missing());
    let thresholds = ScoreThresholds { pass: bar(pass)?, marginal: bar(marginal)? };
    let stream = format!("{}/{judge}/{subject}", Judgement::KIND);
    let begun = if config.contains_key(judge) { api.plane.control().state::<Judgement>(stream).await? } else { None };
    let begun = begun.ok_or_else(missing)?;
    let window = Some((begun.from, begun.until));
    let asked = Asked { judge, subject, by: "kayenta", parameters: begun.parameters, window, anew: false };
    Ok(Json(for_kayenta(&found(&api, asked).await?.standing, thresholds, application)).into_response())
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
