//! Two pairs of eyes, and the way around them.

use super::{
    Access, Action, Command, Event, GLASS_MS_MAX, Held, Leave, Person, Refused, Role, State, Subject, Withheld, leave, leave_by_itself,
};
use crate::id::{At, Digest};
use crate::machine::Machine;
use proptest::prelude::*;
use std::collections::BTreeSet;

const HOUR: u64 = 3_600_000;

fn person(name: &str, roles: &[Role]) -> Person {
    Person::holding(name, roles)
}

fn subject(content: &str) -> Subject {
    Subject { version: "3".to_owned(), strategy: "default".to_owned(), digest: Digest::of(content.as_bytes()) }
}

struct Desk {
    state: State,
    now: At,
}

impl Desk {
    fn new() -> Desk {
        Desk { state: State::default(), now: At(0) }
    }

    fn give(&mut self, command: &Command) -> Result<usize, Refused> {
        let events = Access::decide(&self.state, command)?;
        for event in &events {
            let json = serde_json::to_string(event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), *event);
            self.state = Access::evolve(std::mem::take(&mut self.state), event);
        }
        Ok(events.len())
    }

    fn ask(&mut self, by: &str, what: &Subject) -> Result<usize, Refused> {
        let by = person(by, &[Role::Developer, Role::Approver]);
        self.give(&Command::Ask { subject: what.clone(), of: 2, lasts_ms: 24 * HOUR, by, at: self.now })
    }

    fn approve(&mut self, by: &str, what: &Subject) -> Result<usize, Refused> {
        let by = person(by, &[Role::Approver]);
        let (service, reason) = ("s".to_owned(), "looks good".to_owned());
        self.give(&Command::Approve { service, subject: what.clone(), by, reason, at: self.now })
    }

    fn veto(&mut self, by: &str, what: &Subject) -> Result<usize, Refused> {
        let by = person(by, &[Role::Approver]);
        let (service, reason) = ("s".to_owned(), "worse for short words".to_owned());
        self.give(&Command::Veto { service, subject: what.clone(), by, reason, at: self.now })
    }

    fn break_glass(&mut self, by: &str, lasts_ms: u64) -> Result<usize, Refused> {
        let by = person(by, &[Role::Operator]);
        self.give(&Command::BreakGlass { by, reason: "the model answers nothing".to_owned(), lasts_ms, at: self.now })
    }

    fn review(&mut self, by: &str) -> Result<usize, Refused> {
        let by = person(by, &[Role::Approver]);
        self.give(&Command::Review { service: "s".to_owned(), by, finding: "it was needed".to_owned(), at: self.now })
    }

    fn leave(&self, what: &Subject) -> Result<Leave, Withheld> {
        leave(&self.state, what, 2, |_| true, self.now)
    }
}

#[test]
fn two_others_than_the_author_approve() {
    let (mut desk, change) = (Desk::new(), subject("a"));
    assert_eq!(desk.leave(&change), Err(Withheld::NotAsked { of: 2 }));
    assert_eq!(desk.ask("ada", &change), Ok(1));
    assert_eq!(desk.ask("ada", &change), Ok(0), "asked already");
    assert_eq!(desk.approve("ada", &change).unwrap_err().to_string(), "approve version 3: ada asked for it: somebody else must approve it");
    assert_eq!(desk.approve("grace", &change), Ok(1));
    assert_eq!(desk.approve("grace", &change), Ok(0), "one person is one approval");
    assert_eq!(desk.leave(&change), Err(Withheld::Waits { have: 1, of: 2, asked_by: "ada".to_owned() }));
    assert_eq!(desk.approve("joan", &change), Ok(1));
    assert_eq!(desk.leave(&change), Ok(Leave::Approved { by: vec!["grace".to_owned(), "joan".to_owned()] }));
    let gone = leave(&desk.state, &change, 2, |name| name != "grace", desk.now);
    assert_eq!(gone, Err(Withheld::Waits { have: 1, of: 2, asked_by: "ada".to_owned() }), "who may no longer approve does not count");
}

#[test]
fn an_approval_is_of_what_was_shown_and_for_a_while() {
    let (mut desk, change, edited) = (Desk::new(), subject("a"), subject("b"));
    desk.ask("ada", &change).unwrap();
    desk.approve("grace", &change).unwrap();
    assert!(matches!(desk.approve("joan", &edited), Err(Refused::Changed { .. })), "what she looks at is another one");
    desk.approve("joan", &change).unwrap();
    assert_eq!(desk.leave(&edited), Err(Withheld::Changed));
    // Asked for again, it begins with no approval at all.
    desk.ask("ada", &edited).unwrap();
    assert_eq!(desk.leave(&edited), Err(Withheld::Waits { have: 0, of: 2, asked_by: "ada".to_owned() }));
    assert_eq!(desk.leave(&change), Err(Withheld::Changed));
    desk.now = At(0).plus_ms(24 * HOUR);
    assert_eq!(desk.leave(&edited), Err(Withheld::Lapsed { until: desk.now }));
    assert!(matches!(desk.approve("grace", &edited), Err(Refused::Lapsed { .. })));
    assert_eq!(desk.ask("joan", &edited), Ok(1), "and can be asked for again");
}

#[test]
fn a_veto_is_final() {
    let (mut desk, change) = (Desk::new(), subject("a"));
    desk.ask("ada", &change).unwrap();
    desk.approve("grace", &change).unwrap();
    desk.approve("joan", &change).unwrap();
    desk.veto("barbara", &change).unwrap();
    assert!(matches!(desk.leave(&change), Err(Withheld::Vetoed { by, .. }) if by == "barbara"));
    for said in [desk.approve("edith", &change), desk.veto("edith", &change), desk.ask("ada", &change)] {
        assert!(matches!(said, Err(Refused::Vetoed { .. })), "{said:?}");
    }
    assert_eq!(desk.ask("ada", &subject("b")), Ok(1), "another change is another question");
    // Not by a detour either: asked for by another strategy, or with nobody needed any more.
    let detour = Subject { strategy: "fast".to_owned(), digest: Digest::of(b"fast"), ..change.clone() };
    desk.ask("ada", &detour).unwrap();
    assert!(matches!(desk.ask("ada", &change), Err(Refused::Vetoed { .. })));
    assert!(matches!(leave(&desk.state, &change, 0, |_| true, desk.now), Err(Withheld::Vetoed { .. })));
}

#[test]
fn asking_again_hands_nothing_over() {
    let (mut desk, change) = (Desk::new(), subject("a"));
    desk.ask("ada", &change).unwrap();
    desk.approve("grace", &change).unwrap();
    // More are needed now: what was approved stays approved.
    let more = Command::Ask { subject: change.clone(), of: 3, lasts_ms: HOUR, by: person("joan", &[Role::Developer]), at: desk.now };
    assert_eq!(desk.give(&more), Ok(0));
    assert_eq!(desk.state.asked_of("3").unwrap().approvals.len(), 1);
    // Another strategy of the same version is another question beside it.
    let fast = Subject { strategy: "fast".to_owned(), digest: Digest::of(b"fast"), ..change.clone() };
    desk.ask("joan", &fast).unwrap();
    assert_eq!(desk.state.asked_like(&change).unwrap().approvals.len(), 1);
    // Asked for anew by somebody else after its end, it is still not approved by who asked first.
    desk.now = At(0).plus_ms(25 * HOUR);
    assert_eq!(desk.ask("joan", &change), Ok(1));
    assert!(matches!(desk.approve("ada", &change), Err(Refused::OwnChange { .. })));
    assert_eq!(desk.approve("grace", &change), Ok(1));
}

#[test]
fn a_broken_glass_ends_by_itself_and_is_answered_for() {
    let (mut desk, change) = (Desk::new(), subject("a"));
    assert_eq!(desk.break_glass("mary", 0), Err(Refused::Lasts));
    assert_eq!(desk.break_glass("mary", GLASS_MS_MAX + 1), Err(Refused::Lasts));
    desk.break_glass("mary", HOUR).unwrap();
    assert_eq!(desk.leave(&change), Ok(Leave::Glass { by: "mary".to_owned(), until: At(0).plus_ms(HOUR) }));
    let by_itself = |desk: &Desk, of| leave_by_itself(&desk.state, &change, of, |_| true, desk.now);
    for of in [0, 2] {
        let waits = Err(Withheld::Glass { by: "mary".to_owned(), until: At(0).plus_ms(HOUR) });
        assert_eq!(by_itself(&desk, of), waits, "a glass is for people");
    }
    desk.give(&Command::UseGlass { what: "release 7".to_owned(), by: "joan".to_owned(), at: desk.now }).unwrap();
    assert!(matches!(desk.break_glass("mary", HOUR), Err(Refused::Open { .. })));
    assert!(matches!(desk.review("grace"), Err(Refused::StillOpen { .. })));

    desk.now = At(0).plus_ms(HOUR);
    let late = desk.give(&Command::UseGlass { what: "release 8".to_owned(), by: "joan".to_owned(), at: desk.now });
    assert!(matches!(late, Err(Refused::Whole { .. })));
    assert!(matches!(desk.leave(&change), Err(Withheld::ReviewOwed { .. })), "nothing starts before it is reviewed");
    assert!(matches!(desk.break_glass("mary", HOUR), Err(Refused::ReviewOwed { .. })));
    for own in ["mary", "joan"] {
        assert!(matches!(desk.review(own), Err(Refused::OwnGlass { .. })), "{own}");
    }
    desk.review("grace").unwrap();
    assert_eq!(desk.leave(&change), Err(Withheld::NotAsked { of: 2 }));
    assert!(matches!(desk.review("edith"), Err(Refused::Whole { .. })), "once is enough");
    assert_eq!(desk.break_glass("mary", HOUR), Ok(1));
}

#[test]
fn each_role_may_what_its_name_says() {
    let table: Vec<String> = Role::ALL
        .into_iter()
        .map(|role| {
            let all = [Action::Look, Action::Ask, Action::Release, Action::Stop, Action::Approve, Action::BreakGlass, Action::Review];
            let may: Vec<&str> = all.into_iter().filter(|action| role.allows(*action)).map(Action::words).collect();
            format!("{}: {}", role.word(), may.join(", "))
        })
        .collect();
    assert_eq!(
        table,
        [
            "viewer: look",
            "developer: look, ask for a release, stop a release",
            "approver: look, approve or veto a release, review a broken glass",
            "release_manager: look, ask for a release, let a release go forward, stop a release",
            "operator: look, stop a release, break the glass",
        ]
    );
    let mut desk = Desk::new();
    let nobody = person("eve", &[Role::Viewer]);
    let refused = desk.give(&Command::BreakGlass { by: nobody, reason: "fun".to_owned(), lasts_ms: 1, at: desk.now }).unwrap_err();
    assert_eq!(refused.to_string(), "eve may not break the glass: their roles are viewer");
    let by = person("grace", &[Role::Approver]);
    let no_reason = Command::Approve { service: "s".to_owned(), subject: subject("a"), by, reason: " ".to_owned(), at: desk.now };
    assert!(matches!(desk.give(&no_reason), Err(Refused::NoReason { .. })));
}

proptest! {
    /// Whatever is asked, approved, vetoed and broken in whatever order: leave is given by as many others as must, or by an open glass.
    #[test]
    fn nothing_is_released_on_one_persons_word(script in proptest::collection::vec((0_u8..7, 0_usize..4, 0_u8..3), 1..60)) {
        let names = ["ada", "grace", "joan", "mary"];
        let mut desk = Desk::new();
        for (what, who, content) in script {
            desk.now = desk.now.plus_ms(u64::from(content) * HOUR);
            let (name, change) = (names[who], subject(&content.to_string()));
            let _ = match what {
                0 | 1 => desk.ask(name, &change),
                2 | 3 => desk.approve(name, &change),
                4 => desk.veto(name, &change),
                5 => desk.break_glass(name, HOUR),
                _ => desk.review(name),
            };
            match desk.leave(&change) {
                Ok(Leave::Approved { by }) => {
                    let asked = desk.state.asked_like(&change).unwrap();
                    let others: BTreeSet<&String> = by.iter().filter(|name| **name != asked.by && !asked.before.contains(name)).collect();
                    prop_assert!(others.len() >= 2 && desk.state.veto_of(&change).is_none());
                    prop_assert!(asked.subject == change && desk.now < asked.until);
                }
                Ok(Leave::Glass { .. }) => prop_assert!(desk.state.open_glass(desk.now).is_some()),
                Ok(Leave::NotNeeded) => prop_assert!(false, "two are needed"),
                Err(_) => {}
            }
            if let Some(glass) = &desk.state.glass {
                prop_assert!(glass.reviewed.as_ref().is_none_or(|r| r.by != glass.by && r.at >= glass.until));
            }
        }
    }
}

#[test]
fn a_role_in_some_places_reaches_their_services_and_no_other() {
    let places = |places: &[&str]| Held { role: Role::Approver, places: places.iter().map(|p| (*p).to_owned()).collect() };
    let all = ["s", "s@eu", "s@us", "ranker@eu", "ranker@us"];
    for (held, wanted) in [
        (places(&[]), &all[..]),
        (places(&["s"]), &["s", "s@eu", "s@us"]),
        (places(&["eu"]), &["s@eu", "ranker@eu"]),
        (places(&["ranker@us"]), &["ranker@us"]),
        (places(&["eu", "ranker@us"]), &["s@eu", "ranker@eu", "ranker@us"]),
    ] {
        let reached: Vec<&str> = all.into_iter().filter(|service| held.reaches(service)).collect();
        assert_eq!(reached, wanted, "{held}");
    }
}

#[test]
fn an_approver_of_some_places_approves_vetoes_and_reviews_there_alone() {
    let change = subject("a");
    let mut desk = Desk::new();
    desk.ask("ada", &change).unwrap();
    let held = |role, places: &[&str]| Held { role, places: places.iter().map(|p| (*p).to_owned()).collect() };
    let kim = Person { name: "kim".to_owned(), roles: vec![held(Role::Approver, &["eu"]), held(Role::Approver, &["ranker@us"])] };
    assert!(kim.may_somewhere(Action::Approve) && !kim.may(Action::Approve) && !kim.may_somewhere(Action::Ask));
    let says = |word: &str, service: &str| {
        let (service, subject, by, reason, at) = (service.to_owned(), change.clone(), kim.clone(), "seen".to_owned(), At(0));
        match word {
            "approve" => Command::Approve { service, subject, by, reason, at },
            "veto" => Command::Veto { service, subject, by, reason, at },
            _ => Command::Review { service, by, finding: reason, at },
        }
    };
    for (word, what) in
        [("approve", "approve or veto a release"), ("veto", "approve or veto a release"), ("review", "review a broken glass")]
    {
        let refused = desk.give(&says(word, "ranker@asia")).unwrap_err().to_string();
        assert_eq!(refused, format!("kim may not {what} of ranker@asia: they may in eu, ranker@us"));
    }
    assert_eq!(desk.give(&says("approve", "s@eu")), Ok(1));
    assert_eq!(desk.give(&says("veto", "ranker@us")), Ok(1));
    assert!(matches!(desk.give(&says("review", "s@eu")), Err(Refused::Whole { .. })), "nothing is broken there");
    let glass = Command::BreakGlass { by: kim, reason: "fun".to_owned(), lasts_ms: 1, at: At(0) };
    let refused = desk.give(&glass).unwrap_err().to_string();
    assert_eq!(refused, "kim may not break the glass: their roles are approver in eu, approver in ranker@us");
}
