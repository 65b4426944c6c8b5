//! `tidegate duty`: who is on duty, what calls are open, and the answer for a decision against the judge.

use super::Context;
use super::people::time;
use crate::client;
use crate::clock;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace;
use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use tidegate_core::id::At;

/// A time.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// Another time than now: `2026-12-24T16:00:00Z`
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum DutyCommand {
    /// Shows who is on duty, and until when
    Who(WhoArgs),
    /// Lists who was called for what, and whether somebody answered
    Calls,
    /// Answers for what somebody else decided against the judge
    Answer {
        /// The call, as `duty calls` shows it
        subject: String,
        /// What you found; it is recorded
        #[arg(long)]
        finding: String,
    },
}

/// Carries it out.
pub fn duty(context: &Context, command: &DutyCommand) -> Result<u8> {
    match command {
        DutyCommand::Who(args) => who(context, args)?,
        DutyCommand::Calls => {
            let value = client::ask(&workspace::places(&context.dir)?, "list calls", Method::GET, "/api/v1/duty/calls", None)?;
            if context.json {
                show::json(&value)?;
            } else {
                let rows: Vec<String> = value.as_array().into_iter().flatten().map(row).collect();
                show::line(&if rows.is_empty() { "nobody was called".to_owned() } else { rows.join("\n") })?;
            }
        }
        DutyCommand::Answer { subject, finding } => {
            let body = json!({ "subject": subject, "finding": finding });
            let value = client::ask(&workspace::places(&context.dir)?, "answer a call", Method::POST, "/api/v1/duty/answer", Some(&body))?;
            if context.json { show::json(&value)? } else { show::line(&row(&value))? }
        }
    }
    Ok(exit::OK)
}

fn who(context: &Context, args: &WhoArgs) -> Result<()> {
    let opened = workspace::open(&context.dir)?;
    let at = match &args.at {
        None => clock::now(),
        Some(text) => {
            let ms = tidegate_wire::config::unit::instant_ms(text);
            At(ms.map_err(|why| failure(exit::USAGE, format!("duty who --at: {why}")))?)
        }
    };
    let shifts: Vec<_> = opened.config.duty.iter().map(|(name, duty)| (name, duty, duty.rotation.on_duty(at))).collect();
    if context.json {
        let shifts: serde_json::Map<String, Value> = shifts
            .into_iter()
            .map(|(name, duty, shift)| (name.clone(), json!({ "shift": shift, "services": duty.services, "escalate": duty.escalate })))
            .collect();
        return show::json(&json!({ "at": at, "duty": shifts }));
    }
    if shifts.is_empty() {
        return show::line("no duty: `duty` of tidegate.yaml names some");
    }
    for (name, duty, shift) in shifts {
        let of = if duty.services.is_empty() { "all services".to_owned() } else { duty.services.join(", ") };
        let who = match shift {
            Some(shift) if shift.stands_in => format!("{}, standing in until {}", style::strong(&shift.person), shift.until),
            Some(shift) => format!("{} until {}", style::strong(&shift.person), shift.until),
            None => style::warn("nobody: it has not begun").to_string(),
        };
        let next = if duty.escalate.is_empty() { String::new() } else { format!("; then {}", duty.escalate.join(", ")) };
        show::line(&format!("{name} ({of}): {who}{next}"))?;
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn row(one: &Value) -> String {
    let call = &one["call"];
    let called = call["called"].as_array().into_iter().flatten();
    let called: Vec<String> =
        called.map(|step| format!("{} ({})", step["person"].as_str().unwrap_or("nobody"), text(&step["duty"]))).collect();
    let called = if called.is_empty() { "nobody".to_owned() } else { called.join(", then ") };
    let stands = if call["answered"].is_null() {
        style::warn("not answered").to_string()
    } else {
        style::good(&format!("answered {}", time(&call["answered"]))).to_string()
    };
    format!("{} since {}: {}: called {called}; {stands}", text(&one["subject"]), time(&call["since"]), text(&call["what"]))
}
