//! What a stream of a language model took: read from its events as they pass.

use super::events::Reader;
use super::{Task, TokenCounts};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What was measured of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Generated {
    /// From the request to the first token, in microseconds; none where the answer came whole.
    pub first_token_us: Option<f64>,
    /// From one token to the next, in the mean, in microseconds; none where the answer came whole or had one.
    pub token_us: Option<f64>,
    /// TokenCounts, as far as they are known.
    pub tokens: TokenCounts,
    /// Whether the server told of them: otherwise each event with something in it counts as one token.
    pub told: bool,
    /// What they cost, in millionths of the unit of the version's prices.
    pub cost: Option<f64>,
}

/// Longest text of an answer that is kept to be looked through at its end.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads a stream as it passes.
#[derive(Debug)]
pub struct Meter {
    task: Task,
    reader: Reader,
    /// Whether the event that tells of tokens is passed on.
    usage_wanted: bool,
    /// Whether the text is kept.
    keeps: bool,
    /// Texts by choice, and their bytes.
    texts: BTreeMap<u64, String>,
    text_bytes: usize,
    first_us: Option<f64>,
    last_us: f64,
    events: u64,
    usage: Option<TokenCounts>,
    done: bool,
    failed: Option<String>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    text_output: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    delta: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    text: Option<serde_json::Value>,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// TokenCounts as servers tell of them.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl From<Usage> for TokenCounts {
    fn from(usage: Usage) -> TokenCounts {
        TokenCounts { input: usage.prompt_tokens, output: usage.completion_tokens }
    }
}

impl Meter {
    /// Of a stream that answers `task`; `keeps` its text where it is to be looked through.
    #[must_use]
    pub fn new(task: Task, usage_wanted: bool, keeps: bool) -> Meter {
        Meter {
            task,
            reader: Reader::default(),
            usage_wanted,
            keeps,
            texts: BTreeMap::new(),
            text_bytes: 0,
            first_us: None,
            last_us: 0.0,
            events: 0,
            usage: None,
            done: false,
            failed: None,
        }
    }

    /// Takes bytes that came so long after the request; what of them is passed on.
    ///
    /// # Errors
    /// A sentence, when they are no events.
    pub fn take(&mut self, bytes: &[u8], at_us: f64) -> Result<Vec<u8>, String> {
        let mut passed = Vec::with_capacity(bytes.len());
        for event in self.reader.take(bytes)? {
            let passes = event.data.is_none_or(|data| self.event(&data, at_us));
            // Comments behind a failure are not passed on either.
            if passes && self.failed.is_none() {
                passed.extend_from_slice(&event.bytes);
            }
        }
        Ok(passed)
    }

    /// Whether this event is passed on.
    fn event(&mut self, data: &str, at_us: f64) -> bool {
        // A stream that has failed is ended by who passes it on.
        if self.failed.is_some() {
            return false;
        }
        if data.trim() == "[DONE]" {
            self.done = true;
            return true;
        }
        // What is read of it may be of another shape: then it is passed on all the same.
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else { return true };
        if let Some(error) = chunk.error {
            self.failed = Some(super::answer::error_words(&error));
            return false;
        }
        let mut said = chunk.text_output.is_some();
        if let Some(output) = &chunk.text_output {
            self.keep(0, output);
        }
        for choice in &chunk.choices {
            self.done |= choice.finish_reason.is_some();
            let delta = choice.delta.iter().flatten().filter(|(name, value)| *name != "role" && !is_nothing(value));
            for (_, value) in delta {
                said = true;
                self.keep(choice.index, value);
            }
            if let Some(text) = choice.text.as_ref().filter(|text| !is_nothing(text)) {
                said = true;
                self.keep(choice.index, text);
            }
        }
        if said {
            self.first_us.get_or_insert(at_us);
            (self.last_us, self.events) = (at_us, self.events + 1);
        }
        self.usage = chunk.usage.map(TokenCounts::from).or(self.usage);
        // An event that tells of tokens and nothing else, which the client did not ask for.
        self.usage_wanted || !(chunk.usage.is_some() && chunk.choices.is_empty())
    }

    /// Keeps every text of a value, each choice's behind its own.
    fn keep(&mut self, choice: u64, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::String(text) if self.keeps && self.text_bytes + text.len() <= TEXT_BYTES_MAX => {
                self.text_bytes += text.len();
                self.texts.entry(choice).or_default().push_str(text);
            }
            Value::Array(all) => all.iter().for_each(|one| self.keep(choice, one)),
            Value::Object(members) => members.values().for_each(|one| self.keep(choice, one)),
            _ => {}
        }
    }

    /// The texts that passed, where they are kept.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.values().map(String::as_str)
    }

    /// Whether the first token has come.
    #[must_use]
    pub fn spoken(&self) -> bool {
        self.first_us.is_some()
    }

    /// What is wrong with a stream that has ended.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let cut = || "its stream ended before its answer did".to_owned();
        // `generate` has no last word: there the end of the body is the end.
        let whole = self.reader.is_at_end() && (self.done || self.task == Task::Generate && self.events > 0);
        self.failed.clone().or_else(|| (!whole).then(cut))
    }

    /// What was measured.
    #[must_use]
    pub fn generated(&self) -> Generated {
        let tokens = self.usage.unwrap_or(TokenCounts { input: 0, output: self.events });
        let token_us =
            self.first_us.filter(|_| tokens.output > 1 && self.events > 1).map(|first| (self.last_us - first) / (tokens.output - 1) as f64);
        Generated { first_token_us: self.first_us, token_us, tokens, told: self.usage.is_some(), cost: None }
    }
}

fn is_nothing(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(content: &str) -> String {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}},\"finish_reason\":null}}]}}\n\n")
    }

    const FIRST: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn a_stream_is_measured_from_its_first_token() {
        let mut meter = Meter::new(Task::Chat, false, true);
        assert_eq!(meter.take(FIRST.as_bytes(), 1_000.0).unwrap(), FIRST.as_bytes());
        for (n, word) in ["a", "b", "c"].iter().enumerate() {
            meter.take(chat(word).as_bytes(), 5_000.0 + 3_000.0 * n as f64).unwrap();
        }
        assert_eq!(meter.take(format!("{STOP}{USAGE}{DONE}").as_bytes(), 20_000.0).unwrap(), format!("{STOP}{DONE}").as_bytes());
        let expected = Generated {
            first_token_us: Some(5_000.0),
            token_us: Some(2_000.0),
            tokens: TokenCounts { input: 9, output: 4 },
            told: true,
            cost: None,
        };
        assert_eq!((meter.generated(), meter.fault(), meter.texts().collect::<String>().as_str()), (expected, None, "abc"));
    }

    #[test]
    fn a_stream_that_ends_early_or_says_that_it_failed_is_at_fault() {
        let mut cut = Meter::new(Task::Chat, true, false);
        cut.take(chat("a").as_bytes(), 1.0).unwrap();
        assert_eq!(cut.fault().as_deref(), Some("its stream ended before its answer did"));
        let mut half = Meter::new(Task::Chat, true, false);
        half.take(format!("{STOP}data: [DO").as_bytes(), 1.0).unwrap();
        assert!(half.fault().is_some());
        let mut failed = Meter::new(Task::Chat, true, false);
        let passed = failed.take(b"data: {\"error\":{\"message\":\"out of memory\"}}\n\ndata: [DONE]\n\n", 1.0).unwrap();
        assert!(passed.is_empty(), "the end is said by who passes it on");
        assert_eq!(failed.fault().as_deref(), Some("out of memory"));
        let mut generate = Meter::new(Task::Generate, true, false);
        assert!(generate.fault().is_some());
        generate.take(b"data: {\"text_output\":\"a\"}\n\n", 7.0).unwrap();
        assert_eq!((generate.fault(), generate.generated().tokens.output), (None, 1));
    }

    #[test]
    fn tools_and_reasoning_are_tokens_too_and_unknown_events_pass() {
        let mut meter = Meter::new(Task::Chat, true, false);
        let odd =
            b"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":7}\n\ndata: no json\n\n: ping\n\n";
        assert_eq!(meter.take(odd, 2.0).unwrap(), odd);
        meter.take(b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n", 3.0).unwrap();
        assert_eq!((meter.generated().tokens.output, meter.generated().told), (2, false));
    }
}
