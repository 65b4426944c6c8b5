//! A candidate is offered: what the workspace's pipeline wrote is registered and its gates are judged, releasing nothing.

use super::control::Control;
use crate::exit::{self, failure};
use crate::steps::{gate, register};
use crate::workspace::Opened;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use tidegate_core::gate::GateReport;
use tidegate_core::model::Lineage;
use tidegate_store::FsBlobs;

/// The change that the work tree itself is.
pub const CHANGE: &str = "workspace";

/// What is known of a candidate that lies in the work tree.
#[derive(Debug, Serialize, Deserialize)]
pub struct Offered {
    /// Where it comes from.
    pub lineage: Lineage,
    /// Metrics that the pipeline wrote.
    pub metrics: serde_json::Value,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The version that it is.
    pub version: String,
    /// Whether every gate passed; false where there is none.
    pub passed: bool,
    /// The gates' answers.
    pub gates: GateReport,
}

/// What an offer is judged with.
pub struct Judge<'a> {
    /// The workspace.
    pub opened: &'a Opened,
    /// The control thread.
    pub control: &'a Control,
    /// Blobs.
    pub blobs: &'a FsBlobs,
}

impl Judge<'_> {
    /// Registers the candidate and judges its gates; both are recorded.
    ///
    /// # Errors
    /// When the model is unknown, its files are missing or wrong, or a store fails.
    pub async fn offer(&self, name: &str, offered: Offered) -> Result<Answer> {
        let root = &self.opened.places.root;
        let unknown = || failure(exit::NOT_FOUND, format!("gate model `{name}`: tidegate.yaml has no such model"));
        let model = self.opened.config.models.get(name).ok_or_else(unknown)?;
        let Offered { lineage, metrics } = offered;
        let version = {
            let (root, name, model) = (root.clone(), name.to_owned(), model.clone());
            let config = self.opened.config.clone();
            let (control, blobs) = (self.control.clone(), self.blobs.clone());
            let work = move || {
                let offer = register::Offer { root: &root, name: &name, model: &model, config: &config, lineage, metrics };
                register::register(&offer, &control, &blobs)
            };
            tokio::task::spawn_blocking(work).await??
        };
        let versions = self.opened.places.versions();
        let gating = gate::Gating {
            root,
            model,
            config: &self.opened.config,
            version: &version,
            versions: &versions,
            blobs: self.blobs,
            control: self.control,
        };
        let gates = gate::gate(&gating).await?;
        Ok(Answer { version: version.version, passed: gates.passed(), gates })
    }
}
