//! A model that is kept up with what became of the changes it scored: ranking stays as it was learnt, the level of its probabilities and the width
//! of its label sets follow the outcomes that can be trusted.
//!
//! How many changes hurt moves faster than why they do.

use crate::fitted::{Fitted, level};
use crate::logistic::chance;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tidegate_runtime::risk::{BadModel, RiskModel};
use tidegate_stats::calibration::{Beta, Calibrator, Conformal, LabelSet, Thresholds, VennAbers};

/// Youngest outcomes that tell the level: at a share of one in seven it is known to about a hundredth.
const LEVEL_ROWS: usize = 1_000;
/// Youngest outcomes that tell how wide label sets are: nine in ten is then known to seven in a thousand.
const WINDOW_ROWS: usize = 2_000;
/// Outcomes after which the level is told anew.
const EVERY_ROWS: usize = 25;

/// What a model knew when it was trained, from which it is kept up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    curve: Calibrator,
    thresholds: Thresholds,
    miss_share: f64,
    /// Scores of the youngest held rows, and whether each hurt.
    window: Vec<(f64, bool)>,
}

impl Trained {
    /// Of what was fitted; `miss_share` is that of its label sets.
    #[must_use]
    pub fn of(fitted: &Fitted, miss_share: f64) -> Trained {
        let held = fitted.held.scores.iter().copied().zip(fitted.held.labels.iter().copied());
        let skipped = fitted.held.labels.len().saturating_sub(WINDOW_ROWS);
        Trained { curve: fitted.curve.clone(), thresholds: fitted.thresholds, miss_share, window: held.skip(skipped).collect() }
    }
}

/// A change that was scored, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// When it was made, in seconds.
    pub at: i64,
    /// The chance that its margin says, before calibration.
    pub score: f64,
    /// Whether it hurt.
    pub hurt: bool,
}

impl Outcome {
    /// Of a row that was scored.
    #[must_use]
    pub fn of(at: i64, margin: f64, hurt: bool) -> Outcome {
        Outcome { at, score: chance(margin), hurt }
    }
}

/// What is said of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// The probability that it hurts.
    pub probability: f64,
    /// Which labels are not ruled out.
    pub labels: LabelSet,
}

/// What is kept up.
#[derive(Clone, Debug)]
pub struct Recalibrated {
    curve: Calibrator,
    /// By how much log odds are moved.
    moved: f64,
    /// When the last change happened of which the end is known.
    until: i64,
    window: VecDeque<(f64, bool)>,
    since: usize,
    miss_share: f64,
    thresholds: Thresholds,
}

impl Recalibrated {
    /// Begins with what a model knew when it was trained.
    #[must_use]
    pub fn new(trained: Trained) -> Recalibrated {
        let Trained { curve, thresholds, miss_share, window } = trained;
        let skipped = window.len().saturating_sub(WINDOW_ROWS);
        Recalibrated {
            curve,
            moved: 0.0,
            until: i64::MIN,
            window: window.into_iter().skip(skipped).collect(),
            since: 0,
            miss_share,
            thresholds,
        }
    }

    /// What it says of a change with a score.
    #[must_use]
    pub fn say(&self, score: f64) -> Said {
        let probability = shifted(self.curve.probability(score).unwrap_or(score), self.moved);
        Said { probability, labels: self.thresholds.labels(probability) }
    }

    /// By how much log odds are moved from where the training had them.
    #[must_use]
    pub fn moved(&self) -> f64 {
        self.moved
    }

    /// Learns what became of a change, in the order of time.
    pub fn observe(&mut self, outcome: &Outcome) {
        self.until = self.until.max(outcome.at);
        self.window.push_back((outcome.score, outcome.hurt));
        if self.window.len() > WINDOW_ROWS {
            self.window.pop_front();
        }
        self.since += 1;
        if self.since >= EVERY_ROWS {
            self.tell_anew();
        }
    }

    fn tell_anew(&mut self) {
        self.since = 0;
        let (scores, labels): (Vec<f64>, Vec<bool>) = self.window.iter().copied().unzip();
        // Whatever the curve is, its probabilities go through a straight beta curve, which moves alone.
        let straight = Beta { a: 1.0, b: 1.0, c: 0.0 };
        let probabilities: Vec<f64> = scores.iter().map(|score| self.curve.probability(*score).unwrap_or(*score)).collect();
        let young = probabilities.len().saturating_sub(LEVEL_ROWS);
        let (recent, outcomes) = (probabilities.get(young..).unwrap_or_default(), labels.get(young..).unwrap_or_default());
        self.moved = level(&straight, recent, outcomes);
        let moved: Vec<f64> = probabilities.iter().map(|probability| shifted(*probability, self.moved)).collect();
        // A window of one label alone tells nothing of the other: sets stay as they were.
        if let Some(thresholds) = Conformal::fit(&moved, &labels).ok().and_then(|conformal| conformal.split(self.miss_share)) {
            self.thresholds = thresholds;
        }
    }

    /// The model as it is kept up: its trees, its regression and its ranks stay.
    ///
    /// # Errors
    /// When its curve is of a kind that has no level, or outcomes of one kind alone are known.
    pub fn model(&self, of: &RiskModel) -> Result<RiskModel, NotRecalibrated> {
        let Calibrator::Beta(curve) = &self.curve else { return Err(NotRecalibrated::Curve) };
        let curve = Calibrator::Beta(Beta { c: curve.c + self.moved, ..*curve });
        let (scores, labels): (Vec<f64>, Vec<bool>) = self.window.iter().copied().unzip();
        let intervals = VennAbers::fit(&scores, &labels).map_err(|why| NotRecalibrated::Intervals(why.to_string()))?;
        Ok(of.recalibrated(curve, intervals, self.thresholds, scores.len(), self.until)?)
    }
}

/// Why a model is not kept up.
#[derive(Debug, thiserror::Error)]
pub enum NotRecalibrated {
    /// Steps and the like have no level that moves.
    #[error("its curve has no level that could move: train it anew")]
    Curve,
    /// No interval stands on the outcomes.
    #[error("its intervals: {0}")]
    Intervals(String),
    /// It would not be a model.
    #[error(transparent)]
    Model(#[from] BadModel),
}

/// A probability whose log odds are moved.
#[must_use]
pub(crate) fn shifted(probability: f64, by: f64) -> f64 {
    Beta { a: 1.0, b: 1.0, c: by }.probability(probability).unwrap_or(probability)
}

/// What is said of each change when it comes, oldest first, with the outcomes of earlier ones whose labels had `maturity_seconds` to come out; and
/// what all of them tell in the end.
#[must_use]
pub fn replay(trained: Trained, outcomes: &[Outcome], maturity_seconds: i64) -> (Vec<Said>, Recalibrated) {
    let mut kept = Recalibrated::new(trained);
    let (mut all, mut known): (Vec<Said>, usize) = (Vec::with_capacity(outcomes.len()), 0);
    for (place, one) in outcomes.iter().enumerate() {
        let trusted = |earlier: &Outcome| earlier.at < one.at.saturating_sub(maturity_seconds);
        while let Some(earlier) = outcomes.get(known).filter(|earlier| known < place && trusted(earlier)) {
            kept.observe(earlier);
            known += 1;
        }
        all.push(kept.say(one.score));
    }
    outcomes.iter().skip(known).for_each(|one| kept.observe(one));
    if kept.since > 0 {
        kept.tell_anew();
    }
    (all, kept)
}
