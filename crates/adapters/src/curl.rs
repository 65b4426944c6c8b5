//! Requests carried by the system's `curl`, with its certificates and proxies. Secrets go through its standard input,
//! so that no list of processes shows them.

use crate::{Http, HttpError, Request, Response};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Longest time of a request in seconds.
const TIMEOUT_S: u32 = 60;
/// Attempts after a failure that may pass: `curl` tells them and waits longer each time.
const RETRIES: u32 = 3;
/// Largest answer in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Longest time of a request of somebody who waits for its answer, in seconds.
pub const BRIEF_S: u32 = 6;

/// The same for an API that is asked again by who needs it.
const TRUSTING_S: u32 = 20;

/// The system's `curl`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Curl;

/// The same for somebody who waits: within seconds, and once.
#[derive(Clone, Copy, Debug, Default)]
pub struct BriefCurl;

impl Http for Curl {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        sent(request, TIMEOUT_S, RETRIES)
    }
}

impl Http for BriefCurl {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        sent(request, BRIEF_S, 0)
    }
}

/// The same for a server whose certificate other authorities vouch for than those of the system, once.
#[derive(Clone, Debug, Default)]
pub struct CurlTrusting {
    /// File of the authorities, PEM; none: those of the system.
    pub ca: Option<String>,
}

impl Http for CurlTrusting {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let trusts = self.ca.as_ref().map(|ca| format!("cacert = \"{}\"\n", quoted(ca))).unwrap_or_default();
        answer_to(request, &(settings(request, TRUSTING_S, 0) + &trusts))
    }
}

fn sent(request: &Request, timeout_s: u32, retries: u32) -> Result<Response, HttpError> {
    answer_to(request, &settings(request, timeout_s, retries))
}

fn answer_to(request: &Request, settings: &str) -> Result<Response, HttpError> {
    let failed = |why: String| HttpError { method: request.method, url: request.url.clone(), why };
    let output = run(settings).map_err(failed)?;
    let text = String::from_utf8_lossy(&output);
    let (body, status) = text.rsplit_once('\n').ok_or_else(|| failed("the answer has no status".to_owned()))?;
    let status = status.trim().parse().map_err(|_| failed(format!("the answer has the status `{status}`")))?;
    Ok(Response { status, body: serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())) })
}

/// Runs `curl` with these settings; what it printed, or why it failed.
pub(crate) fn run(settings: &str) -> Result<Vec<u8>, String> {
    let mut child = Command::new("curl")
        .args(["--disable", "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("run `curl`: {e}: install it"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(settings.as_bytes()).map_err(|e| format!("give `curl` its settings: {e}"))?;
    }
    let output = child.wait_with_output().map_err(|e| format!("wait for `curl`: {e}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// A value within quotes of `curl`'s settings.
pub(crate) fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
    text
}

fn settings(request: &Request, timeout_s: u32, retries: u32) -> String {
    let mut lines = vec![
        format!("url = \"{}\"", quoted(&request.url)),
        format!("request = \"{}\"", request.method),
        "silent".to_owned(),
        "show-error".to_owned(),
        format!("max-time = {timeout_s}"),
        format!("max-filesize = {ANSWER_BYTES_MAX}"),
        "write-out = \"\\n%{http_code}\"".to_owned(),
        "user-agent = \"tidegate\"".to_owned(),
    ];
    // A new comment that was answered late must not be posted twice.
    if request.method != "POST" && retries > 0 {
        lines.push(format!("retry = {retries}"));
    }
    if let Some(sign) = &request.sign {
        lines.push(format!("aws-sigv4 = \"{}\"", quoted(&sign.scope)));
        lines.push(format!("user = \"{}\"", quoted(&sign.user)));
    }
    lines.extend(request.headers.iter().map(|(name, value)| format!("header = \"{}: {}\"", quoted(name), quoted(value))));
    if let Some(body) = &request.body {
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            lines.push("header = \"Content-Type: application/json\"".to_owned());
        }
        lines.push(format!("data-raw = \"{}\"", quoted(&body.to_string())));
    }
    lines.join("\n") + "\n"
}
