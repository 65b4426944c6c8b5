//! Before an old version is released again: do today's data fit its signature and the contracts of its time?

use super::{check, offline, register};
use crate::clock;
use crate::columns::{self, Checking, Place};
use crate::daemon::plane::Plane;
use crate::exit::{self, failure};
use crate::workspace::Opened;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use tidegate_core::contract::{Dataset as Datasets, Event};
use tidegate_core::id::{At, Digest};
use tidegate_core::model::{ModelVersion, Models, State};
use tidegate_port::{Blobs as _, Journal as _};
use tidegate_runtime::Version;
use tidegate_wire::config::Dataset;
use tidegate_wire::contract::{SuiteOptions, parse};

/// Whether a version was registered before the one that serves.
pub fn is_old(state: &State, version: &str) -> bool {
    let place = |v: &str| state.versions.get_index_of(v);
    state.aliases.get("champion").is_some_and(|champion| place(version) < place(champion))
}

/// Holds today's data against an old version. Nothing to hold against it is a refusal too.
///
/// # Errors
/// With every reason why they do not fit, or cannot be told to.
pub async fn check(opened: &Opened, plane: &Plane, version: &ModelVersion) -> Result<()> {
    let state = plane.control().state::<Models>(register::stream(&version.model)).await?;
    if !is_old(&state, &version.version) {
        return Ok(());
    }
    let (mut checked, mut wrong) = (0, vec![]);
    match signature(opened, plane, version).await {
        Ok(true) => checked += 1,
        Ok(false) => {}
        Err(error) => wrong.push(format!("its signature: {error:#}")),
    }
    for (name, dataset) in &opened.config.data {
        match contract(opened, plane, version, name, dataset).await {
            Ok(true) => checked += 1,
            Ok(false) => {}
            Err(error) => wrong.push(format!("its contract of `{name}`: {error:#}")),
        }
    }
    if checked == 0 && wrong.is_empty() {
        wrong.push("nothing was checked: neither `models.NAME.reference` nor a contract says what its data are".to_owned());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let what = format!("release version {} of {} again: today's data do not fit it", version.version, version.model);
    Err(failure(exit::REFUSED, format!("{what}: {}; `--despite REASON` releases it all the same", wrong.join("; "))))
}

/// Whether the version gives each of today's reference inputs a score; false where the model names none.
async fn signature(opened: &Opened, plane: &Plane, version: &ModelVersion) -> Result<bool> {
    let root = &opened.places.root;
    let configured = opened.config.models.get(&version.model).and_then(|m| Some((m, m.reference.as_ref()?)));
    let Some((model, reference)) = configured else { return Ok(false) };
    let Some(file) = offline::reference_file(root, model)? else { return Ok(false) };
    let path = root.join(&file);
    anyhow::ensure!(path.exists(), "{file} is not here: run the pipeline first");
    let dir = plane.directory(&version.model, &version.version).await?;
    let opened = tokio::task::spawn_blocking(move || Version::open(&dir)).await??;
    let scores = offline::scores(Arc::new(opened), &path, &reference.id).await?;
    let bad = scores.values().filter(|s| !s.is_finite()).count();
    anyhow::ensure!(!scores.is_empty(), "{file} has no rows, so nothing was checked");
    anyhow::ensure!(bad == 0, "{bad} of {} rows of {file} get no score", scores.len());
    Ok(true)
}

/// Whether a dataset passes the contract that it had when the version was registered; false where it had none.
async fn contract(opened: &Opened, plane: &Plane, version: &ModelVersion, name: &str, dataset: &Dataset) -> Result<bool> {
    let Some(file) = &dataset.contract else { return Ok(false) };
    let Some(digest) = contract_at(plane, name, version.at).await? else { return Ok(false) };
    let text = plane.blobs().get(&digest).context("it was not kept when the version was made")?;
    let options = SuiteOptions { object: Some(name.to_owned()), ..SuiteOptions::default() };
    let text = String::from_utf8(text).context("it is no text")?;
    let contract = parse(file, &text, &options).map_err(|e| failure(exit::USAGE, e.to_string()))?;
    let checking = Checking {
        before: Some(check::before(plane.control(), name).await?),
        others: check::others(&opened.places.root, &opened.config.data),
        ..Checking::default()
    };
    let as_of = dataset.as_of.unwrap_or_else(clock::now);
    let report = columns::check(&Place::of(&opened.places.root, &dataset.path), &contract, as_of, &checking).await?;
    anyhow::ensure!(
        report.success,
        "{}",
        report.failed().next().map_or_else(|| report.summary(), tidegate_core::contract::ExpectationOutcome::line)
    );
    Ok(true)
}

/// Digest of the contract of the newest check until then.
async fn contract_at(plane: &Plane, name: &str, at: At) -> Result<Option<Digest>> {
    let stream = check::stream(name);
    let records = plane.control().call(move |driver| driver.engine().journal().read_stream(&stream, 0)).await??;
    let mut newest = None;
    for record in records {
        let event: <Datasets as tidegate_core::machine::Machine>::Event = serde_json::from_value(record.body)?;
        if let Event::Checked { summary, at: when } = event
            && when <= at
        {
            newest = Some(summary.contract);
        }
    }
    Ok(newest)
}
