//! The coordinator: makes tokens, listens, trains, writes the model.

use super::desk::Desk;
use super::{drawn, print_of, serve, token};
use crate::clock;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_history::Features;
use tidegate_learn::federated::{self, Joint, Plan, SITES_MAX, SITES_MIN};
use tidegate_stats::scoring::AucInterval;
use tidegate_store::disk;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long sites are waited for that have not fetched the model, and that have not heard that there is none, in milliseconds.
const PARTING_MS: u64 = 30_000;
const FAILING_MS: u64 = 5_000;
/// What the name of the file ends with that tries whether the model can be written.
const TRIAL_SUFFIX: &str = ".trial";
/// Between two words of progress, rounds.
const STEP: u64 = 50;

/// What is wanted.
pub struct Leading {
    /// Names of the sites.
    pub sites: Vec<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where each site's token lies, or is made.
    pub tokens: PathBuf,
    /// Where the model goes.
    pub out: PathBuf,
    /// Trees of each of the times that trees are boosted; none: as one repository alone.
    pub trees: Option<usize>,
    /// Parts that the values of a feature are cut into.
    pub bins: Option<usize>,
    /// No site counts for more rows.
    pub site_rows_most: Option<u64>,
    /// How long sites may take to join, and then to answer a round.
    pub join_within: Duration,
    /// See `join_within`.
    pub answer_within: Duration,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Led {
    /// Where the model is.
    pub model: PathBuf,
    /// Names of the sites.
    pub sites: Vec<String>,
    /// What all sites show, too.
    pub roster: String,
    /// Rows of all sites, and how many of them hurt.
    pub rows: u64,
    /// See `rows`.
    pub hurt: u64,
    /// Rounds that it took.
    pub rounds: u64,
    /// Bytes that all sites sent in answer.
    pub received_bytes: u64,
    /// How well a model of each site's earlier rows ranked its youngest ones, by the cells in which their scores lie.
    pub held_auc: Option<AucInterval>,
    /// How many these were.
    pub held_rows: usize,
}

fn plan(leading: &Leading) -> Result<Plan> {
    // What a history may not know is left out, so that all sites have the same.
    let names = Features::NAMES.iter().copied().filter(|name| !Features::NOT_ALWAYS_KNOWN.contains(name));
    let mut plan = Plan::of(names, clock::now().0 / 1_000)?;
    plan.recipe.boosting.trees = leading.trees.unwrap_or(plan.recipe.boosting.trees);
    plan.bins = leading.bins.unwrap_or(plan.bins);
    plan.site_rows_most = leading.site_rows_most.unwrap_or(plan.site_rows_most);
    plan.check().map_err(|why| failure(exit::USAGE, why.to_string()))?;
    Ok(plan)
}

/// The token of each site, made where there is none.
fn tokens(folder: &Path, names: &BTreeSet<String>, note: &dyn Fn(&str)) -> Result<serve::Tokens> {
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let mut tokens = serve::Tokens::new();
    for name in names {
        let file = folder.join(format!("{name}.token"));
        if !file.exists() {
            disk::replace_private_file(&file, format!("tdg_site_{}\n", hex::encode(drawn()?)).as_bytes())?;
            note(&format!("made {}: bring it to site {name}, and to nobody else", file.display()));
        }
        let print = print_of(&token(&file)?);
        if tokens.iter().any(|(_, other)| *other == print) {
            let why = format!("read {}: another site has the same token: remove the file, and a new one is made", file.display());
            return Err(failure(exit::USAGE, why));
        }
        tokens.push((name.clone(), print));
    }
    Ok(tokens)
}

fn names(sites: &[String]) -> Result<BTreeSet<String>> {
    let wrong = |why: String| Err(failure(exit::USAGE, format!("train together: --sites: {why}")));
    let names: BTreeSet<String> = sites.iter().cloned().collect();
    if names.len() != sites.len() || !(SITES_MIN..=SITES_MAX).contains(&names.len()) {
        let why =
            format!("name {SITES_MIN} to {SITES_MAX} different sites; of two, each would know the other's sums by taking away its own");
        return wrong(why);
    }
    match names.iter().find(|name| !federated::is_site_name(name)) {
        Some(name) => wrong(format!("`{name}` is no name of a site: it has 1 to 64 letters, digits, `-`, `_` or `.`")),
        None => Ok(names),
    }
}

/// Tries whether the model can be written: found out hours later, the work of all sites would be lost.
fn try_out(out: &Path) -> Result<()> {
    if out.is_dir() {
        return Err(failure(exit::USAGE, format!("train together: --out {}: it is a folder: name a file", out.display())));
    }
    let mut trial = out.as_os_str().to_owned();
    trial.push(TRIAL_SUFFIX);
    disk::replace_file(Path::new(&trial), b"").with_context(|| {
        format!("train together: try --out {}: name a file in a folder that is there and can be written to", out.display())
    })?;
    std::fs::remove_file(&trial).with_context(|| format!("remove {}", Path::new(&trial).display()))
}

/// What listens, until it is told to stop.
struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn open(listen: SocketAddr, router: axum::Router, note: &dyn Fn(&str)) -> Result<Server> {
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
            failure(exit::OUTSIDE, format!("listen on {listen}: {e}: end the other program, or name another address with --listen"))
        })?;
        let address = listener.local_addr().context("find the address")?;
        note(&format!("sites join at http://{address}"));
        if !address.ip().is_loopback() {
            note("this is no address of this machine alone: put a proxy with TLS in front, and have sites join at https://");
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = stopped.await;
        });
        Ok(Server { stop, task: crate::task::spawn(async move { serve.await }) })
    }

    /// Lets answers that are on their way arrive: a site knows the end when it has all bytes of it, not when they were handed over.
    async fn close(self, within: Duration) {
        let _ = self.stop.send(());
        // Who does not take its answer in this time does without.
        let _ = tokio::time::timeout(within, self.task).await;
    }
}

/// Trains with all sites.
///
/// # Errors
/// When a site does not join or answer in time, or cannot; when the rows of all teach nothing; when the disk fails.
pub fn lead(leading: &Leading, now: &dyn Fn(&str), note: &dyn Fn(&str)) -> Result<Led> {
    let names = names(&leading.sites)?;
    let plan = plan(leading)?;
    let tokens = tokens(&leading.tokens, &names, note)?;
    try_out(&leading.out)?;
    let desk = Arc::new(Desk::new(plan.clone(), names.clone()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let router = serve::router(desk.clone(), tokens);
    let server = runtime.block_on(Server::open(leading.listen, router, note))?;
    let trained = train(leading, &plan, &desk, now).map_err(|why| {
        let code =
            if matches!(why, federated::Failed::Trained(_) | federated::Failed::Fitted(_)) { exit::NOT_PASSED } else { exit::OUTSIDE };
        failure(code, why.to_string())
    });
    // Here first: what sites have, the coordinator has too.
    let kept = trained.and_then(|(joint, roster, model)| {
        disk::replace_file(&leading.out, &model)?;
        Ok((joint, roster, model))
    });
    let (ended, within) = match &kept {
        Ok((_, _, model)) => (Ok(Bytes::from(model.clone())), Duration::from_millis(PARTING_MS)),
        Err(why) => (Err(format!("{why:#}")), Duration::from_millis(FAILING_MS)),
    };
    desk.end(ended, within);
    runtime.block_on(server.close(within));
    let (joint, roster, _) = kept?;
    Ok(Led {
        model: leading.out.clone(),
        sites: names.into_iter().collect(),
        roster,
        rows: joint.rows,
        hurt: joint.hurt,
        rounds: joint.rounds,
        received_bytes: desk.received(),
        held_auc: joint.held_auc(),
        held_rows: joint.fitted.calibrated_on,
    })
}

fn train(leading: &Leading, plan: &Plan, desk: &Desk, now: &dyn Fn(&str)) -> Result<(Joint, String, Vec<u8>), federated::Failed> {
    let roster = desk.gather(leading.join_within, |there| now(&format!("waiting for sites; there are: {there}")))?;
    let joint = federated::lead(plan, &mut |round| {
        if round.number == 1 || round.number.is_multiple_of(STEP) {
            now(&format!("round {}", round.number));
        }
        desk.sum(&roster, round, leading.answer_within)
    })?;
    let model = joint.model(0, &[])?.write().map_err(|why| federated::Failed::Model(why.to_string()))?;
    Ok((joint, plan.digest(&roster)?, model))
}
