//! Answers that are given again: to requests that ask the same of the same version, for a time.
//!
//! What is kept is known by version, by the stretch of time in which the route's targets stood as they stand, and by a digest of the
//! request but for its identifier: inputs, parameters, requested outputs, and the form that the answer has. So nothing that was kept
//! before a promotion or a rollback is given after it. Of requests that ask the same at the same time one is carried out and all get its
//! answer. Failures are not kept.
//!
//! Not here: when a cache is used at all (`gateway::predict`); never while versions are compared.

mod identity;

pub use identity::{Question, may_be_of_sequence, question};

use crate::frame::{Answer, Outcome};
use crate::limits;
use crate::task;
#[cfg(fuzzing)]
pub(crate) use identity::Anonymous;
#[cfg(not(fuzzing))]
use identity::Anonymous;
use moka::Expiry;
use moka::future::Cache as Kept;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tidegate_core::route::TargetId;
use tidegate_core::scan::Findings;

/// By what an answer is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The generation of the routes since which its route's targets stand.
    pub since: u64,
    /// How often answers of its target turned out to be wrong.
    pub epoch: u64,
    /// Who answers.
    pub target: TargetId,
    /// What is asked.
    pub digest: [u8; 32],
}

/// An answer that is kept.
#[derive(Debug)]
struct Entry {
    body: Anonymous,
    score: Option<f64>,
    event_time_ms: Option<i64>,
    inputs: Vec<f32>,
    found: Findings,
    /// The record's own identifier, where the request had none.
    record_id: String,
    lasts: Duration,
}

/// How often a service's answers were given again.
#[derive(Debug, Default)]
pub struct CacheCounts {
    /// Requests answered by what was kept, or by the answer to another one that asked the same at the same time.
    pub hits: AtomicU64,
    /// Requests that were carried out.
    pub misses: AtomicU64,
}

/// The answers of all services.
#[derive(Debug)]
pub struct Cache(Kept<Key, Arc<Entry>>);

/// Each entry lasts as long as its service says.
struct Lasts;

impl Expiry<Key, Arc<Entry>> for Lasts {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.lasts)
    }

    fn expire_after_update(&self, _: &Key, entry: &Arc<Entry>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.lasts)
    }
}

/// Why nothing was kept: what came of the request instead, for all who waited for it.
enum Unkept<E> {
    Answer(Box<Answer>),
    Error(E),
}

impl Cache {
    /// An empty cache of so many bytes.
    pub fn new(bytes_max: u64) -> Cache {
        // What an entry takes beside its body: key, lists, and what the map keeps of it.
        const OVERHEAD_BYTES: usize = 512;
        let weigh = |_: &Key, entry: &Arc<Entry>| {
            let bytes = OVERHEAD_BYTES + entry.body.len() + 4 * entry.inputs.len() + entry.record_id.len();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Cache(Kept::builder().max_capacity(bytes_max).weigher(weigh).expire_after(Lasts).build())
    }

    /// What is kept under `key`, or what `ask` gives, which is kept for `lasts` where it is an answer. Whether it was somebody else's is told
    /// second. None where an answer to somebody else cannot be made one to this request: then it has to be carried out.
    ///
    /// What is carried out goes on when its client hangs up, for others may wait for it.
    pub async fn answer<E: Clone + Send + Sync + 'static>(
        &self,
        key: Key,
        question: &Question,
        lasts: Duration,
        counts: &CacheCounts,
        ask: impl Future<Output = Result<Answer, E>> + Send + 'static,
    ) -> Option<Result<(Answer, bool), E>> {
        if let Some(entry) = self.0.get(&key).await {
            counts.hits.fetch_add(1, Ordering::Relaxed);
            return Some(Ok((entry.answer(question), true)));
        }
        let (kept, first, asked) = (self.0.clone(), Arc::<AtomicBool>::default(), question.clone());
        let leads = Arc::clone(&first);
        let made = async move {
            first.store(true, Ordering::SeqCst);
            let answer = ask.await.map_err(Unkept::Error)?;
            match Entry::of(&answer, &asked, lasts) {
                Some(entry) => Ok(Arc::new(entry)),
                None => Err(Unkept::Answer(Box::new(answer))),
            }
        };
        let found = task::spawn(async move { kept.try_get_with(key, made).await }).await.ok()?;
        let again = !leads.load(Ordering::SeqCst);
        let counter = if again { &counts.hits } else { &counts.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        match found {
            Ok(entry) => Some(Ok((entry.answer(question), again))),
            Err(unkept) => match &*unkept {
                Unkept::Answer(answer) if again && answer.outcome == Outcome::Answered => None,
                Unkept::Answer(answer) => Some(Ok(((**answer).clone(), again))),
                Unkept::Error(error) => Some(Err(error.clone())),
            },
        }
    }

    /// Keeps an answer for `lasts`, in place of the one that was kept.
    pub async fn keep(&self, key: Key, question: &Question, answer: &Answer, lasts: Duration) {
        if let Some(entry) = Entry::of(answer, question, lasts) {
            self.0.insert(key, Arc::new(entry)).await;
        }
    }

    /// What is kept under `key`, as the answer to `question`.
    pub async fn kept(&self, key: &Key, question: &Question) -> Option<Answer> {
        Some(self.0.get(key).await?.answer(question))
    }

    /// Bytes that are kept, roughly.
    pub fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }

    /// Answers that are kept, roughly.
    pub fn entries(&self) -> u64 {
        self.0.entry_count()
    }
}

impl Entry {
    /// None where it must not be kept: it is no answer, too long, or cannot be taken apart.
    fn of(answer: &Answer, question: &Question, lasts: Duration) -> Option<Entry> {
        if answer.outcome != Outcome::Answered || answer.body.bytes.len() > limits::CACHE_ENTRY_BYTES_MAX {
            return None;
        }
        Some(Entry {
            body: Anonymous::of(&answer.body)?,
            score: answer.score,
            event_time_ms: answer.event_time_ms,
            inputs: answer.inputs.clone(),
            found: answer.found.clone(),
            record_id: if question.id.is_none() { answer.record_id.clone() } else { String::new() },
            lasts,
        })
    }

    fn answer(&self, question: &Question) -> Answer {
        Answer {
            score: self.score,
            event_time_ms: self.event_time_ms,
            inputs: self.inputs.clone(),
            found: self.found.clone(),
            record_id: question.id.clone().unwrap_or_else(|| self.record_id.clone()),
            body: self.body.with(question.id.as_deref()),
            ..Answer::empty()
        }
    }
}
