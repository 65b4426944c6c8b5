//! The run-cache, in DVC's layout: what a stage wrote when it last read the same things.

use crate::cache::Cache;
use crate::error::PathIo;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use tidegate_core::pipeline::{OutKind, Recorded, StageSpec};
use tidegate_wire::dvc::{dump_recorded, parse_params_as_written, recorded_from_value, recorded_to_value, run_cache_key, run_cache_value};

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

/// Whether this is the place of a record: `runs/ab/ab../..`, of SHA-256 in hex. It becomes a path, so nothing else may.
pub(crate) fn is_place(place: &str) -> bool {
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match place.split('/').collect::<Vec<_>>().as_slice() {
        ["runs", head, key, value] => is_hash(key) && is_hash(value) && key.get(..2) == Some(*head),
        _ => false,
    }
}

/// Whether a record says what its name says. One of DVC 2 is named after fields that are not read here: it is taken as it is.
pub(crate) fn is_right(place: &str, bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    let value = text.and_then(|text| parse_params_as_written("run-cache", text).ok());
    let Some(recorded) = value.as_ref().and_then(recorded_from_value) else { return false };
    let name = hex::encode(Sha256::digest(run_cache_value(&recorded)));
    !recorded.legacy.is_empty() || place.ends_with(&format!("/{name}"))
}

/// Records a run.
pub(crate) fn save(cache: &Cache, spec: &StageSpec, recorded: &Recorded) -> Result<(), PathIo> {
    let inputs = Recorded { outs: indexmap::IndexMap::new(), ..recorded.clone() };
    let value = hex::encode(Sha256::digest(run_cache_value(recorded)));
    let path = directory(cache, spec, &inputs).join(value);
    if path.is_file() {
        return Ok(());
    }
    crate::atomic::write(&path, dump_recorded(&recorded_to_value(recorded)).as_bytes(), false).map_err(PathIo::at("write", &path))
}
