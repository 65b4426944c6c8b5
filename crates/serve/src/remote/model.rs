//! What a version is that somebody else answers: which upstream, and which model and version there.

use crate::language::OpenAi;
use serde::{Deserialize, Serialize};

pub use tidegate_runtime::REMOTE_FILE;

/// Longest such file.
pub const REMOTE_FILE_BYTES_MAX: usize = 64 * 1024;
const NAME_CHARS_MAX: usize = 256;

/// A version that is answered elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteModel {
    /// Name of the upstream, which knows the addresses: they may change while the version stays what it is.
    pub upstream: String,
    /// The model's name there.
    pub model: String,
    /// Its version there; without one the upstream chooses, and what it answers may change behind the version's back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The output that is the score, which the judge compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<RemoteScore>,
    /// How it is asked where its servers speak OpenAI's API and not the Open Inference Protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openai: Option<OpenAi>,
}

/// Where in an answer the score stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteScore {
    /// Name of the output.
    pub output: String,
    /// Its column, where a row has several.
    #[serde(default)]
    pub column: usize,
}

impl RemoteModel {
    /// Whether a model's file is one of these: JSON with an `upstream`.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "upstream")]
            _upstream: String,
        }
        bytes.len() <= REMOTE_FILE_BYTES_MAX && serde_json::from_slice::<Head>(bytes).is_ok()
    }

    /// Reads `remote.json`.
    ///
    /// # Errors
    /// A sentence, when it is not that.
    pub fn parse(bytes: &[u8]) -> Result<RemoteModel, String> {
        let found: RemoteModel = serde_json::from_slice(bytes).map_err(|error| format!("a model that an upstream answers: {error}"))?;
        for (what, name) in [("upstream", Some(&found.upstream)), ("model", Some(&found.model)), ("version", found.version.as_ref())] {
            let Some(name) = name else { continue };
            if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control) {
                return Err(format!("a model that an upstream answers: `{what}` must be 1 to {NAME_CHARS_MAX} printable characters"));
            }
        }
        if let Some(openai) = &found.openai {
            openai.check().map_err(|why| format!("a model that an upstream answers: {why}"))?;
            if let Some(what) = [("version", found.version.is_some()), ("score", found.score.is_some())].iter().find(|(_, there)| *there) {
                return Err(format!("a model that an upstream answers: `{}` means nothing where `openai` is given", what.0));
            }
        }
        Ok(found)
    }

    /// As it is kept; the same model gives the same bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and numbers alone: writing them does not fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// The path of the model in the protocol, with its names as the path needs them.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        let mut path = "/v2/models/".to_owned();
        escape(&mut path, &self.model);
        if let Some(version) = &self.version {
            path.push_str("/versions/");
            escape(&mut path, version);
        }
        path
    }
}

/// Everything but unreserved characters as `%XX`.
fn escape(out: &mut String, name: &str) {
    use std::fmt::Write as _;
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Writing into a text does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_elsewhere_is_told_by_its_upstream() {
        let text = br#"{"upstream": "triton", "model": "rank er/1", "version": "3"}"#;
        let found = RemoteModel::parse(text).unwrap();
        assert_eq!(found.path(), "/v2/models/rank%20er%2F1/versions/3");
        assert_eq!(RemoteModel::parse(found.to_json().as_bytes()), Ok(found));
        assert!(RemoteModel::is_one(text) && !RemoteModel::is_one(br#"{"learner": {}, "version": [2, 0, 0]}"#));
        for bad in [&br#"{"upstream": "t"}"#[..], br#"{"upstream": "", "model": "m"}"#, br#"{"upstream": "t", "model": "m", "url": "x"}"#] {
            assert!(RemoteModel::parse(bad).unwrap_err().starts_with("a model that an upstream answers: "));
        }
    }
}
