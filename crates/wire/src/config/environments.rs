//! Services that run in several environments: each becomes a service of its own, named `NAME@ENVIRONMENT`, and the way from one to
//! the next a train. Reads them, and holds what spans their keys against each other.

use super::check::{Check, join};
use super::driver::{driver_of, strategy_of};
use super::ramp::reachable;
use super::read::{self, View};
use super::rules::named;
use super::types::{AT, Environment, NamedBreaker, Passage, Service};
use crate::yaml::{Node, Value};
use indexmap::IndexMap;
use std::collections::HashMap;
use tidegate_core::rollout::Step;
use tidegate_core::train::{Car, Spec, Verify};

/// Keys of a service that say where it runs, and nothing of how.
const OF_THE_WAY: [&str; 2] = ["environments", "passage"];

/// A service in an environment.
fn place(service: &str, environment: &str) -> String {
    format!("{service}{AT}{environment}")
}

/// What a service is in an environment: its own keys, and over them what differs there.
fn merged(service: &Node, differs: &Node) -> Node {
    let over = differs.as_map().unwrap_or(&[]);
    let kept = |(key, _): &&(Node, Node)| {
        let name = key.text().unwrap_or_default();
        !OF_THE_WAY.contains(&name.as_ref()) && !over.iter().any(|(k, _)| k.text().as_deref() == Some(&*name))
    };
    let entries = service.as_map().unwrap_or(&[]).iter().filter(kept).chain(over).cloned().collect();
    Node { value: Value::Map(entries), ..service.clone() }
}

/// Every service in every environment that it runs in, by name.
pub(super) fn places(root: &Node) -> Vec<String> {
    let of = |(name, _, service): &(String, &Node, &Node)| -> Vec<String> {
        named(service, "environments").iter().map(|(environment, ..)| place(name, environment)).collect()
    };
    named(root, "services").iter().flat_map(of).collect()
}

/// The services, those with environments once for each.
pub(super) fn services(root: &Node) -> IndexMap<String, Service> {
    let environments = View(Some(root)).at("environments");
    let mut all = IndexMap::new();
    for (name, _, service) in named(root, "services") {
        let places = named(service, "environments");
        let in_one = |environment: &str, node: &Node| {
            let own = place(&name, environment);
            let read = read::service(&own, View(Some(&merged(service, node))));
            let delay_ms = environments.at(environment).at("delay").ms().unwrap_or_default();
            let calls = read.calls.iter().flat_map(|other| called(root, other, environment)).collect();
            (own, Service { environment: Some(environment.to_owned()), delay_ms, calls, ..read })
        };
        if places.is_empty() {
            let read = read::service(&name, View(Some(service)));
            let calls = read.calls.iter().flat_map(|other| expanded(root, other)).collect();
            all.insert(name, Service { calls, ..read });
        } else {
            all.extend(places.iter().map(|(environment, _, node)| in_one(environment, node)));
        }
    }
    all
}

/// What a name of a service stands for: one with environments for all of them.
fn expanded(root: &Node, name: &str) -> Vec<String> {
    let service = root.get("services").and_then(|all| all.get(name));
    let places = service.map(|service| named(service, "environments")).unwrap_or_default();
    if places.is_empty() { vec![name.to_owned()] } else { places.iter().map(|(environment, ..)| place(name, environment)).collect() }
}

/// What is called from an environment: the same one, where the other runs there.
fn called(root: &Node, other: &str, environment: &str) -> Vec<String> {
    let (all, near) = (expanded(root, other), place(other, environment));
    if all.contains(&near) { vec![near] } else { all }
}

/// The services that a part of the file names.
pub(super) fn named_services(root: &Node, part: Option<&Node>) -> Vec<String> {
    let listed = part.and_then(|part| part.get("services")).and_then(Node::as_seq).unwrap_or(&[]);
    listed.iter().filter_map(Node::text).flat_map(|name| expanded(root, &name)).collect()
}

/// A signal that is seen in a service with environments may be of any of them.
pub(super) fn breaker(root: &Node, mut read: NamedBreaker) -> NamedBreaker {
    for (_, signal) in &mut read.signals {
        let several = |name: &String| expanded(root, name).len() > 1;
        signal.service = signal.service.take().filter(|name| !several(name)).and_then(|name| expanded(root, &name).pop());
    }
    read
}

pub(super) fn environment(view: View<'_>) -> Environment {
    let verify = view.at("verify").there();
    Environment {
        after: view.at("after").text(),
        verify: verify.map(|v| Verify { for_ms: v.at("for").ms().unwrap_or_default(), approvals: v.at("approvals").whole() }),
        delay_ms: view.at("delay").ms().unwrap_or_default(),
    }
}

/// How versions go through the environments of each service that has some.
pub(super) fn passages(root: &Node) -> IndexMap<String, Passage> {
    let with = |(name, _, service): &(String, &Node, &Node)| {
        let cars = cars(root, name, service)?;
        let together = View(Some(service)).at("passage").text().as_deref() == Some("together");
        Some((name.clone(), Passage { cars, together }))
    };
    named(root, "services").iter().filter_map(with).collect()
}

/// The environments of a service in their order; those that it does not run in are left out, and the order of the others stays.
fn cars(root: &Node, name: &str, service: &Node) -> Option<Vec<Car>> {
    let places = named(service, "environments");
    let all: Vec<Car> = named(root, "environments")
        .iter()
        .map(|(environment, _, node)| {
            let read = self::environment(View(Some(node)));
            let after = read.after.into_iter().collect();
            Car { service: environment.clone(), after, verify: read.verify, delay_ms: read.delay_ms, ..Car::default() }
        })
        .collect();
    let runs = |environment: &str| places.iter().any(|(known, ..)| known == environment).then(String::new);
    let spec = Spec::of_those(&all, runs).ok()?;
    let own = |car: &Car| Car {
        service: place(name, &car.service),
        after: car.after.iter().map(|environment| place(name, environment)).collect(),
        ..car.clone()
    };
    Some(spec.cars().iter().map(own).collect())
}

impl Check<'_> {
    /// What each environment of a service makes of it; false where it has none.
    pub(super) fn places_of(&mut self, name: &str, key: &Node, service: &Node) -> bool {
        let path = join("services", name);
        let places = named(service, "environments");
        let together = service.get("passage").filter(|way| way.text().as_deref() == Some("together"));
        if places.is_empty() {
            if let Some((at, _)) = service.entry("environments").or_else(|| service.entry("passage")) {
                self.say(
                    at,
                    &path,
                    "no environment is named that it runs in",
                    Some("give `environments: { staging: {}, production: {} }`"),
                );
            }
            return false;
        }
        if named(self.root, "environments").len() > tidegate_core::train::CARS_MAX {
            let message = format!("at most {} environments can come one after the other", tidegate_core::train::CARS_MAX);
            self.say(key, &path, &message, None);
        }
        for (environment, at, differs) in places {
            let (here, whole) = (format!("{path}.environments.{environment}"), merged(service, differs));
            self.approvals((&here, &[place(name, &environment)]), at, &whole);
            self.driven(&here, at, &whole, together.is_some());
            if let Some(way) = together {
                self.stands(&join(&path, "passage"), way, &environment, &whole);
            }
        }
        true
    }

    /// Whether a version can wait in an environment until all others can switch.
    fn stands(&mut self, path: &str, way: &Node, environment: &str, service: &Node) {
        if !stands_at_a_preview(self.root, service) {
            let help = "begin it with `- preview: {}`, without `for`";
            let release = service.get("release").and_then(Node::text).unwrap_or_default().into_owned();
            let message = format!("strategy `{release}`, in `{environment}`: it has nowhere to wait for the others before it switches");
            self.say(way, path, &message, Some(help));
        }
        if let Some(why) = driver_of(service).and_then(|driver| driver.cannot_stand()) {
            let help = "name what applies the file, `argo_cd` or `flux`, or let one environment come after the other";
            self.say(way, path, &format!("in `{environment}`: {why}"), Some(help));
        }
    }

    /// A train takes services that are there once.
    pub(super) fn train_of_places(&mut self, path: &str, key: &Node, (name, train): (&str, &Node)) {
        let has = |root: &Node, service: &str| {
            let service = service.split(AT).next().unwrap_or_default();
            root.get("services").and_then(|all| all.get(service)).is_some_and(|s| s.get("environments").is_some())
        };
        if has(self.root, name) {
            self.say(key, path, "a service that runs in environments has this name, and is a train itself: take another name", None);
        }
        for (service, at, _) in named(train, "services") {
            if has(self.root, &service) {
                let help = "release it with `tidegate release start`, before or after the train";
                self.say(at, path, &format!("`{service}` runs in environments, and goes through them alone"), Some(help));
            }
        }
    }

    pub(super) fn environments(&mut self) {
        let all = named(self.root, "environments");
        for (name, key, environment) in &all {
            if let Some(verify) = environment.get("verify") {
                let end = format!("{AT}{name}");
                let mut here: Vec<String> = places(self.root).into_iter().filter(|place| place.ends_with(&end)).collect();
                if here.is_empty() {
                    // Nothing runs there yet.
                    here.push(name.clone());
                }
                self.approvals((&format!("environments.{name}.verify"), &here), key, verify);
            }
        }
        let after: HashMap<&str, &str> = all.iter().filter_map(|(n, _, e)| Some((n.as_str(), e.get("after")?.as_str()?))).collect();
        for (name, _, environment) in &all {
            let mut seen = vec![name.as_str()];
            let mut at = name.as_str();
            while let Some(next) = after.get(at).filter(|n| !seen.contains(*n)) {
                seen.push(next);
                at = next;
            }
            // Each cycle is reported once: at the first of its members in the file.
            let closes = after.get(at) == Some(&name.as_str());
            let first = all.iter().find(|(n, ..)| seen.contains(&n.as_str())).is_some_and(|(n, ..)| n == name);
            if let (true, true, Some(node)) = (closes, first, environment.get("after")) {
                let message = format!("environments come after one another in a circle: {} -> {name}", seen.join(" -> "));
                self.say(node, &format!("environments.{name}.after"), &message, None);
            }
        }
    }

    /// The gateway knows a service by the last part of its endpoint.
    pub(super) fn endpoints(&mut self) {
        let mut taken: HashMap<String, String> = HashMap::new();
        for (name, key, service) in named(self.root, "services") {
            let places = named(service, "environments");
            if places.is_empty() {
                self.endpoint(&mut taken, &name, key, (&format!("services.{name}"), service));
            }
            for (environment, key, differs) in places {
                let path = format!("services.{name}.environments.{environment}");
                self.endpoint(&mut taken, &place(&name, &environment), key, (&path, &merged(service, differs)));
            }
        }
    }

    fn endpoint(&mut self, taken: &mut HashMap<String, String>, name: &str, key: &Node, (path, service): (&str, &Node)) {
        let own = service.get("endpoint").and_then(Node::as_str).map(str::to_owned);
        let at = service.get("endpoint").unwrap_or(key);
        let endpoint = own.unwrap_or_else(|| super::default_endpoint(name));
        let part = endpoint.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(other) = taken.insert(part, name.to_owned()) {
            let message = format!("endpoint `{endpoint}` is already that of service `{other}`");
            self.say(at, &join(path, "endpoint"), &message, None);
        }
    }
}

fn stands_at_a_preview(root: &Node, service: &Node) -> bool {
    let name = service.get("release").and_then(Node::text).unwrap_or_default();
    let stands = |name: &String| {
        let strategy = root.get("releases").and_then(|all| all.get(name));
        // One that is not there has been reported.
        strategy.is_none_or(|strategy| matches!(strategy_of(strategy).steps.first(), Some(Step::Preview { for_ms: None, .. })))
    };
    reachable(root, &name).iter().all(stands)
}
