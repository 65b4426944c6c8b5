//! What each feature adds to a prediction: Shapley values of trees, exact, by the shares of training rows on every path.
//!
//! The algorithm of Lundberg, Erion and Lee (2018), which both libraries have: XGBoost's `pred_contribs`, LightGBM's
//! `pred_contrib`. It keeps, for the features on the way to a leaf, how the sets of known features of each size weigh.

use super::forest::{Forest, Step};

/// Splits from a root to a leaf of trees that are explained: work grows with its square.
pub(super) const EXPLAINED_DEPTH_MAX: usize = 256;

/// A feature on the way to a leaf.
#[derive(Clone, Copy)]
struct Element {
    feature: usize,
    /// Share of training rows that go this way where the feature is not known.
    unknown: f64,
    /// 1 where the row goes this way, else 0.
    known: f64,
    weight: f64,
}

/// The features on the way to a leaf; the first one is none.
#[derive(Clone, Default)]
struct Path(Vec<Element>);

impl Forest {
    /// Adds what each feature of a row adds to the outputs: `features + 1` values for each of them, the last one what is expected of no
    /// row in particular. The error is a sentence.
    pub(super) fn explain(&self, row: &[f64], outputs: &mut [f64], width: usize) -> Result<(), String> {
        for (root, output) in self.roots() {
            let values = outputs.chunks_exact_mut(width).nth(output).ok_or("a tree adds to an output that is not there")?;
            self.walk(root, row, Path::default(), (1.0, 1.0, usize::MAX), values)?;
            if let Some(expected) = values.last_mut() {
                *expected += self.expected(root)?;
            }
        }
        Ok(())
    }

    /// Mean of a tree's leaves, by their shares of training rows.
    fn expected(&self, root: usize) -> Result<f64, String> {
        let (mut sum, mut open) = (0.0, vec![(root, 1.0)]);
        while let Some((at, share)) = open.pop() {
            match self.step(at, &[])? {
                Step::Leaf(value) => sum += share * value,
                Step::Split { taken, other, taken_share, other_share, .. } => {
                    open.extend([(taken, share * taken_share), (other, share * other_share)])
                }
            }
        }
        Ok(sum)
    }

    fn walk(&self, at: usize, row: &[f64], mut path: Path, last: (f64, f64, usize), values: &mut [f64]) -> Result<(), String> {
        let (unknown, known, feature) = last;
        path.extend(unknown, known, feature);
        if path.0.len() > EXPLAINED_DEPTH_MAX {
            return Err(format!("it is deeper than {EXPLAINED_DEPTH_MAX} splits, too deep to be explained"));
        }
        match self.step(at, row)? {
            Step::Leaf(value) => {
                for (index, element) in path.0.iter().enumerate().skip(1) {
                    if let Some(sum) = values.get_mut(element.feature) {
                        *sum += path.without(index) * (element.known - element.unknown) * value;
                    }
                }
                Ok(())
            }
            Step::Split { feature, taken, other, taken_share, other_share } => {
                let (mut unknown, mut known) = (1.0, 1.0);
                if let Some(index) = path.0.iter().skip(1).position(|element| element.feature == feature) {
                    (unknown, known) = path.remove(index + 1);
                }
                self.walk(taken, row, path.clone(), (taken_share * unknown, known, feature), values)?;
                self.walk(other, row, path, (other_share * unknown, 0.0, feature), values)
            }
        }
    }
}

impl Path {
    fn extend(&mut self, unknown: f64, known: f64, feature: usize) {
        let length = self.0.len();
        self.0.push(Element { feature, unknown, known, weight: if length == 0 { 1.0 } else { 0.0 } });
        let whole = count(length + 1);
        for at in (0..length).rev() {
            let Some([this, next]) = self.0.get_mut(at..at + 2) else { continue };
            next.weight += known * this.weight * count(at + 1) / whole;
            this.weight *= unknown * count(length - at) / whole;
        }
    }

    /// Takes a feature out again, and gives what it was extended by.
    fn remove(&mut self, index: usize) -> (f64, f64) {
        let weights = self.weights_without(index);
        let removed = self.0.remove(index);
        self.0.iter_mut().zip(weights).for_each(|(element, weight)| element.weight = weight);
        (removed.unknown, removed.known)
    }

    /// The sum of the weights without one feature.
    fn without(&self, index: usize) -> f64 {
        self.weights_without(index).iter().sum()
    }

    fn weights_without(&self, index: usize) -> Vec<f64> {
        let depth = self.0.len().saturating_sub(1);
        let mut weights = vec![0.0; depth];
        let (Some(taken), Some(last)) = (self.0.get(index), self.0.last()) else { return weights };
        let (whole, mut next) = (count(depth + 1), last.weight);
        for (at, (weight, element)) in weights.iter_mut().zip(&self.0).enumerate().rev() {
            if taken.known == 0.0 {
                *weight = element.weight * whole / (taken.unknown * count(depth - at));
            } else {
                *weight = next * whole / (count(at + 1) * taken.known);
                next = element.weight - *weight * taken.unknown * count(depth - at) / whole;
            }
        }
        weights
    }
}

/// A small count as a number.
fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::NAN, f64::from)
}
