//! DVC's configuration: sections of `key = value`, in layers where the nearer one wins. Files themselves are the caller's.
//!
//! Not here: what any key means, and which files are the layers.

use indexmap::IndexMap;

/// Keys of one section.
pub type Section = IndexMap<String, String>;

/// A configuration, or several laid over one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DvcConfig {
    sections: IndexMap<String, Section>,
}

impl DvcConfig {
    /// Reads one layer.
    ///
    /// # Errors
    /// A sentence with the line that cannot be read.
    pub fn parse(file: &str, text: &str) -> Result<DvcConfig, String> {
        let mut config = DvcConfig::default();
        let mut section = None;
        for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
                continue;
            }
            let wrong = |what: &str| format!("{file}:{}: {what}: `{line}`", i + 1);
            if let Some(name) = header(line) {
                config.sections.entry(name.clone()).or_default();
                section = Some(name);
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| wrong("neither `[section]` nor `key = value`"))?;
            let name = section.as_ref().ok_or_else(|| wrong("a key before the first section"))?;
            let keys = config.sections.entry(name.clone()).or_default();
            keys.insert(unquoted(key).to_lowercase(), value_of(value));
        }
        Ok(config)
    }

    /// Lays another layer over this one.
    pub fn merge(&mut self, over: DvcConfig) {
        for (name, keys) in over.sections {
            self.sections.entry(name).or_default().extend(keys);
        }
    }

    /// A key of a plain section, as `cache`, `dir`.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.sections.get(section)?.get(key).map(String::as_str)
    }

    /// Whether a key is switched on.
    #[must_use]
    pub fn is_on(&self, section: &str, key: &str) -> bool {
        self.get(section, key).is_some_and(is_true)
    }

    /// Replaces a value.
    pub fn set(&mut self, section: &str, key: &str, value: String) {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
    }

    /// The keys of a remote.
    #[must_use]
    pub fn remote(&self, name: &str) -> Option<&Section> {
        self.sections.get(&remote_section(name))
    }

    /// Names and keys of all remotes.
    pub fn remotes(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.sections.iter().filter_map(|(name, keys)| Some((name.strip_prefix("remote \"")?.strip_suffix('"')?, keys)))
    }

    /// Each section that holds a path, with the key: `url` of remotes, `dir` of the cache.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.sections.iter_mut().flat_map(|(name, keys)| {
            let cache = name == "cache";
            keys.iter_mut().filter_map(move |(key, value)| {
                let path = (cache && key == "dir") || matches!(key.as_str(), "url" | "credentialpath" | "configpath" | "keyfile");
                path.then_some(value)
            })
        })
    }
}

/// The section of a remote.
#[must_use]
pub fn remote_section(name: &str) -> String {
    format!("remote \"{}\"", name.to_lowercase())
}

/// Whether a value says yes, in any spelling that DVC takes.
#[must_use]
pub fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1")
}

/// `text` with `key` of `section` set (or taken away), everything else as it stands.
#[must_use]
pub fn with_key(text: &str, section: &str, key: &str, value: Option<&str>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let start = lines.iter().position(|line| header(line.trim()).as_deref() == Some(section));
    let Some(start) = start else {
        let Some(value) = value else { return text.to_owned() };
        let name = if section.contains(['"', ' ']) { format!("['{section}']") } else { format!("[{section}]") };
        lines.extend([name, format!("    {key} = {}", quoted(value))]);
        return lines.join("\n") + "\n";
    };
    let end = lines.iter().skip(start + 1).position(|line| header(line.trim()).is_some()).map_or(lines.len(), |n| start + 1 + n);
    let is_key = |line: &str| line.split_once('=').is_some_and(|(k, _)| unquoted(k).eq_ignore_ascii_case(key));
    let place = (start + 1..end).find(|i| lines.get(*i).is_some_and(|line| is_key(line)));
    match (place, value) {
        (Some(i), Some(value)) => lines[i] = format!("    {key} = {}", quoted(value)),
        (Some(i), None) => drop(lines.remove(i)),
        (None, Some(value)) => lines.insert(end, format!("    {key} = {}", quoted(value))),
        (None, None) => {}
    }
    lines.join("\n") + "\n"
}

/// `text` without a section.
#[must_use]
pub fn without_section(text: &str, section: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        if let Some(name) = header(line.trim()) {
            inside = name == section;
        }
        !inside
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The name in `[name]` or `['remote "x"']`; names of remotes in lower case.
fn header(line: &str) -> Option<String> {
    let line = line.split_once("] #").map_or(line.to_owned(), |(head, _)| format!("{head}]"));
    let name = unquoted(line.strip_prefix('[')?.strip_suffix(']')?);
    Some(name.to_lowercase())
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inside = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

/// A value without its quotes and without a comment behind it.
fn value_of(text: &str) -> String {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote)
            && let Some(end) = rest.find(quote)
            && (rest[end + 1..].trim().is_empty() || rest[end + 1..].trim_start().starts_with('#'))
        {
            return rest[..end].to_owned();
        }
    }
    text.split_once(" #").map_or(text, |(value, _)| value).trim().to_owned()
}

fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && value.trim() == value && !value.contains(['#', ',', '"', '\'', '\n']);
    if plain {
        value.to_owned()
    } else if value.contains('"') {
        format!("'{value}'")
    } else {
        format!("\"{value}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::{DvcConfig, remote_section, with_key, without_section};

    const TEXT: &str = "[core]\n    remote = Store\n    # kept\n['remote \"store\"']\n    url = ../x # where\n    password = \"a # b\"\n";

    #[test]
    fn layers_are_laid_over_one_another() {
        let mut config = DvcConfig::parse("config", TEXT).unwrap();
        assert_eq!(config.get("core", "remote"), Some("Store"));
        assert_eq!(config.remote("STORE").unwrap()["password"], "a # b");
        config.merge(DvcConfig::parse("local", "['remote \"store\"']\nurl = /y\n[core]\n  no_scm = Yes").unwrap());
        assert_eq!(config.remote("store").unwrap()["url"], "/y");
        assert!(config.is_on("core", "no_scm"));
        assert_eq!(config.remotes().map(|(n, _)| n).collect::<Vec<_>>(), ["store"]);
        assert!(DvcConfig::parse("config", "[core]\nwhat").unwrap_err().contains("config:2"));
        assert!(DvcConfig::parse("config", "a = 1").unwrap_err().contains("before the first section"));
    }

    #[test]
    fn edits_leave_the_rest_alone() {
        let changed = with_key(TEXT, "core", "remote", Some("other"));
        assert_eq!(changed, TEXT.replace("Store", "other"));
        let section = remote_section("New");
        let added = with_key(&changed, &section, "url", Some("s3://b/p"));
        assert!(added.ends_with("['remote \"new\"']\n    url = s3://b/p\n"));
        assert_eq!(without_section(&added, &section), changed);
        assert!(!with_key(TEXT, &remote_section("store"), "password", None).contains("password"));
    }
}
