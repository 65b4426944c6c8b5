//! What stands around a release: people, approvals, breakers, duties, and deployments that others hold.

use super::super::duty::{on_duty, steps};
use super::super::{Asks, GithubEntry, Tool, Way, Written, load_in};
use super::mistakes::{check, said};
use crate::sources::MetricSource;
use expect_test::expect;
use tidegate_core::ab::Spec;
use tidegate_core::access::{Held, Role};
use tidegate_core::breaker::Rule;
use tidegate_core::deployment::VersionBy;
use tidegate_core::id::At;
use tidegate_core::notify::{Limits, Topic};
use tidegate_core::route::Carrier;

const HEAD: &str = "version: 1\nworkspace: shop\nmodels:\n  m: { artifact: m.onnx }\n";

#[test]
fn people_and_approvals() {
    let people = "people:\n  ada: { roles: [approver, developer] }\n  grace: { roles: [approver] }\n";
    let loaded = load_in(&format!("{HEAD}{people}services:\n  s: {{ model: m, approvals: 2 }}\n"), "tidegate.yaml", None).unwrap();
    assert_eq!(loaded.people["ada"], [Role::Developer, Role::Approver].map(Held::everywhere));
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
    let [a, b] = loaded.trains["t"].cars.as_slice() else { panic!("{:?}", loaded.trains) };
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
fn an_inferred_order_is_not_declared_as_well() {
    let file = |after: &str| {
        format!(
            "{HEAD}services:\n  a: {{ model: m }}\n  b: {{ model: m }}\ntrains:\n  t: {{ order: inferred, services: {{ a: {{}}, b: {{ {after} }} }} }}\n"
        )
    };
    assert!(load_in(&file(""), "tidegate.yaml", None).unwrap().trains["t"].inferred);
    let found = said(&file("after: [a]"), None);
    assert!(found.contains("the order of this train is the one that is approved"), "{found}");
}

#[test]
fn what_versions_give_and_take() {
    let file = |rest: &str| {
        format!(
            "version: 1\nworkspace: x\ndata: {{ d: {{ path: d.csv, contract: d.yaml }}, e: {{ path: e.csv }} }}\nmodels:\n  m: {{ artifact: m.onnx, {rest} }}\n"
        )
    };
    let text =
        file("gives: { scores: outputs, rows: { id: int64, name: 'string?', v: 'float32[-1, 8]' } }, takes: { d: contract, raw: inputs }");
    let found = load_in(&text, "tidegate.yaml", None).unwrap().models["m"].interfaces.clone();
    assert_eq!((&found.gives["scores"], &found.takes["raw"]), (&Written::Own, &Written::Own));
    assert_eq!(found.takes["d"], Written::Contract("d.yaml".to_owned()));
    let Written::Fields(rows) = &found.gives["rows"] else { panic!("{found:?}") };
    let shown: Vec<String> = rows.iter().map(|field| format!("{}: {field}", field.name)).collect();
    assert_eq!(shown, ["id: int64", "name: string, null or not there", "v: float32[-1, 8]"]);
    for (rest, why) in [
        ("gives: { e: contract }", "there is no dataset `e` with a contract"),
        ("takes: { f: contract }", "there is no dataset `f` with a contract"),
        ("takes: { rows: outputs }", "`outputs` is not one of `inputs` or `contract`"),
        ("takes: { rows: { a: '[3]' } }", "`[3]` is no type"),
        ("gives: { rows: { a: 'float32[x]' } }", "models.m.gives.rows.a"),
        ("gives: { 'a b': outputs }", "cannot be the name of"),
    ] {
        let found = said(&file(rest), None);
        assert!(found.contains(why), "{rest}: {found}");
    }
    let many: Vec<String> = (0..401).map(|i| format!("c{i}: int64")).collect();
    let found = said(&file(&format!("takes: {{ rows: {{ {} }} }}", many.join(", "))), None);
    assert!(found.contains("401 columns are written out; at most 400 are read"), "{found}");
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
            4 |   a: { datadog: https://api.datadoghq.eu, api_key: *******, app_key: APP }
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
              = help: give one of `prometheus`, `datadog`, `cloudwatch`, `newrelic`, `influxdb`, `graphite`, `web` or `lake`

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
        ("model: m, environments: { e: {} }", format!("{two}, {rate}, unit: {{ header: x }}"), "it runs in several environments"),
        ("model: m, driver: { kserve: {} }", format!("{two}, {rate}, unit: {{ header: x }}"), "somebody else answers this service's"),
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

#[test]
fn deployments() {
    let file = |deployment: &str| {
        format!("{HEAD}services:\n  s: {{ model: m }}\npeople:\n  ada: {{ roles: [developer] }}\ndeployments:\n  d: {{ {deployment} }}\n")
    };
    let github = "github: acme/shop, environment: production, secret: HOOK, service: s";
    let load = |deployment: &str| load_in(&file(deployment), "tidegate.yaml", None).unwrap().deployments["d"].clone();
    let found = load(&format!("{github}, token: TOKEN, version: 'v{{version}}', logins: {{ octocat: ada }}"));
    assert_eq!((found.path.as_str(), found.api.as_str(), found.within_ms), ("acme/shop", "https://api.github.com", 7 * 86_400_000));
    assert_eq!((&found.asks, &found.version), (&Asks::Approvals, &VersionBy::Ref { before: "v".to_owned(), behind: String::new() }));
    assert_eq!(found.logins["octocat"], "ada");
    let app = load(&format!("{github}, app: 12345, key: APP_KEY, api: 'https://git.example.org/api/v3/', asks: gates"));
    assert_eq!((app.api.as_str(), app.asks), ("https://git.example.org/api/v3", Asks::Gates));
    let entry = GithubEntry::App { id: "12345".to_owned(), key: "APP_KEY".to_owned() };
    assert_eq!(app.tool, Tool::Github { environment: "production".to_owned(), entry, statuses: false });
    assert_eq!(found.person("OctoCat").map(String::as_str), Some("ada"), "logins are the same in capitals");
    let second = |second: &str| said(&format!("{}  e: {{ {second}, token: T }}\n", file(&format!("{github}, token: T"))), None);
    let same = second("github: Acme/Shop, environment: production, secret: H, service: s, api: 'https://api.github.com/'");
    assert!(same.contains("`d` is of the same `github`, `environment` and `api`"), "{same}");
    load_in(
        &format!("{}  e: {{ {}, token: T }}\n", file(&format!("{github}, token: T")), github.replace("production", "staging")),
        "x",
        None,
    )
    .unwrap();
    let check = load("gitlab_check: a/b/c, check: tidegate, secret: HOOK, token: TOKEN, service: s, version: commit");
    assert_eq!(check.tool, Tool::GitlabCheck { check: "tidegate".to_owned(), token: "TOKEN".to_owned() });
    for (deployment, why) in [
        (github.to_owned(), "one of `token`, and `app` with `key`, says how GitHub lets us in"),
        (format!("{github}, token: T, app: 1, key: K"), "one of `token`"),
        (format!("{github}, app: 1"), "one of `token`"),
        (format!("{github}, token: 'ghs_abc'"), "it is no name of an environment variable"),
        (format!("{github}, token: T, version: latest"), "neither `newest` nor `commit`"),
        (format!("{github}, token: T, asks: judge"), "`asks: judge` needs `judge`"),
        (format!("{github}, token: T, judge: web"), "judge"),
        (format!("{github}, token: T, api: 'ftp://x'"), "it is no plain address of an API"),
        (format!("{github}, token: T, api: 'https://user@x'"), "it is no plain address of an API"),
        (format!("{github}, token: T, logins: {{ eve: eve }}"), "deployments.d.logins.eve"),
        ("github: shop, environment: p, secret: H, token: T, service: s".to_owned(), "it is no path of a repository"),
        ("github: a/b/c, environment: p, secret: H, token: T, service: s".to_owned(), "it is no path of a repository"),
        ("gitlab: a/.., environment: p, secret: H, token: T, service: s".to_owned(), "it is no path of a repository"),
        ("gitlab: a/b, environment: p, token: T, service: s".to_owned(), "secret"),
    ] {
        let found = said(&file(&deployment), None);
        assert!(found.contains(why), "{deployment}: {found}");
    }
}

#[test]
fn duties() {
    let people = "people:\n  ada: { roles: [developer] }\n  joan: { roles: [approver] }\n";
    let file = |duty: &str| format!("{HEAD}services:\n  s: {{ model: m }}\n  t: {{ model: m }}\n{people}duty:\n{duty}");
    let first = "  first: { people: [ada, joan], from: 2026-03-16, zone: Europe/Berlin, services: [s], escalate: [second], after: 10m,\n    \
                 overrides: [{ person: joan, from: '2026-03-17 12:00', until: 2026-03-18 }] }\n";
    let second = "  second: { people: [joan], from: 2026-01-01, every: 1d, services: [s] }\n";
    let loaded = load_in(&file(&format!("{second}{first}")), "tidegate.yaml", None).unwrap();
    let at = |text: &str| At(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let monday = at("2026-03-16T12:00:00Z");
    assert_eq!(on_duty(&loaded.duty, "s", monday).map(|shift| shift.person).as_deref(), Some("ada"));
    assert_eq!(on_duty(&loaded.duty, "s", at("2026-03-17T12:00:00Z")).map(|s| (s.person, s.stands_in)), Some(("joan".to_owned(), true)));
    assert_eq!(on_duty(&loaded.duty, "t", monday), None, "it has none");
    let (called, after_ms) = steps(&loaded.duty, "s", monday);
    let called: Vec<_> = called.iter().map(|step| (step.duty.as_str(), step.person.as_deref())).collect();
    assert_eq!((called, after_ms), (vec![("first", Some("ada")), ("second", Some("joan"))], 600_000));
    for (duty, why) in [
        ("people: [eve], from: 2026-03-16", "duty.d.people[0]"),
        ("people: [ada], from: monday", "`monday` is no day"),
        ("people: [ada], from: 2026-03-16, zone: Berlin", "`Berlin` is no zone"),
        ("people: [ada], from: 2026-03-16, hand_over: '9am'", "`9am` is no hour of the day"),
        ("people: [ada], from: 2026-03-16, every: 36h", "is not a number of whole days"),
        ("people: [ada], from: 2026-03-16, every: 1h", "duty.d.every"),
        ("people: [ada], from: 2026-03-16, escalate: [d]", "it escalates to itself"),
        ("people: [ada], from: 2026-03-16, escalate: [x]", "duty.d.escalate[0]"),
        ("people: [ada], from: 2026-03-16, overrides: [{ person: ada, from: 2026-03-18, until: 2026-03-17 }]", "ends before it begins"),
    ] {
        let found = said(&file(&format!("  d: {{ {duty} }}\n")), None);
        assert!(found.contains(why), "{duty}: {found}");
    }
    let circle = "  d: { people: [ada], from: 2026-03-16, escalate: [e] }\n  e: { people: [joan], from: 2026-03-16, escalate: [d] }\n";
    assert!(said(&file(circle), None).contains("its escalation comes back to it"));
    let unnamed = said(&file(&format!("{first}  second: {{ people: [joan], from: 2026-01-01 }}\n")), None);
    assert!(unnamed.contains("of its duties none is called first") && unnamed.contains("services.t"), "{unnamed}");
}

#[test]
fn paths() {
    let file = |paths: &str| {
        format!("{HEAD}services:\n  s: {{ model: m, paths: {{ {paths} }} }}\nreleases:\n  brisk: {{ judge: {{ alpha: 0.05 }} }}\n")
    };
    let loaded = load_in(&file("learned: brisk, standard: default"), "tidegate.yaml", None).unwrap();
    let paths = loaded.services["s"].paths.clone().unwrap();
    assert_eq!((paths.learned.as_str(), paths.standard.as_str(), paths.share_bp), ("brisk", "default", 5_000));
    for (paths, why) in [
        ("learned: brisk, standard: brisk", "both paths are the same strategy"),
        ("learned: quick, standard: default", "services.s.paths.learned"),
        ("learned: brisk", "standard"),
        ("learned: brisk, standard: default, share: 101", "services.s.paths.share"),
    ] {
        let found = said(&file(paths), None);
        assert!(found.contains(why), "{paths}: {found}");
    }
}

#[test]
fn what_may_be_a_secret_is_never_shown() {
    let tells = |section: &str, secret: &[&str]| {
        let problems = load_in(&format!("version: 1\nworkspace: x\n{section}"), "tidegate.yaml", None).unwrap_err();
        let (shown, json) = (problems.to_string(), problems.to_json().to_string());
        for part in secret {
            assert!(!shown.contains(part) && !json.contains(part), "{part} in {shown}\n{json}");
        }
        shown
    };
    let channel = |keys: &str| format!("notify:\n  ops: {{ {keys} }}\n");
    for (section, secret) in [
        (channel("slack: hunter2"), "hunter2"),
        (channel("slack: 'it''s hunter2'"), "hunter2"),
        (channel(r#"slack: "\x68unter2""#), "unter2"),
        (channel("slack: 20131231"), "20131231"),
        (channel("slack: 'https://hooks.slack.com/services/T0/B0/x'"), "T0/B0"),
        (channel("webhook: 'https://user:hunter2@example.org/'"), "hunter2"),
        (channel("smtp: 'smtp://user:hunter2@h', from: a@b, to: a@b"), "hunter2"),
        ("sources:\n  a: { web: 'https://hunter2@example.org/' }\n".to_owned(), "hunter2"),
        ("journal: { postgres: 'postgres://u:hunter2@h/d' }\n".to_owned(), "hunter2"),
    ] {
        let shown = tells(&section, &[secret]);
        assert!(shown.contains("**"), "{shown}");
    }
    // Another mistake on the same line, and the same text where something else belongs.
    let shown = tells(&channel("slack: hunter2, sevices: [hunter2], services: [hunter2]"), &["hunter2"]);
    assert!(shown.contains("unknown key `sevices`") && shown.contains("`*******` is not under `services`"), "{shown}");
    // A key of several lines, as it is made.
    let key = "notify:\n  ops:\n    slack: |\n      -----BEGIN KEY-----\n      MIIEpAIBAAKCAQEA\n    slak: x\n";
    tells(key, &["MIIEpAIBAAKCAQEA", "BEGIN KEY"]);
}
