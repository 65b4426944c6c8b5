//! Counts beside requests what the guardrails of a release ask for: scores, and labels that come later.
//!
//! Both are taken from the records of answers and labels on their way to the lake. Nothing is counted where no guardrail asks for it.
//! What was answered before a restart is forgotten with it: labels that come for it afterwards are of no request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::judge::{Arm, Beside, GuardrailKind, LabelBook, Mode, ScoreHistogram, bound};
use tidegate_core::rollout::Rollout;
use tidegate_core::route::Role;
use tidegate_serve::{Pair, PredictionRecord};
use tidegate_store::FeedbackRow;

/// What labels are joined for. Each mode splits requests in its own way, and requests of two splits in one tick are no comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Of {
    number: u64,
    attempt: u32,
    mode: Mode,
}

#[derive(Default)]
struct OfService {
    shadow: bool,
    scores: Option<Box<[ScoreHistogram; 2]>>,
    labels: Option<(Of, LabelBook)>,
}

/// Of all services.
#[derive(Clone, Default)]
pub struct Besides(Arc<Mutex<HashMap<String, OfService>>>);

/// What the gateway holds against each other, by the arm.
fn arm(role: Role) -> Option<Arm> {
    match role {
        Role::Candidate => Some(Arm::Candidate),
        Role::Control => Some(Arm::Control),
        Role::Stable | Role::Variant => None,
    }
}

impl Besides {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, OfService>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts from now on what the guardrails of a rollout ask for in this mode; what was counted of labels stays while it is of the
    /// same requests.
    pub fn begin(&self, service: &str, open: &Rollout, mode: Mode) {
        let asks = |kind: &GuardrailKind| open.spec.judge.guardrails.values().any(|g| g.kind == *kind);
        let shadow = mode == Mode::Shadow;
        let of = Of { number: open.spec.number, attempt: open.attempt, mode };
        let mut all = self.lock();
        let before = all.remove(service).and_then(|o| o.labels).filter(|(known, _)| *known == of);
        let now = OfService {
            shadow,
            scores: asks(&GuardrailKind::ScoreShift).then(Box::default),
            labels: asks(&GuardrailKind::Labels).then(|| before.unwrap_or_else(|| (of, LabelBook::new(shadow)))),
        };
        if now.scores.is_some() || now.labels.is_some() {
            all.insert(service.to_owned(), now);
        }
    }

    /// Forgets the requests of a service whose release has ended.
    pub fn end(&self, service: &str) {
        self.lock().remove(service);
    }

    /// What was counted in the tick that ends now.
    pub fn end_tick(&self, service: &str) -> Beside {
        let mut all = self.lock();
        let Some(of) = all.get_mut(service) else { return Beside::default() };
        let mut scores = of.scores.as_mut().map(std::mem::take);
        if let Some(arms) = &mut scores {
            bound(arms);
        }
        Beside { scores, labels: of.labels.as_mut().map(|(_, book)| book.end_tick()), values: vec![] }
    }

    /// Answers that are on their way to the lake; of first attempts and copies alone, as requests are counted.
    pub fn answered(&self, records: &[PredictionRecord], decision: impl Fn(&PredictionRecord) -> Option<bool>) {
        let mut all = self.lock();
        for record in records {
            let Some(of) = all.get_mut(record.service.as_ref()).filter(|of| of.shadow == record.mirrored) else { continue };
            let Some(arm) = arm(record.role).filter(|_| record.mirrored || record.compared) else { continue };
            if let (Some(scores), Some(score), false) = (of.scores.as_mut(), record.score, of.shadow) {
                let [candidate, control] = &mut **scores;
                (if arm == Arm::Candidate { candidate } else { control }).record(score);
            }
            if let Some((_, book)) = &mut of.labels {
                book.answered(&record.request_id, arm, decision(record));
            }
        }
    }

    /// A pair of answers in shadow: scores are compared where both gave one.
    pub fn paired(&self, pairs: &[Pair]) {
        let mut all = self.lock();
        for pair in pairs {
            let scores = all.get_mut(pair.service.as_ref()).filter(|of| of.shadow).and_then(|of| of.scores.as_mut());
            let both = pair.candidate.score.zip(pair.control.score).filter(|(one, other)| !one.is_nan() && !other.is_nan());
            if let (Some(scores), Some((one, other))) = (scores, both) {
                let [candidate, control] = &mut **scores;
                candidate.record(one);
                control.record(other);
            }
        }
    }

    /// Labels that are on their way to the lake.
    pub fn labelled(&self, rows: &[FeedbackRow]) {
        let mut all = self.lock();
        for row in rows {
            if let Some((_, book)) = all.get_mut(&row.service).and_then(|of| of.labels.as_mut()) {
                book.label(&row.request_id, row.label);
            }
        }
    }
}
