//! What `.dvcignore` leaves out: patterns as Git's, the last one that matches decides.
//!
//! Patterns become regular expressions by the rules that DVC's own matcher follows, corners included (`*/` matches nothing),
//! because a file more or less in a directory is another digest of it. Not here: `.gitignore`.

use crate::error::PathIo;
use regex::Regex;
use std::path::{Path, PathBuf};

/// The file of patterns.
pub(crate) const FILE: &str = ".dvcignore";
/// Directories that are never looked into.
const NEVER_DIRECTORIES: [&str; 3] = [".git", ".hg", ".dvc"];
/// Patterns in all files together.
const PATTERNS_MAX: usize = 10_000;

struct Rule {
    regex: Regex,
    ignores: bool,
    directories_only: bool,
}

/// The patterns that hold at one place of a repository.
#[derive(Default)]
pub(crate) struct Rules {
    /// The repository; none outside of one, where nothing is ignored but the folders of version control.
    root: Option<PathBuf>,
    rules: Vec<Rule>,
    /// Where in the repository these rules were asked for, with a slash at its end unless empty.
    pub(crate) place: String,
}

impl Rules {
    /// What holds inside of `directory`: the patterns of all folders from the repository's root down to the one above.
    pub(crate) fn above(directory: &Path) -> Result<Rules, PathIo> {
        let Some(root) = directory.ancestors().find(|d| d.join(".dvc").is_dir()) else { return Ok(Rules::default()) };
        let mut rules = Rules { root: Some(root.to_path_buf()), ..Rules::default() };
        let inner = directory.strip_prefix(root).unwrap_or(Path::new(""));
        let mut folder = root.to_path_buf();
        let mut place = String::new();
        for part in inner.components() {
            rules.read(&folder, &place)?;
            folder.push(part);
            place = format!("{place}{}/", part.as_os_str().to_string_lossy());
        }
        if inner.as_os_str().is_empty() {
            rules.read(root, "")?;
        }
        rules.place = place;
        Ok(rules)
    }

    /// Adds the patterns of `folder`, which lies at `place` (with a slash at its end) in the repository.
    pub(crate) fn read(&mut self, folder: &Path, place: &str) -> Result<(), PathIo> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(PathIo::at("read", &path)(error)),
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let line = if place.is_empty() { line.to_owned() } else { moved(line, place.trim_end_matches('/')) };
            if let Some(rule) = rule_of(&line) {
                if self.rules.len() >= PATTERNS_MAX {
                    return Err(PathIo::at("read", &path)(std::io::Error::other(format!("more than {PATTERNS_MAX} patterns"))));
                }
                self.rules.push(rule);
            }
        }
        Ok(())
    }

    /// Whether `name` at `prefix` (seen from where the rules were asked for, with a slash at its end) is left out.
    pub(crate) fn ignored(&self, prefix: &str, name: &str, is_dir: bool) -> bool {
        if !self.rules.is_empty() {
            let path = format!("{}{prefix}{name}", self.place);
            if let Some(verdict) = self.verdict(&path, is_dir) {
                return verdict;
            }
        }
        if is_dir { NEVER_DIRECTORIES.contains(&name) } else { name == ".git" && self.root.is_some() }
    }

    /// Whether a path from the repository's root is left out, itself or by a folder above it.
    pub(crate) fn ignored_anywhere(&self, path: &str, is_dir: bool) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        (1..=parts.len()).any(|n| {
            let here = parts[..n].join("/");
            let dir = is_dir || n < parts.len();
            self.verdict(&here, dir).unwrap_or_else(|| dir && parts.get(n - 1).is_some_and(|p| NEVER_DIRECTORIES.contains(p)))
        })
    }

    fn verdict(&self, path: &str, is_dir: bool) -> Option<bool> {
        let with_slash = is_dir.then(|| format!("{path}/"));
        self.rules
            .iter()
            .rev()
            .filter(|rule| is_dir || !rule.directories_only)
            .find(|rule| rule.regex.is_match(path) || with_slash.as_ref().is_some_and(|p| rule.regex.is_match(p)))
            .map(|rule| rule.ignores)
    }
}

/// A pattern of the folder `place`, written as one of the repository's root.
fn moved(rule: &str, place: &str) -> String {
    let (sign, rule) = rule.strip_prefix('!').map_or(("", rule), |rest| ("!", rest));
    let mut end = rule.len();
    while end > 0 {
        end -= 1;
        if rule.is_char_boundary(end) {
            break;
        }
    }
    let anchored = rule[..end].contains('/') && !rule.starts_with("**/");
    let rule = if anchored { rule.strip_prefix('/').unwrap_or(rule) } else { rule.strip_prefix("**/").unwrap_or(rule) };
    let rule = rule.strip_prefix('\\').unwrap_or(rule);
    format!("{sign}/{place}{}{rule}", if anchored { "/" } else { "/**/" })
}

/// None for what matches nothing: blanks, comments, `/`, and what Git throws away.
fn rule_of(line: &str) -> Option<Rule> {
    let pattern = if line.ends_with("\\ ") { line } else { line.trim_end() };
    if pattern.is_empty() || pattern.starts_with('#') || pattern == "/" {
        return None;
    }
    let directories_only = pattern.ends_with('/');
    let (ignores, pattern) = pattern.strip_prefix('!').map_or((true, pattern), |rest| (false, rest));
    let regex = Regex::new(&format!(r"(?s)\A(?:{})", expression(pattern)?)).ok()?;
    Some(Rule { regex, ignores, directories_only })
}

fn expression(pattern: &str) -> Option<String> {
    let mut parts: Vec<&str> = pattern.split('/').collect();
    let is_dir = parts.last() == Some(&"");
    if parts.first() == Some(&"") {
        parts.remove(0);
    } else if (parts.len() == 1 || (parts.len() == 2 && parts[1].is_empty())) && parts[0] != "**" {
        parts.insert(0, "**");
    }
    *parts.last_mut()? = if parts.last() == Some(&"") { "**" } else { parts.last().copied()? };
    parts.dedup_by(|a, b| *a == "**" && *b == "**");
    match parts[..] {
        ["**"] if is_dir => return Some("/".to_owned()),
        ["**"] | ["**", "*"] => return Some(".".to_owned()),
        ["**", "*", "**"] => return Some("/".to_owned()),
        _ => {}
    }
    let end = parts.len() - 1;
    let (mut out, mut slash) = (String::new(), false);
    for (i, part) in parts.iter().enumerate() {
        if *part == "**" {
            if i == 0 {
                out.push_str("(?:.+/)?");
            } else if i < end {
                out.push_str("(?:/.+)?");
                slash = true;
            } else {
                out.push('/');
            }
            continue;
        }
        if slash {
            out.push('/');
        }
        if *part == "*" {
            out.push_str("[^/]+")
        } else {
            glob(part, &mut out)?
        }
        if i == end {
            out.push_str("(?:/|$)");
        }
        slash = true;
    }
    Some(out)
}

/// A part without slashes. None for a bracket that is not closed and for a backslash at the end.
fn glob(part: &str, out: &mut String) -> Option<()> {
    let chars: Vec<char> = part.chars().collect();
    let mut i = 0;
    while let Some(&c) = chars.get(i) {
        i += 1;
        match c {
            '\\' => {
                out.push_str(&regex::escape(&chars.get(i)?.to_string()));
                i += 1;
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                let negated = matches!(chars.get(i), Some('!' | '^'));
                let first = i + usize::from(negated);
                let from = first + usize::from(chars.get(first) == Some(&']'));
                let close = from + chars.get(from..)?.iter().position(|c| *c == ']')?;
                out.push_str(if negated { "[^" } else { "[" });
                for c in &chars[first..close] {
                    if matches!(c, '\\' | '[' | ']' | '&' | '~' | '^') {
                        out.push('\\');
                    }
                    out.push(*c);
                }
                out.push(']');
                i = close + 1;
            }
            other => out.push_str(&regex::escape(&other.to_string())),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Rules, moved, rule_of};

    fn ignored(patterns: &[&str], path: &str, is_dir: bool) -> bool {
        let rules = Rules { rules: patterns.iter().filter_map(|p| rule_of(p)).collect(), ..Rules::default() };
        rules.ignored_anywhere(path, is_dir)
    }

    #[test]
    fn patterns_decide_as_in_git_with_the_corners_of_dvc() {
        assert!(ignored(&["*.tmp"], "a/b.tmp", false));
        assert!(!ignored(&["/*.tmp"], "a/b.tmp", false));
        assert!(ignored(&["*.tmp", "!keep.tmp"], "a/b.tmp", false));
        assert!(!ignored(&["*.tmp", "!keep.tmp"], "a/keep.tmp", false));
        assert!(ignored(&["build/"], "x/build/a", false));
        assert!(!ignored(&["build/"], "build", false));
        assert!(ignored(&["a/**/z"], "a/b/c/z", false));
        assert!(ignored(&["a/**/z"], "a/z", false));
        assert!(!ignored(&["a/z"], "b/a/z", false));
        assert!(ignored(&["[!ab].x"], "c.x", false));
        assert!(!ignored(&["[!ab].x"], "a.x", false));
        assert!(ignored(&["f?o"], "füo", false));
        assert!(!ignored(&["[ab"], "a", false));
        assert!(!ignored(&["*/"], "a", true));
        assert!(ignored(&["*"], "a", false));
        assert!(ignored(&["\\#x"], "#x", false));
        assert!(ignored(&[], "a/.git/b", false));
    }

    #[test]
    fn patterns_of_a_folder_stay_in_it() {
        assert_eq!(moved("*.x", "a/b"), "/a/b/**/*.x");
        assert_eq!(moved("!/c/d", "a"), "!/a/c/d");
        assert_eq!(moved("c/", "a"), "/a/**/c/");
        assert_eq!(moved("**/c", "a"), "/a/**/c");
    }
}
