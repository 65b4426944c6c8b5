//! `.dvc` files, and the outputs that `dvc.lock` records: what is tracked, with which digest, in DVC 3's form or the older one.
//!
//! What is not understood stays in the file as it is. Not here: stages (`pipeline`), files themselves.

use super::emit::dump;
use super::error::{DvcError, Problem};
use super::scalar::value_of;
use crate::yaml;
use serde_json::{Map, Value, json};

/// How a digest was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashKind {
    /// MD5 of the bytes (DVC 3).
    #[default]
    Md5,
    /// MD5 with the line ends of text made those of Unix (DVC before 3).
    Dos2Unix,
}

/// One file or directory that an entry names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Path as written.
    pub path: String,
    /// How the digest was made.
    pub kind: HashKind,
    /// MD5 in lower case, with `.dir` for a directory; none where nothing is recorded yet.
    pub md5: Option<String>,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// Files of a directory.
    pub files: Option<u64>,
    /// Executable.
    pub executable: bool,
    /// Whether the cache keeps it.
    pub cache: bool,
    /// Whether it goes to a remote.
    pub push: bool,
    /// The remote that it goes to, where that is not the default one.
    pub remote: Option<String>,
    /// What a server calls this version of a source outside.
    pub etag: Option<String>,
}

/// A `.dvc` file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DvcFile {
    root: Map<String, Value>,
    /// Lines of comment at the top.
    head: String,
}

impl DvcFile {
    /// Reads one.
    ///
    /// # Errors
    /// When it is not YAML, or not a mapping.
    pub fn parse(file: &str, text: &str) -> Result<DvcFile, DvcError> {
        let node = yaml::parse(text).map_err(|e| DvcError::one(file, e))?;
        let head = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        match value_of(&node).map_err(|p| DvcError::one(file, p))? {
            Value::Null => Ok(DvcFile { root: Map::new(), head }),
            Value::Object(root) => {
                let found = DvcFile { root, head };
                for entry in found.raw("outs").iter().chain(found.raw("deps")) {
                    if entry.get("path").and_then(Value::as_str).is_none() {
                        return Err(DvcError::one(file, Problem::at(&node, "an entry of `outs` or `deps` has no `path`")));
                    }
                    if entry.get("md5").is_some_and(|m| !m.as_str().is_some_and(is_oid)) {
                        return Err(DvcError::one(file, Problem::at(&node, "an `md5` is not 32 hex digits, perhaps with `.dir`")));
                    }
                }
                Ok(found)
            }
            _ => Err(DvcError::one(file, Problem::at(&node, "a .dvc file is a mapping with `outs`"))),
        }
    }

    fn raw(&self, key: &str) -> &[Value] {
        self.root.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What it tracks.
    #[must_use]
    pub fn outs(&self) -> Vec<Entry> {
        self.raw("outs").iter().filter_map(entry_of).collect()
    }

    /// Where that comes from.
    #[must_use]
    pub fn deps(&self) -> Vec<Entry> {
        self.raw("deps").iter().filter_map(entry_of).collect()
    }

    /// The directory from which paths are seen, relative to the file's.
    #[must_use]
    pub fn wdir(&self) -> &str {
        self.root.get("wdir").and_then(Value::as_str).unwrap_or("")
    }

    /// Whether its dependencies are not looked at.
    #[must_use]
    pub fn frozen(&self) -> bool {
        self.root.get("frozen").or_else(|| self.root.get("locked")).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A text of the file itself, as `desc`.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.root.get(key).and_then(Value::as_str)
    }

    /// Sets a key of the file itself.
    pub fn set(&mut self, key: &str, value: Value) {
        self.root.insert(key.to_owned(), value);
    }

    /// Takes a key of the file itself away.
    pub fn unset(&mut self, key: &str) {
        self.root.shift_remove(key);
    }

    /// Gives each output and dependency the path that `new` makes of its own.
    pub fn rename(&mut self, new: impl Fn(&str) -> String) {
        for list in ["outs", "deps"] {
            for item in self.root.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(path) = item.get_mut("path")
                    && let Some(text) = path.as_str()
                {
                    *path = json!(new(text));
                }
            }
        }
    }

    /// Records an output (or a dependency); one that is there already keeps its place and what else it says.
    pub fn record(&mut self, list: &str, entry: &Entry) {
        let items = self.root.entry(list).or_insert_with(|| json!([]));
        if !items.is_array() {
            *items = json!([]);
        }
        let Some(items) = items.as_array_mut() else { return };
        let old = items.iter_mut().find(|item| item.get("path").and_then(Value::as_str) == Some(&entry.path));
        if let Some(Value::Object(old)) = old {
            let mut fields = fields_of(entry);
            for key in ["checksum", "etag", "md5", "size", "nfiles", "isexec", "hash", "path"] {
                match fields.shift_remove(key) {
                    Some(value) => drop(old.insert(key.to_owned(), value)),
                    None => drop(old.shift_remove(key)),
                }
            }
            return;
        }
        items.push(Value::Object(fields_of(entry)));
    }

    /// Sets a key of the first output, as `desc`.
    pub fn annotate(&mut self, key: &str, value: Value) {
        let first = self.root.get_mut("outs").and_then(Value::as_array_mut).and_then(|items| items.first_mut());
        if let Some(Value::Object(out)) = first {
            out.insert(key.to_owned(), value);
        }
    }

    /// The values, for digests over them.
    #[must_use]
    pub fn values(&self) -> &Map<String, Value> {
        &self.root
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        format!("{}{}", self.head, dump(&Value::Object(self.root.clone())))
    }
}

/// The outputs that a lock file records, by stage.
///
/// # Errors
/// When it is not YAML.
pub fn lock_outputs(file: &str, text: &str) -> Result<Vec<(String, Vec<Entry>)>, DvcError> {
    let node = yaml::parse(text).map_err(|e| DvcError::one(file, e))?;
    let root = value_of(&node).map_err(|p| DvcError::one(file, p))?;
    let Value::Object(mut root) = root else { return Ok(Vec::new()) };
    // Lock files of schema 1 are the stages themselves.
    let stages = if root.contains_key("schema") { root.shift_remove("stages").unwrap_or_default() } else { Value::Object(root) };
    let Value::Object(stages) = stages else { return Ok(Vec::new()) };
    let entries = |stage: &Value| stage.get("outs").and_then(Value::as_array).into_iter().flatten().filter_map(entry_of).collect();
    Ok(stages.iter().map(|(name, stage)| (name.clone(), entries(stage))).collect())
}

/// Whether this is the name of an object: 32 hex digits, perhaps with `.dir`. It becomes a path, so nothing else may.
#[must_use]
pub fn is_oid(text: &str) -> bool {
    let hex = text.strip_suffix(".dir").unwrap_or(text);
    hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn entry_of(value: &Value) -> Option<Entry> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str, otherwise: bool| value.get(key).and_then(Value::as_bool).unwrap_or(otherwise);
    Some(Entry {
        path: text("path")?,
        kind: if value.get("hash").is_some() { HashKind::Md5 } else { HashKind::Dos2Unix },
        md5: text("md5").filter(|m| is_oid(m)),
        size_bytes: value.get("size").and_then(Value::as_u64),
        files: value.get("nfiles").and_then(Value::as_u64),
        executable: flag("isexec", false),
        cache: flag("cache", true),
        push: flag("push", true),
        remote: text("remote"),
        etag: text("etag").or_else(|| text("checksum")),
    })
}

fn fields_of(entry: &Entry) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    // A source outside is known by what its server says, which DVC writes before the size.
    put(if entry.path.starts_with("http") { "checksum" } else { "etag" }, entry.etag.as_ref().map(|e| json!(e)));
    put("md5", entry.md5.as_ref().map(|m| json!(m)));
    put("size", entry.size_bytes.map(|n| json!(n)));
    put("nfiles", entry.files.map(|n| json!(n)));
    put("isexec", entry.executable.then(|| json!(true)));
    put("hash", (entry.kind == HashKind::Md5).then(|| json!("md5")));
    put("path", Some(json!(entry.path)));
    put("remote", entry.remote.as_ref().map(|r| json!(r)));
    put("cache", (!entry.cache).then(|| json!(false)));
    put("push", (!entry.push).then(|| json!(false)));
    fields
}

#[cfg(test)]
mod tests {
    use super::{DvcFile, Entry, HashKind, lock_outputs};

    const TEXT: &str =
        "# about\nouts:\n- md5: 60b04210063b0fdf15866193a80f61bf.dir\n  size: 16\n  nfiles: 3\n  hash: md5\n  path: raw\n  desc: what\n";

    #[test]
    fn a_file_keeps_what_it_says_and_its_order() {
        let mut file = DvcFile::parse("raw.dvc", TEXT).unwrap();
        assert_eq!(file.render(), TEXT);
        let mut out = file.outs().remove(0);
        assert_eq!((out.files, out.kind, out.cache), (Some(3), HashKind::Md5, true));
        out.md5 = Some("60b04210063b0fdf15866193a80f61bf".to_owned());
        out.files = None;
        file.record("outs", &out);
        assert_eq!(file.render(), TEXT.replace(".dir", "").replace("  nfiles: 3\n", ""));
    }

    #[test]
    fn older_files_are_known_by_what_they_lack() {
        let file = DvcFile::parse("a.dvc", "outs:\n- md5: 60b04210063b0fdf15866193a80f61bf\n  path: a\n").unwrap();
        assert_eq!(file.outs()[0].kind, HashKind::Dos2Unix);
        assert!(DvcFile::parse("a.dvc", "outs:\n- md5: ../../etc\n  path: a\n").is_err());
        let lock = "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: b\n      md5: 60b04210063b0fdf15866193a80f61bf\n";
        let found = lock_outputs("dvc.lock", lock).unwrap();
        assert_eq!(found[0].1[0].kind, HashKind::Dos2Unix);
        assert_eq!(Entry { cache: true, push: true, ..Entry::default() }.kind, HashKind::Md5);
    }
}
