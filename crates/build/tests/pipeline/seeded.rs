//! Repositories and pipelines from a seed.

use crate::world::World;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// SplitMix64: small, and the same on every machine.
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

const NAMES: [&str; 10] = ["a", "b.txt", "Ünïcode", "日本", "with space", "e\u{301}", "-dash", "x'y", "z_z", "😀.bin"];
const CONTENTS: [&str; 6] = ["", "x\n", "one\r\ntwo\r\n", "\u{0}\u{1}\u{2}", "{\"a\": 1}", "unicode é 日本\n"];

/// Files of data at `folder`: nested, empty, executable, links to files.
fn data(world: &World, seed: &mut Seed, folder: &str) {
    for i in 0..1 + seed.below(5) {
        let deep: Vec<String> = (0..seed.below(3)).map(|_| seed.pick(&NAMES).to_owned() + "d").collect();
        let name = format!("{folder}/{}{}{i}", deep.iter().map(|d| format!("{d}/")).collect::<String>(), seed.pick(&NAMES));
        let content = if seed.one_in(8) { "long ".repeat(3000) } else { seed.pick(&CONTENTS).to_owned() };
        world.write(&name, &content);
        if seed.one_in(4) {
            std::fs::set_permissions(world.path(&name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        if seed.one_in(4) {
            let _ = symlink(world.path(&name), world.path(&format!("{folder}/link{i}")));
        }
    }
    if seed.one_in(3) {
        std::fs::create_dir_all(world.path(&format!("{folder}/empty/inner"))).unwrap();
    }
}

const PARAMS: [(&str, &str); 4] = [
    (
        "params.yaml",
        "lr: 1e-05\nname: it's\ntrain: {epochs: 3, layers: [1, 2.0, true, null], 'on': yes}\nlabels: {0: cat, 10: dog, 9: x}\nbig: 123456789012\n",
    ),
    ("other.json", "{\"a\": {\"b\": [1, {\"c\": 0.1}]}, \"text\": \"2013-12-31\"}"),
    ("conf.toml", "rate = 0.30000000000000004\n[model]\nsize = [1, 2]\nkind = { name = \"x: y\", deep = true }\n"),
    (
        "conf.py",
        "SEED = 7\nPAIR = ('a', \"b\")\nclass Model:\n    width = 0x10\n    names = ['a', \"b\"]\n    def __init__(self):\n        self.rate = -1.5e-3\n",
    ),
];

/// The `params` of a stage: some keys of some files, or whole files.
fn params(seed: &mut Seed) -> String {
    let choices = [
        "lr",
        "train",
        "train.layers",
        "labels",
        "big",
        "{other.json: [a.b, text]}",
        "{other.json: }",
        "{conf.toml: [rate, model.kind]}",
        "{conf.py: [SEED, PAIR, Model]}",
        "{conf.py: [Model.rate]}",
    ];
    let picked: std::collections::BTreeSet<&str> = (0..seed.below(4)).map(|_| seed.pick(&choices)).collect();
    picked.into_iter().collect::<Vec<_>>().join(", ")
}

/// A repository with data, parameters, and stages that need each other; equal seeds give equal repositories.
pub fn repository(world: &World, number: u64) {
    let mut seed = Seed(number);
    for (name, text) in PARAMS {
        world.write(name, text);
    }
    let inputs = 1 + seed.below(3);
    for i in 0..inputs {
        data(world, &mut seed, &format!("raw{i}"));
    }
    let mut made: Vec<String> = (0..inputs).map(|i| format!("raw{i}")).collect();
    let mut text = String::from("vars: [{sites: [us, uk, 1.5], grid: {p: {n: 1}, 'q r': {n: two}}, tag: 'ä b'}]\nstages:\n");
    let stages = 2 + seed.below(5);
    for i in 0..stages {
        // Names that do not follow the order of need.
        let name = format!("{}{i}", seed.pick(&["z", "m", "a", "k-", "q_"]));
        let dep = made[usize::try_from(seed.below(made.len() as u64)).unwrap()].clone();
        let (out, params) = (format!("out{i}"), params(&mut seed));
        match seed.below(7) {
            0 => {
                writeln!(text, "  {name}:\n    foreach: ${{sites}}\n    do: {{cmd: 'echo ${{item}} > {out}-${{item}}', deps: [{dep}], params: [{params}], outs: ['{out}-${{item}}']}}").unwrap();
                made.push(format!("{out}-us"));
            }
            1 => {
                writeln!(text, "  {name}:\n    foreach: ${{grid}}\n    do: {{cmd: 'mkdir -p \"{out}/${{key}}\" && echo ${{item.n}} > \"{out}/${{key}}/f\"', deps: [{dep}], outs: ['{out}/${{key}}']}}").unwrap();
                made.push(out);
            }
            2 => {
                writeln!(text, "  {name}:\n    matrix: {{m: [x, {{k: 1}}], n: '${{sites}}'}}\n    cmd: echo ${{key}} ${{item.n}} > {out}-${{key}}\n    deps: [{dep}]\n    params: [{params}]\n    outs: ['{out}-${{key}}']").unwrap();
                made.push(format!("{out}-x-us"));
            }
            3 => {
                writeln!(text, "  {name}:\n    cmd: [cp -rL ../{dep} {out}, 'echo ${{tag}} > note{i}']\n    wdir: ./sub\n    deps: [../{dep}]\n    outs: [{out}/, {{note{i}: {{cache: false}}}}]").unwrap();
                std::fs::create_dir_all(world.path("sub")).unwrap();
                world.write("sub/keep", "");
                made.push(format!("sub/{out}"));
            }
            4 => {
                writeln!(text, "  {name}:\n    cmd: >-\n      find ./{dep} -type f | LC_ALL=C sort > {out} && echo '{{\"n\": {i}, \"nan\": 1e-7}}' > m{i}.json && printf 'x,y\\n1,2\\n' > p{i}.csv && chmod +x {out}\n    deps: [./{dep}]\n    params: [{params}]\n    outs: [{out}]\n    metrics: [{{m{i}.json: {{cache: false}}}}]\n    plots: [{{p{i}.csv: {{x: x, y: y, template: linear}}}}]").unwrap();
                made.push(out);
            }
            5 => {
                writeln!(text, "  {name}:\n    desc: |\n      several\n      lines\n    cmd: |\n      mkdir -p {out}/日本\n      cp -rL {dep} {out}/日本/in\n      : > {out}/empty\n    deps: [{dep}]\n    params: [{params}]\n    outs: [{out}]").unwrap();
                made.push(format!("{out}/日本"));
            }
            _ => {
                writeln!(
                    text,
                    "  {name}:\n    cmd: echo persisted >> {out}\n    deps: [{dep}]\n    outs: [{{{out}: {{persist: true, desc: kept}}}}]"
                )
                .unwrap();
                made.push(out);
            }
        }
    }
    text.push_str("metrics: [extra.json]\nplots: [{title: {x: x, y: {p.csv: y}}}]\nartifacts: {model: {path: out0, type: model}}\n");
    world.write("dvc.yaml", &text);
    if seed.one_in(2) {
        world.write("part/in", "part\n");
        let up = &made[0];
        let text = format!(
            "stages:\n  inner: {{cmd: 'cat in > o; ls ../{up} | wc -l >> n', deps: [in, ../{up}], outs: [o, n]}}\n  beside: {{cmd: cp o p, deps: [o], outs: [p]}}\n"
        );
        world.write("part/dvc.yaml", &text);
    }
}

/// A dvc.yaml with random vars, foreach, matrix and expressions, as data.
pub fn pipeline(number: u64) -> Value {
    let mut seed = Seed(number ^ 0x5eed);
    let scalar = |seed: &mut Seed| match seed.below(8) {
        0 => json!(true),
        1 => json!(null),
        2 => json!(1.5e-7),
        3 => json!("it's \"so\" ${x}".replace("${x}", "")),
        4 => json!("ü 日本"),
        5 => json!(-3),
        6 => json!(1e22),
        _ => json!(format!("w{}", seed.below(5))),
    };
    let list = |seed: &mut Seed| (0..1 + seed.below(4)).map(|_| scalar(seed)).collect::<Vec<_>>();
    let mut vars = serde_json::Map::new();
    vars.insert("s".to_owned(), scalar(&mut seed));
    vars.insert("l".to_owned(), json!(list(&mut seed)));
    vars.insert("d".to_owned(), json!({"k": scalar(&mut seed), "n": {"deep": list(&mut seed), "flag": seed.one_in(2)}, "é": "x"}));
    vars.insert("c".to_owned(), json!([{"v": scalar(&mut seed)}, {"v": 2}]));
    let expressions = [
        "${s}",
        "${l[0]}",
        "${l[-1]}",
        "${d.k}",
        "${d[n].deep[0]}",
        "${ s }",
        "\\${s}",
        "${c[1].v}",
        "$${s}",
        "${missing}",
        "${d.n.flag}",
        "${l}",
        "${d}",
        "${a..b}",
    ];
    let mut stages = serde_json::Map::new();
    for i in 0..1 + seed.below(4) {
        let mut text = || {
            let picked: Vec<&str> = (0..1 + seed.below(3)).map(|_| seed.pick(&expressions)).collect();
            format!("run {}", picked.join(" and "))
        };
        let body = json!({"cmd": [text(), "echo ${d}"], "deps": ["in-${d.n.flag}"], "params": ["lr"]});
        let stage = match seed.below(5) {
            0 => json!({"foreach": "${l}", "do": {"cmd": "x ${item}", "outs": ["o${item}"]}}),
            1 => json!({"foreach": "${d.n}", "do": {"cmd": "x ${key}", "wdir": "${key}"}}),
            2 => json!({"foreach": "${c}", "do": {"cmd": "x ${item.v} ${s}"}}),
            3 => json!({"matrix": {"a": "${l}", "b": [1, "z", {"q": 1}], "c": "${d.n}"}, "cmd": "x ${item.a} ${item.c} ${key}"}),
            _ => body,
        };
        stages.insert(format!("st{i}"), stage);
    }
    json!({"vars": [vars], "stages": stages})
}
