//! Where a pull or merge request begins and ends: the commits that forges tell of it.

use crate::status::Forge;
use crate::{AnswerError, Http, Repository, Request, answered, github, gitlab, quoted};
use serde_json::Value;

/// The commits of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Where it leaves what it is for.
    pub base: String,
    /// Its newest commit.
    pub head: String,
}

/// Why they are not known.
#[derive(Debug, thiserror::Error)]
pub enum NoEnds {
    /// The forge cannot be reached or refuses.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Its answer names no commits.
    #[error("the answer names no commit at `{0}`")]
    Form(&'static str),
}

/// Asks for them.
///
/// # Errors
/// When the forge cannot be reached, refuses, or its answer is another one than its documentation says.
pub fn ends(forge: Forge, http: &dyn Http, repository: &Repository, number: u64) -> Result<Ends, NoEnds> {
    let Repository { api, path, token } = repository;
    let (url, headers, base, head) = match forge {
        Forge::Github => (format!("{api}/repos/{path}/pulls/{number}"), github::headers(token), "/base/sha", "/head/sha"),
        Forge::Gitlab => (
            format!("{api}/projects/{}/merge_requests/{number}", quoted(path)),
            gitlab::headers(token),
            "/diff_refs/base_sha",
            "/diff_refs/head_sha",
        ),
        Forge::Bitbucket => (
            format!("{api}/repositories/{path}/pullrequests/{number}"),
            vec![("Authorization".to_owned(), format!("Bearer {token}"))],
            "/destination/commit/hash",
            "/source/commit/hash",
        ),
    };
    let told = answered(http, &Request { method: "GET", url, headers, body: None, sign: None })?;
    Ok(Ends { base: commit(&told, base)?, head: commit(&told, head)? })
}

/// A commit's digits, whole or, as Bitbucket tells them, the first twelve: nothing else is given to git.
fn commit(told: &Value, place: &'static str) -> Result<String, NoEnds> {
    let digits = told.pointer(place).and_then(Value::as_str);
    let is_one = |text: &&str| (12..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.filter(is_one).map(str::to_owned).ok_or(NoEnds::Form(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HttpError, Response};
    use serde_json::json;
    use std::cell::RefCell;

    /// Answers with one body, and keeps what it was asked.
    struct Told(Value, RefCell<Vec<String>>);

    impl Http for Told {
        fn send(&self, request: &Request) -> Result<Response, HttpError> {
            self.1.borrow_mut().push(format!("{} {}", request.method, request.url));
            Ok(Response { status: 200, body: self.0.clone() })
        }
    }

    fn asked(forge: Forge, body: Value) -> (Result<Ends, String>, String) {
        let repository = Repository { api: "http://forge".into(), path: "team/model".into(), token: "token".into() };
        let told = Told(body, RefCell::default());
        let found = ends(forge, &told, &repository, 12).map_err(|why| why.to_string());
        let asked = told.1.borrow().join(" ");
        (found, asked)
    }

    #[test]
    fn each_forge_is_read_as_it_tells() {
        let (base, head) = ("0a".repeat(20), "ff".repeat(20));
        let found = Ok(Ends { base: base.clone(), head: head.clone() });
        let github = json!({ "base": { "sha": base, "ref": "main" }, "head": { "sha": head } });
        assert_eq!(asked(Forge::Github, github), (found.clone(), "GET http://forge/repos/team/model/pulls/12".into()));
        let gitlab = json!({ "sha": head, "diff_refs": { "base_sha": base, "head_sha": head, "start_sha": head } });
        assert_eq!(asked(Forge::Gitlab, gitlab), (found, "GET http://forge/projects/team%2Fmodel/merge_requests/12".into()));
        let bitbucket = json!({ "source": { "commit": { "hash": head[..12] } }, "destination": { "commit": { "hash": base[..12] } } });
        let short = Ok(Ends { base: base[..12].to_owned(), head: head[..12].to_owned() });
        assert_eq!(asked(Forge::Bitbucket, bitbucket), (short, "GET http://forge/repositories/team/model/pullrequests/12".into()));
    }

    #[test]
    fn what_is_no_commit_is_not_given_on() {
        for sha in [json!("--upload-pack=x"), json!("main"), json!(""), json!(null), json!("0a".repeat(33))] {
            let (found, _) = asked(Forge::Github, json!({ "base": { "sha": sha }, "head": { "sha": "ff".repeat(20) } }));
            assert_eq!(found, Err("the answer names no commit at `/base/sha`".into()));
        }
    }
}
