//! Files that are right, and files with mistakes: every one at once, each at its place.

use super::load;
use expect_test::{Expect, expect};
use tidegate_core::transform::Transform;

/// A flight's transform, with each operation in it.
const FLIGHTS: &str = r#"
version: 1
record:
  id: BYTES
  sched_dep: BYTES
  sched_arr: BYTES
  dest_zone: BYTES
  carrier: BYTES
  dest: { datatype: BYTES, optional: true }
  distance: FP64
  dep_delay: FP64
  wind_speed: { datatype: FP64, optional: true }
time: { field: sched_dep, zone: America/New_York }
id: id
steps:
  - { as: dep_minute, time_part: { of: sched_dep, zone: America/New_York, part: minute_of_day } }
  - { as: carrier_code, category: { of: carrier, values: [9E, "AA", B6], unknown: -1 } }
  - as: sched_minutes
    time_difference: { from: sched_dep, from_zone: America/New_York, to: sched_arr, to_zone: { column: dest_zone } }
  - { as: wind, default: { of: wind_speed, value: 10.35702 } }
  - { as: wind, clamp: { of: wind, max: 60 } }
  - { as: speed, arithmetic: "distance / max(sched_minutes, 1) * 60" }
  - { as: far, bucket: { of: distance, edges: [500, 1000.5] } }
  - { as: letters, length: dest, on_missing: 0 }
  - { as: hub, lookup: { of: dest, table: { ORD: 1, ATL: 2 }, unknown: 0 }, on_missing: keep }
  - { as: delay, rename: dep_delay }
inputs:
  X: [delay, dep_minute, carrier_code, sched_minutes, wind, speed, far, letters]
  H: { datatype: FP64, columns: [hub], nan: allow }
score: { output: probabilities, column: 1 }
"#;

fn check(text: &str, expected: Expect) {
    let told = match load(text, "transform.yaml") {
        Ok(transform) => format!("{transform:?}"),
        Err(problems) => problems
            .problems
            .iter()
            .map(|p| {
                let help = p.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{}:{} {}: {}{help}\n", p.line, p.column, p.path, p.message)
            })
            .collect(),
    };
    expected.assert_eq(&told);
}

#[test]
fn every_operation_is_read_and_its_stored_form_is_the_same() {
    let transform = load(FLIGHTS, "transform.yaml").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(transform.steps.len(), 10);
    let json = transform.to_json().unwrap();
    assert_eq!(Transform::from_json(json.as_bytes()).unwrap(), transform);
    let compiled = transform.compile().unwrap();
    let record = serde_json::json!({
        "id": "1", "sched_dep": "2013-06-01T18:00", "sched_arr": "2013-06-01T21:20", "dest_zone": "America/Los_Angeles",
        "carrier": "9E", "dest": "ORD", "distance": 1000, "dep_delay": -3,
    });
    let rows = compiled.apply(&compiled.record_from_json(record.as_object().unwrap()).unwrap()).unwrap();
    let wanted = [-3.0, 1080.0, 0.0, 380.0, 10.35702, 1000.0 / 380.0 * 60.0, 1.0, 3.0, 1.0];
    assert_eq!(rows.row(0), wanted);
}

#[test]
fn mistakes_of_form() {
    check(
        r"
versoin: 1
record:
  a: FP63
  b: { datatype: BYTES, optional: yes please }
  c: [FP64]
tiem: a
steps:
  - { as: x, arithmetic: 'a ** 2' }
  - { as: y, arithmetic: a, rename: a }
  - { as: z }
  - { categroy: { of: a } }
  - { as: w, time_part: { of: a, zome: UTC, part: hours } }
  - { as: v, on_missing: drop, category: { of: a, values: x, unknown: none } }
  - nothing
  - { as: u, bucket: { of: a, edges: [1, two] } }
  - { as: t, clamp: { of: a, min: low } }
  - { as: s, default: { of: a } }
inputs:
  X: { columns: a, nan: maybe }
  Y: 3
score: { output: p, column: -1 }
",
        expect![[r#"
            2:1 versoin: unknown key `versoin` (did you mean `version`?)
            4:6 record.a: `a` must be one of 14 words, got `FP63` (did you mean `FP64`?)
            5:35 record.b.optional: `optional` must be true or false, got `yes please`
            6:6 record.c: `c` must be one of 14 words, got a list (known: `BOOL`, `UINT8`, `UINT16`, `UINT32`, `UINT64`, `INT8`, `INT16`, `INT32`, `INT64`, `FP16`, `BF16`, `FP32`, `FP64`, `BYTES`)
            7:1 tiem: unknown key `tiem` (did you mean `time`?)
            9:26 steps[0].arithmetic: expected a number, a column, a function, `-` or `(` at character 4, got `*`
            10:29 steps[1]: a step does one thing, this one has two operations (write two steps)
            11:5 steps[2]: the step has no operation (operations: rename, default, arithmetic, time_difference, time_part, category, lookup, length, bucket, clamp)
            12:5 steps[3]: `steps[3]` needs the key `as`
            12:7 steps[3].categroy: unknown key `categroy` (did you mean `category`?)
            13:34 steps[4].time_part.zome: unknown key `zome` (did you mean `zone`?)
            13:51 steps[4].time_part.part: `part` must be one of 8 words, got `hours` (did you mean `hour`?)
            14:26 steps[5].on_missing: there is no `drop`; a text as value is written `{ value: drop }` (known: `refuse`, `keep`)
            14:59 steps[5].category.values: a list is needed here, got a string
            14:71 steps[5].category.unknown: there is no `none`; a text as value is written `{ value: none }` (known: `refuse`, `missing`)
            15:5 steps[6]: `steps[6]` must be a mapping, got a string (keys: as, on_missing, rename, default, arithmetic, time_difference, time_part, category, lookup, length, bucket, clamp)
            16:38 steps[7].bucket.edges: a list of numbers is needed here
            17:35 steps[8].clamp.min: `min` must be a number, got `low`
            18:23 steps[9].default: `default` needs the key `value`
            20:17 inputs.X.columns: `columns` must be a list of columns, got a string
            20:25 inputs.X.nan: `nan` must be one of 2 words, got `maybe` (known: `refuse`, `allow`)
            21:6 inputs.Y: `Y` must be a mapping, got a whole number (keys: datatype, columns, nan)
            22:29 score.column: `column` must be a whole number from 0, got `-1`
        "#]],
    );
}

#[test]
fn mistakes_of_meaning() {
    check(
        r"
record: { a: FP64, t: BYTES }
time: { field: t, zone: Nowhere/City }
id: flight
steps:
  - { as: x, arithmetic: a + b }
  - { as: h, time_part: { of: t, zone: America/NewYork, part: hour } }
  - { as: c, category: { of: t, values: [u, v,
        u] } }
  - { as: a, length: t }
  - { as: d, rename: tt }
inputs:
  X:
    columns:
      - a
      - zz
score: { output: '' }
",
        expect![[r#"
            3:25 time.zone: `Nowhere/City` is not a zone of the IANA time zone database (as `America/New_York`)
            4:5 id: there is no column `flight` here: there are a, t
            6:26 steps[0].arithmetic: there is no column `b` here: there are a, t
            7:40 steps[1].zone: `America/NewYork` is not a zone of the IANA time zone database (as `America/New_York`)
            9:9 steps[2].values: the value at index 2 is listed twice
            10:11 steps[3].as: column `a` is there already and this step does not read it: choose another name
            11:22 steps[4].rename: there is no column `tt` here: there are a, t, x, h, c
            16:9 inputs.X.columns: there is no column `zz` here: there are a, t, x, h, c, d
            17:18 score.output: the score needs the name of an output tensor
        "#]],
    );
}

#[test]
fn files_that_are_no_transform() {
    check(
        "",
        expect![[r#"
        1:1 transform: `transform` must be a mapping, got nothing (keys: version, record, time, id, steps, inputs, score)
    "#]],
    );
    check(
        "a: [",
        expect![[r#"
        2:1 : while parsing a node, did not find expected node content
    "#]],
    );
    check(
        "version: 2\nrecord: {}\n",
        expect![[r#"
        1:1 transform: `transform` needs the key `inputs`
        1:10 version: this program reads version 1, got `2`
    "#]],
    );
    check(
        "record: {}\ninputs: {}\n",
        expect![[r#"
        1:9 record: the record has no field: declare those that the inputs need
        2:9 inputs: there is no input: name the model's input tensors and their columns
    "#]],
    );
}
