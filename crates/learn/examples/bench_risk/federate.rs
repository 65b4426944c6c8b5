//! Three sites that train together beside one that has all rows: areas, bytes, seconds.

use crate::{data, published, speed};
use std::path::Path;
use tidegate_learn::evaluate::report;
use tidegate_learn::federated::{self, Collect, Failed, Joint, Member, Plan, Roster, Secret, Site};
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Row, Table, split};
use tidegate_stats::rng::Rng;

const SITES: [&str; 3] = ["one", "two", "three"];
/// What the areas may differ by.
const NEAR: f64 = 0.01;
/// Features by which rows are spread so that sites are unlike, the first one that is there: how much an author has done, or how large a build's change is.
const UNLIKE: [&str; 3] = ["exp", "aexp", "git_diff_src_churn"];

/// What one way of spreading the rows came to.
struct Spread {
    name: &'static str,
    rows: Vec<usize>,
    auc: f64,
    error: f64,
    sent_mb: f64,
    asked_mb: f64,
    rounds: u64,
    seconds: f64,
    same: bool,
}

pub fn run(folder: &Path) {
    println!("\n== three sites that train together: areas on the judging rows, beside one site with all rows");
    println!("set, project: pooled as `risk train` does it; pooled, by our sums; together: at random, by stretches of time, by experience");
    let mut worst = Vec::new();
    for (project, _) in published::ISSTA21 {
        let Some(table) = data::issta21(folder, project) else { continue };
        let split = split::holdout(&table, 0.8, 0);
        worst.push(judge(&format!("issta21 {project}"), &table.slice(split.train), &table.slice(split.test), &Recipe::default()));
    }
    for (project, _) in published::APACHEJIT {
        let Some((table, rows)) = data::apachejit(folder, project) else { continue };
        let recipe = Recipe { half_life_days: None, ..Recipe::default() };
        worst.push(judge(&format!("apachejit {project}"), &table.slice(0..rows), &table.slice(rows..table.len()), &recipe));
    }
    for (project, ..) in published::TRAVIS {
        let Some(table) = crate::builds::travis(folder, project) else { continue };
        let split = split::holdout(&table, 0.8, 0);
        let recipe = Recipe::default();
        worst.push(judge(&format!("travis {project}"), &table.slice(split.train), &table.slice(split.test), &recipe));
    }
    if let Some(last) = projects(folder) {
        worst.push(last);
    }
    let most = worst.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let above = -worst.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = -worst.iter().sum::<f64>() / worst.len().max(1) as f64;
    println!("\n{} sets: together less pooled {mean:+.4} on average, {:+.4} at worst, {above:+.4} at best", worst.len(), -most);
    println!("{}", if most <= NEAR { "none is more than 0.01 below" } else { "SOME are more than 0.01 below" });
}

/// Each of three projects is a site: the rows are as unlike as they come.
fn projects(folder: &Path) -> Option<f64> {
    let tables: Vec<Table> = ["qt", "openstack", "gerrit"].iter().filter_map(|project| data::issta21(folder, project)).collect();
    if tables.len() < SITES.len() {
        return None;
    }
    let (mut learnt, mut later) = (Vec::new(), Vec::new());
    for table in &tables {
        let split = split::holdout(table, 0.8, 0);
        learnt.push(table.slice(split.train));
        later.push(table.slice(split.test));
    }
    let (train, test) = (joined(&learnt), joined(&later));
    let plan = plan(&train, &Recipe::default());
    let existing = existing(&train, &test, &Recipe::default());
    let pooled = federated::pooled(&plan, &train).unwrap();
    let own = area(&pooled, &test);
    println!("\nissta21, each of qt, openstack and gerrit a site: {} rows learnt from, {} later ones judge", train.len(), test.len());
    println!("  pooled: {existing:.4}; by our sums: {own:.4}");
    let spread = together("a project each", &plan, &learnt, &test, &pooled);
    told(&spread);
    Some(existing - spread.auc)
}

fn joined(tables: &[Table]) -> Table {
    let mut all: Vec<(&Table, usize)> = tables.iter().flat_map(|table| (0..table.len()).map(move |row| (table, row))).collect();
    all.sort_by_key(|(table, row)| table.at().get(*row).copied());
    let mut joined = tables.first().unwrap().slice(0..0);
    all.into_iter().for_each(|(table, row)| push(&mut joined, table, row));
    joined
}

fn push(to: &mut Table, from: &Table, row: usize) {
    let (at, effort) = (*from.at().get(row).unwrap(), *from.effort().get(row).unwrap());
    to.push(&Row { at, values: from.row(row), label: *from.labels().get(row).unwrap(), effort }).unwrap();
}

fn plan(train: &Table, recipe: &Recipe) -> Plan {
    let names = train.features().iter().map(|feature| feature.name.as_str());
    let mut plan = Plan::of(names, train.at().last().copied().unwrap()).unwrap();
    plan.recipe = Recipe { bags: plan.recipe.bags, ..recipe.clone() };
    plan
}

/// The area of the model that one place trains of all rows.
fn existing(train: &Table, test: &Table, recipe: &Recipe) -> f64 {
    let (train, test) = (data::derived(train), data::derived(test));
    let fitted = fitted::fit(&train, &Settings { recipe: recipe.clone(), ..Settings::default() }).unwrap();
    let scores: Vec<f64> = test.rows().map(|row| fitted.probability(row)).collect();
    report(&test, &scores, true).auc.unwrap().estimate
}

fn scores(joint: &Joint, test: &Table) -> Vec<f64> {
    data::derived(test).rows().map(|row| joint.fitted.probability(row)).collect()
}

fn area(joint: &Joint, test: &Table) -> f64 {
    report(test, &scores(joint, test), true).auc.unwrap().estimate
}

/// How far the worst way lies below the pooled area.
fn judge(name: &str, train: &Table, test: &Table, recipe: &Recipe) -> f64 {
    let plan = plan(train, recipe);
    let existing = existing(train, test, recipe);
    let pooled = federated::pooled(&plan, train).unwrap();
    println!("\n{name}: {} rows learnt from, {} later ones judge", train.len(), test.len());
    println!("  pooled: {existing:.4}; by our sums: {:.4}", area(&pooled, test));
    let mut rng = Rng::new(1);
    let random: Vec<usize> = (0..train.len()).map(|_| usize::try_from(rng.below(3)).unwrap()).collect();
    let time: Vec<usize> = (0..train.len()).map(|row| row * 3 / train.len()).collect();
    let mut least = f64::INFINITY;
    for (way, places) in [("at random", random), ("by time", time), ("by experience", unlike(train))] {
        let spread = together(way, &plan, &spread(train, &places), test, &pooled);
        told(&spread);
        least = least.min(spread.auc);
    }
    existing - least
}

fn told(spread: &Spread) {
    println!(
        "  together, {:14} {:.4} (ECE {:.3}); rows {:?}; trees and regression {} those of one site; a site sends {:.1} MB and is asked {:.1} MB in {} rounds; {:.1} s, all in one process",
        spread.name,
        spread.auc,
        spread.error,
        spread.rows,
        if spread.same { "are to the bit" } else { "ARE NOT" },
        spread.sent_mb,
        spread.asked_mb,
        spread.rounds,
        spread.seconds
    );
}

/// Thirds by how much the author has done, or how large a change is.
fn unlike(table: &Table) -> Vec<usize> {
    let column = UNLIKE.iter().find_map(|name| table.column(name)).unwrap_or_default();
    let mut order: Vec<(f64, usize)> = table.values(column).enumerate().map(|(row, value)| (value, row)).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let mut places = vec![0; table.len()];
    for (rank, (_, row)) in order.iter().enumerate() {
        places.get_mut(*row).into_iter().for_each(|place| *place = rank * 3 / table.len());
    }
    places
}

fn spread(table: &Table, places: &[usize]) -> Vec<Table> {
    let mut parts = vec![table.slice(0..0); SITES.len()];
    for (row, place) in places.iter().enumerate() {
        push(parts.get_mut(*place).unwrap(), table, row);
    }
    parts
}

/// Trains over three sites with everything that goes over the wire, masks and written rounds, but for the wire.
fn together(name: &'static str, plan: &Plan, parts: &[Table], test: &Table, pooled: &Joint) -> Spread {
    let secrets: Vec<Secret> = (1..=3_u8).map(|at| Secret::new([at; 32])).collect();
    let members: Vec<Member> =
        SITES.iter().zip(&secrets).map(|(name, secret)| Member { name: (*name).to_owned(), key: secret.public() }).collect();
    let roster = Roster::try_from(members).unwrap();
    let begin = speed::now();
    let site = |((table, secret), name): ((&Table, &Secret), &&str)| Site::new(name, table, plan, &roster, secret, "").unwrap();
    let mut sites: Vec<Site> = parts.iter().zip(&secrets).zip(&SITES).map(site).collect();
    let (mut sent, mut asked) = (0, 0);
    let joint = federated::lead(plan, &mut |round| {
        let bytes = serde_json::to_vec(round).map_err(|why| Failed::Model(why.to_string()))?;
        asked += bytes.len();
        let mut collect = Collect::new(&roster, round);
        for (site, name) in sites.iter_mut().zip(SITES) {
            let answer = site.answer(&bytes).unwrap();
            collect.take(name, round.number, &answer).unwrap();
            sent += answer.len();
        }
        collect.sums()
    })
    .unwrap();
    let judged = report(test, &scores(&joint, test), true);
    Spread {
        name,
        rows: parts.iter().map(Table::len).collect(),
        auc: judged.auc.unwrap().estimate,
        error: judged.calibration_error.unwrap(),
        sent_mb: sent as f64 / SITES.len() as f64 / 1e6,
        asked_mb: asked as f64 / 1e6,
        rounds: joint.rounds,
        seconds: begin.elapsed().as_secs_f64(),
        same: joint.fitted.blend == pooled.fitted.blend,
    }
}
