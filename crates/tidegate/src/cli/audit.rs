//! `tidegate audit`: verify, prove, show, export, recompute. It needs the directory and a public key, no running process.

use super::Context;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace::{self, Places};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use tidegate_core::id::Digest;
use tidegate_core::machine::Machine as _;
use tidegate_core::rollout::{Event, Rollouts};
use tidegate_engine::evidence;
use tidegate_port::{Blobs as _, Journal as _};
use tidegate_store::FsBlobs;
use tidegate_store::audit::{self, AuditError};

/// Records that `show` prints at once.
const SHOWN_MAX: usize = 1_000;

/// What can be asked of the journal.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Checks every entry against the signed checkpoint, and the journal's database against the entries
    Verify {
        /// Directory of a log, as `audit export` writes it; the workspace's own when not given
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
        /// Public key of the log: the text, or a file that holds it
        #[arg(long, value_name = "KEY")]
        vkey: Option<String>,
        /// A checkpoint that the auditor kept: the log must continue it
        #[arg(long, value_name = "FILE")]
        kept: Option<PathBuf>,
    },
    /// Writes the offline proof (.tlog-proof) that a record is in the log
    Prove {
        /// Position of the record
        position: u64,
        /// Where to write it; standard output when not given
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Shows sealed records as they are in the log
    Show {
        /// Position of the first
        position: u64,
        /// How many
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Copies the log to a directory that an auditor can verify with the public key beside it
    Export {
        /// Where to
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// Loads the sealed evidence of a release and judges it again: the same bits must come out
    Recompute {
        /// The release as SERVICE/NUMBER, or the digest of sealed evidence
        release: String,
    },
}

/// Carries it out.
pub fn audit(context: &Context, command: &AuditCommand) -> Result<u8> {
    match command {
        AuditCommand::Verify { log, vkey, kept } => verify(context, log.as_deref(), vkey.as_deref(), kept.as_deref()),
        AuditCommand::Prove { position, output } => prove(context, *position, output.as_deref()),
        AuditCommand::Show { position, count } => show_records(context, *position, *count),
        AuditCommand::Export { to } => export(context, to),
        AuditCommand::Recompute { release } => recompute(context, release),
    }
}

fn refused(error: AuditError) -> anyhow::Error {
    failure(error.exit_code(), error.to_string())
}

/// The workspace's own places; a workspace without a journal says so.
fn places(context: &Context) -> Result<Places> {
    let places = workspace::places(&context.dir)?;
    if places.may_have_journal() {
        Ok(places)
    } else {
        Err(failure(
            exit::NOT_FOUND,
            format!("read the journal of {}: there is none yet: `tidegate up` or `tidegate run` begins one", context.dir.display()),
        ))
    }
}

fn own_key(places: &Places) -> Result<String> {
    let path = places.keys().join("vkey");
    std::fs::read_to_string(&path).with_context(|| format!("read the log's public key {}", path.display())).map(|t| t.trim().to_owned())
}

/// A public key as it was given: the text, or a file that holds it.
pub(super) fn key_text(given: &str) -> Result<String> {
    if given.contains('+') && !Path::new(given).exists() {
        return Ok(given.trim().to_owned());
    }
    std::fs::read_to_string(given).with_context(|| format!("read the public key {given}")).map(|t| t.trim().to_owned())
}

fn verify(context: &Context, log: Option<&Path>, vkey: Option<&str>, kept: Option<&Path>) -> Result<u8> {
    let kept = kept.map(|path| std::fs::read(path).with_context(|| format!("read the kept checkpoint {}", path.display()))).transpose()?;
    let own = if log.is_none() { Some(places(context)?) } else { None };
    let dir = match (log, &own) {
        (Some(dir), _) => dir.to_owned(),
        (None, Some(places)) => places.log(),
        (None, None) => return Err(failure(exit::USAGE, "name a log")),
    };
    let key = match (vkey, &own) {
        (Some(text), _) => key_text(text)?,
        (None, Some(places)) => own_key(places)?,
        (None, None) => key_text(&dir.join("vkey").to_string_lossy())?,
    };
    let verified = audit::verify(&dir, &key, kept.as_deref()).map_err(refused)?;
    let journal = match &own {
        Some(places) => {
            let mut journal = places.journal()?.open_read_only()?;
            Some(audit::verify_journal(&mut journal, &dir, &key).map_err(refused)?)
        }
        None => None,
    };
    if context.json {
        show::json(&serde_json::json!({
            "verified": true, "origin": verified.origin, "size": verified.size, "root": verified.root.to_base64(),
            "continues": verified.continues, "database": journal.map(|j| serde_json::json!({ "sealed": j.sealed, "unsealed": j.unsealed })),
        }))?;
    } else {
        show::line(&format!(
            "{} {} entries under root {} of {}",
            show::style::good("verified"),
            verified.size,
            verified.root.to_base64(),
            verified.origin
        ))?;
        if let Some(size) = verified.continues {
            show::line(&format!("it continues the kept checkpoint of size {size}"))?;
        }
        if let Some(journal) = journal {
            show::line(&format!(
                "the database holds the same {} records, and {} that are not sealed yet",
                journal.sealed, journal.unsealed
            ))?;
        }
    }
    Ok(exit::OK)
}

fn prove(context: &Context, position: u64, output: Option<&Path>) -> Result<u8> {
    let places = places(context)?;
    let (proof, entry) = audit::prove(&places.log(), &own_key(&places)?, position).map_err(refused)?;
    let text = proof.to_text();
    match output {
        Some(path) => {
            tidegate_store::disk::replace_file(path, text.as_bytes())?;
            show::note(&format!("wrote {}; the record it proves:", path.display()));
            show::line(&String::from_utf8_lossy(&entry))?;
        }
        None if context.json => {
            show::json(&serde_json::json!({ "proof": text, "record": serde_json::from_slice::<serde_json::Value>(&entry)? }))?
        }
        None => show::line(text.trim_end())?,
    }
    Ok(exit::OK)
}

fn show_records(context: &Context, position: u64, count: usize) -> Result<u8> {
    let places = places(context)?;
    let entries = audit::entries(&places.log(), &own_key(&places)?, position, count.min(SHOWN_MAX)).map_err(refused)?;
    if entries.is_empty() {
        return Err(failure(exit::NOT_FOUND, format!("show record {position}: the log is not sealed to there yet")));
    }
    for entry in entries {
        let record: serde_json::Value = serde_json::from_slice(&entry).context("read a record of the log")?;
        if context.json { show::line(&record.to_string())? } else { show::line(&serde_json::to_string_pretty(&record)?)? }
    }
    Ok(exit::OK)
}

fn export(context: &Context, dir: &Path) -> Result<u8> {
    let places = places(context)?;
    let checkpoint = audit::export(&places.log(), &own_key(&places)?, dir).map_err(refused)?;
    if context.json {
        show::json(&serde_json::json!({ "exported": dir, "size": checkpoint.size, "origin": checkpoint.origin }))?;
    } else {
        show::line(&format!(
            "exported {} entries to {}; `tidegate audit verify --log {}` checks them, and keep `checkpoint` to see later rollbacks",
            checkpoint.size,
            dir.display(),
            dir.display()
        ))?;
    }
    Ok(exit::OK)
}

/// A verdict of the journal with the evidence that it cites.
struct Cited {
    what: String,
    digest: Digest,
    recorded: Option<tidegate_core::judge::Assessment>,
}

fn cited(places: &Places, release: &str) -> Result<Vec<Cited>> {
    if release.starts_with("blake3:") {
        let digest = Digest::try_from(release.to_owned()).map_err(|e| failure(exit::USAGE, e))?;
        return Ok(vec![Cited { what: "sealed evidence".to_owned(), digest, recorded: None }]);
    }
    let mut journal = places.journal()?.open_read_only()?;
    let stream = format!("{}/{release}", Rollouts::KIND);
    let records = journal.read_stream(&stream, 0)?;
    if records.is_empty() {
        let known = journal
            .streams(&format!("{}/", Rollouts::KIND))?
            .iter()
            .filter_map(|s| s.split_once('/'))
            .map(|(_, r)| r.to_owned())
            .collect::<Vec<_>>();
        return Err(failure(exit::NOT_FOUND, format!("recompute release `{release}`: there is none; known are: {}", known.join(", "))));
    }
    let mut found = vec![];
    for record in records {
        if let Ok(Event::VerdictReached { assessment, evidence, mode, attempt, .. }) = serde_json::from_value::<Event>(record.body) {
            found.push(Cited {
                what: format!("attempt {attempt}, {mode:?}, record {}", record.position),
                digest: evidence,
                recorded: Some(*assessment),
            });
        }
    }
    Ok(found)
}

fn recompute(context: &Context, release: &str) -> Result<u8> {
    let places = places(context)?;
    let blobs = FsBlobs::open(&places.blobs())?;
    let cited = cited(&places, release)?;
    if cited.is_empty() {
        return Err(failure(exit::NOT_FOUND, format!("recompute release `{release}`: it has no verdict yet")));
    }
    let mut rows = vec![];
    let mut all_same = true;
    for one in &cited {
        let bytes = blobs.get(&one.digest)?;
        let again = evidence::recompute(&bytes).with_context(|| format!("read the evidence {}", one.digest))?;
        let text = serde_json::to_string(&again)?;
        let same = match &one.recorded {
            Some(recorded) => serde_json::to_string(recorded)? == text,
            None => true,
        };
        all_same &= same;
        rows.push((one, again, same));
    }
    if context.json {
        let items: Vec<_> = rows
            .iter()
            .map(|(c, a, same)| serde_json::json!({ "verdict": c.what, "evidence": c.digest, "same": same, "assessment": a }))
            .collect();
        show::json(&serde_json::json!({ "same": all_same, "verdicts": items }))?;
    } else {
        let lines = rows.iter().map(|(c, a, same)| {
            let word = if *same { "same bits" } else { "DIFFERENT" };
            vec![
                c.what.clone(),
                c.digest.short().to_owned(),
                verdict_word(a),
                format!("{:e}", a.e_rollback),
                format!("{:e}", a.e_promote),
                word.to_owned(),
            ]
        });
        show::line(&show::table(
            &["Verdict", "Evidence", "Judged", "For rollback", "For promotion", "Against the journal"],
            lines.collect(),
        ))?;
    }
    Ok(if all_same { exit::OK } else { exit::UNTRUE })
}

fn verdict_word(assessment: &tidegate_core::judge::Assessment) -> String {
    serde_json::to_value(&assessment.verdict)
        .ok()
        .and_then(|v| v.get("verdict").and_then(|w| w.as_str().map(str::to_owned)))
        .unwrap_or_default()
}
