//! Comments on Bitbucket Cloud: on pull requests and on commits.

use crate::{CommentError, Http, PAGE_ITEMS, Posted, Repository, Service, Target, plain_items, put};
use serde_json::json;
use tidegate_wire::comment::{BITBUCKET_BYTES_MAX, Comment};

/// The public service.
pub const API: &str = "https://api.bitbucket.org/2.0";

/// Posts or updates a comment.
///
/// # Errors
/// When the service cannot be reached or refuses.
pub fn comment(http: &dyn Http, repository: &Repository, target: &Target, comment: &Comment) -> Result<Posted, CommentError> {
    let root = format!("{}/repositories/{}", repository.api, repository.path);
    let comments = match target {
        Target::Request(number) => format!("{root}/pullrequests/{number}/comments"),
        Target::Commit(commit) => format!("{root}/commit/{commit}/comments"),
    };
    let (pages, one) = (comments.clone(), comments.clone());
    let service = Service {
        bytes_max: BITBUCKET_BYTES_MAX,
        right: "pull requests (scope `pullrequest:write`)",
        headers: vec![("Authorization".to_owned(), format!("Bearer {}", repository.token))],
        list: Box::new(move |page| format!("{pages}?pagelen={PAGE_ITEMS}&page={page}")),
        create: comments,
        update: Box::new(move |id| ("PUT", format!("{one}/{id}"))),
        wrap: |body| json!({ "content": { "raw": body } }),
        items: |page| plain_items(&page["values"], |v| &v["content"]["raw"]),
    };
    put(http, repository, &service, comment)
}
