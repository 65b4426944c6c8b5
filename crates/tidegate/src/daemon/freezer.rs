//! Tells releases that are under way when a freeze begins and when it is lifted.

use super::breaker;
use super::people;
use super::plane::Plane;
use crate::clock;
use crate::steps::freeze::{Calendar, Looked};
use anyhow::Result;
use std::time::Duration;
use tidegate_core::access::Access;
use tidegate_core::freeze;
use tidegate_engine::rollouts::Input;

/// How often the calendar is looked at; where a freeze begins before, it is looked at then.
const LOOK: Duration = Duration::from_secs(1);

/// It.
#[derive(Clone)]
pub struct Freezer {
    pub calendar: Calendar,
    pub plane: Plane,
}

impl Freezer {
    /// Looks for as long as the workspace is up.
    pub async fn run(self, service: String) {
        let mut said = String::new();
        loop {
            let told = self.tell(&service).await;
            let trouble = match &told {
                Ok(looked) => Some(looked.troubles.join("; ")).filter(|t| !t.is_empty()),
                Err(error) => Some(format!("{error:#}")),
            };
            let named = |why| format!("tell the release of {service} whether it is frozen: {why}");
            self.plane.trouble_once(&mut said, trouble.map(named));
            match told {
                // A freeze that is no longer configured was lifted, and none can come.
                Ok(_) if self.calendar.is_empty() && self.calendar.opened().config.breakers.is_empty() => return,
                Ok(Looked { next: Some(next), .. }) => {
                    tokio::time::sleep(LOOK.min(Duration::from_millis(next.since_ms(clock::now()).max(1)))).await;
                }
                Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Whether freezes of a service do not count now.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn glass_is_broken(&self, service: &str) -> Result<bool> {
        let state = self.plane.control().state::<Access>(people::stream(service)).await?;
        Ok(state.open_glass(clock::now()).is_some())
    }

    /// Tells the newest release of a service what the calendar says now.
    ///
    /// # Errors
    /// When the release cannot be told.
    pub async fn tell(&self, service: &str) -> Result<Looked> {
        let at = clock::now();
        let mut looked = self.calendar.look(service, at);
        let halted = breaker::halted(&self.plane, &self.calendar.opened().config, service, at).await?;
        // A breaker has no end that is known: what it says comes first.
        looked.frozen = halted.or(looked.frozen);
        if looked.frozen.is_some() && self.glass_is_broken(service).await? {
            looked.frozen = None;
        }
        let newest = self.plane.newest(service).await?;
        let open = newest.as_ref().and_then(|(id, state)| Some((id, state.rollout()?)));
        if let Some((id, command)) = open.and_then(|(id, open)| Some((id, freeze::told(open, looked.frozen.as_ref(), at)?))) {
            self.plane.drive(Input::Command { rollout: id.clone(), key: None, command }).await?;
        }
        Ok(looked)
    }
}
