//! `tidegate features`: what is told of entities, now and as it was; training sets of it.

use super::Context;
use super::recorder::Recorder;
use crate::client;
use crate::clock;
use crate::columns::Place;
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use crate::show;
use crate::steps::features::table::{Stand, Table};
use crate::steps::features::{self as step, SetRecord, assemble};
use crate::workspace::{self, Opened};
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use hyper::Method;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_data::Source;
use tidegate_features::{Cell, Event, Key, Online, Row, Rule, State, Value, View, history};
use tidegate_store::{FsBlobs, Lake};
use tidegate_wire::config::unit::{duration_ms, duration_text, instant_ms};
use tidegate_wire::config::{FeatureView, FileView, delivery_kind, delivery_value};

/// Most times that a history is asked for.
const TIMES_MAX: i64 = 100_000;
/// Most rows that a check compares in each view.
const CHECKED_MAX: usize = 20_000;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum FeaturesCommand {
    /// Lists views: keys, features, where they come from
    List,
    /// The features of an entity, now or as they were known at a time
    Get(GetArgs),
    /// The features of an entity over a stretch of time
    History(HistoryArgs),
    /// Computes what is served and what training sees of the events that are kept, and compares every bit; reads the files of views
    Check,
    /// Joins rows of entities and times with features as they were known then, and records what the training set was made of
    Join(JoinArgs),
}

/// Whose features.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// A view of `features`
    view: String,
    /// The entity, as `service=checkout`
    #[arg(required = true, value_name = "KEY=VALUE")]
    key: Vec<String>,
    /// As it was known at this time, as 2026-03-01T12:00:00Z; now when not given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// Whose features, and when.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A view of `features`
    view: String,
    /// The entity, as `service=checkout`
    #[arg(required = true, value_name = "KEY=VALUE")]
    key: Vec<String>,
    /// From this time on
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Up to this time; now when not given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Between two times
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    every: String,
}

/// What is joined.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// A table with the keys of the views and a time a row: Parquet, CSV, TSV, JSON lines, Arrow
    #[arg(long, value_name = "FILE")]
    entities: PathBuf,
    /// Its column of times
    #[arg(long, value_name = "COLUMN", default_value = "event_timestamp")]
    timestamp: String,
    /// Views, in the order of their columns; all when none is given
    #[arg(long = "view", value_name = "VIEW")]
    views: Vec<String>,
    /// The training set, as Parquet; what it was made of goes beside it, as FILE.json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// See values of files before they were written, as Feast does unless it is told otherwise
    #[arg(long)]
    feast: bool,
    /// Name of the dataset that it is recorded as; the name of the file when not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Carries it out.
pub fn features(context: &Context, command: &FeaturesCommand) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    match command {
        FeaturesCommand::List => list(context, &opened),
        FeaturesCommand::Get(args) => get(context, &opened, args),
        FeaturesCommand::History(args) => over_time(context, &opened, args),
        FeaturesCommand::Check => check(context, &opened),
        FeaturesCommand::Join(args) => join(context, &opened, args),
    }
}

fn lake(opened: &Opened) -> Result<Option<Lake>> {
    let path = opened.places.lake();
    Ok(if path.is_dir() { Some(Lake::open_read_only(&path)?) } else { None })
}

fn events(opened: &Opened) -> Result<Vec<Event>> {
    Ok(lake(opened)?.as_ref().map(step::events).transpose()?.unwrap_or_default())
}

fn list(context: &Context, opened: &Opened) -> Result<u8> {
    let views = &opened.config.features;
    if context.json {
        let one = |(name, view): (&String, &FeatureView)| {
            let definition = step::definition(view)?;
            Ok((name.clone(), json!({ "digest": step::digest_of(&definition)?, "definition": definition })))
        };
        show::json(&views.iter().map(one).collect::<Result<Map<String, Json>>>()?)?;
        return Ok(exit::OK);
    }
    if views.is_empty() {
        show::line("no views: `features` of tidegate.yaml defines them")?;
        return Ok(exit::OK);
    }
    let row = |(name, view): (&String, &FeatureView)| -> Result<Vec<String>> {
        let digest = step::digest_of(&step::definition(view)?)?.short().to_owned();
        let span = |ms: i64| duration_text(u64::try_from(ms).unwrap_or(0));
        Ok(match view {
            FeatureView::Deliveries(view) => {
                let features: Vec<&str> = view.features().iter().map(|feature| feature.name.as_str()).collect();
                vec![name.clone(), view.keys().join(", "), features.join(", "), "deliveries".to_owned(), span(view.ttl_ms()), digest]
            }
            FeatureView::File(file) => {
                let columns = if file.columns.is_empty() { "all columns".to_owned() } else { file.columns.join(", ") };
                let ttl = file.ttl_ms.map_or_else(|| "-".to_owned(), duration_text);
                vec![name.clone(), file.keys.join(", "), columns, file.file.clone(), ttl, digest]
            }
        })
    };
    let rows = views.iter().map(row).collect::<Result<Vec<_>>>()?;
    show::line(&show::table(&["View", "Keys", "Features", "From", "TTL", "Digest"], rows))?;
    Ok(exit::OK)
}

/// A view of events by its name.
fn view<'o>(opened: &'o Opened, operation: &str, name: &str) -> Result<&'o View> {
    match opened.config.features.get(name) {
        Some(FeatureView::Deliveries(view)) => Ok(view),
        Some(FeatureView::File(_)) => {
            let why = format!("{operation}: view `{name}` is of a file: join it, with `tidegate features join --view {name}`");
            Err(failure(exit::USAGE, why))
        }
        None => Err(exit::unknown(operation, name, opened.config.features.keys())),
    }
}

/// The values of a view's keys, in its order.
fn parts<'g>(operation: &str, keys: &[String], given: &'g [String]) -> Result<Vec<&'g str>> {
    if let Some(more) = given.iter().find(|one| !one.split_once('=').is_some_and(|(key, _)| keys.iter().any(|name| name == key))) {
        return Err(failure(exit::USAGE, format!("{operation}: `{more}` is no key of the view: its keys are {}", keys.join(", "))));
    }
    let missing = |name: &str| failure(exit::USAGE, format!("{operation}: the view's key `{name}` is not given: write `{name}=VALUE`"));
    let of = |name: &String| {
        let found = given.iter().filter_map(|one| one.split_once('=')).find(|(key, _)| key == name);
        found.map(|(_, value)| value).ok_or_else(|| missing(name))
    };
    keys.iter().map(of).collect()
}

/// An entity of a view.
fn entity(operation: &str, view: &View, given: &[String]) -> Result<Key> {
    let part = |(name, text): (&String, &str)| {
        let wrong = || failure(exit::USAGE, format!("{operation}: `{name}={text}`: `{name}` is {}", delivery_kind(name)));
        delivery_value(name, text).ok_or_else(wrong)
    };
    view.keys().iter().zip(parts(operation, view.keys(), given)?).map(part).collect()
}

fn instant(operation: &str, option: &str, text: &str) -> Result<i64> {
    instant_ms(text).map_err(|why| failure(exit::USAGE, format!("{operation}: {option}: {why}: write 2026-03-01T12:00:00Z")))
}

fn get(context: &Context, opened: &Opened, args: &GetArgs) -> Result<u8> {
    let what = format!("get features of `{}`", args.view);
    let at_ms = args.at.as_deref().map_or_else(|| Ok(clock::now().0), |text| instant(&what, "--at", text))?;
    if let Some(FeatureView::File(file)) = opened.config.features.get(&args.view) {
        return get_of_file(context, opened, &what, file, &args.key, at_ms);
    }
    let view = view(opened, &what, &args.view)?;
    let events = events(opened)?;
    let key = entity(&what, view, &args.key)?;
    let rows = history(view, &events, &[(key, at_ms)]);
    let row = rows.first().context("compute a row")?;
    if context.json {
        show::json(&as_json(view, row))?;
    } else {
        let lines = view.features().iter().zip(&row.cells).map(|(feature, cell)| vec![feature.name.clone(), text(cell)]);
        show::line(&show::table(&["Feature", "Value"], lines.collect()))?;
        show::line(&format!("as it was known at {}; {}", At(row.at_ms), standing(row)))?;
    }
    Ok(if row.state == State::Found { exit::OK } else { exit::NOT_FOUND })
}

/// The same of a table of values that somebody else computed.
fn get_of_file(context: &Context, opened: &Opened, what: &str, file: &FileView, given: &[String], at_ms: i64) -> Result<u8> {
    let keys = parts(what, &file.keys, given)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let place = Place::of(&opened.places.root, &file.file);
    let Place::Path(path) = &place else {
        return Err(failure(exit::USAGE, format!("{what}: {place} lies in an object store: bring it here first")));
    };
    let source = Source::at(path);
    let table = runtime.block_on(Table::read(&source, file, Rule::Strict)).with_context(|| what.to_owned())?;
    let keys: Vec<[Json; 1]> = keys.into_iter().map(|text| [Json::from(text)]).collect();
    let keys: Vec<&[Json]> = keys.iter().map(<[Json; 1]>::as_slice).collect();
    let stands = table.stand(&keys, at_ms)?;
    let (state, newest_ms, standing) = match stands.first() {
        Some(Stand::Found(_, ms)) => ("found", Some(*ms), format!("the row is of {}", At(*ms))),
        Some(Stand::Outdated(ms)) => ("outdated", Some(*ms), format!("the newest row, of {}, is older than the view's ttl", At(*ms))),
        Some(Stand::Missing) | None => ("missing", None, "no row of it was known".to_owned()),
    };
    let value = |column: &String| Ok((column.clone(), table.values(column, &stands)?.pop().unwrap_or(Json::Null)));
    let values = table.columns().iter().map(value).collect::<Result<Map<String, Json>>>()?;
    if context.json {
        show::json(&json!({ "at_ms": at_ms, "state": state, "newest_ms": newest_ms, "features": values, "over": [] }))?;
    } else {
        let text =
            |value: &Json| value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, str::to_owned);
        let lines = values.iter().map(|(name, value)| vec![name.clone(), text(value)]);
        show::line(&show::table(&["Feature", "Value"], lines.collect()))?;
        show::line(&format!("as it was known at {}; {standing}", At(at_ms)))?;
    }
    Ok(if state == "found" { exit::OK } else { exit::NOT_FOUND })
}

fn over_time(context: &Context, opened: &Opened, args: &HistoryArgs) -> Result<u8> {
    let what = format!("show the history of `{}`", args.view);
    let view = view(opened, &what, &args.view)?;
    let from_ms = instant(&what, "--from", &args.from)?;
    let until_ms = args.until.as_deref().map_or_else(|| Ok(clock::now().0), |text| instant(&what, "--until", text))?;
    let every = duration_ms(&args.every).map_err(|why| failure(exit::USAGE, format!("{what}: --every: {why}")))?;
    let every = i64::try_from(every).unwrap_or(i64::MAX);
    if every <= 0 || from_ms > until_ms || until_ms.saturating_sub(from_ms) / every >= TIMES_MAX {
        let why = format!("{what}: from --from to --until, each --every, are {TIMES_MAX} times at most, and one at least");
        return Err(failure(exit::USAGE, why));
    }
    let events = events(opened)?;
    let key = entity(&what, view, &args.key)?;
    let times = std::iter::successors(Some(from_ms), |at| at.checked_add(every)).take_while(|at| *at <= until_ms);
    let wanted: Vec<(Key, i64)> = times.map(|at| (key.clone(), at)).collect();
    let rows = history(view, &events, &wanted);
    if context.json {
        show::json(&rows.iter().map(|row| as_json(view, row)).collect::<Vec<_>>())?;
        return Ok(exit::OK);
    }
    let heads: Vec<&str> = std::iter::once("At").chain(view.features().iter().map(|feature| feature.name.as_str())).collect();
    let line = |row: &Row| std::iter::once(At(row.at_ms).to_string()).chain(row.cells.iter().map(text)).collect();
    show::line(&show::table(&heads, rows.iter().map(line).collect()))?;
    Ok(exit::OK)
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Value(value) => value.to_string(),
        Cell::Null => "-".to_owned(),
        Cell::Over => "more events than are counted".to_owned(),
    }
}

fn standing(row: &Row) -> String {
    match (row.state, row.newest_ms) {
        (State::Found, Some(ms)) => format!("the newest event happened at {}", At(ms)),
        (State::Outdated, Some(ms)) => format!("the newest event, of {}, is older than the view's ttl", At(ms)),
        _ => "no event of it is known".to_owned(),
    }
}

fn as_json(view: &View, row: &Row) -> Json {
    let cell = |cell: &Cell| match cell {
        Cell::Value(value) => serde_json::to_value(value).unwrap_or(Json::Null),
        Cell::Null | Cell::Over => Json::Null,
    };
    let state = match row.state {
        State::Found => "found",
        State::Outdated => "outdated",
        State::Missing => "missing",
    };
    let over: Vec<&str> =
        view.features().iter().zip(&row.cells).filter(|(_, cell)| **cell == Cell::Over).map(|(feature, _)| feature.name.as_str()).collect();
    let values: Map<String, Json> = view.features().iter().zip(&row.cells).map(|(feature, c)| (feature.name.clone(), cell(c))).collect();
    json!({ "at_ms": row.at_ms, "state": state, "newest_ms": row.newest_ms, "features": values, "over": over })
}

/// What a check of one view found.
#[derive(serde::Serialize)]
struct Checked {
    view: String,
    rows: usize,
    entities: usize,
    differ: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

fn check(context: &Context, opened: &Opened) -> Result<u8> {
    let events = events(opened)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let mut checked = vec![];
    for (name, view) in &opened.config.features {
        checked.push(match view {
            FeatureView::Deliveries(view) => both_ways(name, view, &events),
            FeatureView::File(file) => match runtime.block_on(readable(&opened.places.root, file)) {
                Ok(rows) => Checked { view: name.clone(), rows, entities: 0, differ: 0, why: None },
                Err(error) => Checked { view: name.clone(), rows: 0, entities: 0, differ: 0, why: Some(format!("{error:#}")) },
            },
        });
    }
    // Nothing compared proves nothing.
    let good = !checked.is_empty() && checked.iter().all(|one| one.rows > 0 && one.differ == 0 && one.why.is_none());
    if context.json {
        show::json(&checked)?;
    } else if checked.is_empty() {
        show::line("no views: `features` of tidegate.yaml defines them")?;
    } else {
        for one in &checked {
            show::line(&match &one.why {
                Some(why) => format!("{}: {why}", one.view),
                None if one.rows == 0 => format!("{}: nothing could be compared: no event of it, or no row, is there yet", one.view),
                None if one.entities == 0 => format!("{}: {} rows can be read", one.view, one.rows),
                None => format!(
                    "{}: {} rows of {} entities, {} differ between training and serving",
                    one.view, one.rows, one.entities, one.differ
                ),
            })?;
        }
    }
    Ok(if good { exit::OK } else { exit::NOT_PASSED })
}

/// Both computations over the events that are kept: as each came, of the entity that it is about and of one other.
fn both_ways(name: &str, view: &View, events: &[Event]) -> Checked {
    let keys: Vec<Key> = events.iter().filter_map(|event| event.key(view)).collect::<BTreeSet<_>>().into_iter().collect();
    let mut online = Online::new(Arc::new(view.clone()));
    let (mut rows, mut served): (Vec<(Key, i64)>, Vec<Row>) = (vec![], vec![]);
    let step = events.len().div_ceil(CHECKED_MAX / 2).max(1);
    for (number, event) in events.iter().enumerate() {
        online.take(event);
        // Others of the same instant are still to come: what is known then is asked a moment later.
        let last = events.get(number + 1).is_none_or(|next| next.known_ms > event.known_ms);
        if last && number % step == 0 {
            let others = event.key(view).into_iter().chain(keys.get(number % keys.len().max(1)).cloned());
            for key in others {
                served.push(online.read(&key, event.known_ms));
                rows.push((key, event.known_ms));
            }
        }
    }
    let training = history(view, events, &rows);
    let bits = |row: &Row| {
        let cell = |cell: &Cell| match cell {
            Cell::Value(Value::Float(number)) => format!("{:x}", number.to_bits()),
            other => format!("{other:?}"),
        };
        (row.at_ms, row.state, row.newest_ms, row.cells.iter().map(cell).collect::<Vec<_>>())
    };
    // The state goes forward alone: where it was asked for a later time before, it answers for that one.
    let differ = served.iter().zip(&training).filter(|(one, other)| one.at_ms == other.at_ms && bits(one) != bits(other)).count();
    Checked { view: name.to_owned(), rows: rows.len(), entities: keys.len(), differ, why: None }
}

async fn readable(root: &Path, file: &FileView) -> Result<usize> {
    Ok(Table::read(&Source::at(root.join(&file.file)), file, Rule::Strict).await?.rows())
}

fn join(context: &Context, opened: &Opened, args: &JoinArgs) -> Result<u8> {
    const OPERATION: &str = "make a training set";
    let known = &opened.config.features;
    let pick = |name: &String| {
        known.get(name).cloned().map(|view| (name.clone(), view)).ok_or_else(|| exit::unknown(OPERATION, name, known.keys()))
    };
    let views: IndexMap<String, FeatureView> =
        if args.views.is_empty() { known.clone() } else { args.views.iter().map(pick).collect::<Result<_>>()? };
    if views.is_empty() {
        return Err(failure(exit::USAGE, format!("{OPERATION}: there is no view: `features` of tidegate.yaml defines them")));
    }
    let (entities, out) = (context.dir.join(&args.entities), context.dir.join(&args.out));
    let stem = out.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = args.name.clone().unwrap_or(stem);
    tidegate_features::name(&name).map_err(|why| failure(exit::USAGE, format!("{OPERATION}: {why}: name the dataset with --name")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let aside = Aside::of(&out);
    let assembly = assemble::Assembly {
        root: &opened.places.root,
        entities: &entities,
        timestamp: &args.timestamp,
        views,
        rule: if args.feast { Rule::Feast } else { Rule::Strict },
        lake: lake(opened)?,
        out: &aside.0,
    };
    let record = runtime.block_on(assemble::assemble(&assembly)).with_context(|| format!("{OPERATION} {}", out.display()))?;
    // What is refused takes the place of nothing.
    keep(opened, &runtime, &name, &record)?;
    std::fs::rename(&aside.0, &out).with_context(|| format!("{OPERATION}: rename {} to {}", aside.0.display(), out.display()))?;
    write_beside(&out, &record)?;
    if context.json {
        show::json(&json!({ "dataset": name, "set": record }))?;
    } else {
        show::line(&format!(
            "wrote {}: {} rows, {} columns, {}",
            args.out.display(),
            record.rows,
            record.columns.len(),
            record.data.short()
        ))?;
        let seen = if args.feast { "values may be seen before they were written" } else { "no row sees what became known after its time" };
        show::line(&format!("recorded as dataset `{name}`, up to {}: {seen}", record.known_until))?;
    }
    Ok(exit::OK)
}

/// Where a training set lies until it is recorded; gone when it was not.
struct Aside(PathBuf);

impl Aside {
    fn of(out: &Path) -> Aside {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        Aside(out.with_file_name(format!(".{}.{name}", std::process::id())))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Mostly it was renamed; one that stays has no name that anybody reads.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a training set was made of, beside it, for whoever takes the file elsewhere.
fn write_beside(out: &Path, record: &SetRecord) -> Result<()> {
    let mut path = out.as_os_str().to_owned();
    path.push(".json");
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    tidegate_store::disk::replace_file(Path::new(&path), &text)?;
    Ok(())
}

/// Records it, through `tidegate up` where that has the journal.
fn keep(opened: &Opened, runtime: &tokio::runtime::Runtime, name: &str, record: &SetRecord) -> Result<()> {
    let recorder = Recorder::new(opened, Bus::new());
    match recorder.up() {
        Some(places) => {
            let body = serde_json::to_value(record)?;
            client::ask(places, "record training set", Method::POST, &format!("/api/v1/data/{name}/sets"), Some(&body))?;
        }
        None => {
            let control = recorder.control()?;
            runtime.block_on(step::record(&control, &FsBlobs::open(&opened.places.blobs())?, name, record))?;
        }
    }
    recorder.close();
    Ok(())
}
