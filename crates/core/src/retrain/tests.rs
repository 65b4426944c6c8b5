//! Triggers, limits and the story of a training.

use super::*;
use crate::id::At;
use crate::machine::Machine as _;
use crate::watch::{DriftFinding, DriftMethod, DriftRule, DriftVerdict};
use expect_test::expect;
use indexmap::IndexMap;
use proptest::prelude::*;

const DAY: u64 = 86_400_000;

fn rule(on: &[Source]) -> Rule {
    Rule {
        on: on.to_vec(),
        every_ms: Some(7 * DAY),
        performance: Some(Performance { metric: "accuracy".to_owned(), min: Some(0.8), max: None, window_ms: DAY, min_labels: 100 }),
        cool_down_ms: DAY,
        budget: Budget { runs: 2, within_ms: 10 * DAY, time_ms: DAY },
        approve: true,
    }
}

fn day(n: u64) -> At {
    At(0).plus_ms(n * DAY)
}

fn data(digest: &str) -> Observed {
    Observed { data: IndexMap::from([("flights".to_owned(), digest.to_owned())]), ..Observed::default() }
}

fn drift(verdict: DriftVerdict, until: u64) -> Observed {
    let rule = DriftRule { method: DriftMethod::Ks, threshold: 0.2, min_rows: 1 };
    let (version, columns) = ("1".to_owned(), vec![]);
    let finding = DriftFinding { version, verdict, rule, window_from: day(0), window_until: day(until), rows: (9, 9), columns };
    Observed { drift: Some(finding), ..Observed::default() }
}

/// So many predictions, of which a share was right.
fn performance(right: f64, labels: u32, until: u64) -> Observed {
    let scores = vec![1.0; labels as usize];
    let truths: Vec<bool> = (0..labels).map(|i| f64::from(i) < right * f64::from(labels)).collect();
    let finding = rule(&[]).performance.unwrap().judge("1", &truths, &scores, 0.5, day(until));
    Observed { performance: Some(finding), ..Observed::default() }
}

struct World {
    state: State,
    rule: Rule,
}

impl World {
    fn new(on: &[Source]) -> World {
        World { state: State::default(), rule: rule(on) }
    }

    fn give(&mut self, command: &Command) -> Result<usize, Refused> {
        let events = Retraining::decide(&self.state, command)?;
        // As they come back from the journal.
        let stored: Vec<Event> = serde_json::from_str(&serde_json::to_string(&events).unwrap()).unwrap();
        assert_eq!(stored, events);
        self.state = stored.iter().fold(self.state.clone(), Retraining::evolve);
        Ok(events.len())
    }

    fn look(&mut self, observed: Observed, at: At) -> usize {
        self.give(&Command::Look { rule: self.rule.clone(), observed: Box::new(observed), at }).unwrap()
    }

    fn end(&mut self, outcome: Outcome, at: At) {
        let number = self.state.newest().unwrap().number;
        self.give(&Command::End { number, outcome, summary: "x".to_owned(), at }).unwrap();
    }

    fn under_way(&self) -> Option<u64> {
        self.state.under_way().map(|t| t.number)
    }
}

#[test]
fn the_first_look_trains_nothing_and_other_data_does() {
    let mut world = World::new(&[Source::Data]);
    assert_eq!(world.look(data("blake3:aaaa"), day(0)), 1);
    assert_eq!(world.under_way(), None);
    assert_eq!(world.look(data("blake3:aaaa"), day(1)), 0);
    world.look(data("blake3:bbbb"), day(2));
    assert_eq!(world.under_way(), Some(1));
    expect!["data: `flights` is bbbb, it was aaaa"].assert_eq(&world.state.newest().unwrap().triggers[0].to_string());
    assert_eq!(world.look(data("blake3:cccc"), day(3)), 0, "one at a time");
    world.end(Outcome::Refused, day(3));
    assert_eq!(world.look(data("blake3:bbbb"), day(9)), 0, "the same data are no reason again");
    // Data that vanish are no reason; data that come are.
    assert_eq!(world.look(Observed::default(), day(9)), 0);
}

#[test]
fn a_schedule_counts_from_the_training_before() {
    let mut world = World::new(&[Source::Schedule]);
    world.look(Observed::default(), day(0));
    assert_eq!(world.look(Observed::default(), day(6)), 0);
    world.look(Observed::default(), day(7));
    assert_eq!(world.under_way(), Some(1));
    world.end(Outcome::Promoted, day(8));
    assert_eq!(world.look(Observed::default(), day(13)), 0);
    world.look(Observed::default(), day(14));
    assert_eq!(world.under_way(), Some(2));
}

#[test]
fn drift_and_drops_are_reasons_once_for_what_they_were_found_on() {
    let mut world = World::new(&[Source::Drift, Source::Performance]);
    world.look(Observed::default(), day(0));
    assert_eq!(world.look(drift(DriftVerdict::CannotTell, 1), day(1)), 0);
    assert_eq!(world.look(drift(DriftVerdict::Steady, 1), day(1)), 0);
    assert_eq!(world.look(performance(0.1, 99, 1), day(1)), 0, "too few labels");
    assert_eq!(world.look(performance(0.8, 100, 1), day(1)), 0, "the floor holds");
    world.look(drift(DriftVerdict::Drift, 2), day(2));
    assert_eq!(world.under_way(), Some(1));
    world.end(Outcome::Refused, day(2));
    assert_eq!(world.look(drift(DriftVerdict::Drift, 2), day(4)), 0, "the same window");
    world.look(drift(DriftVerdict::Drift, 4), day(4));
    assert_eq!(world.under_way(), Some(2));
    let ranked = Performance { metric: "auc".to_owned(), ..world.rule.performance.clone().unwrap() };
    let undefined = ranked.judge("1", &[true; 500], &[0.5; 500], 0.5, day(1));
    assert_eq!(undefined.verdict, PerformanceVerdict::CannotTell, "{}", undefined.why);
    let nan = ranked.judge("1", &[true, false].repeat(250), &[f64::NAN; 500], 0.5, day(1));
    assert_eq!(nan.verdict, PerformanceVerdict::CannotTell, "{}", nan.why);
    let mut other = World::new(&[Source::Performance]);
    other.look(Observed::default(), day(0));
    other.look(performance(0.7, 500, 1), day(1));
    expect!["performance: accuracy of 500 live predictions is 0.7000, below 0.8"]
        .assert_eq(&other.state.newest().unwrap().triggers[0].to_string());
}

#[test]
fn cool_down_and_budget_hold_a_training_back_and_say_so_once() {
    let mut world = World::new(&[Source::Data]);
    world.look(data("a"), day(0));
    world.look(data("b"), day(1));
    world.end(Outcome::Failed, day(1));
    assert_eq!((world.look(data("c"), day(1)), world.under_way()), (1, None), "cool-down");
    assert_eq!(world.state.withheld, Some(Held::CoolDown { until: day(2) }));
    assert_eq!(world.look(data("c"), At(day(2).0 - 1)), 0, "said once");
    world.look(data("c"), day(2));
    assert_eq!((world.under_way(), world.state.withheld), (Some(2), None));
    world.end(Outcome::Failed, day(2));
    world.look(data("d"), day(5));
    assert_eq!(world.state.withheld, Some(Held::Budget { runs: 2, until: day(11) }));
    let ask = |rule: &Rule, at| Command::Ask {
        by: "ann".to_owned(),
        reason: "test".to_owned(),
        rule: rule.clone(),
        observed: Box::new(data("d")),
        at,
    };
    let command = ask(&world.rule, day(6));
    let refused = world.give(&command).unwrap_err().to_string();
    expect!["train: the budget of 2 trainings is used up until 1970-01-12T00:00:00.000Z: raise `budget` in tidegate.yaml, or wait"]
        .assert_eq(&refused);
    world.look(data("d"), day(11));
    assert_eq!(world.under_way(), Some(3));
    let command = ask(&world.rule, day(11));
    assert_eq!(world.give(&command).unwrap_err(), Refused::UnderWay { number: 3, phase: "training" });
}

#[test]
fn nobody_is_asked_before_the_gates_and_everybody_once() {
    let mut world = World::new(&[Source::Code]);
    let code = |c: &str| Observed { code: Some(c.to_owned()), ..Observed::default() };
    world.look(code("a"), day(0));
    world.look(code("b"), day(1));
    let approve = Command::Approve { number: 1, by: "ann".to_owned(), at: day(1) };
    assert!(world.give(&approve).unwrap_err().to_string().contains("has not passed its gates yet"));
    let pass = |waits| Command::Pass { number: 1, version: "3".to_owned(), waits, at: day(1) };
    assert_eq!(world.give(&pass(true)), Ok(1));
    assert_eq!(world.give(&pass(true)), Ok(0), "a crash may have come between");
    let release = Command::Release { number: 1, service: "s".to_owned(), release: 4, at: day(1) };
    assert!(world.give(&release).unwrap_err().to_string().contains("waiting for a person"));
    assert_eq!(world.give(&approve), Ok(1));
    assert_eq!(world.give(&approve), Ok(0));
    assert_eq!(world.give(&release), Ok(1));
    assert_eq!(world.give(&release), Ok(0));
    let reject = Command::Reject { number: 1, by: "bob".to_owned(), reason: "late".to_owned(), at: day(1) };
    assert!(world.give(&reject).is_err());
    let cancel = |number| Command::Cancel { number, by: "bob".to_owned(), reason: "late".to_owned(), at: day(1) };
    assert!(world.give(&cancel(1)).unwrap_err().to_string().contains("abort that release"));
    world.end(Outcome::Promoted, day(2));
    assert!(world.give(&cancel(1)).unwrap_err().to_string().contains("it ended: promoted"));
    assert!(world.give(&cancel(2)).unwrap_err().to_string().contains("there is none"));
    world.look(code("c"), day(4));
    assert_eq!(world.give(&cancel(2)), Ok(1));
    assert_eq!(world.under_way(), None);
}

proptest! {
    /// Whatever is observed and however trainings end: one at a time, never more than the budget in any of its windows,
    /// never before the cool-down is over.
    #[test]
    fn limits_hold(steps in prop::collection::vec((0..40u64, 0..4u8, any::<bool>()), 1..120)) {
        let mut world = World::new(&[Source::Data, Source::Schedule]);
        let (mut hours, mut starts, mut ended): (u64, Vec<At>, Option<At>) = (0, vec![], None);
        for (pass, what, ends) in steps {
            hours += pass;
            let at = At(0).plus_ms(hours * DAY / 24);
            let before = world.state.trainings.len();
            world.look(data(&what.to_string()), at);
            if world.state.trainings.len() > before {
                prop_assert!(ended.is_none_or(|e: At| at.since_ms(e) >= world.rule.cool_down_ms));
                starts.push(at);
                let within = starts.iter().filter(|s| at.since_ms(**s) < world.rule.budget.within_ms).count();
                prop_assert!(within <= world.rule.budget.runs as usize);
            }
            if ends && world.under_way().is_some() {
                world.end(Outcome::Failed, at);
                ended = Some(at);
            }
        }
    }
}
