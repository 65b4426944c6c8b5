//! `tidegate gating`: the two paths of a service side by side, and the way out of the one on trial.

use super::Context;
use super::people::{part, time};
use crate::client;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace;
use anyhow::Result;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use tidegate_wire::config::unit::duration_ms;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum GatingCommand {
    /// Shows both paths side by side, the next release's path, and who opted out until when
    List,
    /// Lets all releases of a service take the standard path for a while
    OptOut {
        /// Service
        service: String,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
        /// How long, as `30d`; at most 366 days
        #[arg(long = "for", value_name = "DURATION")]
        lasts: String,
    },
    /// Lets them take part again
    OptIn {
        /// Service
        service: String,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
    },
}

/// Carries it out.
pub fn gating(context: &Context, command: &GatingCommand) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let value = match command {
        GatingCommand::List => client::ask(&places, "list paths", Method::GET, "/api/v1/gating", None)?,
        GatingCommand::OptOut { service, reason, lasts } => {
            let ms = duration_ms(lasts).map_err(|why| failure(exit::USAGE, format!("opt out of the path on trial: --for: {why}")))?;
            let body = json!({ "reason": reason, "for_ms": ms });
            let path = format!("/api/v1/gating/{}/opt-out", part(service)?);
            client::ask(&places, "opt out of the path on trial", Method::POST, &path, Some(&body))?
        }
        GatingCommand::OptIn { service, reason } => {
            let path = format!("/api/v1/gating/{}/opt-in", part(service)?);
            client::ask(&places, "opt in to the path on trial", Method::POST, &path, Some(&json!({ "reason": reason })))?
        }
    };
    if context.json {
        show::json(&value)?;
        return Ok(exit::OK);
    }
    let all = value.as_object().into_iter().flatten();
    let lines: Vec<String> = all.map(|(service, standing)| shown(service, standing)).collect();
    show::line(&if lines.is_empty() { "no service has `paths`".to_owned() } else { lines.join("\n") })?;
    Ok(exit::OK)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn shown(service: &str, standing: &Value) -> String {
    let next = &standing["next"];
    let because = match text(&next["because"]["because"]) {
        "opted_out" => format!("{} opted out", text(&next["because"]["by"])),
        _ => "by chance".to_owned(),
    };
    let mut lines = vec![format!(
        "{}: the next release takes {}, `{}`, {because}",
        style::strong(service),
        text(&next["path"]),
        text(&next["strategy"])
    )];
    let out = &standing["out"];
    if out.is_object() {
        let (by, reason) = (text(&out["by"]), text(&out["reason"]));
        let stands = if standing["is_out"] == true { style::warn("out").to_string() } else { "was out".to_owned() };
        lines.push(format!("  {stands} by {by} from {} until {}: {reason}", time(&out["since"]), time(&out["until"])));
    }
    let rows = standing["became"].as_object().into_iter().flatten();
    let keys = ["releases", "released", "rolled_back", "aborted", "under_way", "exposed"];
    let rows = rows.map(|(path, became)| std::iter::once(path.clone()).chain(keys.map(|key| became[key].to_string())).collect()).collect();
    lines.push(show::table(&["Path", "Releases", "Released", "Rolled back", "Aborted", "Under way", "Users' requests"], rows));
    lines.join("\n")
}
