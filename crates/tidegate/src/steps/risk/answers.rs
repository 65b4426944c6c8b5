//! What a model said of a change, put together as the fact that is recorded of it: with what it was said by, and no person's name.

use super::costs::costs;
use super::{Answered, Scored};
use crate::exit::{self, failure};
use anyhow::Result;
use serde_json::json;
use std::collections::HashSet;
use std::path::Path;
use tidegate_core::id::{At, Digest};
use tidegate_core::risk::Way;
use tidegate_core::worth::{Answer, COMMITS_MAX, Costs, Stand, Subject};
use tidegate_history::commits;
use tidegate_wire::config::RiskPolicy;

const SECOND_MS: i64 = 1_000;

/// The change that was scored: its commits as they lie in the range, newest first; none where owners of all of it have opted out.
///
/// # Errors
/// When git does not know them any more.
pub fn subject(repository: &Path, what: &str, named: Option<&str>, scored: &Answered) -> Result<Option<Subject>> {
    let known: HashSet<&str> = scored.changes.iter().map(|one| one.commit.as_str()).collect();
    let all = commits(repository, what, COMMITS_MAX).map_err(|why| failure(exit::NOT_FOUND, format!("score {what}: {why}")))?;
    let commits: Vec<String> = all.iter().map(ToString::to_string).filter(|commit| known.contains(commit.as_str())).collect();
    Ok((!commits.is_empty()).then(|| Subject { named: named.map(str::to_owned), commits }))
}

/// What is recorded of it: a range is one change, as risky as it is when merged, and held where any of its commits is.
pub fn answer(policy: &RiskPolicy, scored: &Answered, subject: &Subject, stand: Stand, at: At) -> Option<Answer> {
    // The riskiest stands first.
    let one = scored.whole.as_ref().or(scored.changes.first())?;
    let by = scored.by.as_ref()?;
    let costs = policy.costs.as_ref().map(|of| {
        let costs = costs(of, &one.services);
        Costs { delay: costs.held_negative, incident: costs.passed_positive }
    });
    Some(Answer {
        commits: subject.commits.clone(),
        probability: one.score.probability,
        interval: one.score.interval,
        way: way(scored, one),
        hold_from: one.hold_from,
        costs,
        model: by.model.clone(),
        training: by.training.clone(),
        learnt_until: At(by.known_until_s.saturating_mul(SECOND_MS)),
        policy: policy_digest(policy),
        arm: stand.arm,
        model_share: stand.arm.and(policy.trial.as_ref()).map(|trial| trial.model_share),
        at,
    })
}

/// Held where any of it is; quick where all of it is.
fn way(scored: &Answered, one: &Scored) -> Way {
    if scored.held() {
        return Way::Held;
    }
    let quick = one.way == Way::Quick && scored.opted_out.is_empty() && scored.all().all(|one| one.way == Way::Quick);
    if quick { Way::Quick } else { Way::Standard }
}

/// Of all that tidegate.yaml says of risks.
fn policy_digest(policy: &RiskPolicy) -> Digest {
    let costs = policy.costs.as_ref().map(|of| json!([of.delay, of.incident, of.critical]));
    let trial = policy.trial.as_ref().map(|of| json!([of.model_share, of.salt]));
    Digest::of(json!({ "costs": costs, "opt_out": policy.opt_out, "trial": trial }).to_string().as_bytes())
}
