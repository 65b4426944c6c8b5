//! `key=value` from the command line, written into the parameter file, where the stages read it.

use crate::error::BuildError;
use crate::observe::{Event, Observer};
use std::path::Path;
use tidegate_core::pipeline::join_path;
use tidegate_wire::dvc::set_param;

const DEFAULT_FILE: &str = "params.yaml";

/// Writes each override into its file. Nothing is written when one of them is wrong.
pub(crate) fn apply(base: &str, root: &Path, overrides: &[String], observer: &mut dyn Observer) -> Result<(), BuildError> {
    let mut files: Vec<(String, String, String)> = Vec::new();
    let mut set = Vec::new();
    for text in overrides {
        let (name, value) = text.split_once('=').ok_or_else(|| BuildError::Override { text: text.clone() })?;
        let (file, key) = name.rsplit_once(':').unwrap_or((DEFAULT_FILE, name));
        let file = join_path(base, file);
        if file.starts_with("..") || file.starts_with('/') || key.is_empty() {
            return Err(BuildError::Override { text: text.clone() });
        }
        let at = match files.iter().position(|(f, ..)| *f == file) {
            Some(at) => at,
            None => {
                let path = root.join(&file);
                let text = std::fs::read_to_string(&path).map_err(BuildError::io("read", &path))?;
                files.push((file.clone(), text.clone(), text));
                files.len() - 1
            }
        };
        files[at].2 = set_param(&file, &files[at].2, key, value)?;
        set.push(Event::ParameterSet { file, key: key.to_owned(), value: value.to_owned() });
    }
    for (file, before, after) in files.iter().filter(|(_, before, after)| before != after) {
        debug_assert_ne!(before, after);
        let path = root.join(file);
        crate::atomic::write(&path, after.as_bytes(), true).map_err(BuildError::io("write", &path))?;
    }
    for event in set {
        observer.event(&event);
    }
    Ok(())
}
