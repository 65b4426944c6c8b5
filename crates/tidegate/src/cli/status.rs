//! `tidegate status`: where the loop and its services stand.

use super::Context;
use super::dvc::status::StatusArgs;
use crate::client;
use crate::daemon::owner;
use crate::exit;
use crate::show::{self, style};
use crate::workspace::{self, CONFIG_FILE};
use anyhow::Result;
use hyper::Method;
use serde_json::Value;

/// Carries it out.
pub fn status(context: &Context, args: &StatusArgs) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    let root = &places.root;
    // A DVC repository as it stands has no loop of its own: there the word means what its users know.
    let is_loop = root.join(CONFIG_FILE).exists() || owner::is_up(&places);
    if args.asks_for_data() || (!is_loop && root.ancestors().any(|d| d.join(".dvc").is_dir())) {
        return super::dvc::status::status(context, args);
    }
    let value = client::ask(&places, "show the status", Method::GET, "/api/v1/overview", None)?;
    if context.json {
        show::json(&value)?;
        return Ok(exit::OK);
    }
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    show::line(&style::strong(&text(&value["workspace"])))?;
    for act in value["acts"].as_array().into_iter().flatten() {
        let word = if act["outcome"].is_string() {
            text(&act["outcome"]).replace('_', " ")
        } else if act["started"].is_null() {
            "to come".to_owned()
        } else {
            "under way".to_owned()
        };
        show::line(&format!(
            "  {}: {word}{}",
            text(&act["name"]),
            act["summary"].as_str().filter(|s| !s.is_empty()).map_or(String::new(), |s| format!(": {s}"))
        ))?;
    }
    for service in value["services"].as_array().into_iter().flatten() {
        show::line(&format!("{}: {} requests, {} failed", style::strong(&text(&service["name"])), service["requests"], service["errors"]))?;
        for target in service["targets"].as_array().into_iter().flatten() {
            let weight = target["weight_bp"].as_f64().unwrap_or(0.0) / 100.0;
            show::line(&format!(
                "  version {} ({}): {weight} %, {}",
                text(&target["version"]),
                text(&target["role"]),
                text(&target["state"])
            ))?;
        }
    }
    show::line(&format!("journal: {} records, sealed to {}", value["journal"]["records"], value["journal"]["sealed_to"]))?;
    Ok(exit::OK)
}
