//! Expressions against an oracle, and the sentences about wrong ones.

use crate::transform::Expression;
use expect_test::expect;
use proptest::prelude::*;

fn value(text: &str) -> Result<f64, String> {
    Expression::parse(text)?.tree().evaluate(&|name| match name.as_str() {
        "a" => Ok(3.0),
        "b c" => Ok(0.5),
        other => Err(format!("missing {other}")),
    })
}

#[test]
fn values() {
    for (text, wanted) in [
        ("1 - 2 - 3", -4.0),
        ("12 / 3 / 2", 2.0),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("--a", 3.0),
        ("-a * -2", 6.0),
        ("`b c` * 2e-1", 0.1),
        (".5+1e+2", 100.5),
        ("min(a, 1) + max(a,1)", 4.0),
        ("floor(-0.5) + ceil(0.5) + abs(-2)", 2.0),
        ("sqrt(9) + ln(1) + exp(0)", 4.0),
    ] {
        assert_eq!(value(text), Ok(wanted), "{text}");
    }
}

#[test]
fn mistakes() {
    let texts = ["", "1 +", "a b", "(a", "1..2", "pow(a, 2)", "min(a)", "a ^ 2", "`a", "1e999", "max(a,", "é + ü)"];
    let got: String = texts.iter().map(|t| format!("{t}: {}\n", value(t).unwrap_err())).collect();
    expect![[r#"
        : expected a number, a column, a function, `-` or `(` at character 1, got the end
        1 +: expected a number, a column, a function, `-` or `(` at character 4, got the end
        a b: expected an operator or the end at character 3, got `b`
        (a: expected `)` at character 3, got the end
        1..2: expected a finite number at character 1, got `1`
        pow(a, 2): there is no function `pow`: there are abs, min, max, floor, ceil, sqrt, ln, exp
        min(a): function `min` takes 2 arguments, got 1
        a ^ 2: expected an operator or the end at character 3, got `^`
        `a: expected a column between two backticks at character 1, got ```
        1e999: expected a finite number at character 1, got `1`
        max(a,: expected a number, a column, a function, `-` or `(` at character 7, got the end
        é + ü): expected an operator or the end at character 6, got `)`
    "#]]
    .assert_eq(&got);
}

#[test]
fn deep_ones_are_refused_and_do_not_overflow() {
    for text in ["(".repeat(1000), "-".repeat(1000), format!("1{}", "+1".repeat(900)), "1".repeat(3000)] {
        let why = Expression::parse(&text).unwrap_err();
        assert!(why.contains("split it into steps"), "{why}");
    }
}

/// A random expression as text, with its value.
fn expression() -> impl Strategy<Value = (String, f64)> {
    let leaf = prop_oneof![(0u32..1000).prop_map(|n| (format!("{n}"), f64::from(n))), Just(("a".to_owned(), 3.0))];
    leaf.prop_recursive(4, 32, 2, |inner| {
        (inner.clone(), inner, 0..6u8).prop_map(|((at, a), (bt, b), op)| match op {
            0 => (format!("({at} + {bt})"), a + b),
            1 => (format!("({at}-{bt})"), a - b),
            2 => (format!("({at})*({bt})"), a * b),
            3 => (format!("max({at}, {bt})"), a.max(b)),
            4 => (format!("(({at}) / (1 + abs({bt})))"), a / (1.0 + b.abs())),
            _ => (format!("-({at})"), -a),
        })
    })
}

proptest! {
    #[test]
    fn agrees_with_the_same_arithmetic_written_in_rust((text, wanted) in expression()) {
        prop_assert_eq!(value(&text), Ok(wanted), "{}", text);
    }

    #[test]
    fn never_panics(text in ".{0,60}") {
        let _ = Expression::parse(&text);
    }
}
