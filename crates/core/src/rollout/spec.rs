//! What is to be rolled out and how: immutable, validated when built.

use crate::judge::{JudgeSettings, Modes, OneSample};
use crate::risk::Risk;
use crate::route::{Carrier, is_token, is_value};
use serde::{Deserialize, Serialize};

/// Most stages (a shadow, and each weight of each canary) of one rollout.
pub const STAGES_MAX: usize = 20;
/// Most ticks of one mode of one attempt that are judged; later ones are not. The way forward takes less than half of them; where
/// a rollout stands still for long, held or frozen, [`tick_width`] makes the other half last for years.
pub const EVIDENCE_TICKS_MAX: usize = 100_000;
/// So many ticks are of one width, once they are widened.
const TICKS_OF_WIDTH: usize = 4_096;
/// Widest tick, in ticks: of ten seconds, eleven hours.
const TICK_WIDTH_MAX: u64 = 4_096;
/// Longest configurable duration: 30 days.
pub const DURATION_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// How many ticks' time the next tick of a mode takes after so many of them: each is a comparison of its own, and what stands still
/// for weeks is compared less often, and always.
#[must_use]
pub fn tick_width(ticks: usize) -> u64 {
    let doubled = ticks.saturating_sub(EVIDENCE_TICKS_MAX / 2).div_ceil(TICKS_OF_WIDTH);
    u32::try_from(doubled).ok().and_then(|n| 1_u64.checked_shl(n)).unwrap_or(TICK_WIDTH_MAX).min(TICK_WIDTH_MAX)
}

/// When a shadow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "until", rename_all = "snake_case")]
pub enum Until {
    /// By the judge's two bars: promotion evidence goes on, rollback evidence goes back.
    Evidence,
    /// As a canary step ends: after this time, with enough requests and without suspicion.
    Time {
        /// Shortest time, once the mirror is on.
        min_time_ms: u64,
    },
}

/// What the candidate is compared with in a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// A copy of stable, started when the candidate is, with the same weight: equally cold, equally loaded.
    Fresh,
}

/// A step as configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The candidate answers those who ask for it, from here until it is promoted. Nothing is compared meanwhile.
    Preview {
        /// What asks for it.
        carrier: Carrier,
        /// The value that asks for it; any when none is given.
        value: Option<String>,
        /// For so long; none: until a person lets it go on.
        for_ms: Option<u64>,
    },
    /// Requests are copied to candidate and control; no user sees their answers.
    Shadow {
        /// Share of requests that are copied, in basis points.
        mirror_bp: u32,
        /// When it ends.
        until: Until,
    },
    /// Candidate and control answer users.
    Canary {
        /// Weight of the candidate at each stage in basis points; the control gets the same.
        weights_bp: Vec<u32>,
        /// Shortest time at each weight.
        min_time_ms: u64,
        /// What it is compared with.
        baseline: Baseline,
    },
    /// The stage before it does not end by itself; it is judged all the while.
    Pause {
        /// For so long; none: until a person lets it go on.
        for_ms: Option<u64>,
    },
}

/// What keeps a stage from ending once its evidence would let it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// So much longer than its shortest time.
    pub for_ms: u64,
    /// Until a person lets it go on.
    pub person: bool,
}

/// What follows the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// How long the promoted version is watched with stable kept warm.
    pub watch_ms: u64,
    /// Share that stays on the old version as control while watched, in basis points; 0 watches without the judge.
    pub hold_back_bp: u32,
}

/// How long the machine waits for others before it holds and pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// For all workers to become ready.
    pub load_ms: u64,
    /// For a route to be applied.
    pub apply_ms: u64,
    /// For a rollback or a finish to be carried out, before it pages for the first time.
    pub finish_ms: u64,
    /// Between pages about the same trouble.
    pub remind_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { load_ms: 5 * 60_000, apply_ms: 60_000, finish_ms: 5 * 60_000, remind_ms: 3_600_000 }
    }
}

/// A specification before it is validated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpecDraft {
    /// Service whose traffic is moved.
    pub service: String,
    /// The rollout's number within the service, from 1.
    pub number: u64,
    /// Model.
    pub model: String,
    /// Version to be released.
    pub candidate: String,
    /// Version that serves now; none for the first release, which has nothing to be compared with.
    pub stable: Option<String>,
    /// What is released and why, in words: the change's name.
    pub change: String,
    /// Name of the strategy that the rest comes from; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub strategy: String,
    /// Shadow first if there is one, then canaries.
    pub steps: Vec<Step>,
    /// What follows them.
    pub promote: Promotion,
    /// Most requests of users that the candidate may answer in its canary, over all attempts, before it is promoted; none: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure_max: Option<u64>,
    /// What keeps a client with one version while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Carrier>,
    /// The judge.
    pub judge: JudgeSettings,
    /// Decisions that differed between the two versions offline, from the gate.
    pub offline_disagreement: Option<OneSample>,
    /// The change's risk as whoever started it told it: what the strategy was chosen by, never what the judge goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// How long to wait for others.
    pub deadlines: Deadlines,
}

/// A validated specification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spec(SpecDraft);

impl std::ops::Deref for Spec {
    type Target = SpecDraft;
    fn deref(&self) -> &SpecDraft {
        &self.0
    }
}

/// A stage that the machine can enter: the steps laid out flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The preview, before anything else.
    Preview,
    /// The shadow.
    Shadow,
    /// A canary weight.
    Step {
        /// Position among all canary weights, from 0.
        index: u32,
    },
    /// All traffic but the held-back share.
    Promote,
}

/// What is wrong with a draft.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("rollout of `{service}`: {field}: {problem}")]
pub struct SpecError {
    /// The service.
    pub service: String,
    /// Which field.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub problem: String,
}

impl Spec {
    /// Validates a draft.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn build(mut draft: SpecDraft) -> Result<Spec, Vec<SpecError>> {
        draft.judge.modes = modes(&draft.steps, &draft.promote);
        let mut problems = Problems(vec![]);
        names(&draft, &mut problems);
        steps(&draft, &mut problems);
        durations(&draft, &mut problems);
        judge(&draft, &mut problems);
        if problems.0.is_empty() {
            return Ok(Spec(draft));
        }
        let service = draft.service;
        Err(problems.0.into_iter().map(|(field, problem)| SpecError { service: service.clone(), field, problem }).collect())
    }

    /// The canary weights laid out flat: weight in basis points and shortest time.
    pub fn weights(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.steps.iter().flat_map(|step| match step {
            Step::Preview { .. } | Step::Shadow { .. } | Step::Pause { .. } => vec![],
            Step::Canary { weights_bp, min_time_ms, baseline: Baseline::Fresh } => {
                weights_bp.iter().map(|w| (*w, *min_time_ms)).collect::<Vec<_>>()
            }
        })
    }

    /// Weight and shortest time of a canary stage.
    #[must_use]
    pub fn weight(&self, index: u32) -> Option<(u32, u64)> {
        self.weights().nth(index as usize)
    }

    /// The shadow, where there is one.
    #[must_use]
    pub fn shadow(&self) -> Option<(u32, Until)> {
        self.steps.iter().find_map(|step| match step {
            Step::Shadow { mirror_bp, until } => Some((*mirror_bp, *until)),
            Step::Preview { .. } | Step::Canary { .. } | Step::Pause { .. } => None,
        })
    }

    /// Whether it begins with a preview, and how long that takes; without a time a person ends it.
    #[must_use]
    pub fn preview(&self) -> Option<Option<u64>> {
        self.steps.iter().find_map(|step| if let Step::Preview { for_ms, .. } = step { Some(*for_ms) } else { None })
    }

    /// The pauses after a stage.
    #[must_use]
    pub fn pauses(&self, stage: Stage) -> Pauses {
        let (mut here, mut next, mut pauses) = (None, 0_u32, Pauses::default());
        for step in &self.steps {
            match step {
                Step::Preview { .. } => here = Some(Stage::Preview),
                Step::Shadow { .. } => here = Some(Stage::Shadow),
                Step::Canary { weights_bp, .. } => {
                    next = next.saturating_add(u32::try_from(weights_bp.len()).unwrap_or(u32::MAX));
                    here = next.checked_sub(1).map(|index| Stage::Step { index });
                }
                Step::Pause { for_ms } if here == Some(stage) => {
                    pauses.for_ms = pauses.for_ms.saturating_add(for_ms.unwrap_or(0));
                    pauses.person |= for_ms.is_none();
                }
                Step::Pause { .. } => {}
            }
        }
        pauses
    }

    /// The stage that follows `stage`; the first one for `None`.
    #[must_use]
    pub fn next_stage(&self, stage: Option<Stage>) -> Stage {
        if self.stable.is_none() {
            return Stage::Promote;
        }
        let step = |index: u32| if self.weight(index).is_some() { Stage::Step { index } } else { Stage::Promote };
        match stage {
            None if self.preview().is_some() => Stage::Preview,
            None | Some(Stage::Preview) if self.shadow().is_some() => Stage::Shadow,
            None | Some(Stage::Preview | Stage::Shadow) => step(0),
            Some(Stage::Step { index }) => step(index.saturating_add(1)),
            Some(Stage::Promote) => Stage::Promote,
        }
    }
}

struct Problems(Vec<(&'static str, String)>);

impl Problems {
    fn unless(&mut self, good: bool, field: &'static str, problem: impl FnOnce() -> String) {
        if !good {
            self.0.push((field, problem()));
        }
    }
}

fn names(draft: &SpecDraft, problems: &mut Problems) {
    for (field, value) in [("service", &draft.service), ("model", &draft.model), ("candidate", &draft.candidate)] {
        problems.unless(!value.trim().is_empty(), field, || "is empty: give it a name".to_owned());
        problems.unless(!value.contains('/'), field, || format!("`{value}` contains `/`, which separates the parts of a stream's name"));
    }
    problems.unless(draft.number >= 1, "number", || "rollouts are numbered from 1".to_owned());
    if let Some(stable) = &draft.stable {
        problems.unless(*stable != draft.candidate, "candidate", || {
            format!("version {stable} is already the one that serves: release another version")
        });
        problems.unless(!stable.trim().is_empty(), "stable", || "is empty: leave it out for a first release".to_owned());
    }
}

fn steps(draft: &SpecDraft, problems: &mut Problems) {
    let stages_of = |step: &Step| match step {
        Step::Preview { .. } | Step::Shadow { .. } => 1,
        Step::Canary { weights_bp, .. } => weights_bp.len(),
        Step::Pause { .. } => 0,
    };
    let stages: usize = draft.steps.iter().map(stages_of).sum();
    problems.unless(draft.steps.len() <= 2 * STAGES_MAX, "steps", || format!("{} steps: at most {}", draft.steps.len(), 2 * STAGES_MAX));
    problems.unless(stages <= STAGES_MAX, "steps", || format!("{stages} stages are over the limit of {STAGES_MAX}"));
    problems.unless(draft.stable.is_none() || stages > 0, "steps", || {
        "no step gathers evidence or asks a person: add a shadow, a canary or a preview".to_owned()
    });
    let mut before = 0;
    for (i, step) in draft.steps.iter().enumerate() {
        match step {
            Step::Shadow { mirror_bp, .. } => {
                let before = draft.steps.iter().take(i).all(|step| matches!(step, Step::Preview { .. }));
                problems.unless(before, "steps", || {
                    "a shadow comes before every canary, and once: users have seen the candidate in a canary before it".to_owned()
                });
                problems
                    .unless((1..=10_000).contains(mirror_bp), "shadow", || format!("{mirror_bp} basis points: mirror 1 to 10000 of them"));
            }
            Step::Preview { carrier, value, .. } => {
                problems.unless(i == 0, "steps", || "a preview comes first, and once".to_owned());
                preview(carrier, value.as_deref(), problems);
            }
            Step::Pause { .. } => {
                let before = draft.steps.iter().take(i).rev().find(|step| !matches!(step, Step::Pause { .. }));
                let judged = matches!(before, Some(Step::Shadow { .. } | Step::Canary { .. }));
                problems.unless(judged, "steps", || "a pause comes after a shadow or a canary; a preview has a time of its own".to_owned());
            }
            Step::Canary { weights_bp, .. } => {
                problems.unless(!weights_bp.is_empty(), "canary", || "has no weight".to_owned());
                for weight in weights_bp {
                    problems.unless((1..=5_000).contains(weight), "canary", || {
                        format!("weight of {weight} basis points: 1 to 5000, for the control takes the same share")
                    });
                    problems.unless(*weight > before, "canary", || {
                        format!("weight {weight} does not rise above {before}: weights must ascend")
                    });
                    before = *weight;
                }
            }
        }
    }
    let weights = draft.steps.iter().map(|s| if let Step::Canary { weights_bp, .. } = s { weights_bp.len() as u64 } else { 0 }).sum();
    let least = draft.judge.min_requests.saturating_mul(weights);
    problems.unless(draft.exposure_max.is_none_or(|max| max > least), "exposure_max", || {
        format!("the steps need {least} requests: the limit must lie above")
    });
    problems.unless(draft.promote.hold_back_bp <= 5_000, "promote", || {
        format!("holds back {} basis points: at most 5000", draft.promote.hold_back_bp)
    });
}

fn preview(carrier: &Carrier, value: Option<&str>, problems: &mut Problems) {
    let (Carrier::Header(name) | Carrier::Cookie(name)) = carrier;
    problems.unless(is_token(name), "preview", || format!("`{name}` is no name of a header or cookie: letters, digits and `-`"));
    problems.unless(value.is_none_or(is_value), "preview", || {
        "the value holds spaces, quotes, commas, semicolons or letters beyond ASCII: a cookie cannot carry them".to_owned()
    });
}

fn durations(draft: &SpecDraft, problems: &mut Problems) {
    let d = draft.deadlines;
    for (field, ms) in [("load_ms", d.load_ms), ("apply_ms", d.apply_ms), ("finish_ms", d.finish_ms), ("remind_ms", d.remind_ms)] {
        problems.unless(ms > 0, field, || "a deadline of zero has always passed".to_owned());
    }
    let step_ms = |step: &Step| match step {
        Step::Preview { for_ms, .. } => (for_ms.unwrap_or(0), 1),
        Step::Shadow { until: Until::Evidence, .. } => (0, 1),
        Step::Shadow { until: Until::Time { min_time_ms }, .. } => (*min_time_ms, 1),
        Step::Canary { weights_bp, min_time_ms, .. } => (*min_time_ms, weights_bp.len() as u64),
        Step::Pause { for_ms } => (for_ms.unwrap_or(0), 1),
    };
    let all = [draft.promote.watch_ms, draft.judge.deadline_ms, d.load_ms, d.apply_ms, d.finish_ms, d.remind_ms];
    let longest = all.into_iter().chain(draft.steps.iter().map(|s| step_ms(s).0)).max().unwrap_or(0);
    problems.unless(longest <= DURATION_MS_MAX, "durations", || format!("{longest} ms is over the limit of 30 days"));
    let judged = draft.steps.iter().filter(|step| !matches!(step, Step::Preview { .. }));
    let stays = judged.map(step_ms).fold(0u64, |sum, (ms, n)| sum.saturating_add(ms.saturating_mul(n)));
    problems.unless(stays / draft.judge.tick_ms.max(1) < EVIDENCE_TICKS_MAX as u64 / 2, "durations", || {
        format!("the steps take {stays} ms, and evidence is kept for {EVIDENCE_TICKS_MAX} ticks: lengthen the tick, or shorten them")
    });
    let least = draft.steps.iter().map(step_ms).fold(0u64, |sum, (ms, n)| sum.saturating_add(ms.saturating_mul(n)));
    problems.unless(draft.stable.is_none() || draft.judge.deadline_ms > least, "deadline", || {
        format!("the steps take at least {least} ms and the judge's deadline is {} ms: it could never be met", draft.judge.deadline_ms)
    });
}

/// In which modes a release with such steps is judged.
#[must_use]
pub fn modes(steps: &[Step], promote: &Promotion) -> Modes {
    Modes {
        shadow: steps.iter().any(|step| matches!(step, Step::Shadow { .. })),
        canary: steps.iter().any(|step| matches!(step, Step::Canary { .. })),
        watch: promote.hold_back_bp > 0,
    }
}

fn judge(draft: &SpecDraft, problems: &mut Problems) {
    let j = &draft.judge;
    for (field, chance) in [("alpha", j.alpha), ("beta", j.beta)] {
        problems.unless(chance > 0.0 && chance < 1.0, field, || format!("{chance} is no chance between 0 and 1"));
    }
    problems.unless(j.tick_ms > 0, "tick_ms", || "a tick takes time".to_owned());
    problems
        .unless(j.hold_above.is_finite() && j.hold_above > 0.0, "hold_above", || format!("{} is no e-value to hold above", j.hold_above));
    problems.unless(draft.stable.is_none() || !j.guardrails.is_empty(), "guardrails", || {
        "nothing is judged: an empty list would promote anything".to_owned()
    });
    for (name, g) in &j.guardrails {
        let numbers = [g.tolerance, g.slack, g.harm, g.harm_slack, g.differs_by, g.weight];
        let good = numbers.iter().all(|x| x.is_finite() && *x >= 0.0);
        problems.unless(good, "guardrails", || format!("`{name}` has a number that is negative or not finite"));
    }
}
