//! The follower's side: a gateway that takes its routes from a control plane elsewhere, and from its own disk when that is gone.

use super::ask::Asker;
use super::store::Store;
use super::{Target, Told};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_core::route::TargetId;
use tidegate_serve::{Gateway, TargetSpec, TargetState};
use tokio::time::Instant;

/// Waits before a control plane that cannot be reached is asked again, in milliseconds: the first, and the longest.
const AGAIN_MS: u64 = 200;
const AGAIN_MS_MAX: u64 = 5_000;

/// Whom to follow, and where.
pub struct Follower {
    pub asker: Asker,
    pub store: Store,
    pub gateway: Gateway,
}

/// What a follower has come to.
#[derive(Default)]
struct Applied {
    /// What was told last of what stands.
    told: Option<Told>,
    /// Generation of its own gateway: that of another control plane may be lower.
    own: u64,
    /// Services of it that could not be brought up, while nothing else could be asked for.
    missing: BTreeSet<String>,
    trouble: Option<String>,
}

impl Applied {
    fn at(&self) -> Option<(u64, u64)> {
        self.told.as_ref().map(|told| (told.epoch, told.table.generation))
    }
}

impl Follower {
    /// Follows for ever; `say` is told what happens.
    pub async fn follow(&self, say: &(dyn Fn(&str) + Send + Sync)) {
        let mut applied = Applied::default();
        let mut wait_ms = AGAIN_MS;
        let mut gone = false;
        loop {
            let asked = Instant::now();
            match self.asker.ask(applied.at(), applied.trouble.as_deref()).await {
                Ok(told) => {
                    if std::mem::take(&mut gone) {
                        say(&format!("{} answers again", self.asker.of));
                    }
                    match told {
                        Some(told) => {
                            let taken = self.taken(told, &mut applied, say).await;
                            if taken {
                                wait_ms = AGAIN_MS;
                                continue;
                            }
                        }
                        // It has waited; one that ends answers at once.
                        None if asked.elapsed() > Duration::from_millis(AGAIN_MS) => {
                            wait_ms = AGAIN_MS;
                            self.mend(&mut applied);
                            continue;
                        }
                        None => {}
                    }
                    if applied.told.is_none() {
                        self.take_from_disk(&mut applied, say).await;
                    }
                }
                Err(why) => {
                    if !std::mem::replace(&mut gone, true) {
                        say(&format!("{} does not answer, the routes stand as they are: {why:#}", self.asker.of));
                    }
                    // At a start, or where something of it did not come up.
                    if applied.told.is_none() || !applied.missing.is_empty() {
                        self.take_from_disk(&mut applied, say).await;
                    }
                }
            }
            self.mend(&mut applied);
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms = (wait_ms * 2).min(AGAIN_MS_MAX);
        }
    }

    /// Whether what was told is in force now.
    async fn taken(&self, told: Told, applied: &mut Applied, say: &(dyn Fn(&str) + Send + Sync)) -> bool {
        let generation = told.table.generation;
        match self.take(told, applied).await {
            Ok(()) => {
                say(&format!("routes of generation {generation} are in force"));
                true
            }
            Err(why) => {
                let why = format!("{why:#}");
                if applied.trouble.as_ref() != Some(&why) {
                    say(&format!("routes of generation {generation} are not taken, those before stand: {why}"));
                }
                applied.trouble = Some(why);
                false
            }
        }
    }

    /// Loads what the routes need and puts them in force; nothing is changed where that does not work out.
    async fn take(&self, told: Told, applied: &mut Applied) -> Result<()> {
        let told = keeping(told, applied.told.as_ref());
        for of in &told.targets {
            self.ensure(of, true).await?;
        }
        for of in &told.targets {
            self.ready(of, applied.told.as_ref()).await?;
        }
        // Before they are in force: whatever comes between, a start goes by routes whose versions are there.
        self.store.keep(&told)?;
        self.apply(told, applied)?;
        applied.trouble = self.tidy(applied).await.err().map(|why| format!("{why:#}"));
        Ok(())
    }

    fn apply(&self, told: Told, applied: &mut Applied) -> Result<()> {
        let own = applied.own + 1;
        let mut table = told.table.clone();
        table.generation = own;
        table.routes.retain(|service, _| !applied.missing.contains(service));
        self.gateway.apply(table)?;
        (applied.own, applied.told) = (own, Some(told));
        Ok(())
    }

    /// Unloads what no route needs any more, and removes what lies on the disk for nothing.
    async fn tidy(&self, applied: &Applied) -> Result<()> {
        let Some(told) = &applied.told else { return Ok(()) };
        let needed: BTreeSet<&TargetId> = told.targets.iter().map(|t| &t.target).collect();
        let pool = self.gateway.pool();
        for (target, _) in pool.states() {
            if !needed.contains(&target) {
                pool.unload(&target).await?;
            }
        }
        self.store.sweep(&told.targets)
    }

    /// Has a version loaded. One that runs from the same files goes on as it was begun.
    async fn ensure(&self, of: &Target, may_fetch: bool) -> Result<()> {
        let asker = may_fetch.then_some(&self.asker);
        let dir = self.store.directory(of, asker).await?;
        let pool = self.gateway.pool();
        if pool.is_loaded(&of.target, &dir) {
            pool.revive(&of.target);
            return Ok(());
        }
        pool.ensure(TargetSpec { conduct: of.conduct.clone(), ..TargetSpec::new(of.target.clone(), of.model.clone(), dir) })?;
        Ok(())
    }

    /// Waits until a version answers. One that stood before and has failed since holds back no other.
    async fn ready(&self, of: &Target, before: Option<&Told>) -> Result<()> {
        let pool = self.gateway.pool();
        match pool.settled(&of.target).await {
            Some(TargetState::Ready) => Ok(()),
            Some(TargetState::Failed { .. }) if before.is_some_and(|told| told.targets.iter().any(|t| t.target == of.target)) => Ok(()),
            Some(TargetState::Failed { why }) => {
                // Out of the way, so that it is tried anew; no route needs it.
                let _ = pool.unload(&of.target).await;
                bail!("load {}: {why}", of.target)
            }
            _ => bail!("load {}: it was taken away meanwhile", of.target),
        }
    }

    /// Takes what was applied last, as far as it comes up: of a service with a version that does not, the others do not wait.
    async fn take_from_disk(&self, applied: &mut Applied, say: &(dyn Fn(&str) + Send + Sync)) {
        let told = match self.store.kept() {
            Ok(Some(told)) => told,
            Ok(None) => return,
            Err(why) => return say(&format!("the routes on its disk cannot be taken: {why:#}")),
        };
        let mut missing = BTreeSet::new();
        let mut why_not = None;
        for of in &told.targets {
            let up = match self.ensure(of, false).await {
                Ok(()) => self.ready(of, None).await,
                Err(why) => Err(why),
            };
            if let Err(why) = up {
                missing.insert(of.target.service.clone());
                why_not = Some(format!("{why:#}"));
            }
        }
        if applied.told.is_some() && missing == applied.missing {
            return;
        }
        applied.missing = missing;
        match self.apply(told, applied) {
            Ok(()) => say("serves by the routes on its disk"),
            Err(why) => why_not = Some(format!("{why:#}")),
        }
        if let Some(why) = why_not {
            say(&format!("not all of the routes on its disk can be taken: {why}"));
            applied.trouble = Some(why);
        }
    }

    /// Tries versions that have failed anew.
    fn mend(&self, applied: &mut Applied) {
        let pool = self.gateway.pool();
        for (target, state) in pool.states() {
            if let TargetState::Failed { why } = state {
                applied.trouble = Some(format!("{target} has failed and is tried again: {why}"));
                pool.revive(&target);
            }
        }
    }
}

/// What is told, with what stood before of services that do not stand again at the control plane.
fn keeping(mut told: Told, before: Option<&Told>) -> Told {
    let Some(before) = before else { return told };
    for service in told.keep.clone() {
        if let (Some(route), false) = (before.table.routes.get(&service), told.table.routes.contains_key(&service)) {
            told.table.routes.insert(service.clone(), route.clone());
            told.targets.extend(before.targets.iter().filter(|t| t.target.service == service).cloned());
        }
    }
    told
}
