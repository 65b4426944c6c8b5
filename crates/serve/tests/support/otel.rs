//! OpenTelemetry's own packages, for the crate's tests and those of its gateway.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs OpenTelemetry's packages; none where there are none.
pub fn others(what: &str, input: &[u8]) -> Option<String> {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_OTEL") else {
        eprintln!("skipped: TIDEGATE_TEST_OTEL names no Python with the packages of scripts/otel-requirements.lock");
        return None;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otel/check.py");
    let mut command = Command::new(python);
    command.args([script, what]).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // Beside the reading: what is long fills both pipes.
    let written = std::thread::spawn(move || stdin.write_all(&input));
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    written.join().unwrap().unwrap();
    Some(String::from_utf8(out.stdout).unwrap())
}
