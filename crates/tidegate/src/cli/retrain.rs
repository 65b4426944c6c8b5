//! `tidegate retrain`: trainings that start by themselves, and what people want of them.

use super::Context;
use crate::client;
use crate::daemon::owner;
use crate::exit::{self, failure};
use crate::past;
use crate::show::{self, style};
use crate::workspace::{self, Opened};
use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};
use tidegate_core::machine::Machine as _;
use tidegate_core::retrain::Retraining;

/// Trainings that are shown of each model.
const SHOWN: usize = 10;

/// One model's training.
#[derive(Debug, Args)]
pub struct Named {
    /// Model; the only one that is trained anew when not given
    model: Option<String>,
    /// Number of the training; that which is under way when not given
    #[arg(long, value_name = "N")]
    number: Option<u64>,
}

/// The same, and why.
#[derive(Debug, Args)]
pub struct Because {
    #[command(flatten)]
    named: Named,
    /// Why; it is recorded
    #[arg(long)]
    reason: Option<String>,
}

/// What can be done with trainings.
#[derive(Debug, Subcommand)]
pub enum RetrainCommand {
    /// Shows the newest trainings of each model, and what keeps one that is due from starting
    Status,
    /// Trains now, whatever the triggers say; the budget holds
    Start(Because),
    /// Lets the candidate that waits be released
    Approve(Named),
    /// Does not let it
    Reject(Because),
    /// Stops a training whose candidate is not being released yet
    Cancel(Because),
}

/// Carries it out.
pub fn retrain(context: &Context, command: &RetrainCommand) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    if opened.config.retrain.is_empty() {
        return Err(failure(exit::USAGE, "retrain: tidegate.yaml says nothing of it: name a model and a trigger under `retrain`"));
    }
    match command {
        RetrainCommand::Status => status(context, &opened)?,
        RetrainCommand::Start(b) => say(context, &opened, "start", &b.named, b.reason.as_deref())?,
        RetrainCommand::Approve(n) => say(context, &opened, "approve", n, None)?,
        RetrainCommand::Reject(b) => say(context, &opened, "reject", &b.named, b.reason.as_deref())?,
        RetrainCommand::Cancel(b) => say(context, &opened, "cancel", &b.named, b.reason.as_deref())?,
    }
    Ok(exit::OK)
}

fn say(context: &Context, opened: &Opened, word: &str, named: &Named, reason: Option<&str>) -> Result<()> {
    let known: Vec<&str> = opened.config.retrain.keys().map(String::as_str).collect();
    let model = match (named.model.as_deref(), known.as_slice()) {
        (Some(model), _) if known.contains(&model) => model,
        (Some(model), _) => {
            let why = format!("{word} training of {model}: `retrain` of tidegate.yaml does not name it; known are {}", known.join(", "));
            return Err(failure(exit::NOT_FOUND, why));
        }
        (None, [only]) => only,
        (None, _) => return Err(failure(exit::USAGE, format!("{word} a training: name one of the models: {}", known.join(", ")))),
    };
    let (path, body) = (format!("/api/v1/retrain/{model}/{word}"), json!({ "number": named.number, "reason": reason }));
    let state = client::ask(&opened.places, &format!("{word} a training"), Method::POST, &path, Some(&body))?;
    if context.json {
        return show::json(&state);
    }
    let newest = state["trainings"].as_array().and_then(|t| t.last());
    newest.map_or(Ok(()), |training| show::line(&row(model, training)))
}

/// From `tidegate up` where it runs, else from the journal.
fn status(context: &Context, opened: &Opened) -> Result<()> {
    let all = if owner::is_up(&opened.places) {
        client::ask(&opened.places, "show trainings", Method::GET, "/api/v1/retrain", None)?
    } else {
        let mut all = Map::new();
        for model in opened.config.retrain.keys() {
            let stream = format!("{}/{model}", Retraining::KIND);
            let state = past::state::<Retraining>(&opened.places, &stream)?;
            all.insert(model.clone(), serde_json::to_value(state)?);
        }
        Value::Object(all)
    };
    if context.json {
        return show::json(&all);
    }
    for model in opened.config.retrain.keys() {
        let state = &all[model];
        let trainings = state["trainings"].as_array().map_or(&[][..], Vec::as_slice);
        if trainings.is_empty() {
            show::line(&format!("{}: no training yet", style::strong(model)))?;
        }
        for training in trainings.iter().rev().take(SHOWN) {
            show::line(&row(model, training))?;
        }
        if let Some(held) = state["withheld"].as_object() {
            let until = held["until"].as_i64().map(|ms| tidegate_core::id::At(ms).to_string()).unwrap_or_default();
            let what = if held["held_by"] == "budget" { "the budget" } else { "the cool-down" };
            show::line(&format!("{}: one is due and waits: {what} lasts until {until}", style::strong(model)))?;
        }
    }
    if !owner::is_up(&opened.places) {
        show::note("no `tidegate up` runs here: nothing is looked at until one does");
    }
    Ok(())
}

fn row(model: &str, training: &Value) -> String {
    let phase = &training["phase"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let stands = match phase["phase"].as_str() {
        Some("training") => "training".to_owned(),
        Some("waits") => format!("version {} waits for a person: `tidegate retrain approve {model}`", text(&phase["version"])),
        Some("releasing") => {
            let releases = phase["releases"].as_array().into_iter().flatten().map(|r| format!("{}/{}", text(&r[0]), r[1]));
            format!("version {} is being released: {}", text(&phase["version"]), releases.collect::<Vec<_>>().join(", "))
        }
        _ => format!("{}: {}", text(&phase["outcome"]).replace('_', " "), text(&phase["summary"])),
    };
    let triggers = training["triggers"].as_array().into_iter().flatten().map(|t| text(&t["trigger"]));
    format!("{} {} ({}): {stands}", style::strong(model), training["number"], triggers.collect::<Vec<_>>().join(", "))
}
