//! `plots show|diff`: the rows of plot files in the workspace and in revisions, and a drawing of them in Vega-Lite.

use super::error::DataError;
use super::repo::Repo;
use super::view::{Source, View};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tidegate_core::pipeline::OutKind;

/// Rows of one plot file.
const ROWS_MAX: usize = 1_000_000;

/// One row: values by column.
pub type PlotRow = Map<String, Value>;

/// Rows by file, or why a file could not be read.
pub type PlotSource = IndexMap<String, Result<Vec<PlotRow>, String>>;

impl Repo {
    /// The plots of one state (`None`: the workspace).
    ///
    /// # Errors
    /// When there is no such revision, or a file of DVC is wrong.
    pub fn plots(&self, revision: Option<&str>, targets: &[String]) -> Result<PlotSource, DataError> {
        match revision.filter(|r| *r != "workspace") {
            None => self.plots_of(&self.view()?, &mut Source::Workspace(&self.root), targets),
            Some(revision) => {
                let mut git = super::git::Git::open(&self.root)?;
                let commit = git.resolve(revision)?;
                let view = self.view_at(&mut git, &commit)?;
                self.plots_of(&view, &mut Source::Revision { git: &mut git, commit: &commit }, targets)
            }
        }
    }

    fn plots_of(&self, view: &View, source: &mut Source<'_>, targets: &[String]) -> Result<PlotSource, DataError> {
        let declared = view.items.iter().filter(|i| i.kind == OutKind::Plot).map(|i| i.path.clone()).chain(view.plots.clone());
        let paths: Vec<String> =
            if targets.is_empty() { declared.collect() } else { targets.iter().map(|t| self.inside(t)).collect::<Result<_, _>>()? };
        let mut found = PlotSource::new();
        for path in paths {
            let bytes = match source.read(&path)? {
                Some(bytes) => Some(bytes),
                None => self.cached_bytes(view, &path),
            };
            let rows = bytes.ok_or_else(|| format!("{path} is not there")).and_then(|bytes| rows_of(&path, &bytes));
            found.insert(path, rows);
        }
        Ok(found)
    }
}

/// Rows of CSV, TSV, JSON or YAML.
fn rows_of(path: &str, bytes: &[u8]) -> Result<Vec<PlotRow>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8"))?;
    let kind = path.rsplit_once('.').map_or("", |(_, kind)| kind);
    match kind {
        "csv" => table(path, text, ','),
        "tsv" => table(path, text, '\t'),
        "json" | "yaml" | "yml" => {
            let value = tidegate_wire::dvc::parse_params(path, text).map_err(|e| e.to_string())?;
            let list = longest_list(&value).ok_or_else(|| format!("{path} has no list of rows"))?;
            Ok(list.iter().filter_map(|row| row.as_object().cloned()).take(ROWS_MAX).collect())
        }
        other => Err(format!("{path}: rows are read from csv, tsv, json and yaml, not from '{other}'")),
    }
}

/// A list of rows, at the top or under a key of the first level.
fn longest_list(value: &Value) -> Option<&Vec<Value>> {
    match value {
        Value::Array(rows) => Some(rows),
        Value::Object(map) => map.values().filter_map(Value::as_array).max_by_key(|rows| rows.len()),
        _ => None,
    }
}

fn table(path: &str, text: &str, separator: char) -> Result<Vec<PlotRow>, String> {
    let mut records = records(text, separator);
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let head = records.remove(0);
    if records.len() > ROWS_MAX {
        return Err(format!("{path} has {} rows; at most {ROWS_MAX} are read", records.len()));
    }
    // Values are texts, as DVC hands them to a drawing.
    let row = |fields: Vec<String>| head.iter().cloned().zip(fields.into_iter().map(Value::String)).collect();
    Ok(records.into_iter().map(row).collect())
}

fn records(text: &str, separator: char) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, text.trim_start_matches('\u{feff}').chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                if record.len() > 1 || record.first().is_some_and(|f| !f.is_empty()) {
                    records.push(std::mem::take(&mut record));
                }
                record.clear();
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// A drawing of the rows of several states: the last column over the first (or over the row's number), a line a state.
#[must_use]
pub fn vega_lite(title: &str, states: &[(String, Vec<PlotRow>)]) -> Value {
    let columns: Vec<&String> = states.iter().find_map(|(_, rows)| rows.first()).map(|row| row.keys().collect()).unwrap_or_default();
    let y = columns.last().map_or("value", |c| c.as_str());
    let x = columns.first().filter(|_| columns.len() > 1).map_or("step", |c| c.as_str());
    let mut values = Vec::new();
    for (revision, rows) in states {
        for (i, row) in rows.iter().enumerate() {
            let mut row = row.clone();
            if x == "step" {
                row.insert("step".to_owned(), json!(i));
            }
            row.insert("rev".to_owned(), json!(revision));
            values.push(Value::Object(row));
        }
    }
    json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": { "values": values },
        "title": title,
        "width": 300,
        "height": 300,
        "mark": { "type": "line" },
        "encoding": {
            "x": { "field": x, "type": "quantitative", "title": x },
            "y": { "field": y, "type": "quantitative", "title": y, "scale": { "zero": false } },
            "color": { "field": "rev", "type": "nominal" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{records, rows_of};

    #[test]
    fn rows_are_read_from_every_kind_of_file() {
        assert_eq!(records("a,\"b,\"\"c\"\r\n1,\n", ','), [["a", "b,\"c"], ["1", ""]]);
        assert_eq!(rows_of("p.tsv", b"x\ty\n1\t2\n").unwrap()[0]["y"], "2");
        assert_eq!(rows_of("p.json", br#"{"roc": [{"fpr": 0.5}]}"#).unwrap()[0]["fpr"], 0.5);
        assert!(rows_of("p.png", b"x").is_err());
    }
}
