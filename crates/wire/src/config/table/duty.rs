//! Keys of `duty`: who is on duty when.

use super::key;
use crate::config::shape::{Need, Shape, Table};
use tidegate_core::duty::{EVERY_DAYS_MAX, LEVELS_MAX};

const DAY_MS: u64 = 86_400_000;

pub(super) static DUTY: Table = Table {
    title: "duty.NAME",
    doc: "People who take turns. Calls and requests for approval name who is on duty; what nobody answers goes to the next duty.",
    keys: &[
        key("people", Shape::List { item: &Shape::Ref("people"), min: 1, max: 100 }, Need::Required, "Who takes turns, in their order."),
        key("from", Shape::Text, Need::Required, "The day on which the first of them begins, as `2026-03-16`."),
        key(
            "every",
            Shape::Duration { min_ms: DAY_MS, max_ms: EVERY_DAYS_MAX as u64 * DAY_MS },
            Need::Default("1w"),
            "Length of a shift, in whole days.",
        ),
        key("hand_over", Shape::Text, Need::Default("'09:00'"), "The hour at which shifts are handed over, by the clock of the zone."),
        key("zone", Shape::Text, Need::Default("UTC"), "Zone of that clock, of the IANA database, as `Europe/Berlin`."),
        key(
            "services",
            Shape::List { item: &Shape::Ref("services"), min: 1, max: 1_000 },
            Need::Optional,
            "Services that it is for; all when not given.",
        ),
        key(
            "overrides",
            Shape::List { item: &Shape::Table(&OVERRIDE), min: 1, max: 1_000 },
            Need::Optional,
            "Who stands in for whose turn it is; of several at a time the last one counts.",
        ),
        key("after", super::SPAN, Need::Default("15m"), "What nobody answers for so long goes to the next duty of `escalate`."),
        key(
            "escalate",
            Shape::List { item: &Shape::Ref("duty"), min: 1, max: LEVELS_MAX - 1 },
            Need::Optional,
            "Duties that are called next, in their order. Those are not called first.",
        ),
    ],
};

static OVERRIDE: Table = Table {
    title: "duty.NAME.overrides[]",
    doc: "Somebody else for a while.",
    keys: &[
        key("person", Shape::Ref("people"), Need::Required, "Who."),
        key("from", Shape::Text, Need::Required, "From when, by the clock of the zone, as `2026-03-18` or `2026-03-18 12:00`."),
        key("until", Shape::Text, Need::Required, "Until when, written alike."),
    ],
};
