//! A rule by its suite name and arguments.

use super::names::{SUITE_NAMES, near};
use serde_json::{Map, Value as Json};
use tidegate_core::contract::{Bounds, IgnoreRow, Kind, Quantile, Statistic, Value};

/// A mistake in an argument: its name (empty for the rule itself) and a sentence.
pub(super) type Wrong = (String, String);

/// Arguments that say how results are shown, not what is expected.
const NEUTRAL: &[&str] = &["batch_id", "result_format", "catch_exceptions", "include_config", "meta"];

/// Arguments while they are read; those that nobody asked for are mistakes in the end.
struct Args<'a> {
    map: &'a Map<String, Json>,
    asked: Vec<&'static str>,
    wrong: Vec<Wrong>,
}

/// The rule and its `mostly`.
pub(super) fn rule(name: &str, map: &Map<String, Json>) -> Result<(Kind, f64), Vec<Wrong>> {
    let mut args = Args { map, asked: Vec::new(), wrong: Vec::new() };
    let kind = if name.starts_with("expect_table_") { table_rule(name, &mut args) } else { column_rule(name, &mut args) };
    let Some(kind) = kind else {
        let known = near(name, SUITE_NAMES.iter().copied());
        return Err(vec![(String::new(), format!("rule `{name}` is not understood{known}"))]);
    };
    let mostly = args.mostly(&kind);
    args.unknown(name);
    if args.wrong.is_empty() { Ok((kind, mostly)) } else { Err(args.wrong) }
}

fn table_rule(name: &str, args: &mut Args<'_>) -> Option<Kind> {
    Some(match name {
        "expect_table_row_count_to_be_between" => Kind::RowCount { bounds: args.bounds() },
        "expect_table_row_count_to_equal" => Kind::RowCount { bounds: args.equal() },
        "expect_table_column_count_to_be_between" => Kind::ColumnCount { bounds: args.bounds() },
        "expect_table_column_count_to_equal" => Kind::ColumnCount { bounds: args.equal() },
        "expect_table_columns_to_match_set" => {
            Kind::ColumnsMatchSet { columns: args.texts("column_set"), exact: args.flag("exact_match", true) }
        }
        "expect_table_columns_to_match_ordered_list" => Kind::ColumnsMatchOrderedList { columns: args.texts("column_list") },
        "expect_table_to_be_fresh" => {
            let column = args.get("column").is_some().then(|| args.text("column"));
            Kind::Freshness { column, within_ms: args.duration("within") }
        }
        _ => return None,
    })
}

fn column_rule(name: &str, args: &mut Args<'_>) -> Option<Kind> {
    if name == "expect_compound_columns_to_be_unique" {
        return Some(Kind::CompoundUnique { columns: args.texts("column_list"), ignore_row_if: args.ignore_row() });
    }
    if let Some(statistic) = STATISTICS.into_iter().find(|s| s.expectation_name() == name) {
        return Some(Kind::Aggregate { column: args.text("column"), statistic, bounds: args.bounds() });
    }
    if !SUITE_NAMES.contains(&name) {
        return None;
    }
    let column = args.text("column");
    Some(match name {
        "expect_column_to_exist" => Kind::ColumnExists { column, index: args.index("column_index") },
        "expect_column_values_to_not_be_null" => Kind::NotNull { column },
        "expect_column_values_to_be_null" => Kind::Null { column },
        "expect_column_values_to_be_unique" => Kind::Unique { column },
        "expect_column_values_to_be_of_type" => Kind::OfType { column, types: vec![args.text("type_")], list: false },
        "expect_column_values_to_be_in_type_list" => Kind::OfType { column, types: args.texts("type_list"), list: true },
        "expect_column_values_to_be_between" => Kind::Between { column, bounds: args.bounds() },
        "expect_column_values_to_be_in_set" => Kind::InSet { column, values: args.values("value_set"), negate: false },
        "expect_column_values_to_not_be_in_set" => Kind::InSet { column, values: args.values("value_set"), negate: true },
        "expect_column_values_to_match_regex" => Kind::MatchRegex { column, regex: args.text("regex"), negate: false },
        "expect_column_values_to_not_match_regex" => Kind::MatchRegex { column, regex: args.text("regex"), negate: true },
        "expect_column_value_lengths_to_be_between" => Kind::LengthBetween { column, bounds: args.bounds() },
        "expect_column_value_lengths_to_equal" => Kind::LengthBetween { column, bounds: args.equal() },
        "expect_column_quantile_values_to_be_between" => Kind::Quantiles { column, quantiles: args.quantiles() },
        _ => return None,
    })
}

const STATISTICS: [Statistic; 8] = [
    Statistic::Mean,
    Statistic::Stdev,
    Statistic::Min,
    Statistic::Max,
    Statistic::Sum,
    Statistic::Median,
    Statistic::UniqueValueCount,
    Statistic::UniqueValueProportion,
];

/// A JSON value as a contract's value.
pub(super) fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(n.as_f64()?),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => return None,
    })
}

impl<'a> Args<'a> {
    /// The argument, where it is given and not null.
    fn get(&mut self, name: &'static str) -> Option<&'a Json> {
        self.asked.push(name);
        self.map.get(name).filter(|v| !v.is_null())
    }

    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.push((name.to_owned(), message.into()));
    }

    fn text(&mut self, name: &'static str) -> String {
        match self.get(name) {
            Some(Json::String(text)) => return text.clone(),
            Some(_) => self.wrong(name, format!("`{name}` is not a text")),
            None => self.wrong(name, format!("`{name}` is missing")),
        }
        String::new()
    }

    fn list(&mut self, name: &'static str) -> &'a [Json] {
        match self.get(name) {
            Some(Json::Array(items)) => return items,
            Some(_) => self.wrong(name, format!("`{name}` is not a list")),
            None => self.wrong(name, format!("`{name}` is missing")),
        }
        &[]
    }

    fn texts(&mut self, name: &'static str) -> Vec<String> {
        let items = self.list(name);
        let texts: Vec<String> = items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect();
        if texts.len() < items.len() {
            self.wrong(name, format!("`{name}` has items that are not texts"));
        }
        texts
    }

    fn values(&mut self, name: &'static str) -> Vec<Value> {
        let items = self.list(name);
        let values: Vec<Value> = items.iter().filter_map(value).collect();
        if values.len() < items.len() {
            self.wrong(name, format!("`{name}` has items that are lists or mappings"));
        }
        values
    }

    fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Json::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(name, format!("`{name}` is neither true nor false"));
                default
            }
        }
    }

    fn index(&mut self, name: &'static str) -> Option<u64> {
        let given = self.get(name)?;
        if given.as_u64().is_none() {
            self.wrong(name, format!("`{name}` is not a whole number from 0"));
        }
        given.as_u64()
    }

    fn scalar(&mut self, name: &'static str) -> Option<Value> {
        let given = self.get(name)?;
        let read = value(given);
        if read.is_none() {
            let parameter = given.get("$PARAMETER").and_then(Json::as_str);
            let message = match parameter {
                Some(p) => format!("`{name}` is the parameter `{p}`, which has no value: give it one"),
                None => format!("`{name}` is a list or a mapping, not a value"),
            };
            self.wrong(name, message);
        }
        read
    }

    fn bounds(&mut self) -> Bounds {
        Bounds {
            min: self.scalar("min_value"),
            max: self.scalar("max_value"),
            strict_min: self.flag("strict_min", false),
            strict_max: self.flag("strict_max", false),
        }
    }

    fn equal(&mut self) -> Bounds {
        let value = self.scalar("value");
        if value.is_none() {
            self.wrong("value", "`value` is missing");
        }
        Bounds::inclusive(value.clone(), value)
    }

    fn duration(&mut self, name: &'static str) -> u64 {
        let text = self.text(name);
        duration_ms(&text).unwrap_or_else(|| {
            self.wrong(name, format!("`{name}` is `{text}`, which is not a duration: write `7d`, `36h` or `1h30m`"));
            0
        })
    }

    fn ignore_row(&mut self) -> IgnoreRow {
        match self.get("ignore_row_if").map(|v| v.as_str().unwrap_or_default()) {
            None | Some("all_values_are_missing") => IgnoreRow::AllValuesAreMissing,
            Some("any_value_is_missing") => IgnoreRow::AnyValueIsMissing,
            Some("never") => IgnoreRow::Never,
            Some(_) => {
                self.wrong("ignore_row_if", "`ignore_row_if` is none of all_values_are_missing, any_value_is_missing, never");
                IgnoreRow::default()
            }
        }
    }

    fn quantiles(&mut self) -> Vec<Quantile> {
        if self.get("allow_relative_error").is_some_and(|v| v != &Json::Bool(false) && v != "nearest") {
            self.wrong("allow_relative_error", "`allow_relative_error` is refused: quantiles are exact, the nearest value is taken");
        }
        let Some(ranges) = self.get("quantile_ranges") else {
            self.wrong("quantile_ranges", "`quantile_ranges` is missing");
            return vec![];
        };
        let read = || -> Option<Vec<Quantile>> {
            let (qs, ranges) = (ranges.get("quantiles")?.as_array()?, ranges.get("value_ranges")?.as_array()?);
            (qs.len() == ranges.len()).then_some(())?;
            qs.iter().zip(ranges).map(|(q, range)| quantile(q.as_f64()?, range)).collect()
        };
        read().unwrap_or_else(|| {
            self.wrong(
                "quantile_ranges",
                "`quantile_ranges` is not { quantiles: [q, ..], value_ranges: [[min, max], ..] } of equal length",
            );
            vec![]
        })
    }

    fn mostly(&mut self, kind: &Kind) -> f64 {
        let Some(given) = self.get("mostly") else { return 1.0 };
        match given.as_f64() {
            Some(share) if (0.0..=1.0).contains(&share) => {
                // Suites carry `mostly` on `of_type` too; it means nothing for typed columns.
                if share < 1.0 && !kind.by_row() && !matches!(kind, Kind::OfType { .. }) {
                    self.wrong("mostly", format!("`mostly` means nothing for {}: leave it out", kind.name()));
                }
                share
            }
            _ => {
                self.wrong("mostly", format!("`mostly` is {given}: give a share between 0 and 1"));
                1.0
            }
        }
    }

    fn unknown(&mut self, rule: &str) {
        let map = self.map;
        for (key, given) in map {
            if given.is_null() || NEUTRAL.contains(&key.as_str()) || self.asked.contains(&key.as_str()) {
                continue;
            }
            // A pandas condition parser without a condition is what old suites write everywhere.
            if key == "condition_parser" && map.get("row_condition").is_none_or(Json::is_null) {
                continue;
            }
            let message = match key.as_str() {
                "row_condition" | "condition_parser" => {
                    format!("`{key}` is refused: {rule} on some rows only cannot be checked here; check a dataset that holds those rows")
                }
                _ => format!("argument `{key}` of {rule} is unknown{}", near(key, self.asked.iter().copied())),
            };
            self.wrong(key, message);
        }
    }
}

/// One quantile's range.
pub(super) fn quantile(q: f64, range: &Json) -> Option<Quantile> {
    match range.as_array()?.as_slice() {
        [min, max] if [min, max].iter().all(|v| v.is_null() || v.is_number()) => Some(Quantile { q, min: min.as_f64(), max: max.as_f64() }),
        _ => None,
    }
}

/// `7d`, `1h30m`, `500ms` in milliseconds.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let each: u64 = match unit {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(each)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}
