//! A bundle: one archive with all that serves one version of a model where there is no network. Its members and its manifest.
//!
//! Members have fixed names, so nothing that is unpacked can lie elsewhere; each name has a limit of its own. The manifest names
//! the digest of every member but itself and the signature over it. Not here: bytes of archives ([`crate::tar`]), files, keys.

use serde::{Deserialize, Serialize};

/// The form that is written, and the newest that is read.
pub const FORM: u64 = 1;
/// The manifest's name.
pub const MANIFEST: &str = "bundle.json";
/// The name of the signature over the manifest's digest: a signed note.
pub const SIGNATURE: &str = "bundle.sig";
/// The program's name.
pub const PROGRAM: &str = "tidegate";
/// ONNX Runtime's name.
pub const LIBRARY: &str = "lib/libonnxruntime.so";
/// The folder that a worker loads.
pub const MODEL_FOLDER: &str = "model";
/// The registered version as the journal has it: signature, lineage, metrics.
pub const RECORD: &str = "model/version.json";
/// The golden requests with their answers.
pub const GOLDEN: &str = "model/golden.json";
/// The transform, where the version has one.
pub const TRANSFORM: &str = "model/transform.json";
/// Longest name of a model or a version, in characters.
pub const NAME_CHARS_MAX: usize = 256;
/// First line of the text that is signed.
const SIGNED: &str = "tidegate bundle";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A member that a bundle may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Most bytes of it.
    pub bytes_max: u64,
    /// What it is, for people.
    pub what: &'static str,
}

/// Every member that a bundle may have, in the order in which they are written. There is no other.
pub const RULES: [Rule; 11] = [
    Rule { name: MANIFEST, bytes_max: MIB, what: "manifest" },
    Rule { name: SIGNATURE, bytes_max: 64 * KIB, what: "signature" },
    Rule { name: PROGRAM, bytes_max: 4 * GIB, what: "program" },
    Rule { name: LIBRARY, bytes_max: 2 * GIB, what: "ONNX Runtime" },
    Rule { name: "model/model.onnx", bytes_max: 2 * GIB, what: "model" },
    Rule { name: "model/model.json", bytes_max: GIB, what: "model" },
    Rule { name: "model/model.ubj", bytes_max: GIB, what: "model" },
    Rule { name: "model/model.txt", bytes_max: GIB, what: "model" },
    Rule { name: TRANSFORM, bytes_max: 64 * MIB, what: "transform" },
    Rule { name: GOLDEN, bytes_max: 256 * MIB, what: "golden requests" },
    Rule { name: RECORD, bytes_max: 16 * MIB, what: "version" },
];

/// The rule of a name; none where no member is called so.
#[must_use]
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// A member as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest: 64 lower-case hex digits.
    pub sha256: String,
}

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form.
    pub tidegate_bundle: u64,
    /// Name of the model in the protocol's paths.
    pub model: String,
    /// The version.
    pub version: String,
    /// What kind of model file it is, as the protocol names it.
    pub platform: String,
    /// The processor that the program is for, as `x86_64`.
    pub machine: String,
    /// Version of the program that made it.
    pub made_by: String,
    /// Public key that signed it: whether it is the right one, only who has it from elsewhere can tell.
    pub signer: String,
    /// Every member but the manifest and its signature.
    pub members: Vec<Member>,
}

/// A manifest that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A newer form.
    #[error("it is of form {form}, and this program reads up to {FORM}: run it with the program of the bundle, or a newer one")]
    Newer {
        /// Its form.
        form: u64,
    },
    /// No manifest.
    #[error("{MANIFEST} is no manifest of a bundle: {why}")]
    Form {
        /// Why.
        why: String,
    },
    /// A member that no bundle has.
    #[error("{MANIFEST} names `{name}`, and no bundle has such a member")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A member that stands there twice.
    #[error("{MANIFEST} names `{name}` twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// A member that is too long.
    #[error("{MANIFEST} says that `{name}` has {bytes} bytes: at most {bytes_max} are taken")]
    Long {
        /// Its name.
        name: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A member that every bundle has is not there.
    #[error("{MANIFEST} does not name {what}, without which nothing can be served")]
    Missing {
        /// What.
        what: &'static str,
    },
}

impl Manifest {
    /// As the manifest's bytes; the same content is the same bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A struct of texts and numbers is always JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a manifest, and holds it against the rules.
    ///
    /// # Errors
    /// When it is none, is newer than this program, or names what no bundle has.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        /// What every form has, however new.
        #[derive(Deserialize)]
        struct Form {
            tidegate_bundle: u64,
        }
        let wrong = |error: serde_json::Error| ManifestError::Form { why: error.to_string() };
        let Form { tidegate_bundle: form } = serde_json::from_slice(bytes).map_err(wrong)?;
        if form > FORM {
            return Err(ManifestError::Newer { form });
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(wrong)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Holds it against the rules.
    ///
    /// # Errors
    /// At the first one that it breaks.
    pub fn check(&self) -> Result<(), ManifestError> {
        for (what, name) in [("model", &self.model), ("version", &self.version)] {
            if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(|c| c.is_control() || c == '/') {
                let why = format!("`{what}` is a name of 1 to {NAME_CHARS_MAX} characters without slashes and control characters");
                return Err(ManifestError::Form { why });
            }
        }
        for (index, member) in self.members.iter().enumerate() {
            let name = member.name.clone();
            let Some(rule) = rule(&name).filter(|rule| ![MANIFEST, SIGNATURE].contains(&rule.name)) else {
                return Err(ManifestError::Unknown { name });
            };
            if self.members.iter().take(index).any(|other| other.name == name) {
                return Err(ManifestError::Twice { name });
            }
            if member.bytes > rule.bytes_max {
                return Err(ManifestError::Long { name, bytes: member.bytes, bytes_max: rule.bytes_max });
            }
            if !is_sha256(&member.sha256) {
                return Err(ManifestError::Form { why: format!("the digest of `{name}` is not 64 lower-case hex digits") });
            }
        }
        for (name, what) in [(PROGRAM, "the program"), (GOLDEN, "golden requests"), (RECORD, "the registered version")] {
            self.member(name).ok_or(ManifestError::Missing { what })?;
        }
        match self.members.iter().filter(|member| rule(&member.name).is_some_and(|rule| rule.what == "model")).count() {
            1 => Ok(()),
            0 => Err(ManifestError::Missing { what: "a model" }),
            _ => Err(ManifestError::Form { why: "it names two models".to_owned() }),
        }
    }

    /// A member by its name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// The text that is signed for a manifest with this digest.
#[must_use]
pub fn signed_text(manifest_sha256: &str) -> String {
    format!("{SIGNED}\nsha256:{manifest_sha256}\n")
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn whole() -> Value {
        let member = |name: &str| json!({ "name": name, "bytes": 7, "sha256": "0".repeat(64) });
        json!({
            "tidegate_bundle": 1, "model": "m", "version": "2", "platform": "lightgbm_text", "machine": "x86_64", "made_by": "0.1.0", "signer": "k",
            "members": [member(PROGRAM), member("model/model.txt"), member(GOLDEN), member(RECORD)]
        })
    }

    fn says(change: impl FnOnce(&mut Value)) -> String {
        let mut manifest = whole();
        change(&mut manifest);
        Manifest::parse(manifest.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let manifest = Manifest::parse(whole().to_string().as_bytes()).unwrap();
        assert_eq!(Manifest::parse(manifest.to_json().as_bytes()), Ok(manifest));
    }

    #[test]
    fn what_no_bundle_has_is_refused_by_name() {
        assert!(says(|m| m["tidegate_bundle"] = json!(2)).contains("it is of form 2, and this program reads up to 1"));
        // A newer form may have more in it: it is told as newer, not as wrong.
        assert!(says(|m| *m = json!({ "tidegate_bundle": 9, "new": true })).contains("it is of form 9"));
        for name in ["../x", "/etc/passwd", "model/../../x", "model/other.json", "bundle.json", "bundle.sig", "./tidegate", ""] {
            assert_eq!(
                says(|m| m["members"][0]["name"] = json!(name)),
                format!("bundle.json names `{name}`, and no bundle has such a member")
            );
        }
        assert!(says(|m| m["members"][0]["name"] = json!(GOLDEN)).contains("names `model/golden.json` twice"));
        assert!(says(|m| m["members"][0]["bytes"] = json!(5 * GIB)).contains("`tidegate` has 5368709120 bytes: at most 4294967296"));
        assert!(says(|m| m["members"][2]["sha256"] = json!("A".repeat(64))).contains("the digest of `model/golden.json`"));
        assert!(says(|m| m["members"][1]["name"] = json!(LIBRARY)).contains("does not name a model"));
        assert!(says(|m| m["members"][3]["name"] = json!(LIBRARY)).contains("does not name the registered version"));
        assert!(says(|m| m["more"] = json!(1)).contains("unknown field `more`"));
        assert!(says(|m| m["model"] = json!("a/b")).contains("`model` is a name"));
        let two =
            says(|m| m["members"].as_array_mut().unwrap().push(json!({ "name": "model/model.ubj", "bytes": 1, "sha256": "0".repeat(64) })));
        assert!(two.contains("it names two models"), "{two}");
    }
}
