//! Failures that deliveries tell of, with the changes that went out, and whether somebody has looked into each.

use super::labels::FAILURE_WITHIN_MS;
use serde::Serialize;
use tidegate_core::correction::State;
use tidegate_core::delivery::{Deployed, Event, Fate, What};
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
pub fn failures(mined: &Mined, events: &[Event], deployed: &[Deployed], said: &State) -> Vec<Failure> {
    let one = |one: &Deployed| {
        let digits = one.revision.get(..DIGITS).unwrap_or(&one.revision);
        let deployment = format!("{}@{digits}", one.service.as_deref().unwrap_or("deployment"));
        let incidents = incidents(one, events, deployed);
        let changes = one.previous.as_deref().and_then(|digits| mined.named(digits)).zip(mined.named(&one.revision));
        let changes = changes.map(|(previous, revision)| mined.between(Some(previous), revision)).unwrap_or_default();
        let commit = |number: &tidegate_history::ChangeNumber| mined.changes().get(number.0 as usize).map(|change| change.id.to_string());
        let mut failure = Failure {
            name: incidents.first().unwrap_or(&deployment).clone(),
            deployment,
            incidents,
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

/// Incidents of the same service (or, where none is said, repository) after a deployment, until the next one or until it is too long ago.
fn incidents(of: &Deployed, events: &[Event], deployed: &[Deployed]) -> Vec<String> {
    let next = deployed.iter().filter(|other| other.service == of.service && other.at_ms > of.at_ms).map(|other| other.at_ms).min();
    let until = next.unwrap_or(i64::MAX).min(of.at_ms.saturating_add(FAILURE_WITHIN_MS));
    let same = |event: &Event| {
        let subject = &event.subject;
        of.service.is_some() && (subject.service == of.service || (subject.service.is_none() && subject.repository == of.service))
    };
    let found = events.iter().filter(|event| event.what == What::IncidentDetected && (of.at_ms..until).contains(&event.at_ms));
    let mut named: Vec<(i64, String)> =
        found.filter(|event| same(event)).filter_map(|event| Some((event.at_ms, event.subject.incident.clone()?))).collect();
    named.sort();
    named.dedup_by(|a, b| a.1 == b.1);
    named.into_iter().map(|(_, name)| name).collect()
}
