//! Commands of any machine, carried out on a journal: optimistic, idempotent by key, durable before acknowledged.
//!
//! Not here: effects and deadlines, which belong to the drivers of single machines.

use std::any::Any;
use std::collections::HashMap;
use tidegate_core::id::At;
use tidegate_core::machine::Machine;
use tidegate_port::{Appended, Fence, Journal, JournalError, NewEvent, Record};

/// Most times that an append is decided anew because somebody else came first.
pub const APPEND_RETRIES_MAX: u32 = 8;
/// Most streams whose state is kept in memory; over it, all are forgotten and read again when asked for.
pub const STREAMS_CACHED_MAX: usize = 65_536;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine refused it; nothing was written.
    #[error("{why}")]
    Refused {
        /// The stream.
        stream: String,
        /// The machine's sentence for the operator.
        #[source]
        why: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The journal failed. Whether the events were written is unknown; the same command with the same key finds out.
    #[error("`{stream}`: {source}: try again with the same key")]
    Journal {
        /// The stream.
        stream: String,
        /// What it said.
        source: JournalError,
    },
    /// The fence that the command was given under has moved; nothing was written.
    #[error("`{stream}`: {source}: ask the replica that drives it now")]
    Fenced {
        /// The stream.
        stream: String,
        /// What the journal said.
        source: JournalError,
    },
    /// Others kept coming first.
    #[error("`{stream}`: others appended first {APPEND_RETRIES_MAX} times in a row: try again")]
    Contended {
        /// The stream.
        stream: String,
    },
    /// A record is not an event of this machine.
    #[error("`{stream}`: record {seq} is no event of `{kind}`: {detail}: this version of tidegate may be older than the one that wrote it")]
    Unreadable {
        /// The stream.
        stream: String,
        /// Its sequence.
        seq: u64,
        /// The machine's kind.
        kind: &'static str,
        /// What was wrong.
        detail: String,
    },
    /// An event could not be written as JSON.
    #[error("`{stream}`: an event cannot be written as JSON: {detail}: report this, nothing was written")]
    Unwritable {
        /// The stream.
        stream: String,
        /// What was wrong.
        detail: String,
    },
}

/// A command that was carried out: its events are durable.
#[derive(Clone, Debug)]
pub struct Done<M: Machine> {
    /// What happened; for a repeated key, what happened then.
    pub events: Vec<M::Event>,
    /// The state now.
    pub state: M::State,
    /// Whether the key had been used before, so that nothing happened now.
    pub repeated: bool,
}

struct Cached {
    /// Events folded.
    seq: u64,
    state: Box<dyn Any + Send>,
    /// First and past-the-last sequence of each key's events.
    keys: HashMap<String, (u64, u64)>,
}

/// Machines on a journal.
pub struct Engine<J> {
    journal: J,
    streams: HashMap<String, Cached>,
}

impl<J: std::fmt::Debug> std::fmt::Debug for Engine<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({:?}, {} streams in memory)", self.journal, self.streams.len())
    }
}

impl<J: Journal> Engine<J> {
    /// An engine on `journal`.
    pub fn new(journal: J) -> Engine<J> {
        Engine { journal, streams: HashMap::new() }
    }

    /// The journal, for reading.
    pub fn journal(&mut self) -> &mut J {
        &mut self.journal
    }

    /// The state of `stream`, with everything that was appended so far.
    ///
    /// # Errors
    /// When the journal cannot be read, or a record is not an event of `M`.
    pub fn state<M>(&mut self, stream: &str) -> Result<M::State, EngineError>
    where
        M: Machine,
        M::State: Send + 'static,
    {
        self.read_on::<M>(stream).map(|(state, _)| state)
    }

    /// Carries out `command` on `stream`. With a key, doing it twice does it once.
    ///
    /// # Errors
    /// When the machine refuses it or the journal fails.
    pub fn execute<M>(&mut self, stream: &str, key: Option<&str>, command: &M::Command, at: At) -> Result<Done<M>, EngineError>
    where
        M: Machine,
        M::State: Send + 'static,
    {
        self.execute_under(None, stream, key, command, at)
    }

    /// As [`Engine::execute`], under a fence of the journal: whoever came first meanwhile, nothing is written past one that moved.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] when it has moved; otherwise as `execute`.
    pub fn execute_under<M>(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        key: Option<&str>,
        command: &M::Command,
        at: At,
    ) -> Result<Done<M>, EngineError>
    where
        M: Machine,
        M::State: Send + 'static,
    {
        for _ in 0..=APPEND_RETRIES_MAX {
            let (state, seq) = self.read_on::<M>(stream)?;
            if let Some((first, end)) = key.and_then(|key| self.streams.get(stream)?.keys.get(key)).copied() {
                return self.repeated::<M>(stream, state, first, end);
            }
            let events =
                M::decide(&state, command).map_err(|why| EngineError::Refused { stream: stream.to_owned(), why: Box::new(why) })?;
            if events.is_empty() {
                return Ok(Done { events, state, repeated: false });
            }
            match self.journal.append_under(fence, stream, seq, key, at, &encoded::<M>(stream, &events)?) {
                Ok(Appended::New { .. }) => {
                    let state = self.fold::<M>(stream, state, seq, key, &events);
                    return Ok(Done { events, state, repeated: false });
                }
                // somebody used the key between our reading and our writing: read on and answer with their events
                Ok(Appended::Already { .. }) | Err(JournalError::Conflict { .. }) => {}
                Err(source @ JournalError::Fenced { .. }) => return Err(EngineError::Fenced { stream: stream.to_owned(), source }),
                Err(source) => {
                    // it may have been written: forget what we believe of the stream
                    self.streams.remove(stream);
                    return Err(EngineError::Journal { stream: stream.to_owned(), source });
                }
            }
        }
        Err(EngineError::Contended { stream: stream.to_owned() })
    }

    fn repeated<M>(&mut self, stream: &str, state: M::State, first: u64, end: u64) -> Result<Done<M>, EngineError>
    where
        M: Machine,
    {
        let records = self.read(stream, first)?;
        let events = records.iter().take_while(|r| r.seq < end).map(decoded::<M>).collect::<Result<_, _>>()?;
        Ok(Done { events, state, repeated: true })
    }

    fn read(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, EngineError> {
        self.journal.read_stream(stream, from_seq).map_err(|source| EngineError::Journal { stream: stream.to_owned(), source })
    }

    /// State and number of events, after folding what is new.
    fn read_on<M>(&mut self, stream: &str) -> Result<(M::State, u64), EngineError>
    where
        M: Machine,
        M::State: Send + 'static,
    {
        if self.streams.len() > STREAMS_CACHED_MAX {
            self.streams.clear();
        }
        let known = self.streams.get(stream).and_then(|c| c.state.downcast_ref::<M::State>().map(|state| (state.clone(), c.seq)));
        let (mut state, from) = match known {
            Some(known) => known,
            None => {
                self.streams.remove(stream);
                (M::State::default(), 0)
            }
        };
        let records = self.read(stream, from)?;
        if records.is_empty() && from > 0 {
            return Ok((state, from));
        }
        let mut keys = self.streams.remove(stream).map(|c| c.keys).unwrap_or_default();
        for record in &records {
            state = M::evolve(state, &decoded::<M>(record)?);
            if let Some(key) = &record.key {
                keys.entry(key.clone()).or_insert((record.seq, record.seq)).1 = record.seq + 1;
            }
        }
        let seq = from + records.len() as u64;
        self.streams.insert(stream.to_owned(), Cached { seq, state: Box::new(state.clone()), keys });
        Ok((state, seq))
    }

    fn fold<M>(&mut self, stream: &str, state: M::State, seq: u64, key: Option<&str>, events: &[M::Event]) -> M::State
    where
        M: Machine,
        M::State: Send + 'static,
    {
        let state = events.iter().fold(state, M::evolve);
        let end = seq + events.len() as u64;
        let mut keys = self.streams.remove(stream).map(|c| c.keys).unwrap_or_default();
        if let Some(key) = key {
            keys.insert(key.to_owned(), (seq, end));
        }
        self.streams.insert(stream.to_owned(), Cached { seq: end, state: Box::new(state.clone()), keys });
        state
    }
}

fn decoded<M: Machine>(record: &Record) -> Result<M::Event, EngineError> {
    let unreadable = |detail: String| EngineError::Unreadable { stream: record.stream.clone(), seq: record.seq, kind: M::KIND, detail };
    if record.kind != M::KIND {
        return Err(unreadable(format!("its kind is `{}`", record.kind)));
    }
    serde_json::from_value(record.body.clone()).map_err(|e| unreadable(e.to_string()))
}

fn encoded<M: Machine>(stream: &str, events: &[M::Event]) -> Result<Vec<NewEvent>, EngineError> {
    let one = |event: &M::Event| {
        let body = serde_json::to_value(event).map_err(|e| EngineError::Unwritable { stream: stream.to_owned(), detail: e.to_string() })?;
        Ok(NewEvent { kind: M::KIND, body })
    };
    events.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
