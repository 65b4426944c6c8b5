//! Keys of freezes: when nothing goes forward.

use super::key;
use crate::config::shape::{Case, Key, Need, Shape, Table};

pub(super) static FREEZE: Shape = Shape::Choice(&[Case { marker: "calendar", table: &CALENDAR }, Case { marker: "from", table: &SPAN }]);

const ZONE: Key =
    key("zone", Shape::Text, Need::Default("UTC"), "Zone of the times that name none, of the IANA database, as `Europe/Berlin`.");
const SERVICES: Key = key(
    "services",
    Shape::List { item: &Shape::Ref("services"), min: 1, max: 1_000 },
    Need::Optional,
    "Services that are frozen; all when not given.",
);
const REASON: Key = key("reason", Shape::Text, Need::Optional, "Why, for whoever meets it.");

static SPAN: Table = Table {
    title: "freezes.NAME, a span of time",
    doc: "From one time to another, by the clock of a zone, once or again and again.",
    keys: &[
        key("from", Shape::Text, Need::Required, "When it begins, as `2026-12-20 16:00` or `2026-12-20`: the begin of that day."),
        key("until", Shape::Text, Need::Required, "When it ends, written alike."),
        key(
            "repeats",
            Shape::Text,
            Need::Optional,
            "When it comes again: a rule of iCalendar, as `FREQ=WEEKLY` for each weekend after the first, or `FREQ=MONTHLY;BYMONTHDAY=-1`.",
        ),
        ZONE,
        SERVICES,
        REASON,
    ],
};

static CALENDAR: Table = Table {
    title: "freezes.NAME, a calendar",
    doc: "Each event of an iCalendar file is a freeze. While a file cannot be read nothing starts, and what is under way keeps to what was read before.",
    keys: &[
        key("calendar", Shape::SourcePath, Need::Required, "The file, `.ics`. It is read again when it changes."),
        ZONE,
        SERVICES,
        REASON,
    ],
};
