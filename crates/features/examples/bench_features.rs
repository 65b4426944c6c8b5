//! How long features take: events taken in, reads of the online state, joins as of a time of columns that lie in memory.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use tidegate_features::{Aggregate, Codes, Event, Feature, Key, Keys, NOTHING, Online, Rule, Timeline, Value, View};
use tidegate_stats::rng::Rng;

const EVENTS: u64 = 1_000_000;
const ENTITIES: u64 = 10_000;
const READS: usize = 200_000;
const ROWS: usize = 1_000_000;
const DAY_MS: i64 = 86_400_000;

fn view() -> View {
    let field = || "x".to_owned();
    let aggregates = [
        Aggregate::Count,
        Aggregate::Sum(field()),
        Aggregate::Mean(field()),
        Aggregate::Min(field()),
        Aggregate::Max(field()),
        Aggregate::Last(field()),
        Aggregate::Distinct(field()),
        Aggregate::SinceLast,
    ];
    let one = |(at, aggregate)| Feature { name: format!("f{at}"), aggregate, window_ms: [7, 30][at % 2] * DAY_MS, only: vec![] };
    View::new("v", vec!["service".to_owned()], aggregates.into_iter().enumerate().map(one).collect(), None, None).unwrap()
}

fn online() {
    let mut rng = Rng::new(3);
    let mut online = Online::new(Arc::new(view()));
    let key = |n: u64| Value::text(&format!("service-{n}"));
    // Two months, in the order of coming; one in ten is late by up to a day.
    let step_ms = 60 * DAY_MS / EVENTS as i64;
    let events: Vec<Event> = (0..EVENTS)
        .map(|n| {
            let known_ms = n as i64 * step_ms;
            let late = if rng.chance(0.1) { rng.below(DAY_MS as u64) as i64 } else { 0 };
            let fields =
                BTreeMap::from([("service".to_owned(), key(rng.below(ENTITIES))), ("x".to_owned(), Value::number(rng.normal()).unwrap())]);
            Event { id: Arc::from(format!("e{n}")), happened_ms: known_ms - late, known_ms, fields }
        })
        .collect();
    let begin = Instant::now();
    for event in &events {
        online.take(event);
    }
    let took = begin.elapsed();
    let (entities, kept) = online.size();
    println!(
        "online: {EVENTS} events taken in {took:.2?}, {:.2} us each; {entities} entities, {kept} events kept",
        took.as_secs_f64() * 1e6 / EVENTS as f64
    );
    let mut times: Vec<f64> = Vec::with_capacity(READS);
    let mut now_ms = EVENTS as i64 * step_ms;
    for _ in 0..READS {
        let key: Key = vec![key(rng.below(ENTITIES))];
        now_ms += 100;
        let begin = Instant::now();
        black_box(online.read(black_box(&key), now_ms));
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "online: a read of 8 features: p50 {:.2} us, p99 {:.2} us, p99.9 {:.2} us, most {:.1} us",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn joins() {
    let mut rng = Rng::new(4);
    let keys = ROWS as u64 / 10;
    let column = |rng: &mut Rng| -> Vec<Option<i64>> { (0..ROWS).map(|_| Some(rng.below(keys) as i64)).collect() };
    let times = |rng: &mut Rng| -> Vec<Option<i64>> { (0..ROWS).map(|_| Some(rng.below(30 * 86_400_000_000) as i64)).collect() };
    let (their, ours) = (column(&mut rng), column(&mut rng));
    let (events, at) = (times(&mut rng), times(&mut rng));
    let created: Vec<Option<i64>> = events.iter().map(|event| event.map(|e| e + rng.below(3_600_000_000) as i64)).collect();
    for rule in [Rule::Strict, Rule::Feast] {
        let begin = Instant::now();
        let codes = Codes::of::<&str>(&[Keys::Wholes(their.clone())]).unwrap();
        let timeline = Timeline::new(&codes, &events, Some(&created), rule).unwrap();
        let laid = begin.elapsed();
        let asked = codes.look::<&str>(&[Keys::Wholes(ours.clone())]).unwrap();
        let found = timeline.find_all(&asked, &at, Some(7 * 86_400_000_000)).unwrap();
        let matched = found.iter().filter(|row| **row != NOTHING).count();
        println!(
            "join, {rule:?}: {ROWS} rows with {ROWS} of {keys} keys on one core: laid out in {laid:.2?}, all in {:.2?}; {matched} matched",
            begin.elapsed()
        );
    }
}

fn main() {
    online();
    joins();
}
