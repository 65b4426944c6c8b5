//! `tidegate profile`: proposes a contract from data; every rule is marked as inferred, for a person to judge.

use super::Context;
use crate::columns::{self, Place};
use crate::exit::{self, failure};
use crate::show;
use anyhow::{Context as _, Result};
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;

/// What to profile.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// A file or a folder, or an address as `s3://bucket/name`
    data: String,
    /// Write the contract here instead of printing it; an existing file is never overwritten
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carries it out.
pub fn profile(context: &Context, args: &ProfileArgs) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let proposal = runtime.block_on(columns::propose(&Place::of(&context.dir, &args.data)))?;
    if let Some(out) = &args.out {
        let path = context.dir.join(out);
        let file = std::fs::File::options().write(true).create_new(true).open(&path);
        let mut file = match file {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(failure(
                    exit::USAGE,
                    format!("write {}: it is there already: name another file, or move it away", path.display()),
                ));
            }
            other => other.with_context(|| format!("write {}", path.display()))?,
        };
        let written = file.write_all(proposal.yaml.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            let _ = std::fs::remove_file(&path);
            return Err(error).with_context(|| format!("write {}", path.display()));
        }
    }
    match (context.json, &args.out) {
        (true, _) => show::json(&proposal.json)?,
        (false, Some(out)) => show::line(&format!("wrote {}: every rule is inferred; look at each before you rely on it", out.display()))?,
        (false, None) => show::line(proposal.yaml.trim_end())?,
    }
    Ok(exit::OK)
}
