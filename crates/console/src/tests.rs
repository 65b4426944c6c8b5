//! Pages hold together: escaped, without foreign hosts, readable without a script.

mod risk;
mod risk_worth;

use crate::pages;
use crate::view::{ActRow, JournalHead, JournalRow, JournalView, Overview, Point, Ratio, ReleaseRow, ReleaseView};
use tidegate_core::id::At;
use tidegate_core::judge::Mode;
use tidegate_core::workspace::Outcome;

fn release() -> ReleaseView {
    let point = |i: i64| Point {
        at: At(i * 1000),
        mode: Mode::Canary,
        e_rollback: libm_like(i),
        needs_rollback: 111.0,
        e_promote: 0.5,
        needs_promote: 20.0,
        ratio: (i > 4).then_some(Ratio { low: 0.5, estimate: (i > 9).then_some(1.0 + i as f64 / 10.0), high: (i > 19).then_some(4.0) }),
        candidate_bp: 500,
        control_bp: 500,
    };
    ReleaseView {
        row: ReleaseRow {
            service: "s".into(),
            environment: None,
            number: 3,
            candidate: "2".into(),
            stable: Some("1".into()),
            phase: "canary".into(),
            note: "waits".into(),
        },
        change: "<script>alert(1)</script>".into(),
        attempt: 1,
        assessment: None,
        points: (0..50).map(point).collect(),
        story: vec![(At(0), "Version 2 was started".into())],
        users_saw: 12,
        evidence: None,
    }
}

fn libm_like(i: i64) -> f64 {
    2.0_f64.powi(i32::try_from(i).unwrap() / 4)
}

fn sound(html: &str) {
    assert!(!html.contains("http://") && !html.contains("https://"), "a page asks another host");
    assert!(html.contains("<main") && html.contains("<title>") && html.contains("lang=\"en\""));
    assert!(!html.contains("NaN") && !html.contains(">inf"), "a page shows a number that is none");
    assert!(!html.contains("style=\""), "inline style is not allowed by the pages' own policy");
}

#[test]
fn a_release_is_drawn_and_escaped() {
    let html = pages::release(&release());
    sound(&html);
    assert!(!html.contains("<script>alert"), "a change's words are text");
    assert_eq!(html.matches("role=\"img\"").count(), 3, "three pictures, each with its words");
    assert!(html.contains("12</strong> live requests"));
    assert!(html.contains("1000 s") || html.contains("49 s"));
}

#[test]
fn an_empty_workspace_says_so() {
    let html = pages::overview(&Overview { workspace: "w".into(), ..Overview::default() });
    sound(&html);
    assert!(html.contains("Nothing yet."));
}

#[test]
fn acts_show_how_they_ended_in_words() {
    let act = ActRow { name: "version 3".into(), started: Some(At(1)), outcome: Some(Outcome::StoppedInShadow), summary: "0 users".into() };
    let html = pages::overview(&Overview { acts: vec![act], ..Overview::default() });
    sound(&html);
    assert!(html.contains("stopped in shadow") && html.contains("0 users"));
}

#[test]
fn the_journal_pages_back() {
    let record =
        JournalRow { position: 7, at: At(5), stream: "model/m".into(), event: "registered".into(), body: serde_json::json!({"a": "<b>"}) };
    let html = pages::journal(&JournalView { head: JournalHead::default(), records: vec![record], older: Some(7) });
    sound(&html);
    assert!(html.contains("/journal?before=7") && html.contains("&lt;b&gt;"));
}
