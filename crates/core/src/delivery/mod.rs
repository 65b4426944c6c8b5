//! What becomes of changes in other tools - forges, builders, deployers, pagers - in one shape for all of them: what labels, features and
//! measures of delivery are made from.
//!
//! Only what is listed in [`Event`] is kept: times, outcomes, identifiers and names. Texts that people write are not among them, and a person
//! is a pseudonym. A name that could be something else - an address of mail, a token, a sentence - is refused by [`name`], and the event
//! with it. Not here: how each tool tells it (`wire::delivery`), and who may.

mod environments;
mod intake;
mod measures;
mod outcomes;
mod places;
mod retention;

pub use environments::{is_production, of_environment};
pub use intake::{Intake, Taken};
pub use measures::{Interval, Measures, Rollbacks, Span, measures};
pub use outcomes::{Deployed, Fate, Watch, outcomes};
pub use retention::{Expired, Expiry, Retention};

use serde::{Deserialize, Serialize};

/// Longest identifier or name, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Fewest bytes of a token behind the prefix of its service.
const SECRET_REST_MIN: usize = 16;
/// An event may say that it happens so long after it came in, in milliseconds: clocks differ.
pub const AHEAD_MS_MAX: i64 = 10 * 60_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its identifier, one of its source: an event that is told twice is one.
    pub id: String,
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// What it happened to.
    #[serde(default, flatten)]
    pub subject: Subject,
}

/// What happened, in the words of CDEvents where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A change was proposed.
    ChangeCreated,
    /// Somebody looked at it.
    ChangeReviewed {
        /// Whether they would let it in.
        approved: bool,
    },
    /// It was let in.
    ChangeMerged,
    /// It was given up.
    ChangeAbandoned,
    /// A build or a pipeline has ended.
    PipelineRunFinished {
        /// How.
        outcome: Outcome,
    },
    /// Tests have ended.
    TestSuiteRunFinished {
        /// How.
        outcome: Outcome,
    },
    /// A version began to be rolled out.
    DeploymentStarted,
    /// It was rolled out, or could not be.
    DeploymentFinished {
        /// How.
        outcome: Outcome,
    },
    /// What had been rolled out was taken back.
    ServiceRolledBack {
        /// What set it off; none where nobody says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trigger: Option<Trigger>,
    },
    /// Something does not work for users.
    IncidentDetected,
    /// It works again.
    IncidentResolved,
}

/// What set a rollback off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person.
    Manual,
    /// What was measured of what had been rolled out: a judge, an analysis of metrics.
    Analysis,
    /// It did not come up, or did not stay up: probes, a deadline.
    Health,
    /// An alarm about the world that it ran in.
    Alert,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Trigger; 4] = [Trigger::Manual, Trigger::Analysis, Trigger::Health, Trigger::Alert];

    /// Its word in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Trigger::Manual => "manual",
            Trigger::Analysis => "analysis",
            Trigger::Health => "health",
            Trigger::Alert => "alert",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Trigger> {
        Trigger::ALL.into_iter().find(|trigger| trigger.name() == word)
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should.
    Success,
    /// It did not do what it should.
    Failure,
    /// It was stopped, or could not be tried: that says nothing of the change.
    Cancelled,
}

/// What an event is about, as far as its source says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// Repository, as `owner/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Number of a pull or merge request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<u64>,
    /// Commit: 7 to 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Service, application, or job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Environment that was deployed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Identifier of an incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Who did it: a pseudonym.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// Why an event is kept aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has none.
    #[error("{member} is missing")]
    Missing {
        /// Of the event.
        member: &'static str,
    },
    /// Something else stands where a name should: it is not repeated, for nobody knows what it is.
    #[error("{member} is no {kind}")]
    Name {
        /// Of the event.
        member: &'static str,
        /// What it should be.
        kind: &'static str,
    },
    /// No time that an event could have.
    #[error("{member} is no time of the past")]
    Time {
        /// Of the event.
        member: &'static str,
    },
}

/// A name as tools give them: letters, digits and `-_./:#+~@`, beginning with a letter or a digit, no address of mail and nothing that looks
/// like a secret.
///
/// # Errors
/// When it is something else.
pub fn name(member: &'static str, text: &str) -> Result<String, Unfit> {
    let plain = |c: char| c.is_alphanumeric() || "-_./:#+~@ ".contains(c);
    let first = text.chars().next().is_some_and(char::is_alphanumeric);
    let fits = first && text.len() <= NAME_BYTES_MAX && text.chars().all(plain) && text.trim_end() == text;
    // A sentence has many words; names of jobs and environments have a few.
    let wordy = text.split(' ').count() > 4;
    if !fits || wordy || is_mail(text) || looks_secret(text) {
        return Err(Unfit::Name { member, kind: "name" });
    }
    Ok(text.to_owned())
}

/// A commit.
///
/// # Errors
/// When it is none.
pub fn revision(member: &'static str, text: &str) -> Result<String, Unfit> {
    let fits = (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { Ok(text.to_ascii_lowercase()) } else { Err(Unfit::Name { member, kind: "commit" }) }
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(before, after)| !before.is_empty() && after.contains('.') && !after.starts_with('.'))
}

/// What begins as tokens of well-known services do, or has a long part of mixed letters and digits as random ones have. Commits and other
/// hexadecimal digests are no secrets.
fn looks_secret(text: &str) -> bool {
    const PREFIXES: [&str; 17] = [
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "glptt-",
        "xoxb-",
        "xoxp-",
        "xoxa-",
        "sk-",
        "sk_",
        "AKIA",
        "ASIA",
        "eyJ",
        "AIza",
    ];
    let part = |part: &str| {
        let (mut upper, mut lower, mut digits) = (0, 0, 0);
        for c in part.chars() {
            upper += usize::from(c.is_uppercase());
            lower += usize::from(c.is_lowercase());
            digits += usize::from(c.is_ascii_digit());
        }
        let mixed = upper >= 3 && lower >= 3 && digits >= 3;
        let hex = part.bytes().all(|b| b.is_ascii_hexdigit());
        part.len() >= 20 && mixed && !hex
    };
    // Short ones are words: `sk-prod` is a place.
    let token = |piece: &str| PREFIXES.iter().any(|prefix| piece.strip_prefix(prefix).is_some_and(|rest| rest.len() >= SECRET_REST_MIN));
    text.split(['/', ':', ' ']).any(token) || text.split(|c: char| !c.is_alphanumeric()).any(part)
}

impl Event {
    /// The event, where its time is one that it can have when it comes in at `now_ms`.
    ///
    /// # Errors
    /// When it lies in the future.
    pub fn in_time(self, now_ms: i64) -> Result<Event, Unfit> {
        if self.at_ms <= 0 || self.at_ms > now_ms.saturating_add(AHEAD_MS_MAX) { Err(Unfit::Time { member: "its time" }) } else { Ok(self) }
    }
}

impl Event {
    /// The event, where the service that it names can be none but a service: a name with a space may be somebody's, and is a service's where
    /// whoever keeps the workspace says so.
    ///
    /// # Errors
    /// When it may be somebody's. It is not repeated.
    pub fn of_service(self, spaced: &[String]) -> Result<Event, Unfit> {
        match &self.subject.service {
            Some(name) if name.contains(' ') && !spaced.contains(name) => {
                Err(Unfit::Name { member: "the name of the service has a space and", kind: "name that `services` of its source lists" })
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_names_and_nothing_else() {
        for good in [
            "checkout",
            "acme/shop",
            "Deploy to production",
            "build-42",
            "refs/heads/main",
            "3f2a9c",
            "ünïcode",
            "a@b",
            "app:v1.2+x~1",
            "acme/sk-proxy",
            "ASIA",
        ] {
            assert_eq!(name("n", good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            " checkout",
            "checkout ",
            "-rf",
            "ada@example.org",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "token:glpat-abcdefghijklmnopqrst",
            "Kx9vQ2mZ7pL4wT8sRb3N",
            "please call Ada Lovelace at home",
            "a\nb",
            "<script>",
            "a;b",
            "x=1",
        ] {
            assert!(matches!(name("n", bad), Err(Unfit::Name { .. })), "{bad}");
        }
        assert!(name("n", &"a".repeat(NAME_BYTES_MAX)).is_ok() && name("n", &"a".repeat(NAME_BYTES_MAX + 1)).is_err());
        assert_eq!(
            name("the service", "ghp_16C7e42F292c6912E7710c838347Ae178B4a").unwrap_err().to_string(),
            "the service is no name",
            "what it was is not repeated"
        );
    }

    #[test]
    fn commits_are_hexadecimal() {
        assert_eq!(revision("r", "3F2A9C0").as_deref(), Ok("3f2a9c0"));
        for bad in ["3f2a9c", "main", "", &"a".repeat(65), "3f2a9c0\n"] {
            assert!(revision("r", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_event_is_flat_in_json_and_lies_in_the_past() {
        let subject = Subject { service: Some("checkout".to_owned()), ..Subject::default() };
        let event = Event { id: "7".to_owned(), at_ms: 1_000, what: What::DeploymentFinished { outcome: Outcome::Failure }, subject };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"id":"7","at_ms":1000,"what":"deployment_finished","outcome":"failure","service":"checkout"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        // A rollback of which nobody says why, as those were kept that came in before anybody could.
        let old = r#"{"id":"7","at_ms":1000,"what":"service_rolled_back","service":"checkout"}"#;
        let mut back: Event = serde_json::from_str(old).unwrap();
        assert_eq!((back.what, serde_json::to_string(&back).unwrap().as_str()), (What::ServiceRolledBack { trigger: None }, old));
        for trigger in Trigger::ALL {
            back.what = What::ServiceRolledBack { trigger: Some(trigger) };
            let text = serde_json::to_string(&back).unwrap();
            assert!(text.contains(&format!(r#""trigger":"{}""#, trigger.name())), "{text}");
            assert_eq!((serde_json::from_str::<Event>(&text).unwrap(), Trigger::named(trigger.name())), (back.clone(), Some(trigger)));
        }
        assert!(event.clone().in_time(1_000 - AHEAD_MS_MAX).is_ok());
        assert!(event.in_time(999 - AHEAD_MS_MAX).is_err());
    }

    proptest! {
        #[test]
        fn no_name_is_longer_or_has_control_characters(text in any::<String>()) {
            if let Ok(name) = name("n", &text) {
                prop_assert!(name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control) && !is_mail(&name));
            }
        }
    }
}
