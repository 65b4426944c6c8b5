//! A table of values that somebody else computed, laid out by entity and time: what training sets are joined with, and what is served of it.

use super::coded;
use anyhow::Result;
use serde_json::Value as Json;
use tidegate_data::{Frame, KeyColumn, Source, read_frame};
use tidegate_features::{Codes, Keys, NOTHING, Rule, Timeline};
use tidegate_wire::config::FileView;

/// Microseconds of a millisecond.
pub const MICROS: i64 = 1_000;

/// What a table tells of an entity at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// No row had happened and was known.
    Missing,
    /// The newest is older than the view's `ttl`: when it happened, in milliseconds.
    Outdated(i64),
    /// The number of the row, and when it happened.
    Found(u32, i64),
}

/// The table of a view.
#[derive(Debug)]
pub struct Table {
    frame: Frame,
    codes: Codes,
    timeline: Timeline,
    columns: Vec<String>,
    /// Whether each key is a whole number.
    wholes: Vec<bool>,
    events: Vec<Option<i64>>,
    ttl: Option<i64>,
}

impl Table {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, or a column is missing or of another kind.
    pub async fn read(source: &Source, file: &FileView, rule: Rule) -> Result<Table> {
        let mut wanted: Vec<&str> = vec![];
        if !file.columns.is_empty() {
            let named = file.keys.iter().chain([&file.timestamp]).chain(&file.created).chain(&file.columns);
            named.for_each(|column| {
                if !wanted.contains(&column.as_str()) {
                    wanted.push(column)
                }
            });
        }
        let frame = read_frame(source, &wanted).await.map_err(coded)?;
        let keys = file.keys.iter().map(|key| frame.key(key)).collect::<Result<Vec<_>, _>>().map_err(coded)?;
        let wholes = keys.iter().map(|key| matches!(key, KeyColumn::Wholes(_))).collect();
        let events = frame.times(&file.timestamp).map_err(coded)?;
        let created = file.created.as_ref().map(|created| frame.times(created)).transpose().map_err(coded)?;
        let codes = Codes::of(&as_keys(keys))?;
        let timeline = Timeline::new(&codes, &events, created.as_deref(), rule)?;
        let other = |column: &String| !file.keys.contains(column) && *column != file.timestamp && file.created.as_ref() != Some(column);
        let columns = if file.columns.is_empty() { frame.names().into_iter().filter(other).collect() } else { file.columns.clone() };
        let ttl = file.ttl_ms.and_then(|ms| i64::try_from(ms).ok()).map(|ms| ms.saturating_mul(MICROS));
        Ok(Table { frame, codes, timeline, columns, wholes, events, ttl })
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frame.rows()
    }

    /// The columns that are features.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The columns themselves.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The codes of entities, by which rows are found. Keys are what the table's column is, and not how they were written: `42` in a CSV is the
    /// text of a table of texts.
    ///
    /// # Errors
    /// When the columns differ in length.
    pub fn look(&self, keys: Vec<KeyColumn>) -> Result<Vec<u32>> {
        let as_theirs = |(whole, keys): (&bool, KeyColumn)| match (whole, keys) {
            (true, KeyColumn::Texts(texts)) => KeyColumn::Wholes(texts.iter().map(|text| whole_number(text.as_deref()?)).collect()),
            (false, KeyColumn::Wholes(wholes)) => {
                KeyColumn::Texts(wholes.iter().map(|whole| whole.as_ref().map(ToString::to_string)).collect())
            }
            (_, same) => same,
        };
        Ok(self.codes.look(&as_keys(self.wholes.iter().zip(keys).map(as_theirs).collect()))?)
    }

    /// The row of an entity at a time in microseconds, [`NOTHING`] where there is none that is young enough.
    #[must_use]
    pub fn find(&self, code: u32, at: i64) -> u32 {
        self.timeline.find(code, at, self.ttl)
    }

    /// What is told of entities at a time: of each key of the view, in its order, a list of values.
    ///
    /// # Errors
    /// When the lists differ in length.
    pub fn stand(&self, keys: &[&[Json]], at_ms: i64) -> Result<Vec<Stand>> {
        let at = at_ms.saturating_mul(MICROS);
        let happened = |row: u32| self.events.get(row as usize).copied().flatten().unwrap_or_default().div_euclid(MICROS);
        let one = |code: u32| match (self.find(code, at), self.timeline.find(code, at, None)) {
            (NOTHING, NOTHING) => Stand::Missing,
            (NOTHING, old) => Stand::Outdated(happened(old)),
            (row, _) => Stand::Found(row, happened(row)),
        };
        let texts = keys.iter().map(|values| KeyColumn::Texts(values.iter().map(text).collect()));
        Ok(self.look(texts.collect())?.into_iter().map(one).collect())
    }

    /// The values of a column where a row stands, null elsewhere.
    ///
    /// # Errors
    /// When it is no column, or holds what JSON has no value for.
    pub fn values(&self, column: &str, stands: &[Stand]) -> Result<Vec<Json>> {
        let row = |stand: &Stand| if let Stand::Found(row, _) = stand { *row } else { NOTHING };
        let values = self.frame.values(column, &stands.iter().map(row).collect::<Vec<u32>>()).map_err(coded)?;
        values.iter().map(|value| Ok(serde_json::to_value(value)?)).collect()
    }
}

fn as_keys(keys: Vec<KeyColumn>) -> Vec<Keys> {
    let one = |key| match key {
        KeyColumn::Wholes(values) => Keys::Wholes(values),
        KeyColumn::Texts(values) => Keys::Texts(values),
    };
    keys.into_iter().map(one).collect()
}

/// A whole number as one is written: neither `042` nor `+7` is one.
fn whole_number(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|whole| whole.to_string() == text)
}

fn text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}
