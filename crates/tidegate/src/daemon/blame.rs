//! Which of the releases under way is to blame for a signal that became abnormal: their facts, as `core::blame` weighs them.

use super::plane::Plane;
use anyhow::Result;
use tidegate_core::blame::{Blame, Found, Suspect, Symptom, blame, growth};
use tidegate_core::id::At;
use tidegate_core::rollout::{Event, Rollout};
use tidegate_engine::rollouts::RolloutId;
use tidegate_port::Journal as _;
use tidegate_wire::config::Workspace;

/// A release that ended longer ago is not suspected.
const ENDED_MS_MAX: u64 = 2 * 3_600_000;
/// Shares below which a release is not named.
const NAMED_MIN: f64 = 0.05;

/// What is found of the newest release of each service.
///
/// # Errors
/// When the journal cannot be read.
pub async fn who(plane: &Plane, config: &Workspace, symptom: &Symptom) -> Result<Blame> {
    let mut suspects = vec![];
    for service in config.services.keys() {
        let Some((id, state)) = plane.newest(service).await? else { continue };
        let Some(open) = state.rollout() else { continue };
        let stream = id.stream();
        let records = plane.control().call(move |driver| driver.engine().journal().read_stream(&stream, 0)).await??;
        let events: Vec<Event> = records.into_iter().filter_map(|record| serde_json::from_value(record.body).ok()).collect();
        if let Some(suspect) = suspect(&id, open, &events, symptom.began) {
            suspects.push(suspect);
        }
    }
    let calls = config.services.iter().map(|(name, service)| (name.clone(), service.calls.clone())).collect();
    Ok(blame(symptom, &suspects, &calls))
}

/// A release as a suspect; none for one that was over long before.
fn suspect(id: &RolloutId, open: &Rollout, events: &[Event], began: At) -> Option<Suspect> {
    let last = events.last().map(Event::at)?;
    if open.phase.is_terminal() && began.since_ms(last) > ENDED_MS_MAX {
        return None;
    }
    let growth = growth(events);
    let evidence = open.judged.as_ref().map(|judged| (judged.assessment.e_rollback, judged.assessment.e_promote));
    let release = format!("{}/{}", id.service, id.number);
    Some(Suspect { release, service: id.service.clone(), place: None, growth, evidence })
}

/// What was found, a line for each release that is worth naming.
pub fn words(found: &Blame) -> Vec<String> {
    let named = found.found.iter().filter(|f| f.share >= NAMED_MIN);
    named.map(|f| format!("release {} is to blame by {:.0} %: {}", f.release, f.share * 100.0, f.why.join(", "))).collect()
}

/// The release that was found.
pub fn release_of(found: &Found) -> Option<RolloutId> {
    RolloutId::of_stream(&format!("rollout/{}", found.release))
}
