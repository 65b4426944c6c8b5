//! An OCI image layout on disk: blobs by their digests, written once and read back only as what they are called.

use super::archive::{self, Content, Digested, Writer};
use anyhow::{Context as _, Result, anyhow, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tidegate_wire::oci::{
    self, Config, DOCUMENT_BYTES_MAX, Descriptor, INDEX_FILE, LAYER_GZIP, LAYER_PLAIN, LAYOUT, LAYOUT_FILE, Platform,
};

/// Indexes of which one leads to the next.
const INDEXES_MAX: usize = 3;

/// One file of a layer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it lies, without the first slash.
    pub path: String,
    /// Whether it is a program.
    pub executable: bool,
    /// What is in it.
    pub content: Content,
}

/// A layer that was written.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its blob.
    pub descriptor: Descriptor,
    /// Digest of it as it is unpacked.
    pub diff_id: String,
    /// Bytes of it as it is unpacked.
    pub unpacked: u64,
}

/// A layout that is being written.
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// An empty layout in an empty folder.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(dir: &Path) -> Result<Layout> {
        let blobs = dir.join("blobs").join("sha256");
        std::fs::create_dir_all(&blobs).with_context(|| format!("create {}", blobs.display()))?;
        std::fs::write(dir.join(LAYOUT_FILE), LAYOUT).with_context(|| format!("write {}", dir.join(LAYOUT_FILE).display()))?;
        Ok(Layout { dir: dir.to_owned() })
    }

    fn blobs(&self) -> PathBuf {
        self.dir.join("blobs").join("sha256")
    }

    /// Keeps a document; its digest.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, bytes: &[u8]) -> Result<String> {
        let sha256 = archive::sha256(bytes);
        let path = self.blobs().join(&sha256);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        Ok(sha256)
    }

    /// Writes the index, last of all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end(&self, index: &str) -> Result<()> {
        let path = self.dir.join(INDEX_FILE);
        std::fs::write(&path, index).with_context(|| format!("write {}", path.display()))
    }

    /// Writes a layer of these folders, each with its mode, and files.
    ///
    /// # Errors
    /// When a file cannot be read or the disk refuses.
    pub fn layer(&self, folders: &[(&str, u32)], entries: &[Entry], packed: bool, time_s: u64) -> Result<Layer> {
        let file = tempfile::NamedTempFile::new_in(self.blobs()).context("write a layer")?;
        let blob = Digested::new(BufWriter::new(file.as_file().try_clone().context("write a layer")?));
        let ((diff_id, unpacked), blob) = if packed {
            let (told, packer) = plain(GzEncoder::new(blob, Compression::default()), folders, entries, time_s)?;
            (told, packer.finish().context("write a layer")?)
        } else {
            plain(blob, folders, entries, time_s)?
        };
        let (sha256, bytes) = (blob.sha256(), blob.bytes);
        blob.inner.into_inner().map_err(io::IntoInnerError::into_error).context("write a layer")?;
        keep(file, &self.blobs().join(&sha256))?;
        let media_type = if packed { LAYER_GZIP } else { LAYER_PLAIN };
        Ok(Layer { descriptor: Descriptor::new(media_type, &sha256, bytes), diff_id: format!("sha256:{diff_id}"), unpacked })
    }

    /// Copies a blob of another layout, held against its digest and length.
    ///
    /// # Errors
    /// When it is missing or damaged, or the disk refuses.
    pub fn copy(&self, base: &Base, descriptor: &Descriptor) -> Result<()> {
        let sha256 = descriptor.sha256().map_err(|why| anyhow!("{}: {why}", base.dir.display()))?;
        let from = base.dir.join("blobs").join("sha256").join(sha256);
        let mut blob = File::open(&from).with_context(|| format!("read {}", from.display()))?;
        let file = tempfile::NamedTempFile::new_in(self.blobs()).context("copy a layer")?;
        let mut to = Digested::new(file.as_file());
        io::copy(&mut blob, &mut to).with_context(|| format!("copy {}", from.display()))?;
        let (found, bytes) = (to.sha256(), to.bytes);
        ensure!(found == sha256 && bytes == descriptor.size, "{} is damaged: its SHA-256 is {found}, of {bytes} bytes", from.display());
        keep(file, &self.blobs().join(sha256))
    }
}

/// As any file is readable: what is in an image is no secret.
fn keep(file: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).with_context(|| format!("write {}", path.display()))?;
    file.persist(path).map(drop).with_context(|| format!("write {}", path.display()))
}

/// The archive of a layer; its digest and length, and the writer that it went to.
fn plain<W: Write>(out: W, folders: &[(&str, u32)], entries: &[Entry], time_s: u64) -> Result<((String, u64), W)> {
    let mut writer = Writer::new(Digested::new(out), time_s);
    let mut there: BTreeSet<String> = BTreeSet::new();
    for (folder, mode) in folders {
        above(&mut writer, &mut there, folder)?;
        if there.insert((*folder).to_owned()) {
            writer.folder(folder, *mode)?;
        }
    }
    for entry in entries {
        above(&mut writer, &mut there, &entry.path)?;
        writer.file(&entry.path, entry.executable, &entry.content)?;
    }
    let out = writer.end()?;
    Ok(((out.sha256(), out.bytes), out.inner))
}

/// The folders above a path, where they were not written yet.
fn above<W: Write>(writer: &mut Writer<W>, there: &mut BTreeSet<String>, path: &str) -> Result<()> {
    for (at, _) in path.match_indices('/') {
        let folder = path.get(..at).unwrap_or_default();
        if there.insert(folder.to_owned()) {
            writer.folder(folder, 0o755)?;
        }
    }
    Ok(())
}

/// An image to stack on.
pub struct Base {
    dir: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// Its layers.
    pub layers: Vec<Descriptor>,
}

impl Base {
    /// The image of a layout for a platform.
    ///
    /// # Errors
    /// When there is none, or a document is damaged.
    pub fn open(dir: &Path, platform: &Platform) -> Result<Base> {
        let failed = |why: String| anyhow!("stack on the image in {}: {why}", dir.display());
        ensure!(dir.join(LAYOUT_FILE).is_file(), failed(format!("it has no {LAYOUT_FILE}: name a folder with an OCI image layout")));
        let mut bytes = small(&dir.join(INDEX_FILE))?;
        let mut chosen = None;
        for _ in 0..INDEXES_MAX {
            let descriptor = oci::choose(&bytes, platform).map_err(failed)?;
            bytes = blob(dir, &descriptor)?;
            if !oci::is_index(&descriptor) {
                chosen = Some(oci::manifest(&bytes).map_err(failed)?);
                break;
            }
        }
        let manifest = chosen.ok_or_else(|| failed(format!("more than {INDEXES_MAX} indexes lead to it")))?;
        let config = oci::config(&blob(dir, &manifest.config)?).map_err(failed)?;
        let (layers, unpacked) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        ensure!(layers == unpacked, failed(format!("it has {layers} layers, and its configuration {unpacked}")));
        let is = (config.os.as_str(), config.architecture.as_str());
        let for_it = is == (platform.os.as_str(), platform.architecture.as_str());
        ensure!(for_it, failed(format!("it is for {}/{}, and the program for {}/{}", is.0, is.1, platform.os, platform.architecture)));
        Ok(Base { dir: dir.to_owned(), config, layers: manifest.layers })
    }
}

/// A document by its digest, which it must have.
fn blob(dir: &Path, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let sha256 = descriptor.sha256().map_err(|why| anyhow!("{}: {why}", dir.display()))?;
    let path = dir.join("blobs").join("sha256").join(sha256);
    let bytes = small(&path)?;
    ensure!(archive::sha256(&bytes) == sha256, "{} is damaged: its SHA-256 is not its name", path.display());
    Ok(bytes)
}

fn small(path: &Path) -> Result<Vec<u8>> {
    let failed = || format!("read {}", path.display());
    let mut bytes = vec![];
    File::open(path).with_context(failed)?.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(failed)?;
    ensure!(bytes.len() as u64 <= DOCUMENT_BYTES_MAX, "read {}: it is over the limit of {DOCUMENT_BYTES_MAX} bytes", path.display());
    Ok(bytes)
}
