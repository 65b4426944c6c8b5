//! `tidegate train`: releases of several services in order.

use super::Context;
use super::people::{part, time};
use super::train_order;
use crate::client;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace::{self, Places};
use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_core::train::Fit;
use tidegate_wire::config::unit::duration_text;

/// What can be done with trains.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Lists them, with how each service stands and what it waits for
    List,
    /// Shows one, with every pair of versions whose signatures were compared
    Show(Name),
    /// Releases versions of its services, each after those that it needs
    Depart(Depart),
    /// Shows the order that follows from traces and manifests, with its evidence, and what tidegate.yaml would say
    Infer(train_order::Infer),
    /// Records such an order, which is used once somebody accepted it
    Propose(train_order::Propose),
    /// Accepts the order that is proposed
    Accept(train_order::Accept),
    /// Shows the order that is used, and the one that waits for somebody's word
    Order(Name),
    /// Takes everything back, in the reverse order
    Back(Say),
    /// Leaves a service as it is, about which a person was called, and goes on with the others
    Leave(Leave),
    /// Finds a service good that waits for somebody's word before those after it begin
    Approve(Leave),
}

/// A train.
#[derive(Debug, Args)]
pub struct Name {
    /// Its name
    name: String,
}

/// A departure.
#[derive(Debug, Args)]
pub struct Depart {
    /// Its name
    name: String,
    /// Versions, as `SERVICE=VERSION`; services that are not named are left out
    #[arg(required = true, value_name = "SERVICE=VERSION")]
    versions: Vec<String>,
    /// The risk of a service's change, a chance from 0 to 1: strategies may have others for changes of low risk
    #[arg(long, value_name = "SERVICE=CHANCE", requires = "risk_by")]
    risk: Vec<String>,
    /// Who or what scored them; it is recorded
    #[arg(long, value_name = "WHO", requires = "risk")]
    risk_by: Option<String>,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// A train, and why.
#[derive(Debug, Args)]
pub struct Say {
    /// Its name
    name: String,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// A service of a train, and why.
#[derive(Debug, Args)]
pub struct Leave {
    /// Its name
    name: String,
    /// The service
    service: String,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// Carries it out.
pub fn train(context: &Context, command: &TrainCommand) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let (name, word, body) = match command {
        TrainCommand::List => return list(context, &places),
        TrainCommand::Show(Name { name }) => return show_one(context, &places, name),
        TrainCommand::Infer(wanted) => return train_order::infer(context, wanted),
        TrainCommand::Propose(wanted) => return train_order::offer(context, wanted),
        TrainCommand::Accept(wanted) => return train_order::accept(context, wanted),
        TrainCommand::Order(Name { name }) => return train_order::order(context, name),
        TrainCommand::Depart(depart) => {
            let body = json!({ "versions": versions(&depart.versions)?, "risks": risks(depart)?, "reason": depart.reason });
            (&depart.name, "depart", body)
        }
        TrainCommand::Back(say) => (&say.name, "back", json!({ "reason": say.reason })),
        TrainCommand::Approve(leave) => (&leave.name, "approve", json!({ "service": leave.service, "reason": leave.reason })),
        TrainCommand::Leave(leave) => (&leave.name, "leave", json!({ "service": leave.service, "reason": leave.reason })),
    };
    let path = format!("/api/v1/trains/{}/{word}", part(name)?);
    let value = client::ask(&places, &format!("{word} a train"), Method::POST, &path, Some(&body))?;
    if context.json {
        show::json(&value)?;
    } else {
        rows(name, &value).iter().try_for_each(|row| show::line(row))?;
    }
    Ok(exit::OK)
}

fn versions(given: &[String]) -> Result<BTreeMap<&str, &str>> {
    by_service(given, "SERVICE=VERSION, as ranker=7")
}

/// What is given of services, each once.
fn by_service<'a>(given: &'a [String], form: &str) -> Result<BTreeMap<&'a str, &'a str>> {
    let mut all = BTreeMap::new();
    for text in given {
        let Some((service, what)) = text.split_once('=').filter(|(service, what)| !service.is_empty() && !what.is_empty()) else {
            return Err(failure(exit::USAGE, format!("`{text}` is not {form}")));
        };
        if all.insert(service, what).is_some() {
            return Err(failure(exit::USAGE, format!("`{service}` is named twice")));
        }
    }
    Ok(all)
}

fn risks(depart: &Depart) -> Result<Value> {
    let form = "SERVICE=CHANCE, as ranker=0.03";
    let mut all = serde_json::Map::new();
    for (service, chance) in by_service(&depart.risk, form)? {
        let score = chance.parse::<f64>().ok().filter(|score| score.is_finite());
        let score = score.ok_or_else(|| failure(exit::USAGE, format!("`{service}={chance}` is not {form}")))?;
        all.insert(service.to_owned(), json!({ "score": score, "by": depart.risk_by }));
    }
    Ok(Value::Object(all))
}

fn list(context: &Context, places: &Places) -> Result<u8> {
    let value = client::ask(places, "list trains", Method::GET, "/api/v1/trains", None)?;
    if context.json {
        show::json(&value)?;
        return Ok(exit::OK);
    }
    let all: Vec<String> = value.as_object().into_iter().flatten().flat_map(|(name, train)| rows(name, train)).collect();
    if all.is_empty() {
        show::line("no train: `trains` of tidegate.yaml names them")?;
    }
    all.iter().try_for_each(|row| show::line(row))?;
    Ok(exit::OK)
}

fn show_one(context: &Context, places: &Places, name: &str) -> Result<u8> {
    let all = client::ask(places, "show a train", Method::GET, "/api/v1/trains", None)?;
    let Some(value) = all.get(name) else {
        return Err(exit::unknown("show a train", name, all.as_object().into_iter().flat_map(serde_json::Map::keys)));
    };
    if context.json {
        show::json(value)?;
        return Ok(exit::OK);
    }
    let train = &value["train"];
    let fits = train["fits"].as_object().into_iter().flatten().map(|(service, fit)| (format!("before {service}"), fit));
    let details = std::iter::once(("at its departure".to_owned(), &train["fit"])).chain(fits).flat_map(|(when, fit)| compared(&when, fit));
    rows(name, value).into_iter().chain(details).try_for_each(|row| show::line(&row))?;
    Ok(exit::OK)
}

/// What was compared, what does not fit, and what was not checked.
fn compared(when: &str, fit: &Value) -> Vec<String> {
    let Ok(fit) = serde_json::from_value::<Fit>(fit.clone()) else { return vec![] };
    let misfits = fit.misfits.iter().map(|misfit| format!("    {}", style::bad(&misfit.to_string())));
    let rest = fit.pairs.iter().map(|pair| format!("    {pair}")).chain(fit.unchecked.iter().map(|why| format!("    not checked: {why}")));
    std::iter::once(format!("  signatures {when}: {} compared", fit.compared)).chain(misfits).chain(rest).collect()
}

/// Whether signatures fitted, in one line.
fn fitted(fit: &Value) -> Option<String> {
    let fit: Fit = serde_json::from_value(fit.clone()).ok()?;
    Some(if fit.allows() { fit.words() } else { style::bad(&fit.words()).to_string() })
}

/// A train as lines.
pub fn rows(name: &str, value: &Value) -> Vec<String> {
    let train = &value["train"];
    if train.is_null() {
        return vec![format!("{name}: none has departed")];
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let stands = match train["phase"]["phase"].as_str().unwrap_or_default() {
        "forward" => "under way".to_owned(),
        "ended" if train["phase"]["how"] == "arrived" => style::good("arrived").to_string(),
        "ended" if train["phase"]["how"] == "left" => style::bad("went back, a part of it left as it was").to_string(),
        "ended" => style::bad("went back").to_string(),
        _ => {
            let cause = &train["phase"]["cause"];
            let who = if cause["cause"] == "car" { text(&cause["service"]) } else { text(&cause["by"]) };
            let why = if cause["cause"] == "car" { text(&cause["why"]) } else { text(&cause["reason"]) };
            style::warn(&format!("goes back: {who}: {why}")).to_string()
        }
    };
    let head = format!("{name} {}: {stands}, departed at {} by {}", train["number"], time(&train["since"]), text(&train["by"]));
    let car = |car: &Value| {
        let service = text(&car["service"]);
        let state = &train["cars"][&service];
        let word = match state["car"].as_str().unwrap_or_default() {
            "waits" => value["waits"][&service].as_str().map_or_else(|| "waits".to_owned(), |why| format!("waits: {why}")),
            "runs" => format!("release {} is under way", state["release"]),
            "ready" => format!("release {} is ready, and waits for the others", state["release"]),
            "verifies" => verifies(name, &car["verify"], &service, state),
            "arrived" => format!("released by release {}", state["release"]),
            "back" => format!("went back: {}", text(&state["why"])),
            "undone" => "undone".to_owned(),
            "asks" => style::bad(&format!("{}: tidegate train leave {name} {service} --reason ...", text(&state["why"]))).to_string(),
            _ => format!("left as it is by {}", text(&state["by"])),
        };
        let after: Vec<String> = car["after"].as_array().into_iter().flatten().map(text).collect();
        let after = if after.is_empty() { String::new() } else { format!(" (after {})", after.join(", ")) };
        let risk = &car["risk"];
        let risk = if risk.is_null() { String::new() } else { format!(", risk {} by {}", risk["score"], text(&risk["by"])) };
        format!("  {service} version {}{after}{risk}: {word}", text(&car["version"]))
    };
    let fit = fitted(&train["fit"]).map(|words| format!("  {words}"));
    std::iter::once(head).chain(fit).chain(train["spec"].as_array().into_iter().flatten().map(car)).collect()
}

/// What a released service still has to show.
fn verifies(name: &str, verify: &Value, service: &str, state: &Value) -> String {
    let words = match state["halted"].as_str() {
        Some(by) => style::warn(&format!("halted by {by}")).to_string(),
        None => format!("nothing has halted it since {}, for {} it must not", time(&state["since"]), {
            duration_text(verify["for_ms"].as_u64().unwrap_or_default())
        }),
    };
    let (of, by) = (verify["approvals"].as_u64().unwrap_or_default(), state["approved"].as_array().map_or(0, Vec::len));
    let asked = format!("; {by} of {of} approve it: tidegate train approve {name} {service} --reason ...");
    format!("released by release {}, verified: {words}{}", state["release"], if of > 0 { asked } else { String::new() })
}
