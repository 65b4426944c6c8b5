//! Overload, swaps, deaths, and a drain.

use crate::open_loop::{Ledger, Load, Plan};
use crate::setting::{Setting, asking, told, version};
use std::time::{Duration, Instant};
use tidegate_serve::TargetState;

/// Makes the body of a request by its number.
type Body = fn(u64) -> String;

/// Right answers a second within the time in which requests came.
fn goodput(ledger: &Ledger, window: Duration) -> f64 {
    let window_us = window.as_micros() as u64;
    let within = ledger.answers.iter().filter(|a| a.meant_us + a.latency_us <= window_us).count();
    within as f64 / window.as_secs_f64()
}

fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// Five times what a worker can answer, for models of several speeds.
pub async fn overload() {
    println!("overload: five times the peak for 30 s; right answers a second while it lasts, beside the peak of the same worker");
    let bodies: [(u64, Body); 4] = [
        (2, |n| format!(r#"{{"x": {n}, "ms": 2}}"#)),
        (10, |n| format!(r#"{{"x": {n}, "ms": 10}}"#)),
        (30, |n| format!(r#"{{"x": {n}, "ms": 30}}"#)),
        (60, |n| format!(r#"{{"x": {n}, "ms": 60}}"#)),
    ];
    for (model_ms, body) in bodies {
        let setting = Setting::with_one().await;
        let address = setting.gateway.address();
        let closed = Plan { connections: 8, body, ..asking(address, 0.0, 4_000 / model_ms) };
        let ledger = Load::start(closed, Default::default()).end().await;
        ledger.is_clean();
        let peak = ledger.right as f64 / ledger.took.as_secs_f64();
        let window = Duration::from_secs(30);
        let requests = (5.0 * peak * window.as_secs_f64()) as u64;
        let plan = Plan { connections: 640, body, ..asking(address, 5.0 * peak, requests) };
        let load = Load::start(plan, Default::default());
        let (mut waiting, start) = (0, Instant::now());
        while start.elapsed() < window {
            waiting = waiting.max(told(address, "tidegate_worker_in_flight", "").await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let ledger = load.end().await;
        ledger.adds_up();
        let good = goodput(&ledger, window);
        println!(
            "  {model_ms} ms a request: peak {peak:.0}/s, goodput {good:.0}/s = {:.0} %; {ledger}; {:?}; p50 {:.0} ms, p99 {:.0} ms; {waiting} waited at most",
            100.0 * good / peak,
            ledger.statuses,
            ms(ledger.latency_us(0.5)),
            ms(ledger.latency_us(0.99)),
        );
        setting.end().await;
    }
}

/// 200 versions, one after the other, under 500 requests a second.
pub async fn swaps() {
    const SWAPS: u64 = 200;
    let mut setting = Setting::with_one().await;
    let address = setting.gateway.address();
    let quiet = Load::start(asking(address, 500.0, 2_500), Default::default()).end().await;
    let load = Load::start(asking(address, 500.0, u64::MAX), Default::default());
    for n in 2..=SWAPS + 1 {
        setting.load(&version(n)).await;
        setting.apply(&[(version(n - 1), 5_000), (version(n), 5_000)]);
        setting.apply(&[(version(n), 10_000)]);
        setting.pool.unload(&version(n - 1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let ledger = load.stop().await;
    ledger.adds_up();
    println!(
        "swaps: {SWAPS} in {:.1} s: {ledger}; p50 {:.2} ms, p99 {:.2} ms, longest {:.1} ms (without swaps {:.2}, {:.2}, {:.1})",
        ledger.took.as_secs_f64(),
        ms(ledger.latency_us(0.5)),
        ms(ledger.latency_us(0.99)),
        ms(ledger.latency_us(1.0)),
        ms(quiet.latency_us(0.5)),
        ms(quiet.latency_us(0.99)),
        ms(quiet.latency_us(1.0)),
    );
    setting.end().await;
}

/// A worker that is killed 100 times, alone and where another version has half of the requests.
pub async fn kills() {
    const KILLS: u64 = 100;
    for beside in [false, true] {
        let mut setting = Setting::with_one().await;
        if beside {
            setting.load(&version(2)).await;
            setting.apply(&[(version(1), 5_000), (version(2), 5_000)]);
        }
        let load = Load::start(asking(setting.gateway.address(), 300.0, u64::MAX), Default::default());
        let mut away = Duration::ZERO;
        for n in 1..=KILLS {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let process = setting.pool.process(&version(1)).unwrap();
            let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
            let start = Instant::now();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
            let pool = &setting.pool;
            while pool.restarts(&version(1)) < n || pool.state(&version(1)) != Some(TargetState::Ready) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            away += start.elapsed();
        }
        let ledger = load.stop().await;
        ledger.adds_up();
        println!(
            "kills: {KILLS} in {:.1} s, {}: {ledger}; away {:.1} ms each; p99 {:.1} ms",
            ledger.took.as_secs_f64(),
            if beside { "another version beside it" } else { "alone" },
            away.as_secs_f64() * 1e3 / KILLS as f64,
            ms(ledger.latency_us(0.99)),
        );
        setting.end().await;
    }
}

/// A drain under load, with the times that it has when nothing is said.
pub async fn drain() {
    let setting = Setting::with_one().await;
    let load = Load::start(Plan { connections: 32, ..asking(setting.gateway.address(), 500.0, u64::MAX) }, Default::default());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let start = Instant::now();
    let report = setting.gateway.shutdown().await;
    let took = start.elapsed();
    let ledger = load.end().await;
    ledger.adds_up();
    println!("drain: {ledger}, {} refused before they were sent; {} cut; it took {:.2} s", ledger.not_sent, report.cut, took.as_secs_f64());
    setting.pool.shutdown().await;
}
