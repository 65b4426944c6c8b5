//! The log as written by Tidegate, checked by verifiers that others wrote (`signed_note`, `tlog_tiles`), at the
//! sizes where tiles begin and end; and the mutations that must be rejected, by ours and, where they can see it, theirs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::{SIZES, World, peer};
use std::fs;
use std::path::Path;
use tidegate_store::audit::{self, AuditError};
use tidegate_store::tlog::hash::{check_consistency, root_of_inclusion};
use tidegate_store::tlog::{Checkpoint, Hash, LogDir, LogVerifier, Proof};

fn code(result: Result<audit::Verified, AuditError>) -> u8 {
    result.map_or_else(|error| error.exit_code(), |_| 0)
}

#[test]
fn independent_verifiers_agree_at_every_size() {
    let mut world = World::new();
    let mut earlier: Vec<(u64, Hash)> = Vec::new();
    for size in SIZES {
        world.seal_to(size);
        let (dir, vkey) = (world.log_dir(), world.vkey.clone());
        let verified = audit::verify(&dir, &vkey, None).unwrap();
        assert_eq!(verified.size, size);
        let theirs = peer::checkpoint(&dir, &vkey).unwrap();
        assert_eq!((theirs.size(), theirs.hash().0), (size, verified.root.0));
        peer::check_all_tiles(&dir, &theirs).unwrap();
        let log = LogDir::new(&dir);
        for index in [0, size / 3, size / 2, size - 1] {
            let path = log.inclusion(index, size).unwrap();
            let entry = log.entry(index, size).unwrap();
            peer::check_inclusion(&theirs, index, &entry, &path).unwrap();
            assert_eq!(peer::inclusion(&dir, &theirs, index), path, "their prover, our tiles");
            assert_eq!(root_of_inclusion(Hash::leaf(&entry), index, size, &path), Some(verified.root));
            assert!(peer::check_inclusion(&theirs, index, b"other", &path).is_err());
        }
        for (old, old_root) in &earlier {
            let path = log.consistency(*old, size).unwrap();
            peer::check_consistency(&theirs, *old, *old_root, &path).unwrap();
            assert_eq!(peer::consistency(&dir, &theirs, *old), path);
            assert!(check_consistency(*old, *old_root, size, verified.root, &path));
            assert!(peer::check_consistency(&theirs, *old, Hash::leaf(b"other"), &path).is_err());
        }
        earlier.push((size, verified.root));
    }
    let dir = world.log_dir();
    let report = audit::verify_journal(&mut world.journal, &dir, &world.vkey).unwrap();
    assert_eq!((report.sealed, report.unsealed), (65_536, 0));
}

#[test]
fn sealing_step_by_step_gives_the_same_tree_as_sealing_at_once() {
    let (mut steps, mut once) = (World::new(), World::new());
    for size in 1..=40 {
        steps.seal_to(size * 17);
    }
    once.seal_to(680);
    assert_eq!(steps.log.sealed(), once.log.sealed());
    for tile in tidegate_store::tlog::tile::tiles_of(680) {
        assert_eq!(fs::read(steps.log_dir().join(tile.path())).unwrap(), fs::read(once.log_dir().join(tile.path())).unwrap());
    }
    assert!(!steps.log_dir().join("tile/0/000.p").exists(), "partial tiles of a full tile are removed");
}

#[test]
fn an_export_needs_the_public_key_alone() {
    let mut world = World::new();
    world.seal_to(300);
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("copy");
    audit::export(&world.log_dir(), &world.vkey, &to).unwrap();
    let kept = fs::read(to.join("checkpoint")).unwrap();
    world.seal_to(520);
    audit::export(&world.log_dir(), &world.vkey, &to).unwrap();
    let vkey = fs::read_to_string(to.join("vkey")).unwrap();
    let verified = audit::verify(&to, &vkey, Some(&kept)).unwrap();
    assert_eq!((verified.size, verified.continues), (520, Some(300)));
    peer::check_all_tiles(&to, &peer::checkpoint(&to, vkey.trim_end()).unwrap()).unwrap();
    fs::write(out.path().join("other"), b"").unwrap();
    assert_eq!(audit::export(&world.log_dir(), &world.vkey, out.path()).unwrap_err().exit_code(), 30);
    assert_eq!(audit::entries(&to, &vkey, 250, 20).unwrap(), world.journal.leaves(250, 20).unwrap());
}

#[test]
fn a_proof_file_stands_alone() {
    let mut world = World::new();
    world.seal_to(300);
    let (proof, entry) = audit::prove(&world.log_dir(), &world.vkey, 123).unwrap();
    let text = proof.to_text();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 123\n"), "{text}");
    let verifier = LogVerifier::parse(&world.vkey).unwrap();
    let read = Proof::parse(&text).unwrap();
    assert_eq!(read, proof);
    assert_eq!(read.verify(&verifier, &entry).unwrap().size, 300);
    assert!(read.verify(&verifier, b"other").is_err());
    assert!(Proof { index: 122, ..read.clone() }.verify(&verifier, &entry).is_err());
    for wrong in [
        text.replace("index 123", "index 0123"),
        text.replace("@v1", "@v2"),
        text.replace("\n\n", "\n"),
        String::new(),
        text.replace("index", "extra !\nindex"),
    ] {
        assert!(Proof::parse(&wrong).and_then(|proof| proof.verify(&verifier, &entry)).is_err(), "{wrong}");
    }
    let extra = Proof { extra: Some(b"note".to_vec()), ..proof };
    assert_eq!(Proof::parse(&extra.to_text()).unwrap(), extra);
    assert_eq!(
        audit::prove(&world.log_dir(), &world.vkey, 300).unwrap_err().exit_code(),
        4,
        "not a fault of the log: it has not come so far"
    );
}

/// Changes a copy of a log of 600 entries; ours must answer `expected`, theirs must refuse where they can see it.
fn mutate(expected: u8, theirs_see_it: bool, change: impl Fn(&Path, &World)) {
    let mut world = World::new();
    world.seal_to(600);
    let copy = tempfile::tempdir().unwrap();
    audit::export(&world.log_dir(), &world.vkey, copy.path()).unwrap();
    let accepted = |dir: &Path| peer::checkpoint(dir, &world.vkey).and_then(|checkpoint| peer::check_all_tiles(dir, &checkpoint)).is_ok();
    assert_eq!((code(audit::verify(copy.path(), &world.vkey, None)), accepted(copy.path())), (0, true));
    change(copy.path(), &world);
    assert_eq!(code(audit::verify(copy.path(), &world.vkey, None)), expected);
    assert_eq!(accepted(copy.path()), !theirs_see_it);
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn edit_checkpoint(dir: &Path, change: impl FnOnce(String) -> String) {
    let path = dir.join("checkpoint");
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text);
    fs::write(path, changed).unwrap();
}

#[test]
fn one_flipped_byte_in_an_entry() {
    mutate(25, true, |dir, _| edit(&dir.join("tile/entries/001"), |bytes| bytes[10] ^= 1));
    mutate(25, true, |dir, _| edit(&dir.join("tile/entries/002.p/88"), |bytes| *bytes.last_mut().unwrap() ^= 1));
}

#[test]
fn any_flipped_bit_of_any_file_is_rejected() {
    let mut world = World::new();
    world.seal_to(260);
    let copy = tempfile::tempdir().unwrap();
    audit::export(&world.log_dir(), &world.vkey, copy.path()).unwrap();
    for name in ["checkpoint", "tile/0/000", "tile/0/001.p/4", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/4"] {
        let path = copy.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len().div_ceil(40)) {
            edit(&path, |bytes| bytes[at] ^= 1 << (at % 8));
            assert_ne!(code(audit::verify(copy.path(), &world.vkey, None)), 0, "{name} byte {at}");
            fs::write(&path, &whole).unwrap();
        }
    }
    assert_eq!(code(audit::verify(copy.path(), &world.vkey, None)), 0);
}

#[test]
fn swapped_entries() {
    mutate(25, true, |dir, world| {
        let mut entries = world.journal.leaves(256, 256).unwrap();
        entries.swap(3, 4);
        let mut bundle = Vec::new();
        assert!(entries.iter().all(|entry| tidegate_store::tlog::tile::push_entry(&mut bundle, entry)));
        fs::write(dir.join("tile/entries/001"), bundle).unwrap();
    });
}

#[test]
fn truncated_and_missing_tiles() {
    for name in ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"] {
        mutate(24, true, |dir, _| edit(&dir.join(name), |bytes| bytes.truncate(bytes.len() - 32)));
        mutate(23, true, |dir, _| fs::remove_file(dir.join(name)).unwrap());
    }
}

#[test]
fn a_tile_of_hashes_changed_while_the_entries_are_right() {
    mutate(26, true, |dir, _| edit(&dir.join("tile/0/001"), |bytes| bytes[100] ^= 1));
}

#[test]
fn a_checkpoint_signed_by_another_key() {
    // Another name, and the same name with another key.
    mutate(21, true, |dir, world| {
        let other = World::new();
        let checkpoint = Checkpoint { origin: other.signer.name().to_owned(), size: 600, root: world.log.sealed().root };
        fs::write(dir.join("checkpoint"), checkpoint.sign(&other.signer)).unwrap();
    });
    mutate(21, true, |dir, world| {
        let forger = tidegate_store::tlog::LogSigner::new(world.signer.name(), &[9; 32]).unwrap();
        let checkpoint = Checkpoint { origin: forger.name().to_owned(), size: 600, root: world.log.sealed().root };
        fs::write(dir.join("checkpoint"), checkpoint.sign(&forger)).unwrap();
    });
}

#[test]
fn a_checkpoint_of_a_size_with_the_root_of_another() {
    mutate(22, true, |dir, world| {
        let root = tidegate_store::tlog::hash::range_root(&mut LogDir::new(dir).nodes(600), 0, 599).unwrap();
        let checkpoint = Checkpoint { origin: world.signer.name().to_owned(), size: 600, root };
        fs::write(dir.join("checkpoint"), checkpoint.sign(&world.signer)).unwrap();
    });
}

#[test]
fn wrong_forms_of_a_checkpoint() {
    mutate(20, true, |dir, _| edit_checkpoint(dir, |text| text.replace('\u{2014}', "\u{2013}")));
    mutate(20, true, |dir, _| edit_checkpoint(dir, |text| text.replace('\n', "\r\n")));
    mutate(20, true, |dir, _| edit_checkpoint(dir, |text| text.trim_end().to_owned()));
    mutate(20, true, |dir, _| edit_checkpoint(dir, |_| String::new()));
    mutate(21, true, |dir, _| edit_checkpoint(dir, |text| text.replace("\n600\n", "\n0600\n")));
    // Signed by the right key, and still wrong.
    mutate(20, true, |dir, world| {
        let text = format!("{}\n0600\n{}\n", world.signer.name(), world.log.sealed().root);
        fs::write(dir.join("checkpoint"), tidegate_store::tlog::note::sign(&text, &world.signer)).unwrap();
    });
    mutate(20, false, |dir, world| {
        let text = format!("tidegate.local/another\n600\n{}\n", world.log.sealed().root);
        fs::write(dir.join("checkpoint"), tidegate_store::tlog::note::sign(&text, &world.signer)).unwrap();
    });
}

#[test]
fn keys_that_are_not_the_log_s() {
    let mut world = World::new();
    world.seal_to(3);
    for wrong in [String::new(), "a+b".into(), world.vkey.replacen('+', "+0", 1), world.vkey.to_uppercase(), format!("x{}", world.vkey)] {
        assert_eq!(code(audit::verify(&world.log_dir(), &wrong, None)), 20, "{wrong}");
    }
    assert_eq!(code(audit::verify(&world.log_dir(), &World::new().vkey, None)), 21);
}

#[test]
fn against_a_kept_checkpoint() {
    let mut world = World::new();
    world.seal_to(300);
    let old = tempfile::tempdir().unwrap();
    audit::export(&world.log_dir(), &world.vkey, old.path()).unwrap();
    let kept_old = fs::read(world.log_dir().join("checkpoint")).unwrap();
    world.seal_to(600);
    let kept = fs::read(world.log_dir().join("checkpoint")).unwrap();
    let verify = |dir: &Path, kept: &[u8]| audit::verify(dir, &world.vkey, Some(kept));
    assert_eq!(verify(&world.log_dir(), &kept_old).unwrap().continues, Some(300));
    assert_eq!(verify(&world.log_dir(), &kept).unwrap().continues, Some(600));
    // An older state, valid in itself, in place of the newer.
    assert_eq!(code(audit::verify(old.path(), &world.vkey, None)), 0);
    assert_eq!(code(verify(old.path(), &kept)), 28);
    // Other histories under the same key: of the same size, and longer.
    for (size, expected) in [(600, 27), (700, 27), (300, 28)] {
        let fork = World::fork_of(&world, size);
        assert_eq!(code(audit::verify(&fork.log_dir(), &world.vkey, None)), 0);
        assert_eq!(code(verify(&fork.log_dir(), &kept)), expected);
        let theirs = peer::checkpoint(&fork.log_dir(), &world.vkey).unwrap();
        if size == 700 {
            let path = LogDir::new(&fork.log_dir()).consistency(600, 700).unwrap();
            assert!(peer::check_consistency(&theirs, 600, world.log.sealed().root, &path).is_err());
        }
    }
    // A kept checkpoint that is none.
    assert_eq!(code(verify(&world.log_dir(), &World::new().sealed_note(3))), 21);
    assert_eq!(code(verify(&world.log_dir(), b"nonsense")), 20);
}
