//! Who may act, in the checker's own words. It sees the facts of the journal, whose hand wrote them, what replicas ask of the outside,
//! and the true time; it reads no limit of the leases and asks no replica whom it takes for the holder.

use crate::plane::EPOCH_MS;
use crate::story::Violation;
use std::collections::BTreeMap;
use tidegate_core::lease::{Beat, Event, Session};

pub(super) const ALONE: &str = "never do two act for one rollout";
pub(super) const HOLDER_WRITES: &str = "only the holder of a slice writes for its rollouts";
pub(super) const LEASE_LASTS: &str = "nobody is taken over while its lease may last";
pub(super) const DRIVEN_AGAIN: &str = "what nobody drives is driven again in time";
pub(super) const EVEN: &str = "shares are even";

/// True time within which what nobody drives is driven again, when nothing else goes wrong meanwhile.
const DRIVEN_AGAIN_MS: i64 = 20_000;
/// True time that every lease lasts at least after its last beat has arrived.
const LEASE_MS_MIN: i64 = 11_000;
/// True time after the healing within which shares are even and stay so.
const SETTLED_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) violations: Vec<Violation>,
    /// Of each slice that was ever held: its facts, and its holder.
    slices: BTreeMap<u32, (u64, Option<Session>)>,
    /// The newest beat of each session, and when it arrived.
    beats: BTreeMap<Session, (u64, i64)>,
    /// Replicas whose clock stood still with them: they cannot know, until a beat of theirs was answered and they have looked again.
    slept: BTreeMap<String, bool>,
    /// Since when nobody drives what is in a slice.
    undriven: BTreeMap<u32, i64>,
    trouble_ms: i64,
    moved_ms: i64,
    /// How often somebody was taken over, for tests that want it to happen.
    pub(super) taken_over: u64,
    /// How often somebody wrote or asked with a slept clock, and the journal refused.
    pub(super) fenced: u64,
}

impl Checker {
    fn rule(&mut self, now_ms: i64, good: bool, rule: &'static str, found: impl FnOnce() -> String) {
        if !good && self.violations.len() < 20 {
            self.violations.push(Violation { rule, at_ms: now_ms - EPOCH_MS, found: found() });
        }
    }

    pub(super) fn holder(&self, slice: u32) -> Option<&Session> {
        self.slices.get(&slice).and_then(|(_, holder)| holder.as_ref())
    }

    /// Something went wrong: what is to happen in time may take its time from here.
    pub(super) fn trouble(&mut self, now_ms: i64) {
        self.trouble_ms = self.trouble_ms.max(now_ms);
    }

    pub(super) fn slept(&mut self, replica: &str) {
        self.slept.insert(replica.to_owned(), false);
    }

    /// A beat has arrived beside the journal; one that a newer has overtaken is worth nothing.
    pub(super) fn beat(&mut self, now_ms: i64, beat: &Beat) {
        if self.beats.get(&beat.session).is_none_or(|(count, _)| *count < beat.count) {
            self.beats.insert(beat.session.clone(), (beat.count, now_ms));
        }
    }

    /// A beat was answered: its sender knows where it stands.
    pub(super) fn answered(&mut self, replica: &str) {
        if let Some(answered) = self.slept.get_mut(replica) {
            *answered = true;
        }
    }

    /// A replica has looked at who holds what.
    pub(super) fn rounded(&mut self, replica: &str) {
        if self.slept.get(replica) == Some(&true) {
            self.slept.remove(replica);
        }
    }

    /// A process has ended as it should: what it could not give up may be taken at once.
    pub(super) fn left(&mut self, session: &Session) {
        self.beats.remove(session);
    }

    /// A fact of a slice, by the hand of `by`.
    pub(super) fn moved(&mut self, now_ms: i64, slice: u32, event: &Event, by: &Session) {
        self.moved_ms = now_ms;
        let before = self.holder(slice).cloned();
        let now = match event {
            Event::Taken { holder, over, .. } => {
                self.rule(now_ms, holder == by, "nobody takes for another", || format!("{by} for {holder}"));
                self.rule(now_ms, *over == before, "a fact says from whom a slice was taken", || format!("{over:?}, it was {before:?}"));
                if let Some(old) = &before {
                    self.taken_over += 1;
                    let silent_ms = now_ms - self.beats.get(old).map_or(EPOCH_MS, |(_, arrived)| *arrived);
                    self.rule(now_ms, silent_ms >= LEASE_MS_MIN, LEASE_LASTS, || {
                        format!("{by} took slice {slice} of {old}, silent for {silent_ms} ms")
                    });
                }
                Some(holder.clone())
            }
            Event::GivenUp { holder, .. } => {
                let own = holder == by && before.as_ref() == Some(by);
                self.rule(now_ms, own, "nobody gives up what is another's", || format!("{by} gave up {slice} of {before:?}"));
                None
            }
        };
        let facts = self.slices.get(&slice).map_or(0, |(facts, _)| *facts) + 1;
        self.slices.insert(slice, (facts, now));
    }

    /// A fact of a rollout, by the hand of `by`.
    pub(super) fn wrote(&mut self, now_ms: i64, slice: u32, by: &Session) {
        let holder = self.holder(slice).cloned();
        self.rule(now_ms, holder.as_ref() == Some(by), HOLDER_WRITES, || format!("{by} wrote in slice {slice}, held by {holder:?}"));
    }

    /// Something was asked of the outside for a rollout.
    pub(super) fn acted(&mut self, now_ms: i64, slice: u32, by: &Session) {
        let holder = self.holder(slice).cloned();
        let good = holder.as_ref() == Some(by) || self.slept.contains_key(&by.replica);
        self.rule(now_ms, good, ALONE, || format!("{by} acts in slice {slice}, held by {holder:?}"));
    }

    /// Looks whether each of `slices` is driven; `sound` are the sessions of replicas with which nothing is wrong and whose lease stands.
    pub(super) fn driven(&mut self, now_ms: i64, slices: &[u32], sound: &[Session]) {
        for slice in slices {
            if self.holder(*slice).is_some_and(|holder| sound.contains(holder)) {
                self.undriven.remove(slice);
                continue;
            }
            let since = *self.undriven.entry(*slice).or_insert(now_ms);
            let waits_ms = now_ms - since.max(self.trouble_ms);
            let holder = self.holder(*slice).cloned();
            let good = sound.is_empty() || waits_ms <= DRIVEN_AGAIN_MS;
            self.rule(now_ms, good, DRIVEN_AGAIN, || format!("slice {slice} of {holder:?} waits for {waits_ms} ms beside {sound:?}"));
        }
    }

    /// The end, some time after everything has healed.
    pub(super) fn end(&mut self, now_ms: i64, healed_ms: i64, live: &[Session], slices: u32) {
        let held: Vec<usize> = live.iter().map(|s| self.slices.values().filter(|(_, holder)| holder.as_ref() == Some(s)).count()).collect();
        let (least, most) = (held.iter().min().copied().unwrap_or(0), held.iter().max().copied().unwrap_or(0));
        let all = held.iter().sum::<usize>() == slices as usize;
        self.rule(now_ms, all && most - least <= 1, EVEN, || format!("{held:?}"));
        let after_ms = self.moved_ms - healed_ms;
        self.rule(now_ms, after_ms <= SETTLED_MS, "nothing moves when nobody comes or goes", || {
            format!("{after_ms} ms after the healing a slice moved")
        });
    }
}
