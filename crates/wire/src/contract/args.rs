//! Arguments of a rule while they are read: each with its form, and a sentence where the form is another.

use super::condition;
use super::kwargs::{Wrong, duration_ms, quantile, value};
use super::names::near;
use serde_json::{Map, Value as Json};
use tidegate_core::contract::{Bounds, Expected, IgnorePair, IgnoreRow, Kind, MatchOn, Partition, Quantile, RowCondition, Value};

/// Arguments that say how results are shown, not what is expected.
const NEUTRAL: &[&str] = &["batch_id", "result_format", "catch_exceptions", "include_config", "meta", "description"];

/// Arguments while they are read; those that nobody asked for are mistakes in the end.
pub(super) struct Args<'a> {
    pub map: &'a Map<String, Json>,
    pub asked: Vec<&'static str>,
    pub wrong: Vec<Wrong>,
}

impl<'a> Args<'a> {
    /// The argument, where it is given and not null.
    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Json> {
        self.asked.push(name);
        self.map.get(name).filter(|v| !v.is_null())
    }

    pub(super) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.push((name.to_owned(), message.into()));
    }

    pub(super) fn text(&mut self, name: &'static str) -> String {
        match self.get(name) {
            Some(Json::String(text)) => return text.clone(),
            Some(_) => self.wrong(name, format!("`{name}` is not a text")),
            None => self.wrong(name, format!("`{name}` is missing")),
        }
        String::new()
    }

    pub(super) fn list(&mut self, name: &'static str) -> &'a [Json] {
        match self.get(name) {
            Some(Json::Array(items)) => return items,
            Some(_) => self.wrong(name, format!("`{name}` is not a list")),
            None => self.wrong(name, format!("`{name}` is missing")),
        }
        &[]
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        let items = self.list(name);
        let texts: Vec<String> = items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect();
        if texts.len() < items.len() {
            self.wrong(name, format!("`{name}` has items that are not texts"));
        }
        texts
    }

    pub(super) fn values(&mut self, name: &'static str) -> Vec<Value> {
        let items = self.list(name);
        let values: Vec<Value> = items.iter().filter_map(value).collect();
        if values.len() < items.len() {
            self.wrong(name, format!("`{name}` has items that are lists or mappings"));
        }
        values
    }

    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Json::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(name, format!("`{name}` is neither true nor false"));
                default
            }
        }
    }

    pub(super) fn index(&mut self, name: &'static str) -> Option<u64> {
        let given = self.get(name)?;
        if given.as_u64().is_none() {
            self.wrong(name, format!("`{name}` is not a whole number from 0"));
        }
        given.as_u64()
    }

    pub(super) fn scalar(&mut self, name: &'static str) -> Option<Value> {
        let given = self.get(name)?;
        let read = value(given);
        if read.is_none() {
            self.wrong(name, format!("`{name}` is a list or a mapping, not a value"));
        }
        read
    }

    pub(super) fn bounds(&mut self) -> Bounds {
        Bounds {
            min: self.scalar("min_value"),
            max: self.scalar("max_value"),
            strict_min: self.flag("strict_min", false),
            strict_max: self.flag("strict_max", false),
        }
    }

    pub(super) fn equal(&mut self) -> Bounds {
        let value = self.scalar("value");
        if value.is_none() {
            self.wrong("value", "`value` is missing");
        }
        Bounds::inclusive(value.clone(), value)
    }

    pub(super) fn duration(&mut self, name: &'static str) -> u64 {
        let text = self.text(name);
        duration_ms(&text).unwrap_or_else(|| {
            self.wrong(name, format!("`{name}` is `{text}`, which is not a duration: write `7d`, `36h` or `1h30m`"));
            0
        })
    }

    pub(super) fn ignore_row(&mut self) -> IgnoreRow {
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

    pub(super) fn ignore_pair(&mut self) -> IgnorePair {
        match self.get("ignore_row_if").map(|v| v.as_str().unwrap_or_default()) {
            None | Some("both_values_are_missing") => IgnorePair::BothValuesAreMissing,
            Some("either_value_is_missing") => IgnorePair::EitherValueIsMissing,
            Some("neither") => IgnorePair::Neither,
            Some(_) => {
                self.wrong("ignore_row_if", "`ignore_row_if` is none of both_values_are_missing, either_value_is_missing, neither");
                IgnorePair::default()
            }
        }
    }

    pub(super) fn number(&mut self, name: &'static str, default: Option<f64>) -> f64 {
        let given = self.get(name);
        match (given.and_then(Json::as_f64), default) {
            (Some(number), _) => return number,
            (None, Some(default)) if given.is_none() => return default,
            _ if given.is_some() => self.wrong(name, format!("`{name}` is not a number")),
            _ => self.wrong(name, format!("`{name}` is missing")),
        }
        0.0
    }

    pub(super) fn match_on(&mut self) -> MatchOn {
        match self.get("match_on").map(|v| v.as_str().unwrap_or_default()) {
            None | Some("any") => MatchOn::Any,
            Some("all") => MatchOn::All,
            Some(_) => {
                self.wrong("match_on", "`match_on` is neither any nor all");
                MatchOn::Any
            }
        }
    }

    pub(super) fn pairs(&mut self, name: &'static str) -> Vec<(Value, Value)> {
        let items = self.list(name);
        let pair = |item: &Json| match item.as_array()?.as_slice() {
            [a, b] => Some((value(a)?, value(b)?)),
            _ => None,
        };
        let pairs: Vec<(Value, Value)> = items.iter().filter_map(pair).collect();
        if pairs.len() < items.len() {
            self.wrong(name, format!("`{name}` has items that are not pairs of values"));
        }
        pairs
    }

    /// The expected distribution with its weights and threshold.
    pub(super) fn distribution(&mut self) -> Expected {
        let bucketize = self.flag("bucketize_data", true);
        let read = self.get("partition_object").and_then(partition);
        if self.get("partition_object").is_none() {
            self.wrong("partition_object", "`partition_object` is missing: without one the data would be compared with itself");
        } else if read.is_none() {
            let forms = "{ values: [..], weights: [..] } or { bins: [..], weights: [..], tail_weights: [low, high] }";
            self.wrong("partition_object", format!("`partition_object` is not {forms} of equal length"));
        }
        let partition = read.unwrap_or(Partition::Categories(vec![]));
        if !bucketize && matches!(partition, Partition::Bins { .. }) {
            self.wrong("bucketize_data", "`bucketize_data` must be true where the partition has bins");
        }
        let threshold = self.get("threshold").is_some().then(|| self.number("threshold", None));
        Expected {
            partition,
            threshold,
            tail_weight_holdout: self.number("tail_weight_holdout", Some(0.0)),
            internal_weight_holdout: self.number("internal_weight_holdout", Some(0.0)),
        }
    }

    pub(super) fn quantiles(&mut self) -> Vec<Quantile> {
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

    pub(super) fn mostly(&mut self, kind: &Kind) -> f64 {
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

    /// The rows that the rule is meant for: `row_condition` of suites, or `where` of our own contracts.
    pub(super) fn row_condition(&mut self, kind: &Kind) -> Option<RowCondition> {
        // A condition parser without a condition is what old suites write everywhere.
        let parser = self.get("condition_parser").and_then(Json::as_str);
        let (key, read) = match (self.get("row_condition"), self.get("where")) {
            (None, None) => return None,
            (Some(_), Some(_)) => ("where", Err("`row_condition` and `where` say the same: leave one out".to_owned())),
            (Some(written), None) => ("row_condition", condition::row_condition(written, parser)),
            (None, Some(written)) => {
                let text = written.as_str().ok_or_else(|| "`where` is not a text".to_owned());
                let read =
                    text.and_then(condition::sql).map(|condition| RowCondition { condition, written: written.clone(), parser: None });
                ("where", read)
            }
        };
        match read {
            Ok(_) if !takes_condition(kind) => {
                self.wrong(key, format!("`{key}` means nothing for {}: leave it out", kind.name()));
                None
            }
            Ok(condition) => Some(condition),
            Err(why) => {
                self.wrong(key, why);
                None
            }
        }
    }

    pub(super) fn unknown(&mut self, rule: &str) {
        let map = self.map;
        for (key, given) in map {
            if given.is_null() || NEUTRAL.contains(&key.as_str()) || self.asked.contains(&key.as_str()) {
                continue;
            }
            self.wrong(key, format!("argument `{key}` of {rule} is unknown{}", near(key, self.asked.iter().copied())));
        }
    }
}

/// Whether a rule can be meant for some rows only.
fn takes_condition(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::ColumnCount { .. }
            | Kind::ColumnExists { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::OfType { .. }
            | Kind::NoRowsFound { .. }
            | Kind::QueryFindsNone { .. }
            | Kind::QueryNumber { .. }
            | Kind::References { .. }
            | Kind::SameRowCount { .. }
            | Kind::Volume { .. }
            | Kind::SchemaCompatible { .. }
    )
}

/// Edges may be written as texts where they are infinite.
fn edge(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| match json.as_str()? {
        "inf" | "Infinity" | "+inf" => Some(f64::INFINITY),
        "-inf" | "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    })
}

fn partition(json: &Json) -> Option<Partition> {
    let numbers = |key: &str| json.get(key)?.as_array()?.iter().map(edge).collect::<Option<Vec<f64>>>();
    let weights = numbers("weights")?;
    if let Some(values) = json.get("values").and_then(Json::as_array) {
        let values: Vec<Value> = values.iter().map(value).collect::<Option<_>>()?;
        return (values.len() == weights.len()).then(|| Partition::Categories(values.into_iter().zip(weights).collect()));
    }
    let edges = numbers("bins")?;
    let tails = match json.get("tail_weights") {
        None => None,
        Some(_) => match numbers("tail_weights")?.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => return None,
        },
    };
    (edges.len() == weights.len() + 1).then_some(Partition::Bins { edges, weights, tails })
}
