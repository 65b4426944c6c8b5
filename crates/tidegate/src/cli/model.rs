//! `tidegate model`: versions with their lineage and gates, read from the journal.

use super::{Context, quantise};
use crate::exit::{self, failure};
use crate::show;
use crate::workspace;
use anyhow::Result;
use clap::Subcommand;
use tidegate_core::machine::Machine as _;
use tidegate_core::model::{ModelVersion, Models, State};
use tidegate_engine::Engine;
use tidegate_port::Journal as _;

/// What can be asked of models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Lists all versions
    List,
    /// Shows one version: lineage, signature, gates
    Show {
        /// Model
        model: String,
        /// Version, or an alias such as `champion`
        version: String,
    },
    /// Writes a smaller ONNX model, weights and inputs of matrix products as int8, if its answers stay near enough
    Quantise(quantise::QuantiseArgs),
}

/// Every model with what happened to it.
///
/// # Errors
/// When there is no journal, or it cannot be read.
pub(super) fn states(context: &Context) -> Result<Vec<(String, State)>> {
    let places = workspace::places(&context.dir)?;
    if !places.may_have_journal() {
        return Err(failure(exit::NOT_FOUND, "list models: there is no journal yet: `tidegate up` begins one"));
    }
    let mut journal = places.journal()?.open_read_only()?;
    let streams = journal.streams(&format!("{}/", Models::KIND))?;
    let mut engine = Engine::new(journal);
    streams
        .into_iter()
        .map(|s| Ok((s.split_once('/').map_or(String::new(), |(_, name)| name.to_owned()), engine.state::<Models>(&s)?)))
        .collect()
}

/// A version by its number or an alias, with all that happened to its model; `verb` names the operation in messages.
///
/// # Errors
/// When there is none.
pub(super) fn named<'s>(states: &'s [(String, State)], verb: &str, model: &str, version: &str) -> Result<(&'s ModelVersion, &'s State)> {
    let state = states.iter().find(|(name, _)| name == model).map(|(_, state)| state);
    let found = state.and_then(|s| Some((s.versions.get(s.aliases.get(version).map_or(version, String::as_str))?, s)));
    found.ok_or_else(|| {
        failure(exit::NOT_FOUND, format!("{verb} {model} version {version}: there is none: `tidegate model list` shows those that are"))
    })
}

/// Carries it out.
pub fn model(context: &Context, command: &ModelCommand) -> Result<u8> {
    if let ModelCommand::Quantise(args) = command {
        return quantise::quantise(context, args);
    }
    let states = states(context)?;
    match command {
        ModelCommand::List => {
            let mut rows = vec![];
            for (model, state) in &states {
                for v in state.versions.values() {
                    let aliases: Vec<&str> =
                        state.aliases.iter().filter(|(_, a)| **a == v.version).map(|(name, _)| name.as_str()).collect();
                    let gates = state.gates.get(&v.version).map_or("none yet", |r| if r.passed() { "passed" } else { "failed" });
                    rows.push(vec![
                        model.clone(),
                        v.version.clone(),
                        aliases.join(" "),
                        gates.to_owned(),
                        v.lineage.change.clone(),
                        v.artifact.short().to_owned(),
                    ]);
                }
            }
            if context.json {
                let versions: Vec<_> = states.iter().flat_map(|(_, s)| s.versions.values()).collect();
                show::json(&versions)?;
            } else {
                show::line(&show::table(&["Model", "Version", "Aliases", "Gates", "Change", "Artefact"], rows))?;
            }
        }
        ModelCommand::Show { model, version } => {
            let (found, state) = named(&states, "show", model, version)?;
            let gates = state.gates.get(&found.version);
            if context.json {
                show::json(&serde_json::json!({ "version": found, "gates": gates }))?;
            } else {
                show::line(&serde_json::to_string_pretty(found)?)?;
                for o in gates.into_iter().flat_map(|g| &g.outcomes) {
                    show::line(&format!("gate {}: {:?}: {}", o.name, o.verdict, o.why))?;
                }
            }
        }
        // Answered above.
        ModelCommand::Quantise(_) => {}
    }
    Ok(exit::OK)
}
