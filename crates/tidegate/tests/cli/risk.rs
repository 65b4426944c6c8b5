//! The risk of changes from nothing but a git repository: learnt, told with its figures, asked for a commit and for a range.

use crate::world::{World, in_order};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const COMMITS: u64 = 1_600;
const HALF_DAY_S: u64 = 43_200;
/// 2024-01-01.
const START_S: u64 = 1_704_067_200;
/// A day after the last of the commits of the history: what commits come later does not depend on the day of the test.
const LATER: &str = "1773313200 +0000";

/// Numbers that look drawn, always the same ones.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A history in which changes that add many lines are fixed some days later, four times in five, and others one time in twelve.
pub fn history(seed: u64, commits: u64) -> String {
    let (mut draw, mut text) = (Draw(seed), String::new());
    let mut files: Vec<Vec<String>> = vec![vec![]; 25];
    let mut wrong: Vec<(u64, usize, String)> = vec![];
    for n in 0..commits {
        let due = wrong.iter().position(|(at, ..)| *at <= n);
        let (file, message) = match due {
            Some(at) => {
                let (_, file, line) = wrong.remove(at);
                for text in files[file].iter_mut().filter(|text| **text == line) {
                    *text = format!("mended {n}");
                }
                (file, format!("fix crash in module {file}"))
            }
            None => {
                let (file, large) = (usize::try_from(draw.below(25)).unwrap(), draw.below(3) == 0);
                let added = if large { 60 + draw.below(60) } else { 1 + draw.below(12) };
                let lines: Vec<String> = (0..added).map(|line| format!("work {n} {line} {}", draw.below(1_000))).collect();
                if draw.below(60) < if large { 48 } else { 5 } {
                    wrong.push((n + 4 + draw.below(16), file, lines[0].clone()));
                }
                files[file].extend(lines);
                (file, format!("work on module {file}"))
            }
        };
        let (at, author) = (START_S + n * HALF_DAY_S, draw.below(7));
        let body = files[file].join("\n") + "\n";
        let who = format!("Author {author} <author{author}@example.org> {at} +0000");
        text += &format!("commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {}\n{message}\n", message.len());
        text += &format!("M 100644 inline src/module{file}.rs\ndata {}\n{body}\n", body.len());
    }
    text
}

pub fn git(root: &Path, args: &[&str], input: &str) {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(["-c", "user.name=Author 1", "-c", "user.email=author1@example.org"]).args(args);
    command.env("GIT_AUTHOR_DATE", LATER).env("GIT_COMMITTER_DATE", LATER);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "git {args:?}");
}

/// A repository with such a history.
pub fn repository(root: &Path) {
    git(root, &["init", "-q", "-b", "main"], "");
    git(root, &["fast-import", "--quiet"], &history(0x9e37_79b9_7f4a_7c15, COMMITS));
    git(root, &["reset", "--hard", "-q"], "");
}

/// A commit on top of what is checked out, which adds so many lines to a file.
pub fn commit(world: &World, file: &str, lines: usize, message: &str) {
    let text: String = (0..lines).map(|line| format!("{message} {line}\n")).collect();
    world.write(file, &format!("{}{text}", if world.exists(file) { world.read(file) } else { String::new() }));
    git(&world.root(), &["add", file], "");
    git(&world.root(), &["commit", "-m", message], "");
}

#[test]
fn a_repository_teaches_which_changes_hurt() {
    let world = World::with(&[]);
    let root = world.root();
    world.run(&["risk", "train"]).fails(2, &["read the history of"]);
    repository(&root);
    world.run(&["risk", "score"]).fails(4, &["score a change", "model.json", "tidegate risk train"]);

    let trained = world.run(&["risk", "train", "--json"]).well().json();
    let auc = |who: &str| trained[who]["auc"]["estimate"].as_f64().unwrap();
    assert_eq!(trained["changes"], COMMITS);
    assert!(trained["fixed"].as_u64().unwrap() > 300 && trained["unlabelled"].as_u64().unwrap() > 0, "{trained}");
    assert!(auc("model") > 0.8 && auc("lines_added") > 0.8, "{trained}");
    // Of 317 changes in ten bins: half of it is chance.
    assert!(trained["model"]["calibration_error"].as_f64().unwrap() < 0.15, "{trained}");
    let again = world.run(&["risk", "train"]).well().out;
    in_order(&again, &["1600 commits (0 read now)", "fixed later", "called clean after", "AUC", "model", "lines added"]);

    commit(&world, "src/module3.rs", 1, "a word");
    let small = world.run(&["risk", "score", "--json"]).well().json();
    git(&root, &["checkout", "-q", "-b", "topic"], "");
    commit(&world, "src/module4.rs", 110, "a rewrite");
    let range = world.run(&["risk", "score", "main..topic", "--json"]).well().json();
    let probability = |of: &Value| of["changes"][0]["probability"].as_f64().unwrap();
    assert!(probability(&small) < 0.3 && probability(&range) > 0.5, "{small} {range}");
    let interval = &range["changes"][0]["interval"];
    assert!(interval[0].as_f64() <= Some(probability(&range)) && interval[1].as_f64() >= Some(probability(&range)), "{range}");
    assert_eq!(range["changes"][0]["lower"]["answer"], "change", "fewer lines would do: {range}");

    // Two commits are one change when they are merged, and it is larger than each.
    commit(&world, "src/module5.rs", 90, "and more");
    let whole = world.run(&["risk", "score", "main..topic", "--json"]).well().json()["whole"].clone();
    let la = whole["contributions"].as_array().unwrap().iter().find(|c| c["feature"] == "la").unwrap();
    assert_eq!((&whole["commits"], &la["value"]), (&serde_json::json!(2), &serde_json::json!(200.0)), "{whole}");

    // What is not merged is scored and not kept; the answer is the same again, and read for people.
    let said = world.run(&["risk", "score", "main..topic", "--fail-at", "0.5"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    in_order(
        &said.out,
        &[
            "2 commits as one change: risk 0.",
            "higher than",
            "raises the odds",
            "lines added",
            "what would lower it: with la",
            "does not pass",
        ],
    );
    world.run(&["risk", "score", "main~1..main", "--fail-at", "0.5"]).well();
    for (what, code, words) in
        [("main..main", 4, "the range is empty"), ("nowhere", 4, "no such revision"), ("--all", 4, "no such revision")]
    {
        world.run(&["risk", "score", what]).fails(code, &[words]);
    }
    world.run(&["risk", "score", "--fail-at", "2"]).fails(2, &["a number from 0 to 1"]);

    // Owners of the paths are told; a state that is damaged is read anew; a model that is damaged is refused by name.
    world.write("CODEOWNERS", "*  @acme/everybody\n/src/module5.rs @acme/payments @ada\n");
    let said = world.run(&["risk", "score", "topic"]).well().out;
    in_order(&said, &["touches: ", "acme/payments"]);
    std::fs::write(world.path(".tidegate/risk/history.state"), "no state").unwrap();
    let said = world.run(&["risk", "score", "topic"]).well();
    assert!(said.err.contains("the history is read anew"), "{}", said.err);
    // In time it is the same; what comes later is waited for by nobody, and decides nothing.
    let in_time = world.run(&["risk", "score", "HEAD", "--within", "10m", "--json"]).well().json();
    assert_eq!(in_time, world.run(&["risk", "score", "HEAD", "--json"]).well().json());
    assert_eq!(in_time["late"], false);
    let late = world.run(&["risk", "score", "HEAD", "--within", "1ms", "--json"]).well().json();
    assert_eq!((&late["late"], &late["highest"], &late["changes"]), (&true.into(), &Value::Null, &serde_json::json!([])), "{late}");
    in_order(
        &world.run(&["risk", "score", "HEAD", "--within", "1ms"]).well().out,
        &["is not scored", "longer than it may", "standard way"],
    );
    let held = world.run(&["risk", "score", "HEAD", "--within", "1ms", "--fail-at", "0.9"]);
    assert_eq!(held.code, 1, "{}{}", held.out, held.err);
    in_order(&held.out, &["not decided", "is not scored"]);
    world.run(&["risk", "score", "nothing-of-the-kind", "--within", "1ms"]).fails(4, &["nothing-of-the-kind"]);
    world.run(&["risk", "score", "--within", "soon"]).fails(2, &["--within"]);
    world.write(".tidegate/risk/model.json", "{}");
    world.run(&["risk", "score"]).fails(2, &["model.json"]);
}

#[test]
fn too_little_is_no_model() {
    let world = World::with(&[]);
    git(&world.root(), &["init", "-q", "-b", "main"], "");
    commit(&world, "a.rs", 3, "first");
    world.run(&["risk", "train"]).fails(1, &["not enough evidence", "0 changes have an end that is known"]);
    assert!(!world.exists(".tidegate/risk/model.json"));
}
