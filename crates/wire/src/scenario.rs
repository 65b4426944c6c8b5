//! `scenario.yaml`: a rehearsal of the loop, as acts that bring changes under replayed traffic.
//!
//! A workspace that has one is a demonstration or a drill: `tidegate up` plays it. Without one, `up` takes the
//! workspace as it stands round the loop once. Not here: playing it.

use crate::yaml::{self, Node};
use tidegate_core::workspace::{ACTS_MAX, Outcome};

/// Fastest replay, in records a second.
pub const PER_SECOND_MAX: u32 = 100_000;

/// A rehearsal.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What is replayed.
    pub replay: Replay,
    /// The acts, in order.
    pub acts: Vec<Act>,
}

/// Recorded traffic that is sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Service that gets it.
    pub service: String,
    /// Parquet file of raw records, in order of time.
    pub records: String,
    /// Column that names a record.
    pub id: String,
    /// Column of the record's time, as local text that sorts.
    pub time: String,
    /// Column of the label that comes later.
    pub label: String,
    /// Records a second.
    pub per_second: u32,
}

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Its name.
    pub name: String,
    /// What the reader is told when it begins.
    pub say: String,
    /// What happens.
    pub deed: Deed,
    /// First moment of the replayed traffic (inclusive), as text that sorts like the time column.
    pub traffic_from: String,
    /// Its end (exclusive).
    pub traffic_until: String,
    /// How the act is to end.
    pub expect: Outcome,
}

/// What an act does.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Take a change through build, gate and release.
    Change {
        /// Overlay directory, or none for the workspace as it stands.
        overlay: Option<String>,
        /// Name of the release strategy.
        release: String,
    },
    /// Watch for drift.
    WatchDrift,
    /// Retrain by the rules of `retrain`, on the drift that was found, and release.
    Retrain {
        /// Name of the release strategy.
        release: String,
    },
}

/// A mistake in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ScenarioError {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong and what is allowed.
    pub message: String,
}

struct Reader<'a> {
    file: &'a str,
    errors: Vec<ScenarioError>,
}

/// Reads a scenario.
///
/// # Errors
/// All mistakes at once.
pub fn load(text: &str, file: &str) -> Result<Scenario, Vec<ScenarioError>> {
    let mut reader = Reader { file, errors: vec![] };
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(e) => return Err(vec![ScenarioError { file: file.to_owned(), line: e.line, column: e.column, message: e.message }]),
    };
    let scenario = reader.scenario(&root);
    match scenario {
        Some(scenario) if reader.errors.is_empty() => Ok(scenario),
        _ => Err(reader.errors),
    }
}

impl Reader<'_> {
    fn error(&mut self, node: &Node, message: impl Into<String>) {
        self.errors.push(ScenarioError { file: self.file.to_owned(), line: node.line, column: node.column, message: message.into() });
    }

    fn keys(&mut self, node: &Node, what: &str, known: &[&str]) {
        for (key, _) in node.as_map().unwrap_or_default() {
            let name = key.as_str().unwrap_or_default();
            if !known.contains(&name) {
                self.error(key, format!("unknown key `{name}` in {what}: known are {}", known.join(", ")));
            }
        }
    }

    fn text(&mut self, node: &Node, key: &str, what: &str) -> Option<String> {
        match node.get(key).map(|n| (n, n.text())) {
            Some((_, Some(text))) => Some(text.into_owned()),
            Some((n, None)) => {
                self.error(n, format!("`{key}` of {what} must be text"));
                None
            }
            None => {
                self.error(node, format!("{what} needs `{key}`"));
                None
            }
        }
    }

    fn scenario(&mut self, root: &Node) -> Option<Scenario> {
        self.keys(root, "a scenario", &["version", "replay", "acts"]);
        if root.get("version").and_then(Node::as_i64) != Some(1) {
            self.error(root, "a scenario needs `version: 1`");
        }
        let Some(replay_node) = root.get("replay") else {
            self.error(root, "a scenario needs `replay`");
            return None;
        };
        let replay = self.replay(replay_node);
        let Some(acts_node) = root.get("acts") else {
            self.error(root, "a scenario needs `acts`");
            return None;
        };
        let entries = acts_node.as_map().unwrap_or_default();
        if entries.is_empty() || entries.len() > ACTS_MAX {
            self.error(acts_node, format!("`acts` must be a map of 1 to {ACTS_MAX} acts by name"));
        }
        let acts = entries.iter().filter_map(|(name, node)| self.act(name.as_str()?, node)).collect();
        Some(Scenario { replay: replay?, acts })
    }

    fn replay(&mut self, node: &Node) -> Option<Replay> {
        self.keys(node, "`replay`", &["service", "records", "id", "time", "label", "per_second"]);
        let rate = node.get("per_second").and_then(Node::as_i64).and_then(|n| u32::try_from(n).ok());
        let per_second = match rate {
            Some(n) if (1..=PER_SECOND_MAX).contains(&n) => Some(n),
            Some(_) | None => {
                self.error(node, format!("`per_second` of `replay` must be a whole number from 1 to {PER_SECOND_MAX}"));
                None
            }
        };
        let mut field = |key| self.text(node, key, "`replay`");
        let (service, records, id, time, label) = (field("service"), field("records"), field("id"), field("time"), field("label"));
        Some(Replay { service: service?, records: records?, id: id?, time: time?, label: label?, per_second: per_second? })
    }

    fn act(&mut self, name: &str, node: &Node) -> Option<Act> {
        let what = format!("act `{name}`");
        self.keys(node, &what, &["say", "change", "release", "watch", "retrain", "traffic", "expect"]);
        let say = self.text(node, "say", &what);
        let deed = self.deed(node, &what);
        let traffic = node.get("traffic");
        if traffic.is_none() {
            self.error(node, format!("{what} needs `traffic: {{ from, until }}`"));
        }
        let (from, until) = (traffic.and_then(|t| self.text(t, "from", &what)), traffic.and_then(|t| self.text(t, "until", &what)));
        let expect_text = self.text(node, "expect", &what)?;
        let expect: Option<Outcome> = serde_json::from_value(serde_json::Value::String(expect_text.clone())).ok();
        if expect.is_none() {
            self.error(
                node.get("expect").unwrap_or(node),
                format!("`expect: {expect_text}`: known are live, promoted, stopped_in_shadow, rolled_back, refused, held, drift_found, no_drift"),
            );
        }
        Some(Act { name: name.to_owned(), say: say?, deed: deed?, traffic_from: from?, traffic_until: until?, expect: expect? })
    }

    fn deed(&mut self, node: &Node, what: &str) -> Option<Deed> {
        match (node.get("change"), node.get("watch"), node.get("retrain")) {
            (Some(change), None, None) => {
                let path = change.as_str().unwrap_or_default();
                if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
                    self.error(
                        change,
                        format!("`change` of {what} must be a directory inside the workspace, or `.` for the workspace as it stands"),
                    );
                    return None;
                }
                let overlay = (path != ".").then(|| path.to_owned());
                Some(Deed::Change { overlay, release: self.text(node, "release", what)? })
            }
            (None, Some(watch), None) if watch.as_str() == Some("drift") => Some(Deed::WatchDrift),
            (None, None, Some(_)) => Some(Deed::Retrain { release: self.text(node, "release", what)? }),
            _ => {
                self.error(node, format!("{what} needs exactly one of `change: DIR`, `watch: drift`, `retrain: yes`"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const HEAD: &str = "version: 1\nreplay: { service: s, records: r.parquet, id: id, time: t, label: y, per_second: 100 }\nacts:\n";

    fn check(acts: &str, expected: &Expect) {
        let text = format!("{HEAD}{acts}");
        let shown = match load(&text, "scenario.yaml") {
            Ok(s) => format!("{:?}", s.acts.iter().map(|a| (&a.name, &a.deed, a.expect)).collect::<Vec<_>>()),
            Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn acts_are_read_or_refused_with_their_place() {
        check(
            "  one: { say: x, change: ., release: default, traffic: { from: a, until: b }, expect: live }\n",
            &expect![[r#"[("one", Change { overlay: None, release: "default" }, Live)]"#]],
        );
        check(
            "  one: { say: x, change: ../out, release: default, traffic: { from: a, until: b }, expect: wonderful, colour: red }\n",
            &expect![[r#"
                scenario.yaml:4:103: unknown key `colour` in act `one`: known are say, change, release, watch, retrain, traffic, expect
                scenario.yaml:4:26: `change` of act `one` must be a directory inside the workspace, or `.` for the workspace as it stands
                scenario.yaml:4:92: `expect: wonderful`: known are live, promoted, stopped_in_shadow, rolled_back, refused, held, drift_found, no_drift"#]],
        );
    }
}
