//! `tidegate check`: datasets against their contracts; exit code 1 when one fails.

use super::Context;
use super::recorder::Recorder;
use crate::client;
use crate::clock;
use crate::columns::{self, Place};
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::steps::{check as step, checkpoint};
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use hyper::Method;
use std::path::{Path, PathBuf};
use tidegate_core::contract::{CheckReport, Condition};
use tidegate_store::FsBlobs;
use tidegate_wire::contract::{ResultFormat, SuiteOptions, result_json_as, row_condition};
use tokio::runtime::Runtime;

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Datasets, or checkpoints of a Great Expectations project; all datasets with a contract when none is named
    datasets: Vec<String>,
    /// Fail also where an imported suite passed because nothing was checked
    #[arg(long)]
    strict: bool,
    /// Check this file or folder, or this address as `s3://bucket/name`, against `--contract`, without a tidegate.yaml
    #[arg(long, value_name = "PATH", requires = "contract", conflicts_with = "datasets")]
    data: Option<String>,
    /// The contract of `--data`: our YAML, a suite of Great Expectations, a schema of Pandera, a data contract (ODCS)
    #[arg(long, value_name = "FILE", requires = "data")]
    contract: Option<PathBuf>,
    /// Value of a suite's parameter, as `lo=5`
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Look only at rows for which this condition holds, as `day = '2026-03-01'`: files and row groups without them are not read
    #[arg(long = "where", value_name = "SQL", conflicts_with = "record")]
    only: Option<String>,
    /// How much of each result `--json` gives: boolean_only, basic, summary, complete
    #[arg(long, value_name = "FORMAT", default_value = "summary")]
    result_format: String,
    /// Keep what the check found in the journal: volume and schema are compared with the checks that passed before
    #[arg(long)]
    record: bool,
}

/// Carries it out.
pub fn check(context: &Context, args: &CheckArgs) -> Result<u8> {
    let format: ResultFormat = args.result_format.parse().map_err(|e| failure(exit::USAGE, format!("check: result format {e}")))?;
    let suite = SuiteOptions { strict: args.strict, parameters: parameters(&args.parameters)?, object: None };
    let mut asked = step::Asked { suite, ..step::Asked::default() };
    asked.checking.only = args.only.as_deref().map(condition).transpose()?;
    asked.checking.complete = format == ResultFormat::Complete;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let reports = match (&args.data, &args.contract) {
        (Some(data), Some(file)) => vec![one_file(&context.dir, data, file, &asked, &runtime)?],
        _ => match checkpoints(context, args, &asked, &runtime)? {
            Some(reports) => reports,
            None => datasets(context, args, &asked, &runtime)?,
        },
    };
    if context.json {
        let items: serde_json::Map<String, serde_json::Value> =
            reports.iter().map(|(name, r)| (name.clone(), result_json_as(r, format))).collect();
        show::json(&items)?;
    } else {
        for (name, report) in &reports {
            print(name, report)?;
        }
    }
    Ok(if reports.iter().all(|(_, r)| r.success) { exit::OK } else { exit::NOT_PASSED })
}

fn condition(text: &str) -> Result<Condition> {
    row_condition(text).map_err(|why| failure(exit::USAGE, format!("check: --where: {why}")))
}

/// `NAME=VALUE`: a value that reads as JSON is that, anything else is text.
fn parameters(given: &[String]) -> Result<serde_json::Map<String, serde_json::Value>> {
    let one = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| failure(exit::USAGE, format!("check: parameter `{text}` has no value: write `NAME=VALUE`")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::String(value.to_owned()));
        Ok((name.to_owned(), value))
    };
    given.iter().map(one).collect()
}

/// A file against a contract, wherever they lie.
fn one_file(dir: &Path, data: &str, file: &Path, asked: &step::Asked, runtime: &Runtime) -> Result<(String, CheckReport)> {
    let name = Path::new(data).file_stem().map_or_else(|| "data".to_owned(), |n| n.to_string_lossy().into_owned());
    let mut suite = asked.suite.clone();
    suite.object = Some(name.clone());
    let contract = step::contract(&dir.join(file), &file.display().to_string(), &suite)?;
    let report = runtime.block_on(columns::check(&Place::of(dir, data), &contract, clock::now(), &asked.checking));
    Ok((name, report.with_context(|| format!("check {data}"))?))
}

fn datasets(context: &Context, args: &CheckArgs, asked: &step::Asked, runtime: &Runtime) -> Result<Vec<(String, CheckReport)>> {
    let opened = workspace::open(&context.dir)?;
    let data = &opened.config.data;
    for name in &args.datasets {
        if !data.contains_key(name) {
            let known: Vec<&str> = data.keys().map(String::as_str).collect();
            return Err(failure(
                exit::NOT_FOUND,
                format!("check dataset `{name}`: tidegate.yaml has no such dataset; known are {}", known.join(", ")),
            ));
        }
    }
    let (places, root) = (&opened.places, &opened.places.root);
    let recorder = args.record.then(|| Recorder::new(&opened, Bus::new()));
    let mut reports = vec![];
    for (name, dataset) in data {
        let wanted = args.datasets.is_empty() || args.datasets.contains(name);
        match &dataset.contract {
            Some(_) if wanted && recorder.as_ref().is_some_and(|r| r.up().is_some()) => {
                reports.push((name.clone(), by_the_one_that_is_up(places, name, asked)?));
            }
            Some(file) if wanted => {
                let mut asked = asked.clone();
                asked.suite.object = Some(name.clone());
                asked.checking.others = step::others(root, data);
                asked.checking.before = Some(step::before_in(places, name)?);
                let checked = runtime.block_on(step::check(root, dataset, file, &asked));
                let report = checked.with_context(|| format!("check dataset `{name}`"))?;
                if let Some(recorder) = &recorder {
                    let (control, blobs) = (recorder.control()?, FsBlobs::open(&places.blobs())?);
                    let recorded = runtime.block_on(step::record(&control, &blobs, name, root, dataset, file, &report));
                    recorded.with_context(|| format!("record the check of dataset `{name}`"))?;
                }
                reports.push((name.clone(), report));
            }
            None if args.datasets.contains(name) => {
                return Err(failure(
                    exit::USAGE,
                    format!("check dataset `{name}`: it has no contract: name one as `data.{name}.contract`"),
                ));
            }
            Some(_) | None => {}
        }
    }
    if let Some(recorder) = recorder {
        recorder.close();
    }
    if reports.is_empty() {
        return Err(failure(exit::USAGE, "check: no dataset has a contract, so nothing was checked: name one as `data.NAME.contract`"));
    }
    Ok(reports)
}

/// Has a dataset checked and recorded by `tidegate up`, which has the journal.
fn by_the_one_that_is_up(places: &workspace::Places, name: &str, asked: &step::Asked) -> Result<CheckReport> {
    let body = serde_json::json!({
        "strict": asked.suite.strict, "parameters": asked.suite.parameters, "complete": asked.checking.complete,
    });
    let path = format!("/api/v1/data/{name}/checks");
    let answer = client::ask(places, &format!("check dataset `{name}`"), Method::POST, &path, Some(&body))?;
    serde_json::from_value(answer).with_context(|| format!("check dataset `{name}`: read the answer of `tidegate up`"))
}

/// Checks the named checkpoints of a Great Expectations project, which needs no tidegate.yaml; none when one of the names is
/// no checkpoint.
fn checkpoints(context: &Context, args: &CheckArgs, asked: &step::Asked, runtime: &Runtime) -> Result<Option<Vec<(String, CheckReport)>>> {
    let root = workspace::root_of(&context.dir)?;
    let mut validations = vec![];
    for name in &args.datasets {
        match checkpoint::find(&root, name)? {
            Some(found) => {
                let one = found.len() == 1;
                validations.extend(found.into_iter().map(|v| (if one { name.clone() } else { format!("{name} ({})", v.name) }, v)));
            }
            None => return Ok(None),
        }
    }
    if validations.is_empty() {
        return Ok(None);
    }
    let mut reports = vec![];
    for (name, validation) in validations {
        let contract = step::contract(&root.join(&validation.suite), &validation.suite, &asked.suite)?;
        let checked = runtime.block_on(columns::check(&Place::Path(validation.data.clone()), &contract, clock::now(), &asked.checking));
        reports.push((name.clone(), checked.with_context(|| format!("check `{name}`"))?));
    }
    Ok(Some(reports))
}

fn print(name: &str, report: &CheckReport) -> Result<()> {
    let word = if report.success { style::good("passed") } else { style::bad("failed") };
    // The contract may call the dataset otherwise than tidegate.yaml does; people know it by the latter.
    let summary = report.summary();
    let rest = summary.split_once(": ").map_or(summary.as_str(), |(_, rest)| rest);
    show::line(&format!("{} {word}: {rest}", style::strong(name)))?;
    for finding in &report.findings {
        show::line(&format!("  {} {finding}", style::bad("x")))?;
    }
    for outcome in report.failed() {
        show::line(&format!("  {} {}", style::bad("x"), outcome.line()))?;
    }
    for outcome in report.vacuous().filter(|o| o.success) {
        show::line(&format!("  {} {}", style::warn("!"), outcome.line()))?;
    }
    Ok(())
}
