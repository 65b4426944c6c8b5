//! Which services a change touches: by rules over paths, or by the teams of a CODEOWNERS file.
//!
//! A rule of ours gives every file it matches to its service. In CODEOWNERS the last line that matches wins, as on GitHub, and a line
//! without owners takes them away; a line that GitHub would not take is skipped and told. Owners that are people are left out.

use crate::change::Change;
use crate::mine::Mined;
use std::collections::BTreeSet;

/// Largest CODEOWNERS file that is read, in bytes: GitHub's own limit.
pub const CODEOWNERS_BYTES_MAX: usize = 3 << 20;
/// Most rules.
const RULES_MAX: usize = 20_000;
/// Longest pattern of one rule, in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;
/// Most parts of a path that are looked at.
const PARTS_MAX: usize = 200;

/// Rules over paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    rules: Vec<Rule>,
    last_wins: bool,
    skipped: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    parts: Vec<Part>,
    /// Whether it matches what lies below a folder that it names.
    below: bool,
    /// Whether it names folders alone.
    folder: bool,
    services: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`: any parts, or none.
    Any,
    Name(Vec<u8>),
}

/// Why rules are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoServices {
    /// There are too many.
    #[error("there are more than {RULES_MAX} rules of services: join some")]
    TooMany,
    /// The file is too large.
    #[error("CODEOWNERS is larger than {CODEOWNERS_BYTES_MAX} bytes: GitHub does not read it either; shorten it")]
    TooLarge,
    /// A pattern is none.
    #[error("`{0}` is no pattern of paths: give parts split by `/`, with `*`, `?` and `**`, in at most {PATTERN_BYTES_MAX} bytes")]
    Pattern(String),
}

impl Services {
    /// Where GitHub looks for the file; the first that is there counts.
    pub const CODEOWNERS: &[&str] = &[".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

    /// From patterns with the service of each, as `payments/**`.
    ///
    /// # Errors
    /// When a pattern is none, or there are too many.
    pub fn by_rules(rules: &[(&str, &str)]) -> Result<Services, NoServices> {
        if rules.len() > RULES_MAX {
            return Err(NoServices::TooMany);
        }
        let one = |(pattern, service): &(&str, &str)| {
            let rule = Rule::read(pattern, vec![(*service).to_owned()]);
            rule.ok_or_else(|| NoServices::Pattern(pattern.chars().take(PATTERN_BYTES_MAX).collect()))
        };
        let rules = rules.iter().map(one).collect::<Result<_, _>>()?;
        Ok(Services { rules, last_wins: false, skipped: Vec::new() })
    }

    /// From a CODEOWNERS file; its teams are the services.
    ///
    /// # Errors
    /// When it is too large.
    pub fn by_codeowners(text: &str) -> Result<Services, NoServices> {
        if text.len() > CODEOWNERS_BYTES_MAX {
            return Err(NoServices::TooLarge);
        }
        let mut services = Services { rules: Vec::new(), last_wins: true, skipped: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match owned(line) {
                Some(rule) => services.rules.push(rule),
                None => services.skipped.push(index + 1),
            }
            if services.rules.len() > RULES_MAX {
                return Err(NoServices::TooMany);
            }
        }
        Ok(services)
    }

    /// Everybody who owns something, as often as a rule says so.
    pub fn owners(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| rule.services.iter().map(String::as_str))
    }

    /// Lines of the file that were skipped, counted from 1.
    #[must_use]
    pub fn skipped(&self) -> &[usize] {
        &self.skipped
    }

    /// The services of a path.
    #[must_use]
    pub fn of_path(&self, path: &[u8]) -> BTreeSet<&str> {
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').take(PARTS_MAX).collect();
        let mut matching = self.rules.iter().filter(|rule| rule.matches(&parts));
        if self.last_wins {
            return matching.next_back().map(|rule| rule.services.iter().map(String::as_str).collect()).unwrap_or_default();
        }
        matching.flat_map(|rule| rule.services.iter().map(String::as_str)).collect()
    }

    /// The services of a change: of every file of it, under its old path too.
    #[must_use]
    pub fn of_change(&self, mined: &Mined, change: &Change) -> BTreeSet<&str> {
        let paths = change.files.iter().flat_map(|file| std::iter::once(file.path).chain(file.from));
        paths.flat_map(|path| self.of_path(mined.path(path))).collect()
    }
}

/// A line of CODEOWNERS: a pattern, in which a space is written `\ `, then owners up to a `#`.
fn owned(line: &str) -> Option<Rule> {
    let (mut pattern, mut escaped, mut end) = (String::new(), false, line.len());
    for (at, letter) in line.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            ' ' | '\t' if !escaped => {
                end = at;
                break;
            }
            letter => {
                pattern.push(letter);
                escaped = false;
            }
        }
    }
    let owners = line.get(end..).unwrap_or_default().split('#').next().unwrap_or_default().split_whitespace();
    let mut services = Vec::new();
    for owner in owners {
        let team = owner.strip_prefix('@').is_some_and(|name| name.contains('/'));
        if !owner.contains('@') {
            return None;
        }
        if team {
            services.push(owner.to_owned());
        }
    }
    // GitHub knows neither negation nor sets of letters.
    if pattern.starts_with('!') || pattern.contains('[') || pattern.contains(']') {
        return None;
    }
    Rule::read(&pattern, services)
}

impl Rule {
    fn read(pattern: &str, services: Vec<String>) -> Option<Rule> {
        let rooted = pattern.trim_end_matches('/').contains('/');
        let folder = pattern.ends_with('/');
        let inner = pattern.trim_matches('/');
        if inner.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let mut parts: Vec<Part> =
            inner.split('/').map(|part| if part == "**" { Part::Any } else { Part::Name(part.as_bytes().to_vec()) }).collect();
        if parts.contains(&Part::Name(Vec::new())) {
            return None;
        }
        // A name without a slash before its end stands anywhere.
        if !rooted {
            parts.insert(0, Part::Any);
        }
        // `docs/*` is what lies in `docs`, and not below; a name may be a folder's.
        let below = !(rooted && inner.ends_with("/*"));
        Some(Rule { parts, below, folder, services })
    }

    fn matches(&self, path: &[&[u8]]) -> bool {
        // reached[n]: the parts of the pattern up to here match the first n of the path.
        let mut reached = vec![false; path.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        for part in &self.parts {
            let mut next = vec![false; path.len() + 1];
            match part {
                Part::Any => {
                    let mut any = false;
                    for (to, from) in next.iter_mut().zip(&reached) {
                        any = any || *from;
                        *to = any;
                    }
                }
                Part::Name(pattern) => {
                    for ((to, from), name) in next.iter_mut().skip(1).zip(&reached).zip(path) {
                        *to = *from && alike(pattern, name);
                    }
                }
            }
            reached = next;
        }
        let (whole, folders) = (reached.last() == Some(&true), reached.len().saturating_sub(1));
        let above = reached.iter().take(folders).skip(1).any(|reached| *reached);
        (whole && !self.folder) || (self.below && above)
    }
}

/// `*` is any letters of one part, `?` is one.
fn alike(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of, mut star) = (0, 0, None);
    while let Some(byte) = name.get(at) {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => (at, of) = (at + 1, of + 1),
            _ => match star {
                // The last star takes one more.
                Some((star_of, star_at)) => {
                    star = Some((star_of, star_at + 1));
                    (of, at) = (star_of + 1, star_at + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(of..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNERS: &str = "
# everything else
*       @org/all you@example.com
*.js    @org/js # inline
/build/logs/ @org/logs
docs/*  docs@example.com @org/docs
apps/   @org/apps
/a\\ b/  @org/space
**/deep @org/deep
/apps/none
!x @org/no
[ab] @org/no
z.txt notanowner
";

    #[test]
    fn the_last_line_of_codeowners_wins() {
        let services = Services::by_codeowners(OWNERS).unwrap();
        for (path, wanted) in [
            ("README", "@org/all"),
            ("x/y.js", "@org/js"),
            ("build/logs/a/b", "@org/logs"),
            ("x/build/logs/a", "@org/all"),
            ("docs/a", "@org/docs"),
            ("docs/a/b", "@org/all"),
            ("x/docs/a", "@org/all"),
            ("x/apps/a/b.js", "@org/apps"),
            ("apps", "@org/all"),
            ("a b/c", "@org/space"),
            ("x/y/deep/z", "@org/deep"),
            ("deep", "@org/deep"),
            ("apps/none/x", ""),
        ] {
            assert_eq!(services.of_path(path.as_bytes()).into_iter().collect::<Vec<_>>().join(","), wanted, "{path}");
        }
        assert_eq!(services.skipped(), [11, 12, 13]);
    }

    #[test]
    fn every_rule_of_ours_that_matches_counts() {
        let services = Services::by_rules(&[("pay/**", "payments"), ("**/*.sql", "database"), ("s?op", "shop")]).unwrap();
        let of = |path: &str| services.of_path(path.as_bytes()).into_iter().collect::<Vec<_>>().join(",");
        assert_eq!([of("pay/a.sql"), of("x/stop/y"), of("a.rs")], ["database,payments", "shop", ""]);
        assert!(Services::by_rules(&[("a//b", "x")]).is_err() && Services::by_rules(&[("/", "x")]).is_err());
        let hard = Services::by_rules(&[("*a*a*a*a*a*a*a*a*b", "x")]).unwrap();
        assert!(hard.of_path(&[b'a'; 5_000]).is_empty());
    }
}
