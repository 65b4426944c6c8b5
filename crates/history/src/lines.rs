//! Whose lines are whose: a change applied to the lines of a file, each as the number of the change that wrote it.
//!
//! Every line of a merge is of the first parent that has it, and of the merge where none has, as `git blame` holds it.

use crate::parse::{Combined, FileDiff, Hunk, Mark};
use crate::tree::Written;
use std::collections::HashMap;

/// Lines of one file that are remembered; a longer one is its last change's as a whole.
const FILE_LINES_MAX: usize = 2_000_000;
/// Bytes that are no spaces from which on a line is told by its content wherever it stands; shorter ones (`}`, `else`) are everywhere.
const MOVED_BYTES_MIN: u32 = 10;
/// Pairs of lines of one hunk that are compared each with each; of a larger hunk the first match in order is taken.
const PAIRS_MAX: usize = 1_000_000;

/// What became of the lines of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// Who wrote each line that was taken away.
    pub taken: Vec<u32>,
    /// Whether it stands elsewhere, or differs in spaces alone.
    pub spared: Vec<bool>,
    /// Of each line added, who wrote it where it is an old one.
    pub kept: Vec<Option<u32>>,
}

/// Which lines of a change are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Follow {
    pub spaces: bool,
    pub moves: bool,
}

fn line(of: Option<&Written>, at: usize, otherwise: u32) -> u32 {
    of.map_or(otherwise, |of| of.lines.get(at).copied().unwrap_or(of.base))
}

/// The fates of all lines of a change, file by file, with what stood there before.
pub(crate) fn fates(files: &[(&FileDiff, Option<&Written>)], follow: Follow) -> Vec<Fate> {
    let mut fates: Vec<Fate> = files.iter().map(|(file, before)| fate(file, *before, follow.spaces)).collect();
    if !follow.moves {
        return fates;
    }
    let mut left: HashMap<u64, Vec<(usize, usize)>> = HashMap::new();
    for (at, (file, _)) in files.iter().enumerate() {
        for (line, mark) in file.minus.iter().enumerate().rev() {
            let open = fates.get(at).and_then(|fate| fate.spared.get(line)) == Some(&false);
            if open && movable(mark) {
                left.entry(mark.hash).or_default().push((at, line));
            }
        }
    }
    for (at, (file, _)) in files.iter().enumerate() {
        for (line, mark) in file.plus.iter().enumerate() {
            let open = fates.get(at).and_then(|fate| fate.kept.get(line)) == Some(&None);
            if !open || !movable(mark) {
                continue;
            }
            let Some((from, old)) = left.get_mut(&mark.hash).and_then(Vec::pop) else { continue };
            let writer = fates.get_mut(from).and_then(|fate| {
                *fate.spared.get_mut(old)? = true;
                fate.taken.get(old).copied()
            });
            if let Some(kept) = fates.get_mut(at).and_then(|fate| fate.kept.get_mut(line)) {
                *kept = writer;
            }
        }
    }
    fates
}

fn movable(mark: &Mark) -> bool {
    mark.does && mark.solid >= MOVED_BYTES_MIN
}

fn fate(file: &FileDiff, before: Option<&Written>, spaces: bool) -> Fate {
    let mut fate = Fate::default();
    let (mut minus, mut plus) = (0, 0);
    for hunk in &file.hunks {
        let (old, new) = (hunk.old_lines as usize, hunk.new_lines as usize);
        let taken = fate.taken.len();
        // Lines that were not remembered one by one are not traced: `minus` is empty then.
        let known = file.minus.len().saturating_sub(minus).min(old);
        fate.taken.extend((0..known).map(|at| line(before, hunk.old as usize + at, u32::MAX)));
        let kept = fate.kept.len();
        fate.kept.resize(kept + new.min(file.plus.len().saturating_sub(plus)), None);
        fate.spared.resize(taken + known, false);
        if spaces {
            let gone = file.minus.get(minus..minus + known).unwrap_or_default();
            let come = file.plus.get(plus..(plus + new).min(file.plus.len())).unwrap_or_default();
            for (from, to) in same(gone, come) {
                let writer = fate.taken.get(taken + from).copied();
                if let (Some(spared), Some(place)) = (fate.spared.get_mut(taken + from), fate.kept.get_mut(kept + to)) {
                    *spared = true;
                    *place = writer;
                }
            }
        }
        minus += known;
        plus += new;
    }
    fate
}

/// The longest pairing, in order, of lines that differ in spaces alone.
fn same(gone: &[Mark], come: &[Mark]) -> Vec<(usize, usize)> {
    let wanted: std::collections::HashSet<u64> = gone.iter().map(|mark| mark.hash).collect();
    if !come.iter().any(|mark| wanted.contains(&mark.hash)) {
        return Vec::new();
    }
    let width = come.len() + 1;
    if gone.len().saturating_mul(come.len()) > PAIRS_MAX {
        return first_in_order(gone, come);
    }
    // How long the pairing is of what comes from each place on.
    let mut longest = vec![0_u32; (gone.len() + 1) * width];
    let at = |longest: &[u32], from: usize, to: usize| longest.get(from * width + to).copied().unwrap_or(0);
    for (from, old) in gone.iter().enumerate().rev() {
        for (to, new) in come.iter().enumerate().rev() {
            let best = if old.hash == new.hash {
                at(&longest, from + 1, to + 1) + 1
            } else {
                at(&longest, from + 1, to).max(at(&longest, from, to + 1))
            };
            if let Some(place) = longest.get_mut(from * width + to) {
                *place = best;
            }
        }
    }
    let (mut from, mut to, mut pairs) = (0, 0, Vec::new());
    while let (Some(old), Some(new)) = (gone.get(from), come.get(to)) {
        if old.hash == new.hash {
            pairs.push((from, to));
            (from, to) = (from + 1, to + 1);
        } else if at(&longest, from + 1, to) >= at(&longest, from, to + 1) {
            from += 1;
        } else {
            to += 1;
        }
    }
    pairs
}

fn first_in_order(gone: &[Mark], come: &[Mark]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (from, mark) in gone.iter().enumerate() {
        places.entry(mark.hash).or_default().push(from);
    }
    let (mut next, mut pairs) = (0, Vec::new());
    for (to, mark) in come.iter().enumerate() {
        let Some(at) = places.get(&mark.hash) else { continue };
        if let Some(from) = at.get(at.partition_point(|from| *from < next)) {
            pairs.push((*from, to));
            next = from + 1;
        }
    }
    pairs
}

/// The lines after a change; nothing where they are too many.
pub(crate) fn after(before: Option<&Written>, hunks: &[Hunk], kept: &[Option<u32>], this: u32) -> Option<Vec<u32>> {
    let old = before.map_or(0, |before| before.lines.len());
    let (mut lines, mut at, mut plus) = (Vec::with_capacity(old.min(FILE_LINES_MAX)), 0, 0);
    for hunk in hunks {
        let (start, new) = (hunk.old as usize, hunk.new_lines as usize);
        if start.max(lines.len().saturating_add(new)) > FILE_LINES_MAX {
            return None;
        }
        lines.extend((at..start).map(|place| line(before, place, this)));
        lines.extend((plus..plus + new).map(|place| kept.get(place).copied().flatten().unwrap_or(this)));
        plus += new;
        at = start.saturating_add(hunk.old_lines as usize);
    }
    lines.extend((at..old).map(|place| line(before, place, this)));
    (lines.len() <= FILE_LINES_MAX).then_some(lines)
}

/// The lines of a file that a merge made of those of its parents; nothing where they are too many.
pub(crate) fn merged(parents: &[Option<&Written>], hunks: &[Combined], this: u32) -> Option<Vec<u32>> {
    let mut at = vec![0_usize; parents.len()];
    let first = parents.first().copied().flatten();
    let mut lines: Vec<u32> = Vec::new();
    for hunk in hunks {
        let gap = (hunk.new as usize).saturating_sub(lines.len());
        if hunk.new as usize + hunk.lines.len() > FILE_LINES_MAX {
            return None;
        }
        let start = at.first().copied().unwrap_or(0);
        lines.extend((start..start + gap).map(|place| line(first, place, this)));
        at.iter_mut().for_each(|at| *at += gap);
        for told in &hunk.lines {
            let of = told.of.trailing_zeros() as usize;
            if told.kept {
                lines.push(parents.get(of).map_or(this, |parent| line(*parent, at.get(of).copied().unwrap_or(0), this)));
            }
            for (parent, at) in at.iter_mut().enumerate() {
                *at += (told.of >> parent & 1) as usize;
            }
        }
    }
    let rest = at.first().copied().unwrap_or(0)..first.map_or(0, |first| first.lines.len());
    lines.extend(rest.map(|place| line(first, place, this)));
    (lines.len() <= FILE_LINES_MAX).then_some(lines)
}
