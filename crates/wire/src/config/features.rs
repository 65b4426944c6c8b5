//! `features` of tidegate.yaml: views of events and of files, and what must hold between their keys.

use super::check::{Check, join};
use super::read::View as Part;
use super::rules::named;
use crate::yaml::Node;
use tidegate_features::{Aggregate, Feature, Value, View};

/// Fields of events that tools tell.
pub const DELIVERY_FIELDS: [&str; 12] =
    ["actor", "approved", "change", "environment", "incident", "outcome", "repository", "revision", "service", "source", "trigger", "what"];

/// Where the values of a view come from.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureView {
    /// From events that other tools told.
    Deliveries(View),
    /// From a table.
    File(FileView),
}

/// A table of values that somebody else computed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FileView {
    /// Where it lies.
    pub file: String,
    /// Columns whose values are an entity's key.
    pub keys: Vec<String>,
    /// The column that says from when on a row holds.
    pub timestamp: String,
    /// The column that says when a row was written.
    pub created: Option<String>,
    /// The columns that are features; all others when there is none.
    pub columns: Vec<String>,
    /// How old a row may be.
    pub ttl_ms: Option<u64>,
}

/// A view; none where it is no view, which the checker has said.
pub(super) fn feature_view(name: &str, part: Part<'_>) -> Option<FeatureView> {
    let node = part.0?;
    if node.get("file").is_none() {
        return view(name, node).ok().map(FeatureView::Deliveries);
    }
    Some(FeatureView::File(FileView {
        file: part.owned("file"),
        keys: part.at("entity").texts(),
        timestamp: part.at("timestamp").text().unwrap_or_else(|| "event_timestamp".to_owned()),
        created: part.at("created").text(),
        columns: part.at("columns").texts(),
        ttl_ms: part.at("ttl").ms(),
    }))
}

/// The view of events that a mapping says, or why it is none.
fn view(name: &str, node: &Node) -> Result<View, String> {
    let part = Part(Some(node));
    let features = named(node, "features").iter().map(|(name, _, node)| feature(name, node)).collect::<Result<Vec<_>, _>>()?;
    let ttl_ms = part.at("ttl").ms().and_then(|ms| i64::try_from(ms).ok());
    let events_max = part.at("events_max").there().map(|most| most.whole() as usize);
    View::new(name, part.at("entity").texts(), features, ttl_ms, events_max).map_err(|why| why.to_string())
}

fn feature(name: &str, node: &Node) -> Result<Feature, String> {
    let part = Part(Some(node));
    let field = part.at("of").text();
    let word = part.owned("aggregate");
    let of =
        |make: fn(String) -> Aggregate| field.clone().map(make).ok_or_else(|| format!("`{name}`: `of` says which field, for `{word}`"));
    let aggregate = match word.as_str() {
        "sum" => of(Aggregate::Sum)?,
        "mean" => of(Aggregate::Mean)?,
        "min" => of(Aggregate::Min)?,
        "max" => of(Aggregate::Max)?,
        "last" => of(Aggregate::Last)?,
        "distinct" => of(Aggregate::Distinct)?,
        "since_last" => Aggregate::SinceLast,
        "rate" => Aggregate::Rate(part.at("per").ms().and_then(|ms| i64::try_from(ms).ok()).unwrap_or(HOUR_MS)),
        _ => Aggregate::Count,
    };
    if aggregate.field().is_none() && field.is_some() {
        return Err(format!("`{name}`: `{word}` counts events and reads no field: leave `of` out"));
    }
    if part.at("per").there().is_some() && word != "rate" {
        return Err(format!("`{name}`: `per` is for `rate` alone: leave it out"));
    }
    let window_ms = part.at("window").ms().and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
    let only = named(node, "where").into_iter().map(|(field, _, value)| {
        let text = value.text();
        let value = text.and_then(|text| delivery_value(&field, &text));
        let value = value.ok_or_else(|| format!("`{name}`: `where` compares `{field}` with {}", delivery_kind(&field)))?;
        Ok((field, value))
    });
    Ok(Feature { name: name.to_owned(), aggregate, window_ms, only: only.collect::<Result<_, String>>()? })
}

/// An hour.
const HOUR_MS: i64 = 3_600_000;

/// What a field of events is compared with, however it was written: a service called `42` is a text, for its events say it as one.
#[must_use]
pub fn delivery_value(field: &str, text: &str) -> Option<Value> {
    match field {
        "change" => text.parse().ok().map(Value::Int),
        "approved" => text.parse().ok().map(Value::Bool),
        _ => Some(Value::text(text)),
    }
}

/// What [`delivery_value`] makes of a field.
#[must_use]
pub fn delivery_kind(field: &str) -> &'static str {
    match field {
        "change" => "a whole number",
        "approved" => "`true` or `false`",
        _ => "a text",
    }
}

impl Check<'_> {
    /// What the table of keys cannot say of a view.
    pub(super) fn features(&mut self) {
        for (name, key, node) in named(self.root, "features") {
            let path = join("features", &name);
            if let Err(why) = tidegate_features::name(&name) {
                self.say(key, &path, &why.to_string(), None);
            } else if node.get("events").is_some() {
                self.event_view(&path, &name, key, node);
            }
        }
    }

    fn event_view(&mut self, path: &str, name: &str, key: &Node, node: &Node) {
        // A window that is no duration is said where it stands.
        let read = |feature: &Node| Part(Some(feature)).at("window").ms().is_some();
        if let Err(why) = view(name, node)
            && named(node, "features").iter().all(|(_, _, feature)| read(feature))
        {
            self.say(key, path, &why, None);
        }
        let part = Part(Some(node));
        let mut named_fields: Vec<(String, String)> =
            part.at("entity").texts().into_iter().map(|field| (join(path, "entity"), field)).collect();
        for (feature, _, node) in named(node, "features") {
            let at = format!("{path}.features.{feature}");
            named_fields.extend(Part(Some(node)).at("of").text().map(|field| (join(&at, "of"), field)));
            named_fields.extend(named(node, "where").into_iter().map(|(field, _, _)| (join(&at, "where"), field)));
        }
        for (at, field) in named_fields.iter().filter(|(_, field)| !DELIVERY_FIELDS.contains(&field.as_str())) {
            let help = format!("fields are {}", DELIVERY_FIELDS.join(", "));
            self.say(key, at, &format!("no event has a field `{field}`"), Some(&help));
        }
    }
}
