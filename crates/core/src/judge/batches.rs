//! Labels that come in batches: a group-sequential judgement of a mean or a share, up to a planned number of labels.
//!
//! Not here: how labels are joined to their requests.

use super::verdict::Verdict;
use serde::{Deserialize, Serialize};
use tidegate_stats::groups::{LOOKS_MAX, Looks, Spending};
use tidegate_stats::special::normal_quantile;
use tidegate_stats::tails::student_two_sided;

/// Labels of both arms in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Of the candidate.
    pub candidate: Moments,
    /// Of the control.
    pub control: Moments,
}

/// What is kept of the labels of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Labels.
    pub n: u64,
    /// Their mean; of shares, the part of them that is 1.
    pub mean: f64,
    /// The sum of squares of their distances from the mean.
    pub squares: f64,
}

impl Moments {
    /// Of `hits` among `n` labels that are 0 or 1.
    #[must_use]
    pub fn of_share(n: u64, hits: u64) -> Moments {
        let mean = if n == 0 { 0.0 } else { hits as f64 / n as f64 };
        Moments { n, mean, squares: hits as f64 * (1.0 - mean) }
    }

    /// With one label more.
    #[must_use]
    pub fn with(self, label: f64) -> Moments {
        self.plus(Moments { n: 1, mean: label, squares: 0.0 })
    }

    /// Both together (Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37,
    /// 1983): sums of raw squares would lose what large means leave of them.
    fn plus(self, more: Moments) -> Moments {
        let n = self.n.saturating_add(more.n);
        if more.n == 0 || self.n == 0 {
            return if more.n == 0 { self } else { more };
        }
        let (own, all, apart) = (self.n as f64, n as f64, more.mean - self.mean);
        let part = more.n as f64 / all;
        Moments { n, mean: self.mean + apart * part, squares: self.squares + more.squares + apart * apart * own * part }
    }

    /// The mean that is judged, and its variance.
    fn judged(self, shares: bool) -> (f64, f64) {
        let n = self.n as f64;
        if shares {
            // One more of each kind: without it an arm without a single failure would be taken for certain (Agresti and Caffo,
            // "Simple and effective confidence intervals for proportions", The American Statistician 54, 2000).
            let p = (self.mean * n + 1.0) / (n + 2.0);
            return (p, p * (1.0 - p) / (n + 2.0));
        }
        (self.mean, self.squares.max(0.0) / (n - 1.0) / n)
    }
}

/// What harm means, and how many labels are planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchSettings {
    /// Chance that a harmless candidate is called harmful at any of the looks.
    pub alpha: f64,
    /// Chance that a harmful one is called harmless at any of them.
    pub beta: f64,
    /// Worse by no more than this is harmless, in the unit of the labels.
    pub slack: f64,
    /// Worse by this much is harmful.
    pub harm_slack: f64,
    /// Whether smaller values are worse.
    pub lower_is_worse: bool,
    /// Labels of each arm that are planned: by then all of alpha and beta is spent.
    pub planned: u64,
    /// Spend chances evenly over the looks, and not mostly on the last ones.
    pub spend_evenly: bool,
    /// Labels are 0 or 1.
    pub shares: bool,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Labels so far: candidate, control.
    pub labels: (u64, u64),
    /// Share of the planned labels.
    pub information: f64,
    /// How much worse the candidate is, in the unit of the labels.
    pub worse_by: Option<f64>,
    /// Its standard error.
    pub error: Option<f64>,
    /// Standard errors above the line of what is harmless, and what was needed for a rollback.
    pub harm: Option<(f64, f64)>,
    /// Standard errors below the line of what is harmful, and what was needed for a promotion.
    pub harmless: Option<(f64, f64)>,
}

/// What batches come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchAssessment {
    /// The verdict: the first that was reached, or what the last look leaves.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The look, from 1, that decided.
    pub decided_at: Option<u64>,
    /// All looks, also those after the decision.
    pub looks: Vec<Look>,
    /// One sentence.
    pub summary: String,
}

/// What is wrong with settings or batches.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BatchError {
    /// Chances, lines or the plan.
    #[error("{0}")]
    Settings(&'static str),
    /// A batch that cannot be.
    #[error("batch {batch}: {problem}")]
    Batch {
        /// Which, from 1.
        batch: u64,
        /// What cannot be.
        problem: &'static str,
    },
    /// Too many.
    #[error("{0} batches: at most {LOOKS_MAX} looks are taken; put batches together, or judge the labels as counts, at each request")]
    Many(usize),
}

fn check(settings: &BatchSettings, batches: &[Batch]) -> Result<(), BatchError> {
    let chance = |x: f64| x > 0.0 && x < 0.5;
    let wrong = match () {
        () if !chance(settings.alpha) || !chance(settings.beta) => Some("alpha and beta are chances between 0 and 0.5"),
        () if !(settings.slack.is_finite() && settings.harm_slack.is_finite() && settings.harm_slack > settings.slack) => {
            Some("harmful is worse by more than harmless: give a harm above the slack")
        }
        () if settings.planned < 2 => Some("at least 2 labels of each arm must be planned"),
        () => None,
    };
    if let Some(wrong) = wrong {
        return Err(BatchError::Settings(wrong));
    }
    if batches.len() > LOOKS_MAX {
        return Err(BatchError::Many(batches.len()));
    }
    for (number, batch) in (1..).zip(batches) {
        for arm in [batch.candidate, batch.control] {
            let problem = match () {
                () if !arm.mean.is_finite() || !arm.squares.is_finite() => Some("a mean or a spread is not a number"),
                () if arm.n == 0 && (arm.mean != 0.0 || arm.squares != 0.0) => Some("a mean of no labels"),
                () if settings.shares && !(0.0..=1.0).contains(&arm.mean) => Some("more labels are 1 than there are"),
                () if arm.squares < 0.0 => Some("a spread is negative"),
                () => None,
            };
            if let Some(problem) = problem {
                return Err(BatchError::Batch { batch: number, problem });
            }
        }
    }
    Ok(())
}

/// Judges batches in the order in which they came, looking after each.
///
/// # Errors
/// For settings and batches that cannot be.
pub fn judge_batches(settings: &BatchSettings, batches: &[Batch]) -> Result<BatchAssessment, BatchError> {
    check(settings, batches)?;
    let spending = if settings.spend_evenly { Spending::Even } else { Spending::Late };
    let (mut up, mut down) = (Looks::new(settings.alpha, spending), Looks::new(settings.beta, spending));
    let mut so_far = Batch::default();
    let mut looks = Vec::with_capacity(batches.len());
    for batch in batches {
        so_far = Batch { candidate: so_far.candidate.plus(batch.candidate), control: so_far.control.plus(batch.control) };
        looks.push(look(settings, so_far, &mut up, &mut down));
    }
    let decision = looks.iter().enumerate().find_map(|(i, look)| Some((i, ruling(look)?)));
    let verdict = match (&decision, looks.last()) {
        (Some((_, verdict)), _) => verdict.clone(),
        (None, None) => Verdict::NoTelemetry,
        (None, Some(last)) if last.labels == (0, 0) => Verdict::NoTelemetry,
        (None, Some(last)) if last.information < 1.0 && last.error.is_some() => Verdict::Continue,
        (None, Some(_)) => Verdict::InsufficientEvidence { eta_ms: None },
    };
    let decided_at = decision.map(|(i, _)| i as u64 + 1);
    let summary = summary(settings, &verdict, decided_at, &looks);
    Ok(BatchAssessment { verdict, decided_at, looks, summary })
}

fn look(settings: &BatchSettings, so_far: Batch, up: &mut Looks, down: &mut Looks) -> Look {
    let (one, zero) = (so_far.candidate, so_far.control);
    // Two arms of different size tell as much as two equal ones of their harmonic mean.
    let (n1, n0) = (one.n as f64, zero.n as f64);
    let effective = if one.n == 0 || zero.n == 0 { 0.0 } else { 2.0 * n1 * n0 / (n1 + n0) };
    let gained = effective / settings.planned as f64;
    let information = gained.min(1.0);
    let empty = Look { labels: (one.n, zero.n), information, worse_by: None, error: None, harm: None, harmless: None };
    if one.n < 2 || zero.n < 2 {
        return empty;
    }
    let sign = if settings.lower_is_worse { -1.0 } else { 1.0 };
    let worse_by = sign * (one.mean - zero.mean);
    let ((mean1, v1), (mean0, v0)) = (one.judged(settings.shares), zero.judged(settings.shares));
    let error = libm::sqrt(v1 + v0);
    // Without any spread there is nothing to hold a difference against.
    if !(error > 0.0 && error.is_finite()) {
        return Look { worse_by: Some(worse_by), ..empty };
    }
    // Welch's degrees of freedom: few labels of an unknown spread say less than a normal variable would.
    let freedom = (v1 + v0) * (v1 + v0) / (v1 * v1 / (n1 - 1.0) + v0 * v0 / (n0 - 1.0));
    let judged = sign * (mean1 - mean0);
    let z = |distance: f64| if settings.shares { distance / error } else { as_normal(distance / error, freedom) };
    let harm = up.look(gained).map(|needs| (z(judged - settings.slack), needs));
    let harmless = down.look(gained).map(|needs| (z(settings.harm_slack - judged), needs));
    Look { worse_by: Some(worse_by), error: Some(error), harm, harmless, ..empty }
}

/// The normal score that is as unlikely as a t of so many degrees of freedom.
fn as_normal(t: f64, freedom: f64) -> f64 {
    let z = -normal_quantile(0.5 * student_two_sided(libm::fabs(t), freedom));
    if z.is_finite() { libm::copysign(z, t) } else { t }
}

/// What a look decides; harm comes first.
fn ruling(look: &Look) -> Option<Verdict> {
    let crossed = |reached: Option<(f64, f64)>| reached.is_some_and(|(z, needs)| z >= needs);
    match () {
        () if crossed(look.harm) => Some(Verdict::Rollback),
        () if crossed(look.harmless) => Some(Verdict::Promote),
        () => None,
    }
}

fn summary(settings: &BatchSettings, verdict: &Verdict, decided_at: Option<u64>, looks: &[Look]) -> String {
    let at = decided_at.and_then(|n| looks.get(n as usize - 1)).or(looks.last());
    let Some((worse_by, error)) = at.and_then(|look| look.worse_by.zip(look.error)) else {
        return "No two arms with labels that differ among themselves: nothing can be compared yet.".to_owned();
    };
    let seen = format!("The candidate is worse by {worse_by:.5} (standard error {error:.5})");
    let lines = format!("up to {} is harmless, from {} harmful", settings.slack, settings.harm_slack);
    match (verdict, decided_at) {
        (Verdict::Rollback | Verdict::Promote, Some(n)) => format!("{seen} at look {n}; {lines}."),
        (Verdict::Continue, _) => {
            let left = settings.planned.saturating_sub((at.map_or(0.0, |look| look.information) * settings.planned as f64) as u64);
            format!("{seen}; {lines}; {left} labels of each arm are still planned.")
        }
        _ => format!("{seen} after all planned labels; {lines}: it lies between, or more labels are needed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BatchSettings {
        BatchSettings {
            alpha: 0.01,
            beta: 0.05,
            slack: 0.0,
            harm_slack: 0.02,
            lower_is_worse: false,
            planned: 5_000,
            spend_evenly: false,
            shares: true,
        }
    }

    fn shares(candidate: (u64, u64), control: (u64, u64)) -> Batch {
        Batch { candidate: Moments::of_share(candidate.0, candidate.1), control: Moments::of_share(control.0, control.1) }
    }

    #[test]
    fn a_worse_arm_is_rolled_back_and_an_equal_one_promoted_early() {
        let worse = judge_batches(&settings(), &[shares((1000, 140), (1000, 100)); 5]).unwrap();
        assert_eq!((worse.verdict.clone(), worse.decided_at), (Verdict::Rollback, Some(3)), "{worse:?}");
        let equal = judge_batches(&settings(), &[shares((1000, 30), (1000, 30)); 5]).unwrap();
        assert_eq!((equal.verdict.clone(), equal.decided_at), (Verdict::Promote, Some(2)), "{equal:?}");
        let between = judge_batches(&settings(), &[shares((1000, 110), (1000, 100)); 5]).unwrap();
        assert!(matches!(between.verdict, Verdict::InsufficientEvidence { .. }), "{between:?}");
        let early = judge_batches(&settings(), &[shares((1000, 110), (1000, 100)); 2]).unwrap();
        assert_eq!(early.verdict, Verdict::Continue);
        assert!(early.summary.contains("3000 labels of each arm are still planned"), "{}", early.summary);
    }

    #[test]
    fn means_are_compared_by_their_spread_and_in_the_direction_that_is_worse() {
        let arm = |mean: f64| Moments { n: 500, mean, squares: 500.0 * 4.0 };
        let batch = |candidate, control| Batch { candidate: arm(candidate), control: arm(control) };
        let money = BatchSettings { shares: false, lower_is_worse: true, slack: 0.1, harm_slack: 0.5, planned: 2_000, ..settings() };
        let less = judge_batches(&money, &[batch(9.3, 10.0); 4]).unwrap();
        assert_eq!(less.verdict, Verdict::Rollback, "{less:?}");
        assert!((less.looks[0].error.unwrap() - libm::sqrt(2.0 * 4.0 / 499.0)).abs() < 1e-9);
        assert_eq!(judge_batches(&money, &[batch(10.0, 10.0); 4]).unwrap().verdict, Verdict::Promote);
    }

    #[test]
    fn few_labels_do_not_cross_more_often_than_they_may() {
        // Every outcome of 20 and 20 labels with equal rates of a half: the chance of a rollback by the last look.
        let small = BatchSettings { planned: 20, ..settings() };
        let chance = |k: u64| libm::exp(tidegate_stats::special::ln_choose(20, k) - 20.0 * libm::log(2.0));
        let crosses = |a, b| judge_batches(&small, &[shares((20, a), (20, b))]).unwrap().verdict == Verdict::Rollback;
        let all: f64 =
            (0..=20).flat_map(|a| (0..=20).map(move |b| (a, b))).filter(|(a, b)| crosses(*a, *b)).map(|(a, b)| chance(a) * chance(b)).sum();
        assert!(all < 0.012 && all > 0.001, "{all}");
        // Two labels an arm: a t of two degrees of freedom is no normal score.
        assert!((as_normal(3.58, 2.0) - 1.81).abs() < 0.03 && as_normal(-3.58, 2.0) < 0.0, "{}", as_normal(3.58, 2.0));
    }

    #[test]
    fn moments_are_put_together_without_loss() {
        let values = [1e8 + 1.0, 1e8 + 2.0, 1e8 + 4.0, 1e8 + 5.0];
        let one = values.iter().fold(Moments::default(), |m, v| m.with(*v));
        assert!((one.mean - (1e8 + 3.0)).abs() < 1e-6 && (one.squares - 10.0).abs() < 1e-6, "{one:?}");
        assert_eq!(Moments::of_share(2, 1).plus(Moments::of_share(2, 1)), Moments::of_share(4, 2));
    }

    #[test]
    fn nothing_to_compare_is_never_a_pass() {
        let judged = |batches: &[Batch]| judge_batches(&settings(), batches).unwrap().verdict;
        assert_eq!(judged(&[]), Verdict::NoTelemetry);
        assert_eq!(judged(&[shares((0, 0), (0, 0)); 3]), Verdict::NoTelemetry);
        assert!(matches!(judged(&[shares((9000, 0), (0, 0)); 3]), Verdict::InsufficientEvidence { .. }));
        let constant = Moments { n: 9000, mean: 1.0, squares: 0.0 };
        let still = BatchSettings { shares: false, ..settings() };
        let same = judge_batches(&still, &[Batch { candidate: constant, control: constant }]).unwrap();
        assert!(matches!(same.verdict, Verdict::InsufficientEvidence { .. }), "{same:?}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |settings: BatchSettings, batch| judge_batches(&settings, &[batch]).unwrap_err().to_string();
        let good = shares((10, 1), (10, 1));
        assert!(refused(BatchSettings { alpha: 0.7, ..settings() }, good).contains("alpha and beta"));
        assert!(refused(BatchSettings { slack: 0.03, ..settings() }, good).contains("harm above the slack"));
        assert!(refused(settings(), shares((10, 11), (10, 1))).contains("batch 1: more labels are 1"));
        let nan = Batch { candidate: Moments { n: 1, mean: f64::NAN, squares: 0.0 }, ..good };
        assert!(refused(settings(), nan).contains("not a number"));
        let many = judge_batches(&settings(), &vec![good; LOOKS_MAX + 1]).unwrap_err();
        assert!(many.to_string().contains("at most 200 looks"), "{many}");
    }
}
