//! Blame: which of several releases at once did it, when a signal of the world becomes abnormal.
//!
//! As Gandalf does (Li et al., "Gandalf: An Intelligent, End-To-End Analytics Service for Safe Deployment in Large-Scale Cloud
//! Infrastructure", NSDI 2020), by time and place, and here by dependency and the release's own judge as well. A release that cannot
//! have done it has no part in it, however many others there are; for each of the others four weights are multiplied:
//!
//! - time: `exp(-lag / TAU)`, the lag from the last growth of its share before the signal's onset;
//! - dependency: `0.5^d`, where `d` is how many calls lie between where it was seen and the release's service;
//! - its judge: `e_rollback / e_promote`, from a twentieth to twenty; 1 where nothing was judged;
//! - and [`NOBODY`] stands for that none of them did it.
//!
//! The share of a weight in their sum is how much it is to blame. Not here: what is done about it.

use crate::id::At;
use crate::rollout::Event;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// The lag after which a release is less suspected by a factor of e.
pub const TAU_MS: u64 = 15 * 60_000;
/// The weight of that none of them did it.
pub const NOBODY: f64 = 0.05;
/// From this share on a release is guilty.
pub const GUILTY: f64 = 0.8;
/// How far its own judge can speak for or against a release.
const JUDGE_MAX: f64 = 20.0;
/// Calls that lie between at most.
const CALLS_MAX: u32 = 10;

/// Something abnormal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// The service where it is seen; none where it is seen everywhere.
    pub service: Option<String>,
    /// The place where it is seen, as an environment; none where nobody says.
    pub place: Option<String>,
    /// Since when.
    pub began: At,
}

/// A release under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Its name, as `pay/3`.
    pub release: String,
    /// Its service.
    pub service: String,
    /// Where it is rolled out; anywhere when none is named.
    pub place: Option<String>,
    /// When its share of users grew, and to how many basis points.
    pub growth: Vec<(At, u32)>,
    /// What its own judge has for a rollback and for a promotion, as e-values.
    pub evidence: Option<(f64, f64)>,
}

/// When a release's share of users grew, by its facts.
#[must_use]
pub fn growth(events: &[Event]) -> Vec<(At, u32)> {
    let (mut share, mut growth) = (0, vec![]);
    for event in events {
        if let Event::TrafficWanted { traffic, at, .. } = event {
            if traffic.candidate_bp > share {
                growth.push((*at, traffic.candidate_bp));
            }
            share = traffic.candidate_bp;
        }
    }
    growth
}

/// What was found of a release.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Its name.
    pub release: String,
    /// How much it is to blame, from 0 to 1; 0 where it cannot have done it.
    pub share: f64,
    /// Why, in words.
    pub why: Vec<String>,
}

/// What was found of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blame {
    /// The releases, the most suspected first.
    pub found: Vec<Found>,
}

impl Blame {
    /// The one that did it, where that can be told.
    #[must_use]
    pub fn guilty(&self) -> Option<&Found> {
        self.found.first().filter(|found| found.share >= GUILTY)
    }
}

/// Which of `suspects` did it. `calls` says which services each service calls.
#[must_use]
pub fn blame(symptom: &Symptom, suspects: &[Suspect], calls: &BTreeMap<String, Vec<String>>) -> Blame {
    let weighed: Vec<(&Suspect, Weight)> = suspects.iter().map(|s| (s, weight(symptom, s, calls))).collect();
    let sum: f64 = NOBODY + weighed.iter().filter_map(|(_, w)| w.as_ref().ok().map(|(w, _)| *w)).sum::<f64>();
    let of = |(suspect, weight): (&Suspect, Weight)| {
        let (share, why) = match weight {
            Ok((weight, why)) => (weight / sum, why),
            Err(why) => (0.0, vec![why]),
        };
        Found { release: suspect.release.clone(), share, why }
    };
    let mut found: Vec<Found> = weighed.into_iter().map(of).collect();
    found.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.release.cmp(&b.release)));
    Blame { found }
}

/// The weight of a release with its reasons, or why it cannot have done it.
type Weight = Result<(f64, Vec<String>), String>;

fn weight(symptom: &Symptom, suspect: &Suspect, calls: &BTreeMap<String, Vec<String>>) -> Weight {
    if let (Some(seen), Some(there)) = (&symptom.place, &suspect.place)
        && seen != there
    {
        return Err(format!("it is in {there}, and it was seen in {seen}"));
    }
    let grew = suspect.growth.iter().filter(|(at, bp)| *at <= symptom.began && *bp > 0).max_by_key(|(at, _)| *at);
    let Some((at, bp)) = grew else { return Err("no user had met it when it began".to_owned()) };
    let lag = symptom.began.since_ms(*at);
    let mut why = vec![format!("{} after its share grew to {} %", lasted(lag), f64::from(*bp) / 100.0)];
    let distance = match &symptom.service {
        None => 0,
        Some(seen) => match distance(seen, &suspect.service, calls) {
            None => return Err(format!("{seen} does not call {}, nor anything that does", suspect.service)),
            Some(0) => {
                why.push("it was seen there".to_owned());
                0
            }
            Some(d) => {
                why.push(if d == 1 { format!("{seen} calls it") } else { format!("{seen} calls what calls it, {d} calls away") });
                d
            }
        },
    };
    let judge = match suspect.evidence {
        Some((back, on)) if back.is_finite() && on.is_finite() && back > 0.0 && on > 0.0 => {
            let odds = (back / on).clamp(1.0 / JUDGE_MAX, JUDGE_MAX);
            why.push(format!("its own judge has {back:.1} for harm and {on:.1} against it"));
            odds
        }
        _ => 1.0,
    };
    let time = libm::exp(-(lag as f64) / TAU_MS as f64);
    Ok((time * libm::exp2(-f64::from(distance)) * judge, why))
}

/// How many calls lie from one service to another.
fn distance(from: &str, to: &str, calls: &BTreeMap<String, Vec<String>>) -> Option<u32> {
    let (mut queue, mut seen) = (VecDeque::from([(from, 0)]), vec![from]);
    while let Some((at, d)) = queue.pop_front() {
        if at == to {
            return Some(d);
        }
        for next in calls.get(at).into_iter().flatten().filter(|_| d < CALLS_MAX) {
            if !seen.contains(&next.as_str()) {
                seen.push(next);
                queue.push_back((next, d + 1));
            }
        }
    }
    None
}

fn lasted(ms: u64) -> String {
    if ms < 120_000 { format!("{} s", ms / 1_000) } else { format!("{} min", ms / 60_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn suspect(release: &str, grew: &[(i64, u32)], evidence: Option<(f64, f64)>) -> Suspect {
        let growth = grew.iter().map(|(minute, bp)| (At(minute * MINUTE), *bp)).collect();
        let service = release.split('/').next().unwrap().to_owned();
        Suspect { release: release.to_owned(), service, place: None, growth, evidence }
    }

    fn seen(service: &str, minute: i64) -> Symptom {
        Symptom { service: Some(service.to_owned()), place: None, began: At(minute * MINUTE) }
    }

    /// page -> ranker -> features; ads stands alone.
    fn calls() -> BTreeMap<String, Vec<String>> {
        [("page", "ranker"), ("ranker", "features"), ("features", "page")]
            .map(|(from, to)| (from.to_owned(), vec![to.to_owned()]))
            .into_iter()
            .collect()
    }

    #[test]
    fn the_one_that_it_depends_on_is_guilty_and_the_others_have_no_part() {
        let all = [suspect("ranker/3", &[(5, 500), (10, 2_500)], None), suspect("ads/2", &[(11, 2_500)], None)];
        let found = blame(&seen("page", 12), &all, &calls());
        assert_eq!(found.guilty().unwrap().release, "ranker/3");
        assert_eq!(found.found[0].why, ["2 min after its share grew to 25 %", "page calls it"]);
        assert_eq!((found.found[1].share, found.found[1].why[0].as_str()), (0.0, "page does not call ads, nor anything that does"));
        let alone = blame(&seen("page", 12), &all[..1], &calls());
        assert_eq!(alone.found[0], found.found[0], "one that cannot have done it changes nothing");
    }

    #[test]
    fn time_tells_two_of_one_service_apart() {
        let at = |minute| {
            blame(&seen("page", minute), &[suspect("page/1", &[(1, 500)], None), suspect("ranker/1", &[(60, 500)], None)], &calls())
        };
        assert_eq!(at(50).guilty(), None, "long ago, and nobody else: perhaps none of them");
        assert_eq!(at(50).found[1].why, ["no user had met it when it began"]);
        assert_eq!(at(61).guilty().unwrap().release, "ranker/1");
        assert_eq!(at(2).guilty().unwrap().release, "page/1");
    }

    #[test]
    fn where_it_cannot_be_told_nobody_is_guilty() {
        let both = [suspect("page/1", &[(10, 500)], None), suspect("page/2", &[(10, 500)], None)];
        let found = blame(&seen("page", 12), &both, &calls());
        assert_eq!(found.guilty(), None);
        assert!((found.found[0].share - found.found[1].share).abs() < 1e-12);
        // Their own judges tell.
        let judged = [suspect("page/1", &[(10, 500)], Some((9.0, 0.5))), suspect("page/2", &[(10, 500)], Some((0.2, 15.0)))];
        assert_eq!(blame(&seen("page", 12), &judged, &calls()).guilty().unwrap().release, "page/1");
        assert_eq!(blame(&seen("page", 12), &[], &calls()).guilty(), None);
        let broken = [suspect("page/1", &[(10, 500)], Some((f64::NAN, 0.0)))];
        assert!(blame(&seen("page", 12), &broken, &calls()).found[0].share.is_finite());
    }

    #[test]
    fn place_excludes_and_circles_end() {
        let mut far = suspect("features/1", &[(10, 500)], None);
        far.place = Some("eu".to_owned());
        let mut symptom = seen("page", 12);
        assert_eq!(blame(&symptom, std::slice::from_ref(&far), &calls()).found[0].why[1], "page calls what calls it, 2 calls away");
        symptom.place = Some("us".to_owned());
        assert_eq!(blame(&symptom, &[far], &calls()).found[0].why, ["it is in eu, and it was seen in us"]);
        assert_eq!(distance("page", "nowhere", &calls()), None);
    }

    #[test]
    fn shares_are_parts_of_one_whatever_the_order() {
        let all: Vec<Suspect> =
            (0..6).map(|n| suspect(&format!("page/{n}"), &[(n, 500), (2 * n, 900)], Some((1.0 + n as f64, 2.0)))).collect();
        let found = blame(&seen("page", 9), &all, &calls());
        let sum: f64 = found.found.iter().map(|f| f.share).sum();
        assert!(sum > 0.0 && sum < 1.0, "{sum}");
        let turned: Vec<Suspect> = all.into_iter().rev().collect();
        let again = blame(&seen("page", 9), &turned, &calls());
        for (a, b) in found.found.iter().zip(&again.found) {
            assert_eq!((&a.release, &a.why), (&b.release, &b.why));
            assert!((a.share - b.share).abs() < 1e-12);
        }
    }
}
