//! `tidegate freeze`: what is frozen now, and what will be.

use super::Context;
use crate::clock;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::steps::freeze::{self, AHEAD_MS, DAY_MS};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use tidegate_core::freeze::{Window, frozen};
use tidegate_core::id::At;

/// Windows that are shown to people; with `--json`, all are.
const SHOWN: usize = 20;

/// What to look at.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// Only this service; all of tidegate.yaml when not given
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Another time than now: `2026-12-24T16:00:00Z`; a date alone is its begin, in UTC
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How far ahead windows are shown
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3660))]
    days: u16,
    /// End with exit code 1 where a service is frozen: a step before a deployment by another tool
    #[arg(long)]
    check: bool,
}

/// Carries it out.
pub fn freeze(context: &Context, args: &FreezeArgs) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    let at = match &args.at {
        None => clock::now(),
        Some(text) => at_of(text)?,
    };
    let known: Vec<&str> = opened.config.services.keys().map(String::as_str).collect();
    let services: Vec<&str> = match args.service.as_deref() {
        None => known,
        Some(one) if known.contains(&one) => vec![one],
        Some(one) => {
            let why = format!("freeze --service {one}: tidegate.yaml has no such service; known are {}", known.join(", "));
            return Err(failure(exit::NOT_FOUND, why));
        }
    };
    let shown_ms = u64::from(args.days) * DAY_MS;
    let mut windows = freeze::between(&opened, at, at.plus_ms(shown_ms.max(AHEAD_MS)))?;
    let now: Vec<_> = services.iter().map(|service| (*service, frozen(&windows, service, at))).collect();
    let shown_until = at.plus_ms(shown_ms);
    windows.retain(|w| w.from < shown_until && (args.service.is_none() || services.iter().any(|s| w.is_of(s))));
    let any = now.iter().any(|(_, frozen)| frozen.is_some());
    if context.json {
        let now: serde_json::Map<String, _> = now.into_iter().map(|(service, frozen)| (service.to_owned(), json!(frozen))).collect();
        show::json(&json!({ "at": at, "frozen": now, "windows": windows }))?;
    } else {
        for (service, frozen) in &now {
            let text = match frozen {
                Some(f) => style::warn(&format!("frozen by {} until {}", f.name, f.until)).to_string(),
                None => "not frozen".to_owned(),
            };
            show::line(&format!("{}: {text}", style::strong(service)))?;
        }
        upcoming(&windows, args.days)?;
    }
    Ok(if args.check && any { exit::NOT_PASSED } else { exit::OK })
}

fn at_of(text: &str) -> Result<At> {
    let begin = text.trim().parse::<jiff::civil::Date>().map(|date| format!("{date}T00:00:00Z"));
    let instant = tidegate_wire::config::unit::instant_ms(begin.as_deref().unwrap_or(text));
    Ok(At(instant.map_err(|why| failure(exit::USAGE, format!("freeze --at: {why}")))?))
}

fn upcoming(windows: &[Window], days: u16) -> Result<()> {
    if windows.is_empty() {
        return show::line(&format!("No freeze in the next {days} days. `freezes` of tidegate.yaml names them."));
    }
    for window in windows.iter().take(SHOWN) {
        let of = if window.services.is_empty() { "all services".to_owned() } else { window.services.join(", ") };
        let why = window.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        show::line(&format!("  {} to {}  {} ({of}){why}", window.from, window.until, window.name))?;
    }
    let more = windows.len().saturating_sub(SHOWN);
    if more > 0 { show::line(&format!("  and {more} more: --json shows all")) } else { Ok(()) }
}
