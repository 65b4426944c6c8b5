//! A release as its page shows it: the facts, and the judge at every tick, computed again from the kept evidence.

use super::evidence;
use super::story;
use super::views::{Views, release_row};
use anyhow::Result;
use std::collections::BTreeMap;
use tidegate_console::view::{Point, Ratio, ReleaseView};
use tidegate_core::judge::{JudgeState, Mode, Offline, Tick};
use tidegate_core::rollout::{Event, Rollout};
use tidegate_engine::rollouts::RolloutId;
use tidegate_port::Journal as _;

/// Points of a picture; more ticks are thinned out evenly.
const POINTS_MAX: usize = 400;

/// The view of a release; none when it is unknown.
///
/// # Errors
/// When the journal or the evidence cannot be read.
pub async fn view(views: &Views, service: &str, number: u64) -> Result<Option<ReleaseView>> {
    let id = RolloutId { service: service.to_owned(), number };
    let state = views.plane.state(&id).await?;
    let Some(open) = state.rollout() else { return Ok(None) };
    let stream = id.stream();
    let records = views.plane.control().call(move |driver| driver.engine().journal().read_stream(&stream, 0)).await??;
    let events: Vec<Event> = records.into_iter().filter_map(|r| serde_json::from_value(r.body).ok()).collect();
    let story = story::story(&events);
    let (dir, of, drawn) = (views.opened.places.evidence(), id.clone(), open.clone());
    // The judge is folded again over every tick: too long for a thread that answers others.
    let work = move || -> Result<_> {
        let ticks = evidence::read(&dir, &of, 0)?;
        let saw = ticks.iter().filter(|t| t.mode != Mode::Shadow).map(|t| t.candidate.requests).sum();
        Ok((points(&drawn, &ticks, &events), saw))
    };
    let (points, users_saw) = tokio::task::spawn_blocking(work).await??;
    let (asked, plane) = (id.clone(), views.plane.clone());
    let running = plane.control().call(move |driver| driver.assessments(&asked)).await??;
    let recorded = open.failed.as_ref().or(open.judged.as_ref());
    let assessment = running
        .into_iter()
        .last()
        .map(|j| j.assessment)
        .filter(|_| !open.phase.is_terminal())
        .or_else(|| recorded.map(|j| j.assessment.clone()));
    Ok(Some(ReleaseView {
        row: release_row(&id, open, &state),
        change: open.spec.change.clone(),
        attempt: open.attempt,
        assessment,
        users_saw,
        points,
        story,
        evidence: recorded.map(|j| j.evidence.to_string()),
    }))
}

fn points(open: &Rollout, ticks: &[Tick], events: &[Event]) -> Vec<Point> {
    let offline = Offline { disagreement: open.spec.offline_disagreement };
    let mut judges: BTreeMap<(u32, u8), JudgeState> = BTreeMap::new();
    let mut found = vec![];
    for tick in ticks {
        let key = (tick.attempt, tick.mode as u8);
        let judge = judges.entry(key).or_insert_with(|| JudgeState::new(&open.spec.judge, tick.attempt, tick.mode, &offline));
        judge.observe(tick);
        let point = judge.point(tick);
        let errors = point.guardrails.iter().find(|g| g.name == "errors");
        let ratio = errors.filter(|g| g.low.is_some() || g.high.is_some()).map(|g| Ratio {
            low: g.low.unwrap_or(0.0),
            estimate: g.estimate,
            high: g.high,
        });
        let (candidate_bp, control_bp) = shares(events, tick);
        found.push(Point {
            at: tick.at,
            mode: tick.mode,
            e_rollback: point.e_rollback,
            needs_rollback: judge.needs_rollback(),
            e_promote: point.e_promote,
            needs_promote: judge.needs_promote(),
            ratio,
            candidate_bp,
            control_bp,
        });
    }
    let every = found.len().div_ceil(POINTS_MAX).max(1);
    let last = found.len().saturating_sub(1);
    found.into_iter().enumerate().filter(|(i, _)| i % every == 0 || *i == last).map(|(_, p)| p).collect()
}

/// The split that was wanted when a tick ended.
fn shares(events: &[Event], tick: &Tick) -> (u32, u32) {
    let wanted = events
        .iter()
        .rev()
        .find_map(|e| if let Event::TrafficWanted { traffic, at, .. } = e { (*at <= tick.at).then_some(*traffic) } else { None });
    wanted.map_or((0, 0), |t| (t.candidate_bp, t.control_bp))
}
