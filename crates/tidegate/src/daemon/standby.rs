//! One of several replicas: stands by until the seat of the control plane is its own, and ends the process when its lease does.
//!
//! A replica whose lease ends does not go on as another one: what it began might go on too. It ends, whoever started it starts it
//! again, and it stands by. What it would still write is refused by the journal, for everything is written under the seat's fence.
//! Traffic does not pass through a replica (`replicas` is for services that a driver serves), so nobody's requests end with it.

use super::events::Bus;
use crate::clock;
use crate::exit::{self, failure};
use crate::workspace::Places;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_core::lease::{BEAT_MS, Session, Uptime};
use tidegate_engine::replica::Now;
use tidegate_engine::standby::{Round, Standby};
use tidegate_port::{Beats as _, Fence};
use tidegate_store::{AnyJournal, JournalAddress, PostgresBeats, disk};
use tokio::sync::watch;

/// How often a replica that acts looks whether it still may.
const LOOK: Duration = Duration::from_millis(100);
/// Longest name of a replica.
const NAME_CHARS_MAX: usize = 128;

/// The replica that acts, as others find it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acting {
    /// Its name.
    pub replica: String,
    /// Address of its console.
    pub console: String,
}

/// Which replica acts, as far as a file tells.
pub fn acting(places: &Places) -> Option<Acting> {
    serde_json::from_slice(&std::fs::read(places.acting()).ok()?).ok()
}

/// The seat, held for as long as the process lives.
pub struct Seat {
    /// What everything is written under.
    pub fence: Fence,
    name: String,
    ends: mpsc::SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Seat {
    /// Tells others where this one is.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn tell(&self, places: &Places, console: &str) -> Result<()> {
        let acting = Acting { replica: self.name.clone(), console: console.to_owned() };
        Ok(disk::replace_private_file(&places.acting(), &serde_json::to_vec(&acting)?)?)
    }

    /// Gives the seat up, so that another one need not wait for the end of the lease.
    pub fn leave(self) {
        drop(self.ends);
        let _ = self.thread.join();
    }
}

/// Stands by until this replica acts; none where the workspace has no replicas.
///
/// # Errors
/// When the journal cannot be opened.
pub async fn wait(places: &Places, name: Option<&str>, bus: &Bus) -> Result<Option<Seat>> {
    if !places.has_replicas() {
        return Ok(None);
    }
    let address = places.journal()?;
    let JournalAddress::Postgres(config) = address.clone() else { return Ok(None) };
    let name = name.map_or_else(host, |name| Ok(name.to_owned()))?;
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control);
    if !fits {
        return Err(failure(
            exit::USAGE,
            format!("up --replica: a name has 1 to {NAME_CHARS_MAX} characters, none of them control characters"),
        ));
    }
    let session = Session { replica: name.clone(), number: clock::now().0.unsigned_abs() };
    let journal = tokio::task::spawn_blocking(move || address.open()).await??;
    let (told, mut seated) = watch::channel(None);
    let (ends, end) = mpsc::sync_channel(1);
    let keeper = Keeper {
        standby: Standby::new(journal, session),
        beats: PostgresBeats::new(*config),
        began: clock::instant(),
        until: Arc::default(),
        told,
        end,
        bus: bus.clone(),
        said: String::new(),
    };
    let thread = std::thread::Builder::new().name("lease".to_owned()).spawn(move || keeper.keep()).context("start the lease's thread")?;
    let fence = seated.wait_for(Option::is_some).await.context("stand by: the lease's thread has ended")?.clone();
    let fence = fence.context("stand by: no fence")?;
    bus.done(format!("replica {name} acts, under number {} of the journal's seat", fence.seq));
    Ok(Some(Seat { fence, name, ends, thread }))
}

/// The machine's name: in a cluster, the pod's.
fn host() -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok().map(|name| name.trim().to_owned());
    let found = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().filter_map(read).find(|name| !name.is_empty());
    found.ok_or_else(|| failure(exit::USAGE, "up: this machine has no name: name the replica with `--replica NAME`"))
}

/// The thread that beats and looks.
struct Keeper {
    standby: Standby<AnyJournal>,
    beats: PostgresBeats,
    began: Instant,
    /// End of the lease, in milliseconds of `began`; 0: nothing is held.
    until: Arc<AtomicU64>,
    told: watch::Sender<Option<Fence>>,
    end: mpsc::Receiver<()>,
    bus: Bus,
    said: String,
}

impl Keeper {
    fn now(&self) -> Now {
        Now { at: clock::now(), uptime: uptime(self.began) }
    }

    fn keep(mut self) {
        loop {
            match self.turn() {
                Ok(round) => self.found(round),
                Err(error) => self.say(format!("stand by, or go on acting: {error:#}"), Bus::trouble),
            }
            match self.end.recv_timeout(Duration::from_millis(BEAT_MS)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return self.leave(),
            }
        }
    }

    fn turn(&mut self) -> Result<Round> {
        let sent = self.standby.beat(self.now());
        self.beats.beat(&sent.beat)?;
        let now = self.now();
        self.standby.beaten(&sent, now);
        self.renew();
        let asked = self.now().uptime;
        let beats = self.beats.all()?;
        let round = self.standby.round(&beats, asked, self.now())?;
        for session in &round.forget {
            self.beats.forget(session)?;
        }
        Ok(round)
    }

    /// What the watchdog goes by: only a lease that it still knows is made longer.
    fn renew(&self) {
        if let (Some(until), true) = (self.standby.until(), self.told.borrow().is_some()) {
            self.until.store(until.0, Ordering::SeqCst);
        }
    }

    fn found(&mut self, round: Round) {
        let held = self.told.borrow().clone();
        match (held, round.fence) {
            (None, Some(fence)) => {
                self.said.clear();
                self.until.store(self.standby.until().map_or(0, |until| until.0), Ordering::SeqCst);
                watchdog(self.began, self.until.clone(), self.bus.clone());
                self.told.send_replace(Some(fence));
            }
            // Another session holds it, or this one under another number: what was begun under the old one must end.
            (Some(before), now) if now.as_ref() != Some(&before) => end(&self.bus, "the seat was taken over"),
            (Some(_), _) => self.said.clear(),
            (None, None) => {
                let by = round.holder.map_or_else(|| "nobody".to_owned(), |holder| holder.to_string());
                self.say(format!("standing by as {}: {by} acts", self.standby.session()), |bus, text| bus.done(text));
            }
        }
    }

    /// Says something, unless it was what was said last.
    fn say(&mut self, text: String, tell: impl FnOnce(&Bus, &str)) {
        if text != self.said {
            tell(&self.bus, &text);
            self.said = text;
        }
    }

    fn leave(mut self) {
        self.until.store(u64::MAX, Ordering::SeqCst);
        let session = self.standby.session().clone();
        let left = self.standby.leave(self.now()).map_err(anyhow::Error::from);
        if let Err(error) = left.and_then(|()| Ok(self.beats.forget(&session)?)) {
            self.say(format!("give up the seat: {error:#}; another replica takes it over in time"), Bus::trouble);
        }
    }
}

fn uptime(began: Instant) -> Uptime {
    Uptime(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// Ends the process when its lease does, whatever else stands still.
fn watchdog(began: Instant, until: Arc<AtomicU64>, bus: Bus) {
    let look = move || {
        loop {
            match until.load(Ordering::SeqCst) {
                // Given up: nothing is left to watch over.
                u64::MAX => return,
                until if uptime(began).0 >= until => break,
                _ => std::thread::sleep(LOOK),
            }
        }
        end(&bus, "no sign of life reached the journal for too long");
    };
    if std::thread::Builder::new().name("watchdog".to_owned()).spawn(look).is_err() {
        end(&Bus::new(), "no thread can be started");
    }
}

/// At once: a deed that is under way must not be followed by another one.
#[expect(clippy::exit, reason = "a replica whose lease has ended must do nothing more, not even tidy up")]
fn end(bus: &Bus, why: &str) -> ! {
    let text = format!("this replica acts no more and ends: {why}; start it again, and it stands by");
    bus.trouble(&text);
    // Time for the words alone: other threads are not waited for.
    std::thread::sleep(LOOK);
    std::process::exit(i32::from(exit::OUTSIDE));
}

/// Names the replica that acts, for commands given beside one that does not.
pub fn elsewhere(places: &Places) -> Option<String> {
    let acting = acting(places).filter(|_| places.has_replicas())?;
    Some(format!("replica {} acts: give the command there, or use its console at http://{}", acting.replica, acting.console))
}
