//! Releases of services that somebody else serves, through the real binary: a stand-in of a cluster's API, a real repository of
//! Git, and counts of a real Prometheus.

use crate::cluster::{Cluster, TOKEN, deployment, inference_service, route};
use crate::metrics::{Prometheus, prometheus};
use crate::retrain::{looked, second_waits, stands, trained};
use crate::up::up;
use crate::world::{World, has_runtime, in_order, wait_for};
use serde_json::json;
use std::path::Path;
use std::process::Command;

const STEPS: &str = "canary: { weights: [5], min_time: 1h } }, { promote: { watch: 0ms } }]\n    judge: { tick: 1s, warm_up: 0s }\n";
/// The exporter counts as many requests of each version, whatever its part.
const QUICK: &str = "canary: { weights: [5, 50], min_time: 2s } }, { promote: { watch: 0ms, hold_back: 0 } }]\n    \
    judge: { tick: 1s, warm_up: 0s, stale_ticks: 3, guardrails: { sample_ratio: none } }\n";

/// A workspace whose service is served by somebody else.
pub fn served_elsewhere(driver: &str, prometheus: &str) -> World {
    let world = trained("on: data, cool_down: 0ms", "");
    let telemetry = format!(
        "telemetry: {{ prometheus: '{prometheus}', candidate: 'hits_total{{version=\"{{{{candidate}}}}\"}}', \
         control: 'hits_total{{version=\"{{{{control}}}}\"}}', errors: 'code=~\"5..\"', every: 1s }}"
    );
    let service = format!("s:\n    model: m\n    driver: {driver}\n    {telemetry}\n");
    let config = world.read("tidegate.yaml");
    assert!(config.contains(STEPS) && config.contains("s: { model: m }\n"), "{config}");
    world.write("tidegate.yaml", &config.replace("s: { model: m }\n", &service).replace(STEPS, QUICK));
    world.set("CLUSTER_TOKEN", TOKEN);
    world
}

pub fn gateway_api(cluster: &Cluster) -> String {
    let load = "{ spec: { replicas: 2, template: { spec: { containers: [{ name: model, image: '{model}:{version}' }] } } } }";
    format!(
        "{{ gateway_api: {{ server: '{}', token: CLUSTER_TOKEN, namespace: shop, route: shop, backends: [blue, green], \
         workloads: {{ load: {load}, unload: {{ spec: {{ replicas: 0 }} }} }} }} }}",
        cluster.serve()
    )
}

/// Git, as somebody else would use it; what it said.
fn git(at: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(at).args(["-c", "user.name=Them", "-c", "user.email=them@example.org"]).args(args);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn status(world: &World, release: &str) -> String {
    world.run(&["release", "status", release]).out
}

#[track_caller]
fn ends(world: &World, release: &str, how: &str) {
    wait_for(&format!("{release} to be {how}"), || {
        let said = status(world, release);
        assert!(!said.contains("held"), "{said}");
        said.contains(how).then_some(())
    });
}

#[test]
fn a_harmful_version_goes_back_and_a_good_one_is_released_through_a_route() {
    let (Some(program), true) = (prometheus(), has_runtime()) else { return };
    let cluster = Cluster::with_route();
    let world = served_elsewhere(&gateway_api(&cluster), "http://127.0.0.1:9");
    let server = Prometheus::start(&world, &program);
    world.write("tidegate.yaml", &world.read("tidegate.yaml").replace("http://127.0.0.1:9'", &format!("{}'", server.url())));
    let mut first = up(&world);
    // The first release takes over what serves already.
    second_waits(&world);
    assert_eq!((cluster.weights(), &cluster.object(&deployment("green"))["spec"]["replicas"]), ([10_000, 0], &json!(2)));
    world.run(&["retrain", "reject", "--reason", "by hand"]).well();

    world.run(&["release", "start", "s", "2"]).well();
    wait_for("the canary", || (cluster.weights() == [9_500, 500]).then_some(()));
    // The control is stable with all that it gets, and the evidence says so.
    let ticks = ".tidegate/evidence/s-2.jsonl";
    wait_for("evidence", || (world.exists(ticks) && world.read(ticks).contains("\"candidate_share_bp\":500,")).then_some(()));
    first.kill();
    let second = up(&world);
    ends(&world, "s/2", "rolled back");
    assert_eq!(cluster.weights(), [10_000, 0]);
    let green = cluster.object(&deployment("green"));
    assert_eq!((&green["spec"]["replicas"], &green["metadata"]["annotations"]["tidegate.dev/version"]), (&json!(0), &json!("2")));
    let blue = cluster.object(&deployment("blue"));
    assert_eq!((&blue["spec"]["replicas"], &blue["metadata"]["generation"]), (&json!(2), &json!(1)), "what serves was never touched");

    world.write("words.csv", "word\nfifth\n");
    stands(&world, 3, "waits");
    world.run(&["retrain", "approve"]).well();
    stands(&world, 3, "promoted");
    assert_eq!((cluster.weights(), &cluster.object(&deployment("blue"))["spec"]["replicas"]), ([0, 10_000], &json!(0)));
    let green = cluster.object(&deployment("green"));
    assert_eq!(green["spec"]["template"]["spec"]["containers"][1]["image"], "m:3");
    world.run(&["release", "undo", "s/3", "--reason", "the pages are slow"]).well();
    wait_for("the way back", || (cluster.weights() == [10_000, 0]).then_some(()));
    assert_eq!(cluster.object(&deployment("blue"))["spec"]["template"]["spec"]["containers"][1]["image"], "m:1");

    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["\"rollback_began\"", "\"promotion_began\"", "\"evidence\""]);
    let all = format!("{}{:?}{:?}{}", facts, first.so_far(), second.so_far(), world.run(&["config", "explain"]).well().out);
    assert!(!all.contains(TOKEN), "the token is told nowhere");
    world.run(&["audit", "verify"]).well();
}

#[test]
fn without_counts_nothing_goes_on_and_a_word_brings_it_back() {
    if !has_runtime() {
        return;
    }
    let cluster = Cluster::with_route();
    let world = served_elsewhere(&gateway_api(&cluster), "http://127.0.0.1:9");
    let copies = "releases:\n  copies: { steps: [{ shadow: {} }, { promote: {} }] }\n";
    world.write("tidegate.yaml", &world.read("tidegate.yaml").replace("releases:\n", copies));
    let up = up(&world);
    second_waits(&world);
    // What does not work is told and tried again.
    cluster.state().failing = vec![503, 403];
    world.run(&["release", "start", "s", "2"]).well();
    wait_for("what it waits for", || status(&world, "s/2").contains("waits for telemetry").then_some(()));
    in_order(&up.so_far().1, &["the server says 503", "the server says 403", "s: no telemetry", "127.0.0.1"]);
    assert_eq!(cluster.weights(), [9_500, 500]);
    // Somebody changes the split meanwhile: it is put right.
    cluster.edit(&route(), |route| route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(9_500));
    wait_for("the split of the release", || (cluster.weights() == [9_500, 500]).then_some(()));
    world.run(&["release", "abort", "s/2", "--reason", "nothing is seen"]).well();
    wait_for("the end", || status(&world, "s/2").contains("aborted by owner").then_some(()));
    assert_eq!(cluster.weights(), [10_000, 0]);
    world.run(&["release", "start", "s", "2", "--strategy", "copies"]).fails(2, &["by strategy `copies`", "`gateway_api` has no `shadow`"]);
}

#[test]
fn a_version_that_does_not_come_up_meets_nobody() {
    if !has_runtime() {
        return;
    }
    let cluster = Cluster::with_route();
    cluster.state().broken = vec!["m:2".to_owned()];
    let world = served_elsewhere(&gateway_api(&cluster), "http://127.0.0.1:9");
    let _up = up(&world);
    second_waits(&world);
    world.run(&["release", "start", "s", "2"]).well();
    ends(&world, "s/2", "rolled back");
    in_order(&status(&world, "s/2"), &["green: ProgressDeadlineExceeded"]);
    assert_eq!(cluster.weights(), [10_000, 0]);
}

#[test]
fn a_harmful_version_leaves_a_repository_as_it_was() {
    let (Some(program), true) = (prometheus(), has_runtime()) else { return };
    const VALUES: &str = "# the shop\nblue:\n  version: '1' # serves\n  weight:   100\ngreen: { version: \"0\", weight: 0 }\n";
    let slots = "slots: [{ version: /blue/version, weight: /blue/weight }, { version: /green/version, weight: /green/weight }]";
    let driver = format!("{{ gitops: {{ repository: ../fleet.git, file: shop/values.yaml, settle: 1s, {slots} }} }}");
    let world = served_elsewhere(&driver, "http://127.0.0.1:9");
    let server = Prometheus::start(&world, &program);
    world.write("tidegate.yaml", &world.read("tidegate.yaml").replace("http://127.0.0.1:9'", &format!("{}'", server.url())));
    let beside = world.beside("");
    git(&beside, &["init", "--quiet", "--bare", "--initial-branch=main", "fleet.git"]);
    git(&beside, &["clone", "--quiet", "fleet.git", "theirs"]);
    let theirs = world.beside("theirs");
    std::fs::create_dir(theirs.join("shop")).unwrap();
    std::fs::write(theirs.join("shop/values.yaml"), VALUES).unwrap();
    git(&theirs, &["add", "."]);
    git(&theirs, &["commit", "--quiet", "-m", "begin"]);
    git(&theirs, &["push", "--quiet", "origin", "HEAD:main"]);
    let fleet = world.beside("fleet.git");
    let file = || git(&fleet, &["show", "main:shop/values.yaml"]);

    let mut first = up(&world);
    second_waits(&world);
    assert_eq!(file(), VALUES, "what serves already is taken over without a commit");
    world.run(&["release", "start", "s", "2"]).well();
    let canary = VALUES.replace("  100", "  95").replace("version: \"0\", weight: 0", "version: \"2\", weight: 5");
    wait_for("the canary", || (file() == canary).then_some(()));
    first.kill();
    let _second = up(&world);
    ends(&world, "s/2", "rolled back");
    assert_eq!(file(), VALUES);
    let told = git(&fleet, &["log", "--format=%s", "main"]);
    let subjects: Vec<&str> = told.lines().collect();
    let wanted = [
        "s: back to what was before release 2",
        "s: version 2 of m gets 0 %",
        "s: version 2 of m gets 5 %",
        "s: load version 2 of m",
        "begin",
    ];
    assert_eq!(subjects, wanted, "each change once, whatever happened meanwhile");
    in_order(
        &git(&fleet, &["log", "-1", "--format=%B", "main"]),
        &["Release 2 of s: version 2 in place of 1", "rolling back; verdict rollback", "Tidegate-Release: trained/s/2"],
    );
    world.run(&["audit", "verify"]).well();
}

#[test]
fn an_inference_service_gets_a_version_and_is_given_back() {
    let (Some(program), true) = (prometheus(), has_runtime()) else { return };
    let cluster = Cluster::with_inference_service("s3://models/m/1");
    let driver = format!(
        "{{ kserve: {{ server: '{}', token: CLUSTER_TOKEN, namespace: shop, service: ranker, storage_uri: 's3://models/{{model}}/{{version}}' }} }}",
        cluster.serve()
    );
    let world = served_elsewhere(&driver, "http://127.0.0.1:9");
    let server = Prometheus::start(&world, &program);
    let config = world.read("tidegate.yaml").replace("http://127.0.0.1:9'", &format!("{}'", server.url()));
    // The good one of the exporter's versions.
    world.write("tidegate.yaml", &config.replace("{{candidate}}", "3").replace("{{control}}", "1"));
    let _up = up(&world);
    second_waits(&world);
    let predictor = || cluster.object(&inference_service())["spec"]["predictor"].clone();
    let whole = |version: u32| json!({ "minReplicas": 1, "model": { "modelFormat": { "name": "onnx" }, "storageUri": format!("s3://models/m/{version}") } });
    assert_eq!(predictor(), whole(1));
    world.run(&["release", "start", "s", "2"]).well();
    wait_for("the canary", || (predictor()["canaryTrafficPercent"] == 5).then_some(()));
    ends(&world, "s/2", "released");
    assert_eq!(predictor(), whole(2), "no part is left behind");
    world.run(&["release", "undo", "s/2", "--reason", "the pages are slow"]).well();
    ends(&world, "s/2", "undone by owner");
    wait_for("the end", || (predictor() == whole(1)).then_some(()));
    world.run(&["audit", "verify"]).well();
}

/// Versions are trained and registered, and nothing is released.
#[track_caller]
fn registered(world: &World, words: &[&str]) {
    looked(world);
    for (number, word) in (1..).zip(words) {
        world.write("words.csv", &format!("word\n{word}\n"));
        stands(world, number, "waits");
        world.run(&["retrain", "approve"]).well();
        stands(world, number, "not_served");
    }
}

#[track_caller]
fn listed(world: &World, words: &str) {
    wait_for(words, || world.run(&["train", "list"]).well().out.contains(words).then_some(()));
}

#[test]
fn one_environment_is_ours_and_the_next_one_is_served_elsewhere() {
    if !has_runtime() {
        return;
    }
    let cluster = Cluster::with_route();
    let world = served_elsewhere(&gateway_api(&cluster), "http://127.0.0.1:9");
    let config = world.read("tidegate.yaml");
    let places = "model: m\n    environments:\n      staging: {}\n      production:\n        driver:";
    let config = config.replace("model: m\n    driver:", places).replace("    telemetry:", "        telemetry:");
    world.write("tidegate.yaml", &format!("{config}environments:\n  staging: {{}}\n  production: {{ after: staging, delay: 1s }}\n"));
    let _up = up(&world);
    registered(&world, &["other", "third"]);
    world.run(&["release", "start", "s", "1"]).well();
    listed(&world, "s 1: arrived");
    assert_eq!(cluster.weights(), [10_000, 0], "production takes over what serves there");

    world.run(&["release", "start", "s", "2"]).well();
    wait_for("the canary", || status(&world, "s@staging/2").contains("canary").then_some(()));
    assert_eq!(cluster.weights(), [10_000, 0]);
    wait_for("the promotion", || (world.run(&["release", "promote", "s@staging/2", "--reason", "good"]).code == 0).then_some(()));
    wait_for("the canary", || (cluster.weights() == [9_500, 500]).then_some(()));
    world.run(&["release", "abort", "s@production/2", "--reason", "nothing is seen"]).well();
    listed(&world, "s 2: went back");
    assert_eq!(cluster.weights(), [10_000, 0]);
    in_order(&status(&world, "s@staging/2"), &["undone by train s 2"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn two_environments_that_others_serve_switch_when_both_are_ready_and_one_that_fails_takes_both_back() {
    if !has_runtime() {
        return;
    }
    let (eu, us) = (Cluster::with_route(), Cluster::with_route());
    let world = served_elsewhere(&gateway_api(&eu), "http://127.0.0.1:9");
    // There somebody else has a Deployment run a version.
    let by_hand = "token: CLUSTER_TOKEN, namespace: shop, route: shop, backends: [blue, green]";
    let places = format!(
        "model: m\n    passage: together\n    environments: {{ eu: {{}}, us: {{ driver: {{ gateway_api: {{ server: '{}', {by_hand} }} }} }} }}\n    driver",
        us.serve()
    );
    let config = world.read("tidegate.yaml").replace("canary: { weights: [5, 50], min_time: 2s }", "preview: {}");
    let config = config.replace("model: m\n    driver", &places);
    world.write("tidegate.yaml", &format!("{config}environments:\n  eu: {{}}\n  us: {{ after: eu }}\n"));
    let mut first = up(&world);
    registered(&world, &["other", "third", "fifth"]);
    world.run(&["release", "start", "s", "1"]).well();
    listed(&world, "s 1: arrived");

    world.run(&["release", "start", "s", "2"]).well();
    listed(&world, "s@eu version 2: release 2 is ready, and waits for the others");
    assert_eq!(eu.object(&deployment("green"))["metadata"]["annotations"]["tidegate.dev/version"], "2");
    world.run(&["release", "resume", "s@eu/2"]).fails(5, &["all environments of s switch at once, when each is ready"]);
    first.kill();
    let _second = up(&world);
    in_order(&world.run(&["train", "list"]).well().out, &["s@eu version 2: release 2 is ready", "s@us version 2 (after s@eu): release 2"]);
    assert_eq!((eu.weights(), us.weights()), ([10_000, 0], [10_000, 0]), "both stand until both are ready");
    us.edit(&deployment("green"), |green| green["metadata"]["annotations"]["tidegate.dev/version"] = json!("2"));
    listed(&world, "s 2: arrived");
    assert_eq!((eu.weights(), us.weights()), ([0, 10_000], [0, 10_000]));

    let moves = |cluster: &Cluster| cluster.state().asked.iter().filter(|(how, path, ..)| how == "PATCH" && *path == route()).count();
    let before = (moves(&eu), moves(&us));
    world.run(&["release", "start", "s", "3"]).well();
    listed(&world, "s@eu version 3: release 3 is ready, and waits for the others");
    us.state().broken = vec!["m:3".to_owned()];
    us.edit(&deployment("blue"), |blue| {
        blue["metadata"]["annotations"]["tidegate.dev/version"] = json!("3");
        blue["spec"]["template"]["spec"]["containers"][1]["image"] = json!("m:3");
    });
    listed(&world, "s 3: went back");
    let list = world.run(&["train", "list"]).well().out;
    in_order(&list, &["s@eu version 3: went back: its release 3: aborted by train s 3", "s@us version 3 (after s@eu): went back"]);
    assert_eq!((moves(&eu), moves(&us)), before, "no request ever met it");
    assert_eq!((eu.weights(), us.weights()), ([0, 10_000], [0, 10_000]));
    let facts = world.run(&["journal", "-n", "2000", "--json"]).well().out;
    assert_eq!(facts.matches("\"switched\"").count(), 2, "versions 1 and 2 alone");
    world.run(&["audit", "verify"]).well();
}
