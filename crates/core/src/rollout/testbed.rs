//! A rollout on a bench, for tests: a spec, short ways to say commands, and the way to each phase.

use super::{
    Baseline, Command, Deadlines, Event, Judged, Phase, Promotion, Refused, Role, Rollout, Rollouts, Spec, SpecDraft, State, Step, Traffic,
    Until, effects,
};
use crate::id::{At, Digest};
use crate::judge::{Assessment, JudgeSettings, Mode, Verdict};
use crate::machine::Machine;
use crate::route::Carrier;

pub(super) const MINUTE_MS: u64 = 60_000;

pub(super) fn draft() -> SpecDraft {
    SpecDraft {
        service: "late-arrival".to_owned(),
        number: 2,
        model: "late-arrival".to_owned(),
        candidate: "2".to_owned(),
        stable: Some("1".to_owned()),
        change: "more trees".to_owned(),
        strategy: String::new(),
        steps: vec![
            Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
            Step::Canary { weights_bp: vec![500, 2_500], min_time_ms: 5 * MINUTE_MS, baseline: Baseline::Fresh },
        ],
        promote: Promotion { watch_ms: 30 * MINUTE_MS, hold_back_bp: 500 },
        exposure_max: None,
        affinity: None,
        judge: JudgeSettings::preset(),
        offline_disagreement: None,
        risk: None,
        deadlines: Deadlines::default(),
    }
}

pub(super) fn spec() -> Spec {
    Spec::build(draft()).unwrap()
}

/// Seen by those who ask for it, then by everybody at once.
pub(super) fn blue_green(for_ms: Option<u64>) -> Spec {
    let steps = vec![Step::Preview { carrier: Carrier::Header("x-preview".to_owned()), value: None, for_ms }];
    Spec::build(SpecDraft { steps, ..draft() }).unwrap()
}

pub(super) fn first_release() -> Spec {
    Spec::build(SpecDraft { candidate: "1".to_owned(), stable: None, number: 1, ..draft() }).unwrap()
}

pub(super) fn assessment(verdict: Verdict) -> Assessment {
    let (e_rollback, e_promote) = match verdict {
        Verdict::Rollback => (112.0, 0.1),
        Verdict::Promote => (0.2, 21.0),
        Verdict::Continue | Verdict::Hold { .. } | Verdict::InsufficientEvidence { .. } | Verdict::NoTelemetry => (1.0, 1.0),
    };
    Assessment {
        verdict,
        e_rollback,
        needs_rollback: 111.1,
        e_promote,
        needs_promote: 20.0,
        guardrails: vec![],
        ticks: 7,
        candidate_requests: 1_000,
        control_requests: 1_000,
        summary: "on the bench".to_owned(),
        judge_version: 1,
        suspicion: false,
        warm_up_ticks: 0,
        step: 0,
        step_candidate_requests: 1_000,
    }
}

/// A rollout with the clock in hand.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    pub(super) state: State,
    pub(super) now: At,
    pub(super) events: Vec<Event>,
}

impl Bench {
    pub(super) fn started(spec: Spec) -> Bench {
        let mut bench = Bench { state: State::NotStarted, now: At(1_000_000), events: vec![] };
        bench.give(&Command::Start { spec: Box::new(spec), at: bench.now }).unwrap();
        bench
    }

    pub(super) fn r(&self) -> &Rollout {
        self.state.rollout().unwrap()
    }

    pub(super) fn give(&mut self, command: &Command) -> Result<Vec<Event>, Refused> {
        let events = Rollouts::decide(&self.state, command)?;
        for event in &events {
            self.state = Rollouts::evolve(self.state.clone(), event);
        }
        self.events.extend(events.iter().cloned());
        Ok(events)
    }

    pub(super) fn wait(mut self, ms: u64) -> Bench {
        self.now = self.now.plus_ms(ms);
        self
    }

    /// Does what the rollout wants, as an honest data plane would, until it wants nothing more.
    pub(super) fn obey(mut self) -> Bench {
        for _ in 0..20 {
            let at = self.now;
            let answers: Vec<Command> = effects(&self.state).into_iter().filter_map(|e| e.carried_out(at)).collect();
            if answers.is_empty() {
                return self;
            }
            for command in answers {
                self.give(&command).unwrap();
            }
        }
        panic!("the rollout wants without end: {:?}", effects(&self.state));
    }

    pub(super) fn judged(&self, verdict: Verdict) -> Command {
        let (mode, step) = self.r().evidence().unwrap_or((Mode::Shadow, 0));
        let judged = Judged {
            attempt: self.r().attempt,
            mode,
            step,
            step_ticks: self.now.since_ms(self.r().phase_since) / 10_000,
            through: 7,
            assessment: assessment(verdict),
            evidence: Digest::of(b"bench"),
        };
        Command::Judged { judged: Box::new(judged), at: self.now }
    }

    pub(super) fn verdict(mut self, verdict: Verdict) -> Bench {
        let command = self.judged(verdict);
        self.give(&command).unwrap();
        self
    }

    pub(super) fn person(&self, what: fn(String, String, At) -> Command) -> Command {
        what("ada".to_owned(), "because".to_owned(), self.now)
    }

    pub(super) fn says(mut self, what: fn(String, String, At) -> Command) -> Bench {
        let command = self.person(what);
        self.give(&command).unwrap();
        self
    }

    pub(super) fn tick(mut self) -> Bench {
        self.give(&Command::Tick { at: self.now }).unwrap();
        self
    }

    pub(super) fn lost(mut self, role: Role) -> Bench {
        let generation = self.r().workers.of(role).generation;
        self.give(&Command::WorkerFailed { role, generation, reason: "killed".to_owned(), at: self.now }).unwrap();
        self
    }

    pub(super) fn traffic(&self) -> Option<Traffic> {
        self.r().traffic.map(|t| t.traffic)
    }
}

pub(super) fn pause(by: String, reason: String, at: At) -> Command {
    Command::Pause { by, reason, at }
}
pub(super) fn resume(by: String, _reason: String, at: At) -> Command {
    Command::Resume { by, at }
}
pub(super) fn promote(by: String, reason: String, at: At) -> Command {
    Command::Promote { by, reason, at }
}
pub(super) fn abort(by: String, reason: String, at: At) -> Command {
    Command::Abort { by, reason, at }
}
pub(super) fn retry(by: String, reason: String, at: At) -> Command {
    Command::Retry { by, reason, at }
}
pub(super) fn undo(by: String, reason: String, at: At) -> Command {
    Command::Undo { by, reason, at }
}

/// Length of the tests' freeze: longer than the judge's deadline.
pub(super) const FREEZE_MS: u64 = 12 * 60 * MINUTE_MS;

pub(super) fn freeze(at: At) -> Command {
    Command::Freeze { name: "year-end".to_owned(), until: at.plus_ms(FREEZE_MS), at }
}

/// A rollout in each phase, reached the ordinary way.
pub(super) fn in_each_phase() -> Vec<(&'static str, Bench)> {
    let pending = Bench::started(spec());
    let shadow = pending.clone().obey();
    let step_0 = shadow.clone().wait(MINUTE_MS).verdict(Verdict::Promote).obey();
    let step_1 = step_0.clone().wait(6 * MINUTE_MS).verdict(Verdict::Promote).obey();
    let promoting = step_1.clone().wait(6 * MINUTE_MS).verdict(Verdict::Promote);
    let watching = promoting.clone().obey();
    let finishing = watching.clone().wait(31 * MINUTE_MS).verdict(Verdict::Continue);
    let done = finishing.clone().obey();
    let held = step_0.clone().wait(6 * 60 * MINUTE_MS).tick();
    let rolling_back = step_1.clone().verdict(Verdict::Rollback);
    let rolled_back = rolling_back.clone().obey();
    let aborted = step_0.clone().says(abort).obey();
    let paused = step_0.clone().says(pause);
    let in_a_freeze = |bench: &Bench| {
        let mut frozen = bench.clone();
        frozen.give(&freeze(frozen.now)).unwrap();
        frozen
    };
    let frozen = in_a_freeze(&step_0);
    let promoting_frozen = in_a_freeze(&promoting);
    // The split was not confirmed in time.
    let held_frozen = in_a_freeze(&promoting.clone().wait(10 * MINUTE_MS).tick());
    let preview = Bench::started(blue_green(Some(10 * MINUTE_MS))).obey();
    let asked = Bench::started(blue_green(None)).obey();
    vec![
        ("pending", pending),
        ("preview", preview),
        ("preview, asked", asked),
        ("shadow", shadow),
        ("step 0", step_0),
        ("step 1", step_1),
        ("step 0, paused", paused),
        ("step 0, frozen", frozen),
        ("promoting", promoting),
        ("promoting, frozen", promoting_frozen),
        ("promoting, held, frozen", held_frozen),
        ("watching", watching),
        ("finishing", finishing),
        ("done", done),
        ("held", held),
        ("rolling back", rolling_back),
        ("rolled back", rolled_back),
        ("aborted", aborted),
    ]
}

/// Events by name, with what matters of each.
pub(super) fn told(events: &[Event]) -> String {
    let split = |t: &Traffic| {
        let preview = if t.preview { "+preview" } else { "" };
        format!("{}/{}/{}+{}{preview}", t.stable_bp, t.candidate_bp, t.control_bp, t.mirror_bp)
    };
    let one = |event: &Event| match event {
        Event::Started { .. } => "started".to_owned(),
        Event::LoadWanted { role, .. } => format!("load {role}"),
        Event::WorkerBecameReady { role, .. } => format!("{role} ready"),
        Event::WorkerFailed { role, .. } => format!("{role} failed"),
        Event::UnloadWanted { role, .. } => format!("unload {role}"),
        Event::WorkerUnloaded { role, .. } => format!("{role} gone"),
        Event::TrafficWanted { traffic, .. } => format!("split {}", split(traffic)),
        Event::TrafficApplied { .. } => "split applied".to_owned(),
        Event::StageEntered { stage, .. } => format!("enter {stage:?}"),
        Event::VerdictReached { assessment, .. } => format!("verdict {:?}", assessment.verdict),
        Event::PromotionBegan { .. } => "promotion began".to_owned(),
        Event::WatchBegan { .. } => "watch began".to_owned(),
        Event::WatchEnded { .. } => "watch ended".to_owned(),
        Event::Completed { .. } => "completed".to_owned(),
        Event::HoldBegan { why, .. } => format!("hold: {why}"),
        Event::Paged { number, .. } => format!("page {number}"),
        Event::PageDelivered { number, .. } => format!("page {number} delivered"),
        Event::Paused { .. } => "paused".to_owned(),
        Event::Resumed { .. } => "resumed".to_owned(),
        Event::FreezeBegan { .. } => "frozen".to_owned(),
        Event::FreezeEnded { .. } => "thawed".to_owned(),
        Event::RollbackBegan { .. } => "rollback began".to_owned(),
        Event::RollbackCompleted { .. } => "rollback completed".to_owned(),
        Event::AttemptOpened { attempt, .. } => format!("attempt {attempt} opened"),
    };
    if events.is_empty() { "-".to_owned() } else { events.iter().map(one).collect::<Vec<_>>().join(", ") }
}

/// Whether a phase is one of the way back.
pub(super) fn goes_back(phase: &Phase) -> bool {
    matches!(phase, Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. })
}
