//! A site: reads its own history, answers rounds, keeps the model. It calls; nothing calls it.

use super::{PHRASE_CHARS_MIN, ROOT, TOLD_BYTES_MAX, WAIT_MS, drawn, shown, token};
use crate::exit::{self, failure};
use crate::steps::risk::{Beside, Folder, For, Owners, labels, train};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_learn::federated::{Hello, Plan, Roster, SITE_ROWS_MIN, Secret, Site};
use tidegate_learn::{RiskModel, Table};
use tidegate_store::disk;
use tidegate_wire::config::RiskPolicy;

/// Time to connect, and for an answer beyond the time that it may wait, in milliseconds.
const CONNECT_MS_MAX: u64 = 10_000;
const ANSWER_MS_MAX: u64 = 60_000;
/// Attempts after a failure that may pass, and the time before the first of them in milliseconds; before each next twice as much.
const RETRIES: u32 = 6;
const RETRY_MS: u64 = 250;
/// Between two words of progress, rounds.
const STEP: u64 = 50;

/// What is wanted.
pub struct Joining {
    /// The coordinator.
    pub url: Url,
    /// This site's name.
    pub site: String,
    /// What people and deliveries say of its changes.
    pub beside: Beside,
    /// Whose changes are left out.
    pub policy: RiskPolicy,
    /// The file with its token.
    pub token: PathBuf,
    /// The file with what sites told each other past the coordinator.
    pub phrase: Option<PathBuf>,
    /// Speak without TLS to another machine.
    pub plain_http: bool,
    /// The repository.
    pub repository: PathBuf,
    /// Up to this revision.
    pub tip: String,
    /// Where the model goes; none: where `risk score` looks for it.
    pub out: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Joined {
    /// Where the model is.
    pub model: PathBuf,
    /// This site.
    pub site: String,
    /// All sites.
    pub sites: Vec<String>,
    /// What all sites show, too.
    pub roster: String,
    /// Rows of this site.
    pub rows: usize,
    /// Rounds that were answered.
    pub rounds: u64,
    /// Bytes of the answers.
    pub sent_bytes: u64,
    /// Bytes of the rounds.
    pub asked_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agreed {
    plan: Plan,
    roster: Roster,
}

/// Whom to call, and as whom.
struct Caller {
    client: reqwest::Client,
    url: Url,
    token: String,
    /// Whether the coordinator said that the training is over: nobody waits for this site then.
    gone: Cell<bool>,
}

impl Caller {
    fn new(joining: &Joining) -> Result<Caller> {
        let url = &joining.url;
        let usage = |why: String| Err(failure(exit::USAGE, format!("join {url}: {why}")));
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.path() != "/" || url.query().is_some() {
            return usage("give the coordinator's address alone, as `https://risk.example.org`".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return usage("no secret stands in an address: the token comes from --token-file".to_owned());
        }
        let near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() == "http" && !near && !joining.plain_http {
            let why = "without TLS the token can be read on the way, and keys be put in place of others: use https, or --plain-http where the way is safe";
            return usage(why.to_owned());
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
            .timeout(Duration::from_millis(WAIT_MS + ANSWER_MS_MAX));
        let client = if near { client.no_proxy() } else { client };
        let client = client.build().context("make a client")?;
        Ok(Caller { client, url: url.clone(), token: token(&joining.token)?, gone: Cell::new(false) })
    }

    /// What it answers; asked again where the way there fails.
    async fn ask(&self, method: Method, path: &str, body: &Bytes) -> Result<(StatusCode, Bytes)> {
        let mut wait_ms = RETRY_MS;
        for attempt in 0.. {
            match self.once(method.clone(), path, body).await {
                Ok((status, bytes)) if !matches!(status.as_u16(), 502..=504) => return self.checked(status, bytes),
                Ok((status, _)) if attempt == RETRIES => return self.checked(status, Bytes::new()),
                Err(why) if attempt == RETRIES => {
                    let why = format!("{:#}", anyhow::Error::from(why).context(format!("call the coordinator at {}", self.url)));
                    return Err(failure(exit::OUTSIDE, format!("{why}: it may have ended; begin again on all sides when it is there")));
                }
                Ok(_) | Err(_) => {
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    wait_ms *= 2;
                }
            }
        }
        Err(failure(exit::OUTSIDE, format!("call the coordinator at {}: no answer", self.url)))
    }

    async fn once(&self, method: Method, path: &str, body: &Bytes) -> reqwest::Result<(StatusCode, Bytes)> {
        let mut url = self.url.clone();
        url.set_path(&format!("{ROOT}/{path}"));
        let mut response = self.client.request(method, url).bearer_auth(&self.token).body(body.clone()).send().await?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > TOLD_BYTES_MAX {
                return Ok((StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes.into()))
    }

    fn checked(&self, status: StatusCode, bytes: Bytes) -> Result<(StatusCode, Bytes)> {
        if status.is_success() || status == StatusCode::SEE_OTHER {
            return Ok((status, bytes));
        }
        let said = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let said = said.and_then(|said| said.get("error")?.as_str().map(str::to_owned)).unwrap_or_default();
        self.gone.set(self.gone.get() || status == StatusCode::GONE);
        let code = if status == StatusCode::GONE { exit::OUTSIDE } else { exit::REFUSED };
        Err(failure(code, format!("the coordinator at {} answers {}: {said}", self.url, status.as_u16())))
    }

    /// What is not there yet is asked for until it is.
    async fn waited(&self, path: &str) -> Result<(StatusCode, Bytes)> {
        loop {
            let (status, bytes) = self.ask(Method::GET, path, &Bytes::new()).await?;
            if status != StatusCode::NO_CONTENT {
                return Ok((status, bytes));
            }
        }
    }

    /// Tells why this site goes away, so that nobody waits for it.
    async fn leave(&self, why: &str) {
        let body = serde_json::json!({ "why": why }).to_string();
        // Who cannot be told finds out by waiting.
        let body = Bytes::from(body);
        let told = self.once(Method::POST, "leave", &body);
        let _ = tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), told).await;
    }
}

fn phrase(file: Option<&Path>) -> Result<String> {
    let Some(file) = file else { return Ok(String::new()) };
    let phrase = token(file)?;
    if phrase.len() < PHRASE_CHARS_MIN {
        let why = format!(
            "read the phrase in {}: it has {} characters, {PHRASE_CHARS_MIN} are the least, and it must be random: make one with `head -c 32 /dev/urandom | base64`",
            file.display(),
            phrase.len()
        );
        return Err(failure(exit::USAGE, why));
    }
    Ok(phrase)
}

/// Reads the repository's history, and trains with the other sites.
///
/// # Errors
/// When too little is known of the repository, the coordinator refuses or is gone, or another site did not answer.
pub fn join(joining: &Joining, seen: &dyn Fn(usize, usize), now: &dyn Fn(&str), note: &dyn Fn(&str)) -> Result<Joined> {
    let caller = Caller::new(joining)?;
    let phrase = phrase(joining.phrase.as_deref())?;
    let folder = Folder::of(&joining.repository);
    let mined = &folder.mine(&joining.repository, &joining.tip, For::Keeping, seen, note)?.mined;
    let owners = Owners::known(&joining.repository, &joining.policy, "train together", note)?;
    let (labels, _) = labels(mined, &joining.beside);
    let table = train::rows(mined, &labels, &owners, None)?.table;
    if table.len() < SITE_ROWS_MIN {
        let why = format!(
            "train together: not enough evidence: {} changes of this repository have an end that is known, {SITE_ROWS_MIN} are the least: fetch the whole history (`git fetch --unshallow`), or leave this site out",
            table.len()
        );
        return Err(failure(exit::NOT_PASSED, why));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a client")?;
    runtime.block_on(async {
        let secret = Secret::new(drawn()?);
        let hello = serde_json::to_vec(&Hello::of(&joining.site, &table, &secret))?;
        caller.ask(Method::POST, "join", &Bytes::from(hello)).await?;
        now("joined; waiting for the other sites");
        let (joined, model) = match rounds(&caller, joining, &table, &secret, &phrase, now, note).await {
            Ok(trained) => trained,
            Err(why) => {
                if !caller.gone.get() {
                    caller.leave(&format!("{why:#}")).await;
                }
                return Err(why);
            }
        };
        let path = joining.out.clone().unwrap_or_else(|| folder.model());
        // What others made is read as strictly as what lies on a disk.
        RiskModel::read(&model).map_err(|why| failure(exit::OUTSIDE, format!("the coordinator's model: {why}")))?;
        let _alone = joining.out.is_none().then(|| folder.alone("train together")).transpose()?;
        disk::replace_file(&path, &model)?;
        Ok(Joined { model: path, ..joined })
    })
}

/// From the roster to the model.
async fn rounds(
    caller: &Caller,
    joining: &Joining,
    table: &Table,
    secret: &Secret,
    phrase: &str,
    now: &dyn Fn(&str),
    note: &dyn Fn(&str),
) -> Result<(Joined, Bytes)> {
    let (_, agreed) = caller.waited("agreed").await?;
    let begun = serde_json::from_slice(&agreed).context("read what all agreed to").and_then(|agreed: Agreed| {
        let site = Site::new(&joining.site, table, &agreed.plan, &agreed.roster, secret, phrase)?;
        Ok((agreed.plan.digest(&agreed.roster)?, agreed.roster, site))
    });
    let (digest, roster, mut site) = begun.map_err(|why| failure(exit::REFUSED, format!("{why:#}")))?;
    let sites: Vec<String> = roster.members().iter().map(|member| member.name.clone()).collect();
    note(&format!("training with {}; all sites must show roster {}", sites.join(", "), shown(&digest)));
    let (mut sent_bytes, mut asked_bytes) = (0, 0);
    for number in 1.. {
        let (status, round) = caller.waited(&format!("rounds/{number}")).await?;
        if status == StatusCode::SEE_OTHER {
            let (_, model) = caller.ask(Method::GET, "model", &Bytes::new()).await?;
            let (model_path, site, rows) = (PathBuf::new(), joining.site.clone(), table.len());
            let joined = Joined { model: model_path, site, sites, roster: digest, rows, rounds: number - 1, sent_bytes, asked_bytes };
            return Ok((joined, model));
        }
        let answer = site.answer(&round).map_err(|why| failure(exit::REFUSED, why.to_string()))?;
        (sent_bytes, asked_bytes) = (sent_bytes + answer.len() as u64, asked_bytes + round.len() as u64);
        caller.ask(Method::POST, &format!("rounds/{number}"), &Bytes::from(answer)).await?;
        if number.is_multiple_of(STEP) {
            now(&format!("round {number} answered"));
        }
    }
    Err(failure(exit::OUTSIDE, "train together: there is no end of rounds"))
}
