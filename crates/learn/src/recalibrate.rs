//! A model that is kept up with what became of the changes it scored: ranking stays as it was learnt, the level of its probabilities and the width
//! of its label sets follow the outcomes that can be trusted.
//!
//! How many changes hurt moves faster than why they do.

use crate::ends::Ends;
use crate::fitted::{Fitted, level};
use crate::logistic::chance;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tidegate_runtime::risk::{BadModel, Recalibration, RiskModel};
use tidegate_stats::calibration::{Beta, Calibrator, Conformal, LabelSet, Thresholds, VennAbers};

/// Youngest outcomes that tell the level: at a share of one in seven it is known to about a hundredth.
const LEVEL_ROWS: usize = 1_000;
/// Youngest outcomes that tell how wide label sets are: nine in ten is then known to seven in a thousand.
const WINDOW_ROWS: usize = 2_000;
/// How often a model is recalibrated in [`replay`].
const DAY_SECONDS: i64 = 86_400;

/// What a model knew when it was trained, from which it is kept up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    curve: Calibrator,
    venn_abers: VennAbers,
    thresholds: Thresholds,
    calibrated_on: usize,
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
        Trained {
            curve: fitted.curve.clone(),
            venn_abers: fitted.venn_abers.clone(),
            thresholds: fitted.thresholds,
            calibrated_on: fitted.calibrated_on,
            miss_share,
            window: held.skip(skipped).collect(),
        }
    }
}

/// A change that was scored, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// When it was made, in seconds.
    pub at: i64,
    /// The chance that its margin says, before calibration.
    pub score: f64,
    /// What was believed of its end, by the second.
    pub ends: Ends,
}

impl Outcome {
    /// Of a row that was scored.
    #[must_use]
    pub fn of(at: i64, margin: f64, ends: Ends) -> Outcome {
        Outcome { at, score: chance(margin), ends }
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
    trained: Trained,
    thresholds: Thresholds,
    /// Where it stands; none where it is as it was trained.
    since: Option<Recalibration>,
    window: VecDeque<(f64, Ends)>,
    /// What the window told when it was asked last.
    known: Vec<(f64, bool)>,
}

impl Recalibrated {
    /// Begins with what a model knew when it was trained.
    #[must_use]
    pub fn new(trained: Trained) -> Recalibrated {
        let window = trained.window.iter().map(|(score, hurt)| (*score, Ends::new(Some(*hurt)))).collect();
        Recalibrated { thresholds: trained.thresholds, since: None, window, known: vec![], trained }
    }

    /// What it says of a change with a score.
    #[must_use]
    pub fn say(&self, score: f64) -> Said {
        let probability = shifted(self.trained.curve.probability(score).unwrap_or(score), self.moved());
        Said { probability, labels: self.thresholds.labels(probability) }
    }

    /// By how much log odds are moved from where the training had them.
    #[must_use]
    pub fn moved(&self) -> f64 {
        self.since.map_or(0.0, |since| since.moved)
    }

    /// Takes in changes whose ends can be trusted, in the order of time, and tells level and label sets anew by what was believed of all of them at a
    /// time.
    pub fn observe<'o>(&mut self, outcomes: impl IntoIterator<Item = &'o Outcome>, at: i64) {
        let mut until = self.since.map_or(i64::MIN, |since| since.until);
        for one in outcomes {
            until = until.max(one.at);
            self.window.push_back((one.score, one.ends.clone()));
        }
        while self.window.len() > WINDOW_ROWS {
            self.window.pop_front();
        }
        if until == i64::MIN {
            return;
        }
        self.known = self.window.iter().filter_map(|(score, ends)| Some((*score, ends.at(at)?))).collect();
        let (scores, labels): (Vec<f64>, Vec<bool>) = self.known.iter().copied().unzip();
        // Whatever the curve is, its probabilities go through a straight beta curve, which moves alone.
        let straight = Beta { a: 1.0, b: 1.0, c: 0.0 };
        let probabilities: Vec<f64> = scores.iter().map(|score| self.trained.curve.probability(*score).unwrap_or(*score)).collect();
        let young = probabilities.len().saturating_sub(LEVEL_ROWS);
        let (recent, outcomes) = (probabilities.get(young..).unwrap_or_default(), labels.get(young..).unwrap_or_default());
        let by = level(&straight, recent, outcomes);
        self.since = Some(Recalibration { until, moved: by });
        let moved: Vec<f64> = probabilities.iter().map(|probability| shifted(*probability, by)).collect();
        // A window of one label alone tells nothing of the other: sets stay as they were.
        if let Some(thresholds) = Conformal::fit(&moved, &labels).ok().and_then(|conformal| conformal.split(self.trained.miss_share)) {
            self.thresholds = thresholds;
        }
    }

    /// The model as it is kept up: its trees, its regression and its ranks stay. Where nothing was taken in it is as it was trained.
    ///
    /// # Errors
    /// When its curve is of a kind that has no level, or outcomes of one kind alone are known.
    pub fn model(&self, of: &RiskModel) -> Result<RiskModel, NotRecalibrated> {
        let Trained { curve, venn_abers, thresholds, calibrated_on, .. } = &self.trained;
        let Some(since) = self.since else {
            return Ok(of.recalibrated(curve.clone(), venn_abers.clone(), *thresholds, *calibrated_on, None)?);
        };
        let Calibrator::Beta(curve) = curve else { return Err(NotRecalibrated::Curve) };
        let curve = Calibrator::Beta(Beta { c: curve.c + since.moved, ..*curve });
        let (scores, labels): (Vec<f64>, Vec<bool>) = self.known.iter().copied().unzip();
        let intervals = VennAbers::fit(&scores, &labels).map_err(|why| NotRecalibrated::Intervals(why.to_string()))?;
        Ok(of.recalibrated(curve, intervals, self.thresholds, scores.len(), Some(since))?)
    }
}

/// Why a model is not kept up.
#[derive(Debug, thiserror::Error)]
pub enum NotRecalibrated {
    /// Steps and the like have no level that moves.
    #[error("its curve has no level that could move: train it anew")]
    Curve,
    /// No interval stands on the outcomes.
    #[error("no interval stands on its newest outcomes ({0}): leave the model as it is, or train it anew")]
    Intervals(String),
    /// It would not be a model.
    #[error(transparent)]
    Model(#[from] BadModel),
}

/// A probability whose log odds are moved.
#[must_use]
pub fn shifted(probability: f64, by: f64) -> f64 {
    Beta { a: 1.0, b: 1.0, c: by }.probability(probability).unwrap_or(probability)
}

/// What is said of each change when it comes, oldest first, by a model that is recalibrated each day: with earlier changes that had `maturity_seconds`
/// for their ends to come out, and with what was believed of them on that day. And what all of them tell by now.
#[must_use]
pub fn replay(trained: Trained, outcomes: &[Outcome], maturity_seconds: i64) -> (Vec<Said>, Recalibrated) {
    let mut kept = Recalibrated::new(trained);
    let (mut all, mut taken, mut day) = (Vec::with_capacity(outcomes.len()), 0, None);
    for one in outcomes {
        let today = one.at.div_euclid(DAY_SECONDS);
        if day != Some(today) {
            day = Some(today);
            let now = today.saturating_mul(DAY_SECONDS);
            let left = outcomes.get(taken..).unwrap_or_default();
            let trusted = left.partition_point(|earlier| earlier.at < now.saturating_sub(maturity_seconds));
            kept.observe(left.iter().take(trusted), now);
            taken += trusted;
        }
        all.push(kept.say(one.score));
    }
    kept.observe(outcomes.iter().skip(taken), i64::MAX);
    (all, kept)
}
