//! A training set: rows of entities and times, joined with what was known of each entity at its time.

use super::table::{MICROS, Table};
use super::{SetRecord, coded, definition, digest_of, events, events_digest, form};
use crate::columns::Place;
use crate::exit::{self, failure};
use crate::task;
use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_core::id::{At, Digest};
use tidegate_data::{Column, Frame, KeyColumn, Source, read_frame};
use tidegate_features::{Key, NOTHING, Rule, Value, View, history};
use tidegate_store::Lake;
use tidegate_wire::config::{FeatureView, FileView, delivery_value};

/// Rows that one thread looks up at a time.
const SHARE_ROWS: usize = 65_536;
/// Threads that look rows up.
const THREADS_MAX: usize = 8;

/// What a training set is made of.
pub struct Assembly<'a> {
    /// Folder that files are seen from.
    pub root: &'a Path,
    /// The rows.
    pub entities: &'a Path,
    /// Their column of times.
    pub timestamp: &'a str,
    /// Views, by name.
    pub views: IndexMap<String, FeatureView>,
    /// Which values may be seen, of files.
    pub rule: Rule,
    /// Where events lie, if there are any.
    pub lake: Option<Lake>,
    /// Where it goes.
    pub out: &'a Path,
}

/// Makes a training set and writes it.
///
/// # Errors
/// When a table cannot be read, a column is missing, or it cannot be written.
pub async fn assemble(assembly: &Assembly<'_>) -> Result<SetRecord> {
    let files = (assembly.views.iter())
        .filter_map(|(name, view)| if let FeatureView::File(file) = view { Some((name, file)) } else { None })
        .map(|(name, file)| Ok((source_of(assembly.root, name, file)?, file.clone())))
        .collect::<Result<Vec<_>>>()?;
    // A view's table is read beside what comes before it, and one table ahead: two are in memory at most.
    let mut ahead = files.into_iter().map(|(source, file)| task::spawn(read_view(source, file, assembly.rule)));
    let mut next = ahead.next();
    let source = Source::at(assembly.entities);
    let entities = tidegate_data::digest(&source).map_err(coded)?;
    let mut frame = read_frame(&source, &[]).await.map_err(coded)?;
    unchanged(&source, &entities)?;
    let times = frame.times(assembly.timestamp).map_err(coded)?;
    let newest = times.iter().flatten().max().copied().unwrap_or(0);
    let known_until = At(newest.div_euclid(MICROS));
    let mut sources = vec![("entities".to_owned(), entities)];
    let mut told = None;
    for (name, view) in &assembly.views {
        match view {
            FeatureView::File(file) => {
                let reading = next.take().with_context(|| format!("join view `{name}`: its table was not read"))?;
                let (table, digest) = reading.await.with_context(|| format!("join view `{name}`"))??;
                next = ahead.next();
                frame = of_file(frame, &times, name, file, &table)?;
                sources.push((name.clone(), digest));
            }
            FeatureView::Deliveries(view) => {
                let events = match &mut told {
                    Some(events) => events,
                    none => none.insert(assembly.lake.as_ref().map(events).transpose()?.unwrap_or_default()),
                };
                frame = of_events(frame, &times, name, view, events)?;
                sources.push((name.clone(), events_digest(events, known_until.0)?));
            }
        }
    }
    frame.write(assembly.out)?;
    let views = assembly.views.iter().map(|(name, view)| Ok((name.clone(), definition(view)?))).collect::<Result<BTreeMap<_, _>>>()?;
    let rule = match assembly.rule {
        Rule::Strict => "strict",
        Rule::Feast => "feast",
    };
    Ok(SetRecord {
        form: form(),
        data: tidegate_data::digest(&Source::at(assembly.out))?,
        rows: frame.rows() as u64,
        columns: frame.names(),
        rule: rule.to_owned(),
        known_until,
        timestamp: assembly.timestamp.to_owned(),
        definition: digest_of(&(&views, rule, assembly.timestamp))?,
        views,
        sources,
    })
}

/// Refuses a table that another process wrote to while it was read: what was read is of neither state.
fn unchanged(source: &Source, before: &Digest) -> Result<()> {
    if tidegate_data::digest(source).map_err(coded)? == *before {
        return Ok(());
    }
    Err(failure(exit::OUTSIDE, format!("read a table to join: {} changed while it was read: run this again", source.path.display())))
}

/// What a column is called in a training set.
fn full(view: &str, feature: &str) -> String {
    format!("{view}__{feature}")
}

/// Where the table of a view lies.
fn source_of(root: &Path, name: &str, file: &FileView) -> Result<Source> {
    match Place::of(root, &file.file) {
        Place::Path(path) => Ok(Source::at(path)),
        place => Err(failure(exit::USAGE, format!("join view `{name}`: {place} lies in an object store: bring it here first"))),
    }
}

/// A view's table, laid out, and the digest of what it was read from.
async fn read_view(source: Source, file: FileView, rule: Rule) -> Result<(Table, Digest)> {
    let before = tidegate_data::digest(&source).map_err(coded)?;
    let table = Table::read(&source, &file, rule).await?;
    unchanged(&source, &before)?;
    Ok((table, before))
}

fn of_file(frame: Frame, times: &[Option<i64>], name: &str, file: &FileView, table: &Table) -> Result<Frame> {
    let keys = file.keys.iter().map(|key| frame.key(key)).collect::<Result<Vec<_>, _>>().map_err(coded)?;
    let rows = shared(table, &table.look(keys)?, times);
    let names: Vec<(String, String)> = table.columns().iter().map(|column| (column.clone(), full(name, column))).collect();
    frame.joined(table.frame(), &rows, &names).map_err(coded)
}

/// The row of each of ours, looked up by as many threads as there are processors.
fn shared(table: &Table, codes: &[u32], times: &[Option<i64>]) -> Vec<u32> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let share = codes.len().div_ceil(threads).max(SHARE_ROWS);
    let mut found = vec![NOTHING; codes.len()];
    std::thread::scope(|scope| {
        for ((found, codes), times) in found.chunks_mut(share).zip(codes.chunks(share)).zip(times.chunks(share)) {
            scope.spawn(move || {
                for ((slot, code), at) in found.iter_mut().zip(codes).zip(times) {
                    *slot = at.map_or(NOTHING, |at| table.find(*code, at));
                }
            });
        }
    });
    found
}

fn of_events(mut frame: Frame, times: &[Option<i64>], name: &str, view: &View, events: &[tidegate_features::Event]) -> Result<Frame> {
    let keys = view.keys().iter().map(|key| frame.key(key)).collect::<Result<Vec<_>, _>>().map_err(coded)?;
    let key = |row: usize| -> Option<Key> {
        // By field and not by the file's type: a CSV of services that are called by numbers has whole numbers.
        let part = |(field, column): (&String, &KeyColumn)| match column {
            KeyColumn::Wholes(values) => values.get(row).copied().flatten().and_then(|whole| delivery_value(field, &whole.to_string())),
            KeyColumn::Texts(values) => values.get(row).and_then(Option::as_deref).and_then(|text| delivery_value(field, text)),
        };
        view.keys().iter().zip(&keys).map(part).collect()
    };
    // A row without a key, or without a time, is of nobody.
    let rows: Vec<(Key, i64)> = (times.iter().enumerate())
        .map(|(row, at)| match (key(row), at) {
            (Some(key), Some(at)) => (key, at.div_euclid(MICROS)),
            _ => (vec![], 0),
        })
        .collect();
    let found = history(view, events, &rows);
    for (at, feature) in view.features().iter().enumerate() {
        let values: Vec<Option<Value>> = found.iter().map(|row| row.cells.get(at).and_then(|cell| cell.value()).cloned()).collect();
        frame = frame.with(&full(name, &feature.name), &column(&values)).map_err(coded)?;
    }
    Ok(frame)
}

/// Values as the narrowest column that holds them all.
fn column(values: &[Option<Value>]) -> Column {
    let all = |is: fn(&Value) -> bool| values.iter().flatten().all(is);
    let map = |value: &Option<Value>| value.clone();
    if all(|value| matches!(value, Value::Int(_))) {
        let whole = |value: Option<Value>| if let Some(Value::Int(whole)) = value { Some(whole) } else { None };
        Column::Int(values.iter().map(map).map(whole).collect())
    } else if all(|value| value.float().is_some()) {
        Column::Float(values.iter().map(|value| value.as_ref().and_then(Value::float)).collect())
    } else if all(|value| matches!(value, Value::Bool(_))) {
        Column::Bool(values.iter().map(|value| if let Some(Value::Bool(truth)) = value { Some(*truth) } else { None }).collect())
    } else {
        Column::Text(values.iter().map(|value| value.as_ref().map(ToString::to_string)).collect())
    }
}
