//! From a work tree to a gated version: built, checked, registered, gated, each step once.

use super::{Candidate, Player};
use crate::steps::{build, check, gate, register};
use anyhow::Result;
use std::path::Path;
use tidegate_build::Cancel;
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::workspace::Act as ActState;

impl Player<'_> {
    /// Builds, checks, registers and gates. The inner error is a sentence: a contract or a stage refused it.
    pub(super) async fn candidate(
        &self,
        noted: &ActState,
        root: &Path,
        change: &str,
        overrides: Vec<String>,
    ) -> Result<Result<Candidate, String>> {
        let service = &self.scenario.replay.service;
        let (name, model) = self.model_of(service)?;
        if let Some(done) = self.known(noted, root, &name).await? {
            return Ok(Ok(done));
        }
        for (dataset, config) in &self.run.opened.config.data {
            let built = self.build(root, change, vec![config.path.clone()], overrides.clone(), false).await?;
            if let Some(error) = built.report.failure() {
                return Ok(Err(format!("the pipeline failed: {error}")));
            }
            if let Some(file) = &config.contract {
                let mut asked = check::Asked::default();
                asked.suite.object = Some(dataset.clone());
                asked.checking.before = Some(check::before(&self.run.control, dataset).await?);
                asked.checking.others = check::others(root, &self.run.opened.config.data);
                let report = check::check(root, config, file, &asked).await?;
                check::record(&self.run.control, &self.run.blobs, dataset, root, config, file, &report).await?;
                if !report.success {
                    return Ok(Err(format!("contract of {dataset} failed: {}", report.summary())));
                }
                self.bus().done(format!(
                    "  contract of {dataset} passed: {} expectations on {} rows",
                    report.outcomes.len(),
                    report.table.rows
                ));
            }
        }
        let built = self.build(root, change, vec![], overrides, true).await?;
        if let Some(error) = built.report.failure() {
            return Ok(Err(format!("the pipeline failed: {error}")));
        }
        let version = self.register(root, &name, change, &built).await?;
        let gating = gate::Gating {
            root,
            model: &model,
            version: &version,
            versions: &self.run.opened.places.versions(),
            blobs: &self.run.blobs,
            control: &self.run.control,
        };
        let report = gate::gate(&gating).await?;
        for outcome in &report.outcomes {
            let word = crate::show::style::gate(outcome.verdict);
            self.bus().done(format!("  gate {}: {word}: {}", outcome.name, outcome.why));
        }
        Ok(Ok(Candidate { root: root.to_owned(), version, report }))
    }

    /// The candidate of an act that a crash interrupted after its gates.
    pub(super) async fn known(&self, noted: &ActState, root: &Path, model: &str) -> Result<Option<Candidate>> {
        let Some(version) = noted.note("version").and_then(|v| v.as_str()) else { return Ok(None) };
        let state = self.run.control.state::<Models>(register::stream(model)).await?;
        let found = state.versions.get(version).cloned().zip(state.gates.get(version).cloned());
        Ok(found.map(|(version, report)| Candidate { root: root.to_owned(), version, report }))
    }

    pub(super) async fn build(
        &self,
        root: &Path,
        change: &str,
        targets: Vec<String>,
        overrides: Vec<String>,
        must_record: bool,
    ) -> Result<build::Built> {
        let (root, change) = (root.to_owned(), change.to_owned());
        let (config, env, control, bus) =
            (self.run.opened.config.clone(), self.run.env.clone(), self.run.control.clone(), self.bus().clone());
        let cache = tidegate_build::load(&self.run.opened.places.root, None, None).map(|w| w.cache)?;
        tokio::task::spawn_blocking(move || {
            let choices = build::Choices::default();
            let wanted = build::Wanted {
                root: &root,
                change: &change,
                targets,
                overrides,
                force: false,
                jobs: None,
                choices,
                cache: Some(&cache),
                code: None,
            };
            build::build(&wanted, &config, env.as_ref(), &control, &bus, &Cancel::default(), must_record)
        })
        .await?
    }

    pub(super) async fn register(&self, root: &Path, name: &str, change: &str, built: &build::Built) -> Result<ModelVersion> {
        let (_, model) = self.model_of(&self.scenario.replay.service)?;
        let (root, name) = (root.to_owned(), name.to_owned());
        let (lineage, metrics) = (built.lineage(change), built.metrics());
        let (control, blobs, bus) = (self.run.control.clone(), self.run.blobs.clone(), self.bus().clone());
        tokio::task::spawn_blocking(move || {
            let offer = register::Offer { root: &root, name: &name, model: &model, lineage, metrics };
            let version = register::register(&offer, &control, &blobs)?;
            bus.done(format!("  registered version {}: {}", version.version, version.artifact.short()));
            Ok(version)
        })
        .await?
    }
}
