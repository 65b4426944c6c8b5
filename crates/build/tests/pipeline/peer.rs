//! Real DVC, alive in one process for all that a test asks of it.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const DRIVER: &str = include_str!("driver.py");

pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _home: tempfile::TempDir,
}

impl Peer {
    /// DVC by the Python beside the executable that `TIDEGATE_TEST_DVC` names; none, and a line that says so, where it is not set.
    pub fn start() -> Option<Peer> {
        let Some(dvc) = std::env::var_os("TIDEGATE_TEST_DVC").map(PathBuf::from) else {
            let line = "SKIPPED: comparison with DVC: set TIDEGATE_TEST_DVC to a dvc 3 executable to run it\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(dvc.with_file_name("python"))
            .args(["-c", DRIVER])
            .env("SHELL", "/bin/sh")
            .env("DVC_NO_ANALYTICS", "1")
            .env("DVC_TEST", "1")
            .env("DVC_SITE_CACHE_DIR", home.path().join("site"))
            .env("DVC_GLOBAL_CONFIG_DIR", home.path())
            .env("DVC_SYSTEM_CONFIG_DIR", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Peer { child, input, output, _home: home })
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.input, "{request}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("DVC's process answered {line:?} to {request}: {e}"))
    }

    /// What a command writes to its standard output; it must succeed.
    pub fn dvc(&mut self, root: &Path, argv: &[&str]) -> String {
        let answer = self.ask(&json!({"dir": root, "argv": argv}));
        assert_eq!(answer["code"], 0, "dvc {argv:?} in {}: {answer}", root.display());
        answer["out"].as_str().unwrap_or_default().to_owned()
    }

    /// What a command says to people; it must succeed.
    pub fn said(&mut self, root: &Path, argv: &[&str]) -> String {
        let answer = self.ask(&json!({"dir": root, "argv": argv}));
        assert_eq!(answer["code"], 0, "dvc {argv:?} in {}: {answer}", root.display());
        answer["said"].as_str().unwrap_or_default().to_owned()
    }

    /// The stages of a dvc.yaml by DVC's own resolver, or its refusal.
    pub fn expand(&mut self, root: &Path, data: &Value) -> Result<Vec<(String, Value)>, String> {
        let answer = self.ask(&json!({"dir": root, "expand": data}));
        match answer.get("stages") {
            Some(stages) => Ok(serde_json::from_value(stages.clone()).unwrap()),
            None => Err(answer["err"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
