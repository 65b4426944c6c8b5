//! What became of what was deployed, as the events tell it: what labels of changes are joined from.

use super::measures::{ended, same};
use super::places::Places;
use super::{Event, Outcome, What};
use serde::Serialize;

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
    /// Where to, where it is said.
    pub environment: Option<String>,
    /// The commit, or its first digits.
    pub revision: String,
    /// What the same service ran before in the same place: what lies between the two went out with it.
    pub previous: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// Incidents that are held against it, in the order of time.
    pub incidents: Vec<String>,
}

/// Most incidents of one deployment that are named.
const INCIDENTS_MAX: usize = 100;

/// Deployments that name a commit, oldest first. What ran before is what the last one left there that did not fail: itself, or, where it was taken
/// back, whenever that was, what the rollback names, and where that names nothing what ran before it.
#[must_use]
pub fn outcomes<'e>(events: impl IntoIterator<Item = &'e Event>, watch: Watch) -> Vec<Deployed> {
    let mut events: Vec<&Event> = events.into_iter().collect();
    events.sort_by_key(|event| event.at_ms);
    let places = Places::of_commits(&events);
    let deployed = &places.deployed;
    // Most events are no trouble, and each deployment looks at those after it.
    let events: Vec<&Event> = events.iter().copied().filter(|event| wrong(event).is_some()).collect();
    let fates: Vec<Fate> = deployed.iter().map(|event| fate(event, &events, &places, watch)).collect();
    let left: Vec<Option<&str>> = deployed.iter().zip(&fates).map(|(event, fate)| left(event, *fate, &events, &places)).collect();
    let one = |(place, event): (usize, &&Event)| {
        let earlier = |other: usize| deployed.get(other).is_some_and(|other| other.at_ms < event.at_ms);
        let ran = |other: usize| if earlier(other) { left.get(other).copied().flatten() } else { None };
        Some(Deployed {
            at_ms: event.at_ms,
            service: event.subject.service.clone().or_else(|| event.subject.repository.clone()),
            environment: event.subject.environment.clone(),
            revision: event.subject.revision.clone()?,
            previous: places.before(place, &|other| ran(other).is_some()).and_then(ran).map(str::to_owned),
            fate: *fates.get(place)?,
            incidents: incidents(event, &events, &places, watch),
        })
    };
    deployed.iter().enumerate().filter_map(one).collect()
}

/// What became of one, `events` in the order of time.
pub(super) fn fate(deployment: &Event, events: &[&Event], places: &Places<'_>, watch: Watch) -> Fate {
    if ended(deployment) == Some(Outcome::Failure) {
        return Fate::Failed;
    }
    let until = watched_until(deployment, places, watch);
    held(deployment, events, places, until).find_map(wrong).unwrap_or(if until <= watch.as_of_ms { Fate::Fine } else { Fate::Open })
}

/// Incidents after one that are held against it, each once, in the order of time.
fn incidents(deployment: &Event, events: &[&Event], places: &Places<'_>, watch: Watch) -> Vec<String> {
    let held = held(deployment, events, places, watched_until(deployment, places, watch));
    let mut named: Vec<String> = vec![];
    for incident in held.filter(|event| event.what == What::IncidentDetected).filter_map(|event| event.subject.incident.as_ref()) {
        if !named.contains(incident) && named.len() < INCIDENTS_MAX {
            named.push(incident.clone());
        }
    }
    named
}

/// What a deployment left in its place until another one took it; none where it failed and nothing more is told.
fn left<'e>(deployment: &'e Event, fate: Fate, events: &[&'e Event], places: &Places<'e>) -> Option<&'e str> {
    let until = places.next(deployment).map_or(i64::MAX, |next| next.at_ms);
    let back = held(deployment, events, places, until).filter(|event| wrong(event) == Some(Fate::RolledBack)).last();
    match back {
        Some(back) => back.subject.revision.as_deref(),
        None => deployment.subject.revision.as_deref().filter(|_| fate != Fate::Failed),
    }
}

/// Up to when it is looked whether one goes wrong.
fn watched_until(deployment: &Event, places: &Places<'_>, watch: Watch) -> i64 {
    let watched = deployment.at_ms.saturating_add(watch.failure_within_ms);
    places.next(deployment).map_or(i64::MAX, |next| next.at_ms).min(watched)
}

/// What went wrong after one, before a time, and is held against it.
fn held<'a, 'e>(deployment: &'a Event, events: &'a [&'e Event], places: &'a Places<'_>, until: i64) -> impl Iterator<Item = &'e Event> {
    let since = |at_ms: i64| events.partition_point(|event| event.at_ms < at_ms);
    let after = events.get(since(deployment.at_ms)..since(until)).unwrap_or_default();
    // What goes wrong in another environment is of what runs there.
    let to = deployment.subject.environment.as_deref();
    let held = move |event: &&Event| same(event, deployment) && wrong(event).is_some() && places.may_be_in(event, to);
    after.iter().copied().filter(held)
}

/// What it makes of a deployment that it is held against.
fn wrong(event: &Event) -> Option<Fate> {
    match event.what {
        What::ServiceRolledBack { .. } => Some(Fate::RolledBack),
        What::IncidentDetected => Some(Fate::Incident),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Subject;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    const BACK: What = What::ServiceRolledBack { trigger: None };

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
            event(32, BACK, None),
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
    fn what_was_taken_back_runs_no_more_however_late_that_was() {
        let back_to = |hours: i64, revision: Option<&str>| event(hours, BACK, revision);
        let previous = |between: &[Event]| {
            let mut events = vec![out(0, Outcome::Success, "aaaaaaa"), out(10, Outcome::Success, "bbbbbbb")];
            events.extend(between.iter().cloned());
            events.push(out(100, Outcome::Success, "ccccccc"));
            told(&events, 200).last().unwrap().1.clone().unwrap()
        };
        assert_eq!(previous(&[]), "bbbbbbb");
        assert_eq!(previous(&[event(11, What::IncidentDetected, None)]), "bbbbbbb", "it runs on");
        assert_eq!(previous(&[event(11, What::IncidentDetected, None), back_to(12, Some("aaaaaaa"))]), "aaaaaaa");
        assert_eq!(previous(&[back_to(60, None)]), "aaaaaaa", "later than what is held against it");
        assert_eq!(previous(&[back_to(60, Some("0000000"))]), "0000000", "further back than the one before");
    }

    #[test]
    fn a_deployment_that_names_no_commit_takes_no_place() {
        // Two tools tell of one service: what is synchronised, and the rollout of it, which is aborted.
        let aborted = event(11, What::DeploymentFinished { outcome: Outcome::Failure }, None);
        let events = [
            out(0, Outcome::Success, "aaaaaaa"),
            out(10, Outcome::Success, "bbbbbbb"),
            aborted,
            event(11, BACK, None),
            out(50, Outcome::Success, "ccccccc"),
        ];
        let told: Vec<_> = told(&events, 100).into_iter().map(|(_, previous, fate)| (previous, fate)).collect();
        let before = Some("aaaaaaa".to_owned());
        assert_eq!(told, [(None, Fate::Fine), (before.clone(), Fate::RolledBack), (before, Fate::Fine)]);
    }

    #[test]
    fn a_rare_place_behind_many_deployments_of_another_is_found() {
        let elsewhere = |minutes: i64| {
            let mut event = out(0, Outcome::Success, "0000000");
            event.at_ms = HOUR + minutes * 60_000;
            event.subject.service = Some("shelf".to_owned());
            event
        };
        let mut events = vec![out(0, Outcome::Success, "aaaaaaa")];
        events.extend((0..3_000).map(elsewhere));
        events.push(out(1_000, Outcome::Success, "bbbbbbb"));
        let told = told(&events, 2_000);
        assert_eq!(told.first(), Some(&("aaaaaaa".to_owned(), None, Fate::Fine)));
        assert_eq!(told.last(), Some(&("bbbbbbb".to_owned(), Some("aaaaaaa".to_owned()), Fate::Fine)));
        // The one after ends the time in which something is the first one's, however many others lie between.
        let watch = Watch { failure_within_ms: 10_000 * HOUR, as_of_ms: 20_000 * HOUR };
        events.push(event(1_001, BACK, None));
        let fates: Vec<Fate> =
            outcomes(&events, watch).into_iter().filter(|one| one.service.as_deref() == Some("till")).map(|one| one.fate).collect();
        assert_eq!(fates, [Fate::Fine, Fate::RolledBack]);
    }

    /// The slow way: every other deployment is asked.
    fn slow(events: &[Event], watch: Watch) -> Vec<(String, Option<String>, Fate)> {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|event| event.at_ms);
        let deployed: Vec<&Event> = events.iter().copied().filter(|event| ended(event).is_some()).collect();
        let there = |a: &Event, b: &Event| {
            let (to, other) = (&a.subject.environment, &b.subject.environment);
            same(a, b) && (to.is_none() || other.is_none() || to == other)
        };
        let production = |name: &Option<String>| name.as_deref().is_some_and(crate::delivery::is_production);
        let held = |event: &Event, one: &Event| {
            let told = event.subject.environment.is_some() || one.subject.environment.is_none() || production(&one.subject.environment);
            let elsewhere = |other: &&Event| other.at_ms <= event.at_ms && same(other, event) && production(&other.subject.environment);
            there(event, one) && (told || !deployed.iter().any(elsewhere))
        };
        let next = |one: &Event| {
            let named = deployed.iter().filter(|other| other.subject.revision.is_some());
            let later = named.filter(|other| other.at_ms > one.at_ms && there(other, one));
            later.map(|other| other.at_ms).min().unwrap_or(i64::MAX)
        };
        let after = |one: &Event, until: i64| {
            let held = events.iter().filter(|event| (one.at_ms..until).contains(&event.at_ms) && held(event, one));
            held.copied().collect::<Vec<&Event>>()
        };
        let fate = |one: &Event| {
            let until = next(one).min(one.at_ms + watch.failure_within_ms);
            let hurt = after(one, until).into_iter().find_map(|event| match event.what {
                What::ServiceRolledBack { .. } => Some(Fate::RolledBack),
                What::IncidentDetected => Some(Fate::Incident),
                _ => None,
            });
            let quiet = if until <= watch.as_of_ms { Fate::Fine } else { Fate::Open };
            if ended(one) == Some(Outcome::Failure) { Fate::Failed } else { hurt.unwrap_or(quiet) }
        };
        let left = |one: &Event| {
            let after = after(one, next(one));
            match after.iter().rfind(|event| matches!(event.what, What::ServiceRolledBack { .. })) {
                Some(back) => back.subject.revision.clone(),
                None if fate(one) == Fate::Failed => None,
                None => one.subject.revision.clone(),
            }
        };
        let one = |(place, one): (usize, &&Event)| {
            let ran = |other: &&Event| (other.at_ms < one.at_ms && there(other, one)).then(|| left(other)).flatten();
            let previous = deployed[..place].iter().rev().find_map(ran);
            Some((one.subject.revision.clone()?, previous, fate(one)))
        };
        deployed.iter().enumerate().filter_map(one).collect()
    }

    proptest! {
        #[test]
        fn places_are_what_asking_all_gives(told_of in prop::collection::vec((0..60_i64, 0..5_usize, 0..3_usize, 0..3_usize, 0..3_usize), 0..60)) {
            let whats = [
                What::DeploymentFinished { outcome: Outcome::Success }, What::DeploymentFinished { outcome: Outcome::Success },
                What::DeploymentFinished { outcome: Outcome::Failure }, BACK, What::IncidentDetected,
            ];
            let name = |n: usize, kind: &str| (n > 0).then(|| format!("{kind}{n}"));
            let one = |(at, (hours, what, service, repository, environment)): (usize, &(i64, usize, usize, usize, usize))| {
                let mut event = event(*hours, whats[*what], (at % 5 > 0).then(|| format!("{at:07}")).as_deref());
                event.subject.service = name(*service, "s");
                event.subject.repository = name(*repository, "r");
                event.subject.environment = name(*environment, "prod").map(|name| name.replace("prod2", "staging"));
                event
            };
            let events: Vec<Event> = told_of.iter().enumerate().map(one).collect();
            let watch = Watch { failure_within_ms: 24 * HOUR, as_of_ms: 50 * HOUR };
            let found: Vec<_> = outcomes(&events, watch).into_iter().map(|one| (one.revision, one.previous, one.fate)).collect();
            prop_assert_eq!(found, slow(&events, watch));
        }
    }

    #[test]
    fn another_environment_says_nothing() {
        let to = |mut event: Event, environment: &str| {
            event.subject.environment = Some(environment.to_owned());
            event
        };
        let taken_back = |environment| {
            let events = [to(out(0, Outcome::Success, "aaaaaaa"), "production"), to(event(1, BACK, None), environment)];
            told(&events, 30)[0].2
        };
        assert_eq!((taken_back("staging"), taken_back("production")), (Fate::Fine, Fate::RolledBack));
    }

    #[test]
    fn an_incident_that_names_no_environment_is_of_production() {
        let to = |mut event: Event, environment: &str, incident: &str| {
            event.subject.environment = (!environment.is_empty()).then(|| environment.to_owned());
            event.subject.incident = Some(incident.to_owned()).filter(|_| event.what == What::IncidentDetected);
            event
        };
        let events = [
            to(out(0, Outcome::Success, "aaaaaaa"), "staging", ""),
            to(event(1, What::IncidentDetected, None), "", "before production"),
            to(out(2, Outcome::Success, "bbbbbbb"), "staging", ""),
            to(out(3, Outcome::Success, "bbbbbbb"), "prod-eu", ""),
            to(out(4, Outcome::Success, "ccccccc"), "", ""),
            to(event(5, What::IncidentDetected, None), "", "first"),
            to(event(6, What::IncidentDetected, None), "", "first"),
            to(event(7, What::IncidentDetected, None), "staging", "second"),
        ];
        let watch = Watch { failure_within_ms: 24 * HOUR, as_of_ms: 100 * HOUR };
        let found =
            |events: &[Event]| outcomes(events, watch).into_iter().map(|one| (one.fate, one.incidents.join(","))).collect::<Vec<_>>();
        let said = |text: &str| (Fate::Incident, text.to_owned());
        // The one in between says nowhere: it takes the place of both, and whatever goes wrong may be its own.
        let fine = (Fate::Fine, String::new());
        assert_eq!(found(&events), [said("before production"), fine.clone(), fine.clone(), said("first,second")]);
        let without: Vec<Event> = events.iter().filter(|event| event.at_ms != 4 * HOUR).cloned().collect();
        assert_eq!(found(&without), [said("before production"), said("second"), said("first")]);
        let nowhere: Vec<Event> = without.iter().filter(|event| event.at_ms != 3 * HOUR).cloned().collect();
        assert_eq!(found(&nowhere), [said("before production"), said("first,second")], "of any, where none is production");
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
