//! The protocol of NATS, and of JetStream within it, as far as a reader of a stream needs it: lines in and out, headers, and the few requests
//! and answers in JSON. Not here: connections, and signatures.

use serde::Deserialize;
use serde_json::{Value, json};

/// Longest line of the protocol, in bytes: the server's own limit is 4 KiB, what it says of itself may be longer.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Headers of a message that are looked at.
const HEADERS_MAX: usize = 64;

/// A line that a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// What the server is.
    Info(Info),
    /// A message follows.
    Message {
        /// Where to answer.
        reply: Option<String>,
        /// Bytes of headers, at its beginning.
        headers: usize,
        /// Bytes in all.
        bytes: usize,
    },
    /// It asks whether we are there.
    Ping,
    /// It is there, or took something.
    Fine,
    /// It refuses something, or ends.
    Error(String),
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Text that is to be signed.
    pub nonce: Option<String>,
    /// It wants TLS.
    pub tls_required: bool,
    /// It wants to know who asks.
    pub auth_required: bool,
    /// It is about to end.
    pub ldm: bool,
}

/// Not what a server of NATS sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Strange(pub &'static str);

/// A line, without its end.
///
/// # Errors
/// When it is none.
pub fn line(text: &str) -> Result<Line, Strange> {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let strange = Strange("a line of it is none of NATS");
    let number = |text: &str| text.parse::<u32>().map(|number| number as usize).map_err(|_| strange);
    Ok(match word.to_ascii_uppercase().as_str() {
        "INFO" => Line::Info(serde_json::from_str(rest).map_err(|_| strange)?),
        "PING" => Line::Ping,
        "PONG" | "+OK" => Line::Fine,
        "-ERR" => Line::Error(rest.trim_matches('\'').to_owned()),
        word @ ("MSG" | "HMSG") => {
            let parts: Vec<&str> = rest.split_ascii_whitespace().collect();
            let numbers = if word == "MSG" { 1 } else { 2 };
            let (names, sizes) = parts.split_at_checked(parts.len().saturating_sub(numbers)).ok_or(strange)?;
            let reply = match names {
                [_, _] => None,
                [_, _, reply] => Some((*reply).to_owned()),
                _ => return Err(strange),
            };
            let sizes = sizes.iter().map(|size| number(size)).collect::<Result<Vec<_>, _>>()?;
            let (headers, bytes) = match sizes[..] {
                [bytes] => (0, bytes),
                [headers, bytes] if headers <= bytes => (headers, bytes),
                _ => return Err(strange),
            };
            Line::Message { reply, headers, bytes }
        }
        _ => return Err(strange),
    })
}

/// The status of a message's headers, where it has one, and those that are texts.
#[must_use]
pub fn headers(bytes: &[u8]) -> (Option<u16>, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|first| first.strip_prefix("NATS/1.0")?.split_ascii_whitespace().next()?.parse().ok());
    let one = |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    (status, lines.filter_map(one).take(HEADERS_MAX).collect())
}

/// What proves who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Login and password.
    pub login: Option<(String, String)>,
    /// A token.
    pub token: Option<String>,
    /// A token of the account, signed by its owner.
    pub jwt: Option<String>,
    /// The public key.
    pub nkey: Option<String>,
    /// The server's text, signed with the key.
    pub signature: Option<String>,
}

/// The first line that is sent.
#[must_use]
pub fn connect(proof: &Proof, tls: bool) -> String {
    let mut said = json!({ "verbose": false, "pedantic": false, "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "tidegate",
        "headers": true, "no_responders": true, "protocol": 1, "tls_required": tls });
    let mut add = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            said[key] = json!(value);
        }
    };
    let (login, password) = proof.login.clone().unzip();
    add("user", &login);
    add("pass", &password);
    add("auth_token", &proof.token);
    add("jwt", &proof.jwt);
    add("nkey", &proof.nkey);
    add("sig", &proof.signature);
    format!("CONNECT {said}\r\n")
}

/// Where to answer, for [`subscribe`].
#[must_use]
pub fn subscribe(inbox: &str) -> String {
    format!("SUB {inbox}.* 1\r\n")
}

/// Tells something.
#[must_use]
pub fn publish(subject: &str, reply: Option<&str>, text: &str) -> String {
    let reply = reply.map_or_else(String::new, |reply| format!("{reply} "));
    format!("PUB {subject} {reply}{}\r\n{text}\r\n", text.len())
}

/// How long a message may be under way to the lake before it is sent again, in nanoseconds.
const ACK_WAIT_NS: u64 = 10_000_000_000;

/// Where a reader is made, and what is said there: it keeps its place when nobody reads, and gives one message after the other, each when the
/// one before is done, so that their order holds.
#[must_use]
pub fn make_consumer(stream: &str, durable: &str, subject: Option<&str>) -> (String, String) {
    let mut config = json!({ "durable_name": durable, "deliver_policy": "all", "ack_policy": "explicit", "ack_wait": ACK_WAIT_NS,
        "max_ack_pending": 1, "replay_policy": "instant" });
    if let Some(subject) = subject {
        config["filter_subject"] = json!(subject);
    }
    let said = json!({ "stream_name": stream, "config": config });
    (format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}"), said.to_string())
}

/// Where it is asked what a reader is.
#[must_use]
pub fn ask_consumer(stream: &str, durable: &str) -> String {
    format!("$JS.API.CONSUMER.INFO.{stream}.{durable}")
}

/// Where messages are asked for, and what is said there.
#[must_use]
pub fn ask_messages(stream: &str, durable: &str, batch: u32, wait_ms: u64) -> (String, String) {
    let said = json!({ "batch": batch, "expires": wait_ms.saturating_mul(1_000_000) });
    (format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"), said.to_string())
}

/// Why a server has no such reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoConsumer {
    /// It has none of this name.
    Missing,
    /// It cannot be read as it is.
    Other(String),
}

/// Whether an answer tells of a reader that asks for its messages and says which are done.
///
/// # Errors
/// When it does not.
pub fn consumer(answer: &[u8]) -> Result<(), NoConsumer> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| NoConsumer::Other("its answer is no JSON".to_owned()))?;
    let text = |path: &str| answer.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if let Some(error) = answer.get("error") {
        // 10014: no such consumer. Everything else is for a person.
        return Err(match error["err_code"].as_u64() {
            Some(10_014) => NoConsumer::Missing,
            _ => NoConsumer::Other(text("/error/description").chars().take(200).collect()),
        });
    }
    if text("/config/ack_policy") != "explicit" || !text("/config/deliver_subject").is_empty() {
        return Err(NoConsumer::Other(
            "the durable consumer is there and pushes, or takes no acknowledgements: name another one".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(reply: Option<&str>, headers: usize, bytes: usize) -> Line {
        Line::Message { reply: reply.map(str::to_owned), headers, bytes }
    }

    #[test]
    fn lines_are_read() {
        for (text, want) in [
            ("MSG a.b 1 5", message(None, 0, 5)),
            ("MSG a.b 1 $JS.ACK.x 5", message(Some("$JS.ACK.x"), 0, 5)),
            ("HMSG a 1 r 12 17", message(Some("r"), 12, 17)),
            ("HMSG a 1  12\t17", message(None, 12, 17)),
            ("PING", Line::Ping),
            ("PONG", Line::Fine),
            ("+OK", Line::Fine),
            ("-ERR 'Authorization Violation'", Line::Error("Authorization Violation".to_owned())),
            ("INFO {\"nonce\":\"x\",\"more\":1}", Line::Info(Info { nonce: Some("x".to_owned()), ..Info::default() })),
        ] {
            assert_eq!(line(text), Ok(want), "{text}");
        }
        for text in ["", "MSG", "MSG a", "MSG a 1 -5", "MSG a 1 b c 5", "HMSG a 1 17 12", "INFO {", "HTTP/1.1 400", "MSG a 1 99999999999"] {
            assert!(line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_have_a_status_or_not() {
        assert_eq!(headers(b"NATS/1.0 404 No Messages\r\n\r\n"), (Some(404), vec![]));
        let (status, read) = headers(b"NATS/1.0\r\nce-id: 7\r\nce-type:x:y\r\nnone\r\n\r\n");
        assert_eq!((status, read.len()), (None, 2));
        assert_eq!(read[1], ("ce-type".to_owned(), "x:y".to_owned()));
        let many = format!("NATS/1.0\r\n{}", "a:b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(headers(many.as_bytes()).1.len(), HEADERS_MAX);
    }

    #[test]
    fn what_is_said_is_whole_lines() {
        let proof = Proof { login: Some(("ada".to_owned(), "a\r\nb".to_owned())), ..Proof::default() };
        let said = connect(&proof, true);
        assert!(said.ends_with("}\r\n") && said.matches("\r\n").count() == 1 && said.contains("\"user\":\"ada\""), "{said}");
        assert_eq!(publish("a", Some("b"), "{}"), "PUB a b 2\r\n{}\r\n");
        assert_eq!(publish("a", None, ""), "PUB a 0\r\n\r\n");
        assert!(make_consumer("S", "d", Some("x.>")).1.contains("\"filter_subject\":\"x.>\""));
    }

    #[test]
    fn a_reader_asks_and_says_what_is_done() {
        let of = |ack: &str, more: &str| format!("{{\"config\":{{\"ack_policy\":\"{ack}\"{more}}}}}");
        assert_eq!(consumer(of("explicit", "").as_bytes()), Ok(()));
        for other in [of("none", ""), of("explicit", ",\"deliver_subject\":\"x\""), "nothing".to_owned(), "{}".to_owned()] {
            assert!(matches!(consumer(other.as_bytes()), Err(NoConsumer::Other(_))), "{other}");
        }
        let missing = b"{\"error\":{\"code\":404,\"err_code\":10014,\"description\":\"consumer not found\"}}";
        assert_eq!(consumer(missing), Err(NoConsumer::Missing));
        assert_eq!(
            consumer(b"{\"error\":{\"err_code\":10059,\"description\":\"stream not found\"}}"),
            Err(NoConsumer::Other("stream not found".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn anything_is_a_line_or_none(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = line(&text);
            let _ = line(&format!("HMSG {text}"));
            let _ = headers(&bytes);
            let _ = consumer(&bytes);
        }
    }
}
