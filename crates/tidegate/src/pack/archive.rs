//! Archives as streams: members written and read one after the other, never whole in memory.

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tidegate_wire::tar::{self, BLOCK, Header, Kind};

/// Bytes that are moved at once.
const CHUNK: usize = 1 << 20;
/// Members and folders of an archive that is read; a bundle has eleven names.
const ENTRIES_MAX: usize = 64;

/// What a member is made of.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file, read when it is written.
    File(PathBuf),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Content {
    /// Length and digest.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self) -> Result<(u64, String)> {
        let mut sink = Digested::new(io::sink());
        self.copy(&mut sink)?;
        Ok((sink.bytes, sink.sha256()))
    }

    fn copy(&self, to: &mut dyn Write) -> Result<()> {
        match self {
            Content::Bytes(bytes) => to.write_all(bytes).context("write to the disk"),
            Content::File(path) => {
                let mut file = File::open(path).with_context(|| format!("read {}", path.display()))?;
                io::copy(&mut file, to).with_context(|| format!("copy {}", path.display()))?;
                Ok(())
            }
        }
    }
}

/// Counts and digests what goes through.
pub struct Digested<W> {
    /// Where it goes.
    pub inner: W,
    /// How much went.
    pub bytes: u64,
    hasher: Sha256,
}

impl<W> Digested<W> {
    /// Around a writer.
    pub fn new(inner: W) -> Digested<W> {
        Digested { inner, bytes: 0, hasher: Sha256::new() }
    }

    /// The digest of what went, in hex.
    pub fn sha256(&self) -> String {
        hex::encode(self.hasher.clone().finalize())
    }
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The digest of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An archive that is being written.
pub struct Writer<W> {
    out: W,
    time_s: u64,
}

impl<W: Write> Writer<W> {
    /// Every member gets the same time.
    pub fn new(out: W, time_s: u64) -> Writer<W> {
        Writer { out, time_s }
    }

    /// Writes a folder.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn folder(&mut self, name: &str, mode: u32) -> Result<()> {
        self.out.write_all(&Header::folder(name, mode, self.time_s).write()?).with_context(|| format!("write {name}"))
    }

    /// Writes a file; its length and digest.
    ///
    /// # Errors
    /// When it cannot be read, is not as long as it was, or the disk refuses.
    pub fn file(&mut self, name: &str, executable: bool, content: &Content) -> Result<(u64, String)> {
        let bytes = match content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(path) => std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?.len(),
        };
        let failed = || format!("write {name}");
        self.out.write_all(&Header::file(name, bytes, executable, self.time_s).write()?).with_context(failed)?;
        let mut digested = Digested::new(&mut self.out);
        content.copy(&mut digested)?;
        let (written, sha256) = (digested.bytes, digested.sha256());
        ensure!(written == bytes, "write {name}: it had {bytes} bytes, and {written} when it was read: somebody changes it; try again");
        self.out.write_all(vec![0; tar::padding(bytes)].as_slice()).with_context(failed)?;
        Ok((bytes, sha256))
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end(mut self) -> Result<W> {
        self.out.write_all(&[0; 2 * BLOCK]).context("write the end of an archive")?;
        self.out.flush().context("write the end of an archive")?;
        Ok(self.out)
    }
}

/// What is done with a member: its header, and its content, of which what is left over is an error.
pub type Take<'a> = dyn FnMut(&Header, &mut dyn Read) -> Result<()> + 'a;

/// Reads an archive to its very end: whatever is filled up must be zero, so no byte of it can be another one unseen.
///
/// # Errors
/// When it breaks off, holds what is not taken, or `take` refuses.
pub fn read(archive: &mut dyn Read, take: &mut Take<'_>) -> Result<()> {
    let mut entries = 0;
    loop {
        let mut block = [0; BLOCK];
        archive.read_exact(&mut block).context("it breaks off before its end")?;
        let Some(header) = Header::read(&block)? else { break };
        entries += 1;
        ensure!(entries <= ENTRIES_MAX, "it has more than {ENTRIES_MAX} members");
        let mut content = (&mut *archive).take(header.bytes);
        take(&header, &mut content)?;
        ensure!(content.limit() == 0, "`{}` breaks off: {} bytes are missing", header.name, content.limit());
        let mut filling = vec![0; if header.kind == Kind::File { tar::padding(header.bytes) } else { 0 }];
        archive.read_exact(&mut filling).context("it breaks off before its end")?;
        ensure!(filling.iter().all(|byte| *byte == 0), "there are bytes behind `{}` that belong to nothing", header.name);
    }
    let mut rest = vec![0; CHUNK];
    let mut behind = 0;
    loop {
        let count = archive.read(&mut rest).context("read the end of the archive")?;
        if count == 0 {
            break;
        }
        ensure!(rest.iter().take(count).all(|byte| *byte == 0), "there are bytes behind its end");
        behind += count;
    }
    ensure!(behind >= BLOCK, "it breaks off before its end");
    Ok(())
}

/// A file beside `path` that becomes it when it is whole; one that is there already is not overwritten.
///
/// # Errors
/// When there is one, or the folder cannot be written to.
pub fn beside(path: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".tidegate-tmp-")
        .tempfile_in(folder)
        .with_context(|| format!("write {}: make a file in {}", path.display(), folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), 0);
        writer.folder("model", 0o755).unwrap();
        writer.file("model/golden.json", false, &Content::Bytes(b"{}".to_vec())).unwrap();
        writer.file("tidegate", true, &Content::Bytes(vec![7; 600])).unwrap();
        writer.end().unwrap()
    }

    fn seen(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut seen = vec![];
        read(&mut &bytes[..], &mut |header, content| {
            let mut bytes = vec![];
            content.read_to_end(&mut bytes)?;
            seen.push((header.name.clone(), bytes));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn an_archive_is_read_as_it_was_written_and_breaks_off_nowhere_unseen() {
        let bytes = archive();
        let names: Vec<String> = seen(&bytes).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["model", "model/golden.json", "tidegate"]);
        for end in 0..bytes.len() {
            assert!(seen(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
        let more = [bytes.clone(), vec![0; 7 * BLOCK]].concat();
        assert_eq!(seen(&more).unwrap().len(), 3);
        assert!(seen(&[more, vec![1]].concat()).unwrap_err().to_string().contains("bytes behind its end"));
    }

    #[test]
    fn the_system_reads_what_we_write() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.tar"), archive()).unwrap();
        let ended = std::process::Command::new("tar").args(["xf", "a.tar"]).current_dir(folder.path()).status().unwrap();
        assert!(ended.success());
        assert_eq!(std::fs::read(folder.path().join("tidegate")).unwrap(), vec![7; 600]);
        assert_eq!(std::fs::read(folder.path().join("model/golden.json")).unwrap(), b"{}");
    }
}
