//! Whose paths are whose, where the repository says it, and who has opted out.

use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use tidegate_history::{CODEOWNERS_BYTES_MAX, Change, Mined, Services};
use tidegate_wire::config::RiskPolicy;

/// How much of a change is of owners who have opted out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptedOut {
    /// Nothing.
    None,
    /// Some files and not all.
    Some,
    /// Every file.
    All,
}

/// Owners of a repository, by its CODEOWNERS.
#[derive(Default)]
pub struct Owners {
    services: Option<Services>,
    opted_out: BTreeSet<String>,
}

impl Owners {
    /// Of a repository; `opted_out` is as tidegate.yaml says it.
    ///
    /// # Errors
    /// When CODEOWNERS is there and cannot be read.
    pub fn of(repository: &Path, opted_out: &[String], note: &dyn Fn(&str)) -> Result<Owners> {
        let opted_out = opted_out.iter().map(|name| plain(name)).collect();
        let Some(file) = Services::CODEOWNERS.iter().map(|name| repository.join(name)).find(|file| file.is_file()) else {
            return Ok(Owners { services: None, opted_out });
        };
        let read = || format!("read {}", file.display());
        let mut bytes = Vec::new();
        // One more than may be, so that a longer file is refused as such.
        let most = CODEOWNERS_BYTES_MAX as u64 + 1;
        std::fs::File::open(&file).and_then(|file| file.take(most).read_to_end(&mut bytes)).with_context(read)?;
        let services = match Services::by_codeowners(&String::from_utf8_lossy(&bytes)) {
            Ok(services) => Some(services),
            Err(why) => {
                note(&format!("{}: {why}: owners are not told", file.display()));
                None
            }
        };
        Ok(Owners { services, opted_out })
    }

    /// The same, where whoever tidegate.yaml names under `risk` owns something.
    ///
    /// # Errors
    /// Also when a name is no owner's: what is said of it would silently not be kept.
    pub fn known(repository: &Path, policy: &RiskPolicy, what: &str, note: &dyn Fn(&str)) -> Result<Owners> {
        let owners = Owners::of(repository, &policy.opt_out, note)?;
        let critical = policy.costs.iter().flat_map(|costs| costs.critical.iter().map(|(owner, _)| owner));
        let known: BTreeSet<String> = owners.services.iter().flat_map(Services::owners).map(plain).collect();
        match policy.opt_out.iter().chain(critical).find(|name| !known.contains(&plain(name))) {
            None => Ok(owners),
            Some(name) => {
                let why = format!(
                    "{what}: `risk` of tidegate.yaml names `{name}`, and no CODEOWNERS says what is theirs (people are not looked for, teams alone): write a line for them, or take the name out"
                );
                Err(failure(exit::USAGE, why))
            }
        }
    }

    /// Of a change.
    #[must_use]
    pub fn of_change(&self, mined: &Mined, change: &Change) -> BTreeSet<String> {
        self.services.as_ref().map(|all| all.of_change(mined, change).into_iter().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Of paths.
    pub fn of_paths<'p>(&self, paths: impl Iterator<Item = &'p [u8]>) -> BTreeSet<String> {
        let Some(all) = &self.services else { return BTreeSet::new() };
        paths.flat_map(|path| all.of_path(path).into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Whether anybody has.
    #[must_use]
    pub fn any_opted_out(&self) -> bool {
        !self.opted_out.is_empty()
    }

    /// How much of a change, of each file of it all paths, is of owners who have opted out.
    #[must_use]
    pub fn out_of(&self, files: Vec<Vec<&[u8]>>) -> OptedOut {
        let out = files.iter().filter(|paths| self.opted_out(&self.of_paths(paths.iter().copied()))).count();
        match out {
            0 => OptedOut::None,
            all if all == files.len() => OptedOut::All,
            _ => OptedOut::Some,
        }
    }

    /// Whether one of them has opted out.
    #[must_use]
    pub fn opted_out(&self, owners: &BTreeSet<String>) -> bool {
        owners.iter().any(|name| self.opted_out.contains(&plain(name)))
    }
}

/// `@acme/payments` and `acme/payments` are one.
pub fn plain(name: &str) -> String {
    name.trim_start_matches('@').to_ascii_lowercase()
}
