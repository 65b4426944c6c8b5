//! Two replicas with honest hosts: shares, a hand-over, a takeover, and one that comes too late.

use super::{Now, Replica};
use crate::engine::EngineError;
use crate::rollouts::{DriverError, Input, Output, RolloutId};
use tidegate_core::id::At;
use tidegate_core::judge::JudgeSettings;
use tidegate_core::lease::{BEAT_MS, LEASE_MS, MARGIN_MS, SLICES, Session, TAKEN_OVER_WITHIN_MS, Uptime, slice_of};
use tidegate_core::rollout::{Baseline, Command, Deadlines, Effect, Promotion, Role, Rollouts, Spec, SpecDraft, Step};
use tidegate_port::memory::{AppendFault, MemoryBeats, MemoryBlobs, MemoryJournal};
use tidegate_port::{Beats as _, Journal as _};

type Member = Replica<MemoryJournal, MemoryBlobs, Rollouts>;

const WALL_MS: i64 = 1_700_000_000_000;

struct World {
    journal: MemoryJournal,
    beats: MemoryBeats,
    ms: u64,
}

impl World {
    fn new() -> World {
        World { journal: MemoryJournal::new(), beats: MemoryBeats::default(), ms: 0 }
    }

    fn member(&self, name: &str) -> Member {
        Replica::new(self.journal.clone(), MemoryBlobs::new(), Session { replica: name.to_owned(), number: 1 })
    }

    fn now(&self) -> Now {
        Now { at: At(WALL_MS + self.ms as i64), uptime: Uptime(self.ms) }
    }

    /// A beat, its answer and a look, all at once.
    fn turn(&mut self, member: &mut Member) -> Vec<Output> {
        let now = self.now();
        let sent = member.beat(now);
        self.beats.beat(&sent.beat).unwrap();
        member.beaten(&sent, now);
        let round = member.round(&self.beats.all().unwrap(), now.uptime, now).unwrap();
        assert_eq!(round.trouble, Vec::<String>::new());
        round.outputs
    }

    /// Turns of all for so long.
    fn turns(&mut self, members: &mut [&mut Member], ms: u64) -> Vec<Output> {
        let mut outputs = vec![];
        for _ in 0..ms / BEAT_MS {
            self.ms += BEAT_MS;
            for member in members.iter_mut() {
                outputs.extend(self.turn(member));
            }
        }
        outputs
    }
}

fn id(service: &str) -> RolloutId {
    RolloutId { service: service.to_owned(), number: 1 }
}

fn start(service: &str, at: At) -> Input {
    let canary = Step::Canary { weights_bp: vec![1_000], min_time_ms: 20_000, baseline: Baseline::Fresh };
    let draft = SpecDraft {
        service: service.to_owned(),
        number: 1,
        model: service.to_owned(),
        candidate: "2".to_owned(),
        stable: Some("1".to_owned()),
        change: "more trees".to_owned(),
        strategy: String::new(),
        steps: vec![canary],
        promote: Promotion { watch_ms: 30_000, hold_back_bp: 500 },
        judge: JudgeSettings::preset(),
        exposure_max: None,
        affinity: None,
        offline_disagreement: None,
        risk: None,
        deadlines: Deadlines::default(),
    };
    let command = Command::Start { spec: Box::new(Spec::build(draft).unwrap()), at };
    Input::Command { rollout: id(service), key: Some("start".to_owned()), command }
}

fn pause(service: &str, at: At) -> Input {
    let command = Command::Pause { by: "ada".to_owned(), reason: "a look".to_owned(), at };
    Input::Command { rollout: id(service), key: None, command }
}

fn loads(outputs: &[Output], service: &str) -> usize {
    outputs.iter().filter(|o| matches!(o, Output::Do { rollout, effect: Effect::Load { .. } } if *rollout == id(service))).count()
}

/// A name of a service that is in a slice which `member` holds.
fn service_of(member: &mut Member) -> String {
    (0..10_000).map(|n| format!("service-{n}")).find(|name| member.driver().held(slice_of(name)).is_some()).unwrap()
}

#[test]
fn two_replicas_share_and_each_drives_its_own_alone() {
    let mut world = World::new();
    let (mut a, mut b) = (world.member("a"), world.member("b"));
    world.turns(&mut [&mut a], 2 * BEAT_MS);
    assert_eq!(a.driver().holds(), SLICES as usize, "one alone holds everything at once: nobody held it before");
    world.turns(&mut [&mut a, &mut b], 3 * BEAT_MS);
    assert_eq!((a.driver().holds(), b.driver().holds()), (32, 32));
    let facts = world.journal.read_all(0, 1_000).unwrap().len();
    world.turns(&mut [&mut a, &mut b], 60_000);
    assert_eq!(world.journal.read_all(0, 1_000).unwrap().len(), facts, "while nobody comes or goes nothing is written");
    let service = service_of(&mut b);
    let refused = a.handle(start(&service, world.now().at), world.now()).unwrap_err();
    assert!(matches!(refused, DriverError::Elsewhere { .. }), "{refused}");
    assert_eq!(loads(&b.handle(start(&service, world.now().at), world.now()).unwrap(), &service), 3);
    let wake = a.handle(Input::Wake, world.now()).unwrap();
    assert_eq!(wake, [], "what another drives is not woken");
}

#[test]
fn what_a_dead_one_drove_is_taken_over_in_time_and_gone_on_with() {
    let mut world = World::new();
    let (mut a, mut b) = (world.member("a"), world.member("b"));
    world.turns(&mut [&mut a, &mut b], 4 * BEAT_MS);
    let service = service_of(&mut a);
    a.handle(start(&service, world.now().at), world.now()).unwrap();
    let early = world.turns(&mut [&mut b], LEASE_MS + MARGIN_MS - BEAT_MS);
    assert_eq!((loads(&early, &service), b.driver().holds()), (0, 32), "not before its time");
    let outputs = world.turns(&mut [&mut b], TAKEN_OVER_WITHIN_MS - (LEASE_MS + MARGIN_MS - BEAT_MS));
    assert_eq!(b.driver().holds(), SLICES as usize);
    assert_eq!(loads(&outputs, &service), 3, "asked for again");
    assert!(outputs.contains(&Output::ResendEvidence { rollout: id(&service), from_seq: 0 }));
    // The dead one was only slow: it stood still in the middle of a deed, its clock too, and goes on with it.
    let slept = Now { at: world.now().at, uptime: Uptime(4 * BEAT_MS) };
    let before = world.journal.read_stream(&id(&service).stream(), 0).unwrap();
    let fenced = a.handle(pause(&service, slept.at), slept).unwrap_err();
    assert!(matches!(fenced, DriverError::Engine(EngineError::Fenced { .. })), "{fenced}");
    assert_eq!(world.journal.read_stream(&id(&service).stream(), 0).unwrap(), before, "nothing is written past the fence");
    let after = a.handle(pause(&service, slept.at), slept).unwrap_err();
    assert!(matches!(after, DriverError::Elsewhere { .. }), "it has stepped down: {after}");
    let ready = Command::WorkerReady { role: Role::Candidate, generation: 1, at: world.now().at };
    b.handle(Input::Command { rollout: id(&service), key: None, command: ready }, world.now()).unwrap();
}

#[test]
fn past_its_end_a_replica_does_nothing_and_comes_back_as_a_new_session() {
    let mut world = World::new();
    let mut a = world.member("a");
    world.turns(&mut [&mut a], 2 * BEAT_MS);
    let service = service_of(&mut a);
    a.handle(start(&service, world.now().at), world.now()).unwrap();
    world.ms += LEASE_MS - MARGIN_MS;
    assert!(a.next_wake(world.now()).is_some());
    assert_eq!(a.handle(Input::Wake, world.now()).unwrap(), [], "what it would ask again is not its own any more");
    assert!(matches!(a.handle(pause(&service, world.now().at), world.now()), Err(DriverError::Elsewhere { .. })));
    assert_eq!(a.next_wake(world.now()), None);
    let outputs = world.turns(&mut [&mut a], TAKEN_OVER_WITHIN_MS);
    assert_eq!(a.session().number, 2);
    assert_eq!(a.driver().holds(), SLICES as usize, "it takes over from itself as from another");
    assert_eq!(loads(&outputs, &service), 3);
}

#[test]
fn who_leaves_hands_over_at_once() {
    let mut world = World::new();
    let (mut a, mut b) = (world.member("a"), world.member("b"));
    world.turns(&mut [&mut a, &mut b], 4 * BEAT_MS);
    assert_eq!(a.leave(world.now()), Vec::<String>::new());
    assert_eq!(a.driver().holds(), 0);
    world.beats.forget(a.session()).unwrap();
    world.turns(&mut [&mut b], BEAT_MS);
    assert_eq!(b.driver().holds(), SLICES as usize);
}

#[test]
fn what_may_or_may_not_be_written_is_not_held_until_it_is_read() {
    for fault in [AppendFault::FailsBefore, AppendFault::FailsAfter] {
        let world = World::new();
        let (mut a, now) = (world.member("a"), world.now());
        let sent = a.beat(now);
        a.beaten(&sent, now);
        world.journal.set_fault_hook(Box::new(move |_| fault));
        let round = a.round(&[], now.uptime, now).unwrap();
        assert_eq!((round.trouble.len(), a.driver().holds()), (SLICES as usize, 0), "{fault:?}");
        world.journal.clear_fault_hook();
        assert_eq!(a.round(&[], now.uptime, now).unwrap().trouble.len(), 0);
        assert_eq!(a.driver().holds(), SLICES as usize, "{fault:?}");
    }
}
