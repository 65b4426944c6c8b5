//! Many tests at once: p-values corrected for their number.

use serde::{Deserialize, Serialize};

/// How p-values are corrected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Not at all: each test keeps its own error.
    #[default]
    None,
    /// Benjamini and Hochberg (1995): of the findings, the expected share of false ones.
    BenjaminiHochberg,
    /// Holm (1979): the chance of a single false finding.
    Holm,
}

/// Corrected p-values in the order given; NaN stays and does not count.
#[must_use]
pub fn corrected(p_values: &[f64], correction: Correction) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|i| p_values.get(*i).is_some_and(|p| !p.is_nan())).collect();
    let value = |i: usize| p_values.get(i).copied().unwrap_or(f64::NAN);
    order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
    let n = order.len();
    let mut result = p_values.to_vec();
    let mut keep = |place: usize, p: f64| {
        if let Some(cell) = result.get_mut(place) {
            *cell = p.min(1.0);
        }
    };
    match correction {
        Correction::None => {}
        Correction::BenjaminiHochberg => {
            let mut least = 1.0_f64;
            for (rank, place) in order.iter().enumerate().rev() {
                least = least.min(value(*place) * n as f64 / (rank + 1) as f64);
                keep(*place, least);
            }
        }
        Correction::Holm => {
            let mut most = 0.0_f64;
            for (rank, place) in order.iter().enumerate() {
                most = most.max(value(*place) * (n - rank) as f64);
                keep(*place, most);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_follow_their_definitions() {
        let p = [0.01, 0.04, 0.03, f64::NAN, 0.5];
        let near = |a: Vec<f64>, b: [f64; 5]| {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan()), "{a} {b}");
            }
        };
        near(corrected(&p, Correction::None), p);
        near(corrected(&p, Correction::BenjaminiHochberg), [0.04, 0.04 * 4.0 / 3.0, 0.04 * 4.0 / 3.0, f64::NAN, 0.5]);
        near(corrected(&p, Correction::Holm), [0.04, 0.09, 0.09, f64::NAN, 0.5]);
        assert!(corrected(&[], Correction::Holm).is_empty());
    }
}
