//! Interpolation, expansion, parameters and lock files, as data. The files under `testdata` were written by DVC 3.67.

use super::{
    LockFile, Options, dump, float_repr, json_dumps, parse_params, parse_pipeline, run_cache_key, run_cache_value, select, set_param,
};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tidegate_core::pipeline::{Command, OutKind, StageSpec};

const PARAMS: &str = "lr: 1e-05\nname: o'neil\nflag: true\nnothing: null\nmodels: [cnn, gru]\ngrid: {us: {n: 1}, uk: {n: 2}}\n\
    train: {epochs: 3, layers: [1, 2], opt: {name: adam x, eps: 1e-08}, fast: true, slow: false}\ndir: sub\n";

fn read(path: &str) -> Result<Option<String>, String> {
    Ok(match path {
        "params.yaml" => Some(PARAMS.to_owned()),
        "more.json" => Some("{\"extra\": {\"a\": [10, 20]}, \"other\": 1}".to_owned()),
        "sub/local.yaml" => Some("local: here\n".to_owned()),
        _ => None,
    })
}

fn show(stage: &StageSpec) -> String {
    let cmd = match stage.cmd.as_ref().unwrap() {
        Command::One(text) => text.clone(),
        Command::Many(texts) => format!("{texts:?}"),
    };
    let mut line = format!("{}: {cmd}", stage.name);
    if !stage.wdir.is_empty() {
        line += &format!(" | wdir {}", stage.wdir);
    }
    if !stage.deps.is_empty() {
        line += &format!(" | deps {}", stage.deps.join(" "));
    }
    for (file, keys) in &stage.params {
        line += &format!(" | {file} {keys:?}");
    }
    for out in &stage.outs {
        let kind = match out.kind {
            OutKind::Out => "out",
            OutKind::Metric => "metric",
            OutKind::Plot => "plot",
        };
        let flags = format!("{}{}", if out.cache { "" } else { "-cache" }, if out.persist { "+persist" } else { "" });
        line += &format!(" | {kind}{flags} {}", out.path);
    }
    for (flag, name) in [(stage.frozen, "frozen"), (stage.always_changed, "always")] {
        line += if flag { " | " } else { "" };
        line += if flag { name } else { "" };
    }
    line
}

fn check(text: &str, expected: Expect) {
    let shown = match parse_pipeline("dvc.yaml", text, Options::default(), &mut read) {
        Ok(pipeline) => pipeline.stages.iter().map(show).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_stage_with_everything() {
    check(
        r"
stages:
  train:
    desc: trains
    cmd: [python train.py, echo done]
    wdir: ./src/../work
    deps: [./data/in/, train.py]
    params: [lr, train.opt, {more.json: }, {params.yaml: [flag]}, {p.json: [a.b]}]
    outs: [model, {log: {persist: true, cache: false, desc: d}}]
    metrics: [{m.json: {cache: false}}]
    plots: [{p.csv: {x: a, y: b}}, q.csv]
    frozen: true
    always_changed: true
    meta: {any: thing}
",
        expect![[
            r#"train: ["python train.py", "echo done"] | wdir work | deps ./data/in/ train.py | params.yaml ["lr", "train.opt", "flag"] | more.json [] | p.json ["a.b"] | out model | out-cache+persist log | metric-cache m.json | plot p.csv | plot q.csv | frozen | always"#
        ]],
    );
}

#[test]
fn expressions() {
    check(
        r"
vars: [more.json:extra, {own: {x: [a, {y: deep}]}}]
stages:
  a: {cmd: 'run ${lr} ${flag} ${nothing} ${train.layers[1]} \${HOME} ${own.x[1].y} ${extra.a[0]} ${name}'}
  b: {cmd: 'python t.py ${train}'}
  c: {cmd: '${train.opt}'}
  d: {cmd: x, deps: ['${dir}/${own.x[0]}'], wdir: '${dir}', vars: [local.yaml], outs: ['${local}']}
  e: {cmd: x, frozen: '${flag}'}
",
        expect![[r#"
            a: run 1e-05 true None 2 ${HOME} deep 10 o'neil
            b: python t.py --epochs 3 --layers 1 2 --opt.name 'adam x' --opt.eps 1e-08 --fast
            c: --name 'adam x' --eps 1e-08
            d: x | wdir sub | deps sub/a | out here
            e: x | frozen"#]],
    );
}

#[test]
fn one_declaration_many_stages() {
    check(
        r"
stages:
  list: {foreach: '${models}', do: {cmd: 'x ${item}', outs: ['${item}.bin']}}
  plain: {foreach: [1, 1.5, true, null], do: {cmd: 'x ${item}'}}
  maps: {foreach: [{a: 1}, {a: 2}], do: {cmd: 'x ${item.a}'}}
  dict: {foreach: '${grid}', do: {cmd: 'x ${key} ${item.n}'}}
  grid: {matrix: {m: '${models}', n: [1, [2]]}, cmd: 'x ${item.m} ${key}'}
",
        expect![[r#"
            list@cnn: x cnn | out cnn.bin
            list@gru: x gru | out gru.bin
            plain@1: x 1
            plain@1.5: x 1.5
            plain@true: x true
            plain@None: x None
            maps@0: x 1
            maps@1: x 2
            dict@us: x us 1
            dict@uk: x uk 2
            grid@cnn-1: x cnn cnn-1
            grid@cnn-n1: x cnn cnn-n1
            grid@gru-1: x gru gru-1
            grid@gru-n1: x gru gru-n1"#]],
    );
}

#[test]
fn all_mistakes_at_once_with_their_places() {
    check(
        r"
stagez: {}
vars: []
stages:
  a: {cmd: x, dep: [y]}
  b@c: {cmd: x}
  c: {deps: [x]}
  d: {cmd: '${trian.epochs} ${models} ${a[}'}
  e: {cmd: x, deps: ['${train}', s3://b/x], outs: [o, {p: {cach: false}}]}
  f: {cmd: ['a: b', {x: y}]}
  g: {foreach: '${lr}', do: {cmd: x}}
  h: {foreach: [1], cmd: x}
  i: {matrix: {a: 3}, cmd: x}
  j: {cmd: x, deps: 7, frozen: 1}
  k: {cmd: x, outs: [z, z], metrics: [z]}
  l: 7
",
        expect![[r#"
            dvc.yaml:2:1: the file has an unknown key `stagez`: did you mean `stages`?
            dvc.yaml:5:15: stage `a` has an unknown key `dep`: did you mean `deps`?
            dvc.yaml:6:3: stage name `b@c` holds `@`, which stands between a group and its item
            dvc.yaml:7:6: stage `c` has no `cmd`
            dvc.yaml:8:12: `${a[}` is not a name: write `${a.b}` or `${a[0]}`
            dvc.yaml:9:22: `${train}` is a mapping, which cannot stand here: name one value inside it
            dvc.yaml:9:51: output `p` has an unknown key `cach`: did you mean `cache`?
            dvc.yaml:10:12: `cmd` of stage `f` is a list; it is a text or a list of texts, not empty (quote one that holds `: `)
            dvc.yaml:11:16: `foreach` goes over a list or a mapping; this is a string
            dvc.yaml:12:16: stage `h` has `foreach` but no `do`
            dvc.yaml:13:15: axis `a` of `matrix` is not a list
            dvc.yaml:14:21: `deps` of stage `j` is a whole number; it is a list
            dvc.yaml:14:32: `frozen` of stage `j` is a whole number; it is true or false
            dvc.yaml:15:38: stage `k` names output `z` in two lists
            dvc.yaml:16:6: stage `l` is a whole number; it is a mapping with `cmd`"#]],
    );
    check(
        "stages: {d: {cmd: '${trian.epochs}'}}",
        expect!["dvc.yaml:1:19: `${trian.epochs}`: there is no value `trian` in params.yaml or `vars`; did you mean `train`?"],
    );
    check("vars: [{lr: 2}]", expect!["dvc.yaml:1:8: `lr` is defined twice in `vars`: later values may not replace earlier ones"]);
    check("vars: [no.yaml]", expect!["dvc.yaml:1:8: `vars` names the file `no.yaml`, which does not exist"]);
    check("stages: {a: [", expect!["dvc.yaml:2:1: while parsing a node, did not find expected node content"]);
    check("", expect![""]);
}

#[test]
fn parameters_are_read_as_dvc_reads_them() {
    let show = |text: &str| parse_params("params.yaml", text).map_or_else(|e| e.to_string(), |v| v.to_string());
    assert_eq!(
        show("{a: 1e-5, b: 1_000, c: yes, d: 0x1F, e: 0o17, f: 010, g: ~, h: 'x', i: .5, j: 1., k: 12:30, l: -7, 3: 0b11}"),
        r#"{"a":0.00001,"b":1000,"c":"yes","d":31,"e":15,"f":10,"g":null,"h":"x","i":0.5,"j":1.0,"k":"12:30","l":-7,"3":3}"#
    );
    assert_eq!(show(""), "{}");
    assert_eq!(show("d: 2013-12-31"), "params.yaml:1:4: `2013-12-31` is a date to YAML, which DVC refuses here: write it as '2013-12-31'");
    assert_eq!(show("d: .inf"), "params.yaml:1:4: `.inf` is not a finite number: quote it");
    assert_eq!(parse_params("p.json", "{\"a\": }").unwrap_err().to_string(), "p.json:1:7: expected value at line 1 column 7");
    let values = json!({"a": {"b": [1, {"c": 2}]}, "x": 3});
    let found = select(&values, &["a.b.1.c".to_owned(), "a.z".to_owned()]);
    assert_eq!((found["a.b.1.c"].clone(), found["a.z"].clone()), (Some(json!(2)), None));
    assert_eq!(select(&values, &[]).keys().collect::<Vec<_>>(), ["a", "x"]);
}

#[test]
fn a_value_is_replaced_where_it_stands() {
    let text = "# top\nlr: 0.1  # rate\ntrain:\n  opt: {name: 'o''n', b: [1, \"x\\\"y\"]}\n  e: 3\n";
    let set = |key: &str, value: &str| set_param("params.yaml", text, key, value).map_err(|e| e.to_string());
    assert_eq!(set("lr", "1e-3").unwrap(), text.replace("0.1", "1e-3"));
    assert_eq!(set("train.opt.name", "two words: x").unwrap(), text.replace("'o''n'", "'two words: x'"));
    assert_eq!(set("train.opt.b.1", "z").unwrap(), text.replace("\"x\\\"y\"", "z"));
    assert_eq!(set("train.e", "2013-01-01").unwrap(), text.replace("e: 3", "e: '2013-01-01'"));
    assert_eq!(
        set("train.nope", "1").unwrap_err(),
        "params.yaml:1:1: set `train.nope`: the file has no such value; add it to the file first"
    );
    assert!(set("train.opt", "1").unwrap_err().contains("cannot be replaced in place"));
    assert_eq!(set_param("p.json", "{\"a\": {\"b\": 1}}", "a.b", "x y").unwrap(), "{\n    \"a\": {\n        \"b\": \"x y\"\n    }\n}");
}

#[test]
fn what_is_written_is_what_dvc_writes() {
    let value: Value = serde_json::from_str(include_str!("testdata/emit.json")).unwrap();
    assert_eq!(dump(&value), include_str!("testdata/emit.yaml"));
}

#[test]
fn a_lock_file_of_dvc_comes_back_byte_for_byte() {
    let text = include_str!("testdata/dvc.lock");
    let mut lock = LockFile::parse("dvc.lock", text).unwrap();
    assert_eq!(lock.render(), text);
    let recorded = lock.get("zed").unwrap();
    lock.set("zed", &recorded, &[]);
    assert_eq!(lock.render(), text);
    assert!(recorded.deps["train.py"].executable && recorded.deps["data"].files == Some(1));
    // Key and name of the run-cache entry that DVC wrote for this stage.
    let outs: Vec<String> = recorded.outs.keys().cloned().collect();
    assert!(run_cache_key(&recorded, &outs).starts_with(r#"{"cmd": "python3 train.py"#));
    assert!(
        run_cache_value(&recorded).contains(r#""outs": [{"hash": "md5", "md5": "ca63cf567efa45fa282e0882dda48d49", "path": "m.json"}"#)
    );
    assert!(!run_cache_value(&recorded).contains("nfiles"));
}

#[test]
fn parameters_within_others_are_aliases_as_dvc_writes_them() {
    let text = include_str!("testdata/aliases.lock");
    let mut lock = LockFile::parse("dvc.lock", text).unwrap();
    assert_eq!(lock.render(), text);
    for stage in ["a", "b", "c"] {
        let recorded = lock.get(stage).unwrap();
        lock.set(stage, &recorded, &[]);
    }
    assert_eq!(lock.render(), text);
    // What was recorded at another time is not the same thing because it lies at the same place.
    let apart =
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    params:\n      params.yaml:\n        l:\n        - - 1\n        l.0:\n        - 2\n";
    assert_eq!(LockFile::parse("dvc.lock", apart).unwrap().render(), apart);
}

#[test]
fn new_stages_take_their_places_and_old_ones_keep_theirs() {
    let old = "schema: '2.0'\nstages:\n  z:\n    cmd: z\n  b:\n    cmd: b\n";
    let mut lock = LockFile::parse("dvc.lock", old).unwrap();
    let order: Vec<String> = ["a", "b", "c", "d", "z"].map(str::to_owned).to_vec();
    let z = lock.get("z").unwrap();
    for name in ["d", "a", "b", "c"] {
        lock.set(name, &z, &order);
    }
    assert_eq!(
        lock.render(),
        "schema: '2.0'\nstages:\n  z:\n    cmd: z\n  b:\n    cmd: z\n  a:\n    cmd: z\n  c:\n    cmd: z\n  d:\n    cmd: z\n"
    );
    let refused = LockFile::parse("dvc.lock", "a: {cmd: x}").unwrap_err().to_string();
    assert!(refused.contains("the lock file has no schema"), "{refused}");
    assert_eq!(LockFile::parse("dvc.lock", "").unwrap().render(), "");
}

#[test]
fn entries_that_could_leave_the_cache_are_not_read() {
    let text = "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - {path: o, hash: md5, md5: ../../../../etc/passwd}\n    - {path: p, hash: etag, md5: d41d8cd98f00b204e9800998ecf8427e}\n";
    assert!(LockFile::parse("dvc.lock", text).unwrap().get("a").unwrap().outs.is_empty());
}

#[test]
fn numbers_and_texts_as_python_writes_them() {
    for (number, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (1.25e22, "1.25e+22"),
        (123_456_789.125, "123456789.125"),
        (13_306_746_454_868_002.0 / 8.0, "1663343306858500.2"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (-2.5, "-2.5"),
    ] {
        assert_eq!(float_repr(number), text);
    }
    let value = json!({"b": [1, 1e-5, "é😀\n\u{7f}\"\\"], "a": {"size": 1, "nfiles": 2, "z": null}});
    assert_eq!(json_dumps(&value, &["size", "nfiles"]), r#"{"a": {"z": null}, "b": [1, 1e-05, "\u00e9\ud83d\ude00\n\u007f\"\\"]}"#);
}
