//! What is known of each variant against control, at any time that somebody looks.
//!
//! Of k variants beside control each is given alpha/k, half of it for each direction (Bonferroni's correction, on e-values): the
//! chance that any interval of any of them ever misses is at most alpha, at all looks together. An average of e-values would find
//! that some variant differs and not say which; e-BH would say which with a share of false ones, and leave their intervals too short.

use super::clients::{Entered, Taken};
use super::machine::Test;
use super::spec::{Better, CONTROL, Variant};
use crate::id::At;
use serde::{Deserialize, Serialize};
use tidegate_stats::betting::Difference;
use tidegate_stats::eprocess::{RateProcess, Side as Of, Sides};

/// Chance that clients who were drawn as they should be are said not to be, over all variants.
const MISMATCH_ALPHA: f64 = 0.001;

/// What is said of a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It is better than control.
    Better,
    /// It is worse.
    Worse,
    /// It differs by less than what would be worth having.
    NoDifferenceWorth,
    /// Neither is known.
    NotYet {
        /// How many more clients it takes, about, if what is seen so far is true; none where that cannot be told.
        more: Option<u64>,
        /// How long these take at the present rate.
        eta_ms: Option<u64>,
    },
    /// Clients are not split as they were drawn, so the comparison means nothing.
    NotTrusted {
        /// In a sentence.
        why: String,
    },
}

impl Verdict {
    /// As people read it.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Verdict::Better => "better than control",
            Verdict::Worse => "worse than control",
            Verdict::NoDifferenceWorth => "no difference worth having",
            Verdict::NotYet { .. } => "not yet known",
            Verdict::NotTrusted { .. } => "not trusted",
        }
    }
}

/// One side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The variant.
    pub variant: String,
    /// Its version.
    pub version: String,
    /// Clients that entered.
    pub entered: u64,
    /// Those whose outcome is final and counts.
    pub counted: u64,
    /// Their mean outcome, in units of the metric.
    pub mean: Option<f64>,
}

/// A variant against control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The variant.
    pub variant: String,
    /// What is said of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Its clients that were compared.
    pub clients: u64,
    /// Control's clients that they were compared with.
    pub control_clients: u64,
    /// Mean of the variant less mean of control, in units of the metric.
    pub difference: Option<f64>,
    /// Lower end of the interval that holds at all looks together.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Evidence against "not better".
    pub e_better: f64,
    /// Evidence against "not worse".
    pub e_worse: f64,
    /// What either must reach.
    pub needs: f64,
    /// Evidence that clients are not split as they were drawn.
    pub e_mismatch: f64,
    /// What that must reach.
    pub needs_mismatch: f64,
    /// When the variant was stopped: clients count up to then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<At>,
}

/// A look at a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// When.
    pub at: At,
    /// Confidence of all intervals together.
    pub confidence: f64,
    /// Every variant.
    pub sides: Vec<Side>,
    /// Each beside control.
    pub comparisons: Vec<Comparison>,
}

impl Findings {
    /// Whether a variant needs no more clients.
    #[must_use]
    pub fn is_decided(&self, variant: &str) -> bool {
        let decided = |c: &Comparison| matches!(c.verdict, Verdict::Better | Verdict::Worse | Verdict::NoDifferenceWorth);
        self.comparisons.iter().any(|c| c.variant == variant && decided(c))
    }
}

/// What is known of a test at `now`; `taken` are its clients in the order in which they entered.
#[must_use]
pub fn findings(test: &Test, taken: &[Taken], now: At) -> Findings {
    let spec = &test.spec;
    let side = |(index, variant): (usize, &Variant)| {
        let until = test.stopped(&variant.name).map_or(now, |(_, at)| at.min(now));
        let (mut entered, mut steps, mut counted) = (0, 0_u64, 0);
        for client in taken.iter().filter(|c| c.variant == index) {
            entered += 1;
            if let Some(step) = client.step.filter(|_| client.final_at <= until) {
                (steps, counted) = (steps + u64::from(step), counted + 1);
            }
        }
        let part = (counted > 0).then(|| steps as f64 / (counted as f64 * f64::from(tidegate_stats::betting::STEPS)));
        let mean = part.map(|part| spec.metric.min + part * spec.metric.range());
        Side { variant: variant.name.clone(), version: variant.version.clone(), entered, counted, mean }
    };
    let sides = spec.variants.iter().enumerate().map(side).collect();
    let comparisons = spec.treatments().map(|variant| compare(test, variant, taken, now)).collect();
    Findings { at: now, confidence: 1.0 - spec.alpha, sides, comparisons }
}

fn compare(test: &Test, variant: &Variant, taken: &[Taken], now: At) -> Comparison {
    let spec = &test.spec;
    let each = spec.treatments().count().max(1) as f64;
    let (alpha, share) = (spec.alpha / each, spec.share_against_control(variant));
    let stopped = test.stopped(&variant.name).map(|(_, at)| at);
    let until = stopped.map_or(now, |at| at.min(now));
    let index = |name: &str| spec.variants.iter().position(|v| v.name == name);
    let (own, control) = (index(&variant.name), index(CONTROL));
    let mut difference = Difference::new(share);
    let (mut of, mut of_control) = (Entered::default(), Entered::default());
    for client in taken.iter().filter(|c| Some(c.variant) == own || Some(c.variant) == control) {
        let treated = Some(client.variant) == own;
        // Who entered after a stop was drawn for control alone.
        if client.entered > until {
            continue;
        }
        let side = if treated { &mut of } else { &mut of_control };
        side.entered += 1;
        if let Some(step) = client.step.filter(|_| client.final_at <= until) {
            side.counted += 1;
            difference.observe(treated, step);
        }
    }
    let range = spec.metric.range();
    let band = difference.band(1.0 - alpha);
    let (low, high) = (band.low * range, band.high.unwrap_or(1.0) * range);
    let (up, down) = (difference.e(0.0, Of::Above), difference.e(0.0, Of::Below));
    let (e_better, e_worse) = if spec.metric.better == Better::Higher { (up, down) } else { (down, up) };
    let mismatch = |variant: u64, control: u64| {
        let mut process = RateProcess::new(share, Sides::Both);
        process.observe(variant + control, variant, 1.0);
        process.e()
    };
    let (drawn, kept) = (mismatch(of.entered, of_control.entered), mismatch(of.counted, of_control.counted));
    let mut found = Comparison {
        variant: variant.name.clone(),
        verdict: Verdict::NotYet { more: None, eta_ms: None },
        clients: of.counted,
        control_clients: of_control.counted,
        difference: band.estimate.map(|d| d * range),
        low,
        high,
        e_better,
        e_worse,
        needs: 2.0 / alpha,
        e_mismatch: drawn.max(kept),
        // Both counts of each variant.
        needs_mismatch: 2.0 * each / MISMATCH_ALPHA,
        stopped,
    };
    let which = if drawn >= kept { ("entered", of.entered, of_control.entered) } else { ("have outcomes", of.counted, of_control.counted) };
    found.verdict = verdict(test, &found, (share, which), now);
    found
}

fn verdict(test: &Test, found: &Comparison, (share, which): (f64, (&str, u64, u64)), now: At) -> Verdict {
    let worth = test.spec.min_effect;
    if found.e_mismatch >= found.needs_mismatch {
        let (what, own, control) = which;
        let part = own as f64 / (own + control).max(1) as f64;
        let why = format!(
            "{own} clients of it and {control} of control {what}: {:.1}% where {:.1}% were drawn: what loses clients may lose those who would differ",
            100.0 * part,
            100.0 * share
        );
        return Verdict::NotTrusted { why };
    }
    // Too small to be worth having, however surely it is there.
    if found.low >= -worth && found.high <= worth {
        return Verdict::NoDifferenceWorth;
    }
    if found.e_better >= found.needs {
        return Verdict::Better;
    }
    if found.e_worse >= found.needs {
        return Verdict::Worse;
    }
    outlook(test, found, now)
}

/// How far it is to a decision: an interval of n clients has a width of about 1 over the root of n.
fn outlook(test: &Test, found: &Comparison, now: At) -> Verdict {
    let seen = found.clients + found.control_clients;
    let none = Verdict::NotYet { more: None, eta_ms: None };
    let (Some(d), Some(since)) = (found.difference, test.since()) else { return none };
    let half = 0.5 * (found.high - found.low);
    let needed = d.abs().max(test.spec.min_effect - d.abs());
    let ratio = half / needed;
    if found.stopped.is_some() || !ratio.is_finite() || half >= 0.99 * test.spec.metric.range() {
        return none;
    }
    let more = (seen as f64 * (ratio * ratio - 1.0)).max(1.0);
    let per_ms = seen as f64 / now.since_ms(since).max(1) as f64;
    Verdict::NotYet { more: Some(more as u64), eta_ms: Some((more / per_ms) as u64) }
}
