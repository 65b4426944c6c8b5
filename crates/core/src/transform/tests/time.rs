//! Times: zones from names, fields and look-ups; clock changes; instants and local times.

use super::run;
use crate::transform::{EventTime, Zone};
use expect_test::expect;
use serde_json::json;

#[test]
fn scheduled_minutes_between_two_zones() {
    // The second zone comes from a field, the third column shows what one wrong zone does to it.
    let got = run(
        json!([["dep", "BYTES"], ["arr", "BYTES"], ["zone", "BYTES"]]),
        json!([
            { "as": "right", "operation": { "time_difference": { "from": "dep", "from_zone": { "named": "America/New_York" }, "to": "arr", "to_zone": { "column": "zone" } } } },
            { "as": "slipped", "operation": { "time_difference": { "from": "dep", "from_zone": { "named": "America/New_York" }, "to": "arr", "to_zone": { "named": "America/New_York" } } } },
        ]),
        json!(["right", "slipped"]),
        &[
            json!({"dep": "2013-01-01T05:15:00", "arr": "2013-01-01T08:19:00", "zone": "America/New_York"}),
            json!({"dep": "2013-06-01T18:00:00", "arr": "2013-06-01T21:20:00", "zone": "America/Los_Angeles"}),
            json!({"dep": "2013-06-01 18:00", "arr": "2013-06-02T01:20:00Z", "zone": "America/Los_Angeles"}),
            json!({"dep": "2013-03-09T23:00:00", "arr": "2013-03-10T05:00:00", "zone": "America/Phoenix"}),
            json!({"dep": "2013-06-01T18:00:00", "arr": "yesterday", "zone": "America/Phoenix"}),
            json!({"dep": "2013-06-01T18:00:00", "arr": "2013-06-01T21:20:00", "zone": "America/Nowhere"}),
        ],
    );
    expect![[r#"
        [184.0, 184.0]
        [380.0, 200.0]
        [200.0, 200.0]
        [480.0, 300.0]
        record 0: step `right`: field `arr` `yesterday` is not a time: write `2013-06-01T08:15` or `2013-06-01T08:15:00Z`
        record 0: step `right`: field `zone` `America/Nowhere` is not a zone of the IANA time zone database (as `America/New_York`)
    "#]]
    .assert_eq(&got);
}

#[test]
fn zones_from_a_look_up() {
    let steps = |lisbon: &str| {
        json!([
            { "as": "zone", "operation": { "lookup": { "of": "dest", "table": { "LIS": lisbon, "FNC": "Atlantic/Madeira" } } } },
            { "as": "hour", "operation": { "time_part": { "of": "at", "zone": { "column": "zone" }, "part": "hour" } } },
        ])
    };
    let record = json!([["dest", "BYTES"], ["at", "INT64"]]);
    let records = [json!({"dest": "LIS", "at": 0}), json!({"dest": "FNC", "at": 1_373_100_000_000_i64}), json!({"dest": "OPO", "at": 0})];
    expect![[r#"
        [1.0]
        [9.0]
        record 0: step `zone`: field `dest` has the value `OPO`, which the list does not know
    "#]]
    .assert_eq(&run(record.clone(), steps("Europe/Lisbon"), json!(["hour"]), &records));
    expect![[r#"
        steps[1].zone: `Europe/Lisboa` is not a zone of the IANA time zone database (as `America/New_York`)
    "#]]
    .assert_eq(&run(record, steps("Europe/Lisboa"), json!(["hour"]), &records));
}

#[test]
fn skipped_and_repeated_hours() {
    // 2013-03-10 02:30 does not exist in New York; 2013-11-03 01:30 is there twice.
    let got = run(
        json!([["from", "BYTES"], ["to", "BYTES"]]),
        json!([{ "as": "m", "operation": { "time_difference": { "from": "from", "from_zone": { "named": "America/New_York" }, "to": "to", "to_zone": { "named": "America/New_York" }, "unit": "hours" } } }]),
        json!(["m"]),
        &[
            json!({"from": "2013-03-10T01:30", "to": "2013-03-10T03:30"}),
            json!({"from": "2013-03-10T01:30", "to": "2013-03-10T02:30"}),
            json!({"from": "2013-11-03T00:30", "to": "2013-11-03T01:30"}),
            json!({"from": "2013-11-03T01:30", "to": "2013-11-03T02:30"}),
        ],
    );
    expect![[r#"
        [1.0]
        [1.0]
        [1.0]
        [2.0]
    "#]]
    .assert_eq(&got);
}

#[test]
fn parts() {
    let part = |part: &str| json!({ "as": part, "operation": { "time_part": { "of": "t", "zone": { "named": "America/New_York" }, "part": part } } });
    let names = ["hour", "minute", "minute_of_day", "weekday", "day", "day_of_year", "month", "year"];
    let got = run(
        json!([["t", "BYTES"]]),
        json!(names.map(part)),
        json!(names),
        &[
            json!({"t": "2013-02-03T17:45:59"}),
            json!({"t": "2013-01-01T02:00:00Z"}),
            json!({"t": "2013-01-01T02:00:00[America/New_York]"}),
            json!({"t": ""}),
        ],
    );
    expect![[r#"
        [17.0, 45.0, 1065.0, 6.0, 3.0, 34.0, 2.0, 2013.0]
        [21.0, 0.0, 1260.0, 0.0, 31.0, 366.0, 12.0, 2012.0]
        record 0: step `hour`: field `t` `2013-01-01T02:00:00[America/New_York]` is not a time: write `2013-06-01T08:15` or `2013-06-01T08:15:00Z`
        record 0: step `hour`: field `t` `` is not a time: write `2013-06-01T08:15` or `2013-06-01T08:15:00Z`
    "#]]
    .assert_eq(&got);
}

#[test]
fn event_time_and_id() {
    let mut spec = super::transform(json!([["t", "BYTES", true], ["id", "INT64", true]]), json!([]), json!(["id"]));
    spec.time = Some(EventTime { field: "t".into(), zone: Some(Zone::Named("America/New_York".into())) });
    spec.id = Some("id".into());
    let compiled = spec.compile().unwrap();
    let of = |json: serde_json::Value| {
        let record = compiled.record_from_json(json.as_object().unwrap()).unwrap();
        (compiled.event_time(&record).map(|at| at.map(|at| at.to_string())), compiled.record_id(&record))
    };
    assert_eq!(of(json!({"t": "2013-06-01T08:15", "id": 7})), (Ok(Some("2013-06-01T12:15:00.000Z".into())), Some("7".into())));
    assert_eq!(of(json!({})), (Ok(None), None));
    assert!(of(json!({"t": "noon"})).0.unwrap_err().contains("is not a time"));
}
