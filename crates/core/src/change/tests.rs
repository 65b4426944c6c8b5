//! Records of changes: what is in them, what is not, and that the same facts give the same bytes.

use super::{Facts, Placed, Planned, before, of_release};
use crate::access::{Event as AccessEvent, Subject};
use crate::gate::GateReport;
use crate::id::{At, Digest};
use crate::judge::JudgeSettings;
use crate::model::{Event as ModelEvent, Lineage, ModelVersion, Signature};
use crate::rollout::{
    Baseline, Cause, Deadlines, Event, Forward, HoldWhy, Promoter, Promotion, Role, Spec, SpecDraft, Stage, Step, Traffic,
};

fn spec() -> Spec {
    Spec::build(SpecDraft {
        service: "s".to_owned(),
        number: 2,
        model: "m".to_owned(),
        candidate: "2".to_owned(),
        stable: Some("1".to_owned()),
        change: "more trees".to_owned(),
        strategy: "default".to_owned(),
        steps: vec![Step::Canary { weights_bp: vec![500], min_time_ms: 60_000, baseline: Baseline::Fresh }],
        promote: Promotion { watch_ms: 60_000, hold_back_bp: 500 },
        exposure_max: Some(1_000),
        affinity: None,
        judge: JudgeSettings::preset(),
        offline_disagreement: None,
        risk: None,
        deadlines: Deadlines::default(),
    })
    .unwrap()
}

fn placed<E>(events: impl IntoIterator<Item = (u64, E)>) -> Vec<Placed<E>> {
    events.into_iter().map(|(position, event)| Placed { position, event }).collect()
}

fn version(version: &str, change: &str) -> ModelEvent {
    let lineage = Lineage { run: "w-1".to_owned(), code: "abc".to_owned(), change: change.to_owned(), ..Lineage::default() };
    let version = ModelVersion {
        model: "m".to_owned(),
        version: version.to_owned(),
        artifact: Digest::of(version.as_bytes()),
        transform: None,
        golden: None,
        profile: None,
        signature: Signature { inputs: vec![], outputs: vec![] },
        interface: crate::model::Interface::default(),
        metrics: serde_json::json!({ "auc": 0.9 }),
        lineage,
        at: At(1),
    };
    ModelEvent::Registered { version: Box::new(version) }
}

fn subject(digest: &str) -> Subject {
    Subject { version: "2".to_owned(), strategy: "default".to_owned(), digest: Digest::of(digest.as_bytes()) }
}

fn asked(digest: &str, by: &str, at: i64) -> AccessEvent {
    AccessEvent::Asked { subject: subject(digest), of: 1, by: by.to_owned(), until: At(9_000), at: At(at) }
}

fn approved(digest: &str, by: &str, at: i64) -> AccessEvent {
    AccessEvent::Approved { subject: subject(digest), by: by.to_owned(), reason: "seen".to_owned(), at: At(at) }
}

fn gated(version: &str, at: i64) -> ModelEvent {
    ModelEvent::Gated { version: version.to_owned(), report: GateReport::default(), at: At(at) }
}

fn facts() -> Facts {
    let traffic = Traffic { stable_bp: 10_000, candidate_bp: 0, control_bp: 0, mirror_bp: 0, preview: false };
    let rollout = [
        Event::Started { spec: Box::new(spec()), at: At(100) },
        Event::LoadWanted { role: Role::Candidate, version: "2".to_owned(), generation: 1, at: At(100) },
        Event::StageEntered { stage: Stage::Step { index: 0 }, at: At(110) },
        Event::FreezeBegan { name: "night".to_owned(), until: At(130), at: At(120) },
        Event::FreezeBegan { name: "night".to_owned(), until: At(140), at: At(125) },
        Event::FreezeEnded { at: At(140) },
        Event::HoldBegan { why: HoldWhy::InsufficientEvidence, at: At(150) },
        Event::PromotionBegan { by: Promoter::Person { by: "mary".to_owned(), reason: "enough".to_owned() }, at: At(160) },
        Event::RollbackBegan { cause: Cause::Aborted { by: "ada".to_owned(), reason: "no".to_owned() }, at: At(170) },
        Event::TrafficWanted { generation: 2, traffic, at: At(170) },
        Event::RollbackCompleted { at: At(180) },
    ];
    let access = [
        (1, asked("old", "eve", 10)),
        (2, approved("old", "joan", 11)),
        (3, asked("new", "eve", 20)),
        (4, approved("new", "grace", 21)),
        (90, AccessEvent::Vetoed { subject: subject("new"), by: "joan".to_owned(), reason: "late".to_owned(), at: At(900) }),
    ];
    Facts {
        rollout: placed(rollout.into_iter().enumerate().map(|(i, event)| (40 + i as u64, event))),
        model: placed([
            (5, version("1", "first")),
            (6, version("2", "second")),
            (7, gated("2", 30)),
            (8, gated("1", 31)),
            (95, gated("2", 990)),
        ]),
        access: placed(access),
    }
}

#[test]
fn a_release_is_told_by_its_own_facts() {
    let record = of_release(&facts()).unwrap();
    assert_eq!((record.release.as_deref(), record.version.as_str(), record.replaces.as_deref()), (Some("s/2"), "2", Some("1")));
    assert_eq!((record.position, record.at), (50, At(180)), "up to its own last fact");
    assert_eq!(record.lineage.as_ref().map(|l| l.change.as_str()), Some("second"));
    assert_eq!(record.gates.as_ref().map(|g| g.at), Some(At(30)), "the gates before it began, not those of later");
    let said: Vec<String> = record.people.iter().map(|s| format!("{} {} {}", s.at.0, s.by, s.what)).collect();
    let wanted = ["20 eve asked", "21 grace approved", "160 mary promoted, whatever the evidence", "170 ada aborted"];
    assert_eq!(said, wanted, "what was approved of another digest is void, and what was said later is not in it");
    let halts: Vec<_> = record.halts.iter().map(|h| (h.what.as_str(), h.since.0, h.until.map(|at| at.0))).collect();
    let held = "held: the judge's deadline passed with evidence for neither bar";
    assert_eq!(halts, [("frozen by night", 120, Some(140)), (held, 150, Some(160))]);
    assert_eq!(record.outcome, "aborted by ada: no");
    assert!(record.way_back.contains("version 1 serves"));
    assert!((record.plan.judge.alpha - 0.01).abs() < 1e-12 && record.plan.exposure_max == Some(1_000));
}

#[test]
fn the_same_facts_give_the_same_bytes_whatever_came_after() {
    let bytes = |facts: &Facts| serde_json::to_vec(&of_release(facts).unwrap()).unwrap();
    let mut later = facts();
    later.access.extend(placed([(200, asked("new", "zoe", 2_000)), (201, approved("new", "grace", 2_001))]));
    later.model.extend(placed([(202, version("3", "third")), (203, gated("2", 2_003))]));
    assert_eq!(bytes(&facts()), bytes(&later));
    assert_eq!(of_release(&Facts::default()), None);
    let mut cut = facts();
    cut.rollout.remove(0);
    assert_eq!(of_release(&cut), None, "without its beginning it is no release");
}

#[test]
fn a_release_under_way_names_its_way_back() {
    let mut under_way = facts();
    under_way.rollout.truncate(3);
    let record = of_release(&under_way).unwrap();
    assert!(record.outcome.starts_with("under way"), "{}", record.outcome);
    assert!(record.way_back.contains("tidegate release abort s/2"), "{}", record.way_back);
    let resumed = Event::Resumed { by: "mary".to_owned(), to: Forward::Step { index: 0 }, at: At(155) };
    let mut held = facts();
    held.rollout.truncate(7);
    assert_eq!(of_release(&held).unwrap().halts[1].until, None);
    held.rollout.extend(placed([(47, resumed)]));
    assert_eq!(of_release(&held).unwrap().halts[1].until, Some(At(155)));
}

#[test]
fn a_change_that_has_not_begun_is_told_as_it_would_be_started() {
    let (spec, shown) = (spec(), subject("new"));
    let at = |position, at| Planned { spec: &spec, subject: &shown, position, at: At(at) };
    let record = before(&at(60, 500), &facts());
    assert_eq!((record.release.as_deref(), record.outcome.as_str()), (None, "it has not begun"));
    assert_eq!(record.people.iter().map(|s| s.by.as_str()).collect::<Vec<_>>(), ["eve", "grace"]);
    let other = subject("changed since");
    let record = before(&Planned { subject: &other, ..at(60, 500) }, &facts());
    assert!(record.people.is_empty(), "approvals of what is something else by now do not count: {:?}", record.people);
    assert_eq!(before(&at(95, 995), &facts()).gates.map(|g| g.at), Some(At(990)));
}
