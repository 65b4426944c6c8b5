//! What became of changes in one environment and in another, held against one another: what fails in staging need not be what fails in production,
//! and a model that learns from both could tell the place of a change in place of its risk.

use super::labels::{Told, went_out};
use super::train::Learnt;
use anyhow::Result;
use std::collections::{BTreeMap, HashMap};
use tidegate_core::delivery::is_production;
use tidegate_history::{ChangeNumber, Mined};
use tidegate_learn::leakage::environments::{Compared, Environment, Limits, compare};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Row, Table};

/// What environments are called that are not production, as a whole or as a part of a name: `pre-production`, `qa2`. The first part that is one counts.
const NAMES: [(Environment, &[&str]); 2] = [
    (Environment::Staging, &["staging", "stage", "stg", "preproduction", "preprod", "pre", "uat"]),
    (Environment::Dev, &["dev", "development", "test", "testing", "qa", "review", "preview", "sandbox", "local"]),
];

/// The changes that are learnt from, with what became of each where deployments tell that it went; none where they tell of no two environments.
///
/// # Errors
/// When a table cannot be made of them.
pub fn environments(mined: &Mined, told: &Told, learnt: &Learnt<'_>, recipe: &Recipe) -> Result<Option<Compared>> {
    let rows: HashMap<String, usize> = learnt.changes.iter().enumerate().map(|(row, change)| (change.id.to_string(), row)).collect();
    let row = |number: &ChangeNumber| rows.get(&mined.changes().get(number.0 as usize)?.id.to_string()).copied();
    let all: BTreeMap<(usize, Environment), bool> =
        ended(mined, told).into_iter().filter_map(|((number, place), hurt)| Some(((row(&number)?, place), hurt))).collect();
    let limits = Limits::default();
    let mut rows_of: BTreeMap<Environment, Vec<usize>> = BTreeMap::new();
    all.keys().for_each(|(row, place)| rows_of.entry(*place).or_default().push(*row));
    // What moved with time would tell them apart where one began later than another: the stretch counts in which changes went to all of them that
    // are compared.
    rows_of.retain(|_, rows| rows.len() >= limits.rows_min);
    let from = rows_of.values().filter_map(|rows| rows.first()).max();
    let to = rows_of.values().filter_map(|rows| rows.last()).min();
    let (Some(from), Some(to), true) = (from, to, rows_of.len() > 1) else { return Ok(None) };
    let (mut table, mut places) = (Table::new(learnt.table.features().iter().map(|feature| feature.name.as_str()))?, vec![]);
    for ((row, place), hurt) in all.iter().filter(|((row, _), _)| (*from..=*to).contains(row)) {
        let at = learnt.table.at().get(*row).copied().unwrap_or_default();
        let effort = learnt.table.effort().get(*row).copied().unwrap_or_default();
        table.push(&Row { at, values: learnt.table.row(*row), label: *hurt, effort })?;
        places.push(*place);
    }
    Ok(Some(compare(&table, &places, recipe, &limits)?))
}

/// What became of changes in each environment, the first time that each went there alone. Of several that went out together and hurt it is not known
/// which did.
fn ended(mined: &Mined, told: &Told) -> BTreeMap<(ChangeNumber, Environment), bool> {
    let mut ended: BTreeMap<(ChangeNumber, Environment), bool> = BTreeMap::new();
    for one in &told.deployed {
        let Some((environment, hurt)) = one.environment.as_deref().and_then(environment).zip(one.fate.hurt()) else { continue };
        let Some(revision) = mined.named(&one.revision) else { continue };
        let (out, together) = went_out(mined, one, revision);
        // Those that were well together are left out as well, or rates would depend on how many go out at once.
        if let ([number], Some(1)) = (out.as_slice(), together) {
            ended.entry((*number, environment)).or_insert(hurt);
        }
    }
    ended
}

/// Which one a name means; none of a name that means none.
fn environment(name: &str) -> Option<Environment> {
    if is_production(name) {
        return Some(Environment::Prod);
    }
    let name = name.to_lowercase();
    let mut parts = name.split(|c: char| !c.is_alphanumeric()).map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()));
    parts.find_map(|part| NAMES.into_iter().find(|(_, names)| names.contains(&part)).map(|(environment, _)| environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_give_mean_an_environment() {
        let of = |names: &[&str]| names.iter().map(|name| environment(name)).collect::<Vec<_>>();
        assert_eq!(of(&["production", "Prod-EU", "eu/live"]), [Some(Environment::Prod); 3]);
        assert_eq!(of(&["staging2", "pre-production", "preprod", "prod-uat"]), [Some(Environment::Staging); 4]);
        assert_eq!(of(&["dev", "qa1", "review/feature-production", "review/fix-staging-banner"]), [Some(Environment::Dev); 4]);
        assert_eq!(
            of(&["", "blue", "product", "non-production"]),
            [None; 4],
            "a part of a word is no name, and what is not production may be anything"
        );
    }
}
