//! How long training, one score and explanations take; what Python's `shap` takes for the same trees and rows is measured beside it.

use crate::data;
use std::path::Path;
use std::time::Instant;
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::{RiskModel, derive, risk_model, split};
use tidegate_runtime::TreeModel;

/// Where the trees and rows are left for `scripts/bench_shap.py`.
const LEFT: &str = "bench-risk";

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds that this thread was on a processor, which neighbours do not change; of the wall where the system does not tell.
fn busy(begin: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| begin.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

pub fn run(folder: &Path) {
    println!("\n== speed");
    let Some(table) = data::issta21(folder, "qt") else {
        println!("skipped: qt is not in {}", folder.display());
        return;
    };
    let made = derive::of_changes(&table);
    let whole = derive::table(&table, &made).unwrap();
    let split = split::holdout(&table, 0.8, 0);
    let begin = now();
    let fitted = fitted::fit(&whole.slice(split.train.clone()), &Settings::default()).unwrap();
    println!("training and calibrating on {} rows: {:.1} s", split.train.len(), begin.elapsed().as_secs_f64());
    let model = risk_model(&table.slice(split.train), &made, &fitted, 0, &[]).unwrap();
    let bytes = model.write().unwrap();
    let begin = now();
    let model = RiskModel::read(&bytes).unwrap();
    println!("reading the model, {} KB: {:.0} ms", bytes.len() / 1024, begin.elapsed().as_secs_f64() * 1e3);
    let mut took = Vec::new();
    for row in split.test.clone() {
        let begin = now();
        std::hint::black_box(model.score(table.row(row)).unwrap());
        took.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("scoring a change with reasons: p50 {:.3} ms, p99 {:.3} ms, of {} changes", at(0.5), at(0.99), took.len());
    let mut bare = Vec::new();
    for row in split.test.clone() {
        let row: Vec<f64> = table.row(row).iter().enumerate().map(|(at, value)| if at % 5 == 0 { f64::NAN } else { *value }).collect();
        let begin = now();
        std::hint::black_box(model.score(&row).unwrap());
        bare.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    bare.sort_by(f64::total_cmp);
    let at = |share: f64| bare.get((bare.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("with three values of fourteen missing: p50 {:.3} ms, p99 {:.3} ms", at(0.5), at(0.99));
    let rows: Vec<f64> = whole.slice(split.test).rows().flatten().copied().collect();
    explain(model.trees_file(), &rows);
}

fn explain(file: &[u8], rows: &[f64]) {
    let begin = now();
    let trees = TreeModel::read(file).unwrap();
    let read = begin.elapsed().as_secs_f64();
    let count = rows.len() / trees.features();
    let (begin, before) = (now(), busy(now()));
    let values = trees.contributions(rows).unwrap();
    let took = busy(begin) - before;
    println!("TreeSHAP, read with tables in {read:.2} s: {took:.3} s of one core for {count} rows");
    let margins = trees.exact_margins(rows);
    let off = values.chunks_exact(trees.features() + 1).zip(&margins).map(|(values, margin)| (values.iter().sum::<f64>() - margin).abs());
    println!("sums are off the margin by {:.1e} at most", off.fold(0.0, f64::max));
    let some = rows.chunks_exact(trees.features()).take(200);
    let trees = TreeModel::read(file).unwrap().with_interactions().unwrap();
    let (begin, before) = (now(), busy(now()));
    some.for_each(|row| {
        std::hint::black_box(trees.interactions(row).unwrap());
    });
    println!("interactions: {:.3} s of one core for 200 rows", busy(begin) - before);
    let left = std::env::temp_dir().join(LEFT);
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("trees.json"), file).unwrap();
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(left.join("rows.f64"), bytes).unwrap();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(left.join("values.f64"), bytes).unwrap();
    println!("trees, rows and values for comparison: {}", left.display());
}
