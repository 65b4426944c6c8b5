//! Server-sent events (HTML Living Standard, section 9.2): read as they come, and written for an answer that came whole.

use super::Task;
use bytes::Bytes;
use serde_json::{Value, json};

/// Longest event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// What is behind the last whole event.
#[derive(Debug, Default)]
pub struct Reader(Vec<u8>);

/// One event as it came, with what its lines of data say.
#[derive(Debug, PartialEq)]
pub struct Event {
    /// With the empty line that ends it.
    pub bytes: Vec<u8>,
    /// Its data; none of a comment.
    pub data: Option<String>,
}

impl Reader {
    /// The events that end within these bytes.
    ///
    /// # Errors
    /// A sentence, when one is too long or no text.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        let mut from = self.0.len().saturating_sub(3);
        self.0.extend_from_slice(bytes);
        let (mut events, mut start) = (Vec::new(), 0);
        while let Some(end) = end_of_event(&self.0, from) {
            events.push(event(self.0.get(start..end).unwrap_or_default().to_vec())?);
            (start, from) = (end, end);
        }
        self.0.drain(..start);
        if self.0.len() > EVENT_BYTES_MAX {
            return Err(format!("an event of its stream is longer than {EVENT_BYTES_MAX} bytes"));
        }
        Ok(events)
    }

    /// Whether nothing is left that has no end.
    pub fn is_at_end(&self) -> bool {
        self.0.iter().all(u8::is_ascii_whitespace)
    }
}

/// Where the first event ends whose end is not before `from`: two line ends, of one kind or the other.
fn end_of_event(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).filter(|at| bytes.get(*at) == Some(&b'\n')).find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn event(bytes: Vec<u8>) -> Result<Event, String> {
    let text = std::str::from_utf8(&bytes).map_err(|_| "an event of its stream is no text".to_owned())?;
    let mut data: Option<String> = None;
    for line in text.lines() {
        let Some(said) = line.strip_prefix("data:") else { continue };
        let said = said.strip_prefix(' ').unwrap_or(said);
        match &mut data {
            None => data = Some(said.to_owned()),
            Some(data) => {
                data.push('\n');
                data.push_str(said);
            }
        }
    }
    Ok(Event { bytes, data })
}

fn written(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A stream's last word, when it ends otherwise than it should.
#[must_use]
pub fn of_error(error: &Value) -> Bytes {
    written(error).into()
}

/// An answer that came whole, as a stream that says it in one piece.
#[must_use]
pub fn of_answer(task: Task, answer: &Value, usage_wanted: bool) -> Bytes {
    if task == Task::Generate {
        return written(answer).into();
    }
    let object = if task == Task::Chat { "chat.completion.chunk" } else { "text_completion" };
    let chunk = |choices: Value| {
        let mut chunk = json!({ "object": object, "choices": choices });
        for name in ["id", "created", "model", "system_fingerprint"] {
            if let (Some(value), Some(chunk)) = (answer.get(name), chunk.as_object_mut()) {
                chunk.insert(name.to_owned(), value.clone());
            }
        }
        chunk
    };
    let choices = answer.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut text = String::new();
    for choice in choices {
        let index = choice.get("index").cloned().unwrap_or_else(|| json!(0));
        let finish = choice.get("finish_reason").cloned().unwrap_or(Value::Null);
        if task == Task::Chat {
            let mut message = choice.get("message").cloned().unwrap_or_else(|| json!({}));
            // Calls of tools are numbered in a stream.
            for (number, call) in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
                if let Some(call) = call.as_object_mut() {
                    call.insert("index".to_owned(), number.into());
                }
            }
            text.push_str(&written(&chunk(json!([{ "index": index, "delta": message, "finish_reason": null }]))));
            text.push_str(&written(&chunk(json!([{ "index": index, "delta": {}, "finish_reason": finish }]))));
        } else {
            let said = choice.get("text").cloned().unwrap_or_else(|| json!(""));
            text.push_str(&written(&chunk(json!([{ "index": index, "text": said, "finish_reason": finish }]))));
        }
    }
    if let Some(usage) = answer.get("usage").filter(|_| usage_wanted) {
        let mut last = chunk(json!([]));
        if let Some(last) = last.as_object_mut() {
            last.insert("usage".to_owned(), usage.clone());
        }
        text.push_str(&written(&last));
    }
    text.push_str("data: [DONE]\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(events: &[Event]) -> Vec<Option<&str>> {
        events.iter().map(|e| e.data.as_deref()).collect()
    }

    #[test]
    fn events_are_those_of_the_standard() {
        let stream = b"data: a\n\ndata:b\ndata: c\n\n: comment\n\nevent: x\r\ndata: d\r\n\r\nid: 7\n\ndata: rest";
        let mut reader = Reader::default();
        let events = reader.take(stream).unwrap();
        assert_eq!(data(&events), [Some("a"), Some("b\nc"), None, Some("d"), None]);
        assert!(!reader.is_at_end());
        assert_eq!(data(&reader.take(b"\n\n").unwrap()), [Some("rest")]);
        assert!(reader.is_at_end());
        assert!(Reader::default().take(b"data: \xff\n\n").is_err());
        assert!(Reader::default().take(&vec![b'a'; EVENT_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn an_answer_that_came_whole_is_a_stream_of_one_piece() {
        let answer = json!({ "id": "c1", "model": "m", "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hi" }, "finish_reason": "stop" }] });
        let all = of_answer(Task::Chat, &answer, true);
        let events = Reader::default().take(&all).unwrap();
        assert_eq!(events.len(), 4);
        let first: Value = serde_json::from_str(events[0].data.as_deref().unwrap()).unwrap();
        assert_eq!((&first["id"], &first["choices"][0]["delta"]["content"]), (&json!("c1"), &json!("Hi")));
        assert_eq!(events[3].data.as_deref(), Some("[DONE]"));
        assert_eq!(Reader::default().take(&of_answer(Task::Chat, &answer, false)).unwrap().len(), 3);
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_up_changes_nothing(lines in prop::collection::vec("(data: ?)?[a-c]{0,3}\r?\n", 0..20), cuts in prop::collection::vec(0..9_usize, 0..40)) {
            let stream = lines.concat().into_bytes();
            let whole = Reader::default().take(&stream).unwrap();
            let (mut reader, mut rest, mut events) = (Reader::default(), stream.as_slice(), Vec::new());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                events.extend(reader.take(now).unwrap());
                rest = later;
            }
            events.extend(reader.take(rest).unwrap());
            prop_assert_eq!(&events, &whole);
            let passed: Vec<u8> = events.into_iter().flat_map(|e| e.bytes).chain(reader.0).collect();
            prop_assert_eq!(passed, stream);
        }
    }
}
