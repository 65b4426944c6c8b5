//! The coordinator's desk: who is there, what is asked, what came in. Handlers put in and look; the thread that trains waits.

use bytes::Bytes;
use hyper::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_learn::federated::{Collect, Failed, Hello, Member, Plan, Roster, Round, Taken};
use tokio::sync::watch;

/// Longest reason of a site that leaves, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Why something is not taken.
pub struct Refusal {
    pub status: StatusCode,
    pub why: String,
}

/// What a site that asks for a round is told.
pub enum Next {
    /// Not there yet.
    Wait,
    /// The round.
    Round(Bytes),
    /// There is a model.
    Done,
}

struct Asked {
    number: u64,
    bytes: Bytes,
    collect: Collect,
}

enum Ended {
    Model(Bytes),
    Failed(String),
}

#[derive(Default)]
struct State {
    hellos: BTreeMap<String, Hello>,
    agreed: Option<Bytes>,
    asked: Option<Asked>,
    /// A site that cannot go on, and why.
    left: Option<String>,
    ended: Option<Ended>,
    /// Sites that know the end.
    parted: BTreeSet<String>,
    /// Bytes of all answers.
    received: u64,
}

pub struct Desk {
    plan: Plan,
    names: BTreeSet<String>,
    state: Mutex<State>,
    came: Condvar,
    told: watch::Sender<()>,
}

fn conflict(why: String) -> Refusal {
    Refusal { status: StatusCode::CONFLICT, why }
}

impl Desk {
    pub fn new(plan: Plan, names: BTreeSet<String>) -> Desk {
        Desk { plan, names, state: Mutex::default(), came: Condvar::new(), told: watch::Sender::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes both sides.
    fn news(&self) {
        self.came.notify_all();
        self.told.send_replace(());
    }

    /// Who wants to know when something changes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    pub fn join(&self, site: &str, hello: Hello) -> Result<(), Refusal> {
        if hello.site != site {
            let why = format!("the token is that of site `{site}`, which calls itself `{}`", hello.site);
            return Err(Refusal { status: StatusCode::FORBIDDEN, why });
        }
        hello.check(&self.plan).map_err(conflict)?;
        let mut state = self.state();
        if state.agreed.is_some() && state.hellos.get(site) != Some(&hello) {
            return Err(conflict(format!(
                "site `{site}` has joined and the training goes on: it cannot come anew; begin again on all sides"
            )));
        }
        state.hellos.insert(site.to_owned(), hello);
        drop(state);
        self.news();
        Ok(())
    }

    /// Why a site goes away before the end.
    pub fn leave(&self, site: &str, why: &str) {
        let why: String = why.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        let mut state = self.state();
        state.left.get_or_insert_with(|| format!("site {site} cannot go on: {why}"));
        state.parted.insert(site.to_owned());
        drop(state);
        self.news();
    }

    fn failed(state: &State) -> Result<(), Refusal> {
        match &state.ended {
            Some(Ended::Failed(why)) => Err(Refusal { status: StatusCode::GONE, why: why.clone() }),
            _ => Ok(()),
        }
    }

    /// What all agreed to, once all are there.
    pub fn agreed(&self, site: &str) -> Result<Option<Bytes>, Refusal> {
        let mut state = self.state();
        if let Err(gone) = Desk::failed(&state) {
            state.parted.insert(site.to_owned());
            drop(state);
            self.news();
            return Err(gone);
        }
        Ok(state.agreed.clone())
    }

    pub fn next(&self, site: &str, number: u64) -> Result<Next, Refusal> {
        let mut state = self.state();
        let next = match (&state.ended, &state.asked) {
            (Some(Ended::Failed(why)), _) => Err(Refusal { status: StatusCode::GONE, why: why.clone() }),
            (Some(Ended::Model(_)), _) => return Ok(Next::Done),
            (None, Some(asked)) if asked.number == number => return Ok(Next::Round(asked.bytes.clone())),
            (None, asked) => {
                let now = asked.as_ref().map_or(0, |asked| asked.number);
                return if number == now + 1 {
                    Ok(Next::Wait)
                } else {
                    Err(conflict(format!("site `{site}` asks for round {number}, round {now} is asked: begin again on all sides")))
                };
            }
        };
        state.parted.insert(site.to_owned());
        drop(state);
        self.news();
        next
    }

    pub fn answer(&self, site: &str, number: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let mut state = self.state();
        if let Err(gone) = Desk::failed(&state) {
            state.parted.insert(site.to_owned());
            drop(state);
            self.news();
            return Err(gone);
        }
        let Some(asked) = &mut state.asked else { return Err(conflict(format!("answer of site `{site}`: nothing is asked"))) };
        if asked.collect.take(site, number, bytes).map_err(|why| conflict(why.to_string()))? == Taken::New {
            state.received += bytes.len() as u64;
        }
        drop(state);
        self.news();
        Ok(())
    }

    pub fn model(&self, site: &str) -> Option<Bytes> {
        let mut state = self.state();
        let Some(Ended::Model(bytes)) = &state.ended else { return None };
        let bytes = bytes.clone();
        state.parted.insert(site.to_owned());
        drop(state);
        self.news();
        Some(bytes)
    }

    /// Waits until `found` says so; the state then, or as it is when the time is over.
    fn wait(&self, within: Duration, mut found: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state();
        let waited = self.came.wait_timeout_while(state, within, |state| !found(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for all sites, and tells them of one another; `seen` hears who is there.
    pub fn gather(&self, within: Duration, mut seen: impl FnMut(&str)) -> Result<Roster, Failed> {
        let mut known = 0;
        let whole = |state: &State| state.hellos.len() == self.names.len() || state.left.is_some();
        let state = self.wait(within, |state| {
            if state.hellos.len() != known {
                known = state.hellos.len();
                seen(&state.hellos.keys().cloned().collect::<Vec<_>>().join(", "));
            }
            whole(state)
        });
        if !whole(&state) || state.left.is_some() {
            let missing: Vec<&str> = self.names.iter().filter(|name| !state.hellos.contains_key(*name)).map(String::as_str).collect();
            let why = state
                .left
                .clone()
                .unwrap_or_else(|| format!("site {} did not join in time: begin again when all are ready", missing.join(", ")));
            return Err(Failed::Round { round: 0, why });
        }
        let members: Vec<Member> = state.hellos.values().map(|hello| Member { name: hello.site.clone(), key: hello.key.clone() }).collect();
        drop(state);
        let roster = Roster::try_from(members).map_err(|why| Failed::Model(why.to_string()))?;
        let agreed = serde_json::json!({ "plan": self.plan, "roster": roster });
        self.state().agreed = Some(Bytes::from(agreed.to_string()));
        self.news();
        Ok(roster)
    }

    /// Asks a round of all sites, and waits for their sum.
    pub fn sum(&self, roster: &Roster, round: &Round, within: Duration) -> Result<Vec<i64>, Failed> {
        let bytes = serde_json::to_vec(round).map_err(|why| Failed::Model(why.to_string()))?;
        let number = round.number;
        let collect = Collect::after(self.state().asked.as_ref().map(|asked| &asked.collect), roster, round);
        if collect.expected_bytes() > super::ANSWER_BYTES_MAX {
            let why = format!("its answers would have {} bytes: fewer bins make fewer", collect.expected_bytes());
            return Err(Failed::Round { round: number, why });
        }
        self.state().asked = Some(Asked { number, bytes: bytes.into(), collect });
        self.news();
        let whole = |state: &State| state.left.is_some() || state.asked.as_ref().is_some_and(|asked| asked.collect.missing().is_empty());
        let state = self.wait(within, whole);
        if let Some(why) = &state.left {
            return Err(Failed::Round { round: number, why: format!("{why}: begin the training again, with it or without it") });
        }
        state.asked.as_ref().map_or_else(|| Ok(Vec::new()), |asked| asked.collect.sums())
    }

    /// Tells all sites how it ended, and waits until they know.
    pub fn end(&self, ended: Result<Bytes, String>, within: Duration) {
        let mut state = self.state();
        state.ended = Some(match ended {
            Ok(model) => Ended::Model(model),
            Err(why) => Ended::Failed(why),
        });
        drop(state);
        self.news();
        let all = |state: &State| state.hellos.keys().all(|site| state.parted.contains(site));
        drop(self.wait(within, all));
    }

    /// Bytes of all answers.
    pub fn received(&self) -> u64 {
        self.state().received
    }
}
