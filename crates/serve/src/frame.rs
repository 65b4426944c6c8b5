//! Frames between gateway and worker over one Unix stream: a length, a kind, a number, a payload.
//!
//! Numbers let several requests be in flight on one connection; answers may come in any order. All integers are
//! little-endian. Both ends are always the same binary, so there is no version to agree on.

use crate::cache::may_be_of_sequence;
use crate::language::{Generated, Task};
use crate::limits::FRAME_BYTES_MAX;
use crate::work::Work;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tidegate_core::model::TensorSpec;
use tidegate_core::scan::{Findings, Kind};
use tidegate_runtime::oip;

/// Bytes before a frame's payload: length (4), kind (1), number (8).
pub const HEAD_BYTES: usize = 13;
/// Bytes before a request's body: a frame's head and the length of the body's JSON (4).
pub const ASK_HEAD_BYTES: usize = HEAD_BYTES + 4;
const KIND_ASK: u8 = 1;
const KIND_HELLO: u8 = 2;
const KIND_ANSWER: u8 = 3;
/// `event_time_ms` when there is none.
const NO_TIME: i64 = i64::MIN;
/// [`Form`] of a body that is JSON alone, where a length would stand; no frame is as long.
const ALL_JSON: u32 = u32::MAX;
/// [`Form`] of a body over gRPC.
const GRPC: u32 = u32::MAX - 1;
/// [`Form`] of a question of the gateway itself.
const GOLDEN: u32 = u32::MAX - 2;

/// What a body is made of, as the client said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// JSON alone.
    #[default]
    Json,
    /// So many bytes of JSON, and tensors as bytes behind them.
    Mixed(u32),
    /// A message of the protocol over gRPC.
    Grpc,
    /// A request to a language model, which servers elsewhere answer.
    Language(Task),
    /// No body of a client: which golden request is to be asked now, as a number of 8 bytes.
    Golden,
}

impl Form {
    fn number(self) -> u32 {
        match self {
            Form::Json => ALL_JSON,
            Form::Mixed(json_bytes) => json_bytes,
            Form::Grpc => GRPC,
            Form::Golden => GOLDEN,
            // No worker is sent one, and takes it for JSON that is no request of the protocol.
            Form::Language(_) => ALL_JSON,
        }
    }

    /// Length of the JSON where tensors follow it as bytes.
    pub(crate) fn json_bytes(self) -> Option<usize> {
        match self {
            Form::Mixed(json_bytes) => Some(json_bytes as usize),
            Form::Json | Form::Grpc | Form::Golden | Form::Language(_) => None,
        }
    }

    fn of_number(number: u32) -> Form {
        match number {
            ALL_JSON => Form::Json,
            GRPC => Form::Grpc,
            GOLDEN => Form::Golden,
            json_bytes => Form::Mixed(json_bytes),
        }
    }
}

/// A body as it goes from the client to a worker: the gateway passes it on and does not read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// All of it.
    pub bytes: Bytes,
    /// What it is made of.
    pub form: Form,
}

impl Body {
    /// A body that is JSON alone.
    #[must_use]
    pub fn json(bytes: impl Into<Bytes>) -> Body {
        Body { bytes: bytes.into(), form: Form::Json }
    }

    /// The gateway's own question: whether the golden request of this turn is still answered right.
    #[must_use]
    pub fn golden(turn: u64) -> Body {
        Body { bytes: Bytes::copy_from_slice(&turn.to_le_bytes()), form: Form::Golden }
    }

    /// Whether it may be of a sequence, which is answered by what came before it. The whole body is searched: ask only where it matters.
    pub(crate) fn may_be_of_sequence(&self) -> bool {
        match self.form {
            // Words of a conversation are no parameters.
            Form::Language(Task::Chat | Task::Completion | Task::Embedding) => false,
            _ => may_be_of_sequence(&self.bytes),
        }
    }

    /// The turn of that question.
    pub(crate) fn golden_turn(&self) -> Option<u64> {
        (self.form == Form::Golden).then(|| self.bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)))?
    }

    /// As readers of the protocol over HTTP take it.
    pub(crate) fn over_http(&self) -> oip::Body<'_> {
        oip::Body { bytes: &self.bytes, json_bytes: self.form.json_bytes() }
    }
}

impl From<oip::Written> for Body {
    fn from(written: oip::Written) -> Body {
        let form = written.json_bytes.and_then(|n| u32::try_from(n).ok()).map_or(Form::Json, Form::Mixed);
        Body { bytes: written.bytes.into(), form }
    }
}

/// A worker's first word, before it answers anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Whether every golden request was answered right.
    pub ready: bool,
    /// Why not, in a sentence for the operator.
    pub why: String,
    /// The protocol's name of the platform, as `onnx_onnxv1`.
    pub platform: String,
    /// What a request holds.
    pub inputs: Vec<TensorSpec>,
    /// What an answer holds.
    pub outputs: Vec<TensorSpec>,
    /// Who carries the model out, in the order in which they are asked for each operator; nobody where that is not known.
    pub providers: Vec<String>,
}

/// Whose doing an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Answered,
    /// The request is not one of this protocol or not one that the signature takes: the caller's doing.
    ClientFault,
    /// The version's transform refuses this record: counts against the version.
    Refused,
    /// The version failed: counts against it.
    Failed,
}

/// A worker's answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Whose doing it is.
    pub outcome: Outcome,
    /// The first row's score, if the version has one.
    pub score: Option<f64>,
    /// When the recorded event happened, if the request says.
    pub event_time_ms: Option<i64>,
    /// The request's own `id`; empty when it has none.
    pub record_id: String,
    /// The first row of the model's inputs, after the transform.
    pub inputs: Vec<f32>,
    /// What it took.
    pub work: Work,
    /// What was looked for in its texts and found.
    pub found: Findings,
    /// What a language model took for it.
    pub generated: Option<Generated>,
    /// The response, or `{"error": ..}`; empty where it went to its client while it came.
    pub body: Body,
}

impl Answer {
    /// An answer of which nothing is known yet.
    #[must_use]
    pub fn empty() -> Answer {
        Answer {
            outcome: Outcome::Answered,
            score: None,
            event_time_ms: None,
            record_id: String::new(),
            inputs: Vec::new(),
            work: Work::default(),
            found: Findings::default(),
            generated: None,
            body: Body::default(),
        }
    }

    /// What an answer that is an error says.
    #[must_use]
    pub fn told(&self) -> String {
        #[derive(Deserialize)]
        struct Said {
            error: String,
        }
        serde_json::from_slice(&self.body.bytes).map_or_else(|_| String::new(), |said: Said| said.error)
    }

    /// An answer that is an error.
    #[must_use]
    pub fn error(outcome: Outcome, message: &str) -> Answer {
        let body = serde_json::json!({ "error": message }).to_string();
        Answer { outcome, body: Body::json(body), ..Answer::empty() }
    }
}

/// A frame that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than allowed.
    #[error("read a frame: {len} bytes, at most {FRAME_BYTES_MAX}")]
    Long {
        /// Its length.
        len: usize,
    },
    /// Cut short inside.
    #[error("read a frame: {what} is cut short")]
    Short {
        /// Which part.
        what: &'static str,
    },
    /// Unknown kind or outcome.
    #[error("read a frame: {what} {value} is unknown")]
    Unknown {
        /// Which part.
        what: &'static str,
        /// Its value.
        value: u8,
    },
    /// A greeting that is not JSON.
    #[error("read a worker's greeting: {0}")]
    Hello(#[from] serde_json::Error),
}

/// One frame.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// Gateway to worker: a request's body.
    Ask(u64, Body),
    /// Worker to gateway: its first word.
    Hello(Box<Hello>),
    /// Worker to gateway: the answer to a number.
    Answer(u64, Box<Answer>),
}

/// The head of a request's frame; the body follows as it is.
pub fn ask_head(number: u64, body: &Body) -> Result<[u8; ASK_HEAD_BYTES], FrameError> {
    let mut whole = [0; ASK_HEAD_BYTES];
    let mut out = whole.as_mut_slice();
    out.put_slice(&head(KIND_ASK, number, body.bytes.len() + ASK_HEAD_BYTES - HEAD_BYTES)?);
    out.put_u32_le(body.form.number());
    Ok(whole)
}

fn head(kind: u8, number: u64, payload_len: usize) -> Result<[u8; HEAD_BYTES], FrameError> {
    let len = payload_len + HEAD_BYTES - 4;
    let too_long = FrameError::Long { len };
    let Some(len) = u32::try_from(len).ok().filter(|l| *l as usize <= FRAME_BYTES_MAX) else { return Err(too_long) };
    let mut head = [0; HEAD_BYTES];
    let mut out = head.as_mut_slice();
    out.put_u32_le(len);
    out.put_u8(kind);
    out.put_u64_le(number);
    Ok(head)
}

/// Appends a greeting.
pub fn put_hello(out: &mut Vec<u8>, hello: &Hello) -> Result<(), FrameError> {
    let payload = serde_json::to_vec(hello)?;
    out.extend_from_slice(&head(KIND_HELLO, 0, payload.len())?);
    out.extend_from_slice(&payload);
    Ok(())
}

/// Bytes of an answer's [`Work`].
const WORK_BYTES: usize = 4 + 3 * 8;
/// Bytes of how often one kind was found.
const FOUND_BYTES: usize = 1 + 4;

/// Appends the answer to `number`; when it is too long, nothing.
pub fn put_answer(out: &mut Vec<u8>, number: u64, answer: &Answer) -> Result<(), FrameError> {
    // A longer identifier than a record can hold is cut at the limit of its length field.
    let id = answer.record_id.as_bytes().get(..usize::from(u16::MAX)).unwrap_or(answer.record_id.as_bytes());
    let inputs = u32::try_from(answer.inputs.len()).unwrap_or(u32::MAX) as usize;
    let payload =
        1 + 8 + 8 + 2 + id.len() + 4 + 4 * inputs + WORK_BYTES + 1 + FOUND_BYTES * answer.found.0.len() + 4 + answer.body.bytes.len();
    out.extend_from_slice(&head(KIND_ANSWER, number, payload)?);
    out.put_u8(match answer.outcome {
        Outcome::Answered => 0,
        Outcome::ClientFault => 1,
        Outcome::Refused => 2,
        Outcome::Failed => 3,
    });
    out.put_f64_le(answer.score.unwrap_or(f64::NAN));
    out.put_i64_le(answer.event_time_ms.unwrap_or(NO_TIME));
    out.put_u16_le(id.len() as u16);
    out.extend_from_slice(id);
    out.put_u32_le(inputs as u32);
    for value in answer.inputs.iter().take(inputs) {
        out.put_f32_le(*value);
    }
    let Work { rows, input_ns, infer_ns, output_ns } = answer.work;
    out.put_u32_le(rows);
    for ns in [input_ns, infer_ns, output_ns] {
        out.put_u64_le(ns);
    }
    out.put_u8(answer.found.0.len() as u8);
    for (kind, count) in &answer.found.0 {
        out.put_u8(*kind as u8);
        out.put_u32_le(*count);
    }
    out.put_u32_le(answer.body.form.number());
    out.extend_from_slice(&answer.body.bytes);
    Ok(())
}

/// Takes one whole frame off the front of `buffer`; none when more bytes are needed.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(first) = buffer.first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_le_bytes(*first) as usize;
    if len > FRAME_BYTES_MAX {
        return Err(FrameError::Long { len });
    }
    if buffer.len() < 4 + len {
        buffer.reserve(4 + len - buffer.len());
        return Ok(None);
    }
    let mut frame = buffer.split_to(4 + len).freeze();
    frame.advance(4);
    parse(frame).map(Some)
}

fn parse(mut frame: Bytes) -> Result<Frame, FrameError> {
    let kind = frame.try_get_u8().map_err(|_| FrameError::Short { what: "kind" })?;
    let number = frame.try_get_u64_le().map_err(|_| FrameError::Short { what: "number" })?;
    match kind {
        KIND_ASK => Ok(Frame::Ask(number, parse_body(frame)?)),
        KIND_HELLO => Ok(Frame::Hello(serde_json::from_slice(&frame)?)),
        KIND_ANSWER => Ok(Frame::Answer(number, Box::new(parse_answer(frame)?))),
        value => Err(FrameError::Unknown { what: "kind", value }),
    }
}

fn parse_body(mut frame: Bytes) -> Result<Body, FrameError> {
    let number = frame.try_get_u32_le().map_err(|_| FrameError::Short { what: "form of the body" })?;
    Ok(Body { bytes: frame, form: Form::of_number(number) })
}

fn parse_answer(mut frame: Bytes) -> Result<Answer, FrameError> {
    let short = |what| move |_| FrameError::Short { what };
    let outcome = match frame.try_get_u8().map_err(short("outcome"))? {
        0 => Outcome::Answered,
        1 => Outcome::ClientFault,
        2 => Outcome::Refused,
        3 => Outcome::Failed,
        value => return Err(FrameError::Unknown { what: "outcome", value }),
    };
    let score = Some(frame.try_get_f64_le().map_err(short("score"))?).filter(|s| !s.is_nan());
    let event_time_ms = Some(frame.try_get_i64_le().map_err(short("event time"))?).filter(|t| *t != NO_TIME);
    let id_len = usize::from(frame.try_get_u16_le().map_err(short("length of the id"))?);
    if frame.len() < id_len {
        return Err(FrameError::Short { what: "id" });
    }
    let record_id = String::from_utf8_lossy(&frame.split_to(id_len)).into_owned();
    let count = frame.try_get_u32_le().map_err(short("number of inputs"))? as usize;
    if frame.len() / 4 < count {
        return Err(FrameError::Short { what: "inputs" });
    }
    let inputs = (0..count).map(|_| frame.get_f32_le()).collect();
    let rows = frame.try_get_u32_le().map_err(short("number of rows"))?;
    let mut ns = || frame.try_get_u64_le().map_err(short("time"));
    let work = Work { rows, input_ns: ns()?, infer_ns: ns()?, output_ns: ns()? };
    let mut found = Findings::default();
    for _ in 0..frame.try_get_u8().map_err(short("number of findings"))? {
        let value = frame.try_get_u8().map_err(short("finding"))?;
        let kind = Kind::ALL.get(usize::from(value)).copied().ok_or(FrameError::Unknown { what: "finding", value })?;
        found.0.insert(kind, frame.try_get_u32_le().map_err(short("finding"))?);
    }
    Ok(Answer { outcome, score, event_time_ms, record_id, inputs, work, found, generated: None, body: parse_body(frame)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answers() -> impl Strategy<Value = Answer> {
        let outcome = prop_oneof![Just(Outcome::Answered), Just(Outcome::ClientFault), Just(Outcome::Refused), Just(Outcome::Failed)];
        let score = prop::option::of(-1e9..1e9_f64);
        let inputs = prop::collection::vec(-1e9..1e9_f32, 0..40);
        let work = any::<(u32, u64, u64, u64)>();
        let work = work.prop_map(|(rows, input_ns, infer_ns, output_ns)| Work { rows, input_ns, infer_ns, output_ns });
        let found = prop::collection::btree_map(prop::sample::select(Kind::ALL.to_vec()), any::<u32>(), 0..5).prop_map(Findings);
        (outcome, score, prop::option::of(0..i64::MAX), ".{0,40}", inputs, work, found, bodies()).prop_map(
            |(outcome, score, event_time_ms, record_id, inputs, work, found, body)| Answer {
                generated: None,
                outcome,
                score,
                event_time_ms,
                record_id,
                inputs,
                work,
                found,
                body,
            },
        )
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let bytes = prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        (bytes, any::<u32>()).prop_map(|(bytes, number)| Body { bytes, form: Form::of_number(number) })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(answer in answers(), number in any::<u64>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            put_answer(&mut bytes, number, &answer).unwrap();
            let cut = cut.index(bytes.len());
            let mut buffer = BytesMut::from(&bytes[..cut]);
            prop_assert!(take(&mut buffer).unwrap().is_none());
            buffer.extend_from_slice(&bytes[cut..]);
            prop_assert_eq!(take(&mut buffer).unwrap(), Some(Frame::Answer(number, Box::new(answer))));
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn a_request_is_read_as_it_was_written(body in bodies(), number in any::<u64>()) {
            let mut buffer = BytesMut::from(ask_head(number, &body).unwrap().as_slice());
            buffer.extend_from_slice(&body.bytes);
            prop_assert_eq!(take(&mut buffer).unwrap(), Some(Frame::Ask(number, body)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = BytesMut::new();
            framed.put_u32_le(bytes.len() as u32);
            framed.extend_from_slice(&bytes);
            let _ = take(&mut framed);
        }
    }

    #[test]
    fn a_long_frame_is_refused_by_its_length() {
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert_eq!(take(&mut buffer).unwrap_err().to_string(), "read a frame: 4294967295 bytes, at most 67108864");
    }
}
