//! The follower's side: a gateway that takes its routes from a control plane elsewhere, and from its own disk when that is gone.

use super::{FOLLOW, Target, Told, WAIT_MS};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_core::id::Digest;
use tidegate_core::route::{RouteTable, TargetId};
use tidegate_runtime::MODEL_BYTES_MAX;
use tidegate_serve::{Gateway, TargetSpec, TargetState};
use tidegate_store::disk;

/// What was applied last.
const ROUTES_FILE: &str = "routes.json";
/// Waits before a control plane that cannot be reached is asked again, in milliseconds: the first, and the longest.
const AGAIN_MS: u64 = 200;
const AGAIN_MS_MAX: u64 = 5_000;
/// Time to connect, and for an answer beyond the time that it may wait, in milliseconds.
const CONNECT_MS_MAX: u64 = 2_000;
const ANSWER_MS_MAX: u64 = 10_000;
/// Bytes of what is told.
const TOLD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time for one file, in milliseconds.
const FILE_MS_MAX: u64 = 600_000;

/// Whom to follow, and where.
pub struct Follower {
    /// The control plane, as `http://host:port`.
    pub of: Uri,
    pub token: String,
    pub name: String,
    /// Where its routes and versions lie.
    pub dir: PathBuf,
    pub gateway: Gateway,
}

/// What a follower has come to.
#[derive(Default)]
struct Applied {
    /// Run and generation of the control plane.
    at: Option<(u64, u64)>,
    /// Generation of its own gateway: that of another control plane may be lower.
    own: u64,
    trouble: Option<String>,
}

impl Follower {
    /// Follows for ever; `say` is told what happens.
    pub async fn follow(&self, say: &(dyn Fn(&str) + Send + Sync)) {
        let mut applied = Applied::default();
        match self.from_disk(&mut applied).await {
            Ok(true) => say("serves by the routes on its disk"),
            Ok(false) => {}
            Err(why) => say(&format!("the routes on its disk cannot be taken: {why:#}")),
        }
        let mut wait_ms = AGAIN_MS;
        let mut gone = false;
        loop {
            let found = self.ask(&applied).await;
            match found {
                Ok(told) => {
                    if std::mem::take(&mut gone) {
                        say(&format!("{} answers again", self.of));
                    }
                    wait_ms = AGAIN_MS;
                    let Some(told) = told else { continue };
                    match self.take(&told, &mut applied).await {
                        Ok(()) => {
                            applied.trouble = None;
                            say(&format!("routes of generation {} are in force", told.table.generation));
                            continue;
                        }
                        Err(why) => {
                            let why = format!("{why:#}");
                            say(&format!("routes of generation {} are not taken, those before stand: {why}", told.table.generation));
                            applied.trouble = Some(why);
                        }
                    }
                }
                Err(why) => {
                    if !std::mem::replace(&mut gone, true) {
                        say(&format!("{} does not answer, the routes stand as they are: {why:#}", self.of));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms = (wait_ms * 2).min(AGAIN_MS_MAX);
        }
    }

    /// Takes what was applied last; false where there is nothing.
    async fn from_disk(&self, applied: &mut Applied) -> Result<bool> {
        let path = self.dir.join(ROUTES_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(why) => return Err(why).with_context(|| format!("read {}", path.display())),
        };
        let told: Told = serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
        self.load(&told, false).await?;
        self.apply(&told, applied)?;
        Ok(true)
    }

    /// Other routes than those that are applied; none where there are none for a while.
    async fn ask(&self, applied: &Applied) -> Result<Option<Told>> {
        let mut path = format!("{FOLLOW}{}/routes?", self.name);
        if let Some((epoch, generation)) = applied.at {
            path.push_str(&format!("epoch={epoch}&applied={generation}&"));
        }
        if let Some(trouble) = &applied.trouble {
            path.push_str(&format!("trouble={}", encoded(trouble)));
        }
        let (status, bytes) = self.get(&path, TOLD_BYTES_MAX, WAIT_MS + ANSWER_MS_MAX).await?;
        match status {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::OK => Ok(Some(serde_json::from_slice(&bytes).context("read what is told")?)),
            status => bail!("it answers {}: {}", status.as_u16(), said(&bytes)),
        }
    }

    /// Loads what the routes need and puts them in force; nothing is changed where that does not work out.
    async fn take(&self, told: &Told, applied: &mut Applied) -> Result<()> {
        self.load(told, true).await?;
        let text = serde_json::to_vec(told).context("write what is told")?;
        self.apply(told, applied)?;
        disk::replace_private_file(&self.dir.join(ROUTES_FILE), &text)?;
        let needed: BTreeSet<&TargetId> = told.targets.iter().map(|t| &t.target).collect();
        let pool = self.gateway.pool();
        for (target, _) in pool.states() {
            if !needed.contains(&target) {
                // No route needs it any more.
                pool.unload(&target).await?;
            }
        }
        Ok(())
    }

    fn apply(&self, told: &Told, applied: &mut Applied) -> Result<()> {
        let own = applied.own + 1;
        self.gateway.apply(RouteTable { generation: own, ..told.table.clone() })?;
        (applied.own, applied.at) = (own, Some((told.epoch, told.table.generation)));
        Ok(())
    }

    async fn load(&self, told: &Told, may_fetch: bool) -> Result<()> {
        let pool = self.gateway.pool();
        for of in &told.targets {
            let dir = self.directory(of, may_fetch).await.with_context(|| format!("lay out {}", of.target))?;
            pool.ensure(TargetSpec { conduct: of.conduct.clone(), ..TargetSpec::new(of.target.clone(), of.model.clone(), dir) })?;
        }
        for of in &told.targets {
            match pool.settled(&of.target).await {
                Some(TargetState::Ready) => {}
                Some(TargetState::Failed { why }) => {
                    // Out of the way, so that it is tried anew.
                    let _ = pool.unload(&of.target).await;
                    bail!("load {}: {why}", of.target);
                }
                _ => bail!("load {}: it was taken away meanwhile", of.target),
            }
        }
        Ok(())
    }

    /// The directory of a version: known by its files, so that nothing else can lie there.
    async fn directory(&self, of: &Target, may_fetch: bool) -> Result<PathBuf> {
        let named: Vec<String> = of.files.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
        let key = Digest::of(named.join("\n").as_bytes()).as_str().replace(':', "-");
        let dir = self.dir.join("versions").join(key);
        if dir.is_dir() {
            return Ok(dir);
        }
        if !may_fetch {
            bail!("its files are not there");
        }
        let making = dir.with_extension("making");
        let _ = std::fs::remove_dir_all(&making);
        std::fs::create_dir_all(&making).with_context(|| format!("create {}", making.display()))?;
        for (name, digest) in &of.files {
            if Path::new(name).components().count() != 1 || !super::is_name(name) {
                bail!("`{name}` is no name of a file");
            }
            let limit = usize::try_from(MODEL_BYTES_MAX).unwrap_or(usize::MAX);
            let (status, bytes) = self.get(&format!("{FOLLOW}{}/files/{digest}", self.name), limit, FILE_MS_MAX).await?;
            if status != StatusCode::OK {
                bail!("fetch {name}: it answers {}: {}", status.as_u16(), said(&bytes));
            }
            if Digest::of(&bytes) != *digest {
                bail!("fetch {name}: what came is not {digest}: it was damaged on its way");
            }
            std::fs::write(making.join(name), &bytes).with_context(|| format!("write {}", making.join(name).display()))?;
        }
        std::fs::rename(&making, &dir).with_context(|| format!("move {} into place", dir.display()))?;
        Ok(dir)
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
