//! What fuzzers call and nobody else may: readers of the data plane that are private. Built by `scripts/fuzz.sh` alone; a broken promise
//! is a panic here.

use crate::cache::{Anonymous, question};
use crate::frame::{self, Body, Form, Frame};
use crate::gateway::{Coding, Fault, Raw, feedback_items, form_said};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::executor::block_on;
use http_body_util::Full;
use tonic::codec::{CompressionEncoding, Streaming};

/// Frames between gateway and worker: what is read is written as it was read.
pub fn frames(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(read)) = frame::take(&mut buffer) {
        let mut written = Vec::new();
        let again = match &read {
            Frame::Answer(number, answer) => frame::put_answer(&mut written, *number, answer),
            Frame::Hello(hello) => frame::put_hello(&mut written, hello),
            Frame::Ask(number, body) => frame::ask_head(*number, body).map(|head| {
                written.extend_from_slice(&head);
                written.extend_from_slice(&body.bytes);
            }),
        };
        // What was read may be at the limit of a frame, and written take a few bytes more.
        if again.is_err() {
            continue;
        }
        let read_again = frame::take(&mut BytesMut::from(written.as_slice())).expect("what is written can be read").expect("it is whole");
        let same = match (&read, &read_again) {
            (Frame::Answer(..), Frame::Answer(..)) => {
                let mut twice = Vec::new();
                let Frame::Answer(number, answer) = &read_again else { return };
                frame::put_answer(&mut twice, *number, answer).expect("it was written before");
                twice == written
            }
            (read, again) => read == again,
        };
        assert!(same, "a frame is read as it was written");
    }
}

/// What a language model's server sends, in two pieces, and what clients ask of one. What passes is what came, without what nobody asked for.
pub fn language(bytes: &[u8], cut: usize) {
    use crate::language::{Meter, OpenAi, Prompt, Task, asked, generated, of_answer, prepared, tensors};
    for task in Task::ALL {
        let (first, rest) = bytes.split_at(cut.min(bytes.len()));
        let mut meter = Meter::new(task, true, true);
        if let (Ok(mut passed), Ok(more)) = (meter.take(first, 1.0), meter.take(rest, 2.0)) {
            passed.extend(more);
            assert!(bytes.starts_with(&passed), "what passes is what came");
        }
        let _ = (meter.fault(), meter.generated());
        let _ = (generated(bytes), tensors(task, bytes));
        if let Ok(answer) = serde_json::from_slice(bytes) {
            let whole = of_answer(task, &answer, true);
            Meter::new(task, true, false).take(&whole, 1.0).expect("what is written is a stream");
        }
    }
    let _ = asked(bytes);
    let template = String::from_utf8_lossy(bytes).into_owned();
    let openai = OpenAi { prompt: Some(Prompt { system: None, template: Some(template) }), ..OpenAi::default() };
    if openai.check().is_ok() {
        let _ = prepared(br#"{"model":"m","variables":{"a":"b"}}"#, Task::Chat, "m", &openai, true);
    }
    if let Ok(prepared) = prepared(bytes, Task::Completion, "there", &OpenAi::default(), true) {
        serde_json::from_slice::<serde_json::Value>(&prepared.body).expect("what is made ready is JSON");
    }
}

/// What a body asks, without its identifier and with another one.
pub fn identity(bytes: &[u8], form: Form) {
    let body = Body { bytes: Bytes::copy_from_slice(bytes), form };
    let asks = question(&body);
    let Some(anonymous) = Anonymous::of(&body) else { return };
    assert!(anonymous.len() <= bytes.len() * 6 + 64, "nothing is added but escapes");
    let other = anonymous.with(Some("other"));
    if let (Some(asks), Some(other)) = (asks, question(&other))
        && form != Form::Grpc
    {
        assert_eq!(asks.digest, other.digest, "an identifier is no part of what is asked");
    }
}

/// A packed body: never longer than it may be, and what is packed again is the same.
pub fn unpacked(bytes: &[u8], gzip: bool, most: usize) {
    let coding = if gzip { Coding::Gzip } else { Coding::Deflate };
    match coding.unpack(bytes, most) {
        Ok(plain) => {
            assert!(plain.len() <= most, "a bound is kept");
            if let Some(packed) = coding.pack(&plain) {
                assert_eq!(coding.unpack(&packed, most), Ok(plain), "what is packed is unpacked");
            }
        }
        Err(Fault::Long | Fault::Broken(_)) => {}
    }
}

/// The length of the JSON, as a header says it.
pub fn json_bytes(said: &[u8], bytes: usize) {
    if let Ok(Form::Mixed(json_bytes)) = form_said(Some(said), bytes) {
        assert!(json_bytes as usize <= bytes, "the JSON lies within the body");
    }
}

/// Labels that came later.
pub fn feedback(bytes: &[u8]) {
    let _ = feedback_items(bytes);
}

/// Messages of gRPC in their frames, packed or not.
pub fn grpc_frames(bytes: &[u8], packed: Option<bool>, most: usize) {
    let coding = packed.map(|gzip| if gzip { CompressionEncoding::Gzip } else { CompressionEncoding::Deflate });
    let mut messages = Streaming::new_request(Raw, Full::new(Bytes::copy_from_slice(bytes)), coding, Some(most));
    block_on(async {
        while let Some(Ok(message)) = messages.next().await {
            assert!(message.len() <= most, "a bound is kept");
        }
    });
}
