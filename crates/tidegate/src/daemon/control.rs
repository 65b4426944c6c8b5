//! The control plane's one writer: a thread of its own that owns the engine, so that no request waits for a disk.

use crate::clock;
use anyhow::{Context as _, Result, anyhow};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use tidegate_core::machine::Machine;
use tidegate_engine::rollouts::{Output, RolloutDriver};
use tidegate_port::Fence;
use tidegate_store::{AnyJournal, FsBlobs, JournalAddress};

/// The rollout driver on the stores of a workspace.
pub type Driver = RolloutDriver<AnyJournal, FsBlobs>;

/// Jobs that may wait; callers beyond wait to hand theirs in.
const JOBS_MAX: usize = 1_024;

type Work = Box<dyn FnOnce(&mut Driver) + Send>;

enum Job {
    Work(Work),
    /// The last one.
    End,
}

/// A handle to the control thread. It ends when the last handle is gone.
#[derive(Clone)]
pub struct Control {
    jobs: mpsc::SyncSender<Job>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Control {
    /// Opens the stores and finds its place in the journal; under a fence where other replicas could take over. The outputs are what was
    /// under way.
    ///
    /// # Errors
    /// When the journal or the blobs cannot be opened.
    pub fn start(journal: &JournalAddress, blobs: &Path, fence: Option<Fence>) -> Result<(Control, Vec<Output>)> {
        let journal = journal.open()?.under(fence);
        let blobs = FsBlobs::open(blobs)?;
        let (mut driver, outputs) = Driver::recover(journal, blobs, clock::now())?;
        let (jobs, queue) = mpsc::sync_channel::<Job>(JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                while let Ok(Job::Work(work)) = queue.recv() {
                    work(&mut driver);
                }
            })
            .context("start the control thread")?;
        Ok((Control { jobs, thread: Arc::new(Mutex::new(Some(thread))) }, outputs))
    }

    /// Ends the thread, whoever still has a handle: the journal is closed then, and another process may write it. On a thread that may wait.
    pub fn end(&self) {
        // Where it is full it takes its turn; where it is gone there is nothing to end.
        let _ = self.jobs.send(Job::End);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Runs `work` on the control thread and gives back what it gives.
    ///
    /// # Errors
    /// When the control thread is gone.
    pub async fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut Driver) -> T + Send + 'static) -> Result<T> {
        let (answer, waits) = tokio::sync::oneshot::channel();
        let job = Job::Work(Box::new(move |driver| {
            let _ = answer.send(work(driver));
        }));
        let jobs = self.jobs.clone();
        // A full queue blocks: never on a thread that serves requests.
        match jobs.try_send(job) {
            Ok(()) => {}
            Err(mpsc::TrySendError::Full(job)) => {
                tokio::task::spawn_blocking(move || jobs.send(job)).await?.map_err(|_| gone())?;
            }
            Err(mpsc::TrySendError::Disconnected(_)) => return Err(gone()),
        }
        waits.await.map_err(|_| gone())
    }

    /// Carries out a command of any machine; the events that happened come back.
    ///
    /// # Errors
    /// When it is refused or the journal fails.
    pub async fn execute<M>(&self, stream: String, key: Option<String>, command: M::Command) -> Result<Vec<M::Event>>
    where
        M: Machine + 'static,
        M::Command: Send + 'static,
        M::Event: Send + 'static,
        M::State: Send + 'static,
    {
        let done = self
            .call(move |driver| driver.engine().execute::<M>(&stream, key.as_deref(), &command, clock::now()).map(|done| done.events))
            .await?;
        Ok(done?)
    }

    /// The state of a stream.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn state<M>(&self, stream: impl Into<String>) -> Result<M::State>
    where
        M: Machine + 'static,
        M::State: Send + 'static,
    {
        let stream = stream.into();
        Ok(self.call(move |driver| driver.engine().state::<M>(&stream)).await??)
    }
}

fn gone() -> anyhow::Error {
    anyhow!("the control thread has ended: restart `tidegate up`, and report what its last lines say")
}

impl Control {
    /// As [`Control::call`], for threads that may wait.
    ///
    /// # Errors
    /// When the control thread is gone.
    pub fn call_blocking<T: Send + 'static>(&self, work: impl FnOnce(&mut Driver) -> T + Send + 'static) -> Result<T> {
        let (answer, waits) = mpsc::sync_channel(1);
        let job = Job::Work(Box::new(move |driver| {
            let _ = answer.send(work(driver));
        }));
        self.jobs.send(job).map_err(|_| gone())?;
        waits.recv().map_err(|_| gone())
    }

    /// As [`Control::execute`], for threads that may wait.
    ///
    /// # Errors
    /// When it is refused or the journal fails.
    pub fn execute_blocking<M>(&self, stream: String, command: M::Command) -> Result<Vec<M::Event>>
    where
        M: Machine + 'static,
        M::Command: Send + 'static,
        M::Event: Send + 'static,
        M::State: Send + 'static,
    {
        let done =
            self.call_blocking(move |driver| driver.engine().execute::<M>(&stream, None, &command, clock::now()).map(|done| done.events))?;
        Ok(done?)
    }

    /// As [`Control::state`], for threads that may wait.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn state_blocking<M>(&self, stream: impl Into<String>) -> Result<M::State>
    where
        M: Machine + 'static,
        M::State: Send + 'static,
    {
        let stream = stream.into();
        Ok(self.call_blocking(move |driver| driver.engine().state::<M>(&stream))??)
    }
}
