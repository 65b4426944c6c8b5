//! Trains models anew by themselves while the workspace is up: one task a model looks, trains, and sees the candidate released.
//!
//! What is due and what may start is decided by `core::retrain`; each step is recorded before the next, so that a crash
//! goes on where it was.

mod desk;
mod observe;

pub use desk::{Desk, Desks};

use super::access::is_nameless;
use super::gating;
use super::people;
use super::plane::Plane;
use super::ticks::Ticks;
use super::watchman::Watchman;
use super::window;
use crate::clock;
use crate::exit::{self, Exit};
use crate::steps::candidate::{Candidate, Change, Workshop, failed_gates};
use crate::steps::release;
use anyhow::{Context as _, Result};
use observe::services_of;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_build::Cancel;
use tidegate_core::access::{Access, Leave, Person, Role};
use tidegate_core::gating::Choice;
use tidegate_core::id::At;
use tidegate_core::retrain::{Command, Event, Outcome, Phase, Retraining, Training, Trigger};
use tidegate_core::workspace::Outcome as Ended;
use tidegate_engine::rollouts::RolloutId;

/// How often a release of a candidate is looked at.
const RELEASE_LOOK: Duration = Duration::from_secs(1);
/// Days around now that `${window.start}` means where no drift started the training and the model has no window of its own.
const WINDOW_MS: u64 = 30 * 86_400_000;

/// In whose name candidates are asked for where others must approve them.
const BY: &str = "training";

/// How a release goes: by which strategy, and of which path that is.
struct Way {
    strategy: String,
    path: Option<Choice>,
}

/// Trains one model.
pub struct Trainer {
    pub desk: Desk,
    pub shop: Workshop,
    pub plane: Plane,
    pub ticks: Ticks,
    pub watchman: Watchman,
}

impl Trainer {
    /// Looks and trains for as long as the workspace is up.
    pub async fn run(self) {
        let look = Duration::from_millis(self.desk.config.look_ms);
        let mut said = String::new();
        while !self.desk.is_stopped() {
            let (wait, trouble) = match self.turn().await {
                Ok(wait) => (wait, None),
                Err(error) => (None, Some(format!("train {} anew: {error:#}", self.desk.model))),
            };
            // Said once: it is tried again at each look.
            self.plane.trouble_once(&mut said, trouble);
            self.desk.woken_or(wait.unwrap_or(look)).await;
        }
    }

    async fn tell(&self, command: Command) -> Result<Vec<Event>> {
        self.plane.control().execute::<Retraining>(self.desk.stream(), None, command).await
    }

    async fn end(&self, training: &Training, outcome: Outcome, summary: String) -> Result<()> {
        let number = training.number;
        self.shop.bus.done(format!("training {number} of {}: {}: {summary}", self.desk.model, outcome.words()));
        self.tell(Command::End { number, outcome, summary, at: clock::now() }).await?;
        Ok(())
    }

    /// The next step; how long to wait before the one after it, where that is not the time of a look.
    async fn turn(&self) -> Result<Option<Duration>> {
        let state = self.desk.state().await?;
        let Some(training) = state.under_way() else { return self.look().await };
        match &training.phase {
            Phase::Training => {
                if let Err(error) = self.train(training).await {
                    // Cancelled meanwhile, it has ended already.
                    if !self.desk.is_stopped() && self.is_under_way(training.number).await? {
                        self.end(training, Outcome::Failed, format!("{error:#}")).await?;
                    }
                }
                Ok(Some(Duration::ZERO))
            }
            Phase::Releasing { version, releases } => {
                self.release(training, version, releases).await?;
                Ok(Some(RELEASE_LOOK))
            }
            Phase::Waits { .. } | Phase::Ended { .. } => Ok(None),
        }
    }

    async fn is_under_way(&self, number: u64) -> Result<bool> {
        Ok(self.desk.state().await?.under_way().is_some_and(|t| t.number == number))
    }

    async fn look(&self) -> Result<Option<Duration>> {
        let observed = Box::new(self.desk.observe().await?);
        let happened = self.tell(Command::Look { rule: self.desk.config.rule.clone(), observed, at: clock::now() }).await?;
        for event in &happened {
            match event {
                Event::Started { number, triggers, .. } => {
                    self.shop.bus.done(format!("training {number} of {} starts: {}", self.desk.model, words(triggers)));
                    return Ok(Some(Duration::ZERO));
                }
                Event::Withheld { held, triggers, .. } => {
                    self.shop.bus.done(format!("training of {} is due and waits: {held} ({})", self.desk.model, words(triggers)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// From the start to the gates, within the time of the budget.
    async fn train(&self, training: &Training) -> Result<()> {
        let (root, model) = (self.work_tree(training.number).await?, &self.desk.model);
        let rule = &self.desk.config.rule;
        let (start, end) = self.window(training);
        let overrides = window::overrides(model, &self.desk.config.set, start, end)?;
        let cancel = Cancel::default();
        self.desk.cancelled_by(cancel.clone());
        let name = self.change(training.number);
        let change = Change { model, root: &root, name: &name, overrides, cancel: cancel.clone() };
        let left = rule.budget.time_ms.saturating_sub(clock::now().since_ms(training.at));
        let work = self.shop.candidate(&change);
        tokio::pin!(work);
        let (made, over) = tokio::select! {
            made = &mut work => (made, false),
            () = tokio::time::sleep(Duration::from_millis(left)) => {
                cancel.cancel();
                (work.await, true)
            }
        };
        // Cancelled, it has ended; stopped, it goes on with the next start.
        if self.desk.is_stopped() || !self.is_under_way(training.number).await? {
            return Ok(());
        }
        if over {
            let why = format!("it took longer than the {} s that `budget.time` allows", rule.budget.time_ms / 1_000);
            return self.end(training, Outcome::OverTime, why).await;
        }
        match made? {
            Err(why) => self.end(training, Outcome::Refused, why).await,
            Ok(candidate) => self.judged(training, &candidate).await,
        }
    }

    async fn judged(&self, training: &Training, candidate: &Candidate) -> Result<()> {
        let version = &candidate.version.version;
        if candidate.version.at < training.at {
            let why = format!("it wrote version {version} again, byte for byte: data and parameters are as they were then");
            return self.end(training, Outcome::Unchanged, why).await;
        }
        if !candidate.report.passed() {
            return self.end(training, Outcome::Refused, format!("version {version}: {}", failed_gates(&candidate.report))).await;
        }
        let (number, waits) = (training.number, self.desk.config.rule.approve);
        self.tell(Command::Pass { number, version: version.clone(), waits, at: clock::now() }).await?;
        if waits {
            let model = &self.desk.model;
            self.shop.bus.done(format!(
                "training {number} of {model}: version {version} passed its gates and waits for you: `tidegate retrain approve {model}`"
            ));
        }
        Ok(())
    }

    /// A fresh copy of the workspace; that of the training before the last one goes.
    async fn work_tree(&self, number: u64) -> Result<PathBuf> {
        let places = &self.shop.opened.places;
        let (root, dest) = (places.root.clone(), self.root(number));
        let old = number.checked_sub(2).map(|old| self.root(old));
        let made = dest.clone();
        let pipeline = crate::steps::build::pipeline_file(&self.shop.opened.config)?.map(str::to_owned);
        tokio::task::spawn_blocking(move || {
            if let Some(old) = old.filter(|o| o.exists()) {
                std::fs::remove_dir_all(&old).with_context(|| format!("remove {}", old.display()))?;
            }
            tidegate_build::snapshot(&root, pipeline.as_deref(), None, &made).context("copy the workspace")
        })
        .await??;
        Ok(dest)
    }

    /// Name of the change, and of its work tree.
    fn change(&self, number: u64) -> String {
        crate::steps::build::slug(&format!("retrain-{}-{number}", self.desk.model))
    }

    fn root(&self, number: u64) -> PathBuf {
        self.shop.opened.places.changes().join(self.change(number))
    }

    /// The window of the drift that started it; else that of the model's watch, before now.
    fn window(&self, training: &Training) -> (At, At) {
        let drift = training.triggers.iter().find_map(|t| if let Trigger::Drift { finding } = t { Some(finding) } else { None });
        let configured = self.shop.opened.config.models.get(&self.desk.model).and_then(|m| m.drift.as_ref());
        let length = configured.map_or(WINDOW_MS, |d| d.window_ms);
        drift.map_or((At(training.at.0.saturating_sub_unsigned(length)), training.at), |f| (f.window_from, f.window_until))
    }

    /// Releases the candidate on each service of the model, and ends the training when all of these releases have ended.
    async fn release(&self, training: &Training, version: &str, releases: &[(String, u64)]) -> Result<()> {
        let (mut services, config) = (services_of(&self.shop.opened, &self.desk.model), &self.shop.opened.config);
        let served = services.first().and_then(|service| config.passage_of(service)).map(|(name, _)| name.to_owned());
        services.retain(|service| config.passage_of(service).is_none());
        if services.is_empty() {
            let why = match served {
                Some(name) => format!("{name} runs in environments: `tidegate release start {name} {version}` takes it through them"),
                None => "no service has this model".to_owned(),
            };
            return self.end(training, Outcome::NotServed, format!("version {version} passed its gates; {why}")).await;
        }
        let mut ended = vec![];
        for service in &services {
            let known = releases.iter().find(|(s, _)| s == service).map(|(_, number)| *number);
            match self.release_on(training, version, service, known).await {
                Ok(outcome) => ended.extend(outcome),
                Err(error) if error.chain().any(|c| c.downcast_ref::<Exit>().is_some_and(|e| e.code != exit::OUTSIDE)) => {
                    return self
                        .end(training, Outcome::Refused, format!("version {version} is not released on {service}: {error:#}"))
                        .await;
                }
                Err(error) => return Err(error),
            }
        }
        if ended.len() < services.len() {
            return Ok(());
        }
        let all = |wanted: &[Ended]| ended.iter().all(|o| wanted.contains(o));
        let outcome = match () {
            () if all(&[Ended::Live, Ended::Promoted]) => Outcome::Promoted,
            () if ended.contains(&Ended::Failed) => Outcome::Failed,
            () => Outcome::RolledBack,
        };
        let each: Vec<String> = services.iter().zip(&ended).map(|(s, o)| format!("{s} {}", o.words())).collect();
        self.end(training, outcome, format!("version {version}: {}", each.join(", "))).await
    }

    /// Starts the candidate's release on a service where it has not started; how it ended, where it has.
    async fn release_on(&self, training: &Training, version: &str, service: &str, known: Option<u64>) -> Result<Option<Ended>> {
        let of = |number| RolloutId { service: service.to_owned(), number };
        let (id, way) = match known {
            Some(number) => (of(number), None),
            None => {
                let newest = self.plane.newest(service).await?;
                if newest.as_ref().is_some_and(|(_, s)| s.rollout().is_some_and(|r| !r.phase.is_terminal())) {
                    // Another release is under way: its end comes first.
                    return Ok(None);
                }
                let id = of(newest.map_or(1, |(id, _)| id.number + 1));
                let Some(way) = self.is_let(training, version, &id).await? else { return Ok(None) };
                // Recorded first: a crash between the two starts the same number again, not another.
                let (service, release) = (service.to_owned(), id.number);
                self.tell(Command::Release { number: training.number, service, release, at: clock::now() }).await?;
                (id, Some(way))
            }
        };
        if self.plane.state(&id).await?.rollout().is_none() {
            let way = match way {
                Some(way) => way,
                // The number is from before a crash.
                None => match self.is_let(training, version, &id).await? {
                    Some(way) => way,
                    None => return Ok(None),
                },
            };
            self.start(training, version, &id, way).await?;
        }
        let state = self.plane.state(&id).await?;
        let open = state.rollout();
        if let Some(other) = open.map(|r| &r.spec.candidate).filter(|c| *c != version) {
            // Somebody's release took the number between a crash and now.
            return Err(exit::failure(exit::REFUSED, format!("{id} became the release of version {other}")));
        }
        Ok(open.and_then(release::outcome).filter(|o| *o != Ended::Held))
    }

    /// The way in which the candidate is released, where nothing stands still and people let it; where others must approve it, they
    /// are asked. What was trained in a freeze is kept until its end, or until it can be told whether there is one.
    async fn is_let(&self, training: &Training, version: &str, id: &RolloutId) -> Result<Option<Way>> {
        let service = id.service.as_str();
        let still = self.watchman.stands_still(service).await.map_err(|e| exit::failure(exit::OUTSIDE, format!("{e:#}")))?;
        if still.is_some() || self.watchman.in_test(service).await?.is_some() {
            return Ok(None);
        }
        let config = &self.shop.opened.config;
        let known = self.shop.known(&self.desk.model, version, &self.root(training.number)).await?;
        let candidate = known.with_context(|| format!("version {version} is not registered"))?;
        let way = self.way(id).await?;
        let subject = people::subject(config, service, &candidate.version, &way.strategy)?;
        // Who wanted it does not approve it.
        let asked = training.triggers.iter().find_map(|t| if let Trigger::Asked { by, .. } = t { Some(by) } else { None });
        let name = asked.or(training.approved.as_ref()).filter(|name| !is_nameless(name)).map_or(BY, String::as_str);
        let by = Person::holding(name, &[Role::Developer]);
        let state = self.plane.control().state::<Access>(people::stream(service)).await?;
        if let Some(veto) = state.veto_of(&subject) {
            return Err(exit::failure(exit::REFUSED, format!("{} vetoed it: {}", veto.by, veto.reason)));
        }
        match people::leave(&self.plane, config, service, &subject, &by).await {
            // An emergency is a person's: what starts by itself waits for approvals all the same.
            Ok(leave) => Ok((!matches!(leave, Leave::Glass { .. })).then_some(way)),
            // What is withheld was asked for, and is looked at again.
            Err(error) if exit::code_of(&error) == exit::REFUSED => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn way(&self, id: &RolloutId) -> Result<Way> {
        if let Some(named) = &self.desk.config.release {
            return Ok(Way { strategy: named.clone(), path: None });
        }
        let config = &self.shop.opened.config;
        let of_service = config.services.get(&id.service).map(|s| s.release.clone()).unwrap_or_default();
        let path = gating::path(&self.plane, config, &id.service, id.number).await?;
        Ok(Way { strategy: path.as_ref().map_or(of_service, |path| path.strategy.clone()), path })
    }

    /// In the way that people let it go: another draw could be of a path that nobody approved.
    async fn start(&self, training: &Training, version: &str, id: &RolloutId, Way { strategy, path }: Way) -> Result<()> {
        let config = &self.shop.opened.config;
        let root = self.root(training.number);
        let known = self.shop.known(&self.desk.model, version, &root).await?;
        let candidate = known.with_context(|| format!("version {version} is not registered"))?;
        let change = self.change(training.number);
        if let Some(block) = self.watchman.block(&id.service, &self.desk.model, version, &strategy).await? {
            return Err(exit::failure(exit::REFUSED, block.why));
        }
        if release::measures_skew(config, &strategy) {
            release::prepare_offline(&self.plane, &self.ticks, config, &root, &id.service, &self.desk.model, version).await?;
            // That may have taken long.
            if let Some(block) = self.watchman.stands_still(&id.service).await? {
                return Err(exit::failure(exit::REFUSED, block.why));
            }
        }
        let wish = release::Wish {
            service: &id.service,
            version: &candidate.version,
            strategy: &strategy,
            change: &change,
            disagreement: candidate.report.disagreement,
            risk: None,
        };
        release::start(&self.plane, config, &wish, Some(id.number)).await?;
        gating::take(&self.plane, id, path).await?;
        let follow = release::Follow {
            plane: self.plane.clone(),
            ticks: self.ticks.clone(),
            opened: self.shop.opened.clone(),
            bus: self.shop.bus.clone(),
        };
        crate::task::spawn(follow.until_the_end(id.clone()));
        Ok(())
    }
}

fn words(triggers: &[Trigger]) -> String {
    triggers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
