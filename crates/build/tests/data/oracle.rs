//! Real DVC in one long-lived process: starting it takes longer than most of what it is asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

pub struct Oracle {
    _child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
    _site: tempfile::TempDir,
}

pub struct Answer {
    pub code: i64,
    pub out: String,
    pub err: String,
}

pub fn skipped(what: &str, variable: &str) {
    // Not `eprintln!`, which a passing test does not show.
    let line = format!("SKIPPED: {what}: set {variable} to run it\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The Python beside the program that a variable names.
fn python_beside(variable: &str) -> Option<PathBuf> {
    let program = PathBuf::from(std::env::var_os(variable)?);
    Some(program.parent()?.join("python"))
}

impl Oracle {
    pub fn start(python: &Path) -> Oracle {
        let site = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle.py");
        let mut child = Command::new(python)
            .arg(script)
            .env("DVC_NO_ANALYTICS", "1")
            .env("DVC_SITE_CACHE_DIR", site.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_DEFAULT_REGION", "us-east-1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = child.stdin.take().unwrap();
        let answer = BufReader::new(child.stdout.take().unwrap());
        Oracle { _child: child, ask, answer, _site: site }
    }

    pub fn call(&mut self, cwd: &Path, arguments: &[&str]) -> Answer {
        let request = serde_json::json!({ "cwd": cwd, "args": arguments });
        writeln!(self.ask, "{request}").unwrap();
        let mut line = String::new();
        self.answer.read_line(&mut line).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("dvc {arguments:?}: {e}: {line}"));
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Answer { code: value["code"].as_i64().unwrap(), out: text("out"), err: text("err") }
    }

    /// A call that must succeed; gives what it printed.
    pub fn ok(&mut self, cwd: &Path, arguments: &[&str]) -> String {
        let answer = self.call(cwd, arguments);
        assert_eq!(answer.code, 0, "dvc {arguments:?} in {}: {}{}", cwd.display(), answer.out, answer.err);
        answer.out
    }

    /// What it printed, as JSON.
    pub fn json(&mut self, cwd: &Path, arguments: &[&str]) -> serde_json::Value {
        let out = self.ok(cwd, arguments);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("dvc {arguments:?}: {e}: {out}"))
    }
}

/// The one DVC of this run; none, with a line that says so, where no DVC is named.
pub fn dvc() -> Option<std::sync::MutexGuard<'static, Oracle>> {
    static ORACLE: OnceLock<Option<Mutex<Oracle>>> = OnceLock::new();
    let oracle = ORACLE.get_or_init(|| python_beside("TIDEGATE_TEST_DVC").map(|python| Mutex::new(Oracle::start(&python))));
    if oracle.is_none() {
        skipped("comparison with DVC", "TIDEGATE_TEST_DVC (a dvc 3 executable)");
    }
    oracle.as_ref().map(|o| o.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// `moto_server`, whose environment also has a DVC that speaks S3.
pub fn moto() -> Option<(PathBuf, PathBuf)> {
    let found = std::env::var_os("TIDEGATE_TEST_MOTO").map(PathBuf::from).zip(python_beside("TIDEGATE_TEST_MOTO"));
    if found.is_none() {
        skipped("S3 beside DVC", "TIDEGATE_TEST_MOTO (a moto_server executable beside a dvc[s3])");
    }
    found
}
