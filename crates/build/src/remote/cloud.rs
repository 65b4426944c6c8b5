//! A remote behind an API: S3 and its like, Google's and Azure's storage, plain HTTP.
//!
//! Requests are repeated after refusals that pass, with growing pauses; a transfer that stalls is given up and taken up again
//! where it stood; both only so many times. The library's own repetitions are off, for they would count as a stall.

use super::lost::{Lost, Tries, again, told};
use super::{Moved, Object, Progress, Trouble};
use crate::cache::{Cache, old_md5};
use crate::hash::{FileHash, Streaming, hash_bytes};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, MultipartId, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_wire::dvc::tracked::HashKind;

/// Bytes sent at once; what is smaller goes in one request.
const PART_BYTES: u64 = 8 << 20;
/// Parts of one object, at most as many as S3 takes.
const PARTS_MAX: u64 = 9_000;
/// Largest object that is sent whole where a server knows no parts.
const WHOLE_BYTES_MAX: u64 = 2 << 30;
/// Objects up to this number are asked for one by one, whatever the remote holds.
const ASK_MAX: usize = 64;
/// Objects that one answer of a listing names.
const PAGE_OBJECTS: usize = 1000;

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Without a byte for this long, a transfer has stalled.
    pub(super) stall: Duration,
}

/// The library is not to repeat requests by itself.
pub(super) fn retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Where objects are.
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The same, where it takes objects in parts.
    pub(super) parts: Option<Arc<dyn MultipartStore>>,
}

impl Store {
    pub(super) fn with_parts<S: ObjectStore + MultipartStore>(store: S) -> Store {
        let store = Arc::new(store);
        Store { objects: Arc::<S>::clone(&store), parts: Some(store) }
    }
}

pub(super) struct Cloud {
    pub(super) store: Arc<dyn ObjectStore>,
    parts: Option<Arc<dyn MultipartStore>>,
    pub(super) prefix: String,
    /// Whether it tells what it holds.
    pub(super) lists: bool,
    patience: Patience,
    pub(super) runtime: tokio::runtime::Runtime,
}

impl Cloud {
    pub(super) fn new(store: Store, prefix: &str, patience: Patience) -> Result<Cloud, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|e| format!("start its threads: {e}"))?;
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Cloud { lists: store.parts.is_some(), store: store.objects, parts: store.parts, prefix, patience, runtime })
    }

    fn location(&self, object: &Object) -> Location {
        Location::from(format!("{}{}", self.prefix, object.place()))
    }

    /// One request, within the time that a stall takes.
    pub(super) async fn within<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> Result<T, Lost> {
        match tokio::time::timeout(self.patience.stall, work).await {
            Err(_) => Err(Lost::Stalled(self.patience.stall)),
            Ok(Err(error)) => Err(Lost::of(&error)),
            Ok(Ok(value)) => Ok(value),
        }
    }

    pub(super) fn have(&self, objects: &[Object], jobs: usize) -> Result<HashSet<Object>, String> {
        self.runtime.block_on(async {
            if objects.len() > ASK_MAX && self.lists && objects.iter().all(|o| o.kind == HashKind::Md5) {
                let first = self.listed("files/md5/00").await?;
                // The names are evenly spread, so one of 256 parts tells how large the whole is.
                let pages = 256 + first.len() * 256 / PAGE_OBJECTS;
                if pages < objects.len() {
                    let wanted: HashSet<&Object> = objects.iter().collect();
                    return Ok(self.list_all(jobs).await?.into_iter().filter(|o| wanted.contains(o)).collect());
                }
            }
            let asked = futures::stream::iter(objects.iter().map(|object| async move {
                let location = self.location(object);
                match self.patiently(|| self.store.head(&location)).await {
                    Ok(_) => Ok(Some(object.clone())),
                    Err(Lost::Missing) => Ok(None),
                    Err(lost) => Err(lost.to_string()),
                }
            }));
            let found: Vec<Option<Object>> = asked.buffer_unordered(jobs).try_collect().await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    /// As [`Cloud::within`], again after what passes.
    pub(super) async fn patiently<T, F: Future<Output = object_store::Result<T>>>(&self, work: impl Fn() -> F) -> Result<T, Lost> {
        again(|| self.within(work())).await
    }

    pub(super) fn list(&self, jobs: usize) -> Result<Vec<Object>, String> {
        if !self.lists {
            return Err("a plain HTTP server does not tell what it holds".to_owned());
        }
        self.runtime.block_on(async {
            let mut all = self.list_all(jobs).await?;
            let folders = self.within(self.store.list_with_delimiter(Some(&Location::from(self.prefix.as_str())))).await;
            let folders = folders.map_err(|lost| lost.to_string())?.common_prefixes;
            for folder in folders.iter().filter_map(|p| p.filename()).filter(|name| name.len() == 2) {
                all.extend(self.listed(folder).await?.into_iter().filter(|o| o.kind == HashKind::Dos2Unix));
            }
            Ok(all)
        })
    }

    /// All objects of DVC 3's layout, 256 folders at a time.
    async fn list_all(&self, jobs: usize) -> Result<Vec<Object>, String> {
        let parts = futures::stream::iter((0..256).map(|n| async move { self.listed(&format!("files/md5/{n:02x}")).await }));
        let parts: Vec<Vec<Object>> = parts.buffer_unordered(jobs).try_collect().await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn listed(&self, folder: &str) -> Result<Vec<Object>, String> {
        again(|| self.listed_once(folder)).await.map_err(|lost| lost.to_string())
    }

    async fn listed_once(&self, folder: &str) -> Result<Vec<Object>, Lost> {
        let mut stream = self.store.list(Some(&Location::from(format!("{}{folder}", self.prefix))));
        let mut found = Vec::new();
        loop {
            let next = tokio::time::timeout(self.patience.stall, stream.next()).await;
            match next.map_err(|_| Lost::Stalled(self.patience.stall))? {
                None => return Ok(found),
                Some(meta) => {
                    let location = meta.map_err(|e| Lost::of(&e))?.location;
                    let place = location.as_ref().strip_prefix(&self.prefix).unwrap_or_default();
                    found.extend(Object::at(place));
                }
            }
        }
    }

    pub(super) fn delete(&self, objects: &[Object], jobs: usize) -> Result<(), String> {
        // Listings first: what is listed must not be gone while its listing is there.
        let (listings, files): (Vec<&Object>, Vec<&Object>) = objects.iter().partition(|o| o.is_dir());
        self.runtime.block_on(async {
            for group in [listings, files] {
                let gone = futures::stream::iter(group.into_iter().map(|object| async move {
                    let location = self.location(object);
                    match self.patiently(|| self.store.delete(&location)).await {
                        Ok(()) | Err(Lost::Missing) => Ok(()),
                        Err(lost) => Err(format!("{}: {lost}", object.md5)),
                    }
                }));
                gone.buffer_unordered(jobs).try_collect::<Vec<()>>().await?;
            }
            Ok(())
        })
    }

    pub(super) fn put(&self, cache: &Cache, objects: &[Object], jobs: usize, progress: &dyn Progress) -> Moved {
        self.runtime.block_on(gathered(
            futures::stream::iter(objects.iter().map(|object| async move {
                let from = cache.object_of(object.kind, &object.md5);
                (object, again(|| self.send(object, &from, progress)).await.map_err(Trouble::from))
            }))
            .buffer_unordered(jobs),
            progress,
        ))
    }

    pub(super) fn get(&self, cache: &Cache, objects: &[Object], jobs: usize, progress: &dyn Progress) -> Moved {
        let stop = AtomicBool::new(false);
        let stop = &stop;
        self.runtime.block_on(gathered(
            futures::stream::iter(objects.iter().map(|object| async move {
                if stop.load(Ordering::Relaxed) {
                    return (object, Err(Trouble::Failed("not tried: the disk is full".to_owned())));
                }
                let result = self.fetch(object, cache, progress).await;
                if matches!(result, Err(Trouble::Fatal(_))) {
                    stop.store(true, Ordering::Relaxed);
                }
                (object, result)
            }))
            .buffer_unordered(jobs),
            progress,
        ))
    }

    /// Brings one file by its name; gives what the server calls this version of it.
    pub(super) fn download(&self, name: &str, to: &Path, progress: &dyn Progress) -> Result<String, String> {
        let location = Location::from(format!("{}{name}", self.prefix));
        self.runtime.block_on(async {
            let meta = self.patiently(|| self.store.head(&location)).await.map_err(|lost| lost.to_string())?;
            let version = meta.e_tag.unwrap_or_else(|| format!("{}-{}", meta.last_modified.timestamp(), meta.size));
            let (mut have, mut hash) = (0, Streaming::default());
            let mut file = File::create_new(to).map_err(|e| format!("write {}: {e}", to.display()))?;
            let mut tries = Tries::default();
            loop {
                match self.stream(&location, &mut file, to, &mut hash, &mut have, progress).await {
                    Ok(()) if have == meta.size => return Ok(version),
                    Ok(()) => return Err(format!("it has {} bytes, and {have} came", meta.size)),
                    Err(lost) if tries.more(&lost).await => {}
                    Err(lost) => return Err(lost.to_string()),
                }
            }
        })
    }

    async fn send(&self, object: &Object, from: &Path, progress: &dyn Progress) -> Result<(), Lost> {
        let mut file = match File::open(from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Lost::Missing),
            opened => opened.map_err(|e| Lost::local("read", from, &e))?,
        };
        let size = file.metadata().map_err(|e| Lost::local("look at", from, &e))?.len();
        let location = self.location(object);
        if object.kind == HashKind::Dos2Unix {
            // Its digest is over other bytes than its own; small enough is everything of that time to be read twice.
            let md5 = if object.is_dir() { None } else { Some(old_md5(from).map_err(|e| Lost::local("read", from, &e))?) };
            if md5.is_some_and(|md5| md5 != object.md5) {
                return Err(Lost::Damaged(format!("{} is not what its name says", from.display())));
            }
        }
        if let Some(store) = self.parts.as_deref().filter(|_| size > PART_BYTES) {
            let sending = Sending { object, from, part: PART_BYTES.max(size.div_ceil(PARTS_MAX)), location: &location, store };
            return self.send_parts(&sending, &mut file, progress).await;
        }
        if size > WHOLE_BYTES_MAX {
            let why = format!("it has {size} bytes, and this server takes no parts: at most {WHOLE_BYTES_MAX} go in one request");
            return Err(Lost::Failed(why));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(|e| Lost::local("read", from, &e))?;
        right(object, &hash_bytes(&bytes), from)?;
        let bytes = Bytes::from(bytes);
        self.within(self.store.put(&location, PutPayload::from_bytes(bytes.clone()))).await?;
        progress.bytes(bytes.len() as u64);
        Ok(())
    }

    /// What fails of it was repeated part by part: it is not begun anew.
    async fn send_parts(&self, sending: &Sending<'_>, file: &mut File, progress: &dyn Progress) -> Result<(), Lost> {
        let Sending { store, location, .. } = *sending;
        let id = self.patiently(|| store.create_multipart(location)).await?;
        let sent = match self.send_each(sending, &id, file, progress).await {
            // Nothing is there under its name before this.
            Ok(parts) => self.patiently(|| store.complete_multipart(location, &id, parts.clone())).await.map(drop),
            Err(lost) => Err(lost),
        };
        if sent.is_err() {
            let _ = self.within(store.abort_multipart(location, &id)).await;
        }
        sent.map_err(Lost::for_good)
    }

    async fn send_each(
        &self,
        sending: &Sending<'_>,
        id: &MultipartId,
        file: &mut File,
        progress: &dyn Progress,
    ) -> Result<Vec<PartId>, Lost> {
        let Sending { object, from, part, store, location } = *sending;
        let (mut hash, mut parts) = (Streaming::default(), Vec::new());
        loop {
            let mut bytes = Vec::with_capacity(usize::try_from(part).unwrap_or(0));
            (&mut *file).take(part).read_to_end(&mut bytes).map_err(|e| Lost::local("read", from, &e))?;
            if bytes.is_empty() {
                return right(object, &hash.finish(), from).map(|()| parts);
            }
            hash.update(&bytes);
            let bytes = Bytes::from(bytes);
            let put = || store.put_part(location, id, parts.len(), PutPayload::from_bytes(bytes.clone()));
            let sent = self.patiently(put).await?;
            parts.push(sent);
            progress.bytes(bytes.len() as u64);
        }
    }

    async fn fetch(&self, object: &Object, cache: &Cache, progress: &dyn Progress) -> Result<(), Trouble> {
        let fatal = |error: crate::error::PathIo| Trouble::Fatal(format!("{} {}: {}", error.what, error.path.display(), error.source));
        let temporary = cache.temporary().map_err(fatal)?;
        let fetched = self.fetch_to(object, &temporary, progress).await;
        let settled = match fetched {
            Ok(()) => cache.settle(&temporary, &cache.object_of(object.kind, &object.md5)).map_err(fatal),
            Err(lost) => Err(lost.into()),
        };
        if settled.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        settled
    }

    async fn fetch_to(&self, object: &Object, to: &Path, progress: &dyn Progress) -> Result<(), Lost> {
        let mut file = File::create_new(to).map_err(|e| Lost::local("write", to, &e))?;
        let (mut hash, mut have) = (Streaming::default(), 0);
        let mut tries = Tries::default();
        let location = self.location(object);
        loop {
            match self.stream(&location, &mut file, to, &mut hash, &mut have, progress).await {
                Ok(()) => break,
                Err(Lost::NoRanges) if !tries.from_start => {
                    tries.from_start = true;
                    file = File::create(to).map_err(|e| Lost::local("write", to, &e))?;
                    (hash, have) = (Streaming::default(), 0);
                }
                Err(lost) if tries.more(&lost).await => progress.note(&format!("{}: {lost}: again from byte {have}", object.md5)),
                Err(lost) => return Err(lost),
            }
        }
        drop(file);
        let found = match object.kind {
            HashKind::Dos2Unix if !object.is_dir() => old_md5(to).map_err(|e| Lost::local("read", to, &e))?,
            _ => hash.finish().md5,
        };
        if found == object.md5.trim_end_matches(".dir") {
            return Ok(());
        }
        Err(Lost::Damaged(format!("the remote gave {have} bytes of MD5 {found}")))
    }

    /// Appends what is still missing.
    async fn stream(
        &self,
        location: &Location,
        file: &mut File,
        to: &Path,
        hash: &mut Streaming,
        have: &mut u64,
        progress: &dyn Progress,
    ) -> Result<(), Lost> {
        let mut options = GetOptions::new();
        if *have > 0 {
            options = options.with_range(Some(GetRange::Offset(*have)));
        }
        let got = tokio::time::timeout(self.patience.stall, self.store.get_opts(location, options)).await;
        let got = match got.map_err(|_| Lost::Stalled(self.patience.stall))? {
            Ok(got) => got,
            Err(object_store::Error::NotSupported { .. }) if *have > 0 => return Err(Lost::NoRanges),
            Err(error) => return Err(Lost::of(&error)),
        };
        let expected = got.range.end;
        let mut stream = got.into_stream();
        loop {
            let next = tokio::time::timeout(self.patience.stall, stream.next()).await;
            match next.map_err(|_| Lost::Stalled(self.patience.stall))? {
                Some(Ok(bytes)) => {
                    file.write_all(&bytes).map_err(|e| Lost::local("write", to, &e))?;
                    hash.update(&bytes);
                    *have += bytes.len() as u64;
                    progress.bytes(bytes.len() as u64);
                }
                Some(Err(error)) => return Err(Lost::Broken(told(&error))),
                None if *have < expected => return Err(Lost::Broken(format!("it ended after {have} of {expected} bytes"))),
                None => return Ok(()),
            }
        }
    }
}

/// A large object on its way.
#[derive(Clone, Copy)]
struct Sending<'a> {
    object: &'a Object,
    from: &'a Path,
    part: u64,
    location: &'a Location,
    store: &'a dyn MultipartStore,
}

fn right(object: &Object, hash: &FileHash, from: &Path) -> Result<(), Lost> {
    if object.kind == HashKind::Dos2Unix || hash.md5 == object.md5.trim_end_matches(".dir") {
        return Ok(());
    }
    Err(Lost::Damaged(format!("{} has content of MD5 {}", from.display(), hash.md5)))
}

async fn gathered<'a>(results: impl Stream<Item = (&'a Object, Result<(), Trouble>)>, progress: &dyn Progress) -> Moved {
    let mut moved = Moved::default();
    let mut results = std::pin::pin!(results);
    while let Some((object, result)) = results.next().await {
        progress.object();
        match result {
            Ok(()) => moved.done.push(object.clone()),
            Err(trouble) => moved.failed.push((object.clone(), trouble)),
        }
    }
    moved
}
