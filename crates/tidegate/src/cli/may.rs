//! `tidegate release may|deployments`: whether a version may be released now, for jobs that wait for it, and what other tools hold.

use super::Context;
use super::people::{part, time};
use crate::client;
use crate::clock;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::surroundings::person_token;
use crate::workspace;
use anyhow::Result;
use clap::Args;
use hyper::Method;
use serde_json::Value;
use std::time::Duration;
use tidegate_adapters::curl::BriefCurl;
use tidegate_adapters::{Http as _, Request};
use tidegate_wire::config::unit::duration_ms;

/// How often it is asked again with `--wait`.
const LOOK: Duration = Duration::from_secs(5);

/// A version that somebody wants to release.
#[derive(Debug, Args)]
pub struct MayArgs {
    /// Service
    service: String,
    /// Version
    version: String,
    /// Strategy of tidegate.yaml; the service's own when not given
    #[arg(long)]
    strategy: Option<String>,
    /// Asks again while something is missing that can come, for so long at most, as `30m`
    #[arg(long, value_name = "DURATION")]
    wait: Option<String>,
    /// Address of the console of a `tidegate up` elsewhere, with a token in TIDEGATE_TOKEN; this workspace's own when not given
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// Says whether it may: 0 is yes, 1 no, 5 something is missing that can come.
pub fn may(context: &Context, args: &MayArgs) -> Result<u8> {
    let wrong = |why: String| failure(exit::USAGE, format!("tell whether a version may be released: {why}"));
    let wait_ms = args.wait.as_deref().map(duration_ms).transpose().map_err(|why| wrong(format!("--wait: {why}")))?;
    let until = clock::instant() + Duration::from_millis(wait_ms.unwrap_or(0));
    let mut path = format!("/api/v1/may/{}/{}", part(&args.service)?, part(&args.version)?);
    if let Some(strategy) = &args.strategy {
        path = format!("{path}?strategy={}", part(strategy)?);
    }
    let mut said = String::new();
    loop {
        let value = asked(context, args, &path)?;
        let answer = text(&value["answer"]);
        let over = answer != "waits" || clock::instant() + LOOK > until;
        if over && context.json {
            show::json(&value)?;
        } else if over {
            show::line(&shown(&value))?;
        } else if said != text(&value["why"]) && !context.json {
            said = text(&value["why"]).to_owned();
            show::note(&format!("waits: {said}"));
        }
        match answer {
            "yes" => return Ok(exit::OK),
            "no" => return Ok(exit::NOT_PASSED),
            _ if over => return Ok(exit::REFUSED),
            _ => std::thread::sleep(LOOK),
        }
    }
}

fn asked(context: &Context, args: &MayArgs, path: &str) -> Result<Value> {
    let what = "tell whether a version may be released";
    let Some(server) = &args.server else {
        return client::ask(&workspace::places(&context.dir)?, what, Method::GET, path, None);
    };
    let token = person_token().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| failure(exit::USAGE, format!("{what}: --server needs a token in TIDEGATE_TOKEN")))?;
    let url = format!("{}{path}", server.trim_end_matches('/'));
    let headers = vec![("Authorization".to_owned(), format!("Bearer {token}"))];
    let answer = BriefCurl.send(&Request { method: "GET", url, headers, body: None, sign: None });
    let answer = answer.map_err(|error| failure(exit::OUTSIDE, format!("{what}: {error}")))?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let code = answer.body["exit_code"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::OUTSIDE);
    let why = answer.body["error"].as_str().map_or_else(|| format!("{server} answered with {}", answer.status), str::to_owned);
    Err(failure(code, format!("{what}: {why}")))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn colored(answer: &str) -> String {
    match answer {
        "yes" => style::good(answer).to_string(),
        "no" => style::bad(answer).to_string(),
        other => style::warn(other).to_string(),
    }
}

fn shown(value: &Value) -> String {
    let head = format!(
        "{}: version {} of {} by `{}`",
        colored(text(&value["answer"])),
        text(&value["version"]),
        text(&value["service"]),
        text(&value["strategy"])
    );
    let each = value["conditions"].as_array().into_iter().flatten();
    let each = each.map(|c| format!("  {} {}: {}", colored(text(&c["answer"])), text(&c["of"]), text(&c["why"])));
    std::iter::once(head).chain(each).collect::<Vec<_>>().join("\n")
}

/// What other tools hold, and what they were told.
pub fn deployments(context: &Context) -> Result<()> {
    let places = workspace::places(&context.dir)?;
    let value = client::ask(&places, "list deployments", Method::GET, "/api/v1/deployments", None)?;
    if context.json {
        return show::json(&value);
    }
    let rows: Vec<String> = value.as_array().into_iter().flatten().map(row).collect();
    show::line(&if rows.is_empty() { "no tool asked for a deployment".to_owned() } else { rows.join("\n") })
}

fn row(one: &Value) -> String {
    let held = &one["held"];
    let finding = &held["finding"];
    let (answer, why) = match finding["answer"].as_str() {
        Some(answer) => (colored(answer), text(&finding["why"])),
        None => (colored("waits"), "it is looked at"),
    };
    let told = match (held["given_up"].as_str(), held["told"].as_bool()) {
        (Some(why), _) => format!("; {}", style::bad(&format!("given up: {why}"))),
        (None, Some(false)) if finding["answer"] != "waits" => "; the tool was not told yet".to_owned(),
        _ => String::new(),
    };
    format!("{} since {}: {answer}: {why}{told}", text(&one["deployment"]), time(&held["since"]))
}
