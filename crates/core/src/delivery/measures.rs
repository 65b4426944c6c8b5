//! The four measures of delivery of DORA (Forsgren, Humble and Kim, Accelerate, 2018; <https://dora.dev/guides/dora-metrics-four-keys/>), each
//! with how many it is of and an interval, for whatever events they are asked of: a service's, a team's, those before a policy and after it.

use super::outcomes::{Watch, fate};
use super::places::Places;
use super::{Event, Outcome, Trigger, What};
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_stats::confidence::{clopper_pearson, poisson};
use tidegate_stats::quantile::{Interpolation, median_interval, quantile, sorted};

/// What is measured: from and until when, and how long after a deployment its failure may show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    /// First instant, in milliseconds since 1970.
    pub from_ms: i64,
    /// The first one that does not belong to it any more.
    pub until_ms: i64,
    /// A rollback or an incident of a service so long after a deployment of it, and before its next one, is that deployment's failure.
    pub failure_within_ms: i64,
    /// Of intervals: 0.95.
    pub confidence: f64,
}

/// A value with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// None where there is nothing to measure: that is not zero.
    pub value: Option<f64>,
    /// Its lower end; none where so few say nothing of it.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// How many it is of.
    pub n: usize,
}

/// The four.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measures {
    /// Successful deployments a day; the interval is Garwood's for a Poisson count, n the deployments.
    pub deployments_a_day: Interval,
    /// Hours from a change being let in to the first successful deployment after it; the median.
    pub lead_time_hours: Interval,
    /// Share of deployments that failed, were taken back, or were followed by an incident; Clopper and Pearson's interval.
    pub change_failure_rate: Interval,
    /// Hours from an incident's detection to its resolution; the median of those that were resolved.
    pub time_to_restore_hours: Interval,
    /// Incidents that were not resolved when the span ended; the median knows nothing of them.
    pub unresolved: usize,
    /// Rollbacks, by what set them off.
    pub rollbacks: Rollbacks,
}

/// How many rollbacks there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rollbacks {
    /// By a person.
    pub manual: usize,
    /// By what was measured.
    pub analysis: usize,
    /// By what did not come up, or did not stay up.
    pub health: usize,
    /// By an alarm.
    pub alert: usize,
    /// Nobody says by what.
    pub unsaid: usize,
}

impl Rollbacks {
    /// Counts one.
    fn add(&mut self, trigger: Option<Trigger>) {
        *match trigger {
            Some(Trigger::Manual) => &mut self.manual,
            Some(Trigger::Analysis) => &mut self.analysis,
            Some(Trigger::Health) => &mut self.health,
            Some(Trigger::Alert) => &mut self.alert,
            None => &mut self.unsaid,
        } += 1;
    }

    /// Those there were, each with what set it off in words.
    #[must_use]
    pub fn words(&self) -> Vec<(&'static str, usize)> {
        let all = [
            ("by hand", self.manual),
            ("by analysis", self.analysis),
            ("by health", self.health),
            ("by an alarm", self.alert),
            ("for a reason that nobody says", self.unsaid),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 24.0 * HOUR_MS;

/// The measures of these events, in any order.
#[must_use]
pub fn measures<'e>(events: impl IntoIterator<Item = &'e Event>, span: Span) -> Measures {
    let mut events: Vec<&Event> = events.into_iter().collect();
    events.sort_by_key(|event| event.at_ms);
    let within = |event: &Event| (span.from_ms..span.until_ms).contains(&event.at_ms);
    let places = Places::new(&events);
    let inside: Vec<&Event> = places.deployed.iter().copied().filter(|event| within(event)).collect();
    let good = inside.iter().filter(|event| ended(event) == Some(Outcome::Success)).count();
    // Whatever follows later than is looked at counts as nothing, also where that time is not over.
    let watch = Watch { failure_within_ms: span.failure_within_ms, as_of_ms: i64::MAX };
    let failed = inside.iter().filter(|event| fate(event, &events, &places, watch).hurt() == Some(true)).count();
    let (restored, unresolved) = restored(&events, span);
    let mut rollbacks = Rollbacks::default();
    for event in events.iter().filter(|event| within(event)) {
        if let What::ServiceRolledBack { trigger } = event.what {
            rollbacks.add(trigger);
        }
    }
    Measures {
        deployments_a_day: a_day(good, span),
        lead_time_hours: median(&lead_times(&events, span), span),
        change_failure_rate: share(failed, inside.len(), span),
        time_to_restore_hours: median(&restored, span),
        unresolved,
        rollbacks,
    }
}

/// How a deployment ended; one that was cancelled is none.
pub(super) fn ended(event: &Event) -> Option<Outcome> {
    match event.what {
        What::DeploymentFinished { outcome } if outcome != Outcome::Cancelled => Some(outcome),
        _ => None,
    }
}

/// Whether two events are of the same thing: of one service where both say it, else of one repository.
pub(super) fn same(a: &Event, b: &Event) -> bool {
    let (a, b) = (&a.subject, &b.subject);
    match (&a.service, &b.service, &a.repository, &b.repository) {
        (Some(a), Some(b), ..) => a == b,
        (_, _, Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Hours from each change that was let in to the first successful deployment after it, of those deployments that lie in the span.
fn lead_times(events: &[&Event], span: Span) -> Vec<f64> {
    let merged = events.iter().enumerate().filter(|(_, event)| event.what == What::ChangeMerged);
    let out = |(at, change): (usize, &&Event)| {
        let later = events.get(at..).unwrap_or_default();
        let first = later.iter().find(|event| ended(event) == Some(Outcome::Success) && same(event, change))?;
        let inside = (span.from_ms..span.until_ms).contains(&first.at_ms);
        inside.then(|| (first.at_ms - change.at_ms) as f64 / HOUR_MS)
    };
    merged.filter_map(out).collect()
}

/// Hours that incidents of the span took, and how many of them go on at its end.
fn restored(events: &[&Event], span: Span) -> (Vec<f64>, usize) {
    let mut open: BTreeMap<&str, i64> = BTreeMap::new();
    let mut took = Vec::new();
    for event in events.iter().filter(|event| event.at_ms < span.until_ms) {
        let Some(incident) = event.subject.incident.as_deref() else { continue };
        match event.what {
            What::IncidentDetected => {
                open.entry(incident).or_insert(event.at_ms);
            }
            What::IncidentResolved => {
                if let Some(since) = open.remove(incident).filter(|since| *since >= span.from_ms) {
                    took.push((event.at_ms - since) as f64 / HOUR_MS);
                }
            }
            _ => {}
        }
    }
    (took, open.values().filter(|since| **since >= span.from_ms).count())
}

fn a_day(count: usize, span: Span) -> Interval {
    let days = (span.until_ms - span.from_ms) as f64 / DAY_MS;
    if days <= 0.0 {
        return Interval { value: None, low: None, high: None, n: count };
    }
    let (low, high) = poisson(count as u64, span.confidence);
    Interval { value: Some(count as f64 / days), low: Some(low / days), high: Some(high / days), n: count }
}

fn share(count: usize, of: usize, span: Span) -> Interval {
    if of == 0 {
        return Interval { value: None, low: None, high: None, n: 0 };
    }
    let (low, high) = clopper_pearson(of as u64, count as u64, span.confidence);
    Interval { value: Some(count as f64 / of as f64), low: Some(low), high: Some(high), n: of }
}

fn median(values: &[f64], span: Span) -> Interval {
    let values = sorted(values);
    let ends = median_interval(&values, span.confidence);
    let value = quantile(&values, 0.5, Interpolation::Linear);
    Interval { value, low: ends.map(|(low, _)| low), high: ends.map(|(_, high)| high), n: values.len() }
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;
    const SPAN: Span = Span { from_ms: DAY, until_ms: 11 * DAY, failure_within_ms: DAY, confidence: 0.95 };

    fn event(at_ms: i64, what: What, service: &str, incident: Option<&str>) -> Event {
        let incident = incident.map(str::to_owned);
        let subject = Subject { service: Some(service.to_owned()), incident, ..Subject::default() };
        Event { id: format!("{at_ms}{what:?}"), at_ms, what, subject }
    }

    fn deployed(at_ms: i64, outcome: Outcome) -> Event {
        event(at_ms, What::DeploymentFinished { outcome }, "a", None)
    }

    #[test]
    fn each_measure_is_what_it_says() {
        let hour = 3_600_000;
        let events = [
            event(DAY / 2, What::ChangeMerged, "a", None),
            event(DAY / 2, What::ChangeMerged, "b", None),
            deployed(DAY, Outcome::Success),
            event(DAY + hour, What::IncidentDetected, "a", Some("i1")),
            event(DAY + 3 * hour, What::IncidentResolved, "a", Some("i1")),
            event(2 * DAY, What::ChangeMerged, "a", None),
            deployed(3 * DAY, Outcome::Failure),
            deployed(3 * DAY + hour, Outcome::Cancelled),
            deployed(4 * DAY, Outcome::Success),
            event(4 * DAY + 2 * hour, What::IncidentDetected, "b", Some("i2")),
            deployed(5 * DAY, Outcome::Success),
            deployed(5 * DAY + hour, Outcome::Success),
            event(5 * DAY + 2 * hour, What::ServiceRolledBack { trigger: None }, "a", None),
            event(6 * DAY, What::ServiceRolledBack { trigger: Some(Trigger::Analysis) }, "a", None),
            event(20 * DAY, What::ServiceRolledBack { trigger: Some(Trigger::Manual) }, "a", None),
            deployed(20 * DAY, Outcome::Success),
        ];
        let of = measures(&events, SPAN);
        assert_eq!((of.deployments_a_day.value, of.deployments_a_day.n), (Some(0.4), 4));
        // Changes of a waited half a day and two days; that of b was never deployed.
        assert_eq!((of.lead_time_hours.value, of.lead_time_hours.n), (Some(30.0), 2));
        // The first by its incident, the failed one, and the last of day five by its rollback: not the one an hour before.
        assert_eq!((of.change_failure_rate.value, of.change_failure_rate.n), (Some(0.6), 5));
        assert_eq!((of.time_to_restore_hours.value, of.time_to_restore_hours.n, of.unresolved), (Some(2.0), 1, 1));
        assert_eq!(of.rollbacks, Rollbacks { analysis: 1, unsaid: 1, ..Rollbacks::default() }, "those of the span");
        assert_eq!(of.rollbacks.words(), [("by analysis", 1), ("for a reason that nobody says", 1)]);
        assert_eq!(of.time_to_restore_hours.low, None, "one says nothing of an interval");
        let (low, high) = (of.change_failure_rate.low.unwrap(), of.change_failure_rate.high.unwrap());
        assert!((low - 0.146_633).abs() < 1e-6 && (high - 0.947_255).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn nothing_is_not_zero() {
        let of = measures([], SPAN);
        assert_eq!((of.deployments_a_day.value, of.deployments_a_day.low), (Some(0.0), Some(0.0)));
        // Of no deployment in ten days: fewer than 0.37 a day.
        assert!((of.deployments_a_day.high.unwrap() - 0.368_888).abs() < 1e-6, "{of:?}");
        assert_eq!((of.lead_time_hours.value, of.change_failure_rate.value, of.time_to_restore_hours.value), (None, None, None));
        let empty = Span { until_ms: SPAN.from_ms, ..SPAN };
        assert_eq!(measures([], empty).deployments_a_day.value, None);
    }

    #[test]
    fn environments_do_not_take_each_others_place() {
        let to = |at_ms, environment: &str| {
            let mut event = deployed(at_ms, Outcome::Success);
            event.subject.environment = Some(environment.to_owned());
            event
        };
        let hurt = event(DAY + 10, What::ServiceRolledBack { trigger: None }, "a", None);
        let failed = |one: &str, other: &str| measures(&[to(DAY, one), to(DAY + 5, other), hurt.clone()], SPAN).change_failure_rate.value;
        assert_eq!((failed("east", "east"), failed("east", "west")), (Some(0.5), Some(1.0)));
        assert_eq!(failed("production", "staging"), Some(0.5), "what names none is of production");
    }

    proptest! {
        #[test]
        fn the_order_in_which_they_are_told_does_not_matter(mut at in prop::collection::vec((0..12 * DAY, 0..6_usize), 0..40), turn in 0..40_usize) {
            at.sort_unstable();
            at.dedup_by_key(|(at, _)| *at);
            let kinds = [
                What::ChangeMerged, What::DeploymentFinished { outcome: Outcome::Success }, What::DeploymentFinished { outcome: Outcome::Failure },
                What::ServiceRolledBack { trigger: None }, What::IncidentDetected, What::IncidentResolved,
            ];
            let events: Vec<Event> = at.iter().map(|(at, kind)| event(*at, kinds[*kind], "a", Some("i"))).collect();
            let mut turned = events.clone();
            turned.rotate_left(turn % events.len().max(1));
            let of = measures(&events, SPAN);
            prop_assert_eq!(of, measures(&turned, SPAN));
            for interval in [of.deployments_a_day, of.lead_time_hours, of.change_failure_rate, of.time_to_restore_hours] {
                if let (Some(value), Some(low), Some(high)) = (interval.value, interval.low, interval.high) {
                    prop_assert!(low <= value && value <= high, "{interval:?}");
                }
            }
        }
    }
}
