//! Services that somebody else serves, and stores that lie elsewhere: what is read, and what is refused.

use super::super::{Driver, Stores, load_in, stores_of};
use super::loaded;
use super::mistakes::said;
use crate::prometheus::LatencyUnit;
use serde_json::json;
use std::path::Path;
use tidegate_core::judge::JudgeSettings;

const HEAD: &str = "version: 1\nworkspace: shop\nmodels:\n  m: { artifact: m.onnx }\n";
const STEPS: &str = "releases:\n  slow: { steps: [{ canary: { weights: [5, 50] } }, { promote: {} }] }\n";
const COUNTS: &str = "telemetry: { prometheus: 'http://127.0.0.1:9090', candidate: 'hits{v=\"{{candidate}}\"}', control: 'hits{v=\"{{control}}\"}', errors: 'code=~\"5..\"' }";
const GATEWAY: &str = "gateway_api: { server: 'https://10.0.0.1:6443', token: K8S, ca: ca.pem, route: shop, backends: [blue, green] }";
const GITOPS: &str =
    "gitops: { repository: ../fleet, file: shop.yaml, slots: [{ version: /a/v, weight: /a/w }, { version: /b/v, weight: /b/w }] }";

fn file(driver: &str, counts: &str) -> String {
    format!("{HEAD}{STEPS}services:\n  s:\n    model: m\n    release: slow\n    driver: {{ {driver} }}\n    {counts}\n")
}

#[test]
fn drivers_are_read_with_their_defaults() {
    let read = loaded(&file(GATEWAY, COUNTS)).services["s"].clone();
    let Some(Driver::GatewayApi(to)) = &read.driver else { panic!("{read:?}") };
    assert_eq!((to.server.namespace.as_str(), to.rule, &to.deployments, to.ready_within_ms), ("default", 0, &to.backends, 900_000));
    assert_eq!((to.server.token.as_deref(), to.server.ca.as_deref(), &to.load), (Some("K8S"), Some("ca.pem"), &None));
    let counts = read.telemetry.unwrap();
    assert_eq!((counts.every_s, counts.candidate.as_str()), (30, "hits{v=\"{{candidate}}\"}"));
    let deadlines = read.driver.unwrap().deadlines();
    assert_eq!((deadlines.load_ms, deadlines.apply_ms), (900_000, 60_000));

    let own = "gateway_api: { route: shop, backends: [a, b], workloads: { deployments: [x, y], load: { spec: { replicas: 2 } }, unload: { spec: { replicas: 0 } } } }";
    let read = loaded(&file(own, COUNTS)).services["s"].clone();
    let Some(Driver::GatewayApi(to)) = &read.driver else { panic!("{read:?}") };
    assert_eq!((&to.server.url, &to.load, to.deployments[1].as_str()), (&None, &Some(json!({ "spec": { "replicas": 2 } })), "y"));

    let Some(Driver::GitOps(to)) = loaded(&file(GITOPS, COUNTS)).services["s"].driver.clone() else { panic!("no driver") };
    assert_eq!((to.branch.as_str(), to.total, to.settle_ms, to.slots[1].weight.as_str()), ("main", 100, 300_000, "/b/w"));
    let with =
        GITOPS.replace("file: shop.yaml", "file: shop.yaml, flux: { kustomization: shop, helm_release: ranker, helm_namespace: shop }");
    let Some(Driver::GitOps(to)) = loaded(&file(&with, COUNTS)).services["s"].driver.clone() else { panic!("no driver") };
    let flux = to.flux.unwrap();
    assert_eq!(
        (flux.server.namespace.as_str(), flux.kustomization.as_deref(), flux.helm_release.as_deref()),
        ("flux-system", Some("shop"), Some("ranker"))
    );
    assert_eq!(flux.helm_namespace.as_deref(), Some("shop"));
    let kserve = "kserve: { service: ranker, storage_uri: 's3://models/{version}' }";
    assert_eq!(loaded(&file(kserve, COUNTS)).services["s"].driver.as_ref().map(Driver::name), Some("kserve"));
}

#[test]
fn what_a_driver_cannot_do_is_refused_by_name() {
    let of = |driver: &str, steps: &str| said(&file(driver, COUNTS).replace("canary: { weights: [5, 50] }", steps), None);
    let shadow = of(GATEWAY, "shadow: {}");
    assert!(shadow.contains("strategy `slow`: `gateway_api` has no `shadow`") && shadow.contains("services.s.release"), "{shadow}");
    assert!(of(GITOPS, "preview: {}").contains("`gitops` has no `preview`"));
    assert!(of(GITOPS, "canary: { weights: [0.5] }").contains("`gitops` gives parts of 1%, not of 0.5%"));
    assert!(load_in(&file(GATEWAY, COUNTS).replace("[5, 50]", "[0.5]"), "tidegate.yaml", None).is_ok());
    let preset = said(&file(GATEWAY, COUNTS).replace("    release: slow\n", ""), None);
    assert!(preset.contains("strategy `default`: `gateway_api` has no `shadow`"), "{preset}");
    let unjudged =
        said(&file(GATEWAY, COUNTS).replace("{ promote: {} }] }", "{ promote: {} }], judge: { guardrails: { errors: none } } }"), None);
    assert!(unjudged.contains("has no guardrail `errors`: nothing would be judged"), "{unjudged}");
    let copies = "  copies: { steps: [{ shadow: {} }, { promote: {} }] }\nretrain:\n  m: { on: data, release: copies }\nservices";
    let retrained = said(&file(GATEWAY, COUNTS).replace("services", copies), None);
    assert!(retrained.contains("strategy `copies`, of service `s`: `gateway_api` has no `shadow`"), "{retrained}");
    let mut judge = JudgeSettings::preset();
    super::super::without_what_is_not_counted(&mut judge, true);
    assert_eq!(judge.guardrails.keys().collect::<Vec<_>>(), ["errors", "latency_p50", "latency_p95", "latency_p99", "sample_ratio"]);
    super::super::without_what_is_not_counted(&mut judge, false);
    assert_eq!(judge.guardrails.keys().collect::<Vec<_>>(), ["errors", "sample_ratio"]);
}

#[test]
fn what_does_not_fit_is_said() {
    let with = |from: &str, to: &str| {
        let text = file(GATEWAY, COUNTS);
        assert!(text.contains(from), "{from}");
        said(&text.replace(from, to), None)
    };
    for (from, to, why) in [
        ("https://10.0.0.1:6443", "http://10.0.0.1:6443", "a token would cross the network in the clear"),
        ("https://10.0.0.1:6443", "http://localhost.example.org", "in the clear"),
        ("server: 'https://10.0.0.1:6443', ", "", "without a `server` the files of the pod"),
        ("token: K8S", "token: eyJhb", "it is no name of an environment variable"),
        ("route: shop", "route: Shop_1", "`Shop_1` is no name of an object"),
        ("[blue, green]", "[blue, blue]", "both are the same: two take turns"),
        ("[blue, green]", "[blue]", "1 items; the list takes 2 to 2"),
        ("route: shop,", "route: shop, workloads: { load: { status: {} } },", "a patch has `spec` and `metadata`, not `status`"),
        ("route: shop,", "route: shop, workloads: { unload: { spec: {} } },", "`unload` without `load`"),
        (COUNTS, "", "a service with a `driver` needs `telemetry`"),
        ("{{candidate}}", "{{version}}", "nothing is known as `{{version}}`: here it is candidate or candidate_place"),
        ("hits{v=\"{{candidate}}\"}", "sum(hits)", "is no selector of a counter"),
        ("    driver", "    affinity: { cookie: c }\n    driver", "`affinity` is kept by the gateway of Tidegate alone"),
        (GATEWAY, "kserve: { service: r, storage_uri: 's3://models/latest' }", "no address with `{version}` in it"),
        (GATEWAY, "kserve: {}, gitops: {}", "exactly one key"),
    ] {
        let found = with(from, to);
        assert!(found.contains(why), "{to}: {found}");
    }
    assert!(load_in(&file(&GATEWAY.replace("https://10.0.0.1:6443", "http://[::1]:8001"), COUNTS), "tidegate.yaml", None).is_ok());
    let lonely = said(&format!("{HEAD}services:\n  s:\n    model: m\n    {COUNTS}\n"), None);
    assert!(lonely.contains("`telemetry` is for a service with a `driver`"), "{lonely}");
}

#[test]
fn what_does_not_fit_a_repository_is_said() {
    for (from, to, why) in [
        ("../fleet", "https://me:secret@example.org/fleet.git", "a password does not belong in this file"),
        ("../fleet", "http://example.org/fleet.git", "could be read and changed on its way"),
        ("../fleet", "ext::sh -c id", "no address or path of a repository"),
        ("../fleet", "--upload-pack=id", "no address or path of a repository"),
        ("file: shop.yaml", "file: ../shop.yaml", "driver.gitops.file"),
        ("file: shop.yaml", "file: shop.yaml, branch: -x", "it is no name of a branch"),
        ("file: shop.yaml", "file: shop.yaml, total: 300", "300 does not divide 10000"),
        ("/a/w", "a.w", "it is no JSON pointer into the file"),
        ("/b/v", "/a/v", "another one points there already"),
        ("file: shop.yaml", "file: shop.yaml, argo_cd: { server: 'http://argo.example.org', application: shop }", "in the clear"),
        ("file: shop.yaml", "file: shop.yaml, flux: { server: 'http://flux.example.org', kustomization: shop }", "in the clear"),
        ("file: shop.yaml", "file: shop.yaml, flux: {}", "names nothing that could say when a commit is applied"),
        ("file: shop.yaml", "file: shop.yaml, flux: { kustomization: shop, helm_namespace: shop }", "without `helm_release`"),
        ("file: shop.yaml", "file: shop.yaml, flux: { kustomization: Shop }", "`Shop` is no name of an object"),
        ("file: shop.yaml", "file: shop.yaml, flux: { kustomization: a }, argo_cd: { application: a }", "one of them applies it"),
    ] {
        assert!(GITOPS.contains(from), "{from}");
        let found = said(&file(&GITOPS.replace(from, &to.replace("ext::sh -c id", "'ext::sh -c id'")), COUNTS), None);
        assert!(found.contains(why), "{to}: {found}");
    }
    let placed = said(&file(GITOPS, &COUNTS.replace("{{control}}", "{{control_place}}")), None);
    assert!(placed.contains("nothing is known as `{{control_place}}`: here it is control"), "{placed}");
}

#[test]
fn a_token_for_the_counts_does_not_cross_the_network_in_the_clear() {
    let with = |url: &str| COUNTS.replace("'http://127.0.0.1:9090'", &format!("'{url}', token: PROM"));
    let refused = said(&file(GATEWAY, &with("http://prometheus.monitoring:9090")), None);
    assert!(refused.contains("services.s.telemetry.token") && refused.contains("in the clear"), "{refused}");
    for url in ["http://127.0.0.1:9090", "https://prometheus.monitoring:9090"] {
        assert_eq!(loaded(&file(GATEWAY, &with(url))).services["s"].telemetry.clone().unwrap().token.as_deref(), Some("PROM"));
    }
}

#[test]
fn latencies_are_counted_where_their_buckets_are_named() {
    let latency = |text: &str| COUNTS.trim_end().trim_end_matches('}').trim_end().to_owned() + ", latency: { " + text + " } }";
    let both = "candidate: 'd_bucket{v=\"{{candidate}}\"}', control: 'd_bucket{v=\"{{control}}\"}'";
    let read = |text: &str| loaded(&file(GATEWAY, &latency(text))).services["s"].telemetry.clone().unwrap().latency.unwrap();
    assert_eq!(read(both).unit, LatencyUnit::Seconds);
    let found = read(&format!("{both}, unit: ms"));
    assert_eq!((found.unit, found.candidate.as_str()), (LatencyUnit::Milliseconds, "d_bucket{v=\"{{candidate}}\"}"));
    for (text, why) in [
        ("candidate: d_bucket, control: d_bucket", "candidate and control are the same histogram"),
        ("candidate: 'rate(d_bucket[5m])', control: d_bucket", "is no selector of a counter"),
        ("candidate: 'd_bucket{v=\"{{version}}\"}', control: d_bucket", "nothing is known as `{{version}}`"),
        ("candidate: d_bucket", "control"),
    ] {
        let refused = said(&file(GATEWAY, &latency(text)), None);
        assert!(refused.contains(why), "{text}: {refused}");
    }
}

#[test]
fn the_page_shows_what_can_be_read() {
    let page = include_str!("../../../../../docs/drivers.md");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let head = "version: 1\nworkspace: shop\nmodels:\n  ranker: { artifact: m.onnx }\n";
    let whole = blocks.iter().find(|block| block.starts_with("services:")).unwrap();
    assert!(matches!(loaded(&format!("{head}{whole}")).services["ranker"].driver, Some(Driver::GatewayApi(_))));
    let mut names = vec![];
    for block in blocks.iter().filter(|block| block.starts_with("driver:")) {
        let driver = block.split("---").next().unwrap_or_default().replace('\n', "\n    ");
        let text = format!("{HEAD}{STEPS}services:\n  s:\n    model: m\n    release: slow\n    {COUNTS}\n    {driver}\n");
        names.extend(loaded(&text).services["s"].driver.as_ref().map(Driver::name));
    }
    assert_eq!(names, ["kserve", "gitops"]);
}

#[test]
fn replicas_need_a_journal_and_a_folder_that_can_be_shared() {
    let shared = "journal: { postgres: TIDEGATE_JOURNAL }\nreplicas: { shared: /srv/tidegate }\n";
    let read = loaded(&format!("{}{shared}", file(GATEWAY, COUNTS))).stores;
    assert_eq!((read.postgres.as_deref(), read.shared.as_deref()), (Some("TIDEGATE_JOURNAL"), Some(Path::new("/srv/tidegate"))));
    let own = said(&format!("{HEAD}services:\n  s: {{ model: m }}\n{shared}"), None);
    assert!(own.contains("replicas release services that a driver serves, and it has none") && own.contains("(services.s)"), "{own}");
    let alone = said(&format!("{HEAD}replicas: {{ shared: srv }}\n"), None);
    assert!(alone.contains("replicas share a journal on PostgreSQL, and none is named"), "{alone}");
    assert!(alone.contains("it is no absolute path") && alone.contains("(replicas.shared)"), "{alone}");
    let clear = said(&format!("{HEAD}journal: {{ postgres: 'postgres://me:secret@db/x' }}\n"), None);
    assert!(clear.contains("it is no name of an environment variable") && clear.contains("(journal.postgres)"), "{clear}");
}

#[test]
fn the_place_of_a_journal_is_read_from_a_file_with_mistakes() {
    let read = stores_of("version: 9\nservices: nonsense\njournal: { postgres: DB }\n").unwrap();
    assert_eq!(read, Stores { postgres: Some("DB".into()), shared: None });
    assert!(stores_of("a: [").unwrap_err().starts_with("line "));
}
