//! What a view is: entity keys, features, how old values may be. A view is valid when it is made.

use crate::value::Value;
use serde::Serialize;

/// Features of a view: one bit each in what is kept of an event.
pub const FEATURES_MAX: usize = 64;
/// Fields that make an entity's key.
pub const KEYS_MAX: usize = 8;
/// Longest window and `ttl`: 400 days.
pub const WINDOW_MS_MAX: i64 = 400 * 86_400_000;
/// Events of one entity that are counted in a window, unless a view says fewer.
pub const EVENTS_MAX: usize = 65_536;
/// Distinct values are counted up to here, unless a view's events are fewer.
pub const DISTINCT_MAX: usize = 10_000;
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// How events become a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// How many.
    Count,
    /// The sum of a field, rounded once; 0 of nothing.
    Sum(String),
    /// The sum by how many have the field; none of nothing.
    Mean(String),
    /// The least number in a field.
    Min(String),
    /// The greatest number in a field.
    Max(String),
    /// A field of the newest event that has it: of one instant, that which became known last.
    Last(String),
    /// How many values a field has, [`DISTINCT_MAX`] at most.
    Distinct(String),
    /// Seconds since the newest event.
    SinceLast,
    /// How many for each so many milliseconds, on average over the window.
    Rate(i64),
}

impl Aggregate {
    /// The field that it reads.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Aggregate::Sum(field)
            | Aggregate::Mean(field)
            | Aggregate::Min(field)
            | Aggregate::Max(field)
            | Aggregate::Last(field)
            | Aggregate::Distinct(field) => Some(field),
            Aggregate::Count | Aggregate::SinceLast | Aggregate::Rate(_) => None,
        }
    }

    /// Whether the field must be a number.
    #[must_use]
    pub fn numeric(&self) -> bool {
        match self {
            Aggregate::Sum(_) | Aggregate::Mean(_) | Aggregate::Min(_) | Aggregate::Max(_) => true,
            Aggregate::Count | Aggregate::Last(_) | Aggregate::Distinct(_) | Aggregate::SinceLast | Aggregate::Rate(_) => false,
        }
    }
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Feature {
    /// Its name in the view.
    pub name: String,
    /// How it is computed.
    pub aggregate: Aggregate,
    /// Over the events of so long: one that happened exactly so long ago is out, one of this instant is in.
    pub window_ms: i64,
    /// Only events whose fields have these values.
    pub only: Vec<(String, Value)>,
}

/// A view of the events of an entity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    name: String,
    keys: Vec<String>,
    features: Vec<Feature>,
    ttl_ms: i64,
    events_max: usize,
}

/// Why a view is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A name that cannot be asked for.
    #[error("`{0}` is no name: up to {NAME_BYTES_MAX} letters, digits and `_`, beginning with a letter")]
    Name(String),
    /// Two of one name.
    #[error("`{0}` stands twice: names of keys and features are different from one another")]
    Twice(String),
    /// Too few or too many.
    #[error("{0} {1}: there must be 1 to {2}")]
    Number(usize, &'static str, usize),
    /// A time that is no window.
    #[error("`{0}`: {1} ms is no length of time here: more than nothing, {WINDOW_MS_MAX} ms (400 days) at most")]
    Window(String, i64),
}

impl View {
    /// A view, where it is one.
    ///
    /// # Errors
    /// When a name, a number or a window is none.
    pub fn new(
        name: &str,
        keys: Vec<String>,
        features: Vec<Feature>,
        ttl_ms: Option<i64>,
        events_max: Option<usize>,
    ) -> Result<View, Invalid> {
        let number = |many: usize, what, max| if (1..=max).contains(&many) { Ok(()) } else { Err(Invalid::Number(many, what, max)) };
        number(keys.len(), "keys", KEYS_MAX)?;
        number(features.len(), "features", FEATURES_MAX)?;
        let events_max = events_max.unwrap_or(EVENTS_MAX);
        number(events_max, "events of an entity", EVENTS_MAX)?;
        let named = keys.iter().chain(features.iter().map(|feature| &feature.name));
        let mut seen = std::collections::BTreeSet::new();
        self::name(name)?;
        named.clone().try_for_each(|one| self::name(one))?;
        if let Some(twice) = named.clone().find(|one| !seen.insert(one.as_str())) {
            return Err(Invalid::Twice(twice.clone()));
        }
        let length = |of: &str, ms: i64| {
            if (1..=WINDOW_MS_MAX).contains(&ms) { Ok(ms) } else { Err(Invalid::Window(of.to_owned(), ms)) }
        };
        for feature in &features {
            length(&feature.name, feature.window_ms)?;
            if let Aggregate::Rate(per_ms) = feature.aggregate {
                length(&feature.name, per_ms)?;
            }
        }
        let longest = features.iter().map(|feature| feature.window_ms).max().unwrap_or(1);
        let ttl_ms = length("ttl", ttl_ms.unwrap_or(longest))?;
        Ok(View { name: name.to_owned(), keys, features, ttl_ms, events_max })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fields whose values are an entity's key.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// What is told of an entity.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// No value stands when the newest event is so old.
    #[must_use]
    pub fn ttl_ms(&self) -> i64 {
        self.ttl_ms
    }

    /// Events of one entity that are counted in a window.
    #[must_use]
    pub fn events_max(&self) -> usize {
        self.events_max
    }

    /// How far back an event can matter.
    #[must_use]
    pub fn reach_ms(&self) -> i64 {
        self.features.iter().map(|feature| feature.window_ms).max().unwrap_or(0).max(self.ttl_ms)
    }
}

/// Holds a name against the rule for names.
///
/// # Errors
/// When it is none.
pub fn name(text: &str) -> Result<(), Invalid> {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let fits = first && text.len() <= NAME_BYTES_MAX && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits { Ok(()) } else { Err(Invalid::Name(text.chars().take(NAME_BYTES_MAX).collect())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str, window_ms: i64) -> Feature {
        Feature { name: name.to_owned(), aggregate: Aggregate::Count, window_ms, only: vec![] }
    }

    #[test]
    fn what_is_no_view_is_refused_in_words() {
        let view = |name: &str, keys: &[&str], features: Vec<Feature>| {
            View::new(name, keys.iter().map(|key| (*key).to_owned()).collect(), features, None, None)
        };
        let good = view("deploys", &["service"], vec![count("n_1d", 86_400_000)]).unwrap();
        assert_eq!((good.ttl_ms(), good.reach_ms(), good.events_max()), (86_400_000, 86_400_000, EVENTS_MAX));
        let why = |view: Result<View, Invalid>| view.unwrap_err().to_string();
        assert!(why(view("1x", &["a"], vec![count("n", 1)])).starts_with("`1x` is no name"));
        assert!(why(view("v", &[], vec![count("n", 1)])).starts_with("0 keys"));
        assert!(why(view("v", &["n"], vec![count("n", 1)])).starts_with("`n` stands twice"));
        assert!(why(view("v", &["a"], vec![count("n", 0)])).starts_with("`n`: 0 ms"));
        assert!(why(view("v", &["a"], vec![])).starts_with("0 features"));
        let rate = Feature { aggregate: Aggregate::Rate(0), ..count("r", 1) };
        assert!(why(view("v", &["a"], vec![rate])).starts_with("`r`: 0 ms"));
        assert!(View::new("v", vec!["a".to_owned()], vec![count("n", 1)], None, Some(0)).is_err());
    }
}
