//! Views of `features`: what is read of them, and mistakes that the table of keys cannot see.

use super::super::{FeatureView, load_in};
use super::mistakes::check;
use expect_test::expect;
use tidegate_features::{Aggregate, Value};

const GOOD: &str = "version: 1\nworkspace: shop\nfeatures:\n  delivery:\n    events: deliveries\n    entity: [service, environment]\n    ttl: 30d\n    events_max: 100\n    features:\n      n: { aggregate: count, window: 7d, where: { what: deployment_finished, approved: true, change: 7, revision: 0123456 } }\n      people: { aggregate: distinct, of: actor, window: 1d }\n      hourly: { aggregate: rate, window: 1d }\n      daily: { aggregate: rate, window: 2d, per: 1d }\n  stats:\n    file: stats.parquet\n    entity: driver_id\n    created: created\n    ttl: 1d\n";

#[test]
fn views_are_read() {
    let config = load_in(GOOD, "tidegate.yaml", None).unwrap();
    let Some(FeatureView::Deliveries(view)) = config.features.get("delivery") else { panic!("{:?}", config.features) };
    assert_eq!((view.name(), view.keys().join(","), view.events_max()), ("delivery", "service,environment".to_owned(), 100));
    let only = [
        ("what", Value::text("deployment_finished")),
        ("approved", Value::Bool(true)),
        ("change", Value::Int(7)),
        ("revision", Value::text("0123456")),
    ];
    let features = view.features();
    assert_eq!(features[0].only, only.map(|(field, value)| (field.to_owned(), value)));
    assert_eq!(features[1].aggregate, Aggregate::Distinct("actor".to_owned()));
    assert_eq!((&features[2].aggregate, &features[3].aggregate), (&Aggregate::Rate(3_600_000), &Aggregate::Rate(86_400_000)));
    let Some(FeatureView::File(file)) = config.features.get("stats") else { panic!("{:?}", config.features) };
    assert_eq!((file.keys.as_slice(), file.timestamp.as_str()), (&["driver_id".to_owned()][..], "event_timestamp"));
    assert_eq!((file.created.as_deref(), file.ttl_ms), (Some("created"), Some(86_400_000)));
}

#[test]
fn what_is_no_view_is_said_at_its_place() {
    let view = |features: &str, entity: &str| {
        format!("features:\n  delivery:\n    events: deliveries\n    entity: {entity}\n    features:\n      {features}\n")
    };
    check(
        &view("n: { aggregate: sum, window: 1d }", "service"),
        expect![[r#"
        error: `n`: `of` says which field, for `sum`
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("n: { aggregate: count, of: actor, window: 1d }", "service"),
        expect![[r#"
        error: `n`: `count` counts events and reads no field: leave `of` out
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("n: { aggregate: count, per: 1h, window: 1d }", "service"),
        expect![[r#"
        error: `n`: `per` is for `rate` alone: leave it out
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("n: { aggregate: count, window: 2y }", "service"),
        expect![[r#"
            error: `2y` is not a duration
             --> tidegate.yaml:8:38 (features.delivery.features.n.window)
              |
            8 |       n: { aggregate: count, window: 2y }
              |                                      ^^
              = help: `window` takes a duration, as `500ms`, `20s`, `5m`, `6h` or `30d`

            tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("n: { aggregate: count, window: 500d }", "service"),
        expect![[r#"
        error: `n`: 43200000000 ms is no length of time here: more than nothing, 34560000000 ms (400 days) at most
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("service: { aggregate: count, window: 1d }", "service"),
        expect![[r#"
        error: `service` stands twice: names of keys and features are different from one another
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("n: { aggregate: last, of: outcme, window: 1d, where: { wat: x } }", "servce"),
        expect![[r#"
            error: no event has a field `servce`
             --> tidegate.yaml:4:3 (features.delivery.entity)
              |
            4 |   delivery:
              |   ^^^^^^^^
              = help: fields are actor, approved, change, environment, incident, outcome, repository, revision, service, source, trigger, what

            error: no event has a field `outcme`
             --> tidegate.yaml:4:3 (features.delivery.features.n.of)
              |
            4 |   delivery:
              |   ^^^^^^^^
              = help: fields are actor, approved, change, environment, incident, outcome, repository, revision, service, source, trigger, what

            error: no event has a field `wat`
             --> tidegate.yaml:4:3 (features.delivery.features.n.where)
              |
            4 |   delivery:
              |   ^^^^^^^^
              = help: fields are actor, approved, change, environment, incident, outcome, repository, revision, service, source, trigger, what

            tidegate.yaml: 3 problems"#]],
    );
    check(
        &view("n: { aggregate: count, window: 1d, where: { what: [a] } }", "service"),
        expect![[r#"
        error: `n`: `where` compares `what` with a text
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        &view("n: { aggregate: count, window: 1d, where: { change: some } }", "service"),
        expect![[r#"
        error: `n`: `where` compares `change` with a whole number
         --> tidegate.yaml:4:3 (features.delivery)
          |
        4 |   delivery:
          |   ^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "features:\n  a-b: { file: x.csv, entity: id }\n",
        expect![[r#"
        error: `a-b` is no name: up to 128 letters, digits and `_`, beginning with a letter
         --> tidegate.yaml:4:3 (features.a-b)
          |
        4 |   a-b: { file: x.csv, entity: id }
          |   ^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "features:\n  a: { entity: id }\n",
        expect![[r#"
        error: this asks for nothing that is known
         --> tidegate.yaml:4:8 (features.a)
          |
        4 |   a: { entity: id }
          |        ^^^^^^
          = help: did you mean `entity`?

        tidegate.yaml: 1 problem"#]],
    );
}
