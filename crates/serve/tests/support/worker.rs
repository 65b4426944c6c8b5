//! The worker of the tests: the real loop around a model that misbehaves when told to.
//!
//! `tidegate-test-worker real ...` runs the real worker. `tidegate-test-worker fake ...` answers a body
//! `{"id": .., "x": .., "do": ..}` by `{"version": .., "role": .., "x": ..}`; a file `mode` in its directory says
//! how it starts. `"pad": N` makes the answer N bytes longer, `"bytes": N` puts N bytes behind its JSON, `"ms": N` makes it take N ms,
//! `"hold": N` makes it keep N bytes for ever.
//! `tidegate-test-worker gateway DIR` and `.. upstream` are processes of their own, to be stopped and ended as such.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

#[path = "processes.rs"]
mod processes;
#[allow(dead_code, reason = "what misbehaves in a process of its own does so by signals")]
#[path = "../gateway/upstream.rs"]
mod upstream;

use prost::Message;
use std::time::Duration;
use tidegate_runtime::oip::grpc::messages::ModelInferRequest;
use tidegate_serve::worker::{self, Answerer, WorkerArguments};
use tidegate_serve::{Answer, Body, Form, Hello, Outcome, Work};

struct Fake {
    arguments: WorkerArguments,
    mode: String,
}

impl Answerer for Fake {
    fn hello(&self) -> Hello {
        match self.mode.as_str() {
            "crash" => {
                eprintln!("cannot start: the moon is in the wrong house");
                std::process::exit(3);
            }
            "mute" => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            _ => {}
        }
        let why = if self.mode == "wrong" { "1 of 1 golden requests was answered otherwise" } else { "" };
        Hello {
            ready: why.is_empty(),
            why: why.to_owned(),
            platform: "fake".to_owned(),
            inputs: vec![],
            outputs: vec![],
            providers: vec![],
        }
    }

    fn answer(&self, body: &Body) -> Answer {
        if body.form == Form::Grpc {
            // Its answer is a message that says nothing: the gateway does not read it.
            return match ModelInferRequest::decode(body.bytes.as_ref()).map(|request| request.id) {
                Ok(id) if id == "refuse" => Answer::error(Outcome::Refused, "refused by this version: no weather"),
                Ok(id) if id == "sleep" => {
                    std::thread::sleep(Duration::from_millis(300));
                    Answer { body: Body { bytes: Default::default(), form: Form::Grpc }, ..Answer::empty() }
                }
                Ok(_) => Answer { body: Body { bytes: Default::default(), form: Form::Grpc }, ..Answer::empty() },
                Err(_) => Answer::error(Outcome::ClientFault, "no message"),
            };
        }
        let json_bytes = if let Form::Mixed(n) = body.form { n as usize } else { body.bytes.len() };
        let Ok(request) = serde_json::from_slice::<serde_json::Value>(&body.bytes[..json_bytes]) else {
            return Answer::error(Outcome::ClientFault, "not JSON");
        };
        if let Some(bytes) = request["hold"].as_u64() {
            // Written to, so that the system gives it.
            Box::leak(vec![1_u8; usize::try_from(bytes).unwrap()].into_boxed_slice());
        }
        if let Some(ms) = request["ms"].as_u64() {
            std::thread::sleep(Duration::from_millis(ms));
        }
        let x = request["x"].as_f64();
        let todo = request["do"].as_str().unwrap_or_default();
        // `refuse@2` is for version 2 only, `sleep@candidate` for candidates only.
        let (what, who) = todo.split_once('@').unwrap_or((todo, ""));
        let mine = who.is_empty() || who == self.arguments.version || who == self.arguments.role.as_str();
        match what {
            "sleep" if mine => std::thread::sleep(Duration::from_millis(300)),
            "nap" if mine => std::thread::sleep(Duration::from_millis(10)),
            "die" if mine => std::process::abort(),
            "refuse" if mine => return Answer::error(Outcome::Refused, "refused by this version: no weather"),
            "fail" if mine => return Answer::error(Outcome::Failed, "the model failed"),
            "fault" if mine => return Answer::error(Outcome::ClientFault, "the request is wrong"),
            _ => {}
        }
        let behind = body.bytes.len() - json_bytes;
        let pad = "z".repeat(request["pad"].as_u64().unwrap_or(0) as usize);
        let json = serde_json::json!({
            "version": self.arguments.version, "role": self.arguments.role.as_str(), "x": x, "behind": behind, "pad": pad,
        });
        let mut body = Body::json(json.to_string());
        if let Some(bytes) = request["bytes"].as_u64() {
            let json = std::mem::take(&mut body.bytes);
            body.form = Form::Mixed(json.len() as u32);
            body.bytes = [json.to_vec(), vec![7; bytes as usize]].concat().into();
        }
        Answer {
            outcome: Outcome::Answered,
            score: x,
            event_time_ms: request["at"].as_i64(),
            record_id: request["id"].as_str().unwrap_or_default().to_owned(),
            inputs: x.map(|x| x as f32).into_iter().collect(),
            work: Work { rows: 2, input_ns: 1_000, infer_ns: 5_000, output_ns: 2_000 },
            body,
            ..Answer::empty()
        }
    }

    /// Answers otherwise from when a file `changed` lies in its directory.
    fn golden(&self, turn: u64) -> Answer {
        match self.arguments.dir.join("changed").exists() {
            false => Answer::empty(),
            true => Answer::error(Outcome::Failed, &format!("golden request `g{turn}` is answered otherwise")),
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("real") => {
            if let Err(error) = worker::main(arguments) {
                eprintln!("{error}");
                std::process::exit(1);
            }
            return;
        }
        Some("gateway") => return processes::gateway(arguments.next().unwrap().into()),
        Some("upstream") => return processes::upstream(),
        _ => {}
    }
    let arguments = WorkerArguments::parse(arguments).unwrap();
    let connection = worker::connection_of_parent().unwrap();
    worker::end_with_parent();
    let mode = std::fs::read_to_string(arguments.dir.join("mode")).unwrap_or_default();
    // Ends like the real one: with an error when the version is not ready or the connection breaks.
    if worker::serve(&connection, &Fake { arguments, mode }).is_err() {
        std::process::exit(1);
    }
}
