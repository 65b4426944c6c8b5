//! Where something happened: what a source says for its events that name no environment, and where they are held to belong that still name
//! none. A pager tells of a service and not of where it runs; what breaks users' day is what they use.

use super::places::Places;
use super::{Event, What};

/// Words that say that an environment is users' own.
const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];
/// Words beside them that say that it is not: `pre-prod` is another place.
const BEFORE: [&str; 21] = [
    "pre",
    "non",
    "not",
    "no",
    "like",
    "pseudo",
    "test",
    "testing",
    "stage",
    "staging",
    "dev",
    "qa",
    "uat",
    "preview",
    "review",
    "sandbox",
    "shadow",
    "mirror",
    "stg",
    "development",
    "local",
];

/// Whether an environment is production, by its name: one of the words that say so is in it, and none that takes it back. Digits at the end
/// of a word count them.
#[must_use]
pub fn is_production(environment: &str) -> bool {
    let lower = environment.to_lowercase();
    let words = || lower.split(|c: char| !c.is_alphanumeric()).map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()));
    words().any(|word| PRODUCTION.contains(&word)) && !words().any(|word| BEFORE.contains(&word))
}

impl What {
    /// Whether it happens in an environment. A change is proposed and built for all of them.
    #[must_use]
    pub fn in_environment(self) -> bool {
        match self {
            What::DeploymentStarted
            | What::DeploymentFinished { .. }
            | What::ServiceRolledBack { .. }
            | What::IncidentDetected
            | What::IncidentResolved => true,
            What::ChangeCreated
            | What::ChangeReviewed { .. }
            | What::ChangeMerged
            | What::ChangeAbandoned
            | What::PipelineRunFinished { .. }
            | What::TestSuiteRunFinished { .. } => false,
        }
    }
}

impl Event {
    /// The event, with what its source is known to be of put in where the event names none.
    #[must_use]
    pub fn told_of(mut self, service: Option<&str>, environment: Option<&str>) -> Event {
        let subject = &mut self.subject;
        subject.service = subject.service.take().or_else(|| service.map(str::to_owned));
        let environment = environment.filter(|_| self.what.in_environment());
        subject.environment = subject.environment.take().or_else(|| environment.map(str::to_owned));
        self
    }
}

/// Events that are of an environment, or may be: in any order, given in that of time. An incident or a rollback that names none is of
/// production where its service had been deployed to it.
#[must_use]
pub fn of_environment<'e>(events: impl IntoIterator<Item = &'e Event>, environment: &str) -> Vec<&'e Event> {
    let mut events: Vec<&Event> = events.into_iter().collect();
    events.sort_by_key(|event| event.at_ms);
    let places = Places::new(&events);
    let there = |event: &Event| match (&event.subject.environment, event.what) {
        (Some(named), _) => named == environment,
        (None, What::ServiceRolledBack { .. } | What::IncidentDetected) => places.may_be_in(event, Some(environment)),
        (None, _) => true,
    };
    events.iter().copied().filter(|event| there(event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Outcome, Subject};

    #[test]
    fn production_is_known_by_its_name() {
        for name in ["production", "Production", "prod", "prod-eu", "eu-west-1/PROD", "prod2", "shop_prd", "live", "Production: shop"] {
            assert!(is_production(name), "{name}");
        }
        for name in [
            "staging",
            "pre-prod",
            "preprod",
            "non-production",
            "prod-like",
            "production-test",
            "stg-prod",
            "prod-development",
            "review/prod-fix",
            "product",
            "alive",
            "",
            "prod/staging",
        ] {
            assert!(!is_production(name), "{name}");
        }
    }

    fn event(at_ms: i64, what: What, environment: Option<&str>) -> Event {
        let subject = Subject { service: Some("till".to_owned()), environment: environment.map(str::to_owned), ..Subject::default() };
        Event { id: at_ms.to_string(), at_ms, what, subject }
    }

    #[test]
    fn a_source_says_what_its_events_do_not() {
        let told = |what, environment| event(1, what, environment).told_of(Some("shelf"), Some("production")).subject;
        let incident = told(What::IncidentDetected, None);
        assert_eq!((incident.service.as_deref(), incident.environment.as_deref()), (Some("till"), Some("production")));
        assert_eq!(
            told(What::IncidentResolved, Some("staging")).environment.as_deref(),
            Some("staging"),
            "what it says itself goes before"
        );
        assert_eq!(told(What::ChangeMerged, None).environment, None, "a change is for all of them");
        let nameless = Event { subject: Subject::default(), ..event(1, What::ChangeMerged, None) };
        assert_eq!(nameless.told_of(Some("shelf"), None).subject.service.as_deref(), Some("shelf"));
    }

    #[test]
    fn what_names_no_environment_is_of_production_once_there_is_one() {
        let out = |at_ms, environment| event(at_ms, What::DeploymentFinished { outcome: Outcome::Success }, environment);
        let events = [
            event(0, What::ChangeMerged, None),
            out(1, Some("staging")),
            event(2, What::IncidentDetected, None),
            out(3, Some("prod-eu")),
            event(4, What::IncidentDetected, None),
            event(5, What::IncidentResolved, None),
            out(6, None),
        ];
        let at = |environment| of_environment(&events, environment).iter().map(|event| event.at_ms).collect::<Vec<_>>();
        assert_eq!(at("staging"), [0, 1, 2, 5, 6], "before there was another one it was staging that broke");
        assert_eq!(at("prod-eu"), [0, 2, 3, 4, 5, 6]);
    }
}
