//! `kill -9` of `tidegate run` at many moments, and runs at once: the end is that of one undisturbed run.

use crate::world::World;
use std::time::Duration;

/// A diamond whose stages take a while each, so that kills fall before, inside and between them.
const DIAMOND: &str = "stages:
  top: {cmd: cat in > top && sleep 0.02, deps: [in], outs: [top]}
  left: {cmd: mkdir left && sleep 0.02 && cat top top > left/file, deps: [top], outs: [left]}
  right: {cmd: cat top > right && sleep 0.02, deps: [top], outs: [right]}
  end: {cmd: cat left/file right > end && sleep 0.02, deps: [left, right], outs: [end]}
";
const OUTPUTS: [&str; 5] = ["dvc.lock", "top", "left/file", "right", "end"];

fn diamond() -> World {
    World::with(&[("dvc.yaml", DIAMOND), ("in", "x\n")])
}

fn outputs(world: &World) -> Vec<String> {
    OUTPUTS.iter().map(|path| world.read(path)).collect()
}

/// Kills; more by `TIDEGATE_TEST_KILLS`.
fn kills() -> u64 {
    std::env::var_os("TIDEGATE_TEST_KILLS").and_then(|n| n.into_string().ok()?.parse().ok()).unwrap_or(20)
}

#[test]
fn a_run_that_was_killed_is_brought_to_the_same_end() {
    let undisturbed = diamond();
    undisturbed.run(&["run"]).well();
    let wanted = outputs(&undisturbed);
    for kill in 0..kills() {
        let world = diamond();
        let mut run = world.start(&["run"]);
        // Spread over what a run takes, and a little beyond.
        std::thread::sleep(Duration::from_millis(kill * 37 % 240));
        run.kill();
        world.run(&["run"]).well();
        assert_eq!(outputs(&world), wanted, "kill {kill}");
        assert!(world.run(&["run"]).well().out.contains("everything is up to date"), "kill {kill}");
        world.run(&["audit", "verify"]).well();
    }
}

#[test]
fn runs_at_once_end_as_one_after_the_other() {
    let undisturbed = diamond();
    undisturbed.run(&["run"]).well();
    let world = diamond();
    let together: Vec<_> =
        [&["run", "left"][..], &["run", "right"], &["run"], &["run", "end"]].into_iter().map(|args| world.start(args)).collect();
    for run in together {
        run.ended().well();
    }
    // The lock file lists stages in the order in which they first ran, which is another one here.
    assert_eq!(outputs(&world)[1..], outputs(&undisturbed)[1..]);
    assert!(world.run(&["run"]).well().out.contains("everything is up to date (4 stages)"));
    let finished = |event: &String| event.ends_with(" stage_finished");
    assert_eq!(world.events().iter().filter(|e| finished(e)).count(), 4, "each stage ran once");
    world.run(&["audit", "verify"]).well();
}
