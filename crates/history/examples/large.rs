//! Makes a repository of many commits by `git fast-import`, always the same one:
//! `cargo run --release -p tidegate-history --example large -- FOLDER [COMMITS]`, for `mine` to be measured on.
//!
//! Forty authors with their own folders, files that most changes go to, branches that are merged (some with both sides in one file),
//! renames, deletions, tests, a lock file, fixes.

use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use std::rc::Rc;

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or(0)
    }

    /// Most of the time small.
    fn skewed(&mut self, limit: usize) -> usize {
        let (a, b, c) = (self.below(limit), self.below(limit), self.below(limit));
        a.min(b).min(c)
    }
}

#[derive(Clone)]
struct File {
    path: String,
    lines: Rc<Vec<Rc<str>>>,
}

struct Maker<W> {
    chance: Chance,
    out: W,
    files: Vec<File>,
    mark: usize,
    at_s: u64,
    made: usize,
}

#[derive(Clone)]
struct Edit {
    file: usize,
    at: usize,
    gone: usize,
    come: Vec<Rc<str>>,
}

impl<W: Write> Maker<W> {
    fn line(&mut self) -> String {
        let words = ["value", "request", "state", "next", "count", "reader", "limit", "time"];
        match self.chance.below(12) {
            0 => String::new(),
            1 => format!("    // {} {}", words[self.chance.below(8)], self.chance.below(1_000)),
            2 => "    }".to_owned(),
            _ => format!(
                "    let {}_{} = {}({});",
                words[self.chance.below(8)],
                self.chance.below(50),
                words[self.chance.below(8)],
                self.chance.below(100_000)
            ),
        }
    }

    fn edits(&mut self) -> Vec<Edit> {
        let mut edits: Vec<Edit> = Vec::new();
        for _ in 0..1 + self.chance.skewed(8) {
            let file = self.chance.skewed(self.files.len());
            for _ in 0..1 + self.chance.skewed(5) {
                let at = self.chance.below(self.files[file].lines.len());
                let (gone, come) = (self.chance.below(4), self.chance.below(6));
                let come = (0..come).map(|_| self.line().into()).collect();
                edits.push(Edit { file, at, gone, come });
            }
        }
        edits
    }

    fn apply(files: &mut [File], edits: &[Edit]) {
        for edit in edits {
            let lines = Rc::make_mut(&mut files[edit.file].lines);
            let at = edit.at.min(lines.len());
            let end = (at + edit.gone).min(lines.len());
            lines.splice(at..end, edit.come.iter().cloned());
        }
    }

    fn head(&mut self, branch: &str, message: &str, from: Option<usize>, merged: Option<usize>) -> std::io::Result<usize> {
        self.mark += 1;
        self.made += 1;
        self.at_s += 600 + self.chance.below(9_000) as u64;
        let author = self.chance.skewed(40);
        writeln!(self.out, "commit refs/heads/{branch}\nmark :{}", self.mark)?;
        writeln!(self.out, "committer author {author} <a{author}@example.com> {} +0100\ndata {}\n{message}", self.at_s, message.len())?;
        if let Some(from) = from {
            writeln!(self.out, "from :{from}")?;
        }
        if let Some(merged) = merged {
            writeln!(self.out, "merge :{merged}")?;
        }
        Ok(self.mark)
    }

    fn content(&mut self, file: &File) -> std::io::Result<()> {
        let text: String = file.lines.iter().flat_map(|line| [&**line, "\n"]).collect();
        writeln!(self.out, "M 644 inline {}\ndata {}\n{text}", file.path, text.len())
    }

    fn contents(&mut self, files: &[File], edits: &[Edit]) -> std::io::Result<()> {
        let mut touched: Vec<usize> = edits.iter().map(|edit| edit.file).collect();
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().try_for_each(|file| self.content(&files[file].clone()))
    }

    fn message(&mut self) -> &'static str {
        ["fix what was wrong", "a feature", "another feature", "faster", "tests", "words", "Fixes #12: state", "refactor"]
            [self.chance.below(8)]
    }

    fn plain(&mut self, main: usize) -> std::io::Result<usize> {
        let message = self.message();
        let mark = self.head("main", message, Some(main), None)?;
        let edits = self.edits();
        let mut files = std::mem::take(&mut self.files);
        Self::apply(&mut files, &edits);
        if self.chance.below(10) == 0 {
            let number = files.len();
            let folder = ["core", "wire", "web", "tests", "store"][self.chance.below(5)];
            let lines = (0..50 + self.chance.below(300)).map(|_| self.line().into()).collect::<Vec<_>>().into();
            files.push(File { path: format!("{folder}/part{}/f{number}.rs", number % 37), lines });
            self.content(&files[number].clone())?;
        }
        if self.chance.below(50) == 0 {
            let at = self.chance.below(files.len());
            let to = format!("{}x.rs", files[at].path.trim_end_matches(".rs"));
            writeln!(self.out, "R {} {to}", files[at].path)?;
            files[at].path = to;
        }
        self.contents(&files, &edits)?;
        self.files = files;
        Ok(mark)
    }

    /// A branch of some commits, main going on beside it, and the merge.
    fn branch(&mut self, main: usize) -> std::io::Result<usize> {
        let (mut side_files, mut side, mut all) = (self.files.clone(), main, Vec::new());
        for _ in 0..1 + self.chance.below(4) {
            let message = self.message();
            let edits = self.edits();
            side = self.head("side", message, Some(side), None)?;
            Self::apply(&mut side_files, &edits);
            self.contents(&side_files, &edits)?;
            all.extend(edits);
        }
        let mut main = main;
        for _ in 0..self.chance.below(3) {
            main = self.plain(main)?;
        }
        let mark = self.head("main", "merge", Some(main), Some(side))?;
        let mut files = self.files.clone();
        Self::apply(&mut files, &all);
        self.contents(&files, &all)?;
        self.files = files;
        Ok(mark)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = arguments.get(1).ok_or("give a folder")?;
    let commits: usize = arguments.get(2).map_or(Ok(20_000), |commits| commits.parse())?;
    Command::new("git").args(["init", "-q", "-b", "main", "--", folder]).status()?;
    let mut child = Command::new("git").arg("-C").arg(folder).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn()?;
    let out = BufWriter::with_capacity(1 << 20, child.stdin.take().ok_or("git takes nothing")?);
    let mut maker = Maker { chance: Chance(42), out, files: Vec::new(), mark: 0, at_s: 1_400_000_000, made: 0 };
    for number in 0..300 {
        let lines = (0..50 + maker.chance.below(400)).map(|_| maker.line().into()).collect::<Vec<_>>().into();
        maker.files.push(File { path: format!("{}/part{}/f{number}.rs", ["core", "wire", "web"][number % 3], number % 37), lines });
    }
    let mut main = maker.head("main", "first", None, None)?;
    for file in maker.files.clone() {
        maker.content(&file)?;
    }
    while maker.made < commits {
        main = if maker.chance.below(8) == 0 { maker.branch(main)? } else { maker.plain(main)? };
    }
    maker.out.flush()?;
    drop(maker.out);
    println!("{} commits, {} files, git: {}", maker.made, maker.files.len(), child.wait()?);
    Ok(())
}
