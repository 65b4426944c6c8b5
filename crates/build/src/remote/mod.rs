//! Remotes: where objects of the cache go to be shared, in DVC's layout.
//!
//! A directory is read and written with the file system's own calls; S3 and what speaks its language, Google's and Azure's
//! storage and plain HTTP go through `object_store`. What arrives is hashed on its way and refused under a wrong name; what
//! goes out is hashed before it is there under its name. Calls go to the host that the configuration names, and to the one
//! where its credentials are exchanged; nowhere else. Not here: which objects are wanted (`data::sync`).

mod client;
mod cloud;
pub(crate) mod directory;
mod lost;
mod open;
mod progress;
mod records;

pub use open::{Stored, stored};
pub use progress::{NoProgress, Progress};

use crate::cache::Cache;
use crate::data::DataError;
use std::collections::HashSet;
use std::path::PathBuf;
use tidegate_wire::dvc::tracked::HashKind;

/// Transfers at once, where the configuration says nothing: four a core, as with DVC.
pub const JOBS_PER_CORE: usize = 4;
/// Most transfers at once.
pub const JOBS_MAX: usize = 256;

/// One object of a cache: the kind of its digest and the digest, with `.dir` for a listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// How the digest was made.
    pub kind: HashKind,
    /// 32 hex digits, perhaps with `.dir`.
    pub md5: String,
}

impl Object {
    /// Where it lies, from the remote's root.
    #[must_use]
    pub fn place(&self) -> String {
        let (head, tail) = self.md5.split_at_checked(2).unwrap_or(("00", &self.md5));
        match self.kind {
            HashKind::Md5 => format!("files/md5/{head}/{tail}"),
            HashKind::Dos2Unix => format!("{head}/{tail}"),
        }
    }

    /// The object that lies at a place.
    #[must_use]
    pub fn at(place: &str) -> Option<Object> {
        let (kind, rest) = place.strip_prefix("files/md5/").map_or((HashKind::Dos2Unix, place), |rest| (HashKind::Md5, rest));
        let (head, tail) = rest.split_once('/')?;
        let md5 = format!("{head}{tail}");
        (head.len() == 2 && !tail.contains('/') && tidegate_wire::dvc::tracked::is_oid(&md5)).then_some(Object { kind, md5 })
    }

    /// Whether it is the listing of a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.md5.ends_with(".dir")
    }
}

/// Why one object did not go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is not there.
    Missing,
    /// Its content is not what its name says.
    Damaged(String),
    /// Something outside failed.
    Failed(String),
    /// Something here failed for all: a full disk.
    Fatal(String),
}

/// What became of a transfer of many objects.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Objects that are now where they should be.
    pub(crate) done: Vec<Object>,
    /// Those that are not, and why.
    pub(crate) failed: Vec<(Object, Trouble)>,
}

/// A remote that was opened.
pub(crate) struct Remote {
    /// Its name.
    pub(crate) name: String,
    /// Where it is, without secrets.
    pub(crate) url: String,
    jobs: usize,
    place: Place,
}

enum Place {
    Directory(PathBuf),
    Cloud(Box<cloud::Cloud>),
}

impl Remote {
    /// Which of these are there.
    pub(crate) fn have(&self, objects: &[Object]) -> Result<HashSet<Object>, DataError> {
        match &self.place {
            Place::Directory(root) => directory::have(root, objects),
            Place::Cloud(cloud) => cloud.have(objects, self.jobs).map_err(|why| self.error("look for objects", why)),
        }
    }

    /// Everything that is there.
    pub(crate) fn list(&self) -> Result<Vec<Object>, DataError> {
        match &self.place {
            Place::Directory(root) => directory::list(root),
            Place::Cloud(cloud) => cloud.list(self.jobs).map_err(|why| self.error("list the objects", why)),
        }
    }

    /// Sends objects of the cache.
    pub(crate) fn put(&self, cache: &Cache, objects: &[Object], progress: &dyn Progress) -> Moved {
        match &self.place {
            Place::Directory(root) => directory::put(root, cache, objects, progress),
            Place::Cloud(cloud) => cloud.put(cache, objects, self.jobs, progress),
        }
    }

    /// Brings objects into the cache.
    pub(crate) fn get(&self, cache: &Cache, objects: &[Object], progress: &dyn Progress) -> Moved {
        match &self.place {
            Place::Directory(root) => directory::get(root, cache, objects, progress),
            Place::Cloud(cloud) => cloud.get(cache, objects, self.jobs, progress),
        }
    }

    /// Removes objects, in this order.
    pub(crate) fn delete(&self, objects: &[Object]) -> Result<(), DataError> {
        match &self.place {
            Place::Directory(root) => directory::delete(root, objects),
            Place::Cloud(cloud) => cloud.delete(objects, self.jobs).map_err(|why| self.error("remove objects", why)),
        }
    }

    /// An error that names this remote.
    pub(crate) fn error(&self, what: &str, why: String) -> DataError {
        DataError::Remote { what: format!("{what} at the remote '{}' ({})", self.name, self.url), names: vec![why] }
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn places_are_those_of_dvc() {
        for (place, is) in [
            ("files/md5/60/b04210063b0fdf15866193a80f61bf.dir", true),
            ("60/b04210063b0fdf15866193a80f61bf", true),
            ("files/md5/60/b0", false),
            ("files/md5/.tidegate-tmp-1-2", false),
            ("runs/60/b04210063b0fdf15866193a80f61bf", false),
        ] {
            let object = Object::at(place);
            assert_eq!(object.is_some(), is, "{place}");
            assert_eq!(object.map(|o| o.place()), is.then(|| place.to_owned()));
        }
    }
}
