//! DVC's own locks, taken as DVC takes them: `.dvc/tmp/lock` while its files are replaced, and an entry in `.dvc/tmp/rwlock` for
//! what a stage reads and writes while it runs. Where DVC would fail, this waits and says for whom.

use crate::error::PathIo;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a waiting one looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Looks before the wait is told: DVC holds its lock for moments all the time.
const QUIET_LOOKS: u32 = 4;
/// Longest command that is shown.
const COMMAND_CHARS_MAX: usize = 200;

/// The locks of a repository.
pub(crate) struct DvcLocks {
    folder: Option<PathBuf>,
    /// Our own threads take turns: the locks of files are the process's.
    turn: Mutex<()>,
}

/// A stage's entry in `rwlock`; dropping it takes the entry away.
pub(crate) struct Entry<'a> {
    locks: &'a DvcLocks,
    reads: Vec<String>,
    writes: Vec<String>,
}

impl DvcLocks {
    /// The locks of the repository whose folder is `dvc`; none to take where there is no repository.
    pub(crate) fn new(dvc: Option<&Path>) -> DvcLocks {
        // A folder that Git would see is made by DVC alone, together with the file that hides it.
        let hidden = |d: &&Path| d.join("tmp").is_dir() || d.join(".gitignore").is_file();
        DvcLocks { folder: dvc.filter(hidden).map(|d| d.join("tmp")), turn: Mutex::new(()) }
    }

    /// The lock of the repository. None when it was asked to stop meanwhile, or there is no repository.
    pub(crate) fn repository(&self, cancel: &AtomicBool, tell: &mut dyn FnMut(String)) -> Result<Option<File>, PathIo> {
        let Some(folder) = &self.folder else { return Ok(None) };
        take(&folder.join("lock"), cancel, tell)
    }

    /// Enters what a stage reads and writes (absolute paths), once nobody else writes any of it or reads what it writes.
    /// None when it was asked to stop meanwhile.
    pub(crate) fn enter(
        &self,
        reads: Vec<String>,
        writes: Vec<String>,
        cancel: &AtomicBool,
        tell: &mut dyn FnMut(String),
    ) -> Result<Option<Entry<'_>>, PathIo> {
        let mut told = String::new();
        let mut looks = 0;
        loop {
            let blocker = self.edit(cancel, tell, |entries| {
                if let Some(blocker) = blocker(entries, &reads, &writes) {
                    return Some(blocker);
                }
                add(entries, &reads, &writes);
                None
            })?;
            let Some(blocker) = blocker else { return Ok(Some(Entry { locks: self, reads, writes })) };
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            looks += 1;
            if looks >= QUIET_LOOKS && told != blocker {
                tell(blocker.clone());
                told = blocker;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Changes `rwlock` under its own lock. Nothing is written when there was nothing to change.
    fn edit<T: Default>(
        &self,
        cancel: &AtomicBool,
        tell: &mut dyn FnMut(String),
        change: impl FnOnce(&mut Entries) -> T,
    ) -> Result<T, PathIo> {
        let Some(folder) = &self.folder else { return Ok(T::default()) };
        let _turn = self.turn.lock();
        std::fs::create_dir_all(folder).map_err(PathIo::at("create", folder))?;
        let Some(_held) = take(&folder.join("rwlock.lock"), cancel, tell)? else { return Ok(T::default()) };
        let path = folder.join("rwlock");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(PathIo::at("read", &path)(error)),
        };
        // A damaged file is what a killed process left: nobody can be told from it.
        let mut entries = Entries::parse(&text);
        let before = entries.clone();
        let answer = change(&mut entries);
        if entries != before {
            std::fs::write(&path, entries.render()).map_err(PathIo::at("write", &path))?;
        }
        Ok(answer)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let own = own();
        // What cannot be taken away is known to be stale by our process's end.
        let _ = self.locks.edit(&AtomicBool::new(false), &mut |_| {}, |entries| {
            for path in &self.writes {
                if entries.write.get(path) == Some(&own) {
                    entries.write.shift_remove(path);
                }
            }
            for path in &self.reads {
                if let Some(Value::Array(readers)) = entries.read.get_mut(path) {
                    if let Some(at) = readers.iter().position(|reader| *reader == own) {
                        readers.remove(at);
                    }
                    if readers.is_empty() {
                        entries.read.shift_remove(path);
                    }
                }
            }
        });
    }
}

/// Who reads and who writes, by path: process and command.
#[derive(Clone, Default, PartialEq)]
struct Entries {
    read: Map<String, Value>,
    write: Map<String, Value>,
}

impl Entries {
    fn parse(text: &str) -> Entries {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let of = |key: &str| value.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        Entries { read: of("read"), write: of("write") }
    }

    fn render(&self) -> String {
        json!({"write": self.write, "read": self.read}).to_string()
    }
}

fn own() -> Value {
    json!({"pid": std::process::id(), "cmd": "tidegate run"})
}

fn add(entries: &mut Entries, reads: &[String], writes: &[String]) {
    for path in writes {
        entries.write.insert(path.clone(), own());
    }
    for path in reads {
        if let Value::Array(readers) = entries.read.entry(path.clone()).or_insert_with(|| json!([])) {
            readers.push(own());
        }
    }
}

/// Somebody alive who is in the way.
fn blocker(entries: &Entries, reads: &[String], writes: &[String]) -> Option<String> {
    let overlaps = |a: &str, b: &str| {
        let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        inside(a, b) || inside(b, a)
    };
    let alive = |info: &Value| {
        let pid = info.get("pid").and_then(Value::as_u64).and_then(|p| u32::try_from(p).ok())?;
        let others = pid != std::process::id() && is_alive(pid);
        let command = info.get("cmd").and_then(Value::as_str).unwrap_or("an unknown command");
        others.then(|| format!("process {pid}: {}", command.chars().take(COMMAND_CHARS_MAX).collect::<String>()))
    };
    let in_way = |path: &String, infos: &Value, waiting: &[&[String]]| {
        let path = waiting.iter().copied().flatten().any(|w| overlaps(w, path)).then_some(path)?;
        let who = match infos {
            Value::Array(infos) => infos.iter().find_map(alive),
            info => alive(info),
        };
        who.map(|who| format!("{who}, which uses {path}"))
    };
    let writers = entries.write.iter().find_map(|(p, infos)| in_way(p, infos, &[reads, writes]));
    writers.or_else(|| entries.read.iter().find_map(|(p, infos)| in_way(p, infos, &[writes])))
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(error) if error == rustix::io::Errno::SRCH))
}

/// A lock file as DVC takes it: locked by its descriptor, with the process's number in it.
fn take(path: &Path, cancel: &AtomicBool, tell: &mut dyn FnMut(String)) -> Result<Option<File>, PathIo> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(PathIo::at("create", parent))?;
    }
    let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open.map_err(PathIo::at("open the lock", path))?;
    let mut looks = 0;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(error) if error == rustix::io::Errno::WOULDBLOCK || error == rustix::io::Errno::INTR => {}
            Err(error) => return Err(PathIo::at("take the lock", path)(error.into())),
        }
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        looks += 1;
        if looks == QUIET_LOOKS {
            tell(holder(path));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    // For the message of whoever waits for us; the lock itself is held without it.
    let _ = file.set_len(0).and_then(|()| file.write_all(format!(" {}\n", std::process::id()).as_bytes()));
    Ok(Some(file))
}

/// Who has written their number into a lock file.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_string(&mut text));
    let pid = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    let Some(pid) = pid else { return format!("whoever holds {}", path.display()) };
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command: String = command.replace('\0', " ").trim().chars().take(COMMAND_CHARS_MAX).collect();
    if command.is_empty() { format!("process {pid}, which holds DVC's lock") } else { format!("process {pid}: {command}") }
}

#[cfg(test)]
mod tests {
    use super::{DvcLocks, Entries, add, blocker};
    use std::sync::atomic::AtomicBool;

    #[test]
    fn only_the_living_are_in_the_way() {
        let mut entries =
            Entries::parse(r#"{"write": {"/r/data": {"pid": 1, "cmd": "dvc add data"}}, "read": {"/r/in": [{"pid": 1, "cmd": "dvc"}]}}"#);
        let path = |p: &str| vec![p.to_owned()];
        let found = blocker(&entries, &path("/r/data/x"), &[]);
        assert_eq!(found.as_deref(), Some("process 1: dvc add data, which uses /r/data"));
        assert!(blocker(&entries, &[], &path("/r/in")).is_some());
        assert!(blocker(&entries, &path("/r/in"), &path("/r/database")).is_none());
        add(&mut entries, &path("/r/z"), &[]);
        assert!(blocker(&entries, &[], &path("/r/z")).is_none(), "we do not wait for ourselves");
        let dead = Entries::parse(r#"{"write": {"/r/data": {"pid": 4194304, "cmd": "x"}}}"#);
        assert!(blocker(&dead, &path("/r/data"), &[]).is_none());
    }

    #[test]
    fn entries_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let locks = DvcLocks::new(Some(dir.path()));
        let go = AtomicBool::new(false);
        let read = || std::fs::read_to_string(dir.path().join("tmp/rwlock")).unwrap();
        let entry = locks.enter(vec!["/a".to_owned()], vec!["/b".to_owned()], &go, &mut |_| {}).unwrap().unwrap();
        assert!(read().contains("tidegate run") && read().contains("/b"), "{}", read());
        drop(entry);
        assert_eq!(read(), r#"{"write":{},"read":{}}"#);
        assert!(locks.repository(&go, &mut |_| {}).unwrap().is_some());
        assert!(DvcLocks::new(None).enter(vec![], vec![], &go, &mut |_| {}).unwrap().is_some());
    }
}
