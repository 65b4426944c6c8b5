//! Problems of a file: all of them at once, each with its place, for people and as JSON.

use std::fmt;

/// Most problems that are kept; the rest are counted.
pub const PROBLEMS_MAX: usize = 100;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Where in the structure, as `releases.default.judge.alpha`.
    pub path: String,
    /// The text that is wrong, as written.
    pub found: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// All mistakes of a file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// Name of the file.
    pub file: String,
    /// The mistakes, [`PROBLEMS_MAX`] at most.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
    lines: Vec<String>,
}

impl std::error::Error for Problems {}

/// A value that no message shows.
pub(super) struct Secret {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// As it is read.
    pub text: String,
}

/// Shortest part of a secret that is looked for outside its own place: shorter ones stand in every text.
const SECRET_CHARS_MIN: usize = 4;

impl Problems {
    /// Of `text`, in file order, without repetitions.
    pub(crate) fn new(file: &str, text: &str, mut problems: Vec<Problem>) -> Problems {
        problems.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
        problems.dedup();
        let more = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        Problems { file: file.to_owned(), problems, more, lines: text.lines().map(str::to_owned).collect() }
    }

    /// Takes secrets out of everything that is shown; columns stay what they are.
    pub(super) fn hide(&mut self, secrets: &[Secret]) {
        for secret in secrets {
            let index = usize::try_from(secret.line).unwrap_or(usize::MAX).wrapping_sub(1);
            if let Some(line) = self.lines.get_mut(index) {
                *line = starred_at(line, secret);
            }
            // Elsewhere too: a block of several lines, the same secret once more.
            for part in secret.text.lines().map(str::trim).filter(|part| part.chars().count() >= SECRET_CHARS_MIN) {
                let shown = self.problems.iter_mut().flat_map(|p| [Some(&mut p.found), Some(&mut p.message), p.help.as_mut()]).flatten();
                for text in self.lines.iter_mut().chain(shown).filter(|text| text.contains(part)) {
                    *text = text.replace(part, &stars(part));
                }
            }
        }
        let at = |problem: &Problem| secrets.iter().any(|s| (s.line.max(1), s.column.max(1)) == (problem.line, problem.column));
        self.problems.iter_mut().filter(|problem| at(problem)).for_each(|problem| problem.found = stars(&problem.found));
    }

    /// `{"file":..,"problems":[{"line":..,"column":..,"path":..,"found":..,"message":..,"help":..}],"more":0}`
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "file": self.file, "problems": self.problems, "more": self.more })
    }

    fn one(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let Problem { line, column, path, found, message, help } = problem;
        writeln!(f, "error: {message}")?;
        let margin = " ".repeat(line.to_string().len());
        let at = if path.is_empty() { String::new() } else { format!(" ({path})") };
        writeln!(f, "{margin}--> {}:{line}:{column}{at}", self.file)?;
        let index = usize::try_from(*line).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(source) = self.lines.get(index) {
            let (shown, before) = window(source, *column, found);
            writeln!(f, "{margin} |\n{line} | {shown}\n{margin} | {before}{}", "^".repeat(carets(source, *column, found)))?;
        }
        match help {
            Some(help) => writeln!(f, "{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

fn stars(text: &str) -> String {
    "*".repeat(text.chars().count())
}

/// The line without the secret; without its rest where the secret is written otherwise than it is read.
fn starred_at(line: &str, secret: &Secret) -> String {
    let at = usize::try_from(secret.column).unwrap_or(usize::MAX).saturating_sub(1);
    let before: String = line.chars().take(at).collect();
    let rest: String = line.chars().skip(at).collect();
    let quote: String = rest.chars().take_while(|c| matches!(c, '"' | '\'')).take(1).collect();
    match rest[quote.len()..].strip_prefix(secret.text.as_str()) {
        Some(after) => format!("{before}{quote}{}{after}", stars(&secret.text)),
        None => format!("{before}{}", stars(&rest)),
    }
}

/// Longest part of a source line that is shown.
const SHOWN_CHARS_MAX: usize = 120;

/// The part of a line around a column, and the blanks before the caret.
fn window(source: &str, column: u32, found: &str) -> (String, String) {
    let chars: Vec<char> = source.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let at = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1).min(chars.len());
    let end = at + found.chars().count().min(SHOWN_CHARS_MAX / 2);
    let from = if end > SHOWN_CHARS_MAX { at.saturating_sub(SHOWN_CHARS_MAX / 2) } else { 0 };
    let shown: String = chars.iter().skip(from).take(SHOWN_CHARS_MAX).collect();
    let cut_before = if from > 0 { "..." } else { "" };
    let cut_after = if chars.len() > from + SHOWN_CHARS_MAX { "..." } else { "" };
    (format!("{cut_before}{shown}{cut_after}").trim_end().to_owned(), " ".repeat(at - from + cut_before.len()))
}

/// How wide the mark is: the text that is wrong where it stands there, else one.
fn carets(source: &str, column: u32, found: &str) -> usize {
    let at = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let rest: String = source.chars().skip(at).collect();
    let quote = usize::from(rest.starts_with(['"', '\'']));
    let stands_there = rest.chars().skip(quote).collect::<String>().starts_with(found);
    if stands_there { (found.chars().count() + 2 * quote).clamp(1, SHOWN_CHARS_MAX / 2) } else { 1 }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            self.one(f, problem)?;
            writeln!(f)?;
        }
        let total = self.problems.len() + self.more;
        if self.more > 0 {
            writeln!(f, "... and {} more", self.more)?;
        }
        write!(f, "{}: {total} {}", self.file, if total == 1 { "problem" } else { "problems" })
    }
}
