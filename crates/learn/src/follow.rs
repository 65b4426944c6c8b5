//! A model that is kept up with what became of the changes it scored: ranking stays as it was learnt, the level of its
//! probabilities and the width of its label sets follow the outcomes as they can be trusted.
//!
//! How many changes hurt moves faster than why they do, and a model is trained seldom.

use crate::Table;
use crate::fitted::{Fitted, level};
use std::collections::VecDeque;
use tidegate_stats::calibration::{Beta, Calibrator, Conformal, LabelSet, Thresholds};

/// Youngest outcomes that tell the level: at a share of one in seven it is known to about a hundredth.
const LEVEL_ROWS: usize = 1_000;
/// Youngest outcomes that tell how wide label sets are: nine in ten is then known to seven in a thousand.
const WINDOW_ROWS: usize = 2_000;
/// Outcomes after which the level is told anew.
const EVERY_ROWS: usize = 25;

/// What is kept beside a model.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The curve of the model, as a beta curve whose level moves.
    curve: Calibrator,
    moved: f64,
    window: VecDeque<(f64, bool)>,
    since: usize,
    miss_share: f64,
    thresholds: Thresholds,
}

/// What is said of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// The probability that it hurts.
    pub probability: f64,
    /// Which labels are not ruled out.
    pub labels: LabelSet,
}

impl Follower {
    /// Begins with what a model knew when it was trained.
    #[must_use]
    pub fn new(fitted: &Fitted, miss_share: f64) -> Follower {
        let held = fitted.held.scores.iter().copied().zip(fitted.held.labels.iter().copied());
        let skipped = fitted.held.labels.len().saturating_sub(WINDOW_ROWS);
        Follower {
            curve: fitted.curve.clone(),
            moved: 0.0,
            window: held.skip(skipped).collect(),
            since: 0,
            miss_share,
            thresholds: fitted.thresholds,
        }
    }

    /// What it says of a row with a score.
    #[must_use]
    pub fn say(&self, score: f64) -> Said {
        let probability = shifted(self.curve.probability(score).unwrap_or(score), self.moved);
        Said { probability, labels: self.thresholds.labels(probability) }
    }

    /// Learns what became of a row with a score, in the order of time.
    pub fn observe(&mut self, score: f64, hurt: bool) {
        self.window.push_back((score, hurt));
        if self.window.len() > WINDOW_ROWS {
            self.window.pop_front();
        }
        self.since += 1;
        if self.since >= EVERY_ROWS {
            self.since = 0;
            self.tell_anew();
        }
    }

    fn tell_anew(&mut self) {
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
}

/// A probability whose log odds are moved.
#[must_use]
pub(crate) fn shifted(probability: f64, by: f64) -> f64 {
    Beta { a: 1.0, b: 1.0, c: by }.probability(probability).unwrap_or(probability)
}

/// What is said of each row of a table when it comes, with the outcomes of earlier rows whose labels had `maturity_seconds` to come out.
#[must_use]
pub fn replay(fitted: &Fitted, table: &Table, miss_share: f64, maturity_seconds: i64) -> Vec<Said> {
    let mut follower = Follower::new(fitted, miss_share);
    let scores: Vec<f64> = table.rows().map(|row| fitted.score(row)).collect();
    let (mut all, mut known): (Vec<Said>, usize) = (Vec::with_capacity(table.len()), 0);
    for (score, at) in scores.iter().zip(table.at()) {
        let trusted = table.before(at.saturating_sub(maturity_seconds)).min(all.len());
        while known < trusted {
            if let (Some(score), Some(label)) = (scores.get(known), table.labels().get(known)) {
                follower.observe(*score, *label);
            }
            known += 1;
        }
        all.push(follower.say(*score));
    }
    all
}
