//! Where data lies: one file, or a folder of files of one format, partitioned by `key=value` folders or not.

use crate::csv::{CsvFile, CsvTable};
use crate::error::DataError;
use crate::place;
use crate::selected::Selected;
use crate::stored::{self, Stored};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_core::contract::Condition;

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
            Format::Parquet => Some(Arc::new(ParquetFormat::default().with_force_view_types(true).with_skip_metadata(true))),
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
#[derive(Clone, Debug)]
pub struct Source {
    /// A file or a folder; of an object store, its address as it is shown.
    pub path: PathBuf,
    /// How it is written; by the ending when none is given.
    pub format: Option<Format>,
    /// The object store that it lies in.
    pub stored: Option<Stored>,
    /// The rows that are meant; all of them when none is given.
    pub only: Option<Condition>,
}

impl Source {
    /// A file or a folder whose format is told by endings.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Source {
        Source { path: path.into(), format: None, stored: None, only: None }
    }

    /// An object, or all objects below a name, of a store; `url` is how it is shown.
    #[must_use]
    pub fn in_store(objects: Arc<dyn ObjectStore>, key: &str, url: &str) -> Source {
        Source { path: PathBuf::from(url), format: None, stored: Some(Stored { objects, key: key.to_owned() }), only: None }
    }
}

/// The files of a source.
#[derive(Debug)]
pub(crate) struct Files {
    pub format: Format,
    /// In the order in which they are read.
    pub paths: Vec<PathBuf>,
    /// Names and types of the keys in folder names.
    pub partitions: Vec<(String, DataType)>,
    /// Where copies of objects lie, and the address that they are of.
    pub copies: Option<(TempDir, PathBuf)>,
}

impl Files {
    /// A file as people know it.
    pub fn shown(&self, file: &Path) -> PathBuf {
        let of_copy = self.copies.as_ref().and_then(|(folder, url)| Some(url.join(file.strip_prefix(folder.path()).ok()?)));
        of_copy.unwrap_or_else(|| file.to_path_buf())
    }
}

/// A source that can be read.
pub(crate) struct Opened {
    pub operation: &'static str,
    pub path: PathBuf,
    pub files: Files,
    pub context: SessionContext,
    /// The store that its objects are read from, with the address that the engine knows it by.
    store: Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)>,
    table: Readable,
    pub schema: SchemaRef,
    /// The rows that are meant; all when there is none.
    pub selected: Option<Selected>,
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
    let files = arranged(source, &paths, about.is_dir(), operation)?;
    for file in &files.paths {
        place::look(operation, file, files.format)?;
    }
    Ok(files)
}

/// The format and the keys of what was found at a source.
pub(crate) fn arranged(source: &Source, paths: &[PathBuf], is_folder: bool, operation: &'static str) -> Result<Files, DataError> {
    let path = &source.path;
    let folder = |why: String| DataError::Folder { operation, path: path.clone(), why };
    let first = paths.first().unwrap_or(path);
    let unknown = || DataError::UnknownFormat { operation, path: first.clone() };
    let format = source.format.or_else(|| Format::of(first)).ok_or_else(unknown)?;
    if let Some(other) = paths.iter().find(|p| source.format.is_none() && Format::of(p) != Some(format)) {
        return Err(folder(format!("{} and {} are of different formats: keep one format a folder", first.display(), other.display())));
    }
    let partitions = if is_folder { partitions(path, paths).map_err(folder)? } else { vec![] };
    Ok(Files { format, paths: paths.to_vec(), partitions, copies: None })
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
    let shown = match &source.stored {
        Some(_) => source.path.clone(),
        None => std::path::absolute(&source.path).map_err(|e| DataError::io(operation, &source.path, e))?,
    };
    let context = session(memory_bytes, spill).map_err(|e| DataError::engine(operation, &shown, e, memory_bytes))?;
    let mut store = None;
    let (files, at) = match &source.stored {
        Some(stored) => {
            let found = stored::found(stored, source, operation).await?;
            if found.format == Format::Parquet {
                let address = stored::address(source).map_err(|e| DataError::engine(operation, &shown, e, memory_bytes))?;
                context.register_object_store(address.as_ref(), stored.objects.clone());
                store = Some((address.clone(), stored.objects.clone()));
                (found, Root::Store(address, stored.key.clone()))
            } else {
                let files = stored::copied(stored, source, found, spill, operation).await?;
                let folder = files.copies.as_ref().map_or_else(|| shown.clone(), |(folder, _)| folder.path().to_path_buf());
                (files, Root::Folder(folder))
            }
        }
        None => (files(&Source { path: shown.clone(), ..source.clone() }, operation)?, Root::Folder(shown.clone())),
    };
    let failed = |e| place::explain(operation, &files, &shown, e, memory_bytes);
    let table = readable(&context, &at, &files).await.map_err(failed)?;
    let schema = match &table {
        Readable::Listing(table) => table.schema(),
        Readable::Csv(table) => table.schema.clone(),
    };
    let selected = source.only.as_ref().map(|only| Selected::new(only, &schema, operation, &shown)).transpose()?;
    Ok(Opened { operation, path: shown, files, context, store, table, schema, selected, memory_bytes })
}

/// What addresses of files are seen from.
enum Root {
    Folder(PathBuf),
    /// A name within the store of an address.
    Store(ObjectStoreUrl, String),
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
    // Joins by sorting spill to disk; those by hashing must fit into memory.
    config.options_mut().optimizer.prefer_hash_join = false;
    // Columns are called as they are written.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let mut runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)));
    if let Some(folder) = spill {
        runtime = runtime.with_temp_file_path(folder);
    }
    Ok(SessionContext::new_with_config_rt(config, runtime.build_arc()?))
}

async fn readable(context: &SessionContext, root: &Root, files: &Files) -> Result<Readable, DataFusionError> {
    let Some(format) = files.format.reader() else {
        let separator = files.format.separator().unwrap_or(b',');
        let folder = if let Root::Folder(folder) = root { folder.as_path() } else { Path::new("") };
        let with_keys = |p: &PathBuf| CsvFile { path: p.clone(), keys: keys(folder, p).into_iter().map(|(_, v)| v).collect() };
        return Ok(Readable::Csv(CsvTable::infer(files.paths.iter().map(with_keys).collect(), separator, &files.partitions)?));
    };
    let address = |path: Option<&PathBuf>| match root {
        Root::Folder(folder) => url("file://", &path.unwrap_or(folder).to_string_lossy(), path.is_none()),
        Root::Store(at, key) => url(at.as_str(), &path.map_or_else(|| key.clone().into(), |p| p.to_string_lossy()), path.is_none()),
    };
    let options = ListingOptions::new(format).with_file_extension("").with_table_partition_cols(files.partitions.clone());
    let urls = if files.partitions.is_empty() {
        files.paths.iter().map(|p| ListingTableUrl::parse(address(Some(p)))).collect::<Result<Vec<_>, _>>()?
    } else {
        vec![ListingTableUrl::parse(address(None))?]
    };
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    Ok(Readable::Listing(Arc::new(ListingTable::try_new(config.infer_schema(&context.state()).await?)?)))
}

/// The address of a file: names may hold characters that mean something in addresses and patterns.
fn url(scheme: &str, path: &str, folder: bool) -> String {
    let mut url = scheme.to_owned();
    for c in path.chars() {
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

    /// Lets this source's engine read another one too.
    pub fn reads_too(&self, other: &Opened) {
        if let Some((address, objects)) = &other.store {
            self.context.register_object_store(address.as_ref(), objects.clone());
        }
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
