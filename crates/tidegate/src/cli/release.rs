//! `tidegate release`: starts, shows, follows and steers releases of the workspace that is up.

use super::Context;
use super::change::{self, RecordArgs};
use super::may::{self, MayArgs};
use super::people::{self, Opinion};
use super::train;
use crate::client;
use crate::exit;
use crate::show::{self, style};
use crate::workspace::{self, Places, read_text};
use anyhow::Result;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tidegate_wire::foreign::import::{Fate, Imported, import};

/// How often a followed release is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A release by its name.
#[derive(Debug, Args)]
pub struct Named {
    /// Service and number, as `late-arrival/2`
    release: String,
}

/// A release, and why.
#[derive(Debug, Args)]
pub struct Steered {
    #[command(flatten)]
    named: Named,
    /// Why; it is recorded
    #[arg(long)]
    reason: Option<String>,
}

/// What can be done with releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Lists all releases
    List,
    /// Starts the release of a registered version whose gates passed
    Start {
        /// Service
        service: String,
        /// Version
        version: String,
        /// Strategy of tidegate.yaml; the service's own when not given
        #[arg(long)]
        strategy: Option<String>,
        /// What is released and why, in words
        #[arg(long)]
        change: Option<String>,
        /// Release in this environment alone, of a service that runs in several
        #[arg(long)]
        environment: Option<String>,
        /// The change's risk, a chance from 0 to 1: strategies may have others for changes of low risk
        #[arg(long, value_name = "CHANCE", requires = "risk_by")]
        risk: Option<f64>,
        /// Who or what scored it; it is recorded
        #[arg(long, value_name = "WHO", requires = "risk")]
        risk_by: Option<String>,
        /// Release an old version even if today's data do not fit it, and why; it is recorded
        #[arg(long, value_name = "REASON")]
        despite: Option<String>,
    },
    /// Shows where a release stands, with the judge's evidence
    Status(Named),
    /// Follows a release to its end
    Watch(Named),
    /// Stops progress; judging and rolling back go on
    Pause(Steered),
    /// Goes on after a pause or a hold
    Resume(Steered),
    /// Promotes without waiting for evidence
    Promote(Steered),
    /// Goes back
    Abort(Steered),
    /// Tries the same change again, on what is left of its alpha
    Retry(Steered),
    /// Takes back a finished release, at once
    Undo(Steered),
    /// Approves a release that somebody else asked for
    Approve(Opinion),
    /// Forbids a release that somebody asked for, for good
    Veto(Opinion),
    /// Lists what was asked for, and what was said to it
    Approvals,
    /// Says whether a version may be released now: gates, approvals, freezes, breakers. Exits with 0 for yes, 1 for no, 5 for not yet
    May(MayArgs),
    /// Prints the record of a change for the change board: what, who, on which evidence, how to go back
    Record(RecordArgs),
    /// Lists the deployments that GitHub and GitLab hold until they are answered, and what they were told
    Deployments,
    /// Prints strategies of Argo Rollouts and Flagger as a part of tidegate.yaml, and says what becomes of each of their fields
    Import {
        /// Files with Rollout, AnalysisTemplate, Canary or MetricTemplate objects
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Exit with 1 where a field was refused
        #[arg(long)]
        strict: bool,
    },
}

/// Carries it out.
pub fn release(context: &Context, command: &ReleaseCommand) -> Result<u8> {
    if let ReleaseCommand::Import { files, strict } = command {
        return imported(context, files, *strict);
    }
    if let ReleaseCommand::May(args) = command {
        return may::may(context, args);
    }
    let places = workspace::places(&context.dir)?;
    match command {
        ReleaseCommand::List => {
            let value = client::ask(&places, "list releases", Method::GET, "/api/v1/releases", None)?;
            if context.json { show::json(&value)? } else { show::line(&list(&value))? }
        }
        ReleaseCommand::Start { service, version, strategy, change, environment, risk, risk_by, despite } => {
            let told = risk.map(|score| json!({ "score": score, "by": risk_by }));
            let body = json!({
                "service": service, "version": version, "strategy": strategy, "change": change, "environment": environment,
                "despite": despite, "risk": told,
            });
            let value = client::ask(&places, "start a release", Method::POST, "/api/v1/releases", Some(&body))?;
            if context.json {
                show::json(&value)?;
            } else if value["train"].is_object() {
                train::rows(service, &value).iter().try_for_each(|row| show::line(row))?;
            } else {
                show::line(&format!(
                    "started release {service}/{}; follow it with `tidegate release watch {service}/{}`",
                    value["number"], value["number"]
                ))?;
            }
        }
        ReleaseCommand::Status(named) => {
            let value = client::ask(&places, "show a release", Method::GET, &path(named)?, None)?;
            if context.json { show::json(&value)? } else { show::line(&status(&value))? }
        }
        ReleaseCommand::Watch(named) => return watch(context, &places, named),
        ReleaseCommand::Pause(s) => steer(context, &places, s, "pause")?,
        ReleaseCommand::Resume(s) => steer(context, &places, s, "resume")?,
        ReleaseCommand::Promote(s) => steer(context, &places, s, "promote")?,
        ReleaseCommand::Abort(s) => steer(context, &places, s, "abort")?,
        ReleaseCommand::Retry(s) => steer(context, &places, s, "retry")?,
        ReleaseCommand::Undo(s) => steer(context, &places, s, "undo")?,
        ReleaseCommand::Approve(opinion) => people::opinion(context, opinion, "approve")?,
        ReleaseCommand::Veto(opinion) => people::opinion(context, opinion, "veto")?,
        ReleaseCommand::Approvals => people::approvals(context)?,
        ReleaseCommand::Record(args) => change::record(context, args)?,
        ReleaseCommand::Deployments => may::deployments(context)?,
        ReleaseCommand::Import { .. } | ReleaseCommand::May(_) => {}
    }
    Ok(exit::OK)
}

/// The strategies go to the output, what became of their fields beside it.
fn imported(context: &Context, files: &[PathBuf], strict: bool) -> Result<u8> {
    let mut all: Vec<Imported> = Vec::new();
    for file in files {
        let text = read_text(&context.dir.join(file))?;
        all.extend(import(&file.display().to_string(), &text).map_err(|why| exit::failure(exit::USAGE, why))?);
    }
    if context.json {
        show::json(&all)?;
    }
    let mut refused = 0;
    for one in &all {
        if !context.json && !one.yaml.is_empty() {
            show::line(one.yaml.trim_end())?;
        }
        for field in &one.fields {
            let (word, why) = match &field.fate {
                Fate::Mapped(why) => (style::good("mapped "), why),
                Fate::Left(why) => (style::quiet("left   "), why),
                Fate::Refused(why) => {
                    refused += 1;
                    (style::bad("refused"), why)
                }
            };
            if !context.json {
                show::note(&format!("{word} {} {} line {}: {}: {why}", one.kind, one.name, field.line, field.path));
            }
        }
    }
    if refused > 0 && !context.json {
        show::note(&format!("{refused} fields were refused: nothing here does what they do"));
    }
    Ok(if strict && refused > 0 { exit::NOT_PASSED } else { exit::OK })
}

fn path(named: &Named) -> Result<String> {
    let valid = named
        .release
        .split_once('/')
        .is_some_and(|(service, number)| !service.is_empty() && number.parse::<u64>().is_ok() && !service.contains(['?', '#', '%', ' ']));
    if valid {
        Ok(format!("/api/v1/releases/{}", named.release))
    } else {
        Err(exit::failure(exit::USAGE, format!("`{}` names no release: write SERVICE/NUMBER, as `late-arrival/2`", named.release)))
    }
}

fn steer(context: &Context, places: &Places, steered: &Steered, word: &str) -> Result<()> {
    let body = json!({ "reason": steered.reason });
    let value = client::ask(places, &format!("{word} a release"), Method::POST, &format!("{}/{word}", path(&steered.named)?), Some(&body))?;
    if context.json { show::json(&value) } else { show::line(&row(&value)) }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn row(value: &Value) -> String {
    let stable = value["stable"].as_str().map_or(String::new(), |s| format!("{s} → "));
    format!(
        "{}/{}: {stable}{}: {}: {}",
        text(&value["service"]),
        value["number"],
        text(&value["candidate"]),
        text(&value["phase"]),
        text(&value["note"])
    )
}

fn list(value: &Value) -> String {
    let rows = value.as_array().map_or(vec![], |rows| rows.iter().map(row).collect());
    if rows.is_empty() { "no release yet: `tidegate release start SERVICE VERSION`".to_owned() } else { rows.join("\n") }
}

fn status(value: &Value) -> String {
    let mut lines = vec![
        row(&value["row"]),
        format!("{} live requests were answered by the candidate; attempt {}", value["users_saw"], value["attempt"]),
    ];
    let a = &value["assessment"];
    if a.is_object() {
        lines.push(format!("verdict {}: {}", text(&a["verdict"]), text(&a["summary"])));
        let number = |v: &Value| v.as_f64().map_or("-".to_owned(), |n| format!("{n:.3}"));
        let rows = a["guardrails"].as_array().map_or(vec![], |gs| {
            gs.iter()
                .map(|g| {
                    let counts = |v: &Value| format!("{} of {}", v[1], v[0]);
                    let of = |g: &Value, [middle, low, high]: [&str; 3]| {
                        format!("{} ({} to {})", number(&g[middle]), number(&g[low]), number(&g[high]))
                    };
                    // A metric has pairs of values, no counts.
                    let ratio = match &g["values"] {
                        Value::Null => of(g, ["ratio", "ratio_low", "ratio_high"]),
                        pairs => format!("{} in {} pairs", of(pairs, ["middle", "low", "high"]), pairs["pairs"]),
                    };
                    vec![
                        text(&g["name"]),
                        counts(&g["candidate"]),
                        counts(&g["control"]),
                        ratio,
                        number(&g["e_rollback"]),
                        number(&g["e_promote"]),
                        text(&g["flips"]),
                    ]
                })
                .collect()
        });
        let heads = ["Guardrail", "Candidate", "Control", "Ratio", "For rollback", "For promotion", "What would flip it"];
        lines.push(show::table(&heads, rows));
        lines.push(format!("rollback needs {}, promotion needs {}", number(&a["needs_rollback"]), number(&a["needs_promote"])));
    }
    lines.join("\n")
}

fn watch(context: &Context, places: &Places, named: &Named) -> Result<u8> {
    let mut last = String::new();
    loop {
        let value = client::ask(places, "watch a release", Method::GET, &path(named)?, None)?;
        let now = row(&value["row"]);
        if now != last {
            if context.json {
                show::line(&value["row"].to_string())?
            } else {
                show::line(&now)?
            }
            last = now;
        }
        match value["row"]["phase"].as_str() {
            Some("done") => return Ok(exit::OK),
            Some("rolled back" | "aborted") => return Ok(exit::NOT_PASSED),
            _ => std::thread::sleep(LOOK),
        }
    }
}
