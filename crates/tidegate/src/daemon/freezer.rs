//! Tells releases that are under way when a freeze begins and when it is lifted.

use super::plane::Plane;
use crate::clock;
use crate::steps::freeze::Calendar;
use anyhow::Result;
use std::time::Duration;
use tidegate_core::freeze;
use tidegate_engine::rollouts::Input;

/// How often the calendar is looked at.
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
            if let Err(error) = self.tell(&service).await {
                self.plane.trouble_once(&mut said, format!("tell the release of {service} whether it is frozen: {error:#}"));
            }
            if self.calendar.is_empty() {
                // A freeze that is no longer configured was lifted above, and none can come.
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells the newest release of a service what the calendar says now.
    ///
    /// # Errors
    /// When the calendar cannot be read: a release that is under way stays as it is.
    pub async fn tell(&self, service: &str) -> Result<()> {
        let Some((id, state)) = self.plane.newest(service).await? else { return Ok(()) };
        let Some(open) = state.rollout() else { return Ok(()) };
        let at = clock::now();
        let Some(command) = freeze::told(open, self.calendar.frozen(service, at)?, at) else { return Ok(()) };
        self.plane.drive(Input::Command { rollout: id, key: None, command }).await
    }
}
