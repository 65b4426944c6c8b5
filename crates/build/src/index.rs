//! What is known of files by their stat, so that a file that did not change is not read again.
//!
//! A small binary file under `.tidegate/`; a damaged one counts as empty. An entry is believed only if the file was not
//! touched shortly before it was hashed: within one tick of the file system's clock a second write leaves no trace.

use crate::hash::FileHash;
use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_core::id::{At, Digest};

const MAGIC: &[u8; 8] = b"tgindex1";
/// A file changed within this time before it was hashed may have changed again unseen.
const RACY_MS: i64 = 20;
/// Longest path that is remembered.
const PATH_BYTES_MAX: usize = u16::MAX as usize;
/// Bytes of an entry beside its path.
const ENTRY_BYTES: usize = 2 + 8 * 6 + 16 + 32;

/// What a stat tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Stamp {
        let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Stamp {
            inode: meta.ino() ^ meta.dev().rotate_left(32),
            size: meta.size(),
            mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
        }
    }

    fn settled(&self, hashed: At) -> bool {
        let last_ms = self.mtime_ns.max(self.ctime_ns) / 1_000_000;
        last_ms.saturating_add(RACY_MS) < hashed.0
    }
}

#[derive(Clone)]
struct Entry {
    stamp: Stamp,
    hashed: At,
    md5: [u8; 16],
    blake3: [u8; 32],
}

/// The index of a workspace.
pub(crate) struct Index {
    file: PathBuf,
    entries: Mutex<HashMap<Box<str>, Entry>>,
    changed: AtomicBool,
}

impl Index {
    /// The index in `file`, empty when there is none that can be read.
    pub(crate) fn open(file: &Path) -> Index {
        let entries = std::fs::read(file).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        Index { file: file.to_path_buf(), entries: Mutex::new(entries), changed: AtomicBool::new(false) }
    }

    /// The digests of the file at `path` with this stat, if they are known.
    pub(crate) fn get(&self, path: &str, stamp: Stamp) -> Option<FileHash> {
        let entries = self.entries.lock().ok()?;
        let entry = entries.get(path).filter(|e| e.stamp == stamp && e.stamp.settled(e.hashed))?;
        Some(FileHash {
            md5: hex::encode(entry.md5),
            digest: Digest::from_hash(blake3::Hash::from_bytes(entry.blake3)),
            size_bytes: stamp.size,
        })
    }

    /// Remembers digests. `hashed` is when hashing began.
    pub(crate) fn put(&self, path: &str, stamp: Stamp, hash: &FileHash, hashed: At) {
        let (mut md5, mut blake3) = ([0; 16], [0; 32]);
        let decoded = hex::decode_to_slice(&hash.md5, &mut md5).and_then(|()| hex::decode_to_slice(hash.digest.hex(), &mut blake3));
        if decoded.is_err() || path.len() > PATH_BYTES_MAX {
            return;
        }
        if let Ok(mut entries) = self.entries.lock() {
            entries.insert(path.into(), Entry { stamp, hashed, md5, blake3 });
            self.changed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes the index if it changed. Losing it costs time only, so a failure is not an error.
    pub(crate) fn save(&self) {
        if !self.changed.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Ok(entries) = self.entries.lock() {
            let _ = crate::atomic::write(&self.file, &encode(&entries), false);
        }
    }
}

fn encode(entries: &HashMap<Box<str>, Entry>) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 160 + 64);
    out.extend_from_slice(MAGIC);
    for (path, entry) in entries {
        let length = u16::try_from(path.len()).unwrap_or(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&entry.stamp.inode.to_le_bytes());
        out.extend_from_slice(&entry.stamp.size.to_le_bytes());
        out.extend_from_slice(&entry.stamp.mtime_ns.to_le_bytes());
        out.extend_from_slice(&entry.stamp.ctime_ns.to_le_bytes());
        out.extend_from_slice(&entry.hashed.0.to_le_bytes());
        out.extend_from_slice(&0u64.to_le_bytes());
        out.extend_from_slice(&entry.md5);
        out.extend_from_slice(&entry.blake3);
        out.extend_from_slice(path.as_bytes());
    }
    let sum = blake3::hash(&out);
    out.extend_from_slice(sum.as_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<HashMap<Box<str>, Entry>> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC.as_slice())?;
    let mut entries = HashMap::with_capacity(rest.len() / 128);
    while !rest.is_empty() {
        let (fixed, after) = rest.split_at_checked(ENTRY_BYTES)?;
        let length = usize::from(u16::from_le_bytes(fixed.get(..2)?.try_into().ok()?));
        let word = |i: usize| fixed.get(2 + 8 * i..10 + 8 * i).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let (path, after) = after.split_at_checked(length)?;
        let stamp = Stamp { inode: word(0)?, size: word(1)?, mtime_ns: word(2)?.cast_signed(), ctime_ns: word(3)?.cast_signed() };
        let entry = Entry {
            stamp,
            hashed: At(word(4)?.cast_signed()),
            md5: fixed.get(50..66)?.try_into().ok()?,
            blake3: fixed.get(66..98)?.try_into().ok()?,
        };
        entries.insert(std::str::from_utf8(path).ok()?.into(), entry);
        rest = after;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::{Index, Stamp};
    use crate::hash::hash_file;
    use tidegate_core::id::At;

    #[test]
    fn it_survives_and_is_not_fooled() {
        let dir = tempfile::tempdir().unwrap();
        let (file, data) = (dir.path().join("index"), dir.path().join("data"));
        std::fs::write(&data, "one").unwrap();
        let stamp = Stamp::of(&data.metadata().unwrap());
        let hash = hash_file(&data).unwrap();
        let late = At(stamp.mtime_ns / 1_000_000 + 1000);
        let index = Index::open(&file);
        index.put("sure", stamp, &hash, late);
        index.put("racy", stamp, &hash, At(stamp.mtime_ns / 1_000_000));
        index.save();
        let index = Index::open(&file);
        assert_eq!(index.get("sure", stamp), Some(hash));
        assert_eq!(index.get("racy", stamp), None);
        assert_eq!(index.get("sure", Stamp { size: 4, ..stamp }), None);
        let mut bytes = std::fs::read(&file).unwrap();
        for i in [0, 9, 40, bytes.len() - 1] {
            bytes[i] ^= 1;
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(Index::open(&file).get("sure", stamp), None);
            bytes[i] ^= 1;
        }
        std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
        assert_eq!(Index::open(&file).get("sure", stamp), None);
    }
}
