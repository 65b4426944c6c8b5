//! A/B tests as they are configured: versions are named when one is started, and everything is registered then.

use super::check::{Check, join};
use super::read::{View, carrier};
use super::types::Workspace;
use crate::yaml::Node;
use indexmap::IndexMap;
use tidegate_core::ab::{Better, Draft, Kind, Metric, Missing, Spec, Worth};
use tidegate_core::judge::JudgeSettings;
use tidegate_core::route::Carrier;

/// A test that can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct AbTest {
    /// The service whose clients are drawn.
    pub service: String,
    /// Variants with their weights.
    pub variants: IndexMap<String, u32>,
    /// What carries a client's key; the service's affinity where there is none.
    pub unit: Option<Carrier>,
    /// What is measured.
    pub metric: Metric,
    /// Share of all clients, in basis points.
    pub share_bp: u32,
    /// Chance that any statement is ever false.
    pub alpha: f64,
    /// Longest duration.
    pub horizon_ms: u64,
    /// What would be worth having.
    pub min_effect: f64,
}

impl AbTest {
    /// What would be registered with these versions; none where nothing says what a client is.
    pub fn draft(&self, name: &str, config: &Workspace, version: impl Fn(&str) -> String) -> Option<Draft> {
        let service = config.services.get(&self.service)?;
        let judge = config.releases.get(&service.release).map_or_else(JudgeSettings::preset, |s| s.judge.clone());
        self.with(name, &service.model, self.unit.clone().or_else(|| service.affinity.clone())?, judge, version)
    }

    fn with(&self, name: &str, model: &str, unit: Carrier, judge: JudgeSettings, version: impl Fn(&str) -> String) -> Option<Draft> {
        Some(Draft {
            name: name.to_owned(),
            service: self.service.clone(),
            model: model.to_owned(),
            variants: self.variants.iter().map(|(variant, weight)| (variant.clone(), version(variant), *weight)).collect(),
            unit,
            metric: self.metric.clone(),
            share_bp: self.share_bp,
            alpha: self.alpha,
            horizon_ms: self.horizon_ms,
            min_effect: self.min_effect,
            judge,
        })
    }
}

/// Reads one.
pub(super) fn ab_test(view: View<'_>) -> AbTest {
    let metric = view.at("metric");
    let mean = metric.at("kind").word("mean");
    AbTest {
        service: view.owned("service"),
        variants: view.at("variants").named(|_, v| v.at("weight").whole()),
        unit: view.at("unit").there().and_then(carrier),
        metric: Metric {
            feedback: if metric.at("feedback").word("correct") { Worth::Correct } else { Worth::Label },
            kind: if mean { Kind::Mean } else { Kind::Rate },
            better: if metric.at("better").word("lower") { Better::Lower } else { Better::Higher },
            min: metric.at("min").number().filter(|_| mean).unwrap_or(0.0),
            max: metric.at("max").number().filter(|_| mean).unwrap_or(1.0),
            window_ms: metric.at("window").ms().unwrap_or_default(),
            missing: if metric.at("missing").word("zero") { Missing::Zero } else { Missing::LeftOut },
        },
        share_bp: view.at("share").bp().unwrap_or_default(),
        alpha: view.at("alpha").number().unwrap_or_default(),
        horizon_ms: view.at("horizon").ms().unwrap_or_default(),
        min_effect: view.at("min_effect").number().unwrap_or_default(),
    }
}

impl Check<'_> {
    /// What spans several keys of a test.
    pub(super) fn ab_test(&mut self, name: &str, key: &Node, node: &Node) {
        let path = join("ab_tests", name);
        let metric = node.get("metric");
        let is_mean = metric.and_then(|m| m.get("kind")).and_then(Node::as_str) == Some("mean");
        if let Some((at, metric)) = node.entry("metric") {
            for bound in ["min", "max"] {
                match metric.get(bound) {
                    None if is_mean => {
                        let why = format!("a mean needs `{bound}`: what lies beyond it counts as it");
                        self.say(at, &join(&path, "metric"), &why, None);
                    }
                    Some(given) if !is_mean => {
                        let path = format!("{path}.metric.{bound}");
                        self.say(given, &path, "a rate lies between 0 and 1: only a mean has bounds", None);
                    }
                    _ => {}
                }
            }
        }
        if let Some((at, unit)) = node.entry("unit") {
            self.carrier(&join(&path, "unit"), at, unit, true);
        }
        let service = node.get("service").and_then(Node::as_str).and_then(|s| self.root.get("services")?.get(s));
        let by_others = "here our gateway draws the clients, and somebody else answers this service's";
        let several = "it runs in several environments: a test is of one service with one way in";
        for (part, why) in [("driver", by_others), ("environments", several)] {
            if service.is_some_and(|s| s.entry(part).is_some()) {
                self.say(key, &join(&path, "service"), why, Some("name another service"));
            }
        }
        if service.is_some_and(|s| s.get("affinity").is_none()) && node.get("unit").is_none() {
            let help = "give `unit: { header: x-user-id }`, or an `affinity` to the service";
            self.say(key, &path, "nothing says what a client is: a test is of clients, not of requests", Some(help));
        }
        if self.problems.is_empty() {
            // Versions are named later; everything else must fit together now.
            let read = ab_test(View(Some(node)));
            let unit = Carrier::Header("x".to_owned());
            let draft = read.with(name, "m", unit, JudgeSettings::preset(), |_| "1".to_owned());
            if let Some(Err(problem)) = draft.map(Spec::build) {
                self.say(key, &path, &problem.to_string(), None);
            }
        }
    }
}
