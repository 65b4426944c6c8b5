//! Sealed evidence: one blob that holds everything a verdict rests on.
//!
//! JSON lines: a header (settings, attempt, mode, offline rates), then one line a tick. Decoding and judging it
//! again must give the very bits of the recorded assessment.
//! Not here: where blobs lie, and the comparison with the journal (`tidegate audit recompute`).

use serde::{Deserialize, Serialize};
use tidegate_core::judge::{Assessment, JUDGE_VERSION, JudgeSettings, Mode, Offline, Tick, recompute as judge_again};

/// Version of the format.
pub const EVIDENCE_VERSION: u32 = 1;

/// What the ticks are judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub v: u32,
    /// Service.
    pub service: String,
    /// Number of the rollout within it.
    pub rollout: u64,
    /// Attempt.
    pub attempt: u32,
    /// How the ticks were gathered.
    pub mode: Mode,
    /// The judge's settings.
    pub settings: JudgeSettings,
    /// Rates measured before any traffic.
    pub offline: Offline,
    /// Version of the judge's rules that gave the verdict.
    pub judge_version: u32,
}

/// Why sealed evidence cannot be judged again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Nothing in it.
    #[error("sealed evidence: it is empty: the blob is not one that tidegate wrote")]
    Empty,
    /// A line is not what it should be.
    #[error("sealed evidence, line {line}: {detail}")]
    Line {
        /// From 1.
        line: usize,
        /// What was wrong.
        detail: String,
    },
    /// Judged by rules that this binary does not have.
    #[error(
        "sealed evidence: judged by rules of version {theirs}, this binary has version {JUDGE_VERSION}: recompute with a binary of that time"
    )]
    OtherRules {
        /// Their version.
        theirs: u32,
    },
}

/// The bytes of sealed evidence; the same evidence gives the same bytes.
#[must_use]
pub fn encode(header: &Header, ticks: &[Tick]) -> Vec<u8> {
    let mut bytes = line(header);
    for tick in ticks {
        bytes.push(b'\n');
        bytes.extend(line(tick));
    }
    bytes.push(b'\n');
    bytes
}

fn line(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("structures of numbers, texts and lists, with texts as keys, are always JSON")
}

/// Header and ticks of sealed evidence.
///
/// # Errors
/// When the bytes are not sealed evidence.
pub fn decode(bytes: &[u8]) -> Result<(Header, Vec<Tick>), EvidenceError> {
    let wrong = |line: usize| move |e: serde_json::Error| EvidenceError::Line { line, detail: e.to_string() };
    let mut lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).zip(1..);
    let (first, _) = lines.next().ok_or(EvidenceError::Empty)?;
    let header: Header = serde_json::from_slice(first).map_err(wrong(1))?;
    if header.v != EVIDENCE_VERSION {
        let detail = format!("format version {} is not {EVIDENCE_VERSION}: a newer tidegate wrote it", header.v);
        return Err(EvidenceError::Line { line: 1, detail });
    }
    let ticks = lines.map(|(line, n)| serde_json::from_slice(line).map_err(wrong(n))).collect::<Result<_, _>>()?;
    Ok((header, ticks))
}

/// Judges sealed evidence again.
///
/// # Errors
/// When the bytes are not sealed evidence, or the rules were others.
pub fn recompute(bytes: &[u8]) -> Result<Assessment, EvidenceError> {
    let (header, ticks) = decode(bytes)?;
    if header.judge_version != JUDGE_VERSION {
        return Err(EvidenceError::OtherRules { theirs: header.judge_version });
    }
    Ok(judge_again(&header.settings, header.attempt, header.mode, &header.offline, &ticks))
}
