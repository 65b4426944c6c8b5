//! Bodies as they come: right, nested, wrong, hostile.

mod binary;

use super::{Answering, parse_infer_request, parse_infer_response, write_error, write_infer_request, write_infer_response};
use crate::{InferResponse, Tensor, TensorData};
use expect_test::{Expect, expect};

/// One tensor named `x` with these members, as it is read or refused.
fn check(members: &str, expected: Expect) {
    let body = format!(r#"{{"inputs":[{{"name":"x",{members}}}]}}"#);
    let told = match parse_infer_request(body.as_bytes()) {
        Ok(request) => {
            let x = &request.inputs[0];
            format!("{:?} {:?} {:?}", x.shape, x.data, x.missing)
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&told);
}

#[test]
fn data_flat_and_nested() {
    check(r#""shape":[2,2],"datatype":"FP32","data":[1,2.5,-3,4e1]"#, expect!["[2, 2] Fp32([1.0, 2.5, -3.0, 40.0]) []"]);
    check(r#""data":[[1,2],[3,4]],"shape":[2,2],"datatype":"INT64""#, expect!["[2, 2] Int64([1, 2, 3, 4]) []"]);
    check(r#""shape":[],"datatype":"FP64","data":0.1"#, expect!["[] Fp64([0.1]) []"]);
    check(r#""shape":[1],"datatype":"FP64","data":0.1"#, expect!["[1] Fp64([0.1]) []"]);
    check(r#""shape":[0],"datatype":"FP64","data":[]"#, expect!["[0] Fp64([]) []"]);
    check(r#""shape":[2],"datatype":"BOOL","data":[true,false]"#, expect!["[2] Bool([true, false]) []"]);
    check(r#""shape":[2],"datatype":"BYTES","data":["a\n","é"]"#, expect![[r#"[2] Bytes(["a\n", "é"]) []"#]]);
    check(r#""shape":[2],"datatype":"UINT64","data":[18446744073709551615,0]"#, expect!["[2] Uint64([18446744073709551615, 0]) []"]);
    check(r#""shape":[4],"datatype":"FP64","data":[1,null,3,null]"#, expect!["[4] Fp64([1.0, 0.0, 3.0, 0.0]) [false, true, false, true]"]);
    check(r#""shape":[3],"datatype":"BYTES","data":["a","b",null]"#, expect![[r#"[3] Bytes(["a", "b", ""]) [false, false, true]"#]]);
}

#[test]
fn data_that_does_not_fit() {
    check(r#""shape":[3],"datatype":"FP32","data":[1,2]"#, expect!["inference input 'x': shape [3] is 3 values, got 2"]);
    check(r#""shape":[1],"datatype":"FP32","data":[1,2]"#, expect!["inference input 'x': shape [1] is 1 values, got more"]);
    check(
        r#""shape":[2,2],"datatype":"FP32","data":[[1,2,3],[4]]"#,
        expect!["inference input 'x': data has a list of 3 at depth 1, shape [2, 2] says 2"],
    );
    check(r#""shape":[2,2],"datatype":"FP32","data":[[1,2],3,4]"#, expect!["inference input 'x': data mixes values and lists at index 2"]);
    check(r#""shape":[4],"datatype":"FP32","data":[[1,2],[3,4]]"#, expect!["inference input 'x': data nests deeper than shape [4]"]);
    check(
        r#""shape":[1,2,2],"datatype":"FP32","data":[[1,2],[3,4]]"#,
        expect!["inference input 'x': data nests less deep than shape [1, 2, 2]"],
    );
    check(r#""shape":[1],"datatype":"INT8","data":[128]"#, expect!["inference input 'x': 128 at index 0 is not INT8"]);
    check(r#""shape":[1],"datatype":"UINT8","data":[-1]"#, expect!["inference input 'x': -1 at index 0 is not UINT8"]);
    check(r#""shape":[1],"datatype":"INT32","data":[1.0]"#, expect!["inference input 'x': 1 at index 0 is not INT32"]);
    check(
        r#""shape":[1],"datatype":"FP32","data":[1e39]"#,
        expect!["inference input 'x': 1000000000000000000000000000000000000000 at index 0 is not FP32"],
    );
    check(r#""shape":[1],"datatype":"FP32","data":["1"]"#, expect!["inference input 'x': a text at index 0 is not FP32"]);
    check(r#""shape":[1],"datatype":"BOOL","data":[1]"#, expect!["inference input 'x': 1 at index 0 is not BOOL"]);
    check(
        r#""shape":[1],"datatype":"FP32","data":{"a":1}"#,
        expect!["inference input 'x': invalid type: map, expected FP32 values, flat or nested as the shape"],
    );
    check(
        r#""shape":[1],"datatype":"FP16","data":[1]"#,
        expect!["inference input 'x': receiving FP16 data via JSON is not supported. Please use the binary data format"],
    );
    check(
        r#""shape":[1],"datatype":"FLOAT","data":[1]"#,
        expect![
            "inference input 'x': there is no datatype `FLOAT`: there are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES"
        ],
    );
    check(r#""shape":[1],"datatype":"FP32""#, expect!["inference input 'x': it has no `data`"]);
    check(
        r#""shape":[1],"datatype":"FP32","data":[1],"parameters":{"shared_memory_region":"r"}"#,
        expect!["inference input 'x': parameter `shared_memory_region` is not served here: send the data alone"],
    );
    check(r#""shape":[-1],"datatype":"FP32","data":[1]"#, expect!["inference input 'x': shape [-1] is not 0 to 67108864 values"]);
    check(
        r#""shape":[9223372036854775807,3],"datatype":"FP32","data":[1]"#,
        expect!["inference input 'x': shape [9223372036854775807, 3] is not 0 to 67108864 values"],
    );
    check(
        r#""shape":[1,1,1,1,1,1,1,1,1],"datatype":"FP32","data":[1]"#,
        expect!["inference input 'x': shape has 9 dimensions, at most 8 are read"],
    );
    check(r#""shape":[1],"datatype":"FP32","data":[1,]"#, expect!["failed to parse the request JSON: expected value at line 1 column 64"]);
}

#[test]
fn bodies_that_are_no_requests() {
    let told = |body: &[u8]| parse_infer_request(body).unwrap_err().to_string();
    expect!["failed to parse the request JSON: EOF while parsing a value at line 1 column 0"].assert_eq(&told(b""));
    expect!["failed to parse the request JSON: missing field `inputs` at line 1 column 2"].assert_eq(&told(b"{}"));
    expect!["failed to parse the request JSON: trailing characters at line 1 column 15"].assert_eq(&told(b"{\"inputs\":[]} {}"));
    assert!(told(b"\xff\xfe").starts_with("failed to parse"));
    let tensor = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
    expect!["inference input 'x' is given twice"].assert_eq(&told(format!("{{\"inputs\":[{tensor},{tensor}]}}").as_bytes()));
    expect!["inference output 'y' is asked for twice"]
        .assert_eq(&told(format!(r#"{{"inputs":[{tensor}],"outputs":[{{"name":"y"}},{{"name":"y"}}]}}"#).as_bytes()));
    for list in [r#"[null,{},[]]"#, r#"{"inputs":[["x",[1],"FP32",[1],null]]}"#, r#"{"inputs":[],"outputs":[["y",null]]}"#] {
        let told = told(list.as_bytes());
        assert!(told.contains("invalid type: sequence, expected an object"), "{list}: {told}");
    }
    check(
        r#""shape":[1],"datatype":"FP32","parameters":[4]"#,
        expect!["failed to parse the request JSON: invalid type: sequence, expected an object at line 1 column 66"],
    );
    let many: Vec<_> = (0..=super::TENSORS_MAX).map(|i| format!(r#"{{"name":"{i}","shape":[],"datatype":"FP32","data":1}}"#)).collect();
    expect!["there are 4097 inputs, at most 4096 are read"].assert_eq(&told(format!("{{\"inputs\":[{}]}}", many.join(",")).as_bytes()));
    // Depth costs no stack: neither where it is skipped nor where it is read.
    for (before, after) in [(r#""data":"#, ""), (r#""parameters":"#, r#","data":[1]"#)] {
        let deep = format!("{}{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
        let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32",{before}{deep}{after}}}]}}"#);
        let _ = parse_infer_request(body.as_bytes());
    }
    assert!(told(format!(r#"{{"inputs":[],"parameters":{{"a":{}"#, "[".repeat(1_000_000)).as_bytes()).contains("recursion limit"));
}

#[test]
fn parameters_and_unknown_members_do_no_harm() {
    let body = br#"{"id":"a\u00e9","parameters":{"binary_data_output":true},"extra":[{}],"inputs":[{"name":"x","parameters":{"a":1},"shape":[1],"datatype":"FP32","data":[1]}],"outputs":[{"name":"y","parameters":{"binary_data":false}}]}"#;
    let request = parse_infer_request(body).unwrap();
    assert_eq!((request.id.as_deref(), request.outputs.as_slice()), (Some("aé"), &["y".to_owned()][..]));
    assert_eq!(request.parameters["binary_data_output"], true);
    assert_eq!(parse_infer_request(&write_infer_request(&request)).unwrap(), request);
}

#[test]
fn what_is_written_is_read_again() {
    let outputs = vec![
        Tensor::new("a\"b", vec![2], TensorData::Fp32(vec![0.1, f32::MAX])),
        Tensor::new("b", vec![1, 2], TensorData::Fp64(vec![0.1 + 0.2, -0.0])),
        Tensor::new("c", vec![2], TensorData::Bytes(vec!["\u{0}\"\\".into(), "é".into()])),
        Tensor::new("d", vec![1], TensorData::Int64(vec![i64::MIN])),
        Tensor::new("e", vec![1], TensorData::Bool(vec![true])),
    ];
    let response = InferResponse { id: Some("7".into()), outputs };
    let answering = Answering { model_name: "m".into(), model_version: None };
    let written = write_infer_response(&answering, &response);
    assert_eq!(parse_infer_response(&written).unwrap(), (answering, response));
    assert_eq!(write_error("a \"b\""), br#"{"error":"a \"b\""}"#);
    // JSON has no not-a-number and no infinity.
    let odd = InferResponse { id: None, outputs: vec![Tensor::new("x", vec![2], TensorData::Fp32(vec![f32::NAN, f32::INFINITY]))] };
    let (_, again) = parse_infer_response(&write_infer_response(&Answering::default(), &odd)).unwrap();
    assert_eq!(again.outputs[0].missing, [true, true]);
}
