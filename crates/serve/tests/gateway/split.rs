//! Shares over HTTP: exact, at once, and never for weight 0.

use crate::client::Client;
use crate::world::{INFER, World, candidate, control, route, stable, target, until};
use hyper::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeMap;
use tidegate_core::route::{Carrier, Lot, Preview, Role, RouteTable, Sticky, Stretch, TargetId};
use tidegate_serve::ApplyError;
use tidegate_serve::limits::WORKER_QUEUE_MAX;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_are_exact_on_many_connections() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 9_000), (candidate(), 500), (control(), 500)], 0));
    let expected = BTreeMap::from([("1/stable".to_owned(), 720), ("2/candidate".to_owned(), 40), ("1/control".to_owned(), 40)]);
    assert_eq!(world.ask(8, 100).await, expected);
    let counts: Vec<(String, u64)> =
        world.gateway.take_counts("late-arrival").iter().map(|c| (c.target.to_string(), c.live.requests)).collect();
    let name = |t: &tidegate_core::route::TargetId| t.to_string();
    assert_eq!(counts, [(name(&stable()), 720), (name(&control()), 40), (name(&candidate()), 40)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weight_zero_is_never_served_and_changes_hold_at_once() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    world.apply(route(&[(stable(), 10_000), (candidate(), 0)], 0));
    assert_eq!(world.ask(4, 50).await, BTreeMap::from([("1/stable".to_owned(), 200)]));
    let mut client = world.client();
    let by_version = "/v2/models/late/versions/2/infer";
    let got = client.post(by_version, &json!({ "x": 1 })).await;
    assert_eq!((got.status, got.error().as_str()), (StatusCode::NOT_FOUND, "Request for unknown model: 'late' version 2 is not found"));
    // The same connection goes by the new table with its next request.
    world.apply(route(&[(stable(), 0), (candidate(), 10_000)], 0));
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "2/candidate");
    assert_eq!(client.post(by_version, &json!({ "x": 1 })).await.who(), "2/candidate");
    world.apply(route(&[(stable(), 10_000)], 0));
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "1/stable");
    assert_eq!(client.post(by_version, &json!({ "x": 1 })).await.status, StatusCode::NOT_FOUND);
    // Version 2 saw exactly two users, and that stays known.
    world.pool.unload(&candidate()).await.unwrap();
    let totals = world.gateway.totals("late-arrival");
    assert_eq!(totals.iter().find(|t| t.0 == candidate()).unwrap().1.requests, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_table_stands() {
    let mut world = World::with_stable().await;
    let table = world.gateway.table();
    let apply = |table| world.gateway.apply(table);
    let wrong = RouteTable::new(2, [route(&[(stable(), 9_999)], 0)]);
    assert!(matches!(apply(wrong), Err(ApplyError::Invalid { .. })));
    let unloaded = apply(RouteTable::new(2, [route(&[(stable(), 9_000), (candidate(), 1_000)], 0)])).unwrap_err().to_string();
    assert!(unloaded.contains("late-arrival version 2 (candidate) is not loaded"), "{unloaded}");
    assert!(matches!(apply(RouteTable::new(0, [])), Err(ApplyError::Stale { standing: 1, .. })));
    assert!(matches!(apply(RouteTable::new(1, [])), Err(ApplyError::Conflict { .. })));
    assert!(apply(table.clone()).is_ok(), "the same table again changes nothing");
    assert_eq!(world.gateway.table(), table);
    // A target whose golden answers are wrong never gets weight.
    let wrong = target("3", Role::Candidate);
    world.pool.ensure(world.spec(&wrong, "wrong")).unwrap();
    world.pool.settled(&wrong).await;
    let refused = world.gateway.apply(RouteTable::new(2, [route(&[(stable(), 9_000), (wrong, 1_000)], 0)])).unwrap_err().to_string();
    assert!(refused.contains("was never ready"), "{refused}");
    assert_eq!(world.ask(1, 20).await, BTreeMap::from([("1/stable".to_owned(), 20)]));
    world.apply(route(&[(stable(), 10_000)], 0));
}

/// Twenty users, some of each side, of whom each gets the version of their first request again, also where they say who they are in
/// another way.
async fn each_stays(client: &mut Client, first: fn(u32) -> (&'static str, String), again: fn(u32) -> (&'static str, String)) {
    let mut versions = std::collections::BTreeSet::new();
    for user in 0..20 {
        client.headers = vec![first(user)];
        let version = client.post(INFER, &json!({ "x": 1 })).await.who();
        client.headers = vec![again(user)];
        for _ in 0..5 {
            assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), version, "user {user}");
        }
        versions.insert(version);
    }
    assert_eq!(versions.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_stays_with_its_version() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    let mut route = route(&[(stable(), 5_000), (candidate(), 5_000)], 0);
    route.sticky = Some(Sticky { carrier: Carrier::Header("x-user".to_owned()), salt: "salt".to_owned() });
    world.apply(route);
    let mut client = world.client();
    each_stays(&mut client, |user| ("x-user", format!("user-{user}")), |user| ("x-user", format!("user-{user}"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_keeps_a_client_with_its_version() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    let mut route = route(&[(stable(), 5_000), (candidate(), 5_000)], 0);
    route.sticky = Some(Sticky { carrier: Carrier::Cookie("id".to_owned()), salt: "salt".to_owned() });
    world.apply(route);
    let mut client = world.client();
    each_stays(&mut client, |user| ("cookie", format!("theme=dark; id={user}")), |user| ("cookie", format!("id={user}; theme=light")))
        .await;
    // An empty cookie is no key: such requests are split exactly.
    client.headers = vec![("cookie", "id=; theme=dark".to_owned())];
    let mut split = BTreeMap::new();
    for _ in 0..20 {
        *split.entry(client.post(INFER, &json!({ "x": 1 })).await.who()).or_insert(0) += 1;
    }
    assert!(split.values().all(|n| *n >= 9) && split.len() == 2, "{split:?}");
}

/// A variant of a test on a stretch of the line.
fn stretch(from_bp: u32, until_bp: u32, version: &str, name: &str) -> Stretch {
    Stretch { from_bp, until_bp, target: TargetId::of_variant("late-arrival", version, name) }
}

async fn who(client: &mut Client, user: u32) -> String {
    client.headers = vec![("x-user", format!("user-{user}"))];
    client.post(INFER, &json!({ "x": 1 })).await.who()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_test_stay_and_one_that_was_stopped_moves_nobody_else() {
    let mut world = World::new().await;
    let stretches = vec![stretch(0, 2_500, "1", "control"), stretch(2_500, 5_000, "2", "a"), stretch(5_000, 7_500, "3", "b")];
    let targets: Vec<TargetId> = stretches.iter().map(|s| s.target.clone()).chain([stable()]).collect();
    world.load(&targets).await;
    let lot = Lot { test: "t/1".to_owned(), carrier: Carrier::Header("x-user".to_owned()), salt: "t/1".to_owned(), stretches };
    let mut table = route(&[(stable(), 10_000)], 0);
    table.lot = Some(lot.clone());
    world.apply(table.clone());
    let mut client = world.client();
    let mut first = vec![];
    for user in 0..60 {
        first.push(who(&mut client, user).await);
    }
    let seen: std::collections::BTreeSet<&str> = first.iter().map(String::as_str).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["1/stable", "1/variant", "2/variant", "3/variant"]);
    // Without a key nobody is drawn, and each record says what its client was drawn for.
    client.headers = vec![];
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "1/stable");
    let (mut drawn, mut units) = (BTreeMap::new(), std::collections::BTreeSet::new());
    for _ in 0..61 {
        let record = world.outputs.records.recv().await.unwrap();
        let exposure = record.exposure.map(|e| (e.variant.to_string(), e.unit));
        assert_eq!(exposure.is_some(), record.role == Role::Variant);
        if let Some((variant, unit)) = exposure {
            assert!(!unit.contains("user"), "a pseudonym: {unit}");
            units.insert(unit);
            *drawn.entry(format!("{}/{variant}", record.version)).or_insert(0) += 1;
        }
    }
    assert_eq!(units.len(), drawn.values().sum::<usize>(), "each user is another one");
    assert_eq!(drawn.into_keys().collect::<Vec<_>>(), ["1/control", "2/a", "3/b"]);

    table.lot = Some(Lot { stretches: vec![lot.stretches[0].clone(), lot.stretches[2].clone()], ..lot });
    world.apply(table);
    for (user, before) in (0..60).zip(&first) {
        let expected = if before == "2/variant" { "1/stable" } else { before };
        assert_eq!(who(&mut client, user).await, expected, "user {user}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_many_wait_for_a_variant_the_rest_of_the_route_answers() {
    let mut world = World::new().await;
    let stretches = vec![stretch(0, 10_000, "2", "a")];
    let variant = stretches[0].target.clone();
    world.load(&[variant.clone(), stable()]).await;
    let mut table = route(&[(stable(), 10_000)], 0);
    table.lot = Some(Lot { test: "t/1".to_owned(), carrier: Carrier::Header("x-user".to_owned()), salt: "t/1".to_owned(), stretches });
    world.apply(table);
    let ask = |_| {
        let mut client = world.client();
        client.headers = vec![("x-user", "user-1".to_owned())];
        tokio::spawn(async move { client.post(INFER, &json!({ "x": 1 })).await.who() })
    };
    // As many wait for the variant as may.
    world.signal(&variant, Signal::STOP);
    let waiting: Vec<_> = (0..WORKER_QUEUE_MAX).map(ask).collect();
    until("they wait", || world.pool.in_flight(&variant) == WORKER_QUEUE_MAX as u64).await;
    for further in (0..40).map(ask).collect::<Vec<_>>() {
        assert_eq!(further.await.unwrap(), "1/stable");
    }
    world.signal(&variant, Signal::CONT);
    for one in waiting {
        assert_eq!(one.await.unwrap(), "2/variant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_a_preview_gets_it_and_is_not_counted_for_the_judge() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    let mut table = route(&[(stable(), 10_000)], 0);
    table.preview = Some(Preview { carrier: Carrier::Header("x-preview".to_owned()), value: Some("on".to_owned()), target: candidate() });
    world.apply(table);
    let mut client = world.client();
    for (value, who) in [("on", "2/candidate"), ("off", "1/stable"), ("on", "2/candidate")] {
        client.headers = vec![("x-preview", value.to_owned())];
        assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), who, "{value}");
    }
    client.headers = vec![];
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "1/stable");
    let counted: Vec<(String, u64)> =
        world.gateway.take_counts("late-arrival").iter().map(|c| (c.target.to_string(), c.live.requests)).collect();
    assert_eq!(counted, [(stable().to_string(), 2), (candidate().to_string(), 0)]);
    let totals = world.gateway.totals("late-arrival");
    let seen = totals.iter().find(|t| t.0 == candidate()).unwrap().1;
    assert_eq!((seen.requests, seen.direct), (2, 2), "it is known all the same");
    // Nor are their requests copied and compared, where others' are.
    world.load(&[control()]).await;
    let mut copied = route(&[(stable(), 10_000)], 10_000);
    copied.preview = Some(Preview { carrier: Carrier::Header("x-preview".to_owned()), value: None, target: candidate() });
    world.apply(copied);
    client.headers = vec![("x-preview", "on".to_owned())];
    for _ in 0..5 {
        assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "2/candidate");
    }
    client.headers = vec![];
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "1/stable");
    let pair = world.outputs.pairs.recv().await.unwrap();
    assert_eq!(pair.live.version.as_ref(), "1");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(world.outputs.pairs.try_recv().is_err(), "one request was to be compared");
    // A preview of what is not there is refused whole, and the table before it stands.
    let mut gone = route(&[(stable(), 10_000)], 0);
    gone.preview = Some(Preview { carrier: Carrier::Header("x".to_owned()), value: None, target: target("9", Role::Candidate) });
    assert!(world.gateway.apply(RouteTable::new(9, [gone])).is_err());
}
