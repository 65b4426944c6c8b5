//! Tells people and tools what happens: each channel reads the journal from where it was, tries again until what it tells was
//! taken, and remembers how far it is. What was told before a crash and not yet remembered is told again, with the same id.

mod board;
mod carrier;
mod news;

pub use board::{Board, all, test};

use super::duty;
use super::plane::Plane;
use crate::clock;
use crate::workspace::Opened;
use anyhow::Result;
use board::Standing;
use news::Allowed;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::access::{Access, Subject};
use tidegate_core::id::At;
use tidegate_core::machine::Machine as _;
use tidegate_core::notify::{GIVE_UP_MS, Item, PAUSE_MS_MAX, Storm, Topic, Turn, pause_ms};
use tidegate_core::rollout::{Command, Phase, ended_by};
use tidegate_core::train;
use tidegate_engine::rollouts::{Input, RolloutId};
use tidegate_port::Journal as _;
use tidegate_store::disk;
use tidegate_wire::config::{Channel, Way, Workspace};
use tidegate_wire::notify::cdevents::{Approvable, Approval, Beside, Released};

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Records that are read at once.
const PAGE: usize = 500;
/// Happenings that wait in memory; the others wait in the journal.
const WAITING_MAX: usize = 1_000;
/// Records without news after which the place is remembered.
const REMEMBER_EACH: u64 = 1_000;

/// Whether somebody is paged about a service, who says when it was taken.
pub fn takes_pages(config: &Workspace, service: &str) -> bool {
    config.notify.values().any(|channel| channel.hears(Topic::Page, Some(service)))
}

/// How far a channel is, on disk.
#[derive(Serialize, Deserialize)]
struct Place {
    /// Position of the first record that was not told.
    next: u64,
}

/// Something that waits to be told.
struct Waiting {
    item: Item,
    page: Option<u64>,
    /// Who is called by it.
    called: Option<String>,
    /// What people were asked to approve.
    allowed: Option<Allowed>,
}

/// One channel.
pub struct Notifier {
    plane: Plane,
    opened: Arc<Opened>,
    channel: Channel,
    board: Board,
    name: String,
    file: PathBuf,
    /// Position of the first record that was not read.
    read: u64,
    /// As it was remembered last.
    remembered: u64,
    waiting: Vec<Waiting>,
    storm: Storm,
    /// Attempts in a row that failed, and since when.
    failed: Option<(u32, At)>,
    not_before: At,
}

impl Notifier {
    /// A channel of tidegate.yaml. One that is new begins with what happens from now on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open(plane: Plane, opened: Arc<Opened>, board: Board, name: &str, channel: Channel) -> Result<Notifier> {
        let file = opened.places.notify().join(format!("{name}.json"));
        let end = plane.control().call(|driver| driver.engine().journal().size()).await??;
        let known = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Place>(&bytes).ok());
        // A place beyond the end is that of another journal.
        let read = known.map(|place| place.next).filter(|next| *next <= end).unwrap_or(end);
        let mut notifier = Notifier {
            plane,
            opened,
            channel,
            board,
            name: name.to_owned(),
            file,
            read,
            remembered: u64::MAX,
            waiting: vec![],
            storm: Storm::default(),
            failed: None,
            not_before: At(0),
        };
        notifier.remember()?;
        Ok(notifier)
    }

    /// Tells for as long as the workspace is up.
    pub async fn run(mut self) {
        let mut said = String::new();
        loop {
            let told = self.turn().await;
            let trouble = match &told {
                Ok(()) => self.board.trouble(&self.name),
                Err(error) => Some(format!("{error:#}")),
            };
            self.plane.trouble_once(&mut said, trouble.map(|why| format!("tell {}: {why}", self.name)));
            if !matches!(told, Ok(())) || self.is_resting() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Nothing is to be told at once.
    fn is_resting(&self) -> bool {
        self.waiting.is_empty() || self.failed.is_some() || !matches!(self.channel.way, Way::Webhook { .. })
    }

    async fn turn(&mut self) -> Result<()> {
        self.fill().await?;
        let now = clock::now();
        // A clock that jumped back keeps nobody from being told.
        let pausing = now < self.not_before && self.not_before.since_ms(now) <= PAUSE_MS_MAX;
        let count = if pausing { 0 } else { self.due(now) };
        if count > 0 {
            self.tell(count, now).await?;
        }
        if self.waiting.is_empty() && self.read >= self.remembered.saturating_add(REMEMBER_EACH) {
            self.remember()?;
        }
        self.board.set(&self.name, |standing| standing.waiting = self.waiting.len());
        Ok(())
    }

    /// How many of what waits are to be told now: of a tool the first, of people all or none.
    fn due(&self, now: At) -> usize {
        if let Way::Webhook { .. } = self.channel.way {
            return self.waiting.len().min(1);
        }
        let items: Vec<Item> = self.waiting.iter().map(|w| w.item.clone()).collect();
        if self.storm.turn(self.channel.limits, &items, now) == Turn::Send { items.len() } else { 0 }
    }

    async fn fill(&mut self) -> Result<()> {
        while self.waiting.len() < WAITING_MAX {
            let from = self.read;
            let records = self.plane.control().call(move |driver| driver.engine().journal().read_all(from, PAGE)).await??;
            let Some(last) = records.last() else { return Ok(()) };
            self.read = last.position + 1;
            let config = &self.opened.config;
            let of = |record| {
                let mut item = news::news(record)?;
                let called = duty::named(config, &mut item, news::called(record));
                Some(Waiting { item, page: news::page_of(record), called, allowed: news::allowed(record) })
            };
            let hears = |waiting: &Waiting| {
                let is_theirs = self.channel.person.is_none() || self.channel.person == waiting.called;
                is_theirs && self.channel.hears(waiting.item.topic, waiting.item.service.as_deref())
            };
            self.waiting.extend(records.iter().filter_map(of).filter(hears));
        }
        Ok(())
    }

    async fn tell(&mut self, count: usize, now: At) -> Result<()> {
        let items: Vec<Item> = self.waiting.iter().take(count).map(|w| w.item.clone()).collect();
        let beside = match (&self.channel.way, self.waiting.first()) {
            (Way::Webhook { .. }, Some(waiting)) => self.beside(waiting).await?,
            _ => None,
        };
        let (way, workspace, told) = (self.channel.way.clone(), self.opened.config.name.clone(), items.clone());
        match tokio::task::spawn_blocking(move || carrier::carry(&workspace, &way, &told, beside.as_ref())).await? {
            Ok(()) => {
                self.storm.sent(self.channel.limits, &items, now);
                self.board.set(&self.name, |standing| standing.told(count, now));
                self.confirm(count, now).await;
                self.done(count)
            }
            Err(why) => self.failed(count, &why, now),
        }
    }

    /// Those that were told need no longer wait.
    fn done(&mut self, count: usize) -> Result<()> {
        self.waiting.drain(..count.min(self.waiting.len()));
        self.failed = None;
        self.remember()
    }

    fn failed(&mut self, count: usize, why: &str, now: At) -> Result<()> {
        let (tries, since) = self.failed.map_or((1, now), |(tries, since)| (tries.saturating_add(1), since));
        self.failed = Some((tries, since));
        self.not_before = now.plus_ms(pause_ms(tries));
        let gives_up = now.since_ms(since) >= GIVE_UP_MS;
        let what = if gives_up { "given up after a day" } else { "it is tried again" };
        self.board.set(&self.name, |standing| {
            standing.trouble = Some(format!("{why}: {what}"));
            standing.given_up += if gives_up { count } else { 0 };
        });
        if !gives_up {
            return Ok(());
        }
        self.done(count)?;
        // What comes next is tried once, and not for another day, while nothing is taken.
        self.failed = Some((tries, since));
        Ok(())
    }

    /// Pages that somebody took are delivered. A rollout that no longer asks for it is none the worse.
    async fn confirm(&self, count: usize, at: At) {
        for waiting in self.waiting.iter().take(count) {
            let rollout = RolloutId::of_stream(&format!("rollout/{}", waiting.item.subject));
            if let (Some(rollout), Some(number)) = (rollout, waiting.page) {
                let command = Command::PageDelivered { number, at };
                if let Err(error) = self.plane.drive(Input::Command { rollout, key: None, command }).await {
                    self.plane.trouble(&format!("tell {}: {error:#}", self.name));
                }
            }
        }
    }

    /// What a tool is told beside what happened.
    async fn beside(&self, waiting: &Waiting) -> Result<Option<Beside>> {
        match (&waiting.allowed, waiting.item.service.as_deref()) {
            (Some(Allowed::Change { subject, by }), Some(service)) => {
                Ok(Some(Beside::Approval(self.approval(&waiting.item, service, subject, by).await?)))
            }
            (Some(Allowed::Car { stream, seq, service }), _) => Ok(self.car(stream, *seq, service).await?.map(Beside::Approval)),
            (Some(Allowed::Order { digest, by }), _) => {
                let of = Approvable::Order { digest: digest.clone() };
                Ok(Some(Beside::Approval(Approval { of, by: by.clone(), closes: waiting.item.topic == Topic::Approved })))
            }
            _ => Ok(self.released(&waiting.item).await?.map(Beside::Released)),
        }
    }

    async fn approval(&self, item: &Item, service: &str, subject: &Subject, by: &str) -> Result<Approval> {
        let state = self.plane.control().state::<Access>(format!("{}/{service}", Access::KIND)).await?;
        // The approval that was the last one needed: what comes after it closes nothing.
        let last = |asked: &tidegate_core::access::Asked| {
            let needed = usize::try_from(asked.of).unwrap_or(usize::MAX);
            needed.checked_sub(1).and_then(|last| asked.approvals.get(last)).is_some_and(|given| given.by == by)
        };
        let closes = item.topic == Topic::Vetoed || state.asked_like(subject).filter(|asked| asked.subject == *subject).is_some_and(last);
        let of =
            Approvable::Change { model: self.model(service), version: subject.version.clone(), digest: subject.digest.short().to_owned() };
        Ok(Approval { of, by: by.to_owned(), closes })
    }

    /// What is said of a car of a train after a fact of its stream: it may have gone on since.
    async fn car(&self, stream: &str, seq: u64, service: &str) -> Result<Option<Approval>> {
        let name = stream.to_owned();
        let records = self.plane.control().call(move |driver| driver.engine().journal().read_stream(&name, 0)).await??;
        let told = records.iter().filter(|record| record.seq <= seq);
        let events: Vec<train::Event> = told.filter_map(|record| serde_json::from_value(record.body.clone()).ok()).collect();
        Ok(train::asked(&events, service).map(|asked| Approval {
            of: Approvable::Car { number: asked.number, service: service.to_owned(), model: self.model(service), version: asked.version },
            by: asked.by,
            closes: asked.closes,
        }))
    }

    fn model(&self, service: &str) -> String {
        self.opened.config.services.get(service).map(|s| s.model.clone()).unwrap_or_default()
    }

    async fn released(&self, item: &Item) -> Result<Option<Released>> {
        let Some(rollout) = RolloutId::of_stream(&format!("rollout/{}", item.subject)) else { return Ok(None) };
        let state = self.plane.state(&rollout).await?;
        Ok(state.rollout().map(|open| {
            let trigger = match &open.phase {
                Phase::RollingBack { cause } | Phase::RolledBack { cause } => cause.trigger(),
                Phase::Aborted { by, .. } => ended_by(by),
                Phase::Forward { .. } | Phase::Held { .. } | Phase::Finishing | Phase::Done => None,
            };
            let spec = &open.spec;
            Released { model: spec.model.clone(), candidate: spec.candidate.clone(), stable: spec.stable.clone(), trigger }
        }))
    }

    /// Remembers how far it is: the first that waits, or the end of what was read.
    fn remember(&mut self) -> Result<()> {
        let next = self.waiting.first().map_or(self.read, |waiting| waiting.item.position);
        if next != self.remembered {
            disk::replace_file(&self.file, &serde_json::to_vec(&Place { next })?)?;
            self.remembered = next;
        }
        Ok(())
    }
}

/// The channels of tidegate.yaml, each told on its own.
///
/// # Errors
/// When the journal cannot be read.
pub async fn start(plane: &Plane, opened: &Arc<Opened>, board: &Board) -> Result<()> {
    for (name, channel) in &opened.config.notify {
        board.add(name, Standing::new(channel));
        let notifier = Notifier::open(plane.clone(), opened.clone(), board.clone(), name, channel.clone()).await?;
        crate::task::spawn(notifier.run());
    }
    Ok(())
}
