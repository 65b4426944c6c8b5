//! The lake against its promises: round trips, torn segments, recovery, limits.

use super::*;
use std::fs;
use tidegate_core::id::At;
use tidegate_port::FailureKind;

fn prediction(n: i64) -> PredictionRow {
    PredictionRow {
        at: At(1_000 + n),
        event_time: (n % 3 != 0).then_some(At(n)),
        request_id: format!("r{n}"),
        service: if n % 2 == 0 { "late-arrival" } else { "other" }.into(),
        model: "late-arrival".into(),
        version: (1 + n % 2).to_string(),
        role: if n % 5 == 0 { "shadow" } else { "stable" }.into(),
        status: if n % 7 == 0 { 503 } else { 200 },
        latency_us: n as f64 + 0.5,
        score: (n % 7 != 0).then_some(1.0 / (n as f64 + 1.0)),
        decision: (n % 7 != 0).then_some(n % 2 == 0),
        inputs: (0..n % 4).map(|i| i as f32 / 3.0).collect(),
    }
}

fn predictions(range: std::ops::Range<i64>) -> Vec<PredictionRow> {
    range.map(prediction).collect()
}

fn all(lake: &Lake) -> Vec<PredictionRow> {
    lake.read_predictions(&PredictionFilter::default()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn rows_come_back_open_and_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    assert_eq!(all(&lake), []);
    lake.predictions().append(&[]).unwrap();
    lake.predictions().append(&predictions(0..10)).unwrap();
    let reader = Lake::open_read_only(dir.path()).unwrap();
    assert_eq!(all(&reader), predictions(0..10));
    lake.seal().unwrap();
    lake.seal().unwrap();
    assert_eq!(all(&reader), predictions(0..10));
    lake.predictions().append(&predictions(10..13)).unwrap();
    lake.predictions().append(&predictions(13..20)).unwrap();
    assert_eq!(all(&lake), predictions(0..20));
    let manifest = lake.predictions().manifest().unwrap();
    assert_eq!(manifest.segments.len(), 1);
    let first = &manifest.segments[0];
    assert_eq!((first.rows, first.at_min, first.at_max), (10, At(1_000), At(1_009)));
    assert_eq!(tidegate_core::id::Digest::of(&fs::read(lake.predictions().path(first)).unwrap()), first.digest);
    let labels = [FeedbackRow { at: At(1), request_id: "r1".into(), service: "s".into(), label: 1.0 }];
    lake.feedback().append(&labels).unwrap();
    lake.seal().unwrap();
    let read: Vec<FeedbackRow> =
        lake.read_feedback(&FeedbackFilter { service: Some("s".into()), ..Default::default() }).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, labels);
    let exposure = |test: &str, decision| ExposureRow {
        at: At(2),
        request_id: "r1".into(),
        service: "s".into(),
        test: test.into(),
        variant: "a".into(),
        unit: "0f".into(),
        decision,
    };
    lake.exposures().append(&[exposure("t/1", Some(true)), exposure("t/2", None)]).unwrap();
    for sealed in [false, true] {
        let filter = ExposureFilter { test: Some("t/2".into()), ..Default::default() };
        let read: Vec<ExposureRow> = reader.read_exposures(&filter).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [exposure("t/2", None)], "{sealed}");
        lake.seal().unwrap();
    }
    assert_eq!(reader.predictions().append(&predictions(0..1)).unwrap_err().kind, FailureKind::Denied);
    assert_eq!(Lake::open(dir.path()).unwrap_err().kind, FailureKind::Transient);
}

#[test]
fn filters_select_the_same_rows_open_and_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    for start in [0, 30, 60] {
        lake.predictions().append(&predictions(start..start + 30)).unwrap();
        if start < 60 {
            lake.seal().unwrap();
        }
    }
    let filters = [
        PredictionFilter { service: Some("other".into()), ..Default::default() },
        PredictionFilter { version: Some("1".into()), role: Some("shadow".into()), ..Default::default() },
        PredictionFilter { from: Some(At(1_025)), until: Some(At(1_065)), ..Default::default() },
        PredictionFilter { until: Some(At(i64::MIN)), ..Default::default() },
        PredictionFilter { without_inputs: true, from: Some(At(1_060)), ..Default::default() },
    ];
    for filter in filters {
        let wanted: Vec<PredictionRow> = predictions(0..90)
            .into_iter()
            .filter(|row| filter.service.as_ref().is_none_or(|s| *s == row.service))
            .filter(|row| filter.version.as_ref().is_none_or(|v| *v == row.version) && filter.role.as_ref().is_none_or(|r| *r == row.role))
            .filter(|row| filter.from.is_none_or(|from| row.at >= from) && filter.until.is_none_or(|until| row.at < until))
            .map(|row| if filter.without_inputs { PredictionRow { inputs: Vec::new(), ..row } } else { row })
            .collect();
        let read: Vec<PredictionRow> = lake.read_predictions(&filter).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, wanted, "{filter:?}");
    }
}

/// Every place at which a write can be cut: the whole batches before it are read, nothing else, nothing panics.
#[test]
fn a_segment_cut_anywhere_gives_its_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    let open = dir.path().join("predictions/00000000.arrow");
    let mut ends = Vec::new();
    for start in [0, 4, 8] {
        lake.predictions().append(&predictions(start..start + 4)).unwrap();
        ends.push(fs::metadata(&open).unwrap().len() as usize);
    }
    let bytes = fs::read(&open).unwrap();
    drop(lake);
    let copy = tempfile::tempdir().unwrap();
    let table = copy.path().join("predictions");
    fs::create_dir_all(&table).unwrap();
    for cut in (0..=bytes.len()).step_by(3).chain(ends.iter().flat_map(|end| [end - 1, *end])) {
        fs::write(table.join("00000000.arrow"), &bytes[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() as i64;
        assert_eq!(all(&Lake::open_read_only(copy.path()).unwrap()), predictions(0..4 * whole), "cut at {cut}");
    }
    for cut in [0, 1, ends[0] / 2, ends[0], ends[1] - 1, ends[1] + 1, ends[2] - 1, ends[2]] {
        let copy = tempfile::tempdir().unwrap();
        let table = copy.path().join("predictions");
        fs::create_dir_all(&table).unwrap();
        fs::write(table.join("00000000.arrow"), &bytes[..cut]).unwrap();
        let lake = Lake::open(copy.path()).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(all(&lake), predictions(0..4 * whole as i64), "cut at {cut}");
        assert_eq!(lake.recovered().rows, 4 * whole as u64);
        if whole > 0 {
            assert_eq!(lake.recovered().torn_bytes, (cut - ends[whole - 1]) as u64, "cut at {cut}");
        }
        assert!(!table.join("00000000.arrow").exists());
        lake.predictions().append(&predictions(100..101)).unwrap();
        assert_eq!(all(&lake).len(), 4 * whole + 1);
    }
}

#[test]
fn a_crash_between_the_steps_of_sealing_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    lake.predictions().append(&predictions(0..5)).unwrap();
    let table = dir.path().join("predictions");
    let open = fs::read(table.join("00000000.arrow")).unwrap();
    lake.seal().unwrap();
    drop(lake);
    // Listed, but the open segment was not removed yet.
    fs::write(table.join("00000000.arrow"), &open).unwrap();
    assert_eq!(all(&Lake::open_read_only(dir.path()).unwrap()), predictions(0..5));
    let lake = Lake::open(dir.path()).unwrap();
    assert_eq!((all(&lake), lake.recovered()), (predictions(0..5), Recovered::default()));
    drop(lake);
    // Parquet in place, but not listed yet.
    fs::write(table.join("00000000.arrow"), &open).unwrap();
    fs::remove_file(table.join("manifest.json")).unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    assert_eq!((all(&lake), lake.recovered().rows), (predictions(0..5), 5));
}

#[test]
fn limits_have_names_and_damage_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    let long = PredictionRow { request_id: "x".repeat(TEXT_BYTES_MAX + 1), ..prediction(0) };
    assert_eq!(lake.predictions().append(&[long]).unwrap_err().kind, FailureKind::Refused);
    assert_eq!(lake.predictions().append(&vec![PredictionRow::default(); ROWS_PER_APPEND_MAX + 1]).unwrap_err().kind, FailureKind::Refused);
    let rows = vec![FeedbackRow::default(); ROWS_PER_APPEND_MAX];
    for _ in 0..ROWS_PER_SEGMENT_MAX / ROWS_PER_APPEND_MAX as u64 {
        lake.feedback().append(&rows).unwrap();
    }
    let manifest = lake.feedback().manifest().unwrap();
    assert_eq!(manifest.segments.iter().map(|s| s.rows).collect::<Vec<_>>(), [ROWS_PER_SEGMENT_MAX]);
    let path = lake.feedback().path(&manifest.segments[0]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let mut rows = lake.read_feedback(&FeedbackFilter::default()).unwrap();
    assert_eq!(rows.next().unwrap().unwrap_err().kind, FailureKind::Refused);
    assert!(rows.next().is_none());
    drop(lake);
    fs::write(dir.path().join("feedback/manifest.json"), b"{\"v\":1").unwrap();
    assert_eq!(Lake::open(dir.path()).unwrap_err().kind, FailureKind::Refused);
}

fn delivery(source: &str, at: i64) -> DeliveryRow {
    DeliveryRow { at: At(at), happened: At(at), source: source.into(), id: at.to_string(), ..DeliveryRow::default() }
}

fn kept(lake: &Lake) -> Vec<(String, i64)> {
    lake.deliveries().read(&DeliveryFilter::default()).unwrap().map(Result::unwrap).map(|row| (row.source, row.at.0)).collect()
}

#[test]
fn what_is_removed_is_gone_from_the_disk_and_the_rest_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    let remove = |before, source: &'static str| {
        lake.deliveries().remove(At(before), &DeliveryFilter::default(), &|row: &DeliveryRow| row.source == source).unwrap()
    };
    for times in [[1, 2], [3, 4], [5, 6]] {
        lake.deliveries().append(&times.map(|at| delivery("old", at))).unwrap();
        lake.deliveries().append(&times.map(|at| delivery("other", at))).unwrap();
        lake.deliveries().seal().unwrap();
    }
    lake.deliveries().append(&[delivery("old", 7)]).unwrap();
    lake.deliveries().sync().unwrap();
    assert_eq!((remove(5, "old"), remove(5, "old"), remove(1_000, "nobody")), (4, 0, 0));
    let want = [("other", 1), ("other", 2), ("other", 3), ("other", 4), ("old", 5), ("old", 6), ("other", 5), ("other", 6), ("old", 7)];
    assert_eq!(kept(&lake), want.map(|(source, at)| (source.to_owned(), at)));
    // Nothing of it is in any file, and no file is left that nobody lists.
    let table = dir.path().join("deliveries");
    let files = || fs::read_dir(&table).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    assert_eq!(files().iter().filter(|name| name.ends_with(".parquet")).count(), 4);
    assert_eq!((remove(1_000, "other"), remove(1_000, "old")), (6, 3));
    assert_eq!((kept(&lake), files()), (vec![], vec!["manifest.json".to_owned()]));
    // One that a process left which died before it removed it.
    fs::write(table.join("00000000-9.parquet"), "left").unwrap();
    drop(lake);
    let lake = Lake::open(dir.path()).unwrap();
    assert_eq!(files(), ["manifest.json"]);
    lake.deliveries().append(&[delivery("new", 9)]).unwrap();
    lake.seal().unwrap();
    assert_eq!(kept(&lake), [("new".to_owned(), 9)]);
}
