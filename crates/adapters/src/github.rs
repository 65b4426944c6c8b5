//! GitHub: comments on pull requests (issue comments) and on commits, answers to deployment protection rules.

use crate::{AnswerError, CommentError, Http, PAGE_ITEMS, Posted, Repository, Request, Service, Target, answered, plain_items, put};
use serde_json::{Value, json};
use tidegate_wire::comment::{Comment, GITHUB_BYTES_MAX};

/// The public service.
pub const API: &str = "https://api.github.com";

/// Posts or updates a comment.
///
/// # Errors
/// When the service cannot be reached or refuses.
pub fn comment(http: &dyn Http, repository: &Repository, target: &Target, comment: &Comment) -> Result<Posted, CommentError> {
    let root = format!("{}/repos/{}", repository.api, repository.path);
    let (list, one) = match target {
        Target::Request(number) => (format!("{root}/issues/{number}/comments"), format!("{root}/issues/comments")),
        Target::Commit(commit) => (format!("{root}/commits/{commit}/comments"), format!("{root}/comments")),
    };
    let pages = list.clone();
    let service = Service {
        bytes_max: GITHUB_BYTES_MAX,
        right: "pull requests (`permissions: pull-requests: write` in a workflow)",
        headers: headers(&repository.token),
        list: Box::new(move |page| format!("{pages}?per_page={PAGE_ITEMS}&page={page}")),
        create: list,
        update: Box::new(move |id| ("PATCH", format!("{one}/{id}"))),
        wrap: |body| json!({ "body": body }),
        items: |page| plain_items(page, |v| &v["body"]),
    };
    put(http, repository, &service, comment)
}

/// Headers of a request that carries a token.
pub(crate) fn headers(token: &str) -> Vec<(String, String)> {
    vec![
        ("Authorization".to_owned(), format!("Bearer {token}")),
        ("Accept".to_owned(), "application/vnd.github+json".to_owned()),
        ("X-GitHub-Api-Version".to_owned(), "2022-11-28".to_owned()),
    ]
}

/// Answers a deployment protection rule, or gives a deployment a status, at its address.
///
/// # Errors
/// When it was not taken.
pub fn review(http: &dyn Http, token: &str, url: &str, body: Value) -> Result<(), AnswerError> {
    answered(http, &Request { method: "POST", url: url.to_owned(), headers: headers(token), body: Some(body), sign: None }).map(drop)
}
