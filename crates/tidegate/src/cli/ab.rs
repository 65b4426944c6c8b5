//! `tidegate ab`: versions that are compared on clients drawn by lot. Training runs that are called experiments are `tidegate exp`.

use super::Context;
use super::people::{part, time};
use crate::client;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace::{self, Places};
use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_wire::config::unit::duration_text;

/// What can be done with A/B tests.
#[derive(Debug, Subcommand)]
pub enum AbCommand {
    /// Registers a test with the versions of its variants, and draws clients for it
    Start(Start),
    /// Lists tests, with how each stands
    List,
    /// Shows one: what was registered, and what is known of each variant now
    Show(Name),
    /// Ends one; its clients go back to the version that carries the service
    Stop(Stop),
    /// Starts a release of a variant's version, by the service's strategy
    Adopt(Adopt),
}

/// A start.
#[derive(Debug, Args)]
pub struct Start {
    /// Its name under `ab_tests`
    name: String,
    /// Versions, as `VARIANT=VERSION`; control has the version that carries the service when it is not named
    #[arg(required = true, value_name = "VARIANT=VERSION")]
    versions: Vec<String>,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// A test.
#[derive(Debug, Args)]
pub struct Name {
    /// Its name
    name: String,
}

/// A test, and why.
#[derive(Debug, Args)]
pub struct Stop {
    /// Its name
    name: String,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// A variant of a test that has ended.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Its name
    name: String,
    /// The variant
    variant: String,
    /// Why; it becomes a part of the release's change
    #[arg(long, default_value = "")]
    reason: String,
}

/// Carries it out.
pub fn ab(context: &Context, command: &AbCommand) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let (name, word, body) = match command {
        AbCommand::List => return list(context, &places),
        AbCommand::Show(show) => {
            let path = format!("/api/v1/ab/{}", part(&show.name)?);
            let value = client::ask(&places, "show an A/B test", Method::GET, &path, None)?;
            return print(context, &value, full(&show.name, &value));
        }
        AbCommand::Start(start) => (&start.name, "start", json!({ "versions": versions(&start.versions)?, "reason": start.reason })),
        AbCommand::Stop(stop) => (&stop.name, "stop", json!({ "reason": stop.reason })),
        AbCommand::Adopt(adopt) => (&adopt.name, "adopt", json!({ "variant": adopt.variant, "reason": adopt.reason })),
    };
    let path = format!("/api/v1/ab/{}/{word}", part(name)?);
    let value = client::ask(&places, &format!("{word} an A/B test"), Method::POST, &path, Some(&body))?;
    print(context, &value, vec![head(name, &value)])
}

fn print(context: &Context, value: &Value, rows: Vec<String>) -> Result<u8> {
    if context.json {
        show::json(value)?
    } else {
        rows.iter().try_for_each(|row| show::line(row))?
    }
    Ok(exit::OK)
}

fn versions(given: &[String]) -> Result<BTreeMap<&str, &str>> {
    let mut versions = BTreeMap::new();
    for text in given {
        let Some((variant, version)) = text.split_once('=').filter(|(variant, version)| !variant.is_empty() && !version.is_empty()) else {
            return Err(failure(exit::USAGE, format!("`{text}` is not VARIANT=VERSION, as a=7")));
        };
        if versions.insert(variant, version).is_some() {
            return Err(failure(exit::USAGE, format!("`{variant}` is named twice")));
        }
    }
    Ok(versions)
}

fn list(context: &Context, places: &Places) -> Result<u8> {
    let value = client::ask(places, "list A/B tests", Method::GET, "/api/v1/ab", None)?;
    let mut rows: Vec<String> = value.as_object().into_iter().flatten().map(|(name, one)| head(name, one)).collect();
    if rows.is_empty() {
        rows.push("no A/B test: `ab_tests` of tidegate.yaml names them".to_owned());
    }
    print(context, &value, rows)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One line: how it stands.
fn head(name: &str, value: &Value) -> String {
    let test = &value["test"];
    if test.is_null() {
        return format!("{name}: none was started");
    }
    let phase = &test["phase"];
    let stands = match phase["phase"].as_str().unwrap_or_default() {
        "preparing" => value["waits"].as_str().map_or_else(|| "its workers are being started".to_owned(), |why| format!("waits: {why}")),
        "running" if value["drawn"] == true => format!("clients are drawn since {}", time(&phase["since"])),
        "running" => "its workers are being started again".to_owned(),
        _ if phase["ended"]["how"] == "concluded" => style::good("concluded").to_string(),
        _ => style::warn(&format!("stopped by {}: {}", text(&phase["ended"]["by"]), text(&phase["ended"]["reason"]))).to_string(),
    };
    let adopted = test["adopted"].as_array().and_then(|pair| Some((pair.first()?, pair.get(1)?)));
    let adopted = adopted.map_or(String::new(), |(variant, release)| format!("; {} adopted by release {release}", text(variant)));
    format!("{name} {}: {stands}{adopted}; started by {}: {}", test["number"], text(&test["by"]), text(&test["reason"]))
}

fn full(name: &str, value: &Value) -> Vec<String> {
    let (spec, found) = (&value["test"]["spec"], &value["findings"]);
    let mut rows = vec![head(name, value)];
    if spec.is_null() {
        return rows;
    }
    let metric = &spec["metric"];
    let ms = |value: &Value| duration_text(value.as_u64().unwrap_or_default());
    rows.push(format!(
        "  registered: {} of {} ({}), {} is better, within {} of a client's first request; alpha {}, least effect {}, at most {}",
        text(&metric["kind"]),
        text(&metric["feedback"]),
        format_args!("{} {}", text(&spec["unit"]["in"]), text(&spec["unit"]["name"])),
        text(&metric["better"]),
        ms(&metric["window_ms"]),
        spec["alpha"],
        spec["min_effect"],
        ms(&spec["horizon_ms"]),
    ));
    for variant in spec["variants"].as_array().into_iter().flatten() {
        rows.push(row(value, variant, found));
    }
    rows
}

/// A variant, with what is known of it.
fn row(value: &Value, variant: &Value, found: &Value) -> String {
    let name = text(&variant["name"]);
    let of = |list: &str| found[list].as_array().and_then(|all| all.iter().find(|one| one["variant"] == variant["name"]));
    let number = |value: &Value| value.as_f64().map_or_else(|| "none".to_owned(), |n| format!("{n:.4}"));
    let share = variant["share_bp"].as_f64().unwrap_or_default() / 100.0;
    let mut line = format!("  {name} version {}, {share}% of clients", text(&variant["version"]));
    if let Some(side) = of("sides") {
        line.push_str(&format!(": {} entered, {} counted, mean {}", side["entered"], side["counted"], number(&side["mean"])));
    }
    let state = &value["test"]["variants"][&name];
    if state["state"] == "stopped" {
        let why = state["why"]["found"].as_str().or_else(|| state["why"]["why"].as_str()).unwrap_or_default();
        return format!("{line}: {}", style::bad(&format!("stopped: {why}")));
    }
    let Some(one) = of("comparisons") else { return line };
    let verdict = match one["verdict"].as_str().unwrap_or_default() {
        "better" => style::good("better").to_string(),
        "worse" => style::bad("worse").to_string(),
        "no_difference_worth" => "no difference worth having".to_owned(),
        "not_trusted" => style::bad(&format!("not trusted: {}", text(&one["why"]))).to_string(),
        _ => match (one["more"].as_u64(), one["eta_ms"].as_u64()) {
            (Some(more), Some(eta)) => format!("not yet: about {more} more clients, {}", duration_text(eta)),
            _ => "not yet".to_owned(),
        },
    };
    format!(
        "{line}: {verdict} (difference {}, between {} and {}; evidence {:.1} for better and {:.1} for worse, {:.0} needed)",
        number(&one["difference"]),
        number(&one["low"]),
        number(&one["high"]),
        one["e_better"].as_f64().unwrap_or_default(),
        one["e_worse"].as_f64().unwrap_or_default(),
        one["needs"].as_f64().unwrap_or_default()
    )
}
