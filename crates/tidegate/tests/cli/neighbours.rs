//! Repositories as their users have them, once with DVC and once with us: the same files, locks, remotes and exit codes;
//! and workflows that are carried out step by step.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tidegate_wire::yaml;

/// The environment of DVC, with pytest and check-jsonschema beside it.
fn tools() -> Option<PathBuf> {
    let found = std::env::var_os("TIDEGATE_TEST_DVC").map(|dvc| PathBuf::from(dvc).parent().unwrap().to_path_buf());
    if found.as_ref().is_none_or(|bin| !bin.join("pytest").exists()) {
        eprintln!("skipped: repositories beside DVC: set TIDEGATE_TEST_DVC to a `dvc` beside `pytest` and `check-jsonschema`");
        return None;
    }
    found
}

/// Folders and tools of one try.
struct Try {
    dir: TempDir,
    bin: PathBuf,
}

impl Try {
    fn new(bin: &Path) -> Try {
        let dir = tempfile::tempdir().unwrap();
        for below in ["home", "bin"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        // As on a machine that has it installed.
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidegate"), dir.path().join("bin/tidegate")).unwrap();
        Try { dir, bin: bin.to_path_buf() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A shell's line in a folder: its exit code, and what it said.
    fn sh(&self, folder: &Path, line: &str, variables: &[(&str, &str)]) -> (i32, String) {
        let path = format!("{}:{}:{}", self.at("bin").display(), self.bin.display(), std::env::var_os("PATH").unwrap().display());
        let mut command = Command::new("bash");
        command.args(["-e", "-c", line]).current_dir(folder).stdin(Stdio::null()).env("PATH", path);
        command.env("HOME", self.at("home")).env("XDG_CACHE_HOME", self.at("home/.cache")).env("DVC_NO_ANALYTICS", "1");
        for name in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{name}_NAME"), "a").env(format!("GIT_{name}_EMAIL"), "a@b");
        }
        command.env_remove("VIRTUAL_ENV").env("PYTHONDONTWRITEBYTECODE", "1").envs(variables.iter().copied());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    fn well(&self, folder: &Path, line: &str) -> String {
        let (code, said) = self.sh(folder, line, &[]);
        assert_eq!(code, 0, "{line}: {said}");
        said
    }

    /// A repository with these files, committed, and a remote that is a folder.
    fn repository(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.at(name);
        for (path, text) in files {
            fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            fs::write(folder.join(path), text).unwrap();
        }
        self.well(&folder, "git init -q -b main && dvc init -q && git add -A && git commit -qm first");
        folder
    }
}

/// Every file of a folder that neither tool keeps for itself.
fn files(folder: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if [".git", ".dvc", ".tidegate", ".pytest_cache", "pytest.xml"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let mut text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                if name == ".gitignore" {
                    // Stages that run at once add to it in the order in which they end.
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    text = lines.join("\n");
                }
                found.insert(path.strip_prefix(root).unwrap().display().to_string(), text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// After the structure of DVC's own `example-get-started`: text prepared, made into features, a model trained and evaluated.
const GET_STARTED: &[(&str, &str)] = &[
    (
        "dvc.yaml",
        "stages:\n  prepare:\n    cmd: python src/prepare.py data/data.csv\n    deps: [data/data.csv, src/prepare.py]\n    params: [prepare.seed, prepare.split]\n    outs: [data/prepared]\n  featurize:\n    cmd: python src/featurize.py data/prepared data/features\n    deps: [data/prepared, src/featurize.py]\n    params: [featurize.max_features, featurize.ngrams]\n    outs: [data/features]\n  train:\n    cmd: python src/train.py data/features model.json\n    deps: [data/features, src/train.py]\n    params: [train.min_split, train.seed]\n    outs: [model.json]\n  evaluate:\n    cmd: python src/evaluate.py model.json data/features\n    deps: [data/features, model.json, src/evaluate.py]\n    outs: [eval/importance.csv]\nmetrics: [eval/metrics.json]\nplots:\n  - ROC:\n      template: simple\n      x: fpr\n      y: { eval/roc.csv: tpr }\n",
    ),
    (
        "params.yaml",
        "prepare: {split: 0.2, seed: 20170428}\nfeaturize: {max_features: 100, ngrams: 1}\ntrain: {seed: 20170428, min_split: 0.01}\n",
    ),
    ("data/data.csv", "id,text,tag\n1,r data frame,1\n2,python list,0\n3,plot in r,1\n4,java class,0\n5,ggplot r,1\n"),
    (
        "src/prepare.py",
        "import csv, os, random, sys, yaml\np = yaml.safe_load(open('params.yaml'))['prepare']\nrandom.seed(p['seed'])\nos.makedirs('data/prepared', exist_ok=True)\nrows = list(csv.reader(open(sys.argv[1])))[1:]\nparts = {'train': [], 'test': []}\nfor row in rows:\n    parts['test' if random.random() < p['split'] else 'train'].append(row)\nfor name, part in parts.items():\n    with open(f'data/prepared/{name}.tsv', 'w') as f:\n        for row in part: f.write('\\t'.join(row) + '\\n')\n",
    ),
    (
        "src/featurize.py",
        "import json, os, sys, yaml\np = yaml.safe_load(open('params.yaml'))['featurize']\nos.makedirs(sys.argv[2], exist_ok=True)\nfor name in ('train', 'test'):\n    rows = [line.rstrip('\\n').split('\\t') for line in open(f'{sys.argv[1]}/{name}.tsv')]\n    out = [[r[0], int(r[2]), sorted(r[1].split())[:p['max_features']]] for r in rows]\n    json.dump(out, open(f'{sys.argv[2]}/{name}.json', 'w'))\n",
    ),
    (
        "src/train.py",
        "import collections, json, sys\nrows = json.load(open(f'{sys.argv[1]}/train.json'))\nseen = collections.Counter(w for _, tag, words in rows if tag for w in words)\njson.dump(dict(sorted(seen.items())), open(sys.argv[2], 'w'))\n",
    ),
    (
        "src/evaluate.py",
        "import json, os, sys\nmodel = json.load(open(sys.argv[1]))\nrows = json.load(open(f'{sys.argv[2]}/train.json'))\nright = sum((any(w in model for w in words)) == bool(tag) for _, tag, words in rows)\nos.makedirs('eval', exist_ok=True)\njson.dump({'train': {'accuracy': right / len(rows)}}, open('eval/metrics.json', 'w'))\nopen('eval/roc.csv', 'w').write('fpr,tpr\\n0,0\\n1,1\\n')\nopen('eval/importance.csv', 'w').write('word,n\\n' + ''.join(f'{w},{n}\\n' for w, n in model.items()))\n",
    ),
];

/// After the structure of repositories with a stage for each item: `foreach`, `matrix`, variables of files, a shared folder.
const MANY_MODELS: &[(&str, &str)] = &[
    (
        "dvc.yaml",
        "vars: [config/models.yaml, {out: models}]\nstages:\n  download:\n    foreach: ${cities}\n    do:\n      cmd: mkdir -p raw && echo ${item.seed} > raw/${key}.txt\n      params: [{config/models.yaml: [\"cities.${key}\"]}]\n      outs: [\"raw/${key}.txt\"]\n  fit:\n    matrix:\n      city: [paris, rome]\n      depth: ${depths}\n    cmd: mkdir -p ${out} && cat raw/${item.city}.txt > ${out}/${item.city}-${item.depth}.txt && echo depth ${item.depth} >> ${out}/${item.city}-${item.depth}.txt\n    deps: [\"raw/${item.city}.txt\"]\n    outs: [\"${out}/${item.city}-${item.depth}.txt\"]\n  collect:\n    wdir: report\n    cmd: cat ../${out}/*.txt > all.txt && echo '{\"models\":' $(ls ../${out} | wc -l) '}' > summary.json\n    deps: [../models/paris-1.txt, ../models/paris-2.txt, ../models/rome-1.txt, ../models/rome-2.txt]\n    outs: [all.txt]\n    metrics: [{summary.json: {cache: false}}]\n",
    ),
    ("config/models.yaml", "cities:\n  paris: {seed: 1}\n  rome: {seed: 2}\ndepths: [1, 2]\n"),
    ("report/README", "all models\n"),
];

/// After the structure of a data registry with a model beside it: data under `.dvc` files, a pipeline in a folder, parameters in
/// TOML and Python, an output that persists, one that stays out of the cache.
const REGISTRY: &[(&str, &str)] = &[
    (
        "training/dvc.yaml",
        "stages:\n  import:\n    cmd: cat ../data/images/*.txt > all.txt\n    deps: [../data/images]\n    outs: [all.txt]\n  train:\n    cmd: python train.py\n    deps: [all.txt, train.py]\n    params: [{conf.toml: [train.rate]}, {settings.py: [EPOCHS]}]\n    outs:\n      - model.txt\n      - log.txt: {persist: true}\n    metrics: [{m.yaml: {cache: false}}]\n  publish:\n    desc: where others look for it\n    cmd: cp model.txt published.txt\n    deps: [model.txt]\n    outs: [{published.txt: {cache: false}}]\n",
    ),
    ("training/conf.toml", "[train]\nrate = 0.5\n"),
    ("training/settings.py", "EPOCHS = 3\n"),
    (
        "training/train.py",
        "import tomllib, settings\nrate = tomllib.load(open('conf.toml', 'rb'))['train']['rate']\ntext = open('all.txt').read()\nopen('model.txt', 'w').write(text.upper() * settings.EPOCHS)\nopen('log.txt', 'w').write(f'{rate}\\n')\nopen('m.yaml', 'w').write(f'size: {len(text)}\\nrate: {rate}\\n')\n",
    ),
    ("data/images/a.txt", "first\n"),
    ("data/images/sub/\u{e4} b.txt", "second\n"),
    ("data/images/c.txt", ""),
];

/// What a newcomer does, with either tool: bring it up to date, again, with another parameter, send it away.
fn tried(name: &str, repository: &[(&str, &str)], add: Option<&str>, folder: &str, change: &str) {
    let Some(bin) = tools() else { return };
    let t = Try::new(&bin);
    for (tool, repro) in [("dvc", "dvc repro"), ("tidegate", "tidegate run")] {
        let root = t.repository(tool, repository);
        t.well(&root, &format!("dvc remote add -q -d store {}", t.at(&format!("remote-{tool}")).display()));
        if let Some(data) = add {
            t.well(&root, &format!("git rm -rq --cached {data} && git commit -qm untracked && {tool} add {data}"));
        }
        let inner = root.join(folder);
        let log: Vec<String> = [repro, repro, change, repro].iter().map(|line| t.well(&inner, line)).collect();
        if tool == "tidegate" {
            assert!(log[1].contains("everything is up to date") && log[3].contains("stages ran"), "{name}: {log:?}");
        }
        t.well(&root, &format!("{tool} push"));
    }
    let (theirs, ours) = (t.at("dvc"), t.at("tidegate"));
    assert_eq!(files(&theirs), files(&ours), "{name}: outputs, locks and ignored files");
    assert_eq!(files(&t.at("remote-dvc")), files(&t.at("remote-tidegate")), "{name}: the remote");
    // Each finds the other's work up to date.
    assert!(t.well(&ours.join(folder), "dvc status").contains("up to date"), "{name}");
    assert!(t.well(&theirs.join(folder), "tidegate run").contains("everything is up to date"), "{name}");
    // The same answers, asked the same way.
    for question in ["metrics show --json", "params diff --json HEAD", "status --json", "diff --json HEAD"] {
        let [a, b] = [("dvc", &theirs), ("tidegate", &ours)].map(|(tool, root)| {
            let said = t.well(&root.join(folder), &format!("{tool} {question} 2>/dev/null"));
            serde_json::from_str::<Value>(&said).unwrap_or_else(|e| panic!("{tool} {question}: {e}: {said}"))
        });
        assert_eq!(a, b, "{name}: {question}");
    }
    // A clone of one is filled by the other.
    for (tool, from) in [("dvc", &ours), ("tidegate", &theirs)] {
        t.well(from, "git add -A && git commit -qm done");
        let clone = t.at(&format!("clone-{tool}"));
        t.well(t.dir.path(), &format!("git clone -q {} {}", from.display(), clone.display()));
        t.well(&clone, &format!("{tool} pull"));
        assert_eq!(files(&clone), files(from), "{name}: a clone filled with {tool}");
    }
}

#[test]
fn the_tutorial_of_dvc() {
    tried("get-started", GET_STARTED, None, ".", "sed -i 's/max_features: 100/max_features: 2/' params.yaml");
}

#[test]
fn a_model_for_each_city() {
    tried("many models", MANY_MODELS, None, ".", "sed -i 's/seed: 2/seed: 7/' config/models.yaml");
}

#[test]
fn a_registry_with_a_model_beside_it() {
    tried("registry", REGISTRY, Some("data/images"), "training", "sed -i 's/0.5/0.25/' conf.toml && sed -i 's/3/2/' settings.py");
}

/// A workflow of two jobs as a newcomer has it.
const WORKFLOW: &str = "name: ml\non: [push]\njobs:\n  validate:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: pip install -q --no-index -r requirements.txt\n      - run: pytest -q\n  train:\n    needs: validate\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: pip install -q --no-index -r requirements.txt\n      - run: dvc pull\n      - run: dvc repro\n      - run: dvc push\n";

/// Carries out the jobs of a workflow in the order of their needs, each in a fresh clone; the exit code of each job that ran,
/// with what its last step said.
fn carried_out(t: &Try, workflow: &str, origin: &Path, name: &str) -> Vec<(String, i32, String)> {
    let read = yaml::parse(workflow).unwrap().to_json();
    let jobs = read["jobs"].as_object().unwrap();
    let mut ended: Vec<(String, i32, String)> = vec![];
    while let Some((job, body)) = jobs.iter().find(|(job, body)| {
        let needs = body["needs"].as_str();
        ended.iter().all(|(done, ..)| done != *job) && needs.is_none_or(|n| ended.iter().any(|(done, code, _)| done == n && *code == 0))
    }) {
        let clone = t.at(&format!("{name}-{job}"));
        t.well(t.dir.path(), &format!("git clone -q {} {}", origin.display(), clone.display()));
        let (mut code, mut said) = (0, String::new());
        for step in body["steps"].as_array().unwrap().iter().filter_map(|s| s["run"].as_str()) {
            (code, said) = t.sh(&clone, step, &[]);
            if code != 0 {
                break;
            }
        }
        ended.push((job.clone(), code, said));
    }
    ended
}

#[test]
fn the_workflow_template_with_one_word_replaced() {
    let Some(bin) = tools() else { return };
    let t = Try::new(&bin);
    let test = "def test_data():\n    assert open('data/data.csv').readline() == 'id,text,tag\\n'\n";
    let repository: Vec<(&str, &str)> = GET_STARTED
        .iter()
        .copied()
        .chain([("requirements.txt", ""), ("tests/test_data.py", test), (".gitignore", "/pytest.xml\n")])
        .collect();
    let ours = WORKFLOW.replace("dvc repro", "tidegate run").replace("dvc ", "tidegate ");
    let mut outcomes = vec![];
    for (name, workflow) in [("theirs", WORKFLOW), ("ours", ours.as_str())] {
        let origin = t.repository(&format!("origin-{name}"), &repository);
        let remote = t.at(&format!("remote-{name}"));
        // Data under a .dvc file, pushed; the pipeline was never run.
        t.well(&origin, &format!("dvc remote add -q -d store {}", remote.display()));
        t.well(&origin, "git rm -q --cached data/data.csv && dvc add -q data/data.csv && dvc push -q && git add -A && git commit -qm data");
        let mut round = 0;
        let mut codes = |change: &str| {
            round += 1;
            t.well(&origin, change);
            let ended = carried_out(&t, workflow, &origin, &format!("{name}-{round}"));
            (ended.iter().map(|(job, code, _)| (job.clone(), *code != 0)).collect::<Vec<_>>(), ended)
        };
        let jobs = |validate: bool, train: Option<bool>| {
            [Some(("validate".to_owned(), validate)), train.map(|t| ("train".to_owned(), t))].into_iter().flatten().collect::<Vec<_>>()
        };
        let (first, said) = codes("true");
        assert_eq!(first, jobs(true, None), "the test wants data that are not pulled: {said:?}");
        let (second, said) = codes(
            "git rm -q tests/test_data.py && mkdir -p tests && printf 'def test_one():\\n    pass\\n' > tests/test_one.py && git add -A && git commit -qm tests",
        );
        assert_eq!(second, jobs(false, Some(true)), "what no lock names cannot be pulled: {said:?}");
        let (third, said) = codes(
            "dvc repro -q && dvc push -q && git add -A && git commit -qm run && sed -i 's/max_features: 100/max_features: 2/' params.yaml && git commit -qam fewer",
        );
        assert_eq!(third, jobs(false, Some(false)), "{said:?}");
        let (fourth, said) = codes("sed -i 's/^import collections, json/import collections, jsn/' src/train.py && git commit -qam broken");
        assert_eq!(fourth, jobs(false, Some(true)), "{said:?}");
        assert!(said[1].2.contains("train") && said[1].2.contains("jsn"), "{said:?}");
        outcomes.push((files(&t.at(&format!("{name}-3-train"))), files(&remote)));
    }
    assert_eq!(outcomes[0], outcomes[1], "work tree and remote");
}

#[test]
fn written_workflows_fit_their_schemas_and_run() {
    let Some(bin) = tools() else { return };
    let t = Try::new(&bin);
    let yaml = "version: 1\nworkspace: w\npipeline: dvc.yaml\ndata:\n  posts: { path: data/data.csv, contract: posts.yaml }\n";
    let contract = "dataset: posts\ncolumns:\n  tag: { in_set: [0, 1] }\n";
    let more =
        [("requirements.txt", ""), ("tests/test_one.py", "def test_one():\n    pass\n"), ("tidegate.yaml", yaml), ("posts.yaml", contract)];
    let repository: Vec<(&str, &str)> = GET_STARTED.iter().copied().chain(more).collect();
    for (name, files) in [("bare", &[("dvc.yaml", "stages:\n  a: {cmd: date > x, outs: [x]}\n")][..]), ("whole", &repository)] {
        let root = t.repository(name, files);
        if name == "whole" {
            t.well(&root, &format!("dvc remote add -q -d store {} && dvc push -q", t.at("remote").display()));
        }
        t.well(&root, "tidegate init --ci github && tidegate init --ci gitlab && tidegate init --ci jenkins");
        t.well(&root, "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml");
        t.well(&root, "check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml");
        t.well(&root, "git add -A && git commit -qm ci");
        // The steps of the training job, as its runner would take them; those of others' actions are not ours.
        let part = yaml::parse(&fs::read_to_string(root.join(".github/workflows/tidegate-part.yml")).unwrap()).unwrap().to_json();
        let variables = [("GITHUB_BASE_REF", "main"), ("GITHUB_EVENT_NAME", "push"), ("GITHUB_TOKEN", "none")];
        let clone = t.at(&format!("{name}-clone"));
        t.well(t.dir.path(), &format!("git clone -q {} {}", root.display(), clone.display()));
        let mut ran = vec![];
        for step in part["jobs"]["part"]["steps"].as_array().unwrap().iter().filter_map(|s| s["run"].as_str()) {
            let (code, said) = t.sh(&clone, step, &variables);
            assert_eq!(code, 0, "{name}: {step}: {said}");
            ran.push(step.lines().next().unwrap().to_owned());
        }
        let has = |word: &str| ran.iter().any(|line| line == word);
        assert!(has("tidegate run") && has("tidegate check") == (name == "whole") && has("tidegate push") == (name == "whole"), "{ran:?}");
        assert!(clone.join("tidegate-report/report.md").exists());
    }
}
