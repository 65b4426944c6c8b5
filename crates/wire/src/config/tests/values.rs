//! Values of the wrong unit, out of range, or that are no allowed word.

use super::mistakes::{check, check_judge};
use expect_test::expect;

#[test]
fn wrong_units() {
    check(
        "data:\n  d: { path: d.csv, fresh_within: 7 }\n",
        expect![[r#"
        error: `7` has no unit
         --> tidegate.yaml:4:35 (data.d.fresh_within)
          |
        4 |   d: { path: d.csv, fresh_within: 7 }
          |                                   ^
          = help: `fresh_within` takes a duration, as `500ms`, `20s`, `5m`, `6h` or `30d`

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "data:\n  d: { path: d.csv, fresh_within: 7 days }\n",
        expect![[r#"
        error: `7 days` is not a duration
         --> tidegate.yaml:4:35 (data.d.fresh_within)
          |
        4 |   d: { path: d.csv, fresh_within: 7 days }
          |                                   ^^^^^^
          = help: `fresh_within` takes a duration, as `500ms`, `20s`, `5m`, `6h` or `30d`

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "data:\n  d: { path: d.csv, as_of: 2013-02-30 }\n",
        expect![[r#"
        error: `2013-02-30` is neither a date nor an instant
         --> tidegate.yaml:4:28 (data.d.as_of)
          |
        4 |   d: { path: d.csv, as_of: 2013-02-30 }
          |                            ^^^^^^^^^^
          = help: `as_of` takes a date (its end, UTC) or an instant, as `2013-12-31` or `2013-12-31T06:00:00Z`

        tidegate.yaml: 1 problem"#]],
    );
    check_judge(
        "      guardrails:\n        errors: { slack: 10 }\n",
        expect![[r#"
        error: `10` lies outside 0 to 1 (0 % to 100 %)
         --> tidegate.yaml:7:26 (releases.default.judge.guardrails.errors.slack)
          |
        7 |         errors: { slack: 10 }
          |                          ^^
          = help: `slack` takes a share, as `0.1%` or `0.001`

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "gateway: { listen: localhost }\n",
        expect![[r#"
        error: `localhost` is not an address with a port
         --> tidegate.yaml:3:20 (gateway.listen)
          |
        3 | gateway: { listen: localhost }
          |                    ^^^^^^^^^
          = help: `listen` takes an address with a port, as `127.0.0.1:8700`

        tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn out_of_range() {
    check_judge(
        "      alpha: 1.0\n      beta: 0\n",
        expect![[r#"
        error: `1.0` is out of range
         --> tidegate.yaml:6:14 (releases.default.judge.alpha)
          |
        6 |       alpha: 1.0
          |              ^^^
          = help: `alpha` takes a number between 0 and 1, both excluded

        error: `0` is out of range
         --> tidegate.yaml:7:13 (releases.default.judge.beta)
          |
        7 |       beta: 0
          |             ^
          = help: `beta` takes a number between 0 and 1, both excluded

        tidegate.yaml: 2 problems"#]],
    );
    check_judge(
        "      hold_above: .inf\n      stale_ticks: 0\n      tick: 1ms\n",
        expect![[r#"
        error: `.inf` is not a finite number
         --> tidegate.yaml:6:19 (releases.default.judge.hold_above)
          |
        6 |       hold_above: .inf
          |                   ^^^^
          = help: `hold_above` takes a number above 0

        error: `0` is out of range
         --> tidegate.yaml:7:20 (releases.default.judge.stale_ticks)
          |
        7 |       stale_ticks: 0
          |                    ^
          = help: `stale_ticks` takes a whole number, at least 1

        error: `1ms` is out of range
         --> tidegate.yaml:8:13 (releases.default.judge.tick)
          |
        8 |       tick: 1ms
          |             ^^^
          = help: `tick` takes a duration from 100ms to 1h, as `20s`, `5m` or `30d`

        tidegate.yaml: 3 problems"#]],
    );
    check(
        "releases:\n  default:\n    steps:\n      - shadow: { percent: 101 }\n      - promote: { hold_back: 60 }\n",
        expect![[r#"
        error: `101` lies outside 0 % to 100 %
         --> tidegate.yaml:6:28 (releases.default.steps[0].shadow.percent)
          |
        6 |       - shadow: { percent: 101 }
          |                            ^^^
          = help: `percent` takes a percentage from 0.01% to 100%, as `5` or `0.5%`

        error: `60` is out of range
         --> tidegate.yaml:7:31 (releases.default.steps[1].promote.hold_back)
          |
        7 |       - promote: { hold_back: 60 }
          |                               ^^
          = help: `hold_back` takes a percentage from 0% to 50%, as `5` or `0.5%`

        tidegate.yaml: 2 problems"#]],
    );
}

#[test]
fn words() {
    check(
        "data:\n  d: { path: d.csv, classification: secret }\n",
        expect![[r#"
        error: `secret` is not one of `public`, `internal`, `confidential` or `restricted`
         --> tidegate.yaml:4:37 (data.d.classification)
          |
        4 |   d: { path: d.csv, classification: secret }
          |                                     ^^^^^^
          = help: `classification` takes `public`, `internal`, `confidential` or `restricted`

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "releases:\n  default:\n    judge: strict\n",
        expect![[r#"
        error: `strict` is not `default`
         --> tidegate.yaml:5:12 (releases.default.judge)
          |
        5 |     judge: strict
          |            ^^^^^^
          = help: `judge` takes `default`

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "releases:\n  default:\n    steps:\n      - canary: { baseline: frsh }\n      - promote:\n",
        expect![[r#"
            error: `frsh` is not `fresh`
             --> tidegate.yaml:6:29 (releases.default.steps[0].canary.baseline)
              |
            6 |       - canary: { baseline: frsh }
              |                             ^^^^
              = help: did you mean `fresh`?

            tidegate.yaml: 1 problem"#]],
    );
}
