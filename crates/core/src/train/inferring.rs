//! Tests of orders that are inferred: calls in spans, what follows from them, and who accepts it.

use super::*;
use crate::id::{At, Digest};
use crate::machine::Machine as _;

/// `trace id parent service kind`
fn span(text: &str) -> Span {
    let mut words = text.split_whitespace();
    let mut word = || words.next().unwrap().to_owned();
    let (trace, id, parent, service, kind) = (word(), word(), word(), word(), word());
    let kind = match kind.as_str() {
        "client" => SpanKind::Client,
        "server" => SpanKind::Server,
        "message" => SpanKind::Message,
        _ => SpanKind::Other,
    };
    let service = if service == "?" { String::new() } else { service };
    let place = format!("trace {trace}");
    Span { trace, id, parent: (parent != "-").then_some(parent), service, kind, place }
}

fn needs(service: &str, needs: &str) -> Finding {
    Finding { service: service.to_owned(), needs: needs.to_owned(), evidence: format!("{service} calls {needs}") }
}

fn edges(proposal: &Proposal) -> Vec<String> {
    proposal.edges.iter().map(|edge| format!("{} after {}", edge.service, edge.after)).collect()
}

#[test]
fn calls_are_pairs_of_client_and_server() {
    let spans = [
        "1 a - page server",
        "1 b a page client",
        "1 c b ranker server",
        "1 d c ranker other",
        "1 e d ranker client",
        "1 f e features server",
        "2 b - page client",
        "2 b2 b ranker server",
        // Of another trace, with the same names.
        "3 c b features server",
        "3 g - page other",
        "3 h g ranker server",
        "3 i - queue message",
        "3 j i mailer message",
        "3 k - ranker client",
        "3 l k ranker server",
        "3 m - ? server",
    ];
    let (found, ignored) = calls(&spans.map(span));
    let told: Vec<String> = found.iter().map(|f| format!("{} -> {}: {}", f.service, f.needs, f.evidence)).collect();
    assert_eq!(told, ["page -> ranker: 2 calls, the first in trace 1", "ranker -> features: 1 call, the first in trace 1"]);
    assert_eq!(
        ignored,
        [
            "1 calls of which the calling side was not recorded",
            "1 calls within one service",
            "1 messages between services: who sends does not wait for who takes them",
            "1 pairs of spans of two services that are not those of a client and a server",
            "1 spans name no service (`service.name`)",
        ]
    );
}

#[test]
fn both_sides_of_a_call_may_bear_one_name() {
    for order in [["1 a - page client", "1 a a ranker server"], ["1 a a ranker server", "1 a - page client"]] {
        let (found, ignored) = calls(&order.map(span));
        assert_eq!((found.len(), ignored.len()), (1, 0), "{found:?} {ignored:?}");
        assert_eq!((found[0].service.as_str(), found[0].needs.as_str()), ("page", "ranker"));
    }
    let own_parent = calls(&[span("1 a a ranker server")]);
    assert_eq!(own_parent.1, ["1 calls of which the calling side was not recorded"]);
}

#[test]
fn who_calls_comes_after_who_is_called_through_those_that_are_no_members_too() {
    let findings = [needs("page", "proxy"), needs("proxy", "ranker"), needs("ranker", "features"), needs("page", "page")];
    let all = propose(&findings, None, vec![]).unwrap();
    assert_eq!(edges(&all), ["page after proxy", "proxy after ranker", "ranker after features"]);
    let members = ["page", "ranker", "other"].map(str::to_owned);
    let some = propose(&findings, Some(&members), vec!["2 spans".to_owned()]).unwrap();
    assert_eq!(edges(&some), ["page after ranker"]);
    assert_eq!(some.edges[0].evidence, ["proxy calls ranker, through proxy"]);
    assert_eq!(some.ignored, ["not in the train: features, proxy", "nothing is known of other: they come in no order", "2 spans"]);
    assert_eq!(propose(&[], None, vec![]).unwrap_err(), NoProposal::Nothing);
    let many: Vec<Finding> = (0..60).map(|i| needs(&format!("s{i}"), "x")).collect();
    assert_eq!(propose(&many, None, vec![]).unwrap_err(), NoProposal::Services(61));
    let dense: Vec<Finding> = (0..20).flat_map(|i| (0..i).map(move |j| needs(&format!("s{i}"), &format!("s{j}")))).collect();
    assert_eq!(propose(&dense, None, vec![]).unwrap_err(), NoProposal::Edges(190));
}

#[test]
fn circles_are_named_and_have_no_order() {
    let findings = [needs("a", "b"), needs("b", "c"), needs("c", "a"), needs("c", "d"), needs("e", "a"), needs("f", "g"), needs("g", "f")];
    let found = propose(&findings, None, vec![]).unwrap();
    assert_eq!(edges(&found), ["c after d", "e after a"]);
    assert_eq!(found.cycles, [vec!["a", "b", "c"], vec!["f", "g"]]);
    let through = propose(&findings, Some(&["a".to_owned(), "c".to_owned()]), vec![]).unwrap();
    assert_eq!((edges(&through), through.cycles), (vec![], vec![vec!["a".to_owned(), "c".to_owned()]]));
}

#[test]
fn evidence_beyond_a_limit_is_counted() {
    let findings: Vec<Finding> = (0..5).map(|_| needs("a", "b")).collect();
    let found = propose(&findings, None, vec![]).unwrap();
    assert_eq!((found.edges[0].evidence.len(), found.edges[0].more), (EVIDENCE_MAX, 2));
    // What is recorded has room in a record.
    let long: Vec<Finding> = (0..EDGES_MAX)
        .flat_map(|i| {
            let of = move |_| Finding {
                service: format!("{}{}", "s".repeat(60), i % 15),
                needs: format!("{}{}", "t".repeat(60), i / 15),
                evidence: "é".repeat(500),
            };
            (0..9).map(of)
        })
        .collect();
    let proposal = propose(&long, None, vec!["x".repeat(1_000); 50]).unwrap();
    let event = OrderEvent::Proposed { proposal, digest: Digest::of(b""), by: "ada".to_owned(), reason: "x".repeat(1_000), at: At(0) };
    assert!(serde_json::to_vec(&event).unwrap().len() < 65_535);
}

fn proposal(pairs: &[(&str, &str)]) -> Proposal {
    propose(&pairs.iter().map(|(a, b)| needs(a, b)).collect::<Vec<_>>(), None, vec![]).unwrap()
}

fn give(state: &OrderState, command: &OrderCommand) -> OrderState {
    Orders::decide(state, command).unwrap().iter().fold(state.clone(), Orders::evolve)
}

fn offer(proposal: &Proposal, by: &str) -> OrderCommand {
    let digest = Digest::of(format!("{proposal:?}").as_bytes());
    OrderCommand::Propose { proposal: proposal.clone(), digest, by: by.to_owned(), reason: "traced".to_owned(), at: At(1) }
}

fn accept(digest: Option<Digest>, alone: bool, by: &str) -> OrderCommand {
    OrderCommand::Accept { digest, alone, by: by.to_owned(), reason: "so it is".to_owned(), at: At(2) }
}

#[test]
fn somebody_else_accepts_what_was_shown_and_it_is_used_until_another_is_accepted() {
    let cars = ["page", "ranker"].map(|service| Car { service: service.to_owned(), ..Car::default() });
    let first = OrderState::default();
    assert!(first.ordered(&cars).unwrap_err().contains("none was accepted"));
    assert_eq!(Orders::decide(&first, &accept(None, true, "bob")).unwrap_err(), OrderRefused::Nothing);
    let state = give(&first, &offer(&proposal(&[("page", "ranker")]), "ada"));
    assert_eq!(give(&state, &offer(&proposal(&[("page", "ranker")]), "ada")), state, "the same twice is once");
    assert!(state.ordered(&cars).is_err(), "a proposal is not used");
    let digest = state.proposed.as_ref().unwrap().digest.clone();
    assert_eq!(Orders::decide(&state, &accept(None, false, "ada")).unwrap_err(), OrderRefused::Own("ada".to_owned()));
    let other = Digest::of(b"other");
    assert_eq!(
        Orders::decide(&state, &accept(Some(other.clone()), false, "bob")).unwrap_err(),
        OrderRefused::Other { given: other, proposed: digest.clone() }
    );
    assert!(give(&state, &accept(None, true, "ada")).accepted.is_some(), "where nobody is named one does both");
    let state = give(&state, &accept(Some(digest.clone()), false, "bob"));
    assert_eq!(give(&state, &accept(Some(digest), false, "bob")), state);
    let ordered = state.ordered(&cars).unwrap();
    assert_eq!((ordered[0].after.as_slice(), ordered[1].after.len()), (["ranker".to_owned()].as_slice(), 0));
    // Another proposal changes nothing until it is accepted.
    let next = give(&state, &offer(&proposal(&[("ranker", "page")]), "bob"));
    assert_eq!(next.ordered(&cars).unwrap(), ordered);
    let next = give(&next, &accept(None, false, "ada"));
    assert_eq!(next.ordered(&cars).unwrap()[1].after, ["page"]);
    let more = [cars.as_slice(), &[Car { service: "new".to_owned(), ..Car::default() }]].concat();
    assert!(next.ordered(&more).unwrap_err().contains("`new` was not in it"));
}

#[test]
fn what_has_no_order_is_not_proposed() {
    let edge = |service: &str, after: &str| Edge { service: service.to_owned(), after: after.to_owned(), evidence: vec![], more: 0 };
    let circle =
        Proposal { services: vec!["a".to_owned(), "b".to_owned()], edges: vec![edge("a", "b"), edge("b", "a")], ..Proposal::default() };
    assert!(matches!(Orders::decide(&OrderState::default(), &offer(&circle, "ada")), Err(OrderRefused::NoOrder(Problem::Cycle(_)))));
    let mut empty = offer(&Proposal::default(), "ada");
    assert!(matches!(Orders::decide(&OrderState::default(), &empty), Err(OrderRefused::NoOrder(Problem::Count(0)))));
    if let OrderCommand::Propose { reason, .. } = &mut empty {
        reason.clear();
    }
    assert_eq!(Orders::decide(&OrderState::default(), &empty).unwrap_err(), OrderRefused::NoReason("propose"));
}

#[test]
fn what_is_not_listed_is_counted_first_and_by_its_kind() {
    let ignored = |n: usize, kind: &str| (0..n).map(|i| format!("{kind}-{i}.yaml: {kind} does not say who calls whom")).collect::<Vec<_>>();
    let mut all = ignored(IGNORED_MAX, "kind Secret");
    assert_eq!(propose(&[needs("page", "ranker")], None, all.clone()).unwrap().ignored, all, "it is all there");
    all.extend(ignored(7, "kind ConfigMap"));
    all.push("2 spans name no service".to_owned());
    let found = propose(&[needs("page", "ranker")], None, all.clone()).unwrap().ignored;
    let first = "9 more that were left out are not listed: 7 of \"kind ConfigMap does not say who calls whom\", 1 of \"2 spans name no \
                 service\", 1 of \"kind Secret does not say who calls whom\"";
    assert_eq!((found.len(), found[0].as_str(), &found[1..]), (IGNORED_MAX, first, &all[..IGNORED_MAX - 1]));
    let many: Vec<Finding> = (0..12).map(|i| needs("page", &format!("other-{i:02}"))).collect();
    let found = propose(&many, Some(&["page".to_owned()]), vec![]).unwrap().ignored;
    assert!(found[0].starts_with("not in the train: other-00, ") && found[0].ends_with("other-09 and 2 more"), "{}", found[0]);
}

#[test]
fn who_has_left_the_train_is_passed_through() {
    let chain = [needs("page", "proxy"), needs("proxy", "ranker"), needs("ranker", "features")];
    let proposal = propose(&chain, None, vec![]).unwrap();
    let proposed = Proposed { proposal, digest: Digest::of(b"x"), by: "ada".to_owned(), reason: "why".to_owned(), at: At(1) };
    let accepted = Accepted { proposed, by: "grace".to_owned(), reason: "so".to_owned(), at: At(2) };
    let state = OrderState { proposed: None, accepted: Some(accepted) };
    let ordered = |services: &[&str]| {
        let cars: Vec<Car> = services.iter().map(|s| Car { service: (*s).to_owned(), ..Car::default() }).collect();
        let of = |car: Car| format!("{} after {}", car.service, car.after.join("+"));
        state.ordered(&cars).unwrap().into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(ordered(&["page", "ranker"]), ["page after ranker", "ranker after "]);
    assert_eq!(ordered(&["features", "page"]), ["features after ", "page after features"]);
    assert_eq!(ordered(&["page", "proxy", "ranker"]), ["page after proxy", "proxy after ranker", "ranker after "]);
}
