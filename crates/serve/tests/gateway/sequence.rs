//! Sequences: what the model must be told of earlier requests is carried, whoever answers.

use crate::client::Got;
use crate::onnx::{real, version};
use crate::remote::quick;
use crate::upstream::Upstream;
use crate::world::{World, patient, route, stable, target, until};
use hyper::StatusCode;
use serde_json::{Value as Json, json};
use tidegate_core::route::{Role, Route, TargetId};
use tidegate_serve::{Carried, Conduct, Sequencing, TargetSpec, TargetState};

const INFER: &str = "/v2/models/sum/infer";

fn conduct(input: &str, output: &str, across_versions: bool) -> Conduct {
    let carried = Carried { input: input.to_owned(), output: output.to_owned() };
    Conduct { sequence: Some(Sequencing { state: vec![carried], idle_ms: 60_000, across_versions }), ..patient() }
}

/// One step of a sequence that sums what it is given.
async fn step(world: &World, id: impl Into<Json>, value: i64, flags: &[&str]) -> Got {
    let mut parameters = json!({ "sequence_id": id.into() });
    for flag in flags {
        parameters[flag] = json!(true);
    }
    let input = json!({ "name": "INPUT0", "datatype": "INT32", "shape": [1, 16], "data": vec![value; 16] });
    world.client().post(INFER, &json!({ "id": "r", "parameters": parameters, "inputs": [input] })).await
}

/// The difference of what it was given and the sum before.
fn beside(got: &Got) -> Json {
    assert_eq!(got.status, StatusCode::OK, "{:?}", got.body);
    let outputs = got.json()["outputs"].clone();
    // The sum itself is carried, and nobody asked for it.
    assert_eq!((outputs.as_array().unwrap().len(), &outputs[0]["name"]), (1, &json!("OUTPUT1")), "{outputs}");
    outputs[0]["data"][0].clone()
}

const START: &[&str] = &["sequence_start"];

async fn summing(world: &mut World, across_versions: bool) {
    for role in [Role::Stable, Role::Candidate] {
        let target = if role == Role::Stable { stable() } else { other() };
        let dir = version(&world.folder().join(role.as_str()), 3);
        let conduct = conduct("INPUT1", "OUTPUT0", across_versions);
        world.pool.ensure(TargetSpec { conduct, ..TargetSpec::new(target.clone(), "sum", dir) }).unwrap();
        assert_eq!(world.pool.settled(&target).await, Some(TargetState::Ready));
    }
    world.apply(route_of_sum(&[(stable(), 10_000), (other(), 0)]));
}

fn route_of_sum(weights: &[(TargetId, u32)]) -> Route {
    Route { model: "sum".to_owned(), ..route(weights, 0) }
}

fn other() -> TargetId {
    target("2", Role::Candidate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_carried_is_told_to_the_next_request_and_to_nobody_else() {
    let Some(mut world) = real().await else { return };
    summing(&mut world, false).await;
    assert_eq!(beside(&step(&world, 7, 5, START).await), json!(5));
    assert_eq!(beside(&step(&world, 7, 1, &[]).await), json!(1 - 5));
    assert_eq!(beside(&step(&world, "other", 2, START).await), json!(2));
    assert_eq!(beside(&step(&world, 7, 10, &["sequence_end"]).await), json!(10 - 6));
    for (id, why) in [(7, "must specify the START flag"), (8, "must specify the START flag")] {
        let got = step(&world, id, 1, &[]).await;
        assert!(got.status == StatusCode::BAD_REQUEST && got.error().contains(why), "{:?}", got.body);
    }
    // It may begin anew at any time.
    assert_eq!(beside(&step(&world, "other", 3, START).await), json!(3));
    assert_eq!(beside(&step(&world, "other", 3, &[]).await), json!(0));
    // What is carried is not the client's to send; without a sequence it is.
    let both = |parameters: Json| {
        let of = |name: &str| json!({ "name": name, "datatype": "INT32", "shape": [1, 16], "data": vec![4; 16] });
        json!({ "parameters": parameters, "inputs": [of("INPUT0"), of("INPUT1")] })
    };
    let got = world.client().post(INFER, &both(json!({ "sequence_id": "other" }))).await;
    assert!(got.status == StatusCode::BAD_REQUEST && got.error().contains("is carried along the sequence"), "{:?}", got.body);
    let got = world.client().post(INFER, &both(json!({}))).await;
    assert_eq!((got.status, &got.json()["outputs"][0]["data"][0]), (StatusCode::OK, &json!(8)));
    let got = step(&world, json!([]), 1, START).await;
    assert!(got.status == StatusCode::BAD_REQUEST && got.error().contains("must be a number or a text"), "{:?}", got.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_sequence_that_come_at_once_each_see_the_one_before() {
    let Some(mut world) = real().await else { return };
    summing(&mut world, false).await;
    step(&world, 1, 0, START).await;
    let world = std::sync::Arc::new(world);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { step(&world, 1, 1, &[]).await.status })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(beside(&step(&world, 1, 0, &[]).await), json!(-20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequence_stays_with_its_version_and_goes_on_with_another_only_where_it_may() {
    for across_versions in [false, true] {
        let Some(mut world) = real().await else { return };
        summing(&mut world, across_versions).await;
        assert_eq!(step(&world, 1, 5, START).await.header("x-tidegate-version"), "1");
        // Half of new ones go to the new version; the old one stays where it is, and so does its sum when its worker dies.
        world.apply(route_of_sum(&[(stable(), 5_000), (other(), 5_000)]));
        for _ in 0..4 {
            let got = step(&world, 1, 0, &[]).await;
            assert_eq!((beside(&got), got.header("x-tidegate-version")), (json!(-5), "1"));
        }
        let process = world.pool.process(&stable()).unwrap();
        world.signal(&stable(), rustix::process::Signal::KILL);
        until("another worker", || world.pool.process(&stable()).is_some_and(|new| new != process)).await;
        assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
        assert_eq!(beside(&step(&world, 1, 0, &[]).await), json!(-5), "what is carried is not with the worker");
        // The version goes: 409, or the other one goes on where it was.
        world.apply(route_of_sum(&[(other(), 10_000)]));
        let got = step(&world, 1, 0, &[]).await;
        if across_versions {
            assert_eq!((beside(&got), got.header("x-tidegate-version")), (json!(-5), "2"));
        } else {
            assert_eq!(
                (got.status, got.error().as_str()),
                (StatusCode::CONFLICT, "version 1 of the sequence is not served any more: begin anew")
            );
            assert_eq!(beside(&step(&world, 1, 2, START).await), json!(2));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_server_goes_on_where_the_active_one_ends() {
    let (active, standby) = (Upstream::start().await, Upstream::start().await);
    let upstream = tidegate_serve::remote::Upstream { standby: vec![standby.told()], ..quick(&[&active]) };
    let mut world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let tensor = |name: &str, value: f64| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [value] });
    let golden = json!({ "requests": [{ "id": "g1", "inputs": [tensor("x", 1.0), tensor("s", 2.0)], "expect": { "outputs": [tensor("y", 3.0)] } }] });
    std::fs::write(dir.path().join("remote.json"), r#"{"upstream": "others", "model": "sum", "version": "7"}"#).unwrap();
    std::fs::write(dir.path().join("golden.json"), golden.to_string()).unwrap();
    let spec = TargetSpec { upstream: Some(upstream), conduct: conduct("s", "y", false), ..TargetSpec::new(stable(), "sum", dir.path()) };
    world.pool.ensure(spec).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route_of_sum(&[(stable(), 10_000)]));
    until("both are well", || standby.golden() >= 2).await;
    let step = async |x: f64, start: bool| {
        let parameters = json!({ "sequence_id": 9, "sequence_start": start });
        let asked = json!({ "parameters": parameters, "inputs": [tensor("x", x)], "outputs": [{ "name": "y" }] });
        let got = world.client().post(INFER, &asked).await;
        (got.status, got.json()["outputs"][0]["data"][0].clone())
    };
    assert_eq!(step(5.0, true).await, (StatusCode::OK, json!(5.0)));
    assert_eq!(step(1.0, false).await, (StatusCode::OK, json!(6.0)));
    assert_eq!((active.users(), standby.users()), (2, 0));
    active.kill().await;
    assert_eq!(step(1.0, false).await, (StatusCode::OK, json!(7.0)));
    assert_eq!(standby.users(), 1);
}
