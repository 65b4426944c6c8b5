//! `tidegate gate`: the gates of the model that lies in the work tree, releasing nothing.

use super::Context;
use crate::daemon::control::Control;
use crate::daemon::events::Bus;
use crate::daemon::owner;
use crate::daemon::seal::Sealer;
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::steps::{build, gate as step, register};
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use tidegate_build::Cancel;
use tidegate_core::gate::GateReport;
use tidegate_store::{FsBlobs, Keys};

/// Which model.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Model; the only one when not given
    model: Option<String>,
}

/// Carries it out.
pub fn gate(context: &Context, args: &GateArgs) -> Result<u8> {
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
    let model =
        models.get(&name).ok_or_else(|| failure(exit::NOT_FOUND, format!("gate model `{name}`: tidegate.yaml has no such model")))?;
    let places = &opened.places;
    places.make()?;
    let guard = owner::take(places)?;
    let bus = Bus::new();
    let env = start::environment(&opened, &bus)?;
    start::runtime(env.as_ref())?;
    let keys = Keys::open(&places.keys(), &opened.config.name)?;
    let (control, _) = Control::start(&places.journal(), &places.blobs())?;
    let sealer = Sealer::start(places, keys.signer(), bus.clone())?;
    let blobs = FsBlobs::open(&places.blobs())?;
    let wanted = build::Wanted {
        root: &places.root,
        change: "workspace",
        targets: vec![],
        overrides: vec![],
        force: false,
        jobs: None,
        choices: build::Choices::default(),
        cache: None,
    };
    let built = build::build(&wanted, &opened.config, env.as_ref(), &control, &bus, &Cancel::default(), true)?;
    if let Some(error) = built.report.failure() {
        return Err(failure(exit::NOT_PASSED, format!("gate model `{name}`: the pipeline failed: {error}")));
    }
    let offer = register::Offer { root: &places.root, name: &name, model, lineage: built.lineage("workspace"), metrics: built.metrics() };
    let version = register::register(&offer, &control, &blobs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let gating =
        step::Gating { root: &places.root, model, version: &version, versions: &places.versions(), blobs: &blobs, control: &control };
    let report = runtime.block_on(step::gate(&gating))?;
    sealer.stop();
    drop(guard);
    print(context, &version.version, &report)?;
    Ok(if report.passed() { exit::OK } else { exit::NOT_PASSED })
}

fn print(context: &Context, version: &str, report: &GateReport) -> Result<()> {
    if context.json {
        return show::json(&serde_json::json!({ "version": version, "passed": report.passed(), "gates": report }));
    }
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
