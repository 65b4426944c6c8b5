//! Model files: those that are, those that are not, and inputs that do not fit.

use crate::support::{directory, fixture, right, runtime, version};
use expect_test::expect;
use serde_json::{Value as Json, json};
use std::num::NonZero;
use tidegate_core::model::Datatype;
use tidegate_runtime::{Model, RuntimeError, Tensor, TensorData, Version, init};

fn pair() -> Vec<Tensor> {
    let a: Vec<i32> = (0..32).collect();
    let b: Vec<i32> = (0..32).map(|n| 100 * n).collect();
    vec![Tensor::new("INPUT1", vec![2, 16], TensorData::Int32(b)), Tensor::new("INPUT0", vec![2, 16], TensorData::Int32(a))]
}

#[test]
fn a_model_gives_its_signature_and_its_answers_in_any_order_of_inputs() {
    if !runtime() {
        return;
    }
    let model = Model::load(&fixture("simple.onnx")).unwrap();
    let signature = serde_json::to_string(model.signature()).unwrap();
    expect![[r#"{"inputs":[{"name":"INPUT0","datatype":"INT32","shape":[-1,16]},{"name":"INPUT1","datatype":"INT32","shape":[-1,16]}],"outputs":[{"name":"OUTPUT0","datatype":"INT32","shape":[-1,16]},{"name":"OUTPUT1","datatype":"INT32","shape":[-1,16]}]}"#]].assert_eq(&signature);
    let outputs = model.run(&pair()).unwrap();
    let wanted = |f: fn(i32) -> i32| TensorData::Int32((0..32).map(f).collect());
    assert_eq!(outputs[0], Tensor::new("OUTPUT0", vec![2, 16], wanted(|n| 101 * n)));
    assert_eq!(outputs[1], Tensor::new("OUTPUT1", vec![2, 16], wanted(|n| -99 * n)));
    let boosted = Model::load(&fixture("boosted.onnx")).unwrap();
    let outputs: Vec<_> = boosted.signature().outputs.iter().map(|o| format!("{} {} {:?}", o.name, o.datatype, o.shape)).collect();
    expect![[r#"["label INT64 [-1]", "probabilities FP32 [-1, 2]"]"#]].assert_eq(&format!("{outputs:?}"));
}

#[test]
fn inputs_that_do_not_fit_are_refused_by_name() {
    if !runtime() {
        return;
    }
    let model = Model::load(&fixture("simple.onnx")).unwrap();
    let mut told = String::new();
    let mut tell = |change: fn(&mut Vec<Tensor>)| {
        let mut inputs = pair();
        change(&mut inputs);
        let error = model.run(&inputs).unwrap_err();
        assert!(matches!(error, RuntimeError::Input(_)), "{error:?}");
        told.push_str(&format!("{error}\n"));
    };
    tell(|t| t[0].name = "INPUT2".into());
    tell(|t| drop(t.pop()));
    tell(|t| t.clear());
    tell(|t| t[0].name = "INPUT0".into());
    tell(|t| t[0].data = TensorData::Fp32(vec![0.0; 32]));
    tell(|t| t[0].shape = vec![32]);
    tell(|t| t[0].shape = vec![4, 8]);
    tell(|t| t[0].shape = vec![3, 16]);
    tell(|t| t[0].shape = vec![0, 16]);
    tell(|t| t[0].shape = vec![-2, 16]);
    tell(|t| t[0].shape = vec![1 << 40, 16]);
    tell(|t| t[0].missing = vec![false, true]);
    expect![[r#"
        unexpected inference input 'INPUT2': the inputs are INPUT0, INPUT1
        inference input 'INPUT0' (INT32) is missing: got INPUT1
        inference input 'INPUT0' (INT32) is missing: got none
        inference input 'INPUT0' is given twice
        inference input 'INPUT1' must have datatype INT32, got FP32
        inference input 'INPUT1' must have shape [-1, 16] (-1 is any), got [32]
        inference input 'INPUT1' must have shape [-1, 16] (-1 is any), got [4, 8]
        inference input 'INPUT1' has shape [3, 16], which is 48 values, got 32
        inference input 'INPUT1' has shape [0, 16], which is 0 values, got 32
        inference input 'INPUT1' must have shape [-1, 16] (-1 is any), got [-2, 16]
        inference input 'INPUT1' has shape [1099511627776, 16], which is not 0 to 67108864 values, got 32
        inference input 'INPUT1' is null at index 1: it is required
    "#]]
    .assert_eq(&told);
}

#[test]
fn every_datatype_goes_through_unchanged() {
    if !runtime() {
        return;
    }
    let model = Model::load(&fixture("identity.onnx")).unwrap();
    let data = [
        TensorData::Bool(vec![true, false]),
        TensorData::Uint8(vec![0, u8::MAX]),
        TensorData::Uint16(vec![0, u16::MAX]),
        TensorData::Uint32(vec![0, u32::MAX]),
        TensorData::Uint64(vec![0, u64::MAX]),
        TensorData::Int8(vec![i8::MIN, i8::MAX]),
        TensorData::Int16(vec![i16::MIN, i16::MAX]),
        TensorData::Int64(vec![i64::MIN, i64::MAX]),
        TensorData::Fp32(vec![f32::MIN_POSITIVE, f32::MAX]),
        TensorData::Fp64(vec![f64::MIN_POSITIVE, f64::MAX]),
        TensorData::Bytes(vec![String::new(), "Zoë \u{1F6EB}".into()]),
    ];
    let inputs: Vec<_> = data.iter().map(|d| Tensor::new(format!("in_{}", d.datatype()), vec![2], d.clone())).collect();
    for output in model.run(&inputs).unwrap() {
        let given = data.iter().find(|d| format!("out_{}", d.datatype()) == output.name).unwrap();
        assert_eq!((&output.data, &output.shape), (given, &vec![2]), "{}", output.name);
    }
    let mut inputs = inputs;
    inputs.last_mut().unwrap().data = TensorData::Bytes(vec!["a".into(), "b\0c".into()]);
    assert_eq!(model.run(&inputs).unwrap_err().to_string(), "inference input 'in_BYTES' has a zero byte in the text at index 1");
}

#[test]
fn files_that_are_no_models_are_refused() {
    if !runtime() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: Option<&[u8]>| {
        let path = directory.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let error = Model::load(&path).unwrap_err().to_string();
        error.replace(&*directory.path().to_string_lossy(), "DIR")
    };
    assert_eq!(load("empty.onnx", Some(b"")), "load model `DIR/empty.onnx`: the file is empty");
    let missing = load("missing.onnx", None);
    assert!(missing.starts_with("read `DIR/missing.onnx`: No such file"), "{missing}");
    let text = load("text.onnx", Some(b"import onnx\nprint('not a model')\n"));
    let none = "load model `DIR/text.onnx`: it is not an ONNX model, nor one of XGBoost (JSON or UBJSON) or LightGBM (text)";
    assert_eq!(text, none);
    let field = load("field.onnx", Some(b"\x08\x09 and then no field"));
    assert!(field.starts_with("load model `DIR/field.onnx`: it is not an ONNX model that ONNX Runtime 1."), "{field}");
    let whole = std::fs::read(fixture("boosted.onnx")).unwrap();
    let cut = load("cut.onnx", Some(&whole[..whole.len() / 2]));
    assert!(cut.contains("it is not an ONNX model"), "{cut}");
    assert!(load(".", None).starts_with("read `DIR/.`"), "a directory");

    let of = |name: &str| Model::load(&fixture(name)).unwrap_err().to_string().replace(&*fixture(name).to_string_lossy(), name);
    expect!["load model `zipmap.onnx`: output `output_probability` is not a tensor but a sequence or map: export the model with tensors only (skl2onnx: options={'zipmap': False})"]
        .assert_eq(&of("zipmap.onnx"));
}

#[test]
fn one_process_has_one_library() {
    if !runtime() {
        return;
    }
    let other = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(init(other.path()), Err(RuntimeError::LibraryOther { .. })));
}

#[test]
fn several_threads_run_one_model() {
    if !runtime() {
        return;
    }
    for sessions in [1, 3] {
        let model = Model::load_with(&fixture("simple.onnx"), NonZero::new(sessions).unwrap()).unwrap();
        let wanted = model.run(&pair()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| assert_eq!(model.run(&pair()).unwrap(), wanted)));
            }
        });
    }
}

#[test]
fn a_transform_that_does_not_fit_its_model_is_refused_when_the_version_is_opened() {
    if !runtime() {
        return;
    }
    let mut told = String::new();
    let mut open = |model: &str, change: fn(&mut Json)| {
        let mut transform = right();
        change(&mut transform);
        let directory = directory(model, Some(&transform), None);
        let error = Version::open(directory.path()).unwrap_err().to_string();
        told.push_str(&error.replace(&*directory.path().to_string_lossy(), "DIR").replace("open version `DIR/transform.json`: ", ""));
        told.push('\n');
    };
    open("boosted.onnx", |t| t["inputs"][0]["tensor"] = json!("Y"));
    open("boosted.onnx", |t| t["inputs"][0]["datatype"] = json!("FP64"));
    open("boosted.onnx", |t| t["inputs"][0]["columns"] = json!(["distance"]));
    open("boosted.onnx", |t| t["score"]["output"] = json!("probability"));
    open("boosted.onnx", |t| t["score"]["column"] = json!(2));
    open("boosted.onnx", |t| t["score"] = json!({ "output": "probabilities" }));
    open("boosted.onnx", |t| t["steps"][1]["operation"]["category"]["of"] = json!("carier"));
    open("simple.onnx", |t| {
        t["inputs"][0] = json!({ "tensor": "INPUT0", "datatype": "INT32", "columns": vec!["distance"; 16] });
    });
    expect![[r#"
        input `Y`: the model has no such input: it has X
        input `X` is declared FP64, the model takes FP32
        input `X` has 1 columns, the model takes shape [-1, 6] (-1 is any): a transform fills [-1] with one column or [-1, n] with n
        score: the model has no output `probability`: it has label, probabilities
        score: output `probabilities` has shape [-1, 2], the score names column 2
        score: output `probabilities` has shape [-1, 2], the score names no column
        steps[1].of: there is no column `carier` here: there are id, sched_dep, sched_arr, dest_zone, carrier, distance, dep_delay, wind_speed, dep_minute
        the model's input `INPUT1` (INT32) is not among the transform's inputs
    "#]]
    .assert_eq(&told);
    let directory = directory("boosted.onnx", None, Some("{}"));
    let error = Version::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("golden.json`: golden requests: missing field `requests`"), "{error}");
}

#[test]
fn metadata_shows_raw_records_where_there_is_a_transform() {
    if !runtime() {
        return;
    }
    let show = |version: &Version| {
        let line = |specs: &[tidegate_core::model::TensorSpec]| {
            specs.iter().map(|s| format!("{} {} {:?}", s.name, s.datatype, s.shape)).collect::<Vec<_>>().join(", ")
        };
        format!("{} -> {}", line(version.inputs_metadata()), line(version.outputs_metadata()))
    };
    expect!["X FP32 [-1, 6] -> label INT64 [-1], probabilities FP32 [-1, 2]"].assert_eq(&show(&version("boosted.onnx", None)));
    expect!["id BYTES [-1], sched_dep BYTES [-1], sched_arr BYTES [-1], dest_zone BYTES [-1], carrier BYTES [-1], distance FP64 [-1], dep_delay FP64 [-1], wind_speed FP64 [-1] -> label INT64 [-1], probabilities FP32 [-1, 2], score FP64 [-1]"]
        .assert_eq(&show(&version("boosted.onnx", Some(&right()))));
    assert_eq!(version("boosted.onnx", Some(&right())).signature().inputs[0].datatype, Datatype::Fp32);
}

/// `half.onnx`, whose `out` is its `in`, with another element type of ONNX.
fn identity(element: u8) -> Vec<u8> {
    let mut model = std::fs::read(fixture("half.onnx")).unwrap();
    for at in 0..model.len() - 2 {
        if model[at..at + 3] == [8, 10, 18] {
            model[at + 1] = element;
        }
    }
    model
}

#[test]
fn half_precision_goes_through_a_model() {
    if !runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let halves = [0.1, -2.5, f32::INFINITY].map(half::f16::from_f32).to_vec();
    let brains = [0.1, 3e38, f32::NEG_INFINITY].map(half::bf16::from_f32).to_vec();
    for (element, data) in [(10, TensorData::Fp16(halves)), (16, TensorData::Bf16(brains))] {
        let path = dir.path().join("model.onnx");
        std::fs::write(&path, identity(element)).unwrap();
        let model = Model::load(&path).unwrap();
        assert_eq!((model.signature().inputs[0].datatype, model.signature().outputs[0].datatype), (data.datatype(), data.datatype()));
        let outputs = model.run(&[Tensor::new("in", vec![3], data.clone())]).unwrap();
        assert_eq!(outputs, [Tensor::new("out", vec![3], data)]);
        assert!((outputs[0].data.number(0).unwrap() - 0.1).abs() < 1e-3);
    }
}

#[test]
fn no_rows_give_no_rows_where_the_model_takes_any() {
    if !runtime() {
        return;
    }
    let none = |name: &str| Tensor::new(name, vec![0, 16], TensorData::Int32(Vec::new()));
    let outputs = Model::load(&fixture("simple.onnx")).unwrap().run(&[none("INPUT0"), none("INPUT1")]).unwrap();
    assert_eq!(outputs, [none("OUTPUT0"), none("OUTPUT1")]);
    let features = Tensor::new("X", vec![0, 6], TensorData::Fp32(Vec::new()));
    for name in ["boosted.onnx", "logistic.onnx"] {
        match Model::load(&fixture(name)).unwrap().run(std::slice::from_ref(&features)) {
            Ok(outputs) => assert!(outputs.iter().all(|output| output.shape[0] == 0 && output.data.is_empty()), "{outputs:?}"),
            Err(error) => assert!(matches!(error, RuntimeError::Input(_)), "{error}"),
        }
    }
}
