//! Sequences: requests that follow one another, and what a model must be told of those before. What it must be told is kept here and not
//! with whoever answered, so another worker, server or version can go on where one ends. Time is an argument.

use crate::limits::{SEQUENCE_STATE_BYTES_MAX, SEQUENCES_BYTES_MAX, SEQUENCES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::model::{Datatype, TensorSpec};
use tidegate_runtime::{Tensor, TensorData};

/// How a service's requests follow one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequencing {
    /// What is carried from one request to the next.
    pub state: Vec<Carried>,
    /// How long a sequence may rest, in milliseconds: then it is forgotten.
    pub idle_ms: u64,
    /// Whether another version may go on where the one is gone that a sequence began with.
    pub across_versions: bool,
}

/// One tensor that is carried: an output of a request is an input of the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Where it goes in; zeros at the start.
    pub input: String,
    /// Where it comes out.
    pub output: String,
}

/// A sequence that has begun.
#[derive(Debug, Default)]
pub struct Sequence {
    /// Who answered last.
    pub version: Option<String>,
    /// What the next request is told, by the names of inputs.
    pub state: Vec<Tensor>,
    bytes: usize,
    /// Another one has begun under its name, or it has ended.
    over: bool,
}

/// A sequence, held by one request at a time.
pub type Held = Arc<tokio::sync::Mutex<Sequence>>;

type Name = (Arc<str>, String);

/// Every sequence.
#[derive(Debug, Default)]
pub struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    all: HashMap<Name, Page>,
    bytes: usize,
    swept_ms: u64,
}

#[derive(Debug)]
struct Page {
    held: Held,
    /// Of its state.
    bytes: usize,
    until_ms: u64,
}

/// How often those that rested too long are looked for, in milliseconds.
const SWEEP_MS: u64 = 1_000;

impl Pages {
    fn remove(&mut self, name: &Name) {
        if let Some(page) = self.all.remove(name) {
            self.bytes = self.bytes.saturating_sub(page.bytes);
        }
    }

    fn sweep(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.swept_ms) < SWEEP_MS && self.all.len() < SEQUENCES_MAX {
            return;
        }
        self.swept_ms = now_ms;
        let mut freed = 0;
        // One that a request holds is not resting.
        self.all.retain(|_, page| {
            let stays = page.until_ms > now_ms || Arc::strong_count(&page.held) > 1;
            freed += if stays { 0 } else { page.bytes };
            stays
        });
        self.bytes = self.bytes.saturating_sub(freed);
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sequence that begins now, whatever was under its name; none where there are too many.
    pub fn begin(&self, service: &Arc<str>, id: &str, idle_ms: u64, now_ms: u64) -> Option<Held> {
        let mut pages = self.pages();
        let name = (Arc::clone(service), id.to_owned());
        pages.remove(&name);
        pages.sweep(now_ms);
        if pages.all.len() >= SEQUENCES_MAX || pages.bytes >= SEQUENCES_BYTES_MAX {
            return None;
        }
        let held = Held::default();
        pages.all.insert(name, Page { held: Arc::clone(&held), bytes: 0, until_ms: now_ms.saturating_add(idle_ms) });
        Some(held)
    }

    /// A sequence that has begun and has not rested too long.
    pub fn of(&self, service: &Arc<str>, id: &str, now_ms: u64) -> Option<Held> {
        let pages = self.pages();
        let page = pages.all.get(&(Arc::clone(service), id.to_owned()))?;
        let rests = Arc::strong_count(&page.held) == 1;
        (page.until_ms > now_ms || !rests).then(|| Arc::clone(&page.held))
    }

    /// Keeps what came of a request for the next one. False where it is too much: then the sequence stands where it stood.
    pub fn keep(&self, service: &Arc<str>, id: &str, held: &Held, sequence: &mut Sequence, next: Sequence, until_ms: u64) -> bool {
        let bytes = next.state.iter().map(bytes_of).sum::<usize>();
        let mut pages = self.pages();
        let name = (Arc::clone(service), id.to_owned());
        let total = pages.bytes.saturating_sub(sequence.bytes).saturating_add(bytes);
        if bytes > SEQUENCE_STATE_BYTES_MAX || total > SEQUENCES_BYTES_MAX {
            return false;
        }
        // Another one may have begun under its name meanwhile.
        if let Some(page) = pages.all.get_mut(&name).filter(|page| Arc::ptr_eq(&page.held, held)) {
            (page.bytes, page.until_ms) = (bytes, until_ms);
            pages.bytes = total;
        }
        *sequence = Sequence { bytes, ..next };
        true
    }

    /// Forgets a sequence that has ended.
    pub fn end(&self, service: &Arc<str>, id: &str, held: &Held, sequence: &mut Sequence) {
        sequence.over = true;
        let mut pages = self.pages();
        let name = (Arc::clone(service), id.to_owned());
        if pages.all.get(&name).is_some_and(|page| Arc::ptr_eq(&page.held, held)) {
            pages.remove(&name);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pages().all.len()
    }
}

impl Sequence {
    /// One that goes on from here.
    pub fn with(version: Option<String>, state: Vec<Tensor>) -> Sequence {
        Sequence { version, state, ..Sequence::default() }
    }

    /// Whether it has ended while a request waited for it.
    pub fn is_over(&self) -> bool {
        self.over
    }
}

fn bytes_of(tensor: &Tensor) -> usize {
    match &tensor.data {
        TensorData::Bytes(texts) => texts.iter().map(|text| text.len() + 4).sum(),
        data => data.len().saturating_mul(width(data.datatype())),
    }
}

fn width(datatype: Datatype) -> usize {
    match datatype {
        Datatype::Bool | Datatype::Uint8 | Datatype::Int8 => 1,
        Datatype::Uint16 | Datatype::Int16 | Datatype::Fp16 | Datatype::Bf16 => 2,
        Datatype::Uint32 | Datatype::Int32 | Datatype::Fp32 => 4,
        Datatype::Uint64 | Datatype::Int64 | Datatype::Fp64 | Datatype::Bytes => 8,
    }
}

/// What the first request of a sequence is told: zeros, one where a dimension may be of any length.
///
/// # Errors
/// A sentence, when the version has no such input.
pub fn zeros(carried: &Carried, inputs: &[TensorSpec]) -> Result<Tensor, String> {
    let name = &carried.input;
    let spec = inputs
        .iter()
        .find(|spec| spec.name == *name)
        .ok_or_else(|| format!("the version has no input `{name}`, which `sequence` carries"))?;
    let shape: Vec<i64> = spec.shape.iter().map(|n| if *n < 0 { 1 } else { *n }).collect();
    let count = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(usize::try_from(*n).ok()?));
    match count.filter(|count| count.saturating_mul(width(spec.datatype)) <= SEQUENCE_STATE_BYTES_MAX) {
        Some(count) => Ok(Tensor::new(name, shape, TensorData::zeros(spec.datatype, count))),
        None => Err(format!("input `{name}`, which `sequence` carries, is more than {SEQUENCE_STATE_BYTES_MAX} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(values: usize) -> Sequence {
        Sequence { state: vec![Tensor::new("h", vec![values as i64], TensorData::Fp64(vec![0.0; values]))], ..Sequence::default() }
    }

    #[test]
    fn a_sequence_is_forgotten_when_it_has_rested_too_long_and_not_while_it_is_held() {
        let (book, s) = (Book::default(), Arc::<str>::from("s"));
        let held = book.begin(&s, "a", 100, 0).unwrap();
        assert!(book.of(&s, "a", 500).is_some(), "a request holds it");
        drop(held);
        assert!(book.of(&s, "a", 99).is_some() && book.of(&s, "a", 100).is_none() && book.of(&s, "b", 0).is_none());
        book.begin(&s, "c", 100, 5_000).unwrap();
        assert_eq!(book.count(), 1, "what has rested too long is swept away");
    }

    #[test]
    fn one_that_begins_anew_is_not_changed_by_the_end_of_the_one_before() {
        let (book, s) = (Book::default(), Arc::<str>::from("s"));
        let first = book.begin(&s, "a", 100, 0).unwrap();
        let second = book.begin(&s, "a", 100, 1).unwrap();
        assert!(book.keep(&s, "a", &first, &mut first.try_lock().unwrap(), state(4), 200));
        book.end(&s, "a", &first, &mut first.try_lock().unwrap());
        assert!(first.try_lock().unwrap().is_over() && Arc::ptr_eq(&book.of(&s, "a", 50).unwrap(), &second));
        assert!(second.try_lock().unwrap().state.is_empty());
        book.end(&s, "a", &second, &mut second.try_lock().unwrap());
        assert_eq!((book.count(), book.pages().bytes), (0, 0));
    }

    #[test]
    fn what_is_carried_has_a_limit() {
        let (book, s) = (Book::default(), Arc::<str>::from("s"));
        let held = book.begin(&s, "a", 100, 0).unwrap();
        let mut now = held.try_lock().unwrap();
        assert!(book.keep(&s, "a", &held, &mut now, state(10), 200));
        assert!(!book.keep(&s, "a", &held, &mut now, state(SEQUENCE_STATE_BYTES_MAX), 200));
        assert_eq!((now.state[0].data.len(), book.pages().bytes), (10, 80));
        let spec = |shape: &[i64]| [TensorSpec { name: "h".to_owned(), datatype: Datatype::Fp32, shape: shape.to_vec() }];
        let carried = Carried { input: "h".to_owned(), output: "o".to_owned() };
        assert_eq!(zeros(&carried, &spec(&[-1, 3])), Ok(Tensor::new("h", vec![1, 3], TensorData::Fp32(vec![0.0; 3]))));
        assert!(zeros(&carried, &spec(&[i64::MAX, 3])).is_err() && zeros(&carried, &[]).is_err());
    }
}
