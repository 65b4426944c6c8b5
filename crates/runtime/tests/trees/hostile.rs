//! Files that are broken, or made to do harm: each is refused with a sentence, none panics, hangs or takes much memory.

use crate::{fixture, model, refusal};
use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate_runtime::{Tensor, TensorData};

const FILES: [&str; 9] = [
    "xgboost-1.7.6-binary.json",
    "xgboost-1.7.6-classes.ubj",
    "xgboost-3.2.0-binary.json",
    "xgboost-3.2.0-binary.ubj",
    "xgboost-3.2.0-dart.json",
    "xgboost-3.2.0-dart.ubj",
    "lightgbm-3.3.5-classes.txt",
    "lightgbm-4.7.0-binary.txt",
    "lightgbm-4.7.0-linear.txt",
];

/// Those of them that are text.
const TEXTS: [&str; 6] = [FILES[0], FILES[2], FILES[4], FILES[6], FILES[7], FILES[8]];

/// Numbers that no file should hold where it holds small ones.
const NUMBERS: [&str; 12] =
    ["-1", "0", "1", "7", "2147483647", "-2147483648", "9223372036854775807", "18446744073709551616", "1e308", "-0.5", "nan", "1e999"];

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// What is loaded of some bytes answers some rows; whether it was loaded.
fn survives(bytes: &[u8]) -> bool {
    let Ok(model) = model(bytes) else { return false };
    let input = &model.signature().inputs[0];
    let Ok(features) = usize::try_from(input.shape[1]) else { return true };
    let odd = [0.0, f64::NAN, -1.0, 1e300, f64::INFINITY, 3.0, -0.5, 1e-40];
    let values = odd.iter().flat_map(|x| std::iter::repeat_n(*x, features));
    let data = match input.datatype {
        tidegate_core::model::Datatype::Fp32 => TensorData::Fp32(values.map(|x| x as f32).collect()),
        _ => TensorData::Fp64(values.collect()),
    };
    let output = model.run(&[Tensor::new(input.name.clone(), vec![8, input.shape[1]], data)]).unwrap().remove(0);
    output.check().unwrap();
    true
}

/// The bytes with the number that stands `at`-th replaced.
fn with_number(bytes: &[u8], at: usize, number: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | 'E' | 'e' | '+');
    let starts: Vec<usize> = text
        .char_indices()
        .filter(|(i, c)| (c.is_ascii_digit() || *c == '-') && !text[..*i].ends_with(is_number))
        .map(|(i, _)| i)
        .collect();
    let start = starts[at % starts.len()];
    let end = text[start..].find(|c| !is_number(c)).map_or(text.len(), |n| start + n);
    format!("{}{number}{}", &text[..start], &text[end..]).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_and_cut_files_are_models_or_refused(file in 0..FILES.len(), flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4), cut in prop::option::of(any::<usize>())) {
        let mut bytes = read(FILES[file]);
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        survives(&bytes);
    }

    #[test]
    fn other_numbers_are_models_or_refused(file in 0..TEXTS.len(), changes in prop::collection::vec((any::<usize>(), 0..NUMBERS.len()), 1..3)) {
        let mut bytes = read(TEXTS[file]);
        for (at, number) in changes {
            bytes = with_number(&bytes, at, NUMBERS[number]);
        }
        survives(&bytes);
    }
}

#[test]
fn what_is_whole_survives_and_what_is_cut_is_refused() {
    for file in FILES {
        let bytes = read(file);
        assert!(survives(&bytes), "{file}");
        // The last line of a text may be lost without loss; half of a file never.
        for part in [1, 2, 3] {
            assert!(!survives(&bytes[..bytes.len() * part / 4]), "{file}: {part} quarters");
        }
    }
}

/// The binary model of XGBoost 3.2 with a change.
fn changed(change: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut json: Json = serde_json::from_slice(&read("xgboost-3.2.0-binary.json")).unwrap();
    change(&mut json);
    json.to_string().into_bytes()
}

fn tree(json: &mut Json) -> &mut Json {
    &mut json["learner"]["gradient_booster"]["model"]["trees"][0]
}

#[test]
fn what_is_not_served_of_xgboost_is_named() {
    let told: String = [
        changed(|json| json["learner"]["objective"]["name"] = json!("reg:mystery")),
        changed(|json| json["learner"]["gradient_booster"]["name"] = json!("gbforest")),
        changed(|json| json["version"] = json!([4, 0, 0])),
        changed(|json| json["learner"]["learner_model_param"]["num_feature"] = json!("2")),
        changed(|json| json["learner"]["learner_model_param"]["num_feature"] = json!("99999999999")),
        changed(|json| json["learner"]["learner_model_param"]["num_class"] = json!("70000")),
        changed(|json| json["learner"]["learner_model_param"]["base_score"] = json!("[5E-1,5E-1]")),
        changed(|json| json["learner"]["learner_model_param"]["base_score"] = json!("half")),
        changed(|json| json["learner"]["gradient_booster"]["model"]["tree_info"][0] = json!(1)),
        changed(|json| json["learner"]["gradient_booster"]["model"]["trees"] = json!([])),
        changed(|json| json["learner"]["gradient_booster"]["model"]["weight_drop"] = json!([1.0])),
        changed(|json| tree(json)["tree_param"]["size_leaf_vector"] = json!("3")),
        changed(|json| tree(json)["left_children"][0] = json!(0)),
        changed(|json| tree(json)["right_children"][0] = json!(1)),
        changed(|json| tree(json)["right_children"][0] = json!(4_000_000)),
        changed(|json| tree(json)["right_children"][0] = json!(-7)),
        changed(|json| tree(json)["split_type"][0] = json!(2)),
        changed(|json| tree(json)["split_indices"][0] = json!(4)),
        changed(|json| tree(json)["default_left"] = json!([true])),
        changed(|json| tree(json)["left_children"] = json!([])),
        changed(|json| drop(json["learner"].as_object_mut().unwrap().remove("objective"))),
        b"{\"tree_info\": []}".to_vec(),
        b"{\"oblivious_trees\": []}".to_vec(),
        b"{\"learner\": ".to_vec(),
        [b"{\"learner\": ".to_vec(), b"[".repeat(100_000)].concat(),
    ]
    .map(|bytes| refusal(&bytes) + "\n")
    .concat();
    expect![[r#"
        its objective is `reg:mystery`, which is not served: export the model as ONNX
        its booster is `gbforest`: gbtree, dart and gblinear are served
        XGBoost 4 has written it: files of 1 to 3 are read
        tree 0: a split is on feature 3 of 2
        it has 99999999999 features: 1 to 1048576 are taken
        it has 70000 outputs: at most 65536 are taken
        base_score has 2 values for 1 outputs
        base_score is `half`
        tree 0 is for an output that is not one of 1
        tree_info is for 4 trees of 0
        weight_drop is for 1 trees of 4
        tree 0: its leaves are vectors (multi_strategy=multi_output_tree), which is not served: train one tree an output
        tree 0: a node lies under itself or under two others
        tree 0: a node lies under itself or under two others
        tree 0: a node has the child 4000000 of 15 nodes
        tree 0: node 0 names -7
        tree 0: node 0 has the split type 2
        tree 0: a split is on feature 4 of 4
        tree 0: default_left has 1 values for 15 nodes
        tree 0: right_children has 15 values for 0 nodes
        it is no JSON of an XGBoost model: missing field `objective` at line 1 column 4643
        it is a dump of LightGBM: save the model as text with `save_model("model.txt")`
        it is CatBoost's JSON: export the model with `save_model("model.onnx", format="onnx")`
        it is no JSON of an XGBoost model: EOF while parsing a value at line 1 column 12
        it is no JSON of an XGBoost model: invalid type: sequence, expected a map at line 1 column 13
    "#]]
    .assert_eq(&told);
}

#[test]
fn categories_out_of_range_take_no_memory() {
    let with = |categories: Json| {
        changed(|json| {
            let tree = tree(json);
            (tree["split_type"][0], tree["categories_nodes"], tree["categories_segments"]) = (json!(1), json!([0]), json!([0]));
            (tree["categories_sizes"], tree["categories"]) = (json!([categories.as_array().unwrap().len()]), categories);
        })
    };
    assert!(survives(&with(json!([0, 3]))));
    assert_eq!(refusal(&with(json!([1_u32 << 24]))), "tree 0: it has the category 16777216: 0 to 16777215 are taken");
    assert_eq!(refusal(&with(json!([-1]))), "tree 0: it has the category -1: 0 to 16777215 are taken");
}

/// A gblinear model of two classes.
fn linear(base: &str, weights: usize) -> Vec<u8> {
    let booster = json!({ "name": "gblinear", "model": { "weights": vec![0.5; weights] } });
    let parameters = json!({ "base_score": base, "num_class": "2", "num_feature": "3" });
    json!({ "version": [3, 2, 0], "learner": { "gradient_booster": booster, "learner_model_param": parameters, "objective": { "name": "multi:softprob" } } })
        .to_string()
        .into_bytes()
}

#[test]
fn a_linear_booster_has_a_weight_for_each_feature_and_one_base() {
    assert!(survives(&linear("[5E-1]", 8)));
    expect!["its linear booster has 7 weights of 8"].assert_eq(&refusal(&linear("5E-1", 7)));
    expect!["its linear booster has a base_score for each output, which XGBoost itself does not follow: train it with one base_score"]
        .assert_eq(&refusal(&linear("[5E-1,2E-1]", 8)));
}

/// The LightGBM file with one line replaced.
fn line(file: &str, name: &str, with: &str) -> Vec<u8> {
    let text = String::from_utf8(read(file)).unwrap();
    let old = text.lines().find(|line| line.split('=').next() == Some(name)).unwrap();
    text.replacen(old, with, 1).into_bytes()
}

#[test]
fn what_is_not_served_of_lightgbm_is_named() {
    let (binary, classes, linear) = ("lightgbm-4.7.0-binary.txt", "lightgbm-4.7.0-classes.txt", "lightgbm-4.7.0-linear.txt");
    let told: String = [
        line(binary, "version", "version=v5"),
        line(binary, "objective", "objective=mystery"),
        line(binary, "objective", "objective=binary slope:2"),
        line(classes, "objective", "objective=multiclass num_class:4"),
        line(classes, "num_tree_per_iteration", "num_tree_per_iteration=4"),
        line(classes, "num_tree_per_iteration", "num_tree_per_iteration=0"),
        line(binary, "max_feature_idx", "max_feature_idx=1"),
        line(binary, "max_feature_idx", "max_feature_idx=18446744073709551615"),
        line(binary, "max_feature_idx", "max_feature_idx=-1"),
        line(binary, "num_leaves", "num_leaves=4000000000"),
        line(binary, "num_leaves", "num_leaves=0"),
        line(binary, "left_child", "left_child=0 0 0 0"),
        line(binary, "left_child", "left_child=1 2 3 99"),
        line(binary, "left_child", "left_child=-9223372036854775808 2 3 99"),
        line(binary, "decision_type", "decision_type=12 12 12 12"),
        line(binary, "threshold", "threshold=nan nan nan nan"),
        line(binary, "cat_boundaries", "cat_boundaries=0 1000 1000000"),
        line(linear, "num_features", "num_features=18446744073709551615 1 1 1 1"),
        line(linear, "is_linear", "is_linear=2"),
        line(binary, "end of trees", "and so on"),
        b"tree\nversion=v4\n".to_vec(),
        b"tree\nversion=\xff\n".to_vec(),
    ]
    .map(|bytes| refusal(&bytes) + "\n")
    .concat();
    expect![[r#"
        its version is `v5`: files of LightGBM of the versions v2, v3, v4 are read
        its objective is `mystery`, which is not served: export the model as ONNX
        its objective is `binary slope:2`, of which `slope:2` is not known
        its objective is `multiclass num_class:4`, of which `num_class:4` is not known
        its objective is `multiclass num_class:3`, of which `num_class:3` is not known
        it has 0 outputs: 1 to 65536 are taken
        tree 0: a split is on feature 3 of 2
        it has 18446744073709551615 features: 1 to 1048576 are taken
        max_feature_idx is `-1`
        tree 0: leaf_value has 5 values of 4000000000
        tree 0: it has no leaves
        tree 0: a node lies under itself or under two others
        tree 0: a node has the child 99 of 9 nodes
        tree 0: a node has the child 9223372036854775811 of 9 nodes
        tree 0: split 0: its decision_type is 12
        tree 0: a threshold is not a number
        tree 0: cat_boundaries has 3 values of 2
        tree 0: leaf 0 has no line
        tree 0: is_linear is `2`
        it ends before its trees do
        it has no `max_feature_idx`
        it is no text of LightGBM: it is not UTF-8
    "#]]
    .assert_eq(&told);
}

/// A UBJSON object `{"learner": ...}` whose value is these bytes.
fn ubjson(value: &[u8]) -> Vec<u8> {
    [&b"{L\0\0\0\0\0\0\0\x07learner"[..], value].concat()
}

#[test]
fn ubjson_that_asks_for_the_world_is_refused() {
    let huge = i64::MAX.to_be_bytes();
    let told: String = [
        [b"[$d#L".as_slice(), &huge].concat(),
        [b"[$Z#L".as_slice(), &huge].concat(),
        [b"[#L".as_slice(), &huge].concat(),
        [b"SL".as_slice(), &huge].concat(),
        b"[$d#i\xff".to_vec(),
        b"[$d]".to_vec(),
        b"H".to_vec(),
        b"[".repeat(100_000),
        b"NNNN".to_vec(),
        b"{SL".to_vec(),
        b"Si\x02\xff\xfe".to_vec(),
    ]
    .map(|value| refusal(&ubjson(&value)) + "\n")
    .concat();
    expect![[r#"
        it is no UBJSON of an XGBoost model: a container says that it holds more than the file, at byte 30
        it is no UBJSON of an XGBoost model: a container of the type `Z` is not read, at byte 30
        it is no UBJSON of an XGBoost model: a container says that it holds more than the file, at byte 28
        it is no UBJSON of an XGBoost model: the file ends early, at byte 27
        it is no UBJSON of an XGBoost model: a length is -1, at byte 23
        it is no UBJSON of an XGBoost model: a container of `d` has no count, at byte 20
        it is no UBJSON of an XGBoost model: a value has the type `H`, at byte 18
        it is no UBJSON of an XGBoost model: invalid type: sequence, expected a map, at byte 19
        it is no UBJSON of an XGBoost model: the file ends early, at byte 21
        it is no UBJSON of an XGBoost model: a length has the type `S`, at byte 19
        it is no UBJSON of an XGBoost model: a text is not UTF-8, at byte 22
    "#]]
    .assert_eq(&told);
    let mut longer = read("xgboost-3.2.0-binary.ubj");
    longer.push(b'}');
    assert!(refusal(&longer).contains("there is more behind the end"), "{}", refusal(&longer));
}

/// A tree that is a chain of splits on its first feature, deeper at each right child.
fn chain(splits: usize) -> Vec<u8> {
    let (nodes, inner) = (2 * splits + 1, |at: usize| at.is_multiple_of(2) && at < 2 * splits);
    changed(|json| {
        let child = |at: usize, side: usize| if inner(at) { i64::try_from(at + side).unwrap() } else { -1 };
        let tree = tree(json);
        tree["left_children"] = (0..nodes).map(|at| child(at, 1)).collect();
        tree["right_children"] = (0..nodes).map(|at| child(at, 2)).collect();
        tree["split_indices"] = vec![0; nodes].into();
        tree["split_conditions"] = (0..nodes).map(|at| at as f64 / 1e4).collect();
        tree["default_left"] = vec![0; nodes].into();
        tree["split_type"] = vec![0; nodes].into();
        tree["sum_hessian"] = (0..nodes).map(|at| (nodes - at) as f64).collect();
    })
}

#[test]
fn the_deepest_tree_that_is_read_is_explained_on_the_stack_of_a_thread() {
    let model = model(&chain(4_000)).unwrap();
    let explained = model.contributions(&[0.5, 0.0, 0.0, 0.0]).unwrap();
    assert!(explained.iter().all(|value| value.is_finite()));
    assert!(refusal(&chain(5_000)).ends_with("it is deeper than 4096 splits"), "{}", refusal(&chain(5_000)));
}
