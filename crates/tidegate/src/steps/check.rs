//! Checks a dataset against its contract and records what it came to.

use crate::clock;
use crate::columns::{self, Checking, Place};
use crate::daemon::control::Control;
use crate::exit::{self, failure};
use crate::past;
use crate::workspace::{Places, read_text};
use anyhow::Result;
use std::path::Path;
use tidegate_core::contract::{Before, CheckReport, CheckSummary, Command, Contract, Dataset as Datasets, Kind};
use tidegate_core::machine::Machine as _;
use tidegate_port::Blobs as _;
use tidegate_store::FsBlobs;
use tidegate_wire::config::Dataset;
use tidegate_wire::contract::{SuiteOptions, parse};

/// How a dataset is checked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// How the contract is read.
    pub suite: SuiteOptions,
    /// What is known beside it.
    pub checking: Checking,
}

/// The stream of a dataset.
pub fn stream(name: &str) -> String {
    format!("{}/{name}", Datasets::KIND)
}

/// A dataset's contract, as its file says.
///
/// # Errors
/// With every mistake of the file.
pub fn contract(path: &Path, file: &str, options: &SuiteOptions) -> Result<Contract> {
    let text = read_text(path)?;
    parse(file, &text, options).map_err(|e| failure(exit::USAGE, e.to_string()))
}

/// What the checks of a dataset that passed found so far.
///
/// # Errors
/// When the journal cannot be read.
pub async fn before(control: &Control, name: &str) -> Result<Before> {
    Ok(control.state::<Datasets>(stream(name)).await?.accepted)
}

/// The same from a journal that nobody writes just now, or that another process writes.
///
/// # Errors
/// When the journal cannot be read.
pub fn before_in(places: &Places, name: &str) -> Result<Before> {
    Ok(past::state::<Datasets>(places, &stream(name))?.accepted)
}

/// Files of all datasets, by their names.
#[must_use]
pub fn others<'d>(root: &Path, data: impl IntoIterator<Item = (&'d String, &'d Dataset)>) -> Vec<(String, Place)> {
    data.into_iter().map(|(name, dataset)| (name.clone(), Place::of(root, &dataset.path))).collect()
}

/// Checks the dataset as it lies in the work tree `root`.
///
/// # Errors
/// When the data or the contract cannot be read.
pub async fn check(root: &Path, dataset: &Dataset, file: &str, asked: &Asked) -> Result<CheckReport> {
    let contract = contract(&root.join(file), file, &asked.suite)?;
    let as_of = dataset.as_of.unwrap_or_else(clock::now);
    let place = Place::of(root, &dataset.path);
    let mut report = columns::check(&place, &contract, as_of, &asked.checking).await?;
    let judges_age = contract.expectations.iter().any(|e| matches!(e.kind, Kind::Freshness { .. }));
    if let (Some(limit_ms), false) = (dataset.fresh_within_ms, judges_age) {
        // No column of time is named: the age of the file itself is what can be told.
        let age_ms = as_of.since_ms(columns::modified(&place).await?);
        if age_ms > limit_ms {
            report.success = false;
            report.findings.push(format!("the file is {age_ms} ms old, at most {limit_ms} ms are allowed: bring newer data"));
        }
    }
    Ok(report)
}

/// Records a check; its whole report becomes a blob.
///
/// # Errors
/// When a store fails.
pub async fn record(
    control: &Control,
    blobs: &FsBlobs,
    name: &str,
    root: &Path,
    dataset: &Dataset,
    file: &str,
    report: &CheckReport,
) -> Result<()> {
    let data = columns::digest(&Place::of(root, &dataset.path)).await?;
    // Kept, so that a version can be held against the contract of its time.
    let contract = blobs.put(read_text(&root.join(file))?.as_bytes())?;
    let stored = blobs.put(&serde_json::to_vec(report)?)?;
    let summary = Box::new(CheckSummary::of(report, data, contract, stored));
    control.execute::<Datasets>(stream(name), None, Command::Check { summary, at: clock::now() }).await?;
    Ok(())
}
