//! Deployments that GitHub and GitLab hold: looked at until there is an answer, which is told until it is taken.
//!
//! What was asked, found and told is in the journal; what is open now is read from it at the start. Webhooks come in by
//! `receive`, answers go out by `carrier`.

mod carrier;
mod receive;
mod report;

pub use receive::{github, gitlab};

use super::api::{Api, Failed};
use super::listing::Listing;
use super::{gating, may, people};
use crate::clock;
use anyhow::Result;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carrier::Tokens;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_core::access::{Person, Role};
use tidegate_core::deployment::may::{all as all_of, gates, judgement};
use tidegate_core::deployment::{Answer, Command, Condition, Deployments, Finding, Held, Known};
use tidegate_core::id::At;
use tidegate_core::judgement::{Judgement, Parameters, filled};
use tidegate_core::machine::Machine as _;
use tidegate_core::model::ModelVersion;
use tidegate_core::notify::{GIVE_UP_MS, PAUSE_MS_MAX, pause_ms};
use tidegate_port::Journal as _;
use tidegate_wire::config::{Asks, Deployment};

/// How often what is open is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Deployments that may be open at once.
const OPEN_MAX: usize = 1_000;
/// Deployments that may be asked about within an hour: each is a stream of the journal, which is never erased.
const ASKED_AN_HOUR_MAX: u32 = 1_000;
/// In whose name approvals are asked for where the tool's login is nobody's.
const BY: &str = "deployment";

/// How telling one of them goes.
#[derive(Clone, Debug, Default)]
struct Trying {
    /// Attempts in a row that failed, and since when.
    failed: Option<(u32, At)>,
    not_before: At,
}

#[derive(Default)]
struct Inner {
    open: BTreeMap<String, Trying>,
    /// What was let through, and whose release is followed.
    followed: BTreeMap<String, Trying>,
    /// Since when, and how many were asked about.
    asked: (At, u32),
}

/// What is open.
#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<Inner>>, Listing<Held>);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more may be asked about.
    fn may_ask(&self, now: At) -> bool {
        let mut inner = self.lock();
        if now.since_ms(inner.asked.0) >= 3_600_000 {
            inner.asked = (now, 0);
        }
        inner.asked.1 += 1;
        inner.asked.1 <= ASKED_AN_HOUR_MAX && inner.open.len() < OPEN_MAX
    }

    fn open(&self, stream: String) {
        self.lock().open.entry(stream).or_default();
    }

    /// Where there are too many, what comes on top is not followed.
    fn follow(&self, stream: String) {
        let mut inner = self.lock();
        if inner.followed.len() < OPEN_MAX {
            inner.followed.entry(stream).or_default();
        }
    }
}

/// `deployment/<name>/<subject>`.
fn stream(name: &str, subject: &str) -> String {
    format!("{}/{name}/{subject}", Deployments::KIND)
}

/// Looks at what is open for as long as the workspace is up.
pub async fn keep(api: Api) {
    if api.opened.config.deployments.is_empty() {
        return;
    }
    let mut said = String::new();
    let (mut tokens, mut known) = (Tokens::default(), false);
    loop {
        let looked = look(&api, &mut tokens, &mut known).await;
        let trouble = match looked {
            Ok(troubles) => Some(troubles.join("; ")).filter(|text| !text.is_empty()),
            Err(error) => Some(format!("deployments: {error:#}")),
        };
        api.plane.trouble_once(&mut said, trouble);
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(api: &Api, tokens: &mut Tokens, known: &mut bool) -> Result<Vec<String>> {
    if !*known {
        for stream in streams(api).await? {
            let Some(held) = held(api, &stream).await? else { continue };
            if !held.is_over() {
                api.deployments.open(stream);
            } else if report::is_followed(api, &stream, &held) {
                api.deployments.follow(stream);
            }
        }
        *known = true;
    }
    let open: Vec<String> = api.deployments.lock().open.keys().cloned().collect();
    let mut troubles = vec![];
    for stream in open {
        match turn(api, tokens, &stream).await {
            Ok(trouble) => troubles.extend(trouble.map(|why| format!("{stream}: {why}"))),
            Err(error) => troubles.push(format!("{stream}: {error:#}")),
        }
    }
    // Who waits for an answer comes first.
    troubles.extend(report::look(api, tokens).await);
    Ok(troubles)
}

async fn streams(api: &Api) -> Result<Vec<String>> {
    let prefix = format!("{}/", Deployments::KIND);
    Ok(api.plane.control().call(move |driver| driver.engine().journal().streams(&prefix)).await??)
}

async fn held(api: &Api, stream: &str) -> Result<Option<Held>> {
    api.plane.control().state::<Deployments>(stream).await
}

async fn tell(api: &Api, stream: &str, command: Command) -> Result<()> {
    api.plane.control().execute::<Deployments>(stream.to_owned(), None, command).await.map(drop)
}

/// Looks at one, and tells what is news; why it does not get on, where it does not.
async fn turn(api: &Api, tokens: &mut Tokens, stream: &str) -> Result<Option<String>> {
    let Some(before) = held(api, stream).await? else { return Ok(None) };
    let name = stream.split('/').nth(1).unwrap_or_default();
    let Some(deployment) = api.opened.config.deployments.get(name) else {
        return Ok(Some("`deployments` of tidegate.yaml has no such name any more: nobody can be answered".to_owned()));
    };
    let due = is_due(api, stream);
    // What was yes when nobody took it is looked at again before it is said again.
    if before.answer().is_none() || (before.may_change() && due) {
        let (finding, version) = find(api, deployment, &before).await?;
        tell(api, stream, Command::Find { finding, version, at: clock::now() }).await?;
    }
    let Some(now) = held(api, stream).await? else { return Ok(None) };
    let trouble = match now.to_tell() {
        Some(finding) if due => carry(api, tokens, stream, (name, deployment), &now, finding).await?,
        _ => None,
    };
    let held = held(api, stream).await?;
    if held.as_ref().is_none_or(Held::is_over) {
        api.deployments.lock().open.remove(stream);
    }
    if held.is_some_and(|held| report::is_followed(api, stream, &held)) {
        api.deployments.follow(stream.to_owned());
    }
    Ok(trouble)
}

/// Whether it is time to tell the tool.
fn is_due(api: &Api, stream: &str) -> bool {
    let now = clock::now();
    let not_before = api.deployments.lock().open.get(stream).map_or(At(0), |trying| trying.not_before);
    now >= not_before || not_before.since_ms(now) > PAUSE_MS_MAX
}

/// Tells the tool.
async fn carry(
    api: &Api,
    tokens: &mut Tokens,
    stream: &str,
    (name, deployment): (&str, &Deployment),
    held: &Held,
    finding: &Finding,
) -> Result<Option<String>> {
    let now = clock::now();
    let trying = api.deployments.lock().open.get(stream).cloned().unwrap_or_default();
    let why = match carrier::carry(tokens, name, deployment, &held.target, finding).await {
        Ok(()) => {
            api.deployments.lock().open.insert(stream.to_owned(), Trying::default());
            return tell(api, stream, Command::Tell { at: clock::now() }).await.map(|()| None);
        }
        Err(why) => why,
    };
    let (tries, since) = trying.failed.map_or((1, now), |(tries, since)| (tries.saturating_add(1), since));
    if !why.may_pass || now.since_ms(since) >= GIVE_UP_MS {
        tell(api, stream, Command::GiveUp { why: why.text.clone(), at: clock::now() }).await?;
        api.plane.trouble(&format!("{stream}: {}: given up", why.text));
        return Ok(None);
    }
    let next = Trying { failed: Some((tries, since)), not_before: now.plus_ms(pause_ms(tries)) };
    api.deployments.lock().open.insert(stream.to_owned(), next);
    Ok(Some(format!("{}: it is tried again", why.text)))
}

/// What is found now, and of which version.
async fn find(api: &Api, deployment: &Deployment, held: &Held) -> Result<(Finding, Option<String>)> {
    let registry = may::registry(api, &deployment.service).await?;
    let known: Vec<Known<'_>> =
        registry.versions.values().map(|v| Known { version: v.version.as_str(), code: v.lineage.code.as_str() }).collect();
    // The first that was found stays: what is registered meanwhile is another deployment's.
    let version = match held.version.clone().map_or_else(|| deployment.version.find(&held.source, &known), Ok) {
        Ok(version) => version,
        Err(why) => return Ok((all_of(&[Condition::new("version", Answer::Waits, why)]), None)),
    };
    let Some(found) = registry.versions.get(&version) else {
        return Ok((all_of(&[Condition::new("version", Answer::Waits, format!("version {version} is not registered"))]), None));
    };
    let conditions = match &deployment.asks {
        Asks::Gates => vec![gates(&version, registry.gates.get(&version))],
        Asks::Approvals => approvals(api, deployment, held, found).await?,
        Asks::Judge { judge, subject } => vec![judged(api, held, &version, judge, subject).await?],
    };
    let mut finding = all_of(&conditions);
    finding.why = format!("version {version} of {}: {}", deployment.service, finding.why);
    Ok((finding, Some(version)))
}

/// Whether it may be released now; others are asked to approve it where they must.
async fn approvals(api: &Api, deployment: &Deployment, held: &Held, version: &ModelVersion) -> Result<Vec<Condition>> {
    let (config, service) = (&api.opened.config, deployment.service.as_str());
    let Some(of) = config.services.get(service) else { return Ok(vec![]) };
    let strategy = gating::next(&api.plane, config, service).await?.0;
    let person = held.source.login.as_ref().and_then(|login| deployment.person(login));
    let gates_passed = gates(&version.version, may::registry(api, service).await?.gates.get(&version.version)).answer == Answer::Yes;
    if of.approvals > 0
        && gates_passed
        && let Ok(subject) = people::subject(config, service, version, &strategy)
    {
        let by = Person::holding(person.map_or(BY, String::as_str), &[Role::Developer]);
        // What it says is said again below, with everything else.
        let _ = people::leave(&api.plane, config, service, &subject, &by).await;
    }
    // Somebody else may have asked for the same before: then the journal lets this one approve it.
    may::conditions_by_itself(api, service, version, &strategy, person.map(String::as_str)).await
}

async fn judged(api: &Api, held: &Held, version: &str, judge: &str, subject: &str) -> Result<Condition> {
    let mut parameters = Parameters::from([("version".to_owned(), version.to_owned())]);
    let named = [("sha", &held.source.sha), ("ref", &held.source.git_ref)];
    parameters.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
    let subject = match filled(subject, &parameters) {
        Ok(subject) => subject,
        Err(why) => return Ok(Condition::new("judgement", Answer::Waits, why)),
    };
    let stream = format!("{}/{judge}/{subject}", Judgement::KIND);
    let begun = api.plane.control().state::<Judgement>(stream.clone()).await?;
    Ok(judgement(&stream, begun.as_ref(), clock::now()))
}

/// The newest of them, for people.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let found = api.deployments.1.newest::<Deployments>(&api.plane, |held| held.since).await?;
    let shown = found.into_iter().map(|(stream, held)| serde_json::json!({ "deployment": stream, "held": held }));
    Ok(axum::Json(shown.collect::<Vec<_>>()).into_response())
}
