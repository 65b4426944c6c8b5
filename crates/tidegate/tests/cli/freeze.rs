//! Freezes: one that begins while a release is on its way, its end, and calendars that cannot be read.

use crate::retrain::{looked, stands, trained};
use crate::up::up;
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::json;

/// A calendar with one event for each day since the begin of 2026.
fn calendar(summary: Option<&str>) -> String {
    let event = |name| format!("BEGIN:VEVENT\nSUMMARY:{name}\nDTSTART:20260101T000000Z\nDURATION:P1D\nRRULE:FREQ=DAILY\nEND:VEVENT\n");
    format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", summary.map(event).unwrap_or_default())
}

/// A workspace with an empty calendar, whose second version is being released.
#[track_caller]
fn releasing() -> (World, Started) {
    let freezes = "freezes:\n  company: { calendar: freezes.ics, reason: the year ends }\n";
    let world = trained("on: data, cool_down: 0ms, approve: auto", freezes);
    world.write("freezes.ics", &calendar(None));
    let up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "promoted");
    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "releasing");
    // A freeze before this would keep the release from being started at all.
    wait_for("the release", || (world.run(&["release", "status", "s/2"]).code == 0).then_some(()));
    (world, up)
}

#[test]
fn a_freeze_in_mid_rollout_holds_it_until_it_is_over() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = releasing();
    wait_for("the canary", || world.run(&["release", "status", "s/2"]).out.contains("canary").then_some(()));
    world.run(&["freeze", "--check"]).well();

    world.write("freezes.ics", &calendar(Some("Year end")));
    let frozen = || world.run(&["release", "status", "s/2"]).out.contains("frozen by company: Year end until").then_some(());
    wait_for("the freeze", frozen);
    world.run(&["release", "promote", "s/2", "--reason", "now"]).fails(5, &["promote", "frozen by `company: Year end`", "abort and undo"]);
    world.run(&["release", "start", "s", "1"]).fails(5, &["start a release of version 1", "s is frozen by `company: Year end`"]);
    let said = world.run(&["freeze", "--check"]);
    assert_eq!(said.code, 1);
    in_order(&said.out, &["s:", "frozen by company: Year end", "all services", "the year ends", "more: --json"]);
    assert_eq!(world.run(&["freeze", "--at", "2025-01-01T00:00:00Z", "--json"]).well().json()["frozen"], json!({ "s": null }));

    // A calendar that cannot be read ends no freeze and lets nothing start.
    world.write("freezes.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n");
    let cut = "freezes.ics: the file ends within VEVENT: it was cut short";
    world.run(&["freeze"]).fails(2, &["freeze company", cut]);
    world.run(&["release", "start", "s", "1"]).fails(2, &["tell whether s is frozen", cut]);
    frozen().expect("it is still frozen");

    world.write("freezes.ics", &calendar(None));
    wait_for("the end of the freeze", || frozen().is_none().then_some(()));
    world.run(&["release", "promote", "s/2", "--reason", "the freeze is over"]).well();
    stands(&world, 2, "promoted");
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["freeze_began", "freeze_ended", "promotion_began"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_retry_waits_for_the_end_of_a_freeze_and_an_abort_does_not() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = releasing();
    world.write("freezes.ics", &calendar(Some("Year end")));
    wait_for("the freeze", || world.run(&["release", "status", "s/2"]).out.contains("frozen by").then_some(()));
    world.run(&["release", "abort", "s/2", "--reason", "it can go back"]).well();
    stands(&world, 2, "rolled_back");
    world.run(&["release", "retry", "s/2", "--reason", "again"]).fails(5, &["retry release s/2", "frozen by", "wait for its end"]);
}

#[test]
fn spans_that_repeat_are_shown_and_mistakes_have_their_place() {
    let world = World::with(&[(
        "tidegate.yaml",
        "version: 1\nworkspace: w\nmodels:\n  m: { artifact: model.onnx }\nservices:\n  s: { model: m }\nfreezes:\n  \
         weekends: { from: 2026-01-02 16:00, until: 2026-01-05 08:00, zone: Europe/Berlin, repeats: FREQ=WEEKLY, services: [s] }\n",
    )]);
    let shown = world.run(&["freeze", "--at", "2026-03-28T12:00:00Z", "--days", "8"]).well().out;
    in_order(
        &shown,
        &[
            "s: frozen by weekends until 2026-03-30T07:00:00.000Z",
            "2026-03-27T15:00:00.000Z to 2026-03-30T07:00:00.000Z  weekends (s)",
            "2026-04-03T14:00:00.000Z",
        ],
    );
    world.run(&["freeze", "--at", "2026-03-30T07:00:00Z", "--check"]).well();
    assert_eq!(world.run(&["freeze", "--at", "2026-03-30", "--check"]).code, 1, "a date is its begin");
    world.run(&["freeze", "--service", "x"]).fails(4, &["no such service", "known are s"]);
    let good = world.read("tidegate.yaml");
    world.write("tidegate.yaml", &good.replace("2026-01-02 16:00", "2026-01-02T16:00+01:00"));
    world.run(&["freeze"]).fails(2, &["`2026-01-02T16:00+01:00` is no date or time of the freeze's zone", "freezes.weekends.from"]);
    let text = good.replace("Europe/Berlin", "Berlin");
    world.write("tidegate.yaml", &text);
    world.run(&["freeze"]).fails(2, &["`Berlin` is no zone of the IANA database", "tidegate.yaml:8:", "freezes.weekends.zone"]);
}
