//! A copy of a workspace to run its pipeline beside it: its files without what stages write, with changed files laid over.

use crate::atomic::TEMPORARY_PREFIX;
use crate::cache::replace_file;
use crate::code::git;
use crate::error::{BuildError, PathIo};
use crate::workspace::{STATE_DIRECTORY, Workspace, load};
use std::collections::BTreeSet;
use std::path::Path;
use tidegate_core::pipeline::join_path;

/// Names that are never copied, at any depth.
const NEVER: [&str; 4] = [STATE_DIRECTORY, ".git", ".hg", "__pycache__"];
/// Deepest nesting of directories.
const DEPTH_MAX: usize = 128;

/// Copies the workspace at `root`, with the pipeline's file as [`load`] takes it, to `dest`, then lays the files of `overlay` over it. Copied are the files that Git knows
/// or would add (all files where there is no Git) and all that stages read; not what stages write, caches and our state.
/// What lies in `dest` from before and is not in the copy is removed, its state and cache folders excepted.
///
/// # Errors
/// When the pipeline cannot be read, or a file cannot be copied.
pub fn snapshot(root: &Path, pipeline: Option<&str>, overlay: Option<&Path>, dest: &Path) -> Result<(), BuildError> {
    let workspace = load(root, pipeline, None)?;
    let from = workspace.root.join(&workspace.base);
    // What stages write is made again; what `.dvc` files name is data, which nobody makes.
    let made = |path: &str| {
        let writer = workspace.graph.writer(&join_path(&workspace.base, path)).and_then(|i| workspace.graph.stages().get(i));
        writer.is_some_and(|stage| !stage.is_data())
    };
    let mut files = listed(&workspace, &from)?;
    for stage in workspace.graph.stages() {
        for path in stage.reads().map(|p| workspace.from_base(&p)) {
            if !path.starts_with("..") && !path.starts_with('/') && !made(&path) {
                add(&from, &path, &mut files, 0)?;
            }
        }
    }
    let inside = dest.strip_prefix(&from).ok().and_then(|p| p.to_str()).map(|p| format!("{p}/"));
    files.retain(|path| wanted(path) && !made(path) && !inside.as_ref().is_some_and(|i| path.starts_with(i.as_str())));
    std::fs::create_dir_all(dest).map_err(BuildError::io("create", dest))?;
    let mut present = BTreeSet::new();
    add(dest, "", &mut present, 0)?;
    let mut layers = vec![(from.as_path(), files)];
    if let Some(overlay) = overlay {
        let mut over = BTreeSet::new();
        add(overlay, "", &mut over, 0)?;
        layers.push((overlay, over));
    }
    for (_, layer) in &layers {
        present.retain(|path| !layer.contains(path));
    }
    for path in present {
        let path = dest.join(path);
        crate::atomic::remove(&path).map_err(BuildError::io("remove", &path))?;
    }
    for (from, layer) in layers {
        for path in layer {
            let (from, to) = (from.join(&path), dest.join(&path));
            // A link is copied as what it points to; one that points nowhere is left out.
            if from.is_file() {
                replace_file(&from, &to).map_err(BuildError::io("copy to", &to))?;
            }
        }
    }
    Ok(())
}

fn wanted(path: &str) -> bool {
    let cache = path.starts_with(".dvc/cache/") || path.starts_with(".dvc/tmp/");
    !cache && path.split('/').all(|part| !NEVER.contains(&part) && !part.starts_with(TEMPORARY_PREFIX))
}

/// What Git knows or would add; where there is no Git, every file.
fn listed(workspace: &Workspace, from: &Path) -> Result<BTreeSet<String>, BuildError> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."];
    let mut files = BTreeSet::new();
    match git(from, &arguments) {
        Some(names) => {
            let names = names.split(|b| *b == 0).filter(|n| !n.is_empty());
            files.extend(names.map(|n| String::from_utf8_lossy(n).into_owned()));
            // The record of the last run is what unchanged stages are restored by, even where Git does not keep it.
            let locks = workspace.beside.keys().map(|file| workspace.lock_path(file));
            files.extend(locks.filter_map(|path| Some(path.strip_prefix(from).ok()?.to_string_lossy().into_owned())));
        }
        None => add(from, "", &mut files, 0)?,
    }
    Ok(files)
}

/// Adds the files at and below `relative`.
fn add(root: &Path, relative: &str, files: &mut BTreeSet<String>, depth: usize) -> Result<(), BuildError> {
    let path = root.join(relative);
    if !path.is_dir() || depth > DEPTH_MAX {
        if path.exists() {
            files.insert(relative.to_owned());
        }
        return Ok(());
    }
    for entry in std::fs::read_dir(&path).map_err(PathIo::at("list", &path))? {
        let name = entry.map_err(PathIo::at("list", &path))?.file_name().to_string_lossy().into_owned();
        let inner = if relative.is_empty() { name } else { format!("{relative}/{name}") };
        if wanted(&format!("{inner}/")) {
            add(root, &inner, files, depth + 1)?;
        }
    }
    Ok(())
}
