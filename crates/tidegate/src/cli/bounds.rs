//! `tidegate gate --metrics FILE --min NAME=VALUE --max NAME=VALUE`: a metrics file against bounds, without any
//! tidegate.yaml; exit code 1 when one is missed, or the file does not say.

use super::Context;
use crate::exit::{self, failure};
use crate::show::{self, style};
use anyhow::Result;
use clap::Args;
use indexmap::IndexMap;
use std::path::PathBuf;
use tidegate_core::gate::{Evidence, GateKind, GateSpec, evaluate};
use tidegate_wire::dvc::parse_params;

/// A file and bounds.
#[derive(Debug, Args)]
pub struct BoundsArgs {
    /// Judge this metrics file (JSON or YAML) against --min and --max, with no tidegate.yaml
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Floor of a metric; the value itself passes
    #[arg(long, value_name = "METRIC=VALUE", requires = "metrics")]
    min: Vec<String>,
    /// Ceiling of a metric; the value itself passes
    #[arg(long, value_name = "METRIC=VALUE", requires = "metrics")]
    max: Vec<String>,
}

impl BoundsArgs {
    /// Whether a file is to be judged.
    pub fn wanted(&self) -> bool {
        self.metrics.is_some()
    }
}

fn bound(text: &str, option: &str) -> Result<(String, f64)> {
    let parsed = text.split_once('=').and_then(|(name, value)| Some((name.trim().to_owned(), value.trim().parse::<f64>().ok()?)));
    parsed
        .filter(|(name, value)| !name.is_empty() && value.is_finite())
        .ok_or_else(|| failure(exit::USAGE, format!("gate: `{option} {text}` is no bound: write {option} accuracy=0.9")))
}

/// Carries it out.
pub fn gate(context: &Context, args: &BoundsArgs) -> Result<u8> {
    let mut bounds: IndexMap<String, (Option<f64>, Option<f64>)> = IndexMap::new();
    for text in &args.min {
        let (name, value) = bound(text, "--min")?;
        bounds.entry(name).or_default().0 = Some(value);
    }
    for text in &args.max {
        let (name, value) = bound(text, "--max")?;
        bounds.entry(name).or_default().1 = Some(value);
    }
    if bounds.is_empty() {
        return Err(failure(exit::USAGE, "gate: no bound is given, and none is not a pass: add --min or --max"));
    }
    let file = args.metrics.clone().unwrap_or_default();
    let path = context.dir.join(&file);
    if !path.exists() {
        return Err(failure(exit::NOT_FOUND, format!("gate: there is no file {}: run the stage that writes it", path.display())));
    }
    let text = crate::workspace::read_text(&path)?;
    let metrics = parse_params(&file.to_string_lossy(), &text)
        .map_err(|e| failure(exit::USAGE, format!("gate: read the metrics in {}: {e}", file.display())))?;
    let gates: Vec<GateSpec> = bounds
        .into_iter()
        .map(|(metric, (min, max))| GateSpec { name: metric.clone(), kind: GateKind::Bounds { metric, min, max } })
        .collect();
    let evidence = Evidence {
        metrics,
        rows: Err("only a metrics file was given".to_owned()),
        threshold: 0.5,
        baselines: std::collections::BTreeMap::new(),
        latencies_us: vec![],
    };
    let report = evaluate(&gates, &evidence);
    if context.json {
        show::json(&serde_json::json!({ "passed": report.passed(), "gates": report }))?;
    } else {
        for o in &report.outcomes {
            show::line(&format!("{}: {}: {}", style::strong(&o.name), style::gate(o.verdict), o.why))?;
        }
    }
    Ok(if report.passed() { exit::OK } else { exit::NOT_PASSED })
}
