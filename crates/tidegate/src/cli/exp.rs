//! `tidegate exp`: experiments side by side, and the one that is brought into the workspace.

use super::Context;
use super::dvc::values::{cell, flatten, show_table};
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::steps::build;
use crate::steps::experiment::Experiment;
use crate::workspace::{self, Places};
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use indexmap::{IndexMap, IndexSet};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tidegate_build::data::{CheckoutOptions, Values, ValuesDiff, diff_values};
use tidegate_core::id::Digest;
use tidegate_store::disk;

/// What the workspace is called among experiments.
const WORKSPACE: &str = "workspace";

/// What can be done with experiments.
#[derive(Debug, Subcommand)]
pub enum ExpCommand {
    /// Lists experiments with what they set
    List,
    /// Shows experiments with their metrics, and the parameters in which they differ
    Show(ShowArgs),
    /// Compares two experiments, or one with the workspace
    Diff(DiffArgs),
    /// Brings parameters, lock file and outputs of an experiment into the workspace
    Apply(ApplyArgs),
    /// Removes experiments; their runs stay in the journal, and what they wrote in the cache
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
}

/// How to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Order by this metric or parameter
    #[arg(long, value_name = "NAME")]
    sort_by: Option<String>,
    /// The least or the largest first
    #[arg(long, value_enum, default_value_t = Order::Asc)]
    sort_order: Order,
    /// Parameters that are the same in all, too
    #[arg(long)]
    all_params: bool,
    /// Comma-separated values
    #[arg(long, conflicts_with = "md")]
    csv: bool,
    /// A table in Markdown
    #[arg(long)]
    md: bool,
    /// Digits behind the point
    #[arg(long, value_name = "DIGITS")]
    precision: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Asc,
    Desc,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The experiment that is compared with
    a: String,
    /// The other one; the workspace when not said
    #[arg(default_value = WORKSPACE)]
    b: String,
    /// What is the same too
    #[arg(long)]
    all: bool,
    /// A table in Markdown
    #[arg(long)]
    md: bool,
}

/// What to apply.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The experiment
    name: String,
    /// Overwrite parameters and outputs that were changed since
    #[arg(short, long)]
    force: bool,
}

/// What to remove.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The experiments
    #[arg(required_unless_present_any = ["all", "queue"])]
    names: Vec<String>,
    /// All of them
    #[arg(short = 'A', long, conflicts_with_all = ["names", "queue"])]
    all: bool,
    /// Those that did not run yet
    #[arg(long, conflicts_with = "names")]
    queue: bool,
}

/// Carries it out.
pub fn exp(context: &Context, command: &ExpCommand) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    match command {
        ExpCommand::List => list_of(context, &Experiment::all(&places)?).map(|()| exit::OK),
        ExpCommand::Show(args) => show_all(context, &places, args),
        ExpCommand::Diff(args) => diff(context, &places, args),
        ExpCommand::Apply(args) => apply(context, &places, args),
        ExpCommand::Remove(args) => remove(context, &places, args),
    }
}

/// Prints experiments with what they set.
pub fn list_of(context: &Context, experiments: &[Experiment]) -> Result<()> {
    if context.json {
        return show::json(&json!({ "experiments": experiments.iter().map(described).collect::<Vec<_>>() }));
    }
    let row = |e: &Experiment| vec![e.name.clone(), e.state().to_owned(), e.asked.overrides.join(" ")];
    show_table(&["Experiment", "State", "Sets"], experiments.iter().map(row).collect(), false)
}

/// Prints how experiments ended; the exit code says whether all did well.
pub fn report(context: &Context, experiments: &[Experiment]) -> Result<u8> {
    if context.json {
        show::json(&json!({ "experiments": experiments.iter().map(described).collect::<Vec<_>>() }))?;
    } else {
        let rows: Vec<Row> = experiments.iter().map(Row::of).collect();
        table_of(&rows, &ShowArgs { sort_by: None, sort_order: Order::Asc, all_params: false, csv: false, md: false, precision: None })?;
        for (name, why) in experiments.iter().filter_map(|e| Some((&e.name, e.ended.as_ref()?.failure.as_ref()?))) {
            show::note(&format!("{} experiment {name}: {why}", style::bad("error:")));
        }
        show::note("`tidegate exp apply NAME` brings one into the workspace");
    }
    let well = experiments.iter().all(|e| e.ended.as_ref().is_some_and(|ended| ended.failure.is_none()));
    Ok(if well { exit::OK } else { exit::NOT_PASSED })
}

fn described(experiment: &Experiment) -> Value {
    let ended = experiment.ended.as_ref();
    json!({
        "name": experiment.name,
        "state": experiment.state(),
        "overrides": experiment.asked.overrides,
        "targets": experiment.asked.targets,
        "run": ended.and_then(|e| e.run.clone()),
        "failure": ended.and_then(|e| e.failure.clone()),
        "params": ended.map(|e| e.params.clone()),
        "metrics": ended.map(|e| e.metrics.clone()),
    })
}

/// A row of the table: a state of the pipeline with its values by file and key.
struct Row {
    name: String,
    state: &'static str,
    metrics: Values,
    params: Values,
}

impl Row {
    fn of(experiment: &Experiment) -> Row {
        let ended = experiment.ended.clone();
        let params = ended.as_ref().and_then(|e| e.params.as_object().cloned()).unwrap_or_default();
        Row {
            name: experiment.name.clone(),
            state: experiment.state(),
            metrics: ended.map(|e| e.metrics).unwrap_or_default().into_iter().map(|(file, value)| (file, Ok(value))).collect(),
            params: params.into_iter().map(|(file, value)| (file, Ok(value))).collect(),
        }
    }

    /// The workspace as it is, in the files and keys that the others have.
    fn of_workspace(root: &Path, others: &[Row]) -> Row {
        let files = |pick: fn(&Row) -> &Values| others.iter().flat_map(|row| pick(row).keys().cloned()).collect::<IndexSet<String>>();
        let read = |file: String| {
            let text = std::fs::read_to_string(root.join(&file)).ok()?;
            let value = tidegate_wire::dvc::parse_params(&file, &text).map_err(|e| e.to_string());
            Some((file, value))
        };
        let known: IndexSet<(String, String)> = others.iter().flat_map(|row| flat(&row.params)).map(|(key, _)| key).collect();
        let named = |(file, value): (String, Result<Value, String>)| {
            let chosen = value.map(|value| {
                let mut all = Vec::new();
                flatten("", &value, &mut all);
                Value::Object(all.into_iter().filter(|(key, _)| known.contains(&(file.clone(), key.clone()))).collect())
            });
            (file, chosen)
        };
        Row {
            name: WORKSPACE.to_owned(),
            state: "-",
            metrics: files(|row| &row.metrics).into_iter().filter_map(read).collect(),
            params: files(|row| &row.params).into_iter().filter_map(read).map(named).collect(),
        }
    }
}

/// Values by file and key.
fn flat(values: &Values) -> IndexMap<(String, String), Value> {
    let mut all = IndexMap::new();
    for (file, value) in values {
        let mut keys = Vec::new();
        flatten("", value.as_ref().unwrap_or(&Value::Null), &mut keys);
        all.extend(keys.into_iter().filter(|(key, _)| !key.is_empty()).map(|(key, value)| ((file.clone(), key), value)));
    }
    all
}

fn show_all(context: &Context, places: &Places, args: &ShowArgs) -> Result<u8> {
    let experiments = Experiment::all(places)?;
    let mut rows: Vec<Row> = experiments.iter().map(Row::of).collect();
    let own = Row::of_workspace(&places.root, &rows);
    if context.json {
        let own = json!({ "metrics": plain(&own.metrics), "params": plain(&own.params) });
        show::json(&json!({ "workspace": own, "experiments": experiments.iter().map(described).collect::<Vec<_>>() }))?;
        return Ok(exit::OK);
    }
    if experiments.is_empty() {
        show::note("there is no experiment yet: `tidegate run -S train.lr=0.1,0.01` makes some");
        return Ok(exit::OK);
    }
    if let Some(name) = &args.sort_by {
        sort(&mut rows, name, args.sort_order)?;
    }
    rows.insert(0, own);
    table_of(&rows, args)?;
    Ok(exit::OK)
}

fn plain(values: &Values) -> IndexMap<&String, &Value> {
    values.iter().filter_map(|(file, value)| Some((file, value.as_ref().ok()?))).collect()
}

/// Orders by a metric or parameter; those without it come last, whatever the order.
fn sort(rows: &mut Vec<Row>, name: &str, order: Order) -> Result<()> {
    let named = |row: &Row| {
        let all = flat(&row.metrics).into_iter().chain(flat(&row.params));
        all.into_iter().find(|((file, key), _)| key == name || format!("{file}:{key}") == name).map(|(_, value)| value)
    };
    let mut keyed: Vec<(Option<Value>, Row)> = rows.drain(..).map(|row| (named(&row), row)).collect();
    let found = keyed.iter().any(|(value, _)| value.is_some());
    keyed.sort_by(|(a, _), (b, _)| {
        let by_value = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.to_string().cmp(&b.to_string()),
        };
        match (a, b) {
            (Some(a), Some(b)) if order == Order::Desc => by_value(b, a),
            (Some(a), Some(b)) => by_value(a, b),
            _ => b.is_some().cmp(&a.is_some()),
        }
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
    if found {
        return Ok(());
    }
    Err(failure(
        exit::NOT_FOUND,
        format!("sort experiments by {name}: none has such a metric or parameter: leave --sort-by out to see what they have"),
    ))
}

fn table_of(rows: &[Row], args: &ShowArgs) -> Result<()> {
    let metrics: Vec<_> = rows.iter().map(|row| flat(&row.metrics)).collect();
    let params: Vec<_> = rows.iter().map(|row| flat(&row.params)).collect();
    let keys = |all: &[IndexMap<(String, String), Value>]| all.iter().flat_map(|m| m.keys().cloned()).collect::<IndexSet<_>>();
    let metric_keys = keys(&metrics);
    let differs = |key: &(String, String)| args.all_params || params.windows(2).any(|two| two[0].get(key) != two[1].get(key));
    let param_keys: Vec<_> = keys(&params).into_iter().filter(differs).collect();
    let head = |(file, key): &(String, String), among: &mut dyn Iterator<Item = &(String, String)>| {
        if among.filter(|(_, k)| k == key).count() > 1 { format!("{file}:{key}") } else { key.clone() }
    };
    let mut heads = vec!["Experiment".to_owned(), "State".to_owned()];
    heads.extend(metric_keys.iter().map(|key| head(key, &mut metric_keys.iter())));
    heads.extend(param_keys.iter().map(|key| head(key, &mut param_keys.iter())));
    let line = |(i, row): (usize, &Row)| {
        let of = |values: &IndexMap<_, Value>, key| cell(values.get(key).unwrap_or(&Value::Null), args.precision);
        let cells = metric_keys.iter().map(|key| of(&metrics[i], key)).chain(param_keys.iter().map(|key| of(&params[i], key)));
        [row.name.clone(), row.state.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let lines: Vec<Vec<String>> = rows.iter().enumerate().map(line).collect();
    if args.csv {
        let quoted = |text: &String| {
            if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() }
        };
        return std::iter::once(&heads)
            .chain(&lines)
            .try_for_each(|line| show::line(&line.iter().map(quoted).collect::<Vec<_>>().join(",")));
    }
    show_table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), lines, args.md)
}

fn diff(context: &Context, places: &Places, args: &DiffArgs) -> Result<u8> {
    let named = [&args.a, &args.b];
    let found = named.map(|name| if name == WORKSPACE { Ok(None) } else { Experiment::find(places, name).map(Some) });
    let [a, b] = found;
    let (a, b) = (a?, b?);
    let known: Vec<Row> = [&a, &b].into_iter().flatten().map(Row::of).collect();
    let row = |e: &Option<Experiment>| e.as_ref().map_or_else(|| Row::of_workspace(&places.root, &known), Row::of);
    let (a, b) = (row(&a), row(&b));
    let (metrics, params) = (diff_values(&a.metrics, &b.metrics, args.all), diff_values(&a.params, &b.params, args.all));
    if context.json {
        show::json(&json!({ "metrics": metrics, "params": params }))?;
        return Ok(exit::OK);
    }
    print_diff("Metric", &metrics, args)?;
    print_diff("Param", &params, args)?;
    Ok(exit::OK)
}

fn print_diff(title: &str, diff: &ValuesDiff, args: &DiffArgs) -> Result<()> {
    let mut rows = Vec::new();
    for (path, values) in diff {
        for (key, row) in values {
            let change = row.get("diff").map_or_else(|| "-".to_owned(), |d| cell(d, None));
            rows.push(vec![path.clone(), key.clone(), cell(&row["old"], None), cell(&row["new"], None), change]);
        }
    }
    show_table(&["Path", title, &args.a, &args.b, "Change"], rows, args.md)
}

fn remove(context: &Context, places: &Places, args: &RemoveArgs) -> Result<u8> {
    let chosen = if args.all || args.queue {
        Experiment::all(places)?.into_iter().filter(|e| args.all || e.state() == "queued").collect()
    } else {
        args.names.iter().map(|name| Experiment::find(places, name)).collect::<Result<Vec<_>>>()?
    };
    let names: Vec<String> = chosen.iter().map(|e| e.name.clone()).collect();
    chosen.into_iter().try_for_each(Experiment::remove)?;
    if context.json {
        show::json(&json!({ "removed": names }))?;
    } else {
        names.iter().try_for_each(|name| show::line(&format!("removed {name}")))?;
    }
    Ok(exit::OK)
}

/// What an experiment's tree gives to the workspace, all seen from the workspace.
struct Gift {
    /// Files of parameters, and lock files.
    texts: Vec<String>,
    /// Outputs that the cache has.
    cached: Vec<String>,
    /// Outputs that only the tree has.
    others: Vec<String>,
}

fn gift(experiment: &Experiment, pipeline: Option<&str>) -> Result<Gift> {
    let tree = experiment.tree();
    let loaded = tidegate_build::load(&tree, pipeline, None)?;
    let locks = loaded.beside.keys().map(|file| loaded.lock_path(file));
    let from_tree = |path: PathBuf| Some(path.strip_prefix(loaded.root.join(&loaded.base)).ok()?.to_string_lossy().into_owned());
    let locks = locks.filter_map(from_tree).filter(|path| tree.join(path).is_file());
    let stages = loaded.graph.stages().iter().filter(|stage| !stage.is_data());
    let outs = stages.flat_map(|stage| stage.outs.iter().map(|out| (loaded.from_base(&stage.from_workspace(&out.path)), out.cache)));
    let (cached, others): (Vec<_>, Vec<_>) = outs.filter(|(path, _)| tree.join(path).exists()).partition(|(_, cached)| *cached);
    let paths = |outs: Vec<(String, bool)>| outs.into_iter().map(|(path, _)| path).collect();
    Ok(Gift { texts: experiment.asked.files.keys().cloned().chain(locks).collect(), cached: paths(cached), others: paths(others) })
}

fn apply(context: &Context, places: &Places, args: &ApplyArgs) -> Result<u8> {
    let experiment = Experiment::find(places, &args.name)?;
    if experiment.state() != "done" {
        let why = format!("it is {}: `tidegate run --run-all` finishes what waits", experiment.state());
        return Err(failure(exit::REFUSED, format!("apply experiment {}: {why}", args.name)));
    }
    let opened = workspace::open(&context.dir)?;
    let gift = gift(&experiment, build::pipeline_file(&opened.config)?)?;
    if !args.force {
        let changed = changed_since(places, &experiment)?;
        if !changed.is_empty() {
            let list = changed.join(", ");
            return Err(failure(
                exit::REFUSED,
                format!("apply experiment {}: changed since it ran, and would be lost: {list}: save them, or use --force", args.name),
            ));
        }
    }
    let before: Vec<(PathBuf, Option<Vec<u8>>)> =
        gift.texts.iter().map(|path| places.root.join(path)).map(|path| (path.clone(), std::fs::read(path).ok())).collect();
    let applied = bring(context, places, &experiment, &gift, args.force);
    if applied.is_err() {
        // All of it or none of it.
        for (path, bytes) in before {
            match bytes {
                Some(bytes) => disk::replace_file(&path, &bytes)?,
                None => drop(std::fs::remove_file(&path)),
            }
        }
    }
    applied?;
    let outputs = [gift.cached, gift.others].concat();
    if context.json {
        show::json(&json!({ "applied": args.name, "files": gift.texts, "outputs": outputs }))?;
    } else {
        show::line(&format!("the workspace has experiment {}: {} and {} outputs", args.name, gift.texts.join(", "), outputs.len()))?;
    }
    Ok(exit::OK)
}

fn bring(context: &Context, places: &Places, experiment: &Experiment, gift: &Gift, force: bool) -> Result<()> {
    let tree = experiment.tree();
    for path in &gift.texts {
        copy(&tree.join(path), &places.root.join(path))?;
    }
    if !gift.cached.is_empty() {
        let options = CheckoutOptions { force, ..CheckoutOptions::default() };
        super::dvc::open(context)?.checkout(&gift.cached, &options, &|text| show::note(text))?;
    }
    gift.others.iter().try_for_each(|path| copy(&tree.join(path), &places.root.join(path)))
}

/// Copies a file or a directory over what is there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        std::fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
        for entry in std::fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
            let name = entry.with_context(|| format!("list {}", from.display()))?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    Ok(disk::replace_file(to, &std::fs::read(from).with_context(|| format!("read {}", from.display()))?)?)
}

/// Parameter files that are neither as the experiment found them nor as any experiment left them.
fn changed_since(places: &Places, experiment: &Experiment) -> Result<Vec<String>> {
    let all = Experiment::all(places)?;
    let digest = |root: &Path, path: &String| std::fs::read(root.join(path)).ok().map(|bytes| Digest::of(&bytes));
    let known = |path: &String, own: &Digest| {
        experiment.asked.files.get(path) == Some(own) || all.iter().any(|e| digest(&e.tree(), path).as_ref() == Some(own))
    };
    let changed = experiment.asked.files.keys().filter(|path| digest(&places.root, path).is_some_and(|own| !known(path, &own)));
    Ok(changed.cloned().collect())
}
