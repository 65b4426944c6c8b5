//! Guardrails that could never speak, told from the whole of a strategy: what has no single key that is wrong.

use super::check::Check;
use super::rules::named;
use super::types::{Strategy, Workspace};
use super::unit::duration_text;
use tidegate_core::judge::{Guardrail, GuardrailKind, JudgeSettings, Mode, SHADOW_HARM_SLACK_MIN, values_to_roll_back};
use tidegate_core::rollout::{Step, Until, modes};

impl Check<'_> {
    /// Of a file that is right key by key.
    pub(super) fn reach(&mut self, of: &Workspace) {
        let root = self.root;
        for (name, _, written) in named(root, "releases") {
            let Some(strategy) = of.releases.get(&name) else { continue };
            let judge = JudgeSettings { modes: modes(&strategy.steps, &strategy.promote), ..strategy.judge.clone() };
            for (rail, key, node) in written.get("judge").map(|judge| named(judge, "guardrails")).unwrap_or_default() {
                let found = judge.guardrails.get(&rail).and_then(|guardrail| mute(strategy, &judge, guardrail));
                if let Some((at, why, help)) = found {
                    let place = node.get(at).filter(|node| node.line > 0).unwrap_or(key);
                    self.say(place, &format!("releases.{name}.judge.guardrails.{rail}.{at}"), &why, Some(&help));
                }
            }
        }
    }
}

/// Which key of a guardrail keeps it from doing what it is there for, why, and what to do.
fn mute(strategy: &Strategy, judge: &JudgeSettings, guardrail: &Guardrail) -> Option<(&'static str, String, String)> {
    match &guardrail.kind {
        GuardrailKind::Metric(metric) => [
            (Mode::Canary, "the canary", strategy.judge.deadline_ms, "`deadline`"),
            (Mode::Watch, "the watch", strategy.promote.watch_ms, "`watch`"),
        ]
        .into_iter()
        .find_map(|(mode, during, lasts_ms, key)| {
            let needed = values_to_roll_back(judge, mode)?;
            let fit = lasts_ms / metric.every_ms.max(1);
            // A watch of no time is none.
            (lasts_ms > 0 && fit < needed).then(|| {
                let why = format!(
                    "{during} lasts {} and has time for {fit} values; no fewer than {needed} roll back, however bad they are",
                    duration_text(lasts_ms)
                );
                let help = format!("shorten `every`, or let {key} be at least {}", duration_text(metric.every_ms.saturating_mul(needed)));
                ("every", why, help)
            })
        }),
        GuardrailKind::ScoreShift => {
            let ends_by_evidence = |step: &Step| matches!(step, Step::Shadow { until: Until::Evidence, .. });
            (guardrail.harm_slack < SHADOW_HARM_SLACK_MIN && strategy.steps.iter().any(ends_by_evidence)).then(|| {
                let least = SHADOW_HARM_SLACK_MIN * 100.0;
                let why = format!(
                    "a shadow that ends by evidence never ends: scores that are distributed alike are promoted in it from {least}% on"
                );
                let help = format!("raise `harm_slack` to {least}% or more, or end the shadow by time: `shadow: {{ until: 10m }}`");
                ("harm_slack", why, help)
            })
        }
        _ => None,
    }
}
