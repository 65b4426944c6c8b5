//! `duty` of tidegate.yaml: as values, and what of them spans several keys.

use super::check::{Check, join};
use super::read::View;
use super::rules::named;
use super::types::AT;
use super::unit;
use crate::freeze::{local, zone};
use crate::yaml::Node;
use indexmap::IndexMap;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::duty::{Override, Rotation, Shift, Step};
use tidegate_core::id::At;

const DAY_MS: u64 = 86_400_000;

/// A duty.
#[derive(Clone, Debug, PartialEq)]
pub struct Duty {
    /// Who takes turns, and when.
    pub rotation: Rotation,
    /// Services that it is for; all when empty.
    pub services: Vec<String>,
    /// What nobody answers for so long goes to the next.
    pub after_ms: u64,
    /// Duties that are called next.
    pub escalate: Vec<String>,
}

impl Duty {
    /// Whether it is for a service.
    #[must_use]
    pub fn is_for(&self, service: &str) -> bool {
        // One that runs in several environments is named for all of them.
        let everywhere = service.split_once(AT).map_or(service, |(name, _)| name);
        self.services.is_empty() || self.services.iter().any(|s| s == service || s == everywhere)
    }
}

/// The duty that is called first for a service: the first of the file that is for it, and that no other one escalates to.
#[must_use]
pub fn first_of<'a>(duties: &'a IndexMap<String, Duty>, service: &str) -> Option<(&'a str, &'a Duty)> {
    let is_next = |name: &str| duties.values().any(|duty| duty.escalate.iter().any(|next| next == name));
    duties.iter().find(|(name, duty)| duty.is_for(service) && !is_next(name)).map(|(name, duty)| (name.as_str(), duty))
}

/// Who is on the first duty of a service at a time.
#[must_use]
pub fn on_duty(duties: &IndexMap<String, Duty>, service: &str, at: At) -> Option<Shift> {
    first_of(duties, service)?.1.rotation.on_duty(at)
}

/// Whom a call of a service goes to at a time, one after the other, and how long each has.
#[must_use]
pub fn steps(duties: &IndexMap<String, Duty>, service: &str, at: At) -> (Vec<Step>, u64) {
    let Some((name, first)) = first_of(duties, service) else { return (vec![], 0) };
    let names = std::iter::once(name).chain(first.escalate.iter().map(String::as_str));
    let step = |name: &str| {
        let person = duties.get(name)?.rotation.on_duty(at).map(|shift| shift.person);
        Some(Step { duty: name.to_owned(), person })
    };
    (names.filter_map(step).collect(), first.after_ms)
}

pub(super) fn duty(view: View<'_>) -> Duty {
    let texts = |key: &str| view.at(key).items().into_iter().filter_map(View::text).collect::<Vec<_>>();
    let rotation = rotation(view).unwrap_or_else(|_| Rotation {
        people: vec![],
        from: Date::constant(1970, 1, 1),
        every_days: 1,
        hand_over: Time::midnight(),
        zone: TimeZone::UTC,
        overrides: vec![],
    });
    Duty { rotation, services: texts("services"), after_ms: view.at("after").ms().unwrap_or_default(), escalate: texts("escalate") }
}

/// A key that is wrong, and why.
type Mistake = (&'static str, String);

fn rotation(view: View<'_>) -> Result<Rotation, Mistake> {
    let zone = zone(&view.owned("zone")).map_err(|why| ("zone", why))?;
    let from = view.owned("from");
    let from: Date = from.trim().parse().map_err(|_| ("from", format!("`{from}` is no day, as `2026-03-16`")))?;
    let hour = view.owned("hand_over");
    let plain = hour.len() == 5 && hour.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let parsed = hour.parse::<Time>().ok().filter(|_| plain);
    let hand_over = parsed.ok_or_else(|| ("hand_over", format!("`{hour}` is no hour of the day, as `09:00`")))?;
    let every_ms = view.at("every").ms().unwrap_or_default();
    if !every_ms.is_multiple_of(DAY_MS) {
        return Err(("every", format!("{} is not a number of whole days", unit::duration_text(every_ms))));
    }
    let time = |text: String| -> Result<At, Mistake> {
        let local = local(&text).map_err(|_| ("overrides", format!("`{text}` is no date or time, as `2026-03-18 12:00`")))?;
        let zoned = zone.to_ambiguous_zoned(local).compatible().map_err(|e| ("overrides", e.to_string()))?;
        Ok(At(zoned.timestamp().as_millisecond()))
    };
    let one = |v: View<'_>| -> Result<Override, Mistake> {
        let (from, until) = (time(v.owned("from"))?, time(v.owned("until"))?);
        if until <= from {
            return Err(("overrides", format!("`{}` ends before it begins, at `{}`", v.owned("until"), v.owned("from"))));
        }
        Ok(Override { person: v.owned("person"), from, until })
    };
    let overrides = view.at("overrides").items().into_iter().map(one).collect::<Result<_, _>>()?;
    let people = view.at("people").items().into_iter().filter_map(View::text).collect();
    Ok(Rotation { people, from, every_days: u32::try_from(every_ms / DAY_MS).unwrap_or(1).max(1), hand_over, zone, overrides })
}

impl Check<'_> {
    /// That of all duties together somebody is called first.
    pub(super) fn duties(&mut self) {
        let root = self.root;
        let texts = |node: &Node, key: &str| -> Vec<String> {
            let items = node.get(key).and_then(Node::as_seq).unwrap_or(&[]);
            items.iter().filter_map(|item| item.text().map(|text| text.into_owned())).collect()
        };
        let duties = named(root, "duty");
        let next: BTreeMap<&str, Vec<String>> = duties.iter().map(|(name, _, duty)| (name.as_str(), texts(duty, "escalate"))).collect();
        let comes_back = |name: &str| {
            let (mut seen, mut open) = (BTreeSet::new(), next.get(name).cloned().unwrap_or_default());
            while let Some(one) = open.pop() {
                if seen.insert(one.clone()) {
                    open.extend(next.get(one.as_str()).cloned().unwrap_or_default());
                }
            }
            seen.contains(name)
        };
        let mut circle = false;
        for (name, key, _) in duties.iter().filter(|(name, ..)| comes_back(name)) {
            circle = true;
            // Of one that escalates to itself it is said already.
            if !next[name.as_str()].contains(name) {
                let help = Some("let the one that is called first be no other one's next");
                self.say(key, &join("duty", name), "its escalation comes back to it: nobody is called first", help);
            }
        }
        let is_next = |name: &String| next.values().any(|next| next.contains(name));
        for (service, key, _) in named(root, "services") {
            let is_for = |duty: &Node| {
                let of = texts(duty, "services");
                of.is_empty() || of.contains(&service)
            };
            let of_it: Vec<&String> = duties.iter().filter(|(_, _, duty)| is_for(duty)).map(|(name, ..)| name).collect();
            if !circle && !of_it.is_empty() && of_it.iter().all(|name| is_next(name)) {
                let why = format!("of its duties none is called first: others escalate to `{}`", of_it[0]);
                self.say(key, &join("services", &service), &why, Some("name the service in `services` of the duty that is called first"));
            }
        }
    }

    /// What of a duty spans several keys.
    pub(super) fn duty(&mut self, path: &str, name: &str, key: &Node, node: &Node) {
        let whole = node.get("people").is_some() && node.get("from").is_some();
        if let (true, Err((at, why))) = (whole, rotation(View(Some(node)))) {
            let node = node.get(at).filter(|n| n.line > 0).unwrap_or(key);
            self.say(node, &join(path, at), &why, None);
        }
        let next = node.get("escalate").and_then(Node::as_seq).unwrap_or(&[]);
        if let Some(itself) = next.iter().find(|n| n.as_str() == Some(name)) {
            self.say(itself, &join(path, "escalate"), "it escalates to itself", Some("name another duty"));
        }
    }
}
