//! Digests of files: one read, MD5 for DVC and BLAKE3 for us; a large file on two threads, small ones several at a time.

use crate::index::Stamp;
use crate::md5_lanes::{LANES, md5_each};
use md5::{Digest as _, Md5};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use tidegate_core::id::Digest;

/// Files up to this size are read whole and written whole.
pub(crate) const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Bytes read at once: what one core has just read is still near when the other hashes it.
const CHUNK_BYTES: usize = 256 << 10;
/// Pieces in which DVC before 3 told text from data.
const OLD_CHUNK_BYTES: usize = 1 << 20;
/// Files from this size on are hashed on two threads.
const TWO_THREADS_BYTES_MIN: u64 = 8 << 20;
/// Chunks in flight between the reader and a hasher.
const CHUNKS_MAX: usize = 8;
/// Buffers that go round: those in flight, the one being hashed, the one being read, and one to spare.
const BUFFERS: usize = CHUNKS_MAX + 3;

/// Both digests of a file, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    /// MD5, 32 hex digits.
    pub md5: String,
    /// BLAKE3.
    pub digest: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// Reads a file once and gives both digests.
///
/// # Errors
/// When it cannot be read.
pub fn hash_file(path: &Path) -> std::io::Result<FileHash> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    hash_copy(file, size, None)
}

/// Hashes what `source` gives, and writes it to `copy` on the way.
pub(crate) fn hash_copy(source: impl Read, size_hint: u64, copy: Option<&mut File>) -> std::io::Result<FileHash> {
    if size_hint >= TWO_THREADS_BYTES_MIN { two_threads(source, copy) } else { one_thread(source, size_hint, copy) }
}

fn one_thread(mut source: impl Read, size_hint: u64, mut copy: Option<&mut File>) -> std::io::Result<FileHash> {
    let (mut md5, mut blake) = (Md5::new(), blake3::Hasher::new());
    let wanted = usize::try_from(size_hint).unwrap_or(CHUNK_BYTES).saturating_add(1);
    let mut buffer = vec![0; wanted.clamp(4096, CHUNK_BYTES)];
    let mut size = 0;
    loop {
        let n = read_some(&mut source, &mut buffer)?;
        if n == 0 {
            break;
        }
        let chunk = &buffer[..n];
        md5.update(chunk);
        blake.update(chunk);
        if let Some(file) = copy.as_mut() {
            file.write_all(chunk)?;
        }
        size += n as u64;
    }
    Ok(finish(md5, &blake, size))
}

fn two_threads(mut source: impl Read, mut copy: Option<&mut File>) -> std::io::Result<FileHash> {
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<(Arc<Vec<u8>>, usize)>(CHUNKS_MAX);
        let other = scope.spawn(move || {
            let mut md5 = Md5::new();
            for (chunk, n) in receive {
                md5.update(chunk.get(..n).unwrap_or_default());
            }
            md5
        });
        let (mut blake, mut size) = (blake3::Hasher::new(), 0);
        let mut buffers: Vec<Arc<Vec<u8>>> = (0..BUFFERS).map(|_| Arc::new(vec![0; CHUNK_BYTES])).collect();
        for turn in (0..BUFFERS).cycle() {
            let Some(buffer) = buffers.get_mut(turn) else { break };
            // Its turn comes when the other end is done with it; should it not be, it is left to the other end.
            if Arc::get_mut(buffer).is_none() {
                *buffer = Arc::new(vec![0; CHUNK_BYTES]);
            }
            let Some(room) = Arc::get_mut(buffer) else { break };
            let n = read_some(&mut source, room)?;
            if n == 0 {
                break;
            }
            // The other end lives until the channel closes, so sending cannot fail unless hashing panicked.
            if send.send((Arc::clone(buffer), n)).is_err() {
                return Err(std::io::Error::other("hashing stopped"));
            }
            let chunk = buffer.get(..n).unwrap_or_default();
            blake.update(chunk);
            if let Some(file) = copy.as_mut() {
                file.write_all(chunk)?;
            }
            size += n as u64;
        }
        drop(send);
        let md5 = other.join().map_err(|_| std::io::Error::other("hashing stopped"))?;
        Ok(finish(md5, &blake, size))
    })
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn finish(md5: Md5, blake: &blake3::Hasher, size_bytes: u64) -> FileHash {
    FileHash { md5: hex::encode(md5.finalize()), digest: Digest::from_hash(blake.finalize()), size_bytes }
}

/// Both digests of bytes in memory.
pub(crate) fn hash_bytes(bytes: &[u8]) -> FileHash {
    both(bytes, &Md5::digest(bytes))
}

/// Both digests of each of some contents.
pub(crate) fn hash_each(contents: &[&[u8]]) -> Vec<FileHash> {
    let some = |part: &[&[u8]]| -> Vec<FileHash> {
        let (longest, total) = part.iter().fold((0, 0), |(longest, total), c| (c.len().max(longest), c.len() + total));
        // Lanes take as long as their longest, about three times what it takes alone.
        if total < 4 * longest {
            return part.iter().map(|content| hash_bytes(content)).collect();
        }
        let md5s = md5_each(std::array::from_fn(|lane| part.get(lane).copied().unwrap_or_default()));
        part.iter().zip(md5s).map(|(content, md5)| both(content, &md5)).collect()
    };
    contents.chunks(LANES).flat_map(some).collect()
}

fn both(bytes: &[u8], md5: &[u8]) -> FileHash {
    FileHash { md5: hex::encode(md5), digest: Digest::of(bytes), size_bytes: bytes.len() as u64 }
}

/// A small file, and its stat after it was read.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) after: Stamp,
}

/// Opens a file to read it once: that it was read is written down nowhere, where its owner may ask for that.
pub(crate) fn open_once(path: &Path) -> std::io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, open};
        if let Ok(file) = open(path, OFlags::RDONLY | OFlags::NOATIME | OFlags::CLOEXEC, Mode::empty()) {
            return Ok(File::from(file));
        }
    }
    File::open(path)
}

/// Reads an open file that has `size` bytes, or had them a moment ago.
pub(crate) fn read_whole(mut file: &File, size: u64) -> std::io::Result<Whole> {
    // One byte more than the file should have: a read that leaves room has met the end. (`read_to_end` asks for the size
    // again, for the place, and for an end that is known.)
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0) + 1];
    let mut filled = 0;
    loop {
        filled += read_some(&mut file, bytes.get_mut(filled..).unwrap_or_default())?;
        if filled < bytes.len() {
            break;
        }
        // It grew meanwhile: the caller sees that its size is another.
        bytes.resize(2 * bytes.len(), 0);
    }
    bytes.truncate(filled);
    Ok(Whole { bytes, after: Stamp::of(&file.metadata()?) })
}

/// Both digests of what comes in pieces.
#[derive(Default)]
pub(crate) struct Streaming {
    md5: Md5,
    blake: blake3::Hasher,
    size: u64,
}

impl Streaming {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.blake.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> FileHash {
        finish(self.md5, &self.blake, self.size)
    }
}

/// The digest of DVC before 3: line ends of text made those of Unix, in pieces of a mebibyte, each of which is text or not
/// by its first 512 bytes. A line end that falls between two pieces stays as it is.
pub(crate) fn dos2unix_md5(mut source: impl Read) -> std::io::Result<String> {
    let mut md5 = Md5::new();
    let mut chunk = vec![0; OLD_CHUNK_BYTES];
    loop {
        let mut filled = 0;
        while filled < OLD_CHUNK_BYTES {
            let n = read_some(&mut source, &mut chunk[filled..])?;
            if n == 0 {
                break;
            }
            filled += n;
        }
        if filled == 0 {
            return Ok(hex::encode(md5.finalize()));
        }
        let data = &chunk[..filled];
        if !is_text(&data[..filled.min(512)]) {
            md5.update(data);
            continue;
        }
        let mut rest = data;
        while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
            md5.update(&rest[..at]);
            rest = &rest[at + 1..];
        }
        md5.update(rest);
    }
}

fn is_text(block: &[u8]) -> bool {
    let odd = block.iter().filter(|b| !matches!(b, 32..=126 | b'\n' | b'\r' | b'\t' | 0x0c | 0x08)).count();
    !block.contains(&0) && odd * 10 <= block.len() * 3
}

/// MD5 of bytes in memory, as hex.
pub(crate) fn md5_of(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::{hash_copy, hash_file};
    use std::io::Read as _;

    #[test]
    fn both_digests_are_right_whatever_the_size_and_the_threads() {
        for size in [0usize, 1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (9 << 20) + 17] {
            let bytes: Vec<u8> = (0..size).map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap()).collect();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            std::fs::write(&path, &bytes).unwrap();
            let found = hash_file(&path).unwrap();
            assert_eq!(found.md5, super::md5_of(&bytes));
            assert_eq!(found.digest, tidegate_core::id::Digest::of(&bytes));
            assert_eq!(found.size_bytes, size as u64);
            let mut copy = std::fs::File::create(dir.path().join("g")).unwrap();
            // A wrong hint changes nothing.
            assert_eq!(hash_copy(&bytes[..], 0, Some(&mut copy)).unwrap(), found);
            let mut back = Vec::new();
            std::fs::File::open(dir.path().join("g")).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == bytes);
        }
        assert_eq!(super::md5_of(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn contents_together_give_what_each_gives() {
        let content = |size: usize| -> Vec<u8> { (0..size).map(|i| u8::try_from((i * 37 + size) % 256).unwrap()).collect() };
        // All alike, of all lengths around the ends of blocks, one much longer than the rest, and more than there are lanes.
        let even: Vec<usize> = vec![4096; 8];
        let around: Vec<usize> = (0..200).collect();
        for sizes in [vec![], vec![5], even, around, vec![1, 100_000, 2, 3, 4, 5, 6, 7], vec![0; 9]] {
            let contents: Vec<Vec<u8>> = sizes.into_iter().map(content).collect();
            let slices: Vec<&[u8]> = contents.iter().map(|c| &c[..]).collect();
            let alone: Vec<_> = slices.iter().map(|c| super::hash_bytes(c)).collect();
            assert_eq!(super::hash_each(&slices), alone);
        }
        let known = super::hash_each(&[b"", b"a", b"abc", b"message digest"]);
        assert_eq!(known[3].md5, "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let mut pieces = super::Streaming::default();
        pieces.update(b"ab");
        pieces.update(b"");
        pieces.update(b"c");
        assert_eq!(pieces.finish(), super::hash_bytes(b"abc"));
    }

    #[test]
    fn line_ends_count_as_those_of_unix_in_text_alone() {
        let old = |bytes: &[u8]| super::dos2unix_md5(bytes).unwrap();
        assert_eq!(old(b"a\r\nb\r\n"), super::md5_of(b"a\nb\n"));
        assert_eq!(old(b"a\r\r\nb\r"), super::md5_of(b"a\r\nb\r"));
        assert_eq!(old(b"\0\r\n"), super::md5_of(b"\0\r\n"));
        assert_eq!(old(b""), super::md5_of(b""));
        let mut long = vec![b'x'; (1 << 20) - 1];
        long.extend(b"\r\n\r\n");
        let expected = [&long[..1 << 20], b"\n\n"].concat();
        assert_eq!(old(&long), super::md5_of(&expected));
    }
}
