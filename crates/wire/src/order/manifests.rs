//! Who needs whom by what somebody wrote: `depends_on` of Compose files, the environment and arguments of Kubernetes workloads that
//! name a Service, waves of Argo CD, stages of `dvc.yaml`.
//!
//! Values of environments may be secret: what is told is the name of the Service that stands in one, and never the value.

use super::dns::{self, Service};
use super::{Mistake, Mistakes, too_long};
use crate::yaml::{self, Node};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tidegate_core::train::Finding;

/// Kinds of Kubernetes that run pods.
const WORKLOADS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"];
/// The order in which Argo CD applies: lower ones first, 0 where there is none.
const WAVE: &str = "argocd.argoproj.io/sync-wave";

/// What manifests say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// Who needs whom.
    pub findings: Vec<Finding>,
    /// What was left out of account, and why.
    pub ignored: Vec<String>,
}

/// Reads manifests, which may name each other, one file after the other: what is needed of a file is kept, and not the file.
#[derive(Default)]
pub struct ManifestReader {
    reader: Reader,
    mistakes: Mistakes,
}

impl ManifestReader {
    /// Reads a file.
    pub fn read(&mut self, file: &str, text: &str) {
        if let Some(mistake) = too_long(file, text) {
            return self.mistakes.add(mistake);
        }
        for (lines_before, document) in documents(text) {
            match yaml::parse(&document) {
                Ok(node) => self.reader.document(&Place { file, lines_before }, &node),
                Err(error) => {
                    let line = lines_before + error.line as usize;
                    self.mistakes.add(Mistake { file: file.to_owned(), line, message: error.message });
                }
            }
        }
    }

    /// What all of them say.
    ///
    /// # Errors
    /// Mistakes of all files.
    pub fn finish(mut self) -> Result<Manifests, Mistakes> {
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        self.reader.kubernetes();
        self.reader.waves();
        let told = |(what, n): (String, usize)| if n > 1 { format!("{what}, {n} times") } else { what };
        Ok(Manifests { findings: self.reader.findings, ignored: self.reader.ignored.into_iter().map(told).collect() })
    }
}

/// The documents of a file, each with the lines before it.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut all = vec![(0, String::new())];
    for (i, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            all.push((i + 1, String::new()));
        } else if let Some((_, document)) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    all.retain(|(_, text)| text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')));
    all
}

struct Place<'f> {
    file: &'f str,
    lines_before: usize,
}

impl Place<'_> {
    fn of(&self, node: &Node) -> String {
        format!("{} line {}", self.file, self.lines_before + node.line as usize)
    }
}

/// A value of an environment or an argument.
struct Written {
    text: String,
    place: String,
    /// Whether the name of its variable says that it is an address.
    is_address: bool,
}

/// What runs pods.
struct Workload {
    name: String,
    namespace: String,
    labels: Vec<(String, String)>,
    /// Values of its environment and arguments.
    values: Vec<Written>,
    /// Its wave, with its place.
    wave: Option<(i64, String)>,
}

#[derive(Default)]
struct Reader {
    findings: Vec<Finding>,
    known: HashSet<Finding>,
    ignored: BTreeMap<String, usize>,
    workloads: Vec<Workload>,
    services: Vec<Service>,
}

impl Reader {
    fn document(&mut self, place: &Place<'_>, node: &Node) {
        match (node.get("kind").and_then(Node::as_str), node.get("services"), node.get("stages")) {
            (Some("List"), ..) => items(node.get("items")).for_each(|item| self.document(place, item)),
            (Some("Service"), ..) if node.get("apiVersion").and_then(Node::as_str) == Some("v1") => {
                let (name, namespace) = named(node);
                self.services.push(Service { name, namespace, selector: pairs(at(node, &["spec", "selector"])) });
            }
            (Some(kind), ..) if WORKLOADS.contains(&kind) => self.workload(place, node, kind),
            (Some(kind), ..) => self.ignore(format!("{}: kind {kind} does not say who calls whom", place.file)),
            (None, Some(services), _) if services.as_map().is_some() => self.compose(place, services),
            (None, None, Some(stages)) if stages.as_map().is_some() => self.stages(place, stages),
            _ => self.ignore(format!("{}: it is no Compose file, no manifest of Kubernetes and no `dvc.yaml`", place.file)),
        }
    }

    fn ignore(&mut self, why: String) {
        *self.ignored.entry(why).or_default() += 1;
    }

    fn find(&mut self, service: &str, needs: &str, evidence: String) {
        let finding = Finding { service: service.to_owned(), needs: needs.to_owned(), evidence };
        if service != needs && self.known.insert(finding.clone()) {
            self.findings.push(finding);
        }
    }

    fn compose(&mut self, place: &Place<'_>, services: &Node) {
        for (key, service) in services.as_map().unwrap_or(&[]) {
            let name = key.text().unwrap_or_default();
            let needed = service.get("depends_on");
            let listed = items(needed).map(|item| (item.text().unwrap_or_default(), item));
            let keyed = needed.and_then(Node::as_map).unwrap_or(&[]).iter().map(|(key, _)| (key.text().unwrap_or_default(), key));
            for (needs, at) in listed.chain(keyed) {
                self.find(&name, &needs, format!("depends_on in {}", place.of(at)));
            }
        }
    }

    fn stages(&mut self, place: &Place<'_>, stages: &Node) {
        let paths = |node: &Node| match node.as_map() {
            Some([(path, _), ..]) => path.text().map(std::borrow::Cow::into_owned),
            _ => node.text().map(std::borrow::Cow::into_owned),
        };
        let mut writes: BTreeMap<String, String> = BTreeMap::new();
        let all: Vec<_> = stages.as_map().unwrap_or(&[]).iter().map(|(key, stage)| (key.text().unwrap_or_default(), stage)).collect();
        for (name, stage) in &all {
            if stage.get("foreach").or(stage.get("matrix")).or(stage.get("wdir")).is_some() {
                self.ignore(format!("{}: stage {name} has `foreach`, `matrix` or `wdir`", place.file));
            }
            for path in ["outs", "metrics", "plots"].iter().flat_map(|key| items(stage.get(key))).filter_map(paths) {
                writes.insert(path, name.clone().into_owned());
            }
        }
        for (name, stage) in &all {
            for dep in items(stage.get("deps")) {
                if let Some(writer) = dep.text().and_then(|path| writes.get(path.as_ref()).cloned()) {
                    self.find(name, &writer, format!("deps in {}", place.of(dep)));
                }
            }
        }
    }

    fn workload(&mut self, place: &Place<'_>, node: &Node, kind: &str) {
        let (name, namespace) = named(node);
        let template = match kind {
            "Pod" => Some(node),
            "CronJob" => at(node, &["spec", "jobTemplate", "spec", "template"]),
            _ => at(node, &["spec", "template"]),
        };
        let spec = template.and_then(|template| template.get("spec"));
        let containers = ["initContainers", "containers"].into_iter().flat_map(|key| items(spec.and_then(|spec| spec.get(key))));
        let texts = |container: &'_ Node| -> Vec<Written> {
            let is_address = |variable: &Node| variable.get("name").and_then(Node::as_str).is_some_and(dns::holds_addresses);
            let env = items(container.get("env")).filter_map(|variable| Some((variable.get("value")?, is_address(variable))));
            let args = ["command", "args"].into_iter().flat_map(|key| items(container.get(key))).map(|value| (value, false));
            let written =
                |(value, is_address): (&Node, bool)| Some(Written { text: value.text()?.into_owned(), place: place.of(value), is_address });
            env.chain(args).filter_map(written).collect()
        };
        let values = containers.flat_map(texts).collect();
        let annotation = at(node, &["metadata", "annotations"]).and_then(|all| all.get(WAVE));
        let wave = annotation.and_then(|node| Some((node.text()?.trim().parse().ok()?, place.of(node))));
        if annotation.is_some() && wave.is_none() {
            self.ignore(format!("{}: the wave of {name} is no whole number", place.file));
        }
        let labels = pairs(template.and_then(|template| at(template, &["metadata", "labels"])));
        self.workloads.push(Workload { name, namespace, labels, values, wave });
    }

    /// Workloads whose environment or arguments name a Service need those behind it.
    fn kubernetes(&mut self) {
        let (workloads, services) = (std::mem::take(&mut self.workloads), std::mem::take(&mut self.services));
        for workload in &workloads {
            for Written { text, place, is_address } in &workload.values {
                for service in dns::named(text, *is_address, &workload.namespace, &services) {
                    let is_behind = |other: &&Workload| {
                        let all = service.selector.iter().all(|pair| other.labels.contains(pair));
                        other.namespace == service.namespace && !service.selector.is_empty() && all
                    };
                    let behind: Vec<&str> = workloads.iter().filter(is_behind).map(|other| other.name.as_str()).collect();
                    let evidence = format!("Service {} is named in {place}", service.name);
                    if behind.is_empty() {
                        self.find(&workload.name, &service.name, evidence);
                    } else {
                        behind.iter().for_each(|needs| self.find(&workload.name, needs, evidence.clone()));
                    }
                }
            }
        }
        (self.workloads, self.services) = (workloads, services);
    }

    /// Those of a wave come after those of the wave before it.
    fn waves(&mut self) {
        let of = |workload: &Workload| workload.wave.as_ref().map_or(0, |(wave, _)| *wave);
        if self.workloads.iter().all(|workload| workload.wave.is_none()) {
            return;
        }
        let waves: BTreeSet<i64> = self.workloads.iter().map(of).collect();
        let mut found = vec![];
        for (before, wave) in waves.iter().zip(waves.iter().skip(1)) {
            let of_wave = |wanted: i64| self.workloads.iter().filter(move |workload| of(workload) == wanted);
            for service in of_wave(*wave) {
                for needs in of_wave(*before) {
                    let place = [service, needs].into_iter().find_map(|one| one.wave.as_ref()).map_or("", |(_, place)| place);
                    found.push((service.name.clone(), needs.name.clone(), format!("sync wave {wave} after {before}, {place}")));
                }
            }
        }
        found.into_iter().for_each(|(service, needs, evidence)| self.find(&service, &needs, evidence));
    }
}

fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

fn items(node: Option<&Node>) -> impl Iterator<Item = &Node> {
    node.and_then(Node::as_seq).unwrap_or(&[]).iter()
}

fn pairs(node: Option<&Node>) -> Vec<(String, String)> {
    let all = node.and_then(Node::as_map).unwrap_or(&[]).iter();
    all.filter_map(|(key, value)| Some((key.text()?.into_owned(), value.text()?.into_owned()))).collect()
}

/// Name and namespace.
fn named(node: &Node) -> (String, String) {
    let text = |key| at(node, &["metadata", key]).and_then(Node::text).unwrap_or_default().into_owned();
    (text("name"), text("namespace"))
}
