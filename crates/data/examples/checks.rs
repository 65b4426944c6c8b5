//! Times ten checks on ten million rows of six columns, then a uniqueness check and quantiles apart.
//!
//! `cargo run --release -p tidegate-data --example checks [FILE]`; the file is made when it is not there.
#![allow(missing_docs, clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "a measurement of time reads the clock")]

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check};
use tidegate_stats::rng::Rng;
use tidegate_wire::contract::{SuiteOptions, parse};

const ROWS: i64 = 10_000_000;
const BATCH: i64 = 500_000;

const TEN: &str = r#"
table: { row_count: [1, 20000000], columns: [id, age, price, share, country, code] }
columns:
  id: { not_null: true, min: [0, 0] }
  age: { between: [0, 120] }
  price: { mean: [40, 60], stdev: [0, 100] }
  share: { not_null: { mostly: 0.9 } }
  country: { in_set: [de, fr, it, es, pl, nl] }
  code: { regex: "^[A-Z]{2}[0-9]{4}$" }
"#;

fn make(path: &Path) {
    let mut rng = Rng::new(1);
    let countries = ["de", "fr", "it", "es", "pl", "nl"];
    let mut writer = None;
    for from in (0..ROWS).step_by(BATCH as usize) {
        let rows = || from..from + BATCH;
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from_iter_values(rows()))),
            ("age", Arc::new(Int64Array::from_iter_values(rows().map(|_| rng.below(100) as i64)))),
            ("price", Arc::new(Float64Array::from_iter_values(rows().map(|_| rng.uniform() * 100.0)))),
            ("share", Arc::new(rows().map(|_| (rng.below(20) > 0).then(|| rng.uniform())).collect::<Float64Array>())),
            ("country", Arc::new(StringArray::from_iter_values(rows().map(|_| countries[rng.below(6) as usize])))),
            ("code", Arc::new(StringArray::from_iter_values(rows().map(|_| format!("AB{:04}", rng.below(10_000)))))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = || ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.get_or_insert_with(file).write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
}

fn main() {
    let path = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("tidegate-checks.parquet"), PathBuf::from);
    if !path.exists() {
        make(&path);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let parts = [
        ("ten checks", TEN),
        ("unique", "columns: { id: { unique: true } }"),
        ("quantiles", "columns: { price: { quantiles: { 0.5: [0, 100], 0.99: [0, 100] } } }"),
    ];
    for (name, yaml) in parts {
        let contract = parse("contract.yaml", yaml, &SuiteOptions::default()).unwrap();
        let times: Vec<String> = (0..3)
            .map(|_| {
                let start = Instant::now();
                let report = runtime.block_on(check(&Source::at(&path), &contract, At(0), &CheckOptions::default())).unwrap();
                assert!(report.success, "{}", report.summary());
                format!("{:.2} s", start.elapsed().as_secs_f64())
            })
            .collect();
        println!("{name}: {}", times.join(", "));
    }
}
