//! What a request takes that is not recorded: no more memory than where no traces are configured.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, unsafe_code, missing_docs)]

#[allow(dead_code, reason = "what the tests of the gateway ask more for")]
#[path = "../gateway/client.rs"]
mod client;
#[allow(dead_code, reason = "what the tests of the gateway ask more for")]
#[path = "../gateway/world.rs"]
mod world;

use serde_json::json;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_serve::{TraceEndpoint, TraceSettings};
use world::{INFER, World, pool_settings, route, stable};

/// The system's, with a count of what it is asked for.
struct Counted;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// The fewest times that memory was asked for while one of many requests was answered: client and gateway, on one thread.
async fn fewest(traces: Option<TraceSettings>, headers: &[(&'static str, &str)]) -> u64 {
    let mut world = World::with(pool_settings(), |settings| settings.traces = traces).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    client.headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let body = json!({ "x": 1 });
    let mut fewest = u64::MAX;
    for _ in 0..300 {
        let before = ASKED.load(Ordering::Relaxed);
        assert_eq!(client.post(INFER, &body).await.status, 200);
        fewest = fewest.min(ASKED.load(Ordering::Relaxed) - before);
    }
    fewest
}

#[tokio::test]
async fn a_request_that_is_not_recorded_asks_for_no_more_memory() {
    let traces = |ratio: f64| TraceSettings {
        endpoint: TraceEndpoint::parse("http://127.0.0.1:9").unwrap(),
        ratio,
        service_name: "gate".to_owned(),
        headers: vec![],
        ca: None,
        timeout_ms: 1_000,
    };
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    for headers in [&[][..], &[("traceparent", parent)], &[("traceparent", parent), ("tracestate", "a=1,b=2")]] {
        let (without, with) = (fewest(None, headers).await, fewest(Some(traces(0.0)), headers).await);
        assert_eq!(without, with, "{headers:?}");
    }
    let (without, recorded) = (fewest(None, &[]).await, fewest(Some(traces(1.0)), &[]).await);
    assert!(recorded > without, "what is counted is counted: {recorded} {without}");
}
