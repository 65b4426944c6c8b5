//! `tidegate gate`: the gates of the model that lies in the work tree, releasing nothing.

use super::recorder::Recorder;
use super::{Context, bounds};
use crate::client;
use crate::daemon::events::Bus;
use crate::daemon::offer::{self, Answer, Offered};
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::steps::build;
use crate::workspace::{self, Opened};
use anyhow::{Context as _, Result};
use clap::Args;
use hyper::Method;
use tidegate_build::Cancel;
use tidegate_build::env::Env;
use tidegate_core::gate::GateReport;
use tidegate_core::model::Lineage;
use tidegate_store::FsBlobs;

/// The pipeline's file where none is named.
const PIPELINE: &str = "dvc.yaml";

/// Which model.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Model; the only one when not given
    #[arg(conflicts_with_all = ["metrics", "min", "max"])]
    model: Option<String>,
    #[command(flatten)]
    bounds: bounds::BoundsArgs,
}

/// Carries it out.
pub fn gate(context: &Context, args: &GateArgs) -> Result<u8> {
    if args.bounds.wanted() {
        return bounds::gate(context, &args.bounds);
    }
    let opened = workspace::open(&context.dir)?;
    let models = &opened.config.models;
    let name = match (&args.model, models.len()) {
        (Some(name), _) => name.clone(),
        (None, 1) => models.keys().next().cloned().unwrap_or_default(),
        (None, 0) => return Err(failure(exit::USAGE, "gate: tidegate.yaml has no model: describe one under `models`")),
        (None, _) => {
            return Err(failure(
                exit::USAGE,
                format!("gate: name one of the models: {}", models.keys().cloned().collect::<Vec<_>>().join(", ")),
            ));
        }
    };
    if !models.contains_key(&name) {
        return Err(failure(exit::NOT_FOUND, format!("gate model `{name}`: tidegate.yaml has no such model")));
    }
    let bus = Bus::new();
    let env = start::environment(&opened, &bus)?;
    let recorder = Recorder::new(&opened, bus.clone());
    if recorder.up().is_none() {
        start::runtime(&opened, env.as_ref())?;
        // Taken before the pipeline runs: who cannot record must not begin.
        recorder.control()?;
    }
    let judged = judge(&opened, &name, env.as_ref(), &recorder, &bus);
    recorder.close();
    let Answer { version, gates, .. } = judged?;
    print(context, &version, &gates)?;
    Ok(if gates.passed() { exit::OK } else { exit::NOT_PASSED })
}

/// Brings the pipeline up to date, and has the model that it wrote registered and judged: by `tidegate up` where that has
/// the journal, else here.
fn judge(opened: &Opened, name: &str, env: Option<&Env>, recorder: &Recorder<'_>, bus: &Bus) -> Result<Answer> {
    let (places, offered) = (&opened.places, offered(opened, name, env, recorder, bus)?);
    if let Some(places) = recorder.up() {
        let path = format!("/api/v1/models/{name}/candidates");
        let answer = client::ask(places, "gate", Method::POST, &path, Some(&serde_json::to_value(offered)?))?;
        return serde_json::from_value(answer).context("gate: read the answer of `tidegate up`");
    }
    let judge = offer::Judge { opened, control: &recorder.control()?, blobs: &FsBlobs::open(&places.blobs())? };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(judge.offer(name, offered))
}

/// What the pipeline wrote, brought up to date. Where there is none, as for a model that an upstream answers, the files as they are.
fn offered(opened: &Opened, name: &str, env: Option<&Env>, recorder: &Recorder<'_>, bus: &Bus) -> Result<Offered> {
    let places = &opened.places;
    if opened.config.pipeline.is_none() && !places.root.join(PIPELINE).exists() {
        let code = tidegate_build::code_state(&places.root, &[]).to_string();
        let lineage = Lineage { code, change: offer::CHANGE.to_owned(), ..Lineage::default() };
        return Ok(Offered { lineage, metrics: serde_json::Value::Object(serde_json::Map::new()) });
    }
    let wanted = build::Wanted {
        root: &places.root,
        change: offer::CHANGE,
        targets: vec![],
        overrides: vec![],
        force: false,
        jobs: None,
        choices: build::Choices::default(),
        cache: None,
        code: None,
    };
    let built = build::build(&wanted, &opened.config, env, recorder, bus, &Cancel::default(), true)?;
    if let Some(error) = built.report.failure() {
        return Err(failure(exit::NOT_PASSED, format!("gate model `{name}`: the pipeline failed: {error}")));
    }
    Ok(Offered { lineage: built.lineage(offer::CHANGE), metrics: built.metrics() })
}

fn print(context: &Context, version: &str, report: &GateReport) -> Result<()> {
    if context.json {
        return show::json(&serde_json::json!({ "version": version, "passed": report.passed(), "gates": report }));
    }
    show::line(&format!("registered as version {version}"))?;
    if report.outcomes.is_empty() {
        show::line("no gate is configured, and none is not a pass: add some under `models.NAME.gates`")?;
    }
    for o in &report.outcomes {
        let word = style::gate(o.verdict);
        show::line(&format!("{}: {word}: {}", style::strong(&o.name), o.why))?;
        for slice in o.slices.iter().filter(|s| !s.judged) {
            show::line(&format!("  not judged: {} ({} rows)", slice.value, slice.rows))?;
        }
    }
    Ok(())
}
