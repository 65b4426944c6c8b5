//! Each operation, with values, with missing ones and with values that it does not know.

use super::{run, transform};
use crate::transform::{Compiled, Transform, Value};
use expect_test::expect;
use serde_json::json;

#[test]
fn numbers() {
    let got = run(
        json!([["a", "FP64", true], ["b", "INT64"]]),
        json!([
            { "as": "sum", "operation": { "arithmetic": { "expression": "a * 2 + b" } } },
            { "as": "ratio", "operation": { "arithmetic": { "expression": "a / b" } }, "on_missing": { "value": -1 } },
            { "as": "between", "operation": { "clamp": { "of": "b", "min": 0, "max": 3 } } },
            { "as": "bin", "operation": { "bucket": { "of": "b", "edges": [0, 1, 10] } } },
        ]),
        json!(["sum", "ratio", "between", "bin"]),
        &[
            json!({"a": 1.5, "b": 2}),
            json!({"a": 1, "b": -1}),
            json!({"a": 1, "b": 0}),
            json!({"b": 10}),
            json!({"a": 1}),
            json!({"a": "1", "b": 2}),
            json!({"a": 1, "b": 2.5}),
        ],
    );
    expect![[r#"
        [5.0, 0.75, 2.0, 2.0]
        [1.0, -1.0, 0.0, 0.0]
        record 0: step `ratio`: gives inf, not a finite number
        record 0: step `sum`: field `a` is missing and the step refuses a missing value
        bad record: record has no field `b` (INT64), which the transform declares as required
        bad record: record's field `a` must be FP64 or null, got "1"
        bad record: record's field `b` must be INT64 or null, got 2.5
    "#]]
    .assert_eq(&got);
}

#[test]
fn texts() {
    let got = run(
        json!([["carrier", "BYTES", true], ["gate", "INT64", true]]),
        json!([
            { "as": "code", "operation": { "category": { "of": "carrier", "values": ["AA", "UA", "é"], "unknown": { "value": -1 } } }, "on_missing": { "value": -2 } },
            { "as": "strict", "operation": { "category": { "of": "carrier", "values": ["AA", "UA", "é"] } }, "on_missing": "keep" },
            { "as": "fleet", "operation": { "lookup": { "of": "carrier", "table": { "AA": 900, "é": 5 }, "unknown": "missing" } }, "on_missing": "keep" },
            { "as": "fleet", "operation": { "default": { "of": "fleet", "value": 1 } } },
            { "as": "letters", "operation": { "length": { "of": "carrier" } }, "on_missing": { "value": 0 } },
            { "as": "side", "operation": { "lookup": { "of": "gate", "table": { "1": 10, "-0": 20 }, "unknown": { "value": 0 } } }, "on_missing": { "value": 7 } },
            { "as": "strict", "operation": { "default": { "of": "strict", "value": -9 } } },
        ]),
        json!(["code", "strict", "fleet", "letters", "side"]),
        &[
            json!({"carrier": "AA", "gate": 1}),
            json!({"carrier": "é", "gate": 0}),
            json!({"carrier": "UA", "gate": 5}),
            json!({}),
            json!({"carrier": "ZZ"}),
        ],
    );
    expect![[r#"
        [0.0, 0.0, 900.0, 2.0, 10.0]
        [2.0, 2.0, 5.0, 1.0, 20.0]
        [1.0, 1.0, 1.0, 2.0, 0.0]
        [-2.0, -9.0, 1.0, 0.0, 7.0]
        record 0: step `strict`: field `carrier` has the value `ZZ`, which the list does not know
    "#]]
    .assert_eq(&got);
}

#[test]
fn a_missing_input_is_refused_unless_allowed_and_names_the_field_behind_it() {
    let mut spec = transform(
        json!([["wind", "FP64", true], ["gust", "FP64", true], ["id", "BYTES"]]),
        json!([
            { "as": "w", "operation": { "rename": { "of": "wind" } }, "on_missing": "keep" },
            { "as": "both", "operation": { "arithmetic": { "expression": "w + gust" } }, "on_missing": "keep" },
        ]),
        json!(["w", "both"]),
    );
    spec.id = Some("id".into());
    let records = [json!({"id": "u1", "wind": 1, "gust": 2}), json!({"id": "u2", "gust": 2}), json!({"id": "u3", "wind": 1, "gust": null})];
    let refusing = super::applied(&spec.compile().unwrap(), &records);
    expect![[r#"
        [1.0, 3.0]
        record 0 (id `u2`): input `x`, column `w`: field `wind` is missing and the input is not declared `nan: allow`
        record 0 (id `u3`): input `x`, column `both`: field `gust` is missing and the input is not declared `nan: allow`
    "#]]
    .assert_eq(&refusing);
    spec.inputs[0].nan = crate::transform::Nan::Allow;
    let allowing = super::applied(&spec.compile().unwrap(), &records);
    expect![[r#"
        [1.0, 3.0]
        [NaN, NaN]
        [1.0, NaN]
    "#]]
    .assert_eq(&allowing);
}

#[test]
fn a_batch_names_the_record_and_keeps_what_was_before_it() {
    let compiled = transform(json!([["a", "FP64", true]]), json!([]), json!(["a", "a"])).compile().unwrap();
    let (mut slots, mut rows) = (Vec::new(), compiled.rows(3));
    compiled.apply_into(&[Value::F64(1.0)], &mut slots, &mut rows).unwrap();
    let refused = compiled.apply_into(&[Value::Null], &mut slots, &mut rows).unwrap_err();
    assert_eq!((refused.record, refused.field.as_deref()), (1, Some("a")));
    compiled.apply_into(&[Value::I64(2)], &mut slots, &mut rows).unwrap();
    assert_eq!((rows.rows(), rows.row(0), rows.row(1), rows.row(2)), (2, vec![1.0, 1.0], vec![2.0, 2.0], vec![]));
    let all = compiled.apply_batch([vec![Value::F64(1.0)], vec![Value::Null]].into_iter()).unwrap_err();
    assert_eq!(all.record, 1);
}

#[test]
fn numbers_that_a_datatype_cannot_hold_are_refused() {
    let narrow = |datatype: &str, value: f64| {
        let mut spec = transform(json!([["a", "FP64"]]), json!([]), json!(["a"]));
        spec.inputs[0].datatype = crate::model::Datatype::parse(datatype).unwrap();
        spec.compile().unwrap().apply(&[Value::F64(value)]).map(|rows| rows.row(0)).map_err(|r| r.why)
    };
    assert_eq!(narrow("INT8", -128.0), Ok(vec![-128.0]));
    assert_eq!(narrow("INT8", 128.0), Err("is 128, which INT8 cannot hold".into()));
    assert_eq!(narrow("INT64", 0.5), Err("is 0.5, which INT64 cannot hold".into()));
    assert_eq!(narrow("FP32", 1e39), Err("is 1000000000000000000000000000000000000000, beyond FP32".into()));
}

#[test]
fn the_stored_form_gives_the_same_transform_and_the_same_bytes() {
    let spec = transform(
        json!([["a", "FP64", true], ["t", "BYTES"]]),
        json!([
            { "as": "b", "operation": { "arithmetic": { "expression": "min(a, 2) * 0.1" } }, "on_missing": { "value": 0.1 } },
            { "as": "h", "operation": { "time_part": { "of": "t", "zone": { "named": "America/New_York" }, "part": "hour" } } },
        ]),
        json!(["b", "h"]),
    );
    let json = spec.to_json().unwrap();
    let again = Transform::from_json(json.as_bytes()).unwrap();
    assert_eq!(again, spec);
    assert_eq!(again.to_json().unwrap(), json);
    let newer = json.replacen("\"v\": 1", "\"v\": 2", 1);
    assert_eq!(
        Transform::from_json(newer.as_bytes()).unwrap_err().to_string(),
        "read stored transform: it has form 2, this program reads up to form 1: upgrade it"
    );
    assert!(Transform::from_json(b"{\"v\":1}").is_err());
}

#[test]
fn can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Compiled>();
}
