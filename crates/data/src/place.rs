//! What is wrong with a file, and where in it: looked at before reading, and again when the engine refuses.

use crate::error::DataError;
use crate::source::{Files, Format};
use datafusion::error::DataFusionError;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// What a Parquet file begins and ends with.
const PARQUET_MAGIC: &[u8] = b"PAR1";
/// What an encrypted one ends with.
const PARQUET_ENCRYPTED: &[u8] = b"PARE";
/// Magic at both ends and the length of the footer.
const PARQUET_BYTES_MIN: u64 = 12;

/// Looks at how a file begins and ends.
pub(crate) fn look(operation: &'static str, path: &Path, format: Format) -> Result<(), DataError> {
    let io = |e| DataError::io(operation, path, e);
    let mut file = File::open(path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    let (mut start, mut end) = (Vec::with_capacity(4), Vec::with_capacity(8));
    if format != Format::Parquet && bytes > 0 {
        return Ok(());
    }
    Read::by_ref(&mut file).take(4).read_to_end(&mut start).map_err(io)?;
    if bytes >= 8 {
        file.seek(SeekFrom::End(-8)).map_err(io)?;
        file.read_to_end(&mut end).map_err(io)?;
    }
    look_at(operation, path, bytes, &start, &end)
}

/// Judges how a Parquet file of so many bytes begins (4 bytes) and ends (8 bytes; none of a smaller one).
pub(crate) fn look_at(operation: &'static str, path: &Path, bytes: u64, start: &[u8], end: &[u8]) -> Result<(), DataError> {
    let damaged = |why: String| Err(DataError::Damaged { operation, path: path.to_path_buf(), why });
    if bytes == 0 {
        return damaged("the file is empty, without so much as a header: write it again".to_owned());
    }
    let known = |magic: &[u8]| magic == PARQUET_MAGIC || magic == PARQUET_ENCRYPTED;
    if !known(start) {
        return damaged("this is not a Parquet file: it does not begin with `PAR1`: correct its ending, or write it again".to_owned());
    }
    let cut = |why: &str| damaged(format!("the Parquet file is cut short: after {bytes} bytes {why}: copy or write it again"));
    if bytes < PARQUET_BYTES_MIN {
        return cut("there is no footer");
    }
    let Some(([l0, l1, l2, l3], magic)) = end.split_first_chunk::<4>() else { return cut("there is no footer") };
    if !known(magic) {
        return cut("it does not end with `PAR1`");
    }
    let footer = u64::from(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
    if footer + PARQUET_BYTES_MIN > bytes {
        return cut(&format!("it names a footer of {footer} bytes, which does not fit"));
    }
    Ok(())
}

/// What the engine's refusal means: for text files the line is looked for.
pub(crate) fn explain(operation: &'static str, files: &Files, path: &Path, error: DataFusionError, memory_bytes: usize) -> DataError {
    if let Some(separator) = files.format.separator() {
        for file in &files.paths {
            if let Ok(Some((line, expected, got))) = ragged_line(file, separator) {
                return DataError::Ragged { operation, path: files.shown(file), line, expected, got };
            }
        }
    }
    if files.format == Format::JsonLines {
        for file in &files.paths {
            if let Ok(Some((line, mistake))) = broken_line(file) {
                let why = format!("line {line} is not a JSON object: {mistake}: mend that line");
                return DataError::Damaged { operation, path: files.shown(file), why };
            }
        }
    }
    DataError::engine(operation, path, error, memory_bytes)
}

/// The first line that is not a JSON object; blank lines are skipped.
fn broken_line(path: &Path) -> std::io::Result<Option<(u64, String)>> {
    for (line, text) in BufReader::new(File::open(path)?).lines().enumerate() {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let mistake = match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(serde_json::Value::Object(_)) => continue,
            Ok(_) => "it is another value".to_owned(),
            Err(e) => e.to_string(),
        };
        return Ok(Some((line as u64 + 1, mistake)));
    }
    Ok(None)
}

/// The first line whose number of fields is not that of the first, with both numbers.
fn ragged_line(path: &Path, separator: u8) -> std::io::Result<Option<(u64, usize, usize)>> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut records = Records { separator, ..Records::default() };
    let mut chunk = vec![0_u8; 1 << 16];
    loop {
        let n = reader.read(&mut chunk)?;
        let found = match chunk.get(..n) {
            Some(bytes) if n > 0 => bytes.iter().find_map(|b| records.take(*b)),
            _ => return Ok(records.end()),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// Counts fields of records as RFC 4180 has them: a quoted field may hold separators and line ends.
#[derive(Default)]
struct Records {
    separator: u8,
    /// Line ends seen.
    lines: u64,
    /// Line ends seen when the record began.
    began: u64,
    fields: usize,
    /// The record has bytes.
    bytes: bool,
    quoted: bool,
    expected: Option<usize>,
}

impl Records {
    fn take(&mut self, byte: u8) -> Option<(u64, usize, usize)> {
        match byte {
            b'"' => {
                self.quoted = !self.quoted;
                self.bytes = true;
            }
            b'\n' if self.quoted => self.lines += 1,
            b'\n' => {
                self.lines += 1;
                let found = self.end();
                (self.fields, self.bytes, self.began) = (0, false, self.lines);
                return found;
            }
            b'\r' => {}
            b if b == self.separator && !self.quoted => {
                self.fields += 1;
                self.bytes = true;
            }
            _ => self.bytes = true,
        }
        None
    }

    /// The record that ends here, if it is ragged; blank lines are skipped.
    fn end(&mut self) -> Option<(u64, usize, usize)> {
        if !self.bytes {
            return None;
        }
        let got = self.fields + 1;
        let expected = *self.expected.get_or_insert(got);
        (got != expected).then_some((self.began + 1, expected, got))
    }
}
