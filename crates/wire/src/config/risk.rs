//! `risk` of tidegate.yaml: what mistakes about changes cost, who decides by lot, and who has opted out.

use super::check::{Check, join};
use super::read::View;
use tidegate_core::worth::{SALT_BYTES_MAX, SALT_BYTES_MIN, Trial};

/// How risks of changes are used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RiskPolicy {
    /// What mistakes cost.
    pub costs: Option<RiskCosts>,
    /// Owners whose changes are neither learnt from nor scored.
    pub opt_out: Vec<String>,
    /// Who decides about a change, by lot.
    pub trial: Option<Trial>,
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
    let trial = view
        .at("trial")
        .there()
        .map(|trial| Trial { model_share: trial.at("model_share").number().unwrap_or(0.5), salt: trial.owned("salt") });
    RiskPolicy { costs, opt_out: view.at("opt_out").texts(), trial }
}

impl Check<'_> {
    /// A salt is long enough that nobody guesses it, and one line.
    pub(super) fn trial(&mut self) {
        let salt = self.root.get("risk").and_then(|risk| risk.get("trial")).and_then(|trial| trial.get("salt"));
        let Some((at, salt)) = salt.and_then(|at| Some((at, at.text()?.into_owned()))) else { return };
        if !(SALT_BYTES_MIN..=SALT_BYTES_MAX).contains(&salt.len()) || salt.chars().any(char::is_control) {
            let why = format!("a salt has {SALT_BYTES_MIN} to {SALT_BYTES_MAX} bytes and no control characters");
            let help = "any words will do; with others who decides is drawn anew";
            self.say(at, &join(&join("risk", "trial"), "salt"), &why, Some(help));
        }
    }
}
