//! `tidegate notify`: who is told what happens, and whether they were.

use super::Context;
use super::people::{part, time};
use crate::client;
use crate::exit;
use crate::show::{self, style};
use crate::workspace;
use anyhow::Result;
use clap::Subcommand;
use hyper::Method;
use serde_json::Value;

/// What can be done with channels.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Lists them, with what waits and what keeps it from being told
    List,
    /// Tells one something that did not happen
    Test {
        /// Its name
        name: String,
    },
}

/// Carries it out.
pub fn notify(context: &Context, command: &NotifyCommand) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let (what, method, path) = match command {
        NotifyCommand::List => ("list channels", Method::GET, "/api/v1/notify".to_owned()),
        NotifyCommand::Test { name } => ("test a channel", Method::POST, format!("/api/v1/notify/{}/test", part(name)?)),
    };
    let value = client::ask(&places, what, method, &path, None)?;
    if context.json {
        show::json(&value)?;
    } else if let NotifyCommand::Test { name } = command {
        show::line(&format!("{name}: {}", style::good("told")))?;
    } else {
        list(&value)?;
    }
    Ok(exit::OK)
}

fn list(value: &Value) -> Result<()> {
    let rows: Vec<String> = value.as_object().into_iter().flatten().map(|(name, channel)| row(name, channel)).collect();
    if rows.is_empty() {
        show::line("nobody is told: `notify` of tidegate.yaml names channels")?;
    }
    rows.iter().try_for_each(|row| show::line(row))
}

fn row(name: &str, channel: &Value) -> String {
    let texts = |key: &str| channel[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let (services, number) = (texts("services"), |key: &str| channel[key].as_u64().unwrap_or_default());
    let of = if services.is_empty() { String::new() } else { format!(" of {services}") };
    let stands = match channel["trouble"].as_str() {
        Some(trouble) => style::bad(trouble).to_string(),
        None if channel["last"].is_null() => "nothing was told yet".to_owned(),
        None => style::good(&format!("told at {}", time(&channel["last"]))).to_string(),
    };
    let given_up = match number("given_up") {
        0 => String::new(),
        n => format!(", {n} given up"),
    };
    let way = channel["way"].as_str().unwrap_or_default();
    format!("{name}: {way}: {}{of}: {stands}; {} told, {} waiting{given_up}", texts("on"), number("told"), number("waiting"))
}
