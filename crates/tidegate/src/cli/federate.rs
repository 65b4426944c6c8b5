//! `tidegate risk federate`: one model of risk of several repositories whose changes stay where they are.

use super::Context;
use crate::clock;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress};
use crate::steps::risk::Beside;
use crate::steps::risk::federate::{self as step, Joining, Leading};
use crate::workspace;
use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Url;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_wire::config::unit::duration_ms;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum FederateCommand {
    /// Waits for sites, asks them for sums, and makes one model of these; sees no change of any
    Lead(LeadArgs),
    /// Takes part as a site: reads this repository, answers with masked sums, keeps the model that comes of it
    Join(Box<JoinArgs>),
}

/// Who trains.
#[derive(Debug, Args)]
pub struct LeadArgs {
    /// Names of the sites, three or more: `--sites payments,search,ads`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    sites: Vec<String>,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8703")]
    listen: SocketAddr,
    /// Folder with a file `NAME.token` of each site; one that is not there is made
    #[arg(long, value_name = "DIR", default_value = ".tidegate/federation")]
    tokens: PathBuf,
    /// Where the model goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Trees of each of the two times that trees are boosted
    #[arg(long)]
    trees: Option<usize>,
    /// Parts that the values of a feature are cut into
    #[arg(long)]
    bins: Option<usize>,
    /// No site counts for more than so many changes: those of a larger one weigh less
    #[arg(long, value_name = "CHANGES")]
    site_rows_most: Option<u64>,
    /// How long sites may take to join
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    join_within: String,
    /// How long a site may take to answer a round; later, the training has failed for all
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    answer_within: String,
}

/// Who takes part.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The coordinator, as `https://risk.example.org`
    #[arg(value_name = "URL")]
    url: Url,
    /// This site's name
    #[arg(long)]
    site: String,
    /// File with the token that the coordinator made for this site
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// File with a random secret that all sites know and the coordinator does not, as of `head -c 32 /dev/urandom | base64`: then not
    /// even one that lies about keys learns a site's sums
    #[arg(long, value_name = "FILE")]
    phrase_file: Option<PathBuf>,
    /// Speak without TLS to another machine
    #[arg(long)]
    plain_http: bool,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Up to this revision
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    tip: String,
    /// Where the model goes; else where `risk score` looks for it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carries it out.
pub fn federate(context: &Context, command: &FederateCommand) -> Result<u8> {
    match command {
        FederateCommand::Lead(args) => lead(context, args),
        FederateCommand::Join(args) => join(context, args),
    }
}

fn duration(name: &str, text: &str) -> Result<Duration> {
    let ms = duration_ms(text).map_err(|why| failure(exit::USAGE, format!("train together: {name}: {why}")))?;
    Ok(Duration::from_millis(ms))
}

fn lead(context: &Context, args: &LeadArgs) -> Result<u8> {
    let leading = Leading {
        sites: args.sites.clone(),
        listen: args.listen,
        tokens: context.dir.join(&args.tokens),
        out: context.dir.join(&args.out),
        trees: args.trees,
        bins: args.bins,
        site_rows_most: args.site_rows_most,
        join_within: duration("--join-within", &args.join_within)?,
        answer_within: duration("--answer-within", &args.answer_within)?,
    };
    let progress = Progress::new(context.json);
    let led = step::lead(&leading, &|what| progress.now(what), &|what| progress.note(what));
    progress.clear();
    let led = led?;
    if context.json {
        show::json(&led)?;
        return Ok(exit::OK);
    }
    let (share, megabytes) = (led.hurt as f64 / led.rows.max(1) as f64 * 100.0, led.received_bytes as f64 / 1e6);
    show::line(&format!("{} sites have {} changes whose end is known, {share:.0} % of which were fixed later", led.sites.len(), led.rows))?;
    show::line(&format!("{} rounds, {megabytes:.1} MB of masked sums; roster {}", led.rounds, step::shown(&led.roster)))?;
    if let Some(auc) = led.held_auc {
        let (auc, low, high) = (auc.estimate, auc.low, auc.high);
        show::line(&format!(
            "on the {} youngest of them, having learnt from the earlier ones: AUC {auc:.3} ({low:.3} to {high:.3})",
            led.held_rows
        ))?;
    }
    show::line(&format!("the model is {}; each site has it, too", led.model.display()))?;
    Ok(exit::OK)
}

fn join(context: &Context, args: &JoinArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let joining = Joining {
        url: args.url.clone(),
        site: args.site.clone(),
        beside: Beside::of(&workspace::places(&repository)?, clock::now().0)?,
        policy: super::risk::policy(&repository)?,
        token: context.dir.join(&args.token_file),
        phrase: args.phrase_file.as_ref().map(|file| context.dir.join(file)),
        plain_http: args.plain_http,
        repository,
        tip: args.tip.clone(),
        out: args.out.as_ref().map(|out| context.dir.join(out)),
    };
    let progress = Progress::new(context.json);
    let seen = super::risk::reading(&progress);
    let joined = step::join(&joining, &seen, &|what| progress.now(what), &|what| progress.note(what));
    progress.clear();
    let joined = joined?;
    if context.json {
        show::json(&joined)?;
        return Ok(exit::OK);
    }
    let (sent, asked) = (joined.sent_bytes as f64 / 1e6, joined.asked_bytes as f64 / 1e6);
    show::line(&format!(
        "{} changes of this repository took part in {} rounds with {}",
        joined.rows,
        joined.rounds,
        joined.sites.join(", ")
    ))?;
    show::line(&format!(
        "{sent:.1} MB of masked sums went out, {asked:.1} MB of questions came in; roster {}",
        step::shown(&joined.roster)
    ))?;
    show::line(&format!("the model is {}; `tidegate risk score` uses it", joined.model.display()))?;
    Ok(exit::OK)
}
