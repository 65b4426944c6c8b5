//! What an author declares: the record's fields, the steps, the inputs, the score.
//! Plain values without behaviour; whether they fit together is [`Transform::compile`]'s question.

use crate::model::Datatype;
use crate::transform::Expression;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Fields that a record may have.
pub const FIELDS_MAX: usize = 4096;
/// Steps that a transform may have.
pub const STEPS_MAX: usize = 1024;
/// Entries in one look-up table, category list or list of edges.
pub const TABLE_ENTRIES_MAX: usize = 100_000;
/// Columns in one input tensor.
pub const INPUT_COLUMNS_MAX: usize = 16_384;

/// From a raw record to the inputs of a model, and from its outputs to a score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// The raw record's fields.
    pub record: Vec<Field>,
    /// Which field tells when the event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<EventTime>,
    /// Which field names the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Steps in order; each gives one column.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The model's input tensors.
    pub inputs: Vec<Input>,
    /// Which output is the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
}

/// One field of the raw record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Element type.
    pub datatype: Datatype,
    /// Whether a record may lack it. A record without a field that is not optional is the sender's mistake.
    #[serde(default)]
    pub optional: bool,
}

/// The field that tells when the event happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTime {
    /// The field.
    pub field: String,
    /// The zone of its local times; needed when they carry no offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
}

/// One step: a column, from columns before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The column that it gives. It may replace a column only if it reads that column.
    #[serde(rename = "as")]
    pub column: String,
    /// What is done.
    pub operation: Operation,
    /// What happens when a value that it reads is missing.
    #[serde(default)]
    pub on_missing: OnMissing,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// The same value under another name; the old name is gone.
    Rename {
        /// The column.
        of: String,
    },
    /// The value, or `value` where it is missing.
    Default {
        /// The column.
        of: String,
        /// What stands for a missing one.
        value: Constant,
    },
    /// A small expression over numbers.
    Arithmetic {
        /// The expression.
        expression: Expression,
    },
    /// `to` minus `from`.
    TimeDifference {
        /// Column of the earlier time.
        from: String,
        /// Its zone, for times without an offset.
        from_zone: Option<Zone>,
        /// Column of the later time.
        to: String,
        /// Its zone, for times without an offset.
        to_zone: Option<Zone>,
        /// Unit of the result.
        #[serde(default)]
        unit: TimeUnit,
    },
    /// A part of a local time.
    TimePart {
        /// Column of the time.
        of: String,
        /// Its zone: where the local time is read, and in which an instant is shown.
        zone: Option<Zone>,
        /// Which part.
        part: TimePart,
    },
    /// The place of the value in a list, from 0.
    Category {
        /// The column.
        of: String,
        /// The list.
        values: Vec<Constant>,
        /// What happens to a value that is not in it.
        #[serde(default)]
        unknown: Unknown,
    },
    /// The value's entry in a table.
    Lookup {
        /// The column.
        of: String,
        /// The table: all entries are numbers or all are texts.
        table: IndexMap<String, Constant>,
        /// What happens to a value that is not in it.
        #[serde(default)]
        unknown: Unknown,
    },
    /// The number of characters.
    Length {
        /// The column.
        of: String,
    },
    /// How many of the edges are at or below the value.
    Bucket {
        /// The column.
        of: String,
        /// Edges, strictly rising.
        edges: Vec<f64>,
    },
    /// The value, at least `min` and at most `max`.
    Clamp {
        /// The column.
        of: String,
        /// Lower end.
        min: Option<f64>,
        /// Upper end.
        max: Option<f64>,
    },
}

impl Operation {
    /// The operations' names, as they are written.
    pub const NAMES: [&'static str; 10] =
        ["rename", "default", "arithmetic", "time_difference", "time_part", "category", "lookup", "length", "bucket", "clamp"];
}

/// What happens when a value that a step reads is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// The record is refused.
    #[default]
    Refuse,
    /// The result is missing too.
    Keep,
    /// The result is this.
    Value(Constant),
}

/// What happens to a value that a list or table does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The record is refused.
    #[default]
    Refuse,
    /// The result is missing.
    Missing,
    /// The result is this.
    Value(Constant),
}

/// A value written in the transform itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
}

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// A name of the IANA database, as `America/New_York`.
    Named(String),
    /// The column that holds the name: a field, or what a look-up gave.
    Column(String),
}

/// Unit of a time difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Minutes.
    #[default]
    Minutes,
    /// Hours.
    Hours,
    /// Days of 24 hours.
    Days,
}

/// A part of a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePart {
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// Minutes since midnight by the clock, 0 to 1439.
    MinuteOfDay,
    /// Monday 0 to Sunday 6.
    Weekday,
    /// Day of the month, from 1.
    Day,
    /// Day of the year, from 1.
    DayOfYear,
    /// January 1 to December 12.
    Month,
    /// Year.
    Year,
}

impl TimePart {
    /// Every part with its spelling.
    pub const ALL: [(&'static str, TimePart); 8] = [
        ("hour", TimePart::Hour),
        ("minute", TimePart::Minute),
        ("minute_of_day", TimePart::MinuteOfDay),
        ("weekday", TimePart::Weekday),
        ("day", TimePart::Day),
        ("day_of_year", TimePart::DayOfYear),
        ("month", TimePart::Month),
        ("year", TimePart::Year),
    ];
}

impl TimeUnit {
    /// Every unit with its spelling.
    pub const ALL: [(&'static str, TimeUnit); 4] =
        [("seconds", TimeUnit::Seconds), ("minutes", TimeUnit::Minutes), ("hours", TimeUnit::Hours), ("days", TimeUnit::Days)];
}

/// One input tensor of the model: rows by columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The tensor's name in the model.
    pub tensor: String,
    /// Its element type.
    pub datatype: Datatype,
    /// Its columns in order.
    pub columns: Vec<String>,
    /// What a missing value becomes.
    #[serde(default)]
    pub nan: Nan,
}

/// What a missing value becomes in an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nan {
    /// The record is refused.
    #[default]
    Refuse,
    /// Not a number, for models that know what to do with it.
    Allow,
}

/// Which element of which output is the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Output tensor.
    pub output: String,
    /// Column in it, from 0; none when it has one value a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}
