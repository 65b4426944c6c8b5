//! Contracts of other tools as text, and our own newer rules: what is read, what is refused and where.
use super::*;
use expect_test::{Expect, expect};

fn check(file: &str, text: &str, expected: Expect) {
    let shown = match parse(file, text, &SuiteOptions::default()) {
        Ok(contract) => {
            let lines = contract.expectations.iter().map(|e| {
                let line = serde_json::to_string(e).unwrap();
                line.replace(",\"severity\":\"critical\",\"mostly\":1.0", "").replace(",\"strict_min\":false,\"strict_max\":false", "")
            });
            format!("{} {}\n{}", contract.dataset, serde_json::to_string(&contract.rules).unwrap(), lines.collect::<Vec<_>>().join("\n"))
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn formats_are_told_by_their_content() {
    let of = |text: &str| format_of(text);
    assert_eq!(of("schema_type: dataframe\n"), Some(ContractFormat::Pandera));
    assert_eq!(of("kind: DataContract\napiVersion: v3.1.0\n"), Some(ContractFormat::Odcs));
    assert_eq!(of("{\"name\": \"s\", \"expectations\": []}"), Some(ContractFormat::Suite));
    assert_eq!(of("{\"expectation_suite_name\": \"s\"}"), Some(ContractFormat::Suite));
    assert_eq!(of("dataset: x\nexpectations: []\n"), Some(ContractFormat::Own));
    assert_eq!(of("a: ["), None);
}

#[test]
fn a_schema_of_pandera_is_read_in_three_spellings() {
    let flat = "schema_type: dataframe\nname: t\ncolumns:\n  a:\n    dtype: int64\n    nullable: true\n    required: false\n    in_range: { min_value: 0, max_value: 5, include_max: false }\n  s:\n    dtype: str\n    nullable: true\n    str_matches: ^a\n    isin: { allowed_values: [x, y], raise_warning: true }\nstrict: false\nunique: [a, s]\n";
    check(
        "s.yaml",
        flat,
        expect![[r#"
            t {"rules":"pandera","strict":false,"optional":["a"]}
            {"kind":"of_type","column":"a","types":["int64"],"list":true}
            {"kind":"between","column":"a","bounds":{"min":0,"max":5,"strict_min":false,"strict_max":true}}
            {"kind":"column_exists","column":"s","index":null}
            {"kind":"of_type","column":"s","types":["string"],"list":true}
            {"kind":"match_regex","column":"s","regex":"\\A(?:^a)","negate":false}
            {"kind":"in_set","column":"s","values":["x","y"],"negate":false,"severity":"warning","mostly":1.0}
            {"kind":"compound_unique","columns":["a","s"],"ignore_row_if":"never"}"#]],
    );
    let nested = "schema_type: dataframe\ncolumns:\n  a:\n    nullable: true\n    checks:\n      greater_than: 1\n      str_length: { min_value: 1, max_value: 2, options: { raise_warning: true } }\n";
    let listed = "schema_type: dataframe\ncolumns:\n  a:\n    nullable: true\n    checks:\n    - value: 1\n      options: { check_name: greater_than }\n    - { min_value: 1, max_value: 2, options: { check_name: str_length, raise_warning: true } }\n";
    let read = |text: &str| parse("s.yaml", text, &SuiteOptions::default()).unwrap().expectations;
    assert_eq!(read(nested), read(listed));
}

#[test]
fn what_pandera_does_in_python_is_refused_by_name() {
    let text = "schema_type: dataframe\ncolumns:\n  a:\n    dtype: timedelta64[ns]\n    coerce: true\n    is_even: true\n    greater_then: 3\n  b:\n    regex: true\n    checks:\n    - { value: 3 }\nindex:\n- dtype: int64\nordered: true\nadd_missing_columns: true\nfrobnicate: 1\n";
    check(
        "s.yaml",
        text,
        expect![[r#"
        read contract s.yaml:
          s.yaml:4:12: dtype `timedelta64[ns]` is refused: it has no counterpart in files
          s.yaml:5:5: `coerce` is refused: a check changes no data; do that before, and leave it out here
          s.yaml:6:5: check `is_even` of column `a` is refused: it is not one of Pandera's own
          s.yaml:7:5: check `greater_then` of column `a` is refused: it is not one of Pandera's own: did you mean `greater_than`?
          s.yaml:9:5: `regex: true` is refused: name each column, a name that matches nothing would pass
          s.yaml:11:7: a check without `options: { check_name: .. }` is refused: it does not say which it is
          s.yaml:12:1: `index` is refused: a file has no index; make it a column
          s.yaml:14:10: `ordered` without `strict: true` is refused: other columns may stand between
          s.yaml:15:1: `add_missing_columns` is refused: a check changes no data; do that before, and leave it out here
          s.yaml:16:1: `frobnicate` of a schema is refused: it is not understood"#]],
    );
}

const CONTRACT: &str = r#"
apiVersion: v3.1.0
kind: DataContract
id: x
version: 1.0.0
status: active
schema:
- name: trips
  properties:
  - name: id
    logicalType: integer
    primaryKey: true
  - name: fare
    logicalType: number
    required: true
    logicalTypeOptions: { minimum: 0, exclusiveMaximum: 500, multipleOf: 0.5 }
    quality:
    - { metric: nullValues, mustBe: 0 }
    - { metric: missingValues, arguments: { missingValues: [-1, null] }, mustBeLessThan: 5, unit: percent, severity: warning }
    - { type: sql, query: "SELECT COUNT(*) FROM {object} WHERE {property} > 400", mustBeLessThan: 10 }
    - { type: sql, query: "SELECT MAX({property}) / MIN({property}) FROM trips", mustBeBetween: [1, 40] }
    - { type: text, description: fares are in dollars }
  - name: kind
    quality:
    - { metric: invalidValues, arguments: { validValues: [a, b] }, mustBeBetween: [0, 3] }
  quality:
  - { metric: rowCount, mustBeGreaterThan: 10 }
  - { metric: duplicateValues, arguments: { properties: [fare, kind] }, mustBe: 0 }
  - type: custom
    engine: greatExpectations
    implementation: { type: expect_column_mean_to_be_between, kwargs: { column: fare, max_value: 50 } }
slaProperties:
- { property: latency, value: 2, unit: d, element: trips.at }
- { property: retention, value: 3, unit: y }
"#;

#[test]
fn a_data_contract_is_read() {
    check(
        "c.yaml",
        CONTRACT,
        expect![[r#"
            trips {"rules":"own","no_rows":false,"no_rules":false,"all_null":[],"missing_column":[]}
            {"kind":"column_exists","column":"id","index":null}
            {"kind":"of_type","column":"id","types":["integer"],"list":true}
            {"kind":"column_exists","column":"fare","index":null}
            {"kind":"of_type","column":"fare","types":["number"],"list":true}
            {"kind":"not_null","column":"fare"}
            {"kind":"between","column":"fare","bounds":{"min":0,"max":null}}
            {"kind":"between","column":"fare","bounds":{"min":null,"max":500,"strict_min":false,"strict_max":true}}
            {"kind":"satisfies","condition":{"predicate":{"compare":[{"arithmetic":[{"column":"fare"},"remainder",{"value":0.5}]},"equal",{"value":0}]},"nulls":"unknown","text":"fare is a multiple of 0.5"}}
            {"kind":"unexpected_count","rule":{"kind":"not_null","column":"fare"},"bounds":{"min":0,"max":0},"outside":false,"percent":false}
            {"kind":"unexpected_count","rule":{"kind":"satisfies","condition":{"predicate":{"all":[{"is_null":[{"column":"fare"},true]},{"in":[{"column":"fare"},[-1],true]}]},"nulls":"false","text":"fare is neither null nor one of (-1)"}},"bounds":{"min":null,"max":5,"strict_min":false,"strict_max":true},"outside":false,"percent":true,"severity":"warning","mostly":1.0}
            {"kind":"unexpected_count","rule":{"kind":"no_rows_found","query":"SELECT COUNT(*) FROM {object} WHERE {property} > 400","condition":{"predicate":{"compare":[{"column":"fare"},"greater",{"value":400}]},"nulls":"unknown","text":"SELECT COUNT(*) FROM {object} WHERE \"fare\" > 400"}},"bounds":{"min":null,"max":10,"strict_min":false,"strict_max":true},"outside":false,"percent":false}
            {"kind":"query_number","query":{"text":"SELECT MAX({property}) / MIN({property}) FROM trips","sql":"SELECT MAX(\"fare\") / MIN(\"fare\") FROM trips","checked":["trips"],"datasets":[]},"bounds":{"min":1,"max":40,"strict_min":true,"strict_max":true},"outside":false}
            {"kind":"column_exists","column":"kind","index":null}
            {"kind":"unexpected_count","rule":{"kind":"in_set","column":"kind","values":["a","b"],"negate":false},"bounds":{"min":0,"max":3,"strict_min":true,"strict_max":true},"outside":false,"percent":false}
            {"kind":"not_null","column":"id"}
            {"kind":"unique","column":"id"}
            {"kind":"row_count","bounds":{"min":10,"max":null,"strict_min":true,"strict_max":false}}
            {"kind":"unexpected_count","rule":{"kind":"compound_unique","columns":["fare","kind"],"ignore_row_if":"never"},"bounds":{"min":0,"max":0},"outside":false,"percent":false}
            {"kind":"aggregate","column":"fare","statistic":"mean","bounds":{"min":null,"max":50}}
            {"kind":"freshness","column":"at","within_ms":172800000}"#]],
    );
    let inclusive = format!("{CONTRACT}customProperties:\n- {{ property: tidegate.between, value: inclusive }}\n");
    let strict = |text: &str| {
        let all = parse("c.yaml", text, &SuiteOptions::default()).unwrap().expectations;
        serde_json::to_string(&all).unwrap().matches("\"strict_min\":true").count()
    };
    assert_eq!((strict(CONTRACT), strict(&inclusive)), (3, 1));
}

#[test]
fn what_a_data_contract_cannot_be_held_to_is_refused_by_name() {
    let text = "apiVersion: v2.2.0\nkind: DataContract\nowner: x\nschema:\n- name: a\n  properties:\n  - name: p\n    logicalType: array\n    logicalTypeOptions: { format: email }\n    quality:\n    - { metric: freshness, mustBe: 1 }\n    - { metric: nullValues }\n    - { type: custom, engine: soda, implementation: x }\n    - { type: sql, query: 'SELECT AVG(p) FROM {elsewhere}', mustBe: 1 }\n";
    check(
        "c.yaml",
        text,
        expect![[r#"
        read contract c.yaml:
          c.yaml:1:13: apiVersion `v2.2.0` is refused: v3 is understood
          c.yaml:3:1: `owner` is no key of a data contract
          c.yaml:8:18: logicalType `array` of `p` is refused: its values cannot be checked
          c.yaml:9:27: `format` of `p` is refused: pattern, lengths, minimum, maximum and multipleOf are checked
          c.yaml:11:7: metric `freshness` is refused: nullValues, missingValues, invalidValues, duplicateValues, rowCount
          c.yaml:12:7: the rule has no operator, so it says nothing: write `mustBe: 0`
          c.yaml:13:7: quality of engine `soda` is refused: greatExpectations is understood
          c.yaml:14:27: the query does not read the checked table, so it says nothing about it: name it as `{batch}`"#]],
    );
    let two = "apiVersion: v3.1.0\nkind: DataContract\nschema:\n- { name: a, properties: [{ name: p }] }\n- { name: b, properties: [{ name: q }] }\n";
    check(
        "c.yaml",
        two,
        expect![[r#"
        read contract c.yaml:
          c.yaml:4:3: the contract has the objects a, b: call the dataset as one of them"#]],
    );
    let options = SuiteOptions { object: Some("b".to_owned()), ..SuiteOptions::default() };
    assert_eq!(parse("c.yaml", two, &options).unwrap().expectations.len(), 1);
}

#[test]
fn our_own_rules_on_rows_queries_references_and_history() {
    let text = r#"
table: { volume: { checks: 7, max_loss: 0.2 }, schema: backward, same_rows_as: labels }
rules:
  - price > 0 OR refunded
  - { condition: "length(code) = 2", mostly: 0.9, severity: warning, notes: codes }
sql:
  - SELECT * FROM {batch} WHERE a > b
references:
  - { columns: [a], dataset: airports, to: [faa] }
columns:
  carrier: { references: airlines.code, like: "A%", between: { min: 1, where: "kind = 'x'" }, distinct_in_set: [a] }
"#;
    check(
        "c.yaml",
        text,
        expect![[r#"
        c {"rules":"own","no_rows":false,"no_rules":false,"all_null":[],"missing_column":[]}
        {"kind":"volume","checks":7,"max_loss":0.2,"max_growth":null}
        {"kind":"schema_compatible","compatibility":"backward","optional":[]}
        {"kind":"same_row_count","dataset":"labels"}
        {"kind":"satisfies","condition":{"predicate":{"any":[{"compare":[{"column":"price"},"greater",{"value":0}]},{"is":{"column":"refunded"}}]},"nulls":"unknown","text":"price > 0 OR refunded"}}
        {"kind":"satisfies","condition":{"predicate":{"compare":[{"function":["length",{"column":"code"}]},"equal",{"value":2}]},"nulls":"unknown","text":"length(code) = 2"},"severity":"warning","mostly":0.9,"notes":"codes"}
        {"kind":"no_rows_found","query":"SELECT * FROM {batch} WHERE a > b","condition":{"predicate":{"compare":[{"column":"a"},"greater",{"column":"b"}]},"nulls":"unknown","text":"SELECT * FROM {batch} WHERE a > b"}}
        {"kind":"references","columns":["a"],"dataset":"airports","to":["faa"]}
        {"kind":"references","columns":["carrier"],"dataset":"airlines","to":["code"]}
        {"kind":"match_like","column":"carrier","patterns":["A%"],"match_on":"any","negate":false,"list":false,"escape":null}
        {"kind":"between","column":"carrier","bounds":{"min":1,"max":null},"row_condition":{"condition":{"predicate":{"compare":[{"column":"kind"},"equal",{"value":"x"}]},"nulls":"unknown","text":"kind = 'x'"},"written":"kind = 'x'"}}
        {"kind":"distinct_values","column":"carrier","values":["a"],"relation":"in"}"#]],
    );
    let wrong = "rules: [price >, 3]\nsql: [DROP TABLE x]\nreferences: [x]\ntable: { schema: sideways, volume: { checks: 0 } }\ncolumns: { a: { references: b, kl_divergence: 3 } }\n";
    check(
        "c.yaml",
        wrong,
        expect![[r#"
        read contract c.yaml:
          c.yaml:1:9: the condition ends where a column or a value is expected
          c.yaml:1:18: this must be a text or a mapping with `condition`, not a whole number
          c.yaml:2:7: a query begins with SELECT or WITH
          c.yaml:3:14: a reference is a mapping: `{ columns: [a], dataset: other, to: [b] }`
          c.yaml:4:18: `sideways` is none of backward, forward, full
          c.yaml:4:46: `checks` is not a whole number from 1
          c.yaml:5:29: `b` is not `dataset.column`
          c.yaml:5:47: this must be a mapping, not a whole number"#]],
    );
}

#[test]
fn every_rule_is_written_back_as_it_is_read() {
    // Kinds of rules by suite name, with arguments that are not the defaults.
    let suite = r#"{"name":"s","expectations":[
 {"type":"expect_column_values_to_match_regex_list","kwargs":{"column":"a","regex_list":["x","y"],"match_on":"all"}},
 {"type":"expect_column_values_to_not_match_like_pattern_list","kwargs":{"column":"a","like_pattern_list":["x%"]}},
 {"type":"expect_column_values_to_match_strftime_format","kwargs":{"column":"a","strftime_format":"%Y","mostly":0.5}},
 {"type":"expect_column_value_z_scores_to_be_less_than","kwargs":{"column":"a","threshold":3.0,"double_sided":false}},
 {"type":"expect_column_values_to_not_be_outliers","kwargs":{"column":"a","method":"std","multiplier":2.0}},
 {"type":"expect_column_most_common_value_to_be_in_set","kwargs":{"column":"a","value_set":[1],"ties_okay":true}},
 {"type":"expect_column_distinct_values_to_equal_set","kwargs":{"column":"a","value_set":["x"]}},
 {"type":"expect_column_kl_divergence_to_be_less_than","kwargs":{"column":"a","partition_object":{"bins":["-inf",0.0,1.0],"weights":[0.5,0.5]},"threshold":0.1,"tail_weight_holdout":0.01}},
 {"type":"expect_column_pair_values_to_be_in_set","kwargs":{"column_A":"a","column_B":"b","ignore_row_if":"neither","value_pairs_set":[[1,null]]}},
 {"type":"expect_column_pair_values_a_to_be_greater_than_b","kwargs":{"column_A":"a","column_B":"b","or_equal":true}},
 {"type":"expect_multicolumn_sum_to_equal","kwargs":{"column_list":["a","b"],"sum_total":3.0,"ignore_row_if":"never"}},
 {"type":"expect_column_values_to_not_be_null","kwargs":{"column":"a","row_condition":{"type":"nullity","column":{"name":"b"},"is_null":true},"condition_parser":"great_expectations"}},
 {"type":"unexpected_rows_expectation","kwargs":{"unexpected_rows_query":"SELECT * FROM {batch} WHERE a > 1"}}]}"#;
    let read: serde_json::Value = serde_json::from_str(suite).unwrap();
    let contract = parse("s.json", suite, &SuiteOptions::default()).unwrap();
    for (expectation, item) in contract.expectations.iter().zip(read["expectations"].as_array().unwrap()) {
        assert_eq!(expectation.kind.name(), item["type"]);
        assert_eq!(serde_json::Value::Object(written::arguments(expectation)), item["kwargs"], "{}", item["type"]);
    }
    assert_eq!(contract.expectations.len(), 13);
}
