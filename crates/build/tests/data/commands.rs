//! Single commands: links, refusals, what is unsaved, what is damaged.

use crate::world::{World, strings};
use serde_json::json;
use std::os::unix::fs::MetadataExt as _;
use tidegate_build::data::{CheckoutOptions, DataError, Fault, GcOptions, ImportOptions};
use tidegate_build::remote::NoProgress;

fn object(world: &World, name: &str) -> std::path::PathBuf {
    let md5 = tidegate_build::hash_file(&world.path(name)).unwrap().md5;
    world.path(&format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..]))
}

fn with_type(kind: &str) -> World {
    let world = World::new();
    world.write(".dvc/config", format!("[core]\n    no_scm = True\n[cache]\n    type = {kind}\n").as_bytes());
    world.write("d/a", b"a");
    world.write("d/sub/b", b"b");
    world.write("one", b"1");
    world.add(&["d", "one"]);
    world
}

#[test]
fn files_are_linked_as_the_configuration_says() {
    let hard = with_type("hardlink");
    assert_eq!(hard.path("d/sub/b").metadata().unwrap().ino(), object(&hard, "d/sub/b").metadata().unwrap().ino());
    let symbolic = with_type("symlink");
    assert_eq!(std::fs::read_link(symbolic.path("one")).unwrap(), object(&symbolic, "one").canonicalize().unwrap());
    let copy = with_type("copy");
    assert_ne!(copy.path("one").metadata().unwrap().ino(), object(&copy, "one").metadata().unwrap().ino());
    for world in [hard, symbolic, copy] {
        assert_eq!(world.status(), json!({}));
        world.remove("d");
        world.remove("one");
        world.checkout().unwrap();
        assert_eq!((world.read("d/sub/b"), world.read("one")), ("b".to_owned(), "1".to_owned()));
        assert_eq!(world.status(), json!({}));
    }
}

#[test]
fn links_are_made_anew_when_their_kind_changes() {
    let world = with_type("copy");
    world.write(".dvc/config", b"[core]\n    no_scm = True\n[cache]\n    type = \"hardlink,copy\"\n");
    let options = CheckoutOptions { relink: true, ..CheckoutOptions::default() };
    world.repo().checkout(&[], &options, &|_| {}).unwrap();
    assert_eq!(world.path("d/a").metadata().unwrap().ino(), object(&world, "d/a").metadata().unwrap().ino());
}

#[test]
fn what_is_not_saved_is_not_thrown_away_unasked() {
    let world = World::new();
    world.write("d/a", b"a");
    world.add(&["d"]);
    world.write("d/a", b"precious");
    world.write("d/new", b"precious too");
    let error = world.checkout().unwrap_err();
    assert_eq!(error.fault(), Fault::NotRight);
    assert!(error.to_string().contains("d/a") && error.to_string().contains("d/new"), "{error}");
    assert_eq!(world.read("d/a"), "precious");
    let options = CheckoutOptions { force: true, ..CheckoutOptions::default() };
    let report = world.repo().checkout(&[], &options, &|_| {}).unwrap();
    assert_eq!((world.read("d/a"), report.files), ("a".to_owned(), [0, 1, 1]));
    assert!(!world.path("d/new").exists());
}

#[test]
fn a_flipped_bit_in_the_cache_is_found_and_named() {
    let world = World::new();
    world.write("d/a", b"some content");
    world.write("d/b", b"other");
    world.add(&["d"]);
    let damaged = object(&world, "d/a");
    let store = tempfile::tempdir().unwrap();
    world.remote(&store.path().display().to_string());
    let flip = || {
        std::fs::remove_file(&damaged).unwrap();
        std::fs::write(&damaged, b"some cOntent").unwrap();
    };
    flip();
    let error = world.push().unwrap_err().to_string();
    assert!(error.contains("d/a") && error.contains("damaged in the cache, not sent"), "{error}");
    assert!(error.contains("not all of its files"), "{error}");
    // Nothing that is wrong, and no listing without its files, has reached the remote.
    assert_eq!(crate::world::wrong_objects(&store.path().join("files/md5")), Vec::<String>::new());
    world.remove("d");
    let error = world.checkout().unwrap_err();
    assert!(matches!(&error, DataError::NotRight { names, .. } if names.len() == 1 && names[0].contains("d/a")), "{error}");
    assert_eq!(world.read("d/b"), "other");
    assert!(!world.path("d/a").exists() && !damaged.exists());
}

#[test]
fn what_cannot_be_added_is_refused_with_a_reason() {
    let world = World::with_git();
    world.write("d/a", b"a");
    world.write("kept", b"k");
    world.write("ignored", b"i");
    world.write(".dvcignore", b"ignored\n");
    world.write("dvc.yaml", b"stages:\n  s: {cmd: touch out, outs: [out, folder]}\n");
    world.write("out", b"o");
    world.write("folder/a", b"a");
    world.git(&["add", "kept"]);
    world.add(&["d"]);
    let refused = |path: &str| world.repo().add(&strings(&[path]), &Default::default(), &|_| {}).unwrap_err().to_string();
    for (path, word) in [
        ("folder/a", "overlaps"),
        (".", "cannot be added"),
        ("kept", "kept by Git"),
        ("ignored", ".dvcignore"),
        ("out", "is an output of 's'"),
        ("nothing", "does not exist"),
        ("d.dvc", "is a .dvc file"),
        ("../elsewhere", "outside of the repository"),
    ] {
        let message = refused(path);
        assert!(message.contains(word), "{path}: {message}");
    }
    world.write("e/.dvcignore", b"x");
    assert!(refused("e").contains("may not lie inside of data"));
}

#[test]
fn what_is_no_longer_named_goes_with_the_checkout_that_follows() {
    let world = World::with_git();
    world.write("base", b"b");
    world.add(&["base"]);
    world.commit("one");
    world.git(&["checkout", "-q", "-b", "side"]);
    world.write("extra/x", b"x");
    world.add(&["extra"]);
    world.commit("two");
    world.git(&["checkout", "-q", "main"]);
    world.checkout().unwrap();
    assert!(!world.path("extra").exists() && world.path("base").exists());
    world.git(&["checkout", "-q", "side"]);
    world.checkout().unwrap();
    assert_eq!(world.read("extra/x"), "x");
    // What was changed since is not ours to take away.
    world.write("extra/x", b"precious");
    world.git(&["checkout", "-q", "-f", "main"]);
    world.checkout().unwrap();
    assert_eq!(world.read("extra/x"), "precious");
}

#[test]
fn gc_removes_nothing_while_a_listing_is_lost() {
    let world = World::new();
    world.write("d/a", b"a");
    world.add(&["d"]);
    world.write("unused", b"u");
    world.add(&["unused"]);
    world.remove("unused.dvc");
    let md5 = world.read("d.dvc").lines().next().unwrap().trim_start_matches("outs:").to_owned();
    assert!(md5.is_empty());
    let listing = world.read("d.dvc").lines().find_map(|l| Some(l.strip_prefix("- md5: ")?.to_owned())).unwrap();
    world.remove(&format!(".dvc/cache/files/md5/{}/{}", &listing[..2], &listing[2..]));
    let options = GcOptions { workspace: true, ..GcOptions::default() };
    let error = world.repo().gc(&options, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("nothing was removed"), "{error}");
    assert!(object(&world, "d/a").exists() && object(&world, "unused").exists());
    // Made again, it is known, and the rest goes.
    world.add(&["d"]);
    let report = world.repo().gc(&options, &NoProgress).unwrap();
    assert_eq!(report.cache.0, 1);
    assert!(object(&world, "d/a").exists() && !object(&world, "unused").exists());
    assert_eq!(world.repo().gc(&GcOptions::default(), &NoProgress).unwrap_err().fault(), Fault::Usage);
}

#[test]
fn a_directory_that_changes_in_one_file_is_seen() {
    let world = World::new();
    for n in 0..100 {
        world.write(&format!("d/{n}"), b"same");
    }
    world.add(&["d"]);
    assert_eq!(world.status(), json!({}));
    assert_eq!(world.status(), json!({}));
    world.write("d/57", b"SAME");
    assert_eq!(world.status(), json!({ "d.dvc": [{ "changed outs": { "d": "modified" } }] }));
    // A listing is no proof of its files.
    world.write("d/57", b"same");
    assert_eq!(world.status(), json!({}));
    let gone = object(&world, "d/57");
    std::fs::remove_file(gone).unwrap();
    assert_eq!(world.status(), json!({ "d.dvc": [{ "changed outs": { "d": "not in cache" } }] }));
}

#[test]
fn a_path_of_this_machine_is_imported() {
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("f.txt"), b"hello\n").unwrap();
    std::fs::create_dir(source.path().join("tree")).unwrap();
    std::fs::write(source.path().join("tree/x"), b"x").unwrap();
    let world = World::new();
    for name in ["f.txt", "tree"] {
        let from = source.path().join(name).display().to_string();
        world.repo().import_url(&from, &ImportOptions::default(), &NoProgress).unwrap();
        assert!(world.repo().import_url(&from, &ImportOptions::default(), &NoProgress).is_ok());
    }
    assert_eq!((world.read("f.txt"), world.read("tree/x")), ("hello\n".to_owned(), "x".to_owned()));
    assert_eq!(world.status(), json!({}));
    if let Some(mut dvc) = crate::oracle::dvc() {
        assert_eq!(dvc.json(world.root(), &["status", "--json"]), json!({}));
    }
    world.write("own", b"o");
    let own = source.path().join("own").display().to_string();
    std::fs::write(&own, b"other").unwrap();
    let error = world.repo().import_url(&own, &ImportOptions::default(), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("--force"), "{error}");
}
