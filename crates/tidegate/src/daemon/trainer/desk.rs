//! Where people and programs speak to the trainer of a model.

use super::observe::Observer;
use crate::clock;
use crate::daemon::plane::Plane;
use crate::exit::{self, failure};
use crate::workspace::Opened;
use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_build::Cancel;
use tidegate_core::machine::Machine as _;
use tidegate_core::retrain::{Command, Observed, Retraining, State};
use tidegate_store::Lake;
use tidegate_wire::config::Retrain;
use tokio::sync::Notify;

/// The desks of all models that are trained anew; none while a scenario is played, for its acts say when to train.
pub type Desks = BTreeMap<String, Desk>;

/// One model's.
#[derive(Clone)]
pub struct Desk {
    pub model: String,
    pub config: Retrain,
    plane: Plane,
    observer: Arc<tokio::sync::Mutex<Observer>>,
    wake: Arc<Notify>,
    /// Stops the pipeline that runs.
    cancel: Arc<Mutex<Cancel>>,
    stopped: Arc<AtomicBool>,
}

impl Desk {
    /// All that tidegate.yaml asks for.
    pub fn all(opened: &Arc<Opened>, plane: &Plane, lake: &Arc<Lake>) -> Desks {
        if opened.scenario.is_some() {
            return Desks::new();
        }
        let desk = |(model, config): (&String, &Retrain)| {
            let observer = Observer::new(opened.clone(), plane.clone(), lake.clone(), model, config);
            let desk = Desk {
                model: model.clone(),
                config: config.clone(),
                plane: plane.clone(),
                observer: Arc::new(tokio::sync::Mutex::new(observer)),
                wake: Arc::default(),
                cancel: Arc::default(),
                stopped: Arc::default(),
            };
            (model.clone(), desk)
        };
        opened.config.retrain.iter().map(desk).collect()
    }

    /// The stream of its trainings.
    pub fn stream(&self) -> String {
        format!("{}/{}", Retraining::KIND, self.model)
    }

    /// Its trainings.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn state(&self) -> Result<State> {
        self.plane.control().state::<Retraining>(self.stream()).await
    }

    /// Looks at the world.
    ///
    /// # Errors
    /// When a store or a file cannot be read.
    pub async fn observe(&self) -> Result<Observed> {
        self.observer.lock().await.look().await
    }

    /// Waits, or until somebody said something.
    pub(super) async fn woken_or(&self, wait: Duration) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// What stops the pipeline that runs now.
    pub(super) fn cancelled_by(&self, cancel: Cancel) {
        *self.cancel.lock().unwrap_or_else(PoisonError::into_inner) = cancel;
    }

    /// Ends the pipeline that runs: the next start goes on with the training.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        self.wake.notify_one();
    }

    /// Whether the workspace goes down.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Carries out what a person wants: `start`, `approve`, `reject` or `cancel`, of the training that is under way where
    /// no number is given.
    ///
    /// # Errors
    /// When the word is none of these, a reason is missing, or it is refused.
    pub async fn say(&self, word: &str, number: Option<u64>, by: String, reason: Option<String>) -> Result<State> {
        let model = &self.model;
        let needs = || {
            let missing = || failure(exit::USAGE, format!("{word} training of {model}: say why with --reason: it is recorded"));
            reason.clone().filter(|r| !r.trim().is_empty()).ok_or_else(missing)
        };
        let under_way = self.state().await?.under_way().map(|t| t.number);
        let none =
            || failure(exit::REFUSED, format!("{word} training of {model}: none is under way: `tidegate retrain status` shows them"));
        let which = number.or(under_way).ok_or_else(none);
        let at = clock::now();
        let command = match word {
            "start" => {
                let reason = needs()?;
                let observed = Box::new(self.observe().await?);
                Command::Ask { by, reason, rule: self.config.rule.clone(), observed, at: clock::now() }
            }
            "approve" => Command::Approve { number: which?, by, at },
            "reject" => Command::Reject { number: which?, by, reason: needs()?, at },
            "cancel" => Command::Cancel { number: which?, by, reason: needs()?, at },
            _ => {
                let known = "known are start, approve, reject, cancel";
                return Err(failure(exit::NOT_FOUND, format!("`{word}` is no command of a training: {known}")));
            }
        };
        let cancels = matches!(command, Command::Cancel { .. });
        let done = self.plane.control().execute::<Retraining>(self.stream(), None, command).await;
        done.map_err(|e| failure(exit::REFUSED, format!("{e:#}")))?;
        if cancels {
            // Recorded first: what the pipeline then says of its end belongs to a training that has ended.
            self.cancel.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        }
        self.wake.notify_one();
        self.state().await
    }
}
