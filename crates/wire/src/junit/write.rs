//! Writes gates and checks as a JUnit report, so that what shows tests shows them.

use std::fmt::Write as _;
use tidegate_core::tests::Outcome;

/// One gate or check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What kind it is, or of which dataset.
    pub group: String,
    /// Its name.
    pub name: String,
    /// What it came to.
    pub verdict: Outcome,
    /// Why.
    pub text: String,
}

/// The report's XML.
#[must_use]
pub fn write(suite: &str, cases: &[Case]) -> String {
    let count = |outcome: Outcome| cases.iter().filter(|c| c.verdict == outcome).count();
    let totals = format!(
        "name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        escape(suite),
        cases.len(),
        count(Outcome::Failed),
        count(Outcome::Errored),
        count(Outcome::Skipped)
    );
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {totals}>\n  <testsuite {totals}>\n");
    for case in cases {
        let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escape(&case.group), escape(&case.name));
        let element = match case.verdict {
            Outcome::Passed => {
                let _ = writeln!(text, "{head}/>");
                continue;
            }
            Outcome::Failed => "failure",
            Outcome::Errored => "error",
            Outcome::Skipped => "skipped",
        };
        let _ = writeln!(text, "{head}>\n      <{element} message=\"{}\"/>\n    </testcase>", escape(&case.text));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Text as an attribute's value; what XML cannot hold becomes the replacement character.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
