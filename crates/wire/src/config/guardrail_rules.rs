//! What spans several keys of a guardrail.

use super::check::{Check, join, number_of};
use super::guardrail;
use super::near;
use super::read::View;
use super::unit;
use crate::yaml::Node;
use tidegate_core::judge::GuardrailKind;
use tidegate_core::judgement::named as names_of;

/// What is filled into the queries of a metric.
const FILLED_IN: [&str; 3] = ["candidate", "control", "service"];

impl Check<'_> {
    /// Keys that mean something for other guardrails only.
    pub(super) fn keys_of_guardrail(&mut self, path: &str, name: &str, rail: &Node) {
        let Some(kind) = guardrail::kind(name, View(Some(rail))) else { return };
        for (k, _) in rail.as_map().unwrap_or(&[]) {
            let text = k.text().unwrap_or_default();
            if !guardrail::takes(&kind, &text) {
                self.say(k, path, &format!("`{text}` means nothing for `{name}`"), None);
            }
        }
    }

    pub(super) fn guardrail(&mut self, path: &str, name: &str, key: &Node, rail: &Node) {
        let Some(kind) = guardrail::kind(name, View(Some(rail))) else {
            let help = near::help(name, guardrail::NAMES);
            let help = help.or_else(|| rail.as_map().map(|_| "a metric of that name needs a `source`".to_owned()));
            return self.add(key, path, format!("there is no guardrail `{name}`"), help);
        };
        let needs_slacks = matches!(kind, GuardrailKind::Latency { .. } | GuardrailKind::Generation { .. } | GuardrailKind::ScoreShift)
            && rail.as_map().is_some()
            && rail.get("slack").is_none();
        if needs_slacks {
            let help = match kind {
                GuardrailKind::ScoreShift => {
                    "give `slack` and `harm_slack`: by how much of all scores the share beyond a quantile may differ"
                }
                GuardrailKind::Generation { .. } => {
                    "give `slack` and `harm_slack`: shares of generated answers that may lie above the control's quantile"
                }
                _ => "give `slack` and `harm_slack`: shares of requests that may be slower than the control's quantile",
            };
            self.say(key, path, &format!("`{name}` is not in the preset, so it needs slacks of its own"), Some(help));
        }
        let number = |k: &str| rail.get(k).and_then(number_of);
        let share = |k: &str| rail.get(k).and_then(Node::text).and_then(|t| unit::share(&t).ok());
        let base = guardrail::factors(&kind);
        let (tolerance, harm) = (number("tolerance").unwrap_or(base.0), number("harm").unwrap_or(base.2));
        let (slack, harm_slack) = (share("slack").unwrap_or(base.1), share("harm_slack").or(share("slack")).unwrap_or(base.3));
        for k in ["tolerance", "harm"] {
            if let Some(node) = rail.get(k).filter(|node| {
                rail.get("by").is_none_or(|by| by.as_str() != Some("difference")) && number_of(node).is_some_and(|n| n < 1.0)
            }) {
                self.say(node, &join(path, k), &format!("`{k}` is a ratio, from 1"), None);
            }
        }
        let judged = !matches!(kind, GuardrailKind::SampleRatio | GuardrailKind::Metric(_)) && rail.as_map().is_some() && !needs_slacks;
        if judged && (harm < tolerance || harm_slack < slack || (harm <= tolerance && harm_slack <= slack)) {
            let at = ["harm", "harm_slack", "tolerance", "slack"].iter().filter_map(|k| rail.get(k)).find(|n| n.line > 0).unwrap_or(key);
            let message = format!("harm ({harm} * p0 + {harm_slack}) must lie above what is harmless ({tolerance} * p0 + {slack})");
            let help = "raise `harm` or `harm_slack`: neither may be less than `tolerance` or `slack`, and one must be more";
            self.say(at, path, &message, Some(help));
        }
    }

    /// A guardrail that is a value of a source.
    pub(super) fn metric(&mut self, path: &str, key: &Node, rail: &Node, tick_ms: u64) {
        let mut queries = vec![];
        for arm in ["candidate", "control"] {
            let Some(node) = rail.get(arm) else {
                self.say(key, path, &format!("`{arm}` is missing"), Some("give the query of its value, in the source's own language"));
                continue;
            };
            let query = node.text().unwrap_or_default().into_owned();
            if let Some(unknown) = names_of(&query).find(|name| !FILLED_IN.contains(name)) {
                let help = format!("filled in are {}", FILLED_IN.join(", "));
                self.say(node, &join(path, arm), &format!("nothing is known to fill in for `{unknown}`"), Some(&help));
            }
            queries.push((node, query));
        }
        if let [(_, candidate), (node, control)] = queries.as_slice()
            && candidate == control
        {
            self.say(
                node,
                &join(path, "control"),
                "candidate and control are the same query: what is held against itself is never worse",
                None,
            );
        }
        if rail.get("worse").is_none() {
            self.say(key, path, "`worse` is missing: without it nobody knows what harm is", Some("say `worse: lower`, or `worse: higher`"));
        }
        let every = rail.get("every").and_then(Node::text).map_or(Ok(guardrail::EVERY_MS), |t| unit::duration_ms(&t));
        if every.is_ok_and(|every| every < tick_ms) {
            let at = rail.get("every").unwrap_or(key);
            let message = format!("it is asked at most once a tick, and a tick is {}", unit::duration_text(tick_ms));
            self.say(at, &join(path, "every"), &message, Some("raise `every`, or shorten `tick`"));
        }
        let base = match rail.get("by").and_then(Node::as_str) {
            Some("difference") => None,
            _ => Some((1.02, 1.1)),
        };
        let number = |k: &str| rail.get(k).and_then(number_of);
        let (tolerance, harm) = (number("tolerance").or(base.map(|b| b.0)), number("harm").or(base.map(|b| b.1)));
        match (tolerance, harm) {
            (Some(tolerance), Some(harm)) if harm <= tolerance => {
                let at = ["harm", "tolerance"].iter().find_map(|k| rail.get(k)).unwrap_or(key);
                self.say(at, path, &format!("harm ({harm}) must lie above the tolerance ({tolerance})"), None);
            }
            (Some(_), Some(_)) => {}
            _ => self.say(key, path, "a difference needs `tolerance` and `harm`, in the unit of its values", None),
        }
    }
}
