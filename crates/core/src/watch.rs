//! Watching a service: whether its live inputs still look like the rows that its model was trained on.
//!
//! [`judge_drift`] is pure; the machine keeps what was found (stream `service/<name>`). Not here: where live inputs
//! come from, what follows from drift.

use crate::id::At;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use tidegate_stats::{distance, quantile};

/// Bins of a population stability index: deciles of the reference.
const PSI_BINS: usize = 10;

/// A distance between two samples of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftMethod {
    /// Kolmogorov-Smirnov statistic.
    Ks,
    /// Population stability index over deciles of the reference.
    Psi,
}

/// What counts as drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftRule {
    /// The distance.
    pub method: DriftMethod,
    /// Distance from which it is drift.
    pub threshold: f64,
    /// Fewer live rows say nothing.
    pub min_rows: u64,
}

/// The answer; only `Steady` says that nothing drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdict {
    /// At least one column lies beyond the threshold.
    Drift,
    /// No column does.
    Steady,
    /// Too few rows, or nothing to compare.
    CannotTell,
}

/// One column's distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDistance {
    /// The column.
    pub column: String,
    /// Its distance; none when it could not be computed.
    pub distance: Option<f64>,
    /// Whether that is drift.
    pub drifted: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftFinding {
    /// The version whose inputs were watched.
    pub version: String,
    /// The answer.
    pub verdict: DriftVerdict,
    /// By which rule.
    pub rule: DriftRule,
    /// Start of the window of live rows, by the events' own time.
    pub window_from: At,
    /// Its end.
    pub window_until: At,
    /// Reference rows and live rows.
    pub rows: (u64, u64),
    /// Each column, the furthest first.
    pub columns: Vec<ColumnDistance>,
}

impl DriftFinding {
    /// In a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let day = |at: At| at.to_string().chars().take(10).collect::<String>();
        let window = format!("{} live rows from {} to {}", self.rows.1, day(self.window_from), day(self.window_until));
        match (self.verdict, self.columns.first()) {
            (DriftVerdict::CannotTell, _) => format!("{window}: too few to say anything (needs {})", self.rule.min_rows),
            (_, None) => format!("{window}: no column to compare"),
            (_, Some(first)) => {
                let distance = first.distance.unwrap_or(f64::NAN);
                let word = if first.drifted { "beyond" } else { "within" };
                format!("{window}: `{}` lies {distance:.3} from training, {word} the threshold of {}", first.column, self.rule.threshold)
            }
        }
    }
}

/// A column in both samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Its name.
    pub column: String,
    /// Values that the model was trained on; NaN is left out.
    pub reference: Vec<f64>,
    /// Live values; NaN is left out.
    pub live: Vec<f64>,
}

/// Judges each column; the window is by the events' own time.
#[must_use]
pub fn judge_drift(version: &str, rule: &DriftRule, window: (At, At), samples: &[Samples]) -> DriftFinding {
    let reference_rows = samples.iter().map(|s| s.reference.len() as u64).max().unwrap_or(0);
    let live_rows = samples.iter().map(|s| s.live.len() as u64).max().unwrap_or(0);
    let mut columns: Vec<ColumnDistance> = samples.iter().map(|s| distance_of(rule, s)).collect();
    columns.sort_by(|a, b| b.distance.unwrap_or(-1.0).total_cmp(&a.distance.unwrap_or(-1.0)));
    let verdict = match () {
        () if live_rows < rule.min_rows || reference_rows == 0 || columns.iter().all(|c| c.distance.is_none()) => DriftVerdict::CannotTell,
        () if columns.iter().any(|c| c.drifted) => DriftVerdict::Drift,
        () => DriftVerdict::Steady,
    };
    DriftFinding {
        version: version.to_owned(),
        verdict,
        rule: rule.clone(),
        window_from: window.0,
        window_until: window.1,
        rows: (reference_rows, live_rows),
        columns,
    }
}

fn distance_of(rule: &DriftRule, samples: &Samples) -> ColumnDistance {
    let sorted = |values: &[f64]| quantile::sorted(&values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<_>>());
    let (reference, live) = (sorted(&samples.reference), sorted(&samples.live));
    let distance = match rule.method {
        DriftMethod::Ks => distance::ks(&reference, &live).map(|k| k.statistic),
        DriftMethod::Psi => {
            let edges = quantile::even_edges(&reference, PSI_BINS);
            distance::psi(&quantile::bin_counts(&reference, &edges), &quantile::bin_counts(&live, &edges))
        }
    };
    let distance = distance.filter(|d| d.is_finite());
    ColumnDistance { column: samples.column.clone(), distance, drifted: distance.is_some_and(|d| d >= rule.threshold) }
}

/// What was found of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Its inputs were held against the training rows.
    DriftJudged {
        /// What was found.
        finding: DriftFinding,
        /// When.
        at: At,
    },
}

/// What somebody wants recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A finding; one with the same verdict on the same version as the newest is not news.
    JudgeDrift {
        /// It.
        finding: DriftFinding,
        /// When.
        at: At,
    },
}

/// Nothing is refused: findings are facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {}

/// A service's fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The newest finding that was news.
    pub drift: Option<(DriftFinding, At)>,
}

/// The watch of one service; its stream is `service/<name>`.
#[derive(Clone, Copy, Debug)]
pub struct Watch;

impl Machine for Watch {
    const KIND: &'static str = "service";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        let Command::JudgeDrift { finding, at } = command;
        let same = state.drift.as_ref().is_some_and(|(old, _)| old.version == finding.version && old.verdict == finding.verdict);
        Ok(if same { vec![] } else { vec![Event::DriftJudged { finding: finding.clone(), at: *at }] })
    }

    fn evolve(_: State, event: &Event) -> State {
        let Event::DriftJudged { finding, at } = event;
        State { drift: Some((finding.clone(), *at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(shift: f64, n: usize) -> Samples {
        let reference = (0..1000).map(f64::from).collect();
        Samples { column: "wind".into(), reference, live: (0..n).map(|i| i as f64 * 1000.0 / n as f64 + shift).collect() }
    }

    fn verdict(method: DriftMethod, shift: f64, n: usize) -> DriftVerdict {
        let rule = DriftRule { method, threshold: 0.2, min_rows: 100 };
        judge_drift("1", &rule, (At(0), At(1)), &[samples(shift, n)]).verdict
    }

    #[test]
    fn a_shift_is_drift_and_too_few_rows_say_nothing() {
        assert_eq!(verdict(DriftMethod::Ks, 0.0, 500), DriftVerdict::Steady);
        assert_eq!(verdict(DriftMethod::Ks, 250.0, 500), DriftVerdict::Drift);
        assert_eq!(verdict(DriftMethod::Psi, 250.0, 500), DriftVerdict::Drift);
        assert_eq!(verdict(DriftMethod::Ks, 250.0, 50), DriftVerdict::CannotTell);
        let rule = DriftRule { method: DriftMethod::Ks, threshold: 0.2, min_rows: 0 };
        assert_eq!(judge_drift("1", &rule, (At(0), At(1)), &[]).verdict, DriftVerdict::CannotTell, "nothing to compare");
    }

    #[test]
    fn only_news_is_recorded() {
        let rule = DriftRule { method: DriftMethod::Ks, threshold: 0.2, min_rows: 100 };
        let finding = |shift| judge_drift("1", &rule, (At(0), At(1)), &[samples(shift, 500)]);
        let command = |shift| Command::JudgeDrift { finding: finding(shift), at: At(5) };
        let first = Watch::decide(&State::default(), &command(0.0)).unwrap();
        let state = Watch::replay(&first);
        assert!(Watch::decide(&state, &command(1.0)).unwrap().is_empty());
        assert_eq!(Watch::decide(&state, &command(400.0)).unwrap().len(), 1);
    }
}
