//! All that DVC's files name, in the workspace or in a revision: stages and `.dvc` files with their outputs.

use super::error::DataError;
use super::git::Git;
use super::ignore::Rules;
use super::repo::Repo;
use crate::workspace::{PIPELINE_FILE, STATE_DIRECTORY, options};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use tidegate_core::pipeline::{OutKind, PlotSpec, Recorded, StageSpec};
use tidegate_wire::dvc::tracked::{DvcFile, Entry, HashKind, lock_outputs};
use tidegate_wire::dvc::{LockFile, Options, parse_pipeline};

/// Deepest folder in which DVC's files are looked for.
const DEPTH_MAX: usize = 64;
/// Files of DVC in a repository.
const FILES_MAX: usize = 200_000;

/// An output, wherever it is declared.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Path from the repository; `entry` has the same path.
    pub(crate) path: String,
    pub(crate) entry: Entry,
    pub(crate) kind: OutKind,
    /// The stage, by its place in [`View::stages`].
    pub(crate) stage: usize,
}

/// A stage of a pipeline, or a `.dvc` file.
#[derive(Clone, Debug)]
pub(crate) struct StageView {
    /// The file, from the repository.
    pub(crate) file: String,
    /// How DVC names it: `train`, `sub/dvc.yaml:train`, `raw.dvc`.
    pub(crate) address: String,
    /// The folder of the file, with a slash at its end unless empty.
    pub(crate) folder: String,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Stage { spec: Box<StageSpec>, recorded: Option<Box<Recorded>> },
    Dvc(Box<DvcFile>),
}

impl StageView {
    /// A path as the stage writes it, seen from the repository.
    pub(crate) fn at_root(&self, path: &str) -> String {
        match &self.body {
            Body::Stage { spec, .. } => joined(&self.folder, &spec.from_workspace(path)),
            Body::Dvc(file) => joined(&joined_folder(&self.folder, file.wdir()), path),
        }
    }

    /// The `.dvc` file that it is.
    pub(crate) fn dvc(&self) -> Option<&DvcFile> {
        match &self.body {
            Body::Dvc(file) => Some(file),
            Body::Stage { .. } => None,
        }
    }

    /// Whether it is a `.dvc` file.
    pub(crate) fn tracks(&self) -> bool {
        self.dvc().is_some()
    }

    /// The entry of an output as the `.dvc` file has it, its path seen from there.
    pub(crate) fn written(&self, path: &str) -> Option<Entry> {
        self.dvc()?.outs().into_iter().find(|entry| self.at_root(&entry.path) == path)
    }

    /// What it reads, seen from the repository.
    pub(crate) fn deps(&self) -> Vec<String> {
        match &self.body {
            Body::Stage { spec, .. } => spec.deps.iter().map(|d| self.at_root(d)).collect(),
            Body::Dvc(file) => file.deps().iter().filter(|d| !d.path.contains("://")).map(|d| self.at_root(&d.path)).collect(),
        }
    }
}

/// Everything that DVC's files name.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) stages: Vec<StageView>,
    pub(crate) items: Vec<Item>,
    /// Files of metrics and of plots declared beside the stages, from the repository.
    pub(crate) metrics: Vec<String>,
    pub(crate) plots: Vec<String>,
    /// How mappings become options of commands, from the configuration.
    options: Options,
}

/// What a view is read from.
pub(crate) enum Source<'a> {
    Workspace(&'a Path),
    Revision { git: &'a mut Git, commit: &'a str },
}

impl Source<'_> {
    pub(crate) fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, DataError> {
        match self {
            Source::Workspace(root) => match std::fs::read(root.join(path)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(DataError::io("read", &root.join(path))(error)),
            },
            Source::Revision { git, commit } => git.read(commit, path),
        }
    }

    pub(crate) fn text(&mut self, path: &str) -> Result<Option<String>, DataError> {
        let bytes = self.read(path)?;
        bytes.map(|b| String::from_utf8(b).map_err(|_| DataError::Config(format!("{path} is not UTF-8")))).transpose()
    }
}

impl Repo {
    /// What the workspace's files name.
    pub(crate) fn view(&self) -> Result<View, DataError> {
        let mut view = View { options: options(&self.config), ..View::default() };
        let mut rules = Rules::above(&self.root)?;
        let mut seen = Vec::new();
        self.look_for_files(&mut view, &mut rules, "", 0, &mut HashSet::new(), &mut seen)?;
        Ok(view)
    }

    /// What the files of a revision name.
    pub(crate) fn view_at(&self, git: &mut Git, commit: &str) -> Result<View, DataError> {
        let mut view = View { options: options(&self.config), ..View::default() };
        let files = git.files(commit)?;
        let mut source = Source::Revision { git, commit };
        for file in files.iter().filter(|f| is_dvc_file(name_of(f))) {
            view.read(&mut source, file)?;
        }
        Ok(view)
    }

    /// Folders that hold data are not looked into: those that files nearer to the root name.
    fn look_for_files(
        &self,
        view: &mut View,
        rules: &mut Rules,
        folder: &str,
        depth: usize,
        data: &mut HashSet<String>,
        seen: &mut Vec<String>,
    ) -> Result<(), DataError> {
        let directory = self.root.join(folder);
        if depth > DEPTH_MAX || seen.len() > FILES_MAX {
            return Err(DataError::Refused(format!("look for .dvc files in {}: too deep or too many", directory.display())));
        }
        if depth > 0 {
            rules.read(&directory, folder)?;
        }
        let entries = std::fs::read_dir(&directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(DataError::io("list", &directory))?;
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in entries {
            // What has no UTF-8 name has no .dvc file either.
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(name),
                Ok(_) if is_dvc_file(&name) && !rules.ignored(folder, &name, false) => files.push(name),
                _ => {}
            }
        }
        files.sort_unstable();
        folders.sort_unstable();
        for file in files {
            let path = format!("{folder}{file}");
            let before = view.items.len();
            view.read(&mut Source::Workspace(&self.root), &path)?;
            data.extend(view.items[before..].iter().map(|item| item.path.clone()));
            seen.push(path);
        }
        for name in folders {
            let path = format!("{folder}{name}");
            let skipped = name == STATE_DIRECTORY || data.contains(&path) || rules.ignored(folder, &name, true);
            if !skipped && !self.root.join(&path).join(".dvc").is_dir() {
                self.look_for_files(view, rules, &format!("{path}/"), depth + 1, data, seen)?;
            }
        }
        Ok(())
    }
}

impl View {
    /// Reads one file of DVC.
    fn read(&mut self, source: &mut Source<'_>, file: &str) -> Result<(), DataError> {
        let Some(text) = source.text(file)? else { return Ok(()) };
        let folder = file.strip_suffix(name_of(file)).unwrap_or("").to_owned();
        if name_of(file) == PIPELINE_FILE {
            return self.read_pipeline(source, file, &folder, &text);
        }
        let parsed = DvcFile::parse(file, &text)?;
        let stage = StageView { file: file.to_owned(), address: file.to_owned(), folder, body: Body::Dvc(Box::new(parsed.clone())) };
        for entry in parsed.outs() {
            let path = stage.at_root(&entry.path);
            let entry = Entry { path: path.clone(), ..entry };
            self.items.push(Item { path, entry, kind: OutKind::Out, stage: self.stages.len() });
        }
        self.stages.push(stage);
        Ok(())
    }

    fn read_pipeline(&mut self, source: &mut Source<'_>, file: &str, folder: &str, text: &str) -> Result<(), DataError> {
        let mut read = |relative: &str| source.text(&joined(folder, relative)).map_err(|e| e.to_string());
        let parsed = parse_pipeline(file, text, self.options, &mut read)?;
        let lock_name = format!("{folder}dvc.lock");
        let lock_text = source.text(&lock_name)?.unwrap_or_default();
        let lock = LockFile::parse(&lock_name, &lock_text)?;
        let outputs: BTreeMap<String, Vec<Entry>> = lock_outputs(&lock_name, &lock_text)?.into_iter().collect();
        for spec in parsed.stages {
            let address = if folder.is_empty() { spec.name.clone() } else { format!("{file}:{}", spec.name) };
            let recorded = lock.get(&spec.name).map(Box::new);
            let known = outputs.get(&spec.name).map_or(&[][..], Vec::as_slice);
            for out in &spec.outs {
                let entry = known.iter().find(|e| e.path == out.path).cloned();
                let fresh = Entry { kind: HashKind::Md5, push: true, ..Entry::default() };
                let path = joined(folder, &spec.from_workspace(&out.path));
                let entry = Entry { path: path.clone(), cache: out.cache, ..entry.unwrap_or(fresh) };
                self.items.push(Item { path, entry, kind: out.kind, stage: self.stages.len() });
            }
            let body = Body::Stage { spec: Box::new(spec), recorded };
            self.stages.push(StageView { file: file.to_owned(), address, folder: folder.to_owned(), body });
        }
        self.metrics.extend(parsed.metrics.iter().map(|path| joined(folder, path)));
        self.plots.extend(parsed.plots.iter().flat_map(PlotSpec::sources).map(|path| joined(folder, &path)));
        Ok(())
    }

    pub(crate) fn stage_of(&self, item: &Item) -> Option<&StageView> {
        self.stages.get(item.stage)
    }

    pub(crate) fn items_of<'a>(&'a self, stage: &'a StageView) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(|item| self.stage_of(item).is_some_and(|other| other.address == stage.address))
    }

    /// The items that targets name, each with the part of it that is meant (empty: all of it); all when none is named.
    pub(crate) fn select(&self, repo: &Repo, targets: &[String], options: Select) -> Result<Vec<(&Item, String)>, DataError> {
        if targets.is_empty() {
            return Ok(self.items.iter().map(|item| (item, String::new())).collect());
        }
        let mut chosen: Vec<(usize, String)> = Vec::new();
        for target in targets {
            let found = self.named(repo, target, options.recursive)?;
            if found.is_empty() {
                let message = format!("'{target}' is neither a tracked path, nor a .dvc file, nor a stage: see `tidegate data status`");
                return Err(DataError::NotFound(message));
            }
            chosen.extend(found);
        }
        if options.with_deps {
            self.add_upstream(&mut chosen);
        }
        let mut seen = HashSet::new();
        chosen.retain(|found| seen.insert(found.clone()));
        Ok(chosen.into_iter().filter_map(|(i, inner)| Some((self.items.get(i)?, inner))).collect())
    }

    fn named(&self, repo: &Repo, target: &str, recursive: bool) -> Result<Vec<(usize, String)>, DataError> {
        let whole = |test: &dyn Fn(&Item) -> bool| -> Vec<(usize, String)> {
            self.items.iter().enumerate().filter(|(_, item)| test(item)).map(|(i, _)| (i, String::new())).collect()
        };
        let by_stage = |name: &str| whole(&|item| self.stage_of(item).is_some_and(|s| answers_to(&s.address, name)));
        let found = by_stage(target);
        if !found.is_empty() {
            return Ok(found);
        }
        if let Some((file, stage)) = target.rsplit_once(':') {
            let file = repo.inside(file)?;
            let address = if file == PIPELINE_FILE { stage.to_owned() } else { format!("{file}:{stage}") };
            let found = by_stage(&address);
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let path = repo.inside(target)?;
        let of_file = whole(&|item| self.stage_of(item).is_some_and(|s| s.file == path));
        if !of_file.is_empty() {
            return Ok(of_file);
        }
        let exact = whole(&|item| item.path == path);
        if !exact.is_empty() {
            return Ok(exact);
        }
        let inner = self.items.iter().enumerate().filter_map(|(i, item)| {
            let rest = path.strip_prefix(&item.path)?.strip_prefix('/')?;
            item.entry.md5.as_ref()?.ends_with(".dir").then(|| (i, rest.to_owned()))
        });
        let inner: Vec<_> = inner.collect();
        if !inner.is_empty() || !recursive {
            return Ok(inner);
        }
        let below = format!("{path}/");
        Ok(whole(&|item| path.is_empty() || item.path.starts_with(&below)))
    }

    fn add_upstream(&self, chosen: &mut Vec<(usize, String)>) {
        let mut next = 0;
        while let Some((item, _)) = chosen.get(next).and_then(|(i, inner)| Some((self.items.get(*i)?, inner))) {
            next += 1;
            let deps = self.stage_of(item).map(StageView::deps).unwrap_or_default();
            let found: Vec<usize> = (0..self.items.len())
                .filter(|&i| self.items.get(i).is_some_and(|other| deps.iter().any(|dep| overlap(dep, &other.path))))
                .filter(|i| !chosen.iter().any(|(have, _)| have == i))
                .collect();
            chosen.extend(found.into_iter().map(|i| (i, String::new())));
        }
    }
}

/// How targets are understood.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Select {
    /// A folder means all that is tracked below it.
    pub(crate) recursive: bool,
    /// What a stage needs is meant too.
    pub(crate) with_deps: bool,
}

/// Whether one of two paths is the other, or lies in it.
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    inside(a, b) || inside(b, a)
}

/// `group` names all of `group@..`.
fn answers_to(address: &str, name: &str) -> bool {
    address == name || address.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'))
}

fn is_dvc_file(name: &str) -> bool {
    name == PIPELINE_FILE || (name.ends_with(".dvc") && name.len() > 4)
}

pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `path` as seen from `folder`, `.` and `..` taken out.
pub(crate) fn joined(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

fn joined_folder(folder: &str, inner: &str) -> String {
    let path = joined(folder, inner);
    if path.is_empty() { path } else { format!("{path}/") }
}

#[cfg(test)]
mod tests {
    use super::{answers_to, joined, overlap};

    #[test]
    fn paths_are_put_together_and_compared_by_parts() {
        assert_eq!(joined("a/b/", "../c/./d"), "a/c/d");
        assert_eq!(joined("", "a"), "a");
        assert_eq!(joined("a/", "../../x"), "../x");
        assert!(overlap("a/b", "a"));
        assert!(!overlap("a/bc", "a/b"));
        assert!(answers_to("g@1", "g") && !answers_to("gg", "g"));
    }
}
