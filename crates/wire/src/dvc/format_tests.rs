//! Parameter files of all formats, keys that are no texts, settings of DVC's configuration, digests of DVC 2.

use super::{LockFile, Options, dump, json_dumps, parse_params, parse_params_as_written, parse_pipeline, set_param, with_plain_keys};
use serde_json::Value;
use tidegate_core::pipeline::Command;

const TOML: &str = "lr = 0.1\nname = 'x'\n[train]\nlayers = [1, 2]\nopt = { eps = 1e-08, on = true }\n[[item]]\na = 1\n";
const PYTHON: &str = r"
import os
lr = 0.1  # rate
name: str = 'x'
skipped = os.getcwd()
a = b = 1
lr += 0
class train(object):
    layers = [
        1,
        2,  # two
    ]

    def __init__(self, n):
        local = 1
        self.opt = {'eps': 1e-08, 'on': True}; done = 1

    def other(self):
        self.no = 1
if lr == 1:
    no = 1
item = [{'a': 1}]
";

#[test]
fn the_four_formats_give_the_same_values() {
    let yaml = "{lr: 0.1, name: x, train: {layers: [1, 2], opt: {eps: 1e-08, on: true}}, item: [{a: 1}]}";
    let wanted = parse_params("p.yaml", yaml).unwrap();
    assert_eq!(parse_params("p.toml", TOML).unwrap(), wanted);
    assert_eq!(parse_params("p.py", PYTHON).unwrap(), wanted);
    assert_eq!(parse_params("p.json", &wanted.to_string()).unwrap(), wanted);
    assert_eq!(parse_params("p.toml", "a = 1\nb = [").unwrap_err().problems[0].line, 2);
    assert!(parse_params("p.toml", "a = 2013-12-31").unwrap_err().to_string().contains("quote it"));
    assert_eq!(parse_params("p.py", "a = (1,\n b = 2\n").unwrap_err().problems[0].line, 1);
}

#[test]
fn a_value_is_replaced_in_each_format() {
    let set = |file: &str, text: &str, key: &str| set_param(file, text, key, "0.5").unwrap();
    assert_eq!(set("p.toml", TOML, "train.opt.eps"), TOML.replace("1e-08", "0.5"));
    assert_eq!(set("p.toml", TOML, "train.layers.0"), TOML.replace("[1,", "[0.5,"));
    assert_eq!(set("p.py", PYTHON, "train.opt.eps"), PYTHON.replace("1e-08", "0.5"));
    assert_eq!(set("p.py", PYTHON, "lr"), PYTHON.replace("0.1  #", "0.5  #"));
    assert_eq!(set_param("p.py", PYTHON, "name", "it's").unwrap(), PYTHON.replace("'x'", r"'it\'s'"));
    assert!(set_param("p.py", PYTHON, "skipped", "1").is_err());
}

#[test]
fn literals_of_python() {
    let show = |text: &str| parse_params("p.py", &format!("v = {text}\n")).unwrap().get("v").map_or("none".to_owned(), Value::to_string);
    for (text, value) in [
        ("-1_000", "-1000"),
        ("0x1F", "31"),
        ("1e5", "100000.0"),
        (".5", "0.5"),
        ("'a' \"b\"", r#""ab""#),
        (r"r'\n'", r#""\\n""#),
        (r"'\x41\u00e9\101'", r#""AéA""#),
        ("'''two\n  lines'''", r#""two\n  lines""#),
        ("(1, 'x', None)", r#"[1,"x",null]"#),
        ("1, 2", "[1,2]"),
        ("(3)", "3"),
        ("{1: 'a', 'b': [True, False]}", r#"{"1":"a","b":[true,false]}"#),
        ("[]", "[]"),
        ("f'x'", "none"),
        ("b'x'", "none"),
        ("{1, 2}", "none"),
        ("1 + 2", "none"),
        ("a", "none"),
        ("3j", "none"),
    ] {
        assert_eq!(show(text), value, "{text}");
    }
}

/// The stages of a file, a line each: name and command.
fn stages(text: &str, options: Options) -> Vec<String> {
    let params = "train: {epochs: 3, layers: [1, 2], opt: {name: adam x, eps: 1e-08}, fast: true, slow: false}\nlabels: {0: cat}\n";
    let mut read = |path: &str| Ok((path == "params.yaml").then(|| params.to_owned()));
    let pipeline = parse_pipeline("dvc.yaml", text, options, &mut read).unwrap();
    pipeline
        .stages
        .iter()
        .map(|s| match &s.cmd {
            Some(Command::One(text)) => format!("{}: {text}", s.name),
            other => format!("{}: {other:?}", s.name),
        })
        .collect()
}

#[test]
fn keys_that_are_no_texts_stay_what_they_are() {
    let text = "labels: {0: cat, 10: x, 9: y, true: z}\n";
    let value = parse_params_as_written("params.yaml", text).unwrap();
    assert_eq!(dump(&value), "labels:\n  0: cat\n  10: x\n  9: y\n  true: z\n");
    let numbers = parse_params_as_written("params.yaml", "{0: cat, 10: x, 9: y}").unwrap();
    assert_eq!(json_dumps(&numbers, &[]), r#"{"0": "cat", "9": "y", "10": "x"}"#);
    assert_eq!(with_plain_keys(value), parse_params("params.yaml", text).unwrap());
    // No expression sees them, but a list of items written in place does.
    assert!(stages("stages: {s: {foreach: '${labels}', do: {cmd: x}}}", Options::default()).is_empty());
    let items = stages("stages: {s: {foreach: {1: a, null: b}, do: {cmd: 'x ${key}'}}}", Options::default());
    assert_eq!(items, ["s@1: x 1", "s@None: x None"]);
}

#[test]
fn options_follow_the_configuration() {
    let text = "stages: {s: {cmd: 'run ${train}'}}";
    assert_eq!(
        stages(text, Options { no_flags: true, repeat_lists: true }),
        ["s: run --epochs 3 --layers 1 --layers 2 --opt.name 'adam x' --opt.eps 1e-08 --fast --no-slow"]
    );
}

#[test]
fn a_list_is_counted_from_its_end_and_a_mapping_is_an_axis() {
    let text = "stages: {s: {matrix: {m: '${train}', n: [1]}, cmd: 'x ${item.m} ${train.layers[-1]}'}}";
    assert_eq!(stages(text, Options::default())[..2], ["s@epochs-1: x epochs 2", "s@layers-1: x layers 2"]);
}

#[test]
fn what_stands_beside_the_stages() {
    let text = "vars: [{dir: sub}]\nmetrics: [m.json, '${dir}/n.json']\nparams: [p.toml]\n\
        plots: [a.csv, {b.csv: {x: t}}, {title: {y: {c.csv: v, d.csv: w}}}]\n\
        artifacts: {m: {path: m.bin, type: model, labels: [a]}}\n";
    let pipeline = parse_pipeline("dvc.yaml", text, Options::default(), &mut |_| Ok(None)).unwrap();
    assert_eq!(pipeline.metrics, ["m.json", "sub/n.json"]);
    assert_eq!(pipeline.params, ["p.toml"]);
    let sources: Vec<_> = pipeline.plots.iter().flat_map(tidegate_core::pipeline::PlotSpec::sources).collect();
    assert_eq!(sources, ["a.csv", "b.csv", "c.csv", "d.csv"]);
    let artifact = &pipeline.artifacts["m"];
    assert_eq!((artifact.path.as_str(), artifact.kind.as_deref(), artifact.labels.len()), ("m.bin", Some("model"), 1));
}

#[test]
fn vars_cannot_name_each_other() {
    let error = parse_pipeline("dvc.yaml", "vars: [{a: '${b}'}]", Options::default(), &mut |_| Ok(None)).unwrap_err();
    assert!(error.to_string().contains("cannot use `${...}`"), "{error}");
}

#[test]
fn digests_of_dvc_2_stay_what_they_are() {
    let text =
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    deps:\n    - path: p\n      md5: d41d8cd98f00b204e9800998ecf8427e\n      size: 0\n";
    let mut lock = LockFile::parse("dvc.lock", text).unwrap();
    let recorded = lock.get("a").unwrap();
    assert!(recorded.legacy.contains("p"));
    lock.set("a", &recorded, &[]);
    assert_eq!(lock.render(), text);
}
