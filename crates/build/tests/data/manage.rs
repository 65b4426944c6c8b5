//! What is tracked changes its name, its state, or is tracked no more: twins, one in the hands of each tool, stay the same.

use crate::oracle::{Oracle, dvc};
use crate::world::{World, strings};
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tidegate_build::data::{CheckoutOptions, DataError, GcOptions, SyncOptions};
use tidegate_build::remote::NoProgress;

/// All files that either tool may write, with their contents.
fn files(world: &World) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if [".git", ".tidegate", ".dvc/tmp"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(world.root(), world.root(), &mut found);
    found
}

/// A world with a tracked directory, a file in a folder, and one that is imported.
fn world() -> World {
    let world = World::with_git();
    for (name, text) in [("d/a", "a"), ("d/in/b", "b"), ("d/in/c", "c"), ("sub/f", "f"), ("source", "s"), ("other/.keep", "")] {
        world.write(name, text.as_bytes());
    }
    world.add(&["d", "sub/f"]);
    world
        .repo()
        .import_url("source", &tidegate_build::data::ImportOptions { out: Some("got".to_owned()), ..Default::default() }, &NoProgress)
        .unwrap();
    world.commit("first");
    world
}

type Ours = fn(&World) -> Result<(), DataError>;

fn change(world: &World) {
    world.write("d/in/new", b"new");
    world.write("d/in/b", b"b again");
    world.write("sub/f", b"f again");
}

#[test]
fn twins_in_the_hands_of_each_tool_stay_the_same() {
    let Some(mut dvc) = dvc() else { return };
    let cases: Vec<(&[&str], Ours)> = vec![
        (&["remove", "d.dvc", "sub/f.dvc"], |w| w.repo().remove(&strings(&["d.dvc", "sub/f.dvc"]), false, &|_| {}).map(drop)),
        (&["remove", "--outs", "got.dvc"], |w| w.repo().remove(&strings(&["got.dvc"]), true, &|_| {}).map(drop)),
        (&["move", "d", "e"], |w| w.repo().rename("d", "e", &|_| {}).map(drop)),
        (&["move", "sub/f", "other"], |w| w.repo().rename("sub/f", "other", &|_| {}).map(drop)),
        (&["move", "got", "other/else"], |w| w.repo().rename("got", "other/else", &|_| {}).map(drop)),
        (&["add", "d/in/new"], |w| w.repo().add(&strings(&["d/in/new"]), &Default::default(), &|_| {}).map(drop)),
        (&["add", "d/in"], |w| w.repo().add(&strings(&["d/in"]), &Default::default(), &|_| {}).map(drop)),
        (&["add", "d/in/b", "d/in/new"], |w| w.repo().add(&strings(&["d/in/b", "d/in/new"]), &Default::default(), &|_| {}).map(drop)),
        (&["commit", "-f"], |w| w.repo().commit(&[], (false, false), true, &|_| {}).map(drop)),
        (&["commit", "-f", "d.dvc"], |w| w.repo().commit(&strings(&["d.dvc"]), (false, false), true, &|_| {}).map(drop)),
    ];
    for (arguments, ours) in cases {
        let (mine, theirs) = (world(), world());
        // DVC also takes what it moves into the cache, whatever the .dvc file says; here nothing is to take in.
        if arguments[0] != "move" {
            change(&mine);
            change(&theirs);
        }
        ours(&mine).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
        dvc.ok(theirs.root(), arguments);
        let (mine_has, theirs_has) = (files(&mine), files(&theirs));
        for name in mine_has.keys().chain(theirs_has.keys()) {
            assert_eq!(mine_has.get(name), theirs_has.get(name), "{arguments:?}: {name}: ours, then DVC's");
        }
        let status = dvc.json(mine.root(), &["status", "--json"]);
        assert_eq!(mine.status(), status, "{arguments:?}");
        assert_eq!(mine.wrong_objects(), Vec::<String>::new());
    }
}

#[test]
fn a_file_that_is_gone_leaves_the_directory_that_lists_it() {
    let world = world();
    world.remove("d/a");
    world.add(&["d/a"]);
    assert_eq!(world.status(), json!({}));
    let error = world.repo().add(&strings(&["d/never"]), &Default::default(), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("'d/never' does not exist"), "{error}");
    world.remove(".dvc/cache");
    world.write("d/more", b"more");
    let error = world.repo().add(&strings(&["d/more"]), &Default::default(), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("the listing of 'd'") && error.to_string().contains("fetch"), "{error}");
}

#[test]
fn what_would_be_lost_or_is_not_meant_is_refused_with_a_reason() {
    let world = world();
    change(&world);
    let why = |result: Result<(), DataError>| result.unwrap_err().to_string();
    let remove = |target: &str| why(world.repo().remove(&strings(&[target]), false, &|_| {}).map(drop));
    assert!(remove("d").contains("did you mean 'd.dvc'"));
    assert!(remove("never.dvc").contains("there is no .dvc file"));
    let rename = |from: &str, to: &str| why(world.repo().rename(from, to, &|_| {}).map(drop));
    assert!(rename("d", "source").contains("exists already"));
    assert!(rename("d", "d/in/deep").contains("lies in"));
    assert!(rename("source", "x").contains("is not tracked"));
    assert!(rename("d", "../x").contains("outside"));
    let error = world.repo().commit(&[], (false, false), false, &|_| {}).unwrap_err();
    assert!(matches!(&error, DataError::NotRight { names, .. } if names.len() == 2), "{error}");
    assert!(world.path("d.dvc").is_file() && world.path("d/in/new").is_file());
}

#[test]
fn links_become_copies_and_what_is_tracked_no_more_is_left_alone() {
    for kind in ["hardlink", "symlink"] {
        let world = world();
        world.write(".dvc/config", format!("[cache]\n    type = {kind}\n").as_bytes());
        world.repo().checkout(&[], &CheckoutOptions { relink: true, ..Default::default() }, &|_| {}).unwrap();
        assert_eq!(world.repo().unprotect(&strings(&["d", "sub/f"]), &|_| {}).unwrap(), 4, "{kind}");
        let meta = std::fs::symlink_metadata(world.path("d/in/b")).unwrap();
        assert!(meta.is_file() && meta.nlink() == 1 && meta.mode() & 0o200 > 0, "{kind}");
        world.write("d/in/b", b"changed");
        assert_eq!(world.wrong_objects(), Vec::<String>::new());
        world.repo().remove(&strings(&["sub/f.dvc"]), false, &|_| {}).unwrap();
        world.write("d/in/b", b"b");
        world.checkout().unwrap();
        assert_eq!(world.read("sub/f"), "f", "the user's now");
    }
}

/// A pipeline that either tool has run twice, with one run that is no longer in the lock file.
fn pipeline(dvc: &mut Oracle) -> World {
    let world = World::with_git();
    world.write("dvc.yaml", b"stages:\n  a:\n    cmd: cp in out\n    deps: [in]\n    outs: [out]\n");
    for text in ["1", "2"] {
        world.write("in", text.as_bytes());
        dvc.ok(world.root(), &["repro", "-q"]);
    }
    world.commit("first");
    world
}

fn runs(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for head in std::fs::read_dir(folder.join("runs")).into_iter().flatten().map(|e| e.unwrap().path()) {
        for key in std::fs::read_dir(head).unwrap().map(|e| e.unwrap().path()) {
            found.extend(std::fs::read_dir(key).unwrap().map(|e| e.unwrap().path().strip_prefix(folder).unwrap().display().to_string()));
        }
    }
    found.sort();
    found
}

#[test]
fn the_run_cache_is_pushed_fetched_and_kept_as_dvc_does() {
    let Some(mut dvc) = dvc() else { return };
    let options = SyncOptions { run_cache: true, ..SyncOptions::default() };
    for we_push in [true, false] {
        let (source, target, store) = (pipeline(&mut dvc), World::with_git(), tempfile::tempdir().unwrap());
        for name in ["dvc.yaml", "dvc.lock", "in"] {
            target.write(name, source.read(name).as_bytes());
        }
        target.commit("first");
        for world in [&source, &target] {
            world.remote(&store.path().display().to_string());
        }
        let all = runs(&source.path(".dvc/cache"));
        assert_eq!(all.len(), 2);
        if we_push {
            assert_eq!(source.repo().push(&[], &options, &NoProgress).unwrap().moved, 3);
            assert_eq!(source.repo().push(&[], &options, &NoProgress).unwrap().moved, 0);
            dvc.ok(target.root(), &["pull", "-q", "--run-cache"]);
        } else {
            dvc.ok(source.root(), &["push", "-q", "--run-cache"]);
            assert_eq!(target.repo().pull(&[], &options, &NoProgress).unwrap().moved, 3);
        }
        assert_eq!(runs(store.path()), all);
        assert_eq!(runs(&target.path(".dvc/cache")), all);
        assert_eq!(target.read("out"), "2");
        // Records of runs outlive `gc` in both: they are small, and say what to ask a remote for.
        let gc = GcOptions { workspace: true, ..GcOptions::default() };
        source.repo().gc(&gc, &NoProgress).unwrap();
        dvc.ok(target.root(), &["gc", "-q", "-w", "-f"]);
        assert_eq!(runs(&source.path(".dvc/cache")), all);
        assert_eq!(runs(&target.path(".dvc/cache")), all);
        // One that is not what its name says does not come through.
        std::fs::write(store.path().join(&all[0]), source.read(&format!(".dvc/cache/{}", all[0])).replace("cp in", "cp ni")).unwrap();
        target.remove(".dvc/cache/runs");
        let error = target.repo().fetch(&[], &options, &NoProgress).unwrap_err().to_string();
        assert!(error.contains(&all[0]) && error.contains("damaged at the remote 'store', refused"), "{error}");
        assert_eq!(runs(&target.path(".dvc/cache")), all[1..]);
    }
}
