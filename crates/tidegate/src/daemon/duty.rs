//! Calls for people: what waits for somebody is called to who is on duty, and to the next when nobody answers. Who that is, and when,
//! is said by `core::duty`; every step is in the journal once.

use super::access::Principal;
use super::api::{Api, Failed};
use super::listing::Listing;
use super::people;
use crate::clock;
use crate::exit::{self, failure};
use anyhow::Result;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_core::access::{self, Access, Action, Withheld};
use tidegate_core::duty::{Call, Calls, Command, Disagreement};
use tidegate_core::judge::{Assessment, Verdict};
use tidegate_core::machine::Machine as _;
use tidegate_core::notify::{Item, Topic};
use tidegate_core::rollout::Phase;
use tidegate_engine::rollouts::RolloutId;
use tidegate_port::Journal as _;
use tidegate_wire::config::Workspace;
use tidegate_wire::config::duty::{on_duty, steps};

/// How often what waits is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What calls about a decision against the judge are named after.
const DISAGREEMENT: &str = "disagreement";

fn stream(subject: &str) -> String {
    format!("{}/{subject}", Calls::KIND)
}

/// Calls that nobody answered yet.
#[derive(Clone, Default)]
pub struct Open(Arc<Mutex<Known>>, Listing<Call>);

#[derive(Default)]
struct Known {
    /// Whether those of the journal were read. What is called before that is among the open ones too: it may have come behind the
    /// place that is being read.
    read: bool,
    open: BTreeSet<String>,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls whom is waited for, for as long as the workspace is up.
pub async fn keep(api: Api) {
    if api.opened.config.duty.is_empty() {
        return;
    }
    let mut said = String::new();
    loop {
        let looked = look(&api).await;
        api.plane.trouble_once(&mut said, looked.err().map(|error| format!("call who is on duty: {error:#}")));
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(api: &Api) -> Result<()> {
    if !api.calls.lock().read {
        let all = calls(api).await?.into_iter().filter(|(_, call)| call.answered.is_none()).map(|(subject, _)| subject);
        let mut known = api.calls.lock();
        known.open.extend(all);
        known.read = true;
    }
    let mut waits = BTreeMap::new();
    for service in api.opened.config.services.keys() {
        waiting(api, service, &mut waits).await?;
    }
    for (subject, (service, what)) in &waits {
        call(api, subject, (service, what), None, None).await?;
    }
    let open = api.calls.lock().open.clone();
    for subject in open.iter().filter(|subject| !waits.contains_key(*subject)) {
        if subject.starts_with(DISAGREEMENT) {
            // What a person decided against the judge goes on to the next too, until somebody answers for it.
            match state(api, subject).await?.filter(|call| call.answered.is_none()) {
                Some(now) => call(api, subject, (&now.service, &now.what), now.decided_by.as_deref(), None).await?,
                None => drop(api.calls.lock().open.remove(subject)),
            }
        } else {
            tell(api, subject, Command::Pass { at: clock::now() }).await?;
            api.calls.lock().open.remove(subject);
        }
    }
    Ok(())
}

async fn state(api: &Api, subject: &str) -> Result<Option<Call>> {
    api.plane.control().state::<Calls>(stream(subject)).await
}

/// Every call, by its subject.
async fn calls(api: &Api) -> Result<Vec<(String, Call)>> {
    let prefix = format!("{}/", Calls::KIND);
    let below = prefix.clone();
    let streams = api.plane.control().call(move |driver| driver.engine().journal().streams(&below)).await??;
    let mut found = vec![];
    for stream in streams {
        if let Some(call) = api.plane.control().state::<Calls>(stream.clone()).await? {
            found.push((stream.strip_prefix(&prefix).unwrap_or_default().to_owned(), call));
        }
    }
    Ok(found)
}

async fn tell(api: &Api, subject: &str, command: Command) -> Result<()> {
    api.plane.control().execute::<Calls>(stream(subject), None, command).await.map(drop)
}

/// Calls whom a service has, but nobody whose decision it is about.
async fn call(
    api: &Api,
    subject: &str,
    (service, what): (&str, &str),
    but: Option<&str>,
    disagreement: Option<Disagreement>,
) -> Result<()> {
    let at = clock::now();
    let (mut steps, after_ms) = steps(&api.opened.config.duty, service, at);
    steps.retain(|step| but.is_none() || step.person.as_deref() != but);
    if steps.is_empty() && disagreement.is_none() {
        return Ok(());
    }
    let (what, service) = (what.to_owned(), service.to_owned());
    tell(api, subject, Command::Call { what, service, steps, after_ms, disagreement, at }).await?;
    api.calls.lock().open.insert(subject.to_owned());
    Ok(())
}

/// What of a service waits for a person now: a release that is held, and approvals that are missing.
async fn waiting(api: &Api, service: &str, found: &mut BTreeMap<String, (String, String)>) -> Result<()> {
    if let Some((id, state)) = api.plane.newest(service).await?
        && let Some(open) = state.rollout()
        && let (Phase::Held { why, .. }, Some(page)) = (&open.phase, &open.page)
    {
        found.insert(format!("page/{id}/{}", page.number), (service.to_owned(), format!("{id} is held: {why}")));
    }
    let config = &api.opened.config;
    let of = config.services.get(service).map_or(0, |s| s.approvals);
    if of == 0 {
        return Ok(());
    }
    let state = api.plane.control().state::<Access>(people::stream(service)).await?;
    let counts = |name: &str| config.approves(name, service);
    for asked in &state.asked {
        let leave = access::leave(&state, &asked.subject, of, counts, clock::now());
        if let Err(waits @ Withheld::Waits { .. }) = leave {
            let (version, mark) = (&asked.subject.version, asked.subject.digest.short());
            let what = format!("{service} version {version} by `{}`: {waits}", asked.subject.strategy);
            found.insert(format!("approval/{service}/{version}/{mark}"), (service.to_owned(), what));
        }
    }
    Ok(())
}

/// What a person wants that the judge of this moment is against.
#[must_use]
pub fn disagrees(word: &str, assessment: &Assessment) -> bool {
    match &assessment.verdict {
        Verdict::Rollback | Verdict::Hold { .. } => word == "promote",
        Verdict::Promote => word == "abort",
        Verdict::Continue | Verdict::InsufficientEvidence { .. } | Verdict::NoTelemetry => false,
    }
}

/// Keeps a decision against the judge with its verdict, and calls somebody else to look at it.
///
/// # Errors
/// When the journal fails.
pub async fn disagreed(api: &Api, id: &RolloutId, disagreement: Disagreement) -> Result<()> {
    let Disagreement { by, wanted, reason, assessment } = disagreement.clone();
    let verdict = super::story::verdict(&assessment.verdict);
    let what = format!("{by} decided to {wanted} {id} while the judge said {verdict}: {reason}");
    let subject = format!("{DISAGREEMENT}/{id}/{wanted}-{}", clock::now().0);
    call(api, &subject, (&id.service, &what), Some(&by), Some(disagreement)).await
}

/// Whom a record calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever is on duty for its service.
    OnDuty,
    /// This one; nobody where no other is left than who decided what it is about.
    Only(Option<String>),
}

/// Names who is called in what calls a person. Whose channel is to be told of it is the answer.
pub fn named(config: &Workspace, item: &mut Item, whom: Whom) -> Option<String> {
    if !matches!(item.topic, Topic::Page | Topic::Asked) {
        return None;
    }
    let person = match whom {
        Whom::Only(person) => person,
        Whom::OnDuty => on_duty(&config.duty, item.service.as_deref()?, item.at).map(|shift| shift.person),
    };
    if let Some(person) = &person {
        item.text = format!("{} (on duty: {person})", item.text);
    }
    person
}

/// The newest calls.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let prefix = stream("");
    let found = api.calls.1.newest::<Calls>(&api.plane, |call| call.since).await?;
    let shown = found.iter().map(|(stream, call)| serde_json::json!({ "subject": stream.strip_prefix(&prefix), "call": call }));
    Ok(axum::Json(shown.collect::<Vec<_>>()).into_response())
}

/// What somebody found.
#[derive(Deserialize)]
pub struct Found {
    subject: String,
    #[serde(default)]
    finding: String,
}

/// Answers for a decision against the judge.
pub async fn answer(
    State(api): State<Api>,
    Extension(Principal(by)): Extension<Principal>,
    axum::Json(found): axum::Json<Found>,
) -> Result<Response, Failed> {
    if !found.subject.starts_with(&format!("{DISAGREEMENT}/")) {
        let why =
            format!("answer {}: only a decision against the judge is answered; pages and approvals pass by themselves", found.subject);
        return Err(failure(exit::USAGE, why).into());
    }
    if let Some(call) = state(&api, &found.subject).await? {
        let allowed = by.allowed_in(Action::Review, &call.service);
        allowed.map_err(|why| failure(exit::REFUSED, format!("answer {}: {why}", found.subject)))?;
    }
    let command = Command::Answer { by: by.name, finding: found.finding, at: clock::now() };
    tell(&api, &found.subject, command).await.map_err(|error| failure(exit::REFUSED, format!("{error:#}")))?;
    let call = state(&api, &found.subject).await?;
    Ok(axum::Json(serde_json::json!({ "subject": found.subject, "call": call })).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::judge::{HoldReason, JudgeSettings, JudgeState, Mode, Offline};

    #[test]
    fn a_call_that_nobody_is_left_for_names_nobody() {
        let text = "version: 1\nworkspace: w\npeople: { ada: { roles: [approver] }, ben: { roles: [approver] } }\n\
                    duty: { first: { people: [ada], from: 2026-11-01 } }\n";
        let config = tidegate_wire::config::load(text, "tidegate.yaml").unwrap();
        let named = |whom| {
            let at = tidegate_core::id::At(1_795_000_000_000);
            let mut item = Item { position: 1, at, topic: Topic::Page, service: Some("pay".into()), subject: "s".into(), text: "t".into() };
            let person = named(&config, &mut item, whom);
            (person, item.text)
        };
        assert_eq!(named(Whom::OnDuty), (Some("ada".into()), "t (on duty: ada)".into()));
        assert_eq!(named(Whom::Only(Some("ben".into()))), (Some("ben".into()), "t (on duty: ben)".into()));
        assert_eq!(named(Whom::Only(None)), (None, "t".into()), "whoever decided it is not called to look at it");
    }

    #[test]
    fn a_decision_against_the_judge_is_one_against_its_verdict_of_that_moment() {
        let assessment = JudgeState::new(&JudgeSettings::preset(), 1, Mode::Canary, &Offline::default()).assess();
        let hold = Verdict::Hold { why: HoldReason::Suspicion };
        for (verdict, word, wanted) in [
            (Verdict::Rollback, "promote", true),
            (hold.clone(), "promote", true),
            (Verdict::Promote, "abort", true),
            (Verdict::Promote, "promote", false),
            (Verdict::Rollback, "abort", false),
            (hold, "abort", false),
            (Verdict::Continue, "promote", false),
            (Verdict::NoTelemetry, "abort", false),
            (Verdict::Rollback, "pause", false),
        ] {
            let found = disagrees(word, &Assessment { verdict: verdict.clone(), ..assessment.clone() });
            assert_eq!(found, wanted, "{word} against {verdict:?}");
        }
    }
}
