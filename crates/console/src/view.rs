//! What pages show: plain values, already decided elsewhere. They are also the answers of the JSON API.

pub mod risk;

use serde::Serialize;
use tidegate_core::contract::CheckReport;
use tidegate_core::gate::GateReport;
use tidegate_core::id::At;
use tidegate_core::judge::{Assessment, Mode};
use tidegate_core::model::ModelVersion;
use tidegate_core::workspace::Outcome;

/// Where the loop stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// Name of the workspace.
    pub workspace: String,
    /// Acts of the loop.
    pub acts: Vec<ActRow>,
    /// Services.
    pub services: Vec<ServiceRow>,
    /// Trainings that started by themselves, newest first.
    pub trainings: Vec<TrainingRow>,
    /// Releases, newest first.
    pub releases: Vec<ReleaseRow>,
    /// Model versions, newest first.
    pub versions: Vec<VersionRow>,
    /// Datasets.
    pub datasets: Vec<DatasetRow>,
    /// Pipeline runs, newest first.
    pub runs: Vec<RunRow>,
    /// The journal.
    pub journal: JournalHead,
}

/// A training.
#[derive(Clone, Debug, Serialize)]
pub struct TrainingRow {
    /// Model.
    pub model: String,
    /// Number.
    pub number: u64,
    /// What started it, in words.
    pub triggers: String,
    /// Where it stands, in words.
    pub phase: String,
    /// How it ended, in a sentence.
    pub summary: String,
    /// When it started.
    pub at: At,
}

/// One act of the loop.
#[derive(Clone, Debug, Serialize)]
pub struct ActRow {
    /// Name.
    pub name: String,
    /// When it began.
    pub started: Option<At>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// In a sentence.
    pub summary: String,
}

/// One service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceRow {
    /// Name.
    pub name: String,
    /// Model.
    pub model: String,
    /// Path at the gateway.
    pub endpoint: String,
    /// What serves, with its share in basis points.
    pub targets: Vec<TargetRow>,
    /// Live requests answered.
    pub requests: u64,
    /// Of them, failed.
    pub errors: u64,
    /// Newest drift finding, in words.
    pub drift: Option<String>,
}

/// One loaded version.
#[derive(Clone, Debug, Serialize)]
pub struct TargetRow {
    /// Version.
    pub version: String,
    /// Part in a release.
    pub role: String,
    /// Share of live traffic in basis points.
    pub weight_bp: u32,
    /// State of its worker.
    pub state: String,
    /// Live requests that it answered.
    pub requests: u64,
    /// Of them, failed.
    pub errors: u64,
    /// 99th percentile of latency in milliseconds.
    pub p99_ms: Option<f64>,
}

/// One release in a list.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseRow {
    /// Service.
    pub service: String,
    /// Environment, of a service that runs in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Number.
    pub number: u64,
    /// Version.
    pub candidate: String,
    /// Version before it.
    pub stable: Option<String>,
    /// Phase in words.
    pub phase: String,
    /// What it waits for, or how it ended.
    pub note: String,
}

/// One version in a list.
#[derive(Clone, Debug, Serialize)]
pub struct VersionRow {
    /// Model.
    pub model: String,
    /// Version.
    pub version: String,
    /// Aliases.
    pub aliases: Vec<String>,
    /// Gates: passed, or none evaluated yet.
    pub gates: Option<bool>,
    /// Change that it came from.
    pub change: String,
}

/// One dataset in a list.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetRow {
    /// Name.
    pub name: String,
    /// Newest check.
    pub success: Option<bool>,
    /// Rows.
    pub rows: u64,
    /// When.
    pub at: Option<At>,
}

/// One run in a list.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Id.
    pub id: String,
    /// Outcome in words.
    pub outcome: String,
    /// When it began.
    pub at: Option<At>,
    /// Stages run and skipped.
    pub ran: usize,
    /// Stages that had nothing to do.
    pub skipped: usize,
}

/// The journal's head.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JournalHead {
    /// Records.
    pub records: u64,
    /// Sealed to this size.
    pub sealed_to: u64,
    /// Root hash of the sealed tree, base64.
    pub root: String,
    /// Origin of the log.
    pub origin: String,
}

/// A pipeline run.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    /// In a list.
    pub row: RunRow,
    /// Facts by name: code, environment, change.
    pub facts: Vec<(String, String)>,
    /// Parameters.
    pub params: serde_json::Value,
    /// Stages in order.
    pub stages: Vec<StageRow>,
}

/// One stage of a run.
#[derive(Clone, Debug, Serialize)]
pub struct StageRow {
    /// Name.
    pub name: String,
    /// Outcome in words.
    pub outcome: String,
    /// Why it ran or not.
    pub why: String,
    /// Milliseconds.
    pub duration_ms: Option<u64>,
    /// Outputs with digests.
    pub outs: Vec<(String, String)>,
}

/// A dataset's newest check.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetView {
    /// In a list.
    pub row: DatasetRow,
    /// Facts by name: path, owner, digest.
    pub facts: Vec<(String, String)>,
    /// The whole report.
    pub report: Option<CheckReport>,
}

/// A model version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    /// The version.
    pub version: ModelVersion,
    /// Aliases.
    pub aliases: Vec<String>,
    /// Gates.
    pub gates: Option<GateReport>,
    /// Its releases.
    pub releases: Vec<ReleaseRow>,
}

/// A release.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseView {
    /// In a list.
    pub row: ReleaseRow,
    /// Change, in words.
    pub change: String,
    /// Attempt.
    pub attempt: u32,
    /// The newest assessment, recorded or running.
    pub assessment: Option<Assessment>,
    /// Over time.
    pub points: Vec<Point>,
    /// What happened, oldest first.
    pub story: Vec<(At, String)>,
    /// Live requests that the candidate answered.
    pub users_saw: u64,
    /// Digest of the newest sealed evidence.
    pub evidence: Option<String>,
}

/// The judge at one tick.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// When.
    pub at: At,
    /// Mode.
    pub mode: Mode,
    /// Combined rollback e-value.
    pub e_rollback: f64,
    /// Bar of the rollback e-value.
    pub needs_rollback: f64,
    /// Smallest promotion e-value.
    pub e_promote: f64,
    /// Bar of the promotion e-value.
    pub needs_promote: f64,
    /// Ratio of error rates, once an arm has failed.
    pub ratio: Option<Ratio>,
    /// Candidate's share of live traffic in basis points.
    pub candidate_bp: u32,
    /// Control's share.
    pub control_bp: u32,
}

/// A ratio of rates in its sequential interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratio {
    /// Lower end; 0 where it is open.
    pub low: f64,
    /// The ratio; none while the control has no failure.
    pub estimate: Option<f64>,
    /// Upper end; none where it is open.
    pub high: Option<f64>,
}

/// A page of the journal.
#[derive(Clone, Debug, Serialize)]
pub struct JournalView {
    /// Head.
    pub head: JournalHead,
    /// Records, newest first.
    pub records: Vec<JournalRow>,
    /// Position to go on from, towards older ones.
    pub older: Option<u64>,
}

/// One record.
#[derive(Clone, Debug, Serialize)]
pub struct JournalRow {
    /// Position.
    pub position: u64,
    /// When.
    pub at: At,
    /// Stream.
    pub stream: String,
    /// Event.
    pub event: String,
    /// The record as JSON.
    pub body: serde_json::Value,
}
