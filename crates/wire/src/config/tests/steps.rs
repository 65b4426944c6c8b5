//! The steps of a strategy: their order, their weights, what is no step.

use super::mistakes::check;
use expect_test::expect;

#[test]
fn steps() {
    check(
        "releases:\n  r:\n    steps:\n      - canary:\n      - shadow:\n",
        expect![[r#"
        error: `shadow` comes first, and once
         --> tidegate.yaml:7:9 (releases.r.steps[1])
          |
        7 |       - shadow:
          |         ^^^^^^

        error: after the last step nobody gets the new version: `promote` is missing
         --> tidegate.yaml:7:9 (releases.r.steps[1])
          |
        7 |       - shadow:
          |         ^^^^^^
          = help: end with `- promote: {}`

        tidegate.yaml: 2 problems"#]],
    );
    check(
        "releases:\n  r:\n    steps:\n      - promote:\n      - promote:\n",
        expect![[r#"
        error: `promote` comes last, and once
         --> tidegate.yaml:6:9 (releases.r.steps[0])
          |
        6 |       - promote:
          |         ^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "releases:\n  r:\n    steps:\n      - canary: { weights: [25, 5, 60] }\n      - promote:\n",
        expect![[r#"
            error: weight 5 does not grow; 25% came before it
             --> tidegate.yaml:6:33 (releases.r.steps[0].canary.weights)
              |
            6 |       - canary: { weights: [25, 5, 60] }
              |                                 ^

            error: `60` is out of range
             --> tidegate.yaml:6:36 (releases.r.steps[0].canary.weights[2])
              |
            6 |       - canary: { weights: [25, 5, 60] }
              |                                    ^^
              = help: `weights[2]` takes a percentage from 0.01% to 50%, as `5` or `0.5%`

            tidegate.yaml: 2 problems"#]],
    );
    check(
        "releases:\n  r:\n    steps:\n      - canary: { weights: [50, 100], baseline: stable }\n      - shadow: { until: evidense }\n      - canary: { weights: [] }\n      - promote:\n",
        expect![[r#"
            error: `100` is out of range
             --> tidegate.yaml:6:33 (releases.r.steps[0].canary.weights[1])
              |
            6 |       - canary: { weights: [50, 100], baseline: stable }
              |                                 ^^^
              = help: `weights[1]` takes a percentage from 0.01% to 50%, as `5` or `0.5%`

            error: `stable` is not `fresh`
             --> tidegate.yaml:6:49 (releases.r.steps[0].canary.baseline)
              |
            6 |       - canary: { weights: [50, 100], baseline: stable }
              |                                                 ^^^^^^
              = help: `baseline` takes `fresh`

            error: `shadow` comes first, and once
             --> tidegate.yaml:7:9 (releases.r.steps[1])
              |
            7 |       - shadow: { until: evidense }
              |         ^^^^^^

            error: `evidense` is not a duration
             --> tidegate.yaml:7:26 (releases.r.steps[1].shadow.until)
              |
            7 |       - shadow: { until: evidense }
              |                          ^^^^^^^^
              = help: did you mean `evidence`?

            error: 0 items; the list takes 1 to 20
             --> tidegate.yaml:8:28 (releases.r.steps[2].canary.weights)
              |
            8 |       - canary: { weights: [] }
              |                            ^

            tidegate.yaml: 5 problems"#]],
    );
    check(
        "releases:\n  r:\n    steps:\n      - shadow\n      - canary: {}\n        promote: {}\n      - launch: {}\n",
        expect![[r#"
            error: takes a mapping with exactly one key: `shadow`, `canary`, `pause` or `promote`
             --> tidegate.yaml:6:9 (releases.r.steps[0])
              |
            6 |       - shadow
              |         ^^^^^^
              = help: as `- shadow: { .. }`

            error: takes a mapping with exactly one key: `shadow`, `canary`, `pause` or `promote`
             --> tidegate.yaml:7:9 (releases.r.steps[1])
              |
            7 |       - canary: {}
              |         ^
              = help: as `- shadow: { .. }`

            error: unknown key `launch`
             --> tidegate.yaml:9:9 (releases.r.steps[2])
              |
            9 |       - launch: {}
              |         ^^^^^^
              = help: known: `shadow`, `canary`, `pause`, `promote`

            tidegate.yaml: 3 problems"#]],
    );
    check(
        "releases:\n  r: { steps: [] }\n",
        expect![[r#"
            error: 0 items; the list takes 1 to 41
             --> tidegate.yaml:4:15 (releases.r.steps)
              |
            4 |   r: { steps: [] }
              |               ^

            tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn too_many_or_too_few_steps() {
    check(
        "releases:\n  r:\n    steps: [promote: {}]\n",
        expect![[r#"
        error: no step gathers evidence: every version would be promoted
         --> tidegate.yaml:5:13 (releases.r.steps)
          |
        5 |     steps: [promote: {}]
          |             ^^^^^^^
          = help: put `- shadow: {}` or `- canary: {}` before it

        tidegate.yaml: 1 problem"#]],
    );
    let many = (1..=12).map(|w| w.to_string()).collect::<Vec<_>>().join(", ");
    let more = (13..=24).map(|w| w.to_string()).collect::<Vec<_>>().join(", ");
    let steps = format!("    steps:\n      - canary: {{ weights: [{many}] }}\n      - canary: {{ weights: [{more}] }}\n      - promote:\n");
    check(
        &format!("releases:\n  r:\n{steps}"),
        expect![[r#"
        error: 24 stages before `promote`, each weight one; at most 20
         --> tidegate.yaml:6:9 (releases.r.steps)
          |
        6 |       - canary: { weights: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] }
          |         ^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
}
