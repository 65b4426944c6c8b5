//! Transforms as data: a transform and records in, rows or sentences out.

mod compile;
mod expression;
mod steps;
mod time;

use crate::transform::{Compiled, Transform};
use serde_json::{Value as Json, json};

/// A transform over `record` (as `[name, datatype, optional]`) with `steps`, whose only input is `columns`.
fn transform(record: Json, steps: Json, columns: Json) -> Transform {
    let fields: Vec<Json> =
        record.as_array().unwrap().iter().map(|f| json!({ "name": f[0], "datatype": f[1], "optional": f.get(2).is_some() })).collect();
    let whole = json!({ "record": fields, "steps": steps, "inputs": [{ "tensor": "x", "datatype": "FP64", "columns": columns }] });
    serde_json::from_value(whole).unwrap()
}

/// One line a record: the row of inputs, or why there is none.
fn applied(compiled: &Compiled, records: &[Json]) -> String {
    let mut out = String::new();
    for record in records {
        let values = compiled.record_from_json(record.as_object().unwrap());
        let line = match values {
            Err(error) => format!("bad record: {error}"),
            Ok(values) => match compiled.apply(&values) {
                Ok(rows) => format!("{:?}", rows.row(0)),
                Err(refusal) => refusal.to_string(),
            },
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn run(record: Json, steps: Json, columns: Json, records: &[Json]) -> String {
    match transform(record, steps, columns).compile() {
        Ok(compiled) => applied(&compiled, records),
        Err(mistakes) => mistakes.iter().map(|m| format!("{m}\n")).collect(),
    }
}
