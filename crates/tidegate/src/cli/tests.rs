//! `tidegate tests`: results of tests over time, from JUnit reports of any runner; which tests are flaky.

use super::Context;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace::{self, Places};
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_core::id::Digest;
use tidegate_core::tests::{Advice, Outcome, TestRun, histories};

/// Largest report in bytes.
const REPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most reports of a history; the oldest go first.
const REPORTS_MAX: usize = 10_000;

/// What to do with results.
#[derive(Debug, Subcommand)]
pub enum TestsCommand {
    /// Adds JUnit reports to the history; exit code 1 when a test outside quarantine failed
    Import(ImportArgs),
    /// Lists tests that are flaky, or may be, with what to do
    Flaky(FlakyArgs),
}

/// Reports.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// JUnit XML files, as pytest --junitxml, nextest and others write them
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// State of the code that was tested; that of the work tree when not given
    #[arg(long, value_name = "REV")]
    code: Option<String>,
}

/// Which tests.
#[derive(Debug, Args)]
pub struct FlakyArgs {
    /// Least chance of being flaky
    #[arg(long, default_value_t = 0.5)]
    at_least: f64,
    /// Print the names of tests to quarantine alone, one a line
    #[arg(long)]
    quarantine: bool,
}

/// Carries it out.
pub fn tests(context: &Context, command: &TestsCommand) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let file = places.home.join("tests.jsonl");
    match command {
        TestsCommand::Import(args) => import(context, args, &places, &file),
        TestsCommand::Flaky(args) => flaky(context, args, &file),
    }
}

fn history(file: &Path) -> Result<Vec<TestRun>> {
    if !file.exists() {
        return Ok(vec![]);
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("read the history of tests {}", file.display()))?;
    let line = |(n, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("read line {} of the history of tests {}", n + 1, file.display()))
    };
    text.lines().enumerate().map(line).collect()
}

/// The state of the code; with changes that are not committed it is one of its own.
fn code_of(dir: &Path) -> Result<String> {
    let git = |args: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(dir).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"]);
    let head = head.ok_or_else(|| {
        failure(exit::USAGE, "import test results: this is no git repository with a commit: say with --code which code was tested")
    })?;
    let diff = git(&["diff", "HEAD"]).unwrap_or_default();
    Ok(if diff.is_empty() { head } else { format!("{head}+{}", Digest::of(diff.as_bytes()).short()) })
}

fn import(context: &Context, args: &ImportArgs, places: &Places, file: &Path) -> Result<u8> {
    let code = match &args.code {
        Some(code) => code.clone(),
        None => code_of(&context.dir)?,
    };
    let mut runs = history(file)?;
    let quarantined: Vec<String> = quarantine(&runs);
    let (mut added, mut failed, mut waved, mut skipped) = (0usize, vec![], vec![], 0usize);
    for report in &args.reports {
        let path = context.dir.join(report);
        let size = std::fs::metadata(&path).map_err(|e| failure(exit::NOT_FOUND, format!("import {}: {e}", report.display())))?.len();
        if size > REPORT_BYTES_MAX {
            return Err(failure(
                exit::USAGE,
                format!("import {}: {size} bytes are over the limit of {REPORT_BYTES_MAX}", report.display()),
            ));
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {} as text", report.display()))?;
        let results = tidegate_wire::junit::read(&text).map_err(|e| failure(exit::USAGE, format!("import {}: {e}", report.display())))?;
        if results.is_empty() {
            return Err(failure(exit::NOT_PASSED, format!("import {}: it holds no test, and none is not a pass", report.display())));
        }
        for result in &results {
            match result.outcome {
                Outcome::Failed | Outcome::Errored if quarantined.contains(&result.test) => waved.push(result.test.clone()),
                // A run that the runner repeated, and that then passed, is flaky and does not block.
                Outcome::Failed | Outcome::Errored if !results.iter().any(|r| r.test == result.test && r.outcome == Outcome::Passed) => {
                    failed.push(result.test.clone());
                }
                Outcome::Skipped => skipped += 1,
                Outcome::Failed | Outcome::Errored | Outcome::Passed => {}
            }
        }
        let digest = Digest::of(text.as_bytes()).to_string();
        if !runs.iter().any(|r| r.report == digest && r.code == code) {
            added += results.len();
            runs.push(TestRun { code: code.clone(), report: digest, results });
        }
    }
    let old = runs.len().saturating_sub(REPORTS_MAX);
    runs.drain(..old);
    let mut text = String::new();
    for run in &runs {
        text.push_str(&serde_json::to_string(run)?);
        text.push('\n');
    }
    places.make()?;
    tidegate_store::disk::replace_file(file, text.as_bytes())?;
    failed.dedup();
    if context.json {
        show::json(&serde_json::json!({ "code": code, "added": added, "failed": failed, "quarantined": waved, "skipped": skipped }))?;
    } else {
        show::line(&format!(
            "{added} results added at {code}; {} failed, {} failed in quarantine, {skipped} skipped",
            failed.len(),
            waved.len()
        ))?;
        for test in &failed {
            show::line(&format!("  {} {test}", style::bad("x")))?;
        }
        for test in &waved {
            show::line(&format!("  {} {test} (in quarantine)", style::warn("!")))?;
        }
    }
    Ok(if failed.is_empty() { exit::OK } else { exit::NOT_PASSED })
}

fn quarantine(runs: &[TestRun]) -> Vec<String> {
    histories(runs).into_iter().filter(|h| h.advice == Advice::Quarantine).map(|h| h.test).collect()
}

fn flaky(context: &Context, args: &FlakyArgs, file: &Path) -> Result<u8> {
    let runs = history(file)?;
    if runs.is_empty() {
        return Err(failure(exit::NOT_FOUND, "flaky tests: there are no results yet: bring some with `tidegate tests import REPORT.xml`"));
    }
    if args.quarantine {
        for test in quarantine(&runs) {
            show::line(&test)?;
        }
        return Ok(exit::OK);
    }
    let found: Vec<_> = histories(&runs).into_iter().filter(|h| h.flaky >= args.at_least || h.advice != Advice::Keep).collect();
    if context.json {
        show::json(&found)?;
        return Ok(exit::OK);
    }
    if found.is_empty() {
        return show::line(&format!("no test is flaky with a chance of {} or more, in {} reports", args.at_least, runs.len()))
            .map(|()| exit::OK);
    }
    let advice = |a: Advice| match a {
        Advice::Keep => "keep",
        Advice::Rerun => "run again at the same code",
        Advice::Quarantine => "quarantine and mend",
        Advice::Mend => "fails on this code: mend",
    };
    let rate = |r: Option<(f64, f64)>| r.map_or("-".to_owned(), |(l, h)| format!("{:.0} to {:.0} %", l * 100.0, h * 100.0));
    let rows = found
        .iter()
        .map(|h| {
            vec![
                h.test.clone(),
                format!("{:.3}", h.flaky),
                format!("{} of {}", h.failures, h.runs),
                h.mixed.to_string(),
                rate(h.failure_rate),
                advice(h.advice).to_owned(),
            ]
        })
        .collect();
    show::line(&show::table(&["test", "flaky", "failed", "codes with both", "failure rate", "advice"], rows))?;
    Ok(exit::OK)
}
