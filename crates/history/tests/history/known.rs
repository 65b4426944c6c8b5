//! What is known of the five repositories because it was written so.

use crate::world::{DAY_S, World, text};
use crate::worlds;
use tidegate_history::{Excluded, Kind, Label, Services, Settings, as_one, mine};

fn label(world: &World, name: &str) -> Label {
    let mined = world.mine(&Settings::default());
    world.change(&mined, name).label
}

#[test]
fn a_line_of_history() {
    let world = worlds::linear();
    let mined = world.mine(&Settings::default());
    assert_eq!(world.traced(&mined), ["fix -> fault", "named -> other"]);
    let fault = world.change(&mined, "fault").features;
    assert_eq!([fault.ns, fault.nd, fault.nf, fault.la, fault.ld, fault.lt], [2.0, 2.0, 2.0, 3.0, 2.0, 11.0]);
    assert_eq!([fault.ndev, fault.nuc, fault.exp, fault.sexp, fault.own_share], [1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!([fault.lock_lines, fault.fix, fault.hour], [2.0, 0.0, 17.0]);
    assert!((fault.lock_age - 13.0 - 2.0 / 24.0).abs() < 1e-9, "{}", fault.lock_age);
    let fix = world.change(&mined, "fix").features;
    assert_eq!([fix.fix, fix.ndev, fix.nuc, fix.test_files, fix.test_lines, fix.file_faults], [1.0, 3.0, 4.0, 0.5, 0.5, 0.0]);
    let second = world.change(&mined, "second").features;
    assert_eq!([second.new_files, second.age, second.lt, second.own_recency], [2.0, 0.0, 0.0, 0.0]);
    // The fix came 12 days and 2 hours after; without enough delays the age of clean is 180 days.
    let Label::Fixed { by, delay_s, fixes } = world.change(&mined, "fault").label else { panic!("it was fixed") };
    assert_eq!((mined.changes()[by.0 as usize].id, delay_s, fixes), (world.ids["fix"], 12 * DAY_S + 2 * 3_600, 1));
    assert_eq!((mined.maturity.delays, world.change(&mined, "root").label), (0, Label::Clean));
    assert_eq!(label(&world, "gone"), Label::Unlabelled);
    // The word is there, and what it is about is none.
    assert!(world.change(&mined, "typo").features.fix.abs() < 0.5);
    let gone = world.change(&mined, "gone");
    assert_eq!((gone.files[0].kind, gone.author), (Kind::Deleted, world.change(&mined, "other").author));
}

#[test]
fn what_was_known_then_labels_alone() {
    let world = worlds::linear();
    let at_s = world.change(&world.mine(&Settings::default()), "fault").at_s;
    let before = Settings { as_of_s: Some(at_s + 12 * DAY_S), maturity_default_s: 11 * DAY_S, ..Settings::default() };
    let mined = world.mine(&before);
    assert_eq!(world.change(&mined, "fault").label, Label::Clean, "the fix was not known yet, and the age was taken for enough");
    assert_eq!(world.change(&mined, "other").label, Label::Unlabelled);
}

#[test]
fn a_clock_that_is_ahead_makes_no_other_change_old() {
    let world = worlds::linear();
    let (gone, at_s) = ("gone", world.change(&world.mine(&Settings::default()), "gone").at_s);
    assert_eq!(label(&world, gone), Label::Unlabelled, "it is young beside the newest commit");
    // As if that were of forty years later.
    let later = |now_s| Settings { as_of_s: now_s, ..Settings::default() };
    assert_eq!(world.change(&world.mine(&later(Some(at_s + 14_600 * DAY_S))), gone).label, Label::Clean);
    let capped = world.mine(&Settings { now_s: Some(at_s + DAY_S), ..Settings::default() });
    assert!(capped.maturity.as_of_s <= at_s + DAY_S);
    assert_eq!(world.change(&capped, gone).label, Label::Unlabelled);
}

#[test]
fn branches_that_meet() {
    let world = worlds::branches();
    let mined = world.mine(&Settings::default());
    // What the merge itself wrote is nobody's fault; a line that only one side has is that side's.
    assert_eq!(
        world.traced(&mined),
        ["fix -> left1", "fix -> main1", "fix -> one1", "fix -> right1", "fix -> root", "fix -> two1", "main3 -> right1", "main3 -> root"]
    );
    assert_eq!(label(&world, "conflict"), Label::Excluded(Excluded::Merge));
    let octopus = world.change(&mined, "octopus");
    assert_eq!((octopus.parents.len(), octopus.files.len()), (4, 1));
    // A side that is not merged yet is not known.
    assert_eq!(world.change(&mined, "main2").features.nuc, 3.0);
    assert_eq!(world.change(&mined, "main1").features.nuc, 1.0);
}

#[test]
fn files_under_other_names() {
    let world = worlds::renames();
    let mined = world.mine(&Settings::default());
    assert_eq!(world.traced(&mined), ["fix -> again", "fix -> anew", "fix -> main1", "fix -> root", "fix -> side1"]);
    let moved = world.change(&mined, "moved");
    assert_eq!((moved.files[0].kind, moved.features.nuc, moved.features.renamed_files, moved.features.la), (Kind::Renamed, 1.0, 1.0, 0.0));
    // Git takes two files that change places for two that change.
    let swap = world.change(&mined, "swap").features;
    assert_eq!([swap.renamed_files, swap.nf, swap.nuc], [0.0, 2.0, 1.0]);
}

#[test]
fn what_must_not_count() {
    let world = worlds::noise();
    let mined = world.mine(&Settings::default());
    // Spaces and order alone are of nobody; comments, blanks, the mass change and the tangled fix are not traced.
    assert_eq!(world.traced(&mined), ["fix -> root"]);
    assert_eq!([label(&world, "mass"), label(&world, "tangled")], [Label::Excluded(Excluded::Mass), Label::Unlabelled]);
    let spaces = Settings { follow_moves: false, ..Settings::default() };
    assert_eq!(world.traced(&world.mine(&spaces)), ["fix -> moves", "fix -> root"]);
    let neither = Settings { follow_spaces: false, follow_moves: false, ..Settings::default() };
    assert_eq!(world.traced(&world.mine(&neither)), ["fix -> moves", "fix -> spaces"]);
}

#[test]
fn odd_ends_and_paths() {
    let world = worlds::odd();
    let mined = world.mine(&Settings::default());
    assert_eq!(label(&world, "empty"), Label::Excluded(Excluded::Empty));
    for path in [&b"a b/c\td.rs"[..], b"q\"uote\\.rs", b"not-utf8-\xff\xfe.rs", b"new\nline.rs", b"-p", "\u{fc}.rs".as_bytes(), b"module"] {
        assert!(mined.paths().iter().any(|known| known == path), "{}", path.escape_ascii());
    }
    let fix = world.change(&mined, "fix").features;
    assert_eq!((fix.nf, fix.fix), (11.0, 1.0));
    assert_eq!(world.change(&mined, "all").features.binary_files, 1.0);
    let services = Services::by_rules(&[("a b/**", "spaced"), ("*.rs", "rust"), ("module", "module")]).unwrap();
    let of = |name| services.of_change(&mined, world.change(&mined, name)).into_iter().collect::<Vec<_>>().join(",");
    assert_eq!([of("fix"), of("main1"), of("empty")], ["rust,spaced", "rust", ""]);
}

#[test]
fn messages_and_added_lines_are_seen_once() {
    let world = worlds::linear();
    let mut seen = Vec::new();
    let settings = Settings::default();
    tidegate_history::mine(&world.root(), "HEAD", &settings, None, &mut |one| {
        seen.push((one.done, one.total, String::from_utf8_lossy(one.message).into_owned(), one.added.to_vec()));
    })
    .unwrap();
    assert_eq!((seen.len(), seen[2].0, seen[2].1), (8, 3, 8));
    assert_eq!((seen[2].2.as_str(), seen[2].3.as_slice()), ("faster\n\nand more words\n", &b"let value_5 = 50;\nlet other = 6;\n"[..]));
}

#[test]
fn who_reviewed_is_known_from_the_first_trailer_on() {
    let mut world = World::new();
    let mut commit = |name: &str, author: &str, message: &str| {
        world.write("a.rs", name);
        world.commit(name, author, message);
    };
    commit("before", "ann", "first");
    commit("reviewed", "ann", "one\n\nReviewed-by: Bob <bob@example.com>\nReviewed-by: Ann <ann@example.com>\n");
    commit("alone", "bob", "two");
    commit("together", "bob", "three\n\nCo-authored-by: cid <CID@example.com>\nCo-authored-by: ann <ann@example.com>\n");
    world.branch("side", "main~3");
    world.write("b.rs", "side");
    world.commit("side", "cid", "of another line");
    world.on("main");
    world.merge("merge", &["side"], &[]);
    world.write("a.rs", "last");
    world.commit("last", "cid", "last");
    let mined = world.mine(&Settings::default());
    let told = |name: &str| {
        let features = world.change(&mined, name).features;
        [features.reviewers, features.coauthors].map(|value| (!value.is_nan()).then_some(value))
    };
    assert_eq!([told("before"), told("side"), told("merge")], [[None, None]; 3], "what comes later, or elsewhere, says nothing of it");
    assert_eq!([told("reviewed"), told("alone")], [[Some(1.0), None], [Some(0.0), None]]);
    assert_eq!([told("together"), told("last")], [[Some(0.0), Some(2.0)], [Some(0.0), Some(0.0)]]);
    let bytes = mined.state.to_bytes();
    for name in ["bob", "cid", "example.com"] {
        assert!(!bytes.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes())), "{name} is kept");
    }
}

#[test]
fn what_people_say_goes_before_the_message() {
    let world = worlds::linear();
    let id = |name: &str| std::iter::once(world.ids[name]).collect();
    let settings = Settings { fixes: id("typo"), no_fixes: id("fix"), ..Settings::default() };
    let mined = world.mine(&settings);
    assert_eq!(world.traced(&mined), ["named -> other"]);
    assert_eq!([world.change(&mined, "typo").features.fix, world.change(&mined, "fix").features.fix], [1.0, 0.0]);
}

#[test]
fn a_branch_as_one_change_is_what_a_squashed_commit_is() {
    let mut world = worlds::branches();
    let settings = Settings::default();
    world.branch("topic", "main~1");
    world.write("lib/a.rs", "now();\nother();\n").write("lib/topic.rs", text(1, 5));
    world.commit("topic1", "bob", "one");
    world.write("lib/topic.rs", text(1, 3)).rename("lib/c.rs", "lib/e.rs");
    world.commit("topic2", "bob", "fix two");
    let base = mine(&world.root(), "main", &settings, None, &mut |_| ()).unwrap();
    let one = as_one(&world.root(), "main", "topic", None, &settings, &base.state).unwrap();
    let (files, la) = (one.change.files.len(), one.change.features.la);
    assert_eq!((one.change.id, files, one.change.parents.len()), (world.ids["topic2"], 3, 1));
    world.git(&["checkout", "-q", "-B", "squashed", "main~1"]);
    world.git(&["read-tree", "-u", "--reset", "topic"]);
    world.git(&["commit", "-q", "-C", &world.ids["topic2"].to_string()]);
    let squashed = world.mine(&settings);
    let last = squashed.changes().last().unwrap();
    assert!(la > 4.0 && last.features.exp > 0.0);
    assert_eq!(one.change.features, last.features);
    let named = as_one(&world.root(), "main", "squashed", Some(b"a feature"), &settings, &base.state).unwrap();
    assert_eq!((named.change.features.fix, named.change.features.message_bytes), (0.0, 9.0));
}

#[test]
fn longer_ids_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let arguments: Vec<&std::ffi::OsStr> = arguments.iter().map(std::ffi::OsStr::new).collect();
        crate::world::git_with(
            folder.path(),
            &arguments,
            1_600_000_000,
            "ann",
            "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        )
    };
    run(&["init", "-q", "-b", "main", "--object-format=sha256", "."]);
    std::fs::write(folder.path().join("a.rs"), text(1, 5)).unwrap();
    run(&["add", "-A"]);
    run(&["commit", "-q", "-m", "first"]);
    std::fs::write(folder.path().join("a.rs"), text(1, 4)).unwrap();
    run(&["commit", "-q", "-a", "-m", "fix it"]);
    let mined = mine(folder.path(), "HEAD", &Settings::default(), None, &mut |_| ()).unwrap();
    assert_eq!((mined.changes()[1].id.to_string().len(), mined.links().len(), mined.shallow), (64, 1, false));
}

#[test]
fn a_shallow_clone_says_so_and_is_read_anew() {
    let world = worlds::linear();
    let folder = tempfile::tempdir().unwrap();
    let from = format!("file://{}", world.root().display());
    world.git(&["clone", "-q", "--depth", "3", &from, folder.path().join("clone").to_str().unwrap()]);
    let settings = Settings::default();
    let first = mine(&folder.path().join("clone"), "HEAD", &settings, None, &mut |_| ()).unwrap();
    assert_eq!((first.shallow, first.read, first.changes()[0].parents.len()), (true, 3, 0));
    let again = mine(&folder.path().join("clone"), "HEAD", &settings, Some(first.state), &mut |_| ()).unwrap();
    assert_eq!((again.how, again.read), (tidegate_history::How::OtherHistory, 3));
}
