//! `tidegate gateway`: a gateway of its own that follows a control plane, and who does.

use super::Context;
use super::up::asked_to_end;
use crate::client;
use crate::daemon::follow::ask::Asker;
use crate::daemon::follow::follower::Follower;
use crate::daemon::follow::is_name;
use crate::daemon::follow::store::Store;
use crate::daemon::start::{SPLIT_SEED, gateway_token, workers};
use crate::exit::{self, failure};
use crate::show;
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use hyper::{Method, Uri};
use std::net::SocketAddr;
use std::path::PathBuf;
use tidegate_serve::{Gateway, GatewaySettings};

/// What to do with gateways.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Runs a gateway that takes its routes and versions from a control plane, and goes on by them when that is gone
    Follow(Box<FollowArgs>),
    /// Lists the gateways that follow this workspace's control plane, and how closely
    List,
}

/// Whom to follow.
#[derive(Debug, Args)]
pub struct FollowArgs {
    /// The console's address of the `tidegate up` to follow, as `http://10.0.0.1:8701`
    #[arg(value_name = "URL")]
    of: Uri,
    /// File with a token, from `tidegate token create --scope gateway`
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Its name among the gateways
    #[arg(long)]
    name: String,
    /// Where it keeps its routes, versions and the token that its clients send
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// ONNX Runtime's library, where versions need it; else it is looked for as by `tidegate up`
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

/// Carries it out.
pub fn gateway(context: &Context, command: &GatewayCommand) -> Result<u8> {
    match command {
        GatewayCommand::Follow(args) => follow(args),
        GatewayCommand::List => list(context),
    }
}

fn follow(args: &FollowArgs) -> Result<u8> {
    if !is_name(&args.name) {
        return Err(failure(exit::USAGE, format!("follow as {}: a name is letters, digits, `-`, `_` and `.`", args.name)));
    }
    if args.of.scheme_str() != Some("http") || args.of.port().is_none() || args.of.path() != "/" {
        return Err(failure(exit::USAGE, format!("follow {}: give the console's address alone, as `http://10.0.0.1:8701`", args.of)));
    }
    let token = std::fs::read_to_string(&args.token_file).with_context(|| format!("read the token of {}", args.token_file.display()))?;
    let store = Store::open(&args.state)?;
    let candidates: Vec<PathBuf> =
        args.onnxruntime.clone().into_iter().chain(std::env::var_os("TIDEGATE_ONNXRUNTIME").map(PathBuf::from)).collect();
    // Versions of trees need none; one of ONNX says so when it is loaded.
    let library = tidegate_runtime::find_library(&candidates).unwrap_or_else(|_| PathBuf::from("libonnxruntime.so"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let (pool, mut happened) = workers(library)?;
        crate::task::spawn(async move { while happened.recv().await.is_some() {} });
        let own = gateway_token(None, store.dir())?;
        let settings = GatewaySettings::new(args.listen, vec![own], SPLIT_SEED);
        let (gateway, outputs) = Gateway::start(settings, pool.clone()).await.map_err(|why| failure(exit::OUTSIDE, why.to_string()))?;
        crate::task::spawn(drained(outputs));
        show::line(&format!(
            "gateway {} listens on http://{}; clients send the token of {}",
            args.name,
            gateway.address(),
            store.dir().join("gateway.token").display()
        ))?;
        let asker = Asker { of: args.of.clone(), token: token.trim().to_owned(), name: args.name.clone() };
        let follower = Follower { asker, store, gateway };
        // What cannot be printed is not worth an end.
        let say = |text: &str| drop(show::line(text));
        tokio::select! {
            () = follower.follow(&say) => {}
            () = asked_to_end() => {}
        }
        let report = follower.gateway.shutdown().await;
        pool.shutdown().await;
        Ok(if report.cut == 0 { exit::OK } else { exit::OUTSIDE })
    })
}

/// Records of predictions go nowhere from here: there is no lake. Labels are refused when nobody takes them.
async fn drained(outputs: tidegate_serve::Outputs) {
    let tidegate_serve::Outputs { mut records, mut pairs, feedback } = outputs;
    drop(feedback);
    loop {
        tokio::select! {
            record = records.recv() => if record.is_none() { return },
            pair = pairs.recv() => if pair.is_none() { return },
        }
    }
}

fn list(context: &Context) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    let told = client::ask(&opened.places, "list gateways", Method::GET, "/api/v1/gateways", None)?;
    if context.json {
        show::json(&told)?;
        return Ok(exit::OK);
    }
    let empty = Vec::new();
    let gateways = told["gateways"].as_array().unwrap_or(&empty);
    if gateways.is_empty() {
        show::line("no gateway follows: `tidegate token create --scope gateway --label NAME`, then `tidegate gateway follow`")?;
        return Ok(exit::OK);
    }
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let or = |value: &serde_json::Value, none: &str| if value.is_null() { none.to_owned() } else { text(value) };
    let rows = gateways.iter().map(|g| {
        let state = match (&g["trouble"], g["applied"] == told["generation"]) {
            (serde_json::Value::String(why), _) => why.clone(),
            (_, true) => "follows".to_owned(),
            (_, false) => "is behind".to_owned(),
        };
        vec![text(&g["name"]), or(&g["applied"], "none"), or(&g["converged_ms"], "-"), text(&g["asked"]), state]
    });
    show::line(&show::table(&["gateway", "generation", "took ms", "asked last", "state"], rows.collect()))?;
    show::line(&format!("routes here: generation {}", or(&told["generation"], "none yet")))?;
    Ok(exit::OK)
}
