//! One commit after another, parents first, folded into what is known: its features, its lines, the faults that it fixes.
//!
//! Only values come in: the commits may be git's or a test's.

use crate::bits::Bits;
use crate::change::{Change, ChangeNumber, File, Id, Kind, Link, PathNumber, Way};
use crate::features::Features;
use crate::fixes::said;
use crate::label::{Label, mass, tangled};
use crate::language::{lock, test};
use crate::lines::{Fate, Follow, after, fates, merged};
use crate::log::{Habit, Log};
use crate::measure::{Facts, measure};
use crate::parse::{Commit, FileDiff, Raw};
use crate::settings::Settings;
use crate::trailers::people;
use crate::tree::{Tree, Written};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What a commit leaves to its children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    pub tree: Tree,
    pub seen: Arc<Bits>,
}

/// Why a commit cannot be folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFolded {
    #[error("a parent of it was not read before it")]
    Parent,
    #[error("more paths than can be held (PATHS_MAX)")]
    Paths,
    #[error("more changes than can be numbered")]
    Changes,
}

pub(crate) struct Fold<'s> {
    pub log: Log,
    settings: &'s Settings,
    live: HashMap<u32, Live>,
}

impl<'s> Fold<'s> {
    pub(crate) fn new(log: Log, settings: &'s Settings) -> Fold<'s> {
        Fold { log, settings, live: HashMap::new() }
    }

    pub(crate) fn revive(&mut self, number: u32, live: Live) {
        self.live.insert(number, live);
    }

    /// What a commit leaves, taken away: nobody descends from it any more.
    pub(crate) fn drop(&mut self, number: u32) -> Option<Live> {
        self.live.remove(&number)
    }

    pub(crate) fn live(&self, number: u32) -> Option<&Live> {
        self.live.get(&number)
    }

    /// Takes a commit. `against_first` is, of a merge, what differs from its first parent; `last_child` says of each parent whether
    /// this commit is the last that descends from it.
    pub(crate) fn take(&mut self, commit: &Commit, against_first: &[Raw], last_child: &dyn Fn(u32) -> bool) -> Result<(), NotFolded> {
        let number = u32::try_from(self.log.changes.len()).ok().filter(|number| *number < u32::MAX).ok_or(NotFolded::Changes)?;
        let parents: Option<Vec<u32>> = commit.parents.iter().map(|id| self.log.number(id)).collect();
        let parents = parents.ok_or(NotFolded::Parent)?;
        let mut lives = Vec::new();
        for parent in &parents {
            // The last child takes what its parent left, so that nothing is copied along a straight line.
            let live = if last_child(*parent) { self.live.remove(parent) } else { self.live.get(parent).cloned() };
            lives.push((*parent, live.or_else(|| twice(&lives, *parent)).ok_or(NotFolded::Parent)?));
        }
        let mut seen = lives.first().map(|(_, live)| live.seen.clone()).unwrap_or_default();
        if let Some((_, first)) = lives.first_mut() {
            first.seen = Arc::default();
        }
        let ancestors = Arc::make_mut(&mut seen);
        for (parent, live) in &lives {
            ancestors.add_all(&live.seen);
            ancestors.set(*parent);
        }
        let tree = if parents.len() > 1 {
            self.take_merge(commit, number, parents, &lives, against_first)?
        } else {
            let tree = lives.pop().map(|(_, live)| live.tree).unwrap_or_default();
            self.take_plain(commit, number, parents, tree, ancestors)?
        };
        self.live.insert(number, Live { tree, seen });
        Ok(())
    }

    fn files(&mut self, commit: &Commit) -> Result<Vec<File>, NotFolded> {
        let mut files = Vec::with_capacity(commit.files.len());
        for diff in &commit.files {
            let path = self.log.path(diff.raw.path()).ok_or(NotFolded::Paths)?;
            let old = diff.raw.paths.first().filter(|_| diff.raw.status == b"R");
            let from = old.map(|old| self.log.path(old).ok_or(NotFolded::Paths)).transpose()?;
            let kind = match diff.raw.status.first() {
                _ if !diff.raw.there => Kind::Deleted,
                Some(b'R') if from.is_some() => Kind::Renamed,
                Some(b'A') if diff.raw.status.iter().all(|letter| *letter == b'A') => Kind::Added,
                _ => Kind::Changed,
            };
            files.push(File { path, from, kind, added: diff.added, deleted: diff.deleted, binary: diff.binary });
        }
        Ok(files)
    }

    fn take_plain(&mut self, commit: &Commit, number: u32, parents: Vec<u32>, mut tree: Tree, ancestors: &Bits) -> Result<Tree, NotFolded> {
        let files = self.files(commit)?;
        let said = said(&commit.message, self.settings);
        let fix = (said.fix || self.settings.fixes.contains(&commit.id)) && !self.settings.no_fixes.contains(&commit.id);
        let before: Vec<Option<Written>> = files.iter().map(|file| tree.get(file.from.unwrap_or(file.path).0).cloned()).collect();
        let pairs: Vec<(&FileDiff, Option<&Written>)> = commit.files.iter().zip(before.iter().map(Option::as_ref)).collect();
        let follow = Follow { spaces: self.settings.follow_spaces, moves: self.settings.follow_moves };
        let fates = fates(&pairs, follow);
        let locks = commit.files.iter().zip(&fates).filter(|(diff, _)| lock(diff.raw.path()));
        let lock_lines_of: Vec<u32> = locks.flat_map(|(_, fate)| fate.taken.iter().copied()).collect();
        let lines = |before: &Option<Written>| before.as_ref().map_or(0, |before| u32::try_from(before.lines.len()).unwrap_or(u32::MAX));
        let author = self.log.author(&commit.author);
        let people = people(&commit.message, &commit.author);
        let facts = Facts {
            at_s: commit.at_s,
            written_local_s: commit.written_local_s,
            author,
            message_bytes: commit.message.len(),
            fix,
            people,
            files: &files,
            before: &before.iter().map(lines).collect::<Vec<_>>(),
            lock_lines_of: &lock_lines_of,
        };
        let features = measure(&self.log, ancestors, &facts);
        // What goes, first: two files may have changed names.
        for file in &files {
            tree.set(file.from.unwrap_or(file.path).0, None);
        }
        for ((diff, before), (file, fate)) in pairs.iter().zip(files.iter().zip(&fates)) {
            replace(&mut tree, diff, *before, file, fate, number);
        }
        drop(pairs);
        let parents = parents.into_iter().map(ChangeNumber).collect();
        let change = Change { id: commit.id, parents, at_s: commit.at_s, author, files, features, label: Label::Unlabelled };
        let links = if fix { self.links(commit, &change, &fates, &said.named, ancestors) } else { BTreeSet::new() };
        for (said, habit) in [(people.reviewers, Habit::Reviewed), (people.coauthors, Habit::Coauthored)] {
            if said.is_some() && !self.log.has_habit(habit, ancestors) {
                self.log.begin(habit);
            }
        }
        self.log.push(change, fix);
        links.into_iter().for_each(|link| self.log.link(link));
        Ok(tree)
    }

    /// Which changes a fix is traced to.
    fn links(&self, commit: &Commit, fix: &Change, fates: &[Fate], named: &[String], ancestors: &Bits) -> BTreeSet<Link> {
        let by = self.log.next();
        let blamed = |of: u32| {
            let to = self.log.change(of).filter(|to| !to.merge() && to.at_s <= fix.at_s && !mass(to, self.settings));
            to.map(|_| ChangeNumber(of))
        };
        let mut links = BTreeSet::new();
        for digits in named {
            let mut of = self.log.beginning(digits).filter(|of| ancestors.has(*of));
            // A beginning that two commits share names neither.
            if let (Some(of), None) = (of.next(), of.next()) {
                links.extend(blamed(of).map(|of| Link { of, by, path: None, way: Way::Named }));
            }
        }
        if tangled(fix, self.settings) {
            return links;
        }
        for ((diff, file), fate) in commit.files.iter().zip(&fix.files).zip(fates) {
            if test(diff.raw.path()) && !self.settings.trace_tests {
                continue;
            }
            for ((of, spared), mark) in fate.taken.iter().zip(&fate.spared).zip(&diff.minus) {
                if !spared && mark.does {
                    links.extend(blamed(*of).map(|of| Link { of, by, path: Some(file.path), way: Way::Lines }));
                }
            }
        }
        links
    }

    fn take_merge(
        &mut self,
        commit: &Commit,
        number: u32,
        parents: Vec<u32>,
        lives: &[(u32, Live)],
        against_first: &[Raw],
    ) -> Result<Tree, NotFolded> {
        let files = self.files(commit)?;
        let mut tree = lives.first().map(|(_, live)| live.tree.clone()).unwrap_or_default();
        let own: HashSet<&[u8]> = commit.files.iter().map(|diff| diff.raw.path()).collect();
        for raw in against_first.iter().filter(|raw| !own.contains(raw.path())) {
            let path = self.log.path(raw.path()).ok_or(NotFolded::Paths)?;
            let id = raw.ids.last().copied().filter(|_| raw.there);
            // It is as in another parent: its lines are those of the parent that has these bytes.
            let same = |id: Id| lives.iter().skip(1).find_map(|(_, live)| live.tree.get(path.0).filter(|of| of.blob == id).cloned());
            let unknown = |id: Id| Written { blob: id, base: number, lines: Arc::default() };
            tree.set(path.0, id.map(|id| same(id).unwrap_or_else(|| unknown(id))));
        }
        for (diff, file) in commit.files.iter().zip(&files) {
            let number_of = |path: &Vec<u8>, log: &mut Log| log.path(path).ok_or(NotFolded::Paths);
            let of: Vec<PathNumber> = diff.raw.paths.iter().map(|path| number_of(path, &mut self.log)).collect::<Result<_, _>>()?;
            let before: Vec<Option<&Written>> = lives.iter().zip(&of).map(|((_, live), path)| live.tree.get(path.0)).collect();
            let written = diff.raw.ids.last().filter(|_| diff.raw.there).map(|id| {
                // The same bytes under another name in one parent: all its lines are of that one.
                if let Some(same) = before.iter().flatten().find(|of| of.blob == *id) {
                    return (*same).clone();
                }
                let lines = if diff.binary { None } else { merged(&before, &diff.combined, number) };
                Written { blob: *id, base: number, lines: Arc::new(lines.unwrap_or_default()) }
            });
            tree.set(file.path.0, written);
        }
        let la = files.iter().map(|file| f64::from(file.added)).sum();
        let features = Features { la, nf: files.len() as f64, reviewers: f64::NAN, coauthors: f64::NAN, ..Features::default() };
        let author = self.log.author(&commit.author);
        let parents = parents.into_iter().map(ChangeNumber).collect();
        let change = Change { id: commit.id, parents, at_s: commit.at_s, author, files, features, label: Label::Unlabelled };
        self.log.push(change, false);
        Ok(tree)
    }
}

/// A commit may name one parent twice.
fn twice(lives: &[(u32, Live)], parent: u32) -> Option<Live> {
    lives.iter().find(|(other, _)| *other == parent).map(|(_, live)| live.clone())
}

fn replace(tree: &mut Tree, diff: &FileDiff, before: Option<&Written>, file: &File, fate: &Fate, number: u32) {
    let Some(id) = diff.raw.ids.last().copied().filter(|_| diff.raw.there) else { return };
    let typed = diff.raw.status == b"T";
    let before = before.filter(|_| !typed);
    // The old file is gone as a whole where the type is another: of its two hunks the second is the new one.
    let hunks = if typed { diff.hunks.get(diff.hunks.len().saturating_sub(1)..).unwrap_or_default() } else { &diff.hunks };
    let lines = if diff.binary { None } else { after(before, hunks, &fate.kept, number) };
    // Where only the mode or the path is another, its lines stay whose they are, known or not.
    let base = if diff.binary && !diff.hunks.is_empty() || lines.is_none() { number } else { before.map_or(number, |before| before.base) };
    let same = before.filter(|before| before.blob == id).map(|before| before.lines.clone());
    tree.set(file.path.0, Some(Written { blob: id, base, lines: same.unwrap_or_else(|| Arc::new(lines.unwrap_or_default())) }));
}
