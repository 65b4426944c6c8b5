//! `tidegate bundle`: takes a version out of a workspace as one file, and serves it where there is neither a workspace nor a network.

use super::Context;
use super::up::asked_to_end;
use crate::daemon::events::Bus;
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::pack::made::{self, Parts, Wanted};
use crate::pack::opened::Opened;
use crate::pack::serve::{Served, Serving};
use crate::pack::trial::Trial;
use crate::show;
use crate::surroundings;
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tidegate_core::model::{ModelVersion, State};
use tidegate_serve::limits::TOKENS_MAX;
use tidegate_store::tlog::LogVerifier;
use tidegate_store::{FsBlobs, Keys};
use tidegate_wire::bundle;

/// The alias of the version that is taken where none is named.
const CHAMPION: &str = "champion";
/// Random bytes of a token that is made for one run.
const TOKEN_BYTES: usize = 24;

/// What to bundle, or what to do with a bundle.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BundleArgs {
    #[command(flatten)]
    make: Option<MakeArgs>,
    #[command(subcommand)]
    command: Option<BundleCommand>,
}

/// A new bundle.
#[derive(Debug, Args)]
pub struct MakeArgs {
    /// Model, with a version or an alias where not `champion` is meant: `MODEL`, `MODEL@VERSION` or `MODEL:ALIAS`
    #[arg(value_name = "MODEL[@VERSION|:ALIAS]")]
    pub model: String,
    /// File that is written; packed where it ends with .gz or .tgz
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Program that serves it, as one for another machine; this one when not given
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// ONNX Runtime that goes with it; the one of this workspace when not given
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
}

/// What to do with a bundle.
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Holds every member against the manifest and asks the golden requests
    Verify {
        #[command(flatten)]
        which: WhichArgs,
    },
    /// Verifies it, and serves it when its golden requests are answered right
    Run(RunArgs),
}

/// Which bundle.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// A bundle, or the folder that one was unpacked to
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    path: PathBuf,
    /// Public key that must have signed it: the text, or a file that holds it, as the workspace's `.tidegate/keys/vkey`
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
}

/// How to serve a bundle.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// File with the tokens that may ask, one a line; one is made for this run when not given
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Name of the model in the protocol's paths; the bundle's when not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Carries it out.
pub fn bundle(context: &Context, args: &BundleArgs) -> Result<u8> {
    match (&args.command, &args.make) {
        (Some(BundleCommand::Verify { which }), _) => verify(context, which),
        (Some(BundleCommand::Run(args)), _) => run(context, args),
        (None, Some(args)) => make(context, args),
        (None, None) => Err(failure(exit::USAGE, "bundle: name a model and --output, or `verify` or `run`")),
    }
}

/// A version that was asked for as `MODEL`, `MODEL@VERSION` or `MODEL:ALIAS`.
///
/// # Errors
/// When there is none.
fn version_of(states: &[(String, State)], asked: &str) -> Result<ModelVersion> {
    let (model, version, alias) = match (asked.split_once('@'), asked.split_once(':')) {
        (Some((model, version)), _) => (model, Some(version), None),
        (None, Some((model, alias))) => (model, None, Some(alias)),
        (None, None) => (asked, None, None),
    };
    let missing = |why: String| failure(exit::NOT_FOUND, format!("bundle {asked}: {why}: `tidegate model list` shows those that are"));
    let state = states.iter().find(|(name, _)| name == model).map(|(_, state)| state);
    let state = state.ok_or_else(|| missing(format!("there is no model `{model}`")))?;
    let only = state.versions.keys().next().filter(|_| state.versions.len() == 1);
    let wanted = match (version, alias) {
        (Some(version), _) => Some(version),
        (None, Some(alias)) => {
            Some(state.aliases.get(alias).ok_or_else(|| missing(format!("no version of it is called `{alias}`")))?.as_str())
        }
        (None, None) => state.aliases.get(CHAMPION).or(only).map(String::as_str),
    };
    let wanted = wanted.ok_or_else(|| missing(format!("no version of it is the {CHAMPION}: name one, as {model}@1")))?;
    state.versions.get(wanted).cloned().ok_or_else(|| missing(format!("it has no version {wanted}")))
}

/// A bundle that was written, and opened again as anybody else would.
pub(super) struct Written {
    /// As it was read back.
    pub opened: Opened,
    trial: Trial,
}

/// Writes a bundle: what cannot be read back, or does not answer right, was never made.
///
/// # Errors
/// When there is no such version, a part cannot be read, or the version does not answer its golden requests.
pub(super) fn written(context: &Context, args: &MakeArgs) -> Result<Written> {
    let workspace = workspace::open(&context.dir)?;
    let version = version_of(&super::model::states(context)?, &args.model)?;
    let places = &workspace.places;
    let blobs = FsBlobs::open(&places.blobs())?;
    // Taken here where it runs, also when another one goes with it: golden requests are asked on this machine.
    let ours = made::format(&version, &blobs)?.needs_library().then(|| {
        let env = start::environment(&workspace, &Bus::new())?;
        start::runtime(&workspace, env.as_ref())
    });
    let ours = ours.transpose()?;
    let program = match &args.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("find this program, which goes into the bundle")?,
    };
    let time_s = surroundings::source_date_epoch()?;
    let wanted = Wanted { version, program, library: args.library.clone().or_else(|| ours.clone()) };
    let signer = Keys::open(&places.keys(), &workspace.config.name)?.signer();
    Parts::gather(&wanted, &blobs, &signer)?.write(&args.output, &signer, time_s)?;
    let checked = Opened::open(&args.output, Some(&signer.verifier())).and_then(|opened| {
        let trial = Trial::of(&opened.model(), ours.as_deref(), &opened.version.signature)?;
        let wrong = || failure(exit::NOT_PASSED, format!("bundle {}: {}", args.model, trial.words()));
        if trial.is_right() { Ok((opened, trial)) } else { Err(wrong()) }
    });
    let (opened, trial) = checked.inspect_err(|_| drop(std::fs::remove_file(&args.output)))?;
    Ok(Written { opened, trial })
}

fn make(context: &Context, args: &MakeArgs) -> Result<u8> {
    let Written { opened, trial } = written(context, args)?;
    let bytes = std::fs::metadata(&args.output).with_context(|| format!("read {}", args.output.display()))?.len();
    let sha256 = &opened.sha256;
    if context.json {
        let made = serde_json::json!({
            "file": args.output, "bytes": bytes, "sha256": sha256, "manifest": opened.manifest, "golden": trial
        });
        show::json(&made)?;
        return Ok(exit::OK);
    }
    show::line(&parts_table(&opened))?;
    show::line(&format!("{}: {bytes} bytes, manifest SHA-256 {sha256}", args.output.display()))?;
    show::line(&format!("signed by {}", opened.manifest.signer))?;
    show::line(&trial.words())?;
    Ok(exit::OK)
}

fn parts_table(opened: &Opened) -> String {
    let rows = opened.manifest.members.iter().map(|member| {
        let what = bundle::rule(&member.name).map_or("", |rule| rule.what);
        vec![what.to_owned(), member.name.clone(), member.bytes.to_string(), member.sha256.chars().take(12).collect()]
    });
    show::table(&["Part", "Member", "Bytes", "SHA-256"], rows.collect())
}

/// Opens a bundle, signed by the key where one is given.
fn opened(which: &WhichArgs) -> Result<Opened> {
    let key = which.vkey.as_deref().map(|given| {
        let text = super::audit::key_text(given)?;
        LogVerifier::parse(&text).map_err(|e| failure(exit::USAGE, format!("read the public key: {e}")))
    });
    Opened::open(&which.path, key.transpose()?.as_ref())
}

fn verify(context: &Context, which: &WhichArgs) -> Result<u8> {
    let opened = opened(which)?;
    let trial = Trial::of(&opened.model(), opened.library().as_deref(), &opened.version.signature)?;
    let code = if trial.is_right() { exit::OK } else { exit::NOT_PASSED };
    if context.json {
        let seen =
            serde_json::json!({ "sha256": opened.sha256, "manifest": opened.manifest, "key_given": which.vkey.is_some(), "golden": trial });
        show::json(&seen)?;
        return Ok(code);
    }
    show::line(&parts_table(&opened))?;
    show::line(&format!("every member is as the manifest says; its SHA-256 is {}", opened.sha256))?;
    show::line(&signed_words(&opened, which))?;
    show::line(&trial.words())?;
    Ok(code)
}

fn signed_words(opened: &Opened, which: &WhichArgs) -> String {
    let signer = &opened.manifest.signer;
    match which.vkey {
        Some(_) => format!("signed by the key that was given, {signer}"),
        None => format!("signed by {signer}; whether that is the right key, --vkey KEY tells"),
    }
}

fn run(context: &Context, args: &RunArgs) -> Result<u8> {
    let opened = opened(&args.which)?;
    let (tokens, made) = tokens(args.token_file.as_deref())?;
    let name = args.name.clone().unwrap_or_else(|| opened.manifest.model.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let mut served = Served::start(&opened, Serving { listen: args.listen, tokens, name: name.clone() }).await?;
        let url = format!("http://{}/v2/models/{name}", served.address());
        if context.json {
            let token = made.as_deref();
            show::json(&serde_json::json!({ "url": url, "model": name, "version": opened.manifest.version, "token": token, "sha256": opened.sha256 }))?;
        } else {
            show::line(&format!("version {} answered its golden requests; {}", opened.manifest.version, signed_words(&opened, &args.which)))?;
            if let Some(token) = &made {
                show::line(&format!("token for this run: {token}"))?;
            }
            show::line(&format!("serving {url}/infer; Ctrl-C ends it"))?;
        }
        let ended = tokio::select! {
            why = served.failed(show::note) => Err(failure(exit::OUTSIDE, format!("serve the bundle: {why}"))),
            () = asked_to_end() => Ok(exit::OK),
        };
        served.stop().await;
        ended
    })
}

/// Who may ask: the lines of the file, or one that is made; that one, to be shown.
fn tokens(file: Option<&Path>) -> Result<(Vec<String>, Option<String>)> {
    let Some(path) = file else {
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("take random bytes from the system: {e}"))?;
        let token = format!("tdg_gateway_{}", hex::encode(bytes));
        return Ok((vec![token.clone()], Some(token)));
    };
    let text = workspace::read_text(path)?;
    let tokens: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() || tokens.len() > TOKENS_MAX {
        return Err(failure(
            exit::USAGE,
            format!("read {}: it has {} tokens: 1 to {TOKENS_MAX}, one a line", path.display(), tokens.len()),
        ));
    }
    Ok((tokens, None))
}
