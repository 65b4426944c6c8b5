//! What happens, told to everybody who wants to know: the terminal, the loop, the pages.

use tidegate_core::rollout::Event;
use tidegate_engine::rollouts::RolloutId;
use tokio::sync::broadcast;

/// Happenings that a slow listener may lag behind; older ones are lost to it, never to the journal.
const HAPPENINGS_MAX: usize = 4_096;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Facts of a rollout, durable.
    Rollout {
        /// Which.
        rollout: RolloutId,
        /// In order.
        events: Vec<Event>,
    },
    /// A person is called.
    Page {
        /// For which rollout.
        rollout: RolloutId,
        /// Why.
        text: String,
    },
    /// Something did not work and is tried again, or needs a look.
    Trouble(String),
    /// Work goes on.
    Progress(String),
    /// A step is done.
    Done(String),
}

/// Where happenings are told.
#[derive(Clone)]
pub struct Bus(broadcast::Sender<Happening>);

impl Bus {
    /// A bus without listeners.
    pub fn new() -> Bus {
        Bus(broadcast::Sender::new(HAPPENINGS_MAX))
    }

    /// Tells everybody.
    pub fn tell(&self, happening: Happening) {
        let _ = self.0.send(happening);
    }

    /// Tells of something that did not work.
    pub fn trouble(&self, text: &str) {
        self.tell(Happening::Trouble(text.to_owned()));
    }

    /// Tells of something that goes on.
    pub fn progress(&self, text: impl Into<String>) {
        self.tell(Happening::Progress(text.into()));
    }

    /// Tells of something that is done.
    pub fn done(&self, text: impl Into<String>) {
        self.tell(Happening::Done(text.into()));
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Happening> {
        self.0.subscribe()
    }
}
