//! Where data lies: one file, or a folder of files of one format, partitioned by `key=value` folders or not.

use crate::csv::{CsvFile, CsvTable};
use crate::error::DataError;
use crate::place;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory for groups and sorting unless it is set; beyond it they spill to disk.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Most files of a folder.
const FILES_MAX: usize = 100_000;
/// Parts that a scan is cut into: fixed, so that sums are the same bits on any number of cores.
pub(crate) const SCAN_PARTS: usize = 4;
/// Rows that are handled at once.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// Tab-separated values with a header line.
    Tsv,
    /// One JSON object a line.
    JsonLines,
    /// Arrow IPC file or stream.
    ArrowIpc,
}

impl Format {
    /// By the ending of a file's name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Some(Format::Parquet),
            "csv" => Some(Format::Csv),
            "tsv" => Some(Format::Tsv),
            "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
            "arrow" | "ipc" | "feather" => Some(Format::ArrowIpc),
            _ => None,
        }
    }

    /// The engine's reader; none for text with separators, which is read by `csv`.
    fn reader(self) -> Option<Arc<dyn FileFormat>> {
        match self {
            Format::Parquet => Some(Arc::new(ParquetFormat::default().with_force_view_types(false).with_skip_metadata(true))),
            Format::Csv | Format::Tsv => None,
            Format::JsonLines => Some(Arc::new(JsonFormat::default().with_schema_infer_max_rec(usize::MAX))),
            Format::ArrowIpc => Some(Arc::new(ArrowFormat)),
        }
    }

    pub(crate) fn separator(self) -> Option<u8> {
        match self {
            Format::Csv => Some(b','),
            Format::Tsv => Some(b'\t'),
            Format::Parquet | Format::JsonLines | Format::ArrowIpc => None,
        }
    }
}

/// Where data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A file or a folder.
    pub path: PathBuf,
    /// How it is written; by the ending when none is given.
    pub format: Option<Format>,
}

impl Source {
    /// A file or a folder whose format is told by endings.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Source {
        Source { path: path.into(), format: None }
    }
}

/// The files of a source.
#[derive(Debug)]
pub(crate) struct Files {
    pub format: Format,
    /// In the order in which they are read.
    pub paths: Vec<PathBuf>,
    /// Names and types of the keys in folder names.
    partitions: Vec<(String, DataType)>,
}

/// A source that can be read.
pub(crate) struct Opened {
    pub operation: &'static str,
    pub path: PathBuf,
    pub files: Files,
    pub context: SessionContext,
    table: Readable,
    pub schema: SchemaRef,
    pub memory_bytes: usize,
}

/// What rows are read through.
enum Readable {
    Listing(Arc<ListingTable>),
    Csv(CsvTable),
}

/// Lists the files of a source and looks at how they begin and end.
pub(crate) fn files(source: &Source, operation: &'static str) -> Result<Files, DataError> {
    let path = &source.path;
    let about = std::fs::metadata(path).map_err(|e| DataError::io(operation, path, e))?;
    let folder = |why: String| DataError::Folder { operation, path: path.clone(), why };
    let mut paths = Vec::new();
    if about.is_dir() {
        walk(path, source.format, operation, &mut paths)?;
        if paths.is_empty() {
            return Err(folder("the folder holds no data files: put .parquet, .csv, .jsonl or .arrow files into it".to_owned()));
        }
    } else {
        paths.push(path.clone());
    }
    let first = paths.first().unwrap_or(path);
    let unknown = || DataError::UnknownFormat { operation, path: first.clone() };
    let format = source.format.or_else(|| Format::of(first)).ok_or_else(unknown)?;
    if let Some(other) = paths.iter().find(|p| source.format.is_none() && Format::of(p) != Some(format)) {
        return Err(folder(format!("{} and {} are of different formats: keep one format a folder", first.display(), other.display())));
    }
    let partitions = if about.is_dir() { partitions(path, &paths).map_err(folder)? } else { vec![] };
    for file in &paths {
        place::look(operation, file, format)?;
    }
    Ok(Files { format, paths, partitions })
}

/// Collects data files in order of their names; hidden ones and those that begin with `_` are not data.
fn walk(folder: &Path, format: Option<Format>, operation: &'static str, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let io = |e| DataError::io(operation, folder, e);
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(io)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>().map_err(io)?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        if entry.is_dir() {
            walk(&entry, format, operation, found)?;
        } else if format.is_some() || Format::of(&entry).is_some() {
            found.push(entry);
        }
        if found.len() > FILES_MAX {
            let advice = "check its subfolders one by one";
            return Err(DataError::TooLarge {
                operation,
                path: folder.to_path_buf(),
                what: "the number of files".to_owned(),
                limit: FILES_MAX as u64,
                advice,
            });
        }
    }
    Ok(())
}

/// Keys and values of the folders between `root` and a file.
fn keys(root: &Path, path: &Path) -> Vec<(String, String)> {
    let inner = path.strip_prefix(root).unwrap_or(path).parent().unwrap_or(Path::new(""));
    inner.iter().filter_map(|part| part.to_str()?.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// Keys of `key=value` folders, whole numbers where all values are, else text.
fn partitions(root: &Path, paths: &[PathBuf]) -> Result<Vec<(String, DataType)>, String> {
    let all: Vec<_> = paths.iter().map(|p| keys(root, p)).collect();
    let names = |keys: &[(String, String)]| keys.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>();
    let first = all.first().map(|k| names(k)).unwrap_or_default();
    if let Some(i) = all.iter().position(|k| names(k) != first) {
        let odd = paths.get(i).map(|p| p.display().to_string()).unwrap_or_default();
        let keys = if first.is_empty() { "no keys".to_owned() } else { format!("keys {}", first.join(", ")) };
        return Err(format!(
            "{odd} is in other folders than the files before it, which have {keys}: use the same `key=value` folders for all files"
        ));
    }
    let number = |i: usize| all.iter().all(|k| k.get(i).is_some_and(|(_, v)| v.parse::<i64>().is_ok()));
    Ok(first.into_iter().enumerate().map(|(i, k)| (k, if number(i) { DataType::Int64 } else { DataType::Utf8 })).collect())
}

/// Opens a source: its files, its schema, and an engine with limits.
pub(crate) async fn open(source: &Source, operation: &'static str, memory_bytes: usize, spill: Option<&Path>) -> Result<Opened, DataError> {
    let path = std::path::absolute(&source.path).map_err(|e| DataError::io(operation, &source.path, e))?;
    let source = Source { path: path.clone(), format: source.format };
    let files = files(&source, operation)?;
    let context = session(memory_bytes, spill).map_err(|e| DataError::engine(operation, &path, e, memory_bytes))?;
    let failed = |e| place::explain(operation, &files, &path, e, memory_bytes);
    let table = readable(&context, &path, &files).await.map_err(failed)?;
    let schema = match &table {
        Readable::Listing(table) => table.schema(),
        Readable::Csv(table) => table.schema.clone(),
    };
    Ok(Opened { operation, path, files, context, table, schema, memory_bytes })
}

fn session(memory_bytes: usize, spill: Option<&Path>) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new()
        .with_target_partitions(SCAN_PARTS)
        .with_batch_size(BATCH_ROWS)
        .with_collect_statistics(false)
        .with_information_schema(false);
    // A part that took over another's files would make sums depend on who was quicker.
    config.options_mut().execution.enable_file_stream_work_stealing = false;
    config.options_mut().execution.listing_table_ignore_subdirectory = false;
    config.options_mut().execution.parquet.schema_force_view_types = false;
    // Joins by sorting spill to disk; those by hashing must fit into memory.
    config.options_mut().optimizer.prefer_hash_join = false;
    let mut runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)));
    if let Some(folder) = spill {
        runtime = runtime.with_temp_file_path(folder);
    }
    Ok(SessionContext::new_with_config_rt(config, runtime.build_arc()?))
}

async fn readable(context: &SessionContext, path: &Path, files: &Files) -> Result<Readable, DataFusionError> {
    let Some(format) = files.format.reader() else {
        let separator = files.format.separator().unwrap_or(b',');
        let with_keys = |p: &PathBuf| CsvFile { path: p.clone(), keys: keys(path, p).into_iter().map(|(_, v)| v).collect() };
        return Ok(Readable::Csv(CsvTable::infer(files.paths.iter().map(with_keys).collect(), separator, &files.partitions)?));
    };
    let options = ListingOptions::new(format).with_file_extension("").with_table_partition_cols(files.partitions.clone());
    let urls = if files.partitions.is_empty() {
        files.paths.iter().map(|p| ListingTableUrl::parse(url(p, false))).collect::<Result<Vec<_>, _>>()?
    } else {
        vec![ListingTableUrl::parse(url(path, true))?]
    };
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    Ok(Readable::Listing(Arc::new(ListingTable::try_new(config.infer_schema(&context.state()).await?)?)))
}

/// The address of a local file: names may hold characters that mean something in addresses and patterns.
fn url(path: &Path, folder: bool) -> String {
    let mut url = "file://".to_owned();
    for c in path.to_string_lossy().chars() {
        if "%?#*[]{}\\ ".contains(c) {
            url.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            url.push(c);
        }
    }
    if folder {
        url.push('/');
    }
    url
}

impl Opened {
    /// A table to read these columns from, and their places in it.
    pub fn provider(&self, columns: &[usize]) -> Result<(Arc<dyn TableProvider>, Vec<usize>), DataFusionError> {
        match &self.table {
            Readable::Listing(table) => Ok((table.clone(), columns.to_vec())),
            Readable::Csv(table) => Ok((table.provider(columns)?, (0..columns.len()).collect())),
        }
    }

    /// Place of a column.
    pub fn index(&self, column: &str) -> Option<usize> {
        self.schema.fields().iter().position(|f| f.name() == column)
    }

    pub fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    /// Place of a column that must be there.
    pub fn require(&self, column: &str) -> Result<usize, DataError> {
        self.index(column).ok_or_else(|| DataError::MissingColumn {
            operation: self.operation,
            path: self.path.clone(),
            column: column.to_owned(),
            there: self.column_names().join(", "),
        })
    }

    /// What the engine's refusal means for these files.
    pub fn explain(&self, error: DataFusionError) -> DataError {
        place::explain(self.operation, &self.files, &self.path, error, self.memory_bytes)
    }
}
