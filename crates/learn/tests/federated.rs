//! Sites that train together: to the bit what one site with all rows would train, and nothing in what is sent that is a row's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop where something is not as it should be")]

use proptest::prelude::*;
use tidegate_learn::federated::{
    self, Ask, BadRoster, Cells, Collect, Failed, Hello, Joint, Member, News, NotJoined, Part, Plan, Refused, Roster, Round, Rows,
    SITE_SUM_MAX, Secret, Site, Taken, Unanswered,
};
use tidegate_learn::{RiskModel, Row, Table, logistic};
use tidegate_stats::rng::Rng;

const NAMES: [&str; 5] = ["la", "ld", "nf", "exp", "age"];

/// Changes whose size and author tell something of their fate; some values are missing.
fn changes(rows: usize, seed: u64) -> Table {
    let mut rng = Rng::new(seed);
    let mut table = Table::new(NAMES).unwrap();
    for row in 0..rows {
        let (la, exp) = (rng.exponential(80.0).round(), rng.exponential(300.0).round());
        let (ld, nf, age) = (rng.exponential(30.0).round(), 1.0 + rng.poisson(2.0) as f64, rng.exponential(20.0) - 3.0);
        let odds = -1.0 + 0.8 * ((1.0 + la).ln() - 4.0) - 0.3 * ((1.0 + exp).ln() - 5.0) + if nf > 3.0 && age < 5.0 { 1.0 } else { 0.0 };
        let values = [la, ld, nf, exp, if rng.chance(0.1) { f64::NAN } else { age }];
        table.push(&Row { at: row as i64 * 3_600, values: &values, label: rng.chance(logistic::chance(odds)), effort: la + ld }).unwrap();
    }
    table
}

/// Rows of a table that stand at one of several places.
fn spread(table: &Table, places: &[usize], sites: usize) -> Vec<Table> {
    let mut parts = vec![table.slice(0..0); sites];
    for (row, place) in places.iter().enumerate() {
        let row = Row { at: table.at()[row], values: table.row(row), label: table.labels()[row], effort: table.effort()[row] };
        parts[*place].push(&row).unwrap();
    }
    parts
}

fn plan(trees: usize) -> Plan {
    let mut plan = Plan::of(NAMES, 3_600 * 3_000).unwrap();
    plan.recipe.boosting.trees = trees;
    plan.bins = 16;
    plan
}

fn secrets(count: u8, seed: u8) -> Vec<Secret> {
    (0..count).map(|at| Secret::new([seed.wrapping_mul(31).wrapping_add(at); 32])).collect()
}

const SITES: [&str; 4] = ["north", "east", "south", "west"];

/// The sums of what all sites answer to a round.
fn summed(sites: &mut [Site], roster: &Roster, round: &Round) -> Result<Vec<i64>, Failed> {
    let bytes = serde_json::to_vec(round).unwrap();
    let mut collect = Collect::new(roster, round);
    for (site, name) in sites.iter_mut().zip(SITES) {
        collect.take(name, round.number, &site.answer(&bytes).unwrap()).unwrap();
    }
    collect.sums()
}

fn roster(secrets: &[Secret]) -> Roster {
    let members = secrets.iter().zip(SITES).map(|(secret, name)| Member { name: name.to_owned(), key: secret.public() });
    Roster::try_from(members.collect::<Vec<_>>()).unwrap()
}

/// All sites in one process, each with its masks; every answer is kept.
struct Together {
    roster: Roster,
    sites: Vec<Site>,
    sent: Vec<Vec<Vec<u8>>>,
}

impl Together {
    fn new(parts: &[Table], plan: &Plan, seed: u8) -> Together {
        let secrets = secrets(u8::try_from(parts.len()).unwrap(), seed);
        let roster = roster(&secrets);
        let site = |((table, secret), name): ((&Table, &Secret), &str)| Site::new(name, table, plan, &roster, secret, "a phrase").unwrap();
        let sites: Vec<Site> = parts.iter().zip(&secrets).zip(SITES).map(site).collect();
        Together { sent: vec![Vec::new(); sites.len()], roster, sites }
    }

    fn sum(&mut self, round: &Round) -> Result<Vec<i64>, Failed> {
        let bytes = serde_json::to_vec(round).unwrap();
        let mut collect = Collect::new(&self.roster, round);
        for ((site, name), sent) in self.sites.iter_mut().zip(SITES).zip(&mut self.sent) {
            let answer = site.answer(&bytes).unwrap();
            assert_eq!(collect.take(name, round.number, &answer), Ok(Taken::New));
            sent.push(answer);
        }
        collect.sums()
    }

    fn train(&mut self, plan: &Plan) -> Joint {
        federated::lead(plan, &mut |round| self.sum(round)).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn several_sites_train_what_one_with_all_rows_would(seed in any::<u64>(), sites in 3..=4_usize, skewed in any::<bool>(), bins in 2..40_usize) {
        let table = changes(900, seed);
        let mut rng = Rng::new(seed ^ 1);
        // Sites that are alike, or each a stretch of time.
        let place = |row: usize| if skewed { row * sites / table.len() } else { usize::try_from(rng.below(sites as u64)).unwrap() };
        let places: Vec<usize> = (0..table.len()).map(place).collect();
        let plan = Plan { bins, ..plan(6) };
        let joint = Together::new(&spread(&table, &places, sites), &plan, 7).train(&plan);
        let pooled = federated::pooled(&plan, &table).unwrap();
        prop_assert_eq!(&joint.fitted.blend, &pooled.fitted.blend);
        prop_assert_eq!((joint.rows, joint.hurt), (pooled.rows, pooled.hurt));
        prop_assert!(pooled.fitted.blend.trees.trees.iter().any(|tree| tree.nodes.len() > 3));
    }
}

#[test]
fn what_was_trained_together_is_a_model_as_any_other() {
    let table = changes(3_000, 3);
    let places: Vec<usize> = (0..table.len()).map(|row| row % 3).collect();
    let plan = plan(40);
    let joint = Together::new(&spread(&table, &places, 3), &plan, 1).train(&plan);
    let model = RiskModel::read(&joint.model(0, &[]).unwrap().write().unwrap()).unwrap();
    let later = changes(2_000, 4);
    let scores: Vec<f64> = later.rows().map(|row| model.probability(row).unwrap()).collect();
    let auc = tidegate_stats::scoring::auc(&scores, later.labels()).unwrap();
    assert!(auc > 0.7, "{auc}");
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    assert!((mean - later.base_rate().unwrap()).abs() < 0.06, "{mean}");
    let score = model.score(later.row(0)).unwrap();
    let sum: f64 = score.contributions.iter().map(|one| one.log_odds).sum();
    assert!((score.base + sum - score.margin).abs() < 1e-6);
    assert_eq!(model.training().rows, 3_000);
}

#[test]
fn what_a_site_sends_is_like_noise() {
    let table = changes(900, 5);
    let places: Vec<usize> = (0..table.len()).map(|row| row % 3).collect();
    let (plan, parts) = (plan(2), spread(&table, &places, 3));
    let (mut one, mut other) = (Together::new(&parts, &plan, 1), Together::new(&parts, &plan, 2));
    assert_eq!(one.train(&plan), other.train(&plan));
    let words = |answers: &[Vec<u8>]| -> Vec<u64> {
        answers.iter().flat_map(|answer| answer.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes))).collect()
    };
    for (one, other) in one.sent.iter().zip(&other.sent) {
        let (one, other) = (words(one), words(other));
        assert_eq!(one.len(), other.len());
        assert!(one.iter().zip(&other).all(|(a, b)| a != b), "a number is the same behind other masks");
        // What a site's sums are lies within 2^56 of 0: of masked numbers so few do as of drawn ones, one in 128.
        let near = one.iter().filter(|word| word.cast_signed().unsigned_abs() <= SITE_SUM_MAX.unsigned_abs()).count();
        assert!(near * 64 < one.len(), "{near} of {}", one.len());
        let ones: u32 = one.iter().map(|word| word.count_ones()).sum();
        let share = f64::from(ones) / (64.0 * one.len() as f64);
        assert!((share - 0.5).abs() < 0.005, "{share}");
    }
}

#[test]
fn an_answer_is_taken_once_and_of_its_round() {
    let table = changes(300, 6);
    let (plan, parts) = (plan(2), spread(&table, &(0..300).map(|row| row % 3).collect::<Vec<_>>(), 3));
    let mut all = Together::new(&parts, &plan, 1);
    let round = Round { number: 1, news: Vec::new(), ask: Ask::Means(Part::All), values: 2 * plan.width() };
    let bytes = serde_json::to_vec(&round).unwrap();
    let mut collect = Collect::new(&all.roster, &round);
    let north = all.sites[0].answer(&bytes).unwrap();
    assert_eq!(collect.take("north", 1, &north), Ok(Taken::New));
    assert_eq!(collect.take("north", 1, &north), Ok(Taken::Again));
    let east = all.sites[1].answer(&bytes).unwrap();
    assert_eq!(collect.take("north", 1, &east), Err(Refused::Twice { site: "north".to_owned(), round: 1 }));
    assert!(matches!(collect.take("east", 2, &east), Err(Refused::Stale { got: 2, expected: 1, .. })));
    assert!(matches!(collect.take("east", 1, &east[1..]), Err(Refused::Length { .. })));
    assert_eq!(collect.take("nobody", 1, &east), Err(Refused::Unknown("nobody".to_owned())));
    assert_eq!(collect.take("east", 1, &east), Ok(Taken::New));
    assert_eq!(collect.missing(), ["south"]);
    // Without the third nothing is told of the sum of two.
    let why = collect.sums().unwrap_err();
    assert!(why.to_string().contains("no answer of site south: begin the training again"), "{why}");
    // The same question has the same answer; another one under its number has none.
    assert_eq!(all.sites[0].answer(&bytes).unwrap(), north);
    let other = serde_json::to_vec(&Round { ask: Ask::Means(Part::Earlier), ..round }).unwrap();
    assert!(matches!(all.sites[0].answer(&other), Err(Unanswered::Number { got: 1, expected: 2 })));
    assert!(matches!(all.sites[0].answer(b"{}"), Err(Unanswered::Json(_))));
}

#[test]
fn sites_that_were_asked_different_things_or_have_another_phrase_get_no_sum() {
    let table = changes(600, 6);
    let (plan, parts) = (plan(2), spread(&table, &(0..600).map(|row| row % 3).collect::<Vec<_>>(), 3));
    let secrets = secrets(3, 1);
    let roster = roster(&secrets);
    let site = |at: usize, phrase: &str| Site::new(SITES[at], &parts[at], &plan, &roster, &secrets[at], phrase).unwrap();
    let mut sites = [site(0, ""), site(1, ""), site(2, "another")];
    let failed = federated::lead(&plan, &mut |round| summed(&mut sites, &roster, round));
    assert!(matches!(failed, Err(Failed::Sums { round: 1, .. })), "{failed:?}");

    let mut sites = [site(0, ""), site(1, ""), site(2, "")];
    let round = Round { number: 1, news: Vec::new(), ask: Ask::Means(Part::All), values: 2 * plan.width() };
    let other = Round { ask: Ask::Means(Part::Earlier), ..round.clone() };
    let mut collect = Collect::new(&roster, &round);
    for (at, round) in [&round, &round, &other].into_iter().enumerate() {
        collect.take(SITES[at], 1, &sites[at].answer(&serde_json::to_vec(round).unwrap()).unwrap()).unwrap();
    }
    assert!(matches!(collect.sums(), Err(Failed::Sums { .. })));
}

#[test]
fn sites_that_were_given_different_plans_get_no_sum() {
    let table = changes(600, 6);
    let parts = spread(&table, &(0..600).map(|row| row % 3).collect::<Vec<_>>(), 3);
    let (plan, secrets) = (plan(2), secrets(3, 1));
    let roster = roster(&secrets);
    // All but the first are told of a half life in which what they have weighs next to nothing.
    let mut other = plan.clone();
    other.recipe.half_life_days = Some(2.0);
    assert_ne!(plan.digest(&roster), other.digest(&roster));
    let plans = [&plan, &other, &other];
    let site = |at: usize| Site::new(SITES[at], &parts[at], plans[at], &roster, &secrets[at], "").unwrap();
    let mut sites = [site(0), site(1), site(2)];
    let failed = federated::lead(&plan, &mut |round| summed(&mut sites, &roster, round));
    assert!(matches!(failed, Err(Failed::Sums { round: 1, .. })), "{failed:?}");

    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        let Err(Failed::Plan { member, .. }) = plan.check() else { panic!("it is taken: {plan:?}") };
        member
    };
    assert_eq!(refused(&|plan| plan.recipe.half_life_days = Some(1e-9)), "recipe.half_life_days");
    assert_eq!(refused(&|plan| plan.recipe.boosting.rows = 1e-30), "recipe.boosting.rows");
    assert_eq!(refused(&|plan| plan.recipe.hurt_weight = 1e-9), "recipe.hurt_weight");
    assert_eq!(refused(&|plan| plan.site_rows_most = 1), "site_rows_most");
}

#[test]
fn what_was_taken_is_taken_again_after_the_next_round_was_asked() {
    let table = changes(300, 6);
    let (plan, parts) = (plan(2), spread(&table, &(0..300).map(|row| row % 3).collect::<Vec<_>>(), 3));
    let mut all = Together::new(&parts, &plan, 1);
    let first = Round { number: 1, news: Vec::new(), ask: Ask::Means(Part::All), values: 2 * plan.width() };
    all.sum(&first).unwrap();
    let mut collect = Collect::new(&all.roster, &first);
    for (name, sent) in SITES.iter().zip(&all.sent) {
        collect.take(name, 1, &sent[0]).unwrap();
    }
    let next = Round { number: 2, ..first };
    let mut collect = Collect::after(Some(&collect), &all.roster, &next);
    assert_eq!(collect.take("south", 1, &all.sent[2][0]), Ok(Taken::Again));
    assert!(matches!(collect.take("south", 1, &all.sent[1][0]), Err(Refused::Stale { got: 1, expected: 2, .. })));
    assert_eq!(collect.missing(), ["east", "north", "south"]);
    // Of the round before that nothing is kept.
    let mut collect = Collect::after(Some(&collect), &all.roster, &Round { number: 3, ..next });
    assert!(matches!(collect.take("south", 1, &all.sent[2][0]), Err(Refused::Stale { .. })));
}

#[test]
fn of_a_feature_that_few_rows_have_the_regression_is_told_nothing() {
    let table = changes(600, 12);
    let mut few = table.slice(0..0);
    for row in 0..table.len() {
        let mut values = table.row(row).to_vec();
        // Of all rows nine have the first, of the earlier ones four; three have the second.
        values[0] = if !(4..595).contains(&row) { 1_000.0 + row as f64 } else { f64::NAN };
        values[1] = if row < 3 { 7_000.0 } else { f64::NAN };
        few.push(&Row { at: table.at()[row], values: &values, label: table.labels()[row], effort: 0.0 }).unwrap();
    }
    let plan = plan(2);
    let mut rows = Rows::new(&few, &plan).unwrap();
    let (mut means, mut terms) = (Vec::new(), Vec::new());
    federated::lead(&plan, &mut |round| {
        let sums = rows.answer(round).unwrap();
        match &round.ask {
            Ask::Means(part) => means.push((*part, sums[0], sums[1], sums[2], sums[3])),
            Ask::Squares(..) => assert_eq!(sums[1], 0),
            Ask::Step(_, at) => {
                assert!(at.terms[1].deviation == 0.0 && sums[2] == 0, "{at:?}");
                terms.push(at.terms[0].deviation);
            }
            _ => {}
        }
        Ok(sums)
    })
    .unwrap();
    assert_eq!(means[0], (Part::Earlier, 0, 0, 0, 0));
    assert!(matches!(means[1], (Part::All, 1.., 1.., 0, 0)), "{means:?}");
    assert!(terms.first() == Some(&0.0) && terms.last().is_some_and(|last| *last > 0.0), "{terms:?}");
}

#[test]
fn who_takes_part_is_checked() {
    let (plan, table) = (plan(2), changes(100, 8));
    let all = secrets(3, 1);
    let member = |at: usize, name: &str| Member { name: name.to_owned(), key: all[at].public() };
    let made = |members: Vec<Member>| Roster::try_from(members);
    assert_eq!(made(vec![member(0, "a"), member(1, "b")]), Err(BadRoster::Count(2)));
    assert_eq!(made(vec![member(0, "a"), member(1, "a"), member(2, "c")]), Err(BadRoster::Name("a".to_owned())));
    assert_eq!(made(vec![member(0, "a b"), member(1, "b"), member(2, "c")]), Err(BadRoster::Name("a b".to_owned())));
    assert_eq!(made(vec![member(0, "a"), member(0, "b"), member(2, "c")]), Err(BadRoster::Key("b".to_owned())));
    let zero: Member = serde_json::from_str(&format!(r#"{{"name":"z","key":"{}"}}"#, "0".repeat(64))).unwrap();
    let short: Member = serde_json::from_str(r#"{"name":"z","key":"00"}"#).unwrap();
    assert_eq!(made(vec![member(0, "a"), member(1, "b"), short]), Err(BadRoster::Key("z".to_owned())));
    let bad = made(vec![member(0, "a"), member(1, "b"), zero]).unwrap();
    let joined = |roster: &Roster, name: &str, at: usize| Site::new(name, &table, &plan, roster, &all[at], "").map(|_| ());
    assert_eq!(joined(&bad, "a", 0), Err(NotJoined::Roster(BadRoster::Key("z".to_owned()))));
    let good = made(vec![member(0, "a"), member(1, "b"), member(2, "c")]).unwrap();
    // The coordinator put another key under its name.
    assert_eq!(joined(&good, "a", 1), Err(NotJoined::Roster(BadRoster::Absent("a".to_owned()))));
    assert_eq!(Site::new("a", &table.slice(0..5), &plan, &good, &all[0], "").map(|_| ()), Err(NotJoined::Rows(Unanswered::Rows(5))));
    let wrong = Plan { bins: 1, ..plan.clone() };
    assert!(matches!(
        Site::new("a", &table, &wrong, &good, &all[0], "").map(|_| ()),
        Err(NotJoined::Plan(Failed::Plan { member: "bins", .. }))
    ));

    let hello = Hello::of("a", &table, &all[0]);
    assert_eq!(hello.check(&plan), Ok(()));
    let other = Hello { format: 2, ..hello.clone() };
    assert!(other.check(&plan).unwrap_err().contains("speaks version 2"));
    let other = Hello { features: vec!["la".to_owned(), "exp".to_owned()], ..hello };
    assert!(other.check(&plan).unwrap_err().contains("`exp` where the plan has `ld`"));
}

#[test]
fn a_site_answers_no_more_than_the_plan_asks() {
    let (plan, table) = (plan(2), changes(200, 9));
    let width = plan.width();
    let edges = || News::Edges(vec![vec![1.0, 5.0]; width]);
    let tree = |tree| News::Tree { part: Part::All, bag: 0, tree, start: -1.0 };
    let why = |news: Vec<News>, ask: Ask, values: usize| {
        let mut rows = Rows::new(&table, &plan).unwrap();
        match rows.answer(&Round { number: 1, news, ask, values }) {
            Err(Unanswered::Asked { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    };
    let means = || Ask::Means(Part::All);
    assert!(why(vec![], means(), 3).contains("another number of sums"));
    assert!(why(vec![edges(), edges()], means(), 2 * width).contains("a second time"));
    assert!(why(vec![News::Edges(vec![vec![1.0, f32::NAN]; width])], means(), 2 * width).contains("not ascending"));
    assert!(why(vec![tree(0)], means(), 2 * width).contains("a tree that the plan has not"));
    assert!(why(vec![edges(), tree(2)], means(), 2 * width).contains("a tree that the plan has not"));
    let split = |node, feature, bin| News::Split { node, feature, bin, missing_left: true };
    assert!(why(vec![edges(), tree(0), split(0, 999, 0)], means(), 2 * width).contains("no feature"));
    assert!(why(vec![edges(), tree(0), split(0, 0, 2)], means(), 2 * width).contains("beyond the last edge"));
    assert!(why(vec![edges(), tree(0), split(0, 0, 0), split(0, 0, 0)], means(), 2 * width).contains("a second time"));
    assert!(why(vec![edges(), tree(0), News::Leaves(vec![(1, 0.0)])], means(), 2 * width).contains("a leaf that is no node"));
    assert!(why(vec![edges(), tree(0), split(0, 0, 0)], Ask::Counts(vec![0]), 1).contains("is split"));
    assert!(why(vec![edges(), tree(0)], Ask::Counts(vec![7]), 1).contains("not there"));
    assert!(why(vec![edges(), tree(0)], Ask::Counts(vec![0, 0]), 1).contains("asked for twice"));
    let cells = |ends: Vec<u16>| Ask::Slopes(vec![Cells { node: 0, missing: vec![false; width], ends: vec![ends; width] }]);
    assert!(why(vec![edges(), tree(0)], cells(vec![1]), 1).contains("cells of other features") || width == 1);
    assert!(why(vec![], Ask::Outcomes(vec![1]), 1).contains("outcomes before scores"));
    assert!(why(vec![], Ask::Parts(vec![]), 0).contains("parts of other features"));
}

#[test]
fn rows_that_teach_nothing_and_sums_that_cannot_be_are_refused() {
    let mut table = changes(300, 10);
    let plan = plan(2);
    let mut same = table.slice(0..0);
    for row in 0..table.len() {
        same.push(&Row { at: table.at()[row], values: table.row(row), label: false, effort: 0.0 }).unwrap();
    }
    assert!(matches!(federated::pooled(&plan, &same), Err(Failed::Trained(_))));
    // What is missing everywhere is no feature to split by, and no error.
    let mut bare = table.slice(0..0);
    for row in 0..table.len() {
        let mut values = table.row(row).to_vec();
        values[0] = f64::NAN;
        bare.push(&Row { at: table.at()[row], values: &values, label: table.labels()[row], effort: 0.0 }).unwrap();
    }
    let joint = federated::pooled(&plan, &bare).unwrap();
    let model = joint.model(0, &[]).unwrap();
    assert!((0.0..=1.0).contains(&model.probability(bare.row(0)).unwrap()));
    // An infinite value never comes so far.
    let row = Row { at: i64::MAX, values: &[f64::INFINITY; 5], label: true, effort: 0.0 };
    assert!(table.push(&row).is_err());
    // A site that sends something else is noticed, wherever it begins.
    for from in [1, 2, 5, 20, 30, 40] {
        let mut rows = Rows::new(&table, &plan).unwrap();
        let failed = federated::lead(&plan, &mut |round| {
            let mut sums = rows.answer(round).unwrap();
            if round.number >= from {
                sums.iter_mut().enumerate().for_each(|(at, sum)| *sum += at as i64 * 12_345_678_901);
            }
            Ok(sums)
        });
        assert!(failed.is_err(), "{from}");
    }
}

#[test]
fn a_site_that_is_too_large_counts_for_no_more_than_it_may() {
    let table = changes(2_000, 11);
    let values = 2 * plan(2).width();
    let of = |most: u64| {
        let plan = Plan { site_rows_most: most, ..plan(2) };
        Rows::new(&table, &plan).unwrap().answer(&Round { number: 1, news: vec![], ask: Ask::Means(Part::All), values }).unwrap()
    };
    let (free, held) = (of(1 << 20), of(500));
    let share = held[0] as f64 / free[0] as f64;
    assert!((share - 0.25).abs() < 1e-3, "{share}");
}
