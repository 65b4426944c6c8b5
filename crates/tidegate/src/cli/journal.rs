//! `tidegate journal`: the newest records, sealed or not.

use super::Context;
use crate::exit;
use crate::show;
use crate::workspace;
use anyhow::Result;
use clap::Args;
use tidegate_port::Journal as _;

/// Which records.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// How many
    #[arg(short = 'n', long, default_value_t = 20)]
    count: usize,
    /// Only streams that begin with this, as `rollout/`
    #[arg(long, default_value = "")]
    stream: String,
}

/// Records read at once.
const PAGE: usize = 1_000;

/// Carries it out.
pub fn journal(context: &Context, args: &JournalArgs) -> Result<u8> {
    let places = workspace::places(&context.dir)?;
    if !places.may_have_journal() {
        return Err(exit::failure(exit::NOT_FOUND, "read the journal: there is none yet: `tidegate up` or `tidegate run` begins one"));
    }
    let mut journal = places.journal()?.open_read_only()?;
    let size = journal.size()?;
    let mut found = vec![];
    let mut end = size;
    while end > 0 && found.len() < args.count {
        let start = end.saturating_sub(PAGE as u64);
        let page = journal.read_all(start, usize::try_from(end - start).unwrap_or(PAGE))?;
        found.extend(page.into_iter().rev().filter(|r| r.stream.starts_with(&args.stream)).take(args.count - found.len()));
        end = start;
    }
    for record in found.iter().rev() {
        if context.json {
            show::line(&serde_json::json!({ "position": record.position, "at": record.at.to_string(), "stream": record.stream, "seq": record.seq, "kind": record.kind, "body": record.body }).to_string())?;
        } else {
            let event = record.body.get("event").and_then(|e| e.as_str()).unwrap_or("event");
            show::line(&format!(
                "{:>6}  {}  {:<32} {}",
                record.position,
                show::style::quiet(&record.at.to_string()),
                record.stream,
                event
            ))?;
        }
    }
    Ok(exit::OK)
}
