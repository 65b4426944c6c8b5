//! A judgement for a tool that moves traffic itself: Argo Rollouts, Flagger, Spinnaker ask, and act on the answer.
//!
//! The machine keeps when each judgement began, and what was last found (stream `judgement/<judge>/<subject>`); counts are asked
//! for anew each time, from the beginning on, so that the evidence is whole whenever somebody asks. A rollback is absorbing. Not
//! here: where counts come from, and the protocols.

use crate::id::At;
use crate::judge::{CountsAssessment, Verdict};
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most parameters of a judgement.
pub const PARAMETERS_MAX: usize = 20;
/// Longest name of a subject or parameter, and longest value.
pub const TEXT_CHARS_MAX: usize = 200;

/// What is filled into the judge's selectors.
pub type Parameters = BTreeMap<String, String>;

/// What is known of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why.
    pub summary: String,
    /// Rollback e-value now, and what it needs.
    pub e_rollback: (f64, f64),
    /// Promotion e-value now, and what it needs.
    pub e_promote: (f64, f64),
    /// Ratio of the rates of failure, with the ends of its sequential interval.
    pub ratio: (Option<f64>, Option<f64>, Option<f64>),
    /// Milliseconds to the nearer bar at the present rate.
    pub eta_ms: Option<u64>,
    /// Requests of candidate and control.
    pub requests: (u64, u64),
    /// Until when was counted.
    pub until: At,
    /// Nothing more will be counted.
    pub last: bool,
    /// Version of the judge's rules.
    pub judge_version: u32,
}

impl Standing {
    /// From what counts came to.
    #[must_use]
    pub fn of(found: &CountsAssessment, until: At, last: bool) -> Standing {
        let a = &found.assessment;
        let errors = a.guardrails.first();
        Standing {
            verdict: a.verdict.clone(),
            summary: a.summary.clone(),
            e_rollback: (a.e_rollback, a.needs_rollback),
            e_promote: (a.e_promote, a.needs_promote),
            ratio: errors.map_or((None, None, None), |g| (g.ratio, g.ratio_low, g.ratio_high)),
            eta_ms: errors.and_then(|g| g.eta_ms),
            requests: (a.candidate_requests, a.control_requests),
            until,
            last,
            judge_version: a.judge_version,
        }
    }

    /// Where nothing could be counted.
    #[must_use]
    pub fn without_counts(why: &str, until: At, last: bool) -> Standing {
        Standing {
            verdict: Verdict::NoTelemetry,
            summary: why.to_owned(),
            e_rollback: (1.0, f64::MAX),
            e_promote: (1.0, f64::MAX),
            ratio: (None, None, None),
            eta_ms: None,
            requests: (0, 0),
            until,
            last,
            judge_version: crate::judge::JUDGE_VERSION,
        }
    }

    /// Whether it says the same as another, whatever its numbers are.
    fn says_the_same(&self, other: &Standing) -> bool {
        std::mem::discriminant(&self.verdict) == std::mem::discriminant(&other.verdict) && self.last == other.last
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody asked for the first time.
    Begun {
        /// Which tool asked, and what for.
        asked_by: String,
        /// What is filled into the selectors.
        parameters: Parameters,
        /// Counted from here.
        from: At,
        /// Nothing is counted after this.
        until: At,
        /// When it was asked.
        at: At,
    },
    /// A first share of traffic was let in: without it there would be nothing to judge.
    LetIn {
        /// When.
        at: At,
    },
    /// The verdict changed.
    Found {
        /// What it is now.
        standing: Box<Standing>,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin; once begun, nothing, unless it is another run of the same subject.
    Begin {
        /// Which tool asks.
        asked_by: String,
        /// What is filled into the selectors.
        parameters: Parameters,
        /// Count from here.
        from: At,
        /// And no longer than until here.
        until: At,
        /// The tool says that a run begins here.
        anew: bool,
        /// When.
        at: At,
    },
    /// Let a first share of traffic in, once.
    LetIn {
        /// When.
        at: At,
    },
    /// Keep what was found.
    Find {
        /// It.
        standing: Box<Standing>,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Parameters that cannot be filled into a selector.
    #[error("judgement: {0}")]
    Parameters(String),
    /// Nothing was begun.
    #[error("judgement: it was never begun")]
    NotBegun,
    /// The same subject with other parameters.
    #[error("judgement: it was begun with {begun:?} and is asked about with {asked:?}: name another subject, or ask as it was begun")]
    OtherParameters {
        /// Those it was begun with.
        begun: Parameters,
        /// Those of the question.
        asked: Parameters,
    },
}

/// A judgement that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// What is filled into the selectors.
    pub parameters: Parameters,
    /// Counted from here.
    pub from: At,
    /// Nothing is counted after this.
    pub until: At,
    /// What was last kept.
    pub standing: Option<Standing>,
    /// A first share of traffic was let in.
    pub let_in: bool,
}

impl Begun {
    /// What will not change any more: a rollback, and the last verdict.
    #[must_use]
    pub fn settled(&self) -> Option<&Standing> {
        self.standing.as_ref().filter(|s| s.last || s.verdict == Verdict::Rollback)
    }

    /// Whether a question at `at` is about another run of the same subject: the tool says so and the last one is settled, or
    /// nobody can still be asking about the last one. A rollback is final whoever runs it again.
    pub(crate) fn is_over(&self, at: At, anew: bool) -> bool {
        let rolled_back = self.standing.as_ref().is_some_and(|s| s.verdict == Verdict::Rollback);
        let length = self.until.since_ms(self.from);
        !rolled_back && ((anew && self.settled().is_some()) || at > self.until.plus_ms(length))
    }
}

/// The machine.
pub struct Judgement;

impl Machine for Judgement {
    const KIND: &'static str = "judgement";
    type State = Option<Begun>;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &Option<Begun>, command: &Command) -> Result<Vec<Event>, Refused> {
        match (state, command) {
            (Some(begun), Command::Begin { parameters, anew, at, .. }) if !begun.is_over(*at, *anew) => {
                let (known, asked) = (begun.parameters.clone(), parameters.clone());
                if known == asked { Ok(vec![]) } else { Err(Refused::OtherParameters { begun: known, asked }) }
            }
            (_, Command::Begin { asked_by, parameters, from, until, at, .. }) => {
                sound(parameters).map_err(Refused::Parameters)?;
                if until.0 <= from.0 {
                    return Err(Refused::Parameters("it ends before it begins".to_owned()));
                }
                let (asked_by, parameters) = (asked_by.clone(), parameters.clone());
                Ok(vec![Event::Begun { asked_by, parameters, from: *from, until: *until, at: *at }])
            }
            (None, Command::Find { .. } | Command::LetIn { .. }) => Err(Refused::NotBegun),
            (Some(begun), Command::LetIn { at }) => {
                let closed = begun.let_in || begun.settled().is_some();
                Ok(if closed { vec![] } else { vec![Event::LetIn { at: *at }] })
            }
            (Some(begun), Command::Find { standing, at }) => {
                let known = begun.settled().is_some() || begun.standing.as_ref().is_some_and(|s| s.says_the_same(standing));
                Ok(if known { vec![] } else { vec![Event::Found { standing: standing.clone(), at: *at }] })
            }
        }
    }

    fn evolve(state: Option<Begun>, event: &Event) -> Option<Begun> {
        match event {
            Event::Begun { parameters, from, until, .. } => {
                Some(Begun { parameters: parameters.clone(), from: *from, until: *until, standing: None, let_in: false })
            }
            Event::LetIn { .. } => state.map(|begun| Begun { let_in: true, ..begun }),
            Event::Found { standing, .. } => state.map(|begun| Begun { standing: Some((**standing).clone()), ..begun }),
        }
    }
}

/// Whether a text may be filled into a selector, or be the name of a subject: nothing that a query would read as more than a
/// value.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX && text.chars().all(plain)
}

fn sound(parameters: &Parameters) -> Result<(), String> {
    if parameters.len() > PARAMETERS_MAX {
        return Err(format!("{} parameters, at most {PARAMETERS_MAX} are taken", parameters.len()));
    }
    match parameters.iter().find(|(name, value)| !is_plain(name) || !is_plain(value)) {
        Some((name, value)) => {
            Err(format!("parameter `{name}` is `{value}`: letters, digits and -_.:/@ are taken, at most {TEXT_CHARS_MAX} of them"))
        }
        None => Ok(()),
    }
}

/// The parameters that a selector names.
pub fn named(selector: &str) -> impl Iterator<Item = &str> {
    selector.split("{{").skip(1).filter_map(|after| after.split_once("}}").map(|(name, _)| name.trim()))
}

/// A selector with `{{NAME}}` replaced by the parameter of that name.
///
/// # Errors
/// When a parameter is missing, or one that is there cannot be filled in.
pub fn filled(selector: &str, parameters: &Parameters) -> Result<String, String> {
    sound(parameters)?;
    let (mut result, mut rest) = (String::with_capacity(selector.len()), selector);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            return Err(format!("`{selector}`: `{{{{` is never closed"));
        };
        let value = parameters.get(name.trim()).ok_or_else(|| {
            let known = parameters.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("`{selector}` needs `{}`, and what was asked gives {}", name.trim(), if known.is_empty() { "nothing" } else { &known })
        })?;
        result.push_str(before);
        result.push_str(value);
        rest = behind;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Command {
        let parameters = Parameters::from([("candidate".to_owned(), "v2".to_owned())]);
        Command::Begin { asked_by: "argo".to_owned(), parameters, from: At(1_000), until: At(9_000), anew: false, at: At(2_000) }
    }

    fn find(verdict: Verdict, last: bool) -> Command {
        Command::Find { standing: Box::new(Standing { verdict, ..Standing::without_counts("", At(5_000), last) }), at: At(5_000) }
    }

    fn after(commands: &[Command]) -> (Option<Begun>, usize) {
        let mut state = None;
        let mut count = 0;
        for command in commands {
            for event in Judgement::decide(&state, command).unwrap() {
                count += 1;
                state = Judgement::evolve(state, &event);
            }
        }
        (state, count)
    }

    #[test]
    fn it_begins_once_and_keeps_changes_alone() {
        let (state, events) =
            after(&[begin(), begin(), find(Verdict::Continue, false), find(Verdict::Continue, false), find(Verdict::Promote, false)]);
        assert_eq!(events, 3);
        assert_eq!(state.unwrap().standing.unwrap().verdict, Verdict::Promote);
        assert_eq!(Judgement::decide(&None, &find(Verdict::Promote, false)), Err(Refused::NotBegun));
    }

    #[test]
    fn a_rollback_and_the_last_verdict_are_absorbing() {
        let (state, events) =
            after(&[begin(), find(Verdict::Rollback, false), find(Verdict::Promote, false), find(Verdict::Promote, true)]);
        assert_eq!((events, state.unwrap().settled().unwrap().verdict.clone()), (2, Verdict::Rollback));
        let (state, _) = after(&[begin(), find(Verdict::NoTelemetry, true), find(Verdict::Promote, true)]);
        assert_eq!(state.unwrap().settled().unwrap().verdict, Verdict::NoTelemetry);
        let (state, _) = after(&[begin(), find(Verdict::Promote, false), find(Verdict::Rollback, false)]);
        assert_eq!(state.unwrap().settled().unwrap().verdict, Verdict::Rollback, "a promotion can still turn out wrong");
    }

    #[test]
    fn another_run_of_the_same_subject_is_judged_anew_but_for_a_rollback() {
        let again = |anew: bool, at: i64| match begin() {
            Command::Begin { asked_by, parameters, .. } => {
                Command::Begin { asked_by, parameters, from: At(at), until: At(at + 8_000), anew, at: At(at) }
            }
            other => other,
        };
        let from = |commands: &[Command]| after(commands).0.unwrap().from;
        let promoted = [begin(), find(Verdict::Promote, true)];
        assert_eq!(from(&[&promoted[..], &[again(false, 9_500)]].concat()), At(1_000), "still the same run");
        assert_eq!(from(&[&promoted[..], &[again(true, 9_500)]].concat()), At(9_500), "the tool says that it is another");
        assert_eq!(from(&[&promoted[..], &[again(false, 17_001)]].concat()), At(17_001), "nobody asked for as long as it lasted");
        assert_eq!(from(&[begin(), again(true, 5_000)]), At(1_000), "not while it is undecided");
        let back = [begin(), find(Verdict::Rollback, false), again(true, 90_000)];
        assert_eq!(after(&back).0.unwrap().settled().unwrap().verdict, Verdict::Rollback);
        let mut other = again(false, 3_000);
        if let Command::Begin { parameters, .. } = &mut other {
            parameters.insert("control".to_owned(), "v1".to_owned());
        }
        let (state, _) = after(&[begin()]);
        assert!(Judgement::decide(&state, &other).unwrap_err().to_string().contains("is asked about with"));
    }

    #[test]
    fn a_first_share_is_let_in_once() {
        let let_in = Command::LetIn { at: At(3_000) };
        assert_eq!(after(&[begin(), let_in.clone(), let_in.clone()]).1, 2);
        assert_eq!(after(&[begin(), find(Verdict::Rollback, false), let_in.clone()]).1, 2, "not after a rollback");
        assert_eq!(Judgement::decide(&None, &let_in), Err(Refused::NotBegun));
    }

    #[test]
    fn selectors_take_values_and_nothing_else() {
        let of = |value: &str| Parameters::from([("candidate".to_owned(), value.to_owned())]);
        assert_eq!(filled("hits{v=\"{{candidate}}\",w=\"{{ candidate }}\"}", &of("a-1")).unwrap(), "hits{v=\"a-1\",w=\"a-1\"}");
        assert_eq!(filled("hits{v=\"1\"}", &Parameters::new()).unwrap(), "hits{v=\"1\"}");
        for bad in ["\"} or up{a=\"", "a b", "", "a\\", "{{x}}"] {
            assert!(filled("hits{v=\"{{candidate}}\"}", &of(bad)).unwrap_err().contains("letters, digits"), "{bad}");
        }
        assert!(filled("hits{v=\"{{control}}\"}", &of("a")).unwrap_err().contains("needs `control`, and what was asked gives candidate"));
        assert!(filled("hits{{", &of("a")).unwrap_err().contains("never closed"));
    }
}
