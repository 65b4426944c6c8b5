//! The run-cache, in DVC's layout: what a stage wrote when it last read the same things.

use crate::cache::Cache;
use crate::error::PathIo;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use tidegate_core::pipeline::{OutKind, Recorded, StageSpec};
use tidegate_wire::dvc::{dump, parse_params_as_written, recorded_from_value, recorded_to_value, run_cache_key, run_cache_value};

/// Whether runs of the stage can be told by what it reads.
pub(crate) fn applies(spec: &StageSpec) -> bool {
    let reads = !spec.deps.is_empty() || !spec.params.is_empty();
    let writes = !spec.outs.is_empty() && spec.outs.iter().all(|o| !o.persist);
    reads && writes && !spec.always_changed && spec.cmd.is_some()
}

/// Whether runs of the stage are kept. One with an output that is neither cached nor a metric or plot is not: DVC could not
/// bring that output back.
pub(crate) fn keeps(spec: &StageSpec) -> bool {
    applies(spec) && spec.outs.iter().all(|o| o.cache || o.kind != OutKind::Out)
}

fn directory(cache: &Cache, spec: &StageSpec, inputs: &Recorded) -> PathBuf {
    let outs: Vec<String> = spec.outs.iter().map(|o| o.path.clone()).collect();
    let key = hex::encode(Sha256::digest(run_cache_key(inputs, &outs)));
    cache.directory().join("runs").join(&key[..2]).join(key)
}

/// The newest recorded run with these inputs whose outputs are all in the cache.
pub(crate) fn find(cache: &Cache, spec: &StageSpec, inputs: &Recorded) -> Option<Recorded> {
    let mut entries: Vec<_> = std::fs::read_dir(directory(cache, spec, inputs))
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            (!hidden).then(|| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))?
        })
        .collect();
    entries.sort_by(|a, b| b.cmp(a));
    entries.into_iter().find_map(|(_, path)| {
        let value = parse_params_as_written("run-cache", &std::fs::read_to_string(path).ok()?).ok()?;
        let recorded = recorded_from_value(&value)?;
        let complete = spec.outs.iter().all(|o| recorded.outs.get(&o.path).is_some_and(|identity| cache.has(identity)));
        (complete && recorded.legacy.is_empty() && recorded.cmd == spec.cmd).then_some(recorded)
    })
}

/// Records a run.
pub(crate) fn save(cache: &Cache, spec: &StageSpec, recorded: &Recorded) -> Result<(), PathIo> {
    let inputs = Recorded { outs: indexmap::IndexMap::new(), ..recorded.clone() };
    let value = hex::encode(Sha256::digest(run_cache_value(recorded)));
    let path = directory(cache, spec, &inputs).join(value);
    if path.is_file() {
        return Ok(());
    }
    crate::atomic::write(&path, dump(&recorded_to_value(recorded)).as_bytes(), false).map_err(PathIo::at("write", &path))
}
