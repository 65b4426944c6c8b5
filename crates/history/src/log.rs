//! What was mined so far, with the ways to find it: by id, by path, by folder, by author.

use crate::bits::Bits;
use crate::change::{AuthorNumber, Change, ChangeNumber, Id, Link, PathNumber, Way};
use crate::parse::AuthorKey;
use crate::tree::PATHS_MAX;
use std::collections::HashMap;

/// Digits of an id under which commits are looked up by its beginning.
const BEGINNING: usize = 6;

#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub changes: Vec<Change>,
    /// Whether each is a fix.
    pub fixes: Vec<bool>,
    pub links: Vec<Link>,
    pub paths: Vec<Vec<u8>>,
    pub authors: Vec<AuthorKey>,
    numbers: HashMap<Id, u32>,
    beginnings: HashMap<String, Vec<u32>>,
    path_numbers: HashMap<Vec<u8>, u32>,
    author_numbers: HashMap<AuthorKey, u32>,
    folder_numbers: HashMap<Vec<u8>, u32>,
    system_numbers: HashMap<Vec<u8>, u32>,
    /// Of each path: its folder, its subsystem, and what happened to it.
    of_path: Vec<OfPath>,
    /// Changes in each folder.
    of_folder: Vec<Vec<u32>>,
    /// Changes of each author.
    of_author: Vec<Vec<u32>>,
    /// Subsystems of each change.
    systems: Vec<Box<[u32]>>,
    /// Of each habit, changes that have it and none of whose ancestors had.
    habits: [Vec<u32>; 2],
}

/// What messages of some histories say, and those of others never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Who reviewed.
    Reviewed,
    /// Who wrote with the author.
    Coauthored,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct OfPath {
    pub folder: u32,
    pub system: u32,
    pub touched_by: Vec<u32>,
    /// The change that gave it this path, and the path before.
    pub renamed_from: Vec<(u32, u32)>,
    /// Changes whose faults in it were found, and the fix.
    pub faults: Vec<(u32, u32)>,
}

/// The folder of a path, and its first part: what Kamei calls directory and subsystem. A file at the root is in neither.
fn places(path: &[u8]) -> (&[u8], &[u8]) {
    let folder = path.iter().rposition(|byte| *byte == b'/').and_then(|end| path.get(..end)).unwrap_or_default();
    let system = path.iter().position(|byte| *byte == b'/').and_then(|end| path.get(..end)).unwrap_or_default();
    (folder, system)
}

fn numbered<K: std::hash::Hash + Eq + Clone>(numbers: &mut HashMap<K, u32>, key: &K) -> u32 {
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    *numbers.entry(key.clone()).or_insert(next)
}

impl Log {
    /// The number of a path; nothing where there are too many.
    pub(crate) fn path(&mut self, path: &[u8]) -> Option<PathNumber> {
        if let Some(number) = self.path_numbers.get(path) {
            return Some(PathNumber(*number));
        }
        let number = u32::try_from(self.paths.len()).ok().filter(|number| *number < PATHS_MAX)?;
        let (folder, system) = places(path);
        let folder = numbered(&mut self.folder_numbers, &folder.to_vec());
        let system = numbered(&mut self.system_numbers, &system.to_vec());
        self.of_folder.resize_with(self.folder_numbers.len(), Vec::new);
        self.path_numbers.insert(path.to_vec(), number);
        self.paths.push(path.to_vec());
        self.of_path.push(OfPath { folder, system, ..OfPath::default() });
        Some(PathNumber(number))
    }

    pub(crate) fn author(&mut self, key: &AuthorKey) -> AuthorNumber {
        let number = numbered(&mut self.author_numbers, key);
        if self.authors.len() <= number as usize {
            self.authors.push(*key);
            self.of_author.push(Vec::new());
        }
        AuthorNumber(number)
    }

    pub(crate) fn number(&self, id: &Id) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// Changes whose id begins so.
    pub(crate) fn beginning<'a>(&'a self, digits: &'a str) -> impl Iterator<Item = u32> + 'a {
        let key = digits.get(..BEGINNING).unwrap_or_default();
        let is = move |number: &&u32| self.changes.get(**number as usize).is_some_and(|change| change.id.to_string().starts_with(digits));
        self.beginnings.get(key).into_iter().flatten().filter(is).copied()
    }

    pub(crate) fn of_path(&self, path: u32) -> Option<&OfPath> {
        self.of_path.get(path as usize)
    }

    pub(crate) fn of_folder(&self, folder: u32) -> &[u32] {
        self.of_folder.get(folder as usize).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn of_author(&self, author: AuthorNumber) -> &[u32] {
        self.of_author.get(author.0 as usize).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn systems(&self, change: u32) -> &[u32] {
        self.systems.get(change as usize).map(|systems| &**systems).unwrap_or_default()
    }

    pub(crate) fn fix(&self, change: u32) -> bool {
        self.fixes.get(change as usize).copied().unwrap_or(false)
    }

    pub(crate) fn change(&self, change: u32) -> Option<&Change> {
        self.changes.get(change as usize)
    }

    /// Adds a change, whose number is the next. Merges are found by id alone: they count in no history.
    pub(crate) fn push(&mut self, change: Change, fix: bool) {
        let number = u32::try_from(self.changes.len()).unwrap_or(u32::MAX);
        self.numbers.insert(change.id, number);
        let key = change.id.to_string().get(..BEGINNING).unwrap_or_default().to_owned();
        self.beginnings.entry(key).or_default().push(number);
        let mut systems = Vec::new();
        if !change.merge() {
            for file in &change.files {
                for path in std::iter::once(file.path).chain(file.from) {
                    let Some(of) = self.of_path.get_mut(path.0 as usize) else { continue };
                    push_once(&mut of.touched_by, number);
                    systems.push(of.system);
                    if let Some(folder) = self.of_folder.get_mut(of.folder as usize) {
                        push_once(folder, number);
                    }
                }
                if let (Some(from), Some(of)) = (file.from, self.of_path.get_mut(file.path.0 as usize)) {
                    of.renamed_from.push((number, from.0));
                }
            }
            if let Some(of) = self.of_author.get_mut(change.author.0 as usize) {
                of.push(number);
            }
        }
        systems.sort_unstable();
        systems.dedup();
        self.systems.push(systems.into());
        self.fixes.push(fix);
        self.changes.push(change);
    }

    pub(crate) fn link(&mut self, link: Link) {
        if let (Some(path), Way::Lines) = (link.path, link.way)
            && let Some(of) = self.of_path.get_mut(path.0 as usize)
        {
            of.faults.push((link.of.0, link.by.0));
        }
        self.links.push(link);
    }

    /// Whether one of these changes has a habit.
    pub(crate) fn has_habit(&self, habit: Habit, among: &Bits) -> bool {
        self.habits[habit as usize].iter().any(|number| among.has(*number))
    }

    /// Whether a change is the first of its line that has a habit.
    pub(crate) fn begins(&self, habit: Habit, change: u32) -> bool {
        self.habits[habit as usize].binary_search(&change).is_ok()
    }

    /// The next change is the first of its line that has a habit.
    pub(crate) fn begin(&mut self, habit: Habit) {
        let next = self.next().0;
        self.habits[habit as usize].push(next);
    }

    /// The number that the next change will have.
    pub(crate) fn next(&self) -> ChangeNumber {
        ChangeNumber(u32::try_from(self.changes.len()).unwrap_or(u32::MAX))
    }
}

fn push_once(to: &mut Vec<u32>, number: u32) {
    if to.last() != Some(&number) {
        to.push(number);
    }
}
