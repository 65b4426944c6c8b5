//! Spans from traces: OTLP in JSON as OpenTelemetry's file exporters write it (one object a line, one object, or a list of them), the
//! answers of Jaeger's JSON API, and Zipkin's version 2.

use super::{Mistake, Mistakes, too_long};
use serde_json::Value;
use tidegate_core::train::{Span, SpanKind};

/// Most spans that are read.
pub const SPANS_MAX: usize = 1_000_000;
/// Longest name of a service, a span or a trace, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Reads a file of traces.
///
/// # Errors
/// All mistakes of the file.
pub fn traces(file: &str, text: &str) -> Result<Vec<Span>, Mistakes> {
    let mut reader = Reader { file, line: None, spans: vec![], mistakes: Mistakes::default() };
    match too_long(file, text) {
        Some(mistake) => reader.mistakes.add(mistake),
        None => reader.text(text),
    }
    if reader.mistakes.is_empty() { Ok(reader.spans) } else { Err(reader.mistakes) }
}

struct Reader<'a> {
    file: &'a str,
    /// The line, where each line is a value.
    line: Option<usize>,
    spans: Vec<Span>,
    mistakes: Mistakes,
}

impl Reader<'_> {
    fn text(&mut self, text: &str) {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let first = lines.next().map(|(_, line)| serde_json::from_str::<Value>(line));
        if matches!(first, Some(Ok(_))) && lines.next().is_some() {
            for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                self.line = Some(i + 1);
                match serde_json::from_str(line) {
                    Ok(value) => self.document(&value),
                    Err(error) => self.wrong(format!("this line is not JSON: {error}")),
                }
            }
            return;
        }
        match serde_json::from_str(text) {
            Ok(value) => self.document(&value),
            Err(error) => {
                self.line = Some(error.line());
                self.wrong(format!("this is not JSON, and not JSON in lines: {error}"));
            }
        }
    }

    fn wrong(&mut self, message: String) {
        self.mistakes.add(Mistake { file: self.file.to_owned(), line: self.line.unwrap_or(1), message });
    }

    fn document(&mut self, value: &Value) {
        if value.get("resourceSpans").is_some() {
            return self.otlp(value);
        }
        if value.get("spans").is_some() && value.get("processes").is_some() {
            return self.jaeger(value);
        }
        if let Some(all) = value.get("data").and_then(Value::as_array) {
            return all.iter().for_each(|trace| self.jaeger(trace));
        }
        if value.get("traceId").is_some() && value.get("id").is_some() {
            return self.zipkin(value);
        }
        // A list of spans, of documents, or of traces that are lists of spans.
        if let Some(all) = value.as_array() {
            return all.iter().for_each(|item| self.document(item));
        }
        let what = if value.get("resourceMetrics").or(value.get("resourceLogs")).is_some() {
            "this holds metrics or logs, and calls are seen in traces"
        } else {
            "this is no trace: known are OTLP (`resourceSpans`), Jaeger (`data` with `spans` and `processes`) and Zipkin (`traceId`, `id`)"
        };
        self.wrong(what.to_owned());
    }

    fn otlp(&mut self, value: &Value) {
        for resource in list(value, "resourceSpans") {
            let service = list(&resource["resource"], "attributes").find(|attribute| attribute["key"] == "service.name");
            let service = service.and_then(|attribute| attribute["value"]["stringValue"].as_str()).unwrap_or_default();
            for span in list(resource, "scopeSpans").flat_map(|scope| list(scope, "spans")) {
                let kind = match (span["kind"].as_u64(), span["kind"].as_str()) {
                    (Some(2), _) | (_, Some("SPAN_KIND_SERVER")) => SpanKind::Server,
                    (Some(3), _) | (_, Some("SPAN_KIND_CLIENT")) => SpanKind::Client,
                    (Some(4 | 5), _) | (_, Some("SPAN_KIND_PRODUCER" | "SPAN_KIND_CONSUMER")) => SpanKind::Message,
                    _ => SpanKind::Other,
                };
                self.span((&span["traceId"], &span["spanId"]), span["parentSpanId"].as_str(), service, kind);
            }
        }
    }

    fn jaeger(&mut self, trace: &Value) {
        for span in list(trace, "spans") {
            let process = span["processID"].as_str().map_or(&span["process"], |id| &trace["processes"][id]);
            let service = process["serviceName"].as_str().unwrap_or_default();
            let tag = list(span, "tags").find(|tag| tag["key"] == "span.kind");
            let kind = tag.and_then(|tag| tag["value"].as_str()).map_or(SpanKind::Other, named_kind);
            let of_trace = |reference: &&Value| reference["refType"] == "CHILD_OF" && reference["traceID"] == span["traceID"];
            let parent = list(span, "references").find(of_trace).map_or(&span["parentSpanID"], |reference| &reference["spanID"]);
            self.span((&span["traceID"], &span["spanID"]), parent.as_str(), service, kind);
        }
    }

    fn zipkin(&mut self, span: &Value) {
        let service = span["localEndpoint"]["serviceName"].as_str().unwrap_or_default();
        let kind = span["kind"].as_str().map_or(SpanKind::Other, named_kind);
        // Both sides of a call may share one name: the answering side belongs to the calling one.
        let parent = if span["shared"] == true { &span["id"] } else { &span["parentId"] };
        self.span((&span["traceId"], &span["id"]), parent.as_str(), service, kind);
    }

    fn span(&mut self, (trace, id): (&Value, &Value), parent: Option<&str>, service: &str, kind: SpanKind) {
        let name = |value: &Value| value.as_str().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX).map(str::to_lowercase);
        let (Some(trace), Some(id)) = (name(trace), name(id)) else {
            return self.wrong(format!("a span has no id, or none of its trace, of at most {NAME_BYTES_MAX} bytes"));
        };
        if service.len() > NAME_BYTES_MAX {
            return self.wrong(format!("the service of span {id} has a name of more than {NAME_BYTES_MAX} bytes"));
        }
        if self.spans.len() >= SPANS_MAX {
            if self.spans.len() == SPANS_MAX && self.mistakes.is_empty() {
                self.wrong(format!("there are more than {SPANS_MAX} spans: give a part of them"));
            }
            return;
        }
        let parent = parent.filter(|text| !text.is_empty()).map(str::to_lowercase);
        let place = self.line.map_or_else(|| format!("{} trace {trace}", self.file), |line| format!("{} line {line}", self.file));
        self.spans.push(Span { trace, id, parent, service: service.to_owned(), kind, place });
    }
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn named_kind(text: &str) -> SpanKind {
    match text.to_lowercase().as_str() {
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" | "consumer" => SpanKind::Message,
        _ => SpanKind::Other,
    }
}
