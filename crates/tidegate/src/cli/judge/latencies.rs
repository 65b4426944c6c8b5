//! Latencies of single requests, at several quantiles.

use super::{Context, chances, tell_counts, wrong};
use crate::workspace::read_text;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use tidegate_core::judge::{Arms, for_latencies, judge_arms};
use tidegate_wire::config::unit::duration_ms;
use tidegate_wire::requests::{Request, requests};

/// Most intervals that are judged.
const INTERVALS_MAX: u64 = 100_000;

/// Requests, and how sure a verdict must be.
#[derive(Debug, Args)]
pub struct LatenciesArgs {
    /// Requests of both arms: CSV with a header, or JSON lines
    file: PathBuf,
    /// Length of an interval: latencies are compared with the control's of the intervals before
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    every: String,
    /// Chance that a harmless candidate is called harmful, however often one looks
    #[arg(long, default_value_t = 0.01)]
    alpha: f64,
    /// Chance that a harmful candidate is called harmless
    #[arg(long, default_value_t = 0.05)]
    beta: f64,
}

/// Carries it out.
pub fn of_latencies(context: &Context, args: &LatenciesArgs) -> Result<u8> {
    let every_ms = duration_ms(&args.every).map_err(|why| wrong(format!("--every: {why}")))?;
    if every_ms == 0 {
        return Err(wrong("--every: an interval takes time: give one from 1ms"));
    }
    chances(args.alpha, args.beta)?;
    let text = read_text(&context.dir.join(&args.file))?;
    let all = requests(&args.file.display().to_string(), &text).map_err(wrong)?;
    let mut settings = for_latencies(all.iter().any(|request| request.failed.is_some()));
    (settings.alpha, settings.beta, settings.tick_ms) = (args.alpha, args.beta, every_ms);
    let candidates = all.iter().filter(|request| request.candidate).count();
    // What was meant is not known: the split is taken as it was.
    let share = candidates as f64 / all.len().max(1) as f64;
    tell_counts(context, &judge_arms(&settings, intervals(&all, every_ms)?, Some(share)))
}

/// Requests by the interval in which they came.
fn intervals(all: &[Request], every_ms: u64) -> Result<Vec<Arms>> {
    let Some(first) = all.iter().map(|request| request.at).min() else { return Ok(vec![]) };
    let last = all.iter().map(|request| request.at.since_ms(first) / every_ms).max().unwrap_or(0);
    if last >= INTERVALS_MAX {
        return Err(wrong(format!("{} intervals, at most {INTERVALS_MAX} are judged: lengthen --every", last + 1)));
    }
    let mut found = vec![Arms::default(); usize::try_from(last)? + 1];
    for request in all {
        let at = usize::try_from(request.at.since_ms(first) / every_ms)?;
        let Some(arms) = found.get_mut(at) else { continue };
        let arm = if request.candidate { &mut arms.candidate } else { &mut arms.control };
        arm.requests += 1;
        // Only an answer has a latency.
        match (request.failed, request.latency_us) {
            (Some(true), _) => arm.errors += 1,
            (_, Some(us)) => arm.latency.record(us),
            (_, None) => {}
        }
    }
    Ok(found)
}
