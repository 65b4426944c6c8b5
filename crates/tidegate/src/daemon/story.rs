//! What happens and what is waited for, in words, for terminals and pages.

use super::events::Happening;
use tidegate_core::id::At;
use tidegate_core::judge::Verdict;
use tidegate_core::rollout::{Cause, Event, HoldWhy, Phase, Promoter, Rollout, Stage, Waiting};
use tidegate_engine::rollouts::RolloutId;

/// One fact in words; none for those that only machines care about.
pub fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { spec, .. } => match &spec.stable {
            Some(stable) => format!("release {}: version {} is to replace version {stable}", spec.number, spec.candidate),
            None => format!("release {}: version {} is the first", spec.number, spec.candidate),
        },
        Event::StageEntered { stage: Stage::Preview, .. } => "preview: those who ask for it see it".to_owned(),
        Event::StageEntered { stage: Stage::Shadow, .. } => "shadow: candidate and control answer copies, no user sees them".to_owned(),
        Event::StageEntered { stage: Stage::Step { index }, .. } => format!("canary, step {}", index + 1),
        Event::StageEntered { stage: Stage::Promote, .. } => "promotion".to_owned(),
        Event::TrafficApplied { .. }
        | Event::LoadWanted { .. }
        | Event::WorkerBecameReady { .. }
        | Event::UnloadWanted { .. }
        | Event::WorkerUnloaded { .. } => return None,
        Event::TrafficWanted { traffic: t, .. } => format!(
            "traffic: stable {}, candidate {}, control {}{}{}",
            percent(t.stable_bp),
            percent(t.candidate_bp),
            percent(t.control_bp),
            if t.mirror_bp > 0 { format!(", {} mirrored", percent(t.mirror_bp)) } else { String::new() },
            if t.preview { ", the candidate for who asks for it" } else { "" }
        ),
        Event::WorkerFailed { role, reason, .. } => format!("the {role} worker failed: {reason}"),
        Event::VerdictReached { assessment: a, .. } => format!("verdict {}: {}", verdict(&a.verdict), a.summary),
        Event::PromotionBegan { by, .. } => match by {
            Promoter::Evidence => "promoted on evidence".to_owned(),
            Promoter::Policy { reason } => format!("promoted by policy: {reason}"),
            Promoter::Person { by, reason } => format!("promoted by {by}: {reason}"),
        },
        Event::WatchBegan { .. } => "watched, the old version kept warm".to_owned(),
        Event::WatchEnded { .. } => "the watch ended well".to_owned(),
        Event::Completed { .. } => "released".to_owned(),
        Event::HoldBegan { why, .. } => format!("held: {why}"),
        Event::Paged { reason, .. } => format!("a person is called: {reason}"),
        Event::PageDelivered { .. } => return None,
        Event::Paused { by, reason, .. } => format!("paused by {by}: {reason}"),
        Event::Resumed { by, .. } => format!("resumed by {by}"),
        Event::FreezeBegan { name, until, .. } => format!("frozen by {name} until {until}"),
        Event::FreezeEnded { .. } => "the freeze is over".to_owned(),
        Event::RollbackBegan { cause, .. } => match cause {
            Cause::Verdict { .. } => "rolling back: the judge found harm".to_owned(),
            Cause::Exposed { requests } => format!("rolling back: {requests} requests met it, as many as may without evidence"),
            Cause::CandidateFailed { reason } => format!("rolling back: {reason}"),
            Cause::Aborted { by, reason } => format!("rolling back: aborted by {by}: {reason}"),
            Cause::Undone { by, reason } => format!("rolling back: undone by {by}: {reason}"),
        },
        Event::RollbackCompleted { .. } => "rolled back".to_owned(),
        Event::AttemptOpened { attempt, by, reason, .. } => format!("attempt {attempt} opened by {by}: {reason}"),
    })
}

/// A verdict in a word.
pub fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Promote => "promote",
        Verdict::Continue => "continue",
        Verdict::Hold { .. } => "hold",
        Verdict::Rollback => "rollback",
        Verdict::InsufficientEvidence { .. } => "insufficient evidence",
        Verdict::NoTelemetry => "no telemetry",
    }
}

/// Several facts, one line each.
pub fn lines(_: &RolloutId, events: &[Event]) -> Option<String> {
    let lines: Vec<String> = events.iter().filter_map(words).map(|w| format!("  {w}")).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// All facts with their times.
pub fn story(events: &[Event]) -> Vec<(At, String)> {
    events.iter().filter_map(|e| Some((e.at(), words(e)?))).collect()
}

fn percent(bp: u32) -> String {
    format!("{} %", f64::from(bp) / 100.0)
}

/// What a rollout waits for, in words.
pub fn waiting_words(waiting: &Waiting) -> String {
    let roles = |roles: &[tidegate_core::rollout::Role]| roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match waiting {
        Waiting::Ready { roles: r, .. } => format!("waits for workers: {}", roles(r)),
        Waiting::Traffic { .. } => "waits for the split to be in force".to_owned(),
        Waiting::Evidence { have, need, eta_ms, .. } => {
            let eta = eta_ms.map_or(String::new(), |ms| format!(", about {:.0} s left", ms as f64 / 1000.0));
            format!("waits for evidence: {:.2} of {need:.0} for promotion{eta}", have.unwrap_or(0.0))
        }
        Waiting::Judge { hold, .. } => format!("the judge holds: {hold:?}"),
        Waiting::Telemetry { .. } => "waits for telemetry".to_owned(),
        Waiting::Preview { until } => match until {
            Some(until) => format!("seen by those who ask for it until {until}"),
            None => "seen by those who ask for it".to_owned(),
        },
        Waiting::Watch { until } => format!("watched until {until}"),
        Waiting::Unload { roles: r, .. } => format!("waits for old workers to end: {}", roles(r)),
        Waiting::Pause { by, reason, .. } => format!("paused by {by}: {reason}"),
        Waiting::Freeze { name, until } => format!("frozen by {name} until {until}; it is judged meanwhile, and can go back"),
        Waiting::Person { hold, .. } => format!("waits for a person: {hold}"),
    }
}

/// How a rollout ended, in words.
pub fn ended_words(open: &Rollout) -> String {
    let cause = |cause: &Cause| match cause {
        Cause::Verdict { mode, .. } => format!("the judge found harm in {mode:?}").to_lowercase(),
        Cause::Exposed { requests } => format!("{requests} requests met it, as many as may without evidence"),
        Cause::CandidateFailed { reason } => format!("the candidate failed: {reason}"),
        Cause::Aborted { by, reason } => format!("aborted by {by}: {reason}"),
        Cause::Undone { by, reason } => format!("undone by {by}: {reason}"),
    };
    let held = |why: &HoldWhy| format!("held: {why}");
    match &open.phase {
        Phase::Done => "released".to_owned(),
        Phase::RolledBack { cause: c } | Phase::RollingBack { cause: c } => cause(c),
        Phase::Aborted { by, reason } => format!("aborted by {by}: {reason}"),
        Phase::Held { why, .. } => held(why),
        Phase::Forward { .. } | Phase::Finishing => open.phase.name().to_owned(),
    }
}

/// What a happening says on a terminal; none for what is only for machines.
pub fn line_of(happening: &Happening) -> Option<String> {
    match happening {
        Happening::Rollout { rollout, events } => lines(rollout, events),
        Happening::Page { rollout, text } => Some(format!("  {} {rollout}: {text}", crate::show::style::warn("page:"))),
        Happening::Trouble(text) => Some(format!("  {} {text}", crate::show::style::warn("trouble:"))),
        Happening::Done(text) => Some(text.clone()),
        Happening::Progress(_) => None,
    }
}
