//! The part of a patch that is of one file: its head, and its hunks.

use super::{ADDED_BYTES_MAX, CHANGE_LINES_MAX, Combined, Commit, FileDiff, Hunk, Malformed, Mark, Parser};
use crate::change::Id;
use crate::language::{Family, does_something, family};
use std::io::BufRead;

/// What the heads of sections may begin with, after `diff `.
const HEADS: &[&[u8]] = &[
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"mode ",
    b"copy ",
    b"rename ",
    b"similarity index ",
    b"dissimilarity index ",
    b"index ",
    b"--- ",
    b"+++ ",
    b"Binary files ",
    b"\\",
];

impl<R: BufRead> Parser<R> {
    /// Reads a section; its first line was read. `place` is the file that the next one is of.
    pub(super) fn section(&mut self, commit: &mut Commit, place: &mut usize) -> Result<(), Malformed> {
        if !self.reader.line.starts_with(b"diff --") {
            return self.wrong("no head of a file");
        }
        let combined = !self.reader.line.starts_with(b"diff --git ");
        let (mut binary, mut ids, mut deletes) = (false, None, false);
        let mut file = None;
        while self.in_record()? {
            if self.reader.line.starts_with(b"@@") {
                let at = *file.get_or_insert_with(|| at(commit, place, ids.take()));
                let Some(of) = commit.files.get_mut(at) else { return self.wrong("a patch of a file that `--raw` does not name") };
                match combined {
                    true => self.combined_hunk(of)?,
                    false => {
                        self.hunk(of, &mut commit.added, &mut commit.unmarked)?;
                    }
                }
            } else if file.is_none() && HEADS.iter().any(|head| self.reader.line.starts_with(head)) {
                binary = binary || self.reader.line.starts_with(b"Binary files ");
                deletes = deletes || self.reader.line.starts_with(b"deleted file ");
                ids = index(&self.reader.line).or(ids);
            } else if !self.reader.line.starts_with(b"\\") {
                self.reader.hold();
                break;
            }
        }
        let at = file.unwrap_or_else(|| at(commit, place, ids));
        let Some(of) = commit.files.get_mut(at) else { return self.wrong("a patch of a file that `--raw` does not name") };
        of.binary = of.binary || binary;
        // A file that becomes a link comes as two sections: the one is deleted, the other new.
        *place = at + usize::from(!(deletes && of.raw.status == b"T"));
        Ok(())
    }

    fn hunk(&mut self, file: &mut FileDiff, added: &mut Vec<u8>, unmarked: &mut bool) -> Result<(), Malformed> {
        let Some((old, new)) = ranges(&self.reader.line) else { return self.wrong("no head of a hunk") };
        let (mut left_old, mut left_new) = (old.1, new.1);
        let mut at = Hunk { old: if old.1 == 0 { old.0 } else { old.0.saturating_sub(1) }, old_lines: 0, new_lines: 0 };
        let family = family(file.raw.path());
        while left_old > 0 || left_new > 0 {
            if !self.reader.line()? {
                return self.wrong("the end came within a hunk");
            }
            let text = self.reader.line.get(1..).unwrap_or_default();
            let mut mark = self.reader.mark;
            mark.does = does_something(family, text);
            match self.reader.line.first() {
                Some(b' ') if left_old > 0 && left_new > 0 => {
                    (left_old, left_new) = (left_old - 1, left_new - 1);
                    at = file.end(at, 1);
                }
                Some(b'-') if left_old > 0 => {
                    left_old -= 1;
                    if at.new_lines > 0 {
                        at = file.end(at, 0);
                    }
                    at.old_lines += 1;
                    file.deleted = file.deleted.saturating_add(1);
                    self.marks += usize::from(keep(&mut file.minus, mark, self.marks, unmarked));
                }
                Some(b'+') if left_new > 0 => {
                    left_new -= 1;
                    at.new_lines += 1;
                    file.added = file.added.saturating_add(1);
                    if family != Family::Lock && added.len() + text.len() < ADDED_BYTES_MAX {
                        added.extend_from_slice(text);
                        added.push(b'\n');
                    }
                    self.marks += usize::from(keep(&mut file.plus, mark, self.marks, unmarked));
                }
                Some(b'\\') => {}
                _ => return self.wrong("a line that is neither added, deleted nor context"),
            }
        }
        file.end(at, 0);
        Ok(())
    }

    /// A hunk of a merge ends with the first line that has no sign for each parent; what git counts is not needed.
    fn combined_hunk(&mut self, file: &mut FileDiff) -> Result<(), Malformed> {
        let parents = file.raw.status.len();
        let Some(mut hunk) = Combined::head(&self.reader.line, parents) else { return self.wrong("no head of a hunk of a merge") };
        while self.in_record()? {
            if !self.reader.line.starts_with(b"\\") && !hunk.take(&self.reader.line, parents) {
                self.reader.hold();
                break;
            }
        }
        file.added = file.added.saturating_add(hunk.own_lines());
        file.combined.push(hunk);
        Ok(())
    }
}

/// Keeps a line apart from others, as long as there is room; says whether it did.
fn keep(marks: &mut Vec<Mark>, mark: Mark, kept: usize, unmarked: &mut bool) -> bool {
    *unmarked = *unmarked || kept >= CHANGE_LINES_MAX;
    if !*unmarked {
        marks.push(mark);
    }
    !*unmarked
}

impl FileDiff {
    /// Ends a stretch of replaced lines, and begins the next one behind it and some lines of context.
    fn end(&mut self, hunk: Hunk, context: u32) -> Hunk {
        if hunk.old_lines > 0 || hunk.new_lines > 0 {
            self.hunks.push(hunk);
        }
        Hunk { old: hunk.old.saturating_add(hunk.old_lines).saturating_add(context), old_lines: 0, new_lines: 0 }
    }
}

/// Which file a section is of: the next one with these ids, where it has any.
fn at(commit: &Commit, place: &usize, ids: Option<Vec<Id>>) -> usize {
    let Some(ids) = ids else { return *place };
    let zero = |id: &Id| id.bytes().iter().all(|byte| *byte == 0);
    let is = |file: &&FileDiff| file.raw.ids.len() == ids.len() && file.raw.ids.iter().zip(&ids).all(|(a, b)| a == b || zero(a) || zero(b));
    let rest = commit.files.get(*place..).unwrap_or_default();
    rest.iter().position(|file| is(&file)).map_or(*place, |further| place + further)
}

/// `index <id>..<id> 100644`, `index <id>,<id>..<id>`.
fn index(line: &[u8]) -> Option<Vec<Id>> {
    let ids = line.strip_prefix(b"index ")?.split(|byte| *byte == b' ').next()?;
    ids.split(|byte| matches!(byte, b'.' | b',')).filter(|id| !id.is_empty()).map(Id::read).collect()
}

type Range = (u32, u32);

/// `@@ -a,b +c,d @@`; a count of 1 is left out.
fn ranges(line: &[u8]) -> Option<(Range, Range)> {
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    let old = range(words.next()?.strip_prefix(b"-")?)?;
    Some((old, range(words.next()?.strip_prefix(b"+")?)?))
}

pub(super) fn range(text: &[u8]) -> Option<Range> {
    let text = std::str::from_utf8(text).ok()?;
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}
