//! Whether reasons can be relied on: whether what moves a model is what moved it before, and whether lines drawn near a row agree.

use serde::Serialize;

/// Below this a model's reasons have drifted.
pub const AGREEMENT_MIN: f64 = 0.9;
/// Fewest changes on either side that tell.
pub const ROWS_MIN: usize = 50;

/// How the features that move a model compare with those that moved it before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// The normalised discounted cumulative gain of the present order by the earlier sizes (Järvelin and Kekäläinen 2002): 1 where the order is
    /// what it was. Below [`AGREEMENT_MIN`] reasons have drifted; both are what others call drift of feature attributions.
    pub agreement: f64,
    /// Whether they have.
    pub drifted: bool,
    /// Earlier rows, and present ones.
    pub rows: (usize, usize),
    /// Of each feature its share of all that moves the model, before and now; the ones that moved most first.
    pub shares: Vec<(String, f64, f64)>,
}

/// Sizes of what features add, summed over rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    sums: Vec<f64>,
    rows: usize,
}

impl Sizes {
    /// Adds what each feature adds to one row; what is no number adds nothing.
    pub fn add(&mut self, contributions: impl IntoIterator<Item = f64>) {
        for (place, one) in contributions.into_iter().enumerate() {
            if self.sums.len() <= place {
                self.sums.push(0.0);
            }
            if let Some(sum) = self.sums.get_mut(place).filter(|_| one.is_finite()) {
                *sum += one.abs();
            }
        }
        self.rows += 1;
    }

    fn shares(&self) -> Option<Vec<f64>> {
        let all: f64 = self.sums.iter().sum();
        (all > 0.0).then(|| self.sums.iter().map(|sum| sum / all).collect())
    }
}

/// Compares what moves a model with what moved it; none where either side has fewer than [`ROWS_MIN`] rows, nothing moves it, or the
/// features are not the same.
#[must_use]
pub fn drift(names: &[String], before: &Sizes, now: &Sizes) -> Option<Drift> {
    if before.rows.min(now.rows) < ROWS_MIN || before.sums.len() != names.len() || now.sums.len() != names.len() {
        return None;
    }
    let (was, is) = (before.shares()?, now.shares()?);
    let agreement = ndcg(&was, &is)?;
    let mut shares: Vec<(String, f64, f64)> =
        names.iter().zip(was.iter().zip(&is)).map(|(name, (was, is))| (name.clone(), *was, *is)).collect();
    shares.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()).then_with(|| a.0.cmp(&b.0)));
    Some(Drift { agreement, drifted: agreement < AGREEMENT_MIN, rows: (before.rows, now.rows), shares })
}

/// The gain of an order by `is`, where each place is worth what `was` says of the feature that stands there, by the best gain that there is.
fn ndcg(was: &[f64], is: &[f64]) -> Option<f64> {
    let gain = |by: &[f64]| {
        let mut order: Vec<usize> = (0..was.len()).collect();
        let worth = |place: &usize| by.get(*place).copied().unwrap_or_default();
        order.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.cmp(b)));
        let one = |(place, feature): (usize, usize)| was.get(feature).copied().unwrap_or_default() / libm::log2(place as f64 + 2.0);
        order.into_iter().enumerate().map(one).sum::<f64>()
    };
    let best = gain(was);
    (best > 0.0).then(|| gain(is) / best)
}

/// How far lines drawn anew name the same features: the mean, over all pairs of lines, of how many of their `top` heaviest features are the same
/// (the variables stability index of Visani et al. 2022); none of fewer than two lines.
#[must_use]
pub fn stability(lines: &[Vec<f64>], top: usize) -> Option<f64> {
    let heaviest = |line: &Vec<f64>| -> Vec<usize> {
        let mut order: Vec<usize> = (0..line.len()).collect();
        let size = |place: &usize| line.get(*place).copied().unwrap_or_default().abs();
        order.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.cmp(b)));
        order.truncate(top);
        order
    };
    let named: Vec<Vec<usize>> = lines.iter().map(heaviest).collect();
    let (mut same, mut pairs) = (0.0, 0usize);
    for (at, one) in named.iter().enumerate() {
        for other in named.iter().skip(at + 1) {
            let most = one.len().max(other.len()).max(1);
            same += one.iter().filter(|feature| other.contains(feature)).count() as f64 / most as f64;
            pairs += 1;
        }
    }
    (pairs > 0).then(|| same / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(rows: usize, of: &[f64]) -> Sizes {
        let mut sizes = Sizes::default();
        (0..rows).for_each(|row| sizes.add(of.iter().map(|size| if row % 2 == 0 { *size } else { -*size })));
        sizes
    }

    #[test]
    fn the_order_that_was_agrees_and_another_does_not() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let was = sizes(60, &[4.0, 2.0, 1.0]);
        let same = drift(&names, &was, &sizes(80, &[8.0, 4.0, 2.0])).unwrap();
        assert_eq!((same.agreement, same.drifted, same.rows), (1.0, false, (60, 80)));
        // By hand: (1/7)/1 + (2/7)/log2(3) + (4/7)/2 by (4/7)/1 + (2/7)/log2(3) + (1/7)/2.
        let turned = drift(&names, &was, &sizes(80, &[1.0, 2.0, 4.0])).unwrap();
        let third = 2.0 / 3.0f64.log2();
        assert!((turned.agreement - (1.0 + third + 2.0) / (4.0 + third + 0.5)).abs() < 1e-12 && turned.drifted);
        assert_eq!(turned.shares[0], ("a".to_owned(), 4.0 / 7.0, 1.0 / 7.0));
    }

    #[test]
    fn too_few_rows_and_nothing_that_moves_tell_nothing() {
        let names = ["a".to_owned()];
        let many = sizes(60, &[1.0]);
        assert_eq!(drift(&names, &many, &sizes(49, &[1.0])), None);
        assert_eq!(drift(&names, &many, &sizes(60, &[0.0])), None);
        assert_eq!(drift(&names, &many, &sizes(60, &[1.0, 2.0])), None);
        assert_eq!(drift(&names, &sizes(60, &[f64::NAN]), &many), None);
    }

    #[test]
    fn lines_that_name_the_same_are_stable() {
        let lines = |all: &[[f64; 3]]| all.iter().map(|line| line.to_vec()).collect::<Vec<_>>();
        assert_eq!(stability(&lines(&[[3.0, -2.0, 0.1], [-2.0, 3.0, 0.2]]), 2), Some(1.0));
        assert_eq!(stability(&lines(&[[3.0, 2.0, 0.0], [3.0, 0.0, 2.0], [3.0, 2.0, 1.0]]), 2), Some((0.5 + 1.0 + 0.5) / 3.0));
        assert_eq!(stability(&lines(&[[3.0, 2.0, 0.0]]), 2), None);
    }
}
