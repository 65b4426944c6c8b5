//! What a guardrail can come to at all, before the first request: a check that could never fail is none.

use super::evidence::Mode;
use super::settings::JudgeSettings;
use super::state::alpha_of_attempt;
use tidegate_stats::eprocess::Side;
use tidegate_stats::paired::PairedProcess;

/// Smallest `harm_slack` by which scores that are distributed alike can be promoted in a shadow.
///
/// There candidate and control score the same records, and the form for pairs pays for a variance that pairs do not have: at the control's
/// 10 % quantile nine scores of ten are hits, and beneath a tenth each pair costs the promotion e-value more than it brings. A little more than that ends in time.
pub const SHADOW_HARM_SLACK_MIN: f64 = 0.12;

/// Fewest values of a metric, each as bad as can be and the metric judged alone, that roll a first attempt back in a mode; none where it
/// is not judged in that mode.
#[must_use]
pub fn values_to_roll_back(settings: &JudgeSettings, mode: Mode) -> Option<u64> {
    let share = alpha_of_attempt(settings.alpha, 1) * settings.modes.part(mode);
    if mode == Mode::Shadow || share <= 0.0 {
        return None;
    }
    let process = PairedProcess::new(0.0, Side::Above);
    let process = if mode == Mode::Watch { process.restarting() } else { process };
    process.pairs_to(-libm::log(share.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::super::beside::{Beside, MetricPair, ScoreHistogram};
    use super::super::settings::{Guardrail, GuardrailKind, Metric};
    use super::super::state::JudgeState;
    use super::super::{ArmCounts, By, Mode, Offline, Tick, Verdict, Worse, errors_of_preset};
    use super::*;
    use crate::id::At;
    use indexmap::IndexMap;

    fn of(name: &str, guardrail: Guardrail) -> JudgeSettings {
        JudgeSettings {
            warm_up_ms: 0,
            min_requests: 1,
            guardrails: IndexMap::from([(name.to_owned(), guardrail)]),
            ..JudgeSettings::preset()
        }
    }

    /// A tick with a thousand requests of each arm and what is beside them.
    fn tick(mode: Mode, seq: u64, beside: Beside) -> Tick {
        let arm = ArmCounts { requests: 1_000, ..ArmCounts::default() };
        Tick {
            seq,
            at: At(i64::try_from(seq).unwrap() * 10_000),
            mode,
            step: 0,
            attempt: 1,
            candidate_share_bp: 5_000,
            candidate: arm.clone(),
            control: arm,
            pairs: None,
            beside,
        }
    }

    #[test]
    fn so_many_values_roll_back_and_one_less_does_not() {
        let metric = Metric {
            source: "shop".to_owned(),
            candidate: "a".to_owned(),
            control: "b".to_owned(),
            every_ms: 60_000,
            worse: Worse::Higher,
            by: By::Difference,
        };
        let rail = Guardrail { kind: GuardrailKind::Metric(metric), tolerance: 0.1, harm: 0.2, ..errors_of_preset() };
        let settings = of("cost", rail);
        for mode in [Mode::Canary, Mode::Watch] {
            let least = values_to_roll_back(&settings, mode).unwrap();
            let mut state = JudgeState::new(&settings, 1, mode, &Offline::default());
            let rolls_back = (1..=least + 1).find(|seq| {
                // Each much worse than all before it.
                let worse = (0..*seq).fold(1.0, |worse, _| worse * 10.0);
                let pair = MetricPair { guardrail: "cost".to_owned(), candidate: Some(worse), control: Some(0.0) };
                state.observe(&tick(mode, *seq, Beside { values: vec![pair], ..Beside::default() }));
                state.assess().verdict == Verdict::Rollback
            });
            assert_eq!(rolls_back, Some(least), "{mode:?}");
            assert!((8..40).contains(&least), "{least}");
        }
        assert_eq!(values_to_roll_back(&settings, Mode::Shadow), None);
    }

    #[test]
    fn from_that_slack_on_equal_scores_are_promoted_in_a_shadow() {
        let mut scores = ScoreHistogram::default();
        (0..1_000).for_each(|i| scores.record(f64::from(i) / 1_000.0));
        let promotes = |harm_slack: f64| {
            let rail =
                Guardrail { kind: GuardrailKind::ScoreShift, tolerance: 1.0, harm: 1.0, slack: 0.01, harm_slack, ..errors_of_preset() };
            let mut state = JudgeState::new(&of("score_shift", rail), 1, Mode::Shadow, &Offline::default());
            (1..=200).any(|seq| {
                let both = Box::new([scores.clone(), scores.clone()]);
                state.observe(&tick(Mode::Shadow, seq, Beside { scores: Some(both), ..Beside::default() }));
                state.assess().verdict == Verdict::Promote
            })
        };
        assert!(promotes(SHADOW_HARM_SLACK_MIN));
        assert!(!promotes(SHADOW_HARM_SLACK_MIN - 0.04));
    }
}
