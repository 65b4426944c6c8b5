//! `remote`: which remotes there are, and changing the configuration that names them.

use super::error::DataError;
use super::repo::Repo;
use std::path::PathBuf;
use tidegate_wire::dvc::config::{DvcConfig, remote_section, with_key, without_section};

impl Repo {
    /// Names and places of all remotes.
    #[must_use]
    pub fn remotes(&self) -> Vec<(String, String)> {
        let url = |keys: &tidegate_wire::dvc::config::Section| keys.get("url").cloned().unwrap_or_default();
        self.config.remotes().map(|(name, keys)| (name.to_owned(), url(keys))).collect()
    }

    fn config_file(&self, local: bool) -> PathBuf {
        self.dvc.join(if local { "config.local" } else { "config" })
    }

    fn edit(&self, local: bool, change: impl FnOnce(String) -> Result<String, DataError>) -> Result<(), DataError> {
        let path = self.config_file(local);
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(DataError::io("read", &path)(error)),
        };
        let new = change(old)?;
        DvcConfig::parse(&path.display().to_string(), &new).map_err(DataError::Config)?;
        crate::atomic::write(&path, new.as_bytes(), true).map_err(DataError::io("write", &path))
    }

    /// Adds a remote; a relative path is written as seen from the configuration, as DVC writes it.
    ///
    /// # Errors
    /// When there is one of that name already (and not `force`), or the file cannot be written.
    pub fn remote_add(&self, name: &str, url: &str, default: bool, force: bool, local: bool) -> Result<(), DataError> {
        if name.is_empty() || name.contains(['"', '\'', '\n', ']', '[']) {
            return Err(DataError::Usage(format!("'{name}' cannot be the name of a remote")));
        }
        if self.config.remote(name).is_some() && !force {
            return Err(DataError::Refused(format!("remote '{name}' already exists: --force replaces it")));
        }
        let url = self.stored_url(url);
        self.edit(local, |text| {
            let section = remote_section(name);
            let text = with_key(&without_section(&text, &section), &section, "url", Some(&url));
            Ok(if default { with_default(&text, Some(name)) } else { text })
        })
    }

    fn stored_url(&self, url: &str) -> String {
        if url.contains("://") || url.starts_with('/') || url.starts_with('~') {
            return url.to_owned();
        }
        // From `.dvc`: up to the repository, then as from where the command was given.
        let mut parts: Vec<&str> = vec![".."];
        let here = self.cwd.strip_prefix(&self.root).ok().and_then(|p| p.to_str()).unwrap_or_default();
        for part in here.split('/').chain(url.split('/')) {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|p| *p != "..") => drop(parts.pop()),
                other => parts.push(other),
            }
        }
        parts.join("/")
    }

    /// Sets a key of a remote, or takes it away.
    ///
    /// # Errors
    /// When there is no such remote, or the file cannot be written.
    pub fn remote_modify(&self, name: &str, key: &str, value: Option<&str>, local: bool) -> Result<(), DataError> {
        self.known(name)?;
        let value = value.map(|v| if key == "url" { self.stored_url(v) } else { v.to_owned() });
        self.edit(local, |text| Ok(with_key(&text, &remote_section(name), &key.to_lowercase(), value.as_deref())))
    }

    /// Makes a remote the default one, or none.
    ///
    /// # Errors
    /// When there is no such remote, or the file cannot be written.
    pub fn remote_default(&self, name: Option<&str>, local: bool) -> Result<(), DataError> {
        if let Some(name) = name {
            self.known(name)?;
        }
        self.edit(local, |text| Ok(with_default(&text, name)))
    }

    /// Removes a remote from the configuration; what it holds stays.
    ///
    /// # Errors
    /// When there is no such remote, or the file cannot be written.
    pub fn remote_remove(&self, name: &str, local: bool) -> Result<(), DataError> {
        self.known(name)?;
        let was_default = self.default_remote().is_some_and(|d| d.eq_ignore_ascii_case(name));
        self.edit(local, |text| {
            let text = without_section(&text, &remote_section(name));
            Ok(if was_default { with_key(&text, "core", "remote", None) } else { text })
        })
    }

    fn known(&self, name: &str) -> Result<(), DataError> {
        if self.config.remote(name).is_some() {
            return Ok(());
        }
        Err(DataError::NotFound(format!("there is no remote '{name}': `tidegate remote list`")))
    }
}

/// The section of the default remote comes first in a new file, as DVC writes it.
fn with_default(text: &str, name: Option<&str>) -> String {
    if !text.contains("[core]") && name.is_some() {
        return with_key("[core]\n", "core", "remote", name) + text;
    }
    with_key(text, "core", "remote", name)
}
