//! Data commands from outside: words, exit codes, JSON; and what `status` means where.

use crate::world::World;
use serde_json::json;

fn repository() -> World {
    let world = World::new();
    for folder in [".dvc", "data"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    world.write(".dvc/config", "[core]\n    no_scm = True\n");
    world.write("data/a", "1");
    world
}

#[test]
fn data_is_added_changed_and_brought_back() {
    let world = repository();
    let said = world.run(&["add", "data"]).well();
    assert!(said.out.contains("git add data.dvc"), "{said:?}");
    assert!(world.run(&["status"]).well().out.contains("up to date"));
    assert_eq!(world.run(&["status", "--json"]).well().json(), json!({}));
    world.write("data/a", "2");
    assert_eq!(world.run(&["--json", "status"]).well().json(), json!({ "data.dvc": [{ "changed outs": { "data": "modified" } }] }));
    world.run(&["status", "-q"]).fails(1, &[]);
    world.run(&["checkout"]).fails(1, &["not saved", "--force", "data/a"]);
    assert!(world.run(&["checkout", "-f"]).well().out.contains("data/"));
    world.run(&["push"]).fails(2, &["no remote", "tidegate remote add"]);
    world.run(&["remote", "add", "-d", "store", "store"]).well();
    assert_eq!(world.run(&["push", "--json"]).well().json(), json!({ "stats": { "pushed": 2 } }));
    assert!(world.run(&["push"]).well().out.contains("Everything is up to date"));
    world.run(&["push", "nothing"]).fails(4, &["'nothing'"]);
    world.run(&["gc", "-w"]).fails(5, &["--force"]);
    world.run(&["gc", "-f"]).fails(2, &["say what to keep"]);
}

#[test]
fn status_is_the_loops_where_there_is_one() {
    let world = repository();
    world.write("tidegate.yaml", "version: 1\nworkspace: w\n");
    world.run(&["status"]).fails(3, &["tidegate up"]);
    assert!(world.run(&["status", "--data"]).well().out.contains("no data or pipelines tracked"));
}
