//! Services that run in several environments: what is read, and what is refused.

use super::loaded;
use super::mistakes::said;
use tidegate_core::train::{Car, Verify};

const HEAD: &str = "version: 1\nworkspace: shop\nmodels:\n  m: { artifact: m.onnx }\npeople:\n  ada: { roles: [approver] }\n";
const STEPS: &str = "releases:\n  slow: { steps: [{ canary: { weights: [5, 50] } }, { promote: {} }] }\n  blue: { steps: [{ preview: {} }, { promote: {} }] }\n";
const PLACES: &str = "environments:\n  lab: {}\n  staging: { after: lab, verify: { for: 30m, approvals: 1 } }\n  eu: { after: staging, delay: 2s }\n  us: { after: eu }\n";
const COUNTS: &str = "telemetry: { prometheus: 'http://127.0.0.1:9090', candidate: 'hits{v=\"{{candidate}}\"}', control: 'hits{v=\"{{control}}\"}', errors: 'code=~\"5..\"' }";

fn file(service: &str) -> String {
    format!("{HEAD}{STEPS}{PLACES}services:\n  other: {{ model: m, calls: [s] }}\n  s: {{ model: m, {service} }}\n")
}

#[test]
fn a_service_is_there_once_for_each_environment_and_they_have_an_order() {
    let gateway = |route: &str| format!("driver: {{ gateway_api: {{ route: {route}, backends: [blue, green] }} }}, {COUNTS}");
    let us = format!("release: slow, approvals: 1, {}", gateway("us"));
    let w = loaded(&file(&format!(
        "release: blue, calls: [other], environments: {{ us: {{ {us} }}, staging: , eu: {{ endpoint: /v2/models/europe }} }}"
    )));
    assert_eq!(w.services.keys().collect::<Vec<_>>(), ["other", "s@us", "s@staging", "s@eu"]);
    let of = |name: &str| w.services[name].clone();
    assert_eq!((of("s@us").release.as_str(), of("s@us").approvals, of("s@us").driver.is_some()), ("slow", 1, true));
    assert_eq!((of("s@staging").release.as_str(), of("s@staging").approvals, of("s@staging").driver), ("blue", 0, None));
    assert_eq!((of("s@staging").endpoint.as_str(), of("s@eu").endpoint.as_str()), ("/v2/models/s@staging", "/v2/models/europe"));
    assert_eq!((of("s@eu").delay_ms, of("s@eu").environment.as_deref(), of("other").environment), (2_000, Some("eu"), None));
    assert_eq!(
        (of("other").calls, of("s@eu").calls),
        (vec!["s@us".to_owned(), "s@staging".to_owned(), "s@eu".to_owned()], vec!["other".to_owned()])
    );
    let passage = &w.passages["s"];
    let car = |place: &str, after: &[&str]| Car {
        service: place.to_owned(),
        after: after.iter().map(|s| (*s).to_owned()).collect(),
        ..Car::default()
    };
    let verify = Some(Verify { for_ms: 1_800_000, approvals: 1 });
    let staging = Car { verify, ..car("s@staging", &[]) };
    assert_eq!(passage.cars, [staging, Car { delay_ms: 2_000, ..car("s@eu", &["s@staging"]) }, car("s@us", &["s@eu"])]);
    assert!(!passage.together && w.is_passed_through("s@eu") && !w.is_passed_through("s@us") && !w.is_passed_through("other"));
    assert_eq!(w.passage_of("s@us").map(|(name, _)| name), Some("s"));
}

#[test]
fn what_comes_after_one_that_is_left_out_comes_after_the_one_before_it() {
    let w = loaded(&file("release: slow, environments: { us: {}, lab: {} }"));
    assert_eq!(w.passages["s"].cars.iter().find(|car| car.service == "s@us").unwrap().after, ["s@lab"]);
}

#[test]
fn parts_that_name_a_service_mean_all_of_its_environments_or_one() {
    let more = "freezes:\n  night: { from: '2026-01-01 00:00', until: '2026-01-02 00:00', services: [s] }\n  day: { from: '2026-01-01 00:00', until: '2026-01-02 00:00', services: [s@us, other] }\n\
        breakers:\n  b: { prometheus: 'http://127.0.0.1:9090', services: [s@us], signals: { x: { query: up, below: 1, service: s }, y: { query: up, below: 1, service: s@us } } }\n";
    let w = loaded(&format!("{}{more}", file("release: slow, environments: { us: {}, eu: {} }")));
    assert_eq!(
        (&w.freezes["night"].services[..], &w.freezes["day"].services[..]),
        (&["s@us", "s@eu"].map(str::to_owned)[..], &["s@us", "other"].map(str::to_owned)[..])
    );
    let signals: Vec<Option<&str>> = w.breakers["b"].signals.iter().map(|(_, signal)| signal.service.as_deref()).collect();
    assert_eq!((&w.breakers["b"].services[..], signals), (&["s@us".to_owned()][..], vec![None, Some("s@us")]));
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let refused = |service: &str| said(&file(service), None);
    let unknown = refused("environments: { moon: {} }");
    assert!(unknown.contains("`moon` is not under `environments`"), "{unknown}");
    let alone = refused("release: slow, passage: together");
    assert!(alone.contains("no environment is named that it runs in"), "{alone}");
    let nowhere = refused("release: slow, environments: { eu: { release: blue }, us: {} }, passage: together");
    assert!(nowhere.contains("strategy `slow`, in `us`: it has nowhere to wait for the others"), "{nowhere}");
    assert!(loaded(&file("release: blue, environments: { eu: {}, us: {} }, passage: together")).passages["s"].together);
    let untold = refused("release: slow, environments: { eu: { driver: { gateway_api: { route: r, backends: [a, b] } } } }");
    assert!(untold.contains("needs `telemetry`") && untold.contains("services.s.environments.eu"), "{untold}");
    let same = refused("release: slow, environments: { eu: { endpoint: /a/x }, us: { endpoint: /b/x } }");
    assert!(same.contains("endpoint `/b/x` is already that of service `s@eu`"), "{same}");
    let many = refused("release: slow, environments: { eu: { approvals: 2 } }");
    assert!(
        many.contains("2 must approve a release, and `people` has 1") && many.contains("services.s.environments.eu.approvals"),
        "{many}"
    );
    let verify = said(&file("release: slow, environments: { eu: {} }").replace("approvals: 1 } }", "approvals: 3 } }"), None);
    assert!(verify.contains("environments.staging.verify.approvals"), "{verify}");
    let trains = "trains:\n  s: { services: { other: {} } }\n  t: { services: { s@eu: {}, other: {} } }\n";
    let train = said(&format!("{}{trains}", file("release: slow, environments: { eu: {}, us: {} }")), None);
    assert!(train.contains("has this name, and is a train itself") && train.contains("`s@eu` runs in environments"), "{train}");
    let place = said(
        &format!("{}freezes:\n  f: {{ calendar: x.ics, services: [s@moon] }}\n", file("release: slow, environments: { eu: {} }")),
        None,
    );
    assert!(place.contains("`s@moon` is not under `services`"), "{place}");
}

#[test]
fn an_environment_that_somebody_else_serves_waits_for_the_others_where_its_version_can_stand_ready() {
    let gitops = |applied: &str| {
        format!(
            "gitops: {{ repository: ../fleet, file: f.yaml, slots: [{{ version: /a/v, weight: /a/w }}, {{ version: /b/v, weight: /b/w }}]{applied} }}"
        )
    };
    let file = |driver: &str, way: &str| {
        file(&format!("release: blue, {way}environments: {{ eu: {{}}, us: {{ driver: {{ {driver} }}, {COUNTS} }} }}"))
    };
    let (together, gateway) = ("passage: together, ", "gateway_api: { route: r, backends: [a, b] }");
    for driver in [
        gateway.to_owned(),
        "kserve: { service: s, storage_uri: 's3://m/{version}' }".to_owned(),
        gitops(", argo_cd: { application: shop }"),
        gitops(", flux: { kustomization: shop }"),
    ] {
        assert!(loaded(&file(&driver, together)).passages["s"].together, "{driver}");
    }
    let unknown = said(&file(&gitops(""), together), None);
    assert!(unknown.contains("in `us`: `gitops` without `argo_cd` or `flux` knows the age of a commit alone"), "{unknown}");
    assert!(unknown.contains("services.s.passage"), "{unknown}");
    let alone = said(&file(gateway, ""), None);
    assert!(alone.contains("strategy `blue`: `gateway_api` has no `preview`"), "{alone}");
    let copies = said(&file(gateway, together).replace("[{ preview: {} },", "[{ preview: {} }, { shadow: {} },"), None);
    assert!(copies.contains("strategy `blue`: `gateway_api` has no `shadow`") && !copies.contains("has no `preview`"), "{copies}");
}

#[test]
fn an_approver_of_some_places_counts_there_alone() {
    let with = |roles: &str, service: &str| {
        let ada = "  ada: { roles: [approver] }\n";
        file(service).replace(ada, &format!("{ada}  kim: {{ roles: [{roles}] }}\n"))
    };
    let w = loaded(&with("developer, { approver: [eu, other] }", "release: slow, environments: { eu: { approvals: 2 }, us: {} }"));
    let counts = |name: &str| ["other", "s@eu", "s@us"].map(|service| w.approves(name, service));
    assert_eq!((counts("kim"), counts("ada"), counts("eve")), ([true, true, false], [true; 3], [false; 3]));
    let held: Vec<String> = w.people["kim"].iter().map(ToString::to_string).collect();
    assert_eq!(held, ["developer", "approver in eu and other"]);

    let refused = |roles: &str, service: &str| said(&with(roles, service), None);
    let few = refused("{ approver: [eu] }", "release: slow, approvals: 2, environments: { eu: {}, us: {} }");
    assert!(few.contains("2 must approve a release, and `people` has 1 with the role `approver` for s@us"), "{few}");
    assert!(!few.contains("for s@eu"), "{few}");
    let two = |roles: &str, environments: &str| {
        with(roles, &format!("release: slow, environments: {{ {environments} }}")).replace("approvals: 1 } }", "approvals: 2 } }")
    };
    assert!(said(&two("{ approver: [s@eu] }", "staging: {}, eu: {}"), None).contains("`approver` for s@staging"));
    assert_eq!(loaded(&two("{ approver: [s] }", "staging: {}, eu: {}")).people["kim"][0].places, ["s"]);
    for (roles, why) in [
        ("{ approver: [euu] }", "`euu` is no environment, no service and no service in an environment"),
        ("{ approver: [euu] }", "did you mean `eu`?"),
        ("{ approver: [s@moon] }", "people.kim.roles[0].approver[0]"),
        ("{ approver: [s@staging] }", "`s@staging` is no environment, no service"),
        ("{ approver: [] }", "0 items"),
        ("{ operator: [eu] }", "unknown key `operator`"),
        ("approver, { approver: [eu] }", "`approver` is given everywhere already"),
    ] {
        let found = refused(roles, "release: slow, environments: { eu: {} }");
        assert!(found.contains(why), "{roles}: {found}");
    }
    assert!(loaded(&with("{ approver: [lab] }", "release: slow")).approves("ada", "s"));
    let both = said(&with("{ approver: [lab] }", "release: slow").replace("  other:", "  lab:"), None);
    assert!(both.contains("`lab` is an environment and a service"), "{both}");
}
