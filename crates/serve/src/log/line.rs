//! One prediction as a line of JSON: its record, and of its request the inputs that may be told. Pure.

use crate::frame::{Body, Form};
use crate::record::PredictionRecord;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use tidegate_core::id::At;
use tidegate_core::scan::{Action, Findings, Rules};
use tidegate_runtime::oip::{self, read_infer_request};
use tidegate_runtime::{Tensor, TensorData};

/// Values of one input that are told; further ones are not.
pub const VALUES_MAX: usize = 64;
/// Characters of one text that are told.
pub const TEXT_CHARS_MAX: usize = 256;
/// Bytes of a request that is read for its inputs; those of longer ones are not told.
pub const READ_BYTES_MAX: usize = 1024 * 1024;
/// What stands for a number that JSON lacks.
const NO_NUMBER: Json = Json::Null;
/// The role of copies that no user saw, as the lake has it.
const SHADOW: &str = "shadow";

/// What of a request may be told.
#[derive(Clone, Debug)]
pub struct Told {
    pub body: Body,
    /// What is looked for in texts: here all of it is masked.
    pub scan: Rules,
}

/// Whether a request's prediction is among the share that is told: the same everywhere, whoever answers.
pub fn takes(share: f64, request_id: &str) -> bool {
    let digest = blake3::hash(request_id.as_bytes());
    let first = digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // The largest number below 1 that a float holds is less than 1, so a share of 1 takes all.
    ((first >> 11) as f64) < share * (1_u64 << 53) as f64
}

/// The line, with its end.
pub fn line(record: &PredictionRecord, told: Option<&Told>, allowed: &BTreeSet<String>) -> String {
    let mut line = json!({
        "time": At(record.at_ms).to_string(),
        "request_id": &*record.request_id,
        "service": &*record.service,
        "model": &*record.model,
        "version": &*record.version,
        "role": if record.mirrored { SHADOW } else { record.role.as_str() },
        "status": record.status,
        "latency_ms": number(record.latency_us / 1_000.0),
        "score": record.score.map_or(NO_NUMBER, number),
    });
    if let Some(trace) = record.trace {
        line["trace_id"] = trace.to_string().into();
    }
    if !record.record_id.is_empty() {
        line["record_id"] = cut(&record.record_id).into();
    }
    if !record.found.is_empty() {
        line["findings"] = record.found.0.iter().map(|(kind, count)| (kind.as_str().to_owned(), Json::from(*count))).collect();
    }
    if let Some(told) = told {
        line["inputs"] = inputs(told, allowed);
    }
    line.to_string() + "\n"
}

/// Values of the inputs that may be told; none of a request that cannot be read.
fn inputs(told: &Told, allowed: &BTreeSet<String>) -> Json {
    if told.body.bytes.len() > READ_BYTES_MAX {
        return Json::Null;
    }
    let read = match told.body.form {
        Form::Grpc => oip::grpc::read_request(&told.body.bytes).ok(),
        Form::Json | Form::Mixed(_) => read_infer_request(told.body.over_http(), &[]).ok().map(|(request, _)| request),
        // What is asked of a language model has no inputs by name.
        Form::Golden | Form::Language(_) => None,
    };
    let Some(request) = read else { return Json::Null };
    let rules = Rules(told.scan.0.keys().map(|kind| (*kind, Action::Mask)).collect());
    let told = request.inputs.iter().filter(|tensor| allowed.contains(&tensor.name));
    Json::Object(told.map(|tensor| (tensor.name.clone(), values(tensor, &rules))).collect::<Map<_, _>>())
}

/// One value alone, or a list.
fn values(tensor: &Tensor, rules: &Rules) -> Json {
    let value = |at: usize| match &tensor.data {
        _ if tensor.is_missing(at) => Json::Null,
        TensorData::Bytes(texts) => texts.get(at).map_or(Json::Null, |text| {
            // Before it is cut: what is cut in two is not found any more.
            let masked = rules.scan(text, &mut Findings::default());
            cut(masked.as_deref().unwrap_or(text)).into()
        }),
        TensorData::Bool(values) => values.get(at).map_or(Json::Null, |value| (*value).into()),
        // Whole numbers as they were sent: not each of them is a number with a fraction.
        TensorData::Uint8(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Uint16(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Uint32(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Uint64(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Int8(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Int16(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Int32(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        TensorData::Int64(v) => v.get(at).map_or(Json::Null, |n| (*n).into()),
        numbers => numbers.number(at).map_or(NO_NUMBER, number),
    };
    match tensor.data.len() {
        1 => value(0),
        count => (0..count.min(VALUES_MAX)).map(value).collect(),
    }
}

fn number(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or(NO_NUMBER, Json::Number)
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::collections::BTreeMap;
    use tidegate_core::route::Role;
    use tidegate_core::scan::Kind;

    fn record() -> PredictionRecord {
        PredictionRecord {
            at_ms: 1_764_439_200_123,
            event_time_ms: None,
            request_id: "r\"1".into(),
            record_id: String::new(),
            service: "s".into(),
            model: "m".into(),
            version: "3".into(),
            role: Role::Stable,
            mirrored: false,
            compared: true,
            generation: 1,
            status: 200,
            latency_us: 1_500.0,
            score: Some(0.25),
            inputs: vec![1.0],
            exposure: None,
            trace: None,
            found: Findings::default(),
        }
    }

    fn told(body: &str) -> Told {
        Told { body: Body::json(body.to_owned()), scan: Rules(BTreeMap::from([(Kind::Email, Action::Flag)])) }
    }

    #[test]
    fn a_line_holds_what_is_known_and_no_input_that_nobody_allowed() {
        let body = r#"{"inputs":[{"name":"age","datatype":"INT64","shape":[1],"data":[41]},{"name":"salary","datatype":"FP64","shape":[1],"data":[9e9]}]}"#;
        let plain = line(&record(), None, &BTreeSet::new());
        expect![[r#"
            {"time":"2025-11-29T18:00:00.123Z","request_id":"r\"1","service":"s","model":"m","version":"3","role":"stable","status":200,"latency_ms":1.5,"score":0.25}
        "#]]
        .assert_eq(&plain);
        let allowed = BTreeSet::from(["age".to_owned()]);
        let more = PredictionRecord {
            mirrored: true,
            score: None,
            record_id: "x".repeat(999),
            found: Findings(BTreeMap::from([(Kind::Card, 2)])),
            latency_us: f64::INFINITY,
            ..record()
        };
        let line = line(&more, Some(&told(body)), &allowed);
        let read: Json = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["inputs"], &read["findings"], &read["role"]), (&json!({"age": 41}), &json!({"card": 2}), &json!("shadow")));
        assert_eq!((&read["score"], &read["latency_ms"]), (&Json::Null, &Json::Null));
        assert!(!line.contains("salary") && read["record_id"].as_str().unwrap().len() == TEXT_CHARS_MAX && line.lines().count() == 1);
    }

    #[test]
    fn texts_are_masked_before_they_are_cut_and_values_are_counted() {
        let of = |datatype: &str, data: Json| {
            let body =
                json!({ "inputs": [{ "name": "t", "datatype": datatype, "shape": [data.as_array().unwrap().len()], "data": data }] });
            inputs(&told(&body.to_string()), &BTreeSet::from(["t".to_owned()]))["t"].clone()
        };
        assert_eq!(of("BYTES", json!(["write to ada@example.org"])), json!("write to ***************"));
        let late = format!("{}ada@example.org", "x".repeat(TEXT_CHARS_MAX - 5) + " ");
        assert!(!of("BYTES", json!([late])).to_string().contains("ada"));
        assert_eq!(of("BOOL", json!([true, false])), json!([true, false]));
        assert_eq!(of("FP64", json!([null, 1.5])), json!([null, 1.5]));
        assert_eq!(of("INT32", json!(vec![7; 1_000])).as_array().unwrap().len(), VALUES_MAX);
        for unread in ["", "no JSON", "{}", &" ".repeat(READ_BYTES_MAX + 1)] {
            assert_eq!(inputs(&told(unread), &BTreeSet::from(["t".to_owned()])), Json::Null);
        }
    }

    #[test]
    fn a_share_of_requests_is_told_and_the_same_ones_always() {
        let taken = |share: f64| (0..10_000).filter(|n| takes(share, &n.to_string())).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 10_000));
        assert!(taken(0.1).abs_diff(1_000) < 300 && taken(0.1) == taken(0.1));
        assert!((0..1_000).all(|n| takes(0.5, &n.to_string()) || !takes(0.1, &n.to_string())), "a larger share takes more");
    }
}
