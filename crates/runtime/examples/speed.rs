//! Microseconds for each part of an answer: body, transform, model. Give it the ONNX Runtime library:
//! `cargo run --release -p tidegate-runtime --example speed -- path/to/libonnxruntime.so.1.31.1`

use std::path::{Path, PathBuf};
use std::time::Instant;
use tidegate_core::transform::Transform;
use tidegate_runtime::{Version, init, oip};

const TIMES: u32 = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let library = std::env::args_os().nth(1).ok_or("give the path of the ONNX Runtime library")?;
    let info = init(&PathBuf::from(library))?;
    println!("ONNX Runtime {}", info.version);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let directory = std::env::temp_dir().join(format!("tidegate-speed-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    std::fs::copy(fixtures.join("boosted.onnx"), directory.join("model.onnx"))?;
    let transform = Transform::from_json(&std::fs::read(fixtures.join("flights.transform.json"))?)?;
    std::fs::write(directory.join("transform.json"), transform.to_json()?)?;
    let version = Version::open(&directory)?;
    std::fs::remove_dir_all(&directory)?;

    let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(fixtures.join("expected.json"))?)?;
    let records: Vec<_> = expected["records"].as_array().into_iter().flatten().filter_map(|r| r.as_object().cloned()).collect();
    let compiled = version.transform().ok_or("the version has a transform")?;
    let values: Vec<_> = records.iter().map(|r| compiled.record_from_json(r)).collect::<Result<_, _>>()?;
    let requests: Vec<_> = records.iter().map(|r| version.request_of(std::slice::from_ref(r))).collect::<Result<_, _>>()?;
    let bodies: Vec<_> = requests.iter().map(oip::write_infer_request).collect();
    let answering = oip::Answering { model_name: "flights".into(), model_version: Some("1".into()) };
    let response = version.infer(requests.first().ok_or("there is a record")?)?;

    let mut slots = Vec::new();
    let mut turn = values.iter().cycle();
    time("transform, one record", || {
        let mut rows = compiled.rows(1);
        turn.next().is_some_and(|values| compiled.apply_into(values, &mut slots, &mut rows).is_ok())
    });
    let mut turn = bodies.iter().cycle();
    time("parse the body, 8 fields", || turn.next().is_some_and(|body| oip::parse_infer_request(body).is_ok()));
    time("write the answer", || !oip::write_infer_response(&answering, &response).is_empty());
    let mut turn = requests.iter().cycle();
    time("transform and model, one record", || turn.next().is_some_and(|request| version.infer(request).is_ok()));
    let mut turn = bodies.iter().cycle();
    time("body to body, one record", || {
        let answer = turn.next().and_then(|body| oip::parse_infer_request(body).ok()).and_then(|request| version.infer(&request).ok());
        answer.is_some_and(|response| !oip::write_infer_response(&answering, &response).is_empty())
    });
    Ok(())
}

/// Prints the mean and the median of many runs; a run that fails ends the program.
#[expect(clippy::disallowed_methods, reason = "a program that measures needs the clock itself")]
fn time(what: &str, mut run: impl FnMut() -> bool) {
    let mut each = Vec::new();
    for turn in 0..TIMES + TIMES / 10 {
        let start = Instant::now();
        assert!(run(), "{what} fails");
        if turn >= TIMES / 10 {
            each.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    each.sort_by(f64::total_cmp);
    let mean = each.iter().sum::<f64>() / f64::from(TIMES);
    let median = each.get(each.len() / 2).copied().unwrap_or_default();
    println!("{what:<34} median {median:6.2} us, mean {mean:6.2} us");
}
