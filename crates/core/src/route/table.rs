//! The nouns of routing, as values.

use super::Lot;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The whole of a service's traffic, in basis points.
pub const WEIGHT_TOTAL_BP: u32 = 10_000;
/// Targets that one route may name: one of each role, and one to spare.
pub const TARGETS_MAX: usize = 4;

/// Why a version runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It carries the service.
    Stable,
    /// It is under judgement.
    Candidate,
    /// A fresh copy of stable that the candidate is compared with.
    Control,
    /// One side of an A/B test; the target says which.
    Variant,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Role::Stable, Role::Candidate, Role::Control, Role::Variant];

    /// As it is written in labels and command lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Stable => "stable",
            Role::Candidate => "candidate",
            Role::Control => "control",
            Role::Variant => "variant",
        }
    }

    /// From its written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One loaded version of one service, in one role: what a worker runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    /// Service.
    pub service: String,
    /// Version of its model.
    pub version: String,
    /// Why it runs.
    pub role: Role,
    /// Of [`Role::Variant`]: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl TargetId {
    /// A target by its three names.
    #[must_use]
    pub fn new(service: impl Into<String>, version: impl Into<String>, role: Role) -> TargetId {
        TargetId { service: service.into(), version: version.into(), role, variant: None }
    }

    /// A side of an A/B test.
    #[must_use]
    pub fn of_variant(service: impl Into<String>, version: impl Into<String>, variant: impl Into<String>) -> TargetId {
        TargetId { variant: Some(variant.into()), ..TargetId::new(service, version, Role::Variant) }
    }
}

impl std::fmt::Display for TargetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} version {} ({}", self.service, self.version, self.role)?;
        self.variant.iter().try_for_each(|name| write!(f, " {name}"))?;
        f.write_str(")")
    }
}

/// A target with its share of live requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedTarget {
    /// Who answers.
    pub target: TargetId,
    /// Share in basis points; 0 is never served.
    pub weight_bp: u32,
}

/// Copies of live requests, answered by candidate and control, seen by nobody but the judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Share of live requests that are copied, in basis points.
    pub percent_bp: u32,
    /// The version under judgement.
    pub candidate: TargetId,
    /// What it is compared with.
    pub control: TargetId,
}

/// Where a request carries a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", content = "name", rename_all = "snake_case")]
pub enum Carrier {
    /// A header of this name.
    Header(String),
    /// A cookie of this name.
    Cookie(String),
}

impl Carrier {
    /// The value in the request's headers of a name, first to last.
    pub fn value<'a, V: Iterator<Item = &'a [u8]>>(&self, headers: impl Fn(&str) -> V) -> Option<&'a [u8]> {
        match self {
            Carrier::Header(name) => headers(name).next(),
            Carrier::Cookie(name) => headers("cookie").find_map(|line| cookie(line, name.as_bytes())),
        }
    }
}

/// Whether it can be the name of a header (RFC 9110, section 5.6.2), which a cookie's name is too.
#[must_use]
pub fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether both a header and a cookie can carry it as it is (RFC 6265, section 4.1.1).
#[must_use]
pub fn is_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| matches!(b, b'!'..=b'~') && !b";,\"\\".contains(&b))
}

/// The value of a cookie in a `Cookie` header (RFC 6265, section 5.4), without the quotes around it.
fn cookie<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.split(|b| *b == b';').map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))?;
    Some(value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value))
}

/// Requests that ask for a version get it; the judge does not count them, for who asks is not drawn by lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What asks for it.
    pub carrier: Carrier,
    /// The value that asks for it; any when none is given.
    pub value: Option<String>,
    /// The version.
    pub target: TargetId,
}

impl Preview {
    /// Whether a request asks for it.
    pub fn asked<'a, V: Iterator<Item = &'a [u8]>>(&self, headers: impl Fn(&str) -> V) -> bool {
        self.carrier.value(headers).is_some_and(|found| self.value.as_ref().is_none_or(|value| value.as_bytes() == found))
    }
}

/// Requests that carry a key always reach the same side while weights stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    /// What carries the key; requests without it are split exactly.
    pub carrier: Carrier,
    /// Keeps one service's assignment independent of another's.
    pub salt: String,
}

/// One service's way to its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Service.
    pub service: String,
    /// The model's name in the protocol: `late-arrival` in `/v2/models/late-arrival`.
    pub model: String,
    /// Who answers; weights sum to [`WEIGHT_TOTAL_BP`].
    pub targets: Vec<WeightedTarget>,
    /// Shadow, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Preview, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Sticky assignment, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// An A/B test, if any; its clients are drawn before anything else of the route but a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<Lot>,
    /// How long an answer may be given again, in milliseconds; none: each request is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ms: Option<u64>,
}

impl Route {
    /// A route that sends everything to one target.
    #[must_use]
    pub fn all_to(model: impl Into<String>, target: TargetId) -> Route {
        Route {
            service: target.service.clone(),
            model: model.into(),
            targets: vec![WeightedTarget { target, weight_bp: WEIGHT_TOTAL_BP }],
            mirror: None,
            preview: None,
            sticky: None,
            lot: None,
            cache_ms: None,
        }
    }

    /// Weights in the order of targets.
    #[must_use]
    pub fn weights_bp(&self) -> Vec<u32> {
        self.targets.iter().map(|t| t.weight_bp).collect()
    }

    /// Every target that must be loaded while this route stands: those with weight, both sides of a mirror, a preview's, and an A/B test's.
    #[must_use]
    pub fn needed(&self) -> Vec<&TargetId> {
        let live = self.targets.iter().filter(|t| t.weight_bp > 0).map(|t| &t.target);
        let mirror = self.mirror.iter().filter(|m| m.percent_bp > 0).flat_map(|m| [&m.candidate, &m.control]);
        let preview = self.preview.iter().map(|p| &p.target);
        let lot = self.lot.iter().flat_map(|lot| &lot.stretches).map(|s| &s.target);
        let mut all: Vec<&TargetId> = live.chain(mirror).chain(preview).chain(lot).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// All routes at one generation; the gateway swaps it whole and refuses an older one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Rises with each change.
    pub generation: u64,
    /// By service.
    pub routes: IndexMap<String, Route>,
}

impl RouteTable {
    /// A table of `routes`, keyed by their services.
    #[must_use]
    pub fn new(generation: u64, routes: impl IntoIterator<Item = Route>) -> RouteTable {
        RouteTable { generation, routes: routes.into_iter().map(|r| (r.service.clone(), r)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(carrier: &Carrier, lines: &[(&str, &'static str)]) -> Option<&'static str> {
        let of = |name: &str| {
            let lines: Vec<&[u8]> = lines.iter().filter(|line| line.0 == name).map(|line| line.1.as_bytes()).collect();
            lines.into_iter()
        };
        carrier.value(of).map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn a_value_is_found_in_its_header_or_cookie() {
        let header = Carrier::Header("x-user".to_owned());
        assert_eq!(found(&header, &[("x-user", "ada"), ("x-user", "bob")]), Some("ada"));
        assert_eq!(found(&header, &[("cookie", "x-user=ada")]), None);
        let cookie = Carrier::Cookie("id".to_owned());
        assert_eq!(found(&cookie, &[("cookie", "sid=1; id=7;x=2")]), Some("7"));
        assert_eq!(found(&cookie, &[("cookie", "a=1"), ("cookie", "id=\"7 8\"")]), Some("7 8"));
        assert_eq!(found(&cookie, &[("cookie", "id=")]), Some(""));
        assert_eq!(found(&cookie, &[("cookie", "idx=7; xid=8; id")]), None);
        assert_eq!(found(&cookie, &[("cookie", "id=\"")]), Some("\""), "half a quote is no quote");
    }

    #[test]
    fn a_preview_is_for_those_who_ask() {
        let preview = |value: Option<&str>| Preview {
            carrier: Carrier::Header("x-preview".to_owned()),
            value: value.map(str::to_owned),
            target: TargetId::new("s", "2", Role::Candidate),
        };
        let asked = |preview: &Preview, sent: &'static str| preview.asked(|_| [sent.as_bytes()].into_iter());
        assert!(asked(&preview(None), "") && asked(&preview(None), "no"));
        assert!(asked(&preview(Some("green")), "green") && !asked(&preview(Some("green")), "Green"));
        assert!(!preview(None).asked(|_| std::iter::empty()));
    }
}
