//! Real DVC as the judge, both ways: the same files and ids, each clean in the other's eyes, moved with one, taken with the other.

use crate::oracle::dvc;
use crate::world::{Dice, World, strings, tree};
use serde_json::{Value, json};
use tidegate_build::data::{CheckoutOptions, DagOptions, DataStatusOptions, Scope, SyncOptions, diff_values};
use tidegate_build::remote::NoProgress;

/// Trees that are compared; more by `TIDEGATE_TEST_TREES`.
fn trees() -> u64 {
    std::env::var_os("TIDEGATE_TEST_TREES").and_then(|n| n.into_string().ok()?.parse().ok()).unwrap_or(50)
}

const IGNORES: [&str; 8] = ["", "*.txt0\n", "b*\n!b.txt1\n", "data/a0\n", "/data/**/Z*\n", "é?\n# no\n", "[_a]*\n", "a1/\n!a1/\n"];

#[test]
fn random_trees_have_the_same_ids_and_are_clean_to_both() {
    let Some(mut dvc) = dvc() else { return };
    for seed in 0..trees() {
        let (ours, theirs) = (World::new(), World::new());
        for world in [&ours, &theirs] {
            let mut dice = Dice::new(seed);
            world.write(".dvcignore", dice.pick(&IGNORES).as_bytes());
            tree(world, &mut dice, "data", 3);
            world.write("data/kept", b"x");
            let length = dice.roll(100);
            let bytes = dice.bytes(length);
            world.write("single é.bin", &bytes);
        }
        ours.add(&["data", "single é.bin"]);
        dvc.ok(theirs.root(), &["add", "-q", "data", "single é.bin"]);
        for file in ["data.dvc", "single é.bin.dvc"] {
            assert_eq!(ours.read(file), theirs.read(file), "seed {seed}: {file}");
        }
        let expected = dvc.json(theirs.root(), &["status", "--json"]);
        assert_eq!(dvc.json(ours.root(), &["status", "--json"]), expected, "seed {seed}: {}", ours.read(".dvcignore"));
        assert_eq!(expected, json!({}), "DEBUG {seed} {}", ours.read(".dvcignore"));
        let theirs_data = dvc.json(ours.root(), &["data", "status", "--json", "--granular"]);
        assert_eq!(theirs_data, json!({}), "seed {seed}");
        assert_eq!(theirs.status(), json!({}), "seed {seed}");
        assert_eq!(ours.wrong_objects(), Vec::<String>::new());
        // What one has put away the other takes out.
        for world in [&ours, &theirs] {
            world.remove("data");
            world.remove("single é.bin");
        }
        dvc.ok(ours.root(), &["checkout", "-q"]);
        theirs.checkout().unwrap();
        assert_eq!(ours.status(), json!({}), "seed {seed}");
        assert_eq!(dvc.json(theirs.root(), &["status", "--json"]), json!({}), "seed {seed}");
    }
}

#[test]
fn a_directory_as_remote_is_shared() {
    let Some(mut dvc) = dvc() else { return };
    for (seed, we_push) in [(1, true), (2, false), (3, true)] {
        let (source, target) = (World::new(), World::new());
        let store = tempfile::tempdir().unwrap();
        let mut dice = Dice::new(seed);
        tree(&source, &mut dice, "data", 3);
        source.write("data/kept", b"x");
        source.write("one", b"1");
        source.add(&["data", "one"]);
        for world in [&source, &target] {
            world.remote(&store.path().display().to_string());
        }
        target.write("data.dvc", source.read("data.dvc").as_bytes());
        target.write("one.dvc", source.read("one.dvc").as_bytes());
        if we_push {
            assert!(source.push().unwrap() > 0);
            assert_eq!(source.push().unwrap(), 0);
            assert_eq!(dvc.json(source.root(), &["status", "-c", "--json"]), json!({}));
            dvc.ok(target.root(), &["pull", "-q"]);
        } else {
            dvc.ok(source.root(), &["push", "-q"]);
            assert!(source.repo().cloud_status(&[], &SyncOptions::default()).unwrap().is_empty());
            assert!(target.pull().unwrap() > 0);
            assert_eq!(target.pull().unwrap(), 0);
        }
        assert_eq!(target.status(), json!({}));
        assert_eq!(dvc.json(target.root(), &["status", "--json"]), json!({}));
        assert_eq!(crate::world::wrong_objects(&store.path().join("files/md5")), Vec::<String>::new());
    }
}

/// Lists sorted, so that an order that means nothing is not compared.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

fn data_status(world: &World, granular: bool) -> Value {
    let options = DataStatusOptions { granular, ..DataStatusOptions::default() };
    let status = world.repo().data_status(&[], &options).unwrap();
    let mut answer = json!({});
    for (key, value) in [
        ("not_in_cache", json!(status.not_in_cache)),
        ("committed", json!(status.committed)),
        ("uncommitted", json!(status.uncommitted)),
        ("unchanged", json!(status.unchanged)),
    ] {
        if value.as_array().is_none_or(|a| !a.is_empty()) && value.as_object().is_none_or(|o| !o.is_empty()) {
            answer[key] = value;
        }
    }
    sorted(answer)
}

fn diff(world: &World, new: Option<&str>) -> Value {
    let rows = world.repo().diff("HEAD", new, &[]).unwrap();
    let lists = rows.iter().map(|(word, rows)| {
        let rows = rows.iter().map(|row| match *word {
            "renamed" => json!({ "path": { "old": row.old_path, "new": row.new_path }, "hash": row.old_hash }),
            "modified" => json!({ "path": row.old_path, "hash": { "old": row.old_hash, "new": row.new_hash } }),
            _ => {
                json!({ "path": row.old_path.as_ref().or(row.new_path.as_ref()), "hash": row.old_hash.as_ref().or(row.new_hash.as_ref()) })
            }
        });
        ((*word).to_owned(), Value::Array(rows.collect()))
    });
    sorted(Value::Object(lists.collect()))
}

/// A repository with a history and changes of every kind.
fn changed() -> World {
    let world = World::with_git();
    world.write("d/keep", b"keep");
    world.write("d/edit", b"old");
    world.write("d/gone", b"gone");
    world.write("d/sub/moved", b"moved");
    world.write("file", b"file");
    world.write("lost", b"lost");
    world.write("same", b"same");
    world.write("from", b"from");
    world.add(&["d", "file", "lost", "same", "from"]);
    world.commit("first");
    world.write("added", b"added");
    world.add(&["added"]);
    world.write("file", b"changed and added");
    world.add(&["file"]);
    world.git(&["mv", "from.dvc", "to.dvc"]);
    let text = world.read("to.dvc").replace("path: from", "path: to");
    world.write("to.dvc", text.as_bytes());
    std::fs::rename(world.path("from"), world.path("to")).unwrap();
    world.write("d/edit", b"new");
    world.write("d/fresh", b"fresh");
    world.remove("d/gone");
    std::fs::rename(world.path("d/sub/moved"), world.path("d/now")).unwrap();
    world.remove("lost");
    let md5 = tidegate_build::hash_file(&world.path("same")).unwrap().md5;
    world.remove(&format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..]));
    world
}

#[test]
fn changes_are_told_as_dvc_tells_them() {
    let Some(mut dvc) = dvc() else { return };
    let world = changed();
    for granular in [false, true] {
        let mut arguments = vec!["data", "status", "--json", "--unchanged"];
        arguments.extend(granular.then_some("--granular"));
        let expected = sorted(dvc.json(world.root(), &arguments));
        assert_eq!(data_status(&world, granular), expected, "granular {granular}");
    }
    assert_eq!(diff(&world, None), sorted(dvc.json(world.root(), &["diff", "--json", "--show-hash"])));
    assert_eq!(sorted(world.status()), sorted(dvc.json(world.root(), &["status", "--json"])));
    world.commit("second");
    let mut ours = world.repo().diff("HEAD~1", Some("HEAD"), &[]).unwrap();
    ours.shift_remove("not in cache");
    let theirs = dvc.json(world.root(), &["diff", "--json", "HEAD~1", "HEAD"]);
    for (word, rows) in &ours {
        assert_eq!(rows.len(), theirs[*word].as_array().unwrap().len(), "{word}: {theirs}");
    }
}

const PIPELINE: &str = r#"stages:
  a:
    cmd: cp d/keep c.txt; echo '{"auc":0.9,"n":{"x":1},"list":[1]}' > m.json; printf 'x,y\n1,2\n2,3\n' > p.csv
    deps: [d]
    params: [lr, opt.eps]
    outs: [c.txt]
    metrics: [m.json: {cache: false}]
    plots: [p.csv: {cache: false}]
  b: {cmd: cp c.txt e.txt, deps: [c.txt], outs: [e.txt]}
"#;

#[test]
fn pipelines_have_the_same_status_graph_metrics_and_parameters() {
    let Some(mut dvc) = dvc() else { return };
    let world = World::with_git();
    world.write("d/keep", b"keep");
    world.add(&["d"]);
    world.write("dvc.yaml", PIPELINE.as_bytes());
    world.write("params.yaml", b"lr: 0.1\nopt: {eps: 1.0e-08, names: [a, 1, 2.5, true, null]}\nother: x\n");
    let same_status = |dvc: &mut crate::oracle::Oracle, when: &str| {
        assert_eq!(sorted(world.status()), sorted(dvc.json(world.root(), &["status", "--json"])), "{when}");
    };
    same_status(&mut dvc, "never run");
    dvc.ok(world.root(), &["repro", "-q"]);
    same_status(&mut dvc, "run");
    assert_eq!(world.status(), json!({}));
    world.commit("run");
    world.write("params.yaml", b"lr: 0.2\nopt: {eps: 1.0e-08, names: [a]}\nnew: [1]\n");
    world.write("d/keep", b"other");
    world.write("m.json", br#"{"auc": 0.95, "n": {"x": 3, "y": "text"}}"#);
    same_status(&mut dvc, "changed");
    world.write("dvc.yaml", PIPELINE.replace("cp c.txt e.txt", "cp  c.txt e.txt").as_bytes());
    same_status(&mut dvc, "another command");
    let graph = world.repo().dag(&DagOptions::default()).unwrap();
    assert_eq!(graph.mermaid(), dvc.ok(world.root(), &["dag", "--mermaid"]).trim_end());
    let repo = world.repo();
    let [old, new] = repo.metrics_between("HEAD", None, &[]).unwrap();
    assert_eq!(sorted(json!(diff_values(&old, &new, false))), sorted(dvc.json(world.root(), &["metrics", "diff", "--json"])));
    assert_eq!(sorted(json!(diff_values(&old, &new, true))), sorted(dvc.json(world.root(), &["metrics", "diff", "--json", "--all"])));
    let [old, new] = repo.params_between("HEAD", None, &[], false).unwrap();
    assert_eq!(sorted(json!(diff_values(&old, &new, false))), sorted(dvc.json(world.root(), &["params", "diff", "--json"])));
    let [old, new] = repo.params_between("HEAD", None, &[], true).unwrap();
    assert_eq!(sorted(json!(diff_values(&old, &new, false))), sorted(dvc.json(world.root(), &["params", "diff", "--json", "--deps"])));
    let shown = repo.metrics(&[], &Scope::default()).unwrap();
    let theirs = dvc.json(world.root(), &["metrics", "show", "--json"]);
    assert_eq!(sorted(shown[""]["m.json"].clone().unwrap()), sorted(theirs[""]["data"]["m.json"]["data"].clone()));
    let rows = repo.plots(None, &[]).unwrap();
    let theirs = dvc.json(world.root(), &["plots", "show", "--json"]);
    let (name, drawing) = theirs["data"].as_object().unwrap().iter().next().unwrap();
    assert!(name.ends_with("p.csv"), "{theirs}");
    let points = drawing[0]["content"]["data"]["values"].as_array().or(drawing[0]["datapoints"].as_array()).cloned();
    if let Some(points) = points {
        assert_eq!(points.len(), rows["p.csv"].as_ref().unwrap().len());
    }
}

#[test]
fn caches_and_files_of_dvc_2_are_read() {
    let Some(mut dvc) = dvc() else { return };
    let world = World::new();
    let text = b"one\r\ntwo\r\n";
    // As DVC 2 wrote them: the digest with line ends of Unix, no `hash`, the object beside `files`.
    let md5 = "4bd61a1c8cc2b6b0ef4d4ea5d2a84f5b";
    world.write("old.txt", text);
    let unix = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(unix.path(), b"one\ntwo\n").unwrap();
    let real = tidegate_build::hash_file(unix.path()).unwrap().md5;
    assert_ne!(real, md5);
    world.write(&format!(".dvc/cache/{}/{}", &real[..2], &real[2..]), text);
    world.write("old.txt.dvc", format!("outs:\n- md5: {real}\n  size: 10\n  path: old.txt\n").as_bytes());
    assert_eq!(dvc.json(world.root(), &["status", "--json"]), json!({}));
    assert_eq!(world.status(), json!({}));
    world.remove("old.txt");
    world.checkout().unwrap();
    assert_eq!(world.read("old.txt").as_bytes(), text);
    let store = tempfile::tempdir().unwrap();
    world.remote(&store.path().display().to_string());
    assert_eq!(world.push().unwrap(), 1);
    assert_eq!(dvc.json(world.root(), &["status", "-c", "--json"]), json!({}));
    world.remove("old.txt");
    world.remove(&format!(".dvc/cache/{}", &real[..2]));
    assert_eq!(world.pull().unwrap(), 1);
    assert_eq!(dvc.json(world.root(), &["status", "--json"]), json!({}));
}

#[test]
fn what_is_removed_by_gc_is_what_dvc_removes() {
    let Some(mut dvc) = dvc() else { return };
    let objects = |world: &World| {
        let mut found: Vec<String> = Vec::new();
        for head in std::fs::read_dir(world.path(".dvc/cache/files/md5")).unwrap().map(|e| e.unwrap().path()) {
            found.extend(
                std::fs::read_dir(head)
                    .unwrap()
                    .map(|e| e.unwrap().path().display().to_string().split_off(world.root().display().to_string().len())),
            );
        }
        found.sort();
        found
    };
    for flags in [["-w", "-f"], ["-a", "-f"], ["-A", "-f"], ["-T", "-f"]] {
        let make = || {
            let world = World::with_git();
            for version in ["1", "2", "3"] {
                world.write("d/a", version.as_bytes());
                world.write("f", format!("f{version}").as_bytes());
                world.add(&["d", "f"]);
                world.commit(version);
                if version == "1" {
                    world.git(&["tag", "first"]);
                }
            }
            world.git(&["branch", "side", "HEAD~1"]);
            world
        };
        let (ours, theirs) = (make(), make());
        dvc.ok(theirs.root(), &["gc", "-q", flags[0], flags[1]]);
        let scope = Scope { all_branches: flags[0] == "-a", all_tags: flags[0] == "-T", all_commits: flags[0] == "-A", ..Scope::default() };
        let options = tidegate_build::data::GcOptions { workspace: true, scope, ..Default::default() };
        ours.repo().gc(&options, &NoProgress).unwrap();
        assert_eq!(objects(&ours), objects(&theirs), "{flags:?}");
    }
}

#[test]
fn git_is_told_to_ignore_as_dvc_tells_it() {
    let Some(mut dvc) = dvc() else { return };
    let (ours, theirs) = (World::with_git(), World::with_git());
    let names = ["plain", "with blank", "a[1]#!", "sub/é", "sub/deep/x*"];
    for world in [&ours, &theirs] {
        world.write(".gitignore", b"kept");
        for name in names {
            world.write(name, name.as_bytes());
        }
    }
    ours.add(&names);
    dvc.ok(theirs.root(), &["add", "-q", "plain", "with blank", "a[1]#!", "sub/é", "sub/deep/x*"]);
    for file in [".gitignore", "sub/.gitignore", "sub/deep/.gitignore"] {
        assert_eq!(ours.read(file), theirs.read(file), "{file}");
    }
    let options = CheckoutOptions::default();
    ours.repo().checkout(&strings(&["plain"]), &options, &|_| {}).unwrap();
}
