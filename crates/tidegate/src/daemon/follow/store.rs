//! What a follower has on its disk: the routes that it applied last, and files of versions, known by what is in them.

use super::ask::Asker;
use super::{Target, Told, is_name};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tidegate_core::id::Digest;
use tidegate_store::disk;

/// What was applied last.
const ROUTES_FILE: &str = "routes.json";

/// A follower's folder.
pub struct Store {
    dir: PathBuf,
    /// Directories whose files were found whole since the start.
    whole: Mutex<BTreeSet<PathBuf>>,
}

impl Store {
    /// The folder, made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(dir: &Path) -> Result<Store> {
        std::fs::create_dir_all(dir.join("versions")).with_context(|| format!("create {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("find {}", dir.display()))?;
        Ok(Store { dir, whole: Mutex::default() })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was applied last; none where nothing was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kept(&self) -> Result<Option<Told>> {
        let path = self.dir.join(ROUTES_FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?)),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Keeps what is about to be applied.
    ///
    /// # Errors
    /// When the disk refuses; what was kept before stays.
    pub fn keep(&self, told: &Told) -> Result<()> {
        let text = serde_json::to_vec(told).context("write what is told")?;
        Ok(disk::replace_private_file(&self.dir.join(ROUTES_FILE), &text)?)
    }

    /// The directory of a version, fetched where it is not there and somebody can be asked. Known by its files, so that nothing else can lie
    /// there; looked through before it is used for the first time.
    ///
    /// # Errors
    /// When it is not there and cannot be fetched.
    pub async fn directory(&self, of: &Target, asker: Option<&Asker>) -> Result<PathBuf> {
        let dir = self.place(of);
        if self.is_whole(of, &dir)? {
            return Ok(dir);
        }
        let Some(asker) = asker else { bail!("lay out {}: its files are not there, or not whole", of.target) };
        let making = dir.with_extension("making");
        let _ = std::fs::remove_dir_all(&making);
        std::fs::create_dir_all(&making).with_context(|| format!("create {}", making.display()))?;
        for (name, digest) in &of.files {
            if !is_name(name) {
                bail!("lay out {}: `{name}` is no name of a file", of.target);
            }
            let bytes = asker.file(name, digest).await.with_context(|| format!("lay out {}", of.target))?;
            let path = making.join(name);
            let written = File::create(&path).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
            written.with_context(|| format!("write {}", path.display()))?;
        }
        // Names and contents are on the disk before the directory has its name.
        File::open(&making).and_then(|folder| folder.sync_all()).with_context(|| format!("write {}", making.display()))?;
        std::fs::rename(&making, &dir).with_context(|| format!("move {} into place", dir.display()))?;
        self.whole().insert(dir.clone());
        Ok(dir)
    }

    fn whole(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, of: &Target) -> PathBuf {
        let named: Vec<String> = of.files.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
        self.dir.join("versions").join(Digest::of(named.join("\n").as_bytes()).as_str().replace(':', "-"))
    }

    /// Whether a directory holds what it should; one that does not is removed.
    fn is_whole(&self, of: &Target, dir: &Path) -> Result<bool> {
        if !dir.is_dir() {
            return Ok(false);
        }
        if self.whole().contains(dir) {
            return Ok(true);
        }
        let right =
            |(name, digest): (&String, &Digest)| is_name(name) && std::fs::read(dir.join(name)).is_ok_and(|b| Digest::of(&b) == *digest);
        if of.files.iter().all(right) {
            self.whole().insert(dir.to_owned());
            return Ok(true);
        }
        std::fs::remove_dir_all(dir).with_context(|| format!("remove {}, which is damaged", dir.display()))?;
        Ok(false)
    }

    /// Removes directories of versions that none of these has.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn sweep(&self, targets: &[Target]) -> Result<()> {
        let needed: BTreeSet<PathBuf> = targets.iter().map(|of| self.place(of)).collect();
        let versions = self.dir.join("versions");
        for entry in std::fs::read_dir(&versions).with_context(|| format!("read {}", versions.display()))? {
            let path = entry.with_context(|| format!("read {}", versions.display()))?.path();
            if !needed.contains(&path) {
                std::fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
                self.whole().remove(&path);
            }
        }
        Ok(())
    }
}
