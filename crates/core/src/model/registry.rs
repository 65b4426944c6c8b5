//! The registry as a machine: versions are registered once and never change; aliases move.

use crate::gate::GateReport;
use crate::id::{At, Digest};
use crate::machine::Machine;
use crate::model::{Interface, Signature};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Where a version came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// Pipeline run that wrote the artefact.
    pub run: String,
    /// Code revision, with `+dirty:<digest>` when the work tree differed.
    pub code: String,
    /// Digests of the run's inputs by path.
    pub data: IndexMap<String, String>,
    /// Digest of the environment's lock file.
    pub environment: Option<String>,
    /// Parameters of the run.
    pub params: serde_json::Value,
    /// Name of the change that asked for it.
    pub change: String,
}

/// An immutable version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Model.
    pub model: String,
    /// Version, as `2`.
    pub version: String,
    /// Digest of the model file.
    pub artifact: Digest,
    /// Digest of the transform's file, where there is one.
    pub transform: Option<Digest>,
    /// Digest of the golden requests with their answers.
    pub golden: Option<Digest>,
    /// Digest of the reference profile of its inputs (for drift).
    pub profile: Option<Digest>,
    /// Inputs and outputs of the model file.
    pub signature: Signature,
    /// What it gives to others and takes from them.
    #[serde(default, skip_serializing_if = "Interface::is_empty")]
    pub interface: Interface,
    /// Metrics that the pipeline wrote.
    pub metrics: serde_json::Value,
    /// Where it came from.
    pub lineage: Lineage,
    /// When it was registered.
    pub at: At,
}

/// What happened to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A version was registered.
    Registered {
        /// The version.
        version: Box<ModelVersion>,
    },
    /// Gates were evaluated on a version.
    Gated {
        /// The version.
        version: String,
        /// All gates.
        report: GateReport,
        /// When.
        at: At,
    },
    /// An alias points to a version now.
    AliasMoved {
        /// `champion`, `challenger` or another name.
        alias: String,
        /// The version, or none when the alias was removed.
        version: Option<String>,
        /// Why, in words.
        why: String,
        /// When.
        at: At,
    },
}

/// What somebody wants of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Register a version; the same artefacts from the same run are the same version.
    Register(Box<ModelVersion>),
    /// Record gates.
    Gate {
        /// The version.
        version: String,
        /// All gates.
        report: GateReport,
        /// When.
        at: At,
    },
    /// Point an alias.
    MoveAlias {
        /// The alias.
        alias: String,
        /// The version.
        version: Option<String>,
        /// Why, in words.
        why: String,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A version is immutable.
    #[error("register {model} version {version}: it exists with other artefacts: register the new ones under the next free version")]
    Immutable {
        /// Model.
        model: String,
        /// Version.
        version: String,
    },
    /// No such version.
    #[error("version {version} is not registered: `tidegate model list` shows those that are")]
    Unknown {
        /// Version.
        version: String,
    },
}

/// A model's fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Versions in order of registration.
    pub versions: IndexMap<String, ModelVersion>,
    /// The newest gate report of each version.
    pub gates: IndexMap<String, GateReport>,
    /// Aliases.
    pub aliases: IndexMap<String, String>,
}

impl State {
    /// The next free version number.
    #[must_use]
    pub fn next_version(&self) -> String {
        let highest = self.versions.keys().filter_map(|v| v.parse::<u64>().ok()).max().unwrap_or(0);
        (highest + 1).to_string()
    }
}

/// The registry of one model; its stream is `model/<name>`.
#[derive(Clone, Copy, Debug)]
pub struct Models;

impl Machine for Models {
    const KIND: &'static str = "model";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Register(new) => match state.versions.get(&new.version) {
                None => Ok(vec![Event::Registered { version: new.clone() }]),
                Some(old) if old.artifact == new.artifact && old.transform == new.transform => Ok(vec![]),
                Some(_) => Err(Refused::Immutable { model: new.model.clone(), version: new.version.clone() }),
            },
            Command::Gate { version, report, at } => {
                known(state, version)?;
                Ok(vec![Event::Gated { version: version.clone(), report: report.clone(), at: *at }])
            }
            Command::MoveAlias { alias, version, why, at } => {
                if let Some(version) = version {
                    known(state, version)?;
                }
                if state.aliases.get(alias) == version.as_ref() {
                    return Ok(vec![]);
                }
                Ok(vec![Event::AliasMoved { alias: alias.clone(), version: version.clone(), why: why.clone(), at: *at }])
            }
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Registered { version } => {
                state.versions.insert(version.version.clone(), (**version).clone());
            }
            Event::Gated { version, report, .. } => {
                state.gates.insert(version.clone(), report.clone());
            }
            Event::AliasMoved { alias, version: Some(version), .. } => {
                state.aliases.insert(alias.clone(), version.clone());
            }
            Event::AliasMoved { alias, version: None, .. } => {
                state.aliases.shift_remove(alias);
            }
        }
        state
    }
}

fn known(state: &State, version: &str) -> Result<(), Refused> {
    if state.versions.contains_key(version) { Ok(()) } else { Err(Refused::Unknown { version: version.to_owned() }) }
}
