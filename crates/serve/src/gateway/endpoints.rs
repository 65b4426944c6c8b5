//! The table of endpoints: what is answered, where, and who may ask. Everything else follows from this list.

use crate::language::Task;
use hyper::Method;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Name and version of the server.
    Server,
    /// Whether the process lives.
    Live,
    /// Whether requests should be sent here.
    Ready,
    /// Inputs and outputs of a model.
    Model,
    /// Whether a model answers.
    ModelReady,
    /// A prediction.
    Infer,
    /// A request of OpenAI's API; its body names the model.
    Language(Task),
    /// Models that may be asked so.
    LanguageModels,
    /// Outputs by their names.
    Generate,
    /// The same while they come.
    GenerateStream,
    /// A model as Triton's configuration names it.
    Configuration,
    /// Counts and times of a model's versions.
    Statistics,
    /// Those of all models.
    AllStatistics,
    /// Which versions are served.
    Index,
    /// That a model be served.
    Load,
    /// That a model be served no longer.
    Unload,
    /// Labels that came later.
    Feedback,
    /// Prometheus text.
    Metrics,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct EndpointRow {
    /// What is asked.
    pub endpoint: Endpoint,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `{model}` and `{version}` stand for any one part.
    pub path: &'static str,
    /// Whether it is answered without a token.
    pub public: bool,
}

const fn row(endpoint: Endpoint, method: &'static str, path: &'static str, public: bool) -> EndpointRow {
    EndpointRow { endpoint, method, path, public }
}

/// Every endpoint.
pub const ENDPOINTS: &[EndpointRow] = &[
    row(Endpoint::Server, "GET", "/v2", true),
    row(Endpoint::Live, "GET", "/v2/health/live", true),
    row(Endpoint::Ready, "GET", "/v2/health/ready", true),
    // Before the model of any name: `stats` is not one.
    row(Endpoint::AllStatistics, "GET", "/v2/models/stats", false),
    row(Endpoint::Model, "GET", "/v2/models/{model}", false),
    row(Endpoint::Model, "GET", "/v2/models/{model}/versions/{version}", false),
    row(Endpoint::ModelReady, "GET", "/v2/models/{model}/ready", false),
    row(Endpoint::ModelReady, "GET", "/v2/models/{model}/versions/{version}/ready", false),
    row(Endpoint::Infer, "POST", "/v2/models/{model}/infer", false),
    row(Endpoint::Infer, "POST", "/v2/models/{model}/versions/{version}/infer", false),
    row(Endpoint::Generate, "POST", "/v2/models/{model}/generate", false),
    row(Endpoint::Generate, "POST", "/v2/models/{model}/versions/{version}/generate", false),
    row(Endpoint::GenerateStream, "POST", "/v2/models/{model}/generate_stream", false),
    row(Endpoint::GenerateStream, "POST", "/v2/models/{model}/versions/{version}/generate_stream", false),
    row(Endpoint::Language(Task::Chat), "POST", "/v1/chat/completions", false),
    row(Endpoint::Language(Task::Completion), "POST", "/v1/completions", false),
    row(Endpoint::Language(Task::Embedding), "POST", "/v1/embeddings", false),
    row(Endpoint::LanguageModels, "GET", "/v1/models", false),
    // As KServe has them.
    row(Endpoint::Language(Task::Chat), "POST", "/openai/v1/chat/completions", false),
    row(Endpoint::Language(Task::Completion), "POST", "/openai/v1/completions", false),
    row(Endpoint::Language(Task::Embedding), "POST", "/openai/v1/embeddings", false),
    row(Endpoint::LanguageModels, "GET", "/openai/v1/models", false),
    row(Endpoint::Configuration, "GET", "/v2/models/{model}/config", false),
    row(Endpoint::Configuration, "GET", "/v2/models/{model}/versions/{version}/config", false),
    row(Endpoint::Statistics, "GET", "/v2/models/{model}/stats", false),
    row(Endpoint::Statistics, "GET", "/v2/models/{model}/versions/{version}/stats", false),
    row(Endpoint::Index, "POST", "/v2/repository/index", false),
    row(Endpoint::Load, "POST", "/v2/repository/models/{model}/load", false),
    row(Endpoint::Unload, "POST", "/v2/repository/models/{model}/unload", false),
    row(Endpoint::Feedback, "POST", "/v2/models/{model}/feedback", false),
    row(Endpoint::Metrics, "GET", "/metrics", false),
];

/// What a path and method mean.
#[derive(Debug)]
pub enum Found {
    /// An endpoint, with the parts of the path that stand for names.
    Row { row: &'static EndpointRow, model: String, version: Option<String> },
    /// The path is known under other methods.
    Method { allow: &'static str },
    /// Nothing is here.
    Nothing,
}

/// Looks a request up.
pub fn find(method: &Method, path: &str) -> Found {
    let mut allow = None;
    for row in ENDPOINTS {
        if let Some((model, version)) = matches(row.path, path) {
            if row.method == method.as_str() {
                return Found::Row { row, model, version };
            }
            allow = Some(row.method);
        }
    }
    allow.map_or(Found::Nothing, |allow| Found::Method { allow })
}

/// The names in `path`, when it has the form of `pattern`.
fn matches(pattern: &str, path: &str) -> Option<(String, Option<String>)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (mut model, mut version) = (None, None);
    let mut parts = path.split('/');
    for expected in pattern.split('/') {
        let part = parts.next()?;
        match expected {
            "{model}" => model = Some(part),
            "{version}" => version = Some(part),
            _ if expected == part => {}
            _ => return None,
        }
    }
    // Names are read when everything else fits: most rows do not.
    if parts.next().is_some() {
        return None;
    }
    let version = match version {
        Some(part) => Some(decoded(part)?),
        None => None,
    };
    Some((model.map_or_else(|| Some(String::new()), decoded)?, version))
}

/// A part of a path without its percent signs; none when they are wrong or the part is empty.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok().filter(|s| !s.is_empty())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn says(method: Method, path: &str, expected: Expect) {
        let text = match find(&method, path) {
            Found::Row { row, model, version } => format!("{:?} {model:?} {version:?}", row.endpoint),
            other => format!("{other:?}"),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn paths_are_found_by_the_table() {
        says(Method::GET, "/v2/", expect![[r#"Server "" None"#]]);
        says(Method::POST, "/v2/models/late-arrival/infer", expect![[r#"Infer "late-arrival" None"#]]);
        says(Method::POST, "/v2/models/a%20b/versions/v1.0/infer", expect![[r#"Infer "a b" Some("v1.0")"#]]);
        says(Method::GET, "/v2/models/stats", expect![[r#"AllStatistics "" None"#]]);
        says(Method::GET, "/v2/models/stats/stats", expect![[r#"Statistics "stats" None"#]]);
        says(Method::POST, "/v2/repository/models/a%2Fb/load", expect![[r#"Load "a/b" None"#]]);
        says(Method::GET, "/v2/repository/index", expect![[r#"Method { allow: "POST" }"#]]);
        says(Method::GET, "/v2/models/m/infer", expect![[r#"Method { allow: "POST" }"#]]);
        says(Method::GET, "/v2/models//ready", expect!["Nothing"]);
        says(Method::GET, "/v2/models/%zz", expect!["Nothing"]);
        says(Method::GET, "/v2/models/m/versions", expect!["Nothing"]);
        says(Method::GET, "/v3", expect!["Nothing"]);
    }
}
