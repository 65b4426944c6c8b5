//! Digests as DVC 2 made them: MD5 with the line ends of text made those of Unix. Only to see whether what such a digest is
//! recorded of has changed; what is recorded anew has a digest of today.

use crate::error::PathIo;
use crate::tree::{Content, Eyes};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use tidegate_wire::dvc::json_dumps;

/// Bytes that are taken for text or not as one.
const CHUNK_BYTES: u64 = 1 << 20;
/// Bytes of a chunk that tell which.
const SAMPLE_BYTES: usize = 512;

/// The MD5 of DVC 2 of what `content` is at `relative`, with `.dir` for a directory.
pub(crate) fn md5_of_content(eyes: &Eyes<'_>, relative: &str, content: &Content) -> Result<String, PathIo> {
    let Some(members) = &content.members else {
        let path = eyes.root.join(relative);
        return md5_of_file(&path).map_err(PathIo::at("read", &path));
    };
    let mut items = Vec::new();
    for member in members {
        let md5 = md5_of_file(&member.path).map_err(PathIo::at("read", &member.path))?;
        items.push(json!({"md5": md5, "relpath": member.relative}));
    }
    Ok(format!("{}.dir", crate::hash::md5_of(json_dumps(&Value::Array(items), &[]).as_bytes())))
}

fn md5_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut md5 = Md5::new();
    loop {
        let mut chunk = Vec::new();
        (&mut file).take(CHUNK_BYTES).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok(hex::encode(md5.finalize()));
        }
        if is_text(chunk.get(..SAMPLE_BYTES).unwrap_or(&chunk)) {
            let mut from = 0;
            for (at, pair) in chunk.windows(2).enumerate() {
                if pair == b"\r\n" {
                    md5.update(&chunk[from..at]);
                    from = at + 1;
                }
            }
            md5.update(&chunk[from..]);
        } else {
            md5.update(&chunk);
        }
    }
}

/// No zero byte, and at most three bytes in ten that text does not have.
fn is_text(sample: &[u8]) -> bool {
    let of_text = |b: &u8| matches!(b, 32..=126 | b'\n' | b'\r' | b'\t' | 0x0c | 0x08);
    let others = sample.iter().filter(|b| !of_text(b)).count();
    !sample.contains(&0) && others * 10 <= sample.len() * 3
}

#[cfg(test)]
mod tests {
    use super::md5_of_file;
    use crate::hash::md5_of;

    #[test]
    fn line_ends_of_text_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            md5_of_file(&path).unwrap()
        };
        assert_eq!(of(b"a\r\nb\r\r\n\n"), md5_of(b"a\nb\r\n\n"));
        assert_eq!(of(b"a\r\n\0"), md5_of(b"a\r\n\0"));
        assert_eq!(of(b""), md5_of(b""));
        // A pair that lies on both sides of a chunk's end stays.
        let mut long = vec![b'x'; (1 << 20) - 1];
        long.extend(b"\r\nz\r\n");
        let mut wanted = vec![b'x'; (1 << 20) - 1];
        wanted.extend(b"\r\nz\n");
        assert_eq!(of(&long), md5_of(&wanted));
    }
}
