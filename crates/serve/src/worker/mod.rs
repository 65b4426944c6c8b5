//! A worker: one process, one version, one connection to the gateway that started it.
//!
//! The connection is the process's standard input: a stream that only the parent can reach, without a name in the
//! file system. When the parent ends, in whatever way, the stream ends and the worker with it. Requests are answered
//! in order by the thread that read them: a hand-over would cost more than most models.
//! Not here: restarts, routing, HTTP.

mod arguments;
mod version;

use crate::frame::{Answer, Body, Frame, FrameError, Hello, Outcome, put_answer, put_hello, take};
use bytes::BytesMut;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

pub use arguments::{ArgumentsError, WorkerArguments};
pub(crate) use version::NO_GOLDEN;

/// What a worker runs.
pub trait Answerer {
    /// What it says before it answers anything.
    fn hello(&self) -> Hello;
    /// The answer to one request's body.
    fn answer(&self, body: &Body) -> Answer;
}

/// A worker that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its arguments.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// Standard input is not the gateway's connection.
    #[error("start a worker: standard input is not a connection: workers are started by `tidegate up`, not by hand ({0})")]
    Connection(#[source] std::io::Error),
    /// The connection broke.
    #[error("talk to the gateway: {0}")]
    Broken(#[from] std::io::Error),
    /// A frame that cannot be read or written.
    #[error("talk to the gateway: {0}")]
    Frame(#[from] FrameError),
    /// The version is not ready; the gateway has been told why.
    #[error("version not ready: {0}")]
    NotReady(String),
}

/// Runs a worker until its gateway ends: `tidegate worker --dir D --library L --model M --version V --role R`.
///
/// # Errors
/// When the version cannot be loaded, a golden answer differs, or the connection breaks.
pub fn main(arguments: impl IntoIterator<Item = String>) -> Result<(), WorkerError> {
    let arguments = WorkerArguments::parse(arguments)?;
    let connection = connection_of_parent()?;
    end_with_parent();
    match version::LoadedVersion::open(&arguments) {
        Ok(version) => serve(&connection, &version),
        Err(why) => refuse(&connection, why),
    }
}

/// The connection that the gateway handed over as standard input.
///
/// # Errors
/// When standard input is something else.
pub fn connection_of_parent() -> Result<UnixStream, WorkerError> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(WorkerError::Connection)?;
    let connection = UnixStream::from(stdin);
    connection.peer_addr().map_err(WorkerError::Connection)?;
    Ok(connection)
}

/// Ends the process when its parent has ended, even while the version is stuck in one request.
pub fn end_with_parent() {
    const LOOK_MS: u64 = 500;
    let parent = rustix::process::getppid();
    std::thread::spawn(move || {
        while rustix::process::getppid() == parent {
            std::thread::sleep(std::time::Duration::from_millis(LOOK_MS));
        }
        std::process::exit(0);
    });
}

/// Says why the version is not ready, and ends.
fn refuse(connection: &UnixStream, why: String) -> Result<(), WorkerError> {
    let mut out = Vec::new();
    put_hello(&mut out, &Hello { why: why.clone(), ..Hello::default() })?;
    (&*connection).write_all(&out)?;
    Err(WorkerError::NotReady(why))
}

fn too_long(error: &FrameError) -> Answer {
    Answer::error(Outcome::Failed, &format!("the answer does not fit: {error}: ask for fewer rows or outputs"))
}

/// Greets, then answers until the connection ends.
///
/// # Errors
/// When the version is not ready or the connection breaks.
pub fn serve(connection: &UnixStream, answerer: &impl Answerer) -> Result<(), WorkerError> {
    const READ_BYTES: usize = 64 * 1024;
    let mut connection = connection;
    let hello = answerer.hello();
    let mut out = Vec::with_capacity(READ_BYTES);
    put_hello(&mut out, &hello)?;
    connection.write_all(&out)?;
    if !hello.ready {
        return Err(WorkerError::NotReady(hello.why));
    }
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let mut chunk = vec![0; READ_BYTES];
    loop {
        while let Some(frame) = take(&mut buffer)? {
            if let Frame::Ask(number, body) = frame {
                out.clear();
                match put_answer(&mut out, number, &answerer.answer(&body)) {
                    // Others wait in this worker: one answer that is too long ends none of them.
                    Err(error @ FrameError::Long { .. }) => put_answer(&mut out, number, &too_long(&error))?,
                    put => put?,
                }
                connection.write_all(&out)?;
            }
        }
        let read = connection.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}
