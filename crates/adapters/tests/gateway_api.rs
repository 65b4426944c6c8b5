//! The driver of the Gateway API against the stand-in of a cluster, over real requests of `curl`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cluster;

use cluster::{Cluster, TOKEN, deployment, route};
use serde_json::{Value, json};
use tidegate_adapters::curl::CurlTrusting;
use tidegate_adapters::gateway_api::Routed;
use tidegate_adapters::kubernetes;
use tidegate_adapters::traffic::{Release, Standing, Traffic};
use tidegate_core::id::At;
use tidegate_core::rollout::Role;
use tidegate_port::FailureKind;
use tidegate_wire::config::{ApiServer, GatewayApi};

fn driver(cluster: &Cluster, token: &str) -> Routed {
    let names = ["blue".to_owned(), "green".to_owned()];
    let token = token.to_owned();
    Routed {
        cluster: kubernetes::Cluster {
            http: Box::new(CurlTrusting::default()),
            server: cluster.serve(),
            token: Box::new(move || Ok(Some(token.clone()))),
        },
        to: GatewayApi {
            server: ApiServer { url: None, token: None, ca: None, namespace: "shop".to_owned() },
            route: "shop".to_owned(),
            rule: 0,
            backends: names.clone(),
            deployments: names,
            load: Some(
                json!({ "spec": { "replicas": 2, "template": { "spec": { "containers": [{ "name": "model", "image": "{model}:{version}" }] } } } }),
            ),
            unload: Some(json!({ "spec": { "replicas": 0 } })),
            ready_within_ms: 1,
        },
    }
}

fn release(stable: &str, candidate: &str, moved: bool) -> Release {
    Release {
        service: "s".to_owned(),
        number: 2,
        model: "ranker".to_owned(),
        stable: Some(stable.to_owned()).filter(|v| !v.is_empty()),
        candidate: candidate.to_owned(),
        moved,
        stands: false,
        back: false,
        words: "canary".to_owned(),
        since: At(0),
        at: At(0),
    }
}

/// Asks until it is there, as often as a controller takes to follow.
fn there(mut ask: impl FnMut() -> Result<Standing, tidegate_port::Failure>) -> usize {
    for times in 1..20 {
        match ask().unwrap() {
            Standing::There => return times,
            Standing::Coming(_) => {}
            Standing::Enough(why) | Standing::Failed(why) => panic!("{why}"),
        }
    }
    panic!("it never was there");
}

fn changes(cluster: &Cluster) -> Vec<(String, String, u16)> {
    let of = |(method, path, kind, status): &(String, String, String, u16)| {
        (method == "PATCH").then(|| (path.rsplit('/').next().unwrap().to_owned(), kind.clone(), *status))
    };
    cluster.state().asked.iter().filter_map(of).collect()
}

#[test]
fn a_version_is_brought_up_beside_the_one_that_serves_and_they_take_turns() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    let first = release("1", "2", false);
    assert_eq!(driver.load(&first, Role::Stable).unwrap(), Standing::There);
    assert_eq!(driver.load(&first, Role::Control).unwrap(), Standing::There);
    assert!(there(|| driver.load(&first, Role::Candidate)) > 1, "the controller takes its time");
    let green = cluster.object(&deployment("green"));
    assert_eq!(green["metadata"]["annotations"]["tidegate.dev/version"], "2");
    assert_eq!(
        green["spec"]["template"]["spec"]["containers"],
        json!([{ "name": "log", "image": "log:1" }, { "name": "model", "image": "ranker:2" }])
    );
    assert_eq!(cluster.weights(), [1, 0], "ready before weight");

    let moved = release("1", "2", true);
    assert!(there(|| driver.split(&moved, 500)) > 1);
    assert_eq!(cluster.weights(), [9_500, 500]);
    there(|| driver.split(&moved, 500));
    there(|| driver.split(&moved, 10_000));
    assert_eq!(cluster.weights(), [0, 10_000]);
    assert_eq!(driver.unload(&moved, Role::Control).unwrap(), Standing::There);
    assert_eq!(cluster.object(&deployment("blue"))["spec"]["replicas"], 2, "the control is stable, and goes with it");
    for _ in 0..2 {
        assert_eq!(driver.unload(&moved, Role::Stable).unwrap(), Standing::There);
    }
    assert_eq!(cluster.object(&deployment("blue"))["spec"]["replicas"], 0);
    // Everything was asked for more than once and done once.
    let strategic = "application/strategic-merge-patch+json".to_owned();
    let merge = "application/merge-patch+json".to_owned();
    assert_eq!(
        changes(&cluster),
        [("green", &strategic), ("shop", &merge), ("shop", &merge), ("blue", &strategic)].map(|(n, k)| (n.to_owned(), k.clone(), 200))
    );

    // The next one goes where the old one was, and its way back is the same.
    there(|| driver.load(&release("2", "3", false), Role::Candidate));
    assert_eq!(cluster.object(&deployment("blue"))["spec"]["replicas"], 2);
    there(|| driver.split(&release("2", "3", true), 2_500));
    assert_eq!(cluster.weights(), [2_500, 7_500]);
    there(|| driver.split(&release("2", "3", true), 0));
    assert_eq!(cluster.weights(), [0, 10_000]);
}

#[test]
fn whoever_is_faster_is_not_overwritten() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    there(|| driver.load(&release("1", "2", false), Role::Candidate));
    cluster.state().racing = 2;
    there(|| driver.split(&release("1", "2", true), 500));
    assert_eq!(changes(&cluster).iter().map(|(_, _, status)| *status).collect::<Vec<_>>(), [200, 409, 409, 200]);
    cluster.state().racing = 100;
    let failed = driver.split(&release("1", "2", true), 900).unwrap_err();
    assert!(failed.kind == FailureKind::Transient && failed.to_string().contains("changed by somebody else each of 5 times"), "{failed}");
    assert_eq!(cluster.weights(), [9_500, 500]);
}

#[test]
fn a_version_is_never_changed_under_traffic() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    cluster.edit(&route(), |route| route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(1));
    let Standing::Failed(why) = driver.load(&release("1", "2", false), Role::Candidate).unwrap() else { panic!("it was loaded") };
    assert!(why.contains("green gets requests and has version unknown: a version is never changed under traffic"), "{why}");
    assert_eq!(changes(&cluster), []);
    // What serves is to be there, and is not guessed.
    let Standing::Failed(why) = driver.load(&release("7", "2", false), Role::Stable).unwrap() else { panic!("it was found") };
    assert!(why.contains("neither blue nor green has version 7"), "{why}");
    cluster.edit(&route(), |route| {
        route["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(0);
    });
    let Standing::Failed(why) = driver.load(&release("1", "2", false), Role::Stable).unwrap() else { panic!("it serves nobody") };
    assert!(why.contains("blue has version 1, which is to serve, and gets no requests"), "{why}");
    // One that gets requests is not taken away.
    there(|| driver.split(&release("1", "2", true), 0));
    let failed = driver.unload(&release("0", "1", true), Role::Candidate).unwrap_err();
    assert!(failed.to_string().contains("blue gets requests"), "{failed}");
}

#[test]
fn what_the_server_says_is_told_and_the_token_is_not() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    let load = || driver.load(&release("1", "2", false), Role::Candidate);
    let failing = |status: u16| {
        cluster.state().failing = vec![status];
        let failed = load().unwrap_err();
        (failed.kind, failed.to_string())
    };
    for (status, kind) in [
        (503, FailureKind::Transient),
        (429, FailureKind::Transient),
        (422, FailureKind::Refused),
        (403, FailureKind::Denied),
        (404, FailureKind::Gone),
        (307, FailureKind::Refused),
    ] {
        let (found, said) = failing(status);
        assert_eq!(found, kind, "{said}");
        assert!(
            said.contains(&format!("the server says {status}: the server is currently unable")) && said.contains("deployments/green"),
            "{said}"
        );
        assert!(!said.contains(TOKEN), "{said}");
    }
    cluster.state().broken = vec!["ranker:2".to_owned()];
    let mut last = load().unwrap();
    while let Standing::Coming(_) = last {
        last = load().unwrap();
    }
    assert_eq!(last, Standing::Failed("green: ProgressDeadlineExceeded: ReplicaSet \"x\" has timed out progressing.".to_owned()));

    cluster.state().refusing = Some(("BackendNotFound".to_owned(), "service \"green\" not found".to_owned()));
    let split = || driver.split(&release("1", "2", true), 500).unwrap();
    let mut last = split();
    while let Standing::Coming(_) = last {
        last = split();
    }
    assert_eq!(last, Standing::Failed("shop: `ResolvedRefs` is false for edge: BackendNotFound: service \"green\" not found".to_owned()));

    let stranger = self::driver(&cluster, "tkn-of-another");
    let failed = stranger.split(&release("1", "2", true), 0).unwrap_err();
    assert_eq!(failed.kind, FailureKind::Denied);
    assert!(
        failed.to_string().contains("the server says 401: Unauthorized: look at the token") && !failed.to_string().contains("tkn-of"),
        "{failed}"
    );
    let gone = Routed { cluster: kubernetes::Cluster { server: "http://127.0.0.1:9".to_owned(), ..stranger.cluster }, to: stranger.to };
    let failed = gone.split(&release("1", "2", true), 0).unwrap_err();
    assert!(failed.kind == FailureKind::Transient && !failed.to_string().contains("tkn-of"), "{failed}");
}

#[test]
fn somebody_else_may_load_and_what_was_changed_is_seen() {
    let cluster = Cluster::with_route();
    let mut driver = driver(&cluster, TOKEN);
    (driver.to.load, driver.to.unload) = (None, None);
    let load = || driver.load(&release("1", "2", false), Role::Candidate).unwrap();
    assert_eq!(load(), Standing::Coming("green: nobody has had it run version 2 yet".to_owned()));
    cluster.edit(&deployment("green"), |d| d["metadata"]["labels"] = json!({ "tidegate.dev/version": "2" }));
    there(|| Ok(load()));
    assert_eq!(changes(&cluster), []);
    let moved = release("1", "2", true);
    there(|| driver.split(&moved, 500));
    let seen = driver.look(&moved, 500).unwrap();
    assert_eq!((seen.lost.len(), seen.moved, seen.places), (0, None, [Some("green".to_owned()), Some("blue".to_owned())]));
    cluster.edit(&route(), |route| route["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(1));
    cluster.edit(&deployment("green"), |d| d["status"]["availableReplicas"] = json!(0));
    let seen = driver.look(&moved, 500).unwrap();
    assert_eq!(seen.lost, [(Role::Candidate, "green: none of its replicas is available".to_owned())]);
    assert_eq!(seen.moved.as_deref(), Some("somebody else changed the weights of shop: blue 1, green 500"));
    cluster.edit(&deployment("green"), |d| d["metadata"]["labels"] = Value::Null);
    assert_eq!(driver.look(&moved, 500).unwrap().lost[0].1, "no Deployment says any more that it runs version 2");
}

#[test]
fn a_missing_service_of_the_candidate_does_not_keep_a_rollback_from_its_end() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    there(|| driver.load(&release("1", "2", false), Role::Candidate));
    let moved = release("1", "2", true);
    there(|| driver.split(&moved, 500));
    cluster.state().refusing = Some(("BackendNotFound".to_owned(), "Service \"green\" not found".to_owned()));
    let mut last = Standing::There;
    for _ in 0..6 {
        last = driver.split(&moved, 1_000).unwrap();
    }
    assert!(matches!(&last, Standing::Failed(why) if why.contains("BackendNotFound")), "{last:?}");
    let back = Release { back: true, ..moved };
    there(|| driver.split(&back, 0));
    assert_eq!((cluster.weights(), driver.look(&back, 0).unwrap().moved), ([10_000, 0], None));
}

#[test]
fn a_split_is_in_force_when_every_gateway_of_the_route_has_answered() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    there(|| driver.load(&release("1", "2", false), Role::Candidate));
    // The stand-in's controller answers for `edge` alone.
    cluster.edit(&route(), |route| route["spec"]["parentRefs"] = json!([{ "name": "edge" }, { "name": "inner" }]));
    let mut last = Standing::There;
    for _ in 0..6 {
        last = driver.split(&release("1", "2", true), 500).unwrap();
    }
    assert_eq!(last, Standing::Coming("shop: inner has not answered for the route yet".to_owned()));
}

#[test]
fn a_silent_gateway_holds_what_goes_forward_and_not_what_goes_back() {
    let cluster = Cluster::with_route();
    let driver = driver(&cluster, TOKEN);
    there(|| driver.load(&release("1", "2", false), Role::Candidate));
    cluster.edit(&route(), |route| route["spec"]["parentRefs"] = json!([{ "name": "edge" }, { "name": "inner" }]));
    let asked = |back, ms| Release { back, at: At(ms), ..release("1", "2", true) };
    let last = |back, ms, bp| (0..20).fold(None, |_, _| Some(driver.split(&asked(back, ms), bp).unwrap())).unwrap();
    let waits = Standing::Coming("shop: inner has not answered for the route yet".to_owned());
    assert_eq!(last(false, 600_000, 500), waits, "however long it takes");
    assert_eq!(last(true, 59_999, 0), waits);
    let Standing::Enough(why) = last(true, 60_000, 0) else { panic!("it is held up") };
    assert_eq!(why, "shop: inner has not answered for the route in 60 s: all others have taken the way back");
    assert_eq!(cluster.weights(), [10_000, 0]);
}
