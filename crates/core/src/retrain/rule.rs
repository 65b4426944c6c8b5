//! Triggers, cool-down and budget as pure functions.

use crate::id::At;
use crate::watch::{DriftFinding, DriftVerdict};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tidegate_stats::metric::Metric;

/// What can start a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Time since the training before.
    Schedule,
    /// Other bytes in a dataset.
    Data,
    /// Drift of live inputs.
    Drift,
    /// The metric of live predictions against their labels.
    Performance,
    /// Another commit.
    Code,
}

impl Source {
    /// All of them, by the words of tidegate.yaml.
    pub const ALL: [(&'static str, Source); 5] = [
        ("schedule", Source::Schedule),
        ("data", Source::Data),
        ("drift", Source::Drift),
        ("performance", Source::Performance),
        ("code", Source::Code),
    ];

    /// By its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Source> {
        Self::ALL.iter().find(|(w, _)| *w == word).map(|(_, source)| *source)
    }
}

/// What live predictions must reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// A metric of rows, as `auc`.
    pub metric: String,
    /// Floor.
    pub min: Option<f64>,
    /// Ceiling.
    pub max: Option<f64>,
    /// How far back predictions are taken.
    pub window_ms: u64,
    /// With fewer labels nothing is concluded.
    pub min_labels: u64,
}

/// How much may be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Trainings that may start...
    pub runs: u32,
    /// ...within this time.
    pub within_ms: u64,
    /// Longest time of one, from its start to its gates.
    pub time_ms: u64,
}

/// When a model is trained anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What starts a training.
    pub on: Vec<Source>,
    /// Of the schedule.
    pub every_ms: Option<u64>,
    /// Of performance.
    pub performance: Option<Performance>,
    /// From the end of a training to the start of the next.
    pub cool_down_ms: u64,
    /// Its limits.
    pub budget: Budget,
    /// Whether the release of a candidate waits for a person.
    pub approve: bool,
}

/// Whether predictions are as good as they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerformanceVerdict {
    /// They are not.
    Dropped,
    /// They are.
    Holds,
    /// Too few labels, or the metric is not defined on them.
    CannotTell,
}

/// The metric of live predictions against their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceFinding {
    /// Version that predicted.
    pub version: String,
    /// The answer.
    pub verdict: PerformanceVerdict,
    /// The metric.
    pub metric: String,
    /// Its value.
    pub value: Option<f64>,
    /// Predictions with a label.
    pub labels: u64,
    /// The newest of them.
    pub until: At,
    /// In a sentence.
    pub why: String,
}

impl Performance {
    /// Judges what `version` answered: for each prediction what turned out to be true, and its score; the newest is of
    /// `until`.
    #[must_use]
    pub fn judge(&self, version: &str, truths: &[bool], scores: &[f64], threshold: f64, until: At) -> PerformanceFinding {
        let (metric, labels) = (&self.metric, truths.len() as u64);
        let value = Metric::from_name(metric).and_then(|m| m.evaluate(truths, scores, threshold)).filter(|v| v.is_finite());
        let (verdict, why) = match value {
            _ if labels < self.min_labels => {
                (PerformanceVerdict::CannotTell, format!("{labels} predictions have a label, at least {} are needed", self.min_labels))
            }
            None => (PerformanceVerdict::CannotTell, format!("{metric} is not defined on these {labels} predictions")),
            Some(v) => {
                let (below, above) = (self.min.filter(|m| v < *m), self.max.filter(|m| v > *m));
                match (below, above) {
                    (Some(limit), _) => {
                        (PerformanceVerdict::Dropped, format!("{metric} of {labels} live predictions is {v:.4}, below {limit}"))
                    }
                    (None, Some(limit)) => {
                        (PerformanceVerdict::Dropped, format!("{metric} of {labels} live predictions is {v:.4}, above {limit}"))
                    }
                    (None, None) => (PerformanceVerdict::Holds, format!("{metric} of {labels} live predictions is {v:.4}")),
                }
            }
        };
        PerformanceFinding { version: version.to_owned(), verdict, metric: metric.clone(), value, labels, until, why }
    }
}

/// The world at one look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Digests of the datasets by name.
    #[serde(default)]
    pub data: IndexMap<String, String>,
    /// The commit; none without one.
    #[serde(default)]
    pub code: Option<String>,
    /// Live inputs of the model's services against the rows that its version was trained on.
    #[serde(default)]
    pub drift: Option<DriftFinding>,
    /// Live predictions against labels.
    #[serde(default)]
    pub performance: Option<PerformanceFinding>,
}

/// What the newest training, or the first look, knew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What was observed.
    pub observed: Observed,
    /// When: the schedule counts from here.
    pub at: At,
}

/// What starts a training, with what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "trigger", rename_all = "snake_case")]
pub enum Trigger {
    /// So much time has passed.
    Schedule {
        /// Since the training before, or the first look.
        since: At,
    },
    /// A dataset is another.
    Data {
        /// Its name.
        dataset: String,
        /// Its digest then; none when it was not there.
        before: Option<String>,
        /// Its digest now.
        now: String,
    },
    /// Live inputs drifted.
    Drift {
        /// What was found.
        finding: Box<DriftFinding>,
    },
    /// Live predictions fell short.
    Performance {
        /// What was found.
        finding: PerformanceFinding,
    },
    /// Another commit.
    Code {
        /// The commit before.
        before: Option<String>,
        /// The commit now.
        now: String,
    },
    /// A person.
    Asked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |text: &str| text.rsplit(':').next().unwrap_or(text).chars().take(12).collect::<String>();
        match self {
            Trigger::Schedule { since } => write!(f, "schedule: the training before was at {since}"),
            Trigger::Data { dataset, before: Some(before), now } => {
                write!(f, "data: `{dataset}` is {}, it was {}", short(now), short(before))
            }
            Trigger::Data { dataset, before: None, now } => write!(f, "data: `{dataset}` is there, {}", short(now)),
            Trigger::Drift { finding } => write!(f, "drift: {}", finding.sentence()),
            Trigger::Performance { finding } => write!(f, "performance: {}", finding.why),
            Trigger::Code { before: Some(before), now } => write!(f, "code: {} after {}", short(now), short(before)),
            Trigger::Code { before: None, now } => write!(f, "code: {}", short(now)),
            Trigger::Asked { by, reason } => write!(f, "asked by {by}: {reason}"),
        }
    }
}

/// What `observed` gives reason to train for. What was seen at the training before is no reason again: the same data, the
/// same commit, drift in the same window, a drop on the same predictions.
#[must_use]
pub fn due(rule: &Rule, seen: &Seen, observed: &Observed, at: At) -> Vec<Trigger> {
    rule.on.iter().flat_map(|source| of_source(*source, rule, seen, observed, at)).collect()
}

fn of_source(source: Source, rule: &Rule, seen: &Seen, observed: &Observed, at: At) -> Vec<Trigger> {
    let old = &seen.observed;
    match source {
        Source::Schedule => {
            let passed = rule.every_ms.is_some_and(|every| at.since_ms(seen.at) >= every);
            passed.then_some(Trigger::Schedule { since: seen.at }).into_iter().collect()
        }
        Source::Data => {
            let other = observed.data.iter().filter(|(name, now)| old.data.get(*name) != Some(now));
            let trigger = |(name, now): (&String, &String)| {
                let before = old.data.get(name).cloned();
                Trigger::Data { dataset: name.clone(), before, now: now.clone() }
            };
            other.map(trigger).collect()
        }
        Source::Drift => {
            let known = |f: &DriftFinding| old.drift.as_ref().is_some_and(|o| o.version == f.version && o.window_until >= f.window_until);
            let news = observed.drift.as_ref().filter(|f| f.verdict == DriftVerdict::Drift && !known(f));
            news.map(|f| Trigger::Drift { finding: Box::new(f.clone()) }).into_iter().collect()
        }
        Source::Performance => {
            let known = |f: &PerformanceFinding| old.performance.as_ref().is_some_and(|o| o.version == f.version && o.until >= f.until);
            let news = observed.performance.as_ref().filter(|f| f.verdict == PerformanceVerdict::Dropped && !known(f));
            news.map(|f| Trigger::Performance { finding: f.clone() }).into_iter().collect()
        }
        Source::Code => {
            let news = observed.code.as_ref().filter(|now| old.code.as_ref() != Some(now));
            news.map(|now| Trigger::Code { before: old.code.clone(), now: now.clone() }).into_iter().collect()
        }
    }
}

/// What keeps a training that is due from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held_by", rename_all = "snake_case")]
pub enum Held {
    /// The one before ended too short a time ago.
    CoolDown {
        /// Until then.
        until: At,
    },
    /// As many as may start have started.
    Budget {
        /// How many.
        runs: u32,
        /// Until then.
        until: At,
    },
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Held::CoolDown { until } => write!(f, "the cool-down lasts until {until}"),
            Held::Budget { runs, until } => write!(f, "the budget of {runs} trainings is used up until {until}"),
        }
    }
}

/// Whether cool-down or budget keeps a training from starting at `at`. `ended` is the end of the one before, `starts` are
/// the starts that are known, oldest first.
#[must_use]
pub fn held(rule: &Rule, ended: Option<At>, starts: &[At], at: At) -> Option<Held> {
    let later = |from: At, ms: u64| from.plus_ms(ms);
    let budget = rule.budget;
    let within: Vec<At> = starts.iter().copied().filter(|s| later(*s, budget.within_ms) > at).collect();
    let used = within.len() >= budget.runs as usize;
    // The budget is free again when enough of the starts lie far enough back.
    let frees = within.len().checked_sub(budget.runs.max(1) as usize).and_then(|over| within.get(over));
    if let (true, Some(oldest)) = (used, frees) {
        return Some(Held::Budget { runs: budget.runs, until: later(*oldest, budget.within_ms) });
    }
    let cool = ended.map(|e| later(e, rule.cool_down_ms)).filter(|until| *until > at);
    cool.map(|until| Held::CoolDown { until })
}
