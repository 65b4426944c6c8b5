//! Watching for drift, and what a retraining is told about it.

use super::{Player, STREAM};
use crate::clock;
use crate::daemon::window;
use crate::exit::{self, failure};
use crate::steps::{drift, register};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::model::Models;
use tidegate_core::watch::{Command as WatchCommand, DriftFinding, DriftVerdict, Watch};
use tidegate_core::workspace::{Loop, Outcome};
use tidegate_wire::scenario::Act;

/// How often the watch looks for drift.
const DRIFT_LOOK: Duration = Duration::from_secs(2);

impl Player<'_> {
    pub(super) async fn watch(&mut self, index: usize, act: &Act) -> Result<(Outcome, String)> {
        if let Some(noted) = self.act_state(index).await?.note("drift") {
            // Found before a crash: what follows is to build on that finding, not on another.
            let finding: DriftFinding = serde_json::from_value(noted.clone())?;
            return Ok((Outcome::DriftFound, finding.sentence()));
        }
        let service = self.scenario.replay.service.clone();
        let (name, model) = self.model_of(&service)?;
        let rule =
            model.drift.clone().ok_or_else(|| failure(exit::USAGE, format!("watch for drift: `models.{name}.drift` is not configured")))?;
        let state = self.run.control.state::<Models>(register::stream(&name)).await?;
        let champion = state
            .aliases
            .get("champion")
            .and_then(|v| state.versions.get(v))
            .cloned()
            .context("watch for drift: no version is champion")?;
        let reference = Arc::new(drift::reference_of(&self.run.plane, &champion, &rule).await?);
        let traffic = self.traffic(index, act, &self.run.opened.places.root.clone()).await?;
        let outcome = loop {
            tokio::time::sleep(DRIFT_LOOK).await;
            let over = traffic.is_over();
            let finding = drift::judge(self.run.lake.clone(), &service, &champion.version, reference.clone()).await?;
            if let Some(finding) = finding {
                self.bus().progress(format!("watching: {}", finding.sentence()));
                if finding.verdict != DriftVerdict::CannotTell {
                    let command = WatchCommand::JudgeDrift { finding: finding.clone(), at: clock::now() };
                    self.run.control.execute::<Watch>(format!("service/{service}"), None, command).await?;
                }
                if finding.verdict == DriftVerdict::Drift {
                    self.note(index, "drift", serde_json::to_value(&finding)?).await?;
                    break (Outcome::DriftFound, finding.sentence());
                }
                if over {
                    break (Outcome::NoDrift, finding.sentence());
                }
            } else if over {
                break (Outcome::NoDrift, "no live row was recorded".to_owned());
            }
        };
        traffic.stop().await;
        Ok(outcome)
    }

    pub(super) async fn newest_drift(&self, before: usize) -> Result<DriftFinding> {
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let noted = state.acts.iter().take(before).rev().find_map(|a| a.note("drift"));
        let value = noted.context("retrain: no drift was found before")?;
        Ok(serde_json::from_value(value.clone())?)
    }

    /// Parameters of a retraining; `${window.start - 30d}` and the like stand for days around the drift's window.
    pub(super) fn retrain_overrides(&self, finding: &DriftFinding) -> Result<Vec<String>> {
        let (name, _) = self.model_of(&self.scenario.replay.service)?;
        let Some(retrain) = self.run.opened.config.retrain.get(&name) else { return Ok(vec![]) };
        window::overrides(&name, &retrain.set, finding.window_from, finding.window_until)
    }
}
