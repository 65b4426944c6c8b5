//! Slices, tenures, watches and shares, each alone; together in the simulator.

use super::{
    BEAT_MS, Beat, Command, Event, LEASE_MS, MARGIN_MS, Refused, SLICES, Session, Slice, Slices, Step, Tenure, Uptime, Watch, plan,
};
use crate::id::At;
use crate::lease::slice_of;
use crate::machine::Machine;
use proptest::prelude::*;

fn session(replica: &str, number: u64) -> Session {
    Session { replica: replica.to_owned(), number }
}

fn take(slice: &Slice, by: &Session, over: Option<&Session>) -> Result<Vec<Event>, Refused> {
    Slices::decide(slice, &Command::Take { by: by.clone(), over: over.cloned(), at: At(1) })
}

fn held(by: &Session) -> Slice {
    Slices::replay(&take(&Slice::default(), by, None).unwrap())
}

#[test]
fn a_slice_is_taken_when_free_or_over_the_holder_that_is_meant() {
    let (a, b, c) = (session("a", 1), session("b", 1), session("c", 1));
    let slice = held(&a);
    assert_eq!((slice.fence, slice.holder.as_ref()), (1, Some(&a)));
    assert_eq!(take(&slice, &a, None), Ok(vec![]), "taking what is held changes nothing");
    assert_eq!(take(&slice, &b, None), Err(Refused::HeldBy(a.clone())));
    assert_eq!(take(&slice, &b, Some(&c)), Err(Refused::HeldBy(a.clone())), "another holder was meant");
    let over = take(&slice, &b, Some(&a)).unwrap();
    assert_eq!(over, [Event::Taken { holder: b.clone(), over: Some(a.clone()), at: At(1) }]);
    let slice = over.iter().fold(slice, Slices::evolve);
    let give_up = |by: &Session| Slices::decide(&slice, &Command::GiveUp { by: by.clone(), at: At(2) });
    assert_eq!(give_up(&a), Err(Refused::NotHeld(a.clone())), "who was taken over gives up nothing");
    let slice = give_up(&b).unwrap().iter().fold(slice.clone(), Slices::evolve);
    assert_eq!(slice, Slice { fence: 3, holder: None, since: At(2) }, "every fact is a fence");
    assert_eq!(take(&slice, &c, Some(&b)).unwrap(), [Event::Taken { holder: c, over: None, at: At(1) }], "it was given up meanwhile");
}

#[test]
fn facts_are_written_so() {
    let facts = [Event::Taken { holder: session("a", 7), over: None, at: At(5) }, Event::GivenUp { holder: session("a", 7), at: At(6) }];
    let written = serde_json::to_string(&facts).unwrap();
    let expected =
        r#"[{"event":"taken","holder":{"replica":"a","number":7},"at":5},{"event":"given_up","holder":{"replica":"a","number":7},"at":6}]"#;
    assert_eq!(written, expected);
    assert_eq!(serde_json::from_str::<[Event; 2]>(expected).unwrap(), facts);
    assert_eq!(Slices::stream(7), "lease/07");
}

#[test]
fn a_services_slice_never_changes() {
    let slices = ["late-arrival", "search", "pay", ""].map(slice_of);
    expect_test::expect!["[50, 24, 5, 57]"].assert_eq(&format!("{slices:?}"));
    let used: std::collections::BTreeSet<u32> = (0..2_000).map(|n| slice_of(&format!("service-{n}"))).collect();
    assert_eq!(used.len(), SLICES as usize, "two thousand services use every slice");
}

#[test]
fn a_lease_counts_from_when_the_acknowledged_beat_was_sent() {
    let acts_ms = LEASE_MS - MARGIN_MS;
    let mut tenure = Tenure::new(session("a", 1));
    let sent = tenure.beat(Uptime(1_000));
    assert!(!sent.beat.ready && !tenure.acts(Uptime(1_000)), "nobody has answered yet");
    tenure.beaten(&sent, Uptime(4_000));
    assert_eq!(tenure.until(), Some(Uptime(1_000 + acts_ms)), "from the sending, not from the answer");
    let second = tenure.beat(Uptime(3_000));
    assert!(second.beat.ready);
    assert_eq!(second.beat.count, 2);
    tenure.beaten(&second, Uptime(4_500));
    tenure.beaten(&sent, Uptime(4_600));
    assert_eq!(tenure.until(), Some(Uptime(3_000 + acts_ms)), "a late answer to an older beat takes nothing back");
}

#[test]
fn a_session_that_was_too_late_never_acts_again() {
    let acts_ms = LEASE_MS - MARGIN_MS;
    let mut tenure = Tenure::new(session("a", 1));
    let first = tenure.beat(Uptime(0));
    tenure.beaten(&first, Uptime(1));
    let second = tenure.beat(Uptime(BEAT_MS));
    let end = Uptime(acts_ms);
    assert!(tenure.acts(Uptime(end.0 - 1)) && !tenure.acts(end));
    tenure.beaten(&second, end);
    assert!(!tenure.acts(end), "the answer came after the end, though it would have reached further");
    let third = tenure.beat(end);
    assert_eq!(third.beat, Beat { session: session("a", 2), count: 1, ready: false });
    tenure.beaten(&second, end);
    assert!(!tenure.acts(end), "an answer to the session before is none to this one");
    tenure.beaten(&third, end);
    assert!(tenure.acts(end));
}

#[test]
fn a_session_is_gone_when_no_new_beat_was_seen_for_long_enough() {
    let a = session("a", 1);
    let beat = |count| [Beat { session: a.clone(), count, ready: true }];
    let (mut watch, wait) = (Watch::default(), LEASE_MS + MARGIN_MS);
    assert!(!watch.gone(&a, Uptime(u64::MAX)), "nothing is known of it");
    watch.look(&beat(5), std::iter::empty(), Uptime(100));
    watch.look(&beat(5), std::iter::empty(), Uptime(9_000));
    assert!(!watch.gone(&a, Uptime(100 + wait - 1)) && watch.gone(&a, Uptime(100 + wait)), "from when that beat was first seen");
    watch.look(&beat(4), std::iter::empty(), Uptime(9_100));
    assert!(watch.gone(&a, Uptime(100 + wait)), "an older beat is no new one");
    watch.look(&beat(6), std::iter::empty(), Uptime(9_200));
    assert!(!watch.gone(&a, Uptime(9_200 + wait - 1)));
    assert_eq!(watch.ready(Uptime(9_300)).collect::<Vec<_>>(), [&a]);
    assert_eq!(watch.forgotten(&[], Uptime(9_200 + wait)).collect::<Vec<_>>(), [&a]);
    assert_eq!(watch.forgotten(&[&a], Uptime(9_200 + wait)).count(), 0, "what it holds must be taken over first");
    // Whose row is lost is not gone for that.
    let b = session("b", 1);
    watch.look(&[], [&a, &b].into_iter(), Uptime(10_000));
    assert!(!watch.gone(&a, Uptime(9_200 + wait - 1)) && watch.gone(&a, Uptime(9_200 + wait)));
    assert!(!watch.gone(&b, Uptime(10_000 + wait - 1)) && watch.gone(&b, Uptime(10_000 + wait)));
}

#[test]
fn a_replica_that_came_back_counts_once() {
    let beats: Vec<Beat> = [("a", 1), ("b", 1), ("b", 2)].map(|(r, n)| Beat { session: session(r, n), count: 1, ready: true }).into();
    let mut watch = Watch::default();
    watch.look(&beats, std::iter::empty(), Uptime(0));
    assert_eq!(watch.ready(Uptime(1)).collect::<Vec<_>>(), [&session("a", 1), &session("b", 2)]);
    let slices = vec![Slice::default(); SLICES as usize];
    assert_eq!(plan(&session("a", 1), &slices, &watch, Uptime(1)).len(), 32);
    let beats = [&beats[..2], &[Beat { ready: false, ..beats[2].clone() }]].concat();
    watch.look(&beats, std::iter::empty(), Uptime(2));
    assert_eq!(watch.ready(Uptime(3)).count(), 2, "a beat that is no newer changes nothing");
}

#[test]
fn a_replica_that_nobody_answers_takes_no_share() {
    let mut watch = Watch::default();
    watch.look(&[Beat { session: session("b", 1), count: 9, ready: false }], std::iter::empty(), Uptime(0));
    let slices = vec![Slice::default(); SLICES as usize];
    assert_eq!(plan(&session("a", 1), &slices, &watch, Uptime(1)).len(), SLICES as usize);
}

/// Replicas that all see the same, each acting in turn, until nothing moves: who holds how many, and how many moved.
fn settle(slices: &mut [Slice], live: &[Session], gone: &[Session]) -> (Vec<usize>, usize) {
    let beat = |session: &Session| Beat { session: session.clone(), count: 1, ready: true };
    let mut watch = Watch::default();
    watch.look(&gone.iter().map(beat).collect::<Vec<_>>(), std::iter::empty(), Uptime(0));
    let now = Uptime(LEASE_MS + MARGIN_MS);
    watch.look(&live.iter().chain(gone).map(beat).collect::<Vec<_>>(), std::iter::empty(), now);
    let mut taken = 0;
    loop {
        let before = taken;
        let mut given = 0;
        for me in live {
            for step in plan(me, slices, &watch, now) {
                let (slice, command) = match step {
                    Step::Take { slice, over } => (slice, Command::Take { by: me.clone(), over, at: At(0) }),
                    Step::GiveUp { slice } => (slice, Command::GiveUp { by: me.clone(), at: At(0) }),
                };
                let slice = &mut slices[slice as usize];
                let events = Slices::decide(slice, &command).unwrap();
                *slice = events.iter().fold(slice.clone(), Slices::evolve);
                (taken, given) = match command {
                    Command::Take { .. } => (taken + 1, given),
                    Command::GiveUp { .. } => (taken, given + 1),
                };
            }
        }
        if taken == before && given == 0 {
            let held = live.iter().map(|me| slices.iter().filter(|s| s.holder.as_ref() == Some(me)).count()).collect();
            return (held, taken);
        }
    }
}

proptest! {
    #[test]
    fn shares_are_even_and_no_more_moves_than_must(first in 1usize..20, then in 1usize..20) {
        let all: Vec<Session> = (0..20).map(|n| session(&format!("r{n}"), 1)).collect();
        let mut slices = vec![Slice::default(); SLICES as usize];
        let (held, moved) = settle(&mut slices, &all[..first], &[]);
        prop_assert_eq!(moved, SLICES as usize);
        prop_assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1);
        let gone = if then < first { &all[then..first] } else { &[] };
        let lost: usize = slices.iter().filter(|s| s.holder.as_ref().is_some_and(|h| gone.contains(h))).count();
        let (held, moved) = settle(&mut slices, &all[..then], gone);
        prop_assert_eq!(held.iter().sum::<usize>(), SLICES as usize, "nothing is left out");
        prop_assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1);
        let joined: usize = held.iter().skip(first).sum();
        // who stays may have to hand one over, for shares differ by one
        prop_assert!(moved <= lost + joined + first.min(then), "{} moved, {} were lost, {} joined", moved, lost, joined);
    }
}
