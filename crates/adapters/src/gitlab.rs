//! GitLab: notes of merge requests, approvals of deployments, answers to external status checks. A commit's comments cannot be
//! changed there, so that a commit's merge request is what is asked for.

use crate::{
    AnswerError, CommentError, Http, PAGE_ITEMS, Posted, Repository, Request, Service, Target, answered, plain_items, put, quoted,
};
use serde_json::{Value, json};
use tidegate_wire::comment::{Comment, GITLAB_BYTES_MAX};

/// The public service.
pub const API: &str = "https://gitlab.com/api/v4";

/// Posts or updates a note; on a commit a comment is added each time, for the service lets nobody change one.
///
/// # Errors
/// When the service cannot be reached or refuses.
pub fn comment(http: &dyn Http, repository: &Repository, target: &Target, comment: &Comment) -> Result<Posted, CommentError> {
    let root = format!("{}/projects/{}", repository.api, quoted(&repository.path));
    let headers = headers(&repository.token);
    let right = "merge requests (scope `api`)";
    let service = match target {
        Target::Request(number) => {
            let notes = format!("{root}/merge_requests/{number}/notes");
            let (pages, one) = (notes.clone(), notes.clone());
            Service {
                bytes_max: GITLAB_BYTES_MAX,
                right,
                headers,
                list: Box::new(move |page| format!("{pages}?per_page={PAGE_ITEMS}&page={page}&sort=asc&order_by=created_at")),
                create: notes,
                update: Box::new(move |id| ("PUT", format!("{one}/{id}"))),
                wrap: |body| json!({ "body": body }),
                items: |page| plain_items(page, |v| &v["body"]),
            }
        }
        Target::Commit(commit) => {
            let comments = format!("{root}/repository/commits/{commit}/comments");
            let pages = comments.clone();
            Service {
                bytes_max: GITLAB_BYTES_MAX,
                right,
                headers,
                list: Box::new(move |page| format!("{pages}?per_page={PAGE_ITEMS}&page={page}")),
                create: comments.clone(),
                update: Box::new(move |_| ("POST", comments.clone())),
                wrap: |body| json!({ "note": body }),
                // Without ids, so that none is ever taken for ours but by its very body.
                items: |_| vec![],
            }
        }
    };
    put(http, repository, &service, comment)
}

/// Approves or rejects a deployment that is blocked.
///
/// # Errors
/// When it was not taken.
pub fn approve(http: &dyn Http, api: &str, token: &str, (project, deployment): (u64, u64), body: Value) -> Result<(), AnswerError> {
    post(http, token, format!("{api}/projects/{project}/deployments/{deployment}/approval"), body)
}

/// Answers an external status check of a merge request.
///
/// # Errors
/// When it was not taken.
pub fn check(http: &dyn Http, api: &str, token: &str, (project, request): (u64, u64), body: Value) -> Result<(), AnswerError> {
    post(http, token, format!("{api}/projects/{project}/merge_requests/{request}/status_check_responses"), body)
}

/// Headers of a request that carries a token.
pub(crate) fn headers(token: &str) -> Vec<(String, String)> {
    vec![("PRIVATE-TOKEN".to_owned(), token.to_owned())]
}

fn post(http: &dyn Http, token: &str, url: String, body: Value) -> Result<(), AnswerError> {
    answered(http, &Request { method: "POST", url, headers: headers(token), body: Some(body), sign: None }).map(drop)
}
