//! `tidegate release record`: one document of a change, for whoever must allow it or look at it afterwards.

use super::Context;
use super::people::part;
use crate::client;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use hyper::Method;
use tidegate_core::change::ChangeRecord;
use tidegate_core::deployment::Condition;
use tidegate_wire::change::markdown;

/// A release, or a version that is not released yet.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Service and number, as `late-arrival/2`; with --version the service alone
    release: String,
    /// A version that is not released yet: what its release would be
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Strategy of tidegate.yaml, with --version; the service's own when not given
    #[arg(long, requires = "version")]
    strategy: Option<String>,
}

/// Prints it, as Markdown or with `--json`.
pub fn record(context: &Context, args: &RecordArgs) -> Result<()> {
    let path = match (&args.version, args.release.split_once('/')) {
        (Some(version), None) => {
            let strategy = args.strategy.as_deref().map(part).transpose()?.map_or(String::new(), |s| format!("?strategy={s}"));
            format!("/api/v1/records/{}/version/{}{strategy}", part(&args.release)?, part(version)?)
        }
        (None, Some((service, number))) if number.parse::<u64>().is_ok() => format!("/api/v1/records/{}/{number}", part(service)?),
        _ => {
            let why =
                format!("`{}` names no release: write SERVICE/NUMBER, as `late-arrival/2`, or SERVICE --version VERSION", args.release);
            return Err(failure(exit::USAGE, why));
        }
    };
    let places = workspace::places(&context.dir)?;
    let mut value = client::ask(&places, "make a change record", Method::GET, &path, None)?;
    if context.json {
        return show::json(&value);
    }
    let conditions: Vec<Condition> =
        serde_json::from_value(value["conditions"].take()).context("read the conditions of a change record")?;
    let record: ChangeRecord = serde_json::from_value(value["record"].take()).context("read a change record")?;
    show::line(markdown(&record, &conditions).trim_end())
}
