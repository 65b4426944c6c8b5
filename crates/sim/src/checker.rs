//! What is allowed, in the checker's own words: it sees the data plane, the acknowledged facts and the journal, it
//! knows the scenario, and it never asks the machine.

use crate::plane::{Answer, EPOCH_MS, Plane, Process, Served, index};
use crate::scenario::{Scenario, Truth};
use crate::story::Violation;
use std::collections::HashMap;
use tidegate_core::id::At;
use tidegate_core::judge::{Mode, Verdict};
use tidegate_core::rollout::{Effect, Event, HoldWhy, Note, Promoter, Role, Stage};
use tidegate_stats::rng::Rng;

/// Ticks after the healing within which users must be off a harmful candidate.
const EXPOSED_TICKS_MAX: u64 = 45;

/// Ticks that a resumed watch may take to have its control in the split again: as long as workers may load and a split may take.
const BLIND_TICKS_MAX: u64 = 12;

/// The kind of a split, in order of exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Exposure {
    None,
    Preview,
    Shadow,
    Weight(usize),
    Promoted,
}

#[derive(Debug)]
pub(crate) struct Checker {
    scenario: Scenario,
    pub(crate) violations: Vec<Violation>,
    /// Golden requests were answered right since the last load.
    was_ready: [bool; 3],
    exposure: Exposure,
    /// Whole ticks counted at each exposure in this attempt.
    ticks_at: HashMap<Exposure, u64>,
    attempts: u32,
    failed: bool,
    /// Since the failed verdict, traffic was back on stable.
    back: bool,
    person_promoted: bool,
    /// A person must say something before it may go on: it is held, or was paused.
    waits_for_person: bool,
    /// Until when a freeze is on, by the driver's clock.
    frozen: Option<At>,
    /// In this stage a person was asked, and let it go on.
    asked: bool,
    let_on: bool,
    stage: Option<Stage>,
    watch_ended: bool,
    /// Ticks left to a watch that a person resumed.
    blind_left: u64,
    /// Highest generation that was given out.
    generation: u64,
    clock_jumped: bool,
    acknowledged: Vec<Event>,
    holds: u64,
    pages: u64,
    exposed_after_healing: u64,
}

impl Checker {
    pub(crate) fn new(scenario: &Scenario) -> Checker {
        Checker {
            scenario: scenario.clone(),
            violations: vec![],
            was_ready: [scenario.has_stable, false, false],
            exposure: Exposure::None,
            ticks_at: HashMap::new(),
            attempts: 1,
            failed: false,
            back: false,
            person_promoted: false,
            waits_for_person: false,
            frozen: None,
            asked: false,
            let_on: false,
            stage: None,
            watch_ended: false,
            blind_left: 0,
            generation: 0,
            clock_jumped: false,
            acknowledged: vec![],
            holds: 0,
            pages: 0,
            exposed_after_healing: 0,
        }
    }

    fn rule(&mut self, now_ms: i64, good: bool, rule: &'static str, found: impl FnOnce() -> String) {
        if !good && self.violations.len() < 20 {
            self.violations.push(Violation { rule, at_ms: now_ms - EPOCH_MS, found: found() });
        }
    }

    /// What the machine's own rules found.
    pub(crate) fn notes(&mut self, now_ms: i64, notes: Vec<Note>) {
        for note in notes {
            self.rule(now_ms, false, note.rule, || note.found);
        }
    }

    pub(crate) fn person_promoted(&mut self) {
        self.person_promoted = true;
    }

    /// The calendar told the driver of a freeze, and was not refused.
    pub(crate) fn told_freeze(&mut self, until: At) {
        self.frozen = Some(until);
    }

    pub(crate) fn clock_jumped(&mut self) {
        self.clock_jumped = true;
    }

    /// Looks at the workers, after each thing that happens.
    pub(crate) fn workers(&mut self, plane: &Plane) {
        for role in Role::ALL {
            match plane.worker(role).process {
                Process::Ready => self.was_ready[index(role)] = true,
                Process::Absent => self.was_ready[index(role)] = false,
                Process::Loading | Process::Failed => {}
            }
        }
    }

    /// Has the data plane do what it is told, and looks at it; the answer, and whether anything changed.
    pub(crate) fn obeyed(&mut self, now_ms: i64, effect: &Effect, plane: &mut Plane, rng: &mut Rng) -> (Option<Answer>, bool) {
        let generation = plane.generation;
        let before = if let Effect::Unload { role, .. } = effect { Some(plane.worker(*role).process) } else { None };
        let answer = plane.obey(effect, rng);
        let changed = match effect {
            Effect::Unload { role, .. } if before.is_some_and(|process| process != plane.worker(*role).process) => {
                self.unloaded(now_ms, *role, plane);
                true
            }
            Effect::SetTraffic { .. } if answer.is_some() => {
                self.applied(now_ms, plane);
                plane.generation != generation
            }
            Effect::Page { .. } => {
                self.pages += 1;
                false
            }
            Effect::Load { .. } | Effect::Unload { .. } | Effect::SetTraffic { .. } | Effect::CollectEvidence { .. } => false,
        };
        (answer, changed)
    }

    /// A worker was unloaded while the route was as it is.
    fn unloaded(&mut self, now_ms: i64, role: Role, plane: &Plane) {
        let route = plane.route;
        self.rule(now_ms, !route.reaches(role), "no worker goes while requests reach it", || format!("{role} with {route}"));
        if role == Role::Stable && self.scenario.has_stable {
            let watched = self.ticks_at.get(&Exposure::Promoted).copied().unwrap_or(0);
            // a watch without a control is timed by the driver's clock, which may have jumped
            let excused = self.person_promoted && self.clock_jumped;
            let least = self.scenario.watch_ticks;
            self.rule(now_ms, watched >= least || excused, "stable stays warm until the watch has ended", || {
                format!("unloaded after {watched} of {least} watched ticks")
            });
        }
    }

    /// The gateway has taken a split.
    fn applied(&mut self, now_ms: i64, plane: &Plane) {
        let t = plane.route;
        let sum = t.stable_bp + t.candidate_bp + t.control_bp;
        self.rule(now_ms, sum == 10_000, "weights sum to 10000", || format!("{t}"));
        for role in Role::ALL.into_iter().filter(|role| t.reaches(*role)) {
            let ready = self.was_ready[index(role)];
            self.rule(now_ms, ready, "no request reaches a worker before its golden answers were right", || format!("{role} with {t}"));
        }
        let exposure = self.exposure_of(now_ms, plane);
        if exposure > self.exposure {
            self.may_expose(now_ms, exposure);
        }
        if self.failed {
            self.rule(now_ms, !self.back || exposure == Exposure::None, "a failed attempt never gets traffic again", || format!("{t}"));
            self.back |= exposure == Exposure::None;
        }
        self.exposure = exposure;
    }

    fn exposure_of(&mut self, now_ms: i64, plane: &Plane) -> Exposure {
        let t = plane.route;
        let weight = self.scenario.weights_bp.iter().position(|w| *w == t.candidate_bp);
        match (t.candidate_bp, weight) {
            (0, _) if t.mirror_bp > 0 => Exposure::Shadow,
            (0, _) if t.preview => Exposure::Preview,
            (0, _) => Exposure::None,
            (_, Some(i)) => Exposure::Weight(i),
            (promoted, None) => {
                let least = 10_000 - self.scenario.hold_back_bp;
                self.rule(now_ms, promoted >= least, "only configured weights are used", || format!("{t}"));
                Exposure::Promoted
            }
        }
    }

    /// Every stage before this one was passed, as long as it must last.
    fn may_expose(&mut self, now_ms: i64, exposure: Exposure) {
        if !self.scenario.has_stable || (self.person_promoted && exposure == Exposure::Promoted) {
            return;
        }
        let mut before: Vec<(Exposure, u64)> = vec![];
        if let (Some(Some(ticks)), false) = (self.scenario.preview, self.clock_jumped) {
            // By the driver's clock: the last tick may not be whole.
            before.push((Exposure::Preview, ticks.saturating_sub(1)));
        }
        if self.scenario.shadow {
            before.push((Exposure::Shadow, 1));
        }
        before.extend((0..self.scenario.weights_bp.len()).map(|i| (Exposure::Weight(i), self.scenario.step_ticks)));
        for (stage, least) in before.into_iter().filter(|(stage, _)| *stage < exposure) {
            let ticks = self.ticks_at.get(&stage).copied().unwrap_or(0);
            self.rule(now_ms, ticks >= least, "no stage is skipped or cut short", || {
                format!("{exposure:?} after {ticks} of {least} ticks of {stage:?}")
            });
        }
    }

    /// A tick has ended.
    pub(crate) fn tick(&mut self, now_ms: i64, plane: &Plane, served: Served, counted: bool, healed: bool) {
        for role in Role::ALL {
            let n = served[index(role)];
            let share = plane.route.share_bp(role);
            self.rule(now_ms, share > 0 || n == 0, "weight 0 is never served", || format!("{role} served {n}"));
        }
        let uncontrolled = self.exposure == Exposure::Promoted && plane.route.control_bp == 0;
        let wanted = self.scenario.has_stable && self.scenario.hold_back_bp > 0 && plane.worker(Role::Control).process == Process::Ready;
        let watched_blind = uncontrolled && wanted && !self.watch_ended && !self.person_promoted && !self.failed && !self.waits_for_person;
        let excused = self.blind_left > 0;
        self.blind_left = if plane.route.control_bp > 0 { 0 } else { self.blind_left.saturating_sub(1) };
        self.rule(now_ms, !watched_blind || excused, "a watch keeps its control", || format!("{}", plane.route));
        let seen = self.exposure == Exposure::Preview && !self.waits_for_person && self.frozen.is_none();
        if counted || uncontrolled || seen {
            *self.ticks_at.entry(self.exposure).or_insert(0) += 1;
        }
        let harmful = self.scenario.truth == Truth::Harmful && self.scenario.has_stable && !self.person_promoted;
        if harmful && healed && served[index(Role::Candidate)] > 0 {
            self.exposed_after_healing += 1;
            let exposed = self.exposed_after_healing;
            self.rule(now_ms, exposed <= EXPOSED_TICKS_MAX, "users do not stay on a harmful candidate", || {
                format!("{exposed} ticks after the healing")
            });
        }
    }

    /// The driver has acknowledged facts.
    pub(crate) fn acknowledged(&mut self, events: Vec<Event>) {
        self.acknowledged.extend(events);
    }

    /// Facts that the journal holds.
    pub(crate) fn happened(&mut self, now_ms: i64, events: &[Event], plane: &Plane) {
        let mut through = None;
        self.exposed(now_ms, events);
        for event in events {
            self.order(now_ms, event);
            match event {
                Event::VerdictReached { assessment, through: t, .. } => {
                    through = Some(*t);
                    self.verdict(now_ms, &assessment.verdict, assessment.needs_rollback);
                }
                Event::StageEntered { .. } | Event::WatchEnded { .. } => self.progress(now_ms, through, plane),
                Event::PromotionBegan { by, .. } => {
                    self.rule(now_ms, !self.failed, "a failed attempt is never promoted", || by.to_string());
                    if *by == Promoter::Evidence {
                        self.progress(now_ms, through, plane);
                    }
                }
                Event::TrafficWanted { traffic, .. } => {
                    let exposes = traffic.reaches(Role::Candidate);
                    self.rule(now_ms, !self.failed || !exposes, "a failed attempt never gets traffic again", || traffic.to_string());
                }
                Event::AttemptOpened { .. } => {
                    self.attempts += 1;
                    self.failed = false;
                    self.back = false;
                    self.person_promoted = false;
                    self.exposed_after_healing = 0;
                    self.ticks_at.clear();
                }
                Event::HoldBegan { .. } => self.holds += 1,
                Event::Started { .. }
                | Event::LoadWanted { .. }
                | Event::WorkerBecameReady { .. }
                | Event::WorkerFailed { .. }
                | Event::UnloadWanted { .. }
                | Event::WorkerUnloaded { .. }
                | Event::TrafficApplied { .. }
                | Event::WatchBegan { .. }
                | Event::Completed { .. }
                | Event::Paged { .. }
                | Event::PageDelivered { .. }
                | Event::Paused { .. }
                | Event::Resumed { .. }
                | Event::FreezeBegan { .. }
                | Event::FreezeEnded { .. }
                | Event::RollbackBegan { .. }
                | Event::RollbackCompleted { .. } => {}
            }
        }
    }

    /// What may not follow what: freezes, persons that are waited for, generations, the end of the watch.
    fn order(&mut self, now_ms: i64, event: &Event) {
        // What is promoted already begins its watch anew when it gets its control back.
        let again = self.exposure == Exposure::Promoted;
        let forward = match event {
            Event::StageEntered { .. } | Event::WatchEnded { .. } => true,
            Event::PromotionBegan { .. } => !again,
            _ => false,
        };
        let frozen = self.frozen;
        self.rule(now_ms, !forward || frozen.is_none(), "nothing goes forward in a freeze", || event.to_string());
        match event {
            Event::LoadWanted { generation, .. } | Event::UnloadWanted { generation, .. } | Event::TrafficWanted { generation, .. } => {
                let (new, newest) = (*generation, self.generation);
                self.rule(now_ms, new > newest, "a generation is given out once", || format!("{new} after {newest}"));
                self.generation = newest.max(new);
            }
            Event::HoldBegan { why, .. } => {
                self.waits_for_person = true;
                self.asked |= *why == HoldWhy::Asked;
            }
            Event::Paused { .. } => self.waits_for_person = true,
            Event::Resumed { .. } => {
                self.waits_for_person = false;
                self.blind_left = BLIND_TICKS_MAX;
                self.let_on |= self.asked;
            }
            Event::FreezeBegan { until, .. } => self.frozen = Some(*until),
            Event::FreezeEnded { at } => {
                self.rule(now_ms, frozen.is_none_or(|until| *at >= until), "a freeze lasts until its end", || at.to_string());
                self.frozen = None;
            }
            Event::StageEntered { .. } | Event::WatchEnded { .. } => {
                if let Event::StageEntered { stage, .. } = event {
                    self.entered(now_ms, *stage);
                }
                self.watch_ended |= matches!(event, Event::WatchEnded { .. });
                let waits = self.waits_for_person;
                self.rule(now_ms, !waits, "what waits for a person goes nowhere by itself", || event.to_string());
            }
            Event::PromotionBegan { by: Promoter::Evidence, .. } => {
                let (waits, unasked) = (self.waits_for_person, self.scenario.asks && !self.let_on);
                self.rule(now_ms, !waits, "what waits for a person goes nowhere by itself", || event.to_string());
                self.rule(now_ms, !unasked, "a stage that asks a person ends with their word", || event.to_string());
            }
            Event::PromotionBegan { .. } => self.waits_for_person = false,
            Event::RollbackBegan { .. } => (self.waits_for_person, self.frozen) = (false, None),
            Event::AttemptOpened { .. } => {
                (self.waits_for_person, self.asked, self.let_on, self.watch_ended) = (false, false, false, false);
                self.stage = None;
            }
            _ => {}
        }
    }

    /// Another stage: in the one before it whoever had to was asked.
    fn entered(&mut self, now_ms: i64, stage: Stage) {
        if self.stage == Some(stage) {
            return;
        }
        let unasked = self.stage == Some(Stage::Preview) && self.scenario.preview == Some(None) && !self.let_on;
        self.rule(now_ms, !unasked, "a preview that asks a person ends with their word", || format!("entered {stage}"));
        let first = self.stage.is_none() && self.scenario.preview.is_some() && self.scenario.has_stable;
        self.rule(now_ms, !first || stage == Stage::Preview, "no stage is skipped or cut short", || format!("{stage} before the preview"));
        (self.stage, self.asked, self.let_on) = (Some(stage), false, false);
    }

    /// A verdict that tells of as many users as may is followed by the way back.
    fn exposed(&mut self, now_ms: i64, events: &[Event]) {
        let Some(max) = self.scenario.exposure_max else { return };
        let over = events.iter().find_map(|event| match event {
            Event::VerdictReached { mode: Mode::Canary, assessment, .. }
                if assessment.candidate_requests >= max && assessment.verdict != Verdict::Promote =>
            {
                Some(assessment.candidate_requests)
            }
            _ => None,
        });
        let back = events.iter().any(|e| matches!(e, Event::RollbackBegan { .. }));
        self.rule(now_ms, over.is_none() || back, "no more users meet it than may", || format!("{over:?} of {max}"));
    }

    fn verdict(&mut self, now_ms: i64, verdict: &Verdict, needs: f64) {
        self.failed |= *verdict == Verdict::Rollback;
        // the first attempt has nine tenths of alpha, the others share the rest by 6 / (pi n)^2
        let n = f64::from(self.attempts.max(2) - 1);
        let share = if self.attempts == 1 { 0.9 } else { 0.1 * 6.0 / (std::f64::consts::PI * n).powi(2) };
        let least = 1.0 / (share * self.scenario.alpha);
        let attempt = self.attempts;
        self.rule(now_ms, needs >= least * 0.999, "retries of a change share one alpha", || {
            format!("attempt {attempt} rolls back at {needs:.0}, which must be {least:.0} at least")
        });
    }

    /// A stage ended by a verdict: requests were seen in the evidence shortly before.
    fn progress(&mut self, now_ms: i64, through: Option<u64>, plane: &Plane) {
        let Some(through) = through else { return };
        let stale = self.scenario.stale_ticks;
        let recent = plane.kept.iter().filter(|t| t.seq <= through && t.seq + stale > through);
        let (ticks, requests) = recent.fold((0, 0), |(n, sum), t| (n + 1, sum + t.candidate.requests + t.control.requests));
        self.rule(now_ms, ticks < stale || requests > 0, "no stage ends without telemetry", || {
            format!("no request in the {stale} ticks to {through}")
        });
    }

    /// The end: liveness, and what the journal holds.
    pub(crate) fn end(&mut self, now_ms: i64, journal: &[Event], plane: &Plane, phase: &str) {
        let mut rest = journal.iter();
        let missing = self.acknowledged.iter().find(|acked| !rest.any(|written| written == *acked)).cloned();
        self.rule(now_ms, missing.is_none(), "an acknowledged event is never lost", || missing.map(|e| e.to_string()).unwrap_or_default());
        let released = phase == "done";
        let ended = released || phase == "rolled back" || phase == "aborted";
        self.rule(now_ms, ended, "after the healing a rollout comes to its end", || phase.to_owned());
        let (holds, pages) = (self.holds, self.pages);
        self.rule(now_ms, holds == 0 || pages > 0, "a hold calls a person", || format!("{holds} holds, nobody called"));
        let harmful = self.scenario.truth != Truth::Good && self.scenario.has_stable && !self.person_promoted;
        let truth = self.scenario.truth;
        self.rule(now_ms, !(released && harmful), "no bad candidate is released without a person", || format!("{truth:?}"));
        if ended {
            let end = plane.route;
            let keeper = if released { Role::Candidate } else { Role::Stable };
            self.rule(now_ms, end.share_bp(keeper) == 10_000 && end.mirror_bp == 0 && !end.preview, "no rollout is left half-way", || {
                format!("{phase} with {end}")
            });
            for role in Role::ALL.into_iter().filter(|r| *r != keeper) {
                let process = plane.worker(role).process;
                self.rule(now_ms, process == Process::Absent, "no worker is left behind", || format!("{phase} with {role} {process:?}"));
            }
        }
    }
}
