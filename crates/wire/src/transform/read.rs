//! The outer parts: record, time, id, inputs, score. Each reader notes its problems and goes on.

use crate::config::{Problem, near};
use crate::transform::FORM;
use crate::yaml::{Node, Value};
use tidegate_core::model::Datatype;
use tidegate_core::transform::{Constant, EventTime, Field, Input, Nan, Score, Transform, Zone};

/// Collects problems.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn wrong(&mut self, node: &Node, path: &str, message: impl Into<String>, help: Option<String>) {
        let found = node.text().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let problem = Problem { line: node.line, column: node.column, path: path.to_owned(), found, message: message.into(), help };
        self.problems.push(problem);
    }

    /// The entries of a mapping whose keys are all known; others are problems.
    pub(super) fn keys(&mut self, node: &Node, path: &str, known: &[&str]) -> bool {
        let Some(entries) = node.as_map() else {
            let message = format!("`{}` must be a mapping, got {}", last(path), node.kind());
            self.wrong(node, path, message, Some(format!("keys: {}", known.join(", "))));
            return false;
        };
        for (key, _) in entries {
            let name = key.text().unwrap_or_default();
            if !known.contains(&&*name) {
                let help = near::help(&name, known.iter().copied());
                self.wrong(key, &join(path, &name), format!("unknown key `{name}`"), help);
            }
        }
        true
    }

    /// The value of a key that must be there.
    pub(super) fn needed<'n>(&mut self, node: &'n Node, path: &str, key: &str) -> Option<&'n Node> {
        let found = node.get(key).filter(|value| !value.is_null());
        if found.is_none() {
            self.wrong(node, path, format!("`{}` needs the key `{key}`", last(path)), None);
        }
        found
    }

    /// A text; a plain number or boolean is taken as it is written.
    pub(super) fn text(&mut self, node: &Node, path: &str) -> Option<String> {
        let text = node.text().filter(|_| !node.is_null()).map(std::borrow::Cow::into_owned);
        if text.is_none() {
            self.wrong(node, path, format!("`{}` must be a name, got {}", last(path), node.kind()), None);
        }
        text
    }

    pub(super) fn needed_text(&mut self, node: &Node, path: &str, key: &str) -> Option<String> {
        let value = self.needed(node, path, key)?;
        self.text(value, &join(path, key))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, path: &str, words: &[(&str, T)]) -> Option<T> {
        let text = node.text().unwrap_or_default();
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let help = near::help(&text, words.iter().map(|(word, _)| *word));
            let message = format!("`{}` must be one of {} words, got {}", last(path), words.len(), shown(node));
            self.wrong(node, path, message, help);
        }
        found
    }

    pub(super) fn datatype(&mut self, node: &Node, path: &str) -> Option<Datatype> {
        let words: Vec<_> = Datatype::ALL.iter().map(|datatype| (datatype.as_str(), *datatype)).collect();
        self.word(node, path, &words)
    }

    pub(super) fn constant(&mut self, node: &Node, path: &str) -> Option<Constant> {
        let constant = match &node.value {
            Value::Bool(flag) => Some(Constant::Bool(*flag)),
            Value::Int(_) | Value::Float(_) => node.as_f64().filter(|x| x.is_finite()).map(Constant::Number),
            Value::Str(text) => Some(Constant::Text(text.clone())),
            Value::Null | Value::Seq(_) | Value::Map(_) => None,
        };
        if constant.is_none() {
            self.wrong(node, path, format!("`{}` must be a finite number, a boolean or a text, got {}", last(path), node.kind()), None);
        }
        constant
    }

    /// `America/New_York` or `{ column: dest_zone }`.
    pub(super) fn zone(&mut self, node: &Node, path: &str) -> Option<Zone> {
        if node.as_map().is_some() {
            self.keys(node, path, &["column"]);
            return self.needed_text(node, path, "column").map(Zone::Column);
        }
        self.text(node, path).map(Zone::Named)
    }

    pub(super) fn transform(&mut self, root: &Node) -> Transform {
        const KEYS: [&str; 7] = ["version", "record", "time", "id", "steps", "inputs", "score"];
        if !self.keys(root, "transform", &KEYS) {
            return Transform::default();
        }
        if let Some(version) = root.get("version")
            && version.as_i64() != Some(FORM)
        {
            self.wrong(version, "version", format!("this program reads version {FORM}, got {}", shown(version)), None);
        }
        let record = self.needed(root, "transform", "record").map(|node| self.record(node)).unwrap_or_default();
        let time = present(root, "time").and_then(|node| self.time(node));
        let id = present(root, "id").and_then(|node| self.text(node, "id"));
        let steps = present(root, "steps").map(|node| self.steps(node)).unwrap_or_default();
        let inputs = self.needed(root, "transform", "inputs").map(|node| self.inputs(node)).unwrap_or_default();
        let score = present(root, "score").and_then(|node| self.score(node));
        Transform { record, time, id, steps, inputs, score }
    }

    fn record(&mut self, node: &Node) -> Vec<Field> {
        let Some(entries) = node.as_map() else {
            self.wrong(node, "record", format!("`record` must map field names to datatypes, got {}", node.kind()), None);
            return Vec::new();
        };
        entries.iter().filter_map(|(key, value)| self.field(&key.text().unwrap_or_default(), value)).collect()
    }

    fn field(&mut self, name: &str, node: &Node) -> Option<Field> {
        let path = join("record", name);
        if node.as_map().is_none() {
            return self.datatype(node, &path).map(|datatype| Field { name: name.to_owned(), datatype, optional: false });
        }
        self.keys(node, &path, &["datatype", "optional"]);
        let optional = match present(node, "optional") {
            None => Some(false),
            Some(flag) => {
                if flag.as_bool().is_none() {
                    self.wrong(flag, &join(&path, "optional"), format!("`optional` must be true or false, got {}", shown(flag)), None);
                }
                flag.as_bool()
            }
        };
        let datatype = self.needed(node, &path, "datatype").and_then(|value| self.datatype(value, &join(&path, "datatype")));
        Some(Field { name: name.to_owned(), datatype: datatype?, optional: optional? })
    }

    fn time(&mut self, node: &Node) -> Option<EventTime> {
        if node.as_map().is_none() {
            return self.text(node, "time").map(|field| EventTime { field, zone: None });
        }
        self.keys(node, "time", &["field", "zone"]);
        let zone = present(node, "zone").map(|zone| self.zone(zone, "time.zone"));
        let field = self.needed_text(node, "time", "field")?;
        Some(EventTime { field, zone: zone.flatten() })
    }

    fn inputs(&mut self, node: &Node) -> Vec<Input> {
        let Some(entries) = node.as_map() else {
            let help = Some("write `inputs: { X: { datatype: FP32, columns: [a, b] } }`".to_owned());
            self.wrong(node, "inputs", format!("`inputs` must map the model's input tensors to columns, got {}", node.kind()), help);
            return Vec::new();
        };
        entries.iter().filter_map(|(key, value)| self.input(&key.text().unwrap_or_default(), value)).collect()
    }

    fn input(&mut self, tensor: &str, node: &Node) -> Option<Input> {
        let path = join("inputs", tensor);
        if node.as_seq().is_some() {
            let columns = self.texts(node, &path)?;
            return Some(Input { tensor: tensor.to_owned(), datatype: Datatype::Fp32, columns, nan: Nan::Refuse });
        }
        if !self.keys(node, &path, &["datatype", "columns", "nan"]) {
            return None;
        }
        let datatype = present(node, "datatype").map_or(Some(Datatype::Fp32), |value| self.datatype(value, &join(&path, "datatype")));
        let words = [("refuse", Nan::Refuse), ("allow", Nan::Allow)];
        let nan = present(node, "nan").map_or(Some(Nan::Refuse), |value| self.word(value, &join(&path, "nan"), &words));
        let columns = self.needed(node, &path, "columns").and_then(|value| self.texts(value, &join(&path, "columns")));
        Some(Input { tensor: tensor.to_owned(), datatype: datatype?, columns: columns?, nan: nan? })
    }

    fn texts(&mut self, node: &Node, path: &str) -> Option<Vec<String>> {
        let Some(items) = node.as_seq() else {
            self.wrong(node, path, format!("`{}` must be a list of columns, got {}", last(path), node.kind()), None);
            return None;
        };
        let texts: Vec<_> = items.iter().map(|item| self.text(item, path)).collect();
        texts.into_iter().collect()
    }

    fn score(&mut self, node: &Node) -> Option<Score> {
        if node.as_map().is_none() {
            return self.text(node, "score").map(|output| Score { output, column: None });
        }
        self.keys(node, "score", &["output", "column"]);
        let output = self.needed_text(node, "score", "output")?;
        let Some(column) = present(node, "column") else { return Some(Score { output, column: None }) };
        let index = column.as_i64().and_then(|n| usize::try_from(n).ok());
        if index.is_none() {
            self.wrong(column, "score.column", format!("`column` must be a whole number from 0, got {}", shown(column)), None);
        }
        Some(Score { output, column: Some(index?) })
    }
}

/// The value of a key that is there and not null.
pub(super) fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|value| !value.is_null())
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path == "transform" { key.to_owned() } else { format!("{path}.{key}") }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// What stands there, for a message.
pub(super) fn shown(node: &Node) -> String {
    node.text().filter(|_| !node.is_null()).map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"))
}
