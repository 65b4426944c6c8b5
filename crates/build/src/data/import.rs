//! `import-url`: brings a file or directory from elsewhere and remembers where it came from.

use super::add::{Added, entry_of, is_executable};
use super::error::DataError;
use super::git;
use super::repo::Repo;
use super::view::{name_of, overlap};
use crate::hash::md5_of;
use crate::remote::Progress;
use serde_json::{Value, json};
use std::path::Path;
use tidegate_wire::dvc::json_dumps;
use tidegate_wire::dvc::tracked::{DvcFile, Entry, HashKind};

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The path to import to; the name of the source in the current directory when none.
    pub out: Option<String>,
    /// Replace what is there.
    pub force: bool,
    /// A text kept with it.
    pub desc: Option<String>,
}

/// What does not count in the digest of a `.dvc` file that has a source.
const NOT_COUNTED: [&str; 11] = ["desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles"];

impl Repo {
    /// Imports from a path, `http(s)://`, `s3://`, `gs://`, `azure://`, or `remote://NAME/PATH`.
    ///
    /// # Errors
    /// When the source cannot be read, or something is in the way of the output.
    pub fn import_url(&self, url: &str, options: &ImportOptions, progress: &dyn Progress) -> Result<Added, DataError> {
        let tell = |text: &str| progress.note(text);
        let _held = self.take("import-url", &tell)?;
        let name = name_of(url.trim_end_matches('/')).split('?').next().unwrap_or_default();
        let path = self.inside(options.out.as_deref().filter(|o| !o.is_empty()).unwrap_or(name))?;
        let path = if self.root.join(&path).is_dir() && options.out.is_some() { format!("{path}/{name}") } else { path };
        if path.is_empty() || name.is_empty() {
            return Err(DataError::Usage(format!("import {url}: it has no name; give the path to import to")));
        }
        let view = self.view()?;
        let file = format!("{path}.dvc");
        if let Some(item) = view.items.iter().find(|i| overlap(&i.path, &path) && view.stage_of(i).is_some_and(|s| s.file != file)) {
            return Err(DataError::Refused(format!("import to '{path}': it overlaps with '{}', which is tracked", item.path)));
        }
        let to = self.root.join(&path);
        let tracked = view.items.iter().any(|i| i.path == path);
        if to.symlink_metadata().is_ok() && !options.force && !tracked {
            return Err(DataError::Refused(format!("'{path}' is there already and not tracked: --force replaces it")));
        }
        let dep = self.bring_in(url, &path, progress)?;
        let eyes = self.eyes();
        let content = self.cache.take(&eyes, &path)?.ok_or_else(|| DataError::NotFound(format!("'{path}' is gone")))?;
        let entry = Entry { executable: is_executable(&to) && !content.identity.is_dir(), ..entry_of(name_of(&path), &content) };
        // What comes from a path of this machine is known by its content, as DVC knows it.
        let dep = if dep.etag.is_none() {
            Entry { path: dep.path, etag: None, ..entry.clone() }
        } else {
            Entry { size_bytes: entry.size_bytes, files: entry.files, ..dep }
        };
        let changed = self.write_dvc_file(&file, |parsed| {
            *parsed = imported(&dep, &entry);
            if let Some(desc) = &options.desc {
                parsed.annotate("desc", json!(desc));
            }
        })?;
        if self.uses_git() {
            git::ignore(&self.root, &path)?;
        }
        self.note_placed(&path, &content.identity.md5);
        self.index.save();
        let identity = content.identity;
        Ok(Added { path, file, md5: identity.md5, size_bytes: identity.size_bytes, files: identity.files, changed })
    }

    /// Puts the source at `path`; gives what is known of it.
    fn bring_in(&self, url: &str, path: &str, progress: &dyn Progress) -> Result<Entry, DataError> {
        let to = self.root.join(path);
        let temporary = crate::atomic::temporary_beside(&to);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
        }
        let result = if url.contains("://") && !url.starts_with("file://") {
            let etag = self.download(url, &temporary, progress)?;
            Ok(Entry { path: url.to_owned(), kind: HashKind::Md5, etag: Some(etag), cache: true, push: true, ..Entry::default() })
        } else {
            let from = self.cwd.join(url.trim_start_matches("file://"));
            copy_all(&from, &temporary)?;
            // A source in the repository is named from the `.dvc` file, so that the repository can move.
            let shown = from.strip_prefix(&self.root).ok().and_then(Path::to_str).map(|inner| from_folder(path, inner));
            let shown = shown.unwrap_or_else(|| from.display().to_string());
            Ok(Entry { path: shown, kind: HashKind::Md5, cache: true, push: true, ..Entry::default() })
        };
        let replaced = crate::atomic::remove(&to).and_then(|()| std::fs::rename(&temporary, &to));
        replaced.map_err(DataError::io("write", &to))?;
        result
    }
}

/// The `.dvc` file of an import: frozen, with its source and the digest over both.
fn imported(dep: &Entry, out: &Entry) -> DvcFile {
    let mut file = DvcFile::default();
    file.record("deps", dep);
    file.record("outs", out);
    let md5 = digest_of(&file);
    let mut whole = DvcFile::default();
    whole.set("md5", json!(md5));
    whole.set("frozen", json!(true));
    whole.record("deps", dep);
    whole.record("outs", out);
    whole
}

/// The digest that a `.dvc` file with a source has of itself.
pub(super) fn digest_of(file: &DvcFile) -> String {
    let mut values = file.values().clone();
    values.shift_remove("md5");
    md5_of(json_dumps(&Value::Object(values), &NOT_COUNTED).as_bytes())
}

/// `inner` of the repository, seen from the folder of `path`.
fn from_folder(path: &str, inner: &str) -> String {
    let depth = path.matches('/').count();
    let folder: Vec<&str> = path.split('/').take(depth).collect();
    let parts: Vec<&str> = inner.split('/').collect();
    let same = folder.iter().zip(&parts).take_while(|(a, b)| a == b).count();
    std::iter::repeat_n("..", depth - same).chain(parts.iter().skip(same).copied()).collect::<Vec<_>>().join("/")
}

fn copy_all(from: &Path, to: &Path) -> Result<(), DataError> {
    let meta = std::fs::metadata(from).map_err(DataError::io("read", from))?;
    if meta.is_file() {
        return crate::atomic::clone_file(from, to).map_err(DataError::io("copy", from));
    }
    std::fs::create_dir_all(to).map_err(DataError::io("create", to))?;
    for entry in std::fs::read_dir(from).map_err(DataError::io("list", from))? {
        let entry = entry.map_err(DataError::io("list", from))?;
        let kind = entry.file_type().map_err(DataError::io("look at", &entry.path()))?;
        // Links to directories are not followed, here as elsewhere.
        if kind.is_symlink() && entry.path().is_dir() {
            continue;
        }
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Entry, from_folder, imported};

    #[test]
    fn the_digest_over_source_and_output_is_that_of_dvc() {
        // As DVC 3.67.1 wrote it.
        let entry = |path: &str, md5: Option<&str>, etag: Option<&str>| Entry {
            path: path.to_owned(),
            md5: md5.map(str::to_owned),
            etag: etag.map(str::to_owned),
            size_bytes: Some(6),
            cache: true,
            push: true,
            ..Entry::default()
        };
        let md5 = Some("b1946ac92492d2347c6235b4d2611184");
        let text = imported(&entry("/tmp/imp-src/f.txt", md5, None), &entry("b.txt", md5, None)).render();
        assert!(text.starts_with("md5: f73a4381fe0be75bfb7de589045d3661\nfrozen: true\ndeps:\n"), "{text}");
        let etag = Some("325761608390103619996545584362556814313");
        let text = imported(&entry("http://127.0.0.1:8765/f.txt", None, etag), &entry("a.txt", md5, None)).render();
        assert!(text.starts_with("md5: cd62d35e670638278339f5cfd1553c36\n"), "{text}");
        assert!(text.contains("- checksum: '325761608390103619996545584362556814313'\n  size: 6\n  hash: md5\n  path: http"), "{text}");
    }

    #[test]
    fn sources_in_the_repository_are_named_from_the_file() {
        assert_eq!(from_folder("a/b/x", "a/c/y"), "../c/y");
        assert_eq!(from_folder("x", "a/y"), "a/y");
    }
}
