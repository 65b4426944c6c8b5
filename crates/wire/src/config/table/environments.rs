//! Keys of `environments`, and of what differs in one of them for a service.

use super::drivers;
use super::{SPAN, key};
use crate::config::shape::{Need, Shape, Table};

/// Longest time that a decision may take to arrive.
const DELAY_MS_MAX: u64 = 600_000;

pub(super) static ENVIRONMENT: Table = Table {
    title: "environments.NAME",
    doc: "A place where services run.",
    keys: &[
        key("after", Shape::Ref("environments"), Need::Optional, "The environment that a change must have passed before."),
        key(
            "verify",
            Shape::Table(&VERIFY),
            Need::Optional,
            "What must be true there, once a version is released, before the environments after it begin.",
        ),
        key(
            "delay",
            Shape::Duration { min_ms: 1, max_ms: DELAY_MS_MAX },
            Need::Optional,
            "How long a decision takes to arrive there. What was counted within it after a change of the split is not judged, and nothing is begun or taken back elsewhere before it is over.",
        ),
    ],
};

static VERIFY: Table = Table {
    title: "environments.NAME.verify",
    doc: "Each of them, after the release there is done.",
    keys: &[
        key("for", SPAN, Need::Optional, "So long no breaker halts the service. Time in which Tidegate is down does not count."),
        key(
            "approvals",
            Shape::Whole { min: 0, max: 10 },
            Need::Default("0"),
            "So many people with the role `approver`, others than who started it, found it good.",
        ),
    ],
};

pub(super) static OF_SERVICE: Table = Table {
    title: "services.NAME.environments.NAME",
    doc: "What differs in one environment; all else is as the service says.",
    keys: &[
        key("endpoint", Shape::UrlPath, Need::Optional, "Where it answers there; `/v2/models/NAME@ENVIRONMENT` when not given."),
        key("release", Shape::Ref("releases"), Need::Optional, "Strategy of its releases there."),
        key(
            "approvals",
            Shape::Whole { min: 0, max: 10 },
            Need::Optional,
            "How many others must approve a release there before it starts.",
        ),
        key("driver", Shape::OneKey(drivers::DRIVERS), Need::Optional, "What moves its traffic there."),
        key("telemetry", Shape::Table(&drivers::TELEMETRY), Need::Optional, "Where its requests are counted there."),
    ],
};
