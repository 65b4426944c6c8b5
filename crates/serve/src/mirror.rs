//! Shadow: copies of live requests for candidate and control, after the user has the answer.
//!
//! Offering a copy never waits: the queue is bounded, and what does not fit is dropped and counted. Both arms get
//! the same body, first one then the other in an order that chance decides, so that neither is always the warmer.
//! A copy whose arm was unloaded meanwhile, or that both arms call the caller's fault, makes no pair.

use crate::clock;
use crate::counts::{Kind, Result as Counted};
use crate::frame::{Answer, Body, Outcome};
use crate::limits::{MIRROR_ACTIVE_MAX, MIRROR_QUEUE_MAX};
use crate::plan::{PlanMirror, PlanRoute, PlanTarget};
use crate::pool::{NoAnswer, Priority};
use crate::record::{ArmAnswer, Pair, PredictionRecord};
use crate::task;
use crate::trace::{self, Trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_core::scan::Findings;
use tokio::sync::{Semaphore, mpsc};

/// One copy.
#[derive(Debug)]
pub struct Copy {
    pub route: Arc<PlanRoute>,
    pub candidate_first: bool,
    pub body: Body,
    pub request_id: Arc<str>,
    pub record_id: String,
    pub event_time_ms: Option<i64>,
    /// That of the request.
    pub trace: Trace,
    pub live: ArmAnswer,
}

/// What became of copies, since the gateway's start.
#[derive(Debug, Default)]
pub struct MirrorTotals {
    pub dropped: AtomicU64,
    pub pairs: AtomicU64,
    pub pairs_dropped: AtomicU64,
    pub abandoned: AtomicU64,
}

/// The way in.
#[derive(Debug)]
pub struct Mirror {
    queue: mpsc::Sender<Copy>,
    pub totals: Arc<MirrorTotals>,
}

/// Where pairs and records go.
#[derive(Clone, Debug)]
pub struct Sinks {
    pub pairs: mpsc::Sender<Pair>,
    pub records: crate::gateway::Records,
    pub deadline: Duration,
}

impl Mirror {
    /// Starts the task that asks both arms.
    pub fn start(sinks: Sinks) -> Mirror {
        let (queue, receiver) = mpsc::channel(MIRROR_QUEUE_MAX);
        let totals = Arc::new(MirrorTotals::default());
        task::spawn(pump(receiver, sinks, Arc::clone(&totals)));
        Mirror { queue, totals }
    }

    /// Takes a copy, or drops it; never waits.
    pub fn offer(&self, copy: Copy) {
        if self.queue.try_send(copy).is_err() {
            self.totals.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn pump(mut queue: mpsc::Receiver<Copy>, sinks: Sinks, totals: Arc<MirrorTotals>) {
    let active = Arc::new(Semaphore::new(MIRROR_ACTIVE_MAX));
    while let Some(copy) = queue.recv().await {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&active).acquire_owned().await else { return };
        let (sinks, totals) = (sinks.clone(), Arc::clone(&totals));
        task::spawn(async move {
            ask_both(copy, &sinks, &totals).await;
            drop(permit);
        });
    }
}

async fn ask_both(copy: Copy, sinks: &Sinks, totals: &MirrorTotals) {
    let Some(mirror) = &copy.route.mirror else { return };
    let PlanMirror { candidate, control, .. } = mirror;
    let ask = |target| ask(target, &copy, sinks.deadline);
    let (candidate_arm, control_arm) = if copy.candidate_first {
        tokio::join!(ask(candidate), ask(control))
    } else {
        let (control_arm, candidate_arm) = tokio::join!(ask(control), ask(candidate));
        (candidate_arm, control_arm)
    };
    let (Some(candidate_arm), Some(control_arm)) = (candidate_arm, control_arm) else {
        totals.abandoned.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if candidate_arm.client_fault && control_arm.client_fault {
        totals.abandoned.fetch_add(1, Ordering::Relaxed);
        return;
    }
    candidate.counts.add(Kind::Mirrored, candidate_arm.counted());
    control.counts.add(Kind::Mirrored, control_arm.counted());
    let at_ms = clock::wall_ms();
    for (target, arm) in [(candidate, &candidate_arm), (control, &control_arm)] {
        sinks.records.offer(record(&copy, target, arm, at_ms), &copy.body, &target.slot.spec.conduct.scan);
    }
    totals.pairs.fetch_add(1, Ordering::Relaxed);
    let pair = Pair {
        at_ms,
        service: Arc::clone(&copy.route.service),
        request_id: copy.request_id,
        record_id: copy.record_id,
        event_time_ms: copy.event_time_ms,
        candidate: candidate_arm.answer,
        control: control_arm.answer,
        live: copy.live,
    };
    if sinks.pairs.try_send(pair).is_err() {
        totals.pairs_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

struct Arm {
    answer: ArmAnswer,
    status: u16,
    client_fault: bool,
    found: Findings,
}

impl Arm {
    /// In a pair where the other arm took the request, calling it the caller's fault is this arm's error.
    fn counted(&self) -> Counted {
        if self.answer.ok { Counted::Answered(self.answer.latency_us) } else { Counted::Error }
    }
}

/// One arm's answer; none when the arm is being unloaded.
async fn ask(target: &PlanTarget, copy: &Copy, deadline: Duration) -> Option<Arm> {
    let start = clock::now();
    let mut span = trace::attempt(&copy.trace, target, Kind::Mirrored);
    let result = span.within(target.slot.ask(&copy.body, Priority::Interactive, deadline, None)).await;
    let latency_us = clock::elapsed_us(start);
    span.came(&result);
    let version = Arc::clone(&target.version);
    Some(match result {
        Err(NoAnswer::Draining) => return None,
        Err(NoAnswer::NotReady | NoAnswer::Full | NoAnswer::Long | NoAnswer::Died | NoAnswer::Late | NoAnswer::Left) => Arm {
            answer: ArmAnswer { version, ok: false, score: None, latency_us, inputs: Vec::new() },
            status: 503,
            client_fault: false,
            found: Findings::default(),
        },
        Ok(Answer { outcome, score, inputs, generated, found, .. }) => {
            if let Some(generated) = generated.filter(|_| outcome == Outcome::Answered) {
                target.counts.add_generated(Kind::Mirrored, &generated);
            }
            Arm {
                found,
                answer: ArmAnswer { version, ok: outcome == Outcome::Answered, score, latency_us, inputs },
                status: crate::gateway::status_of(outcome).as_u16(),
                client_fault: outcome == Outcome::ClientFault,
            }
        }
    })
}

fn record(copy: &Copy, target: &PlanTarget, arm: &Arm, at_ms: i64) -> PredictionRecord {
    PredictionRecord {
        at_ms,
        event_time_ms: copy.event_time_ms,
        request_id: Arc::clone(&copy.request_id),
        record_id: copy.record_id.clone(),
        service: Arc::clone(&copy.route.service),
        model: Arc::clone(&copy.route.model),
        version: Arc::clone(&target.version),
        role: target.id.role,
        mirrored: true,
        compared: false,
        generation: copy.route.generation,
        status: arm.status,
        latency_us: arm.answer.latency_us,
        score: arm.answer.score,
        inputs: arm.answer.inputs.clone(),
        exposure: None,
        trace: copy.trace.recorded(),
        found: arm.found.clone(),
    }
}
