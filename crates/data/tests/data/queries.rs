//! Queries that the engine runs, and checks of some of the rows.
use super::world::{file, folder, lines, parquet};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use expect_test::expect;
use std::path::Path;
use std::sync::Arc;
use tidegate_core::contract::{CheckReport, Verdict};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check};
use tidegate_wire::contract::{SuiteOptions, parse, row_condition};

fn checked(source: &Source, file: &str, text: &str, options: &CheckOptions) -> CheckReport {
    let contract = parse(file, text, &SuiteOptions { object: Some("flights".to_owned()), ..SuiteOptions::default() }).unwrap();
    super::world::run(check(source, &contract, At(0), options)).unwrap()
}

#[test]
fn queries_join_group_and_count() {
    let folder = folder();
    let flights = file(&folder, "flights.csv", "Carrier,origin,n\nAA,EWR,1\nUA,EWR,2\nXX,JFK,3\nXX,,4\n,LGA,5\n");
    let carriers = file(&folder, "carriers.csv", "code,hub\nAA,EWR\nUA,ORD\n");
    let options =
        CheckOptions { others: [("air-lines".to_owned(), Source::at(&carriers))].into_iter().collect(), ..CheckOptions::default() };
    let yaml = r#"
sql:
  - SELECT f.* FROM {batch} f LEFT JOIN {air-lines} c ON f.Carrier = c.code WHERE c.code IS NULL AND f.Carrier IS NOT NULL
  - SELECT origin FROM {batch} GROUP BY origin HAVING count(*) > 2
  - WITH late AS (SELECT n, lag(n) OVER (ORDER BY n) AS before FROM {batch}) SELECT * FROM late WHERE n <> before + 1
  - SELECT * FROM {batch} WHERE coalesce(origin, 'none') = 'none' AND regexp_like(Carrier, '^X{2}$')
  - SELECT * FROM {batch} WHERE carrier = 'AA' OR exists (SELECT 1)
  - SELECT * FROM {batch} JOIN elsewhere ON true
  - SELECT * FROM {batch} JOIN {nobody} ON true
  - SELECT DISTINCT n FROM {batch}; DROP TABLE x
  - SELECT DISTINCT 1 / (n - n) FROM {batch}
"#;
    let report = checked(&Source::at(&flights), "c.yaml", yaml, &options);
    expect![[r#"
        failed
        - fail: unexpected_rows_expectation: the query finds 2 rows; among them ("XX", "JFK", 3)
        + pass: unexpected_rows_expectation: the query finds 0 rows
        + pass: unexpected_rows_expectation: the query finds 0 rows
        - fail: unexpected_rows_expectation: the query finds 1 rows; among them ("XX", null, 4)
        - error: unexpected_rows_expectation: the query cannot be run: Schema error: No field named carrier. Did you mean '"{batch}"."Carrier"'? Valid fields are "{batch}"."Carrier", "{batch}".origin, "{batch}".n.
        - error: unexpected_rows_expectation: the query cannot be run: Error during planning: table 'elsewhere' not found: another dataset is `{its-name}`
        - error: unexpected_rows_expectation: dataset `nobody` is not known here: name it under `data` of tidegate.yaml
        - error: unexpected_rows_expectation: the query cannot be run: This feature is not implemented: The context currently only supports a single SQL statement
        - error: unexpected_rows_expectation: the query cannot be run: Arrow error: Divide by zero error"#]].assert_eq(&lines(&report));
    for refused in ["COPY {batch} TO 'x.csv'", "CREATE TABLE x AS SELECT * FROM {batch}"] {
        let contract = parse("c.yaml", &format!("sql: [\"{refused}\"]"), &SuiteOptions::default());
        assert!(contract.is_err(), "{refused}");
    }
    let deep = |prefix: &str, times: usize| format!("sql: [\"SELECT DISTINCT n FROM {{batch}} WHERE n = {}1\"]", prefix.repeat(times));
    for (prefix, times) in [("1 + ", 398), ("n OR n = ", 130)] {
        let report = checked(&Source::at(&flights), "c.yaml", &deep(prefix, times), &options);
        assert!(report.outcomes[0].verdict != Verdict::Error, "{prefix}: {}", lines(&report));
    }
    let mistake = |text: &str| parse("c.yaml", text, &SuiteOptions::default()).unwrap_err().to_string();
    assert!(mistake(&deep("1 + ", 20_000)).contains("more than 400 operators"));
    assert!(mistake(&deep("(", 20_000)).contains("more than 400 operators"));
}

#[test]
fn a_data_contract_asks_for_one_number() {
    let folder = folder();
    let flights = file(&folder, "flights.csv", "origin,n\nEWR,1\nEWR,2\nJFK,3\n");
    let contract = |query: &str, bar: &str| {
        format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: a\nversion: 1.0.0\nstatus: active\nschema:\n- name: flights\n  properties: [{{ name: n }}]\n  quality: [{{ type: sql, query: \"{query}\", {bar} }}]\n"
        )
    };
    let one = |query: &str, bar: &str| {
        let report = checked(&Source::at(&flights), "c.yaml", &contract(query, bar), &CheckOptions::default());
        lines(&report).lines().last().unwrap().to_owned()
    };
    let all = [
        one("SELECT AVG(n) FROM flights", "mustBe: 2"),
        one("SELECT MAX(n) - MIN(n) FROM {object}", "mustBeGreaterThan: 2"),
        one("SELECT COUNT(DISTINCT origin) FROM {object}", "mustBeLessThan: 3"),
        one("SELECT AVG(n) FROM {object} WHERE coalesce(n, 0) > 9", "mustBe: 2"),
        one("SELECT MAX(origin) FROM {object}", "mustBe: 2"),
        one("SELECT DISTINCT n FROM {object}", "mustBe: 2"),
        one("SELECT MAX(n), MIN(n) FROM {object}", "mustBe: 2"),
        one("SELECT SUM(m) FROM {object}", "mustBe: 2"),
    ];
    expect![[r#"
        + pass: expect_query_to_give_number_between: the query gives 2, expected [2, 2]
        - fail: expect_query_to_give_number_between: the query gives 2, expected above 2
        + pass: expect_query_to_give_number_between: the query gives 2, expected below 3
        - nothing checked: expect_query_to_give_number_between: the query gives null, so no number
        - error: expect_query_to_give_number_between: the query gives "JFK", which is text, and cannot be held against [2, 2]: let it give a number
        - error: expect_query_to_give_number_between: the query gives more than one row: let it give one number
        - error: expect_query_to_give_number_between: the query gives 2 columns: let it give one number
        - error: expect_query_to_give_number_between: the query cannot be run: Schema error: No field named m. Valid fields are "{object}".origin, "{object}".n."#]].assert_eq(&all.join("\n"));
}

/// 4,000 rows in row groups of 1,000: numbers, texts and instants that rise, and a float with NaN and both zeros.
fn rising(path: &Path) {
    let rows = || 0..4_000_i64;
    let floats = rows().map(|i| match i % 4 {
        0 => Some(-0.0),
        1 => Some(f64::NAN),
        2 => None,
        _ => Some(i as f64),
    });
    parquet(
        path,
        vec![
            ("n", Arc::new(Int64Array::from_iter_values(rows())) as ArrayRef),
            ("t", Arc::new(StringArray::from_iter_values(rows().map(|i| format!("{i:05}"))))),
            ("at", Arc::new(TimestampMillisecondArray::from_iter_values(rows().map(|i| i * 60_000)))),
            ("x", Arc::new(Float64Array::from_iter(floats))),
        ],
    );
}

#[test]
fn some_of_the_rows_are_checked_whatever_is_passed_over() {
    let folder = folder();
    for day in ["2026-11-26", "2026-11-27"] {
        let at = folder.path().join(format!("t/day={day}/part.parquet"));
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        rising(&at);
    }
    let conditions = [
        "day = '2026-11-27'",
        "day > '2026-11-27'",
        "n >= 2500 AND n < 2600",
        "1000 > n",
        "n IN (5, 3999) AND day <> '2026-11-26'",
        "t BETWEEN '00010' AND '00019'",
        "at > '1970-01-03T18:38:59.999Z'",
        "at < '1970-01-01T00:00:00.0005Z'",
        "x = 0",
        "x >= 0.0 AND n < 1000",
        "x > 3990.5",
        "x IS NOT NULL AND (n = 3 OR n = 7 OR t = '00011')",
        "n + 1 = 100",
        "length(t) = 5 AND n <> 7",
    ];
    let yaml = "table: { unique: [[day, n]] }\nallow: { no_rows: true }\ncolumns: { n: { quantiles: { 0.5: [0, 4000] }, sum: { min: -1 } }, x: { not_null: true } }\nsql: [\"SELECT DISTINCT n FROM {batch}\"]\n";
    let mut all = Vec::new();
    for condition in conditions {
        let only = row_condition(condition).unwrap();
        let source = Source { only: Some(only.clone()), ..Source::at(folder.path().join("t")) };
        let report = checked(&source, "c.yaml", yaml, &CheckOptions::default());
        // The same condition, asked of every row, finds what was not passed over.
        let every = format!("rules: [\"NOT ({condition})\"]\n");
        let whole = checked(&Source::at(folder.path().join("t")), "c.yaml", &every, &CheckOptions::default());
        let unexpected = whole.outcomes[0].counts.as_ref().unwrap().unexpected;
        assert_eq!(report.table.rows, unexpected, "{condition}");
        let distinct = report.outcomes.last().unwrap().counts.as_ref().unwrap().unexpected;
        assert_eq!(report.outcomes[0].counts.as_ref().unwrap().rows, unexpected);
        all.push(format!("{condition}: {} rows, {distinct} numbers", report.table.rows));
    }
    expect![[r#"
        day = '2026-11-27': 4000 rows, 4000 numbers
        day > '2026-11-27': 0 rows, 0 numbers
        n >= 2500 AND n < 2600: 200 rows, 100 numbers
        1000 > n: 2000 rows, 1000 numbers
        n IN (5, 3999) AND day <> '2026-11-26': 2 rows, 2 numbers
        t BETWEEN '00010' AND '00019': 20 rows, 10 numbers
        at > '1970-01-03T18:38:59.999Z': 2 rows, 1 numbers
        at < '1970-01-01T00:00:00.0005Z': 2 rows, 1 numbers
        x = 0: 2000 rows, 1000 numbers
        x >= 0.0 AND n < 1000: 1000 rows, 500 numbers
        x > 3990.5: 6 rows, 3 numbers
        x IS NOT NULL AND (n = 3 OR n = 7 OR t = '00011'): 6 rows, 3 numbers
        n + 1 = 100: 2 rows, 1 numbers
        length(t) = 5 AND n <> 7: 7998 rows, 3999 numbers"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn what_is_passed_over_is_not_read() {
    let folder = folder();
    let at = |day: &str| folder.path().join(format!("t/day={day}/part.parquet"));
    for day in ["1", "2"] {
        std::fs::create_dir_all(at(day).parent().unwrap()).unwrap();
        rising(&at(day));
    }
    // Of the first file every page is damaged, of the second those of its first row groups; both footers are whole.
    for (day, part) in [("1", 0.8), ("2", 0.4)] {
        let mut bytes = std::fs::read(at(day)).unwrap();
        let footer = usize::try_from(u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap())).unwrap();
        let damaged = ((bytes.len() - footer - 8) as f64 * part) as usize;
        bytes[4..damaged].fill(0xff);
        std::fs::write(at(day), bytes).unwrap();
    }
    let contract = parse("c.yaml", "columns: { n: { between: [0, 4000] } }", &SuiteOptions::default()).unwrap();
    let asked = |condition: Option<&str>| {
        let only = condition.map(|text| row_condition(text).unwrap());
        let source = Source { only, ..Source::at(folder.path().join("t")) };
        super::world::run(check(&source, &contract, At(0), &CheckOptions::default())).map(|report| report.table.rows)
    };
    assert_eq!(asked(Some("day = 2 AND n >= 3000")).unwrap(), 1_000);
    assert!(asked(Some("day = 2")).is_err(), "its first row groups are damaged");
    assert!(asked(Some("n >= 3000")).is_err(), "the other file is damaged");
    assert!(asked(None).is_err());
}

#[test]
fn a_condition_on_rows_that_is_wrong_is_an_error() {
    let folder = folder();
    let flights = file(&folder, "flights.csv", "origin,n\nEWR,1\n");
    let refused = |condition: &str| {
        let source = Source { only: Some(row_condition(condition).unwrap()), ..Source::at(&flights) };
        let contract = parse("c.yaml", "table: { row_count: 1 }", &SuiteOptions::default()).unwrap();
        let error = super::world::run(check(&source, &contract, At(0), &CheckOptions::default())).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "..")
    };
    expect![[r#"
        check dataset ../flights.csv: there is no column `m`: the table has origin, n
        check dataset ../flights.csv: the condition on rows: a number cannot be compared with text"#]]
    .assert_eq(&[refused("m = 1"), refused("n = 'x'")].join("\n"));
}
