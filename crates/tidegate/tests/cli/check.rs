//! `tidegate check`: what passes, what does not, and what cannot be read at all.

use crate::world::{Said, World, in_order};
use tidegate_data::{Column, Table, write_parquet};

const CONFIG: &str =
    "version: 1\nworkspace: checked\ndata:\n  flights: { path: flights.csv, contract: contract.yaml }\n  loose: { path: flights.csv }\n";
const CONTRACT: &str = "dataset: flights\ncolumns:\n  id: { not_null: true, unique: true }\n  delay: { between: [-60, 100] }\n";
const GOOD: &str = "id,delay\na,1\nb,2\n";

fn world(data: &str) -> World {
    World::with(&[("tidegate.yaml", CONFIG), ("contract.yaml", CONTRACT), ("flights.csv", data)])
}

/// A check reads: whatever it finds, it leaves nothing behind.
#[track_caller]
fn check(data: &str) -> Said {
    let world = world(data);
    let said = world.run(&["check"]);
    assert!(!world.exists(".tidegate"), "a check of the work tree records nothing");
    world.is_clean();
    said
}

#[test]
fn a_dataset_that_keeps_its_contract_passes() {
    let said = check(GOOD).well();
    in_order(&said.out, &["flights passed", "3 of 3 expectations hold on 2 rows"]);
    assert_eq!(said.out.matches("flights passed").count(), 1, "said twice: {}", said.out);
    let json = world(GOOD).run(&["check", "flights", "--json"]).well().json();
    assert_eq!((&json["flights"]["success"], json["flights"]["results"].as_array().map(Vec::len)), (&true.into(), Some(3)));
}

#[test]
fn a_value_out_of_bounds_fails_and_is_shown() {
    let said = check("id,delay\na,1\nb,200\n");
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["flights failed", "2 of 3", "(delay)", "1 of 2 values", "200"]);
    let said = world("id,delay\na,1\na,2\n").run(&["check", "--json"]);
    assert_eq!((said.code, &said.json()["flights"]["success"]), (1, &false.into()), "{said:?}");
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    let said = check("id,other\na,1\n");
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["flights failed", "column `delay` is not in the table, which has id, other", "correct the name"]);
}

#[test]
fn no_rows_are_not_a_pass() {
    let said = check("id,delay\n");
    assert_eq!(said.code, 1, "{said:?}");
    in_order(
        &said.out,
        &["flights failed", "0 of 3 expectations hold on 0 rows", "the table has no rows: mend the data", "nothing checked"],
    );
}

#[test]
fn a_file_without_a_header_is_no_table() {
    check("").fails(3, &["check dataset", "flights.csv", "empty", "write it again"]);
}

#[test]
fn a_ragged_line_is_named_by_its_number() {
    check("id,delay\na,1\nb,2,3\n")
        .fails(3, &["check dataset", "flights.csv", "line 3 has 3 fields, the first line has 2", "mend that line"]);
}

#[test]
fn a_missing_file_is_not_there() {
    let world = world(GOOD);
    std::fs::remove_file(world.path("flights.csv")).unwrap();
    world.run(&["check"]).fails(4, &["check dataset", "flights.csv", "no such file", "make the file first"]);
}

fn parquet_world() -> World {
    let world = world(GOOD);
    world.write("tidegate.yaml", &CONFIG.replace(".csv", ".parquet"));
    world
}

#[test]
fn a_parquet_file_cut_short_says_so() {
    let world = parquet_world();
    let path = world.path("flights.parquet");
    let columns = [
        ("id".to_owned(), Column::Text(vec![Some("a".into()), Some("b".into())])),
        ("delay".to_owned(), Column::Int(vec![Some(1), Some(2)])),
    ];
    write_parquet(&path, &Table { columns: columns.into_iter().collect(), rows: 2 }).unwrap();
    in_order(&world.run(&["check"]).well().out, &["3 of 3 expectations hold on 2 rows"]);
    let whole = std::fs::read(&path).unwrap();
    // Without its last byte, without its footer, and without all but its first bytes.
    for length in [whole.len() - 1, whole.len() / 2, 6] {
        std::fs::write(&path, &whole[..length]).unwrap();
        world.run(&["check"]).fails(3, &["check dataset", "flights.parquet", "cut short", "copy or write it again"]);
    }
    std::fs::write(&path, "not a table, whatever its name says").unwrap();
    world.run(&["check"]).fails(3, &["check dataset", "flights.parquet", "write it again"]);
    world.is_clean();
}

#[test]
fn what_has_no_contract_is_not_called_checked() {
    let world = world(GOOD);
    world.run(&["check", "loose"]).fails(2, &["check dataset `loose`", "no contract", "data.loose.contract"]);
    world.run(&["check", "nope"]).fails(4, &["check dataset `nope`", "known are flights, loose"]);
    world.write("tidegate.yaml", "version: 1\nworkspace: bare\ndata:\n  loose: { path: flights.csv }\n");
    world.run(&["check"]).fails(2, &["no dataset has a contract", "nothing was checked", "data.NAME.contract"]);
}

#[test]
fn a_misspelt_contract_is_refused_with_its_place() {
    let world = world(GOOD);
    world.write("contract.yaml", &CONTRACT.replace("columns:", "colums:"));
    world.run(&["check"]).fails(2, &["contract.yaml:2:1", "unknown key `colums`", "did you mean `columns`?"]);
}

#[test]
fn some_of_the_rows_and_queries_over_other_datasets() {
    let world = World::with(&[
        ("tidegate.yaml", "version: 1\nworkspace: w\ndata:\n  trips: { path: trips, contract: c.yaml }\n  zones: { path: zones.csv }\n"),
        ("c.yaml", "dataset: trips\nsql:\n  - SELECT t.* FROM {batch} t LEFT JOIN {zones} z ON t.zone = z.id WHERE z.id IS NULL\n"),
        ("zones.csv", "id\nA\nB\n"),
    ]);
    for (day, zone) in [(1, "A"), (2, "C")] {
        std::fs::create_dir_all(world.path(&format!("trips/day={day}"))).unwrap();
        world.write(&format!("trips/day={day}/a.csv"), &format!("zone,price\n{zone},1\n"));
    }
    let all = world.run(&["check"]);
    assert_eq!(all.code, 1, "{all:?}");
    in_order(&all.out, &["trips failed", "on 2 rows", "the query finds 1 rows; among them (\"C\", 1, 2)"]);
    let first = world.run(&["check", "--where", "day = 1"]).well();
    in_order(&first.out, &["trips passed", "on 1 rows where day = 1"]);
    let none = world.run(&["check", "--where", "day = 9"]);
    assert_eq!(none.code, 1, "no rows are no pass: {none:?}");
    world.run(&["check", "--where", "day ="]).fails(2, &["--where", "a value is expected"]);
    world.run(&["check", "--where", "night = 1"]).fails(3, &["there is no column `night`", "zone, price, day"]);
    world.run(&["check", "--where", "day = 1", "--record"]).fails(2, &["--where", "--record"]);
}
