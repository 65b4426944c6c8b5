//! From which risk on holding a change is the cheaper mistake, by what tidegate.yaml says that mistakes cost.

use super::judged::JudgedChange;
use super::owners::plain;
use serde::Serialize;
use std::collections::BTreeSet;
use tidegate_stats::threshold::{CostChoice, CostPoint, Costs, cost_curve, least_cost};
use tidegate_wire::config::RiskCosts;

/// What mistakes cost for the owners of a change; of several the dearest incident counts.
pub(super) fn costs(of: &RiskCosts, owners: &BTreeSet<String>) -> Costs {
    let factor = |name: &String| {
        let own = of.critical.iter().find(|(critical, _)| plain(critical) == plain(name));
        own.map_or(1.0, |(_, factor)| *factor)
    };
    // Whom nothing is said of counts once.
    let factor = owners.iter().map(factor).fold(None, |most: Option<f64>, one| Some(most.map_or(one, |most| most.max(one))));
    Costs { held_negative: of.delay, passed_positive: of.incident * factor.unwrap_or(1.0) }
}

/// The risk from which on a change of these owners is held.
#[must_use]
pub fn hold_from(of: &RiskCosts, owners: &BTreeSet<String>) -> Option<f64> {
    costs(of, owners).threshold()
}

/// What a line costs on the changes that the model was judged on.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Whom it is for; none for all that are not named.
    pub owner: Option<String>,
    /// From which risk on a change is held, if probabilities are right.
    pub hold_from: f64,
    /// What that costs a change, and how often it is wrong either way.
    pub there: Option<CostPoint>,
    /// The cheapest line on these changes, beside holding all and holding none; none where they are of one kind.
    pub cheapest: Option<CostChoice>,
}

/// The lines of all owners that are named, on all judged changes.
#[must_use]
pub fn told(of: &RiskCosts, judged: &[JudgedChange]) -> Vec<Told> {
    let scores: Vec<f64> = judged.iter().map(|one| one.probability).collect();
    let labels: Vec<bool> = judged.iter().map(|one| one.hurt).collect();
    let owners = std::iter::once(None).chain(of.critical.iter().map(|(name, _)| Some(name.clone())));
    let one = |owner: Option<String>| {
        let costs = costs(of, &owner.iter().cloned().collect());
        let hold_from = costs.threshold()?;
        let curve = cost_curve(&scores, &labels, costs).unwrap_or_default();
        // The first line that decides as this one does.
        let there = curve.into_iter().find(|point| point.threshold.is_none_or(|from| from >= hold_from));
        Some(Told { owner, hold_from, there, cheapest: least_cost(&scores, &labels, costs) })
    };
    owners.filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_owner_draws_the_line() {
        let critical = vec![("@acme/Payments".to_owned(), 9.0), ("@acme/docs".to_owned(), 0.1)];
        let of = RiskCosts { delay: 1.0, incident: 1.0, critical };
        let line = |owners: &[&str]| hold_from(&of, &owners.iter().map(|name| (*name).to_owned()).collect()).unwrap();
        assert_eq!(line(&[]), 0.5);
        assert_eq!(line(&["@acme/payments"]), 0.1);
        assert_eq!(line(&["@acme/docs", "@acme/payments"]), 0.1);
        assert!(line(&["@acme/docs"]) > 0.9 && line(&["@acme/docs", "@acme/web"]) == 0.5);
    }

    #[test]
    fn what_a_line_costs_is_what_its_mistakes_cost() {
        let change = |probability, hurt| JudgedChange { commit: String::new(), at_s: 0, probability, hurt };
        let judged = [change(0.1, false), change(0.3, true), change(0.6, false), change(0.8, true)];
        let told = told(&RiskCosts { delay: 1.0, incident: 1.0, critical: vec![] }, &judged);
        let there = told[0].there.unwrap();
        assert_eq!((told.len(), told[0].hold_from, there.held_negatives, there.passed_positives, there.mean_cost), (1, 0.5, 1, 1, 0.5));
        assert!(told[0].cheapest.unwrap().best.mean_cost <= 0.25);
    }
}
