//! Keys of release strategies and their judge.

use super::{ABOVE_ZERO, key};
use crate::config::resolve;
use crate::config::shape::{Key, Need, Preset, Shape, Table};
use tidegate_core::risk::BANDS_MAX;
use tidegate_core::rollout::{DURATION_MS_MAX, STAGES_MAX};

pub(super) const PROBABILITY: Shape = Shape::Number { min: 0.0, max: 1.0, open: true };
pub(super) const RATIO: Shape = Shape::Number { min: 1.0, max: f64::INFINITY, open: false };
const FACTOR: Shape = Shape::Number { min: 0.0, max: f64::INFINITY, open: false };
const FROM_NOTHING: Shape = Shape::Duration { min_ms: 0, max_ms: DURATION_MS_MAX };
const COUNT: Shape = Shape::Whole { min: 1, max: u32::MAX };

pub(super) static STRATEGY: Table = Table {
    title: "releases.NAME",
    doc: "How a version comes to carry all traffic.",
    keys: &[
        key(
            "steps",
            Shape::List { item: &Shape::OneKey(STEPS), min: 1, max: 2 * STAGES_MAX + 1 },
            Need::Default("[{shadow: {}}, {canary: {}}, {promote: {}}]"),
            "In this order: `preview` at most once, `shadow` at most once, any number of `canary`, `promote` once and last; `pause` after a `shadow` or a `canary`.",
        ),
        key(
            "judge",
            Shape::Short { scalar: &Shape::Word(&["default"]), long: &Shape::Table(&JUDGE), expands: true },
            Need::Default("default"),
            "What harm is, and how sure the judge must be. What is not given is as in the preset `default`.",
        ),
        key(
            "max_exposure",
            COUNT,
            Need::Optional,
            "Most requests of users that the new version may answer in its canary, over all attempts, without evidence to promote it: then it goes back. No limit when not given.",
        ),
        key(
            "blocked_by",
            Shape::List { item: &Shape::Word(&["drift", "data"]), min: 1, max: 2 },
            Need::Optional,
            "What keeps a release from starting, and pauses one before it carries all traffic. `drift`: live inputs no longer look like the rows that the candidate was trained on; `data`: the newest check of a dataset failed.",
        ),
        key(
            "by_risk",
            Shape::List { item: &Shape::Table(&BAND), min: 1, max: BANDS_MAX },
            Need::Optional,
            "Other strategies for changes of low risk, in growing order. Changes above them, and those whose risk nobody told, take this one.",
        ),
    ],
};

static BAND: Table = Table {
    title: "releases.NAME.by_risk",
    doc: "Who starts a release may tell the change's risk, a chance from 0 to 1: the first band that it lies below decides.",
    keys: &[
        key("below", Shape::Number { min: 0.0, max: 1.0, open: false }, Need::Required, "The first risk that is too high for it."),
        key("release", Shape::Ref("releases"), Need::Required, "The strategy; it has no bands of its own."),
    ],
};

static STEPS: &[Key] = &[
    key("preview", Shape::Table(&PREVIEW), Need::Optional, "Those who ask for it."),
    key("shadow", Shape::Table(&SHADOW), Need::Optional, "Copies of requests; no user sees an answer."),
    key("canary", Shape::Table(&CANARY), Need::Optional, "A growing share of users."),
    key("pause", Shape::Table(&PAUSE), Need::Optional, "The step before it goes on being judged and does not end by itself."),
    key("promote", Shape::Table(&PROMOTE), Need::Optional, "All users, watched."),
];

static PREVIEW: Table = Table {
    title: "step: preview",
    doc: "The candidate answers requests that carry a header or a cookie, from here until it is promoted. They are not judged: who asks is not drawn by lot. Without a `shadow` or a `canary` behind it this is blue-green: everybody moves at once.",
    keys: &[
        key("header", Shape::Text, Need::Optional, "Name of the header; `x-tidegate-preview` when neither this nor `cookie` is given."),
        key("cookie", Shape::Text, Need::Optional, "Name of the cookie, instead of a header."),
        key("value", Shape::Text, Need::Optional, "The value that asks for it; any when not given."),
        key(
            "for",
            Shape::Duration { min_ms: 1, max_ms: DURATION_MS_MAX },
            Need::Optional,
            "It goes on by itself after this time. Without it until a person says `tidegate release resume`.",
        ),
    ],
};

static SHADOW: Table = Table {
    title: "step: shadow",
    doc: "Requests are copied to the candidate and to a control, and their answers are paired.",
    keys: &[
        key("percent", Shape::Percent { min_bp: 1, max_bp: 10_000 }, Need::Default("100"), "How many requests are copied."),
        key(
            "until",
            Shape::WordOrDuration { word: "evidence", max_ms: DURATION_MS_MAX },
            Need::Default("evidence"),
            "Ends when the judge has seen enough, either way; with a duration, as a canary does, after that time and without suspicion.",
        ),
    ],
};

static CANARY: Table = Table {
    title: "step: canary",
    doc: "The candidate answers some users, and is judged against a control.",
    keys: &[
        key(
            "weights",
            Shape::List { item: &Shape::Percent { min_bp: 1, max_bp: 5_000 }, min: 1, max: STAGES_MAX },
            Need::Default("[5, 25, 50]"),
            "Percentage of users, growing. At most 50, for the control gets as many.",
        ),
        key("min_time", FROM_NOTHING, Need::Default("5m"), "Shortest stay at each weight."),
        key(
            "baseline",
            Shape::Word(&["fresh"]),
            Need::Default("fresh"),
            "The control: a copy of the stable version, started when the candidate is, so that both are equally cold.",
        ),
    ],
};

static PAUSE: Table = Table {
    title: "step: pause",
    doc: "Traffic stays as the step before it left it, and is judged all the while: a rollback does not wait.",
    keys: &[key(
        "for",
        Shape::Duration { min_ms: 1, max_ms: DURATION_MS_MAX },
        Need::Optional,
        "So much longer than the step's own time. Without it until a person says `tidegate release resume`.",
    )],
};

static PROMOTE: Table = Table {
    title: "step: promote",
    doc: "The candidate answers everybody, still watched; the stable version stays warm.",
    keys: &[
        key("watch", FROM_NOTHING, Need::Default("30m"), "How long it is watched before the old version is unloaded."),
        key(
            "hold_back",
            Shape::Percent { min_bp: 0, max_bp: 5_000 },
            Need::Default("5"),
            "Percentage that stable keeps as control while watched.",
        ),
    ],
};

static JUDGE: Table = Table {
    title: "releases.NAME.judge",
    doc: "Settings of the judge.",
    keys: &[
        key(
            "alpha",
            PROBABILITY,
            Need::Default("0.01"),
            "Chance that a harmless change is rolled back, over all guardrails, steps and retries.",
        ),
        key("beta", PROBABILITY, Need::Default("0.05"), "Chance that a harmful change is promoted."),
        key(
            "tick",
            Shape::Duration { min_ms: 100, max_ms: 3_600_000 },
            Need::Default("10s"),
            "Evidence is counted and judged once in each.",
        ),
        key("warm_up", FROM_NOTHING, Need::Default("1m"), "Start of each phase that is logged and not judged: cold caches."),
        key(
            "deadline",
            Shape::Duration { min_ms: 1, max_ms: DURATION_MS_MAX },
            Need::Default("6h"),
            "Without a decision by then: hold, and call a person.",
        ),
        key("min_requests", COUNT, Need::Default("100"), "Requests that the candidate must have answered before a step ends."),
        key("hold_above", ABOVE_ZERO, Need::Default("10"), "A rollback e-value above it keeps a step from ending."),
        key("stale_ticks", COUNT, Need::Default("6"), "Ticks without any request after which there is no telemetry."),
        key(
            "dispersion_correction",
            Shape::Word(&["true", "false"]),
            Need::Default("true"),
            "Whether bursts of errors count for less than as many independent ones.",
        ),
        key(
            "guardrails",
            Shape::Names {
                of: "guardrail",
                item: &Shape::Short { scalar: &Shape::Word(&["none"]), long: &Shape::Table(&GUARDRAIL), expands: false },
                refers: None,
                preset: Some(crate::config::guardrail::PRESET),
            },
            Need::Default("{}"),
            "`errors`, `latency_pNN`, `skew`, `disagreement`, `sample_ratio`: the preset has them all, with `latency_p50`, `latency_p95` and `latency_p99`, and `none` takes one out. `score_shift` and `labels` are judged where they are named, and so are `first_token_pNN`, `token_time_pNN` and `cost_pNN` of answers that language models generate, and any other name that has a `source`.",
        ),
    ],
};

static GUARDRAIL: Table = Table {
    title: "releases.NAME.judge.guardrails.NAME",
    doc: "Harmless: `p1 <= tolerance * p0 + slack`. Harmful: `p1 >= harm * p0 + harm_slack`. Here p1 is the candidate's rate and p0 the control's. For latency, and what is measured of generated answers, both factors are of what is measured, and the slacks are of the share of requests above; for `score_shift` the slacks alone count, of the share of scores above or up to the control's quantiles. A guardrail with a `source` is a metric: its factors are of its values.",
    keys: &[
        key("tolerance", FACTOR, Need::Optional, "Ratio that nobody minds, from 1; of a metric by difference: the difference, from 0."),
        key("slack", Shape::Share, Need::Optional, "Absolute difference that nobody minds."),
        key("harm", FACTOR, Need::Optional, "Ratio from which it is harm; of a metric by difference: the difference."),
        key("harm_slack", Shape::Share, Need::Optional, "Absolute difference from which it is harm."),
        key("differs_by", ABOVE_ZERO, Need::Optional, "Of `skew`: scores further apart than this differ."),
        key(
            "floor",
            Shape::Duration { min_ms: 0, max_ms: DURATION_MS_MAX },
            Need::Optional,
            "Of latency: an answer faster than this is never slow, whatever the control does.",
        ),
        key("source", Shape::Ref("sources"), Need::Optional, "Of a metric: the service that keeps it. No other is asked."),
        key(
            "candidate",
            Shape::Text,
            Need::Optional,
            "Of a metric: query of the candidate's value, in the source's own language. `{{candidate}}`, `{{control}}` and `{{service}}` are filled in.",
        ),
        key("control", Shape::Text, Need::Optional, "Of a metric: the same of the control."),
        key(
            "every",
            Shape::Duration { min_ms: 1_000, max_ms: 3_600_000 },
            Need::Optional,
            "Of a metric: its interval. Each gives one pair of values; 1m when not given.",
        ),
        key("worse", Shape::Word(&["higher", "lower"]), Need::Optional, "Of a metric: which values are worse."),
        key(
            "by",
            Shape::Word(&["ratio", "difference"]),
            Need::Optional,
            "Of a metric: how the two values are compared; `ratio` when not given.",
        ),
        key("weight", ABOVE_ZERO, Need::Optional, "In the average of rollback e-values."),
    ],
};

/// The strategy that is always there; any other starts from the defaults of its keys.
pub(super) const STRATEGIES: Preset = Preset { there: || resolve::preset("{default: {}}"), other: |_| None };
