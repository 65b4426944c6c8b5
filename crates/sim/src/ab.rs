//! The written story of an A/B test: of three variants beside control one harms and is stopped, one is better, one no different. The
//! real machine, draw, judge and comparison; clients, answers and labels are made up here, and what may happen is counted here
//! once more: who met what, and since when.

use crate::story::{Story, Teller};
use std::collections::BTreeMap;
use tidegate_core::ab::{
    Better, CONTROL, Clients, Command, Draft, Event, Exposure, Kind, Metric, Missing, Phase, Spec, Stop, Test, Tests, Worth,
};
use tidegate_core::ab::{Verdict, findings, lot_of};
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Beside, JudgeSettings, JudgeState, Mode, Offline, Tick, Verdict as Judged};
use tidegate_core::route::Carrier;
use tidegate_engine::Engine;
use tidegate_port::memory::MemoryJournal;
use tidegate_stats::rng::Rng;

const STREAM: &str = "ab/ranking";
const TICK_MS: u64 = 10_000;
/// Clients that come in a tick, each with one to four requests.
const CLIENTS: u64 = 40;
const LABEL_MS: u64 = 60_000;
/// Ticks between two looks.
const LOOK_TICKS: u64 = 30;
/// Ticks of the story, more than it has.
const TICKS_MAX: u64 = 4 * 360;

/// Variants: how often a client does what is wished for, and how often a request fails.
const TRUTH: [(&str, f64, f64); 4] = [(CONTROL, 0.20, 0.002), ("harmful", 0.20, 0.08), ("better", 0.28, 0.002), ("same", 0.20, 0.002)];

struct Line {
    engine: Engine<MemoryJournal>,
    rng: Rng,
    teller: Teller,
    clients: Clients,
    judges: BTreeMap<&'static str, JudgeState>,
    /// What each client met first, as the world saw it.
    met: BTreeMap<String, Option<String>>,
    labels: Vec<(At, String, bool)>,
    failed: u64,
}

impl Line {
    /// The test as the journal has it: read anew each time, as after a crash.
    fn test(&mut self) -> Option<Test> {
        self.engine.state::<Tests>(STREAM).ok()?.test
    }

    fn give(&mut self, command: &Command) {
        match self.engine.execute::<Tests>(STREAM, None, command, self.teller.now) {
            Ok(done) => done.events.iter().for_each(|event| self.told(event)),
            Err(error) => self.teller.tell(&format!("refused: {error}")),
        }
    }

    fn told(&mut self, event: &Event) {
        let line = match event {
            Event::Started { by, reason, .. } => format!("{by} starts the test, and everything of it is registered: {reason}"),
            Event::VariantReady { variant, .. } => format!("{variant}: its worker is ready"),
            Event::Running { .. } => "clients are drawn".to_owned(),
            Event::VariantStopped { variant, why, .. } => format!("{variant}: stopped, and its clients go back: {why}"),
            Event::Concluded { .. } => "the test is concluded".to_owned(),
            Event::Stopped { by, reason, .. } => format!("stopped by {by}: {reason}"),
            Event::Adopted { variant, release, .. } => format!("{variant}: adopted by release {release}"),
        };
        self.teller.tell(&line);
    }

    /// Who answers a client: a variant, or nobody of the test.
    fn drawn(&mut self, test: &Test, client: &str) -> Option<String> {
        let lot = lot_of(test)?;
        let found = lot.draw(client.as_bytes()).and_then(|i| lot.stretches.get(i)?.target.variant.clone());
        let first = self.met.entry(client.to_owned()).or_insert_with(|| found.clone()).clone();
        let gone = first.as_deref().is_some_and(|v| test.stopped(v).is_some());
        let stays = if gone { found.is_none() } else { found == first };
        self.teller.rule(stays, "a client meets what it met first, or what carries the service once that was stopped", client);
        found
    }

    /// Clients of one tick; half of them were here before.
    fn requests(&mut self, test: &Test) -> BTreeMap<String, ArmCounts> {
        let mut counts: BTreeMap<String, ArmCounts> = BTreeMap::new();
        let known = self.met.len() as u64;
        for n in 0..CLIENTS {
            let client = if n % 2 == 0 || known == 0 { known + n } else { self.rng.below(known) };
            let client = format!("client-{client}");
            let Some(variant) = self.drawn(test, &client) else { continue };
            let Some((_, rate, errors)) = TRUTH.iter().find(|(name, ..)| *name == variant).copied() else { continue };
            let yes = self.rng.chance(rate);
            for r in 0..=self.rng.below(4) {
                let request = format!("{client}-{}-{n}-{r}", self.teller.now.0);
                self.clients.expose(Exposure { at: self.teller.now, unit: &client, variant: &variant, request: &request, decision: None });
                let arm = counts.entry(variant.clone()).or_default();
                arm.requests += 1;
                if self.rng.chance(errors) {
                    arm.errors += 1;
                    self.failed += u64::from(variant == "harmful");
                } else {
                    arm.latency.record(2_000.0 + 500.0 * self.rng.uniform());
                }
                self.labels.push((self.teller.now.plus_ms(LABEL_MS), request, yes));
            }
        }
        counts
    }

    /// What the judge of each variant says of a tick.
    fn judge(&mut self, test: &Test, seq: u64, counts: &BTreeMap<String, ArmCounts>) {
        let of = |name: &str| counts.get(name).cloned().unwrap_or_default();
        let mut harmful = vec![];
        for (name, judge) in self.judges.iter_mut().filter(|(name, _)| test.stopped(name).is_none()) {
            judge.observe(&Tick {
                seq,
                at: self.teller.now,
                mode: Mode::Canary,
                step: 0,
                attempt: 1,
                candidate_share_bp: 5_000,
                candidate: of(name),
                control: of(CONTROL),
                pairs: None,
                beside: Beside::default(),
            });
            if judge.gauge().verdict == Judged::Rollback {
                harmful.push(*name);
            }
        }
        for name in harmful {
            self.teller.rule(name == "harmful", "a guardrail stops what harms, and nothing else", name);
            let why = Stop::Harm { found: "errors".to_owned() };
            self.give(&Command::StopVariant { test: 1, variant: name.to_owned(), why, at: self.teller.now });
        }
    }

    fn look(&mut self, test: &Test) {
        let now = self.teller.now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.labels).into_iter().partition(|(at, ..)| *at <= now);
        self.labels = later;
        for (at, request, yes) in due {
            self.clients.label(at, &request, f64::from(u8::from(yes)));
        }
        let found = findings(test, &self.clients.taken(), self.teller.now);
        self.give(&Command::Look { test: 1, result: Box::new(found), evidence: None, at: self.teller.now });
    }
}

fn spec() -> Option<Spec> {
    let minute = 60_000;
    let draft = Draft {
        name: "ranking".to_owned(),
        service: "search".to_owned(),
        model: "ranker".to_owned(),
        variants: TRUTH.iter().map(|(name, ..)| ((*name).to_owned(), (*name).to_owned(), 1)).collect(),
        unit: Carrier::Cookie("session".to_owned()),
        metric: Metric {
            feedback: Worth::Label,
            kind: Kind::Rate,
            better: Better::Higher,
            min: 0.0,
            max: 1.0,
            window_ms: 5 * minute,
            missing: Missing::LeftOut,
        },
        share_bp: 8_000,
        alpha: 0.05,
        horizon_ms: 24 * 60 * minute,
        min_effect: 0.06,
        judge: JudgeSettings::preset(),
    };
    Spec::build(draft).ok()
}

/// Three variants beside control: one harms, one is better, one no different.
pub(crate) fn one_of_each() -> Story {
    let Some(spec) = spec() else {
        return Teller::new().end("it is no test".to_owned());
    };
    let judge = |(name, ..): &(&'static str, f64, f64)| (*name, JudgeState::new(&spec.judge, 1, Mode::Canary, &Offline::default()));
    let mut line = Line {
        engine: Engine::new(MemoryJournal::new()),
        rng: Rng::new(1),
        teller: Teller::new(),
        clients: Clients::new(&spec),
        judges: TRUTH.iter().filter(|(name, ..)| *name != CONTROL).map(judge).collect(),
        met: BTreeMap::new(),
        labels: vec![],
        failed: 0,
    };
    line.give(&Command::Start { spec: Box::new(spec), by: "ada".to_owned(), reason: "which ranks better".to_owned(), at: line.teller.now });
    for (name, ..) in TRUTH {
        line.teller.now = line.teller.now.plus_ms(5_000);
        line.give(&Command::Ready { test: 1, variant: name.to_owned(), at: line.teller.now });
    }
    line.give(&Command::Begin { test: 1, at: line.teller.now });
    for seq in 0..TICKS_MAX {
        let Some(test) = line.test().filter(Test::is_open) else { break };
        line.teller.now = line.teller.now.plus_ms(TICK_MS);
        let counts = line.requests(&test);
        line.judge(&test, seq, &counts);
        if seq % LOOK_TICKS == LOOK_TICKS - 1
            && let Some(test) = line.test()
        {
            line.look(&test);
        }
    }
    ending(line)
}

fn ending(mut line: Line) -> Story {
    let test = line.test();
    let ended = test.as_ref().is_some_and(|t| matches!(t.phase, Phase::Ended { .. }) && t.result.is_some());
    line.teller.rule(ended, "a test comes to a conclusion", "it did not");
    let harmed = test.as_ref().and_then(|t| t.stopped("harmful")).map(|(_, at)| at);
    line.teller.rule(harmed.is_some_and(|at| at.0 < 20 * 60_000), "what harms is stopped within twenty minutes", &format!("{harmed:?}"));
    let found = test.and_then(|t| t.result).map(|r| r.comparisons).unwrap_or_default();
    let of = |name: &str| found.iter().find(|c| c.variant == name).map(|c| c.verdict.clone());
    let (better, same) = (of("better") == Some(Verdict::Better), of("same") == Some(Verdict::NoDifferenceWorth));
    line.teller.rule(better && same, "what is better is found, and what is no different too", &format!("{found:?}"));
    for one in found.iter().filter(|c| c.variant != "harmful") {
        let difference = one.difference.unwrap_or_default();
        line.teller.tell(&format!(
            "{}: {} (difference {difference:.3}, between {:.3} and {:.3})",
            one.variant,
            one.verdict.words(),
            one.low,
            one.high
        ));
    }
    let outcome = format!("{} clients, {} requests failed by the harmful variant", line.met.len(), line.failed);
    line.teller.end(outcome)
}
