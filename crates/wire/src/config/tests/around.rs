//! What stands around a release: people, approvals and breakers.

use super::super::{Way, load_in};
use super::mistakes::{check, said};
use crate::sources::MetricSource;
use expect_test::expect;
use tidegate_core::ab::Spec;
use tidegate_core::access::Role;
use tidegate_core::breaker::Rule;
use tidegate_core::notify::{Limits, Topic};
use tidegate_core::route::Carrier;

const HEAD: &str = "version: 1\nworkspace: shop\nmodels:\n  m: { artifact: m.onnx }\n";

#[test]
fn people_and_approvals() {
    let people = "people:\n  ada: { roles: [approver, developer] }\n  grace: { roles: [approver] }\n";
    let loaded = load_in(&format!("{HEAD}{people}services:\n  s: {{ model: m, approvals: 2 }}\n"), "tidegate.yaml", None).unwrap();
    assert_eq!(loaded.people["ada"], [Role::Developer, Role::Approver]);
    assert_eq!((loaded.services["s"].approvals, loaded.services["s"].approvals_last_ms), (2, 24 * 3_600_000));
    let few = said(&format!("{HEAD}{people}services:\n  s: {{ model: m, approvals: 3 }}\n"), None);
    assert!(
        few.contains("3 must approve a release, and `people` has 2 with the role `approver`") && few.contains("tidegate.yaml:9:"),
        "{few}"
    );
    let nobody = said(&format!("{HEAD}services:\n  s: {{ model: m, approvals: 1 }}\n"), None);
    assert!(nobody.contains("1 must approve a release, and `people` has 0"), "{nobody}");
    let owner = said(&format!("{HEAD}people:\n  owner: {{ roles: [viewer] }}\n"), None);
    assert!(owner.contains("`owner` stands for something else in records"), "{owner}");
    let role = said(&format!("{HEAD}people:\n  ada: {{ roles: [admin] }}\n"), None);
    assert!(role.contains("people.ada.roles[0]") && role.contains("release_manager"), "{role}");
}

#[test]
fn breakers() {
    let breaker = |rest: &str| format!("{HEAD}breakers:\n  production: {{ prometheus: 'http://127.0.0.1:9090', {rest} }}\n");
    let loaded = load_in(&breaker("resets_after: 10m, signals: { errors: { query: up, above: 0.05 } }"), "tidegate.yaml", None).unwrap();
    let found = &loaded.breakers["production"];
    assert_eq!((found.every_ms, found.rule), (30_000, Rule { after: 3, resets_after_ms: Some(600_000) }));
    let [(query, signal)] = found.signals.as_slice() else { panic!("{:?}", found.signals) };
    assert_eq!((query.as_str(), signal.name.as_str(), signal.above, signal.below), ("up", "errors", Some(0.05), None));
    let none = said(&breaker("signals: {}"), None);
    assert!(none.contains("it has no signal: nothing is looked at"), "{none}");
    let limits = said(&breaker("signals: { errors: { query: up } }"), None);
    assert!(limits.contains("neither `above` nor `below` says what is abnormal") && limits.contains("signals.errors"), "{limits}");
}

#[test]
fn channels() {
    let file = |channel: &str| format!("{HEAD}services:\n  s: {{ model: m }}\n  t: {{ model: m }}\nnotify:\n  ops: {{ {channel} }}\n");
    let load = |channel: &str| load_in(&file(channel), "tidegate.yaml", None).unwrap().notify["ops"].clone();
    let slack = load("slack: SLACK_WEBHOOK, services: [s]");
    assert_eq!(slack.way, Way::Slack { address: "SLACK_WEBHOOK".to_owned() });
    assert_eq!(slack.limits, Limits { most: 10, within_ms: 600_000 });
    assert!(slack.hears(Topic::Page, Some("s")) && !slack.hears(Topic::Page, Some("t")) && !slack.hears(Topic::Held, Some("s")));
    let webhook = load("webhook: 'https://tools.example.org/in?x=1', secret: HOOK_SECRET");
    assert_eq!(
        (webhook.on.len(), &webhook.way),
        (Topic::ALL.len(), &Way::Webhook { url: "https://tools.example.org/in?x=1".to_owned(), secret: Some("HOOK_SECRET".to_owned()) })
    );
    assert!(webhook.hears(Topic::Tripped, None));
    let mail = load(
        "smtp: 'smtp://127.0.0.1:25', from: tidegate@example.org, to: [a@example.org, b@example.org], on: [held], most: 2, within: 1h",
    );
    let Way::Email { to, .. } = &mail.way else { panic!("{mail:?}") };
    assert_eq!((to.len(), mail.limits, mail.on.as_slice()), (2, Limits { most: 2, within_ms: 3_600_000 }, [Topic::Held].as_slice()));
    for (channel, why) in [
        ("slack: 'https://hooks.slack.com/services/T0/B0/x'", "it is no name of an environment variable"),
        ("webhook: 'ftp://example.org'", "it begins with neither `https://` nor `http://`"),
        ("webhook: 'https://'", "it names no host"),
        ("webhook: 'https://user:pass@example.org/'", "`login` and `secret` name variables for that"),
        ("smtp: 'smtp://h', from: ops, to: a@example.org", "`ops` is no address of mail"),
        ("smtp: 'smtp://h', from: a@example.org, to: 'b@example.org, c@example.org'", "is no address of mail"),
        ("slack: S, on: [pages]", "notify.ops.on[0]"),
        ("slack: S, services: [u]", "notify.ops.services[0]"),
        ("to: a@example.org", "notify.ops"),
    ] {
        let found = said(&file(channel), None);
        assert!(found.contains(why), "{channel}: {found}");
    }
}

#[test]
fn trains() {
    let file = |services: &str| {
        format!(
            "{HEAD}services:\n  a: {{ model: m }}\n  b: {{ model: m }}\n  c: {{ model: m }}\ntrains:\n  t: {{ services: {{ {services} }} }}\n"
        )
    };
    let loaded = load_in(&file("a: {}, b: { after: [a], irreversible: true }"), "tidegate.yaml", None).unwrap();
    let [a, b] = loaded.trains["t"].as_slice() else { panic!("{:?}", loaded.trains) };
    assert_eq!((a.service.as_str(), a.irreversible, a.after.len()), ("a", false, 0));
    assert_eq!((b.service.as_str(), b.irreversible, b.after.as_slice()), ("b", true, ["a".to_owned()].as_slice()));
    for (services, why) in [
        ("a: { after: [b] }, b: { after: [a] }", "none of `a`, `b` can be the first"),
        ("a: { after: [c] }", "`a` comes after `c`, which is not in it"),
        ("d: {}", "trains.t.services"),
        ("", "a train has 1 to 50 services; this one has 0"),
    ] {
        let found = said(&file(services), None);
        assert!(found.contains(why), "{services}: {found}");
    }
}

#[test]
fn sources_and_what_asks_them() {
    let text = |rest: &str| format!("version: 1\nworkspace: x\n{rest}");
    let w = load_in(
        &text("sources:\n  a: { cloudwatch: eu-west-1 }\n  b: { influxdb: 'http://h:8086', database: d, token: T }\nbreakers:\n  p: { source: b, signals: { s: { query: q, above: 1 } } }\n  q: { prometheus: 'http://h:9090', signals: { s: { query: q, above: 1 } } }\n"),
        "tidegate.yaml",
        None,
    )
    .unwrap();
    let (id, secret) = ("AWS_ACCESS_KEY_ID".to_owned(), "AWS_SECRET_ACCESS_KEY".to_owned());
    assert_eq!(w.sources["a"], MetricSource::CloudWatch { region: "eu-west-1".to_owned(), endpoint: None, key: id, secret, session: None });
    assert_eq!(w.breakers["p"].source, w.sources["b"]);
    assert_eq!(
        w.breakers["q"].source,
        MetricSource::Prometheus { url: "http://h:9090".to_owned(), token: Some("TIDEGATE_PROMETHEUS_TOKEN".to_owned()) }
    );
    check(
        "sources:\n  a: { datadog: https://api.datadoghq.eu, api_key: 0123abc, app_key: APP }\n  b: { influxdb: 'http://h', database: d, login: L, token: T }\n  c: { kafka: x }\nbreakers:\n  p: { source: z, signals: { s: { query: q, above: 1 } } }\n  q: { signals: { s: { query: q, above: 1 } } }\n",
        expect![[r#"
            error: it is no name of an environment variable
             --> tidegate.yaml:4:52 (sources.a.api_key)
              |
            4 |   a: { datadog: https://api.datadoghq.eu, api_key: 0123abc, app_key: APP }
              |                                                    ^^^^^^^
              = help: put the secret itself into an environment variable, and its name, as `SLACK_WEBHOOK`, here

            error: `login` and `token` are both given: it is let in by one
             --> tidegate.yaml:5:3 (sources.b)
              |
            5 |   b: { influxdb: 'http://h', database: d, login: L, token: T }
              |   ^

            error: this asks for nothing that is known
             --> tidegate.yaml:6:3 (sources.c)
              |
            6 |   c: { kafka: x }
              |   ^
              = help: give one of `prometheus`, `datadog`, `cloudwatch`, `newrelic`, `influxdb`, `graphite` or `web`

            error: `z` is not under `sources`
             --> tidegate.yaml:8:16 (breakers.p.source)
              |
            8 |   p: { source: z, signals: { s: { query: q, above: 1 } } }
              |                ^
              = help: did you mean `a`?

            error: one of `source` and `prometheus` says what is asked
             --> tidegate.yaml:9:3 (breakers.q)
              |
            9 |   q: { signals: { s: { query: q, above: 1 } } }
              |   ^
              = help: give `source: NAME` of a name under `sources`, or `prometheus: http://127.0.0.1:9090`

            tidegate.yaml: 5 problems"#]],
    );
}

#[test]
fn ab_tests() {
    let file = |service: &str, test: &str| format!("{HEAD}services:\n  s: {{ {service} }}\nab_tests:\n  t: {{ service: s, {test} }}\n");
    let two = "variants: { control: {}, a: { weight: 3 } }, min_effect: 0.02";
    let rate = "metric: { kind: rate, better: higher }";
    let text = file("model: m, affinity: { cookie: id }", &format!("{two}, {rate}, share: 40"));
    let loaded = load_in(&text, "tidegate.yaml", None).unwrap();
    let test = &loaded.ab_tests["t"];
    assert_eq!((test.share_bp, test.alpha, test.horizon_ms, test.metric.window_ms), (4_000, 0.05, 14 * 24 * 3_600_000, 3_600_000));
    let draft = test.draft("t", &loaded, |variant| if variant == "a" { "2".to_owned() } else { "1".to_owned() }).unwrap();
    assert_eq!(draft.unit, Carrier::Cookie("id".to_owned()), "the service's affinity");
    let spec = Spec::build(draft).unwrap();
    let shares: Vec<(&str, &str, u32)> = spec.variants.iter().map(|v| (v.name.as_str(), v.version.as_str(), v.share_bp)).collect();
    assert_eq!(shares, [("control", "1", 1_000), ("a", "2", 3_000)]);
    let mean = "metric: { kind: mean, better: lower, min: -10, max: 30, missing: zero, window: 5m }, unit: { header: x-user }";
    let loaded =
        load_in(&file("model: m", &format!("variants: {{ a: {{}}, control: {{}} }}, min_effect: 2, {mean}")), "tidegate.yaml", None);
    let loaded = loaded.unwrap();
    assert_eq!((loaded.ab_tests["t"].metric.min, loaded.ab_tests["t"].metric.max), (-10.0, 30.0));
    for (service, test, why) in [
        ("model: m", format!("{two}, {rate}"), "nothing says what a client is: a test is of clients, not of requests"),
        ("model: m, affinity: { header: x }", format!("variants: {{ a: {{}}, b: {{}} }}, min_effect: 1, {rate}"), "called `control`"),
        ("model: m, affinity: { header: x }", format!("variants: {{ control: {{}} }}, min_effect: 0.1, {rate}"), "has 2 to 8 variants"),
        ("model: m", format!("{two}, metric: {{ kind: mean, better: lower, max: 1 }}, unit: {{ header: x }}"), "a mean needs `min`"),
        ("model: m", format!("{two}, metric: {{ kind: rate, better: lower, max: 1 }}, unit: {{ header: x }}"), "only a mean has bounds"),
        ("model: m", format!("{two}, {rate}, unit: {{}}"), "neither `header` nor `cookie`"),
        ("model: m", format!("{two}, {rate}, unit: {{ header: x }}, horizon: 30m"), "no client would ever be counted"),
        ("model: m", format!("{two}, metric: {{ kind: much, better: lower }}, unit: {{ header: x }}"), "metric.kind"),
    ] {
        let found = said(&file(service, &test), None);
        assert!(found.contains(why), "{test}: {found}");
    }
}
