//! The features of one change, from what was mined before it and the set of its ancestors. No clock, nothing of the future.

use crate::bits::Bits;
use crate::change::{AuthorNumber, File, Kind};
use crate::features::Features;
use crate::language::{lock, test};
use crate::log::{Habit, Log, OfPath};
use crate::trailers::People;
use std::collections::{BTreeMap, BTreeSet};

const DAY_S: f64 = 86_400.0;
const YEAR_S: i64 = 365 * 86_400;
/// Bird's border between minor and major contributors.
const MAJOR: f64 = 0.05;

/// What a change itself tells.
pub(crate) struct Facts<'a> {
    pub at_s: i64,
    pub written_local_s: i64,
    pub author: AuthorNumber,
    pub message_bytes: usize,
    pub fix: bool,
    /// By its message.
    pub people: People,
    pub files: &'a [File],
    /// Lines of each file before.
    pub before: &'a [u32],
    /// Who wrote each line of a lock file that goes away.
    pub lock_lines_of: &'a [u32],
}

pub(crate) fn measure(log: &Log, seen: &Bits, facts: &Facts<'_>) -> Features {
    let mut features = Features::default();
    size(&mut features, log, facts);
    time_of_day(&mut features, facts);
    files_before(&mut features, log, seen, facts);
    author_before(&mut features, log, seen, facts);
    folders_before(&mut features, log, seen, facts);
    people(&mut features, log, seen, facts.people);
    features
}

/// Nobody is a number where such trailers are written; where they never were, it is not known.
fn people(features: &mut Features, log: &Log, seen: &Bits, said: People) {
    let known = |said: Option<u32>, habit| said.or_else(|| log.has_habit(habit, seen).then_some(0)).map_or(f64::NAN, f64::from);
    features.reviewers = known(said.reviewers, Habit::Reviewed);
    features.coauthors = known(said.coauthors, Habit::Coauthored);
}

fn size(features: &mut Features, log: &Log, facts: &Facts<'_>) {
    let files = facts.files;
    let places: Vec<&OfPath> = files.iter().filter_map(|file| log.of_path(file.path.0)).collect();
    let path = |file: &File| log.paths.get(file.path.0 as usize).map(Vec::as_slice).unwrap_or_default();
    let lines = |file: &File| f64::from(file.added) + f64::from(file.deleted);
    let sum = |is: &dyn Fn(&File) -> bool| files.iter().filter(|file| is(file)).map(lines).sum::<f64>();
    let count = |is: &dyn Fn(&File) -> bool| files.iter().filter(|file| is(file)).count() as f64;
    let all = sum(&|_| true);
    let before: f64 = facts.before.iter().map(|lines| f64::from(*lines)).sum();
    features.ns = places.iter().map(|of| of.system).collect::<BTreeSet<_>>().len() as f64;
    features.nd = places.iter().map(|of| of.folder).collect::<BTreeSet<_>>().len() as f64;
    features.nf = files.len() as f64;
    features.la = files.iter().map(|file| f64::from(file.added)).sum();
    features.ld = files.iter().map(|file| f64::from(file.deleted)).sum();
    features.lt = share(before, features.nf);
    let bits = |share: f64| if share > 0.0 { -share * libm::log2(share) } else { 0.0 };
    features.entropy = files.iter().map(|file| bits(share(lines(file), all))).sum();
    features.fix = f64::from(u8::from(facts.fix));
    features.churn = all / (before + 1.0);
    features.test_files = share(count(&|file| test(path(file))), features.nf);
    features.test_lines = share(sum(&|file| test(path(file))), all);
    features.lock_lines = sum(&|file| lock(path(file)));
    let ages = facts.lock_lines_of.iter().filter_map(|of| log.change(*of)).map(|of| days(facts.at_s, of.at_s));
    features.lock_age = mean(ages);
    features.new_files = count(&|file| file.kind == Kind::Added);
    features.deleted_files = count(&|file| file.kind == Kind::Deleted);
    features.renamed_files = count(&|file| file.kind == Kind::Renamed);
    features.binary_files = count(&|file| file.binary);
    features.message_bytes = facts.message_bytes as f64;
}

fn time_of_day(features: &mut Features, facts: &Facts<'_>) {
    let second = facts.written_local_s.rem_euclid(86_400);
    // The first day of 1970 was a Thursday.
    let weekday = facts.written_local_s.div_euclid(86_400).saturating_add(3).rem_euclid(7);
    features.hour = (second / 3_600) as f64;
    features.weekday = weekday as f64;
}

/// Every path that a file had, by the renames among the ancestors and by that of the change itself.
fn names(log: &Log, seen: &Bits, file: &File) -> Vec<u32> {
    let mut names: Vec<u32> = std::iter::once(file.path).chain(file.from).map(|path| path.0).collect();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        for (change, from) in log.of_path(name).map(|of| of.renamed_from.as_slice()).unwrap_or_default() {
            if seen.has(*change) && !names.contains(from) {
                names.push(*from);
            }
        }
        next += 1;
    }
    names
}

fn files_before(features: &mut Features, log: &Log, seen: &Bits, facts: &Facts<'_>) {
    let (mut all, mut last, mut faults, mut ages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), Vec::new());
    for file in facts.files {
        let mut newest: Option<(i64, u32)> = None;
        for of in names(log, seen, file).into_iter().filter_map(|name| log.of_path(name)) {
            for number in of.touched_by.iter().copied().filter(|number| seen.has(*number)) {
                all.insert(number);
                newest = newest.max(log.change(number).map(|change| (change.at_s, number)));
            }
            faults.extend(of.faults.iter().filter(|(_, by)| seen.has(*by)).map(|(of, _)| *of));
        }
        if let Some((at_s, number)) = newest {
            ages.push(days(facts.at_s, at_s));
            last.insert(number);
        }
    }
    let mut shares: BTreeMap<AuthorNumber, u32> = BTreeMap::new();
    let mut own_last_s = None;
    for change in all.iter().filter_map(|number| log.change(*number)) {
        *shares.entry(change.author).or_default() += 1;
        if change.author == facts.author {
            own_last_s = own_last_s.max(Some(change.at_s));
        }
    }
    let of_all = |count: u32| share(f64::from(count), all.len() as f64);
    features.ndev = shares.len() as f64;
    features.nuc = all.len() as f64;
    features.age = mean(ages.into_iter());
    features.last_changes = last.len() as f64;
    features.own_share = of_all(shares.get(&facts.author).copied().unwrap_or(0));
    features.top_share = of_all(shares.values().copied().max().unwrap_or(0));
    features.major = shares.values().filter(|count| of_all(**count) >= MAJOR).count() as f64;
    features.minor = features.ndev - features.major;
    features.own_recency = own_last_s.map_or(0.0, |last_s| 1.0 / (1.0 + days(facts.at_s, last_s)));
    features.file_fixes = all.iter().filter(|number| log.fix(**number)).count() as f64;
    features.file_faults = faults.len() as f64;
}

fn author_before(features: &mut Features, log: &Log, seen: &Bits, facts: &Facts<'_>) {
    let paths = facts.files.iter().flat_map(|file| std::iter::once(file.path).chain(file.from));
    let systems: BTreeSet<u32> = paths.filter_map(|path| log.of_path(path.0)).map(|of| of.system).collect();
    // How many are how many years old: added up in one order, whatever order they were mined in.
    let mut by_age: BTreeMap<i64, u32> = BTreeMap::new();
    for number in log.of_author(facts.author).iter().copied().filter(|number| seen.has(*number)) {
        let Some(change) = log.change(number) else { continue };
        *by_age.entry(facts.at_s.saturating_sub(change.at_s).max(0) / YEAR_S).or_default() += 1;
        features.exp += 1.0;
        if log.systems(number).iter().any(|system| systems.contains(system)) {
            features.sexp += 1.0;
        }
    }
    features.rexp = by_age.iter().map(|(years, count)| f64::from(*count) / (1.0 + *years as f64)).sum();
}

fn folders_before(features: &mut Features, log: &Log, seen: &Bits, facts: &Facts<'_>) {
    let folders: BTreeSet<u32> = facts.files.iter().filter_map(|file| log.of_path(file.path.0)).map(|of| of.folder).collect();
    let mut all: Vec<u32> = folders.iter().flat_map(|folder| log.of_folder(*folder)).copied().filter(|number| seen.has(*number)).collect();
    if folders.len() > 1 {
        all.sort_unstable();
        all.dedup();
    }
    features.folder_changes = all.len() as f64;
    features.folder_fixes = all.iter().filter(|number| log.fix(**number)).count() as f64;
}

fn share(part: f64, of: f64) -> f64 {
    if of > 0.0 { part / of } else { 0.0 }
}

fn days(now_s: i64, then_s: i64) -> f64 {
    now_s.saturating_sub(then_s).max(0) as f64 / DAY_S
}

/// 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    share(sum, count)
}
