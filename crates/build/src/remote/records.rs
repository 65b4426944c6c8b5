//! The records of a run-cache at a remote: small files below `runs`, moved whole, in DVC's layout.

use super::cloud::Cloud;
use super::{Place, Remote, directory};
use crate::data::DataError;
use crate::runcache::is_place;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Location;
use object_store::{ObjectStoreExt as _, PutPayload};
use std::collections::HashSet;

impl Remote {
    /// Whether it can hold a run-cache: a server that does not tell what it holds cannot, as with DVC.
    pub(crate) fn keeps_records(&self) -> bool {
        !matches!(&self.place, Place::Cloud(cloud) if !cloud.lists)
    }

    /// Places of all records.
    pub(crate) fn records(&self) -> Result<HashSet<String>, DataError> {
        match &self.place {
            Place::Directory(root) => directory::records(root),
            Place::Cloud(cloud) => cloud.records().map_err(|why| self.error("list the run-cache", why)),
        }
    }

    /// One record after the other, with its content.
    pub(crate) fn read_records(&self, places: &[String]) -> Result<Vec<Vec<u8>>, DataError> {
        match &self.place {
            Place::Directory(root) => {
                places.iter().map(|place| std::fs::read(root.join(place)).map_err(DataError::io("read", &root.join(place)))).collect()
            }
            Place::Cloud(cloud) => cloud.read_records(places, self.jobs).map_err(|why| self.error("read the run-cache", why)),
        }
    }

    /// Writes records.
    pub(crate) fn write_records(&self, records: Vec<(String, Vec<u8>)>) -> Result<(), DataError> {
        match &self.place {
            Place::Directory(root) => records.iter().try_for_each(|(place, bytes)| {
                let path = root.join(place);
                crate::atomic::write(&path, bytes, false).map_err(DataError::io("write", &path))
            }),
            Place::Cloud(cloud) => cloud.write_records(records, self.jobs).map_err(|why| self.error("write the run-cache", why)),
        }
    }
}

impl Cloud {
    fn record(&self, place: &str) -> Location {
        Location::from(format!("{}{place}", self.prefix))
    }

    fn records(&self) -> Result<HashSet<String>, String> {
        self.runtime.block_on(async {
            let mut pages = self.store.list(Some(&self.record("runs")));
            let mut found = HashSet::new();
            while let Some(meta) = self.within(async { pages.try_next().await }).await.map_err(|lost| lost.to_string())? {
                let place = meta.location.as_ref().strip_prefix(&self.prefix).unwrap_or_default();
                if is_place(place) {
                    found.insert(place.to_owned());
                }
            }
            Ok(found)
        })
    }

    fn read_records(&self, places: &[String], jobs: usize) -> Result<Vec<Vec<u8>>, String> {
        self.runtime.block_on(async {
            let read = futures::stream::iter(places.iter().map(|place| async move {
                let location = self.record(place);
                let bytes = self.patiently(|| async { self.store.get(&location).await?.bytes().await }).await;
                bytes.map(|b| b.to_vec()).map_err(|lost| format!("{place}: {lost}"))
            }));
            read.buffered(jobs).try_collect().await
        })
    }

    fn write_records(&self, records: Vec<(String, Vec<u8>)>, jobs: usize) -> Result<(), String> {
        self.runtime.block_on(async {
            let written = futures::stream::iter(records.into_iter().map(|(place, bytes)| async move {
                let (location, bytes) = (self.record(&place), bytes::Bytes::from(bytes));
                let put = self.patiently(|| self.store.put(&location, PutPayload::from_bytes(bytes.clone()))).await;
                put.map(drop).map_err(|lost| format!("{place}: {lost}"))
            }));
            written.buffer_unordered(jobs).try_collect::<Vec<()>>().await.map(drop)
        })
    }
}
