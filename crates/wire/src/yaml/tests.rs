//! What is read, as JSON with places, and what is refused.

use super::*;
use expect_test::{Expect, expect};

fn check(text: &str, expected: Expect) {
    let seen = match parse(text) {
        Ok(node) => node.to_json().to_string(),
        Err(e) => e.to_string(),
    };
    expected.assert_eq(&seen);
}

#[test]
fn the_core_schema() {
    check("", expect!["null"]);
    check("a: [no, on, yes, true, True, ~, null, '', \"5\"]", expect![[r#"{"a":["no","on","yes",true,true,null,null,"","5"]}"#]]);
    check("[1, -7, +3, 0x10, 0o17, 007, 1e-3, 1., .5, 1.5E+3, .inf]", expect![[r#"[1,-7,3,16,15,7,0.001,1.0,0.5,1500.0,".inf"]"#]]);
    check(
        "[0x, 1_000, 1e, ., -, 5m, 0.1%, 1.2.3, 2013-12-31, inf, nan]",
        expect!["line 1, column 20: plain scalar cannot start with '-' followed by ,[]{}"],
    );
    check("[!!str 5, !!float 3, !!int '4', ! 6]", expect![[r#"["5",3.0,4,"6"]"#]]);
    check("a: |\n  x\n  y\nb: >\n  x\n  y\n", expect![[r#"{"a":"x\ny\n","b":"x y\n"}"#]]);
    check("1: a\ntrue: b\n", expect![[r#"{"1":"a","true":"b"}"#]]);
    check("18446744073709551615", expect!["1.8446744073709552e+19"]);
    check("\u{feff}a: 1", expect![[r#"{"a":1}"#]]);
}

#[test]
fn aliases_unfold() {
    check("a: &x {k: [1, 2]}\nb: *x\n", expect![[r#"{"a":{"k":[1,2]},"b":{"k":[1,2]}}"#]]);
    let node = parse("a: &x {k: 1}\nb: *x\n").unwrap();
    let b = node.get("b").unwrap();
    assert_eq!((b.line, b.column), (2, 4));
    assert_eq!(b.get("k").map(|k| (k.line, k.column)), Some((1, 11)));
}

#[test]
fn places_and_raw_text() {
    let node = parse("a:\n  - 1e-3\n  - 'q'\nb:\nc: {d: [x]}\n").unwrap();
    let items = node.get("a").unwrap().as_seq().unwrap();
    assert_eq!((items[0].line, items[0].column, items[0].raw.as_deref()), (2, 5, Some("1e-3")));
    assert_eq!((items[1].line, items[1].column, items[1].raw.as_deref()), (3, 5, None));
    let b = node.get("b").unwrap();
    assert!(b.is_null());
    assert_eq!((b.line, b.column), (4, 1));
    let x = &node.get("c").unwrap().get("d").unwrap().as_seq().unwrap()[0];
    assert_eq!((x.line, x.column), (5, 9));
    let (key, _) = node.entry("c").unwrap();
    assert_eq!((key.line, key.column), (5, 1));
}

#[test]
fn mistakes() {
    check("a: 1\nb: 2\na: 3\n", expect!["line 3, column 1: key `a` is given twice; first at line 1, column 1"]);
    check("a: {'1': x, 1: y}\n", expect!["line 1, column 13: key `1` is given twice; first at line 1, column 5"]);
    check("a: 1\n--- \nb: 2\n", expect!["line 2, column 1: a second document starts here; one is read per file"]);
    check("a: *nowhere\n", expect!["line 1, column 4: while parsing node, found unknown anchor"]);
    check("a: &x [*x]\n", expect!["line 1, column 8: this alias names an anchor that is not complete here"]);
    check("a: !python/object x\n", expect!["line 1, column 4: tag `!python/object` is not understood"]);
    check("a: !!int x\n", expect!["line 1, column 4: it is no int as its tag says"]);
    check("? [a]\n: 1\n", expect!["line 1, column 3: a key must be a scalar, not a list"]);
    check("a: 'open\n", expect!["line 1, column 4: while scanning a quoted scalar, found unexpected end of stream"]);
    check("a: [1, 2\nb: 3\n", expect!["line 2, column 2: illegal placement of ':' indicator"]);
    check("\ta: 1\n", expect![[r#"{"a":1}"#]]);
    check("a: 1\n b: 2\n", expect!["line 2, column 3: mapping values are not allowed in this context"]);
}

#[test]
fn bombs_are_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let part = format!("*a{},", i - 1).repeat(9);
        bomb.push_str(&format!("a{i}: &a{i} [{part}]\n"));
    }
    check(&bomb, expect!["line 6, column 10: aliases unfold to more than 100000 nodes"]);
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(100));
    check(&long, expect!["line 2, column 194: aliases unfold to more than 100000 nodes"]);
    check(&"[".repeat(100_000), expect!["line 1, column 256: recursion limit exceeded"]);
    check(&"- ".repeat(500), expect!["line 1, column 201: nested deeper than 100 levels"]);
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for i in 1..150 {
        deep.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    check(&deep, expect!["line 100, column 12: nested deeper than 100 levels"]);
}

/// Every cut and many mutations of a text with all features answer or refuse; none panics.
#[test]
fn hostile_texts_never_panic() {
    let seed = "a: &x {k: [1, 'q', \"d\\n\"], l: *x0}\nb:\n  - |\n    text\n  - >-\n    more\n? c\n: !!str 5\n# end\n--- \n...\n";
    for end in 0..seed.len() {
        let _ = parse(&seed[..end]);
    }
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut bytes = seed.as_bytes().to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = b"\n\t -:?[]{}&*!|>'\"%@`,#ax1.~"[(state >> 13) as usize % 27];
        }
        let _ = parse(std::str::from_utf8(&bytes).unwrap());
    }
}
