//! One program takes over from another: nobody who asks meanwhile goes without an answer, and the journal goes on.

use crate::retrain::{first_released, stands, trained};
use crate::up::{UP_ARGUMENTS, infer, owner, post, served_by, tensors, up};
use crate::world::{World, has_runtime, wait_for};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Asks again and again until it is told to stop: how often, and how often it was not answered.
fn asked<T>(world: &World, during: impl FnOnce() -> T) -> (u64, u64, T) {
    let (stop, all, lost) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let address = owner(world)["gateway"].as_str().unwrap().to_owned();
    let token = world.read(".tidegate/keys/gateway.token").trim().to_owned();
    let mut done = None;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let body = json!({ "id": "r", "inputs": tensors() }).to_string();
                    all.fetch_add(1, Ordering::SeqCst);
                    let answer = crate::up::asked_at(&address, &token, "/v2/models/s/infer", "", &body);
                    if !answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.contains("\"data\":[3,3,3")) {
                        lost.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        done = Some(during());
        stop.store(true, Ordering::SeqCst);
    });
    (all.into_inner(), lost.into_inner(), done.unwrap())
}

#[test]
fn a_new_program_takes_over_and_no_request_is_lost() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms", "");
    let mut first = up(&world);
    first_released(&world);
    assert_eq!(infer(&world, ""), "1");
    let before = owner(&world);

    // What the new program could not carry out is not begun: nothing is let go.
    let config = world.read("tidegate.yaml");
    world.write("tidegate.yaml", &format!("{config}nonsense: 1\n"));
    first.signal("USR2");
    wait_for("the refusal", || first.so_far().1.contains("nothing is handed over").then_some(()));
    world.write("tidegate.yaml", &config);
    assert_eq!(owner(&world), before);

    let (all, lost, ()) = asked(&world, || {
        first.signal("USR2");
        wait_for("the other process", || (first.status().is_some()).then_some(()));
    });
    assert!(all > 20 && lost == 0, "{lost} of {all}: {:?}", first.so_far());
    assert!(first.so_far().1.contains("has taken over"), "{:?}", first.so_far());
    let after = owner(&world);
    assert_eq!(after["gateway"], before["gateway"]);
    assert_ne!(after["pid"], before["pid"]);
    // It is whole: it answers, trains, and what was recorded by both verifies.
    assert_eq!(infer(&world, ""), "1");
    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "waits");
    assert!(post(&world, "/v2/models/s/infer", "", &json!({ "inputs": tensors() })).starts_with("HTTP/1.1 200"));
    end(&world);
}

#[test]
fn where_the_new_program_dies_the_old_one_serves_on_and_tries_again() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms", "");
    let (program, whole) = (world.beside("program"), world.beside("whole"));
    std::fs::copy(env!("CARGO_BIN_EXE_tidegate"), &program).unwrap();
    let mut first = served_by(world.start_from(&program, UP_ARGUMENTS));
    first_released(&world);
    let before = owner(&world);

    // Another file is in its place, which takes what is configured and dies when it is started.
    std::fs::rename(&program, &whole).unwrap();
    std::fs::write(&program, "#!/bin/sh\n[ \"$1\" = config ] && exit 0\nexit 7\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (all, lost, ()) = asked(&world, || {
        first.signal("USR2");
        let failed = "nobody took over: the new program ended with exit status: 7";
        wait_for("the failure", || first.so_far().1.contains(failed).then_some(()));
    });
    assert!(all > 0 && lost == 0, "{lost} of {all}: {:?}", first.so_far());
    assert!(first.status().is_none(), "it serves on: {:?}", first.so_far());
    assert_eq!(infer(&world, ""), "1");
    assert_eq!((&owner(&world)["pid"], &owner(&world)["gateway"]), (&before["pid"], &before["gateway"]));

    std::fs::rename(&whole, &program).unwrap();
    let (all, lost, ()) = asked(&world, || {
        first.signal("USR2");
        wait_for("the other process", || first.status().is_some().then_some(()));
    });
    assert!(all > 0 && lost == 0, "{lost} of {all}: {:?}", first.so_far());
    assert_eq!(infer(&world, ""), "1");
    end(&world);
}

/// Ends whoever is up; what was recorded verifies.
fn end(world: &World) {
    let pid = owner(world)["pid"].as_u64().unwrap().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    wait_for("its end", || world.run(&["status"]).code.ne(&0).then_some(()));
    world.run(&["audit", "verify"]).well();
}
