//! Conditions as text: what is read, and what is refused by name.
use super::*;
use expect_test::expect;

fn shown(text: &str, spelling: Spelling) -> String {
    match condition(text, spelling, None) {
        Ok(read) => serde_json::to_string(&read.predicate).unwrap(),
        Err(why) => format!("refused: {why}"),
    }
}

#[test]
fn the_three_spellings_mean_the_same() {
    let sql = shown("a > 1 AND b IS NOT NULL", Spelling::Sql);
    assert_eq!(shown("a > 1 and b.notnull()", Spelling::Pandas), sql);
    assert_eq!(shown("(a > 1) & (b.notna())", Spelling::Pandas), sql);
    assert_eq!(shown("col(\"a\")>1", Spelling::Old), shown("a > 1", Spelling::Sql));
    assert_eq!(shown("`a b` == 'x'", Spelling::Pandas), shown("\"a b\" = 'x'", Spelling::Sql));
    assert_eq!(shown("a not in [1, 2]", Spelling::Pandas), shown("a NOT IN (1, 2)", Spelling::Sql));
    assert_eq!(shown("1 < a < 3", Spelling::Pandas), shown("1 < a AND a < 3", Spelling::Sql));
}

#[test]
fn brackets_hold_numbers_or_conditions() {
    expect![[r#"{"compare":[{"arithmetic":[{"arithmetic":[{"column":"a"},"add",{"column":"b"}]},"multiply",{"value":2}]},"greater",{"value":-3}]}"#]]
        .assert_eq(&shown("(a + b) * 2 > -3", Spelling::Sql));
    expect![[r#"{"all":[{"any":[{"compare":[{"column":"a"},"equal",{"value":1}]},{"is":{"column":"b"}}]},{"not":{"compare":[{"column":"c"},"less",{"value":2.5}]}}]}"#]]
        .assert_eq(&shown("(a = 1 OR b) AND NOT c < 2.5", Spelling::Sql));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let all: Vec<String> = [
        ("a.str.contains('x')", Spelling::Pandas),
        ("a > @limit", Spelling::Pandas),
        ("a % 2 == 0", Spelling::Pandas),
        ("soundex(a) = 'x'", Spelling::Sql),
        ("a = NULL", Spelling::Sql),
        ("t.a = 1", Spelling::Sql),
        ("a >", Spelling::Sql),
        ("a = 'x", Spelling::Sql),
        ("a", Spelling::Old),
        ("a IN (SELECT 1)", Spelling::Sql),
        ("a = 1 b", Spelling::Sql),
    ]
    .into_iter()
    .map(|(text, spelling)| format!("{text}: {}", shown(text, spelling)))
    .collect();
    expect![[r#"
        a.str.contains('x'): refused: `.str` is refused: .isnull(), .isna(), .notnull() and .notna() are understood
        a > @limit: refused: `@l` at character 5 of `a > @limit` is not understood
        a % 2 == 0: refused: `%` is refused: its sign differs between Python and SQL
        soundex(a) = 'x': refused: function `soundex` is refused: abs, length, lower, upper and trim are understood
        a = NULL: refused: a comparison with NULL is never true: write `IS NULL`
        t.a = 1: refused: `t.a` is refused: only columns of the checked table are there
        a >: refused: the condition ends where a column or a value is expected
        a = 'x: refused: the quote at character 5 of `a = 'x` is not closed
        a: refused: `a` at character 1 of the condition is refused: `col("..")` or a value is expected
        a IN (SELECT 1): refused: `SELECT` at character 7 of the condition is refused: a column or a value is expected
        a = 1 b: refused: `b` at character 7 of the condition is refused: the end is expected"#]]
    .assert_eq(&all.join("\n"));
    assert!(shown(&"(".repeat(5_000), Spelling::Sql).contains("nested deeper"));
    assert!(shown(&"not ".repeat(5_000), Spelling::Sql).contains("nested deeper"));
    assert!(shown(&"-".repeat(99), Spelling::Pandas).contains("nested deeper"));
}

#[test]
fn queries_select_rows_of_the_checked_table() {
    let read = |text: &str| match query(text, &["trips"]) {
        Ok(Written::Rows(read)) => serde_json::to_string(&read.predicate).unwrap(),
        Ok(Written::Count(_)) => "a count".to_owned(),
        Ok(Written::Whole(query)) => format!("{}; {:?}; {:?}", query.sql, query.checked, query.datasets),
        Err(why) => format!("refused: {why}"),
    };
    let plain = shown("a > 7", Spelling::Sql);
    assert_eq!(read("SELECT * FROM {batch} WHERE a > 7"), plain);
    assert_eq!(read("select t.a, 1 from trips as t where t.a > 7 order by a;"), plain);
    assert_eq!(read("SELECT * FROM {batch}"), r#"{"all":[]}"#);
    assert_eq!(read("SELECT COUNT(*) AS n FROM {object} WHERE a > 7"), "a count");
    let all = [
        "SELECT * FROM {batch} b JOIN {air-ports} a ON a.faa = b.origin -- {no} 'table",
        "SELECT '{not}', \"{a\"\"b}\" /* {nor} */ FROM {batch}, {batch} WHERE a > 7",
        "SELECT sum(a) FROM trips",
        "SELECT COUNT(*) * 2 FROM {batch}",
        "WITH x AS (SELECT a FROM {batch}) SELECT a FROM x GROUP BY a HAVING count(*) > 1",
        "SELECT a FROM {batch} WHERE coalesce(a, 0) = 0",
        "SELECT a FROM {batch} WHERE a::text = 'x'",
        "SELECT a FROM {batch} WHERE a >",
        "SELECT a FROM {batch} WHERE coalesce(a, 'x",
        "SELECT * FROM other",
        "SELECT * FROM {other} GROUP BY a",
        "SELECT * FROM {batch} JOIN {a b} ON true",
        "DELETE FROM {batch}",
        "COPY {batch} TO '/tmp/x' GROUP BY 1",
    ];
    let all: Vec<String> = all.iter().map(|text| read(text)).collect();
    expect![[r#"
        SELECT * FROM "{batch}" b JOIN "{air-ports}" a ON a.faa = b.origin -- {no} 'table; ["{batch}"]; ["air-ports"]
        SELECT '{not}', "{a""b}" /* {nor} */ FROM "{batch}", "{batch}" WHERE a > 7; ["{batch}"]; []
        SELECT sum(a) FROM trips; ["trips"]; []
        SELECT COUNT(*) * 2 FROM "{batch}"; ["{batch}"]; []
        WITH x AS (SELECT a FROM "{batch}") SELECT a FROM x GROUP BY a HAVING count(*) > 1; ["{batch}"]; []
        SELECT a FROM "{batch}" WHERE coalesce(a, 0) = 0; ["{batch}"]; []
        SELECT a FROM "{batch}" WHERE a::text = 'x'; ["{batch}"]; []
        refused: the condition ends where a column or a value is expected
        refused: a text of the query is not closed: `'x`
        refused: table `other` is refused: the checked table is `{batch}`, another dataset beside it `{its-name}`
        refused: the query does not read the checked table, so it says nothing about it: name it as `{batch}`
        refused: `{a b}` in the query names no table: the checked one is `{batch}`, another dataset `{its-name}`
        refused: a query begins with SELECT or WITH
        refused: a query begins with SELECT or WITH"#]]
    .assert_eq(&all.join("\n"));
}
