//! Where each value came from: a place in the file, or the preset.

use crate::yaml::{Node, Value};

/// Every value of a workspace, in file order, presets after what is written beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Origins(pub Vec<Origin>);

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// Where in the structure, as `releases.default.judge.alpha`.
    pub path: String,
    /// The value as it would be written.
    pub value: String,
    /// Where it came from.
    pub from: From,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum From {
    /// The file.
    File {
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
    },
    /// The preset `default`.
    Preset,
}

impl Origins {
    pub(super) fn of(root: &Node) -> Origins {
        let mut origins = Origins::default();
        origins.walk(root, "");
        origins
    }

    fn walk(&mut self, node: &Node, path: &str) {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    self.walk(value, &super::check::join(path, &key.text().unwrap_or_default()));
                }
            }
            Value::Seq(items) if items.iter().any(|i| i.text().is_none()) => {
                for (i, item) in items.iter().enumerate() {
                    self.walk(item, &format!("{path}[{i}]"));
                }
            }
            _ => self.0.push(Origin { path: path.to_owned(), value: written(node), from: from(node) }),
        }
    }

    /// Those at `path` or below it.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Origin> {
        self.0.iter().filter(move |o| {
            let rest = o.path.strip_prefix(path);
            rest.is_some_and(|r| path.is_empty() || r.is_empty() || r.starts_with(['.', '[']))
        })
    }

    /// A line for each value: path, value, `file:line:column` or `preset default`.
    #[must_use]
    pub fn explain(&self, file: &str, below: &str) -> String {
        let rows: Vec<&Origin> = self.below(below).collect();
        let wide = |f: fn(&Origin) -> usize| rows.iter().map(|o| f(o)).max().unwrap_or(0);
        let (paths, values) = (wide(|o| o.path.chars().count()), wide(|o| o.value.chars().count()).min(40));
        let line = |o: &&Origin| {
            let from = match o.from {
                From::File { line, column } => format!("{file}:{line}:{column}"),
                From::Preset => "preset default".to_owned(),
            };
            format!("{:paths$}  {:values$}  {from}\n", o.path, o.value)
        };
        rows.iter().map(line).collect()
    }
}

fn from(node: &Node) -> From {
    if node.line == 0 { From::Preset } else { From::File { line: node.line, column: node.column } }
}

fn written(node: &Node) -> String {
    match &node.value {
        Value::Seq(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Map(_) => "{}".to_owned(),
        _ => node.text().unwrap_or_default().into_owned(),
    }
}
