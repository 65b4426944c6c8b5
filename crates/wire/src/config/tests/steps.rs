//! The steps of a strategy: their order, their weights, what is no step.

use super::mistakes::check;
use expect_test::expect;

#[test]
fn steps() {
    check(
        "releases:\n  r:\n    steps:\n      - canary:\n      - shadow:\n",
        expect![[r#"
        error: `shadow` comes first, and once; only a `preview` may come before it
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

            error: `shadow` comes first, and once; only a `preview` may come before it
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
            error: takes a mapping with exactly one key: `preview`, `shadow`, `canary`, `pause` or `promote`
             --> tidegate.yaml:6:9 (releases.r.steps[0])
              |
            6 |       - shadow
              |         ^^^^^^
              = help: as `- preview: { .. }`

            error: takes a mapping with exactly one key: `preview`, `shadow`, `canary`, `pause` or `promote`
             --> tidegate.yaml:7:9 (releases.r.steps[1])
              |
            7 |       - canary: {}
              |         ^
              = help: as `- preview: { .. }`

            error: unknown key `launch`
             --> tidegate.yaml:9:9 (releases.r.steps[2])
              |
            9 |       - launch: {}
              |         ^^^^^^
              = help: known: `preview`, `shadow`, `canary`, `pause`, `promote`

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
          = help: put `- shadow: {}` or `- canary: {}` before it, or `- preview: {}` where a person decides

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

#[test]
fn previews_and_affinity() {
    check(
        "models: { m: { artifact: a } }\nservices:\n  s: { model: m, affinity: {} }\n  t: { model: m, affinity: { header: 'x y', cookie: id } }\nreleases:\n  r:\n    steps:\n      - canary:\n      - preview: { header: x, cookie: y, value: 'a b' }\n      - pause:\n      - promote:\n",
        expect![[r#"
            error: neither `header` nor `cookie` says what carries it
             --> tidegate.yaml:5:18 (services.s.affinity)
              |
            5 |   s: { model: m, affinity: {} }
              |                  ^^^^^^^^

            error: it is no name of a header
             --> tidegate.yaml:6:38 (services.t.affinity.header)
              |
            6 |   t: { model: m, affinity: { header: 'x y', cookie: id } }
              |                                      ^^^^^
              = help: letters, digits and `-`, as `x-user-id`

            error: `header` and `cookie` are both given: it is in one place
             --> tidegate.yaml:6:53 (services.t.affinity)
              |
            6 |   t: { model: m, affinity: { header: 'x y', cookie: id } }
              |                                                     ^^

            error: `preview` comes first, and once
              --> tidegate.yaml:11:9 (releases.r.steps[1])
               |
            11 |       - preview: { header: x, cookie: y, value: 'a b' }
               |         ^^^^^^^

            error: `header` and `cookie` are both given: it is in one place
              --> tidegate.yaml:11:39 (releases.r.steps[1].preview)
               |
            11 |       - preview: { header: x, cookie: y, value: 'a b' }
               |                                       ^

            error: it holds white space, quotes, commas, semicolons or letters beyond ASCII: a cookie cannot carry them
              --> tidegate.yaml:11:49 (releases.r.steps[1].preview.value)
               |
            11 |       - preview: { header: x, cookie: y, value: 'a b' }
               |                                                 ^^^^^

            error: `pause` comes after a `shadow` or a `canary`
              --> tidegate.yaml:12:9 (releases.r.steps[2])
               |
            12 |       - pause:
               |         ^^^^^

            tidegate.yaml: 7 problems"#]],
    );
}

#[test]
fn bands_of_risk_grow_and_lead_to_strategies() {
    let head = "releases:\n  quick: {}\n  scored:\n    by_risk: [{ below: 0.1, release: quick }]\n";
    check(
        &format!(
            "{head}  careful:\n    by_risk:\n      - {{ below: 0.2, release: quick }}\n      - {{ below: 0.2, release: careful }}\n      - {{ below: 1.5, release: scored }}\n      - {{ below: 0.9, release: nobody }}\n"
        ),
        expect![[r#"
            error: bands grow: each `below` is larger than the one before
              --> tidegate.yaml:10:18 (releases.careful.by_risk[1].below)
               |
            10 |       - { below: 0.2, release: careful }
               |                  ^^^

            error: this is the strategy itself, which all other changes take
              --> tidegate.yaml:10:32 (releases.careful.by_risk[1].release)
               |
            10 |       - { below: 0.2, release: careful }
               |                                ^^^^^^^

            error: `1.5` is out of range
              --> tidegate.yaml:11:18 (releases.careful.by_risk[2].below)
               |
            11 |       - { below: 1.5, release: scored }
               |                  ^^^
               = help: `below` takes a number from 0 to 1

            error: `scored` has bands of its own
              --> tidegate.yaml:11:32 (releases.careful.by_risk[2].release)
               |
            11 |       - { below: 1.5, release: scored }
               |                                ^^^^^^
               = help: name a strategy that has no `by_risk`

            error: bands grow: each `below` is larger than the one before
              --> tidegate.yaml:12:18 (releases.careful.by_risk[3].below)
               |
            12 |       - { below: 0.9, release: nobody }
               |                  ^^^

            error: `nobody` is not under `releases`
              --> tidegate.yaml:12:32 (releases.careful.by_risk[3].release)
               |
            12 |       - { below: 0.9, release: nobody }
               |                                ^^^^^^
               = help: known: `quick`, `scored`, `careful`, `default`

            tidegate.yaml: 6 problems"#]],
    );
}
