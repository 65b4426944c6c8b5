//! Outputs from the cache instead of from a run.

use crate::error::PathIo;
use crate::runcache;
use crate::stage::{Job, Seen};
use tidegate_core::pipeline::{Identity, Reason, Recorded};
use tidegate_core::run::RestoredFrom;

/// Puts the outputs of an earlier run with the same inputs in place, if the cache has one.
pub(crate) fn restore(
    job: &Job<'_>,
    seen: &Seen,
    recorded: Option<&Recorded>,
    reasons: &[Reason],
    inputs: &Recorded,
) -> Result<Option<(Recorded, RestoredFrom)>, PathIo> {
    let spec = job.spec;
    if spec.always_changed || spec.outs.is_empty() || spec.outs.iter().any(|o| o.persist) {
        return Ok(None);
    }
    // Only outputs differ: the lock file itself says what they were, even for a stage that reads nothing.
    if let Some(recorded) = recorded
        && reasons.iter().all(|r| matches!(r, Reason::Output { .. }))
        && spec.outs.iter().all(|o| seen.legacy.contains(&o.path) || !recorded.legacy.contains(&o.path))
        && spec.outs.iter().all(|o| recorded.outs.get(&o.path).is_some_and(|i| is_at_hand(job, seen, &o.path, i)))
        && put_all(job, seen, recorded)?
    {
        return Ok(Some((recorded.clone(), RestoredFrom::Lock)));
    }
    if job.choices.no_run_cache || !runcache::applies(spec) {
        return Ok(None);
    }
    match runcache::find(job.cache, spec, inputs) {
        Some(found) if put_all(job, seen, &found)? => {
            let recorded = Recorded { outs: found.outs, ..inputs.clone() };
            Ok(Some((recorded, RestoredFrom::RunCache)))
        }
        _ => Ok(None),
    }
}

fn is_at_hand(job: &Job<'_>, seen: &Seen, path: &str, identity: &Identity) -> bool {
    in_place(seen, path, identity) || job.cache.has(identity)
}

fn in_place(seen: &Seen, path: &str, identity: &Identity) -> bool {
    seen.outs.get(path).and_then(Option::as_ref).is_some_and(|content| content.identity.md5 == identity.md5)
}

fn put_all(job: &Job<'_>, seen: &Seen, recorded: &Recorded) -> Result<bool, PathIo> {
    for out in &job.spec.outs {
        let Some(identity) = recorded.outs.get(&out.path) else { return Ok(false) };
        if !in_place(seen, &out.path, identity) && !job.cache.put(&job.eyes, &job.spec.from_workspace(&out.path), identity)? {
            return Ok(false);
        }
    }
    Ok(true)
}
