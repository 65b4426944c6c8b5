//! The driver of KServe against the stand-in of a cluster, whose controller splits as KServe's does.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cluster;

use cluster::{Cluster, TOKEN, inference_service};
use serde_json::{Value, json};
use tidegate_adapters::curl::CurlTrusting;
use tidegate_adapters::kserve::Served;
use tidegate_adapters::kubernetes;
use tidegate_adapters::traffic::{Release, Standing, Traffic};
use tidegate_core::id::At;
use tidegate_core::rollout::Role;
use tidegate_wire::config::{ApiServer, KServe};

fn driver(cluster: &Cluster) -> Served {
    let http = Box::new(CurlTrusting::default());
    Served {
        cluster: kubernetes::Cluster { http, server: cluster.serve(), token: Box::new(|| Ok(Some(TOKEN.to_owned()))) },
        to: KServe {
            server: ApiServer { url: None, token: None, ca: None, namespace: "shop".to_owned() },
            service: "ranker".to_owned(),
            storage_uri: "s3://models/{model}/{version}".to_owned(),
            ready_within_ms: 1,
        },
    }
}

fn release(stable: &str, candidate: &str, moved: bool) -> Release {
    Release {
        service: "s".to_owned(),
        number: 2,
        model: "m".to_owned(),
        stable: Some(stable.to_owned()),
        candidate: candidate.to_owned(),
        moved,
        stands: false,
        back: false,
        words: "canary".to_owned(),
        since: At(0),
        at: At(0),
    }
}

/// Asks until it is there; meanwhile `held` is true of every state.
fn there(cluster: &Cluster, held: &dyn Fn(&Value) -> bool, mut ask: impl FnMut() -> Result<Standing, tidegate_port::Failure>) {
    for _ in 0..30 {
        let standing = ask().unwrap();
        let now = cluster.object(&inference_service());
        assert!(held(&now), "{now:#}");
        match standing {
            Standing::There => return,
            Standing::Coming(_) => {}
            Standing::Enough(why) | Standing::Failed(why) => panic!("{why}"),
        }
    }
    panic!("it never was there: {:#}", cluster.object(&inference_service()));
}

/// What part of the requests a model gets.
fn part(cluster: &Cluster, service: &Value, uri: &str) -> u64 {
    let traffic = service["status"]["components"]["predictor"]["traffic"].as_array().unwrap();
    let source = |name: &str| {
        let revision = cluster.object(&format!("/apis/serving.knative.dev/v1/namespaces/shop/revisions/{name}"));
        revision["metadata"]["annotations"]["internal.serving.kserve.io/storage-initializer-sourceuri"].as_str().unwrap().to_owned()
    };
    traffic.iter().filter(|t| source(t["revisionName"].as_str().unwrap()) == uri).map(|t| t["percent"].as_u64().unwrap()).sum()
}

fn predictor(cluster: &Cluster) -> Value {
    cluster.object(&inference_service())["spec"]["predictor"].clone()
}

fn served(uri: &str) -> Value {
    json!({ "minReplicas": 1, "model": { "modelFormat": { "name": "onnx" }, "storageUri": uri } })
}

#[test]
fn a_version_is_promoted_and_no_part_is_left_behind() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    let (first, moved) = (release("1", "2", false), release("1", "2", true));
    there(&cluster, &|_| true, || driver.load(&first, Role::Stable));
    let nobody = |now: &Value| part(&cluster, now, "s3://models/m/2") == 0;
    there(&cluster, &nobody, || driver.load(&first, Role::Candidate));
    assert_eq!(driver.load(&first, Role::Control).unwrap(), Standing::There);
    there(&cluster, &|_| true, || driver.split(&moved, 500));
    assert_eq!(part(&cluster, &cluster.object(&inference_service()), "s3://models/m/2"), 5);
    let seen = driver.look(&moved, 500).unwrap();
    assert_eq!(seen.places, [Some("ranker-predictor-00002".to_owned()), Some("ranker-predictor-00001".to_owned())]);
    there(&cluster, &|_| true, || driver.split(&moved, 9_500));
    there(&cluster, &|_| true, || driver.split(&moved, 10_000));
    there(&cluster, &|_| true, || driver.unload(&moved, Role::Stable));
    assert_eq!(predictor(&cluster), served("s3://models/m/2"));
    // The next release begins as if there had been none before.
    there(&cluster, &|now| part(&cluster, now, "s3://models/m/3") == 0, || driver.load(&release("2", "3", false), Role::Candidate));
    // An undo is the same with the two in each other's place.
    there(&cluster, &|_| true, || driver.split(&release("2", "3", true), 0));
    there(&cluster, &|_| true, || driver.unload(&release("2", "3", true), Role::Candidate));
    let undone = release("1", "2", true);
    let all_along = |now: &Value| part(&cluster, now, "s3://models/m/1") + part(&cluster, now, "s3://models/m/2") == 100;
    there(&cluster, &all_along, || driver.load(&undone, Role::Stable));
    there(&cluster, &all_along, || driver.split(&undone, 0));
    there(&cluster, &all_along, || driver.unload(&undone, Role::Candidate));
    assert_eq!(predictor(&cluster), served("s3://models/m/1"));
}

#[test]
fn a_rollback_pins_everything_to_the_version_before_and_keeps_it_so() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    there(&cluster, &|_| true, || driver.load(&release("1", "2", false), Role::Candidate));
    let moved = release("1", "2", true);
    there(&cluster, &|_| true, || driver.split(&moved, 5_000));
    there(&cluster, &|_| true, || driver.split(&moved, 0));
    assert_eq!(predictor(&cluster)["canaryTrafficPercent"], 0);
    // While the old address comes back as the newest revision, the harmful one gets nothing.
    let pinned = |now: &Value| part(&cluster, now, "s3://models/m/1") == 100;
    there(&cluster, &pinned, || driver.unload(&moved, Role::Candidate));
    assert_eq!(predictor(&cluster), served("s3://models/m/1"));
    // Back from everything: the version before was let go, and is loaded beside first.
    there(&cluster, &|_| true, || driver.load(&release("1", "2", false), Role::Candidate));
    there(&cluster, &|_| true, || driver.split(&moved, 10_000));
    there(&cluster, &|_| true, || driver.split(&moved, 0));
    there(&cluster, &pinned, || driver.unload(&moved, Role::Candidate));
    assert_eq!(predictor(&cluster), served("s3://models/m/1"));
}

#[test]
fn what_is_not_as_recorded_is_told() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    let failed = |standing: Result<Standing, tidegate_port::Failure>| match standing.unwrap() {
        Standing::Failed(why) => why,
        other => panic!("{other:?}"),
    };
    let said = failed(driver.load(&release("7", "2", false), Role::Stable));
    assert_eq!(said, "ranker serves s3://models/m/1, and s3://models/m/7 is to serve by what is recorded");
    cluster.edit(&inference_service(), |service| {
        service["spec"]["predictor"]["model"]["storageUri"] = json!("s3://models/m/0");
        service["spec"]["predictor"]["canaryTrafficPercent"] = json!(20);
    });
    // A part that somebody left behind is no start.
    let said = failed(driver.load(&release("1", "2", false), Role::Candidate));
    assert!(said.contains("made for s3://models/m/0, gets 20 % and is not rolled out"), "{said}");
    cluster.edit(&inference_service(), |service| service["spec"]["predictor"] = served("s3://models/m/1"));
    cluster.state().broken = vec!["s3://models/m/2".to_owned()];
    let mut last = driver.load(&release("1", "2", false), Role::Candidate).unwrap();
    while let Standing::Coming(_) = last {
        last = driver.load(&release("1", "2", false), Role::Candidate).unwrap();
    }
    assert_eq!(last, Standing::Failed("ranker: BlockedByFailedLoad: ModelLoadFailed: no such key".to_owned()));
    there(&cluster, &|now| part(&cluster, now, "s3://models/m/1") == 100, || driver.unload(&release("1", "2", true), Role::Candidate));
}

#[test]
fn a_first_version_that_fails_leaves_nothing_behind() {
    let cluster = Cluster::with_inference_service("s3://models/m/0");
    let driver = driver(&cluster);
    let first = |back| Release { stable: None, back, ..release("", "1", false) };
    cluster.state().broken = vec!["s3://models/m/1".to_owned()];
    let load = || {
        let mut last = driver.load(&first(false), Role::Candidate).unwrap();
        while let Standing::Coming(_) = last {
            last = driver.load(&first(false), Role::Candidate).unwrap();
        }
        assert!(matches!(&last, Standing::Failed(why) if why.contains("BlockedByFailedLoad")), "{last:?}");
    };
    load();
    assert_eq!(predictor(&cluster)["canaryTrafficPercent"], 0);
    let all_along = |now: &Value| part(&cluster, now, "s3://models/m/0") == 100;
    there(&cluster, &all_along, || driver.unload(&first(true), Role::Candidate));
    assert_eq!(predictor(&cluster), served("s3://models/m/0"), "what ran before the release runs again");
    assert_eq!(driver.unload(&first(true), Role::Candidate).unwrap(), Standing::There);
    // What ran before is not to be guessed.
    load();
    let rolled_out = cluster.object(&inference_service())["status"]["components"]["predictor"]["latestRolledoutRevision"].clone();
    let number = rolled_out.as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
    cluster.state().objects.remove(&revision(number));
    let Standing::Failed(why) = driver.unload(&first(true), Role::Candidate).unwrap() else { panic!("it was guessed") };
    assert!(why.contains("which was rolled out before s3://models/m/1"), "{why}");
    assert_eq!(predictor(&cluster)["canaryTrafficPercent"], 0, "it still gets nothing");
}

#[test]
fn a_service_that_was_made_for_a_first_version_stays_what_it_was() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    let first = Release { stable: None, back: true, ..release("", "1", false) };
    there(&cluster, &|_| true, || driver.load(&first, Role::Candidate));
    there(&cluster, &|_| true, || driver.unload(&first, Role::Candidate));
    assert_eq!(predictor(&cluster), served("s3://models/m/1"));
    // What somebody else began meanwhile is theirs.
    cluster.edit(&inference_service(), |service| {
        service["spec"]["predictor"]["model"]["storageUri"] = json!("s3://models/m/9");
        service["spec"]["predictor"]["canaryTrafficPercent"] = json!(20);
    });
    there(&cluster, &|_| true, || driver.unload(&first, Role::Candidate));
    assert_eq!(predictor(&cluster)["canaryTrafficPercent"], 20);
}

fn revision(number: u32) -> String {
    format!("/apis/serving.knative.dev/v1/namespaces/shop/revisions/ranker-predictor-{number:05}")
}

#[test]
fn what_a_change_was_decided_by_is_what_is_changed() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    there(&cluster, &|_| true, || driver.load(&release("1", "1", false), Role::Stable));
    // Right before the patch somebody else begins a release of theirs: it is not overwritten by what was decided before.
    let mut theirs = cluster.object(&inference_service());
    theirs["spec"]["predictor"]["model"]["storageUri"] = json!("s3://models/m/9");
    theirs["spec"]["predictor"]["canaryTrafficPercent"] = json!(20);
    cluster.state().rival = Some((inference_service(), theirs.clone()));
    let Standing::Failed(why) = driver.load(&release("1", "2", false), Role::Candidate).unwrap() else { panic!("it was overwritten") };
    assert!(why.contains("made for s3://models/m/9, gets 20 % and is not rolled out"), "{why}");
    assert_eq!(predictor(&cluster), theirs["spec"]["predictor"]);
    // What changes nothing that matters is no reason to stop.
    cluster.edit(&inference_service(), |service| service["spec"]["predictor"] = served("s3://models/m/1"));
    cluster.state().racing = 2;
    there(&cluster, &|_| true, || driver.load(&release("1", "2", false), Role::Candidate));
}

#[test]
fn nobody_is_blamed_for_the_way_back() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    there(&cluster, &|_| true, || driver.load(&release("1", "2", false), Role::Candidate));
    let back = Release { back: true, ..release("1", "2", true) };
    there(&cluster, &|_| true, || driver.split(&release("1", "2", true), 500));
    there(&cluster, &|_| true, || driver.split(&back, 0));
    let moved = || driver.look(&back, 0).unwrap().moved;
    assert_eq!(moved(), None);
    // The old address comes back as the newest revision, kept from requests until it is ready.
    for _ in 0..30 {
        let standing = driver.unload(&back, Role::Candidate).unwrap();
        assert_eq!(moved(), None, "{:#}", predictor(&cluster));
        if standing == Standing::There {
            break;
        }
    }
    assert_eq!(predictor(&cluster), served("s3://models/m/1"));
    cluster.edit(&inference_service(), |service| service["spec"]["predictor"]["model"]["storageUri"] = json!("s3://models/m/9"));
    assert!(moved().unwrap().contains("made for s3://models/m/9, gets everything"));
}

#[test]
fn a_revision_whose_containers_exit_is_lost() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    let (first, moved) = (release("1", "2", false), release("1", "2", true));
    there(&cluster, &|_| true, || driver.load(&first, Role::Candidate));
    there(&cluster, &|_| true, || driver.split(&moved, 500));
    assert_eq!(driver.look(&moved, 500).unwrap().lost, []);
    let exits = |number: u32, ready: &str| {
        cluster.edit(&revision(number), |revision| {
            revision["status"] =
                json!({ "conditions": [{ "type": "Ready", "status": ready, "reason": "ExitCode137", "message": "killed" }] });
        });
    };
    exits(2, "False");
    let why = |name: &str| format!("ranker: {name} is not ready: ExitCode137: killed");
    assert_eq!(driver.look(&moved, 500).unwrap().lost, [(Role::Candidate, why("ranker-predictor-00002"))]);
    exits(1, "False");
    assert_eq!(driver.look(&moved, 500).unwrap().lost.len(), 2, "stable answers too");
    exits(1, "Unknown");
    // What gets nothing is not missed.
    let back = Release { back: true, ..moved };
    there(&cluster, &|_| true, || driver.split(&back, 0));
    assert_eq!(driver.look(&back, 0).unwrap().lost, []);
}

#[test]
fn a_version_that_waits_for_others_is_not_scaled_to_nothing_meanwhile() {
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = driver(&cluster);
    let waits = Release { stands: true, ..release("1", "2", false) };
    cluster.edit(&inference_service(), |service| service["spec"]["predictor"]["minReplicas"] = json!(0));
    let before = predictor(&cluster);
    let Standing::Failed(why) = driver.load(&waits, Role::Candidate).unwrap() else { panic!("it would be gone") };
    assert!(why.contains("`minReplicas` is 0") && predictor(&cluster) == before, "{why}");
    cluster.edit(&inference_service(), |service| service["spec"]["predictor"]["minReplicas"] = json!(1));
    there(&cluster, &|now| part(&cluster, now, "s3://models/m/1") == 100, || driver.load(&waits, Role::Candidate));
    // It stands there, and nothing of it is taken for moved or lost.
    let stands = Release { moved: true, ..waits };
    there(&cluster, &|now| part(&cluster, now, "s3://models/m/1") == 100, || driver.split(&stands, 0));
    let seen = driver.look(&stands, 0).unwrap();
    assert_eq!((seen.lost, seen.moved), (vec![], None));
    there(&cluster, &|_| true, || driver.split(&stands, 10_000));
    assert_eq!(predictor(&cluster), served("s3://models/m/2"));
}
