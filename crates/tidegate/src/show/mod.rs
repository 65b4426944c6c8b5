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
    writeln!(anstream::stdout().lock(), "{text}")?;
    Ok(())
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

/// Prints an error with its causes, or as JSON.
pub fn error(error: &anyhow::Error, json: bool) {
    let code = crate::exit::code_of(error);
    if json {
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        note(&serde_json::json!({ "error": error.to_string(), "causes": causes, "exit_code": code }).to_string());
        return;
    }
    note(&format!("{} {error}", style::bad("error:")));
    for cause in error.chain().skip(1) {
        note(&format!("  because {cause}"));
    }
}
