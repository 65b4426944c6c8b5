//! `status`: what differs between the workspace, what DVC's files record, and the cache, in DVC's own shape.

use super::error::DataError;
use super::repo::Repo;
use super::view::{Body, Item, Select, StageView};
use serde_json::{Map, Value, json};
use tidegate_core::pipeline::{Recorded, StageSpec};
use tidegate_wire::dvc::tracked::Entry;
use tidegate_wire::dvc::{parse_params, select};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct StatusOptions {
    /// A folder means all that is tracked below it.
    pub recursive: bool,
    /// What a stage needs is meant too.
    pub with_deps: bool,
}

impl Repo {
    /// What differs, by stage: an empty object when nothing does.
    ///
    /// # Errors
    /// When a target names nothing, or something cannot be read.
    pub fn status(&self, targets: &[String], options: &StatusOptions) -> Result<Value, DataError> {
        let view = self.view()?;
        let chosen = view.select(self, targets, Select { recursive: options.recursive, with_deps: options.with_deps })?;
        let mut answer = Map::new();
        for (i, stage) in view.stages.iter().enumerate() {
            let outs: Vec<&Item> = chosen.iter().filter(|(item, _)| item.stage == i).map(|(item, _)| *item).collect();
            if outs.is_empty() && !targets.is_empty() {
                continue;
            }
            let entries = self.stage_status(stage, &outs)?;
            if !entries.is_empty() {
                answer.insert(self.address(stage), Value::Array(entries));
            }
        }
        self.index.save();
        Ok(Value::Object(answer))
    }

    /// Whether anything is tracked at all.
    ///
    /// # Errors
    /// When a file of DVC is wrong.
    pub fn is_empty(&self) -> Result<bool, DataError> {
        Ok(self.view()?.stages.is_empty())
    }

    fn address(&self, stage: &StageView) -> String {
        match stage.address.rsplit_once(':') {
            Some((file, name)) => format!("{}:{name}", self.shown(file)),
            None if stage.address == stage.file => self.shown(&stage.file),
            None if self.cwd == self.root => stage.address.clone(),
            None => format!("{}:{}", self.shown(&stage.file), stage.address),
        }
    }

    fn stage_status(&self, stage: &StageView, outs: &[&Item]) -> Result<Vec<Value>, DataError> {
        let mut entries = Vec::new();
        let (deps, always, command) = match &stage.body {
            Body::Dvc(file) if file.frozen() => (Map::new(), false, false),
            Body::Dvc(file) => (self.dvc_deps(stage, &file.deps())?, false, false),
            Body::Stage { spec, recorded } => {
                let recorded = recorded.as_deref();
                let deps = if spec.frozen { Map::new() } else { self.stage_deps(stage, spec, recorded)? };
                (deps, spec.is_callback() || spec.always_changed, recorded.is_some_and(|r| r.cmd != spec.cmd))
            }
        };
        if !deps.is_empty() {
            entries.push(json!({ "changed deps": deps }));
        }
        let mut changed = Map::new();
        for item in outs {
            if let Some(word) = self.out_status(&item.entry)? {
                changed.insert(self.shown(&item.path), json!(word));
            }
        }
        if !changed.is_empty() {
            entries.push(json!({ "changed outs": changed }));
        }
        if always {
            entries.push(json!("always changed"));
        }
        if command {
            entries.push(json!("changed command"));
        }
        Ok(entries)
    }

    /// The word for an output; none when it is as recorded and in the cache.
    fn out_status(&self, entry: &Entry) -> Result<Option<&'static str>, DataError> {
        if let Some(md5) = &entry.md5
            && entry.cache
            && !self.in_cache(entry.kind, md5)
        {
            return Ok(Some("not in cache"));
        }
        let found = self.look(&entry.path, entry.kind)?;
        Ok(match (found, &entry.md5) {
            (None, _) => Some("deleted"),
            (Some(found), Some(md5)) if found.identity.md5 == *md5 => None,
            (Some(_), _) => Some("modified"),
        })
    }

    fn dvc_deps(&self, stage: &StageView, deps: &[Entry]) -> Result<Map<String, Value>, DataError> {
        let mut changed = Map::new();
        for dep in deps.iter().filter(|dep| !dep.path.contains("://")) {
            let path = stage.at_root(&dep.path);
            let word = match self.look(&path, dep.kind)? {
                None => Some("deleted"),
                Some(found) if dep.md5.as_ref() == Some(&found.identity.md5) => None,
                Some(_) => Some("modified"),
            };
            if let Some(word) = word {
                changed.insert(self.shown(&path), json!(word));
            }
        }
        Ok(changed)
    }

    fn stage_deps(&self, stage: &StageView, spec: &StageSpec, recorded: Option<&Recorded>) -> Result<Map<String, Value>, DataError> {
        let mut changed = Map::new();
        let eyes = self.eyes();
        for dep in &spec.deps {
            let path = stage.at_root(dep);
            let known = recorded.and_then(|r| r.deps.get(dep));
            let word = match eyes.look(&path)?.map(|content| content.identity.md5) {
                None => Some("deleted"),
                Some(found) if known.is_some_and(|k| k.md5 == found) => None,
                Some(_) => Some("modified"),
            };
            if let Some(word) = word {
                changed.insert(self.shown(&path), json!(word));
            }
        }
        for (file, keys) in &spec.params {
            let path = stage.at_root(file);
            if let Some(word) = self.param_status(&path, file, keys, recorded)? {
                changed.insert(self.shown(&path), word);
            }
        }
        Ok(changed)
    }

    fn param_status(&self, path: &str, file: &str, keys: &[String], recorded: Option<&Recorded>) -> Result<Option<Value>, DataError> {
        let full = self.root.join(path);
        let text = match std::fs::read_to_string(&full) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(json!("deleted"))),
            Err(error) => return Err(DataError::io("read", &full)(error)),
        };
        let actual = select(&parse_params(path, &text)?, keys);
        let Some(known) = recorded.and_then(|r| r.params.get(file)) else { return Ok(Some(json!("new"))) };
        let names: Vec<&String> = if keys.is_empty() { known.keys().chain(actual.keys()).collect() } else { keys.iter().collect() };
        let mut changed = Map::new();
        for name in names {
            let word = match (actual.get(name).and_then(Option::as_ref), known.get(name)) {
                (None, _) => "deleted",
                (Some(_), None) => "new",
                (Some(now), Some(then)) if tidegate_core::pipeline::same_value(now, then) => continue,
                _ => "modified",
            };
            changed.insert(name.clone(), json!(word));
        }
        Ok((!changed.is_empty()).then_some(Value::Object(changed)))
    }
}
