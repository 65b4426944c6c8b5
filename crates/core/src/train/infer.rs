//! An order of services, inferred from who calls whom: traces that were recorded, and manifests that somebody wrote.
//!
//! Who calls comes after who is called. What is proposed names its evidence, what stands in a circle, and what was left out of account.
//! Not here: the formats of traces and manifests (`wire`), and who approves a proposal (`order`).

use super::spec::CARS_MAX;
use crate::line::line;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most edges of a proposal.
pub const EDGES_MAX: usize = 100;
/// Most pieces of evidence that an edge keeps; the rest is counted.
pub const EVIDENCE_MAX: usize = 3;
/// Most sentences on what was left out.
pub const IGNORED_MAX: usize = 30;
/// Longest piece of evidence, in bytes.
const TEXT_BYTES_MAX: usize = 120;
/// Most names of services in a sentence on what was left out.
const NAMES_MAX: usize = 10;
/// Most kinds of what was left out and is not listed, and the longest one, in bytes.
const KINDS_MAX: usize = 3;
const KIND_BYTES_MAX: usize = 50;

/// What a span is to the call that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// It calls.
    Client,
    /// It answers.
    Server,
    /// It sends a message, or takes one: nobody waits for an answer.
    Message,
    /// Anything else.
    Other,
}

/// A span of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its trace.
    pub trace: String,
    /// Its name within it.
    pub id: String,
    /// The span that it belongs to.
    pub parent: Option<String>,
    /// Who recorded it; empty: nobody said.
    pub service: String,
    /// What it is.
    pub kind: SpanKind,
    /// Where it stands: the file and the line, or the trace.
    pub place: String,
}

/// Somebody needs somebody else, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Who needs it.
    pub service: String,
    /// What it needs.
    pub needs: String,
    /// How that is known.
    pub evidence: String,
}

/// A service that comes after another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Which.
    pub service: String,
    /// After which.
    pub after: String,
    /// How that is known.
    pub evidence: Vec<String>,
    /// Pieces of evidence that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// An order that somebody may approve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Services that it is about.
    pub services: Vec<String>,
    /// Which come after which.
    pub edges: Vec<Edge>,
    /// Services that need each other in a circle: they have no order among themselves, and go beside each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<Vec<String>>,
    /// What was left out of account, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// Why there is no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProposal {
    /// Nothing to put in order.
    #[error("no service is named in what was read: give traces in which services call each other, or manifests")]
    Nothing,
    /// Too many.
    #[error("{0} services are named, and a train has at most {CARS_MAX}: name those that are meant")]
    Services(usize),
    /// Too many.
    #[error("{0} services come after another one, and a proposal has at most {EDGES_MAX} such pairs: name fewer services")]
    Edges(usize),
}

/// Calls between services, and in words what was left out of account. A call is a server's span whose parent is a client's span of
/// another service.
#[must_use]
pub fn calls(spans: &[Span]) -> (Vec<Finding>, Vec<String>) {
    let mut known: HashMap<(&str, &str), &Span> = HashMap::new();
    for span in spans {
        // Both sides of a call may bear one name: the calling side is the parent.
        let place = known.entry((span.trace.as_str(), span.id.as_str())).or_insert(span);
        if span.kind == SpanKind::Client {
            *place = span;
        }
    }
    let mut found: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    let mut ignored: BTreeMap<&str, usize> = BTreeMap::new();
    for span in spans {
        let mut leave_out = |why| *ignored.entry(why).or_default() += 1;
        if span.service.is_empty() {
            leave_out("spans name no service (`service.name`)");
            continue;
        }
        let Some(parent) = &span.parent else { continue };
        let parent = known.get(&(span.trace.as_str(), parent.as_str())).filter(|parent| !std::ptr::eq(**parent, span));
        match (span.kind, parent) {
            (SpanKind::Message, Some(parent)) if parent.service != span.service => {
                leave_out("messages between services: who sends does not wait for who takes them");
            }
            (SpanKind::Server, None) => leave_out("calls of which the calling side was not recorded"),
            (SpanKind::Server, Some(parent)) if parent.service == span.service => leave_out("calls within one service"),
            (SpanKind::Server, Some(parent)) if parent.service.is_empty() => leave_out("calls from spans that name no service"),
            (SpanKind::Server, Some(parent)) if parent.kind == SpanKind::Client => {
                found.entry((&parent.service, &span.service)).or_insert((0, &span.place)).0 += 1;
            }
            (_, Some(parent)) if parent.service != span.service => {
                leave_out("pairs of spans of two services that are not those of a client and a server");
            }
            _ => {}
        }
    }
    let finding = |((service, needs), (n, place)): ((&str, &str), (usize, &str))| Finding {
        service: service.to_owned(),
        needs: needs.to_owned(),
        evidence: format!("{n} {}, the first in {place}", if n == 1 { "call" } else { "calls" }),
    };
    (found.into_iter().map(finding).collect(), ignored.into_iter().map(|(why, n)| format!("{n} {why}")).collect())
}

/// The order that follows. `members` are the services of the train; none: all that are named. What comes after one that is no member
/// comes after what that one needs.
///
/// # Errors
/// When there is nothing to put in order, or too much.
pub fn propose(findings: &[Finding], members: Option<&[String]>, mut ignored: Vec<String>) -> Result<Proposal, NoProposal> {
    let mut graph: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for Finding { service, needs, evidence } in findings.iter().filter(|finding| finding.service != finding.needs) {
        graph.entry(service).or_default().entry(needs).or_default().push(evidence);
    }
    let named: BTreeSet<&str> = findings.iter().flat_map(|f| [f.service.as_str(), f.needs.as_str()]).collect();
    let services: BTreeSet<&str> = members.map_or_else(|| named.clone(), |all| all.iter().map(String::as_str).collect());
    if named.is_empty() {
        return Err(NoProposal::Nothing);
    }
    if services.len() > CARS_MAX {
        return Err(NoProposal::Services(services.len()));
    }
    let others: Vec<&str> = named.difference(&services).copied().collect();
    let unnamed: Vec<&str> = services.difference(&named).copied().collect();
    // First: it is about services, and what follows about single lines of files.
    let about = [(&unnamed, "nothing is known of ", ": they come in no order"), (&others, "not in the train: ", "")];
    for (all, before, after) in about.into_iter().filter(|(all, ..)| !all.is_empty()) {
        ignored.insert(0, format!("{before}{}{after}", listed(all)));
    }
    let edges: Vec<Edge> = services.iter().flat_map(|service| edges_of(&graph, &services, service)).collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> = services.iter().map(|service| (*service, reached(&edges, service))).collect();
    let circle = |a: &str, b: &str| reach.get(a).is_some_and(|all| all.contains(b)) && reach.get(b).is_some_and(|all| all.contains(a));
    let cycles: BTreeSet<Vec<String>> = services
        .iter()
        .filter(|service| circle(service, service))
        .map(|service| services.iter().filter(|other| circle(service, other)).map(|other| (*other).to_owned()).collect())
        .collect();
    let edges: Vec<Edge> = edges.iter().filter(|edge| !circle(&edge.service, &edge.after)).cloned().collect();
    if edges.len() > EDGES_MAX {
        return Err(NoProposal::Edges(edges.len()));
    }
    let services = services.iter().map(|service| (*service).to_owned()).collect();
    Ok(Proposal { services, edges, cycles: cycles.into_iter().collect(), ignored: shortened(&ignored) })
}

/// Names, as many as are shown, and how many others there are.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMES_MAX);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// What was left out, as much as a proposal has; where that is not all, first how many sentences are not there, and of which kinds.
fn shortened(ignored: &[String]) -> Vec<String> {
    let lines = |all: &[String]| all.iter().map(|why| line(why, TEXT_BYTES_MAX * 2)).collect::<Vec<_>>();
    let (shown, rest) = ignored.split_at(ignored.len().min(IGNORED_MAX));
    if rest.is_empty() {
        return lines(shown);
    }
    let (shown, rest) = ignored.split_at(IGNORED_MAX - 1);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for why in rest {
        // Before it stands which file it is about.
        *kinds.entry(why.split_once(": ").map_or(why.as_str(), |(_, kind)| kind)).or_default() += 1;
    }
    let mut most: Vec<(&str, usize)> = kinds.into_iter().collect();
    most.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let told: Vec<String> = most.iter().take(KINDS_MAX).map(|(kind, n)| format!("{n} of \"{}\"", line(kind, KIND_BYTES_MAX))).collect();
    let others = if most.len() > KINDS_MAX { format!(", and {} other kinds", most.len() - KINDS_MAX) } else { String::new() };
    let mut all =
        vec![line(&format!("{} more that were left out are not listed: {}{others}", rest.len(), told.join(", ")), TEXT_BYTES_MAX * 2)];
    all.extend(lines(shown));
    all
}

/// What a member comes after: what it needs, and through those that are no members what they need.
fn edges_of(graph: &BTreeMap<&str, BTreeMap<&str, Vec<&str>>>, members: &BTreeSet<&str>, service: &str) -> Vec<Edge> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut look, mut asked) = (vec![(service, String::new())], BTreeSet::from([service]));
    while let Some((at, through)) = look.pop() {
        for (needs, evidence) in graph.get(at).into_iter().flatten() {
            if members.contains(needs) && *needs != service {
                found.entry(needs).or_default().extend(evidence.iter().map(|text| line(&format!("{text}{through}"), TEXT_BYTES_MAX)));
            } else if !members.contains(needs) && asked.insert(needs) {
                look.push((needs, format!(", through {needs}")));
            }
        }
    }
    let edge = |(after, mut evidence): (&str, Vec<String>)| {
        let more = evidence.len().saturating_sub(EVIDENCE_MAX);
        evidence.truncate(EVIDENCE_MAX);
        Edge { service: service.to_owned(), after: after.to_owned(), evidence, more }
    };
    found.into_iter().map(edge).collect()
}

/// Everything that a service comes after, directly or through others.
fn reached<'a>(edges: &'a [Edge], service: &str) -> BTreeSet<&'a str> {
    let (mut look, mut found) = (vec![service], BTreeSet::new());
    while let Some(at) = look.pop() {
        for edge in edges.iter().filter(|edge| edge.service == at) {
            if found.insert(edge.after.as_str()) {
                look.push(&edge.after);
            }
        }
    }
    found
}

impl Proposal {
    /// What a service comes after.
    pub fn after<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Edge> {
        self.edges.iter().filter(move |edge| edge.service == service)
    }
}
