//! One table: at most one open segment, and the sealed ones that its manifest lists.
//!
//! Order of sealing: Parquet flushed and in place, manifest replaced, open segment removed. A crash in between leaves
//! a segment that is sealed again, or an open one that the manifest lists already and that is then removed.

use super::manifest::{Manifest, SealedSegment};
use super::read::{Rows, Source};
use super::rows::Row;
use super::segment::{self, OpenSegment, WholeBatches};
use super::{ROWS_PER_APPEND_MAX, ROWS_PER_SEGMENT_MAX, SEGMENT_BYTES_MAX, SEGMENTS_MAX, broken};
use crate::disk;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidegate_core::id::{At, Digest};
use tidegate_port::{Failure, FailureKind};

/// What opening found of a process that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Rows that were sealed now.
    pub rows: u64,
    /// Bytes of torn batches that were dropped.
    pub torn_bytes: u64,
}

impl Recovered {
    pub(super) fn and(self, other: Recovered) -> Recovered {
        Recovered { rows: self.rows + other.rows, torn_bytes: self.torn_bytes + other.torn_bytes }
    }
}

#[derive(Debug)]
struct State {
    manifest: Manifest,
    open: Option<OpenSegment>,
    next: u64,
}

/// A table of rows `R`.
#[derive(Debug)]
pub struct Table<R> {
    dir: PathBuf,
    /// None when opened for reading.
    state: Option<Mutex<State>>,
    recovered: Recovered,
    rows: PhantomData<fn() -> R>,
}

impl<R: Row> Table<R> {
    pub(super) fn open(lake: &Path) -> Result<Table<R>, Failure> {
        let dir = lake.join(R::TABLE);
        disk::make_dir(&dir)?;
        let mut state = State { manifest: Manifest::load(&dir, R::TABLE)?, open: None, next: 0 };
        let mut recovered = Recovered::default();
        for (number, path) in segment::open_segments(&dir)? {
            if !state.manifest.holds(number) {
                recovered = recovered.and(seal::<R>(&dir, number, &path, &mut state.manifest)?);
            }
            std::fs::remove_file(&path).map_err(|e| disk::failure("remove segment", &path, &e))?;
        }
        sweep(&dir, &state.manifest)?;
        state.next = state.manifest.segments.iter().map(|segment| segment.number + 1).max().unwrap_or(0);
        Ok(Table { dir, state: Some(Mutex::new(state)), recovered, rows: PhantomData })
    }

    pub(super) fn open_read_only(lake: &Path) -> Result<Table<R>, Failure> {
        let dir = lake.join(R::TABLE);
        Manifest::load(&dir, R::TABLE)?;
        Ok(Table { dir, state: None, recovered: Recovered::default(), rows: PhantomData })
    }

    /// What opening found of a process that died.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Appends rows: readable by others, and safe from a crash of this process, when it returns.
    /// One call is one batch: collect rows before calling. Seals the segment when it is full.
    ///
    /// # Errors
    /// When a limit is exceeded or the disk fails: then these rows are lost, and the caller counts them.
    pub fn append(&self, rows: &[R]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() > ROWS_PER_APPEND_MAX || !rows.iter().all(R::fits) {
            return Err(self.refused(
                "append to table",
                format!("over {ROWS_PER_APPEND_MAX} rows in one append, or a row with a text or list over its limit"),
            ));
        }
        let batch = R::batch(rows).map_err(|e| broken("append to table", &self.dir, &e))?;
        let mut state = self.state("append to table")?;
        if state.manifest.segments.len() >= SEGMENTS_MAX {
            return Err(self.refused("append to table", format!("it has {SEGMENTS_MAX} segments, the most it may have: archive old ones")));
        }
        let mut open = match state.open.take() {
            Some(open) => open,
            None => {
                let open = OpenSegment::create(&self.dir, state.next, &R::schema())?;
                state.next += 1;
                open
            }
        };
        let appended = open.append(&batch);
        let full = open.rows >= ROWS_PER_SEGMENT_MAX || open.bytes >= SEGMENT_BYTES_MAX;
        state.open = Some(open);
        appended?;
        // The rows are appended: a failure to seal is reported by the next call of `seal`.
        if full {
            let _ = self.seal_open(&mut state);
        }
        Ok(())
    }

    /// Seals the open segment, if there is one with rows.
    ///
    /// # Errors
    /// When the disk fails; the segment stays open and readable.
    pub fn seal(&self) -> Result<(), Failure> {
        self.seal_open(&mut *self.state("seal table")?)
    }

    /// Flushes what was appended to the disk: safe from a power cut when it returns.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> Result<(), Failure> {
        self.state("flush table")?.open.as_ref().map_or(Ok(()), OpenSegment::sync)
    }

    /// Removes rows from before a time that `which` names, from the disk too; gives how many. Segments in which some rows stay are written anew.
    ///
    /// # Errors
    /// When the disk fails: what was not removed is there, and removed when it is asked for again.
    pub fn remove(&self, before: At, every: &R::Filter, which: &dyn Fn(&R) -> bool) -> Result<u64, Failure> {
        let mut state = self.state("remove from table")?;
        self.seal_open(&mut state)?;
        let (mut listed, mut removed) = (state.manifest.clone(), 0);
        for segment in std::mem::take(&mut listed.segments) {
            if segment.at_min >= before {
                listed.segments.push(segment);
                continue;
            }
            let rows = Rows::<R>::new(vec![Source::Sealed(self.path(&segment))], every.clone()).collect::<Result<Vec<R>, _>>()?;
            let kept: Vec<R> = rows.into_iter().filter(|row| row.at() >= before || !which(row)).collect();
            removed += segment.rows - kept.len() as u64;
            if kept.len() as u64 == segment.rows {
                listed.segments.push(segment);
            } else if !kept.is_empty() {
                listed.segments.push(self.written_anew(&segment, &kept)?);
            }
        }
        if removed > 0 {
            listed.store(&self.dir)?;
            state.manifest = listed;
        }
        sweep(&self.dir, &state.manifest)?;
        Ok(removed)
    }

    /// A segment with fewer rows, under a name that it never had.
    fn written_anew(&self, segment: &SealedSegment, rows: &[R]) -> Result<SealedSegment, Failure> {
        let file = segment::fewer_name(segment.number, rows.len());
        let path = self.dir.join(&file);
        let batch = R::batch(rows).map_err(|e| broken("remove from table", &path, &e))?;
        segment::write_parquet(&path, &R::schema(), &mut std::iter::once(batch))?;
        let (digest, bytes) = digest_of(&path)?;
        let times = || rows.iter().map(R::at);
        let (at_min, at_max) = (times().min().unwrap_or(segment.at_min), times().max().unwrap_or(segment.at_max));
        Ok(SealedSegment { number: segment.number, file, rows: rows.len() as u64, bytes, at_min, at_max, digest })
    }

    fn seal_open(&self, state: &mut State) -> Result<(), Failure> {
        let Some(open) = &state.open else { return Ok(()) };
        let (number, path) = (open.number, open.path.clone());
        seal::<R>(&self.dir, number, &path, &mut state.manifest)?;
        state.open = None;
        std::fs::remove_file(&path).map_err(|e| disk::failure("remove segment", &path, &e))
    }

    /// The sealed segments, as they are on the disk now.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn manifest(&self) -> Result<Manifest, Failure> {
        Manifest::load(&self.dir, R::TABLE)
    }

    /// Where a sealed segment lies.
    #[must_use]
    pub fn path(&self, segment: &SealedSegment) -> PathBuf {
        self.dir.join(&segment.file)
    }

    /// The rows that `filter` lets through, in the order of their segments.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn read(&self, filter: &R::Filter) -> Result<Rows<R>, Failure> {
        // Open segments before the manifest: one that is sealed in between is then in the manifest, and one that is
        // not in the manifest is held open here even when it is removed.
        let mut open = Vec::new();
        for (number, path) in segment::open_segments(&self.dir)? {
            match File::open(&path) {
                Ok(file) => open.push((number, path, file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(disk::failure("read segment", &path, &error)),
            }
        }
        let manifest = self.manifest()?;
        let (from, last) = R::times(filter);
        let mut sources: Vec<Source> = manifest
            .segments
            .iter()
            .filter(|segment| segment.at_min <= last && segment.at_max >= from)
            .map(|segment| Source::Sealed(self.path(segment)))
            .collect();
        for (number, path, file) in open {
            if !manifest.holds(number) {
                sources.push(Source::Open(Box::new(WholeBatches::open(file, &path)?)));
            }
        }
        Ok(Rows::new(sources, filter.clone()))
    }

    fn state(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, Failure> {
        let state = self.state.as_ref().ok_or_else(|| Failure {
            kind: FailureKind::Denied,
            operation,
            object: self.dir.display().to_string(),
            detail: "the lake was opened for reading".into(),
        })?;
        // The state is whole between any two statements that can panic.
        Ok(state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refused(&self, operation: &'static str, detail: String) -> Failure {
        Failure { kind: FailureKind::Refused, operation, object: self.dir.display().to_string(), detail }
    }
}

/// Writes the whole batches of an open segment as Parquet and lists it; an empty one is not listed.
fn seal<R: Row>(dir: &Path, number: u64, path: &Path, manifest: &mut Manifest) -> Result<Recovered, Failure> {
    let file = File::open(path).map_err(|e| disk::failure("seal segment", path, &e))?;
    let mut batches = WholeBatches::open(file, path)?;
    let (mut at_min, mut at_max) = (i64::MAX, i64::MIN);
    let name = segment::sealed_name(number);
    let sealed = dir.join(&name);
    let mut measured = batches.by_ref().inspect(|batch| {
        for at in times(batch).iter().copied() {
            (at_min, at_max) = (at_min.min(at), at_max.max(at));
        }
    });
    let rows = segment::write_parquet(&sealed, &R::schema(), &mut measured)?;
    let recovered = Recovered { rows, torn_bytes: batches.torn_bytes() };
    if rows == 0 {
        std::fs::remove_file(&sealed).map_err(|e| disk::failure("remove segment", &sealed, &e))?;
        return Ok(recovered);
    }
    let (digest, bytes) = digest_of(&sealed)?;
    let mut listed = manifest.clone();
    listed.segments.push(SealedSegment { number, file: name, rows, bytes, at_min: At(at_min), at_max: At(at_max), digest });
    listed.segments.sort_by_key(|segment| segment.number);
    listed.store(dir)?;
    *manifest = listed;
    Ok(recovered)
}

/// Removes sealed segments that the manifest lists no longer, or not yet: those of a process that died between the two.
fn sweep(dir: &Path, manifest: &Manifest) -> Result<(), Failure> {
    for path in segment::sealed_segments(dir)? {
        if !manifest.segments.iter().any(|segment| path.ends_with(&segment.file)) {
            std::fs::remove_file(&path).map_err(|e| disk::failure("remove segment", &path, &e))?;
        }
    }
    Ok(())
}

fn times(batch: &RecordBatch) -> &[i64] {
    batch.column_by_name("at").and_then(|column| column.as_primitive_opt::<Int64Type>()).map_or(&[], |column| column.values())
}

fn digest_of(path: &Path) -> Result<(Digest, u64), Failure> {
    let read = || -> std::io::Result<(Digest, u64)> {
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok((Digest::from_hash(hasher.finalize()), bytes))
    };
    read().map_err(|e| disk::failure("seal segment", path, &e))
}
