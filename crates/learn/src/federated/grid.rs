//! Where the values of a feature are cut. Counts of all sites over a public grid tell it: eight cells an octave on both sides of zero, the
//! same for every feature; cells that hold too much are counted once more in sixteen parts. No value of a row is told to find them.

use super::{CELL_ROWS_MIN, Failed};
use crate::ensemble::single;

/// Bits of a number of 32 bits below those that name a cell.
const CELL_SHIFT: u32 = 20;
/// And below those that name a part of a cell.
const PART_SHIFT: u32 = 16;
/// Parts of a cell that is counted again.
pub(super) const PARTS: usize = 16;
/// 2^-16: what is less stands in the middle cell.
const LEAST: f32 = 1.0 / 65_536.0;
/// Cells of one sign: 47 octaves, up to 2^31, with one for what is more.
const SIDE: usize = 47 * 8 + 1;
/// Cells of the grid.
pub(super) const CELLS: usize = 2 * SIDE + 1;

/// Which cell of its sign a number at or above [`LEAST`] lies in.
fn step(magnitude: f32) -> usize {
    (((magnitude.to_bits() >> CELL_SHIFT) - (LEAST.to_bits() >> CELL_SHIFT)) as usize).min(SIDE - 1)
}

/// The cell of a value; none of one that is missing.
pub(super) fn cell(value: f64) -> Option<usize> {
    let value = single(value);
    match value {
        _ if value.is_nan() => None,
        _ if value.abs() < LEAST => Some(SIDE),
        _ if value > 0.0 => Some(SIDE + 1 + step(value)),
        _ => Some(SIDE - 1 - step(-value)),
    }
}

/// The part of its cell that a value lies in.
pub(super) fn part(value: f64) -> usize {
    let value = single(value);
    let part = ((value.abs().to_bits() >> PART_SHIFT) as usize) % PARTS;
    if value < 0.0 { PARTS - 1 - part } else { part }
}

/// The least number of a part of a cell, in parts of its sign from [`LEAST`] on.
fn bound(parts: usize) -> f32 {
    f32::from_bits(((LEAST.to_bits() >> PART_SHIFT) + u32::try_from(parts).unwrap_or(u32::MAX >> PART_SHIFT)) << PART_SHIFT)
}

/// The least value of a part of a cell.
fn low(cell: usize, part: usize) -> f32 {
    match cell.cmp(&SIDE) {
        std::cmp::Ordering::Equal => (-LEAST).next_up(),
        std::cmp::Ordering::Greater => bound((cell - SIDE - 1) * PARTS + part),
        // The greatest magnitude below the one at which the neighbour further out begins.
        std::cmp::Ordering::Less => -bound((SIDE - 1 - cell) * PARTS + PARTS - part).next_down(),
    }
}

/// Whether a cell has parts: the middle one and the outermost ones have none.
pub(super) fn has_parts(cell: usize) -> bool {
    cell != SIDE && cell != 0 && cell < CELLS - 1
}

/// Where values are cut, and what stands for the values between two cuts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cut {
    /// What is at or above the first edge lies in the second bin, and so on.
    pub edges: Vec<f32>,
    /// A value of each bin, which is no row's.
    pub stands: Vec<f32>,
    /// Rows of each bin.
    pub rows: Vec<i64>,
}

/// Which cells are counted again: those that hold more than a bin should.
pub(super) fn heavy(counts: &[i64], bins: usize) -> Vec<u16> {
    let most = target(counts.iter().sum(), bins);
    let heavy = counts.iter().enumerate().filter(|(cell, count)| **count > most && has_parts(*cell));
    heavy.filter_map(|(cell, _)| u16::try_from(cell).ok()).collect()
}

fn target(rows: i64, bins: usize) -> i64 {
    let bins = i64::try_from(bins.max(1)).unwrap_or(i64::MAX);
    ((rows + bins - 1) / bins).max(CELL_ROWS_MIN)
}

/// Cuts by counts of all cells and, of those that were counted again, of their parts.
pub(super) fn cut(counts: &[i64], again: &[u16], parts: &[i64], bins: usize) -> Cut {
    let mut fine: Vec<(f32, f32, i64)> = Vec::new();
    for (cell, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let at = again.iter().position(|one| usize::from(*one) == cell);
        let within = at.and_then(|at| parts.get(at * PARTS..(at + 1) * PARTS));
        match within {
            Some(within) => fine.extend(within.iter().enumerate().filter(|(_, n)| **n > 0).map(|(p, n)| (low(cell, p), low(cell, p), *n))),
            None => fine.push((low(cell, 0), if cell == SIDE { 0.0 } else { low(cell, 0) }, *count)),
        }
    }
    let most = target(fine.iter().map(|(_, _, count)| count).sum(), bins);
    let mut cut = Cut::default();
    for (low, stands, count) in fine {
        let full = cut.rows.last().is_none_or(|rows| *rows >= most || (*rows >= CELL_ROWS_MIN && count >= most));
        if full {
            if !cut.rows.is_empty() {
                cut.edges.push(low);
            }
            cut.stands.push(stands);
            cut.rows.push(count);
        } else if let Some(rows) = cut.rows.last_mut() {
            *rows += count;
        }
    }
    if cut.rows.len() > 1 && cut.rows.last().is_some_and(|rows| *rows < CELL_ROWS_MIN) {
        let rest = cut.rows.pop().unwrap_or_default();
        cut.edges.pop();
        cut.stands.pop();
        cut.rows.last_mut().into_iter().for_each(|rows| *rows += rest);
    }
    cut
}

/// Joins neighbouring counts until each has enough rows; where each ends, by the number of counts up to it. What is left over at the end
/// belongs to the last; where there is too little altogether, all is one.
pub(super) fn merged(counts: impl Iterator<Item = i64>, least: i64) -> Vec<u16> {
    let (mut ends, mut rows, mut last) = (Vec::new(), 0, 0_u16);
    for count in counts {
        rows += count;
        last = last.saturating_add(1);
        if rows >= least {
            ends.push(last);
            rows = 0;
        }
    }
    match ends.last_mut() {
        Some(end) => *end = last,
        None => ends.push(last),
    }
    ends
}

/// Checks that counts can be counts.
pub(super) fn counts(round: u64, counts: &[i64]) -> Result<(), Failed> {
    match counts.iter().find(|count| **count < 0 || **count > super::SITES_MAX as i64 * crate::ROWS_MAX as i64) {
        Some(count) => Err(Failed::Sums { round, why: format!("a count is {count}") }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_begins_at_its_least_value_and_cells_are_in_order() {
        let mut before = f32::NEG_INFINITY;
        for cell in 0..CELLS {
            for part in 0..if has_parts(cell) { PARTS } else { 1 } {
                let low = low(cell, part);
                assert!(low > before, "{cell} {part} {low} {before}");
                before = low;
                if cell == 0 {
                    continue;
                }
                assert_eq!(super::cell(f64::from(low)), Some(cell), "{low}");
                assert_ne!(super::cell(f64::from(low.next_down())), super::cell(f64::from(low)).filter(|_| part == 0));
                if has_parts(cell) {
                    assert_eq!(super::part(f64::from(low)), part, "{low}");
                    assert_ne!(super::part(f64::from(low.next_down())), part, "{low}");
                }
            }
        }
        assert_eq!(cell(f64::NAN), None);
        assert_eq!(cell(1e30), Some(CELLS - 1));
        assert_eq!(cell(-1e30), Some(0));
    }

    #[test]
    fn each_bin_has_enough_rows() {
        let mut counts = vec![0; CELLS];
        for value in 0..4_000_u32 {
            counts[cell(f64::from(value % 50)).unwrap()] += 1;
        }
        let again = heavy(&counts, 16);
        let mut parts = vec![0; again.len() * PARTS];
        for value in (0..4_000_u32).map(|value| f64::from(value % 50)) {
            if let Some(at) = again.iter().position(|one| Some(usize::from(*one)) == cell(value)) {
                parts[at * PARTS + part(value)] += 1;
            }
        }
        let cut = cut(&counts, &again, &parts, 16);
        assert_eq!(cut.rows.iter().sum::<i64>(), 4_000);
        assert_eq!(cut.edges.len() + 1, cut.rows.len());
        assert!(cut.rows.iter().all(|rows| *rows >= CELL_ROWS_MIN) && cut.rows.len() > 8, "{cut:?}");
        assert!(cut.edges.is_sorted());
    }

    #[test]
    fn what_is_merged_ends_at_the_end() {
        assert_eq!(merged([5, 5, 9, 1, 2].into_iter(), 8), [2, 5]);
        assert_eq!(merged([1, 1].into_iter(), 8), [2]);
        assert_eq!(merged([8, 8].into_iter(), 8), [1, 2]);
    }
}
