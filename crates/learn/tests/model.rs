//! What is trained here is a model like any other: the same bytes twice, answered and explained by the runtime, kept in a file
//! that is read strictly.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop where something is not as it should be")]

use tidegate_learn::boost::{self, Boosting, NotTrained};
use tidegate_learn::counterfactual::{Answer, Lever, search};
use tidegate_learn::ends::Ends;
use tidegate_learn::ensemble::Ensemble;
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::forest::{self, Growing};
use tidegate_learn::recalibrate::{Outcome, Trained, replay};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{BadModel, NotATable, RiskModel, Row, Table, Threshold, WrongRow, derive, lime, logistic, risk_model};
use tidegate_runtime::TreeModel;
use tidegate_runtime::risk::Recalibration;
use tidegate_runtime::{Format, Model, Tensor, TensorData};
use tidegate_stats::rng::Rng;

/// Changes whose size and author tell something of their fate; some values are missing.
pub fn changes(rows: usize, seed: u64) -> Table {
    let mut rng = Rng::new(seed);
    let mut table = Table::new(["la", "ld", "nf", "exp", "age"]).unwrap();
    for row in 0..rows {
        let la = rng.exponential(80.0).round();
        let exp = rng.exponential(300.0).round();
        let (ld, nf, age) = (rng.exponential(30.0).round(), 1.0 + rng.poisson(2.0) as f64, rng.exponential(20.0));
        let odds = -1.6 + 0.6 * ((1.0 + la).ln() - 4.0) - 0.3 * ((1.0 + exp).ln() - 5.0) + if nf > 3.0 && age < 5.0 { 1.0 } else { 0.0 };
        let values = [la, ld, nf, exp, if rng.chance(0.1) { f64::NAN } else { age }];
        let label = rng.chance(logistic::chance(odds));
        table.push(&Row { at: row as i64 * 3_600, values: &values, label, effort: la + ld }).unwrap();
    }
    table
}

fn small() -> Settings {
    let boosting = Boosting { trees: 40, depth: 4, rows: 0.7, columns: 0.7, ..Boosting::default() };
    Settings { recipe: Recipe { boosting, bags: 2, ..Recipe::default() }, ..Settings::default() }
}

/// A model of some changes.
fn model() -> (Table, RiskModel) {
    let table = changes(3_000, 1);
    let made = derive::of_changes(&table);
    let fitted = fitted::fit(&derive::table(&table, &made).unwrap(), &small()).unwrap();
    let thresholds = [Threshold { name: "careful".to_owned(), from: 0.2 }, Threshold { name: "high".to_owned(), from: 0.5 }];
    let model = risk_model(&table, &made, &fitted, 86_400, &thresholds).unwrap();
    (table, model)
}

#[test]
fn the_runtime_answers_as_the_trainer_does() {
    let table = changes(2_000, 2);
    let equal = vec![1.0; table.len()];
    let boosted = boost::train(&table, &equal, &Boosting::default()).unwrap();
    let drawn = boost::train(&table, &equal, &Boosting { rows: 0.6, columns: 0.5, ..Boosting::default() }).unwrap();
    let grown = forest::train(&table, &equal, &Growing { trees: 20, ..Growing::default() }).unwrap();
    let both = Ensemble::mean(&[boosted.clone(), drawn.clone()]).unwrap();
    let rows: Vec<f64> = table.rows().flatten().copied().collect();
    for ensemble in [boosted, drawn, grown, both] {
        let served = TreeModel::read(&ensemble.to_xgboost_json()).unwrap();
        let margins = served.margins(&rows);
        assert_eq!(margins.len(), table.len());
        for (row, margin) in table.rows().zip(&margins) {
            // The logarithm of the base is taken by two libraries, which may differ in its last bit.
            let own = f64::from(ensemble.margin(row));
            assert!((own - margin).abs() <= 1e-6 * (1.0 + own.abs()), "{own} {margin}");
        }
        let values = served.contributions(&rows).unwrap();
        for (values, margin) in values.chunks_exact(table.width() + 1).zip(served.exact_margins(&rows)) {
            let sum: f64 = values.iter().sum();
            assert!((sum - margin).abs() < 1e-9, "{sum} {margin}");
        }
    }
}

#[test]
fn training_twice_gives_the_same_bytes_and_another_seed_others() {
    let table = changes(1_500, 3);
    let made = derive::of_changes(&table);
    let whole = derive::table(&table, &made).unwrap();
    let train = |settings: &Settings| {
        let fitted = fitted::fit(&whole, settings).unwrap();
        risk_model(&table, &made, &fitted, 0, &[]).unwrap().write().unwrap()
    };
    let mut other = small();
    other.recipe.boosting.seed = 7;
    let first = train(&small());
    assert_eq!(first, train(&small()));
    assert_ne!(first, train(&other));
}

#[test]
fn regression_finds_its_own_coefficients() {
    let mut rng = Rng::new(5);
    let mut table = Table::new(["x", "y"]).unwrap();
    for at in 0..20_000 {
        let (x, y): (f64, f64) = (rng.exponential(50.0), rng.exponential(5.0));
        let label = rng.chance(logistic::chance(-2.0 + 0.8 * x.ln_1p() - 0.5 * y.ln_1p()));
        table.push(&Row { at, values: &[x, y], label, effort: 0.0 }).unwrap();
    }
    let fitted = logistic::train(&table, &vec![1.0; table.len()], 1e-3).unwrap();
    let slopes: Vec<f64> = fitted.terms.iter().map(|term| term.coefficient / term.deviation).collect();
    assert!((slopes[0] - 0.8).abs() < 0.08 && (slopes[1] + 0.5).abs() < 0.08, "{slopes:?}");
    assert!((fitted.margin(&[0.0, 0.0]) + 2.0).abs() < 0.3, "{}", fitted.margin(&[0.0, 0.0]));
}

#[test]
fn a_model_is_the_same_after_its_file() {
    let (table, model) = model();
    let bytes = model.write().unwrap();
    let read = RiskModel::read(&bytes).unwrap();
    assert_eq!(read.write().unwrap(), bytes);
    assert_eq!(read.training(), model.training());
    assert_eq!(read.training().digest, table.digest());
    for row in table.rows().take(50) {
        assert_eq!(read.score(row).unwrap(), model.score(row).unwrap());
    }
}

#[test]
fn a_score_is_whole() {
    let (table, model) = model();
    for row in table.rows().take(300) {
        let score = model.score(row).unwrap();
        let [low, high] = score.interval;
        assert!(0.0 <= low && low <= score.probability && score.probability <= high && high <= 1.0, "{score:?}");
        let sum = score.base + score.contributions.iter().map(|one| one.log_odds).sum::<f64>();
        assert!((sum - score.margin).abs() < 1e-9, "{sum} {}", score.margin);
        assert!((0.0..=1.0).contains(&score.rank));
        assert_eq!(score.probability, model.probability(row).unwrap());
    }
    let (least, most) = (model.score(&[1.0, 0.0, 1.0, 5_000.0, 50.0]).unwrap(), model.score(&[900.0, 90.0, 9.0, 1.0, 1.0]).unwrap());
    assert!(least.probability < most.probability && least.rank < most.rank, "{least:?} {most:?}");
}

#[test]
fn what_is_missing_never_lowers_a_score_and_widens_its_interval() {
    let (table, model) = model();
    let mut known: Vec<Vec<f64>> = vec![Vec::new(); table.width()];
    for row in table.rows() {
        row.iter().zip(&mut known).filter(|(value, _)| !value.is_nan()).for_each(|(value, known)| known.push(*value));
    }
    known.iter_mut().for_each(|known| known.sort_by(f64::total_cmp));
    for row in table.rows().filter(|row| !row.iter().any(|value| value.is_nan())).take(60) {
        for column in 0..row.len() {
            let with = |value: f64| {
                let mut row = row.to_vec();
                row[column] = value;
                model.score(&row).unwrap()
            };
            let missing = with(f64::NAN);
            assert_eq!(missing.missing, [table.features()[column].name.clone()]);
            let width = |score: &tidegate_learn::Score| score.interval[1] - score.interval[0];
            // Its imputation, and the least and greatest value that the training had.
            for share in [0, known[column].len() / 2, known[column].len() - 1] {
                let said = with(known[column][share]);
                assert!(missing.probability >= said.probability, "{} at {share}: {missing:?} {said:?}", column);
                assert!(missing.interval[0] <= said.probability && missing.interval[1] >= said.probability);
                assert!(width(&missing) >= missing.probability - said.probability);
            }
        }
        let nothing = model.score(&vec![f64::NAN; row.len()]).unwrap();
        assert!(nothing.probability >= model.score(row).unwrap().probability * 0.9, "{nothing:?}");
    }
}

#[test]
fn a_file_is_read_strictly_and_refused_in_words() {
    let (_, model) = model();
    let text = String::from_utf8(model.write().unwrap()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        RiskModel::read(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    let cases = [
        (refused("\"format\":1", "\"format\":2"), "`format` is 2, this release reads 1"),
        (refused("\"logistic_share\":0.5", "\"logistic_share\":1.5"), "`logistic_share` is 1.5: a share from 0 to 1"),
        (refused("\"features\":[\"la\",", "\"features\":[\"ld\","), "`features` names `ld` twice"),
        (refused("\"features\":[\"la\",", "\"features\":["), "`logistic` has 8 terms: one of each of the 7"),
        (refused("\"rows\":3000", "\"rowz\":3000"), "unknown field `rowz`"),
        (refused("\"ranks\":[", "\"ranks\":[9,"), "`ranks` must be finite scores, ascending"),
        (refused("\"name\":\"high\",\"from\":0.5", "\"name\":\"high\",\"from\":0.1"), "`thresholds` must be"),
        (refused("\"num_feature\":\"8\",\"num_target\"", "\"num_feature\":\"90\",\"num_target\""), "`trees` take 90 values"),
        (refused("\"trees\":{\"learner\"", "\"trees\":{\"student\""), "`trees` it is a dump of LightGBM"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}");
    }
    let cut = text.get(..text.len() / 2).unwrap();
    assert!(matches!(RiskModel::read(cut.as_bytes()), Err(BadModel::Json(_))));
    assert!(matches!(RiskModel::read(b""), Err(BadModel::Json(_))));
}

#[test]
fn rows_that_are_none_are_refused() {
    let (_, model) = model();
    assert_eq!(model.score(&[1.0]).unwrap_err(), WrongRow::Width { got: 1, expected: 5 });
    assert_eq!(model.score(&[1.0, f64::INFINITY, 1.0, 1.0, 1.0]).unwrap_err(), WrongRow::Infinite("ld".to_owned()));
    let mut table = changes(3, 6);
    let row = |at, values| Row { at, values, label: true, effort: 1.0 };
    assert_eq!(table.push(&row(0, &[0.0; 5])), Err(NotATable::Order(3)));
    assert_eq!(table.push(&row(9_999, &[0.0; 4])), Err(NotATable::Width { row: 3, got: 4, expected: 5 }));
    assert_eq!(Table::new(["a", "a"]).unwrap_err(), NotATable::Name("a".to_owned()));
}

#[test]
fn what_teaches_nothing_is_refused() {
    let mut table = Table::new(["x"]).unwrap();
    for at in 0..50 {
        table.push(&Row { at, values: &[at as f64], label: false, effort: 0.0 }).unwrap();
    }
    let equal = vec![1.0; 50];
    assert_eq!(boost::train(&table, &equal, &Boosting::default()), Err(NotTrained::Labels { rows: 50, hurt: 0 }));
    let table = changes(50, 8);
    assert_eq!(boost::train(&table, &[1.0], &Boosting::default()), Err(NotTrained::Weights { rows: 50, weights: 1 }));
    let wrong = Boosting { depth: 99, ..Boosting::default() };
    assert!(matches!(boost::train(&table, &equal, &wrong), Err(NotTrained::Setting { name: "depth", .. })));
}

#[test]
fn what_would_lower_a_risk_lowers_it_and_a_line_near_a_change_says_how_good_it_is() {
    let (table, model) = model();
    let row = [600.0, 40.0, 6.0, 20.0, 2.0];
    let now = model.probability(&row).unwrap();
    let levers = [Lever { column: 0, bound: 1.0, whole: true }, Lever { column: 2, bound: 1.0, whole: true }];
    let ask = |row: &[f64]| model.probability(row).unwrap();
    let Answer::Change(found) = search(&row, &levers, now * 0.7, ask) else { panic!("fewer lines and files do not lower it") };
    let mut changed = row;
    for change in &found.changes {
        assert_eq!(changed[change.column], change.from);
        assert!(change.to < change.from);
        changed[change.column] = change.to;
    }
    assert_eq!(model.probability(&changed).unwrap(), found.probability);
    assert!(found.probability < now * 0.7);
    let local = lime::explain(&row, &table, &lime::Settings::default(), ask).unwrap();
    assert_eq!(local.weights.len(), row.len());
    assert!(local.weights[0] > 0.0 && (0.0..=1.0).contains(&local.r_squared), "{local:?}");
}

#[test]
fn a_model_that_is_kept_up_follows_the_level_and_looks_at_no_outcome_before_its_time() {
    let table = changes(3_000, 12);
    let fitted = fitted::fit(&table.slice(0..1_800), &small()).unwrap();
    // From here on three in four of those that hurt do no longer.
    let mut rng = Rng::new(13);
    let mut later = Table::new(["la", "ld", "nf", "exp", "age"]).unwrap();
    for at in 1_800..3_000 {
        let label = table.labels()[at] && rng.chance(0.25);
        later.push(&Row { at: table.at()[at], values: table.row(at), label, effort: 1.0 }).unwrap();
    }
    let day = 86_400;
    let outcomes: Vec<Outcome> = (later.at().iter().zip(later.rows()).zip(later.labels()))
        .map(|((at, row), hurt)| Outcome::of(*at, fitted.blend.margin(row), Ends::new(Some(*hurt))))
        .collect();
    let trained = Trained::of(&fitted, 0.1);
    let (said, kept) = replay(trained.clone(), &outcomes, 5 * day);
    let mean = |of: &dyn Fn(usize) -> f64| (1_000..1_200).map(of).sum::<f64>() / 200.0;
    let (kept_up, fixed) = (mean(&|at| said[at].probability), mean(&|at| fitted.probability(later.row(at))));
    let hurt = later.base_rate().unwrap();
    assert!((kept_up - hurt).abs() < 0.5 * (fixed - hurt).abs(), "{kept_up} {fixed} {hurt}");
    // Until the first labels are five days old, nothing has changed.
    assert!((0..24 * 5).all(|at| (said[at].probability - fitted.probability(later.row(at))).abs() < 1e-12));
    // The model that is written says what was kept up, and nothing else of it changes.
    let model = risk_model(&later, &[], &fitted, day, &[]).unwrap();
    let written = kept.model(&model).unwrap();
    let read = RiskModel::read(&written.write().unwrap()).unwrap();
    assert_eq!(
        (read.training().calibrated_on, &read.training().digest),
        (2_000.min(trained_rows(&fitted) + 1_200), &model.training().digest)
    );
    assert_eq!((model.training().known_until(), read.training().known_until()), (later.at()[1_199], later.at()[1_199]));
    assert_eq!(model.training().recalibrated, None);
    assert_eq!(read.training().recalibrated, Some(Recalibration { until: later.at()[1_199], moved: kept.moved() }));
    assert!(kept.moved() < -0.5, "three in four of those that hurt do no longer: {}", kept.moved());
    for row in later.rows().take(200) {
        let (was, is) = (model.score(row).unwrap(), read.score(row).unwrap());
        let wanted = kept.say(logistic::chance(was.margin));
        assert!((is.probability - wanted.probability).abs() < 1e-9 && is.labels == wanted.labels, "{is:?} {wanted:?}");
        assert!(is.interval[0] <= is.probability && is.probability <= is.interval[1], "{is:?}");
        assert_eq!((was.margin, was.rank), (is.margin, is.rank));
    }
    // From the same training the same outcomes tell the same; without one nothing moves.
    assert_eq!(replay(trained.clone(), &outcomes, 0).1.model(&model).unwrap().write().unwrap(), written.write().unwrap());
    let untouched = replay(trained.clone(), &[], 0).1;
    assert_eq!(untouched.model(&written).unwrap().write().unwrap(), model.write().unwrap(), "without one it is as it was trained");
    // A fault that shows on the last day was not known on the days before; a level goes as far as it may, and never back.
    let late = later.at()[1_199] + day;
    let shows_late = |outcome: &Outcome| {
        let mut ends = Ends::new(Some(false));
        if outcome.ends.at(0) == Some(true) {
            ends.turn(late, Some(true));
        }
        Outcome { ends, ..outcome.clone() }
    };
    let none: Vec<Outcome> = outcomes.iter().map(|one| Outcome { ends: Ends::new(Some(false)), ..one.clone() }).collect();
    let (blind, known) = replay(trained.clone(), &outcomes.iter().map(shows_late).collect::<Vec<_>>(), 5 * day);
    let (never, calm) = replay(trained, &none, 5 * day);
    assert_eq!(blind, never, "what was said knows nothing of what showed later");
    assert_eq!(known.model(&model).unwrap().write().unwrap(), written.write().unwrap());
    assert!(calm.moved() < kept.moved() && never[1_199].probability < said[1_199].probability, "{}", calm.moved());
}

fn trained_rows(fitted: &fitted::Fitted) -> usize {
    fitted.held.labels.len()
}

#[test]
fn it_is_served_as_any_other_kind_of_model() {
    let (table, model) = model();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(Format::Risk.file_name());
    std::fs::write(&path, model.write().unwrap()).unwrap();
    let served = Model::load(&path).unwrap();
    assert_eq!(served.format(), Format::Risk);
    let width = i64::try_from(table.width()).unwrap();
    let mut values: Vec<f64> = table.rows().take(20).flatten().copied().collect();
    // What is missing may be null, or not a number.
    values[1] = f64::NAN;
    let mut input = Tensor::new("features", vec![20, width], TensorData::Fp64(values.clone()));
    input.missing = (0..values.len()).map(|at| at == 0).collect();
    values[0] = f64::NAN;
    let answer = served.run(&[input]).unwrap();
    let names: Vec<&str> = answer.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["probability", "low", "high", "rank"]);
    for (place, row) in values.chunks_exact(table.width()).enumerate() {
        let said = model.score(row).unwrap();
        for (tensor, wanted) in answer.iter().zip([said.probability, said.interval[0], said.interval[1], said.rank]) {
            let TensorData::Fp64(found) = &tensor.data else { panic!("{tensor:?}") };
            assert_eq!(found[place], wanted, "{} of row {place}", tensor.name);
        }
        let added = served.contributions(row).unwrap();
        assert_eq!(added.len(), table.width() + 1);
        assert!((added.iter().sum::<f64>() - said.margin).abs() < 1e-6);
    }
    let infinite = Tensor::new("features", vec![1, width], TensorData::Fp64(vec![f64::INFINITY; table.width()]));
    assert!(served.run(&[infinite]).unwrap_err().to_string().contains("is infinite"));
}

#[test]
fn pairs_are_part_of_what_each_feature_adds() {
    let (table, model) = model();
    let pairs = model.pairs().unwrap();
    for row in table.rows().take(60) {
        let score = model.score(row).unwrap();
        assert_eq!(model.log_odds(row).unwrap(), score.margin);
        let together = model.together(&pairs, row).unwrap();
        assert!(together.windows(2).all(|two| two[0].log_odds.abs() >= two[1].log_odds.abs()), "most first");
        let scaled = model.scaled(row).unwrap();
        assert_eq!(scaled.len(), score.contributions.len(), "one of each feature and of each that is made");
        assert!(scaled.iter().all(|value| value.is_finite()));
    }
    // Rows of one value each differ by nothing but where they lie.
    let (near, far) = (model.scaled(&[10.0, 5.0, 1.0, 100.0, 3.0]).unwrap(), model.scaled(&[900.0, 5.0, 1.0, 100.0, 3.0]).unwrap());
    assert!(near[0] < far[0] && near[1] == far[1]);
    // Two features whose effect is that of both: what is told of the pair is not told of one alone.
    let all: f64 =
        table.rows().take(60).map(|row| model.together(&pairs, row).unwrap().iter().map(|one| one.log_odds.abs()).sum::<f64>()).sum();
    assert!(all > 0.0);
    assert_eq!(model.together(&pairs, &[1.0]).unwrap_err(), WrongRow::Width { got: 1, expected: 5 });
    assert_eq!(model.scaled(&[f64::INFINITY, 1.0, 1.0, 1.0, 1.0]).unwrap_err(), WrongRow::Infinite("la".to_owned()));
}
