//! `tidegate release approve|veto|approvals` and `tidegate break-glass`: what people allow.

use super::Context;
use crate::client;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use tidegate_core::id::At;
use tidegate_wire::config::AT;
use tidegate_wire::config::unit::duration_ms;

/// A version that somebody asked for.
#[derive(Debug, Args)]
pub struct Opinion {
    /// Service
    service: String,
    /// Version
    version: String,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

/// An emergency, or the answer for one.
#[derive(Debug, Args)]
pub struct BreakGlassArgs {
    /// Service whose approvals and freezes shall not count
    service: String,
    /// Why; it is recorded
    #[arg(long, required_unless_present = "review", conflicts_with = "review")]
    reason: Option<String>,
    /// How long, as `30m`; at most a day
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", conflicts_with = "review")]
    lasts: String,
    /// What was found, by somebody else, in what was done; before that nothing starts again
    #[arg(long, value_name = "FINDING")]
    review: Option<String>,
}

/// Approves a version, or vetoes it.
pub fn opinion(context: &Context, opinion: &Opinion, word: &str) -> Result<()> {
    let Opinion { service, version, reason } = opinion;
    let path = format!("/api/v1/approvals/{}/{}/{word}", part(service)?, part(version)?);
    let value = ask(context, &format!("{word} a release"), Method::POST, &path, Some(&json!({ "reason": reason })))?;
    if context.json { show::json(&value) } else { show::line(&of_service(service, &value)) }
}

/// What was asked for, and what was said.
pub fn approvals(context: &Context) -> Result<()> {
    let value = ask(context, "list approvals", Method::GET, "/api/v1/approvals", None)?;
    if context.json {
        return show::json(&value);
    }
    let all = value.as_object().into_iter().flatten();
    let lines: Vec<String> = all.map(|(service, state)| of_service(service, state)).filter(|text| !text.is_empty()).collect();
    show::line(if lines.is_empty() { "nobody asked for anything" } else { "" })?;
    lines.iter().try_for_each(|line| show::line(line))
}

/// Breaks the glass of a service, or answers for it.
pub fn break_glass(context: &Context, args: &BreakGlassArgs) -> Result<u8> {
    let base = format!("/api/v1/glass/{}", part(&args.service)?);
    let value = match &args.review {
        Some(finding) => {
            ask(context, "review a broken glass", Method::POST, &format!("{base}/review"), Some(&json!({ "reason": finding })))?
        }
        None => {
            let for_ms = duration_ms(&args.lasts).map_err(|why| failure(exit::USAGE, format!("break the glass: --for: {why}")))?;
            ask(context, "break the glass", Method::POST, &base, Some(&json!({ "reason": args.reason, "for_ms": for_ms })))?
        }
    };
    if context.json {
        show::json(&value)?;
    } else {
        show::line(&of_service(&args.service, &value))?;
    }
    Ok(exit::OK)
}

fn ask(context: &Context, what: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    client::ask(&workspace::places(&context.dir)?, what, method, path, body)
}

/// A name as a part of a path.
pub fn part(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | AT);
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(name);
    }
    Err(failure(exit::USAGE, format!("`{name}` is no name: letters, digits, `-`, `_` and `.`")))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A time as people read it.
pub fn time(value: &Value) -> String {
    value.as_i64().map_or_else(String::new, |ms| At(ms).to_string())
}

fn of_service(service: &str, state: &Value) -> String {
    let mut lines = vec![];
    let vetoes = state["vetoes"].as_array().cloned().unwrap_or_default();
    for asked in state["asked"].as_array().into_iter().flatten() {
        let said: Vec<&str> = asked["approvals"].as_array().into_iter().flatten().map(|given| text(&given["by"])).collect();
        let by = if said.is_empty() { "nobody yet".to_owned() } else { said.join(", ") };
        let veto = vetoes.iter().find(|veto| veto["subject"]["digest"] == asked["subject"]["digest"]);
        let stands = match veto {
            Some(veto) => style::bad(&format!("vetoed by {}: {}", text(&veto["by"]), text(&veto["reason"]))).to_string(),
            None if said.len() as u64 >= asked["of"].as_u64().unwrap_or(u64::MAX) => style::good(&format!("approved by {by}")).to_string(),
            None => format!("{} of {} approvals, by {by}", said.len(), asked["of"]),
        };
        let (version, strategy) = (text(&asked["subject"]["version"]), text(&asked["subject"]["strategy"]));
        let (asker, until) = (text(&asked["by"]), time(&asked["until"]));
        lines.push(format!("{service} version {version} by `{strategy}`, asked for by {asker}, until {until}: {stands}"));
    }
    if let Some(glass) = state["glass"].as_object() {
        let (by, reason, until) = (text(&glass["by"]), text(&glass["reason"]), time(&glass["until"]));
        let review = match glass["reviewed"].as_object() {
            Some(review) => format!("reviewed by {}: {}", text(&review["by"]), text(&review["reason"])),
            None => style::warn("not reviewed").to_string(),
        };
        lines.push(format!("{service}: glass broken by {by} until {until}: {reason}; {review}"));
        for used in glass["used"].as_array().into_iter().flatten() {
            lines.push(format!("  {}, by {}", text(&used["what"]), text(&used["by"])));
        }
    }
    lines.join("\n")
}
