//! Two arms judged from files and from a real Prometheus, and our verdict beside those of others.

use crate::metrics::{Prometheus, prometheus};
use crate::world::{World, in_order, wait_for};
use serde_json::Value;
use std::fmt::Write as _;

/// Rows of requests and failures of candidate and control.
fn counts(rows: usize, candidate: (u64, u64), control: (u64, u64)) -> String {
    let mut text = "minute,candidate_requests,candidate_errors,control_requests,control_errors\n".to_owned();
    for row in 0..rows {
        writeln!(text, "{row},{},{},{},{}", candidate.0, candidate.1, control.0, control.1).unwrap();
    }
    text
}

#[test]
fn counts_in_a_file_are_judged_and_say_why() {
    let world = World::with(&[
        ("bad.csv", &counts(60, (300, 15), (900, 5))),
        ("good.csv", &counts(60, (300, 1), (900, 3))),
        ("few.csv", &counts(2, (30, 0), (90, 0))),
        ("wrong.csv", "candidate_requests,candidate_errors\n1,2\n"),
    ]);
    let bad = world.run(&["judge", "counts", "bad.csv"]);
    assert_eq!(bad.code, 1, "{bad:?}");
    in_order(&bad.out, &["rollback", "Evidence of harm reached", "100 is enough", "a bar was first reached after interval", "█"]);
    let good = world.run(&["judge", "counts", "good.csv", "--json"]).well().json();
    assert_eq!(good["assessment"]["verdict"], "promote");
    assert_eq!(good["history"]["points"].as_array().unwrap().len(), 60);
    let few = world.run(&["judge", "counts", "few.csv"]);
    assert_eq!(few.code, 1);
    in_order(&few.out, &["no decision yet", "No decision", "promotion is due in"]);
    let off = world.run(&["judge", "counts", "good.csv", "--share", "0.5"]);
    assert_eq!(off.code, 1);
    in_order(&off.out, &["hold", "do not fit the configured split"]);
    world.run(&["judge", "counts", "wrong.csv"]).fails(2, &["wrong.csv:1", "control_requests"]);
    world.run(&["judge", "counts", "good.csv", "--tolerance", "0.5"]).fails(2, &["give a tolerance from 1"]);
    world.run(&["judge", "counts", "nowhere.csv"]).fails(3, &["nowhere.csv"]);
}

#[test]
fn late_labels_are_judged_in_batches_up_to_a_plan() {
    let rows = |candidate, control| {
        let mut text = "candidate_n,candidate_hits,control_n,control_hits\n".to_owned();
        (0..5).for_each(|_| writeln!(text, "1000,{candidate},1000,{control}").unwrap());
        text
    };
    let (mut served, mut labels) = ("id,arm\n".to_owned(), "id,label\n".to_owned());
    for i in 0..2_000 {
        writeln!(served, "r{i},{}", if i % 2 == 0 { "candidate" } else { "control" }).unwrap();
        // Every tenth is wrong, and of the candidate every fifth; a hundred labels are still to come.
        if i < 1_900 {
            writeln!(labels, "r{i},{}", u8::from(i % 20 < 2 || i % 20 == 4)).unwrap();
        }
    }
    let world =
        World::with(&[("worse.csv", &rows(140, 100)), ("same.csv", &rows(30, 30)), ("served.csv", &served), ("labels.csv", &labels)]);
    let judged = |file: &str, more: &[&str]| {
        let mut args = vec!["judge", "batches", file, "--planned", "5000", "--harm", "0.02"];
        args.extend(more);
        world.run(&args)
    };
    let worse = judged("worse.csv", &[]);
    assert_eq!(worse.code, 1, "{worse:?}");
    in_order(&worse.out, &["rollback", "worse by 0.04000", "at look 3", "look", "60 %", "◀", "100 %"]);
    assert_eq!(judged("same.csv", &["--json"]).well().json()["assessment"]["verdict"], "promote");
    judged("same.csv", &["--alpha", "2"]).fails(2, &["alpha and beta"]);
    let joined = world.run(&["judge", "labels", "--served", "served.csv", "--labels", "labels.csv", "--planned", "1000", "--harm", "0.05"]);
    assert_eq!(joined.code, 1, "{joined:?}");
    in_order(&joined.out, &["rollback", "50 requests of the candidate have no label yet", "50 requests of the control"]);
}

#[test]
fn series_are_judged_in_pairs() {
    // The load that both share swings by far more than the candidate is worse.
    let value = |i: usize, factor: f64| {
        let (a, b) = ((i * 37 % 101) as f64 / 101.0, (i * 53 % 89) as f64 / 89.0);
        factor * (100.0 + 80.0 * a) * (1.0 + 0.02 * (b - 0.5))
    };
    let column = |factor: f64, shift: usize| {
        let mut text = "time,p99\n".to_owned();
        // Both see the same load at the same time, and each its own noise.
        (0..200).for_each(|i| writeln!(text, "{i},{}", value(i, factor) * (1.0 + 0.01 * ((i * 29 + shift) % 7) as f64 / 7.0)).unwrap());
        text
    };
    let world = World::with(&[
        ("old.csv", &column(1.0, 0)),
        ("new.csv", &column(1.15, 3)),
        ("same.csv", &column(1.0, 3)),
        ("short.csv", "p99\n1\n"),
    ]);
    let series = |candidate: &str, more: &[&str]| {
        let mut args = vec!["judge", "series", "--candidate", candidate, "--control", "old.csv", "--column", "p99"];
        args.extend(more);
        world.run(&args)
    };
    let worse = series("new.csv", &[]);
    assert_eq!(worse.code, 1);
    in_order(&worse.out, &["rollback", "ratio 1.15", "over 200 pairs"]);
    let same = series("same.csv", &["--json"]).well().json();
    assert_eq!(same["verdict"], "promote", "{same}");
    let better = series("new.csv", &["--worse", "lower"]).well();
    in_order(&better.out, &["promote", "ratio 1.15"]);
    series("short.csv", &[]).fails(2, &["1 values of the candidate and 200 of the control"]);
    series("new.csv", &["--difference"]).fails(2, &["--harm says how large a difference is harmful"]);
    series("new.csv", &["--harm", "1.0"]).fails(2, &["harm is 1", "above the tolerance"]);
}

#[test]
fn other_judges_stand_beside_ours() {
    // One request in a hundred fails in both arms, and for some minutes one in ten: nobody's fault.
    let mut text = counts(20, (200, 1), (1800, 9));
    text.push_str(&counts(6, (200, 20), (1800, 180)).lines().skip(1).collect::<Vec<_>>().join("\n"));
    text.push('\n');
    text.push_str(&counts(34, (200, 1), (1800, 9)).lines().skip(1).collect::<Vec<_>>().join("\n"));
    let world = World::with(&[("c.csv", &text)]);
    let said = world.run(&["judge", "compare", "c.csv"]).well();
    in_order(
        &said.out,
        &["Tidegate, alpha 0.01", "promote", "Argo Rollouts, success rate", "rollback", "Flagger", "promote", "after 6", "Kayenta"],
    );
    let all = world.run(&["judge", "compare", "c.csv", "--json"]).well().json();
    let ending = |at: usize| all["judges"][at]["ending"].as_str().unwrap().to_owned();
    assert_eq!((ending(0), ending(1), ending(4)), ("promote".to_owned(), "rollback".to_owned(), "promote".to_owned()));
    assert_eq!(all["judges"][1]["at"], 21, "the first minute of the incident");
}

#[test]
fn counters_of_a_real_prometheus_are_judged() {
    let Some(program) = prometheus() else { return };
    let world = World::new();
    let server = Prometheus::start(&world, &program);
    let url = server.url();
    let judge = |version: u32, more: &[&str]| {
        let candidate = format!("hits_total{{version=\"{version}\"}}");
        let mut args = vec!["judge", "prometheus", "--url", &url, "--candidate", &candidate, "--control", "hits_total{version=\"1\"}"];
        args.extend(["--since", "2m", "--every", "1s", "--json"]);
        args.extend(more);
        world.run(&args)
    };
    let errors = ["--errors", "code=~\"5..\""];
    let counted = |version: u32| {
        let said = judge(version, &errors);
        let found: Value = serde_json::from_str(&said.out).ok()?;
        (found["assessment"]["candidate_requests"].as_u64()? >= 9_000).then_some((said.code, found))
    };
    let (code, bad) = wait_for("ten scrapes", || counted(2));
    assert_eq!((code, bad["assessment"]["verdict"].as_str()), (1, Some("rollback")), "{bad}");
    let (requests, failures) =
        (bad["assessment"]["candidate_requests"].as_u64().unwrap(), bad["assessment"]["guardrails"][0]["candidate"][1].as_u64().unwrap());
    assert_eq!((requests % 900, failures * 900), (0, requests * 40), "counts stay whole");
    // A version that never failed has no series of failures, and is judged all the same.
    let (code, good) = wait_for("a version without failures", || counted(3));
    assert_eq!(good["assessment"]["guardrails"][0]["candidate"][1], 0);
    assert!(good["assessment"]["verdict"] != "rollback" && good["assessment"]["verdict"] != "no_telemetry", "{code} {good}");
    let gauge = ["judge", "prometheus", "--url", &url, "--candidate", "p99{version=\"2\"}", "--control", "p99{version=\"1\"}"];
    let gauge = world.run(&[&gauge[..], &["--gauge", "--since", "2m", "--every", "1s"]].concat());
    assert_eq!(gauge.code, 1);
    in_order(&gauge.out, &["ratio 1.4", "pairs lacked a value"]);
    judge(9, &errors).fails(4, &["finds no series"]);
    judge(2, &["--errors", "code=~"]).fails(3, &["Prometheus refuses the query"]);
    let nobody =
        world.run(&["judge", "prometheus", "--url", "http://127.0.0.1:1", "--candidate", "a", "--control", "b", "--errors", "c=\"1\""]);
    nobody.fails(3, &["ask Prometheus"]);
}

#[test]
fn latencies_of_single_requests_are_judged_at_each_quantile() {
    let world = World::new();
    let log = |factor: u64| {
        let mut text = "time,arm,latency_ms,status\n".to_owned();
        for i in 0..12_000_u64 {
            let (arm, factor) = if i % 2 == 0 { ("canary", factor) } else { ("stable", 100) };
            let ms = (100 + (i * 7_919) % 200) * factor / 100;
            text += &format!("{}.{:03},{arm},{ms},{}\n", 1_768_473_000 + i / 20, i % 20 * 50, if i % 1_000 == 3 { 500 } else { 200 });
        }
        text
    };
    world.write("slow.csv", &log(170));
    world.write("same.csv", &log(100));
    let slow = world.run(&["judge", "latencies", "slow.csv"]);
    assert_eq!(slow.code, 1, "{slow:?}");
    in_order(&slow.out, &["rollback", "errors", "latency_p50", "latency_p95", "latency_p99"]);
    let same = world.run(&["judge", "latencies", "same.csv", "--every", "30s", "--json"]);
    assert_ne!(same.json()["assessment"]["verdict"]["verdict"], "rollback", "{same:?}");
    world.run(&["judge", "latencies", "same.csv", "--every", "1ms"]).fails(2, &["5999", "at most 100000 are judged"]);
    world.write("odd.csv", "time,arm,latency_ms\n1,canary,fast\n");
    world.run(&["judge", "latencies", "odd.csv"]).fails(2, &["odd.csv:2", "`fast` is no latency"]);
}
