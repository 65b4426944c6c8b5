//! Registers what a pipeline wrote as an immutable version: artefacts by content, signature, golden answers, lineage.

use crate::clock;
use crate::daemon::control::Control;
use crate::daemon::{conduct, upstreams};
use crate::exit::{self, failure};
use crate::workspace::read_text;
use anyhow::{Context as _, Result};
use std::num::NonZero;
use std::path::Path;
use tidegate_core::id::Digest;
use tidegate_core::machine::Machine as _;
use tidegate_core::model::{Command, Declared, FIELDS_MAX, Field, Interface, Lineage, ModelVersion, Models, Signature};
use tidegate_port::Blobs as _;
use tidegate_runtime::{Execution, Format, Golden, Version};
use tidegate_serve::remote::{RemoteModel, describe};
use tidegate_store::FsBlobs;
use tidegate_wire::config::{Model, Workspace, Written};
use tidegate_wire::contract::SuiteOptions;

/// What a work tree offers for registration.
pub struct Offer<'a> {
    /// The work tree.
    pub root: &'a Path,
    /// Name of the model.
    pub name: &'a str,
    /// The model as configured.
    pub model: &'a Model,
    /// The whole configuration: an upstream may answer for the version.
    pub config: &'a Workspace,
    /// Where it comes from.
    pub lineage: Lineage,
    /// Metrics that the pipeline wrote.
    pub metrics: serde_json::Value,
}

/// The stream of a model.
pub fn stream(model: &str) -> String {
    format!("{}/{model}", Models::KIND)
}

/// Registers the offer; the same artefacts are the version that they were before.
///
/// # Errors
/// When a file is missing or wrong, golden requests cannot be answered, or a store fails.
pub fn register(offer: &Offer<'_>, control: &Control, blobs: &FsBlobs) -> Result<ModelVersion> {
    let artifact_path = offer.root.join(&offer.model.artifact);
    if !artifact_path.is_file() {
        let message = format!(
            "register {}: the pipeline wrote no {}: name the stage's output in `models.{}.artifact`",
            offer.name, offer.model.artifact, offer.name
        );
        return Err(failure(exit::NOT_FOUND, message));
    }
    let bytes = std::fs::read(&artifact_path).with_context(|| format!("read {}", artifact_path.display()))?;
    let remote = elsewhere(offer, &bytes)?;
    let bytes = remote.as_ref().map_or(bytes, |model| model.to_json().into_bytes());
    let artifact = Digest::of(&bytes);
    let transform = offer.model.transform.as_deref().map(|file| transform_json(offer.root, file)).transpose()?;
    let state = control.state_blocking::<Models>(stream(offer.name))?;
    let transform_digest = transform.as_ref().map(|json| Digest::of(json.as_bytes()));
    let interface = interface(offer.root, offer.model)?;
    let same = state.versions.values().find(|v| {
        let files = v.artifact == artifact && v.transform == transform_digest && v.golden.is_some() == offer.model.golden.is_some();
        files && v.interface == interface
    });
    if let Some(known) = same {
        return Ok(known.clone());
    }
    let (signature, golden) = match remote {
        Some(remote) => described(offer, remote)?,
        None => tried(offer, &artifact_path, &bytes, transform.as_deref())?,
    };
    blobs.put(&bytes)?;
    let put = |text: &Option<String>| text.as_ref().map(|t| blobs.put(t.as_bytes())).transpose();
    let reference = offer.model.drift.as_ref().and_then(|d| d.reference.as_deref()).or_else(|| super::offline::reference_path(offer.model));
    let profile = reference
        .map(|file| blobs.put_file(&offer.root.join(file)).with_context(|| format!("keep the reference rows {file}")))
        .transpose()?;
    let version = ModelVersion {
        model: offer.name.to_owned(),
        version: state.next_version(),
        artifact,
        transform: put(&transform)?,
        golden: put(&golden)?,
        profile,
        signature,
        interface,
        metrics: offer.metrics.clone(),
        lineage: offer.lineage.clone(),
        at: clock::now(),
    };
    control.execute_blocking::<Models>(stream(offer.name), Command::Register(Box::new(version.clone())))?;
    Ok(version)
}

/// What the version gives and takes, with the columns of contracts as they are now.
fn interface(root: &Path, model: &Model) -> Result<Interface> {
    let declared = |(name, written): (&String, &Written)| -> Result<(String, Declared)> {
        let declared = match written {
            Written::Own => Declared::Own,
            Written::Fields(fields) => Declared::Fields(fields.clone()),
            Written::Contract(file) => {
                let fields = columns(root, name, file)?;
                anyhow::ensure!(
                    fields.len() <= FIELDS_MAX,
                    "{file} names {} columns: at most {FIELDS_MAX} go into what a version declares",
                    fields.len()
                );
                Declared::Fields(fields)
            }
        };
        Ok((name.clone(), declared))
    };
    let interfaces = &model.interfaces;
    let (gives, takes) =
        (interfaces.gives.iter().map(declared).collect::<Result<_>>()?, interfaces.takes.iter().map(declared).collect::<Result<_>>()?);
    Ok(Interface { gives, takes })
}

/// What a contract says of the columns of a dataset.
///
/// # Errors
/// When it cannot be read.
pub fn columns(root: &Path, name: &str, file: &str) -> Result<Vec<Field>> {
    let options = SuiteOptions { object: Some(name.to_owned()), ..SuiteOptions::default() };
    Ok(Field::of_contract(&super::check::contract(&root.join(file), file, &options)?))
}

fn transform_json(root: &Path, file: &str) -> Result<String> {
    let text = read_text(&root.join(file))?;
    let transform = tidegate_wire::transform::load(&text, file).map_err(|problems| failure(exit::USAGE, problems.to_string()))?;
    transform.to_json().map_err(|e| failure(exit::USAGE, format!("{file}: {e}")))
}

fn golden_of(root: &Path, file: &str) -> Result<Golden> {
    let bytes = std::fs::read(root.join(file)).with_context(|| format!("read the golden requests {file}"))?;
    Golden::parse(&bytes).map_err(|e| failure(exit::USAGE, format!("{file}: {e}")))
}

fn golden_json(file: &str, recorded: &Golden) -> Result<String> {
    recorded.to_json().map_err(|e| failure(exit::USAGE, format!("{file}: {e}")))
}

/// What a model's file says of who answers, where it is not the model itself.
fn elsewhere(offer: &Offer<'_>, bytes: &[u8]) -> Result<Option<RemoteModel>> {
    if !RemoteModel::is_one(bytes) {
        return Ok(None);
    }
    let unfit = |why: &str| failure(exit::USAGE, format!("register {}: {}: {why}", offer.name, offer.model.artifact));
    if offer.model.transform.is_some() {
        return Err(unfit("an upstream answers it, which takes the model's own tensors: leave `transform` out"));
    }
    RemoteModel::parse(bytes).map(Some).map_err(|why| unfit(&why))
}

/// Signature and golden answers of a version that an upstream answers.
fn described(offer: &Offer<'_>, remote: RemoteModel) -> Result<(Signature, Option<String>)> {
    let upstream = upstreams::named(offer.config, offer.root, &remote.upstream)?;
    let golden = offer.model.golden.as_deref().map(|file| Ok::<_, anyhow::Error>((file, golden_of(offer.root, file)?))).transpose()?;
    let asked = describe(upstream, remote, golden.as_ref().map(|(_, golden)| golden));
    let (described, recorded) = tokio::runtime::Handle::current().block_on(asked).with_context(|| format!("register {}", offer.name))?;
    let json = golden.zip(recorded).map(|((file, _), recorded)| golden_json(file, &recorded)).transpose()?;
    Ok((described.signature, json))
}

/// Signature and golden answers of a version whose file is here.
fn tried(offer: &Offer<'_>, artifact: &Path, bytes: &[u8], transform: Option<&str>) -> Result<(Signature, Option<String>)> {
    let executions = conduct::executions(offer.config, offer.name);
    let trial = Trial::make(artifact, bytes, transform, executions.first().map(|(_, execution)| execution))?;
    if trial.version.format().needs_library() {
        // Where another service could not carry it out, its release would fail: that is said now.
        for (service, execution) in &executions {
            let there = execution.providers_there(artifact);
            there.map_err(|why| failure(exit::USAGE, format!("register {}: services.{service}.serving.providers: {why}", offer.name)))?;
        }
    }
    let record = |file: &String| {
        let recorded =
            trial.version.record_golden(&golden_of(offer.root, file)?).with_context(|| format!("answer the golden requests {file}"))?;
        golden_json(file, &recorded)
    };
    let golden = offer.model.golden.as_ref().map(record).transpose()?;
    Ok((trial.version.signature().clone(), golden))
}

/// A version laid out in a folder of its own, to be asked before it is registered.
struct Trial {
    version: Version,
    _folder: tempfile::TempDir,
}

impl Trial {
    fn make(artifact: &Path, bytes: &[u8], transform: Option<&str>, execution: Option<&Execution>) -> Result<Trial> {
        let unfit = |why: String| failure(exit::USAGE, format!("register {}: {why}", artifact.display()));
        let format = Format::of(bytes).map_err(unfit)?;
        let folder = tempfile::tempdir().context("make a folder for a version")?;
        let copy = folder.path().join(format.file_name());
        std::fs::write(&copy, bytes).with_context(|| format!("copy {}", artifact.display()))?;
        if let Some(json) = transform {
            std::fs::write(folder.path().join("transform.json"), json).context("write a transform")?;
        }
        let execution = execution.cloned().unwrap_or_default();
        let version = Version::open_on(folder.path(), NonZero::<usize>::MIN, &execution).map_err(|e| {
            // Named by the file that the user has, not by our copy of it.
            unfit(e.to_string().replace(&copy.display().to_string(), &artifact.display().to_string()))
        })?;
        Ok(Trial { version, _folder: folder })
    }
}
