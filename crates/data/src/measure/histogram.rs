//! Numbers counted into bins between edges.

use super::column::Canonical;
use super::moments::numbers;

/// Counts of a column's numbers by bin: each holds its lower edge, the last one both.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    edges: Vec<f64>,
    pub counts: Vec<u64>,
    pub below: u64,
    pub above: u64,
}

impl Histogram {
    pub fn new(edges: Vec<f64>) -> Histogram {
        let bins = edges.len().saturating_sub(1);
        Histogram { edges, counts: vec![0; bins], below: 0, above: 0 }
    }

    pub fn take(&mut self, column: &Canonical) {
        let (Some(first), Some(last)) = (self.edges.first().copied(), self.edges.last().copied()) else { return };
        for value in numbers(column) {
            if value < first {
                self.below += 1;
            } else if value > last {
                self.above += 1;
            } else {
                let bin = self.edges.partition_point(|e| *e <= value).saturating_sub(1).min(self.counts.len().saturating_sub(1));
                if let Some(n) = self.counts.get_mut(bin) {
                    *n += 1;
                }
            }
        }
    }

    pub fn join(&mut self, next: &Histogram) {
        self.counts.iter_mut().zip(&next.counts).for_each(|(a, b)| *a += b);
        self.below += next.below;
        self.above += next.above;
    }
}
