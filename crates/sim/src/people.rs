//! Written stories of people: an author who would approve their own change, and a broken glass that ends. The real machine decides, on
//! a journal in memory and virtual time; what may start is counted here once more, from what was said alone.

use crate::story::{Story, Violation};
use std::collections::BTreeSet;
use tidegate_core::access::{Access, Command, Leave, Person, Role, Subject, leave};
use tidegate_core::id::{At, Digest};
use tidegate_engine::Engine;
use tidegate_port::memory::MemoryJournal;

const SERVICE: &str = "late-arrival";
const STREAM: &str = "access/late-arrival";
const MINUTE_MS: u64 = 60_000;
/// How many others must approve.
const OF: u32 = 2;

struct Desk {
    engine: Engine<MemoryJournal>,
    now: At,
    lines: Vec<String>,
    violations: Vec<Violation>,
    /// Who asked for which digest, and who else approved it.
    asked: Option<(String, Subject)>,
    others: BTreeSet<String>,
    glass_until: At,
    review_owed: bool,
}

fn person(name: &str) -> Person {
    let roles = match name {
        "ada" => &[Role::Developer, Role::Approver][..],
        "mary" => &[Role::Operator, Role::ReleaseManager],
        "joan" => &[Role::ReleaseManager, Role::Approver],
        _ => &[Role::Approver],
    };
    Person::holding(name, roles)
}

/// The version as it is, or after an edit.
fn version(content: &str) -> Subject {
    Subject { version: "3".to_owned(), strategy: "default".to_owned(), digest: Digest::of(content.as_bytes()) }
}

impl Desk {
    fn new() -> Desk {
        let (asked, others) = (None, BTreeSet::new());
        let (lines, violations) = (vec![], vec![]);
        let engine = Engine::new(MemoryJournal::new());
        Desk { engine, now: At(0), lines, violations, asked, others, glass_until: At(0), review_owed: false }
    }

    fn tell(&mut self, who: &str, what: &str, outcome: &str) {
        let minutes = self.now.0 as f64 / MINUTE_MS as f64;
        self.lines.push(format!("{minutes:>6.0} min  {who}: {what}: {outcome}"));
    }

    fn rule(&mut self, good: bool, rule: &'static str, found: &str) {
        if !good {
            self.violations.push(Violation { rule, at_ms: self.now.0, found: found.to_owned() });
        }
    }

    fn wait(&mut self, minutes: u64) {
        self.now = self.now.plus_ms(minutes * MINUTE_MS);
        self.lines.push(format!("        {minutes} minutes pass"));
    }

    /// Whether the machine did it.
    fn says(&mut self, who: &str, what: &str, command: &Command) -> bool {
        let done = self.engine.execute::<Access>(STREAM, None, command, self.now);
        let outcome = match &done {
            Ok(done) if done.events.is_empty() => "it is so already".to_owned(),
            Ok(_) => "recorded".to_owned(),
            Err(error) => format!("refused: {error}"),
        };
        self.tell(who, what, &outcome);
        done.is_ok()
    }

    fn asks(&mut self, who: &str, subject: &Subject) {
        let command = Command::Ask { subject: subject.clone(), of: OF, lasts_ms: 24 * 60 * MINUTE_MS, by: person(who), at: self.now };
        if self.says(who, "asks for the release of version 3", &command) && self.asked.as_ref().is_none_or(|(_, known)| known != subject) {
            self.asked = Some((who.to_owned(), subject.clone()));
            self.others.clear();
        }
    }

    fn approves(&mut self, who: &str, subject: &Subject) {
        let (service, reason) = (SERVICE.to_owned(), "seen the numbers".to_owned());
        let command = Command::Approve { service, subject: subject.clone(), by: person(who), reason, at: self.now };
        if self.says(who, "approves version 3", &command) {
            let (asker, known) = self.asked.clone().unwrap_or_else(|| (String::new(), version("")));
            self.rule(asker != who, "nobody approves what they asked for", who);
            self.rule(known == *subject, "an approval is of what was asked for", who);
            self.others.insert(who.to_owned());
        }
    }

    fn breaks(&mut self, who: &str, minutes: u64) {
        let reason = "late flights get no answer at all".to_owned();
        let command = Command::BreakGlass { by: person(who), reason, lasts_ms: minutes * MINUTE_MS, at: self.now };
        if self.says(who, &format!("breaks the glass for {minutes} minutes"), &command) {
            let (owed, until) = (self.review_owed, self.now.plus_ms(minutes * MINUTE_MS));
            self.rule(!owed, "an emergency is answered for before the next", who);
            (self.glass_until, self.review_owed) = (until, true);
        }
    }

    fn reviews(&mut self, who: &str) {
        let (service, finding) = (SERVICE.to_owned(), "it was needed, and done with care".to_owned());
        let command = Command::Review { service, by: person(who), finding, at: self.now };
        if self.says(who, "reviews what was done", &command) {
            let over = self.now >= self.glass_until;
            self.rule(over && who != "mary", "somebody else answers, after the end", who);
            self.review_owed = false;
        }
    }

    fn starts(&mut self, who: &str, subject: &Subject) {
        let state = self.engine.state::<Access>(STREAM).unwrap_or_default();
        let leave = leave(&state, subject, OF, |_| true, self.now);
        let outcome = match &leave {
            Ok(Leave::Approved { by }) => format!("started, approved by {}", by.join(" and ")),
            Ok(Leave::Glass { by, .. }) => format!("started, behind the glass that {by} broke"),
            Ok(Leave::NotNeeded) => "started".to_owned(),
            Err(why) => format!("refused: {why}"),
        };
        self.tell(who, "starts the release of version 3", &outcome);
        let open = self.now < self.glass_until;
        let approved = self.others.len() >= OF as usize && self.asked.as_ref().is_some_and(|(_, known)| known == subject);
        let may = open || (approved && !self.review_owed);
        self.rule(leave.is_ok() == may, "it starts when two others approved it or the glass is broken, and not otherwise", &outcome);
        if let Ok(Leave::Glass { .. }) = leave {
            let command = Command::UseGlass { what: "release 3".to_owned(), by: who.to_owned(), at: self.now };
            self.says(who, "what was done behind the glass", &command);
        }
    }

    fn story(self, outcome: &str) -> Story {
        let Desk { now, lines, violations, .. } = self;
        Story { seed: 0, fault: None, lines, violations, outcome: outcome.to_owned(), lasted_ms: now.0 }
    }
}

/// An author tries to approve their own change, alone and after an edit.
pub(crate) fn own_change() -> Story {
    let mut desk = Desk::new();
    let (change, edited) = (version("as asked"), version("edited"));
    desk.starts("joan", &change);
    desk.asks("ada", &change);
    desk.approves("ada", &change);
    desk.approves("grace", &change);
    desk.approves("grace", &change);
    desk.starts("joan", &change);
    desk.approves("edith", &change);
    desk.wait(5);
    desk.lines.push("        the version is edited".to_owned());
    desk.starts("joan", &edited);
    desk.asks("ada", &edited);
    desk.approves("ada", &edited);
    desk.starts("joan", &edited);
    desk.approves("edith", &edited);
    desk.approves("grace", &edited);
    desk.starts("joan", &edited);
    desk.story("released on the word of two others, for what they saw")
}

/// The glass is broken in an emergency; it ends by itself, and nothing starts before somebody else has looked at it.
pub(crate) fn broken_glass() -> Story {
    let mut desk = Desk::new();
    let change = version("a fix");
    desk.asks("ada", &change);
    desk.starts("mary", &change);
    desk.breaks("ada", 30);
    desk.breaks("mary", 30);
    desk.starts("mary", &change);
    desk.reviews("edith");
    desk.wait(30);
    desk.starts("mary", &change);
    desk.breaks("mary", 30);
    desk.reviews("mary");
    desk.reviews("edith");
    desk.starts("mary", &change);
    desk.approves("edith", &change);
    desk.approves("grace", &change);
    desk.starts("mary", &change);
    desk.story("the glass ended by itself, and was answered for")
}
