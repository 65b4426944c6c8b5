//! Graph, plan and change test, as data.

use super::{
    Change, Graph, Identity, Observed, OutKind, OutSpec, Progress, Reason, Recorded, Scope, StageSpec, Waiting, join_path, plan, reasons,
};
use expect_test::{Expect, expect};
use indexmap::IndexMap;
use serde_json::json;
use std::collections::BTreeSet;

/// `name: deps -> outs`, a line a stage; `name!` is frozen.
fn stages(text: &str) -> Vec<StageSpec> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    text.lines()
        .filter(|l| !l.trim().is_empty())
        .map(|line| {
            let (name, rest) = line.trim().split_once(':').unwrap();
            let (deps, outs) = rest.split_once("->").unwrap();
            StageSpec {
                name: name.trim_end_matches('!').to_owned(),
                own_name: name.trim_end_matches('!').to_owned(),
                file: "dvc.yaml".to_owned(),
                cmd: Some(super::Command::One("true".to_owned())),
                wdir: String::new(),
                deps: words(deps),
                params: IndexMap::new(),
                outs: words(outs).into_iter().map(|path| OutSpec::new(path, OutKind::Out)).collect(),
                frozen: name.ends_with('!'),
                always_changed: false,
                desc: None,
            }
        })
        .collect()
}

fn check(text: &str, expected: Expect) {
    let shown = match Graph::new(stages(text)) {
        Ok(graph) => graph.order().iter().map(|&i| graph.stages()[i].name.clone()).collect::<Vec<_>>().join(" "),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn the_order_follows_the_file_where_there_is_a_choice() {
    check("c: b -> c\nb: a -> b\na: -> a\nx: -> x", expect!["a b c x"]);
    check("e: d f -> e\nd: b c -> d\nf: g -> f\nb: a -> b\nc: a -> c\na: -> a\ng: -> g", expect!["a b c d g f e"]);
}

#[test]
fn a_path_inside_an_output_or_around_one_is_a_need() {
    check("read: data/x/one.csv -> r\nall: data -> s\nmake: -> data/x", expect!["make read all"]);
}

#[test]
fn frozen_stages_wait_for_nobody() {
    check("b!: a -> b\na: -> a", expect!["b a"]);
}

#[test]
fn what_is_no_pipeline_is_named_in_full() {
    check(
        "a: c -> a\nb: a -> b\nc: b -> c",
        expect![
            "the pipeline has a cycle: `a` needs `c` of `c`, which needs `b` of `b`, which needs `a` of `a`; break it by removing one of these dependencies"
        ],
    );
    check("x: -> x\na: a -> a", expect!["the pipeline has a cycle: `a` needs `a` of `a`; break it by removing one of these dependencies"]);
    check(
        "a: -> out m\nb: -> m\nc: -> out/sub/f ../x\na: -> z",
        expect![[r#"
            stage `a` is declared twice: give one of them another name
            `m` is an output of both `a` and `b`: only one stage may write a path
            output `../x` of `c` is not inside the workspace: outputs must be
            output `out/sub/f` of `c` lies inside output `out` of `a`: declare one of the two"#]],
    );
}

#[test]
fn a_long_chain_needs_no_stack() {
    let text: String = (0..20_000).map(|i| format!("s{i}: f{} -> f{i}\n", i + 1)).collect();
    let graph = Graph::new(stages(&text)).unwrap();
    assert_eq!(graph.order().first(), Some(&19_999));
}

#[test]
fn targets_take_what_they_need_with_them() {
    let graph = Graph::new(stages("a: -> a\nb@1: a -> b1\nb@2: -> b2\nc: b1 -> c")).unwrap();
    let select = |scope: Scope, targets: &[&str]| {
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        match graph.select(&targets, scope) {
            Ok(selected) => {
                graph.stages().iter().zip(selected).filter(|(_, s)| *s).map(|(s, _)| s.name.clone()).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    };
    let names = |targets: &[&str]| select(Scope::Needed, targets);
    assert_eq!(names(&["b"]), "a b@1 b@2");
    assert_eq!(names(&["dvc.yaml:b@1"]), "a b@1");
    assert_eq!(names(&["dvc.yaml"]), "a b@1 b@2 c");
    assert_eq!(select(Scope::Only, &["b"]), "b@1 b@2");
    assert_eq!(select(Scope::Downstream, &["a"]), "a b@1 c");
    assert_eq!(select(Scope::Connected, &["b@1"]), "a b@1 c");
    assert_eq!(select(Scope::Connected, &["b@2"]), "b@2");
    assert_eq!(names(&["c"]), "a b@1 c");
    assert_eq!(names(&["./b2"]), "b@2");
    assert_eq!(names(&["zz"]), "target `zz` is no stage, no group of stages and no output; there are: a, b@1, b@2, c");
}

#[test]
fn the_plan_starts_what_is_ready_and_says_why_the_rest_waits() {
    let graph = Graph::new(stages("a: -> a\nb: -> b\nc: a b -> c\nd: -> d")).unwrap();
    let show = |progress: &[Progress], jobs| {
        let plan = plan(&graph, progress, jobs, false);
        format!("start {:?} wait {:?} finished {}", plan.start, plan.waiting, plan.finished)
    };
    use Progress::{Done, Failed, Pending, Running, Unwanted};
    expect![[r#"start [0, 1] wait [(2, Needs { stages: ["a", "b"] }), (3, Slot)] finished false"#]].assert_eq(&show(&[Pending; 4], 2));
    expect![[r#"start [3] wait [(2, Needs { stages: ["b"] })] finished false"#]].assert_eq(&show(&[Done, Running, Pending, Pending], 2));
    expect![[r#"start [2] wait [] finished false"#]].assert_eq(&show(&[Done, Done, Pending, Unwanted], 9));
    expect![[r#"start [] wait [(2, Failure { stage: "a" }), (3, Failure { stage: "a" })] finished false"#]]
        .assert_eq(&show(&[Failed, Running, Pending, Pending], 9));
    expect![[r#"start [] wait [(2, Failure { stage: "a" }), (3, Failure { stage: "a" })] finished true"#]]
        .assert_eq(&show(&[Failed, Done, Pending, Pending], 9));
}

#[test]
fn what_needs_nothing_that_failed_goes_on_where_that_is_wanted() {
    let graph = Graph::new(stages("a: -> a\nb: -> b\nc: a -> c\nd: -> d")).unwrap();
    use Progress::{Done, Failed, Pending};
    let plan = plan(&graph, &[Failed, Done, Pending, Pending], 9, true);
    assert_eq!((plan.start, plan.finished), (vec![3], false));
    assert_eq!(plan.waiting, vec![(2, Waiting::Needs { stages: vec!["a".to_owned()] })]);
}

#[test]
fn of_a_frozen_stage_only_command_and_outputs_count() {
    let mut spec = stages("s!: in -> out").remove(0);
    let recorded = Recorded { cmd: spec.cmd.clone(), outs: IndexMap::from([("out".to_owned(), file("2"))]), ..Recorded::default() };
    let observed = |out: &str| Observed { outs: IndexMap::from([("out".to_owned(), Some(file(out)))]), ..Observed::default() };
    assert_eq!(reasons(&spec, Some(&recorded), &observed("2"), false), vec![]);
    assert_eq!(reasons(&spec, Some(&recorded), &observed("3"), false).len(), 1);
    spec.cmd = None;
    spec.frozen = false;
    let recorded = Recorded { cmd: None, legacy: BTreeSet::from(["out".to_owned()]), ..recorded };
    assert_eq!(reasons(&spec, Some(&recorded), &observed("2"), true).len(), 1, "digests of two kinds are never equal");
}

#[test]
fn paths_are_seen_from_the_workspace() {
    assert_eq!(join_path("a/b", "../c//./d"), "a/c/d");
    assert_eq!(join_path("", "../c"), "../c");
    assert_eq!(join_path("a", "../../c"), "../c");
    assert_eq!(join_path("a", "/x/../y"), "/y");
    assert_eq!(join_path("", "."), "");
}

fn file(md5: &str) -> Identity {
    Identity { md5: md5.to_owned(), size_bytes: 1, files: None, executable: false }
}

#[test]
fn a_stage_says_why_it_runs() {
    let mut spec = stages("s: in -> out").remove(0);
    spec.params.insert("params.yaml".to_owned(), vec!["lr".to_owned()]);
    let recorded = Recorded {
        cmd: spec.cmd.clone(),
        deps: IndexMap::from([("in".to_owned(), file("1"))]),
        params: IndexMap::from([("params.yaml".to_owned(), IndexMap::from([("lr".to_owned(), json!(1))]))]),
        outs: IndexMap::from([("out".to_owned(), file("2"))]),
        legacy: BTreeSet::new(),
    };
    let observed = |dep: Option<&str>, lr: Option<serde_json::Value>, out: Option<&str>| Observed {
        deps: IndexMap::from([("in".to_owned(), dep.map(file))]),
        params: IndexMap::from([("params.yaml".to_owned(), IndexMap::from([("lr".to_owned(), lr)]))]),
        outs: IndexMap::from([("out".to_owned(), out.map(file))]),
        legacy: BTreeSet::new(),
    };
    let same = observed(Some("1"), Some(json!(1.0)), Some("2"));
    let say = |found: Vec<Reason>| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    assert_eq!(say(reasons(&spec, Some(&recorded), &same, false)), "");
    assert_eq!(say(reasons(&spec, Some(&recorded), &same, true)), "asked to run again");
    assert_eq!(say(reasons(&spec, None, &same, false)), "no run of it is recorded");
    assert_eq!(
        say(reasons(&spec, Some(&recorded), &observed(Some("9"), Some(json!(2)), None), false)),
        "dependency in changed; parameter lr of params.yaml changed; output out is missing"
    );
    spec.deps.push("new".to_owned());
    let mut now = same.clone();
    now.deps.insert("new".to_owned(), Some(file("3")));
    assert_eq!(reasons(&spec, Some(&recorded), &now, false), vec![Reason::Dependency { path: "new".to_owned(), change: Change::Added }]);
}
