//! Keeps what a model said of a change, and finds out whether it may be told.

use crate::client;
use crate::clock;
use crate::daemon::owner;
use crate::past;
use crate::show;
use crate::steps::risk::{Answered, answer, subject};
use crate::workspace;
use anyhow::Result;
use hyper::Method;
use serde_json::json;
use std::path::Path;
use tidegate_core::worth::{Said, Stand};
use tidegate_wire::config::RiskPolicy;

/// What was scored.
pub(super) struct Asked<'a> {
    pub repository: &'a Path,
    /// A revision, or a range.
    pub what: &'a str,
    /// The name that the change was given.
    pub named: Option<&'a str>,
    pub policy: &'a RiskPolicy,
}

/// What became of it.
pub(super) struct Kept {
    pub stand: Stand,
    pub recorded: bool,
}

/// Records the answer where `tidegate up` runs; `must` makes it an error that it cannot be.
pub(super) fn record(of: &Asked<'_>, scored: &Answered, must: bool) -> Result<Kept> {
    let mut kept = Kept { stand: Stand::default(), recorded: false };
    let Some(subject) = subject(of.repository, of.what, of.named, scored)? else { return Ok(kept) };
    let places = workspace::places(of.repository)?;
    if let Some(trial) = &of.policy.trial {
        kept.stand = past::state::<Said>(&places, Said::STREAM)?.stand(&subject, trial);
    }
    if !must && !owner::is_up(&places) {
        return Ok(kept);
    }
    let Some(answer) = answer(of.policy, scored, &subject, kept.stand, clock::now()) else { return Ok(kept) };
    let body = json!({ "named": of.named, "answer": answer });
    let what = format!("record what was said of {}", of.what);
    match client::ask(&places, &what, Method::POST, "/api/v1/answers", Some(&body)) {
        Ok(_) => kept.recorded = true,
        Err(why) if must => return Err(why),
        Err(why) => show::note(&format!("it is not recorded: {why:#}")),
    }
    Ok(kept)
}
