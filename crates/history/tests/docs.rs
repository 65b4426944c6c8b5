//! The page says what the code does.

use tidegate_history::Features;

#[test]
fn the_page_has_every_feature_with_its_definition() {
    let page = include_str!("../../../docs/history.md");
    let row = |(name, meaning): (&&str, &&str)| format!("| `{name}` | {meaning} |");
    let rows: Vec<String> = Features::NAMES.iter().zip(Features::MEANINGS).map(row).collect();
    let table = rows.join("\n");
    assert!(page.contains(&table), "docs/history.md: put this table there\n{table}");
}
