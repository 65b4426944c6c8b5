//! Answers as the services give them: their documented shapes, refusals, gaps.

use super::{cloudwatch, datadog, graphite, influx, newrelic, web};
use crate::prometheus::{Grid, Series, Unusable};
use expect_test::expect;
use serde_json::{Value, json};

/// Two minutes from 2026-01-15T10:30:00Z.
const GRID: Grid = Grid { start_s: 1_768_473_000, step_s: 60, steps: 3 };

fn told(found: Result<Vec<Series>, Unusable>) -> String {
    match found {
        Err(why) => format!("refused: {why}"),
        Ok(series) if series.is_empty() => "nothing".to_owned(),
        Ok(series) => series.iter().map(|s| format!("{:?} {:?}", s.labels, s.values)).collect::<Vec<_>>().join("\n"),
    }
}

fn all(read: fn(&Value, Grid) -> Result<Vec<Series>, Unusable>, answers: &[Value]) -> String {
    answers.iter().map(|body| told(read(body, GRID)) + "\n").collect()
}

#[test]
fn datadog_answers_with_lists_of_points() {
    let point = |s: i64, value: Value| json!([(1_768_473_000_i64 + s) * 1_000, value]);
    let series = json!({
        "metric": "trace.http.errors", "tag_set": ["version:2", "canary"], "scope": "version:2,canary", "interval": 20,
        "pointlist": [point(0, json!(1.0)), point(20, json!(3.0)), point(60, json!(null)), point(120, json!(7.5)), point(180, json!(9))],
    });
    let answers = [
        json!({ "status": "ok", "res_type": "time_series", "series": [series] }),
        json!({ "status": "ok", "series": [] }),
        json!({ "status": "error", "error": "Rule 'q' didn't match" }),
        json!({ "errors": ["Forbidden"] }),
        json!("<html>"),
    ];
    expect![[r#"
        {"canary": "", "metric": "trace.http.errors", "version": "2"} [2.0, NaN, 7.5]
        nothing
        refused: it refuses the query: Rule 'q' didn't match
        refused: it refuses the query: Forbidden
        refused: it refuses the query: it is not an answer of Datadog
    "#]]
    .assert_eq(&all(datadog, &answers));
}

#[test]
fn cloudwatch_answers_with_times_and_values_in_any_order() {
    let result = |code: &str| {
        json!({ "Id": "q", "Label": "p99", "StatusCode": code, "Timestamps": [1_768_473_120, 1_768_473_000], "Values": [2.0, 1.0],
            "Messages": [{ "Code": "x", "Value": "ask again" }] })
    };
    let answers = [
        json!({ "MetricDataResults": [result("Complete")] }),
        json!({ "MetricDataResults": [] }),
        json!({ "MetricDataResults": [result("PartialData")] }),
        json!({ "MetricDataResults": [result("Complete")], "NextToken": "abc" }),
        json!({ "__type": "com.amazonaws#AccessDenied", "message": "not authorized to perform: cloudwatch:GetMetricData" }),
    ];
    expect![[r#"
        {"label": "p99"} [1.0, NaN, 2.0]
        nothing
        refused: its points are not complete (PartialData): ask again
        refused: it has more points than one answer holds: lengthen the interval, or shorten the time
        refused: it refuses the query: not authorized to perform: cloudwatch:GetMetricData
    "#]]
    .assert_eq(&all(cloudwatch, &answers));
}

#[test]
fn new_relic_answers_with_buckets_of_facets() {
    let bucket = |s: i64, facet: Value, rate: Value| {
        json!({ "beginTimeSeconds": 1_768_473_000_i64 + s, "endTimeSeconds": 1_768_473_060_i64 + s, "facet": facet, "result": rate,
            "percentile.duration": { "95": 0.25 } })
    };
    let results = |results: Value| json!({ "data": { "actor": { "account": { "nrql": { "results": results } } } } });
    let answers = [
        results(json!([bucket(0, json!("2"), json!(0.5)), bucket(60, json!("2"), json!(null)), bucket(0, json!("1"), json!(0.1))])),
        results(json!([{ "beginTimeSeconds": 1_768_473_000, "facet": "404", "httpResponseCode": 404, "count": 3 }])),
        results(json!([{ "count": 1_000 }])),
        json!({ "data": null, "errors": [{ "message": "NRQL Syntax Error: Error at line 1" }] }),
        json!({ "data": { "actor": { "account": null } } }),
    ];
    expect![[r#"
        {"column": "percentile.duration.95", "facet": "1"} [0.25, NaN, NaN]
        {"column": "result", "facet": "1"} [0.1, NaN, NaN]
        {"column": "percentile.duration.95", "facet": "2"} [0.25, 0.25, NaN]
        {"column": "result", "facet": "2"} [0.5, NaN, NaN]
        {"column": "count", "facet": "404"} [3.0, NaN, NaN]
        refused: its rows have no times: leave `TIMESERIES`, `SINCE` and `UNTIL` to Tidegate
        refused: it refuses the query: NRQL Syntax Error: Error at line 1
        refused: it is not an answer of New Relic: look at the account and the key
    "#]]
    .assert_eq(&all(newrelic, &answers));
}

#[test]
fn influxdb_answers_with_columns_of_groups() {
    let series = json!({ "name": "http", "tags": { "version": "2" }, "columns": ["time", "mean", "max"],
        "values": [[1_768_473_000, 1.5, 4], [1_768_473_060, null, 2]] });
    let answers = [
        json!({ "results": [{ "statement_id": 0, "series": [series] }] }),
        json!({ "results": [{ "statement_id": 0 }] }),
        json!({ "results": [{ "statement_id": 0, "error": "database not found: x" }] }),
        json!({ "error": "error parsing query: found FORM, expected FROM" }),
        json!({ "results": [{ "series": [{ "name": "x", "columns": ["time", "v"], "values": [], "partial": true }] }] }),
        json!({ "results": [{}, {}] }),
        json!({ "results": [{ "series": [{ "name": "databases", "columns": ["name"], "values": [["x"]] }] }] }),
        json!(null),
    ];
    expect![[r#"
        {"column": "mean", "measurement": "http", "version": "2"} [1.5, NaN, NaN]
        {"column": "max", "measurement": "http", "version": "2"} [4.0, 2.0, NaN]
        nothing
        refused: it refuses the query: database not found: x
        refused: it refuses the query: error parsing query: found FORM, expected FROM
        refused: it gave a part of the rows: lengthen the interval, or shorten the time
        refused: 2 statements: ask one
        refused: its rows have no times: select values, as `mean("value")`
        refused: it is not an answer of InfluxDB
    "#]]
    .assert_eq(&all(influx, &answers));
}

#[test]
fn graphite_answers_with_values_before_their_times() {
    let answers = [
        json!([{ "target": "shop.errors", "tags": {}, "datapoints": [[null, 1_768_473_000], [0.5, 1_768_473_060], [1.5, 1_768_473_119]] }]),
        json!([]),
        json!("\n  Invalid request: parameter from is wrong\nmore"),
        json!({}),
    ];
    expect![[r#"
        {"target": "shop.errors"} [NaN, 1.0, NaN]
        nothing
        refused: it says Invalid request: parameter from is wrong
        refused: it is not an answer of Graphite
    "#]]
    .assert_eq(&all(graphite, &answers));
}

#[test]
fn json_has_its_number_at_a_pointer() {
    let body = json!({ "data": { "rate": 0.5, "text": " 1.5 ", "all": [1, null, 3], "who": "x" } });
    let said: String =
        ["/data/rate", "/data/text", "/data/all", "/data/who", "/data", "data.rate"].map(|p| told(web(&body, p, GRID)) + "\n").concat();
    expect![[r#"
        {"item": "0"} [NaN, NaN, 0.5]
        {"item": "0"} [NaN, NaN, 1.5]
        {"item": "0"} [NaN, NaN, 1.0]
        {"item": "1"} [NaN, NaN, NaN]
        {"item": "2"} [NaN, NaN, 3.0]
        refused: at `/data/who` it has "x", which is no number
        refused: at `/data` it has {"rate":0.5,"text":" 1.5 ","all":[1,null,3],"who":"x"}, which is no number
        refused: its answer has nothing at `data.rate`: a pointer is written as `/data/rate`
    "#]]
    .assert_eq(&said);
}
