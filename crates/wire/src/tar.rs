//! Archives of tar, in the plainest of their forms (POSIX `ustar`): regular files and folders, nothing else.
//!
//! What a header says is read and written here, one block at a time; callers move the bytes. A header of any other kind, as of a
//! link, a device or a long name, is refused by name: nothing that is unpacked from here can point out of its folder.

/// Bytes of a block: a header is one, and contents are filled up to whole ones.
pub const BLOCK: usize = 512;
/// Largest content that a header can tell of, in bytes: eleven octal digits.
pub const CONTENT_BYTES_MAX: u64 = 0o777_7777_7777;
/// Longest name in bytes; one that is longer than a hundred is split at a slash.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of the field that holds a name, and of the one before it that holds what does not fit.
const NAME: usize = 100;
const PREFIX: usize = 155;
/// Where the fields are.
const AT_MODE: usize = 100;
const AT_SIZE: usize = 124;
const AT_TIME: usize = 136;
const AT_SUM: usize = 148;
const AT_KIND: usize = 156;
const AT_MAGIC: usize = 257;
const AT_PREFIX: usize = 345;

/// What a header stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name, with slashes; that of a folder ends without one.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of the content.
    pub bytes: u64,
    /// Permissions.
    pub mode: u32,
    /// When it was changed, in seconds since the Unix epoch.
    pub time_s: u64,
}

/// A header that cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// Not a header, or a damaged one.
    #[error("a header is damaged: its checksum is not that of its bytes")]
    Sum,
    /// Another form.
    #[error("it is no tar archive, or of another form: it is read as `tar --format=ustar` writes it")]
    Form,
    /// A kind that is not taken.
    #[error("member `{name}` is {kind}: only regular files and folders are taken")]
    Kind {
        /// The member.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A number that is none.
    #[error("member `{name}`: its {field} is no octal number")]
    Number {
        /// The member.
        name: String,
        /// Which field.
        field: &'static str,
    },
    /// A name that cannot be told.
    #[error("member `{name}`: a name is up to {NAME_BYTES_MAX} bytes of UTF-8, with a slash where it is longer than {NAME}")]
    Name {
        /// The name.
        name: String,
    },
    /// Too long.
    #[error("member `{name}` of {bytes} bytes: at most {CONTENT_BYTES_MAX} can be told")]
    Long {
        /// The member.
        name: String,
        /// Its length.
        bytes: u64,
    },
}

impl Header {
    /// A file that belongs to nobody in particular.
    #[must_use]
    pub fn file(name: &str, bytes: u64, executable: bool, time_s: u64) -> Header {
        Header { name: name.to_owned(), kind: Kind::File, bytes, mode: if executable { 0o755 } else { 0o644 }, time_s }
    }

    /// A folder.
    #[must_use]
    pub fn folder(name: &str, mode: u32, time_s: u64) -> Header {
        Header { name: name.to_owned(), kind: Kind::Folder, bytes: 0, mode, time_s }
    }

    /// As a block; owner and group are 0 and have no name, so that the same content is the same bytes everywhere.
    ///
    /// # Errors
    /// When name or length do not fit.
    pub fn write(&self) -> Result<[u8; BLOCK], TarError> {
        if self.bytes > CONTENT_BYTES_MAX {
            return Err(TarError::Long { name: self.name.clone(), bytes: self.bytes });
        }
        let name = if self.kind == Kind::Folder { format!("{}/", self.name) } else { self.name.clone() };
        let (prefix, rest) = split(&name).ok_or_else(|| TarError::Name { name: self.name.clone() })?;
        let mut block = [0; BLOCK];
        put(&mut block, 0, rest.as_bytes());
        put(&mut block, AT_PREFIX, prefix.as_bytes());
        put(&mut block, AT_MODE, format!("{:07o}", self.mode & 0o7777).as_bytes());
        put(&mut block, AT_MODE + 8, b"0000000");
        put(&mut block, AT_MODE + 16, b"0000000");
        put(&mut block, AT_SIZE, format!("{:011o}", self.bytes).as_bytes());
        put(&mut block, AT_TIME, format!("{:011o}", self.time_s.min(CONTENT_BYTES_MAX)).as_bytes());
        put(&mut block, AT_KIND, if self.kind == Kind::Folder { b"5" } else { b"0" });
        put(&mut block, AT_MAGIC, b"ustar\x0000");
        let sum = sum(&block);
        put(&mut block, AT_SUM, format!("{sum:06o}\0 ").as_bytes());
        Ok(block)
    }

    /// A header of a block; none where the block is empty, as at the end.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not taken.
    pub fn read(block: &[u8; BLOCK]) -> Result<Option<Header>, TarError> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The magic of POSIX, or the older one of GNU, whose fields up to here are the same.
        let magic = field(block, AT_MAGIC, 6);
        if magic != b"ustar\0" && magic != b"ustar " {
            return Err(TarError::Form);
        }
        // As it is written everywhere, so that not even what fills it up can be another byte unseen.
        let (digits, end) = (field(block, AT_SUM, 6), field(block, AT_SUM + 6, 2));
        if end != b"\0 " || !digits.iter().all(u8::is_ascii_digit) || octal(digits) != Some(sum(block)) {
            return Err(TarError::Sum);
        }
        let prefix = if magic == b"ustar\0" { until_zero(field(block, AT_PREFIX, PREFIX)) } else { &[] };
        let rest = until_zero(field(block, 0, NAME));
        let bytes = if prefix.is_empty() { rest.to_vec() } else { [prefix, b"/", rest].concat() };
        let name = String::from_utf8(bytes).map_err(|e| TarError::Name { name: String::from_utf8_lossy(e.as_bytes()).into_owned() })?;
        let kind = kind(block[AT_KIND]).map_err(|kind| TarError::Kind { name: name.clone(), kind })?;
        let number = |field_name, at, length| {
            octal(field(block, at, length)).ok_or_else(|| TarError::Number { name: name.clone(), field: field_name })
        };
        let (bytes, mode, time_s) = (number("length", AT_SIZE, 12)?, number("mode", AT_MODE, 8)?, number("time", AT_TIME, 12)?);
        if kind == Kind::Folder && bytes > 0 {
            return Err(TarError::Kind { name, kind: "a folder with a content" });
        }
        let name = if kind == Kind::Folder { name.trim_end_matches('/').to_owned() } else { name };
        Ok(Some(Header { name, kind, bytes, mode: u32::try_from(mode).unwrap_or(0), time_s }))
    }
}

/// Bytes of zero behind a content, up to a whole block.
#[must_use]
pub fn padding(bytes: u64) -> usize {
    let over = usize::try_from(bytes % BLOCK as u64).unwrap_or(0);
    if over == 0 { 0 } else { BLOCK - over }
}

fn kind(flag: u8) -> Result<Kind, &'static str> {
    match flag {
        b'0' | 0 => Ok(Kind::File),
        b'5' => Ok(Kind::Folder),
        b'1' => Err("a hard link"),
        b'2' => Err("a symbolic link"),
        b'3' | b'4' => Err("a device"),
        b'6' => Err("a pipe"),
        b'x' | b'g' | b'L' | b'K' => Err("an extension of the format, as for a long name (write it with `tar --format=ustar`)"),
        _ => Err("of a kind that is not known"),
    }
}

/// A name in the two fields: what fits the second one, cut at a slash.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    if name.len() <= NAME {
        return Some(("", name));
    }
    // The earliest slash that leaves few enough bytes behind it.
    let at = name.bytes().enumerate().find(|(at, byte)| *byte == b'/' && name.len() - at - 1 <= NAME)?.0;
    let (prefix, rest) = (name.get(..at)?, name.get(at + 1..)?);
    (prefix.len() <= PREFIX && !prefix.is_empty() && !rest.is_empty()).then_some((prefix, rest))
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (place, byte) in block.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

fn field(block: &[u8; BLOCK], at: usize, length: usize) -> &[u8] {
    block.get(at..at + length).unwrap_or_default()
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn octal(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(until_zero(bytes)).ok()?.trim();
    u64::from_str_radix(text, 8).ok()
}

/// The sum of all bytes, with spaces in place of the field that holds it.
fn sum(block: &[u8; BLOCK]) -> u64 {
    block.iter().enumerate().map(|(at, byte)| if (AT_SUM..AT_SUM + 8).contains(&at) { 32 } else { u64::from(*byte) }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let long = format!("{}/{}", "f".repeat(120), "n".repeat(99));
        for header in [
            Header::file("model/golden.json", 12_345, false, 0),
            Header::file("tidegate", CONTENT_BYTES_MAX, true, 1_700_000_000),
            Header::folder("tmp", 0o1777, 7),
            Header::file(&long, 1, false, 0),
        ] {
            assert_eq!(Header::read(&header.write().unwrap()), Ok(Some(header)));
        }
        assert_eq!(Header::read(&[0; BLOCK]), Ok(None));
        assert_eq!((padding(0), padding(1), padding(512), padding(513)), (0, 511, 0, 511));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let says = |header: Header| header.write().unwrap_err().to_string();
        assert!(says(Header::file(&"n".repeat(101), 1, false, 0)).contains("a name is up to 255 bytes"));
        assert!(says(Header::file("a", CONTENT_BYTES_MAX + 1, false, 0)).contains("at most 8589934591"));
        assert!(says(Header::file("", 0, false, 0)).contains("a name is"));
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_seen() {
        let block = Header::file("model/golden.json", 12_345, false, 99).write().unwrap();
        for bit in 0..BLOCK * 8 {
            let mut other = block;
            other[bit / 8] ^= 1 << (bit % 8);
            let read = Header::read(&other);
            assert!(read.is_err(), "bit {bit}: {read:?}");
        }
    }

    #[test]
    fn links_and_devices_are_refused_by_name() {
        for (flag, says) in
            [(b'2', "a symbolic link"), (b'1', "a hard link"), (b'3', "a device"), (b'x', "an extension"), (b'?', "not known")]
        {
            let mut block = Header::file("model/golden.json", 0, false, 0).write().unwrap();
            block[AT_KIND] = flag;
            let sum = sum(&block);
            put(&mut block, AT_SUM, format!("{sum:06o}\0 ").as_bytes());
            let why = Header::read(&block).unwrap_err().to_string();
            assert!(why.contains("`model/golden.json`") && why.contains(says), "{why}");
        }
    }
}
