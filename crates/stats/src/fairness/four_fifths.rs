//! The rule of four fifths, with significance, and silence where there are too few rows.

use super::counts::{GroupCounts, Share};
use super::interval::{Estimate, quotient};
use crate::compare::categories::fisher_exact;
use crate::multiple::{Correction, corrected};
use serde::{Deserialize, Serialize};

/// A selection rate below this part of the highest is taken for adverse impact (Uniform Guidelines on Employee Selection
/// Procedures, 29 CFR 1607.4 D, 1978).
pub const FOUR_FIFTHS: f64 = 0.8;
/// Groups of fewer rows are not judged.
pub const ROWS_MIN: u64 = 30;
/// Groups with fewer positive labels are not judged.
pub const POSITIVES_MIN: u64 = 5;

/// What the rule says of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too few rows or positives, of this group or of every other: nothing is said.
    Insufficient,
    /// The group of the highest rate, against which the others are held.
    Reference,
    /// At least four fifths of the highest rate.
    Within,
    /// Less, but it may be chance.
    NotSignificant,
    /// Less, and not by chance.
    Adverse,
}

/// A group under the rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FourFifths {
    /// The group.
    pub group: usize,
    /// The group of the highest selection rate among those with rows enough; none where fewer than two have.
    pub reference: Option<usize>,
    /// Its selection rate.
    pub selection_rate: Share,
    /// Its rate over the reference's; none without reference, for the reference itself, and where nothing is selected.
    pub ratio: Option<Estimate>,
    /// Two-sided p-value of equal rates by Fisher's exact test, corrected by Holm for all comparisons made.
    pub p_value: Option<f64>,
    /// What the rule says.
    pub verdict: Verdict,
}

fn sufficient(group: &GroupCounts) -> bool {
    group.rows >= ROWS_MIN && group.positives >= POSITIVES_MIN
}

/// The rule over each slice (an attribute and its groups). A finding is one at `alpha` (as .05) after Holm's correction over the
/// comparisons of all slices together, so that many slices do not make findings by chance.
///
/// Groups with fewer than [`ROWS_MIN`] rows or [`POSITIVES_MIN`] positive labels are shown and not judged. Of equal rates the
/// group of more rows is the reference. None for an alpha outside (0, 1).
#[must_use]
pub fn four_fifths(slices: &[&[GroupCounts]], alpha: f64) -> Option<Vec<Vec<FourFifths>>> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let mut judged: Vec<Vec<FourFifths>> = slices.iter().map(|slice| compared(slice, 1.0 - alpha)).collect();
    let raw: Vec<f64> = judged.iter().flatten().map(|group| group.p_value.unwrap_or(f64::NAN)).collect();
    for (group, p) in judged.iter_mut().flatten().zip(corrected(&raw, Correction::Holm)) {
        group.p_value = (!p.is_nan()).then_some(p);
        if group.verdict == Verdict::Adverse && p > alpha {
            group.verdict = Verdict::NotSignificant;
        }
    }
    Some(judged)
}

/// Groups of a slice with the p-value of each comparison alone; those below four fifths are adverse for now.
fn compared(slice: &[GroupCounts], confidence: f64) -> Vec<FourFifths> {
    let rate = |group: &GroupCounts| group.selected as f64 / group.rows as f64;
    let higher = |a: &&GroupCounts, b: &&GroupCounts| rate(a).total_cmp(&rate(b)).then(a.rows.cmp(&b.rows)).then(b.group.cmp(&a.group));
    let enough: Vec<&GroupCounts> = slice.iter().filter(|group| sufficient(group)).collect();
    let reference = enough.iter().copied().max_by(higher).filter(|_| enough.len() > 1);
    let judge = |group: &GroupCounts| {
        let told = FourFifths {
            group: group.group,
            reference: reference.map(|r| r.group),
            selection_rate: group.selection_rate(confidence),
            ratio: None,
            p_value: None,
            verdict: Verdict::Insufficient,
        };
        match reference {
            Some(reference) if reference.group == group.group => FourFifths { verdict: Verdict::Reference, ..told },
            Some(reference) if sufficient(group) => {
                let ratio = quotient(told.selection_rate, reference.selection_rate(confidence));
                let cells = |of: &GroupCounts| (of.selected, of.rows.saturating_sub(of.selected));
                let p_value = fisher_exact(cells(group), cells(reference)).map(|tested| tested.p_value);
                let below = ratio.is_some_and(|ratio| ratio.value < FOUR_FIFTHS);
                let verdict = if below { Verdict::Adverse } else { Verdict::Within };
                FourFifths { ratio, p_value, verdict, ..told }
            }
            _ => told,
        }
    };
    slice.iter().map(judge).collect()
}
