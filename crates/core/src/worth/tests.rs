//! The lot, what is kept, and what it comes to, reckoned by hand.

use super::*;
use crate::correction::Ended;
use crate::id::{At, Digest};
use crate::machine::Machine as _;
use crate::risk::Way;
use proptest::prelude::*;

fn trial(model_share: f64, salt: &str) -> Trial {
    Trial { model_share, salt: salt.to_owned() }
}

/// A commit of one digit.
fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn answer(commits: &str, model: &str, probability: f64, at: i64) -> Answer {
    Answer {
        commits: commits.chars().map(commit).collect(),
        probability,
        interval: [probability - 0.05, probability + 0.05],
        way: if probability >= 0.2 { Way::Held } else { Way::Standard },
        hold_from: Some(0.2),
        costs: Some(Costs { delay: 1.0, incident: 4.0 }),
        model: Digest::of(model.as_bytes()),
        training: "t".to_owned(),
        learnt_until: At(0),
        policy: Digest::of(b"p"),
        arm: None,
        model_share: None,
        at: At(at),
    }
}

fn of_arm(arm: Arm, answer: Answer) -> Answer {
    Answer { arm: Some(arm), model_share: Some(0.5), ..answer }
}

fn opinion(commits: &str, risk: Option<f64>, decision: Option<Decision>, at: i64) -> Opinion {
    let commits = commits.chars().map(commit).collect();
    Opinion { commits, risk, decision, blind: false, by: "ada".to_owned(), reason: "it looks so".to_owned(), at: At(at) }
}

fn says(answer: Answer) -> Command {
    Command::Answer { named: None, answer }
}

fn judges(opinion: Opinion) -> Command {
    Command::Judge { named: None, opinion, ended: Ended::Unknown }
}

fn after(commands: &[Command]) -> State {
    commands.iter().fold(State::default(), |state, command| Said::decide(&state, command).unwrap().iter().fold(state, Said::evolve))
}

fn only(state: &State) -> &Spoken {
    assert_eq!(state.changes.len(), 1, "{state:?}");
    state.changes.values().next().unwrap()
}

#[test]
fn the_lot_is_drawn_by_name_alone_and_in_its_shares() {
    let drawn = |share: f64, salt: &str| (0..10_000).filter(|n| arm(&trial(share, salt), &n.to_string()) == Arm::Model).count();
    assert_eq!((drawn(0.0, "a"), drawn(1.0, "a")), (0, 10_000));
    // Four standard deviations of 10,000 draws are 200 at one half and 160 at a fifth.
    assert!(drawn(0.5, "a").abs_diff(5_000) < 200 && drawn(0.2, "a").abs_diff(2_000) < 160);
    assert_eq!(drawn(0.5, "a"), drawn(0.5, "a"));
    let arms = |salt: &str| (0..100).map(|n| arm(&trial(0.5, salt), &n.to_string())).collect::<Vec<_>>();
    assert_ne!(arms("one"), arms("other"), "another salt draws anew");
    let shifted = (0..1_000).filter(|n| arm(&trial(0.5, "ab"), &format!("c{n}")) != arm(&trial(0.5, "a"), &format!("bc{n}"))).count();
    assert!(shifted > 400, "salt and name do not run together");
}

#[test]
fn an_answer_is_kept_once_and_another_model_another_time() {
    let state = after(&[says(answer("a", "m", 0.3, 1)), says(answer("a", "m", 0.3, 2)), says(answer("a", "n", 0.4, 3))]);
    let spoken = only(&state);
    assert_eq!(spoken.answers.len(), 2, "{spoken:?}");
    assert_eq!(spoken.answer().unwrap().at, At(1), "what another model says afterwards of the same commits does not count");
    let policy = Answer { policy: Digest::of(b"q"), ..answer("a", "m", 0.3, 4) };
    assert_eq!(Said::decide(&state, &says(policy)).unwrap().len(), 1);
    let pushed = after(&[says(answer("a", "m", 0.3, 1)), says(answer("ba", "m", 0.5, 2)), says(answer("ba", "n", 0.1, 3))]);
    assert_eq!(only(&pushed).answer().unwrap().at, At(2), "what is pushed on top is the same change");
    let often: Vec<Command> = (0..ANSWERS_MAX).map(|n| says(answer("a", &n.to_string(), 0.3, 1))).collect();
    assert_eq!(Said::decide(&after(&often), &says(answer("a", "more", 0.3, 1))), Err(Refused::Often));
}

#[test]
fn a_change_is_known_by_its_name_or_by_its_first_commit() {
    let state = after(&[says(answer("cba", "m", 0.3, 1))]);
    let of = |commits: &str, named: Option<&str>| {
        let commits = commits.chars().map(commit).collect();
        state.standing(&Subject { named: named.map(str::to_owned), commits })
    };
    assert_eq!(of("b", None), Standing::One(commit('a')), "a commit of it is it");
    assert_eq!(of("dcba", None), Standing::One(commit('a')));
    assert_eq!(of("fe", None), Standing::One(commit('e')), "an unknown one has the name of its oldest commit");
    assert_eq!(of("cba", Some("42")), Standing::One("42".to_owned()));
    let state = after(&[says(answer("a", "m", 0.3, 1)), says(answer("b", "m", 0.3, 2))]);
    let both = Subject { named: None, commits: vec![commit('b'), commit('a')] };
    assert_eq!(state.standing(&both), Standing::Several([commit('a'), commit('b')].into()));
    assert_eq!(Said::decide(&state, &says(answer("ba", "m", 0.3, 3))), Ok(vec![]), "a look at several changes is no answer about one");
    assert_eq!(Said::decide(&state, &judges(opinion("ba", Some(0.1), None, 3))), Err(Refused::Several(2)));
}

#[test]
fn who_decides_is_drawn_once() {
    let first = of_arm(Arm::People, answer("a", "m", 0.3, 1));
    let later = of_arm(Arm::Model, answer("ba", "m", 0.5, 2));
    let state = after(&[says(first.clone()), says(later.clone())]);
    let spoken = only(&state);
    assert_eq!(spoken.arm(), Some(Arm::People));
    assert!(spoken.answers.iter().all(|answer| answer.arm == Some(Arm::People)), "{spoken:?}");
    assert!(!spoken.told(), "nobody has spoken");
    let state = after(&[says(first), judges(opinion("a", None, Some(Decision::Pass), 2))]);
    assert!(only(&state).told());
    let undrawn = after(&[says(answer("a", "m", 0.3, 1)), says(later)]);
    assert_eq!(only(&undrawn).arm(), None, "it was told before the lot was drawn");
}

#[test]
fn what_the_model_says_is_kept_back_until_people_have_decided() {
    let (by_people, by_model) = (trial(0.0, "salt"), trial(1.0, "salt"));
    let of = |state: &State, commits: &str, trial: &Trial| {
        state.stand(&Subject { named: None, commits: commits.chars().map(commit).collect() }, trial)
    };
    let kept_back = Stand { arm: Some(Arm::People), kept_back: true, held: None };
    let nothing = State::default();
    assert_eq!(of(&nothing, "a", &by_people), kept_back);
    assert_eq!(of(&nothing, "a", &by_model), Stand { arm: Some(Arm::Model), ..Stand::default() });
    let state = after(&[says(of_arm(Arm::People, answer("ba", "m", 0.3, 1)))]);
    assert_eq!(of(&state, "b", &by_model), kept_back, "whatever share is drawn at now");
    for (risk, decision, held) in
        [(Some(0.1), None, false), (Some(0.2), None, true), (Some(0.9), Some(Decision::Pass), false), (None, Some(Decision::Hold), true)]
    {
        let judged = Said::decide(&state, &judges(opinion("b", risk, decision, 2))).unwrap();
        let state = judged.iter().fold(state.clone(), Said::evolve);
        assert_eq!(of(&state, "ba", &by_model), Stand { arm: Some(Arm::People), kept_back: false, held: Some(held) });
    }
    let two = after(&[says(of_arm(Arm::People, answer("a", "m", 0.3, 1))), says(of_arm(Arm::Model, answer("b", "m", 0.3, 1)))]);
    assert!(of(&two, "ba", &by_model).kept_back, "a look at several tells of none that is kept back");
    let told = after(&[says(answer("a", "m", 0.3, 1))]);
    assert_eq!(of(&told, "a", &by_people), Stand::default(), "it was told before the lot was drawn");
}

#[test]
fn a_word_is_blind_until_the_answer_is_told_and_the_newest_counts() {
    let people = of_arm(Arm::People, answer("a", "m", 0.3, 1));
    let first = opinion("a", Some(0.1), None, 2);
    let state = after(&[says(people), judges(first.clone()), judges(first), judges(opinion("a", Some(0.6), None, 3))]);
    let spoken = only(&state);
    let risk = |of: &Option<Opinion>| of.as_ref().unwrap().risk;
    assert_eq!((risk(&spoken.opinion), risk(&spoken.blind)), (Some(0.6), Some(0.1)));
    assert!(!spoken.opinion.as_ref().unwrap().blind);
    let told = after(&[says(answer("a", "m", 0.3, 1)), judges(opinion("a", Some(0.1), None, 2))]);
    assert_eq!(only(&told).blind, None, "who was told first is not blind");
    let before = after(&[judges(opinion("a", Some(0.1), None, 1)), says(answer("a", "m", 0.3, 2))]);
    assert!(only(&before).blind.is_some());
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let state = State::default();
    let refused = |command: &Command| Said::decide(&state, command).unwrap_err();
    let judge = |opinion: Opinion, ended| Command::Judge { named: None, opinion, ended };
    for ended in [Ended::Hurt, Ended::Clean] {
        assert_eq!(refused(&judge(opinion("a", Some(0.1), None, 1), ended)), Refused::Ended);
    }
    assert_eq!(refused(&judges(opinion("a", None, None, 1))), Refused::Nothing);
    assert_eq!(refused(&judges(opinion("a", Some(1.1), None, 1))), Refused::Chance);
    assert_eq!(refused(&judges(Opinion { reason: " ".to_owned(), ..opinion("a", Some(0.1), None, 1) })), Refused::NoReason);
    assert_eq!(refused(&judges(Opinion { by: String::new(), ..opinion("a", Some(0.1), None, 1) })), Refused::NoReason);
    assert_eq!(refused(&says(answer("", "m", 0.3, 1))), Refused::Commits(0));
    assert_eq!(refused(&says(answer("x", "m", 0.3, 1))), Refused::NoCommit("x".repeat(40)));
    assert_eq!(refused(&says(answer("a", "m", f64::NAN, 1))), Refused::Chance);
    for name in ["", " ", "a\nb", &"n".repeat(201)] {
        let named = Command::Answer { named: Some(name.to_owned()), answer: answer("a", "m", 0.3, 1) };
        assert_eq!(refused(&named), Refused::Name, "{name}");
    }
}

#[test]
fn facts_are_read_again_as_they_were_written() {
    let commands = [says(of_arm(Arm::People, answer("ba", "m", 0.3, 1))), judges(opinion("a", Some(0.25), Some(Decision::Hold), 2))];
    let mut state = State::default();
    let mut texts = vec![];
    for command in &commands {
        for event in Said::decide(&state, command).unwrap() {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
            texts.push(text);
            state = Said::evolve(state, &event);
        }
    }
    assert!(texts[0].starts_with(r#"{"event":"answered","change":"aaaa"#) && !texts[0].contains("\"by\""), "{}", texts[0]);
    assert!(texts[1].contains(r#""risk":0.25,"decision":"hold","blind":true,"by":"ada""#), "{}", texts[1]);
}

/// A row: who decides, what the model says, whether somebody holds it, how it ended.
fn row(arm: Option<Arm>, probability: f64, decision: Option<Decision>, hurt: bool) -> Row {
    let answered = Answer { arm, model_share: arm.map(|_| 0.5), ..answer("a", "m", probability, 1) };
    let said = decision.map(|decision| judges(opinion("a", None, Some(decision), 2)));
    let commands: Vec<Command> = std::iter::once(says(answered)).chain(said).collect();
    Row::of(only(&after(&commands)), hurt, true).unwrap()
}

fn times(row: &Row, count: usize) -> impl Iterator<Item = Row> {
    std::iter::repeat_n(row.clone(), count)
}

#[test]
fn a_ledger_without_a_lot_counts_and_estimates() {
    let rows: Vec<Row> = [
        times(&row(None, 0.1, None, false), 5).collect::<Vec<_>>(),
        times(&row(None, 0.1, None, true), 2).collect(),
        times(&row(None, 0.5, None, true), 3).collect(),
        times(&row(None, 0.25, None, false), 1).collect(),
    ]
    .concat();
    let of = ledger(&rows);
    assert_eq!((of.verdict, of.by_lot.is_none(), of.people.is_none()), (Verdict::NotDrawn, true, true));
    let all = &of.lines[0];
    assert_eq!((all.changes, all.hurt.hits, all.held, all.in_vain, all.through, all.held_and_hurt), (11, 5, 4, 1, 2, 3));
    assert_eq!((all.delay_cost, all.through_cost, all.held_and_hurt_cost), (Some(1.0), Some(8.0), Some(12.0)));
    let standard = of.lines[1].delay_cost.unwrap();
    assert!(standard == 0.0 && standard.is_sign_positive(), "who holds nothing has no cost below nought");
    let ways: Vec<(Option<Way>, u64)> = of.lines.iter().map(|line| (line.way, line.changes)).collect();
    assert_eq!(ways, [(None, 11), (Some(Way::Standard), 7), (Some(Way::Held), 4)]);
    // Three at 0.5 and one at 0.25: 1.75 failures; 7.00 that they cost less 2.25 of delay.
    let estimated = of.estimated.unwrap();
    assert!((estimated.failures.value - 1.75).abs() < 1e-12 && (estimated.net.unwrap().value - 4.75).abs() < 1e-12, "{estimated:?}");
    // At the lower ends 1.55: 6.20 less 2.45.
    assert!((estimated.net.unwrap().low - 3.75).abs() < 1e-12, "{estimated:?}");
    let dear = ledger(&[Row { costs: None, ..rows[0].clone() }, rows[10].clone()]);
    assert_eq!(dear.lines[0].delay_cost, None, "costs of some are no costs of all");
    assert_eq!(ledger(&[]).verdict, Verdict::NothingRecorded);
}

#[test]
fn the_lot_tells_what_holding_has_kept_away() {
    use Arm::{Model, People};
    // The model holds 40 and lets 60 pass; people hold 10 of 100, none of which would have hurt.
    let rows: Vec<Row> = [
        times(&row(Some(Model), 0.5, None, true), 4).collect::<Vec<_>>(),
        times(&row(Some(Model), 0.5, None, false), 36).collect(),
        times(&row(Some(Model), 0.1, None, false), 60).collect(),
        times(&row(Some(People), 0.5, None, true), 30).collect(),
        times(&row(Some(People), 0.5, None, false), 10).collect(),
        times(&row(Some(People), 0.1, Some(Decision::Hold), false), 10).collect(),
        times(&row(Some(People), 0.1, Some(Decision::Pass), false), 50).collect(),
    ]
    .concat();
    let of = ledger(&rows);
    let lot = of.by_lot.as_ref().unwrap();
    assert_eq!((lot.model.failures.hits, lot.people.failures.hits, lot.model.held.hits, lot.people.held.hits), (4, 30, 40, 10));
    // Newcombe's interval of 4 of 100 less 30 of 100, from Wilson's (0.0157, 0.0984) and (0.2189, 0.3958).
    let failures = lot.failures;
    let ends = (failures.low, failures.high);
    assert!((failures.value + 0.26).abs() < 1e-12 && (ends.0 + 0.3589).abs() < 1e-3 && (ends.1 + 0.1597).abs() < 1e-3, "{failures:?}");
    // People: 30 at 4 and 10 at 1; the model: 4 at 4 and 36 at 1; 1.30 less 0.52 a change.
    assert!((lot.saved.unwrap().value - 0.78).abs() < 1e-12, "{lot:?}");
    // 30 of 40 hurt where people decided, 4 of 40 where they waited: 26 failures of 40 kept away.
    let avoided = lot.avoided.unwrap();
    assert!((avoided.failures.value - 26.0).abs() < 1e-9 && (avoided.cost.unwrap().value - 104.0).abs() < 1e-9, "{avoided:?}");
    assert!(avoided.failures.low > 15.0 && avoided.failures.high < 34.0, "{avoided:?}");
    assert_eq!(of.verdict, Verdict::Model);
    let swapped: Vec<Row> =
        rows.iter().map(|row| Row { arm: row.arm.map(|arm| if arm == Model { People } else { Model }), ..row.clone() }).collect();
    assert_eq!(ledger(&swapped).verdict, Verdict::People);
    let strange = |change: fn(&mut Row)| {
        let mut rows = rows.clone();
        rows.iter_mut().for_each(change);
        ledger(&rows).verdict
    };
    assert_eq!(strange(|row| row.hurt = false), Verdict::People, "without failures waiting is all that costs");
    assert_eq!(strange(|row| (row.hurt, row.held) = (false, false)), Verdict::Open);
    assert_eq!(strange(|row| row.came_in = row.arm == Some(Model)), Verdict::NotJoined);
    assert_eq!(strange(|row| row.model_share = Some(if row.held { 0.1 } else { 0.5 })), Verdict::DrawnUnequally);
    assert_eq!(strange(|row| row.costs = None), Verdict::Model, "fewer failures");
    assert_eq!(ledger(&rows[..120]).verdict, Verdict::TooFew);
    assert_eq!(ledger(&rows[..100]).by_lot, None);
}

#[test]
fn what_people_have_yet_to_decide_about_is_not_told_by_counts() {
    use Arm::{Model, People};
    let rows: Vec<Row> = [
        times(&row(Some(Model), 0.5, None, false), 40).collect::<Vec<_>>(),
        times(&row(Some(Model), 0.1, None, false), 40).collect(),
        times(&row(Some(People), 0.5, None, true), 40).collect(),
        times(&row(Some(People), 0.1, Some(Decision::Pass), false), 40).collect(),
        times(&row(None, 0.5, None, true), 2).collect(),
    ]
    .concat();
    let whole = ledger(&rows);
    let kept = whole.clone().kept_back();
    let ways = |of: &Ledger| of.lines.iter().map(|line| (line.arm, line.way)).collect::<Vec<_>>();
    let of_people = |way: Option<Way>| (Some(People), way);
    assert!(ways(&whole).contains(&of_people(Some(Way::Held))) && whole.by_lot.as_ref().unwrap().avoided.is_some());
    let wanted: Vec<_> = ways(&whole).into_iter().filter(|(arm, way)| *arm != Some(People) || way.is_none()).collect();
    assert_eq!(ways(&kept), wanted);
    assert!(ways(&kept).contains(&of_people(None)) && ways(&kept).contains(&(Some(Model), Some(Way::Held))));
    // What is left is the same whichever way the model would have those of people go: nothing of it tells.
    let other = |row: &Row| match row.arm {
        Some(People) => Row { way: Way::Standard, probability: 0.01, interval: [0.0, 0.02], ..row.clone() },
        _ => row.clone(),
    };
    assert_eq!(ledger(&rows.iter().map(other).collect::<Vec<_>>()).kept_back(), kept);
    assert_eq!(kept.verdict, Verdict::Model);
}

#[test]
fn people_and_the_model_are_held_against_each_other_where_both_spoke() {
    let row = |probability: f64, risk: f64, hurt: bool| {
        let people = of_arm(Arm::People, answer("a", "m", probability, 1));
        Row::of(only(&after(&[says(people), judges(opinion("a", Some(risk), None, 2))])), hurt, true).unwrap()
    };
    let rows: Vec<Row> = (0..40)
        .map(|n| {
            let hurt = n % 4 == 0;
            // The model is right about each, people about every other one.
            row(if hurt { 0.8 } else { 0.1 }, if n % 8 == 0 { 0.8 } else { 0.15 }, hurt)
        })
        .collect();
    let of = ledger(&rows).people.unwrap();
    assert_eq!((of.both, of.late, of.with_risk, of.hurt), (40, 0, 40, 10));
    assert_eq!((of.agree.hits, of.agree.rows, of.model_right, of.people_right), (35, 40, 5, 0));
    let (model, people) = (of.model_auc.unwrap().estimate, of.people_auc.unwrap().estimate);
    // Half of those that hurt are above all others and half tied with them.
    assert!((model - 1.0).abs() < 1e-12 && (people - 0.75).abs() < 1e-12, "{of:?}");
    assert!((of.auc.unwrap().estimate - 0.25).abs() < 1e-12 && of.auc.unwrap().low > 0.0, "{of:?}");
    // (10 * 0.04 + 30 * 0.01) / 40, and (5 * 0.04 + 5 * 0.7225 + 30 * 0.0225) / 40.
    let brier = of.brier.unwrap();
    assert!((brier.first - 0.0175).abs() < 1e-12 && (brier.second - 0.112_187_5).abs() < 1e-12, "{brier:?}");
    assert_eq!(of.nearer, Nearer::Model);
    assert_eq!(ledger(&rows[..36]).people.unwrap().nearer, Nearer::Open, "nine that hurt are too few");
    let late = self::row(None, 0.5, Some(Decision::Pass), true);
    assert_eq!(against(&[late]).map(|of| (of.both, of.late)), Some((0, 1)), "who was told first says nothing of people");
}

proptest! {
    /// Whatever is said in whatever order: what is kept holds together, and what is said again changes nothing.
    #[test]
    fn what_is_kept_holds_together(steps in prop::collection::vec((0..4_usize, 0..3_usize, any::<bool>(), 0.0..1.0_f64), 0..40)) {
        let mut state = State::default();
        for (at, (commits, model, judge, risk)) in steps.into_iter().enumerate() {
            let commits = ["a", "ba", "c", "dc"][commits];
            let at = i64::try_from(at).unwrap();
            let command = if judge {
                judges(opinion(commits, Some(risk), None, at))
            } else {
                let arm = if model == 0 { Arm::Model } else { Arm::People };
                says(of_arm(arm, answer(commits, ["m", "n", "o"][model], risk * 0.9 + 0.05, at)))
            };
            for event in Said::decide(&state, &command).unwrap() {
                state = Said::evolve(state, &event);
            }
            prop_assert_eq!(Said::decide(&state, &command), Ok(vec![]), "said twice is said once");
            for (change, spoken) in &state.changes {
                let arms: std::collections::BTreeSet<_> = spoken.answers.iter().map(|answer| answer.arm).collect();
                prop_assert!(arms.len() <= 1, "drawn once");
                prop_assert!(spoken.answer().is_none_or(|answer| spoken.answers.contains(answer)));
                prop_assert!(spoken.blind.as_ref().is_none_or(|blind| blind.blind));
                let subject = Subject { named: None, commits: spoken.commits().to_vec() };
                prop_assert_eq!(state.standing(&subject), Standing::One(change.clone()));
            }
        }
    }
}
