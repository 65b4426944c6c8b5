//! One definition, three computations: the online state, the offline history, and a slow one that is written here from the words of the
//! documentation alone, over random histories with late, repeated, early and simultaneous events.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidegate_features::{Aggregate, Cell, DISTINCT_MAX, Event, Feature, Key, Online, Row, State, Value, View, history};
use tidegate_stats::rng::Rng;

const HISTORIES: u64 = 100_000;

fn aggregates() -> Vec<Aggregate> {
    let field = |name: &str| name.to_owned();
    vec![
        Aggregate::Count,
        Aggregate::Sum(field("x")),
        Aggregate::Mean(field("x")),
        Aggregate::Min(field("x")),
        Aggregate::Max(field("x")),
        Aggregate::Last(field("x")),
        Aggregate::Last(field("kind")),
        Aggregate::Distinct(field("kind")),
        Aggregate::Distinct(field("x")),
        Aggregate::SinceLast,
        Aggregate::Rate(7),
    ]
}

fn view(rng: &mut Rng) -> View {
    let windows = [1, 5, 10, 25];
    let one = |(at, aggregate): (usize, Aggregate), rng: &mut Rng| Feature {
        name: format!("f{at}"),
        aggregate,
        window_ms: windows[rng.below(4) as usize],
        only: if rng.chance(0.3) { vec![("kind".to_owned(), Value::text("a"))] } else { vec![] },
    };
    let features = aggregates().into_iter().enumerate().map(|feature| one(feature, rng)).collect();
    let ttl = [None, Some(3), Some(40)][rng.below(3) as usize];
    let most = [None, Some(2), Some(5)][rng.below(3) as usize];
    View::new("v", vec!["service".to_owned()], features, ttl, most).unwrap()
}

/// A number of any size, such that adding in another order would round otherwise.
fn number(rng: &mut Rng) -> Option<Value> {
    match rng.below(6) {
        0 => Some(Value::Int(rng.below(5) as i64 - 2)),
        1 => Some(Value::Int(rng.next_u64() as i64)),
        2 => Value::number(rng.normal()),
        3 => Value::number(rng.normal() * 1e17),
        4 => Value::number(rng.normal() * 1e-12),
        _ => None,
    }
}

/// Events in the order in which they became known.
fn events(rng: &mut Rng) -> Vec<Event> {
    let mut events: Vec<Event> = vec![];
    let mut known_ms = 100;
    for n in 0..rng.below(16) {
        known_ms += [0, 0, 1, 2, 9][rng.below(5) as usize];
        if !events.is_empty() && rng.chance(0.15) {
            // Told again, and once with other fields: as it became known first it counts.
            let told = events[rng.below(events.len() as u64) as usize].clone();
            let mut again = Event { known_ms, ..told };
            if rng.chance(0.3) {
                again.fields.insert("x".to_owned(), Value::Int(99));
            }
            events.push(again);
            continue;
        }
        let late = [0, 0, 0, 1, 5, 10, 12, 30, -3, -8][rng.below(10) as usize];
        let mut fields = BTreeMap::from([("service".to_owned(), Value::text(["s", "t"][rng.below(2) as usize]))]);
        fields.extend(number(rng).map(|x| ("x".to_owned(), x)));
        if rng.chance(0.8) {
            fields.insert("kind".to_owned(), Value::text(["a", "b", "c"][rng.below(3) as usize]));
        }
        if rng.chance(0.03) {
            fields.remove("service");
        }
        // Identifiers whose order is not that of coming.
        let id = format!("{}{n}", (b'a' + rng.below(26) as u8) as char);
        events.push(Event { id: Arc::from(id), happened_ms: known_ms - late, known_ms, fields });
    }
    events
}

/// Partial sums of Shewchuk, rounded once: exact, and made otherwise than the crate's.
fn exact(numbers: &[&Value]) -> f64 {
    let mut partials: Vec<f64> = vec![];
    let halves = |value: &&Value| match value {
        Value::Int(whole) => vec![((whole >> 32) as f64) * 4_294_967_296.0, (whole & 0xffff_ffff) as f64],
        other => vec![other.float().unwrap()],
    };
    for number in numbers.iter().flat_map(halves) {
        let (mut x, mut next) = (number, vec![]);
        for y in &partials {
            let (large, small) = if x.abs() < y.abs() { (*y, x) } else { (x, *y) };
            let high = large + small;
            let low = small - (high - large);
            if low != 0.0 {
                next.push(low);
            }
            x = high;
        }
        next.push(x);
        partials = next;
    }
    let Some(mut high) = partials.pop() else { return 0.0 };
    let mut low = 0.0;
    while let (Some(y), true) = (partials.last().copied(), low == 0.0) {
        partials.pop();
        let x = high;
        high = x + y;
        low = y - (high - x);
    }
    if partials.last().is_some_and(|next| (low < 0.0 && *next < 0.0) || (low > 0.0 && *next > 0.0))
        && low * 2.0 == (high + low * 2.0) - high
    {
        high += low * 2.0;
    }
    high + 0.0
}

/// From the documentation: every event is looked at for every row, and held against every other one.
fn slowly(view: &View, events: &[Event], key: &Key, at_ms: i64) -> Row {
    let same = |a: &Event, b: &Event| a.id == b.id && a.happened_ms == b.happened_ms && a.fields.get("service") == b.fields.get("service");
    let first = |(place, event): &(usize, &Event)| {
        !events
            .iter()
            .enumerate()
            .any(|(other_place, other)| same(other, event) && (other.known_ms, other_place) < (event.known_ms, *place))
    };
    let mut counting: Vec<&Event> = events
        .iter()
        .enumerate()
        .filter(first)
        .map(|(_, event)| event)
        .filter(|event| event.fields.get("service") == key.first() && event.happened_ms <= at_ms && event.known_ms <= at_ms)
        .collect();
    counting.sort_by_key(|event| (event.happened_ms, event.known_ms, event.id.clone()));
    let features = view.features().len();
    let nulls = vec![Cell::Null; features];
    let reach = view.features().iter().map(|f| f.window_ms).max().unwrap().max(view.ttl_ms());
    let Some(newest) = counting.last().filter(|event| event.happened_ms > at_ms - reach) else {
        return Row { at_ms, state: State::Missing, newest_ms: None, cells: nulls };
    };
    let newest_ms = Some(newest.happened_ms);
    if newest.happened_ms <= at_ms - view.ttl_ms() {
        return Row { at_ms, state: State::Outdated, newest_ms, cells: nulls };
    }
    let cell = |feature: &Feature| {
        let window: Vec<&&Event> = counting.iter().filter(|event| event.happened_ms > at_ms - feature.window_ms).collect();
        if window.len() > view.events_max() {
            return Cell::Over;
        }
        let passing: Vec<&&&Event> = window.iter().filter(|e| feature.only.iter().all(|(f, v)| e.fields.get(f) == Some(v))).collect();
        let values: Vec<&Value> = passing.iter().filter_map(|event| event.fields.get(feature.aggregate.field()?)).collect();
        let numbers: Vec<&Value> = values.iter().copied().filter(|value| value.float().is_some()).collect();
        let number = |x: f64| Value::number(x).map_or(Cell::Null, Cell::Value);
        let value = |value: Option<&Value>| value.cloned().map_or(Cell::Null, Cell::Value);
        let count = |many: usize| Cell::Value(Value::Int(many as i64));
        match &feature.aggregate {
            Aggregate::Count => count(passing.len()),
            Aggregate::Sum(_) => number(exact(&numbers)),
            Aggregate::Mean(_) if numbers.is_empty() => Cell::Null,
            Aggregate::Mean(_) => number(exact(&numbers) / numbers.len() as f64),
            Aggregate::Min(_) => value(numbers.iter().copied().min()),
            Aggregate::Max(_) => value(numbers.iter().copied().max()),
            Aggregate::Last(_) => value(values.last().copied()),
            Aggregate::Distinct(_) => count(values.iter().map(|v| format!("{v:?}")).collect::<BTreeSet<_>>().len().min(DISTINCT_MAX)),
            Aggregate::SinceLast => passing.last().map_or(Cell::Null, |event| number((at_ms - event.happened_ms) as f64 / 1_000.0)),
            Aggregate::Rate(per_ms) => number(passing.len() as f64 * *per_ms as f64 / feature.window_ms as f64),
        }
    };
    Row { at_ms, state: State::Found, newest_ms, cells: view.features().iter().map(cell).collect() }
}

/// To the bit: equal floats of other bits are not the same here.
fn bits(row: &Row) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Value(Value::Float(x)) => format!("{:x}", x.to_bits()),
        other => format!("{other:?}"),
    };
    format!("{} {:?} {:?} {:?}", row.at_ms, row.state, row.newest_ms, row.cells.iter().map(cell).collect::<Vec<_>>())
}

/// What a history showed: states and cells by kind, so that the test can say that it was of something.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    fn row(&mut self, row: &Row) {
        let state = match row.state {
            State::Found => "found",
            State::Outdated => "outdated",
            State::Missing => "missing",
        };
        *self.0.entry(state).or_default() += 1;
        for cell in &row.cells {
            let kind = match cell {
                Cell::Value(Value::Float(_)) => "float",
                Cell::Value(_) => "value",
                Cell::Null => "null",
                Cell::Over => "over",
            };
            *self.0.entry(kind).or_default() += 1;
        }
    }
}

fn held_against_one_another(seed: u64, seen: &mut Seen) {
    let mut rng = Rng::new(seed);
    let view = view(&mut rng);
    let events = events(&mut rng);
    let keys: [Key; 3] = [vec![Value::text("s")], vec![Value::text("t")], vec![Value::text("nobody")]];
    let mut online = Online::new(Arc::new(view.clone()));
    let (mut rows, mut live): (Vec<(Key, i64)>, Vec<Row>) = (vec![], vec![]);
    let mut now_ms = 0;
    for (n, event) in events.iter().enumerate() {
        online.take(event);
        now_ms = now_ms.max(event.known_ms);
        // Asked between events, never before all of one instant are there: what comes after is known later.
        let next_ms = events.get(n + 1).map_or(event.known_ms + 60, |next| next.known_ms);
        while now_ms < next_ms && rng.chance(0.7) {
            for key in keys.iter().filter(|_| rng.chance(0.6)).collect::<Vec<_>>() {
                rows.push((key.clone(), now_ms));
                live.push(online.read(key, now_ms));
            }
            now_ms += [1, 1, 4, 5, 10, 11][rng.below(6) as usize];
            now_ms = now_ms.min(next_ms);
        }
    }
    let offline = history(&view, &events, &rows);
    assert_eq!(offline.len(), rows.len());
    for (((key, at_ms), live), offline) in rows.iter().zip(&live).zip(&offline) {
        let slow = slowly(&view, &events, key, *at_ms);
        assert_eq!(bits(live), bits(&slow), "online, seed {seed}, {key:?}\n{view:#?}\n{events:#?}");
        assert_eq!(bits(offline), bits(&slow), "offline, seed {seed}, {key:?}\n{view:#?}\n{events:#?}");
        seen.row(live);
    }
}

#[test]
fn features_are_the_same_bits_online_offline_and_slowly_on_random_histories() {
    let halves: Vec<Seen> = std::thread::scope(|scope| {
        let half = |from: u64| {
            move || {
                let mut seen = Seen::default();
                (from..HISTORIES).step_by(2).for_each(|seed| held_against_one_another(seed, &mut seen));
                seen
            }
        };
        let threads: Vec<_> = (0..2).map(|from| scope.spawn(half(from))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    halves.iter().flat_map(|seen| &seen.0).for_each(|(kind, many)| *all.entry(kind).or_default() += many);
    println!("{all:?}");
    for kind in ["found", "outdated", "missing", "float", "value", "null", "over"] {
        assert!(all.get(kind).is_some_and(|many| *many > HISTORIES / 10), "{kind}: {all:?}");
    }
}
