//! A verdict in words: what was seen, how far each bar is, what would change it.

use super::assess::Eta;
use super::guardrails::Evidence;
use super::labels::Labelled;
use super::series::By;
use super::settings::{Guardrail, GuardrailKind, Measure};
use super::shift::Shift;
use super::state::JudgeState;
use super::values::Values;
use super::verdict::{GuardrailAssessment, HoldReason, ValuesSeen, Verdict};
use tidegate_stats::eprocess::e_value;

/// One sentence or two about the whole.
pub(super) fn summary(state: &JudgeState, verdict: &Verdict, guardrails: &[GuardrailAssessment], eta: Eta) -> String {
    let requests = format!("{} candidate and {} control requests", count(state.candidate_requests), count(state.control_requests));
    let rollback = format!("{} of the {} that a rollback needs", number(e_value(state.log_rollback())), number(state.needs_rollback()));
    let promote = format!("{} of the {} that a promotion needs", number(e_value(state.log_promote())), number(state.needs_promote()));
    match verdict {
        Verdict::Rollback => {
            let worst = worst(guardrails).map(|g| format!(" Most of it is {}: {}.", g.name, seen(g))).unwrap_or_default();
            let highest = number(e_value(state.log_rollback_max));
            format!(
                "Evidence of harm reached {highest}, and {} is enough, after {requests}.{worst} Nothing changes this verdict; a retry starts afresh.",
                number(state.needs_rollback())
            )
        }
        Verdict::Promote => format!(
            "Every guardrail has evidence that harm is absent ({promote}) after {requests}. More failures of the candidate would take it back."
        ),
        Verdict::Hold { why } => format!("{} after {requests}. {}", hold(*why), hold_ends(*why)),
        Verdict::NoTelemetry => format!(
            "No request was counted in the last {} ticks; nothing is concluded from silence. Counts from either arm end this.",
            state.silent_ticks
        ),
        Verdict::Continue | Verdict::InsufficientEvidence { .. } => {
            let waiting = if state.warming { " The warm-up is logged and not judged." } else { "" };
            let suspicion = if state.suspicious() { " A rollback e-value stands high: the step must not end now." } else { "" };
            format!("No decision after {requests}: {rollback}, {promote}.{waiting}{suspicion} {}", outlook(state, eta))
        }
    }
}

fn hold(why: HoldReason) -> &'static str {
    match why {
        HoldReason::Suspicion => "A rollback e-value stands high",
        HoldReason::SampleRatioMismatch => "Request counts do not fit the configured split",
        HoldReason::StaleTelemetry => "One arm stopped reporting while the other goes on",
        HoldReason::MissingValues => "The source of a metric has given no values for long",
    }
}

fn hold_ends(why: HoldReason) -> &'static str {
    match why {
        HoldReason::Suspicion => "More evidence, a person or the deadline ends it.",
        HoldReason::SampleRatioMismatch => {
            "A version that loses requests hides its errors: find out where they go; counts that fit, a person or the deadline end it."
        }
        HoldReason::StaleTelemetry => "Its counts, a person or the deadline end it.",
        HoldReason::MissingValues => "Silence is no pass: a value of both arms, a person or the deadline ends it.",
    }
}

fn outlook(state: &JudgeState, eta: Eta) -> String {
    let left_ms = state.settings.deadline_ms.saturating_sub(state.elapsed_ms());
    let late = |ms: u64| if ms > left_ms { ", which is after the deadline" } else { "" };
    match (eta.promote_ms, eta.rollback_ms) {
        (Some(p), Some(r)) if r < p => format!("At the present rates a rollback is due in {}{}.", duration(r), late(r)),
        (Some(p), _) => format!("At the present rates a promotion is due in {}{}.", duration(p), late(p)),
        (None, Some(r)) => format!("At the present rates a rollback is due in {}{}.", duration(r), late(r)),
        (None, None) => "At the present rates neither bar comes nearer.".to_owned(),
    }
}

/// The judged guardrail with the largest rollback e-value.
fn worst(guardrails: &[GuardrailAssessment]) -> Option<&GuardrailAssessment> {
    guardrails.iter().filter(|g| g.judged).max_by(|a, b| a.e_rollback.total_cmp(&b.e_rollback))
}

/// What one guardrail counted.
fn seen(g: &GuardrailAssessment) -> String {
    let share = |(n, s): (u64, u64)| format!("{} of {} ({})", count(s), count(n), percent(s as f64 / (n.max(1)) as f64));
    if let Some(values) = &g.values {
        return compared(values);
    }
    if let Some((_, low, high)) = g.rate {
        return format!("{}, between {} and {}", share(g.candidate), percent(low), percent(high));
    }
    let ratio = match (g.ratio, g.ratio_low, g.ratio_high) {
        (Some(r), Some(low), Some(high)) => format!(", ratio {} ({} to {})", number(r), number(low), number(high)),
        (Some(r), Some(low), None) => format!(", ratio {} (at least {})", number(r), number(low)),
        (None, Some(low), _) if low > 0.0 => format!(", ratio at least {}", number(low)),
        _ => String::new(),
    };
    format!("candidate {}, control {}{ratio}", share(g.candidate), share(g.control))
}

/// What the pairs of a metric say.
fn compared(v: &ValuesSeen) -> String {
    let what = if v.by == By::Ratio { "candidate / control" } else { "candidate less control" };
    let end = |x: Option<f64>| x.map_or_else(|| "open".to_owned(), signed);
    let missing = if v.missing > 0 { format!(", {} missing", count(v.missing)) } else { String::new() };
    match v.middle {
        Some(middle) => format!("{what} {} ({} to {}) in {} pairs{missing}", signed(middle), end(v.low), end(v.high), count(v.pairs)),
        None => format!("no pair of values{missing}"),
    }
}

/// What would change the verdict, as far as one guardrail goes.
pub(super) fn flips(state: &JudgeState, guardrail: &Guardrail, evidence: &Evidence, eta: Eta) -> String {
    let log_bar = state.log_bar_of(guardrail);
    match evidence {
        Evidence::NotJudged(why) => why.clone(),
        Evidence::Split(split) => format!(
            "Holds when its e-value, now {}, reaches {}; it never rolls back.",
            number(split.mismatch.e()),
            number(state.needs_rollback())
        ),
        Evidence::Labels(labels) => labelled(state, labels, log_bar, eta),
        Evidence::Shift(shift) => shifted(state, shift, guardrail, log_bar, eta),
        Evidence::Values(values) => measured(state, values, log_bar, eta),
        Evidence::Arms(arms) => {
            let share = if arms.seen.comparable() { arms.seen.share() } else { 0.5 };
            let what = match (&guardrail.kind, arms.threshold_us()) {
                (GuardrailKind::Latency { .. }, Some(us)) => {
                    let slow_us = (guardrail.tolerance * us).max(guardrail.floor_us as f64);
                    format!("candidate answers slower than {} ms", number(slow_us / 1_000.0))
                }
                (GuardrailKind::Generation { of, .. }, Some(raw)) => {
                    let limit = guardrail.tolerance * raw;
                    match of {
                        Measure::FirstToken => format!("answers whose first token takes longer than {} ms", number(limit / 1_000.0)),
                        Measure::TokenTime => format!("answers that take longer than {} ms a token", number(limit / 1_000.0)),
                        Measure::Cost => format!("answers that cost more than {}", number(limit / 1e6)),
                    }
                }
                (GuardrailKind::Generation { of, .. }, None) => format!("answers beyond the control's {}", of.as_str()),
                (GuardrailKind::Latency { .. }, None) => "slow candidate answers".to_owned(),
                _ => "candidate failures".to_owned(),
            };
            let none_yet = !arms.seen.comparable();
            words(none_yet, arms.rollback.hits_to(log_bar, share, arms.divisor()), &what, e_value(arms.promote.log_e()), state, eta)
        }
        Evidence::Rate(rate) => {
            let what = match guardrail.kind {
                GuardrailKind::Skew => "skewed records",
                _ => "different decisions",
            };
            let none_yet = rate.seen.trials == 0;
            let tail = words(none_yet, rate.rollback.hits_to(log_bar), what, e_value(rate.promote.log_e()), state, eta);
            format!("Harmless up to {}, harm from {}. {tail}", percent(rate.rollback.rate()), percent(rate.promote.rate()))
        }
    }
}

fn labelled(state: &JudgeState, labels: &Labelled, log_bar: f64, eta: Eta) -> String {
    let (arms, (candidate, control)) = (&labels.arms, labels.waiting);
    let twice = match labels.repeated.saturating_add(labels.conflicting) {
        0 => String::new(),
        n => format!(
            " {} came for requests that had one ({} of them said something else); the first counts.",
            count(n),
            count(labels.conflicting)
        ),
    };
    let without = format!("{} candidate and {} control requests have no label.{twice}", count(candidate), count(control));
    if !arms.seen.comparable() {
        return format!("No labels of both arms yet, which is no pass. {without}");
    }
    let hits = arms.rollback.hits_to(log_bar, arms.seen.share(), arms.divisor());
    format!("{} {without}", words(false, hits, "wrong decisions of the candidate", e_value(arms.promote.log_e()), state, eta))
}

fn shifted(state: &JudgeState, shift: &Shift, guardrail: &Guardrail, log_bar: f64, eta: Eta) -> String {
    let Some((side, threshold)) = shift.loudest().filter(|(side, _)| side.seen.comparable()) else {
        return "Nothing to compare yet: scores of both arms, and enough of the control to learn thresholds from.".to_owned();
    };
    let direction = if side.above { "above" } else { "up to" };
    let place = threshold.map_or_else(String::new, |t| format!(" {}", signed(t)));
    let what = format!("candidate scores {direction}{place}");
    let part = |n: u64, s: u64| percent(s as f64 / n.max(1) as f64);
    let seen = format!(
        "Most apart {direction} the control's past {:.0} % quantile: {} of the candidate's scores, {} of the control's; harmless up to {} more, harm from {}.",
        100.0 * side.q,
        part(side.seen.n1, side.seen.s1),
        part(side.seen.n0, side.seen.s0),
        percent(guardrail.slack),
        percent(guardrail.harm_slack)
    );
    format!("{seen} {}", words(false, shift.hits_to(log_bar), &what, e_value(shift.log_promote()), state, eta))
}

fn measured(state: &JudgeState, values: &Values, log_bar: f64, eta: Eta) -> String {
    let silent = match values.missing_in_a_row {
        0 => String::new(),
        n => format!(" No values in the last {} askings, which is no pass.", count(n)),
    };
    let tail = words(
        values.pairs == 0,
        values.rollback.pairs_to(log_bar),
        "pairs that are clearly worse",
        e_value(values.promote.log_e()),
        state,
        eta,
    );
    format!("{tail}{silent}")
}

fn words(none_yet: bool, hits: Option<u64>, what: &str, e_promote: f64, state: &JudgeState, eta: Eta) -> String {
    if none_yet {
        return "Nothing to compare yet.".to_owned();
    }
    let back = match hits {
        Some(0) => "Enough for a rollback by itself.".to_owned(),
        Some(k) => format!("Rolls back at {} more {what} now.", count(k)),
        None => "Cannot roll back.".to_owned(),
    };
    let needs = number(state.needs_promote());
    let forth = match eta.promote_ms {
        _ if e_promote >= state.needs_promote() => format!("Enough for a promotion ({} of {needs}).", number(e_promote)),
        Some(ms) => format!("Enough for a promotion ({} of {needs} now) in {}.", number(e_promote), duration(ms)),
        None => format!("Moves away from a promotion ({} of {needs}).", number(e_promote)),
    };
    format!("{back} {forth}")
}

/// A number for people: three significant digits, thousands set apart.
pub(super) fn number(x: f64) -> String {
    let size = libm::fabs(x);
    if size >= 1e7 || (size > 0.0 && size < 1e-3) {
        format!("{x:.1e}")
    } else if size >= 100.0 {
        count(libm::rint(x) as u64)
    } else if size >= 10.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.2}")
    }
}

/// The same with its sign.
fn signed(x: f64) -> String {
    if x < 0.0 { format!("-{}", number(-x)) } else { number(x) }
}

/// A count with thousands set apart.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share in per cent.
pub(super) fn percent(share: f64) -> String {
    let p = 100.0 * share;
    if p >= 10.0 { format!("{p:.1} %") } else { format!("{p:.2} %") }
}

/// A duration in its two largest units.
pub(super) fn duration(ms: u64) -> String {
    let s = ms.div_ceil(1_000);
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}
