//! Trains, and what versions give to others and take from them: reads both, and holds what spans their keys against each other.

use super::check::{Check, join};
use super::read::View;
use super::rules::named;
use crate::yaml::Node;
use indexmap::IndexMap;
use tidegate_core::model::{FIELDS_MAX, Field, INTERFACES_MAX};
use tidegate_core::train::{Car, Spec};

/// A train as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTrain {
    /// Its services; versions are named when it departs.
    pub cars: Vec<Car>,
    /// Their order is the one that a person approved last, not the one of the file.
    pub inferred: bool,
}

/// What a model's versions give, or take, under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Their own outputs, or inputs.
    Own,
    /// What the contract of the dataset of this name says: its file.
    Contract(String),
    /// These columns.
    Fields(Vec<Field>),
}

/// What a model's versions give and take, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What they give.
    pub gives: IndexMap<String, Written>,
    /// What they take.
    pub takes: IndexMap<String, Written>,
}

pub(super) fn train(view: View<'_>) -> NamedTrain {
    let car = |service: &str, v: View<'_>| Car {
        service: service.to_owned(),
        version: String::new(),
        after: v.at("after").items().into_iter().filter_map(View::text).collect(),
        irreversible: v.at("irreversible").word("true"),
        ..Car::default()
    };
    NamedTrain { cars: view.at("services").named(car).into_values().collect(), inferred: view.at("order").word("inferred") }
}

pub(super) fn interfaces(file: View<'_>, model: View<'_>) -> Interfaces {
    let written = |name: &str, view: View<'_>| match view.text().as_deref() {
        Some("contract") => Written::Contract(file.at("data").at(name).owned("contract")),
        Some(_) => Written::Own,
        None => Written::Fields(
            view.named(|column, kind| Field::parse(column, &kind.text().unwrap_or_default()).ok()).into_values().flatten().collect(),
        ),
    };
    Interfaces { gives: model.at("gives").named(written), takes: model.at("takes").named(written) }
}

impl Check<'_> {
    pub(super) fn train(&mut self, name: &str, key: &Node, node: &Node) {
        let path = join("trains", name);
        self.train_of_places(&path, key, (name, node));
        let train = train(View(Some(node)));
        if let Err(problem) = Spec::build(train.cars) {
            self.say(key, &path, &problem.to_string(), None);
        }
        for (service, at, _) in named(node, "services").into_iter().filter(|(_, _, car)| train.inferred && car.get("after").is_some()) {
            let help = "leave `after` out, or leave out `order: inferred`";
            self.say(at, &format!("{path}.services.{service}"), "the order of this train is the one that is approved", Some(help));
        }
    }

    pub(super) fn interfaces(&mut self, path: &str, model: &Node) {
        let mut fields = 0;
        for key in ["gives", "takes"] {
            let all = named(model, key);
            if let (true, Some((at, _))) = (all.len() > INTERFACES_MAX, model.entry(key)) {
                self.say(at, path, &format!("`{key}` has {} names; at most {INTERFACES_MAX} are read", all.len()), None);
            }
            for (name, at, written) in all {
                let path = format!("{path}.{key}.{name}");
                if written.as_str() == Some("contract") && !self.has_contract(&name) {
                    let help = format!("give `data.{name}` a `contract`, or write its columns here");
                    self.say(at, &path, &format!("there is no dataset `{name}` with a contract"), Some(&help));
                }
                for (column, kind) in written.as_map().unwrap_or(&[]) {
                    fields += 1;
                    let name = column.text().unwrap_or_default();
                    if let Err(why) = kind.text().map_or(Ok(()), |text| Field::parse(&name, &text).map(drop)) {
                        self.say(kind, &format!("{path}.{name}"), &why, None);
                    }
                }
            }
        }
        if let (true, Some((at, _))) = (fields > FIELDS_MAX, model.entry("takes").or(model.entry("gives"))) {
            let message = format!("{fields} columns are written out; at most {FIELDS_MAX} are read");
            self.say(at, path, &message, Some("`contract`, `inputs` and `outputs` write none"));
        }
    }

    fn has_contract(&self, dataset: &str) -> bool {
        self.root.get("data").and_then(|data| data.get(dataset)?.get("contract")).is_some()
    }
}
