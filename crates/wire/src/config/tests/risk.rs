//! The lot between the model of risk and people.

use super::mistakes::said;
use crate::config::load_in;
use tidegate_core::worth::Trial;

fn file(trial: &str) -> String {
    format!("version: 1\nworkspace: shop\nrisk:\n  trial: {{ {trial} }}\n")
}

#[test]
fn a_lot_has_a_share_and_a_salt() {
    let load = |trial: &str| load_in(&file(trial), "tidegate.yaml", None).unwrap().risk.trial;
    assert_eq!(load("salt: spring of 2026"), Some(Trial { model_share: 0.5, salt: "spring of 2026".to_owned() }));
    assert_eq!(load("model_share: 0.2, salt: spring of 2026").map(|trial| trial.model_share), Some(0.2));
    assert_eq!(load_in("version: 1\nworkspace: shop\n", "tidegate.yaml", None).unwrap().risk.trial, None);
    let long = "s".repeat(201);
    for (trial, words) in [
        ("model_share: 0.2", "salt"),
        ("model_share: 0, salt: spring of 2026", "risk.trial.model_share"),
        ("model_share: 1, salt: spring of 2026", "risk.trial.model_share"),
        ("model_share: half, salt: spring of 2026", "risk.trial.model_share"),
        ("salt: short", "a salt has 8 to 200 bytes"),
        (&format!("salt: {long}"), "a salt has 8 to 200 bytes"),
        ("salt: \"two\\nlines of it\"", "a salt has 8 to 200 bytes"),
        ("salt: spring of 2026, arms: 3", "arms"),
    ] {
        assert!(said(&file(trial), None).contains(words), "{trial}: {}", said(&file(trial), None));
    }
}
