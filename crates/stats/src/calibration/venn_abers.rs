//! Venn-Abers prediction: two probabilities, one of which is calibrated whatever the law of the data is.

use super::{Unfit, usable};
use crate::scoring::runs;
use serde::{Deserialize, Serialize};

/// A probability with both its ends: what isotonic regression says when the row is taken to be negative, and when positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityInterval {
    /// p0, the lower end.
    pub low: f64,
    /// p1, the upper end.
    pub high: f64,
}

impl ProbabilityInterval {
    /// p1 / (1 - p0 + p1): of one probability, the one of least regret under log loss (Vovk, Petej and Fedorova 2015, section 4).
    #[must_use]
    pub fn probability(&self) -> f64 {
        merged(core::slice::from_ref(self)).unwrap_or(0.5)
    }

    /// p1 - p0: how much the rows leave open.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// One probability of several intervals, as of the folds of a cross Venn-Abers predictor: GM(p1) / (GM(1 - p0) + GM(p1)) with
/// geometric means (Vovk, Petej and Fedorova 2015, section 4). None without an interval.
#[must_use]
pub fn merged(intervals: &[ProbabilityInterval]) -> Option<f64> {
    if intervals.is_empty() {
        return None;
    }
    if let [only] = intervals {
        return Some(only.high / (1.0 - only.low + only.high));
    }
    let n = intervals.len() as f64;
    let mean = |value: fn(&ProbabilityInterval) -> f64| libm::exp(intervals.iter().map(|i| libm::log(value(i))).sum::<f64>() / n);
    let (positive, negative) = (mean(|i| i.high), mean(|i| 1.0 - i.low));
    // p1 > 0 and p0 < 1 always, for each holds the row itself; their product can still be lost to rounding.
    if positive + negative > 0.0 { Some(positive / (positive + negative)) } else { None }
}

/// An inductive Venn-Abers predictor: p0 and p1 of every place among the scores that it was fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct VennAbers {
    stored: Stored,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    /// The scores seen, strictly ascending.
    scores: Vec<f64>,
    /// p0 from each score up to the next; below all of them it is 0.
    low: Vec<f64>,
    /// p1 from the score before up to each score; above all of them it is 1.
    high: Vec<f64>,
}

/// A point of the cumulative sum diagram: rows and positive rows so far.
type Point = (i128, i128);

impl VennAbers {
    /// Fits to scores that were not learned from these rows, in O(n log n) (Vovk, Petej and Fedorova, "Large-scale probabilistic
    /// predictors with and without guarantees of validity", NIPS 2015, algorithms 1 to 4). Rows are counted in whole numbers;
    /// the one rounding is that of the quotients.
    ///
    /// # Errors
    /// [`Unfit::Empty`], [`Unfit::Lengths`], [`Unfit::Number`], [`Unfit::OneClass`].
    pub fn fit(scores: &[f64], labels: &[bool]) -> Result<VennAbers, Unfit> {
        usable(scores, labels)?;
        let (mut seen, mut groups): (Vec<f64>, Vec<Point>) = (Vec::new(), Vec::new());
        for run in runs(scores) {
            seen.extend(run.first().and_then(|row| scores.get(*row)));
            let hits = run.iter().filter(|row| labels.get(**row) == Some(&true)).count();
            groups.push((run.len() as i128, hits as i128));
        }
        let high = with_a_positive(&groups);
        // A negative row seen from the other end is a positive one.
        let turned: Vec<Point> = groups.iter().rev().map(|(rows, hits)| (*rows, rows - hits)).collect();
        let low = with_a_positive(&turned).iter().rev().map(|p| 1.0 - p).collect();
        Ok(VennAbers { stored: Stored { scores: seen, low, high } })
    }

    /// Both probabilities at a score, in O(log n); none for NaN.
    #[must_use]
    pub fn interval(&self, score: f64) -> Option<ProbabilityInterval> {
        if score.is_nan() {
            return None;
        }
        let Stored { scores, low, high } = &self.stored;
        let above = scores.partition_point(|s| *s < score);
        let up_to = scores.partition_point(|s| *s <= score);
        let low = up_to.checked_sub(1).and_then(|place| low.get(place)).copied().unwrap_or(0.0);
        Some(ProbabilityInterval { low, high: high.get(above).copied().unwrap_or(1.0) })
    }
}

/// Whether `c` lies to the left of the way from `a` to `b`: strictly above their line.
fn left_turn(a: Point, b: Point, c: Point) -> bool {
    (b.0 - a.0) * (c.1 - a.1) > (c.0 - a.0) * (b.1 - a.1)
}

/// For each group of equal scores, the isotonic value there when one positive row is added to it.
///
/// The value is the slope of the greatest convex minorant of the cumulative sums. The added row is moved from before the first
/// group to behind the last; each move changes one point, and a point leaves the minorant's stack once.
fn with_a_positive(groups: &[Point]) -> Vec<f64> {
    let mut points: Vec<Point> = vec![(-1, -1), (0, 0)];
    let mut last = (0, 0);
    for (rows, hits) in groups {
        last = (last.0 + rows, last.1 + hits);
        points.push(last);
    }
    // Graham's scan from the right, so that the leftmost corner ends on top.
    let mut corners: Vec<Point> = Vec::with_capacity(points.len());
    for point in points.iter().rev() {
        add_corner(&mut corners, *point);
    }
    let mut values = Vec::with_capacity(groups.len());
    for place in 1..=groups.len() {
        let &[.., next, top] = corners.as_slice() else { break };
        values.push((next.1 - top.1) as f64 / (next.0 - top.0) as f64);
        let (Some(&before), Some(&here), Some(&after)) = (points.get(place - 1), points.get(place), points.get(place + 1)) else { break };
        let moved = (before.0 + after.0 - here.0, before.1 + after.1 - here.1);
        if let Some(point) = points.get_mut(place) {
            *point = moved;
        }
        // Strictly below the edge on top: it is a corner now, and the one on top lies behind the added row.
        let below = (next.0 - top.0) * (moved.1 - top.1) < (moved.0 - top.0) * (next.1 - top.1);
        if below {
            corners.pop();
            add_corner(&mut corners, moved);
        }
    }
    values
}

/// Puts a point on the stack's left, first taking away corners that it covers.
fn add_corner(corners: &mut Vec<Point>, point: Point) {
    while let &[.., next, top] = corners.as_slice()
        && !left_turn(point, top, next)
    {
        corners.pop();
    }
    corners.push(point);
}

impl TryFrom<Stored> for VennAbers {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<VennAbers, &'static str> {
        let n = stored.scores.len();
        let ascending = |column: &[f64]| column.windows(2).all(|pair| matches!(pair, [a, b] if a <= b));
        let apart = stored.scores.windows(2).all(|pair| matches!(pair, [a, b] if a < b)) && stored.scores.iter().all(|s| s.is_finite());
        let shares = |column: &[f64]| column.len() == n && ascending(column) && column.iter().all(|p| (0.0..=1.0).contains(p));
        if n > 0 && apart && shares(&stored.low) && shares(&stored.high) {
            Ok(VennAbers { stored })
        } else {
            Err("a Venn-Abers predictor has ascending finite scores with one lower and one upper probability each: calibrate anew")
        }
    }
}

impl From<VennAbers> for Stored {
    fn from(predictor: VennAbers) -> Stored {
        predictor.stored
    }
}
