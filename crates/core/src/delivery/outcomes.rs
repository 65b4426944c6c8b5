//! What became of what was deployed, as the events tell it: what labels of changes are joined from.

use super::measures::{elsewhere, ended, same};
use super::{Event, Outcome, What};
use serde::Serialize;

/// Deployments before and after one that are looked through for another one of the same place: of a place that is rarer among all of them what
/// ran before is not known.
const LOOKED_AT_MAX: usize = 2_000;

/// How far an event is looked at before something counts as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// A rollback or an incident so long after a deployment, and before the next one, is its failure; without one for that long it is fine.
    pub failure_within_ms: i64,
    /// What counts as now.
    pub as_of_ms: i64,
}

/// What a deployment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It could not be rolled out.
    Failed,
    /// It was taken back.
    RolledBack,
    /// Something broke for users, or an alarm went off.
    Incident,
    /// Nothing was heard for long enough, or the next one came first.
    Fine,
    /// It is too young to tell.
    Open,
}

impl Fate {
    /// Whether it hurt; none where that is not known yet.
    #[must_use]
    pub fn hurt(self) -> Option<bool> {
        match self {
            Fate::Failed | Fate::RolledBack | Fate::Incident => Some(true),
            Fate::Fine => Some(false),
            Fate::Open => None,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Fate::Failed => "its deployment failed",
            Fate::RolledBack => "it was taken back",
            Fate::Incident => "an incident followed its deployment",
            Fate::Fine => "it was deployed, and nothing followed",
            Fate::Open => "it was deployed, and it is too early to tell",
        }
    }
}

/// One deployment of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// When it ended.
    pub at_ms: i64,
    /// Of what, where it is said.
    pub service: Option<String>,
    /// The commit, or its first digits.
    pub revision: String,
    /// What the same service ran before in the same place: what lies between the two went out with it.
    pub previous: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// Deployments that name a commit, oldest first. What ran before is the last one that succeeded and was not taken back.
#[must_use]
pub fn outcomes<'e>(events: impl IntoIterator<Item = &'e Event>, watch: Watch) -> Vec<Deployed> {
    let mut events: Vec<&Event> = events.into_iter().collect();
    events.sort_by_key(|event| event.at_ms);
    let deployed: Vec<&Event> = events.iter().copied().filter(|event| ended(event).is_some()).collect();
    let fates: Vec<Fate> = deployed.iter().map(|event| fate(event, &events, &deployed, watch)).collect();
    let one = |(place, event): (usize, &&Event)| {
        let earlier = deployed.get(..place).unwrap_or_default().iter().rev().zip(fates.get(..place).unwrap_or_default().iter().rev());
        let before = earlier.take(LOOKED_AT_MAX).find(|(other, fate)| {
            let ran = matches!(fate, Fate::Fine | Fate::Open | Fate::Incident);
            ran && other.subject.revision.is_some() && other.at_ms < event.at_ms && same(other, event) && elsewhere(other, event)
        });
        Some(Deployed {
            at_ms: event.at_ms,
            service: event.subject.service.clone().or_else(|| event.subject.repository.clone()),
            revision: event.subject.revision.clone()?,
            previous: before.and_then(|(other, _)| other.subject.revision.clone()),
            fate: *fates.get(place)?,
        })
    };
    deployed.iter().enumerate().filter_map(one).collect()
}

/// What became of one, `events` and `deployed` in the order of time.
pub(super) fn fate(deployment: &Event, events: &[&Event], deployed: &[&Event], watch: Watch) -> Fate {
    if ended(deployment) == Some(Outcome::Failure) {
        return Fate::Failed;
    }
    let since = |all: &[&Event], at_ms: i64| all.partition_point(|event| event.at_ms < at_ms);
    let later = deployed.get(since(deployed, deployment.at_ms.saturating_add(1))..).unwrap_or_default();
    let next = later.iter().take(LOOKED_AT_MAX).find(|other| same(other, deployment) && elsewhere(other, deployment));
    let watched = deployment.at_ms.saturating_add(watch.failure_within_ms);
    let until = next.map_or(i64::MAX, |next| next.at_ms).min(watched);
    let after = events.get(since(events, deployment.at_ms)..since(events, until)).unwrap_or_default();
    let first = after.iter().filter(|event| same(event, deployment)).find_map(|event| match event.what {
        What::ServiceRolledBack => Some(Fate::RolledBack),
        What::IncidentDetected => Some(Fate::Incident),
        _ => None,
    });
    first.unwrap_or(if until <= watch.as_of_ms { Fate::Fine } else { Fate::Open })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Subject;

    const HOUR: i64 = 3_600_000;

    fn event(hours: i64, what: What, revision: Option<&str>) -> Event {
        let subject = Subject { service: Some("till".to_owned()), revision: revision.map(str::to_owned), ..Subject::default() };
        Event { id: hours.to_string(), at_ms: hours * HOUR, what, subject }
    }

    fn out(hours: i64, outcome: Outcome, revision: &str) -> Event {
        event(hours, What::DeploymentFinished { outcome }, Some(revision))
    }

    fn told(events: &[Event], as_of_hours: i64) -> Vec<(String, Option<String>, Fate)> {
        let watch = Watch { failure_within_ms: 24 * HOUR, as_of_ms: as_of_hours * HOUR };
        outcomes(events, watch).into_iter().map(|one| (one.revision, one.previous, one.fate)).collect()
    }

    #[test]
    fn each_deployment_has_a_fate_and_what_ran_before_it() {
        let events = [
            event(60, What::IncidentDetected, None),
            out(0, Outcome::Success, "aaaaaaa"),
            out(30, Outcome::Failure, "bbbbbbb"),
            out(31, Outcome::Success, "ccccccc"),
            event(32, What::ServiceRolledBack, None),
            out(59, Outcome::Success, "ddddddd"),
            out(90, Outcome::Cancelled, "eeeeeee"),
            out(100, Outcome::Success, "fffffff"),
        ];
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            told(&events, 110),
            [
                ("aaaaaaa".to_owned(), None, Fate::Fine),
                ("bbbbbbb".to_owned(), some("aaaaaaa"), Fate::Failed),
                ("ccccccc".to_owned(), some("aaaaaaa"), Fate::RolledBack),
                ("ddddddd".to_owned(), some("aaaaaaa"), Fate::Incident),
                ("fffffff".to_owned(), some("ddddddd"), Fate::Open),
            ]
        );
        assert_eq!(told(&events, 124).last().unwrap().2, Fate::Fine);
    }

    #[test]
    fn another_service_says_nothing_and_nothing_is_not_fine() {
        let mut other = event(1, What::IncidentDetected, None);
        other.subject.service = Some("shelf".to_owned());
        assert_eq!(told(&[out(0, Outcome::Success, "aaaaaaa"), other], 30)[0].2, Fate::Fine);
        assert_eq!(told(&[out(0, Outcome::Success, "aaaaaaa")], 23)[0].2, Fate::Open);
        assert!(told(&[event(0, What::DeploymentFinished { outcome: Outcome::Success }, None)], 30).is_empty());
    }
}
