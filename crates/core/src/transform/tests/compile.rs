//! Every mistake of a transform is found at once and says where.

use super::{run, transform};
use expect_test::expect;
use serde_json::json;

#[test]
fn mistakes_in_steps() {
    let got = run(
        json!([["a", "FP64"], ["t", "BYTES"], ["a", "INT64"], ["h", "FP16"]]),
        json!([
            { "as": "b", "operation": { "arithmetic": { "expression": "t + nothing" } } },
            { "as": "a", "operation": { "length": { "of": "t" } } },
            { "as": "c", "operation": { "rename": { "of": "t" } } },
            { "as": "d", "operation": { "length": { "of": "t" } } },
            { "as": "e", "operation": { "bucket": { "of": "a", "edges": [1, 1] } } },
            { "as": "f", "operation": { "category": { "of": "c", "values": ["x", "x", 3] } } },
            { "as": "g", "operation": { "default": { "of": "a", "value": "none" } } },
            { "as": "i", "operation": { "clamp": { "of": "a", "min": 2, "max": 1 } }, "on_missing": { "value": "x" } },
            { "as": "", "operation": { "lookup": { "of": "a", "table": { "one": 1 }, "unknown": { "value": 1 } } } },
            { "as": "j", "operation": { "time_part": { "of": "c", "zone": { "named": "New York" }, "part": "hour" } } },
            { "as": "k", "operation": { "lookup": { "of": "a", "table": {} } } },
        ]),
        json!(["b", "c", "zz"]),
        &[],
    );
    expect![[r#"
        record[2].name: field `a` is declared twice
        record[3].datatype: records do not carry FP16: use FP32
        steps[0].arithmetic: column `t` holds texts, needed are numbers or booleans
        steps[0].arithmetic: there is no column `nothing` here: there are a, t, h
        steps[1].as: column `a` is there already and this step does not read it: choose another name
        steps[3].of: there is no column `t` here: there are a, h, b, c
        steps[4].edges: edges must rise strictly
        steps[5].values: the value at index 1 is listed twice
        steps[5].values: the value is one of numbers, the column holds texts
        steps[6].value: the value is one of texts, the column holds numbers
        steps[7].min: min 2 is above max 1
        steps[8].table: key `one` is no number, column `a` holds numbers
        steps[8].as: a step needs the name of the column that it gives
        steps[9].zone: `New York` is not a zone of the IANA time zone database (as `America/New_York`)
        steps[10].table: a table has 1 to 100000 entries, got 0
        inputs[0].columns: column `c` holds texts, needed are numbers or booleans
        inputs[0].columns: there is no column `zz` here: there are a, h, b, c, d, e, f, g, i, , j, k
    "#]]
    .assert_eq(&got);
}

#[test]
fn mistakes_around_the_steps() {
    let mut spec = transform(json!([["a", "INT64"]]), json!([]), json!(["a"]));
    spec.inputs[0].datatype = crate::model::Datatype::Int64;
    spec.inputs[0].nan = crate::transform::Nan::Allow;
    spec.inputs.push(spec.inputs[0].clone());
    spec.inputs[1].columns.clear();
    spec.id = Some("b".into());
    spec.time = Some(crate::transform::EventTime { field: "c".into(), zone: Some(crate::transform::Zone::Column("d".into())) });
    spec.score = Some(crate::transform::Score { output: String::new(), column: None });
    let got: String = spec.compile().unwrap_err().iter().map(|m| format!("{m}\n")).collect();
    expect![[r#"
        time.field: there is no column `c` here: there are a
        time.zone: there is no column `d` here: there are a
        id: there is no column `b` here: there are a
        inputs[0].nan: INT64 has no value for a missing one: only FP32 and FP64 have
        inputs[1].tensor: input `x` is declared twice
        inputs[1].columns: an input has 1 to 16384 columns, got 0
        inputs[1].nan: INT64 has no value for a missing one: only FP32 and FP64 have
        score.output: the score needs the name of an output tensor
    "#]]
    .assert_eq(&got);
    let empty = crate::transform::Transform::default().compile().unwrap_err();
    assert_eq!(empty.iter().map(|m| m.key).collect::<Vec<_>>(), ["record", "inputs"]);
}
