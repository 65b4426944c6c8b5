//! SARIF 2.1.0: findings of linters and scanners read, and ours written, so that code hosts show them at their place.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version that is written and read.
pub const VERSION: &str = "2.1.0";
/// Most findings of one file.
pub const RESULTS_MAX: usize = 25_000;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not a problem.
    None,
    /// Something to know.
    Note,
    /// Something to look at.
    Warning,
    /// Something to mend.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    fn from_name(name: &str) -> Option<Level> {
        [Level::None, Level::Note, Level::Warning, Level::Error].into_iter().find(|l| l.name() == name)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Result {
    /// How grave it is.
    pub level: Level,
    /// The rule.
    pub rule: String,
    /// In words.
    pub message: String,
    /// Where: a file of the repository.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<u64>,
    /// Who found it.
    pub tool: String,
}

impl Result {
    /// In a line.
    #[must_use]
    pub fn line(&self) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        format!("{place}{} ({}, {})", self.message, self.rule, self.level.name())
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum SarifError {
    /// No JSON.
    #[error("it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format, or another version of it.
    #[error("it is no SARIF {VERSION}: `version` is {0}")]
    Version(String),
    /// No run: nobody looked.
    #[error("it holds no run: the tool did not look at anything")]
    NoRun,
    /// Too many.
    #[error("more than {RESULTS_MAX} findings")]
    TooMany,
}

/// Reads findings; those that were suppressed or are of passed rules are left out.
///
/// # Errors
/// When it is no SARIF 2.1.0, or nothing was run.
pub fn read(text: &str) -> std::result::Result<Vec<Result>, SarifError> {
    let file: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))?;
    if file["version"] != VERSION {
        return Err(SarifError::Version(file["version"].to_string()));
    }
    let runs = file["runs"].as_array().filter(|r| !r.is_empty()).ok_or(SarifError::NoRun)?;
    let mut found = vec![];
    for run in runs {
        for result in run["results"].as_array().into_iter().flatten() {
            let active = result["suppressions"]
                .as_array()
                .is_none_or(|s| s.iter().all(|s| s["status"] == "rejected" || s["status"] == "underReview"));
            let kind = result["kind"].as_str().unwrap_or("fail");
            if active && kind == "fail" {
                found.push(one(run, result));
            }
            if found.len() > RESULTS_MAX {
                return Err(SarifError::TooMany);
            }
        }
    }
    Ok(found)
}

fn one(run: &Value, result: &Value) -> Result {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let driver = &run["tool"]["driver"];
    let index = result["ruleIndex"].as_u64().or_else(|| result["rule"]["index"].as_u64());
    let rules = || driver["rules"].as_array().into_iter().flatten();
    let id = text(&result["ruleId"]).or_else(|| text(&result["rule"]["id"]));
    let rule = index
        .and_then(|i| rules().nth(usize::try_from(i).ok()?))
        .or_else(|| rules().find(|r| text(&r["id"]).is_some() && text(&r["id"]) == id))
        .unwrap_or(&Value::Null);
    let level = result["level"].as_str().or_else(|| rule["defaultConfiguration"]["level"].as_str()).and_then(Level::from_name);
    let message = text(&result["message"]["text"])
        .or_else(|| text(&rule["messageStrings"][result["message"]["id"].as_str().unwrap_or("default")]["text"]))
        .or_else(|| text(&rule["shortDescription"]["text"]));
    let place = &result["locations"][0]["physicalLocation"];
    Result {
        level: level.unwrap_or(Level::Warning),
        rule: id.or_else(|| text(&rule["id"])).unwrap_or_else(|| "unnamed".to_owned()),
        message: message.unwrap_or_default(),
        file: text(&place["artifactLocation"]["uri"]),
        line: place["region"]["startLine"].as_u64(),
        tool: text(&driver["name"]).unwrap_or_else(|| "unnamed tool".to_owned()),
    }
}

/// Writes findings of one tool.
#[must_use]
pub fn write(tool: &str, version: &str, results: &[Result]) -> Value {
    let mut rules: Vec<&str> = results.iter().map(|r| r.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let result = |r: &Result| {
        let mut one = json!({ "ruleId": r.rule, "ruleIndex": rules.binary_search(&r.rule.as_str()).unwrap_or(0), "level": r.level.name(), "message": { "text": r.message } });
        if let (Some(file), Some(map)) = (&r.file, one.as_object_mut()) {
            let region = json!({ "startLine": r.line.unwrap_or(1) });
            map.insert("locations".to_owned(), json!([{ "physicalLocation": { "artifactLocation": { "uri": file }, "region": region } }]));
        }
        one
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": VERSION,
        "runs": [{
            "tool": { "driver": { "name": tool, "version": version, "rules": rules.iter().map(|r| json!({ "id": r })).collect::<Vec<_>>() } },
            "results": results.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let one = Result {
            level: Level::Error,
            rule: "gate/a".into(),
            message: "no".into(),
            file: Some("a b.py".into()),
            line: Some(3),
            tool: "t".into(),
        };
        assert_eq!(read(&write("t", "1", std::slice::from_ref(&one)).to_string()).unwrap(), [one]);
        assert!(read(&write("t", "1", &[]).to_string()).unwrap().is_empty());
    }

    #[test]
    fn levels_and_messages_come_from_rules_and_suppressed_ones_are_left_out() {
        let text = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x","rules":[{"id":"R1","defaultConfiguration":{"level":"error"},"messageStrings":{"default":{"text":"from the rule"}}}]}},
            "results":[{"ruleId":"R1","message":{"id":"default"}},{"ruleId":"R1","message":{"text":"old"},"suppressions":[{"kind":"inSource"}]},{"ruleId":"R2","kind":"pass","message":{"text":"fine"}}]}]}"#;
        let found = read(text).unwrap();
        assert_eq!(found.iter().map(Result::line).collect::<Vec<_>>(), ["from the rule (R1, error)"]);
        assert!(matches!(read(r#"{"version":"2.1.0","runs":[]}"#), Err(SarifError::NoRun)), "nobody looked is not clean");
        assert!(matches!(read(r#"{"version":"2.0.0"}"#), Err(SarifError::Version(_))));
    }
}
