//! A bundle as it was received: every member held against the manifest before anything of it is used.

use super::archive::{self, Content, Digested};
use crate::exit::{self, failure};
use anyhow::{Context as _, Result, anyhow};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidegate_core::id::Digest;
use tidegate_core::model::ModelVersion;
use tidegate_store::tlog::{LogVerifier, note};
use tidegate_wire::bundle::{self, GOLDEN, LIBRARY, MANIFEST, MODEL_FOLDER, Manifest, PROGRAM, RECORD, SIGNATURE, TRANSFORM};
use tidegate_wire::tar::{Header, Kind};

/// First bytes of a file that is packed with gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A bundle whose members are those of its manifest.
pub struct Opened {
    /// Where its members lie.
    pub dir: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The digest of the manifest, which stands for the whole.
    pub sha256: String,
    /// The registered version.
    pub version: ModelVersion,
    /// Made for it, where it came as one file; goes with it.
    _folder: Option<TempDir>,
}

impl Opened {
    /// Opens a bundle: one file, packed or not, or the folder that it was unpacked to. Where a key is given, it must have signed it.
    ///
    /// # Errors
    /// When it is not there; or is not, member for member, what its manifest says, or the key did not sign that.
    pub fn open(path: &Path, key: Option<&LogVerifier>) -> Result<Opened> {
        let what = std::fs::metadata(path).map_err(|e| {
            failure(
                exit::NOT_FOUND,
                format!("open the bundle {}: {e}: name its file, or the folder that it was unpacked to", path.display()),
            )
        })?;
        let opened = if what.is_dir() { folder(path) } else { file(path) };
        opened.and_then(|opened| opened.held(key)).map_err(|error| refused(path, &error))
    }

    /// The folder that a worker loads.
    pub fn model(&self) -> PathBuf {
        self.dir.join(MODEL_FOLDER)
    }

    /// ONNX Runtime, where it is in it.
    pub fn library(&self) -> Option<PathBuf> {
        self.manifest.member(LIBRARY).map(|_| self.dir.join(LIBRARY))
    }

    /// Holds the parts against each other: the registered version names the digests of its files.
    fn held(self, key: Option<&LogVerifier>) -> Result<Opened> {
        for (name, digest) in [(GOLDEN, self.version.golden.as_ref()), (TRANSFORM, self.version.transform.as_ref())] {
            let there = self.manifest.member(name).map(|_| self.digest(name)).transpose()?;
            anyhow::ensure!(there.as_ref() == digest, "`{name}` is not what was registered, by {RECORD}");
        }
        let model = self.manifest.members.iter().find(|m| bundle::rule(&m.name).is_some_and(|rule| rule.what == "model"));
        if let Some(model) = model {
            anyhow::ensure!(self.digest(&model.name)? == self.version.artifact, "`{}` is not what was registered, by {RECORD}", model.name);
        }
        let same = (&self.version.model, &self.version.version) == (&self.manifest.model, &self.manifest.version);
        anyhow::ensure!(same, "{MANIFEST} and {RECORD} name different versions");
        self.signed(key)?;
        Ok(self)
    }

    /// The signature fits the manifest, by the key that it names; and that is the one which is asked for.
    fn signed(&self, key: Option<&LogVerifier>) -> Result<()> {
        let own = LogVerifier::parse(&self.manifest.signer).with_context(|| format!("read the key in `{MANIFEST}`"))?;
        if let Some(key) = key.filter(|key| **key != own) {
            return Err(anyhow!("it is signed by {}, and not by the key that was given, {}", own.vkey(), key.vkey()));
        }
        let note = read_small(&self.dir.join(SIGNATURE), SIGNATURE)?;
        let text = note::open(SIGNATURE, &note, &own)?;
        anyhow::ensure!(text == bundle::signed_text(&self.sha256), "member `{SIGNATURE}` signs another manifest than `{MANIFEST}`");
        Ok(())
    }

    fn digest(&self, name: &str) -> Result<Digest> {
        let path = self.dir.join(name);
        Ok(Digest::of(&std::fs::read(&path).with_context(|| format!("read {}", path.display()))?))
    }
}

fn refused(path: &Path, error: &anyhow::Error) -> anyhow::Error {
    let outside = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    let outside = outside.is_some_and(|e| {
        !matches!(e.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
    });
    let code = if outside { exit::OUTSIDE } else { exit::NOT_PASSED };
    let next = if outside { "" } else { ": nothing of it is used; get it again from where it was made" };
    failure(code, format!("open the bundle {}: {error:#}{next}", path.display()))
}

/// From one file: unpacked into a folder of its own, each member digested on its way.
fn file(path: &Path) -> Result<Opened> {
    let mut file = File::open(path).context("read it")?;
    let mut start = [0; GZIP.len()];
    // Shorter than that is no archive, which is said below.
    let count = file.read(&mut start).context("read it")?;
    file.seek(SeekFrom::Start(0)).context("read it")?;
    let mut archive: Box<dyn Read> = if count == GZIP.len() && start == GZIP {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let folder = tempfile::Builder::new().prefix("tidegate-bundle-").tempdir().context("make a folder for its members")?;
    for below in [MODEL_FOLDER, "lib"] {
        std::fs::create_dir(folder.path().join(below)).context("make a folder for its members")?;
    }
    let mut unpacking = Unpacking { dir: folder.path().to_owned(), manifest: None, there: vec![] };
    archive::read(&mut archive, &mut |header, content| unpacking.take(header, content))?;
    let Unpacking { manifest, there, .. } = unpacking;
    let (manifest, sha256) = manifest.ok_or_else(|| anyhow!("it is empty"))?;
    if let Some(missing) = manifest.members.iter().find(|member| !there.contains(&member.name)) {
        return Err(anyhow!("member `{}` is missing", missing.name));
    }
    let version = record(folder.path())?;
    Ok(Opened { dir: folder.path().to_owned(), manifest, sha256, version, _folder: Some(folder) })
}

struct Unpacking {
    dir: PathBuf,
    manifest: Option<(Manifest, String)>,
    there: Vec<String>,
}

impl Unpacking {
    fn take(&mut self, header: &Header, content: &mut dyn Read) -> Result<()> {
        let name = header.name.strip_prefix("./").unwrap_or(&header.name);
        if header.kind == Kind::Folder {
            // Where members lie is not for the archive to say: folders are there already.
            anyhow::ensure!(["", ".", MODEL_FOLDER, "lib"].contains(&name), "member `{}`: no bundle has such a folder", header.name);
            return Ok(());
        }
        // Names are looked up and never followed: only those of the list become paths.
        let rule = bundle::rule(name).ok_or_else(|| anyhow!("member `{}`: no bundle has a member of that name", header.name))?;
        anyhow::ensure!(!self.there.iter().any(|there| there == name), "member `{name}` is there twice");
        anyhow::ensure!(header.bytes <= rule.bytes_max, "member `{name}` of {} bytes: at most {} are taken", header.bytes, rule.bytes_max);
        self.there.push(rule.name.to_owned());
        let path = self.dir.join(rule.name);
        if rule.name == MANIFEST {
            anyhow::ensure!(self.there.len() == 1, "`{MANIFEST}` is not its first member: the others are held against it");
            let mut bytes = vec![];
            content.read_to_end(&mut bytes).context("read its manifest")?;
            self.manifest = Some((Manifest::parse(&bytes)?, archive::sha256(&bytes)));
            return std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()));
        }
        let Some((manifest, _)) = &self.manifest else {
            return Err(anyhow!("its first member is `{name}`: a bundle begins with `{MANIFEST}`"));
        };
        let sha256 = copied(content, &path)?;
        // The signature is over the manifest, which cannot name it.
        if rule.name != SIGNATURE {
            same(manifest, rule.name, header.bytes, &sha256)?;
        }
        if rule.name == PROGRAM {
            runnable(&path)?;
        }
        Ok(())
    }
}

fn copied(content: &mut dyn Read, path: &Path) -> Result<String> {
    let failed = || format!("write {}", path.display());
    let mut to = Digested::new(File::create_new(path).with_context(failed)?);
    std::io::copy(content, &mut to).with_context(failed)?;
    Ok(to.sha256())
}

fn runnable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).with_context(|| format!("make {} a program", path.display()))
}

fn same(manifest: &Manifest, name: &str, bytes: u64, sha256: &str) -> Result<()> {
    let member = manifest.member(name).ok_or_else(|| anyhow!("member `{name}` is not in `{MANIFEST}`"))?;
    anyhow::ensure!(member.bytes == bytes, "member `{name}` has {bytes} bytes, and `{MANIFEST}` says {}", member.bytes);
    anyhow::ensure!(
        member.sha256 == sha256,
        "member `{name}` was changed: its SHA-256 is {sha256}, and `{MANIFEST}` says {}",
        member.sha256
    );
    Ok(())
}

/// From a folder: digested where it lies, and served from there.
fn folder(path: &Path) -> Result<Opened> {
    let dir = path.canonicalize().context("find its folder")?;
    let bytes = read_small(&dir.join(MANIFEST), MANIFEST)?;
    let (manifest, sha256) = (Manifest::parse(&bytes)?, archive::sha256(&bytes));
    for below in [MODEL_FOLDER, "lib"] {
        only_members(&dir, below, &manifest)?;
    }
    for member in &manifest.members {
        let place = dir.join(&member.name);
        let what = std::fs::symlink_metadata(&place).map_err(|_| anyhow!("member `{}` is missing", member.name))?;
        anyhow::ensure!(what.is_file(), "member `{}` is no regular file", member.name);
        anyhow::ensure!(
            what.len() == member.bytes,
            "member `{}` has {} bytes, and `{MANIFEST}` says {}",
            member.name,
            what.len(),
            member.bytes
        );
        let (bytes, sha256) = Content::File(place).digest()?;
        same(&manifest, &member.name, bytes, &sha256)?;
    }
    let version = record(&dir)?;
    Ok(Opened { dir, manifest, sha256, version, _folder: None })
}

/// In the folders that are loaded from lies nothing else: a transform that nobody named would change every answer.
fn only_members(dir: &Path, below: &str, manifest: &Manifest) -> Result<()> {
    let folder = dir.join(below);
    let Ok(what) = std::fs::symlink_metadata(&folder) else { return Ok(()) };
    anyhow::ensure!(what.is_dir(), "`{below}` is no folder");
    for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let name = format!("{below}/{}", entry.with_context(|| format!("list {}", folder.display()))?.file_name().to_string_lossy());
        anyhow::ensure!(manifest.member(&name).is_some(), "`{name}` lies in its folder, and is not in `{MANIFEST}`");
    }
    Ok(())
}

fn record(dir: &Path) -> Result<ModelVersion> {
    let bytes = read_small(&dir.join(RECORD), RECORD)?;
    serde_json::from_slice(&bytes).map_err(|e| anyhow!("`{RECORD}` is no registered version: {e}"))
}

/// A member that is read whole, up to its limit.
fn read_small(path: &Path, name: &str) -> Result<Vec<u8>> {
    let bytes_max = bundle::rule(name).map_or(0, |rule| rule.bytes_max);
    let what = std::fs::symlink_metadata(path).map_err(|_| anyhow!("member `{name}` is missing"))?;
    anyhow::ensure!(what.is_file(), "member `{name}` is no regular file");
    anyhow::ensure!(what.len() <= bytes_max, "member `{name}` of {} bytes: at most {bytes_max} are taken", what.len());
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::archive::Writer;
    use crate::pack::made::{Parts, Wanted};
    use serde_json::json;
    use tidegate_port::Blobs as _;
    use tidegate_store::FsBlobs;
    use tidegate_store::tlog::LogSigner;

    /// As far as a version is looked into before its model is loaded.
    const MODEL: &[u8] = b"tree\nversion=v4\n";

    /// A bundle of a small program, and the key that signed it.
    fn made(dir: &Path) -> (PathBuf, LogVerifier) {
        let blobs = FsBlobs::open(&dir.join("blobs")).unwrap();
        let signer = LogSigner::new("tidegate.local/test", &[7; 32]).unwrap();
        let (artifact, golden) = (blobs.put(MODEL).unwrap(), blobs.put(b"{\"v\":1,\"requests\":[]}").unwrap());
        let version = serde_json::from_value(json!({
            "model": "m", "version": "1", "artifact": artifact, "transform": null, "golden": golden, "profile": null,
            "signature": { "inputs": [], "outputs": [] }, "metrics": {}, "at": 0,
            "lineage": { "run": "", "code": "", "data": {}, "environment": null, "params": null, "change": "" }
        }));
        let program = PathBuf::from("/bin/true").canonicalize().unwrap();
        let parts = Parts::gather(&Wanted { version: version.unwrap(), program, library: None }, &blobs, &signer).unwrap();
        let path = dir.join("bundle.tar");
        parts.write(&path, &signer, 0).unwrap();
        (path, signer.verifier())
    }

    fn why(path: &Path) -> String {
        Opened::open(path, None).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn no_byte_of_a_bundle_is_another_one_unseen() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = made(dir.path());
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(Opened::open(&path, Some(&key)).unwrap().version.version, "1");
        let other = dir.path().join("other.tar");
        // One byte in seven of the manifest and its signature, and one in two hundred of the rest.
        for at in (0..6 * 512).step_by(7).chain((6 * 512..whole.len()).step_by(199)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&other, bytes).unwrap();
            assert!(!why(&other).is_empty(), "byte {at}");
        }
        for end in (0..whole.len()).step_by(1021) {
            std::fs::write(&other, &whole[..end]).unwrap();
            assert!(!why(&other).is_empty(), "cut at {end}");
        }
    }

    #[test]
    fn a_packed_bundle_is_the_same_and_making_it_again_too() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = made(dir.path());
        let second = tempfile::tempdir().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(made(second.path()).0).unwrap());
        let packed = std::fs::File::create(dir.path().join("bundle.tar.gz")).unwrap();
        let mut packer = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        std::io::copy(&mut std::fs::File::open(&path).unwrap(), &mut packer).unwrap();
        packer.finish().unwrap();
        let opened = Opened::open(&dir.path().join("bundle.tar.gz"), Some(&key)).unwrap();
        assert_eq!(std::fs::read(opened.model().join("model.txt")).unwrap(), MODEL);
        let folder = opened.dir.clone();
        drop(opened);
        assert!(!folder.exists());
    }

    #[test]
    fn names_lead_nowhere_and_members_come_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = made(dir.path());
        let manifest = Opened::open(&path, None).unwrap();
        let manifest =
            Content::File(manifest.dir.join(MANIFEST)).digest().map(|_| std::fs::read(manifest.dir.join(MANIFEST)).unwrap()).unwrap();
        let archive = |members: &[(&str, &[u8])]| {
            let mut writer = Writer::new(Vec::new(), 0);
            for (name, bytes) in members {
                writer.file(name, false, &Content::Bytes(bytes.to_vec())).unwrap();
            }
            let path = dir.path().join("made.tar");
            std::fs::write(&path, writer.end().unwrap()).unwrap();
            why(&path)
        };
        let first = (MANIFEST, manifest.as_slice());
        for name in ["../escaped", "/tmp/escaped", "model/../../escaped", "lib/../tidegate", "model/extra.json"] {
            let why = archive(&[first, (name, b"x")]);
            assert!(why.contains(&format!("member `{name}`: no bundle has a member of that name")), "{why}");
        }
        assert!(archive(&[("tidegate", b"x")]).contains("a bundle begins with `bundle.json`"));
        assert!(archive(&[first, first]).contains("member `bundle.json` is there twice"));
        assert!(archive(&[first, (SIGNATURE, b""), (SIGNATURE, b"")]).contains("`bundle.sig` is there twice"));
        assert!(archive(&[first, (TRANSFORM, b"{}")]).contains("member `model/transform.json` is not in `bundle.json`"));
        assert!(archive(&[first, (RECORD, b"{}")]).contains("member `model/version.json` has 2 bytes"));
        assert!(archive(&[first]).contains("member `tidegate` is missing"));
        assert!(!dir.path().join("escaped").exists() && !Path::new("/tmp/escaped").exists());
    }

    #[test]
    fn another_key_is_told_from_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = made(dir.path());
        let other = LogSigner::new("tidegate.local/test", &[8; 32]).unwrap().verifier();
        let why = Opened::open(&path, Some(&other)).err().unwrap().to_string();
        assert!(why.contains("and not by the key that was given"), "{why}");
    }
}
