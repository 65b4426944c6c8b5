//! Keeps one version's servers under watch: who is there, who answers right, and whether anybody does.

use super::child;
use super::health::Standing;
use super::probe::Miss;
use super::{Remote, Replica};
use crate::clock;
use crate::frame::Hello;
use crate::pool::{PoolEvent, PoolSettings, Slot, TargetState, Way, set, stopped};
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_runtime::Golden;
use tokio::sync::Notify;

/// Runs a version whose servers are elsewhere until it is unloaded.
pub async fn supervise(slot: &Arc<Slot>, remote: &Arc<Remote>, golden: &Golden, settings: &PoolSettings, tell: &impl Fn(PoolEvent)) {
    let changed = Notify::new();
    let watches = remote.replicas.iter().map(|replica| watch(slot, remote, replica, golden, &changed));
    let children = child::keep(slot, remote, settings, tell, &changed);
    tokio::pin!(children);
    tokio::select! {
        () = stopped(slot) => {}
        () = &mut children => return,
        _ = join_all(watches) => {}
        () = decide(slot, remote, settings, tell, &changed) => {}
    }
    // Nobody asks it any longer: what was started here has its time to end.
    if remote.children.is_some() {
        children.await;
    }
}

/// Says of the version what its servers are together.
async fn decide(slot: &Arc<Slot>, remote: &Arc<Remote>, settings: &PoolSettings, tell: &impl Fn(PoolEvent), changed: &Notify) {
    let target = &slot.spec.target;
    let since = clock::steady_ms();
    loop {
        let standings: Vec<Standing> = remote.replicas.iter().map(|r| r.health().standing().clone()).collect();
        let state = slot.state.borrow().clone();
        let given_up = remote.children.as_ref().and_then(|c| c.given_up(slot));
        if standings.contains(&Standing::Well) {
            if matches!(state, TargetState::Starting | TargetState::Away { .. }) {
                slot.hello.store(remote.described.get().map(|d| {
                    let (inputs, outputs) = (d.signature.inputs.clone(), d.signature.outputs.clone());
                    Arc::new(Hello {
                        ready: true,
                        why: String::new(),
                        platform: d.platform.clone(),
                        inputs,
                        outputs,
                        providers: Vec::new(),
                    })
                }));
                slot.begin(Way::Remote(Arc::clone(remote)));
                set(slot, TargetState::Ready);
                tell(PoolEvent::Ready { target: target.clone() });
            }
        } else if let (Some(why), TargetState::Ready | TargetState::Away { .. }) = (&given_up, &state) {
            let why = why.clone();
            slot.way.store(None);
            set(slot, TargetState::Failed { why: why.clone() });
            tell(PoolEvent::Failed { target: target.clone(), why });
        } else if state == TargetState::Ready {
            let why = format!("no server of upstream {} is well: {}", remote.upstream(), told(&standings));
            slot.way.store(None);
            tracing::warn!(%target, %why, "nobody answers for a version");
            set(slot, TargetState::Away { why: why.clone() });
            tell(PoolEvent::Away { target: target.clone(), why });
        } else if state == TargetState::Starting {
            let wrong = !standings.iter().any(|s| matches!(s, Standing::Unknown | Standing::Away(_)));
            let start_ms_max = remote.children.as_ref().map_or(settings.start_ms_max, |c| c.start_ms_max());
            let late = clock::steady_ms().saturating_sub(since) >= start_ms_max;
            if wrong || late || given_up.is_some() {
                let why = given_up.unwrap_or_else(|| told(&standings));
                set(slot, TargetState::Failed { why: why.clone() });
                tell(PoolEvent::Failed { target: target.clone(), why });
            }
        }
        // Woken by any change; the time is for a start that nothing changes in.
        let _ = tokio::time::timeout(Duration::from_millis(LOOK_MS), changed.notified()).await;
    }
}

/// How soon a server is looked at again that was missed, in milliseconds.
const AGAIN_MS: u64 = 50;
/// How often the version is looked at where nothing changes, in milliseconds.
const LOOK_MS: u64 = 500;
/// Servers whose trouble is told; of further ones it is alike.
const TOLD_MAX: usize = 3;

fn told(standings: &[Standing]) -> String {
    let whys = standings.iter().map(|standing| match standing {
        Standing::Away(why) | Standing::Wrong(why) => why.clone(),
        Standing::Unknown => "one was not reached yet".to_owned(),
        Standing::Well => "one is well".to_owned(),
    });
    whys.take(TOLD_MAX).collect::<Vec<_>>().join("; ")
}

/// Watches one server, for ever.
async fn watch(slot: &Slot, remote: &Remote, replica: &Replica, golden: &Golden, changed: &Notify) {
    let every = Duration::from_millis(remote.upstream.probe_every_ms);
    let golden_every_ms = remote.upstream.golden_every_ms;
    let mut golden_at = 0;
    let mut turn = 0_usize;
    // Requests that it had answered when it was looked at last.
    let mut answered = 0;
    loop {
        let before = replica.health().standing().clone();
        let was_well = before == Standing::Well;
        let due = clock::steady_ms() >= golden_at;
        let (found, answers) = match was_well {
            false => (remote.is_all_right(replica, golden).await, false),
            true if due => {
                // One golden request at a time: each has its turn, and none of them costs what all would.
                turn = (turn + 1) % golden.requests.len().max(1);
                match golden.requests.get(turn) {
                    Some(request) => remote.is_right_and_there(replica, request, answered).await,
                    None => (Ok(()), false),
                }
            }
            true => remote.is_there_or_answers(replica).await,
        };
        if due || !was_well {
            golden_at = clock::steady_ms().saturating_add(golden_every_ms);
        }
        let mut missed = false;
        answered = replica.answered();
        let out = {
            let mut health = replica.health();
            match &found {
                Ok(()) if was_well => {
                    health.there();
                    false
                }
                Ok(()) => {
                    health.right();
                    false
                }
                // One that answers users is there, however long a probe waits among them.
                Err(Miss::Away(_)) if answers => {
                    health.there();
                    false
                }
                Err(Miss::Away(why)) => {
                    missed = true;
                    health.miss(why)
                }
                Err(Miss::Wrong(why)) => health.answered_wrong(why),
            }
        };
        if out {
            let why = match &found {
                Err(Miss::Away(why) | Miss::Wrong(why)) => why.as_str(),
                Ok(()) => "",
            };
            tracing::warn!(upstream = remote.upstream(), %why, "a server is left out");
            if matches!(found, Err(Miss::Wrong(_))) {
                // What it answered lately is not given again.
                slot.epoch.fetch_add(1, Ordering::SeqCst);
            }
            replica.leave();
        }
        if *replica.health().standing() != before {
            changed.notify_one();
        }
        // One that was well and was missed is looked at again soon.
        let soon = was_well && missed && !out;
        tokio::time::sleep(if soon { every.min(Duration::from_millis(AGAIN_MS)) } else { every }).await;
    }
}
