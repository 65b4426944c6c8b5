//! Workers that died: what the pool tells, told to the rollouts that stand on them.

use super::super::routing::route_role;
use super::Plane;
use crate::clock;
use anyhow::Result;
use tidegate_core::rollout::{Command, Role};
use tidegate_core::route::TargetId;
use tidegate_engine::rollouts::Input;
use tidegate_serve::PoolEvent;

impl Plane {
    /// Tells rollouts of workers that died for good; those that are started again by the pool are not news.
    pub async fn hear_pool(self, mut events: tokio::sync::mpsc::Receiver<PoolEvent>) {
        while let Some(event) = events.recv().await {
            let (target, why) = match event {
                PoolEvent::Died { target, why } => {
                    self.0.bus.trouble(&format!("the worker of {target} died and is started again: {why}"));
                    continue;
                }
                PoolEvent::Away { target, why } => {
                    self.0.bus.trouble(&format!("nobody answers for {target}: {why}"));
                    continue;
                }
                PoolEvent::Replaced { target, why } => {
                    self.0.bus.trouble(&format!("another worker took the place of the one of {target}: {why}"));
                    continue;
                }
                PoolEvent::Failed { target, why } => (target, why),
                PoolEvent::Ready { .. } | PoolEvent::Unloaded { .. } => continue,
            };
            if let Err(error) = self.lost(&target, &why).await {
                self.0.bus.trouble(&format!("{target}: {error:#}"));
            }
        }
    }

    pub(super) async fn lost(&self, target: &TargetId, why: &str) -> Result<()> {
        let Some((id, state)) = self.newest(&target.service).await? else { return Ok(()) };
        let Some(open) = state.rollout() else { return Ok(()) };
        let role = Role::ALL.into_iter().find(|role| route_role(*role) == target.role && open.version_of(*role) == Some(&target.version));
        let Some(role) = role else { return Ok(()) };
        // A worker that never came up is answered by the task that loads it.
        if !open.workers.ready(role) {
            return Ok(());
        }
        let generation = open.workers.of(role).generation;
        let command = Command::WorkerFailed { role, generation, reason: why.to_owned(), at: clock::now() };
        self.drive(Input::Command { rollout: id, key: None, command }).await
    }
}
