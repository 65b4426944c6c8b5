//! Kullback-Leibler divergence of a column from an expected distribution, as Great Expectations computes it.
//!
//! Categories are compared by value; numbers are counted into the expected bins, with what falls beside them as
//! two tails. Both distributions are normalised before they are compared (as `scipy.stats.entropy` does).

use super::value::Value;
use serde::{Deserialize, Serialize};

/// How far from 1 the weights may add up: that of `numpy.allclose`.
const WEIGHTS_TOLERANCE: f64 = 1e-5;

/// A distribution to be held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partition {
    /// Values with their weights.
    Categories(Vec<(Value, f64)>),
    /// Bins between edges, the last one closed at both ends, with weights beside them.
    Bins {
        /// Edges in ascending order; the outer ones may be infinite.
        #[serde(with = "edges")]
        edges: Vec<f64>,
        /// One less than edges.
        weights: Vec<f64>,
        /// What is expected below the first edge and above the last one.
        tails: Option<(f64, f64)>,
    },
}

/// What is expected, and how near.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The distribution.
    pub partition: Partition,
    /// Largest divergence; none: it is only computed.
    pub threshold: Option<f64>,
    /// Weight that is spread over what was not expected.
    pub tail_weight_holdout: f64,
    /// Weight that is spread over bins without one.
    pub internal_weight_holdout: f64,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Counted {
    /// Values with their numbers.
    Categories(Vec<(Value, u64)>),
    /// Values in each bin, below the first and above the last.
    Bins(Vec<u64>, u64, u64),
}

impl Expected {
    /// What is wrong with it.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        let share = |x: f64| (0.0..=1.0).contains(&x);
        if !share(self.tail_weight_holdout) || !share(self.internal_weight_holdout) {
            return Some("weights that are held out are shares between 0 and 1".to_owned());
        }
        if self.threshold.is_some_and(|t| t.is_nan() || t < 0.0) {
            return Some("`threshold` must be a number from 0".to_owned());
        }
        let sums = |sum: f64| (sum - 1.0).abs() <= WEIGHTS_TOLERANCE + 1e-8;
        match &self.partition {
            Partition::Categories(categories) => {
                if self.internal_weight_holdout > 0.0 {
                    return Some("`internal_weight_holdout` means nothing for categories: leave it out".to_owned());
                }
                let sum: f64 = categories.iter().map(|(_, w)| w).sum();
                (!sums(sum)).then(|| format!("the weights of the partition add up to {sum}, not to 1"))
            }
            Partition::Bins { edges, weights, tails } => {
                let (low, high) = tails.unwrap_or((0.0, 0.0));
                let sum: f64 = weights.iter().sum::<f64>() + low + high;
                let ascending = edges.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
                let infinite = edges.first().is_some_and(|e| e.is_infinite()) || edges.last().is_some_and(|e| e.is_infinite());
                let both = edges.first().is_some_and(|e| e.is_infinite()) && edges.last().is_some_and(|e| e.is_infinite());
                if edges.len() != weights.len() + 1 || !ascending {
                    Some("bins are edges in ascending order, one more than weights".to_owned())
                } else if !sums(sum) {
                    Some(format!("the weights of the partition add up to {sum}, not to 1"))
                } else if infinite && tails.is_some() {
                    Some("there are no tail weights beside an infinite edge: leave them out".to_owned())
                } else if self.tail_weight_holdout > 0.0 && (tails.is_some() || both) {
                    Some("`tail_weight_holdout` must be 0 where the partition has its own tails".to_owned())
                } else {
                    None
                }
            }
        }
    }

    /// The divergence of what was counted; infinite or not a number where it is not defined.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn divergence(&self, counted: &Counted) -> f64 {
        match (&self.partition, counted) {
            (Partition::Categories(expected), Counted::Categories(observed)) => self.of_categories(expected, observed),
            (Partition::Bins { edges, weights, tails }, Counted::Bins(counts, below, above)) => {
                let n = (counts.iter().sum::<u64>() + below + above) as f64;
                let share = |c: u64| c as f64 / n;
                let mut observed: Vec<f64> = counts.iter().map(|c| share(*c)).collect();
                let held = 1.0 - self.tail_weight_holdout - self.internal_weight_holdout;
                let mut wanted: Vec<f64> = weights.iter().map(|w| w * held).collect();
                let zeros = wanted.iter().filter(|w| **w == 0.0).count();
                if self.internal_weight_holdout > 0.0 {
                    wanted.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = self.internal_weight_holdout / zeros as f64);
                }
                let open_below = edges.first().is_some_and(|e| e.is_infinite());
                let open_above = edges.last().is_some_and(|e| e.is_infinite());
                let holdout = self.tail_weight_holdout;
                let (low, high) = match (open_below, open_above) {
                    (false, false) => tails.unwrap_or((holdout / 2.0, holdout / 2.0)),
                    _ => (holdout, holdout),
                };
                if !open_below {
                    wanted.insert(0, low);
                    observed.insert(0, share(*below));
                }
                if !open_above {
                    wanted.push(high);
                    observed.push(share(*above));
                }
                relative_entropy(&observed, &wanted)
            }
            _ => f64::NAN,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    fn of_categories(&self, expected: &[(Value, f64)], observed: &[(Value, u64)]) -> f64 {
        let n = observed.iter().map(|(_, c)| c).sum::<u64>() as f64;
        let same = |a: &Value, b: &Value| a == b || a.compare(b).is_some_and(std::cmp::Ordering::is_eq);
        let count = |value: &Value| observed.iter().find(|(v, _)| same(v, value)).map_or(0, |(_, c)| *c);
        let strangers: Vec<u64> = observed.iter().filter(|(v, _)| !expected.iter().any(|(e, _)| same(e, v))).map(|(_, c)| *c).collect();
        let held = if strangers.is_empty() { 1.0 } else { 1.0 - self.tail_weight_holdout };
        let mut wanted: Vec<f64> = expected.iter().map(|(_, w)| w * held).collect();
        let mut seen: Vec<f64> = expected.iter().map(|(v, _)| count(v) as f64 / n).collect();
        for c in &strangers {
            wanted.push(self.tail_weight_holdout / strangers.len() as f64);
            seen.push(*c as f64 / n);
        }
        relative_entropy(&seen, &wanted)
    }
}

/// Sum of `p ln(p / q)` over both, each made to add up to 1.
fn relative_entropy(p: &[f64], q: &[f64]) -> f64 {
    let (p_sum, q_sum) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
    let term = |(p, q): (&f64, &f64)| {
        let (p, q) = (p / p_sum, q / q_sum);
        if p == 0.0 && q >= 0.0 {
            0.0
        } else if q == 0.0 {
            f64::INFINITY
        } else {
            p * libm::log(p / q)
        }
    };
    p.iter().zip(q).map(term).sum()
}

/// Edges as JSON, in which infinite ones are texts.
mod edges {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Edge {
        Finite(f64),
        Infinite(String),
    }

    pub fn serialize<S: Serializer>(edges: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        let all: Vec<Edge> = edges.iter().map(|e| if e.is_finite() { Edge::Finite(*e) } else { Edge::Infinite(e.to_string()) }).collect();
        all.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let all = Vec::<Edge>::deserialize(deserializer)?;
        let one = |edge: Edge| match edge {
            Edge::Finite(e) => Ok(e),
            Edge::Infinite(text) => text.parse::<f64>().map_err(serde::de::Error::custom),
        };
        all.into_iter().map(one).collect()
    }
}
