//! Keys of judges that other tools ask: where their counts are, and what harm means.

use super::release::{PROBABILITY, RATIO};
use super::{SPAN, key};
use crate::config::shape::{Need, Shape, Table};

pub(super) static JUDGE: Table = Table {
    title: "judges.NAME",
    doc: "A judge of traffic that another tool moves: Argo Rollouts, Flagger, Spinnaker or Kayenta ask it and act on the answer. It counts requests and failures of two selectors, from the first question on.",
    keys: &[
        key("prometheus", Shape::Http, Need::Required, "Address of the Prometheus server that has the counters. No other is asked."),
        key(
            "candidate",
            Shape::Text,
            Need::Required,
            "Counter of the candidate's requests, a selector. `{{NAME}}` stands for a parameter of the question, as in `http_requests_total{hash=\"{{candidate}}\"}`.",
        ),
        key("control", Shape::Text, Need::Required, "The same of the version that it is compared with."),
        key("errors", Shape::Text, Need::Required, "Matchers that make a request a failure, as `code=~\"5..\"`."),
        key(
            "every",
            Shape::Duration { min_ms: 1_000, max_ms: 3_600_000 },
            Need::Default("30s"),
            "Length of an interval in which both are counted: whole seconds, not shorter than two scrapes.",
        ),
        key("deadline", SPAN, Need::Default("2h"), "Nothing is counted after this time; what was found by then stays."),
        key("alpha", PROBABILITY, Need::Default("0.01"), "Chance that a harmless version is called harmful, however often one asks."),
        key("beta", PROBABILITY, Need::Default("0.05"), "Chance that a harmful one is called harmless."),
        key("tolerance", RATIO, Need::Default("1.1"), "Ratio of rates of failure that nobody minds."),
        key("slack", Shape::Share, Need::Default("0.1%"), "Absolute difference that nobody minds."),
        key("harm", RATIO, Need::Default("1.5"), "Ratio from which it is harm."),
        key("harm_slack", Shape::Share, Need::Default("0.2%"), "Absolute difference from which it is harm."),
    ],
};
