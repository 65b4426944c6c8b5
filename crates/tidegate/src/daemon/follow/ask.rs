//! How a follower asks its control plane.

use super::{FOLLOW, Told, WAIT_MS};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tidegate_core::id::Digest;
use tidegate_runtime::MODEL_BYTES_MAX;

/// Time to connect, and for an answer beyond the time that it may wait, in milliseconds.
const CONNECT_MS_MAX: u64 = 2_000;
const ANSWER_MS_MAX: u64 = 10_000;
/// How long the first answer may wait for routes, in milliseconds.
const FIRST_WAIT_MS: u64 = 1_000;
/// Bytes of what is told.
const TOLD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time for one file, in milliseconds.
const FILE_MS_MAX: u64 = 600_000;

/// Whom to ask, and as whom.
pub struct Asker {
    /// The control plane, as `http://host:port`.
    pub of: Uri,
    pub token: String,
    pub name: String,
}

impl Asker {
    /// Other routes than those of this run and generation; none where there are none for a while.
    pub async fn ask(&self, applied: Option<(u64, u64)>, trouble: Option<&str>) -> Result<Option<Told>> {
        let mut path = format!("{FOLLOW}{}/routes?", self.name);
        match applied {
            Some((epoch, generation)) => path.push_str(&format!("epoch={epoch}&applied={generation}&")),
            // Who has nothing is told soon that there is nothing, and takes what it has on its disk.
            None => path.push_str(&format!("wait_ms={FIRST_WAIT_MS}&")),
        }
        if let Some(trouble) = trouble {
            path.push_str(&format!("trouble={}", encoded(trouble)));
        }
        let (status, bytes) = self.get(&path, TOLD_BYTES_MAX, WAIT_MS + ANSWER_MS_MAX).await?;
        match status {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::OK => Ok(Some(serde_json::from_slice(&bytes).context("read what is told")?)),
            status => bail!("it answers {}: {}", status.as_u16(), said(&bytes)),
        }
    }

    /// A file of a version, whole and undamaged.
    pub async fn file(&self, name: &str, digest: &Digest) -> Result<Bytes> {
        let limit = usize::try_from(MODEL_BYTES_MAX).unwrap_or(usize::MAX);
        let (status, bytes) = self.get(&format!("{FOLLOW}{}/files/{digest}", self.name), limit, FILE_MS_MAX).await?;
        if status != StatusCode::OK {
            bail!("fetch {name}: it answers {}: {}", status.as_u16(), said(&bytes));
        }
        if Digest::of(&bytes) != *digest {
            bail!("fetch {name}: what came is not {digest}: it was damaged on its way");
        }
        Ok(bytes)
    }

    async fn get(&self, path: &str, bytes_max: usize, within_ms: u64) -> Result<(StatusCode, Bytes)> {
        let host = self.of.authority().map(ToString::to_string).unwrap_or_default();
        let connect = tokio::net::TcpStream::connect(&host);
        let stream = tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), connect).await;
        let stream = stream.with_context(|| format!("connect to {host} within {CONNECT_MS_MAX} ms"))?;
        let stream = stream.with_context(|| format!("connect to {host}"))?;
        let asked = async {
            let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let driver = crate::task::spawn(driver);
            let request = Request::get(path)
                .header("host", &host)
                .header("authorization", format!("Bearer {}", self.token))
                .body(Empty::<Bytes>::new())?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            driver.abort();
            let body = body.map_err(|why| anyhow::anyhow!("read the answer: {why}"))?;
            Ok::<_, anyhow::Error>((status, body.to_bytes()))
        };
        tokio::time::timeout(Duration::from_millis(within_ms), asked).await.with_context(|| format!("no answer within {within_ms} ms"))?
    }
}

/// The sentence of `{"error": ..}`.
fn said(bytes: &[u8]) -> String {
    let said = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    said.and_then(|said| said["error"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// A text as it can stand in a query.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
