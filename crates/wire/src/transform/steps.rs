//! Steps: each a mapping with `as`, one operation, and perhaps `on_missing`.

use crate::config::near;
use crate::transform::read::{Reader, join, present, shown};
use crate::yaml::Node;
use indexmap::IndexMap;
use tidegate_core::transform::{Constant, Expression, OnMissing, Operation, Step, TimePart, TimeUnit, Unknown};

impl Reader {
    pub(super) fn steps(&mut self, node: &Node) -> Vec<Step> {
        let Some(items) = node.as_seq() else {
            let help = Some("write each step as `- { as: NAME, OPERATION: ... }`".to_owned());
            self.wrong(node, "steps", format!("`steps` must be a list, got {}", node.kind()), help);
            return Vec::new();
        };
        items.iter().enumerate().filter_map(|(index, item)| self.step(&format!("steps[{index}]"), item)).collect()
    }

    fn step(&mut self, path: &str, node: &Node) -> Option<Step> {
        let mut known = vec!["as", "on_missing"];
        known.extend(Operation::NAMES);
        if !self.keys(node, path, &known) {
            return None;
        }
        let column = self.needed_text(node, path, "as");
        let on_missing = present(node, "on_missing").map_or(Some(OnMissing::Refuse), |value| self.on_missing(path, value));
        let operations = |(key, _): &&(Node, Node)| Operation::NAMES.contains(&&*key.text().unwrap_or_default());
        let mut given = node.as_map().into_iter().flatten().filter(operations);
        let first = given.next();
        if let Some((other, _)) = given.next() {
            let message = "a step does one thing, this one has two operations".to_owned();
            self.wrong(other, path, message, Some("write two steps".to_owned()));
        }
        let Some((key, value)) = first else {
            // A misspelt operation is told already, as an unknown key.
            if node.as_map().is_some_and(|entries| entries.iter().all(|(key, _)| known.contains(&&*key.text().unwrap_or_default()))) {
                self.wrong(node, path, "the step has no operation", Some(format!("operations: {}", Operation::NAMES.join(", "))));
            }
            return None;
        };
        let name = key.text().unwrap_or_default();
        let operation = self.operation(&name, &join(path, &name), value);
        Some(Step { column: column?, operation: operation?, on_missing: on_missing? })
    }

    fn on_missing(&mut self, path: &str, node: &Node) -> Option<OnMissing> {
        let path = join(path, "on_missing");
        match node.as_str() {
            Some("refuse") => Some(OnMissing::Refuse),
            Some("keep") => Some(OnMissing::Keep),
            Some(other) => {
                self.word_or_value(node, &path, other, &["refuse", "keep"]);
                None
            }
            None => self.value(node, &path).map(OnMissing::Value),
        }
    }

    fn unknown(&mut self, path: &str, node: Option<&Node>) -> Option<Unknown> {
        let Some(node) = node else { return Some(Unknown::Refuse) };
        let path = join(path, "unknown");
        match node.as_str() {
            Some("refuse") => Some(Unknown::Refuse),
            Some("missing") => Some(Unknown::Missing),
            Some(other) => {
                self.word_or_value(node, &path, other, &["refuse", "missing"]);
                None
            }
            None => self.value(node, &path).map(Unknown::Value),
        }
    }

    /// A bare text is a word; a text that is meant as a value stands under `value`.
    fn word_or_value(&mut self, node: &Node, path: &str, got: &str, words: &[&str]) {
        let help = near::help(got, words.iter().copied());
        self.wrong(node, path, format!("there is no `{got}`; a text as value is written `{{ value: {got} }}`"), help);
    }

    fn value(&mut self, node: &Node, path: &str) -> Option<Constant> {
        if node.as_map().is_none() {
            return self.constant(node, path);
        }
        self.keys(node, path, &["value"]);
        let value = self.needed(node, path, "value")?;
        self.constant(value, &join(path, "value"))
    }

    fn operation(&mut self, name: &str, path: &str, node: &Node) -> Option<Operation> {
        match name {
            "rename" => self.text(node, path).map(|of| Operation::Rename { of }),
            "arithmetic" => self.arithmetic(path, node),
            "length" if node.as_map().is_none() => self.text(node, path).map(|of| Operation::Length { of }),
            "default" => {
                let of = self.of(path, node, &["value"])?;
                let value = self.needed(node, path, "value")?;
                Some(Operation::Default { of, value: self.constant(value, &join(path, "value"))? })
            }
            "time_difference" => self.time_difference(path, node),
            "time_part" => {
                let of = self.of(path, node, &["zone", "part"]);
                let zone = present(node, "zone").map(|zone| self.zone(zone, &join(path, "zone")));
                let part = self.needed(node, path, "part").and_then(|value| self.word(value, &join(path, "part"), &TimePart::ALL));
                Some(Operation::TimePart { of: of?, zone: zone.flatten(), part: part? })
            }
            "category" => {
                let of = self.of(path, node, &["values", "unknown"]);
                let values = self.needed(node, path, "values").and_then(|value| self.constants(value, &join(path, "values")));
                let unknown = self.unknown(path, present(node, "unknown"));
                Some(Operation::Category { of: of?, values: values?, unknown: unknown? })
            }
            "lookup" => {
                let of = self.of(path, node, &["table", "unknown"]);
                let table = self.needed(node, path, "table").and_then(|value| self.table(value, &join(path, "table")));
                let unknown = self.unknown(path, present(node, "unknown"));
                Some(Operation::Lookup { of: of?, table: table?, unknown: unknown? })
            }
            "length" => self.of(path, node, &[]).map(|of| Operation::Length { of }),
            "bucket" => {
                let of = self.of(path, node, &["edges"]);
                let edges = self.needed(node, path, "edges").and_then(|value| self.numbers(value, &join(path, "edges")));
                Some(Operation::Bucket { of: of?, edges: edges? })
            }
            "clamp" => {
                let of = self.of(path, node, &["min", "max"]);
                let min = self.number(path, node, "min");
                let max = self.number(path, node, "max");
                Some(Operation::Clamp { of: of?, min: min?, max: max? })
            }
            // `Operation::NAMES` is where the names come from, and the tests give each of them.
            other => {
                self.wrong(node, path, format!("there is no operation `{other}`"), None);
                None
            }
        }
    }

    /// The column under `of`, when the operation is a mapping of known keys.
    fn of(&mut self, path: &str, node: &Node, others: &[&str]) -> Option<String> {
        let mut known = vec!["of"];
        known.extend(others);
        if !self.keys(node, path, &known) {
            return None;
        }
        self.needed_text(node, path, "of")
    }

    fn arithmetic(&mut self, path: &str, node: &Node) -> Option<Operation> {
        let text = self.text(node, path)?;
        match Expression::parse(&text) {
            Ok(expression) => Some(Operation::Arithmetic { expression }),
            Err(why) => {
                self.wrong(node, path, why, None);
                None
            }
        }
    }

    fn time_difference(&mut self, path: &str, node: &Node) -> Option<Operation> {
        if !self.keys(node, path, &["from", "from_zone", "to", "to_zone", "unit"]) {
            return None;
        }
        let from = self.needed_text(node, path, "from");
        let to = self.needed_text(node, path, "to");
        let from_zone = present(node, "from_zone").map(|zone| self.zone(zone, &join(path, "from_zone")));
        let to_zone = present(node, "to_zone").map(|zone| self.zone(zone, &join(path, "to_zone")));
        let unit = present(node, "unit").map_or(Some(TimeUnit::Minutes), |value| self.word(value, &join(path, "unit"), &TimeUnit::ALL));
        Some(Operation::TimeDifference { from: from?, from_zone: from_zone.flatten(), to: to?, to_zone: to_zone.flatten(), unit: unit? })
    }

    fn constants(&mut self, node: &Node, path: &str) -> Option<Vec<Constant>> {
        let Some(items) = node.as_seq() else {
            self.wrong(node, path, format!("a list is needed here, got {}", node.kind()), None);
            return None;
        };
        let constants: Vec<_> = items.iter().map(|item| self.constant(item, path)).collect();
        constants.into_iter().collect()
    }

    fn numbers(&mut self, node: &Node, path: &str) -> Option<Vec<f64>> {
        let mut numbers = Vec::new();
        for constant in self.constants(node, path)? {
            match constant {
                Constant::Number(number) => numbers.push(number),
                Constant::Bool(_) | Constant::Text(_) => {
                    self.wrong(node, path, "a list of numbers is needed here", None);
                    return None;
                }
            }
        }
        Some(numbers)
    }

    /// A number that may be absent: the outer option is whether it was well written.
    fn number(&mut self, path: &str, node: &Node, key: &str) -> Option<Option<f64>> {
        let Some(value) = present(node, key) else { return Some(None) };
        match value.as_f64().filter(|x| !x.is_nan()) {
            Some(number) => Some(Some(number)),
            None => {
                self.wrong(value, &join(path, key), format!("`{key}` must be a number, got {}", shown(value)), None);
                None
            }
        }
    }

    fn table(&mut self, node: &Node, path: &str) -> Option<IndexMap<String, Constant>> {
        let Some(entries) = node.as_map() else {
            self.wrong(node, path, format!("a table is a mapping, got {}", node.kind()), None);
            return None;
        };
        let table: Vec<_> =
            entries.iter().map(|(key, value)| Some((key.text().unwrap_or_default().into_owned(), self.constant(value, path)?))).collect();
        table.into_iter().collect()
    }
}
