//! `tidegate risk score`.

use super::super::Context;
use super::super::report::{Service, mark, range, send};
use super::record::{Asked, Kept, record};
use super::{chance, policy, reading};
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::risk::{self as step, Answered};
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use tidegate_adapters::status::Status;
use tidegate_core::risk::Way;
use tidegate_core::worth::Stand;
use tidegate_history::commits;
use tidegate_wire::comment::Comment;
use tidegate_wire::config::RiskPolicy;
use tidegate_wire::config::unit::duration_ms;

/// The name of the mark.
const MARK: &str = "tidegate/risk";

/// What is scored.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// A revision, a range as `main..topic`, or a request as `pr/12`, whose commits the forge tells
    #[arg(value_name = "REV", default_value = "HEAD", allow_hyphen_values = true)]
    what: String,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// End with exit code 1 where the risk of any of them is this or more; `costs`: where `risk.costs` of tidegate.yaml hold it
    #[arg(long, value_name = "CHANCE|costs", value_parser = limit)]
    fail_at: Option<Limit>,
    /// What would lower a risk is looked for until it is below this
    #[arg(long, value_name = "CHANCE", value_parser = chance, default_value_t = step::BELOW)]
    below: f64,
    /// Post it as a comment, or bring the one that is there up to date
    #[arg(long, value_enum, value_name = "SERVICE")]
    comment: Option<Service>,
    /// Where the comment goes: pr/NUMBER or commit/DIGEST; told by the CI's environment when not given
    #[arg(long, value_name = "TARGET", requires = "comment")]
    target: Option<String>,
    /// Set the mark `tidegate/risk` beside the newest commit: passed, or not by --fail-at
    #[arg(long, value_enum, value_name = "SERVICE", requires = "fail_at")]
    mark: Option<Service>,
    /// The change's own name, as the number of its pull request: who decides is drawn by it, and it stays one change however often it is pushed
    #[arg(long, value_name = "NAME")]
    change: Option<String>,
    /// Longest time that scoring may take, as 20s: after it the change goes the standard way, and with --fail-at it is not decided
    #[arg(long, value_name = "TIME", value_parser = within)]
    within: Option<Duration>,
    /// Fail where what is said cannot be recorded; while `tidegate up` runs it is recorded anyway
    #[arg(long)]
    record: bool,
}

/// What does not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Chance(f64),
    Costs,
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "costs" { Ok(Limit::Costs) } else { chance(text).map(Limit::Chance).map_err(|why| format!("{why}, or `costs`")) }
}

pub(super) fn score(context: &Context, args: &ScoreArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let policy = policy(&repository)?;
    if args.fail_at == Some(Limit::Costs) && policy.costs.is_none() {
        let why = "score --fail-at costs: tidegate.yaml has no `risk.costs`: say there what a delay and an incident cost";
        return Err(failure(exit::USAGE, why));
    }
    let request = request(&args.what);
    let what = match request {
        Some(number) => range(args.comment.or(args.mark), number)?,
        None => args.what.clone(),
    };
    let scored = scored(context, args, &repository, &what, &policy)?;
    // A request is known by its number, under which forges tell that it was merged.
    let named = args.change.clone().or_else(|| request.map(|number| number.to_string()));
    let asked = Asked { repository: &repository, what: &what, named: named.as_deref(), policy: &policy };
    let kept = record(&asked, &scored, args.record)?;
    // What is not scored does not pass where something is decided.
    let by_model = over(&scored, args.fail_at) || args.fail_at.is_some() && scored.undecided();
    // Where people decide the model holds nothing.
    let decided = if kept.stand.kept_back { Some(false) } else { kept.stand.held };
    let failed = decided.map_or(by_model, |held| held && args.fail_at.is_some());
    let verdict = match decided {
        None => verdict(&scored, args.fail_at, by_model),
        Some(_) if kept.stand.kept_back => kept_back(&kept),
        Some(held) => by_people(held, &verdict(&scored, None, false)),
    };
    let outcome = Outcome { scored: &scored, stand: kept.stand, failed, verdict };
    let posted = outcome.publish(args)?;
    if context.json {
        show::json(&outcome.json(posted.as_deref(), kept.recorded))?
    } else {
        outcome.tell(args, posted.as_deref())?
    }
    Ok(if failed { exit::NOT_PASSED } else { exit::OK })
}

fn within(text: &str) -> Result<Duration, String> {
    duration_ms(text).map(Duration::from_millis)
}

/// What the model says, in the time that it has. Scoring writes nothing: where it is not waited for it ends with the process.
fn scored(context: &Context, args: &ScoreArgs, repository: &Path, what: &str, policy: &RiskPolicy) -> Result<Answered> {
    let (json, below, decides) = (context.json, args.below, args.fail_at.is_some());
    let of = (repository.to_owned(), what.to_owned(), policy.clone());
    let score = move || {
        let (repository, what, policy) = of;
        let progress = Progress::new(json);
        let wanted = step::Wanted { what: &what, below, decides, policy: &policy, reviewed: None };
        let scored = step::score(&repository, &wanted, &reading(&progress), &show::note);
        progress.clear();
        scored
    };
    let Some(within) = args.within else { return score() };
    // What cannot be named is an error now, and not a change that is late.
    let newest = commits(repository, what, 1).map_err(|why| failure(exit::NOT_FOUND, format!("score {what}: {why}")))?;
    let newest = newest
        .first()
        .map(ToString::to_string)
        .ok_or_else(|| failure(exit::NOT_FOUND, format!("score {what}: there is no commit in it")))?;
    let (told, answer) = std::sync::mpsc::sync_channel(1);
    // Who waits no longer is told nothing.
    let tell = move || drop(told.send(score()));
    std::thread::Builder::new().name("score".to_owned()).spawn(tell).context("start a thread that scores")?;
    match answer.recv_timeout(within) {
        Ok(scored) => scored,
        Err(RecvTimeoutError::Timeout) => Ok(Answered::late(newest)),
        Err(RecvTimeoutError::Disconnected) => Err(failure(exit::OUTSIDE, format!("score {what}: it ended without an answer"))),
    }
}

/// Whether a risk is above a limit.
fn over(scored: &Answered, limit: Option<Limit>) -> bool {
    match limit {
        Some(Limit::Chance(limit)) => scored.highest() >= limit,
        Some(Limit::Costs) => scored.held(),
        None => false,
    }
}

/// The number of a pull or merge request.
fn request(what: &str) -> Option<u64> {
    what.strip_prefix("pr/").or_else(|| what.strip_prefix("mr/"))?.parse().ok()
}

/// What it came to. What is kept back is read by none of what shows it.
struct Outcome<'a> {
    scored: &'a Answered,
    stand: Stand,
    failed: bool,
    verdict: String,
}

impl Outcome<'_> {
    /// Where the comment is, where one was asked for; the mark is set, too.
    fn publish(&self, args: &ScoreArgs) -> Result<Option<String>> {
        let newest = || self.scored.newest.clone();
        let posted = args.comment.map(|service| {
            let report = if self.stand.kept_back { step::markdown_of(&self.verdict) } else { step::markdown(self.scored) };
            let comment = Comment { report, title: "tidegate risk".to_owned(), revision: newest(), link: None };
            send(service, args.target.as_deref(), &comment)
        });
        let posted = posted.transpose()?;
        if let Some(service) = args.mark {
            let description = self.verdict.clone();
            mark(service, &Status { commit: newest(), passed: !self.failed, name: MARK.to_owned(), description, link: None })?;
        }
        Ok(posted)
    }

    fn json(&self, posted: Option<&str>, recorded: bool) -> serde_json::Value {
        let told = !self.stand.kept_back;
        let changes = if told { self.scored.changes.as_slice() } else { &[] };
        serde_json::json!({
            "highest": (told && !self.scored.is_late()).then(|| self.scored.highest()), "late": self.scored.is_late(), "passed": !self.failed, "verdict": self.verdict, "comment": posted,
            "whole": self.scored.whole.as_ref().filter(|_| told), "changes": changes, "opted_out": self.scored.opted_out,
            "undecided": self.scored.mixed, "decides": self.stand.arm, "told": told, "recorded": recorded,
        })
    }

    fn tell(&self, args: &ScoreArgs, posted: Option<&str>) -> Result<()> {
        if self.stand.kept_back {
            show::line(&self.verdict)?;
        } else {
            for one in self.scored.all() {
                show::line(&step::lines(one).join("\n"))?;
            }
            if args.fail_at.is_some() {
                show::line(&if self.failed { style::bad(&self.verdict) } else { style::good(&self.verdict) })?;
            } else if self.stand.held.is_some() || self.scored.all().next().is_none() || self.scored.undecided() {
                show::line(&self.verdict)?;
            }
        }
        posted.map_or(Ok(()), show::line)
    }
}

/// What is said where people decide and nobody has.
fn kept_back(kept: &Kept) -> String {
    let recorded = if kept.recorded { "is recorded and" } else { "is not recorded, since no `tidegate up` takes it, and" };
    format!(
        "people decide about this change, by lot: what the model says {recorded} kept back until somebody has judged it with `tidegate risk judge`; it goes the standard way"
    )
}

/// What is said where they have.
fn by_people(held: bool, model: &str) -> String {
    let said = if held { "they hold it" } else { "they let it pass" };
    format!("people decide about this change, by lot, and {said}; what the model says holds nothing here: {model}")
}

/// What it comes to, in a sentence.
fn verdict(scored: &Answered, limit: Option<Limit>, failed: bool) -> String {
    if scored.is_late() || scored.undecided() && !over(scored, limit) {
        let word = if limit.is_some() { "not decided: " } else { "" };
        let others = scored.all().next().map(|_| format!("; the highest risk of what is scored is {:.2}", scored.highest()));
        return format!("{word}{}; it goes the standard way{}", step::not_scored(scored).unwrap_or_default(), others.unwrap_or_default());
    }
    let Some(riskiest) = scored.all().max_by(|a, b| a.score.probability.total_cmp(&b.score.probability)) else {
        return format!("{} commits are not scored: their owners have opted out, and they go the standard way", scored.opted_out.len());
    };
    let highest = riskiest.score.probability;
    let words = match (limit, failed) {
        (Some(Limit::Chance(limit)), true) if highest >= limit => {
            format!("the highest risk is {highest:.2}: {limit} or more does not pass")
        }
        (Some(Limit::Costs), true) if scored.held() => {
            let held = scored.all().filter(|one| one.way == Way::Held).count();
            format!("the highest risk is {highest:.2}: {held} held, since waiting costs less than letting them through")
        }
        _ => format!("the highest risk is {highest:.2}, higher than {:.0} % of earlier changes", riskiest.score.rank * 100.0),
    };
    match scored.opted_out.len() {
        0 => words,
        not => format!("{words}; {not} more are not scored, since an owner has opted out"),
    }
}
