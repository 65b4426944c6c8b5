//! A workspace in a folder of its own, and the binary run in it: nothing of the user's is read or written, and
//! nothing that was started outlives its test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// Looks before a test gives up: a minute, which only a process that hangs ever takes.
const LOOKS_MAX: u32 = 6_000;
/// What a user sees from a pipeline of one stage that copies a file.
pub const COPY: &str = "stages:\n  one: {cmd: cat in > one, deps: [in], outs: [one]}\n";

/// A server that a test started: it is killed when it goes out of sight.
pub struct Server(Child);

impl Server {
    /// Starts it, without what it says.
    pub fn start(command: &mut Command) -> Server {
        Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A workspace.
pub struct World {
    dir: TempDir,
    commands: AtomicU64,
    /// Variables of commands, beside those of every test.
    variables: Mutex<Vec<(String, String)>>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Standard output as one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The command ended well.
    #[track_caller]
    pub fn well(self) -> Said {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The command ended with `code`, and its message holds every one of `words`, in this order.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Said {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        in_order(&self.err, words);
        self
    }
}

/// `text` holds every one of `words`, one after the other.
#[track_caller]
pub fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("`{word}` is not there, or too early, in:\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

/// Looks until `found` gives something; a generous deadline keeps a broken program from holding the tests.
#[track_caller]
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(value) = found() {
            return value;
        }
        std::thread::sleep(LOOK);
    }
    panic!("waited in vain for {what}");
}

impl World {
    /// An empty folder.
    pub fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        for below in ["ws", "said", "tmp", "cache", "home"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        World { dir, commands: AtomicU64::new(0), variables: Mutex::default() }
    }

    /// A folder with these files.
    pub fn with(files: &[(&str, &str)]) -> World {
        let world = World::new();
        for (path, text) in files {
            world.write(path, text);
        }
        world
    }

    /// A copy of everything in the workspace, to go another way from here.
    pub fn copied(&self) -> World {
        let copy = World::new();
        copy_folder(&self.root(), &copy.root());
        copy
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("ws")
    }

    /// A place beside the workspace.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    pub fn exists(&self, below: &str) -> bool {
        self.path(below).exists()
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_else(|e| panic!("{below}: {e}"))
    }

    pub fn write(&self, below: &str, text: &str) {
        fs::write(self.path(below), text).unwrap();
    }

    /// Commands from now on have this variable.
    pub fn set(&self, name: &str, value: &str) {
        self.variables.lock().unwrap().push((name.to_owned(), value.to_owned()));
    }

    /// The binary, to be run in the workspace with folders of its own for all that it keeps elsewhere.
    fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_tidegate")), args)
    }

    fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.root()).stdin(Stdio::null()).process_group(0);
        command.env("TMPDIR", self.beside("tmp")).env("XDG_CACHE_HOME", self.beside("cache")).env("HOME", self.beside("home"));
        command.env_remove("VIRTUAL_ENV").env_remove("TIDEGATE_TOKEN");
        match library() {
            Some(library) => command.env("TIDEGATE_ONNXRUNTIME", library),
            None => command.env_remove("TIDEGATE_ONNXRUNTIME"),
        };
        command.envs(self.variables.lock().unwrap().iter().cloned());
        command
    }

    /// Starts a command and lets it run.
    pub fn start(&self, args: &[&str]) -> Started {
        self.spawn(self.command(args))
    }

    /// As [`World::start`], from another file than the one that was built.
    pub fn start_from(&self, program: &Path, args: &[&str]) -> Started {
        self.spawn(self.command_of(program, args))
    }

    fn spawn(&self, mut command: Command) -> Started {
        let number = self.commands.fetch_add(1, Ordering::SeqCst);
        let place = |kind: &str| self.beside("said").join(format!("{number}.{kind}"));
        let (out, err) = (place("out"), place("err"));
        // Files, not pipes: a process that nobody reads must not wait for us.
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Started { child: command.spawn().unwrap(), out, err }
    }

    /// Runs a command to its end where no ONNX Runtime is to be found.
    #[track_caller]
    pub fn run_without_runtime(&self, args: &[&str]) -> Said {
        let mut command = self.command(args);
        command.env_remove("TIDEGATE_ONNXRUNTIME");
        self.spawn(command).ended()
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Said {
        self.start(args).ended()
    }

    /// The same, by the person of a token.
    #[track_caller]
    pub fn run_as(&self, token: &str, args: &[&str]) -> Said {
        let mut command = self.command(args);
        command.env("TIDEGATE_TOKEN", token);
        self.spawn(command).ended()
    }

    /// Nothing half-written is left: no temporary file here, in the blobs, or where the system keeps such files.
    #[track_caller]
    pub fn is_clean(&self) {
        let mut left = vec![];
        list(&self.beside("tmp"), &mut left);
        // What ONNX Runtime keeps about its user has a test of its own.
        left.retain(|path| !path.ends_with(".ses"));
        let mut all = vec![];
        list(&self.root(), &mut all);
        let half = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.ends_with(".tmp") || name.ends_with(".partial") || name.starts_with(".tidegate-tmp-")
        };
        left.extend(all.into_iter().filter(half));
        assert_eq!(left, Vec::<PathBuf>::new(), "left over");
    }

    /// Every record of the journal, oldest first, as `stream event`.
    pub fn events(&self) -> Vec<String> {
        let said = self.run(&["journal", "--json", "-n", "1000"]).well();
        let event = |line: &str| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", record["stream"].as_str().unwrap(), record["body"]["event"].as_str().unwrap())
        };
        said.out.lines().map(event).collect()
    }
}

/// All files below `dir`.
pub fn list(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // Permissions go with it: a key that others could read would be refused.
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A running command; it and all that it started end with this value, also when the test fails.
pub struct Started {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Started {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far: results, then notes.
    pub fn so_far(&self) -> (String, String) {
        (fs::read_to_string(&self.out).unwrap(), fs::read_to_string(&self.err).unwrap())
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(mut self) -> Said {
        let status = wait_for("the end of the command", || self.status());
        let (out, err) = self.so_far();
        let code = status.code().unwrap_or_else(|| panic!("ended by signal {:?}: {out}{err}", status.signal()));
        Said { code, out, err }
    }

    /// `kill -9`, for it and its children.
    pub fn kill(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }

    /// What a terminal sends for Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// To the whole group, which the standard library cannot name; one that is gone already is fine.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -s {name} -- -{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
        }
    }
}

/// ONNX Runtime, from `TIDEGATE_ONNXRUNTIME` or from the test environment.
fn library() -> Option<PathBuf> {
    let given = std::env::var_os("TIDEGATE_ONNXRUNTIME").map(PathBuf::from);
    let environment = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/tidegate/test-env"));
    tidegate_runtime::find_library(&given.into_iter().chain(environment).collect::<Vec<_>>()).ok()
}

/// Whether a test that needs ONNX Runtime can be run; says so where it cannot.
pub fn has_runtime() -> bool {
    let has = library().is_some();
    if !has {
        eprintln!("skipped: no ONNX Runtime: set TIDEGATE_ONNXRUNTIME or install `onnxruntime` in ~/.cache/tidegate/test-env");
    }
    has
}
