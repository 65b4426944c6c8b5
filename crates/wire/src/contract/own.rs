//! Our own contracts: YAML with short names, and any rule in the form of a suite.

use super::kwargs::{Rule, duration_ms, rule};
use super::names::{SHORT_NAMES, Short, Shorthand, near};
use super::{ContractError, EXPECTATIONS_MAX, Mistake, gx, stem};
use crate::yaml::{self, Node};
use serde_json::{Map, Value as Json, json};
use tidegate_core::contract::{Allowances, Contract, Expectation, Rules, Severity};

const TOP_KEYS: &[&str] = &["version", "dataset", "description", "allow", "table", "columns", "rules", "sql", "references", "expectations"];
const TABLE_KEYS: &[&str] = &["row_count", "column_count", "columns", "unique", "fresh_within", "volume", "schema", "same_rows_as"];
const ALLOW_KEYS: &[&str] = &["no_rows", "no_rules", "all_null", "missing_column"];
const ITEM_KEYS: &[&str] = &["type", "kwargs", "severity", "notes", "id", "meta"];
/// Keys of a rule that are not its arguments.
const OWN_KEYS: &[&str] = &["severity", "notes"];
/// Short names of arguments.
const ARGUMENTS: &[(&str, &str)] =
    &[("min", "min_value"), ("max", "max_value"), ("values", "value_set"), ("pattern", "regex"), ("index", "column_index")];

/// Reads a contract in our YAML.
///
/// # Errors
/// All mistakes of the file.
pub fn parse_own(file: &str, text: &str) -> Result<Contract, ContractError> {
    let root = yaml::parse(text).map_err(|e| {
        ContractError::new(file, vec![Mistake { line: e.line, column: e.column, message: format!("this is not YAML: {}", e.message) }])
    })?;
    let mut reader = Reader::default();
    let allow = reader.top(&root);
    let dataset = root.get("dataset").and_then(Node::as_str).unwrap_or_else(|| stem(file)).to_owned();
    if reader.expectations.len() > EXPECTATIONS_MAX {
        reader.wrong(&root, format!("the contract has {} rules; at most {EXPECTATIONS_MAX} are read", reader.expectations.len()));
    }
    if !reader.mistakes.is_empty() {
        return Err(ContractError::new(file, reader.mistakes));
    }
    Ok(Contract { dataset, expectations: reader.expectations, rules: Rules::Own(allow) })
}

#[derive(Default)]
struct Reader {
    expectations: Vec<Expectation>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn wrong(&mut self, at: &Node, message: impl Into<String>) {
        self.mistakes.push(Mistake { line: at.line, column: at.column, message: message.into() });
    }

    /// The entries of a mapping whose keys are among `known`; the others are mistakes.
    fn entries<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Vec<(String, &'n Node)> {
        let all = self.mapping(node, what);
        let mut good = Vec::with_capacity(all.len());
        for (key, at, value) in all {
            if known.contains(&key.as_str()) {
                good.push((key, value));
            } else {
                let list =
                    if near(&key, known.iter().copied()).is_empty() { format!("; known: {}", known.join(", ")) } else { String::new() };
                self.wrong(at, format!("unknown key `{key}` in {what}{}{list}", near(&key, known.iter().copied())));
            }
        }
        good
    }

    fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(String, &'n Node, &'n Node)> {
        match node.as_map() {
            Some(entries) => entries.iter().map(|(k, v)| (k.text().unwrap_or_default().into_owned(), k, v)).collect(),
            None => {
                self.wrong(node, format!("{what} must be a mapping, not {}", node.kind()));
                vec![]
            }
        }
    }

    fn top(&mut self, root: &Node) -> Allowances {
        let mut allow = Allowances::default();
        for (key, node) in self.entries(root, "a contract", TOP_KEYS) {
            match key.as_str() {
                "version" if node.as_i64() != Some(1) => self.wrong(node, "version must be 1"),
                "dataset" if node.as_str().is_none() => self.wrong(node, format!("dataset must be a name, not {}", node.kind())),
                "allow" => allow = self.allow(node),
                "table" => self.table(node),
                "columns" => {
                    for (column, _, rules) in self.mapping(node, "columns") {
                        self.column(&column, rules);
                    }
                }
                "rules" => self.texts(node, "expect_rows_to_satisfy", "condition"),
                "sql" => self.texts(node, "unexpected_rows_expectation", "unexpected_rows_query"),
                "references" => self.references(node),
                "expectations" => self.items(node),
                _ => {}
            }
        }
        allow
    }

    fn allow(&mut self, node: &Node) -> Allowances {
        let before = self.mistakes.len();
        self.entries(node, "allow", ALLOW_KEYS);
        match serde_json::from_value(node.to_json()) {
            Ok(allow) => allow,
            Err(e) => {
                if self.mistakes.len() == before {
                    self.wrong(
                        node,
                        format!("allow: {e}: `no_rows` and `no_rules` are true or false, `all_null` and `missing_column` lists of columns"),
                    );
                }
                Allowances::default()
            }
        }
    }

    fn table(&mut self, node: &Node) {
        for (key, value) in self.entries(node, "table", TABLE_KEYS) {
            match key.as_str() {
                "row_count" => self.count(value, "expect_table_row_count_to"),
                "column_count" => self.count(value, "expect_table_column_count_to"),
                "columns" => self.column_names(value),
                "unique" => self.compound(value),
                "volume" => self.rule("expect_table_volume_to_be_usual", Shorthand::Mapping, None, value),
                "schema" => self.rule("expect_table_schema_to_be_compatible", Shorthand::Argument("compatibility"), None, value),
                "same_rows_as" => {
                    self.rule("expect_table_row_count_to_equal_other_table", Shorthand::Argument("other_table_name"), None, value);
                }
                _ => self.rule("expect_table_to_be_fresh", Shorthand::Duration, None, value),
            }
        }
    }

    fn count(&mut self, value: &Node, stem: &str) {
        if value.as_i64().is_some() {
            self.add(&format!("{stem}_equal"), &arguments(&[("value", value.to_json())]), value);
        } else {
            self.rule(&format!("{stem}_be_between"), Shorthand::Range, None, value);
        }
    }

    fn column_names(&mut self, value: &Node) {
        let (name, key, list) = if value.as_seq().is_some() {
            ("expect_table_columns_to_match_set", "column_set", value)
        } else {
            let entries = self.entries(value, "columns of a table", &["set", "exact", "ordered"]);
            let get = |wanted: &str| entries.iter().find(|(k, _)| k == wanted).map(|(_, v)| *v);
            match (get("set"), get("ordered")) {
                (Some(set), None) => {
                    let exact = get("exact").map_or(Json::Bool(true), Node::to_json);
                    let map = arguments(&[("column_set", set.to_json()), ("exact_match", exact)]);
                    return self.add("expect_table_columns_to_match_set", &map, value);
                }
                (None, Some(ordered)) => ("expect_table_columns_to_match_ordered_list", "column_list", ordered),
                _ => return self.wrong(value, "give either `set` or `ordered`"),
            }
        };
        self.add(name, &arguments(&[(key, list.to_json())]), value);
    }

    /// `[[a, b], [c, d]]`, or mappings with `columns` and more.
    fn compound(&mut self, value: &Node) {
        let Some(items) = value.as_seq() else {
            return self.wrong(value, "unique of a table is a list of lists of columns: `[[a, b]]`");
        };
        for item in items {
            let mut map = match item.to_json() {
                Json::Array(columns) => arguments(&[("columns", Json::Array(columns))]),
                Json::Object(map) => map,
                _ => {
                    self.wrong(item, "unique of a table is a list of lists of columns: `[[a, b]]`");
                    continue;
                }
            };
            if let Some(columns) = map.shift_remove("columns") {
                map.insert("column_list".to_owned(), columns);
            }
            self.add("expect_compound_columns_to_be_unique", &map, item);
        }
    }

    /// A list of texts, or of mappings that hold the text under `argument` (or under its short name) and more.
    fn texts(&mut self, node: &Node, name: &str, argument: &str) {
        let Some(items) = node.as_seq() else {
            return self.wrong(node, format!("this must be a list, not {}", node.kind()));
        };
        for item in items {
            match item.to_json() {
                text @ Json::String(_) => self.add(name, &arguments(&[(argument, text)]), item),
                Json::Object(mut map) => {
                    if let Some(text) = map.shift_remove("query") {
                        map.insert(argument.to_owned(), text);
                    }
                    self.add(name, &map, item);
                }
                _ => self.wrong(item, format!("this must be a text or a mapping with `{argument}`, not {}", item.kind())),
            }
        }
    }

    fn references(&mut self, node: &Node) {
        let Some(items) = node.as_seq() else {
            return self.wrong(node, "references are a list of mappings: `[{ columns: [a], dataset: other, to: [b] }]`");
        };
        for item in items {
            let Json::Object(mut map) = item.to_json() else {
                self.wrong(item, "a reference is a mapping: `{ columns: [a], dataset: other, to: [b] }`");
                continue;
            };
            if let Some(columns) = map.shift_remove("columns") {
                map.insert("column_list".to_owned(), columns);
            }
            self.add("expect_values_to_be_in_dataset", &map, item);
        }
    }

    fn column(&mut self, column: &str, rules: &Node) {
        let known: Vec<&str> = SHORT_NAMES.iter().map(|s| s.key).collect();
        for (key, value) in self.entries(rules, &format!("column `{column}`"), &known) {
            if let Some(Short { name, shorthand, .. }) = SHORT_NAMES.iter().find(|s| s.key == key) {
                self.rule(name, *shorthand, Some(column), value);
            }
        }
    }

    /// One rule by its short name.
    fn rule(&mut self, name: &str, shorthand: Shorthand, column: Option<&str>, value: &Node) {
        let mut map = match short_arguments(shorthand, value) {
            Ok(Some(map)) => map,
            Ok(None) => return,
            Err(message) => return self.wrong(value, message),
        };
        if let Some(column) = column {
            map.insert("column".to_owned(), Json::String(column.to_owned()));
        }
        self.add(name, &map, value);
    }

    fn items(&mut self, node: &Node) {
        let Some(items) = node.as_seq() else {
            return self.wrong(node, format!("expectations must be a list, not {}", node.kind()));
        };
        for item in items {
            let before = self.mistakes.len();
            self.entries(item, "an expectation", ITEM_KEYS);
            if self.mistakes.len() > before {
                continue;
            }
            match gx::expectation(&item.to_json(), &Map::new()) {
                Ok(expectation) => self.push(expectation, item),
                Err(wrong) => {
                    for (argument, message) in wrong {
                        let path = ["kwargs", argument.as_str()];
                        let (line, column) = gx::place(item, if argument.is_empty() { &[] } else { &path });
                        self.mistakes.push(Mistake { line, column, message });
                    }
                }
            }
        }
    }

    fn add(&mut self, name: &str, map: &Map<String, Json>, at: &Node) {
        let mut map = map.clone();
        let severity = map.shift_remove("severity").unwrap_or(json!("critical"));
        let notes = map.shift_remove("notes").and_then(|n| n.as_str().map(str::to_owned));
        let Ok(severity) = serde_json::from_value::<Severity>(severity) else {
            return self.wrong(at.get("severity").unwrap_or(at), "severity is none of critical, warning, info");
        };
        match rule(name, &map) {
            Ok(Rule { kind, mostly, row_condition }) => {
                self.push(Expectation { kind, severity, mostly, row_condition, id: None, notes }, at);
            }
            Err(wrong) => {
                for (argument, message) in wrong {
                    let short = ARGUMENTS.iter().find(|(_, long)| *long == argument).map_or(argument.as_str(), |(short, _)| short);
                    self.wrong(at.get(short).or_else(|| at.get(&argument)).unwrap_or(at), message);
                }
            }
        }
    }

    fn push(&mut self, expectation: Expectation, at: &Node) {
        match expectation.mistake() {
            Some(mistake) => self.wrong(at, format!("{}: {mistake}", expectation.kind.name())),
            None => self.expectations.push(expectation),
        }
    }
}

fn arguments(pairs: &[(&str, Json)]) -> Map<String, Json> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()
}

/// The arguments that a short spelling stands for; none for a flag that is off.
fn short_arguments(shorthand: Shorthand, value: &Node) -> Result<Option<Map<String, Json>>, String> {
    let json = value.to_json();
    let wrong = |form: &str| format!("this must be {form} or a mapping, not {}", value.kind());
    let map = match (shorthand, json) {
        (Shorthand::Quantiles, Json::Object(map)) => quantile_arguments(map)?,
        (_, Json::Object(map)) => long_arguments(map)?,
        (Shorthand::Flag, Json::Bool(true)) => Map::new(),
        (Shorthand::Flag, Json::Bool(false)) => return Ok(None),
        (Shorthand::Flag, _) => return Err(wrong("`true`")),
        (Shorthand::Range, Json::Array(ends)) => match ends.as_slice() {
            [min, max] => arguments(&[("min_value", min.clone()), ("max_value", max.clone())]),
            _ => return Err(format!("a range has two ends, `[min, max]`; this has {}", ends.len())),
        },
        (Shorthand::Range, _) => return Err(wrong("`[min, max]`")),
        (Shorthand::Values, list @ Json::Array(_)) => arguments(&[("value_set", list)]),
        (Shorthand::Values, _) => return Err(wrong("a list of values")),
        (Shorthand::Types, list @ Json::Array(_)) => arguments(&[("type_list", list)]),
        (Shorthand::Types, text @ Json::String(_)) => arguments(&[("type_list", Json::Array(vec![text]))]),
        (Shorthand::Types, _) => return Err(wrong("a type or a list of types")),
        (Shorthand::Pattern, text @ Json::String(_)) => arguments(&[("regex", text)]),
        (Shorthand::Pattern, _) => return Err(wrong("a regular expression")),
        (Shorthand::Quantiles, _) => return Err("quantiles are a mapping, `{ 0.5: [min, max] }`".to_owned()),
        (Shorthand::Duration, Json::String(text)) if duration_ms(&text).is_some() => arguments(&[("within", Json::String(text))]),
        (Shorthand::Duration, Json::String(text)) => return Err(format!("`{text}` is not a duration: write `7d`, `36h` or `1h30m`")),
        (Shorthand::Duration, _) => return Err(wrong("a duration")),
        (Shorthand::Argument(name), scalar @ (Json::String(_) | Json::Number(_) | Json::Bool(_))) => arguments(&[(name, scalar)]),
        (Shorthand::Argument(_), _) => return Err(wrong("a value")),
        (Shorthand::List(name), list @ Json::Array(_)) => arguments(&[(name, list)]),
        (Shorthand::List(_), _) => return Err(wrong("a list")),
        (Shorthand::Reference, Json::String(text)) => match text.rsplit_once('.') {
            Some((dataset, to)) => arguments(&[("dataset", json!(dataset)), ("to", json!(to))]),
            None => return Err(format!("`{text}` is not `dataset.column`")),
        },
        (Shorthand::Reference, _) => return Err(wrong("`dataset.column`")),
        (Shorthand::Mapping, _) => return Err(format!("this must be a mapping, not {}", value.kind())),
    };
    Ok(Some(map))
}

fn long_arguments(map: Map<String, Json>) -> Result<Map<String, Json>, String> {
    let mut long = Map::new();
    for (key, value) in map {
        let name = ARGUMENTS.iter().find(|(short, _)| *short == key).map_or(key.as_str(), |(_, long)| long);
        if long.insert(name.to_owned(), value).is_some() {
            return Err(format!("`{key}` is given twice, once as `{name}`: leave one out"));
        }
    }
    Ok(long)
}

fn quantile_arguments(map: Map<String, Json>) -> Result<Map<String, Json>, String> {
    let (mut quantiles, mut ranges, mut rest) = (Vec::new(), Vec::new(), Map::new());
    for (key, value) in map {
        if let Ok(q) = key.parse::<f64>() {
            super::kwargs::quantile(q, &value).ok_or_else(|| format!("range of quantile {key} is not `[min, max]` of numbers or null"))?;
            quantiles.push(json!(q));
            ranges.push(value);
        } else if OWN_KEYS.contains(&key.as_str()) {
            rest.insert(key, value);
        } else {
            return Err(format!("`{key}` is not a quantile: write numbers between 0 and 1"));
        }
    }
    rest.insert("quantile_ranges".to_owned(), json!({ "quantiles": quantiles, "value_ranges": ranges }));
    Ok(rest)
}
