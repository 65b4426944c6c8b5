//! Schemas of Pandera as `to_yaml` writes them, in all three spellings of checks.
//!
//! Flat beside the dtype (0.35), as a mapping under `checks`, or as a list there. What changes data (coerce,
//! defaults, dropping rows) or needs Python (custom checks) is refused by name with its place.

use super::reader::{Reader, above, anchored, below, escaped, tree};
use super::{ContractError, stem};
use crate::yaml::Node;
use tidegate_core::contract::{Bounds, Contract, IgnoreRow, Kind, Rules, SetRelation, Severity, Value};

/// Keys of a schema that say nothing about data, or only how failures are reported.
const SILENT: &[&str] =
    &["schema_type", "version", "api", "name", "title", "description", "metadata", "report_duplicates", "unique_column_names", "dtype"];
/// Keys of a column that say nothing about data.
const SILENT_COLUMN: &[&str] = &["name", "title", "description", "metadata", "report_duplicates", "alias"];
/// Keys of a column with a meaning of their own.
const COLUMN_KEYS: &[&str] = &["dtype", "nullable", "unique", "required", "checks", "coerce", "regex", "default", "drop_invalid_rows"];
/// Options of a check; `name` and `error` are words for people.
const OPTIONS: &[&str] = &["check_name", "ignore_na", "raise_warning", "n_failure_cases", "groupby", "groups", "error", "name", "options"];
/// The checks that are understood.
const CHECKS: &[&str] = &[
    "equal_to",
    "eq",
    "not_equal_to",
    "ne",
    "greater_than",
    "gt",
    "greater_than_or_equal_to",
    "ge",
    "less_than",
    "lt",
    "less_than_or_equal_to",
    "le",
    "in_range",
    "between",
    "isin",
    "notin",
    "str_matches",
    "str_contains",
    "str_startswith",
    "str_endswith",
    "str_length",
    "unique_values_eq",
];

/// Reads a schema; Pandera's verdicts stand for it.
///
/// # Errors
/// All mistakes of the file, and all that cannot be mapped, by name.
pub fn parse_pandera(file: &str, text: &str, strict: bool) -> Result<Contract, ContractError> {
    let root = tree(file, text)?;
    let mut reader = Reader::default();
    let mut optional = Vec::new();
    for (key, at, node) in reader.entries(&root, "a schema") {
        match key.as_str() {
            "schema_type" if node.as_str() != Some("dataframe") => {
                reader.wrong(node, "only schemas of data frames are understood: make the series a column");
            }
            "dtype" if !node.is_null() => reader.wrong(node, "`dtype` of a whole frame is refused: give each column its type"),
            "columns" => {
                for (column, at, about) in reader.entries(node, "columns") {
                    read_column(&mut reader, &column, at, about, &mut optional);
                }
            }
            "index" if !node.is_null() => reader.wrong(at, "`index` is refused: a file has no index; make it a column"),
            "checks" if !is_empty(node) => {
                reader.wrong(at, "`checks` of a whole frame are refused: write them beside the columns, or as rules of our own");
            }
            "coerce" | "add_missing_columns" | "drop_invalid_rows" if node.as_bool() == Some(true) => refuse_change(&mut reader, &key, at),
            "strict" | "ordered" | "unique" | "columns_" | "index" | "checks" | "coerce" | "add_missing_columns" | "drop_invalid_rows" => {}
            silent if SILENT.contains(&silent) => {}
            check if CHECKS.contains(&check) => {
                reader.wrong(at, format!("check `{check}` of a whole frame is refused: write it beside each column"));
            }
            other => reader.wrong(at, format!("`{other}` of a schema is refused: it is not understood")),
        }
    }
    read_frame(&mut reader, &root, &optional);
    let dataset = root.get("name").and_then(Node::as_str).unwrap_or_else(|| stem(file)).to_owned();
    reader.finish(file, dataset, Rules::Pandera { strict, optional })
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.as_seq().is_some_and(<[Node]>::is_empty) || node.as_map().is_some_and(<[(Node, Node)]>::is_empty)
}

fn refuse_change(reader: &mut Reader, key: &str, at: &Node) {
    reader.wrong(at, format!("`{key}` is refused: a check changes no data; do that before, and leave it out here"));
}

/// `strict`, `ordered` and `unique` of the frame.
fn read_frame(reader: &mut Reader, root: &Node, optional: &[String]) {
    let columns: Vec<String> =
        root.get("columns").and_then(Node::as_map).into_iter().flatten().filter_map(|(k, _)| Some(k.text()?.into_owned())).collect();
    let ordered = root.get("ordered").filter(|n| n.as_bool() == Some(true));
    let strict = root.get("strict").filter(|n| n.as_bool() == Some(true));
    match (strict, ordered) {
        (Some(at), _) | (None, Some(at)) if !optional.is_empty() => {
            reader.wrong(at, "`strict` or `ordered` beside columns that may be missing is refused: require all columns");
        }
        (Some(at), Some(_)) => reader.add(at, Severity::Critical, Kind::ColumnsMatchOrderedList { columns }),
        (Some(at), None) => reader.add(at, Severity::Critical, Kind::ColumnsMatchSet { columns, exact: true }),
        (None, Some(at)) => reader.wrong(at, "`ordered` without `strict: true` is refused: other columns may stand between"),
        (None, None) => {}
    }
    let Some(unique) = root.get("unique").filter(|n| !n.is_null()) else { return };
    if let Some(column) = unique.as_str() {
        return reader.add(unique, Severity::Critical, unique_rule(vec![column.to_owned()]));
    }
    let items = reader.items(unique, "`unique`");
    let names = |nodes: &[Node]| nodes.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect::<Vec<_>>();
    if items.iter().all(|n| n.as_str().is_some()) && !items.is_empty() {
        return reader.add(unique, Severity::Critical, unique_rule(names(items)));
    }
    for item in items {
        let columns = names(reader.items(item, "columns of `unique`"));
        reader.add(item, Severity::Critical, unique_rule(columns));
    }
}

/// Nulls are equal to one another here.
fn unique_rule(columns: Vec<String>) -> Kind {
    Kind::CompoundUnique { columns, ignore_row_if: IgnoreRow::Never }
}

fn read_column(reader: &mut Reader, column: &str, at: &Node, about: &Node, optional: &mut Vec<String>) {
    let flag = |key: &str, default: bool| about.get(key).and_then(Node::as_bool).unwrap_or(default);
    let name = column.to_owned();
    if flag("required", true) {
        reader.add(at, Severity::Critical, Kind::ColumnExists { column: name.clone(), index: None });
    } else {
        optional.push(name.clone());
    }
    if !flag("nullable", false) {
        reader.add(at, Severity::Critical, Kind::NotNull { column: name.clone() });
    }
    if flag("unique", false) {
        reader.add(at, Severity::Critical, unique_rule(vec![name.clone()]));
    }
    for (key, at, node) in reader.entries(about, &format!("column `{column}`")) {
        match key.as_str() {
            "dtype" if node.is_null() => {}
            "dtype" => match node.as_str().and_then(type_of) {
                Some(types) => reader.add(node, Severity::Critical, Kind::OfType { column: name.clone(), types, list: true }),
                None => {
                    reader.wrong(node, format!("dtype `{}` is refused: it has no counterpart in files", node.text().unwrap_or_default()))
                }
            },
            "coerce" | "drop_invalid_rows" if node.as_bool() == Some(true) => refuse_change(reader, &key, at),
            "default" if !node.is_null() => refuse_change(reader, &key, at),
            "regex" if node.as_bool() == Some(true) => {
                reader.wrong(at, "`regex: true` is refused: name each column, a name that matches nothing would pass");
            }
            "checks" => read_checks(reader, column, node),
            key if COLUMN_KEYS.contains(&key) || SILENT_COLUMN.contains(&key) => {}
            check => read_check(reader, column, check, at, node, None),
        }
    }
}

/// A mapping from name to arguments, or a list whose items name their check among their options.
fn read_checks(reader: &mut Reader, column: &str, node: &Node) {
    if let Some(items) = node.as_seq() {
        for item in items {
            let options = item.get("options");
            let name = options.and_then(|o| o.get("check_name")).or_else(|| item.get("check_name"));
            match name.and_then(Node::as_str) {
                Some(name) => read_check(reader, column, name, item, item, options),
                None => reader.wrong(item, "a check without `options: { check_name: .. }` is refused: it does not say which it is"),
            }
        }
        return;
    }
    for (name, at, arguments) in reader.entries(node, "checks") {
        read_check(reader, column, &name, at, arguments, arguments.get("options"));
    }
}

/// The arguments of a check, however they are written.
struct Given<'n> {
    node: &'n Node,
    /// A single argument is written without its name, or as `value`.
    plain: Option<&'n Node>,
}

impl<'n> Given<'n> {
    fn one(&self, name: &str) -> Option<&'n Node> {
        self.node.get(name).or(self.plain)
    }

    fn named(&self, name: &str) -> Option<&'n Node> {
        self.node.get(name).filter(|n| !n.is_null())
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.named(name).and_then(Node::as_bool).unwrap_or(default)
    }
}

fn read_check(reader: &mut Reader, column: &str, check: &str, at: &Node, node: &Node, options: Option<&Node>) {
    if !CHECKS.contains(&check) {
        let near = super::names::near(check, CHECKS.iter().copied());
        return reader.wrong(at, format!("check `{check}` of column `{column}` is refused: it is not one of Pandera's own{near}"));
    }
    let option = |key: &str| options.and_then(|o| o.get(key)).or_else(|| node.as_map().and_then(|_| node.get(key)));
    for key in ["groupby", "groups"] {
        if let Some(found) = option(key).filter(|n| !n.is_null()) {
            return reader.wrong(found, format!("`{key}` of check `{check}` is refused: checks by group are not understood"));
        }
    }
    let severity = if option("raise_warning").and_then(Node::as_bool) == Some(true) { Severity::Warning } else { Severity::Critical };
    let only = node
        .as_map()
        .map(|entries| entries.iter().filter(|(k, _)| !OPTIONS.contains(&k.text().unwrap_or_default().as_ref())).collect::<Vec<_>>());
    let plain = match &only {
        None => Some(node),
        Some(entries) => match entries.as_slice() {
            [(_, value)] => Some(value),
            _ => None,
        },
    };
    let given = Given { node, plain };
    if let Some(kind) = rule(reader, column, check, at, &given) {
        reader.add(at, severity, kind);
        // A null differs from every value, so it passes these two even where it is looked at.
        let differs = matches!(check, "not_equal_to" | "ne" | "notin");
        if !differs && option("ignore_na").and_then(Node::as_bool) == Some(false) {
            reader.add(at, severity, Kind::NotNull { column: column.to_owned() });
        }
    }
}

fn rule(reader: &mut Reader, column: &str, check: &str, at: &Node, given: &Given<'_>) -> Option<Kind> {
    let column = column.to_owned();
    let need = |reader: &mut Reader, name: &str| match given.one(name) {
        Some(node) => reader.value(node),
        None => {
            reader.wrong(at, format!("check `{check}` has no `{name}`"));
            None
        }
    };
    let between = |bounds: Bounds, column: String| Some(Kind::Between { column, bounds });
    match check {
        "equal_to" | "eq" => Some(Kind::InSet { values: vec![need(reader, "value")?], column, negate: false }),
        "not_equal_to" | "ne" => Some(Kind::InSet { values: vec![need(reader, "value")?], column, negate: true }),
        "greater_than" | "gt" => between(above(need(reader, "min_value")?, true), column),
        "greater_than_or_equal_to" | "ge" => between(above(need(reader, "min_value")?, false), column),
        "less_than" | "lt" => between(below(need(reader, "max_value")?, true), column),
        "less_than_or_equal_to" | "le" => between(below(need(reader, "max_value")?, false), column),
        "in_range" | "between" => {
            let end = |reader: &mut Reader, name: &str| match given.named(name) {
                Some(node) => reader.value(node),
                None => {
                    reader.wrong(at, format!("check `{check}` has no `{name}`"));
                    None
                }
            };
            let (min, max) = (end(reader, "min_value")?, end(reader, "max_value")?);
            let (strict_min, strict_max) = (!given.flag("include_min", true), !given.flag("include_max", true));
            between(Bounds { min: Some(min), max: Some(max), strict_min, strict_max }, column)
        }
        "isin" | "notin" => {
            let name = if check == "isin" { "allowed_values" } else { "forbidden_values" };
            let Some(list) = given.one(name) else {
                reader.wrong(at, format!("check `{check}` has no `{name}`"));
                return None;
            };
            Some(Kind::InSet { column, values: reader.values(list), negate: check == "notin" })
        }
        "unique_values_eq" => {
            let Some(list) = given.one("values") else {
                reader.wrong(at, "check `unique_values_eq` has no `values`");
                return None;
            };
            Some(Kind::DistinctValues { column, values: reader.values(list), relation: SetRelation::Equal })
        }
        "str_length" => {
            let end = |reader: &mut Reader, name: &str| given.named(name).and_then(|n| reader.value(n));
            let bounds = match end(reader, "exact_value") {
                Some(exact) => Bounds::inclusive(Some(exact.clone()), Some(exact)),
                None if given.node.as_map().is_none() => {
                    Bounds::inclusive(Some(need(reader, "exact_value")?), given.plain.and_then(|n| reader.value(n)))
                }
                None => Bounds::inclusive(end(reader, "min_value"), end(reader, "max_value")),
            };
            Some(Kind::LengthBetween { column, bounds })
        }
        _ => {
            let name = if check.ends_with("with") { "string" } else { "pattern" };
            let Value::Text(text) = need(reader, name)? else {
                reader.wrong(at, format!("`{name}` of check `{check}` is not a text"));
                return None;
            };
            let regex = match check {
                "str_matches" => anchored(&text),
                "str_startswith" => format!(r"\A{}", escaped(&text)),
                "str_endswith" => format!(r"{}\Z", escaped(&text)),
                _ => text,
            };
            Some(Kind::MatchRegex { column, regex, negate: false })
        }
    }
}

/// The names of types, as contracts have them, for a dtype of pandas.
fn type_of(dtype: &str) -> Option<Vec<String>> {
    let one = |name: &str| Some(vec![name.to_owned()]);
    match dtype {
        "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" | "float16" | "float32" | "float64" | "bool"
        | "category" => one(dtype),
        "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" | "Float32" | "Float64" => {
            one(&dtype.to_lowercase())
        }
        "int" => one("int64"),
        "float" => one("float64"),
        "boolean" => one("bool"),
        "str" | "object" => one("string"),
        text if text == "string" || text.starts_with("string[") => one("string"),
        instant if instant.starts_with("datetime64[") => one("timestamp"),
        "date" => one("date"),
        _ => None,
    }
}
