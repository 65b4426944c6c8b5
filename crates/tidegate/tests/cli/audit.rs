//! `tidegate audit`: what an auditor accepts, and every way in which a log can be other than it was signed.

use crate::world::{COPY, World, in_order};
use std::path::Path;
use tidegate_store::tlog::{LogVerifier, Proof};

const CHECKPOINT: &str = ".tidegate/log/checkpoint";
/// The one bundle of entries, and the hashes of them, of a log of four.
const ENTRIES: &str = ".tidegate/log/tile/entries/000.p/4";
const HASHES: &str = ".tidegate/log/tile/0/000.p/4";

/// A workspace with one run: four sealed records.
fn sealed() -> World {
    let world = World::with(&[("dvc.yaml", COPY), ("in", "first")]);
    world.run(&["run"]).well();
    world
}

/// One more run: four more sealed records.
fn go_on(world: &World, input: &str) {
    world.write("in", input);
    world.run(&["run"]).well();
}

/// Entries of a bundle: each stands after its length in two bytes.
fn split(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = vec![];
    let mut rest = bundle;
    while let [high, low, after @ ..] = rest {
        let (entry, next) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        entries.push(entry.to_vec());
        rest = next;
    }
    entries
}

fn join(entries: &[Vec<u8>]) -> Vec<u8> {
    let length = |entry: &[u8]| u16::try_from(entry.len()).unwrap().to_be_bytes();
    entries.iter().flat_map(|entry| [&length(entry)[..], entry].concat()).collect()
}

/// Changes a file of a sealed log, sees it rejected and that looking changed nothing, puts it back, sees it accepted.
#[track_caller]
fn rejects(file: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>, code: i32, words: &[&str]) {
    let world = sealed();
    let path = world.path(file);
    let right = std::fs::read(&path).unwrap();
    let wrong = change(&right);
    assert_ne!(wrong.as_ref(), Some(&right), "the change changes nothing");
    match &wrong {
        Some(bytes) => std::fs::write(&path, bytes).unwrap(),
        None => std::fs::remove_file(&path).unwrap(),
    }
    let said = world.run(&["audit", "verify"]).fails(code, words);
    assert_eq!(said.out, "", "nothing is called verified");
    assert_eq!(std::fs::read(&path).ok(), wrong, "an audit mends nothing");
    world.is_clean();
    std::fs::write(&path, right).unwrap();
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_log_as_it_was_written_is_accepted() {
    let world = sealed();
    let said = world.run(&["audit", "verify"]).well();
    in_order(&said.out, &["verified", "4 entries under root", "the same 4 records, and 0 that are not sealed yet"]);
    let json = world.run(&["audit", "verify", "--json"]).well().json();
    assert_eq!((&json["verified"], &json["size"], &json["database"]["unsealed"]), (&true.into(), &4.into(), &0.into()));
    assert!(json["origin"].as_str().unwrap().starts_with("tidegate.local/ws/"), "{json}");
}

#[test]
fn a_flipped_byte_in_an_entry_is_rejected() {
    let flip = |bundle: &[u8]| {
        let mut entries = split(bundle);
        let middle = entries[2].len() / 2;
        entries[2][middle] ^= 1;
        Some(join(&entries))
    };
    rejects(ENTRIES, flip, 25, &["verify", "entry 2 is not the one whose hash was signed"]);
}

#[test]
fn swapped_entries_are_rejected() {
    let swap = |bundle: &[u8]| {
        let mut entries = split(bundle);
        entries.swap(1, 3);
        Some(join(&entries))
    };
    rejects(ENTRIES, swap, 25, &["verify", "entry 1 is not the one", "moved to another place"]);
}

#[test]
fn a_truncated_tile_is_rejected() {
    let cut = |bytes: &[u8]| Some(bytes[..bytes.len() - 1].to_vec());
    rejects(HASHES, cut, 24, &["verify", "tile/0/000.p/4"]);
    rejects(ENTRIES, cut, 24, &["verify", "tile/entries/000.p/4"]);
}

#[test]
fn a_missing_tile_is_rejected() {
    rejects(HASHES, |_| None, 23, &["verify", "tile/0/000.p/4"]);
    rejects(ENTRIES, |_| None, 23, &["verify", "tile/entries/000.p/4"]);
}

#[test]
fn a_changed_hash_over_right_entries_is_told_apart() {
    let flip = |bytes: &[u8]| Some(bytes.iter().enumerate().map(|(i, b)| if i == 40 { b ^ 1 } else { *b }).collect());
    rejects(HASHES, flip, 26, &["verify", "tile/0/000.p/4", "the entries themselves are right"]);
}

#[test]
fn a_checkpoint_signed_by_another_key_is_rejected() {
    let other = std::fs::read(sealed().path(CHECKPOINT)).unwrap();
    rejects(CHECKPOINT, |_| Some(other.clone()), 21, &["verify", "signature", "this key did not sign it"]);
}

#[test]
fn a_checkpoint_whose_text_was_changed_is_rejected() {
    let smaller = |note: &[u8]| Some(String::from_utf8_lossy(note).replacen("\n4\n", "\n3\n", 1).into_bytes());
    rejects(CHECKPOINT, smaller, 21, &["verify", "signature"]);
    rejects(CHECKPOINT, |_| Some(b"no note".to_vec()), 20, &["verify", "checkpoint"]);
    rejects(CHECKPOINT, |_| None, 30, &["verify", "checkpoint"]);
}

#[test]
fn an_older_checkpoint_is_seen_by_who_kept_the_newer() {
    let world = sealed();
    let (older, newer) = (world.beside("older"), world.beside("newer"));
    std::fs::copy(world.path(CHECKPOINT), &older).unwrap();
    go_on(&world, "second");
    std::fs::copy(world.path(CHECKPOINT), &newer).unwrap();
    let kept = |path: &Path| world.run(&["audit", "verify", "--kept", path.to_str().unwrap()]);
    in_order(&kept(&older).well().out, &["8 entries", "continues the kept checkpoint of size 4"]);
    std::fs::copy(&older, world.path(CHECKPOINT)).unwrap();
    world.run(&["audit", "verify"]).well();
    kept(&newer).fails(28, &["verify", "rolled back", "sealed to 4", "kept checkpoint to 8"]);
}

/// Two histories of the same length under one key, and where the checkpoint of the first is kept.
fn fork() -> (World, World) {
    let first = sealed();
    let second = first.copied();
    go_on(&first, "one way");
    go_on(&second, "the other way");
    (first, second)
}

#[test]
fn a_fork_of_the_same_size_is_seen_by_who_kept_the_other() {
    let (first, second) = fork();
    let kept = first.path(CHECKPOINT);
    second.run(&["audit", "verify"]).well();
    second
        .run(&["audit", "verify", "--kept", kept.to_str().unwrap()])
        .fails(27, &["verify", "fork", "at size 8", "two histories were signed"]);
    // A fork that went on is still a fork.
    go_on(&second, "and on");
    second.run(&["audit", "verify", "--kept", kept.to_str().unwrap()]).fails(27, &["verify", "fork", "at size 8"]);
}

#[test]
fn a_log_that_is_not_the_database_is_rejected() {
    let (first, second) = fork();
    std::fs::remove_dir_all(first.path(".tidegate/log")).unwrap();
    std::fs::rename(second.path(".tidegate/log"), first.path(".tidegate/log")).unwrap();
    first.run(&["audit", "verify"]).fails(29, &["verify", "the journal does not equal the log", "record 4"]);
}

#[test]
fn tiles_that_agree_with_each_other_but_not_with_the_signature_are_rejected() {
    let (first, second) = fork();
    std::fs::remove_dir_all(first.path(".tidegate/log/tile")).unwrap();
    std::fs::rename(second.path(".tidegate/log/tile"), first.path(".tidegate/log/tile")).unwrap();
    first.run(&["audit", "verify"]).fails(22, &["verify", "8 entries lead to root", "was signed"]);
}

#[test]
fn a_record_is_shown_as_it_was_sealed() {
    let world = sealed();
    let said = world.run(&["audit", "show", "0"]).well();
    assert_eq!((&said.json()["position"], &said.json()["body"]["event"]), (&0.into(), &"started".into()));
    assert_eq!(world.run(&["audit", "show", "1", "--count", "9", "--json"]).well().out.lines().count(), 3);
    world.run(&["audit", "show", "4"]).fails(4, &["show record 4", "not sealed"]);
}

#[test]
fn a_proof_holds_for_its_record_and_for_no_other() {
    let world = sealed();
    let path = world.beside("two.tlog-proof");
    let said = world.run(&["audit", "prove", "2", "-o", path.to_str().unwrap()]).well();
    let proof = Proof::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let verifier = LogVerifier::parse(world.read(".tidegate/keys/vkey").trim()).unwrap();
    let entry = said.out.trim_end_matches('\n').as_bytes();
    assert_eq!(proof.verify(&verifier, entry).unwrap().size, 4);
    let other = world.run(&["audit", "show", "1", "--json"]).well();
    assert!(proof.verify(&verifier, other.out.trim_end().as_bytes()).is_err());
    let unsealed = world.beside("four.tlog-proof");
    world.run(&["audit", "prove", "4", "-o", unsealed.to_str().unwrap()]).fails(4, &["prove record 4", "sealed to 4", "wait"]);
    assert!(!unsealed.exists());
}

#[test]
fn an_export_is_verified_without_the_workspace() {
    let world = sealed();
    let to = world.beside("export");
    let to = to.to_str().unwrap();
    in_order(&world.run(&["audit", "export", to]).well().out, &["exported 4 entries to", "audit verify --log", "keep `checkpoint`"]);
    let auditor = World::new();
    let said = auditor.run(&["audit", "verify", "--log", to]).well();
    in_order(&said.out, &["verified", "4 entries"]);
    assert!(!said.out.contains("database"), "an auditor has none: {}", said.out);
    // Later the same export goes on, and what the auditor kept is continued.
    let kept = auditor.beside("kept");
    std::fs::copy(Path::new(to).join("checkpoint"), &kept).unwrap();
    go_on(&world, "second");
    world.run(&["audit", "export", to]).well();
    let said = auditor.run(&["audit", "verify", "--log", to, "--kept", kept.to_str().unwrap()]).well();
    in_order(&said.out, &["8 entries", "size 4"]);
}

#[test]
fn an_export_never_mixes_with_something_else() {
    let world = sealed();
    let to = world.beside("full");
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("mine"), "mine").unwrap();
    world.run(&["audit", "export", to.to_str().unwrap()]).fails(30, &["export log", "holds something else", "new or empty"]);
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1);
}

#[test]
fn the_key_is_found_beside_a_log_whatever_its_path() {
    let world = sealed();
    // A public key holds a plus sign, and so may a path.
    let log = world.beside("a+b");
    std::fs::rename(world.path(".tidegate/log"), &log).unwrap();
    std::fs::copy(world.path(".tidegate/keys/vkey"), log.join("vkey")).unwrap();
    world.run(&["audit", "verify", "--log", log.to_str().unwrap()]).well();
}
