//! Bodies with tensors as bytes: each datatype there and back, what does not fit, what is hostile.

use crate::oip::{
    Answering, Body, Wanted, answer, read_infer_request, read_infer_response, write_infer_request, write_infer_request_as_bytes,
};
use crate::{InferRequest, InferResponse, Tensor, TensorData};
use expect_test::{Expect, expect};
use half::{bf16, f16};
use proptest::prelude::*;
use tidegate_core::model::{Datatype, TensorSpec};

/// A request's JSON and what follows it, as it is read or refused.
fn check(json: &str, rest: &[u8], expected: Expect) {
    let bytes = [json.as_bytes(), rest].concat();
    let told = match read_infer_request(Body { bytes: &bytes, json_bytes: Some(json.len()) }, &[]) {
        Ok((request, wanted)) => {
            let inputs: Vec<_> = request.inputs.iter().map(|x| format!("{} {:?} {:?}", x.name, x.shape, x.data)).collect();
            let forms: Vec<_> = (0..2).map(|index| wanted.is_binary(index)).collect();
            format!("{} {forms:?}", inputs.join(", "))
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&told);
}

/// One tensor named `x` of these members, followed by bytes.
fn one(members: &str, rest: &[u8], expected: Expect) {
    check(&format!(r#"{{"inputs":[{{"name":"x",{members}}}]}}"#), rest, expected);
}

fn spec(datatype: Datatype, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: "x".to_owned(), datatype, shape: shape.to_vec() }
}

#[test]
fn the_extensions_example_and_mixed_inputs() {
    let bytes: Vec<u8> = [1u32, 2, 3, 4].iter().flat_map(|n| n.to_le_bytes()).chain([1, 0, 7]).collect();
    check(
        r#"{"model_name":"mymodel","inputs":[{"name":"input0","shape":[2,2],"datatype":"UINT32","parameters":{"binary_data_size":16}},{"name":"input1","shape":[3],"datatype":"BOOL","parameters":{"binary_data_size":3}}],"outputs":[{"name":"output0","parameters":{"binary_data":true}}]}"#,
        &bytes,
        expect!["input0 [2, 2] Uint32([1, 2, 3, 4]), input1 [3] Bool([true, false, true]) [true, false]"],
    );
    check(
        r#"{"parameters":{"binary_data_output":true},"inputs":[{"name":"a","shape":[1],"datatype":"INT8","data":[5]},{"name":"b","shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1}}],"outputs":[{"name":"y","parameters":{"binary_data":false}},{"name":"z"}]}"#,
        &[255],
        expect!["a [1] Int8([5]), b [1] Int8([-1]) [false, true]"],
    );
    one(r#""shape":[0,3],"datatype":"FP32","parameters":{"binary_data_size":0}"#, b"", expect!["x [0, 3] Fp32([]) [false, false]"]);
    one(
        r#""shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":10}"#,
        b"\x02\0\0\0\xc3\xa9\0\0\0\0",
        expect![[r#"x [2] Bytes(["é", ""]) [false, false]"#]],
    );
}

#[test]
fn bytes_that_do_not_fit() {
    let with = |shape: &str, datatype: &str, size: &str| {
        format!(r#""shape":{shape},"datatype":"{datatype}","parameters":{{"binary_data_size":{size}}}"#)
    };
    one(&with("[3]", "INT32", "8"), &[0; 8], expect!["inference input 'x': shape [3] of INT32 is 3 values of 4 bytes, got 8 bytes"]);
    one(&with("[3]", "INT32", "12"), &[0; 8], expect!["inference input 'x': `binary_data_size` is 12, 8 bytes are left of the body"]);
    one(&with("[2]", "INT32", "8"), &[0; 9], expect!["unexpected additional input data: 1 bytes behind the last tensor"]);
    one(&with("[-1]", "INT32", "8"), &[0; 8], expect!["inference input 'x': shape [-1] is not 0 to 67108864 values"]);
    one(
        &with("[4611686018427387904,4]", "INT32", "0"),
        b"",
        expect!["inference input 'x': shape [4611686018427387904, 4] is not 0 to 67108864 values"],
    );
    one(
        &with("[1]", "INT32", "18446744073709551615"),
        &[0; 4],
        expect!["inference input 'x': `binary_data_size` is 18446744073709551615, 4 bytes are left of the body"],
    );
    one(
        &with("[1]", "INT32", "-1"),
        &[0; 4],
        expect!["failed to parse the request JSON: invalid value: integer `-1`, expected u64 at line 1 column 89"],
    );
    one(
        r#""shape":[1],"datatype":"INT8","data":[1],"parameters":{"binary_data_size":1}"#,
        &[0; 1],
        expect!["inference input 'x': it has both `data` and `binary_data_size`"],
    );
    one(
        r#""shape":[1],"datatype":"INT8","parameters":{"shared_memory_region":"r"}"#,
        b"",
        expect!["inference input 'x': parameter `shared_memory_region` is not served here: send the data alone"],
    );
    one(&with("[1]", "BYTES", "5"), b"\x02\0\0\0a", expect!["inference input 'x': the text at index 0 has 2 bytes, 1 are left"]);
    one(
        &with("[1]", "BYTES", "4"),
        b"\xff\xff\xff\xff",
        expect!["inference input 'x': the text at index 0 has 4294967295 bytes, 0 are left"],
    );
    one(&with("[1]", "BYTES", "8"), &[0; 8], expect!["inference input 'x': shape [1] is 1 values, got more"]);
    one(&with("[2]", "BYTES", "4"), &[0; 4], expect!["inference input 'x': shape [2] is 2 values, got 1"]);
    one(&with("[1]", "BYTES", "6"), &[0; 6], expect!["inference input 'x': 2 bytes are left behind the last text, which are no length"]);
    one(
        &with("[1]", "BYTES", "5"),
        b"\x01\0\0\0\xff",
        expect!["inference input 'x': the text at index 0 is not UTF-8, and models take only such"],
    );
    let asked = |parameters: &str| {
        let body = format!(r#"{{"inputs":[],"outputs":[{{"name":"y","parameters":{parameters}}}]}}"#);
        read_infer_request(Body::json(body.as_bytes()), &[]).unwrap_err().to_string()
    };
    expect!["inference output 'y': parameter `classification` is not served here"].assert_eq(&asked(r#"{"classification":3}"#));
    assert!(asked(r#"{"binary_data":1}"#).starts_with("failed to parse the request JSON: invalid type: integer `1`, expected a boolean"));
    let body = br#"{"inputs":[],"parameters":{"binary_data_output":1}}"#;
    expect!["parameter `binary_data_output` must be true or false"]
        .assert_eq(&read_infer_request(Body::json(body), &[]).unwrap_err().to_string());
    let beyond = read_infer_request(Body { bytes: b"{}", json_bytes: Some(3) }, &[]).unwrap_err();
    expect!["inference header size should be in range (0, 2), got: 3"].assert_eq(&beyond.to_string());
}

#[test]
fn a_body_that_is_one_tensor() {
    let told = |bytes: &[u8], inputs: &[TensorSpec]| match read_infer_request(Body { bytes, json_bytes: Some(0) }, inputs) {
        Ok((request, wanted)) => format!("{:?} {:?} {}", request.inputs[0].shape, request.inputs[0].data, wanted.is_binary(7)),
        Err(error) => error.to_string(),
    };
    expect!["[1, 2] Int16([1, 2]) true"].assert_eq(&told(&[1, 0, 2, 0], &[spec(Datatype::Int16, &[-1, 2])]));
    expect!["[1, 2] Int16([1, 2]) true"].assert_eq(&told(&[1, 0, 2, 0], &[spec(Datatype::Int16, &[-1, -1])]));
    expect!["[2] Int16([1, 2]) true"].assert_eq(&told(&[1, 0, 2, 0], &[spec(Datatype::Int16, &[2])]));
    expect!["[0, 2] Int16([]) true"].assert_eq(&told(b"", &[spec(Datatype::Int16, &[-1, 2])]));
    expect![[r#"[1] Bytes(["\u{2}\0\0\0a"]) true"#]].assert_eq(&told(b"\x02\0\0\0a", &[spec(Datatype::Bytes, &[-1])]));
    expect!["raw binary request for input 'x': the model takes shape [-1, 2] of INT16, 3 bytes are none"]
        .assert_eq(&told(&[1, 0, 2], &[spec(Datatype::Int16, &[-1, 2])]));
    expect!["raw binary request for input 'x': the model takes shape [-1, -1, -1], and bytes alone tell one dimension of any length"]
        .assert_eq(&told(&[1, 0], &[spec(Datatype::Int16, &[-1, -1, -1])]));
    expect!["raw binary request for input 'x': the model takes shape [-1, 0], and bytes alone tell one dimension of any length"]
        .assert_eq(&told(&[1, 0], &[spec(Datatype::Int16, &[-1, 0])]));
    expect!["raw binary request for input 'x': shape [3] of INT16 is 3 values of 2 bytes, got 2 bytes"]
        .assert_eq(&told(&[1, 0], &[spec(Datatype::Int16, &[3])]));
    expect!["raw binary request for input 'x': the model takes BYTES of shape [2], a raw request is one text"]
        .assert_eq(&told(b"", &[spec(Datatype::Bytes, &[2])]));
    expect!["a raw binary request is for a model with one input, this one has 2"]
        .assert_eq(&told(b"", &[spec(Datatype::Int8, &[1]), spec(Datatype::Int8, &[1])]));
    expect!["a raw binary request is for a model with one input, this one has 0"].assert_eq(&told(b"", &[]));
}

#[test]
fn answers_are_as_each_output_is_wanted() {
    let outputs = vec![
        Tensor::new("a", vec![2], TensorData::Int16(vec![1, -2])),
        Tensor::new("b", vec![1], TensorData::Fp32(vec![f32::NAN])),
        Tensor::new("c", vec![2], TensorData::Bytes(vec!["é".into(), String::new()])),
    ];
    let response = InferResponse { id: Some("7".into()), outputs };
    let answering = Answering { model_name: "m".into(), model_version: Some("1".into()) };
    let body = br#"{"inputs":[],"outputs":[{"name":"a","parameters":{"binary_data":true}},{"name":"b"},{"name":"c","parameters":{"binary_data":true}}]}"#;
    let (_, wanted) = read_infer_request(Body::json(body), &[]).unwrap();
    let written = answer(&answering, &response, &wanted).unwrap();
    let (json, rest) = written.bytes.split_at(written.json_bytes.unwrap());
    expect![[r#"{"model_name":"m","model_version":"1","id":"7","outputs":[{"name":"a","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}},{"name":"b","shape":[1],"datatype":"FP32","data":[null]},{"name":"c","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":10}}]}"#]]
        .assert_eq(std::str::from_utf8(json).unwrap());
    assert_eq!(rest, b"\x01\0\xfe\xff\x02\0\0\0\xc3\xa9\0\0\0\0");
    assert_eq!(answer(&answering, &response, &Wanted::default()).unwrap().json_bytes, None);
    let none = InferResponse { id: None, outputs: Vec::new() };
    assert_eq!(answer(&answering, &none, &Wanted::binary(true)).unwrap().json_bytes, None, "no output is bytes");
    let halved = InferResponse { id: None, outputs: vec![Tensor::new("h", vec![1], TensorData::Bf16(vec![bf16::ONE]))] };
    expect!["inference output 'h': sending BF16 data via JSON is not supported. Please use the binary data format"]
        .assert_eq(&answer(&answering, &halved, &Wanted::default()).unwrap_err().to_string());
    let written = answer(&answering, &halved, &Wanted::binary(true)).unwrap();
    assert_eq!(read_infer_response(written.body()).unwrap().1, halved);
}

#[test]
fn our_own_files_hold_half_precision_as_numbers() {
    for data in [
        TensorData::Fp16(vec![f16::from_f32(0.1), f16::MAX, f16::from_f32(-0.0)]),
        TensorData::Bf16(vec![bf16::from_f32(0.1), bf16::MAX, bf16::MIN_POSITIVE]),
    ] {
        let tensor = Tensor::new("h", vec![3], data);
        let json = serde_json::to_string(&tensor).unwrap();
        assert_eq!(serde_json::from_str::<Tensor>(&json).unwrap(), tensor, "{json}");
    }
    assert!(serde_json::from_str::<Tensor>(r#"{"name":"h","shape":[1],"datatype":"FP16","data":[65520]}"#).is_err(), "beyond FP16");
}

/// Values of each datatype, without those that equal nothing.
fn values() -> impl Strategy<Value = TensorData> {
    fn many<T: Arbitrary>() -> impl Strategy<Value = Vec<T>> {
        prop::collection::vec(any::<T>(), 0..20)
    }
    let halves = || prop::collection::vec(any::<u16>(), 0..20);
    prop_oneof![
        many().prop_map(TensorData::Bool),
        many().prop_map(TensorData::Uint8),
        many().prop_map(TensorData::Uint16),
        many().prop_map(TensorData::Uint32),
        many().prop_map(TensorData::Uint64),
        many().prop_map(TensorData::Int8),
        many().prop_map(TensorData::Int16),
        many().prop_map(TensorData::Int32),
        many().prop_map(TensorData::Int64),
        halves().prop_map(|v| TensorData::Fp16(v.into_iter().map(f16::from_bits).filter(|x| x.is_finite()).collect())),
        halves().prop_map(|v| TensorData::Bf16(v.into_iter().map(bf16::from_bits).filter(|x| x.is_finite()).collect())),
        many::<f32>().prop_map(|v| TensorData::Fp32(v.into_iter().filter(|x| x.is_finite()).collect())),
        many::<f64>().prop_map(|v| TensorData::Fp64(v.into_iter().filter(|x| x.is_finite()).collect())),
        prop::collection::vec(".{0,9}", 0..9).prop_map(TensorData::Bytes),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(all in prop::collection::vec(values(), 0..5)) {
        let named = all.into_iter().enumerate();
        let inputs: Vec<_> = named.map(|(n, data)| Tensor::new(format!("t{n}"), vec![data.len() as i64], data)).collect();
        let request = InferRequest { id: Some("q".into()), inputs, ..InferRequest::default() };
        let written = write_infer_request_as_bytes(&request);
        prop_assert_eq!(&read_infer_request(written.body(), &[]).unwrap().0, &request);
        let response = InferResponse { id: None, outputs: request.inputs.clone() };
        let written = answer(&Answering::default(), &response, &Wanted::binary(true)).unwrap();
        prop_assert_eq!(&read_infer_response(written.body()).unwrap().1, &response);
        let json = write_infer_request(&request);
        let halved = request.inputs.iter().any(|t| matches!(t.datatype(), Datatype::Fp16 | Datatype::Bf16));
        match read_infer_request(Body::json(&json), &[]) {
            Ok((again, _)) => prop_assert!(!halved && again == request),
            Err(error) => prop_assert!(halved && error.message.contains("via JSON is not supported"), "{}", error),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        json_bytes in prop::option::of(0..400_usize),
        datatype in prop::sample::select(Datatype::ALL.to_vec()),
        shape in prop::collection::vec(-2..5_i64, 0..4),
    ) {
        let inputs = [spec(datatype, &shape)];
        let _ = read_infer_request(Body { bytes: &bytes, json_bytes }, &inputs);
        let _ = read_infer_response(Body { bytes: &bytes, json_bytes });
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(data in values(), at in any::<prop::sample::Index>(), to in any::<u8>(), shift in -3..4_i64) {
        let inputs = vec![Tensor::new("t", vec![data.len() as i64], data)];
        let mut written = write_infer_request_as_bytes(&InferRequest { inputs, ..InferRequest::default() });
        let at = at.index(written.bytes.len());
        written.bytes[at] = to;
        written.json_bytes = written.json_bytes.map(|n| (n as i64 + shift).max(0) as usize);
        let _ = read_infer_request(written.body(), &[]);
    }
}
