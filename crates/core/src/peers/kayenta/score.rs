//! All metrics to one score.

use super::classify::Class;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A metric as it enters the score.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricResult {
    /// Its name.
    pub name: String,
    /// What it was found to be.
    pub class: Class,
    /// It fails the whole unless it passes.
    pub critical: bool,
    /// It is shown and not counted.
    pub muted: bool,
    /// The groups that it belongs to.
    pub groups: Vec<String>,
}

/// From where a score passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreThresholds {
    /// At least this is a pass.
    pub pass: f64,
    /// At least this is marginal; below is a failure.
    pub marginal: f64,
}

/// The score of a group, 0 to 100.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupScore {
    /// Its name.
    pub name: String,
    /// Share of its metrics with data that pass, in percent; 0 without data.
    pub score: f64,
    /// No metric of it has data.
    pub no_data: bool,
}

/// The score of the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// 0 to 100.
    pub score: f64,
    /// Why it is zero, where a rule made it so.
    pub reason: Option<String>,
    /// The groups, by name.
    pub groups: Vec<GroupScore>,
}

/// What a score comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graded {
    /// At or above the threshold to pass.
    Pass,
    /// At or above the marginal one.
    Marginal,
    /// Below both.
    Fail,
}

impl Graded {
    /// As it is written on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Graded::Pass => "Pass",
            Graded::Marginal => "Marginal",
            Graded::Fail => "Fail",
        }
    }
}

impl ScoreThresholds {
    /// A score between the two, a whole number where there is one: some clients cut off what is behind the point, and some
    /// take the marginal threshold itself for a failure.
    #[must_use]
    pub fn between(&self) -> Option<f64> {
        let whole = libm::floor(self.marginal) + 1.0;
        match () {
            () if whole < self.pass => Some(whole),
            () if self.marginal < self.pass => Some(0.5 * (self.marginal + self.pass)),
            () => None,
        }
    }

    /// What `score` comes to.
    #[must_use]
    pub fn classify(&self, score: f64) -> Graded {
        if score >= self.pass {
            Graded::Pass
        } else if score >= self.marginal {
            Graded::Marginal
        } else {
            Graded::Fail
        }
    }
}

/// The score of all metrics. `weights` are percentages by group; groups without one share what is left of 100.
#[must_use]
pub fn grade(results: &[MetricResult], weights: &BTreeMap<String, f64>) -> Score {
    let counted: Vec<&MetricResult> = results.iter().filter(|r| !r.muted).collect();
    let names: BTreeSet<&String> = counted.iter().flat_map(|r| &r.groups).collect();
    let groups: Vec<GroupScore> = names.iter().map(|name| group(name, &counted)).collect();
    let critical: Vec<&str> = counted.iter().filter(|r| r.critical && r.class != Class::Pass).map(|r| r.name.as_str()).collect();
    let missing = counted.iter().filter(|r| r.class == Class::Nodata).count();
    let zero = |reason: String, groups| Score { score: 0.0, reason: Some(reason), groups };
    if counted.is_empty() {
        return zero("There is no metric to judge".into(), groups);
    }
    if !critical.is_empty() {
        return zero(format!("Critical metrics failed: {}", critical.join(", ")), groups);
    }
    // Kayenta's own rule: half without data is a failure.
    if 2 * missing >= counted.len() {
        return zero(format!("{missing} of {} metrics have no data", counted.len()), groups);
    }
    let left = 100.0 - weights.values().sum::<f64>();
    let sharing = groups.iter().filter(|g| !weights.contains_key(&g.name)).count();
    let weight = |name: &str| weights.get(name).copied().unwrap_or(left / sharing as f64);
    let sum: f64 = groups.iter().map(|g| if g.no_data { 100.0 } else { g.score } * weight(&g.name) / 100.0).sum();
    Score { score: libm::round(sum * 100.0) / 100.0, reason: None, groups }
}

fn group(name: &str, results: &[&MetricResult]) -> GroupScore {
    let of = |wanted: &[Class]| results.iter().filter(|r| r.groups.iter().any(|g| g == name) && wanted.contains(&r.class)).count();
    let passed = of(&[Class::Pass]);
    let total = passed + of(&[Class::High, Class::Low, Class::NodataFailMetric]);
    let score = if total == 0 { 0.0 } else { 100.0 * passed as f64 / total as f64 };
    GroupScore { name: name.to_owned(), score, no_data: total == 0 }
}
