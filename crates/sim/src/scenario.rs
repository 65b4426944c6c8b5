//! What a seed draws: the candidate's truth, the strategy, and how rough the weather is.

use indexmap::IndexMap;
use tidegate_core::judge::{Guardrail, GuardrailKind, JudgeSettings};
use tidegate_core::rollout::{Baseline, Deadlines, Promotion, Spec, SpecDraft, Step, Until};
use tidegate_core::route::Carrier;
use tidegate_stats::rng::Rng;

/// What is true of the candidate, which only the world knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Fails as often as stable.
    Good,
    /// Fails ten times as often.
    Harmful,
    /// Never answers its golden requests right, and says so.
    Broken,
    /// Never comes up, and never says anything.
    Stuck,
}

/// A drawn scenario. The checker's limits are these numbers, not the machine's.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The candidate.
    pub truth: Truth,
    /// Whether a version serves before it.
    pub has_stable: bool,
    /// Whether it begins with a shadow.
    pub shadow: bool,
    /// Canary weights in basis points.
    pub weights_bp: Vec<u32>,
    /// Ticks at each weight, at least.
    pub step_ticks: u64,
    /// Ticks of the watch, at least.
    pub watch_ticks: u64,
    /// Held back while watched, in basis points.
    pub hold_back_bp: u32,
    /// Chance of a false rollback over all attempts.
    pub alpha: f64,
    /// Ticks without a request that are no telemetry.
    pub stale_ticks: u64,
    /// Requests a tick.
    pub requests: u64,
    /// Chance that a message is lost, while it storms.
    pub lost: f64,
    /// Chance that a message comes twice.
    pub doubled: f64,
    /// Longest delay of a message in milliseconds.
    pub delay_ms: u64,
    /// Chance, a tick, of each: driver crash, clock jump, worker death, telemetry gap.
    pub trouble: f64,
    /// Chance that an append to the journal fails.
    pub journal_fails: f64,
    /// When everything heals, in ticks.
    pub heals_after: u64,
    /// How meddlesome the operator is, a chance a tick.
    pub meddles: f64,
    /// Whether the operator pauses as soon as users see the candidate.
    pub pauses_canary: bool,
    /// Whether the strategy asks a person before it promotes.
    pub asks: bool,
    /// Whether it begins with a preview, and after how many ticks that ends; without any a person ends it.
    pub preview: Option<Option<u64>>,
    /// A freeze: the tick in which it begins, and its length in ticks.
    pub freeze: Option<(u64, u64)>,
    /// Most requests that the candidate may answer in its canary without evidence.
    pub exposure_max: Option<u64>,
}

/// Length of a tick.
pub const TICK_MS: u64 = 10_000;
/// Share of failed requests of a sound version.
pub const ERRORS_GOOD: f64 = 0.004;
/// Share of failed requests of the harmful candidate.
pub const ERRORS_HARMFUL: f64 = 0.04;

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Scenario {
        let truth = match rng.below(10) {
            0..=4 => Truth::Good,
            5..=7 => Truth::Harmful,
            8 => Truth::Broken,
            _ => Truth::Stuck,
        };
        let rough = rng.chance(0.8);
        let weather = |p: f64| if rough { p } else { 0.0 };
        Scenario {
            truth,
            has_stable: !rng.chance(0.08),
            shadow: rng.chance(0.6),
            weights_bp: if rng.chance(0.5) { vec![500, 2_500] } else { vec![1_000, 2_500, 5_000] },
            step_ticks: 3 + rng.below(4),
            watch_ticks: 5 + rng.below(6),
            hold_back_bp: 500,
            alpha: 0.01,
            stale_ticks: 3,
            requests: 4_000 + rng.below(4_000),
            lost: weather(0.02 + 0.25 * rng.uniform()),
            doubled: weather(0.3 * rng.uniform()),
            delay_ms: if rough { 200 + rng.below(15_000) } else { 50 },
            trouble: weather(0.04 * rng.uniform()),
            journal_fails: weather(if rng.chance(0.5) { 0.08 * rng.uniform() } else { 0.0 }),
            heals_after: 20 + rng.below(50),
            meddles: weather(if rng.chance(0.6) { 0.06 * rng.uniform() } else { 0.0 }),
            pauses_canary: rng.chance(0.15),
            asks: rng.chance(0.25),
            exposure_max: if rng.chance(0.15) { Some(3_000 + rng.below(6_000)) } else { None },
            freeze: if rng.chance(0.2) { Some((2 + rng.below(30), 10 + rng.below(60))) } else { None },
            preview: rng.chance(0.2).then(|| rng.chance(0.5).then(|| 2 + rng.below(8))),
        }
    }

    /// A quiet world with a good candidate: what scripts start from.
    #[must_use]
    pub fn calm() -> Scenario {
        Scenario {
            truth: Truth::Good,
            has_stable: true,
            shadow: true,
            weights_bp: vec![500, 2_500],
            step_ticks: 3,
            watch_ticks: 6,
            hold_back_bp: 500,
            alpha: 0.01,
            stale_ticks: 3,
            requests: 6_000,
            lost: 0.0,
            doubled: 0.0,
            delay_ms: 50,
            trouble: 0.0,
            journal_fails: 0.0,
            heals_after: 0,
            meddles: 0.0,
            pauses_canary: false,
            asks: false,
            exposure_max: None,
            freeze: None,
            preview: None,
        }
    }

    /// The specification that is handed to the machine.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.spec_of("simulated")
    }

    /// The specification for a service of this name.
    #[must_use]
    pub fn spec_of(&self, service: &str) -> Spec {
        let errors = Guardrail {
            kind: GuardrailKind::Errors,
            tolerance: 1.2,
            slack: 0.001,
            harm: 2.0,
            harm_slack: 0.004,
            differs_by: 0.05,
            floor_us: 0,
            weight: 1.0,
        };
        let canary =
            Step::Canary { weights_bp: self.weights_bp.clone(), min_time_ms: self.step_ticks * TICK_MS, baseline: Baseline::Fresh };
        let preview = |ticks: Option<u64>| Step::Preview {
            carrier: Carrier::Header("x-preview".to_owned()),
            value: None,
            for_ms: ticks.map(|ticks| ticks * TICK_MS),
        };
        let shadow = Step::Shadow { mirror_bp: 10_000, until: Until::Evidence };
        let judge = JudgeSettings {
            alpha: self.alpha,
            tick_ms: TICK_MS,
            warm_up_ms: 0,
            deadline_ms: 1_800_000,
            stale_ticks: self.stale_ticks as u32,
            guardrails: IndexMap::from([("errors".to_owned(), errors)]),
            ..JudgeSettings::preset()
        };
        let draft = SpecDraft {
            service: service.to_owned(),
            number: 1,
            model: "simulated".to_owned(),
            candidate: "2".to_owned(),
            stable: self.has_stable.then(|| "1".to_owned()),
            change: "a drawn change".to_owned(),
            strategy: String::new(),
            steps: [
                self.preview.map(preview),
                self.shadow.then_some(shadow),
                Some(canary),
                self.asks.then_some(Step::Pause { for_ms: None }),
            ]
            .into_iter()
            .flatten()
            .collect(),
            promote: Promotion { watch_ms: self.watch_ticks * TICK_MS, hold_back_bp: self.hold_back_bp },
            judge,
            exposure_max: self.exposure_max,
            affinity: None,
            offline_disagreement: None,
            risk: None,
            deadlines: Deadlines { load_ms: 60_000, apply_ms: 40_000, finish_ms: 60_000, remind_ms: 120_000 },
        };
        Spec::build(draft).expect("every drawn scenario is within the limits of a specification; a test builds thousands")
    }

    /// Share of failed requests of a version.
    #[must_use]
    pub fn error_rate(&self, candidate: bool) -> f64 {
        if candidate && self.truth == Truth::Harmful { ERRORS_HARMFUL } else { ERRORS_GOOD }
    }
}
