//! Changes by the environment that they reached, held against one another: a model that learns from all of them could tell the place of a change in
//! place of its risk, and one of staging need not rank production.

use super::labels::Told;
use super::train::Learnt;
use std::collections::HashMap;
use tidegate_core::delivery::Fate;
use tidegate_history::{ChangeNumber, Mined};
use tidegate_learn::leakage::environments::{Compared, Environment, Limits, compare};
use tidegate_learn::recipe::Recipe;

/// What environments are called, as a whole or as a part of a name: `prod-eu`, `pre-production`. The first that is found counts.
const NAMES: [(Environment, &[&str]); 3] = [
    (Environment::Staging, &["staging", "stage", "stg", "preprod", "pre", "uat", "canary"]),
    (Environment::Dev, &["dev", "development", "test", "testing", "qa", "review", "preview", "sandbox", "local"]),
    (Environment::Prod, &["prod", "production", "prd", "live"]),
];

/// The changes that are learnt from, of which deployments tell where they went, environment by environment; none where they tell of no two.
pub fn environments(mined: &Mined, told: &Told, learnt: &Learnt<'_>, recipe: &Recipe) -> Option<Compared> {
    let reached = reached(mined, told);
    let by_commit: HashMap<String, Environment> = (reached.iter())
        .filter_map(|(number, environment)| Some((mined.changes().get(number.0 as usize)?.id.to_string(), *environment)))
        .collect();
    let known = learnt.changes.iter().enumerate();
    let (rows, places): (Vec<usize>, Vec<Environment>) =
        known.filter_map(|(row, change)| Some((row, *by_commit.get(&change.id.to_string())?))).unzip();
    let first = places.first()?;
    if places.iter().all(|place| place == first) {
        return None;
    }
    compare(&learnt.table.pick(&rows), &places, recipe, &Limits::default()).ok()
}

/// The last environment on the way to production that each change has reached.
fn reached(mined: &Mined, told: &Told) -> HashMap<ChangeNumber, Environment> {
    let mut reached: HashMap<ChangeNumber, Environment> = HashMap::new();
    // What failed to go out has not come there.
    for one in told.deployed.iter().filter(|one| one.fate != Fate::Failed) {
        let Some(environment) = one.environment.as_deref().and_then(environment) else { continue };
        let Some(revision) = mined.named(&one.revision) else { continue };
        let previous = one.previous.as_deref().and_then(|digits| mined.named(digits));
        for number in mined.between(previous, revision) {
            let last = reached.entry(number).or_insert(environment);
            *last = environment.max(*last);
        }
    }
    reached
}

/// Which one a name means; none of a name that means none.
fn environment(name: &str) -> Option<Environment> {
    let name = name.to_lowercase();
    let parts: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    NAMES.into_iter().find(|(_, names)| parts.iter().any(|part| names.contains(part))).map(|(environment, _)| environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_give_mean_an_environment() {
        let of = |names: &[&str]| names.iter().map(|name| environment(name)).collect::<Vec<_>>();
        assert_eq!(of(&["production", "Prod-EU", "eu/live"]), [Some(Environment::Prod); 3]);
        assert_eq!(of(&["staging", "pre-production", "preprod", "uat_2"]), [Some(Environment::Staging); 4]);
        assert_eq!(of(&["dev", "qa", "review/feature-production"]), [Some(Environment::Dev); 3]);
        assert_eq!(of(&["", "blue", "product", "device"]), [None; 4], "a part of a word is no name");
    }
}
