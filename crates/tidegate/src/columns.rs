//! The seam to the columnar engine: contracts and columns of files. A build without the feature `data` has none,
//! and says so.

use anyhow::Result;
use indexmap::IndexMap;
use std::path::Path;
use tidegate_core::contract::{Before, CheckReport, Contract};
use tidegate_core::id::At;

/// A column in memory.
#[derive(Clone, Debug)]
pub struct Column {
    /// As numbers, NaN where there is none; none for text.
    pub numbers: Option<Vec<f64>>,
    /// As text.
    pub texts: Vec<Option<String>>,
    /// As JSON, as a raw record is sent.
    pub json: Vec<serde_json::Value>,
}

/// What a check knows beside the file and its contract.
#[derive(Clone, Debug, Default)]
pub struct Checking {
    /// Keep all unexpected values and their rows.
    pub complete: bool,
    /// Files of the other datasets that rules may name.
    pub others: Vec<(String, std::path::PathBuf)>,
    /// What the checks before this one found.
    pub before: Option<Before>,
}

/// A contract that was proposed.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// As it is written.
    pub yaml: String,
    /// The same as JSON, with what each rule was inferred from.
    pub json: serde_json::Value,
}

/// How columns are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Numbers.
    Numbers,
    /// Text.
    Texts,
    /// JSON values.
    Json,
}

/// Columns of a file.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// By name.
    pub columns: IndexMap<String, Column>,
    /// Rows.
    pub rows: usize,
}

impl Columns {
    /// A column as numbers.
    ///
    /// # Errors
    /// When it is text, or was not read.
    pub fn numbers(&self, name: &str) -> Result<&[f64]> {
        let column = self.columns.get(name).and_then(|c| c.numbers.as_deref());
        column.ok_or_else(|| anyhow::anyhow!("column `{name}` does not hold numbers"))
    }

    /// A column as text.
    ///
    /// # Errors
    /// When it was not read.
    pub fn texts(&self, name: &str) -> Result<&[Option<String>]> {
        self.columns.get(name).map(|c| c.texts.as_slice()).ok_or_else(|| anyhow::anyhow!("column `{name}` was not read"))
    }
}

#[cfg(feature = "data")]
mod engine {
    use super::{As, CheckReport, Checking, Column, Columns, Contract, Proposal, Result};
    use std::path::Path;
    use tidegate_core::id::At;
    use tidegate_data::{CheckOptions, DataError, ROWS_MAX, SAMPLES, SAMPLES_MAX, Source};

    /// What is not there has an exit code of its own.
    fn coded(error: DataError) -> anyhow::Error {
        match &error {
            DataError::NotFound { .. } => crate::exit::failure(crate::exit::NOT_FOUND, error.to_string()),
            _ => error.into(),
        }
    }

    pub async fn check(path: &Path, contract: &Contract, as_of: At, checking: &Checking) -> Result<CheckReport> {
        let options = CheckOptions {
            samples: if checking.complete { SAMPLES_MAX } else { SAMPLES },
            others: checking.others.iter().map(|(name, path)| (name.clone(), Source::at(path))).collect(),
            before: checking.before.clone(),
            ..CheckOptions::default()
        };
        tidegate_data::check(&Source::at(path), contract, as_of, &options).await.map_err(coded)
    }

    pub async fn propose(path: &Path) -> Result<Proposal> {
        let proposal = tidegate_data::propose(&Source::at(path)).await.map_err(coded)?;
        Ok(Proposal { yaml: proposal.yaml(), json: serde_json::to_value(&proposal)? })
    }

    pub fn digest(path: &Path) -> Result<tidegate_core::id::Digest> {
        Ok(tidegate_data::digest(&Source::at(path))?)
    }

    pub async fn read(path: &Path, wanted: &[(&str, As)]) -> Result<Columns> {
        let names: Vec<&str> = wanted.iter().map(|w| w.0).collect();
        let table = tidegate_data::read_rows(&Source::at(path), &names, ROWS_MAX).await?;
        let mut found = Columns { rows: table.rows, ..Columns::default() };
        let all: Vec<(&str, As)> =
            if wanted.is_empty() { table.columns.keys().map(|n| (n.as_str(), As::Json)).collect() } else { wanted.to_vec() };
        for (name, wanted) in &all {
            let Some(column) = table.column(name) else { continue };
            let rows = 0..column.len();
            found.columns.insert(
                (*name).to_owned(),
                Column {
                    numbers: if *wanted == As::Numbers { column.numbers() } else { None },
                    texts: if *wanted == As::Texts { rows.clone().map(|row| column.text(row)).collect() } else { vec![] },
                    json: if *wanted == As::Json { rows.map(|row| column.json(row)).collect() } else { vec![] },
                },
            );
        }
        Ok(found)
    }
}

#[cfg(not(feature = "data"))]
mod engine {
    use super::{As, CheckReport, Checking, Columns, Contract, Proposal, Result};
    use std::path::Path;
    use tidegate_core::id::At;

    fn absent<T>(path: &Path) -> Result<T> {
        Err(crate::exit::failure(
            crate::exit::USAGE,
            format!("read {}: this binary was built without the columnar engine: build it with the feature `data`", path.display()),
        ))
    }

    pub async fn check(path: &Path, _: &Contract, _: At, _: &Checking) -> Result<CheckReport> {
        absent(path)
    }

    pub async fn propose(path: &Path) -> Result<Proposal> {
        absent(path)
    }

    pub fn digest(path: &Path) -> Result<tidegate_core::id::Digest> {
        absent(path)
    }

    pub async fn read(path: &Path, _: &[(&str, As)]) -> Result<Columns> {
        absent(path)
    }
}

/// Checks a file against a contract; freshness is judged as of `as_of`.
///
/// # Errors
/// When the file cannot be read. A rule that does not hold is in the report.
pub async fn check(path: &Path, contract: &Contract, as_of: At, checking: &Checking) -> Result<CheckReport> {
    engine::check(path, contract, as_of, checking).await
}

/// A contract that the data would pass, every rule of it marked as inferred.
///
/// # Errors
/// When the file cannot be read.
pub async fn propose(path: &Path) -> Result<Proposal> {
    engine::propose(path).await
}

/// The digest of a file's bytes, or of a directory's files.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> Result<tidegate_core::id::Digest> {
    engine::digest(path)
}

/// Columns of a file; all of them, as JSON, when none is named.
///
/// # Errors
/// When the file cannot be read, or a column is missing.
pub async fn read(path: &Path, wanted: &[(&str, As)]) -> Result<Columns> {
    engine::read(path, wanted).await
}
