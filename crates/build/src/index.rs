//! What is known of files by their stat, so that a file that did not change is not read again; and of whole directories by
//! the sum of their files' stats, so that a directory that did not change costs its stats and nothing else.
//!
//! Two small binary files under `.tidegate/`: entries of files, read only when a file has to be looked up, and seals of
//! directories. A damaged one counts as empty. Neither is believed about a file that was touched shortly before it was
//! hashed: within one tick of the file system's clock a second write leaves no trace.

use crate::hash::FileHash;
use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tidegate_core::id::{At, Digest};

const MAGIC: &[u8; 8] = b"tgindex2";
const SEALS_MAGIC: &[u8; 8] = b"tgseals1";
/// A file changed within this time before it was hashed may have changed again unseen.
const RACY_MS: i64 = 20;
/// Longest path that is remembered.
const PATH_BYTES_MAX: usize = u16::MAX as usize;
/// Entries that are kept; with more, those of this run alone are.
const ENTRIES_MAX: usize = 16_000_000;
/// Bytes of an entry beside its path: length, five words, both digests.
const ENTRY_BYTES: usize = 2 + 8 * 5 + 16 + 32;
/// Bytes of a seal beside its path: length, sum, time, MD5, size, count, BLAKE3.
const SEAL_BYTES: usize = 2 + 16 + 8 + 16 + 8 + 8 + 32;

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

    fn last_ms(&self) -> i64 {
        self.mtime_ns.max(self.ctime_ns) / 1_000_000
    }

    fn settled(&self, hashed: At) -> bool {
        self.last_ms().saturating_add(RACY_MS) < hashed.0
    }
}

/// The sum over the stats of a directory's files: the same whatever the order in which they are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    total: u128,
    last_ms: i64,
    /// Files in it.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl Sum {
    /// Adds a file. A name and a stat give 128 bits of BLAKE3; adding them up needs no list and no order.
    pub(crate) fn add(&mut self, relative: &[&[u8]], stamp: Stamp) {
        let mut hasher = blake3::Hasher::new();
        for part in relative {
            hasher.update(part);
        }
        let mut words = [0u8; 33];
        for (slot, word) in
            words[1..].chunks_exact_mut(8).zip([stamp.inode, stamp.size, stamp.mtime_ns.cast_unsigned(), stamp.ctime_ns.cast_unsigned()])
        {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        hasher.update(&words);
        let digest = *hasher.finalize().as_bytes();
        let first = digest.first_chunk::<16>().copied().unwrap_or_default();
        self.total = self.total.wrapping_add(u128::from_le_bytes(first));
        self.last_ms = self.last_ms.max(stamp.last_ms());
        self.files += 1;
        self.bytes = self.bytes.saturating_add(stamp.size);
    }

    /// Adds all that another sum has.
    pub(crate) fn join(&mut self, other: Sum) {
        self.total = self.total.wrapping_add(other.total);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What a whole directory was found to be when its stats had this sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// MD5 of its listing, without `.dir`.
    pub(crate) md5: String,
    /// Our digest over its files.
    pub(crate) digest: Digest,
    /// Size of all files.
    pub(crate) size_bytes: u64,
    /// Their number.
    pub(crate) files: u64,
}

#[derive(Clone)]
struct Entry {
    stamp: Stamp,
    hashed: At,
    md5: [u8; 16],
    blake3: [u8; 32],
}

/// Entries as they lie in the file: sorted by path, found by halving.
#[derive(Default)]
struct Base {
    bytes: Vec<u8>,
    count: usize,
}

#[derive(Default)]
struct State {
    base: Option<Base>,
    fresh: HashMap<Box<str>, Entry>,
    seals: Option<HashMap<Box<str>, (u128, At, Seal)>>,
    seals_changed: bool,
}

/// The index of a workspace.
pub(crate) struct Index {
    file: PathBuf,
    state: Mutex<State>,
}

impl Index {
    /// The index in `file`, empty when there is none that can be read. Nothing is read yet.
    pub(crate) fn open(file: &Path) -> Index {
        Index { file: file.to_path_buf(), state: Mutex::default() }
    }

    /// Whether nothing is known of any file.
    pub(crate) fn is_empty(&self) -> bool {
        let known = |state: &mut State| !state.fresh.is_empty() || state.base.get_or_insert_with(|| Base::read(&self.file)).count > 0;
        self.state.lock().is_ok_and(|mut state| !known(&mut state))
    }

    /// The digests of the file at `path` with this stat, if they are known.
    pub(crate) fn get(&self, path: &str, stamp: Stamp) -> Option<FileHash> {
        let mut state = self.state.lock().ok()?;
        if state.base.is_none() {
            state.base = Some(Base::read(&self.file));
        }
        let found = state.fresh.get(path).cloned().or_else(|| state.base.as_ref()?.find(path))?;
        drop(state);
        if found.stamp != stamp || !stamp.settled(found.hashed) {
            return None;
        }
        let digest = Digest::from_hash(blake3::Hash::from_bytes(found.blake3));
        Some(FileHash { md5: hex::encode(found.md5), digest, size_bytes: stamp.size })
    }

    /// Remembers digests. `hashed` is when hashing began.
    pub(crate) fn put(&self, path: &str, stamp: Stamp, hash: &FileHash, hashed: At) {
        let (mut md5, mut blake3) = ([0; 16], [0; 32]);
        let decoded = hex::decode_to_slice(&hash.md5, &mut md5).and_then(|()| hex::decode_to_slice(hash.digest.hex(), &mut blake3));
        if decoded.is_err() || path.len() > PATH_BYTES_MAX {
            return;
        }
        if let Ok(mut state) = self.state.lock() {
            state.fresh.insert(path.into(), Entry { stamp, hashed, md5, blake3 });
        }
    }

    /// Whether anything is remembered of the directory at `path`: without, its stats need not be summed up.
    pub(crate) fn has_seal(&self, path: &str) -> bool {
        self.state.lock().is_ok_and(|mut state| state.seals(&self.file).contains_key(path))
    }

    /// What the directory at `path` is, if its files' stats are the same as when that was found out.
    pub(crate) fn sealed(&self, path: &str, sum: Sum) -> Option<Seal> {
        let mut state = self.state.lock().ok()?;
        let (total, hashed, seal) = state.seals(&self.file).get(path)?;
        let settled = sum.last_ms.saturating_add(RACY_MS) < hashed.0;
        (*total == sum.total && seal.files == sum.files && settled).then(|| seal.clone())
    }

    /// Remembers what a directory is. `hashed` is when looking at it began.
    pub(crate) fn seal(&self, path: &str, sum: Sum, seal: &Seal, hashed: At) {
        if path.len() > PATH_BYTES_MAX {
            return;
        }
        if let Ok(mut state) = self.state.lock() {
            let new = (sum.total, hashed, seal.clone());
            // Taken anew each time: the time since the last change is what makes it believed.
            state.seals(&self.file).insert(path.into(), new);
            state.seals_changed = true;
        }
    }

    /// Writes what changed. Losing it costs time only, so a failure is not an error.
    pub(crate) fn save(&self) {
        let Ok(mut state) = self.state.lock() else { return };
        if self.file.as_os_str().is_empty() {
            return;
        }
        if std::mem::take(&mut state.seals_changed)
            && let Some(seals) = &state.seals
        {
            let _ = crate::atomic::write(&seals_file(&self.file), &encode_seals(seals), false);
        }
        if state.fresh.is_empty() {
            return;
        }
        let base = state.base.take().unwrap_or_else(|| Base::read(&self.file));
        let merged = base.merged(&state.fresh);
        let _ = crate::atomic::write(&self.file, &merged.bytes, false);
        state.fresh = HashMap::new();
        state.base = Some(merged);
    }
}

impl State {
    fn seals(&mut self, file: &Path) -> &mut HashMap<Box<str>, (u128, At, Seal)> {
        self.seals.get_or_insert_with(|| std::fs::read(seals_file(file)).ok().and_then(|b| decode_seals(&b)).unwrap_or_default())
    }
}

fn seals_file(file: &Path) -> PathBuf {
    file.with_extension("seals")
}

impl Base {
    /// Magic, count, an offset an entry, the entries, a BLAKE3 of all that.
    fn read(file: &Path) -> Base {
        std::fs::read(file).ok().and_then(Base::checked).unwrap_or_default()
    }

    fn checked(bytes: Vec<u8>) -> Option<Base> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if blake3::hash(body).as_bytes() != sum || body.get(..8)? != MAGIC {
            return None;
        }
        let count = usize::try_from(u64::from_le_bytes(body.get(8..16)?.try_into().ok()?)).ok()?;
        (count.checked_mul(8)?.checked_add(16)? <= body.len()).then_some(Base { bytes, count })
    }

    fn entry(&self, i: usize) -> Option<(&str, Entry)> {
        let at = 16 + 8 * i;
        let offset = usize::try_from(u64::from_le_bytes(self.bytes.get(at..at + 8)?.try_into().ok()?)).ok()?;
        let fixed = self.bytes.get(offset..offset.checked_add(ENTRY_BYTES)?)?;
        let length = usize::from(u16::from_le_bytes(fixed.get(..2)?.try_into().ok()?));
        let path = self.bytes.get(offset + ENTRY_BYTES..offset + ENTRY_BYTES + length)?;
        let word = |i: usize| fixed.get(2 + 8 * i..10 + 8 * i).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let stamp = Stamp { inode: word(0)?, size: word(1)?, mtime_ns: word(2)?.cast_signed(), ctime_ns: word(3)?.cast_signed() };
        let (md5, blake3) = (fixed.get(42..58)?.try_into().ok()?, fixed.get(58..90)?.try_into().ok()?);
        Some((std::str::from_utf8(path).ok()?, Entry { stamp, hashed: At(word(4)?.cast_signed()), md5, blake3 }))
    }

    fn find(&self, path: &str) -> Option<Entry> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, entry) = self.entry(middle)?;
            match found.cmp(path) {
                std::cmp::Ordering::Equal => return Some(entry),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// This one with `fresh` laid over it.
    fn merged(&self, fresh: &HashMap<Box<str>, Entry>) -> Base {
        let mut added: Vec<(&str, &Entry)> = fresh.iter().map(|(path, entry)| (&**path, entry)).collect();
        added.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let kept = if self.count + added.len() > ENTRIES_MAX { 0 } else { self.count };
        let (mut offsets, mut entries) = (Vec::with_capacity(kept + added.len()), Vec::with_capacity(self.bytes.len()));
        let mut write = |path: &str, entry: &Entry| {
            offsets.push(entries.len() as u64);
            encode(path, entry, &mut entries);
        };
        let mut added = added.into_iter().peekable();
        for (path, entry) in (0..kept).filter_map(|i| self.entry(i)) {
            while let Some((new, value)) = added.next_if(|(new, _)| *new < path) {
                write(new, value);
            }
            if let Some((new, value)) = added.next_if(|(new, _)| *new == path) {
                write(new, value);
            } else {
                write(path, &entry);
            }
        }
        added.for_each(|(path, entry)| write(path, entry));
        let start = 16 + 8 * offsets.len() as u64;
        let mut bytes = Vec::with_capacity(entries.len() + 8 * offsets.len() + 64);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(offsets.len() as u64).to_le_bytes());
        offsets.iter().for_each(|offset| bytes.extend_from_slice(&(start + offset).to_le_bytes()));
        bytes.append(&mut entries);
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        Base { bytes, count: offsets.len() }
    }
}

fn encode(path: &str, entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(path.len()).unwrap_or(0).to_le_bytes());
    let stamp = entry.stamp;
    for word in [stamp.inode, stamp.size, stamp.mtime_ns.cast_unsigned(), stamp.ctime_ns.cast_unsigned(), entry.hashed.0.cast_unsigned()] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&entry.md5);
    out.extend_from_slice(&entry.blake3);
    out.extend_from_slice(path.as_bytes());
}

fn encode_seals(seals: &HashMap<Box<str>, (u128, At, Seal)>) -> Vec<u8> {
    let mut out = SEALS_MAGIC.to_vec();
    for (path, (total, hashed, seal)) in seals {
        let (mut md5, mut digest) = ([0u8; 16], [0u8; 32]);
        if hex::decode_to_slice(&seal.md5, &mut md5).and_then(|()| hex::decode_to_slice(seal.digest.hex(), &mut digest)).is_err() {
            continue;
        }
        out.extend_from_slice(&u16::try_from(path.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&total.to_le_bytes());
        out.extend_from_slice(&hashed.0.to_le_bytes());
        out.extend_from_slice(&md5);
        out.extend_from_slice(&seal.size_bytes.to_le_bytes());
        out.extend_from_slice(&seal.files.to_le_bytes());
        out.extend_from_slice(&digest);
        out.extend_from_slice(path.as_bytes());
    }
    let sum = blake3::hash(&out);
    out.extend_from_slice(sum.as_bytes());
    out
}

fn decode_seals(bytes: &[u8]) -> Option<HashMap<Box<str>, (u128, At, Seal)>> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let mut rest = body.strip_prefix(SEALS_MAGIC.as_slice())?;
    let mut seals = HashMap::new();
    while !rest.is_empty() {
        let (fixed, after) = rest.split_at_checked(SEAL_BYTES)?;
        let length = usize::from(u16::from_le_bytes(fixed.get(..2)?.try_into().ok()?));
        let (path, after) = after.split_at_checked(length)?;
        let word = |at: usize| fixed.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let digest: [u8; 32] = fixed.get(58..90)?.try_into().ok()?;
        let seal = Seal {
            md5: hex::encode(fixed.get(26..42)?),
            digest: Digest::from_hash(blake3::Hash::from_bytes(digest)),
            size_bytes: word(42)?,
            files: word(50)?,
        };
        let total = u128::from_le_bytes(fixed.get(2..18)?.try_into().ok()?);
        seals.insert(std::str::from_utf8(path).ok()?.into(), (total, At(word(18)?.cast_signed()), seal));
        rest = after;
    }
    Some(seals)
}

#[cfg(test)]
mod tests {
    use super::{Index, Seal, Stamp, Sum};
    use crate::hash::hash_file;
    use tidegate_core::id::{At, Digest};

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
        assert_eq!(index.get("sure", stamp), Some(hash.clone()));
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

    #[test]
    fn what_is_added_later_is_found_among_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index");
        let stamp = |n: u64| Stamp { inode: n, size: n, mtime_ns: 0, ctime_ns: 0 };
        let hash = |n: u64| crate::hash::FileHash { md5: format!("{n:032x}"), digest: Digest::of(&n.to_le_bytes()), size_bytes: n };
        for round in 0..5u64 {
            let index = Index::open(&file);
            for n in (0..200).filter(|n| n % 5 == round) {
                index.put(&format!("f{n}"), stamp(n), &hash(n), At(1000));
            }
            // One that is there is replaced.
            index.put("f0", stamp(round), &hash(round), At(1000));
            index.save();
            assert_eq!(index.get("f0", stamp(round)), Some(hash(round)));
        }
        let index = Index::open(&file);
        for n in 1..200 {
            assert_eq!(index.get(&format!("f{n}"), stamp(n)), Some(hash(n)), "{n}");
        }
        assert_eq!(index.get("f0", stamp(4)), Some(hash(4)));
        assert_eq!(index.get("f", stamp(1)), None);
        assert_eq!(index.get("f999", stamp(1)), None);
    }

    #[test]
    fn a_seal_holds_while_every_stat_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index");
        let stamp = Stamp { inode: 1, size: 2, mtime_ns: 3_000_000, ctime_ns: 4_000_000 };
        let sum = |files: &[(&str, Stamp)]| {
            let mut sum = Sum::default();
            files.iter().for_each(|(name, stamp)| sum.add(&[name.as_bytes()], *stamp));
            sum
        };
        let both = sum(&[("a", stamp), ("b", stamp)]);
        assert_eq!(both, sum(&[("b", stamp), ("a", stamp)]));
        let seal = Seal { md5: "0".repeat(31) + "1", digest: Digest::of(b"x"), size_bytes: 4, files: 2 };
        let index = Index::open(&file);
        index.seal("d", both, &seal, At(1000));
        index.seal("racy", both, &seal, At(10));
        index.save();
        let index = Index::open(&file);
        assert_eq!(index.sealed("d", both), Some(seal));
        assert_eq!(index.sealed("racy", both), None);
        for other in [
            sum(&[("a", stamp)]),
            sum(&[("a", stamp), ("c", stamp)]),
            sum(&[("a", stamp), ("b", Stamp { ctime_ns: 5_000_000, ..stamp })]),
            sum(&[("a", stamp), ("b", stamp), ("c", stamp)]),
        ] {
            assert_eq!(index.sealed("d", other), None);
        }
    }
}
