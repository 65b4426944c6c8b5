//! `tidegate up`: the whole loop, with gateway and console.

use super::Context;
use crate::clock;
use crate::daemon::events::{Bus, Happening};
use crate::daemon::handover::{self, Successor, Wish};
use crate::daemon::play::{Ending, Player};
use crate::daemon::start::{self, Options, Running};
use crate::daemon::story;
use crate::exit;
use crate::show::{self, progress::Progress, style};
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use tidegate_core::workspace::Outcome;
use tidegate_store::audit;
use tokio::sync::broadcast::error::RecvError;

/// How to be up.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Directory of the workspace
    #[arg(value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// End when the loop is done, also on a terminal
    #[arg(long)]
    once: bool,
    /// Take free ports instead of the configured ones
    #[arg(long)]
    any_port: bool,
    /// Name of this replica, where the workspace has `replicas`; else the machine's
    #[arg(long, value_name = "NAME")]
    replica: Option<String>,
    /// Takes over from the process that starts this one
    #[arg(long, hide = true)]
    handed: bool,
}

/// Carries it out.
pub fn up(context: &Context, args: &UpArgs) -> Result<u8> {
    let started = clock::instant();
    // While there is one thread alone: handles have their numbers.
    let given = handover::given()?;
    let dir = args.workspace.clone().unwrap_or_else(|| context.dir.clone());
    let opened = workspace::open(&dir)?;
    if args.once && opened.scenario.is_none() {
        return Err(exit::failure(
            exit::USAGE,
            "up --once: there is no scenario.yaml here, so no loop that could be done: leave --once out to serve what is released",
        ));
    }
    let once = args.once || !std::io::stdout().is_terminal();
    let bus = Bus::new();
    let printer = print(bus.listen(), context.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let json = context.json;
    let options = Options { any_port: args.any_port, replica: args.replica.clone(), handed: args.handed, given };
    let done = runtime.block_on(async move {
        let (mut wish, successor) = (Wish::listen()?, Successor::of_this()?);
        let running = start::start(opened, bus.clone(), options, started).await?;
        if !json {
            bus.done(format!("{} {}", style::strong("console"), running.login));
            let scheme = if running.opened.config.gateway_tls.is_some() { "https" } else { "http" };
            bus.done(format!("{} {scheme}://{}", style::strong("gateway"), running.plane.gateway().address()));
        }
        let ending = tokio::select! {
            ending = round(&running) => ending,
            () = asked_to_end() => { bus.done("stopping; `tidegate up` goes on from here"); Ok(None) }
            () = may_hand_over(&running, &successor, &mut wish) => {
                handover::hand_over(running, &successor, &mut wish, asked_to_end()).await;
                return Ok(exit::OK);
            }
        };
        let ended = close(running, ending, once, json, &bus).await;
        // The printer ends when nobody can tell anything any more.
        drop(bus);
        ended
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    let _ = printer.join();
    done
}

/// Ctrl-C, or the signal by which service managers end a process.
pub async fn asked_to_end() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Returns when somebody wishes that another program take over, and it could.
async fn may_hand_over(running: &Running, successor: &Successor, wish: &mut Wish) {
    loop {
        wish.come().await;
        let refused = match () {
            () if running.opened.scenario.is_some() => Some("the loop of a scenario ends where it began: wait for its end".to_owned()),
            () if running.seated() => Some("replicas take over from each other: start another one and end this one".to_owned()),
            () => successor.check(&running.opened.places.root).await.err().map(|why| format!("{why:#}")),
        };
        match refused {
            None => {
                running.bus.done("handing over to the program that stands where this one was started from");
                return;
            }
            Some(why) => running.bus.trouble(&format!("nothing is handed over: {why}")),
        }
    }
}

/// The loop of a scenario; a workspace without one is served as its journal says.
async fn round(running: &Running) -> Result<Option<Ending>> {
    if running.opened.scenario.is_none() {
        running.bus.done(
            "no scenario.yaml here: serving what is released; `tidegate run`, `check` and `release start` go on from another terminal",
        );
        std::future::pending::<()>().await;
    }
    Player::new(running)?.play().await.map(Some)
}

async fn close(running: Running, ending: Result<Option<Ending>>, once: bool, json: bool, bus: &Bus) -> Result<u8> {
    let ending = match ending {
        Ok(ending) => ending,
        Err(error) => {
            running.stop().await;
            return Err(error);
        }
    };
    let Some(ending) = ending else {
        running.stop().await;
        return Ok(exit::OK);
    };
    let link = format!("http://{}", running.console);
    if !once {
        bus.done(format!("{} stays up at {}; Ctrl-C ends it", style::strong("tidegate"), running.login));
        asked_to_end().await;
    }
    let places = running.opened.places.clone();
    running.stop().await;
    let vkey = std::fs::read_to_string(places.keys().join("vkey")).context("read the log's public key")?;
    let verified = audit::verify(&places.log(), vkey.trim(), None).map_err(|e| exit::failure(e.exit_code(), e.to_string()))?;
    // On a thread that may wait, as for a database.
    let rows = tokio::task::spawn_blocking(move || -> Result<audit::JournalVerified> {
        let mut journal = places.journal()?.open_read_only()?;
        audit::verify_journal(&mut journal, &places.log(), vkey.trim()).map_err(|e| exit::failure(e.exit_code(), e.to_string()))
    });
    let rows = rows.await??;
    summary(&ending, verified.size, rows.unsealed, &link, json)?;
    Ok(if ending.as_expected { exit::OK } else { exit::NOT_PASSED })
}

fn summary(ending: &Ending, sealed: u64, unsealed: u64, link: &str, json: bool) -> Result<()> {
    if json {
        return show::json(
            &serde_json::json!({ "loop": ending, "journal": { "verified": true, "sealed": sealed, "unsealed": unsealed }, "console": link }),
        );
    }
    let word = |outcome: Option<Outcome>| match outcome {
        Some(Outcome::Live | Outcome::Promoted | Outcome::NoDrift) => style::good(outcome.map_or("", Outcome::words)),
        Some(Outcome::Failed | Outcome::Refused) => style::bad(outcome.map_or("", Outcome::words)),
        Some(other) => style::warn(other.words()),
        None => style::quiet("not reached"),
    };
    show::line("")?;
    for (name, outcome, sentence) in &ending.acts {
        // What the name and the word have said is not said again.
        let said = format!("{name} {}", outcome.map_or("", Outcome::words));
        let rest = sentence.strip_prefix(&said).unwrap_or(sentence).trim_start_matches([',', ';', ' ']);
        show::line(&format!("{:<12} {}: {rest}", style::strong(name), word(*outcome)))?;
    }
    show::line(&format!("{}  {sealed} records verified against the signed checkpoint", style::strong("journal")))?;
    if let Some(ms) = ending.first_prediction_ms {
        show::line(&format!("{}  first prediction served after {:.1} s", style::strong("timing"), ms as f64 / 1000.0))?;
    }
    show::line(&format!("{}  each decision with its evidence: `tidegate up` again, then {link}", style::strong("console")))
}

/// Prints what happens, on a thread of its own.
fn print(mut happenings: tokio::sync::broadcast::Receiver<Happening>, json: bool) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let progress = Progress::new(json);
        loop {
            match happenings.blocking_recv() {
                Ok(Happening::Progress(text)) => progress.now(&text),
                Ok(happening) => {
                    if let Some(line) = story::line_of(&happening) {
                        progress.done(&line);
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
        progress.clear();
    })
}
