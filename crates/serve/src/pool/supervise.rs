//! Keeps one target running: start, greet, watch, start again after a wait, give up when it dies too often.

use crate::clock;
use crate::frame::{Answer, Outcome};
use crate::limits::{CRASH_WINDOW_MS, GOLDEN_MS_MAX, MEMORY_LOOK_MS_MAX, REPLACED_IDLE_MS, RESTART_MS_MAX};
use crate::pool::link::Link;
use crate::pool::local::Local;
use crate::pool::memory;
use crate::pool::process::Process;
use crate::pool::slot::NoAnswer;
use crate::pool::{PoolEvent, PoolSettings, Slot, TargetSpec, TargetState, Way};
use crate::remote::{self, REMOTE_FILE, Remote, RemoteModel};
use crate::task;
use crate::worker::{NO_GOLDEN, WorkerArguments, promised};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidegate_core::route::Role;
use tidegate_runtime::oip::Answering;
use tidegate_runtime::{Golden, Version};
use tokio::sync::mpsc;

/// How one run of a worker came to its end.
enum End {
    /// It was told to.
    Stopped,
    /// Starting it again would give the same.
    Refused(String),
    /// By itself.
    Died(String),
}

/// Runs a target until it is unloaded, by a worker or by servers elsewhere.
pub async fn supervise(slot: Arc<Slot>, settings: PoolSettings, events: mpsc::Sender<PoolEvent>) {
    let tell = |event| {
        if events.try_send(event).is_err() {
            tracing::warn!("nobody reads pool events; the targets' states tell what happened");
        }
    };
    loop {
        match elsewhere(&slot.spec) {
            Ok(None) => break work(&slot, &settings, &tell).await,
            Ok(Some((remote, golden))) => {
                let remote = slot.remote.get_or_init(|| Arc::new(remote));
                break remote::supervise(&slot, remote, &golden, &settings, &tell).await;
            }
            Err(why) => {
                if !fail(&slot, why, &tell).await {
                    break;
                }
            }
        }
    }
    slot.way.store(None);
    slot.state.send_replace(TargetState::Unloaded);
    tell(PoolEvent::Unloaded { target: slot.spec.target.clone() });
}

/// The servers and golden requests of a version that an upstream answers.
fn elsewhere(spec: &TargetSpec) -> Result<Option<(Remote, Golden)>, String> {
    let read = |name: &str| {
        let path = spec.dir.join(name);
        std::fs::read(&path).map_err(|error| format!("read {}: {error}", path.display()))
    };
    if !spec.dir.join(REMOTE_FILE).exists() {
        return Ok(None);
    }
    let model = RemoteModel::parse(&read(REMOTE_FILE)?)?;
    let Some(upstream) = spec.upstream.clone().filter(|u| u.name == model.upstream) else {
        let name = &model.upstream;
        return Err(format!("upstream {name} is not configured: write its addresses under `upstreams.{name}` of tidegate.yaml"));
    };
    if !spec.dir.join("golden.json").exists() {
        return Err(NO_GOLDEN.to_owned());
    }
    let golden = Golden::parse(&read("golden.json")?)?;
    if let Some(why) = promised(&golden, &spec.conduct.promise) {
        return Err(why);
    }
    let answering = Answering { model_name: spec.model.clone(), model_version: Some(spec.target.version.clone()) };
    let remote = Remote::new(upstream, model, answering, spec.conduct.scan.clone())?;
    Ok(Some((remote.promising(spec.conduct.promise.clone(), spec.conduct.sequence.clone()), golden)))
}

/// Runs a worker until its target is unloaded.
async fn work(slot: &Arc<Slot>, settings: &PoolSettings, tell: &impl Fn(PoolEvent)) {
    let target = slot.spec.target.clone();
    let mut deaths = Deaths::default();
    loop {
        match run(slot, settings, tell).await {
            End::Stopped => break,
            End::Refused(why) => {
                if !fail(slot, why, tell).await {
                    break;
                }
                deaths = Deaths::default();
            }
            End::Died(why) => {
                let count = deaths.record(clock::now());
                tracing::warn!(%target, %why, deaths = count, "a worker died");
                tell(PoolEvent::Died { target: target.clone(), why: why.clone() });
                if count >= settings.crashes_max {
                    let window_s = CRASH_WINDOW_MS / 1_000;
                    let why = format!("its worker died {count} times within {window_s} s, the last time because {why}");
                    if !fail(slot, why, tell).await {
                        break;
                    }
                    deaths = Deaths::default();
                    continue;
                }
                set(slot, TargetState::Restarting { why, deaths: count });
                if !wait(slot, restart_ms(settings.restart_ms_min, count)).await {
                    break;
                }
                slot.restarts.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Stays failed, visibly, until it is unloaded or is to be tried again; which of them, the answer says.
async fn fail(slot: &Slot, why: String, tell: &impl Fn(PoolEvent)) -> bool {
    set(slot, TargetState::Failed { why: why.clone() });
    tell(PoolEvent::Failed { target: slot.spec.target.clone(), why });
    tokio::select! {
        () = stopped(slot) => false,
        () = slot.again.notified() => true,
    }
}

/// Deaths within the window.
#[derive(Default)]
struct Deaths(VecDeque<Instant>);

impl Deaths {
    /// Adds one; the number within the window.
    fn record(&mut self, at: Instant) -> usize {
        self.0.push_back(at);
        while self.0.front().is_some_and(|first| at.saturating_duration_since(*first) > Duration::from_millis(CRASH_WINDOW_MS)) {
            self.0.pop_front();
        }
        self.0.len()
    }
}

/// Doubles with each death in the window.
pub fn restart_ms(first_ms: u64, deaths: usize) -> u64 {
    let doublings = u32::try_from(deaths.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    first_ms.saturating_mul(1 << doublings).min(RESTART_MS_MAX)
}

/// A target that drains keeps saying so.
pub fn set(slot: &Slot, state: TargetState) {
    slot.state.send_modify(|now| {
        if *now != TargetState::Draining {
            *now = state;
        }
    });
}

/// Returns when the target is told to end.
pub async fn stopped(slot: &Slot) {
    let mut stop = slot.stop.subscribe();
    // The sender lives in the slot that we hold: the channel cannot close.
    let _ = stop.wait_for(|s| *s).await;
}

/// False when the target was stopped meanwhile.
pub async fn wait(slot: &Slot, ms: u64) -> bool {
    tokio::time::timeout(Duration::from_millis(ms), stopped(slot)).await.is_err()
}

/// One worker from start to end, or one stay in this process.
async fn run(slot: &Arc<Slot>, settings: &PoolSettings, tell: &impl Fn(PoolEvent)) -> End {
    set(slot, TargetState::Starting);
    if slot.spec.conduct.in_process && slot.spec.target.role == Role::Stable {
        let end = stay(slot, settings, tell).await;
        slot.way.store(None);
        return end;
    }
    let mut running = match greeted(slot, settings).await {
        Ok(running) => running,
        Err(end) => {
            slot.process.store(0, Ordering::SeqCst);
            return end;
        }
    };
    slot.begin(Way::Worker(Arc::clone(&running.link)));
    set(slot, TargetState::Ready);
    tell(PoolEvent::Ready { target: slot.spec.target.clone() });
    // Where nobody could take its place, it is looked at less and less often: memory is short, and each try takes more.
    let mut look_ms = settings.memory_look_ms;
    let end = loop {
        match watch(slot, settings, &mut running, look_ms).await {
            Watched::Ended(end) => break end,
            Watched::Outgrown(why) => match replaced(slot, settings, &mut running, &why, tell).await {
                Ok(true) => look_ms = settings.memory_look_ms,
                Ok(false) => look_ms = look_ms.saturating_mul(2).min(MEMORY_LOOK_MS_MAX),
                Err(end) => break end,
            },
        }
    };
    slot.way.store(None);
    running.link.end();
    slot.process.store(0, Ordering::SeqCst);
    end
}

/// Starts another worker and has it take over from one that takes too much memory, which ends when it has answered. Where no other one comes
/// up, the one that is there stays, and that is false; what ends the target is an error.
async fn replaced(
    slot: &Arc<Slot>,
    settings: &PoolSettings,
    running: &mut Running,
    why: &str,
    tell: &impl Fn(PoolEvent),
) -> Result<bool, End> {
    let target = &slot.spec.target;
    let next = tokio::select! {
        next = greeted(slot, settings) => next,
        why = running.process.ended() => return Err(End::Died(why)),
        () = running.link.ended() => return Err(End::Died("it closed its connection".to_owned())),
    };
    let next = match next {
        Ok(next) => next,
        Err(End::Stopped) => {
            running.link.end();
            running.process.end().await;
            return Err(End::Stopped);
        }
        Err(End::Refused(failed) | End::Died(failed)) => {
            tracing::warn!(%target, %why, %failed, "a worker takes too much memory, and no other one took its place");
            return Ok(false);
        }
    };
    slot.process.store(next.process.number(), Ordering::SeqCst);
    slot.begin(Way::Worker(Arc::clone(&next.link)));
    slot.restarts.fetch_add(1, Ordering::SeqCst);
    tracing::warn!(%target, %why, "a worker was replaced");
    tell(PoolEvent::Replaced { target: target.clone(), why: why.to_owned() });
    let old = std::mem::replace(running, next);
    task::spawn(retire(old, Duration::from_millis(settings.unload_ms_max)));
    Ok(true)
}

/// Ends a worker that is asked by nobody any more, once it owes nothing.
async fn retire(mut old: Running, limit: Duration) {
    let idle = async {
        // Twice in a row: who had chosen it before it was replaced has asked by then.
        let mut before = false;
        loop {
            tokio::time::sleep(Duration::from_millis(REPLACED_IDLE_MS)).await;
            let now = old.link.idle();
            if before && now {
                return;
            }
            before = now;
        }
    };
    if tokio::time::timeout(limit, idle).await.is_err() {
        tracing::warn!("a worker that was replaced still owes answers at the limit; they are cut");
    }
    old.link.end();
    old.process.end().await;
}

/// A version in this process, from loading to its end.
async fn stay(slot: &Arc<Slot>, settings: &PoolSettings, tell: &impl Fn(PoolEvent)) -> End {
    let TargetSpec { target, model, dir, conduct, .. } = slot.spec.clone();
    let (version, role, library) = (target.version.clone(), target.role, settings.library.clone());
    let arguments = WorkerArguments { dir, library, model, version, role, conduct };
    let before = memory::held(std::process::id());
    let local = tokio::select! {
        () = stopped(slot) => return End::Stopped,
        opened = tokio::time::timeout(Duration::from_millis(settings.start_ms_max), task::aside(move || Local::open(&arguments))) => match opened {
            Ok(Ok(Ok(local))) => Arc::new(local),
            Ok(Ok(Err(why))) => return End::Refused(why),
            Ok(Err(why)) => return End::Refused(format!("it could not be loaded: {why}")),
            Err(_) => return End::Refused(format!("not ready within {} ms of its start", settings.start_ms_max)),
        },
    };
    // Of a process that others share it is known only what loading added, others' doing meanwhile included.
    let added = memory::held(std::process::id()).zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
    if let Some(most) = slot.spec.conduct.memory_bytes_max.filter(|most| added > *most) {
        return End::Refused(format!(
            "loading it took {added} bytes of memory, and `serving.memory_mib` allows {most}: raise it, or serve a smaller model"
        ));
    }
    slot.loaded_bytes.store(added, Ordering::Relaxed);
    slot.hello.store(Some(Arc::new(local.hello())));
    slot.begin(Way::Local(Arc::clone(&local)));
    set(slot, TargetState::Ready);
    tell(PoolEvent::Ready { target });
    tokio::select! {
        () = stopped(slot) => End::Stopped,
        why = goes_wrong(slot, |turn| local.golden(turn, Duration::from_millis(settings.stall_ms_max))) => End::Died(why),
    }
}

/// Asks one golden request after the other; returns what differs when one is answered otherwise twice in a row. Without an answer, as
/// when there is much to do, nothing is shown.
async fn goes_wrong<F: Future<Output = Result<Answer, NoAnswer>>>(slot: &Slot, ask: impl Fn(u64) -> F) -> String {
    let every_ms = slot.spec.conduct.golden_every_ms;
    if every_ms == 0 {
        return std::future::pending().await;
    }
    let mut turn = 0_u64;
    loop {
        tokio::time::sleep(Duration::from_millis(every_ms)).await;
        let wrong = |answer: Result<Answer, NoAnswer>| answer.ok().filter(|answer| answer.outcome == Outcome::Failed);
        if wrong(ask(turn).await).is_some()
            && let Some(answer) = wrong(ask(turn).await)
        {
            // What it answered lately is not given again.
            slot.epoch.fetch_add(1, Ordering::SeqCst);
            return answer.told();
        }
        turn = turn.wrapping_add(1);
    }
}

/// A worker that has said that it is ready.
struct Running {
    process: Process,
    link: Arc<Link>,
}

/// Starts a worker and waits until it is ready.
async fn greeted(slot: &Arc<Slot>, settings: &PoolSettings) -> Result<Running, End> {
    if let Some(why) = too_large(slot) {
        return Err(End::Refused(why));
    }
    let (mut process, stream) =
        Process::start(&slot.spec, settings).map_err(|error| End::Refused(format!("start {}: {error}", settings.program.display())))?;
    // While another one serves, it is that one's number that is known.
    let _ = slot.process.compare_exchange(0, process.number(), Ordering::SeqCst, Ordering::SeqCst);
    let together = slot.spec.conduct.batch.map_or(1, |batch| batch.requests_max);
    let link = match Link::new(stream, together) {
        Ok(link) => link,
        Err(error) => {
            process.kill().await;
            return Err(End::Died(format!("its connection cannot be used: {error}")));
        }
    };
    let mut buffer = BytesMut::new();
    let hello = tokio::select! {
        () = stopped(slot) => {
            process.kill().await;
            return Err(End::Stopped);
        }
        hello = tokio::time::timeout(Duration::from_millis(settings.start_ms_max), link.hello(&mut buffer)) => hello,
    };
    let hello = match hello {
        Ok(Ok(Some(hello))) if hello.ready => hello,
        Ok(Ok(Some(hello))) => {
            process.end().await;
            return Err(End::Refused(hello.why));
        }
        Ok(Ok(None)) => return Err(End::Died(format!("it ended before it was ready: {}", process.end().await))),
        Ok(Err(error)) => {
            process.kill().await;
            return Err(End::Died(error.to_string()));
        }
        Err(_) => {
            process.kill().await;
            return Err(End::Refused(format!("not ready within {} ms of its start", settings.start_ms_max)));
        }
    };
    if let Some(why) = outgrown(slot, process.number()) {
        process.kill().await;
        return Err(End::Refused(format!("once loaded {why}: raise it, or serve a smaller model")));
    }
    slot.hello.store(Some(Arc::new(hello)));
    task::spawn(Arc::clone(&link).read(buffer));
    task::spawn(Arc::clone(&link).write());
    Ok(Running { process, link })
}

/// Why a version that was never loaded cannot be: its model's file alone is more than the memory that the machine has left.
fn too_large(slot: &Slot) -> Option<String> {
    if slot.ever_ready.load(Ordering::SeqCst) {
        return None;
    }
    let file = Version::model_file(&slot.spec.dir).ok()?;
    let bytes = std::fs::metadata(&file).ok()?.len();
    let left = memory::available().filter(|left| *left < bytes)?;
    Some(format!(
        "its model is {bytes} bytes, and the machine has {left} bytes of memory left: unload other versions, or take a larger machine"
    ))
}

/// How much more memory a worker takes than it may, in words; none where it does not, or nobody says.
fn outgrown(slot: &Slot, process: u32) -> Option<String> {
    let most = slot.spec.conduct.memory_bytes_max?;
    let held = memory::held(process).filter(|held| *held > most)?;
    Some(format!("it takes {held} bytes of memory, and `serving.memory_mib` allows {most}"))
}

/// What became of a worker that was watched.
enum Watched {
    Ended(End),
    /// It takes more memory than it may.
    Outgrown(String),
}

/// Watches a ready worker to its end, or until it takes too much memory.
async fn watch(slot: &Slot, settings: &PoolSettings, running: &mut Running, memory_look_ms: u64) -> Watched {
    const LOOK_MS: u64 = 500;
    let Running { process, link } = running;
    let stall = Duration::from_millis(settings.stall_ms_max);
    let within = Duration::from_millis(GOLDEN_MS_MAX);
    let wrong = goes_wrong(slot, |turn| slot.ask_worker_golden(link, turn, within));
    let grows = async {
        loop {
            tokio::time::sleep(Duration::from_millis(memory_look_ms)).await;
            if let Some(why) = outgrown(slot, process_of(slot)) {
                return why;
            }
        }
    };
    tokio::pin!(wrong, grows);
    loop {
        tokio::select! {
            why = &mut wrong => {
                slot.way.store(None);
                process.kill().await;
                return Watched::Ended(End::Died(why));
            }
            why = &mut grows => return Watched::Outgrown(why),
            () = stopped(slot) => {
                link.end();
                process.end().await;
                return Watched::Ended(End::Stopped);
            }
            why = process.ended() => return Watched::Ended(End::Died(why)),
            () = link.ended() => return Watched::Ended(End::Died(format!("it closed its connection: {}", process.end().await))),
            () = tokio::time::sleep(Duration::from_millis(LOOK_MS)) => {
                if link.stalled(stall) {
                    process.kill().await;
                    return Watched::Ended(End::Died(format!("it gave no answer for {} ms and was killed", settings.stall_ms_max)));
                }
            }
        }
    }
}

fn process_of(slot: &Slot) -> u32 {
    slot.process.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_bounded() {
        let waits: Vec<u64> = (1..=9).map(|deaths| restart_ms(50, deaths)).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(restart_ms(50, usize::MAX), 3_276_800.min(RESTART_MS_MAX));
    }

    #[test]
    fn deaths_outside_the_window_are_forgotten() {
        let start = clock::now();
        let mut deaths = Deaths::default();
        assert_eq!(deaths.record(start), 1);
        assert_eq!(deaths.record(start + Duration::from_millis(CRASH_WINDOW_MS)), 2);
        assert_eq!(deaths.record(start + Duration::from_millis(CRASH_WINDOW_MS + 1)), 2);
    }
}
