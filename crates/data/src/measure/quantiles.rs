//! Exact quantiles: values are kept and selected from while they fit, else found by narrowing in further passes.
//!
//! Numbers are ordered by a 64-bit key. Where the values of a column do not fit, each pass counts the next
//! 16 bits of the keys that share the prefix found so far, so four passes of fixed memory find any rank.

use super::column::Canonical;
use super::moments::numbers;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A column of a view of the table.
type Of = (usize, usize);

/// The room for values that all columns and all parts of a scan share.
pub(crate) struct Room(Mutex<Left>);

struct Left {
    values: usize,
    /// Columns that do not fit: what any part still has of them helps nobody.
    given_up: BTreeSet<Of>,
}

impl Room {
    /// Room for so many values.
    pub fn new(values: usize) -> Room {
        Room(Mutex::new(Left { values, given_up: BTreeSet::new() }))
    }

    /// Takes room for values more of a column; without it, or once a part of the column had none, `held` is given back.
    fn take(&self, of: Of, more: usize, held: usize) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !left.given_up.contains(&of)
            && let Some(rest) = left.values.checked_sub(more)
        {
            left.values = rest;
            return true;
        }
        left.given_up.insert(of);
        left.values += held;
        false
    }
}

/// Values of one column while they fit into what all columns and parts share.
pub(crate) struct QuantileValues {
    values: Vec<f64>,
    count: u64,
    room: Arc<Room>,
    of: Of,
    dropped: bool,
}

impl QuantileValues {
    /// Of one part of a column of a view.
    pub fn new(room: Arc<Room>, of: Of) -> QuantileValues {
        QuantileValues { values: Vec::new(), count: 0, room, of, dropped: false }
    }

    pub fn take(&mut self, column: &Canonical) {
        let mut new = numbers(column);
        self.count += new.len() as u64;
        if self.dropped {
            return;
        }
        if self.room.take(self.of, new.len(), self.values.len()) {
            self.values.append(&mut new);
        } else {
            self.dropped = true;
            self.values = Vec::new();
        }
    }

    pub fn join(&mut self, mut next: QuantileValues) {
        self.count += next.count;
        self.dropped |= next.dropped;
        if self.dropped {
            self.values = Vec::new();
        } else {
            self.values.append(&mut next.values);
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The values at these ranks (from 0, ascending order of values); none where they did not fit.
    pub fn select(&mut self, ranks: &[u64]) -> Option<Vec<f64>> {
        if self.dropped {
            return None;
        }
        let one = |rank: &u64| -> Option<f64> {
            let at = usize::try_from(*rank).ok().filter(|r| *r < self.values.len())?;
            Some(*self.values.select_nth_unstable_by(at, f64::total_cmp).1)
        };
        ranks.iter().map(one).collect()
    }
}

/// Rank of the nearest value to quantile `q` of `count`: halves go to the even rank, as numpy rounds.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 <= q <= 1 and counts below 2^53"
)]
pub(crate) fn nearest_rank(q: f64, count: u64) -> u64 {
    ((count.saturating_sub(1)) as f64 * q).round_ties_even() as u64
}

/// Ranks between which quantile `q` of `count` lies, and how far from the first: as pandas interpolates.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 <= q <= 1 and counts below 2^53"
)]
pub(crate) fn linear_ranks(q: f64, count: u64) -> (u64, u64, f64) {
    let last = count.saturating_sub(1);
    let place = last as f64 * q;
    let low = (place.floor() as u64).min(last);
    (low, (low + 1).min(last), place - low as f64)
}

/// The value at a share of the way from one to another, as numpy computes it.
pub(crate) fn between(low: f64, high: f64, share: f64) -> f64 {
    if share < 0.5 { low + (high - low) * share } else { high - (high - low) * (1.0 - share) }
}

/// Ranks whose mean is the median.
pub(crate) fn median_ranks(count: u64) -> [u64; 2] {
    [count.saturating_sub(1) / 2, count / 2]
}

const DIGIT_BITS: u32 = 16;

/// Narrows ranks down, 16 bits a pass.
#[derive(Clone)]
pub(crate) struct Radix {
    /// Bits of the key that are known.
    known: u32,
    /// Counts of the next digit, by known prefix.
    counts: BTreeMap<u64, Vec<u64>>,
}

impl Radix {
    /// Searches below these prefixes, of which `known` bits are meant.
    pub fn new(known: u32, prefixes: impl IntoIterator<Item = u64>) -> Radix {
        Radix { known, counts: prefixes.into_iter().map(|p| (p, vec![0; 1 << DIGIT_BITS])).collect() }
    }

    pub fn take(&mut self, column: &Canonical) {
        for value in numbers(column) {
            let key = key(value);
            let prefix = key.checked_shr(64 - self.known).unwrap_or(0);
            if let Some(counts) = self.counts.get_mut(&prefix) {
                let digit = key >> (64 - self.known - DIGIT_BITS) & 0xffff;
                if let Some(n) = usize::try_from(digit).ok().and_then(|d| counts.get_mut(d)) {
                    *n += 1;
                }
            }
        }
    }

    pub fn join(&mut self, next: &Radix) {
        for (prefix, counts) in &next.counts {
            if let Some(mine) = self.counts.get_mut(prefix) {
                mine.iter_mut().zip(counts).for_each(|(a, b)| *a += b);
            }
        }
    }

    /// The longer prefix that holds a rank among those below `prefix`, and the rank within it.
    pub fn narrow(&self, prefix: u64, rank: u64) -> Option<(u64, u64)> {
        let mut left = rank;
        for (digit, n) in self.counts.get(&prefix)?.iter().enumerate() {
            if left < *n {
                return Some((prefix << DIGIT_BITS | digit as u64, left));
            }
            left -= n;
        }
        None
    }

    /// Bits that are known after this pass.
    pub fn known_after(&self) -> u32 {
        self.known + DIGIT_BITS
    }
}

/// A key whose order is that of the numbers.
fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The number of a whole key.
pub(crate) fn number_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Float64Array};

    #[test]
    fn keys_order_as_numbers_do() {
        let sorted = [f64::NEG_INFINITY, -1e300, -1.5, -0.0, 0.0, 1e-300, 2.0, f64::INFINITY];
        assert!(sorted.windows(2).all(|w| key(w[0]) < key(w[1])));
        assert!(sorted.iter().all(|v| number_of(key(*v)).to_bits() == v.to_bits()));
    }

    #[test]
    fn a_column_that_does_not_fit_gives_all_its_room_to_the_others() {
        let room = Arc::new(Room::new(10));
        let column = |values: &[f64]| Canonical::new(&(Arc::new(Float64Array::from(values.to_vec())) as ArrayRef)).unwrap();
        let part = |of| QuantileValues::new(room.clone(), of);
        let (mut first, mut second, mut other) = (part((0, 0)), part((0, 0)), part((0, 1)));
        first.take(&column(&[1.0; 4]));
        second.take(&column(&[2.0; 4]));
        second.take(&column(&[2.0; 4]));
        assert_eq!((second.values.len(), first.values.len()), (0, 4), "4 + 4 + 4 are too many");
        other.take(&column(&[5.0, 3.0, 4.0, 1.0, 2.0, 0.0]));
        assert!(!other.dropped, "what was given back is there for others");
        // The rest of the column goes with its next values, few as they are.
        first.take(&column(&[1.0]));
        assert_eq!(first.values.len(), 0);
        other.take(&column(&[6.0, 7.0, 8.0, 9.0]));
        assert_eq!(other.select(&[0, 9]), Some(vec![0.0, 9.0]));
        first.join(second);
        assert_eq!((first.count(), first.select(&[0])), (13, None));
    }

    #[test]
    fn ranks_are_numpys() {
        // numpy.around rounds halves to even: (6-1)*0.5 = 2.5 -> 2, (4-1)*0.5 = 1.5 -> 2.
        assert_eq!((nearest_rank(0.5, 6), nearest_rank(0.5, 4), nearest_rank(1.0, 7), nearest_rank(0.0, 0)), (2, 2, 6, 0));
        assert_eq!((median_ranks(5), median_ranks(4)), ([2, 2], [1, 2]));
    }
}
