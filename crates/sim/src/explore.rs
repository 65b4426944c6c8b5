//! Every interleaving up to a bound: all that a data plane, a judge, a person and the clock can say next, in every order.
//!
//! States that are equal are entered once. The clock is that of the start, but for a tick, which comes when its deadline has
//! passed: what follows a tick sees a clock that jumped back, which must do no harm either. What must hold is asked of each state
//! (the rules of `rollout::check`) and of each step. Not here: lost and doubled messages of a driver, see `world`; a doubled or late
//! answer is among the commands.

use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use tidegate_core::id::{At, Digest};
use tidegate_core::judge::{Assessment, HoldReason, JudgeSettings, Mode, Verdict};
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{
    Baseline, Command, Deadlines, Event, Forward, Judged, Phase, Promoter, Promotion, Role, Rollouts, Spec, SpecDraft, State, Step,
    Traffic, Until, check, deadline, effects,
};
use tidegate_core::route::Carrier;

/// Most states that are entered: a bound on memory.
pub const STATES_MAX: usize = 2_000_000;
const START: At = At(1_000_000);
/// Ticks in a stage that satisfy every shortest time.
const LONG_TICKS: u64 = 1_000_000;

/// What was explored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explored {
    /// Commands in a row, at most.
    pub depth: usize,
    /// Different states.
    pub states: usize,
    /// Commands that were given in them.
    pub steps: usize,
    /// States by phase.
    pub phases: BTreeMap<String, usize>,
    /// The bound of states was reached before that of the depth.
    pub cut: bool,
    /// What was broken, each with the commands that lead there.
    pub broken: Vec<String>,
}

/// Explores a strategy with a shadow, a canary of two weights, a question to a person and a watch, and two that begin with a
/// preview, up to `depth` commands after the start.
#[must_use]
pub fn explore(depth: usize) -> Explored {
    let mut explored = Explored { depth, ..Explored::default() };
    let mut seen: HashSet<Digest> = HashSet::new();
    // From the start, and from where it stands in its last weight and in its watch, which lie deeper than a bound reaches.
    if let Some((spec, start)) = begin(progressive()) {
        let in_step = advanced(start.clone(), &[Verdict::Promote, Verdict::Continue]);
        let watching = advanced(in_step.clone(), &[Verdict::Promote, Verdict::Promote]);
        let front = vec![(start, vec![]), (in_step, vec!["in the last weight"]), (watching, vec!["in the watch"])];
        explored.from(front, &spec, &mut seen);
    }
    for for_ms in [None, Some(60_000)] {
        if let Some((spec, start)) = begin(blue_green(for_ms)) {
            let preview = advanced(start.clone(), &[Verdict::Promote]);
            explored.from(vec![(start, vec![]), (preview, vec!["in the preview"])], &spec, &mut seen);
        }
    }
    explored.states = seen.len();
    explored
}

type Reached = (State, Vec<&'static str>);

impl Explored {
    /// Goes on from these states, entering none that is known.
    fn from(&mut self, mut front: Vec<Reached>, spec: &Spec, seen: &mut HashSet<Digest>) {
        for _ in 0..=self.depth {
            let mut next = Vec::new();
            for (state, path) in front {
                if !seen.insert(fingerprint(&state)) {
                    continue;
                }
                self.enter(&state, &path);
                if seen.len() >= STATES_MAX {
                    self.cut = true;
                    return;
                }
                for command in commands(&state, spec) {
                    self.steps += 1;
                    let Ok(events) = Rollouts::decide(&state, &command) else { continue };
                    let after = events.iter().fold(state.clone(), Rollouts::evolve);
                    let mut way = path.clone();
                    way.push(command.name());
                    self.step(&state, &events, &after, &way);
                    self.freezes(&state, &command, &events, &way);
                    if !events.is_empty() {
                        next.push((after, way));
                    }
                }
            }
            front = next;
        }
    }

    fn enter(&mut self, state: &State, path: &[&str]) {
        self.states += 1;
        let phase = state.rollout().map_or("not started", |r| r.phase.name());
        *self.phases.entry(phase.to_owned()).or_default() += 1;
        for note in check(state) {
            self.broke(&format!("{}: {}", note.rule, note.found), path);
        }
    }

    /// What may never happen in one step.
    fn step(&mut self, before: &State, events: &[Event], after: &State, path: &[&str]) {
        let (Some(was), Some(is)) = (before.rollout(), after.rollout()) else { return };
        let wanted = |r: &tidegate_core::rollout::Rollout| r.traffic.map_or(0, |t| t.traffic.candidate_bp);
        if was.failed.is_some() && was.attempt == is.attempt && wanted(is) > 0 && wanted(is) > wanted(was) {
            self.broke("a failed attempt gets more traffic", path);
        }
        let promotes = events.iter().any(|e| matches!(e, Event::PromotionBegan { .. }));
        if promotes && was.failed.is_some() && was.attempt == is.attempt {
            self.broke("a failed attempt is promoted", path);
        }
        if is.phase.is_terminal() && !was.phase.is_terminal() {
            let end = if is.phase == Phase::Done { Traffic::CANDIDATE } else { Traffic::STABLE };
            if is.traffic.is_some_and(|t| t.traffic != end || t.applied.is_none()) {
                self.broke("traffic is split after the end", path);
            }
        }
        let previewed = was.forward() == Some(Forward::Preview) && is.forward() == Some(Forward::Promoting);
        let unasked = was.spec.preview() == Some(None) && is.let_on.is_none() && !matches!(is.promoted_by, Some(Promoter::Person { .. }));
        if previewed && unasked {
            self.broke("a preview that asks a person ends without one", path);
        }
        let began = events.iter().find(|e| matches!(e, Event::PromotionBegan { by: Promoter::Policy { .. }, .. })).map(Event::at);
        let seen_since = was.traffic.and_then(|t| t.applied).map(|at| at.max(was.attempt_since));
        if let (true, Some(at), Some(since), Some(Some(for_ms))) = (previewed, began, seen_since, was.spec.preview())
            && (at.since_ms(since) < for_ms || was.paused.is_some())
        {
            self.broke("a preview is cut short", path);
        }
        if is.generation < was.generation {
            self.broke("generations run backwards", path);
        }
    }

    /// A freeze that is told is known, lasts until its end or until it is lifted, and nothing goes forward in it.
    fn freezes(&mut self, before: &State, command: &Command, events: &[Event], path: &[&str]) {
        let Some(was) = before.rollout() else { return };
        let told = matches!(command, Command::Freeze { until, at, .. } if until > at) && was.forward().is_some();
        let mut frozen = was.frozen.as_ref().map(|frozen| frozen.until);
        if told && frozen.is_none() && !events.iter().any(|e| matches!(e, Event::FreezeBegan { .. })) {
            self.broke("a freeze is not heard", path);
        }
        let applied = events.iter().any(|e| matches!(e, Event::TrafficApplied { .. }));
        let share = was.traffic.filter(|t| t.applied.is_some() || applied).map_or(0, |t| t.traffic.candidate_bp);
        let no_more = !events.iter().any(|e| matches!(e, Event::TrafficWanted { traffic, .. } if traffic.candidate_bp > share));
        for event in events {
            match event {
                Event::FreezeBegan { until, .. } => frozen = Some(*until),
                Event::FreezeEnded { at } => {
                    if !matches!(command, Command::Thaw { .. }) && frozen.is_none_or(|until| until > *at) {
                        self.broke("a freeze ends before its time", path);
                    }
                    frozen = None;
                }
                Event::RollbackBegan { .. } => frozen = None,
                // What was promoted gets its control back.
                Event::PromotionBegan { .. } if no_more => {}
                Event::StageEntered { .. } | Event::PromotionBegan { .. } | Event::WatchEnded { .. } if frozen.is_some() => {
                    self.broke("it goes forward in a freeze", path);
                }
                _ => {}
            }
        }
    }

    fn broke(&mut self, rule: &str, path: &[&str]) {
        if self.broken.len() < 20 {
            self.broken.push(format!("{rule} after {}", path.join(", ")));
        }
    }
}

fn fingerprint(state: &State) -> Digest {
    Digest::of(serde_json::to_string(state).unwrap_or_default().as_bytes())
}

/// A shadow, a canary of two weights, and a question to a person.
fn progressive() -> Vec<Step> {
    vec![
        Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
        Step::Canary { weights_bp: vec![1_000, 5_000], min_time_ms: 60_000, baseline: Baseline::Fresh },
        Step::Pause { for_ms: None },
    ]
}

/// A preview alone, by time or by a person.
fn blue_green(for_ms: Option<u64>) -> Vec<Step> {
    vec![Step::Preview { carrier: Carrier::Header("x-preview".to_owned()), value: None, for_ms }]
}

fn begin(steps: Vec<Step>) -> Option<(Spec, State)> {
    let draft = SpecDraft {
        service: "explored".to_owned(),
        number: 1,
        model: "explored".to_owned(),
        candidate: "2".to_owned(),
        stable: Some("1".to_owned()),
        change: "any".to_owned(),
        strategy: String::new(),
        steps,
        promote: Promotion { watch_ms: 60_000, hold_back_bp: 500 },
        exposure_max: Some(5_000),
        affinity: None,
        judge: JudgeSettings::preset(),
        offline_disagreement: None,
        risk: None,
        deadlines: Deadlines::default(),
    };
    let spec = Spec::build(draft).ok()?;
    let started = Rollouts::decide(&State::NotStarted, &Command::Start { spec: Box::new(spec.clone()), at: START }).ok()?;
    let state = started.iter().fold(State::NotStarted, Rollouts::evolve);
    Some((spec, state))
}

/// Does all that is wanted, then says a verdict, for each of these; a question to a person is answered.
fn advanced(mut state: State, verdicts: &[Verdict]) -> State {
    let give = |state: State, command: &Command| {
        let events = Rollouts::decide(&state, command).unwrap_or_default();
        events.iter().fold(state, Rollouts::evolve)
    };
    let obeyed = |mut state: State| {
        for _ in 0..20 {
            let answers: Vec<Command> = effects(&state).iter().filter_map(|effect| effect.carried_out(START)).collect();
            state = answers.iter().fold(state, give);
        }
        state
    };
    for verdict in verdicts {
        state = obeyed(state);
        let Some((attempt, (mode, step))) = state.rollout().and_then(|r| Some((r.attempt, r.evidence()?))) else { return state };
        state = give(state, &judged(attempt, mode, step, verdict.clone()));
        if matches!(state.rollout().map(|r| &r.phase), Some(Phase::Held { .. })) {
            state = give(obeyed(state), &Command::Resume { by: "ada".to_owned(), at: START });
        }
    }
    obeyed(state)
}

/// All that can be said in a state.
fn commands(state: &State, spec: &Spec) -> Vec<Command> {
    let Some(r) = state.rollout() else { return vec![Command::Start { spec: Box::new(spec.clone()), at: START }] };
    let at = START;
    let mut all: Vec<Command> = effects(state).iter().filter_map(|effect| effect.carried_out(at)).collect();
    for role in Role::ALL {
        let generation = r.workers.of(role).generation;
        all.push(Command::WorkerFailed { role, generation, reason: "killed".to_owned(), at });
        // A late one, of the generation before.
        all.push(Command::WorkerReady { role, generation: generation.saturating_sub(1), at });
    }
    all.push(Command::TrafficApplied { generation: r.generation.saturating_sub(1), at });
    let (mode, step) = r.evidence().unwrap_or((Mode::Canary, 0));
    // As many as may, and more.
    all.push(told(r.attempt, mode, step, Verdict::Continue, 6_000));
    for verdict in
        [Verdict::Promote, Verdict::Continue, Verdict::Hold { why: HoldReason::Suspicion }, Verdict::NoTelemetry, Verdict::Rollback]
    {
        all.push(judged(r.attempt, mode, step, verdict));
    }
    let (by, reason) = ("ada".to_owned(), "because".to_owned());
    all.extend([
        Command::Pause { by: by.clone(), reason: reason.clone(), at },
        Command::Resume { by: by.clone(), at },
        Command::Promote { by: by.clone(), reason: reason.clone(), at },
        Command::Abort { by: by.clone(), reason: reason.clone(), at },
        Command::Retry { by: by.clone(), reason: reason.clone(), at },
        Command::Undo { by, reason, at },
        Command::Freeze { name: "year-end".to_owned(), until: at.plus_ms(3_600_000), at },
        Command::Thaw { at },
    ]);
    all.extend(deadline(state).map(|at| Command::Tick { at }));
    all
}

fn judged(attempt: u32, mode: Mode, step: u32, verdict: Verdict) -> Command {
    told(attempt, mode, step, verdict, 1_000)
}

fn told(attempt: u32, mode: Mode, step: u32, verdict: Verdict, candidate_requests: u64) -> Command {
    let assessment = Assessment { verdict, candidate_requests, step, step_candidate_requests: 1_000, ..Assessment::default() };
    let judged = Judged { attempt, mode, step, step_ticks: LONG_TICKS, through: 7, assessment, evidence: Digest::of(b"explored") };
    Command::Judged { judged: Box::new(judged), at: START }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_four_commands_keeps_every_rule() {
        let explored = explore(4);
        assert!(explored.broken.is_empty(), "{}", explored.broken.join("\n"));
        assert!(!explored.cut && explored.states > 300, "{explored:?}");
        for phase in ["held", "rolling back", "pending", "canary", "promoting", "watching", "finishing", "rolled back", "aborted"] {
            assert!(explored.phases.contains_key(phase), "never {phase}: {:?}", explored.phases);
        }
    }
}
