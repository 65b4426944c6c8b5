//! The vocabulary of the key table: what a value may look like.
//!
//! The table itself is in `table`; the checker, the schema, the docs page and the reader all read it.

use crate::yaml::Node;

/// The keys of one mapping.
pub struct Table {
    /// Its title on the docs page.
    pub title: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order of the docs page.
    pub keys: &'static [Key],
}

/// One key.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub shape: Shape,
    /// Whether it must be given.
    pub need: Need,
    /// One sentence or two for the docs page, the schema and hover texts.
    pub doc: &'static str,
}

/// Whether a key must be given.
#[derive(Clone, Copy)]
pub enum Need {
    /// It must.
    Required,
    /// It need not, and then there is none.
    Optional,
    /// It need not, and then it has this value (YAML).
    Default(&'static str),
}

/// One way to write a mapping, chosen by the presence of a key.
pub struct Case {
    /// The key whose presence chooses it.
    pub marker: &'static str,
    /// Its keys.
    pub table: &'static Table,
}

/// Entries of a mapping from names that need not be written.
#[derive(Clone, Copy)]
pub struct Preset {
    /// Names that are always there, with their values.
    pub there: fn() -> Node,
    /// What an entry of any other name starts from.
    pub other: fn(&str) -> Option<Node>,
}

/// What a value may be.
pub enum Shape {
    /// Anything; kept as it is.
    Any,
    /// A text that is not empty.
    Text,
    /// The name of an environment variable that holds a secret. What is no such name may be the secret itself, and is not shown.
    Variable,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from `min` to `max`.
    Whole {
        /// Least.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// A number.
    Number {
        /// Least.
        min: f64,
        /// Largest.
        max: f64,
        /// Whether the ends are excluded.
        open: bool,
    },
    /// A share of requests, `0.1%` or `0.001`.
    Share,
    /// A percentage, `5` or `0.5%`, in steps of 0.01.
    Percent {
        /// Least, in basis points.
        min_bp: u32,
        /// Largest, in basis points.
        max_bp: u32,
    },
    /// A duration, `5m`.
    Duration {
        /// Least.
        min_ms: u64,
        /// Largest.
        max_ms: u64,
    },
    /// A word, or a duration.
    WordOrDuration {
        /// The word.
        word: &'static str,
        /// Longest duration.
        max_ms: u64,
    },
    /// A date or an instant.
    Instant,
    /// An IP address with a port.
    Listen,
    /// The address of a server, `http://host:port`.
    Http,
    /// The path of a URL.
    UrlPath,
    /// A file of the repository.
    SourcePath,
    /// A file of the repository, or one that a stage of the pipeline writes.
    ProductPath,
    /// Such a file, or the address of data in an object store.
    DataPath,
    /// A name in this section of the file.
    Ref(&'static str),
    /// An environment, a service, or a service in one environment.
    Place,
    /// A stage of the pipeline.
    StageRef,
    /// A metric that the pipeline writes.
    MetricRef,
    /// A list.
    List {
        /// Each item.
        item: &'static Shape,
        /// Fewest items.
        min: usize,
        /// Most items.
        max: usize,
    },
    /// One item, or a list of them.
    OneOrMore {
        /// Each item.
        item: &'static Shape,
        /// Most items.
        max: usize,
    },
    /// A mapping from names that the user chooses.
    Names {
        /// What a name names, as `model`.
        of: &'static str,
        /// Each value.
        item: &'static Shape,
        /// The section whose names these must be, where they are references.
        refers: Option<&'static str>,
        /// Names that are there without being written, and what others start from.
        preset: Option<Preset>,
    },
    /// A mapping with known keys.
    Table(&'static Table),
    /// A scalar, or a mapping that says more.
    Short {
        /// The scalar.
        scalar: &'static Shape,
        /// The mapping.
        long: &'static Shape,
        /// Whether the scalar stands for the mapping with all its defaults.
        expands: bool,
    },
    /// A mapping of one of several forms.
    Choice(&'static [Case]),
    /// A mapping with exactly one of these keys.
    OneKey(&'static [Key]),
}

impl Shape {
    /// What is expected, in words, for messages and the docs page.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Shape::Any => "any value".to_owned(),
            Shape::Text => "a text".to_owned(),
            Shape::Variable => "the name of an environment variable, as `SLACK_WEBHOOK`".to_owned(),
            Shape::Word(words) => one_of(words.iter().copied()),
            Shape::Whole { min, max } if min == max => format!("the number {min}"),
            Shape::Whole { min, max } if *max == u32::MAX => format!("a whole number, at least {min}"),
            Shape::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Shape::Number { min, max, open } => number_words(*min, *max, *open),
            Shape::Share => "a share, as `0.1%` or `0.001`".to_owned(),
            Shape::Percent { min_bp, max_bp } => {
                let text = super::unit::percent_text;
                format!("a percentage from {} to {}, as `5` or `0.5%`", text(*min_bp), text(*max_bp))
            }
            Shape::Duration { min_ms: 0 | 1, max_ms } if *max_ms < super::unit::DURATION_MS_MAX => {
                format!("a duration of at most {}, as `500ms`, `20s`, `5m` or `6h`", super::unit::duration_text(*max_ms))
            }
            Shape::Duration { min_ms: 0 | 1, .. } => "a duration, as `500ms`, `20s`, `5m`, `6h` or `30d`".to_owned(),
            Shape::Duration { min_ms, max_ms } => {
                let text = super::unit::duration_text;
                format!("a duration from {} to {}, as `20s`, `5m` or `30d`", text(*min_ms), text(*max_ms))
            }
            Shape::WordOrDuration { word, max_ms } => {
                let longest = super::unit::duration_text(*max_ms);
                format!("`{word}`, or a duration of at most {longest}, as `20s`, `5m` or `6h`")
            }
            Shape::Instant => "a date (its end, UTC) or an instant, as `2013-12-31` or `2013-12-31T06:00:00Z`".to_owned(),
            Shape::Listen => "an address with a port, as `127.0.0.1:8700`".to_owned(),
            Shape::Http => "the address of a server, as `http://127.0.0.1:9090`".to_owned(),
            Shape::UrlPath => "the path of a URL, as `/v2/models/NAME`".to_owned(),
            Shape::SourcePath => "the path of a file in the workspace".to_owned(),
            Shape::ProductPath => "the path of a file in the workspace, which the pipeline may write".to_owned(),
            Shape::DataPath => {
                "the path of a file in the workspace, which the pipeline may write, or an address, as `s3://bucket/name`".to_owned()
            }
            Shape::Ref(section) => format!("a name under `{section}`"),
            Shape::Place => "an environment, a service or `SERVICE@ENVIRONMENT`".to_owned(),
            Shape::StageRef => "the name of a stage of the pipeline".to_owned(),
            Shape::MetricRef => "the name of a metric that the pipeline writes, dotted where nested".to_owned(),
            Shape::List { item, .. } => format!("a list, each item {}", item.words()),
            Shape::OneOrMore { item, .. } => format!("{}, or a list of these", item.words()),
            Shape::Names { of, .. } => format!("a mapping from the name of {}", article(of)),
            Shape::Table(_) | Shape::Choice(_) => "a mapping".to_owned(),
            Shape::Short { scalar, long, .. } => format!("{}, or {}", scalar.words(), long.words()),
            Shape::OneKey(keys) => format!("a mapping with exactly one key: {}", one_of(keys.iter().map(|k| k.name))),
        }
    }
}

fn number_words(min: f64, max: f64, open: bool) -> String {
    match (min.is_finite(), max.is_finite()) {
        (true, true) if open => format!("a number between {min} and {max}, both excluded"),
        (true, true) => format!("a number from {min} to {max}"),
        (true, false) if open => format!("a number above {min}"),
        (true, false) => format!("a number, at least {min}"),
        _ => "a number".to_owned(),
    }
}

/// `a model`, `an environment`.
pub(super) fn article(of: &str) -> String {
    format!("{} {of}", if of.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// `` `a`, `b` or `c` ``.
pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|w| format!("`{w}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
