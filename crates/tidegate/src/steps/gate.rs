//! Gathers what a version's gates look at, and has them judged.

use super::{offline, register};
use crate::clock;
use crate::columns::{self, As};
use crate::daemon::control::Control;
use crate::daemon::{upstreams, versions};
use crate::exit::{self, failure};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tidegate_core::gate::{Baseline, EvaluationRows, Evidence, GateKind, GateOutcome, GateReport, GateVerdict, evaluate};
use tidegate_core::model::{Command, ModelVersion, Models};
use tidegate_port::Blobs as _;
use tidegate_runtime::{Golden, Version};
use tidegate_serve::remote::{self, RemoteModel};
use tidegate_store::FsBlobs;
use tidegate_wire::config::{Evaluation, Model, Workspace};

/// Single predictions that are timed.
const TIMED: usize = 2_000;
/// The same where an upstream answers, whose time it is too.
const TIMED_ELSEWHERE: usize = 200;
/// The alias that disagreement is measured against.
const CHAMPION: &str = "champion";
/// Decision threshold where none is configured.
pub const THRESHOLD: f64 = 0.5;

/// What a gate run works with.
pub struct Gating<'a> {
    /// Work tree that the version was built in.
    pub root: &'a Path,
    /// The model as configured.
    pub model: &'a Model,
    /// The whole configuration: an upstream may answer for the version.
    pub config: &'a Workspace,
    /// The candidate.
    pub version: &'a ModelVersion,
    /// Directories of versions.
    pub versions: &'a Path,
    /// Blobs.
    pub blobs: &'a FsBlobs,
    /// The control thread.
    pub control: &'a Control,
}

/// Gathers the evidence and judges it; nothing is recorded.
///
/// # Errors
/// When a store fails. Evidence that is missing is a gate's answer, not an error.
pub async fn judge(gating: &Gating<'_>) -> Result<GateReport> {
    let rows = match &gating.model.evaluation {
        None => Err("`models.NAME.evaluation` names no file of rows".to_owned()),
        Some(evaluation) => read_rows(gating, evaluation).await.map_err(|e| format!("{e:#}")),
    };
    let mut baselines = BTreeMap::new();
    let aliases =
        gating.model.gates.iter().filter_map(|g| if let GateKind::Against { alias, .. } = &g.kind { Some(alias.as_str()) } else { None });
    for alias in aliases.chain([CHAMPION]) {
        if !baselines.contains_key(alias) {
            baselines.insert(alias.to_owned(), baseline(gating, alias, &rows).await?);
        }
    }
    let wants_latency = gating.model.gates.iter().any(|g| matches!(g.kind, GateKind::Latency { .. }));
    let latencies_us = if wants_latency { time_of(gating).await? } else { vec![] };
    let evidence = Evidence {
        metrics: gating.version.metrics.clone(),
        rows: rows.map(|(rows, _)| rows),
        threshold: gating.model.threshold.unwrap_or(THRESHOLD),
        baselines,
        latencies_us,
    };
    let gates = gating.model.gates.clone();
    let mut report = tokio::task::spawn_blocking(move || evaluate(&gates, &evidence)).await?;
    for policy in &gating.model.policies {
        report.outcomes.push(GateOutcome {
            name: policy.name.clone(),
            verdict: GateVerdict::CannotTell,
            value: None,
            interval: None,
            limit: None,
            why: format!("policies are not evaluated by this version of tidegate: {} was not read", policy.rego),
            slices: vec![],
        });
    }
    Ok(report)
}

/// Judges and records.
///
/// # Errors
/// When a store fails.
pub async fn gate(gating: &Gating<'_>) -> Result<GateReport> {
    let report = judge(gating).await?;
    let command = Command::Gate { version: gating.version.version.clone(), report: report.clone(), at: clock::now() };
    gating.control.execute::<Models>(register::stream(&gating.version.model), None, command).await?;
    Ok(report)
}

async fn open(gating: &Gating<'_>, version: &ModelVersion) -> Result<Arc<Version>> {
    let (dir, blobs, version) = (gating.versions.to_owned(), gating.blobs.clone(), version.clone());
    tokio::task::spawn_blocking(move || -> Result<_> { Ok(Arc::new(Version::open(&versions::directory(&dir, &blobs, &version)?)?)) })
        .await?
}

type Rows = (EvaluationRows, Vec<String>);

async fn read_rows(gating: &Gating<'_>, evaluation: &Evaluation) -> Result<Rows> {
    let by: Vec<&str> = gating
        .model
        .gates
        .iter()
        .filter_map(|g| if let GateKind::Slices { by, .. } = &g.kind { Some(by.as_str()) } else { None })
        .collect();
    let mut wanted =
        vec![(evaluation.label.as_str(), As::Numbers), (evaluation.score.as_str(), As::Numbers), (evaluation.id.as_str(), As::Texts)];
    for column in by.iter().filter(|c| **c != evaluation.id) {
        wanted.push((column, As::Texts));
    }
    let table = columns::read(&gating.root.join(&evaluation.rows), &wanted).await?;
    let text = |name: &str| -> Result<Vec<String>> { Ok(table.texts(name)?.iter().map(|v| v.clone().unwrap_or_default()).collect()) };
    let labels = table.numbers(&evaluation.label)?.iter().map(|v| *v > 0.5).collect();
    let mut slices = BTreeMap::new();
    for column in by {
        slices.insert(column.to_owned(), text(column)?);
    }
    Ok((EvaluationRows { labels, candidate: table.numbers(&evaluation.score)?.to_vec(), slices }, text(&evaluation.id)?))
}

async fn baseline(gating: &Gating<'_>, alias: &str, rows: &Result<Rows, String>) -> Result<Baseline> {
    let state = gating.control.state::<Models>(register::stream(&gating.version.model)).await?;
    let Some(version) = state.aliases.get(alias).and_then(|v| state.versions.get(v)) else { return Ok(Baseline::NoneYet) };
    let unscored = |why: String| Baseline::Unscored { version: version.version.clone(), why };
    let Ok((_, ids)) = rows else { return Ok(unscored("there are no evaluation rows".to_owned())) };
    match scores_on(gating, version, ids).await {
        Ok(scores) => {
            Ok(Baseline::Scores { version: version.version.clone(), scores, threshold: gating.model.threshold.unwrap_or(THRESHOLD) })
        }
        Err(error) => Ok(unscored(format!("{error:#}"))),
    }
}

/// Another version's scores of the same rows, from the reference inputs.
async fn scores_on(gating: &Gating<'_>, version: &ModelVersion, ids: &[String]) -> Result<Vec<f64>> {
    let file = offline::reference_file(gating.root, gating.model)?;
    let (Some(file), Some(reference)) = (file, &gating.model.reference) else {
        anyhow::bail!("`models.NAME.reference` names no inputs to score it on")
    };
    let scores = offline::scores(open(gating, version).await?, &gating.root.join(file), &reference.id).await?;
    ids.iter()
        .map(|id| scores.get(id).copied().ok_or_else(|| anyhow::anyhow!("evaluation row `{id}` is not among the reference inputs")))
        .collect()
}

/// How long predictions take: here, or at the upstream that answers.
async fn time_of(gating: &Gating<'_>) -> Result<Vec<f64>> {
    let artifact = gating.blobs.get(&gating.version.artifact)?;
    if !RemoteModel::is_one(&artifact) {
        return time(open(gating, gating.version).await?).await;
    }
    let model = RemoteModel::parse(&artifact).map_err(|why| failure(exit::USAGE, why))?;
    let Some(golden) = &gating.version.golden else { return Ok(vec![]) };
    let golden = Golden::parse(&gating.blobs.get(golden)?).map_err(|why| failure(exit::USAGE, why))?;
    let upstream = upstreams::named(gating.config, gating.root, &model.upstream)?;
    Ok(remote::time(upstream, model, &golden, TIMED_ELSEWHERE).await?)
}

async fn time(version: Arc<Version>) -> Result<Vec<f64>> {
    tokio::task::spawn_blocking(move || {
        let Some(golden) = version.golden() else { return Ok(vec![]) };
        let requests = golden.requests.iter().map(|r| version.golden_request(r)).collect::<Result<Vec<_>, _>>()?;
        let start = clock::instant();
        let mut now_us = || start.elapsed().as_secs_f64() * 1e6;
        Ok(version.measure_latency(&requests, TIMED, &mut now_us)?)
    })
    .await?
}
