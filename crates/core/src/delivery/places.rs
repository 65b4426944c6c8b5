//! Deployments by their place - a service, or the repository where none is named, in an environment - so that what came before one of them
//! and after it is found however rare the place is among all of them.

use super::Event;
use super::environments::is_production;
use super::measures::ended;
use std::collections::BTreeMap;

/// Deployments before one, in its own place, that are looked through for one that ran: behind more that did not it is not known what ran before.
const LOOKED_AT_MAX: usize = 2_000;

/// What is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of<'e> {
    Service(&'e str),
    Repository(&'e str),
    /// Of deployments that name no service.
    RepositoryAlone(&'e str),
}

/// To where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum To<'e> {
    Anywhere,
    Unsaid,
    /// One that its name says is production.
    Production,
    Environment(&'e str),
}

/// Deployments in the order of time.
pub(super) struct Places<'e> {
    pub deployed: Vec<&'e Event>,
    at: BTreeMap<(Of<'e>, To<'e>), Vec<usize>>,
    /// Whether one that names no commit takes no place: of it it is not known that it brought anything.
    commits_alone: bool,
}

impl<'e> Places<'e> {
    /// Those among these events, which are in the order of time.
    pub(super) fn new(events: &[&'e Event]) -> Places<'e> {
        let deployed: Vec<&'e Event> = events.iter().copied().filter(|event| ended(event).is_some()).collect();
        let mut at: BTreeMap<(Of<'e>, To<'e>), Vec<usize>> = BTreeMap::new();
        for (place, event) in deployed.iter().enumerate() {
            let (service, repository) = (event.subject.service.as_deref(), event.subject.repository.as_deref());
            let alone = repository.filter(|_| service.is_none()).map(Of::RepositoryAlone);
            let named = event.subject.environment.as_deref();
            let to = named.map_or(To::Unsaid, To::Environment);
            let production = named.filter(|name| is_production(name)).map(|_| To::Production);
            for of in [service.map(Of::Service), repository.map(Of::Repository), alone].into_iter().flatten() {
                for to in [Some(To::Anywhere), Some(to), production].into_iter().flatten() {
                    at.entry((of, to)).or_default().push(place);
                }
            }
        }
        Places { deployed, at, commits_alone: false }
    }

    /// The same, where only a deployment that names a commit takes the place of another.
    pub(super) fn of_commits(events: &[&'e Event]) -> Places<'e> {
        Places { commits_alone: true, ..Places::new(events) }
    }

    /// Where deployments stand that take the place of this one, or whose place it takes, as `measures::same` says it, and of one environment
    /// where both say one; each list ascends.
    fn of<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a [usize]> {
        let to = match event.subject.environment.as_deref() {
            Some(environment) => [Some(To::Environment(environment)), Some(To::Unsaid)],
            None => [Some(To::Anywhere), None],
        };
        let lists = same(event).into_iter().flatten().flat_map(move |of| to.into_iter().flatten().map(move |to| (of, to)));
        lists.filter_map(move |key| self.at.get(&key).map(Vec::as_slice))
    }

    /// Whether something that went wrong may have gone wrong in an environment. Where it names none itself, it is of what its service runs in
    /// production; and of any environment, where by then nothing of the service had been deployed to one that is called so.
    pub(super) fn may_be_in(&self, event: &Event, environment: Option<&str>) -> bool {
        let Some(environment) = environment else { return true };
        if let Some(named) = event.subject.environment.as_deref() {
            return named == environment;
        }
        let by_then = |place: &usize| self.deployed.get(*place).is_some_and(|other| other.at_ms <= event.at_ms);
        let produced = |of: Of<'_>| self.at.get(&(of, To::Production)).and_then(|list| list.first()).is_some_and(by_then);
        is_production(environment) || !same(event).into_iter().flatten().any(produced)
    }

    /// The last one before that of a place which ran.
    pub(super) fn before(&self, place: usize, ran: &dyn Fn(usize) -> bool) -> Option<usize> {
        let event = self.deployed.get(place)?;
        let last = |list: &[usize]| {
            let earlier = list.get(..list.partition_point(|other| *other < place)).unwrap_or_default();
            earlier.iter().rev().take(LOOKED_AT_MAX).copied().find(|other| ran(*other))
        };
        self.of(event).filter_map(last).max()
    }

    /// The first one that happened after it in the same place, and takes it.
    pub(super) fn next(&self, event: &Event) -> Option<&'e Event> {
        let at_ms = |place: &usize| self.deployed.get(*place).map_or(i64::MAX, |other| other.at_ms);
        let takes = |place: &usize| !self.commits_alone || self.deployed.get(*place).is_some_and(|other| other.subject.revision.is_some());
        let first = |list: &[usize]| {
            let later = list.get(list.partition_point(|place| at_ms(place) <= event.at_ms)..).unwrap_or_default();
            later.iter().copied().find(takes)
        };
        self.of(event).filter_map(first).min().and_then(|place| self.deployed.get(place)).copied()
    }
}

/// Under what deployments stand that are of the same thing as an event, as `measures::same` says it.
fn same(event: &Event) -> [Option<Of<'_>>; 2] {
    let (service, repository) = (event.subject.service.as_deref(), event.subject.repository.as_deref());
    match service {
        Some(service) => [Some(Of::Service(service)), repository.map(Of::RepositoryAlone)],
        None => [repository.map(Of::Repository), None],
    }
}
