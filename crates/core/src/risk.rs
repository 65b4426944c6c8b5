//! The risk of a change, as whoever scored it tells it, and which strategy a release of it takes.
//!
//! A score sets the pace and never the verdict: the strategy that is named is the careful one, a low score leads to another, and
//! without a score, or with one that is no chance, nothing is made easier. Not here: how a change is scored.

use crate::line::line;
use serde::{Deserialize, Serialize};

/// Longest name of who scored a change, in bytes.
const BY_BYTES_MAX: usize = 200;
/// Most bands of a strategy.
pub const BANDS_MAX: usize = 10;

/// How likely a change is to hurt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// A chance, from 0 to 1.
    pub score: f64,
    /// Who, or what, says so: a model with its version, a person.
    pub by: String,
}

/// Why something is no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRisk {
    /// Out of range, or no number.
    #[error("a risk is a chance: give a number from 0 to 1")]
    Score,
    /// It must be known whose it is.
    #[error("say who scored it, in at most {BY_BYTES_MAX} bytes: it is recorded")]
    By,
}

impl Risk {
    /// A score with its author.
    ///
    /// # Errors
    /// When it is no chance, or nobody's.
    pub fn new(score: f64, by: &str) -> Result<Risk, NoRisk> {
        if !(0.0..=1.0).contains(&score) {
            return Err(NoRisk::Score);
        }
        let by = by.trim();
        if by.is_empty() || by.len() > BY_BYTES_MAX {
            return Err(NoRisk::By);
        }
        Ok(Risk { score, by: line(by, BY_BYTES_MAX) })
    }
}

/// Changes below a risk take another strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The first risk that is too high for it.
    pub below: f64,
    /// The strategy.
    pub release: String,
}

/// The strategy of a release for which `named` was meant: that of the lowest band that its risk lies below.
#[must_use]
pub fn strategy<'a>(named: &'a str, bands: &'a [Band], risk: Option<&Risk>) -> &'a str {
    let score = risk.map(|risk| risk.score).filter(|score| (0.0..=1.0).contains(score));
    let fits = |band: &&Band| score.is_some_and(|score| score < band.below);
    let lowest = bands.iter().filter(fits).min_by(|a, b| a.below.total_cmp(&b.below));
    lowest.map_or(named, |band| band.release.as_str())
}

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It is known to be harmless well enough for the quick one.
    Quick,
    /// As every change without a score.
    Standard,
    /// Somebody looks at it first: letting it through costs more than waiting.
    Held,
}

/// The way of a change of this risk. `hold_from` is where waiting becomes the cheaper mistake; without it nothing is held. Only what the
/// model is sure of, and whose whole interval lies below that, is quick: when unsure it goes the standard way.
#[must_use]
pub fn way(probability: f64, interval: [f64; 2], sure_of_no_harm: bool, hold_from: Option<f64>) -> Way {
    let known = (0.0..=1.0).contains(&probability) && interval.iter().all(|end| (0.0..=1.0).contains(end));
    match hold_from {
        Some(from) if known && probability >= from => Way::Held,
        Some(from) if known && sure_of_no_harm && interval.iter().all(|end| *end < from) => Way::Quick,
        _ => Way::Standard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_score_is_faster_and_no_score_is_not() {
        let bands = [("quick", 0.05), ("default", 0.2)].map(|(release, below)| Band { below, release: release.to_owned() });
        let of = |score| strategy("careful", &bands, Some(&Risk { score, by: "m".to_owned() })).to_owned();
        for (score, wanted) in [(0.0, "quick"), (0.049, "quick"), (0.05, "default"), (0.19, "default"), (0.2, "careful"), (1.0, "careful")]
        {
            assert_eq!(of(score), wanted, "{score}");
        }
        for no_score in [f64::NAN, -0.1, 1.1, f64::NEG_INFINITY] {
            assert_eq!(of(no_score), "careful", "{no_score}");
        }
        assert_eq!(strategy("careful", &bands, None), "careful");
        assert_eq!(strategy("careful", &[], Some(&Risk { score: 0.0, by: "m".to_owned() })), "careful");
    }

    #[test]
    fn a_score_is_a_chance_and_somebodys() {
        assert_eq!(Risk::new(0.3, " model 7 "), Ok(Risk { score: 0.3, by: "model 7".to_owned() }));
        for score in [f64::NAN, -0.01, 1.01, f64::INFINITY] {
            assert_eq!(Risk::new(score, "m"), Err(NoRisk::Score));
        }
        assert_eq!(Risk::new(0.3, " "), Err(NoRisk::By));
        assert_eq!(Risk::new(0.3, &"m".repeat(201)), Err(NoRisk::By));
    }

    #[test]
    fn the_quick_way_needs_a_sure_model_and_its_whole_interval() {
        let of = |probability, low, high, sure| way(probability, [low, high], sure, Some(0.2));
        assert_eq!(of(0.05, 0.02, 0.1, true), Way::Quick);
        assert_eq!(of(0.05, 0.02, 0.1, false), Way::Standard, "it is not sure");
        assert_eq!(of(0.05, 0.02, 0.3, true), Way::Standard, "the interval is wide");
        assert_eq!(of(0.2, 0.1, 0.3, true), Way::Held);
        assert_eq!(way(0.9, [0.8, 1.0], true, None), Way::Standard, "nobody said what mistakes cost");
        for unknown in [f64::NAN, -0.1, 1.1] {
            assert_eq!(of(unknown, 0.0, 0.1, true), Way::Standard);
            assert_eq!(of(0.05, unknown, 0.1, true), Way::Standard);
        }
    }
}
