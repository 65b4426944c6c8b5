//! Keys: what each may ask for, and who is answered first.

use crate::world::{INFER, TOKEN, World, pool_settings, route, stable, until};
use hyper::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tidegate_serve::{Allowance, Conduct, GatewaySettings, Key, Priority, TargetSpec, TargetState, Tokens};

fn with_keys(settings: &mut GatewaySettings) {
    let few = Allowance { per_second: Some(0.01), burst: 2, per_day: None };
    let today = Allowance { per_day: Some(3), ..Allowance::default() };
    let none = Allowance::default();
    settings.tokens = Tokens::new(vec![TOKEN.to_owned()]).with(vec![
        Key::new("team", "few-a-second", Priority::Interactive, few),
        Key::new("partner", "three-a-day", Priority::Interactive, today),
        Key::new("nightly", "later", Priority::Batch, none),
        Key::new("nobody", "", Priority::Interactive, none),
    ]);
}

async fn world() -> World {
    let mut world = World::with(pool_settings(), with_keys).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_gets_what_it_may_ask_for_and_no_other_pays_for_it() {
    let world = world().await;
    let mut client = world.client();
    let mut ask = async |token: &str| {
        client.token = (!token.is_empty()).then(|| token.to_owned());
        client.post(INFER, &json!({ "x": 1 })).await
    };
    let mut said = Vec::new();
    for token in
        ["few-a-second", "few-a-second", "few-a-second", "three-a-day", "three-a-day", "three-a-day", "three-a-day", TOKEN, "later"]
    {
        let got = ask(token).await;
        said.push((got.status.as_u16(), got.header("retry-after").parse::<u64>().unwrap_or(0), got.error()));
    }
    let statuses: Vec<u16> = said.iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [200, 200, 429, 200, 200, 200, 429, 200, 200]);
    assert!((90..=100).contains(&said[2].1) && said[2].2.starts_with("key 'team' asks for more a second"), "{:?}", said[2]);
    assert!(
        (1..=86_400).contains(&said[6].1) && said[6].2.contains("key 'partner' has asked for as much as it may today"),
        "{:?}",
        said[6]
    );
    assert_eq!(ask("").await.status, StatusCode::UNAUTHORIZED);
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!(counts.live.requests, 7, "what is refused reaches no version");
    client.token = Some(TOKEN.to_owned());
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    for line in [
        "tidegate_key_requests_total{key=\"team\"} 3",
        "tidegate_key_refused_total{key=\"team\"} 1",
        "tidegate_key_requests_total{key=\"partner\"} 4",
        "nv_inference_request_success{model=\"late\",version=\"1\"} 7",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}: {page}");
    }
    assert!(!page.contains("few-a-second") && !page.contains("nobody"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn interactive_requests_overtake_those_that_may_wait() {
    const WAITING: usize = 60;
    let world = world().await;
    let napping = json!({ "x": 1, "do": "nap" });
    let mut first = world.client();
    for _ in 0..3 {
        assert_eq!(first.post(INFER, &napping).await.status, StatusCode::OK);
    }
    let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let send = |priority: &'static str| {
        let (mut client, napping, sender) = (world.client(), napping.clone(), sender.clone());
        client.headers.push(("x-tidegate-priority", priority.to_owned()));
        tokio::spawn(async move {
            let got = client.post(INFER, &napping).await;
            let _ = sender.send((priority, got.status));
        })
    };
    // The worker answers nobody until all of them wait, but for those that it has been handed.
    world.signal(&stable(), Signal::STOP);
    for _ in 0..WAITING {
        send("batch");
    }
    until("the batch waits", || world.pool.in_flight(&stable()) == WAITING as u64).await;
    for _ in 0..5 {
        send("interactive");
    }
    until("all wait", || world.pool.in_flight(&stable()) == WAITING as u64 + 5).await;
    world.signal(&stable(), Signal::CONT);
    let mut order = Vec::new();
    while order.len() < WAITING + 5 {
        let (priority, status) = answered.recv().await.unwrap();
        assert_eq!(status, StatusCode::OK);
        order.push(priority);
    }
    let last = order.iter().rposition(|p| *p == "interactive").unwrap();
    // Five of their own, what the worker had already, and a tenth of the turns.
    assert!(last < WAITING / 3, "{last}: {order:?}");
    let got = {
        first.headers.push(("x-tidegate-priority", "soon".to_owned()));
        first.post(INFER, &napping).await
    };
    assert_eq!((got.status, got.error().as_str()), (StatusCode::BAD_REQUEST, "x-tidegate-priority must be `interactive` or `batch`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_longer_than_the_queue_may_be() {
    let mut world = World::new().await;
    let conduct = Conduct { queue_ms_max: 2_000, ..Conduct::default() };
    world.pool.ensure(TargetSpec { conduct, ..world.spec(&stable(), "") }).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    // Each takes 300 ms and none may wait longer than two seconds: nothing is known of the version yet, and the last ones are sent away
    // when their time has come. From then on, whoever would wait too long is refused at once.
    for known in [false, true] {
        let statuses = burst(&world).await;
        let of = |status: u16| statuses.get(&status).copied().unwrap_or(0);
        assert!(of(200) >= 5 && of(429) >= 8 && of(200) + of(429) == 24, "{known} {statuses:?}");
    }
}

/// How many of 24 that come together are answered with what.
async fn burst(world: &World) -> std::collections::BTreeMap<u16, usize> {
    let sleeping = json!({ "x": 1, "do": "sleep" });
    let tasks: Vec<_> = (0..24)
        .map(|_| {
            let (mut client, sleeping) = (world.client(), sleeping.clone());
            tokio::spawn(async move { client.post(INFER, &sleeping).await })
        })
        .collect();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for task in tasks {
        let got = task.await.unwrap();
        if got.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(got.header("retry-after"), "1");
        }
        *statuses.entry(got.status.as_u16()).or_default() += 1;
    }
    statuses
}
