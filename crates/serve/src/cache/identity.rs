//! A body without its identifier, and with another one: two requests that differ in nothing else ask the same.

use crate::frame::{Body, Form};
use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The field of the protocol's messages, requests and answers, that holds the identifier.
const ID: u64 = 3;
/// The one that holds parameters.
const PARAMETERS: u64 = 4;

/// What a request asks, whoever asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The request's identifier.
    pub id: Option<String>,
    /// Digest of everything else.
    pub digest: [u8; 32],
}

/// An answer without the identifier of the request that it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anonymous {
    form: Form,
    /// The members of the JSON object but for the identifier, to the end of the body; or the fields of the message.
    rest: Bytes,
}

/// What a body asks; none where that cannot be told, or where the answer depends on more than the body.
pub fn question(body: &Body) -> Option<Question> {
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let mut id = None;
    match body.form {
        Form::Golden | Form::Language(_) => return None,
        Form::Grpc => {
            put(b"grpc");
            for (number, whole, value) in fields(&body.bytes)? {
                match number {
                    ID => id = Some(std::str::from_utf8(value).ok()?.to_owned()),
                    PARAMETERS if may_be_of_sequence(value) => return None,
                    _ => put(whole),
                }
            }
        }
        Form::Json | Form::Mixed(_) => {
            let (json, tensors) = parts(body)?;
            put(match tensors {
                Some(_) if json.is_empty() => b"raw",
                Some(_) => b"mixed",
                None => b"json",
            });
            if !json.is_empty() || tensors.is_none() {
                for (name, value) in &members(json)?.0 {
                    match &**name {
                        "id" => id = Some(serde_json::from_str(value.get()).ok()?),
                        "parameters" if may_be_of_sequence(value.get().as_bytes()) => return None,
                        _ => {
                            put(name.as_bytes());
                            put(value.get().as_bytes());
                        }
                    }
                }
            }
            put(tensors.unwrap_or_default());
        }
    }
    Some(Question { id: id.filter(|id: &String| !id.is_empty()), digest: *hasher.finalize().as_bytes() })
}

/// Whether a request may be one of a sequence, which is answered by what came before it. Of one that is not, its texts may make it look
/// so: by the parameter's word, or by escapes that may spell it.
pub fn may_be_of_sequence(bytes: &[u8]) -> bool {
    [&b"sequence_"[..], b"\\u"].iter().any(|word| memchr::memmem::find(bytes, word).is_some())
}

impl Anonymous {
    /// An answer without its identifier; none where it cannot be taken apart.
    pub fn of(body: &Body) -> Option<Anonymous> {
        let mut rest = BytesMut::with_capacity(body.bytes.len());
        match body.form {
            Form::Golden | Form::Language(_) => return None,
            Form::Grpc => {
                for (_, whole, _) in fields(&body.bytes)?.into_iter().filter(|(number, ..)| *number != ID) {
                    rest.put_slice(whole);
                }
            }
            Form::Json | Form::Mixed(_) => {
                let (json, tensors) = parts(body)?;
                let members = members(json)?.0;
                for (at, (name, value)) in members.iter().filter(|(name, _)| name != "id").enumerate() {
                    if at > 0 {
                        rest.put_u8(b',');
                    }
                    rest.put_slice(&serde_json::to_vec(name).ok()?);
                    rest.put_u8(b':');
                    rest.put_slice(value.get().as_bytes());
                }
                rest.put_u8(b'}');
                let json_bytes = rest.len();
                rest.put_slice(tensors.unwrap_or_default());
                let form = match body.form {
                    Form::Mixed(_) => Form::Mixed(u32::try_from(json_bytes).ok()?),
                    form => form,
                };
                return Some(Anonymous { form, rest: rest.freeze() });
            }
        }
        Some(Anonymous { form: body.form, rest: rest.freeze() })
    }

    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// As the answer to a request of this identifier.
    pub fn with(&self, id: Option<&str>) -> Body {
        let mut bytes = BytesMut::with_capacity(self.rest.len() + 64);
        let id = id.unwrap_or_default();
        if self.form == Form::Grpc {
            bytes.put_slice(&self.rest);
            if !id.is_empty() {
                prost::encoding::string::encode(ID as u32, &id.to_owned(), &mut bytes);
            }
            return Body { bytes: bytes.freeze(), form: Form::Grpc };
        }
        bytes.put_u8(b'{');
        if !id.is_empty() {
            bytes.put_slice(b"\"id\":");
            bytes.put_slice(serde_json::Value::from(id).to_string().as_bytes());
            if self.rest.first() != Some(&b'}') {
                bytes.put_u8(b',');
            }
        }
        let more = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        bytes.put_slice(&self.rest);
        let form = match self.form {
            Form::Mixed(json_bytes) => Form::Mixed(json_bytes.saturating_add(more)),
            form => form,
        };
        Body { bytes: bytes.freeze(), form }
    }
}

/// The JSON of a body, and what follows it where something may.
fn parts(body: &Body) -> Option<(&[u8], Option<&[u8]>)> {
    match body.form {
        Form::Mixed(json_bytes) => body.bytes.split_at_checked(json_bytes as usize).map(|(json, rest)| (json, Some(rest))),
        Form::Json | Form::Grpc | Form::Golden | Form::Language(_) => Some((&body.bytes, None)),
    }
}

/// The members of a JSON object, their values as they stand.
struct Members<'b>(Vec<(Cow<'b, str>, &'b RawValue)>);

fn members(json: &[u8]) -> Option<Members<'_>> {
    serde_json::from_slice(json).ok()
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    all.push((name, value));
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A name, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'b>(#[serde(borrow)] Cow<'b, str>);

/// A field of a message: its number, all of it, and its value where it has a length.
type Field<'m> = (u64, &'m [u8], &'m [u8]);

/// The fields of a message.
fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut found = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let whole = rest;
        let tag = varint(&mut rest)?;
        let value = match tag & 7 {
            0 => varint(&mut rest).map(|_| [].as_slice())?,
            1 => taken(&mut rest, 8)?,
            2 => {
                let len = varint(&mut rest)?;
                taken(&mut rest, usize::try_from(len).ok()?)?
            }
            5 => taken(&mut rest, 4)?,
            _ => return None,
        };
        found.push((tag >> 3, whole.get(..whole.len() - rest.len())?, value));
    }
    Some(found)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut buffer = *rest;
    let value = prost::encoding::decode_varint(&mut buffer).ok()?;
    *rest = buffer;
    Some(value)
}

fn taken<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (value, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Body {
        Body::json(text.as_bytes().to_vec())
    }

    fn digest(body: &Body) -> [u8; 32] {
        question(body).unwrap().digest
    }

    #[test]
    fn the_identifier_alone_makes_no_other_question() {
        let (a, b) = (json(r#"{"id":"a","inputs":[1]}"#), json(r#"{ "inputs": [1], "id": "b" }"#));
        assert_eq!((digest(&a), question(&b).unwrap().id.as_deref()), (digest(&b), Some("b")));
        for other in
            [r#"{"inputs":[2]}"#, r#"{"inputs":[1],"outputs":[]}"#, r#"{"inputs":[1],"parameters":{"x":1}}"#, r#"{"input":"s[1]"}"#]
        {
            assert_ne!(digest(&json(other)), digest(&a), "{other}");
        }
        let mixed =
            |json: &str, tail: &str| Body { bytes: format!("{json}{tail}").into_bytes().into(), form: Form::Mixed(json.len() as u32) };
        assert_ne!(digest(&mixed(r#"{"inputs":[1]}"#, "")), digest(&a));
        assert_ne!(digest(&mixed("{}", "ab")), digest(&mixed("{}", "ac")));
        assert_ne!(digest(&mixed("", "ab")), digest(&mixed("{}", "ab")));
        assert_ne!(digest(&mixed("", "{}")), digest(&mixed("{}", "")), "the bytes of one tensor are no JSON");
    }

    #[test]
    fn what_depends_on_more_than_the_body_is_not_kept() {
        for none in [
            "",
            "[1]",
            r#"{"id":7}"#,
            r#"{"inputs":[1],"parameters":{"sequence_id":4}}"#,
            r#"{"inputs":[1],"parameters":{"sequence\u005fid":4}}"#,
            "{\"inputs\":",
        ] {
            assert_eq!(question(&json(none)), None, "{none}");
        }
    }

    #[test]
    fn an_answer_gets_the_identifier_of_whoever_asks() {
        let kept = Anonymous::of(&json(r#"{"model_name":"m","id":"first","outputs":[{"name":"y","data":[1.50]}]}"#)).unwrap();
        let text = |id| String::from_utf8(kept.with(id).bytes.to_vec()).unwrap();
        assert_eq!(text(Some("a\"b")), r#"{"id":"a\"b","model_name":"m","outputs":[{"name":"y","data":[1.50]}]}"#);
        assert_eq!(text(None), r#"{"model_name":"m","outputs":[{"name":"y","data":[1.50]}]}"#);
        let body = Body { bytes: Bytes::from_static(b"{\"outputs\":[]}\x01\x02"), form: Form::Mixed(14) };
        let with = Anonymous::of(&body).unwrap().with(Some("x"));
        assert_eq!((&with.bytes[..], with.form), (&b"{\"id\":\"x\",\"outputs\":[]}\x01\x02"[..], Form::Mixed(23)));
    }

    fn message(id: &str, model: &str) -> Body {
        let mut bytes = BytesMut::new();
        prost::encoding::string::encode(1, &model.to_owned(), &mut bytes);
        prost::encoding::string::encode(3, &id.to_owned(), &mut bytes);
        prost::encoding::uint64::encode(9, &77, &mut bytes);
        Body { bytes: bytes.freeze(), form: Form::Grpc }
    }

    #[test]
    fn messages_are_told_apart_likewise() {
        assert_eq!(digest(&message("a", "m")), digest(&message("", "m")));
        assert_ne!(digest(&message("a", "m")), digest(&message("a", "n")));
        assert_eq!(question(&message("a", "m")).unwrap().id.as_deref(), Some("a"));
        let again = Anonymous::of(&message("a", "m")).unwrap();
        assert_eq!(question(&again.with(Some("b"))), question(&message("b", "m")));
        assert!(!again.with(None).bytes.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200), json_bytes in 0..300_u32, which in 0..3) {
            let form = [Form::Json, Form::Mixed(json_bytes), Form::Grpc][which as usize];
            let body = Body { bytes: bytes.into(), form };
            if let Some(question) = question(&body) {
                prop_assert!(question.id.is_none_or(|id| !id.is_empty()));
            }
            if let Some(kept) = Anonymous::of(&body) {
                prop_assert!(kept.with(Some("x")).bytes.len() > kept.len());
            }
        }
    }
}
