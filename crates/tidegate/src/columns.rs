//! The seam to the columnar engine: contracts and columns of files. A build without the feature `data` has none,
//! and says so.

use anyhow::Result;
use indexmap::IndexMap;
use std::path::{Path, PathBuf};
use tidegate_core::contract::{Before, CheckReport, Condition, Contract};
use tidegate_core::id::{At, Digest};

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

/// Where data lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file or a folder.
    Path(PathBuf),
    /// An address, opened with the credentials that the folder's DVC configuration and the environment have.
    Url {
        /// The folder.
        root: PathBuf,
        /// The address.
        url: String,
    },
}

impl Place {
    /// An address, or a path that is seen from `root`.
    pub fn of(root: &Path, text: &str) -> Place {
        match text.contains("://") {
            true => Place::Url { root: root.to_owned(), url: text.to_owned() },
            false => Place::Path(root.join(text)),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::Url { url, .. } => f.write_str(url),
        }
    }
}

/// What a check knows beside the file and its contract.
#[derive(Clone, Debug, Default)]
pub struct Checking {
    /// Keep all unexpected values and their rows.
    pub complete: bool,
    /// Files of the other datasets that rules may name.
    pub others: Vec<(String, Place)>,
    /// What the checks before this one found.
    pub before: Option<Before>,
    /// The rows that are looked at; all when none is given.
    pub only: Option<Condition>,
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
    use super::{As, CheckReport, Checking, Column, Columns, Contract, Place, Proposal, Result};
    use anyhow::Context as _;
    use std::path::Path;
    use tidegate_build::remote::{Stored, stored};
    use tidegate_core::id::{At, Digest};
    use tidegate_data::{CheckOptions, DataError, ROWS_MAX, SAMPLES, SAMPLES_MAX, Source};

    fn source(place: &Place) -> Result<Source> {
        Ok(match place {
            Place::Path(path) => Source::at(path),
            Place::Url { root, url } => match stored(root, &crate::surroundings::surroundings(), url)? {
                Stored::Path(path) => Source::at(path),
                Stored::Objects { store, key, url } => Source::in_store(store, &key, &url),
            },
        })
    }

    /// What is not there has an exit code of its own.
    fn coded(error: DataError) -> anyhow::Error {
        match &error {
            DataError::NotFound { .. } => crate::exit::failure(crate::exit::NOT_FOUND, error.to_string()),
            _ => error.into(),
        }
    }

    pub async fn check(place: &Place, contract: &Contract, as_of: At, checking: &Checking) -> Result<CheckReport> {
        let others = checking.others.iter().map(|(name, place)| Ok((name.clone(), source(place)?)));
        let options = CheckOptions {
            samples: if checking.complete { SAMPLES_MAX } else { SAMPLES },
            others: others.collect::<Result<_>>()?,
            before: checking.before.clone(),
            ..CheckOptions::default()
        };
        let source = Source { only: checking.only.clone(), ..source(place)? };
        tidegate_data::check(&source, contract, as_of, &options).await.map_err(coded)
    }

    pub async fn propose(place: &Place) -> Result<Proposal> {
        let proposal = tidegate_data::propose(&source(place)?).await.map_err(coded)?;
        Ok(Proposal { yaml: proposal.yaml(), json: serde_json::to_value(&proposal)? })
    }

    pub async fn digest(place: &Place) -> Result<Digest> {
        let source = source(place)?;
        match tidegate_data::stored_digest(&source).await? {
            Some((digest, _)) => Ok(digest),
            None => Ok(tokio::task::spawn_blocking(move || tidegate_data::digest(&source)).await??),
        }
    }

    pub async fn modified(place: &Place) -> Result<At> {
        let source = source(place)?;
        if let Some((_, newest)) = tidegate_data::stored_digest(&source).await? {
            return Ok(newest);
        }
        let modified = std::fs::metadata(&source.path).and_then(|m| m.modified());
        let modified = modified.with_context(|| format!("look at {}", source.path.display()))?;
        Ok(At(jiff::Timestamp::try_from(modified).context("read the time of a file")?.as_millisecond()))
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
    use super::{As, CheckReport, Checking, Columns, Contract, Place, Proposal, Result};
    use std::path::Path;
    use tidegate_core::id::{At, Digest};

    fn absent<T>(path: impl std::fmt::Display) -> Result<T> {
        Err(crate::exit::failure(
            crate::exit::USAGE,
            format!("read {path}: this binary was built without the columnar engine: build it with the feature `data`"),
        ))
    }

    pub async fn check(place: &Place, _: &Contract, _: At, _: &Checking) -> Result<CheckReport> {
        absent(place)
    }

    pub async fn propose(place: &Place) -> Result<Proposal> {
        absent(place)
    }

    pub async fn digest(place: &Place) -> Result<Digest> {
        absent(place)
    }

    pub async fn modified(place: &Place) -> Result<At> {
        absent(place)
    }

    pub async fn read(path: &Path, _: &[(&str, As)]) -> Result<Columns> {
        absent(path.display())
    }
}

/// Checks data against a contract; freshness is judged as of `as_of`.
///
/// # Errors
/// When they cannot be read. A rule that does not hold is in the report.
pub async fn check(place: &Place, contract: &Contract, as_of: At, checking: &Checking) -> Result<CheckReport> {
    engine::check(place, contract, as_of, checking).await
}

/// A contract that the data would pass, every rule of it marked as inferred.
///
/// # Errors
/// When they cannot be read.
pub async fn propose(place: &Place) -> Result<Proposal> {
    engine::propose(place).await
}

/// The digest of a file's bytes, or of a directory's files; in a store, of names, sizes and what the store calls each version.
///
/// # Errors
/// When they cannot be read.
pub async fn digest(place: &Place) -> Result<Digest> {
    engine::digest(place).await
}

/// When they were written last.
///
/// # Errors
/// When they cannot be looked at.
pub async fn modified(place: &Place) -> Result<At> {
    engine::modified(place).await
}

/// Columns of a file; all of them, as JSON, when none is named.
///
/// # Errors
/// When the file cannot be read, or a column is missing.
pub async fn read(path: &Path, wanted: &[(&str, As)]) -> Result<Columns> {
    engine::read(path, wanted).await
}
