//! The evidence of one rollout, folded: a judge for each mode of the present attempt.
//!
//! Not here: what follows from an assessment.

use crate::evidence::{EVIDENCE_VERSION, Header, encode};
use tidegate_core::id::Digest;
use tidegate_core::judge::{Assessment, JUDGE_VERSION, JudgeState, Mode, Offline, Tick};
use tidegate_core::rollout::{EVIDENCE_TICKS_MAX, Judged, Rollout, tick_width};

struct Judge {
    attempt: u32,
    mode: Mode,
    state: JudgeState,
    ticks: Vec<Tick>,
    /// The time of the last tick's step, in ticks.
    step_ticks: u64,
    /// Folded since the machine was last told.
    news: bool,
}

impl Judge {
    fn judged(&self, assess: fn(&JudgeState) -> Assessment) -> Option<Judged> {
        let last = self.ticks.last()?;
        Some(Judged {
            attempt: self.attempt,
            mode: self.mode,
            step: last.step,
            step_ticks: self.step_ticks,
            through: last.seq,
            assessment: assess(&self.state),
            evidence: Digest::of(b""),
        })
    }

    /// The bytes that the present assessment rests on.
    fn bytes(&self, r: &Rollout) -> Vec<u8> {
        let header = Header {
            v: EVIDENCE_VERSION,
            service: r.spec.service.clone(),
            rollout: r.spec.number,
            attempt: self.attempt,
            mode: self.mode,
            settings: r.spec.judge.clone(),
            offline: offline(r),
            judge_version: JUDGE_VERSION,
        };
        encode(&header, &self.ticks)
    }
}

/// What was folded of a rollout.
#[derive(Default)]
pub(super) struct Fold {
    /// The sequence of the tick that comes next.
    pub(super) next_seq: u64,
    judges: Vec<Judge>,
}

impl Fold {
    /// Folds ticks that continue what is there; false when one is missing before them.
    pub(super) fn observe(&mut self, r: &Rollout, ticks: Vec<Tick>) -> bool {
        for tick in ticks {
            if tick.seq < self.next_seq {
                continue;
            }
            if tick.seq > self.next_seq {
                return false;
            }
            self.next_seq += 1;
            if tick.attempt == r.attempt {
                self.judge(r, tick);
            }
        }
        true
    }

    fn judge(&mut self, r: &Rollout, tick: Tick) {
        self.judges.retain(|j| j.attempt == r.attempt);
        let (attempt, mode) = (tick.attempt, tick.mode);
        let i = self.judges.iter().position(|j| j.mode == mode).unwrap_or_else(|| {
            let state = JudgeState::new(&r.spec.judge, attempt, mode, &offline(r));
            self.judges.push(Judge { attempt, mode, state, ticks: vec![], step_ticks: 0, news: false });
            self.judges.len() - 1
        });
        if let Some(judge) = self.judges.get_mut(i).filter(|j| j.ticks.len() < EVIDENCE_TICKS_MAX) {
            judge.state.observe(&tick);
            // one that was counted for longer is as many as it took
            let width = tick_width(judge.ticks.len());
            judge.step_ticks = if judge.ticks.last().is_some_and(|last| last.step == tick.step) { judge.step_ticks + width } else { width };
            judge.ticks.push(tick);
            judge.news = true;
        }
    }

    /// Whether the machine was not told of everything yet.
    pub(super) fn has_news(&self) -> bool {
        self.judges.iter().any(|j| j.news)
    }

    /// The machine was told of everything.
    pub(super) fn told(&mut self) {
        self.judges.iter_mut().for_each(|j| j.news = false);
    }

    /// What the judges with news say, without the seal and the words; the newest evidence last.
    pub(super) fn news(&self, r: &Rollout) -> Vec<Judged> {
        self.of_attempt(r).filter(|j| j.news).filter_map(|j| j.judged(JudgeState::gauge)).collect()
    }

    /// What all judges of the present attempt say, without the seal; the newest evidence last.
    pub(super) fn judged(&self, r: &Rollout) -> Vec<Judged> {
        self.of_attempt(r).filter_map(|j| j.judged(JudgeState::assess)).collect()
    }

    /// What the judge of `mode` says, with the seal and the bytes that it rests on.
    pub(super) fn sealed(&self, r: &Rollout, mode: Mode) -> Option<(Judged, Vec<u8>)> {
        let judge = self.of_attempt(r).find(|j| j.mode == mode)?;
        let bytes = judge.bytes(r);
        Some((Judged { evidence: Digest::of(&bytes), ..judge.judged(JudgeState::assess)? }, bytes))
    }

    fn of_attempt(&self, r: &Rollout) -> impl Iterator<Item = &Judge> {
        self.judges.iter().filter(|j| j.attempt == r.attempt)
    }
}

fn offline(r: &Rollout) -> Offline {
    Offline { disagreement: r.spec.offline_disagreement }
}
