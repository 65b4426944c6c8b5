//! Sequences: requests that follow one another, and what a model must be told of those before. What it must be told is kept here and not
//! with whoever answered, so another worker, server or version can go on where one ends. Time is an argument.

use crate::counts::Kind;
use crate::limits::{SEQUENCE_STATE_BYTES_MAX, SEQUENCES_BYTES_MAX, SEQUENCES_MAX, SEQUENCES_OF_KEY_MAX};
use crate::record::Exposure;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::model::{Datatype, TensorSpec};
use tidegate_core::route::TargetId;
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

/// Who a sequence is with, and how it came there: so are its further requests counted.
#[derive(Clone, Debug)]
pub struct Seat {
    pub target: TargetId,
    pub kind: Kind,
    pub exposure: Option<Exposure>,
}

/// A sequence that has begun.
#[derive(Debug, Default)]
pub struct Sequence {
    /// Who it is with.
    pub seat: Option<Seat>,
    /// What the next request is told, by the names of inputs.
    pub state: Vec<Tensor>,
    bytes: usize,
    /// Another one has begun under its name, or it has ended.
    over: bool,
}

/// A sequence, held by one request at a time.
pub type Held = Arc<tokio::sync::Mutex<Sequence>>;

/// Whose it is, of which service, and its own name: what one key keeps is no other key's to see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub service: Arc<str>,
    pub caller: String,
    pub id: String,
}

/// Every sequence.
#[derive(Debug, Default)]
pub struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    all: HashMap<Name, Page>,
    of_callers: HashMap<String, usize>,
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
        let Some(page) = self.all.remove(name) else { return };
        self.bytes = self.bytes.saturating_sub(page.bytes);
        if let Some(count) = self.of_callers.get_mut(&name.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_callers.remove(&name.caller);
            }
        }
    }

    fn sweep(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.swept_ms) < SWEEP_MS {
            return;
        }
        self.swept_ms = now_ms;
        // One that a request holds is not resting.
        let rested = self.all.iter().filter(|(_, page)| page.until_ms <= now_ms && Arc::strong_count(&page.held) == 1);
        for name in rested.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.remove(&name);
        }
    }
}

impl Sequencing {
    /// What a version lacks that its service carries: it cannot be asked along a sequence.
    pub fn lacks(&self, inputs: &[TensorSpec], outputs: &[TensorSpec]) -> Option<String> {
        let has = |specs: &[TensorSpec], name: &str| specs.iter().any(|spec| spec.name == name);
        self.state.iter().find_map(|Carried { input, output }| {
            let missing = |what: &str, name: &str| Some(format!("it has no {what} `{name}`, which `sequence` of its service carries"));
            if !has(inputs, input) {
                return missing("input", input);
            }
            if has(outputs, output) { None } else { missing("output", output) }
        })
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sequence that begins now, whatever was under its name; none where there are too many, of this caller or of all.
    pub fn begin(&self, name: &Name, idle_ms: u64, now_ms: u64) -> Option<Held> {
        let mut pages = self.pages();
        pages.remove(name);
        pages.sweep(now_ms);
        let of_caller = pages.of_callers.get(&name.caller).copied().unwrap_or_default();
        if pages.all.len() >= SEQUENCES_MAX || of_caller >= SEQUENCES_OF_KEY_MAX || pages.bytes >= SEQUENCES_BYTES_MAX {
            return None;
        }
        let held = Held::default();
        *pages.of_callers.entry(name.caller.clone()).or_default() += 1;
        pages.all.insert(name.clone(), Page { held: Arc::clone(&held), bytes: 0, until_ms: now_ms.saturating_add(idle_ms) });
        Some(held)
    }

    /// A sequence that has begun and has not rested too long.
    pub fn of(&self, name: &Name, now_ms: u64) -> Option<Held> {
        let pages = self.pages();
        let page = pages.all.get(name)?;
        let rests = Arc::strong_count(&page.held) == 1;
        (page.until_ms > now_ms || !rests).then(|| Arc::clone(&page.held))
    }

    /// Keeps what came of a request for the next one. False where it is too much: then the sequence stands where it stood.
    pub fn keep(&self, name: &Name, held: &Held, sequence: &mut Sequence, next: Sequence, until_ms: u64) -> bool {
        let bytes = next.state.iter().map(bytes_of).sum::<usize>();
        let mut pages = self.pages();
        let total = pages.bytes.saturating_sub(sequence.bytes).saturating_add(bytes);
        if bytes > SEQUENCE_STATE_BYTES_MAX || total > SEQUENCES_BYTES_MAX {
            return false;
        }
        // Another one may have begun under its name meanwhile.
        if let Some(page) = pages.all.get_mut(name).filter(|page| Arc::ptr_eq(&page.held, held)) {
            (page.bytes, page.until_ms) = (bytes, until_ms);
            pages.bytes = total;
        }
        *sequence = Sequence { bytes, ..next };
        true
    }

    /// Forgets a sequence that has ended, or whose first request was not answered.
    pub fn end(&self, name: &Name, held: &Held, sequence: &mut Sequence) {
        sequence.over = true;
        let mut pages = self.pages();
        if pages.all.get(name).is_some_and(|page| Arc::ptr_eq(&page.held, held)) {
            pages.remove(name);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pages().all.len()
    }
}

impl Sequence {
    /// One that goes on from here.
    pub fn with(seat: Seat, state: Vec<Tensor>) -> Sequence {
        Sequence { seat: Some(seat), state, ..Sequence::default() }
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

    fn name(caller: &str, id: &str) -> Name {
        Name { service: "s".into(), caller: caller.to_owned(), id: id.to_owned() }
    }

    #[test]
    fn a_sequence_is_forgotten_when_it_has_rested_too_long_and_not_while_it_is_held() {
        let (book, a) = (Book::default(), name("k", "a"));
        let held = book.begin(&a, 100, 0).unwrap();
        assert!(book.of(&a, 500).is_some(), "a request holds it");
        drop(held);
        assert!(book.of(&a, 99).is_some() && book.of(&a, 100).is_none() && book.of(&name("k", "b"), 0).is_none());
        assert!(book.of(&name("other", "a"), 0).is_none(), "it is no other key's");
        book.begin(&name("k", "c"), 100, 5_000).unwrap();
        assert_eq!(book.count(), 1, "what has rested too long is swept away");
    }

    #[test]
    fn one_key_cannot_take_every_place() {
        let book = Book::default();
        for n in 0..SEQUENCES_OF_KEY_MAX {
            assert!(book.begin(&name("k", &n.to_string()), 100, 0).is_some());
        }
        assert!(book.begin(&name("k", "more"), 100, 0).is_none() && book.begin(&name("other", "more"), 100, 0).is_some());
        assert!(book.begin(&name("k", "7"), 100, 0).is_some(), "one that begins anew takes its own place");
    }

    #[test]
    fn one_that_begins_anew_is_not_changed_by_the_end_of_the_one_before() {
        let (book, a) = (Book::default(), name("k", "a"));
        let first = book.begin(&a, 100, 0).unwrap();
        let second = book.begin(&a, 100, 1).unwrap();
        assert!(book.keep(&a, &first, &mut first.try_lock().unwrap(), state(4), 200));
        book.end(&a, &first, &mut first.try_lock().unwrap());
        assert!(first.try_lock().unwrap().is_over() && Arc::ptr_eq(&book.of(&a, 50).unwrap(), &second));
        assert!(second.try_lock().unwrap().state.is_empty());
        book.end(&a, &second, &mut second.try_lock().unwrap());
        let pages = book.pages();
        assert_eq!((pages.all.len(), pages.bytes, pages.of_callers.len()), (0, 0, 0));
    }

    #[test]
    fn what_is_carried_has_a_limit() {
        let (book, a) = (Book::default(), name("k", "a"));
        let held = book.begin(&a, 100, 0).unwrap();
        let mut now = held.try_lock().unwrap();
        assert!(book.keep(&a, &held, &mut now, state(10), 200));
        assert!(!book.keep(&a, &held, &mut now, state(SEQUENCE_STATE_BYTES_MAX), 200));
        assert_eq!((now.state[0].data.len(), book.pages().bytes), (10, 80));
        let spec = |shape: &[i64]| [TensorSpec { name: "h".to_owned(), datatype: Datatype::Fp32, shape: shape.to_vec() }];
        let carried = Carried { input: "h".to_owned(), output: "o".to_owned() };
        assert_eq!(zeros(&carried, &spec(&[-1, 3])), Ok(Tensor::new("h", vec![1, 3], TensorData::Fp32(vec![0.0; 3]))));
        assert!(zeros(&carried, &spec(&[i64::MAX, 3])).is_err() && zeros(&carried, &[]).is_err());
    }
}
