//! Labels that come later, joined to the answers of candidate and control by the request; and what they come to as evidence.
//!
//! The first label of a request counts, in the tick in which it comes; what comes for it later is counted as repeated or
//! conflicting. Not here: where answers and labels come from.

use super::beside::LabelCounts;
use super::evidence::{Mode, Tick};
use super::guardrails::Arms;
use super::settings::Guardrail;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tidegate_stats::eprocess::Counts;

/// Most requests of a release that labels are joined to: of more the oldest are forgotten, with or without a label.
pub const REQUESTS_MAX: usize = 500_000;
/// Most labels that wait for the answer of their request: of more the oldest are forgotten.
pub const EARLY_MAX: usize = 16_384;

/// Which arm answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// The candidate.
    Candidate,
    /// The control.
    Control,
}

/// What a request was answered, and what turned out to be true.
#[derive(Clone, Debug, Default)]
struct Request {
    /// Decisions of candidate and control, where they answered; none inside: nothing was decided.
    decisions: [Option<Option<bool>>; 2],
    label: Option<bool>,
}

/// The requests of one attempt, and the labels that came for them.
#[derive(Clone, Debug, Default)]
pub struct LabelBook {
    /// In shadow a request is of both arms, and counts once both have answered.
    paired: bool,
    requests: HashMap<Arc<str>, Request>,
    order: VecDeque<Arc<str>>,
    early: HashMap<Arc<str>, bool>,
    early_order: VecDeque<Arc<str>>,
    /// Of the tick that has not ended; `waiting` is kept up to date.
    counts: LabelCounts,
}

impl LabelBook {
    /// Of no request; `paired` in shadow, where both arms answer each.
    #[must_use]
    pub fn new(paired: bool) -> LabelBook {
        LabelBook { paired, ..LabelBook::default() }
    }

    /// An arm answered a request; an arm's first answer to it is kept.
    pub fn answered(&mut self, request: &Arc<str>, arm: Arm, decision: Option<bool>) {
        if !self.requests.contains_key(request) {
            if self.order.len() >= REQUESTS_MAX
                && let Some(oldest) = self.order.pop_front()
                && let Some(gone) = self.requests.remove(&oldest)
            {
                self.wait_for(&gone, false);
            }
            self.order.push_back(Arc::clone(request));
            self.requests.insert(Arc::clone(request), Request::default());
        }
        let before = self.requests.get(request).cloned().unwrap_or_default();
        let mut now = before.clone();
        if let Some(cell) = now.decisions.get_mut(arm as usize).filter(|cell| cell.is_none()) {
            *cell = Some(decision);
        }
        self.wait_for(&before, false);
        self.wait_for(&now, true);
        self.requests.insert(Arc::clone(request), now);
        if let Some(label) = self.early.get(request).copied()
            && self.take(request, label)
        {
            self.early.remove(request);
        }
    }

    /// A label came: true above a half. What is no number is none.
    pub fn label(&mut self, request: &str, label: f64) {
        if !label.is_finite() {
            return;
        }
        let (request, label): (Arc<str>, bool) = (request.into(), label > 0.5);
        if self.take(&request, label) || self.early.contains_key(&request) {
            return;
        }
        // Its answer may still be on its way.
        if self.early_order.len() >= EARLY_MAX
            && let Some(oldest) = self.early_order.pop_front()
        {
            self.early.remove(&oldest);
        }
        self.early_order.push_back(Arc::clone(&request));
        self.early.insert(request, label);
    }

    /// Counts a label of a request whose answers are there; whether they were.
    fn take(&mut self, request: &Arc<str>, label: bool) -> bool {
        let paired = self.paired;
        let Some(found) = self.requests.get_mut(request).filter(|r| r.ready(paired)) else { return false };
        if let Some(first) = found.label {
            *(if first == label { &mut self.counts.repeated } else { &mut self.counts.conflicting }) += 1;
            return true;
        }
        let before = found.clone();
        found.label = Some(label);
        let [candidate, control] = found.decisions;
        for (sample, decided) in [(&mut self.counts.candidate, candidate), (&mut self.counts.control, control)] {
            if let Some(decision) = decided {
                sample.trials += 1;
                // Where nothing was decided nothing was right.
                sample.hits += u64::from(decision != Some(label));
            }
        }
        self.wait_for(&before, false);
        true
    }

    /// Adds a request to those that wait for a label, or takes it away.
    fn wait_for(&mut self, request: &Request, more: bool) {
        if request.label.is_some() || !request.ready(self.paired) {
            return;
        }
        let (candidate, control) = &mut self.counts.waiting;
        for (waiting, decided) in [candidate, control].into_iter().zip(request.decisions) {
            let one = u64::from(decided.is_some());
            *waiting = if more { *waiting + one } else { waiting.saturating_sub(one) };
        }
    }

    /// The counts of a tick that ends now.
    pub fn end_tick(&mut self) -> LabelCounts {
        let next = LabelCounts { waiting: self.counts.waiting, ..LabelCounts::default() };
        std::mem::replace(&mut self.counts, next)
    }
}

impl Request {
    fn ready(&self, paired: bool) -> bool {
        !paired || self.decisions.iter().all(Option::is_some)
    }
}

/// Two arms by their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Labelled {
    pub(super) arms: Arms,
    /// As the last tick said.
    pub(super) waiting: (u64, u64),
    pub(super) repeated: u64,
    pub(super) conflicting: u64,
}

impl Labelled {
    pub(super) fn new(guardrail: &Guardrail, mode: Mode, corrected: bool) -> Labelled {
        Labelled { arms: Arms::new(guardrail, None, mode, corrected), waiting: (0, 0), repeated: 0, conflicting: 0 }
    }

    pub(super) fn observe(&mut self, tick: &Tick) {
        let Some(labels) = tick.beside.labels else { return };
        let (one, zero) = (labels.candidate, labels.control);
        let counts = Counts { n1: one.trials, s1: one.hits.min(one.trials), n0: zero.trials, s0: zero.hits.min(zero.trials) };
        self.arms.fold(counts, counts, counts);
        self.waiting = labels.waiting;
        self.repeated = self.repeated.saturating_add(labels.repeated);
        self.conflicting = self.conflicting.saturating_add(labels.conflicting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::OneSample;

    fn sample(trials: u64, hits: u64) -> OneSample {
        OneSample { trials, hits }
    }

    #[test]
    fn each_request_counts_once_by_its_first_label_in_the_tick_in_which_it_came() {
        let mut book = LabelBook::new(false);
        let id = |n: u32| -> Arc<str> { n.to_string().into() };
        for n in 0..4 {
            book.answered(&id(n), if n < 2 { Arm::Candidate } else { Arm::Control }, Some(n % 2 == 0));
        }
        book.answered(&id(4), Arm::Candidate, None);
        book.label("0", 0.0);
        book.label("0", 0.0);
        book.label("0", 1.0);
        book.label("2", 1.0);
        book.label("3", f64::NAN);
        book.label("stranger", 1.0);
        let first = LabelCounts { candidate: sample(1, 1), control: sample(1, 0), waiting: (2, 1), repeated: 1, conflicting: 1 };
        assert_eq!(book.end_tick(), first);
        // Late, of nothing decided, and before its answer.
        book.label("4", 1.0);
        book.label("9", 1.0);
        book.label("9", 0.0);
        assert_eq!(book.end_tick(), LabelCounts { candidate: sample(1, 1), waiting: (1, 1), ..LabelCounts::default() });
        book.answered(&id(9), Arm::Control, Some(true));
        assert_eq!(book.end_tick(), LabelCounts { control: sample(1, 0), waiting: (1, 1), ..LabelCounts::default() });
    }

    #[test]
    fn in_shadow_a_label_is_of_both_answers() {
        let mut book = LabelBook::new(true);
        let id: Arc<str> = "r".into();
        book.answered(&id, Arm::Candidate, Some(true));
        book.label("r", 1.0);
        assert_eq!(book.end_tick(), LabelCounts::default(), "the control's answer is not there");
        book.answered(&id, Arm::Control, Some(false));
        assert_eq!(book.end_tick(), LabelCounts { candidate: sample(1, 0), control: sample(1, 1), ..LabelCounts::default() });
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let mut book = LabelBook::new(false);
        (0..=EARLY_MAX).for_each(|n| book.label(&n.to_string(), 1.0));
        assert_eq!((book.early.len(), book.early_order.len()), (EARLY_MAX, EARLY_MAX));
        assert!(!book.early.contains_key("0"));
    }
}
