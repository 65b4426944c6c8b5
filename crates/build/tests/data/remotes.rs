//! Remotes behind HTTP: what arrives is right or named, whatever the server does.

use crate::oracle::dvc;
use crate::server::{Fault, Server};
use crate::world::World;
use serde_json::json;
use std::sync::atomic::Ordering;
use tidegate_build::data::{DataError, ImportOptions};
use tidegate_build::remote::NoProgress;

fn pair() -> (World, World, Server) {
    let server = Server::start();
    let (source, target) = (World::new(), World::new());
    for n in 0..5usize {
        source.write(&format!("d/{n}"), &vec![b'a' + u8::try_from(n).unwrap(); 3000 * (n + 1)]);
    }
    source.add(&["d"]);
    target.write("d.dvc", source.read("d.dvc").as_bytes());
    for world in [&source, &target] {
        world.remote(&server.url);
        world.repo().remote_modify("store", "method", Some("PUT"), false).unwrap();
        world.repo().remote_modify("store", "read_timeout", Some("0.3"), false).unwrap();
    }
    (source, target, server)
}

fn names(error: &DataError) -> Vec<String> {
    match error {
        DataError::Remote { names, .. } => names.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn objects_go_before_their_listing_and_only_once() {
    let (source, target, server) = pair();
    assert_eq!(source.push().unwrap(), 6);
    let order = server.order();
    assert!(order.last().unwrap().ends_with(".dir"), "{order:?}");
    assert_eq!(source.push().unwrap(), 0);
    assert_eq!(server.order().len(), 6);
    assert_eq!(target.pull().unwrap(), 6);
    assert_eq!(target.status(), json!({}));
    if let Some(mut dvc) = dvc() {
        // Real DVC reads what we sent, and sends what we read.
        let other = World::new();
        other.write("d.dvc", source.read("d.dvc").as_bytes());
        other.write(".dvc/config", source.read(".dvc/config").replace("read_timeout = 0.3", "read_timeout = 30").as_bytes());
        dvc.ok(other.root(), &["pull", "-q"]);
        other.write("new", b"from dvc");
        dvc.ok(other.root(), &["add", "-q", "new"]);
        dvc.ok(other.root(), &["push", "-q"]);
        target.write("new.dvc", other.read("new.dvc").as_bytes());
        assert_eq!(target.pull().unwrap(), 1);
        assert_eq!(target.read("new"), "from dvc");
    }
}

#[test]
fn refusals_that_pass_are_waited_out_and_others_are_named() {
    let (source, target, server) = pair();
    server.set(Fault::Refuses(2));
    assert_eq!(source.push().unwrap(), 6);
    server.set(Fault::Refuses(usize::MAX));
    let error = target.pull().unwrap_err();
    assert!(error.to_string().contains("500"), "{error}");
    server.set(Fault::None);
    assert_eq!(target.pull().unwrap(), 6);
}

#[test]
fn a_stalled_or_broken_transfer_goes_on_where_it_stood_or_is_given_up() {
    let (source, target, server) = pair();
    source.push().unwrap();
    for fault in [Fault::Stalls(1), Fault::BreaksOff(1)] {
        server.set(fault);
        target.pull().unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!(target.status(), json!({}));
        target.remove("d");
        target.remove(".dvc/cache");
    }
    server.set(Fault::Stalls(usize::MAX));
    let error = target.pull().unwrap_err();
    assert!(names(&error).iter().all(|n| n.contains("nothing came for 0.3 s")), "{error}");
    assert_eq!(target.wrong_objects(), Vec::<String>::new());
    server.set(Fault::None);
    target.pull().unwrap();
    assert_eq!(target.status(), json!({}));
}

#[test]
fn what_is_cut_short_or_changed_on_its_way_is_refused_by_name() {
    let (source, target, server) = pair();
    source.push().unwrap();
    for fault in [Fault::Truncates, Fault::Flips] {
        server.set(fault);
        let error = target.pull().unwrap_err();
        let names = names(&error);
        assert!(names.iter().all(|n| n.contains("damaged at the remote 'store', refused")), "{fault:?}: {error}");
        assert!(names[0].starts_with("d ("), "{names:?}");
        assert_eq!(target.wrong_objects(), Vec::<String>::new());
        assert!(!target.path("d").exists());
    }
    // What came through before is not brought again.
    server.set(Fault::None);
    target.repo().fetch(&[], &Default::default(), &NoProgress).unwrap();
    let md5 = tidegate_build::hash_file(&source.path("d/3")).unwrap().md5;
    target.remove(&format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..]));
    server.set(Fault::Flips);
    let error = target.pull().unwrap_err();
    assert!(names(&error).len() == 1 && names(&error)[0].starts_with("d/3 ("), "{error}");
    // The rest is in place.
    assert!(target.path("d/2").exists() && !target.path("d/3").exists());
    server.set(Fault::None);
    assert_eq!(target.pull().unwrap(), 1);
    assert_eq!(server.gets.load(Ordering::SeqCst), 1);
}

#[test]
fn a_redirect_to_another_host_is_refused_by_name_and_one_to_the_same_is_followed() {
    let (source, target, server) = pair();
    let other = Server::start();
    let port: u16 = other.url.trim_end_matches("/store").rsplit(':').next().unwrap().parse().unwrap();
    server.set(Fault::SendsAway(port));
    let error = source.push().unwrap_err();
    let expected = format!("sends the request on to http://127.0.0.1:{port}, which is not the configured host");
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(other.requests(), 0, "nothing may reach a host that is not configured");
    server.set(Fault::SendsOn(3));
    assert_eq!(source.push().unwrap(), 6);
    server.set(Fault::SendsAway(port));
    assert!(target.pull().unwrap_err().to_string().contains(&expected));
    assert_eq!(other.requests(), 0);
    server.set(Fault::SendsOn(usize::MAX));
    assert!(target.pull().unwrap_err().to_string().contains("more than 5 times"));
    server.set(Fault::SendsOn(3));
    assert_eq!(target.pull().unwrap(), 6);
}

#[test]
fn a_flipped_bit_in_a_directory_is_found_and_named() {
    let world = World::new();
    world.write("d/a", b"some content");
    world.write("d/b", b"other");
    world.add(&["d"]);
    let store = tempfile::tempdir().unwrap();
    world.remote(&store.path().display().to_string());
    world.push().unwrap();
    let md5 = tidegate_build::hash_file(&world.path("d/a")).unwrap().md5;
    std::fs::write(store.path().join(format!("files/md5/{}/{}", &md5[..2], &md5[2..])), b"some cOntent").unwrap();
    world.remove("d");
    world.remove(".dvc/cache");
    let error = world.pull().unwrap_err();
    assert!(names(&error).len() == 1 && names(&error)[0].contains("d/a"), "{error}");
    assert_eq!(world.wrong_objects().len(), 1, "the listing lacks the refused file and nothing else is wrong");
    assert_eq!(world.read("d/b"), "other");
}

#[test]
fn what_is_not_understood_of_a_remote_is_refused_by_name() {
    let world = World::new();
    world.write("a", b"a");
    world.add(&["a"]);
    for (url, key, value, word) in [
        ("ssh://host/x", "", "", "ssh://"),
        ("s3://bucket/x", "sse_customer_key", "k", "sse_customer_key"),
        ("http://127.0.0.1:1/x", "auth", "digest", "auth is digest"),
        ("http://127.0.0.1:1/x", "method", "POST", "only PUT"),
        ("gs://bucket", "", "", "no credentials"),
        ("azure://container", "", "", "no account"),
        ("remote://nowhere/x", "", "", "which there is not"),
        ("/tmp", "version_aware", "true", "version_aware"),
    ] {
        world.remote(url);
        if !key.is_empty() {
            world.repo().remote_modify("store", key, Some(value), false).unwrap();
        }
        let error = world.push().unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("'store'"), "{url}: {error}");
    }
}

#[test]
fn a_url_is_imported() {
    let (source, _, server) = pair();
    source.push().unwrap();
    let md5 = tidegate_build::hash_file(&source.path("d/2")).unwrap().md5;
    let url = format!("{}/files/md5/{}/{}", server.url, &md5[..2], &md5[2..]);
    let world = World::new();
    server.set(Fault::BreaksOff(1));
    let options = ImportOptions { out: Some("got".to_owned()), ..ImportOptions::default() };
    let added = world.repo().import_url(&url, &options, &NoProgress).unwrap();
    assert_eq!(added.md5, md5);
    assert!(world.read("got.dvc").contains(&format!("path: {url}")), "{}", world.read("got.dvc"));
    if let Some(mut dvc) = dvc() {
        assert_eq!(dvc.json(world.root(), &["status", "--json"]), json!({}));
    }
}
