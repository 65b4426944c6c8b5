//! The journal record as bytes: a versioned JSON envelope around one event.
//!
//! The encoded bytes are what the database stores and what the transparency log hashes, so an encoding
//! that was once written must be read for ever: a new shape takes a new `v`, and the reader keeps the old ones.
//! Not here: where records are stored, and what an event means.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_core::id::At;

/// The version that [`JournalRecord::encode`] writes.
pub const RECORD_VERSION: u32 = 1;

/// One event with its place in the journal, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRecord {
    /// Index in the whole journal from 0.
    pub position: u64,
    /// Stream, as `rollout/late-arrival/2`.
    pub stream: String,
    /// Index within the stream from 0.
    pub seq: u64,
    /// When it was appended.
    pub at: At,
    /// Kind of machine, as `rollout`.
    pub kind: String,
    /// Idempotency key of the command that caused it.
    pub key: Option<String>,
    /// The event as JSON.
    pub body: Value,
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of a record.
    #[error("read a journal record: {0}: the bytes were damaged or are not a record")]
    Malformed(#[source] serde_json::Error),
    /// Written by a newer version of the software.
    #[error("read a journal record: its version is {found}, this program reads up to {RECORD_VERSION}: use the newer program")]
    Version {
        /// The version in the bytes.
        found: u64,
    },
    /// The record cannot be written as JSON.
    #[error("encode a journal record of stream `{stream}`: {cause}")]
    Encode {
        /// The stream.
        stream: String,
        /// What went wrong.
        #[source]
        cause: serde_json::Error,
    },
}

/// The first look at an envelope: its version and nothing else.
#[derive(Deserialize)]
struct Probe {
    v: u64,
}

/// Version 1, as it is written. The order of the fields is the order of the bytes: never change it.
#[derive(Serialize)]
struct WriteV1<'a> {
    v: u32,
    position: u64,
    stream: &'a str,
    seq: u64,
    at: At,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    body: &'a Value,
}

/// Version 1, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadV1 {
    #[serde(rename = "v")]
    _v: u32,
    position: u64,
    stream: String,
    seq: u64,
    at: At,
    kind: String,
    #[serde(default)]
    key: Option<String>,
    body: Value,
}

impl JournalRecord {
    /// The bytes of this record: compact JSON, fields in a fixed order.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        encode(self.position, &self.stream, self.seq, self.at, &self.kind, self.key.as_deref(), &self.body)
    }

    /// The record in `bytes`.
    ///
    /// # Errors
    /// When they are no record, or one of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<JournalRecord, RecordError> {
        let read: ReadV1 = match serde_json::from_slice(bytes) {
            Ok(read) => read,
            Err(cause) => return Err(explain(bytes, cause)),
        };
        if read._v != RECORD_VERSION {
            return Err(RecordError::Version { found: u64::from(read._v) });
        }
        let ReadV1 { position, stream, seq, at, kind, key, body, .. } = read;
        Ok(JournalRecord { position, stream, seq, at, kind, key, body })
    }
}

/// As [`JournalRecord::encode`], from borrowed parts.
///
/// # Errors
/// When the body cannot be written as JSON.
pub fn encode(position: u64, stream: &str, seq: u64, at: At, kind: &str, key: Option<&str>, body: &Value) -> Result<Vec<u8>, RecordError> {
    let envelope = WriteV1 { v: RECORD_VERSION, position, stream, seq, at, kind, key, body };
    serde_json::to_vec(&envelope).map_err(|cause| RecordError::Encode { stream: stream.to_owned(), cause })
}

/// A newer envelope has fields we do not know: say the version rather than the field.
fn explain(bytes: &[u8], cause: serde_json::Error) -> RecordError {
    match serde_json::from_slice::<Probe>(bytes) {
        Ok(probe) if probe.v != u64::from(RECORD_VERSION) => RecordError::Version { found: probe.v },
        _ => RecordError::Malformed(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    fn sample(key: Option<&str>) -> JournalRecord {
        JournalRecord {
            position: 7,
            stream: "rollout/late-arrival/2".into(),
            seq: 3,
            at: At(1_388_534_400_123),
            kind: "rollout".into(),
            key: key.map(str::to_owned),
            body: json!({"WeightSet": {"generation": 4, "candidate_bp": 500, "why": "évidence"}}),
        }
    }

    /// Golden bytes of version 1: a change here breaks every journal that was ever written.
    #[test]
    fn golden_bytes_of_version_1() {
        let text = String::from_utf8(sample(Some("start-2")).encode().unwrap()).unwrap();
        expect![[r#"{"v":1,"position":7,"stream":"rollout/late-arrival/2","seq":3,"at":1388534400123,"kind":"rollout","key":"start-2","body":{"WeightSet":{"generation":4,"candidate_bp":500,"why":"évidence"}}}"#]].assert_eq(&text);
        let text = String::from_utf8(sample(None).encode().unwrap()).unwrap();
        expect![[r#"{"v":1,"position":7,"stream":"rollout/late-arrival/2","seq":3,"at":1388534400123,"kind":"rollout","body":{"WeightSet":{"generation":4,"candidate_bp":500,"why":"évidence"}}}"#]].assert_eq(&text);
    }

    #[test]
    fn reads_what_it_wrote() {
        for record in [sample(None), sample(Some("k"))] {
            let bytes = record.encode().unwrap();
            let back = JournalRecord::decode(&bytes).unwrap();
            assert_eq!(back, record);
            assert_eq!(back.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn floats_keep_their_bits() {
        let mut record = sample(None);
        for x in [0.1_f64, 1.0 / 3.0, 5e-324, 1.797_693_134_862_315_7e308, -0.0] {
            record.body = json!({ "x": x });
            let back = JournalRecord::decode(&record.encode().unwrap()).unwrap();
            let bits = back.body.get("x").and_then(Value::as_f64).map(f64::to_bits);
            assert_eq!(bits, Some(x.to_bits()), "{x}");
        }
    }

    #[test]
    fn refuses_what_is_no_record() {
        let check = |text: &str, expected: expect_test::Expect| {
            let error = JournalRecord::decode(text.as_bytes()).unwrap_err();
            expected.assert_eq(&error.to_string());
        };
        check(
            r#"{"v":2,"position":0,"shape":"new"}"#,
            expect!["read a journal record: its version is 2, this program reads up to 1: use the newer program"],
        );
        check(
            r#"{"v":1,"position":0,"stream":"a","seq":0,"at":0,"kind":"a","body":{},"extra":1}"#,
            expect![
                "read a journal record: unknown field `extra`, expected one of `v`, `position`, `stream`, `seq`, `at`, `kind`, `key`, `body` at line 1 column 76: the bytes were damaged or are not a record"
            ],
        );
        check(
            "",
            expect!["read a journal record: EOF while parsing a value at line 1 column 0: the bytes were damaged or are not a record"],
        );
        check(r#"{"v":9}"#, expect!["read a journal record: its version is 9, this program reads up to 1: use the newer program"]);
    }
}
