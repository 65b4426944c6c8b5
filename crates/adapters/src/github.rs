//! Comments on GitHub: on pull requests (issue comments) and on commits.

use crate::{CommentError, Http, PAGE_ITEMS, Posted, Repository, Service, Target, plain_items, put};
use serde_json::json;
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
        headers: vec![
            ("Authorization".to_owned(), format!("Bearer {}", repository.token)),
            ("Accept".to_owned(), "application/vnd.github+json".to_owned()),
            ("X-GitHub-Api-Version".to_owned(), "2022-11-28".to_owned()),
        ],
        list: Box::new(move |page| format!("{pages}?per_page={PAGE_ITEMS}&page={page}")),
        create: list,
        update: Box::new(move |id| ("PATCH", format!("{one}/{id}"))),
        wrap: |body| json!({ "body": body }),
        items: |page| plain_items(page, |v| &v["body"]),
    };
    put(http, repository, &service, comment)
}
