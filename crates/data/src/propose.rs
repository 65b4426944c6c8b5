//! Proposes a contract from data: rules that the data passes, each marked with what it was inferred from.
//!
//! Nothing is guessed in silence: every rule says "inferred", from how many values, and how much room was added; what
//! was left out is said too. A proposal is for a person to judge.

use crate::classes::{Class, type_name};
use crate::error::DataError;
use crate::groups::{Asked, GroupKey, groups};
use crate::measure::{Canonical, Moments};
use crate::scan::{Gather, scan};
use crate::source::{MEMORY_BYTES_MAX, Source, open};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use serde::Serialize;
use tidegate_core::contract::{IgnoreRow, Statistic, Value};

const OPERATION: &str = "propose contract";
/// Most distinct values that are proposed as a set.
const SET_MAX: usize = 20;
/// A set is proposed only where each of its values stands for at least this many rows.
const ROWS_PER_VALUE_MIN: u64 = 20;
/// Fewer values than this are too few for an interval.
const VALUES_MIN: u64 = 20;
/// Room that is added to an interval at both ends, as a share of its width.
const ROOM: f64 = 0.1;

/// One proposed rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposedRule {
    /// Its short name in our contracts.
    pub rule: String,
    /// Its argument, as it is written.
    pub argument: serde_json::Value,
    /// What it was inferred from.
    pub inferred_from: String,
}

/// What is proposed for one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposedColumn {
    /// The column.
    pub name: String,
    /// Rules.
    pub rules: Vec<ProposedRule>,
    /// What was looked at and not proposed, and why.
    pub left_out: Vec<String>,
}

/// A proposed contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// Name of the dataset: that of the file.
    pub dataset: String,
    /// Rows that were looked at.
    pub rows: u64,
    /// Columns in order.
    pub columns: Vec<ProposedColumn>,
}

impl Proposal {
    /// As a contract in our YAML, with a comment at each rule.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut out = format!(
            "# Inferred from {} rows. Every rule below is what the data happened to be, not what it must be:\n# keep, correct or delete each one.\nversion: 1\ndataset: {}\ntable:\n",
            self.rows,
            quoted(&self.dataset)
        );
        let names: Vec<String> = self.columns.iter().map(|c| quoted(&c.name)).collect();
        out.push_str(&format!("  columns: {{ ordered: [{}] }}  # inferred: the columns that are there\n", names.join(", ")));
        out.push_str(&format!("  row_count: {{ min: 1 }}  # inferred: the table had {} rows\n", self.rows));
        out.push_str("columns:\n");
        for column in &self.columns {
            out.push_str(&format!("  {}:", quoted(&column.name)));
            if column.rules.is_empty() {
                out.push_str(" {}");
            }
            out.push('\n');
            for rule in &column.rules {
                out.push_str(&format!("    {}: {}  # inferred: {}\n", rule.rule, rule.argument, rule.inferred_from));
            }
            for left in &column.left_out {
                out.push_str(&format!("    # not proposed: {left}\n"));
            }
        }
        out
    }
}

/// JSON is YAML, so that any name is safe.
fn quoted(name: &str) -> String {
    serde_json::Value::String(name.to_owned()).to_string()
}

/// Proposes a contract for a source.
///
/// # Errors
/// When the data cannot be read, or has no rows: nothing can be inferred from nothing.
pub async fn propose(source: &Source) -> Result<Proposal, DataError> {
    let opened = open(source, OPERATION, MEMORY_BYTES_MAX, None).await?;
    let count = opened.schema.fields().len();
    let places: Vec<usize> = (0..count).collect();
    let (seen, rows) = scan(&opened, &places, |_| Seen { columns: (0..count).map(|_| (0, Moments::default())).collect() }).await?;
    if rows == 0 {
        let why = "the table has no rows, so nothing can be inferred: bring data first".to_owned();
        return Err(DataError::Damaged { operation: OPERATION, path: opened.path.clone(), why });
    }
    let mut columns = Vec::with_capacity(count);
    for (place, (missing, moments)) in seen.columns.into_iter().enumerate() {
        let field = opened.schema.field(place);
        let class = Class::reading(field.data_type());
        let mut column = ProposedColumn { name: field.name().clone(), rules: vec![], left_out: vec![] };
        let key = GroupKey { columns: vec![place], ignore: IgnoreRow::AnyValueIsMissing, view: 0 };
        let found = match class {
            Class::Null | Class::Other => None,
            _ => Some(groups(&opened, &key, None, Asked { categories: true, ..Asked::default() }).await?),
        };
        let about = About { class, rows, missing, moments: &moments };
        column.presence(&about, &type_name(field.data_type()));
        if let Some(found) = found {
            column.values(&about, found.groups, found.categories.as_deref());
        }
        columns.push(column);
    }
    let dataset = source.path.file_stem().map_or_else(|| "data".to_owned(), |n| n.to_string_lossy().into_owned());
    Ok(Proposal { dataset, rows, columns })
}

struct Seen {
    columns: Vec<(u64, Moments)>,
}

impl Gather for Seen {
    fn take(&mut self, batch: &RecordBatch, _: u64) -> Result<(), DataFusionError> {
        for ((missing, moments), array) in self.columns.iter_mut().zip(batch.columns()) {
            let column = Canonical::new(array)?;
            *missing += column.missing() as u64;
            moments.take(&column);
        }
        Ok(())
    }

    fn join(&mut self, next: Seen, _: u64) {
        for ((missing, moments), (more, theirs)) in self.columns.iter_mut().zip(next.columns) {
            *missing += more;
            moments.join(theirs);
        }
    }
}

/// What a column was found to be.
struct About<'a> {
    class: Class,
    rows: u64,
    missing: u64,
    moments: &'a Moments,
}

impl ProposedColumn {
    fn rule(&mut self, rule: &str, argument: serde_json::Value, inferred_from: String) {
        self.rules.push(ProposedRule { rule: rule.to_owned(), argument, inferred_from });
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    fn presence(&mut self, about: &About<'_>, kind: &str) {
        let About { class, rows, missing, .. } = about;
        let named = crate::classes::type_names().iter().any(|(n, _)| *n == kind);
        let kind = if kind.starts_with("timestamp[") { "timestamp" } else { kind };
        if *class == Class::Null || *missing == *rows {
            self.left_out.push(format!("anything, for all {rows} values are null"));
        } else if named || kind == "timestamp" {
            self.rule("type", serde_json::json!(kind), "the column's type".to_owned());
        } else {
            self.left_out.push(format!("its type, for `{kind}` has no name in contracts"));
        }
        if *missing == 0 {
            self.rule("not_null", serde_json::json!(true), format!("none of {rows} values is null"));
        } else if *missing < *rows {
            // Half as many nulls again, rounded down to a thousandth, is still a pass.
            let share = ((1.0 - *missing as f64 / *rows as f64 * 1.5).max(0.0) * 1_000.0).floor() / 1_000.0;
            let from = format!("{missing} of {rows} values are null; half as many again are allowed");
            self.rule("not_null", serde_json::json!({ "mostly": share }), from);
        }
    }

    fn values(&mut self, about: &About<'_>, distinct: u64, categories: Option<&[(Value, u64)]>) {
        let present = about.rows - about.missing;
        if present == 0 {
            return;
        }
        if distinct == present && present >= VALUES_MIN && matches!(about.class, Class::Int | Class::Text) {
            self.rule("unique", serde_json::json!(true), format!("no value of {present} occurs twice"));
        }
        match about.class {
            Class::Text | Class::Bool => self.set(present, distinct, categories),
            Class::Int | Class::Float => self.interval(about, present),
            Class::Instant => self.left_out.push("an interval of instants, for new data is newer".to_owned()),
            Class::Null | Class::Other => {}
        }
    }

    fn set(&mut self, present: u64, distinct: u64, categories: Option<&[(Value, u64)]>) {
        let Some(categories) = categories.filter(|c| c.len() <= SET_MAX) else {
            self.left_out.push(format!("a set of values, for {distinct} distinct ones are more than {SET_MAX}"));
            return;
        };
        if present < distinct.saturating_mul(ROWS_PER_VALUE_MIN) {
            self.left_out.push(format!("a set of values, for {present} values are too few to know {distinct} distinct ones"));
            return;
        }
        let mut values: Vec<Value> = categories.iter().map(|(v, _)| v.clone()).collect();
        values.sort_by(crate::sets::order);
        self.rule("in_set", serde_json::json!(values), format!("{present} values have {distinct} distinct ones"));
    }

    fn interval(&mut self, about: &About<'_>, present: u64) {
        let (low, high) = (about.moments.value(Statistic::Min), about.moments.value(Statistic::Max));
        let (Some(low), Some(high)) = (low.and_then(|v| v.number()), high.and_then(|v| v.number())) else { return };
        if present < VALUES_MIN || !low.is_finite() || !high.is_finite() || low.abs() == f64::MAX || high.abs() == f64::MAX {
            self.left_out.push(format!("an interval, for {present} values from {low} to {high} do not tell one"));
            return;
        }
        let room = (high - low) * ROOM;
        let (mut min, mut max) = (low - room, high + room);
        // Nothing below zero was seen: room would invent a meaning for it.
        let clamped = low >= 0.0 && min < 0.0;
        if clamped {
            min = 0.0;
        }
        if about.class == Class::Int {
            (min, max) = (min.floor(), max.ceil());
        }
        let end = |x: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "whole and small, as is tested")]
            let json = if about.class == Class::Int && x.abs() < 9e15 { serde_json::json!(x as i64) } else { serde_json::json!(x) };
            json
        };
        let but = if clamped { ", but nothing below 0" } else { "" };
        let from = format!("{present} values from {low} to {high}; {:.0} % of the width are added at both ends{but}", ROOM * 100.0);
        self.rule("between", serde_json::json!([end(min), end(max)]), from);
    }
}
