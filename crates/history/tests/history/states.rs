//! Going on from a state gives what everything at once gives, and no state is believed that is not one.

use crate::world::{World, git_in, text};
use crate::{random, worlds};
use std::ffi::OsStr;
use tidegate_history::{Change, ChangeNumber, How, Mined, Settings, State, mine, mine_beside};

fn mined(world: &World, tip: &str, previous: Option<State>) -> Mined {
    mine(&world.root(), tip, &Settings::default(), previous, &mut |_| ()).unwrap()
}

/// Everything that is told, by ids, whatever the order.
fn told(mined: &Mined) -> Vec<String> {
    let id = |number: tidegate_history::ChangeNumber| mined.changes()[number.0 as usize].id;
    let mut all: Vec<String> =
        mined.links().iter().map(|link| format!("{} {} {:?}", id(link.by), id(link.of), link.path.map(|path| mined.path(path)))).collect();
    for change in mined.changes() {
        let label = match change.label {
            tidegate_history::Label::Fixed { by, delay_s, fixes } => format!("{} {delay_s} {fixes}", id(by)),
            other => format!("{other:?}"),
        };
        let parents: Vec<_> = change.parents.iter().map(|parent| id(*parent)).collect();
        let files: Vec<_> = change
            .files
            .iter()
            .map(|file| (mined.path(file.path), file.from.map(|from| mined.path(from)), file.added, file.deleted))
            .collect();
        let same = mined.changes().iter().filter(|other| other.author == change.author).count();
        all.push(format!("{} {parents:?} {} {same} {files:?} {label} {:?}", change.id, change.at_s, change.features));
    }
    all.sort();
    all
}

#[test]
fn bit_by_bit_is_the_same_as_at_once() {
    let by_chance = [7, 8].map(|seed| ("by chance", random::make(seed)));
    for (name, world) in worlds::all().into_iter().chain(by_chance) {
        let full = mined(&world, "HEAD", None);
        let line = String::from_utf8(world.git(&["rev-list", "--reverse", "--first-parent", "HEAD"])).unwrap();
        let mut state: Option<State> = None;
        for tip in line.lines() {
            let state_before = state.take().map(|state| State::from_bytes(&state.to_bytes()).unwrap());
            let expected = if state_before.is_some() { How::Incremental } else { How::Full };
            let step = mined(&world, tip, state_before);
            assert_eq!((step.how, told(&step)), (expected, told(&mined(&world, tip, None))), "{name} at {tip}");
            state = Some(step.state);
        }
        let again = mined(&world, "HEAD", state);
        assert_eq!((again.how, again.read, told(&again)), (How::Incremental, 0, told(&full)), "{name}");
        assert_eq!(again.maturity, full.maturity);
    }
}

/// What is measured of every change of a branch is the same, wherever the state that it is read beside was made.
#[test]
fn a_branch_is_read_beside_what_it_left() {
    let settings = Settings::default();
    let (mut beside, mut fewer) = (0, 0);
    for seed in [3, 4, 5] {
        let world = random::make(seed);
        let all: Vec<String> = mined(&world, "HEAD", None).changes().iter().map(|change| change.id.to_string()).collect();
        let last = mined(&world, "HEAD", None);
        for (at, to) in (3..all.len()).step_by(8).flat_map(|a| (1 + a % 5..all.len()).step_by(11).map(move |b| (a, b))) {
            let (from, full) = (mined(&world, &all[at], None), mined(&world, &all[to], None));
            let read = mine_beside(&world.root(), &all[to], &settings, from.state, &mut |_| ()).unwrap();
            let known = |mined: &Mined, id| mined.number(id).map(|number| mined.changes()[number.0 as usize].clone());
            for change in full.changes() {
                let same = known(&read, &change.id).unwrap();
                let files = |mined: &Mined, change: &Change| -> Vec<Vec<u8>> {
                    change.files.iter().map(|file| mined.path(file.path).to_vec()).collect()
                };
                assert_eq!((same.features, files(&read, &same)), (change.features, files(&full, change)), "{} beside {}", all[to], all[at]);
            }
            assert!(!matches!(read.how, How::OtherHistory | How::OldBranch), "{:?}", read.how);
            beside += usize::from(read.how == How::Beside);
            fewer += usize::from(read.how == How::Beside && read.read < full.read);
            // And on from there.
            let on = mine_beside(&world.root(), "HEAD", &settings, read.state, &mut |_| ()).unwrap();
            assert!(last.changes().iter().all(|change| known(&on, &change.id).unwrap().features == change.features));
        }
    }
    assert!(beside > 20 && fewer > 15, "{beside} {fewer}");
}

#[test]
fn a_state_is_for_its_settings_and_its_history() {
    let mut world = worlds::linear();
    let state = mined(&world, "HEAD", None).state;
    let other = Settings { fix_files_max: 3, ..Settings::default() };
    let step = mine(&world.root(), "HEAD", &other, Some(state.clone()), &mut |_| ()).unwrap();
    assert_eq!((step.how, step.read), (How::OtherSettings, 8));
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.write("src/new.rs", text(1, 3));
    world.commit("instead", "ann", "instead");
    let step = mined(&world, "HEAD", Some(state));
    assert_eq!((step.how, told(&step)), (How::OtherHistory, told(&mined(&world, "HEAD", None))));
}

#[test]
fn a_branch_older_than_what_is_kept_is_read_with_everything() {
    let world = World::new();
    let mut input = String::new();
    for commit in 1..=500 {
        let content = text(1, commit);
        input.push_str(&format!(
            "commit refs/heads/main\nmark :{commit}\ncommitter a <a@example.com> {} +0000\ndata 1\nx\n{}M 644 inline a.rs\ndata {}\n{content}\n",
            1_600_000_000 + commit * 60,
            if commit == 1 { String::new() } else { format!("from :{}\n", commit - 1) },
            content.len(),
        ));
    }
    for (branch, at) in [("new", 450), ("old", 3)] {
        input.push_str(&format!(
            "commit refs/heads/{branch}\nmark :{}\ncommitter b <b@example.com> 1600040000 +0000\ndata 1\nb\nfrom :{at}\nM 644 inline {branch}.rs\ndata 2\nx\n\n\
             commit refs/heads/main\ncommitter b <b@example.com> 1600040060 +0000\ndata 1\nm\nmerge :{}\nM 644 inline {branch}.rs\ndata 2\nx\n\n",
            1_000 + at, 1_000 + at
        ));
    }
    world.import(&input);
    let first = mined(&world, "main~2", None);
    assert_eq!((first.how, first.read), (How::Full, 500));
    let second = mined(&world, "main~1", Some(first.state));
    assert_eq!((second.how, second.read, told(&second)), (How::Incremental, 2, told(&mined(&world, "main~1", None))));
    let third = mined(&world, "main", Some(second.state));
    assert_eq!((third.how, third.read, told(&third)), (How::OldBranch, 504, told(&mined(&world, "main", None))));
}

#[test]
fn what_was_cut_or_changed_is_no_state() {
    let world = worlds::linear();
    let bytes = mined(&world, "HEAD", None).state.to_bytes();
    assert!(State::from_bytes(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(State::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        assert!(State::from_bytes(&other).is_err(), "{at}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    assert!(State::load(&file).unwrap_err().to_string().contains("could not be read"));
    mined(&world, "HEAD", None).state.save(&file).unwrap();
    assert_eq!(State::load(&file).unwrap().to_bytes(), std::fs::read(&file).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_repository_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let refused = mine(folder.path(), "HEAD", &Settings::default(), None, &mut |_| ()).unwrap_err().to_string();
    assert!(refused.contains("check that this is a git repository"), "{refused}");
    let world = worlds::linear();
    for tip in ["nothing", "--output=/tmp/x", "-c", ""] {
        assert!(mine(&world.root(), tip, &Settings::default(), None, &mut |_| ()).is_err(), "{tip}");
    }
}

#[test]
fn nothing_of_the_repository_runs_or_changes_what_is_read() {
    let world = worlds::renames();
    let before = told(&mined(&world, "HEAD", None));
    let ran = world.root().join("ran");
    let program = format!("touch {}", ran.display());
    for (key, value) in [
        ("diff.external", program.as_str()),
        ("diff.x.command", &program),
        ("diff.x.textconv", &program),
        ("core.fsmonitor", &program),
        ("core.pager", &program),
        ("log.showSignature", "true"),
        ("gpg.program", &program),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.algorithm", "patience"),
        ("diff.renames", "false"),
        ("diff.context", "7"),
        ("diff.interHunkContext", "9"),
        ("color.ui", "always"),
        ("log.date", "relative"),
        ("log.diffMerges", "off"),
        ("log.follow", "true"),
        ("diff.submodule", "log"),
        ("diff.wordRegex", "."),
        ("diff.relative", "true"),
        ("core.abbrev", "5"),
        ("i18n.logOutputEncoding", "UTF-16"),
        ("diff.colorMoved", "zebra"),
        ("format.pretty", "oneline"),
        ("diff.renameLimit", "1"),
    ] {
        let set = ["config", key, value].map(OsStr::new);
        git_in(&world.root(), &set, 0, "ann");
    }
    world.write(".gitattributes", "* diff=x\n").write(".mailmap", "One <ann@example.com> <bob@example.com>\n");
    assert_eq!(told(&mined(&world, "HEAD", None)), before);
    assert!(!ran.exists(), "a program of the repository ran");
}

#[test]
fn a_state_tells_by_itself_what_mining_told() {
    for seed in [1, 2] {
        let (world, settings) = (random::make(seed), Settings::default());
        let mined = mined(&world, "HEAD", None);
        let state = State::from_bytes(&mined.state.to_bytes()).unwrap();
        let told = Mined::of_state(state.clone(), &settings).unwrap();
        assert_eq!((told.changes(), told.maturity, told.tip()), (mined.changes(), mined.maturity, mined.changes().last().unwrap().id));
        assert!(Mined::of_state(state, &Settings { trace_tests: true, ..settings.clone() }).is_err(), "its labels are others");
        for (at, change) in (0u32..).zip(told.changes()).step_by(7) {
            let said = git_in(&world.root(), &["rev-list", &change.id.to_string()].map(OsStr::new), 0, "ann");
            let below: Vec<String> = String::from_utf8(said).unwrap().lines().map(str::to_owned).collect();
            let ids = |most| -> Vec<String> {
                let found = told.newest(ChangeNumber(at), most, |change| !change.merge());
                found.iter().map(|number| told.changes()[number.0 as usize].id.to_string()).collect()
            };
            let all = ids(usize::MAX);
            let merges = told.changes().iter().filter(|one| one.merge() && below.contains(&one.id.to_string())).count();
            assert_eq!(all.len(), below.len() - merges);
            assert!(all.iter().all(|id| below.contains(id)));
            assert_eq!(ids(5), all.iter().take(5).cloned().collect::<Vec<_>>());
        }
    }
}
