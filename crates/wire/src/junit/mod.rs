//! JUnit XML: results of tests as pytest, nextest, surefire and others write them, read; and written for gates and checks.
//!
//! Not here: what follows from results (`core::tests`).

mod write;
mod xml;

pub(crate) use write::escape;
pub use write::{Case, write};

use tidegate_core::tests::{Outcome, TestResult};
use xml::{Reader, Token};

/// Most tests of one report.
pub const TESTS_MAX: usize = 1_000_000;
/// Longest message of a failure that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// What is wrong with a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JunitError {
    /// No XML.
    #[error("line {line}: {what}")]
    Xml {
        /// Where.
        line: usize,
        /// What.
        what: String,
    },
    /// XML of another kind.
    #[error("the root element is `{0}`, a JUnit report has `testsuites` or `testsuite`")]
    NotJunit(String),
    /// Too many.
    #[error("more than {TESTS_MAX} tests in one report: split it")]
    TooMany,
}

/// Reads a report: one result for each time that a test ran. Runs that a runner repeated within the report
/// (`flakyFailure`, `rerunFailure` and their errors) count each.
///
/// # Errors
/// When it is no JUnit XML.
pub fn read(text: &str) -> Result<Vec<TestResult>, JunitError> {
    let mut reader = Reader::new(text);
    let mut suites: Vec<String> = vec![];
    let mut found: Vec<TestResult> = vec![];
    let mut case: Option<Open> = None;
    let mut rooted = false;
    while let Some(token) = reader.next()? {
        match token {
            Token::Open(name, attributes, at_once) => {
                let get = |key: &str| attributes.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
                if !rooted && !matches!(name.as_str(), "testsuites" | "testsuite") {
                    return Err(JunitError::NotJunit(name));
                }
                rooted = true;
                match name.as_str() {
                    "testsuite" if !at_once => suites.push(get("name").unwrap_or_default()),
                    "testcase" => {
                        let open = Open::new(&suites, &get);
                        if at_once { open.finish(&mut found) } else { case = Some(open) }
                    }
                    _ => {
                        if let Some(open) = &mut case {
                            open.take(&name, get("message"));
                        }
                    }
                }
            }
            Token::Close(name) => match name.as_str() {
                "testsuite" => drop(suites.pop()),
                "testcase" => {
                    if let Some(open) = case.take() {
                        open.finish(&mut found);
                    }
                }
                _ => {}
            },
            Token::Text(text) => {
                if let Some(open) = &mut case {
                    open.say(&text);
                }
            }
        }
        if found.len() > TESTS_MAX {
            return Err(JunitError::TooMany);
        }
    }
    if rooted { Ok(found) } else { Err(JunitError::NotJunit(String::new())) }
}

/// A test case whose end was not read yet.
struct Open {
    test: String,
    seconds: Option<f64>,
    outcome: Outcome,
    message: Option<String>,
    /// Failed runs that the runner repeated.
    repeated: Vec<Outcome>,
}

impl Open {
    fn new(suites: &[String], get: &dyn Fn(&str) -> Option<String>) -> Open {
        let class = get("classname").filter(|c| !c.is_empty());
        let place = class.or_else(|| get("file")).or_else(|| suites.last().cloned()).filter(|p| !p.is_empty());
        let name = get("name").unwrap_or_default();
        let test = place.map_or(name.clone(), |place| format!("{place}::{name}"));
        let seconds = get("time").and_then(|t| t.replace(',', "").parse().ok()).filter(|s: &f64| s.is_finite() && *s >= 0.0);
        Open { test, seconds, outcome: Outcome::Passed, message: None, repeated: vec![] }
    }

    fn take(&mut self, name: &str, message: Option<String>) {
        let outcome = match name {
            "failure" => Outcome::Failed,
            "error" => Outcome::Errored,
            "skipped" => Outcome::Skipped,
            "flakyFailure" | "rerunFailure" => return self.repeated.push(Outcome::Failed),
            "flakyError" | "rerunError" => return self.repeated.push(Outcome::Errored),
            _ => return,
        };
        self.outcome = outcome;
        self.message = message;
    }

    fn say(&mut self, text: &str) {
        if self.outcome != Outcome::Passed && self.message.is_none() && !text.trim().is_empty() {
            self.message = Some(text.trim().to_owned());
        }
    }

    fn finish(self, found: &mut Vec<TestResult>) {
        let cut = |m: String| m.chars().take(MESSAGE_CHARS_MAX).collect();
        for outcome in self.repeated {
            found.push(TestResult { test: self.test.clone(), outcome, seconds: None, message: None });
        }
        found.push(TestResult { test: self.test, outcome: self.outcome, seconds: self.seconds, message: self.message.map(cut) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTEST: &str = r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="0.031">
<testcase classname="test_a" name="test_ok" time="0.001" /><testcase classname="test_a" name="test_bad[&lt;1&gt;]" time="0.002"><failure message="assert 1 == 2&#10;x">def test_bad():
&gt; assert 1 == 2</failure></testcase><testcase classname="test_a" name="test_skip" time="0"><skipped type="pytest.skip" message="no">x</skipped></testcase></testsuite></testsuites>"#;
    const NEXTEST: &str = r#"<testsuites name="nextest-run"><testsuite name="crate::bin/x"><testcase name="a::b" classname="crate::bin/x" time="0.5">
<flakyFailure type="test failure" message="boom"><system-out><![CDATA[<&]]></system-out></flakyFailure></testcase></testsuite></testsuites>"#;

    fn lines(text: &str) -> Vec<String> {
        read(text).unwrap().iter().map(|t| format!("{} {:?} {:?}", t.test, t.outcome, t.message)).collect()
    }

    #[test]
    fn reports_of_two_runners_are_read() {
        expect_test::expect![[r#"
            [
                "test_a::test_ok Passed None",
                "test_a::test_bad[<1>] Failed Some(\"assert 1 == 2\\nx\")",
                "test_a::test_skip Skipped Some(\"no\")",
            ]
        "#]]
        .assert_debug_eq(&lines(PYTEST));
        expect_test::expect![[r#"
            [
                "crate::bin/x::a::b Failed None",
                "crate::bin/x::a::b Passed None",
            ]
        "#]]
        .assert_debug_eq(&lines(NEXTEST));
    }

    #[test]
    fn what_is_no_report_is_refused_with_its_line() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(said("<html/>"), "the root element is `html`, a JUnit report has `testsuites` or `testsuite`");
        assert_eq!(said(""), "the root element is ``, a JUnit report has `testsuites` or `testsuite`");
        assert_eq!(said("<testsuite>\n<testcase name='a'>"), "line 2: the document ends inside an element: it was cut short");
        assert_eq!(
            said("<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>"),
            "line 1: a document type: reports have none, and it could hold anything"
        );
        assert_eq!(said("<testsuite>&own;</testsuite>"), "line 1: an entity that is not one of the five known ones");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let case = |name: &str, verdict, text: &str| Case { group: "gate".into(), name: name.into(), verdict, text: text.into() };
        let cases =
            [case("a <b> & \"c\"", Outcome::Passed, ""), case("d", Outcome::Failed, "1 < 2\n\u{1}"), case("e", Outcome::Errored, "]]>")];
        let back = read(&write("tidegate", &cases)).unwrap();
        let told: Vec<_> = back.iter().map(|t| (t.test.as_str(), t.outcome)).collect();
        assert_eq!(told, [("gate::a <b> & \"c\"", Outcome::Passed), ("gate::d", Outcome::Failed), ("gate::e", Outcome::Errored)]);
        assert_eq!(back[1].message.as_deref(), Some("1 < 2\n\u{fffd}"));
    }
}
