//! Language models of upstreams: what is asked of them, what comes while they answer, and what an answer took.
//!
//! The requests are those of OpenAI's API and of Triton's `generate` extension. Pure but for [`Outlet`], through which an answer goes
//! to its client while it comes. Not here: which server is asked, and who answers whom.

mod answer;
mod events;
mod meter;
mod outlet;
mod request;

pub use answer::{error_words, generated, request_of, scanned, signature, tensors};
pub use events::{of_answer, of_error};
pub use meter::{Generated, Meter};
pub use outlet::{Client, Outlet, Patience, Shut, Tap};
pub use request::{asked, prepared};

use serde::{Deserialize, Serialize};

/// What is asked of a language model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The next message of a conversation.
    #[default]
    Chat,
    /// What follows a text.
    Completion,
    /// Numbers that stand for a text.
    Embedding,
    /// Outputs by their names, as Triton's `generate` has them.
    #[serde(skip)]
    Generate,
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 4] = [Task::Chat, Task::Completion, Task::Embedding, Task::Generate];

    /// The end of its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Task::Chat => "/chat/completions",
            Task::Completion => "/completions",
            Task::Embedding => "/embeddings",
            Task::Generate => "/generate",
        }
    }
}

/// How a version is asked whose servers speak OpenAI's API. All of it belongs to the version: another prompt is another version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenAi {
    /// What golden requests, and requests of the Open Inference Protocol, ask for.
    pub task: Task,
    /// What the paths of the API begin with.
    pub base: String,
    /// What is said to the model besides the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// Members of requests that do not have them, as `temperature`.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// What tokens cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

impl Default for OpenAi {
    fn default() -> OpenAi {
        OpenAi { task: Task::Chat, base: "/v1".to_owned(), prompt: None, parameters: serde_json::Map::new(), price: None }
    }
}

/// What is said to the model besides the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompt {
    /// Said first, as the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Said last, as the user, with the request's `variables` for `{{name}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

/// What a million tokens cost, in one unit of money for all versions of a service.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of what is asked.
    pub input: f64,
    /// Of what is answered.
    pub output: f64,
}

impl Price {
    /// Of so many tokens, in millionths of the unit.
    #[must_use]
    pub fn of(self, tokens: TokenCounts) -> f64 {
        self.input * tokens.input as f64 + self.output * tokens.output as f64
    }
}

/// TokenCounts of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Of what was asked.
    pub input: u64,
    /// Of what was answered.
    pub output: u64,
}

impl OpenAi {
    /// What is wrong with it.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> Result<(), String> {
        let of = |what: &str| format!("`openai`: {what}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if !self.base.is_empty() && (!self.base.starts_with('/') || self.base.ends_with('/') || !self.base.bytes().all(plain)) {
            return Err(of("`base` must be the beginning of a path, as `/v1`"));
        }
        if let Some(price) = self.price
            && ![price.input, price.output].iter().all(|n| n.is_finite() && *n >= 0.0)
        {
            return Err(of("`price` must be two numbers from 0"));
        }
        if let Some(taken) =
            ["model", "stream", "stream_options", "messages", "input"].iter().find(|name| self.parameters.contains_key(**name))
        {
            return Err(of(&format!("`parameters` cannot have `{taken}`: it is the request's")));
        }
        if self.task == Task::Embedding && self.prompt.is_some() {
            return Err(of("an embedding has no `prompt`"));
        }
        match self.prompt.as_ref().and_then(|prompt| prompt.template.as_deref()) {
            Some(template) => request::names(template).map(|_| ()).map_err(|why| of(&format!("`prompt.template`: {why}"))),
            None => Ok(()),
        }
    }
}
