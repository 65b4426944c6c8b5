//! Counts evidence: every tick, what candidate and control were asked and how they answered.
//!
//! Counts belong to the rollout's mode, step and attempt at the time; what was counted while those changed is
//! dropped. A tick is kept on disk before anybody judges by it.

use super::beside::Besides;
use super::drivers::Asked;
use super::evidence::{Comparison, Kept, OfflineScores, Pairs};
use super::metric::Asking;
use super::plane::Plane;
use crate::clock;
use crate::workspace::Places;
use anyhow::Result;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::judge::{ArmCounts, GuardrailKind, JudgeSettings, Mode, Tick};
use tidegate_core::rollout::{self, Effect, Rollout, State, tick_width};
use tidegate_core::route::Role;
use tidegate_engine::rollouts::{Input, RolloutId};
use tidegate_serve::{Pair, TargetCounts};
use tokio::sync::mpsc;

/// How often the ticks look whether there is something to count.
const BEAT: Duration = Duration::from_millis(100);
/// Pairs taken from the gateway at once.
const PAIRS_AT_ONCE: usize = 1_024;

/// What evidence is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    generation: u64,
    pub mode: Mode,
    pub step: u32,
    pub attempt: u32,
    pub candidate_share_bp: u32,
}

struct Counting {
    kind: Kind,
    since: tidegate_core::id::At,
    /// The split has arrived, and what is counted is of it.
    settled: bool,
    pairs: Pairs,
    by: Comparison,
}

/// What the counting of all services shares.
#[derive(Clone, Default)]
pub struct Ticks {
    counting: Arc<Mutex<HashMap<String, Counting>>>,
    /// Offline scores by service and version.
    offline: Arc<Mutex<HashMap<(String, String), OfflineScores>>>,
    beside: Besides,
}

impl Ticks {
    /// The scores against which skew of a service's candidate is measured; those of other versions are let go.
    pub fn set_offline(&self, service: &str, version: &str, scores: OfflineScores) {
        let mut offline = self.offline.lock().unwrap_or_else(PoisonError::into_inner);
        offline.retain(|(of, _), _| of != service);
        offline.insert((service.to_owned(), version.to_owned()), scores);
    }

    /// What is counted beside requests.
    pub fn beside(&self) -> Besides {
        self.beside.clone()
    }

    /// Takes pairs from the gateway for as long as it gives them.
    pub async fn take_pairs(self, mut pairs: mpsc::Receiver<Pair>) {
        let mut batch = Vec::with_capacity(PAIRS_AT_ONCE);
        while pairs.recv_many(&mut batch, PAIRS_AT_ONCE).await > 0 {
            self.beside.paired(&batch);
            let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
            for pair in batch.drain(..) {
                if let Some(c) = counting.get_mut(pair.service.as_ref()).filter(|c| c.kind.mode == Mode::Shadow) {
                    let Counting { pairs, by, .. } = c;
                    pairs.add(&pair, by);
                }
            }
        }
    }

    /// Counts the evidence of one service for ever.
    pub async fn count(self, plane: Plane, service: String, threshold: f64, places: Places) {
        let evidence = places.evidence();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut kept: Option<(RolloutId, Kept)> = None;
        let (mut asked, mut metrics) = (plane.asked(&service), Asking::new(places.lake()));
        loop {
            beat.tick().await;
            if let Err(error) = self.beat(&plane, &service, threshold, &evidence, (&mut kept, &mut asked, &mut metrics)).await {
                plane.trouble(&format!("count evidence of {service}: {error:#}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn beat(
        &self,
        plane: &Plane,
        service: &str,
        threshold: f64,
        evidence: &Path,
        (kept, asked, metrics): (&mut Option<(RolloutId, Kept)>, &mut Option<Asked>, &mut Asking),
    ) -> Result<()> {
        let Some((id, state)) = plane.newest(service).await? else { return Ok(()) };
        let Some((wanted, open)) = wanted(&state, asked.is_some()).zip(state.rollout()) else {
            self.counting.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
            asked.iter_mut().for_each(Asked::rest);
            metrics.rest();
            if state.rollout().is_none_or(|open| open.phase.is_terminal()) {
                self.beside.end(service);
            }
            return Ok(());
        };
        if kept.as_ref().is_none_or(|(of, _)| *of != id) {
            let (dir, of) = (evidence.to_owned(), id.clone());
            *kept = Some((id.clone(), tokio::task::spawn_blocking(move || Kept::open(&dir, &of)).await??));
        }
        let Some((_, file)) = kept.as_mut() else { return Ok(()) };
        let tick_ms = open.spec.judge.tick_ms.saturating_mul(tick_width(file.counted(wanted.attempt, wanted.mode)));
        let delay_ms = plane.config().services.get(service).map_or(0, |s| s.delay_ms);
        let counted = match asked {
            Some(asked) => asked.due(plane, wanted, open, (tick_ms, delay_ms)).await,
            None => self.due(plane, service, wanted, open, (threshold, tick_ms, delay_ms)),
        };
        let Some(mut counted) = counted else { return Ok(()) };
        counted.beside.values = metrics.values(plane, wanted, open).await;
        // Whoever was asked took his time, and what was wanted may be over.
        if asked.is_some() && self::wanted(&plane.state(&id).await?, true) != Some(wanted) {
            return Ok(());
        }
        let tick = Tick { seq: file.next_seq(), ..counted };
        // One small synchronous write a second, on this task alone.
        if let Err(error) = tokio::task::block_in_place(|| file.append(&tick)) {
            // The file is opened anew, which cuts off what was half written.
            *kept = None;
            return Err(error);
        }
        plane.drive(Input::Evidence { rollout: id, ticks: vec![tick] }).await
    }

    /// The tick that has ended, if one has; begins to count when something else is wanted.
    fn due(
        &self,
        plane: &Plane,
        service: &str,
        wanted: Kind,
        open: &Rollout,
        (threshold, tick_ms, delay_ms): (f64, u64, u64),
    ) -> Option<Tick> {
        let now = clock::now();
        let judge = &open.spec.judge;
        let mut all = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |settled: bool| Counting {
            kind: wanted,
            since: now,
            settled,
            pairs: Pairs::default(),
            by: self.comparison(service, &open.spec.candidate, judge, threshold),
        };
        let Some(counting) = all.get_mut(service).filter(|c| c.kind == wanted) else {
            let _ = plane.gateway().take_counts(service);
            self.beside.begin(service, open, wanted.mode);
            all.insert(service.to_owned(), fresh(delay_ms == 0));
            return None;
        };
        if !counting.settled {
            // What was answered while the split was on its way is of neither split.
            if now.since_ms(counting.since) >= delay_ms {
                let _ = plane.gateway().take_counts(service);
                self.beside.begin(service, open, wanted.mode);
                *counting = fresh(true);
            }
            return None;
        }
        if now.since_ms(counting.since) < tick_ms {
            return None;
        }
        let pairs = std::mem::take(&mut counting.pairs);
        *counting = fresh(true);
        drop(all);
        let counts = plane.gateway().take_counts(service);
        let (candidate, control, pairs) = match wanted.mode {
            Mode::Shadow => (pairs.candidate, pairs.control, Some(pairs.counts)),
            Mode::Canary | Mode::Watch => (live(&counts, Role::Candidate), live(&counts, Role::Control), None),
        };
        Some(Tick {
            seq: 0,
            at: now,
            mode: wanted.mode,
            step: wanted.step,
            attempt: wanted.attempt,
            candidate_share_bp: wanted.candidate_share_bp,
            candidate,
            control,
            pairs,
            beside: self.beside.end_tick(service),
        })
    }

    fn comparison(&self, service: &str, version: &str, judge: &JudgeSettings, threshold: f64) -> Comparison {
        let key = (service.to_owned(), version.to_owned());
        let offline = self.offline.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned().unwrap_or_default();
        let skew = judge.guardrails.values().find(|g| g.kind == GuardrailKind::Skew);
        Comparison { threshold, differs_by: skew.map_or(f64::INFINITY, |g| g.differs_by), offline }
    }
}

/// What evidence a rollout wants. Where somebody else serves, the control is stable with all that it gets.
fn wanted(state: &State, driven: bool) -> Option<Kind> {
    let candidate_bp = state.rollout().and_then(|open| open.traffic).map(|wanted| wanted.traffic.candidate_bp);
    rollout::effects(state).into_iter().find_map(|effect| match effect {
        Effect::CollectEvidence { generation, mode, step, attempt, candidate_share_bp } => {
            let candidate_share_bp = candidate_bp.filter(|_| driven).unwrap_or(candidate_share_bp);
            Some(Kind { generation, mode, step, attempt, candidate_share_bp })
        }
        _ => None,
    })
}

/// The first attempts that a role answered; its versions are one within a rollout.
fn live(counts: &[TargetCounts], role: Role) -> ArmCounts {
    let mut sum = ArmCounts::default();
    for count in counts.iter().filter(|c| c.target.role == role) {
        sum.add(&count.live);
    }
    sum
}
