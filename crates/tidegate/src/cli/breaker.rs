//! `tidegate breaker`: circuit breakers, shown, tripped and closed by hand.

use super::Context;
use super::people::{part, time};
use crate::client;
use crate::exit;
use crate::show::{self, style};
use crate::workspace;
use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

/// What can be done with breakers.
#[derive(Debug, Subcommand)]
pub enum BreakerCommand {
    /// Lists them, with what is abnormal now
    List,
    /// Halts everything that a breaker halts
    Trip(ByHand),
    /// Lets releases go on
    Close(ByHand),
}

/// A breaker, and why.
#[derive(Debug, Args)]
pub struct ByHand {
    /// Its name
    name: String,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// Carries it out.
pub fn breaker(context: &Context, command: &BreakerCommand) -> Result<u8> {
    let (by_hand, word) = match command {
        BreakerCommand::List => return list(context),
        BreakerCommand::Trip(by_hand) => (by_hand, "trip"),
        BreakerCommand::Close(by_hand) => (by_hand, "close"),
    };
    let path = format!("/api/v1/breakers/{}/{word}", part(&by_hand.name)?);
    let body = json!({ "reason": by_hand.reason });
    let value = client::ask(&workspace::places(&context.dir)?, &format!("{word} a breaker"), Method::POST, &path, Some(&body))?;
    if context.json {
        show::json(&value)?;
    } else {
        show::line(&row(&by_hand.name, &value))?;
    }
    Ok(exit::OK)
}

fn list(context: &Context) -> Result<u8> {
    let value = client::ask(&workspace::places(&context.dir)?, "list breakers", Method::GET, "/api/v1/breakers", None)?;
    if context.json {
        show::json(&value)?;
        return Ok(exit::OK);
    }
    let rows: Vec<String> = value.as_object().into_iter().flatten().map(|(name, state)| row(name, state)).collect();
    if rows.is_empty() {
        show::line("no breaker: `breakers` of tidegate.yaml names them")?;
    }
    rows.iter().try_for_each(|row| show::line(row))?;
    Ok(exit::OK)
}

fn row(name: &str, state: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(&text).collect::<Vec<_>>().join("; ");
    let stands = match &state["tripped"] {
        Value::Null => style::good("closed").to_string(),
        tripped => style::bad(&format!("tripped by {} at {}: {}", text(&tripped["by"]), time(&tripped["since"]), texts(&tripped["why"])))
            .to_string(),
    };
    let now = match (state["looked"].as_i64().map(|_| time(&state["looked"])), texts(&state["wrong"])) {
        (None, _) => "not looked at yet".to_owned(),
        (Some(at), wrong) if wrong.is_empty() => format!("normal at {at}"),
        (Some(at), wrong) => format!("abnormal at {at}: {wrong}"),
    };
    format!("{name}: {stands}; {now}")
}
