//! What a model was worth: figures with their intervals, and what is not known never looks like nothing, or like good.

use super::sound;
use crate::pages;
use crate::view::risk::RiskView;
use tidegate_core::id::At;
use tidegate_core::risk::Way;
use tidegate_core::worth::{Arm, Costs, Decision, Left, Opinion, Row, Verdict, Worth, ledger};

fn row(arm: Option<Arm>, held: bool, hurt: bool) -> Row {
    let way = if held { Way::Held } else { Way::Standard };
    Row {
        arm,
        model_share: arm.map(|_| 0.5),
        probability: if held { 0.5 } else { 0.1 },
        interval: if held { [0.25, 0.75] } else { [0.05, 0.2] },
        way,
        hold_from: Some(0.2),
        held: held && arm != Some(Arm::People),
        hurt,
        came_in: true,
        costs: Some(Costs { delay: 1.0, incident: 4.0 }),
        blind: None,
        late: false,
    }
}

fn judged(row: Row, risk: f64) -> Row {
    let opinion = Opinion {
        commits: vec![],
        risk: Some(risk),
        decision: Some(Decision::Pass),
        blind: true,
        by: "ada".into(),
        reason: "<i>".into(),
        at: At(0),
    };
    Row { blind: Some(opinion), ..row }
}

fn worth(rows: &[Row]) -> Worth {
    Worth { since: None, spoken: rows.len() + 3, models: 1, left: Left { young: 3, ..Left::default() }, kept_back: 0, ledger: ledger(rows) }
}

/// The model holds 40 of 100, of which 4 hurt; of the same 40 where people decide 30 do.
fn drawn() -> Vec<Row> {
    let times = |row: Row, count: usize| vec![row; count];
    [
        times(row(Some(Arm::Model), true, true), 4),
        times(row(Some(Arm::Model), true, false), 36),
        times(row(Some(Arm::Model), false, false), 60),
        times(judged(row(Some(Arm::People), true, true), 0.4), 30),
        times(judged(row(Some(Arm::People), true, false), 0.3), 10),
        times(judged(row(Some(Arm::People), false, false), 0.1), 60),
    ]
    .concat()
}

fn page(worth: Worth) -> String {
    let html = pages::risk(&RiskView { worth: Some(worth), ..RiskView::default() });
    sound(&html);
    html
}

fn told(html: &str, words: &[&str]) {
    for word in words {
        assert!(html.contains(word), "{word}: {html}");
    }
}

#[test]
fn a_ledger_is_told_with_its_intervals() {
    let html = page(worth(&drawn()));
    assert_eq!(html.matches("role=\"img\"").count(), 2, "shares, and the model less people");
    // Six lines of shares, two differences.
    assert_eq!((html.matches("class=\"dot\"").count(), html.matches("class=\"whisker\"").count()), (8, 8), "{html}");
    told(
        &html,
        &[
            "Something was said of 203 changes; 200 of them are old enough",
            "Not counted: 3 too young to tell.",
            "The model is better, and not by chance.",
            "4 of 100: 4.0 %",
            "36, cost 36.0",
            "-26.0 points (-35.9 to -16.0)",
            "not by chance",
            "+26.0 (",
            "+104.0 (",
            "30 of 40: 75.0 %",
            "20.0 (10.0 to 30.0) failures among the 40 changes that it held; net of delay worth 60.0",
            "AUC: how well",
            "Both spoke of 100 changes, of 100 with a risk (30 hurt)",
        ],
    );
    assert!(!html.contains("ada") && !html.contains("<i>") && !html.contains(">not known<"), "{html}");
}

/// Points lie within the picture, between the ends of their intervals.
#[test]
fn a_figure_lies_in_its_interval() {
    let html = page(worth(&drawn()));
    let numbers = |class: &str, names: &[&str]| -> Vec<Vec<f64>> {
        let number = |of: &str, name: &str| {
            let rest = of.split(&format!(" {name}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let begin = format!("class=\"{class}\"");
        let all = html.split(&begin).skip(1).map(|rest| rest.split('>').next().unwrap());
        all.map(|of| names.iter().map(|name| number(of, name)).collect()).collect()
    };
    let (points, bars) = (numbers("dot", &["cx", "cy"]), numbers("whisker", &["x1", "x2", "y1"]));
    assert_eq!((points.len(), bars.len()), (8, 8));
    for (point, bar) in points.iter().zip(&bars) {
        assert!(bar[0] <= point[0] && point[0] <= bar[1] && bar[0] < bar[1], "{point:?} {bar:?}");
        assert!(bar[0] >= 190.0 && bar[1] <= 720.0 && bar[2] == point[1], "{point:?} {bar:?}");
    }
}

#[test]
fn what_is_kept_back_is_not_on_the_page() {
    let of = worth(&drawn());
    let html = page(Worth { kept_back: 7, ledger: of.ledger.clone().kept_back(), ..of });
    told(
        &html,
        &[
            "Which way the model would have changes go",
            "about 7 that count people have yet to decide",
            "kept back: people have yet to decide",
        ],
    );
    assert!(!html.contains("30 of 40") && !html.contains("people: held") && html.contains("people: all"), "{html}");
    assert_eq!(html.matches(">not known<").count(), 2, "failures avoided, and their cost: {html}");
}

#[test]
fn what_is_not_known_is_said() {
    let html = page(worth(&[]));
    told(&html, &["nothing yet", "Nothing was recorded of a change that is old enough"]);
    assert!(!html.contains("<svg") && !html.contains("<table"), "{html}");

    let alone = [row(None, true, true), row(None, true, false), Row { costs: None, ..row(None, false, true) }];
    let html = page(worth(&alone));
    told(
        &html,
        &["failures avoided cannot be told, only estimated", "How many failures holding avoids", "an estimate", "Nobody judged any"],
    );
    told(&html, &["1, cost not known", "not drawn: held"]);
    assert_eq!(html.matches("role=\"img\"").count(), 1);

    let cheap: Vec<Row> = drawn().into_iter().map(|row| Row { costs: None, blind: None, ..row }).collect();
    let html = page(worth(&cheap));
    told(&html, &["what mistakes cost (risk.costs) was not known of each of them", "what that is worth is not known", "Nobody judged any"]);
    assert_eq!(html.matches(">not known<").count(), 2, "what is saved, and what failures would have cost: {html}");

    let few = worth(&[row(Some(Arm::Model), false, false), judged(row(Some(Arm::People), false, false), 0.1)]);
    assert_eq!(few.ledger.verdict, Verdict::TooFew);
    let html = page(few);
    told(
        &html,
        &[
            "it takes 30 changes of either",
            "may be chance",
            "one side has no change that the model would hold",
            "not defined",
            "there is no estimate",
        ],
    );
    assert!(!html.contains("badge good"), "nothing of it is good: {html}");
}
