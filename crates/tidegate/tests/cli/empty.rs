//! Commands where there is nothing: each says what is missing and what begins it, and begins nothing itself.

use crate::world::World;

#[test]
fn without_a_journal_there_is_nothing_to_read() {
    let world = World::new();
    for command in [&["journal"][..], &["model", "list"], &["audit", "verify"], &["audit", "prove", "0"], &["audit", "show", "0"]] {
        world.run(command).fails(4, &["journal", " yet: ", "`tidegate up`"]);
    }
    assert!(!world.exists(".tidegate"), "reading makes nothing");
}

#[test]
fn a_version_that_is_not_there_is_named() {
    let world = World::with(&[("dvc.yaml", crate::world::COPY), ("in", "x")]);
    world.run(&["run"]).well();
    world.run(&["model", "show", "m", "1"]).fails(4, &["show m version 1", "there is none", "`tidegate model list`"]);
    world.run(&["audit", "recompute", "s/1"]).fails(4, &["recompute release `s/1`", "there is none"]);
}

#[test]
fn without_a_workspace_there_is_nothing_to_do() {
    let world = World::new();
    for command in [&["run"][..], &["check"], &["gate"], &["up", "--any-port"], &["config", "check"]] {
        world.run(command).fails(4, &["open the workspace", "neither tidegate.yaml nor dvc.yaml", "`tidegate init`"]);
    }
    world.run(&["-C", "nowhere", "run"]).fails(4, &["open the workspace nowhere", "name a directory that exists"]);
    assert!(!world.exists(".tidegate"));
}

#[test]
fn clients_say_that_nobody_is_up() {
    let world = World::new();
    world.run(&["status"]).fails(3, &["show the status", "no `tidegate up` runs in", "start it with `tidegate up`"]);
    world.run(&["release", "list"]).fails(3, &["list releases", "no `tidegate up` runs in"]);
    assert!(!world.exists(".tidegate"), "asking makes nothing");
}

/// Every command and subcommand that the help names can at least be explained: its definition holds together.
#[test]
fn every_command_has_help() {
    let world = World::new();
    let mut left: Vec<Vec<String>> = vec![vec![]];
    let mut seen = 0;
    while let Some(command) = left.pop() {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let said = world.run(&args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        seen += 1;
        let listed = said.out.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // Names stand after two spaces; further lines of an explanation stand deeper.
        let names = listed
            .filter_map(|line| line.strip_prefix("  "))
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(' ').next());
        left.extend(names.filter(|name| *name != "help").map(|name| [&command[..], &[name.to_owned()]].concat()));
    }
    assert!(seen > 30, "only {seen} commands were found in the help");
}
