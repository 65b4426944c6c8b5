//! Data contracts of the Open Data Contract Standard 3 (`kind: DataContract`), as far as they speak about data.
//!
//! What describes (owners, prices, tags, text rules) is left alone; what asks something of the data and cannot be
//! mapped is refused by name with its place. A contract of several objects needs the name of the one that is meant.

use super::condition::Written;
use super::reader::{Reader, above, below, tree};
use super::{ContractError, SuiteOptions, gx, stem};
use crate::yaml::{self, Node};
use serde_json::Map;
use tidegate_core::contract::{
    Allowances, Arithmetic, Bounds, Comparison, Condition, Contract, IgnoreRow, Kind, Nulls, Predicate, Query, Rules, Severity, Term, Value,
};

const ROOT_KEYS: &[&str] = &[
    "version",
    "apiVersion",
    "kind",
    "id",
    "status",
    "name",
    "tenant",
    "tags",
    "domain",
    "dataProduct",
    "description",
    "servers",
    "schema",
    "support",
    "price",
    "team",
    "roles",
    "slaDefaultElement",
    "slaProperties",
    "authoritativeDefinitions",
    "customProperties",
    "contractCreatedTs",
];
/// The custom property that says whether `mustBeBetween` has its ends within; the text of the standard leaves them out.
const BETWEEN: &str = "tidegate.between";

/// Reads a contract.
///
/// # Errors
/// All mistakes of the file, and all that cannot be mapped, by name.
pub fn parse_odcs(file: &str, text: &str, options: &SuiteOptions) -> Result<Contract, ContractError> {
    let root = tree(file, text)?;
    let mut reader = Reader::default();
    for (key, at, _) in reader.entries(&root, "a contract") {
        if !ROOT_KEYS.contains(&key.as_str()) {
            reader.wrong(at, format!("`{key}` is no key of a data contract{}", super::names::near(&key, ROOT_KEYS.iter().copied())));
        }
    }
    match root.get("apiVersion").and_then(Node::as_str) {
        Some(version) if version.starts_with("v3.") => {}
        Some(version) => {
            reader.wrong(root.get("apiVersion").unwrap_or(&root), format!("apiVersion `{version}` is refused: v3 is understood"))
        }
        None => reader.wrong(&root, "a data contract has an `apiVersion`"),
    }
    let mut dataset = root.get("name").and_then(Node::as_str).unwrap_or_else(|| stem(file)).to_owned();
    if let Some(object) = object(&mut reader, &root, options) {
        if let Some(name) = object.get("name").and_then(Node::as_str) {
            name.clone_into(&mut dataset);
        }
        let inclusive = between_is_inclusive(&mut reader, &root);
        Object { reader: &mut reader, name: dataset.clone(), inclusive }.read(object);
    }
    read_sla(&mut reader, &root);
    reader.finish(file, dataset, Rules::Own(Allowances::default()))
}

fn between_is_inclusive(reader: &mut Reader, root: &Node) -> bool {
    let all = root.get("customProperties").and_then(Node::as_seq).unwrap_or_default();
    let found = all.iter().find(|p| p.get("property").and_then(Node::as_str) == Some(BETWEEN)).and_then(|p| p.get("value"));
    match found.and_then(Node::as_str) {
        Some("inclusive") => true,
        Some("exclusive") => false,
        _ => {
            if let Some(node) = found {
                reader.wrong(node, format!("`{BETWEEN}` is neither inclusive nor exclusive"));
            }
            false
        }
    }
}

/// The object that is meant: the only one, or that of the name asked for.
fn object<'n>(reader: &mut Reader, root: &'n Node, options: &SuiteOptions) -> Option<&'n Node> {
    let Some(schema) = root.get("schema") else {
        reader.wrong(root, "the contract has no `schema`, so it says nothing about data");
        return None;
    };
    let objects = reader.items(schema, "`schema`");
    let name = |o: &Node| o.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
    let wanted = options.object.as_deref();
    let named = objects.iter().find(|o| wanted.is_some_and(|w| name(o) == w || o.get("physicalName").and_then(Node::as_str) == Some(w)));
    match (named, objects) {
        (Some(object), _) | (None, [object]) => Some(object),
        (None, []) => {
            reader.wrong(schema, "`schema` has no object, so it says nothing about data");
            None
        }
        (None, many) => {
            let names: Vec<String> = many.iter().map(name).collect();
            reader.wrong(schema, format!("the contract has the objects {}: call the dataset as one of them", names.join(", ")));
            None
        }
    }
}

/// Latency becomes freshness; other service levels are not about the data of one check.
fn read_sla(reader: &mut Reader, root: &Node) {
    let Some(node) = root.get("slaProperties") else { return };
    for item in reader.items(node, "`slaProperties`") {
        let text = |key: &str| item.get(key).and_then(Node::text).map(|t| t.into_owned());
        if !matches!(text("property").as_deref(), Some("latency" | "ly")) {
            continue;
        }
        let each: f64 = match text("unit").as_deref() {
            Some("y" | "yr" | "year" | "years") => 365.0 * 86_400_000.0,
            Some("d" | "day" | "days") => 86_400_000.0,
            Some("h" | "hr" | "hour" | "hours") => 3_600_000.0,
            Some("m" | "min" | "minute" | "minutes") => 60_000.0,
            Some("s" | "sec" | "second" | "seconds") => 1_000.0,
            _ => {
                reader.wrong(item, "`unit` of a latency is none of y, d, h, m, s");
                continue;
            }
        };
        let element = text("element").or_else(|| root.get("slaDefaultElement")?.text().map(|t| t.into_owned()));
        let column = element.map(|e| e.rsplit_once('.').map_or(e.clone(), |(_, column)| column.to_owned()));
        match item.get("value").and_then(Node::as_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
            Some(value) if value >= 0.0 => {
                reader.add(item, Severity::Critical, Kind::Freshness { column, within_ms: (value * each) as u64 })
            }
            _ => reader.wrong(item, "`value` of a latency is not a number from 0"),
        }
    }
}

struct Object<'r> {
    reader: &'r mut Reader,
    name: String,
    inclusive: bool,
}

impl Object<'_> {
    fn read(&mut self, object: &Node) {
        let mut keys: Vec<(i64, String)> = Vec::new();
        if let Some(properties) = object.get("properties") {
            for property in self.reader.items(properties, "`properties`") {
                let Some(name) = property.get("name").and_then(Node::as_str) else {
                    self.reader.wrong(property, "a property has no `name`");
                    continue;
                };
                self.property(name, property);
                if property.get("primaryKey").and_then(Node::as_bool) == Some(true) {
                    keys.push((property.get("primaryKeyPosition").and_then(Node::as_i64).unwrap_or(i64::MAX), name.to_owned()));
                }
            }
        }
        keys.sort_by_key(|(position, _)| *position);
        let keys: Vec<String> = keys.into_iter().map(|(_, name)| name).collect();
        for column in &keys {
            self.add(object, Kind::NotNull { column: column.clone() });
        }
        match keys.as_slice() {
            [] => {}
            [column] => self.add(object, Kind::Unique { column: column.clone() }),
            _ => self.add(object, Kind::CompoundUnique { columns: keys, ignore_row_if: IgnoreRow::Never }),
        }
        if let Some(quality) = object.get("quality") {
            for rule in self.reader.items(quality, "`quality`") {
                self.quality(rule, None);
            }
        }
        if let Some(found) = object.get("relationships") {
            self.reader.wrong(found, "`relationships` are refused: write them as `references` of a contract of our own");
        }
    }

    fn add(&mut self, at: &Node, kind: Kind) {
        self.reader.add(at, Severity::Critical, kind);
    }

    fn property(&mut self, name: &str, property: &Node) {
        let column = name.to_owned();
        let flag = |key: &str| property.get(key).and_then(Node::as_bool) == Some(true);
        self.add(property, Kind::ColumnExists { column: column.clone(), index: None });
        if let Some(node) = property.get("logicalType") {
            let types: &[&str] = match node.as_str().unwrap_or_default() {
                "string" => &["string"],
                "date" => &["date", "timestamp"],
                "timestamp" => &["timestamp"],
                "number" => &["number"],
                "integer" => &["integer"],
                "boolean" => &["bool"],
                _ => &[],
            };
            if types.is_empty() {
                let text = node.text().unwrap_or_default();
                self.reader.wrong(node, format!("logicalType `{text}` of `{name}` is refused: its values cannot be checked"));
            } else {
                let types = types.iter().map(|t| (*t).to_owned()).collect();
                self.add(node, Kind::OfType { column: column.clone(), types, list: true });
            }
        }
        if flag("required") {
            self.add(property, Kind::NotNull { column: column.clone() });
        }
        if flag("unique") {
            self.add(property, Kind::Unique { column });
        }
        if let Some(options) = property.get("logicalTypeOptions") {
            self.options(name, options);
        }
        if let Some(quality) = property.get("quality") {
            for rule in self.reader.items(quality, "`quality`") {
                self.quality(rule, Some(name));
            }
        }
    }

    fn options(&mut self, column: &str, options: &Node) {
        for (key, at, node) in self.reader.entries(options, "`logicalTypeOptions`") {
            let column = column.to_owned();
            let kind = match key.as_str() {
                "pattern" => node.as_str().map(|p| Kind::MatchRegex { column, regex: p.to_owned(), negate: false }),
                "minLength" => self.reader.value(node).map(|v| Kind::LengthBetween { column, bounds: above(v, false) }),
                "maxLength" => self.reader.value(node).map(|v| Kind::LengthBetween { column, bounds: below(v, false) }),
                "minimum" => self.reader.value(node).map(|v| Kind::Between { column, bounds: above(v, false) }),
                "maximum" => self.reader.value(node).map(|v| Kind::Between { column, bounds: below(v, false) }),
                // Booleans beside `minimum` and `maximum` in older versions, ends of their own in 3.
                "exclusiveMinimum" | "exclusiveMaximum" if node.as_bool().is_some() => {
                    self.reader.wrong(at, format!("`{key}` as true or false is refused: give the end itself"));
                    None
                }
                "exclusiveMinimum" => self.reader.value(node).map(|v| Kind::Between { column, bounds: above(v, true) }),
                "exclusiveMaximum" => self.reader.value(node).map(|v| Kind::Between { column, bounds: below(v, true) }),
                "multipleOf" => self.reader.value(node).map(|v| Kind::Satisfies { condition: multiple_of(&column, v) }),
                other => {
                    self.reader.wrong(
                        at,
                        format!("`{other}` of `{column}` is refused: pattern, lengths, minimum, maximum and multipleOf are checked"),
                    );
                    None
                }
            };
            if let Some(kind) = kind {
                self.add(node, kind);
            }
        }
    }

    fn quality(&mut self, rule: &Node, column: Option<&str>) {
        let text = |key: &str| rule.get(key).and_then(Node::as_str);
        let metric = text("metric").or_else(|| text("rule"));
        let severity = match text("severity") {
            Some("info") => Severity::Info,
            Some("warning" | "low" | "medium") => Severity::Warning,
            _ => Severity::Critical,
        };
        let kind = match text("type").unwrap_or(if metric.is_some() { "library" } else { "text" }) {
            // Words for people.
            "text" => return,
            "library" => self.library(rule, metric, column),
            "sql" => self.sql(rule, column),
            "custom" => self.custom(rule),
            other => {
                self.reader.wrong(rule, format!("quality of type `{other}` is refused: library, text, sql and custom are understood"));
                None
            }
        };
        if let Some(kind) = kind {
            self.reader.add(rule, severity, kind);
        }
    }

    fn library(&mut self, rule: &Node, metric: Option<&str>, column: Option<&str>) -> Option<Kind> {
        let arguments = |key: &str| rule.get("arguments").and_then(|a| a.get(key)).or_else(|| rule.get(key));
        let (bounds, outside) = self.operator(rule)?;
        let percent = match rule.get("unit").and_then(Node::as_str) {
            None | Some("rows") => false,
            Some("percent") => true,
            Some(other) => {
                self.reader.wrong(rule, format!("unit `{other}` is refused: rows and percent are understood"));
                return None;
            }
        };
        let name = column.map(str::to_owned);
        let inner = match (metric?, name) {
            ("rowCount", _) if outside || percent => {
                self.reader.wrong(rule, "rowCount with mustNotBe, mustNotBeBetween or percent is refused: give an interval of rows");
                return None;
            }
            ("rowCount", _) => return Some(Kind::RowCount { bounds }),
            ("nullValues", Some(column)) => Kind::NotNull { column },
            ("missingValues", Some(column)) => {
                let listed = arguments("missingValues").map(|n| self.reader.values(n)).unwrap_or_default();
                Kind::Satisfies { condition: present(&column, listed) }
            }
            ("invalidValues", Some(column)) => match (arguments("validValues"), arguments("pattern").and_then(Node::as_str)) {
                (Some(values), None) => Kind::InSet { column, values: self.reader.values(values), negate: false },
                (None, Some(pattern)) => Kind::MatchRegex { column, regex: pattern.to_owned(), negate: false },
                _ => {
                    self.reader.wrong(rule, "invalidValues takes either `validValues` or `pattern`");
                    return None;
                }
            },
            ("duplicateValues", Some(column)) => Kind::Unique { column },
            ("duplicateValues", None) => {
                let nodes = arguments("properties").map(|n| self.reader.items(n, "`properties`")).unwrap_or_default();
                let columns: Vec<String> = nodes.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect();
                match columns.as_slice() {
                    [only] => Kind::Unique { column: only.clone() },
                    _ => Kind::CompoundUnique { columns, ignore_row_if: IgnoreRow::Never },
                }
            }
            (other, Some(_)) => {
                self.reader.wrong(
                    rule,
                    format!("metric `{other}` is refused: nullValues, missingValues, invalidValues, duplicateValues, rowCount"),
                );
                return None;
            }
            (other, None) => {
                self.reader.wrong(rule, format!("metric `{other}` is refused on an object: write it at a property"));
                return None;
            }
        };
        Some(Kind::UnexpectedCount { rule: Box::new(inner), bounds, outside, percent })
    }

    /// The interval that the operators of a rule name, and whether the number must lie outside of it.
    fn operator(&mut self, rule: &Node) -> Option<(Bounds, bool)> {
        let mut found = Vec::new();
        for (key, at, node) in self.reader.entries(rule, "a rule of `quality`") {
            if !key.starts_with("must") {
                continue;
            }
            if let "mustBeBetween" | "mustNotBeBetween" = key.as_str() {
                let ends = self.reader.values(node);
                let [low, high] = ends.as_slice() else {
                    self.reader.wrong(node, format!("`{key}` takes two ends"));
                    return None;
                };
                let strict = !self.inclusive;
                let bounds = Bounds { min: Some(low.clone()), max: Some(high.clone()), strict_min: strict, strict_max: strict };
                found.push((bounds, key == "mustNotBeBetween"));
                continue;
            }
            let value = self.reader.value(node)?;
            found.push(match key.as_str() {
                "mustBe" => (Bounds::inclusive(Some(value.clone()), Some(value)), false),
                "mustNotBe" => (Bounds::inclusive(Some(value.clone()), Some(value)), true),
                "mustBeGreaterThan" => (above(value, true), false),
                "mustBeGreaterOrEqualTo" | "mustBeGreaterThanOrEqualTo" => (above(value, false), false),
                "mustBeLessThan" => (below(value, true), false),
                "mustBeLessOrEqualTo" | "mustBeLessThanOrEqualTo" => (below(value, false), false),
                other => {
                    self.reader.wrong(at, format!("operator `{other}` is refused: it is not understood"));
                    return None;
                }
            });
        }
        match found.len() {
            1 => found.pop(),
            0 => {
                self.reader.wrong(rule, "the rule has no operator, so it says nothing: write `mustBe: 0`");
                None
            }
            _ => {
                self.reader.wrong(rule, "the rule has several operators: write one rule for each");
                None
            }
        }
    }

    fn sql(&mut self, rule: &Node, column: Option<&str>) -> Option<Kind> {
        let Some(node) = rule.get("query") else {
            self.reader.wrong(rule, "a rule of type sql has no `query`");
            return None;
        };
        let query = node.as_str().unwrap_or_default().to_owned();
        let filled = column.map_or(query.clone(), |c| {
            let quoted = format!("\"{c}\"");
            query.replace("${property}", &quoted).replace("{property}", &quoted).replace("${object}", "{object}")
        });
        match super::condition::query(&filled.replace("${object}", "{object}"), &[self.name.as_str()]) {
            Ok(Written::Count(condition)) => {
                let (bounds, outside) = self.operator(rule)?;
                let rule = Box::new(Kind::NoRowsFound { query, condition });
                Some(Kind::UnexpectedCount { rule, bounds, outside, percent: false })
            }
            Ok(Written::Whole(found)) => {
                let (bounds, outside) = self.operator(rule)?;
                Some(Kind::QueryNumber { query: Query { text: query, ..found }, bounds, outside })
            }
            Ok(Written::Rows(_)) => {
                self.reader.wrong(node, "a query of a data contract gives one number: select COUNT(*) or another aggregate");
                None
            }
            Err(why) => {
                self.reader.wrong(node, why);
                None
            }
        }
    }

    /// Rules of Great Expectations within the contract.
    fn custom(&mut self, rule: &Node) -> Option<Kind> {
        let engine = rule.get("engine").and_then(Node::as_str).unwrap_or_default();
        let implementation = rule.get("implementation");
        if !matches!(engine, "greatExpectations" | "great-expectations" | "gx") {
            self.reader.wrong(rule, format!("quality of engine `{engine}` is refused: greatExpectations is understood"));
            return None;
        }
        let inner = match implementation.map(|n| (n, n.as_str())) {
            Some((_, Some(text))) => yaml::parse(text).ok().map(|n| n.to_json()),
            Some((node, None)) => Some(node.to_json()),
            None => None,
        };
        let read = inner.ok_or_else(|| vec![(String::new(), "it is neither a mapping nor text of one".to_owned())]);
        match read.and_then(|json| gx::expectation(&json, &Map::new())) {
            Ok(expectation) => {
                let plain = expectation.mostly >= 1.0 && expectation.row_condition.is_none();
                if plain {
                    return Some(expectation.kind);
                }
                self.reader.expectations.push(expectation);
                None
            }
            Err(wrong) => {
                let at = implementation.unwrap_or(rule);
                wrong.into_iter().for_each(|(_, why)| self.reader.wrong(at, format!("`implementation`: {why}")));
                None
            }
        }
    }
}

/// Neither null nor one of the values that stand for a missing one.
fn present(column: &str, listed: Vec<Value>) -> Condition {
    let term = || Term::Column(column.to_owned());
    let listed: Vec<Value> = listed.into_iter().filter(|v| *v != Value::Null).collect();
    let text = format!("{column} is neither null nor one of {}", Value::Row(listed.clone()));
    let predicate = Predicate::All(vec![Predicate::IsNull(term(), true), Predicate::In(term(), listed, true)]);
    Condition { predicate, nulls: Nulls::False, text }
}

fn multiple_of(column: &str, value: Value) -> Condition {
    let text = format!("{column} is a multiple of {value}");
    let rest = Term::Arithmetic(Box::new(Term::Column(column.to_owned())), Arithmetic::Remainder, Box::new(Term::Value(value)));
    Condition { predicate: Predicate::Compare(rest, Comparison::Equal, Term::Value(Value::Int(0))), nulls: Nulls::Unknown, text }
}
