//! Evidence of a metric that is measured elsewhere: one value of candidate and one of control an interval, judged as pairs.
//!
//! The process is that of [`super::judge_series`]; here it goes on tick by tick and shares alpha with the other guardrails.

use super::beside::MetricPair;
use super::evidence::{Mode, Tick};
use super::guardrails::BAND_CONFIDENCE;
use super::series::{PAIRS_MAX, SeriesSettings};
use super::settings::{Guardrail, Metric};
use super::verdict::ValuesSeen;
use serde::{Deserialize, Serialize};
use tidegate_stats::eprocess::Side;
use tidegate_stats::paired::{PairedProcess, Spread, band};

/// The two e-values and what they were made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Values {
    settings: SeriesSettings,
    pub(super) rollback: PairedProcess,
    pub(super) promote: PairedProcess,
    spread: Spread,
    /// Differences, and the scale that each was held against.
    seen: Vec<(f64, f64)>,
    pub(super) pairs: u64,
    pub(super) missing: u64,
    /// Askings in a row that gave no pair.
    pub(super) missing_in_a_row: u64,
}

impl Values {
    pub(super) fn new(metric: &Metric, guardrail: &Guardrail, mode: Mode) -> Values {
        let settings = SeriesSettings {
            worse: metric.worse,
            by: metric.by,
            tolerance: guardrail.tolerance,
            harm: guardrail.harm,
            ..SeriesSettings::default()
        };
        let rollback = PairedProcess::new(settings.line(settings.tolerance), Side::Above);
        Values {
            rollback: if mode == Mode::Watch { rollback.restarting() } else { rollback },
            promote: PairedProcess::new(settings.line(settings.harm), Side::Below),
            settings,
            spread: Spread::default(),
            seen: vec![],
            pairs: 0,
            missing: 0,
            missing_in_a_row: 0,
        }
    }

    pub(super) fn observe(&mut self, name: &str, tick: &Tick) {
        for asked in tick.beside.values.iter().filter(|value| value.guardrail == name) {
            self.pair(asked);
        }
    }

    fn pair(&mut self, asked: &MetricPair) {
        let both = asked.candidate.zip(asked.control);
        let Some(d) = both.and_then(|(candidate, control)| self.settings.worse_by(candidate, control)) else {
            self.missing += 1;
            self.missing_in_a_row += 1;
            return;
        };
        let scale = self.spread.scale();
        self.rollback.observe(d, scale);
        self.promote.observe(d, scale);
        self.pairs += 1;
        self.missing_in_a_row = 0;
        // What is remembered has an end: later pairs are held against the scale of so many.
        if self.seen.len() < PAIRS_MAX {
            self.spread.observe(d);
            self.seen.push((d, scale));
        }
    }

    /// What was seen, with the sequential interval of it where `told`.
    pub(super) fn report(&self, told: bool) -> ValuesSeen {
        let (low, high) = if told { band(&self.seen, 1.0 - BAND_CONFIDENCE) } else { (None, None) };
        let shown = |d: Option<f64>| d.map(|d| self.settings.shown(d));
        let (low, high) = self.settings.ends(shown(low), shown(high));
        ValuesSeen { pairs: self.pairs, missing: self.missing, by: self.settings.by, middle: shown(self.spread.middle()), low, high }
    }
}
