//! People against the model, on changes of which both spoke before either was told what the other says.

use super::ledger::{CONFIDENCE, Row, holds};
use crate::risk::Way;
use serde::Serialize;
use tidegate_stats::fairness::Share;
use tidegate_stats::scoring::{AucDifference, AucInterval, BrierDifference, auc_difference, auc_interval, brier_difference};

/// Fewest changes of each end from which it is said whose risks are nearer to what happens.
const KIND_MIN: usize = 10;

/// Whose risks are nearer to what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearer {
    /// The model's, and not by chance.
    Model,
    /// Those of people, and not by chance.
    People,
    /// It cannot be told.
    Open,
}

/// Both on the same changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// Changes of which somebody spoke before the model's answer was told.
    pub both: usize,
    /// Changes of which people spoke only afterwards: they count for nothing here.
    pub late: usize,
    /// Of `both`, those with a risk in numbers.
    pub with_risk: usize,
    /// Of these, hurt.
    pub hurt: usize,
    /// Area under the model's ROC curve.
    pub model_auc: Option<AucInterval>,
    /// Under that of people.
    pub people_auc: Option<AucInterval>,
    /// Model less people, by DeLong's error.
    pub auc: Option<AucDifference>,
    /// Brier scores of the model and of people, and the first less the second.
    pub brier: Option<BrierDifference>,
    /// Whose risks are nearer to what happens, by Brier score.
    pub nearer: Nearer,
    /// Share of changes about which both decide the same, of those about which both decide.
    pub agree: Share,
    /// Where they do not: the model was right.
    pub model_right: u64,
    /// Where they do not: people were.
    pub people_right: u64,
}

/// Holds them against each other; none where nobody spoke.
#[must_use]
pub fn against(rows: &[Row]) -> Option<Against> {
    let both: Vec<&Row> = rows.iter().filter(|row| row.blind.is_some()).collect();
    let late = rows.iter().filter(|row| row.late).count();
    if both.is_empty() && late == 0 {
        return None;
    }
    let risks = both.iter().filter_map(|row| Some((row.probability, row.blind.as_ref()?.risk?, row.hurt)));
    let (mut model, mut people, mut labels) = (vec![], vec![], vec![]);
    for (by_model, by_people, hurt) in risks {
        model.push(by_model);
        people.push(by_people);
        labels.push(hurt);
    }
    let decided: Vec<(bool, bool, bool)> = both.iter().filter_map(|row| decisions(row)).collect();
    let count = |is: fn(&(bool, bool, bool)) -> bool| decided.iter().filter(|one| is(one)).count() as u64;
    let hurt = labels.iter().filter(|hurt| **hurt).count();
    let brier = brier_difference(&model, &people, &labels, CONFIDENCE);
    Some(Against {
        both: both.len(),
        late,
        with_risk: labels.len(),
        hurt,
        model_auc: auc_interval(&model, &labels, CONFIDENCE),
        people_auc: auc_interval(&people, &labels, CONFIDENCE),
        auc: auc_difference(&model, &people, &labels, CONFIDENCE),
        nearer: nearer(brier.as_ref(), hurt.min(labels.len() - hurt)),
        brier,
        agree: Share::of(count(|(model, people, _)| model == people), decided.len() as u64, CONFIDENCE),
        model_right: count(|(model, people, hurt)| model != people && model == hurt),
        people_right: count(|(model, people, hurt)| model != people && people == hurt),
    })
}

/// Whether the model holds it, whether somebody does, and whether it hurt; none where one of them decides nothing.
fn decisions(row: &Row) -> Option<(bool, bool, bool)> {
    row.hold_from?;
    let people = holds(row.blind.as_ref()?, row.hold_from)?;
    Some((row.way == Way::Held, people, row.hurt))
}

fn nearer(brier: Option<&BrierDifference>, rarer: usize) -> Nearer {
    match brier.filter(|_| rarer >= KIND_MIN) {
        Some(of) if of.difference.high < 0.0 => Nearer::Model,
        Some(of) if of.difference.low > 0.0 => Nearer::People,
        _ => Nearer::Open,
    }
}
