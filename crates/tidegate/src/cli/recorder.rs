//! Where a command that works beside a `tidegate up`, or without one, records what it did.

use crate::client;
use crate::daemon::control::Control;
use crate::daemon::events::Bus;
use crate::daemon::owner;
use crate::daemon::seal::Sealer;
use crate::exit::{self, failure};
use crate::steps::build::Record;
use crate::workspace::{Opened, Places};
use anyhow::Result;
use hyper::Method;
use std::cell::RefCell;
use tidegate_core::run::{Event as Fact, Start};
use tidegate_store::Keys;
use tidegate_store::disk::Guard;

/// The journal of a workspace, opened by the first record and not before; through `tidegate up` where that has it.
pub struct Recorder<'a> {
    opened: &'a Opened,
    bus: Bus,
    held: RefCell<Option<(Control, Sealer, Guard)>>,
}

impl<'a> Recorder<'a> {
    /// One that has nothing open yet.
    pub fn new(opened: &'a Opened, bus: Bus) -> Recorder<'a> {
        Recorder { opened, bus, held: RefCell::new(None) }
    }

    /// The journal, for this process alone.
    ///
    /// # Errors
    /// When another process has it, or it cannot be opened.
    pub fn control(&self) -> Result<Control> {
        let mut held = self.held.borrow_mut();
        if let Some((control, _, _)) = held.as_ref() {
            return Ok(control.clone());
        }
        let places = &self.opened.places;
        places.make()?;
        let guard = owner::take(places)?;
        let keys = Keys::open(&places.keys(), &self.opened.config.name)?;
        let (control, _) = Control::start(&places.journal()?, &places.blobs(), None)?;
        let sealer = Sealer::start(places, keys.signer(), self.bus.clone())?;
        *held = Some((control.clone(), sealer, guard));
        Ok(control)
    }

    /// Whether a `tidegate up` has the journal: then it records for us.
    pub fn up(&self) -> Option<&Places> {
        let places = &self.opened.places;
        (self.held.borrow().is_none() && owner::answers(places)).then_some(places)
    }

    /// Seals what was recorded and lets go of the journal.
    pub fn close(self) {
        if let Some((control, sealer, guard)) = self.held.into_inner() {
            drop(control);
            sealer.stop();
            drop(guard);
        }
    }
}

impl Record for Recorder<'_> {
    fn begin(&self, change: &str, start: Box<Start>) -> Result<String> {
        let Some(places) = self.up() else { return self.control()?.begin(change, start) };
        let body = serde_json::json!({ "change": change, "start": start });
        let answer = client::ask(places, "record a run", Method::POST, "/api/v1/runs", Some(&body))?;
        answer["id"].as_str().map(str::to_owned).ok_or_else(|| failure(exit::OUTSIDE, "record a run: the answer has no id"))
    }

    fn facts(&self, id: &str, facts: Vec<Fact>) -> Result<()> {
        let Some(places) = self.up() else { return self.control()?.facts(id, facts) };
        client::ask(places, "record a run", Method::POST, &format!("/api/v1/runs/{id}/facts"), Some(&serde_json::to_value(facts)?))
            .map(drop)
    }

    fn newest(&self, change: &str) -> Result<Option<String>> {
        let Some(places) = self.up() else { return self.control()?.newest(change) };
        let answer = client::ask(places, "find the newest run", Method::GET, &format!("/api/v1/changes/{change}/newest-run"), None)?;
        Ok(answer["id"].as_str().map(str::to_owned))
    }
}
