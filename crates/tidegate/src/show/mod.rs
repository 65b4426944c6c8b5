//! What the user sees: text with colours that switch off, tables, progress, or JSON.

pub mod progress;
pub mod style;

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

/// Prints a value as one JSON document.
///
/// # Errors
/// When standard output is closed.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    line(&text)
}

/// Prints a line; colours are removed where there is no terminal.
///
/// # Errors
/// When standard output is closed.
pub fn line(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match writeln!(anstream::stdout().lock(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(NobodyListens.into()),
        written => Ok(written?),
    }
}

/// Prints a note beside the result: progress and hints go to standard error.
pub fn note(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A table for people.
pub fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(heads.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Standard output was closed by its reader.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
struct NobodyListens;

/// Whether an error is only that standard output was closed by its reader.
pub fn nobody_listens(error: &anyhow::Error) -> bool {
    error.downcast_ref::<NobodyListens>().is_some()
}

/// Prints an error with its causes, or as JSON.
pub fn error(error: &anyhow::Error, json: bool) {
    let code = crate::exit::code_of(error);
    if json {
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        note(&serde_json::json!({ "error": error.to_string(), "causes": causes, "exit_code": code }).to_string());
        return;
    }
    let text = error.to_string();
    // Problems of tidegate.yaml announce themselves, each with its place.
    if text.starts_with("error: ") {
        note(text.trim_end());
    } else {
        note(&format!("{} {text}", style::bad("error:")));
    }
    for cause in error.chain().skip(1) {
        note(&format!("  because {cause}"));
    }
}
