//! Keys, races and failures, with a counter as the machine.

use super::{APPEND_RETRIES_MAX, Engine, EngineError};
use serde::{Deserialize, Serialize};
use tidegate_core::id::At;
use tidegate_core::machine::Machine;
use tidegate_port::memory::{AppendFault, MemoryJournal};
use tidegate_port::{Appended, Fence, Journal, JournalError, NewEvent, Record};

#[derive(Clone, Copy, Debug)]
struct Counter;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Added(u64);

#[derive(Debug, thiserror::Error)]
#[error("add {0}: over ten")]
struct OverTen(u64);

impl Machine for Counter {
    const KIND: &'static str = "counter";
    type State = u64;
    type Command = u64;
    type Event = Added;
    type Refused = OverTen;
    fn decide(state: &u64, command: &u64) -> Result<Vec<Added>, OverTen> {
        if state + command > 10 { Err(OverTen(*command)) } else { Ok((0..*command).map(|_| Added(1)).collect()) }
    }
    fn evolve(state: u64, event: &Added) -> u64 {
        state + event.0
    }
}

#[test]
fn a_key_makes_a_command_happen_once() {
    let journal = MemoryJournal::new();
    let mut engine = Engine::new(journal.clone());
    let first = engine.execute::<Counter>("counter/a", Some("k"), &2, At(1)).unwrap();
    assert_eq!((first.events.len(), first.state, first.repeated), (2, 2, false));
    engine.execute::<Counter>("counter/a", None, &3, At(2)).unwrap();
    for mut engine in [engine, Engine::new(journal)] {
        let again = engine.execute::<Counter>("counter/a", Some("k"), &2, At(3)).unwrap();
        assert_eq!((again.events.len(), again.state, again.repeated), (2, 5, true));
    }
}

#[test]
fn a_refusal_says_why_and_writes_nothing() {
    let mut engine = Engine::new(MemoryJournal::new());
    let refused = engine.execute::<Counter>("counter/a", Some("k"), &11, At(1)).unwrap_err();
    assert_eq!(refused.to_string(), "add 11: over ten");
    assert_eq!(engine.state::<Counter>("counter/a").unwrap(), 0);
    assert_eq!(engine.execute::<Counter>("counter/a", Some("k"), &1, At(1)).unwrap().state, 1);
}

#[test]
fn engines_on_one_journal_see_each_other() {
    let journal = MemoryJournal::new();
    let (mut a, mut b) = (Engine::new(journal.clone()), Engine::new(journal));
    for _ in 0..5 {
        a.execute::<Counter>("counter/a", None, &1, At(1)).unwrap();
        b.execute::<Counter>("counter/a", None, &1, At(1)).unwrap();
    }
    assert!(matches!(a.execute::<Counter>("counter/a", None, &1, At(1)), Err(EngineError::Refused { .. })));
    assert_eq!(a.state::<Counter>("counter/a").unwrap(), 10);
}

/// Somebody who appends between each reading and writing of ours, `times` times.
struct Rival {
    journal: MemoryJournal,
    times: u32,
}

impl Journal for Rival {
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        if self.times > 0 {
            self.times -= 1;
            let seq = self.journal.read_stream(stream, 0)?.len() as u64;
            self.journal.append(stream, seq, None, at, &[NewEvent { kind: "counter", body: serde_json::json!(0) }])?;
        }
        self.journal.append_under(fence, stream, expected, key, at, events)
    }
    fn read_stream(&mut self, stream: &str, from: u64) -> Result<Vec<Record>, JournalError> {
        self.journal.read_stream(stream, from)
    }
    fn read_all(&mut self, from: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.journal.read_all(from, limit)
    }
    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError> {
        self.journal.streams(prefix)
    }
}

#[test]
fn a_lost_race_is_decided_again_and_not_for_ever() {
    let engine = |times| Engine::new(Rival { journal: MemoryJournal::new(), times });
    let done = engine(APPEND_RETRIES_MAX).execute::<Counter>("counter/a", None, &1, At(1)).unwrap();
    assert_eq!(done.state, 1);
    let lost = engine(u32::MAX).execute::<Counter>("counter/a", None, &1, At(1)).unwrap_err();
    assert!(matches!(lost, EngineError::Contended { .. }));
}

#[test]
fn a_failed_append_is_found_again_by_its_key() {
    for (fault, repeated) in [(AppendFault::FailsAfter, true), (AppendFault::FailsBefore, false)] {
        let journal = MemoryJournal::new();
        let mut engine = Engine::new(journal.clone());
        journal.set_fault_hook(Box::new(move |_| fault));
        assert!(matches!(engine.execute::<Counter>("counter/a", Some("k"), &4, At(1)), Err(EngineError::Journal { .. })));
        journal.clear_fault_hook();
        let again = engine.execute::<Counter>("counter/a", Some("k"), &4, At(2)).unwrap();
        assert_eq!((again.state, again.repeated), (4, repeated), "{fault:?}");
    }
}

#[test]
fn a_record_of_another_kind_is_named() {
    let mut journal = MemoryJournal::new();
    journal.append("counter/a", 0, None, At(1), &[NewEvent { kind: "rollout", body: serde_json::json!(1) }]).unwrap();
    let error = Engine::new(journal).state::<Counter>("counter/a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`counter/a`: record 0 is no event of `counter`: its kind is `rollout`: this version of tidegate may be older than the one that wrote it"
    );
}
