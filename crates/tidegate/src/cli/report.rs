//! `tidegate report`: one report of the work tree against its base, for people and for machines; posted as a comment.

use super::Context;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress};
use crate::steps::report as step;
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tidegate_adapters::status::{self, Forge, Status};
use tidegate_adapters::{CommentError, Posted, Repository, Target, bitbucket, curl::Curl, github, gitlab, pull};
use tidegate_wire::comment::Comment;
use tidegate_wire::report::{html, markdown};
use tidegate_wire::{junit, sarif};

/// A service that shows comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// github.com, or GitHub Enterprise by GITHUB_API_URL
    Github,
    /// gitlab.com, or another by CI_API_V4_URL
    Gitlab,
    /// Bitbucket Cloud
    Bitbucket,
}

/// What the report holds and where it goes.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Revision that values are held against; against nothing when not given
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Folder for report.md, report.html and report.json
    #[arg(long, value_name = "DIR", default_value = "tidegate-report")]
    out: PathBuf,
    /// Output of `tidegate gate --json`
    #[arg(long, value_name = "FILE")]
    gates: Vec<PathBuf>,
    /// Output of `tidegate drift --json`
    #[arg(long, value_name = "FILE")]
    drift: Option<PathBuf>,
    /// Findings of linters and scanners, as SARIF 2.1.0
    #[arg(long = "read-sarif", value_name = "FILE")]
    read_sarif: Vec<PathBuf>,
    /// Write gates and checks as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write gates and checks that do not pass as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Post the report as a comment, or bring the one that is there up to date
    #[arg(long, value_enum, value_name = "SERVICE")]
    comment: Option<Service>,
    /// Where the comment goes: pr/NUMBER or commit/DIGEST; told by the CI's environment when not given
    #[arg(long, value_name = "TARGET", requires = "comment")]
    target: Option<String>,
    /// Title by which the comment is found again
    #[arg(long, value_name = "TITLE", default_value = "tidegate", requires = "comment")]
    title: String,
    /// Address of the whole report, for a comment that must be cut
    #[arg(long, value_name = "URL", requires = "comment")]
    link: Option<String>,
    /// End with exit code 1 when a gate or a check does not pass
    #[arg(long)]
    strict: bool,
}

/// Carries it out.
pub fn report(context: &Context, args: &ReportArgs) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    let progress = Progress::new(context.json);
    progress.now("gathering the report");
    let sources = step::Sources { base: args.base.as_deref(), gates: &args.gates, drift: args.drift.as_deref(), sarif: &args.read_sarif };
    let report = step::gather(&opened, &context.dir, &sources);
    progress.clear();
    let report = report?;
    let out = context.dir.join(&args.out);
    std::fs::create_dir_all(&out).with_context(|| format!("create the folder {}", out.display()))?;
    let json = serde_json::to_string_pretty(&report)?;
    for (name, text) in [("report.md", markdown(&report)), ("report.html", html(&report)), ("report.json", json)] {
        tidegate_store::disk::replace_file(&out.join(name), text.as_bytes())?;
    }
    if let Some(file) = &args.junit {
        tidegate_store::disk::replace_file(&context.dir.join(file), junit::write("tidegate", &report.cases()).as_bytes())?;
    }
    if let Some(file) = &args.sarif {
        let results = report.sarif_results(workspace::CONFIG_FILE);
        let text = serde_json::to_string_pretty(&sarif::write("tidegate", env!("CARGO_PKG_VERSION"), &results))?;
        tidegate_store::disk::replace_file(&context.dir.join(file), text.as_bytes())?;
    }
    let posted = args.comment.map(|service| {
        let revision: String = report.revision.chars().take_while(char::is_ascii_hexdigit).collect();
        let comment = Comment { report: markdown(&report), title: args.title.clone(), revision, link: args.link.clone() };
        send(service, args.target.as_deref(), &comment)
    });
    let posted = posted.transpose()?;
    if context.json {
        show::json(&serde_json::json!({ "passed": report.passed(), "out": out, "comment": posted, "report": report }))?;
    } else {
        show::line(&format!("wrote report.md, report.html and report.json to {}", args.out.display()))?;
        if let Some(posted) = &posted {
            show::line(posted)?;
        }
        for missing in &report.missing {
            show::note(&format!("not in the report: {missing}"));
        }
    }
    Ok(if args.strict && !report.passed() { exit::NOT_PASSED } else { exit::OK })
}

fn words(posted: &Posted) -> String {
    match posted {
        Posted::Created(id) => format!("comment {id} was created"),
        Posted::Updated(id) => format!("comment {id} was brought up to date"),
        Posted::Same(id) => format!("comment {id} says this already"),
    }
}

/// What a CI tells of itself.
#[expect(clippy::disallowed_methods, reason = "a CI says where it runs by the environment, and hands over tokens there")]
fn told(names: &[&str]) -> Option<String> {
    names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.is_empty())
}

fn missing(what: &str, names: &[&str]) -> anyhow::Error {
    failure(exit::USAGE, format!("{what} is not known: set {}", names.join(" or ")))
}

/// Posts a comment, or brings the one that is there up to date; what was done, in words.
///
/// # Errors
/// When the CI's environment does not say where, or the service refuses.
pub fn send(service: Service, target: Option<&str>, comment: &Comment) -> Result<String> {
    let repository = place(service)?;
    let target = match target {
        Some(text) => given(text)?,
        None => found(service)?,
    };
    let sent = match service {
        Service::Github => github::comment(&Curl, &repository, &target, comment),
        Service::Gitlab => gitlab::comment(&Curl, &repository, &target, comment),
        Service::Bitbucket => bitbucket::comment(&Curl, &repository, &target, comment),
    };
    let posted = sent.map_err(|e| match &e {
        CommentError::Denied { .. } => failure(exit::REFUSED, e.to_string()),
        CommentError::Http(_) | CommentError::Refused { .. } => failure(exit::OUTSIDE, e.to_string()),
    })?;
    Ok(words(&posted))
}

/// Where a service keeps the repository that the CI runs for.
fn place(service: Service) -> Result<Repository> {
    let (api, default, path, token): (_, _, &[&str], &[&str]) = match service {
        Service::Github => ("GITHUB_API_URL", github::API, &["GITHUB_REPOSITORY"], &["REPO_TOKEN", "GITHUB_TOKEN"]),
        Service::Gitlab => ("CI_API_V4_URL", gitlab::API, &["CI_PROJECT_PATH"], &["REPO_TOKEN", "GITLAB_TOKEN"]),
        Service::Bitbucket => ("BITBUCKET_API_URL", bitbucket::API, &["BITBUCKET_REPO_FULL_NAME"], &["REPO_TOKEN", "BITBUCKET_TOKEN"]),
    };
    Ok(Repository {
        api: told(&[api]).unwrap_or_else(|| default.to_owned()).trim_end_matches('/').to_owned(),
        path: told(path).ok_or_else(|| missing("the repository", path))?,
        token: told(token).ok_or_else(|| missing("a token", token))?,
    })
}

/// The range of commits of a pull or merge request, as its forge tells it: the service that is named, or the one that the CI's environment tells of.
///
/// # Errors
/// When no service is known, or it cannot tell.
pub fn range(named: Option<Service>, number: u64) -> Result<String> {
    let known =
        [(Service::Github, "GITHUB_REPOSITORY"), (Service::Gitlab, "CI_PROJECT_PATH"), (Service::Bitbucket, "BITBUCKET_REPO_FULL_NAME")];
    let service = named.or_else(|| known.iter().find(|(_, name)| told(&[*name]).is_some()).map(|(service, _)| *service));
    let service = service.ok_or_else(|| missing("the service of the request", &known.map(|(_, name)| name)))?;
    let ends = pull::ends(forge(service), &Curl, &place(service)?, number)
        .map_err(|why| failure(exit::OUTSIDE, format!("ask for the commits of request {number}: {why}")))?;
    Ok(format!("{}..{}", ends.base, ends.head))
}

fn forge(service: Service) -> Forge {
    match service {
        Service::Github => Forge::Github,
        Service::Gitlab => Forge::Gitlab,
        Service::Bitbucket => Forge::Bitbucket,
    }
}

/// Sets a mark beside a commit.
///
/// # Errors
/// When the CI's environment does not say where, or the service refuses.
pub fn mark(service: Service, mark: &Status) -> Result<()> {
    status::set(forge(service), &Curl, &place(service)?, mark)
        .map_err(|why| failure(exit::OUTSIDE, format!("set the mark {} beside commit {}: {why}", mark.name, mark.commit)))
}

fn given(text: &str) -> Result<Target> {
    let number = |n: &str| n.parse().ok().map(Target::Request);
    let target = match text.split_once('/') {
        Some(("pr" | "mr", n)) => number(n),
        Some(("commit", digest)) if !digest.is_empty() && digest.chars().all(|c| c.is_ascii_hexdigit()) => {
            Some(Target::Commit(digest.to_owned()))
        }
        _ => None,
    };
    target.ok_or_else(|| failure(exit::USAGE, format!("post the comment: `{text}` is no target: write pr/12 or commit/0a1b2c")))
}

/// The pull request that the CI runs for, else its commit.
fn found(service: Service) -> Result<Target> {
    let (request, commit) = match service {
        Service::Github => {
            // refs/pull/12/merge
            let pull = told(&["GITHUB_REF"]).and_then(|r| r.strip_prefix("refs/pull/")?.split('/').next().map(str::to_owned));
            (pull, "GITHUB_SHA")
        }
        Service::Gitlab => (told(&["CI_MERGE_REQUEST_IID"]), "CI_COMMIT_SHA"),
        Service::Bitbucket => (told(&["BITBUCKET_PR_ID"]), "BITBUCKET_COMMIT"),
    };
    if let Some(number) = request.and_then(|n| n.parse().ok()) {
        return Ok(Target::Request(number));
    }
    told(&[commit])
        .map(Target::Commit)
        .ok_or_else(|| failure(exit::USAGE, "post the comment: no pull request and no commit is known: name one with --target pr/12"))
}
