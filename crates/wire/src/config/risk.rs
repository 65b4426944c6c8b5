//! `risk` of tidegate.yaml: what mistakes about changes cost, and who has opted out.

use super::read::View;

/// How risks of changes are used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RiskPolicy {
    /// What mistakes cost.
    pub costs: Option<RiskCosts>,
    /// Owners whose changes are neither learnt from nor scored.
    pub opt_out: Vec<String>,
}

/// What mistakes cost, in one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskCosts {
    /// A harmless change that is held.
    pub delay: f64,
    /// A harmful one that is let through.
    pub incident: f64,
    /// How many times as much an incident costs for some owners.
    pub critical: Vec<(String, f64)>,
}

pub(super) fn policy(view: View<'_>) -> RiskPolicy {
    let costs = view.at("costs").there().map(|costs| RiskCosts {
        delay: costs.at("delay").number().unwrap_or(1.0),
        incident: costs.at("incident").number().unwrap_or(1.0),
        critical: costs
            .at("critical")
            .items()
            .into_iter()
            .map(|one| (one.owned("owner"), one.at("times").number().unwrap_or(1.0)))
            .collect(),
    });
    RiskPolicy { costs, opt_out: view.at("opt_out").texts() }
}
