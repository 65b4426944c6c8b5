//! The docs page, from the key table.

use super::shape::{Key, Need, Shape, Table};
use super::table::ROOT;

const HEAD: &str = "# tidegate.yaml

One file at the root of a workspace describes the loop. Everything that can be many is a mapping with names.
Unknown keys, unknown names and values out of range are errors, all reported at once, each with its place.
`tidegate config explain` shows every value in force and where it came from; `docs/tidegate.schema.json` is the
same table for editors. This page is written from the table that the parser uses.

Durations have a unit: `500ms`, `20s`, `5m`, `6h`, `30d`, `2w`, or several, as `1h30m`. Shares are written `0.1%` or `0.001`;
percentages `5`, `0.5` or `5%`. Paths are relative to the file and stay inside its folder.
YAML is read by version 1.2: `no` and `on` are texts, not booleans. A repeated key is an error.
";

/// The page as Markdown.
#[must_use]
pub fn docs_page() -> String {
    let mut page = HEAD.to_owned();
    section(&ROOT, &mut page);
    page
}

fn section(table: &Table, page: &mut String) {
    heading(table.title, table.doc, page);
    rows(table.keys, page);
    for key in table.keys {
        below(&key.shape, page);
    }
}

fn heading(title: &str, doc: &str, page: &mut String) {
    let title = if title.contains('.') && !title.contains(' ') { format!("`{title}`") } else { title.to_owned() };
    page.push_str(&format!("\n## {title}\n\n{doc}\n\n"));
}

fn rows(keys: &[Key], page: &mut String) {
    page.push_str("| key | value | when not given | |\n|---|---|---|---|\n");
    for key in keys {
        let need = match key.need {
            Need::Required => "**required**".to_owned(),
            Need::Optional => String::new(),
            Need::Default("{}") => "its defaults".to_owned(),
            Need::Default(text) => format!("`{text}`"),
        };
        page.push_str(&format!("| `{}` | {} | {need} | {} |\n", key.name, key.shape.words(), key.doc));
    }
}

/// The sections of what is nested in a value.
fn below(shape: &Shape, page: &mut String) {
    match shape {
        Shape::Table(table) => section(table, page),
        Shape::Names { item, .. } | Shape::List { item, .. } => below(item, page),
        Shape::Short { long, .. } => below(long, page),
        Shape::Choice(cases) => cases.iter().for_each(|c| section(c.table, page)),
        Shape::OneKey(keys) => keys.iter().for_each(|k| below(&k.shape, page)),
        _ => {}
    }
}
