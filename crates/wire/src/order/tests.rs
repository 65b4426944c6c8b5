//! Tests of the formats from which an order is inferred: each in the form in which its tool writes it.

use super::*;
use tidegate_core::train::{SpanKind, calls};

/// As OpenTelemetry's exporters write lines: a page that calls a ranker.
const OTLP: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h"}},{"key":"service.name","value":{"stringValue":"page"}}]},"scopeSpans":[{"scope":{},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","parentSpanId":"","name":"GET /","kind":2,"startTimeUnixNano":"1581452772000000321"},{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175","parentSpanId":"eee19b7ec3c1b174","name":"POST","kind":"SPAN_KIND_CLIENT"}]}]}]}

{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"ranker"}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b176","parentSpanId":"EEE19B7EC3C1B175","name":"POST /rank","kind":2}]}]}]}
"#;

const JAEGER: &str = r#"{"data":[{"traceID":"ab1","spans":[
 {"traceID":"ab1","spanID":"1","operationName":"GET","references":[],"tags":[{"key":"span.kind","type":"string","value":"client"}],"processID":"p1"},
 {"traceID":"ab1","spanID":"2","operationName":"rank","references":[{"refType":"FOLLOWS_FROM","traceID":"ab1","spanID":"9"},{"refType":"CHILD_OF","traceID":"ab1","spanID":"1"}],"tags":[{"key":"span.kind","type":"string","value":"server"}],"processID":"p2"}],
 "processes":{"p1":{"serviceName":"page","tags":[]},"p2":{"serviceName":"ranker","tags":[]}}}],"total":0,"limit":0,"offset":0,"errors":null}"#;

const ZIPKIN: &str = r#"[[{"traceId":"ab1","id":"1","kind":"CLIENT","name":"get","localEndpoint":{"serviceName":"page"},"remoteEndpoint":{"serviceName":"ranker"}},
 {"traceId":"ab1","parentId":"0","id":"1","kind":"SERVER","shared":true,"localEndpoint":{"serviceName":"ranker"}}]]"#;

#[test]
fn three_forms_of_traces_say_the_same() {
    for (text, place) in [(OTLP, "t.json line 3"), (JAEGER, "t.json trace ab1"), (ZIPKIN, "t.json trace ab1")] {
        let spans = traces("t.json", text).unwrap();
        let (found, ignored) = calls(&spans);
        let told: Vec<String> = found.iter().map(|f| format!("{} needs {}: {}", f.service, f.needs, f.evidence)).collect();
        assert_eq!(told, [format!("page needs ranker: 1 call, the first in {place}")], "{text}");
        assert_eq!(ignored, Vec::<String>::new(), "{text}");
    }
    let list = format!("[{}]", OTLP.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(","));
    assert_eq!(traces("t.json", &list).unwrap().len(), 3, "a list of documents");
    let flat = ZIPKIN.replace("[[", "[").replace("]]", "]");
    assert_eq!(traces("t.json", &flat).unwrap().len(), 2, "a list of spans");
    let kinds: Vec<SpanKind> = traces("t.json", OTLP).unwrap().iter().map(|span| span.kind).collect();
    assert_eq!(kinds, [SpanKind::Server, SpanKind::Client, SpanKind::Server]);
    assert_eq!(traces("t.json", "[]").unwrap(), []);
    assert_eq!(traces("t.json", r#"{"data":[]}"#).unwrap(), []);
}

#[test]
fn all_mistakes_of_traces_at_once() {
    let said = |text: &str| traces("t.json", text).unwrap_err().to_string();
    let lines = "{\"resourceSpans\":[]}\nnot json\n{\"resourceMetrics\":[]}\n{\"a\":1}\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"spanId\":\"1\"}]}]}]}\n";
    let found = said(lines);
    for (line, why) in [(2, "this line is not JSON"), (3, "metrics or logs"), (4, "this is no trace"), (5, "a span has no id")] {
        assert!(found.lines().any(|said| said.starts_with(&format!("t.json:{line}: ")) && said.contains(why)), "{line} {why}: {found}");
    }
    assert!(said("").contains("this is not JSON"), "an empty file holds nothing");
    assert!(said("{\n \"a\": }").starts_with("t.json:2: "), "{}", said("{\n \"a\": }"));
    assert!(said("7").contains("this is no trace"));
    let many = "{\"a\":1}\n".repeat(60);
    assert!(said(&many).ends_with("and 10 more"), "{}", said(&many));
    let mut kept = traces("t.json", &many).unwrap_err();
    assert_eq!((kept.listed.len(), kept.more), (MISTAKES_MAX, 10), "no more of them are kept");
    kept.extend(traces("u.json", &many).unwrap_err());
    assert_eq!((kept.listed.len(), kept.more), (MISTAKES_MAX, 70));
    let long = format!(r#"[{{"traceId":"a","id":"b","localEndpoint":{{"serviceName":"{}"}}}}]"#, "s".repeat(300));
    assert!(said(&long).contains("a name of more than"));
}

fn manifests<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Manifests, Mistakes> {
    let mut reader = ManifestReader::default();
    files.into_iter().for_each(|(file, text)| reader.read(file, text));
    reader.finish()
}

fn told(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let found = manifests(files.iter().copied()).unwrap();
    (found.findings.iter().map(|f| format!("{} needs {}: {}", f.service, f.needs, f.evidence)).collect(), found.ignored)
}

#[test]
fn compose_files_and_stages() {
    let compose = "services:\n  page:\n    image: page\n    depends_on:\n      - ranker\n  ranker:\n    depends_on:\n      features: { condition: service_healthy }\n  features: {}\n";
    assert_eq!(
        told(&[("compose.yaml", compose)]).0,
        ["page needs ranker: depends_on in compose.yaml line 5", "ranker needs features: depends_on in compose.yaml line 8"]
    );
    let dvc = "stages:\n  features:\n    cmd: f\n    outs:\n      - f.parquet: { cache: false }\n  ranker:\n    cmd: r\n    deps: [f.parquet, r.py]\n    outs: [r.onnx]\n  each:\n    foreach: [1]\n    do: { cmd: x }\n";
    let (found, ignored) = told(&[("dvc.yaml", dvc)]);
    assert_eq!(found, ["ranker needs features: deps in dvc.yaml line 8"]);
    assert_eq!(ignored, ["dvc.yaml: stage each has `foreach`, `matrix` or `wdir`"]);
}

const PODS: &str = "apiVersion: v1\nkind: Service\nmetadata: { name: rank-svc, namespace: shop }\nspec: { selector: { app: ranker } }\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: ranker, namespace: shop }\nspec:\n  template:\n    metadata: { labels: { app: ranker, tier: back } }\n    spec: { containers: [{ name: c }] }\n---\napiVersion: v1\nkind: ConfigMap\n";

#[test]
fn workloads_that_name_a_service_need_what_is_behind_it() {
    let page = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: page, namespace: shop }\nspec:\n  template:\n    spec:\n      containers:\n        - name: c\n          env:\n            - { name: RANK, value: 'http://user:hunter2@rank-svc:8080/x' }\n            - { name: WORD, value: the rank-svc is fine }\n            - { name: SECRET, valueFrom: { secretKeyRef: { name: rank-svc, key: k } } }\n          args: [--old, rank-svc.other.svc.cluster.local]\n";
    let (found, ignored) = told(&[("page.yaml", page), ("pods.yaml", PODS)]);
    assert_eq!(found, ["page needs ranker: Service rank-svc is named in page.yaml line 10"]);
    assert_eq!(ignored, ["pods.yaml: kind ConfigMap does not say who calls whom"]);
    let list = "kind: List\nitems:\n  - kind: CronJob\n    metadata: { name: nightly, namespace: shop }\n    spec: { jobTemplate: { spec: { template: { spec: { containers: [{ command: [curl, rank-svc.shop] }] } } } } }\n";
    assert_eq!(
        told(&[("list.yaml", list), ("pods.yaml", PODS)]).0,
        ["nightly needs ranker: Service rank-svc is named in list.yaml line 5"]
    );
    let none_behind = "apiVersion: v1\nkind: Service\nmetadata: { name: db, namespace: shop }\n";
    let job = "kind: Job\nmetadata: { name: load, namespace: shop }\nspec: { template: { spec: { containers: [{ args: ['db'] }] } } }\n";
    assert_eq!(told(&[("a.yaml", none_behind), ("b.yaml", job)]).0, ["load needs db: Service db is named in b.yaml line 3"]);
}

#[test]
fn waves_of_argo_cd() {
    let one = |name: &str, wave: &str| {
        let annotation =
            if wave.is_empty() { String::new() } else { format!("  annotations: {{ argocd.argoproj.io/sync-wave: '{wave}' }}\n") };
        format!("kind: Deployment\nmetadata:\n  name: {name}\n{annotation}")
    };
    let all = [one("page", "2"), one("ranker", ""), one("features", "-1"), one("schema", "-1"), one("odd", "soon")].join("---\n");
    let (found, ignored) = told(&[("w.yaml", &all)]);
    assert_eq!(ignored, ["w.yaml: the wave of odd is no whole number"]);
    let pairs: Vec<&str> = found.iter().filter_map(|text| text.split(':').next()).collect();
    assert_eq!(
        pairs,
        ["ranker needs features", "ranker needs schema", "odd needs features", "odd needs schema", "page needs ranker", "page needs odd"]
    );
    assert!(found[0].contains("sync wave 0 after -1, w.yaml line 13"), "{}", found[0]);
    assert_eq!(told(&[("w.yaml", &one("a", ""))]).0, Vec::<String>::new(), "no wave, no order");
}

#[test]
fn all_mistakes_of_manifests_at_once() {
    let found = manifests([("a.yaml", "kind: Pod\n---\na: [\n"), ("b.yaml", "x: 1\nx: 2\n"), ("c.yaml", "services: {}\n")]).unwrap_err();
    assert_eq!(found.listed.len(), 2, "{found}");
    assert!(found.to_string().lines().all(|line| line.starts_with("a.yaml:") || line.starts_with("b.yaml:2")), "{found}");
    assert!(found.listed[0].line >= 3, "lines are those of the file: {found}");
    assert_eq!(told(&[("x.yaml", "a: 1\n"), ("empty.yaml", "# nothing\n")]).1.len(), 1);
}

#[test]
fn mistakes_of_many_manifests_are_counted_and_the_first_are_kept() {
    let all: Vec<String> = (0..80).map(|i| format!("{i:02}.yaml")).collect();
    let found = manifests(all.iter().map(|file| (file.as_str(), "a: [\n"))).unwrap_err();
    assert_eq!((found.listed.len(), found.more, found.listed[0].file.as_str()), (MISTAKES_MAX, 30, "00.yaml"));
    // The same said twice is one finding, however many there are.
    let one = "services:\n  page: { depends_on: [ranker] }\n  ranker: {}\n";
    assert_eq!(told(&[("c.yaml", one), ("c.yaml", one)]).0.len(), 1);
}

#[test]
fn versions_and_files_name_no_service() {
    let model = "apiVersion: v1\nkind: Service\nmetadata: { name: model }\nspec: { selector: { app: model } }\n";
    let page = "kind: Pod\nmetadata: { name: page }\nspec: { containers: [{ env: [{ name: VERSION, value: '1.2' }, { name: FILE, value: model.onnx }], args: [--path, /m/model.onnx] }] }\n";
    assert_eq!(told(&[("m.yaml", model), ("p.yaml", page)]).0, Vec::<String>::new());
    let page = page.replace("FILE, value: model.onnx", "MODEL_HOST, value: model.shop");
    assert_eq!(told(&[("m.yaml", model), ("p.yaml", &page)]).0, ["page needs model: Service model is named in p.yaml line 3"]);
}
