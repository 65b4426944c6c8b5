//! The guardrails of a test: answers of each variant against those of control, judged as in a canary. A tick is kept on disk before
//! anybody judges by it, so that a crash loses none.

use crate::clock;
use crate::daemon::evidence::{Kept, read};
use crate::daemon::plane::Plane;
use anyhow::Result;
use std::path::Path;
use tidegate_core::ab::{CONTROL, Test};
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Assessment, JudgeState, Mode, Offline, Tick, Verdict};
use tidegate_engine::rollouts::RolloutId;
use tidegate_serve::TargetCounts;

/// One variant under its guardrails.
struct Watched {
    variant: String,
    share_bp: u32,
    kept: Kept,
    judge: JudgeState,
}

/// The guardrails of one test.
pub struct Guard {
    /// The test.
    pub of: String,
    since: Option<At>,
    watched: Vec<Watched>,
}

impl Guard {
    /// As far as it was counted before.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(dir: &Path, test: &Test) -> Result<Guard> {
        let of = |variant: &tidegate_core::ab::Variant| {
            let id = RolloutId { service: format!("ab-{}-{}", test.spec.name, variant.name), number: test.number };
            let kept = Kept::open(dir, &id)?;
            let mut judge = JudgeState::new(&test.spec.judge, 1, Mode::Canary, &Offline::default());
            read(dir, &id, 0)?.iter().for_each(|tick| judge.observe(tick));
            let share_bp = (test.spec.share_against_control(variant) * 10_000.0) as u32;
            Ok(Watched { variant: variant.name.clone(), share_bp, kept, judge })
        };
        Ok(Guard { of: test.id(), since: None, watched: test.spec.treatments().map(of).collect::<Result<_>>()? })
    }

    /// Counts a tick where one has ended; the variants that must be stopped, and why.
    ///
    /// # Errors
    /// When a tick cannot be kept; it is not judged then.
    pub fn beat(&mut self, plane: &Plane, test: &Test) -> Result<Vec<(String, String)>> {
        let now = clock::now();
        let Some(since) = self.since else {
            // What was counted before nobody knows when began elsewhere.
            let _ = plane.gateway().take_counts(&test.spec.service);
            self.since = Some(now);
            return Ok(vec![]);
        };
        if now.since_ms(since) < test.spec.judge.tick_ms {
            return Ok(vec![]);
        }
        self.since = Some(now);
        let counts = plane.gateway().take_counts(&test.spec.service);
        let control = of_variant(&counts, CONTROL);
        let mut harmful = vec![];
        for watched in self.watched.iter_mut().filter(|w| test.stopped(&w.variant).is_none()) {
            let tick = Tick {
                seq: watched.kept.next_seq(),
                at: now,
                mode: Mode::Canary,
                step: 0,
                attempt: 1,
                candidate_share_bp: watched.share_bp,
                candidate: of_variant(&counts, &watched.variant),
                control: control.clone(),
                pairs: None,
            };
            // One small synchronous write for each variant, on this task alone.
            tokio::task::block_in_place(|| watched.kept.append(&tick))?;
            watched.judge.observe(&tick);
            if watched.judge.gauge().verdict == Verdict::Rollback {
                harmful.push((watched.variant.clone(), words(&watched.judge.assess())));
            }
        }
        Ok(harmful)
    }
}

/// The first attempts that a variant was chosen for.
fn of_variant(counts: &[TargetCounts], variant: &str) -> ArmCounts {
    let mut sum = ArmCounts::default();
    for count in counts.iter().filter(|c| c.target.variant.as_deref() == Some(variant)) {
        sum.requests += count.live.requests;
        sum.errors += count.live.errors;
        for (bucket, n) in &count.live.latency.0 {
            sum.latency.add(*bucket, *n);
        }
    }
    sum
}

/// What spoke loudest.
fn words(found: &Assessment) -> String {
    let loudest = found.guardrails.iter().max_by(|a, b| a.e_rollback.total_cmp(&b.e_rollback));
    loudest.map_or_else(String::new, |g| {
        let ((n1, s1), (n0, s0)) = (g.candidate, g.control);
        format!(
            "{}: {s1} of {n1} requests against {s0} of {n0} of control (evidence {:.0}, {:.0} needed)",
            g.name, found.e_rollback, found.needs_rollback
        )
    })
}
