//! Histories by chance: heads that go on, meet and part, files that change, move and go, merges that keep one side, the other, or mix both.

use crate::world::{START_S, World};
use std::collections::BTreeMap;

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    fn line(&mut self) -> String {
        let spaces = " ".repeat(self.below(3) * 2);
        match self.below(10) {
            0 => String::new(),
            1 => format!("{spaces}// says {}", self.below(4)),
            2 => format!("{spaces}}}"),
            _ => format!("{spaces}call_{}();", self.below(12)),
        }
    }
}

type Files = BTreeMap<String, Vec<String>>;

struct Maker {
    chance: Chance,
    /// Another one, for what messages end with.
    ends: Chance,
    commits: String,
    mark: usize,
}

impl Maker {
    /// Writes a commit whose tree is `files`, and gives its mark.
    fn commit(&mut self, files: &Files, parents: &[usize], message: &str) -> usize {
        self.mark += 1;
        let at_s = START_S + i64::try_from(self.mark).unwrap() * 40_000;
        let author = self.chance.below(4);
        let end = self.end();
        let message = format!("{message} {}{end}", self.mark);
        self.commits.push_str(&format!("commit refs/heads/h{0}\nmark :{0}\n", self.mark));
        self.commits.push_str(&format!("committer a{author} <a{author}@example.com> {at_s} +0200\ndata {}\n{message}\n", message.len()));
        for (index, parent) in parents.iter().enumerate() {
            self.commits.push_str(&format!("{} :{parent}\n", if index == 0 { "from" } else { "merge" }));
        }
        self.commits.push_str("deleteall\n");
        for (path, lines) in files {
            // Sometimes the last line has no end.
            let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            if lines.len() % 5 == 4 {
                text.pop();
            }
            self.commits.push_str(&format!("M 644 inline {path}\ndata {}\n{text}\n", text.len()));
        }
        self.mark
    }

    /// What a message ends with: nothing at first, then paragraphs that are trailers, and such that are none.
    fn end(&mut self) -> String {
        const LINES: &[&str] = &[
            "Reviewed-by: A 1 <a1@example.com>",
            "reviewed-by : A <A2@example.com>",
            "ACKED-BY: A 3\n <a3@example.com>",
            "Reviewed-on: https://review.example.com/1",
            "Change-Id: I0123",
            "Co-authored-by: A 0 <a0@example.com>",
            "Co-Authored-By: <a1@example.com>",
            "Signed-off-by: A 2 <a2@example.com>",
            "(cherry picked from commit 0123456)",
            "Tested-by: nobody",
            "Reviewed-by:",
            "words that are none",
            "words: that are none",
            "# nothing",
            "  more of it",
            "",
        ];
        if self.mark < 12 || self.ends.below(3) > 0 {
            return String::new();
        }
        let lines = (0..1 + self.ends.below(6)).map(|_| LINES[self.ends.below(LINES.len())]).collect::<Vec<_>>();
        format!("\n\n{}\n", lines.join("\n"))
    }

    fn change(&mut self, files: &mut Files) {
        for _ in 0..1 + self.chance.below(3) {
            let names: Vec<String> = files.keys().cloned().collect();
            let Some(name) = names.get(self.chance.below(names.len())) else { return };
            let at = self.chance.below(files[name].len() + 1);
            match self.chance.below(12) {
                0 if names.len() > 3 => {
                    files.remove(name);
                }
                1 | 2 => {
                    let lines = files.remove(name).unwrap();
                    files.insert(format!("d{}/n{}.rs", self.chance.below(2), self.chance.below(9)), lines);
                }
                3 => {
                    let lines = (0..3 + self.chance.below(8)).map(|_| self.chance.line()).collect();
                    files.insert(format!("d{}/f{}.rs", self.chance.below(2), self.chance.below(9)), lines);
                }
                _ => {
                    let come: Vec<String> = (0..self.chance.below(4)).map(|_| self.chance.line()).collect();
                    let lines = files.get_mut(name).unwrap();
                    let end = (at + self.chance.below(4)).min(lines.len());
                    lines.splice(at..end, come);
                }
            }
        }
    }

    fn merged(&mut self, one: &Files, other: &Files) -> Files {
        let mut files = Files::new();
        for name in one.keys().chain(other.keys()) {
            let (a, b) = (one.get(name), other.get(name));
            let lines = match (a, b, self.chance.below(4)) {
                (Some(a), Some(b), 0) => {
                    let cut = self.chance.below(a.len().min(b.len()) + 1);
                    let mixed = a[..cut].iter().chain(&b[cut..]).cloned();
                    mixed.chain((0..self.chance.below(2)).map(|_| self.chance.line())).collect()
                }
                (Some(a), None, 1..) | (Some(a), Some(_), 1 | 2) => a.clone(),
                (_, Some(b), _) => b.clone(),
                _ => continue,
            };
            files.insert(name.clone(), lines);
        }
        files
    }
}

pub fn make(seed: u64) -> World {
    let mut maker = Maker { chance: Chance(seed * 0x9e37_79b9), ends: Chance(seed * 0x85eb_ca6b), commits: String::new(), mark: 0 };
    let mut files = Files::new();
    for file in 0..5 {
        let lines = (0..6 + maker.chance.below(12)).map(|_| maker.chance.line()).collect();
        files.insert(format!("d{}/f{file}.rs", file % 2), lines);
    }
    let root = maker.commit(&files, &[], "first");
    let mut heads = vec![(root, files)];
    for _ in 0..60 {
        let at = maker.chance.below(heads.len());
        let (mark, mut files) = heads[at].clone();
        let other = maker.chance.below(heads.len());
        if other != at && maker.chance.below(3) == 0 {
            let files = maker.merged(&files, &heads[other].1.clone());
            let mark = maker.commit(&files, &[mark, heads[other].0], "merge");
            heads[at] = (mark, files);
            continue;
        }
        maker.change(&mut files);
        let message = ["fix it", "go on", "go on", "go on"][maker.chance.below(4)];
        let mark = maker.commit(&files, &[mark], message);
        if heads.len() < 4 && maker.chance.below(3) == 0 {
            heads.push((mark, files));
        } else {
            heads[at] = (mark, files);
        }
    }
    // All heads meet at once, and every line is another one.
    let last = heads.iter().skip(1).fold(heads[0].1.clone(), |files, (_, other)| maker.merged(&files, other));
    let parents: Vec<usize> = heads.iter().map(|(mark, _)| *mark).collect();
    let octopus = maker.commit(&last, &parents, "merge");
    let changed: Files =
        last.iter().map(|(name, lines)| (name.clone(), lines.iter().map(|line| format!("{line} + {name}")).collect())).collect();
    let fix = maker.commit(&changed, &[octopus], "fix all");
    maker.commits.push_str(&format!("reset refs/heads/main\nfrom :{fix}\n"));
    let world = World::new();
    world.import(&maker.commits);
    world
}
