//! After a start: what stood before it stands again.

use super::super::routing::route_role;
use super::Plane;
use anyhow::Result;
use std::collections::BTreeMap;
use tidegate_core::rollout::{Role, Rollout};
use tidegate_core::route::TargetId;
use tidegate_engine::rollouts::RolloutId;

impl Plane {
    /// After a start: brings back the workers and routes that each service stands on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn restore(&self) -> Result<()> {
        let ids = self.0.control.call(|driver| driver.rollouts()).await??;
        let mut services: BTreeMap<String, Vec<RolloutId>> = BTreeMap::new();
        for id in ids {
            services.entry(id.service.clone()).or_default().push(id);
        }
        for ids in services.into_iter().filter(|(service, _)| self.driven(service).is_none()).map(|(_, ids)| ids) {
            // A newest rollout that has moved no traffic yet leaves the route of the one before it.
            for id in ids.into_iter().rev() {
                let state = self.state(&id).await?;
                if let Some(open) = state.rollout()
                    && self.restore_one(&id, open).await
                {
                    break;
                }
            }
        }
        self.restored();
        Ok(())
    }

    /// Loads what a rollout believes ready or routed, and puts its split in force; whether it has one.
    async fn restore_one(&self, id: &RolloutId, open: &Rollout) -> bool {
        let applied = open.traffic.filter(|t| t.applied.is_some());
        for role in Role::ALL.into_iter().filter(|r| open.workers.ready(*r) || applied.is_some_and(|t| t.traffic.reaches(*r))) {
            let Some(version) = open.version_of(role) else { continue };
            if let Err(error) = self.load(id, role, version).await {
                self.0.bus.trouble(&format!("{id}: load version {version} as {role} again: {error:#}"));
                let target = TargetId::new(&id.service, version, route_role(role));
                if let Err(error) = self.lost(&target, &format!("{error:#}")).await {
                    self.0.bus.trouble(&format!("{id}: {error:#}"));
                }
            }
        }
        let Some(wanted) = applied else { return false };
        if let Err(error) = self.apply(open, wanted.traffic, wanted.generation) {
            super::lock(&self.0.unrestored).insert(id.service.clone());
            self.0.bus.trouble(&format!("{id}: put the split in force again: {error:#}"));
        }
        true
    }
}
