//! The record of a change as Markdown, for the change board. The same record gives the same bytes.

use crate::config::unit::{duration_text, percent_text};
use std::fmt::Write as _;
use tidegate_core::change::{ChangeRecord, Plan, Ruled};
use tidegate_core::deployment::Condition;
use tidegate_core::gate::GateVerdict;
use tidegate_core::judge::{By, Guardrail, GuardrailKind, Mode, Verdict, Worse};
use tidegate_core::rollout::{Step, Until};

/// Verdicts that are listed before the others are summed up; the first and the last ones are always there.
const VERDICTS_MAX: usize = 50;

/// The record, with what holds now for one that has not begun.
#[must_use]
pub fn markdown(record: &ChangeRecord, conditions: &[Condition]) -> String {
    let name = record.release.clone().unwrap_or_else(|| format!("{} version {}", record.service, record.version));
    let mut text = format!("# Change record: {}\n\n", plain(&name));
    let replaces = record.replaces.as_ref().map_or("nothing: it is the first".to_owned(), |v| format!("version {v}"));
    text.push_str("| | |\n|---|---|\n");
    for (head, value) in [
        ("Service", record.service.clone()),
        ("Released", format!("version {} of model {}", record.version, record.model)),
        ("Replaces", replaces),
        ("Change", record.change.clone()),
        ("Outcome", record.outcome.clone()),
        ("As of", format!("record {} of the journal, {}", record.position, record.at)),
    ] {
        let _ = writeln!(text, "| {head} | {} |", cell(&value));
    }
    text.push('\n');
    if record.release.is_none() {
        now(conditions, &mut text);
    }
    artefacts(record, &mut text);
    people(record, &mut text);
    gates(record, &mut text);
    plan(&record.plan, &mut text);
    halts(record, &mut text);
    verdicts(record, &mut text);
    let _ = writeln!(
        text,
        "## Who met it\n\nThe candidate answered {} requests of users, as the recorded verdicts tell.\n\n## How to go back\n\n{}",
        record.exposed,
        plain(&record.way_back)
    );
    text
}

/// Text of others in a paragraph: it stays one, and is no markup of ours.
fn plain(text: &str) -> String {
    text.replace('<', "&lt;").replace(['\n', '\r'], " ")
}

fn cell(text: &str) -> String {
    plain(&text.replace('\\', "\\\\").replace('|', "\\|"))
}

fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if (short == "0" && value != 0.0) || value.abs() >= 1e9 { format!("{value:e}") } else { short.to_owned() }
}

fn some(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), number)
}

fn now(conditions: &[Condition], text: &mut String) {
    text.push_str("## May it be released now\n\n| condition | answer | why |\n|---|---|---|\n");
    for c in conditions {
        let _ = writeln!(text, "| {} | **{}** | {} |", cell(&c.of), c.answer.word(), cell(&c.why));
    }
    text.push('\n');
}

fn artefacts(record: &ChangeRecord, text: &mut String) {
    text.push_str("## What is released\n\n");
    let Some(files) = &record.artefacts else {
        text.push_str("The version is not registered.\n\n");
        return;
    };
    text.push_str("| file | digest |\n|---|---|\n");
    let _ = writeln!(text, "| model | `{}` |", files.artifact);
    for (name, digest) in [("transform", &files.transform), ("golden requests", &files.golden), ("profile", &files.profile)] {
        if let Some(digest) = digest {
            let _ = writeln!(text, "| {name} | `{digest}` |");
        }
    }
    if let Some(lineage) = &record.lineage {
        let environment = lineage.environment.as_deref().unwrap_or("the caller's");
        let _ = writeln!(
            text,
            "\nRegistered {} by run `{}` of the change `{}`, from code `{}`, in the environment `{}`.\n",
            files.registered,
            plain(&lineage.run),
            plain(&lineage.change),
            plain(&lineage.code),
            plain(environment)
        );
        for (path, digest) in &lineage.data {
            let _ = writeln!(text, "- `{}`: `{}`", plain(path), plain(digest));
        }
        if !lineage.params.is_null() {
            let _ = writeln!(text, "- parameters: `{}`", plain(&lineage.params.to_string()));
        }
    }
    if !record.metrics.is_null() {
        let _ = writeln!(text, "- metrics: `{}`", plain(&record.metrics.to_string()));
    }
    text.push('\n');
}

fn people(record: &ChangeRecord, text: &mut String) {
    text.push_str("## Who asked, who approved\n\n");
    if record.people.is_empty() {
        text.push_str("Nobody was asked, and nobody steered it.\n\n");
        return;
    }
    text.push_str("| when | who | what | why |\n|---|---|---|---|\n");
    for said in &record.people {
        let _ = writeln!(text, "| {} | {} | {} | {} |", said.at, cell(&said.by), cell(&said.what), cell(&said.why));
    }
    text.push('\n');
}

fn gates(record: &ChangeRecord, text: &mut String) {
    text.push_str("## Gates\n\n");
    let Some(gated) = &record.gates else {
        text.push_str("They were not evaluated, which is no pass.\n\n");
        return;
    };
    let _ = writeln!(text, "{}, {}.\n", if gated.passed { "All passed" } else { "Not all passed" }, gated.at);
    text.push_str("| gate | answer | value | interval | limit | why |\n|---|---|---|---|---|---|\n");
    for g in &gated.report.outcomes {
        let interval = g.interval.map_or("–".to_owned(), |(low, high)| format!("{} to {}", number(low), number(high)));
        let answer = match g.verdict {
            GateVerdict::Pass => "pass",
            GateVerdict::Fail => "fail",
            GateVerdict::CannotTell => "cannot tell",
        };
        let (name, value, limit, why) = (cell(&g.name), some(g.value), some(g.limit), cell(&g.why));
        let _ = writeln!(text, "| {name} | **{answer}** | {value} | {interval} | {limit} | {why} |");
    }
    if let Some((differ, rows)) = gated.report.disagreement {
        let _ = writeln!(text, "\nCandidate and champion decide {differ} of {rows} evaluation rows differently.");
    }
    text.push('\n');
}

fn step(step: &Step) -> String {
    let span = |ms: &Option<u64>| ms.map_or("until a person lets it go on".to_owned(), |ms| format!("for {}", duration_text(ms)));
    match step {
        Step::Preview { for_ms, .. } => format!("preview, for those who ask for it, {}", span(for_ms)),
        Step::Shadow { mirror_bp, until: Until::Evidence } => {
            format!("shadow, {} of requests copied, until evidence decides", percent_text(*mirror_bp))
        }
        Step::Shadow { mirror_bp, until: Until::Time { min_time_ms } } => {
            format!("shadow, {} of requests copied, for {}", percent_text(*mirror_bp), duration_text(*min_time_ms))
        }
        Step::Canary { weights_bp, min_time_ms, .. } => {
            let weights = weights_bp.iter().map(|bp| percent_text(*bp)).collect::<Vec<_>>().join(", ");
            format!("canary, {weights} of users, each weight {} or longer", duration_text(*min_time_ms))
        }
        Step::Pause { for_ms } => format!("pause {}", span(for_ms)),
    }
}

fn plan(plan: &Plan, text: &mut String) {
    let risk = plan.risk.as_ref().map(|risk| format!(", with a risk of {} by {}", risk.score, plain(&risk.by)));
    let _ = writeln!(text, "## How it is released\n\nBy the strategy `{}`{}:\n", plain(&plan.strategy), risk.unwrap_or_default());
    for one in &plan.steps {
        let _ = writeln!(text, "1. {}", step(one));
    }
    let (watch, back) = (duration_text(plan.promote.watch_ms), percent_text(plan.promote.hold_back_bp));
    let _ = writeln!(text, "1. promotion, watched for {watch}, {back} kept back as control\n");
    if let Some(most) = plan.exposure_max {
        let _ = writeln!(text, "At most {most} requests of users meet it without evidence to promote it.\n");
    }
    let judge = &plan.judge;
    let _ = writeln!(
        text,
        "The judge rolls a harmless change back with a chance of at most alpha = {}, over all guardrails, steps and retries, and promotes a harmful one with at most beta = {} for each guardrail; without a decision within {} it is held.\n",
        number(judge.alpha),
        number(judge.beta),
        duration_text(judge.deadline_ms)
    );
    text.push_str("| guardrail | harmless up to | harm from |\n|---|---|---|\n");
    for (name, Guardrail { kind, tolerance, slack, harm, harm_slack, .. }) in &judge.guardrails {
        let bound = |ratio: &f64, slack: &f64| match kind {
            GuardrailKind::SampleRatio => "the split as it was wanted".to_owned(),
            // There is no control: a version is held against its own scores offline.
            GuardrailKind::Skew => number(*slack),
            // The ratio is 1: the slacks alone count.
            GuardrailKind::ScoreShift => format!("control + {}", number(*slack)),
            GuardrailKind::Metric(metric) => {
                let which = if metric.worse == Worse::Higher { "higher" } else { "lower" };
                let what = if metric.by == By::Ratio { "a factor of " } else { "" };
                format!("{which} by {what}{}", number(*ratio))
            }
            GuardrailKind::Labels
            | GuardrailKind::Errors
            | GuardrailKind::Latency { .. }
            | GuardrailKind::Generation { .. }
            | GuardrailKind::Disagreement => {
                format!("{} × control + {}", number(*ratio), number(*slack))
            }
        };
        let _ = writeln!(text, "| {} | {} | {} |", cell(name), bound(tolerance, slack), bound(harm, harm_slack));
    }
    text.push('\n');
}

fn halts(record: &ChangeRecord, text: &mut String) {
    text.push_str("## What stopped it\n\n");
    if record.halts.is_empty() {
        text.push_str("Nothing did.\n\n");
        return;
    }
    for halt in &record.halts {
        let until = halt.until.map_or("since then".to_owned(), |until| format!("until {until}"));
        let _ = writeln!(text, "- {}, {until}: {}", halt.since, plain(&halt.what));
    }
    text.push('\n');
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Promote => "promote",
        Verdict::Continue => "continue",
        Verdict::Hold { .. } => "hold",
        Verdict::Rollback => "roll back",
        Verdict::InsufficientEvidence { .. } => "insufficient evidence",
        Verdict::NoTelemetry => "no telemetry",
    }
}

fn mode(ruled: &Ruled) -> String {
    match ruled.mode {
        Mode::Shadow => "shadow".to_owned(),
        Mode::Canary => format!("canary, step {}", u64::from(ruled.step) + 1),
        Mode::Watch => "watch".to_owned(),
    }
}

fn verdicts(record: &ChangeRecord, text: &mut String) {
    text.push_str("## What the judge said\n\n");
    let Some(last) = record.verdicts.last() else {
        text.push_str("Nothing was judged.\n\n");
        return;
    };
    text.push_str("| when | attempt | on | verdict | for harm | against it | requests | evidence |\n|---|---|---|---|---|---|---|---|\n");
    let left_out = record.verdicts.len().saturating_sub(VERDICTS_MAX);
    for (i, ruled) in record.verdicts.iter().enumerate() {
        // The oldest half and the newest: what changed in between is in the journal.
        if left_out > 0 && i >= VERDICTS_MAX / 2 && i < VERDICTS_MAX / 2 + left_out {
            continue;
        }
        let a = &ruled.assessment;
        let of = |e: f64, needs: f64| format!("{} of {}", number(e), number(needs));
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{}** | {} | {} | {} / {} | `{}` |",
            ruled.at,
            ruled.attempt,
            mode(ruled),
            verdict(&a.verdict),
            of(a.e_rollback, a.needs_rollback),
            of(a.e_promote, a.needs_promote),
            a.candidate_requests,
            a.control_requests,
            ruled.evidence.short()
        );
    }
    if left_out > 0 {
        let _ = writeln!(text, "\n{left_out} verdicts between them are left out; with JSON they are there.");
    }
    let _ = writeln!(text, "\nThe last one: {}\n", plain(&last.assessment.summary));
    text.push_str("| guardrail | candidate | control | ratio | interval | for harm | against it |\n|---|---|---|---|---|---|---|\n");
    for g in &last.assessment.guardrails {
        // A metric has pairs, no counts.
        let (middle, low, high) = g.values.map_or((g.ratio, g.ratio_low, g.ratio_high), |v| (v.middle, v.low, v.high));
        let interval = format!("{} to {}", some(low), some(high));
        let counts = |(trials, hits): (u64, u64)| g.values.map_or_else(|| format!("{hits} of {trials}"), |v| format!("{} pairs", v.pairs));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {interval} | {} | {} |",
            cell(&g.name),
            counts(g.candidate),
            counts(g.control),
            some(middle),
            number(g.e_rollback),
            number(g.e_promote)
        );
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect_file;
    use serde_json::json;
    use tidegate_core::change::{Facts, Placed, of_release};
    use tidegate_core::id::At;
    use tidegate_core::judge::{JudgeSettings, JudgeState, Offline};
    use tidegate_core::model::Event as ModelEvent;
    use tidegate_core::rollout::{Baseline, Deadlines, Event, Promoter, Promotion, Spec, SpecDraft};

    fn facts() -> Facts {
        let spec = Spec::build(SpecDraft {
            service: "s".to_owned(),
            number: 2,
            model: "m".to_owned(),
            candidate: "2".to_owned(),
            stable: Some("1".to_owned()),
            change: "more | trees\n# not a heading <b>".to_owned(),
            strategy: "default".to_owned(),
            steps: vec![
                Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
                Step::Canary { weights_bp: vec![500, 2_500], min_time_ms: 300_000, baseline: Baseline::Fresh },
            ],
            promote: Promotion { watch_ms: 1_800_000, hold_back_bp: 500 },
            exposure_max: Some(1_000),
            affinity: None,
            judge: JudgeSettings::preset(),
            offline_disagreement: None,
            risk: None,
            deadlines: Deadlines::default(),
        })
        .unwrap();
        let version = json!({ "event": "registered", "version": {
            "model": "m", "version": "2", "artifact": format!("blake3:{}", "1".repeat(64)), "transform": null, "golden": null, "profile": null,
            "signature": { "inputs": [], "outputs": [] }, "metrics": { "auc": 0.9 }, "at": 1,
            "lineage": { "run": "w-1", "code": "abc", "data": { "a.csv": "md5:1" }, "environment": null, "params": { "trees": 100 }, "change": "trees" } } });
        let gated = json!({ "event": "gated", "version": "2", "at": 2, "report": { "outcomes": [
            { "name": "quality", "verdict": "pass", "value": 0.9, "interval": [0.88, 0.92], "limit": 0.85, "why": "0.9 is at least 0.85" }
        ], "disagreement": [3, 100] } });
        let of = |value| -> ModelEvent { serde_json::from_value(value).unwrap() };
        let assessment = Box::new(JudgeState::new(&JudgeSettings::preset(), 1, Mode::Shadow, &Offline::default()).assess());
        let evidence = tidegate_core::id::Digest::of(b"ticks");
        let rollout = [
            Event::Started { spec: Box::new(spec), at: At(1_000) },
            Event::VerdictReached { attempt: 1, mode: Mode::Shadow, step: 0, assessment, evidence, through: 3, at: At(2_000) },
            Event::PromotionBegan { by: Promoter::Person { by: "mary".to_owned(), reason: "enough".to_owned() }, at: At(3_000) },
            Event::Completed { at: At(4_000) },
        ];
        let placed = |(i, event)| Placed { position: 10 + i as u64, event };
        Facts {
            rollout: rollout.into_iter().enumerate().map(placed).collect(),
            model: vec![Placed { position: 1, event: of(version) }, Placed { position: 2, event: of(gated) }],
            access: vec![],
        }
    }

    #[test]
    fn a_record_is_one_document() {
        let record = of_release(&facts()).unwrap();
        let text = markdown(&record, &[]);
        expect_file!["change.txt"].assert_eq(&text);
        assert_eq!(text, markdown(&of_release(&facts()).unwrap(), &[]), "the same bytes every time");
        let back = serde_json::from_value(serde_json::to_value(&record).unwrap()).unwrap();
        assert_eq!(text, markdown(&back, &[]), "and from its JSON");
    }
}
