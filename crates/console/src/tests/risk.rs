//! Pages about risks: each state says what helps, pictures add up, and what files are called is text.

use super::sound;
use crate::pages;
use crate::view::risk::{
    Bin, FileHistory, Importance, Interval, JudgedFigures, ModelFacts, NearLine, PairRow, Period, Reasons, RiskChange, RiskLabel, RiskRow,
    RiskSaid, RiskView, SimilarRow, Stand, Unread, Waterfall, WaterfallStep,
};
use expect_test::expect;
use tidegate_core::correction::Ended;
use tidegate_core::id::At;
use tidegate_core::risk::Way;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn label(ended: Ended, by: &'static str) -> RiskLabel {
    RiskLabel { ended, by, why: "<i>".into() }
}

fn said(way: Way) -> RiskSaid {
    RiskSaid { probability: 0.25, interval: [0.125, 0.5], way }
}

fn bins() -> Vec<Bin> {
    let bin = |place: u32| {
        let (from, rows) = (f64::from(place) / 10.0, (10 - place as usize) * 4 % 36);
        let observed = (rows > 0).then_some(Interval { estimate: from, low: (from - 0.1).max(0.0), high: from + 0.1 });
        Bin { from, to: from + 0.1, rows, hurt: rows / 2, predicted: (rows > 0).then_some(from + 0.05), observed }
    };
    (0..10).map(bin).collect()
}

fn period(name: &str, predicted: f64) -> Period {
    let observed = Interval { estimate: 0.2, low: 0.1, high: 0.3 };
    Period { name: name.into(), rows: 40, hurt: 8, predicted, observed, quartiles: [0.1, 0.2, 0.4] }
}

fn known() -> RiskView {
    let row = |way, risk: bool, ended| RiskRow {
        commit: COMMIT.into(),
        at: At(1_000),
        kept_back: false,
        risk: risk.then_some(said(way)),
        label: Some(label(ended, "history")),
    };
    RiskView {
        stand: Stand::Ready,
        notes: vec!["the clone is <shallow>".into()],
        model: Some(ModelFacts {
            trained: Some(At(0)),
            rows: 1_600,
            base_rate: 0.25,
            from: At(0),
            until: At(86_400_000),
            maturity_days: 9.5,
            features: 44,
        }),
        judged: Some(JudgedFigures {
            rows: 320,
            hurt: 80,
            auc: Some(Interval { estimate: 0.8, low: 0.75, high: 0.85 }),
            brier: Some(0.1),
            calibration_error: None,
            reliability: bins(),
            periods: vec![period("2026 Q1", 0.25), period("2026 Q2", 0.4)],
        }),
        importance: vec![Importance { feature: "la".into(), meaning: "Lines added".into(), mean_log_odds: 0.5 }],
        importance_of: 200,
        reasons: Some(Reasons { agreement: 0.84, drifted: true, changes: (1_000, 200), moved: vec![("la".into(), 0.25, 0.5)] }),
        unread: Some(Unread {
            head: COMMIT.replace('0', "f"),
            read_to: COMMIT.into(),
            commits: Some(2),
            more: false,
            command: "tidegate risk train".into(),
        }),
        changes: vec![row(Way::Held, true, Ended::Hurt), row(Way::Quick, true, Ended::Clean), row(Way::Standard, false, Ended::Unknown)],
        ..RiskView::default()
    }
}

fn waterfall() -> Waterfall {
    let step = |feature: &str, log_odds: f64| WaterfallStep {
        feature: feature.into(),
        meaning: "What it is".into(),
        value: 7.0,
        assumed: feature == "age",
        log_odds,
    };
    Waterfall {
        base: -1.0,
        steps: vec![step("la", 2.0), step("age", -0.5)],
        rest: -1.5,
        rest_features: 40,
        margin: -1.0,
        probability: 0.25,
    }
}

fn change() -> RiskChange {
    let similar = SimilarRow { commit: COMMIT.into(), at: At(0), distance: 0.42, probability: 0.3, label: label(Ended::Hurt, "delivery") };
    RiskChange {
        commit: COMMIT.into(),
        at: At(1_000),
        said: said(Way::Standard),
        hold_from: Some(0.4),
        rank: 0.75,
        sure: "like changes that were not".into(),
        missing: vec!["age".into()],
        waterfall: waterfall(),
        lower: "with la 3 in place of 7, all else equal, it would be 0.10".into(),
        line: Some(NearLine {
            r_squared: 0.3,
            seed: 0,
            samples: 2_000,
            stability: Some(0.8),
            weights: vec![("la".into(), 1.5), ("nf".into(), -0.1)],
        }),
        together: vec![PairRow { first: "la".into(), second: "nf".into(), log_odds: 0.2 }],
        label: Some(label(Ended::Unknown, "history")),
        similar: vec![similar],
        similar_among: 900,
        files: vec![FileHistory {
            path: "src/<script>.rs".into(),
            earlier: 12,
            hurt: 3,
            newest_hurt: vec![(COMMIT.into(), At(0), label(Ended::Hurt, "history"))],
        }],
        files_more: 5,
        owners: vec!["@acme/payments".into()],
    }
}

#[test]
fn a_model_is_told_with_its_changes() {
    let html = pages::risk(&known());
    sound(&html);
    assert_eq!(html.matches("role=\"img\"").count(), 3, "reliability, drift, importance");
    assert!(html.contains("reasons drift") && html.contains("agrees by 0.84") && html.contains("la 25 % to 50 %"));
    for word in [
        "0.25",
        "0.12 to 0.50",
        ">held<",
        ">quick<",
        "an owner has opted out",
        "2 commits are not read yet",
        "tidegate risk train",
        "25.0 %",
    ] {
        assert!(html.contains(word), "{word}: {html}");
    }
    assert!(html.contains(&format!("href=\"/risk/{COMMIT}\"")) && html.contains("aria-current=\"page\">Risk"));
    assert!(html.contains("the clone is &lt;shallow&gt;") && html.contains("&lt;i&gt;") && !html.contains("<i>"));
    // One bin has no change: no point, and a line of the table that says so.
    assert_eq!(html.matches("class=\"dot\"").count(), 9 + 2, "{html}");
    assert!(html.contains(">apart<") && html.contains(">together<"), "one quarter lies beside its interval");
}

#[test]
fn what_is_not_there_says_what_helps() {
    for (stand, word) in [
        (Stand::NoModel, "no model yet"),
        (Stand::ModelDamaged, "the model cannot be read"),
        (Stand::HistoryUnreadable, "the history cannot be read"),
        (Stand::OwnersUnknown, "owners are not known"),
    ] {
        let view =
            RiskView { stand, why: Some("for <a> reason".into()), command: Some("tidegate risk train".into()), ..RiskView::default() };
        let html = pages::risk(&view);
        sound(&html);
        assert!(
            html.contains(word) && html.contains("<code>tidegate risk train</code>") && html.contains("for &lt;a&gt; reason"),
            "{html}"
        );
        assert!(!html.contains("Newest changes"));
    }
}

#[test]
fn a_change_is_told_with_its_reasons() {
    let html = pages::risk_change(&change());
    sound(&html);
    assert_eq!(html.matches("role=\"img\"").count(), 1);
    assert!(html.contains("src/&lt;script&gt;.rs") && !html.contains("<script>.rs"));
    for word in [
        "higher than 75 %",
        "It looks like changes that were not.",
        "it is below 0.40",
        "assumed at its worst",
        "raises them 7.39 times",
        "1 of these 1 hurt",
        "nearest of 900",
        "5 more files",
        "fits badly",
        "among the others",
    ] {
        assert!(html.contains(word), "{word}: {html}");
    }
}

#[test]
fn nothing_near_and_nothing_past_is_said() {
    let html =
        pages::risk_change(&RiskChange { line: None, similar: vec![], files: vec![], together: vec![], hold_from: None, ..change() });
    sound(&html);
    for word in ["No line could be drawn", "No earlier change has an end", "Nobody said what mistakes cost", "Nothing yet."] {
        assert!(html.contains(word), "{word}");
    }
}

/// Each bar begins where the one before it ended, and the last one ends where the steps do.
#[test]
fn a_waterfall_adds_up() {
    let html = pages::risk_change(&change());
    let bars: Vec<String> =
        html.split("<rect class=\"step ").skip(1).filter_map(|rest| rest.split('>').next()).map(str::to_owned).collect();
    expect![[r#"
        whole" x="190.0" y="12.0" width="227.0" height="16"
        raises" x="190.0" y="38.0" width="454.0" height="16"
        lowers" x="530.5" y="64.0" width="113.5" height="16"
        lowers" x="190.0" y="90.0" width="340.5" height="16"
        whole" x="190.0" y="116.0" width="227.0" height="16""#]]
    .assert_eq(&bars.join("\n"));
}
