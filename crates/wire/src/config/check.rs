//! Every value held against its shape: unknown keys, kinds, ranges, units, references, paths.
//!
//! What spans several keys is in `rules`.

use super::init::RepoScan;
use super::near;
use super::problem::{Problem, Secret};
use super::resolve::chosen;
use super::shape::{Case, Key, Need, Shape, article, one_of};
use super::unit;
use crate::yaml::{Node, Value};

/// Longest name of a model, a service and so on.
pub const NAME_CHARS_MAX: usize = 64;

/// What has been found so far, and what references are held against.
pub(super) struct Check<'a> {
    /// The resolved file.
    pub root: &'a Node,
    /// What the repository holds, where that is known.
    pub repo: Option<&'a RepoScan>,
    /// What has been found.
    pub problems: Vec<Problem>,
    /// Values that may be secrets: no message shows them.
    pub secrets: Vec<Secret>,
}

impl Check<'_> {
    /// Adds a problem at a node.
    pub fn add(&mut self, at: &Node, path: &str, message: String, help: Option<String>) {
        let found = at.text().map(std::borrow::Cow::into_owned).unwrap_or_default();
        if holds_login(&found) {
            self.secrets.push(Secret { line: at.line, column: at.column, text: found.clone() });
        }
        self.problems.push(Problem { line: at.line.max(1), column: at.column.max(1), path: path.to_owned(), found, message, help });
    }

    /// Holds `node` against `shape`. `key` is where a missing part is reported.
    pub fn shape(&mut self, key: &Node, node: &Node, shape: &Shape, path: &str) {
        match shape {
            Shape::Any => {}
            Shape::Table(table) => self.table(key, node, table.keys, path),
            Shape::Names { of, item, refers, .. } => self.names(node, of, item, *refers, path),
            Shape::List { item, min, max } => self.list(node, item, (*min, *max), shape, path),
            Shape::OneOrMore { item, max } if node.as_seq().is_some() => self.list(node, item, (1, *max), shape, path),
            Shape::OneOrMore { item, .. } => self.shape(key, node, item, path),
            Shape::Short { scalar, long, .. } => {
                let wanted = if node.as_map().is_some() || node.is_null() { long } else { scalar };
                if node.as_seq().is_some() {
                    self.mismatch(node, shape, path);
                } else {
                    self.shape(key, node, wanted, path);
                }
            }
            Shape::Choice(cases) => self.choice(key, node, cases, path),
            Shape::OneKey(keys) => self.one_key(node, keys, path),
            _ => self.scalar(node, shape, path),
        }
    }

    fn mismatch(&mut self, node: &Node, shape: &Shape, path: &str) {
        let last = path.rsplit('.').next().unwrap_or(path);
        let message = format!("`{last}` takes {}, not {}", shape.words(), node.kind());
        self.add(node, path, message, None);
    }

    fn table(&mut self, at: &Node, node: &Node, keys: &'static [Key], path: &str) {
        let Some(entries) = self.entries(node, "a mapping", path) else { return };
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            match keys.iter().find(|k| k.name == name) {
                Some(known) => self.shape(key, value, &known.shape, &join(path, &name)),
                None => {
                    let help = near::help(&name, keys.iter().map(|k| k.name));
                    self.add(key, path, format!("unknown key `{name}`"), help);
                }
            }
        }
        for key in keys {
            if matches!(key.need, Need::Required) && node.get(key.name).is_none() {
                let help = format!("`{}` takes {}. {}", key.name, key.shape.words(), key.doc);
                self.add(at, path, format!("`{}` is missing", key.name), Some(help));
            }
        }
    }

    fn entries<'n>(&mut self, node: &'n Node, wanted: &str, path: &str) -> Option<&'n [(Node, Node)]> {
        if node.is_null() {
            return Some(&[]);
        }
        if node.as_map().is_none() {
            let last = path.rsplit('.').next().unwrap_or(path);
            let name = if last.is_empty() { "the file" } else { last };
            self.add(node, path, format!("`{name}` takes {wanted}, not {}", node.kind()), None);
        }
        node.as_map()
    }

    fn names(&mut self, node: &Node, of: &str, item: &'static Shape, refers: Option<&str>, path: &str) {
        let Some(entries) = self.entries(node, &format!("a mapping from the name of {}", article(of)), path) else { return };
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            match refers {
                Some(section) => self.reference(key, &name, section, path),
                None if is_name(&name) => {}
                None => {
                    let help = format!("letters, digits, `-`, `_` and `.`, a letter or digit first, at most {NAME_CHARS_MAX} characters");
                    self.add(key, path, format!("`{name}` cannot be the name of {}", article(of)), Some(help));
                }
            }
            self.shape(key, value, item, &join(path, &name));
        }
    }

    fn list(&mut self, node: &Node, item: &'static Shape, (min, max): (usize, usize), shape: &Shape, path: &str) {
        let Some(items) = node.as_seq() else { return self.mismatch(node, shape, path) };
        if items.len() < min || items.len() > max {
            let message = format!("{} items; the list takes {min} to {max}", items.len());
            self.add(node, path, message, None);
        }
        for (i, value) in items.iter().enumerate() {
            self.shape(value, value, item, &format!("{path}[{i}]"));
        }
    }

    fn choice(&mut self, at: &Node, node: &Node, cases: &'static [Case], path: &str) {
        let Some(entries) = self.entries(node, "a mapping", path) else { return };
        let Some(case) = chosen(node, cases) else {
            let known: Vec<&str> = cases.iter().flat_map(|c| c.table.keys).map(|k| k.name).collect();
            let near = entries.iter().find_map(|(k, _)| k.text().and_then(|t| near::nearest(&t, known.iter().copied()).map(|n| (k, n))));
            let (place, help) = match near {
                Some((key, near)) => (key, format!("did you mean `{near}`?")),
                None => (at, format!("give one of {}", one_of(cases.iter().map(|c| c.marker)))),
            };
            return self.add(place, path, "this asks for nothing that is known".to_owned(), Some(help));
        };
        let foreign = |name: &str| cases.iter().filter(|c| !std::ptr::eq(*c, case)).any(|c| c.table.keys.iter().any(|k| k.name == name));
        let own = |name: &str| case.table.keys.iter().any(|k| k.name == name);
        let mut rest = Vec::new();
        for entry in entries {
            let name = entry.0.text().unwrap_or_default();
            if !own(&name) && foreign(&name) {
                let help = format!("with `{}` go {}", case.marker, one_of(case.table.keys.iter().map(|k| k.name)));
                self.add(&entry.0, path, format!("`{name}` does not go with `{}`", case.marker), Some(help));
            } else {
                rest.push(entry.clone());
            }
        }
        let own_part = Node { value: Value::Map(rest), ..node.clone() };
        self.table(at, &own_part, case.table.keys, path);
    }

    fn one_key(&mut self, node: &Node, keys: &'static [Key], path: &str) {
        let entries = node.as_map().unwrap_or(&[]);
        let [(key, value)] = entries else {
            let help = format!("as `- {}: {{ .. }}`", keys.first().map_or("", |k| k.name));
            let message = format!("takes a mapping with exactly one key: {}", one_of(keys.iter().map(|k| k.name)));
            return self.add(node, path, message, Some(help));
        };
        let name = key.text().unwrap_or_default();
        match keys.iter().find(|k| k.name == name) {
            Some(known) => self.shape(key, value, &known.shape, &join(path, &name)),
            None => self.add(key, path, format!("unknown key `{name}`"), near::help(&name, keys.iter().map(|k| k.name))),
        }
    }

    fn scalar(&mut self, node: &Node, shape: &Shape, path: &str) {
        let Some(text) = node.text().filter(|_| !node.is_null()) else { return self.mismatch(node, shape, path) };
        let last = path.rsplit('.').next().unwrap_or(path);
        match self.scalar_fits(node, &text, shape, path) {
            Ok(()) => {}
            Err(Misfit::Said) => {}
            Err(Misfit::Secret(help)) => {
                self.secrets.push(Secret { line: node.line, column: node.column, text: text.clone().into_owned() });
                self.add(node, path, "it is no name of an environment variable".to_owned(), Some(help.to_owned()));
            }
            Err(Misfit::Why(why, help)) => {
                let help = help.or_else(|| Some(format!("`{last}` takes {}", shape.words())));
                self.add(node, path, why, help);
            }
        }
    }

    fn scalar_fits(&mut self, node: &Node, text: &str, shape: &Shape, path: &str) -> Result<(), Misfit> {
        let why = |why: String| Misfit::Why(why, None);
        match shape {
            Shape::Variable if !is_variable(text) => {
                Err(Misfit::Secret("put the secret itself into an environment variable, and its name, as `SLACK_WEBHOOK`, here"))
            }
            Shape::Text if text.trim().is_empty() => Err(why("the text is empty".to_owned())),
            Shape::Word(words) if !words.contains(&text) => {
                let help = near::nearest(text, words.iter().copied()).map(|n| format!("did you mean `{n}`?"));
                let allowed = format!("`{text}` is not one of {}", one_of(words.iter().copied()));
                Err(Misfit::Why(if words.len() == 1 { format!("`{text}` is not {}", shape.words()) } else { allowed }, help))
            }
            Shape::Whole { min, max } => match node.as_i64() {
                Some(n) if (i64::from(*min)..=i64::from(*max)).contains(&n) => Ok(()),
                Some(_) => Err(why(format!("`{text}` is out of range"))),
                None => Err(why(format!("`{text}` is not a whole number"))),
            },
            Shape::Number { min, max, open } => number_fits(number_of(node), text, (*min, *max), *open).map_err(why),
            Shape::Share => unit::share(text).map(drop).map_err(why),
            Shape::Percent { min_bp, max_bp } => match unit::percent_bp(text) {
                Ok(bp) if (*min_bp..=*max_bp).contains(&bp) => Ok(()),
                Ok(_) => Err(why(format!("`{text}` is out of range"))),
                Err(e) => Err(why(e)),
            },
            Shape::Duration { min_ms, max_ms } => match unit::duration_ms(text) {
                Ok(ms) if (*min_ms..=*max_ms).contains(&ms) => Ok(()),
                Ok(_) => Err(why(format!("`{text}` is out of range"))),
                Err(e) => Err(why(e)),
            },
            Shape::WordOrDuration { word, .. } if text == *word => Ok(()),
            Shape::WordOrDuration { word, max_ms } => match unit::duration_ms(text) {
                Ok(ms) if ms <= *max_ms => Ok(()),
                Ok(_) => Err(why(format!("`{text}` is out of range"))),
                Err(e) => Err(Misfit::Why(e, near::nearest(text, [*word]).map(|n| format!("did you mean `{n}`?")))),
            },
            Shape::Instant => unit::instant_ms(text).map(drop).map_err(why),
            Shape::Listen => unit::listen(text).map(drop).map_err(why),
            Shape::Http => http_fits(text).map_err(why),
            Shape::UrlPath => url_path_fits(text).map_err(why),
            Shape::DataPath if text.contains("://") => unit::address(text).map_err(why),
            Shape::SourcePath | Shape::ProductPath | Shape::DataPath => {
                unit::inside(text)
                    .map_err(|e| Misfit::Why(e, Some("paths are relative to the folder of this file, with `/`".to_owned())))?;
                self.path_exists(node, text, !matches!(shape, Shape::SourcePath), path);
                Err(Misfit::Said)
            }
            Shape::Ref(section) => {
                self.reference(node, text, section, path);
                Err(Misfit::Said)
            }
            Shape::Place => {
                self.place(node, text, path);
                Err(Misfit::Said)
            }
            Shape::StageRef => Err(self.known(node, text, "stage", path, |repo| repo.stage_names())),
            Shape::MetricRef => Err(self.known(node, text, "metric", path, |repo| repo.metric_names())),
            _ => Ok(()),
        }
    }

    fn names_of(&self, section: &str) -> Vec<String> {
        self.root.get(section).and_then(Node::as_map).unwrap_or(&[]).iter().filter_map(|(k, _)| k.text().map(Into::into)).collect()
    }

    fn place(&mut self, at: &Node, name: &str, path: &str) {
        let (environments, services) = (self.names_of("environments"), self.names_of("services"));
        if environments.iter().any(|k| k == name) && services.iter().any(|k| k == name) {
            let help = format!("name the environment's services as `SERVICE{}{name}`, or call one of the two otherwise", super::AT);
            self.add(at, path, format!("`{name}` is an environment and a service"), Some(help));
        }
        let known: Vec<String> = [environments, services, super::environments::places(self.root)].concat();
        if !known.iter().any(|k| k == name) {
            let help = near::help(name, known.iter().map(String::as_str)).or_else(|| Some("there is neither one yet".to_owned()));
            self.add(at, path, format!("`{name}` is no environment, no service and no service in an environment"), help);
        }
    }

    fn reference(&mut self, at: &Node, name: &str, section: &str, path: &str) {
        let mut known = self.names_of(section);
        if section == "services" {
            known.extend(super::environments::places(self.root));
        }
        if !known.iter().any(|k| k == name) {
            let help = near::help(name, known.iter().map(String::as_str)).or_else(|| Some(format!("`{section}` has no names yet")));
            self.add(at, path, format!("`{name}` is not under `{section}`"), help);
        }
    }

    /// A name that must be among those that the repository has, where that is known.
    fn known(&mut self, at: &Node, name: &str, of: &str, path: &str, names: impl Fn(&RepoScan) -> Option<Vec<String>>) -> Misfit {
        if let Some(known) = self.repo.and_then(names)
            && !known.iter().any(|k| Some(k.as_str()) == name.split('@').next())
        {
            self.add(at, path, format!("the pipeline has no {of} `{name}`"), near::help(name, known.iter().map(String::as_str)));
        }
        Misfit::Said
    }

    fn path_exists(&mut self, at: &Node, file: &str, may_be_made: bool, path: &str) {
        let Some(repo) = self.repo else { return };
        if repo.files.contains(file) || (may_be_made && repo.writes(file)) {
            return;
        }
        let outs = repo.stages.values().flat_map(|s| &s.outs).filter(|_| may_be_made);
        let known: Vec<&str> = repo.files.iter().chain(outs).map(String::as_str).collect();
        let help = near::nearest(file, known).map(|near| format!("did you mean `{near}`?"));
        let message =
            if may_be_made { format!("there is no file `{file}`, and no stage writes it") } else { format!("there is no file `{file}`") };
        self.add(at, path, message, help);
    }
}

/// Why a scalar does not fit; `Said` when there is nothing (more) to say.
enum Misfit {
    Said,
    /// It may be a secret; the text is what to do.
    Secret(&'static str),
    Why(String, Option<String>),
}

/// Whether a text can name an environment variable.
fn is_variable(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| fits(c) && !c.is_ascii_digit()) && text.chars().all(fits)
}

/// Whether a text is an address with a password or a token before the host.
fn holds_login(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let user = rest.split(['/', '?', '#']).next().and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':') || scheme.starts_with("http"))
}

/// A number as written: presets keep theirs as text.
pub(super) fn number_of(node: &Node) -> Option<f64> {
    let plain = |node: &Node| node.raw.as_ref().and_then(|r| r.parse::<f64>().ok()).filter(|_| node.line == 0);
    node.as_f64().or_else(|| plain(node))
}

fn number_fits(number: Option<f64>, text: &str, (min, max): (f64, f64), open: bool) -> Result<(), String> {
    match number {
        None => Err(format!("`{text}` is not a number")),
        Some(n) if !n.is_finite() => Err(format!("`{text}` is not a finite number")),
        Some(n) if (open && n > min && n < max) || (!open && n >= min && n <= max) => Ok(()),
        Some(_) => Err(format!("`{text}` is out of range")),
    }
}

/// A server, without a password: secrets do not stand in this file.
fn http_fits(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if rest.contains('@') => Err("a password does not belong in this file: a token is read from the environment".to_owned()),
        Some(rest) if !rest.trim_matches('/').is_empty() && !rest.contains([' ', '?', '#']) => Ok(()),
        _ => Err(format!("`{text}` is not the address of a server")),
    }
}

fn url_path_fits(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    if text.starts_with('/') && text.chars().all(plain) && !text.contains("//") && (text == "/" || !text.ends_with('/')) {
        Ok(())
    } else {
        Err(format!("`{text}` is not the path of a URL"))
    }
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.chars().count() <= NAME_CHARS_MAX && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inner)
}

/// `a.b`, or `b` at the top.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
