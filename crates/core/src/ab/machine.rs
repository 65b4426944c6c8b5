//! What a test does next, and what ends it.

use super::fact::{Command, Ended, Event, Refused, Stop, Want};
use super::findings::Findings;
use super::spec::{CONTROL, Spec, Variant};
use crate::id::{At, Digest};
use crate::line::line;
use crate::machine::Machine;
use crate::route::{Lot, Stretch, TargetId};
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest reason that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;
/// Longest time from a start to the first client.
pub const PREPARE_MS_MAX: u64 = 24 * 3_600_000;
/// Longest time from the horizon to a conclusion.
const OVERDUE_MS_MAX: u64 = 3_600_000;
/// Who stops a test that cannot go on.
const BY: &str = "ab";

/// How a variant stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VariantState {
    /// Its worker is being started.
    Loading,
    /// It can be drawn, or is.
    Ready,
    /// Its clients went back, for good.
    Stopped {
        /// Why.
        why: Stop,
        /// When.
        at: At,
    },
}

/// Where a test is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// No client is drawn yet.
    Preparing,
    /// Clients are drawn.
    Running {
        /// Since when.
        since: At,
    },
    /// Nothing is left to do.
    Ended {
        /// How.
        ended: Ended,
        /// When clients began to be drawn, if ever.
        since: Option<At>,
        /// When.
        at: At,
    },
}

/// A test under way, or the last one of its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Test {
    /// Counted from 1.
    pub number: u64,
    /// What was registered.
    pub spec: Spec,
    /// Who started it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub started: At,
    /// Where it is.
    pub phase: Phase,
    /// How each variant stands.
    pub variants: BTreeMap<String, VariantState>,
    /// What it found in the end.
    pub result: Option<Findings>,
    /// The counts that this was made from.
    pub evidence: Option<Digest>,
    /// Which variant was released afterwards, and by which release.
    pub adopted: Option<(String, u64)>,
}

/// The fold of a test's facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// The newest.
    pub test: Option<Test>,
}

impl Test {
    /// As it is named in routes and records: `ranking/3`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.spec.name, self.number)
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ended { .. })
    }

    /// When clients began to be drawn.
    #[must_use]
    pub fn since(&self) -> Option<At> {
        match &self.phase {
            Phase::Preparing => None,
            Phase::Running { since } => Some(*since),
            Phase::Ended { since, .. } => *since,
        }
    }

    /// When a variant was stopped, and why.
    #[must_use]
    pub fn stopped(&self, variant: &str) -> Option<(&Stop, At)> {
        match self.variants.get(variant) {
            Some(VariantState::Stopped { why, at }) => Some((why, *at)),
            _ => None,
        }
    }

    fn goes_on(&self, variant: &str) -> bool {
        self.stopped(variant).is_none()
    }
}

/// Which clients meet what while a test runs; none while it does not. A stopped variant leaves a gap, whose clients meet the rest
/// of the route.
#[must_use]
pub fn lot_of(test: &Test) -> Option<Lot> {
    let Phase::Running { .. } = test.phase else { return None };
    let (mut from_bp, mut stretches) = (0, vec![]);
    for variant in &test.spec.variants {
        let until_bp = from_bp + variant.share_bp;
        if test.goes_on(&variant.name) {
            let target = TargetId::of_variant(&test.spec.service, &variant.version, &variant.name);
            stretches.push(Stretch { from_bp, until_bp, target });
        }
        from_bp = until_bp;
    }
    let id = test.id();
    Some(Lot { salt: format!("{}/ab/{id}", test.spec.service), test: id, carrier: test.spec.unit.clone(), stretches })
}

/// What a state asks for.
#[must_use]
pub fn wants(state: &State) -> Vec<Want> {
    let Some(test) = &state.test else { return vec![] };
    let each = test.spec.variants.iter();
    let unload = |test: &Test| {
        let gone = test.spec.variants.iter().filter(|v| !test.is_open() || !test.goes_on(&v.name));
        gone.map(|v| Want::Unload { variant: v.name.clone(), version: v.version.clone() }).collect::<Vec<_>>()
    };
    match &test.phase {
        Phase::Preparing => {
            let loading = each.filter(|v| test.variants.get(&v.name) == Some(&VariantState::Loading));
            let mut wants: Vec<Want> = loading.map(|v| Want::Load { variant: v.name.clone(), version: v.version.clone() }).collect();
            if wants.is_empty() {
                wants.push(Want::Begin);
            }
            wants.extend(unload(test));
            wants
        }
        Phase::Running { .. } => std::iter::once(Want::Draw).chain(unload(test)).collect(),
        Phase::Ended { .. } => unload(test),
    }
}

/// A/B tests of one name.
#[derive(Clone, Copy, Debug)]
pub struct Tests;

impl Machine for Tests {
    const KIND: &'static str = "ab";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        let mut events = direct(state, command)?;
        let after = events.iter().fold(state.clone(), Tests::evolve);
        let passed = matches!(command, Command::Tick { .. });
        if let Some(end) = after.test.as_ref().and_then(|test| cannot_go_on(test, command.at(), passed)) {
            events.push(end);
        }
        Ok(events)
    }

    fn evolve(mut state: State, event: &Event) -> State {
        if let Event::Started { number, spec, by, reason, at } = event {
            state.test = Some(Test {
                number: *number,
                spec: (**spec).clone(),
                by: by.clone(),
                reason: reason.clone(),
                started: *at,
                phase: Phase::Preparing,
                variants: spec.variants.iter().map(|v| (v.name.clone(), VariantState::Loading)).collect(),
                result: None,
                evidence: None,
                adopted: None,
            });
        } else if let Some(test) = &mut state.test {
            apply(test, event);
        }
        state
    }
}

fn apply(test: &mut Test, event: &Event) {
    let since = test.since();
    match event {
        Event::Started { .. } => {}
        Event::VariantReady { variant, .. } => {
            test.variants.insert(variant.clone(), VariantState::Ready);
        }
        Event::Running { at } => test.phase = Phase::Running { since: *at },
        Event::VariantStopped { variant, why, at } => {
            test.variants.insert(variant.clone(), VariantState::Stopped { why: why.clone(), at: *at });
        }
        Event::Concluded { result, evidence, at } => {
            (test.result, test.evidence) = (Some((**result).clone()), evidence.clone());
            test.phase = Phase::Ended { ended: Ended::Concluded, since, at: *at };
        }
        Event::Stopped { by, reason, at } => {
            test.phase = Phase::Ended { ended: Ended::Stopped { by: by.clone(), reason: reason.clone() }, since, at: *at };
        }
        Event::Adopted { variant, release, .. } => test.adopted = Some((variant.clone(), *release)),
    }
}

/// Why a test that is open must end by itself; time alone ends it only where it is said that it has `passed`.
fn cannot_go_on(test: &Test, at: At, passed: bool) -> Option<Event> {
    if !test.is_open() {
        return None;
    }
    let ends = |reason: String| Some(Event::Stopped { by: BY.to_owned(), reason, at });
    if let Some((why, _)) = test.stopped(CONTROL) {
        return ends(format!("control was stopped, and nothing is left to compare with: {why}"));
    }
    if test.spec.treatments().all(|v| !test.goes_on(&v.name)) {
        return ends("every variant beside control was stopped".to_owned());
    }
    match &test.phase {
        Phase::Preparing if passed && at.since_ms(test.started) >= PREPARE_MS_MAX => {
            ends("no client could be drawn within a day of its start".to_owned())
        }
        Phase::Running { since } if passed && at.since_ms(*since) >= test.spec.horizon_ms.saturating_add(OVERDUE_MS_MAX) => {
            ends("its horizon has passed, and what it found could not be told".to_owned())
        }
        Phase::Preparing | Phase::Running { .. } | Phase::Ended { .. } => None,
    }
}

fn direct(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
    let open = state.test.as_ref().filter(|test| test.is_open());
    let newest = state.test.as_ref().map(|test| test.number);
    if let Some(other) = command.about().filter(|number| Some(*number) != newest) {
        // Late: another test of the name has begun since.
        return if matches!(command, Command::Adopt { .. }) { Err(Refused::NotNewest(other)) } else { Ok(vec![]) };
    }
    match command {
        Command::Start { by, reason, .. } if !said(by, reason) => return Err(Refused::NoReason("start")),
        Command::Stop { by, reason, .. } if !said(by, reason) => return Err(Refused::NoReason("stop")),
        Command::Start { spec, by, reason, at } => {
            if let Some(test) = open {
                // The same again, as after an answer that was lost.
                let same = test.spec == **spec && test.by == *by;
                return if same { Ok(vec![]) } else { Err(Refused::UnderWay(test.number)) };
            }
            let number = state.test.as_ref().map_or(0, |test| test.number) + 1;
            let reason = line(reason, TEXT_BYTES_MAX);
            return Ok(vec![Event::Started { number, spec: spec.clone(), by: by.clone(), reason, at: *at }]);
        }
        Command::Adopt { variant, release, by, at, .. } => return adopt(state, variant, *release, by, *at),
        _ => {}
    }
    let Some(test) = open else {
        // Of a test that has ended nothing is news.
        return if matches!(command, Command::Stop { .. }) { Err(Refused::None) } else { Ok(vec![]) };
    };
    Ok(match command {
        Command::Stop { by, reason, at } => {
            vec![Event::Stopped { by: by.clone(), reason: line(reason, TEXT_BYTES_MAX), at: *at }]
        }
        seen => seen_of(test, seen).into_iter().collect(),
    })
}

/// What is news of what was seen.
fn seen_of(test: &Test, command: &Command) -> Option<Event> {
    match command {
        Command::Ready { variant, at, .. } if test.variants.get(variant) == Some(&VariantState::Loading) => {
            Some(Event::VariantReady { variant: variant.clone(), at: *at })
        }
        Command::StopVariant { variant, why, at, .. } if test.spec.variant(variant).is_some() && test.goes_on(variant) => {
            Some(Event::VariantStopped { variant: variant.clone(), why: cut(why), at: *at })
        }
        Command::Begin { at, .. } if wants(&State { test: Some(test.clone()) }).contains(&Want::Begin) => Some(Event::Running { at: *at }),
        Command::Look { result, evidence, at, .. } => {
            let Phase::Running { since } = &test.phase else { return None };
            let decided = test.spec.treatments().filter(|v| test.goes_on(&v.name)).all(|v| result.is_decided(&v.name));
            let over = at.since_ms(*since) >= test.spec.horizon_ms;
            (decided || over).then(|| Event::Concluded { result: result.clone(), evidence: evidence.clone(), at: *at })
        }
        // Late, or about what is no part of it.
        _ => None,
    }
}

fn adopt(state: &State, variant: &str, release: u64, by: &str, at: At) -> Result<Vec<Event>, Refused> {
    adoptable(state, variant)?;
    Ok(vec![Event::Adopted { variant: variant.to_owned(), release, by: by.to_owned(), at }])
}

/// The variant of a test that has ended, when a release of its version may be started.
///
/// # Errors
/// When it may not.
pub fn adoptable<'a>(state: &'a State, variant: &str) -> Result<&'a Variant, Refused> {
    let Some(test) = &state.test else { return Err(Refused::Unknown(variant.to_owned())) };
    if test.is_open() {
        return Err(Refused::NotEnded);
    }
    if let Some((why, _)) = test.stopped(variant) {
        return Err(Refused::WasStopped { variant: variant.to_owned(), why: why.to_string() });
    }
    test.spec.variant(variant).ok_or_else(|| Refused::Unknown(variant.to_owned()))
}

fn cut(why: &Stop) -> Stop {
    match why {
        Stop::Harm { found } => Stop::Harm { found: line(found, TEXT_BYTES_MAX) },
        Stop::Worker { why } => Stop::Worker { why: line(why, TEXT_BYTES_MAX) },
    }
}

fn said(by: &str, reason: &str) -> bool {
    !by.trim().is_empty() && !reason.trim().is_empty()
}
