//! `tidegate train infer`, `propose`, `accept`, `order`: the order of a train from traces and manifests, and who accepts it.

use super::Context;
use super::people::{part, time};
use crate::client;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tidegate_core::train::{Proposal, Span, calls, propose};
use tidegate_wire::order::{FILE_BYTES_MAX, ManifestReader, Mistakes, SPANS_MAX, traces};

/// Most files that are read.
const FILES_MAX: usize = 200;

/// What an order is inferred from.
#[derive(Debug, Args)]
pub struct Sources {
    /// Files of traces: OTLP in JSON (one object a line, or a list), answers of Jaeger's JSON API, Zipkin's version 2
    #[arg(long, num_args = 1.., value_name = "FILE")]
    traces: Vec<PathBuf>,
    /// Compose files, manifests of Kubernetes, `dvc.yaml`
    #[arg(long, num_args = 1.., value_name = "FILE")]
    manifests: Vec<PathBuf>,
}

/// An order that is shown and not recorded.
#[derive(Debug, Args)]
pub struct Infer {
    /// A train of tidegate.yaml, whose services are meant; without one all that are named
    name: Option<String>,
    #[command(flatten)]
    sources: Sources,
}

/// An order that is recorded, and waits for somebody's word.
#[derive(Debug, Args)]
pub struct Propose {
    /// The train
    name: String,
    #[command(flatten)]
    sources: Sources,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// Somebody's word.
#[derive(Debug, Args)]
pub struct Accept {
    /// The train
    name: String,
    /// Digest of the order that was looked at: another one is refused
    #[arg(long)]
    digest: Option<String>,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// Shows the order that follows.
pub fn infer(context: &Context, infer: &Infer) -> Result<u8> {
    let members = infer.name.as_deref().map(|name| members(context, name)).transpose()?;
    let proposal = proposal(context, &infer.sources, members.as_deref())?;
    if context.json {
        show::json(&serde_json::to_value(&proposal).context("write a proposal")?)?;
        return Ok(exit::OK);
    }
    let block = block(infer.name.as_deref().unwrap_or("NAME"), &proposal);
    lines(&proposal).iter().chain(&block).try_for_each(|row| show::line(row))?;
    Ok(exit::OK)
}

/// Records it, for somebody else to accept.
pub fn offer(context: &Context, wanted: &Propose) -> Result<u8> {
    let proposal = proposal(context, &wanted.sources, Some(&members(context, &wanted.name)?))?;
    ask(context, &wanted.name, "propose", &json!({ "proposal": proposal, "reason": wanted.reason }))
}

/// Accepts what is proposed.
pub fn accept(context: &Context, wanted: &Accept) -> Result<u8> {
    ask(context, &wanted.name, "accept", &json!({ "digest": wanted.digest, "reason": wanted.reason }))
}

fn ask(context: &Context, name: &str, word: &str, body: &Value) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let path = format!("/api/v1/trains/{}/order/{word}", part(name)?);
    let order = client::ask(&places, &format!("{word} the order of a train"), Method::POST, &path, Some(body))?;
    shown(context, name, &order)
}

/// Shows what is accepted, and what is proposed.
pub fn order(context: &Context, name: &str) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let order = client::ask(&places, "show the order of a train", Method::GET, &format!("/api/v1/trains/{}/order", part(name)?), None)?;
    shown(context, name, &order)
}

fn shown(context: &Context, name: &str, order: &Value) -> Result<u8> {
    if context.json {
        show::json(order)?;
        return Ok(exit::OK);
    }
    let of = |proposed: &Value| -> Result<Vec<String>> {
        Ok(lines(&serde_json::from_value(proposed["proposal"].clone()).context("read an order")?))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows = vec![];
    if let Some(accepted) = order.get("accepted") {
        let proposed = &accepted["proposed"];
        rows.push(format!("{name}: accepted by {} at {}: {}", text(&accepted["by"]), time(&accepted["at"]), text(&accepted["reason"])));
        rows.push(format!("  proposed by {}, {}", text(&proposed["by"]), text(&proposed["digest"])));
        rows.extend(of(proposed)?);
    }
    if let Some(proposed) = order.get("proposed") {
        rows.push(format!("{name}: proposed by {} at {}: {}", text(&proposed["by"]), time(&proposed["at"]), text(&proposed["reason"])));
        rows.extend(of(proposed)?);
        rows.push(format!("  to use it: tidegate train accept {name} --digest {} --reason ...", text(&proposed["digest"])));
    }
    if rows.is_empty() {
        rows.push(format!("{name}: no order was proposed: tidegate train propose {name} --traces FILE --reason ..."));
    }
    rows.iter().try_for_each(|row| show::line(row))?;
    Ok(exit::OK)
}

fn members(context: &Context, name: &str) -> Result<Vec<String>> {
    let opened = workspace::open(&context.dir)?;
    let train = opened.config.trains.get(name);
    let train = train.ok_or_else(|| exit::unknown("infer the order of a train", name, opened.config.trains.keys()))?;
    Ok(train.cars.iter().map(|car| car.service.clone()).collect())
}

fn proposal(context: &Context, sources: &Sources, members: Option<&[String]>) -> Result<Proposal> {
    if sources.traces.is_empty() && sources.manifests.is_empty() {
        return Err(failure(exit::USAGE, "infer an order: give `--traces FILE` or `--manifests FILE`".to_owned()));
    }
    if sources.traces.len() + sources.manifests.len() > FILES_MAX {
        return Err(failure(exit::USAGE, format!("infer an order: at most {FILES_MAX} files are read at once")));
    }
    // One file after the other: no more than one is kept at a time.
    let (mut spans, mut wrong): (Vec<Span>, Mistakes) = (vec![], Mistakes::default());
    for file in &sources.traces {
        let (file, text) = text(&context.dir, file)?;
        match traces(&file, &text) {
            Ok(more) => spans.extend(more),
            Err(mistakes) => wrong.extend(mistakes),
        }
        if spans.len() > SPANS_MAX {
            return Err(failure(exit::USAGE, format!("infer an order: there are more than {SPANS_MAX} spans: give fewer files")));
        }
    }
    let mut reader = ManifestReader::default();
    for file in &sources.manifests {
        let (file, text) = text(&context.dir, file)?;
        reader.read(&file, &text);
    }
    let written = reader.finish().map_err(|mistakes| wrong.extend(mistakes)).unwrap_or_default();
    if !wrong.is_empty() {
        return Err(failure(exit::USAGE, format!("infer an order:\n{wrong}")));
    }
    let (mut findings, mut ignored) = calls(&spans);
    findings.extend(written.findings);
    ignored.extend(written.ignored);
    propose(&findings, members, ignored).map_err(|why| failure(exit::USAGE, format!("infer an order: {why}")))
}

fn text(dir: &Path, file: &Path) -> Result<(String, String)> {
    let path = dir.join(file);
    let shown = file.display().to_string();
    let size = std::fs::metadata(&path).with_context(|| format!("read {shown}"))?.len();
    if size > FILE_BYTES_MAX as u64 {
        let why = format!("read {shown}: {size} bytes are over the limit of {FILE_BYTES_MAX}: give a part of it");
        return Err(failure(exit::USAGE, why));
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {shown} as UTF-8 text"))?;
    Ok((shown, text))
}

/// Services in an order in which each comes after those that it needs.
fn sorted(proposal: &Proposal) -> Vec<&str> {
    let (mut sorted, mut left): (Vec<&str>, BTreeSet<&str>) = (vec![], proposal.services.iter().map(String::as_str).collect());
    while !left.is_empty() {
        let free: Vec<&str> =
            left.iter().copied().filter(|service| proposal.after(service).all(|edge| !left.contains(edge.after.as_str()))).collect();
        // A proposal has no circles; what came from elsewhere may.
        let next = if free.is_empty() { left.iter().copied().collect() } else { free };
        left.retain(|service| !next.contains(service));
        sorted.extend(next);
    }
    sorted
}

fn lines(proposal: &Proposal) -> Vec<String> {
    let mut rows = vec![];
    for service in sorted(proposal) {
        let edges: Vec<_> = proposal.after(service).collect();
        if edges.is_empty() {
            rows.push(format!("  {service}: comes after nothing"));
        }
        for edge in edges {
            let more = if edge.more > 0 { format!("; and {} more", edge.more) } else { String::new() };
            rows.push(format!("  {service} after {}: {}{more}", edge.after, edge.evidence.join("; ")));
        }
    }
    let circle = |all: &Vec<String>| format!("  in a circle, so without an order among themselves: {}", all.join(", "));
    rows.extend(proposal.cycles.iter().map(circle));
    rows.extend(proposal.ignored.iter().map(|why| format!("  left out of account: {why}")));
    rows
}

/// The section of tidegate.yaml that says the same.
fn block(name: &str, proposal: &Proposal) -> Vec<String> {
    let plain = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && text.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    let word = |text: &str| if plain(text) { text.to_owned() } else { Value::from(text).to_string() };
    let mut rows = vec![String::new(), "trains:".to_owned(), format!("  {}:", word(name)), "    services:".to_owned()];
    for service in sorted(proposal) {
        let after: Vec<String> = proposal.after(service).map(|edge| word(&edge.after)).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after: [{}] ", after.join(", ")) };
        rows.push(format!("      {}: {{{after}}}", word(service)));
    }
    rows
}
