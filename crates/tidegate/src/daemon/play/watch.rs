//! Watching for drift, and what a retraining is told about it.

use super::{Player, STREAM};
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::{drift, register};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::watch::{Command as WatchCommand, DriftFinding, DriftVerdict, Watch};
use tidegate_core::workspace::{Loop, Outcome};
use tidegate_runtime::Version;
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
        let reference = Arc::new(self.reference(&champion, &rule).await?);
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

    pub(super) async fn reference(&self, champion: &ModelVersion, rule: &tidegate_wire::config::Drift) -> Result<drift::Reference> {
        let digest = champion.profile.as_ref().context("watch for drift: the version was registered without reference rows")?;
        // The blob has no name with an ending, and the columnar engine goes by it.
        let file = self.run.opened.places.versions().join(&champion.model).join(format!("{}.reference.parquet", champion.version));
        if !file.exists() {
            let bytes = tidegate_port::Blobs::get(&self.run.blobs, digest)?;
            tidegate_store::disk::replace_file(&file, &bytes)?;
        }
        let dir = self.run.plane.directory(&champion.model, &champion.version).await?;
        let version = tokio::task::spawn_blocking(move || Version::open(&dir)).await??;
        drift::reference(&version, rule, &file).await
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
        retrain
            .set
            .iter()
            .map(|(key, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // Quoted, so that a day stays text as it is in the parameter file.
                Ok(format!(
                    "{key}='{}'",
                    crate::daemon::window::fill(&text, finding.window_from, finding.window_until)
                        .map_err(|e| failure(exit::USAGE, format!("retrain.{name}.set.{key}: {e}")))?
                ))
            })
            .collect()
    }
}
