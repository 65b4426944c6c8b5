//! The slow computation: one question to git for each commit and file, and nothing of the crate but its types.

use crate::world::git_in;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tidegate_history::Settings;

type Bytes = Vec<u8>;

#[derive(Clone, Debug)]
pub struct File {
    pub path: Bytes,
    pub from: Option<Bytes>,
    pub status: u8,
    pub added: u32,
    pub deleted: u32,
    pub binary: bool,
}

#[derive(Clone, Debug)]
pub struct Commit {
    pub id: String,
    pub parents: Vec<String>,
    pub at_s: i64,
    pub hour: f64,
    pub weekday: f64,
    pub author: String,
    pub message: Bytes,
    pub files: Vec<File>,
    pub fix: bool,
    /// Reviewers other than the author, and those who wrote it, too; none where no trailer tells of any.
    pub reviewers: Option<usize>,
    pub coauthors: Option<usize>,
}

pub struct Oracle {
    root: PathBuf,
    settings: Settings,
    pub commits: Vec<Commit>,
    by_id: HashMap<String, usize>,
    /// Fix, change, path.
    pub links: BTreeSet<(String, String, Bytes)>,
}

fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Oracle {
    pub fn new(root: &Path, settings: &Settings, fix: &dyn Fn(&[u8]) -> bool) -> Oracle {
        let mut oracle = Oracle {
            root: root.to_owned(),
            settings: settings.clone(),
            commits: Vec::new(),
            by_id: HashMap::new(),
            links: BTreeSet::new(),
        };
        for id in text(&oracle.git(&["rev-list", "--reverse", "--topo-order", "HEAD"])).lines() {
            let commit = oracle.commit(id, fix);
            oracle.by_id.insert(id.to_owned(), oracle.commits.len());
            oracle.commits.push(commit);
        }
        for commit in oracle.commits.clone() {
            oracle.trace(&commit);
        }
        oracle
    }

    fn git(&self, arguments: &[&str]) -> Bytes {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        git_in(&self.root, &arguments, 0, "ann")
    }

    fn git_on(&self, arguments: &[&str], paths: &[&[u8]]) -> Bytes {
        let mut all: Vec<&OsStr> = vec![OsStr::new("--literal-pathspecs")];
        all.extend(arguments.iter().map(OsStr::new));
        all.push(OsStr::new("--"));
        all.extend(paths.iter().map(|path| OsStr::from_bytes(path)));
        git_in(&self.root, &all, 0, "ann")
    }

    fn commit(&self, id: &str, fix: &dyn Fn(&[u8]) -> bool) -> Commit {
        let head = text(&self.git(&["show", "-s", "--format=%P%n%ct%n%ae%n%ad", "--date=format:%H %u", id]));
        let mut head = head.lines();
        let parents: Vec<String> = head.next().unwrap().split_whitespace().map(str::to_owned).collect();
        let at_s = head.next().unwrap().parse().unwrap();
        let author = head.next().unwrap().to_owned();
        let (hour, weekday) = head.next().unwrap().split_once(' ').unwrap();
        let mut message = self.git(&["show", "-s", "--format=%B", id]);
        // `show` ends what it shows with a line of its own.
        message.pop();
        let files = if parents.len() > 1 { Vec::new() } else { self.files(id) };
        let fix = parents.len() < 2 && fix(&message);
        let (hour, weekday) = (hour.parse().unwrap(), weekday.parse::<f64>().unwrap() - 1.0);
        let [reviewers, coauthors] = self.people(id, &author);
        Commit { id: id.to_owned(), parents, at_s, hour, weekday, author, message, files, fix, reviewers, coauthors }
    }

    /// What git itself takes for trailers.
    fn people(&self, id: &str, author: &str) -> [Option<usize>; 2] {
        let said = text(&self.git(&["show", "-s", "--format=%(trailers:only,unfold)", id])).to_lowercase();
        let of = |keys: &[&str]| {
            let told: Vec<(&str, &str)> = said.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.trim(), v.trim())).collect();
            let told: Vec<&(&str, &str)> = told.iter().filter(|(key, _)| keys.contains(key)).collect();
            let named = told.iter().filter(|(key, value)| *key != "reviewed-on" && !value.is_empty());
            let who = named.map(|(_, value)| value.rsplit_once('<').map_or(*value, |(_, address)| address.split('>').next().unwrap()));
            let others = who.filter(|who| *who != author.to_lowercase()).collect::<BTreeSet<_>>();
            (!told.is_empty()).then_some(others.len())
        };
        [of(&["reviewed-by", "acked-by", "reviewed-on"]), of(&["co-authored-by"])]
    }

    fn files(&self, id: &str) -> Vec<File> {
        let base = ["diff-tree", "--root", "--no-commit-id", "-r", "-M", "-l400", "-z"];
        let status = self.git(&[&base[..], &["--name-status", id]].concat());
        let mut fields = status.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        let mut files = Vec::new();
        while let Some(status) = fields.next() {
            let first = fields.next().unwrap().to_vec();
            let second = (status[0] == b'R').then(|| fields.next().unwrap().to_vec());
            let (path, from) = second.map_or((first.clone(), None), |second| (second, Some(first)));
            files.push(File { path, from, status: status[0], added: 0, deleted: 0, binary: false });
        }
        let numbers = self.git(&[&base[..], &["--numstat", id]].concat());
        let mut fields = numbers.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        while let Some(head) = fields.next() {
            let parts: Vec<&[u8]> = head.splitn(3, |byte| *byte == b'\t').collect();
            let path = if parts[2].is_empty() {
                fields.next().unwrap();
                fields.next().unwrap()
            } else {
                parts[2]
            };
            let file = files.iter_mut().find(|file| file.path == path).unwrap();
            file.binary = parts[0] == b"-";
            file.added = text(parts[0]).parse().unwrap_or(0);
            file.deleted = text(parts[1]).parse().unwrap_or(0);
        }
        files
    }

    /// Lines that a commit takes from a file, as numbers from 0, with their text.
    fn deleted(&self, commit: &Commit, file: &File, spaces: bool) -> Vec<(usize, Bytes)> {
        let Some(parent) = commit.parents.first() else { return Vec::new() };
        let old = file.from.as_ref().unwrap_or(&file.path);
        let mut arguments = vec!["diff-tree", "-r", "-M", "-l400", "-p", "-U0", "--no-ext-diff"];
        arguments.extend(spaces.then_some("-w"));
        arguments.extend([parent.as_str(), commit.id.as_str()]);
        let patch = self.git_on(&arguments, &[old, &file.path]);
        let (mut found, mut at, mut left) = (Vec::new(), 0, (0, 0));
        for line in lines_of(&patch) {
            if left == (0, 0) {
                if let Some(head) = line.strip_prefix(b"@@ -") {
                    let head = text(head);
                    let mut words = head.split(' ');
                    let range = |word: &str| {
                        word.split_once(',').map_or_else(|| (word.parse().unwrap(), 1), |(a, b)| (a.parse().unwrap(), b.parse().unwrap()))
                    };
                    let old: (usize, usize) = range(words.next().unwrap());
                    let new: (usize, usize) = range(&words.next().unwrap()[1..]);
                    (at, left) = (old.0.saturating_sub(1), (old.1, new.1));
                }
            } else if line[0] == b'-' {
                found.push((at, line[1..].to_vec()));
                (at, left.0) = (at + 1, left.0 - 1);
            } else if line[0] == b'+' {
                left.1 -= 1;
            }
        }
        found
    }

    /// Who wrote the lines of a file as of the parent of a commit.
    fn blame(&self, commit: &Commit, file: &File) -> Vec<String> {
        let old = file.from.as_ref().unwrap_or(&file.path);
        let mut arguments = vec!["blame", "-l", "-s"];
        arguments.extend(self.settings.follow_spaces.then_some("-w"));
        arguments.push(&commit.parents[0]);
        let said = self.git_on(&arguments, &[old]);
        lines_of(&said).iter().map(|line| text(&line[..line.iter().position(|byte| *byte == b' ').unwrap()])).collect::<Vec<_>>()
    }

    /// `^` before an id says that the history begins there.
    fn writer(&self, told: &str) -> String {
        let told = told.trim_start_matches('^');
        self.by_id.keys().find(|id| id.starts_with(told)).unwrap().clone()
    }

    fn trace(&mut self, fix: &Commit) {
        let lines: u32 = fix.files.iter().map(|file| file.added + file.deleted).sum();
        if !fix.fix || fix.files.len() > self.settings.fix_files_max as usize || lines > self.settings.fix_lines_max {
            return;
        }
        for file in &fix.files {
            let path = text(&file.path);
            let prose = [".md", ".txt", ".lock"].iter().any(|end| path.ends_with(end));
            if prose || is_test(&file.path) {
                continue;
            }
            let comments: &[&str] = match path.rsplit('.').next().unwrap() {
                "py" | "sh" | "toml" | "yaml" | "yml" | "conf" => &["#"],
                "rs" | "js" | "css" | "proto" | "go" => &["//", "/*", "*/", "* "],
                "sql" => &["--"],
                "html" | "svg" => &["<!--", "-->"],
                "ini" => &[";"],
                _ if path.ends_with("Makefile") || path.ends_with("Dockerfile") => &["#"],
                _ => &[],
            };
            let deleted = self.deleted(fix, file, self.settings.follow_spaces);
            if deleted.is_empty() || file.binary {
                continue;
            }
            let blame = self.blame(fix, file);
            for (line, content) in deleted {
                let content = content.trim_ascii();
                if content.is_empty() || content == b"*" || comments.iter().any(|mark| content.starts_with(mark.as_bytes())) {
                    continue;
                }
                let writer = self.writer(&blame[line]);
                let of = &self.commits[self.by_id[&writer]];
                let lines: u32 = of.files.iter().map(|file| file.added + file.deleted).sum();
                let mass = of.files.len() > self.settings.mass_files_max as usize || lines > self.settings.mass_lines_max;
                if of.parents.len() < 2 && !mass && of.at_s <= fix.at_s {
                    self.links.insert((fix.id.clone(), writer, file.path.clone()));
                }
            }
        }
    }

    fn ancestors(&self, commit: &Commit) -> BTreeSet<String> {
        if commit.parents.is_empty() {
            return BTreeSet::new();
        }
        let mut arguments = vec!["rev-list", "--no-merges"];
        arguments.extend(commit.parents.iter().map(String::as_str));
        text(&self.git(&arguments)).lines().map(str::to_owned).collect()
    }

    /// The paths that a file had, by renames among the ancestors.
    fn names(&self, file: &File, ancestors: &BTreeSet<String>) -> Vec<Bytes> {
        let mut names: Vec<Bytes> = std::iter::once(&file.path).chain(&file.from).cloned().collect();
        loop {
            let before = names.len();
            for id in ancestors {
                for other in &self.commits[self.by_id[id]].files {
                    if let Some(from) = other.from.as_ref().filter(|from| names.contains(&other.path) && !names.contains(from)) {
                        names.push(from.clone());
                    }
                }
            }
            if names.len() == before {
                return names;
            }
        }
    }

    fn size_of(&self, parent: Option<&String>, path: &[u8]) -> f64 {
        let Some(parent) = parent else { return 0.0 };
        let listed = self.git_on(&["ls-tree", parent], &[path]);
        if listed.is_empty() || listed.starts_with(b"040000") {
            return 0.0;
        }
        if listed.starts_with(b"160000") {
            return 1.0;
        }
        // Of what became text out of a binary, git shows no lines before somebody changes some: it has none that are known.
        let last = text(&self.git_on(&["log", "-1", "--no-merges", "--format=%H", parent], &[path]));
        // A file that a merge alone made has none.
        let last = self.by_id.get(last.trim()).map(|at| &self.commits[*at]);
        if last.is_some_and(|last| last.files.iter().any(|file| file.path == path && file.binary)) {
            return 0.0;
        }
        let mut name = OsString::from(format!("{parent}:"));
        name.push(OsString::from_vec(path.to_vec()));
        let content = git_in(&self.root, &[OsStr::new("cat-file"), OsStr::new("blob"), &name], 0, "ann");
        if content.iter().take(8_000).any(|byte| *byte == 0) { 0.0 } else { lines_of(&content).len() as f64 }
    }

    /// Everything that is measured, by name.
    pub fn features(&self, commit: &Commit) -> BTreeMap<&'static str, f64> {
        let ancestors = self.ancestors(commit);
        let (folder, system) = (folder as fn(&[u8]) -> Bytes, system as fn(&[u8]) -> Bytes);
        let paths: Vec<&Bytes> = commit.files.iter().map(|file| &file.path).collect();
        let lines = |file: &File| f64::from(file.added + file.deleted);
        let (nf, all): (f64, f64) = (paths.len() as f64, commit.files.iter().map(lines).sum());
        let mut values = BTreeMap::new();
        let mut put = |name, value: f64| values.insert(name, if value.is_nan() { 0.0 } else { value });
        put("ns", set(paths.iter().map(|path| system(path))));
        put("nd", set(paths.iter().map(|path| folder(path))));
        put("nf", nf);
        put("la", commit.files.iter().map(|file| f64::from(file.added)).sum());
        put("ld", commit.files.iter().map(|file| f64::from(file.deleted)).sum());
        let shares = commit.files.iter().map(lines).filter(|lines| *lines > 0.0).map(|lines| lines / all);
        put("entropy", shares.map(|share| -share * share.log2()).sum::<f64>().abs());
        let sizes: f64 =
            commit.files.iter().map(|file| self.size_of(commit.parents.first(), file.from.as_ref().unwrap_or(&file.path))).sum();
        put("lt", sizes / nf);
        put("churn", all / (sizes + 1.0));
        put("fix", f64::from(u8::from(commit.fix)));
        put("hour", commit.hour);
        put("weekday", commit.weekday);
        put("message_bytes", commit.message.len() as f64);
        values.extend(self.of_files(commit, &ancestors));
        values.extend(self.of_author_and_folders(commit, &ancestors));
        values.extend(self.of_locks(commit));
        let before = |said: fn(&Commit) -> bool| ancestors.iter().any(|id| said(&self.commits[self.by_id[id]]));
        let count = |said: Option<usize>, before: bool| said.or(before.then_some(0)).map_or(f64::NAN, |count| count as f64);
        values.insert("reviewers", count(commit.reviewers, before(|other| other.reviewers.is_some())));
        values.insert("coauthors", count(commit.coauthors, before(|other| other.coauthors.is_some())));
        let mut put = |name, value: f64| values.insert(name, if f64::is_nan(value) { 0.0 } else { value });
        put("new_files", commit.files.iter().filter(|file| file.status == b'A').count() as f64);
        put("deleted_files", commit.files.iter().filter(|file| file.status == b'D').count() as f64);
        put("renamed_files", commit.files.iter().filter(|file| file.status == b'R').count() as f64);
        let tests = || commit.files.iter().filter(|file| is_test(&file.path));
        put("test_files", tests().count() as f64 / nf);
        put("test_lines", tests().map(lines).sum::<f64>() / all);
        put("binary_files", commit.files.iter().filter(|file| file.binary).count() as f64);
        values
    }

    fn of_files(&self, commit: &Commit, ancestors: &BTreeSet<String>) -> BTreeMap<&'static str, f64> {
        let at = |id: &String| &self.commits[self.by_id[id]];
        let days = |then_s: i64| (commit.at_s - then_s).max(0) as f64 / 86_400.0;
        let mut values = BTreeMap::new();
        let mut put = |name, value: f64| values.insert(name, if value.is_nan() { 0.0 } else { value });
        let (mut touching, mut last, mut ages, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new(), BTreeSet::new());
        for file in &commit.files {
            let names = self.names(file, ancestors);
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            let mut arguments = vec!["log", "--full-history", "--no-merges", "--format=%H"];
            arguments.extend(commit.parents.iter().map(String::as_str));
            let history = if commit.parents.is_empty() { Bytes::new() } else { self.git_on(&arguments, &names) };
            // What git is given as a path may be a folder's at another time.
            let of_file = |id: &&str| {
                let mut all = self.commits[self.by_id[*id]].files.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.from));
                all.any(|path| names.contains(&path.as_slice()))
            };
            let history: BTreeSet<String> = text(&history).lines().filter(of_file).map(str::to_owned).collect();
            if let Some(newest) = history.iter().max_by_key(|id| (at(id).at_s, self.by_id[*id])) {
                ages.push(days(at(newest).at_s));
                last.insert(newest.clone());
            }
            let of_these = self.links.iter().filter(|(by, _, path)| ancestors.contains(by) && names.contains(&path.as_slice()));
            faults.extend(of_these.map(|(_, of, _)| of.clone()));
            touching.extend(history);
        }
        let mut authors: BTreeMap<&str, f64> = BTreeMap::new();
        touching.iter().for_each(|id| *authors.entry(&at(id).author).or_default() += 1.0);
        let count = touching.len() as f64;
        put("ndev", authors.len() as f64);
        put("nuc", count);
        put("age", ages.iter().sum::<f64>() / ages.len() as f64);
        put("last_changes", last.len() as f64);
        put("own_share", authors.get(commit.author.as_str()).copied().unwrap_or(0.0) / count);
        put("top_share", authors.values().copied().fold(0.0, f64::max) / count);
        put("minor", authors.values().filter(|own| **own / count < 0.05).count() as f64);
        put("major", authors.values().filter(|own| **own / count >= 0.05).count() as f64);
        let own = touching.iter().filter(|id| at(id).author == commit.author).map(|id| at(id).at_s).max();
        put("own_recency", own.map_or(0.0, |last_s| 1.0 / (1.0 + days(last_s))));
        put("file_fixes", touching.iter().filter(|id| at(id).fix).count() as f64);
        put("file_faults", faults.len() as f64);
        values
    }

    fn of_author_and_folders(&self, commit: &Commit, ancestors: &BTreeSet<String>) -> BTreeMap<&'static str, f64> {
        let at = |id: &String| &self.commits[self.by_id[id]];
        let days = |then_s: i64| (commit.at_s - then_s).max(0) as f64 / 86_400.0;
        let (folder, system) = (folder as fn(&[u8]) -> Bytes, system as fn(&[u8]) -> Bytes);
        let mut values = BTreeMap::new();
        let mut put = |name, value: f64| values.insert(name, if value.is_nan() { 0.0 } else { value });
        let mine: Vec<&Commit> = ancestors.iter().map(at).filter(|other| other.author == commit.author).collect();
        put("exp", mine.len() as f64);
        put("rexp", mine.iter().map(|other| 1.0 / (1.0 + (days(other.at_s) / 365.0).floor())).sum());
        let in_any = |other: &Commit, of: fn(&[u8]) -> Bytes, with_old: bool| {
            let all = |files: &[File], old: bool| -> BTreeSet<Bytes> {
                files
                    .iter()
                    .flat_map(|file| std::iter::once(&file.path).chain(file.from.as_ref().filter(|_| old)))
                    .map(|path| of(path))
                    .collect()
            };
            !all(&other.files, true).is_disjoint(&all(&commit.files, with_old))
        };
        put("sexp", mine.iter().filter(|other| in_any(other, system, true)).count() as f64);
        let in_folders: Vec<&Commit> = ancestors.iter().map(at).filter(|other| in_any(other, folder, false)).collect();
        put("folder_changes", in_folders.len() as f64);
        put("folder_fixes", in_folders.iter().filter(|other| other.fix).count() as f64);
        values
    }

    fn of_locks(&self, commit: &Commit) -> BTreeMap<&'static str, f64> {
        let at = |id: &String| &self.commits[self.by_id[id]];
        let days = |then_s: i64| (commit.at_s - then_s).max(0) as f64 / 86_400.0;
        let lines = |file: &File| f64::from(file.added + file.deleted);
        let mut values = BTreeMap::new();
        let mut put = |name, value: f64| values.insert(name, if value.is_nan() { 0.0 } else { value });
        let locks: Vec<&File> = commit.files.iter().filter(|file| file.path.ends_with(b"Cargo.lock")).collect();
        put("lock_lines", locks.iter().map(|file| lines(file)).sum());
        let mut lock_ages = Vec::new();
        for file in locks.iter().filter(|file| file.deleted > 0) {
            let blame = self.blame(commit, file);
            let gone = self.deleted(commit, file, false);
            lock_ages.extend(gone.iter().map(|(line, _)| days(at(&self.writer(&blame[*line])).at_s)));
        }
        put("lock_age", lock_ages.iter().sum::<f64>() / lock_ages.len() as f64);
        values
    }
}

fn set(parts: impl Iterator<Item = Bytes>) -> f64 {
    parts.collect::<BTreeSet<_>>().len() as f64
}

fn folder(path: &[u8]) -> Bytes {
    Path::new(OsStr::from_bytes(path)).parent().unwrap().as_os_str().as_bytes().to_vec()
}

fn system(path: &[u8]) -> Bytes {
    let first = path.split(|byte| *byte == b'/').next().unwrap();
    if first.len() == path.len() { Bytes::new() } else { first.to_vec() }
}

/// By its folder or its name.
fn is_test(path: &[u8]) -> bool {
    let path = text(path);
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let folders = format!("/{}/", folders.to_lowercase());
    let stem = name.split('.').next().unwrap();
    let known = ["test", "tests", "testing", "spec", "specs", "__tests__", "e2e", "testdata"];
    known.iter().any(|folder| folders.contains(&format!("/{folder}/")))
        || ["_test", "_tests", "_spec", "Test", "Tests", "-test"].iter().any(|end| stem.ends_with(end))
        || stem.starts_with("test_")
        || ["test", "tests"].contains(&stem)
        || name.contains(".test.")
        || name.contains(".spec.")
}
