//! Every feature and every link of every commit equals the slow computation.

use crate::oracle::{Commit, Oracle};
use crate::world::git_in;
use crate::{random, worlds};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use tidegate_history::{Features, Id, Mined, Settings, Way, mine, said};

/// Sums may be taken in another order.
const CLOSE: f64 = 1e-9;

/// Without the lines that move, of which `git blame` has another notion; `known` holds those.
fn settings(follow_spaces: bool) -> Settings {
    Settings { follow_spaces, follow_moves: false, ..Settings::default() }
}

fn compare_features(world: &str, mined: &Mined, oracle: &Oracle, commit: &Commit) {
    let number = mined.number(&Id::read(commit.id.as_bytes()).unwrap()).unwrap();
    let change = &mined.changes()[number.0 as usize];
    let values = oracle.features(commit);
    for (name, value) in Features::NAMES.iter().zip(change.features.values()) {
        let wanted = values[name];
        let message = String::from_utf8_lossy(&commit.message);
        let same = (value - wanted).abs() < CLOSE || value.is_nan() && wanted.is_nan();
        assert!(same, "{world}: {name} of {} ({message}) is {value}, and {wanted} by git", commit.id);
    }
}

fn links(mined: &Mined) -> BTreeSet<(String, String, Vec<u8>)> {
    let id = |number: tidegate_history::ChangeNumber| mined.changes()[number.0 as usize].id.to_string();
    let of_lines = mined.links().iter().filter(|link| link.way == Way::Lines);
    of_lines.map(|link| (id(link.by), id(link.of), mined.path(link.path.unwrap()).to_vec())).collect()
}

/// Of a large repository every `nth` commit is asked for: the links, of which features are made too, are compared in any case.
fn compare(name: &str, root: &Path, settings: &Settings, nth: usize) -> usize {
    let mined = mine(root, "HEAD", settings, None, &mut |_| ()).unwrap();
    let oracle = Oracle::new(root, settings, &|message| said(message, settings).fix);
    assert_eq!(mined.changes().len(), oracle.commits.len());
    let ours = links(&mined);
    let told = |of: &BTreeSet<(String, String, Vec<u8>)>, other: &BTreeSet<_>| -> Vec<String> {
        of.difference(other).map(|(by, of, path)| format!("{by} -> {of} in {}", path.escape_ascii())).collect()
    };
    assert_eq!(told(&ours, &oracle.links), told(&oracle.links, &ours), "{name}: not by git, not by us, in {}", root.display());
    for commit in oracle.commits.iter().filter(|commit| commit.parents.len() < 2).step_by(nth) {
        compare_features(name, &mined, &oracle, commit);
    }
    oracle.links.len()
}

#[test]
fn five_repositories_equal_the_slow_computation() {
    for (name, world) in worlds::all() {
        for spaces in [false, true] {
            assert!(compare(name, &world.root(), &settings(spaces), 1) > 0, "{name} has no fault");
        }
    }
}

#[test]
fn the_repository_at_hand_equals_the_slow_computation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let asked = ["rev-parse", "--is-shallow-repository"].map(OsStr::new);
    let is_one = root.join(".git").exists() && git_in(&root, &asked, 0, "ann").trim_ascii() == b"false";
    if !is_one {
        eprintln!("skipped: the sources are no git repository with its whole history");
        return;
    }
    // Words in whole messages find more fixes, and there are few enough.
    let settings = Settings { whole_message: true, ..settings(false) };
    let links = compare("the repository at hand", &root, &settings, 9);
    assert!(links > 0, "a repository of this size has had faults");
}

/// Few different lines, so that a diff could often be another one; at the end a fix changes every line, so that every line is asked for.
#[test]
fn random_histories_equal_the_slow_computation() {
    for seed in 1..=6 {
        let world = random::make(seed);
        // Without spaces a diff may pair other lines of these, and git's is then as good as ours.
        let settings = Settings { fix_files_max: 10_000, ..settings(false) };
        assert!(compare(&format!("seed {seed}"), &world.root(), &settings, 7) > 10, "seed {seed}");
    }
}

#[test]
fn what_lies_between_two_commits_is_what_git_says() {
    for seed in [1, 2] {
        let world = random::make(seed);
        let mined = world.mine(&settings(false));
        let all = mined.changes();
        let pairs = (0..all.len()).step_by(3).flat_map(|a| (a % 5..all.len()).step_by(5).map(move |b| (a, b)));
        let mut more_than_one = 0;
        for (a, b) in pairs {
            let (old, new) = (all[a].id, all[b].id);
            let range = format!("{old}..{new}");
            let said = git_in(&world.root(), &["rev-list", &range].map(OsStr::new), 0, "ann");
            let mut wanted: Vec<String> = String::from_utf8(said).unwrap().lines().map(str::to_owned).collect();
            let found = mined.between(mined.named(&old.to_string()[..12]), mined.named(&new.to_string()).unwrap());
            let mut found: Vec<String> = found.iter().map(|number| all[number.0 as usize].id.to_string()).collect();
            wanted.sort();
            found.sort();
            more_than_one += usize::from(wanted.len() > 1);
            assert_eq!(found, wanted, "{range}");
        }
        assert!(more_than_one > 50, "{more_than_one}");
    }
}
