//! Failures that deliveries tell of, with the changes that went out, and whether somebody has looked into each.

use serde::Serialize;
use tidegate_core::correction::State;
use tidegate_core::delivery::{Deployed, Fate};
use tidegate_history::Mined;

/// Digits of a commit in the name of a deployment.
const DIGITS: usize = 12;
/// Fewest digits by which a deployment is known.
const DIGITS_MIN: usize = 7;

/// A deployment that hurt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The name of the first incident after it; else what was deployed.
    pub name: String,
    /// The deployment: service and commit.
    pub deployment: String,
    /// Incidents after it.
    pub incidents: Vec<String>,
    /// When it was deployed.
    pub at_ms: i64,
    /// What became of it.
    pub fate: Fate,
    /// The commit that was deployed.
    pub revision: String,
    /// Commits that went out with it, newest first; none are known where it is not known what ran before, or they are not in the history.
    pub changes: Vec<String>,
    /// Whether it was reviewed.
    pub reviewed: bool,
}

impl Failure {
    /// Whether a name is that of this failure: an incident's, the deployment's, or its commit's.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let digits = name.len() >= DIGITS_MIN && name.bytes().all(|b| b.is_ascii_hexdigit());
        let by_commit = digits && self.revision.starts_with(&name.to_ascii_lowercase());
        self.deployment == name || self.incidents.iter().any(|incident| incident == name) || by_commit
    }
}

/// Every deployment that hurt, newest first.
#[must_use]
pub fn failures(mined: &Mined, deployed: &[Deployed], said: &State) -> Vec<Failure> {
    let one = |one: &Deployed| {
        let digits = one.revision.get(..DIGITS).unwrap_or(&one.revision);
        let deployment = format!("{}@{digits}", one.service.as_deref().unwrap_or("deployment"));
        let changes = one.previous.as_deref().and_then(|digits| mined.named(digits)).zip(mined.named(&one.revision));
        let changes = changes.map(|(previous, revision)| mined.between(Some(previous), revision)).unwrap_or_default();
        let commit = |number: &tidegate_history::ChangeNumber| mined.changes().get(number.0 as usize).map(|change| change.id.to_string());
        let mut failure = Failure {
            name: one.incidents.first().unwrap_or(&deployment).clone(),
            deployment,
            incidents: one.incidents.clone(),
            at_ms: one.at_ms,
            fate: one.fate,
            revision: one.revision.clone(),
            changes: changes.iter().filter_map(commit).collect(),
            reviewed: false,
        };
        failure.reviewed = said.reviews.keys().any(|name| failure.is(name));
        failure
    };
    let mut all: Vec<Failure> = deployed.iter().filter(|one| one.fate.hurt() == Some(true)).map(one).collect();
    all.sort_by_key(|failure| std::cmp::Reverse(failure.at_ms));
    all
}
