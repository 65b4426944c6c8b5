//! Commands that speak to the `tidegate up` of their workspace, over its socket.

use crate::daemon::{owner, standby};
use crate::exit::{self, failure};
use crate::surroundings;
use crate::workspace::Places;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Asks the process that is up; `what` names the operation in messages.
///
/// # Errors
/// When nobody is up, it has just died, or it refuses; its words and exit code come through.
pub fn ask(places: &Places, what: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    if !owner::is_up(places) {
        return Err(not_up(places, what));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a client")?;
    runtime.block_on(send(places, what, method, path, body))
}

fn not_up(places: &Places, what: &str) -> anyhow::Error {
    let advice = "start it with `tidegate up`, then try again";
    if let Some(where_to) = standby::elsewhere(places) {
        return failure(exit::OUTSIDE, format!("{what}: no `tidegate up` acts in {}: {where_to}", places.root.display()));
    }
    match owner::find(places) {
        Some(owner) => failure(
            exit::OUTSIDE,
            format!(
                "{what}: the `tidegate up` of this workspace (process {}) has died: {advice}; what it had acknowledged is in the journal",
                owner.pid
            ),
        ),
        None => failure(exit::OUTSIDE, format!("{what}: no `tidegate up` runs in {}: {advice}", places.root.display())),
    }
}

async fn send(places: &Places, what: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let stream = match tokio::net::UnixStream::connect(places.socket()).await {
        Ok(stream) => stream,
        Err(e) => return Err(not_up(places, what).context(format!("connect to {}: {e}", places.socket().display()))),
    };
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("speak to `tidegate up`")?;
    crate::task::spawn(driver);
    let text = body.map_or_else(String::new, Value::to_string);
    let mut request = Request::builder();
    if let Some(token) = surroundings::person_token() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request
        .method(method)
        .uri(path)
        .header("host", "tidegate")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(text)))
        .context("build a request")?;
    let response = sender.send_request(request).await.map_err(|e| not_up(places, what).context(format!("no answer: {e}")))?;
    let status = response.status();
    let bytes = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|e| anyhow::anyhow!("{what}: read the answer: {e}"))?
        .to_bytes();
    let value: Value = serde_json::from_slice(&bytes).with_context(|| format!("{what}: the answer is no JSON"))?;
    if status == StatusCode::OK {
        return Ok(value);
    }
    let code = value.get("exit_code").and_then(Value::as_u64).and_then(|c| u8::try_from(c).ok()).unwrap_or(exit::OUTSIDE);
    Err(failure(code, value.get("error").and_then(Value::as_str).unwrap_or("refused without a word").to_owned()))
}
