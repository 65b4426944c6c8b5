//! Files to test on.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use std::future::Future;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidegate_core::contract::{CheckReport, Contract};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check};
use tidegate_wire::contract::{SuiteOptions, parse};

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    // Small row groups, so that a scan has several parts.
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub fn contract(yaml: &str) -> Contract {
    parse("contract.yaml", yaml, &SuiteOptions::default()).unwrap()
}

pub fn checked(path: &Path, yaml: &str) -> CheckReport {
    run(check(&Source::at(path), &contract(yaml), At(1_388_448_000_000), &CheckOptions::default())).unwrap()
}

/// Verdicts and reasons, a line each.
pub fn lines(report: &CheckReport) -> String {
    let mut lines = vec![format!("{}", if report.success { "passed" } else { "failed" })];
    lines.extend(report.findings.iter().cloned());
    lines.extend(report.outcomes.iter().map(|o| format!("{} {}", if o.success { "+" } else { "-" }, o.line())));
    lines.join("\n")
}
