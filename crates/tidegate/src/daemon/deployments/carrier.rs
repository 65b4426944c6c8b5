//! Carries answers to GitHub and GitLab. What lets us in stands in environment variables; an App's tokens are kept while they last.

use crate::clock;
use crate::surroundings::secret;
use std::collections::HashMap;
use tidegate_adapters::curl::BriefCurl;
use tidegate_adapters::github_app::{self, App};
use tidegate_adapters::{AnswerError, github, gitlab};
use tidegate_core::deployment::{Finding, Outcome, Target};
use tidegate_core::id::At;
use tidegate_wire::config::{Deployment, GithubEntry, Tool};
use tidegate_wire::foreign::deployments::{github_answer, github_callback, github_status, github_statuses, gitlab_approval, gitlab_check};

/// GitHub ends a token of an installation after an hour.
const TOKEN_MS: u64 = 50 * 60_000;

/// Tokens of installations, by the name of the deployment.
pub type Tokens = HashMap<String, (String, At)>;

/// Why it was not taken. No secret stands in it.
pub struct NotTaken {
    pub text: String,
    /// Whether it may be taken later.
    pub may_pass: bool,
}

impl From<AnswerError> for NotTaken {
    fn from(error: AnswerError) -> NotTaken {
        NotTaken { text: error.to_string(), may_pass: error.may_pass() }
    }
}

fn missing(text: String) -> NotTaken {
    NotTaken { text, may_pass: true }
}

/// Tells the tool, and waits until it was taken.
///
/// # Errors
/// Why it was not.
pub async fn carry(tokens: &mut Tokens, name: &str, deployment: &Deployment, target: &Target, finding: &Finding) -> Result<(), NotTaken> {
    let (of, target, finding) = (deployment.clone(), target.clone(), finding.clone());
    with_token(tokens, name, deployment, move |token| send(&of, token, &target, &finding)).await
}

/// Tells GitHub what became of it: of `what`, in words.
///
/// # Errors
/// Why it was not taken.
pub async fn report(
    tokens: &mut Tokens,
    name: &str,
    deployment: &Deployment,
    target: &Target,
    (outcome, what): (Outcome, String),
) -> Result<(), NotTaken> {
    let Target::GithubRule { repository, environment, deployment: id, .. } = target else { return Ok(()) };
    let (url, body) = (github_statuses(&deployment.api, repository, *id), github_status(environment, outcome, &what));
    with_token(tokens, name, deployment, move |token| github::review(&BriefCurl, token, &url, body)).await
}

async fn with_token(
    tokens: &mut Tokens,
    name: &str,
    deployment: &Deployment,
    send: impl FnOnce(&str) -> Result<(), AnswerError> + Send + 'static,
) -> Result<(), NotTaken> {
    let token = token(tokens, name, deployment).await?;
    let done = tokio::task::spawn_blocking(move || send(&token)).await;
    let result = done.map_err(|e| missing(e.to_string()))?;
    if matches!(&result, Err(AnswerError::Status { status: 401, .. })) {
        // It may have ended before its time: the next attempt gets another one.
        tokens.remove(name);
    }
    Ok(result?)
}

async fn token(tokens: &mut Tokens, name: &str, deployment: &Deployment) -> Result<String, NotTaken> {
    let (id, key) = match &deployment.tool {
        Tool::Github { entry: GithubEntry::App { id, key }, .. } => (id.clone(), key),
        Tool::Github { entry: GithubEntry::Token(token), .. } | Tool::Gitlab { token, .. } | Tool::GitlabCheck { token, .. } => {
            return secret(token).map_err(missing);
        }
    };
    let now = clock::now();
    if let Some((token, _)) = tokens.get(name).filter(|(_, since)| *since <= now && now.since_ms(*since) < TOKEN_MS) {
        return Ok(token.clone());
    }
    let (api, path, key) = (deployment.api.clone(), deployment.path.clone(), secret(key).map_err(missing)?);
    let ask = move || github_app::token(&BriefCurl, &App { api: &api, id: &id, key: &key }, &path, now.0.div_euclid(1_000));
    let given = tokio::task::spawn_blocking(ask).await.map_err(|e| missing(e.to_string()))?;
    // Without a token nothing was said: whatever the reason, it may pass.
    let given = given.map_err(|error| missing(format!("get a token of the App: {error}")))?;
    tokens.insert(name.to_owned(), (given.clone(), now));
    Ok(given)
}

fn send(deployment: &Deployment, token: &str, target: &Target, finding: &Finding) -> Result<(), AnswerError> {
    let api = deployment.api.as_str();
    match target {
        Target::GithubRule { repository, run, environment, .. } => {
            github::review(&BriefCurl, token, &github_callback(api, repository, *run), github_answer(environment, finding))
        }
        Target::GitlabDeployment { project, deployment: id } => {
            let name = if let Tool::Gitlab { represented_as, .. } = &deployment.tool { represented_as.as_deref() } else { None };
            match gitlab_approval(finding, name) {
                Some(body) => gitlab::approve(&BriefCurl, api, token, (*project, *id), body),
                None => Ok(()),
            }
        }
        Target::GitlabCheck { project, request, check, sha } => {
            gitlab::check(&BriefCurl, api, token, (*project, *request), gitlab_check(sha, *check, finding))
        }
    }
}
