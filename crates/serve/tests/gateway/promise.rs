//! What answers are promised to be: a worker's and an upstream's that break it are errors of the version, and nobody sees them.

use crate::onnx::{real, same};
use crate::remote::{asking, quick, spec_of};
use crate::upstream::Upstream;
use crate::world::{INFER, World, patient, route, stable};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_core::model::Datatype;
use tidegate_serve::{Bound, Conduct, Promise, Promised, TargetSpec, TargetState};

/// The element type of double precision in ONNX.
const DOUBLES: u8 = 11;

fn promising(output: &str, max: f64) -> Conduct {
    let promised =
        Promised { datatype: Some(Datatype::Fp64), shape: Some(vec![-1]), min: Some(Bound(0.0)), max: Some(Bound(max)), finite: true };
    Conduct { promise: Promise(BTreeMap::from([(output.to_owned(), promised)])), ..patient() }
}

fn doubles(x: f64) -> Value {
    json!({ "inputs": [{ "name": "in", "datatype": "FP64", "shape": [1], "data": [x] }] })
}

async fn loaded(world: &World, spec: TargetSpec) -> TargetState {
    world.pool.ensure(spec).unwrap();
    world.pool.settled(&stable()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_it_is_an_error_of_its_version() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let directory = same(dir.path(), DOUBLES, json!({ "datatype": "FP64", "data": [0.5] }));
    let spec = TargetSpec { conduct: promising("out", 1.0), ..TargetSpec::new(stable(), "late", directory) };
    assert_eq!(loaded(&world, spec).await, TargetState::Ready);
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    assert_eq!(client.post(INFER, &doubles(0.25)).await.status, StatusCode::OK);
    let got = client.post(INFER, &doubles(1.5)).await;
    assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR);
    let why = "the answer is not given out: output `out` breaks what `serving.outputs` of this service promises: value 0 is 1.5, promised are 0 to 1";
    assert_eq!(got.error(), why);
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((counts.live.requests, counts.live.errors), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_whose_golden_answers_break_it_gets_no_request() {
    let Some(world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let directory = same(dir.path(), DOUBLES, json!({ "datatype": "FP64", "data": [7.0] }));
    let spec = TargetSpec { conduct: promising("out", 1.0), ..TargetSpec::new(stable(), "late", directory) };
    let TargetState::Failed { why } = loaded(&world, spec).await else { panic!("it is ready") };
    assert!(why.starts_with("golden request `") && why.ends_with("value 0 is 7, promised are 0 to 1"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_s_answer_is_held_to_it_too() {
    let server = Upstream::start().await;
    let (mut world, dir) = (World::new().await, tempfile::tempdir().unwrap());
    let mut conduct = promising("y", 10.0);
    conduct.promise.0.get_mut("y").unwrap().min = Some(Bound(-1.0));
    let spec = TargetSpec { conduct, ..spec_of(dir.path(), quick(&[&server])) };
    assert_eq!(loaded(&world, spec).await, TargetState::Ready);
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    assert_eq!(client.post(INFER, &asking(3.0)).await.status, StatusCode::OK);
    let got = client.post(INFER, &asking(6.0)).await;
    assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(got.error().ends_with("value 0 is 12, promised are -1 to 10"), "{}", got.error());
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((counts.live.requests, counts.live.errors), (2, 1));
    world.pool.shutdown().await;
}
