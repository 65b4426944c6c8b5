//! What would lower a risk: the smallest change of what people can change that brings a probability below a threshold.
//!
//! All combinations of a few steps of each lever are asked, so that the answer is the smallest one on that grid and not the first
//! that was met.

use serde::Serialize;

/// Levers at once: more are too many to be read, and to be asked.
pub const LEVERS_MAX: usize = 4;
/// Steps of a lever, from where it stands to its bound.
const STEPS: usize = 8;
/// What pulling one more lever costs, in shares of a lever's way: one thing to do is better than two.
const LEVER_COST: f64 = 0.05;

/// Something that people can change, in one direction, up to a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Lever {
    /// Where its feature stands in a row.
    pub column: usize,
    /// What it can become: below where it stands for fewer lines, above for more reviewers.
    pub bound: f64,
    /// Whether it comes in whole numbers.
    pub whole: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Which feature.
    pub column: usize,
    /// What it is.
    pub from: f64,
    /// What it should be.
    pub to: f64,
}

/// What to do, and what the probability is then.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counterfactual {
    /// All of it.
    pub changes: Vec<Change>,
    /// The probability then.
    pub probability: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is below already.
    Below,
    /// This would do.
    Change(Counterfactual),
    /// Nothing would do; the best that the levers reach.
    OutOfReach(Counterfactual),
}

/// Searches; of more levers than [`LEVERS_MAX`] the first ones are pulled.
#[must_use]
pub fn search(row: &[f64], levers: &[Lever], threshold: f64, model: impl Fn(&[f64]) -> f64) -> Answer {
    let now = model(row);
    if now < threshold {
        return Answer::Below;
    }
    // What is missing, or at its bound, cannot be moved.
    let places: Vec<(usize, Vec<f64>)> = levers.iter().take(LEVERS_MAX).filter_map(|lever| places(row, lever)).collect();
    let mut best: Option<(f64, Counterfactual)> = None;
    let mut lowest = Counterfactual { changes: Vec::new(), probability: now };
    let combinations: usize = places.iter().map(|(_, places)| places.len()).product();
    for combination in 1..combinations {
        let (mut changed, mut rest, mut cost, mut changes) = (row.to_vec(), combination, 0.0, Vec::new());
        for (column, places) in &places {
            let step = rest % places.len();
            rest /= places.len();
            let (Some(to), Some(value)) = (places.get(step), changed.get_mut(*column)) else { continue };
            if step > 0 {
                cost += step as f64 / (places.len() - 1) as f64 + LEVER_COST;
                changes.push(Change { column: *column, from: *value, to: *to });
                *value = *to;
            }
        }
        if best.as_ref().is_some_and(|(least, _)| cost >= *least) {
            continue;
        }
        let probability = model(&changed);
        if probability < threshold {
            best = Some((cost, Counterfactual { changes, probability }));
        } else if probability < lowest.probability {
            lowest = Counterfactual { changes, probability };
        }
    }
    best.map_or(Answer::OutOfReach(lowest), |(_, found)| Answer::Change(found))
}

/// Where a lever can stand, beginning with where it does; none where it cannot move.
fn places(row: &[f64], lever: &Lever) -> Option<(usize, Vec<f64>)> {
    let now = *row.get(lever.column)?;
    if !now.is_finite() || !lever.bound.is_finite() {
        return None;
    }
    let mut places: Vec<f64> = (0..=STEPS)
        .map(|step| now + (lever.bound - now) * step as f64 / STEPS as f64)
        .map(|place| if lever.whole { libm::round(place) } else { place })
        .collect();
    if let Some(first) = places.first_mut() {
        *first = now;
    }
    places.dedup();
    (places.len() > 1).then_some((lever.column, places))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Change, Counterfactual, Lever, search};

    /// Lines hurt, reviewers help.
    fn model(row: &[f64]) -> f64 {
        (row[0] / 1000.0 - 0.1 * row[1]).clamp(0.0, 1.0)
    }

    fn levers() -> [Lever; 2] {
        [Lever { column: 0, bound: 0.0, whole: true }, Lever { column: 1, bound: 3.0, whole: true }]
    }

    #[test]
    fn the_smallest_change_is_found() {
        // One more reviewer is a third of that lever's way; lines alone would have to fall by two eighths.
        let found = search(&[800.0, 0.0], &levers(), 0.65, model);
        let Answer::Change(found) = found else { panic!("{found:?}") };
        assert_eq!(found.changes, [Change { column: 0, from: 800.0, to: 600.0 }]);
        assert!((found.probability - 0.6).abs() < 1e-12);
    }

    #[test]
    fn what_is_below_needs_nothing_and_what_cannot_be_reached_is_said() {
        assert_eq!(search(&[100.0, 0.0], &levers(), 0.5, model), Answer::Below);
        let only = [Lever { column: 1, bound: 1.0, whole: true }];
        let expected = Counterfactual { changes: vec![Change { column: 1, from: 0.0, to: 1.0 }], probability: 0.8 };
        let Answer::OutOfReach(found) = search(&[900.0, 0.0], &only, 0.5, model) else { panic!("it can be reached") };
        assert_eq!((found.changes, (found.probability - expected.probability).abs() < 1e-12), (expected.changes, true));
        assert!(matches!(search(&[f64::NAN, f64::NAN], &levers(), 0.0, |_| 0.5), Answer::OutOfReach(_)));
    }
}
