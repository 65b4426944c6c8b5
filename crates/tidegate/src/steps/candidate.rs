//! From a work tree to a gated version: its data checked, built, registered, gated, each step once.

use super::{build, check, gate, register};
use crate::daemon::control::Control;
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use crate::show::style;
use crate::workspace::Opened;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_build::{Cancel, env::Env};
use tidegate_core::gate::{GateReport, GateVerdict};
use tidegate_core::model::{ModelVersion, Models};
use tidegate_store::FsBlobs;
use tidegate_wire::config::Model;

/// What candidates are made with.
#[derive(Clone)]
pub struct Workshop {
    /// The workspace.
    pub opened: Arc<Opened>,
    /// The control thread.
    pub control: Control,
    /// Blobs.
    pub blobs: FsBlobs,
    /// The environment of stages.
    pub env: Option<Env>,
    /// Where progress is told.
    pub bus: Bus,
}

/// A change that is to become a candidate.
pub struct Change<'a> {
    /// The model.
    pub model: &'a str,
    /// Its work tree.
    pub root: &'a Path,
    /// Its name.
    pub name: &'a str,
    /// Parameters to set.
    pub overrides: Vec<String>,
    /// Stops it.
    pub cancel: Cancel,
}

/// What a change became.
pub struct Candidate {
    /// Its work tree.
    pub root: PathBuf,
    /// The version.
    pub version: ModelVersion,
    /// Its gates.
    pub report: GateReport,
}

impl Workshop {
    /// A model as configured.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn model(&self, name: &str) -> Result<&Model> {
        let unknown = || failure(exit::NOT_FOUND, format!("model `{name}`: tidegate.yaml has no such model"));
        self.opened.config.models.get(name).ok_or_else(unknown)
    }

    /// Builds, checks, registers and gates. The inner error is a sentence: a contract or a stage refused it.
    ///
    /// # Errors
    /// When something outside fails.
    pub async fn candidate(&self, change: &Change<'_>) -> Result<Result<Candidate, String>> {
        for (dataset, config) in &self.opened.config.data {
            if self.writes(change, &config.path)? {
                let built = self.build(change, vec![config.path.clone()], false).await?;
                if let Some(error) = built.report.failure() {
                    return Ok(Err(format!("the pipeline failed: {error}")));
                }
            }
            if let Some(file) = &config.contract {
                let mut asked = check::Asked::default();
                asked.suite.object = Some(dataset.clone());
                asked.checking.before = Some(check::before(&self.control, dataset).await?);
                asked.checking.others = check::others(change.root, &self.opened.config.data);
                let report = check::check(change.root, config, file, &asked).await?;
                check::record(&self.control, &self.blobs, dataset, change.root, config, file, &report).await?;
                if !report.success {
                    return Ok(Err(format!("contract of {dataset} failed: {}", report.summary())));
                }
                let (rules, rows) = (report.outcomes.len(), report.table.rows);
                self.bus.done(format!("  contract of {dataset} passed: {rules} expectations on {rows} rows"));
            }
        }
        let built = self.build(change, vec![], true).await?;
        if let Some(error) = built.report.failure() {
            return Ok(Err(format!("the pipeline failed: {error}")));
        }
        let version = self.register(change, &built).await?;
        let gating = gate::Gating {
            root: change.root,
            model: self.model(change.model)?,
            config: &self.opened.config,
            version: &version,
            versions: &self.opened.places.versions(),
            blobs: &self.blobs,
            control: &self.control,
        };
        let report = gate::gate(&gating).await?;
        for outcome in &report.outcomes {
            self.bus.done(format!("  gate {}: {}: {}", outcome.name, style::gate(outcome.verdict), outcome.why));
        }
        Ok(Ok(Candidate { root: change.root.to_owned(), version, report }))
    }

    /// Whether the pipeline writes a path; else it is there as it is.
    fn writes(&self, change: &Change<'_>, path: &str) -> Result<bool> {
        let workspace = tidegate_build::load(change.root, build::pipeline_file(&self.opened.config)?, None)?;
        let is = |out: &str| out.trim_end_matches('/') == path.trim_end_matches('/');
        Ok(workspace.graph.stages().iter().any(|stage| stage.outs.iter().any(|o| is(&stage.from_workspace(&o.path)))))
    }

    /// The candidate of a change that a crash interrupted after its gates.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn known(&self, model: &str, version: &str, root: &Path) -> Result<Option<Candidate>> {
        let state = self.control.state::<Models>(register::stream(model)).await?;
        let found = state.versions.get(version).cloned().zip(state.gates.get(version).cloned());
        Ok(found.map(|(version, report)| Candidate { root: root.to_owned(), version, report }))
    }

    async fn build(&self, change: &Change<'_>, targets: Vec<String>, must_record: bool) -> Result<build::Built> {
        let (root, name, overrides, cancel) =
            (change.root.to_owned(), change.name.to_owned(), change.overrides.clone(), change.cancel.clone());
        let shop = self.clone();
        let cache = tidegate_build::load(&self.opened.places.root, build::pipeline_file(&self.opened.config)?, None).map(|w| w.cache)?;
        tokio::task::spawn_blocking(move || {
            let choices = build::Choices::default();
            let wanted = build::Wanted {
                root: &root,
                change: &name,
                targets,
                overrides,
                force: false,
                jobs: None,
                choices,
                cache: Some(&cache),
                code: None,
            };
            build::build(&wanted, &shop.opened.config, shop.env.as_ref(), &shop.control, &shop.bus, &cancel, must_record)
        })
        .await?
    }

    async fn register(&self, change: &Change<'_>, built: &build::Built) -> Result<ModelVersion> {
        let (root, name, model) = (change.root.to_owned(), change.model.to_owned(), self.model(change.model)?.clone());
        let (lineage, metrics) = (built.lineage(change.name), built.metrics());
        let shop = self.clone();
        tokio::task::spawn_blocking(move || {
            let offer = register::Offer { root: &root, name: &name, model: &model, config: &shop.opened.config, lineage, metrics };
            let version = register::register(&offer, &shop.control, &shop.blobs)?;
            shop.bus.done(format!("  registered version {}: {}", version.version, version.artifact.short()));
            Ok(version)
        })
        .await?
    }
}

/// The gates that did not pass, in a sentence.
pub fn failed_gates(report: &GateReport) -> String {
    let bad: Vec<String> = report
        .outcomes
        .iter()
        .filter(|o| o.verdict != GateVerdict::Pass)
        .map(|o| format!("gate {} did not pass: {}", o.name, o.why))
        .collect();
    if bad.is_empty() { "no gate is configured, and none is not a pass".to_owned() } else { bad.join("; ") }
}
