//! The guardrails of a test: answers of each variant against those of control, judged as in a canary. A tick is kept on disk before
//! anybody judges by it, so that a crash loses none.

use crate::daemon::evidence::{Kept, read};
use anyhow::Result;
use std::path::Path;
use tidegate_core::ab::{CONTROL, Test};
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Assessment, Beside, JudgeState, Mode, Offline, Tick, Verdict};
use tidegate_core::rollout::tick_width;
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
            let id = RolloutId { service: evidence_of(&test.spec.name, &variant.name), number: test.number };
            let kept = Kept::open(dir, &id)?;
            let mut judge = JudgeState::new(&test.spec.judge, 1, Mode::Canary, &Offline::default());
            read(dir, &id, 0)?.iter().for_each(|tick| judge.observe(tick));
            let share_bp = (test.spec.share_against_control(variant) * 10_000.0) as u32;
            Ok(Watched { variant: variant.name.clone(), share_bp, kept, judge })
        };
        Ok(Guard { of: test.id(), since: None, watched: test.spec.treatments().map(of).collect::<Result<_>>()? })
    }

    /// How many times wider a tick is where many are kept, as in a release: the file of a long test has an end.
    fn width(&self) -> u64 {
        self.watched.iter().map(|w| tick_width(w.kept.counted(1, Mode::Canary))).max().unwrap_or(1)
    }

    /// Counts a tick where one has ended; the variants that must be stopped, and why.
    ///
    /// # Errors
    /// When a tick cannot be kept; it is not judged then.
    pub fn beat(&mut self, test: &Test, now: At, take: impl FnOnce() -> Vec<TargetCounts>) -> Result<Vec<(String, String)>> {
        let Some(since) = self.since else {
            // What was counted before nobody knows when began elsewhere.
            let _ = take();
            self.since = Some(now);
            return Ok(vec![]);
        };
        if now.since_ms(since) < test.spec.judge.tick_ms.saturating_mul(self.width()) {
            return Ok(vec![]);
        }
        self.since = Some(now);
        let counts = take();
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
                beside: Beside::default(),
            };
            // One small synchronous write for each variant.
            watched.kept.append(&tick)?;
            watched.judge.observe(&tick);
            if watched.judge.gauge().verdict == Verdict::Rollback {
                harmful.push((watched.variant.clone(), words(&watched.judge.assess())));
            }
        }
        Ok(harmful)
    }
}

/// What a variant's ticks are kept under. No name has a `~`, so no two tests, variants and services share a file.
fn evidence_of(test: &str, variant: &str) -> String {
    format!("ab~{test}~{variant}")
}

/// The first attempts that a variant was chosen for.
fn of_variant(counts: &[TargetCounts], variant: &str) -> ArmCounts {
    let mut sum = ArmCounts::default();
    for count in counts.iter().filter(|c| c.target.variant.as_deref() == Some(variant)) {
        sum.add(&count.live);
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::ab::{Better, Command, Draft, Kind, Metric, Missing, Spec, State, Tests, Worth};
    use tidegate_core::judge::JudgeSettings;
    use tidegate_core::machine::Machine as _;
    use tidegate_core::route::{Carrier, TargetId};

    /// A test under way.
    fn running() -> Test {
        let metric = Metric {
            feedback: Worth::Label,
            kind: Kind::Rate,
            better: Better::Higher,
            min: 0.0,
            max: 1.0,
            window_ms: 1,
            missing: Missing::LeftOut,
        };
        let draft = Draft {
            name: "ranking".to_owned(),
            service: "s".to_owned(),
            model: "m".to_owned(),
            variants: ["control", "a", "b"].map(|name| (name.to_owned(), "1".to_owned(), 1)).to_vec(),
            unit: Carrier::Header("x-user".to_owned()),
            metric,
            share_bp: 10_000,
            alpha: 0.05,
            horizon_ms: 1_000_000,
            min_effect: 0.1,
            judge: JudgeSettings { tick_ms: 1_000, warm_up_ms: 0, ..JudgeSettings::preset() },
        };
        let spec = Box::new(Spec::build(draft).unwrap());
        let start = Command::Start { spec, by: "ada".to_owned(), reason: "x".to_owned(), at: At(0) };
        let ready = ["control", "a", "b"].map(|name| Command::Ready { test: 1, variant: name.to_owned(), at: At(0) });
        let commands = std::iter::once(start).chain(ready).chain([Command::Begin { test: 1, at: At(0) }]);
        let fold = |state: State, command: Command| Tests::decide(&state, &command).unwrap().iter().fold(state, Tests::evolve);
        commands.fold(State::default(), fold).test.unwrap()
    }

    /// A second: a hundred requests of each, of which these fail.
    fn second(errors: [u64; 3]) -> Vec<TargetCounts> {
        let of = |(name, errors): (&str, u64)| TargetCounts {
            target: TargetId::of_variant("s", "1", name),
            live: ArmCounts { requests: 100, errors, ..ArmCounts::default() },
            mirrored: ArmCounts::default(),
            client_faults: 0,
        };
        ["control", "a", "b"].into_iter().zip(errors).map(of).collect()
    }

    /// What is stopped by the n-th second, where the process ends and begins anew at these.
    fn first_stop(test: &Test, crashes: &[i64]) -> Option<(i64, String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = Guard::open(dir.path(), test).unwrap();
        for n in 0..200 {
            if crashes.contains(&n) {
                drop(guard);
                guard = Guard::open(dir.path(), test).unwrap();
                assert!(guard.beat(test, At(n * 1_000 - 1_000), Vec::new).unwrap().is_empty());
            }
            if let Some((variant, found)) = guard.beat(test, At(n * 1_000), || second([1, 6, 1])).unwrap().pop() {
                return Some((n, variant, found));
            }
        }
        None
    }

    #[test]
    fn what_harms_is_stopped_and_a_crash_loses_nothing() {
        let test = running();
        let (n, variant, found) = first_stop(&test, &[]).unwrap();
        assert!((4..100).contains(&n), "{n}");
        assert_eq!(variant, "a");
        assert!(found.starts_with("errors: ") && found.contains(" of control (evidence "), "{found}");
        assert_eq!(first_stop(&test, &[2, n - 1]), Some((n, variant, found)));
    }
}
