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

#[test]
fn many_seeds_are_counted_by_their_ends() {
    let world = World::new();
    let found = world.run(&["sim", "seeds", "--count", "40", "--json"]).well().json();
    let ends: u64 = found["ends"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!((ends, &found["broken"]), (40, &serde_json::json!([])));
    in_order(&world.run(&["sim", "seeds", "--count", "3"]).well().out, &["3 seeds", "0 broke a rule"]);
    assert_eq!(world.run(&["sim", "seeds", "--count", "0"]).code, 1, "nothing was shown");
}

#[test]
fn a_corpus_and_an_exploration_say_what_they_found() {
    let world = World::new();
    let corpus = world.run(&["sim", "corpus", "--each", "4", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&corpus.out).unwrap();
    assert_eq!(found["outcomes"].as_array().unwrap().len(), 8);
    let explored = world.run(&["sim", "explore", "--depth", "4"]).well();
    in_order(&explored.out, &["up to 4 commands in a row", "0 rules broken"]);
}
