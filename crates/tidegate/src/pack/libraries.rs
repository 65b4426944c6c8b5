//! The shared libraries that a program asks for, found where the system's loader looks when it has no other word.
//!
//! As `ldd` would list them, without running anything. Not here: `ld.so.conf` and `LD_LIBRARY_PATH`: an image has neither.

use crate::exit::{self, failure};
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use tidegate_wire::elf::{Elf, ElfError};

/// Libraries that one image takes up.
const LIBRARIES_MAX: usize = 64;

/// What a file asks for.
///
/// # Errors
/// When it cannot be read, or is no program or library of Linux.
pub fn asked(path: &Path) -> Result<Elf> {
    let file = File::open(path).with_context(|| format!("read {}", path.display()))?;
    Elf::read(&mut |from, count| {
        let mut bytes = vec![0; count];
        file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    })
    .map_err(|error| match error {
        ElfError::Read(error) => anyhow::Error::new(error).context(format!("read {}", path.display())),
        other => failure(exit::USAGE, format!("read {}: {other}", path.display())),
    })
}

/// The processor that a program or a library is for.
///
/// # Errors
/// As [`asked`].
pub fn machine(path: &Path) -> Result<&'static str> {
    Ok(asked(path)?.machine)
}

/// Folders in which the loader of this machine looks of itself: Debian's, then those of the others.
fn folders(machine: &str) -> Vec<PathBuf> {
    let triplet = format!("{machine}-linux-gnu");
    [format!("/lib/{triplet}"), format!("/usr/lib/{triplet}"), "/lib64".into(), "/usr/lib64".into(), "/lib".into(), "/usr/lib".into()]
        .into_iter()
        .map(PathBuf::from)
        .collect()
}

/// Everything that these files need to run, beside themselves: the place that each is looked for at, and the file that is there.
///
/// # Errors
/// When one cannot be found, or is for another machine.
pub fn needed(files: &[&Path]) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut waiting: VecDeque<PathBuf> = files.iter().map(|path| path.to_path_buf()).collect();
    let mut machine = None;
    while let Some(path) = waiting.pop_front() {
        let elf = asked(&path)?;
        let machine = *machine.get_or_insert(elf.machine);
        if elf.machine != machine {
            bail!("{} is for {}, and what needs it for {machine}", path.display(), elf.machine);
        }
        if let Some(loader) = &elf.interpreter {
            add(&mut found, &mut waiting, PathBuf::from(loader))?;
        }
        for name in &elf.needed {
            let known = found.keys().any(|place: &PathBuf| place.file_name().is_some_and(|n| n == name.as_str()));
            if known {
                continue;
            }
            let place = folders(machine).into_iter().map(|folder| folder.join(name)).find(|place| place.is_file()).with_context(|| {
                let (path, first) =
                    (path.display(), folders(machine).into_iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "));
                format!("{path} needs {name}, and none of {first} has it: install it, or stack the image on one that has it, with --base")
            })?;
            add(&mut found, &mut waiting, place)?;
        }
    }
    Ok(found)
}

fn add(found: &mut BTreeMap<PathBuf, PathBuf>, waiting: &mut VecDeque<PathBuf>, place: PathBuf) -> Result<()> {
    if found.contains_key(&place) {
        return Ok(());
    }
    if found.len() >= LIBRARIES_MAX {
        bail!("gather libraries: more than {LIBRARIES_MAX} are needed: stack the image on one that has them, with --base");
    }
    // The name is a link to the file of a release, as `libstdc++.so.6` to `libstdc++.so.6.0.30`: the image has the file under the name.
    let file = place.canonicalize().with_context(|| format!("find the library {}", place.display()))?;
    waiting.push_back(file.clone());
    found.insert(place, file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_this_program_are_those_that_it_runs_with() {
        let program = std::env::current_exe().unwrap();
        let found = needed(&[&program]).unwrap();
        let names: Vec<_> = found.keys().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).collect();
        assert!(names.iter().any(|name| name.starts_with("libc.so.")), "{names:?}");
        // What the system has mapped into this very process, but for what it makes up itself.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mapped = maps.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| format!("/{path}"));
        for path in mapped.filter(|path| path.contains(".so")) {
            assert!(found.values().any(|file| file == Path::new(&path)), "{path} is not among {found:?}");
        }
    }

    #[test]
    fn a_script_is_no_program() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "#!/bin/sh\n").unwrap();
        let why = machine(file.path()).unwrap_err().to_string();
        assert!(why.contains("it is no program or library of Linux"), "{why}");
    }
}
