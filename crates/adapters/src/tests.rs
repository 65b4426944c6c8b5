//! Each service against a server that keeps comments as it does, through the real `curl`.

use crate::curl::Curl;
use crate::status::{self, Forge, Status};
use crate::{CommentError, Posted, Repository, Target, bitbucket, github, gitlab};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use tidegate_wire::comment::Comment;

/// Comments of a server: id and body; and the requests that it saw.
#[derive(Default)]
struct Kept {
    comments: Vec<(u64, String)>,
    seen: Vec<String>,
    bodies: Vec<Value>,
    denied: bool,
}

/// Answers as the three services do, which differ in names alone.
fn answer(kept: &mut Kept, method: &str, path: &str, body: &Value) -> (u16, Value) {
    kept.seen.push(format!("{method} {path}"));
    kept.bodies.push(body.clone());
    if kept.denied {
        return (403, json!({ "message": "no" }));
    }
    let bitbucket = path.contains("/repositories/");
    let text = || body["body"].as_str().or(body["content"]["raw"].as_str()).unwrap_or("").to_owned();
    let show = |(id, body): &(u64, String)| {
        if bitbucket { json!({ "id": id, "content": { "raw": body } }) } else { json!({ "id": id, "body": body }) }
    };
    match method {
        "GET" => {
            let page: usize = path.rsplit_once("page=").map_or("1", |(_, p)| p.split('&').next().unwrap()).parse().unwrap_or(1);
            let page = if path.contains("&page=") {
                path.split("&page=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap()
            } else {
                page
            };
            let items: Vec<Value> = kept.comments.iter().skip((page - 1) * 100).take(100).map(show).collect();
            (200, if bitbucket { json!({ "values": items }) } else { json!(items) })
        }
        "POST" => {
            let id = kept.comments.len() as u64 + 1;
            kept.comments.push((id, text()));
            (201, json!({ "id": id }))
        }
        _ => {
            let id: u64 = path.rsplit_once('/').unwrap().1.parse().unwrap();
            kept.comments.iter_mut().find(|c| c.0 == id).unwrap().1 = text();
            (200, json!({ "id": id }))
        }
    }
}

fn server() -> (String, Arc<Mutex<Kept>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Kept::default()));
    let shared = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut words = first.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let (status, value) = answer(&mut shared.lock().unwrap(), method, path, &serde_json::from_slice(&body).unwrap_or(Value::Null));
            let text = value.to_string();
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len()).unwrap();
        }
    });
    (address, kept)
}

fn comment(report: &str, revision: &str) -> Comment {
    Comment { report: report.into(), title: "train".into(), revision: revision.into(), link: None }
}

type Post = fn(&dyn crate::Http, &Repository, &Target, &Comment) -> Result<Posted, CommentError>;

#[test]
fn a_comment_is_made_once_and_then_kept_up_to_date() {
    for post in [github::comment as Post, gitlab::comment, bitbucket::comment] {
        let (api, kept) = server();
        // Others' comments, more than a page, and one that CML left under the same title.
        kept.lock().unwrap().comments.extend((1..=150).map(|i| (i, format!("remark {i}"))));
        let repository = Repository { api, path: "team/model".into(), token: "to\"ken".into() };
        let send = |c: &Comment| post(&Curl, &repository, &Target::Request(7), c).unwrap();
        assert_eq!(send(&comment("one \"quoted\" \\ line\n<b>é</b>", "aaa1")), Posted::Created("151".into()));
        assert_eq!(send(&comment("one \"quoted\" \\ line\n<b>é</b>", "aaa1")), Posted::Same("151".into()), "twice is harmless");
        assert_eq!(send(&comment("two", "bbb2")), Posted::Updated("151".into()));
        let kept = kept.lock().unwrap();
        assert_eq!(kept.comments.len(), 151);
        assert!(kept.comments[150].1.starts_with("two\n\n![]("), "{:?}", kept.comments[150]);
        assert!(kept.seen.iter().any(|s| s.contains("page=2")), "{:?}", kept.seen);
    }
}

#[test]
fn what_cml_left_is_taken_over() {
    let (api, kept) = server();
    kept.lock().unwrap().comments.push((1, "old\n\n![](https://cml.dev/watermark.png#0123abcd \"CML watermark train\")".into()));
    let repository = Repository { api, path: "team/model".into(), token: "t".into() };
    assert_eq!(
        github::comment(&Curl, &repository, &Target::Commit("c0ffee".into()), &comment("new", "ee")).unwrap(),
        Posted::Updated("1".into())
    );
}

#[test]
fn refusals_say_what_is_missing() {
    let (api, kept) = server();
    kept.lock().unwrap().denied = true;
    let repository = Repository { api, path: "team/model".into(), token: "t".into() };
    let error = github::comment(&Curl, &repository, &Target::Request(1), &comment("x", "e")).unwrap_err();
    assert!(error.to_string().contains("pull-requests: write"), "{error}");
    let nowhere = Repository { api: "http://127.0.0.1:1".into(), ..repository };
    assert!(matches!(github::comment(&Curl, &nowhere, &Target::Request(1), &comment("x", "e")), Err(CommentError::Http(_))));
}

#[test]
fn a_mark_is_set_in_the_words_of_each_forge() {
    let commit = "c0ffee".repeat(6) + "c0ff";
    let status =
        |passed| Status { commit: commit.clone(), passed, name: "tidegate/risk".into(), description: "é".repeat(200), link: None };
    let cases = [
        (Forge::Github, format!("/repos/team/model/statuses/{commit}"), "success", "failure", "context"),
        (Forge::Gitlab, format!("/projects/team%2Fmodel/statuses/{commit}"), "success", "failed", "name"),
        (Forge::Bitbucket, format!("/repositories/team/model/commit/{commit}/statuses/build"), "SUCCESSFUL", "FAILED", "key"),
    ];
    for (forge, path, good, bad, name) in cases {
        let (api, kept) = server();
        let repository = Repository { api, path: "team/model".into(), token: "token".into() };
        status::set(forge, &Curl, &repository, &status(true)).unwrap();
        status::set(forge, &Curl, &repository, &status(false)).unwrap();
        let kept = kept.lock().unwrap();
        assert_eq!(kept.seen, [format!("POST {path}"), format!("POST {path}")]);
        assert_eq!([&kept.bodies[0]["state"], &kept.bodies[1]["state"]], [good, bad]);
        assert_eq!(
            (&kept.bodies[0][name], kept.bodies[0]["description"].as_str().unwrap().chars().count()),
            (&json!("tidegate/risk"), 140)
        );
    }
    let (api, kept) = server();
    kept.lock().unwrap().denied = true;
    let repository = Repository { api, path: "team/model".into(), token: "s3cret".into() };
    let refused = status::set(Forge::Github, &Curl, &repository, &status(true)).unwrap_err().to_string();
    assert!(refused.contains("403") && !refused.contains("s3cret"), "{refused}");
}
