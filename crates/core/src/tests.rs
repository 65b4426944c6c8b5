//! Results of tests over time: which are flaky, how likely, and what to do about them.
//!
//! A test is flaky when the same code gives both outcomes. Where that was not seen, Bayes' rule weighs two laws: a steady
//! test has one outcome for each revision (it fails at a share [`BROKEN_RATE`] of them); a flaky one fails each time by
//! itself with an unknown rate, uniform before anything was seen, so that k failures in n runs have the beta-binomial
//! chance 1 / ((n + 1) C(n, k)). The share of flaky tests beforehand, [`FLAKY_SHARE`], is the one that Google reports
//! of its own (J. Micco, "Flaky Tests at Google and How We Mitigate Them", 2016: almost 16 %). Not here: reading reports.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_stats::confidence::clopper_pearson;
use tidegate_stats::special::ln_choose;

/// Share of tests that are flaky, before anything is known of one.
pub const FLAKY_SHARE: f64 = 0.16;
/// Share of revisions at which a steady test fails.
pub const BROKEN_RATE: f64 = 0.02;
/// From this chance on a test is advised to be quarantined.
pub const QUARANTINE_AT: f64 = 0.95;
/// Confidence of the interval of the failure rate.
const CONFIDENCE: f64 = 0.95;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// What it asserts does not hold.
    Failed,
    /// It could not be carried out.
    Errored,
    /// It was not run.
    Skipped,
}

/// One run of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// Its name with its place.
    pub test: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What it said when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The runs of one report, on one state of the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRun {
    /// The state of the code: results of the same one can be compared.
    pub code: String,
    /// Digest of the report, so that the same one counts once.
    pub report: String,
    /// Its results.
    pub results: Vec<TestResult>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Nothing.
    Keep,
    /// Run it again at the same code, to learn more.
    Rerun,
    /// Take it out of what blocks, and mend it.
    Quarantine,
    /// It fails whenever it runs on the newest code: mend the code.
    Mend,
}

/// What is known of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestHistory {
    /// The test.
    pub test: String,
    /// Runs that passed or failed.
    pub runs: u64,
    /// Those that failed.
    pub failures: u64,
    /// States of the code with both outcomes.
    pub mixed: u64,
    /// The chance that it is flaky.
    pub flaky: f64,
    /// Bounds of its failure rate on code where both outcomes were seen; none when there is none.
    pub failure_rate: Option<(f64, f64)>,
    /// What to do.
    pub advice: Advice,
}

/// Every test of a history, oldest run first; the likeliest flaky ones come first.
#[must_use]
pub fn histories(runs: &[TestRun]) -> Vec<TestHistory> {
    // By test, the codes in order of their first run, each with runs and failures.
    let mut tests: BTreeMap<&str, Vec<(&str, u64, u64)>> = BTreeMap::new();
    for run in runs {
        for result in &run.results {
            let failed = match result.outcome {
                Outcome::Passed => 0,
                Outcome::Failed | Outcome::Errored => 1,
                Outcome::Skipped => continue,
            };
            let codes = tests.entry(&result.test).or_default();
            match codes.iter_mut().rev().find(|c| c.0 == run.code) {
                Some(code) => (code.1, code.2) = (code.1 + 1, code.2 + failed),
                None => codes.push((&run.code, 1, failed)),
            }
        }
    }
    let mut found: Vec<TestHistory> = tests.into_iter().map(|(test, codes)| history(test, &codes)).collect();
    found.sort_by(|a, b| b.flaky.total_cmp(&a.flaky).then_with(|| a.test.cmp(&b.test)));
    found
}

fn history(test: &str, codes: &[(&str, u64, u64)]) -> TestHistory {
    let sum = |pick: fn(&(&str, u64, u64)) -> u64| codes.iter().map(pick).sum::<u64>();
    let (runs, failures) = (sum(|c| c.1), sum(|c| c.2));
    let mixed: Vec<_> = codes.iter().filter(|c| c.2 > 0 && c.2 < c.1).collect();
    let flaky = if mixed.is_empty() { flaky_chance(codes, runs, failures) } else { 1.0 };
    let failure_rate =
        (!mixed.is_empty()).then(|| clopper_pearson(mixed.iter().map(|c| c.1).sum(), mixed.iter().map(|c| c.2).sum(), CONFIDENCE));
    let newest_fails = codes.last().is_some_and(|c| c.2 == c.1);
    let advice = match () {
        () if flaky >= QUARANTINE_AT => Advice::Quarantine,
        () if newest_fails && codes.last().is_some_and(|c| c.1 > 1) => Advice::Mend,
        () if failures > 0 && flaky >= 0.5 || newest_fails => Advice::Rerun,
        () => Advice::Keep,
    };
    TestHistory { test: test.to_owned(), runs, failures, mixed: mixed.len() as u64, flaky, failure_rate, advice }
}

/// Bayes' rule where no code has both outcomes.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn flaky_chance(codes: &[(&str, u64, u64)], runs: u64, failures: u64) -> f64 {
    let flaky = -libm::log(runs as f64 + 1.0) - ln_choose(runs, failures);
    let outcome = |code: &(&str, u64, u64)| libm::log(if code.2 > 0 { BROKEN_RATE } else { 1.0 - BROKEN_RATE });
    let steady: f64 = codes.iter().map(outcome).sum();
    let odds = FLAKY_SHARE / (1.0 - FLAKY_SHARE) * libm::exp(flaky - steady);
    if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
}

#[cfg(test)]
mod checks {
    use super::*;

    fn run(code: &str, outcomes: &[(&str, Outcome)]) -> TestRun {
        let results =
            outcomes.iter().map(|(t, o)| TestResult { test: (*t).to_owned(), outcome: *o, seconds: None, message: None }).collect();
        TestRun { code: code.to_owned(), report: String::new(), results }
    }

    fn of<'a>(found: &'a [TestHistory], test: &str) -> &'a TestHistory {
        found.iter().find(|h| h.test == test).unwrap()
    }

    #[test]
    fn both_outcomes_of_one_code_are_flaky_for_certain() {
        use Outcome::{Failed, Passed, Skipped};
        let runs = [
            run("a", &[("flaky", Passed), ("steady", Passed), ("broken", Passed), ("idle", Skipped)]),
            run("a", &[("flaky", Failed), ("steady", Passed), ("broken", Passed)]),
            run("b", &[("flaky", Passed), ("steady", Passed), ("broken", Failed)]),
            run("b", &[("flaky", Passed), ("steady", Passed), ("broken", Failed)]),
        ];
        let found = histories(&runs);
        assert_eq!((of(&found, "flaky").flaky, of(&found, "flaky").advice), (1.0, Advice::Quarantine));
        assert_eq!((of(&found, "steady").failures, of(&found, "steady").advice), (0, Advice::Keep));
        assert!(of(&found, "steady").flaky < FLAKY_SHARE, "each pass makes it less likely");
        assert_eq!(of(&found, "broken").advice, Advice::Mend, "{found:?}");
        assert!(found.iter().all(|h| h.test != "idle"), "what never ran says nothing");
        let (low, high) = of(&found, "flaky").failure_rate.unwrap();
        assert!(low < 0.5 && 0.5 < high);
    }

    #[test]
    fn outcomes_that_change_with_every_code_make_flakiness_likely() {
        let alternating: Vec<TestRun> =
            (0..20).map(|i| run(&i.to_string(), &[("t", if i % 3 == 0 { Outcome::Failed } else { Outcome::Passed })])).collect();
        let once: Vec<TestRun> =
            (0..20).map(|i| run(&i.to_string(), &[("t", if i == 7 { Outcome::Failed } else { Outcome::Passed })])).collect();
        let chance = |runs: &[TestRun]| of(&histories(runs), "t").flaky;
        assert!(chance(&alternating) > 0.99, "{}", chance(&alternating));
        assert!(chance(&once) < 0.5, "{}", chance(&once));
    }
}
