//! From scores to probabilities, by counts of rows that were held out at each site.

use super::lead::Lead;
use super::round::Ask;
use super::{CELL_ROWS_MIN, Failed, grid};
use crate::fitted::Held;
use crate::logistic::{self, Logistic};

/// Cells of scores.
pub(super) const CELLS: usize = 192;
/// Log odds that they reach to, on both sides.
const REACH: f64 = 6.0;

/// The cell of a score.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is held to the cells before")]
pub(super) fn cell(margin: f64) -> usize {
    let place = (margin + REACH) / (2.0 * REACH) * CELLS as f64;
    place.clamp(0.0, CELLS as f64 - 1.0) as usize
}

/// The log odds in the middle of a cell.
fn middle(cell: usize) -> f64 {
    (cell as f64 + 0.5) / CELLS as f64 * 2.0 * REACH - REACH
}

/// What was held out, as rows that all stand in the middle of their cells.
pub(super) fn held(lead: &mut Lead<'_>, logistic: &Logistic) -> Result<Held, Failed> {
    let counts = lead.ask(Ask::Scores(logistic.clone()), CELLS)?;
    grid::counts(lead.round(), &counts)?;
    let ends = grid::merged(counts.iter().copied(), CELL_ROWS_MIN);
    let outcomes = lead.ask(Ask::Outcomes(ends.clone()), ends.len())?;
    let mut held = Held::default();
    let mut begin = 0;
    for (end, hurt) in ends.iter().zip(outcomes) {
        let cells = begin..usize::from(*end);
        let of = |cell: usize| counts.get(cell).copied().unwrap_or_default();
        let rows: i64 = cells.clone().map(of).sum();
        if !(0..=rows).contains(&hurt) {
            return Err(lead.wrong(format!("of {rows} rows {hurt} hurt")));
        }
        let sum: f64 = cells.map(|cell| of(cell) as f64 * middle(cell)).sum();
        let score = logistic::chance(sum / rows.max(1) as f64);
        held.scores.extend((0..rows).map(|_| score));
        held.labels.extend((0..rows).map(|row| row < hurt));
        begin = usize::from(*end);
    }
    held.ends.push(held.labels.len());
    Ok(held)
}
