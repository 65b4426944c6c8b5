//! What triggers look at: bytes of datasets, the commit, drift and performance of what serves.

use crate::clock;
use crate::columns::{self, Place};
use crate::daemon::plane::Plane;
use crate::steps::{drift, performance, register, release};
use crate::workspace::Opened;
use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::retrain::{Observed, Performance, PerformanceFinding, PerformanceVerdict, Source};
use tidegate_core::watch::{Command as WatchCommand, DriftFinding, DriftVerdict, Watch};
use tidegate_store::Lake;
use tidegate_wire::config::Retrain;

/// Files of a dataset whose size and time are compared before their bytes are read.
const FILES_MAX: usize = 100_000;

/// Size and time of each file of a dataset, and the digest that it had then.
type Known = (Vec<(PathBuf, u64, SystemTime)>, String);

/// Looks at the world of one model.
pub struct Observer {
    opened: Arc<Opened>,
    plane: Plane,
    lake: Arc<Lake>,
    model: String,
    config: Retrain,
    digests: HashMap<String, Known>,
    /// The rows that the champion was trained on, by its version.
    reference: Option<(String, Arc<drift::Reference>)>,
}

impl Observer {
    /// One that has seen nothing yet.
    pub fn new(opened: Arc<Opened>, plane: Plane, lake: Arc<Lake>, model: &str, config: &Retrain) -> Observer {
        let (model, config) = (model.to_owned(), config.clone());
        Observer { opened, plane, lake, model, config, digests: HashMap::new(), reference: None }
    }

    /// Services of the model.
    pub fn services(&self) -> Vec<String> {
        services_of(&self.opened, &self.model)
    }

    /// Looks at what the rule names, and at nothing else.
    ///
    /// # Errors
    /// When a store or a file cannot be read.
    pub async fn look(&mut self) -> Result<Observed> {
        let on = self.config.rule.on.clone();
        let mut observed = Observed::default();
        if on.contains(&Source::Data) {
            observed.data = self.data().await?;
        }
        if on.contains(&Source::Code) {
            let root = self.opened.places.root.clone();
            observed.code = tokio::task::spawn_blocking(move || tidegate_build::revision(&root)).await?;
        }
        let watched = (on.contains(&Source::Drift), self.config.rule.performance.clone().filter(|_| on.contains(&Source::Performance)));
        if !watched.0 && watched.1.is_none() {
            return Ok(observed);
        }
        let Some(champion) = self.champion().await? else { return Ok(observed) };
        for service in self.services() {
            if watched.0 {
                let found = self.drift(&service, &champion).await?;
                observed.drift = worse(observed.drift.take(), found, |f| f.verdict == DriftVerdict::Drift);
            }
            if let Some(rule) = &watched.1 {
                let found = self.performance(&service, &champion, rule).await?;
                observed.performance =
                    worse(observed.performance.take(), Some(found), |f: &PerformanceFinding| f.verdict == PerformanceVerdict::Dropped);
            }
        }
        Ok(observed)
    }

    async fn champion(&self) -> Result<Option<ModelVersion>> {
        let state = self.plane.control().state::<Models>(register::stream(&self.model)).await?;
        Ok(state.aliases.get("champion").and_then(|v| state.versions.get(v)).cloned())
    }

    /// Digests of the datasets that are there. Bytes are read where a size or a time is another.
    async fn data(&mut self) -> Result<IndexMap<String, String>> {
        let mut found = IndexMap::new();
        for (name, dataset) in &self.opened.config.data {
            if !self.config.data.is_empty() && !self.config.data.contains(name) {
                continue;
            }
            let place = Place::of(&self.opened.places.root, &dataset.path);
            let looked = digest(&place, self.digests.remove(name)).await;
            if let Some(looked) = looked.with_context(|| format!("look at dataset `{name}`"))? {
                found.insert(name.clone(), looked.1.clone());
                self.digests.insert(name.clone(), looked);
            }
        }
        Ok(found)
    }

    async fn drift(&mut self, service: &str, champion: &ModelVersion) -> Result<Option<DriftFinding>> {
        let Some(rule) = self.opened.config.models.get(&self.model).and_then(|m| m.drift.clone()) else { return Ok(None) };
        let reference = match &self.reference {
            Some((version, known)) if *version == champion.version => known.clone(),
            _ => {
                let read = Arc::new(drift::reference_of(&self.plane, champion, &rule).await?);
                self.reference = Some((champion.version.clone(), read.clone()));
                read
            }
        };
        let Some(finding) = drift::judge(self.lake.clone(), service, &champion.version, reference).await? else { return Ok(None) };
        if finding.verdict != DriftVerdict::CannotTell {
            let command = WatchCommand::JudgeDrift { finding: finding.clone(), at: clock::now() };
            self.plane.control().execute::<Watch>(format!("service/{service}"), None, command).await?;
        }
        Ok(Some(finding))
    }

    async fn performance(&self, service: &str, champion: &ModelVersion, rule: &Performance) -> Result<PerformanceFinding> {
        let threshold = release::threshold(&self.opened.config, service);
        performance::judge(self.lake.clone(), service, &champion.version, threshold, rule).await
    }
}

/// Services that serve a model.
pub fn services_of(opened: &Opened, model: &str) -> Vec<String> {
    opened.config.services.iter().filter(|(_, s)| s.model == model).map(|(name, _)| name.clone()).collect()
}

/// Of two findings the one that is bad, else the first.
fn worse<T>(one: Option<T>, other: Option<T>, bad: impl Fn(&T) -> bool) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) if !bad(&one) && bad(&other) => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

/// The digest of what lies at a place; none where nothing does. A store is asked each time, for it reads nothing.
async fn digest(place: &Place, known: Option<Known>) -> Result<Option<Known>> {
    let mut files = vec![];
    if let Place::Path(path) = place {
        let path = path.clone();
        let work = move || -> Result<_> {
            let mut files = vec![];
            let there = list(&path, &mut files).with_context(|| format!("list {}", path.display()))?;
            files.sort();
            Ok(there.then_some(files))
        };
        let Some(found) = tokio::task::spawn_blocking(work).await?? else { return Ok(None) };
        if let Some(known) = known.filter(|k| k.0 == found) {
            return Ok(Some(known));
        }
        files = found;
    }
    Ok(Some((files, columns::digest(place).await?.to_string())))
}

/// Adds every file at or below `path`; false where there is nothing.
fn list(path: &Path, files: &mut Vec<(PathBuf, u64, SystemTime)>) -> Result<bool> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if about.is_dir() {
        for entry in std::fs::read_dir(path)? {
            list(&entry?.path(), files)?;
        }
    } else {
        anyhow::ensure!(files.len() < FILES_MAX, "there are over {FILES_MAX} files: name fewer under `retrain.MODEL.data`");
        files.push((path.to_owned(), about.len(), about.modified()?));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_read_again_where_a_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        let place = Place::Path(path.clone());
        assert!(digest(&place, None).await.unwrap().is_none());
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("a.csv"), "x\n1\n").unwrap();
        let first = digest(&place, None).await.unwrap().unwrap();
        // A digest that is kept is one that was not computed again.
        let kept = digest(&place, Some((first.0.clone(), "kept".to_owned()))).await.unwrap().unwrap();
        assert_eq!(kept.1, "kept");
        std::fs::write(path.join("b.csv"), "x\n2\n").unwrap();
        let other = digest(&place, Some(first.clone())).await.unwrap().unwrap();
        assert_ne!(other.1, first.1);
    }

    #[test]
    fn what_is_bad_comes_first() {
        let bad = |n: &i32| *n < 0;
        assert_eq!(worse(Some(1), Some(-1), bad), Some(-1));
        assert_eq!(worse(Some(-1), Some(-2), bad), Some(-1));
        assert_eq!(worse(None, Some(2), bad), Some(2));
        assert_eq!(worse(Some(1), None, bad), Some(1));
    }
}
