//! `tidegate check`: datasets against their contracts; exit code 1 when one fails.

use super::Context;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::steps::{check as step, checkpoint};
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use tidegate_core::contract::CheckReport;
use tidegate_wire::contract::result_json;

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Datasets, or checkpoints of a Great Expectations project; all datasets with a contract when none is named
    datasets: Vec<String>,
    /// Fail also where an imported suite passed because nothing was checked
    #[arg(long)]
    strict: bool,
}

/// Carries it out.
pub fn check(context: &Context, args: &CheckArgs) -> Result<u8> {
    if let Some(code) = checkpoints(context, args)? {
        return Ok(code);
    }
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let mut reports = vec![];
    for (name, dataset) in data {
        let wanted = args.datasets.is_empty() || args.datasets.contains(name);
        match &dataset.contract {
            Some(file) if wanted => {
                let report = runtime
                    .block_on(step::check(&opened.places.root, dataset, file, args.strict))
                    .with_context(|| format!("check dataset `{name}`"))?;
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
    if reports.is_empty() {
        return Err(failure(exit::USAGE, "check: no dataset has a contract, so nothing was checked: name one as `data.NAME.contract`"));
    }
    if context.json {
        let items: serde_json::Map<String, serde_json::Value> = reports.iter().map(|(name, r)| (name.clone(), result_json(r))).collect();
        show::json(&items)?;
    } else {
        for (name, report) in &reports {
            print(name, report)?;
        }
    }
    Ok(if reports.iter().all(|(_, r)| r.success) { exit::OK } else { exit::NOT_PASSED })
}

/// Checks the named checkpoints of a Great Expectations project, which needs no tidegate.yaml; none when one of the names is
/// no checkpoint.
fn checkpoints(context: &Context, args: &CheckArgs) -> Result<Option<u8>> {
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let mut reports = vec![];
    for (name, validation) in validations {
        let contract = step::contract(&root, &validation.suite, args.strict)?;
        let report = runtime
            .block_on(crate::columns::check(&validation.data, &contract, crate::clock::now()))
            .with_context(|| format!("check `{name}`"))?;
        reports.push((name, report));
    }
    show_all(context, &reports)
}

/// Prints all reports; the answer is the exit code.
fn show_all(context: &Context, reports: &[(String, CheckReport)]) -> Result<Option<u8>> {
    if context.json {
        let items: serde_json::Map<String, serde_json::Value> = reports.iter().map(|(name, r)| (name.clone(), result_json(r))).collect();
        show::json(&items)?;
    } else {
        for (name, report) in reports {
            print(name, report)?;
        }
    }
    Ok(Some(if reports.iter().all(|(_, r)| r.success) { exit::OK } else { exit::NOT_PASSED }))
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
