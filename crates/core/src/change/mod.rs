//! The record of a change, for whoever must allow it or look at it afterwards: what is released, who let it, on which evidence, who
//! met it, how to go back.
//!
//! It is made from facts of the journal alone, up to the release's own last one, so that the same release gives the same record
//! whenever it is asked for. Not here: how it is written (`wire::change`).

#[cfg(test)]
mod tests;

use crate::access::{Event as AccessEvent, Subject};
use crate::gate::GateReport;
use crate::id::{At, Digest};
use crate::judge::{Assessment, JudgeSettings, Mode};
use crate::model::{Lineage, ModelVersion};
use crate::risk::Risk;
use crate::rollout::{Event, Phase, Promotion, Rollouts, Spec, State, Step};
use serde::{Deserialize, Serialize};

/// Glasses that were broken so long before a release began are told with it: none lasts longer.
const GLASS_BEFORE_MS: u64 = crate::access::GLASS_MS_MAX;

/// A fact with its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<E> {
    /// Its position.
    pub position: u64,
    /// It.
    pub event: E,
}

/// What a record is made from; facts beyond the release's last one are left out.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Of the release.
    pub rollout: Vec<Placed<Event>>,
    /// Of its model: versions and gates.
    pub model: Vec<Placed<crate::model::Event>>,
    /// What people allowed for its service.
    pub access: Vec<Placed<AccessEvent>>,
}

/// The files of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artefacts {
    /// The model file.
    pub artifact: Digest,
    /// Its transform.
    pub transform: Option<Digest>,
    /// Golden requests with their answers.
    pub golden: Option<Digest>,
    /// The profile of its inputs.
    pub profile: Option<Digest>,
    /// When they were registered.
    pub registered: At,
}

/// How it is released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the strategy.
    pub strategy: String,
    /// Steps before the promotion.
    pub steps: Vec<Step>,
    /// What follows them.
    pub promote: Promotion,
    /// Most requests of users without evidence.
    pub exposure_max: Option<u64>,
    /// The judge's settings, with alpha and beta.
    pub judge: JudgeSettings,
    /// The change's risk, where whoever started it told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

/// What the gates said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gated {
    /// All passed.
    pub passed: bool,
    /// With their numbers.
    pub report: GateReport,
    /// When.
    pub at: At,
}

/// Something that somebody said or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When.
    pub at: At,
    /// Who.
    pub by: String,
    /// `asked`, `approved`, `vetoed`, `broke the glass`, `used the broken glass`, `reviewed the broken glass`, or a command of a release.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Something that stopped it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// What: the name of a freeze or breaker, or why it was held.
    pub what: String,
    /// Since when.
    pub since: At,
    /// Until when; none while it lasts.
    pub until: Option<At>,
}

/// A verdict with its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruled {
    /// When.
    pub at: At,
    /// The attempt.
    pub attempt: u32,
    /// On which evidence.
    pub mode: Mode,
    /// Its canary step, from 0.
    pub step: u32,
    /// It.
    pub assessment: Assessment,
    /// The sealed evidence.
    pub evidence: Digest,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// The release, as `late-arrival/2`; none where it has not begun.
    pub release: Option<String>,
    /// Service.
    pub service: String,
    /// Model.
    pub model: String,
    /// The version that is released.
    pub version: String,
    /// The one that it replaces; none for the first.
    pub replaces: Option<String>,
    /// What and why, in words.
    pub change: String,
    /// Position of the last fact in it.
    pub position: u64,
    /// When that was.
    pub at: At,
    /// Where it stands.
    pub outcome: String,
    /// Its files; none where the version is not registered.
    pub artefacts: Option<Artefacts>,
    /// Where they came from.
    pub lineage: Option<Lineage>,
    /// What the pipeline measured.
    pub metrics: serde_json::Value,
    /// The gates before it began; none where they were not evaluated.
    pub gates: Option<Gated>,
    /// How it is released.
    pub plan: Plan,
    /// What people said and did, oldest first.
    pub people: Vec<Said>,
    /// What stopped it, oldest first.
    pub halts: Vec<Halt>,
    /// What the judge said, oldest first.
    pub verdicts: Vec<Ruled>,
    /// Requests of users that the candidate answered, as recorded verdicts tell.
    pub exposed: u64,
    /// How to go back.
    pub way_back: String,
}

/// A change that has not begun: what its release would be.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    /// As it would be started now.
    pub spec: &'a Spec,
    /// Of what people are shown: approvals of anything else do not count.
    pub subject: &'a Subject,
    /// Position of the newest fact that was looked at.
    pub position: u64,
    /// When it was looked at.
    pub at: At,
}

/// The record of a release; none where it never began.
#[must_use]
pub fn of_release(facts: &Facts) -> Option<ChangeRecord> {
    let (first, last) = (facts.rollout.first()?, facts.rollout.last()?);
    let Event::Started { spec, at: began } = &first.event else { return None };
    let events: Vec<&Event> = facts.rollout.iter().map(|placed| &placed.event).collect();
    let state = <Rollouts as crate::machine::Machine>::replay(events.iter().copied());
    let State::Started(open) = &state else { return None };
    let before_began: Vec<_> = facts.model.iter().filter(|placed| placed.position < first.position).cloned().collect();
    let mut record = base(spec, &before_began, last.position, last.event.at());
    record.release = Some(format!("{}/{}", spec.service, spec.number));
    record.outcome = outcome(&open.phase);
    record.people = people(spec, &facts.access, None, (*began, last.position));
    record.people.extend(events.iter().filter_map(|event| steered(event)));
    record.people.sort_by_key(|said| said.at);
    record.halts = halts(&events);
    record.verdicts = events.iter().filter_map(|event| ruled(event)).collect();
    record.exposed = open.exposed_before.saturating_add(open.exposed_now);
    record.way_back = way_back(spec, &open.phase);
    Some(record)
}

/// The record of a change before it begins.
#[must_use]
pub fn before(planned: &Planned<'_>, facts: &Facts) -> ChangeRecord {
    let spec = planned.spec;
    let mut record = base(spec, &facts.model, planned.position, planned.at);
    "it has not begun".clone_into(&mut record.outcome);
    record.people = people(spec, &facts.access, Some(planned.subject), (planned.at, planned.position));
    record.way_back = match &spec.stable {
        Some(stable) => format!(
            "While it is under way `tidegate release abort {}/{} --reason ..` gives all traffic back to version {stable}, which stays loaded; afterwards `release undo` does.",
            spec.service, spec.number
        ),
        None => "It is the first version: there is none to go back to.".to_owned(),
    };
    record
}

fn base(spec: &Spec, model: &[Placed<crate::model::Event>], position: u64, at: At) -> ChangeRecord {
    let registered = model.iter().rev().find_map(|placed| match &placed.event {
        crate::model::Event::Registered { version } if version.version == spec.candidate => Some(version.as_ref()),
        _ => None,
    });
    let gates = model.iter().rev().find_map(|placed| match &placed.event {
        crate::model::Event::Gated { version, report, at } if *version == spec.candidate => {
            Some(Gated { passed: report.passed(), report: report.clone(), at: *at })
        }
        _ => None,
    });
    ChangeRecord {
        release: None,
        service: spec.service.clone(),
        model: spec.model.clone(),
        version: spec.candidate.clone(),
        replaces: spec.stable.clone(),
        change: spec.change.clone(),
        position,
        at,
        outcome: String::new(),
        artefacts: registered.map(artefacts),
        lineage: registered.map(|version| version.lineage.clone()),
        metrics: registered.map(|version| version.metrics.clone()).unwrap_or_default(),
        gates,
        plan: Plan {
            strategy: spec.strategy.clone(),
            risk: spec.risk.clone(),
            steps: spec.steps.clone(),
            promote: spec.promote,
            exposure_max: spec.exposure_max,
            judge: spec.judge.clone(),
        },
        people: vec![],
        halts: vec![],
        verdicts: vec![],
        exposed: 0,
        way_back: String::new(),
    }
}

fn artefacts(version: &ModelVersion) -> Artefacts {
    Artefacts {
        artifact: version.artifact.clone(),
        transform: version.transform.clone(),
        golden: version.golden.clone(),
        profile: version.profile.clone(),
        registered: version.at,
    }
}

/// What was asked and said of this version by this strategy: from the last time that it was asked for before it began. Approvals of
/// another digest are void, and left out.
fn people(spec: &Spec, access: &[Placed<AccessEvent>], subject: Option<&Subject>, (began, last): (At, u64)) -> Vec<Said> {
    let is_ours = |s: &Subject| s.version == spec.candidate && s.strategy == spec.strategy;
    let asked = access.iter().rev().filter(|p| p.position <= last).find_map(|p| match &p.event {
        AccessEvent::Asked { subject, at, .. } if is_ours(subject) && *at <= began => Some((p.position, subject)),
        _ => None,
    });
    let subject = subject.or(asked.map(|(_, subject)| subject));
    let since = asked.map_or(u64::MAX, |(position, _)| position);
    let of_glass = |at: At| at.since_ms(began) > 0 || began.since_ms(at) <= GLASS_BEFORE_MS;
    let said = |at: At, by: &str, what: &str, why: &str| Some(Said { at, by: by.to_owned(), what: what.to_owned(), why: why.to_owned() });
    let of = |placed: &Placed<AccessEvent>| match &placed.event {
        AccessEvent::Asked { subject: of, of: count, by, until, at } if placed.position >= since && Some(of) == subject => {
            said(*at, by, "asked", &format!("{count} others must approve it until {until}"))
        }
        AccessEvent::Approved { subject: of, by, reason, at } if placed.position >= since && Some(of) == subject => {
            said(*at, by, "approved", reason)
        }
        AccessEvent::Vetoed { subject: of, by, reason, at } if is_ours(of) => said(*at, by, "vetoed", reason),
        AccessEvent::GlassBroken { by, reason, until, at } if of_glass(*at) => {
            said(*at, by, "broke the glass", &format!("{reason} (until {until})"))
        }
        AccessEvent::GlassUsed { what, by, at } if of_glass(*at) => said(*at, by, "used the broken glass", what),
        AccessEvent::GlassReviewed { by, finding, at } if of_glass(*at) => said(*at, by, "reviewed the broken glass", finding),
        AccessEvent::Asked { .. }
        | AccessEvent::Approved { .. }
        | AccessEvent::Vetoed { .. }
        | AccessEvent::GlassBroken { .. }
        | AccessEvent::GlassUsed { .. }
        | AccessEvent::GlassReviewed { .. } => None,
    };
    access.iter().filter(|placed| placed.position <= last).filter_map(of).collect()
}

/// What a person did to a release.
fn steered(event: &Event) -> Option<Said> {
    use crate::rollout::{Cause, Promoter};
    let said =
        |at: &At, by: &str, what: &str, why: &str| Some(Said { at: *at, by: by.to_owned(), what: what.to_owned(), why: why.to_owned() });
    match event {
        Event::Paused { by, reason, at } => said(at, by, "paused", reason),
        Event::Resumed { by, at, .. } => said(at, by, "resumed", ""),
        Event::PromotionBegan { by: Promoter::Person { by, reason }, at } => said(at, by, "promoted, whatever the evidence", reason),
        Event::AttemptOpened { by, reason, at, attempt } => said(at, by, &format!("tried again, attempt {attempt}"), reason),
        Event::RollbackBegan { cause: Cause::Aborted { by, reason }, at } => said(at, by, "aborted", reason),
        Event::RollbackBegan { cause: Cause::Undone { by, reason }, at } => said(at, by, "undid", reason),
        _ => None,
    }
}

fn halts(events: &[&Event]) -> Vec<Halt> {
    let mut all: Vec<Halt> = vec![];
    let mut open: Option<usize> = None;
    for event in events {
        match event {
            Event::FreezeBegan { name, at, .. } => {
                // The same freeze that ends at another time goes on; another one takes its place.
                let goes_on = open.and_then(|i| all.get(i)).is_some_and(|halt| halt.what == format!("frozen by {name}"));
                if !goes_on {
                    close(&mut all, open, *at);
                    open = Some(all.len());
                    all.push(Halt { what: format!("frozen by {name}"), since: *at, until: None });
                }
            }
            Event::FreezeEnded { at } => {
                close(&mut all, open, *at);
                open = None;
            }
            Event::HoldBegan { why, at } => all.push(Halt { what: format!("held: {why}"), since: *at, until: None }),
            Event::Resumed { at, .. } | Event::RollbackBegan { at, .. } | Event::PromotionBegan { at, .. } => {
                for halt in all.iter_mut().filter(|halt| halt.until.is_none() && halt.what.starts_with("held: ")) {
                    halt.until = Some(*at);
                }
            }
            _ => {}
        }
    }
    all
}

fn close(all: &mut [Halt], open: Option<usize>, at: At) {
    if let Some(halt) = open.and_then(|i| all.get_mut(i)) {
        halt.until = Some(at);
    }
}

fn ruled(event: &Event) -> Option<Ruled> {
    let Event::VerdictReached { attempt, mode, step, assessment, evidence, at, .. } = event else { return None };
    let (assessment, evidence) = ((**assessment).clone(), evidence.clone());
    Some(Ruled { at: *at, attempt: *attempt, mode: *mode, step: *step, assessment, evidence })
}

fn outcome(phase: &Phase) -> String {
    match phase {
        Phase::Done => "released".to_owned(),
        Phase::RolledBack { cause } => format!("rolled back: {cause}"),
        Phase::RollingBack { cause } => format!("it goes back: {cause}"),
        Phase::Aborted { by, reason } => format!("aborted by {by}: {reason}"),
        Phase::Held { why, .. } => format!("held: {why}"),
        Phase::Forward { .. } | Phase::Finishing => format!("under way: {}", phase.name()),
    }
}

fn way_back(spec: &Spec, phase: &Phase) -> String {
    let name = format!("{}/{}", spec.service, spec.number);
    match (&spec.stable, phase) {
        (None, _) => "It is the first version: there is none to go back to.".to_owned(),
        (Some(stable), Phase::Done) => {
            format!("`tidegate release undo {name} --reason ..` gives all traffic back to version {stable}, at once.")
        }
        (Some(stable), Phase::RolledBack { .. } | Phase::RollingBack { .. } | Phase::Aborted { .. }) => {
            format!("It went back: version {stable} serves.")
        }
        (Some(stable), Phase::Forward { .. } | Phase::Held { .. } | Phase::Finishing) => {
            format!("`tidegate release abort {name} --reason ..` gives all traffic back to version {stable}, which is still loaded.")
        }
    }
}
