//! Adding one file, or a folder, inside of a tracked directory: its listing changes there and nowhere else.
//!
//! The rest of the directory is not looked at, and need not be in the workspace: the old listing says what it holds.

use super::add::{AddOptions, Added};
use super::error::DataError;
use super::repo::Repo;
use super::view::{Item, StageView, View, overlap};
use crate::hash::md5_of;
use crate::tree::{Content, listing};
use std::collections::BTreeMap;
use tidegate_wire::dvc::tracked::{Entry, HashKind};

/// A tracked directory, and what of it is meant.
pub(super) struct Part<'a> {
    item: &'a Item,
    stage: &'a StageView,
    inner: String,
}

/// The directory of a `.dvc` file that a path lies in.
pub(super) fn part_of<'a>(view: &'a View, path: &str) -> Option<Part<'a>> {
    view.items.iter().find_map(|item| {
        let inner = path.strip_prefix(&item.path)?.strip_prefix('/')?.to_owned();
        let stage = view.stage_of(item).filter(|stage| stage.tracks())?;
        let directory = item.entry.kind == HashKind::Md5 && item.entry.md5.as_ref().is_some_and(|md5| md5.ends_with(".dir"));
        directory.then_some(Part { item, stage, inner })
    })
}

impl Repo {
    pub(super) fn add_part(&self, part: &Part<'_>, path: &str, options: &AddOptions) -> Result<Added, DataError> {
        let Part { item, stage, inner } = part;
        let old = item.entry.md5.clone().unwrap_or_default();
        let rows = self.listing(item.entry.kind, &old).ok_or_else(|| {
            DataError::NotFound(format!(
                "add '{path}': the listing of '{}' ({old}) is not in the cache: `tidegate fetch` brings it",
                item.path
            ))
        })?;
        let mut rows: BTreeMap<String, String> = rows.into_iter().map(|(md5, path)| (path, md5)).collect();
        let before = rows.len();
        rows.retain(|path, _| !overlap(inner, path));
        let appended = rows.len() == before;
        let eyes = self.eyes();
        if let Ok(meta) = std::fs::metadata(self.root.join(path)) {
            self.in_sight(path, meta.is_dir())?;
        }
        if !options.no_commit {
            self.cache.take(&eyes, path)?;
        }
        let content = eyes.look_inside(path)?;
        let new = content.as_ref().map(|content| rows_of(inner, content)).unwrap_or_default();
        if new.is_empty() && appended {
            return Err(DataError::NotFound(format!("'{path}' does not exist")));
        }
        rows.extend(new.iter().cloned());
        let text = listing(rows.iter().map(|(path, md5)| (md5.as_str(), path.as_str())));
        let md5 = format!("{}.dir", md5_of(text.as_bytes()));
        if !options.no_commit {
            self.cache.place(&self.cache.object_of(HashKind::Md5, &md5), text.as_bytes())?;
        }
        // As DVC: a sum where files only came, nothing where that is not known.
        let came = content.map_or(0, |content| content.identity.size_bytes);
        let size_bytes =
            if md5 == old { item.entry.size_bytes } else { item.entry.size_bytes.filter(|_| appended).map(|size| size + came) };
        let written = stage.written(&item.path).unwrap_or_else(|| item.entry.clone());
        let entry = Entry { md5: Some(md5.clone()), size_bytes, files: Some(rows.len() as u64), ..written };
        let changed = self.write_dvc_file(&stage.file, |file| file.record("outs", &entry))?;
        if !options.no_commit && !options.no_relink && self.links() {
            let wanted: Vec<(String, String)> = new.into_iter().map(|(path, md5)| (md5, path)).collect();
            self.put_files(&item.path, HashKind::Md5, &wanted, false)?;
        }
        self.note_placed(&item.path, &md5);
        let (path, file) = (item.path.clone(), stage.file.clone());
        Ok(Added { path, file, md5, size_bytes: size_bytes.unwrap_or(0), files: entry.files, changed })
    }
}

/// Path from the directory and MD5 of each file of a content that lies at `inner` of it.
fn rows_of(inner: &str, content: &Content) -> Vec<(String, String)> {
    match &content.members {
        None => vec![(inner.to_owned(), content.identity.md5.clone())],
        Some(members) => members.iter().map(|m| (format!("{inner}/{}", m.relative), m.hash.md5.clone())).collect(),
    }
}
