//! Answers to deployments against a stand-in of GitHub and GitLab that looks at method, path, headers and body, through the real
//! `curl`; an App's proof is verified by `openssl`.

use crate::curl::BriefCurl;
use crate::github_app::{App, token};
use crate::{AnswerError, github, gitlab};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};

/// A request as it came.
struct Seen {
    line: String,
    headers: Vec<String>,
    body: Value,
}

impl Seen {
    fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|h| h.eq_ignore_ascii_case(header))
    }
}

/// Answers one request after the other with these statuses and bodies.
fn server(answers: Vec<(u16, Value)>) -> (String, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, seen) = sync_channel(16);
    std::thread::spawn(move || {
        for (status, body) in answers {
            let mut stream = listener.accept().unwrap().0;
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = vec![];
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let length = lines.iter().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes).unwrap();
            let text = if status == 204 { String::new() } else { body.to_string() };
            write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}", text.len()).unwrap();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            tell.send(Seen { line: lines.remove(0), headers: lines, body }).unwrap();
        }
    });
    (address, seen)
}

#[test]
fn github_is_answered_at_the_address_of_the_run() {
    let (api, seen) = server(vec![(204, json!({})), (422, json!({ "message": "already reviewed" })), (503, json!({}))]);
    let url = format!("{api}/repos/acme/shop/actions/runs/7/deployment_protection_rule");
    let body = json!({ "environment_name": "production", "state": "approved", "comment": "x" });
    assert_eq!(github::review(&BriefCurl, "ghs_secret", &url, body.clone()), Ok(()), "204 is its yes");
    let got = seen.recv().unwrap();
    assert_eq!(got.line, "POST /repos/acme/shop/actions/runs/7/deployment_protection_rule HTTP/1.1");
    for header in [
        "authorization: Bearer ghs_secret",
        "accept: application/vnd.github+json",
        "x-github-api-version: 2022-11-28",
        "content-type: application/json",
    ] {
        assert!(got.has(header), "{header}: {:?}", got.headers);
    }
    assert_eq!(got.body, body);
    let error = github::review(&BriefCurl, "ghs_secret", &url, body.clone()).unwrap_err();
    assert!(!error.may_pass() && error.to_string().contains("422: {\"message\":\"already reviewed\"}"), "{error}");
    let error = github::review(&BriefCurl, "ghs_secret", &url, body.clone()).unwrap_err();
    assert!(error.may_pass(), "{error}");
    assert!(!format!("{error:?}").contains("ghs_secret"));
    drop(seen);
    let error = github::review(&BriefCurl, "t", "http://127.0.0.1:1/", body).unwrap_err();
    assert!(matches!(error, AnswerError::NoAnswer(_)) && error.may_pass());
    for (status, may) in [(401, true), (403, true), (404, true), (409, false), (429, true), (500, true)] {
        assert_eq!(AnswerError::Status { url: String::new(), status, said: String::new() }.may_pass(), may, "{status}");
    }
}

#[test]
fn gitlab_is_answered_at_the_deployment_and_at_the_check() {
    let (api, seen) = server(vec![(201, json!({ "status": "approved" })), (201, json!({ "id": 1 }))]);
    let approval = json!({ "status": "approved", "comment": "x", "represented_as": "ops" });
    assert_eq!(gitlab::approve(&BriefCurl, &api, "glpat", (30, 15), approval.clone()), Ok(()));
    let got = seen.recv().unwrap();
    assert_eq!((got.line.as_str(), &got.body), ("POST /projects/30/deployments/15/approval HTTP/1.1", &approval));
    assert!(got.has("private-token: glpat"));
    let check = json!({ "sha": "1", "external_status_check_id": 1, "status": "pending" });
    assert_eq!(gitlab::check(&BriefCurl, &api, "glpat", (6, 4), check.clone()), Ok(()));
    let got = seen.recv().unwrap();
    assert_eq!((got.line.as_str(), &got.body), ("POST /projects/6/merge_requests/4/status_check_responses HTTP/1.1", &check));
}

#[test]
fn an_app_proves_who_it_is_and_is_given_a_token() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: no `openssl` to verify with");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let openssl = |args: &[&str]| Command::new("openssl").args(args).output().unwrap();
    assert!(openssl(&["genrsa", "-traditional", "-out", &at("key"), "2048"]).status.success());
    assert!(openssl(&["rsa", "-in", &at("key"), "-pubout", "-out", &at("public")]).status.success());
    assert!(openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", &at("key"), "-out", &at("pkcs8")]).status.success());
    let given = (201, json!({ "token": "ghs_given", "expires_at": "2026-01-01T01:00:00Z" }));
    let installed = (200, json!({ "id": 99 }));
    let (api, seen) = server(vec![installed.clone(), given.clone(), installed, given]);
    let now_s = 1_767_225_600;
    let pem = std::fs::read_to_string(at("key")).unwrap();
    for key in [pem.replace('\n', "\\n"), std::fs::read_to_string(at("pkcs8")).unwrap()] {
        let app = App { api: &api, id: "12345", key: &key };
        assert_eq!(token(&BriefCurl, &app, "acme/shop", now_s).unwrap(), "ghs_given");
        let (first, second) = (seen.recv().unwrap(), seen.recv().unwrap());
        assert_eq!(first.line, "GET /repos/acme/shop/installation HTTP/1.1");
        assert_eq!(second.line, "POST /app/installations/99/access_tokens HTTP/1.1");
        assert_eq!(second.body, json!({ "repositories": ["shop"], "permissions": { "deployments": "write" } }));
        let bearer = first.headers.iter().find_map(|h| h.strip_prefix("Authorization: Bearer ")).unwrap();
        let (said, signature) = bearer.rsplit_once('.').unwrap();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let claims: Value = serde_json::from_slice(&decoded(said.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims, json!({ "iat": now_s - 60, "exp": now_s + 540, "iss": "12345" }));
        std::fs::write(at("said"), said).unwrap();
        std::fs::write(at("signature"), decoded(signature)).unwrap();
        let verified = openssl(&["dgst", "-sha256", "-verify", &at("public"), "-signature", &at("signature"), &at("said")]);
        assert!(verified.status.success(), "{verified:?}");
    }
    for (key, why) in [("", "is no PEM"), ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is no RSA key")] {
        let error = token(&BriefCurl, &App { api: &api, id: "1", key }, "acme/shop", now_s).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}
