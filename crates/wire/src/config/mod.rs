//! tidegate.yaml: one text becomes a [`Workspace`], or all of its problems at once.
//!
//! One key table (`table`) says what there is; the checker, the defaults, the schema, the docs page and
//! near-miss suggestions read it. Steps: parse, fill in defaults, check shapes, check rules, read.
//! Not here: files. The caller hands in text, and facts about the repository where it has them.

mod ab;
mod check;
mod deployments;
mod driver;
mod driver_rules;
pub mod duty;
mod environments;
mod events;
mod features;
mod guardrail;
mod guardrail_rules;
mod init;
pub(crate) mod near;
mod observe;
mod origin;
mod page;
mod people_rules;
mod problem;
mod ramp;
mod reach;
mod read;
mod resolve;
mod risk;
mod rules;
mod schema;
mod serving;
mod shape;
mod stores;
mod table;
mod trains;
mod types;
pub mod unit;
mod upstreams;

#[cfg(test)]
mod tests;

pub use ab::AbTest;
pub use check::NAME_CHARS_MAX;
pub use deployments::{Asks, Deployment, GithubEntry, Tool};
pub use driver::{
    ApiServer, ArgoCd, Driver, Flux, GatewayApi, GitOps, KServe, Slot, Telemetry, TelemetryLatency, without_what_is_not_counted,
};
pub use duty::Duty;
pub use events::{EventSource, EventsBy, KafkaTopic, Mechanism, NatsEntry, NatsStream, Sasl};
pub use features::{DELIVERY_FIELDS, FeatureView, FileView, delivery_kind, delivery_value};
pub use init::{FACTS_BYTES_MAX, FILES_MAX, RepoScan, StageFacts, init, scan};
pub use observe::{GatewayLog, GatewayTraces};
pub use origin::{From, Origin, Origins};
pub use page::docs_page;
pub use problem::{PROBLEMS_MAX, Problem, Problems};
pub use risk::{RiskCosts, RiskPolicy};
pub use schema::json_schema;
pub use serving::{Batch, GatewayKey, GatewayTls, PromisedOutput, Serving};
pub use stores::{Stores, stores_of};
pub use trains::{Interfaces, NamedTrain, Written};
pub use types::{
    AT, BlockedBy, Channel, Dataset, Drift, DriftMethod, Env, Environment, Evaluation, Freeze, Model, NamedBreaker, NamedJudge, Objective,
    Passage, Pipeline, PolicyGate, Reference, ReferenceFrom, Retrain, Service, Strategy, Way, When, Workspace,
};
pub use upstreams::{Upstream, UpstreamProgram};

use crate::yaml::{self, Node, Value};
use shape::Shape;

/// Longest tidegate.yaml, in bytes.
pub const CONFIG_BYTES_MAX: usize = 1_048_576;

/// Where a service answers when the file does not say.
fn default_endpoint(service: &str) -> String {
    format!("/v2/models/{service}")
}

/// Reads a tidegate.yaml, knowing nothing about the files beside it.
///
/// # Errors
/// All problems of the text.
pub fn load(text: &str, file_name: &str) -> Result<Workspace, Problems> {
    load_in(text, file_name, None)
}

/// Reads a tidegate.yaml and holds the paths, stages and metrics that it names against the repository.
///
/// # Errors
/// All problems of the text.
pub fn load_in(text: &str, file_name: &str, repo: Option<&RepoScan>) -> Result<Workspace, Problems> {
    let refuse = |line, column, message: String, help: Option<&str>| {
        let problem = Problem { line, column, path: String::new(), found: String::new(), message, help: help.map(str::to_owned) };
        Problems::new(file_name, text, vec![problem])
    };
    if text.len() > CONFIG_BYTES_MAX {
        return Err(refuse(1, 1, format!("the file has {} bytes; at most {CONFIG_BYTES_MAX} are read", text.len()), None));
    }
    let root = yaml::parse(text).map_err(|e| refuse(e.line, e.column, e.message, None))?;
    if root.as_map().is_none() {
        let help = "start with `version: 1` and `workspace: NAME`, or run `tidegate init`";
        return Err(refuse(root.line, root.column, format!("the file holds {}, not a mapping", root.kind()), Some(help)));
    }
    let root = resolve::resolve(&root, &table::ROOT);
    let repo = repo.map(|repo| as_configured(repo, &root));
    let mut check = check::Check { root: &root, repo: repo.as_ref(), problems: Vec::new(), secrets: Vec::new() };
    let top = Node { value: Value::Null, line: 1, column: 1, raw: None };
    check.shape(&top, &root, &Shape::Table(&table::ROOT), "");
    check.rules();
    if check.problems.is_empty() {
        let workspace = read::workspace(&root);
        check.reach(&workspace);
        if check.problems.is_empty() {
            return Ok(workspace);
        }
    }
    let mut problems = Problems::new(file_name, text, check.problems);
    problems.hide(&check.secrets);
    Err(problems)
}

/// The repository with the pipeline that the file names: stages written in the file replace those of a
/// `dvc.yaml`, and a pipeline that was not looked at leaves stages unknown.
fn as_configured(repo: &RepoScan, root: &Node) -> RepoScan {
    let mut repo = repo.clone();
    match root.get("pipeline") {
        Some(inline) if inline.as_map().is_some() => {
            repo.stages = init::stages(inline, "");
            repo.pipeline = Some(String::new());
        }
        Some(path) if path.as_str() != repo.pipeline.as_deref() => {
            repo.stages.clear();
            repo.pipeline = None;
        }
        _ => {}
    }
    repo
}
