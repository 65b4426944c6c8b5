//! A deployment that another tool holds until we answer: GitHub's deployment protection rules, GitLab's approvals of deployments
//! and external status checks.
//!
//! The machine keeps who asked for what, what was found, and whether the tool was told (stream `deployment/<name>/<subject>`).
//! A yes and a no are final; what still waits becomes a no when its time is over, so that nothing is let through by being
//! forgotten. Not here: how a tool speaks (`wire::foreign::deployments`), who carries the answer, and what decides (`may`).

mod machine;
pub mod may;
#[cfg(test)]
mod tests;

pub use machine::{Command, Deployments, Event, FOUND_MAX, Held, Refused, STATUSES_MAX, TEXT_CHARS_MAX};
pub use may::{Answer, Condition, Finding};

use crate::rollout::Phase;
use serde::{Deserialize, Serialize};

/// What is held, and where its answer goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "target", rename_all = "snake_case")]
pub enum Target {
    /// A job of a workflow that waits for a deployment protection rule of GitHub.
    GithubRule {
        /// Repository, as `acme/shop`.
        repository: String,
        /// The run of the workflow.
        run: u64,
        /// The environment, as GitHub calls it.
        environment: String,
        /// The deployment: each attempt of a run has another one.
        deployment: u64,
    },
    /// A deployment to a protected environment of GitLab.
    GitlabDeployment {
        /// The project.
        project: u64,
        /// The deployment.
        deployment: u64,
    },
    /// An external status check of a merge request of GitLab.
    GitlabCheck {
        /// The project.
        project: u64,
        /// The merge request's number in it.
        request: u64,
        /// The check.
        check: u64,
        /// The commit that is checked.
        sha: String,
    },
}

/// What became of a version whose deployment was let through, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its release is under way.
    InProgress,
    /// It serves.
    Success,
    /// It went back before it served alone.
    Failure,
    /// It served, and does no more.
    Inactive,
}

impl Outcome {
    /// What is to be reported of a release that stands so, after what was reported last; none where that is no news.
    #[must_use]
    pub fn of(phase: &Phase, reported: Option<Outcome>) -> Option<Outcome> {
        let served = matches!(reported, Some(Outcome::Success | Outcome::Inactive));
        let now = match phase {
            Phase::Done => Outcome::Success,
            Phase::RolledBack { .. } | Phase::Aborted { .. } if served => Outcome::Inactive,
            Phase::RolledBack { .. } | Phase::Aborted { .. } => Outcome::Failure,
            // It was tried again after it had gone back.
            Phase::Forward { .. } | Phase::Held { .. } | Phase::Finishing
                if matches!(reported, Some(Outcome::Failure | Outcome::Inactive)) =>
            {
                Outcome::InProgress
            }
            // What was reported stands until it has ended.
            Phase::Forward { .. } | Phase::Held { .. } | Phase::Finishing | Phase::RollingBack { .. } => {
                return reported.is_none().then_some(Outcome::InProgress);
            }
        };
        (reported != Some(now)).then_some(now)
    }

    /// The same of a version, among the releases of its service since it was asked about: its own is the newest one of it. One that
    /// came after it and was released serves in its place.
    #[must_use]
    pub fn among<'a>(
        version: &str,
        newest_first: impl IntoIterator<Item = (&'a str, &'a Phase)>,
        reported: Option<Outcome>,
    ) -> Option<Outcome> {
        let mut replaced = false;
        for (candidate, phase) in newest_first {
            if candidate == version {
                let told = matches!(reported, Some(Outcome::Success | Outcome::Inactive));
                let gone = replaced && told && *phase == Phase::Done;
                return if gone {
                    (reported != Some(Outcome::Inactive)).then_some(Outcome::Inactive)
                } else {
                    Outcome::of(phase, reported)
                };
            }
            replaced |= *phase == Phase::Done;
        }
        None
    }
}

impl Target {
    /// What stands for it in the name of its stream. Another attempt and another commit are another subject, so that a message
    /// that comes again, late, takes nothing from what is held now.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Target::GithubRule { run, deployment, .. } => format!("run-{run}-{deployment}"),
            Target::GitlabDeployment { project, deployment } => format!("deployment-{project}-{deployment}"),
            Target::GitlabCheck { project, request, check, sha } => format!("check-{project}-{request}-{check}-{sha}"),
        }
    }

    /// Whether the tool can be told that something waits, and how often that is news.
    #[must_use]
    fn statuses_max(&self) -> u32 {
        match self {
            Target::GithubRule { .. } => STATUSES_MAX,
            Target::GitlabDeployment { .. } => 0,
            Target::GitlabCheck { .. } => 1,
        }
    }

    /// Whether the same may be asked for again after a no: GitLab has a button for that.
    fn may_be_retried(&self) -> bool {
        matches!(self, Target::GitlabCheck { .. })
    }
}

/// What a tool says of what it wants to deploy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The branch or tag, where it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// Who wants it, by the name that the tool knows them by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// How the version is found that a deployment is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionBy {
    /// The newest one that is registered when the question is first looked at.
    Newest,
    /// The newest one that was made of the deployment's commit, with nothing beside it.
    Commit,
    /// By the deployment's branch or tag: what stands between these two.
    Ref {
        /// Before the version.
        before: String,
        /// Behind it.
        behind: String,
    },
}

/// A version, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub version: &'a str,
    /// The code that it was made of.
    pub code: &'a str,
}

impl VersionBy {
    /// From `newest`, `commit`, or a pattern of a branch or tag with `{version}` in it.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<VersionBy, String> {
        match text {
            "newest" => Ok(VersionBy::Newest),
            "commit" => Ok(VersionBy::Commit),
            other => match other.split_once("{version}") {
                Some((before, behind)) => Ok(VersionBy::Ref { before: before.to_owned(), behind: behind.to_owned() }),
                None => Err(format!("`{other}` is neither `newest` nor `commit`, and has no `{{version}}` in it")),
            },
        }
    }

    /// The version that a source is about, of those that are known, oldest first.
    ///
    /// # Errors
    /// Why none is: it may come.
    pub fn find(&self, source: &Source, known: &[Known<'_>]) -> Result<String, String> {
        let newest = |fits: &dyn Fn(&Known<'_>) -> bool| known.iter().rev().find(|k| fits(k)).map(|k| k.version.to_owned());
        match self {
            VersionBy::Newest => newest(&|_| true).ok_or_else(|| "no version is registered yet".to_owned()),
            VersionBy::Commit => {
                let sha = source.sha.as_deref().filter(|sha| is_commit(sha)).ok_or("the tool names no commit, or not a whole one")?;
                newest(&|k| k.code == sha)
                    .ok_or_else(|| format!("no version of commit {sha} is registered, made of it and nothing beside it"))
            }
            VersionBy::Ref { before, behind } => {
                let named = source.git_ref.as_deref().ok_or("the tool names no branch or tag")?;
                let short = named.strip_prefix("refs/tags/").or_else(|| named.strip_prefix("refs/heads/")).unwrap_or(named);
                let version = short.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(behind.as_str()));
                let version = version.filter(|v| !v.is_empty());
                let version = version.ok_or_else(|| format!("`{short}` is not of the form `{before}{{version}}{behind}`"))?;
                newest(&|k| k.version == version).ok_or_else(|| format!("version {version} is not registered yet"))
            }
        }
    }
}

/// Whether a text is the whole digest of a commit.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
