//! Makes a bundle: a registered version out of the blobs, the program and the library it runs in, one file.

use super::archive::{self, Content, Writer};
use super::libraries;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tidegate_core::model::ModelVersion;
use tidegate_port::Blobs as _;
use tidegate_runtime::Format;
use tidegate_serve::remote::RemoteModel;
use tidegate_store::FsBlobs;
use tidegate_store::tlog::{LogSigner, note};
use tidegate_wire::bundle::{self, FORM, GOLDEN, LIBRARY, MANIFEST, MODEL_FOLDER, Manifest, Member, PROGRAM, RECORD, SIGNATURE, TRANSFORM};

/// What a bundle is made of.
pub struct Wanted {
    /// The registered version.
    pub version: ModelVersion,
    /// The program that serves it.
    pub program: PathBuf,
    /// ONNX Runtime, for a model that needs it.
    pub library: Option<PathBuf>,
}

/// The parts of a bundle, digested and not yet written.
pub struct Parts {
    /// What they are.
    pub manifest: Manifest,
    /// Their contents, in the order of the manifest.
    contents: Vec<Content>,
}

/// What kind of model a version has.
///
/// # Errors
/// When it cannot be taken elsewhere, or its blob is missing.
pub fn format(version: &ModelVersion, blobs: &FsBlobs) -> Result<Format> {
    let unfit = |why: &str| failure(exit::REFUSED, format!("bundle {} version {}: {why}", version.model, version.version));
    if version.golden.is_none() {
        return Err(unfit(
            "it has no golden requests, so nothing would show elsewhere that it answers right: register it with `models.NAME.golden`",
        ));
    }
    let artifact = blobs.get(&version.artifact)?;
    if RemoteModel::is_one(&artifact) {
        return Err(unfit("an upstream answers it: there is no model here that could be taken elsewhere"));
    }
    Format::of(&artifact).map_err(|why| unfit(&why))
}

impl Parts {
    /// Gathers and digests them.
    ///
    /// # Errors
    /// When one cannot be read, is over its limit, or program and library are for different machines.
    pub fn gather(wanted: &Wanted, blobs: &FsBlobs, signer: &LogSigner) -> Result<Parts> {
        let version = &wanted.version;
        let format = format(version, blobs)?;
        let machine = libraries::machine(&wanted.program)?;
        let mut contents = vec![(PROGRAM.to_owned(), Content::File(wanted.program.clone()))];
        if let Some(library) = wanted.library.as_ref().filter(|_| format.needs_library()) {
            let other = libraries::machine(library)?;
            if other != machine {
                let why = format!(
                    "bundle {}: the program is for {machine} and {} for {other}: name the library for {machine} with --library",
                    version.model,
                    library.display()
                );
                return Err(failure(exit::USAGE, why));
            }
            contents.push((LIBRARY.to_owned(), Content::File(library.clone())));
        }
        contents.push((format!("{MODEL_FOLDER}/{}", format.file_name()), Content::Bytes(blobs.get(&version.artifact)?)));
        for (name, digest) in [(TRANSFORM, version.transform.as_ref()), (GOLDEN, version.golden.as_ref())] {
            if let Some(digest) = digest {
                contents.push((name.to_owned(), Content::Bytes(blobs.get(digest)?)));
            }
        }
        contents.push((RECORD.to_owned(), Content::Bytes((serde_json::to_string_pretty(version)? + "\n").into_bytes())));
        let mut members = vec![];
        for (name, content) in &contents {
            let (bytes, sha256) = content.digest()?;
            members.push(Member { name: name.clone(), bytes, sha256 });
        }
        let manifest = Manifest {
            tidegate_bundle: FORM,
            model: version.model.clone(),
            version: version.version.clone(),
            platform: format.platform().to_owned(),
            machine: machine.to_owned(),
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            signer: signer.verifier().vkey(),
            members,
        };
        manifest.check().map_err(|why| failure(exit::USAGE, format!("bundle {} version {}: {why}", version.model, version.version)))?;
        Ok(Parts { manifest, contents: contents.into_iter().map(|(_, content)| content).collect() })
    }

    /// Writes the bundle as one file, packed where the name says so; every member gets the time `time_s`, in seconds since the Unix
    /// epoch, so that the same input is the same bytes. The digest of its manifest.
    ///
    /// # Errors
    /// When there is such a file, a part was changed meanwhile, or the disk refuses.
    pub fn write(&self, path: &Path, signer: &LogSigner, time_s: u64) -> Result<String> {
        if path.exists() {
            return Err(failure(
                exit::REFUSED,
                format!("write {}: it exists, and is not overwritten: remove it, or name another file", path.display()),
            ));
        }
        let file = archive::beside(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let out = BufWriter::new(file.as_file());
        let sha256 = if name.ends_with(".gz") || name.ends_with(".tgz") {
            let (sha256, packed) = self.archive(GzEncoder::new(out, Compression::default()), signer, time_s)?;
            packed.finish().and_then(|mut out| out.flush()).with_context(|| format!("write {}", path.display()))?;
            sha256
        } else {
            self.archive(out, signer, time_s)?.0
        };
        readable(&file)?;
        file.as_file().sync_all().with_context(|| format!("write {}", path.display()))?;
        file.persist_noclobber(path).with_context(|| format!("write {}", path.display()))?;
        Ok(sha256)
    }

    fn archive<W: Write>(&self, out: W, signer: &LogSigner, time_s: u64) -> Result<(String, W)> {
        let manifest = self.manifest.to_json().into_bytes();
        let sha256 = archive::sha256(&manifest);
        let signature = note::sign(&bundle::signed_text(&sha256), signer).into_bytes();
        let mut writer = Writer::new(out, time_s);
        writer.file(MANIFEST, false, &Content::Bytes(manifest))?;
        writer.file(SIGNATURE, false, &Content::Bytes(signature))?;
        for (member, content) in self.manifest.members.iter().zip(&self.contents) {
            let (_, now) = writer.file(&member.name, member.name == PROGRAM, content)?;
            anyhow::ensure!(now == member.sha256, "write {}: it was changed while it was read: try again", member.name);
        }
        Ok((sha256, writer.end()?))
    }
}

/// Nothing in it is a secret: readable as files are, not for its owner alone.
fn readable(file: &tempfile::NamedTempFile) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).with_context(|| format!("write {}", file.path().display()))
}
