//! What is kept between two runs, in one file: everything mined, and the lines of the newest commits, from which branches start.
//!
//! The form has a version and ends in a digest; a file that is cut, changed or of another version is refused.

mod form;

use crate::bits::Bits;
use crate::change::{AuthorNumber, Change, ChangeNumber, File, Id, Kind, Link, PathNumber, Way};
use crate::features::Features;
use crate::fold::Live;
use crate::label::Label;
use crate::log::{Habit, Log};
use crate::parse::AuthorKey;
use crate::tree::{Node, Tree, Written};
use form::{Reader, Writer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8] = b"tidegate history\n";
/// Raised whenever the form, a feature or the tracing of lines is another.
const VERSION: u64 = 2;
const DIGEST_BYTES: usize = 32;
/// Largest state that is read.
const STATE_BYTES_MAX: u64 = 4 << 30;

/// What one run leaves to the next.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) tip: Id,
    /// Whether it was made of a shallow clone, whose beginning may lie elsewhere by now.
    pub(crate) shallow: bool,
    pub(crate) settings: [u8; 32],
    pub(crate) log: Log,
    pub(crate) kept: Vec<(u32, Tree)>,
}

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub enum NoState {
    /// The file could not be read or written.
    #[error("the state of mining at {path} could not be {done}: {cause}; check the path and its permissions")]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        done: &'static str,
        /// Why not.
        cause: std::io::Error,
    },
    /// It is none, or none any more.
    #[error("this is no state of mining that can be gone on with: {0}; remove it, and everything is mined anew")]
    Unreadable(&'static str),
}

impl State {
    /// Reads a state.
    ///
    /// # Errors
    /// When there is none, or it is damaged, or of another version.
    pub fn load(path: &Path) -> Result<State, NoState> {
        let io = |cause| NoState::Io { path: path.to_owned(), done: "read", cause };
        if std::fs::metadata(path).map_err(io)?.len() > STATE_BYTES_MAX {
            return Err(NoState::Unreadable("it is larger than STATE_BYTES_MAX"));
        }
        State::from_bytes(&std::fs::read(path).map_err(io)?)
    }

    /// Writes a state, so that a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), NoState> {
        let io = |cause| NoState::Io { path: path.to_owned(), done: "written", cause };
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let mut file = std::fs::File::create(&beside).map_err(io)?;
        let written = std::io::Write::write_all(&mut file, &self.to_bytes()).and_then(|()| file.sync_all());
        written.and_then(|()| std::fs::rename(&beside, path)).map_err(|cause| {
            let _ = std::fs::remove_file(&beside);
            io(cause)
        })
    }

    /// Its form in a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.0.extend_from_slice(MAGIC);
        to.number(VERSION);
        to.bytes(self.tip.bytes());
        to.number(u64::from(self.shallow));
        to.0.extend_from_slice(&self.settings);
        to.number(self.log.paths.len() as u64);
        self.log.paths.iter().for_each(|path| to.bytes(path));
        to.number(self.log.authors.len() as u64);
        self.log.authors.iter().for_each(|key| to.0.extend_from_slice(key));
        to.number(self.log.changes.len() as u64);
        for (number, (change, fix)) in (0u32..).zip(self.log.changes.iter().zip(&self.log.fixes)) {
            let begins = |habit| self.log.begins(habit, number);
            let marks = [*fix, begins(Habit::Reviewed), begins(Habit::Coauthored)];
            write_change(&mut to, change, marks);
        }
        to.number(self.log.links.len() as u64);
        for link in &self.log.links {
            to.number(u64::from(link.of.0));
            to.number(u64::from(link.by.0));
            to.number(link.path.map_or(0, |path| u64::from(path.0) + 1));
            to.number(u64::from(link.way == Way::Named));
        }
        write_trees(&mut to, &self.kept);
        let digest = *blake3::hash(&to.0).as_bytes();
        to.0.extend_from_slice(&digest);
        to.0
    }

    /// Reads its form.
    ///
    /// # Errors
    /// When it is damaged, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<State, NoState> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(NoState::Unreadable("it does not begin as one")) };
        let mut from = Reader(rest);
        if from.number() != Some(VERSION) {
            return Err(NoState::Unreadable("it is of another version"));
        }
        let Some((body, digest)) = bytes.split_last_chunk::<DIGEST_BYTES>() else { return Err(NoState::Unreadable("it is cut")) };
        if blake3::hash(body).as_bytes() != digest {
            return Err(NoState::Unreadable("it was changed or cut since it was written"));
        }
        read(&mut from).ok_or(NoState::Unreadable("it has the digest of its bytes and yet makes no sense"))
    }

    /// What a kept commit left to its children; its ancestors are told by the changes.
    pub(crate) fn live(&self, number: u32) -> Option<Live> {
        let (_, tree) = self.kept.iter().find(|(kept, _)| *kept == number)?;
        let (mut seen, mut open) = (Bits::default(), vec![number]);
        while let Some(next) = open.pop() {
            for parent in self.log.change(next).map(|change| change.parents.as_slice()).unwrap_or_default() {
                if !seen.has(parent.0) {
                    seen.set(parent.0);
                    open.push(parent.0);
                }
            }
        }
        Some(Live { tree: tree.clone(), seen: Arc::new(seen) })
    }
}

/// `marks`: whether it is a fix, and which habits begin with it.
fn write_change(to: &mut Writer, change: &Change, marks: [bool; 3]) {
    to.bytes(change.id.bytes());
    to.number(change.parents.len() as u64);
    change.parents.iter().for_each(|parent| to.number(u64::from(parent.0)));
    to.signed(change.at_s);
    to.number(u64::from(change.author.0));
    to.number(marks.iter().rev().fold(0, |all, mark| all << 1 | u64::from(*mark)));
    to.number(change.files.len() as u64);
    for file in &change.files {
        to.number(u64::from(file.path.0));
        to.number(file.from.map_or(0, |path| u64::from(path.0) + 1));
        let kind = match file.kind {
            Kind::Added => 0,
            Kind::Deleted => 1,
            Kind::Changed => 2,
            Kind::Renamed => 3,
        };
        to.number(kind << 1 | u64::from(file.binary));
        to.number(u64::from(file.added));
        to.number(u64::from(file.deleted));
    }
    change.features.values().iter().for_each(|value| to.float(*value));
}

fn read(from: &mut Reader<'_>) -> Option<State> {
    let tip = Id::of_bytes(from.bytes()?)?;
    let shallow = from.below(2)? == 1;
    let settings = from.array()?;
    let mut log = Log::default();
    for _ in 0..from.count()? {
        log.path(from.bytes()?)?;
    }
    for _ in 0..from.count()? {
        let key: AuthorKey = from.array()?;
        log.author(&key);
    }
    for _ in 0..from.count()? {
        let (change, [fix, reviewed, coauthored]) = read_change(from, &log)?;
        for (habit, begins) in [(Habit::Reviewed, reviewed), (Habit::Coauthored, coauthored)] {
            if begins {
                log.begin(habit);
            }
        }
        log.push(change, fix);
    }
    let changes = log.next().0;
    let paths = u32::try_from(log.paths.len()).ok()?;
    for _ in 0..from.count()? {
        let of = ChangeNumber(from.below(changes)?);
        let by = ChangeNumber(from.below(changes)?);
        let path = from.below(paths + 1)?.checked_sub(1).map(PathNumber);
        let way = if from.below(2)? == 1 { Way::Named } else { Way::Lines };
        log.link(Link { of, by, path, way });
    }
    let kept = read_trees(from, changes)?;
    (from.0.len() == DIGEST_BYTES).then_some(State { tip, shallow, settings, log, kept })
}

fn read_change(from: &mut Reader<'_>, log: &Log) -> Option<(Change, [bool; 3])> {
    let id = Id::of_bytes(from.bytes()?)?;
    let parents: Option<Vec<ChangeNumber>> = (0..from.count()?).map(|_| from.below(log.next().0).map(ChangeNumber)).collect();
    let at_s = from.signed()?;
    let author = AuthorNumber(from.below(u32::try_from(log.authors.len()).ok()?)?);
    let marks = from.below(8)?;
    let paths = u32::try_from(log.paths.len()).ok()?;
    let mut files = Vec::new();
    for _ in 0..from.count()? {
        let path = PathNumber(from.below(paths)?);
        let old = from.below(paths + 1)?.checked_sub(1).map(PathNumber);
        let kind = from.below(8)?;
        let (added, deleted) = (from.below(u32::MAX)?, from.below(u32::MAX)?);
        let binary = kind & 1 == 1;
        let kind = match kind >> 1 {
            0 => Kind::Added,
            1 => Kind::Deleted,
            2 => Kind::Changed,
            _ => Kind::Renamed,
        };
        files.push(File { path, from: old, kind, added, deleted, binary });
    }
    let values: Option<Vec<f64>> = Features::NAMES.iter().map(|_| from.float()).collect();
    let features = Features::of(&values?);
    Some((
        Change { id, parents: parents?, at_s, author, files, features, label: Label::Unlabelled },
        [1, 2, 4].map(|mark| marks & mark != 0),
    ))
}

/// Nodes and lines are shared by many trees: each is written once, before whatever holds it, and told by its place.
#[derive(Default)]
struct Places {
    lines: HashMap<*const Vec<u32>, u64>,
    nodes: HashMap<*const Node, u64>,
    written: (Writer, Writer),
}

fn write_trees(to: &mut Writer, kept: &[(u32, Tree)]) {
    let mut places = Places::default();
    let roots: Vec<(u32, u64)> = kept.iter().map(|(number, tree)| (*number, tree.0.as_ref().map_or(0, |node| places.node(node)))).collect();
    to.number(places.lines.len() as u64);
    to.0.append(&mut places.written.0.0);
    to.number(places.nodes.len() as u64);
    to.0.append(&mut places.written.1.0);
    to.number(roots.len() as u64);
    for (number, root) in roots {
        to.number(u64::from(number));
        to.number(root);
    }
}

impl Places {
    /// The place of a node, counted from 1.
    fn node(&mut self, node: &Arc<Node>) -> u64 {
        if let Some(place) = self.nodes.get(&Arc::as_ptr(node)) {
            return *place;
        }
        let mut form = Writer::default();
        match &**node {
            Node::Inner(inner) => {
                form.number(0);
                for below in inner {
                    let place = below.as_ref().map_or(0, |below| self.node(below));
                    form.number(place);
                }
            }
            Node::Leaf(leaf) => {
                form.number(1);
                for written in leaf {
                    let Some(written) = written else {
                        form.number(0);
                        continue;
                    };
                    form.number(self.lines(&written.lines));
                    form.number(u64::from(written.base));
                    form.bytes(written.blob.bytes());
                }
            }
        }
        self.written.1.0.append(&mut form.0);
        let place = self.nodes.len() as u64 + 1;
        self.nodes.insert(Arc::as_ptr(node), place);
        place
    }

    /// The place of the lines of a file, counted from 1. Neighbours mostly have one writer.
    fn lines(&mut self, lines: &Arc<Vec<u32>>) -> u64 {
        if let Some(place) = self.lines.get(&Arc::as_ptr(lines)) {
            return *place;
        }
        let runs: Vec<&[u32]> = lines.chunk_by(|a, b| a == b).collect();
        self.written.0.number(runs.len() as u64);
        for run in runs {
            self.written.0.number(run.len() as u64);
            self.written.0.number(u64::from(run.first().copied().unwrap_or(0)));
        }
        let place = self.lines.len() as u64 + 1;
        self.lines.insert(Arc::as_ptr(lines), place);
        place
    }
}

/// Most lines of one file in a state, as in the folding of commits.
const LINES_MAX: u64 = 2_000_000;

/// Most lines of all files together: what a damaged count may ask for.
const ALL_LINES_MAX: u64 = 200_000_000;

fn read_trees(from: &mut Reader<'_>, changes: u32) -> Option<Vec<(u32, Tree)>> {
    let mut all_lines: Vec<Arc<Vec<u32>>> = Vec::new();
    let mut left = ALL_LINES_MAX;
    for _ in 0..from.count()? {
        let mut lines = Vec::new();
        for _ in 0..from.count()? {
            let run = from.number().filter(|run| lines.len() as u64 + run <= LINES_MAX)?;
            left = left.checked_sub(run)?;
            let writer = from.below(u32::MAX)?;
            lines.extend(std::iter::repeat_n(writer, usize::try_from(run).ok()?));
        }
        all_lines.push(Arc::new(lines));
    }
    let mut nodes: Vec<Arc<Node>> = Vec::new();
    for _ in 0..from.count()? {
        let node = if from.below(2)? == 0 {
            let mut inner: [Option<Arc<Node>>; 16] = Default::default();
            for place in &mut inner {
                *place = picked(from, &nodes)?;
            }
            Node::Inner(inner)
        } else {
            let mut leaf: [Option<Written>; 16] = Default::default();
            for place in &mut leaf {
                let Some(lines) = picked(from, &all_lines)? else { continue };
                let base = from.below(u32::MAX)?;
                *place = Some(Written { blob: Id::of_bytes(from.bytes()?)?, base, lines });
            }
            Node::Leaf(leaf)
        };
        nodes.push(Arc::new(node));
    }
    let mut kept = Vec::new();
    for _ in 0..from.count()? {
        kept.push((from.below(changes)?, Tree(picked(from, &nodes)?)));
    }
    Some(kept)
}

/// What stands at a place, counted from 1; 0 is nothing.
fn picked<T: Clone>(from: &mut Reader<'_>, all: &[T]) -> Option<Option<T>> {
    match usize::try_from(from.number()?).ok()? {
        0 => Some(None),
        place => Some(Some(all.get(place - 1)?.clone())),
    }
}

#[cfg(test)]
mod tests;
