//! A Python environment per lock file: made once, shared by all workspaces, complete or not there.
//!
//! Its folder is named by the digest of the lock file. The marker that it is complete is written last; a folder without it
//! was left by somebody who died, and is made again. Who comes while it is being made waits.

use crate::error::BuildError;
use crate::lock::Lock;
use crate::observe::{Event, Observer};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use tidegate_core::id::Digest;

/// Oldest Python that is used.
const PYTHON_MIN: (u32, u32) = (3, 11);
/// Names that are looked for on the path, in this order.
const NAMES: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
/// The file that says that an environment is complete.
const MARKER: &str = ".tidegate-complete";
/// Lines kept for the message when a tool fails.
const TAIL_LINES_MAX: usize = 30;

/// An environment that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    /// Its Python.
    pub python: PathBuf,
    /// The folder of its programs.
    pub bin: PathBuf,
    /// Digest of its lock file.
    pub digest: Digest,
}

impl Env {
    /// What a process must have set to run in it.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, OsString)> {
        let mut path = self.bin.clone().into_os_string();
        if let Some(inherited) = inherited_path() {
            path.push(":");
            path.push(inherited);
        }
        let home = self.bin.parent().unwrap_or(&self.bin).to_path_buf();
        vec![("PATH".to_owned(), path), ("VIRTUAL_ENV".to_owned(), home.into()), ("PYTHONHOME".to_owned(), OsString::new())]
    }
}

/// Programs are found where the user's shell finds them.
fn inherited_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// The environment of `lock_file` (pip's requirements format) under `root`, made if it is not there.
///
/// # Errors
/// When there is no usable Python, or a requirement cannot be installed.
pub fn ensure(lock_file: &Path, root: &Path, observer: &mut dyn Observer) -> Result<Env, BuildError> {
    let text = std::fs::read_to_string(lock_file).map_err(BuildError::io("read", lock_file))?;
    let root = std::path::absolute(root).map_err(BuildError::io("find", root))?;
    let digest = Digest::of(text.as_bytes());
    let home = root.join(digest.hex().get(..32).unwrap_or(digest.hex()));
    let env = Env { python: home.join("bin").join("python"), bin: home.join("bin"), digest };
    if is_ready(&home, &env) {
        observer.event(&Event::EnvironmentReady { digest: env.digest.to_string(), reused: true });
        return Ok(env);
    }
    let own = format!("the environment of {} being made", lock_file.display());
    let _lock = Lock::take(&home.with_extension("lock"), &own, &AtomicBool::new(false), observer)?;
    let reused = is_ready(&home, &env);
    if !reused {
        crate::atomic::remove(&home).map_err(BuildError::io("remove the unfinished", &home))?;
        let requirements = text.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/')).count();
        observer.event(&Event::EnvironmentStarted { digest: env.digest.to_string(), requirements });
        make(lock_file, &text, &home, &env, observer).inspect_err(|_| {
            let _ = crate::atomic::remove(&home);
        })?;
    }
    observer.event(&Event::EnvironmentReady { digest: env.digest.to_string(), reused });
    Ok(env)
}

/// Complete, and its Python (a link to the system's) still there.
fn is_ready(home: &Path, env: &Env) -> bool {
    home.join(MARKER).is_file() && env.python.exists()
}

fn make(lock_file: &Path, text: &str, home: &Path, env: &Env, observer: &mut dyn Observer) -> Result<(), BuildError> {
    let (python, version) = find_python()?;
    let mut venv = Command::new(&python);
    venv.args(["-m", "venv", "--clear"]).arg(home);
    let advice = "if its message speaks of ensurepip, install the package python3-venv";
    tool(venv, &format!("make an environment with {}", python.display()), advice, observer)?;
    let has_any = text.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
    if has_any {
        let mut pip = Command::new(&env.python);
        pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar", "off"]);
        if text.lines().any(|l| l.contains("--hash=")) {
            pip.arg("--require-hashes");
        }
        pip.arg("-r").arg(lock_file);
        if let Some(folder) = lock_file.parent().filter(|f| !f.as_os_str().is_empty()) {
            pip.current_dir(folder);
            let name = lock_file.file_name().unwrap_or(lock_file.as_os_str());
            let absolute = std::path::absolute(lock_file).unwrap_or_else(|_| PathBuf::from(name));
            pip = with_requirements(pip, &absolute);
        }
        let what = format!("install the requirements of {}", lock_file.display());
        tool(pip, &what, "check the lock file and that the package index can be reached", observer)?;
    }
    let marker = home.join(MARKER);
    let text = format!("{}\npython {}.{}\n", env.digest, version.0, version.1);
    crate::atomic::write(&marker, text.as_bytes(), true).map_err(BuildError::io("write", &marker))
}

/// The same command with the lock file's whole path, for it runs in the lock file's folder.
fn with_requirements(pip: Command, lock_file: &Path) -> Command {
    let mut arguments: Vec<OsString> = pip.get_args().map(OsString::from).collect();
    if let Some(last) = arguments.last_mut() {
        *last = lock_file.into();
    }
    let mut command = Command::new(pip.get_program());
    command.args(arguments);
    if let Some(folder) = pip.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

/// The first Python on the path that is new enough.
fn find_python() -> Result<(PathBuf, (u32, u32)), BuildError> {
    let path = inherited_path().unwrap_or_default();
    let mut too_old = Vec::new();
    for name in NAMES {
        for directory in std::env::split_paths(&path) {
            let candidate = directory.join(name);
            let Some(version) = python_version(&candidate) else { continue };
            if version >= PYTHON_MIN {
                return Ok((candidate, version));
            }
            too_old.push(format!("{} is {}.{}", candidate.display(), version.0, version.1));
        }
    }
    let found = if too_old.is_empty() { "there is none".to_owned() } else { too_old.join(", ") };
    let message = format!(
        "make an environment: no Python {}.{} or newer on the path ({found}): install python3 and python3-venv",
        PYTHON_MIN.0, PYTHON_MIN.1
    );
    Err(BuildError::Environment { message, tail: Vec::new() })
}

fn python_version(python: &Path) -> Option<(u32, u32)> {
    if !python.is_file() {
        return None;
    }
    let script = "import sys; print(sys.version_info[0], sys.version_info[1])";
    let output = Command::new(python).args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Runs a tool to its end, each line that it writes told.
fn tool(mut command: Command, what: &str, advice: &str, observer: &mut dyn Observer) -> Result<(), BuildError> {
    let program = PathBuf::from(command.get_program());
    let (reader, writer) = std::io::pipe().map_err(BuildError::io("open a pipe for", &program))?;
    let again = writer.try_clone().map_err(BuildError::io("open a pipe for", &program))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(again).env_remove("PYTHONHOME").env_remove("PIP_USER").env("PYTHONUNBUFFERED", "1");
    let mut child = command.spawn().map_err(BuildError::io("run", &program))?;
    // The command holds the pipe's other end open in this process.
    drop(command);
    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).lines() {
        let Ok(line) = line else { continue };
        if tail.len() == TAIL_LINES_MAX {
            tail.pop_front();
        }
        tail.push_back(line.clone());
        observer.event(&Event::EnvironmentLine { line });
    }
    let status = child.wait().map_err(BuildError::io("wait for", &program))?;
    if status.success() {
        return Ok(());
    }
    let last = tail.iter().rev().find(|l: &&String| !l.trim().is_empty()).cloned().unwrap_or_default();
    Err(BuildError::Environment { message: format!("{what}: {status}: {last}; {advice}"), tail: tail.into() })
}
