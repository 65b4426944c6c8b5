//! Ticks of a release as they are counted: kept in a file, so that a crash loses none and pages can draw them.

use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::judge::{ArmCounts, Mode, OneSample, PairCounts, Tick};
use tidegate_engine::rollouts::RolloutId;
use tidegate_serve::{ArmAnswer, Pair};

/// Largest file of ticks that is read back, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The kept ticks of one release.
pub struct Kept {
    path: PathBuf,
    file: File,
    whole_bytes: u64,
    next_seq: u64,
    /// How many ticks there are of an attempt and mode.
    counted: HashMap<(u32, Mode), usize>,
}

impl Kept {
    /// Opens the file of a release; a line that a crash cut short is dropped.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(dir: &Path, id: &RolloutId) -> Result<Kept> {
        let path = dir.join(format!("{}-{}.jsonl", id.service, id.number));
        let (ticks, whole_bytes) = read_whole(&path)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open the kept evidence {}", path.display()))?;
        file.set_len(whole_bytes).with_context(|| format!("cut the kept evidence {}", path.display()))?;
        let mut counted = HashMap::new();
        ticks.iter().for_each(|t| *counted.entry((t.attempt, t.mode)).or_default() += 1);
        Ok(Kept { path, file, whole_bytes, next_seq: ticks.last().map_or(0, |t| t.seq + 1), counted })
    }

    /// How many ticks of an attempt and mode are kept.
    pub fn counted(&self, attempt: u32, mode: Mode) -> usize {
        self.counted.get(&(attempt, mode)).copied().unwrap_or(0)
    }

    /// The sequence of the next tick.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Keeps a tick.
    ///
    /// # Errors
    /// When the disk refuses; the tick is then not to be used.
    pub fn append(&mut self, tick: &Tick) -> Result<()> {
        let mut line = serde_json::to_vec(tick)?;
        line.push(b'\n');
        // What is kept is read back after a crash, or it would be no evidence.
        anyhow::ensure!(
            self.whole_bytes + line.len() as u64 <= FILE_BYTES_MAX,
            "keep a tick in {}: with it the file would be over the limit of {FILE_BYTES_MAX} bytes that are read back: end the release",
            self.path.display()
        );
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half a line would swallow the next one.
            let _ = self.file.set_len(self.whole_bytes);
        }
        written.with_context(|| format!("keep a tick in {}: see whether the disk is full", self.path.display()))?;
        self.whole_bytes += line.len() as u64;
        self.next_seq = tick.seq + 1;
        *self.counted.entry((tick.attempt, tick.mode)).or_default() += 1;
        Ok(())
    }
}

/// The kept ticks of a release from a sequence on.
///
/// # Errors
/// When the file cannot be read.
pub fn read(dir: &Path, id: &RolloutId, from_seq: u64) -> Result<Vec<Tick>> {
    let (mut ticks, _) = read_whole(&dir.join(format!("{}-{}.jsonl", id.service, id.number)))?;
    ticks.retain(|t| t.seq >= from_seq);
    Ok(ticks)
}

/// Ticks of whole lines, and how many bytes those take.
fn read_whole(path: &Path) -> Result<(Vec<Tick>, u64)> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((vec![], 0)),
        Err(e) => return Err(e).with_context(|| format!("read the kept evidence {}", path.display())),
    };
    anyhow::ensure!(
        file.metadata()?.len() <= FILE_BYTES_MAX,
        "read the kept evidence {}: it is over the limit of {FILE_BYTES_MAX} bytes",
        path.display()
    );
    let mut reader = BufReader::new(file);
    let (mut ticks, mut whole, mut line) = (vec![], 0, vec![]);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).with_context(|| format!("read the kept evidence {}", path.display()))?;
        match serde_json::from_slice::<Tick>(&line) {
            Ok(tick) if line.ends_with(b"\n") => {
                ticks.push(tick);
                whole += read as u64;
            }
            _ => return Ok((ticks, whole)),
        }
    }
}

/// Scores of a version on its reference inputs, by record id.
pub type OfflineScores = Arc<HashMap<String, f64>>;

/// What is needed to compare answers.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Scores at or above it mean yes.
    pub threshold: f64,
    /// Scores further apart are skewed.
    pub differs_by: f64,
    /// The candidate's own scores offline.
    pub offline: OfflineScores,
}

/// Pairs of one tick as counts.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// Counts over pairs.
    pub counts: PairCounts,
    /// The candidate's answers.
    pub candidate: ArmCounts,
    /// The control's answers.
    pub control: ArmCounts,
}

impl Pairs {
    /// Adds one pair.
    pub fn add(&mut self, pair: &Pair, by: &Comparison) {
        let c = &mut self.counts;
        c.asked += 1;
        c.both_failed += u64::from(!pair.candidate.ok && !pair.control.ok);
        c.candidate_failed += u64::from(!pair.candidate.ok && pair.control.ok);
        c.control_failed += u64::from(pair.candidate.ok && !pair.control.ok);
        arm(&mut self.candidate, &pair.candidate);
        arm(&mut self.control, &pair.control);
        if let (Some(candidate), Some(control)) = (pair.candidate.score, pair.control.score) {
            hit(&mut c.disagreement, (candidate >= by.threshold) != (control >= by.threshold));
        }
        if let (Some(online), Some(offline)) = (pair.candidate.score, by.offline.get(&pair.record_id)) {
            // A score that is no number differs from any.
            let apart = (online - offline).abs();
            hit(&mut c.skew, apart.is_nan() || apart > by.differs_by);
        }
    }
}

fn hit(sample: &mut OneSample, differs: bool) {
    sample.trials += 1;
    sample.hits += u64::from(differs);
}

fn arm(counts: &mut ArmCounts, answer: &ArmAnswer) {
    counts.requests += 1;
    if answer.ok {
        counts.latency.record(answer.latency_us);
    } else {
        counts.errors += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::id::At;
    use tidegate_core::judge::{Beside, Mode};

    fn tick(seq: u64) -> Tick {
        Tick {
            seq,
            at: At(1),
            mode: Mode::Canary,
            step: 0,
            attempt: 1,
            candidate_share_bp: 5000,
            candidate: ArmCounts::default(),
            control: ArmCounts::default(),
            pairs: None,
            beside: Beside::default(),
        }
    }

    #[test]
    fn nothing_is_kept_that_could_not_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let id = RolloutId { service: "s".into(), number: 1 };
        let mut kept = Kept::open(dir.path(), &id).unwrap();
        kept.append(&tick(0)).unwrap();
        let one = kept.whole_bytes;
        kept.whole_bytes = FILE_BYTES_MAX - one;
        kept.append(&tick(1)).unwrap();
        let refused = kept.append(&tick(2)).unwrap_err().to_string();
        assert!(refused.contains("end the release"), "{refused}");
        assert_eq!((read(dir.path(), &id, 0).unwrap().len(), kept.next_seq()), (2, 2));
    }

    #[test]
    fn a_line_cut_short_is_dropped_and_the_sequence_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let id = RolloutId { service: "s".into(), number: 1 };
        let mut kept = Kept::open(dir.path(), &id).unwrap();
        kept.append(&tick(0)).unwrap();
        kept.append(&tick(1)).unwrap();
        let path = dir.path().join("s-1.jsonl");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        let mut kept = Kept::open(dir.path(), &id).unwrap();
        assert_eq!(kept.next_seq(), 1);
        kept.append(&tick(1)).unwrap();
        assert_eq!(read(dir.path(), &id, 0).unwrap().iter().map(|t| t.seq).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn pairs_count_failures_disagreement_and_skew() {
        let answer = |ok, score| ArmAnswer { version: "1".into(), ok, score, latency_us: 100.0, inputs: vec![] };
        let pair = |candidate, control| Pair {
            at_ms: 0,
            service: "s".into(),
            request_id: "r".into(),
            record_id: "a".into(),
            event_time_ms: None,
            candidate,
            control,
            live: answer(true, Some(0.4)),
        };
        let by = Comparison { threshold: 0.5, differs_by: 0.05, offline: Arc::new(HashMap::from([("a".to_owned(), 0.4)])) };
        let mut pairs = Pairs::default();
        pairs.add(&pair(answer(true, Some(0.42)), answer(true, Some(0.41))), &by);
        pairs.add(&pair(answer(true, Some(0.6)), answer(true, Some(0.4))), &by);
        pairs.add(&pair(answer(false, None), answer(true, Some(0.4))), &by);
        pairs.add(&pair(answer(true, Some(f64::NAN)), answer(false, None)), &by);
        assert_eq!(pairs.counts.disagreement, OneSample { trials: 2, hits: 1 });
        assert_eq!(pairs.counts.skew, OneSample { trials: 3, hits: 2 });
        assert_eq!((pairs.counts.candidate_failed, pairs.counts.control_failed, pairs.counts.asked), (1, 1, 4));
        assert_eq!((pairs.candidate.errors, pairs.control.errors), (1, 1));
    }
}
