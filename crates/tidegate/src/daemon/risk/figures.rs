//! Figures of the judged changes: how good, how well said, how they moved.

use crate::steps::risk::{JudgedChange, quarter};
use tidegate_console::view::risk::{Bin, Interval, JudgedFigures, Period};
use tidegate_learn::evaluate::{BINS, CONFIDENCE};
use tidegate_stats::confidence::wilson;
use tidegate_stats::scoring;

/// Quarters that are told, the newest.
const PERIODS_MAX: usize = 24;

fn observed(rows: usize, hurt: usize) -> Interval {
    let (low, high) = wilson(rows as u64, hurt as u64, CONFIDENCE);
    Interval { estimate: hurt as f64 / rows.max(1) as f64, low, high }
}

/// All of them; none without judged changes.
pub fn of(judged: &[JudgedChange]) -> Option<JudgedFigures> {
    let probabilities: Vec<f64> = judged.iter().map(|one| one.probability).collect();
    let labels: Vec<bool> = judged.iter().map(|one| one.hurt).collect();
    let bins = scoring::reliability(&probabilities, &labels, BINS)?;
    let bin = |bin: scoring::ReliabilityBin| Bin {
        from: bin.low,
        to: bin.high,
        rows: bin.rows,
        hurt: bin.positives,
        predicted: bin.mean_probability,
        observed: (bin.rows > 0).then(|| observed(bin.rows, bin.positives)),
    };
    let auc = scoring::auc_interval(&probabilities, &labels, CONFIDENCE);
    Some(JudgedFigures {
        rows: judged.len(),
        hurt: labels.iter().filter(|hurt| **hurt).count(),
        auc: auc.map(|auc| Interval { estimate: auc.estimate, low: auc.low, high: auc.high }),
        brier: scoring::brier(&probabilities, &labels),
        calibration_error: scoring::expected_calibration_error(&probabilities, &labels, BINS),
        reliability: bins.into_iter().map(bin).collect(),
        periods: periods(judged),
    })
}

/// The changes quarter by quarter, oldest first.
fn periods(judged: &[JudgedChange]) -> Vec<Period> {
    let mut sorted: Vec<&JudgedChange> = judged.iter().collect();
    sorted.sort_by_key(|one| one.at_s);
    let named: Vec<(String, &JudgedChange)> = sorted.into_iter().map(|one| (quarter(one.at_s), one)).collect();
    let all: Vec<Period> = named.chunk_by(|one, other| one.0 == other.0).filter_map(period).collect();
    all.iter().skip(all.len().saturating_sub(PERIODS_MAX)).cloned().collect()
}

fn period(of: &[(String, &JudgedChange)]) -> Option<Period> {
    let (name, _) = of.first()?;
    let mut scores: Vec<f64> = of.iter().map(|(_, one)| one.probability).collect();
    scores.sort_by(f64::total_cmp);
    let hurt = of.iter().filter(|(_, one)| one.hurt).count();
    let quartiles = [1, 2, 3].map(|part| scores.get((scores.len() * part).div_ceil(4).saturating_sub(1)).copied().unwrap_or_default());
    let predicted = scores.iter().sum::<f64>() / scores.len() as f64;
    Some(Period { name: name.clone(), rows: of.len(), hurt, predicted, observed: observed(of.len(), hurt), quartiles })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01.
    const START_S: i64 = 1_767_225_600;

    fn judged(day: i64, probability: f64, hurt: bool) -> JudgedChange {
        JudgedChange { commit: String::new(), at_s: START_S + day * 86_400, probability, hurt }
    }

    #[test]
    fn quarters_follow_each_other_whatever_the_order() {
        let all = [judged(100, 0.5, true), judged(0, 0.1, false), judged(1, 0.2, false), judged(2, 0.3, true), judged(3, 0.4, true)];
        let figures = of(&all).unwrap();
        let told: Vec<(&str, usize, usize, [f64; 3])> =
            figures.periods.iter().map(|one| (one.name.as_str(), one.rows, one.hurt, one.quartiles)).collect();
        assert_eq!(told, [("2026 Q1", 4, 2, [0.1, 0.2, 0.3]), ("2026 Q2", 1, 1, [0.5; 3])]);
        assert!((figures.periods[0].predicted - 0.25).abs() < 1e-12);
        assert_eq!((figures.rows, figures.hurt, figures.reliability.len()), (5, 3, BINS));
        assert_eq!(figures.reliability.iter().map(|bin| bin.rows).sum::<usize>(), 5);
        let bin = figures.reliability[1].observed.unwrap();
        assert!(bin.estimate == 0.0 && bin.low == 0.0 && bin.high > 0.5, "one change tells little: {bin:?}");
        assert!(figures.reliability[9].observed.is_none());
        assert!(of(&[]).is_none());
    }

    #[test]
    fn only_the_newest_quarters_are_told() {
        let all: Vec<JudgedChange> = (0..40).map(|quarter| judged(quarter * 92, 0.5, true)).collect();
        let periods = of(&all).unwrap().periods;
        assert_eq!(periods.len(), PERIODS_MAX);
        assert!(periods.last().unwrap().name > periods[0].name);
    }
}
