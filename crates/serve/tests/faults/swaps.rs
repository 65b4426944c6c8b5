//! Versions that come and go, and weights that change, under load: who answers, and that somebody does.

use crate::open_loop::{Load, Marks, Plan};
use crate::world::{World, candidate, route, stable, target, until};
use crate::{alone, asking};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate_core::route::{Role, TargetId};

const SWAPS: u64 = 200;

/// Applies a table, and says when it is about to be and when it is.
fn marked(world: &mut World, marks: &Marks, tables: &mut Vec<Vec<String>>, weights: &[(TargetId, u32)]) {
    tables.push(weights.iter().filter(|w| w.1 > 0).map(|w| w.0.version.clone()).collect());
    let number = tables.len() as u64;
    marks.begun.store(number, Ordering::SeqCst);
    world.apply(route(weights, 0));
    marks.done.store(number, Ordering::SeqCst);
}

/// Each answer is of a version that had weight in a table which stood between its request and itself.
fn were_active(answers: &[crate::open_loop::Answered], tables: &[Vec<String>]) {
    for answer in answers {
        let (from, to) = answer.tables;
        let stood = tables.get(from.saturating_sub(1) as usize..to as usize).unwrap();
        assert!(stood.iter().any(|table| table.contains(&answer.version)), "version {} while {stood:?} stood", answer.version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_lose_no_request_and_nobody_else_answers() {
    let _alone = alone().await;
    let mut world = World::new().await;
    let (marks, mut tables) = (Arc::<Marks>::default(), Vec::new());
    let version = |n: u64| target(&n.to_string(), Role::Stable);
    world.load(&[version(0)]).await;
    marked(&mut world, &marks, &mut tables, &[(version(0), 10_000)]);
    let load = Load::start(asking(world.gateway.address(), 500.0, u64::MAX), Arc::clone(&marks));
    for n in 1..=SWAPS {
        let (old, new) = (version(n - 1), version(n));
        world.load(std::slice::from_ref(&new)).await;
        marked(&mut world, &marks, &mut tables, &[(old.clone(), 5_000), (new.clone(), 5_000)]);
        marked(&mut world, &marks, &mut tables, &[(new, 10_000)]);
        world.pool.unload(&old).await.unwrap();
        let settled = load.settled();
        until("requests go on", || load.settled() > settled + 3).await;
    }
    let ledger = load.stop().await;
    ledger.is_clean();
    assert!(ledger.sent >= 4 * SWAPS, "requests came all the time: {ledger}");
    were_active(&ledger.answers, &tables);
    assert_eq!(world.pool.states().len(), 1, "what was unloaded is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_change_between_two_requests_of_connections_that_stay() {
    let _alone = alone().await;
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    let (marks, mut tables) = (Arc::<Marks>::default(), Vec::new());
    marked(&mut world, &marks, &mut tables, &[(stable(), 10_000)]);
    let load = Load::start(asking(world.gateway.address(), 300.0, u64::MAX), Arc::clone(&marks));
    // Others, of which each keeps its connection all the time, and which ask one after the other.
    let mut clients: Vec<_> = (0..32).map(|_| world.client()).collect();
    load.stop().await.is_clean();
    for weight_bp in [0, 1, 500, 5_000, 0, 9_999, 10_000, 3_333, 0] {
        marked(&mut world, &marks, &mut tables, &[(stable(), 10_000 - weight_bp), (candidate(), weight_bp)]);
        let mut seen = BTreeMap::<String, u64>::new();
        for asked in 1..=128_u64 {
            let client = &mut clients[asked as usize % 32];
            *seen.entry(client.post(crate::world::INFER, &serde_json::json!({ "x": 1 })).await.who()).or_default() += 1;
            let got = seen.get("2/candidate").copied().unwrap_or(0);
            // In basis points of a request: less than one off its share at each point.
            let off = (got * 10_000).abs_diff(asked * u64::from(weight_bp));
            assert!(off < 10_000, "{got} of {asked} at {weight_bp} bp");
            assert!(weight_bp > 0 || got == 0, "weight 0 is none");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_that_change_all_the_time_hold_at_once_for_everybody() {
    const CHANGES: u64 = 500;
    let _alone = alone().await;
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    let (marks, mut tables) = (Arc::<Marks>::default(), Vec::new());
    marked(&mut world, &marks, &mut tables, &[(stable(), 10_000)]);
    let plan = Plan { connections: 32, ..asking(world.gateway.address(), 500.0, u64::MAX) };
    let load = Load::start(plan, Arc::clone(&marks));
    for n in 0..CHANGES {
        let settled = load.settled();
        let weight_bp = [0, 10_000, 5_000, 1, 0, 9_999][n as usize % 6];
        marked(&mut world, &marks, &mut tables, &[(stable(), 10_000 - weight_bp), (candidate(), weight_bp)]);
        until("requests go on", || load.settled() > settled).await;
    }
    let ledger = load.stop().await;
    ledger.is_clean();
    were_active(&ledger.answers, &tables);
}
