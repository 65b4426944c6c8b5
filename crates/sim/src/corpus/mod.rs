//! A corpus of releases whose truth is known: half of them faulty, each in one way of a catalogue, half healthy, each with one
//! disturbance that is no fault. Every one is carried out whole by the real machine, judge and driver: shadow, canary, watch.
//!
//! An alarm is a release that was rolled back, or held by the judge; a faulty one is missed when it ends released. The
//! measure is that of Gandalf ("Gandalf: an intelligent, end-to-end analytics service for safe deployment in large-scale cloud
//! infrastructure", NSDI 2020): precision of the alarms, and recall of the faults.

mod release;

use release::Ended;
use serde::{Deserialize, Serialize};
use tidegate_stats::rng::{Rng, mix};

/// What is wrong with a faulty release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// It fails several times as often.
    Errors,
    /// It fails where its predecessor never did.
    NewErrors,
    /// It refuses a rare kind of record.
    RefusesSome,
    /// It fails ever more often, the longer it runs.
    Leak,
    /// It fails in bursts of half a minute.
    Crashes,
    /// All of its answers are slower.
    Slow,
    /// A few of its answers are much slower.
    SlowTail,
    /// Its answers differ from what its own offline run gave.
    Skew,
    /// It decides otherwise far more often than was measured offline.
    Disagrees,
    /// It loses most of its failing requests before they are counted.
    Loses,
}

/// What disturbs a healthy release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Load, failures and latency of both arms drift together.
    Drift,
    /// Both arms fail more often for six minutes.
    Incident,
    /// Both arms are slower for six minutes.
    SlowBackend,
    /// It is cold in its first half minute.
    ColdStart,
    /// Nothing is counted for three minutes.
    Gap,
    /// It fails a little more often, as little as nobody minds.
    WithinSlack,
    /// It is better: faster, and fails less.
    Better,
    /// Neither arm ever fails.
    NoErrors,
    /// Traffic doubles and halves.
    Load,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 10] = [
        Defect::Errors,
        Defect::NewErrors,
        Defect::RefusesSome,
        Defect::Leak,
        Defect::Crashes,
        Defect::Slow,
        Defect::SlowTail,
        Defect::Skew,
        Defect::Disagrees,
        Defect::Loses,
    ];
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Disturbance; 10] = [
        Disturbance::None,
        Disturbance::Drift,
        Disturbance::Incident,
        Disturbance::SlowBackend,
        Disturbance::ColdStart,
        Disturbance::Gap,
        Disturbance::WithinSlack,
        Disturbance::Better,
        Disturbance::NoErrors,
        Disturbance::Load,
    ];
}

/// The truth about a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "truth", content = "kind", rename_all = "snake_case")]
pub enum Truth {
    /// It should not be released.
    Faulty(Defect),
    /// It should.
    Healthy(Disturbance),
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The truth.
    pub truth: Truth,
    /// Its seed.
    pub seed: u64,
    /// Requests a minute.
    pub per_minute: f64,
    /// Phase in which it ended, or stood when the time was over.
    pub ended: String,
    /// It was rolled back, or held by the judge.
    pub alarm: bool,
    /// It carries all traffic.
    pub released: bool,
    /// Minutes until then.
    pub minutes: f64,
    /// Requests of users that the candidate answered before the end.
    pub exposed: u64,
    /// What the judge said last.
    pub said: String,
}

/// What a corpus comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corpus {
    /// Each release.
    pub outcomes: Vec<Outcome>,
    /// Alarms that were about faulty releases, of all alarms.
    pub precision: f64,
    /// Faulty releases that were not released, of all of them.
    pub recall: f64,
    /// Healthy releases that carry all traffic, of all of them.
    pub released: f64,
}

/// The truths of `each` faulty and as many healthy releases, kinds in turn.
#[must_use]
pub fn truths(each: usize) -> Vec<Truth> {
    let faulty = Defect::ALL.iter().cycle().take(each).map(|defect| Truth::Faulty(*defect));
    let healthy = Disturbance::ALL.iter().cycle().take(each).map(|disturbance| Truth::Healthy(*disturbance));
    faulty.chain(healthy).collect()
}

/// Carries out one release.
#[must_use]
pub fn release(truth: Truth, seed: u64, number: usize) -> Outcome {
    let seed = mix(seed ^ mix(number as u64 + 1));
    let mut rng = Rng::new(seed);
    let per_minute = [600.0, 1_500.0, 6_000.0][rng.below(3) as usize];
    let Ended { phase, held, released, minutes, exposed, said } = release::carry_out(truth, per_minute, &mut rng);
    let rolled_back = ["rolled back", "aborted", "rolling back"].contains(&phase.as_str());
    Outcome { truth, seed, per_minute, alarm: rolled_back || held, released, ended: phase, minutes, exposed, said }
}

impl Corpus {
    /// The measures of all outcomes.
    #[must_use]
    pub fn of(outcomes: Vec<Outcome>) -> Corpus {
        let count = |which: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|o| which(o)).count() as f64;
        let faulty = |o: &Outcome| matches!(o.truth, Truth::Faulty(_));
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let (alarms, hits) = (count(&|o| o.alarm), count(&|o| o.alarm && faulty(o)));
        let (all_faulty, missed) = (count(&faulty), count(&|o| faulty(o) && o.released));
        let (healthy, released) = (count(&|o| !faulty(o)), count(&|o| !faulty(o) && o.released));
        Corpus {
            precision: share(hits, alarms),
            recall: share(all_faulty - missed, all_faulty),
            released: share(released, healthy),
            outcomes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_and_healthy_releases_go_through() {
        let all: Vec<Outcome> = truths(10).into_iter().enumerate().map(|(number, truth)| release(truth, 11, number)).collect();
        let corpus = Corpus::of(all);
        let told = |o: &Outcome| format!("{:?} {} {:.0} min: {}", o.truth, o.ended, o.minutes, o.said);
        let wrong: Vec<String> = corpus.outcomes.iter().filter(|o| o.alarm != matches!(o.truth, Truth::Faulty(_))).map(told).collect();
        assert!(corpus.recall >= 0.99 && corpus.precision >= 0.9 && corpus.released >= 0.9, "{corpus:?}\n{}", wrong.join("\n"));
        assert_eq!(release(Truth::Faulty(Defect::Errors), 5, 1), release(Truth::Faulty(Defect::Errors), 5, 1));
    }

    #[test]
    fn measures_are_of_alarms_and_of_faults() {
        let outcome = |truth, alarm, released| Outcome {
            truth,
            seed: 0,
            per_minute: 0.0,
            ended: String::new(),
            alarm,
            released,
            minutes: 0.0,
            exposed: 0,
            said: String::new(),
        };
        let (bad, good) = (Truth::Faulty(Defect::Errors), Truth::Healthy(Disturbance::None));
        let corpus =
            Corpus::of(vec![outcome(bad, true, false), outcome(bad, false, true), outcome(good, true, false), outcome(good, false, true)]);
        assert_eq!((corpus.precision, corpus.recall, corpus.released), (0.5, 0.5, 0.5));
        assert_eq!(Corpus::of(vec![]).precision, 0.0);
    }
}
