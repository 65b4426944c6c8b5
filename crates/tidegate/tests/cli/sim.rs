//! `tidegate sim`: one seed is one story, the same each time.

use crate::world::{World, in_order};

#[test]
fn a_seed_is_told_as_a_story() {
    let world = World::new();
    let said = world.run(&["sim", "--seed", "3"]).well();
    in_order(&said.out, &["simulated time", "every rule held"]);
    assert!(said.out.lines().count() > 10, "{}", said.out);
    assert_eq!(world.run(&["sim", "--seed", "3"]).well().out, said.out);
    assert_ne!(world.run(&["sim", "--seed", "4"]).well().out, said.out);
    let json = world.run(&["sim", "--seed", "3", "--json"]).well().json();
    assert_eq!((&json["seed"], &json["sound"]), (&3.into(), &true.into()));
    assert!(!json["story"].as_array().unwrap().is_empty());
}
