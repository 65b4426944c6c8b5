//! A mark beside a commit - passed or not - where forges show what must hold before a change is merged: statuses of GitHub and GitLab, builds of
//! Bitbucket. The newest one of a name counts, so that a mark is brought up to date by setting it again.

use crate::{AnswerError, Http, Repository, Request, answered, github, gitlab, quoted};
use serde_json::json;

/// Longest description that GitHub takes, in characters; the shortest of the three.
const DESCRIPTION_CHARS_MAX: usize = 140;

/// Whose form it is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forge {
    /// Of GitHub.
    Github,
    /// Of GitLab.
    Gitlab,
    /// Of Bitbucket Cloud.
    Bitbucket,
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The whole commit.
    pub commit: String,
    /// Whether it may go on.
    pub passed: bool,
    /// What sets it, as `tidegate/risk`.
    pub name: String,
    /// Why, in one sentence; cut to what the forge takes.
    pub description: String,
    /// Where more stands.
    pub link: Option<String>,
}

/// Sets it.
///
/// # Errors
/// When the forge cannot be reached or refuses.
pub fn set(forge: Forge, http: &dyn Http, repository: &Repository, status: &Status) -> Result<(), AnswerError> {
    let Repository { api, path, token } = repository;
    let (commit, name, link) = (&status.commit, &status.name, &status.link);
    let description: String = status.description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let word = |passed: &'static str, failed: &'static str| if status.passed { passed } else { failed };
    let (url, headers, body) = match forge {
        Forge::Github => (
            format!("{api}/repos/{path}/statuses/{commit}"),
            github::headers(token),
            json!({ "state": word("success", "failure"), "context": name, "description": description, "target_url": link }),
        ),
        Forge::Gitlab => (
            format!("{api}/projects/{}/statuses/{commit}", quoted(path)),
            gitlab::headers(token),
            json!({ "state": word("success", "failed"), "name": name, "description": description, "target_url": link }),
        ),
        Forge::Bitbucket => (
            format!("{api}/repositories/{path}/commit/{commit}/statuses/build"),
            vec![("Authorization".to_owned(), format!("Bearer {token}"))],
            // An address must stand there.
            json!({ "state": word("SUCCESSFUL", "FAILED"), "key": name, "name": name, "description": description,
                "url": link.clone().unwrap_or_else(|| format!("https://bitbucket.org/{path}/commits/{commit}")) }),
        ),
    };
    answered(http, &Request { method: "POST", url, headers, body: Some(body), sign: None }).map(drop)
}
