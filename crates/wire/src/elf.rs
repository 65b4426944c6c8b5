//! What a program or a shared library of Linux asks for, out of its ELF file: machine, loader, libraries.
//!
//! Read are the headers and the dynamic section, 64 bits, little-endian. Nothing is loaded or run.

/// Headers and entries of one table that are looked at.
const ENTRIES_MAX: u64 = 4_096;
/// Bytes of a text.
const TEXT_BYTES_MAX: usize = 4_096;
/// Bytes of the file's header, of one of its program headers, and of an entry of the dynamic section.
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const DYNAMIC: usize = 16;
/// Kinds of program headers, and tags of the dynamic section.
const LOAD: u32 = 1;
const DYNAMIC_SECTION: u32 = 2;
const INTERPRETER: u32 = 3;
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;

/// What a file asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// The processor, as `x86_64`.
    pub machine: &'static str,
    /// The loader, of a program.
    pub interpreter: Option<String>,
    /// Names of the shared libraries that it needs.
    pub needed: Vec<String>,
    /// Where it asks for them to be looked for first.
    pub runpath: Vec<String>,
}

/// Gives bytes of a file: from an offset, so many.
pub type At<'a> = dyn FnMut(u64, usize) -> std::io::Result<Vec<u8>> + 'a;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It is something else.
    #[error("it is no program or library of Linux with 64 bits, little-endian (ELF)")]
    Other,
    /// It says what cannot be.
    #[error("its {0} is damaged")]
    Damaged(&'static str),
    /// The disk.
    #[error(transparent)]
    Read(#[from] std::io::Error),
}

impl Elf {
    /// Reads what a file asks for.
    ///
    /// # Errors
    /// When it is no such file, or damaged.
    pub fn read(at: &mut At<'_>) -> Result<Elf, ElfError> {
        let header = at(0, HEADER).map_err(|e| if e.kind() == std::io::ErrorKind::UnexpectedEof { ElfError::Other } else { e.into() })?;
        if header.get(..6) != Some(b"\x7fELF\x02\x01") {
            return Err(ElfError::Other);
        }
        let mut elf = Elf { machine: machine(u16_at(&header, 18)), ..Elf::default() };
        let (table, count) = (u64_at(&header, 32), u64::from(u16_at(&header, 56)));
        if usize::from(u16_at(&header, 54)) != PROGRAM_HEADER || count > ENTRIES_MAX {
            return Err(ElfError::Damaged("header"));
        }
        let mut segments = vec![];
        for index in 0..count {
            let place = table.checked_add(index * PROGRAM_HEADER as u64).ok_or(ElfError::Damaged("header"))?;
            segments.push(Segment::of(&at(place, PROGRAM_HEADER)?));
        }
        if let Some(segment) = segments.iter().find(|s| s.kind == INTERPRETER) {
            elf.interpreter = Some(text(at, segment.offset)?);
        }
        if let Some(segment) = segments.iter().find(|s| s.kind == DYNAMIC_SECTION) {
            elf.ask(at, segment, &segments)?;
        }
        Ok(elf)
    }

    fn ask(&mut self, at: &mut At<'_>, dynamic: &Segment, segments: &[Segment]) -> Result<(), ElfError> {
        const WHAT: ElfError = ElfError::Damaged("dynamic section");
        let mut entries = vec![];
        for index in 0..(dynamic.bytes / DYNAMIC as u64).min(ENTRIES_MAX) {
            let entry = at(dynamic.offset.checked_add(index * DYNAMIC as u64).ok_or(WHAT)?, DYNAMIC)?;
            match (u64_at(&entry, 0), u64_at(&entry, 8)) {
                (0, _) => break,
                other => entries.push(other),
            }
        }
        let Some((_, address)) = entries.iter().find(|(tag, _)| *tag == STRINGS) else { return Ok(()) };
        let strings = segments.iter().find_map(|s| s.place_of(*address)).ok_or(WHAT)?;
        for (tag, value) in &entries {
            if ![NEEDED, RPATH, RUNPATH].contains(tag) {
                continue;
            }
            let said = text(at, strings.checked_add(*value).ok_or(WHAT)?)?;
            if *tag == NEEDED {
                self.needed.push(said);
            } else {
                self.runpath.extend(said.split(':').filter(|part| !part.is_empty()).map(str::to_owned));
            }
        }
        Ok(())
    }
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    bytes: u64,
}

impl Segment {
    fn of(bytes: &[u8]) -> Segment {
        Segment {
            kind: u32::try_from(u64_at(bytes, 0) & 0xffff_ffff).unwrap_or(0),
            offset: u64_at(bytes, 8),
            address: u64_at(bytes, 16),
            bytes: u64_at(bytes, 32),
        }
    }

    /// Where in the file an address of memory lies.
    fn place_of(&self, address: u64) -> Option<u64> {
        let inside = address.checked_sub(self.address).filter(|inside| self.kind == LOAD && *inside < self.bytes)?;
        self.offset.checked_add(inside)
    }
}

fn machine(number: u16) -> &'static str {
    match number {
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        21 => "powerpc64",
        _ => "unknown",
    }
}

/// A text that ends with a zero; it may end with the file.
fn text(at: &mut At<'_>, from: u64) -> Result<String, ElfError> {
    const STEP: usize = 64;
    let mut bytes = vec![];
    while bytes.len() < TEXT_BYTES_MAX {
        let place = from.checked_add(bytes.len() as u64).ok_or(ElfError::Damaged("table of texts"))?;
        // Near the end of a file there are fewer bytes: one at a time then.
        let more = at(place, STEP).or_else(|_| at(place, 1))?;
        if let Some(end) = more.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(more.get(..end).unwrap_or_default());
            return String::from_utf8(bytes).map_err(|_| ElfError::Damaged("table of texts"));
        }
        bytes.extend(more);
    }
    Err(ElfError::Damaged("table of texts"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Elf, ElfError> {
        Elf::read(&mut |from, count| {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let end = from.checked_add(count).ok_or(std::io::ErrorKind::UnexpectedEof)?;
            bytes.get(from..end).map(<[u8]>::to_vec).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
        })
    }

    /// A file with a loader, one library and a path, its memory a page further than its bytes.
    fn made() -> Vec<u8> {
        let mut bytes = vec![0; 1_024];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let put = |bytes: &mut Vec<u8>, at: usize, value: u64, count: usize| {
            bytes[at..at + count].copy_from_slice(&value.to_le_bytes()[..count]);
        };
        put(&mut bytes, 18, 62, 2);
        put(&mut bytes, 32, 64, 8);
        put(&mut bytes, 54, 56, 2);
        put(&mut bytes, 56, 3, 2);
        for (index, (kind, offset, address, length)) in [(1, 0, 0x1000, 1_024), (3, 400, 0, 8), (2, 500, 0, 80)].into_iter().enumerate() {
            let at = 64 + index * 56;
            put(&mut bytes, at, kind, 4);
            put(&mut bytes, at + 8, offset, 8);
            put(&mut bytes, at + 16, address, 8);
            put(&mut bytes, at + 32, length, 8);
        }
        bytes[400..406].copy_from_slice(b"/ld.so");
        for (index, (tag, value)) in [(5, 0x1000 + 700), (1, 1), (29, 11), (0, 0)].into_iter().enumerate() {
            put(&mut bytes, 500 + index * 16, tag, 8);
            put(&mut bytes, 508 + index * 16, value, 8);
        }
        bytes[701..710].copy_from_slice(b"libc.so.6");
        bytes[711..717].copy_from_slice(b"/a::/b");
        bytes
    }

    #[test]
    fn what_a_file_asks_for_is_read() {
        let elf = read(&made()).unwrap();
        assert_eq!((elf.machine, elf.interpreter.as_deref()), ("x86_64", Some("/ld.so")));
        assert_eq!((elf.needed, elf.runpath), (vec!["libc.so.6".to_owned()], vec!["/a".to_owned(), "/b".to_owned()]));
    }

    #[test]
    fn no_bytes_whatever_are_followed_out_of_the_file() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x01\x01"] {
            assert!(matches!(read(bytes), Err(ElfError::Other)), "{bytes:?}");
        }
        let whole = made();
        for at in 0..whole.len() {
            for value in [0, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                // Refused or read: neither panics nor goes on for ever.
                let _ = read(&bytes);
            }
            let _ = read(&whole[..at]);
        }
    }
}
